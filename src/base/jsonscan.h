/* Bounded JSON pull scanner over one complete buffer (RFC 8259), in place, no
 * allocation, no tree. Used on the data path; elsewhere use jansson (json.h).
 *
 * Strict: UTF-8 is validated, lone surrogates, control characters, trailing
 * garbage, a BOM and nesting beyond PL_JSONSCAN_DEPTH are errors.
 *
 *   pl_jsonscan j; pl_jsontok t;
 *   pl_jsonscan_init(&j, body);
 *   while (pl_jsonscan_next(&j, &t, err) == PL_OK && t.type != PL_JT_END) …
 */
#ifndef PL_BASE_JSONSCAN_H
#define PL_BASE_JSONSCAN_H

#include "base/buf.h"

#define PL_JSONSCAN_DEPTH 64

typedef enum pl_jt {
    PL_JT_END,
    PL_JT_OBJ_BEGIN,
    PL_JT_OBJ_END,
    PL_JT_ARR_BEGIN,
    PL_JT_ARR_END,
    PL_JT_KEY,
    PL_JT_STRING,
    PL_JT_NUMBER,
    PL_JT_TRUE,
    PL_JT_FALSE,
    PL_JT_NULL
} pl_jt;

typedef struct pl_jsontok {
    pl_jt    type;
    pl_str   raw;      /* KEY, STRING: bytes between the quotes, still escaped; NUMBER: its text */
    size_t   start;    /* offset of the first byte of the token in the buffer */
    size_t   end;      /* one past the last byte (closing quote included)     */
    uint8_t  escaped;  /* KEY, STRING: raw holds at least one backslash        */
    unsigned depth;    /* nesting depth of the token; 0 at top level           */
} pl_jsontok;

typedef struct pl_jsonscan {
    pl_str  in;
    size_t  pos;
    unsigned depth;
    uint8_t expect;
    uint8_t stack[PL_JSONSCAN_DEPTH]; /* 1 object, 0 array */
} pl_jsonscan;

void  pl_jsonscan_init(pl_jsonscan *j, pl_str in);
/* PL_INVALID with byte offset in the message; PL_LIMIT when nested too deep. */
pl_rc pl_jsonscan_next(pl_jsonscan *j, pl_jsontok *t, pl_error *err);
/* After a KEY: skips its value entirely (validating). After OBJ/ARR_BEGIN: skips to
 * the matching end. */
pl_rc pl_jsonscan_skip(pl_jsonscan *j, pl_error *err);
/* Appends the unescaped form of a KEY or STRING raw value. Lone surrogate escapes
 * were refused by the scanner, so this cannot fail except by the buffer's limit. */
void  pl_json_unescape(pl_str raw, pl_buf *out);
/* Compares an (escaped or not) key with a literal. */
int   pl_jsontok_is(const pl_jsontok *t, const char *name);

/* Incremental check whether a text fed in pieces is one complete JSON object or
 * array (blanks around allowed): tells structured answers from prose. Independent
 * of the scanner's UTF-8 strictness. */
typedef struct pl_jsonlike {
    uint8_t state, in_string, escape, dead;
    unsigned depth;
    uint8_t stack[PL_JSONSCAN_DEPTH];
} pl_jsonlike;
void pl_jsonlike_init(pl_jsonlike *j);
void pl_jsonlike_feed(pl_jsonlike *j, pl_str piece);
int  pl_jsonlike_complete(const pl_jsonlike *j); /* 1: a whole object or array was seen */
#endif
