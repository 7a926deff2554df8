/* Shared by the names_*.c files and by training (cap/text/names_*.c): cues, spans and their features,
 *, and the image. A feature is a 32-bit hash: its highest bits are its place in a table of weights, its
 * lowest ones are kept there too, so that a feature nobody learnt weighs nothing. */
#ifndef PL_ENGINE_TEXT_NAMES_INT_H
#define PL_ENGINE_TEXT_NAMES_INT_H

#include "engine/text/match.h"
#include "engine/text/names.h"

/* What a Chinese character can be: a byte a character in the image. */
enum {
    NAMES_SURNAME = 1 << 0,
    NAMES_DOUBLE = 1 << 1,    /* first of a surname of two            */
    NAMES_PREFIX = 1 << 2,    /* begins a familiar name: 小, 老, 阿    */
    NAMES_SOUND = 1 << 3,     /* writes the sound of foreign names    */
    NAMES_HONORIFIC = 1 << 4, /* may begin what follows a bare surname */
    NAMES_HOUSE = 1 << 5,     /* stands behind a house number          */
    NAMES_DOUBLED = 1 << 6,   /* is a name when it is said twice       */
    NAMES_PLAIN = 1 << 7,     /* hardly ever the second of a name      */
};

enum {
    NAMES_FEATURES_MAX = 40,
    NAMES_BITS_MIN = 8,
    NAMES_BITS_MAX = 20,
    NAMES_CLASSES = 0x10000,
    NAMES_PAIR_BITS = 20, /* of the set of pairs that begin no name     */
    NAMES_WORD_BITS = 17, /* of the set of words that are no cue        */
    NAMES_HITS = 1400,    /* a unit cannot hold more that do not overlap */
};

typedef enum names_task { NAMES_ZH, NAMES_EN, NAMES_EN_ADDRESS, NAMES_TASKS } names_task;

/* logit = offset + gain · sum of weights */
typedef struct names_scale {
    float gain, offset;
    float slope, shift; /* of the logit that says how sure it is: shift + slope · mean logit */
    float first, early; /* Chinese: a span whose first features weigh less is no name */
} names_scale;

struct pl_names {
    const uint8_t *classes, *pairs, *words;
    const uint8_t *zh, *en; /* tables: 2 bytes a place, 4 bytes a place */
    unsigned       zh_bits, en_bits;
    unsigned       floor_name, floor_address;
    names_scale    scale[NAMES_TASKS];
};

typedef struct names_plan {
    const uint8_t *classes, *pairs, *words; /* NAMES_CLASSES bytes, 1 << NAMES_PAIR_BITS bits, … */
    const uint8_t *zh, *en;
    unsigned       zh_bits, en_bits;
    names_scale    scale[NAMES_TASKS];
} names_plan;
/* *out is malloc'd. */
pl_rc names_build(const names_plan *plan, void **out, size_t *n, pl_error *err);

typedef struct names_hit {
    uint32_t start, end;
    uint16_t score;
    bool     is_address;
} names_hit;

typedef struct names_hits {
    names_hit hit[NAMES_HITS];
    unsigned  n;
} names_hits;

static inline void names_hit_add(names_hits *h, size_t start, size_t end, float p, bool is_address)
{
    if (h->n < NAMES_HITS && end > start)
        h->hit[h->n++] = (names_hit){ (uint32_t)start, (uint32_t)end,
                                      (uint16_t)(p * PL_SCORE_MAX + 0.5f), is_address };
}

/* How sure a finding of that mean logit is. */
float names_sure(const names_scale *s, float logit);

static inline uint32_t names_hash(unsigned kind, uint64_t key)
{
    uint64_t h = (key + kind * 0x9e3779b97f4a7c15u) * 0xd6e8feb86659fd93u;

    h = (h ^ h >> 32) * 0x94d049bb133111ebu;
    return (uint32_t)(h >> 32);
}

/* A place of the Chinese table: weight, the feature's lowest byte. Of the other one: weight for names, weight
 * for addresses, the feature's lowest two bytes. */
static inline int32_t names_zh_weight(const uint8_t *table, unsigned bits, uint32_t feature)
{
    const uint8_t *p = table + 2 * (size_t)(feature >> (32 - bits));

    return p[1] == (feature & 0xff) ? (int8_t)p[0] : 0;
}

static inline void names_en_weights(const uint8_t *table, unsigned bits, uint32_t feature,
                                    int32_t *name, int32_t *address)
{
    const uint8_t *p = table + 4 * (size_t)(feature >> (32 - bits));
    bool           is_known = p[2] == (feature & 0xff) && p[3] == (feature >> 8 & 0xff);

    *name += is_known ? (int8_t)p[0] : 0;
    *address += is_known ? (int8_t)p[1] : 0;
}

static inline bool names_is_han(uint32_t c)
{
    return c - 0x4e00 < 0x5200;
}

static inline bool names_bit(const uint8_t *set, uint32_t i)
{
    return set[i >> 3] >> (i & 7) & 1;
}

/* --- names_zh.c --------------------------------------------------------------------------- */

