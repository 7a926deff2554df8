/* How text looks to matching (docs/design/002-text-engine.md).
 *
 * A text is a sequence of cells. A cell is a 16-bit unit that all spellings of a character share,
 * and what this spelling has of its own: one 16-bit word, the look. Runs of one character are one
 * cell. Separators and invisible characters are no cells; the look of the next cell remembers them.
 * Keywords become cells the same way, so decide compares look with look. */
#ifndef PL_ENGINE_TEXT_CELL_H
#define PL_ENGINE_TEXT_CELL_H

#include <plumbline/text.h>
#include <stdbool.h>

#include "engine/text/cell_kinds.h"

/* Made at build time by tools/cell-table.c: unit in the low 16 bits, attribute above. */
extern const uint32_t pl_cell_table[0x10000];
extern const uint8_t  pl_cell_ascii[128]; /* units, see CELL_ASCII_NONE */
extern const uint32_t pl_cell_page[][256];
extern const uint16_t pl_cell_page_of[]; /* by (code point - 0x10000) / 256 */
extern const uint32_t pl_cell_table_id;  /* databases are bound to the table they were made with */

typedef struct pl_cell_expansion {
    uint8_t  n;
    uint32_t cells[CELL_EXPAND_MAX];
} pl_cell_expansion;
extern const pl_cell_expansion pl_cell_expansions[];

static inline uint32_t pl_cell_of(uint32_t cp)
{
    uint32_t v;

    if (cp < 0x10000)
        return pl_cell_table[cp];
    v = pl_cell_page[pl_cell_page_of[(cp - 0x10000) >> 8]][cp & 0xff];
    return (v & 0xffff) == CELL_HASHED ? CELL_HASHED_UNIT(cp) | (uint32_t)CELL_HASHED_ATTR(cp) << 16
                                       : v;
}

static inline bool pl_cell_is_expanded(uint32_t v)
{
    return (v & 0xffff) - CELL_EXPAND < CELL_EXPAND_END - CELL_EXPAND;
}

/* Units from here on are of Chinese and other scripts without blanks. */
enum { CELL_HAN = 0x2e80 };

/* Letters and digits that may not touch a whole word. Han is deliberately not here: "用AI写"
 * holds the word AI. Signs that stand for letters are not either. */
static inline bool pl_cell_is_word(uint32_t v)
{
    uint32_t unit = v & 0xffff, attr = v >> 16;

    if (unit >= 0x590 && (unit < 0x1e00 || unit >= 0x2000))
        return false;
    return unit >= CELL_FIRST &&
           !((CELL_ATTR_KIND(attr) == CELL_DIGIT || CELL_ATTR_KIND(attr) == CELL_DIGIT_COMPAT) &&
             CELL_ATTR_MEMBER(attr) >= CELL_SIGN);
}

/* --- looks --------------------------------------------------------------------------- */

/* What stands before a cell. Several separators count as the last of these among them. */
typedef enum pl_gap {
    GAP_NONE,
    GAP_BLANK = CELL_GAP_BLANK,
    GAP_LINE = CELL_GAP_LINE,
    GAP_SYMBOL = CELL_GAP_SYMBOL,
    GAP_MARK = CELL_GAP_MARK,
    GAP_SENTENCE = CELL_GAP_SENTENCE,
    GAP_LONG /* more than GAP_SIGNS_MAX signs */
} pl_gap;

enum { GAP_SIGNS_MAX = 8, COUNT_MAX = 7, TAIL_MAX = 3 };

typedef uint16_t pl_look;

/* attribute 7 bits, gap 3, invisible 1, count 3, tail 2: how many of the run stand after the last
 * gap inside it. */
#define LOOK(attr, gap, invisible, count, tail)                                                    \
    ((pl_look)((attr) | (gap) << 7 | (invisible) << 10 | (count) << 11 | (tail) << 14))
#define LOOK_ATTR(l)      ((l)&0x7fu)
#define LOOK_KIND(l)      CELL_ATTR_KIND(l)
#define LOOK_MEMBER(l)    CELL_ATTR_MEMBER(l)
#define LOOK_GAP(l)       ((l) >> 7 & 7u)
#define LOOK_INVISIBLE(l) ((l) >> 10 & 1u)
#define LOOK_COUNT(l)     ((l) >> 11 & 7u)
#define LOOK_TAIL(l)      ((l) >> 14 & 3u)
#define LOOK_PLAIN        LOOK(0, GAP_NONE, 0, 1, 1)

