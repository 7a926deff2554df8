/* The published schemas: each is sound, fits its own examples, and would notice a defect. */
#include "pl_test.h"

#include "base/jsonschema.h"
#include "base/str.h"
#include "cap/ledger/ledger_int.h"

static const char *const kinds[] = {
    "account-change", "clock-event", "complaint", "corpus-report", "deletion", "evaluation", "evidence-exported",
    "filing", "filing-drift", "grade", "guard-appeal", "guard-event-batch", "guard-lift", "guard-resume",
    "guard-review", "guard-review-destroyed", "guard-review-settled", "guard-stop", "incident", "instance-created", "key-event", "label-issued", "policy-activated", "policy-plan",
    "registry-record",
    "review",
    "sigstore-entry"
};
#define NKINDS (sizeof(kinds) / sizeof(kinds[0]))

static int setup(void **state)
{
    (void)state;
    return setenv("PLUMBLINE_DATADIR", PL_TEST_SOURCE_ROOT "/src/cap/ledger", 1);
}

static pl_rc check(const char *kind, const json_t *predicate, pl_error *err)
{
    char type[256];

    (void)snprintf(type, sizeof type, PL_PREDICATE_BASE "%s/v1", kind);
    return pl_predicate_check(pl_str_z(type), predicate, err);
}

static json_t *schema_of(const char *kind)
{
    json_t  *j = NULL;
    pl_error err = { 0 };

    assert_ok(pl_ledger_schema_load(pl_str_z(kind), &j, &err), &err);
    return j;
}

static void schemas__are_those_of_everything_the_system_claims(void **state)
{
    json_t *have = pl_ledger_schema_kinds();

    (void)state;
    assert_int_equal(json_array_size(have), NKINDS);
    for (size_t i = 0; i < NKINDS; i++)
        assert_string_equal(json_string_value(json_array_get(have, i)), kinds[i]);
    json_decref(have);
}

static void schemas__bear_their_id_and_fit_their_examples(void **state)
{
    (void)state;
    for (size_t k = 0; k < NKINDS; k++) {
        json_t  *s = schema_of(kinds[k]), *example;
        char     id[256];
        size_t   i;
        pl_error err = { 0 };

        (void)snprintf(id, sizeof id, PL_PREDICATE_BASE "%s/v1", kinds[k]);
        assert_string_equal(json_string_value(json_object_get(s, "$id")), id);
        assert_true(json_array_size(json_object_get(s, "examples")) > 0);
        json_array_foreach(json_object_get(s, "examples"), i, example)
            if (check(kinds[k], example, &err) != PL_OK)
                fail_msg("example %zu of '%s': %s", i, kinds[k], err.text);
        json_decref(s);
    }
}

/* Drops, mistypes and adds one member at a time. */
static void schemas__notice_single_defects_of_their_examples(void **state)
{
    (void)state;
    for (size_t k = 0; k < NKINDS; k++) {
        json_t     *s = schema_of(kinds[k]), *one;
        json_t     *example = json_array_get(json_object_get(s, "examples"), 0), *spoilt, *value;
        const char *name;
        size_t      i;

        json_array_foreach(json_object_get(s, "required"), i, one) {
            spoilt = json_copy(example);
            assert_int_equal(json_object_del(spoilt, json_string_value(one)), 0);
            assert_rc(check(kinds[k], spoilt, NULL), PL_INVALID);
            json_decref(spoilt);
        }
        json_object_foreach(example, name, value) {
            spoilt = json_copy(example);
            assert_int_equal(json_object_set_new(spoilt, name, json_null()), 0);
            if (check(kinds[k], spoilt, NULL) != PL_INVALID)
                fail_msg("'%s' takes null for '%s'", kinds[k], name);
            json_decref(spoilt);
        }
        spoilt = json_copy(example);
        assert_int_equal(json_object_set_new(spoilt, "telephone", json_string("13800000000")), 0);
        assert_rc(check(kinds[k], spoilt, NULL), PL_INVALID);
        json_decref(spoilt);
        json_decref(s);
    }
}

static void key_event__wants_what_its_event_needs(void **state)
{
    json_t     *s = schema_of("key-event");
    json_t     *rotate = json_array_get(json_object_get(s, "examples"), 1);
    json_t     *compromise = json_array_get(json_object_get(s, "examples"), 2);
    json_t     *spoilt = json_copy(rotate);

    (void)state;
    json_object_del(spoilt, "successor");
    assert_rc(check("key-event", spoilt, NULL), PL_INVALID);
    json_decref(spoilt);
    spoilt = json_copy(compromise);
    json_object_del(spoilt, "until");
    assert_rc(check("key-event", spoilt, NULL), PL_INVALID);
    json_decref(spoilt);
    json_decref(s);
}

static void predicate_check__knows_no_other_types(void **state)
{
    static const char *const bad[] = {
        "", "https://example.org/t/v1", PL_PREDICATE_BASE "v1", PL_PREDICATE_BASE "/v1",
        PL_PREDICATE_BASE "../schema/filing/v1", PL_PREDICATE_BASE "filing/v2",
        PL_PREDICATE_BASE "unheard-of/v1", PL_PREDICATE_BASE "-x/v1"
    };
    json_t *p = json_object();

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_rc(pl_predicate_check(pl_str_z(bad[i]), p, NULL), PL_NOTFOUND);
    json_decref(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemas__are_those_of_everything_the_system_claims),
        cmocka_unit_test(schemas__bear_their_id_and_fit_their_examples),
        cmocka_unit_test(schemas__notice_single_defects_of_their_examples),
        cmocka_unit_test(key_event__wants_what_its_event_needs),
        cmocka_unit_test(predicate_check__knows_no_other_types),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
