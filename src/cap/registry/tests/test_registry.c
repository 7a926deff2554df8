/* Records and filings, on both databases. */
#include "registry_fixture.h"

#define MARCH_2026 1772409600000 /* 2026-03-02T00:00:00Z, a Monday */

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    clock_ms = MARCH_2026;
    fixture_open(f, "test.example/registry", 7);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

/* --- records ---------------------------------------------------------------------------------- */

static json_t *put(fixture *f, const char *id, const char *kind, int64_t version, const char *data)
{
    json_t                *values = parse(data), *out = NULL;
    registry_record_change k = { .id = pl_str_z(id), .kind = pl_str_z(kind), .note = PL_STR("n"),
                                 .version = version, .data = values };
    pl_rc                  rc = registry_record_put(&f->c, &k, &out, &f->err);

    json_decref(values);
    if (rc != PL_OK)
        return NULL;
    assert_ok(pl_arena_defer(f->a, (void (*)(void *))json_decref, out), &f->err);
    return out;
}

static void record__keeps_every_version(void **state)
{
    fixture    *f = *state;
    json_t     *made = put(f, "", "organisation", 0, "{\"name\":\"甲公司\",\"country\":\"CN\"}"), *old = NULL;
    const char *id = text_at(made, "id");

    assert_string_equal(text_at(made, "title"), "甲公司");
    assert_non_null(put(f, id, "", 1, "{\"name\":\"乙公司\",\"country\":\"CN\"}"));
    assert_ok(pl_registry_record(f->t.db, f->a, pl_str_z(id), 1, &old, &f->err), &f->err);
    assert_string_equal(text_at(old, "title"), "甲公司");
    assert_int_equal(json_integer_value(json_object_get(old, "latest")), 2);
    assert_int_equal(json_integer_value(json_object_get(old, "ledger_index")), 0);
    assert_int_equal(pl_ledger_size(f->ledger), 2);
    json_decref(old);
}

static void record__is_refused_when_somebody_was_faster(void **state)
{
    fixture    *f = *state;
    json_t     *made = put(f, "", "organisation", 0, "{\"name\":\"甲\",\"country\":\"CN\"}");
    const char *id = text_at(made, "id");

    assert_non_null(put(f, id, "", 1, "{\"name\":\"乙\",\"country\":\"CN\"}"));
    assert_null(put(f, id, "", 1, "{\"name\":\"丙\",\"country\":\"CN\"}"));
    assert_int_equal(f->err.rc, PL_CONFLICT);
    assert_int_equal(pl_ledger_size(f->ledger), 2); /* nothing half-written */
}

static void record__is_checked_by_its_form(void **state)
{
    fixture *f = *state;

    assert_null(put(f, "", "organisation", 0, "{\"name\":\"甲\"}"));
    assert_non_null(strstr(f->err.text, "country"));
    assert_null(put(f, "", "unicorn", 0, "{}"));
    assert_int_equal(pl_ledger_size(f->ledger), 0);
}

static void record__relations_lead_both_ways_and_to_the_right_kind(void **state)
{
    fixture *f = *state;
    json_t  *org = put(f, "", "organisation", 0, "{\"name\":\"甲\",\"country\":\"CN\"}");
    json_t  *base = put(f, "", "model", 0, "{\"name\":\"base\"}"), *list = json_array();
    char     data[300];

    (void)snprintf(data, sizeof data, "{\"name\":\"tuned\",\"organisation\":\"%s\",\"upstream\":\"%s\","
                   "\"modification\":\"fine_tuned\"}", text_at(org, "id"), text_at(base, "id"));
    assert_non_null(put(f, "", "model", 0, data));
    assert_ok(record_store_related(f->t.db, pl_str_z(text_at(base, "id")), true, list, &f->err), &f->err);
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(text_at(json_array_get(list, 0), "relation"), "upstream");
    json_decref(list);
    (void)snprintf(data, sizeof data, "{\"name\":\"x\",\"upstream\":\"%s\"}", text_at(org, "id"));
    assert_null(put(f, "", "model", 0, data));
    assert_null(put(f, "", "model", 0, "{\"name\":\"x\",\"upstream\":\"01jdkq2v6n0000000000000001\"}"));
}

