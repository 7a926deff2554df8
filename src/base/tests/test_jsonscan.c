#include "base/banned.h"

#include "pl_test.h"

#include "base/file.h"
#include "base/str.h"
#include "jsonscan_check.h"

#include <dirent.h>

static char checking[160]; /* what check_failed shows */

static _Noreturn void check_failed(const char *what)
{
    fail_msg("%s: %s", what, checking);
    abort();
}

static void check(pl_str text)
{
    (void)snprintf(checking, sizeof checking, "%.*s", (int)text.n, text.p);
    jsonscan_check(text);
}

static pl_rc verdict(pl_str text)
{
    int nul, big;

    return scan_all(text, &nul, &big);
}

/* --- tokens -------------------------------------------------------------------- */

static void jsonscan_next__gives_tokens_with_offsets_and_depth(void **state)
{
    static const pl_jt types[] = { PL_JT_OBJ_BEGIN, PL_JT_KEY,  PL_JT_ARR_BEGIN, PL_JT_NUMBER,
                                   PL_JT_TRUE,      PL_JT_NULL, PL_JT_ARR_END,   PL_JT_KEY,
                                   PL_JT_STRING,    PL_JT_OBJ_END, PL_JT_END };
    static const size_t   starts[] = { 1, 3, 8, 9, 15, 20, 24, 27, 33, 40, 42 };
    static const unsigned depths[] = { 0, 1, 1, 2, 2, 2, 1, 1, 1, 0, 0 };
    static const char     text[] = " { \"k\" :[-1e+2,true,null], \"a\\n\":\"准\\\\\"} ";
    pl_jsonscan           j;
    pl_jsontok            t;

    (void)state;
    pl_jsonscan_init(&j, PL_STR(text));
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        assert_rc(pl_jsonscan_next(&j, &t, NULL), PL_OK);
        assert_int_equal(t.type, types[i]);
        assert_int_equal(t.depth, depths[i]);
        if (t.start != starts[i])
            fail_msg("token %zu starts at %zu", i, t.start);
        if (i == 1) {
            assert_str(t.raw, "k");
            assert_int_equal(t.end, 6);
            assert_int_equal(t.escaped, 0);
        }
        if (i == 3)
            assert_str(t.raw, "-1e+2");
        if (i == 8) {
            assert_str(t.raw, "准\\\\");
            assert_int_equal(t.escaped, 1);
            assert_int_equal(t.end, 40);
        }
    }
    assert_rc(pl_jsonscan_next(&j, &t, NULL), PL_OK);
    assert_int_equal(t.type, PL_JT_END);
}

static void jsonscan_next__stays_failed_after_an_error(void **state)
{
    pl_jsonscan j;
    pl_jsontok  t;
    pl_error    err;

    (void)state;
    pl_jsonscan_init(&j, PL_STR("[1 2]"));
    assert_rc(pl_jsonscan_next(&j, &t, &err), PL_OK);
    assert_rc(pl_jsonscan_next(&j, &t, &err), PL_OK);
    assert_rc(pl_jsonscan_next(&j, &t, &err), PL_INVALID);
    assert_string_equal(err.text, "JSON: expected ',' or ']' at byte 3");
    assert_rc(pl_jsonscan_next(&j, &t, &err), PL_INVALID);
    assert_rc(pl_jsonscan_skip(&j, &err), PL_INVALID);
}

static void jsonscan_next__bounds_the_depth(void **state)
{
    char text[2 * PL_JSONSCAN_DEPTH + 2];

    (void)state;
    memset(text, '[', PL_JSONSCAN_DEPTH + 1);
    memset(text + PL_JSONSCAN_DEPTH + 1, ']', PL_JSONSCAN_DEPTH + 1);
    assert_rc(verdict((pl_str){ text, sizeof text }), PL_LIMIT);
    assert_rc(verdict((pl_str){ text + 1, sizeof text - 2 }), PL_OK);
}

