/* UTF-8 per Unicode 15 table 3-7: no surrogates, no overlong forms, max U+10FFFF. */
#ifndef PL_BASE_UTF8_H
#define PL_BASE_UTF8_H

#include <plumbline/base.h>
#include <stdbool.h>

bool pl_utf8_valid(pl_str s);
/* Decodes one code point at s.p: returns its length 1..4, 0 when the bytes so far
 * are a valid but incomplete prefix, -1 when invalid. */
int  pl_utf8_decode(pl_str s, uint32_t *cp);
/* Writes 1..4 bytes. cp must be a scalar value. */
int  pl_utf8_encode(uint32_t cp, char out[4]);
/* NFC of valid UTF-8, malloc'd and NUL-terminated. Fast path when already NFC. */
pl_rc pl_utf8_nfc(pl_str s, char **out, size_t *n, pl_error *err);
/* true when NFC(s) == s can be told from the code points alone (quick check). */
bool pl_utf8_is_nfc_quick(pl_str s);
/* Share of Han code points among letters, 0..100. Used to pick zh or en wording. */
int  pl_utf8_han_percent(pl_str s);
#endif
