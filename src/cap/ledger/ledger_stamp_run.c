/* The daemon's thread that has heads dated. It reads published files and adds files of its own:
 * an authority that is slow, or away, or answers nonsense holds up nothing else. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/ledger/ledger_stamp.h"

#define CALL_MS   10000          /* one question */
#define RETRY_MS  (60 * 1000)    /* pause after a failure, doubled up to the interval */
#define LOOK_MS   (60 * 1000)    /* whether a head is new, once its time has come */
#define ROOTS_MAX (1u << 20)

struct pl_stamp_desk {
    char        *dir; /* of the ledger */
    pl_vkey      keys[LEDGER_VKEYS_MAX];
    size_t       nkeys;
    char        *url, *roots;
    size_t       roots_n;
    int64_t      every_ms;
    bool         has_quorum;
    pthread_t    thread;
    bool         is_running;
    pthread_mutex_t lock; /* guards all that follows */
    pthread_cond_t  wake;
    bool         is_stopping;
    unsigned     failures;
    stamp_facts  last; /* size 0: none yet */
    char         problem[200];
};

/* --- the thread ---------------------------------------------------------------------------- */

static int64_t pause_after(pl_stamp_desk *d, pl_rc rc, const stamp_facts *f, const pl_error *err)
{
    int64_t pause = d->every_ms;

    (void)pthread_mutex_lock(&d->lock);
    if (rc == PL_OK) {
        d->last = *f;
        d->failures = 0;
        d->problem[0] = '\0';
    } else if (rc == PL_CONFLICT || rc == PL_NOTFOUND) { /* nothing new to date */
        d->failures = 0;
        pause = LOOK_MS < d->every_ms ? LOOK_MS : d->every_ms;
    } else {
        pause = (int64_t)RETRY_MS << (d->failures < 8 ? d->failures : 8);
        pause = pause < d->every_ms ? pause : d->every_ms;
        d->failures++;
        (void)snprintf(d->problem, sizeof(d->problem), "%.190s", err->text);
    }
    (void)pthread_mutex_unlock(&d->lock);
    return pause;
}

/* False when the thread shall end. */
static bool wait_ms(pl_stamp_desk *d, int64_t pause)
{
    int64_t         until = pl_mono_ms() + pause;
    struct timespec at = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };
    bool            goes_on;

    (void)pthread_mutex_lock(&d->lock);
    while (!d->is_stopping && pl_mono_ms() < until)
        (void)pthread_cond_timedwait(&d->wake, &d->lock, &at);
    goes_on = !d->is_stopping;
    (void)pthread_mutex_unlock(&d->lock);
    return goes_on;
}

static void *run(void *arg)
{
    pl_stamp_desk *d = arg;
    stamp_source   from = { .url = d->url, .roots = { d->roots, d->roots_n },
                            .timeout_ms = CALL_MS, .is_witnessed = d->has_quorum };
    int64_t        pause = 0;

    while (wait_ms(d, pause)) {
        stamp_facts f = { .size = 0 };
        pl_error    err = { PL_OK, "" };
        pl_rc       rc = pl_stamp_make(d->dir, d->keys, d->nkeys, &from, &f, &err);

        pause = pause_after(d, rc, &f, &err);
    }
    return NULL;
}

/* --- start and stop ------------------------------------------------------------------------ */

/* What was dated before this start; a stamp that does not hold is as good as none. */
static void last_load(pl_stamp_desk *d)
{
    uint64_t       *sizes = NULL;
    size_t          n = 0, bytes = 0;
    char           *note = NULL, *response = NULL;
    timestamp_facts f;

    if (pl_stamp_list(d->dir, &sizes, &n, NULL) == PL_OK && n > 0 &&
        pl_stamp_read(d->dir, sizes[n - 1], &note, &response, &bytes, NULL) == PL_OK &&
        pl_stamp_check(pl_str_z(note), (pl_str){ response, bytes }, PL_STR(""), &f, NULL) == PL_OK)
        d->last = (stamp_facts){ .size = sizes[n - 1], .time_ms = f.time_ms };
    free(sizes);
    free(note);
    free(response);
}

