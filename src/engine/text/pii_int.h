/* Shared by the .c files of structured data only. See pii.h for groups. */
#ifndef PII_INT_H
#define PII_INT_H

#include "engine/text/pii.h"

#include <string.h>

/* --- characters ---------------------------------------------------------------------- */

/* What a character is to grouping. */
typedef enum pii_class {
    PII_BREAK,     /* ends a group                                                     */
    PII_TOKEN,     /* part of a group                                                  */
    PII_BLANK,     /* ends it, unless a number or an IBAN goes on behind it            */
    PII_NOTHING,   /* invisible: as if it were not there                               */
    PII_REGION,    /* a Han character that begins a vehicle plate: begins a group      */
    PII_INCOMPLETE /* the text ends inside what may be one of the above               */
} pii_class;

/* Detectors see a group as cells, one byte a character: ASCII as it stands, full-width forms as
 * their ASCII, dashes as '-', blanks as ' ', dots in the middle as PII_DOT, and from PII_HAN on
 * the regions of plates. */
enum { PII_DOT = 0x01, PII_HAN = 0x80 };

typedef struct pii_char {
    uint8_t class, length, cell;
} pii_char;

extern const uint8_t pii_ascii[256]; /* pii_class of a byte; BREAK above 0x7f */
extern const uint8_t pii_plain[256]; /* 1 part of a group, 3 makes it rich, 0 the rest */
pii_char pii_char_multi(const uint8_t *p, size_t n);
/* The first place from `at` on where a group may begin, or that takes a closer look; n, or a place
 * behind `stop`, when there is none so far. */
size_t pii_skip(const uint8_t *text, size_t n, size_t at, size_t stop);

static inline pii_char pii_char_at(const uint8_t *p, size_t n)
{
    if (*p < 0x80)
        return (pii_char){ pii_ascii[*p], 1, *p };
    return pii_char_multi(p, n);
}

enum { PII_DIGIT = 1, PII_UPPER = 2, PII_LOWER = 4, PII_HEX = 8, PII_KEY = 16 };
extern const uint8_t pii_flags[256]; /* PII_KEY: letters, digits, '_' and '-' */

static inline bool pii_is(uint8_t c, int flags)
{
    return (pii_flags[c] & flags) != 0;
}

#define PII_ALPHA (PII_UPPER | PII_LOWER)
#define PII_ALNUM (PII_DIGIT | PII_ALPHA)

static inline uint8_t pii_lower(uint8_t c)
{
    return (uint8_t)(pii_is(c, PII_UPPER) ? c | 0x20 : c);
}

/* --- groups ----------------------------------------------------------------------------- */

typedef struct pii_seg {
    size_t   start, at;    /* of the open group; next character to look at             */
    size_t   blank;        /* where a blank waits for what follows; PII_NONE: no blank */
    size_t   soft;         /* behind the last character of the group that is no letter */
    uint32_t last4, run;   /* last four cells; letters and digits in a row             */
    uint8_t  iban;         /* blocks of an IBAN so far                                 */
    uint8_t  mode;         /* 0, or inside a private key block                         */
    bool     open, is_plain /* only ASCII so far */, is_rich /* worth a look */;
} pii_seg;

#define PII_NONE SIZE_MAX

typedef struct pii_span {
    size_t start, end;
    bool   is_pem, is_plain, is_rich;
} pii_span;

/* Goes on from s->at up to `n`; false: no group ended, more text is needed (or the text is over).
 * A group that has not begun by `stop` is not looked for. */
bool pii_seg_next(pii_seg *s, const uint8_t *text, size_t n, size_t stop, bool is_final,
                  pii_span *out);
/* A place at or before `at`, not before `from`, where grouping can begin. */
size_t pii_seg_back(const uint8_t *text, size_t from, size_t at);

/* --- detection ---------------------------------------------------------------------------- */

typedef struct pii_hit {
    uint32_t start, end; /* bytes from the start of the group */
    uint16_t score, form;
    uint8_t  kind;
} pii_hit;

enum { PII_HITS_MAX = 1024, PII_RANGES_MAX = 64, PII_WORDS = PL_PII_GROUP_MAX / 64 + 1 };

/* Places of a group that are already known to be something, as cells. */
typedef struct pii_ranges {
    size_t n;
    struct {
        uint32_t start, end;
    } at[PII_RANGES_MAX];
} pii_ranges;

void pii_ranges_add(pii_ranges *r, size_t from, size_t to);
/* The number of one that shares a cell with [from, to), or -1. */
int pii_ranges_find(const pii_ranges *r, size_t from, size_t to);

typedef struct pii_group {
    const pl_pii_config *config;
    const uint8_t       *cell; /* n of them */
    const uint16_t      *at;   /* n + 1 byte offsets of the cells; NULL: equal to the index */
    size_t               n;
    const uint8_t       *raw;
    size_t               before; /* bytes that may be read before raw                       */
    uint8_t              next;   /* the byte after the group, 0 at the end                  */
    pl_str               rest;   /* what is there of the text after the group               */
    pii_ranges           urls, ibans;
    size_t               hits;
    pii_hit  hit[PII_HITS_MAX];
    uint8_t  cells[PL_PII_GROUP_MAX + 8];
    uint16_t offsets[PL_PII_GROUP_MAX + 8];
    uint64_t digit[PII_WORDS], word[PII_WORDS], at_sign[PII_WORDS]; /* a bit for each cell */
    uint64_t colon[PII_WORDS], w[PII_WORDS];
} pii_group;