/* A span that may be a name. Offsets are of the unit. */
typedef struct names_span {
    size_t   start, end;
    uint32_t second; /* character */
    uint32_t pair;   /* of the first two characters: its bit in the set of pairs */
    float    weight; /* with a model: of its first NAMES_EARLY features          */
    unsigned n;
    uint32_t feature[NAMES_FEATURES_MAX];
} names_span;

typedef void (*names_span_fn)(void *ctx, const names_span *s);

/* Two characters side by side, by what each can be. One condition: nothing about it is to be guessed. */
static inline bool names_zh_begins(uint8_t first, uint8_t second, bool same)
{
    return ((first & (NAMES_SURNAME | NAMES_PREFIX)) | (first & second & NAMES_SOUND) |
            (same ? first & NAMES_DOUBLED : 0)) != 0;
}

static inline bool names_zh_may_begin(const uint8_t *classes, uint32_t first, uint32_t second)
{
    return names_zh_begins(classes[first], classes[second], first == second);
}

static inline uint32_t names_zh_pair(uint32_t first, uint32_t second)
{
    return names_hash(1, (uint64_t)first << 21 | second) >> (32 - NAMES_PAIR_BITS);
}

/* Whether no name begins with the two characters: the set lists the pairs of which that is known, and, where
 * the second character is a plain one, the few with which one does. */
static inline bool names_zh_is_word(const pl_names *m, uint32_t first, uint32_t second)
{
    return names_bit(m->pairs, names_zh_pair(first, second)) !=
           ((m->classes[second] & NAMES_PLAIN) != 0);
}

/* Features that are looked at first, and then; which one is of all of a span's characters. */
enum { NAMES_FIRST = 3, NAMES_EARLY = 10, NAMES_WHOLE = 3 };

/* Visits the spans that the two Chinese characters at `at` can begin (names_zh_may_begin).
 * With a model: those that its first features do not rule out. */
void names_zh_spans(const uint8_t *classes, const pl_names *m, pl_str unit, size_t at,
                    names_span_fn visit, void *ctx);

/* Spans judged so far, of which overlapping ones fight. */
typedef struct names_zh_best {
    const pl_names *m;
    names_hits     *out;
    size_t          start, end;
    float           logit;
    bool            is_set;
} names_zh_best;

void names_zh_judge(names_zh_best *b, pl_str unit, size_t at);
void names_zh_flush(names_zh_best *b);

/* --- names_zh_scan.c ---------------------------------------------------------------------- */

/* The Chinese names and addresses of a unit. */
void names_zh_scan(const pl_names *m, pl_str unit, names_hits *out);

/* --- names_zh_address.c ------------------------------------------------------------------- */

/* The Chinese address around the character at `at` (of class NAMES_HOUSE), not before `from`. */
bool names_zh_address(pl_str unit, size_t at, size_t from, names_hit *out);

/* --- names_en_token.c, names_en.c --------------------------------------------------------------------------- */

enum { NAMES_TOKENS = 1024 };

typedef enum names_shape {
    SHAPE_NONE, SHAPE_LOWER, SHAPE_CAP, SHAPE_UPPER, SHAPE_INITIAL, SHAPE_MIXED, SHAPE_NUMBER,
    SHAPE_LINE = SHAPE_NUMBER + 8, /* numbers: one shape for each length up to 8 */
    SHAPE_LINES, SHAPE_WIDE, SHAPE_PUNCT
} names_shape;

typedef struct names_token {
    uint32_t start, end; /* in the unit */
    uint32_t word;       /* hash of what it is, folded; of punctuation the character */
    uint32_t head, tail, end2; /* hashes of its first three, last three and last two characters */
    uint8_t  shape;
    bool     glued;   /* no blank before it                */
    bool     is_name; /* may be (part of) a name           */
    bool     is_zone; /* may be part of an address         */
} names_token;

typedef struct names_text {
    names_token token[NAMES_TOKENS];
    unsigned    n;
} names_text;

static inline bool names_is_number(const names_token *x)
{
    return x->shape >= SHAPE_NUMBER && x->shape < SHAPE_LINE;
}

/* The dot of "J. Smith". */
static inline bool names_is_initial_dot(const names_text *t, unsigned i, pl_str unit)
{
    return i > 0 && unit.p[t->token[i].start] == '.' && t->token[i].glued &&
           t->token[i - 1].shape == SHAPE_INITIAL;
}

/* Features of token i: as many as NAMES_FEATURES_MAX. */
unsigned names_en_features(const names_text *t, unsigned i, uint32_t *out);

/* The next part of the unit around a cue, from `*at` on, cut into tokens; false: no more. words
 * NULL: every capitalised word is a cue. */
bool names_en_next(const uint8_t *words, pl_str unit, size_t *at, names_text *out);
void names_en_judge(const pl_names *m, const names_text *t, pl_str unit, names_hits *out);

static inline uint32_t names_word_bit(uint32_t word)
{
    return word >> (32 - NAMES_WORD_BITS);
}

#endif
