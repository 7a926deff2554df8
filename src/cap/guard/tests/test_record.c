/* From ring to ledger, with the accidents in between. Runs on both databases. */
#include "guard_fixture.h"

#include "base/file.h"
#include "base/timefmt.h"
#include "cap/guard/guard_run.h"
#include "cap/guard/pl_guard_cap.h"
#include "cap/ledger/pl_ledger.h"
#include "pl_test_db.h"

#include <sys/stat.h>

const pl_capability *const pl_capabilities[] = { &pl_cap_guard, NULL };

typedef struct fx {
    char        *dir;
    pl_instance  instance;
    pl_signer   *signer;
    pl_test_db   test_db;
    pl_db       *db;
    pl_services  sv;
    pl_gate     *worker;
    int64_t      now;
    pl_error     err;
} fx;

static int64_t fixed_now(void)
{
    return 1790000100000;
}

static char *path_of(const fx *f, const char *rel)
{
    return pl_path_join(f->dir, rel);
}

static void daemon_start(fx *f)
{
    char *ledger = path_of(f, "ledger");

    assert_ok(pl_ledger_open(ledger, f->signer, &f->sv.ledger, &f->err), &f->err);
    assert_ok(pl_cap_guard.start(&f->sv, f->db, &f->err), &f->err);
    free(ledger);
}

static void daemon_stop(fx *f)
{
    pl_cap_guard.stop(&f->sv);
    pl_ledger_close(f->sv.ledger);
}

static int setup(void **state)
{
    static const uint8_t seed[32] = { 7 };
    fx   *f = calloc(1, sizeof *f);
    char *gateway, *policy, *ledger;

    f->dir = pl_test_mkdtemp();
    snprintf(f->instance.dir, sizeof f->instance.dir, "%s", f->dir);
    snprintf(f->instance.service, sizeof f->instance.service, "svc");
    f->instance.retention_days = 184;
    gateway = path_of(f, "gateway");
    policy = path_of(f, "gateway/policy.db");
    ledger = path_of(f, "ledger");
    assert_int_equal(mkdir(gateway, 0700), 0);
    fixture_policy_write(policy, "pass", "true");
    assert_ok(pl_signer_new(PL_STR("test.example/ledger"), seed, &f->signer, &f->err), &f->err);
    assert_ok(pl_ledger_create(ledger, PL_STR("test.example/ledger"), f->signer, &f->err), &f->err);
    pl_test_db_open(&f->test_db);
    f->db = f->test_db.db;
    assert_ok(pl_db_migrate(f->db, "guard", pl_cap_guard.migrations, 1, &f->err), &f->err);
    f->sv = (pl_services){ .instance = &f->instance, .signer = f->signer, .now_ms = fixed_now };
    f->now = fixed_now();
    daemon_start(f);
    assert_ok(pl_gate_open(gateway, &f->worker, &f->err), &f->err);
    assert_ok(pl_gate_claim(f->worker, &f->err), &f->err);
    free(gateway);
    free(policy);
    free(ledger);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    daemon_stop(f);
    pl_gate_close(f->worker);
    pl_test_db_close(&f->test_db);
    pl_signer_free(f->signer);
    pl_test_rmtree(f->dir);
    free(f);
    return 0;
}

/* One judged exchange, as a worker would leave it. */
static void one_event(fx *f, unsigned i, char id[PL_ID_LEN + 1])
{
    pl_exchange_options o = { .policy = pl_gate_policy(f->worker), .route_name = PL_STR("default"),
                              .surface = pl_surface_find(PL_STR("/v1/chat/completions")),
                              .service = PL_STR("svc"), .now_ms = f->now + i,
                              .index_key = fixture_key, .max_response = 1u << 20 };
    uint8_t      rnd[10] = { 0 };
    pl_exchange *x;

    memcpy(rnd, &i, sizeof i);
    pl_id_format(o.now_ms, rnd, o.id);
    memcpy(id, o.id, sizeof o.id);
    x = pl_exchange_new(&o);
    pl_exchange_request(x, PL_STR("{\"messages\":[{\"role\":\"user\",\"content\":"
                                  "\"forbidden zork mildword\"}]}"));
    assert_int_equal(pl_gate_reserve(f->worker), PL_OK);
    pl_gate_put(f->worker, pl_exchange_event(x, f->now + i + 1));
    pl_exchange_free(x);
}

