/* Ids: 26 lower-case Crockford base32 characters, 48 bits of milliseconds then 80
 * random bits, so they sort by time (the ULID layout, lower case). */
#ifndef PL_BASE_ID_H
#define PL_BASE_ID_H

#include <plumbline/base.h>
#include <stdbool.h>

#define PL_ID_LEN 26
void pl_id_format(int64_t ms, const uint8_t rnd[10], char out[PL_ID_LEN + 1]);
bool pl_id_valid(pl_str s);
#endif
