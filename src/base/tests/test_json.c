#include "base/banned.h"

#include "base/json.h"
#include "base/jsonscan.h"
#include "base/str.h"
#include "pl_test.h"

static json_t *parsed(const char *text)
{
    json_t  *j = NULL;
    pl_error err;

    assert_ok(pl_json_parse(pl_str_z(text), "test", &j, &err), &err);
    return j;
}

static void json_parse__takes_any_value(void **state)
{
    static const char *const good[] = { "{}", "[1,2]", "\"x\"", "-1.5e3", "true", " null " };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        json_decref(parsed(good[i]));
}

static void json_parse__names_source_line_and_column_and_no_content(void **state)
{
    json_t  *j = NULL;
    pl_error err;

    (void)state;
    assert_rc(pl_json_parse(PL_STR("{\n  \"a\": 1,\n  \"secret\" 2}"), "config.json", &j, &err),
              PL_INVALID);
    assert_memory_equal(err.text, "config.json:3:", 14);
    assert_null(strstr(err.text, "secret"));
    assert_null(j);
}

static void json_parse__refuses_doubtful_texts(void **state)
{
    static const pl_str bad[] = {
        { "", 0 },
        { "{\"a\":1,\"a\":2}", 13 },
        { "{} {}", 5 },
        { "\"a\\u0000b\"", 10 },
        { "[1,]", 4 },
        { "\"\xff\"", 3 },
        { "1e999", 5 },
        { "99999999999999999999", 20 },
        { "{}\0", 3 },
        { "12\0", 3 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        json_t *j = NULL;

        if (pl_json_parse(bad[i], "test", &j, NULL) != PL_INVALID)
            fail_msg("accepted case %zu", i);
    }
    assert_rc(pl_json_parse((pl_str){ NULL, 0 }, "test", &(json_t *){ NULL }, NULL), PL_INVALID);
}

static void json_parse__bounds_the_depth_but_not_brackets_in_strings(void **state)
{
    char    text[2 * PL_JSONSCAN_DEPTH + 40];
    json_t *j = NULL;

    (void)state;
    for (size_t depth = PL_JSONSCAN_DEPTH; depth <= PL_JSONSCAN_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[2 * depth] = '\0';
        assert_rc(pl_json_parse(pl_str_z(text), "test", &j, NULL),
                  depth == PL_JSONSCAN_DEPTH ? PL_OK : PL_LIMIT);
        json_decref(j);
        j = NULL;
    }
    memset(text, '[', 100);
    text[0] = '"';
    memcpy(text + 80, "\\\"[[\"", 6);
    j = parsed(text);
    json_decref(j);
}

static void json_dump__is_canonical_and_pretty_is_for_people(void **state)
{
    json_t *j = parsed("{ \"b\" : [1, 2.5, \"准/绳\"], \"a\" : {\"d\":null,\"c\":true} }");
    char   *z = pl_json_dump(j);

    (void)state;
    assert_string_equal(z, "{\"a\":{\"c\":true,\"d\":null},\"b\":[1,2.5,\"准/绳\"]}");
    free(z);
    z = pl_json_pretty(j);
    assert_memory_equal(z, "{\n  \"b\": [\n    1,\n", 17);
    free(z);
    json_decref(j);
}

static void json_get__reads_typed_members(void **state)
{
    json_t *j = parsed("{\"s\":\"x\",\"i\":-5,\"b\":true,\"r\":1.0,\"n\":null}");
    pl_str  s = PL_STR("default");
    int64_t i = 42;
    bool    b = false;

    (void)state;
    assert_rc(pl_json_get_str(j, "s", true, &s, NULL), PL_OK);
    assert_str(s, "x");
    assert_rc(pl_json_get_int(j, "i", true, &i, NULL), PL_OK);
    assert_true(i == -5);
    assert_rc(pl_json_get_bool(j, "b", true, &b, NULL), PL_OK);
    assert_true(b);
    json_decref(j);
}

static void json_get__keeps_the_default_of_an_absent_member(void **state)
{
    json_t  *j = parsed("{}");
    pl_str   s = PL_STR("default");
    int64_t  i = 42;
    bool     b = true;
    pl_error err;

    (void)state;
    assert_rc(pl_json_get_str(j, "x", false, &s, NULL), PL_OK);
    assert_rc(pl_json_get_int(j, "x", false, &i, NULL), PL_OK);
    assert_rc(pl_json_get_bool(j, "x", false, &b, NULL), PL_OK);
    assert_str(s, "default");
    assert_true(i == 42 && b);
    assert_rc(pl_json_get_str(j, "name", true, &s, &err), PL_INVALID);
    assert_string_equal(err.text, "missing key 'name'");
    assert_rc(pl_json_get_int(j, "name", true, &i, &err), PL_INVALID);
    assert_rc(pl_json_get_bool(j, "name", true, &b, &err), PL_INVALID);
    json_decref(j);
}

static void json_get__refuses_other_types_naming_the_key(void **state)
{
    json_t  *j = parsed("{\"s\":1,\"i\":1.0,\"b\":\"true\",\"n\":null}");
    json_t  *array = parsed("[]");
    pl_str   s;
    int64_t  i;
    bool     b;
    pl_error err;

    (void)state;
    assert_rc(pl_json_get_str(j, "s", false, &s, &err), PL_INVALID);
    assert_string_equal(err.text, "key 's' must be a string");
    assert_rc(pl_json_get_int(j, "i", false, &i, &err), PL_INVALID);
    assert_rc(pl_json_get_bool(j, "b", false, &b, &err), PL_INVALID);
    assert_rc(pl_json_get_str(j, "n", false, &s, &err), PL_INVALID);
    assert_rc(pl_json_get_str(array, "n", false, &s, &err), PL_INVALID);
    json_decref(j);
    json_decref(array);
}

static void json_only__names_the_first_unknown_key(void **state)
{
    static const char *const allowed[] = { "a", "b", NULL };
    json_t                  *j = parsed("{\"a\":1,\"c\":2}");
    json_t                  *ok = parsed("{\"b\":1}");
    pl_error                 err;

    (void)state;
    assert_rc(pl_json_only(j, allowed, &err), PL_INVALID);
    assert_string_equal(err.text, "unknown key 'c'");
    assert_rc(pl_json_only(ok, allowed, &err), PL_OK);
    json_decref(j);
    json_decref(ok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_parse__takes_any_value),
        cmocka_unit_test(json_parse__names_source_line_and_column_and_no_content),
        cmocka_unit_test(json_parse__refuses_doubtful_texts),
        cmocka_unit_test(json_parse__bounds_the_depth_but_not_brackets_in_strings),
        cmocka_unit_test(json_dump__is_canonical_and_pretty_is_for_people),
        cmocka_unit_test(json_get__reads_typed_members),
        cmocka_unit_test(json_get__keeps_the_default_of_an_absent_member),
        cmocka_unit_test(json_get__refuses_other_types_naming_the_key),
        cmocka_unit_test(json_only__names_the_first_unknown_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
