/* The interval of a share: E. B. Wilson, "Probable inference, the law of succession, and statistical
 * inference", 1927, eq. 2, at 95 %. k of n, n > 0. */
#ifndef PL_GUARD_WILSON_H
#define PL_GUARD_WILSON_H
#include <stdint.h>

void guard_wilson(int64_t k, int64_t n, double *low, double *high);
#endif
