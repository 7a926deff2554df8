/* What a number written in runs of digits may be: phones, resident identity numbers, bank cards,
 * social security numbers.
 *
 * Sources
 *   phones      ITU-T E.164 (2010) 6.2 (length); codes without a country: ITU-T list of E.164
 *               country codes; NANP: area and exchange codes begin with 2-9; mainland China:
 *               numbering plan of MIIT (2017): mobile 1[3-9] + 9 digits, area codes 010, 02x,
 *               03xx-09xx, services 400 and 800. Which blocks are in use changes and is not
 *               looked at.
 *   cards       ISO/IEC 7812-1:2017 (length, Luhn in Annex B), issuer ranges as the schemes publish
 *               them; see issuers[]
 *   SSN         SSA POMS RM 10201.030: no 000, 666, 9xx area, no 00 group, no 0000 serial
 */
#include "base/banned.h"

#include "engine/text/pii_number.h"

static pii_hint hint(pii_candidate *c)
{
    if (!c->hint_known) {
        uint8_t b = pii_before(c->g, c->start);

        c->hint = b == '#' || b == '$' ? PII_HINT_OTHER : pii_hint_close(c->g, c->start);
        c->hint_known = true;
    }
    return c->hint;
}

static void better(pii_judgement *j, pl_pii_kind kind, unsigned score, size_t end)
{
    if (score > j->score)
        *j = (pii_judgement){ kind, score, 0, end };
}

static bool has_shape(const pii_candidate *c, const char *shape)
{
    unsigned i = 0;

    while (i < c->runs && shape[i] && c->length[i] == (unsigned)(shape[i] - '0'))
        i++;
    return i == c->runs && shape[i] == '\0';
}

static bool digits_are(const pii_candidate *c, unsigned at, const char *what)
{
    return at + strlen(what) <= c->n && memcmp(c->digit + at, what, strlen(what)) == 0;
}

static unsigned number_at(const pii_candidate *c, unsigned at, unsigned n)
{
    unsigned v = 0;

    for (unsigned i = at; i < at + n; i++)
        v = v * 10 + (unsigned)(c->digit[i] - '0');
    return v;
}

static bool is_year(unsigned v)
{
    return v >= 1900 && v < 2100;
}

static bool is_month_day(unsigned m, unsigned d)
{
    return m >= 1 && m <= 12 && d >= 1 && d <= 31;
}

/* --- resident identity numbers ------------------------------------------------- */

void pii_judge_cn_id(pii_candidate *c, pii_judgement *j)
{
    uint8_t id[18];
    uint8_t last = pii_after(c->g, c->end);
    bool    has_x = c->n == 17 && (last | 0x20) == 'x';

    if (c->runs > 1 && !(c->uniform & (JOIN_BLANK | JOIN_HYPHEN)))
        return;
    if (c->n == 18 || (has_x && !pii_is(pii_after(c->g, c->end + 1), PII_ALNUM))) {
        memcpy(id, c->digit, 18);
        if (has_x)
            id[17] = 'X';
        if (pii_cn_id_ok(id))
            better(j, PL_PII_CN_ID, hint(c) == PII_HINT_ID ? 9990 : 9900, c->end + has_x);
    } else if (c->n == 15 && c->runs == 1 && pii_cn_id_old_ok(c->digit) &&
               hint(c) == PII_HINT_ID) {
        better(j, PL_PII_CN_ID, 8000, c->end);
    }
}

/* --- bank cards ---------------------------------------------------------------- */

/* Ranges of the first six digits, lengths allowed (bit n - 12), and whether the range is so wide
 * or the number so short that it takes a word to believe it. */
