/* The index of entries: every statement of SQL of this capability. */
#include "base/banned.h"

#include "cap/ledger/ledger_query.h"

extern const unsigned char pl_ledger_sql[];

const pl_migration pl_ledger_migrations[] = {
    { 1, (const char *)pl_ledger_sql },
    { 0, NULL },
};

pl_rc pl_ledger_store_mark_get(pl_db *db, uint64_t *size, pl_hash *root, pl_error *err)
{
    pl_db_stmt *s = NULL;
    pl_rc rc = pl_db_prepare(db, "SELECT size, root FROM ledger_indexed WHERE one = 1", &s, err);

    if (rc != PL_OK)
        return rc;
    rc = pl_db_step(s, err);
    if (rc == PL_OK && pl_db_blob(s, 1).n != sizeof(root->b))
        rc = pl_fail(err, PL_INVALID, "index of the ledger has a malformed root");
    if (rc == PL_OK) {
        *size = (uint64_t)pl_db_int(s, 0);
        memcpy(root->b, pl_db_blob(s, 1).p, sizeof(root->b));
    }
    pl_db_done(s);
    return rc;
}

pl_rc pl_ledger_store_mark_put(pl_db *db, uint64_t size, const pl_hash *root, pl_error *err)
{
    pl_db_stmt *s = NULL;
    pl_rc       rc = pl_db_prepare(db,
                                   "INSERT INTO ledger_indexed (one, size, root) VALUES (1, $1, $2)"
                                         " ON CONFLICT (one) DO UPDATE SET size = $1, root = $2",
                                   &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, (int64_t)size);
    pl_db_bind_blob(s, 2, root->b, sizeof(root->b));
    return pl_db_run(s, NULL, err);
}

pl_rc pl_ledger_store_put(pl_db *db, const ledger_row *row, size_t nth, pl_error *err)
{
    pl_db_stmt *s = NULL;
    pl_rc       rc = pl_db_prepare(db,
                                   "INSERT INTO ledger_entry (idx, nth, subject, type, time_ms)"
                                         " VALUES ($1, $2, $3, $4, $5)",
                                   &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, (int64_t)row->index);
    pl_db_bind_int(s, 2, (int64_t)nth);
    pl_db_bind_str(s, 3, row->subject);
    pl_db_bind_str(s, 4, row->type);
    pl_db_bind_int(s, 5, row->time_ms);
    return pl_db_run(s, NULL, err);
}

pl_rc pl_ledger_store_clear(pl_db *db, pl_error *err)
{
    return pl_db_exec(db, "DELETE FROM ledger_entry; DELETE FROM ledger_indexed", err);
}

/* The filters that have an index of their own; the other, and the time, are looked at row by
 * row in order of the index. */
static pl_rc find_prepare(pl_db *db, const ledger_query *q, pl_db_stmt **s, pl_error *err)
{
#define COLUMNS "SELECT idx, subject, type, time_ms FROM ledger_entry WHERE idx > $1" \
                " AND time_ms >= $2 AND time_ms <= $3"
#define ORDER   " ORDER BY idx, nth LIMIT $4"
    const char *sql = COLUMNS " AND nth = 0" ORDER;

    if (q->subject.n > 0 && q->type[0] != '\0')
        sql = COLUMNS " AND subject = $5 AND type = $6" ORDER;
    else if (q->subject.n > 0)
        sql = COLUMNS " AND subject = $5" ORDER;
    else if (q->type[0] != '\0')
        sql = COLUMNS " AND nth = 0 AND type = $5" ORDER;
#undef COLUMNS
#undef ORDER
    return pl_db_prepare(db, sql, s, err);
}

static void find_bind(pl_db_stmt *s, const ledger_query *q)
{
    int n = 5;

    pl_db_bind_int(s, 1, q->after);
    pl_db_bind_int(s, 2, q->from_ms);
    pl_db_bind_int(s, 3, q->to_ms);
    pl_db_bind_int(s, 4, (int64_t)q->limit);
    if (q->subject.n > 0)
        pl_db_bind_str(s, n++, q->subject);
    if (q->type[0] != '\0')
        pl_db_bind_str(s, n, (pl_str){ q->type, strlen(q->type) });
}

typedef struct finding {
    pl_arena   *arena;
    ledger_row *rows;
} finding;

static pl_rc row_take(void *ctx, size_t nth, pl_db_stmt *s, pl_error *err)
{
    const finding *f = ctx;
    char *subject = pl_arena_dup(f->arena, pl_db_str(s, 1));
    char *type = pl_arena_dup(f->arena, pl_db_str(s, 2));

    if (subject == NULL || type == NULL)
        return pl_fail(err, PL_LIMIT, "result is too large");
    f->rows[nth] = (ledger_row){ .index = (uint64_t)pl_db_int(s, 0),
                                 .subject = { subject, pl_db_str(s, 1).n },
                                 .type = { type, pl_db_str(s, 2).n },
                                 .time_ms = pl_db_int(s, 3) };
    return PL_OK;
}

pl_rc pl_ledger_store_find(pl_db *db, pl_arena *a, const ledger_query *q, ledger_row *rows,
                           size_t *count, pl_error *err)
{
    finding     f = { a, rows };
    pl_db_stmt *s = NULL;
    pl_rc       rc = find_prepare(db, q, &s, err);

    if (rc != PL_OK)
        return rc;
    find_bind(s, q);
    return pl_db_rows(s, q->limit, row_take, &f, count, err);
}
