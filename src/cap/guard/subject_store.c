#include "base/banned.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "cap/guard/subject_store.h"

#define COLUMNS "last_ms, session_ms, window_ms, until_ms, stopped_ms, day, used_ms, requests, nights, strikes, sanction, reminders, flags"

/* Columns from `at` on, in the order of COLUMNS. */
static void row_read(pl_db_stmt *q, int at, subject_state *s)
{
    s->last_ms = pl_db_int(q, at + 0);
    s->session_ms = pl_db_int(q, at + 1);
    s->window_ms = pl_db_int(q, at + 2);
    s->until_ms = pl_db_int(q, at + 3);
    s->stopped_ms = pl_db_int(q, at + 4);
    s->day = pl_db_int(q, at + 5);
    s->used_ms = pl_db_int(q, at + 6);
    s->requests = (uint32_t)pl_db_int(q, at + 7);
    s->nights = (uint32_t)pl_db_int(q, at + 8);
    s->strikes = (uint32_t)pl_db_int(q, at + 9);
    s->sanction = (uint32_t)pl_db_int(q, at + 10);
    s->reminders = (uint32_t)pl_db_int(q, at + 11);
    s->flags = (uint32_t)pl_db_int(q, at + 12);
}

pl_rc subject_load(pl_db *db, const uint8_t key[PL_SUBJECT_KEY], subject_state *out, pl_error *err)
{
    pl_db_stmt *q;
    pl_rc       rc = pl_db_prepare(db, "UPDATE guard_subject SET changed_ms = changed_ms WHERE key = $1", &q, err);

    *out = (subject_state){ 0 };
    if (rc != PL_OK)
        return rc;
    pl_db_bind_blob(q, 1, key, PL_SUBJECT_KEY);
    rc = pl_db_run(q, NULL, err); /* holds the row */
    if (rc == PL_OK)
        rc = pl_db_prepare(db, "SELECT " COLUMNS " FROM guard_subject WHERE key = $1", &q, err);
    if (rc != PL_OK)
        return rc;
    pl_db_bind_blob(q, 1, key, PL_SUBJECT_KEY);
    rc = pl_db_step(q, err);
    if (rc == PL_OK)
        row_read(q, 0, out);
    pl_db_done(q);
    return rc;
}