static const struct issuer {
    uint32_t low, high;
    uint16_t lengths;
    bool     is_weak;
} issuers[] = {
#define L(n) (1u << ((n)-12))
#define L16_19 (L(16) | L(17) | L(18) | L(19))
#define L12_19 (L(12) | L(13) | L(14) | L(15) | L16_19)
    { 180000, 180099, L(15), true },                  /* JCB, old         */
    { 213100, 213199, L(15), true },                  /* JCB, old         */
    { 220000, 220499, L16_19, false },                /* Mir              */
    { 222100, 272099, L(16), false },                 /* Mastercard       */
    { 300000, 305999, L(14) | L16_19, true },         /* Diners Club      */
    { 309500, 309599, L(14) | L16_19, true },         /* Diners Club      */
    { 340000, 349999, L(15), false },                 /* American Express */
    { 352800, 358999, L16_19, false },                /* JCB              */
    { 360000, 369999, L(14) | L(15) | L16_19, true }, /* Diners Club      */
    { 370000, 379999, L(15), false },                 /* American Express */
    { 380000, 399999, L(14) | L16_19, true },         /* Diners Club      */
    { 400000, 499999, L(16), false },                 /* Visa             */
    { 400000, 499999, L(13) | L(19), true },          /* Visa             */
    { 500000, 509999, L12_19, true },                 /* Maestro          */
    { 510000, 559999, L(16), false },                 /* Mastercard       */
    { 560000, 599999, L12_19, true },                 /* Maestro          */
    { 601100, 601199, L16_19, false },                /* Discover         */
    { 601300, 601399, L(16) | L(19), true },          /* Bank of China    */
    { 620000, 629999, L16_19, false },                /* UnionPay         */
    { 630000, 639999, L12_19, true },                 /* Maestro          */
    { 644000, 659999, L16_19, false },                /* Discover         */
    { 670000, 679999, L12_19, true },                 /* Maestro          */
    { 810000, 817199, L16_19, true },                 /* UnionPay         */
    { 955800, 955999, L(16) | L(19), true },          /* mainland banks   */
#undef L12_19
#undef L16_19
#undef L
};

/* Eighteen digits with a date where an identity number has it, but another check digit. */
static bool is_like_cn_id(const pii_candidate *c)
{
    return c->n == 18 && is_year(number_at(c, 6, 4)) &&
           is_month_day(number_at(c, 10, 2), number_at(c, 12, 2));
}

void pii_judge_card(pii_candidate *c, pii_judgement *j)
{
    bool     known = false, strong = false;
    uint32_t head;

    if (c->n < 12 || c->n > 19 || c->joints & (JOIN_PAREN | JOIN_DOT) ||
        (c->runs > 1 && (!c->uniform || c->length[0] < 4 || c->length[0] > 8)) || c->in_url)
        return;
    head = number_at(c, 0, 6);
    for (size_t i = 0; i < sizeof issuers / sizeof *issuers; i++) {
        bool fits = head >= issuers[i].low && head <= issuers[i].high &&
                    issuers[i].lengths >> (c->n - 12) & 1;
        known |= fits;
        strong |= fits && !issuers[i].is_weak;
    }
    if (!pii_luhn_ok(c->digit, c->n) ||
        ((!known || is_like_cn_id(c)) && hint(c) != PII_HINT_CARD))
        return;
    if (hint(c) == PII_HINT_CARD)
        better(j, PL_PII_BANK_CARD, strong ? 9900 : known ? 9500 : 7000, c->end);
    else if (hint(c) == PII_HINT_NONE || (hint(c) != PII_HINT_OTHER && strong))
        better(j, PL_PII_BANK_CARD, strong ? 8500 : 5500, c->end);
}

/* --- social security numbers --------------------------------------------------- */

void pii_judge_ssn(pii_candidate *c, pii_judgement *j)
{
    bool     said;
    unsigned area;

    if (c->n != 9 || c->plus || c->paren || c->in_url ||
        !(has_shape(c, "324") || has_shape(c, "9")))
        return;
    area = number_at(c, 0, 3);
    if (area == 0 || area == 666 || area >= 900 || number_at(c, 3, 2) == 0 ||
        number_at(c, 5, 4) == 0)
        return;
    said = hint(c) == PII_HINT_SSN;
    if (c->uniform == JOIN_HYPHEN && hint(c) != PII_HINT_OTHER && hint(c) != PII_HINT_PHONE)
        better(j, PL_PII_US_SSN, said ? 9700 : 8000, c->end);
    else if (said)
        better(j, PL_PII_US_SSN, c->runs == 3 ? 9000 : 8000, c->end);
}

