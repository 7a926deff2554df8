/* What db.c and the two drivers share. Private to src/base. */
#ifndef PL_BASE_DB_INT_H
#define PL_BASE_DB_INT_H

#include "base/db.h"

#define DB_PARAMS_MAX 99

typedef enum db_value_kind { DB_NULL, DB_INT, DB_TEXT, DB_BLOB } db_value_kind;

typedef struct db_value {
    db_value_kind kind;
    int64_t       i;
    pl_str        s; /* s.p is never NULL */
} db_value;

typedef enum db_phase {
    DB_READY,    /* may be bound, not run yet          */
    DB_ROW,      /* stands on a row                    */
    DB_FINISHED, /* no more rows, or failed            */
} db_phase;

/* A driver's own statement starts with one of these. */
struct pl_db_stmt {
    pl_db      *db;
    pl_db_stmt *next; /* in its bucket of the cache */
    char       *sql;
    uint32_t    hash;
    uint64_t    used;   /* tick of its last use, for eviction */
    int         params; /* highest $N */
    bool        busy;   /* between prepare and done */
    db_phase    phase;
    pl_rc       bind_rc; /* first binding mistake, reported by step */
};

typedef struct db_driver {
    const char *begin;
    /* Outside a transaction: makes sure that there is a live connection. May be NULL. */
    pl_rc (*revive)(pl_db *db, pl_error *err);
    pl_rc (*exec)(pl_db *db, const char *sql, pl_error *err);
    void (*rollback)(pl_db *db);
    void (*close)(pl_db *db);

    /* sql, db and params of the new statement are set by the caller. */
    pl_rc (*prepare)(pl_db *db, const char *sql, int params, pl_db_stmt **out, pl_error *err);
    /* Before a cached statement is used again. May be NULL. */
    pl_rc (*reuse)(pl_db_stmt *s, pl_error *err);
    void (*bind)(pl_db_stmt *s, int i, const db_value *v);
    pl_rc (*step)(pl_db_stmt *s, pl_error *err);
    int64_t (*changed)(pl_db_stmt *s);
    bool (*is_null)(pl_db_stmt *s, int column);
    int64_t (*get_int)(pl_db_stmt *s, int column);
    pl_str (*get_str)(pl_db_stmt *s, int column);
    pl_str (*get_blob)(pl_db_stmt *s, int column);
    void (*reset)(pl_db_stmt *s);
    void (*free)(pl_db_stmt *s);
} db_driver;

#define DB_BUCKETS   64u
#define DB_CACHE_MAX 256u

/* A driver's own connection starts with this. */
struct pl_db {
    const db_driver *driver;
    bool             in_tx;
    bool             tx_failed; /* only pl_db_abort helps now */
    bool             closing;
    uint64_t         tick;
    size_t           cached;
    pl_db_stmt      *bucket[DB_BUCKETS];
    pl_db_stmt      *recent[DB_BUCKETS]; /* by the address of the text: most are constants */
};

extern const db_driver pl_db_sqlite;
extern const db_driver pl_db_postgres;
pl_rc pl_db_sqlite_open(const char *path, pl_db **out, pl_error *err);
pl_rc pl_db_postgres_open(const char *url, pl_db **out, pl_error *err);

/* Offset behind the quoted text, comment or dollar quote that starts at sql[at], or `at`
 * when none does there. */
size_t pl_sql_opaque_end(const char *sql, size_t at);
/* sql with every word BLOB outside quotes replaced by BYTEA, malloc'd. */
char *pl_sql_blob_to_bytea(const char *sql);

#endif
