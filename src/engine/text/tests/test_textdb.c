#include "base/banned.h"

#include "base/hash.h"
#include "text_fixture.h"

static const kw sample[] = {
    { 0, PL_STR("炸弹"), 0 },       { 0, PL_STR("炸弹制作"), 0 },
    { 1, PL_STR("bomb"), PL_KEYWORD_WORD }, { 1, PL_STR("pipe bomb"), 0 },
    { 2, PL_STR("炸弹"), 0 },       { 2, PL_STR("\U0001f52b\u00c9"), 0 },
};
#define SAMPLE (sizeof sample / sizeof *sample)

/* --- folding -------------------------------------------------------------------- */

static void text_fold__lowers_and_narrows(void **state)
{
    (void)state;
    assert_int_equal(pl_text_fold('A'), 'a');
    assert_int_equal(pl_text_fold('Z'), 'z');
    assert_int_equal(pl_text_fold('@'), '@');
    assert_int_equal(pl_text_fold('['), '[');
    assert_int_equal(pl_text_fold('z'), 'z');
    assert_int_equal(pl_text_fold(0xff21), 'a'); /* Ａ */
    assert_int_equal(pl_text_fold(0xff5a), 'z'); /* ｚ */
    assert_int_equal(pl_text_fold(0xff11), '1'); /* １ */
    assert_int_equal(pl_text_fold(0xff01), '!');
    assert_int_equal(pl_text_fold(0xff5e), '~');
    assert_int_equal(pl_text_fold(0xff5f), 0xff5f);
    assert_int_equal(pl_text_fold(0xc9), 0xe9); /* É */
    assert_int_equal(pl_text_fold(0xd7), 0xd7); /* multiplication sign is no capital */
    assert_int_equal(pl_text_fold(0x391), 0x3b1);
    assert_int_equal(pl_text_fold(0x410), 0x430);
    assert_int_equal(pl_text_fold(0x401), 0x451);
    assert_int_equal(pl_text_fold(0x4e2d), 0x4e2d);
    assert_int_equal(pl_text_fold(0x1f600), 0x1f600);
}

static void text_fold__makes_blanks_spaces(void **state)
{
    static const uint32_t blanks[] = { ' ', '\t', '\n', '\v', '\f', '\r', 0xa0, 0x3000 };

    (void)state;
    for (size_t i = 0; i < sizeof blanks / sizeof *blanks; i++)
        assert_int_equal(pl_text_fold(blanks[i]), ' ');
}

static void text_fold__skips_exactly_the_invisible(void **state)
{
    static const struct {
        uint32_t from, to;
    } skipped[] = { { 0, 0 },           { 0xad, 0xad },     { 0x200b, 0x200f }, { 0x202a, 0x202e },
                    { 0x2060, 0x2064 }, { 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff } };

    (void)state;
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        bool expected = false;

        for (size_t i = 0; i < sizeof skipped / sizeof *skipped; i++)
            expected |= cp >= skipped[i].from && cp <= skipped[i].to;
        if ((pl_text_fold(cp) == 0) != expected)
            fail_msg("U+%04X", cp);
    }
}

static void text_fold__is_idempotent(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp < 0x110000; cp++)
        if (pl_text_fold(pl_text_fold(cp)) != pl_text_fold(cp))
            fail_msg("U+%04X", cp);
}

/* --- building ------------------------------------------------------------------- */

static pl_textdb_builder *builder(uint32_t rules)
{
    pl_textdb_builder *b = NULL;
    pl_error           err = { 0 };
    uint32_t           index;

    assert_ok(pl_textdb_builder_new(&b, &err), &err);
    for (uint32_t i = 0; i < rules; i++) {
        char         id[2] = { (char)('a' + i), 0 };
        pl_text_rule rule = { { id, 1 }, PL_STR("harm.drugs"), 2 };

        assert_ok(pl_textdb_builder_rule(b, &rule, &index, &err), &err);
    }
    return b;
}

static void textdb_builder__gives_rules_back(void **state)
{
    db_fixture   f = db_make(3, sample, SAMPLE);
    pl_text_rule rule = pl_textdb_rule_get(f.db, 2);

    (void)state;
    assert_int_equal(pl_textdb_rule_count(f.db), 3);
    assert_str(rule.id, "test.rule.2");
    assert_str(rule.category, "harm.weapons");
    assert_int_equal(rule.severity, 3);
    db_drop(&f);
}

