/* A pack, facts and a day to a result: docs/formats/rules.md, "Results". */
#include "base/banned.h"

#include "engine/rules/rules_int.h"

#define UNDETERMINED "UNDETERMINED"

typedef struct grading {
    const pack           *p;
    const pl_rules_facts *facts;
    eval                  e;
    unsigned              flags;
    json_t               *out, *possible, *by_axis, *undetermined, *basis;
    slotset               missing;
    bool                  exact;
} grading;

static bool single(uint64_t m)
{
    return m != 0 && (m & (m - 1)) == 0;
}

static void put(json_t *o, const char *key, json_t *v)
{
    (void)json_object_set_new(o, key, v != NULL ? v : json_null());
}

static bool holds(const json_t *list, const char *s)
{
    size_t  i;
    json_t *v;

    json_array_foreach((json_t *)(uintptr_t)list, i, v)
        if (strcmp(json_string_value(v), s) == 0)
            return true;
    return false;
}

static void put_once(json_t *list, const char *s)
{
    if (!holds(list, s))
        (void)json_array_append_new(list, json_string(s));
}

static const char *value_name(const field *f, int i)
{
    return i == FIELD_NONE ? "NONE" : f->values[i];
}

/* --- axes ---------------------------------------------------------------------------------- */

static void basis_add(grading *g, const field *f, uint64_t settled)
{
    for (size_t i = 0; i < f->nentries; i++) {
        const rule *r = f->entries[i].rule;

        if ((settled >> f->entries[i].value & 1) == 0 || eval_rule(&g->e, r) != TRUE_)
            continue;
        for (size_t k = 0; k < r->nbasis; k++)
            put_once(g->basis, r->basis[k]);
        for (size_t k = 0; k < r->ncite && r->nbasis == 0; k++)
            put_once(g->basis, r->cite[k]);
    }
}

static json_t *names_of(const field *f, uint64_t mask)
{
    json_t *list = json_array();

    for (int i = 0; i < 64; i++)
        if ((mask >> i & 1) != 0)
            (void)json_array_append_new(list, json_string(value_name(f, i)));
    return list;
}

/* A grade or set that is not settled: what it may still be, and on what that hinges. Only axes
 * are reported as open (docs/formats/rules.md, `axis: false`). */
static uint64_t axis_open(grading *g, const field *f, uint64_t maybe)
{
    slotset  missing = { { 0 } };
    uint64_t possible = maybe;
    json_t  *names;
    size_t   i;
    json_t  *v;

    if ((g->flags & PL_RULES_MISSING) != 0) {
        search_axis(&g->e, f, &possible, &missing);
    } else {
        missing = g->e.dep;
        g->exact = false;
    }
    if (f->type != F_SET && single(possible))
        return possible; /* it only seemed open */
    if (!f->is_axis)
        return 0;
    slot_join(&g->missing, &missing);
    names = names_of(f, possible);
    json_array_foreach(names, i, v)
        put_once(g->possible, json_string_value(v));
    put(g->by_axis, f->name, names);
    (void)json_array_append_new(g->undetermined, json_string(f->name));
    return 0;
}

static void axis_grade(grading *g, const field *f)
{
    uint64_t yes, maybe;

    memset(&g->e.dep, 0, sizeof g->e.dep);
    eval_field(&g->e, f, &yes, &maybe);
    if (!single(maybe))
        maybe = axis_open(g, f, maybe);
    if (maybe != 0)
        basis_add(g, f, maybe);
    put(g->out, f->name, json_string(maybe == 0 ? UNDETERMINED
                                                : value_name(f, __builtin_ctzll(maybe))));
}

/* A set lists what is certain, and UNDETERMINED as a last member when there may be more: an
 * empty list always means "none of them". */
static void axis_set(grading *g, const field *f)
{
    uint64_t yes, maybe, possible;
    json_t  *list;
    slotset  missing = { { 0 } };

    memset(&g->e.dep, 0, sizeof g->e.dep);
    eval_field(&g->e, f, &yes, &maybe);
    possible = maybe;
    if (yes != maybe && (g->flags & PL_RULES_MISSING) != 0)
        search_axis(&g->e, f, &possible, &missing);
    list = names_of(f, yes);
    if ((possible & ~yes) != 0) {
        (void)axis_open(g, f, maybe);
        (void)json_array_append_new(list, json_string(UNDETERMINED));
    }
    basis_add(g, f, yes);
    put(g->out, f->name, list);
}

/* --- other results ----------------------------------------------------------------------------- */

static json_t *value_out(const node *n, const value *v)
{
    char day[25];

    if (!v->known)
        return json_string(UNDETERMINED);
    if (v->text != NULL)
        return json_string(v->text);
    if (n->kind == K_DATE) {
        day_format(v->time, v->has_time, day);
        return json_string(day);
    }
    if (v->num >= -9e15 && v->num <= 9e15 && (double)(int64_t)v->num >= v->num &&
        (double)(int64_t)v->num <= v->num)
        return json_integer((json_int_t)v->num);
    return json_real(v->num);
}

