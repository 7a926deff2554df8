#include "base/banned.h"

#include "base/db_int.h"
#include "base/str.h"
#include "base/utf8.h"

/* --- connection ---------------------------------------------------------------- */

pl_rc pl_db_open(const char *url, pl_db **out, pl_error *err)
{
    if (pl_str_starts(pl_str_z(url), PL_STR("sqlite:")))
        return pl_db_sqlite_open(url + 7, out, err);
    if (pl_str_starts(pl_str_z(url), PL_STR("postgresql://")) ||
        pl_str_starts(pl_str_z(url), PL_STR("postgres://")))
        return pl_db_postgres_open(url, out, err);
    return pl_fail(err, PL_INVALID, "database URL must start with 'sqlite:' or 'postgresql://'");
}

bool pl_db_is_postgres(const pl_db *db)
{
    return db->driver == &pl_db_postgres;
}

void pl_db_close(pl_db *db)
{
    if (db == NULL)
        return;
    db->closing = true;
    for (size_t i = 0; i < DB_BUCKETS; i++)
        while (db->bucket[i] != NULL) {
            pl_db_stmt *s = db->bucket[i];

            db->bucket[i] = s->next;
            free(s->sql);
            db->driver->free(s);
        }
    db->driver->close(db);
}

/* PostgreSQL refuses everything in a transaction after the first error, SQLite goes on.
 * Both behave like PostgreSQL here, so that code tested on one is right on the other. */
static pl_rc note_failure(pl_db *db, pl_rc rc)
{
    if (rc != PL_OK && rc != PL_NOTFOUND && db->in_tx)
        db->tx_failed = true;
    return rc;
}

static pl_rc usable(pl_db *db, pl_error *err)
{
    if (db->tx_failed)
        return pl_fail(err, PL_INVALID, "transaction has already failed and must be aborted");
    if (!db->in_tx && db->driver->revive != NULL)
        return db->driver->revive(db, err);
    return PL_OK;
}

pl_rc pl_db_exec(pl_db *db, const char *sql, pl_error *err)
{
    pl_rc rc = usable(db, err);

    return rc == PL_OK ? note_failure(db, db->driver->exec(db, sql, err)) : rc;
}

pl_rc pl_db_begin(pl_db *db, pl_error *err)
{
    pl_rc rc;

    if (db->in_tx)
        return pl_fail(err, PL_INVALID, "a transaction is already open");
    rc = usable(db, err);
    if (rc == PL_OK)
        rc = db->driver->exec(db, db->driver->begin, err);
    if (rc == PL_OK)
        db->in_tx = true;
    return rc;
}

pl_rc pl_db_commit(pl_db *db, pl_error *err)
{
    pl_rc rc;

    if (!db->in_tx)
        return pl_fail(err, PL_INVALID, "no transaction is open");
    rc = usable(db, err);
    if (rc == PL_OK)
        rc = note_failure(db, db->driver->exec(db, "COMMIT", err));
    if (rc == PL_OK)
        db->in_tx = false;
    return rc;
}

void pl_db_abort(pl_db *db)
{
    if (db == NULL || !db->in_tx)
        return;
    db->driver->rollback(db);
    db->in_tx = false;
    db->tx_failed = false;
}

/* --- statements ---------------------------------------------------------------- */

/* FNV-1a, to pick a bucket. */
static uint32_t hash_of(const char *sql)
{
    uint32_t h = 2166136261u;

    for (; *sql != '\0'; sql++)
        h = (h ^ (unsigned char)*sql) * 16777619u;
    return h;
}

static size_t recent_of(const char *sql)
{
    return ((uintptr_t)sql >> 4) % DB_BUCKETS;
}

