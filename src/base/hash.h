/* SHA-256 and HMAC-SHA256 on OpenSSL. Context objects live on the stack. */
#ifndef PL_BASE_HASH_H
#define PL_BASE_HASH_H

#include <plumbline/base.h>
#include <stdbool.h>

typedef struct pl_sha256 {
    uint64_t opaque[16]; /* holds a SHA256_CTX; checked by a static assertion */
} pl_sha256;

void pl_sha256_init(pl_sha256 *s);
void pl_sha256_update(pl_sha256 *s, const void *p, size_t n);
void pl_sha256_final(pl_sha256 *s, uint8_t out[32]);
void pl_sha256_of(pl_str s, uint8_t out[32]);

/* SHA-256 of `count` messages side by side, in the lanes of wide registers where the
 * processor has them; out[i] as pl_sha256_of(message[i]). prefix: a byte that comes before
 * each message, or -1. */
void pl_sha256_many(int prefix, const pl_str *message, size_t count, uint8_t (*out)[32]);
typedef enum pl_sha256_path {
    PL_SHA256_BEST,
    PL_SHA256_SINGLE,
    PL_SHA256_AVX2,
    PL_SHA256_AVX512,
} pl_sha256_path;
/* The same by a path asked for: for tests and measurements. false: this processor has none
 * such, nothing was done. */
bool pl_sha256_many_by(pl_sha256_path path, int prefix, const pl_str *message, size_t count,
                       uint8_t (*out)[32]);

void pl_hmac_sha256(const uint8_t *key, size_t key_n, pl_str msg, uint8_t out[32]);
/* Cryptographic randomness from the library's DRBG (no system call per use). */
pl_rc    pl_random(void *out, size_t n, pl_error *err);
uint32_t pl_crc32c(const void *p, size_t n);
#endif