static void textdb_builder__refuses_a_known_rule_id(void **state)
{
    pl_textdb_builder *b = builder(2);
    pl_text_rule       again = { PL_STR("b"), PL_STR("other"), 1 };
    pl_error           err = { 0 };
    uint32_t           index = 99;

    (void)state;
    assert_rc(pl_textdb_builder_rule(b, &again, &index, &err), PL_CONFLICT);
    assert_string_equal(err.text, "rule 'b' exists already");
    assert_int_equal(index, 99);
    pl_textdb_builder_free(b);
}

static void textdb_builder__refuses_bad_rules(void **state)
{
    static const pl_text_rule bad[] = {
        { { "", 0 }, { "c", 1 }, 1 },     { { "x", 1 }, { "", 0 }, 1 },
        { { "\xff", 1 }, { "c", 1 }, 1 }, { { "x", 1 }, { "\xff", 1 }, 1 },
        { { "x", 1 }, { "c", 1 }, 0 },    { { "x", 1 }, { "c", 1 }, 5 },
    };
    pl_textdb_builder *b = builder(0);
    uint32_t           index;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_rc(pl_textdb_builder_rule(b, &bad[i], &index, NULL), PL_INVALID);
    pl_textdb_builder_free(b);
}

static void textdb_builder__refuses_bad_keywords(void **state)
{
    pl_textdb_builder *b = builder(1);
    char               longest[PL_TEXT_CELLS_MAX * 3 + 3];

    (void)state;
    for (size_t i = 0; i <= PL_TEXT_CELLS_MAX; i++)
        memcpy(longest + 3 * i, i % 2 ? "中" : "文", 3);
    assert_rc(pl_textdb_builder_keyword(b, 0, PL_STR(""), 0, NULL), PL_INVALID);
    assert_rc(pl_textdb_builder_keyword(b, 0, PL_STR(" \u3000\n"), 0, NULL), PL_INVALID);
    assert_rc(pl_textdb_builder_keyword(b, 0, PL_STR("\u200b\ufeff"), 0, NULL), PL_INVALID);
    assert_rc(pl_textdb_builder_keyword(b, 0, PL_STR("a\xff"), 0, NULL), PL_INVALID);
    assert_rc(pl_textdb_builder_keyword(b, 0, PL_STR("a\xe4\xb8"), 0, NULL), PL_INVALID);
    assert_rc(pl_textdb_builder_keyword(b, 1, PL_STR("a"), 0, NULL), PL_INVALID);
    assert_rc(pl_textdb_builder_keyword(b, 0, PL_STR("a"), 8, NULL), PL_INVALID);
    assert_rc(pl_textdb_builder_keyword(b, 0, PL_STR("\u2605 -- !"), 0, NULL), PL_INVALID);
    assert_rc(pl_textdb_builder_keyword(b, 0, (pl_str){ longest, sizeof longest }, 0, NULL),
              PL_INVALID);
    assert_rc(pl_textdb_builder_keyword(b, 0, (pl_str){ longest, sizeof longest - 3 }, 0, NULL),
              PL_OK);
    pl_textdb_builder_free(b);
}

static void textdb_builder__keeps_duplicates_once(void **state)
{
    static const kw twice[] = { { 0, PL_STR("ab"), 0 },
                                { 0, PL_STR("ＡＢ"), 0 },
                                { 0, PL_STR(" a\u200bb "), 0 } };
    db_fixture      once = db_make(1, twice, 1), thrice = db_make(1, twice, 3);

    (void)state;
    assert_int_equal(once.n, thrice.n);
    assert_memory_equal(once.bytes, thrice.bytes, once.n);
    db_drop(&once);
    db_drop(&thrice);
}

static void textdb_builder__keeps_the_weaker_flag_of_a_duplicate(void **state)
{
    static const kw forward[] = { { 0, PL_STR("ab"), 0 }, { 0, PL_STR("ab"), PL_KEYWORD_WORD } };
    static const kw backward[] = { { 0, PL_STR("ab"), PL_KEYWORD_WORD }, { 0, PL_STR("ab"), 0 } };
    db_fixture      f = db_make(1, forward, 2), b = db_make(1, backward, 2);
    findings        found = scan(b.db, PL_STR("cabs"));

    (void)state;
    assert_memory_equal(f.bytes, b.bytes, f.n);
    assert_int_equal(found.n, 1);
    findings_drop(&found);
    db_drop(&f);
    db_drop(&b);
}