/* --- a filing from draft to published number ---------------------------------------------------- */

static void filing__goes_from_draft_to_a_published_number(void **state)
{
    fixture *f = *state;
    char     id[27];
    json_t  *v;

    filing_publish(f, "示例对话算法", id);
    v = look_at(f, id);
    assert_string_equal(text_at(v, "state"), "published");
    assert_string_equal(text_at(v, "number"), "网信算备990001000000101260015号");
    assert_string_equal(text_at(v, "month"), "2026-03");
    assert_int_equal(json_array_size(json_object_get(v, "history")), 6);
    assert_int_equal(json_array_size(json_object_get(v, "files")), 6);
}

static void numbers__count_per_entity_and_are_never_given_twice(void **state)
{
    fixture *f = *state;
    char     a[27], b[27];

    filing_publish(f, "一", a);
    filing_publish(f, "二", b);
    assert_string_equal(text_at(look_at(f, b), "number"), "网信算备990001000000101260023号");
}

static void filing__every_step_is_a_statement_with_its_values(void **state)
{
    fixture      *f = *state;
    char          id[27];
    const json_t *history, *one;
    size_t        i;
    char         *bytes = NULL;
    size_t        n = 0;

    filing_submit(f, "甲", id);
    history = json_object_get(look_at(f, id), "history");
    json_array_foreach(history, i, one) {
        assert_ok(registry_payload_get(&f->s, pl_str_z(text_at(one, "snapshot")), 1 << 20, &bytes, &n, &f->err),
                  &f->err);
        assert_non_null(strstr(bytes, text_at(one, "to")));
        assert_non_null(strstr(bytes, "\"salt\""));
        free(bytes);
    }
    /* drafted, submit_subject, accept_subject and its review, submit */
    assert_int_equal(pl_ledger_size(f->ledger), 5);
}

static void filing__four_eyes_hold_whatever_roles_one_has(void **state)
{
    fixture *f = *state;
    char     id[27];

    filing_submit(f, "甲", id);
    act_as(f, "anna", PL_ROLES_STAFF);
    assert_rc(step(f, id, "accept", ""), PL_DENIED);
    act_as(f, "bert", PL_ROLE_PROVIDER);
    assert_rc(step(f, id, "accept", ""), PL_DENIED);
    act_as(f, "rex", PL_ROLE_REGULATOR);
    must_step(f, id, "accept", "");
}

static void filing__names_what_is_missing(void **state)
{
    fixture *f = *state;
    char     id[27];
    json_t  *values = parse("{\"algorithm\":{\"name\":\"甲\"}}");

    assert_ok(filing_make(&f->c, PL_STR("cn-algorithm"), PL_STR(""), values, id, &f->err), &f->err);
    assert_rc(step(f, id, "submit_subject", ""), PL_INVALID);
    assert_non_null(strstr(f->err.text, "credential"));
    attach(f, id, "credential");
    attach(f, id, "employment");
    attach(f, id, "commitment");
    attach(f, id, "responsibility");
    assert_rc(step(f, id, "submit_subject", ""), PL_INVALID);
    assert_non_null(strstr(f->err.text, "subject.name"));
    json_decref(values);
}

static void filing__two_reviewers_at_once_get_a_clear_answer(void **state)
{
    fixture        *f = *state;
    char            id[27];
    filing_step_ask ask = { .step = PL_STR("accept"), .note = PL_STR(""), .number = PL_STR(""),
                            .answers = PL_STR(""), .origin = PL_STR("") };

    filing_submit(f, "甲", id);
    ask.version = version_now(f, id);
    act_as(f, "rex", PL_ROLE_REGULATOR);
    assert_ok(filing_step(&f->c, pl_str_z(id), &ask, &f->err), &f->err);
    act_as(f, "rita", PL_ROLE_REVIEWER);
    assert_rc(filing_step(&f->c, pl_str_z(id), &ask, &f->err), PL_CONFLICT);
    assert_non_null(strstr(f->err.text, "somebody else acted on it meanwhile"));
}

