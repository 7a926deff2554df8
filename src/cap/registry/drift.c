#include "base/banned.h"

#include "cap/ledger/pl_ledger.h"
#include "cap/registry/drift.h"

#define DAY_MS      (24LL * 3600 * 1000)
#define HOUR_MS     (3600LL * 1000)
#define PAGE        200
#define ONE_ARENA   (8u << 20)
#define PAGES_MAX   50
#define OTHERS_MAX  32 /* of them in a statement */

/* --- looking ------------------------------------------------------------------------------------ */

static pl_rc observe(registry_ctx *c, int64_t from_ms, json_t *out, pl_error *err)
{
    pl_rc rc = PL_OK;

    for (size_t i = 0; pl_capabilities[i] && rc == PL_OK; i++)
        if (pl_capabilities[i]->observe)
            rc = pl_capabilities[i]->observe(c->s, c->db, from_ms, out, err);
    return rc;
}

static bool is(const json_t *row, const char *state)
{
    const char *s = json_string_value(json_object_get(row, "state"));

    return s != NULL && strcmp(s, state) == 0;
}

static const char *worst(const json_t *rows)
{
    const json_t *row;
    size_t        i;
    const char   *state = json_array_size(rows) ? "match" : "undetermined";

    json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
        if (is(row, "drift"))
            return "drift";
        if (is(row, "undetermined"))
            state = "undetermined";
    }
    return state;
}

