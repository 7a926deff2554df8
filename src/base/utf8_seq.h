/* The inner step of every UTF-8 reader of this folder, inline because it runs per
 * character on the data path. Private to src/base. */
#ifndef PL_BASE_UTF8_SEQ_H
#define PL_BASE_UTF8_SEQ_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Decodes the sequence at p (n >= 1): 1..4 with *cp set, 0 when all n bytes are a
 * valid but unfinished prefix, -1 when invalid. Unicode 15 table 3-7. */
static inline int utf8_seq(const uint8_t *p, size_t n, uint32_t *cp)
{
    uint8_t a = p[0];
    uint8_t lo = 0x80, hi = 0xbf;
    int     len;

    if (a < 0x80) {
        *cp = a;
        return 1;
    }
    if (a < 0xc2 || a > 0xf4)
        return -1;
    len = a < 0xe0 ? 2 : a < 0xf0 ? 3 : 4;
    if (a == 0xe0)
        lo = 0xa0;
    else if (a == 0xed)
        hi = 0x9f;
    else if (a == 0xf0)
        lo = 0x90;
    else if (a == 0xf4)
        hi = 0x8f;

    if (n < 2)
        return 0;
    if (p[1] < lo || p[1] > hi)
        return -1;
    if (len == 2) {
        *cp = (uint32_t)(a & 0x1f) << 6 | (p[1] & 0x3fu);
        return 2;
    }
    if (n < 3)
        return 0;
    if ((p[2] & 0xc0) != 0x80)
        return -1;
    if (len == 3) {
        *cp = (uint32_t)(a & 0x0f) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
        return 3;
    }
    if (n < 4)
        return 0;
    if ((p[3] & 0xc0) != 0x80)
        return -1;
    *cp = (uint32_t)(a & 0x07) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
    return 4;
}

/* The common three-byte sequence (Chinese text) in one load: true when p[0..2] is one
 * that needs no range check on its second byte. Reads p[0..3]. */
static inline bool utf8_is_wide(const uint8_t *p, uint32_t *cp)
{
    uint32_t w;

    memcpy(&w, p, sizeof w);
    w = le32toh(w);
    *cp = (w & 0x0f) << 12 | (w >> 2 & 0xfc0) | (w >> 16 & 0x3f);
    /* Below U+1000 it may be overlong, from U+D000 to U+DFFF half a surrogate pair. */
    return (w & 0x00c0c0f0) == 0x008080e0 && *cp >= 0x1000 && *cp >> 12 != 0xd;
}

/* Length of the run of such sequences at p. */
static inline size_t utf8_wide_run(const uint8_t *p, size_t n)
{
    size_t   i = 0;
    uint32_t cp;

    while (n - i >= 4 && utf8_is_wide(p + i, &cp))
        i += 3;
    return i;
}

/* Length of the run of ASCII bytes at p. */
static inline size_t utf8_ascii_run(const uint8_t *p, size_t n)
{
    const uint64_t high = 0x8080808080808080u;
    size_t         i = 0;
    uint64_t       w[4];

    for (; n - i >= sizeof w; i += sizeof w) {
        memcpy(w, p + i, sizeof w);
        if ((w[0] | w[1] | w[2] | w[3]) & high)
            break;
    }
    for (; n - i >= sizeof w[0]; i += sizeof w[0]) {
        memcpy(w, p + i, sizeof w[0]);
        if (w[0] & high)
            break;
    }
    while (i < n && p[i] < 0x80)
        i++;
    return i;
}

#endif
