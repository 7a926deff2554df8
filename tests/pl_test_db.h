/* A clean database for one store test. tests/run starts each store test twice, once with
 * PL_TEST_DB=sqlite:DIR/test.db and once with PL_TEST_DB=postgresql://…; run by hand
 * without it, a test uses SQLite in its own temporary directory. */
#ifndef PL_TEST_DB_H
#define PL_TEST_DB_H

#include "base/db.h"
#include "pl_test.h"

typedef struct pl_test_db {
    char   url[512];
    char  *dir; /* ours to remove, or NULL */
    pl_db *db;
} pl_test_db;

/* Opens a database with no tables in it; further connections use t->url. */
static inline void pl_test_db_open(pl_test_db *t)
{
    static unsigned serial;
    const char     *base = getenv("PL_TEST_DB");
    pl_error        err = { 0 };

    *t = (pl_test_db){ 0 };
    if (!base)
        t->dir = pl_test_mkdtemp();
    if (!base)
        snprintf(t->url, sizeof t->url, "sqlite:%s/test.db", t->dir);
    else if (strncmp(base, "sqlite:", 7) == 0) /* a new file per call is clean for free */
        snprintf(t->url, sizeof t->url, "%s.%d.%u", base, (int)getpid(), ++serial);
    else
        snprintf(t->url, sizeof t->url, "%s", base);

    assert_ok(pl_db_open(t->url, &t->db, &err), &err);
    if (pl_db_is_postgres(t->db))
        assert_ok(pl_db_exec(t->db,
                             "SET client_min_messages = warning;"
                             "DROP SCHEMA public CASCADE; CREATE SCHEMA public", &err),
                  &err);
}

static inline void pl_test_db_close(pl_test_db *t)
{
    pl_db_close(t->db);
    pl_test_rmtree(t->dir);
    *t = (pl_test_db){ 0 };
}

#endif
