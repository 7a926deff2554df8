/* Strong Kleene evaluation. A result that is not known leaves in e->dep the unknown facts on
 * which it hinges; a result that is known leaves e->dep as it was. Bodies of definitions,
 * rules and results are kept for the epoch, with what they hinge on. */
#include "base/banned.h"

#include "engine/rules/rules_int.h"

#include <math.h>

bool slot_has(const slotset *s, size_t i)
{
    return (s->w[i / 64] >> (i % 64) & 1) != 0;
}

void slot_add(slotset *s, size_t i)
{
    s->w[i / 64] |= (uint64_t)1 << (i % 64);
}

void slot_join(slotset *s, const slotset *o)
{
    for (size_t i = 0; i < SLOT_WORDS; i++)
        s->w[i] |= o->w[i];
}

bool slot_empty(const slotset *s)
{
    for (size_t i = 0; i < SLOT_WORDS; i++)
        if (s->w[i] != 0)
            return false;
    return true;
}

pl_rc eval_init(eval *e, const pl_rules_facts *f, int64_t as_of, pl_error *err)
{
    size_t n = f->book->nfacts;

    *e = (eval){ .book = f->book, .given = f->slots, .as_of = as_of, .epoch = 1, .exact = true,
                 .budget = PL_RULES_BUDGET };
    e->memos = calloc(f->book->nmemos + 1, sizeof *e->memos);
    e->slots = malloc((n + 1) * sizeof *e->slots);
    if (e->memos == NULL || e->slots == NULL) {
        eval_done(e);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    memcpy(e->slots, f->slots, n * sizeof *e->slots);
    return PL_OK;
}

void eval_done(eval *e)
{
    free(e->memos);
    free(e->slots);
    e->memos = NULL;
    e->slots = NULL;
}

static tri unknown(eval *e, int of)
{
    slot_add(&e->dep, (size_t)of);
    return UNKNOWN_;
}

static tri truth(bool b)
{
    return b ? TRUE_ : FALSE_;
}

/* --- memos --------------------------------------------------------------------------------- */

/* Begins a body: true when it is known for this epoch. Else *before is what to restore. */
static bool memo_have(eval *e, memo *m, slotset *before)
{
    if (m->epoch == e->epoch) {
        slot_join(&e->dep, &m->dep);
        return true;
    }
    *before = e->dep;
    memset(&e->dep, 0, sizeof e->dep);
    return false;
}

static void memo_keep(eval *e, memo *m, const slotset *before)
{
    m->epoch = e->epoch;
    m->dep = e->dep;
    slot_join(&e->dep, before);
}

/* --- conditions ------------------------------------------------------------------------------ */

static tri eval_and(eval *e, const node *n, tri stop)
{
    slotset before = e->dep;
    tri     r = stop == FALSE_ ? TRUE_ : FALSE_;

    for (size_t i = 0; i < n->nkids; i++) {
        tri t = eval_bool(e, n->kids[i]);

        if (t == stop) {
            e->dep = before;
            return stop;
        }
        if (t == UNKNOWN_)
            r = UNKNOWN_;
    }
    return r;
}

static tri eval_at_least(eval *e, const node *n)
{
    slotset before = e->dep;
    double  yes = 0, maybe = 0;

    for (size_t i = 0; i < n->nkids; i++) {
        tri t = eval_bool(e, n->kids[i]);

        yes += t == TRUE_;
        maybe += t == UNKNOWN_;
    }
    if (yes >= n->num || yes + maybe < n->num) {
        e->dep = before;
        return truth(yes >= n->num);
    }
    return UNKNOWN_;
}

static tri eval_compare(eval *e, const node *n)
{
    value a = eval_value(e, n->kids[0]), b = eval_value(e, n->kids[1]);
    bool  num = n->kids[0]->kind == K_NUM;

    if (!a.known || !b.known)
        return UNKNOWN_;
    switch (n->op) {
    case OP_LT:
        return truth(num ? a.num < b.num : a.time < b.time);
    case OP_LE:
        return truth(num ? a.num <= b.num : a.time <= b.time);
    case OP_GT:
        return truth(num ? a.num > b.num : a.time > b.time);
    case OP_GE:
        return truth(num ? a.num >= b.num : a.time >= b.time);
    case OP_EQ:
        return truth(num ? a.num >= b.num && a.num <= b.num : a.time == b.time);
    default:
        return truth(num ? a.num < b.num || a.num > b.num : a.time != b.time);
    }
}

static tri in_mask(eval *e, const node *n)
{
    const slot *s = &e->slots[n->slot];

    if (!s->known)
        return unknown(e, n->slot);
    return truth(s->value >= 0 && (n->mask >> s->value & 1) != 0);
}

static tri like_mask(eval *e, const node *n)
{
    const slot *s = &e->slots[n->slot];

    if (!s->known)
        return unknown(e, n->slot);
    return truth((s->yes & n->mask) != 0 || (s->value >= 0 && (n->mask >> s->value & 1) != 0));
}

static tri set_any(uint64_t mask, uint64_t yes, uint64_t no)
{
    if ((mask & yes) != 0)
        return TRUE_;
    return (mask & ~no) == 0 ? FALSE_ : UNKNOWN_;
}

static tri set_all(uint64_t mask, uint64_t yes, uint64_t no)
{
    if ((mask & ~yes) == 0)
        return TRUE_;
    return (mask & no) != 0 ? FALSE_ : UNKNOWN_;
}

static tri fact_set(eval *e, const node *n)
{
    const slot *s = &e->slots[n->slot];
    uint64_t    no = s->known ? ~s->yes : s->no;
    tri         t = n->op == OP_ANY ? set_any(n->mask, s->yes, no) : set_all(n->mask, s->yes, no);

    return t == UNKNOWN_ ? unknown(e, n->slot) : t;
}

static tri result_mask(eval *e, const node *n)
{
    slotset  before = e->dep;
    uint64_t yes, maybe;
    tri      t;

    eval_field(e, n->field, &yes, &maybe);
    if (n->op == OP_RESULT_IN)
        t = (maybe & ~n->mask) == 0 ? TRUE_ : (maybe & n->mask) == 0 ? FALSE_ : UNKNOWN_;
    else if (n->op == OP_RESULT_ANY)
        t = set_any(n->mask, yes, ~maybe);
    else
        t = set_all(n->mask, yes, ~maybe);
    if (t != UNKNOWN_)
        e->dep = before;
    return t;
}

static tri eval_let(eval *e, const node *n)
{
    memo   *m = &e->memos[n->let->index];
    slotset before;

    if (!memo_have(e, m, &before)) {
        m->truth = eval_bool(e, n->let->expr);
        memo_keep(e, m, &before);
    }
    return m->truth;
}

tri eval_rule(eval *e, const rule *r)
{
    memo   *m = &e->memos[r->index];
    slotset before;

    if (!memo_have(e, m, &before)) {
        m->truth = eval_bool(e, r->when);
        memo_keep(e, m, &before);
    }
    return m->truth;
}

static tri eval_if_bool(eval *e, const node *n)
{
    slotset before = e->dep;
    tri     c = eval_bool(e, n->kids[0]), a, b;

    if (c != UNKNOWN_)
        return eval_bool(e, n->kids[c == TRUE_ ? 1 : 2]);
    a = eval_bool(e, n->kids[1]);
    b = eval_bool(e, n->kids[2]);
    if (a != b || a == UNKNOWN_)
        return UNKNOWN_;
    e->dep = before;
    return a;
}

tri eval_bool(eval *e, const node *n)
{
    tri t;

    switch (n->op) {
    case OP_BOOL:
        return truth(n->num > 0);
    case OP_FACT:
        return e->slots[n->slot].known ? truth(e->slots[n->slot].value != 0) : unknown(e, n->slot);
    case OP_KNOWN:
        return truth(e->given[n->slot].known);
    case OP_IN:
        return in_mask(e, n);
    case OP_LIKE:
        return like_mask(e, n);
    case OP_ANY:
    case OP_ALL:
        return fact_set(e, n);
    case OP_RESULT:
        return eval_flag(e, n->field);
    case OP_RESULT_IN:
    case OP_RESULT_ANY:
    case OP_RESULT_ALL:
        return result_mask(e, n);
    case OP_LET:
        return eval_let(e, n);
    case OP_FIRED:
        return eval_rule(e, n->rule);
    case OP_NOT:
        t = eval_bool(e, n->kids[0]);
        return t == UNKNOWN_ ? t : truth(t == FALSE_);
    case OP_AND:
        return eval_and(e, n, FALSE_);
    case OP_OR:
        return eval_and(e, n, TRUE_);
    case OP_AT_LEAST:
        return eval_at_least(e, n);
    case OP_IF:
        return eval_if_bool(e, n);
    default:
        return eval_compare(e, n);
    }
}

/* --- numbers, dates, texts --------------------------------------------------------------------- */

static value no_value(void)
{
    return (value){ .known = false };
}

static value number_value(double x)
{
    return (value){ .known = isfinite(x), .num = x };
}

static value time_value(int64_t t, bool has_time)
{
    return (value){ .known = true, .time = t, .has_time = has_time };
}

static value fact_number(eval *e, const node *n)
{
    const slot *s = &e->slots[n->slot];

    if (!s->known) {
        (void)unknown(e, n->slot);
        return no_value();
    }
    return n->kind == K_DATE ? time_value(s->time, s->has_time) : number_value(s->num);
}

static int bits(uint64_t m)
{
    return __builtin_popcountll(m);
}

static value over_numbers(eval *e, const node *n)
{
    const node *list = n->kids[0];
    const slot *s = &e->slots[list->slot];
    double      sum = 0, rest = 1, low = INFINITY, high = -INFINITY;

    if (list->kind == K_SET && !s->known) {
        const pl_fact *f = &e->book->facts[list->slot].pub;
        uint64_t       all = f->value_count == 64 ? ~(uint64_t)0 : ((uint64_t)1 << f->value_count) - 1;

        if (!f->is_open && (all & ~(s->yes | s->no)) == 0)
            return number_value(bits(s->yes));
    }
    if (!s->known) {
        (void)unknown(e, list->slot);
        return no_value();
    }
    if (n->op == OP_COUNT)
        return number_value(list->kind == K_SET ? (double)s->count : (double)s->nnums);
    for (size_t i = 0; i < s->nnums; i++) {
        sum += s->nums[i];
        rest *= 1 - s->nums[i];
        low = fmin(low, s->nums[i]);
        high = fmax(high, s->nums[i]);
    }
    if (n->op == OP_SUM || n->op == OP_REST)
        return number_value(n->op == OP_SUM ? sum : rest);
    if (s->nnums == 0) /* of nothing there is no mean, least and most: as if nothing were given */
        (void)unknown(e, list->slot);
    return number_value(n->op == OP_MEAN ? sum / (double)s->nnums : n->op == OP_LEAST ? low : high);
}

static value arithmetic(eval *e, const node *n)
{
    value a = eval_value(e, n->kids[0]), b = eval_value(e, n->kids[1]);
    bool  share = n->op == OP_MUL && n->unit != UNIT_PERCENT &&
                 (n->kids[0]->unit == UNIT_PERCENT || n->kids[1]->unit == UNIT_PERCENT);

    if (!a.known || !b.known)
        return no_value();
    switch (n->op) {
    case OP_ADD:
        return number_value(a.num + b.num);
    case OP_SUB:
        return number_value(a.num - b.num);
    case OP_MUL:
        return number_value(share ? a.num * b.num / 100 : a.num * b.num);
    default:
        return number_value(a.num / b.num);
    }
}

static value extreme(eval *e, const node *n)
{
    value r = no_value();
    bool  all = true;

    for (size_t i = 0; i < n->nkids; i++) {
        value v = eval_value(e, n->kids[i]);
        bool  better;

        if (!v.known) {
            all = false;
            continue;
        }
        better = n->kind == K_DATE ? (n->op == OP_MIN ? v.time < r.time : v.time > r.time)
                                   : (n->op == OP_MIN ? v.num < r.num : v.num > r.num);
        if (!r.known || better)
            r = v;
    }
    return all ? r : no_value();
}

static value dates(eval *e, const node *n)
{
    value a = eval_value(e, n->kids[0]), b = eval_value(e, n->kids[1]);
    int   unit = n->kids[1]->unit;

    if (!a.known || !b.known)
        return no_value();
    if (n->op == OP_DATE_DIFF)
        return number_value((double)(a.time - b.time) / (double)DAY_S);
    if (!(fabs(b.num) < 4e8))
        return time_value(NEVER, false);
    return time_value(time_add(a.time, (int64_t)(n->num * b.num), unit),
                      a.has_time || unit == UNIT_HOURS);
}

static bool same_value(const node *n, const value *a, const value *b)
{
    if (a->text != NULL || b->text != NULL)
        return a->text != NULL && b->text != NULL && strcmp(a->text, b->text) == 0;
    return n->kind == K_DATE ? a->time == b->time : a->num >= b->num && a->num <= b->num;
}

static value eval_if(eval *e, const node *n)
{
    slotset before = e->dep;
    tri     c = eval_bool(e, n->kids[0]);
    value   a, b;

    if (c != UNKNOWN_)
        return eval_value(e, n->kids[c == TRUE_ ? 1 : 2]);
    a = eval_value(e, n->kids[1]);
    b = eval_value(e, n->kids[2]);
    if (!a.known || !b.known || !same_value(n, &a, &b))
        return no_value();
    e->dep = before;
    return a;
}

static value rounded(eval *e, const node *n)
{
    value v = eval_value(e, n->kids[0]);

    if (!v.known)
        return v;
    v.num = n->op == OP_ROUND ? floor(v.num + 0.5) : n->op == OP_FLOOR ? floor(v.num) : ceil(v.num);
    return v;
}

static value let_value(eval *e, const node *n)
{
    memo   *m = &e->memos[n->let->index];
    slotset before;

    if (!memo_have(e, m, &before)) {
        m->v = eval_value(e, n->let->expr);
        memo_keep(e, m, &before);
    }
    return m->v;
}

value eval_value(eval *e, const node *n)
{
    switch (n->op) {
    case OP_NUM:
        return number_value(n->num);
    case OP_DATE:
        return time_value(n->time, false);
    case OP_TEXT:
        return (value){ .known = true, .text = n->text };
    case OP_ASOF:
        return time_value(e->as_of, false);
    case OP_FACT:
        return fact_number(e, n);
    case OP_RESULT:
        return eval_field_value(e, n->field);
    case OP_LET:
        return let_value(e, n);
    case OP_IF:
        return eval_if(e, n);
    case OP_MIN:
    case OP_MAX:
        return extreme(e, n);
    case OP_ROUND:
    case OP_FLOOR:
    case OP_CEIL:
        return rounded(e, n);
    case OP_COUNT:
    case OP_SUM:
    case OP_MEAN:
    case OP_LEAST:
    case OP_MOST:
    case OP_REST:
        return over_numbers(e, n);
    case OP_DATE_ADD:
    case OP_DATE_DIFF:
        return dates(e, n);
    default:
        return arithmetic(e, n);
    }
}

/* --- results ------------------------------------------------------------------------------------- */

static uint64_t bit(int i)
{
    return (uint64_t)1 << i;
}

static uint64_t grade_mask(eval *e, const field *f)
{
    slotset  before = e->dep;
    uint64_t mask = 0;
    size_t   i = 0;

    for (; i < f->nentries; i++) {
        tri t = eval_rule(e, f->entries[i].rule);

        if (t != FALSE_)
            mask |= bit(f->entries[i].value);
        if (t == TRUE_)
            break;
    }
    if (i == f->nentries)
        mask |= bit(f->dflt >= 0 ? f->dflt : FIELD_NONE);
    if ((mask & (mask - 1)) == 0)
        e->dep = before;
    return mask;
}

static void set_masks(eval *e, const field *f, uint64_t *yes, uint64_t *maybe)
{
    slotset dep = e->dep;

    *yes = *maybe = 0;
    for (size_t i = 0; i < f->nentries; i++) {
        tri t = eval_rule(e, f->entries[i].rule);

        if (t == TRUE_)
            *yes |= bit(f->entries[i].value);
        if (t != FALSE_)
            *maybe |= bit(f->entries[i].value);
    }
    if (*yes == *maybe)
        e->dep = dep;
}

void eval_field(eval *e, const field *f, uint64_t *yes, uint64_t *maybe)
{
    memo   *m = &e->memos[f->index];
    slotset before;

    if (!memo_have(e, m, &before)) {
        if (f->type == F_SET) {
            set_masks(e, f, &m->yes, &m->maybe);
        } else {
            m->maybe = grade_mask(e, f);
            m->yes = (m->maybe & (m->maybe - 1)) == 0 ? m->maybe : 0;
        }
        memo_keep(e, m, &before);
    }
    *yes = m->yes;
    *maybe = m->maybe;
}

tri eval_flag(eval *e, const field *f)
{
    memo   *m = &e->memos[f->index];
    slotset before;

    if (memo_have(e, m, &before))
        return m->truth;
    m->truth = FALSE_;
    for (size_t i = 0; i < f->nentries && m->truth != TRUE_; i++) {
        tri t = eval_rule(e, f->entries[i].rule);

        m->truth = t == FALSE_ ? m->truth : t;
    }
    if (m->truth == TRUE_)
        memset(&e->dep, 0, sizeof e->dep);
    memo_keep(e, m, &before);
    return m->truth;
}

static bool replaces(const field *f, const value *old, const value *v)
{
    bool less = f->type == F_DATE ? v->time < old->time : v->num < old->num;
    bool more = f->type == F_DATE ? v->time > old->time : v->num > old->num;

    return f->combine == C_MIN ? less : f->combine == C_MAX ? more : false;
}

/* A number or a date; not known also when no rule fires: then nothing is in e->dep. */
value eval_field_value(eval *e, const field *f)
{
    value r = no_value();

    for (size_t i = 0; i < f->nentries; i++) {
        tri   t = eval_rule(e, f->entries[i].rule);
        value v;

        if (t == FALSE_)
            continue;
        v = eval_value(e, f->entries[i].expr);
        if (t == UNKNOWN_ || !v.known)
            return no_value();
        if (!r.known || replaces(f, &r, &v))
            r = v;
        if (f->combine == C_FIRST)
            break;
    }
    return r;
}
