/* Reading a workflow, strictly. */
#include "base/banned.h"

#include "base/str.h"
#include "engine/flow/number.h"
#include "engine/flow/workflow.h"

static const char *const roles[] = { "public", "assessor", "regulator", "reviewer", "provider", "admin",
                                     NULL };
static const char *const actions[] = { "drafted", "submitted", "accepted", "returned", "refused",
                                       "published", "changed", "cancelled", "withdrawn", "advanced",
                                       "closed", NULL };
static const char *const decisions[] = { "approved", "rejected", "returned", "commented", NULL };

typedef struct reader {
    pl_workflow *w;
    const char  *where;
    const char  *part; /* "step" … */
    pl_str       id;
    pl_error    *err;
} reader;

static pl_rc bad(const reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static pl_rc bad(const reader *r, const char *fmt, ...)
{
    char    what[150];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return r->id.n > 0 ? pl_fail(r->err, PL_INVALID, "%.60s: %s '%.*s': %s", r->where, r->part,
                                 (int)(r->id.n < 48 ? r->id.n : 48), r->id.p, what)
                       : pl_fail(r->err, PL_INVALID, "%.60s: %s%s%s", r->where, r->part,
                                 *r->part ? ": " : "", what);
}

static pl_str text_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    return json_is_string(v) ? (pl_str){ json_string_value(v), json_string_length(v) } : PL_STR("");
}

static bool is_in(pl_str s, const char *const *list)
{
    for (; *list != NULL; list++)
        if (pl_str_eqz(s, *list))
            return true;
    return false;
}

static bool is_id(pl_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '_' ||
              s.p[i] == '-'))
            return false;
    return s.n > 0 && s.n <= 48;
}

static pl_rc keys_check(const reader *r, const json_t *o, const char *const *allowed)
{
    pl_error why = { 0 };

    if (!json_is_object(o))
        return bad(r, "not a mapping");
    return pl_json_only(o, allowed, &why) == PL_OK ? PL_OK : bad(r, "%.120s", why.text);
}

static pl_rc names_read(const reader *r, const json_t *o, const char *key, pl_names *out)
{
    const json_t *list = json_object_get(o, key), *one;
    size_t        i;

    if (list != NULL && (!json_is_array(list) || json_array_size(list) > PL_FLOW_LIST_MAX))
        return bad(r, "'%s' is not a list of at most 64", key);
    json_array_foreach((json_t *)(uintptr_t)list, i, one)
        if (!json_is_string(one))
            return bad(r, "'%s' holds something that is no name", key);
    out->list = list;
    return PL_OK;
}

static pl_rc roles_read(const reader *r, const json_t *o, const char *key, pl_names *out)
{
    pl_rc rc = names_read(r, o, key, out);

    for (size_t i = 0; rc == PL_OK && i < pl_names_count(*out); i++)
        if (!is_in(pl_names_at(*out, i), roles))
            rc = bad(r, "unknown role '%.30s'", pl_names_at(*out, i).p);
    return rc;
}

/* What every part has: id, zh, en. */
static pl_rc head_read(reader *r, const char *part, const json_t *o, const char *const *allowed,
                       pl_str *id, pl_str *zh, pl_str *en)
{
    r->part = part;
    r->id = *id = text_of(o, "id");
    *zh = text_of(o, "zh");
    *en = text_of(o, "en");
    if (!is_id(*id))
        return bad(r, "needs an 'id' of lower-case letters, digits, '_' and '-'");
    if (zh->n == 0 || en->n == 0)
        return bad(r, "needs 'zh' and 'en'");
    return keys_check(r, o, allowed);
}

static pl_rc list_of(reader *r, const char *key, size_t max, bool required, const json_t **out)
{
    const json_t *list = json_object_get(r->w->tree, key);

    r->part = key;
    r->id = PL_STR("");
    if ((list == NULL && required) || (list != NULL && !json_is_array(list)) ||
        json_array_size(list) > max)
        return bad(r, "must be a list of at most %zu", max);
    *out = list;
    return PL_OK;
}

/* --- the parts ------------------------------------------------------------------------- */