static void field_text(grading *g, const field *f)
{
    const char *got = f->dflt_text != NULL ? f->dflt_text : f->dflt >= 0 ? f->values[f->dflt] : NULL;

    for (size_t i = 0; i < f->nentries; i++) {
        tri t = eval_rule(&g->e, f->entries[i].rule);

        if (t == FALSE_)
            continue;
        got = t == UNKNOWN_ ? UNDETERMINED
              : f->entries[i].text != NULL ? f->entries[i].text : f->values[f->entries[i].value];
        break;
    }
    if (got != NULL)
        put(g->out, f->name, json_string(got));
}

static void field_list(grading *g, const field *f)
{
    json_t *list = json_array();
    bool    open = false;

    for (size_t i = 0; i < f->nentries; i++) {
        const entry *x = &f->entries[i];
        tri          t = eval_rule(&g->e, x->rule);

        if (t == TRUE_)
            put_once(list, x->text != NULL ? x->text : f->values[x->value]);
        open |= t == UNKNOWN_;
    }
    if (open)
        put_once(list, UNDETERMINED);
    put(g->out, f->name, list);
}

static bool map_replaces(const field *f, const json_t *old, const value *v)
{
    if (old == NULL || f->combine == C_FIRST || !json_is_number(old) || v->text != NULL)
        return old == NULL;
    return f->combine == C_MIN ? v->num < json_number_value(old) : v->num > json_number_value(old);
}

static void map_put(const field *f, json_t *map, const char *key, const entry *x, bool fires,
                    const value *v)
{
    if (!fires || !v->known)
        put(map, key, json_string(UNDETERMINED));
    else if (map_replaces(f, json_object_get(map, key), v))
        put(map, key, value_out(x->expr, v));
}

/* Every member of the list that the key of the entry is about. */
static void map_put_each(grading *g, const field *f, json_t *map, const entry *x, bool fires,
                         const value *v)
{
    const fact   *of = &g->e.book->facts[x->each->slot];
    const json_t *list = json_object_get(g->facts->json, of->pub.key);
    size_t        n = json_is_array(list) ? json_array_size(list) : 1;

    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_array(list) ? json_array_get(list, i) : list;
        pl_str        s = { json_string_value(one), json_string_length(one) };

        if (s.p != NULL && (fact_patterns(of, s) & x->each->mask) != 0)
            map_put(f, map, s.p, x, fires, v);
    }
}

static void field_map(grading *g, const field *f)
{
    json_t *map = json_object();

    for (size_t i = 0; i < f->nentries; i++) {
        const entry *x = &f->entries[i];
        tri          t = eval_rule(&g->e, x->rule);
        value        v = { .known = false };

        if (t == FALSE_)
            continue;
        if (t == TRUE_)
            v = eval_value(&g->e, x->expr);
        if (x->each != NULL)
            map_put_each(g, f, map, x, t == TRUE_, &v);
        else
            map_put(f, map, x->key, x, t == TRUE_, &v);
    }
    put(g->out, f->name, map);
}

static void field_value(grading *g, const field *f)
{
    const node like = { .kind = f->type == F_DATE ? K_DATE : K_NUM };
    value      v;
    bool       any = false;

    for (size_t i = 0; i < f->nentries; i++)
        any |= eval_rule(&g->e, f->entries[i].rule) != FALSE_;
    if (!any)
        return;
    v = eval_field_value(&g->e, f);
    put(g->out, f->name, value_out(&like, &v));
}

static void field_any(grading *g, const field *f)
{
    tri t;

    memset(&g->e.dep, 0, sizeof g->e.dep);
    switch (f->type) {
    case F_GRADE:
        axis_grade(g, f);
        break;
    case F_SET:
        axis_set(g, f);
        break;
    case F_FLAG:
        t = eval_flag(&g->e, f);
        put(g->out, f->name, t == UNKNOWN_ ? json_string(UNDETERMINED) : json_boolean(t == TRUE_));
        break;
    case F_TEXT:
        field_text(g, f);
        break;
    case F_LIST:
        field_list(g, f);
        break;
    case F_MAP:
        field_map(g, f);
        break;
    default:
        field_value(g, f);
    }
}

/* --- obligations ------------------------------------------------------------------------------------ */

static void strings_put(json_t *o, const char *key, const char *const *s, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, json_string(s[i]));
    put(o, key, list);
}

typedef struct due {
    bool     fires, maybe, date_open;
    int64_t  from;
    const rule *by;
    slotset  missing;
} due;

