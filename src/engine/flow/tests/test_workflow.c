#include "pl_test.h"

#include "base/str.h"
#include "engine/flow/workflow.h"

static const char text[] =
    "{\"id\":\"w\",\"title\":{\"zh\":\"流程\",\"en\":\"Flow\"},\"jurisdiction\":\"CN\",\"kind\":\"algorithm\","
    "\"title_field\":\"f.name\",\"forms\":[\"f\"],\"initial\":\"draft\","
    "\"states\":[{\"id\":\"draft\",\"zh\":\"草稿\",\"en\":\"Draft\",\"edit\":[\"provider\"]},"
    "{\"id\":\"sent\",\"zh\":\"已交\",\"en\":\"Sent\"},"
    "{\"id\":\"done\",\"zh\":\"完成\",\"en\":\"Done\",\"public\":true,\"final\":true}],"
    "\"attachments\":[{\"id\":\"report\",\"zh\":\"报告\",\"en\":\"Report\",\"max_mib\":5,\"types\":[\"pdf\"]}],"
    "\"deadlines\":[{\"id\":\"answer\",\"zh\":\"答复\",\"en\":\"Answer\",\"n\":30,\"unit\":\"working_days\",\"tag\":\"S\"}],"
    "\"votes\":[{\"state\":\"sent\",\"pass\":\"accept\",\"fail\":\"refuse\",\"roles\":[\"assessor\"],\"quorum\":3,\"majority\":50}],"
    "\"steps\":[{\"id\":\"submit\",\"zh\":\"提交\",\"en\":\"Submit\",\"from\":[\"draft\"],\"to\":\"sent\",\"roles\":[\"provider\"],"
    "\"action\":\"submitted\",\"forms\":[\"f\"],\"attachments\":[\"report\"],\"starts\":[\"answer\"]},"
    "{\"id\":\"accept\",\"zh\":\"通过\",\"en\":\"Accept\",\"from\":[\"sent\"],\"to\":\"done\",\"roles\":[\"regulator\"],"
    "\"action\":\"accepted\",\"decision\":\"approved\",\"other_than\":[\"submit\"],\"ends\":[\"answer\"]},"
    "{\"id\":\"refuse\",\"zh\":\"退回\",\"en\":\"Refuse\",\"from\":[\"sent\"],\"to\":\"draft\",\"roles\":[\"regulator\"],"
    "\"action\":\"returned\",\"decision\":\"returned\",\"note\":true}]}";

typedef struct fixture {
    pl_workflow *w;
    json_t      *actors, *attachments, *values;
    const char  *roles[4];
    pl_flow_facts f;
    pl_error     err;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    json_t  *j = json_loads(text, 0, NULL);

    assert_ok(pl_workflow_new(j, "w.yaml", 0, &f->w, &f->err), &f->err);
    json_decref(j);
    f->actors = json_loads("{\"submit\":\"anna\"}", 0, NULL);
    f->attachments = json_loads("{\"report\":1}", 0, NULL);
    f->values = json_object();
    f->roles[0] = "regulator";
    f->f = (pl_flow_facts){ .state = PL_STR("sent"), .actor = PL_STR("bert"), .role_count = 1,
                            .roles = f->roles, .actors = f->actors, .attachments = f->attachments,
                            .values = f->values, .vote = PL_STR("accept") };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    pl_workflow_free(f->w);
    json_decref(f->actors);
    json_decref(f->attachments);
    json_decref(f->values);
    free(f);
    return 0;
}

static pl_rc check(fixture *f, const char *step)
{
    return pl_flow_step_check(f->w, pl_flow_step_find(f->w, pl_str_z(step)), &f->f, &f->err);
}

static void step__is_taken_when_everything_is_there(void **state)
{
    assert_ok(check(*state, "accept"), &((fixture *)*state)->err);
}

static void step__is_bound_to_its_states(void **state)
{
    fixture *f = *state;

    f->f.state = PL_STR("draft");
    assert_rc(check(f, "accept"), PL_CONFLICT);
    assert_non_null(strstr(f->err.text, "not possible in state 'draft'"));
}

static void step__is_bound_to_its_roles(void **state)
{
    fixture *f = *state;

    f->roles[0] = "provider";
    assert_rc(check(f, "accept"), PL_DENIED);
}

static void four_eyes__want_another_person_whatever_the_role(void **state)
{
    fixture *f = *state;

    f->f.actor = PL_STR("anna");
    assert_rc(check(f, "accept"), PL_DENIED);
    assert_non_null(strstr(f->err.text, "four eyes"));
}

static void step__names_the_attachment_that_is_missing_in_both_languages(void **state)
{
    fixture *f = *state;

    f->f.state = PL_STR("draft");
    f->roles[0] = "provider";
    assert_ok(check(f, "submit"), &f->err);
    json_object_clear(f->attachments);
    assert_rc(check(f, "submit"), PL_INVALID);
    assert_non_null(strstr(f->err.text, "Report"));
    assert_non_null(strstr(f->err.text, "报告"));
}

