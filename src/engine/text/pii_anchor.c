/* Where a finding may be near. One pass over the text, 64 bytes at a time. A first look asks with
 * a dozen instructions whether a block can hold anything at all; of those that can, bit masks are
 * made, a bit a byte, three ways to make them, one way to judge them. Nearly all blocks of prose
 * cost only the first look.
 *
 * An anchor is: '@'; "://"; "::" or three colons near each other; "www"; four dashes and 'B';
 * sixteen letters, digits, '_' or '-' in a row, with a digit; six digits in a row; a crowd of digits
 * parted by one of " -.()", or digits parted by a character pii_is_between knows; two full-width
 * characters side by side; a capital behind something that is not ASCII, with a digit near (a
 * plate). Each only asks that something is there, never that something is not. What is an anchor
 * in a group alone is one in any text, but for crowds at the end of a block: there detectors ask
 * for the seven digits themselves.
 */
#include "base/banned.h"

#include "engine/text/pii_int.h"

#include <immintrin.h>
#include <stdatomic.h>

/* Of every block. */
typedef pii_masks first;

/* Only of blocks with digits. */
typedef struct second {
    uint64_t sep, upper, high, lead /* may begin what pii_is_between knows */;
} second;

/* Bytes of a block, and how many behind it the first look reads. */
enum { BLOCK = 64, AHEAD = 16 };

enum { F_DIGIT = 1, F_AT = 2, F_COLON = 4, F_WORD = 8, F_DASH = 16, F_WIDE = 32, F_W = 64, F_SLASH = 128 };
enum { S_SEP = 1, S_UPPER = 2, S_HIGH = 4, S_LEAD = 8 };

static inline bool is_sep(uint8_t c)
{
    return c == ' ' || c == '-' || c == '.' || c == '(' || c == ')';
}

static inline uint64_t bit_if(bool yes)
{
    return yes ? 1 : 0;
}

/* Capitals behind a byte that is not ASCII, or behind one and a separator. */
static inline bool is_plate_letter(const pii_anchors *a, size_t at)
{
    const uint8_t *p = a->text + at;

    return pii_is(*p, PII_UPPER) && at >= 2 &&
           (p[-1] >= 0x80 || (is_sep(p[-1]) && p[-2] >= 0x80));
}

/* Colons that may be anchors: before a slash or at the end of the block, or not alone. */
static inline uint64_t colons_of_note(const first *f, uint64_t last)
{
    return (f->colon & (f->slash >> 1 | 1ull << 63)) | (f->colon & (f->colon - 1)) |
           (last >> 48 ? f->colon : 0);
}

static uint64_t colon_anchors(const pii_anchors *a, uint64_t colon, uint64_t last)
{
    uint64_t found = 0, window = colon << 16 | last >> 48, near, chain;

    for (uint64_t rest = colon; rest; rest &= rest - 1) {
        size_t i = (size_t)__builtin_ctzll(rest), q = a->block + i;

        if (q + 1 < a->n && (a->text[q + 1] == ':' ||
                             (q + 2 < a->n && a->text[q + 1] == '/' && a->text[q + 2] == '/')))
            found |= 1ull << i;
    }
#define NEAR(x) ((x) >> 2 | (x) >> 3 | (x) >> 4 | (x) >> 5)
    near = colon & NEAR(colon);
    found |= near & NEAR(near);
    near = window & NEAR(window);
    chain = near & NEAR(near);
#undef NEAR
    return found | bit_if(chain != 0);
}

/* Whether there are seven digits or three separators between digits near the separator behind
 * `at`: the least a number or an IPv4 address has. */
static bool is_crowd(const pii_anchors *a, size_t at)
{
    enum { NEAR = 18 };
    size_t   from = at > NEAR ? at - NEAR : 0, to = a->n - at > NEAR + 2 ? at + NEAR + 2 : a->n;
    unsigned digits = 0, parted = 0;

    for (size_t i = from; i < to; i++) {
        if ((uint8_t)(a->text[i] - '0') >= 10)
            continue;
        digits++;
        parted += i + 2 < to && is_sep(a->text[i + 1]) && (uint8_t)(a->text[i + 2] - '0') < 10;
    }
    return digits >= 7 || parted >= 3;
}

