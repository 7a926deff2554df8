#include "base/banned.h"

#include "base/db.h"
#include "base/str.h"
#include "pl_test_db.h"

/* Runs on SQLite and on PostgreSQL; what differs is in test_db_sqlite.c and
 * test_db_postgres.c. */

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
    assert_ok(pl_db_exec(f->db,
                         "CREATE TABLE owner (id TEXT NOT NULL PRIMARY KEY);"
                         "CREATE TABLE thing (id BIGINT NOT NULL PRIMARY KEY, name TEXT UNIQUE,"
                         " digest BLOB, owner TEXT REFERENCES owner (id),"
                         " size BIGINT NOT NULL DEFAULT 0 CHECK (size >= 0))",
                         &f->err),
              &f->err);
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

static pl_db_stmt *prepared(fx *f, const char *sql)
{
    pl_db_stmt *s = NULL;

    assert_ok(pl_db_prepare(f->db, sql, &s, &f->err), &f->err);
    return s;
}

static pl_rc put(fx *f, int64_t id, const char *name)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(f->db, "INSERT INTO thing (id, name) VALUES ($1, $2)", &s, &f->err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, id);
    if (name != NULL)
        pl_db_bind_str(s, 2, pl_str_z(name));
    return pl_db_run(s, NULL, &f->err);
}

static int64_t count(fx *f)
{
    pl_db_stmt *s = prepared(f, "SELECT COUNT(*) FROM thing");
    int64_t     n;

    assert_ok(pl_db_step(s, &f->err), &f->err);
    n = pl_db_int(s, 0);
    pl_db_done(s);
    return n;
}

/* --- values -------------------------------------------------------------------- */

static void db_bind__round_trips_every_kind_of_value(void **state)
{
    fx         *f = *state;
    uint8_t     bytes[256];
    pl_db_stmt *s = prepared(f, "INSERT INTO thing (id, name, digest, size)"
                                " VALUES ($1, $2, $3, $4)");

    for (int i = 0; i < 256; i++)
        bytes[i] = (uint8_t)i;
    pl_db_bind_int(s, 1, INT64_MIN);
    pl_db_bind_str(s, 2, PL_STR("准绳 'quoted' \\ \"x\""));
    pl_db_bind_blob(s, 3, bytes, sizeof bytes);
    pl_db_bind_int(s, 4, INT64_MAX);
    assert_ok(pl_db_run(s, NULL, &f->err), &f->err);

    s = prepared(f, "SELECT id, name, digest, size, owner FROM thing");
    assert_ok(pl_db_step(s, &f->err), &f->err);
    assert_true(pl_db_int(s, 0) == INT64_MIN);
    assert_str(pl_db_str(s, 1), "准绳 'quoted' \\ \"x\"");
    assert_int_equal(pl_db_blob(s, 2).n, sizeof bytes);
    assert_memory_equal(pl_db_blob(s, 2).p, bytes, sizeof bytes);
    assert_true(pl_db_int(s, 3) == INT64_MAX);
    assert_false(pl_db_is_null(s, 3));
    assert_true(pl_db_is_null(s, 4));
    assert_str(pl_db_str(s, 4), "");
    assert_rc(pl_db_step(s, &f->err), PL_NOTFOUND);
    pl_db_done(s);
}

static void db_bind__keeps_empty_apart_from_null(void **state)
{
    fx         *f = *state;
    pl_db_stmt *s = prepared(f, "INSERT INTO thing (id, name, digest) VALUES ($1, $2, $3)");

    pl_db_bind_int(s, 1, 1);
    pl_db_bind_str(s, 2, (pl_str){ NULL, 0 });
    pl_db_bind_blob(s, 3, NULL, 0);
    assert_ok(pl_db_run(s, NULL, &f->err), &f->err);
    s = prepared(f, "SELECT name, digest FROM thing");
    assert_ok(pl_db_step(s, &f->err), &f->err);
    assert_false(pl_db_is_null(s, 0));
    assert_false(pl_db_is_null(s, 1));
    assert_int_equal(pl_db_blob(s, 1).n, 0);
    pl_db_done(s);
}