static void textdb_builder__does_not_depend_on_insertion_order(void **state)
{
    rng        r = rng_seeded("insertion order");
    db_fixture first = db_make(3, sample, SAMPLE);

    (void)state;
    for (int round = 0; round < 50; round++) {
        kw shuffled[SAMPLE];

        memcpy(shuffled, sample, sizeof sample);
        for (uint32_t i = SAMPLE - 1; i > 0; i--) {
            uint32_t j = rng_below(&r, i + 1);
            kw       t = shuffled[i];

            shuffled[i] = shuffled[j];
            shuffled[j] = t;
        }
        db_fixture again = db_make(3, shuffled, SAMPLE);
        assert_int_equal(first.n, again.n);
        assert_memory_equal(first.bytes, again.bytes, first.n);
        db_drop(&again);
    }
    db_drop(&first);
}

/* docs/formats/policy-database.md, "Examples". */
static void textdb_builder__writes_the_documented_bytes(void **state)
{
    static const uint8_t documented[] = {
        2, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, /* literals, units, entries, looks */
        0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0,             /* combinations, rules, strings    */
    };
    static const uint8_t arrays[] = {
        1, 0, 0, 0, 3, 0, 0, 0, /* ends   */
        0, 0, 0, 0, 1, 0, 0, 0, /* firsts */
        0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
        0, 0, 0, 0,                                                       /* entries */
        0, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0,       /* rule    */
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        'a', 0, 'b', 0, 'a', 0, 'r', '1', 'c',
    };
    uint8_t            head[24] = { 0x50, 0x4c, 0x54, 0x58, 3, 0, 0, 0 };
    pl_textdb_builder *b = NULL;
    pl_text_rule       rule = { PL_STR("r1"), PL_STR("c"), 2 };
    pl_error           err = { 0 };
    uint32_t           index;
    void              *bytes = NULL;
    size_t             n = 0;

    (void)state;
    assert_ok(pl_textdb_builder_new(&b, &err), &err);
    assert_ok(pl_textdb_builder_rule(b, &rule, &index, &err), &err);
    assert_ok(pl_textdb_builder_keyword(b, 0, PL_STR("ba"), 0, &err), &err);
    assert_ok(pl_textdb_builder_keyword(b, 0, PL_STR("A"), PL_KEYWORD_WORD, &err), &err);
    assert_ok(pl_textdb_builder_finish(b, &bytes, &n, &err), &err);
    assert_true(n >= 256);
    for (int i = 0; i < 4; i++) {
        head[8 + i] = (uint8_t)(n >> 8 * i);
        head[12 + i] = (uint8_t)(pl_crc32c((char *)bytes + 16, n - 16) >> 8 * i);
        head[20 + i] = (uint8_t)(pl_cell_table_id >> 8 * i);
    }
    assert_memory_equal(bytes, head, sizeof head);
    assert_memory_equal((char *)bytes + 24, documented, sizeof documented);
    assert_memory_equal((char *)bytes + 128, arrays, sizeof arrays);
    free(bytes);
    pl_textdb_builder_free(b);
}

static void textdb_builder__can_finish_twice(void **state)
{
    pl_textdb_builder *b = builder(1);
    pl_error           err = { 0 };
    void              *one = NULL, *two = NULL, *three = NULL;
    size_t             n1 = 0, n2 = 0, n3 = 0;

    (void)state;
    assert_ok(pl_textdb_builder_keyword(b, 0, PL_STR("abc"), 0, &err), &err);
    assert_ok(pl_textdb_builder_finish(b, &one, &n1, &err), &err);
    assert_ok(pl_textdb_builder_finish(b, &two, &n2, &err), &err);
    assert_int_equal(n1, n2);
    assert_memory_equal(one, two, n1);
    assert_ok(pl_textdb_builder_keyword(b, 0, PL_STR("abd"), 0, &err), &err);
    assert_ok(pl_textdb_builder_finish(b, &three, &n3, &err), &err);
    assert_true(n3 != n2 || memcmp(two, three, n2) != 0);
    free(one), free(two), free(three);
    pl_textdb_builder_free(b);
}

