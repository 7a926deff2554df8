/* What is still possible, and what it hinges on, by trying values for unknown facts.
 *
 * A fact is tried with one value out of every class that the book's conditions tell apart: both
 * truth values; every value of an enumeration; for a list one member in or out at a time; for a
 * number or a date the points where a comparison changes, what lies between them, and both ends.
 * Three-valued evaluation cuts every branch in which the fact does not matter any more. The work
 * is bounded by e->budget evaluations.
 *
 * The facts to ask for: a grade, as a function of the unknown facts, is settled by a set of
 * answers whatever they are exactly when the set holds every fact on which the function depends.
 * So the smallest such set is the set of those facts, and it is unique. */
#include "base/banned.h"

#include "engine/rules/rules_int.h"

#include <float.h>
#include <math.h>

#define TRIES_MAX  160
#define ROOTS_MAX  40
#define LEVELS_MAX 400

typedef struct tries {
    slot   v[TRIES_MAX];
    double nums[TRIES_MAX];
    size_t n;
} tries;

typedef struct search {
    eval        *e;
    const field *f;
    uint64_t     found;
    unsigned     left;
    bool         is_cut; /* the budget or the depth ended */
    int          level;
} search;

static bool single(uint64_t m)
{
    return (m & (m - 1)) == 0;
}

/* --- values to try ---------------------------------------------------------------------- */

static void try_add(tries *t, slot v)
{
    if (t->n < TRIES_MAX)
        t->v[t->n++] = v;
}

/* One member of a list or map, in or out: the first one that conditions name and that is open. */
static bool member_tries(const fact *f, const slot *now, tries *t)
{
    uint64_t open = f->mentioned & ~(now->yes | now->no), one;
    slot     v = *now;

    if (open == 0 && !f->pub.is_open && f->pub.value_count > 0) { /* for count() */
        uint64_t all = f->pub.value_count == 64 ? ~(uint64_t)0
                                                : ((uint64_t)1 << f->pub.value_count) - 1;
        open = all & ~(now->yes | now->no);
    }
    if (open == 0)
        return false;
    one = open & (~open + 1);
    v.yes |= one;
    try_add(t, v);
    v = *now;
    v.no |= one;
    try_add(t, v);
    return true;
}

static void text_tries(const fact *f, tries *t)
{
    for (size_t i = 0; i < f->pub.value_count; i++)
        try_add(t, (slot){ .known = true, .value = (int)i });
    if (f->pub.is_open)
        try_add(t, (slot){ .known = true, .value = -1 });
}

static void numbers_tries(const fact *f, tries *t)
{
    double low = f->pub.min > -DBL_MAX ? f->pub.min : 0, high = f->pub.max < DBL_MAX ? f->pub.max : 10;
    double step = f->pub.is_integer || high - low > 8 ? fmax(1, floor((high - low) / 20)) : (high - low) / 8;

    for (double x = low; x <= high && step > 0 && t->n < TRIES_MAX; x += step) {
        t->nums[t->n] = x;
        try_add(t, (slot){ .known = true, .nums = &t->nums[t->n], .nnums = 1 });
    }
}

static const double scales[] = { 1, 1e3, 1e6, 1e9, 1e12, 1e18, 1e24, 1e27 };

/* Left minus right side of a comparison with the fact at x; false when it is not known. */
static bool gap(eval *e, const node *c, int slot_index, double x, double *out)
{
    slot    *s = &e->slots[slot_index];
    slot     old = *s;
    slotset  dep = e->dep;
    value    a, b;

    s->known = true;
    s->num = x;
    s->time = (int64_t)x;
    s->has_time = false;
    e->epoch++;
    a = eval_value(e, c->kids[0]);
    b = eval_value(e, c->kids[1]);
    *s = old;
    e->dep = dep;
    e->epoch++;
    if (!a.known || !b.known)
        return false;
    *out = c->kids[0]->kind == K_DATE ? (double)a.time - (double)b.time : a.num - b.num;
    return true;
}

