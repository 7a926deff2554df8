#include "base/banned.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "cap/guard/guard_store.h"

/* --- slots ---------------------------------------------------------------------------- */

pl_rc guard_slot_last(pl_db *db, const uint8_t ring_id[16], uint64_t *seq, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "SELECT last_seq FROM guard_slot WHERE ring_id = $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_blob(s, 1, ring_id, 16);
    rc = pl_db_step(s, err);
    if (rc == PL_OK)
        *seq = (uint64_t)pl_db_int(s, 0);
    pl_db_done(s);
    return rc;
}

pl_rc guard_slot_put(pl_db *db, const uint8_t ring_id[16], int slot, uint64_t seq, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "INSERT INTO guard_slot (ring_id, slot, last_seq) "
                             "VALUES ($1, $2, $3) ON CONFLICT (ring_id) DO UPDATE "
                             "SET slot = excluded.slot, last_seq = excluded.last_seq", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_blob(s, 1, ring_id, 16);
    pl_db_bind_int(s, 2, slot);
    pl_db_bind_int(s, 3, (int64_t)seq);
    return pl_db_run(s, NULL, err);
}

/* --- batches --------------------------------------------------------------------------- */

pl_rc guard_batch_last_id(pl_db *db, int64_t *id, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "SELECT COALESCE(MAX(id), 0) FROM guard_batch", &s, err);

    if (rc != PL_OK)
        return rc;
    rc = pl_db_step(s, err);
    if (rc == PL_OK)
        *id = pl_db_int(s, 0);
    pl_db_done(s);
    return rc;
}

pl_rc guard_batch_put(pl_db *db, const pl_stored_batch *b, uint64_t ledger_size, int64_t now_ms,
                      pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "INSERT INTO guard_batch (id, created_ms, events, root, payload, "
                             "envelope, ledger_size) VALUES ($1, $2, $3, $4, $5, $6, $7)", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, b->id);
    pl_db_bind_int(s, 2, now_ms);
    pl_db_bind_int(s, 3, (int64_t)b->count);
    pl_db_bind_blob(s, 4, b->root.b, 32);
    pl_db_bind_blob(s, 5, b->payload, 32);
    pl_db_bind_blob(s, 6, b->envelope.p, b->envelope.n);
    pl_db_bind_int(s, 7, (int64_t)ledger_size);
    return pl_db_run(s, NULL, err);
}

pl_rc guard_batch_set_index(pl_db *db, int64_t id, uint64_t index, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "UPDATE guard_batch SET ledger_index = $2 WHERE id = $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, id);
    pl_db_bind_int(s, 2, (int64_t)index);
    return pl_db_run(s, NULL, err);
}

#define BATCH_COLUMNS "id, events, root, payload, envelope, ledger_index, ledger_size"

static pl_rc batch_read(pl_db_stmt *s, pl_arena *a, pl_stored_batch *out, pl_error *err)
{
    pl_str root = pl_db_blob(s, 2), payload = pl_db_blob(s, 3), envelope = pl_db_blob(s, 4);
    char  *copy = pl_arena_dup(a, envelope);

    if (!copy)
        return pl_fail(err, PL_LIMIT, "a batch is larger than the request's memory");
    if (root.n != 32 || payload.n != 32)
        return pl_fail(err, PL_INVALID, "a stored batch has a digest of the wrong size");
    *out = (pl_stored_batch){ .id = pl_db_int(s, 0), .count = (uint64_t)pl_db_int(s, 1),
                              .ledger_index = pl_db_is_null(s, 5) ? -1 : pl_db_int(s, 5),
                              .envelope = { copy, envelope.n } };
    memcpy(out->root.b, root.p, 32);
    memcpy(out->payload, payload.p, 32);
    return PL_OK;
}

pl_rc pl_guard_batch_find(pl_db *db, pl_arena *a, int64_t id, pl_stored_batch *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "SELECT " BATCH_COLUMNS " FROM guard_batch WHERE id = $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, id);
    rc = pl_db_step(s, err);
    if (rc == PL_OK)
        rc = batch_read(s, a, out, err);
    else if (rc == PL_NOTFOUND)
        pl_fail(err, rc, "no batch %lld", (long long)id);
    pl_db_done(s);
    return rc;
}

