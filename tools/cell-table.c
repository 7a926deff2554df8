/* cell-table OUT: writes the table of src/engine/text/cell.h as C, from the Unicode data of ICU and
 * the Chinese variants of OpenCC. Runs once per build; what it knows by itself stands in `likes`.
 *
 * What a code point is, in this order: nothing, the one or few letters of its compatibility form,
 * a letter that looks like a Latin one or a Han character, a simplified character, a separator,
 * itself. */
#include <opencc/opencc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uspoof.h>
#include <unicode/ustring.h>

#include "engine/text/cell_kinds.h"

enum { LIMIT = 0x110000, EXPANSIONS_MAX = 0x1000, PAGE = 256 };

typedef struct cell {
    uint16_t unit;
    uint8_t  attr;
} cell;

typedef struct expansion {
    uint8_t n;
    cell    cells[CELL_EXPAND_MAX];
} expansion;

static cell               table[LIMIT];
static expansion          expansions[EXPANSIONS_MAX];
static unsigned           expansion_count;
static const UNormalizer2 *nfkc_cf, *nfkd;
static USpoofChecker     *spoof;
static opencc_t           converters[3], to_traditional;

static void die(const char *what)
{
    fprintf(stderr, "cell-table: %s\n", what);
    exit(1);
}

/* Latin letters that the confusables of Unicode do not give, by their shape in common typefaces. A
 * capital that is not listed is like its small letter. */
static const struct like {
    UChar32 cp;
    char    letter;
} likes[] = {
    { 0x397, 'h' },  { 0x39d, 'n' },  { 0x3a5, 'y' },  { 0x39c, 'm' },  { 0x393, 'r' },
    { 0x432, 'b' },  { 0x43a, 'k' },  { 0x43c, 'm' },  { 0x43d, 'h' },  { 0x442, 't' },
    { 0x43f, 'n' },  { 0x448, 'w' },  { 0x44c, 'b' },  { 0x433, 'r' },  { 0x438, 'u' },
    { 0x44f, 'r' },  { 0x437, 'e' },  { 0x3b2, 'b' },  { 0x3b7, 'n' },  { 0x3ba, 'k' },
    { 0x3bc, 'u' },  { 0x3bd, 'v' },  { 0x3c1, 'p' },  { 0x3c4, 't' },  { 0x3c5, 'u' },
    { 0x3c7, 'x' },  { 0x3c9, 'w' },  { 0x3b5, 'e' },  { 0x3b9, 'i' },  { 0x3bf, 'o' },
    { 0x3b3, 'y' },  { 0x3b1, 'a' },  { 0x3c0, 'n' },  { 0x3b6, 'z' },  { 0x3c3, 'o' },
    { 0x3c2, 's' },  { 0x269, 'i' },  { 0x131, 'i' },  { 0x251, 'a' },  { 0x261, 'g' },
    { 0x3f2, 'c' },  { 0x3f8, 'p' },  { 0x3f3, 'j' },  { 0x585, 'o' },  { 0x578, 'n' },
    { 0x57d, 'u' },  { 0x570, 'h' },  { 0x566, 'q' },  { 0x581, 'g' },  { 0x564, 'd' },
};

static bool is_ascii_alnum(UChar32 c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_han(UChar32 c)
{
    return u_hasBinaryProperty(c, UCHAR_IDEOGRAPHIC) && c < 0x10000;
}

static bool is_mark(UChar32 c)
{
    return (c >= 0x300 && c <= 0x36f) || (c >= 0x483 && c <= 0x489) || (c >= 0x591 && c <= 0x5bd) ||
           (c >= 0x5bf && c <= 0x5c7 && c != 0x5c0 && c != 0x5c3 && c != 0x5c6) ||
           (c >= 0x64b && c <= 0x65f) || c == 0x670 || (c >= 0x1ab0 && c <= 0x1aff) ||
           (c >= 0x1dc0 && c <= 0x1dff) || (c >= 0x20d0 && c <= 0x20ff) ||
           (c >= 0xfe20 && c <= 0xfe2f) || c == 0x3099 || c == 0x309a;
}

static bool is_nothing(UChar32 c)
{
    int8_t type = u_charType(c);

    if (c == '\t' || c == '\n' || c == 0x0b || c == 0x0c || c == '\r' || c == 0x85)
        return false;
    if (type == U_CONTROL_CHAR || type == U_FORMAT_CHAR || is_mark(c))
        return true;
    return u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) && type != U_UNASSIGNED;
}