/* The highest N of the $N in sql. */
static int count_params(const char *sql)
{
    int max = 0;

    for (size_t i = 0; sql[i] != '\0';) {
        size_t end = pl_sql_opaque_end(sql, i);
        int    n = 0;

        if (end > i) {
            i = end;
            continue;
        }
        if (sql[i++] != '$')
            continue;
        for (; sql[i] >= '0' && sql[i] <= '9'; i++)
            n = n > DB_PARAMS_MAX ? n : n * 10 + (sql[i] - '0');
        max = n > max ? n : max;
    }
    return max;
}

static pl_db_stmt *cache_find(pl_db *db, const char *sql, uint32_t hash)
{
    pl_db_stmt *s = db->bucket[hash % DB_BUCKETS];

    while (s != NULL && (s->busy || s->hash != hash || strcmp(s->sql, sql) != 0))
        s = s->next;
    return s;
}

static void cache_drop(pl_db *db, pl_db_stmt *s)
{
    pl_db_stmt **at = &db->bucket[s->hash % DB_BUCKETS];

    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    for (size_t i = 0; i < DB_BUCKETS; i++)
        if (db->recent[i] == s)
            db->recent[i] = NULL;
    db->cached--;
    free(s->sql);
    db->driver->free(s);
}

/* Makes room by dropping the idle statement that was used longest ago. */
static void cache_trim(pl_db *db)
{
    pl_db_stmt *oldest = NULL;

    if (db->cached < DB_CACHE_MAX)
        return;
    for (size_t i = 0; i < DB_BUCKETS; i++)
        for (pl_db_stmt *s = db->bucket[i]; s != NULL; s = s->next)
            if (!s->busy && (oldest == NULL || s->used < oldest->used))
                oldest = s;
    if (oldest != NULL)
        cache_drop(db, oldest);
}