static void db_bind__leaves_unbound_parameters_null_also_on_the_second_use(void **state)
{
    fx         *f = *state;
    const char *sql = "INSERT INTO thing (id, name) VALUES ($1, $2)";

    assert_ok(put(f, 1, "x"), &f->err);
    pl_db_stmt *s = prepared(f, sql);
    pl_db_bind_int(s, 1, 2);
    assert_ok(pl_db_run(s, NULL, &f->err), &f->err);

    s = prepared(f, "SELECT name FROM thing WHERE id = $1");
    pl_db_bind_int(s, 1, 2);
    assert_ok(pl_db_step(s, &f->err), &f->err);
    assert_true(pl_db_is_null(s, 0));
    pl_db_done(s);
}

static void db_bind__uses_numbers_not_order_of_appearance(void **state)
{
    fx         *f = *state;
    pl_db_stmt *s = prepared(f, "INSERT INTO thing (name, id, size) VALUES ($2, $1, $1)");

    pl_db_bind_int(s, 1, 7);
    pl_db_bind_str(s, 2, PL_STR("seven"));
    assert_ok(pl_db_run(s, NULL, &f->err), &f->err);
    s = prepared(f, "SELECT id, name, size FROM thing WHERE name = $1");
    pl_db_bind_str(s, 1, PL_STR("seven"));
    assert_ok(pl_db_step(s, &f->err), &f->err);
    assert_true(pl_db_int(s, 0) == 7 && pl_db_int(s, 2) == 7);
    pl_db_done(s);
}

static void db_bind__refuses_text_that_only_one_database_would_take(void **state)
{
    fx          *f = *state;
    const pl_str bad[] = { PL_STR("a\0b"), PL_STR("\xff"), PL_STR("\xed\xa0\x80") };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pl_db_stmt *s = prepared(f, "INSERT INTO thing (id, name) VALUES (1, $1)");

        pl_db_bind_str(s, 1, bad[i]);
        assert_rc(pl_db_run(s, NULL, &f->err), PL_INVALID);
    }
    assert_int_equal(count(f), 0);
}

static void db_bind__reports_a_parameter_that_does_not_exist(void **state)
{
    fx         *f = *state;
    pl_db_stmt *s = prepared(f, "SELECT id FROM thing WHERE id = $1 AND name <> '$2'");

    pl_db_bind_int(s, 2, 1);
    assert_rc(pl_db_run(s, NULL, &f->err), PL_INVALID);
}

/* --- statements ---------------------------------------------------------------- */

static void db_step__gives_rows_in_order_and_then_stays_at_the_end(void **state)
{
    fx         *f = *state;
    pl_db_stmt *s;

    for (int i = 0; i < 5; i++)
        assert_ok(put(f, i, NULL), &f->err);
    s = prepared(f, "SELECT id FROM thing WHERE id >= $1 ORDER BY id DESC");
    pl_db_bind_int(s, 1, 2);
    for (int64_t want = 4; want >= 2; want--) {
        assert_ok(pl_db_step(s, &f->err), &f->err);
        assert_true(pl_db_int(s, 0) == want);
    }
    assert_rc(pl_db_step(s, &f->err), PL_NOTFOUND);
    assert_rc(pl_db_step(s, &f->err), PL_NOTFOUND);
    assert_true(pl_db_is_null(s, 0));
    pl_db_done(s);
}

static void db_step__lets_two_statements_of_the_same_text_interleave(void **state)
{
    fx         *f = *state;
    const char *sql = "SELECT id FROM thing ORDER BY id";
    pl_db_stmt *a, *b;

    assert_ok(put(f, 1, NULL), &f->err);
    assert_ok(put(f, 2, NULL), &f->err);
    a = prepared(f, sql);
    assert_ok(pl_db_step(a, &f->err), &f->err);
    b = prepared(f, sql);
    assert_ptr_not_equal(a, b);
    assert_ok(pl_db_step(b, &f->err), &f->err);
    assert_ok(pl_db_step(b, &f->err), &f->err);
    assert_true(pl_db_int(a, 0) == 1);
    assert_true(pl_db_int(b, 0) == 2);
    pl_db_done(b);
    assert_ok(pl_db_step(a, &f->err), &f->err);
    assert_true(pl_db_int(a, 0) == 2);
    pl_db_done(a);
}

