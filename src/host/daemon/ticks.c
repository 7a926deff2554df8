/* The background thread: each capability's periodic work, and keeping the ledger's
 * checkpoint fresh and its writer open. */
#include "base/banned.h"

#include "base/timefmt.h"
#include "cap/ledger/pl_ledger.h"
#include "host/daemon/daemon.h"
#include "host/daemon/log.h"

#include <errno.h>

#define PUBLISH_MS 500 /* a checkpoint at most twice a second */
#define REOPEN_MS  5000

typedef struct tick_state {
    const pl_capability *cap;
    int64_t              due_ms; /* monotonic, as all times here */
    _Atomic int64_t      ok_ms;
    atomic_ulong         failures;
    bool                 is_failing;
    char                 last_error[256];
} tick_state;

struct pl_ticker {
    pl_daemon      *d;
    pthread_t       thread;
    pthread_mutex_t lock;
    pthread_cond_t  wake;
    bool            is_stopping; /* under lock */
    pl_db          *db;          /* of the thread; NULL after it failed */
    int64_t         publish_due_ms, reopen_due_ms;
    size_t          n;
    tick_state      states[];
};

/* --- one tick ------------------------------------------------------------------------------- */

/* Once per change of state: a failure every 200 ms would bury the log. */
static void note_outcome(tick_state *s, pl_rc rc, const pl_error *err)
{
    if (rc == PL_OK) {
        atomic_store(&s->ok_ms, pl_mono_ms());
        if (s->is_failing)
            pl_log_info("periodic work goes on", PL_S("capability", s->cap->name));
        s->is_failing = false;
        s->last_error[0] = '\0';
        return;
    }
    atomic_fetch_add(&s->failures, 1);
    if (!s->is_failing || strcmp(s->last_error, err->text) != 0)
        pl_log_error("periodic work failed", PL_S("capability", s->cap->name),
                     PL_S("error", err->text));
    s->is_failing = true;
    (void)snprintf(s->last_error, sizeof s->last_error, "%s", err->text);
}

static pl_rc tick_with_db(pl_ticker *t, tick_state *s, pl_error *err)
{
    pl_daemon *d = t->d;
    pl_rc      rc = PL_OK;

    if (d->services.ledger == NULL)
        return pl_fail(err, PL_IO, "the ledger is closed after a failed write");
    if (t->db == NULL)
        rc = pl_db_open(d->instance.database, &t->db, err);
    if (rc == PL_OK)
        rc = s->cap->tick(&d->services, t->db, d->services.now_ms(), err);
    if (rc != PL_OK && t->db != NULL)
        pl_db_abort(t->db);
    if (rc == PL_IO) { /* perhaps the connection; a new one costs little */
        pl_db_close(t->db);
        t->db = NULL;
    }
    return rc;
}

static void run_tick(pl_ticker *t, tick_state *s)
{
    pl_error err = { 0 };
    pl_rc    rc;

    (void)pthread_rwlock_rdlock(&t->d->gate);
    rc = tick_with_db(t, s, &err);
    (void)pthread_rwlock_unlock(&t->d->gate);
    note_outcome(s, rc, &err);
    s->due_ms = pl_mono_ms() + s->cap->tick_ms;
}

/* --- the ledger -------------------------------------------------------------------------------- */

static pl_rc publish(pl_daemon *d, pl_error *err)
{
    pl_rc rc;

    (void)pthread_rwlock_rdlock(&d->gate);
    if (d->services.ledger != NULL)
        rc = pl_ledger_publish(d->services.ledger, err);
    else
        rc = pl_fail(err, PL_IO, "the ledger is closed after a failed write");
    (void)pthread_rwlock_unlock(&d->gate);
    return rc;
}

/* A writer that failed refuses everything until it is opened again; with a disk that works
 * that is all it takes. */
static void reopen(pl_ticker *t)
{
    pl_error err = { 0 };

    if (pl_mono_ms() < t->reopen_due_ms)
        return;
    t->reopen_due_ms = pl_mono_ms() + REOPEN_MS;
    if (pl_daemon_reopen_ledger(t->d, &err) == PL_OK)
        pl_log_info("ledger is open again");
    else
        pl_log_error("ledger cannot be opened", PL_S("error", err.text));
}

static bool is_behind(pl_daemon *d)
{
    bool yes;

    (void)pthread_rwlock_rdlock(&d->gate);
    yes = d->services.ledger != NULL && pl_ledger_is_behind(d->services.ledger);
    (void)pthread_rwlock_unlock(&d->gate);
    return yes;
}

