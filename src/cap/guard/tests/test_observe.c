/* What the gateway saw, counted by day. Runs on both databases. */
#include "pl_test.h"

#include "base/str.h"
#include "cap/guard/guard_leaf.h"
#include "cap/guard/guard_store.h"
#include "cap/guard/pl_guard_cap.h"
#include "pl_test_db.h"

const pl_capability *const pl_capabilities[] = { &pl_cap_guard, NULL };

#define DAY 86400000LL
#define LEAF(model, upstream, verdict, surface, label)                                                               \
    "{\"v\":1,\"service\":\"svc\",\"surface\":\"" surface "\"" model ",\"verdict\":\"" verdict                        \
    "\",\"direction\":\"\",\"upstream_status\":" upstream ",\"input\":{\"findings\":[{\"category\":\"harm.fraud\","   \
    "\"label\":\"no\"}]},\"label\":\"" label "\"}"

static pl_test_db test_db;

static int setup(void **state)
{
    pl_error err = { 0 };

    pl_test_db_open(&test_db);
    assert_ok(pl_db_migrate(test_db.db, "guard", pl_cap_guard.migrations, 1, &err), &err);
    *state = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pl_test_db_close(&test_db);
    return 0;
}

static void take(json_t *seen, const char *leaf, int64_t time_ms)
{
    pl_error   err = { 0 };
    guard_leaf l;

    assert_ok(guard_leaf_read(pl_str_z(leaf), &l, &err), &err);
    guard_seen_add(seen, &l, time_ms, 1);
    guard_leaf_done(&l);
}

static void lists(int64_t from_day, const char *kind, const char *want)
{
    pl_error err = { 0 };
    json_t  *list = json_array();
    char    *text;

    assert_ok(guard_seen_list(test_db.db, from_day, kind, list, &err), &err);
    text = json_dumps(list, JSON_COMPACT);
    assert_string_equal(text, want);
    free(text);
    json_decref(list);
}

static void a_leaf_is_read_once(void **state)
{
    pl_error   err = { 0 };
    guard_leaf l;

    (void)state;
    assert_ok(guard_leaf_read(PL_STR(LEAF(",\"model\":\"a\\\"b\"", "200", "allow", "chat.completions", "text")), &l, &err), &err);
    assert_true(pl_str_eqz(l.model, "a\\\"b"));
    assert_true(pl_str_eqz(l.label, "text"));
    assert_true(pl_str_eqz(l.surface, "chat.completions"));
    assert_true(pl_str_eqz(pl_buf_str(&l.categories), "harm.fraud"));
    assert_int_equal(l.upstream_status, 200);
    guard_leaf_done(&l);
    assert_int_equal(guard_leaf_read(PL_STR("{\"v\":"), &l, &err), PL_INVALID);
    guard_leaf_done(&l);
}

static void what_was_seen_is_listed_by_day(void **state)
{
    pl_error err = { 0 };
    json_t  *seen = json_object();

    (void)state;
    take(seen, LEAF(",\"model\":\"m 1\"", "200", "allow", "chat.completions", "text"), 10 * DAY);
    take(seen, LEAF(",\"model\":\"m 1\"", "200", "allow", "chat.completions", "header"), 10 * DAY + 5);
    take(seen, LEAF(",\"model\":\"\\u4e2d\\\"\"", "201", "block", "chat.completions", "none"), 12 * DAY);
    take(seen, LEAF(",\"model\":\"made-up\"", "404", "error", "chat.completions", "none"), 12 * DAY);
    take(seen, LEAF(",\"model\":\"stopped\"", "0", "refuse", "chat.completions", "none"), 12 * DAY);
    take(seen, LEAF("", "200", "allow", "embeddings", "none"), 12 * DAY);
    assert_ok(guard_seen_store(test_db.db, seen, &err), &err);
    assert_ok(guard_seen_store(test_db.db, seen, &err), &err); /* adds to the counts */
    json_decref(seen);
    lists(0, "models", "[\"m 1\",\"中\\\"\"]");
    lists(11, "models", "[\"中\\\"\"]");
    lists(13, "models", "[]");
    lists(0, "labels", "[\"header\",\"text\"]");
    lists(0, "surfaces", "[\"chat.completions\",\"embeddings\"]");
    assert_ok(guard_seen_expire(test_db.db, 11, &err), &err);
    lists(0, "models", "[\"中\\\"\"]");
}

/* Names are the client's: a flood of them stays a few hundred rows, and is seen to be one. */
static void a_flood_of_names_is_bounded(void **state)
{
    pl_error err = { 0 };
    json_t  *list = json_array();
    char     name[20];

    (void)state;
    assert_ok(pl_db_begin(test_db.db, &err), &err);
    for (int i = 0; i < 600; i++) {
        (void)snprintf(name, sizeof name, "n%d", i);
        assert_ok(guard_seen_put(test_db.db, 20, PL_STR("models"), pl_str_z(name), 1, &err), &err);
    }
    assert_ok(guard_seen_put(test_db.db, 20, PL_STR("models"), PL_STR("n3"), 1, &err), &err);
    assert_ok(pl_db_commit(test_db.db, &err), &err);
    assert_ok(guard_seen_list(test_db.db, 20, "models", list, &err), &err);
    assert_int_equal(json_array_size(list), 501);
    assert_string_equal(json_string_value(json_array_get(list, 0)), "*");
    json_decref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leaf_is_read_once),
        cmocka_unit_test_setup_teardown(what_was_seen_is_listed_by_day, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flood_of_names_is_bounded, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
