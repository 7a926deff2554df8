/* What the table of cells and its generator (tools/cell-table.c) have in common. See cell.h. */
#ifndef PL_ENGINE_TEXT_CELL_KINDS_H
#define PL_ENGINE_TEXT_CELL_KINDS_H

/* Units below CELL_FIRST are no cells. */
enum {
    CELL_NOTHING,      /* invisible or combining: passed over                            */
    CELL_GAP_BLANK,    /* separators, by how ordinary they are between two characters ... */
    CELL_GAP_LINE,     /* ... a line end                                                 */
    CELL_GAP_SYMBOL,   /* ... emoji and other symbols                                    */
    CELL_GAP_MARK,     /* ... punctuation that joins: - _ . * / and the like             */
    CELL_GAP_SENTENCE, /* ... punctuation that divides: , ; : ! ? and the Chinese ones   */
    CELL_BROKEN,       /* not UTF-8: nothing matches across                              */
    CELL_HASHED,       /* beyond the table: the unit is computed                         */
    CELL_FIRST,
    CELL_EXPAND = 0xe000, /* from here on: a row of the expansions                       */
    CELL_EXPAND_END = 0xf000,
    CELL_EXPAND_MAX = 4 /* cells of one code point                                       */
};

/* In the table of ASCII: no cell, and what takes a closer look (signs). */
enum { CELL_ASCII_NONE, CELL_ASCII_RARE = 0xff };

/* How a character differs from the plainest one of its unit. */
enum {
    CELL_PLAIN,
    CELL_WIDTH,
    CELL_VARIANT,
    CELL_COMPAT,
    CELL_LOOKALIKE,
    CELL_DIGIT, /* a digit or sign that stands for a letter as well; member says which */
    CELL_ACCENT,
    CELL_DIGIT_COMPAT /* ... in full width or another compatibility form */
};

/* Attribute: kind, and which of several characters of the unit: for digits their value, for signs
 * CELL_SIGN and above; for the letters i and l, which share a unit because the digit 1 stands for
 * both, four bits that a run of them adds up (cell.h). */
enum { CELL_SIGN = 10, CELL_HAS_I = 1, CELL_HAS_L = 2, CELL_FIRST_L = 4, CELL_LAST_L = 8 };
#define CELL_ATTR(kind, member)  ((uint8_t)((kind) | (member) << 3))
#define CELL_ATTR_KIND(attr)     ((attr)&7u)
#define CELL_ATTR_MEMBER(attr)   ((attr) >> 3 & 15u)

/* What has no 16-bit number of its own gets a unit of the surrogates, which no text has, and four
 * bits that tell most of those with the same unit apart. */
#define CELL_HASH(cp)        (((cp) * 0x9e3779b1u) ^ ((cp) * 0x9e3779b1u) >> 15)
#define CELL_HASHED_UNIT(cp) (0xd800u + (CELL_HASH(cp) & 0x7ff))
#define CELL_HASHED_ATTR(cp) CELL_ATTR(CELL_PLAIN, CELL_HASH(cp) >> 11 & 15)

#endif