/* Where the comparison changes if it is linear in the fact, tried over several scales. */
static size_t roots_of(eval *e, const node *c, int slot_index, bool is_date, double *out,
                       bool *open)
{
    const node *a = c->kids[0], *b = c->kids[1];
    double      p0, p1;
    size_t      n = 0;

    if (a->op == OP_FACT && a->slot == slot_index && b->op == OP_NUM)
        out[n++] = b->num;
    else if (a->op == OP_FACT && a->slot == slot_index && b->op == OP_DATE)
        out[n++] = (double)b->time;
    *open = n == 0 && !gap(e, c, slot_index, is_date ? 1e9 : 0, &p0);
    if (n > 0 || *open)
        return n;
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
        double from = is_date ? 1e9 : 0, step = is_date ? 1e8 : scales[i];

        if (gap(e, c, slot_index, from + step, &p1) && (p1 > p0 || p1 < p0)) {
            double root = from - p0 * step / (p1 - p0);

            if (isfinite(root) && (n == 0 || root < out[n - 1] || root > out[n - 1]))
                out[n++] = root;
        }
        if (is_date || n == 4)
            break;
    }
    return n;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void point_add(const fact *f, tries *t, double x, bool is_date)
{
    if (x < f->pub.min || x > f->pub.max || !isfinite(x) || (is_date && fabs(x) > 2e11))
        return;
    if (is_date)
        try_add(t, (slot){ .known = true, .time = (int64_t)(floor(x / 86400.0) * 86400.0) });
    else
        try_add(t, (slot){ .known = true, .num = x });
}

static size_t sorted_once(double *roots, size_t n)
{
    size_t kept = 0;

    qsort(roots, n, sizeof *roots, by_size);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || roots[i] > roots[kept - 1])
            roots[kept++] = roots[i];
    return kept;
}

/* The ends, every root and a point on either side of it. */
static void between(const fact *f, tries *t, double *roots, size_t n, bool is_date)
{
    double low;

    n = sorted_once(roots, n);
    low = f->pub.min > -DBL_MAX ? f->pub.min : n > 0 ? roots[0] - fabs(roots[0]) - 1 : 0;
    point_add(f, t, is_date ? (n > 0 ? roots[0] - 864000 : 1e9) : low, is_date);
    for (size_t i = 0; i < n; i++) {
        double after = i + 1 < n ? roots[i] + (roots[i + 1] - roots[i]) / 2
                                 : is_date ? roots[i] + 864000 : roots[i] + fabs(roots[i]) + 1;

        point_add(f, t, roots[i], is_date);
        point_add(f, t, is_date ? roots[i] - 86400 : roots[i] - fabs(roots[i]) * 1e-9, is_date);
        point_add(f, t, is_date ? roots[i] + 86400 : roots[i] + fabs(roots[i]) * 1e-9, is_date);
        point_add(f, t, after, is_date);
    }
    if (f->pub.max < DBL_MAX)
        point_add(f, t, f->pub.max, is_date);
}

static void point_tries(search *s, int slot_index, tries *t)
{
    const pl_rules_book *b = s->e->book;
    const fact          *f = &b->facts[slot_index];
    bool                 is_date = f->pub.type == PL_FACT_DATE;
    double               roots[ROOTS_MAX];
    size_t               n = 0;
    bool                 open, any_open = false;

    if (f->pub.is_integer && f->pub.max - f->pub.min <= 16) {
        for (double x = f->pub.min; x <= f->pub.max; x++)
            try_add(t, (slot){ .known = true, .num = x });
        return;
    }
    for (size_t i = 0; i < b->ncompares; i++)
        if (slot_has(&b->compares[i].facts, (size_t)slot_index)) {
            if (n + 8 >= ROOTS_MAX) { /* more points than are tried */
                s->is_cut = true;
                break;
            }
            n = sorted_once(roots, n + roots_of(s->e, b->compares[i].n, slot_index, is_date, roots + n, &open));
            any_open |= open;
        }
    for (size_t i = 0; any_open && !is_date && i < 8; i++) /* against another unknown number */
        point_add(f, t, scales[i], is_date);
    between(f, t, roots, n, is_date);
}

