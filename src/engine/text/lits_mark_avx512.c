/* Marking with AVX-512 (F, BW, VL, VBMI, VBMI2): a first look at every place, sixteen at a time, then the
 * filter where it says yes. May mark more than the portable code does, never
 * less; what a mark points to is confirmed afterwards. */
#include "base/banned.h"

#ifdef __x86_64__

#include "engine/text/lits_int.h"

#include <immintrin.h>

#define AVX512 \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi,bmi2,popcnt")))
enum { CHUNK = 64, CHUNKS = LITS_BLOCK / CHUNK, AHEAD = 2048 };

/* Sixteen windows at once: a bit for each that passes the filter. */
AVX512 static inline __mmask16 pass16(const pl_lits *l, __m512i key, __m512i tag)
{
    const __m512i one = _mm512_set1_epi32(1);
    __m512i       hash = _mm512_add_epi32(
        _mm512_mullo_epi32(key, _mm512_set1_epi32((int)LITS_M1)),
        _mm512_mullo_epi32(tag, _mm512_set1_epi32((int)LITS_M2)));
    __m512i at = _mm512_srl_epi32(hash, _mm_cvtsi32_si128((int)l->filter_shift));
    __m512i word = _mm512_i32gather_epi32(at, l->filter, 4);
    __m512i g = _mm512_mullo_epi32(hash, _mm512_set1_epi32((int)LITS_M3));
    __m512i bits = _mm512_or_si512(_mm512_rolv_epi32(one, _mm512_srli_epi32(g, 27)),
                                   _mm512_rolv_epi32(one, _mm512_srli_epi32(g, 22)));

    return _mm512_testn_epi32_mask(_mm512_andnot_si512(word, bits), bits);
}

/* Sixteen first looks at once. */
AVX512 static inline __mmask16 first16(const lits_first *f, __m512i hash, __m512i next)
{
    __m512i at = _mm512_srl_epi32(hash, _mm_cvtsi32_si128((int)f->shift));
    __m512i word = _mm512_i32gather_epi32(at, f->word, 4);

    return _mm512_test_epi32_mask(word, _mm512_rorv_epi32(_mm512_set1_epi32(INT32_MIN), next));
}

/* Places that passed it, in rising order. */
typedef struct places {
    size_t   n;
    uint16_t at[LITS_BLOCK + 32];
} places;

AVX512 static inline void places_append(places *w, __m512i at, __mmask16 mask)
{
    _mm256_storeu_si256((__m256i *)(w->at + w->n),
                        _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(mask, at)));
    w->n += (unsigned)__builtin_popcount(mask);
}

/* How many of n are left from i on, as a mask of sixteen. */
static inline __mmask16 left16(size_t n, size_t i)
{
    return (__mmask16)(n - i >= 16 ? 0xffffu : 0xffffu >> (16 - (n - i)));
}

AVX512 static inline __m512i places_load(const places *w, size_t i, __mmask16 in)
{
    return _mm512_maskz_cvtepu16_epi32(in, _mm256_loadu_si256((const __m256i *)(w->at + i)));
}

