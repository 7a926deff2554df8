/* From text to hashed features, in one pass: shared by scoring, explanation and training.
 *
 * `walk` is a template: its users pass a sink that is inlined. For each feature the sink gets
 * a 64-bit hash and the bytes it covers. Which features there are is part of the model
 * format (docs/formats/model.md): a change here is a new feature set number.
 */
#ifndef PL_ENGINE_TEXT_MODEL_WALK_H
#define PL_ENGINE_TEXT_MODEL_WALK_H

#include "base/utf8.h"
#include "engine/text/text_int.h"

#define WALK_INLINE static inline __attribute__((always_inline))

/* One odd constant per kind of feature keeps the kinds apart. */
#define WALK_GRAM1 0x9e3779b97f4a7c15u
#define WALK_GRAM2 0xc2b2ae3d27d4eb4fu
#define WALK_GRAM3 0xd6e8feb86659fd93u
#define WALK_WORD  0xa0761d6478bd642fu
#define WALK_PAIR  0xe7037ed1a0b428dbu
#define WALK_STEM  0x8ebc6af09c88c6e3u

enum {
    WALK_WORD_MAX = 32, /* bytes of a word that count */
    WALK_STEM_MAX = 4   /* bytes of its beginning that are a feature of their own */
};

typedef struct walker {
    uint64_t word;       /* the word before, while nothing but punctuation follows; 0: none */
    uint64_t wide;       /* the last three wide characters, 21 bits each; 0: none */
    size_t   word_at;
    size_t   wide_at[2]; /* where the last two begin; [0] the latest */
    uint64_t words, wides;
} walker;

typedef void (*walk_sink)(void *ctx, uint64_t hash, size_t start, size_t end);

static inline uint64_t walk_mix(uint64_t key, uint64_t kind)
{
    uint64_t h = key * kind;

    h ^= h >> 32;
    return h * 0x94d049bb133111ebu;
}

/* --- classes of characters ------------------------------------------------------------------ */

enum walk_class { WALK_GAP, WALK_SKIP, WALK_LETTER, WALK_WIDE };

/* Letters are what stands in no block of punctuation or symbols; wide are scripts written
 * without blanks, and emoji. For folded characters. */
static inline enum walk_class walk_class_of(uint32_t cp)
{
    if (cp < 0x80)
        return cp - 'a' < 26 || cp - '0' < 10 ? WALK_LETTER : cp == 0 ? WALK_SKIP : WALK_GAP;
    if (cp < 0xc0)
        return cp == 0xaa || cp == 0xb5 || cp == 0xba ? WALK_LETTER : WALK_GAP;
    if (cp < 0x2e80)
        return (cp >= 0x2000 && cp < 0x2c00) || cp == 0xd7 || cp == 0xf7 ? WALK_GAP : WALK_LETTER;
    if (cp < 0x3040) /* radicals, then CJK punctuation */
        return cp < 0x3000 || cp == 0x3005 || cp == 0x3007 ? WALK_WIDE : WALK_GAP;
    if ((cp >= 0xfe10 && cp < 0xfe70) || (cp >= 0xff00 && cp < 0xff66) ||
        (cp >= 0xfff0 && cp < 0x10000))
        return WALK_GAP;
    return WALK_WIDE;
}

/* The folded character at `at` and its length; a damaged byte is a blank. */
static inline uint32_t walk_decode(pl_str text, size_t at, size_t *len)
{
    uint32_t cp = 0;
    int      n = pl_utf8_decode((pl_str){ text.p + at, text.n - at }, &cp);

    *len = n > 0 ? (size_t)n : 1;
    return n > 0 ? fold_fast(cp) : ' ';
}

/* The bulk of Chinese text: U+4000 to U+9FFF fold to themselves and need no range checks. */
static inline bool walk_is_plain_han(pl_str text, size_t at, uint32_t *cp)
{
    const uint8_t *p = (const uint8_t *)text.p + at;

    if (text.n - at < 3 || p[0] - 0xe4u > 5 || !is_utf8_tail(p[1]) || !is_utf8_tail(p[2]))
        return false;
    *cp = (uint32_t)(p[0] & 0xf) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    return true;
}

/* Number of ASCII letters and digits at the beginning of eight bytes. */
static inline unsigned walk_letters(uint64_t x)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x80 * ones;
    uint64_t       y = x & ~high, lower = y | 0x20 * ones;
    uint64_t alpha = (lower + (0x80 - 'a') * ones) & ~(lower + (0x80 - 'z' - 1) * ones);
    uint64_t digit = (y + (0x80 - '0') * ones) & ~(y + (0x80 - '9' - 1) * ones);
    uint64_t other = ~((alpha | digit) & ~x) & high;

    return other ? (unsigned)__builtin_ctzll(other) / 8 : 8;
}

/* --- features ------------------------------------------------------------------------------- */

/* Folded letters, eight at a time, zero-padded. */
static inline uint64_t walk_word_hash(uint64_t h, uint64_t chunk)
{
    h = (h ^ chunk) * WALK_WORD;
    return h ^ h >> 32;
}

