#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/review_store.h"

#define COLUMNS "id, time_ms, why, commitment, key, expires_ms, destroyed_ms, third, state, outcome, settled_ms, ledger_index"
#define LAST    "zzzzzzzzzzzzzzzzzzzzzzzzzzz"

static void text_copy(char *to, size_t size, pl_str from)
{
    snprintf(to, size, PL_STR_FMT, PL_STR_ARG(from));
}

static bool bytes_copy(uint8_t to[32], pl_str from)
{
    if (from.n == 32)
        memcpy(to, from.p, 32);
    return from.n == 32;
}

static void row_read(pl_db_stmt *s, review_row *r)
{
    *r = (review_row){ .sealed = { "", 0 } };
    text_copy(r->id, sizeof r->id, pl_db_str(s, 0));
    r->time_ms = pl_db_int(s, 1);
    text_copy(r->why, sizeof r->why, pl_db_str(s, 2));
    r->has_commitment = !pl_db_is_null(s, 3) && bytes_copy(r->commitment, pl_db_blob(s, 3));
    (void)bytes_copy(r->key, pl_db_blob(s, 4));
    r->expires_ms = pl_db_int(s, 5);
    r->destroyed_ms = pl_db_is_null(s, 6) ? 0 : pl_db_int(s, 6);
    r->third = pl_db_int(s, 7) != 0;
    text_copy(r->state, sizeof r->state, pl_db_str(s, 8));
    if (!pl_db_is_null(s, 9))
        text_copy(r->outcome, sizeof r->outcome, pl_db_str(s, 9));
    r->settled_ms = pl_db_is_null(s, 10) ? 0 : pl_db_int(s, 10);
    r->ledger_index = pl_db_is_null(s, 11) ? -1 : pl_db_int(s, 11);
}

static pl_rc copy_in(pl_arena *a, pl_str from, pl_str *to, pl_error *err)
{
    char *p = from.n ? pl_arena_alloc(a, from.n) : NULL;

    if (from.n && !p)
        return pl_fail(err, PL_LIMIT, "the content is too large for this request");
    if (p)
        memcpy(p, from.p, from.n);
    *to = (pl_str){ p ? p : "", from.n };
    return PL_OK;
}

pl_rc review_put(pl_db *db, const review_row *r, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db, "INSERT INTO guard_review (id, time_ms, why, commitment, sealed, key, "
                                   "expires_ms, third, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'open') "
                                   "ON CONFLICT (id) DO NOTHING", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, pl_str_z(r->id));
    pl_db_bind_int(s, 2, r->time_ms);
    pl_db_bind_str(s, 3, pl_str_z(r->why));
    if (r->has_commitment)
        pl_db_bind_blob(s, 4, r->commitment, 32);
    if (r->sealed.n)
        pl_db_bind_blob(s, 5, r->sealed.p, r->sealed.n);
    pl_db_bind_blob(s, 6, r->key, 32);
    pl_db_bind_int(s, 7, r->expires_ms);
    pl_db_bind_int(s, 8, r->third);
    return pl_db_run(s, NULL, err);
}

pl_rc review_get(pl_db *db, pl_arena *a, pl_str id, review_row *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db, "UPDATE guard_review SET third = third WHERE id = $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    rc = pl_db_run(s, NULL, err); /* holds the row */
    if (rc == PL_OK)
        rc = pl_db_prepare(db, "SELECT " COLUMNS ", sealed FROM guard_review WHERE id = $1", &s, err);
    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    rc = pl_db_step(s, err);
    if (rc == PL_OK)
        row_read(s, out);
    if (rc == PL_OK && !pl_db_is_null(s, 12))
        rc = copy_in(a, pl_db_blob(s, 12), &out->sealed, err);
    pl_db_done(s);
    return rc == PL_NOTFOUND ? pl_fail(err, PL_NOTFOUND, "there is no such review") : rc;
}

pl_rc review_set(pl_db *db, const review_row *r, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db, "UPDATE guard_review SET state = $1, outcome = $2, settled_ms = $3, "
                                   "ledger_index = $4 WHERE id = $5", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, pl_str_z(r->state));
    if (r->outcome[0]) {
        pl_db_bind_str(s, 2, pl_str_z(r->outcome));
        pl_db_bind_int(s, 3, r->settled_ms);
        pl_db_bind_int(s, 4, r->ledger_index);
    }
    pl_db_bind_str(s, 5, pl_str_z(r->id));
    return pl_db_run(s, NULL, err);
}

