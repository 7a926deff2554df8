/* Marking with AVX2: a first look at every place, eight at a time, then the filter where it says yes.
 * May mark more than the portable code does, never
 * less; what a mark points to is confirmed afterwards. */
#include "base/banned.h"

#ifdef __x86_64__

#include "engine/text/lits_int.h"

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,bmi,bmi2")))

enum { CHUNK = 64, CHUNKS = LITS_BLOCK / CHUNK, LANES = 8 };

/* A bit for each of eight places that passes the first look. */
AVX2 static inline uint32_t first8(const lits_first *f, __m256i hash, __m256i next)
{
    __m256i at = _mm256_srl_epi32(hash, _mm_cvtsi32_si128((int)f->shift));
    __m256i word = _mm256_i32gather_epi32((const int *)f->word, at, 4);
    __m256i bit = _mm256_sllv_epi32(word, _mm256_and_si256(next, _mm256_set1_epi32(31)));

    return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(bit));
}

/* --- places that passed it ------------------------------------------------------------------------ */

/* What the windows at each are made of; see lits_int.h, "windows". */
typedef struct places {
    size_t   n;
    uint16_t at[LITS_BLOCK];
    uint32_t key[LITS_BLOCK + LANES], tag[LITS_BLOCK + LANES], last[LITS_BLOCK + LANES];
} places;

static inline void places_put(places *w, size_t at, uint32_t key, uint32_t tag, uint32_t last)
{
    w->at[w->n] = (uint16_t)at;
    w->key[w->n] = key;
    w->tag[w->n] = tag;
    w->last[w->n++] = last;
}

AVX2 static inline __m256i load8(const uint32_t *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

AVX2 static inline __m256i all8(uint32_t v)
{
    return _mm256_set1_epi32((int)v);
}

AVX2 static inline __m256i two_bits(__m256i g)
{
    const __m256i one = _mm256_set1_epi32(1);
    __m256i       b = _mm256_and_si256(_mm256_srli_epi32(g, 22), _mm256_set1_epi32(31));

    return _mm256_or_si256(_mm256_sllv_epi32(one, _mm256_srli_epi32(g, 27)),
                           _mm256_sllv_epi32(one, b));
}

/* A bit for each of eight windows that passes the filter. */
AVX2 static inline uint32_t pass8(const pl_lits *l, __m256i key, __m256i tag)
{
    __m256i hash = _mm256_add_epi32(_mm256_mullo_epi32(key, all8(LITS_M1)),
                                    _mm256_mullo_epi32(tag, all8(LITS_M2)));
    __m256i at = _mm256_srl_epi32(hash, _mm_cvtsi32_si128((int)l->filter_shift));
    __m256i word = _mm256_i32gather_epi32((const int *)l->filter, at, 4);
    __m256i bits = two_bits(_mm256_mullo_epi32(hash, all8(LITS_M3)));
    __m256i all = _mm256_cmpeq_epi32(_mm256_and_si256(word, bits), bits);

    return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(all));
}

/* Characters: two in the key, two in the tag, one. A mask for each kind of window. */
AVX2 static inline void pass_wide(const pl_lits *l, const places *w, size_t i, uint32_t by[4])
{
    __m256i  key = load8(w->key + i), tag = load8(w->tag + i);
    __m256i  fifth = _mm256_mullo_epi32(_mm256_add_epi32(load8(w->last + i), all8(1)), all8(LITS_TAG_M));
    uint32_t flags = l->h->flags;

    if (flags & LITS_HAS_WIDE5)
        by[0] = pass8(l, key, _mm256_add_epi32(tag, fifth));
    if (flags & LITS_HAS_WIDE4)
        by[1] = pass8(l, key, tag);
    if (flags & LITS_HAS_WIDE3)
        by[2] = pass8(l, key,
                      _mm256_or_si256(_mm256_and_si256(tag, all8(0xffff)), all8(LITS_TAG_WIDE3(0))));
    if (flags & LITS_HAS_WIDE2)
        by[3] = pass8(l, key, all8(LITS_TAG_WIDE2));
}

/* Bytes: four in the key, two in the tag. */
AVX2 static inline void pass_other(const pl_lits *l, const places *w, size_t i, uint32_t by[3])
{
    __m256i  key = load8(w->key + i), tag = load8(w->tag + i);
    uint32_t flags = l->h->flags;

    if (flags & LITS_HAS_BYTES6)
        by[0] = pass8(l, key, _mm256_or_si256(tag, all8(LITS_TAG_BYTES6(0))));
    if (flags & LITS_HAS_BYTES4)
        by[1] = pass8(l, key, all8(LITS_TAG_BYTES4));
    if (flags & LITS_HAS_BYTES3)
        by[2] = pass8(l, _mm256_and_si256(key, all8(0xffffff)), all8(LITS_TAG_BYTES3));
}

