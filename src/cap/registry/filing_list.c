/* Filings that an authority published as a list: taken as they are, without steps of ours. One statement
 * covers a request; it binds the rows, and every filing's history leads to it. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/timefmt.h"
#include "cap/ledger/pl_ledger.h"
#include "cap/registry/registry_int.h"

#define ROWS_MAX 500

typedef struct list {
    registry_ctx        *c;
    const registry_flow *flow;
    pl_str               source;
    int64_t              index; /* of the statement */
    char                 snapshot[65];
    registry_changes     changes;
    size_t               taken, known;
} list;

static bool is_month(pl_str s)
{
    return s.n == 7 && s.p[4] == '-' && strspn(s.p, "0123456789") == 4 && strspn(s.p + 5, "0123456789") == 2;
}

typedef struct list_row {
    pl_str        number, month, state;
    const json_t *values;
} list_row;

static pl_rc row_read(const list *l, const json_t *o, list_row *r, pl_error *err)
{
    static const char *const allowed[] = { "number", "month", "state", "values", NULL };
    const pl_flow_state     *s;
    pl_rc                    rc = pl_json_only(o, allowed, err);

    *r = (list_row){ .number = PL_STR(""), .month = PL_STR(""), .state = PL_STR(""),
                     .values = json_object_get(o, "values") };
    if (rc == PL_OK)
        rc = pl_json_get_str(o, "number", true, &r->number, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(o, "month", true, &r->month, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(o, "state", true, &r->state, err);
    s = pl_flow_state_find(l->flow->w, r->state);
    if (rc == PL_OK && (s == NULL || !s->is_public))
        rc = pl_fail(err, PL_INVALID, "state '%.40s' is none that the register shows", r->state.p);
    if (rc == PL_OK && (r->number.n == 0 || r->number.n > 200 || !is_month(r->month) || !json_is_object(r->values)))
        rc = pl_fail(err, PL_INVALID, "a row needs 'number', 'month' (YYYY-MM) and 'values'");
    return rc;
}

/* Nothing is written before all rows are known to be good. */
static pl_rc rows_check(const list *l, const json_t *rows, pl_error *err)
{
    const json_t *one;
    size_t        i;
    pl_error      why = { 0 };

    if (json_array_size(rows) == 0 || json_array_size(rows) > ROWS_MAX)
        return pl_fail(err, PL_INVALID, "'rows' must be a list of 1 to %d", ROWS_MAX);
    json_array_foreach((json_t *)(uintptr_t)rows, i, one) {
        filing   f = { .flow = l->flow };
        list_row r;
        pl_rc    rc = row_read(l, one, &r, &why);

        if (rc == PL_OK)
            rc = filing_values_check(&f, r.values, &why);
        if (rc != PL_OK)
            return pl_fail(err, rc, "row %zu: %.230s", i + 1, why.text);
    }
    return PL_OK;
}

static pl_rc list_state(list *l, const json_t *rows, pl_error *err)
{
    char    *text = pl_json_dump(rows), id[80];
    size_t   n = text ? strlen(text) : 0;
    json_t  *o;
    pl_rc    rc = text ? registry_payload_put(l->c, pl_str_z(text), l->snapshot, err)
                       : pl_fail(err, PL_NOMEM, "out of memory");

    free(text);
    if (rc != PL_OK)
        return rc;
    (void)snprintf(id, sizeof id, "list-%.32s", l->snapshot);
    o = json_pack("{s:s, s:s%, s:s, s:s%, s:s, s:s%, s:s, s:I, s:s%, s:s, s:o}", "filing", id, "kind", l->flow->w->kind.p,
                  l->flow->w->kind.n, "action", "imported", "jurisdiction", l->flow->w->jurisdiction.p,
                  l->flow->w->jurisdiction.n, "pack", l->flow->pack, "workflow", l->flow->w->id.p, l->flow->w->id.n,
                  "payload_sha256", l->snapshot, "payload_bytes", (json_int_t)n, "origin", l->source.p, l->source.n, "by",
                  l->c->who->id, "time", registry_time(l->c->now_ms));
    rc = registry_state(l->c, "filing", pl_str_z(id), PL_PREDICATE("filing"), o, &l->index, err);
    json_decref(o);
    return rc;
}

static pl_rc filing_write(list *l, filing *f, pl_error *err)
{
    registry_event e = { .n = 1, .step = PL_STR("import"), .from = PL_STR(""), .to = f->row.state, .note = l->source,
                         .by_id = pl_str_z(l->c->who->id), .snapshot = pl_str_z(l->snapshot),
                         .ledger_index = l->index, .time_ms = l->c->now_ms };
    pl_rc          rc = registry_count(l->c->db, "seq", &f->row.seq, err);

    if (rc == PL_OK)
        rc = filing_derive(l->c, f, err);
    if (rc == PL_OK)
        rc = filing_store_add(l->c->db, &f->row, err);
    if (rc == PL_OK)
        rc = filing_index(l->c->db, NULL, &f->row, &l->changes, err);
    return rc == PL_OK ? event_store_add(l->c->db, f->row.id, &e, err) : rc;
}

/* A number that is known already is the same filing in another list. */
static pl_rc row_take(list *l, const json_t *o, pl_error *err)
{
    registry_ctx *c = l->c;
    list_row      r;
    filing        f = { .flow = l->flow };
    char          id[PL_ID_LEN + 1], *text;
    pl_rc         rc = row_read(l, o, &r, err);

    if (rc == PL_OK && number_store_has(c->db, r.number)) {
        l->known++;
        return PL_OK;
    }
    if (rc == PL_OK)
        rc = registry_new_id(c->now_ms, id, err);
    text = pl_json_dump(r.values);
    if (rc == PL_OK && (text == NULL || pl_arena_defer(c->a, free, text) != PL_OK))
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    if (rc != PL_OK)
        return rc;
    f.values = (json_t *)(uintptr_t)r.values;
    f.row = (registry_filing){ .id = { pl_arena_dup(c->a, pl_str_z(id)), PL_ID_LEN }, .workflow = l->flow->w->id,
                               .pack = pl_str_z(l->flow->pack), .state = r.state, .version = 1, .month = r.month,
                               .number = r.number, .is_public = true, .vote_round = 1, .origin = l->source,
                               .owner = pl_str_z(c->who->id), .published_data = pl_str_z(text),
                               .actors = PL_STR("{}"), .created_ms = c->now_ms, .changed_ms = c->now_ms };
    if (f.row.id.p == NULL)
        return pl_fail(err, PL_LIMIT, "out of memory for this request");
    rc = number_store_add(c->db, r.number, f.row.id, c->now_ms, err);
    l->taken += rc == PL_OK;
    return rc == PL_OK ? filing_write(l, &f, err) : rc;
}

static pl_rc rows_take(list *l, const json_t *rows, pl_error *err)
{
    const json_t *one;
    size_t        i;
    pl_rc         rc = list_state(l, rows, err);

    if (rc == PL_OK)
        json_array_foreach((json_t *)(uintptr_t)rows, i, one) {
            rc = row_take(l, one, err);
            if (rc != PL_OK)
                break;
        }
    return rc == PL_OK ? registry_changes_apply(&l->changes, l->c->db, err) : rc;
}

pl_rc filing_list_take(registry_ctx *c, pl_str workflow, pl_str source, const json_t *rows, json_t **out, pl_error *err)
{
    list  l = { .c = c, .flow = registry_flow_find(c->packs, workflow, PL_STR("")), .source = source };
    pl_rc rc;

    if (l.flow == NULL)
        return pl_fail(err, PL_INVALID, "there is no workflow '%.60s'", workflow.p);
    if (source.n == 0 || source.n > 250)
        return pl_fail(err, PL_INVALID, "'source' must say where the list is from, in at most 250 bytes");
    rc = rows_check(&l, rows, err);
    if (rc == PL_OK)
        rc = registry_begin(c->db, err);
    if (rc == PL_OK)
        rc = registry_finish(c->db, rows_take(&l, rows, err), err);
    registry_changes_done(&l.changes);
    if (rc != PL_OK)
        return rc;
    *out = json_pack("{s:I, s:I, s:I}", "taken", (json_int_t)l.taken, "known", (json_int_t)l.known, "ledger_index",
                     (json_int_t)l.index);
    return *out ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}
