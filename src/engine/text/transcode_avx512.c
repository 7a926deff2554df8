/* Transcoding with AVX-512 (F, BW, VL, VBMI, VBMI2): long runs of ASCII 64 bytes at a time, ASCII mixed with
 * characters of three bytes 16 characters at a time. What is not of these is left to pl_units_slowly. */
#include "base/banned.h"

#ifdef __x86_64__

#include "engine/text/transcode.h"

#include <immintrin.h>

#define AVX512                                                                                    \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi,bmi2,lzcnt,popcnt")))

enum { WIDTH = 64, MANY = 32, AHEAD = 1024 };

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

AVX512 static inline uint32_t lane(__m512i v, unsigned i)
{
    return (uint32_t)_mm_cvtsi128_si32(
        _mm512_castsi512_si128(_mm512_permutexvar_epi32(_mm512_set1_epi32((int)i), v)));
}

/* Of the sixteen characters that begin at these bytes of v. */
AVX512 static inline __m512i code_points(__m512i v, __m512i place)
{
    __m512i bytes = _mm512_add_epi32(_mm512_mullo_epi32(place, _mm512_set1_epi32(0x010101)),
                                     _mm512_set1_epi32(0x020100));
    __m512i b = _mm512_permutexvar_epi8(bytes, v), one = _mm512_and_si512(b, _mm512_set1_epi32(0x7f)), three;

    three = _mm512_or_si512(
        _mm512_slli_epi32(_mm512_and_si512(b, _mm512_set1_epi32(0x0f)), 12),
        _mm512_or_si512(
            _mm512_and_si512(_mm512_srli_epi32(b, 2), _mm512_set1_epi32(0x3f << 6)),
            _mm512_and_si512(_mm512_srli_epi32(b, 16), _mm512_set1_epi32(0x3f))));
    return _mm512_mask_mov_epi32(one, _mm512_test_epi32_mask(b, _mm512_set1_epi32(0x80)), three);
}

AVX512 static inline __m512i values(__m512i code_point, __mmask16 in)
{
    return _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), in, code_point, pl_cell_table, 4);
}

/* The first sixteen characters of v, or as many as there are, each of one byte or three. Starts: where they
 * begin; threes: which of them have three. Gives how many bytes were taken. */
AVX512 static inline unsigned take_mixed(pl_units *u, cursor *c, __m512i v, uint64_t starts, uint64_t threes)
{
    const __m512i low = _mm512_set1_epi32(0xffff);
    uint64_t      first = _pdep_u64(0xffff, starts);
    unsigned      count = (unsigned)_mm_popcnt_u64(first), taken = 63 - (unsigned)_lzcnt_u64(first);
    __mmask16     in = (__mmask16)first_bits(count), rare, cells, keep, twins;
    __m512i       place = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(_mm512_maskz_compress_epi8(first, iota8())));
    __m512i       value = values(code_points(v, place), in), unit = _mm512_and_si512(value, low), before;

    taken += threes >> taken & 1 ? 3 : 1;
    rare = _mm512_mask_cmplt_epu32_mask(in, _mm512_sub_epi32(unit, _mm512_set1_epi32(CELL_EXPAND)),
                                        _mm512_set1_epi32(CELL_EXPAND_END - CELL_EXPAND));
    if (__builtin_expect(rare != 0, false)) {
        taken = (unsigned)_tzcnt_u64(_pdep_u64((uint64_t)rare & -(uint64_t)rare, first));
        in = (__mmask16)first_bits(_tzcnt_u32(rare));
    }
    cells = _mm512_mask_cmpge_epu32_mask(in, value, _mm512_set1_epi32(CELL_FIRST));
    if (!cells)
        return taken;
    count = (unsigned)_mm_popcnt_u32(cells);
    value = _mm512_maskz_compress_epi32(cells, value);
    place = _mm512_maskz_compress_epi32(cells, place);
    before = _mm512_alignr_epi32(value, _mm512_set1_epi32((int)c->last), 15);
    keep = _mm512_mask_cmpneq_epi32_mask((__mmask16)first_bits(count), value, before);
    twins = _mm512_mask_testn_epi32_mask(keep, _mm512_xor_si512(value, before), low);
    if (__builtin_expect(twins != 0, false)) { /* one run of different characters: who knows */
        count = _tzcnt_u32(twins);
        taken = lane(place, count);
        keep &= (__mmask16)first_bits(count);
        if (count == 0)
            return taken;
    }
    c->last = lane(value, count - 1);
    place = _mm512_add_epi32(place, _mm512_set1_epi32((int)(c->at - u->base)));
    _mm512_storeu_si512(u->place + c->n, _mm512_maskz_compress_epi32(keep, place));
    _mm256_storeu_si256((__m256i *)(void *)(u->units + c->n),
                        _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(keep, value)));
    c->n += (unsigned)_mm_popcnt_u32(keep);
    return taken;
}

/* Where characters of three bytes begin. All that pl_char_read takes for such without a closer look, and the
 * rest of the basic plane but surrogates. */
AVX512 static inline uint64_t threes_of(__m512i v)
{
    uint64_t lead = _mm512_cmpeq_epi8_mask(_mm512_and_si512(v, _mm512_set1_epi8((char)0xf0)),
                                           _mm512_set1_epi8((char)0xe0));
    uint64_t tail = _mm512_cmplt_epi8_mask(v, _mm512_set1_epi8((char)0xc0));
    uint64_t odd = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8((char)0xe0)) |
                   _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8((char)0xed));

    return lead & ~odd & tail >> 1 & tail >> 2;
}

AVX512 void pl_units_fill_avx512(pl_units *u)
{
    const uint8_t *const end = u->end;
    cursor               c = { u->at, u->n, u->last };

    while (c.at < end && c.n < TRANSCODE_CARRY + TRANSCODE_BLOCK) {
        size_t   left = (size_t)(end - c.at);
        uint64_t in = left < WIDTH ? first_bits((unsigned)left) : ~(uint64_t)0;
        __m512i  v = _mm512_maskz_loadu_epi8(in, c.at);
        uint64_t ascii = in & ~(uint64_t)_mm512_movepi8_mask(v);
        unsigned run = (unsigned)_tzcnt_u64(~ascii), taken = 0;

        _mm_prefetch((const char *)c.at + AHEAD, _MM_HINT_T0);
        if (run >= MANY) {
            taken = take_ascii(u, &c, v, run);
        } else {
            uint64_t threes = threes_of(v), sound = ascii | threes | threes << 1 | threes << 2;
            uint64_t starts = (ascii | threes) & first_bits((unsigned)_tzcnt_u64(~sound));

            if (starts)
                taken = take_mixed(u, &c, v, starts, threes);
        }
        c.at += taken;
        if (taken == 0) {
            u->at = c.at;
            u->n = c.n;
            u->last = c.last;
            pl_units_slowly(u, u->at + 1);
            c = (cursor){ u->at, u->n, u->last };
        }
    }
    u->at = c.at;
    u->n = c.n;
    u->last = c.last;
}

#endif