static void textdb__without_rules_or_keywords_finds_nothing(void **state)
{
    db_fixture empty = db_make(0, NULL, 0), ruled = db_make(2, NULL, 0);
    findings   f = scan(empty.db, PL_STR("abc 中文")), g = scan(ruled.db, PL_STR("abc 中文"));

    (void)state;
    assert_int_equal(f.n + g.n, 0);
    assert_int_equal(pl_textdb_rule_count(empty.db), 0);
    db_drop(&empty);
    db_drop(&ruled);
}

/* The budget of the design is 10 MB for 10,000 keywords; real ones share beginnings, so
 * random ones are the worst case. */
static void textdb__of_ten_thousand_keywords_is_small(void **state)
{
    rng        r = rng_seeded("size");
    kw        *keywords = calloc(10000, sizeof *keywords);
    char      *bytes = malloc(10000 * 24);
    db_fixture f;

    (void)state;
    for (size_t i = 0; i < 10000; i++) {
        char *p = bytes + i * 24;

        for (size_t c = 0; c < 8; c++)
            (void)pl_utf8_encode(0x4e00 + rng_below(&r, 20000), p + 3 * c);
        keywords[i] = (kw){ 0, { p, 24 }, 0 };
    }
    f = db_make(1, keywords, 10000);
    print_message("# %zu bytes\n", f.n);
    assert_true(f.n < 10u << 20);
    for (size_t i = 0; i < 10000; i += 97) {
        findings found = scan(f.db, keywords[i].text);

        assert_true(found.n >= 1);
        findings_drop(&found);
    }
    db_drop(&f);
    free(keywords);
    free(bytes);
}

/* --- opening hostile bytes -------------------------------------------------------- */

/* A copy whose end is the end of its allocation, so that ASan sees any step beyond. */
static pl_rc open_copy(const void *bytes, size_t n, pl_textdb **db)
{
    char    *copy = malloc(n ? n : 1);
    pl_error err = { 0 };
    pl_rc    rc;

    memcpy(copy, bytes, n);
    *db = NULL;
    rc = pl_textdb_open((pl_str){ copy, n }, db, &err);
    assert_true(rc == PL_OK || (rc == PL_INVALID && err.text[0] != 0));
    if (rc == PL_OK) {
        findings f = scan(*db, PL_STR("pipe bomb 炸弹制作 bomb\U0001f52bÉ ÿ"));

        for (size_t i = 0; i < f.n; i++)
            assert_true(f.list[i].rule < pl_textdb_rule_count(*db));
        findings_drop(&f);
        pl_textdb_free(*db);
    }
    free(copy);
    return rc;
}

static void textdb_open__refuses_every_truncation(void **state)
{
    db_fixture f = db_make(3, sample, SAMPLE);
    pl_textdb *db;

    (void)state;
    for (size_t n = 0; n < f.n; n++)
        assert_rc(open_copy(f.bytes, n, &db), PL_INVALID);
    assert_rc(open_copy(f.bytes, f.n, &db), PL_OK);
    db_drop(&f);
}

static void textdb_open__refuses_every_flipped_bit(void **state)
{
    db_fixture f = db_make(3, sample, SAMPLE);
    uint8_t   *p = f.bytes;
    pl_textdb *db;

    (void)state;
    for (size_t bit = 0; bit < f.n * 8; bit++) {
        p[bit / 8] = (uint8_t)(p[bit / 8] ^ 1u << bit % 8);
        assert_rc(open_copy(p, f.n, &db), PL_INVALID);
        p[bit / 8] = (uint8_t)(p[bit / 8] ^ 1u << bit % 8);
    }
    db_drop(&f);
}