/* The same from the bits of the block, where it has all that is near. */
static inline bool is_crowded(const pii_anchors *a, uint64_t d, uint64_t parted, unsigned i)
{
    enum { NEAR = 18 };
    uint64_t near;

    if (i < NEAR || i + NEAR + 2 > BLOCK)
        return is_crowd(a, a->block + i);
    near = (1ull << (2 * NEAR + 2)) - 1;
    return __builtin_popcountll(d >> (i - NEAR) & near) >= 7 ||
           __builtin_popcountll(parted >> (i - NEAR) & near >> 2) >= 3;
}

/* Digits parted by one character, and plates. */
static uint64_t parted_anchors(const pii_anchors *a, uint64_t d, uint64_t last, const second *s)
{
    const uint8_t *text = a->text + a->block;
    uint64_t       found = 0, soon, capital, between = d & s->lead >> 1;
    uint64_t       parted = d & s->sep >> 1 & d >> 2;

    for (uint64_t rest = parted; rest; rest &= rest - 1) {
        unsigned i = (unsigned)__builtin_ctzll(rest);
        if (is_crowded(a, d, parted, i))
            found |= 1ull << i;
    }
    if (last >> 62 & 1 && is_sep(text[-1]) && d & 1)
        found |= bit_if(is_crowd(a, a->block - 2));
    if (last >> 63 && s->sep & 1 && d & 2)
        found |= bit_if(is_crowd(a, a->block - 1));
    for (; between; between &= between - 1) {
        size_t i = (size_t)__builtin_ctzll(between);
        if (pii_is_between(text + i + 1, a->n - a->block - i - 1))
            found |= 1ull << i;
    }
    if (last >> 63 && s->lead & 1)
        found |= bit_if(pii_is_between(text, a->n - a->block));

    soon = d >> 1 | d >> 2;
    soon |= soon >> 2;
    soon |= d >> 5 | d >> 6 | d >> 7;
    capital = s->upper & soon & (s->high << 1 | (s->high << 2 & s->sep << 1) | 3);
    for (; capital; capital &= capital - 1) {
        size_t i = (size_t)__builtin_ctzll(capital);
        if (is_plate_letter(a, a->block + i))
            found |= 1ull << i;
    }
    if (d & 0x7f)
        for (size_t k = 1; k <= 7 && k <= a->block; k++)
            if (is_plate_letter(a, a->block - k))
                found |= d & -d;
    return found;
}

/* Where six ones stand in a row, and the first place of a row that began in the block before. */
static inline uint64_t runs_of_6(uint64_t d, uint64_t last)
{
    uint64_t r = d & d >> 1, before = last >> 59;

    r &= r >> 2;
    r &= r >> 2;
    /* ones of five places before and five of this block, in a row across the border */
    before |= d << 5;
    before &= before >> 1;
    before &= before >> 2;
    before &= before >> 2;
    return r | bit_if(before & 31);
}

static inline uint64_t runs_of_16(uint64_t word, uint64_t last)
{
    uint64_t r = word & word >> 1, before = last >> 49 | word << 15;

    r &= r >> 2;
    r &= r >> 4;
    r &= r >> 8;
    before &= before >> 1;
    before &= before >> 2;
    before &= before >> 4;
    before &= before >> 8;
    return r | bit_if(before & 0x7fff);
}

/* Whether sixteen ones stand in a row, `tail` of them before the block. */
static inline bool has_run_of_16(uint64_t bits, unsigned tail)
{
    uint64_t r = bits & bits >> 1;
    unsigned head = (unsigned)__builtin_ctzll(~bits | 1ull << 63); /* one too few does not matter */

    r &= r >> 2;
    r &= r >> 4;
    return ((r & r >> 8) | (head + tail) >> 4) != 0;
}

/* How many ones end the block. */
static inline unsigned tail_of(uint64_t bits)
{
    return bits == ~0ull ? BLOCK : (unsigned)__builtin_clzll(~bits);
}

