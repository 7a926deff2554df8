/* The witnesses of the daemon: a thread for each, so that a slow one holds up nobody.
 *
 * Work goes in rounds. The background thread puts up one head, every thread asks its witness
 * to cosign that very head, and the lines that come back are collected under it: witnesses
 * who cosigned different heads would never make a quorum. A witness that does not answer in
 * time misses the round and takes part in a later one. REQ: evidence-ledger/7.18 */
#include "base/banned.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "cap/capability.h"
#include "cap/ledger/ledger_witness.h"

#include <errno.h>

#define CALL_MS     5000             /* one question to a witness */
#define ROUND_MS    3000             /* then a newer head is put up all the same */
#define PAUSE_MS    1000             /* between rounds */
#define RETRY_MS    (60 * 1000)      /* longest pause after failures */
#define COMPARE_MS  (3600 * 1000)    /* also when nothing is new */

typedef struct desk_place {
    pl_witness_desk *desk;
    witness_peer     peer;
    pthread_t        thread;
    bool             is_running, has_compared; /* the first time, under the lock */
    uint64_t         known;                    /* of the thread alone */
    uint64_t         round;                    /* the last it has finished */
    unsigned         failures;
    int64_t          not_before_ms, compare_due_ms;
    /* shown; under the lock */
    witness_state state;
    uint64_t      size;
    int64_t       time_s, since_ms;
    char          problem[200];
} desk_place;

struct pl_witness_desk {
    char            *dir; /* of the ledger */
    pl_vkey          log;
    size_t           quorum, n;
    pthread_mutex_t  lock;
    pthread_cond_t   wake;
    bool             is_stopping;
    uint64_t         round; /* 0: none yet */
    int64_t          round_ms;
    uint64_t         size;  /* of the head of this round */
    char            *note;  /* the head, with the lines collected */
    size_t           note_n, counted;
    bool             is_news;          /* lines came that are not published yet */
    bool             is_contradicted;  /* and the ledger not frozen yet */
    char             reason[200];
    char            *proof;
    uint64_t         witnessed_size;
    desk_place       place[PL_WITNESSES_MAX];
};

/* --- answers, under the lock ---------------------------------------------------------------- */

static void contradiction_take(pl_witness_desk *d, witness_answer *a)
{
    if (d->proof == NULL) {
        d->proof = a->note;
        a->note = NULL;
    }
    (void)snprintf(d->reason, sizeof d->reason, "%s", a->problem);
    d->is_contradicted = true;
}

static void line_collect(pl_witness_desk *d, const desk_place *p, const witness_answer *a)
{
    char   *merged = NULL;
    size_t  n = 0;
    int64_t at = 0;

    if (a->size != d->size || d->note == NULL ||
        pl_cosignature_add((pl_str){ d->note, d->note_n }, pl_str_z(a->line), &p->peer.key, &merged,
                           &n, &at, NULL) != PL_OK)
        return; /* of a round that is over */
    free(d->note);
    d->note = merged;
    d->note_n = n;
    d->counted += !p->peer.w->is_local;
    d->is_news = true;
}

static void answer_note(desk_place *p, witness_answer *a, uint64_t round)
{
    pl_witness_desk *d = p->desk;
    int64_t          pause = 1000LL << (p->failures < 6 ? p->failures : 6);

    (void)pthread_mutex_lock(&d->lock);
    if (p->state != a->state)
        p->since_ms = pl_now_ms();
    p->state = a->state;
    (void)snprintf(p->problem, sizeof p->problem, "%s", a->problem);
    if (a->time_s != PL_COSIGNED_NOT) {
        p->size = a->size;
        p->time_s = a->time_s;
    }
    if (a->state == WITNESS_COSIGNED) {
        p->failures = 0;
        if (a->line != NULL)
            line_collect(d, p, a);
    } else {
        p->failures++;
        p->known = WITNESS_SIZE_UNKNOWN;
        p->not_before_ms = pl_mono_ms() + (pause < RETRY_MS ? pause : RETRY_MS);
    }
    if (a->state == WITNESS_AHEAD || a->state == WITNESS_FORKED)
        contradiction_take(d, a);
    if (a->state == WITNESS_COSIGNED && round > 0)
        p->round = round;
    p->has_compared = true;
    (void)pthread_cond_broadcast(&d->wake);
    (void)pthread_mutex_unlock(&d->lock);
}

