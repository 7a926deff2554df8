/* Taking steps, and telling which can be taken. */
#include "base/banned.h"

#include "base/timefmt.h"
#include "cap/registry/registry_int.h"

#define ROLES 6

/* --- what is known when a step is asked for ------------------------------------------------- */

typedef struct situation {
    pl_flow_facts facts;
    const char   *roles[ROLES];
    json_t       *files; /* {"SLOT": count} */
} situation;

static pl_rc count_slot(void *ctx, const registry_file *f, pl_error *err)
{
    json_t    *counts = ctx;
    json_int_t n = json_integer_value(json_object_getn(counts, f->slot.p, f->slot.n));

    return json_object_setn_new(counts, f->slot.p, f->slot.n, json_integer(n + 1)) == 0
               ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

static pl_rc vote_result(registry_ctx *c, const filing *f, pl_str *out, pl_error *err)
{
    const pl_flow_vote *v = pl_flow_vote_find(f->flow->w, f->row.state);
    pl_flow_count       n;
    pl_rc               rc;

    *out = PL_STR("");
    if (v == NULL)
        return PL_OK;
    rc = votes_count(c->db, f->row.id, f->row.vote_round, &n, err);
    if (rc == PL_OK)
        *out = pl_flow_vote_result(v, &n);
    return rc;
}

static pl_rc situation_of(registry_ctx *c, const filing *f, pl_str note, situation *s, pl_error *err)
{
    const pl_calendar *cal = registry_calendar_find(c->packs, f->flow->w->calendar);
    pl_rc              rc;

    *s = (situation){ .files = json_object() };
    if (s->files == NULL || pl_arena_defer(c->a, (void (*)(void *))json_decref, s->files) != PL_OK)
        return pl_fail(err, PL_NOMEM, "out of memory");
    s->facts = (pl_flow_facts){ .state = f->row.state, .actor = pl_str_z(c->who->id), .roles = s->roles,
                                .actors = f->actors, .attachments = s->files, .values = f->values,
                                .today = pl_calendar_day(cal, c->now_ms), .has_note = note.n > 0 };
    for (unsigned role = PL_ROLE_PUBLIC; role <= PL_ROLE_ADMIN; role <<= 1)
        if (registry_has_role(c, role))
            s->roles[s->facts.role_count++] = pl_role_name(role);
    rc = file_store_each(c->db, c->a, f->row.id, count_slot, s->files, err);
    return rc == PL_OK ? vote_result(c, f, &s->facts.vote, err) : rc;
}

/* --- forms ----------------------------------------------------------------------------------- */

static pl_rc forms_judge(const filing *f, pl_names forms, json_t *problems, pl_error *err)
{
    pl_rc rc = PL_OK;

    for (size_t i = 0; i < pl_names_count(forms) && rc == PL_OK; i++) {
        pl_str id = pl_names_at(forms, i);

        rc = pl_form_check(registry_flow_form(f->flow, id), json_object_getn(f->values, id.p, id.n),
                           PL_FORM_COMPLETE, problems, err);
    }
    return rc;
}

static pl_rc forms_check(const filing *f, const pl_flow_step *s, pl_error *err)
{
    json_t *problems = json_array(), *one;
    size_t  i;
    pl_rc   rc = problems ? forms_judge(f, s->forms, problems, err)
                          : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK && pl_form_has_errors(problems))
        json_array_foreach(problems, i, one)
            if (rc == PL_OK && strcmp(json_string_value(json_object_get(one, "severity")), "error") == 0)
                rc = pl_fail(err, PL_INVALID,
                             "the forms are not complete (see 'filing check'); first: %.40s.%.60s: %.80s",
                             json_string_value(json_object_get(one, "form")),
                             json_string_value(json_object_get(one, "field")),
                             json_string_value(json_object_get(one, "en")));
    json_decref(problems);
    return rc;
}

/* --- taking a step ---------------------------------------------------------------------------- */

/* What another installation keeps is not changed in its name. */
static pl_rc owner_check(const filing *f, const pl_flow_step *s, pl_error *err)
{
    static const char *const theirs[] = { "regulator", "reviewer", "assessor" };

    if (f->row.origin.n == 0)
        return PL_OK;
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++)
        if (pl_names_has(s->roles, pl_str_z(theirs[i])))
            return PL_OK;
    return pl_fail(err, PL_DENIED, "step '" PL_STR_FMT "' belongs to the installation the filing came from",
                   PL_STR_ARG(s->id));
}

