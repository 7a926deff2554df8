/* Numbers that are written in runs of digits: read with the separators between, and cut into what
 * may stand alone. What each may be is judged in pii_number_kinds.c. */
#include "base/banned.h"

#include "engine/text/pii_number.h"

enum { RUNS_MAX = 24 };

/* Runs of digits with short separators between. */
typedef struct spelled {
    size_t   at[RUNS_MAX]; /* cells */
    unsigned length[RUNS_MAX];
    unsigned joint[RUNS_MAX]; /* between a run and the next */
    unsigned runs, digits;
    bool     paren; /* '(' before the first run */
    bool     plus;
    size_t   start, end; /* cells, with '(' and '+' */
} spelled;

/* --- reading ------------------------------------------------------------------- */

static unsigned joint_of(uint8_t c)
{
    switch (c) {
    case ' ':
        return JOIN_BLANK;
    case '-':
        return JOIN_HYPHEN;
    case '.':
        return JOIN_DOT;
    case '(':
    case ')':
        return JOIN_PAREN;
    default:
        return 0;
    }
}

/* One separator, or a parenthesis with one more. */
static unsigned joint_at(const pii_group *g, size_t i, size_t *next)
{
    unsigned a = i < g->n ? joint_of(g->cell[i]) : 0, b;

    if (a == 0 || i + 1 >= g->n)
        return 0;
    if (pii_is(g->cell[i + 1], PII_DIGIT)) {
        *next = i + 1;
        return a;
    }
    b = joint_of(g->cell[i + 1]);
    if (b == 0 || !((a | b) & JOIN_PAREN) || i + 2 >= g->n ||
        !pii_is(g->cell[i + 2], PII_DIGIT))
        return 0;
    *next = i + 2;
    return a | b;
}

static size_t read_spelled(const pii_group *g, size_t i, spelled *s)
{
    *s = (spelled){ .start = i };
    if (s->start > 0 && g->cell[s->start - 1] == '(')
        s->start--, s->paren = true;
    if (s->start > 0 && g->cell[s->start - 1] == '+')
        s->start--, s->plus = true;
    if (s->plus && !s->paren && s->start > 0 && g->cell[s->start - 1] == '(')
        s->start--, s->paren = true;
    for (;;) {
        size_t from = i;

        i = pii_clear(g, g->digit, i);
        s->at[s->runs] = from;
        s->length[s->runs] = (unsigned)(i - from < 100 ? i - from : 100);
        s->digits += s->length[s->runs];
        s->end = i;
        if (s->runs + 1 == RUNS_MAX)
            return i;
        s->joint[s->runs] = joint_at(g, i, &i);
        if (s->joint[s->runs++] == 0)
            return i;
    }
}

/* --- judging ------------------------------------------------------------------- */

static bool left_is_free(const pii_group *g, size_t start)
{
    uint8_t b = pii_before(g, start), a;

    if (pii_is(b, PII_ALNUM) || b == '_' || b == '*' || b == '+')
        return b == '*' && start >= 2 && g->cell[start - 2] == '*';
    if (b != '-' && b != '.')
        return true;
    a = start > 0 ? pii_before(g, start - 1) : 0;
    return !pii_is(a, PII_ALNUM);
}

/* Behind it stands no more of the same word; but "-Office" is another word. */
static bool right_is_free(const pii_group *g, size_t end)
{
    uint8_t b = pii_after(g, end);
    size_t  i = end + 1;

    if (pii_is(b, PII_ALNUM) || b == '_' || b == '@' || b == '%')
        return false;
    if (b != '-' && b != '.')
        return true;
    while (i < g->n && pii_is(g->cell[i], PII_ALPHA))
        i++;
    if (i - end - 1 >= 3 && b == '-')
        return !pii_is(pii_after(g, i), PII_ALNUM);
    return i >= g->n ? i == end + 1 : !pii_is(g->cell[end + 1], PII_ALNUM);
}

