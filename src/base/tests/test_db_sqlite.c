#include "base/banned.h"

#include "base/db.h"
#include "base/file.h"
#include "base/str.h"
#include "pl_test.h"

#include <sys/stat.h>
#include <sys/wait.h>

/* What only SQLite does; the rest is in test_db.c. */

typedef struct fx {
    char    *dir, *path;
    char     url[512];
    pl_db   *db;
    pl_error err;
} fx;

static int setup(void **state)
{
    fx *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->dir = pl_test_mkdtemp();
    f->path = pl_path_join(f->dir, "x.db");
    (void)snprintf(f->url, sizeof f->url, "sqlite:%s", f->path);
    assert_ok(pl_db_open(f->url, &f->db, &f->err), &f->err);
    assert_ok(pl_db_exec(f->db, "CREATE TABLE t (id BIGINT PRIMARY KEY, body BLOB)", &f->err),
              &f->err);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    pl_db_close(f->db);
    free(f->path);
    pl_test_rmtree(f->dir);
    free(f);
    return 0;
}

static int64_t pragma(fx *f, const char *sql)
{
    pl_db_stmt *s;
    int64_t     v;

    assert_ok(pl_db_prepare(f->db, sql, &s, &f->err), &f->err);
    assert_ok(pl_db_step(s, &f->err), &f->err);
    v = pl_str_eqz(pl_db_str(s, 0), "wal") ? 1 : pl_db_int(s, 0);
    pl_db_done(s);
    return v;
}

static void db_open__sets_sqlite_up_as_promised(void **state)
{
    fx *f = *state;

    assert_false(pl_db_is_postgres(f->db));
    assert_int_equal(pragma(f, "PRAGMA journal_mode"), 1);
    assert_int_equal(pragma(f, "PRAGMA synchronous"), 2);
    assert_int_equal(pragma(f, "PRAGMA foreign_keys"), 1);
    assert_int_equal(pragma(f, "PRAGMA busy_timeout"), 5000);
}

static void db_open__keeps_all_files_private(void **state)
{
    static const char *const suffixes[] = { "", "-wal", "-shm" };
    fx                      *f = *state;

    for (size_t i = 0; i < 3; i++) {
        char        path[600];
        struct stat st;

        (void)snprintf(path, sizeof path, "%s%s", f->path, suffixes[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
}

static void db_open__refuses_a_file_that_is_no_database(void **state)
{
    fx    *f = *state;
    char  *path = pl_path_join(f->dir, "notes.txt");
    char   url[600];
    pl_db *db = NULL;

    assert_ok(pl_file_write_atomic(path, PL_STR("not a database at all, sorry; really not\n"), 0600,
                                   &f->err),
              &f->err);
    (void)snprintf(url, sizeof url, "sqlite:%s", path);
    assert_rc(pl_db_open(url, &db, &f->err), PL_IO);
    assert_non_null(strstr(f->err.text, "not a database"));
    assert_null(db);
    free(path);
}

/* max_page_count makes SQLite itself report SQLITE_FULL, the way a full disk does. */
static void db_run__says_that_the_disk_is_full_and_keeps_what_was_committed(void **state)
{
    fx         *f = *state;
    static char big[200000];
    pl_db_stmt *s;

    assert_ok(pl_db_exec(f->db, "INSERT INTO t (id) VALUES (1); PRAGMA max_page_count = 8",
                         &f->err),
              &f->err);
    assert_ok(pl_db_begin(f->db, &f->err), &f->err);
    assert_ok(pl_db_prepare(f->db, "INSERT INTO t (id, body) VALUES (2, $1)", &s, &f->err),
              &f->err);
    pl_db_bind_blob(s, 1, big, sizeof big);
    assert_rc(pl_db_run(s, NULL, &f->err), PL_IO);
    assert_string_equal(f->err.text, "cannot write the database: the disk is full");
    assert_rc(pl_db_commit(f->db, &f->err), PL_INVALID);
    pl_db_abort(f->db);
    assert_ok(pl_db_exec(f->db, "PRAGMA max_page_count = 100000", &f->err), &f->err);
    assert_int_equal(pragma(f, "SELECT COUNT(*) FROM t"), 1);
    assert_ok(pl_db_begin(f->db, &f->err), &f->err);
    assert_ok(pl_db_exec(f->db, "INSERT INTO t (id) VALUES (2)", &f->err), &f->err);
    assert_ok(pl_db_commit(f->db, &f->err), &f->err);
}

static void db_begin__takes_the_write_lock_at_once(void **state)
{
    fx    *f = *state;
    pl_db *other;

    assert_ok(pl_db_open(f->url, &other, &f->err), &f->err);
    assert_ok(pl_db_exec(other, "PRAGMA busy_timeout = 50", &f->err), &f->err);
    assert_ok(pl_db_begin(f->db, &f->err), &f->err);
    assert_rc(pl_db_begin(other, &f->err), PL_CONFLICT);
    assert_string_equal(f->err.text, "database is locked by another process");
    pl_db_abort(f->db);
    assert_ok(pl_db_begin(other, &f->err), &f->err);
    pl_db_close(other); /* an open transaction goes with it */
    assert_ok(pl_db_begin(f->db, &f->err), &f->err);
    pl_db_abort(f->db);
}

/* Runs in a process of its own: opens, reads, closes. Gives the number of rows. */
static int rows_seen_elsewhere(const char *url)
{
    pid_t pid = fork();
    int   status;

    assert_true(pid >= 0);
    if (pid == 0) {
        pl_db      *db;
        pl_db_stmt *s;
        int         n = 100;
        if (pl_db_open(url, &db, NULL) == PL_OK &&
            pl_db_prepare(db, "SELECT COUNT(*) FROM t", &s, NULL) == PL_OK &&
            pl_db_step(s, NULL) == PL_OK) {
            n = (int)pl_db_int(s, 0);
            pl_db_done(s);
            pl_db_close(db);
        }
        _exit(n);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

/* Opening a second connection once dropped the first one's locks, so that another process
 * took the write-ahead log away and later rows were written into an unlinked file. */
static void db_open__keeps_the_locks_of_this_process(void **state)
{
    fx    *f = *state;
    pl_db *second;

    assert_ok(pl_db_exec(f->db, "INSERT INTO t (id) VALUES (1)", &f->err), &f->err);
    assert_ok(pl_db_open(f->url, &second, &f->err), &f->err);
    assert_int_equal(rows_seen_elsewhere(f->url), 1);
    assert_ok(pl_db_exec(f->db, "INSERT INTO t (id) VALUES (2)", &f->err), &f->err);
    assert_int_equal(rows_seen_elsewhere(f->url), 2);
    pl_db_close(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(db_open__sets_sqlite_up_as_promised),
        T(db_open__keeps_all_files_private),
        T(db_open__refuses_a_file_that_is_no_database),
        T(db_run__says_that_the_disk_is_full_and_keeps_what_was_committed),
        T(db_begin__takes_the_write_lock_at_once),
        T(db_open__keeps_the_locks_of_this_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
