#include "base/banned.h"

#include "base/hash.h"
#include "pl_test.h"

#include <endian.h>
#include <plumbline/policydb.h>
#include <plumbline/text.h>

static const pl_policydb_section sample[] = {
    { PL_SECTION_TEXT,
      PL_STR("a text section longer than one alignment unit of sixty-four bytes!") },
    { PL_SECTION_POLICY, PL_STR("{\"routes\":[]}") },
    { PL_SECTION('E', 'M', 'T', 'Y'), PL_STR("") },
};

typedef struct image {
    char  *p;
    size_t n;
} image;

static image build(const pl_policydb_section *sections, size_t count)
{
    pl_error err = { 0 };
    image    im = { 0 };
    void    *p = NULL;

    assert_ok(pl_policydb_build(sections, count, &p, &im.n, &err), &err);
    im.p = p;
    return im;
}

/* Writes a right checksum, as somebody who forges a file would. */
static void forge(image im)
{
    pl_sha256_of((pl_str){ im.p + 64, im.n - 64 }, (uint8_t *)im.p + 24);
}

static pl_rc check(image im)
{
    pl_policydb db = { 0 };
    pl_error    err = { 0 };
    char       *exact = malloc(im.n ? im.n : 1); /* so that ASan guards the end */
    pl_rc       rc;

    memcpy(exact, im.p, im.n);
    rc = pl_policydb_check((pl_str){ exact, im.n }, &db, &err);
    assert_true((rc == PL_OK) == (err.text[0] == 0));
    free(exact);
    return rc;
}

static void policydb__gives_sections_back(void **state)
{
    image       im = build(sample, 3);
    pl_policydb db;
    pl_error    err = { 0 };
    pl_str      got;
    uint8_t     digest[32];

    (void)state;
    assert_ok(pl_policydb_check((pl_str){ im.p, im.n }, &db, &err), &err);
    assert_int_equal(db.sections, 3);
    pl_sha256_of((pl_str){ im.p, im.n }, digest);
    assert_memory_equal(db.digest, digest, 32);
    for (size_t i = 0; i < 3; i++) {
        assert_ok(pl_policydb_section_find(&db, sample[i].tag, &got, &err), &err);
        assert_int_equal(got.n, sample[i].bytes.n);
        assert_memory_equal(got.p, sample[i].bytes.p, got.n);
        assert_int_equal((size_t)(got.p - im.p) % PL_POLICYDB_ALIGN, 0);
    }
    assert_rc(pl_policydb_section_find(&db, PL_SECTION('N', 'O', 'N', 'E'), &got, &err),
              PL_NOTFOUND);
    free(im.p);
}

/* The bytes of docs/formats/policy-database.md, "Examples". */
static void policydb_build__writes_the_documented_bytes(void **state)
{
    static const pl_policydb_section one = { PL_SECTION_POLICY, PL_STR("{}") };
    static const char                head[] = "PLPOLDB1\x01\0\0\0\x01\0\0\0\x82\0\0\0\0\0\0\0";
    static const char                entry[] = "POLC\0\0\0\0\x80\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0";
    static const uint8_t             sum[32] = {
        0x00, 0xe2, 0x30, 0xeb, 0x1f, 0x83, 0xe1, 0xeb, 0x49, 0xe4, 0x15, 0x3e,
        0xd5, 0x23, 0x89, 0x63, 0xf3, 0x61, 0xf7, 0x79, 0x62, 0x1d, 0x56, 0x9d,
        0xbd, 0x5e, 0x0c, 0xb9, 0xe4, 0xd3, 0x1d, 0xa9
    };
    image im = build(&one, 1);
    char  zero[40] = { 0 };

    (void)state;
    assert_int_equal(im.n, 130);
    assert_memory_equal(im.p, head, 24);
    assert_memory_equal(im.p + 24, sum, 32);
    assert_memory_equal(im.p + 56, zero, 8);
    assert_memory_equal(im.p + 64, entry, 24);
    assert_memory_equal(im.p + 88, zero, 40);
    assert_memory_equal(im.p + 128, "{}", 2);
    free(im.p);
}

static void policydb_build__does_not_depend_on_the_order_given(void **state)
{
    static const size_t orders[][3] = { { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 },
                                        { 2, 0, 1 }, { 2, 1, 0 } };
    image               first = build(sample, 3);

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        pl_policydb_section s[3] = { sample[orders[i][0]], sample[orders[i][1]],
                                     sample[orders[i][2]] };
        image               again = build(s, 3);

        assert_int_equal(again.n, first.n);
        assert_memory_equal(again.p, first.p, first.n);
        free(again.p);
    }
    free(first.p);
}

static void policydb_build__refuses_a_tag_given_twice(void **state)
{
    pl_policydb_section twice[] = { sample[0], sample[1], sample[0] };
    pl_error            err = { 0 };
    void               *p = &err;
    size_t              n = 7;

    (void)state;
    assert_rc(pl_policydb_build(twice, 3, &p, &n, &err), PL_CONFLICT);
    assert_ptr_equal(p, &err);
    assert_int_equal(n, 7);
}

static void policydb_build__refuses_too_many_sections(void **state)
{
    pl_policydb_section many[65];
    void               *p;
    size_t              n;

    (void)state;
    for (size_t i = 0; i < 65; i++)
        many[i] = (pl_policydb_section){ (uint32_t)i, PL_STR("x") };
    assert_rc(pl_policydb_build(many, 65, &p, &n, NULL), PL_LIMIT);
    assert_rc(pl_policydb_build(many, 64, &p, &n, NULL), PL_OK);
    assert_rc(check((image){ p, n }), PL_OK);
    free(p);
}

