/* Rings, slots, state: what survives which death. */
#include "guard_fixture.h"

#include "cap/guard/gate_int.h"
#include "cap/guard/ring.h"

#include <signal.h>
#include <sys/wait.h>

typedef struct fx {
    char    *dir;
    pl_gate *worker, *daemon;
} fx;

static int setup(void **state)
{
    fx      *f = calloc(1, sizeof *f);
    char     path[512];
    pl_error err;

    f->dir = pl_test_mkdtemp();
    snprintf(path, sizeof path, "%s/policy.db", f->dir);
    fixture_policy_write(path, "pass", "true");
    assert_ok(pl_gate_prepare(f->dir, &err), &err);
    assert_ok(pl_gate_prepare(f->dir, &err), &err); /* idempotent */
    assert_ok(pl_gate_open(f->dir, &f->worker, &err), &err);
    assert_ok(pl_gate_open(f->dir, &f->daemon, &err), &err);
    assert_ok(pl_gate_claim(f->worker, &err), &err);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    pl_gate_close(f->worker);
    pl_gate_close(f->daemon);
    pl_test_rmtree(f->dir);
    free(f);
    return 0;
}

static pl_event sample(char id[PL_ID_LEN + 1], char *leaf, size_t leaf_n, uint32_t i)
{
    uint8_t  rnd[10] = { 0 };
    pl_event e = { .time_ms = 1790000000000 + i, .output_count = i % 3 };

    memcpy(rnd, &i, sizeof i);
    pl_id_format(e.time_ms, rnd, id);
    snprintf(leaf, leaf_n, "{\"i\":%u,\"pad\":\"%0*d\"}", i, (int)(i * 37 % 900) + 1, 0);
    e.id = pl_str_z(id);
    e.leaf = pl_str_z(leaf);
    memset(e.salt, (int)(i & 0xff), sizeof e.salt);
    memset(e.outputs, (int)(i & 0xff), sizeof e.outputs);
    return e;
}

static void put(pl_gate *g, uint32_t i)
{
    char     id[PL_ID_LEN + 1], leaf[2048];
    pl_event e = sample(id, leaf, sizeof leaf, i);

    assert_int_equal(pl_gate_reserve(g), PL_OK);
    pl_gate_put(g, &e);
}

/* Drains everything and checks that it is the run from..to in order. */
static void expect_run(pl_gate *g, uint32_t from, uint32_t to)
{
    pl_gate_item it;
    pl_error     err;
    uint64_t     last = 0;
    pl_rc        rc;

    for (uint32_t i = from; i < to; i++) {
        char     id[PL_ID_LEN + 1], leaf[2048];
        pl_event e = sample(id, leaf, sizeof leaf, i);
        rc = pl_gate_drain_next(g, &it, &err);
        if (rc != PL_OK)
            fail_msg("event %u: %d", i, rc);
        assert_true(pl_str_eq(it.event.leaf, e.leaf));
        assert_true(pl_str_eq(it.event.id, e.id));
        assert_memory_equal(it.event.salt, e.salt, 32);
        assert_int_equal(it.event.output_count, e.output_count);
        assert_memory_equal(it.event.outputs, e.outputs, e.output_count * 32);
        assert_true(it.seq > last);
        last = it.seq;
    }
    assert_int_equal(pl_gate_drain_next(g, &it, &err), PL_NOTFOUND);
}

static void ring__gives_back_what_was_put_in_order(void **state)
{
    fx *f = *state;

    for (uint32_t round = 0; round < 40; round++) { /* many times around the ring */
        for (uint32_t i = 0; i < 50; i++)
            put(f->worker, round * 50 + i);
        expect_run(f->daemon, round * 50, round * 50 + 50);
        pl_gate_drain_ack(f->daemon);
    }
    assert_int_equal(pl_gate_counter(f->daemon, PL_COUNT_EVENTS), 2000);
    assert_int_equal(pl_gate_counter(f->daemon, PL_COUNT_SPILLED), 0);
    assert_int_equal(pl_gate_pending(f->daemon), 0);
}

static void ring__keeps_everything_until_acknowledged(void **state)
{
    fx *f = *state;

    for (uint32_t i = 0; i < 20; i++)
        put(f->worker, i);
    expect_run(f->daemon, 0, 20);
    pl_gate_drain_rewind(f->daemon);
    expect_run(f->daemon, 0, 20);
    /* a new daemon starts where the old one acknowledged */
    pl_gate *second;
    pl_error err;
    assert_ok(pl_gate_open(f->dir, &second, &err), &err);
    expect_run(second, 0, 20);
    pl_gate_drain_ack(second);
    pl_gate_close(second);
}