/* Of n kinds of window, the first of kind `first`. */
static inline void mark_hits(lits_marks *m, const places *w, size_t i, const uint32_t *by, unsigned n, lits_kind first)
{
    size_t   left = w->n - i;
    uint32_t hits = 0;

    for (unsigned k = 0; k < n; k++)
        hits |= by[k];
    if (left < LANES)
        hits &= (1u << left) - 1;
    for (; hits; hits &= hits - 1) {
        unsigned lane = (unsigned)__builtin_ctz(hits);

        lits_mark(m, w->at[i + lane], lits_kinds_at(by, n, lane, first));
    }
}

AVX2 static void mark_places(const pl_lits *l, const places *wide, const places *other, lits_marks *m)
{
    uint32_t by[4] = { 0 };

    for (size_t i = 0; i < wide->n; i += LANES) {
        pass_wide(l, wide, i, by);
        mark_hits(m, wide, i, by, 4, LITS_WIDE5);
    }
    memset(by, 0, sizeof by);
    for (size_t i = 0; i < other->n; i += LANES) {
        pass_other(l, other, i, by);
        mark_hits(m, other, i, by, 3, LITS_BYTES6);
    }
}

/* --- elsewhere than at leads ---------------------------------------------------------------------- */

/* Two times sixteen bytes. */
AVX2 static inline __m256i load2(const uint8_t *low, const uint8_t *high)
{
    return _mm256_loadu2_m128i((const __m128i *)high, (const __m128i *)low);
}

/* Eight neighbouring bytes. */
AVX2 static inline uint32_t first_others(const pl_lits *l, const uint8_t *p)
{
    const __m256i threes = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 2, -1, 1, 2, 3, -1, 2, 3, 4, -1, 3, 4, 5, -1));
    const __m256i fourth = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(3, -1, -1, -1, 4, -1, -1, -1, 5, -1, -1, -1, 6, -1, -1, -1));
    __m256i v = load2(p, p + 4), raw = _mm256_shuffle_epi8(v, threes);

    return first8(&l->other, _mm256_mullo_epi32(raw, all8(LITS_M1)), _mm256_shuffle_epi8(v, fourth));
}

/* Of 64 bytes from p on, which are number `base` and on of the block. */
AVX2 static inline void others_put(const pl_lits *l, const uint8_t *p, size_t base, uint64_t where,
                                   places *out)
{
    uint64_t first = 0;

    for (unsigned i = 0; i < CHUNK; i += LANES)
        if (where >> i & 0xff)
            first |= (uint64_t)first_others(l, p + i) << i;
    for (first &= where; first; first &= first - 1) {
        unsigned i = (unsigned)_tzcnt_u64(first);

        places_put(out, base + i, lits_load32(p + i), lits_load16(p + i + 4), 0);
    }
}

/* Eight neighbouring pairs: a set of them is a word for each first byte. */
AVX2 static inline uint32_t pairs8(const uint8_t set[LITS_PAIRS], const uint8_t *p)
{
    __m256i a = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
    __m256i b = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(p + 1)));
    __m256i word = _mm256_i32gather_epi32((const int *)set, _mm256_and_si256(a, all8(31)), 4);
    __m256i bit = _mm256_srlv_epi32(word, _mm256_and_si256(b, all8(31)));

    return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_slli_epi32(bit, 31)));
}

AVX2 static uint64_t other_starts(const pl_lits *l, const uint8_t *p, uint64_t where)
{
    uint64_t marks = 0;

    for (unsigned i = 0; i < CHUNK; i += LANES)
        if (where >> i & 0xff)
            marks |= (uint64_t)pairs8(l->h->start_pairs, p + i) << i;
    return marks & where;
}

/* --- leads of bytes ------------------------------------------------------------------------------- */

/* Eight characters of three bytes that follow each other. */
AVX2 static inline uint32_t first_leads(const pl_lits *l, const uint8_t *p)
{
    const __m256i threes = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1));
    const __m256i third = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(2, -1, -1, -1, 5, -1, -1, -1, 8, -1, -1, -1, 11, -1, -1, -1));
    __m256i a = _mm256_shuffle_epi8(load2(p, p + 12), threes);
    __m256i b = _mm256_shuffle_epi8(load2(p + 3, p + 15), threes);
    __m256i hash = _mm256_add_epi32(_mm256_mullo_epi32(a, all8(LITS_M1)),
                                    _mm256_mullo_epi32(b, all8(LITS_M2)));

    return first8(&l->wide, hash, _mm256_shuffle_epi8(load2(p + 6, p + 18), third));
}

/* Of 64 bytes: every third place from the first lead on is looked at, as far as it is one. */
AVX2 static inline void leads_put(const pl_lits *l, const uint8_t *p, size_t base, uint64_t lead,
                                  places *out)
{
    const uint64_t thirds = 0x249249;        /* eight of them */
    const uint64_t code = 0x3f3f0f, two = code << 24 | code;
    uint64_t       first = 0;

    for (uint64_t left = lead; left;) {
        unsigned i = (unsigned)_tzcnt_u64(left);
        uint32_t hits = first_leads(l, p + i);

        if (hits)
            first |= _pdep_u64(hits, thirds) << i;
        left &= ~(thirds << i);
    }
    for (first &= lead; first; first &= first - 1) {
        unsigned i = (unsigned)_tzcnt_u64(first);
        uint64_t a, b;

        memcpy(&a, p + i, sizeof a);
        memcpy(&b, p + i + 6, sizeof b);
        places_put(out, base + i, (uint32_t)_pext_u64(a, two), (uint32_t)_pext_u64(b, two),
                   lits_code(p + i + 12));
    }
}