static void step__wants_its_reason(void **state)
{
    fixture *f = *state;

    f->f.vote = PL_STR("refuse");
    assert_rc(check(f, "refuse"), PL_INVALID);
    f->f.has_note = true;
    assert_ok(check(f, "refuse"), &f->err);
}

static void step__follows_the_vote(void **state)
{
    fixture *f = *state;

    f->f.vote = PL_STR("");
    assert_rc(check(f, "accept"), PL_CONFLICT);
    f->f.vote = PL_STR("refuse");
    assert_rc(check(f, "accept"), PL_CONFLICT);
}

static void expect_vote(fixture *f, int64_t yes, int64_t no, int64_t abstained, int64_t recused,
                        const char *want)
{
    pl_flow_count c = { yes, no, abstained, recused };

    assert_str(pl_flow_vote_result(pl_flow_vote_find(f->w, PL_STR("sent")), &c), want);
}

static void vote__needs_its_quorum_and_more_yes_than_no(void **state)
{
    fixture *f = *state;

    expect_vote(f, 2, 0, 0, 5, ""); /* who recuses does not count towards the quorum */
    expect_vote(f, 2, 0, 1, 0, "accept");
    expect_vote(f, 2, 1, 0, 0, "accept");
    expect_vote(f, 2, 2, 0, 0, "refuse");
    expect_vote(f, 0, 0, 3, 0, "refuse");
}

/* Each spoils one thing of the text above. */
static void workflow_new__finds_every_kind_of_fault(void **state)
{
    static const char *const spoil[][3] = {
        { "\"to\":\"sent\"", "\"to\":\"nowhere\"", "'to' names no state" },
        { "\"starts\":[\"answer\"]", "\"starts\":[\"other\"]", "there is no deadline 'other'" },
        { "\"attachments\":[\"report\"]", "\"attachments\":[\"rapport\"]", "no attachment 'rapport'" },
        { "\"other_than\":[\"submit\"]", "\"other_than\":[\"sbmit\"]", "no step 'sbmit'" },
        { "\"roles\":[\"regulator\"]", "\"roles\":[\"king\"]", "unknown role 'king'" },
        { "\"action\":\"accepted\"", "\"action\":\"loved\"", "action" },
        { "\"en\":\"Sent\"", "\"en\":\"\"", "needs 'zh' and 'en'" },
        { "\"tag\":\"S\"", "\"tag\":\"\"", "evidence 'tag'" },
        { "\"unit\":\"working_days\"", "\"unit\":\"weeks\"", "unit of a period" },
        { "\"from\":[\"draft\"]", "\"from\":[\"done\"]", "leaves the final state" },
        { "\"initial\":\"draft\"", "\"initial\":\"x\"", "'initial'" },
        { "\"to\":\"done\"", "\"to\":\"sent\"", "no step leads there" },
        { "\"pass\":\"accept\"", "\"pass\":\"yes\"", "steps 'pass' and 'fail'" },
        { "\"ends\":[\"answer\"]", "\"when\":{\"fact\":\"x\"}", "'when'" },
        { "\"edit\":[\"provider\"]", "\"edit\":[]", "nobody can attach 'report'" },
        { "\"zh\":\"提交\"", "\"zx\":\"提交\"", "needs 'zh' and 'en'" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof spoil / sizeof *spoil; i++) {
        const char  *at = strstr(text, spoil[i][0]);
        char        *bad = NULL;
        json_t      *j;
        pl_workflow *w = NULL;
        pl_error     err = { 0 };

        assert_non_null(at);
        assert_true(asprintf(&bad, "%.*s%s%s", (int)(at - text), text, spoil[i][1],
                             at + strlen(spoil[i][0])) > 0);
        j = json_loads(bad, 0, NULL);
        assert_non_null(j);
        assert_rc(pl_workflow_new(j, "w.yaml", 0, &w, &err), PL_INVALID);
        if (strstr(err.text, spoil[i][2]) == NULL)
            fail_msg("%s: '%s' does not say '%s'", spoil[i][1], err.text, spoil[i][2]);
        json_decref(j);
        free(bad);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(step__is_taken_when_everything_is_there),
        T(step__is_bound_to_its_states),
        T(step__is_bound_to_its_roles),
        T(four_eyes__want_another_person_whatever_the_role),
        T(step__names_the_attachment_that_is_missing_in_both_languages),
        T(step__wants_its_reason),
        T(step__follows_the_vote),
        T(vote__needs_its_quorum_and_more_yes_than_no),
        cmocka_unit_test(workflow_new__finds_every_kind_of_fault),
    };

    return cmocka_run_group_tests_name("flow workflow", tests, NULL, NULL);
}
