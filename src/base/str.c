#include "base/banned.h"

#include "base/str.h"

pl_str pl_str_z(const char *z)
{
    return z ? (pl_str){ z, strlen(z) } : (pl_str){ "", 0 };
}

bool pl_str_eq(pl_str a, pl_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool pl_str_eqz(pl_str a, const char *z)
{
    return pl_str_eq(a, pl_str_z(z));
}

bool pl_str_starts(pl_str s, pl_str prefix)
{
    return s.n >= prefix.n && pl_str_eq((pl_str){ s.p, prefix.n }, prefix);
}

bool pl_str_ends(pl_str s, pl_str suffix)
{
    return s.n >= suffix.n &&
           (suffix.n == 0 || memcmp(s.p + (s.n - suffix.n), suffix.p, suffix.n) == 0);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

pl_str pl_str_trim(pl_str s)
{
    while (s.n > 0 && is_blank(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool pl_str_split(pl_str *rest, char sep, pl_str *out)
{
    const char *at;

    if (rest->n == 0)
        return false;
    at = memchr(rest->p, sep, rest->n);
    if (at == NULL) {
        *out = *rest;
        *rest = (pl_str){ rest->p + rest->n, 0 };
        return true;
    }
    *out = (pl_str){ rest->p, (size_t)(at - rest->p) };
    *rest = (pl_str){ at + 1, rest->n - out->n - 1 };
    return true;
}

char *pl_str_dup(pl_str s)
{
    char *z = malloc(s.n + 1);

    if (z == NULL)
        return NULL;
    if (s.n > 0)
        memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    return z;
}

pl_rc pl_str_u64(pl_str s, uint64_t *out, pl_error *err)
{
    uint64_t v = 0;

    if (s.n == 0)
        return pl_fail(err, PL_INVALID, "number is empty");
    if (s.n > 1 && s.p[0] == '0')
        return pl_fail(err, PL_INVALID, "number has a leading zero");
    for (size_t i = 0; i < s.n; i++) {
        unsigned d = (unsigned)((unsigned char)s.p[i] - '0');

        if (d > 9)
            return pl_fail(err, PL_INVALID, "number has a character that is not a digit");
        if (__builtin_mul_overflow(v, (uint64_t)10, &v) || __builtin_add_overflow(v, d, &v))
            return pl_fail(err, PL_INVALID, "number is too large");
    }
    *out = v;
    return PL_OK;
}

/* 0..63, or -1. */
static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* One group of four characters with `take` of them significant; -1 when not canonical. */
static int base64_group(const char *p, size_t take, uint8_t out[3])
{
    uint32_t v = 0;

    for (size_t i = 0; i < 4; i++) {
        int d = i < take ? base64_value(p[i]) : 0;

        if (d < 0)
            return -1;
        v = v << 6 | (uint32_t)d;
    }
    out[0] = (uint8_t)(v >> 16);
    out[1] = (uint8_t)(v >> 8);
    out[2] = (uint8_t)v;
    /* Bits beyond the last byte must be zero, or one value would have two spellings. */
    for (size_t i = take - 1; i < 3; i++)
        if (out[i] != 0)
            return -1;
    return 0;
}

pl_rc pl_base64_decode(pl_str s, void *out, size_t cap, size_t *n, pl_error *err)
{
    uint8_t *to = out;
    size_t   pad = 0;
    size_t   want;

    if (s.n % 4 != 0)
        return pl_fail(err, PL_INVALID, "base64 length is not a multiple of four");
    while (pad < 2 && pad < s.n && s.p[s.n - 1 - pad] == '=')
        pad++;
    want = s.n / 4 * 3 - pad;
    if (want > cap)
        return pl_fail(err, PL_LIMIT, "base64 value is longer than %zu bytes", cap);

    for (size_t i = 0; i < s.n; i += 4) {
        size_t  take = i + 4 == s.n ? 4 - pad : 4;
        uint8_t g[3];

        if (base64_group(s.p + i, take, g) != 0)
            return pl_fail(err, PL_INVALID, "base64 is malformed near byte %zu", i);
        memcpy(to + i / 4 * 3, g, take - 1);
    }
    *n = want;
    return PL_OK;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

pl_rc pl_hex_decode(pl_str s, void *out, size_t n, pl_error *err)
{
    uint8_t *to = out;

    if (s.n != 2 * n)
        return pl_fail(err, PL_INVALID, "hex value has %zu digits instead of %zu", s.n, 2 * n);
    for (size_t i = 0; i < s.n; i++)
        if (hex_value(s.p[i]) < 0)
            return pl_fail(err, PL_INVALID, "hex value is malformed at byte %zu", i);
    for (size_t i = 0; i < n; i++)
        to[i] = (uint8_t)(hex_value(s.p[2 * i]) * 16 + hex_value(s.p[2 * i + 1]));
    return PL_OK;
}

void pl_hex(const void *bytes, size_t n, char *out)
{
    static const char digit[] = "0123456789abcdef";
    const uint8_t    *b = bytes;

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digit[b[i] >> 4];
        out[2 * i + 1] = digit[b[i] & 15];
    }
    out[2 * n] = '\0';
}
