/* Identity codes with check characters, as whole texts: what forms ask for. Pure. */
#ifndef PL_ENGINE_TEXT_IDCODE_H
#define PL_ENGINE_TEXT_IDCODE_H

#include <plumbline/base.h>
#include <stdbool.h>

/* Unified social credit code, GB 32100-2015: 18 characters, upper case. */
bool pl_uscc_valid(pl_str s);
/* Resident identity number, GB 11643-1999: 18 characters, an X at the end in upper case. */
bool pl_cn_id_valid(pl_str s);
#endif