/* --- mobile numbers of mainland China ------------------------------------------ */

/* How the 11 digits behind `skip` digits are grouped. */
static bool is_mobile_shape(const pii_candidate *c, unsigned skip)
{
    pii_candidate rest = *c;

    if (skip > 0 && c->length[0] == skip) {
        rest.runs--;
        memmove(rest.length, rest.length + 1, rest.runs * sizeof *rest.length);
    } else {
        rest.length[0] -= skip;
    }
    return has_shape(&rest, ";") || has_shape(&rest, "344") || has_shape(&rest, "38") ||
           has_shape(&rest, "74"); /* ';' is '0' + 11 */
}

void pii_judge_mobile(pii_candidate *c, pii_judgement *j)
{
    unsigned skip = c->plus ? 2 : digits_are(c, 0, "0086") ? 4 : c->n == 13 ? 2 : 0;
    unsigned score = c->plus ? 9700 : skip == 4 ? 9000 : skip == 2 ? 7500 : 9000;

    if (c->n != skip + 11 || (skip && !digits_are(c, skip - 2, "86")) || c->digit[skip] != '1' ||
        c->digit[skip + 1] < '3' || (skip > 0 && c->length[0] < skip) ||
        !is_mobile_shape(c, skip) || (c->joints & JOIN_DOT && c->runs < 3) ||
        (c->in_url && !c->after_equals))
        return;
    if (hint(c) == PII_HINT_PHONE)
        score = 9900;
    else if (hint(c) == PII_HINT_OTHER || hint(c) == PII_HINT_VERSION)
        score = c->plus ? 8000 : 4000;
    else if (hint(c) != PII_HINT_NONE)
        score -= 1000;
    better(j, PL_PII_CN_MOBILE, score, c->end);
}

/* --- other phones -------------------------------------------------------------- */

/* The first two digits of a country code: all but those of codes that nobody has. */
static bool is_country(unsigned two)
{
    return two >= 10 && two != 28 && two != 83 && two != 89;
}

/* Dates, times, ranges of years, decimal fractions, addresses of the internet. */
static bool is_other_number(const pii_candidate *c)
{
    unsigned a = c->length[0], b = c->runs > 1 ? c->length[1] : 0;

    if (a == 4 && b == 2 && is_year(number_at(c, 0, 4)) && c->runs > 2 &&
        is_month_day(number_at(c, 4, 2), number_at(c, 6, c->length[2] < 2 ? 1 : 2)))
        return true;
    if (a == 2 && b == 2 && c->runs == 3 && c->length[2] == 4 && is_year(number_at(c, 4, 4)))
        return true;
    if (a == 4 && b == 4 && is_year(number_at(c, 0, 4)) && is_year(number_at(c, 4, 4)))
        return true;
    if (c->runs == 1 && (a == 8 || a == 12 || a == 14) && is_year(number_at(c, 0, 4)) &&
        is_month_day(number_at(c, 4, 2), number_at(c, 6, 2)))
        return true;
    return c->runs == 2 ? c->joints == JOIN_DOT : c->runs == 4 && c->uniform == JOIN_DOT;
}

/* An area code of mainland China at the front: 010, 02x, 03xx-09xx. Its length, or 0. */
static unsigned cn_area(const pii_candidate *c)
{
    if (c->digit[0] != '0' || c->digit[1] == '0')
        return 0;
    if (c->digit[1] == '1')
        return c->digit[2] == '0' ? 3 : 0;
    return c->digit[1] == '2' ? 3 : 4;
}

