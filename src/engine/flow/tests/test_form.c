#include "pl_test.h"

#include "engine/flow/form.h"

/* A form with one of each, as packs write them. */
static const char form_text[] =
    "{\"id\":\"f\",\"title\":{\"zh\":\"表\",\"en\":\"Form\"},\"fields\":["
    "{\"key\":\"name\",\"type\":\"text\",\"zh\":\"名称\",\"en\":\"Name\",\"required\":true,\"max_length\":5,\"public\":true},"
    "{\"key\":\"code\",\"type\":\"text\",\"zh\":\"代码\",\"en\":\"Code\",\"check\":\"uscc\",\"public\":true,\"personal\":true},"
    "{\"key\":\"kind\",\"type\":\"choice\",\"zh\":\"类\",\"en\":\"Kind\",\"options\":[{\"id\":\"a\",\"zh\":\"甲\",\"en\":\"A\"},{\"id\":\"b\",\"zh\":\"乙\",\"en\":\"B\"}]},"
    "{\"key\":\"why\",\"type\":\"text\",\"zh\":\"原因\",\"en\":\"Why\",\"required_when\":{\"field\":\"kind\",\"is\":[\"b\"]}},"
    "{\"key\":\"n\",\"type\":\"int\",\"zh\":\"数\",\"en\":\"N\",\"min\":10,\"max\":20},"
    "{\"key\":\"soft\",\"type\":\"int\",\"zh\":\"软\",\"en\":\"Soft\",\"min\":10,\"severity\":\"warning\",\"tag\":\"U\"},"
    "{\"key\":\"from\",\"type\":\"date\",\"zh\":\"起\",\"en\":\"From\"},"
    "{\"key\":\"to\",\"type\":\"date\",\"zh\":\"止\",\"en\":\"To\"},"
    "{\"key\":\"mail\",\"type\":\"text\",\"zh\":\"邮\",\"en\":\"Mail\",\"check\":\"email\"},"
    "{\"key\":\"rows\",\"type\":\"list\",\"zh\":\"行\",\"en\":\"Rows\",\"fields\":[{\"key\":\"x\",\"type\":\"int\",\"zh\":\"x\",\"en\":\"x\",\"required\":true}]}],"
    "\"checks\":[{\"left\":\"to\",\"op\":\">=\",\"right\":\"from\",\"zh\":\"止早于起\",\"en\":\"ends before it begins\"}]}";

typedef struct fixture {
    pl_form *form;
    pl_error err;
} fixture;

static json_t *parse(const char *text)
{
    pl_error err = { 0 };
    json_t  *j = NULL;

    assert_ok(pl_json_parse((pl_str){ text, strlen(text) }, "test", &j, &err), &err);
    return j;
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    json_t  *tree = parse(form_text);

    assert_ok(pl_form_new(tree, "f.yaml", &f->form, &f->err), &f->err);
    json_decref(tree);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    pl_form_free(f->form);
    free(f);
    return 0;
}

/* "field:code field:code" of what judging finds. */
static void expect(fixture *f, const char *values, pl_form_mode mode, const char *want)
{
    json_t *v = parse(values), *problems = json_array(), *one;
    char    got[1000] = "";
    size_t  i;

    assert_ok(pl_form_check(f->form, v, mode, problems, &f->err), &f->err);
    json_array_foreach(problems, i, one) {
        strncat(got, json_string_value(json_object_get(one, "field")), 200);
        strncat(got, ":", 2);
        strncat(got, json_string_value(json_object_get(one, "code")), 50);
        strncat(got, i + 1 < json_array_size(problems) ? " " : "", 2);
    }
    assert_string_equal(got, want);
    json_decref(problems);
    json_decref(v);
}

static void form_check__names_what_is_missing_only_when_it_must_be_complete(void **state)
{
    expect(*state, "{}", PL_FORM_DRAFT, "");
    expect(*state, "{}", PL_FORM_COMPLETE, "name:missing");
    expect(*state, "{\"name\":\"\",\"rows\":[]}", PL_FORM_COMPLETE, "name:missing");
}

static void form_check__counts_characters_not_bytes(void **state)
{
    expect(*state, "{\"name\":\"五个汉字名\"}", PL_FORM_COMPLETE, "");
    expect(*state, "{\"name\":\"六个汉字名称\"}", PL_FORM_COMPLETE, "name:length");
}

static void form_check__refuses_fields_nobody_described_and_wrong_types(void **state)
{
    expect(*state, "{\"nmae\":\"x\"}", PL_FORM_DRAFT, "nmae:unknown");
    expect(*state, "{\"n\":\"12\",\"name\":7,\"rows\":{}}", PL_FORM_DRAFT,
           "name:type n:type rows:type");
    expect(*state, "{\"name\":\"a\\nb\"}", PL_FORM_DRAFT, "name:type");
}

static void form_check__asks_for_a_field_when_another_says_so(void **state)
{
    expect(*state, "{\"name\":\"x\",\"kind\":\"a\"}", PL_FORM_COMPLETE, "");
    expect(*state, "{\"name\":\"x\",\"kind\":\"b\"}", PL_FORM_COMPLETE, "why:missing");
    expect(*state, "{\"name\":\"x\",\"kind\":\"c\"}", PL_FORM_COMPLETE, "kind:option");
}

