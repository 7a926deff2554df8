#include "base/banned.h"

#include <plumbline/text.h>

#include "engine/text/cell.h"

/* What is different between the two, counted over the cells. */
typedef struct tally {
    unsigned n, han;
    unsigned digits, likes;        /* cells in disguise                                   */
    unsigned repeats, excess;      /* cells with repetitions, and the most of one cell    */
    unsigned bounds;               /* places between two characters without a gap of the keyword */
    unsigned gaps[GAP_LONG + 1];   /* ... that have one in the text, by kind              */
    unsigned split;                /* ... all of them                                     */
    unsigned joined, breaks;       /* gaps of the keyword that are left out; that are of another kind */
    uint16_t form;
} tally;

static bool is_digit_kind(unsigned kind)
{
    return kind == CELL_DIGIT || kind == CELL_DIGIT_COMPAT;
}

static uint16_t form_of_kind(unsigned kind)
{
    static const uint16_t forms[] = {
        [CELL_WIDTH] = PL_FORM_WIDTH,         [CELL_VARIANT] = PL_FORM_VARIANT,
        [CELL_COMPAT] = PL_FORM_COMPAT,       [CELL_LOOKALIKE] = PL_FORM_LOOKALIKE,
        [CELL_DIGIT] = PL_FORM_DIGITS,        [CELL_ACCENT] = PL_FORM_INVISIBLE,
        [CELL_DIGIT_COMPAT] = PL_FORM_COMPAT,
    };

    return forms[kind];
}

/* Which letter it is that ends a run. */
static unsigned last_letter(unsigned attr)
{
    return CELL_ATTR_MEMBER(attr) & CELL_LAST_L;
}

/* A run against one of the same unit. Of the first one only the end counts where it is longer
 * than it need be: `tail`. Digits in it are taken for what stands before: "the top 5 sellers". */
static bool compare_attr(tally *t, unsigned keyword, unsigned text, bool tail)
{
    unsigned k = CELL_ATTR_KIND(keyword), x = CELL_ATTR_KIND(text);
    bool     same = CELL_ATTR_MEMBER(keyword) == CELL_ATTR_MEMBER(text) ||
                (tail && last_letter(keyword) == last_letter(text));

    if (keyword == text)
        return true;
    if (is_digit_kind(k)) {
        t->form |= form_of_kind(k == CELL_DIGIT ? x : k);
        return is_digit_kind(x) && same;
    }
    if (is_digit_kind(x) && tail)
        return true;
    if (is_digit_kind(x)) {
        t->digits++;
        t->form |= PL_FORM_DIGITS | (x == CELL_DIGIT_COMPAT ? PL_FORM_COMPAT : 0);
        return true;
    }
    if (x == CELL_LOOKALIKE || k == CELL_LOOKALIKE) {
        t->likes++;
        t->form |= PL_FORM_LOOKALIKE;
        return true;
    }
    t->form |= form_of_kind(x != CELL_PLAIN ? x : k);
    return same;
}

static void count_gap(tally *t, unsigned keyword, unsigned text)
{
    if (keyword == GAP_NONE) {
        t->bounds++;
        t->gaps[text]++;
        t->split += text != GAP_NONE;
    } else if (text == GAP_NONE) {
        t->joined++;
    } else if (text != keyword && !(keyword <= GAP_LINE && text <= GAP_LINE)) {
        t->breaks++;
    }
}

static bool has_inner_gap(pl_look l)
{
    return LOOK_TAIL(l) < TAIL_MAX && LOOK_TAIL(l) < LOOK_COUNT(l);
}

/* Repetitions, and gaps between them. */
static bool compare_run(tally *t, pl_look keyword, pl_look text, unsigned excess)
{
    if (LOOK_COUNT(text) < LOOK_COUNT(keyword))
        return false;
    if (excess > 0) {
        t->repeats++;
        t->excess = excess > t->excess ? excess : t->excess;
    }
    if (LOOK_COUNT(keyword) > 1)
        count_gap(t, has_inner_gap(keyword) ? GAP_BLANK : GAP_NONE,
                  has_inner_gap(text) ? GAP_BLANK : GAP_NONE);
    return true;
}