static const char *const good[] = {
    "{}", "[]", " [ ] ", "\"\"", "0", "-0", "-0.0e-0", "1E+9", "[0,1.5,-2e3]", "true", "false",
    "null", "{\"\":{\"a\":[]}}", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"", "\"\x7f\"",
    "\"\xc2\xa0\xe2\x80\xa8\xf4\x8f\xbf\xbf\"", "[[[[]]],{\"a\":1,\"b\":[2]}]",
    "{\"a\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"中文中文中文中文\":\"é\"}", "\t\n\r 1 \t\n\r",
};

static const char *const bad[] = {
    "", " ", "{", "}", "[", "]", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}",
    "{a:1}", "{'a':1}", "{1:1}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "[1}", "{\"a\":1]", "1 1", "[]]",
    "00", "01", "-", "-a", "1.", ".1", "1.e1", "1e", "1e+", "+1", "0x1", "1_0", "Infinity", "NaN",
    "tru", "truee", "True", "nul", "fals", "\"", "\"a", "\"\\\"", "\"\\", "\"\\x\"", "\"\\u12\"",
    "\"\\u12g4\"", "\"\\u 123\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"",
    "\"\\ud800\\ud800\"", "\"\\ud83d\\n\"", "\"\t\"", "\"\n\"", "\"\x1f\"", "\"\x80\"",
    "\"\xc0\x80\"",
    "\"\xed\xa0\x80\"", "\"\xf5\x80\x80\x80\"", "\"\xe4\xb8\"", "\xef\xbb\xbf{}", "[1]x", "/**/1",
    "[1] // x", "\xa0", "[\"a\",\n4\n,1,", "{\"a\":\"b\"}#", "{\"a\":1}{\"b\":2}", "\"a\"\"b\"",
};

static void jsonscan__accepts_and_refuses_as_rfc_8259_and_jansson_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (verdict(pl_str_z(good[i])) != PL_OK)
            fail_msg("refused %s", good[i]);
        check(pl_str_z(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (verdict(pl_str_z(bad[i])) != PL_INVALID)
            fail_msg("accepted %s", bad[i]);
        check(pl_str_z(bad[i]));
    }
    assert_rc(verdict(PL_STR("[1]\0")), PL_INVALID);
    assert_rc(verdict(PL_STR("\"a\0b\"")), PL_INVALID);
}

static void jsonscan__sees_a_stop_byte_at_any_offset_of_a_long_string(void **state)
{
    static const char *const fill[] = { "a", "é", "中" };

    (void)state;
    for (size_t k = 0; k < sizeof fill / sizeof fill[0]; k++)
        for (size_t n = 0; n < 70; n++) {
            pl_buf b = PL_BUF_INIT(1000);

            pl_buf_puts(&b, "[\"");
            for (size_t i = 0; i < n; i++)
                pl_buf_puts(&b, fill[k]);
            pl_buf_puts(&b, "\",\"");
            for (size_t i = 0; i < n; i++)
                pl_buf_puts(&b, fill[k]);
            pl_buf_puts(&b, "\\n\",\"x\"]");
            assert_rc(verdict(pl_buf_str(&b)), PL_OK);
            check(pl_buf_str(&b));
            b.p[2 + n] = '\x01';
            assert_rc(verdict(pl_buf_str(&b)), PL_INVALID);
            pl_buf_done(&b);
        }
}

/* Every text one edit away from a good one, judged like jansson does. */
static void jsonscan__agrees_with_jansson_on_mutated_texts(void **state)
{
    static const char pool[] = "{}[]\",:\\u0dD8eE+-.truefalsn \n\x01\x80\xe4";

    (void)state;
    srand(20261122);
    for (int round = 0; round < 60000; round++) {
        const char *base = good[(size_t)rand() % (sizeof good / sizeof good[0])];
        char        text[128];
        size_t      n = strlen(base);

        memcpy(text, base, n);
        for (int edits = 1 + rand() % 3; edits > 0 && n > 0; edits--) {
            size_t at = (size_t)rand() % n;

            switch (rand() % 3) {
            case 0:
                text[at] = pool[(size_t)rand() % (sizeof pool - 1)];
                break;
            case 1:
                memmove(text + at, text + at + 1, --n - at);
                break;
            default:
                memmove(text + at + 1, text + at, n++ - at);
                text[at] = pool[(size_t)rand() % (sizeof pool - 1)];
            }
        }
        check((pl_str){ text, n });
    }
}

