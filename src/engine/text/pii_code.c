/* Codes of letters and digits: unified social credit code, IBAN, passport, vehicle plate.
 *
 * Sources
 *   USCC      GB 32100-2015
 *   IBAN      ISO 13616-1:2020, SWIFT IBAN registry; written in blocks of four when on paper
 *   passport  mainland China: E or E + letter (ordinary), D, S, P with or without E (diplomatic,
 *             service, public affairs), G (before 2012), as the National Immigration
 *             Administration shows them; others: ICAO Doc 9303-3 4.2.2 (up to nine letters and
 *             digits), where only a word before it tells
 *   plate     GA 36-2018: letters without I and O; five characters, of which at most two are
 *             letters; new energy vehicles six, a class letter first or last (small: first, large:
 *             last)
 */
#include "base/banned.h"

#include "engine/text/pii_int.h"

/* Nothing that belongs to the same word stands beside [from, to). */
static bool stands_alone(const pii_group *g, size_t from, size_t to)
{
    uint8_t b = pii_before(g, from), a = pii_after(g, to);

    if (pii_is(b, PII_KEY) || pii_is(a, PII_KEY) || a == '@')
        return false;
    if (b == '.' && from > 0 && pii_is(pii_before(g, from - 1), PII_ALNUM))
        return false;
    return a != '.' || to + 1 >= g->n || !pii_is(g->cell[to + 1], PII_ALNUM);
}

/* --- unified social credit code ------------------------------------------------ */

static void find_uscc(pii_group *g, size_t from, size_t to)
{
    uint8_t  digits = 0;
    unsigned score = 9800;
    pii_hint hint;

    if (to - from != 18 || !stands_alone(g, from, to) || !pii_uscc_ok(g->cell + from))
        return;
    for (size_t i = from; i < to; i++)
        digits += pii_is(g->cell[i], PII_DIGIT);
    hint = pii_hint_before(g, from);
    if (hint == PII_HINT_USCC) {
        score = 9900;
    } else if (digits == 18) { /* no letter: may be any number, or an identity number */
        bool usual = g->cell[from] == '9' && g->cell[from + 1] >= '1' && g->cell[from + 1] <= '3';
        if (pii_cn_id_ok(g->cell + from) || hint == PII_HINT_ID)
            return;
        score = hint == PII_HINT_OTHER ? 0 : usual ? 8000 : 5500;
    } else if (hint == PII_HINT_OTHER) {
        score = 7000;
    }
    pii_hit_add(g, PL_PII_USCC, from, to, score);
}

/* --- IBAN ---------------------------------------------------------------------- */

static void find_iban(pii_group *g, size_t from)
{
    uint8_t  iban[40];
    unsigned length, n = 0;
    size_t   i = from;
    bool     has_anchor = false;

    if (from + 14 >= g->n || !pii_is(g->cell[from], PII_ALPHA) ||
        !pii_is(g->cell[from + 1], PII_ALPHA) || !pii_is(g->cell[from + 2], PII_DIGIT) ||
        !pii_is(g->cell[from + 3], PII_DIGIT))
        return;
    length = pii_iban_length(g->cell[from], g->cell[from + 1]);
    for (; n < length && i < g->n; i++) {
        uint8_t c = g->cell[i];

        if (pii_is(c, PII_ALNUM)) {
            iban[n++] = c;
        } else if ((c == ' ' || c == '-') && n % 4 == 0 && n > 0 && i + 1 < g->n) {
            has_anchor |= pii_is(g->cell[i - 1], PII_DIGIT) && pii_is(g->cell[i + 1], PII_DIGIT);
        } else {
            return;
        }
    }
    has_anchor |= i - from == length; /* sixteen in a row, or fifteen digits of Norway */
    if (n != length || n < 15 || !has_anchor || !stands_alone(g, from, i) || !pii_iban_ok(iban, n))
        return;
    pii_ranges_add(&g->ibans, from, i);
    pii_hit_add(g, PL_PII_IBAN, from, i,
                pii_hint_before(g, from) == PII_HINT_IBAN ? 9990 : 9800);
}

/* --- passports ----------------------------------------------------------------- */

static bool is_digits(const pii_group *g, size_t from, size_t to)
{
    while (from < to && pii_is(g->cell[from], PII_DIGIT))
        from++;
    return from == to;
}