/* Sixteen letters, digits, '_' or '-' in a row are a key only with a digit among them, or behind
 * the mark of a vendor whose keys may have none. The run is text[from, to) so far. */
static bool run_may_be_key(const pii_anchors *a, size_t from, size_t to)
{
    static const char *const marks[] = { "hf_", "AKIA", "ASIA", "ABIA", "ACCA", "glpat-", "sk_",
                                         "rk_", "gh", "LTAI" };
    size_t far = to + BLOCK, near = from > BLOCK ? from - BLOCK : 0;

    while (from > near && pii_is(a->text[from - 1], PII_KEY))
        if (pii_is(a->text[--from], PII_DIGIT)) /* in the block before */
            return true;
    for (; to < a->n && to < far && pii_is(a->text[to], PII_KEY); to++)
        if (pii_is(a->text[to], PII_DIGIT))
            return true;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (marks[i][0] == (char)a->text[from] && a->n - from > 16 &&
            memcmp(marks[i], a->text + from, strlen(marks[i])) == 0)
            return true;
    return false;
}

/* `starts`: where sixteen in a row begin, or at 0 go on. */
static uint64_t key_runs(const pii_anchors *a, const first *f, uint64_t starts)
{
    uint64_t found = 0;

    while (starts) {
        unsigned at = (unsigned)__builtin_ctzll(starts), to;
        uint64_t behind = ~f->word >> at << at, run;

        to = behind ? (unsigned)__builtin_ctzll(behind) : BLOCK;
        run = (to < BLOCK ? (1ull << to) - 1 : ~0ull) >> at << at;
        if (f->digit & run || run_may_be_key(a, a->block + at, a->block + to))
            found |= 1ull << at;
        starts &= ~run;
    }
    return found;
}

/* Four dashes and 'B'; a dash beside one across the border. */
static inline uint64_t dash_anchors(const pii_anchors *a, uint64_t dash, uint64_t last)
{
    uint64_t r = dash & dash >> 1;

    r &= r >> 2;
    r &= ~(r >> 1); /* the last place of each row of dashes */
    for (uint64_t rest = r; rest; rest &= rest - 1) {
        size_t at = a->block + (size_t)__builtin_ctzll(rest) + 4;
        if (at >= a->n || a->text[at] != 'B')
            r &= ~(rest & -rest);
    }
    return r | (dash & last >> 63);
}

static inline uint64_t w_anchors(uint64_t w, uint64_t last)
{
    return (w & w >> 1 & w >> 2) | bit_if((w & 1 && last >> 62 == 3) ||
                                          ((w & 3) == 3 && last >> 63));
}

static inline bool is_busy(const first *f, const first *last)
{
    return (f->at | colons_of_note(f, last->colon) |
            (f->wide & (f->wide >> 3 | last->wide >> 61)) |
            (f->dash & (f->dash >> 1 | last->dash >> 63)) | w_anchors(f->w, last->w)) != 0;
}

/* What the masks alone cannot tell. */
static uint64_t look_closer(const pii_anchors *a, const first *f,
                                                      const first *last, uint64_t runs)
{
    uint64_t found = f->at | (f->wide & (f->wide >> 3 | last->wide >> 61));

    if (runs)
        found |= key_runs(a, f, runs);
    if (f->colon)
        found |= colon_anchors(a, f->colon, last->colon);
    if (f->dash & (f->dash >> 1 | last->dash >> 63))
        found |= dash_anchors(a, f->dash, last->dash);
    return found | w_anchors(f->w, last->w);
}

/* --- portable ------------------------------------------------------------------ */

static uint8_t first_class(uint8_t c)
{
    return (uint8_t)((pii_is(c, PII_DIGIT) ? F_DIGIT : 0) | (c == '@' ? F_AT : 0) |
                     (c == ':' ? F_COLON : 0) | (pii_is(c, PII_KEY) ? F_WORD : 0) |
                     (c == '-' ? F_DASH : 0) | (c == 0xef ? F_WIDE : 0) |
                     (c == 'w' || c == 'W' ? F_W : 0) | (c == '/' ? F_SLASH : 0));
}

