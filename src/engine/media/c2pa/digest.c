#include "base/banned.h"

#include "engine/media/c2pa/c2pa_int.h"

#include <openssl/evp.h>

enum { PIECE = 256 << 10 };

static const EVP_MD *md_of(pl_str alg)
{
    return pl_str_eqz(alg, "sha256")   ? EVP_sha256()
           : pl_str_eqz(alg, "sha384") ? EVP_sha384()
           : pl_str_eqz(alg, "sha512") ? EVP_sha512()
                                       : NULL;
}

size_t pl_c2pa_digest_size(pl_str alg)
{
    const EVP_MD *md = md_of(alg);

    return md ? (size_t)EVP_MD_get_size(md) : 0;
}

bool pl_c2pa_digest(pl_str alg, pl_str bytes, uint8_t out[C2PA_DIGEST_MAX])
{
    const EVP_MD *md = md_of(alg);

    return md && EVP_Digest(bytes.p, bytes.n, out, NULL, md, NULL) == 1;
}

bool pl_c2pa_hasher_init(c2pa_hasher *h, pl_str alg)
{
    const EVP_MD *md = md_of(alg);

    *h = (c2pa_hasher){ .md = md ? EVP_MD_CTX_new() : NULL, .n = pl_c2pa_digest_size(alg) };
    if (h->md && EVP_DigestInit_ex(h->md, md, NULL) == 1)
        return true;
    pl_c2pa_hasher_done(h, NULL);
    return false;
}

void pl_c2pa_hasher_add(c2pa_hasher *h, const void *p, size_t n)
{
    (void)EVP_DigestUpdate(h->md, p, n);
}

pl_rc pl_c2pa_hasher_range(c2pa_hasher *h, const pl_media_io *io, pl_media_range r, pl_error *err)
{
    uint8_t *piece = r.n > 0 ? malloc(PIECE) : NULL;
    pl_rc    rc = PL_OK;

    if (r.n > 0 && !piece)
        return pl_fail(err, PL_NOMEM, "out of memory");
    while (rc == PL_OK && r.n > 0) {
        size_t n = r.n < PIECE ? (size_t)r.n : PIECE;

        rc = io->read(io->ctx, r.at, piece, n, err);
        if (rc == PL_OK)
            pl_c2pa_hasher_add(h, piece, n);
        r.at += n;
        r.n -= n;
    }
    free(piece);
    return rc;
}

void pl_c2pa_hasher_done(c2pa_hasher *h, uint8_t out[C2PA_DIGEST_MAX])
{
    if (out && h->md)
        (void)EVP_DigestFinal_ex(h->md, out, NULL);
    EVP_MD_CTX_free(h->md);
    h->md = NULL;
}