static void db_step__lets_other_statements_write_while_one_is_read(void **state)
{
    fx         *f = *state;
    pl_db_stmt *s;

    assert_ok(put(f, 1, "a"), &f->err);
    assert_ok(put(f, 2, "b"), &f->err);
    s = prepared(f, "SELECT id FROM thing WHERE id < 10 ORDER BY id");
    assert_ok(pl_db_step(s, &f->err), &f->err);
    assert_ok(put(f, 100, "c"), &f->err);
    assert_ok(pl_db_step(s, &f->err), &f->err);
    assert_true(pl_db_int(s, 0) == 2);
    pl_db_done(s);
}

static void db_prepare__gives_the_same_statement_for_equal_text(void **state)
{
    fx         *f = *state;
    char        a[] = "SELECT 1", b[] = "SELECT 1";
    pl_db_stmt *first = prepared(f, a);

    pl_db_done(first);
    assert_ptr_equal(prepared(f, b), first);
    pl_db_done(first);
}

static void db_prepare__survives_more_texts_than_the_cache_holds(void **state)
{
    fx *f = *state;

    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 400; i++) {
            char        sql[64];
            pl_db_stmt *s;

            snprintf(sql, sizeof sql, "SELECT %d + COUNT(*) FROM thing", i);
            s = prepared(f, sql);
            assert_ok(pl_db_step(s, &f->err), &f->err);
            assert_true(pl_db_int(s, 0) == i);
            pl_db_done(s);
        }
}

static void db_prepare__refuses_two_statements_and_bad_sql(void **state)
{
    fx         *f = *state;
    pl_db_stmt *s = NULL;

    assert_rc(pl_db_prepare(f->db, "SELECT 1; SELECT 2", &s, &f->err), PL_INVALID);
    assert_rc(pl_db_prepare(f->db, "SELEC 1", &s, &f->err), PL_INVALID);
    assert_rc(pl_db_prepare(f->db, "SELECT x FROM nowhere", &s, &f->err), PL_INVALID);
    assert_null(s);
}

static void db_run__counts_changed_rows(void **state)
{
    fx         *f = *state;
    int64_t     n = -1;
    pl_db_stmt *s;

    for (int i = 0; i < 3; i++)
        assert_ok(put(f, i, NULL), &f->err);
    s = prepared(f, "UPDATE thing SET size = 5 WHERE id > $1");
    pl_db_bind_int(s, 1, 0);
    assert_ok(pl_db_run(s, &n, &f->err), &f->err);
    assert_true(n == 2);
    assert_ok(pl_db_run(prepared(f, "UPDATE thing SET size = 6 WHERE id = 77"), &n, &f->err),
              &f->err);
    assert_true(n == 0);
    assert_ok(pl_db_run(prepared(f, "SELECT id FROM thing"), &n, &f->err), &f->err);
    assert_true(n == 0);
    assert_ok(pl_db_run(prepared(f, "INSERT INTO thing (id) VALUES (0) ON CONFLICT DO NOTHING"), &n,
                        &f->err),
              &f->err);
    assert_true(n == 0);
}

static void db_step__returns_what_returning_asks_for(void **state)
{
    fx         *f = *state;
    pl_db_stmt *s = prepared(f, "INSERT INTO thing (id, size) VALUES (9, 3)"
                                " ON CONFLICT (id) DO UPDATE SET size = 4 RETURNING id, size");

    assert_ok(pl_db_step(s, &f->err), &f->err);
    assert_true(pl_db_int(s, 0) == 9 && pl_db_int(s, 1) == 3);
    assert_rc(pl_db_step(s, &f->err), PL_NOTFOUND);
    pl_db_done(s);
    assert_int_equal(count(f), 1);
}