static inline first first_portable(const uint8_t *p)
{
    first f = { 0 };

    for (unsigned i = 0; i < 64; i++) {
        uint8_t c = first_class(p[i]);

        f.digit |= (uint64_t)(c & 1) << i;
        f.at |= (uint64_t)(c >> 1 & 1) << i;
        f.colon |= (uint64_t)(c >> 2 & 1) << i;
        f.word |= (uint64_t)(c >> 3 & 1) << i;
        f.dash |= (uint64_t)(c >> 4 & 1) << i;
        f.wide |= (uint64_t)(c >> 5 & 1) << i;
        f.w |= (uint64_t)(c >> 6 & 1) << i;
        f.slash |= (uint64_t)(c >> 7) << i;
    }
    return f;
}

static inline second second_portable(const uint8_t *p)
{
    second s = { 0 };

    for (unsigned i = 0; i < 64; i++) {
        uint8_t c = p[i];

        s.sep |= bit_if(is_sep(c)) << i;
        s.upper |= bit_if(pii_is(c, PII_UPPER)) << i;
        s.high |= bit_if(c >= 0x80) << i;
        s.lead |= bit_if(c == 0xe2 || c == 0xe3 || c == 0xef || c == 0xc2) << i;
    }
    return s;
}

/* All paths give the same: bytes from '-' to 'z' as bits in *loose; and where anything but a run
 * of these may be an anchor: digits, ':', '@', pairs of dashes, of w, of full-width characters. */
static inline uint64_t seen_portable(const uint8_t *p, uint64_t *loose)
{
    uint64_t seen = 0;

    *loose = 0;
    for (unsigned i = 0; i < BLOCK; i++) {
        uint8_t c = p[i];

        *loose |= bit_if((uint8_t)(c - '-') < 'z' - '-' + 1) << i;
        seen |= bit_if((uint8_t)(c - '0') < 11 || c == '@' || (c == '-' && p[i + 1] == '-') ||
                       (c == 0xef && p[i + 3] == 0xef) ||
                       ((c | 0x20) == 'w' && (p[i + 1] | 0x20) == 'w'))
                << i;
    }
    return seen;
}

#define PATH(name) name##_portable
#define TARGET
#include "engine/text/pii_anchor_impl.h"
#undef PATH
#undef TARGET

#if defined __x86_64__

/* --- AVX2 ---------------------------------------------------------------------- */

#define TARGET __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt")))
#define EQ2(v, c)        _mm256_cmpeq_epi8(v, _mm256_set1_epi8((char)(c)))
#define RANGE2(v, lo, n) range_avx2(v, lo, n)

TARGET static inline __m256i range_avx2(__m256i v, char lo, char n)
{
    __m256i x = _mm256_sub_epi8(v, _mm256_set1_epi8(lo));

    return _mm256_cmpeq_epi8(_mm256_min_epu8(x, _mm256_set1_epi8((char)(n - 1))), x);
}

TARGET static inline uint64_t bits_avx2(__m256i v)
{
    return (uint32_t)_mm256_movemask_epi8(v);
}

TARGET static inline first half_avx2(const uint8_t *p)
{
    __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)p);
    __m256i low = _mm256_or_si256(v, _mm256_set1_epi8(0x20));
    __m256i digit = RANGE2(v, '0', 10), dash = EQ2(v, '-');
    __m256i word = _mm256_or_si256(_mm256_or_si256(digit, dash),
                                   _mm256_or_si256(RANGE2(low, 'a', 26), EQ2(v, '_')));

    return (first){ .digit = bits_avx2(digit), .at = bits_avx2(EQ2(v, '@')),
                    .colon = bits_avx2(EQ2(v, ':')), .word = bits_avx2(word),
                    .dash = bits_avx2(dash), .wide = bits_avx2(EQ2(v, 0xef)),
                    .w = bits_avx2(EQ2(low, 'w')), .slash = bits_avx2(EQ2(v, '/')) };
}

