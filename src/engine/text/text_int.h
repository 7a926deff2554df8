/* Shared by the .c files of the text engine only.
 *
 * The serialised form is specified in docs/formats/policy-database.md, "TEXT section".
 * Numbers are read through ld32, so neither alignment nor byte order of the host
 * matters; on little-endian machines it is one load. */
#ifndef PL_ENGINE_TEXT_INT_H
#define PL_ENGINE_TEXT_INT_H

#include <endian.h>
#include <plumbline/text.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "engine/text/cell.h"
#include "engine/text/lits.h"

#define TEXTDB_MAGIC   0x58544c50u /* "PLTX" */
#define TEXTDB_VERSION 3u

/* Word offsets inside the header of 32 words. */
enum {
    HDR_MAGIC,
    HDR_VERSION,
    HDR_SIZE,
    HDR_CRC,
    HDR_FLAGS,
    HDR_CELLS, /* pl_cell_table_id; 0 in an exact database */
    HDR_LITERALS,
    HDR_UNITS,
    HDR_ENTRIES,
    HDR_LOOKS,
    HDR_COMBOS,
    HDR_RULES,
    HDR_STRINGS,
    HDR_LITS,
    HDR_SETS,
    HDR_USED, /* the rest is zero */
    HDR_WORDS = 32
};

/* Records, in words. */
enum { ENTRY_OWNER, ENTRY_LOOKS, ENTRY_FLAGS, ENTRY_WORDS };
enum { COMBO_RULE, COMBO_SHAPE, COMBO_PART, COMBO_NONE = COMBO_PART + PL_TEXT_PARTS_MAX, COMBO_WORDS };
#define NO_SET UINT32_MAX
enum {
    RULE_ID, RULE_ID_LEN, RULE_CATEGORY, RULE_CATEGORY_LEN, RULE_SEVERITY,
    RULE_FROM, RULE_TO = RULE_FROM + 2, RULE_WORDS = RULE_TO + 2
};

#define NO_LOOKS UINT32_MAX /* ENTRY_LOOKS: every cell is LOOK_PLAIN */

/* ENTRY_FLAGS: pl_keyword_flags, what the entry is for, and how many cells must follow before an
 * exception around it can be ruled out. ENTRY_OWNER is a rule, for parts a set: words of which one
 * stands for all, and which several combinations may share. */
#define KEYWORD_FLAGS (PL_KEYWORD_WORD | PL_KEYWORD_PINYIN | PL_KEYWORD_SPLIT)
enum { ENTRY_PART = 1 << 3, ENTRY_EXCEPTION = 1 << 5 };
#define ENTRY_KIND    (ENTRY_PART | ENTRY_EXCEPTION)
#define ENTRY_WAIT(f) ((f) >> 8 & 0xffu)
#define ENTRY_FLAGS_OF(keyword_flags, kind, wait)                                                  \
    ((uint32_t)(keyword_flags) | (uint32_t)(kind) | (uint32_t)(wait) << 8)

/* COMBO_SHAPE: within, parts that must be there. */
#define SHAPE(within, all) ((uint32_t)(within) | (uint32_t)(all) << 16)
#define SHAPE_WITHIN(s)    ((s)&0xffffu)
#define SHAPE_ALL(s)       ((s) >> 16)

/* Nobody has told the time. */
#define NO_TIME INT64_MIN

/* Literals that share a beginning: [lo, hi) of the sorted ones. */
typedef struct literal_range {
    uint32_t lo, hi;
} literal_range;

/* The literals that go on with a unit after a beginning; see branch.c. */
typedef struct pl_branch {
    uint64_t      key; /* 0: free */
    literal_range to;
} pl_branch;

/* What a glance at a literal in a text asks; see glance.c. */
enum { GLANCE_CELLS = 8 };
typedef struct pl_glance {
    uint8_t length;
    uint8_t doubled; /* bit for each of the first cells: every entry has a run there        */
    bool    is_tight; /* Latin letters, and no entry has a gap or a run                     */
} pl_glance;