AVX512 static inline __m512i iota64(void)
{
    return _mm512_set_epi8(
        63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41,
        40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18,
        17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

/* --- elsewhere than at leads --------------------------------------------------------------------- */

/* Which of 64 neighbouring pairs a set holds. */
AVX512 static inline __mmask64 pairs64(const uint8_t set[LITS_PAIRS], __m512i a, __m512i b)
{
    const __m512i bits = _mm512_broadcast_i32x4(
        _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128));
    __m512i row = _mm512_slli_epi16(_mm512_and_si512(a, _mm512_set1_epi8(31)), 2);
    __m512i column = _mm512_and_si512(_mm512_srli_epi16(b, 3), _mm512_set1_epi8(3));
    __m512i cell = _mm512_permutex2var_epi8(_mm512_loadu_si512(set),
                                            _mm512_or_si512(row, column),
                                            _mm512_loadu_si512(set + 64));
    __m512i bit = _mm512_shuffle_epi8(bits, _mm512_and_si512(b, _mm512_set1_epi8(7)));

    return _mm512_test_epi8_mask(cell, bit);
}

/* Where the next bytes are pairs that some window has; v0 is what stands at p. */
AVX512 static inline uint64_t windows64(const lits_header *h, const uint8_t *p, __m512i v0)
{
    __m512i  v1 = _mm512_loadu_si512(p + 1), v2 = _mm512_loadu_si512(p + 2), v3 = _mm512_loadu_si512(p + 3);
    uint64_t at = 0;

    if (h->flags & (LITS_HAS_BYTES6 | LITS_HAS_BYTES4))
        at = pairs64(h->window_pairs[0], v0, v1) & pairs64(h->window_pairs[1], v1, v2) &
             pairs64(h->window_pairs[2], v2, v3);
    if (h->flags & LITS_HAS_BYTES3)
        at |= pairs64(h->triple_pairs[0], v0, v1) & pairs64(h->triple_pairs[1], v1, v2);
    return at;
}

/* Places and the four bytes that stand there. */
typedef struct others {
    size_t   n;
    uint16_t at[LITS_BLOCK + 32];
    uint32_t key[LITS_BLOCK + 16];
} others;

/* Appends the places of a chunk that the mask says; v is the chunk, which begins at `from`. */
AVX512 static inline void others_append(others *o, const uint8_t *p, __m512i v, size_t from, uint64_t mask)
{
    __m512i  at = _mm512_maskz_compress_epi8(mask, iota64()), more = _mm512_loadu_si512(p + CHUNK);
    unsigned n = (unsigned)__builtin_popcountll(mask), i = 0;

    do { /* whether there are any cannot be guessed, that there are more than sixteen can */
        __m512i lane = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(at));
        __m512i k = _mm512_add_epi32(_mm512_mullo_epi32(lane, _mm512_set1_epi32(0x01010101)),
                                     _mm512_set1_epi32(0x03020100));

        _mm512_storeu_si512(o->key + o->n + i, _mm512_permutex2var_epi8(v, k, more));
        _mm256_storeu_si256((__m256i *)(o->at + o->n + i),
                            _mm512_cvtepi32_epi16(_mm512_add_epi32(lane, _mm512_set1_epi32((int)from))));
        at = _mm512_alignr_epi32(at, at, 4);
    } while ((i += 16) < n);
    o->n += n;
}

/* Keeps those that pass the first look. */
AVX512 __attribute__((noinline)) static void others_look(const lits_first *f, others *o)
{
    size_t kept = 0;

    for (size_t i = 0; i < o->n; i += 16) {
        __m512i   key = _mm512_loadu_si512(o->key + i);
        __m512i   at = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(o->at + i)));
        __m512i   hash = _mm512_mullo_epi32(_mm512_and_si512(key, _mm512_set1_epi32(0xffffff)),
                                            _mm512_set1_epi32((int)LITS_M1));
        __mmask16 keep = first16(f, hash, _mm512_srli_epi32(key, 24)) & left16(o->n, i);

        _mm512_storeu_si512(o->key + kept, _mm512_maskz_compress_epi32(keep, key));
        _mm256_storeu_si256((__m256i *)(o->at + kept),
                            _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(keep, at)));
        kept += (unsigned)__builtin_popcount(keep);
    }
    o->n = kept;
}

/* p: where the block begins. */
AVX512 __attribute__((noinline)) static void mark_others(const pl_lits *l, const others *o, const uint8_t *p, lits_marks *m)
{
    uint32_t flags = l->h->flags;

    for (size_t i = 0; i < o->n; i += 16) {
        __mmask16 in = left16(o->n, i);
        __m512i   key = _mm512_loadu_si512(o->key + i);
        uint32_t  by[3] = { 0 };

        if (flags & LITS_HAS_BYTES6) {
            __m512i at = _mm512_maskz_cvtepu16_epi32(in, _mm256_loadu_si256((const __m256i *)(o->at + i)));
            __m512i b45 = _mm512_and_si512(
                _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), in, at, p + 4, 1),
                _mm512_set1_epi32(0xffff));

            by[0] = pass16(l, key, _mm512_or_si512(b45, _mm512_set1_epi32(LITS_TAG_BYTES6(0))));
        }
        if (flags & LITS_HAS_BYTES4)
            by[1] = pass16(l, key, _mm512_set1_epi32(LITS_TAG_BYTES4));
        if (flags & LITS_HAS_BYTES3)
            by[2] = pass16(l, _mm512_and_si512(key, _mm512_set1_epi32(0xffffff)),
                           _mm512_set1_epi32(LITS_TAG_BYTES3));
        for (uint32_t hits = (by[0] | by[1] | by[2]) & in; hits; hits &= hits - 1) {
            unsigned lane = _tzcnt_u32(hits);

            lits_mark(m, o->at[i + lane], lits_kinds_at(by, 3, lane, LITS_BYTES6));
        }
    }
}