TARGET static inline first first_avx2(const uint8_t *p)
{
    first a = half_avx2(p), b = half_avx2(p + 32);

    return (first){ .digit = a.digit | b.digit << 32, .at = a.at | b.at << 32,
                    .colon = a.colon | b.colon << 32, .word = a.word | b.word << 32,
                    .dash = a.dash | b.dash << 32, .wide = a.wide | b.wide << 32,
                    .w = a.w | b.w << 32,
                    .slash = a.slash | b.slash << 32 };
}

TARGET static inline second second_half_avx2(const uint8_t *p)
{
    __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)p);
    __m256i sep = _mm256_or_si256(_mm256_or_si256(EQ2(v, ' '), RANGE2(v, '-', 2)),
                                  RANGE2(v, '(', 2));
    __m256i lead = _mm256_or_si256(_mm256_or_si256(RANGE2(v, (char)0xe2, 2), EQ2(v, 0xef)),
                                   EQ2(v, 0xc2));

    return (second){ .sep = bits_avx2(sep), .upper = bits_avx2(RANGE2(v, 'A', 26)),
                     .high = bits_avx2(v), .lead = bits_avx2(lead) };
}

TARGET static inline second second_avx2(const uint8_t *p)
{
    second a = second_half_avx2(p), b = second_half_avx2(p + 32);

    return (second){ .sep = a.sep | b.sep << 32, .upper = a.upper | b.upper << 32,
                     .high = a.high | b.high << 32, .lead = a.lead | b.lead << 32 };
}

TARGET static inline uint64_t seen_half_avx2(const uint8_t *p, uint64_t *loose)
{
    __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)p);
    __m256i next = _mm256_loadu_si256((const __m256i *)(const void *)(p + 1));
    __m256i third = _mm256_loadu_si256((const __m256i *)(const void *)(p + 3));
    __m256i lower = _mm256_set1_epi8(0x20), seen;

    seen = _mm256_or_si256(RANGE2(v, '0', 11), EQ2(v, '@'));
    seen = _mm256_or_si256(seen, _mm256_and_si256(EQ2(v, '-'), EQ2(next, '-')));
    seen = _mm256_or_si256(seen, _mm256_and_si256(EQ2(v, 0xef), EQ2(third, 0xef)));
    seen = _mm256_or_si256(seen, _mm256_and_si256(EQ2(_mm256_or_si256(v, lower), 'w'),
                                                  EQ2(_mm256_or_si256(next, lower), 'w')));
    *loose = bits_avx2(RANGE2(v, '-', 'z' - '-' + 1));
    return bits_avx2(seen);
}

TARGET static inline uint64_t seen_avx2(const uint8_t *p, uint64_t *loose)
{
    uint64_t high, seen = seen_half_avx2(p, loose);

    seen |= seen_half_avx2(p + 32, &high) << 32;
    *loose |= high << 32;
    return seen;
}

#define PATH(name) name##_avx2
#include "engine/text/pii_anchor_impl.h"
#undef PATH
#undef TARGET

/* --- AVX-512 ------------------------------------------------------------------- */

#define TARGET __attribute__((target("avx512f,avx512bw,bmi,bmi2,lzcnt,popcnt")))
/* A constant that the compiler keeps in a register across the loop. */
#define KEPT(c)   kept_avx512((char)(c))
#define EQ5(v, c) _mm512_cmpeq_epi8_mask(v, KEPT(c))
#define RANGE5(v, lo, n)                                                                          \
    _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, KEPT(lo)), KEPT(n))

TARGET static inline __m512i kept_avx512(char c)
{
    __m512i v = _mm512_set1_epi8(c);

    __asm__("" : "+v"(v));
    return v;
}

TARGET static inline first first_avx512(const uint8_t *p)
{
    __m512i  v = _mm512_loadu_si512(p);
    __m512i  low = _mm512_or_si512(v, _mm512_set1_epi8(0x20));
    uint64_t digit = RANGE5(v, '0', 10), dash = EQ5(v, '-');

    return (first){ .digit = digit, .at = EQ5(v, '@'), .colon = EQ5(v, ':'),
                    .word = digit | dash | RANGE5(low, 'a', 26) | EQ5(v, '_'), .dash = dash,
                    .wide = EQ5(v, 0xef), .w = EQ5(low, 'w'), .slash = EQ5(v, '/') };
}