static pl_rc state_read(reader *r, const json_t *o)
{
    static const char *const allowed[] = { "id", "zh", "en", "edit", "public", "final", NULL };
    pl_flow_state           *s = &r->w->states[r->w->state_count];
    pl_rc rc = head_read(r, "state", o, allowed, &s->id, &s->zh, &s->en);

    if (rc == PL_OK && pl_flow_state_find(r->w, s->id) != NULL)
        rc = bad(r, "is there twice");
    if (rc == PL_OK)
        rc = roles_read(r, o, "edit", &s->edit);
    if (rc == PL_OK)
        rc = pl_json_get_bool(o, "public", false, &s->is_public, r->err);
    if (rc == PL_OK)
        rc = pl_json_get_bool(o, "final", false, &s->is_final, r->err);
    r->w->state_count++;
    return rc;
}

static pl_rc deadline_read(reader *r, const json_t *o)
{
    static const char *const allowed[] = { "id", "zh", "en", "n", "unit", "from", "remind",
                                           "escalate", "tag", "source", NULL };
    pl_flow_deadline        *d = &r->w->deadlines[r->w->deadline_count];
    pl_rc rc = head_read(r, "deadline", o, allowed, &d->id, &d->zh, &d->en);

    if (rc == PL_OK && pl_flow_deadline_find(r->w, d->id) != NULL)
        rc = bad(r, "is there twice");
    if (rc == PL_OK)
        rc = pl_json_get_int(o, "n", true, &d->n, r->err);
    if (rc == PL_OK)
        rc = pl_period_unit_parse(text_of(o, "unit"), &d->unit, r->err);
    if (rc == PL_OK)
        rc = pl_json_get_int(o, "remind", false, &d->remind, r->err);
    d->from = text_of(o, "from");
    d->escalate = text_of(o, "escalate");
    d->tag = text_of(o, "tag");
    d->source = text_of(o, "source");
    r->w->deadline_count++;
    if (rc == PL_OK && (d->n < 0 || d->n > 3660 || d->remind < 0 || d->remind > 365))
        rc = bad(r, "its period is out of bounds");
    if (rc == PL_OK && d->tag.n != 1)
        rc = bad(r, "a number needs its evidence 'tag'");
    if (rc == PL_OK && d->escalate.n > 0 && !is_in(d->escalate, roles))
        rc = bad(r, "unknown role in 'escalate'");
    return rc;
}

static pl_rc attachment_read(reader *r, const json_t *o)
{
    static const char *const allowed[] = { "id", "zh", "en", "max_mib", "types", "roles", "help", "tag",
                                           NULL };
    pl_flow_attachment      *a = &r->w->attachments[r->w->attachment_count];
    pl_rc rc = head_read(r, "attachment", o, allowed, &a->id, &a->zh, &a->en);

    if (rc == PL_OK && pl_flow_attachment_find(r->w, a->id) != NULL)
        rc = bad(r, "is there twice");
    a->max_mib = 20;
    if (rc == PL_OK)
        rc = pl_json_get_int(o, "max_mib", false, &a->max_mib, r->err);
    if (rc == PL_OK)
        rc = names_read(r, o, "types", &a->types);
    if (rc == PL_OK)
        rc = roles_read(r, o, "roles", &a->roles);
    r->w->attachment_count++;
    if (rc == PL_OK && (a->max_mib < 1 || a->max_mib > 64))
        rc = bad(r, "'max_mib' is not between 1 and 64");
    return rc;
}

static pl_rc vote_read(reader *r, const json_t *o)
{
    static const char *const allowed[] = { "state", "pass", "fail", "roles", "quorum", "majority", "tag",
                                           NULL };
    pl_flow_vote            *v = &r->w->votes[r->w->vote_count++];
    pl_rc                    rc;

    r->part = "vote";
    r->id = v->state = text_of(o, "state");
    v->pass = text_of(o, "pass");
    v->fail = text_of(o, "fail");
    rc = keys_check(r, o, allowed);
    if (rc == PL_OK)
        rc = roles_read(r, o, "roles", &v->roles);
    if (rc == PL_OK)
        rc = pl_json_get_int(o, "quorum", true, &v->quorum, r->err);
    if (rc == PL_OK)
        rc = pl_json_get_int(o, "majority", true, &v->majority, r->err);
    if (rc == PL_OK && (v->quorum < 1 || v->quorum > 1000 || v->majority < 1 || v->majority > 100))
        rc = bad(r, "'quorum' or 'majority' (percent) is out of bounds");
    return rc;
}