/* Both looked at the same version before either wrote: the database itself lets one of them win. */
static void filing__a_row_is_changed_from_the_version_that_was_read_only(void **state)
{
    fixture        *f = *state;
    char            id[27];
    registry_filing a, b;

    filing_begin(f, "甲", id);
    assert_ok(filing_store_find(f->t.db, f->a, pl_str_z(id), &a, &f->err), &f->err);
    b = a;
    a.version++;
    b.version++;
    assert_ok(filing_store_change(f->t.db, &a, &f->err), &f->err);
    assert_rc(filing_store_change(f->t.db, &b, &f->err), PL_CONFLICT);
    assert_non_null(strstr(f->err.text, "somebody else acted"));
}

static void filing__change_shows_the_old_until_the_new_is_published(void **state)
{
    fixture         *f = *state;
    char             id[27];
    json_t          *values, *closing;
    registry_filing  row;

    filing_publish(f, "旧名算法", id);
    act_as(f, "anna", PL_ROLE_PROVIDER);
    must_step(f, id, "change", "renamed");
    values = filing_values("新名算法");
    closing = json_pack("{s:s, s:s}", "changed_on", "2026-03-02", "change", "改名");
    (void)json_object_set_new(values, "closing", closing);
    assert_ok(filing_edit(&f->c, pl_str_z(id), version_now(f, id), values, &f->err), &f->err);
    assert_ok(filing_store_find(f->t.db, f->a, pl_str_z(id), &row, &f->err), &f->err);
    assert_str(row.title, "旧名算法");
    must_step(f, id, "submit_change", "");
    act_as(f, "rex", PL_ROLE_REGULATOR);
    must_step(f, id, "accept_change", "");
    assert_string_equal(text_at(look_at(f, id), "title"), "新名算法");
    assert_string_equal(text_at(look_at(f, id), "number"), "网信算备990001000000101260015号");
    json_decref(values);
}

static void filing__a_dropped_change_brings_the_published_values_back(void **state)
{
    fixture *f = *state;
    char     id[27];
    json_t  *values = filing_values("新名算法");

    filing_publish(f, "旧名算法", id);
    act_as(f, "anna", PL_ROLE_PROVIDER);
    must_step(f, id, "change", "x");
    assert_ok(filing_edit(&f->c, pl_str_z(id), version_now(f, id), values, &f->err), &f->err);
    must_step(f, id, "drop_change", "");
    assert_string_equal(text_at(json_object_get(json_object_get(look_at(f, id), "values"), "algorithm"), "name"),
                        "旧名算法");
    json_decref(values);
}

static void filing__can_be_cancelled_and_stays_visible(void **state)
{
    fixture *f = *state;
    char     id[27];
    json_t  *values = parse("{\"closing\":{\"ended_on\":\"2026-03-02\",\"arrangements\":\"x\"}}");

    filing_publish(f, "甲", id);
    act_as(f, "anna", PL_ROLE_PROVIDER);
    must_step(f, id, "cancel", "service ends");
    assert_ok(filing_edit(&f->c, pl_str_z(id), version_now(f, id), values, &f->err), &f->err);
    must_step(f, id, "submit_cancel", "");
    act_as(f, "rex", PL_ROLE_REGULATOR);
    must_step(f, id, "accept_cancel", "");
    assert_string_equal(text_at(look_at(f, id), "state"), "cancelled");
    assert_true(json_is_true(json_object_get(look_at(f, id), "public")));
    assert_rc(step(f, id, "change", "x"), PL_CONFLICT);
    json_decref(values);
}

static void filing__who_may_not_edit_cannot(void **state)
{
    fixture *f = *state;
    char     id[27];
    json_t  *values = filing_values("乙");

    filing_submit(f, "甲", id);
    assert_rc(filing_edit(&f->c, pl_str_z(id), version_now(f, id), values, &f->err), PL_DENIED);
    act_as(f, "rex", PL_ROLE_REGULATOR);
    assert_rc(filing_edit(&f->c, pl_str_z(id), version_now(f, id), values, &f->err), PL_DENIED);
    assert_rc(filing_make(&f->c, PL_STR("cn-algorithm"), PL_STR(""), values, id, &f->err), PL_DENIED);
    json_decref(values);
}

