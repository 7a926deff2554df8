#include "pl_test.h"

#include "base/str.h"
#include "engine/flow/workflow.h"

static pl_rc read_row(const char *text, json_t **tree, pl_flow_reality *r, pl_error *err)
{
    *tree = json_loads(text, 0, NULL);
    assert_non_null(*tree);
    return pl_reality_read(*tree, r, err);
}

/* What a row says of values and observations. */
static void says(const char *row, const char *values, const char *observed, const char *state, const char *others)
{
    pl_error        err = { 0 };
    json_t         *tree, *v = json_loads(values, 0, NULL), *o = json_loads(observed, 0, NULL), *got, *want;
    pl_flow_reality r;

    assert_ok(read_row(row, &tree, &r, &err), &err);
    assert_non_null(v);
    assert_non_null(o);
    got = pl_reality_judge(&r, v, o);
    assert_non_null(got);
    assert_string_equal(json_string_value(json_object_get(got, "state")), state);
    assert_true(json_string_length(json_object_get(json_object_get(got, "reason"), "zh")) > 0);
    assert_true(json_string_length(json_object_get(json_object_get(got, "reason"), "en")) > 0);
    if (others) {
        want = json_loads(others, 0, NULL);
        assert_true(json_equal(json_object_get(got, "others"), want));
        json_decref(want);
    }
    json_decref(got);
    json_decref(v);
    json_decref(o);
    json_decref(tree);
}

#define MODELS "{\"id\":\"m\",\"zh\":\"模型\",\"en\":\"Models\",\"observed\":\"gateway.models\",\"is\":\"within\"," \
               "\"filed\":[\"f.name\",\"f.more\"]}"
#define LABELS "{\"id\":\"l\",\"zh\":\"标识\",\"en\":\"Labels\",\"observed\":\"gateway.labels\",\"is\":\"without\"," \
               "\"values\":[\"none\"]}"

static void everything_seen_must_have_been_filed(void **state)
{
    (void)state;
    says(MODELS, "{\"f\":{\"name\":\"a\"}}", "{\"gateway.models\":[\"a\"]}", "match", "[]");
    says(MODELS, "{\"f\":{\"name\":\"a\",\"more\":[\"b\",\"c\"]}}", "{\"gateway.models\":[\"c\",\"a\"]}", "match", "[]");
    says(MODELS, "{\"f\":{\"name\":\"a\\n b \\n\"}}", "{\"gateway.models\":[\"b\"]}", "match", "[]");
    says(MODELS, "{\"f\":{\"name\":\"a\"}}", "{\"gateway.models\":[\"a\",\"x\",\"y\"]}", "drift", "[\"x\",\"y\"]");
    says(MODELS, "{\"f\":{\"name\":\"A\"}}", "{\"gateway.models\":[\"a\"]}", "drift", "[\"a\"]");
}

static void what_is_missing_is_undetermined(void **state)
{
    (void)state;
    says(MODELS, "{}", "{\"gateway.models\":[\"a\"]}", "undetermined", NULL);
    says(MODELS, "{\"f\":{\"name\":\"\",\"more\":[]}}", "{\"gateway.models\":[\"a\"]}", "undetermined", NULL);
    says(MODELS, "{\"f\":{\"name\":\"a\"}}", "{\"gateway.models\":[]}", "undetermined", NULL);
    says(MODELS, "{\"f\":{\"name\":\"a\"}}", "{}", "undetermined", NULL);
    says(MODELS, "{\"f\":{\"name\":\"a\"}}", "{\"gateway.models\":null}", "undetermined", NULL);
    says(LABELS, "{}", "{\"gateway.labels\":[]}", "undetermined", NULL);
}

static void some_things_must_not_be_seen(void **state)
{
    (void)state;
    says(LABELS, "{}", "{\"gateway.labels\":[\"text\",\"header\"]}", "match", "[]");
    says(LABELS, "{}", "{\"gateway.labels\":[\"text\",\"none\"]}", "drift", "[\"none\"]");
}

