#include "base/banned.h"

#include "base/utf8.h"
#include "engine/text/text_int.h"

/* Simple lower case where Unicode places the capitals in one regular block; the rest
 * (Latin Extended, final sigma, …) is the business of full normalisation. */
static uint32_t lower_beyond_ascii(uint32_t cp)
{
    if (cp >= 0xc0 && cp <= 0xde && cp != 0xd7)
        return cp + 32;
    if (cp >= 0x391 && cp <= 0x3a9 && cp != 0x3a2)
        return cp + 32;
    if (cp >= 0x410 && cp <= 0x42f)
        return cp + 32;
    if (cp >= 0x400 && cp <= 0x40f)
        return cp + 80;
    return cp;
}

/* Drawn with no width or not at all, so a reader sees the word without them. NUL is
 * here because no editor shows it either. */
static bool is_invisible(uint32_t cp)
{
    return cp == 0 || cp == 0xad || (cp >= 0x200b && cp <= 0x200f) ||
           (cp >= 0x202a && cp <= 0x202e) || (cp >= 0x2060 && cp <= 0x2064) ||
           (cp >= 0xfe00 && cp <= 0xfe0f) || cp == 0xfeff;
}

uint32_t pl_text_fold(uint32_t cp)
{
    if (cp >= 0xff01 && cp <= 0xff5e)
        cp -= 0xff01 - 0x21;
    if (cp - 'A' < 26)
        return cp + ('a' - 'A');
    if ((cp >= '\t' && cp <= '\r') || cp == 0xa0 || cp == 0x3000)
        return ' ';
    if (is_invisible(cp))
        return 0;
    return cp < 0x80 ? cp : lower_beyond_ascii(cp);
}

pl_rc pl_text_fold_keyword(pl_str keyword, char out[PL_TEXT_KEYWORD_MAX * 4], size_t *n,
                           unsigned *chars, pl_error *err)
{
    bool     blank_due = false;
    unsigned count = 0;
    size_t   used = 0;

    while (keyword.n > 0) {
        uint32_t cp = 0;
        int      len = pl_utf8_decode(keyword, &cp);

        if (len <= 0)
            return pl_fail(err, PL_INVALID, "keyword is not UTF-8");
        keyword = (pl_str){ keyword.p + len, keyword.n - (size_t)len };
        cp = pl_text_fold(cp);
        if (cp == ' ')
            blank_due = count > 0;
        if (cp == ' ' || cp == 0)
            continue;
        if (count + blank_due + 1 > PL_TEXT_KEYWORD_MAX)
            return pl_fail(err, PL_INVALID, "keyword is longer than %d characters",
                           PL_TEXT_KEYWORD_MAX);
        if (blank_due)
            out[used++] = ' ';
        count += blank_due + 1u;
        blank_due = false;
        used += (size_t)pl_utf8_encode(cp, out + used);
    }
    if (count == 0)
        return pl_fail(err, PL_INVALID, "keyword has no visible character");
    *n = used;
    *chars = count;
    return PL_OK;
}
