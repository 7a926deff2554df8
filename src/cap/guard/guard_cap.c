/* The guard as a capability: start, tick, metrics, descriptor. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/guard_people.h"
#include "cap/guard/guard_observe.h"
#include "cap/guard/guard_plan.h"
#include "cap/guard/guard_review.h"
#include "cap/guard/pl_guard_cap.h"

extern const unsigned char pl_guard_sql[], pl_guard_people_sql[], pl_guard_receipts_sql[],
    pl_guard_plan_sql[], pl_guard_seen_sql[], pl_guard_review_sql[], pl_guard_openapi[];

/* One daemon per process: the only state of the capability that outlives a call. */
static guard_run *running;

guard_run *guard_run_get(void)
{
    return running;
}

static void run_free(guard_run *g)
{
    if (!g)
        return;
    guard_review_stop(g);
    pl_gate_close(g->gate);
    pthread_mutex_destroy(&g->lock);
    pthread_mutex_destroy(&g->people);
    free(g->ledger_dir);
    free(g);
}

/* The switch outlives a lost state file, and a lost database does not lift it. */
static pl_rc stop_restore(guard_run *g, pl_db *db, pl_error *err)
{
    guard_stop_row row;
    pl_rc          rc = guard_stop_get(db, &row, err);

    if (rc == PL_OK && row.stopped && !pl_gate_stopped(g->gate))
        pl_gate_stop(g->gate, pl_str_z(row.reason), row.since_ms);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

static pl_rc gate_start(guard_run *g, const pl_services *s, pl_error *err)
{
    char *dir = pl_instance_path(s->instance, "gateway");
    pl_rc rc = dir ? pl_gate_prepare(dir, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = pl_gate_open(dir, &g->gate, err);
    free(dir);
    return rc;
}

/* A ledger that a witness contradicts may not be written, but is served: what is due waits
 * for the start at which it is sound again. */
static pl_rc frozen_is_no_failure(pl_rc rc, pl_db *db)
{
    if (rc != PL_DENIED)
        return rc;
    pl_db_abort(db);
    return PL_OK;
}

static pl_rc start(pl_services *s, pl_db *db, pl_error *err)
{
    guard_run *g = calloc(1, sizeof *g);
    pl_rc      rc;

    if (!g)
        return pl_fail(err, PL_NOMEM, "out of memory");
    pthread_mutex_init(&g->lock, NULL);
    pthread_mutex_init(&g->people, NULL);
    g->ledger_dir = pl_instance_path(s->instance, "ledger");
    g->last_expire_ms = s->now_ms();
    rc = g->ledger_dir ? gate_start(g, s, err) : pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = frozen_is_no_failure(guard_record_recover(g, s, db, err), db);
    if (rc == PL_OK)
        rc = stop_restore(g, db, err);
    if (rc == PL_OK)
        rc = frozen_is_no_failure(guard_stop_adopt(g, s, db, err), db);
    if (rc == PL_OK)
        rc = frozen_is_no_failure(guard_parts_adopt(g, s, db, err), db);
    if (rc == PL_OK)
        rc = guard_stops_sync(g, db, s->now_ms(), err);
    if (rc == PL_OK)
        rc = guard_people_start(g, db, s->now_ms(), err);
    if (rc == PL_OK)
        rc = guard_policy_content_keep(db, pl_gate_policy(g->gate), err);
    if (rc != PL_OK) {
        run_free(g);
        return rc;
    }
    g->last_requests = pl_gate_counter(g->gate, PL_COUNT_REQUESTS);
    g->last_blocked = pl_gate_counter(g->gate, PL_COUNT_BLOCKED_INPUT) +
                      pl_gate_counter(g->gate, PL_COUNT_BLOCKED_OUTPUT);
    g->reported_lost = pl_gate_counter(g->gate, PL_COUNT_LOST);
    running = g;
    return PL_OK;
}

static void stop(pl_services *s)
{
    (void)s;
    run_free(running);
    running = NULL;
}

static pl_rc tick(pl_services *s, pl_db *db, int64_t now_ms, pl_error *err)
{
    pl_rc rc = guard_stops_sync(running, db, now_ms, err);

    if (rc == PL_OK)
        rc = guard_plan_tick(running, s, db, now_ms, err);
    if (rc == PL_OK)
        rc = guard_people_sync(running, db, now_ms, err);
    if (rc == PL_OK)
        rc = guard_review_tick(running, s, db, now_ms, err);
    return rc == PL_OK ? guard_record_tick(running, s, db, now_ms, err) : rc;
}

static void health(pl_services *s, pl_db *db, json_t *problems)
{
    guard_clock c = { 0 };

    (void)s;
    (void)db;
    if (!running)
        return;
    pthread_mutex_lock(&running->lock);
    c = running->clock;
    pthread_mutex_unlock(&running->lock);
    if (c.jumped)
        json_array_append_new(problems, json_sprintf("warning: the clock jumped by %lld s; nothing is destroyed for its age "
                                                     "until it has run straight for a day", (long long)(c.jump_ms / 1000)));
}

static void metrics(pl_services *s, pl_db *db, pl_buf *out)
{
    (void)s;
    (void)db;
    if (!running)
        return;
    for (int c = 0; c < PL_COUNT__N; c++) {
        const char *name = pl_counter_name((pl_counter)c);
        pl_buf_printf(out, "# HELP plumbline_gateway_%s_total Gateway counter '%s'.\n"
                      "# TYPE plumbline_gateway_%s_total counter\n"
                      "plumbline_gateway_%s_total %llu\n", name, name, name, name,
                      (unsigned long long)pl_gate_counter(running->gate, (pl_counter)c));
    }
    pl_buf_printf(out, "# HELP plumbline_gateway_workers Gateway workers alive.\n"
                  "# TYPE plumbline_gateway_workers gauge\nplumbline_gateway_workers %d\n"
                  "# HELP plumbline_gateway_stopped Whether the stop switch is on.\n"
                  "# TYPE plumbline_gateway_stopped gauge\nplumbline_gateway_stopped %d\n"
                  "# HELP plumbline_gateway_subjects_unseen_total People whom workers could not be told of.\n"
                  "# TYPE plumbline_gateway_subjects_unseen_total counter\n"
                  "plumbline_gateway_subjects_unseen_total %llu\n"
                  "# HELP plumbline_reviews_missing_total Contents for review that could not be kept.\n"
                  "# TYPE plumbline_reviews_missing_total counter\n"
                  "plumbline_reviews_missing_total %llu\n"
                  "# HELP plumbline_gateway_pending_bytes Event bytes not yet in the ledger.\n"
                  "# TYPE plumbline_gateway_pending_bytes gauge\n"
                  "plumbline_gateway_pending_bytes %llu\n", pl_gate_workers(running->gate),
                  pl_gate_stopped(running->gate), (unsigned long long)running->subjects_unseen,
                  (unsigned long long)running->reviews_missing,
                  (unsigned long long)pl_gate_pending(running->gate));
}

static const pl_migration migrations[] = {
    { 1, (const char *)pl_guard_sql },
    { 2, (const char *)pl_guard_people_sql },
    { 3, (const char *)pl_guard_receipts_sql },
    { 4, (const char *)pl_guard_plan_sql },
    { 5, (const char *)pl_guard_seen_sql },
    { 6, "DROP INDEX guard_event_time" }, /* an event's id begins with its time */
    { 7, (const char *)pl_guard_review_sql },
    { 0, NULL },
};

const pl_capability pl_cap_guard = {
    .name = "guard",
    .commands = guard_commands,
    .routes = guard_routes,
    .migrations = migrations,
    .openapi = (const char *)pl_guard_openapi,
    .start = start,
    .stop = stop,
    .tick_ms = 200,
    .tick = tick,
    .health = health,
    .metrics = metrics,
    .observe = guard_observe,
};
