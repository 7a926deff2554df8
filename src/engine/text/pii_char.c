/* What characters are to grouping and to detectors. */
#include "base/banned.h"

#include "engine/text/pii_int.h"

/* Graphic ASCII is part of a group, but for what neither URLs (RFC 3986) nor addresses hold:
 * quotation marks, angle, square and curly brackets, backslash, caret, backquote, bar. */
const uint8_t pii_ascii[256] = {
    [' '] = PII_BLANK,         ['!'] = PII_TOKEN,         ['#' ... ';'] = PII_TOKEN,
    ['='] = PII_TOKEN,         ['?' ... 'Z'] = PII_TOKEN, ['_'] = PII_TOKEN,
    ['a' ... 'z'] = PII_TOKEN, ['~'] = PII_TOKEN,
};

const uint8_t pii_flags[256] = {
    ['0' ... '9'] = PII_DIGIT | PII_HEX | PII_KEY,
    ['A' ... 'F'] = PII_UPPER | PII_HEX | PII_KEY,
    ['G' ... 'Z'] = PII_UPPER | PII_KEY,
    ['a' ... 'f'] = PII_LOWER | PII_HEX | PII_KEY,
    ['g' ... 'z'] = PII_LOWER | PII_KEY,
    ['_'] = PII_KEY,
    ['-'] = PII_KEY,
};

#define NOTHING(n)   ((pii_char){ PII_NOTHING, n, 0 })
#define TOKEN(n, c)  ((pii_char){ PII_TOKEN, n, c })
#define A_BLANK(n)   ((pii_char){ PII_BLANK, n, ' ' })
#define A_BREAK      ((pii_char){ PII_BREAK, 1, 0 })
#define INCOMPLETE   ((pii_char){ PII_INCOMPLETE, 0, 0 })

/* U+2000 … U+207F: second byte 0x80 or 0x81. */
static pii_char punctuation(uint8_t b, uint8_t c)
{
    uint32_t cp = 0x2000u | (uint32_t)(b & 0x3f) << 6 | (c & 0x3f);

    if (cp == 0x2007 || cp == 0x202f)
        return A_BLANK(3);
    if (cp >= 0x2010 && cp <= 0x2015)
        return TOKEN(3, '-');
    if (cp == 0x2022)
        return TOKEN(3, PII_DOT);
    if ((cp >= 0x200b && cp <= 0x200f) || (cp >= 0x202a && cp <= 0x202e) ||
        (cp >= 0x2060 && cp <= 0x2064) || (cp >= 0x2066 && cp <= 0x2069))
        return NOTHING(3);
    return A_BREAK;
}

/* Full-width letters, digits and what numbers are written with. Full-width commas and the like
 * are punctuation of Chinese prose and break. */
static pii_char full_width(uint8_t b, uint8_t c)
{
    uint32_t cp = 0xf000u | (uint32_t)(b & 0x3f) << 6 | (c & 0x3f);
    uint8_t  cell = (uint8_t)(cp - 0xfee0);

    if (cp == 0xfeff)
        return NOTHING(3);
    if (cp < 0xff01 || cp > 0xff5e)
        return A_BREAK;
    if (pii_is(cell, PII_ALNUM) || cell == '+' || cell == '-' || cell == '.' || cell == '(' ||
        cell == ')' || cell == '_')
        return TOKEN(3, cell);
    return A_BREAK;
}

/* The first character of a mainland vehicle plate: the 31 abbreviations of GA 36-2018, Annex
 * (provinces, autonomous regions, municipalities), and 使 of embassies. */
static const char regions[] = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使";

static uint8_t region(const uint8_t *p)
{
    /* a bit for each third byte that occurs: nearly all Han characters are done at once */
    static const uint64_t third = 0xb0211c3823668a07u;

    if (p[0] < 0xe4 || p[0] > 0xe9 || !(third >> (p[2] & 63) & 1))
        return 0;
    for (size_t i = 0; i < sizeof regions - 1; i += 3)
        if (memcmp(regions + i, p, 3) == 0)
            return (uint8_t)(PII_HAN + i / 3);
    return 0;
}

pii_char pii_char_multi(const uint8_t *p, size_t n)
{
    uint8_t lead = p[0], cell;

    if (lead == 0xc2) {
        if (n < 2)
            return INCOMPLETE;
        return p[1] == 0xa0 ? A_BLANK(2) : p[1] == 0xad ? NOTHING(2)
             : p[1] == 0xb7                             ? TOKEN(2, PII_DOT)
                                                        : A_BREAK;
    }
    if (lead < 0xe2 || lead > 0xef || (lead > 0xe9 && lead != 0xef))
        return A_BREAK;
    if (n < 2 || (n < 3 && (p[1] & 0xc0) == 0x80))
        return INCOMPLETE;
    if ((p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80)
        return A_BREAK;
    if (lead == 0xe2) {
        if (p[1] == 0x88 && p[2] == 0x92) /* minus sign */
            return TOKEN(3, '-');
        return p[1] <= 0x81 ? punctuation(p[1], p[2]) : A_BREAK;
    }
    if (lead == 0xe3)
        return p[1] == 0x80 && p[2] == 0x80   ? A_BLANK(3)
             : p[1] == 0x83 && p[2] == 0xbb ? TOKEN(3, PII_DOT) /* katakana middle dot */
                                              : A_BREAK;
    if (lead == 0xef)
        return full_width(p[1], p[2]);
    cell = region(p);
    return cell ? (pii_char){ PII_REGION, 3, cell } : A_BREAK;
}

bool pii_is_between(const uint8_t *p, size_t n)
{
    pii_char c = pii_char_at(p, n);

    return c.class == PII_NOTHING || c.class == PII_BLANK ||
           (c.class == PII_TOKEN && c.cell != '(');
}
