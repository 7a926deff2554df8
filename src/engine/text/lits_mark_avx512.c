/* Marking with AVX-512 (F, BW, VL, VBMI, VBMI2). May mark more than the portable code does, never
 * less; what a mark points to is confirmed afterwards. */
#include "base/banned.h"

#ifdef __x86_64__

#include "engine/text/lits_int.h"

#include <immintrin.h>

#define AVX512 \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi,bmi2,popcnt")))
enum { CHUNK = 64, CHUNKS = LITS_BLOCK / CHUNK };

/* Positions of a block, or of some more, picked chunk by chunk; the k-th set bit of all masks
 * belongs to the k-th element of an array that is collected beside it. */
typedef struct picks {
    size_t   n;
    uint64_t mask[CHUNKS + 1];
} picks;

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

/* Walks through the chunks of picks as their numbers rise. */
typedef struct walk {
    size_t   chunk, before;
    unsigned in_chunk;
} walk;

/* Marks the position of each pick that is set in hits, the first of which is number i. */
AVX512 static inline void mark_picks(const picks *d, walk *w, size_t i, uint32_t hits,
                                     lits_marks *m)
{
    for (; hits; hits &= hits - 1) {
        size_t k = i + (unsigned)_tzcnt_u32(hits);

        while (k >= w->before + w->in_chunk) {
            w->before += w->in_chunk;
            w->in_chunk = (unsigned)__builtin_popcountll(d->mask[++w->chunk]);
        }
        m->window[w->chunk] |= _pdep_u64((uint64_t)1 << (k - w->before), d->mask[w->chunk]);
    }
}

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

/* Keys of windows of bytes where the masks say, and the bytes that follow each key. */
typedef struct others {
    picks    at;
    uint32_t key[LITS_BLOCK + 16], next[LITS_BLOCK + 16];
} others;