static void db_int__reads_sums_and_truth_values(void **state)
{
    fx         *f = *state;
    pl_db_stmt *s;

    assert_ok(put(f, 40, NULL), &f->err);
    assert_ok(put(f, 2, NULL), &f->err);
    s = prepared(f, "SELECT SUM(id), EXISTS (SELECT 1 FROM thing), id = 2 FROM thing"
                    " WHERE id >= $1 GROUP BY id ORDER BY id");
    pl_db_bind_int(s, 1, 0);
    assert_ok(pl_db_step(s, &f->err), &f->err);
    assert_true(pl_db_int(s, 0) == 2 && pl_db_int(s, 1) == 1 && pl_db_int(s, 2) == 1);
    assert_ok(pl_db_step(s, &f->err), &f->err);
    assert_true(pl_db_int(s, 0) == 40 && pl_db_int(s, 2) == 0);
    pl_db_done(s);
    pl_db_done(NULL);
}

/* --- failures ------------------------------------------------------------------ */

static void db_run__maps_constraint_violations(void **state)
{
    fx         *f = *state;
    pl_db_stmt *s;

    assert_ok(put(f, 1, "a"), &f->err);
    assert_rc(put(f, 1, "b"), PL_CONFLICT);
    assert_rc(put(f, 2, "a"), PL_CONFLICT);
    s = prepared(f, "INSERT INTO thing (id, owner) VALUES (3, $1)");
    pl_db_bind_str(s, 1, PL_STR("nobody"));
    assert_rc(pl_db_run(s, NULL, &f->err), PL_CONFLICT);
    s = prepared(f, "INSERT INTO thing (id) VALUES ($1)");
    assert_rc(pl_db_run(s, NULL, &f->err), PL_INVALID);
    assert_rc(pl_db_run(prepared(f, "INSERT INTO thing (id, size) VALUES (4, -1)"), NULL, &f->err),
              PL_INVALID);
    assert_int_equal(count(f), 1);
}

static void db_run__names_no_bound_value_in_its_errors(void **state)
{
    fx *f = *state;

    assert_ok(put(f, 1, "secret-name"), &f->err);
    assert_rc(put(f, 2, "secret-name"), PL_CONFLICT);
    assert_null(strstr(f->err.text, "secret"));
}

static void db_open__refuses_other_schemes(void **state)
{
    fx    *f = *state;
    pl_db *db = NULL;

    assert_rc(pl_db_open("mysql://x", &db, &f->err), PL_INVALID);
    assert_rc(pl_db_open("postgresql://127.0.0.1:1/x", &db, &f->err), PL_IO);
    assert_rc(pl_db_open("sqlite:/nonexistent-directory/x.db", &db, &f->err), PL_IO);
    assert_non_null(strstr(f->err.text, "check that its directory exists"));
    assert_null(db);
}

/* --- transactions -------------------------------------------------------------- */

static void db_commit__keeps_and_abort_forgets(void **state)
{
    fx *f = *state;

    assert_ok(pl_db_begin(f->db, &f->err), &f->err);
    assert_ok(put(f, 1, NULL), &f->err);
    assert_ok(pl_db_commit(f->db, &f->err), &f->err);
    assert_ok(pl_db_begin(f->db, &f->err), &f->err);
    assert_ok(put(f, 2, NULL), &f->err);
    assert_int_equal(count(f), 2);
    pl_db_abort(f->db);
    assert_int_equal(count(f), 1);
    pl_db_abort(f->db);
}