pl_rc review_each(pl_db *db, const review_query *q, review_fn fn, void *ctx, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "SELECT " COLUMNS ", (SELECT COUNT(*) FROM guard_review_decision d WHERE "
                             "d.review = guard_review.id) FROM guard_review WHERE id < $1 AND ($2 = '' OR "
                             "state = $2 OR ($2 = 'waiting' AND state IN ('open', 'disputed'))) "
                             "ORDER BY id DESC LIMIT $3", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, q->before.n ? q->before : PL_STR(LAST));
    pl_db_bind_str(s, 2, q->state);
    pl_db_bind_int(s, 3, q->limit);
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        review_row r;

        row_read(s, &r);
        rc = fn(ctx, &r, pl_db_int(s, 12), err);
        if (rc != PL_OK)
            break;
    }
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

/* --- decisions ------------------------------------------------------------------------------- */

static pl_rc decision_read(pl_db_stmt *s, pl_arena *a, review_decision *d, pl_error *err)
{
    *d = (review_decision){ .note = { "", 0 }, .time_ms = pl_db_int(s, 5), .ledger_index = pl_db_int(s, 6) };
    text_copy(d->by, sizeof d->by, pl_db_str(s, 0));
    text_copy(d->category, sizeof d->category, pl_db_str(s, 2));
    (void)bytes_copy(d->salt, pl_db_blob(s, 4));
    pl_rc rc = review_verdict_parse(pl_db_str(s, 1), &d->verdict, err);
    if (rc == PL_OK && !pl_db_is_null(s, 3))
        rc = copy_in(a, pl_db_blob(s, 3), &d->note, err);
    return rc;
}

pl_rc review_decisions(pl_db *db, pl_arena *a, pl_str id, review_decision out[REVIEW_SEATS], size_t *n,
                       pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "SELECT by_id, verdict, category, note, salt, time_ms, ledger_index FROM "
                             "guard_review_decision WHERE review = $1 ORDER BY seat", &s, err);

    *n = 0;
    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    while (*n < REVIEW_SEATS && (rc = pl_db_step(s, err)) == PL_OK) {
        rc = decision_read(s, a, &out[*n], err);
        if (rc != PL_OK)
            break;
        ++*n;
    }
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

pl_rc review_decision_put(pl_db *db, pl_str id, size_t seat, const review_decision *d, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "INSERT INTO guard_review_decision (review, seat, by_id, verdict, category, note, "
                             "salt, time_ms, ledger_index) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    pl_db_bind_int(s, 2, (int64_t)seat);
    pl_db_bind_str(s, 3, pl_str_z(d->by));
    pl_db_bind_str(s, 4, pl_str_z(review_verdict_name(d->verdict)));
    pl_db_bind_str(s, 5, pl_str_z(d->category));
    if (d->note.n)
        pl_db_bind_blob(s, 6, d->note.p, d->note.n);
    pl_db_bind_blob(s, 7, d->salt, 32);
    pl_db_bind_int(s, 8, d->time_ms);
    pl_db_bind_int(s, 9, d->ledger_index);
    return pl_db_run(s, NULL, err);
}

/* --- counts ------------------------------------------------------------------------------------ */

pl_rc review_counts(pl_db *db, json_t *out, pl_error *err)
{
    pl_db_stmt *s;
    char        key[40];
    pl_rc rc = pl_db_prepare(db, "SELECT state, outcome, COUNT(*) FROM guard_review GROUP BY state, outcome", &s,
                             err);

    if (rc != PL_OK)
        return rc;
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        pl_str state = pl_db_str(s, 0), outcome = pl_db_is_null(s, 1) ? state : pl_db_str(s, 1);

        text_copy(key, sizeof key, outcome);
        json_object_set_new(out, key, json_integer(pl_db_int(s, 2)));
    }
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

pl_rc review_pairs_count(pl_db *db, review_pairs *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "SELECT a.verdict, b.verdict, COUNT(*) FROM guard_review_decision a JOIN "
                             "guard_review_decision b ON b.review = a.review AND b.seat = 2 JOIN guard_review r ON "
                             "r.id = a.review WHERE a.seat = 1 AND r.state IN ('settled', 'lapsed') "
                             "GROUP BY a.verdict, b.verdict", &s, err);

    *out = (review_pairs){ 0 };
    if (rc != PL_OK)
        return rc;
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        review_verdict a, b;

        rc = review_verdict_parse(pl_db_str(s, 0), &a, err);
        if (rc == PL_OK)
            rc = review_verdict_parse(pl_db_str(s, 1), &b, err);
        if (rc != PL_OK)
            break;
        out->n[a][b] = pl_db_int(s, 2);
    }
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

/* --- keys ------------------------------------------------------------------------------------------ */

pl_rc review_key_put(pl_db *db, const uint8_t commitment[32], const char *node, int64_t expires_ms, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "INSERT INTO guard_review_key (commitment, node, expires_ms) VALUES ($1, $2, $3)",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_blob(s, 1, commitment, 32);
    pl_db_bind_str(s, 2, pl_str_z(node));
    pl_db_bind_int(s, 3, expires_ms);
    return pl_db_run(s, NULL, err);
}

