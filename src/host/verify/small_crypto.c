/* The verifier that fits in a megabyte: SHA-256 and Ed25519 of libsodium in place of OpenSSL,
 * behind the same functions. Other algorithms are named, and not checked. */
#include "base/banned.h"

#include "base/hash.h"
#include "engine/log/key.h"
#include "engine/log/timestamp.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sodium.h>

_Static_assert(sizeof(crypto_hash_sha256_state) <= sizeof(pl_sha256), "pl_sha256 is too small");

void pl_sha256_init(pl_sha256 *s)
{
    (void)crypto_hash_sha256_init((crypto_hash_sha256_state *)s);
}

void pl_sha256_update(pl_sha256 *s, const void *p, size_t n)
{
    if (n > 0)
        (void)crypto_hash_sha256_update((crypto_hash_sha256_state *)s, p, n);
}

void pl_sha256_final(pl_sha256 *s, uint8_t out[32])
{
    (void)crypto_hash_sha256_final((crypto_hash_sha256_state *)s, out);
}

void pl_sha256_of(pl_str s, uint8_t out[32])
{
    pl_sha256 h;

    pl_sha256_init(&h);
    pl_sha256_update(&h, s.p, s.n);
    pl_sha256_final(&h, out);
}

/* libsodium's own stands in the file that starts the whole library, a hundred kilobytes of it. */
void sodium_misuse(void)
{
    abort();
}

/* --- what the engine takes from OpenSSL besides ----------------------------------------- */

int CRYPTO_memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;
    unsigned char        differ = 0;

    for (size_t i = 0; i < n; i++)
        differ = (unsigned char)(differ | (x[i] ^ y[i]));
    return differ;
}

void OPENSSL_cleanse(void *p, size_t n)
{
    explicit_bzero(p, n);
}

/* --- keys: the public bytes themselves ----------------------------------------------------- */

struct evp_pkey_st {
    uint8_t pub[PL_KEY_PUB_MAX];
};

void EVP_PKEY_free(EVP_PKEY *k)
{
    free(k);
}

pl_rc pl_key_public(const key_type *t, const uint8_t *pub, EVP_PKEY **out, pl_error *err)
{
    EVP_PKEY *k = calloc(1, sizeof *k);

    if (k == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    memcpy(k->pub, pub, t->pub_n);
    *out = k;
    return PL_OK;
}

pl_rc pl_key_verify(const key_type *t, EVP_PKEY *k, pl_str message, pl_str sig, pl_error *err)
{
    if (t->curve != NULL)
        return pl_fail(err, PL_INVALID, "this small verifier cannot check algorithm '%s'", t->name);
    if (sig.n != crypto_sign_BYTES ||
        crypto_sign_verify_detached((const uint8_t *)sig.p, (const uint8_t *)message.p, message.n,
                                    k->pub) != 0)
        return pl_fail(err, PL_INVALID, "signature does not verify");
    return PL_OK;
}

pl_rc pl_timestamp_verify(pl_str response, pl_str message, pl_str roots_pem, timestamp_facts *out,
                          pl_error *err)
{
    (void)response, (void)message, (void)roots_pem, (void)out;
    return pl_fail(err, PL_DENIED, "this small verifier cannot check time stamps");
}