static void db_commit__hides_nothing_from_a_second_connection_afterwards(void **state)
{
    fx         *f = *state;
    pl_db      *other;
    pl_db_stmt *s;

    assert_ok(pl_db_open(f->t.url, &other, &f->err), &f->err);
    assert_ok(pl_db_begin(f->db, &f->err), &f->err);
    assert_ok(put(f, 1, NULL), &f->err);
    assert_ok(pl_db_prepare(other, "SELECT COUNT(*) FROM thing", &s, &f->err), &f->err);
    assert_ok(pl_db_step(s, &f->err), &f->err);
    assert_true(pl_db_int(s, 0) == 0);
    pl_db_done(s);
    assert_ok(pl_db_commit(f->db, &f->err), &f->err);
    assert_ok(pl_db_prepare(other, "SELECT COUNT(*) FROM thing", &s, &f->err), &f->err);
    assert_ok(pl_db_step(s, &f->err), &f->err);
    assert_true(pl_db_int(s, 0) == 1);
    pl_db_done(s);
    pl_db_close(other);
}

static void db_begin__does_not_nest(void **state)
{
    fx *f = *state;

    assert_rc(pl_db_commit(f->db, &f->err), PL_INVALID);
    assert_ok(pl_db_begin(f->db, &f->err), &f->err);
    assert_rc(pl_db_begin(f->db, &f->err), PL_INVALID);
    assert_ok(put(f, 1, NULL), &f->err);
    assert_ok(pl_db_commit(f->db, &f->err), &f->err);
    assert_int_equal(count(f), 1);
}

static void db_transaction__takes_nothing_more_after_a_failure(void **state)
{
    fx         *f = *state;
    pl_db_stmt *s;

    assert_ok(put(f, 1, NULL), &f->err);
    assert_ok(pl_db_begin(f->db, &f->err), &f->err);
    assert_ok(put(f, 2, NULL), &f->err);
    assert_rc(put(f, 1, NULL), PL_CONFLICT);
    assert_rc(put(f, 3, NULL), PL_INVALID);
    assert_rc(pl_db_prepare(f->db, "SELECT 1", &s, &f->err), PL_INVALID);
    assert_rc(pl_db_commit(f->db, &f->err), PL_INVALID);
    pl_db_abort(f->db);
    assert_int_equal(count(f), 1);
    assert_ok(pl_db_begin(f->db, &f->err), &f->err);
    assert_ok(put(f, 3, NULL), &f->err);
    assert_ok(pl_db_commit(f->db, &f->err), &f->err);
    assert_int_equal(count(f), 2);
}

/* --- migrations ---------------------------------------------------------------- */

static const pl_migration two_steps[] = {
    { 1, "CREATE TABLE room (id TEXT NOT NULL PRIMARY KEY, seal BLOB, note TEXT DEFAULT 'BLOB')" },
    { 2, "ALTER TABLE room ADD COLUMN size BIGINT; CREATE INDEX room_size ON room (size)" },
    { 0, NULL },
};

static void db_migrate__applies_each_step_once(void **state)
{
    fx         *f = *state;
    pl_db_stmt *s;

    assert_false(pl_db_is_migrated(f->db));
    for (int i = 0; i < 3; i++)
        assert_ok(pl_db_migrate(f->db, "room", two_steps, 1000 + i, &f->err), &f->err);
    assert_true(pl_db_is_migrated(f->db));
    s = prepared(f, "SELECT version, applied_ms FROM schema_version WHERE capability = 'room'"
                    " ORDER BY version");
    for (int64_t v = 1; v <= 2; v++) {
        assert_ok(pl_db_step(s, &f->err), &f->err);
        assert_true(pl_db_int(s, 0) == v && pl_db_int(s, 1) == 1000);
    }
    assert_rc(pl_db_step(s, &f->err), PL_NOTFOUND);
    pl_db_done(s);

    s = prepared(f, "INSERT INTO room (id, seal, size) VALUES ('a', $1, 3)");
    pl_db_bind_blob(s, 1, "\0\xff", 2);
    assert_ok(pl_db_run(s, NULL, &f->err), &f->err);
    s = prepared(f, "SELECT seal, note FROM room");
    assert_ok(pl_db_step(s, &f->err), &f->err);
    assert_int_equal(pl_db_blob(s, 0).n, 2);
    assert_memory_equal(pl_db_blob(s, 0).p, "\0\xff", 2);
    assert_str(pl_db_str(s, 1), "BLOB");
    pl_db_done(s);
}