static pl_rc desk_fill(pl_stamp_desk *d, const pl_services *s, pl_error *err)
{
    const pl_instance *i = s->instance;
    pl_rc              rc = PL_OK;

    d->dir = pl_str_dup(pl_str_z(pl_ledger_dir(s->ledger)));
    d->url = pl_str_dup(pl_str_z(i->tsa_url));
    d->every_ms = i->tsa_every_ms;
    d->has_quorum = i->quorum > 0;
    if (d->dir == NULL || d->url == NULL)
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = pl_ledger_vkeys_read(d->dir, d->keys, &d->nkeys, err);
    if (rc == PL_OK && i->tsa_roots[0] != '\0')
        rc = pl_file_read(i->tsa_roots, ROOTS_MAX, &d->roots, &d->roots_n, err);
    if (rc == PL_OK)
        last_load(d);
    return rc;
}

pl_rc pl_stamp_desk_start(const pl_services *s, pl_stamp_desk **out, pl_error *err)
{
    pl_stamp_desk     *d;
    pthread_condattr_t attr;
    pl_rc              rc;

    *out = NULL;
    if (s->instance->tsa_url[0] == '\0')
        return PL_OK;
    d = calloc(1, sizeof(*d));
    if (d == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    (void)pthread_mutex_init(&d->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&d->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
    rc = desk_fill(d, s, err);
    if (rc == PL_OK) {
        d->is_running = pthread_create(&d->thread, NULL, run, d) == 0;
        if (!d->is_running)
            rc = pl_fail(err, PL_NOMEM, "cannot start a thread for time stamps");
    }
    if (rc != PL_OK) {
        pl_stamp_desk_stop(d);
        return rc;
    }
    *out = d;
    return PL_OK;
}

void pl_stamp_desk_stop(pl_stamp_desk *d)
{
    if (d == NULL)
        return;
    (void)pthread_mutex_lock(&d->lock);
    d->is_stopping = true;
    (void)pthread_cond_broadcast(&d->wake);
    (void)pthread_mutex_unlock(&d->lock);
    if (d->is_running)
        (void)pthread_join(d->thread, NULL);
    (void)pthread_cond_destroy(&d->wake);
    (void)pthread_mutex_destroy(&d->lock);
    free(d->dir);
    free(d->url);
    free(d->roots);
    free(d);
}

/* --- what is shown ------------------------------------------------------------------------- */

void pl_stamp_desk_health(pl_stamp_desk *d, int64_t now_ms, json_t *problems)
{
    if (d == NULL)
        return;
    (void)pthread_mutex_lock(&d->lock);
    if (d->failures > 0 && now_ms - d->last.time_ms > 2 * d->every_ms)
        (void)json_array_append_new(
            problems, json_sprintf("warning: the head of the ledger is not dated: %s", d->problem));
    (void)pthread_mutex_unlock(&d->lock);
}

void pl_stamp_desk_metrics(pl_stamp_desk *d, pl_buf *out)
{
    if (d == NULL)
        return;
    (void)pthread_mutex_lock(&d->lock);
    pl_buf_printf(out,
                  "# HELP plumbline_ledger_dated_size Entries under the head that a time stamp "
                  "authority dated last.\n"
                  "# TYPE plumbline_ledger_dated_size gauge\n"
                  "plumbline_ledger_dated_size %llu\n"
                  "# HELP plumbline_ledger_dated_seconds The time it named, since 1970.\n"
                  "# TYPE plumbline_ledger_dated_seconds gauge\n"
                  "plumbline_ledger_dated_seconds %lld\n",
                  (unsigned long long)d->last.size, (long long)(d->last.time_ms / 1000));
    (void)pthread_mutex_unlock(&d->lock);
}
