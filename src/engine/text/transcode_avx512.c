/* Transcoding with AVX-512 (F, BW, VL, VBMI, VBMI2): runs of ASCII 64 at a time, runs of
 * characters of three bytes 16 at a time. What is not of these is left to pl_units_slowly. */
#include "base/banned.h"

#ifdef __x86_64__

#include "engine/text/transcode.h"

#include <immintrin.h>

#define AVX512                                                                                    \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi,bmi2,lzcnt,popcnt")))

enum { WIDTH = 64, THREES = 16, FEW = 3 };

AVX512 static inline __m512i iota8(void)
{
    return _mm512_set_epi8(63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46,
                           45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28,
                           27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10,
                           9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

static inline uint64_t first_bits(unsigned n)
{
    return n >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << n) - 1;
}

/* What changes with every step: kept in registers. */
typedef struct cursor {
    const uint8_t *at;
    uint32_t       n, last;
} cursor;

/* n units, each a byte in `unit`, with their places from `at` on. */
AVX512 static inline void append(pl_units *u, cursor *c, __m512i unit, __m512i place, unsigned n)
{
    uint16_t *units = u->units + c->n;
    uint32_t *places = u->place + c->n;
    __m512i   at = _mm512_set1_epi32((int)(c->at - u->base));

    _mm512_storeu_si512(units, _mm512_cvtepu8_epi16(_mm512_castsi512_si256(unit)));
    if (n > 32)
        _mm512_storeu_si512(units + 32,
                            _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(unit, 1)));
    for (unsigned i = 0; i < n; i += 16) {
        __m512i four = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(place));

        _mm512_storeu_si512(places + i, _mm512_add_epi32(four, at));
        place = _mm512_shuffle_i64x2(place, place, 0x39);
    }
    c->n += n;
}

/* The first bytes of v, all ASCII; gives how many were taken. */
AVX512 static inline unsigned take_ascii(pl_units *u, cursor *c, __m512i v, unsigned n)
{
    __m512i  unit = _mm512_permutex2var_epi8(_mm512_loadu_si512(pl_cell_ascii), v,
                                             _mm512_loadu_si512(pl_cell_ascii + 64));
    uint64_t in = first_bits(n), cells, rare, keep;
    __m512i  place, before;
    unsigned count;
    uint32_t last = c->last;

    rare = _mm512_mask_cmpeq_epi8_mask(in, unit, _mm512_set1_epi8((char)CELL_ASCII_RARE));
    if (rare) {
        n = (unsigned)_tzcnt_u64(rare);
        in = first_bits(n);
    }
    cells = _mm512_mask_test_epi8_mask(in, unit, unit);
    if (!cells)
        return n;
    count = (unsigned)_mm_popcnt_u64(cells);
    unit = _mm512_maskz_compress_epi8(cells, unit);
    place = _mm512_maskz_compress_epi8(cells, iota8());
    before = _mm512_permutexvar_epi8(_mm512_sub_epi8(iota8(), _mm512_set1_epi8(1)), unit);
    last = pl_cell_is_sign(last) || (last & 0xffff) > 0xff ? 0 : last & 0xff;
    before = _mm512_mask_set1_epi8(before, 1, (char)last);
    keep = _mm512_mask_cmpneq_epi8_mask(first_bits(count), unit, before);
    append(u, c, _mm512_maskz_compress_epi8(keep, unit), _mm512_maskz_compress_epi8(keep, place),
           (unsigned)_mm_popcnt_u64(keep));
    c->last = pl_cell_table[c->at[63 - _lzcnt_u64(cells)]];
    return n;
}

AVX512 static inline uint32_t code_point(const uint8_t *p)
{
    return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
}

