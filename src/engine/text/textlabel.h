/* The explicit label of generated text: what makes one conform, how it is written at
 * the end of an answer, and how it is found and taken off again.
 *
 * REQ: GB45438-2025/5.1 (text): a label names both an AI element (人工智能 or AI) and a
 * generation element (生成 or 合成), and stands at the start, the end or a suitable
 * place in the middle. The bare corner mark "AI" (5.1 c) is not handled here: in plain
 * text it cannot be told from ordinary English.
 *
 * All functions work on bytes that may not be UTF-8, keep no state, and borrow their
 * results from the text they were given.
 */
#ifndef PL_ENGINE_TEXT_TEXTLABEL_H
#define PL_ENGINE_TEXT_TEXTLABEL_H

#include "base/buf.h"

/* REQ: GB45438-2025/5.1  Both elements are present. "AI" counts only as a whole word:
 * no Latin letter, digit or underscore touches it ("MAIL生成" does not conform). */
bool pl_textlabel_conforms(pl_str label);

/* Appends the label as it is written at the end of an answer: an empty line, then it. */
void pl_textlabel_format(pl_buf *out, pl_str label);

/* The text without trailing blanks (ASCII, U+00A0, U+3000), without one known label at
 * its end (the longest that fits) and again without trailing blanks. Labels are compared
 * without blanks around them; empty ones are ignored.
 *
 * Stripping a text behind which pl_textlabel_format wrote a known label gives the text
 * without trailing blanks (provided that no known label itself holds an empty line). One
 * label only: a text whose own last words are a known label loses them when none was
 * added behind it. So whoever indexes an answer must strip it as it was delivered. */
pl_str pl_textlabel_strip(pl_str text, const pl_str *labels, size_t n);

/* How many characters at either end of a text are searched for an unknown label. */
#define PL_TEXTLABEL_WINDOW 64

typedef struct pl_textlabel_result {
    pl_str found;    /* the label inside the text; empty when there is none           */
    int    position; /* 0 none, 1 start, 2 end                                        */
    int    conforms; /* 1 when pl_textlabel_conforms holds for what was found         */
} pl_textlabel_result;

/* Looks for a known label at the end, then at the start, of the text without blanks
 * around it; failing that for the shortest run that holds both elements and lies in its
 * first or last PL_TEXTLABEL_WINDOW characters (when in both, the nearer edge gives the
 * position). REQ: GB45438-2025/5.1  Finding none says nothing about the origin. */
void pl_textlabel_find(pl_str text, const pl_str *labels, size_t n, pl_textlabel_result *out);

#endif
