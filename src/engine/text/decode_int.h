/* Shared by the decode*.c files only. */
#ifndef PL_ENGINE_TEXT_DECODE_INT_H
#define PL_ENGINE_TEXT_DECODE_INT_H

#include "engine/text/decode.h"

#include <stdbool.h>
#include <string.h>

/* A text is decoded in regions: encoded characters that stand near each other, with what stands
 * around them, because a word may be encoded in part. Regions overlap by CONTEXT, which is longer
 * than a keyword; both are multiples of 4, so that base64 cut by them keeps its step. */
enum { DECODE_CONTEXT = 1024, DECODE_REGION_MAX = 32768 };

/* --- decode_token.c ------------------------------------------------------------------------- */

/* What one encoded character stands for: `size` bytes of text give n bytes. size 0: none. */
typedef struct decode_token {
    size_t   size;
    unsigned n;
    uint16_t form;
    char     bytes[4];
} decode_token;

/* The encoded character at the start of s, which is not empty. */
decode_token decode_token_read(pl_str s);

/* --- decode_find.c ----------------------------------------------------------------------------- */

/* What six bits a letter of base64 stands for, in both alphabets; below 0: it is none. */
extern const uint8_t decode_letters[256];
static inline int decode_letter(char c)
{
    return decode_letters[(uint8_t)c] - 1;
}

/* Bytes of the run of base64 at the start of s, padding included; 0: not long enough. */
size_t decode_run(pl_str s);
/* The same, if it decodes to text. 0: it does not, and from *retry on another run may. No run that begins
 * before has a better end, so that all tries together are linear in the text. */
size_t decode_text_run(pl_str s, size_t *retry);
/* Bytes of the encoded run at `at`, 0 when there is none. */
size_t decode_size(pl_str text, size_t at);
/* Start of the next encoded run at or after `at`, or the end. */
size_t decode_next(pl_str text, size_t at);

#endif
