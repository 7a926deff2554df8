#include "base/banned.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "base/yaml.h"
#include "pl_test.h"

static void assert_loads(const char *yaml, const char *json)
{
    json_t  *j = NULL;
    pl_error err;
    char    *z;

    assert_ok(pl_yaml_parse(pl_str_z(yaml), "test.yaml", &j, &err), &err);
    z = pl_json_dump(j);
    if (strcmp(z, json) != 0)
        fail_msg("%s gives %s, not %s", yaml, z, json);
    free(z);
    json_decref(j);
}

static void assert_refused(const char *yaml, pl_rc rc, const char *message)
{
    json_t  *j = NULL;
    pl_error err = { 0 };
    pl_rc    got = pl_yaml_parse(pl_str_z(yaml), "test.yaml", &j, &err);

    if (got != rc || strcmp(err.text, message) != 0)
        fail_msg("%s: %d '%s', not '%s'", yaml, got, err.text, message);
    assert_null(j);
}

/* YAML 1.2.2 §10.3.2 */
static void yaml_parse__resolves_plain_scalars_by_the_core_schema(void **state)
{
    (void)state;
    assert_loads("[null, Null, NULL, ~, ]", "[null,null,null,null]");
    assert_loads("[true, True, TRUE, false, False, FALSE]", "[true,true,true,false,false,false]");
    assert_loads("[yes, no, on, off, y, n, tRUE, nULL]",
                 "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"n\",\"tRUE\",\"nULL\"]");
    assert_loads("[0, 007, -19, +7, 0o17, 0x1aF]", "[0,7,-19,7,15,431]");
    assert_loads("[0b1, 1_000, 12:30:45, 0o8, 0xg, -0x1, 1,000]",
                 "[\"0b1\",\"1_000\",\"12:30:45\",\"0o8\",\"0xg\",\"-0x1\",1,0]");
    assert_loads("[1., .5, -1.5e3, 1E2, 0.25]", "[1.0,0.5,-1500.0,100.0,0.25]");
    assert_loads("[., e3, 1e, 1e+, 1.2.3, -a, +, '']",
                 "[\".\",\"e3\",\"1e\",\"1e+\",\"1.2.3\",\"-a\",\"+\",\"\"]");
    assert_loads("[9223372036854775807, -9223372036854775808]",
                 "[9223372036854775807,-9223372036854775808]");
    assert_loads("[2026-11-22, 2026-11-22T01:02:03Z, 1.2.3-rc1]",
                 "[\"2026-11-22\",\"2026-11-22T01:02:03Z\",\"1.2.3-rc1\"]");
}

static void yaml_parse__never_resolves_quoted_and_block_scalars(void **state)
{
    (void)state;
    assert_loads("['1', \"true\", 'null', \"\"]", "[\"1\",\"true\",\"null\",\"\"]");
    assert_loads("a: |\n  12\nb: >-\n  true\n", "{\"a\":\"12\\n\",\"b\":\"true\"}");
    assert_loads("a: \"\\u51c6\\t\\\"\"\n", "{\"a\":\"准\\t\\\"\"}");
}

static void yaml_parse__decodes_single_quoted_scalars(void **state)
{
    (void)state;
    assert_loads("a: 'it''s'", "{\"a\":\"it's\"}");
    assert_loads("a: ''''", "{\"a\":\"'\"}");
    assert_loads("'k''k': v", "{\"k'k\":\"v\"}");
    /* libfyaml alone gives x''''''' for this one */
    assert_loads("a: 'x''''''''''''y'", "{\"a\":\"x''''''y\"}");
    assert_loads("\xef\xbb\xbf" "a: '准''''''''''''''''绳'", "{\"a\":\"准''''''''绳\"}");
    /* YAML 1.2.2 examples 7.8 and 7.9, and folded blank lines */
    assert_loads("'implicit block key' : [\n  'implicit flow key' : value,\n ]",
                 "{\"implicit block key\":[{\"implicit flow key\":\"value\"}]}");
    assert_loads("' 1st non-empty\n\n 2nd non-empty \n\t3rd non-empty '",
                 "\" 1st non-empty\\n2nd non-empty 3rd non-empty \"");
    assert_loads("a: 'x \t\r\n  \r\n \n y'", "{\"a\":\"x\\n\\ny\"}");
    assert_loads("a: '\\n # no escape, no comment'", "{\"a\":\"\\\\n # no escape, no comment\"}");
}

static void yaml_parse__builds_nested_structures(void **state)
{
    (void)state;
    assert_loads("routes:\n  - name: 准绳\n    input: [a, {b: c}]\n  - {}\nempty:\nno: []\n",
                 "{\"empty\":null,\"no\":[],\"routes\":[{\"input\":[\"a\",{\"b\":\"c\"}],"
                 "\"name\":\"准绳\"},{}]}");
    assert_loads("", "null");
    assert_loads("# only a comment\n", "null");
    assert_loads("---\na: 1\n...\n", "{\"a\":1}");
    assert_loads("\xef\xbb\xbf" "a: 1", "{\"a\":1}");
}