static pl_rc key_read(pl_db_stmt *s, uint8_t commitment[32], int64_t *expires_ms, pl_error *err)
{
    pl_rc rc = pl_db_step(s, err);

    if (rc == PL_OK && !bytes_copy(commitment, pl_db_blob(s, 0)))
        rc = pl_fail(err, PL_INVALID, "a key of reviews has no name of 32 bytes");
    if (rc == PL_OK && expires_ms)
        *expires_ms = pl_db_int(s, 1);
    pl_db_done(s);
    return rc;
}

pl_rc review_key_find(pl_db *db, const char *node, int64_t expires_ms, uint8_t commitment[32], pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "SELECT commitment FROM guard_review_key WHERE node = $1 AND expires_ms = $2", &s,
                             err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, pl_str_z(node));
    pl_db_bind_int(s, 2, expires_ms);
    return key_read(s, commitment, NULL, err);
}

pl_rc review_key_due(pl_db *db, const char *node, int64_t now_ms, uint8_t commitment[32], int64_t *expires_ms,
                     pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "SELECT commitment, expires_ms FROM guard_review_key WHERE node = $1 AND "
                             "expires_ms <= $2 ORDER BY expires_ms LIMIT 1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, pl_str_z(node));
    pl_db_bind_int(s, 2, now_ms);
    return key_read(s, commitment, expires_ms, err);
}

pl_rc review_key_drop(pl_db *db, const uint8_t commitment[32], pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "DELETE FROM guard_review_key WHERE commitment = $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_blob(s, 1, commitment, 32);
    return pl_db_run(s, NULL, err);
}

/* --- destroying -------------------------------------------------------------------------------------- */

/* Statements with the key as $1 and the time as $2, where they name them. */
static pl_rc run_for(pl_db *db, const char *sql, const uint8_t key[32], int64_t now_ms, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db, sql, &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_blob(s, 1, key, 32);
    if (now_ms)
        pl_db_bind_int(s, 2, now_ms);
    return pl_db_run(s, NULL, err);
}

static pl_rc contents_count(pl_db *db, const uint8_t key[32], int64_t *count, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "SELECT COUNT(*) FROM guard_review WHERE key = $1 AND commitment IS NOT NULL", &s,
                             err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_blob(s, 1, key, 32);
    rc = pl_db_step(s, err);
    if (rc == PL_OK)
        *count = pl_db_int(s, 0);
    pl_db_done(s);
    return rc;
}

pl_rc review_destroy(pl_db *db, const uint8_t key[32], int64_t now_ms, int64_t *count, pl_error *err)
{
    pl_rc rc = pl_db_begin(db, err);

    if (rc != PL_OK)
        return rc;
    rc = contents_count(db, key, count, err);
    if (rc == PL_OK)
        rc = run_for(db, "UPDATE guard_review_decision SET note = NULL WHERE review IN (SELECT id FROM guard_review "
                     "WHERE key = $1)", key, 0, err);
    if (rc == PL_OK)
        rc = run_for(db, "UPDATE guard_review SET sealed = NULL, destroyed_ms = $2 WHERE key = $1 AND "
                     "destroyed_ms IS NULL", key, now_ms, err);
    if (rc == PL_OK)
        rc = run_for(db, "UPDATE guard_review SET state = 'lapsed' WHERE key = $1 AND state IN ('open', 'disputed')",
                     key, 0, err);
    if (rc == PL_OK)
        rc = pl_db_commit(db, err);
    if (rc != PL_OK)
        pl_db_abort(db);
    return rc;
}

pl_rc review_expire(pl_db *db, int64_t before_ms, pl_error *err)
{
    static const char *const sql[] = {
        "DELETE FROM guard_review_decision WHERE review IN (SELECT id FROM guard_review WHERE time_ms < $1 AND "
        "destroyed_ms IS NOT NULL)",
        "DELETE FROM guard_review WHERE time_ms < $1 AND destroyed_ms IS NOT NULL",
    };
    pl_rc rc = PL_OK;

    for (size_t i = 0; i < 2 && rc == PL_OK; i++) {
        pl_db_stmt *s;

        rc = pl_db_prepare(db, sql[i], &s, err);
        if (rc == PL_OK) {
            pl_db_bind_int(s, 1, before_ms);
            rc = pl_db_run(s, NULL, err);
        }
    }
    return rc;
}

/* What was deleted is overwritten in the file by the next checkpoint, and its copy in the journal goes with it.
 * While somebody reads it stays a little longer; without its key it says nothing. */
pl_rc review_settle_files(pl_db *db, pl_error *err)
{
    return pl_db_is_postgres(db) ? PL_OK : pl_db_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", err);
}
