/* The matcher: cells of one text in order, matched against the literals of a database, judged, and
 * reported. Whole texts and streams go through it alike, so they cannot differ.
 *
 * It walks all prefixes of literals that end at the newest cell at once: a bit per cell where one
 * begins, and for the longest of them the range of sorted literals that share the prefix (the others
 * are walked again when they are needed; they follow from the longest). No automaton is stored; where
 * many literals share a beginning, a table made at opening says where they branch (branch.c).
 *
 * State is bounded: PL_CELLS_MAX cells, few parts of combinations, few findings that wait. */
#ifndef PL_ENGINE_TEXT_MATCH_H
#define PL_ENGINE_TEXT_MATCH_H

#include "engine/text/text_int.h"

enum { RANGES = 4, PARTS = 6, WAITING = 3 };

/* A finding that an exception, or a part that may not be there, can still undo. */
typedef struct pl_waiting {
    uint64_t start;
    uint32_t length, owner; /* rule, or combination with WAITING_COMBO */
    uint32_t until;         /* last cell that can undo it              */
    uint16_t form, score;
} pl_waiting;
#define WAITING_COMBO 0x80000000u

typedef struct pl_judge {
    pl_waiting waiting[WAITING];
    uint32_t   part[PARTS];    /* set + 1 of which a word was seen, 0: none  */
    uint16_t   part_at[PARTS]; /* ... and the cell where the last one began  */
    uint32_t   last;           /* cell of the last part                      */
    uint8_t    waits;
} pl_judge;

typedef struct pl_match {
    const pl_textdb *db;
    uint64_t         last_start; /* of the newest character that is (part of) a cell       */
    uint64_t         starts;     /* bit k: a prefix of a literal begins k cells back       */
    uint64_t         ends;       /* bit k: a literal that begins k cells back ends here    */
    uint64_t         touched;    /* bit k: a word character stands right before that cell  */
    literal_range    ranges[RANGES]; /* of the highest bits of starts but bit 0            */
    uint32_t         cell;       /* number of the newest cell, from 1                      */
    uint32_t         known;      /* what ends up to this cell was judged before            */
    uint32_t         last;       /* its value; 0: nothing continues it                     */
    uint16_t         dist[PL_CELLS_MAX];  /* from the last character of the cell before    */
    pl_look          looks[PL_CELLS_MAX]; /* ring, by cell number                          */
    uint8_t          delta[PL_CELLS_MAX]; /* from the first character of the run to its last */
    uint8_t          width;        /* bytes of the newest character                        */
    uint8_t          count_at_gap; /* of the newest run, at the last gap inside it         */
    pl_gap_state     gap;
    bool             inside;  /* the newest cell stands inside a word: no whole word begins with it */
    bool             settled; /* all that ends here was judged                             */
    bool             stopped; /* the receiver asked to stop                                */
    pl_judge         judge;
} pl_match;

/* --- reading ------------------------------------------------------------------------- */

/* A character: its code point and length; n 0: not complete, -1: not UTF-8. */
typedef struct pl_char {
    uint32_t cp;
    int      n;
} pl_char;

pl_char pl_char_rare(const uint8_t *p, size_t n);

/* ASCII and the three-byte form, most of Chinese text, in line. */
static inline pl_char pl_char_read(const uint8_t *p, const uint8_t *end)
{
    if (*p < 0x80)
        return (pl_char){ *p, 1 };
    if (end - p >= 3 && *p > 0xe0 && *p < 0xed && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80)
        return (pl_char){ (uint32_t)(*p & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 |
                              (uint32_t)(p[2] & 0x3f),
                          3 };
    return pl_char_rare(p, (size_t)(end - p));
}

/* Where findings go. */
typedef struct pl_sink {
    pl_text_emit_fn emit;
    void           *ctx;
} pl_sink;

void pl_match_init(pl_match *m, const pl_textdb *db);
/* One character, or in an exact database one byte, at [start, end). */
void pl_match_take(pl_match *m, uint32_t cp, uint64_t start, uint64_t end, const pl_sink *to);
/* The same for one cell value, neither expanded nor exact. */
void pl_match_value(pl_match *m, uint32_t v, uint64_t start, uint64_t end, const pl_sink *to);
/* A byte that is no UTF-8: no match lies across it. */
void pl_match_broken(pl_match *m, uint64_t end, const pl_sink *to);
/* The text ended. */
void pl_match_finish(pl_match *m, const pl_sink *to);
/* Where the earliest match in the making begins; `read`, the bytes so far, when there is none. */
uint64_t pl_match_safe(const pl_match *m, uint64_t read);

/* For texts that are read in stretches: forgets the cells, not what waits. The next cell read has
 * the number `cell`, and a word character stands before it if `touched`. What ends at cells up to
 * `known` was judged in the stretch before. */
void pl_match_jump(pl_match *m, uint32_t cell, bool touched, uint32_t known);
/* The stretch ended before a character that is `v`, or before the end or a broken byte (0). */
void pl_match_leave(pl_match *m, uint32_t v, const pl_sink *to);

/* --- judge.c -------------------------------------------------------------------------- */

enum { HITS = 32 }; /* judged at once */

/* A judged match: of which entry, from which cell on. */
typedef struct pl_hit {
    pl_text_finding f; /* rule is not set */
    uint32_t        entry, first_cell;
} pl_hit;

/* Takes what ends at cell `cell`, in order of start. */
void pl_judge_take(pl_match *m, pl_hit *hits, size_t n, uint32_t cell, const pl_sink *to);
/* ... what waited for cells before it, see pl_judge_pass. */
void pl_judge_release(pl_match *m, uint32_t cell, const pl_sink *to);
void pl_judge_finish(pl_match *m, const pl_sink *to);

/* Cell `cell` is about to come: what waited for those before is decided. */
static inline void pl_judge_pass(pl_match *m, uint32_t cell, const pl_sink *to)
{
    if (m->judge.waits > 0)
        pl_judge_release(m, cell, to);
}

static inline uint64_t pl_judge_start(const pl_judge *j, uint64_t end)
{
    for (unsigned i = 0; i < j->waits; i++)
        end = j->waiting[i].start < end ? j->waiting[i].start : end;
    return end;
}

#endif
