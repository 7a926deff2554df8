/* What only the whole pack shows: results that depend on themselves, and what is never used. */
#include "base/banned.h"

#include "engine/rules/rules_int.h"

enum { WHITE, GREY, BLACK };

static const field *circle_in(node *n);

static const field *circle_rule(rule *r)
{
    if (r->mark != WHITE)
        return NULL; /* rules and definitions use earlier ones only: circles go through results */
    r->mark = BLACK;
    return circle_in(r->when);
}

static const field *circle_field(field *f)
{
    const field *bad = NULL;

    if (f->mark != WHITE)
        return f->mark == GREY ? f : NULL;
    f->mark = GREY;
    for (size_t i = 0; i < f->nentries && bad == NULL; i++) {
        bad = circle_rule(f->entries[i].rule);
        if (bad == NULL && f->entries[i].expr != NULL)
            bad = circle_in(f->entries[i].expr);
    }
    f->mark = BLACK;
    return bad;
}

static const field *circle_in(node *n)
{
    const field *bad = NULL;

    if (n->field != NULL)
        bad = circle_field(n->field);
    if (bad == NULL && n->let != NULL && n->let->mark == WHITE) {
        n->let->mark = BLACK;
        bad = circle_in(n->let->expr);
    }
    if (bad == NULL && n->rule != NULL)
        bad = circle_rule(n->rule);
    for (size_t i = 0; i < n->nkids && bad == NULL; i++)
        bad = circle_in(n->kids[i]);
    return bad;
}

/* Whether any facts whatever, on one of a few days, make the rule fire; known() says what `given`
 * says. */
static bool can_fire(compiler *c, rule *r, const slot *given)
{
    pl_rules_book *b = c->book;
    entry          e = { .rule = r, .value = 0 };
    field          f = { .type = F_SET, .nentries = 1, .entries = &e, .index = b->nmemos };
    pl_rules_facts none = { .book = b, .slots = calloc(b->nfacts + 1, sizeof(slot)) };
    int64_t        days[3] = { c->pack->from, c->pack->to, c->pack->from + 7300 * DAY_S };
    bool           can = none.slots == NULL;

    for (size_t i = 0; i < 3 && !can; i++) {
        uint64_t possible = 1;
        slotset  missing = { { 0 } };
        eval     v;

        if (days[i] == NEVER || days[i] > c->pack->to)
            continue;
        b->nmemos++; /* for the field that stands for the rule */
        if (eval_init(&v, &none, days[i], NULL) == PL_OK) {
            v.given = given;
            search_axis(&v, &f, &possible, &missing);
            eval_done(&v);
        }
        b->nmemos--;
        can = possible != 0;
    }
    free(none.slots);
    return can;
}

/* The same with one or two of the facts that the rule reads given: for rules that want one fact
 * known and another not. */
static bool can_fire_with_few(compiler *c, rule *r, slot *given)
{
    size_t n = c->book->nfacts;
    bool   can = false;

    for (size_t i = 0; i < n && !can; i++) {
        if (!slot_has(&r->facts, i))
            continue;
        given[i].known = true;
        can = can_fire(c, r, given);
        for (size_t k = i + 1; k < n && !can; k++) {
            if (!slot_has(&r->facts, k))
                continue;
            given[k].known = true;
            can = can_fire(c, r, given);
            given[k].known = false;
        }
        given[i].known = false;
    }
    return can;
}

static void never_firing(compiler *c)
{
    size_t n = c->book->nfacts;
    slot  *none = calloc(n + 1, sizeof *none), *all = calloc(n + 1, sizeof *all);

    for (size_t i = 0; all != NULL && i < n; i++)
        all[i].known = true;
    for (size_t i = 0; none != NULL && all != NULL && i < c->pack->nrules; i++) {
        rule *r = &c->pack->rules[i];
        char  at[40];

        (void)snprintf(at, sizeof at, "/rules/%zu", i);
        if (!can_fire(c, r, none) && !can_fire(c, r, all) && !can_fire_with_few(c, r, none))
            remark(c, at, "rule '%s': no facts were found that fire it", r->id);
    }
    free(none);
    free(all);
}

static void unused(compiler *c)
{
    pack *p = c->pack;

    for (size_t i = 0; i < p->nlets; i++)
        if (!p->lets[i].used)
            remark(c, "/define", "definition '%s' is not used", p->lets[i].name);
    for (size_t i = 0; i < p->nobligations; i++)
        if (!p->obligations[i].used)
            remark(c, "/rules", "obligation '%s' is never emitted", p->obligations[i].id);
    never_firing(c);
    for (size_t i = 0; i < p->nfields; i++) {
        field   *f = &p->fields[i];
        uint64_t granted = f->dflt >= 0 ? (uint64_t)1 << f->dflt : 0;

        for (size_t k = 0; k < f->nentries && f->nvalues > 0; k++)
            granted |= (uint64_t)1 << f->entries[k].value;
        for (size_t v = 0; v < f->nvalues; v++)
            if ((granted >> v & 1) == 0)
                remark(c, "/results", "no rule gives '%s' the value '%s'", f->name, f->values[v]);
        if (f->nvalues == 0 && f->nentries == 0)
            remark(c, "/results", "no rule sets '%s'", f->name);
    }
}

/* Facts in the order of reading, then those that only other results name. */
static pl_rc order_read(compiler *c)
{
    pack   *p = c->pack;
    slotset seen = { { 0 } };

    p->order = book_alloc(c->book, PL_RULES_FACTS_MAX * sizeof *p->order);
    if (p->order == NULL)
        return pl_fail(c->err, PL_LIMIT, "the packs are too large");
    for (size_t i = 0; i < p->nrules; i++)
        expr_order(p->rules[i].when, &seen, p->order, &p->norder);
    for (size_t i = 0; i < c->book->nfacts; i++)
        if (!slot_has(&seen, i))
            p->order[p->norder++] = (uint16_t)i;
    return PL_OK;
}

pl_rc check_rules(compiler *c)
{
    pack *p = c->pack;

    for (size_t i = 0; i < p->nfields; i++) {
        const field *bad = circle_field(&p->fields[i]);

        if (bad != NULL)
            return wrong(c, "/results", "result '%s' depends on itself", bad->name);
    }
    for (size_t i = 0; i < p->nrules; i++)
        if (!p->rules[i].has_facts) {
            p->rules[i].has_facts = true;
            expr_facts(p->rules[i].when, &p->rules[i].facts);
        }
    book_comparisons(c->book);
    if (order_read(c) != PL_OK)
        return PL_LIMIT;
    if (c->note != NULL)
        unused(c);
    return PL_OK;
}
