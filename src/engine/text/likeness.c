#include "base/banned.h"

#include "base/utf8.h"
#include "engine/text/likeness.h"
#include "engine/text/text_int.h"

/* --- shingles ------------------------------------------------------------------------------ */

/* Blanks, punctuation and symbols do not count; what is left is cut to 16 bits. 0: no unit. */
static uint16_t unit_of(uint32_t cp)
{
    cp = fold_fast(cp);
    if (cp < 0x80)
        return cp - 'a' < 26 || cp - '0' < 10 ? (uint16_t)cp : 0;
    if (cp < 0xc0 || cp == 0xd7 || cp == 0xf7 || (cp >= 0x2000 && cp < 0x2e80) ||
        (cp >= 0x3000 && cp < 0x3040 && cp != 0x3005 && cp != 0x3007) ||
        (cp >= 0xfe10 && cp < 0xfe70) || (cp >= 0xff00 && cp < 0xff66) ||
        (cp >= 0xfff0 && cp < 0x10000))
        return 0;
    return (uint16_t)(cp ^ cp >> 16);
}

/* The last five units: four in `near`, the one before them in `far`. */
typedef struct window {
    uint64_t near;
    uint16_t far;
    uint64_t units;
} window;

static inline uint64_t window_hash(const window *w)
{
    uint64_t h = (w->near ^ (uint64_t)w->far << 24) * 0x9e3779b97f4a7c15u + w->far;

    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return h ^ h >> 32;
}

/* Without branches: whether a character counts cannot be predicted at the ends of words. */
static inline void window_push(window *w, uint16_t unit)
{
    w->far = unit ? (uint16_t)(w->near >> 48) : w->far;
    w->near = unit ? w->near << 16 | unit : w->near;
    w->units += unit != 0;
}

/* Next character, folded to a unit; 0 where it does not count. A damaged byte does not. */
static inline uint16_t unit_next(pl_str text, size_t *at)
{
    const uint8_t *p = (const uint8_t *)text.p + *at;
    uint32_t       cp = 0;
    int            len;

    if (p[0] < 0x80) {
        uint8_t lower = p[0] | 0x20;
        bool    counts = (uint8_t)(lower - 'a') < 26 || (uint8_t)(p[0] - '0') < 10;

        (*at)++;
        return counts ? lower : 0;
    }
    if (text.n - *at >= 3 && p[0] - 0xe4u <= 5 && is_utf8_tail(p[1]) && is_utf8_tail(p[2])) {
        *at += 3;
        return (uint16_t)((p[0] & 0xfu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu));
    }
    len = pl_utf8_decode((pl_str){ text.p + *at, text.n - *at }, &cp);
    *at += len > 0 ? (size_t)len : 1;
    return len > 0 ? unit_of(cp) : 0;
}

enum { BATCH = 64 };

/* Fills `out` with hashes of the next shingles; 0 at the end of the text. A text shorter than
 * a shingle is one shingle. */
static size_t hashes_next(pl_str text, size_t *at, window *w, uint64_t out[BATCH])
{
    size_t n = 0;

    while (n < BATCH && *at < text.n) {
        uint16_t unit = unit_next(text, at);

        window_push(w, unit);
        out[n] = window_hash(w);
        n += (unit != 0) & (w->units >= PL_SHINGLE_CHARS);
    }
    if (n == 0 && w->units > 0 && w->units < PL_SHINGLE_CHARS) {
        out[n++] = window_hash(w);
        w->units = PL_SHINGLE_CHARS;
    }
    return n;
}

/* --- SimHash --------------------------------------------------------------------------------- */

/* How often each bit was set, one bit position beside the other: plane k holds bit k of all
 * 64 counters. */
enum { PLANES = 16, SPILL_AT = (1 << PLANES) - 1 - BATCH };

typedef struct votes {
    uint64_t plane[PLANES];
    uint64_t total[64];
    uint64_t words, waiting;
} votes;

static void votes_spill(votes *v)
{
    for (unsigned b = 0; b < 64; b++)
        for (unsigned k = 0; k < PLANES; k++)
            v->total[b] += (v->plane[k] >> b & 1) << k;
    memset(v->plane, 0, sizeof v->plane);
    v->waiting = 0;
}