pl_rc guard_batch_open_find(pl_db *db, pl_arena *a, pl_stored_batch *out, uint64_t *ledger_size,
                            pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "SELECT " BATCH_COLUMNS " FROM guard_batch "
                             "WHERE ledger_index IS NULL ORDER BY id LIMIT 1", &s, err);

    if (rc != PL_OK)
        return rc;
    rc = pl_db_step(s, err);
    if (rc == PL_OK) {
        *ledger_size = (uint64_t)pl_db_int(s, 6);
        rc = batch_read(s, a, out, err);
    }
    pl_db_done(s);
    return rc;
}

/* --- events ---------------------------------------------------------------------------- */

pl_rc guard_event_put(pl_db *db, const pl_event *e, const guard_leaf *l, int64_t batch, int64_t position,
                      pl_error *err)
{
    pl_db_stmt *s = NULL;
    pl_rc       rc = pl_db_prepare(db, "INSERT INTO guard_event (id, time_ms, batch, position, salt, leaf, "
                             "verdict, direction, categories) "
                             "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, e->id);
    pl_db_bind_int(s, 2, e->time_ms);
    pl_db_bind_int(s, 3, batch);
    pl_db_bind_int(s, 4, position);
    pl_db_bind_blob(s, 5, e->salt, 32);
    pl_db_bind_blob(s, 6, e->leaf.p, e->leaf.n);
    pl_db_bind_str(s, 7, l->verdict);
    pl_db_bind_str(s, 8, l->direction);
    pl_db_bind_str(s, 9, pl_buf_str(&l->categories));
    return pl_db_run(s, NULL, err);
}

pl_rc pl_guard_event_find(pl_db *db, pl_arena *a, pl_str id, pl_stored_event *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "SELECT time_ms, leaf, salt, batch, position FROM guard_event "
                             "WHERE id = $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    rc = pl_db_step(s, err);
    if (rc == PL_OK) {
        pl_str leaf = pl_db_blob(s, 1), salt = pl_db_blob(s, 2);
        char  *leaf_copy = pl_arena_dup(a, leaf), *id_copy = pl_arena_dup(a, id);
        if (!leaf_copy || !id_copy) {
            rc = pl_fail(err, PL_LIMIT, "an event is larger than the request's memory");
        } else {
            *out = (pl_stored_event){ .id = { id_copy, id.n }, .time_ms = pl_db_int(s, 0),
                                      .leaf = { leaf_copy, leaf.n }, .has_salt = salt.n == 32,
                                      .batch = pl_db_int(s, 3), .position = pl_db_int(s, 4) };
            memcpy(out->salt, salt.p, salt.n == 32 ? 32 : 0);
        }
    } else if (rc == PL_NOTFOUND) {
        pl_fail(err, rc, "no event '" PL_STR_FMT "'", (int)(id.n < 64 ? id.n : 64), id.p);
    }
    pl_db_done(s);
    return rc;
}

static json_t *event_row(pl_db_stmt *s)
{
    static const char *const copied[] = { "time", "verdict", "direction", "reason", "surface",
                                          "stream", "route", "service", "policy", "label",
                                          "status", "ms", "end" };
    pl_str  id = pl_db_str(s, 0), categories = pl_db_str(s, 2), one;
    json_t *leaf = NULL, *row = json_object(), *list = json_array();

    json_object_set_new(row, "id", json_stringn(id.p, id.n));
    if (pl_json_parse(pl_db_blob(s, 1), "event", &leaf, NULL) == PL_OK)
        for (size_t i = 0; i < sizeof copied / sizeof copied[0]; i++)
            json_object_set(row, copied[i], json_object_get(leaf, copied[i]));
    while (pl_str_split(&categories, ',', &one))
        json_array_append_new(list, json_stringn(one.p, one.n));
    json_object_set_new(row, "categories", list);
    json_object_set_new(row, "ledger_index",
                        pl_db_is_null(s, 3) ? json_null() : json_integer(pl_db_int(s, 3)));
    json_decref(leaf);
    return row;
}

pl_rc guard_event_list(pl_db *db, const guard_event_query *q, json_t **out, pl_error *err)
{
    pl_db_stmt *s;
    json_t     *list;
    /* Ids sort by time. An empty bound is below every id, 27 times z above. */
    pl_rc rc = pl_db_prepare(db, "SELECT e.id, e.leaf, e.categories, b.ledger_index "
                             "FROM guard_event e JOIN guard_batch b ON b.id = e.batch "
                             "WHERE e.id < $1 AND e.id > $2 AND ($3 = '' OR e.verdict = $3) "
                             "ORDER BY e.id DESC LIMIT $4", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, q->before.n ? q->before : PL_STR("zzzzzzzzzzzzzzzzzzzzzzzzzzz"));
    pl_db_bind_str(s, 2, q->after);
    pl_db_bind_str(s, 3, q->verdict);
    pl_db_bind_int(s, 4, q->limit);
    list = json_array();
    while ((rc = pl_db_step(s, err)) == PL_OK)
        json_array_append_new(list, event_row(s));
    pl_db_done(s);
    if (rc != PL_NOTFOUND) {
        json_decref(list);
        return rc;
    }
    *out = list;
    return PL_OK;
}

pl_rc guard_event_each(pl_db *db, const char *from, const char *to, guard_event_fn fn, void *ctx,
                       pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "SELECT e.id, e.leaf, b.ledger_index FROM guard_event e "
                             "JOIN guard_batch b ON b.id = e.batch "
                             "WHERE e.id >= $1 AND e.id < $2 ORDER BY e.id", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, pl_str_z(from));
    pl_db_bind_str(s, 2, pl_str_z(to));
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        rc = fn(ctx, pl_db_str(s, 0), pl_db_blob(s, 1), !pl_db_is_null(s, 2));
        if (rc != PL_OK)
            break;
    }
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