static pl_rc judge(registry_ctx *c, const filing *f, int64_t days, json_t **out, pl_error *err)
{
    const pl_workflow *w = f->flow->w;
    int64_t            from = c->now_ms - days * DAY_MS;
    json_t            *observed = json_object(), *rows = json_array();
    pl_rc              rc = observe(c, from > 0 ? from : 0, observed, err);

    for (size_t i = 0; i < w->reality_count && rc == PL_OK; i++)
        if (json_array_append_new(rows, pl_reality_judge(&w->realities[i], f->values, observed)) != 0)
            rc = pl_fail(err, PL_NOMEM, "out of memory");
    json_decref(observed);
    if (rc != PL_OK) {
        json_decref(rows);
        return rc;
    }
    *out = json_pack("{s:s%, s:s, s:o, s:o, s:o}", "filing", f->row.id.p, f->row.id.n, "state", worst(rows), "from",
                     registry_time(from > 0 ? from : 1), "to", registry_time(c->now_ms), "rows", rows);
    if (*out == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    if (w->reality_count == 0)
        (void)json_object_set_new(*out, "reason", json_pack("{s:s, s:s}", "zh", "此流程没有规定要核对的内容", "en",
                                                            "this workflow does not say what is to be compared"));
    return PL_OK;
}

static pl_rc with_findings(registry_ctx *c, pl_str id, json_t **out, pl_error *err)
{
    json_t *list = json_array();
    pl_rc   rc = drift_store_json(c->db, id, list, err);

    (void)json_object_set_new(*out, "findings", list);
    if (rc != PL_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return rc;
}

pl_rc drift_look(registry_ctx *c, pl_str id, int64_t days, json_t **out, pl_error *err)
{
    filing f;
    pl_rc  rc = filing_open(c, id, &f, err);

    if (rc == PL_OK)
        rc = judge(c, &f, days, out, err);
    return rc == PL_OK ? with_findings(c, id, out, err) : rc;
}

/* --- recording ----------------------------------------------------------------------------------- */

/* Numbers as they are; of lists what should not be there. */
static json_t *seen_of(const json_t *row)
{
    const json_t *others = json_object_get(row, "others");
    json_t       *out = json_array();

    if (!others) {
        json_decref(out);
        return json_incref(json_object_get(row, "seen"));
    }
    for (size_t i = 0; i < json_array_size(others) && i < OTHERS_MAX; i++)
        (void)json_array_append(out, json_array_get(others, i));
    return out;
}

static pl_rc state_it(registry_ctx *c, const filing *f, const json_t *row, const json_t *look, const char *what,
                      int64_t *index, pl_error *err)
{
    json_t *seen = seen_of(row);
    json_t *o = json_pack("{s:s%, s:O, s:s, s:O, s:O*, s:O, s:O, s:o}", "filing", f->row.id.p, f->row.id.n, "item",
                          json_object_get(row, "id"), "finding", what, "observed", json_object_get(row, "observed"),
                          json_is_array(seen) ? "others" : "seen", seen, "from", json_object_get(look, "from"), "to", json_object_get(look, "to"), "time",
                          registry_time(c->now_ms));
    pl_rc   rc = registry_state(c, "filing", f->row.id, PL_PREDICATE("filing-drift"), o, index, err);

    json_decref(seen);
    json_decref(o);
    return rc;
}

static pl_rc open_it(registry_ctx *c, const filing *f, const json_t *row, const json_t *look, pl_str item, pl_error *err)
{
    json_t       *seen = seen_of(row);
    char         *text = json_dumps(seen, JSON_COMPACT | JSON_ENCODE_ANY);
    drift_finding k = { .item = item, .seen = pl_str_z(text ? text : "null"), .opened_ms = c->now_ms };
    pl_rc         rc = state_it(c, f, row, look, "opened", &k.opened_index, err);

    if (rc == PL_OK)
        rc = drift_store_open(c->db, f->row.id, &k, err);
    if (rc == PL_OK)
        rc = registry_notice_put(c->db, &(registry_notice){ f->row.id, item, PL_STR("drift"), PL_STR("provider"),
                                                            PL_STR(""), c->now_ms }, err);
    free(text);
    json_decref(seen);
    return rc;
}

static pl_rc row_record(registry_ctx *c, const filing *f, const json_t *row, const json_t *look, pl_error *err)
{
    pl_str        item = pl_str_z(json_string_value(json_object_get(row, "id")));
    drift_finding k;
    pl_rc         rc = drift_store_find(c->db, c->a, f->row.id, item, &k, err);

    if (rc == PL_NOTFOUND)
        return is(row, "drift") ? open_it(c, f, row, look, item, err) : PL_OK;
    if (rc != PL_OK || !is(row, "match"))
        return rc;
    k.closed_ms = c->now_ms;
    rc = state_it(c, f, row, look, "closed", &k.closed_index, err);
    return rc == PL_OK ? drift_store_close(c->db, f->row.id, &k, err) : rc;
}

static pl_rc record(registry_ctx *c, const filing *f, const json_t *look, pl_error *err)
{
    const json_t *row;
    size_t        i;
    pl_rc         rc = registry_begin(c->db, err);

    if (rc != PL_OK)
        return rc;
    json_array_foreach(json_object_get(look, "rows"), i, row)
        if (rc == PL_OK)
            rc = row_record(c, f, row, look, err);
    return registry_finish(c->db, rc, err);
}

pl_rc drift_record(registry_ctx *c, pl_str id, int64_t days, json_t **out, pl_error *err)
{
    filing f;
    pl_rc  rc = filing_open(c, id, &f, err);

    if (rc == PL_OK && (f.row.origin.n > 0 || !f.row.is_public))
        rc = pl_fail(err, PL_CONFLICT, "findings are kept of filings that this installation made and that are in force");
    if (rc == PL_OK)
        rc = judge(c, &f, days, out, err);
    if (rc != PL_OK)
        return rc;
    rc = record(c, &f, *out, err);
    if (rc == PL_OK)
        return with_findings(c, id, out, err);
    json_decref(*out);
    *out = NULL;
    return rc;
}

/* --- by itself --------------------------------------------------------------------------------------- */

/* A filing that cannot be judged does not keep the others from it; the first reason is told. */
static pl_rc page_record(const registry_ctx *all, const json_t *ids, pl_error *err)
{
    const json_t *id;
    size_t        i;
    pl_rc         first = PL_OK;

    json_array_foreach((json_t *)(uintptr_t)ids, i, id) {
        registry_ctx c = *all;
        json_t      *out = NULL;
        pl_error     why = { 0 };
        pl_rc        rc;

        c.a = pl_arena_new(ONE_ARENA);
        rc = c.a ? drift_record(&c, pl_str_z(json_string_value(id)), DRIFT_DAYS_DEFAULT, &out, &why)
                 : pl_fail(&why, PL_NOMEM, "out of memory");
        json_decref(out);
        pl_arena_free(c.a);
        if (rc != PL_OK && rc != PL_CONFLICT && first == PL_OK)
            first = pl_fail(err, rc, "filing %s cannot be compared with what is observed: %.200s", json_string_value(id),
                            why.text);
    }
    return first;
}

pl_rc drift_tick(pl_services *s, pl_db *db, const registry_packs *p, int64_t now_ms, pl_error *err)
{
    static const pl_principal daemon = { .id = "daemon", .name = "daemon", .is_local = 1 };
    static int64_t            last_ms; /* of the daemon's one background thread */
    registry_ctx              c = { s, db, NULL, &daemon, now_ms, p };
    char                      after[PL_ID_LEN + 1] = "";
    pl_rc                     rc = PL_OK;

    if (now_ms - last_ms < HOUR_MS && now_ms >= last_ms)
        return PL_OK;
    last_ms = now_ms;
    for (int i = 0; i < PAGES_MAX && rc == PL_OK; i++) {
        json_t *ids = json_array();
        size_t  n;

        rc = drift_store_own(db, pl_str_z(after), PAGE, ids, err);
        n = json_array_size(ids);
        if (rc == PL_OK && n > 0) {
            (void)snprintf(after, sizeof after, "%s", json_string_value(json_array_get(ids, n - 1)));
            rc = page_record(&c, ids, err);
        }
        json_decref(ids);
        if (n < PAGE)
            break;
    }
    return rc;
}
