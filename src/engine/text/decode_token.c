/* Encoded characters: HTML entities, percent-encoding, backslash escapes. */
#include "base/banned.h"

#include "base/utf8.h"
#include "engine/text/decode_int.h"

static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 99;
}

/* Digits at `at`: at most `most`, and how many there were. Values too large come out so. */
static size_t read_digits(pl_str s, size_t at, unsigned base, size_t most, uint32_t *value)
{
    size_t n = 0;

    *value = 0;
    while (n < most && at + n < s.n && digit_value(s.p[at + n]) < base) {
        *value = *value > 0x110000 ? *value : *value * base + digit_value(s.p[at + n]);
        n++;
    }
    return n;
}

static decode_token token_of(uint32_t cp, size_t size, uint16_t form)
{
    decode_token t = { .size = size, .form = form };

    if (cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
        return (decode_token){ 0 };
    t.n = (unsigned)pl_utf8_encode(cp, t.bytes);
    return t;
}

static decode_token token_byte(uint32_t byte, size_t size, uint16_t form)
{
    return (decode_token){ .size = size, .n = 1, .form = form, .bytes = { (char)byte } };
}

static decode_token read_named(pl_str s)
{
    static const struct {
        const char *name;
        uint32_t    cp;
    } names[] = { { "amp;", '&' },   { "lt;", '<' },       { "gt;", '>' },       { "quot;", '"' },
                  { "apos;", '\'' }, { "nbsp;", 0xa0 },    { "shy;", 0xad },     { "zwnj;", 0x200c },
                  { "zwj;", 0x200d }, { "num;", '#' },     { "period;", '.' },   { "comma;", ',' },
                  { "lowbar;", '_' }, { "percnt;", '%' },  { "commat;", '@' },   { "dollar;", '$' },
                  { "bsol;", '\\' },  { "sol;", '/' },     { "Tab;", '\t' },     { "NewLine;", '\n' } };

    for (size_t i = 0; i < sizeof names / sizeof *names && s.n > 1; i++) {
        size_t n;

        if (s.p[1] != names[i].name[0])
            continue;
        n = strlen(names[i].name);
        if (s.n > n && memcmp(s.p + 1, names[i].name, n) == 0)
            return token_of(names[i].cp, n + 1, PL_FORM_ENTITY);
    }
    return (decode_token){ 0 };
}

/* "&#28856;" "&#x70b8;", also without the semicolon, as browsers read it. */
static decode_token read_entity(pl_str s)
{
    bool     hex;
    uint32_t cp = 0;
    size_t   at, n;

    if (s.n < 3 || s.p[1] != '#')
        return read_named(s);
    hex = (s.p[2] | 32) == 'x';
    at = hex ? 3 : 2;
    n = read_digits(s, at, hex ? 16 : 10, 12, &cp);
    if (n == 0)
        return (decode_token){ 0 };
    at += n;
    return token_of(cp, at + (at < s.n && s.p[at] == ';'), PL_FORM_ENTITY);
}

/* "%E7" "%u70b8" */
static decode_token read_percent(pl_str s)
{
    uint32_t v = 0;

    if (s.n > 1 && s.p[1] == 'u' && read_digits(s, 2, 16, 4, &v) == 4)
        return token_of(v, 6, PL_FORM_PERCENT);
    if (read_digits(s, 1, 16, 2, &v) != 2)
        return (decode_token){ 0 };
    return token_byte(v, 3, PL_FORM_PERCENT);
}

/* "\u70b8", and two of them where one is a surrogate. */
static decode_token read_u(pl_str s)
{
    uint32_t v = 0, low = 0;
    size_t   n;

    if (s.n > 2 && s.p[2] == '{') {
        n = read_digits(s, 3, 16, 8, &v);
        return n > 0 && 3 + n < s.n && s.p[3 + n] == '}' ? token_of(v, n + 4, PL_FORM_ESCAPE)
                                                         : (decode_token){ 0 };
    }
    if (read_digits(s, 2, 16, 4, &v) != 4)
        return (decode_token){ 0 };
    if (v >= 0xd800 && v < 0xdc00 && s.n >= 12 && s.p[6] == '\\' && s.p[7] == 'u' &&
        read_digits(s, 8, 16, 4, &low) == 4 && low >= 0xdc00 && low < 0xe000)
        return token_of(0x10000 + ((v & 0x3ff) << 10 | (low & 0x3ff)), 12, PL_FORM_ESCAPE);
    return token_of(v, 6, PL_FORM_ESCAPE);
}

static decode_token read_escape(pl_str s)
{
    static const char from[] = "ntr/\"'\\", to[] = "\n\t\r/\"'\\";
    const char       *simple;
    uint32_t          v = 0;

    if (s.n < 2)
        return (decode_token){ 0 };
    if (s.p[1] == 'u')
        return read_u(s);
    if (s.p[1] == 'U')
        return read_digits(s, 2, 16, 8, &v) == 8 ? token_of(v, 10, PL_FORM_ESCAPE) : (decode_token){ 0 };
    if (s.p[1] == 'x')
        return read_digits(s, 2, 16, 2, &v) == 2 ? token_byte(v, 4, PL_FORM_ESCAPE) : (decode_token){ 0 };
    if (read_digits(s, 1, 8, 3, &v) == 3)
        return v < 0x100 ? token_byte(v, 4, PL_FORM_ESCAPE) : (decode_token){ 0 };
    simple = s.p[1] != '\0' ? strchr(from, s.p[1]) : NULL;
    return simple ? token_byte((uint8_t)to[simple - from], 2, PL_FORM_ESCAPE) : (decode_token){ 0 };
}

decode_token decode_token_read(pl_str s)
{
    switch (s.p[0]) {
    case '&': return read_entity(s);
    case '%': return read_percent(s);
    case '\\': return read_escape(s);
    default: return (decode_token){ 0 };
    }
}