static void tick(fx *f)
{
    f->now += 1000;
    assert_ok(pl_cap_guard.tick(&f->sv, f->db, f->now, &f->err), &f->err);
}

/* The event is stored, its batch is in the ledger, and both proofs hold. */
static void expect_logged(fx *f, const char *id)
{
    pl_arena       *a = pl_arena_new(8u << 20);
    char           *ledger = path_of(f, "ledger"), *payload = NULL, *entry = NULL;
    pl_stored_event e;
    pl_stored_batch b;
    pl_checkpoint   head;
    pl_proof        proof;
    pl_merkle_range r;
    pl_str         *leaf;
    size_t          n = 0, count;
    pl_hash         h, root;

    assert_ok(pl_guard_event_find(f->db, a, pl_str_z(id), &e, &f->err), &f->err);
    assert_ok(pl_guard_batch_find(f->db, a, e.batch, &b, &f->err), &f->err);
    assert_true(b.ledger_index >= 0);
    assert_ok(pl_ledger_payload_get(ledger, b.payload, 1u << 24, &payload, &n, &f->err), &f->err);
    assert_ok(pl_guard_payload_leaves(a, (pl_str){ payload, n }, &leaf, &count, &f->err), &f->err);
    assert_int_equal(count, b.count);
    assert_true(pl_str_eq(leaf[e.position], e.leaf));
    pl_merkle_range_init(&r);
    for (size_t i = 0; i < count; i++) {
        h = pl_merkle_leaf(leaf[i]);
        pl_merkle_range_append(&r, &h);
    }
    root = pl_merkle_range_root(&r);
    assert_true(pl_hash_equal(&root, &b.root));
    assert_ok(pl_ledger_head(f->sv.ledger, &head, &f->err), &f->err);
    assert_ok(pl_ledger_entry(f->sv.ledger, (uint64_t)b.ledger_index, &entry, &n, &f->err), &f->err);
    assert_true(pl_str_eq((pl_str){ entry, n }, b.envelope));
    assert_ok(pl_ledger_inclusion(f->sv.ledger, (uint64_t)b.ledger_index, 0, &proof, &f->err),
              &f->err);
    h = pl_merkle_leaf(b.envelope);
    assert_ok(pl_merkle_inclusion_verify((uint64_t)b.ledger_index, head.size, &h, &proof,
                                         &head.root, &f->err), &f->err);
    free(entry);
    free(payload);
    free(ledger);
    pl_arena_free(a);
}

static void record__puts_every_event_into_the_ledger(void **state)
{
    fx  *f = *state;
    char id[30][PL_ID_LEN + 1];

    for (unsigned i = 0; i < 30; i++) {
        one_event(f, i, id[i]);
        if (i % 7 == 6)
            tick(f);
    }
    tick(f);
    for (unsigned i = 0; i < 30; i++)
        expect_logged(f, id[i]);
    assert_int_equal(pl_ledger_size(f->sv.ledger), 5); /* one statement per batch */
}

/* kill -9 after the rows, before or after the append: the same index, nothing twice. */
static void recover__settles_a_batch_whose_index_is_open(void **state)
{
    fx  *f = *state;
    char id[PL_ID_LEN + 1];

    one_event(f, 1, id);
    tick(f);
    daemon_stop(f);
    assert_ok(pl_db_exec(f->db, "UPDATE guard_batch SET ledger_index = NULL", &f->err), &f->err);
    daemon_start(f);
    assert_int_equal(pl_ledger_size(f->sv.ledger), 1);
    expect_logged(f, id);

    daemon_stop(f);
    assert_ok(pl_db_exec(f->db, "UPDATE guard_batch SET ledger_index = NULL, "
                         "envelope = (SELECT leaf FROM guard_event)", &f->err), &f->err);
    daemon_start(f); /* not in the log: appended now */
    assert_int_equal(pl_ledger_size(f->sv.ledger), 2);
}