/* The letter or digit an ASCII cell stands for. */
static cell ascii_cell(UChar32 c, unsigned kind)
{
    static const char digits[] = "oizeasgtbg"; /* 0 to 9, as letters */

    if (c >= '0' && c <= '9')
        return (cell){ (uint16_t)digits[c - '0'],
                       CELL_ATTR(kind == CELL_PLAIN ? CELL_DIGIT : CELL_DIGIT_COMPAT, c - '0') };
    if (c == 'l')
        return (cell){ 'i', CELL_ATTR(kind, CELL_HAS_L | CELL_FIRST_L | CELL_LAST_L) };
    if (c == 'i')
        return (cell){ 'i', CELL_ATTR(kind, CELL_HAS_I) };
    return (cell){ (uint16_t)c, CELL_ATTR(kind, 0) };
}

/* UTF-16 of at most 16 units into code points. */
static int points(const UChar *s, int32_t n, UChar32 *out)
{
    int     count = 0;
    int32_t i = 0;

    while (i < n && count < 16) {
        U16_NEXT(s, i, n, out[count]);
        count++;
    }
    return count;
}

static int normal_form(const UNormalizer2 *form, UChar32 c, UChar32 *out)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar      in[2], to[64];
    int32_t    n = 0, got;

    U16_APPEND_UNSAFE(in, n, c);
    got = unorm2_normalize(form, in, n, to, 64, &status);
    return U_FAILURE(status) ? 0 : points(to, got, out);
}

static int skeleton(UChar32 c, UChar32 *out)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar      in[2], to[64];
    int32_t    n = 0, got;

    U16_APPEND_UNSAFE(in, n, c);
    got = uspoof_getSkeleton(spoof, 0, in, n, to, 64, &status);
    return U_FAILURE(status) ? 0 : points(to, got, out);
}

static UChar32 convert(opencc_t converter, UChar32 c)
{
    char    in[8] = "", *out;
    int32_t n = 0, at = 0;
    UChar32 to = c;

    U8_APPEND_UNSAFE(in, n, c);
    out = opencc_convert_utf8(converter, in, (size_t)n);
    if (!out)
        die("opencc cannot convert");
    U8_NEXT_UNSAFE(out, at, to);
    if (out[at] != '\0' || to >= 0x10000)
        to = c;
    opencc_convert_utf8_free(out);
    return to;
}

/* What has traditional forms is simplified already, though it may be a traditional form too. */
static UChar32 simplified(UChar32 c)
{
    if (!is_han(c) || convert(to_traditional, c) != c)
        return c;
    for (int k = 0; k < 3; k++) {
        UChar32 to = convert(converters[k], c);

        if (to != c)
            return to;
    }
    return c;
}

/* A character that is only itself. */
static cell itself(UChar32 c)
{
    uint32_t u = (uint32_t)c;

    if (c < 0xd800 || (c >= 0xf900 && c < 0x10000))
        return (cell){ (uint16_t)c, CELL_ATTR(CELL_PLAIN, 0) };
    return (cell){ (uint16_t)CELL_HASHED_UNIT(u), CELL_HASHED_ATTR(u) };
}

static unsigned separator(UChar32 c)
{
    if (c == '\n' || c == 0x0b || c == 0x0c || c == '\r' || c == 0x85 || c == 0x2028 || c == 0x2029)
        return CELL_GAP_LINE;
    if (c == '\t' || u_charType(c) == U_SPACE_SEPARATOR)
        return CELL_GAP_BLANK;
    if (c == '!' || c == '?' || c == ',' || c == ';' || c == ':' || c == '"' || c == '(' ||
        c == ')' || (c >= 0x2018 && c <= 0x201f) || c == 0x2026 || c == 0x2014 ||
        (c >= 0x3001 && c <= 0x3002) || (c >= 0x3008 && c <= 0x3011) || c == 0xff01 ||
        c == 0xff08 || c == 0xff09 || c == 0xff0c || c == 0xff1a || c == 0xff1b || c == 0xff1f)
        return CELL_GAP_SENTENCE;
    if (u_ispunct(c) || c < 0x80)
        return CELL_GAP_MARK;
    return CELL_GAP_SYMBOL;
}

