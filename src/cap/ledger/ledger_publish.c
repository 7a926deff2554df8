/* Publishing: tiles and a signed checkpoint over what was appended. */
#include "base/banned.h"

#include "base/fault.h"
#include "base/str.h"
#include "cap/ledger/ledger_int.h"

#define HELD_KEPT (16u << 20) /* memory kept for the next edition */

/* Takes what there is to publish: entries change hands, so that appends go on meanwhile.
 * What an earlier attempt left is taken again. */
static pl_rc held_take(pl_ledger *l, pl_merkle_range *range, pl_error *err)
{
    pl_rc rc = l->failed ? pl_ledger_failed(err) : PL_OK;

    if (rc == PL_OK)
        rc = pl_ledger_frozen_check(l, err);
    if (rc == PL_OK)
        rc = pl_waiting_reserve(&l->held, l->held.n == 0 ? l->reserved : l->pending.n, err);
    if (rc != PL_OK)
        return rc;
    if (l->held.n == 0) {
        waiting empty = l->held;

        l->held = l->pending;
        l->pending = empty;
    } else if (l->pending.n > 0) {
        pl_waiting_put(&l->held, pl_buf_str(&l->pending.entries), l->pending.leaf, l->pending.n);
        pl_buf_clear(&l->pending.entries);
        l->pending.n = 0;
        if (l->held.entries.failed)
            l->failed = true;
    }
    *range = l->range;
    l->is_publishing = l->held.n > 0;
    pl_pace_begin(&l->pace, l->held.entries.n, pl_ledger_mono_us());
    return PL_OK;
}

/* Entries are written first and read back then: half each. */
static void held_progress(void *ctx, size_t bytes)
{
    pl_ledger *l = ctx;

    (void)pl_ledger_lock(l);
    pl_pace_advance(&l->pace, bytes / 2, pl_ledger_mono_us());
    pl_ledger_unlock(l);
}

static void publication_end(pl_ledger *l, bool has_failed)
{
    (void)pl_ledger_lock(l);
    pl_pace_end(&l->pace, pl_ledger_mono_us());
    l->is_publishing = false;
    if (has_failed)
        l->failed = true;
    (void)pthread_cond_broadcast(&l->turn);
    pl_ledger_unlock(l);
}

/* Nothing that was computed on the way is believed: the note itself is read again. */
static pl_rc note_check(const pl_ledger *l, pl_str note, uint64_t size, const pl_hash *root,
                        pl_error *err)
{
    pl_checkpoint c;
    pl_rc         rc = pl_checkpoint_open(note, &l->key, &c, err);

    if (rc == PL_OK && (c.size != size || !pl_hash_equal(&c.root, root)))
        rc = PL_INVALID;
    return rc == PL_OK ? rc : pl_fail(err, PL_IO, "checkpoint changed while it was signed");
}

/* Signs and makes the record of it durable: from here on no other root of this size can be
 * signed. Only then may the signature be seen. REQ: evidence-ledger/7.7 */
static pl_rc edition_sign(pl_ledger *l, uint64_t size, const pl_hash *root,
                          const pl_hash *expected, pl_error *err)
{
    head_record   next = l->record;
    pl_checkpoint c = { .size = size, .root = *root };
    char         *note = NULL;
    size_t        n = 0;
    pl_rc         rc;

    (void)snprintf(c.origin, sizeof(c.origin), "%s", l->key.name);
    pl_fault_buffer("root", c.root.b, sizeof(c.root.b));
    rc = pl_checkpoint_sign(&c, l->signer, &note, &n, err);
    if (rc == PL_OK && n > LEDGER_NOTE_MAX)
        rc = pl_fail(err, PL_LIMIT, "checkpoint note is longer than %d bytes", LEDGER_NOTE_MAX);
    if (rc == PL_OK)
        rc = note_check(l, (pl_str){ note, n }, size, expected, err);
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

/* l->held belongs to the publisher: others only read it, under the lock. */
static pl_rc edition_write(pl_ledger *l, const pl_merkle_range *range, pl_error *err)
{
    pl_hash root, expected = pl_merkle_range_root(range);
    pl_rc   rc;

    pl_fault_buffer("pending", l->held.entries.p, l->held.entries.n);
    rc = pl_tile_edge_extend(&l->edge, l->dir, pl_buf_str(&l->held.entries), l->held.n,
                             held_progress, l, &root, err);
    if (rc != PL_OK)
        return rc;
    if (!pl_hash_equal(&root, &expected))
        return pl_fail(err, PL_IO,
                       "root of the written tiles is not the root of the entries received: "
                       "nothing was signed");
    rc = edition_sign(l, range->size, &root, &expected, err);
    /* The record says it was signed: without the file this object cannot go on. */
    if (rc == PL_OK && pl_ledger_checkpoint_put(l->dir, &l->record, err) != PL_OK)
        rc = PL_IO;
    return rc;
}

static void edition_adopt(pl_ledger *l)
{
    char *note = pl_str_dup((pl_str){ l->record.note, l->record.note_n });

    (void)pl_ledger_lock(l);
    pl_buf_clear(&l->held.entries);
    l->held.n = 0;
    if (l->held.entries.cap > HELD_KEPT)
        pl_waiting_done(&l->held);
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

/* As many segments as were used since the last publication will be used until the next.
 * None yet: a short-lived writer that has no use for one. */
static void spares_fill(pl_ledger *l)
{
    unsigned made = atomic_load(&l->wal.made), since = made - l->segments_seen;

    l->segments_seen = made;
    if (made > 0)
        pl_wal_spares_fill(l->dir, l->wal.segment_bytes, since + 1);
}

/* REQ: evidence-ledger/7.6 */
static pl_rc publish_locked(pl_ledger *l, pl_error *err)
{
    const uint64_t  before = l->record.size;
    pl_merkle_range range;
    pl_rc           rc;

    (void)pl_ledger_lock(l);
    rc = held_take(l, &range, err);
    pl_ledger_unlock(l);
    if (rc != PL_OK || l->held.n == 0)
        return rc;
    rc = edition_write(l, &range, err);
    if (rc == PL_OK)
        edition_adopt(l);
    publication_end(l, rc != PL_OK && rc != PL_FULL && rc != PL_NOMEM && rc != PL_DENIED);
    if (rc == PL_OK) {
        pl_tile_sweep(l->dir, before, l->record.size);
        pl_wal_trim(l->dir, l->record.size - l->record.size % PL_TILE_WIDTH);
        spares_fill(l);
    }
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

bool pl_ledger_is_behind(const pl_ledger *l)
{
    pl_ledger *m = pl_ledger_lock(l);
    bool       is_behind = !m->failed && m->pending.entries.n >= PACE_FROM;

    pl_ledger_unlock(m);
    return is_behind;
}