/* All that is looked for where no lead is: `where` has the positions of each chunk, p bytes or
 * units narrowed to bytes. */
AVX512 static void mark_bytes_at(const pl_lits *l, const uint8_t *p, const uint64_t *where,
                                 size_t chunks, lits_marks *m)
{
    const lits_header *h = l->h;
    bool               windows = h->flags & (LITS_HAS_BYTES6 | LITS_HAS_BYTES4 | LITS_HAS_BYTES3);
    others             o;

    o.n = 0;
    for (size_t c = 0; c < chunks; c++) {
        const uint8_t *q = p + c * CHUNK;
        __m512i        v = _mm512_loadu_si512(q);

        if (windows && where[c])
            others_append(&o, q, v, c * CHUNK, where[c] & windows64(h, q, v));
        if (h->flags & LITS_OTHER_STARTS)
            m->start[c] |= where[c] & pairs64(h->start_pairs, v, _mm512_loadu_si512(q + 1));
    }
    others_look(&l->other, &o);
    mark_others(l, &o, p, m);
}

/* --- at leads -------------------------------------------------------------------------------------- */

/* The characters of a block by their leads, those of one more chunk included: a window may reach
 * over the end of the block. Neighbours in it need not be neighbours in the text; a window made of
 * such can pass by chance, and is then refused. */
typedef struct leads {
    size_t   n, in; /* all, and those in the block */
    uint16_t code[LITS_BLOCK + 4 * CHUNK], at[LITS_BLOCK + 4 * CHUNK];
} leads;

/* Appends the characters that begin at `mask` of the chunk at p, which begins at `from`. */
AVX512 static inline void leads_append(leads *d, const uint8_t *p, __m512i v0, size_t from, uint64_t mask)
{
    __m512i v1 = _mm512_loadu_si512(p + 1), v2 = _mm512_loadu_si512(p + 2);
    __m512i low = _mm512_or_si512(
        _mm512_and_si512(v0, _mm512_set1_epi8(0x0f)),
        _mm512_and_si512(_mm512_slli_epi16(v1, 4), _mm512_set1_epi8((char)0xf0)));
    __m512i high = _mm512_or_si512(
        _mm512_and_si512(_mm512_srli_epi16(v1, 4), _mm512_set1_epi8(0x03)),
        _mm512_and_si512(_mm512_slli_epi16(v2, 2), _mm512_set1_epi8((char)0xfc)));
    __m512i  at = _mm512_maskz_compress_epi8(mask, iota64());
    unsigned n = (unsigned)__builtin_popcountll(mask);

    low = _mm512_maskz_compress_epi8(mask, low);
    high = _mm512_maskz_compress_epi8(mask, high);
    for (unsigned i = 0; i < n; i += 32) {
        __m512i a = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(low));
        __m512i b = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(high));
        __m512i c = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(at));

        _mm512_storeu_si512(d->code + d->n + i, _mm512_or_si512(a, _mm512_slli_epi16(b, 8)));
        _mm512_storeu_si512(d->at + d->n + i, _mm512_add_epi16(c, _mm512_set1_epi16((short)from)));
        low = _mm512_shuffle_i64x2(low, low, 0x4e);
        high = _mm512_shuffle_i64x2(high, high, 0x4e);
        at = _mm512_shuffle_i64x2(at, at, 0x4e);
    }
    d->n += n;
}

/* Sixteen windows of five characters, the first two in `key`, the next in `tag4`, one in c4: a mask for each
 * kind of window. */
