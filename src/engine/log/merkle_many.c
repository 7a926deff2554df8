#include "base/banned.h"

#include "base/hash.h"
#include "engine/log/merkle_many.h"

_Static_assert(sizeof(pl_hash) == 32, "a row of pl_hash is a row of digests");

void pl_merkle_leaves(const pl_str *entry, size_t count, pl_hash *out)
{
    pl_sha256_many(0x00, entry, count, (uint8_t(*)[32])(void *)out);
}

/* out[i] = node over h[2i] and h[2i+1]; out may be h. */
static void row_above(const pl_hash *h, size_t pairs, pl_hash *out)
{
    pl_str  pair[PL_TILE_WIDTH / 2];
    uint8_t node[PL_TILE_WIDTH / 2][32];

    for (size_t i = 0; i < pairs; i++)
        pair[i] = (pl_str){ (const char *)h[2 * i].b, 2 * sizeof(*h) };
    pl_sha256_many(0x01, pair, pairs, node);
    memcpy(out, node, pairs * sizeof(*out));
}

pl_hash pl_merkle_complete(const pl_hash *h, size_t count)
{
    pl_hash row[PL_TILE_WIDTH / 2];

    if (count == 1)
        return h[0];
    row_above(h, count / 2, row);
    for (count /= 2; count > 1; count /= 2)
        row_above(row, count / 2, row);
    return row[0];
}

/* The largest complete subtree that can come next. */
static size_t next_complete(uint64_t size, size_t count)
{
    size_t n = PL_TILE_WIDTH;

    while (n > count || size % n != 0)
        n /= 2;
    return n;
}

void pl_merkle_range_extend(pl_merkle_range *r, const pl_hash *leaf, size_t count)
{
    while (count > 0) {
        size_t   n = next_complete(r->size, count);
        unsigned l = (unsigned)__builtin_ctzll(n);
        pl_hash  h = pl_merkle_complete(leaf, n);

        for (; r->size >> l & 1; l++)
            h = pl_merkle_node(&r->node[l], &h);
        r->node[l] = h;
        r->size += n;
        leaf += n;
        count -= n;
    }
}