/* The first cell from `from` on whose bit, xor-ed with `flip`, is set, or g->n. */
static inline size_t pii_bit(const pii_group *g, const uint64_t *bits, size_t from, uint64_t flip)
{
    uint64_t rest;

    if (from >= g->n)
        return g->n;
    rest = (bits[from / 64] ^ flip) >> from % 64 << from % 64;
    for (size_t i = from / 64;; rest = bits[i] ^ flip) {
        if (rest) {
            size_t at = i * 64 + (size_t)__builtin_ctzll(rest);
            return at < g->n ? at : g->n;
        }
        if (++i * 64 >= g->n)
            return g->n;
    }
}

static inline size_t pii_set(const pii_group *g, const uint64_t *bits, size_t from)
{
    return pii_bit(g, bits, from, 0);
}

static inline size_t pii_clear(const pii_group *g, const uint64_t *bits, size_t from)
{
    return pii_bit(g, bits, from, ~0ull);
}

/* Fills g->hit, sorted by end, start, rule, for text[span). text[…n) is what is there. */
void pii_detect(pii_group *g, const uint8_t *text, size_t n, const pii_span *span);

static inline bool pii_on(const pii_group *g, pl_pii_kind kind)
{
    return g->config->rule[kind] != PL_PII_OFF;
}

/* Cells [from, to). Scores below the floor are dropped. */
void pii_hit_add(pii_group *g, pl_pii_kind kind, size_t from, size_t to, unsigned score);
/* The cell at i - 1, or the ASCII byte before the group, or 0. */
uint8_t pii_before(const pii_group *g, size_t i);
static inline uint8_t pii_after(const pii_group *g, size_t i)
{
    return i < g->n ? g->cell[i] : g->next;
}
/* Whether the cells stand in the text side by side as ASCII. */
static inline bool pii_contiguous(const pii_group *g, size_t from, size_t to)
{
    return !g->at || (size_t)(g->at[to] - g->at[from]) == to - from;
}

/* The detectors, one family each. */
void pii_find_email(pii_group *g);
void pii_find_urls(pii_group *g);    /* URL, URL credential; first: others ask where URLs are */
void pii_find_ipv4(pii_group *g);
void pii_find_ipv6(pii_group *g);
void pii_find_codes(pii_group *g);   /* USCC, IBAN, passport */
void pii_find_numbers(pii_group *g); /* phones, identity numbers, cards, SSN; after codes */
void pii_find_keys(pii_group *g);
void pii_find_plates(pii_group *g);
bool pii_pem_is_key(pl_str block);

/* Numbers with check digits, over ASCII. */
bool pii_luhn_ok(const uint8_t *digits, size_t n);
bool pii_cn_id_ok(const uint8_t id[18]);
bool pii_cn_id_old_ok(const uint8_t id[15]);
bool pii_uscc_ok(const uint8_t code[18]);
bool pii_iban_ok(const uint8_t *iban, size_t n); /* without blanks, any case */
/* The country has IBANs and they have this many characters; 0: it has none. */
unsigned pii_iban_length(uint8_t a, uint8_t b);

/* --- context ------------------------------------------------------------------------------- */

/* What the words before an item say it is: the nearest one counts. */
typedef enum pii_hint {
    PII_HINT_NONE, PII_HINT_PHONE, PII_HINT_ID, PII_HINT_CARD, PII_HINT_PASSPORT, PII_HINT_SSN,
    PII_HINT_IBAN, PII_HINT_KEY, PII_HINT_IP, PII_HINT_USCC, PII_HINT_PLATE, PII_HINT_EMAIL,
    PII_HINT_VERSION, /* versions, sections                             */
    PII_HINT_OTHER    /* order numbers, timestamps, prices and the like */
} pii_hint;
pii_hint pii_hint_before(const pii_group *g, size_t cell);
/* The same, but a word that speaks against an item (VERSION, OTHER) must stand right before it. */
pii_hint pii_hint_close(const pii_group *g, size_t cell);
/* Whether the table is sorted and each word found where it stands: for the test. */
bool pii_words_are_reachable(void);

/* --- anchors ------------------------------------------------------------------------------- */

/* A bit for each of 64 bytes. */
typedef struct pii_masks {
    uint64_t digit, at, colon, word, dash, wide /* first byte of full-width forms */, w, slash;
} pii_masks;

/* Places where a finding may be near: every finding has an anchor in its group. */
typedef struct pii_anchors {
    const uint8_t *text;
    size_t         n, block; /* offset of the block the bits are of */
    uint64_t       bits;
    uint64_t       seen; /* by the first look at the last block */
    unsigned       tail; /* bytes that may belong to one run, at the end of the last block */
    bool           begun;
} pii_anchors;

void   pii_anchors_init(pii_anchors *a, pl_str text);
/* The next anchor at or after `from` (which never falls), or PII_NONE. */
size_t pii_anchors_next(pii_anchors *a, size_t from);
/* Whether a text holds an anchor when nothing stands around it. */
bool   pii_anchors_any(pl_str text);
/* The masks of n bytes, 64 at a time; zeros behind the end. */
void   pii_masks_fill(const uint8_t *p, size_t n, pii_masks *out);
/* A character that may stand between two digits of one number: invisible, a dash, a blank … */
bool   pii_is_between(const uint8_t *p, size_t n);

#endif
