/* Transcoding with AVX2: ASCII eight at a time, characters of three bytes with less to ask about
 * each. pl_units_slowly, which the portable path uses throughout, is what it is tested against. */
#include "base/banned.h"

#ifdef __x86_64__

#include "engine/text/transcode.h"

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,bmi,popcnt")))

/* What changes with every character: kept in registers. */
typedef struct cursor {
    const uint8_t *at;
    uint32_t       n, last;
} cursor;

/* A character of `size` bytes; false: it is a rare one, and nothing was done. */
static inline bool take(pl_units *u, cursor *c, uint32_t v, uint32_t size)
{
    bool cell = v >= CELL_FIRST;

    if (__builtin_expect(pl_value_is_rare(v, c->last), false))
        return false;
    u->units[c->n] = (uint16_t)v;
    u->place[c->n] = (uint32_t)(c->at - u->base);
    c->n += cell & (v != c->last);
    c->last = cell ? v : c->last;
    c->at += size;
    return true;
}

static const uint64_t compress[256] = {
#include "engine/text/transcode_compress.inc"
};

/* Units of ASCII, zero for anything else. */
AVX2 static inline __m128i ascii_units(__m128i v)
{
    __m128i unit = _mm_setzero_si128();

    for (int row = 2; row < 8; row++) { /* no cells before */
        __m128i cells = _mm_loadu_si128((const __m128i *)(pl_cell_ascii + 16 * row));
        __m128i at = _mm_adds_epu8(_mm_xor_si128(v, _mm_set1_epi8((char)(16 * row))),
                                   _mm_set1_epi8(0x70)); /* of another row: from 0x80 on */

        unit = _mm_or_si128(unit, _mm_shuffle_epi8(cells, at));
    }
    return unit;
}

/* What the last cell is to one of ASCII that follows. */
static inline int last_ascii(uint32_t last)
{
    return pl_cell_is_sign(last) || (last & 0xffff) > 0xff ? 0 : (int)(last & 0xff);
}

/* Eight characters of ASCII, none of them rare, with their units. */
AVX2 static inline void put_eight(pl_units *u, cursor *c, __m128i unit)
{
    unsigned cells = ~(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(unit, _mm_setzero_si128())) & 0xff;
    unsigned keep, count = (unsigned)__builtin_popcount(cells);
    __m128i  place = _mm_loadl_epi64((const __m128i *)&compress[cells]), before, kept;

    if (cells) {
        unit = _mm_shuffle_epi8(unit, place);
        before = _mm_or_si128(_mm_slli_si128(unit, 1), _mm_cvtsi32_si128(last_ascii(c->last)));
        keep = ~(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(unit, before)) & ((1u << count) - 1);
        kept = _mm_loadl_epi64((const __m128i *)&compress[keep]);
        _mm_storeu_si128((__m128i *)(u->units + c->n), _mm_cvtepu8_epi16(_mm_shuffle_epi8(unit, kept)));
        _mm256_storeu_si256((__m256i *)(u->place + c->n),
                            _mm256_add_epi32(_mm256_cvtepu8_epi32(_mm_shuffle_epi8(place, kept)),
                                             _mm256_set1_epi32((int)(c->at - u->base))));
        c->n += (unsigned)__builtin_popcount(keep);
        c->last = pl_cell_table[c->at[31 - __builtin_clz(cells)]];
    }
    c->at += 8;
}

static inline bool take_eight(pl_units *u, cursor *c, uint64_t ascii)
{
    for (unsigned i = 0; i < 8; i++, ascii >>= 8)
        if (!take(u, c, pl_cell_table[ascii & 0xff], 1))
            return false;
    return true;
}

/* Sixteen bytes of which at least the first eight are ASCII. */
AVX2 static inline bool take_ascii(pl_units *u, cursor *c, __m128i v, uint64_t low)
{
    __m128i  unit = ascii_units(v);
    unsigned rare = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(unit, _mm_set1_epi8((char)CELL_ASCII_RARE)));

    if (rare & 0xff)
        return take_eight(u, c, low);
    put_eight(u, c, unit);
    if (!(rare | (unsigned)_mm_movemask_epi8(v)))
        put_eight(u, c, _mm_srli_si128(unit, 8));
    return true;
}

/* All that pl_char_read takes for three bytes without a closer look, and the rest of the basic
 * plane but surrogates. */
static inline bool is_three(uint64_t w)
{
    return (w & 0xc0c0f0) == 0x8080e0 && (w & 0xff) != 0xe0 && (w & 0xff) != 0xed;
}

static inline bool take_three(pl_units *u, cursor *c, uint64_t w)
{
    return take(u, c, pl_cell_table[(w & 0x0f) << 12 | (w >> 2 & 0x3f << 6) | (w >> 16 & 0x3f)], 3);
}

/* Sixteen bytes, of which some are taken. */
AVX2 static inline bool take_some(pl_units *u, cursor *c)
{
    __m128i  v = _mm_loadu_si128((const __m128i *)c->at);
    uint64_t w = (uint64_t)_mm_cvtsi128_si64(v);

    if (!(w & 0x8080808080808080u))
        return take_ascii(u, c, v, w);
    if (!(w & 0x80))
        return take(u, c, pl_cell_table[w & 0xff], 1);
    return is_three(w) && take_three(u, c, w);
}

AVX2 void pl_units_fill_avx2(pl_units *u)
{
    cursor c = { u->at, u->n, u->last };

    while (u->end - c.at >= 16 && c.n < TRANSCODE_CARRY + TRANSCODE_BLOCK) {
        if (take_some(u, &c))
            continue;
        u->at = c.at;
        u->n = c.n;
        u->last = c.last;
        pl_units_slowly(u, u->at + 1);
        c = (cursor){ u->at, u->n, u->last };
    }
    u->at = c.at;
    u->n = c.n;
    u->last = c.last;
    pl_units_slowly(u, u->end);
}

#endif
