/* Where a finding may be near. One pass over the text, 64 bytes at a time as bit masks, a bit a
 * byte; three ways to make the masks, one way to judge them. Nearly all blocks of prose hold
 * nothing and cost only their masks.
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
typedef struct first {
    uint64_t digit, at, colon, word, dash, wide /* first byte of full-width forms */, w;
} first;

/* Only of blocks with digits. */
typedef struct second {
    uint64_t sep, upper, high, lead /* may begin what pii_is_between knows */;
} second;

enum { F_DIGIT = 1, F_AT = 2, F_COLON = 4, F_WORD = 8, F_DASH = 16, F_WIDE = 32, F_W = 64 };
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

static inline uint64_t colon_anchors(const pii_anchors *a, uint64_t colon)
{
    uint64_t found = 0, window = colon << 16 | a->last_colons >> 48, near, chain;

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

/* Of the places where one separator stands between digits, those with seven digits or three such
 * places near: the least a number or an IPv4 address has. What is beyond the block may be there. */
static inline uint64_t crowded(const pii_anchors *a, uint64_t d, uint64_t parted)
{
    enum { NEAR = 18 };
    uint64_t found = 0;

    for (uint64_t rest = parted; rest; rest &= rest - 1) {
        unsigned i = (unsigned)__builtin_ctzll(rest), n = 0;
        uint64_t window = i <= NEAR ? ~0ull : ~0ull << (i - NEAR);

        if (i < NEAR)
            n += (unsigned)__builtin_popcountll(a->last_digits >> (64 - NEAR + i));
        if (i < 64 - NEAR)
            window &= ~0ull >> (63 - NEAR - i);
        if (i >= 64 - NEAR || n + (unsigned)__builtin_popcountll(d & window) >= 7 ||
            __builtin_popcountll(parted & window) >= 3 || i < 8)
            found |= 1ull << i;
    }
    return found;
}

/* Digits parted by one character, and plates. */
static inline uint64_t parted_anchors(pii_anchors *a, uint64_t d, const second *s)
{
    const uint8_t *text = a->text + a->block;
    uint64_t       found = crowded(a, d, d & s->sep >> 1 & d >> 2), soon, capital;
    uint64_t       between = d & s->lead >> 1;

    found |= bit_if((a->last_digits >> 62 & 1 && a->last_seps >> 63 && d & 1) ||
                    (a->last_digits >> 63 && s->sep & 1 && d & 2));
    for (; between; between &= between - 1) {
        size_t i = (size_t)__builtin_ctzll(between);
        if (pii_is_between(text + i + 1, a->n - a->block - i - 1))
            found |= 1ull << i;
    }
    if (a->last_digits >> 63 && s->lead & 1)
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

static inline uint64_t digit_anchors(pii_anchors *a, uint64_t d)
{
    uint64_t r = d & d >> 1, six;
    unsigned head = d == ~0ull ? 64 : (unsigned)__builtin_ctzll(~d);

    r &= r >> 2;
    six = r & r >> 2;
    if (head > 0 && a->digit_tail + head >= 6)
        six |= 1;
    return six;
}

/* Sixteen letters, digits, '_' or '-' in a row are a key only with a digit among them, or behind
 * the mark of a vendor whose keys may have none. `at` is somewhere in the run. */
static bool run_may_be_key(const pii_anchors *a, size_t at)
{
    static const char *const marks[] = { "hf_", "AKIA", "ASIA", "ABIA", "ACCA", "glpat-", "sk_",
                                         "rk_", "gh", "LTAI" };
    size_t from = at, to = at;

    while (from > 0 && pii_is(a->text[from - 1], PII_KEY) && at - from < 64)
        if (pii_is(a->text[--from], PII_DIGIT)) /* in the block before */
            return true;
    for (; to < a->n && pii_is(a->text[to], PII_KEY) && to - at < 64; to++)
        if (pii_is(a->text[to], PII_DIGIT))
            return true;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (marks[i][0] == (char)a->text[from] && a->n - from > 16 &&
            memcmp(marks[i], a->text + from, strlen(marks[i])) == 0)
            return true;
    return false;
}

static inline uint64_t key_runs(const pii_anchors *a, uint64_t r)
{
    uint64_t found = 0;

    while (r) {
        unsigned at = (unsigned)__builtin_ctzll(r);
        uint64_t rest = r >> at;
        unsigned n = rest == ~0ull ? 64 : (unsigned)__builtin_ctzll(~rest);

        if (run_may_be_key(a, a->block + at))
            found |= 1ull << at;
        r = at + n >= 64 ? 0 : r >> (at + n) << (at + n);
    }
    return found;
}

static inline uint64_t word_anchors(pii_anchors *a, uint64_t word)
{
    uint64_t r = word & word >> 1;
    unsigned head = word == ~0ull ? 64 : (unsigned)__builtin_ctzll(~word);

    r &= r >> 2;
    r &= r >> 4;
    r &= r >> 8;
    if (head > 0 && a->word_tail + head >= 16)
        r |= 1;
    a->word_tail = word == ~0ull ? 64 : (unsigned)__builtin_clzll(~word);
    return r ? key_runs(a, r) : 0;
}

static inline uint64_t dash_anchors(const pii_anchors *a, uint64_t dash)
{
    uint64_t r = dash & dash >> 1;

    r &= r >> 2;
    r &= ~(r >> 1); /* the last place of each row of dashes */
    for (uint64_t rest = r; rest; rest &= rest - 1) {
        size_t at = a->block + (size_t)__builtin_ctzll(rest) + 4;
        if (at >= a->n || a->text[at] != 'B')
            r &= ~(rest & -rest);
    }
    return r | (dash & a->last_dashes >> 63);
}

static inline uint64_t w_anchors(const pii_anchors *a, uint64_t w)
{
    return (w & w >> 1 & w >> 2) | bit_if((w & 1 && a->last_w >> 62 == 3) ||
                                          ((w & 3) == 3 && a->last_w >> 63));
}

/* --- portable ------------------------------------------------------------------ */

static uint8_t first_class(uint8_t c)
{
    return (uint8_t)((pii_is(c, PII_DIGIT) ? F_DIGIT : 0) | (c == '@' ? F_AT : 0) |
                     (c == ':' ? F_COLON : 0) | (pii_is(c, PII_KEY) ? F_WORD : 0) |
                     (c == '-' ? F_DASH : 0) | (c == 0xef ? F_WIDE : 0) |
                     (c == 'w' || c == 'W' ? F_W : 0));
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
                    .w = bits_avx2(EQ2(low, 'w')) };
}

TARGET static inline first first_avx2(const uint8_t *p)
{
    first a = half_avx2(p), b = half_avx2(p + 32);

    return (first){ .digit = a.digit | b.digit << 32, .at = a.at | b.at << 32,
                    .colon = a.colon | b.colon << 32, .word = a.word | b.word << 32,
                    .dash = a.dash | b.dash << 32, .wide = a.wide | b.wide << 32,
                    .w = a.w | b.w << 32 };
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

#define PATH(name) name##_avx2
#include "engine/text/pii_anchor_impl.h"
#undef PATH
#undef TARGET

/* --- AVX-512 ------------------------------------------------------------------- */

#define TARGET __attribute__((target("avx512f,avx512bw,bmi,bmi2,lzcnt,popcnt")))
#define EQ5(v, c) _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8((char)(c)))
#define RANGE5(v, lo, n)                                                                          \
    _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, _mm512_set1_epi8((char)(lo))), _mm512_set1_epi8(n))