/* The first n characters of v, of three bytes each; gives how many were taken. */
AVX512 static inline unsigned take_threes(pl_units *u, cursor *c, __m512i v, unsigned n)
{
    const __m512i threes = _mm512_set_epi32(
        0x2f2e2d, 0x2c2b2a, 0x292827, 0x262524, 0x232221, 0x201f1e, 0x1d1c1b, 0x1a1918, 0x171615,
        0x141312, 0x11100f, 0x0e0d0c, 0x0b0a09, 0x080706, 0x050403, 0x020100);
    const __m512i low = _mm512_set1_epi32(0xffff);
    __mmask16     in = (__mmask16)first_bits(n), rare, cells, keep, twins;
    __m512i       b = _mm512_permutexvar_epi8(threes, v), cp, value, unit, before, place;
    unsigned      count, last;

    cp = _mm512_or_si512(
        _mm512_slli_epi32(_mm512_and_si512(b, _mm512_set1_epi32(0x0f)), 12),
        _mm512_or_si512(
            _mm512_and_si512(_mm512_srli_epi32(b, 2), _mm512_set1_epi32(0x3f << 6)),
            _mm512_and_si512(_mm512_srli_epi32(b, 16), _mm512_set1_epi32(0x3f))));
    value = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), in, cp, pl_cell_table, 4);
    unit = _mm512_and_si512(value, low);
    rare = _mm512_mask_cmplt_epu32_mask(
        in, _mm512_sub_epi32(unit, _mm512_set1_epi32(CELL_EXPAND)),
        _mm512_set1_epi32(CELL_EXPAND_END - CELL_EXPAND));
    if (rare) {
        n = _tzcnt_u32(rare);
        in = (__mmask16)first_bits(n);
    }
    cells = _mm512_mask_cmpge_epu32_mask(in, value, _mm512_set1_epi32(CELL_FIRST));
    if (!cells)
        return n;
    count = (unsigned)_mm_popcnt_u32(cells);
    value = _mm512_maskz_compress_epi32(cells, value);
    before = _mm512_alignr_epi32(value, _mm512_set1_epi32((int)c->last), 15);
    keep = _mm512_mask_cmpneq_epi32_mask((__mmask16)first_bits(count), value, before);
    twins = _mm512_mask_testn_epi32_mask(keep, _mm512_xor_si512(value, before), low);
    if (twins)
        return 0; /* one run of different characters: who knows */
    place = _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                               _mm512_set1_epi32(3));
    place = _mm512_add_epi32(place, _mm512_set1_epi32((int)(c->at - u->base)));
    place = _mm512_maskz_compress_epi32(keep, _mm512_maskz_compress_epi32(cells, place));
    _mm512_storeu_si512(u->place + c->n, place);
    _mm256_storeu_si256((__m256i *)(void *)(u->units + c->n),
                        _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(keep, value)));
    c->n += (unsigned)_mm_popcnt_u32(keep);
    last = 31 - _lzcnt_u32(cells);
    c->last = pl_cell_table[code_point(c->at + 3 * last)];
    return n;
}

/* How many characters of three bytes stand side by side at the front. All that pl_char_read takes
 * for such without a closer look, and the rest of the basic plane but surrogates. */
AVX512 static inline unsigned count_threes(__m512i v)
{
    uint64_t lead = _mm512_cmpeq_epi8_mask(_mm512_and_si512(v, _mm512_set1_epi8((char)0xf0)),
                                           _mm512_set1_epi8((char)0xe0));
    uint64_t tail = _mm512_cmplt_epi8_mask(v, _mm512_set1_epi8((char)0xc0));
    uint64_t odd = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8((char)0xe0)) |
                   _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8((char)0xed));
    uint64_t good = lead & ~odd & tail >> 1 & tail >> 2;

    return (unsigned)_tzcnt_u64((~good & 0x249249249249) | (uint64_t)1 << (3 * THREES)) / 3;
}

AVX512 void pl_units_fill_avx512(pl_units *u)
{
    const uint8_t *const end = u->end;
    cursor               c = { u->at, u->n, u->last };

    while (c.at < end && c.n < TRANSCODE_CARRY + TRANSCODE_BLOCK) {
        size_t   left = (size_t)(end - c.at);
        uint64_t in = left < WIDTH ? first_bits((unsigned)left) : ~(uint64_t)0;
        __m512i  v = _mm512_maskz_loadu_epi8(in, c.at);
        uint64_t high = (uint64_t)_mm512_movepi8_mask(v) | ~in;
        unsigned n, taken = 0;

        if (high & 1) {
            n = 3 * count_threes(v);
            if (n >= 3 * FEW)
                taken = 3 * take_threes(u, &c, v, n / 3);
        } else {
            n = high ? (unsigned)_tzcnt_u64(high) : WIDTH;
            if (n >= FEW)
                taken = take_ascii(u, &c, v, n);
        }
        c.at += taken;
        if (taken == 0) {
            u->at = c.at;
            u->n = c.n;
            u->last = c.last;
            pl_units_slowly(u, u->at + (n ? n : 1));
            c = (cursor){ u->at, u->n, u->last };
        }
    }
    u->at = c.at;
    u->n = c.n;
    u->last = c.last;
}

#endif