static bool is_separator(UChar32 c)
{
    int8_t type = u_charType(c);

    return u_isspace(c) || u_ispunct(c) || type == U_SPACE_SEPARATOR ||
           type == U_MATH_SYMBOL || type == U_CURRENCY_SYMBOL || type == U_MODIFIER_SYMBOL ||
           type == U_OTHER_SYMBOL;
}

/* "... LETTER X", with what may follow: letters in circles and squares, small capitals, strokes. */
static bool named_letter(UChar32 c, UChar32 *letter, unsigned *kind)
{
    UErrorCode  status = U_ZERO_ERROR;
    char        name[128];
    const char *at;

    if (u_charName(c, U_UNICODE_CHAR_NAME, name, sizeof name, &status) <= 0 || U_FAILURE(status) ||
        strncmp(name, "TAG ", 4) == 0)
        return false;
    if (!strstr(name, "LATIN") && !strstr(name, "REGIONAL INDICATOR") && !strstr(name, "CIRCLED") &&
        !strstr(name, "SQUARED"))
        return false;
    at = strstr(name, "SMALL CAPITAL ");
    at = at ? at + 14 : strstr(name, "LETTER ");
    if (at && strncmp(at, "LETTER ", 7) == 0)
        at += 7;
    if (!at || *at < 'A' || *at > 'Z' || (at[1] != '\0' && strncmp(at + 1, " WITH ", 6) != 0))
        return false;
    *letter = *at - 'A' + 'a';
    *kind = at[1] ? CELL_ACCENT : CELL_COMPAT;
    return true;
}

static bool named_digit(UChar32 c, UChar32 *digit)
{
    double v = u_getNumericValue(c);

    if (u_charType(c) != U_OTHER_NUMBER || v < 0 || v > 9 || v != (int)v)
        return false;
    *digit = '0' + (int)v;
    return true;
}

/* The letters and digits of a compatibility form, separators left out. */
static int letters_of(const UChar32 *in, int n, UChar32 *out)
{
    int count = 0;

    for (int i = 0; i < n; i++)
        if (!is_nothing(in[i]) && !is_separator(in[i]))
            out[count++] = in[i];
    return count;
}

static cell base_cell(UChar32 c, unsigned kind)
{
    cell to;

    if (is_ascii_alnum(c))
        return ascii_cell(c, kind);
    to = itself(simplified(c));
    if (kind == CELL_PLAIN && simplified(c) != c)
        kind = CELL_VARIANT;
    if (kind != CELL_PLAIN)
        to.attr = CELL_ATTR(kind, to.attr >> 3);
    return to;
}

static cell expand(const UChar32 *c, int n)
{
    expansion *e = &expansions[expansion_count];

    if (expansion_count + 1 >= EXPANSIONS_MAX)
        die("too many expansions");
    e->n = (uint8_t)n;
    for (int i = 0; i < n; i++)
        e->cells[i] = base_cell(c[i], CELL_COMPAT);
    return (cell){ (uint16_t)(CELL_EXPAND + expansion_count++), 0 };
}

/* One Latin letter or Han character that c is drawn like, or 0. */
static UChar32 looks_like(UChar32 c)
{
    UChar32 lower = u_foldCase(c, U_FOLD_CASE_DEFAULT), s[16], f[16];

    for (size_t i = 0; i < sizeof likes / sizeof *likes; i++)
        if (likes[i].cp == c || likes[i].cp == lower)
            return likes[i].letter;
    if ((!u_isalpha(c) && (c < 0x1d200 || c > 0x1d24f)) || is_han(c) || is_ascii_alnum(lower) || u_charType(c) == U_UNASSIGNED)
        return 0;
    for (int upper = 0; upper < 2; upper++) {
        int n = skeleton(upper ? u_toupper(lower) : lower, s);

        if (n == 2 && s[0] == 'r' && s[1] == 'n')
            return 'm';
        if (n == 1 && normal_form(nfkc_cf, s[0], f) == 1 && f[0] != lower &&
            (is_ascii_alnum(f[0]) || is_han(f[0])))
            return f[0] == '0' ? 'o' : f[0] == '1' ? 'l' : f[0];
    }
    return 0;
}