static void spill__continues_a_full_ring_in_order(void **state)
{
    fx      *f = *state;
    uint32_t n = 24000; /* about 13 MB: far more than the hot ring holds */

    for (uint32_t i = 0; i < n; i++)
        put(f->worker, i);
    assert_true(pl_gate_counter(f->daemon, PL_COUNT_SPILLED) > 0);
    expect_run(f->daemon, 0, n);
    pl_gate_drain_ack(f->daemon);
    for (uint32_t i = n; i < n + 100; i++) /* and returns to the hot one */
        put(f->worker, i);
    expect_run(f->daemon, n, n + 100);
    assert_int_equal(pl_gate_counter(f->daemon, PL_COUNT_LOST), 0);
}

/* A ring file of an instance made earlier: its hot ring is smaller, and it stays in use. */
static void ring__of_the_earlier_size_is_used_as_it_is(void **state)
{
    fx       *f = *state;
    char      path[512];
    ring_head h = { .magic = PL_RING_MAGIC, .version = PL_GATE_VERSION, .hot_bytes = PL_GATE_RING_OLD_BYTES,
                    .spill_bytes = PL_GATE_SPILL_BYTES, .next_seq = 1 };
    uint32_t  n = PL_GATE_RING_OLD_BYTES / 600;
    int       fd;

    pl_gate_release(f->worker);
    snprintf(path, sizeof path, "%s/ring-00.plr", f->dir);
    assert_int_equal(unlink(path), 0);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_int_equal(write(fd, &h, sizeof h), sizeof h);
    assert_int_equal(ftruncate(fd, PL_RING_PAGE + PL_GATE_RING_OLD_BYTES + PL_GATE_SPILL_BYTES), 0);
    close(fd);
    assert_int_equal(pl_gate_claim(f->worker, NULL), PL_OK);
    for (uint32_t i = 0; i < n; i++)
        put(f->worker, i);
    assert_true(pl_gate_counter(f->daemon, PL_COUNT_SPILLED) > 0);
    expect_run(f->daemon, 0, n);
    assert_int_equal(truncate(path, PL_RING_PAGE + PL_GATE_RING_BYTES + PL_GATE_SPILL_BYTES), 0);
    pl_gate_release(f->worker);
    assert_int_equal(pl_gate_claim(f->worker, NULL), PL_INVALID); /* it is not as long as it says */
}

static void spill__refuses_to_promise_what_it_cannot_keep(void **state)
{
    fx      *f = *state;
    uint32_t n = 0;

    while (pl_gate_reserve(f->worker) == PL_OK)
        n++;
    assert_in_range(n, 3000, 5000);
    for (uint32_t i = 0; i < n; i++) { /* every promise is kept, whatever the sizes */
        char     id[PL_ID_LEN + 1], leaf[2048];
        pl_event e = sample(id, leaf, sizeof leaf, i);
        pl_gate_put(f->worker, &e);
    }
    assert_int_equal(pl_gate_counter(f->daemon, PL_COUNT_LOST), 0);
    expect_run(f->daemon, 0, n);
}