TARGET static inline second second_avx512(const uint8_t *p)
{
    __m512i v = _mm512_loadu_si512(p);

    return (second){ .sep = EQ5(v, ' ') | RANGE5(v, '-', 2) | RANGE5(v, '(', 2),
                     .upper = RANGE5(v, 'A', 26), .high = _mm512_movepi8_mask(v),
                     .lead = RANGE5(v, 0xe2, 2) | EQ5(v, 0xef) | EQ5(v, 0xc2) };
}

TARGET static inline uint64_t seen_avx512(const uint8_t *p, uint64_t *loose)
{
    __m512i   v = _mm512_loadu_si512(p), next = _mm512_loadu_si512(p + 1);
    __m512i   third = _mm512_loadu_si512(p + 3), lower = KEPT(0x20);
    __mmask64 w = _mm512_cmpeq_epi8_mask(_mm512_or_si512(v, lower), KEPT('w'));
    __mmask64 seen = RANGE5(v, '0', 11) | EQ5(v, '@');

    seen |= _mm512_mask_cmpeq_epi8_mask(EQ5(v, '-'), next, KEPT('-'));
    seen |= _mm512_mask_cmpeq_epi8_mask(EQ5(v, 0xef), third, KEPT(0xef));
    seen |= _mm512_mask_cmpeq_epi8_mask(w, _mm512_or_si512(next, lower), KEPT('w'));
    *loose = RANGE5(v, '-', 'z' - '-' + 1);
    return seen;
}

#define PATH(name) name##_avx512
#include "engine/text/pii_anchor_impl.h"
#undef PATH
#undef TARGET

#endif

/* --- choice -------------------------------------------------------------------- */

static const struct path {
    bool (*fill)(pii_anchors *a);
    void (*masks)(const uint8_t *p, size_t n, pii_masks *out);
} paths[] = {
    [1] = { fill_portable, masks_portable },
#if defined __x86_64__
    [2] = { fill_avx2, masks_avx2 },
    [3] = { fill_avx512, masks_avx512 },
#endif
};

static bool can(int path)
{
#if defined __x86_64__
    if (path == 3)
        return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("bmi2");
    if (path == 2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
#endif
    return path == 1;
}

static atomic_int chosen; /* 0: not yet */

static int best(void)
{
    return can(3) ? 3 : can(2) ? 2 : 1;
}

pl_rc pl_pii_path_set(int path, pl_error *err)
{
    if (path < 0 || path > 3 || (path > 0 && !can(path)))
        return pl_fail(err, PL_INVALID, "this processor has no code path %d", path);
    atomic_store_explicit(&chosen, path ? path : best(), memory_order_relaxed);
    return PL_OK;
}

static const struct path *path_of(void)
{
    int path = atomic_load_explicit(&chosen, memory_order_relaxed);

    if (path == 0) {
        path = best();
        atomic_store_explicit(&chosen, path, memory_order_relaxed);
    }
    return &paths[path];
}

/* --- use ----------------------------------------------------------------------- */

void pii_anchors_init(pii_anchors *a, pl_str text)
{
    *a = (pii_anchors){ .text = (const uint8_t *)text.p, .n = text.n };
}

size_t pii_anchors_next(pii_anchors *a, size_t from)
{
    for (;;) {
        if (a->bits) {
            if (from > a->block)
                a->bits = from - a->block >= 64 ? 0 : a->bits >> (from - a->block)
                                                          << (from - a->block);
            if (a->bits) {
                size_t at = a->block + (size_t)__builtin_ctzll(a->bits);
                a->bits &= a->bits - 1;
                return at;
            }
        }
        if (!path_of()->fill(a))
            return PII_NONE;
    }
}

bool pii_anchors_any(pl_str text)
{
    pii_anchors a;

    pii_anchors_init(&a, text);
    return path_of()->fill(&a);
}

void pii_masks_fill(const uint8_t *p, size_t n, pii_masks *out)
{
    path_of()->masks(p, n, out);
}
