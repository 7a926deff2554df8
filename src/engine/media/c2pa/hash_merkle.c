/* Merkle trees over the media data of a BMFF file that is whole (C2PA 2.x 18.6.2.4): every `mdat` box
 * has a tree whose leaves are blocks of it, from 16 bytes after its start on (the head, short or long,
 * is in the file's hash). As all leaves are there, the tree is built anew and the proofs in the file
 * are not needed. */
#include "base/banned.h"

#include "engine/media/c2pa/c2pa_int.h"

enum { HEAD = 16, LEAVES_MAX = 1 << 20, TREES_MAX = 4096 };

typedef struct tree {
    const cbor_item *map;
    pl_str           alg;
    size_t           digest_n;
    uint8_t         *row; /* digests of the row that is being built */
    size_t           n;
} tree;

static uint64_t be(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    while (n-- > 0)
        v = v << 8 | *p++;
    return v;
}

/* The next `mdat` from *at on; PL_NOTFOUND: none. */
static pl_rc mdat_next(const pl_media_io *io, uint64_t *at, pl_media_range *out, pl_error *err)
{
    while (io->size - *at >= 8) {
        uint8_t  h[16];
        uint64_t n, left = io->size - *at;
        bool     is_long;
        pl_rc    rc = io->read(io->ctx, *at, h, left < 16 ? 8 : 16, err);

        if (rc != PL_OK)
            return rc;
        n = be(h, 4);
        is_long = n == 1;
        n = is_long && left >= 16 ? be(h + 8, 8) : n == 0 ? left : n;
        if (n < (is_long ? 16u : 8u) || n > left)
            return PL_NOTFOUND;
        *out = (pl_media_range){ *at, n };
        *at += n;
        if (memcmp(h + 4, "mdat", 4) == 0)
            return PL_OK;
    }
    return PL_NOTFOUND;
}

/* Bytes of leaf i of n left; 0: the map does not say. */
static uint64_t leaf_size(const tree *t, size_t i, uint64_t left)
{
    const cbor_item *sizes = pl_cbor_get(t->map, "variableBlockSizes");
    uint64_t         n;

    if (pl_cbor_u64(pl_cbor_get(t->map, "fixedBlockSize"), &n))
        return n < left ? n : left;
    if (!sizes)
        return left;
    if (sizes->kind != CBOR_ARRAY || i >= sizes->n || !pl_cbor_u64(&sizes->items[i], &n) || n > left)
        return 0;
    return n;
}

static pl_rc leaves_make(tree *t, const pl_media_io *io, pl_media_range data, pl_error *err)
{
    uint64_t count;

    if (!pl_cbor_u64(pl_cbor_get(t->map, "count"), &count) || count == 0 || count > LEAVES_MAX)
        return PL_INVALID;
    t->row = malloc((size_t)count * t->digest_n);
    if (!t->row)
        return pl_fail(err, PL_NOMEM, "out of memory");
    for (t->n = 0; t->n < count; t->n++) {
        uint64_t    n = leaf_size(t, t->n, data.n);
        c2pa_hasher h;
        pl_rc       rc;

        if (n == 0 || !pl_c2pa_hasher_init(&h, t->alg))
            return PL_INVALID;
        rc = pl_c2pa_hasher_range(&h, io, (pl_media_range){ data.at, n }, err);
        pl_c2pa_hasher_done(&h, t->row + t->n * t->digest_n);
        if (rc != PL_OK)
            return rc;
        data.at += n;
        data.n -= n;
    }
    return data.n == 0 ? PL_OK : PL_INVALID; /* something no leaf covers */
}

/* The row above: pairs are hashed, one that is left over goes up as it is. */
static void row_up(tree *t)
{
    uint8_t sum[C2PA_DIGEST_MAX];
    size_t  n = 0;

    for (size_t i = 0; i < t->n; i += 2, n++) {
        const uint8_t *pair = t->row + i * t->digest_n;

        if (i + 1 < t->n)
            (void)pl_c2pa_digest(t->alg, (pl_str){ (const char *)pair, 2 * t->digest_n }, sum);
        else
            memcpy(sum, pair, t->digest_n);
        memcpy(t->row + n * t->digest_n, sum, t->digest_n);
    }
    t->n = n;
}

static bool row_matches(const tree *t, const cbor_item *hashes)
{
    if (t->n != hashes->n)
        return false;
    for (size_t i = 0; i < t->n; i++) {
        pl_str h = pl_cbor_bytes(&hashes->items[i]);

        if (h.n != t->digest_n || memcmp(h.p, t->row + i * t->digest_n, h.n) != 0)
            return false;
    }
    return true;
}

/* PL_INVALID: it does not fit. */
static pl_rc tree_check(const cbor_item *map, pl_str alg, const pl_media_io *io, pl_media_range mdat,
                        pl_error *err)
{
    const cbor_item *hashes = pl_cbor_get(map, "hashes");
    pl_str           own = pl_cbor_text(pl_cbor_get(map, "alg"));
    tree             t = { .map = map, .alg = own.n > 0 ? own : alg };
    pl_rc            rc;

    t.digest_n = pl_c2pa_digest_size(t.alg);
    if (t.digest_n == 0 || !hashes || hashes->kind != CBOR_ARRAY || hashes->n == 0 || mdat.n < HEAD)
        return PL_INVALID;
    rc = leaves_make(&t, io, (pl_media_range){ mdat.at + HEAD, mdat.n - HEAD }, err);
    while (rc == PL_OK && t.n > hashes->n)
        row_up(&t);
    if (rc == PL_OK && !row_matches(&t, hashes))
        rc = PL_INVALID;
    free(t.row);
    return rc;
}

pl_rc pl_c2pa_merkle_check(const c2pa_asset *asset, const cbor_item *trees, pl_str alg, pl_error *err)
{
    uint64_t       at = 0;
    pl_media_range mdat;
    pl_rc          rc = PL_OK;

    if (trees->kind != CBOR_ARRAY || trees->n == 0 || trees->n > TREES_MAX)
        return PL_INVALID;
    for (size_t i = 0; rc == PL_OK && i < trees->n; i++) {
        if (pl_cbor_get(&trees->items[i], "initHash"))
            return PL_NOTFOUND; /* parts of a fragmented file, which are elsewhere */
        rc = mdat_next(asset->io, &at, &mdat, err);
        if (rc == PL_OK)
            rc = tree_check(&trees->items[i], alg, asset->io, mdat, err);
        else if (rc == PL_NOTFOUND)
            rc = PL_INVALID;
    }
    if (rc == PL_OK) { /* no media data without a tree */
        rc = mdat_next(asset->io, &at, &mdat, err);
        rc = rc == PL_OK ? PL_INVALID : rc == PL_NOTFOUND ? PL_OK : rc;
    }
    return rc;
}
