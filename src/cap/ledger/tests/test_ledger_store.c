/* The index of entries, on both databases: it answers what the log says, follows it, and is
 * made anew when the log is another. */
#include "pl_test_db.h"

#include "cap/ledger/ledger_query.h"
#include "ledger_test.h"

typedef struct sfx {
    lt_fx     *lt;
    pl_test_db t;
    pl_db     *db; /* of t */
    pl_arena  *arena;
} sfx;

static int setup(void **state)
{
    sfx *f = calloc(1, sizeof *f);

    assert_non_null(f);
    lt_setup((void **)&f->lt);
    pl_test_db_open(&f->t);
    f->db = f->t.db;
    f->arena = pl_arena_new(8u << 20);
    assert_ok(pl_db_migrate(f->db, "ledger", pl_ledger_migrations, 1, &f->lt->err), &f->lt->err);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    sfx   *f = *state;
    lt_fx *lt = f->lt;

    pl_arena_free(f->arena);
    pl_test_db_close(&f->t);
    free(f);
    return lt_teardown((void **)&lt);
}

static void state_(sfx *f, const char *subject, const char *type, const char *time)
{
    json_t  *p = time ? json_pack("{s:s}", "time", time) : json_object();
    uint64_t index;

    assert_ok(pl_ledger_state(f->lt->l, f->lt->signer, pl_str_z(subject), type, p, &index,
                              &f->lt->err), &f->lt->err);
    json_decref(p);
}

static void index_all(sfx *f)
{
    bool is_behind = true;

    lt_publish(f->lt);
    for (int i = 0; is_behind; i++) {
        assert_true(i < 100);
        assert_ok(pl_ledger_index_tick(f->db, f->lt->l, &is_behind, &f->lt->err), &f->lt->err);
    }
}

/* Indexes of what the question finds, as text. */
static const char *ask(sfx *f, const ledger_query *q)
{
    static char text[400];
    ledger_row  rows[50];
    size_t      n = 0, at = 0;

    assert_ok(pl_ledger_store_find(f->db, f->arena, q, rows, &n, &f->lt->err), &f->lt->err);
    text[0] = '\0';
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%llu", i ? " " : "",
                               (unsigned long long)rows[i].index);
    return text;
}

static ledger_query all(size_t limit)
{
    ledger_query q = LEDGER_QUERY_ALL;

    q.limit = limit;
    return q;
}

static void ledger_index__answers_by_subject_kind_time_and_place(void **state)
{
    sfx         *f = *state;
    ledger_query q = all(50);
    pl_str       junk = PL_STR("no statement");
    uint64_t     index;

    state_(f, "service:a", PL_PREDICATE("guard-stop"), "2026-11-22T12:00:00Z");
    state_(f, "service:b", PL_PREDICATE("guard-stop"), "2026-11-23T12:00:00Z");
    state_(f, "service:a", PL_PREDICATE("guard-resume"), "2026-11-24T12:00:00Z");
    assert_ok(pl_ledger_append(f->lt->l, &junk, 1, &index, &f->lt->err), &f->lt->err);
    state_(f, "service:a", PL_PREDICATE("guard-stop"), NULL);
    index_all(f);

    assert_string_equal(ask(f, &q), "0 1 2 3 4");
    q.limit = 2;
    assert_string_equal(ask(f, &q), "0 1");
    q.after = 1;
    assert_string_equal(ask(f, &q), "2 3");
    q = all(50);
    q.subject = PL_STR("service:a");
    assert_string_equal(ask(f, &q), "0 2 4");
    assert_ok(pl_ledger_query_type(&q, PL_STR("guard-stop"), &f->lt->err), &f->lt->err);
    assert_string_equal(ask(f, &q), "0 4");
    q.subject = PL_STR("");
    assert_string_equal(ask(f, &q), "0 1 4");
    assert_ok(pl_ledger_query_type(&q, PL_STR(PL_PREDICATE("guard-resume")), &f->lt->err),
              &f->lt->err);
    assert_string_equal(ask(f, &q), "2");
    q = all(50);
    assert_ok(pl_ledger_query_time(PL_STR("2026-11-23"), false, &q.from_ms, &f->lt->err),
              &f->lt->err);
    assert_string_equal(ask(f, &q), "1 2");
    assert_ok(pl_ledger_query_time(PL_STR("2026-11-23"), true, &q.to_ms, &f->lt->err), &f->lt->err);
    assert_string_equal(ask(f, &q), "1");
    q.subject = PL_STR("nobody");
    assert_string_equal(ask(f, &q), "");
}

static void ledger_index__follows_the_log_in_steps(void **state)
{
    sfx         *f = *state;
    ledger_query q = all(50);
    bool         is_behind = false;
    uint64_t     size = 0;
    pl_hash      root, want;

    lt_append(f->lt, 0, 1500);
    lt_publish(f->lt);
    assert_ok(pl_ledger_index_tick(f->db, f->lt->l, &is_behind, &f->lt->err), &f->lt->err);
    assert_true(is_behind);
    assert_ok(pl_ledger_store_mark_get(f->db, &size, &root, &f->lt->err), &f->lt->err);
    assert_int_equal(size, 1024);
    index_all(f);
    assert_ok(pl_ledger_store_mark_get(f->db, &size, &root, &f->lt->err), &f->lt->err);
    assert_int_equal(size, 1500);
    want = f->lt->l->head.root;
    assert_memory_equal(root.b, want.b, 32);
    q.subject = PL_STR("thing:1499");
    assert_string_equal(ask(f, &q), "1499");
    lt_append(f->lt, 1500, 1501);
    index_all(f);
    q.subject = PL_STR("thing:1500");
    assert_string_equal(ask(f, &q), "1500");
}

/* As after a restore of the folder or of the database alone. */
static void ledger_index__is_made_anew_for_another_log(void **state)
{
    sfx         *f = *state;
    ledger_query q = all(50);

    state_(f, "service:old", PL_PREDICATE("guard-stop"), NULL);
    state_(f, "service:old", PL_PREDICATE("guard-stop"), NULL);
    index_all(f);
    lt_close(f->lt);
    pl_test_rmtree(f->lt->dir);
    f->lt->dir = pl_path_join(f->lt->tmp, "ledger");
    assert_ok(pl_ledger_create(f->lt->dir, PL_STR(LT_ORIGIN), f->lt->signer, &f->lt->err),
              &f->lt->err);
    lt_open(f->lt);
    state_(f, "service:new", PL_PREDICATE("guard-stop"), NULL);
    index_all(f);
    assert_string_equal(ask(f, &q), "0");
    q.subject = PL_STR("service:old");
    assert_string_equal(ask(f, &q), "");
    q.subject = PL_STR("service:new");
    assert_string_equal(ask(f, &q), "0");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(ledger_index__answers_by_subject_kind_time_and_place),
        T(ledger_index__follows_the_log_in_steps),
        T(ledger_index__is_made_anew_for_another_log),
    };

    lt_use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
