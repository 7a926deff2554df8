#include "engine/media/c2pa/cbor.h"
#include "base/str.h"
#include "pl_test.h"
#include <math.h>

static pl_arena *arena;

static int up(void **state)
{
    (void)state;
    arena = pl_arena_new(64u << 20);
    return arena ? 0 : -1;
}

static int down(void **state)
{
    (void)state;
    pl_arena_free(arena);
    return 0;
}

/* Parses hex; NULL when refused. */
static const cbor_item *parse(const char *hex, pl_rc *rc)
{
    size_t           n = strlen(hex) / 2;
    char            *bytes = pl_arena_alloc(arena, n + 1);
    const cbor_item *out = NULL;
    pl_error         err;

    assert_rc(pl_hex_decode(pl_str_z(hex), bytes, n, NULL), PL_OK);
    *rc = pl_cbor_parse((pl_str){ bytes, n }, arena, &out, &err);
    return *rc == PL_OK ? out : NULL;
}

/* RFC 8949 appendix A. */
static void cbor_parse__reads_the_examples_of_the_standard(void **state)
{
    static const struct {
        const char *hex;
        cbor_kind   kind;
        uint64_t    value;
    } examples[] = {
        { "00", CBOR_UINT, 0 },
        { "17", CBOR_UINT, 23 },
        { "1818", CBOR_UINT, 24 },
        { "1903e8", CBOR_UINT, 1000 },
        { "1a000f4240", CBOR_UINT, 1000000 },
        { "1b000000e8d4a51000", CBOR_UINT, 1000000000000 },
        { "1bffffffffffffffff", CBOR_UINT, UINT64_MAX },
        { "20", CBOR_NINT, 0 },
        { "3903e7", CBOR_NINT, 999 },
        { "f4", CBOR_SIMPLE, 20 },
        { "f5", CBOR_SIMPLE, 21 },
        { "f6", CBOR_SIMPLE, 22 },
        { "f8ff", CBOR_SIMPLE, 255 },
        { "c074323031332d30332d32315432303a30343a30305a", CBOR_TAG, 0 },
        { "d818456449455446", CBOR_TAG, 24 },
    };
    pl_rc rc;

    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        const cbor_item *it = parse(examples[i].hex, &rc);

        assert_non_null(it);
        assert_int_equal(it->kind, examples[i].kind);
        assert_true(it->value == examples[i].value);
        assert_true(pl_cbor_is_deterministic(it));
        assert_int_equal(it->raw.n, strlen(examples[i].hex) / 2);
    }
}

static double number(const char *hex)
{
    pl_rc            rc;
    const cbor_item *it = parse(hex, &rc);
    double           d;

    assert_non_null(it);
    assert_int_equal(it->kind, CBOR_FLOAT);
    memcpy(&d, &it->value, sizeof d);
    return d;
}

static void cbor_parse__reads_floats_of_every_width(void **state)
{
    (void)state;
    assert_true(number("f93c00") == 1.0);
    assert_true(number("f97bff") == 65504.0);
    assert_true(number("f90001") == 5.960464477539063e-8);
    assert_true(number("f9c400") == -4.0);
    assert_true(number("fa47c35000") == 100000.0);
    assert_true(number("fb3ff199999999999a") == 1.1);
    assert_true(isnan(number("f97e00")));
    assert_true(isinf(number("f97c00")));
}

static void cbor_parse__reads_nested_and_endless_items(void **state)
{
    pl_rc            rc;
    const cbor_item *it = parse("a26161016162820203", &rc), *list;
    uint64_t         v;

    (void)state;
    assert_non_null(it);
    assert_true(pl_cbor_u64(pl_cbor_get(it, "a"), &v) && v == 1);
    list = pl_cbor_get(it, "b");
    assert_int_equal(list->n, 2);
    assert_true(pl_cbor_is_deterministic(it));

    it = parse("bf61610161629f0203ffff", &rc);
    assert_non_null(it);
    assert_int_equal(pl_cbor_get(it, "b")->n, 2);
    assert_false(pl_cbor_is_deterministic(it));
    it = parse("7f657374726561646d696e67ff", &rc);
    assert_str(pl_cbor_text(it), "streaming");
    it = parse("5f42010243030405ff", &rc);
    assert_int_equal(pl_cbor_bytes(it).n, 5);
}

