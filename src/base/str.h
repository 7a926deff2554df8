/* Helpers over pl_str. Nothing here allocates except pl_str_dup. */
#ifndef PL_BASE_STR_H
#define PL_BASE_STR_H

#include <plumbline/base.h>
#include <stdbool.h>

pl_str pl_str_z(const char *z); /* NULL gives the empty view */
bool   pl_str_eq(pl_str a, pl_str b);
bool   pl_str_eqz(pl_str a, const char *z);
bool   pl_str_starts(pl_str s, pl_str prefix);
bool   pl_str_ends(pl_str s, pl_str suffix);
pl_str pl_str_trim(pl_str s); /* ASCII space, tab, CR, LF on both sides */
/* Takes up to the separator from *rest; false when *rest was empty. */
bool   pl_str_split(pl_str *rest, char sep, pl_str *out);
char  *pl_str_dup(pl_str s); /* malloc'd, NUL-terminated; NULL when out of memory */
/* Decimal without sign, spaces or leading zeros; PL_INVALID otherwise. */
pl_rc  pl_str_u64(pl_str s, uint64_t *out, pl_error *err);
/* Strict RFC 4648 §4 with padding; and hex. `out` must hold the decoded size. */
pl_rc  pl_base64_decode(pl_str s, void *out, size_t cap, size_t *n, pl_error *err);
pl_rc  pl_hex_decode(pl_str s, void *out, size_t n, pl_error *err); /* exactly n bytes */
void   pl_hex(const void *bytes, size_t n, char *out);               /* out[2n+1] */
#endif