static const json_t *deadline(fixture *f, const char *id, const char *name);

/* --- other workflows that ship ------------------------------------------------------------------ */

static void begin(fixture *f, const char *workflow, unsigned roles, const char *text, char id[27])
{
    json_t *values = parse(text);

    act_as(f, "anna", roles);
    assert_ok(filing_make(&f->c, pl_str_z(workflow), PL_STR(""), values, id, &f->err), &f->err);
    assert_ok(pl_arena_defer(f->a, (void (*)(void *))json_decref, values), &f->err);
}

static pl_rc vote(fixture *f, const char *id, const char *who, const char *vote)
{
    act_as(f, who, PL_ROLE_REVIEWER);
    return filing_vote(&f->c, pl_str_z(id), pl_str_z(vote), PL_STR(""), &f->err);
}

static const char ethics_values[] =
    "{\"activity\":{\"name\":\"情感陪伴研究\",\"organisation\":\"示例研究院\",\"leader\":\"张三\","
    "\"kind\":\"regular\",\"summary\":\"s\",\"purpose\":\"p\",\"data\":\"d\",\"fairness\":\"f\","
    "\"control\":\"c\",\"risks\":\"r\",\"planned_start\":\"2026-05-01\"}}";

static void ethics__the_committee_decides_and_who_submitted_is_recused(void **state)
{
    static const char *const members[] = { "m1", "m2", "m3", "m4" };
    fixture *f = *state;
    char     id[27];

    begin(f, "ethics-review", PL_ROLE_PROVIDER, ethics_values, id);
    attach(f, id, "plan");
    must_step(f, id, "submit", "");
    act_as(f, "chair", PL_ROLE_REVIEWER);
    must_step(f, id, "put_before", "");
    assert_rc(vote(f, id, "anna", "yes"), PL_DENIED);
    assert_ok(vote(f, id, "anna", "recuse"), &f->err);
    for (size_t i = 0; i < 4; i++)
        assert_ok(vote(f, id, members[i], i == 0 ? "no" : "yes"), &f->err);
    assert_rc(vote(f, id, "m1", "yes"), PL_CONFLICT); /* once a round */
    act_as(f, "chair", PL_ROLE_REVIEWER);
    assert_rc(step(f, id, "approve", ""), PL_CONFLICT); /* four of five: no quorum, the recused does not count */
    assert_ok(vote(f, id, "chair", "yes"), &f->err);
    assert_rc(step(f, id, "reject", "x"), PL_CONFLICT);
    must_step(f, id, "approve", "");
    assert_string_equal(text_at(look_at(f, id), "state"), "approved");
    assert_int_equal(json_array_size(json_object_get(look_at(f, id), "votes")), 6);
    assert_string_equal(text_at(deadline(f, id, "follow_up"), "due"), "2027-03-02");
    act_as(f, "stranger", PL_ROLE_PROVIDER);
    assert_rc(filing_vote(&f->c, pl_str_z(id), PL_STR("yes"), PL_STR(""), &f->err), PL_CONFLICT);
}

static void sandbox__ends_when_its_plan_says_and_is_sealed(void **state)
{
    fixture *f = *state;
    char     id[27];
    json_t  *outcome = parse("{\"outcome\":{\"results\":\"r\",\"lessons\":\"l\"}}");

    begin(f, "sandbox", PL_ROLE_PROVIDER,
          "{\"application\":{\"name\":\"x\",\"organisation\":\"y\",\"size\":\"sme\",\"innovation\":\"i\","
          "\"system\":\"s\",\"questions\":\"q\"},\"plan\":{\"starts_on\":\"2026-04-01\","
          "\"ends_on\":\"2026-09-30\",\"activities\":\"a\",\"real_world\":false,\"safeguards\":\"s\","
          "\"indicators\":\"i\",\"exemptions\":[{\"provision\":\"Art. X\",\"scope\":\"s\",\"until\":\"2026-09-30\"}]}}",
          id);
    must_step(f, id, "apply", "");
    assert_string_equal(text_at(deadline(f, id, "decide"), "due"), "2026-06-02");
    act_as(f, "rex", PL_ROLE_REGULATOR);
    must_step(f, id, "admit", "");
    act_as(f, "anna", PL_ROLE_PROVIDER);
    attach(f, id, "plan");
    must_step(f, id, "submit_plan", "");
    act_as(f, "rex", PL_ROLE_REGULATOR);
    must_step(f, id, "start", "");
    assert_string_equal(text_at(deadline(f, id, "end"), "due"), "2026-09-30");
    assert_rc(step(f, id, "end", ""), PL_CONFLICT);
    clock_ms += 212 * 86400000LL; /* 2026-09-30 */
    act_as(f, "rex", PL_ROLE_REGULATOR);
    must_step(f, id, "end", "");
    assert_ok(filing_edit(&f->c, pl_str_z(id), version_now(f, id), outcome, &f->err), &f->err);
    assert_rc(step(f, id, "seal", ""), PL_INVALID);
    attach(f, id, "exit_report");
    must_step(f, id, "seal", "");
    assert_false(json_is_true(json_object_get(look_at(f, id), "public")));
    json_decref(outcome);
}