/* The day from which a rule says the obligation holds; several rules: the earliest. */
static void due_add(grading *g, const rule *r, const emission *m, due *d)
{
    const node *n = m->from != NULL ? m->from : m->ob->from;
    value       v = { .known = true, .time = g->p->from };
    tri         t;

    memset(&g->e.dep, 0, sizeof g->e.dep);
    t = eval_rule(&g->e, r);
    if (t == FALSE_)
        return;
    if (t == UNKNOWN_) {
        d->maybe = true;
        slot_join(&d->missing, &g->e.dep);
        return;
    }
    if (n != NULL)
        v = eval_value(&g->e, n);
    if (v.known && v.time == NEVER)
        return;
    if (!d->fires)
        d->by = r;
    if (!v.known) {
        d->date_open = true;
        slot_join(&d->missing, &g->e.dep);
    } else if (!d->fires || v.time < d->from) {
        d->from = v.time;
    }
    d->fires = true;
}

static const char *status_of(grading *g, const obligation *ob, const due *d)
{
    value to = { .known = false };

    if (d->from == NEVER || (d->date_open && d->from > g->e.as_of))
        return "unknown";
    if (ob->to != NULL) {
        to = eval_value(&g->e, ob->to);
        if (!to.known)
            return "unknown";
        if (g->e.as_of > to.time)
            return "lapsed";
    }
    return d->from <= g->e.as_of ? "in_force" : "future";
}

/* In the order of questions; packs that were compiled later may have brought more facts. */
static json_t *keys_of(const grading *g, const slotset *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < g->p->norder; i++)
        if (slot_has(s, g->p->order[i]))
            (void)json_array_append_new(list, json_string(g->e.book->facts[g->p->order[i]].pub.key));
    return list;
}

static json_t *obligation_json(grading *g, const obligation *ob, const due *d)
{
    json_t     *o = json_object();
    const char *status = status_of(g, ob, d), *tag = ob->evidence != NULL ? ob->evidence : d->by->evidence;
    char        day[25];

    put(o, "id", json_string(ob->id));
    put(o, "status", json_string(status));
    day_format(d->from, false, day);
    put(o, "applies_from", strcmp(status, "unknown") == 0 ? json_null() : json_string(day));
    strings_put(o, "cite", ob->ncite > 0 ? ob->cite : d->by->cite, ob->ncite > 0 ? ob->ncite : d->by->ncite);
    put(o, "evidence", json_string(tag));
    put(o, "rule_id", json_string(d->by->id));
    if (ob->title[0] != NULL && ob->title[1] != NULL)
        put(o, "title", json_pack("{s:s, s:s}", "zh", ob->title[0], "en", ob->title[1]));
    if (ob->theme != NULL)
        put(o, "theme", json_string(ob->theme));
    if (strcmp(status, "unknown") == 0)
        put(o, "missing_facts", keys_of(g, &d->missing));
    return o;
}

static void obligations_put(grading *g)
{
    json_t *list = json_array(), *open = json_array();

    for (size_t k = 0; k < g->p->nobligations; k++) {
        const obligation *ob = &g->p->obligations[k];
        due               d = { .from = NEVER };

        for (size_t i = 0; i < g->p->nrules; i++)
            for (size_t j = 0; j < g->p->rules[i].nemits; j++)
                if (g->p->rules[i].emits[j].ob == ob)
                    due_add(g, &g->p->rules[i], &g->p->rules[i].emits[j], &d);
        if (d.fires)
            (void)json_array_append_new(list, obligation_json(g, ob, &d));
        else if (d.maybe)
            (void)json_array_append_new(open, json_pack("{s:s, s:o}", "id", ob->id, "missing_facts",
                                                        keys_of(g, &d.missing)));
    }
    put(g->out, "obligations", list);
    put(g->out, "obligations_undetermined", open);
}

/* --- trace -------------------------------------------------------------------------------------------- */

static json_t *matched(grading *g, const rule *r)
{
    json_t *o = json_object();

    for (size_t i = 0; i < g->e.book->nfacts; i++)
        if (slot_has(&r->facts, i) && g->facts->slots[i].known)
            (void)json_object_set(o, g->e.book->facts[i].pub.key,
                                  json_object_get(g->facts->json, g->e.book->facts[i].pub.key));
    return o;
}

static json_t *trace_one(grading *g, const rule *r)
{
    json_t *o = json_object();

    put(o, "rule_id", json_string(r->id));
    put(o, "facts", matched(g, r));
    strings_put(o, "cite", r->cite, r->ncite);
    put(o, "evidence", json_string(r->evidence));
    if (r->note != NULL)
        put(o, "note", json_string(r->note));
    return o;
}

