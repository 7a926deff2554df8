/* SHA-256 of many messages at once. The words of one message depend on each other, those of
 * different messages do not: each lane of a wide register works on a message of its own, and
 * takes the next one when it is done. */
#include "base/banned.h"

#include "base/hash.h"

#include <stdbool.h>

#define BLOCK       64u
#define LANES_MAX   16
#define LANES_LEAST 4            /* fewer messages are faster one at a time             */
#define LONG        (16u << 10)  /* a message this long would leave other lanes idle    */

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

/* FIPS 180-4 §4.2.2. */
static const uint32_t round_constant[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static const uint32_t first_state[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

/* --- AVX2: eight lanes ----------------------------------------------------------------- */

#define AVX2 __attribute__((target("avx2")))

/* Words 8·half … 8·half+7 of eight blocks: rows become columns. */
AVX2 static inline void words_avx2_half(const uint8_t *const *at, size_t offset, __m256i w[8])
{
    const __m256i swap = _mm256_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 3,
                                          2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
    __m256i       r[8], t[8];

    for (int i = 0; i < 8; i++)
        r[i] = _mm256_shuffle_epi8(_mm256_loadu_si256((const void *)(at[i] + offset)), swap);
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        w[i] = _mm256_permute2x128_si256(r[i], r[i + 4], 0x20);
        w[i + 4] = _mm256_permute2x128_si256(r[i], r[i + 4], 0x31);
    }
}

AVX2 static inline void words_avx2(const uint8_t *const *at, size_t offset, __m256i w[16])
{
    words_avx2_half(at, offset, w);
    words_avx2_half(at, offset + 32, w + 8);
}

#define LANES             8
#define vec               __m256i
#define KERNEL            compress_avx2
#define TARGET            AVX2
#define vec_load(p)       _mm256_loadu_si256((const void *)(p))
#define vec_store(p, v)   _mm256_storeu_si256((void *)(p), v)
#define vec_set1(x)       _mm256_set1_epi32((int)(x))
#define vec_add           _mm256_add_epi32
#define vec_ror(v, n)     _mm256_or_si256(_mm256_srli_epi32(v, n), _mm256_slli_epi32(v, 32 - (n)))
#define vec_shr(v, n)     _mm256_srli_epi32(v, n)
#define vec_xor3(a, b, c) _mm256_xor_si256(_mm256_xor_si256(a, b), c)
#define vec_ch(e, f, g)   _mm256_xor_si256(_mm256_and_si256(e, _mm256_xor_si256(f, g)), g)
#define vec_maj(a, b, c)                                                                           \
    _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, _mm256_or_si256(a, b)))
#define vec_words words_avx2
#include "base/hash_lanes.h"

/* --- AVX-512: sixteen lanes ------------------------------------------------------------ */

#define AVX512 __attribute__((target("avx512f,avx512bw")))

AVX512 static inline void words_avx512(const uint8_t *const *at, size_t offset, __m512i w[16])
{
    const __m512i swap = _mm512_set4_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203);
    __m512i       r[16], t[16];

    for (int i = 0; i < 16; i++)
        r[i] = _mm512_shuffle_epi8(_mm512_loadu_si512(at[i] + offset), swap);
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    /* r[4q+j] holds, in its quarter p, word 4p+j of the messages 4q … 4q+3. */
    for (int j = 0; j < 4; j++) {
        __m512i a = _mm512_shuffle_i32x4(r[j], r[4 + j], 0x88);
        __m512i b = _mm512_shuffle_i32x4(r[j], r[4 + j], 0xdd);
        __m512i c = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0x88);
        __m512i d = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0xdd);

        w[j] = _mm512_shuffle_i32x4(a, c, 0x88);
        w[8 + j] = _mm512_shuffle_i32x4(a, c, 0xdd);
        w[4 + j] = _mm512_shuffle_i32x4(b, d, 0x88);
        w[12 + j] = _mm512_shuffle_i32x4(b, d, 0xdd);
    }
}

#define LANES             16
#define vec               __m512i
#define KERNEL            compress_avx512
#define TARGET            AVX512
#define vec_load(p)       _mm512_loadu_si512(p)
#define vec_store(p, v)   _mm512_storeu_si512(p, v)
#define vec_set1(x)       _mm512_set1_epi32((int)(x))
#define vec_add           _mm512_add_epi32
#define vec_ror(v, n)     _mm512_ror_epi32(v, n)
#define vec_shr(v, n)     _mm512_srli_epi32(v, n)
#define vec_xor3(a, b, c) _mm512_ternarylogic_epi32(a, b, c, 0x96)
#define vec_ch(e, f, g)   _mm512_ternarylogic_epi32(e, f, g, 0xca)
#define vec_maj(a, b, c)  _mm512_ternarylogic_epi32(a, b, c, 0xe8)
#define vec_words         words_avx512
#include "base/hash_lanes.h"

/* --- handing messages to lanes --------------------------------------------------------- */

/* A message is read in up to three runs of blocks: the first block when a prefix shifts it,
 * the blocks that lie in memory as they are, and the padded end. */
typedef struct run {
    const uint8_t *at;
    size_t         blocks;
} run;

typedef struct lane {
    run      rest[3]; /* from `next` on */
    unsigned next;
    size_t   message;
    bool     is_busy;
    uint8_t  first[BLOCK], last[2 * BLOCK];
} lane;

typedef void (*compress_fn)(uint32_t (*state)[LANES_MAX], const uint8_t *const *at, size_t blocks);

typedef struct lanes {
    unsigned    count;
    compress_fn compress;
    uint32_t    state[8][LANES_MAX];
    lane        lane[LANES_MAX];
} lanes;