static void slot__of_a_dead_worker_is_taken_over_with_its_events(void **state)
{
    fx   *f = *state;
    pid_t pid;
    int   status;

    pl_gate_release(f->worker);
    pid = fork();
    if (pid == 0) {
        pl_gate *g;
        if (pl_gate_open(f->dir, &g, NULL) != PL_OK || pl_gate_claim(g, NULL) != PL_OK)
            _exit(1);
        for (uint32_t i = 0; i < 10; i++)
            put(g, i);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(pl_gate_claim(f->worker, NULL), PL_OK);
    put(f->worker, 10);
    expect_run(f->daemon, 0, 11);
    assert_int_equal(pl_gate_workers(f->daemon), 1);
}

static const pl_event_begun begun = {
    .time_ms = 1790000000000, .is_stream = true, .surface = { "messages", 8 }, .service = { "a \"b\"", 5 },
    .route = { "default", 7 }, .policy = { "test@7", 6 }, .policy_sha256 = { "", 0 },
};

static uint32_t begin(pl_gate *g, uint32_t i, bool reserve)
{
    uint8_t        rnd[10] = { 0 };
    char           id[PL_ID_LEN + 1];
    pl_event_begun b = begun;

    memcpy(rnd, &i, sizeof i);
    pl_id_format(b.time_ms, rnd, id);
    b.id = pl_str_z(id);
    return !reserve || pl_gate_reserve(g) == PL_OK ? pl_gate_begin(g, &b) : 0;
}

/* Reads n events that say that a worker was lost. */
static void expect_lost(pl_gate *g, size_t n)
{
    pl_gate_item it;
    pl_error     err;

    for (size_t i = 0; i < n; i++) {
        json_t *leaf;

        assert_ok(pl_gate_drain_next(g, &it, &err), &err);
        assert_ok(pl_json_parse(it.event.leaf, "leaf", &leaf, &err), &err);
        assert_string_equal(json_string_value(json_object_get(leaf, "reason")), "worker_lost");
        assert_string_equal(json_string_value(json_object_get(leaf, "service")), "a \"b\"");
        assert_true(pl_str_eqz(it.event.id, json_string_value(json_object_get(leaf, "id"))));
        json_decref(leaf);
    }
    assert_rc(pl_gate_drain_next(g, &it, &err), PL_NOTFOUND);
    pl_gate_drain_ack(g);
}

/* PROVES: GUARD/crash-receipt */
static void exchanges__of_a_dead_worker_leave_an_event_each(void **state)
{
    fx   *f = *state;
    pid_t pid;
    int   status;

    pl_gate_release(f->worker);
    pid = fork();
    if (pid == 0) {
        pl_gate *g;
        uint32_t ended;
        if (pl_gate_open(f->dir, &g, NULL) != PL_OK || pl_gate_claim(g, NULL) != PL_OK)
            _exit(1);
        ended = begin(g, 1, true);
        (void)begin(g, 2, true);
        (void)begin(g, 3, true);
        pl_gate_end(g, ended); /* and its event was on the way */
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(pl_gate_claim(f->worker, NULL), PL_OK);
    expect_lost(f->daemon, 2);
    pl_gate_release(f->worker);
    assert_int_equal(pl_gate_claim(f->worker, NULL), PL_OK);
    expect_lost(f->daemon, 0); /* once */
}

static void exchanges__cut_off_by_an_end_in_order_leave_an_event_each(void **state)
{
    fx *f = *state;

    assert_true(begin(f->worker, 1, true) > 0);
    assert_true(begin(f->worker, 2, true) > 0);
    assert_int_equal(pl_gate_reserve(f->worker), PL_OK); /* one that was not noted */
    pl_gate_release(f->worker);
    expect_lost(f->daemon, 2);
    assert_int_equal(pl_gate_counter(f->daemon, PL_COUNT_LOST), 1);
}

static void exchanges__beyond_the_table_are_not_noted(void **state)
{
    fx *f = *state;

    for (uint32_t i = 0; i < PL_OPEN_SLOTS; i++)
        assert_true(begin(f->worker, i, false) > 0);
    assert_int_equal(begin(f->worker, PL_OPEN_SLOTS, false), 0);
    pl_gate_end(f->worker, 0);
    for (uint32_t i = 0; i < PL_OPEN_SLOTS; i++)
        pl_gate_end(f->worker, i + 1);
    assert_true(begin(f->worker, 1, false) > 0);
}

static void slot__is_not_shared_by_two_living_workers(void **state)
{
    fx      *f = *state;
    pl_gate *g[PL_GATE_SLOTS];
    pl_error err;
    int      n = 0;

    /* Same process, so the same owner: a slot once taken stays taken. */
    for (; n < PL_GATE_SLOTS - 1; n++) {
        assert_ok(pl_gate_open(f->dir, &g[n], &err), &err);
        if (n < 3) /* creating all 32 ring files would take half a gigabyte */
            assert_ok(pl_gate_claim(g[n], &err), &err);
    }
    put(g[0], 0);
    put(g[1], 1);
    put(f->worker, 2);
    for (int i = 0; i < 3; i++) {
        pl_gate_item it;
        assert_int_equal(pl_gate_drain_next(f->daemon, &it, &err), PL_OK);
    }
    while (n-- > 0)
        pl_gate_close(g[n]);
}

static void damage__is_reported_and_skipped(void **state)
{
    fx          *f = *state;
    char         path[512];
    pl_gate_item it;
    pl_error     err;
    FILE        *file;

    for (uint32_t i = 0; i < 5; i++)
        put(f->worker, i);
    snprintf(path, sizeof path, "%s/ring-00.plr", f->dir);
    file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 4096 + 100, SEEK_SET), 0);
    assert_int_not_equal(fputc('!', file), EOF);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(pl_gate_drain_next(f->daemon, &it, &err), PL_INVALID);
    assert_int_equal(pl_gate_drain_next(f->daemon, &it, &err), PL_NOTFOUND);
    pl_gate_drain_ack(f->daemon);
    put(f->worker, 6);
    assert_int_equal(pl_gate_drain_next(f->daemon, &it, &err), PL_OK);
}