static cell letter_cell(UChar32 c)
{
    UChar32  to[16], letters[16], like, letter = 0;
    unsigned kind = CELL_COMPAT;
    int      n = normal_form(nfkc_cf, c, to), count = letters_of(to, n, letters);
    UChar32  folded = u_foldCase(c, U_FOLD_CASE_DEFAULT);

    if (u_getIntPropertyValue(c, UCHAR_EAST_ASIAN_WIDTH) == U_EA_FULLWIDTH ||
        u_getIntPropertyValue(c, UCHAR_EAST_ASIAN_WIDTH) == U_EA_HALFWIDTH)
        kind = CELL_WIDTH;
    if (count == 1 && letters[0] == folded)
        kind = CELL_PLAIN;
    if (count == 1 && (is_ascii_alnum(letters[0]) || is_han(letters[0])))
        return base_cell(letters[0], kind);
    if (count > 1 && count <= CELL_EXPAND_MAX && u_charType(c) != U_OTHER_LETTER)
        return expand(letters, count);
    n = normal_form(nfkd, folded, to);
    count = letters_of(to, n, letters);
    if (count == 1 && is_ascii_alnum(u_tolower(letters[0])) && n > 1)
        return base_cell(u_tolower(letters[0]), CELL_ACCENT);
    if (named_digit(c, &letter))
        return base_cell(letter, CELL_COMPAT);
    if (named_letter(c, &letter, &kind))
        return base_cell(letter, kind);
    like = looks_like(c);
    if (like != 0)
        return base_cell(like, CELL_LOOKALIKE);
    if (is_separator(c))
        return (cell){ (uint16_t)separator(c), 0 };
    n = normal_form(nfkc_cf, c, to);
    if (n == 1 && to[0] != c)
        return base_cell(to[0], kind);
    return base_cell(c, CELL_PLAIN);
}

static cell cell_of(UChar32 c)
{
    static const struct {
        UChar32 cp;
        char    letter, member;
    } signs[] = { { '@', 'a', 10 },   { '$', 's', 11 },   { 0x20ac, 'e', 12 },
                  { 0xa3, 'i', 13 },  { 0xa5, 'y', 14 },  { 0xa2, 'c', 15 },
                  { 0xff20, 'a', 10 }, { 0xff04, 's', 11 } };

    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (signs[i].cp == c)
            return (cell){ (uint16_t)signs[i].letter,
                           CELL_ATTR(c >= 0xff00 ? CELL_DIGIT_COMPAT : CELL_DIGIT,
                                     signs[i].member) };
    if (c >= 0xd800 && c < 0xe000)
        return (cell){ CELL_BROKEN, 0 };
    if (is_nothing(c))
        return (cell){ CELL_NOTHING, 0 };
    if (c == 0x00b5)
        return ascii_cell('u', CELL_LOOKALIKE);
    if (c < 0x80 && !is_ascii_alnum(u_tolower(c)))
        return (cell){ (uint16_t)separator(c), 0 };
    return letter_cell(c);
}

static void open_sources(void)
{
    static const char *const configs[] = { "t2s.json", "tw2s.json", "hk2s.json" };
    UErrorCode               status = U_ZERO_ERROR;

    nfkc_cf = unorm2_getNFKCCasefoldInstance(&status);
    nfkd = unorm2_getNFKDInstance(&status);
    spoof = uspoof_open(&status);
    if (U_FAILURE(status))
        die(u_errorName(status));
    to_traditional = opencc_open("s2t.json");
    if (to_traditional == (opencc_t)-1)
        die("the data of OpenCC cannot be opened");
    for (int i = 0; i < 3; i++)
        if ((converters[i] = opencc_open(configs[i])) == (opencc_t)-1)
            die("the data of OpenCC cannot be opened");
}

/* --- writing ------------------------------------------------------------------------ */