static void yaml_parse__names_line_and_column_of_mistakes(void **state)
{
    (void)state;
    assert_refused("a: 1\nb: 2\na: 3\n", PL_INVALID, "test.yaml:3:1: duplicate mapping key");
    assert_refused("a:\n  - {1: x}\n", PL_INVALID, "test.yaml:2:6: mapping keys must be strings");
    assert_refused("true: x", PL_INVALID, "test.yaml:1:1: mapping keys must be strings");
    assert_refused("? [a]\n: b\n", PL_INVALID, "test.yaml:1:3: mapping keys must be strings");
    assert_refused("a: 99999999999999999999", PL_INVALID, "test.yaml:1:4: number is too large");
    assert_refused("a: 1e999", PL_INVALID, "test.yaml:1:4: number is too large");
    assert_refused("a: -.inf", PL_INVALID, "test.yaml:1:4: infinities and NaN are not accepted");
    assert_refused("a: \"\\0\"", PL_INVALID, "test.yaml:1:5: NUL characters are not accepted");
    assert_refused("a: 1\n---\nb: 2\n", PL_INVALID, "test.yaml:2:1: more than one document");
    assert_refused("a:\n\t- b\n", PL_INVALID,
                   "test.yaml:2:1: tab character may not be used as indentation");
    assert_refused("a: b\nc: |0\n", PL_INVALID, "test.yaml:2:2: not valid YAML from here on");
    assert_refused("a:\n  \x07", PL_INVALID, "test.yaml:2:1: control characters are not accepted");
    assert_refused("a: [1,\n", PL_INVALID, "test.yaml:2:1: did not find expected node content");
}

static void yaml_parse__refuses_anchors_aliases_tags_and_directives(void **state)
{
    (void)state;
    assert_refused("a: &x 1\n", PL_INVALID, "test.yaml:1:7: anchors are not accepted");
    assert_refused("a: &x [1]\n", PL_INVALID, "test.yaml:1:7: anchors are not accepted");
    assert_refused("a: &x\n  b: 1\n", PL_INVALID, "test.yaml:2:3: anchors are not accepted");
    assert_refused("a: *x\n", PL_INVALID, "test.yaml:1:5: aliases are not accepted");
    assert_refused("a: !!str 1\n", PL_INVALID, "test.yaml:1:10: tags are not accepted");
    assert_refused("a: !x {}\n", PL_INVALID, "test.yaml:1:7: tags are not accepted");
    assert_refused("%YAML 1.1\n---\na: yes\n", PL_INVALID,
                   "test.yaml:1:1: directives are not accepted");
    assert_refused("# c\r\n%TAG ! x\r\n---\na\n", PL_INVALID,
                   "test.yaml:2:1: directives are not accepted");
    assert_loads("a: 100%\nb: '%x'\n", "{\"a\":\"100%\",\"b\":\"%x\"}");
}

static pl_rc parse_repeated(const char *head, const char *unit, size_t bytes, int64_t *took_ms)
{
    pl_buf   b = PL_BUF_INIT(PL_YAML_MAX);
    json_t  *j = NULL;
    int64_t  start;
    pl_rc    rc;

    pl_buf_puts(&b, head);
    while (b.n + strlen(unit) <= bytes)
        pl_buf_puts(&b, unit);
    start = pl_mono_ms();
    rc = pl_yaml_parse(pl_buf_str(&b), "bomb.yaml", &j, NULL);
    *took_ms = pl_mono_ms() - start;
    json_decref(j);
    pl_buf_done(&b);
    return rc;
}

/* Shapes on which libfyaml 0.7 alone needs time quadratic in their length: half a megabyte
 * took minutes to hours each. */
static void yaml_parse__is_not_slowed_down_by_hostile_texts(void **state)
{
    static const struct {
        const char *head, *unit;
        pl_rc       rc;
    } bombs[] = {
        { "", "[", PL_LIMIT },        { "", "{", PL_LIMIT },     { "? ", "[:", PL_LIMIT },
        { "", "[a,", PL_LIMIT },      { "", "{a: ", PL_LIMIT },  { "- ", " ", PL_LIMIT },
        { "- ", "\t", PL_LIMIT },     { "- ", "\n ", PL_LIMIT }, { "? a\n: ", " ", PL_LIMIT },
        { "a: |\n", "\n", PL_LIMIT }, { "", "- ", PL_LIMIT },    { "", "%", PL_INVALID },
        { "", "? ", PL_INVALID },     { "", "&a ", PL_INVALID }, { "", "!a ", PL_INVALID },
        { "", "a: ", PL_INVALID },    { "'", "''", PL_INVALID }, { "\"", "\\", PL_INVALID },
    };

    (void)state;
    for (size_t i = 0; i < sizeof bombs / sizeof bombs[0]; i++) {
        int64_t took;
        pl_rc   rc = parse_repeated(bombs[i].head, bombs[i].unit, 512u << 10, &took);

        if (rc != bombs[i].rc)
            fail_msg("bomb %zu gives %s", i, pl_rc_name(rc));
        if (took > 10000)
            fail_msg("bomb %zu took %lld ms", i, (long long)took);
    }
}