struct pl_textdb {
    const uint8_t *ends, *firsts, *entries, *combos, *rules, *units, *looks, *strings;
    uint32_t       literals, unit_count, entry_count, look_count, combo_count, rule_count;
    uint32_t       set_count;
    uint32_t       string_bytes;
    bool           exact, has_exceptions, has_times;
    pl_lits       *lits;      /* NULL when there is no literal */
    void          *lits_copy; /* its image, where the section is not aligned for it */
    uint32_t      *set_first; /* of each set, in set_use; one more at the end             */
    uint32_t      *set_use;   /* combinations that have the set, rising                   */
    uint8_t       *part_only; /* bit per literal: all its entries are parts               */
    uint32_t       reach;     /* cells after which no combination remembers a part        */
    uint32_t      *root;      /* first literal by its first unit; one more at the end */
    pl_branch     *branch;    /* hashed: where beginnings of more than `few` literals go on  */
    uint32_t       branch_mask, few;
    pl_glance     *glance;    /* of each literal; NULL in exact databases                     */
    uint8_t       *pairs;     /* hashed bit set of the literals' first two units; may lie with yes */
    uint8_t       *inner_pairs; /* ... of those that may begin inside a word                       */
    uint32_t       pair_mask;
    /* Bit sets over units: what a literal begins with, is alone, may begin with inside a word. */
    uint8_t begins[0x10000 / 8], alone[0x10000 / 8], inner[0x10000 / 8];
    _Atomic int64_t now;
};

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

/* A float as its bits. */
static inline float ld_float(const uint8_t *p)
{
    uint32_t bits = ld32(p, 0);
    float    f;

    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline void st_float(uint8_t *p, float f)
{
    uint32_t bits;

    memcpy(&bits, &f, sizeof bits);
    st32(p, 0, bits);
}

static inline uint16_t ld16(const uint8_t *base, size_t half)
{
    uint16_t v;

    memcpy(&v, base + half * 2, sizeof v);
    return le16toh(v);
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

/* Where the units of literal i begin, and its length. */
static inline uint32_t literal_at(const pl_textdb *db, uint32_t i)
{
    return i > 0 ? ld32(db->ends, i - 1) : 0;
}

static inline uint32_t literal_length(const pl_textdb *db, uint32_t i)
{
    return ld32(db->ends, i) - literal_at(db, i);
}

static inline uint16_t unit_get(const pl_textdb *db, uint32_t at)
{
    return db->exact ? db->units[at] : ld16(db->units, at);
}

static inline uint32_t entry_get(const pl_textdb *db, uint32_t entry, int word)
{
    return ld32(db->entries, (size_t)entry * ENTRY_WORDS + (size_t)word);
}

static inline uint32_t combo_get(const pl_textdb *db, uint32_t combo, int word)
{
    return ld32(db->combos, (size_t)combo * COMBO_WORDS + (size_t)word);
}

/* What a match with an entry of these flags is besides how it is spelt. */
static inline uint16_t entry_form(uint32_t flags)
{
    return (uint16_t)((flags & PL_KEYWORD_PINYIN ? PL_FORM_PINYIN : 0) |
                      (flags & PL_KEYWORD_SPLIT ? PL_FORM_SPLIT : 0));
}

/* First entry of literal i; those of i end where those of i + 1 begin. */
static inline uint32_t literal_entry(const pl_textdb *db, uint32_t i)
{
    return i < db->literals ? ld32(db->firsts, i) : db->entry_count;
}

static inline bool unit_in(const uint8_t *set, uint16_t unit)
{
    return set[unit >> 3] >> (unit & 7) & 1;
}

static inline void unit_put(uint8_t *set, uint16_t unit)
{
    set[unit >> 3] = (uint8_t)(set[unit >> 3] | 1u << (unit & 7));
}

static inline uint32_t pair_hash(uint32_t a, uint32_t b)
{
    return (a << 16 | b) * 0x9e3779b1u >> 8;
}

static inline bool pair_get(const pl_textdb *db, const uint8_t *pairs, uint32_t a, uint32_t b)
{
    uint32_t h = pair_hash(a, b) & db->pair_mask;

    return pairs[h >> 3] >> (h & 7) & 1;
}

static inline void pair_put(const pl_textdb *db, uint8_t *pairs, uint32_t a, uint32_t b)
{
    uint32_t h = pair_hash(a, b) & db->pair_mask;

    pairs[h >> 3] = (uint8_t)(pairs[h >> 3] | 1u << (h & 7));
}

static inline literal_range literal_root(const pl_textdb *db, uint16_t unit)
{
    return (literal_range){ db->root[unit], db->root[unit + 1u] };
}

/* Fills db->branch; the tables before it are there. False: out of memory. */
bool pl_branches_fill(pl_textdb *db);
/* Those of the range, which are all that agree in their first `depth` units, that have `unit` next. */
literal_range pl_literal_narrow(const pl_textdb *db, literal_range r, uint32_t depth, uint16_t unit);
/* Fills db->glance. False: out of memory. */
bool pl_glances_fill(pl_textdb *db);

/* Whether findings of the rule count now. */
bool pl_textdb_rule_counts(const pl_textdb *db, uint32_t rule);

#endif