/* Gap in the making. */
typedef struct pl_gap_state {
    uint8_t kind, signs;
    bool    invisible;
} pl_gap_state;

static inline void pl_gap_add(pl_gap_state *g, uint32_t separator)
{
    if (separator != GAP_BLANK && separator != GAP_LINE && g->signs <= GAP_SIGNS_MAX)
        g->signs++;
    if (separator > g->kind)
        g->kind = (uint8_t)separator;
    if (g->signs > GAP_SIGNS_MAX)
        g->kind = GAP_LONG;
}

static inline bool pl_cell_is_digit(uint32_t v)
{
    unsigned kind = CELL_ATTR_KIND(v >> 16);

    return kind == CELL_DIGIT || kind == CELL_DIGIT_COMPAT;
}

/* A sign that stands for a letter. */
static inline bool pl_cell_is_sign(uint32_t v)
{
    return pl_cell_is_digit(v) && CELL_ATTR_MEMBER(v >> 16) >= CELL_SIGN;
}

/* Whether v, after the character `last`, is one more of its run. Signs begin their own: "$sell"
 * has the word sell in it. */
static inline bool pl_cell_continues(uint32_t last, uint32_t v)
{
    if (v == last)
        return v >= CELL_FIRST;
    if ((v ^ last) & 0xffff || (v & 0xf800) == 0xd800)
        return false;
    return !pl_cell_is_sign(last) && !pl_cell_is_sign(v);
}

/* What a run is like that is like `run` up to now and goes on with v. */
static inline unsigned pl_attr_add(unsigned run, uint32_t v)
{
    unsigned attr = v >> 16 & 0x7f, kind = CELL_ATTR_KIND(attr), member = CELL_ATTR_MEMBER(attr);
    unsigned before = CELL_ATTR_MEMBER(run);

    if (run == attr || pl_cell_is_digit(run << 16))
        return run;
    if (pl_cell_is_digit(v))
        return attr;
    kind = kind > CELL_ATTR_KIND(run) ? kind : CELL_ATTR_KIND(run);
    if (member != before)
        member = ((before | member) & (CELL_HAS_I | CELL_HAS_L)) | (before & CELL_FIRST_L) |
                 (member & CELL_LAST_L);
    return CELL_ATTR(kind, member);
}

static inline pl_look pl_look_begin(uint32_t v, const pl_gap_state *g)
{
    return LOOK(v >> 16, g->kind, g->invisible, 1, 1);
}

/* The run goes on with v. */
static inline pl_look pl_look_more(pl_look l, uint32_t v, const pl_gap_state *g)
{
    unsigned count = LOOK_COUNT(l) + (LOOK_COUNT(l) < COUNT_MAX);
    unsigned tail = g->kind != GAP_NONE ? 1 : LOOK_TAIL(l) + (LOOK_TAIL(l) < TAIL_MAX);

    return LOOK(pl_attr_add(LOOK_ATTR(l), v), LOOK_GAP(l), LOOK_INVISIBLE(l) | g->invisible, count,
                tail);
}

/* --- keywords ------------------------------------------------------------------------- */

/* Cells of one keyword; its ring and bit sets bound every match. */
#define PL_CELLS_MAX PL_TEXT_CELLS_MAX

typedef struct pl_cells {
    unsigned n;
    uint16_t units[PL_CELLS_MAX];
    pl_look  looks[PL_CELLS_MAX];
} pl_cells;

/* PL_INVALID: not UTF-8, no cell, or more than PL_CELLS_MAX. Separators at its ends are left out. */
pl_rc pl_cells_of_keyword(pl_str keyword, pl_cells *out, pl_error *err);

/* --- judging -------------------------------------------------------------------------- */

/* A candidate: the units agree. The looks of the text are those of its cells, first to last. */
typedef struct pl_candidate {
    const uint16_t *units;
    const pl_look  *keyword; /* NULL: LOOK_PLAIN throughout */
    const pl_look  *text;
    unsigned        n;
    unsigned        first_excess, last_excess; /* repetitions that a whole word must account for */
    bool            word;
} pl_candidate;

/* Whether the text says the keyword, and how it differs. */
bool pl_decide(const pl_candidate *c, uint16_t *form, uint16_t *score);
/* Whether it refuses, whatever else there is, a Latin keyword of n single characters without a gap where the
 * text has one blank, no more, between some of them; `whole`: and nothing between others. */
bool pl_decide_refuses_torn(unsigned n, bool whole);

#endif