AVX512 static inline void pass_wide(const pl_lits *l, __m512i key, __m512i tag4, __m512i c4, uint32_t by[4])
{
    uint32_t flags = l->h->flags;

    if (flags & LITS_HAS_WIDE5)
        by[0] = pass16(l, key,
                      _mm512_add_epi32(
                          tag4, _mm512_mullo_epi32(_mm512_add_epi32(c4, _mm512_set1_epi32(1)),
                                                   _mm512_set1_epi32(LITS_TAG_M))));
    if (flags & LITS_HAS_WIDE4)
        by[1] = pass16(l, key, tag4);
    if (flags & LITS_HAS_WIDE3)
        by[2] = pass16(l, key,
                       _mm512_or_si512(_mm512_and_si512(tag4, _mm512_set1_epi32(0xffff)),
                                       _mm512_set1_epi32((int)LITS_TAG_WIDE3(0))));
    if (flags & LITS_HAS_WIDE2)
        by[3] = pass16(l, key, _mm512_set1_epi32((int)LITS_TAG_WIDE2));
}

/* Which of sixteen characters starts begin with. */
AVX512 static inline __mmask16 starts16(const pl_lits *l, const uint16_t *c)
{
    __m512i code = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)c));
    __m512i word = _mm512_i32gather_epi32(_mm512_srli_epi32(code, 5), l->h->start_leads, 4);
    __m512i bit = _mm512_sllv_epi32(_mm512_set1_epi32(1), _mm512_and_si512(code, _mm512_set1_epi32(31)));

    return _mm512_test_epi32_mask(word, bit);
}

/* Sixteen first looks at neighbouring characters; `skip`: how far down what comes next stands. */
AVX512 static inline __mmask16 first_codes(const lits_first *f, const uint16_t *c, __m128i skip)
{
    __m512i c0 = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)c));
    __m512i c1 = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(c + 1)));
    __m512i c2 = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(c + 2)));
    __m512i hash = _mm512_add_epi32(_mm512_mullo_epi32(c0, _mm512_set1_epi32((int)LITS_M1)),
                                    _mm512_mullo_epi32(c1, _mm512_set1_epi32((int)LITS_M2)));

    return first16(f, hash, _mm512_srl_epi32(c2, skip));
}

/* Marks those of the places in c that have a window; `at_of` says where they are in the block, NULL: there. */
AVX512 static void mark_wide(const pl_lits *l, const places *w, const uint16_t *c, const uint16_t *at_of,
                             lits_marks *m)
{
    uint32_t by[4] = { 0 };

    for (size_t i = 0; i < w->n; i += 16) {
        __mmask16 in = left16(w->n, i);
        __m512i   none = _mm512_setzero_si512(), at = places_load(w, i, in);
        __m512i   key = _mm512_mask_i32gather_epi32(none, in, at, c, 2);
        __m512i   tag4 = _mm512_mask_i32gather_epi32(none, in, at, c + 2, 2);
        __m512i   c4 = _mm512_mask_i32gather_epi32(none, in, at, c + 4, 2);

        pass_wide(l, key, tag4, _mm512_and_si512(c4, _mm512_set1_epi32(0xffff)), by);
        for (uint32_t hits = (by[0] | by[1] | by[2] | by[3]) & in; hits; hits &= hits - 1) {
            unsigned lane = _tzcnt_u32(hits);
            size_t   k = w->at[i + lane];

            lits_mark(m, at_of ? at_of[k] : k, lits_kinds_at(by, 4, lane, LITS_WIDE5));
        }
    }
}

AVX512 static inline __m512i iota16(size_t from)
{
    return _mm512_add_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                            _mm512_set1_epi32((int)from));
}

AVX512 static void mark_leads(const pl_lits *l, const leads *d, lits_marks *m)
{
    const __m128i skip = _mm_cvtsi32_si128(LITS_CODE_NEXT);
    places        w;

    w.n = 0;
    for (size_t i = 0; i < d->in && l->h->flags & LITS_HAS_WIDE; i += 16)
        places_append(&w, iota16(i), first_codes(&l->codes, d->code + i, skip) & left16(d->in, i));
    mark_wide(l, &w, d->code, d->at, m);
    for (size_t i = 0; i < d->in && l->h->flags & LITS_LEAD_STARTS; i += 16)
        for (uint32_t hits = starts16(l, d->code + i) & left16(d->in, i); hits; hits &= hits - 1) {
            unsigned at = d->at[i + _tzcnt_u32(hits)];

            m->start[at / 64] |= (uint64_t)1 << at % 64;
        }
}