static bool make_candidate(const pii_group *g, const spelled *s, unsigned from, unsigned to,
                           pii_candidate *c)
{
    *c = (pii_candidate){ .g = g, .runs = to - from + 1 };
    if (c->runs > PII_RANGE_MAX)
        return false;
    for (unsigned i = from; i <= to; i++) {
        if (c->n + s->length[i] > PII_DIGITS_MAX)
            return false;
        for (unsigned k = 0; k < s->length[i]; k++)
            c->digit[c->n++] = g->cell[s->at[i] + k];
        c->length[i - from] = s->length[i];
        c->joints |= i < to ? s->joint[i] : 0;
    }
    c->uniform = c->joints & (c->joints - 1) ? 0 : c->joints;
    c->start = from == 0 ? s->start : s->at[from];
    c->end = s->at[to] + s->length[to];
    c->plus = from == 0 && s->plus;
    c->paren = from == 0 && s->paren;
    if (from > 0 && g->cell[c->start - 1] == '(') {
        c->start--;
        c->paren = true;
    }
    if (c->paren && !(c->joints & JOIN_PAREN) && g->cell[c->start] == '(') {
        c->start++; /* "(13800138000)": not of the number */
        c->paren = false;
    }
    c->in_url = pii_ranges_find(&g->urls, c->start, c->end) >= 0;
    c->is_first = from == 0;
    c->after_equals = pii_before(g, c->start) == '=';
    return c->n >= 7 && pii_ranges_find(&g->ibans, c->start, c->end) < 0;
}

static pii_judgement judge(const pii_group *g, const spelled *s, unsigned from, unsigned to)
{
    pii_candidate c;
    pii_judgement j = { .score = 0 };
    bool      right, is_x;

    if (!make_candidate(g, s, from, to, &c))
        return j;
    right = to + 1 < s->runs || right_is_free(g, c.end);
    is_x = to + 1 == s->runs && (pii_after(g, c.end) | 0x20) == 'x';
    if ((from == 0 && !left_is_free(g, c.start)) || (!right && !is_x))
        return j;
    pii_judge_cn_id(&c, &j);
    if (right) {
        pii_judge_card(&c, &j);
        pii_judge_mobile(&c, &j);
        pii_judge_ssn(&c, &j);
    }
    if (right || pii_extension_end(g, c.end) > c.end)
        pii_judge_phone(&c, &j);
    j.start = c.start;
    return j;
}

/* A range of runs that stands alone ends at blanks. From each place the most certain reading
 * wins, and of equals the longest. Gives the cell to go on from. */
static size_t judge_ranges(pii_group *g, const spelled *s)
{
    bool     is_cut = s->runs == RUNS_MAX; /* more may follow: leave the last runs for later */
    unsigned stop = is_cut ? RUNS_MAX - PII_RANGE_MAX : s->runs;
    unsigned from = 0;

    while (from < stop) {
        pii_judgement best = { .score = 0 };
        unsigned  to = from + PII_RANGE_MAX < s->runs ? from + PII_RANGE_MAX : s->runs, best_to = from;

        while (to-- > from) {
            pii_judgement j;

            if (to + 1 < s->runs && !(s->joint[to] & JOIN_BLANK))
                continue;
            j = judge(g, s, from, to);
            if (j.score > best.score) {
                best = j;
                best_to = to;
            }
        }
        if (best.score >= PL_PII_FLOOR) {
            pii_hit_add(g, best.kind, best.start, best.end, best.score);
            from = best_to + 1;
            continue;
        }
        do
            from++;
        while (from < s->runs && !(s->joint[from - 1] & JOIN_BLANK));
    }
    return from < s->runs ? s->at[from] : s->end;
}

void pii_find_numbers(pii_group *g)
{
    for (size_t i = 0; (i = pii_set(g, g->digit, i)) < g->n;) {
        spelled s;

        i = read_spelled(g, i, &s);
        if (s.digits >= 7)
            i = judge_ranges(g, &s);
    }
}
