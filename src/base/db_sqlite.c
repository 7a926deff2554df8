#include "base/banned.h"

#include "base/db_int.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <unistd.h>

#define BUSY_MS       5000
#define BUSY_SLEEP_MS 20

typedef struct sqlite_db {
    pl_db    base;
    sqlite3 *db;
} sqlite_db;

typedef struct sqlite_stmt {
    pl_db_stmt    base;
    sqlite3_stmt *s;
    int64_t       changed;
    uint8_t       at[DB_PARAMS_MAX + 1]; /* SQLite's number of $N; 0: a gap, which nobody reads */
} sqlite_stmt;

static sqlite3 *handle(pl_db *db)
{
    return ((sqlite_db *)db)->db;
}

static sqlite3_stmt *native(pl_db_stmt *s)
{
    return ((sqlite_stmt *)s)->s;
}

/* Translates the code of a failed call. SQLite's messages name tables and columns, never
 * bound values. */
static pl_rc sqlite_fail(sqlite3 *db, int code, pl_error *err)
{
    switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
        if (code == SQLITE_CONSTRAINT_NOTNULL || code == SQLITE_CONSTRAINT_CHECK)
            break;
        return pl_fail(err, PL_CONFLICT, "database: %s", sqlite3_errmsg(db));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return pl_fail(err, PL_CONFLICT, "database is locked by another process");
    case SQLITE_FULL:
        return pl_fail(err, PL_IO, "cannot write the database: the disk is full");
    case SQLITE_NOMEM:
        return pl_fail(err, PL_NOMEM, "out of memory");
    case SQLITE_TOOBIG:
        return pl_fail(err, PL_LIMIT, "value is too large for the database");
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_PERM:
    case SQLITE_PROTOCOL:
        return pl_fail(err, PL_IO, "database: %s", sqlite3_errmsg(db));
    default:
        break;
    }
    return pl_fail(err, PL_INVALID, "database: %s", sqlite3_errmsg(db));
}