AVX512 static inline void others_append(others *o, const uint8_t *p, __m512i v, size_t chunk,
                                        uint64_t mask)
{
    const __m512i iota = _mm512_set_epi8(
        63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41,
        40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18,
        17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i  at = _mm512_maskz_compress_epi8(mask, iota), more = _mm512_loadu_si512(p + CHUNK);
    unsigned n = (unsigned)__builtin_popcountll(mask);

    o->at.mask[chunk] = mask;
    for (unsigned i = 0; i < n; i += 16) {
        __m512i k = _mm512_add_epi32(
            _mm512_mullo_epi32(_mm512_cvtepu8_epi32(_mm512_castsi512_si128(at)),
                               _mm512_set1_epi32(0x01010101)),
            _mm512_set1_epi32(0x03020100));

        _mm512_storeu_si512(o->key + o->at.n + i, _mm512_permutex2var_epi8(v, k, more));
        k = _mm512_add_epi32(k, _mm512_set1_epi32(0x04040404));
        _mm512_storeu_si512(o->next + o->at.n + i, _mm512_permutex2var_epi8(v, k, more));
        at = _mm512_alignr_epi32(at, at, 4);
    }
    o->at.n += n;
}

AVX512 static void mark_others(const pl_lits *l, const others *o, lits_marks *m)
{
    walk     w = { 0, 0, (unsigned)__builtin_popcountll(o->at.mask[0]) };
    uint32_t flags = l->h->flags;

    for (size_t i = 0; i < o->at.n; i += 16) {
        __m512i   key = _mm512_loadu_si512(o->key + i);
        __mmask16 in = o->at.n - i >= 16 ? 0xffff : (__mmask16)(0xffff >> (16 - (o->at.n - i)));
        __mmask16 hits = 0;

        if (flags & LITS_HAS_BYTES6) {
            __m512i b45 = _mm512_and_si512(_mm512_loadu_si512(o->next + i),
                                           _mm512_set1_epi32(0xffff));

            hits = pass16(l, key, _mm512_or_si512(b45, _mm512_set1_epi32(LITS_TAG_BYTES6(0))));
        }
        if (flags & LITS_HAS_BYTES4)
            hits |= pass16(l, key, _mm512_set1_epi32(LITS_TAG_BYTES4));
        mark_picks(&o->at, &w, i, hits & in, m);
    }
}

AVX512 static void mark_triples(const pl_lits *l, const others *o, lits_marks *m)
{
    walk w = { 0, 0, (unsigned)__builtin_popcountll(o->at.mask[0]) };

    for (size_t i = 0; i < o->at.n; i += 16) {
        __m512i   key = _mm512_and_si512(_mm512_loadu_si512(o->key + i),
                                         _mm512_set1_epi32(0xffffff));
        __mmask16 in = o->at.n - i >= 16 ? 0xffff : (__mmask16)(0xffff >> (16 - (o->at.n - i)));

        mark_picks(&o->at, &w, i, pass16(l, key, _mm512_set1_epi32(LITS_TAG_BYTES3)) & in, m);
    }
}

/* All that is looked for where no lead is: `where` has the positions of each chunk, p bytes or
 * units narrowed to bytes. */
AVX512 static void mark_bytes_at(const pl_lits *l, const uint8_t *p, const uint64_t *where,
                                 size_t chunks, lits_marks *m)
{
    const lits_header *h = l->h;
    others             o;

    if (h->flags & (LITS_HAS_BYTES6 | LITS_HAS_BYTES4)) {
        o.at.n = 0;
        for (size_t c = 0; c < chunks; c++, p += CHUNK) {
            __m512i  v0 = _mm512_loadu_si512(p), v1 = _mm512_loadu_si512(p + 1);
            __m512i  v2 = _mm512_loadu_si512(p + 2), v3 = _mm512_loadu_si512(p + 3);
            uint64_t w = where[c] & pairs64(h->window_pairs[0], v0, v1) &
                         pairs64(h->window_pairs[1], v1, v2) & pairs64(h->window_pairs[2], v2, v3);

            others_append(&o, p, v0, c, w);
        }
        mark_others(l, &o, m);
        p -= chunks * CHUNK;
    }
    if (h->flags & LITS_HAS_BYTES3) {
        o.at.n = 0;
        for (size_t c = 0; c < chunks; c++, p += CHUNK) {
            __m512i  v0 = _mm512_loadu_si512(p), v1 = _mm512_loadu_si512(p + 1);
            uint64_t w = where[c] & pairs64(h->triple_pairs[0], v0, v1) &
                         pairs64(h->triple_pairs[1], v1, _mm512_loadu_si512(p + 2));

            others_append(&o, p, v0, c, w);
        }
        mark_triples(l, &o, m);
        p -= chunks * CHUNK;
    }
    if (h->flags & LITS_OTHER_STARTS)
        for (size_t c = 0; c < chunks; c++, p += CHUNK)
            m->start[c] |= where[c] & pairs64(h->start_pairs, _mm512_loadu_si512(p),
                                              _mm512_loadu_si512(p + 1));
}

/* Appends the codes of the characters at `mask`. */
AVX512 static inline size_t codes_append(uint16_t *code, const uint8_t *p, __m512i v0,
                                         uint64_t mask)
{
    __m512i v1 = _mm512_loadu_si512(p + 1), v2 = _mm512_loadu_si512(p + 2);
    __m512i low = _mm512_or_si512(
        _mm512_and_si512(v0, _mm512_set1_epi8(0x0f)),
        _mm512_and_si512(_mm512_slli_epi16(v1, 4), _mm512_set1_epi8((char)0xf0)));
    __m512i high = _mm512_or_si512(
        _mm512_and_si512(_mm512_srli_epi16(v1, 4), _mm512_set1_epi8(0x03)),
        _mm512_and_si512(_mm512_slli_epi16(v2, 2), _mm512_set1_epi8((char)0xfc)));
    unsigned n = (unsigned)__builtin_popcountll(mask);

    low = _mm512_maskz_compress_epi8(mask, low);
    high = _mm512_maskz_compress_epi8(mask, high);
    for (unsigned i = 0; i < n; i += 32) {
        __m512i a = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(low));
        __m512i b = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(high));

        _mm512_storeu_si512(code + i, _mm512_or_si512(a, _mm512_slli_epi16(b, 8)));
        low = _mm512_shuffle_i64x2(low, low, 0x4e);
        high = _mm512_shuffle_i64x2(high, high, 0x4e);
    }
    return n;
}

/* Sixteen windows of five characters, the first two in `key`, the next in `tag4`, one in c4. */
AVX512 static inline __mmask16 pass_wide(const pl_lits *l, __m512i key, __m512i tag4, __m512i c4)
{
    uint32_t  flags = l->h->flags;
    __mmask16 hits = 0;

    if (flags & LITS_HAS_WIDE5)
        hits = pass16(l, key,
                      _mm512_add_epi32(
                          tag4, _mm512_mullo_epi32(_mm512_add_epi32(c4, _mm512_set1_epi32(1)),
                                                   _mm512_set1_epi32(LITS_TAG_M))));
    if (flags & LITS_HAS_WIDE4)
        hits |= pass16(l, key, tag4);
    if (flags & LITS_HAS_WIDE3)
        hits |= pass16(l, key,
                       _mm512_or_si512(_mm512_and_si512(tag4, _mm512_set1_epi32(0xffff)),
                                       _mm512_set1_epi32((int)LITS_TAG_WIDE3(0))));
    if (flags & LITS_HAS_WIDE2)
        hits |= pass16(l, key, _mm512_set1_epi32((int)LITS_TAG_WIDE2));
    return hits;
}