static pl_rc step_lists(const reader *r, const json_t *o, pl_flow_step *s)
{
    pl_rc rc = names_read(r, o, "from", &s->from);

    if (rc == PL_OK)
        rc = roles_read(r, o, "roles", &s->roles);
    if (rc == PL_OK)
        rc = names_read(r, o, "forms", &s->forms);
    if (rc == PL_OK)
        rc = names_read(r, o, "attachments", &s->attachments);
    if (rc == PL_OK)
        rc = names_read(r, o, "other_than", &s->other_than);
    if (rc == PL_OK)
        rc = names_read(r, o, "starts", &s->starts);
    return rc == PL_OK ? names_read(r, o, "ends", &s->ends) : rc;
}

static pl_rc step_read(reader *r, const json_t *o)
{
    static const char *const allowed[] = { "id", "zh", "en", "from", "to", "roles", "action",
                                           "decision", "forms", "attachments", "other_than", "starts",
                                           "ends", "number", "date", "note", "publishes", "reverts",
                                           "withdraws", "when", NULL };
    pl_flow_step            *s = &r->w->steps[r->w->step_count];
    pl_rc rc = head_read(r, "step", o, allowed, &s->id, &s->zh, &s->en);

    if (rc == PL_OK && pl_flow_step_find(r->w, s->id) != NULL)
        rc = bad(r, "is there twice");
    r->w->step_count++;
    if (rc == PL_OK)
        rc = step_lists(r, o, s);
    s->to = text_of(o, "to");
    s->action = text_of(o, "action");
    s->decision = text_of(o, "decision");
    s->number = text_of(o, "number");
    s->date = text_of(o, "date");
    s->when = json_object_get(o, "when");
    if (rc == PL_OK)
        rc = pl_json_get_bool(o, "note", false, &s->needs_note, r->err);
    if (rc == PL_OK)
        rc = pl_json_get_bool(o, "publishes", false, &s->publishes, r->err);
    if (rc == PL_OK)
        rc = pl_json_get_bool(o, "reverts", false, &s->reverts, r->err);
    if (rc == PL_OK)
        rc = pl_json_get_bool(o, "withdraws", false, &s->withdraws, r->err);
    if (rc == PL_OK && pl_names_count(s->roles) == 0)
        rc = bad(r, "needs 'roles'");
    if (rc == PL_OK && !is_in(s->action, actions))
        rc = bad(r, "its 'action' is none a statement can have");
    if (rc == PL_OK && s->decision.n > 0 && !is_in(s->decision, decisions))
        rc = bad(r, "its 'decision' is none a review can have");
    return rc;
}

static pl_rc reality_read(reader *r, const json_t *o)
{
    pl_flow_reality *q = &r->w->realities[r->w->reality_count];
    pl_error         why = { 0 };

    r->part = "reality";
    r->id = text_of(o, "id");
    if (!is_id(r->id))
        return bad(r, "needs an 'id' of lower-case letters, digits, '_' and '-'");
    for (size_t i = 0; i < r->w->reality_count; i++)
        if (pl_str_eq(r->w->realities[i].id, r->id))
            return bad(r, "is there twice");
    r->w->reality_count++;
    return pl_reality_read(o, q, &why) == PL_OK ? PL_OK : bad(r, "%.130s", why.text);
}

static pl_rc each(reader *r, const char *key, size_t max, bool required,
                  pl_rc (*fn)(reader *r, const json_t *o))
{
    const json_t *list = NULL;
    pl_rc         rc = list_of(r, key, max, required, &list);

    for (size_t i = 0; rc == PL_OK && i < json_array_size(list); i++)
        rc = fn(r, json_array_get(list, i));
    return rc;
}

static pl_rc number_read(reader *r, const json_t *o)
{
    pl_number *n = NULL;
    pl_error   why = { 0 };
    pl_rc      rc;

    r->part = "number";
    r->id = text_of(o, "id");
    if (!is_id(r->id) || text_of(o, "tag").n != 1)
        return bad(r, "needs an 'id' and its evidence 'tag'");
    rc = pl_number_new(o, "template", &n, &why);
    pl_number_free(n);
    return rc == PL_OK ? PL_OK : bad(r, "%.130s", why.text);
}

/* --- what refers to what ------------------------------------------------------------------ */

static pl_rc names_lead(const reader *r, pl_names n, bool (*is_there)(const pl_workflow *w, pl_str id),
                        const char *what)
{
    for (size_t i = 0; i < pl_names_count(n); i++)
        if (!is_there(r->w, pl_names_at(n, i)))
            return bad(r, "there is no %s '%.40s'", what, pl_names_at(n, i).p);
    return PL_OK;
}

