/* Appending and publishing. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/ledger/ledger_int.h"

static pl_rc failed(pl_error *err)
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

/* --- append ---------------------------------------------------------------------------- */

static pl_rc fresh_reserve(pl_ledger *l, size_t more, pl_error *err)
{
    size_t   cap = l->fresh_cap ? l->fresh_cap : 256;
    pl_hash *p;

    while (cap < l->fresh_n + more)
        cap *= 2;
    if (cap == l->fresh_cap)
        return PL_OK;
    p = realloc(l->fresh, cap * sizeof(*p));
    if (p == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    l->fresh = p;
    l->fresh_cap = cap;
    return PL_OK;
}

pl_rc pl_ledger_pending_add(pl_ledger *l, pl_str entry, pl_error *err)
{
    pl_hash leaf = pl_merkle_leaf(entry);
    pl_rc   rc = fresh_reserve(l, 1, err);

    if (rc != PL_OK)
        return rc;
    pl_bundle_put(&l->pending, entry);
    rc = pl_buf_check(&l->pending, err);
    if (rc != PL_OK)
        return rc;
    l->fresh[l->fresh_n++] = leaf;
    pl_merkle_range_append(&l->range, &leaf);
    return PL_OK;
}

static pl_rc entries_check(append_request *q, pl_error *err)
{
    for (size_t i = 0; i < q->count; i++) {
        if (q->entries[i].n == 0)
            return pl_fail(err, PL_INVALID, "ledger entry is empty");
        if (q->entries[i].n > PL_LOG_ENTRY_MAX)
            return pl_fail(err, PL_LIMIT, "ledger entry has %zu bytes, more than %d",
                           q->entries[i].n, PL_LOG_ENTRY_MAX);
        q->bytes += 2 + q->entries[i].n;
    }
    if (q->count == 0)
        return pl_fail(err, PL_INVALID, "nothing to append");
    if (q->bytes > LEDGER_BATCH_MAX || q->count > UINT32_MAX)
        return pl_fail(err, PL_LIMIT, "batch has more than %u bytes", LEDGER_BATCH_MAX);
    return PL_OK;
}

/* The requests that share one frame and one flush: as many as fit. */
typedef struct gathering {
    append_request *first, *end; /* end: the first one left waiting */
    size_t          count;
    pl_buf          payload;
} gathering;

static gathering gather(pl_ledger *l)
{
    gathering g = { .first = l->first, .payload = PL_BUF_INIT(LEDGER_BATCH_MAX) };
    size_t    bytes = 0;

    for (g.end = g.first; g.end != NULL && bytes + g.end->bytes <= LEDGER_BATCH_MAX;
         g.end = g.end->next) {
        bytes += g.end->bytes;
        g.count += g.end->count;
    }
    l->first = g.end;
    if (g.end == NULL)
        l->last = NULL;
    return g;
}

/* Without the state lock: only the leader comes here. */
static pl_rc gathering_write(pl_ledger *l, gathering *g, pl_error *err)
{
    pl_rc rc = pl_ledger_generation_check(l, err);

    for (append_request *q = g->first; q != g->end; q = q->next)
        for (size_t i = 0; i < q->count; i++)
            pl_bundle_put(&g->payload, q->entries[i]);
    if (rc == PL_OK)
        rc = pl_buf_check(&g->payload, err);
    if (rc == PL_OK)
        rc = pl_wal_append(&l->wal, (uint32_t)g->count, pl_buf_str(&g->payload), err);
    return rc;
}

/* What is durable now becomes part of the log. Memory was reserved before the write: an
 * entry on the disk that the object does not know of would be lost to publication. */
static void gathering_adopt(pl_ledger *l, const gathering *g)
{
    for (append_request *q = g->first; q != g->end; q = q->next) {
        q->first = l->range.size;
        for (size_t i = 0; i < q->count; i++) {
            pl_hash leaf = pl_merkle_leaf(q->entries[i]);

            l->fresh[l->fresh_n++] = leaf;
            pl_merkle_range_append(&l->range, &leaf);
        }
    }
    pl_buf_put(&l->pending, pl_buf_str(&g->payload));
    if (l->pending.failed)
        l->failed = true;
}

static pl_rc room_check(pl_ledger *l, const gathering *g, pl_error *err)
{
    size_t bytes = 2 * g->count;

    for (append_request *q = g->first; q != g->end; q = q->next)
        bytes += q->bytes;
    if (l->failed)
        return failed(err);
    if (l->pending.n + bytes > LEDGER_PENDING_MAX)
        return pl_fail(err, PL_LIMIT, "more than %u bytes wait for publication",
                       LEDGER_PENDING_MAX);
    return fresh_reserve(l, g->count, err);
}

/* Serves the requests at the front of the queue for everybody. Called with the state
 * locked and nobody leading; waits for the disk without the lock. */
static void lead(pl_ledger *l)
{
    gathering g = gather(l);
    pl_error  err = { PL_OK, "" };
    pl_rc     rc = room_check(l, &g, &err);

    l->leading = true;
    if (rc == PL_OK) {
        pl_ledger_unlock(l);
        rc = gathering_write(l, &g, &err);
        (void)pl_ledger_lock(l);
        if (rc == PL_OK)
            gathering_adopt(l, &g);
        else if (rc != PL_LIMIT && rc != PL_NOMEM)
            l->failed = true;
    }
    for (append_request *q = g.first, *next; q != g.end; q = next) {
        next = q->next;
        q->rc = rc;
        q->err = err;
        q->done = true;
    }
    pl_buf_done(&g.payload);
    l->leading = false;
    (void)pthread_cond_broadcast(&l->turn);
}

static void enqueue(pl_ledger *l, append_request *q)
{
    if (l->last != NULL)
        l->last->next = q;
    else
        l->first = q;
    l->last = q;
}

pl_rc pl_ledger_append(pl_ledger *l, const pl_str *entries, size_t count, uint64_t *first,
                       pl_error *err)
{
    append_request q = { .entries = entries, .count = count };
    pl_rc          rc = entries_check(&q, err);

    if (rc != PL_OK)
        return rc;
    if (!l->writer)
        return pl_fail(err, PL_DENIED, "ledger is open for reading only");
    (void)pl_ledger_lock(l);
    rc = pl_ledger_frozen_check(l, err);
    if (rc != PL_OK) {
        pl_ledger_unlock(l);
        return rc;
    }
    enqueue(l, &q);
    while (!q.done) {
        if (l->leading)
            (void)pthread_cond_wait(&l->turn, &l->state);
        else
            lead(l);
    }
    pl_ledger_unlock(l);
    if (q.rc != PL_OK)
        return pl_fail(err, q.rc, "%s", q.err.text);
    *first = q.first;
    return PL_OK;
}

/* --- publish --------------------------------------------------------------------------- */

/* What there is to publish, copied so that appends go on meanwhile. */
typedef struct edition {
    pl_merkle_range range;
    char           *entries;
    size_t          n;
    uint64_t        count;
} edition;

static pl_rc edition_take(pl_ledger *l, edition *x, pl_error *err)
{
    pl_rc rc = PL_OK;

    (void)pl_ledger_lock(l);
    x->range = l->range;
    x->count = l->fresh_n;
    x->n = l->pending.n;
    x->entries = pl_str_dup(pl_buf_str(&l->pending));
    if (l->failed)
        rc = failed(err);
    else if (l->frozen[0] != '\0')
        rc = pl_ledger_frozen_check(l, err);
    else if (x->entries == NULL)
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    pl_ledger_unlock(l);
    return rc;
}

/* Signs the edition and makes the record of it durable: from here on no other root of this
 * size can be signed. Only then may the signature be seen. */
static pl_rc edition_sign(pl_ledger *l, const edition *x, const pl_hash *root, pl_error *err)
{
    head_record   next = l->record;
    pl_checkpoint c = { .size = x->range.size, .root = *root };
    char         *note = NULL;
    size_t        n = 0;
    pl_rc         rc;

    (void)snprintf(c.origin, sizeof(c.origin), "%s", l->key.name);
    rc = pl_checkpoint_sign(&c, l->signer, &note, &n, err);
    if (rc == PL_OK && n > LEDGER_NOTE_MAX)
        rc = pl_fail(err, PL_LIMIT, "checkpoint note is longer than %d bytes", LEDGER_NOTE_MAX);
    if (rc == PL_OK)
        rc = pl_ledger_generation_check(l, err);
    if (rc == PL_OK) {
        next.size = c.size;
        next.root = c.root;
        next.note_n = n;
        memcpy(next.note, note, n + 1);
        rc = pl_head_write(l->head_fd, &next, err) == PL_OK ? PL_OK : PL_IO;
    }
    if (rc == PL_OK)
        l->record = next;
    free(note);
    return rc;
}

static pl_rc edition_write(pl_ledger *l, const edition *x, pl_error *err)
{
    pl_hash root, expected = pl_merkle_range_root(&x->range);
    pl_rc   rc =
        pl_tile_edge_extend(&l->edge, l->dir, (pl_str){ x->entries, x->n }, x->count, &root, err);

    if (rc != PL_OK)
        return rc;
    if (!pl_hash_equal(&root, &expected))
        return pl_fail(err, PL_IO,
                       "root of the written tiles is not the root of the entries received: "
                       "nothing was signed");
    rc = edition_sign(l, x, &root, err);
    /* The record says it was signed: without the file this object cannot go on. */
    if (rc == PL_OK && pl_ledger_checkpoint_put(l->dir, &l->record, err) != PL_OK)
        rc = PL_IO;
    return rc;
}

static void edition_adopt(pl_ledger *l, const edition *x)
{
    char *note = pl_str_dup((pl_str){ l->record.note, l->record.note_n });

    (void)pl_ledger_lock(l);
    pl_buf_drop_front(&l->pending, x->n);
    l->fresh_n -= x->count;
    memmove(l->fresh, l->fresh + x->count, l->fresh_n * sizeof(*l->fresh));
    l->head.size = l->record.size;
    l->head.root = l->record.root;
    if (note != NULL) {
        free(l->note);
        l->note = note;
        l->note_n = l->record.note_n;
    } else {
        l->failed = true; /* the note in memory is not the one on the disk */
    }
    pl_ledger_unlock(l);
}

static pl_rc publish_locked(pl_ledger *l, pl_error *err)
{
    const uint64_t before = l->record.size;
    edition       *x = calloc(1, sizeof(*x));
    pl_rc          rc;

    if (x == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    rc = edition_take(l, x, err);
    if (rc == PL_OK && x->count > 0) {
        rc = edition_write(l, x, err);
        if (rc == PL_OK) {
            edition_adopt(l, x);
            pl_tile_sweep(l->dir, before, l->record.size);
            pl_wal_trim(l->dir, l->record.size - l->record.size % PL_TILE_WIDTH);
        } else if (rc != PL_LIMIT && rc != PL_NOMEM && rc != PL_DENIED) {
            (void)pl_ledger_lock(l);
            l->failed = true;
            pl_ledger_unlock(l);
        }
    }
    free(x->entries);
    free(x);
    return rc;
}

pl_rc pl_ledger_publish(pl_ledger *l, pl_error *err)
{
    pl_rc rc;

    if (!l->writer)
        return pl_fail(err, PL_DENIED, "ledger is open for reading only");
    (void)pthread_mutex_lock(&l->publishing);
    rc = publish_locked(l, err);
    (void)pthread_mutex_unlock(&l->publishing);
    return rc;
}
