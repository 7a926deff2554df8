/* Shared by pii_number.c, which cuts runs of digits into candidates, and pii_number_kinds.c, which
 * judges them. */
#ifndef PII_NUMBER_H
#define PII_NUMBER_H

#include "engine/text/pii_int.h"

enum { PII_DIGITS_MAX = 24, PII_RANGE_MAX = 8 };

typedef enum join { JOIN_BLANK = 1, JOIN_HYPHEN = 2, JOIN_DOT = 4, JOIN_PAREN = 8 } join;

/* Runs of digits that stand alone: what is judged. */
typedef struct pii_candidate {
    const pii_group *g;
    uint8_t          digit[PII_DIGITS_MAX + 1];
    unsigned         n;
    unsigned         length[PII_RANGE_MAX], runs;
    unsigned         joints;  /* all kinds of join inside, or-ed */
    unsigned         uniform; /* the only kind, or 0 */
    bool             plus, paren, in_url, after_equals, is_first;
    size_t           start, end; /* cells; end may grow: check letter, extension */
    pii_hint         hint;
    bool             hint_known;
} pii_candidate;

typedef struct pii_judgement {
    pl_pii_kind kind;
    unsigned    score;
    size_t      start, end; /* cells */
} pii_judgement;

/* Each keeps what it finds in *j, where that is better than what is there. */
void pii_judge_cn_id(pii_candidate *c, pii_judgement *j);
void pii_judge_card(pii_candidate *c, pii_judgement *j);
void pii_judge_ssn(pii_candidate *c, pii_judgement *j);
void pii_judge_mobile(pii_candidate *c, pii_judgement *j);
void pii_judge_phone(pii_candidate *c, pii_judgement *j);
/* Behind "x818" that follows a number; `end` where nothing does. */
size_t pii_extension_end(const pii_group *g, size_t end);

#endif
