/* Conditions of steps over the fields of forms: three values. */
#include "pl_test.h"

#include "base/str.h"
#include "engine/flow/condition.h"

static const char form_text[] =
    "{\"id\":\"run\",\"title\":{\"zh\":\"任务\",\"en\":\"Run\"},\"fields\":["
    "{\"key\":\"flop\",\"type\":\"number\",\"unit\":\"FLOP\",\"zh\":\"算力\",\"en\":\"Compute\"},"
    "{\"key\":\"users\",\"type\":\"int\",\"zh\":\"用户\",\"en\":\"Users\"},"
    "{\"key\":\"open\",\"type\":\"bool\",\"zh\":\"开源\",\"en\":\"Open\"},"
    "{\"key\":\"day\",\"type\":\"date\",\"zh\":\"日期\",\"en\":\"Day\"},"
    "{\"key\":\"area\",\"type\":\"choice\",\"zh\":\"领域\",\"en\":\"Area\",\"options\":[{\"id\":\"1(a)\",\"zh\":\"甲\",\"en\":\"A\"},"
    "{\"id\":\"none\",\"zh\":\"无\",\"en\":\"None\"}]},"
    "{\"key\":\"places\",\"type\":\"choices\",\"zh\":\"地\",\"en\":\"Places\",\"options\":[{\"id\":\"EU\",\"zh\":\"欧盟\",\"en\":\"EU\"},"
    "{\"id\":\"CN\",\"zh\":\"中国\",\"en\":\"China\"}]},"
    "{\"key\":\"rows\",\"type\":\"list\",\"zh\":\"行\",\"en\":\"Rows\",\"fields\":[{\"key\":\"a\",\"type\":\"text\",\"zh\":\"甲\",\"en\":\"A\"}]}]}";

static const char flow_text[] =
    "{\"id\":\"w\",\"title\":{\"zh\":\"流程\",\"en\":\"Flow\"},\"jurisdiction\":\"EU\",\"kind\":\"training\","
    "\"title_field\":\"run.area\",\"forms\":[\"run\"],\"initial\":\"a\","
    "\"states\":[{\"id\":\"a\",\"zh\":\"甲\",\"en\":\"A\",\"edit\":[\"provider\"]},{\"id\":\"b\",\"zh\":\"乙\",\"en\":\"B\",\"final\":true}],"
    "\"steps\":[{\"id\":\"go\",\"zh\":\"走\",\"en\":\"Go\",\"from\":[\"a\"],\"to\":\"b\",\"roles\":[\"provider\"],"
    "\"action\":\"submitted\",\"when\":\"%s\"},"
    "{\"id\":\"free\",\"zh\":\"免\",\"en\":\"Free\",\"from\":[\"a\"],\"to\":\"b\",\"roles\":[\"provider\"],\"action\":\"submitted\"}]}";

static pl_workflow *flow_of(const char *when)
{
    char         buffer[2048];
    json_t      *j;
    pl_workflow *w;
    pl_error     err;

    snprintf(buffer, sizeof buffer, flow_text, when);
    j = json_loads(buffer, 0, NULL);
    assert_non_null(j);
    assert_ok(pl_workflow_new(j, "w.yaml", PL_FLOW_WHEN, &w, &err), &err);
    json_decref(j);
    return w;
}

static pl_form *form_of(void)
{
    json_t  *j = json_loads(form_text, 0, NULL);
    pl_form *f;
    pl_error err;

    assert_ok(pl_form_new(j, "run.yaml", &f, &err), &err);
    json_decref(j);
    return f;
}

static pl_rc make(const char *when, pl_error *err)
{
    pl_workflow   *w = flow_of(when);
    pl_form       *form = form_of();
    pl_conditions *c = NULL;
    pl_rc          rc = pl_conditions_new(w, (const pl_form *const[]){ form }, 1, "w.yaml", &c, err);

    pl_conditions_free(c);
    pl_form_free(form);
    pl_workflow_free(w);
    return rc;
}

