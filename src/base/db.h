/* One thin API over SQLite (WAL) and PostgreSQL 15 (libpq).
 *
 * SQL is written once, in the common subset: parameters are $1, $2, …; types are
 * BIGINT, TEXT, BLOB (BYTEA on PostgreSQL, rewritten by pl_db_exec and in migrations),
 * BOOLEAN is not used (0/1 BIGINT); no autoincrement; ON CONFLICT and RETURNING are allowed.
 *
 * A pl_db is one connection, used by one thread at a time. Every store function is
 * one transaction step. Times are BIGINT milliseconds, ids TEXT, digests BLOB.
 */
#ifndef PL_BASE_DB_H
#define PL_BASE_DB_H

#include <plumbline/base.h>
#include <stdbool.h>

typedef struct pl_db      pl_db;
typedef struct pl_db_stmt pl_db_stmt;

/* "sqlite:PATH" or a libpq URL "postgresql://…". SQLite is opened with WAL,
 * synchronous=FULL, foreign keys on, busy timeout 5 s. PL_IO when it cannot be
 * reached, with a message that says what to do. */
pl_rc pl_db_open(const char *url, pl_db **out, pl_error *err);
void  pl_db_close(pl_db *db);
bool  pl_db_is_postgres(const pl_db *db);

/* Several statements separated by ';', no parameters. */
pl_rc pl_db_exec(pl_db *db, const char *sql, pl_error *err);

/* After a failure inside a transaction nothing more is accepted in it but the abort (what
 * PostgreSQL does; SQLite is held to it). A lost server connection is PL_IO; it is
 * established again by the next begin or prepare outside a transaction. Outside of one, a server
 * that hangs up at that very moment is asked once more, where that cannot change anything twice:
 * begin, prepare, SELECT, and what it refused with a farewell. */
pl_rc pl_db_begin(pl_db *db, pl_error *err); /* takes SQLite's write lock at once */
pl_rc pl_db_commit(pl_db *db, pl_error *err);
void  pl_db_abort(pl_db *db); /* rolls back; safe to call when nothing is open */

/* Prepares (cached by text pointer and content) one statement. Binding is 1-based;
 * unbound parameters are NULL. Bound bytes must live until the statement is done.
 * pl_db_step: PL_OK with a row, PL_NOTFOUND when there are no more rows, else error
 * (PL_CONFLICT for unique and foreign key violations).
 * Column views die at the next step and at done.
 * pl_db_done resets and returns it to the cache. Text must be UTF-8 without NUL (PL_INVALID). */
pl_rc pl_db_prepare(pl_db *db, const char *sql, pl_db_stmt **out, pl_error *err);
void  pl_db_bind_int(pl_db_stmt *s, int i, int64_t v);
void  pl_db_bind_str(pl_db_stmt *s, int i, pl_str v);
void  pl_db_bind_blob(pl_db_stmt *s, int i, const void *p, size_t n);
void  pl_db_bind_null(pl_db_stmt *s, int i);
pl_rc pl_db_step(pl_db_stmt *s, pl_error *err);
int64_t pl_db_int(pl_db_stmt *s, int column); /* 0-based */
pl_str  pl_db_str(pl_db_stmt *s, int column); /* text */
pl_str  pl_db_blob(pl_db_stmt *s, int column);
bool    pl_db_is_null(pl_db_stmt *s, int column);
void    pl_db_done(pl_db_stmt *s); /* NULL-safe */
/* Prepares, runs to the end, ignores rows; gives the number of rows changed when asked.
 * Common for INSERT/UPDATE after binding. */
pl_rc pl_db_run(pl_db_stmt *s, int64_t *changed, pl_error *err); /* also calls done */

/* Runs a bound statement and gives at most `max` rows to fn, which reads the columns of its nth;
 * ends the statement whatever happens. */
typedef pl_rc (*pl_db_row_fn)(void *ctx, size_t nth, pl_db_stmt *s, pl_error *err);
pl_rc pl_db_rows(pl_db_stmt *s, size_t max, pl_db_row_fn fn, void *ctx, size_t *count,
                 pl_error *err);

/* One migration step of one capability. Steps run in order, each in its own
 * transaction, recorded in table schema_version(capability, version, applied_ms). */
typedef struct pl_migration {
    int         version; /* 1, 2, 3 … without gaps */
    const char *sql;
} pl_migration;
/* `steps` ends with version 0. PL_CONFLICT when the database is newer than the code. */
pl_rc pl_db_migrate(pl_db *db, const char *capability, const pl_migration *steps, int64_t now_ms,
                    pl_error *err);
/* Whether any migration was ever applied here: the database holds an installation's data. */
bool pl_db_is_migrated(pl_db *db);
#endif
