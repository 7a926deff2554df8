/* Shared by the .c files of the text engine only.
 *
 * The serialised form is specified in docs/formats/policy-database.md, "TEXT section".
 * Numbers are read through ld32, so neither alignment nor byte order of the host
 * matters; on little-endian machines it is one load. */
#ifndef PL_ENGINE_TEXT_INT_H
#define PL_ENGINE_TEXT_INT_H

#include <endian.h>
#include <plumbline/text.h>
#include <stdbool.h>
#include <string.h>

#define TEXTDB_MAGIC   0x58544c50u /* "PLTX" */
#define TEXTDB_VERSION 1u

/* Word offsets inside the header of 16 words. */
enum {
    HDR_MAGIC,
    HDR_VERSION,
    HDR_SIZE,
    HDR_CRC,
    HDR_NODES,
    HDR_KEYWORDS,
    HDR_ENTRIES,
    HDR_RULES,
    HDR_STRINGS,
    HDR_USED, /* the rest is zero */
    HDR_WORDS = 16
};

/* Records, in words. Nodes are numbered breadth first, so the children of one node
 * are neighbours and an edge costs one byte: the label of the child. */
enum { NODE_FIRST, NODE_FAIL, NODE_OUT, NODE_SHAPE, NODE_WORDS };
enum { KW_ENTRY, KW_ENTRIES, KW_NEXT, KW_CHARS, KW_WORDS };
enum { ENTRY_RULE, ENTRY_FLAGS, ENTRY_WORDS };
enum { RULE_ID, RULE_ID_LEN, RULE_CATEGORY, RULE_CATEGORY_LEN, RULE_SEVERITY, RULE_WORDS };

/* NODE_SHAPE: number of children below, depth in characters above. */
#define SHAPE(children, depth) ((uint32_t)(children) | (uint32_t)(depth) << 16)
#define SHAPE_CHILDREN(shape)  ((shape)&0xffffu)
#define SHAPE_DEPTH(shape)     ((shape) >> 16)

#define KEYWORD_FLAGS (PL_KEYWORD_WORD | PL_KEYWORD_PINYIN | PL_KEYWORD_SPLIT)

/* What begins with a character. */
enum kind {
    KIND_NONE,  /* no keyword                                                  */
    KIND_ONE,   /* a keyword that is this character: nothing more to look at   */
    KIND_TWO,   /* only keywords of two or more: their first two tell          */
    KIND_FOUR   /* only keywords of four or more: their first four tell        */
};

struct pl_textdb {
    const uint8_t *nodes, *keywords, *entries, *rules, *labels, *strings;
    uint32_t       node_count, keyword_count, entry_count, rule_count, string_bytes;
    uint32_t       root[256]; /* child of the root by byte, 0 for none */
    /* How far a scan that stands at the root must look before it leaves it, made when
     * the database is opened. kinds: two bits (enum kind) for each folded character, cut
     * to 16 bits. prefixes: a hashed bit set of the keywords' first two and first four
     * characters. Either may say yes by chance; a no is certain. */
    uint8_t kinds[0x10000 / 4];
    uint8_t prefixes[0x20000 / 8];
    /* For runs of ASCII: a bit per pair of bytes as they stand in the text, set when a
     * keyword may begin with them. Exact but for pairs with a NUL, which are always set. */
    uint8_t pairs[0x80 * 0x80 / 8];
};

static inline uint32_t pair_index(uint8_t a, uint8_t b)
{
    return (uint32_t)a << 7 | b;
}

static inline bool pair_get(const pl_textdb *db, uint8_t a, uint8_t b)
{
    uint32_t i = pair_index(a, b);

    return (db->pairs[i >> 3] >> (i & 7) & 1) != 0;
}

static inline uint32_t ld32(const uint8_t *base, size_t word)
{
    uint32_t v;

    memcpy(&v, base + word * 4, sizeof v);
    return le32toh(v);
}

static inline void st32(uint8_t *base, size_t word, uint32_t value)
{
    uint32_t v = htole32(value);

    memcpy(base + word * 4, &v, sizeof v);
}

static inline uint32_t node_get(const pl_textdb *db, uint32_t node, int word)
{
    return ld32(db->nodes, (size_t)node * NODE_WORDS + (size_t)word);
}

