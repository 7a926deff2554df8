/* Shared by the lits*.c files only. The image is specified in docs/formats/policy-database.md,
 * "Literal set"; why it is made this way in docs/design/003-literal-scanner.md.
 *
 * A literal is found in one of two ways. Most have an anchor: a window of their text, chosen for
 * its rarity, that a filter finds and a hash table of entries then confirms. Those without one (too
 * short, or of a crowd that shares all its windows) are starts: a filter over the first bytes,
 * then a binary search among all starts.
 *
 * There are seven kinds of window:
 *   - at a lead (first byte of a three-byte character; in units, any unit from LITS_WIDE on) of
 *     five, four, three or two characters, as 16-bit codes;
 *   - elsewhere of six, four or three bytes. Units are narrowed to a byte for it.
 * Of whatever kind, it is two numbers: a key and a tag. */
#ifndef PL_ENGINE_TEXT_LITS_INT_H
#define PL_ENGINE_TEXT_LITS_INT_H

#include "engine/text/lits.h"

#include <stdbool.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "literal sets are used in place and little-endian"
#endif

#define LITS_MAGIC   0x534c4c50u /* "PLLS" */
#define LITS_VERSION 1u

enum {
    LITS_BLOCK = 2048, /* positions looked at in one go */
    LITS_PAD = 192,    /* readable bytes or units behind a block */
    LITS_WIDE = 0x2e80,
    LITS_REACH = 16, /* slots from where a window's hash points: bounds the work at one position */
    LITS_COUNT_MAX = 1 << 24,
    LITS_FILTER_BITS_MIN = 10,
    LITS_FILTER_BITS_MAX = 24,
    LITS_SLOT_BITS_MAX = 25,
    LITS_PAIRS = 128, /* bytes of a set of pairs */
};

/* Kinds of window, and their number of characters or bytes. */
typedef enum lits_kind {
    LITS_WIDE5, LITS_WIDE4, LITS_WIDE3, LITS_WIDE2, LITS_BYTES6, LITS_BYTES4, LITS_BYTES3,
    LITS_KINDS
} lits_kind;

/* Flags: what a scan has to look for. */
enum {
    LITS_HAS_WIDE5 = 1 << LITS_WIDE5,
    LITS_HAS_WIDE4 = 1 << LITS_WIDE4,
    LITS_HAS_WIDE3 = 1 << LITS_WIDE3,
    LITS_HAS_WIDE2 = 1 << LITS_WIDE2,
    LITS_HAS_WIDE = LITS_HAS_WIDE5 | LITS_HAS_WIDE4 | LITS_HAS_WIDE3 | LITS_HAS_WIDE2,
    LITS_HAS_BYTES6 = 1 << LITS_BYTES6,
    LITS_HAS_BYTES4 = 1 << LITS_BYTES4,
    LITS_HAS_BYTES3 = 1 << LITS_BYTES3,
    LITS_LEAD_STARTS = 128,  /* starts that begin at leads */
    LITS_OTHER_STARTS = 256, /* starts that begin elsewhere */
    LITS_TAILS = 512,        /* anything that begins with a continuation byte */
    LITS_FLAGS = 1023
};

typedef struct lits_header {
    uint32_t magic, version, kind, flags;
    uint32_t count;      /* of literals; their numbers are below it */
    uint32_t entries;    /* literals with an anchor */
    uint32_t starts;     /* the others */
    uint32_t text;       /* bytes or units of all literals */
    uint32_t filter_bits; /* log2 of the words of the filter */
    uint32_t slot_bits;
    uint64_t size;
    uint32_t zero[4];
    /* Pairs of neighbouring bytes, cut to five bits each, that stand in the keys of windows of
     * six and four bytes (0 1, 1 2, 2 3), of three (0 1, 1 2), and at the front of starts (0 1). */
    uint8_t window_pairs[3][LITS_PAIRS];
    uint8_t triple_pairs[2][LITS_PAIRS];
    uint8_t start_pairs[LITS_PAIRS];
    uint8_t start_leads[0x10000 / 8]; /* codes of the characters that starts begin with */
} lits_header;

/* One slot of a hash table: 1 << slot_bits of them and LITS_REACH - 1 more. An entry stands in the
 * first LITS_REACH slots from where its hash points, with no empty slot in between. Two bytes (of
 * units: lits_narrow) of the literal outside its window, where there are any, tell most of what
 * has the window but not the literal without a look at its text. */
