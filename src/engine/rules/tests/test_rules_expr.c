#include "base/str.h"
#include "engine/rules/rules.h"
#include "pl_test.h"

static const char vocabulary[] =
    "units: [FLOP, EUR]\n"
    "facts:\n"
    "  a: {type: bool}\n  b: {type: bool}\n  c: {type: bool}\n"
    "  n: {type: number, min: 0}\n  i: {type: number, integer: true, min: 0, max: 4}\n"
    "  m.flop: {type: number, unit: FLOP}\n  e: {type: number, unit: EUR}\n"
    "  d: {type: date}\n  t: {type: time}\n"
    "  k: {type: text, values: [one, two, '3(a)']}\n  o: {type: text}\n"
    "  l: {type: list, values: [x, y, z]}\n  ol: {type: list}\n  ns: {type: numbers}\n"
    "  w: {type: map, values: [A, B, C]}\n"
    "contradictions:\n  - {when: a and b and c, zh: 三者不能同真, en: not all three}\n";

typedef struct fx {
    pl_rules_book *b;
    pl_error       err;
} fx;

static int setup(void **state)
{
    fx             *f = calloc(1, sizeof *f);
    pl_rules_source s = { .id = "v", .version = "1", .jurisdiction = "any", .legal_weight = "none",
                          .digest = "", .title_en = "v", .title_zh = "v", .from = "2020-01-01",
                          .facts = { "facts.yaml", PL_STR(vocabulary) } };

    f->b = pl_rules_book_new();
    assert_ok(pl_rules_book_add(f->b, &s, NULL, NULL, &f->err), &f->err);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    pl_rules_book_free(f->b);
    free(f);
    return 0;
}

/* The value as JSON text, or the message of the error. malloc'd. */
static char *value_of(fx *f, const char *expr, const char *facts)
{
    json_t         *j = NULL, *out = NULL;
    pl_rules_facts *r = NULL;
    int64_t         day;
    char           *text;

    /* a book takes on texts that expressions mention, so facts come after a first parse */
    assert_ok(pl_rules_day(PL_STR("2026-08-02"), &day, &f->err), &f->err);
    assert_ok(pl_rules_json(pl_str_z(facts), "facts", &j, &f->err), &f->err);
    assert_ok(pl_rules_facts_new(f->b, j, &r, &f->err), &f->err);
    if (pl_rules_expr(f->b, pl_str_z(expr), r, day, &out, &f->err) != PL_OK) {
        text = pl_str_dup(pl_str_z(f->err.text));
    } else {
        text = json_dumps(out, JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
    }
    json_decref(out);
    pl_rules_facts_free(r);
    json_decref(j);
    return text;
}

typedef struct row {
    const char *expr, *facts, *want;
} row;

static void check(void **state, const row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *got = value_of(*state, rows[i].expr, rows[i].facts);

        if (strcmp(got, rows[i].want) != 0)
            fail_msg("%s with %s: %s, not %s", rows[i].expr, rows[i].facts, got, rows[i].want);
        free(got);
    }
}
#define CHECK(rows) check(state, rows, sizeof(rows) / sizeof *(rows))

static void logic__is_strong_kleene(void **state)
{
    static const row rows[] = {
        { "a and b", "{\"a\": false}", "false" },   { "a and b", "{\"b\": false}", "false" },
        { "a and b", "{\"a\": true}", "null" },     { "a or b", "{\"a\": true}", "true" },
        { "a or b", "{\"a\": false}", "null" },     { "not a", "{}", "null" },
        { "not a", "{\"a\": false}", "true" },      { "a", "{\"a\": null}", "null" },
        { "a and b or c", "{\"c\": true}", "true" }, { "a and (b or c)", "{\"a\": true, \"c\": true}", "true" },
        { "at_least(2, a, b, c)", "{\"a\": true, \"c\": true}", "true" },
        { "at_least(2, a, b, c)", "{\"a\": false, \"c\": false}", "false" },
        { "at_least(2, a, b, c)", "{\"a\": true}", "null" },
        { "if a then b else b", "{\"b\": true}", "true" },
        { "if a then b else c", "{\"b\": true, \"c\": true}", "true" },
        { "if a then b else c", "{\"b\": true, \"c\": false}", "null" },
        { "known(a) and not unknown(a)", "{\"a\": false}", "true" },
        { "known(a)", "{}", "false" },
    };

    CHECK(rows);
}

