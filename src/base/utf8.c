#include "base/banned.h"

#include "base/str.h"
#include "base/utf8.h"
#include "base/utf8_seq.h"

#include <utf8proc.h>

bool pl_utf8_valid(pl_str s)
{
    const uint8_t *p = (const uint8_t *)s.p;
    size_t         i = 0;
    uint32_t       cp;

    while (i < s.n) {
        i += utf8_ascii_run(p + i, s.n - i);
        i += utf8_wide_run(p + i, s.n - i);
        while (i < s.n && p[i] >= 0x80) {
            int len = utf8_seq(p + i, s.n - i, &cp);

            if (len <= 0)
                return false;
            i += (size_t)len;
            i += utf8_wide_run(p + i, s.n - i);
        }
    }
    return true;
}

int pl_utf8_decode(pl_str s, uint32_t *cp)
{
    return s.n == 0 ? 0 : utf8_seq((const uint8_t *)s.p, s.n, cp);
}

int pl_utf8_encode(uint32_t cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}

/* Code points that have no canonical decomposition of their own and never combine
 * with what stands before them (NFC_Quick_Check=Yes, class 0). Deliberately short:
 * the ranges that make up Chinese and English text. */
static bool is_nfc_inert(uint32_t cp)
{
    if (cp >= 0x4e00 && cp <= 0x9fff)
        return true;
    if (cp < 0x300)
        return true;
    if (cp >= 0x3000 && cp <= 0x30ff)
        return !(cp >= 0x302a && cp <= 0x302f) && cp != 0x3099 && cp != 0x309a && cp != 0x3040 &&
               cp != 0x3097 && cp != 0x3098;
    if (cp >= 0xff01 && cp <= 0xff60)
        return true;
    /* U+2000 and U+2001 are singletons of U+2002 and U+2003. */
    if (cp >= 0x2002 && cp <= 0x206f)
        return true;
    return cp >= 0x3400 && cp <= 0x4dbf;
}

bool pl_utf8_is_nfc_quick(pl_str s)
{
    const uint8_t *p = (const uint8_t *)s.p;
    size_t         i = 0;
    uint32_t       cp;

    while (i < s.n) {
        i += utf8_ascii_run(p + i, s.n - i);
        while (i < s.n && p[i] >= 0x80) {
            int len = 3;

            if (s.n - i < 4 || !utf8_is_wide(p + i, &cp))
                len = utf8_seq(p + i, s.n - i, &cp);
            if (len <= 0 || !is_nfc_inert(cp))
                return false;
            i += (size_t)len;
        }
    }
    return true;
}

pl_rc pl_utf8_nfc(pl_str s, char **out, size_t *n, pl_error *err)
{
    const utf8proc_option_t nfc = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    utf8proc_uint8_t       *made = NULL;
    utf8proc_ssize_t        len;

    if (pl_utf8_is_nfc_quick(s)) {
        char *copy = pl_str_dup(s);

        if (copy == NULL)
            return pl_fail(err, PL_NOMEM, "out of memory");
        *out = copy;
        *n = s.n;
        return PL_OK;
    }
    if (!pl_utf8_valid(s))
        return pl_fail(err, PL_INVALID, "text is not valid UTF-8");
    len = utf8proc_map((const utf8proc_uint8_t *)s.p, (utf8proc_ssize_t)s.n, &made, nfc);
    if (len < 0) {
        free(made);
        return pl_fail(err, len == UTF8PROC_ERROR_NOMEM ? PL_NOMEM : PL_INVALID,
                       "cannot normalise text: %s", utf8proc_errmsg(len));
    }
    *out = (char *)made;
    *n = (size_t)len;
    return PL_OK;
}

static bool is_han(uint32_t cp)
{
    return (cp >= 0x4e00 && cp <= 0x9fff) || (cp >= 0x3400 && cp <= 0x4dbf) ||
           (cp >= 0xf900 && cp <= 0xfaff) || (cp >= 0x20000 && cp <= 0x3ffff) || cp == 0x3007;
}

static bool is_letter(uint32_t cp)
{
    utf8proc_category_t c;

    if (cp < 0x80)
        return (cp | 0x20) >= 'a' && (cp | 0x20) <= 'z';
    c = utf8proc_category((utf8proc_int32_t)cp);
    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

static bool is_ascii(pl_str s)
{
    uint64_t word, high = 0;
    size_t   i = 0;

    for (; i + sizeof word <= s.n; i += sizeof word) {
        memcpy(&word, s.p + i, sizeof word);
        high |= word;
    }
    for (; i < s.n; i++)
        high |= (uint8_t)s.p[i];
    return (high & 0x8080808080808080ull) == 0;
}

int pl_utf8_han_percent(pl_str s)
{
    const uint8_t *p = (const uint8_t *)s.p;
    uint64_t       han = 0, letters = 0;

    if (is_ascii(s))
        return 0;
    for (size_t i = 0; i < s.n;) {
        uint32_t cp;
        int      len = utf8_seq(p + i, s.n - i, &cp);

        if (len <= 0) {
            i++;
            continue;
        }
        if (is_han(cp)) {
            han++;
            letters++;
        } else if (is_letter(cp)) {
            letters++;
        }
        i += (size_t)len;
    }
    return letters == 0 ? 0 : (int)(han * 100 / letters);
}