typedef struct lits_entry {
    uint32_t check;  /* lits_check of the window */
    uint32_t number; /* of the literal, plus one, LITS_LAST beside it; 0: the slot is empty */
    uint32_t at;     /* of its text */
    uint8_t  length; /* minus one */
    uint8_t  anchor; /* of the window inside it */
    uint8_t  before; /* what stands before the window; without any, the first */
    uint8_t  last;
} lits_entry;

/* No slot within reach behind it has the same check. (Sets made before there was this bit say so of none.) */
#define LITS_LAST 0x80000000u

static inline uint32_t lits_number(const lits_entry *e)
{
    return e->number & ~LITS_LAST;
}

/* Rising by their bytes or units. */
typedef struct lits_start {
    uint32_t number, at;
    uint32_t prefix; /* 1 + the longest other start that is a prefix of this one; 0: none */
    uint32_t length;
} lits_start;

/* A first look at a place: a word for each hash of what a window begins with, in it a bit for five
 * bits of what comes next; all bits where the window ends before. See lits_first_… */
typedef struct lits_first {
    uint32_t *word;
    unsigned  shift;
} lits_first;

struct pl_lits {
    const lits_header *h;
    const uint32_t    *filter;
    const lits_entry  *slots;
    const lits_start  *starts;
    const uint8_t     *text;
    unsigned           filter_shift;
    lits_first         wide, other; /* windows at leads, elsewhere */
    lits_first         codes;       /* of bytes, where characters are at hand as codes: wide */
};

/* Where the parts of an image lie, from the numbers in its header. */
typedef struct lits_layout {
    size_t filter, slots, starts, text, size;
} lits_layout;

static inline size_t lits_slots(const lits_header *h)
{
    return ((size_t)1 << h->slot_bits) + LITS_REACH - 1;
}

static inline lits_layout lits_layout_of(const lits_header *h)
{
    lits_layout y = { .filter = sizeof *h };

    y.slots = y.filter + (sizeof(uint32_t) << h->filter_bits);
    y.starts = y.slots + lits_slots(h) * sizeof(lits_entry);
    y.text = y.starts + h->starts * sizeof(lits_start);
    y.size = y.text + (h->kind == PL_LITS_UNITS ? 2 : 1) * (size_t)h->text;
    return y;
}

/* --- windows ---------------------------------------------------------------------------- */

#define LITS_TAG_M 0x27d4eb2f
/* Tags hold what the key has no room for. */
#define LITS_TAG_WIDE5(c2, c3, c4) (LITS_TAG_WIDE4(c2, c3) + ((c4) + 1u) * LITS_TAG_M)
#define LITS_TAG_WIDE4(c2, c3) ((uint32_t)(c2) | (uint32_t)(c3) << 16)
#define LITS_TAG_WIDE3(c2)     ((uint32_t)(c2) | 0xffff0000u)
#define LITS_TAG_WIDE2         0xffffffffu
#define LITS_TAG_BYTES6(b45)   ((uint32_t)(b45) | 0x10000u)
#define LITS_TAG_BYTES4        0x20000u
#define LITS_TAG_BYTES3        0x30000u
#define LITS_KEY_BYTES3(key)   ((key) & 0xffffffu)