static bool take_stock(const pl_candidate *c, tally *t)
{
    t->n = c->n;
    for (unsigned i = 0; i < c->n; i++) {
        pl_look  k = c->keyword ? c->keyword[i] : LOOK_PLAIN, x = c->text[i];
        unsigned excess = LOOK_COUNT(x) - LOOK_COUNT(k);

        t->han += c->units[i] >= CELL_HAN;
        if (i == 0 || i == c->n - 1)
            excess = !c->word ? 0 : i == 0 ? c->first_excess : c->last_excess;
        if (!compare_attr(t, LOOK_ATTR(k), LOOK_ATTR(x), i == 0 && LOOK_COUNT(x) > LOOK_COUNT(k)) ||
            !compare_run(t, k, x, excess))
            return false;
        if (i == 0)
            continue;
        count_gap(t, LOOK_GAP(k), LOOK_GAP(x));
        t->form |= LOOK_INVISIBLE(x) ? PL_FORM_INVISIBLE : 0;
    }
    t->form |= t->split || t->breaks ? PL_FORM_SEPARATED : 0;
    t->form |= t->joined ? PL_FORM_JOINED : 0;
    t->form |= t->repeats ? PL_FORM_REPEATED : 0;
    return true;
}

/* --- which disguises are believed ------------------------------------------------------ */

/* Digits stand for letters where letters remain: "b0mb", not "80085". */
static bool digits_pass(const tally *t)
{
    return t->digits * 2 <= t->n || (t->n >= 6 && t->digits * 4 <= t->n * 3);
}

/* A short word all in letters of another script may be a word of that script. */
static bool likes_pass(const tally *t)
{
    return t->likes < t->n || t->n >= 4;
}

/* Latin words differ by double letters ("planed", "planned"): one more of one letter is not
 * believed, three in a row or most letters doubled are. Chinese repeats whole words
 * ("看看书"). */
static bool repeats_pass(const tally *t)
{
    if (t->repeats == 0)
        return true;
    if (t->han == t->n)
        return t->n > 2 || t->excess >= 2;
    return t->excess >= 2 || t->repeats * 2 >= t->n || t->n >= 8;
}

static bool han_gaps_pass(const tally *t)
{
    if (t->gaps[GAP_LONG] > 0)
        return t->split == t->bounds && t->n > 3;
    if (t->n == 2)
        return t->gaps[GAP_SENTENCE] == 0;
    return t->gaps[GAP_SENTENCE] == 0 || t->split == t->bounds || t->n >= 4;
}

/* A Latin word is taken apart letter by letter, or by something that does not stand between
 * words. */
static bool latin_gaps_pass(const tally *t)
{
    if (t->split == t->bounds)
        return t->bounds >= 2;
    if (t->gaps[GAP_LONG] > 0 || t->n < 4)
        return false;
    if (t->gaps[GAP_SENTENCE] > 0)
        return t->n >= 8;
    return t->gaps[GAP_BLANK] + t->gaps[GAP_LINE] == 0 || t->n >= 10;
}

bool pl_decide_refuses_torn(unsigned n, bool whole)
{
    return whole ? n < 8 : n == 2;
}

static bool gaps_pass(const tally *t)
{
    if (t->joined > 0 && t->han < t->n && t->n < 5)
        return false;
    if (t->split == 0)
        return true;
    return t->han * 2 > t->n ? han_gaps_pass(t) : latin_gaps_pass(t);
}

bool pl_decide(const pl_candidate *c, uint16_t *form, uint16_t *score)
{
    /* what each kind of disguise leaves of the confidence, in percent */
    enum { SEPARATED = 90, REPEATED = 90, LOOKALIKE = 95, DIGITS = 90, JOINED = 95 };
    tally    t = { 0 };
    unsigned s = PL_SCORE_MAX;

    if (!take_stock(c, &t) || !digits_pass(&t) || !likes_pass(&t) || !repeats_pass(&t) ||
        !gaps_pass(&t))
        return false;
    s = t.form & PL_FORM_SEPARATED ? s * SEPARATED / 100 : s;
    s = t.form & PL_FORM_REPEATED ? s * REPEATED / 100 : s;
    s = t.form & PL_FORM_LOOKALIKE ? s * LOOKALIKE / 100 : s;
    s = t.form & PL_FORM_DIGITS ? s * DIGITS / 100 : s;
    s = t.form & PL_FORM_JOINED ? s * JOINED / 100 : s;
    *form = t.form;
    *score = (uint16_t)s;
    return true;
}