/* kill -9 after the append, before the ring was acknowledged. */
static void recover__stores_no_event_twice(void **state)
{
    fx    *f = *state;
    char   id[PL_ID_LEN + 1], *ring = path_of(f, "gateway/ring-00.plr"), *copy = NULL;
    size_t n = 0;
    json_t *list = NULL;
    guard_event_query q = { .limit = 100 };

    one_event(f, 1, id);
    one_event(f, 2, id);
    assert_ok(pl_file_read(ring, 1u << 26, &copy, &n, &f->err), &f->err);
    tick(f);
    daemon_stop(f);
    FILE *file = fopen(ring, "r+b");
    assert_int_equal(fwrite(copy, 1, n, file), n);
    fclose(file);
    daemon_start(f);
    tick(f);
    assert_ok(guard_event_list(f->db, &q, &list, &f->err), &f->err);
    assert_int_equal(json_array_size(list), 2);
    assert_int_equal(pl_ledger_size(f->sv.ledger), 1);
    one_event(f, 3, id); /* and goes on */
    tick(f);
    expect_logged(f, id);
    json_decref(list);
    free(copy);
    free(ring);
}

static void list__filters_and_pages(void **state)
{
    fx     *f = *state;
    char    id[10][PL_ID_LEN + 1];
    json_t *list = NULL;

    for (unsigned i = 0; i < 10; i++)
        one_event(f, i, id[i]);
    tick(f);
    guard_event_query q = { .limit = 3 };
    assert_ok(guard_event_list(f->db, &q, &list, &f->err), &f->err);
    assert_int_equal(json_array_size(list), 3);
    json_t *first = json_array_get(list, 0);
    assert_string_equal(json_string_value(json_object_get(first, "id")), id[9]);
    assert_string_equal(json_string_value(json_object_get(first, "verdict")), "block");
    assert_int_equal(json_array_size(json_object_get(first, "categories")), 2);
    json_decref(list);
    q = (guard_event_query){ .limit = 100, .after = pl_str_z(id[6]), .before = pl_str_z(id[9]) };
    assert_ok(guard_event_list(f->db, &q, &list, &f->err), &f->err);
    assert_int_equal(json_array_size(list), 2);
    json_decref(list);
    q = (guard_event_query){ .limit = 100, .verdict = PL_STR("allow") };
    assert_ok(guard_event_list(f->db, &q, &list, &f->err), &f->err);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
}

static void stop__is_evidence_and_survives_a_lost_state_file(void **state)
{
    fx          *f = *state;
    pl_principal who = { .id = "01jb00000000000000000000aa" };
    json_t      *out = NULL;
    char        *path = path_of(f, "gateway/state.pls");

    assert_rc(guard_stop_set(guard_run_get(), &f->sv, f->db, true, PL_STR(" "), &who, &out, NULL),
              PL_INVALID);
    assert_ok(guard_stop_set(guard_run_get(), &f->sv, f->db, true, PL_STR("drill"), &who, &out,
                             &f->err), &f->err);
    json_decref(out);
    assert_true(pl_gate_stopped(f->worker));
    assert_int_equal(pl_ledger_size(f->sv.ledger), 1);
    assert_rc(guard_stop_set(guard_run_get(), &f->sv, f->db, true, PL_STR("again"), &who, &out,
                             NULL), PL_CONFLICT);
    daemon_stop(f);
    assert_int_equal(unlink(path), 0);
    daemon_start(f);
    assert_true(pl_gate_stopped(guard_run_get()->gate));
    assert_ok(guard_stop_set(guard_run_get(), &f->sv, f->db, false, PL_STR("over"), &who, &out,
                             &f->err), &f->err);
    json_decref(out);
    assert_false(pl_gate_stopped(guard_run_get()->gate));
    assert_int_equal(pl_ledger_size(f->sv.ledger), 2);
    free(path);
}

static void stop__set_without_a_daemon_is_recorded_at_its_start(void **state)
{
    fx            *f = *state;
    guard_stop_row row;

    daemon_stop(f);
    pl_gate_stop(f->worker, PL_STR("by hand"), 5);
    daemon_start(f);
    assert_int_equal(pl_ledger_size(f->sv.ledger), 1);
    assert_ok(guard_stop_get(f->db, &row, &f->err), &f->err);
    assert_true(row.stopped);
    assert_string_equal(row.reason, "by hand");
    daemon_stop(f);
    daemon_start(f); /* once */
    assert_int_equal(pl_ledger_size(f->sv.ledger), 1);
}

