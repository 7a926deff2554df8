/* Re-hashing what was published long ago, a little at a time: damage on the disk is found while
 * there is still a copy somewhere to mend it from, not when somebody needs the entry. */
#include "base/banned.h"

#include "cap/ledger/ledger_int.h"
#include "engine/log/merkle_many.h"

/* The hash of a full tile as the tile above it has it; rows above level 1 are checked when
 * the lower one ends. */
static pl_rc above_check(const char *dir, uint64_t size, unsigned level, uint64_t n,
                         const pl_hash *row, pl_error *err)
{
    pl_hash  root = pl_merkle_complete(row, PL_TILE_WIDTH), above[PL_TILE_WIDTH];
    unsigned width = 0;
    pl_rc    rc = pl_tile_read(dir, size, level + 1, n / PL_TILE_WIDTH, above, &width, err);

    if (rc != PL_OK)
        return rc;
    if (!pl_hash_equal(&root, &above[n % PL_TILE_WIDTH]))
        return pl_fail(err, PL_INVALID, "tile %llu of level %u does not have its hash above",
                       (unsigned long long)n, level);
    if (n % PL_TILE_WIDTH == PL_TILE_WIDTH - 1 && level + 2 < LEDGER_LEVELS)
        return above_check(dir, size, level + 1, n / PL_TILE_WIDTH, above, err);
    return PL_OK;
}

/* One bundle against its tile, the tile against the one above. */
static pl_rc bundle_scrub(const char *dir, uint64_t size, uint64_t n, pl_error *err)
{
    pl_hash  row[PL_TILE_WIDTH];
    unsigned width = 0, same = 0;
    char    *bytes = NULL;
    size_t   got = 0;
    pl_rc    rc = pl_tile_read(dir, size, 0, n, row, &width, err);

    if (rc == PL_OK)
        rc = pl_bundle_read(dir, size, n, &bytes, &got, &same, err);
    if (rc == PL_OK)
        rc = pl_bundle_check((pl_str){ bytes, got }, row, width, n * PL_TILE_WIDTH, err);
    free(bytes);
    if (rc == PL_OK && width == PL_TILE_WIDTH)
        rc = above_check(dir, size, 0, n, row, err);
    return rc;
}

static bool is_damage(pl_rc rc)
{
    return rc == PL_INVALID || rc == PL_NOTFOUND || rc == PL_IO;
}

pl_rc pl_ledger_scrub(pl_ledger *l, unsigned bundles, pl_error *err)
{
    pl_ledger *m = pl_ledger_lock(l);
    uint64_t   size = m->head.size, next = m->scrub.next, bad = m->scrub.bad;
    bool       is_damaged = m->scrub.is_damaged;
    pl_rc      rc = PL_OK;

    pl_ledger_unlock(m);
    /* What was damaged is looked at first: it may have been mended. */
    if (is_damaged && bad * PL_TILE_WIDTH < size)
        rc = bundle_scrub(l->dir, size, bad, err);
    for (unsigned i = 0; rc == PL_OK && i < bundles && size > 0; i++) {
        if (next * PL_TILE_WIDTH >= size)
            next = 0;
        bad = next;
        rc = bundle_scrub(l->dir, size, next++, err);
    }
    (void)pl_ledger_lock(l);
    l->scrub.next = next;
    l->scrub.is_damaged = is_damage(rc);
    if (rc != PL_OK)
        l->scrub.bad = bad;
    else
        l->scrub.checked += bundles;
    pl_ledger_unlock(l);
    if (!is_damage(rc))
        return rc;
    if (err != NULL)
        err->rc = PL_INVALID;
    return PL_INVALID;
}

bool pl_ledger_is_damaged(const pl_ledger *l)
{
    pl_ledger *m = pl_ledger_lock(l);
    bool       is_damaged = m->scrub.is_damaged;

    pl_ledger_unlock(m);
    return is_damaged;
}
