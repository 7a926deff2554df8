/* Where Chinese names and addresses may be in a unit of text. A pass over the characters reads what each can
 * be, one over pairs of neighbours, sixteen at a time, keeps those that may begin a name, one over these asks
 * the set of pairs. None branches on what it has looked up: the processor waits for many lookups at once. */
#include "base/banned.h"

#include "engine/text/names_int.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { CHARS = 512, STEP = 16 }; /* looked at in one go, in one step */

/* Characters from the last one of the part before on; 0, of no class, stands for whatever is not Chinese. */
typedef struct chars {
    unsigned n;
    uint16_t code[CHARS + 2 + STEP];
    uint8_t  class[CHARS + 2 + STEP];
    uint32_t at[CHARS + 2]; /* in the unit */
} chars;

/* The first byte from `at` on that is not ASCII, or where too few are left for a character. */
static size_t ascii_end(pl_str unit, size_t at)
{
    uint64_t x;

    for (; at + sizeof x <= unit.n; at += sizeof x) {
        memcpy(&x, unit.p + at, sizeof x);
        x = le64toh(x) & 0x8080808080808080u;
        if (x)
            return at + (unsigned)__builtin_ctzll(x) / 8;
    }
    while (at + 2 < unit.n && (uint8_t)unit.p[at] < 0x80)
        at++;
    return at;
}

/* Fills the part behind its first place from unit[at) on; gives where the next one begins. */
static size_t chars_read(chars *h, const uint8_t *classes, pl_str unit, size_t at)
{
    const uint8_t *p = (const uint8_t *)unit.p;
    unsigned       n = 1;

    while (at + 2 < unit.n && n <= CHARS) {
        bool three = is_utf8_tail(p[at + 1]) && is_utf8_tail(p[at + 2]);

        h->code[n] = h->class[n] = 0;
        h->at[n] = (uint32_t)at;
        if (three && p[at] - 0xe4u < 6) {
            uint32_t c = (p[at] & 15u) << 12 | (p[at + 1] & 63u) << 6 | (p[at + 2] & 63u);

            h->code[n] = (uint16_t)c;
            h->class[n++] = classes[c];
            at += 3;
            continue;
        }
        n += h->code[n - 1] != 0;
        at = p[at] < 0x80 ? ascii_end(unit, at) : at + (three && p[at] >= 0xe0 ? 3 : 1);
    }
    h->n = n;
    return at;
}

/* Places of a part where a character and the one before may begin a name. */
typedef struct places {
    unsigned n;
    uint16_t of[CHARS + 1];
} places;

/* A bit for each of STEP characters from number i on that may be the second of a name. */
static inline uint32_t seconds_of(const chars *h, unsigned i)
{
#ifdef __SSE2__
    const uint16_t *c = h->code + i;
    __m128i         a = _mm_loadu_si128((const __m128i *)(h->class + i - 1));
    __m128i         b = _mm_loadu_si128((const __m128i *)(h->class + i));
    __m128i low = _mm_cmpeq_epi16(_mm_loadu_si128((const __m128i *)c), _mm_loadu_si128((const __m128i *)(c - 1)));
    __m128i high = _mm_cmpeq_epi16(_mm_loadu_si128((const __m128i *)(c + 8)), _mm_loadu_si128((const __m128i *)(c + 7)));
    __m128i first = _mm_and_si128(a, _mm_set1_epi8(NAMES_SURNAME | NAMES_PREFIX));
    __m128i sound = _mm_and_si128(_mm_and_si128(a, b), _mm_set1_epi8(NAMES_SOUND));
    __m128i twice = _mm_and_si128(_mm_and_si128(a, _mm_set1_epi8(NAMES_DOUBLED)), _mm_packs_epi16(low, high));
    __m128i any = _mm_or_si128(first, _mm_or_si128(sound, twice));

    return ~(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(any, _mm_setzero_si128())) & 0xffff;
#else
    uint32_t bits = 0;

    for (unsigned k = 0; k < STEP; k++)
        bits |= (uint32_t)names_zh_begins(h->class[i + k - 1], h->class[i + k],
                                          h->code[i + k - 1] == h->code[i + k]) << k;
    return bits;
#endif
}

/* The same of characters that may stand behind a house number. */
static inline uint32_t houses_of(const chars *h, unsigned i)
{
    uint32_t bits = 0;

#ifdef __SSE2__
    __m128i class = _mm_loadu_si128((const __m128i *)(h->class + i));

    _Static_assert(NAMES_HOUSE == 1 << 5, "shifted up to the sign");
    bits = (uint32_t)_mm_movemask_epi8(_mm_slli_epi16(class, 2));
#else
    for (unsigned k = 0; k < STEP; k++)
        bits |= (uint32_t)((h->class[i + k] & NAMES_HOUSE) != 0) << k;
#endif
    return bits;
}

/* Those of STEP bits that are of characters up to the last. */
static inline uint32_t bits_in(const chars *h, unsigned i, uint32_t bits)
{
    return h->n - i < STEP ? bits & ((1u << (h->n - i)) - 1) : bits;
}

static void pairs_find(const pl_names *m, const chars *h, places *w)
{
    unsigned all = 0;

    for (unsigned i = 1; i < h->n; i += STEP)
        for (uint32_t bits = bits_in(h, i, seconds_of(h, i)); bits; bits &= bits - 1)
            w->of[all++] = (uint16_t)(i + (unsigned)__builtin_ctz(bits));
    w->n = 0;
    for (unsigned i = 0; i < all; i++) {
        unsigned k = w->of[i];

        w->of[w->n] = (uint16_t)k;
        w->n += !names_zh_is_word(m, h->code[k - 1], h->code[k]);
    }
}

/* Looks for addresses at characters of houses; those found end before *from. */
static void houses_look(const chars *h, pl_str unit, size_t *from, names_hits *out)
{
    names_hit address;

    for (unsigned i = 1; i < h->n; i += STEP)
        for (uint32_t bits = bits_in(h, i, houses_of(h, i)); bits; bits &= bits - 1) {
            size_t at = h->at[i + (unsigned)__builtin_ctz(bits)];

            if (at < *from || out->n == NAMES_HITS || !names_zh_address(unit, at, *from, &address))
                continue;
            out->hit[out->n++] = address;
            *from = address.end;
        }
}

void names_zh_scan(const pl_names *m, pl_str unit, names_hits *out)
{
    names_zh_best best = { .m = m, .out = out };
    size_t        from = 0, at = 0;
    chars         h;
    places        w;

    h.code[0] = h.class[0] = 0;
    h.at[0] = 0;
    while (at + 2 < unit.n) {
        at = chars_read(&h, m->classes, unit, at);
        pairs_find(m, &h, &w);
        for (unsigned i = 0; i < w.n; i++)
            names_zh_judge(&best, unit, h.at[w.of[i] - 1]);
        houses_look(&h, unit, &from, out);
        h.code[0] = h.code[h.n - 1];
        h.class[0] = h.class[h.n - 1];
        h.at[0] = h.at[h.n - 1];
    }
    names_zh_flush(&best);
}
