/* Redaction: a text with its findings replaced.
 *
 * Overlapping findings: what any of them covers is replaced, as one piece, once. The piece has
 * the category of the longest of them (then the higher score, then the one that begins first). So
 * nothing that was found survives because something else was found around it. Findings that only
 * touch are two pieces.
 *
 * Redacted text holds no finding of a replaced kind at that place again. Pseudonyms are the same
 * for the same item in any document under the same key, however the item was spelled: blanks,
 * hyphens, width, invisible characters, letter case and the country code of a mainland mobile
 * number do not count.
 *
 * Everything that is replaced is told to the caller, so that whoever may undo it can keep a map.
 */
#ifndef PL_ENGINE_TEXT_REDACT_H
#define PL_ENGINE_TEXT_REDACT_H

#include "base/buf.h"
#include "engine/text/pii.h"

typedef enum pl_redact_how {
    PL_REDACT_MASK,     /* "138****8000", "a***@example.com", "****"                        */
    PL_REDACT_TAG,      /* "[pii.cn_mobile]"                                                */
    PL_REDACT_PSEUDONYM /* "CN_MOBILE_7f3a9c2e01ab": HMAC-SHA-256 under the key, 48 bits    */
} pl_redact_how;

typedef struct pl_redact_item {
    uint64_t start, end; /* bytes of the text */
    pl_str   category;   /* a kind of pii.h, or any other */
    uint16_t score;
} pl_redact_item;

/* One piece that was replaced; `replacement` is borrowed during the call. */
typedef struct pl_redaction {
    uint64_t start, end;
    uint64_t at; /* where the replacement begins in the output */
    pl_str   category, replacement;
} pl_redaction;

typedef struct pl_redact_options {
    pl_redact_how  how;
    const uint8_t *key; /* of pseudonyms; secret, at least 16 bytes */
    size_t         key_n;
    void (*each)(void *ctx, const pl_redaction *r); /* may be NULL */
    void *ctx;
} pl_redact_options;

/* Appends the redacted text. `items` in any order, and is sorted. PL_INVALID: an item outside the
 * text or empty, or no key; PL_LIMIT: out is full. */
pl_rc pl_redact(pl_str text, pl_redact_item *items, size_t n, const pl_redact_options *o,
                pl_buf *out, pl_error *err);

#endif