static pl_rc ask(const char *when, const char *values, const char *step, pl_error *err)
{
    pl_workflow   *w = flow_of(when);
    pl_form       *form = form_of();
    json_t        *v = json_loads(values, 0, NULL);
    pl_conditions *c = NULL;
    pl_rc          rc;

    assert_non_null(v);
    assert_ok(pl_conditions_new(w, (const pl_form *const[]){ form }, 1, "w.yaml", &c, err), err);
    rc = pl_conditions_check(c, pl_flow_step_find(w, pl_str_z(step)), v, 20717 /* 2026-09-21 */, err);
    json_decref(v);
    pl_conditions_free(c);
    pl_form_free(form);
    pl_workflow_free(w);
    return rc;
}

static void condition__holds_does_not_hold_or_cannot_be_told(void **state)
{
    static const struct {
        const char *when, *values;
        pl_rc       rc;
    } rows[] = {
        { "run.flop > 1e25 FLOP", "{\"run\":{\"flop\":2e25}}", PL_OK },
        { "run.flop > 1e25 FLOP", "{\"run\":{\"flop\":1e25}}", PL_CONFLICT },
        { "run.flop > 1e25 FLOP", "{\"run\":{}}", PL_INVALID },
        { "run.flop > 1e25 FLOP", "{}", PL_INVALID },
        { "run.flop > 1e25 FLOP", "{\"run\":{\"flop\":\"many\"}}", PL_INVALID },
        { "run.open", "{\"run\":{\"open\":true}}", PL_OK },
        { "not run.open", "{\"run\":{\"open\":true}}", PL_CONFLICT },
        { "run.open or run.users >= 10", "{\"run\":{\"users\":10}}", PL_OK },
        { "run.open or run.users >= 10", "{\"run\":{\"users\":9}}", PL_INVALID },
        { "run.open and run.users >= 10", "{\"run\":{\"users\":9}}", PL_CONFLICT },
        { "run.area == '1(a)'", "{\"run\":{\"area\":\"1(a)\"}}", PL_OK },
        { "run.area == '1(a)'", "{\"run\":{\"area\":\"none\"}}", PL_CONFLICT },
        { "run.places has EU", "{\"run\":{\"places\":[\"CN\",\"EU\"]}}", PL_OK },
        { "run.places has EU", "{\"run\":{\"places\":[]}}", PL_CONFLICT },
        { "run.day <= as_of", "{\"run\":{\"day\":\"2026-09-21\"}}", PL_OK },
        { "run.day <= as_of", "{\"run\":{\"day\":\"2026-09-22\"}}", PL_CONFLICT },
    };
    pl_error err;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (ask(rows[i].when, rows[i].values, "go", &err) != rows[i].rc)
            fail_msg("row %zu: %s", i, err.text);
    assert_int_equal(ask("run.open", "{}", "free", &err), PL_OK);
}

static void condition__that_cannot_be_told_names_the_empty_fields(void **state)
{
    pl_error err;

    (void)state;
    assert_int_equal(ask("run.open or run.users >= 10", "{}", "go", &err), PL_INVALID);
    assert_non_null(strstr(err.text, "run.open"));
    assert_non_null(strstr(err.text, "run.users"));
    assert_int_equal(ask("run.users >= 10", "{\"run\":{\"users\":1}}", "go", &err), PL_CONFLICT);
    assert_non_null(strstr(err.text, "run.users >= 10"));
}

static void conditions__with_mistakes_are_refused(void **state)
{
    static const char *const bad[] = { "run.flops > 1e25 FLOP", "run.flop > 1e25", "run.flop >", "other.field",
                                       "run.rows", "run.area == 'B'", "run.flop > 1e25 tokens" };
    pl_error err;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (make(bad[i], &err) != PL_INVALID)
            fail_msg("%s was taken", bad[i]);
    assert_int_equal(make("run.flops > 1e25 FLOP", &err), PL_INVALID);
    assert_non_null(strstr(err.text, "w.yaml"));
    assert_non_null(strstr(err.text, "run.flop"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(condition__holds_does_not_hold_or_cannot_be_told),
        cmocka_unit_test(condition__that_cannot_be_told_names_the_empty_fields),
        cmocka_unit_test(conditions__with_mistakes_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