static void tries_of(search *s, int slot_index, tries *t)
{
    const fact *f = &s->e->book->facts[slot_index];

    t->n = 0;
    switch (f->pub.type) {
    case PL_FACT_BOOL:
        try_add(t, (slot){ .known = true, .value = 0 });
        try_add(t, (slot){ .known = true, .value = 1 });
        break;
    case PL_FACT_TEXT:
        text_tries(f, t);
        break;
    case PL_FACT_LIST:
    case PL_FACT_MAP:
        if (!member_tries(f, &s->e->slots[slot_index], t))
            try_add(t, (slot){ .known = true, .yes = s->e->slots[slot_index].yes,
                               .count = (size_t)__builtin_popcountll(s->e->slots[slot_index].yes) });
        break;
    case PL_FACT_NUMBERS:
        numbers_tries(f, t);
        break;
    default:
        point_tries(s, slot_index, t);
    }
}

/* --- walking -------------------------------------------------------------------------------- */

/* The values the axis may take now (for a set: members certain, and uncertain ones), with what
 * they hinge on. 0: these facts contradict each other. */
static uint64_t look(search *s, uint64_t *yes, slotset *dep)
{
    eval    *e = s->e;
    uint64_t maybe;

    s->left = s->left > 0 ? s->left - 1 : 0;
    e->epoch++;
    memset(&e->dep, 0, sizeof e->dep);
    for (size_t i = 0; i < e->book->ncontradictions; i++)
        if (eval_bool(e, e->book->contradictions[i]->when) == TRUE_)
            return 0;
    memset(&e->dep, 0, sizeof e->dep);
    eval_field(e, s->f, yes, &maybe);
    *dep = e->dep;
    return maybe;
}

/* Numbers and dates come last: where a comparison changes may hinge on the others. */
static int first_of(const pl_rules_book *b, const slotset *s)
{
    int number = -1;

    for (size_t i = 0; i < SLOT_WORDS; i++)
        for (uint64_t w = s->w[i]; w != 0; w &= w - 1) {
            int          at = (int)(i * 64) + __builtin_ctzll(w);
            pl_fact_type type = b->facts[at].pub.type;

            if (type != PL_FACT_NUMBER && type != PL_FACT_DATE)
                return at;
            number = number < 0 ? at : number;
        }
    return number;
}

static bool rule_hinges(eval *e, const entry *x, slotset *dep)
{
    memset(&e->dep, 0, sizeof e->dep);
    if (eval_rule(e, x->rule) != UNKNOWN_)
        return false;
    *dep = e->dep;
    return true;
}

/* The unknown fact to try so that `want` may be reached: of its own rule, else of the first
 * rule that could take precedence. */
static int choose(search *s, int want)
{
    slotset dep, first = { { 0 } };
    bool    any = false;

    for (size_t i = 0; i < s->f->nentries; i++) {
        const entry *x = &s->f->entries[i];

        if (!rule_hinges(s->e, x, &dep))
            continue;
        if (x->value == want)
            return first_of(s->e->book, &dep);
        if (!any)
            first = dep;
        any = true;
    }
    return any ? first_of(s->e->book, &first) : -1;
}

static bool reach(search *s, int want);

static bool reach_through(search *s, int want, int slot_index)
{
    slot  *at = &s->e->slots[slot_index], old = *at;
    tries *t = malloc(sizeof *t);
    bool   got = false;

    if (t == NULL) {
        s->is_cut = true;
        return false;
    }
    tries_of(s, slot_index, t);
    s->level++;
    for (size_t i = 0; i < t->n && !got; i++) {
        *at = t->v[i];
        got = reach(s, want);
    }
    s->level--;
    *at = old;
    free(t);
    return got;
}

/* Whether some answers to what is unknown lead to the value. */
static bool reach(search *s, int want)
{
    uint64_t yes, maybe, bit = (uint64_t)1 << want;
    slotset  dep;
    int      next;

    if (s->left == 0 || s->level > LEVELS_MAX) {
        s->is_cut = true;
        return false;
    }
    maybe = look(s, &yes, &dep);
    if (s->f->type == F_SET) {
        s->found |= yes;
        if ((yes & bit) != 0 || (maybe & bit) == 0)
            return (yes & bit) != 0;
    } else {
        if (maybe != 0 && single(maybe))
            s->found |= maybe;
        if ((maybe & bit) == 0 || single(maybe))
            return (maybe & bit) != 0;
    }
    next = choose(s, want);
    return next >= 0 && reach_through(s, want, next);
}

/* --- what it hinges on ------------------------------------------------------------------------ */

static bool differs(search *s, int of);

