/* What everybody may see. */
#include "base/banned.h"

#include "cap/registry/registry_int.h"

/* Public fields of every form, as they were published. */
static json_t *public_values(const filing *f, const json_t *values)
{
    json_t *out = json_object();

    for (size_t i = 0; i < pl_names_count(f->flow->w->forms); i++) {
        pl_str id = pl_names_at(f->flow->w->forms, i);

        (void)json_object_setn_new(out, id.p, id.n,
                                   pl_form_public(f->flow->forms[i], json_object_getn(values, id.p, id.n)));
    }
    return out;
}

typedef struct last {
    const pl_workflow *w;
    int64_t            index, time_ms;
} last;

/* A filing that came from a list has no step of ours: then its first event counts. */
static pl_rc publication(void *ctx, const registry_event *e, pl_error *err)
{
    last               *l = ctx;
    const pl_flow_step *s = pl_flow_step_find(l->w, e->step);

    (void)err;
    if ((s != NULL && s->publishes) || l->time_ms == 0) {
        l->index = e->ledger_index;
        l->time_ms = e->time_ms;
    }
    return PL_OK;
}

static json_t *words(pl_str zh, pl_str en)
{
    return json_pack("{s:s%, s:s%}", "zh", zh.p, zh.n, "en", en.p, en.n);
}

static json_t *published_json(const filing *f, const json_t *values, const last *l)
{
    const pl_flow_state *state = pl_flow_state_find(f->flow->w, f->row.state);
    json_t              *forms = json_array();

    for (size_t i = 0; i < pl_names_count(f->flow->w->forms); i++)
        (void)json_array_append(forms, (json_t *)(uintptr_t)pl_form_tree(f->flow->forms[i]));
    return json_pack("{s:o, s:o, s:o, s:s%, s:o, s:o, s:I, s:o}", "line", registry_filing_line(&f->row, true), "state",
                     words(state ? state->zh : f->row.state, state ? state->en : f->row.state), "workflow",
                     words(f->flow->w->zh, f->flow->w->en), "pack", f->row.pack.p, f->row.pack.n, "forms", forms,
                     "values", public_values(f, values), "ledger_index", (json_int_t)l->index, "time",
                     registry_time(l->time_ms));
}

pl_rc pl_registry_published(pl_db *db, pl_arena *a, pl_str id, json_t **out, pl_error *err)
{
    registry_packs *packs = registry_packs_take();
    registry_ctx    c = { .db = db, .a = a, .packs = packs };
    filing          f;
    last            l = { 0 };
    json_t         *values = NULL;
    pl_rc           rc = packs ? filing_open(&c, id, &f, err)
                               : pl_fail(err, PL_IO, "the registry has no packs yet");

    if (rc == PL_OK && !f.row.is_public)
        rc = pl_fail(err, PL_NOTFOUND, "no filing '" PL_STR_FMT "'", PL_STR_ARG(id));
    if (rc == PL_OK)
        rc = registry_json(f.row.published_data, &values, err);
    if (rc == PL_OK) {
        l.w = f.flow->w;
        rc = event_store_each(db, a, id, publication, &l, err);
    }
    if (rc == PL_OK && (*out = published_json(&f, values, &l)) == NULL)
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    json_decref(values);
    registry_packs_unref(packs);
    return rc;
}

pl_rc pl_registry_search_public(pl_db *db, pl_arena *a, const pl_registry_ask *ask, json_t **out, pl_error *err)
{
    registry_ctx    c = { .db = db, .a = a };
    registry_search s = { .query = ask->query, .region = ask->region, .type = ask->type, .month = ask->month,
                          .role = PL_STR(""), .workflow = PL_STR(""), .state = PL_STR(""), .is_public = true,
                          .before = ask->before, .limit = ask->limit };

    return registry_search_run(&c, &s, out, err);
}