static uint32_t fnv(uint32_t h, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        h = (h ^ (v >> i * 8 & 0xff)) * 16777619u;
    return h;
}

static void put_pages(FILE *f)
{
    static unsigned first[LIMIT / PAGE]; /* page with the same contents */
    unsigned        used = 0;

    fprintf(f, "\nconst uint32_t pl_cell_page[][%d] = {\n", PAGE);
    for (unsigned p = 0x10000 / PAGE; p < LIMIT / PAGE; p++) {
        unsigned q = 0x10000 / PAGE;

        while (q < p && memcmp(&table[q * PAGE], &table[p * PAGE], sizeof(cell) * PAGE) != 0)
            q++;
        first[p] = q < p ? first[q] : used;
        if (q < p)
            continue;
        used++;
        fputs("{", f);
        for (unsigned i = 0; i < PAGE; i++)
            fprintf(f, "0x%x,", table[p * PAGE + i].unit | table[p * PAGE + i].attr << 16);
        fputs("},\n", f);
    }
    fputs("};\n\nconst uint16_t pl_cell_page_of[] = {\n", f);
    for (unsigned p = 0x10000 / PAGE; p < LIMIT / PAGE; p++)
        fprintf(f, "%u,%s", first[p], p % 16 == 15 ? "\n" : "");
    fputs("};\n", f);
}

/* The units of ASCII as bytes, for code that reads many at once. */
static void put_ascii(FILE *f)
{
    fputs("\nconst uint8_t pl_cell_ascii[128] = {\n", f);
    for (unsigned c = 0; c < 128; c++) {
        unsigned unit = table[c].unit, attr = table[c].attr;
        bool     is_sign = CELL_ATTR_KIND(attr) == CELL_DIGIT && CELL_ATTR_MEMBER(attr) >= CELL_SIGN;

        if (unit < CELL_FIRST)
            unit = 0;
        else if (is_sign || unit >= CELL_ASCII_RARE)
            unit = CELL_ASCII_RARE;
        fprintf(f, "0x%x,%s", unit, c % 16 == 15 ? "\n" : "");
    }
    fputs("};\n", f);
}

static void put(FILE *f)
{
    uint32_t id = 2166136261u;

    fputs("#include \"engine/text/cell.h\"\n\nconst uint32_t pl_cell_table[0x10000] = {\n", f);
    for (unsigned c = 0; c < 0x10000; c++)
        fprintf(f, "0x%x,%s", table[c].unit | table[c].attr << 16, c % 16 == 15 ? "\n" : "");
    fputs("};\n", f);
    put_ascii(f);
    put_pages(f);
    fputs("\nconst pl_cell_expansion pl_cell_expansions[] = {\n", f);
    for (unsigned i = 0; i < expansion_count; i++) {
        fprintf(f, "{%u, {", expansions[i].n);
        for (unsigned k = 0; k < expansions[i].n; k++)
            fprintf(f, "0x%x,", expansions[i].cells[k].unit | expansions[i].cells[k].attr << 16);
        fputs("}},\n", f);
    }
    fputs("};\n", f);
    for (unsigned c = 0; c < LIMIT; c++)
        id = fnv(id, table[c].unit | (uint32_t)table[c].attr << 16);
    for (unsigned i = 0; i < expansion_count; i++)
        for (unsigned k = 0; k < expansions[i].n; k++)
            id = fnv(id, expansions[i].cells[k].unit | (uint32_t)expansions[i].cells[k].attr << 16);
    fprintf(f, "\nconst uint32_t pl_cell_table_id = 0x%xu;\n", id);
}

int main(int argc, char **argv)
{
    FILE *f = argc == 2 ? fopen(argv[1], "w") : NULL;

    if (!f)
        die("usage: cell-table OUT");
    open_sources();
    for (UChar32 c = 0; c < LIMIT; c++)
        if (c < 0x20000 || (c >= 0x2f800 && c < 0x2fa20) || (c >= 0xe0000 && c < 0xe1000))
            table[c] = cell_of(c);
        else
            table[c] = (cell){ CELL_HASHED, 0 };
    put(f);
    return ferror(f) || fclose(f) != 0 ? 1 : 0;
}
