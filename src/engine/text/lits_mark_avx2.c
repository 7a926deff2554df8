/* Marking with AVX2, eight windows at a time. May mark more than the portable code does, never
 * less; what a mark points to is confirmed afterwards. */
#include "base/banned.h"

#ifdef __x86_64__

#include "engine/text/lits_int.h"

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,bmi")))

enum { CHUNK = 64, CHUNKS = LITS_BLOCK / CHUNK, LANES = 8 };

AVX2 static inline __m256i two_bits(__m256i g)
{
    const __m256i one = _mm256_set1_epi32(1);
    __m256i       b = _mm256_and_si256(_mm256_srli_epi32(g, 22), _mm256_set1_epi32(31));

    return _mm256_or_si256(_mm256_sllv_epi32(one, _mm256_srli_epi32(g, 27)),
                           _mm256_sllv_epi32(one, b));
}

/* A bit for each window that passes the filter. */
AVX2 static inline uint32_t pass8(const pl_lits *l, __m256i key, __m256i tag)
{
    __m256i hash = _mm256_add_epi32(_mm256_mullo_epi32(key, _mm256_set1_epi32((int)LITS_M1)),
                                    _mm256_mullo_epi32(tag, _mm256_set1_epi32((int)LITS_M2)));
    __m256i at = _mm256_srl_epi32(hash, _mm_cvtsi32_si128((int)l->filter_shift));
    __m256i word = _mm256_i32gather_epi32((const int *)l->filter, at, 4);
    __m256i bits = two_bits(_mm256_mullo_epi32(hash, _mm256_set1_epi32((int)LITS_M3)));
    __m256i all = _mm256_cmpeq_epi32(_mm256_and_si256(word, bits), bits);

    return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(all));
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* Eight overlapping windows: lane k gets bytes k … k + 3 as its key, then those behind. */
AVX2 static inline uint32_t pass_bytes(const pl_lits *l, const uint8_t *p)
{
    const __m256i keys = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6));
    const __m256i tags = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(4, 5, -1, -1, 5, 6, -1, -1, 6, 7, -1, -1, 7, 8, -1, -1));
    __m256i  v = _mm256_loadu2_m128i((const __m128i *)(p + 4), (const __m128i *)p);
    __m256i  key = _mm256_shuffle_epi8(v, keys);
    uint32_t flags = l->h->flags, hits = 0;

    if (flags & LITS_HAS_BYTES6)
        hits = pass8(l, key,
                     _mm256_or_si256(_mm256_shuffle_epi8(v, tags),
                                     _mm256_set1_epi32(LITS_TAG_BYTES6(0))));
    if (flags & LITS_HAS_BYTES4)
        hits |= pass8(l, key, _mm256_set1_epi32(LITS_TAG_BYTES4));
    if (flags & LITS_HAS_BYTES3)
        hits |= pass8(l, _mm256_and_si256(key, _mm256_set1_epi32(0xffffff)),
                      _mm256_set1_epi32(LITS_TAG_BYTES3));
    return hits;
}

AVX2 static void mark_bytes_at(const pl_lits *l, const uint8_t *p, uint64_t where, lits_marks *m,
                               size_t chunk)
{
    if (l->h->flags & (LITS_HAS_BYTES6 | LITS_HAS_BYTES4 | LITS_HAS_BYTES3))
        for (unsigned i = 0; i < CHUNK; i += LANES)
            if (where >> i & 0xff)
                m->window[chunk] |= ((uint64_t)pass_bytes(l, p + i) << i) & where;
    if (l->h->flags & LITS_OTHER_STARTS)
        for (uint64_t w = where; w; w &= w - 1) {
            const uint8_t *q = p + _tzcnt_u64(w);

            m->start[chunk] |= lits_pair(l->h->start_pairs, q[0], q[1]) ? w & -w : 0;
        }
}

/* --- characters --------------------------------------------------------------------------------- */

AVX2 static inline __m256i widen8(const uint16_t *p)
{
    return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
}

/* Eight windows of characters that follow each other in c. */
AVX2 static inline uint32_t pass_codes(const pl_lits *l, const uint16_t *c)
{
    const __m256i one = _mm256_set1_epi32(1);
    __m256i       c2 = widen8(c + 2);
    __m256i       key = _mm256_or_si256(widen8(c), _mm256_slli_epi32(widen8(c + 1), 16));
    __m256i       tag4 = _mm256_or_si256(c2, _mm256_slli_epi32(widen8(c + 3), 16));
    uint32_t      flags = l->h->flags, hits = 0;

    if (flags & LITS_HAS_WIDE5)
        hits = pass8(l, key,
                     _mm256_add_epi32(tag4,
                                      _mm256_mullo_epi32(_mm256_add_epi32(widen8(c + 4), one),
                                                         _mm256_set1_epi32(LITS_TAG_M))));
    if (flags & LITS_HAS_WIDE4)
        hits |= pass8(l, key, tag4);
    if (flags & LITS_HAS_WIDE3)
        hits |= pass8(l, key,
                      _mm256_or_si256(c2, _mm256_set1_epi32((int)LITS_TAG_WIDE3(0))));
    if (flags & LITS_HAS_WIDE2)
        hits |= pass8(l, key, _mm256_set1_epi32((int)LITS_TAG_WIDE2));
    return hits;
}

/* The characters of a block by their leads, and those that windows at its end may need.
 * Neighbours in it need not be neighbours in the text; a window made of such can pass by chance,
 * and is then refused. */
typedef struct leads {
    size_t   n;
    uint16_t code[LITS_BLOCK + CHUNK], at[LITS_BLOCK + CHUNK];
} leads;