static bool has_state(const pl_workflow *w, pl_str id)
{
    return pl_flow_state_find(w, id) != NULL;
}

static bool has_step(const pl_workflow *w, pl_str id)
{
    return pl_flow_step_find(w, id) != NULL;
}

static bool has_deadline(const pl_workflow *w, pl_str id)
{
    return pl_flow_deadline_find(w, id) != NULL;
}

static bool has_attachment(const pl_workflow *w, pl_str id)
{
    return pl_flow_attachment_find(w, id) != NULL;
}

static bool has_form(const pl_workflow *w, pl_str id)
{
    return pl_names_has(w->forms, id);
}

/* An attachment that a step wants must be one that somebody can attach before it. */
static pl_rc attachable_check(const reader *r, const pl_flow_step *s)
{
    for (size_t i = 0; i < pl_names_count(s->attachments); i++) {
        const pl_flow_attachment *a = pl_flow_attachment_find(r->w, pl_names_at(s->attachments, i));
        bool                      can = pl_names_count(a->roles) > 0;

        for (size_t k = 0; k < pl_names_count(s->from) && !can; k++)
            can = pl_names_count(pl_flow_state_find(r->w, pl_names_at(s->from, k))->edit) > 0;
        if (!can)
            return bad(r, "nobody can attach '%.40s' in the states before it", a->id.p);
    }
    return PL_OK;
}

static pl_rc step_refers(reader *r, const pl_flow_step *s, unsigned flags)
{
    pl_rc rc;

    r->part = "step";
    r->id = s->id;
    if (pl_names_count(s->from) == 0 || !has_state(r->w, s->to))
        return bad(r, "'from' is empty or 'to' names no state");
    if (s->when != NULL && !(flags & PL_FLOW_WHEN))
        return bad(r, "has a condition 'when', which nothing here evaluates");
    if (s->number.n > 0 && pl_flow_number_find(r->w, s->number) == NULL)
        return bad(r, "there is no number '%.40s'", s->number.p);
    rc = names_lead(r, s->from, has_state, "state");
    if (rc == PL_OK)
        rc = names_lead(r, s->forms, has_form, "form");
    if (rc == PL_OK)
        rc = names_lead(r, s->attachments, has_attachment, "attachment");
    if (rc == PL_OK)
        rc = names_lead(r, s->other_than, has_step, "step");
    if (rc == PL_OK)
        rc = names_lead(r, s->starts, has_deadline, "deadline");
    if (rc == PL_OK)
        rc = names_lead(r, s->ends, has_deadline, "deadline");
    for (size_t i = 0; rc == PL_OK && i < pl_names_count(s->from); i++)
        if (pl_flow_state_find(r->w, pl_names_at(s->from, i))->is_final)
            rc = bad(r, "leaves the final state '%.40s'", pl_names_at(s->from, i).p);
    return rc == PL_OK ? attachable_check(r, s) : rc;
}

static pl_rc votes_refer(reader *r)
{
    for (size_t i = 0; i < r->w->vote_count; i++) {
        const pl_flow_vote *v = &r->w->votes[i];

        r->part = "vote";
        r->id = v->state;
        if (!has_state(r->w, v->state) || !has_step(r->w, v->pass) || !has_step(r->w, v->fail) ||
            pl_names_count(v->roles) == 0)
            return bad(r, "needs a state, roles and the steps 'pass' and 'fail'");
    }
    return PL_OK;
}

/* Repeats until no step reaches a new state. */
static pl_rc reach_check(reader *r)
{
    bool reached[PL_FLOW_STATES_MAX] = { false }, more = true;

    for (size_t i = 0; i < r->w->state_count; i++)
        reached[i] = pl_str_eq(r->w->states[i].id, r->w->initial);
    while (more) {
        more = false;
        for (size_t k = 0; k < r->w->step_count; k++) {
            const pl_flow_step *s = &r->w->steps[k];
            size_t              to = (size_t)(pl_flow_state_find(r->w, s->to) - r->w->states);

            for (size_t i = 0; i < pl_names_count(s->from) && !reached[to]; i++)
                if (reached[pl_flow_state_find(r->w, pl_names_at(s->from, i)) - r->w->states])
                    reached[to] = more = true;
        }
    }
    for (size_t i = 0; i < r->w->state_count; i++)
        if (!reached[i]) {
            r->part = "state";
            r->id = r->w->states[i].id;
            return bad(r, "no step leads there");
        }
    return PL_OK;
}