static inline uint32_t lits_load32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint16_t lits_load16(const uint8_t *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

static inline bool lits_is_lead(uint8_t b)
{
    return (b & 0xf0) == 0xe0;
}

static inline bool lits_is_tail(uint8_t b)
{
    return (b & 0xc0) == 0x80;
}

/* The 16 bits three bytes of UTF-8 carry; the first byte's are lowest. */
static inline uint16_t lits_code(const uint8_t *p)
{
    return (uint16_t)((p[0] & 0x0f) | (p[1] & 0x3f) << 4 | (p[2] & 0x3f) << 10);
}

static inline uint8_t lits_narrow(uint16_t unit)
{
    return (uint8_t)(unit ^ unit >> 8);
}

/* --- filter ------------------------------------------------------------------------------ */

#define LITS_M1 0x9e3779b1u
#define LITS_M2 0x85ebca77u
#define LITS_M3 0xc2b2ae3du

/* A window has two bits in one word of the filter. */
static inline uint32_t lits_filter_hash(uint32_t key, uint32_t tag)
{
    return key * LITS_M1 + tag * LITS_M2;
}

static inline uint32_t lits_filter_bits(uint32_t hash)
{
    uint32_t g = hash * LITS_M3;

    return 1u << (g >> 27) | 1u << (g >> 22 & 31);
}

static inline bool lits_pass(const pl_lits *l, uint32_t key, uint32_t tag)
{
    uint32_t hash = lits_filter_hash(key, tag);

    return !(~l->filter[hash >> l->filter_shift] & lits_filter_bits(hash));
}

/* Its highest bits say where the entry is, its lowest are checked there. */
static inline uint64_t lits_hash(uint32_t key, uint32_t tag)
{
    uint64_t x = ((uint64_t)tag << 32 | key) * 0x9e3779b97f4a7c15u;

    x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
    return x ^ x >> 29;
}

/* No window of one kind is taken for one of another. */
static inline uint32_t lits_check(uint64_t hash, lits_kind kind)
{
    return ((uint32_t)hash & ~7u) | (uint32_t)kind;
}

/* --- first look ---------------------------------------------------------------------------- */

/* Three bytes as they stand. */
static inline uint32_t lits_raw(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

/* Of two characters: three bytes as they stand, units, or codes. Next: the last byte of the third
 * character, the third unit, or what the third code has of its last byte. */
#define LITS_CODE_NEXT 10
static inline uint32_t lits_first_wide(uint32_t a, uint32_t b)
{
    return a * LITS_M1 + b * LITS_M2;
}

/* Of three bytes. Next: the fourth. */
static inline uint32_t lits_first_other(uint32_t raw)
{
    return raw * LITS_M1;
}

static inline uint32_t lits_first_bit(uint32_t next)
{
    return 0x80000000u >> (next & 31);
}

static inline bool lits_first_pass(const lits_first *f, uint32_t hash, uint32_t next)
{
    return f->word[hash >> f->shift] & lits_first_bit(next);
}

/* Fills l->wide, l->other and l->codes; what it took is freed by pl_lits_free. */
pl_rc lits_first_make(pl_lits *l, pl_error *err);

/* --- sets of pairs ------------------------------------------------------------------------- */

static inline bool lits_pair(const uint8_t set[LITS_PAIRS], uint8_t a, uint8_t b)
{
    return set[(a & 31) << 2 | (b >> 3 & 3)] >> (b & 7) & 1;
}

static inline bool lits_start_lead(const pl_lits *l, uint16_t code)
{
    return l->h->start_leads[code >> 3] >> (code & 7) & 1;
}

/* --- marking ------------------------------------------------------------------------------- */

/* A bit per position of a block: an anchor, a start may be there. Of an anchor, the kinds of window that
 * passed the filter: a bit each, by lits_kind. */
typedef struct lits_marks {
    uint64_t window[LITS_BLOCK / 64], start[LITS_BLOCK / 64];
    uint8_t  kinds[LITS_BLOCK];
} lits_marks;

static inline void lits_mark(lits_marks *m, size_t at, unsigned kinds)
{
    m->window[at / 64] |= (uint64_t)1 << at % 64;
    m->kinds[at] = (uint8_t)kinds;
}

/* Bit i of each of n masks, the first of kind `first`. */
static inline unsigned lits_kinds_at(const uint32_t *mask, unsigned n, unsigned i, lits_kind first)
{
    unsigned kinds = 0;

    for (unsigned k = 0; k < n; k++)
        kinds |= (mask[k] >> i & 1) << k;
    return kinds << first;
}

/* Marks the n first positions of a block (n <= LITS_BLOCK); LITS_PAD more are readable. Bits
 * from n on are clear afterwards. */
typedef struct lits_path {
    void (*bytes)(const pl_lits *l, const uint8_t *p, size_t n, lits_marks *m);
    void (*units)(const pl_lits *l, const uint16_t *p, size_t n, lits_marks *m);
} lits_path;

extern const lits_path lits_path_portable;
#ifdef __x86_64__
extern const lits_path lits_path_avx2, lits_path_avx512;
#endif
const lits_path *lits_path_get(void);

/* --- rarity -------------------------------------------------------------------------------- */

/* How rare something is in running text: about -4 log2 of its share. */
typedef struct lits_rarity {
    uint8_t wide[0x10000 - LITS_WIDE]; /* by code point or unit */
    uint8_t byte[256];
    uint8_t pair[256][256]; /* of the second behind the first */
} lits_rarity;

void lits_rarity_init(lits_rarity *r);

#endif