/* "E12345678", "EA1234567", "DE1234567", "G12345678". */
static bool is_cn_passport(const pii_group *g, size_t from, size_t to)
{
    const uint8_t *c = g->cell + from;

    if (to - from != 9 || !is_digits(g, from + 2, to))
        return false;
    if (pii_is(c[1], PII_DIGIT))
        return c[0] == 'E' || c[0] == 'G' || c[0] == 'D' || c[0] == 'S' || c[0] == 'P';
    if (c[0] == 'E')
        return pii_is(c[1], PII_UPPER) && c[1] != 'I' && c[1] != 'O';
    return (c[0] == 'D' || c[0] == 'S' || c[0] == 'P') && c[1] == 'E';
}

static void find_passport(pii_group *g, size_t from, size_t to)
{
    size_t letters = 0;

    if (to - from < 7 || to - from > 9 || !stands_alone(g, from, to))
        return;
    while (letters < 3 && pii_is(g->cell[from + letters], PII_UPPER))
        letters++;
    if (letters > 2 || to - from - letters < 6 || !is_digits(g, from + letters, to) ||
        (letters == 0 && to - from != 9 && to - from != 8))
        return;
    if (pii_hint_before(g, from) == PII_HINT_PASSPORT)
        pii_hit_add(g, PL_PII_PASSPORT, from, to, is_cn_passport(g, from, to) ? 9700 : 8000);
    else if (is_cn_passport(g, from, to) && to == g->n && g->rest.n >= 3 &&
             memcmp(g->rest.p, "号", 3) == 0)
        pii_hit_add(g, PL_PII_PASSPORT, from, to, 7000); /* 持E12345678号护照 */
}

/* All of them are runs of letters and digits with digits among them. */
void pii_find_codes(pii_group *g)
{
    size_t to = 0;

    for (size_t i = 0; (i = pii_set(g, g->digit, i)) < g->n; i = to) {
        size_t from = i;

        while (from > to && pii_is(g->cell[from - 1], PII_ALNUM))
            from--;
        for (to = i; to < g->n && pii_is(g->cell[to], PII_ALNUM);)
            to++;
        if (to - from < 4 || pii_ranges_find(&g->urls, from, to) >= 0)
            continue;
        if (to - from == 18)
            find_uscc(g, from, to);
        find_iban(g, from);
        if (to - from >= 7)
            find_passport(g, from, to);
    }
}

/* --- plates -------------------------------------------------------------------- */

static bool is_plate_char(uint8_t c)
{
    return pii_is(c, PII_DIGIT) || (pii_is(c, PII_UPPER) && c != 'I' && c != 'O');
}

/* Characters behind a number of four: police, driving school, trailer, Hong Kong, Macao,
 * consulate. */
static size_t plate_suffix(const pii_group *g)
{
    static const char *const ends[] = { "警", "学", "挂", "港", "澳", "领" };

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (g->rest.n >= 3 && memcmp(g->rest.p, ends[i], 3) == 0)
            return 3;
    return 0;
}

void pii_find_plates(pii_group *g)
{
    size_t   from, n, letters = 0, suffix;
    unsigned score = pii_hint_before(g, 0) == PII_HINT_PLATE ? 9800 : 8500;
    bool     is_class; /* letter of a new energy vehicle */

    if (g->n < 6 || !is_plate_char(g->cell[1]))
        return;
    from = 2 + (g->cell[2] == PII_DOT || g->cell[2] == ' ' || g->cell[2] == '-');
    if (g->cell[1] == ' ' || !pii_is(g->cell[1], PII_UPPER))
        return;
    for (n = 0; from + n < g->n && n < 7 && is_plate_char(g->cell[from + n]); n++)
        letters += pii_is(g->cell[from + n], PII_UPPER);
    if (from + n < g->n && (pii_is(g->cell[from + n], PII_KEY) || n == 7))
        return;
    suffix = from + n == g->n ? plate_suffix(g) : 0;
    is_class = n == 6 && letters <= 2 &&
               (pii_is(g->cell[from], PII_UPPER) || pii_is(g->cell[from + 5], PII_UPPER)) &&
               is_digits(g, from + 2, from + 5);
    if ((n == 5 && letters <= 2) || is_class)
        pii_hit_add(g, PL_PII_PLATE, 0, from + n, score);
    else if (n == 4 && suffix && letters <= 1) {
        pii_hit_add(g, PL_PII_PLATE, 0, from + n, score);
        if (g->hits > 0 && g->hit[g->hits - 1].kind == PL_PII_PLATE)
            g->hit[g->hits - 1].end += (uint32_t)suffix;
    }
}