static void numbers__have_strict_thresholds_and_units(void **state)
{
    static const row rows[] = {
        { "m.flop > 1e25 FLOP", "{\"m.flop\": 1e25}", "false" },
        { "m.flop > 1e25 FLOP", "{\"m.flop\": 1.0000001e25}", "true" },
        { "m.flop > 1e25 FLOP", "{\"m.flop\": 10000000000000000000000000}", "false" },
        { "m.flop >= 1e25 FLOP", "{\"m.flop\": \"1e25 FLOP\"}", "true" },
        { "m.flop / 3 < 4e24 FLOP", "{\"m.flop\": 1e25}", "true" },
        { "7 percent * e", "{\"e\": 8000000}", "560000.0" },
        { "max(35_000_000 EUR, 7 percent * e)", "{\"e\": 1000000000}", "70000000.0" },
        { "min(35e6 EUR, 7 percent * e)", "{\"e\": 8e6}", "560000.0" },
        { "e / 2 EUR", "{\"e\": 5}", "2.5" },
        { "round(2.5)", "{}", "3.0" }, { "floor(-0.5)", "{}", "-1.0" }, { "ceil(0.1)", "{}", "1.0" },
        { "clamp(n + 4, 1, 5)", "{\"n\": 3}", "5.0" }, { "-n", "{\"n\": 3}", "-3.0" },
        { "2 + 3 * 4 - 6 / 2", "{}", "11.0" },
        { "sum(ns)", "{\"ns\": [1, 2, 4]}", "7.0" }, { "mean(ns)", "{\"ns\": [1, 2, 3]}", "2.0" },
        { "max(ns)", "{\"ns\": [1, 4, 3]}", "4.0" }, { "rest(ns)", "{\"ns\": [0.5, 0.5]}", "0.25" }, { "count(ns)", "{\"ns\": []}", "0.0" },
        { "max(ns)", "{\"ns\": []}", "null" }, { "n / 0", "{\"n\": 1}", "null" },
        { "if a then 1 else 1", "{}", "1.0" },
    };

    CHECK(rows);
}

static void dates__are_days_of_the_calendar(void **state)
{
    static const row rows[] = {
        { "d >= 2026-08-02", "{\"d\": \"2026-08-02\"}", "true" },
        { "d < 2026-08-02", "{\"d\": \"2026-08-02\"}", "false" },
        { "as_of", "{}", "\"2026-08-02\"" },
        { "2024-01-31 + 1 months", "{}", "\"2024-02-29\"" },
        { "2026-01-31 + 1 months", "{}", "\"2026-02-28\"" },
        { "2024-02-29 + 1 years", "{}", "\"2025-02-28\"" },
        { "2026-03-01 - 1 days", "{}", "\"2026-02-28\"" },
        { "2026-12-31 + 15 days", "{}", "\"2027-01-15\"" },
        { "t + 72 hours", "{\"t\": \"2026-01-01T10:30:00+08:00\"}", "\"2026-01-04T02:30:00Z\"" },
        { "t + 15 days", "{\"t\": \"2026-01-01\"}", "\"2026-01-16\"" },
        { "max(d, 2026-12-02)", "{\"d\": \"2026-08-02\"}", "\"2026-12-02\"" },
        { "if d < 2026-08-02 then 2026-12-02 else 2026-08-02", "{}", "null" },
        { "if d < 2026-08-02 then 2026-12-02 else 2026-08-02", "{\"d\": \"2026-08-01\"}", "\"2026-12-02\"" },
        { "never", "{}", "\"never\"" }, { "d - 2026-08-01 > 1 days", "{\"d\": \"2026-08-03\"}", "true" },
    };

    CHECK(rows);
}

static void texts_and_lists__are_sets(void **state)
{
    static const row rows[] = {
        { "k == one", "{\"k\": \"one\"}", "true" }, { "k != \"3(a)\"", "{\"k\": \"3(a)\"}", "false" },
        { "k in {one, two}", "{\"k\": \"two\"}", "true" }, { "k not in {one}", "{\"k\": \"two\"}", "true" },
        { "k in {one, two, '3(a)'}", "{}", "null" },
        { "l has x", "{\"l\": [\"x\", \"y\"]}", "true" }, { "l any {y, z}", "{\"l\": [\"x\"]}", "false" },
        { "l all {x, y}", "{\"l\": [\"x\", \"y\", \"z\"]}", "true" }, { "l has x", "{}", "null" },
        { "l has x", "{\"l\": []}", "false" }, { "count(l) == 2", "{\"l\": [\"x\", \"z\"]}", "true" },
        { "w any {B, C}", "{\"w\": {\"p\": \"A\", \"q\": \"B\"}}", "true" },
        { "o == hello", "{\"o\": \"hello\"}", "true" }, { "o == hello", "{\"o\": \"other\"}", "false" },
    };

    free(value_of(*state, "o == hello", "{}")); /* so that the book knows the text */
    CHECK(rows);
}