/* Whether two answers about the fact lead, here, to values that cannot be the same. */
static bool splits(search *s, int of, tries *t)
{
    slot    *at = &s->e->slots[of], old = *at;
    uint64_t seen[TRIES_MAX], sure[TRIES_MAX];
    size_t   n = 0;
    bool     got = false;
    slotset  dep;

    tries_of(s, of, t);
    for (size_t i = 0; i < t->n && !got; i++) {
        uint64_t yes, maybe;

        *at = t->v[i];
        maybe = look(s, &yes, &dep);
        if (maybe == 0 && s->f->type != F_SET)
            continue; /* contradiction */
        for (size_t k = 0; k < n && !got; k++)
            got = s->f->type == F_SET ? (yes & ~seen[k]) != 0 || (sure[k] & ~maybe) != 0
                                      : (maybe & seen[k]) == 0;
        seen[n] = maybe;
        sure[n++] = yes;
    }
    *at = old;
    return got;
}

/* The fact to try next so that only `of` matters: one that stands beside it in a rule. */
static int beside(search *s, const slotset *all, int of)
{
    slotset dep, rest = *all;
    int     got;

    for (size_t i = 0; i < s->f->nentries; i++) {
        if (!rule_hinges(s->e, &s->f->entries[i], &dep) || !slot_has(&dep, (size_t)of))
            continue;
        dep.w[of / 64] &= ~((uint64_t)1 << (of % 64));
        if ((got = first_of(s->e->book, &dep)) >= 0)
            return got;
    }
    rest.w[of / 64] &= ~((uint64_t)1 << (of % 64));
    return first_of(s->e->book, &rest);
}

static bool differs_below(search *s, int of, const slotset *dep, tries *t)
{
    int   next = beside(s, dep, of);
    slot *at, old;
    bool  got = false;

    if (next < 0) { /* nothing else matters: a list may need several members */
        if (s->e->book->facts[of].pub.type != PL_FACT_LIST && s->e->book->facts[of].pub.type != PL_FACT_MAP)
            return false;
        next = of;
    }
    at = &s->e->slots[next];
    old = *at;
    tries_of(s, next, t);
    s->level++;
    for (size_t i = 0; i < t->n && !got; i++) {
        *at = t->v[i];
        got = differs(s, of);
    }
    s->level--;
    *at = old;
    return got;
}

/* Whether the axis depends on the fact, whatever else is answered. */
static bool differs(search *s, int of)
{
    uint64_t yes, maybe;
    slotset  dep;
    tries   *t;
    bool     got;

    if (s->left == 0 || s->level > LEVELS_MAX) {
        s->is_cut = true;
        return false;
    }
    maybe = look(s, &yes, &dep);
    if (!slot_has(&dep, (size_t)of) || (s->f->type == F_SET ? yes == maybe : single(maybe)))
        return false;
    t = malloc(sizeof *t);
    if (t == NULL) {
        s->is_cut = true;
        return false;
    }
    got = splits(s, of, t) || differs_below(s, of, &dep, t);
    free(t);
    return got;
}

static void missing_of(search *s, const slotset *candidates, slotset *missing)
{
    for (size_t i = 0; i < s->e->book->nfacts; i++) {
        if (!slot_has(candidates, i))
            continue;
        s->left = s->e->budget / 10;
        s->is_cut = false;
        if (differs(s, (int)i) || s->is_cut)
            slot_add(missing, i);
        if (s->is_cut)
            s->e->exact = false;
    }
}

void search_axis(eval *e, const field *f, uint64_t *possible, slotset *missing)
{
    search   s = { .e = e, .f = f, .left = e->budget };
    uint64_t yes, maybe;
    slotset  dep;

    maybe = look(&s, &yes, &dep);
    *possible = maybe;
    if (f->type == F_SET ? yes == maybe : single(maybe))
        return;
    if (f->type == F_SET)
        s.found = yes;
    for (int v = 0; v < 64; v++) {
        s.is_cut = false;
        if ((maybe & ~s.found & (uint64_t)1 << v) == 0 || reach(&s, v))
            continue;
        if (!s.is_cut)
            *possible &= ~((uint64_t)1 << v);
        else
            e->exact = false;
    }
    missing_of(&s, &dep, missing);
    e->epoch++;
}