AVX2 static inline void leads_append(leads *d, const uint8_t *p, size_t at, uint64_t mask)
{
    for (; mask; mask &= mask - 1) {
        size_t   i = at + _tzcnt_u64(mask);
        uint32_t c = lits_load32(p + i);

        d->at[d->n] = (uint16_t)i;
        d->code[d->n++] = (uint16_t)((c & 0x0f) | (c >> 4 & 0x3f0) | (c >> 6 & 0xfc00));
    }
}

AVX2 static void mark_leads(const pl_lits *l, const leads *d, size_t n, lits_marks *m)
{
    if (l->h->flags & LITS_HAS_WIDE)
        for (size_t i = 0; i < n; i += LANES)
            for (uint32_t hits = pass_codes(l, d->code + i); hits; hits &= hits - 1) {
                size_t k = i + (unsigned)__builtin_ctz(hits);

                if (k < n)
                    m->window[d->at[k] / 64] |= (uint64_t)1 << (d->at[k] % 64);
            }
    if (l->h->flags & LITS_LEAD_STARTS)
        for (size_t k = 0; k < n; k++)
            m->start[d->at[k] / 64] |= (uint64_t)lits_start_lead(l, d->code[k]) << (d->at[k] % 64);
}

AVX2 static inline uint64_t mask64(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_epi8(low) |
           (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

AVX2 static inline uint64_t leads64(__m256i a, __m256i b)
{
    const __m256i high = _mm256_set1_epi8((char)0xf0), lead = _mm256_set1_epi8((char)0xe0);

    return mask64(_mm256_cmpeq_epi8(_mm256_and_si256(a, high), lead),
                  _mm256_cmpeq_epi8(_mm256_and_si256(b, high), lead));
}

static inline uint64_t first_bits(size_t n)
{
    return n >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << n) - 1;
}

AVX2 static void mark_bytes(const pl_lits *l, const uint8_t *p, size_t n, lits_marks *m)
{
    const __m256i tail = _mm256_set1_epi8(-65);
    uint64_t      tails = l->h->flags & LITS_TAILS ? ~(uint64_t)0 : 0;
    size_t        leads_in, end;
    leads         d;

    d.n = 0;
    for (size_t c = 0; c * CHUNK < n; c++) {
        const uint8_t *q = p + c * CHUNK;
        __m256i        a = _mm256_loadu_si256((const __m256i *)q);
        __m256i        b = _mm256_loadu_si256((const __m256i *)(q + 32));
        uint64_t       in = first_bits(n - c * CHUNK), lead = leads64(a, b) & in;
        uint64_t       other = ~lead & in &
                         (tails | mask64(_mm256_cmpgt_epi8(a, tail), _mm256_cmpgt_epi8(b, tail)));

        m->window[c] = m->start[c] = 0;
        leads_append(&d, p, c * CHUNK, lead);
        if (other)
            mark_bytes_at(l, q, other, m, c);
    }
    leads_in = d.n;
    for (end = n; end < n + 15; end++) /* what a window of five characters can reach */
        leads_append(&d, p, end, lits_is_lead(p[end]));
    memset(d.code + d.n, 0, 16 * sizeof *d.code);
    mark_leads(l, &d, leads_in, m);
}

/* --- units ---------------------------------------------------------------------------------------- */

/* 64 units as bytes; gives those that are wide. */
AVX2 static inline uint64_t narrow64(const uint16_t *p, uint8_t *out)
{
    uint64_t wide = 0;

    for (unsigned i = 0; i < CHUNK; i += 16) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(p + i));
        __m256i is = _mm256_cmpeq_epi16(_mm256_max_epu16(v, _mm256_set1_epi16(LITS_WIDE)), v);
        __m256i low = _mm256_and_si256(_mm256_xor_si256(v, _mm256_srli_epi16(v, 8)),
                                       _mm256_set1_epi16(0xff));
        __m256i both = _mm256_permute4x64_epi64(_mm256_packus_epi16(low, _mm256_setzero_si256()),
                                                0xd8);
        __m256i bits = _mm256_permute4x64_epi64(_mm256_packs_epi16(is, _mm256_setzero_si256()),
                                                0xd8);

        _mm_storeu_si128((__m128i *)(out + i), _mm256_castsi256_si128(both));
        wide |= (uint64_t)(uint32_t)_mm256_movemask_epi8(bits) << i;
    }
    return wide;
}

AVX2 static void mark_units(const pl_lits *l, const uint16_t *p, size_t n, lits_marks *m)
{
    size_t   chunks = (n + CHUNK - 1) / CHUNK;
    uint8_t  narrow[LITS_BLOCK + 2 * CHUNK];
    uint64_t next = narrow64(p, narrow);

    for (size_t c = 0; c < chunks; c++) {
        const uint16_t *q = p + c * CHUNK;
        uint64_t        in = first_bits(n - c * CHUNK), wide = next & in;

        next = narrow64(q + CHUNK, narrow + (c + 1) * CHUNK);
        m->window[c] = m->start[c] = 0;
        if (in & ~wide)
            mark_bytes_at(l, narrow + c * CHUNK, in & ~wide, m, c);
        if (l->h->flags & LITS_HAS_WIDE)
            for (unsigned i = 0; i < CHUNK; i += LANES)
                if (wide >> i & 0xff)
                    m->window[c] |= ((uint64_t)pass_codes(l, q + i) << i) & wide;
        if (l->h->flags & LITS_LEAD_STARTS)
            for (uint64_t w = wide; w; w &= w - 1)
                m->start[c] |= lits_start_lead(l, q[_tzcnt_u64(w)]) ? w & -w : 0;
    }
}

const lits_path lits_path_avx2 = { mark_bytes, mark_units };

#endif