pl_rc guard_event_expire(pl_db *db, int64_t before_ms, int64_t *removed, pl_error *err)
{
    static const uint8_t lowest[10];
    char        id[PL_ID_LEN + 1]; /* ids begin with the time */
    pl_db_stmt *s;
    pl_rc       rc;

    before_ms = before_ms > 0 ? before_ms : 0;
    rc = pl_db_prepare(db, "DELETE FROM guard_event WHERE id < $1", &s, err);
    if (rc != PL_OK)
        return rc;
    pl_id_format(before_ms, lowest, id);
    pl_db_bind_str(s, 1, (pl_str){ id, PL_ID_LEN });
    return pl_db_run(s, removed, err);
}

/* --- what was seen ------------------------------------------------------------------------- */

/* At most SEEN_MAX values a day and kind; the rest is "*". */
#define SEEN_MAX 500

static pl_rc seen_value(pl_db *db, int64_t day, pl_str kind, pl_str *value, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db, "SELECT COUNT(*), COALESCE(SUM(CASE WHEN value = $3 THEN 1 ELSE 0 END), 0) "
                             "FROM guard_seen WHERE day = $1 AND kind = $2", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, day);
    pl_db_bind_str(s, 2, kind);
    pl_db_bind_str(s, 3, *value);
    rc = pl_db_step(s, err);
    if (rc == PL_OK && pl_db_int(s, 0) >= SEEN_MAX && pl_db_int(s, 1) == 0)
        *value = PL_STR("*");
    pl_db_done(s);
    return rc;
}

pl_rc guard_seen_put(pl_db *db, int64_t day, pl_str kind, pl_str value, int64_t n, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = seen_value(db, day, kind, &value, err);

    if (rc == PL_OK)
        rc = pl_db_prepare(db, "INSERT INTO guard_seen (day, kind, value, n) VALUES ($1, $2, $3, $4) "
                           "ON CONFLICT (day, kind, value) DO UPDATE SET n = guard_seen.n + excluded.n", &s, err);
    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, day);
    pl_db_bind_str(s, 2, kind);
    pl_db_bind_str(s, 3, value);
    pl_db_bind_int(s, 4, n);
    return pl_db_run(s, NULL, err);
}

pl_rc guard_seen_list(pl_db *db, int64_t from_day, const char *kind, json_t *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db, "SELECT DISTINCT value FROM guard_seen WHERE day >= $1 AND kind = $2 "
                             "ORDER BY value", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, from_day);
    pl_db_bind_str(s, 2, pl_str_z(kind));
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        pl_str v = pl_db_str(s, 0);
        (void)json_array_append_new(out, json_stringn(v.p, v.n));
    }
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

pl_rc guard_seen_expire(pl_db *db, int64_t before_day, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db, "DELETE FROM guard_seen WHERE day < $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, before_day);
    return pl_db_run(s, NULL, err);
}

/* --- policy and stop switch --------------------------------------------------------------- */