static void expire__removes_only_what_is_old(void **state)
{
    fx     *f = *state;
    char    id[PL_ID_LEN + 1];
    int64_t removed = 0;

    one_event(f, 1, id);
    tick(f);
    assert_ok(guard_event_expire(f->db, fixed_now(), &removed, &f->err), &f->err);
    assert_int_equal(removed, 0);
    assert_ok(guard_event_expire(f->db, fixed_now() + 100, &removed, &f->err), &f->err);
    assert_int_equal(removed, 1);
}

/* What the daemon of another node wrote into the shared database. */
static void other_node(fx *f, const char *sql, int64_t at)
{
    char text[512];

    snprintf(text, sizeof text, sql, (long long)at);
    assert_ok(pl_db_exec(f->db, text, &f->err), &f->err);
}

static bool part_is_stopped(fx *f)
{
    assert_ok(pl_gate_refresh(f->worker, &f->err), &f->err);
    return pl_gate_part_match(f->worker, PL_STR("svc"), PL_STR("m1"), PL_STR("")) != NULL;
}

static void stops__of_other_nodes_are_followed_within_a_second(void **state)
{
    fx *f = *state;

    other_node(f, "INSERT INTO guard_stop (id, stopped, reason, since_ms, changed_by, ledger_index) "
                  "VALUES (1, 1, 'there', %lld, 'x', 9)", f->now);
    other_node(f, "INSERT INTO guard_part_stop (scope, name, stopped, reason, since_ms, changed_by, "
                  "ledger_index) VALUES ('model', 'm1', 1, 'there', %lld, 'x', 9)", f->now);
    tick(f);
    assert_true(pl_gate_stopped(f->worker));
    assert_true(part_is_stopped(f));
    other_node(f, "UPDATE guard_stop SET stopped = 0, since_ms = %lld", f->now + 5);
    other_node(f, "UPDATE guard_part_stop SET stopped = 0, since_ms = %lld", f->now + 5);
    tick(f);
    assert_false(pl_gate_stopped(f->worker));
    assert_false(part_is_stopped(f));
}

/* A stop that could not be recorded yet is not lifted by an older word. */
static void stops__are_lifted_only_by_a_later_word(void **state)
{
    fx          *f = *state;
    pl_part_stop p = { .scope = PL_STOP_MODEL, .name = "m1", .reason = "here", .since_ms = f->now + 100 };

    other_node(f, "INSERT INTO guard_stop (id, stopped, reason, since_ms, changed_by, ledger_index) "
                  "VALUES (1, 0, 'there', %lld, 'x', 9)", f->now);
    other_node(f, "INSERT INTO guard_part_stop (scope, name, stopped, reason, since_ms, changed_by, "
                  "ledger_index) VALUES ('model', 'm1', 0, 'there', %lld, 'x', 9)", f->now);
    pl_gate_stop(f->worker, PL_STR("here"), f->now + 100);
    assert_ok(pl_gate_part_stop(f->worker, &p, &f->err), &f->err);
    tick(f);
    assert_true(pl_gate_stopped(f->worker));
    assert_true(part_is_stopped(f));
}

static void parts__stopped_without_a_daemon_are_recorded_at_its_start(void **state)
{
    fx          *f = *state;
    pl_part_stop p = { .scope = PL_STOP_TENANT, .name = "t", .reason = "night", .since_ms = f->now };
    uint64_t     before;

    daemon_stop(f);
    assert_ok(pl_gate_part_stop(f->worker, &p, &f->err), &f->err);
    daemon_start(f);
    before = pl_ledger_size(f->sv.ledger);
    assert_true(before > 0);
    daemon_stop(f);
    daemon_start(f); /* once is enough */
    assert_int_equal(pl_ledger_size(f->sv.ledger), before);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(record__puts_every_event_into_the_ledger),
        T(recover__settles_a_batch_whose_index_is_open),
        T(recover__stores_no_event_twice),
        T(list__filters_and_pages),
        T(stop__is_evidence_and_survives_a_lost_state_file),
        T(stop__set_without_a_daemon_is_recorded_at_its_start),
        T(expire__removes_only_what_is_old),
        T(stops__of_other_nodes_are_followed_within_a_second),
        T(stops__are_lifted_only_by_a_later_word),
        T(parts__stopped_without_a_daemon_are_recorded_at_its_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