/* Full adder: a becomes the sum, the carry is returned. */
static inline uint64_t add3(uint64_t *a, uint64_t b, uint64_t c)
{
    uint64_t u = *a ^ b, carry = (*a & b) | (u & c);

    *a = u ^ c;
    return carry;
}

/* Adds `carry` to the counters, worth 1 << k. */
static inline void votes_ripple(votes *v, uint64_t carry, unsigned k)
{
    for (; carry != 0 && k < PLANES; k++) {
        uint64_t both = v->plane[k] & carry;

        v->plane[k] ^= carry;
        carry = both;
    }
}

/* Eight words cost seven adders and one carry that ripples on (Harley and Seal). */
static inline void votes_add8(votes *v, const uint64_t *h)
{
    uint64_t *p = v->plane;
    uint64_t  two_a = add3(&p[0], h[0], h[1]), two_b = add3(&p[0], h[2], h[3]);
    uint64_t  four_a = add3(&p[1], two_a, two_b), four_b;

    two_a = add3(&p[0], h[4], h[5]);
    two_b = add3(&p[0], h[6], h[7]);
    four_b = add3(&p[1], two_a, two_b);
    votes_ripple(v, add3(&p[2], four_a, four_b), 3);
}

static void votes_add(votes *v, const uint64_t *h, size_t n)
{
    size_t i = 0;

    for (; n - i >= 8; i += 8)
        votes_add8(v, h + i);
    for (; i < n; i++)
        votes_ripple(v, h[i], 0);
    v->words += n;
    v->waiting += n;
    if (v->waiting > SPILL_AT)
        votes_spill(v);
}

uint64_t pl_simhash(pl_str text)
{
    uint64_t h[BATCH], out = 0;
    votes    v = { 0 };
    window   w = { 0 };
    size_t   at = 0, n;

    while ((n = hashes_next(text, &at, &w, h)) > 0)
        votes_add(&v, h, n);
    votes_spill(&v);
    for (unsigned b = 0; b < 64; b++)
        out |= (uint64_t)(v.total[b] * 2 > v.words) << b;
    return out;
}

unsigned pl_simhash_distance(uint64_t a, uint64_t b)
{
    return (unsigned)__builtin_popcountll(a ^ b);
}

/* --- MinHash ---------------------------------------------------------------------------------- */

#define SLOT_EMPTY UINT32_MAX
_Static_assert(PL_MINHASH_SLOTS == 128, "slots are chosen by seven bits");

static uint32_t mix32(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ x >> 16;
}

/* Each empty slot borrows from a slot that is not, found by a walk that depends only on the
 * slot's own number, so that two texts borrow alike (Shrivastava 2017). */
static void densify(uint32_t slot[PL_MINHASH_SLOTS])
{
    uint32_t full[PL_MINHASH_SLOTS];

    memcpy(full, slot, sizeof full);
    for (uint32_t i = 0; i < PL_MINHASH_SLOTS; i++) {
        uint32_t from = i;

        for (uint32_t attempt = 1; full[from] == SLOT_EMPTY; attempt++)
            from = mix32(i << 16 | attempt) % PL_MINHASH_SLOTS;
        slot[i] = full[from];
    }
}

void pl_minhash_of(pl_str text, pl_minhash *out)
{
    uint64_t h[BATCH];
    window   w = { 0 };
    size_t   at = 0, n;

    memset(out->slot, 0xff, sizeof out->slot);
    out->shingles = 0;
    while ((n = hashes_next(text, &at, &w, h)) > 0) {
        for (size_t i = 0; i < n; i++) {
            uint32_t *slot = &out->slot[h[i] >> 57];
            uint32_t  value = (uint32_t)h[i];

            value -= value == SLOT_EMPTY;
            *slot = value < *slot ? value : *slot;
        }
        out->shingles = out->shingles > UINT32_MAX - BATCH ? UINT32_MAX
                                                           : out->shingles + (uint32_t)n;
    }
    if (out->shingles > 0)
        densify(out->slot);
}

double pl_minhash_similarity(const pl_minhash *a, const pl_minhash *b)
{
    unsigned same = 0;

    if (a->shingles == 0 || b->shingles == 0)
        return 0;
    for (size_t i = 0; i < PL_MINHASH_SLOTS; i++)
        same += a->slot[i] == b->slot[i];
    return (double)same / PL_MINHASH_SLOTS;
}