/* FIPS 180-4 §5.1.1: a one bit, zeros, the length in bits. */
static size_t pad_last(uint8_t last[2 * BLOCK], size_t n, uint64_t total)
{
    size_t   size = n + 9 <= BLOCK ? BLOCK : 2 * BLOCK;
    uint64_t bits = __builtin_bswap64(total * 8);

    last[n] = 0x80;
    memset(last + n + 1, 0, size - n - 9);
    memcpy(last + size - 8, &bits, sizeof(bits));
    return size / BLOCK;
}

static void lane_begin(lanes *g, unsigned i, size_t message, int prefix, pl_str s)
{
    lane          *l = &g->lane[i];
    const uint8_t *p = (const uint8_t *)s.p;
    size_t         lead = prefix >= 0, total = s.n + lead, at = 0;

    for (int k = 0; k < 8; k++)
        g->state[k][i] = first_state[k];
    l->message = message;
    l->is_busy = true;
    l->rest[0] = (run){ l->first, 0 };
    if (lead == 1 && total >= BLOCK) {
        l->first[0] = (uint8_t)prefix;
        memcpy(l->first + 1, p, BLOCK - 1);
        l->rest[0].blocks = 1;
        at = BLOCK - 1;
        lead = 0;
    }
    l->rest[1] = (run){ p + at, lead == 0 ? (s.n - at) / BLOCK : 0 };
    at += l->rest[1].blocks * BLOCK;
    l->last[0] = (uint8_t)prefix; /* overwritten when there is none */
    if (s.n > at)
        memcpy(l->last + lead, p + at, s.n - at);
    l->rest[2] = (run){ l->last, pad_last(l->last, lead + s.n - at, total) };
    for (l->next = 0; l->rest[l->next].blocks == 0;)
        l->next++;
}

static void lane_finish(lanes *g, unsigned i, uint8_t out[32])
{
    for (int k = 0; k < 8; k++) {
        uint32_t v = __builtin_bswap32(g->state[k][i]);

        memcpy(out + 4 * k, &v, sizeof(v));
    }
    g->lane[i].is_busy = false;
}

/* Whether the lane has come to the end of its message. */
static bool lane_advance(lane *l, size_t blocks)
{
    run *r = &l->rest[l->next];

    r->at += blocks * BLOCK;
    r->blocks -= blocks;
    while (l->next < 3 && l->rest[l->next].blocks == 0)
        l->next++;
    return l->next == 3;
}

/* As many blocks as every busy lane has in its run; idle ones follow a busy one. */
static void lanes_step(lanes *g, uint8_t (*out)[32])
{
    const uint8_t *at[LANES_MAX];
    const uint8_t *some = NULL;
    size_t         blocks = SIZE_MAX;

    for (unsigned i = 0; i < g->count; i++) {
        const lane *l = &g->lane[i];

        if (!l->is_busy)
            continue;
        some = l->rest[l->next].at;
        if (l->rest[l->next].blocks < blocks)
            blocks = l->rest[l->next].blocks;
    }
    for (unsigned i = 0; i < g->count; i++)
        at[i] = g->lane[i].is_busy ? g->lane[i].rest[g->lane[i].next].at : some;
    g->compress(g->state, at, blocks);
    for (unsigned i = 0; i < g->count; i++)
        if (g->lane[i].is_busy && lane_advance(&g->lane[i], blocks))
            lane_finish(g, i, out[g->lane[i].message]);
}

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

/* SHA instructions, which OpenSSL uses, are faster than eight lanes without them. */
static bool has_sha(void)
{
    unsigned a, b = 0, c, d;

    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0;
}

static bool lanes_choose(lanes *g, pl_sha256_path path)
{
    const bool is_best = path == PL_SHA256_BEST;

    if ((is_best || path == PL_SHA256_AVX512) && has_avx512()) {
        g->count = 16;
        g->compress = compress_avx512;
        return true;
    }
    if (((is_best && !has_sha()) || path == PL_SHA256_AVX2) && __builtin_cpu_supports("avx2")) {
        g->count = 8;
        g->compress = compress_avx2;
        return true;
    }
    return false;
}

#endif

static void single(int prefix, pl_str s, uint8_t out[32])
{
    const uint8_t first = (uint8_t)prefix;
    pl_sha256     h;

    pl_sha256_init(&h);
    if (prefix >= 0)
        pl_sha256_update(&h, &first, 1);
    pl_sha256_update(&h, s.p, s.n);
    pl_sha256_final(&h, out);
}

bool pl_sha256_many_by(pl_sha256_path path, int prefix, const pl_str *message, size_t count,
                       uint8_t (*out)[32])
{
#if defined(__x86_64__)
    lanes  g;
    size_t next = 0;
    bool   is_busy = count >= LANES_LEAST || path != PL_SHA256_BEST;

    if (is_busy && lanes_choose(&g, path)) {
        for (unsigned i = 0; i < g.count; i++)
            g.lane[i].is_busy = false;
        while (is_busy) {
            is_busy = false;
            for (unsigned i = 0; i < g.count; i++) {
                for (; !g.lane[i].is_busy && next < count; next++)
                    if (message[next].n < LONG)
                        lane_begin(&g, i, next, prefix, message[next]);
                    else
                        single(prefix, message[next], out[next]);
                is_busy = is_busy || g.lane[i].is_busy;
            }
            if (is_busy)
                lanes_step(&g, out);
        }
        return true;
    }
#endif
    if (path != PL_SHA256_BEST && path != PL_SHA256_SINGLE)
        return false;
    for (size_t i = 0; i < count; i++)
        single(prefix, message[i], out[i]);
    return true;
}

void pl_sha256_many(int prefix, const pl_str *message, size_t count, uint8_t (*out)[32])
{
    (void)pl_sha256_many_by(PL_SHA256_BEST, prefix, message, count, out);
}