static void cbor_parse__refuses_what_is_not_well_formed(void **state)
{
    static const char *const bad[] = {
        "",                     /* nothing                                   */
        "18",                   /* cut off                                   */
        "1b00000000000000",     /* cut off                                   */
        "61",                   /* text without its byte                     */
        "0000",                 /* something follows                         */
        "62c328",               /* not UTF-8                                 */
        "5bffffffffffffffff",   /* 2^64-1 bytes                              */
        "9bffffffffffffffff00", /* 2^64-1 elements                           */
        "bbffffffffffffffff00", /* 2^64-1 pairs                              */
        "9a0000ffff",           /* more elements than data                   */
        "a1",                   /* a pair that is not there                  */
        "bf6161ff",             /* a key without value                       */
        "a2616101616102",       /* the same key twice                        */
        "bf6161016161020aff",   /* twice, endless                            */
        "ff",                   /* a break of nothing                        */
        "5f6161ff",             /* text among pieces of bytes                */
        "5f5f4101ffff",         /* endless pieces                            */
        "1c", "3d", "fc",       /* reserved                                  */
        "f800", "f81f",         /* simple values in the long form            */
        "df00",                 /* a tag without number                      */
        "c0",                   /* a tag of nothing                          */
        "9f00",                 /* never ends                                */
    };
    pl_rc rc;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (parse(bad[i], &rc))
            fail_msg("'%s' was read", bad[i]);
        assert_rc(rc, PL_INVALID);
    }
}

static void cbor_parse__has_bounds_of_depth_and_number(void **state)
{
    char            *deep = pl_arena_alloc(arena, 100), *many = pl_arena_alloc(arena, 300000);
    const cbor_item *out;
    pl_error         err;

    (void)state;
    memset(deep, 0x81, 99);
    assert_rc(pl_cbor_parse((pl_str){ deep, 99 }, arena, &out, &err), PL_LIMIT);
    memcpy(many, "\x9a\x00\x04\x00\x00", 5);
    assert_rc(pl_cbor_parse((pl_str){ many, 5 + 0x40000 }, arena, &out, &err), PL_LIMIT);
    memset(many, 0, 300000);
    memcpy(many, "\x9f", 1);
    assert_rc(pl_cbor_parse((pl_str){ many, 300000 }, arena, &out, &err), PL_LIMIT);
}

static void cbor_is_deterministic__wants_shortest_numbers_and_ordered_keys(void **state)
{
    pl_rc rc;

    (void)state;
    assert_false(pl_cbor_is_deterministic(parse("1800", &rc)));
    assert_false(pl_cbor_is_deterministic(parse("a2616201616102", &rc)));
    assert_true(pl_cbor_is_deterministic(parse("a2616101616202", &rc)));
    assert_false(pl_cbor_is_deterministic(parse("580100", &rc)));
}

static void cbor_put__writes_the_shortest_form(void **state)
{
    static const struct {
        int64_t     v;
        const char *hex;
    } ints[] = { { 0, "00" },          { 23, "17" },        { 24, "1818" },
                 { 255, "18ff" },      { 256, "190100" },   { 65536, "1a00010000" },
                 { -1, "20" },         { -7, "26" },        { -257, "390100" },
                 { 4294967296, "1b0000000100000000" } };
    (void)state;
    for (size_t i = 0; i < sizeof ints / sizeof ints[0]; i++) {
        pl_buf b = PL_BUF_INIT(64), h = PL_BUF_INIT(64);

        pl_cbor_put_int(&b, ints[i].v);
        pl_buf_hex(&h, b.p, b.n);
        assert_str(pl_buf_str(&h), ints[i].hex);
        pl_buf_done(&b);
        pl_buf_done(&h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cbor_parse__reads_the_examples_of_the_standard),
        cmocka_unit_test(cbor_parse__reads_floats_of_every_width),
        cmocka_unit_test(cbor_parse__reads_nested_and_endless_items),
        cmocka_unit_test(cbor_parse__refuses_what_is_not_well_formed),
        cmocka_unit_test(cbor_parse__has_bounds_of_depth_and_number),
        cmocka_unit_test(cbor_is_deterministic__wants_shortest_numbers_and_ordered_keys),
        cmocka_unit_test(cbor_put__writes_the_shortest_form),
    };
    return cmocka_run_group_tests(tests, up, down);
}
