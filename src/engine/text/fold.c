#include "base/banned.h"

#include <plumbline/text.h>
#include <stdbool.h>

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