static pl_rc number_give(registry_ctx *c, filing *f, const pl_flow_step *s, pl_str given, pl_error *err)
{
    pl_buf made = PL_BUF_INIT(256);
    bool   is_doubtful;
    char  *text;
    pl_rc  rc = PL_OK;

    if (given.n > 0 && s->number.n == 0)
        return pl_fail(err, PL_INVALID, "step '" PL_STR_FMT "' gives no number", PL_STR_ARG(s->id));
    if (s->number.n == 0 || f->row.number.n > 0)
        return PL_OK;
    if (given.n > 0)
        rc = filing_number_check(f, s->number, given, &is_doubtful, err);
    if (rc == PL_OK && given.n > 0)
        pl_buf_put(&made, given);
    else if (rc == PL_OK)
        rc = filing_number(c, f, s->number, &made, err);
    if (rc == PL_OK)
        rc = number_store_add(c->db, pl_buf_str(&made), f->row.id, c->now_ms, err);
    text = rc == PL_OK ? pl_arena_dup(c->a, pl_buf_str(&made)) : NULL;
    if (rc == PL_OK && text == NULL)
        rc = pl_fail(err, PL_LIMIT, "out of memory for this request");
    if (rc == PL_OK)
        f->row.number = pl_str_z(text);
    pl_buf_done(&made);
    return rc;
}

