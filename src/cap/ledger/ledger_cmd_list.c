/* plumbline ledger list, export: entries by subject, kind, time and place, read from the
 * published files alone. */
#include "base/banned.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "cap/ledger/ledger_query.h"

typedef struct listing {
    pl_cmd_ctx  *c;
    ledger_query q;
    bool         is_export;
    size_t       found;
    uint64_t     last; /* index of the entry shown last, plus one */
} listing;

static pl_rc question(pl_cmd_ctx *c, ledger_query *q, pl_error *err)
{
    const char *type = c->opt(c->host, "type"), *from = c->opt(c->host, "from");
    const char *to = c->opt(c->host, "to"), *after = c->opt(c->host, "after");
    const char *limit = c->opt(c->host, "limit");
    uint64_t    n = 0;
    pl_rc       rc = PL_OK;

    *q = LEDGER_QUERY_ALL;
    q->limit = SIZE_MAX;
    q->subject = pl_str_z(c->opt(c->host, "subject"));
    if (type != NULL)
        rc = pl_ledger_query_type(q, pl_str_z(type), err);
    if (rc == PL_OK && from != NULL)
        rc = pl_ledger_query_time(pl_str_z(from), false, &q->from_ms, err);
    if (rc == PL_OK && to != NULL)
        rc = pl_ledger_query_time(pl_str_z(to), true, &q->to_ms, err);
    if (rc == PL_OK && after != NULL) {
        rc = pl_str_u64(pl_str_z(after), &n, err);
        q->after = n < INT64_MAX ? (int64_t)n : INT64_MAX - 1;
    }
    if (rc == PL_OK && limit != NULL) {
        rc = pl_str_u64(pl_str_z(limit), &n, err);
        q->limit = (size_t)n;
    }
    return rc;
}

static bool matches(const ledger_query *q, const ledger_row *row)
{
    return (q->subject.n == 0 || pl_str_eq(q->subject, row->subject)) &&
           (q->type[0] == '\0' || pl_str_eqz(row->type, q->type)) && row->time_ms >= q->from_ms &&
           row->time_ms <= q->to_ms;
}

static json_t *row_json(const listing *x, const ledger_row *row, pl_str entry,
                        const json_t *statement)
{
    pl_buf  b = PL_BUF_INIT(2 * PL_LOG_ENTRY_MAX);
    char    time[25] = "";
    json_t *j;

    if (row->time_ms > 0)
        pl_time_format(row->time_ms, time);
    j = json_pack("{s:I, s:s%, s:s%, s:s?}", "index", (json_int_t)row->index, "subject",
                  row->subject.p, row->subject.n, "type", row->type.p, row->type.n, "time",
                  time[0] ? time : NULL);
    if (x->is_export && j != NULL) {
        pl_hash leaf = pl_merkle_leaf(entry);

        pl_buf_base64(&b, entry.p, entry.n);
        (void)json_object_set_new(j, "leaf", pl_hash_json(&leaf));
        (void)json_object_set(j, "statement",
                              statement ? (json_t *)(uintptr_t)statement : json_null());
        (void)json_object_set_new(j, "entry", json_string(b.p));
    }
    pl_buf_done(&b);
    return j;
}

static void row_print(const listing *x, const ledger_row *row)
{
    const pl_str base = PL_STR(PL_PREDICATE_BASE);
    pl_str       type = row->type;
    char         time[25] = "-";

    if (row->time_ms > 0)
        pl_time_format(row->time_ms, time);
    if (pl_str_starts(type, base) && pl_str_ends(type, PL_STR("/v1")))
        type = (pl_str){ type.p + base.n, type.n - base.n - 3 };
    (void)fprintf(x->c->out, "%8llu  %-24s  %-24.*s  " PL_STR_FMT "\n",
                  (unsigned long long)row->index, time, (int)type.n, type.p,
                  PL_STR_ARG(row->subject));
}

/* Without a subject to look for, an entry with several is shown once. */
static pl_rc row_show(void *ctx, const ledger_row *row, pl_str entry, const json_t *statement,
                      pl_error *err)
{
    listing *x = ctx;

    (void)err;
    if (!matches(&x->q, row) || x->last == row->index + 1 || x->found == x->q.limit)
        return PL_OK;
    x->last = row->index + 1;
    x->found++;
    if (x->c->json || x->is_export)
        (void)pl_ledger_cmd_json(x->c, row_json(x, row, entry, statement), PL_EXIT_OK);
    else
        row_print(x, row);
    return PL_OK;
}

static pl_rc entry_show(void *ctx, uint64_t index, pl_str entry, pl_error *err)
{
    listing *x = ctx;

    if (x->found == x->q.limit)
        return PL_NOTFOUND; /* enough: ends the reading */
    return pl_ledger_entry_rows(index, entry, row_show, x, err);
}

static int list(pl_cmd_ctx *c, bool is_export)
{
    listing       x = { .c = c, .is_export = is_export };
    cmd_log       log = { .dir = NULL };
    pl_ledger    *l = NULL;
    pl_checkpoint head;
    pl_error      err = { PL_OK, "" };
    pl_rc         rc = question(c, &x.q, &err);
    int           code = PL_EXIT_OK;

    if (rc == PL_OK)
        rc = pl_ledger_log_find(c, &log, &err);
    if (rc == PL_OK)
        rc = pl_ledger_open_reader(log.dir, &l, &err);
    if (rc == PL_OK)
        rc = pl_ledger_head(l, &head, &err);
    if (rc == PL_OK && (uint64_t)(x.q.after + 1) < head.size && x.q.limit > 0) {
        rc = pl_ledger_entries_each(log.dir, head.size, (uint64_t)(x.q.after + 1), head.size,
                                    entry_show, &x, &err);
        if (rc == PL_NOTFOUND && x.found == x.q.limit)
            rc = PL_OK;
    }
    if (rc != PL_OK)
        code = pl_cmd_fail(c, &err);
    pl_ledger_close(l);
    pl_ledger_log_done(&log);
    return code;
}

int pl_ledger_cmd_list(pl_cmd_ctx *c)
{
    return list(c, false);
}

int pl_ledger_cmd_export(pl_cmd_ctx *c)
{
    return list(c, true);
}