static inline uint64_t first_bits(size_t n)
{
    return n >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << n) - 1;
}

AVX512 static void mark_bytes(const pl_lits *l, const uint8_t *p, size_t n, lits_marks *m)
{
    size_t   chunks = (n + CHUNK - 1) / CHUNK;
    uint64_t tails = l->h->flags & LITS_TAILS ? ~(uint64_t)0 : 0, other[CHUNKS], any = 0;
    leads    d;

    d.n = d.in = 0;
    for (size_t c = 0; c <= chunks; c++) {
        const uint8_t *q = p + c * CHUNK;
        __m512i        v = _mm512_loadu_si512(q);

        _mm_prefetch((const char *)q + AHEAD, _MM_HINT_T0);
        uint64_t       in = c == chunks ? 0 : first_bits(n - c * CHUNK);
        uint64_t       lead = _mm512_cmpeq_epi8_mask(
            _mm512_and_si512(v, _mm512_set1_epi8((char)0xf0)), _mm512_set1_epi8((char)0xe0));

        d.in += (unsigned)__builtin_popcountll(lead & in);
        if (lead)
            leads_append(&d, q, v, c * CHUNK, lead);
        if (c == chunks)
            break;
        other[c] = ~lead & in &
                   (tails | (uint64_t)_mm512_cmpge_epi8_mask(v, _mm512_set1_epi8(-64)));
        any |= other[c];
        m->window[c] = m->start[c] = 0;
    }
    memset(d.code + d.n, 0, 64);
    mark_leads(l, &d, m);
    if (any)
        mark_bytes_at(l, p, other, chunks, m);
}

AVX512 static inline uint64_t narrow64(const uint16_t *p, uint8_t *out)
{
    const __m512i wide = _mm512_set1_epi16(LITS_WIDE);
    __m512i       a = _mm512_loadu_si512(p), b = _mm512_loadu_si512(p + 32);

    _mm256_storeu_si256((__m256i *)out,
                        _mm512_cvtepi16_epi8(_mm512_xor_si512(a, _mm512_srli_epi16(a, 8))));
    _mm256_storeu_si256((__m256i *)(out + 32),
                        _mm512_cvtepi16_epi8(_mm512_xor_si512(b, _mm512_srli_epi16(b, 8))));
    return (uint64_t)_mm512_cmpge_epu16_mask(a, wide) |
           (uint64_t)_mm512_cmpge_epu16_mask(b, wide) << 32;
}

AVX512 static void mark_units(const pl_lits *l, const uint16_t *p, size_t n, lits_marks *m)
{
    const __m128i skip = _mm_setzero_si128();
    size_t   chunks = (n + CHUNK - 1) / CHUNK;
    uint8_t  narrow[LITS_BLOCK + 2 * CHUNK];
    uint64_t other[CHUNKS], any = 0;
    places   w;

    w.n = 0;
    for (size_t c = 0; c < chunks; c++) {
        const uint16_t *q = p + c * CHUNK;
        uint64_t        in = first_bits(n - c * CHUNK), wide = narrow64(q, narrow + c * CHUNK) & in;

        other[c] = in & ~wide;
        any |= other[c];
        m->window[c] = m->start[c] = 0;
        for (unsigned i = 0; i < CHUNK && l->h->flags & LITS_HAS_WIDE; i += 16)
            if (wide >> i & 0xffff)
                places_append(&w, iota16(c * CHUNK + i), first_codes(&l->wide, q + i, skip) & (__mmask16)(wide >> i));
        for (unsigned i = 0; i < CHUNK && l->h->flags & LITS_LEAD_STARTS; i += 16)
            if (wide >> i & 0xffff)
                m->start[c] |= (uint64_t)(starts16(l, q + i) & (wide >> i)) << i;
    }
    mark_wide(l, &w, p, NULL, m);
    narrow64(p + chunks * CHUNK, narrow + chunks * CHUNK);
    if (any)
        mark_bytes_at(l, narrow, other, chunks, m);
}

const lits_path lits_path_avx512 = { mark_bytes, mark_units };

#endif
