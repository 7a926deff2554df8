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

const uint8_t pii_plain[256] = {
    ['!'] = 1,         ['#' ... '-'] = 1, ['.'] = 3,         ['/'] = 1, ['0' ... ':'] = 3,
    [';'] = 1,         ['='] = 1,         ['?'] = 1,         ['@'] = 3, ['A' ... 'Z'] = 1,
    ['_'] = 1,         ['a' ... 'z'] = 1, ['~'] = 1,
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

/* The same by code point, at the place a multiplication gives: no two share one. */
#define SLOT(cp) ((uint32_t)(cp) * 0xaa59238fu >> 26)
#define R(cp, i) [SLOT(cp)] = { cp, i }
static const struct region {
    uint16_t cp;
    uint8_t  number;
} by_slot[64] = {
    R(0x4eac, 0), R(0x6d25, 1), R(0x6caa, 2), R(0x6e1d, 3), R(0x5180, 4), R(0x8c6b, 5),
    R(0x4e91, 6), R(0x8fbd, 7), R(0x9ed1, 8), R(0x6e58, 9), R(0x7696, 10), R(0x9c81, 11),
    R(0x65b0, 12), R(0x82cf, 13), R(0x6d59, 14), R(0x8d63, 15), R(0x9102, 16), R(0x6842, 17),
    R(0x7518, 18), R(0x664b, 19), R(0x8499, 20), R(0x9655, 21), R(0x5409, 22), R(0x95fd, 23),
    R(0x8d35, 24), R(0x7ca4, 25), R(0x9752, 26), R(0x85cf, 27), R(0x5ddd, 28), R(0x5b81, 29),
    R(0x743c, 30), R(0x4f7f, 31),
};
#undef R
_Static_assert(sizeof regions == 3 * 32 + 1, "as many in both");

static uint8_t region(uint32_t cp)
{
    const struct region *r = &by_slot[SLOT(cp)];

    return r->cp == cp ? (uint8_t)(PII_HAN + r->number) : 0;
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
    cell = region((lead & 15u) << 12 | (p[1] & 63u) << 6 | (p[2] & 63u));
    return cell ? (pii_char){ PII_REGION, 3, cell } : A_BREAK;
}

size_t pii_skip(const uint8_t *text, size_t n, size_t at, size_t stop)
{
    while (at < n && at <= stop) {
        const uint8_t *p = text + at;

        if (*p < 0x80) {
            if (pii_plain[*p])
                return at;
            at++;
        } else if (n - at < 3 || ((p[1] ^ 0x80) | (p[2] ^ 0x80)) >= 0x40) {
            return at;
        } else if (*p >= 0xe4 && *p <= 0xe9) {
            if (region((*p & 15u) << 12 | (p[1] & 63u) << 6 | (p[2] & 63u)))
                return at;
            at += 3;
        } else if (pii_char_multi(p, 3).class != PII_BREAK) {
            return at;
        } else {
            at += 3; /* the bytes behind the first begin nothing */
        }
    }
    return at;
}

bool pii_is_between(const uint8_t *p, size_t n)
{
    pii_char c = pii_char_at(p, n);

    return c.class == PII_NOTHING || c.class == PII_BLANK ||
           (c.class == PII_TOKEN && c.cell != '(');
}
