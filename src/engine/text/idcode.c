#include "base/banned.h"

#include "engine/text/idcode.h"
#include "engine/text/pii_int.h"

bool pl_uscc_valid(pl_str s)
{
    return s.n == 18 && pii_uscc_ok((const uint8_t *)s.p);
}

bool pl_cn_id_valid(pl_str s)
{
    for (size_t i = 0; i < 17 && i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n == 18 && pii_cn_id_ok((const uint8_t *)s.p);
}