static void accreditation__gets_a_number_and_is_due_every_year(void **state)
{
    fixture *f = *state;
    char     id[27];

    begin(f, "assessor-accreditation", PL_ROLE_ASSESSOR,
          "{\"body\":{\"name\":\"示例评估\",\"country\":\"CN\",\"scope\":[\"safety\"],\"staff\":5,"
          "\"methods\":\"m\",\"independence\":\"i\"}}", id);
    attach(f, id, "manual");
    attach(f, id, "staff_list");
    must_step(f, id, "submit", "");
    act_as(f, "rita", PL_ROLE_REVIEWER);
    assert_rc(step(f, id, "put_before", ""), PL_INVALID); /* the examination is missing */
    attach(f, id, "examination");
    must_step(f, id, "put_before", "");
    assert_ok(vote(f, id, "rita", "yes"), &f->err);
    assert_ok(vote(f, id, "m1", "yes"), &f->err);
    assert_ok(vote(f, id, "m2", "abstain"), &f->err);
    act_as(f, "rex", PL_ROLE_REGULATOR);
    must_step(f, id, "accredit", "");
    assert_string_equal(text_at(look_at(f, id), "number"), "ASR-2026-0001");
    assert_string_equal(text_at(deadline(f, id, "annual"), "due"), "2027-03-02");
    act_as(f, "anna", PL_ROLE_ASSESSOR);
    must_step(f, id, "begin_annual", "");
    attach(f, id, "annual_report");
    must_step(f, id, "submit_annual", "");
    act_as(f, "rex", PL_ROLE_REGULATOR);
    clock_ms += 300 * 86400000LL;
    act_as(f, "rex", PL_ROLE_REGULATOR);
    must_step(f, id, "renew", "");
    assert_string_equal(text_at(deadline(f, id, "annual"), "due"), "2027-12-27");
}

static void genai__counts_must_agree_with_the_report_and_minima_only_warn(void **state)
{
    fixture *f = *state;
    char     id[27];
    json_t  *out = NULL, *one;
    size_t   i;
    bool     differs = false, warns = false;

    begin(f, "cn-genai-filing", PL_ROLE_PROVIDER,
          "{\"safety\":{\"keywords\":9000,\"report_keywords\":10000}}", id);
    assert_ok(filing_check(&f->c, pl_str_z(id), &out, &f->err), &f->err);
    json_array_foreach(json_object_get(out, "problems"), i, one) {
        bool keywords = strcmp(text_at(one, "field"), "keywords") == 0;

        differs |= keywords && strcmp(text_at(one, "code"), "compare") == 0 &&
                   strcmp(text_at(one, "severity"), "error") == 0;
        warns |= keywords && strcmp(text_at(one, "code"), "range") == 0 &&
                 strcmp(text_at(one, "severity"), "warning") == 0;
    }
    assert_true(differs && warns);
    json_decref(out);
}

/* PROVES: EU.AIA/Art52(1) */
static void gpai_notice__is_due_two_weeks_after_it_was_known(void **state)
{
    fixture *f = *state;
    char     id[27];

    begin(f, "eu-gpai-notice", PL_ROLE_PROVIDER, "{\"run\":{\"known_on\":\"2026-02-20\"}}", id);
    assert_string_equal(text_at(deadline(f, id, "notify"), "due"), "2026-03-06");
}