static void form_check__knows_the_bounds(void **state)
{
    expect(*state, "{\"n\":10}", PL_FORM_DRAFT, "");
    expect(*state, "{\"n\":20}", PL_FORM_DRAFT, "");
    expect(*state, "{\"n\":9}", PL_FORM_DRAFT, "n:range");
    expect(*state, "{\"n\":21}", PL_FORM_DRAFT, "n:range");
}

static void form_check__only_warns_at_an_unverified_bound(void **state)
{
    fixture *f = *state;
    json_t  *v = parse("{\"name\":\"x\",\"soft\":3}"), *problems = json_array();

    assert_ok(pl_form_check(f->form, v, PL_FORM_COMPLETE, problems, &f->err), &f->err);
    assert_int_equal(json_array_size(problems), 1);
    assert_false(pl_form_has_errors(problems));
    json_decref(problems);
    json_decref(v);
}

/* 91350100M000100Y43 is the example of GB 32100-2015 itself. */
static void form_check__knows_identifiers(void **state)
{
    expect(*state, "{\"code\":\"91350100M000100Y43\"}", PL_FORM_DRAFT, "");
    expect(*state, "{\"code\":\"91350100M000100Y44\"}", PL_FORM_DRAFT, "code:check");
    expect(*state, "{\"mail\":\"a@b.example\"}", PL_FORM_DRAFT, "");
    expect(*state, "{\"mail\":\"a@b\"}", PL_FORM_DRAFT, "mail:check");
}

static void form_check__compares_dates(void **state)
{
    expect(*state, "{\"from\":\"2026-02-28\",\"to\":\"2026-02-28\"}", PL_FORM_DRAFT, "");
    expect(*state, "{\"from\":\"2026-03-01\",\"to\":\"2026-02-28\"}", PL_FORM_DRAFT, "to:compare");
    expect(*state, "{\"from\":\"2026-02-29\"}", PL_FORM_DRAFT, "from:type");
}

static void form_check__says_which_row(void **state)
{
    expect(*state, "{\"name\":\"x\",\"rows\":[{\"x\":1},{}]}", PL_FORM_COMPLETE, "rows[1].x:missing");
}

static void form_public__leaves_out_what_is_personal_or_not_public(void **state)
{
    fixture *f = *state;
    json_t  *v = parse("{\"name\":\"x\",\"code\":\"y\",\"n\":12}"), *out = pl_form_public(f->form, v);
    char    *text = pl_json_dump(out);

    assert_string_equal(text, "{\"name\":\"x\"}");
    free(text);
    json_decref(out);
    json_decref(v);
}

static void expect_refused(const char *text, const char *part)
{
    json_t  *tree = parse(text);
    pl_form *form = NULL;
    pl_error err = { 0 };

    assert_rc(pl_form_new(tree, "f.yaml", &form, &err), PL_INVALID);
    if (strstr(err.text, part) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, part);
    json_decref(tree);
}

static void form_new__names_file_and_field_of_a_fault(void **state)
{
    (void)state;
    expect_refused("{\"id\":\"f\",\"title\":{\"zh\":\"a\",\"en\":\"b\"},\"fields\":[{\"key\":\"x\",\"type\":\"txt\",\"zh\":\"a\",\"en\":\"b\"}]}",
                   "f.yaml: field 'x' has a 'type'");
    expect_refused("{\"id\":\"f\",\"title\":{\"zh\":\"a\",\"en\":\"b\"},\"fields\":[{\"key\":\"x\",\"type\":\"text\",\"zh\":\"a\"}]}",
                   "needs 'zh' and 'en'");
    expect_refused("{\"id\":\"f\",\"title\":{\"zh\":\"a\",\"en\":\"b\"},\"fields\":[{\"key\":\"x\",\"type\":\"text\",\"zh\":\"a\",\"en\":\"b\",\"requird\":true}]}",
                   "requird");
    expect_refused("{\"id\":\"f\",\"title\":{\"zh\":\"a\",\"en\":\"b\"},\"fields\":[{\"key\":\"x\",\"type\":\"text\",\"zh\":\"a\",\"en\":\"b\",\"pattern\":\"(\"}]}",
                   "pattern");
    expect_refused("{\"id\":\"f\",\"title\":{\"zh\":\"a\",\"en\":\"b\"},\"fields\":[]}", "fields");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(form_check__names_what_is_missing_only_when_it_must_be_complete),
        T(form_check__counts_characters_not_bytes),
        T(form_check__refuses_fields_nobody_described_and_wrong_types),
        T(form_check__asks_for_a_field_when_another_says_so),
        T(form_check__knows_the_bounds),
        T(form_check__only_warns_at_an_unverified_bound),
        T(form_check__knows_identifiers),
        T(form_check__compares_dates),
        T(form_check__says_which_row),
        T(form_public__leaves_out_what_is_personal_or_not_public),
        cmocka_unit_test(form_new__names_file_and_field_of_a_fault),
    };

    return cmocka_run_group_tests_name("flow form", tests, NULL, NULL);
}
