/* A filing as people and programs see it. */
#include "base/banned.h"

#include "cap/registry/registry_int.h"

static pl_rc event_add(void *ctx, const registry_event *e, pl_error *err)
{
    json_t *o = json_pack("{s:I, s:s%, s:s%, s:s%, s:s%, s:s%, s:s%, s:I, s:o}", "n", (json_int_t)e->n, "step",
                          e->step.p, e->step.n, "from", e->from.p, e->from.n, "to", e->to.p, e->to.n,
                          "by", e->by_id.p, e->by_id.n, "note", e->note.p, e->note.n, "snapshot",
                          e->snapshot.p, e->snapshot.n, "ledger_index", (json_int_t)e->ledger_index, "time",
                          registry_time(e->time_ms));

    return o && json_array_append_new(ctx, o) == 0 ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

static json_t *state_json(const registry_flow *flow, pl_str id)
{
    const pl_flow_state *s = flow ? pl_flow_state_find(flow->w, id) : NULL;

    if (s == NULL)
        return json_null();
    return json_pack("{s:s%, s:s%, s:s%, s:b}", "id", s->id.p, s->id.n, "zh", s->zh.p, s->zh.n, "en",
                     s->en.p, s->en.n, "final", s->is_final);
}

static json_t *attachments_wanted(const registry_flow *flow)
{
    json_t *out = json_array();

    for (size_t i = 0; i < flow->w->attachment_count; i++) {
        const pl_flow_attachment *a = &flow->w->attachments[i];

        (void)json_array_append_new(out, json_pack("{s:s%, s:s%, s:s%, s:I}", "slot", a->id.p, a->id.n, "zh",
                                                   a->zh.p, a->zh.n, "en", a->en.p, a->en.n, "max_mib",
                                                   (json_int_t)a->max_mib));
    }
    return out;
}

/* What stands beside the row. */
static pl_rc lists_put(pl_db *db, pl_arena *a, const filing *f, json_t *o, pl_error *err)
{
    json_t *events = json_array(), *files = NULL, *deadlines = json_array(), *votes = json_array();
    pl_rc   rc = event_store_each(db, a, f->row.id, event_add, events, err);

    if (rc == PL_OK)
        rc = registry_files_json(db, a, f->row.id, &files, err);
    if (rc == PL_OK)
        rc = deadlines_json(db, a, f, deadlines, err);
    if (rc == PL_OK)
        rc = votes_json(db, f->row.id, votes, err);
    (void)json_object_set_new(o, "history", events);
    (void)json_object_set_new(o, "files", files ? files : json_array());
    (void)json_object_set_new(o, "deadlines", deadlines);
    (void)json_object_set_new(o, "votes", votes);
    return rc;
}

pl_rc pl_registry_filing(pl_db *db, pl_arena *a, pl_str id, json_t **out, pl_error *err)
{
    registry_packs *packs = registry_packs_take();
    registry_ctx    c = { .db = db, .a = a, .packs = packs };
    filing          f;
    json_t         *o;
    pl_rc           rc = packs ? filing_open(&c, id, &f, err)
                               : pl_fail(err, PL_IO, "the registry has no packs yet");

    if (rc == PL_OK && (o = registry_filing_line(&f.row, false)) != NULL) {
        (void)json_object_set(o, "values", f.values);
        (void)json_object_set_new(o, "subject", json_stringn(f.row.subject_id.p, f.row.subject_id.n));
        (void)json_object_set_new(o, "state_now", state_json(f.flow, f.row.state));
        (void)json_object_set_new(o, "attachments", attachments_wanted(f.flow));
        rc = lists_put(db, a, &f, o, err);
        if (rc == PL_OK)
            *out = o;
        else
            json_decref(o);
    } else if (rc == PL_OK) {
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    }
    registry_packs_unref(packs);
    return rc;
}

pl_rc pl_registry_kind(pl_str kind, json_t **form, pl_error *err)
{
    registry_packs *packs = registry_packs_take();
    const pl_form  *f = packs ? registry_kind_find(packs, kind) : NULL;
    json_t         *copy = f ? json_deep_copy(pl_form_tree(f)) : NULL;

    registry_packs_unref(packs);
    if (f == NULL)
        return pl_fail(err, PL_NOTFOUND, "there is no kind of record '%.*s'",
                       (int)(kind.n < 40 ? kind.n : 40), kind.p);
    if (copy == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    *form = copy;
    return PL_OK;
}