/* PROVES: EU.AIA/AnnexVIII-A.1 */
/* PROVES: EU.AIA/Art58(2) */
static void eu_database__is_public_at_once_or_never(void **state)
{
    fixture *f = *state;
    char     id[27];

    begin(f, "eu-database-b", PL_ROLE_PROVIDER,
          "{\"provider\":{\"name\":\"n\",\"address\":\"a\",\"contact\":\"c\"},\"system_b\":{\"trade_name\":\"t\","
          "\"reference\":\"r\",\"restricted\":false,\"purpose\":\"p\",\"conditions\":[\"a\"],"
          "\"status\":\"on_market\"}}", id);
    must_step(f, id, "register", "");
    assert_true(json_is_true(json_object_get(look_at(f, id), "public")));
    begin(f, "eu-database-c", PL_ROLE_PROVIDER,
          "{\"deployment\":{\"name\":\"n\",\"address\":\"a\",\"contact\":\"c\","
          "\"provider_entry\":\"https://x.example/1\",\"restricted\":true}}", id);
    must_step(f, id, "register_restricted", "");
    assert_false(json_is_true(json_object_get(look_at(f, id), "public")));
}

/* --- deadlines ------------------------------------------------------------------------------------- */

static const json_t *deadline(fixture *f, const char *id, const char *name)
{
    const json_t *list = json_object_get(look_at(f, id), "deadlines"), *one;
    size_t        i;

    json_array_foreach(list, i, one)
        if (strcmp(text_at(one, "deadline"), name) == 0)
            return one;
    fail_msg("no deadline %s", name);
    return NULL;
}

/* PROVES: CN.ALG/Art24 */
static void deadlines__are_counted_in_working_days_of_the_calendar(void **state)
{
    fixture *f = *state;
    char     id[27];

    filing_begin(f, "甲", id);
    assert_string_equal(text_at(deadline(f, id, "file"), "due"), "2026-03-16"); /* online 2026-03-02 */
    fixture_close(f);
    fixture_open(f, "test.example/registry", 7);
    filing_submit(f, "甲", id);
    assert_string_equal(text_at(deadline(f, id, "file"), "status"), "met");
    /* 30 working days after Monday 2 March, over the holiday of 4 to 6 April (a Monday). */
    assert_string_equal(text_at(deadline(f, id, "decide"), "due"), "2026-04-14");
}

static void deadlines__without_the_year_are_undetermined(void **state)
{
    fixture *f = *state;
    char     id[27];

    clock_ms = 1795651200000; /* 2026-11-26 */
    filing_submit(f, "甲", id);
    assert_string_equal(text_at(deadline(f, id, "decide"), "status"), "undetermined");
    assert_non_null(strstr(text_at(deadline(f, id, "decide"), "reason"), "2027"));
}

static size_t notices(fixture *f, const char *kind)
{
    json_t *list = json_array(), *one;
    size_t  i, n = 0;

    assert_ok(notices_json(f->t.db, 100, list, &f->err), &f->err);
    json_array_foreach(list, i, one)
        n += strcmp(text_at(one, "kind"), kind) == 0;
    json_decref(list);
    return n;
}

static void deadlines__remind_once_and_escalate_once(void **state)
{
    fixture *f = *state;
    char     id[27];
    int64_t  day = 86400000;

    filing_submit(f, "甲", id); /* due 2026-04-14, reminder five working days before: 2026-04-07 */
    for (int i = 0; i < 2; i++)
        assert_ok(deadlines_tick(f->t.db, f->a, f->c.packs, clock_ms + 35 * day, &f->err), &f->err);
    assert_int_equal(notices(f, "reminder"), 0);
    for (int i = 0; i < 2; i++)
        assert_ok(deadlines_tick(f->t.db, f->a, f->c.packs, clock_ms + 36 * day, &f->err), &f->err);
    assert_int_equal(notices(f, "reminder"), 1);
    assert_ok(deadlines_tick(f->t.db, f->a, f->c.packs, clock_ms + 43 * day, &f->err), &f->err);
    assert_int_equal(notices(f, "overdue"), 0); /* the due day itself */
    for (int i = 0; i < 2; i++)
        assert_ok(deadlines_tick(f->t.db, f->a, f->c.packs, clock_ms + 44 * day, &f->err), &f->err);
    assert_int_equal(notices(f, "overdue"), 1);
}

