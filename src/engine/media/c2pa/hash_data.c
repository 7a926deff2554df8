/* c2pa.hash.data: C2PA 2.x 18.5 and 15.12.1. */
#include "base/banned.h"

#include "engine/media/c2pa/c2pa_int.h"

#define EXCLUSIONS_MAX 1000

/* Ascending, not overlapping, inside the file; as pieces that are hashed between them. */
static bool exclusions_read(const cbor_item *list, uint64_t size, pl_media_range *out, size_t *n)
{
    uint64_t end = 0;

    *n = 0;
    if (!list)
        return true;
    if (list->kind != CBOR_ARRAY || list->n > EXCLUSIONS_MAX)
        return false;
    for (size_t i = 0; i < list->n; i++) {
        pl_media_range r;

        if (!pl_cbor_u64(pl_cbor_get(&list->items[i], "start"), &r.at) ||
            !pl_cbor_u64(pl_cbor_get(&list->items[i], "length"), &r.n))
            return false;
        if (r.at < end || r.at > size || r.n > size - r.at)
            return false;
        end = r.at + r.n;
        out[(*n)++] = r;
    }
    return true;
}

/* The count of the store's entry in a TIFF directory, which the reference implementation leaves out. */
static bool is_tiff_count(const c2pa_asset *a, pl_media_range r)
{
    uint8_t  b[4];
    uint32_t le, big;

    if (a->format != PL_MEDIA_TIFF || r.n != 4 || a->store_n != 1 ||
        a->io->read(a->io->ctx, r.at, b, 4, NULL) != PL_OK)
        return false;
    le = (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0];
    big = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    return le == a->store[0].n || big == a->store[0].n;
}

/* Bytes of a range that are not the store's own: they are in the file and nothing vouches for
 * them. */
static uint64_t beside_store(const c2pa_asset *a, pl_media_range r)
{
    uint64_t left = r.n;

    if (is_tiff_count(a, r))
        return 0;

    for (size_t i = 0; i < a->store_n; i++) {
        uint64_t from = a->store[i].at > r.at ? a->store[i].at : r.at;
        uint64_t to = a->store[i].at + a->store[i].n < r.at + r.n ? a->store[i].at + a->store[i].n
                                                                  : r.at + r.n;
        if (to > from)
            left -= to - from;
    }
    return left;
}

pl_rc pl_c2pa_data_digest(const pl_media_io *io, const pl_media_range *skip, size_t n, pl_str alg,
                          uint8_t sum[C2PA_DIGEST_MAX], pl_error *err)
{
    c2pa_hasher h;
    uint64_t    at = 0;
    pl_rc       rc = PL_OK;

    if (!pl_c2pa_hasher_init(&h, alg))
        return pl_fail(err, PL_NOMEM, "out of memory");
    for (size_t i = 0; rc == PL_OK && i <= n; i++) {
        uint64_t to = i < n ? skip[i].at : io->size;

        rc = pl_c2pa_hasher_range(&h, io, (pl_media_range){ at, to - at }, err);
        at = i < n ? skip[i].at + skip[i].n : to;
    }
    pl_c2pa_hasher_done(&h, sum);
    return rc;
}

void pl_c2pa_hash_data(c2pa_check *c, c2pa_manifest *m, const cbor_item *i, pl_str url)
{
    pl_str          alg = pl_cbor_text(pl_cbor_get(i, "alg")), want = pl_cbor_bytes(pl_cbor_get(i, "hash"));
    pl_media_range *skip = pl_arena_alloc(c->a, EXCLUSIONS_MAX * sizeof *skip);
    uint8_t         sum[C2PA_DIGEST_MAX];
    size_t          n = 0, digest_n;
    pl_rc           rc;

    alg = alg.n > 0 ? alg : m->alg;
    digest_n = pl_c2pa_digest_size(alg);
    if (!skip) {
        pl_c2pa_break(c, PL_NOMEM, "out of memory");
        return;
    }
    if (digest_n == 0) {
        pl_c2pa_say(c, m, "algorithm.unsupported", url, "unknown digest");
        return;
    }
    if (want.n == 0 || !exclusions_read(pl_cbor_get(i, "exclusions"), c->asset->io->size, skip, &n)) {
        pl_c2pa_say(c, m, want.n == 0 ? "assertion.dataHash.malformed" : "assertion.dataHash.mismatch",
                    url, want.n == 0 ? "it has no hash" : "its exclusions do not fit the file");
        return;
    }
    rc = pl_c2pa_data_digest(c->asset->io, skip, n, alg, sum, c->err);
    if (rc != PL_OK) {
        pl_c2pa_break(c, rc, NULL);
        return;
    }
    for (size_t k = 0; k < n; k++)
        c->r->unprotected += beside_store(c->asset, skip[k]);
    if (c->r->unprotected > 0)
        pl_c2pa_say(c, m, "assertion.dataHash.additionalExclusionsPresent", url, NULL);
    pl_c2pa_say(c, m, want.n == digest_n && memcmp(sum, want.p, digest_n) == 0
                          ? "assertion.dataHash.match"
                          : "assertion.dataHash.mismatch", url, NULL);
}