static pl_rc prepare_new(pl_db *db, const char *sql, uint32_t hash, pl_db_stmt **out,
                         pl_error *err)
{
    int         params = count_params(sql);
    pl_db_stmt *s;
    pl_rc       rc;

    if (params > DB_PARAMS_MAX)
        return pl_fail(err, PL_INVALID, "statement has more than %d parameters", DB_PARAMS_MAX);
    cache_trim(db);
    rc = db->driver->prepare(db, sql, params, &s, err);
    if (rc != PL_OK)
        return rc;
    s->db = db;
    s->sql = pl_str_dup(pl_str_z(sql));
    if (s->sql == NULL) {
        db->driver->free(s);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    s->hash = hash;
    s->params = params;
    s->next = db->bucket[hash % DB_BUCKETS];
    db->bucket[hash % DB_BUCKETS] = s;
    db->cached++;
    *out = s;
    return PL_OK;
}

/* An idle statement of this text, or NULL. Most texts are constants: their address says which. */
static pl_db_stmt *statement_find(pl_db *db, const char *sql, uint32_t *hash)
{
    pl_db_stmt *recent = db->recent[recent_of(sql)];

    if (recent != NULL && !recent->busy && strcmp(recent->sql, sql) == 0)
        return recent;
    *hash = hash_of(sql);
    return cache_find(db, sql, *hash);
}

pl_rc pl_db_prepare(pl_db *db, const char *sql, pl_db_stmt **out, pl_error *err)
{
    uint32_t    hash = 0;
    pl_db_stmt *s;
    pl_rc       rc = usable(db, err);

    if (rc != PL_OK)
        return rc;
    s = statement_find(db, sql, &hash);
    if (s == NULL)
        rc = prepare_new(db, sql, hash, &s, err);
    else if (db->driver->reuse != NULL)
        rc = db->driver->reuse(s, err);
    if (rc != PL_OK)
        return note_failure(db, rc);
    db->recent[recent_of(sql)] = s;
    s->busy = true;
    s->phase = DB_READY;
    s->bind_rc = PL_OK;
    s->used = ++db->tick;
    *out = s;
    return PL_OK;
}

static void bind(pl_db_stmt *s, int i, const db_value *v)
{
    if (i < 1 || i > s->params || s->phase != DB_READY) {
        s->bind_rc = PL_INVALID;
        return;
    }
    s->db->driver->bind(s, i, v);
}

void pl_db_bind_int(pl_db_stmt *s, int i, int64_t v)
{
    bind(s, i, &(db_value){ .kind = DB_INT, .i = v });
}

void pl_db_bind_str(pl_db_stmt *s, int i, pl_str v)
{
    /* PostgreSQL accepts only this; SQLite would store anything. */
    if (v.n > INT32_MAX || (v.n > 0 && memchr(v.p, '\0', v.n) != NULL) || !pl_utf8_valid(v)) {
        s->bind_rc = PL_INVALID;
        return;
    }
    bind(s, i, &(db_value){ .kind = DB_TEXT, .s = { v.n > 0 ? v.p : "", v.n } });
}

void pl_db_bind_blob(pl_db_stmt *s, int i, const void *p, size_t n)
{
    if (n > INT32_MAX) {
        s->bind_rc = PL_INVALID;
        return;
    }
    bind(s, i, &(db_value){ .kind = DB_BLOB, .s = { n > 0 ? p : "", n } });
}

void pl_db_bind_null(pl_db_stmt *s, int i)
{
    bind(s, i, &(db_value){ .kind = DB_NULL });
}

pl_rc pl_db_step(pl_db_stmt *s, pl_error *err)
{
    pl_rc rc;

    if (s->phase == DB_FINISHED)
        return PL_NOTFOUND;
    if (s->bind_rc != PL_OK) {
        s->phase = DB_FINISHED;
        return note_failure(s->db, pl_fail(err, s->bind_rc,
                                           "statement has a parameter that does not exist, comes "
                                           "too late or is not valid text"));
    }
    if (s->db->tx_failed)
        return usable(s->db, err);
    rc = s->db->driver->step(s, err);
    s->phase = rc == PL_OK ? DB_ROW : DB_FINISHED;
    return note_failure(s->db, rc);
}

static bool has_value(pl_db_stmt *s, int column)
{
    return s->phase == DB_ROW && column >= 0 && !s->db->driver->is_null(s, column);
}

int64_t pl_db_int(pl_db_stmt *s, int column)
{
    return has_value(s, column) ? s->db->driver->get_int(s, column) : 0;
}

pl_str pl_db_str(pl_db_stmt *s, int column)
{
    return has_value(s, column) ? s->db->driver->get_str(s, column) : PL_STR("");
}

pl_str pl_db_blob(pl_db_stmt *s, int column)
{
    return has_value(s, column) ? s->db->driver->get_blob(s, column) : PL_STR("");
}

bool pl_db_is_null(pl_db_stmt *s, int column)
{
    return !has_value(s, column);
}

void pl_db_done(pl_db_stmt *s)
{
    if (s == NULL)
        return;
    s->db->driver->reset(s);
    s->phase = DB_FINISHED;
    s->busy = false;
}

pl_rc pl_db_run(pl_db_stmt *s, int64_t *changed, pl_error *err)
{
    pl_rc rc;

    do
        rc = pl_db_step(s, err);
    while (rc == PL_OK);
    if (rc == PL_NOTFOUND) {
        rc = PL_OK;
        if (changed != NULL)
            *changed = s->db->driver->changed(s);
    }
    pl_db_done(s);
    return rc;
}

pl_rc pl_db_rows(pl_db_stmt *s, size_t max, pl_db_row_fn fn, void *ctx, size_t *count,
                 pl_error *err)
{
    size_t n = 0;
    pl_rc  rc = PL_OK;

    while (rc == PL_OK && n < max && (rc = pl_db_step(s, err)) == PL_OK) {
        rc = fn(ctx, n, s, err);
        n += rc == PL_OK;
    }
    pl_db_done(s);
    if (rc != PL_OK && rc != PL_NOTFOUND)
        return rc;
    *count = n;
    return PL_OK;
}