static pl_rc sqlite_exec(pl_db *db, const char *sql, pl_error *err)
{
    int code = sqlite3_exec(handle(db), sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? PL_OK : sqlite_fail(handle(db), code, err);
}

static void sqlite_rollback(pl_db *db)
{
    /* A full disk or an I/O error has already rolled back by itself. */
    if (sqlite3_get_autocommit(handle(db)) == 0)
        (void)sqlite3_exec(handle(db), "ROLLBACK", NULL, NULL, NULL);
}

static void sqlite_close(pl_db *db)
{
    (void)sqlite3_close(handle(db));
    free(db);
}

/* --- opening ------------------------------------------------------------------- */

/* SQLite creates with the umask's mode; the journal files then copy it. An existing file
 * must not be opened here: closing it would drop the locks that other connections of this
 * process hold on it (POSIX advisory locks), and another process would then take away the
 * write-ahead log under them. */
static pl_rc create_private(const char *path, pl_error *err)
{
    int fd;

    if (strcmp(path, ":memory:") == 0 || *path == '\0')
        return PL_OK;
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return PL_OK;
    if (fd < 0)
        return pl_fail(err, PL_IO,
                       "cannot open database '%s': %s; check that its directory exists and may be "
                       "written",
                       path, strerrordesc_np(errno));
    (void)close(fd);
    return PL_OK;
}

/* Changing the journal mode does not wait for other connections by itself. */
static pl_rc enter_wal(pl_db *db, pl_error *err)
{
    pl_rc rc = PL_CONFLICT;

    for (int waited = 0; rc == PL_CONFLICT && waited < BUSY_MS; waited += BUSY_SLEEP_MS) {
        if (waited > 0)
            (void)sqlite3_sleep(BUSY_SLEEP_MS);
        rc = sqlite_exec(db, "PRAGMA journal_mode = WAL", err);
    }
    return rc;
}

static pl_rc configure(pl_db *db, pl_error *err)
{
    sqlite3 *h = handle(db);
    pl_rc    rc;

    (void)sqlite3_extended_result_codes(h, 1);
    (void)sqlite3_busy_timeout(h, BUSY_MS);
    (void)sqlite3_db_config(h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    rc = enter_wal(db, err);
    if (rc == PL_OK)
        rc = sqlite_exec(db,
                         "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                         "PRAGMA trusted_schema = OFF; PRAGMA secure_delete = ON",
                         err);
    return rc;
}

/* Nobody asks how much memory SQLite has taken, and counting takes a lock at every allocation. */
static void set_up(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

pl_rc pl_db_sqlite_open(const char *path, pl_db **out, pl_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    sqlite_db *d;
    pl_rc      rc = create_private(path, err);
    int        code;

    (void)pthread_once(&once, set_up);
    if (rc != PL_OK)
        return rc;
    d = calloc(1, sizeof *d);
    if (d == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    d->base.driver = &pl_db_sqlite;
    code = sqlite3_open_v2(path, &d->db,
                           SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK)
        rc = pl_fail(err, PL_IO, "cannot open database '%s': %s", path,
                     d->db != NULL ? sqlite3_errmsg(d->db) : "out of memory");
    else
        rc = configure(&d->base, err);
    if (rc != PL_OK) {
        sqlite_close(&d->base);
        return rc;
    }
    *out = &d->base;
    return PL_OK;
}

/* --- statements ---------------------------------------------------------------- */

/* To SQLite "$1" is a name, numbered by first appearance. */
static void number_params(sqlite_stmt *s, int params)
{
    char name[16];

    for (int i = 1; i <= params; i++) {
        (void)snprintf(name, sizeof name, "$%d", i);
        s->at[i] = (uint8_t)sqlite3_bind_parameter_index(s->s, name);
    }
}

static pl_rc sqlite_prepare(pl_db *db, const char *sql, int params, pl_db_stmt **out,
                            pl_error *err)
{
    sqlite_stmt *s = calloc(1, sizeof *s);
    const char  *tail = "";
    int          code;

    if (s == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    code = sqlite3_prepare_v3(handle(db), sql, -1, SQLITE_PREPARE_PERSISTENT, &s->s, &tail);
    if (code == SQLITE_OK && s->s != NULL && tail[strspn(tail, " \t\r\n;")] == '\0') {
        number_params(s, params);
        *out = &s->base;
        return PL_OK;
    }
    (void)sqlite3_finalize(s->s);
    free(s);
    if (code != SQLITE_OK)
        return sqlite_fail(handle(db), code, err);
    return pl_fail(err, PL_INVALID, "exactly one statement can be prepared");
}

static void sqlite_bind(pl_db_stmt *s, int i, const db_value *v)
{
    int at = ((sqlite_stmt *)s)->at[i], code = SQLITE_OK;

    if (at == 0)
        return;
    switch (v->kind) {
    case DB_NULL:
        code = sqlite3_bind_null(native(s), at);
        break;
    case DB_INT:
        code = sqlite3_bind_int64(native(s), at, v->i);
        break;
    case DB_TEXT:
        code = sqlite3_bind_text(native(s), at, v->s.p, (int)v->s.n, SQLITE_STATIC);
        break;
    case DB_BLOB:
        code = sqlite3_bind_blob(native(s), at, v->s.p, (int)v->s.n, SQLITE_STATIC);
        break;
    }
    if (code != SQLITE_OK)
        s->bind_rc = code == SQLITE_NOMEM ? PL_NOMEM : PL_INVALID;
}

static pl_rc sqlite_step(pl_db_stmt *s, pl_error *err)
{
    sqlite3 *db = handle(s->db);
    int      code = sqlite3_step(native(s));

    if (code == SQLITE_ROW)
        return PL_OK;
    if (code != SQLITE_DONE)
        return sqlite_fail(db, code, err);
    ((sqlite_stmt *)s)->changed = sqlite3_stmt_readonly(native(s)) ? 0 : sqlite3_changes(db);
    return PL_NOTFOUND;
}

static int64_t sqlite_changed(pl_db_stmt *s)
{
    return ((sqlite_stmt *)s)->changed;
}

static bool sqlite_is_null(pl_db_stmt *s, int column)
{
    return sqlite3_column_type(native(s), column) == SQLITE_NULL;
}

static int64_t sqlite_get_int(pl_db_stmt *s, int column)
{
    return sqlite3_column_int64(native(s), column);
}

static pl_str sqlite_get_str(pl_db_stmt *s, int column)
{
    const char *p = (const char *)sqlite3_column_text(native(s), column);

    return p != NULL ? (pl_str){ p, (size_t)sqlite3_column_bytes(native(s), column) } : PL_STR("");
}

static pl_str sqlite_get_blob(pl_db_stmt *s, int column)
{
    const char *p = sqlite3_column_blob(native(s), column);

    return p != NULL ? (pl_str){ p, (size_t)sqlite3_column_bytes(native(s), column) } : PL_STR("");
}

static void sqlite_reset(pl_db_stmt *s)
{
    (void)sqlite3_reset(native(s));
    (void)sqlite3_clear_bindings(native(s));
}

static void sqlite_free(pl_db_stmt *s)
{
    (void)sqlite3_finalize(native(s));
    free(s);
}

const db_driver pl_db_sqlite = {
    .begin = "BEGIN IMMEDIATE",
    .exec = sqlite_exec,
    .rollback = sqlite_rollback,
    .close = sqlite_close,
    .prepare = sqlite_prepare,
    .bind = sqlite_bind,
    .step = sqlite_step,
    .changed = sqlite_changed,
    .is_null = sqlite_is_null,
    .get_int = sqlite_get_int,
    .get_str = sqlite_get_str,
    .get_blob = sqlite_get_blob,
    .reset = sqlite_reset,
    .free = sqlite_free,
};
