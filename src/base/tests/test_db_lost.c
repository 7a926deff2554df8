#include "base/banned.h"

#include "base/db.h"
#include "base/db_int.h"
#include "base/str.h"
#include "pl_test_db.h"

/* A server that hangs up, as it does when it restarts. On SQLite there is nobody who could:
 * the tests then only show that the same calls work. */

typedef struct fx {
    pl_test_db t;
    pl_db     *db;
    pl_error   err;
} fx;

static int setup(void **state)
{
    fx *f = calloc(1, sizeof *f);

    assert_non_null(f);
    pl_test_db_open(&f->t);
    f->db = f->t.db;
    assert_ok(pl_db_exec(f->db, "CREATE TABLE t (id BIGINT PRIMARY KEY)", &f->err), &f->err);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    pl_test_db_close(&f->t);
    free(f);
    return 0;
}

/* Ends all other sessions of the server, and waits until they are gone. */
static void hang_up(fx *f)
{
    pl_db      *killer;
    pl_db_stmt *s;
    int64_t     left = 1;

    if (!pl_db_is_postgres(f->db))
        return;
    assert_ok(pl_db_open(f->t.url, &killer, &f->err), &f->err);
    assert_ok(pl_db_exec(killer,
                         "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                         " WHERE datname = current_database() AND pid <> pg_backend_pid()",
                         &f->err),
              &f->err);
    for (int i = 0; i < 200 && left > 0; i++) {
        (void)usleep(10000);
        assert_ok(pl_db_prepare(killer,
                                "SELECT COUNT(*) FROM pg_stat_activity WHERE"
                                " datname = current_database() AND pid <> pg_backend_pid()",
                                &s, &f->err),
                  &f->err);
        assert_ok(pl_db_step(s, &f->err), &f->err);
        left = pl_db_int(s, 0);
        pl_db_done(s);
    }
    assert_int_equal(left, 0);
    /* The server forgets a session a moment before it closes the line. */
    (void)usleep(200000);
    pl_db_close(killer);
}

static pl_rc put(fx *f, int64_t id)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(f->db, "INSERT INTO t (id) VALUES ($1)", &s, &f->err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, id);
    return pl_db_run(s, NULL, &f->err);
}

static void db_prepare__reconnects_and_prepares_anew_after_a_restart(void **state)
{
    fx *f = *state;

    assert_ok(put(f, 1), &f->err);
    hang_up(f);
    assert_ok(put(f, 2), &f->err);
    assert_rc(put(f, 1), PL_CONFLICT);
    hang_up(f);
    hang_up(f);
    assert_ok(put(f, 3), &f->err);
}

static void db_begin__reconnects(void **state)
{
    fx *f = *state;

    hang_up(f);
    assert_ok(pl_db_begin(f->db, &f->err), &f->err);
    assert_ok(put(f, 1), &f->err);
    assert_ok(pl_db_commit(f->db, &f->err), &f->err);
}

static void db_transaction__is_lost_whole_with_its_connection(void **state)
{
    fx   *f = *state;
    bool  server = pl_db_is_postgres(f->db);

    assert_ok(pl_db_begin(f->db, &f->err), &f->err);
    assert_ok(put(f, 1), &f->err);
    hang_up(f);
    assert_rc(put(f, 2), server ? PL_IO : PL_OK);
    assert_rc(put(f, 3), server ? PL_INVALID : PL_OK);
    if (server)
        assert_rc(pl_db_commit(f->db, &f->err), PL_INVALID);
    pl_db_abort(f->db);
    assert_ok(pl_db_begin(f->db, &f->err), &f->err);
    assert_ok(put(f, 1), &f->err); /* the first was rolled back */
    assert_ok(pl_db_commit(f->db, &f->err), &f->err);
}

static void db_commit__is_no_success_when_the_connection_is_gone(void **state)
{
    fx *f = *state;

    assert_ok(pl_db_begin(f->db, &f->err), &f->err);
    assert_ok(put(f, 1), &f->err);
    hang_up(f);
    assert_rc(pl_db_commit(f->db, &f->err), pl_db_is_postgres(f->db) ? PL_IO : PL_OK);
    pl_db_abort(f->db);
    assert_ok(put(f, 2), &f->err);
}

/* --- SQL text -------------------------------------------------------------------- */

static void sql_blob_to_bytea__changes_words_outside_quotes_only(void **state)
{
    static const char *const cases[][2] = {
        { "", "" },
        { "a BLOB, b blob NOT NULL", "a BYTEA, b BYTEA NOT NULL" },
        { "blobs, ablob, blob_x, x_blob, BLOB2", "blobs, ablob, blob_x, x_blob, BLOB2" },
        { "'BLOB' BLOB 'it''s a BLOB' \"BLOB\"", "'BLOB' BYTEA 'it''s a BLOB' \"BLOB\"" },
        { "-- BLOB\nBLOB /* BLOB */ BLOB", "-- BLOB\nBYTEA /* BLOB */ BYTEA" },
        { "$$ BLOB $$ BLOB $x$ BLOB $$ $x$ BLOB", "$$ BLOB $$ BYTEA $x$ BLOB $$ $x$ BYTEA" },
        { "$1 BLOB a-BLOB a/BLOB", "$1 BYTEA a-BYTEA a/BYTEA" },
        { "'BLOB", "'BLOB" },
        { "/* BLOB", "/* BLOB" },
        { "BLOB", "BYTEA" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *out = pl_sql_blob_to_bytea(cases[i][0]);

        assert_string_equal(out, cases[i][1]);
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(db_prepare__reconnects_and_prepares_anew_after_a_restart),
        T(db_begin__reconnects),
        T(db_transaction__is_lost_whole_with_its_connection),
        T(db_commit__is_no_success_when_the_connection_is_gone),
        cmocka_unit_test(sql_blob_to_bytea__changes_words_outside_quotes_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
