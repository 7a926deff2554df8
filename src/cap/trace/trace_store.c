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

pl_rc pl_trace_index_find(pl_db *db, pl_arena *a, const uint8_t key[32], trace_hit *out, size_t max,
                          size_t *count, pl_error *err)
{
    pl_db_stmt *s = NULL;
    size_t      n = 0;
    pl_rc       rc = pl_db_prepare(db,
                                   "SELECT event_id, output FROM trace_index WHERE index_key = $1"
                                         " ORDER BY event_id DESC, output LIMIT $2",
                                   &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_blob(s, 1, key, 32);
    pl_db_bind_int(s, 2, (int64_t)max);
    while (n < max && (rc = pl_db_step(s, err)) == PL_OK) {
        rc = copy_str(a, pl_db_str(s, 0), &out[n].event_id, err);
        if (rc != PL_OK)
            break;
        out[n++].output = pl_db_int(s, 1);
    }
    pl_db_done(s);
    if (rc != PL_OK && rc != PL_NOTFOUND)
        return rc;
    *count = n;
    return PL_OK;
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

pl_rc pl_trace_label_list(pl_db *db, pl_arena *a, pl_str *out, size_t max, size_t *count,
                          pl_error *err)
{
    pl_db_stmt *s = NULL;
    size_t      n = 0;
    pl_rc       rc = pl_db_prepare(
        db, "SELECT label FROM trace_label ORDER BY length(label) DESC, label LIMIT $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, (int64_t)max);
    while (n < max && (rc = pl_db_step(s, err)) == PL_OK) {
        rc = copy_str(a, pl_db_str(s, 0), &out[n], err);
        if (rc != PL_OK)
            break;
        n++;
    }
    pl_db_done(s);
    if (rc != PL_OK && rc != PL_NOTFOUND)
        return rc;
    *count = n;
    return PL_OK;
}