static void keep_ledger(pl_ticker *t)
{
    pl_error err = { 0 };
    pl_rc    rc = publish(t->d, &err);
    bool     was_stuck = atomic_exchange(&t->d->ledger_is_stuck, rc != PL_OK);

    t->publish_due_ms = pl_mono_ms() + (rc == PL_OK && is_behind(t->d) ? 0 : PUBLISH_MS);
    if (rc != PL_OK && !was_stuck)
        pl_log_error("checkpoint could not be published", PL_S("error", err.text));
    if (rc == PL_OK && was_stuck)
        pl_log_info("checkpoints are published again");
    /* Without room or memory nothing has changed, and the next round may succeed. A ledger that
     * a witness contradicts stays as it is. */
    if (rc != PL_OK && rc != PL_FULL && rc != PL_NOMEM && rc != PL_DENIED)
        reopen(t);
}

/* --- the loop ----------------------------------------------------------------------------------- */

static int64_t next_due(const pl_ticker *t)
{
    int64_t due = t->publish_due_ms;

    for (size_t i = 0; i < t->n; i++)
        if (t->states[i].due_ms < due)
            due = t->states[i].due_ms;
    return due;
}

/* Sleeps until something is due; false when the thread shall end. */
static bool wait_until(pl_ticker *t, int64_t due_ms)
{
    struct timespec at = { .tv_sec = due_ms / 1000, .tv_nsec = due_ms % 1000 * 1000000 };
    bool            is_stopping;

    (void)pthread_mutex_lock(&t->lock);
    while (!t->is_stopping && pl_mono_ms() < due_ms)
        if (pthread_cond_timedwait(&t->wake, &t->lock, &at) == ETIMEDOUT)
            break;
    is_stopping = t->is_stopping;
    (void)pthread_mutex_unlock(&t->lock);
    return !is_stopping;
}

static void *loop(void *arg)
{
    pl_ticker *t = arg;

    while (wait_until(t, next_due(t))) {
        for (size_t i = 0; i < t->n; i++)
            if (pl_mono_ms() >= t->states[i].due_ms)
                run_tick(t, &t->states[i]);
        if (pl_mono_ms() >= t->publish_due_ms)
            keep_ledger(t);
    }
    return NULL;
}

static pl_ticker *ticker_new(pl_daemon *d)
{
    size_t     n = 0;
    pl_ticker *t;

    while (pl_capabilities[n] != NULL)
        n++;
    t = calloc(1, sizeof *t + n * sizeof t->states[0]);
    if (t == NULL)
        return NULL;
    t->d = d;
    t->publish_due_ms = pl_mono_ms() + PUBLISH_MS;
    for (size_t i = 0; i < n; i++) {
        if (pl_capabilities[i]->tick == NULL)
            continue;
        t->states[t->n].cap = pl_capabilities[i];
        t->states[t->n].due_ms = pl_mono_ms();
        atomic_store(&t->states[t->n].ok_ms, pl_mono_ms());
        t->n++;
    }
    return t;
}

pl_rc pl_ticker_start(pl_daemon *d, pl_ticker **out, pl_error *err)
{
    pthread_condattr_t attr;
    pl_ticker         *t = ticker_new(d);

    if (t == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    (void)pthread_mutex_init(&t->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&t->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
    *out = t;
    if (pthread_create(&t->thread, NULL, loop, t) == 0)
        return PL_OK;
    *out = NULL;
    free(t);
    return pl_fail(err, PL_NOMEM, "cannot start the background thread");
}

void pl_ticker_stop(pl_ticker *t)
{
    if (t == NULL)
        return;
    (void)pthread_mutex_lock(&t->lock);
    t->is_stopping = true;
    (void)pthread_cond_signal(&t->wake);
    (void)pthread_mutex_unlock(&t->lock);
    (void)pthread_join(t->thread, NULL);
    pl_db_close(t->db);
    (void)pthread_cond_destroy(&t->wake);
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}

void pl_ticker_each(pl_ticker *t,
                    void (*fn)(void *ctx, const pl_capability *c, int64_t quiet_ms,
                               unsigned long failures),
                    void *ctx)
{
    for (size_t i = 0; i < t->n; i++)
        fn(ctx, t->states[i].cap, pl_mono_ms() - atomic_load(&t->states[i].ok_ms),
           atomic_load(&t->states[i].failures));
}
