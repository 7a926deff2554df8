#include "base/banned.h"

#include "cap/guard/wilson.h"

#include <math.h>

#define Z95 1.959964

void guard_wilson(int64_t k, int64_t n, double *low, double *high)
{
    double m = (double)n, p = (double)k / m, z2 = Z95 * Z95, d = 1 + z2 / m;
    double mid = (p + z2 / (2 * m)) / d, half = Z95 * sqrt(p * (1 - p) / m + z2 / (4 * m * m)) / d;

    *low = fmax(0, mid - half);
    *high = fmin(1, mid + half);
}