static void policydb_check__accepts_no_sections(void **state)
{
    image im = build(NULL, 0);

    (void)state;
    assert_int_equal(im.n, 64);
    assert_rc(check(im), PL_OK);
    free(im.p);
}

static void policydb_check__refuses_every_truncation(void **state)
{
    image im = build(sample, 3);

    (void)state;
    for (size_t n = 0; n < im.n; n++)
        assert_rc(check((image){ im.p, n }), PL_INVALID);
    assert_rc(check(im), PL_OK);
    free(im.p);
}

static void policydb_check__refuses_every_flipped_bit(void **state)
{
    image im = build(sample, 3);

    (void)state;
    for (size_t bit = 0; bit < im.n * 8; bit++) {
        im.p[bit / 8] = (char)(im.p[bit / 8] ^ 1 << bit % 8);
        assert_rc(check(im), PL_INVALID);
        im.p[bit / 8] = (char)(im.p[bit / 8] ^ 1 << bit % 8);
    }
    free(im.p);
}

/* Each row puts one value where a forger might, under a right checksum. The table is at
 * 64; the sample lies as POLC at 192 (13 bytes), TEXT at 256 (66), EMTY at 384 (0). */
static void policydb_check__refuses_forged_tables(void **state)
{
    static const struct {
        const char *what;
        size_t      at;
        uint64_t    value;
        size_t      width;
    } rows[] = {
        { "version", 8, 2, 4 },
        { "count beyond the file", 12, 60, 4 },
        { "count beyond the limit", 12, 0xffffffff, 4 },
        { "fewer sections than bytes", 12, 2, 4 },
        { "file size", 16, 1 << 20, 8 },
        { "header padding", 56, 1, 8 },
        { "same tag twice", 88, PL_SECTION_POLICY, 4 },
        { "tags out of order", 64, PL_SECTION('z', 'z', 'z', 'z'), 4 },
        { "reserved", 68, 1, 4 },
        { "offset unaligned", 72, 193, 8 },
        { "offset inside the table", 72, 64, 8 },
        { "offset beyond the end", 96, 1 << 20, 8 },
        { "offset that wraps", 96, 0xffffffffffffffc0, 8 },
        { "offset of the next unit", 96, 320, 8 },
        { "overlap", 96, 192, 8 },
        { "length beyond the end", 104, 130, 8 },
        { "length that wraps", 104, 0xffffffffffffffff, 8 },
        { "length too short", 104, 64, 8 },
        { "length into the next section", 80, 65, 8 },
        { "padding between sections", 192 + 13, 1, 1 },
        { "padding after the table", 136, 1, 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        image    im = build(sample, 3);
        uint64_t le = htole64(rows[i].value);

        assert_int_equal(im.n, 384);
        memcpy(im.p + rows[i].at, &le, rows[i].width);
        forge(im);
        if (check(im) != PL_INVALID)
            fail_msg("accepted: %s", rows[i].what);
        free(im.p);
    }
}

/* The two formats together, as the gateway reads them. */
static void policydb__carries_a_text_database(void **state)
{
    pl_textdb_builder  *b = NULL;
    pl_error            err = { 0 };
    pl_text_rule        rule = { PL_STR("r"), PL_STR("harm.fraud"), 1 };
    uint32_t            index;
    void               *bytes = NULL;
    size_t              n = 0;
    pl_policydb_section section = { .tag = PL_SECTION_TEXT };
    pl_policydb         db;
    pl_textdb          *text = NULL;
    pl_str              found;
    image               im;

    (void)state;
    assert_ok(pl_textdb_builder_new(&b, &err), &err);
    assert_ok(pl_textdb_builder_rule(b, &rule, &index, &err), &err);
    assert_ok(pl_textdb_builder_keyword(b, index, PL_STR("诈骗"), 0, &err), &err);
    assert_ok(pl_textdb_builder_finish(b, &bytes, &n, &err), &err);
    section.bytes = (pl_str){ bytes, n };
    im = build(&section, 1);
    assert_ok(pl_policydb_check((pl_str){ im.p, im.n }, &db, &err), &err);
    assert_ok(pl_policydb_section_find(&db, PL_SECTION_TEXT, &found, &err), &err);
    assert_ok(pl_textdb_open(found, &text, &err), &err);
    assert_str(pl_textdb_rule_get(text, 0).category, "harm.fraud");
    pl_textdb_free(text);
    pl_textdb_builder_free(b);
    free(bytes);
    free(im.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policydb__gives_sections_back),
        cmocka_unit_test(policydb_build__writes_the_documented_bytes),
        cmocka_unit_test(policydb_build__does_not_depend_on_the_order_given),
        cmocka_unit_test(policydb_build__refuses_a_tag_given_twice),
        cmocka_unit_test(policydb_build__refuses_too_many_sections),
        cmocka_unit_test(policydb_check__accepts_no_sections),
        cmocka_unit_test(policydb_check__refuses_every_truncation),
        cmocka_unit_test(policydb_check__refuses_every_flipped_bit),
        cmocka_unit_test(policydb_check__refuses_forged_tables),
        cmocka_unit_test(policydb__carries_a_text_database),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