/* --- the whole ----------------------------------------------------------------------------- */

static pl_rc facts_read(reader *r)
{
    static const char *const allowed[] = { "id", "title", "jurisdiction", "kind", "subject", "forms",
                                           "facets", "title_field", "organisation_field", "states",
                                           "initial", "attachments", "votes", "steps", "deadlines",
                                           "numbers", "calendar", "starts", "reality", NULL };
    static const char *const facet_keys[] = { "region", "role", "type", NULL };
    pl_workflow             *w = r->w;
    const json_t            *facets = json_object_get(w->tree, "facets");
    pl_rc                    rc = keys_check(r, w->tree, allowed);

    if (rc != PL_OK)
        return rc;
    w->id = text_of(w->tree, "id");
    w->zh = text_of(json_object_get(w->tree, "title"), "zh");
    w->en = text_of(json_object_get(w->tree, "title"), "en");
    w->jurisdiction = text_of(w->tree, "jurisdiction");
    w->kind = text_of(w->tree, "kind");
    w->subject = text_of(w->tree, "subject");
    w->initial = text_of(w->tree, "initial");
    w->title = text_of(w->tree, "title_field");
    w->organisation = text_of(w->tree, "organisation_field");
    w->calendar = text_of(w->tree, "calendar");
    w->region = text_of(facets, "region");
    w->role = text_of(facets, "role");
    w->type = text_of(facets, "type");
    if (!is_id(w->id) || w->zh.n == 0 || w->en.n == 0)
        return bad(r, "needs 'id' and 'title' with 'zh' and 'en'");
    if (w->jurisdiction.n < 2 || w->kind.n == 0 || w->title.n == 0)
        return bad(r, "needs 'jurisdiction', 'kind' and 'title_field'");
    if (facets != NULL)
        rc = keys_check(r, facets, facet_keys);
    if (rc == PL_OK)
        rc = names_read(r, w->tree, "starts", &w->starts);
    return rc == PL_OK ? names_read(r, w->tree, "forms", &w->forms) : rc;
}

static pl_rc workflow_read(reader *r, unsigned flags)
{
    pl_workflow *w = r->w;
    pl_rc        rc = facts_read(r);

    if (rc == PL_OK)
        rc = each(r, "states", PL_FLOW_STATES_MAX, true, state_read);
    if (rc == PL_OK)
        rc = each(r, "deadlines", PL_FLOW_LIST_MAX, false, deadline_read);
    if (rc == PL_OK)
        rc = each(r, "attachments", PL_FLOW_LIST_MAX, false, attachment_read);
    if (rc == PL_OK)
        rc = each(r, "numbers", PL_FLOW_LIST_MAX, false, number_read);
    w->numbers = json_object_get(w->tree, "numbers");
    if (rc == PL_OK)
        rc = each(r, "votes", PL_FLOW_LIST_MAX, false, vote_read);
    if (rc == PL_OK)
        rc = each(r, "steps", PL_FLOW_STEPS_MAX, true, step_read);
    if (rc == PL_OK)
        rc = each(r, "reality", PL_FLOW_REALITY_MAX, false, reality_read);
    for (size_t i = 0; rc == PL_OK && i < w->step_count; i++)
        rc = step_refers(r, &w->steps[i], flags);
    if (rc == PL_OK)
        rc = votes_refer(r);
    r->part = "";
    r->id = PL_STR("");
    if (rc == PL_OK)
        rc = names_lead(r, w->starts, has_deadline, "deadline");
    if (rc == PL_OK && !has_state(w, w->initial))
        rc = bad(r, "'initial' names no state");
    return rc == PL_OK ? reach_check(r) : rc;
}

pl_rc pl_workflow_new(const json_t *tree, const char *where, unsigned flags, pl_workflow **out,
                      pl_error *err)
{
    pl_workflow *w = calloc(1, sizeof *w);
    reader       r = { .w = w, .where = where, .part = "", .id = PL_STR(""), .err = err };
    pl_rc        rc;

    if (w == NULL || (w->tree = json_deep_copy(tree)) == NULL) {
        free(w);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    rc = workflow_read(&r, flags);
    if (rc != PL_OK) {
        pl_workflow_free(w);
        return rc;
    }
    *out = w;
    return PL_OK;
}

void pl_workflow_free(pl_workflow *w)
{
    if (w != NULL)
        json_decref(w->tree);
    free(w);
}