/* head: the first eight folded bytes of the word, zero-padded. */
WALK_INLINE void walk_word(walker *w, uint64_t hash, uint64_t head, size_t n, size_t at, size_t end,
                           walk_sink sink, void *ctx)
{
    sink(ctx, walk_mix(hash, WALK_WORD), at, end);
    if (n > WALK_STEM_MAX)
        sink(ctx, walk_mix(head & 0xffffffffu, WALK_STEM), at, end);
    if (w->word != 0)
        sink(ctx, walk_mix(w->word * 31 + hash, WALK_PAIR), w->word_at, end);
    w->word = hash;
    w->word_at = at;
    w->wide = 0;
    w->words++;
}

WALK_INLINE void walk_wide(walker *w, uint32_t cp, size_t at, size_t end, walk_sink sink, void *ctx)
{
    uint64_t before = w->wide;
    uint64_t now = (before << 21 | cp) & 0x7fffffffffffffffu;

    sink(ctx, walk_mix(cp, WALK_GRAM1), at, end);
    if (before != 0)
        sink(ctx, walk_mix(now & 0x3ffffffffffu, WALK_GRAM2), w->wide_at[0], end);
    if (before >> 21 != 0)
        sink(ctx, walk_mix(now, WALK_GRAM3), w->wide_at[1], end);
    w->wide = now;
    w->wide_at[1] = w->wide_at[0];
    w->wide_at[0] = at;
    w->word = 0;
    w->wides++;
}

/* A word with anything unusual about it, letter by letter. Gives where reading goes on. */
WALK_INLINE size_t walk_any_word(walker *w, pl_str text, size_t at, walk_sink sink, void *ctx)
{
    char     buf[WALK_WORD_MAX + 8] = { 0 };
    size_t   n = 0, i = at, end = at, len;
    uint64_t hash = 0, head, chunk;

    for (; i < text.n; i += len) {
        uint32_t        cp = walk_decode(text, i, &len);
        enum walk_class class = walk_class_of(cp);

        if (class == WALK_SKIP)
            continue;
        if (class != WALK_LETTER)
            break;
        if (n < WALK_WORD_MAX)
            n += (size_t)pl_utf8_encode(cp, buf + n);
        end = i + len;
    }
    n = n < WALK_WORD_MAX ? n : WALK_WORD_MAX;
    memset(buf + n, 0, sizeof buf - n);
    memcpy(&head, buf, sizeof head);
    for (size_t k = 0; k < n; k += 8) {
        memcpy(&chunk, buf + k, sizeof chunk);
        hash = walk_word_hash(hash, le64toh(chunk));
    }
    walk_word(w, hash, le64toh(head), n, at, end, sink, ctx);
    return i;
}

/* A word of ASCII letters with a plain ASCII character behind it: nearly all of English text.
 * Eight bytes at a step. Gives where reading goes on, or `at` when it is not that. */
WALK_INLINE size_t walk_plain_word(walker *w, pl_str text, size_t at, walk_sink sink, void *ctx)
{
    const uint64_t lower = 0x2020202020202020u;
    uint64_t       hash = 0, head = 0, x;

    for (size_t done = 0; done < WALK_WORD_MAX; done += 8) {
        unsigned n;

        if (text.n - at - done < 8)
            return at;
        memcpy(&x, text.p + at + done, sizeof x);
        x = le64toh(x);
        n = walk_letters(x);
        if (n == 8) {
            x |= lower;
            head = done == 0 ? x : head;
            hash = walk_word_hash(hash, x);
            continue;
        }
        if ((uint8_t)(x >> 8 * n) - 1u > 0x7e) /* NUL, or not ASCII */
            return at;
        if (n > 0) {
            x = (x | lower) & ~0ull >> (64 - 8 * n);
            head = done == 0 ? x : head;
            hash = walk_word_hash(hash, x);
        }
        walk_word(w, hash, head, done + n, at, at + done + n, sink, ctx);
        return at + done + n + 1;
    }
    return at;
}

WALK_INLINE size_t walk_ascii(walker *w, pl_str text, size_t at, walk_sink sink, void *ctx)
{
    uint8_t b = (uint8_t)text.p[at];
    size_t  next;

    if ((uint8_t)((b | 0x20) - 'a') >= 26 && (uint8_t)(b - '0') >= 10) {
        w->wide = b ? 0 : w->wide;
        return at + 1;
    }
    next = walk_plain_word(w, text, at, sink, ctx);
    return next > at ? next : walk_any_word(w, text, at, sink, ctx);
}

static inline bool walk_is_ascii(pl_str text, size_t at)
{
    return (uint8_t)text.p[at] < 0x80;
}

WALK_INLINE walker walk(pl_str text, walk_sink sink, void *ctx)
{
    walker w = { 0 };
    size_t i = 0, len;

    while (i < text.n) {
        uint32_t cp = 0;

        if (walk_is_ascii(text, i)) {
            i = walk_ascii(&w, text, i, sink, ctx);
            continue;
        }
        if (walk_is_plain_han(text, i, &cp)) {
            walk_wide(&w, cp, i, i + 3, sink, ctx);
            i += 3;
            continue;
        }
        cp = walk_decode(text, i, &len);
        switch (walk_class_of(cp)) {
        case WALK_LETTER:
            i = walk_any_word(&w, text, i, sink, ctx);
            continue;
        case WALK_WIDE:
            walk_wide(&w, cp, i, i + len, sink, ctx);
            break;
        case WALK_GAP:
            w.wide = 0;
            break;
        case WALK_SKIP:
            break;
        }
        i += len;
    }
    return w;
}

#endif