AVX2 static uint64_t lead_starts(const pl_lits *l, const uint8_t *p, uint64_t lead)
{
    uint64_t marks = 0;

    for (uint64_t x = lead; x; x &= x - 1)
        marks |= lits_start_lead(l, lits_code(p + _tzcnt_u64(x))) ? x & -x : 0;
    return marks;
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

#define HAS_OTHER (LITS_HAS_BYTES6 | LITS_HAS_BYTES4 | LITS_HAS_BYTES3)

AVX2 static void mark_bytes(const pl_lits *l, const uint8_t *p, size_t n, lits_marks *m)
{
    const __m256i tail = _mm256_set1_epi8(-65);
    uint32_t      flags = l->h->flags;
    uint64_t      tails = flags & LITS_TAILS ? ~(uint64_t)0 : 0;
    places        wides, others;

    wides.n = others.n = 0;
    for (size_t c = 0; c * CHUNK < n; c++) {
        const uint8_t *q = p + c * CHUNK;
        __m256i        a = _mm256_loadu_si256((const __m256i *)q);
        __m256i        b = _mm256_loadu_si256((const __m256i *)(q + 32));
        uint64_t       in = first_bits(n - c * CHUNK), lead = leads64(a, b) & in;
        uint64_t       other = ~lead & in &
                         (tails | mask64(_mm256_cmpgt_epi8(a, tail), _mm256_cmpgt_epi8(b, tail)));

        m->window[c] = 0;
        if (flags & LITS_HAS_WIDE)
            leads_put(l, q, c * CHUNK, lead, &wides);
        if (flags & HAS_OTHER)
            others_put(l, q, c * CHUNK, other, &others);
        m->start[c] = (flags & LITS_LEAD_STARTS ? lead_starts(l, q, lead) : 0) |
                      (flags & LITS_OTHER_STARTS ? other_starts(l, q, other) : 0);
    }
    mark_places(l, &wides, &others, m);
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

AVX2 static inline __m256i widen8(const uint16_t *p)
{
    return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
}

/* Eight neighbouring units. */
AVX2 static inline uint32_t first_units(const pl_lits *l, const uint16_t *u)
{
    __m256i hash = _mm256_add_epi32(_mm256_mullo_epi32(widen8(u), all8(LITS_M1)),
                                    _mm256_mullo_epi32(widen8(u + 1), all8(LITS_M2)));

    return first8(&l->wide, hash, widen8(u + 2));
}

AVX2 static inline void units_put(const pl_lits *l, const uint16_t *p, size_t base, uint64_t wide,
                                  places *out)
{
    uint64_t first = 0;

    for (unsigned i = 0; i < CHUNK; i += LANES)
        if (wide >> i & 0xff)
            first |= (uint64_t)first_units(l, p + i) << i;
    for (first &= wide; first; first &= first - 1) {
        const uint16_t *u = p + _tzcnt_u64(first);

        places_put(out, base + (size_t)(u - p), u[0] | (uint32_t)u[1] << 16, u[2] | (uint32_t)u[3] << 16,
                   u[4]);
    }
}

AVX2 static uint64_t unit_starts(const pl_lits *l, const uint16_t *p, uint64_t wide)
{
    uint64_t marks = 0;

    for (uint64_t w = wide; w; w &= w - 1)
        marks |= lits_start_lead(l, p[_tzcnt_u64(w)]) ? w & -w : 0;
    return marks;
}

AVX2 static void mark_units(const pl_lits *l, const uint16_t *p, size_t n, lits_marks *m)
{
    size_t   chunks = (n + CHUNK - 1) / CHUNK;
    uint32_t flags = l->h->flags;
    uint8_t  narrow[LITS_BLOCK + 2 * CHUNK];
    uint64_t next = narrow64(p, narrow);
    places   wides, others;

    wides.n = others.n = 0;
    for (size_t c = 0; c < chunks; c++) {
        const uint16_t *q = p + c * CHUNK;
        const uint8_t  *b = narrow + c * CHUNK;
        uint64_t        in = first_bits(n - c * CHUNK), wide = next & in, other = in & ~wide;

        next = narrow64(q + CHUNK, narrow + (c + 1) * CHUNK);
        m->window[c] = 0;
        if (flags & LITS_HAS_WIDE)
            units_put(l, q, c * CHUNK, wide, &wides);
        if (flags & HAS_OTHER)
            others_put(l, b, c * CHUNK, other, &others);
        m->start[c] = (flags & LITS_LEAD_STARTS ? unit_starts(l, q, wide) : 0) |
                      (flags & LITS_OTHER_STARTS ? other_starts(l, b, other) : 0);
    }
    mark_places(l, &wides, &others, m);
}

const lits_path lits_path_avx2 = { mark_bytes, mark_units };

#endif