/* --- skip, names, unescape ------------------------------------------------------- */

static void jsonscan_skip__passes_a_value_or_a_whole_container(void **state)
{
    pl_jsonscan j;
    pl_jsontok  t;

    (void)state;
    pl_jsonscan_init(&j, PL_STR("{\"a\":{\"x\":[1,{}]},\"b\":7,\"c\":[[],2],\"d\":null}"));
    assert_rc(pl_jsonscan_next(&j, &t, NULL), PL_OK);
    for (const char *k = "abcd"; *k != '\0'; k++) {
        const char name[2] = { *k, '\0' };

        assert_rc(pl_jsonscan_next(&j, &t, NULL), PL_OK);
        assert_int_equal(t.type, PL_JT_KEY);
        assert_true(pl_jsontok_is(&t, name));
        if (*k == 'c') {
            assert_rc(pl_jsonscan_next(&j, &t, NULL), PL_OK);
            assert_int_equal(t.type, PL_JT_ARR_BEGIN);
        }
        assert_rc(pl_jsonscan_skip(&j, NULL), PL_OK);
    }
    assert_rc(pl_jsonscan_next(&j, &t, NULL), PL_OK);
    assert_int_equal(t.type, PL_JT_OBJ_END);
}

static void jsonscan_skip__still_validates(void **state)
{
    pl_jsonscan j;
    pl_jsontok  t;

    (void)state;
    pl_jsonscan_init(&j, PL_STR("{\"a\":[1,{\"x\":tru}]}"));
    assert_rc(pl_jsonscan_next(&j, &t, NULL), PL_OK);
    assert_rc(pl_jsonscan_next(&j, &t, NULL), PL_OK);
    assert_rc(pl_jsonscan_skip(&j, NULL), PL_INVALID);
}

