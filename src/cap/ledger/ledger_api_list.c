/* GET /api/v1/ledger/entries: by subject, kind, time and place, in pages. */
#include "base/banned.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "cap/ledger/ledger_query.h"

#define LIMIT_USUAL 50

static pl_rc question(pl_api_request *q, ledger_query *out, pl_error *err)
{
    const char *type = q->query(q->host, "type"), *from = q->query(q->host, "from");
    const char *to = q->query(q->host, "to");
    int64_t     limit = LIMIT_USUAL;
    pl_rc       rc = pl_api_query_int(q, "limit", LIMIT_USUAL, 1, LEDGER_LIMIT_MAX, &limit, err);

    *out = LEDGER_QUERY_ALL;
    out->subject = pl_str_z(q->query(q->host, "subject"));
    if (rc == PL_OK)
        rc = pl_api_query_int(q, "after", -1, -1, INT64_MAX, &out->after, err);
    if (rc == PL_OK && type != NULL && *type != '\0')
        rc = pl_ledger_query_type(out, pl_str_z(type), err);
    if (rc == PL_OK && from != NULL && *from != '\0')
        rc = pl_ledger_query_time(pl_str_z(from), false, &out->from_ms, err);
    if (rc == PL_OK && to != NULL && *to != '\0')
        rc = pl_ledger_query_time(pl_str_z(to), true, &out->to_ms, err);
    out->limit = (size_t)limit + 1; /* one more tells whether there is a next page */
    return rc == PL_LIMIT ? PL_INVALID : rc;
}

static json_t *row_json(const ledger_row *row)
{
    char time[25] = "";

    if (row->time_ms > 0)
        pl_time_format(row->time_ms, time);
    return json_pack("{s:I, s:s%, s:s%, s:s?}", "index", (json_int_t)row->index, "subject",
                     row->subject.p, row->subject.n, "type", row->type.p, row->type.n, "time",
                     time[0] ? time : NULL);
}

pl_rc pl_ledger_api_entries(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    ledger_query ask;
    ledger_row  *rows;
    size_t       n = 0, shown;
    uint64_t     size = 0;
    pl_hash      root;
    json_t      *list;
    pl_rc        rc = question(q, &ask, err);

    if (rc != PL_OK)
        return rc;
    rows = pl_arena_alloc(q->arena, ask.limit * sizeof(*rows));
    if (rows == NULL)
        return pl_fail(err, PL_LIMIT, "result is too large");
    rc = pl_ledger_store_find(q->db, q->arena, &ask, rows, &n, err);
    if (rc == PL_OK)
        rc = pl_ledger_store_mark_get(q->db, &size, &root, err);
    if (rc != PL_OK && rc != PL_NOTFOUND)
        return rc;
    shown = n < ask.limit ? n : ask.limit - 1;
    list = json_array();
    for (size_t i = 0; i < shown; i++)
        (void)json_array_append_new(list, row_json(&rows[i]));
    r->body = json_pack("{s:o, s:o, s:I}", "entries", list, "next",
                        n > shown ? json_integer((json_int_t)rows[shown - 1].index) : json_null(),
                        "indexed", (json_int_t)size);
    return r->body != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}
