/* The low-level SHA256_* calls are deprecated in OpenSSL 3 in favour of EVP, whose
 * per-message fetch and allocation cost more than hashing a short message does. They
 * are used here on purpose: this file is on the data path. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/banned.h"

#include "base/hash.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <sys/mman.h>

#define BLOCK 64u /* of SHA-256, for HMAC (RFC 2104) */

_Static_assert(sizeof(SHA256_CTX) <= sizeof(pl_sha256), "pl_sha256 must hold a SHA256_CTX");
_Static_assert(_Alignof(SHA256_CTX) <= _Alignof(pl_sha256), "pl_sha256 must be aligned");

static SHA256_CTX *ctx_of(pl_sha256 *s)
{
    return (SHA256_CTX *)(void *)s->opaque;
}

void pl_sha256_init(pl_sha256 *s)
{
    SHA256_Init(ctx_of(s));
}

void pl_sha256_update(pl_sha256 *s, const void *p, size_t n)
{
    SHA256_Update(ctx_of(s), p, n);
}

void pl_sha256_final(pl_sha256 *s, uint8_t out[32])
{
    SHA256_Final(out, ctx_of(s));
}

void pl_sha256_of(pl_str s, uint8_t out[32])
{
    pl_sha256 h;

    pl_sha256_init(&h);
    pl_sha256_update(&h, s.p, s.n);
    pl_sha256_final(&h, out);
}

static void hash_padded(pl_sha256 *h, const uint8_t key[BLOCK], uint8_t pad)
{
    uint8_t block[BLOCK];

    for (size_t i = 0; i < BLOCK; i++)
        block[i] = key[i] ^ pad;
    pl_sha256_init(h);
    pl_sha256_update(h, block, BLOCK);
    OPENSSL_cleanse(block, sizeof block);
}

void pl_hmac_sha256(const uint8_t *key, size_t key_n, pl_str msg, uint8_t out[32])
{
    uint8_t   k[BLOCK] = { 0 };
    uint8_t   inner[32];
    pl_sha256 h;

    if (key_n > BLOCK)
        pl_sha256_of((pl_str){ (const char *)key, key_n }, k);
    else if (key_n > 0)
        memcpy(k, key, key_n);

    hash_padded(&h, k, 0x36);
    pl_sha256_update(&h, msg.p, msg.n);
    pl_sha256_final(&h, inner);
    hash_padded(&h, k, 0x5c);
    pl_sha256_update(&h, inner, sizeof inner);
    pl_sha256_final(&h, out);

    OPENSSL_cleanse(k, sizeof k);
    OPENSSL_cleanse(&h, sizeof h);
}

/* --- randomness -------------------------------------------------------------------- */

/* RAND_bytes asks the kernel for the pid at every call, to notice a fork. Small requests
 * are served from a page per thread that the kernel empties in a forked child. */
typedef struct pool {
    size_t  left;
    uint8_t bytes[4096 - sizeof(size_t)];
} pool;

static _Thread_local pool *thread_pool;

static pl_rc random_direct(uint8_t *p, size_t n, pl_error *err)
{
    while (n > 0) {
        int part = n > 1u << 20 ? 1 << 20 : (int)n;

        if (RAND_bytes(p, part) != 1)
            return pl_fail(err, PL_IO, "no randomness from the cryptographic library");
        p += part;
        n -= (size_t)part;
    }
    return PL_OK;
}

/* NULL when such a page is not to be had: the caller goes direct. */
static pool *pool_get(void)
{
    void *m;

    if (thread_pool != NULL)
        return thread_pool;
    m = mmap(NULL, sizeof(pool), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED)
        return NULL;
    if (madvise(m, sizeof(pool), MADV_WIPEONFORK) != 0) {
        munmap(m, sizeof(pool));
        return NULL;
    }
    thread_pool = m;
    return thread_pool;
}