/* --- the thread of a witness ------------------------------------------------------------------- */

/* What to do next. */
typedef struct errand {
    bool     is_end, is_compare;
    uint64_t round;
    char    *note; /* copy */
} errand;

static void wait_a_while(pl_witness_desk *d, int64_t until_ms)
{
    struct timespec at = { .tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000 };

    (void)pthread_cond_timedwait(&d->wake, &d->lock, &at);
}

static errand errand_wait(desk_place *p)
{
    pl_witness_desk *d = p->desk;
    errand           e = { .is_end = false };

    (void)pthread_mutex_lock(&d->lock);
    for (;;) {
        int64_t now = pl_mono_ms(), next = p->compare_due_ms;

        if (d->is_stopping) {
            e.is_end = true;
            break;
        }
        if (now >= p->not_before_ms && now >= p->compare_due_ms) {
            e.is_compare = true;
            break;
        }
        if (now >= p->not_before_ms && d->round > p->round) {
            e.round = d->round;
            e.note = pl_str_dup((pl_str){ d->note, d->note_n });
            break;
        }
        if (next < p->not_before_ms || (d->round > p->round && p->not_before_ms > now))
            next = p->not_before_ms;
        wait_a_while(d, next);
    }
    (void)pthread_mutex_unlock(&d->lock);
    return e;
}

static void errand_run(desk_place *p, const errand *e, witness_answer *a)
{
    pl_witness_desk *d = p->desk;
    pl_ledger       *reader = NULL;
    pl_error         err = { PL_OK, "" };

    *a = (witness_answer){ .state = WITNESS_AWAY, .time_s = PL_COSIGNED_NOT };
    if (pl_ledger_open_reader(d->dir, &reader, &err) != PL_OK)
        (void)snprintf(a->problem, sizeof a->problem, "%.190s", err.text);
    else if (e->is_compare)
        pl_witness_compare(&p->peer, reader, &d->log, CALL_MS, &p->known, a);
    else if (e->note != NULL)
        pl_witness_submit(&p->peer, reader, &d->log, pl_str_z(e->note), CALL_MS, &p->known, a);
    pl_ledger_close(reader);
}

static void *place_run(void *arg)
{
    desk_place *p = arg;

    for (;;) {
        errand         e = errand_wait(p);
        witness_answer a;

        if (e.is_end)
            return NULL;
        errand_run(p, &e, &a);
        free(e.note);
        if (e.is_compare && a.state != WITNESS_AWAY)
            p->compare_due_ms = pl_mono_ms() + COMPARE_MS;
        answer_note(p, &a, e.round);
        pl_witness_answer_free(&a);
    }
}

/* --- start and stop ---------------------------------------------------------------------------- */

static bool all_compared(const pl_witness_desk *d)
{
    for (size_t i = 0; i < d->n; i++)
        if (!d->place[i].has_compared)
            return false;
    return true;
}

static void wait_for_first(pl_witness_desk *d, int64_t patience_ms)
{
    int64_t until = pl_mono_ms() + patience_ms;

    (void)pthread_mutex_lock(&d->lock);
    while (!all_compared(d) && pl_mono_ms() < until)
        wait_a_while(d, until);
    (void)pthread_mutex_unlock(&d->lock);
}