static void patterns__match_texts_of_open_facts(void **state)
{
    static const row rows[] = {
        { "ol like {'5', '25(2)'}", "{\"ol\": [\"5\"]}", "true" },
        { "ol like {'5', '25(2)'}", "{\"ol\": [\"Art 5(1)(f)\"]}", "true" },
        { "ol like {'5', '25(2)'}", "{\"ol\": [\"16\", \"EU.AIA.5\"]}", "true" },
        { "ol like {'5', '25(2)'}", "{\"ol\": [\"15\", \"55(1)\", \"50\", \"5a\", \"25(3)\", \"2(5)\"]}", "false" },
        { "ol like {'5', '25(2)'}", "{\"ol\": []}", "false" },
        { "ol like {'5', '25(2)'}", "{}", "null" },
        { "ol like {'5', '25(2)'}", "{\"ol\": [\"Art. 25(2)(a)\"]}", "true" },
        { "not ol like '5'", "{\"ol\": [\"5\"]}", "false" },
        { "o like '*machinery*'", "{\"o\": \"Machinery Regulation\"}", "true" },
        { "o like '*2023/1230'", "{\"o\": \"(EU) 2023/1230\"}", "true" },
        { "o like '*2023/1230'", "{\"o\": \"2023/12301\"}", "false" },
        { "o like '*2023/1230'", "{}", "null" },
        { "o like 'a*b*c'", "{\"o\": \"aXbYbZc\"}", "true" }, { "o like 'a*b*c'", "{\"o\": \"ac\"}", "false" },
        { "o like '*'", "{\"o\": \"anything\"}", "true" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        free(value_of(*state, rows[i].expr, "{}")); /* so that the book knows the patterns */
    CHECK(rows);
}

static void errors__say_where_and_what_is_near(void **state)
{
    static const row rows[] = {
        { "a and m.flpo > 1 FLOP", "{}", "expression:1:7: unknown fact 'm.flpo': did you mean 'm.flop'?" },
        { "m.flop > 1e25", "{}", "expression:1:8: 'm.flop' is in FLOP: write '1e+25 FLOP'" },
        { "m.flop > 3 EUR", "{}", "expression:1:8: the units differ: FLOP and EUR" },
        { "k like 'o*'", "{}", "expression:1:3: only facts without a list of values are compared with 'like'" },
        { "o like hello", "{}", "expression:1:8: a pattern in quotes of 1 to 64 characters is wanted here" },
        { "k == tow", "{}", "expression:1:6: 'tow' is no value of 'k': did you mean 'two'?" },
        { "a = b", "{}", "expression:1:3: '=' is written '=='" },
        { "a and", "{}", "expression:1:6: the expression ends too early" },
        { "a and n", "{}", "expression:1:7: a condition is wanted here, this is a number" },
        { "(a", "{}", "expression:1:3: ')' is missing here" },
        { "d > 2026-02-30", "{}", "expression:1:5: no such day: '2026-02-30'" },
        { "k == 'one", "{}", "expression:1:6: the quotation mark is not closed" },
        { "a b", "{}", "expression:1:3: 'b' does not fit here" },
        { "d + 3", "{}", "expression:1:3: to a date add hours, days, months or years" },
        { "cuont(l)", "{}", "expression:1:1: no function 'cuont' for this: is it 'count'?" },
        { "e * e", "{}", "expression:1:3: two quantities with units cannot be multiplied" },
    };

    CHECK(rows);
}

static void nesting__is_bounded(void **state)
{
    char  deep[1000], *got;

    memset(deep, '(', sizeof deep);
    deep[sizeof deep - 1] = '\0';
    got = value_of(*state, deep, "{}");
    assert_non_null(strstr(got, "nested too deeply"));
    free(got);
    for (size_t i = 0; i + 4 < sizeof deep; i += 4)
        memcpy(deep + i, "not ", 4);
    got = value_of(*state, deep, "{}");
    assert_non_null(strstr(got, "nested too deeply"));
    free(got);
}

static void facts__are_checked(void **state)
{
    fx *f = *state;
    static const struct {
        const char *json, *want;
    } rows[] = {
        { "{\"m.flpo\": 1}", "unknown fact 'm.flpo': did you mean 'm.flop'?" },
        { "{\"a\": \"yes\"}", "fact 'a' must be true or false" },
        { "{\"n\": -1}", "fact 'n' is outside of 0 to inf" },
        { "{\"i\": 2.5}", "fact 'i' must be a whole number" },
        { "{\"m.flop\": \"3 EUR\"}", "fact 'm.flop' is in FLOP, not in 'EUR'" },
        { "{\"d\": \"2026-13-01\"}", "fact 'd' is not a date (YYYY-MM-DD)" },
        { "{\"k\": \"oen\"}", "fact 'k' cannot be 'oen': did you mean 'one'?" },
        { "{\"l\": [\"x\", 7]}", "fact 'l' cannot be '7'" },
        { "{\"a\": true, \"b\": true, \"c\": true}", "the facts contradict each other: not all three" },
        { "[]", "facts are one flat JSON object" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t         *j = NULL;
        pl_rules_facts *r = NULL;

        assert_ok(pl_rules_json(pl_str_z(rows[i].json), "facts", &j, &f->err), &f->err);
        assert_rc(pl_rules_facts_new(f->b, j, &r, &f->err), PL_INVALID);
        assert_string_equal(f->err.text, rows[i].want);
        json_decref(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(logic__is_strong_kleene, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers__have_strict_thresholds_and_units, setup, teardown),
        cmocka_unit_test_setup_teardown(dates__are_days_of_the_calendar, setup, teardown),
        cmocka_unit_test_setup_teardown(texts_and_lists__are_sets, setup, teardown),
        cmocka_unit_test_setup_teardown(patterns__match_texts_of_open_facts, setup, teardown),
        cmocka_unit_test_setup_teardown(errors__say_where_and_what_is_near, setup, teardown),
        cmocka_unit_test_setup_teardown(nesting__is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(facts__are_checked, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
