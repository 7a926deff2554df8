/* Appending: callers queue, one of them writes for all. Publishing: ledger_publish.c. */
#include "base/banned.h"

#include "base/fault.h"
#include "base/str.h"
#include "cap/ledger/ledger_int.h"
#include "engine/log/merkle_many.h"

#define LEAD_ROUNDS 4

pl_rc pl_ledger_failed(pl_error *err)
{
    return pl_fail(err, PL_IO, "ledger failed to write earlier: reopen it");
}

pl_rc pl_ledger_generation_check(const pl_ledger *l, pl_error *err)
{
    head_record r;
    pl_rc       rc = pl_head_read(l->head_fd, &r, err);

    if (rc == PL_OK && r.generation != l->generation)
        rc = pl_fail(err, PL_CONFLICT, "ledger was opened by another writer: this one must stop");
    return rc;
}

/* --- entries that wait ----------------------------------------------------------------- */

pl_rc pl_waiting_reserve(waiting *w, size_t more, pl_error *err)
{
    size_t   cap = w->cap ? w->cap : 256;
    pl_hash *p;

    while (cap < w->n + more)
        cap *= 2;
    if (cap == w->cap)
        return PL_OK;
    p = realloc(w->leaf, cap * sizeof(*p));
    if (p == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    w->leaf = p;
    w->cap = cap;
    return PL_OK;
}

void pl_waiting_put(waiting *w, pl_str entries, const pl_hash *leaf, size_t count)
{
    pl_buf_put(&w->entries, entries);
    memcpy(w->leaf + w->n, leaf, count * sizeof(*leaf));
    w->n += count;
}

void pl_waiting_done(waiting *w)
{
    pl_buf_done(&w->entries);
    free(w->leaf);
    *w = (waiting){ .entries = PL_BUF_INIT(LEDGER_PENDING_MAX) };
}

pl_rc pl_ledger_pending_add(pl_ledger *l, pl_str entry, pl_error *err)
{
    waiting *w = &l->pending;
    pl_hash  leaf = pl_merkle_leaf(entry);
    pl_rc    rc = pl_waiting_reserve(w, 1, err);

    if (rc != PL_OK)
        return rc;
    pl_bundle_put(&w->entries, entry);
    rc = pl_buf_check(&w->entries, err);
    if (rc != PL_OK)
        return rc;
    w->leaf[w->n++] = leaf;
    pl_merkle_range_append(&l->range, &leaf);
    return PL_OK;
}

/* --- tickets --------------------------------------------------------------------------- */

/* REQ: evidence-ledger/7.17 */
static pl_rc entries_check(pl_ledger_ticket *t, pl_error *err)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->entries[i].n == 0)
            return pl_fail(err, PL_INVALID, "ledger entry is empty");
        if (t->entries[i].n > PL_LOG_ENTRY_MAX)
            return pl_fail(err, PL_LIMIT, "ledger entry has %zu bytes, more than %d",
                           t->entries[i].n, PL_LOG_ENTRY_MAX);
        t->bytes += 2 + t->entries[i].n;
    }
    if (t->count == 0)
        return pl_fail(err, PL_INVALID, "nothing to append");
    if (t->bytes > LEDGER_BATCH_MAX || t->count > UINT32_MAX)
        return pl_fail(err, PL_LIMIT, "batch has more than %u bytes", LEDGER_BATCH_MAX);
    return PL_OK;
}

/* Hashes on receipt, in the caller's thread: whatever happens to the bytes on their way is
 * measured by this. */
