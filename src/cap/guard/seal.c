#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "cap/guard/seal.h"

#include <limits.h>
#include <openssl/evp.h>

#define MAGIC "PLSEAL01"
#define SALT  32
#define TAG   16

static void message_key(const uint8_t key[PL_SEAL_KEY], const uint8_t salt[SALT], uint8_t out[32])
{
    static const char domain[] = "plumbline.seal.v1"; /* with its zero byte */
    char              text[sizeof domain + SALT];

    memcpy(text, domain, sizeof domain);
    memcpy(text + sizeof domain, salt, SALT);
    pl_hmac_sha256(key, PL_SEAL_KEY, (pl_str){ text, sizeof text }, out);
}

/* Room for n more bytes at the end of out, which has no memory yet when there are none; NULL: over its limit. */
static uint8_t *room(pl_buf *out, size_t n)
{
    static const char zeros[4096];
    static uint8_t    nowhere;
    size_t            at = out->n;

    for (size_t left = n; left > 0 && !out->failed;) {
        size_t k = left < sizeof zeros ? left : sizeof zeros;
        pl_buf_put(out, (pl_str){ zeros, k });
        left -= k;
    }
    if (out->failed)
        return NULL;
    return out->p ? (uint8_t *)out->p + at : &nowhere;
}

typedef struct job {
    const uint8_t *key, *salt;
    pl_str         about, in;
    uint8_t       *out, *tag;
} job;

static bool gcm(const job *j, int encrypt)
{
    static const uint8_t nonce[12];
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    uint8_t         key[32];
    int             n;
    bool            ok;

    message_key(j->key, j->salt, key);
    ok = c && EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce, encrypt) == 1 &&
         EVP_CipherUpdate(c, NULL, &n, (const uint8_t *)j->about.p, (int)j->about.n) == 1 &&
         EVP_CipherUpdate(c, j->out, &n, (const uint8_t *)j->in.p, (int)j->in.n) == 1;
    if (ok && !encrypt)
        ok = EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, j->tag) == 1;
    ok = ok && EVP_CipherFinal_ex(c, j->out + n, &n) == 1;
    if (ok && encrypt)
        ok = EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, j->tag) == 1;
    EVP_CIPHER_CTX_free(c);
    explicit_bzero(key, sizeof key);
    return ok;
}

pl_rc pl_seal(const uint8_t key[PL_SEAL_KEY], pl_str about, pl_str plain, pl_buf *out, pl_error *err)
{
    size_t   at = out->n;
    uint8_t *p = plain.n < INT_MAX ? room(out, plain.n + PL_SEAL_MORE) : NULL;
    pl_rc    rc = p ? pl_random(p + 8, SALT, err) : pl_fail(err, PL_LIMIT, "too long to be sealed");

    if (rc != PL_OK)
        return rc;
    memcpy(p, MAGIC, 8);
    if (gcm(&(job){ key, p + 8, about, plain, p + 8 + SALT, p + 8 + SALT + plain.n }, 1))
        return PL_OK;
    out->n = at;
    return pl_fail(err, PL_IO, "encryption failed");
}

pl_rc pl_unseal(const uint8_t key[PL_SEAL_KEY], pl_str about, pl_str sealed, pl_buf *out, pl_error *err)
{
    size_t   at = out->n, n = sealed.n - PL_SEAL_MORE;
    uint8_t *p, tag[TAG];

    if (sealed.n < PL_SEAL_MORE || sealed.n > INT_MAX || !pl_str_starts(sealed, PL_STR(MAGIC)))
        return pl_fail(err, PL_INVALID, "not a sealed message");
    p = room(out, n);
    if (!p)
        return pl_fail(err, PL_LIMIT, "the sealed message is too long");
    memcpy(tag, sealed.p + sealed.n - TAG, TAG);
    if (gcm(&(job){ key, (const uint8_t *)sealed.p + 8, about, { sealed.p + 8 + SALT, n }, p, tag }, 0))
        return PL_OK;
    explicit_bzero(p, n);
    out->n = at;
    return pl_fail(err, PL_INVALID, "a sealed message does not open: another key, or it was changed");
}

void pl_buf_wipe(pl_buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    pl_buf_done(b);
}