pl_rc guard_policy_put(pl_db *db, int64_t generation, const char *name, const char *digest,
                       const char *by, uint64_t index, int64_t now_ms, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "INSERT INTO guard_policy (generation, name, digest, "
                             "activated_ms, activated_by, ledger_index) "
                             "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (generation) DO UPDATE "
                             "SET name = excluded.name, digest = excluded.digest, "
                             "activated_ms = excluded.activated_ms, "
                             "activated_by = excluded.activated_by, "
                             "ledger_index = excluded.ledger_index", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, generation);
    pl_db_bind_str(s, 2, pl_str_z(name));
    pl_db_bind_str(s, 3, pl_str_z(digest));
    pl_db_bind_int(s, 4, now_ms);
    pl_db_bind_str(s, 5, pl_str_z(by));
    pl_db_bind_int(s, 6, (int64_t)index);
    return pl_db_run(s, NULL, err);
}

pl_rc guard_content_put(pl_db *db, const char *digest, const json_t *packs, pl_error *err)
{
    char       *text = pl_json_dump(packs);
    pl_db_stmt *s;
    pl_rc rc = !text ? pl_fail(err, PL_NOMEM, "out of memory")
                     : pl_db_prepare(db, "INSERT INTO guard_policy_content (digest, packs) VALUES ($1, $2) "
                                     "ON CONFLICT (digest) DO NOTHING", &s, err);

    if (rc == PL_OK) {
        pl_db_bind_str(s, 1, pl_str_z(digest));
        pl_db_bind_str(s, 2, pl_str_z(text));
        rc = pl_db_run(s, NULL, err);
    }
    free(text);
    return rc;
}

pl_rc guard_content_get(pl_db *db, const char *digest, json_t **packs, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "SELECT packs FROM guard_policy_content WHERE digest = $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, pl_str_z(digest));
    rc = pl_db_step(s, err);
    if (rc == PL_OK)
        rc = pl_json_parse(pl_db_str(s, 0), "packs", packs, err);
    else if (rc == PL_NOTFOUND)
        *packs = json_null();
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

pl_rc guard_stop_get(pl_db *db, guard_stop_row *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "SELECT stopped, reason, since_ms, ledger_index, changed_by "
                             "FROM guard_stop WHERE id = 1", &s, err);

    if (rc != PL_OK)
        return rc;
    rc = pl_db_step(s, err);
    if (rc == PL_OK) {
        pl_str reason = pl_db_str(s, 1), by = pl_db_str(s, 4);
        out->stopped = pl_db_int(s, 0) != 0;
        out->since_ms = pl_db_int(s, 2);
        out->ledger_index = pl_db_int(s, 3);
        snprintf(out->reason, sizeof out->reason, PL_STR_FMT, PL_STR_ARG(reason));
        snprintf(out->by, sizeof out->by, PL_STR_FMT, PL_STR_ARG(by));
    }
    pl_db_done(s);
    return rc;
}

pl_rc guard_stop_put(pl_db *db, const guard_stop_row *row, const char *by, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "INSERT INTO guard_stop (id, stopped, reason, since_ms, "
                             "changed_by, ledger_index) VALUES (1, $1, $2, $3, $4, $5) "
                             "ON CONFLICT (id) DO UPDATE SET stopped = excluded.stopped, "
                             "reason = excluded.reason, since_ms = excluded.since_ms, "
                             "changed_by = excluded.changed_by, "
                             "ledger_index = excluded.ledger_index", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, row->stopped);
    pl_db_bind_str(s, 2, pl_str_z(row->reason));
    pl_db_bind_int(s, 3, row->since_ms);
    pl_db_bind_str(s, 4, pl_str_z(by));
    pl_db_bind_int(s, 5, row->ledger_index);
    return pl_db_run(s, NULL, err);
}

/* --- payload ------------------------------------------------------------------------------- */

pl_rc pl_guard_payload_leaves(pl_arena *a, pl_str payload, pl_str **out, size_t *count,
                              pl_error *err)
{
    size_t  n = 0, i = 0;
    pl_str *list, line;

    for (size_t k = 0; k < payload.n; k++)
        n += payload.p[k] == '\n';
    if (payload.n == 0 || payload.p[payload.n - 1] != '\n')
        return pl_fail(err, PL_INVALID, "the batch payload does not end with a line feed");
    list = pl_arena_alloc(a, n * sizeof *list);
    if (!list)
        return pl_fail(err, PL_LIMIT, "the batch payload has too many leaves");
    payload.n--; /* the last line feed ends the last leaf */
    for (const char *p = payload.p, *end = payload.p + payload.n; i < n; i++) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        line = (pl_str){ p, (size_t)((lf ? lf : end) - p) };
        list[i] = line;
        p = lf ? lf + 1 : end;
    }
    *out = list;
    *count = n;
    return PL_OK;
}