/* "010-62345678", "(0755) 8888 6666", "0571-88886666-801". */
static unsigned landline_score(pii_candidate *c)
{
    unsigned area = cn_area(c), rest = c->n - area;

    if (area == 0)
        return 0;
    if (c->runs == 1)
        return (rest == 7 || rest == 8) && hint(c) == PII_HINT_PHONE ? 8000 : 0;
    if (c->length[0] != area || c->joints & JOIN_DOT)
        return 0;
    if (c->runs > 2 && c->length[1] >= 7 && c->length[2] <= 4)
        rest = c->length[1];
    else if (c->runs > 2 && !(c->length[1] >= 3 && c->length[1] <= 4 && c->length[2] == 4))
        return 0;
    return (rest == 7 || rest == 8) && c->runs <= 4 ? 8500 : 0;
}

static bool is_nanp(const pii_candidate *c, unsigned at)
{
    return c->digit[at] >= '2' && c->digit[at + 3] >= '2';
}

/* "078 6657 2626", "06-10446904": a trunk prefix, as most countries write it. */
static bool has_trunk_prefix(const pii_candidate *c)
{
    if (!c->is_first || c->digit[0] != '0' || c->digit[1] == '0' || c->n < 9 || c->n > 11 ||
        c->joints & JOIN_DOT)
        return false;
    return c->runs == 2 ? c->length[1] >= 6 : c->length[0] >= 3 && c->length[0] <= 5;
}

/* Numbers that show by their form alone that they are phones. */
static unsigned form_score(pii_candidate *c)
{
    unsigned two = c->n >= 2 ? number_at(c, 0, 2) : 0;
    bool     blanks_only = c->uniform == JOIN_BLANK;

    if (c->plus)
        return c->n >= 8 && c->n <= 16 && is_country(two) ? 9000 : 0;
    if (has_shape(c, "334") && (digits_are(c, 0, "400") || digits_are(c, 0, "800")))
        return 8000;
    if (has_shape(c, "343") && digits_are(c, 0, "400"))
        return 8000;
    if (has_shape(c, "334"))
        return blanks_only ? (is_nanp(c, 0) ? 5500 : 0) : is_nanp(c, 0) ? 7500 : 6000;
    if (has_shape(c, "1334") && c->digit[0] == '1')
        return blanks_only ? 0 : is_nanp(c, 1) ? 7500 : 6000;
    if (c->runs >= 3 && digits_are(c, 0, "00") && c->n >= 10 && c->n <= 17 &&
        is_country(number_at(c, 2, 2)))
        return 8000;
    if (c->paren && c->runs >= 2 && c->n >= 7 && c->n <= 12 && c->length[0] <= 4)
        return 6500;
    if (has_trunk_prefix(c))
        return 5500;
    return 0;
}

/* "x818" behind a number. */
size_t pii_extension_end(const pii_group *g, size_t end)
{
    size_t i = end;

    if ((pii_after(g, i) | 0x20) != 'x' || i + 1 >= g->n || !pii_is(g->cell[i + 1], PII_DIGIT))
        return end;
    for (i++; i < g->n && i - end <= 7 && pii_is(g->cell[i], PII_DIGIT);)
        i++;
    return i - end <= 7 && !pii_is(pii_after(g, i), PII_ALNUM) ? i : end;
}

void pii_judge_phone(pii_candidate *c, pii_judgement *j)
{
    unsigned score;
    size_t   end = pii_extension_end(c->g, c->end);

    if (c->n < 7 || c->n > 17 || c->in_url || (c->plus && digits_are(c, 0, "861") && c->n == 13) ||
        (!c->plus && is_other_number(c)))
        return;
    score = form_score(c);
    if (score == 0)
        score = landline_score(c);
    if (end > c->end && score < 6000)
        score = 6000;
    if (hint(c) == PII_HINT_PHONE)
        score = score ? 9700 : c->n <= 15 ? 7000 : 0;
    else if (hint(c) == PII_HINT_OTHER || hint(c) == PII_HINT_VERSION || hint(c) == PII_HINT_CARD)
        score = c->plus ? 6000 : 0;
    better(j, PL_PII_PHONE, score, end);
}
