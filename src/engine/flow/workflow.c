/* Looking things up in a workflow, and deciding whether a step may be taken. */
#include "base/banned.h"

#include "base/str.h"
#include "engine/flow/form.h"
#include "engine/flow/workflow.h"

size_t pl_names_count(pl_names n)
{
    return json_array_size(n.list);
}

pl_str pl_names_at(pl_names n, size_t i)
{
    const json_t *v = json_array_get(n.list, i);

    return (pl_str){ json_string_value(v), json_string_length(v) };
}

bool pl_names_has(pl_names n, pl_str name)
{
    for (size_t i = 0; i < pl_names_count(n); i++)
        if (pl_str_eq(pl_names_at(n, i), name))
            return true;
    return false;
}

/* The five lists differ in their types only. */
#define FIND(list, count)                                                                          \
    do {                                                                                           \
        for (size_t i_ = 0; i_ < (count); i_++)                                                    \
            if (pl_str_eq((list)[i_].id, id))                                                      \
                return &(list)[i_];                                                                \
        return NULL;                                                                               \
    } while (0)

const pl_flow_state *pl_flow_state_find(const pl_workflow *w, pl_str id)
{
    FIND(w->states, w->state_count);
}

const pl_flow_step *pl_flow_step_find(const pl_workflow *w, pl_str id)
{
    FIND(w->steps, w->step_count);
}

const pl_flow_deadline *pl_flow_deadline_find(const pl_workflow *w, pl_str id)
{
    FIND(w->deadlines, w->deadline_count);
}

const pl_flow_attachment *pl_flow_attachment_find(const pl_workflow *w, pl_str id)
{
    FIND(w->attachments, w->attachment_count);
}

const pl_flow_vote *pl_flow_vote_find(const pl_workflow *w, pl_str state)
{
    for (size_t i = 0; i < w->vote_count; i++)
        if (pl_str_eq(w->votes[i].state, state))
            return &w->votes[i];
    return NULL;
}

const json_t *pl_flow_number_find(const pl_workflow *w, pl_str id)
{
    const json_t *one;
    size_t        i;

    json_array_foreach(w->numbers, i, one) {
        const json_t *v = json_object_get(one, "id");

        if (pl_str_eq((pl_str){ json_string_value(v), json_string_length(v) }, id))
            return one;
    }
    return NULL;
}

/* --- deciding --------------------------------------------------------------------------- */

static bool has_role(const pl_flow_step *s, const pl_flow_facts *f)
{
    for (unsigned i = 0; i < f->role_count; i++)
        if (pl_names_has(s->roles, pl_str_z(f->roles[i])))
            return true;
    return false;
}

static pl_rc eyes_check(const pl_flow_step *s, const pl_flow_facts *f, pl_error *err)
{
    for (size_t i = 0; i < pl_names_count(s->other_than); i++) {
        pl_str        step = pl_names_at(s->other_than, i);
        const json_t *who = json_object_getn(f->actors, step.p, step.n);

        if (json_is_string(who) &&
            pl_str_eq((pl_str){ json_string_value(who), json_string_length(who) }, f->actor))
            return pl_fail(err, PL_DENIED,
                           "step '" PL_STR_FMT "' wants another person than the one who took '" PL_STR_FMT
                           "' (four eyes)", PL_STR_ARG(s->id), PL_STR_ARG(step));
    }
    return PL_OK;
}

static pl_rc attachments_check(const pl_workflow *w, const pl_flow_step *s, const pl_flow_facts *f,
                               pl_error *err)
{
    for (size_t i = 0; i < pl_names_count(s->attachments); i++) {
        pl_str                    slot = pl_names_at(s->attachments, i);
        const pl_flow_attachment *a = pl_flow_attachment_find(w, slot);

        if (json_integer_value(json_object_getn(f->attachments, slot.p, slot.n)) < 1)
            return pl_fail(err, PL_INVALID,
                           "attachment '" PL_STR_FMT "' (%.60s, %.60s) is missing", PL_STR_ARG(slot),
                           a ? a->en.p : "", a ? a->zh.p : "");
    }
    return PL_OK;
}

static pl_rc date_check(const pl_flow_step *s, const pl_flow_facts *f, pl_error *err)
{
    const json_t *v = pl_path_get(f->values, s->date);
    int64_t       day;

    if (s->date.n == 0)
        return PL_OK;
    if (!json_is_string(v) || pl_day_parse(pl_str_z(json_string_value(v)), &day, NULL) != PL_OK)
        return pl_fail(err, PL_INVALID, "step '" PL_STR_FMT "' needs the date '" PL_STR_FMT "'",
                       PL_STR_ARG(s->id), PL_STR_ARG(s->date));
    if (f->today < day)
        return pl_fail(err, PL_CONFLICT, "step '" PL_STR_FMT "' may be taken from %s on",
                       PL_STR_ARG(s->id), json_string_value(v));
    return PL_OK;
}

static pl_rc vote_check(const pl_workflow *w, const pl_flow_step *s, const pl_flow_facts *f,
                        pl_error *err)
{
    const pl_flow_vote *v = pl_flow_vote_find(w, f->state);

    if (v == NULL || (!pl_str_eq(v->pass, s->id) && !pl_str_eq(v->fail, s->id)))
        return PL_OK;
    if (f->vote.n == 0)
        return pl_fail(err, PL_CONFLICT, "the vote is not over: its quorum of %lld is not reached",
                       (long long)v->quorum);
    if (!pl_str_eq(f->vote, s->id))
        return pl_fail(err, PL_CONFLICT, "the vote came out for '" PL_STR_FMT "'", PL_STR_ARG(f->vote));
    return PL_OK;
}

pl_rc pl_flow_step_check(const pl_workflow *w, const pl_flow_step *s, const pl_flow_facts *f,
                         pl_error *err)
{
    pl_rc rc;

    if (!pl_names_has(s->from, f->state))
        return pl_fail(err, PL_CONFLICT,
                       "step '" PL_STR_FMT "' is not possible in state '" PL_STR_FMT "'",
                       PL_STR_ARG(s->id), PL_STR_ARG(f->state));
    if (!has_role(s, f))
        return pl_fail(err, PL_DENIED, "your roles do not allow the step '" PL_STR_FMT "'",
                       PL_STR_ARG(s->id));
    rc = eyes_check(s, f, err);
    if (rc == PL_OK)
        rc = vote_check(w, s, f, err);
    if (rc == PL_OK && s->needs_note && !f->has_note)
        rc = pl_fail(err, PL_INVALID, "step '" PL_STR_FMT "' needs a reason", PL_STR_ARG(s->id));
    if (rc == PL_OK)
        rc = date_check(s, f, err);
    return rc == PL_OK ? attachments_check(w, s, f, err) : rc;
}

pl_str pl_flow_vote_result(const pl_flow_vote *v, const pl_flow_count *c)
{
    if (c->yes + c->no + c->abstained < v->quorum)
        return PL_STR("");
    /* A majority of 50 percent means more than half, as everywhere. */
    if (c->yes * 100 >= v->majority * (c->yes + c->no) && c->yes > c->no)
        return v->pass;
    return v->fail;
}