static void db_migrate__continues_where_it_stopped(void **state)
{
    fx                *f = *state;
    const pl_migration one[] = { two_steps[0], { 0, NULL } };

    assert_ok(pl_db_migrate(f->db, "room", one, 1, &f->err), &f->err);
    assert_ok(pl_db_migrate(f->db, "other", one + 1, 1, &f->err), &f->err);
    assert_ok(pl_db_migrate(f->db, "room", two_steps, 2, &f->err), &f->err);
    pl_db_done(prepared(f, "SELECT size FROM room"));
}

static void db_migrate__refuses_a_database_that_is_newer(void **state)
{
    fx                *f = *state;
    const pl_migration one[] = { two_steps[0], { 0, NULL } };

    assert_ok(pl_db_migrate(f->db, "room", two_steps, 1, &f->err), &f->err);
    assert_rc(pl_db_migrate(f->db, "room", one, 2, &f->err), PL_CONFLICT);
    assert_string_equal(f->err.text, "database holds version 2 of 'room', this program knows only "
                                     "1: use the newer program");
    assert_ok(pl_db_begin(f->db, &f->err), &f->err); /* nothing was left open */
    pl_db_abort(f->db);
}

static void db_migrate__rolls_a_failing_step_back_whole(void **state)
{
    fx                *f = *state;
    pl_db_stmt        *s;
    const pl_migration bad[] = {
        two_steps[0],
        { 2, "CREATE TABLE half (id BIGINT); CREATE TABLE nonsense (" },
        { 0, NULL },
    };

    assert_rc(pl_db_migrate(f->db, "room", bad, 1, &f->err), PL_INVALID);
    assert_rc(pl_db_prepare(f->db, "SELECT id FROM half", &s, &f->err), PL_INVALID);
    pl_db_done(prepared(f, "SELECT id FROM room"));
    assert_ok(pl_db_migrate(f->db, "room", two_steps, 2, &f->err), &f->err);
}

static void db_migrate__refuses_gaps_in_the_numbers(void **state)
{
    fx                *f = *state;
    const pl_migration gap[] = { two_steps[0], { 3, "SELECT 1" }, { 0, NULL } };

    assert_rc(pl_db_migrate(f->db, "room", gap, 1, &f->err), PL_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(db_bind__round_trips_every_kind_of_value),
        T(db_bind__keeps_empty_apart_from_null),
        T(db_bind__leaves_unbound_parameters_null_also_on_the_second_use),
        T(db_bind__uses_numbers_not_order_of_appearance),
        T(db_bind__refuses_text_that_only_one_database_would_take),
        T(db_bind__reports_a_parameter_that_does_not_exist),
        T(db_step__gives_rows_in_order_and_then_stays_at_the_end),
        T(db_step__lets_two_statements_of_the_same_text_interleave),
        T(db_step__lets_other_statements_write_while_one_is_read),
        T(db_prepare__gives_the_same_statement_for_equal_text),
        T(db_prepare__survives_more_texts_than_the_cache_holds),
        T(db_prepare__refuses_two_statements_and_bad_sql),
        T(db_run__counts_changed_rows),
        T(db_step__returns_what_returning_asks_for),
        T(db_int__reads_sums_and_truth_values),
        T(db_run__maps_constraint_violations),
        T(db_run__names_no_bound_value_in_its_errors),
        T(db_open__refuses_other_schemes),
        T(db_commit__keeps_and_abort_forgets),
        T(db_commit__hides_nothing_from_a_second_connection_afterwards),
        T(db_begin__does_not_nest),
        T(db_transaction__takes_nothing_more_after_a_failure),
        T(db_migrate__applies_each_step_once),
        T(db_migrate__continues_where_it_stopped),
        T(db_migrate__refuses_a_database_that_is_newer),
        T(db_migrate__rolls_a_failing_step_back_whole),
        T(db_migrate__refuses_gaps_in_the_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
