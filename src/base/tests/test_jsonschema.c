/* What the standard says of each keyword, as schema, value and verdict. */
#include "base/jsonschema.h"
#include "base/str.h"
#include "pl_test.h"

typedef struct row {
    const char *schema, *value;
    const char *problem; /* NULL: fits; else part of the message */
} row;

static json_t *json_of(const char *text)
{
    json_t  *j = NULL;
    pl_error err = { 0 };

    assert_ok(pl_json_parse(pl_str_z(text), "test", &j, &err), &err);
    return j;
}

static void check_row(const row *r, pl_schema_mode mode)
{
    json_t  *schema = json_of(r->schema), *value = json_of(r->value);
    pl_error err = { PL_OK, "" };
    pl_rc    rc = pl_jsonschema_check(schema, value, mode, &err);

    if ((rc == PL_OK) != (r->problem == NULL))
        fail_msg("%s under %s: rc %d '%s'", r->value, r->schema, (int)rc, err.text);
    if (r->problem != NULL && strstr(err.text, r->problem) == NULL)
        fail_msg("%s under %s: '%s'", r->value, r->schema, err.text);
    json_decref(schema);
    json_decref(value);
}

static void check__follows_each_keyword(void **state)
{
    static const row rows[] = {
        { "{}", "null", NULL },
        { "{\"type\":\"integer\"}", "3", NULL },
        { "{\"type\":\"integer\"}", "3.5", "field '/' is not of type integer" },
        { "{\"type\":\"number\"}", "3", NULL },
        { "{\"type\":[\"string\",\"null\"]}", "null", NULL },
        { "{\"type\":[\"string\",\"null\"]}", "1", "another type" },
        { "{\"enum\":[\"a\",2]}", "2", NULL },
        { "{\"enum\":[\"a\",2]}", "3", "none of the values" },
        { "{\"const\":{\"a\":1}}", "{\"a\":1}", NULL },
        { "{\"const\":1}", "2", "the one value" },
        { "{\"minLength\":2}", "\"\\u51c6\\u7ef3\"", NULL },
        { "{\"minLength\":3}", "\"\\u51c6\\u7ef3\"", "shorter than 3" },
        { "{\"maxLength\":2}", "\"\\u51c6\\u7ef3\"", NULL },
        { "{\"maxLength\":1}", "\"\\u51c6\\u7ef3\"", "longer than 1" },
        { "{\"minLength\":3}", "7", NULL }, /* binds strings only */
        { "{\"pattern\":\"^[0-9a-f]{2}$\"}", "\"0f\"", NULL },
        { "{\"pattern\":\"^[0-9a-f]{2}$\"}", "\"0F\"", "form" },
        { "{\"format\":\"date-time\"}", "\"2026-11-22T12:00:00Z\"", NULL },
        { "{\"format\":\"date-time\"}", "\"2026-11-22\"", "RFC 3339" },
        { "{\"minimum\":0}", "-1", "less than 0" },
        { "{\"maximum\":1}", "1.5", "greater than 1" },
        { "{\"items\":{\"type\":\"string\"},\"minItems\":1}", "[]", "fewer than 1" },
        { "{\"items\":{\"type\":\"string\"}}", "[\"a\",1]", "field '/1' is not of type string" },
        { "{\"maxItems\":1}", "[1,2]", "more than 1" },
        { "{\"required\":[\"a\"]}", "{}", "field '/a' is missing" },
        { "{\"properties\":{\"a\":{\"required\":[\"b\"]}}}", "{\"a\":{}}", "field '/a/b' is missing" },
        { "{\"properties\":{\"a\":{}},\"additionalProperties\":false}", "{\"b\":1}",
          "'/b' is not part" },
        { "{\"properties\":{\"a\":{}}}", "{\"b\":1}", NULL },
        { "{\"anyOf\":[{\"type\":\"string\"},{\"minimum\":5}]}", "7", NULL },
        { "{\"anyOf\":[{\"type\":\"string\"},{\"minimum\":5}]}", "4", "none of the forms" },
        { "{\"$defs\":{\"x\":{\"type\":\"null\"}},\"items\":{\"$ref\":\"#/$defs/x\"}}", "[null]", NULL },
        { "{\"$defs\":{\"x\":{\"type\":\"null\"}},\"items\":{\"$ref\":\"#/$defs/x\"}}", "[1]", "'/0'" },
        { "{\"title\":\"t\",\"description\":\"d\",\"examples\":[1]}", "2", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_row(&rows[i], PL_SCHEMA_OPEN);
}

static void check__refuses_schemas_it_would_only_half_understand(void **state)
{
    static const row rows[] = {
        { "{\"not\":{}}", "1", "uses 'not'" },
        { "{\"properties\":{\"a\":{\"multipleOf\":2}}}", "{\"a\":2}", "uses 'multipleOf'" },
        { "{\"format\":\"email\"}", "\"a\"", "format we do not know" },
        { "{\"pattern\":\"(\"}", "\"a\"", "bad pattern" },
        { "{\"$ref\":\"#/$defs/y\"}", "1", "not there" },
        { "{\"$ref\":\"https://elsewhere.example/\"}", "1", "not there" },
        { "{\"$defs\":{\"x\":{\"$ref\":\"#/$defs/x\"}},\"$ref\":\"#/$defs/x\"}", "1", "too deeply" },
        { "7", "1", "not an object" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_row(&rows[i], PL_SCHEMA_OPEN);
}

static void check__closed_takes_described_members_only(void **state)
{
    static const row rows[] = {
        { "{\"properties\":{\"a\":{}}}", "{\"a\":1}", NULL },
        { "{\"properties\":{\"a\":{}}}", "{\"a\":1,\"b\":2}", "'/b' is not part" },
        { "{\"properties\":{\"a\":{}},\"additionalProperties\":true}", "{\"b\":2}", NULL },
        { "{\"type\":\"object\"}", "{\"b\":2}", NULL }, /* described as any object */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_row(&rows[i], PL_SCHEMA_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check__follows_each_keyword),
        cmocka_unit_test(check__refuses_schemas_it_would_only_half_understand),
        cmocka_unit_test(check__closed_takes_described_members_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