/* --- searching --------------------------------------------------------------------------------------- */

static json_t *find(fixture *f, const char *query, bool is_public)
{
    registry_search s = { .query = pl_str_z(query), .is_public = is_public, .limit = 10,
                          .region = PL_STR(""), .role = PL_STR(""), .type = PL_STR(""), .month = PL_STR(""),
                          .workflow = PL_STR(""), .state = PL_STR("") };
    json_t         *out = NULL;

    assert_ok(registry_search_run(&f->c, &s, &out, &f->err), &f->err);
    assert_ok(pl_arena_defer(f->a, (void (*)(void *))json_decref, out), &f->err);
    return out;
}

static void expect_found(fixture *f, const char *query, bool is_public, size_t want)
{
    json_t *out = find(f, query, is_public);

    if (json_array_size(json_object_get(out, "filings")) != want ||
        json_integer_value(json_object_get(out, "total")) != (json_int_t)want)
        fail_msg("'%s': %s", query, json_dumps(out, 0));
}

static void search__finds_by_one_character_two_and_more(void **state)
{
    fixture *f = *state;
    char     a[27], b[27];

    filing_publish(f, "星河推荐算法", a);
    filing_publish(f, "河星检索算法", b);
    expect_found(f, "河", true, 2);
    expect_found(f, "星河", true, 1);
    expect_found(f, "算法", true, 2);
    expect_found(f, "推荐算法", true, 1);
    expect_found(f, "算法推荐", true, 0); /* has every pair but for one */
    expect_found(f, "示例助手 检索", true, 1);
    expect_found(f, "龘", true, 0);
    expect_found(f, "", true, 2);
    expect_found(f, "网信算备990001000000101260015号", true, 1);
    assert_string_equal(text_at(json_array_get(json_object_get(find(f, "", true), "filings"), 0), "id"), b);
}

static void search__of_the_public_sees_nothing_that_is_not_published(void **state)
{
    fixture *f = *state;
    char     a[27];

    filing_submit(f, "星河推荐算法", a);
    expect_found(f, "星河", false, 1);
    expect_found(f, "星河", true, 0);
    expect_found(f, "张三", false, 0); /* persons are not in the index */
}

static void search__forgets_what_a_filing_no_longer_is_called(void **state)
{
    fixture      *f = *state;
    char          id[27];
    json_t       *values = filing_values("新名");
    registry_hits hits;

    filing_begin(f, "旧名", id);
    assert_ok(filing_edit(&f->c, pl_str_z(id), version_now(f, id), values, &f->err), &f->err);
    expect_found(f, "旧名", false, 0);
    expect_found(f, "新名", false, 1);
    assert_ok(registry_index_find(f->t.db, f->a, PL_STR("旧名"), NULL, 0, &hits, &f->err), &f->err);
    assert_int_equal(hits.count, 0); /* in the index itself, not only among what is shown */
    json_decref(values);
}

/* --- published lists ------------------------------------------------------------------------------ */

static pl_rc take_list(fixture *f, const char *rows, long long *taken)
{
    json_t *list = parse(rows), *out = NULL;
    pl_rc   rc = filing_list_take(&f->c, PL_STR("cn-algorithm"), PL_STR("CAC 2026-03"), list, &out, &f->err);

    if (rc == PL_OK)
        *taken = (long long)json_integer_value(json_object_get(out, "taken"));
    json_decref(out);
    json_decref(list);
    return rc;
}

#define ROW(number, name, state)                                                                              \
    "{\"number\":\"" number "\",\"month\":\"2022-08\",\"state\":\"" state "\",\"values\":{\"algorithm\":{\"name\":\"" name \
    "\",\"type\":\"push\"},\"subject\":{\"name\":\"x\",\"region\":\"990001\"}}}"