static void yaml_parse__refuses_the_billion_laughs(void **state)
{
    (void)state;
    assert_refused("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                   "c: [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n",
                   PL_INVALID, "test.yaml:1:7: anchors are not accepted");
}

static void yaml_parse__bounds_the_depth(void **state)
{
    pl_error err;
    json_t  *j = NULL;

    (void)state;
    for (size_t depth = 64; depth <= 65; depth++) {
        pl_buf b = PL_BUF_INIT(1000);

        for (size_t i = 0; i < depth; i++)
            pl_buf_putc(&b, '[');
        for (size_t i = 0; i < depth; i++)
            pl_buf_putc(&b, ']');
        assert_rc(pl_yaml_parse(pl_buf_str(&b), "deep", &j, &err), depth == 64 ? PL_OK : PL_LIMIT);
        json_decref(j);
        j = NULL;
        pl_buf_done(&b);
    }
    assert_string_equal(err.text, "deep:1:65: nested too deeply");
}

static void yaml_parse__bounds_the_size_and_wants_utf8(void **state)
{
    char   *big = calloc(1, PL_YAML_MAX + 1);
    json_t *j = NULL;

    (void)state;
    memset(big, '#', PL_YAML_MAX + 1);
    assert_rc(pl_yaml_parse((pl_str){ big, PL_YAML_MAX + 1 }, "big", &j, NULL), PL_LIMIT);
    assert_rc(pl_yaml_parse((pl_str){ big, PL_YAML_MAX }, "big", &j, NULL), PL_OK);
    json_decref(j);
    free(big);
    assert_rc(pl_yaml_parse(PL_STR("a: \xff"), "x", &j, NULL), PL_INVALID);
    assert_rc(pl_yaml_parse(PL_STR("a: b\0c"), "x", &j, NULL), PL_INVALID);
    assert_rc(pl_yaml_parse((pl_str){ NULL, 0 }, "x", &j, NULL), PL_OK);
    json_decref(j);
}

static void yaml_parse__reads_json(void **state)
{
    (void)state;
    assert_loads("{\"a\": [1, -2.5e1, true, null, \"\\u00e9\\n\"], \"b\": {\"c\": {}}}",
                 "{\"a\":[1,-25.0,true,null,\"é\\n\"],\"b\":{\"c\":{}}}");
}

static void yaml_load__reads_a_file_and_names_it(void **state)
{
    char    *dir = pl_test_mkdtemp(), *path = pl_path_join(dir, "p.yaml");
    json_t  *j = NULL;
    pl_error err;

    (void)state;
    assert_rc(pl_yaml_load(path, &j, &err), PL_NOTFOUND);
    assert_ok(pl_file_write_atomic(path, PL_STR("a: 1\nb: *x\n"), 0600, &err), &err);
    assert_rc(pl_yaml_load(path, &j, &err), PL_INVALID);
    assert_memory_equal(err.text, path, strlen(path));
    assert_string_equal(err.text + strlen(path), ":2:5: aliases are not accepted");
    assert_ok(pl_file_write_atomic(path, PL_STR("a: 1\n"), 0600, &err), &err);
    assert_ok(pl_yaml_load(path, &j, &err), &err);
    json_decref(j);
    free(path);
    pl_test_rmtree(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yaml_parse__resolves_plain_scalars_by_the_core_schema),
        cmocka_unit_test(yaml_parse__never_resolves_quoted_and_block_scalars),
        cmocka_unit_test(yaml_parse__decodes_single_quoted_scalars),
        cmocka_unit_test(yaml_parse__builds_nested_structures),
        cmocka_unit_test(yaml_parse__names_line_and_column_of_mistakes),
        cmocka_unit_test(yaml_parse__refuses_anchors_aliases_tags_and_directives),
        cmocka_unit_test(yaml_parse__is_not_slowed_down_by_hostile_texts),
        cmocka_unit_test(yaml_parse__refuses_the_billion_laughs),
        cmocka_unit_test(yaml_parse__bounds_the_depth),
        cmocka_unit_test(yaml_parse__bounds_the_size_and_wants_utf8),
        cmocka_unit_test(yaml_parse__reads_json),
        cmocka_unit_test(yaml_load__reads_a_file_and_names_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
