#include "base/banned.h"

#include "base/id.h"

#define TIME_CHARS 10 /* 50 bits of which the top two are zero: 48 bits of milliseconds */

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

void pl_id_format(int64_t ms, const uint8_t rnd[10], char out[PL_ID_LEN + 1])
{
    uint64_t t = (uint64_t)ms & 0xffffffffffffu;

    for (int i = TIME_CHARS - 1; i >= 0; i--, t >>= 5)
        out[i] = alphabet[t & 31];
    /* 80 bits are two groups of five bytes, eight characters each. */
    for (int g = 0; g < 2; g++) {
        uint64_t v = 0;

        for (int i = 0; i < 5; i++)
            v = v << 8 | rnd[g * 5 + i];
        for (int i = 7; i >= 0; i--, v >>= 5)
            out[TIME_CHARS + g * 8 + i] = alphabet[v & 31];
    }
    out[PL_ID_LEN] = '\0';
}

bool pl_id_valid(pl_str s)
{
    if (s.n != PL_ID_LEN || s.p[0] > '7')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\0' || strchr(alphabet, s.p[i]) == NULL)
            return false;
    return true;
}