/* Which of the sixteen pairs that begin at c some window begins with. */
AVX512 static inline __mmask16 pass_pairs(const pl_lits *l, const uint16_t *c)
{
    __m512i c0 = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)c));
    __m512i c1 = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(c + 1)));
    __m512i hash = _mm512_mullo_epi32(_mm512_or_si512(c0, _mm512_slli_epi32(c1, 16)),
                                      _mm512_set1_epi32((int)LITS_M1));
    __m512i bit = _mm512_srl_epi32(hash, _mm_cvtsi32_si128((int)l->lead_shift));
    __m512i word = _mm512_i32gather_epi32(_mm512_srli_epi32(bit, 5), l->lead_pairs, 4);

    return _mm512_test_epi32_mask(word, _mm512_rolv_epi32(_mm512_set1_epi32(1), bit));
}

/* Places whose pair is some window's, in rising order. */
typedef struct lead_list {
    size_t   n;
    uint16_t at[LITS_BLOCK + 32];
} lead_list;

AVX512 static inline void list_append(lead_list *w, size_t first, __mmask16 mask)
{
    const __m512i iota =
        _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i at = _mm512_add_epi32(iota, _mm512_set1_epi32((int)first));

    _mm256_storeu_si256((__m256i *)(w->at + w->n),
                        _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(mask, at)));
    w->n += (unsigned)__builtin_popcount(mask);
}

/* Which of sixteen places from number i of the list on have a window, characters in c. */
AVX512 static inline __mmask16 list_pass(const pl_lits *l, const lead_list *w, size_t i,
                                         const uint16_t *c)
{
    size_t    left = w->n - i;
    __mmask16 in = (__mmask16)(left >= 16 ? 0xffffu : 0xffffu >> (16 - left));
    __m512i   none = _mm512_setzero_si512();
    __m512i   at = _mm512_maskz_cvtepu16_epi32(in, _mm256_loadu_si256((const __m256i *)(w->at + i)));
    __m512i   key = _mm512_mask_i32gather_epi32(none, in, at, c, 2);
    __m512i   tag4 = _mm512_mask_i32gather_epi32(none, in, at, c + 2, 2);
    __m512i   c4 = _mm512_mask_i32gather_epi32(none, in, at, c + 4, 2);

    return pass_wide(l, key, tag4, _mm512_and_si512(c4, _mm512_set1_epi32(0xffff))) & in;
}

/* Sixteen windows of characters that follow each other in c. */
AVX512 static inline __mmask16 pass_codes(const pl_lits *l, const uint16_t *c)
{
    __m512i c0 = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)c));
    __m512i c1 = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(c + 1)));
    __m512i c2 = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(c + 2)));
    __m512i c3 = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(c + 3)));
    __m512i c4 = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(c + 4)));

    return pass_wide(l, _mm512_or_si512(c0, _mm512_slli_epi32(c1, 16)),
                     _mm512_or_si512(c2, _mm512_slli_epi32(c3, 16)), c4);
}

/* The characters of a block by their leads, those of one more chunk included: a window may reach
 * over the end of the block. Neighbours in it need not be neighbours in the text; a window made of
 * such can pass by chance, and is then refused. */
typedef struct leads {
    picks    at; /* n: those in the block */
    uint16_t code[LITS_BLOCK + 4 * CHUNK];
} leads;

/* First which pairs of characters some window begins with, then these windows. */
AVX512 static void mark_listed_leads(const pl_lits *l, const leads *d, lits_marks *m)
{
    walk      w = { 0, 0, (unsigned)__builtin_popcountll(d->at.mask[0]) };
    lead_list list;

    list.n = 0;
    for (size_t i = 0; i < d->at.n; i += 16) {
        size_t    left = d->at.n - i;
        __mmask16 in = (__mmask16)(left >= 16 ? 0xffffu : 0xffffu >> (16 - left));

        list_append(&list, i, pass_pairs(l, d->code + i) & in);
    }
    for (size_t i = 0; i < list.n; i += 16)
        for (uint32_t hits = list_pass(l, &list, i, d->code); hits; hits &= hits - 1)
            mark_picks(&d->at, &w, list.at[i + _tzcnt_u32(hits)], 1, m);
}