/* The sample with two combinations that share a part. */
static db_fixture combined_sample(void)
{
    static const pl_str              words[] = { PL_STR("pipe"), PL_STR("炸弹"), PL_STR("bomb"), PL_STR("É") };
    static const pl_text_part        one[] = { { words, 2 }, { words + 2, 1 } };
    static const pl_text_part        two[] = { { words, 2 }, { words + 3, 1 } };
    static const pl_text_combination c[] = { { one, 2, { words + 3, 1 }, 20, 0 },
                                             { two, 2, { NULL, 0 }, 9, PL_KEYWORD_WORD } };
    pl_textdb_builder               *b = NULL;
    pl_error                         err = { 0 };
    db_fixture                       f = { 0 };

    assert_ok(pl_textdb_builder_new(&b, &err), &err);
    for (uint32_t i = 0; i < 2; i++) {
        pl_text_rule rule = { i ? PL_STR("r1") : PL_STR("r0"), PL_STR("c"), 1 };
        uint32_t     index;

        assert_ok(pl_textdb_builder_rule(b, &rule, &index, &err), &err);
        assert_ok(pl_textdb_builder_keyword(b, i, sample[i].text, 0, &err), &err);
        assert_ok(pl_textdb_builder_combination(b, i, &c[i], &err), &err);
    }
    assert_ok(pl_textdb_builder_finish(b, &f.bytes, &f.n, &err), &err);
    pl_textdb_builder_free(b);
    assert_ok(pl_textdb_open((pl_str){ f.bytes, f.n }, &f.db, &err), &err);
    return f;
}

/* Somebody who can write the file can write its checksum too: then every value must
 * either be refused or be harmless. */
static void textdb_open__survives_changes_with_a_right_checksum(void **state)
{
    static const uint32_t values[] = { 0, 1, 2, 3, 64, 65, 0xff, 0x10001, 0x7fffffff, 0xffffffff };
    db_fixture            f = combined_sample();
    size_t                refused = 0, harmless = 0;
    uint32_t              lits;
    pl_textdb            *db;

    (void)state;
    memcpy(&lits, (const uint8_t *)f.bytes + 52, 4);
    /* the literal set has a test of its own, test_lits.c */
    for (size_t at = 0; at + 4 <= f.n; at += at < f.n - le32toh(lits) ? 1 : 29) {
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            uint8_t *p = malloc(f.n);
            uint32_t crc;

            memcpy(p, f.bytes, f.n);
            memcpy(p + at, &values[v], 4);
            crc = htole32(pl_crc32c(p + 16, f.n - 16));
            memcpy(p + 12, &crc, 4);
            *(open_copy(p, f.n, &db) == PL_OK ? &harmless : &refused) += 1;
            free(p);
        }
    }
    print_message("# %zu refused, %zu harmless\n", refused, harmless);
    assert_true(refused > 1000 && harmless > 100);
    db_drop(&f);
}

static void textdb_open__works_at_any_alignment(void **state)
{
    db_fixture f = db_make(3, sample, SAMPLE);
    char      *p = malloc(f.n + 8);

    (void)state;
    for (size_t shift = 1; shift < 8; shift++) {
        pl_textdb *db = NULL;
        pl_error   err = { 0 };
        findings   found;

        memcpy(p + shift, f.bytes, f.n);
        assert_ok(pl_textdb_open((pl_str){ p + shift, f.n }, &db, &err), &err);
        found = scan(db, PL_STR("炸弹"));
        assert_int_equal(found.n, 2);
        findings_drop(&found);
        pl_textdb_free(db);
    }
    free(p);
    db_drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_fold__lowers_and_narrows),
        cmocka_unit_test(text_fold__makes_blanks_spaces),
        cmocka_unit_test(text_fold__skips_exactly_the_invisible),
        cmocka_unit_test(text_fold__is_idempotent),
        cmocka_unit_test(textdb_builder__gives_rules_back),
        cmocka_unit_test(textdb_builder__refuses_a_known_rule_id),
        cmocka_unit_test(textdb_builder__refuses_bad_rules),
        cmocka_unit_test(textdb_builder__refuses_bad_keywords),
        cmocka_unit_test(textdb_builder__keeps_duplicates_once),
        cmocka_unit_test(textdb_builder__keeps_the_weaker_flag_of_a_duplicate),
        cmocka_unit_test(textdb_builder__does_not_depend_on_insertion_order),
        cmocka_unit_test(textdb_builder__writes_the_documented_bytes),
        cmocka_unit_test(textdb_builder__can_finish_twice),
        cmocka_unit_test(textdb__without_rules_or_keywords_finds_nothing),
        cmocka_unit_test(textdb__of_ten_thousand_keywords_is_small),
        cmocka_unit_test(textdb_open__refuses_every_truncation),
        cmocka_unit_test(textdb_open__refuses_every_flipped_bit),
        cmocka_unit_test(textdb_open__survives_changes_with_a_right_checksum),
        cmocka_unit_test(textdb_open__works_at_any_alignment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