static void trace_put(grading *g)
{
    json_t *trace = json_array(), *tags = json_array();

    for (size_t i = 0; i < g->p->nrules; i++) {
        if (eval_rule(&g->e, &g->p->rules[i]) != TRUE_)
            continue;
        put_once(tags, g->p->rules[i].evidence);
        if ((g->flags & PL_RULES_TRACE) != 0)
            (void)json_array_append_new(trace, trace_one(g, &g->p->rules[i]));
    }
    put(g->out, "trace", trace);
    put(g->out, "evidence", tags);
}

/* --- the whole -------------------------------------------------------------------------------------------- */

static bool in_window(const pack *p, int64_t as_of)
{
    return as_of >= p->from && as_of <= p->to;
}

static void head_put(json_t *out, const pack *p, bool evaluated)
{
    put(out, "evaluated", json_boolean(evaluated));
    put(out, "legal_weight", json_string(p->weight));
    put(out, "jurisdiction", json_string(p->jurisdiction));
    put(out, "in_force", json_pack("{s:s, s:s?}", "from", p->from_text, "to", p->to_text));
    put(out, "digest", json_string(p->digest));
}

static void evaluate(grading *g)
{
    json_t *axes = json_array();

    for (size_t i = 0; i < g->p->nfields; i++) {
        field_any(g, &g->p->fields[i]);
        if (g->p->fields[i].is_axis)
            (void)json_array_append_new(axes, json_string(g->p->fields[i].name));
    }
    put(g->out, "axes", axes);
    put(g->out, "basis", g->basis);
    obligations_put(g);
    put(g->out, "undetermined", g->undetermined);
    put(g->out, "possible", g->possible);
    put(g->out, "possible_by_axis", g->by_axis);
    put(g->out, "missing_facts", keys_of(g, &g->missing));
    put(g->out, "exact", json_boolean(g->exact && g->e.exact));
    trace_put(g);
}

static void not_evaluated(json_t *out)
{
    static const char *const lists[] = { "basis", "obligations", "possible", "missing_facts",
                                         "trace", "evidence" };

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        put(out, lists[i], json_array());
}

pl_rc pl_rules_grade(const pl_rules_book *b, size_t index, const pl_rules_facts *f, int64_t as_of,
                     unsigned flags, json_t **out, bool *undetermined, pl_error *err)
{
    grading g = { .p = b->packs[index], .facts = f, .flags = flags, .exact = true };
    pl_rc   rc;

    if ((g.out = json_object()) == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    *undetermined = false;
    if (!in_window(g.p, as_of) || !g.p->has_rules) {
        not_evaluated(g.out);
        head_put(g.out, g.p, false);
        *out = g.out;
        return PL_OK;
    }
    if ((rc = eval_init(&g.e, f, as_of, err)) != PL_OK) {
        json_decref(g.out);
        return rc;
    }
    g.possible = json_array();
    g.by_axis = json_object();
    g.undetermined = json_array();
    g.basis = json_array();
    evaluate(&g);
    head_put(g.out, g.p, true);
    *undetermined = json_array_size(g.undetermined) > 0;
    eval_done(&g.e);
    *out = g.out;
    return PL_OK;
}

size_t pl_rules_axis_count(const pl_rules_book *b, size_t index)
{
    size_t n = 0;

    for (size_t i = 0; i < b->packs[index]->nfields; i++)
        n += b->packs[index]->fields[i].type == F_GRADE;
    return n;
}

static const field *axis_at(const pack *p, size_t axis)
{
    for (size_t i = 0; i < p->nfields; i++)
        if (p->fields[i].type == F_GRADE && axis-- == 0)
            return &p->fields[i];
    return NULL;
}

const char *pl_rules_axis_name(const pl_rules_book *b, size_t index, size_t axis)
{
    const field *f = axis_at(b->packs[index], axis);

    return f != NULL ? f->name : NULL;
}

const char *pl_rules_axis_value(const pl_rules_book *b, size_t index, size_t axis, int which)
{
    const field *f = axis_at(b->packs[index], axis);

    return f != NULL && which >= 0 && (size_t)which < f->nvalues ? f->values[which] : NULL;
}

pl_rc pl_rules_grade_fast(const pl_rules_book *b, size_t index, const pl_rules_facts *f,
                          int64_t as_of, int *out, pl_error *err)
{
    const pack *p = b->packs[index];
    eval        e;
    pl_rc       rc;

    if ((rc = eval_init(&e, f, as_of, err)) != PL_OK)
        return rc;
    for (size_t i = 0; i < p->nfields; i++) {
        uint64_t yes, maybe;

        if (p->fields[i].type != F_GRADE)
            continue;
        eval_field(&e, &p->fields[i], &yes, &maybe);
        *out++ = !in_window(p, as_of) ? -2 : single(maybe) ? __builtin_ctzll(maybe) : -1;
    }
    eval_done(&e);
    return PL_OK;
}