static pl_rc published_put(registry_ctx *c, filing *f, pl_error *err)
{
    char time[25], *text = pl_json_dump(f->values);

    if (text == NULL || pl_arena_defer(c->a, free, text) != PL_OK) {
        free(text);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    f->row.published_data = pl_str_z(text);
    if (!f->row.is_public) {
        pl_time_format(c->now_ms, time);
        f->row.month = (pl_str){ pl_arena_dup(c->a, (pl_str){ time, 7 }), 7 };
        f->row.published_ms = c->now_ms;
    }
    f->row.is_public = true;
    return f->row.month.p ? PL_OK : pl_fail(err, PL_LIMIT, "out of memory for this request");
}

static pl_rc published_back(registry_ctx *c, filing *f, pl_error *err)
{
    json_t *j = NULL;
    pl_rc   rc = registry_json(f->row.published_data, &j, err);

    if (rc == PL_OK && pl_arena_defer(c->a, (void (*)(void *))json_decref, j) != PL_OK) {
        json_decref(j);
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    }
    if (rc == PL_OK)
        f->values = j;
    return rc;
}

static pl_rc actors_put(registry_ctx *c, filing *f, pl_str step, pl_str by, pl_error *err)
{
    char *text;

    (void)json_object_setn_new(f->actors, step.p, step.n, json_stringn(by.p, by.n));
    text = pl_json_dump(f->actors);
    if (text == NULL || pl_arena_defer(c->a, free, text) != PL_OK) {
        free(text);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    f->row.actors = pl_str_z(text);
    return PL_OK;
}

/* Everything the step changes, but for the writing. */
static pl_rc step_apply(registry_ctx *c, filing *f, const pl_flow_step *s, const filing_step_ask *ask,
                        pl_str by, pl_error *err)
{
    pl_rc rc = number_give(c, f, s, ask->number, err);

    f->row.version++;
    f->row.changed_ms = c->now_ms;
    if (pl_flow_vote_find(f->flow->w, f->row.state) != NULL)
        f->row.vote_round++;
    f->row.state = s->to;
    if (rc == PL_OK)
        rc = actors_put(c, f, s->id, by, err);
    if (rc == PL_OK && s->publishes)
        rc = published_put(c, f, err);
    if (rc == PL_OK && s->reverts)
        rc = published_back(c, f, err);
    if (s->withdraws)
        f->row.is_public = false;
    return rc == PL_OK ? filing_derive(c, f, err) : rc;
}

pl_rc filing_step_write(registry_ctx *c, const registry_filing *before, filing *f, const pl_flow_step *s,
                        const filing_step_ask *ask, pl_error *err)
{
    filing_claim   k = { .f = f, .step = s->id, .action = s->action, .decision = s->decision,
                         .from = before->state, .note = ask->note, .answers = ask->answers,
                         .origin = ask->origin };
    char           snapshot[65];
    /* A step that came in a package was taken there, not by whoever took the package. */
    pl_str         by = ask->origin.n > 0 ? ask->origin : pl_str_z(c->who->id);
    registry_event e = { .step = s->id, .from = before->state, .to = s->to, .note = ask->note, .by_id = by,
                         .time_ms = c->now_ms };
    pl_rc          rc = step_apply(c, f, s, ask, by, err);

    if (rc == PL_OK)
        rc = filing_store_indexed(c, before, f, err);
    if (rc == PL_OK)
        rc = deadlines_change(c, f, s, err);
    if (rc == PL_OK)
        rc = event_store_count(c->db, f->row.id, &e.n, err);
    if (rc == PL_OK)
        rc = filing_state_it(c, &k, snapshot, &e.ledger_index, err);
    e.n++;
    e.snapshot = pl_str_z(snapshot);
    return rc == PL_OK ? event_store_add(c->db, f->row.id, &e, err) : rc;
}

static pl_rc step_find(const filing *f, pl_str id, const pl_flow_step **out, pl_error *err)
{
    *out = pl_flow_step_find(f->flow->w, id);
    if (*out != NULL)
        return PL_OK;
    return pl_fail(err, PL_INVALID, "the workflow has no step '%.*s'", (int)(id.n < 48 ? id.n : 48), id.p);
}

pl_rc filing_step(registry_ctx *c, pl_str id, const filing_step_ask *ask, pl_error *err)
{
    filing              f;
    registry_filing     before;
    situation           now;
    const pl_flow_step *s = NULL;
    pl_rc               rc = filing_open(c, id, &f, err);

    if (rc == PL_OK && ask->note.n > REGISTRY_NOTE_MAX)
        rc = pl_fail(err, PL_LIMIT, "the reason is longer than %d bytes", REGISTRY_NOTE_MAX);
    if (rc == PL_OK && ask->version != f.row.version)
        rc = pl_fail(err, PL_CONFLICT,
                     "the filing is at version %lld, not %lld: somebody else acted on it meanwhile; look "
                     "again and repeat", (long long)f.row.version, (long long)ask->version);
    if (rc == PL_OK)
        rc = step_find(&f, ask->step, &s, err);
    if (rc == PL_OK)
        rc = situation_of(c, &f, ask->note, &now, err);
    if (rc == PL_OK)
        rc = pl_flow_step_check(f.flow->w, s, &now.facts, err);
    if (rc == PL_OK)
        rc = pl_conditions_check(f.flow->when, s, f.values, now.facts.today, err);
    if (rc == PL_OK)
        rc = owner_check(&f, s, err);
    if (rc == PL_OK)
        rc = forms_check(&f, s, err);
    if (rc == PL_OK)
        rc = registry_begin(c->db, err);
    if (rc != PL_OK)
        return rc;
    before = f.row;
    rc = filing_step_write(c, &before, &f, s, ask, err);
    return registry_finish(c->db, rc, err);
}

/* --- what could be done ------------------------------------------------------------------------- */

static json_t *names_json(pl_names n)
{
    return n.list ? json_incref((json_t *)(uintptr_t)n.list) : json_array();
}

/* {"step","zh","en","to","action","decision","roles","possible","reason"} */
static pl_rc step_tell(registry_ctx *c, const filing *f, const pl_flow_step *s, const situation *now,
                       json_t *steps)
{
    pl_error why = { 0 };
    pl_rc    rc = pl_flow_step_check(f->flow->w, s, &now->facts, &why);

    if (rc == PL_OK)
        rc = pl_conditions_check(f->flow->when, s, f->values, now->facts.today, &why);
    if (rc == PL_OK)
        rc = owner_check(f, s, &why);
    if (rc == PL_OK)
        rc = forms_check(f, s, &why);
    (void)c;
    return json_array_append_new(
        steps, json_pack("{s:s%, s:s%, s:s%, s:s%, s:s%, s:s%, s:o, s:b, s:o, s:b}", "step", s->id.p, s->id.n, "zh",
                         s->zh.p, s->zh.n, "en", s->en.p, s->en.n, "to", s->to.p, s->to.n, "action",
                         s->action.p, s->action.n, "decision", s->decision.p, s->decision.n, "roles",
                         names_json(s->roles), "possible", rc == PL_OK, "reason",
                         rc == PL_OK ? json_null() : json_string(why.text), "needs_note", s->needs_note));
}

/* Every form of the workflow, judged as if it had to be complete. */
pl_rc filing_check(registry_ctx *c, pl_str id, json_t **out, pl_error *err)
{
    filing    f;
    situation now;
    json_t   *problems = json_array(), *steps = json_array();
    pl_rc     rc = filing_open(c, id, &f, err);

    if (rc == PL_OK)
        rc = situation_of(c, &f, PL_STR("?"), &now, err);
    if (rc == PL_OK)
        rc = forms_judge(&f, f.flow->w->forms, problems, err);
    for (size_t i = 0; rc == PL_OK && i < f.flow->w->step_count; i++)
        if (pl_names_has(f.flow->w->steps[i].from, f.row.state))
            (void)step_tell(c, &f, &f.flow->w->steps[i], &now, steps);
    if (rc == PL_OK) {
        *out = json_pack("{s:s%, s:s%, s:I, s:b, s:O, s:O}", "id", f.row.id.p, f.row.id.n, "state",
                         f.row.state.p, f.row.state.n, "version", (json_int_t)f.row.version, "ok",
                         !pl_form_has_errors(problems), "problems", problems, "steps", steps);
        if (*out == NULL)
            rc = pl_fail(err, PL_NOMEM, "out of memory");
    }
    json_decref(problems);
    json_decref(steps);
    return rc;
}
