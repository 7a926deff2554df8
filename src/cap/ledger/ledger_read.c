/* What can be asked of a log. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/ledger/ledger_int.h"

/* Locking does not change what a const object says. */
pl_ledger *pl_ledger_lock(const pl_ledger *l)
{
    pl_ledger *m = (pl_ledger *)(uintptr_t)l;

    (void)pthread_mutex_lock(&m->state);
    return m;
}

void pl_ledger_unlock(pl_ledger *l)
{
    (void)pthread_mutex_unlock(&l->state);
}

const char *pl_ledger_dir(const pl_ledger *l)
{
    return l->dir;
}

uint64_t pl_ledger_size(const pl_ledger *l)
{
    pl_ledger *m = pl_ledger_lock(l);
    uint64_t   size = m->writer ? m->range.size : m->head.size;

    pl_ledger_unlock(m);
    return size;
}

pl_rc pl_ledger_head(const pl_ledger *l, pl_checkpoint *out, pl_error *err)
{
    pl_ledger *m = pl_ledger_lock(l);

    (void)err;
    *out = m->head;
    pl_ledger_unlock(m);
    return PL_OK;
}

pl_rc pl_ledger_checkpoint(const pl_ledger *l, char **note, size_t *n, pl_error *err)
{
    pl_ledger *m = pl_ledger_lock(l);
    size_t     got = m->note_n;
    char      *copy = pl_str_dup((pl_str){ m->note, got });

    pl_ledger_unlock(m);
    if (copy == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    *note = copy;
    *n = got;
    return PL_OK;
}

static uint64_t published_size(const pl_ledger *l)
{
    pl_ledger *m = pl_ledger_lock(l);
    uint64_t   size = m->head.size;

    pl_ledger_unlock(m);
    return size;
}

static pl_rc tile_hash(tile_source *t, uint64_t index, pl_hash *out, pl_error *err)
{
    pl_merkle_source s = pl_tile_source_init(t, t->dir, t->size);

    return s.node(s.ctx, 0, index, out, err);
}

static pl_rc bundle_entry(pl_str bundle, unsigned at, pl_str *out, pl_error *err)
{
    pl_rc rc = PL_OK;

    for (unsigned i = 0; rc == PL_OK && i <= at; i++)
        rc = pl_bundle_take(&bundle, out, err);
    return rc;
}

/* Fails closed: bytes that do not have the hash of their tile are not given out. */
static pl_rc entry_verified(tile_source *t, uint64_t index, pl_str bundle, char **out, size_t *n,
                            pl_error *err)
{
    pl_hash want, leaf;
    pl_str  entry;
    pl_rc   rc = bundle_entry(bundle, (unsigned)(index % PL_TILE_WIDTH), &entry, err);

    if (rc == PL_OK)
        rc = tile_hash(t, index, &want, err);
    if (rc != PL_OK)
        return rc;
    leaf = pl_merkle_leaf(entry);
    if (!pl_hash_equal(&leaf, &want))
        return pl_fail(err, PL_INVALID, "entry %llu does not have the hash of its tile",
                       (unsigned long long)index);
    *out = pl_str_dup(entry);
    *n = entry.n;
    return *out != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

pl_rc pl_ledger_entry(const pl_ledger *l, uint64_t index, char **out, size_t *n, pl_error *err)
{
    uint64_t     size = published_size(l);
    unsigned     width;
    char        *bundle = NULL;
    size_t       bytes = 0;
    tile_source *t;
    pl_rc        rc;

    if (index >= size)
        return pl_fail(err, PL_NOTFOUND, "entry %llu is not published: the log has %llu",
                       (unsigned long long)index, (unsigned long long)size);
    t = malloc(sizeof(*t));
    if (t == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    (void)pl_tile_source_init(t, l->dir, size);
    rc = pl_bundle_read(l->dir, size, index / PL_TILE_WIDTH, &bundle, &bytes, &width, err);
    if (rc == PL_OK)
        rc = entry_verified(t, index, (pl_str){ bundle, bytes }, out, n, err);
    free(bundle);
    free(t);
    return rc;
}

/* The size to prove against: the published one, or an earlier one. */
static pl_rc size_choose(const pl_ledger *l, uint64_t asked, uint64_t *size, uint64_t *published,
                         pl_error *err)
{
    *published = published_size(l);
    *size = asked == 0 ? *published : asked;
    if (*size > *published)
        return pl_fail(err, PL_NOTFOUND, "size %llu is not published: the log has %llu",
                       (unsigned long long)asked, (unsigned long long)*published);
    return PL_OK;
}

pl_rc pl_ledger_inclusion(const pl_ledger *l, uint64_t index, uint64_t size, pl_proof *out,
                          pl_error *err)
{
    uint64_t         published;
    pl_merkle_source s;
    tile_source     *t;
    pl_rc            rc = size_choose(l, size, &size, &published, err);

    if (rc == PL_OK && index >= size)
        rc = pl_fail(err, PL_NOTFOUND, "entry %llu is outside of a log of size %llu",
                     (unsigned long long)index, (unsigned long long)size);
    if (rc != PL_OK)
        return rc;
    t = malloc(sizeof(*t));
    if (t == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    s = pl_tile_source_init(t, l->dir, published);
    rc = pl_merkle_inclusion(&s, index, size, out, err);
    free(t);
    return rc;
}

pl_rc pl_ledger_consistency(const pl_ledger *l, uint64_t old_size, uint64_t size, pl_proof *out,
                            pl_error *err)
{
    uint64_t         published;
    pl_merkle_source s;
    tile_source     *t;
    pl_rc            rc = size_choose(l, size, &size, &published, err);

    if (rc != PL_OK)
        return rc;
    t = malloc(sizeof(*t));
    if (t == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    s = pl_tile_source_init(t, l->dir, published);
    rc = pl_merkle_consistency(&s, old_size, size, out, err);
    free(t);
    return rc;
}

/* --- find ------------------------------------------------------------------------------ */

static pl_rc find_published(const char *dir, const pl_hash *leaf, uint64_t from, uint64_t size,
                            uint64_t *index, pl_error *err)
{
    pl_hash *h = malloc(PL_TILE_WIDTH * sizeof(*h));
    pl_rc    rc = PL_NOTFOUND;

    if (h == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    for (uint64_t n = from / PL_TILE_WIDTH; rc == PL_NOTFOUND && n * PL_TILE_WIDTH < size; n++) {
        unsigned width = 0;
        pl_rc    read = pl_tile_read(dir, size, 0, n, h, &width, err);

        if (read != PL_OK)
            rc = read == PL_NOTFOUND ? PL_IO : read;
        for (unsigned i = 0; rc == PL_NOTFOUND && i < width; i++)
            if (n * PL_TILE_WIDTH + i >= from && pl_hash_equal(&h[i], leaf)) {
                *index = n * PL_TILE_WIDTH + i;
                rc = PL_OK;
            }
    }
    free(h);
    return rc;
}

static bool waiting_find(const waiting *w, uint64_t first, const pl_hash *leaf, uint64_t from,
                         uint64_t *index)
{
    for (size_t i = 0; i < w->n; i++)
        if (first + i >= from && pl_hash_equal(&w->leaf[i], leaf)) {
            *index = first + i;
            return true;
        }
    return false;
}

/* Among what waits for publication. *size becomes the published size of that moment. */
static pl_rc find_fresh(const pl_ledger *l, const pl_hash *leaf, uint64_t from, uint64_t *size,
                        uint64_t *index)
{
    pl_ledger *m = pl_ledger_lock(l);
    pl_rc      rc = PL_NOTFOUND;

    *size = m->head.size;
    if (waiting_find(&m->held, m->head.size, leaf, from, index) ||
        waiting_find(&m->pending, m->head.size + m->held.n, leaf, from, index))
        rc = PL_OK;
    pl_ledger_unlock(m);
    return rc;
}

pl_rc pl_ledger_find(const pl_ledger *l, const pl_hash *leaf, uint64_t from, uint64_t *index,
                     pl_error *err)
{
    uint64_t size = 0, at = 0;
    pl_rc    fresh = find_fresh(l, leaf, from, &size, &at);
    pl_rc    rc = find_published(l->dir, leaf, from, size, index, err);

    if (rc == PL_NOTFOUND && fresh == PL_OK) {
        *index = at;
        return PL_OK;
    }
    if (rc == PL_NOTFOUND)
        return pl_fail(err, PL_NOTFOUND, "no such entry at or after %llu",
                       (unsigned long long)from);
    return rc;
}