static pl_rc ticket_init(pl_ledger_ticket *t, const pl_str *entries, size_t count, pl_error *err)
{
    pl_rc rc;

    *t = (pl_ledger_ticket){ .entries = entries, .count = count };
    rc = entries_check(t, err);
    if (rc != PL_OK)
        return rc;
    t->leaf = malloc(count * sizeof(*t->leaf));
    if (t->leaf == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    pl_merkle_leaves(entries, count, t->leaf);
    return PL_OK;
}

/* --- one frame for many ---------------------------------------------------------------- */

/* The tickets that share one frame and one flush: as many as fit. */
typedef struct gathering {
    pl_ledger_ticket *first, *end; /* end: the first one left waiting */
    size_t            count, bytes;
    pl_buf            payload;
    pl_hash          *leaf;
} gathering;

static gathering gather(pl_ledger *l)
{
    gathering g = { .first = l->first, .payload = PL_BUF_INIT(LEDGER_BATCH_MAX) };

    for (g.end = g.first; g.end != NULL && g.bytes + g.end->bytes <= LEDGER_BATCH_MAX;
         g.end = g.end->next) {
        g.bytes += g.end->bytes;
        g.count += g.end->count;
    }
    l->queued -= g.bytes;
    l->first = g.end;
    if (g.end == NULL)
        l->last = NULL;
    return g;
}

static pl_rc gathering_fill(gathering *g, pl_error *err)
{
    size_t at = 0;

    g->leaf = malloc(g->count * sizeof(*g->leaf));
    if (g->leaf == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    for (pl_ledger_ticket *t = g->first; t != g->end; t = t->next) {
        for (size_t i = 0; i < t->count; i++)
            pl_bundle_put(&g->payload, t->entries[i]);
        memcpy(g->leaf + at, t->leaf, t->count * sizeof(*t->leaf));
        at += t->count;
    }
    if (!g->payload.failed)
        pl_fault_buffer("entries", g->payload.p, g->payload.n);
    return pl_buf_check(&g->payload, err);
}

/* Without the state lock: only the leader comes here. */
static pl_rc gathering_write(pl_ledger *l, gathering *g, pl_error *err)
{
    pl_rc rc = gathering_fill(g, err);

    if (rc == PL_OK)
        rc = pl_ledger_generation_check(l, err);
    if (rc == PL_OK)
        rc = pl_wal_append(&l->wal, (uint32_t)g->count, pl_buf_str(&g->payload), g->leaf, err);
    return rc;
}

/* What is durable now becomes part of the log. Memory was reserved before the write: an
 * entry on the disk that the object does not know of would be lost to publication. */
static void gathering_adopt(pl_ledger *l, const gathering *g)
{
    uint64_t at = l->range.size;

    for (pl_ledger_ticket *t = g->first; t != g->end; t = t->next) {
        t->first = at;
        at += t->count;
    }
    pl_merkle_range_extend(&l->range, g->leaf, g->count);
    pl_waiting_put(&l->pending, pl_buf_str(&g->payload), g->leaf, g->count);
    if (l->pending.entries.failed)
        l->failed = true;
}

/* Waits for memory: until a publication has taken what waits. When nobody publishes, whoever
 * needs the room does. With the state locked, which is given up meanwhile. */
static pl_rc room_wait(pl_ledger *l, size_t bytes, pl_error *err)
{
    pl_rc rc = PL_OK;

    while (rc == PL_OK && !l->failed &&
           l->held.entries.n + l->pending.entries.n + bytes > LEDGER_PENDING_MAX) {
        if (l->is_publishing) {
            (void)pthread_cond_wait(&l->turn, &l->state);
            continue;
        }
        pl_ledger_unlock(l);
        rc = pl_ledger_publish(l, err);
        (void)pl_ledger_lock(l);
    }
    return rc == PL_OK && l->failed ? pl_ledger_failed(err) : rc;
}

static pl_rc room_make(pl_ledger *l, const gathering *g, pl_error *err)
{
    pl_rc rc = room_wait(l, g->bytes, err);

    if (rc != PL_OK)
        return rc;
    l->reserved = g->count;
    l->wal.owed = l->held.entries.n + l->pending.entries.n + g->bytes;
    return pl_waiting_reserve(&l->pending, g->count, err);
}

static void gathering_answer(gathering *g, pl_rc rc, const pl_error *err)
{
    for (pl_ledger_ticket *t = g->first, *next; t != g->end; t = next) {
        next = t->next;
        t->rc = rc;
        t->err = *err;
        t->is_done = true;
    }
    pl_buf_done(&g->payload);
    free(g->leaf);
}

static size_t waiting_bytes(const pl_ledger *l)
{
    return pl_pace_left(&l->pace, l->held.entries.n) + l->pending.entries.n;
}

/* Writes what is at the front of the queue. Called with the state locked, which is given
 * up while the disk is waited for. */
static void gathering_serve(pl_ledger *l)
{
    gathering g = gather(l);
    pl_error  err = { PL_OK, "" };
    pl_rc     rc = room_make(l, &g, &err);

    if (rc == PL_OK) {
        pl_ledger_unlock(l);
        rc = gathering_write(l, &g, &err);
        (void)pl_ledger_lock(l);
        if (rc == PL_OK) {
            gathering_adopt(l, &g);
            pl_pace_pay(&l->pace, g.bytes, waiting_bytes(l), pl_ledger_mono_us());
        } else if (rc != PL_FULL && rc != PL_NOMEM)
            l->failed = true;
    }
    gathering_answer(&g, rc, &err);
    (void)pthread_cond_broadcast(&l->turn);
}

/* Whether the next frame has to wait, because publication is behind. */
static bool is_paced(const pl_ledger *l)
{
    return !l->failed && l->pace.due_us > pl_ledger_mono_us();
}

static void pace_wait(pl_ledger *l)
{
    while (is_paced(l)) {
        const struct timespec until = { .tv_sec = l->pace.due_us / 1000000,
                                        .tv_nsec = l->pace.due_us % 1000000 * 1000 };

        (void)pthread_cond_timedwait(&l->turn, &l->state, &until);
    }
}

/* Serves everybody, with nobody else leading. Goes on for a while when more have come:
 * on a busy machine another thread would first have to wait for a processor. */
static void lead(pl_ledger *l)
{
    l->leading = true;
    pace_wait(l);
    for (unsigned i = 0; i < LEAD_ROUNDS && l->first != NULL && (i == 0 || !is_paced(l)); i++)
        gathering_serve(l);
    l->leading = false;
    (void)pthread_cond_broadcast(&l->turn);
}

/* With the state locked. */
static void serve(pl_ledger *l, const pl_ledger_ticket *t)
{
    while (!t->is_done) {
        if (l->leading)
            (void)pthread_cond_wait(&l->turn, &l->state);
        else
            lead(l);
    }
}

/* Takes a ticket into the queue. While that is full its front is served first: what is
 * submitted is bounded without anybody being refused. With the state locked. */
static pl_rc enqueue(pl_ledger *l, pl_ledger_ticket *t, pl_error *err)
{
    pl_rc rc;

    while (l->queued + t->bytes > LEDGER_QUEUE_MAX) {
        if (l->leading)
            (void)pthread_cond_wait(&l->turn, &l->state);
        else
            lead(l);
    }
    rc = pl_ledger_frozen_check(l, err);
    if (rc != PL_OK)
        return rc;
    l->queued += t->bytes;
    if (l->last != NULL)
        l->last->next = t;
    else
        l->first = t;
    l->last = t;
    return PL_OK;
}

static pl_rc ticket_result(const pl_ledger_ticket *t, uint64_t *first, pl_error *err)
{
    if (t->rc != PL_OK)
        return pl_fail(err, t->rc, "%s", t->err.text);
    *first = t->first;
    return PL_OK;
}

/* --- the calls ------------------------------------------------------------------------- */

static pl_rc writer_check(const pl_ledger *l, pl_error *err)
{
    return l->writer ? PL_OK : pl_fail(err, PL_DENIED, "ledger is open for reading only");
}

pl_rc pl_ledger_append(pl_ledger *l, const pl_str *entries, size_t count, uint64_t *first,
                       pl_error *err)
{
    pl_ledger_ticket t;
    pl_rc            rc = writer_check(l, err);

    if (rc == PL_OK)
        rc = ticket_init(&t, entries, count, err);
    if (rc != PL_OK)
        return rc;
    (void)pl_ledger_lock(l);
    rc = enqueue(l, &t, err);
    if (rc == PL_OK)
        serve(l, &t);
    pl_ledger_unlock(l);
    free(t.leaf);
    return rc == PL_OK ? ticket_result(&t, first, err) : rc;
}

pl_rc pl_ledger_submit(pl_ledger *l, const pl_str *entries, size_t count, pl_ledger_ticket **out,
                       pl_error *err)
{
    pl_rc             rc = writer_check(l, err);
    pl_ledger_ticket *t;

    if (rc != PL_OK)
        return rc;
    t = malloc(sizeof(*t));
    if (t == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    rc = ticket_init(t, entries, count, err);
    if (rc == PL_OK) {
        (void)pl_ledger_lock(l);
        rc = enqueue(l, t, err);
        pl_ledger_unlock(l);
    }
    if (rc == PL_OK) {
        *out = t;
        return PL_OK;
    }
    free(t->leaf);
    free(t);
    return rc;
}

pl_rc pl_ledger_wait(pl_ledger *l, pl_ledger_ticket *t, uint64_t *first, pl_error *err)
{
    pl_rc rc;

    (void)pl_ledger_lock(l);
    serve(l, t);
    pl_ledger_unlock(l);
    rc = ticket_result(t, first, err);
    free(t->leaf);
    free(t);
    return rc;
}