static void stop__is_seen_by_every_process(void **state)
{
    fx     *f = *state;
    char    reason[256];
    int64_t since;

    assert_false(pl_gate_stopped(f->worker));
    pl_gate_stop(f->daemon, PL_STR("演练 drill"), 42);
    assert_true(pl_gate_stopped(f->worker));
    assert_true(pl_gate_stop_get(f->worker, reason, &since));
    assert_string_equal(reason, "演练 drill");
    assert_int_equal(since, 42);
    pl_gate_resume(f->daemon);
    assert_false(pl_gate_stopped(f->worker));
}

static void policy__is_swapped_by_generation_and_a_bad_one_is_refused(void **state)
{
    fx      *f = *state;
    char     path[512], next[512];
    pl_error err;
    FILE    *file;

    snprintf(path, sizeof path, "%s/policy.db", f->dir);
    snprintf(next, sizeof next, "%s/next.db", f->dir);
    pl_policy *before = pl_gate_policy(f->worker);
    assert_ok(pl_gate_refresh(f->worker, &err), &err);
    assert_ptr_equal(pl_gate_policy(f->worker), before);

    fixture_policy_write(next, "refuse", "true");
    assert_int_equal(rename(next, path), 0);
    pl_gate_policy_announce(f->daemon);
    assert_ok(pl_gate_refresh(f->worker, &err), &err);
    assert_ptr_not_equal(pl_gate_policy(f->worker), before);

    before = pl_gate_policy(f->worker);
    file = fopen(next, "wb");
    assert_int_equal(fwrite("garbage", 1, 7, file), 7);
    fclose(file);
    assert_int_equal(rename(next, path), 0);
    pl_gate_policy_announce(f->daemon);
    assert_int_equal(pl_gate_refresh(f->worker, &err), PL_INVALID);
    assert_ptr_equal(pl_gate_policy(f->worker), before);
    assert_ok(pl_gate_refresh(f->worker, &err), &err); /* said once */
}

/* --- stops of a part ------------------------------------------------------------------------ */

static pl_part_stop part_of(pl_stop_scope scope, const char *name)
{
    pl_part_stop p = { .scope = scope, .reason = "drill", .since_ms = 7 };

    snprintf(p.name, sizeof p.name, "%s", name);
    return p;
}

static const pl_part_stop *match(fx *f, const char *service, const char *model, const char *tenant)
{
    assert_int_equal(pl_gate_refresh(f->worker, NULL), PL_OK);
    return pl_gate_part_match(f->worker, pl_str_z(service), pl_str_z(model), pl_str_z(tenant));
}

static void parts__are_stopped_and_resumed_each_by_itself(void **state)
{
    fx          *f = *state;
    pl_part_stop model = part_of(PL_STOP_MODEL, "m1"), tenant = part_of(PL_STOP_TENANT, "m1");
    pl_part_stop list[PL_GATE_STOPS];
    pl_error     err;

    assert_null(match(f, "svc", "m1", "m1"));
    assert_ok(pl_gate_part_stop(f->daemon, &model, &err), &err);
    assert_int_equal(match(f, "svc", "m1", "")->scope, PL_STOP_MODEL);
    assert_null(match(f, "svc", "m2", "m1"));
    assert_null(match(f, "svc", "m", ""));
    assert_null(match(f, "svc", "m11", ""));
    assert_ok(pl_gate_part_stop(f->daemon, &tenant, &err), &err);
    assert_int_equal(match(f, "svc", "m2", "m1")->scope, PL_STOP_TENANT);
    assert_int_equal(pl_gate_part_list(f->worker, list), 2);
    assert_string_equal(list[0].reason, "drill");
    assert_ok(pl_gate_part_resume(f->daemon, PL_STOP_MODEL, "m1", &err), &err);
    assert_null(match(f, "svc", "m1", ""));
    assert_int_equal(pl_gate_part_resume(f->daemon, PL_STOP_MODEL, "m1", &err), PL_NOTFOUND);
    assert_int_equal(match(f, "svc", "m1", "m1")->scope, PL_STOP_TENANT);
}