pl_rc pl_random(void *out, size_t n, pl_error *err)
{
    pool *p = n <= 64 ? pool_get() : NULL;

    if (p == NULL)
        return random_direct(out, n, err);
    if (p->left < n) {
        pl_rc rc = random_direct(p->bytes, sizeof p->bytes, err);
        if (rc != PL_OK)
            return rc;
        p->left = sizeof p->bytes;
    }
    p->left -= n;
    memcpy(out, p->bytes + p->left, n);
    OPENSSL_cleanse(p->bytes + p->left, n); /* given out once, kept nowhere */
    return PL_OK;
}

/* CRC-32C (Castagnoli), reflected polynomial 0x82f63b78, RFC 3720 appendix B.4. */
static const uint32_t crc32c_table[256] = {
    0x00000000, 0xf26b8303, 0xe13b70f7, 0x1350f3f4, 0xc79a971f, 0x35f1141c, 0x26a1e7e8, 0xd4ca64eb,
    0x8ad958cf, 0x78b2dbcc, 0x6be22838, 0x9989ab3b, 0x4d43cfd0, 0xbf284cd3, 0xac78bf27, 0x5e133c24,
    0x105ec76f, 0xe235446c, 0xf165b798, 0x030e349b, 0xd7c45070, 0x25afd373, 0x36ff2087, 0xc494a384,
    0x9a879fa0, 0x68ec1ca3, 0x7bbcef57, 0x89d76c54, 0x5d1d08bf, 0xaf768bbc, 0xbc267848, 0x4e4dfb4b,
    0x20bd8ede, 0xd2d60ddd, 0xc186fe29, 0x33ed7d2a, 0xe72719c1, 0x154c9ac2, 0x061c6936, 0xf477ea35,
    0xaa64d611, 0x580f5512, 0x4b5fa6e6, 0xb93425e5, 0x6dfe410e, 0x9f95c20d, 0x8cc531f9, 0x7eaeb2fa,
    0x30e349b1, 0xc288cab2, 0xd1d83946, 0x23b3ba45, 0xf779deae, 0x05125dad, 0x1642ae59, 0xe4292d5a,
    0xba3a117e, 0x4851927d, 0x5b016189, 0xa96ae28a, 0x7da08661, 0x8fcb0562, 0x9c9bf696, 0x6ef07595,
    0x417b1dbc, 0xb3109ebf, 0xa0406d4b, 0x522bee48, 0x86e18aa3, 0x748a09a0, 0x67dafa54, 0x95b17957,
    0xcba24573, 0x39c9c670, 0x2a993584, 0xd8f2b687, 0x0c38d26c, 0xfe53516f, 0xed03a29b, 0x1f682198,
    0x5125dad3, 0xa34e59d0, 0xb01eaa24, 0x42752927, 0x96bf4dcc, 0x64d4cecf, 0x77843d3b, 0x85efbe38,
    0xdbfc821c, 0x2997011f, 0x3ac7f2eb, 0xc8ac71e8, 0x1c661503, 0xee0d9600, 0xfd5d65f4, 0x0f36e6f7,
    0x61c69362, 0x93ad1061, 0x80fde395, 0x72966096, 0xa65c047d, 0x5437877e, 0x4767748a, 0xb50cf789,
    0xeb1fcbad, 0x197448ae, 0x0a24bb5a, 0xf84f3859, 0x2c855cb2, 0xdeeedfb1, 0xcdbe2c45, 0x3fd5af46,
    0x7198540d, 0x83f3d70e, 0x90a324fa, 0x62c8a7f9, 0xb602c312, 0x44694011, 0x5739b3e5, 0xa55230e6,
    0xfb410cc2, 0x092a8fc1, 0x1a7a7c35, 0xe811ff36, 0x3cdb9bdd, 0xceb018de, 0xdde0eb2a, 0x2f8b6829,
    0x82f63b78, 0x709db87b, 0x63cd4b8f, 0x91a6c88c, 0x456cac67, 0xb7072f64, 0xa457dc90, 0x563c5f93,
    0x082f63b7, 0xfa44e0b4, 0xe9141340, 0x1b7f9043, 0xcfb5f4a8, 0x3dde77ab, 0x2e8e845f, 0xdce5075c,
    0x92a8fc17, 0x60c37f14, 0x73938ce0, 0x81f80fe3, 0x55326b08, 0xa759e80b, 0xb4091bff, 0x466298fc,
    0x1871a4d8, 0xea1a27db, 0xf94ad42f, 0x0b21572c, 0xdfeb33c7, 0x2d80b0c4, 0x3ed04330, 0xccbbc033,
    0xa24bb5a6, 0x502036a5, 0x4370c551, 0xb11b4652, 0x65d122b9, 0x97baa1ba, 0x84ea524e, 0x7681d14d,
    0x2892ed69, 0xdaf96e6a, 0xc9a99d9e, 0x3bc21e9d, 0xef087a76, 0x1d63f975, 0x0e330a81, 0xfc588982,
    0xb21572c9, 0x407ef1ca, 0x532e023e, 0xa145813d, 0x758fe5d6, 0x87e466d5, 0x94b49521, 0x66df1622,
    0x38cc2a06, 0xcaa7a905, 0xd9f75af1, 0x2b9cd9f2, 0xff56bd19, 0x0d3d3e1a, 0x1e6dcdee, 0xec064eed,
    0xc38d26c4, 0x31e6a5c7, 0x22b65633, 0xd0ddd530, 0x0417b1db, 0xf67c32d8, 0xe52cc12c, 0x1747422f,
    0x49547e0b, 0xbb3ffd08, 0xa86f0efc, 0x5a048dff, 0x8ecee914, 0x7ca56a17, 0x6ff599e3, 0x9d9e1ae0,
    0xd3d3e1ab, 0x21b862a8, 0x32e8915c, 0xc083125f, 0x144976b4, 0xe622f5b7, 0xf5720643, 0x07198540,
    0x590ab964, 0xab613a67, 0xb831c993, 0x4a5a4a90, 0x9e902e7b, 0x6cfbad78, 0x7fab5e8c, 0x8dc0dd8f,
    0xe330a81a, 0x115b2b19, 0x020bd8ed, 0xf0605bee, 0x24aa3f05, 0xd6c1bc06, 0xc5914ff2, 0x37faccf1,
    0x69e9f0d5, 0x9b8273d6, 0x88d28022, 0x7ab90321, 0xae7367ca, 0x5c18e4c9, 0x4f48173d, 0xbd23943e,
    0xf36e6f75, 0x0105ec76, 0x12551f82, 0xe03e9c81, 0x34f4f86a, 0xc69f7b69, 0xd5cf889d, 0x27a40b9e,
    0x79b737ba, 0x8bdcb4b9, 0x988c474d, 0x6ae7c44e, 0xbe2da0a5, 0x4c4623a6, 0x5f16d052, 0xad7d5351,
};

static uint32_t crc32c_bytes(uint32_t crc, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        crc = crc32c_table[(crc ^ p[i]) & 0xff] ^ crc >> 8;
    return crc;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const uint8_t *p,
                                                               size_t n)
{
    uint64_t c = crc, w;

    for (; n >= sizeof w; n -= sizeof w, p += sizeof w) {
        memcpy(&w, p, sizeof w);
        c = __builtin_ia32_crc32di(c, w);
    }
    return crc32c_bytes((uint32_t)c, p, n);
}

uint32_t pl_crc32c(const void *p, size_t n)
{
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc32c_sse42(~0u, p, n);
    return ~crc32c_bytes(~0u, p, n);
}

#else

uint32_t pl_crc32c(const void *p, size_t n)
{
    return ~crc32c_bytes(~0u, p, n);
}

#endif