static pl_witness_desk *desk_new(const pl_services *s)
{
    pl_witness_desk   *d = calloc(1, sizeof *d);
    pthread_condattr_t attr;

    if (d == NULL)
        return NULL;
    (void)pthread_mutex_init(&d->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&d->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
    d->dir = pl_str_dup(pl_str_z(pl_ledger_dir(s->ledger)));
    d->quorum = s->instance->quorum;
    d->log = *pl_signer_key(s->signer, 0);
    if (d->dir != NULL)
        return d;
    pl_witness_desk_stop(d);
    return NULL;
}

static pl_rc place_start(pl_witness_desk *d, const pl_instance_witness *w, pl_error *err)
{
    desk_place *p = &d->place[d->n];
    pl_rc       rc = pl_witness_peer_init(&p->peer, w, err);

    if (rc != PL_OK)
        return rc;
    p->desk = d;
    p->known = WITNESS_SIZE_UNKNOWN;
    p->time_s = PL_COSIGNED_NOT;
    d->n++;
    if (pthread_create(&p->thread, NULL, place_run, p) != 0)
        return pl_fail(err, PL_NOMEM, "cannot start a thread for witness '%s'", w->name);
    p->is_running = true;
    return PL_OK;
}

pl_rc pl_witness_desk_start(const pl_services *s, int64_t patience_ms, pl_witness_desk **out,
                            pl_error *err)
{
    pl_witness_desk *d;
    pl_rc            rc = PL_OK;

    *out = NULL;
    if (s->instance->witness_count == 0)
        return PL_OK;
    d = desk_new(s);
    if (d == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    for (size_t i = 0; rc == PL_OK && i < s->instance->witness_count; i++)
        rc = place_start(d, &s->instance->witnesses[i], err);
    if (rc != PL_OK) {
        pl_witness_desk_stop(d);
        return rc;
    }
    wait_for_first(d, patience_ms);
    *out = d;
    return PL_OK;
}

void pl_witness_desk_stop(pl_witness_desk *d)
{
    if (d == NULL)
        return;
    (void)pthread_mutex_lock(&d->lock);
    d->is_stopping = true;
    (void)pthread_cond_broadcast(&d->wake);
    (void)pthread_mutex_unlock(&d->lock);
    for (size_t i = 0; i < d->n; i++)
        if (d->place[i].is_running)
            (void)pthread_join(d->place[i].thread, NULL);
    (void)pthread_cond_destroy(&d->wake);
    (void)pthread_mutex_destroy(&d->lock);
    free(d->note);
    free(d->proof);
    free(d->dir);
    free(d);
}

/* --- the background thread --------------------------------------------------------------------- */

static bool round_is_over(const pl_witness_desk *d, int64_t mono_ms)
{
    int64_t age = mono_ms - d->round_ms;

    if (age < PAUSE_MS)
        return d->round == 0;
    for (size_t i = 0; i < d->n; i++)
        if (d->place[i].round != d->round)
            return age >= ROUND_MS;
    return true;
}

/* Puts up the newest head. */
static pl_rc round_begin(pl_witness_desk *d, pl_ledger *l, pl_error *err)
{
    pl_checkpoint c;
    char         *note = NULL;
    size_t        n = 0;
    pl_rc         rc = pl_ledger_checkpoint(l, &note, &n, err);

    if (rc == PL_OK)
        rc = pl_checkpoint_open((pl_str){ note, n }, &d->log, &c, err);
    if (rc != PL_OK) {
        free(note);
        return rc;
    }
    free(d->note);
    d->note = note;
    d->note_n = n;
    d->size = c.size;
    d->counted = 0;
    d->round++;
    d->round_ms = pl_mono_ms();
    (void)pthread_cond_broadcast(&d->wake);
    return PL_OK;
}

/* What is to be done with the ledger, taken out of the lock: it may wait for the disk. */
typedef struct news {
    char  *note, *proof;
    size_t note_n;
    uint64_t size;
    bool   is_enough, is_contradicted;
    char   reason[200];
} news;

static pl_rc news_take(pl_witness_desk *d, pl_ledger *l, news *x, pl_error *err)
{
    pl_checkpoint head;
    pl_rc         rc = pl_ledger_head(l, &head, err);

    if (rc != PL_OK)
        return rc;
    if (d->is_news) {
        x->note = pl_str_dup((pl_str){ d->note, d->note_n });
        x->note_n = d->note_n;
        x->is_enough = d->quorum > 0 && d->counted >= d->quorum;
        x->size = d->size;
        d->is_news = false;
    }
    if (d->is_contradicted) {
        x->is_contradicted = true;
        memcpy(x->reason, d->reason, sizeof x->reason);
        x->proof = d->proof;
        d->proof = NULL;
        d->is_contradicted = false;
    }
    if (x->note == NULL && (d->round == 0 || head.size != d->size) &&
        round_is_over(d, pl_mono_ms()))
        rc = round_begin(d, l, err);
    return rc;
}

pl_rc pl_witness_desk_tick(pl_witness_desk *d, pl_ledger *l, pl_error *err)
{
    news  x = { .note = NULL };
    pl_rc rc;

    if (d == NULL)
        return PL_OK;
    (void)pthread_mutex_lock(&d->lock);
    rc = news_take(d, l, &x, err);
    (void)pthread_mutex_unlock(&d->lock);
    if (rc == PL_OK && x.is_contradicted)
        pl_ledger_freeze(l, x.reason, x.proof);
    if (rc == PL_OK && x.note != NULL)
        rc = pl_ledger_cosigned(l, (pl_str){ x.note, x.note_n }, x.is_enough, err);
    if (rc == PL_OK && x.is_enough) { /* only now can everybody see it */
        (void)pthread_mutex_lock(&d->lock);
        d->witnessed_size = x.size;
        (void)pthread_mutex_unlock(&d->lock);
    }
    free(x.note);
    free(x.proof);
    return rc;
}

/* --- what is shown -------------------------------------------------------------------------------- */

static json_t *place_json(const desk_place *p)
{
    char time[25] = "";

    if (p->time_s != PL_COSIGNED_NOT)
        pl_time_format(p->time_s * 1000, time);
    return json_pack("{s:s, s:s, s:b, s:s, s:I, s:s?, s:s?}", "name", p->peer.w->name, "key",
                     p->peer.key.key.name, "local", p->peer.w->is_local, "state",
                     pl_witness_state_name(p->state), "size", (json_int_t)p->size, "time",
                     time[0] ? time : NULL, "problem", p->problem[0] ? p->problem : NULL);
}

json_t *pl_witness_desk_json(pl_witness_desk *d, const pl_instance *i)
{
    json_t  *list = json_array();
    uint64_t size = 0;
    size_t   counted = 0;

    if (d != NULL) {
        (void)pthread_mutex_lock(&d->lock);
        for (size_t p = 0; p < d->n; p++)
            (void)json_array_append_new(list, place_json(&d->place[p]));
        size = d->witnessed_size;
        counted = d->counted;
        (void)pthread_mutex_unlock(&d->lock);
    }
    return json_pack("{s:o, s:{s:I, s:I, s:I}}", "witnesses", list, "quorum", "need",
                     (json_int_t)i->quorum, "have", (json_int_t)counted, "size", (json_int_t)size);
}

void pl_witness_desk_health(pl_witness_desk *d, json_t *problems)
{
    size_t away = 0, remote = 0;

    if (d == NULL)
        return;
    (void)pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->n; i++) {
        const desk_place *p = &d->place[i];

        remote += !p->peer.w->is_local;
        away += !p->peer.w->is_local && p->state != WITNESS_COSIGNED;
    }
    if (d->quorum > 0 && remote - away < d->quorum)
        (void)json_array_append_new(
            problems, json_sprintf("warning: %zu of %zu witnesses do not cosign: the quorum of %zu is not "
                                   "reached", away, remote, d->quorum));
    (void)pthread_mutex_unlock(&d->lock);
}

void pl_witness_desk_metrics(pl_witness_desk *d, pl_buf *out)
{
    if (d == NULL)
        return;
    pl_buf_puts(out, "# HELP plumbline_ledger_cosigned_size Entries under the head a witness "
                     "cosigned last.\n# TYPE plumbline_ledger_cosigned_size gauge\n");
    (void)pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->n; i++)
        pl_buf_printf(out, "plumbline_ledger_cosigned_size{witness=\"%s\",local=\"%s\"} %llu\n",
                      d->place[i].peer.w->name, d->place[i].peer.w->is_local ? "true" : "false",
                      (unsigned long long)d->place[i].size);
    (void)pthread_mutex_unlock(&d->lock);
}