TARGET static inline first first_avx512(const uint8_t *p)
{
    __m512i  v = _mm512_loadu_si512(p);
    __m512i  low = _mm512_or_si512(v, _mm512_set1_epi8(0x20));
    uint64_t digit = RANGE5(v, '0', 10), dash = EQ5(v, '-');

    return (first){ .digit = digit, .at = EQ5(v, '@'), .colon = EQ5(v, ':'),
                    .word = digit | dash | RANGE5(low, 'a', 26) | EQ5(v, '_'), .dash = dash,
                    .wide = EQ5(v, 0xef), .w = EQ5(low, 'w') };
}

TARGET static inline second second_avx512(const uint8_t *p)
{
    __m512i v = _mm512_loadu_si512(p);

    return (second){ .sep = EQ5(v, ' ') | RANGE5(v, '-', 2) | RANGE5(v, '(', 2),
                     .upper = RANGE5(v, 'A', 26), .high = _mm512_movepi8_mask(v),
                     .lead = RANGE5(v, 0xe2, 2) | EQ5(v, 0xef) | EQ5(v, 0xc2) };
}

#define PATH(name) name##_avx512
#include "engine/text/pii_anchor_impl.h"
#undef PATH
#undef TARGET

#endif

/* --- choice -------------------------------------------------------------------- */

typedef bool (*fill_fn)(pii_anchors *a);

static const fill_fn fills[] = {
    [1] = fill_portable,
#if defined __x86_64__
    [2] = fill_avx2,
    [3] = fill_avx512,
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

static fill_fn fill_of(void)
{
    int path = atomic_load_explicit(&chosen, memory_order_relaxed);

    if (path == 0) {
        path = best();
        atomic_store_explicit(&chosen, path, memory_order_relaxed);
    }
    return fills[path];
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
        if (!fill_of()(a))
            return PII_NONE;
    }
}

bool pii_anchors_any(pl_str text)
{
    pii_anchors a;

    pii_anchors_init(&a, text);
    return fill_of()(&a);
}