static void jsontok_is__compares_what_the_key_means(void **state)
{
    static const struct {
        const char *text, *name;
        int         equal;
    } cases[] = {
        { "\"role\"", "role", 1 },           { "\"r\\u006fle\"", "role", 1 },
        { "\"\\u0072ole\"", "role", 1 },     { "\"role\"", "rol", 0 },
        { "\"rol\"", "role", 0 },            { "\"r\\u006fles\"", "role", 0 },
        { "\"r\\u006f\"", "role", 0 },       { "\"\\ud83d\\ude00\"", "😀", 1 },
        { "\"\"", "", 1 },                   { "\"\\u0000\"", "", 0 },
        { "\"a\\\\b\"", "a\\b", 1 },         { "12", "12", 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_jsonscan j;
        pl_jsontok  t;

        pl_jsonscan_init(&j, pl_str_z(cases[i].text));
        assert_rc(pl_jsonscan_next(&j, &t, NULL), PL_OK);
        assert_int_equal(pl_jsontok_is(&t, cases[i].name), cases[i].equal);
    }
}

static void json_unescape__writes_every_escape(void **state)
{
    pl_buf b = PL_BUF_INIT(100);

    (void)state;
    pl_json_unescape(PL_STR("\\\"\\\\\\/\\b\\f\\n\\r\\t"), &b);
    pl_json_unescape(PL_STR("\\u0041\\u00e9\\u4e2d\\uD83D\\uDE00\\u0000x"), &b);
    assert_int_equal(b.n, 8 + 1 + 2 + 3 + 4 + 1 + 1);
    assert_memory_equal(b.p, "\"\\/\b\f\n\r\tAé中😀\0x", b.n);
    pl_buf_done(&b);
}

/* --- incremental check ----------------------------------------------------------- */

static void jsonlike__tells_json_from_prose(void **state)
{
    static const char *const yes[] = { "{}", " [1,2]\n", "{\"a\":{\"b\":[true,null,-1.5e+3,0]}}",
                                       "[\"\\u12aF\\n\", \"\xff\", \"\\ud800\"]" };
    static const char *const no[] = { "", "1", "\"a\"", "true", "Sure! {}", "{} hope it helps",
                                      "[1,2", "[1,2]]", "{a:1}", "[1}", "{\"a\"}", "[01]", "[1.]",
                                      "[-]", "[tru]", "[\"a\nb\"]", "[\"\\x\"]", "[1,]", "{,}",
                                      "```json\n{}\n```", "[\"\\u12g4\"]", "[truefalse]", "[1e]" };

    (void)state;
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        for (size_t step = 1; step < 40; step++)
            if (!jsonlike_of(pl_str_z(yes[i]), step))
                fail_msg("not seen: %s", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        for (size_t step = 1; step < 40; step++)
            if (jsonlike_of(pl_str_z(no[i]), step))
                fail_msg("taken for JSON: %s", no[i]);
}

static void jsonlike__takes_json_of_any_depth(void **state)
{
    pl_buf      b = PL_BUF_INIT(1u << 20);
    pl_jsonlike l;

    (void)state;
    for (int i = 0; i < 1000; i++)
        pl_buf_puts(&b, "{\"a\":1,\"k\":[2,\"x\",");
    pl_buf_puts(&b, "null");
    for (int i = 0; i < 1000; i++)
        pl_buf_puts(&b, "],\"z\":{}}");
    pl_jsonlike_init(&l);
    pl_jsonlike_feed(&l, pl_buf_str(&b));
    assert_true(pl_jsonlike_complete(&l));
    pl_jsonlike_feed(&l, PL_STR(" "));
    assert_true(pl_jsonlike_complete(&l));
    pl_jsonlike_feed(&l, PL_STR("x"));
    assert_false(pl_jsonlike_complete(&l));
    pl_buf_done(&b);
}

/* --- JSONTestSuite (github.com/nst/JSONTestSuite) ---------------------------------- */

static size_t suite_files(const char *dir)
{
    DIR   *d = opendir(dir);
    size_t n = 0;

    if (d == NULL)
        return 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char    *path, *text;
        size_t   len;
        pl_error err;
        pl_rc    rc;

        if (!pl_str_ends(pl_str_z(e->d_name), PL_STR(".json")))
            continue;
        path = pl_path_join(dir, e->d_name);
        assert_ok(pl_file_read(path, 1u << 20, &text, &len, &err), &err);
        rc = verdict((pl_str){ text, len });
        if (e->d_name[0] == 'y' && rc != PL_OK)
            fail_msg("refused %s", e->d_name);
        if (e->d_name[0] == 'n' && rc == PL_OK)
            fail_msg("accepted %s", e->d_name);
        check((pl_str){ text, len });
        n++;
        free(text);
        free(path);
    }
    (void)closedir(d);
    return n;
}

static void jsonscan__passes_the_json_test_suite(void **state)
{
    const char *data = getenv("PL_TEST_DATA");
    char       *dir;
    size_t      n;

    (void)state;
#ifdef PL_TEST_SOURCE_ROOT
    if (data == NULL)
        data = PL_TEST_SOURCE_ROOT "/../shared/data";
#endif
    dir = pl_path_join(data != NULL ? data : ".", "json-unicode/jsontestsuite/test_parsing");
    n = suite_files(dir);
    free(dir);
    if (n == 0)
        skip_because("needs the JSONTestSuite under PL_TEST_DATA");
    print_message("# %zu files\n", n);
    assert_true(n >= 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jsonscan_next__gives_tokens_with_offsets_and_depth),
        cmocka_unit_test(jsonscan_next__stays_failed_after_an_error),
        cmocka_unit_test(jsonscan_next__bounds_the_depth),
        cmocka_unit_test(jsonscan__accepts_and_refuses_as_rfc_8259_and_jansson_do),
        cmocka_unit_test(jsonscan__sees_a_stop_byte_at_any_offset_of_a_long_string),
        cmocka_unit_test(jsonscan__agrees_with_jansson_on_mutated_texts),
        cmocka_unit_test(jsonscan_skip__passes_a_value_or_a_whole_container),
        cmocka_unit_test(jsonscan_skip__still_validates),
        cmocka_unit_test(jsontok_is__compares_what_the_key_means),
        cmocka_unit_test(json_unescape__writes_every_escape),
        cmocka_unit_test(jsonlike__tells_json_from_prose),
        cmocka_unit_test(jsonlike__takes_json_of_any_depth),
        cmocka_unit_test(jsonscan__passes_the_json_test_suite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