pl_rc subject_save(pl_db *db, const uint8_t key[PL_SUBJECT_KEY], const subject_state *s, int64_t now_ms,
                   pl_error *err)
{
    const int64_t v[] = { s->last_ms, s->session_ms, s->window_ms, s->until_ms, s->stopped_ms, s->day, s->used_ms, s->requests, s->nights, s->strikes, s->sanction, s->reminders, s->flags };
    pl_db_stmt   *q;
    pl_rc         rc = pl_db_prepare(db, "INSERT INTO guard_subject (key, changed_ms, " COLUMNS ") VALUES "
                                     "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) "
                                     "ON CONFLICT (key) DO UPDATE SET changed_ms = excluded.changed_ms, "
                                     "last_ms = excluded.last_ms, session_ms = excluded.session_ms, "
                                     "window_ms = excluded.window_ms, until_ms = excluded.until_ms, "
                                     "stopped_ms = excluded.stopped_ms, day = excluded.day, "
                                     "used_ms = excluded.used_ms, requests = excluded.requests, "
                                     "nights = excluded.nights, strikes = excluded.strikes, "
                                     "sanction = excluded.sanction, reminders = excluded.reminders, "
                                     "flags = excluded.flags", &q, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_blob(q, 1, key, PL_SUBJECT_KEY);
    pl_db_bind_int(q, 2, now_ms);
    for (size_t i = 0; i < sizeof v / sizeof v[0]; i++)
        pl_db_bind_int(q, (int)i + 3, v[i]);
    return pl_db_run(q, NULL, err);
}

/* Ends q. */
static pl_rc each(pl_db_stmt *q, subject_fn fn, void *ctx, pl_error *err)
{
    pl_rc rc;

    while ((rc = pl_db_step(q, err)) == PL_OK) {
        pl_str        blob = pl_db_blob(q, 0);
        uint8_t       key[PL_SUBJECT_KEY];
        subject_state s;

        if (blob.n != sizeof key)
            continue;
        memcpy(key, blob.p, sizeof key);
        row_read(q, 1, &s);
        fn(ctx, key, &s);
    }
    pl_db_done(q);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

pl_rc subject_each_changed(pl_db *db, int64_t since_ms, subject_fn fn, void *ctx, pl_error *err)
{
    pl_db_stmt *q;
    pl_rc rc = pl_db_prepare(db, "SELECT key, " COLUMNS " FROM guard_subject WHERE changed_ms >= $1 "
                             "ORDER BY changed_ms", &q, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(q, 1, since_ms);
    return each(q, fn, ctx, err);
}

pl_rc subject_each_recent(pl_db *db, int64_t n, subject_fn fn, void *ctx, pl_error *err)
{
    pl_db_stmt *q;
    pl_rc rc = pl_db_prepare(db, "SELECT key, " COLUMNS " FROM (SELECT * FROM guard_subject "
                             "ORDER BY last_ms DESC LIMIT $1) AS recent ORDER BY last_ms", &q, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(q, 1, n);
    return each(q, fn, ctx, err);
}

pl_rc subject_each_held(pl_db *db, int64_t now_ms, int64_t n, subject_fn fn, void *ctx, pl_error *err)
{
    pl_db_stmt *q;
    pl_rc rc = pl_db_prepare(db, "SELECT key, " COLUMNS " FROM guard_subject "
                             "WHERE (sanction <> 0 AND until_ms > $1) OR stopped_ms > 0 "
                             "ORDER BY last_ms DESC LIMIT $2", &q, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(q, 1, now_ms);
    pl_db_bind_int(q, 2, n);
    return each(q, fn, ctx, err);
}

pl_rc subject_expire(pl_db *db, int64_t before_ms, int64_t now_ms, pl_error *err)
{
    pl_db_stmt *q;
    pl_rc rc = pl_db_prepare(db, "DELETE FROM guard_subject WHERE last_ms < $1 AND "
                             "(sanction = 0 OR until_ms <= $2)", &q, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(q, 1, before_ms);
    pl_db_bind_int(q, 2, now_ms);
    rc = pl_db_run(q, NULL, err);
    if (rc == PL_OK)
        rc = pl_db_prepare(db, "DELETE FROM guard_signal WHERE time_ms < $1 AND closed_ms IS NOT NULL", &q, err);
    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(q, 1, before_ms);
    return pl_db_run(q, NULL, err);
}

/* --- signals ---------------------------------------------------------------------------------- */

pl_rc signal_put(pl_db *db, const char *id, int64_t now_ms, const uint8_t key[PL_SUBJECT_KEY],
                 const char *kind, const char *detail, pl_error *err)
{
    pl_db_stmt *q;
    pl_rc rc = pl_db_prepare(db, "INSERT INTO guard_signal (id, time_ms, subject, kind, detail) "
                             "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING", &q, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(q, 1, pl_str_z(id));
    pl_db_bind_int(q, 2, now_ms);
    pl_db_bind_blob(q, 3, key, PL_SUBJECT_KEY);
    pl_db_bind_str(q, 4, pl_str_z(kind));
    pl_db_bind_str(q, 5, pl_str_z(detail));
    return pl_db_run(q, NULL, err);
}

static json_t *signal_row(pl_db_stmt *q)
{
    pl_str id = pl_db_str(q, 0), kind = pl_db_str(q, 3), detail = pl_db_str(q, 4), key = pl_db_blob(q, 2);
    char   time[25], closed[25], hex[2 * PL_SUBJECT_KEY + 1] = "";
    bool   is_closed = !pl_db_is_null(q, 5);
    pl_str note = is_closed ? pl_db_str(q, 6) : (pl_str){ "", 0 };

    pl_time_format(pl_db_int(q, 1), time);
    if (key.n == PL_SUBJECT_KEY)
        pl_hex((const uint8_t *)key.p, PL_SUBJECT_KEY, hex);
    if (is_closed)
        pl_time_format(pl_db_int(q, 5), closed);
    return json_pack("{s:s%, s:s, s:s, s:s%, s:s%, s:s?, s:s%}", "id", id.p, id.n, "time", time, "subject",
                     hex, "kind", kind.p, kind.n, "detail", detail.p, detail.n, "closed",
                     is_closed ? closed : NULL, "note", note.p, note.n);
}

pl_rc signal_list(pl_db *db, bool only_open, pl_str before, int64_t limit, json_t **out, pl_error *err)
{
    pl_db_stmt *q;
    json_t     *list;
    pl_rc rc = pl_db_prepare(db, "SELECT id, time_ms, subject, kind, detail, closed_ms, note FROM guard_signal "
                             "WHERE id < $1 AND ($2 = 0 OR closed_ms IS NULL) ORDER BY id DESC LIMIT $3", &q, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(q, 1, before.n ? before : PL_STR("zzzzzzzzzzzzzzzzzzzzzzzzzzz"));
    pl_db_bind_int(q, 2, only_open);
    pl_db_bind_int(q, 3, limit);
    list = json_array();
    while ((rc = pl_db_step(q, err)) == PL_OK)
        json_array_append_new(list, signal_row(q));
    pl_db_done(q);
    if (rc != PL_NOTFOUND) {
        json_decref(list);
        return rc;
    }
    *out = list;
    return PL_OK;
}

pl_rc signal_close(pl_db *db, pl_str id, int64_t now_ms, const char *by, pl_str note, pl_error *err)
{
    pl_db_stmt *q;
    int64_t     changed = 0;
    pl_rc rc = pl_db_prepare(db, "UPDATE guard_signal SET closed_ms = $1, closed_by = $2, note = $3 "
                             "WHERE id = $4 AND closed_ms IS NULL", &q, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(q, 1, now_ms);
    pl_db_bind_str(q, 2, pl_str_z(by));
    pl_db_bind_str(q, 3, note);
    pl_db_bind_str(q, 4, id);
    rc = pl_db_run(q, &changed, err);
    if (rc != PL_OK || changed)
        return rc;
    rc = pl_db_prepare(db, "SELECT 1 FROM guard_signal WHERE id = $1", &q, err);
    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(q, 1, id);
    rc = pl_db_step(q, err);
    pl_db_done(q);
    return rc == PL_OK ? pl_fail(err, PL_CONFLICT, "this signal is closed already")
           : rc == PL_NOTFOUND ? pl_fail(err, PL_NOTFOUND, "there is no such signal") : rc;
}