AVX512 static void mark_leads(const pl_lits *l, const leads *d, size_t chunks, lits_marks *m)
{
    walk w = { 0, 0, (unsigned)__builtin_popcountll(d->at.mask[0]) };

    if (l->lead_pairs)
        mark_listed_leads(l, d, m);
    else if (l->h->flags & LITS_HAS_WIDE)
        for (size_t i = 0; i < d->at.n; i += 16) {
            size_t left = d->at.n - i;

            mark_picks(&d->at, &w, i,
                       pass_codes(l, d->code + i) & (left >= 16 ? 0xffffu : 0xffffu >> (16 - left)),
                       m);
        }
    if (l->h->flags & LITS_LEAD_STARTS) {
        const uint16_t *code = d->code;

        for (size_t c = 0; c < chunks; c++)
            for (uint64_t x = d->at.mask[c]; x; x &= x - 1)
                m->start[c] |= lits_start_lead(l, *code++) ? x & -x : 0;
    }
}

static inline uint64_t first_bits(size_t n)
{
    return n >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << n) - 1;
}

AVX512 static void mark_bytes(const pl_lits *l, const uint8_t *p, size_t n, lits_marks *m)
{
    size_t   chunks = (n + CHUNK - 1) / CHUNK, codes = 0;
    uint64_t tails = l->h->flags & LITS_TAILS ? ~(uint64_t)0 : 0, other[CHUNKS], any = 0;
    leads    d;

    d.at.n = 0;
    for (size_t c = 0; c <= chunks; c++) {
        const uint8_t *q = p + c * CHUNK;
        __m512i        v = _mm512_loadu_si512(q);
        uint64_t       in = c == chunks ? 0 : first_bits(n - c * CHUNK);
        uint64_t       lead = _mm512_cmpeq_epi8_mask(
            _mm512_and_si512(v, _mm512_set1_epi8((char)0xf0)), _mm512_set1_epi8((char)0xe0));

        d.at.mask[c] = lead & in;
        if (lead) {
            d.at.n += (unsigned)__builtin_popcountll(lead & in);
            codes += codes_append(d.code + codes, q, v, lead);
        }
        if (c == chunks)
            break;
        other[c] = ~lead & in &
                   (tails | (uint64_t)_mm512_cmpge_epi8_mask(v, _mm512_set1_epi8(-64)));
        any |= other[c];
        m->window[c] = m->start[c] = 0;
    }
    memset(d.code + codes, 0, 64);
    mark_leads(l, &d, chunks, m);
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
    size_t   chunks = (n + CHUNK - 1) / CHUNK;
    uint8_t  narrow[LITS_BLOCK + 2 * CHUNK];
    uint64_t other[CHUNKS], any = 0;
    lead_list list;

    list.n = 0;
    for (size_t c = 0; c < chunks; c++) {
        const uint16_t *q = p + c * CHUNK;
        uint64_t        in = first_bits(n - c * CHUNK), wide = narrow64(q, narrow + c * CHUNK) & in;
        uint64_t        marks = 0;

        other[c] = in & ~wide;
        any |= other[c];
        for (unsigned i = 0; i < CHUNK && l->h->flags & LITS_HAS_WIDE; i += 16) {
            if (!(wide >> i & 0xffff))
                continue;
            if (l->lead_pairs)
                list_append(&list, c * CHUNK + i, pass_pairs(l, q + i) & (__mmask16)(wide >> i));
            else
                marks |= (uint64_t)pass_codes(l, q + i) << i;
        }
        m->window[c] = marks & wide;
        m->start[c] = 0;
        if (l->h->flags & LITS_LEAD_STARTS)
            for (uint64_t w = wide; w; w &= w - 1)
                if (lits_start_lead(l, q[_tzcnt_u64(w)]))
                    m->start[c] |= w & -w;
    }
    for (size_t i = 0; i < list.n; i += 16)
        for (uint32_t hits = list_pass(l, &list, i, p); hits; hits &= hits - 1) {
            size_t at = list.at[i + _tzcnt_u32(hits)];

            m->window[at / 64] |= (uint64_t)1 << at % 64;
        }
    narrow64(p + chunks * CHUNK, narrow + chunks * CHUNK);
    if (any)
        mark_bytes_at(l, narrow, other, chunks, m);
}

const lits_path lits_path_avx512 = { mark_bytes, mark_units };

#endif
