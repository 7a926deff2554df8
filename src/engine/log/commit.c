#include "base/banned.h"

#include "base/hash.h"

#include <openssl/crypto.h>
#include <plumbline/log.h>

#define HMAC_BLOCK 64

/* HMAC (RFC 2104) over pieces: the payload may be large and this cannot fail. */
pl_hash pl_commit(const uint8_t salt[32], pl_str payload)
{
    static const char domain[] = "plumbline.commit.v1"; /* its NUL is the 0x00 of the format */
    uint8_t           inner[HMAC_BLOCK], outer[HMAC_BLOCK];
    pl_sha256         s;
    pl_hash           h;

    for (size_t i = 0; i < HMAC_BLOCK; i++) {
        uint8_t k = i < 32 ? salt[i] : 0;

        inner[i] = k ^ 0x36;
        outer[i] = k ^ 0x5c;
    }
    pl_sha256_init(&s);
    pl_sha256_update(&s, inner, sizeof(inner));
    pl_sha256_update(&s, domain, sizeof(domain));
    pl_sha256_update(&s, payload.p, payload.n);
    pl_sha256_final(&s, h.b);

    pl_sha256_init(&s);
    pl_sha256_update(&s, outer, sizeof(outer));
    pl_sha256_update(&s, h.b, sizeof(h.b));
    pl_sha256_final(&s, h.b);
    OPENSSL_cleanse(inner, sizeof(inner));
    OPENSSL_cleanse(outer, sizeof(outer));
    return h;
}