static void list__is_taken_whole_and_a_known_number_once(void **state)
{
    fixture *f = *state;
    long long taken = 0;

    act_as(f, "rex", PL_ROLE_REGULATOR);
    assert_ok(take_list(f, "[" ROW("A1", "甲推荐", "published") "," ROW("A2", "乙推荐", "cancelled") "]", &taken), &f->err);
    assert_int_equal(taken, 2);
    assert_int_equal(pl_ledger_size(f->ledger), 1); /* one statement for the list */
    assert_ok(take_list(f, "[" ROW("A2", "乙推荐", "published") "," ROW("A3", "丙推荐", "published") "]", &taken), &f->err);
    assert_int_equal(taken, 1);
    expect_found(f, "推荐", true, 3);
    expect_found(f, "推", true, 3);
}

static void list__with_one_bad_row_writes_nothing(void **state)
{
    fixture *f = *state;
    long long taken = 0;

    act_as(f, "rex", PL_ROLE_REGULATOR);
    assert_rc(take_list(f, "[" ROW("A1", "甲", "published") "," ROW("A2", "乙", "draft") "]", &taken), PL_INVALID);
    assert_non_null(strstr(f->err.text, "row 2"));
    assert_int_equal(pl_ledger_size(f->ledger), 0);
    expect_found(f, "甲", true, 0);
}

static void statistics__count_by_facet(void **state)
{
    fixture        *f = *state;
    char            a[27], b[27];
    registry_search s = { .query = PL_STR(""), .is_public = true, .limit = 10, .region = PL_STR(""),
                          .role = PL_STR(""), .type = PL_STR("generation"), .month = PL_STR(""),
                          .workflow = PL_STR(""), .state = PL_STR("") };
    json_t         *out = NULL, *region;

    filing_publish(f, "甲", a);
    filing_publish(f, "乙", b);
    filing_submit(f, "丙", b);
    assert_ok(registry_statistics(&f->c, &s, &out, &f->err), &f->err);
    assert_int_equal(json_integer_value(json_object_get(out, "total")), 2);
    region = json_array_get(json_object_get(json_object_get(out, "by"), "region"), 0);
    assert_string_equal(text_at(region, "value"), "990001");
    assert_int_equal(json_integer_value(json_object_get(region, "count")), 2);
    json_decref(out);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(record__keeps_every_version),
        T(record__is_refused_when_somebody_was_faster),
        T(record__is_checked_by_its_form),
        T(record__relations_lead_both_ways_and_to_the_right_kind),
        T(filing__goes_from_draft_to_a_published_number),
        T(numbers__count_per_entity_and_are_never_given_twice),
        T(filing__every_step_is_a_statement_with_its_values),
        T(filing__four_eyes_hold_whatever_roles_one_has),
        T(filing__names_what_is_missing),
        T(filing__two_reviewers_at_once_get_a_clear_answer),
        T(filing__a_row_is_changed_from_the_version_that_was_read_only),
        T(filing__change_shows_the_old_until_the_new_is_published),
        T(filing__a_dropped_change_brings_the_published_values_back),
        T(filing__can_be_cancelled_and_stays_visible),
        T(filing__who_may_not_edit_cannot),
        T(ethics__the_committee_decides_and_who_submitted_is_recused),
        T(sandbox__ends_when_its_plan_says_and_is_sealed),
        T(accreditation__gets_a_number_and_is_due_every_year),
        T(genai__counts_must_agree_with_the_report_and_minima_only_warn),
        T(gpai_notice__is_due_two_weeks_after_it_was_known),
        T(eu_database__is_public_at_once_or_never),
        T(deadlines__are_counted_in_working_days_of_the_calendar),
        T(deadlines__without_the_year_are_undetermined),
        T(deadlines__remind_once_and_escalate_once),
        T(search__finds_by_one_character_two_and_more),
        T(search__of_the_public_sees_nothing_that_is_not_published),
        T(search__forgets_what_a_filing_no_longer_is_called),
        T(list__is_taken_whole_and_a_known_number_once),
        T(list__with_one_bad_row_writes_nothing),
        T(statistics__count_by_facet),
    };

    return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