static inline uint32_t keyword_get(const pl_textdb *db, uint32_t keyword, int word)
{
    return ld32(db->keywords, (size_t)keyword * KW_WORDS + (size_t)word);
}

static inline uint32_t entry_get(const pl_textdb *db, uint32_t entry, int word)
{
    return ld32(db->entries, (size_t)entry * ENTRY_WORDS + (size_t)word);
}

/* Index of byte b among n ascending labels, or n. */
static inline uint32_t label_find(const uint8_t *labels, uint32_t n, uint8_t b)
{
    uint32_t lo = 0, hi = n;

    while (hi - lo > 8) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (labels[mid] <= b)
            lo = mid;
        else
            hi = mid;
    }
    for (; lo < hi; lo++)
        if (labels[lo] == b)
            return lo;
    return n;
}

/* Child of a node by byte, 0 for none (the root is nobody's child). */
static inline uint32_t node_child(const pl_textdb *db, uint32_t node, uint8_t b)
{
    uint32_t first = node_get(db, node, NODE_FIRST);
    uint32_t n = SHAPE_CHILDREN(node_get(db, node, NODE_SHAPE));
    uint32_t at = label_find(db->labels + first, n, b);

    return at < n ? first + at : 0;
}

static inline bool is_utf8_tail(uint8_t b)
{
    return (b & 0xc0) == 0x80;
}

/* pl_text_fold with the common cases in line: ASCII, and everything from the CJK
 * radicals to the private use area, where only U+3000 folds. */
static inline uint32_t fold_fast(uint32_t cp)
{
    if (cp - 'A' < 26)
        return cp + ('a' - 'A');
    if (cp - ' ' < 0x60)
        return cp;
    if (cp >= 0x2e80 && cp < 0xfe00)
        return cp == 0x3000 ? ' ' : cp;
    return pl_text_fold(cp);
}

/* Whether a folded character may not touch a PL_KEYWORD_WORD keyword: ASCII letters,
 * digits, underscore, and letters of the Latin blocks. Han is deliberately not here:
 * "用AI写" holds the word AI. */
static inline bool is_word_char(uint32_t cp)
{
    if (cp < 0x80)
        return cp - 'a' < 26 || cp - '0' < 10 || cp == '_' || cp - 'A' < 26;
    return (cp >= 0xc0 && cp < 0x250 && cp != 0xd7 && cp != 0xf7) || cp == 0xaa || cp == 0xba ||
           (cp >= 0x1e00 && cp < 0x1f00);
}

static inline enum kind kind_get(const pl_textdb *db, uint16_t c)
{
    return (enum kind)(db->kinds[c >> 2] >> (c & 3) * 2 & 3);
}

/* `key` holds characters cut to 16 bits, the last one lowest. Two bits of the set stand
 * for it. */
static inline uint64_t prefix_hash(uint64_t key)
{
    return key * 0x9e3779b97f4a7c15u;
}

static inline bool prefix_get(const pl_textdb *db, uint64_t key)
{
    uint64_t h = prefix_hash(key);
    uint32_t i = (uint32_t)(h >> 47), j = (uint32_t)(h >> 30) & 0x1ffff;

    return (db->prefixes[i >> 3] >> (i & 7) & 1) && (db->prefixes[j >> 3] >> (j & 7) & 1);
}

static inline void prefix_set(pl_textdb *db, uint64_t key)
{
    uint64_t h = prefix_hash(key);
    uint32_t i = (uint32_t)(h >> 47), j = (uint32_t)(h >> 30) & 0x1ffff;

    db->prefixes[i >> 3] = (uint8_t)(db->prefixes[i >> 3] | 1u << (i & 7));
    db->prefixes[j >> 3] = (uint8_t)(db->prefixes[j >> 3] | 1u << (j & 7));
}

/* Folds a keyword: drops skipped characters, makes runs of blanks one blank and
 * trims them. Writes at most PL_TEXT_KEYWORD_MAX * 4 bytes. */
pl_rc pl_text_fold_keyword(pl_str keyword, char out[PL_TEXT_KEYWORD_MAX * 4], size_t *n,
                           unsigned *chars, pl_error *err);

#endif
