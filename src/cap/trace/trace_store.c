#include "base/banned.h"

#include "cap/trace/trace_int.h"

extern const unsigned char pl_trace_sql[];

const pl_migration pl_trace_migrations[] = {
    { 1, (const char *)pl_trace_sql },
    { 0, NULL },
};

pl_rc pl_trace_index_put(pl_db *db, const uint8_t key[32], pl_str event_id, int64_t output,
                         pl_error *err)
{
    pl_db_stmt *s = NULL;
    pl_rc       rc = pl_db_prepare(db,
                                   "INSERT INTO trace_index (index_key, event_id, output)"
                                         " VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                                   &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_blob(s, 1, key, 32);
    pl_db_bind_str(s, 2, event_id);
    pl_db_bind_int(s, 3, output);
    return pl_db_run(s, NULL, err);
}

static pl_rc copy_str(pl_arena *a, pl_str from, pl_str *out, pl_error *err)
{
    char *p = pl_arena_dup(a, from);

    if (!p)
        return pl_fail(err, PL_LIMIT, "result is too large");
    *out = (pl_str){ p, from.n };
    return PL_OK;
}

typedef struct finding {
    pl_arena  *arena;
    trace_hit *hits;   /* of pl_trace_index_find  */
    pl_str    *labels; /* of pl_trace_label_list  */
} finding;

static pl_rc hit_take(void *ctx, size_t nth, pl_db_stmt *s, pl_error *err)
{
    const finding *f = ctx;

    f->hits[nth].output = pl_db_int(s, 1);
    return copy_str(f->arena, pl_db_str(s, 0), &f->hits[nth].event_id, err);
}

pl_rc pl_trace_index_find(pl_db *db, pl_arena *a, const uint8_t key[32], trace_hit *out, size_t max,
                          size_t *count, pl_error *err)
{
    finding     f = { .arena = a, .hits = out };
    pl_db_stmt *s = NULL;
    pl_rc       rc = pl_db_prepare(db,
                                   "SELECT event_id, output FROM trace_index WHERE index_key = $1"
                                         " ORDER BY event_id DESC, output LIMIT $2",
                                   &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_blob(s, 1, key, 32);
    pl_db_bind_int(s, 2, (int64_t)max);
    return pl_db_rows(s, max, hit_take, &f, count, err);
}

pl_rc pl_trace_index_drop(pl_db *db, pl_str before_id, int64_t *dropped, pl_error *err)
{
    pl_db_stmt *s = NULL;
    pl_rc rc = pl_db_prepare(db, "DELETE FROM trace_index WHERE event_id < $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, before_id);
    return pl_db_run(s, dropped, err);
}

pl_rc pl_trace_label_put(pl_db *db, pl_str label, pl_error *err)
{
    pl_db_stmt *s = NULL;
    pl_rc       rc = pl_db_prepare(
        db, "INSERT INTO trace_label (label) VALUES ($1) ON CONFLICT DO NOTHING", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, label);
    return pl_db_run(s, NULL, err);
}

static pl_rc label_take(void *ctx, size_t nth, pl_db_stmt *s, pl_error *err)
{
    const finding *f = ctx;

    return copy_str(f->arena, pl_db_str(s, 0), &f->labels[nth], err);
}

pl_rc pl_trace_label_list(pl_db *db, pl_arena *a, pl_str *out, size_t max, size_t *count,
                          pl_error *err)
{
    finding     f = { .arena = a, .labels = out };
    pl_db_stmt *s = NULL;
    pl_rc       rc = pl_db_prepare(
        db, "SELECT label FROM trace_label ORDER BY length(label) DESC, label LIMIT $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, (int64_t)max);
    return pl_db_rows(s, max, label_take, &f, count, err);
}
