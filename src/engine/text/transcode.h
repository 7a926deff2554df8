/* Text into units (cell.h), the way the block scanner of whole texts needs it: what a run is made
 * of and what stands between two cells is left out, and read again where it matters.
 *
 * All code paths give the same units and places; which one runs is said by pl_lits_path_set. */
#ifndef PL_ENGINE_TEXT_TRANSCODE_H
#define PL_ENGINE_TEXT_TRANSCODE_H

#include "engine/text/match.h"

enum {
    /* Cells transcoded at once: units and places stay in the first level of cache, or near. */
    TRANSCODE_BLOCK = 4096,
    TRANSCODE_CARRY = 64, /* cells of the block before, for literals that go on in the next */
    TRANSCODE_STEP = 64,  /* the most that one step adds */
    TRANSCODE_ROOM = TRANSCODE_CARRY + TRANSCODE_BLOCK + 2 * TRANSCODE_STEP
};

_Static_assert(TRANSCODE_CARRY >= PL_CELLS_MAX + CELL_EXPAND_MAX, "a literal may begin in the block before");

typedef struct pl_units {
    const uint8_t *text, *end; /* the whole text       */
    const uint8_t *at;         /* transcoded up to here */
    const uint8_t *base;       /* of the places        */
    uint32_t       last;       /* value of the last character that is a cell */
    uint32_t       n;
    uint16_t       units[TRANSCODE_ROOM];
    uint32_t       place[TRANSCODE_ROOM]; /* where the run begins, from base on */
} pl_units;

void pl_units_init(pl_units *u, pl_str text);
/* Fills the block after what it carries. */
void pl_units_fill(pl_units *u);
/* Keeps the last `keep` cells at the front, and places from there on. */
void pl_units_carry(pl_units *u, uint32_t keep);

/* A character at p, which is before end: value and length. */
typedef struct pl_decoded {
    uint32_t v, n;
} pl_decoded;

static inline pl_decoded pl_decode(const uint8_t *p, const uint8_t *end)
{
    pl_char c = pl_char_read(p, end);

    if (__builtin_expect(c.n <= 0, false))
        return (pl_decoded){ CELL_BROKEN, 1 };
    return (pl_decoded){ pl_cell_of(c.cp), (uint32_t)c.n };
}

/* What the loops leave out: expansions, broken bytes, runs of different characters. One condition:
 * which of its parts hold changes with every word, and is not to be guessed. */
static inline bool pl_value_is_rare(uint32_t v, uint32_t last)
{
    unsigned twin = (uint16_t)v == (uint16_t)last, expanded = pl_cell_is_expanded(v);

    return (((v >= CELL_FIRST) & (v != last) & (twin | expanded)) | (v == CELL_BROKEN)) != 0;
}

/* Characters up to `stop`, one after the other; stops early when the block is full. */
void pl_units_slowly(pl_units *u, const uint8_t *stop);
#ifdef __x86_64__
void pl_units_fill_avx2(pl_units *u);
void pl_units_fill_avx512(pl_units *u);
#endif

#endif