static void parts__have_a_table_that_can_be_full(void **state)
{
    fx          *f = *state;
    pl_part_stop p;
    pl_error     err;
    char         name[16];

    for (int i = 0; i < PL_GATE_STOPS; i++) {
        snprintf(name, sizeof name, "m%d", i);
        p = part_of(PL_STOP_MODEL, name);
        assert_ok(pl_gate_part_stop(f->daemon, &p, &err), &err);
    }
    p = part_of(PL_STOP_MODEL, "one more");
    assert_int_equal(pl_gate_part_stop(f->daemon, &p, &err), PL_LIMIT);
    p = part_of(PL_STOP_MODEL, "m5"); /* stopped already: that is no new entry */
    assert_ok(pl_gate_part_stop(f->daemon, &p, &err), &err);
    assert_non_null(match(f, "", "m63", ""));
}

static void parts__are_read_whole_while_they_are_written(void **state)
{
    fx          *f = *state;
    pl_part_stop a = part_of(PL_STOP_MODEL, "aaaaaaaaaaaaaaaa"), list[PL_GATE_STOPS];
    pid_t        pid = fork();
    int          status;

    if (pid == 0) {
        for (int i = 0; i < 5000; i++) {
            char c = (char)('a' + i % 26);
            memset(a.name, c, 16);
            memset(a.reason, c, 16);
            if (pl_gate_part_stop(f->daemon, &a, NULL) != PL_OK ||
                pl_gate_part_resume(f->daemon, PL_STOP_MODEL, a.name, NULL) != PL_OK)
                _exit(1);
        }
        _exit(0);
    }
    while (waitpid(pid, &status, WNOHANG) == 0) {
        size_t n = pl_gate_part_list(f->worker, list);

        assert_in_range(n, 0, 1);
        for (size_t i = 0; i < n * 16; i++)
            assert_int_equal(list[0].name[i], list[0].reason[0]);
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void parts__of_a_killed_writer_do_not_stay_locked(void **state)
{
    fx          *f = *state;
    pl_part_stop p = part_of(PL_STOP_TENANT, "t");
    pl_error     err;
    pid_t        pid = fork();
    int          status;

    if (pid == 0) { /* dies with the version odd, as if between lock and unlock */
        atomic_fetch_or(&f->daemon->state->stops.version, 1);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_ok(pl_gate_part_stop(f->daemon, &p, &err), &err);
    assert_non_null(match(f, "", "", "t"));
}

static pl_exchange_action judge_mild(pl_policy *policy)
{
    pl_exchange       *x = fixture_exchange(policy);
    pl_exchange_action a = pl_exchange_request(
        x, PL_STR("{\"messages\":[{\"role\":\"user\",\"content\":\"a mildword\"}]}"));

    pl_exchange_free(x);
    return a;
}

static void categories__that_are_stopped_block_whatever_the_rules_say(void **state)
{
    fx          *f = *state;
    pl_part_stop p = part_of(PL_STOP_CATEGORY, "quality.*");
    pl_policy   *policy = pl_gate_policy(f->worker);
    pl_error     err;

    assert_int_equal(judge_mild(policy), PL_EXCHANGE_FORWARD);
    assert_ok(pl_gate_part_stop(f->daemon, &p, &err), &err);
    assert_int_equal(pl_gate_refresh(f->worker, NULL), PL_OK);
    assert_int_equal(judge_mild(policy), PL_EXCHANGE_ANSWER);
    assert_ok(pl_gate_part_resume(f->daemon, PL_STOP_CATEGORY, "quality.*", &err), &err);
    assert_int_equal(pl_gate_refresh(f->worker, NULL), PL_OK);
    assert_int_equal(judge_mild(policy), PL_EXCHANGE_FORWARD);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(ring__gives_back_what_was_put_in_order),
        T(ring__keeps_everything_until_acknowledged),
        T(spill__continues_a_full_ring_in_order),
        T(ring__of_the_earlier_size_is_used_as_it_is),
        T(spill__refuses_to_promise_what_it_cannot_keep),
        T(slot__of_a_dead_worker_is_taken_over_with_its_events),
        T(exchanges__of_a_dead_worker_leave_an_event_each),
        T(exchanges__cut_off_by_an_end_in_order_leave_an_event_each),
        T(exchanges__beyond_the_table_are_not_noted),
        T(slot__is_not_shared_by_two_living_workers),
        T(damage__is_reported_and_skipped),
        T(stop__is_seen_by_every_process),
        T(policy__is_swapped_by_generation_and_a_bad_one_is_refused),
        T(parts__are_stopped_and_resumed_each_by_itself),
        T(parts__have_a_table_that_can_be_full),
        T(parts__are_read_whole_while_they_are_written),
        T(parts__of_a_killed_writer_do_not_stay_locked),
        T(categories__that_are_stopped_block_whatever_the_rules_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