static void numbers(const char *is, const char *filed, const char *seen, const char *want)
{
    char row[300], values[80], observed[80];

    (void)snprintf(row, sizeof row, "{\"id\":\"k\",\"zh\":\"词\",\"en\":\"Words\",\"observed\":\"policy.keywords\","
                                    "\"is\":\"%s\",\"filed\":[\"f.n\"]}", is);
    (void)snprintf(values, sizeof values, "{\"f\":{\"n\":%s}}", filed);
    (void)snprintf(observed, sizeof observed, "{\"policy.keywords\":%s}", seen);
    says(row, values, observed, want, NULL);
}

static void numbers_are_compared(void **state)
{
    (void)state;
    numbers("at_least", "10000", "10000", "match");
    numbers("at_least", "10000", "9999", "drift");
    numbers("at_most", "10", "11", "drift");
    numbers("at_most", "10", "10", "match");
    numbers("equal", "10", "10", "match");
    numbers("equal", "10", "9", "drift");
    numbers("equal", "null", "9", "undetermined");
    numbers("equal", "\"10\"", "10", "undetermined");
    numbers("equal", "10", "null", "undetermined");
}

static void rows_that_make_no_sense_are_refused(void **state)
{
    static const char *const bad[] = {
        "{\"id\":\"a\",\"zh\":\"x\",\"en\":\"x\",\"observed\":\"gateway.moddels\",\"is\":\"within\",\"filed\":[\"f.n\"]}",
        "{\"id\":\"a\",\"zh\":\"x\",\"en\":\"x\",\"observed\":\"gateway.models\",\"is\":\"at_least\",\"filed\":[\"f.n\"]}",
        "{\"id\":\"a\",\"zh\":\"x\",\"en\":\"x\",\"observed\":\"policy.keywords\",\"is\":\"within\",\"filed\":[\"f.n\"]}",
        "{\"id\":\"a\",\"zh\":\"x\",\"en\":\"x\",\"observed\":\"gateway.models\",\"is\":\"within\"}",
        "{\"id\":\"a\",\"zh\":\"x\",\"en\":\"x\",\"observed\":\"gateway.models\",\"is\":\"within\",\"filed\":[]}",
        "{\"id\":\"a\",\"zh\":\"x\",\"en\":\"x\",\"observed\":\"gateway.models\",\"is\":\"within\",\"filed\":[3]}",
        "{\"id\":\"a\",\"zh\":\"x\",\"en\":\"x\",\"observed\":\"gateway.labels\",\"is\":\"without\",\"filed\":[\"f.n\"]}",
        "{\"id\":\"a\",\"zh\":\"x\",\"en\":\"x\",\"observed\":\"gateway.labels\",\"is\":\"like\",\"filed\":[\"f.n\"]}",
        "{\"id\":\"a\",\"en\":\"x\",\"observed\":\"gateway.models\",\"is\":\"within\",\"filed\":[\"f.n\"]}",
        "{\"id\":\"a\",\"zh\":\"x\",\"en\":\"x\",\"observed\":\"gateway.models\",\"is\":\"within\",\"filed\":[\"f.n\"],\"more\":1}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pl_error        err = { 0 };
        pl_flow_reality r;
        json_t         *tree;

        assert_int_equal(read_row(bad[i], &tree, &r, &err), PL_INVALID);
        assert_true(err.text[0] != '\0');
        json_decref(tree);
    }
}

static void every_observable_has_both_languages(void **state)
{
    size_t n = 0;

    (void)state;
    for (const pl_observable *o; (o = pl_observable_each(n)) != NULL; n++) {
        assert_true(*o->zh && *o->en);
        assert_ptr_equal(pl_observable_find(pl_str_z(o->id)), o);
    }
    assert_true(n > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_seen_must_have_been_filed),
        cmocka_unit_test(what_is_missing_is_undetermined),
        cmocka_unit_test(some_things_must_not_be_seen),
        cmocka_unit_test(numbers_are_compared),
        cmocka_unit_test(rows_that_make_no_sense_are_refused),
        cmocka_unit_test(every_observable_has_both_languages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
