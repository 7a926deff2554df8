/* rules.yaml and obligations.yaml. */
#include "base/banned.h"

#include "base/buf.h"
#include "base/yaml.h"
#include "base/yaml_at.h"
#include "engine/rules/rules_int.h"

#define NAMES_MAX 512

static pl_rc no_room(compiler *c)
{
    return pl_fail(c->err, PL_LIMIT, "the packs are too large");
}

/* --- results -------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    field_type  type;
} field_types[] = {
    { "grade", F_GRADE }, { "set", F_SET },   { "flag", F_FLAG }, { "text", F_TEXT },
    { "number", F_NUMBER }, { "date", F_DATE }, { "list", F_LIST }, { "map", F_MAP },
};

static int field_value(const field *f, pl_str s)
{
    for (size_t i = 0; i < f->nvalues; i++)
        if (pl_str_eqz(s, f->values[i]))
            return (int)i;
    return -1;
}

static pl_rc default_read(compiler *c, const json_t *o, field *f, const char *at)
{
    pl_str s = text_at(o, "default");

    f->dflt = -1;
    if (s.p == NULL)
        return f->type == F_GRADE ? wrong(c, at, "a grade needs a 'default': what holds when no "
                                                 "rule fires") : PL_OK;
    if (f->type == F_TEXT && f->nvalues == 0) {
        f->dflt_text = book_dup(c->book, s);
        return PL_OK;
    }
    f->dflt = field_value(f, s);
    return f->dflt >= 0 ? PL_OK : wrong(c, at, "'default' is none of the values");
}

static pl_rc combine_read(compiler *c, const json_t *o, field *f, const char *at)
{
    pl_str s = text_at(o, "combine"), unit = text_at(o, "unit");

    f->combine = pl_str_eqz(s, "min") ? C_MIN : pl_str_eqz(s, "max") ? C_MAX : C_FIRST;
    if (s.p != NULL && f->combine == C_FIRST && !pl_str_eqz(s, "first"))
        return wrong(c, at, "'combine' is first, min or max");
    if (unit.p != NULL && (f->unit = unit_find(c->book, unit)) < 0)
        return wrong(c, at, "unknown unit '" PL_STR_FMT "'", PL_STR_ARG(unit));
    return PL_OK;
}

static pl_rc precedence_check(compiler *c, const json_t *o, field *f, const char *at)
{
    const json_t *v = json_object_get(o, "precedence");

    if (v == NULL || (json_is_string(v) && strcmp(json_string_value(v), "rules") == 0))
        return PL_OK;
    if (f->type != F_GRADE && !(f->type == F_TEXT && f->nvalues > 0))
        return wrong(c, at, "only grades and texts with values have a precedence");
    for (size_t i = 0; i < f->nvalues; i++) {
        size_t k = 0;

        while (k < json_array_size(v) &&
               strcmp(f->values[i], json_string_value(json_array_get(v, k)) != NULL
                                        ? json_string_value(json_array_get(v, k)) : "") != 0)
            k++;
        if (k == json_array_size(v) && (int)i != f->dflt)
            return wrong(c, at, "'precedence' is 'rules', or a list with every value: '%s' is not "
                                "there", f->values[i]);
    }
    f->by_value = true;
    return PL_OK;
}

static pl_rc field_read(compiler *c, const char *name, const json_t *o)
{
    static const char *const allowed[] = { "type", "axis", "values", "default", "precedence",
                                           "combine", "unit", "title", NULL };
    field *f = &c->pack->fields[c->pack->nfields];
    char   at[128];
    pl_str type = text_at(o, "type");
    size_t i = 0;
    pl_rc  rc;

    (void)snprintf(at, sizeof at, "/results/%.64s", name);
    if ((rc = keys_known(c, o, at, allowed)) != PL_OK)
        return rc;
    while (i < sizeof field_types / sizeof *field_types && !pl_str_eqz(type, field_types[i].name))
        i++;
    if (i == sizeof field_types / sizeof *field_types)
        return wrong(c, at, "result '%.64s': 'type' is grade, set, flag, text, number, date, list "
                            "or map", name);
    f->type = field_types[i].type;
    f->name = book_dup(c->book, pl_str_z(name));
    f->pack = c->pack;
    f->index = c->book->nmemos++;
    f->is_axis = json_object_get(o, "axis") != NULL ? json_is_true(json_object_get(o, "axis"))
                                                    : f->type == F_GRADE || f->type == F_SET;
    if (f->is_axis && f->type != F_GRADE && f->type != F_SET)
        return wrong(c, at, "only grades and sets are axes");
    rc = texts_at(c, o, "values", at, &f->values, &f->nvalues);
    if (rc == PL_OK && f->nvalues >= PL_RULES_VALUES_MAX)
        rc = wrong(c, at, "more than %u values", PL_RULES_VALUES_MAX - 1);
    if (rc == PL_OK && f->nvalues == 0 && (f->type == F_GRADE || f->type == F_SET))
        rc = wrong(c, at, "a grade or a set needs 'values'");
    if (rc == PL_OK)
        rc = default_read(c, o, f, at);
    if (rc == PL_OK)
        rc = combine_read(c, o, f, at);
    if (rc == PL_OK)
        rc = precedence_check(c, o, f, at);
    if (rc == PL_OK)
        c->pack->nfields++;
    return rc;
}

static pl_rc fields_read(compiler *c, const json_t *tree)
{
    const json_t *o = json_object_get(tree, "results");
    const char   *name;
    json_t       *v;
    pl_rc         rc = PL_OK;

    if (json_object_size(o) == 0 || json_object_size(o) > PL_RULES_VALUES_MAX)
        return wrong(c, "", "'results' must declare 1 to %u results", PL_RULES_VALUES_MAX);
    c->pack->fields = book_alloc(c->book, json_object_size(o) * sizeof *c->pack->fields);
    if (c->pack->fields == NULL)
        return no_room(c);
    json_object_foreach((json_t *)(uintptr_t)o, name, v)
        if (rc == PL_OK)
            rc = field_read(c, name, v);
    return rc;
}

static field *field_find(const pack *p, const char *name)
{
    for (size_t i = 0; i < p->nfields; i++)
        if (strcmp(p->fields[i].name, name) == 0)
            return &p->fields[i];
    return NULL;
}

/* --- definitions ------------------------------------------------------------------------------- */

static pl_rc lets_read(compiler *c, const json_t *tree)
{
    const json_t *o = json_object_get(tree, "define");
    const char   *name;
    json_t       *v;
    pl_rc         rc = PL_OK;
    size_t        n = json_object_size(o);

    if (o != NULL && !json_is_object(o))
        return wrong(c, "/define", "'define' is a mapping of names to expressions");
    if ((c->pack->lets = book_alloc(c->book, n * sizeof *c->pack->lets)) == NULL)
        return no_room(c);
    json_object_foreach((json_t *)(uintptr_t)o, name, v) {
        let *l = &c->pack->lets[c->pack->nlets];
        char at[128];

        (void)snprintf(at, sizeof at, "/define/%.64s", name);
        if (rc != PL_OK)
            break;
        if (pl_rules_fact_find(c->book, pl_str_z(name)) >= 0)
            return wrong(c, at, "'%.64s' is a fact already", name);
        l->name = book_dup(c->book, pl_str_z(name));
        l->index = c->book->nmemos++;
        rc = expr_at(c, v, at, &l->expr);
        if (rc == PL_OK && (l->expr->kind == K_TEXT || l->expr->kind == K_SET || l->expr->kind == K_NUMS))
            return wrong(c, at, "a definition is a condition, a number or a date");
        if (rc == PL_OK && (l->height = expr_height(l->expr)) > HEIGHT_MAX)
            return wrong(c, at, "definitions are nested too deeply");
        c->pack->nlets++;
    }
    return rc;
}

/* --- obligations --------------------------------------------------------------------------------- */

static pl_rc date_at(compiler *c, const json_t *o, const char *key, const char *at, node **out)
{
    char        pointer[256];
    const json_t *v = json_object_get(o, key);
    pl_rc       rc;

    if (v == NULL)
        return PL_OK;
    (void)snprintf(pointer, sizeof pointer, "%s/%s", at, key);
    rc = expr_at(c, v, pointer, out);
    if (rc == PL_OK && (*out)->kind != K_DATE)
        return wrong(c, pointer, "'%s' is not a date", key);
    return rc;
}

static bool is_tag(const char *s)
{
    return s == NULL || (strlen(s) == 1 && strchr("VDSMKPU", *s) != NULL);
}

static pl_rc obligation_read(compiler *c, const char *id, const json_t *o)
{
    static const char *const allowed[] = { "title", "theme", "cite", "evidence", "applies_from",
                                           "applies_to", NULL };
    obligation *ob = &c->pack->obligations[c->pack->nobligations];
    char        at[160];
    pl_rc       rc;

    (void)snprintf(at, sizeof at, "/obligations/%.96s", id);
    if ((rc = keys_known(c, o, at, allowed)) != PL_OK)
        return rc;
    ob->id = book_dup(c->book, pl_str_z(id));
    ob->title[0] = dup_at(c, json_object_get(o, "title"), "zh");
    ob->title[1] = dup_at(c, json_object_get(o, "title"), "en");
    ob->theme = dup_at(c, o, "theme");
    ob->evidence = dup_at(c, o, "evidence");
    if (!is_tag(ob->evidence))
        return wrong(c, at, "unknown evidence tag '%.20s'", ob->evidence);
    if (ob->title[0] == NULL || ob->title[1] == NULL)
        remark(c, at, "obligation '%s' has no title in both zh and en", id);
    rc = texts_at(c, o, "cite", at, &ob->cite, &ob->ncite);
    if (rc == PL_OK)
        rc = date_at(c, o, "applies_from", at, &ob->from);
    if (rc == PL_OK)
        rc = date_at(c, o, "applies_to", at, &ob->to);
    c->pack->nobligations++;
    return rc;
}

pl_rc compile_obligations(compiler *c)
{
    static const char *const allowed[] = { "obligations", NULL };
    json_t                  *tree = NULL, *v;
    const json_t            *o;
    const char              *id;
    pl_rc                    rc = pl_yaml_parse(c->file->text, c->file->name, &tree, c->err);

    if (rc == PL_OK)
        rc = keys_known(c, tree, "", allowed);
    o = json_object_get(tree, "obligations");
    if (rc == PL_OK && !json_is_object(o))
        rc = wrong(c, "/obligations", "'obligations' is a mapping of ids");
    if (rc == PL_OK && (c->pack->obligations = book_alloc(c->book, json_object_size(o) * sizeof(obligation))) == NULL)
        rc = no_room(c);
    json_object_foreach((json_t *)(uintptr_t)o, id, v)
        if (rc == PL_OK)
            rc = obligation_read(c, id, v);
    json_decref(tree);
    return rc;
}

/* --- rules --------------------------------------------------------------------------------------------- */

static pl_rc entry_add(compiler *c, field *f, entry e)
{
    f->entries = grown(c->book, f->entries, f->nentries, sizeof *f->entries);
    if (f->entries == NULL)
        return no_room(c);
    f->entries[f->nentries++] = e;
    return PL_OK;
}

static pl_rc text_entry(compiler *c, field *f, rule *r, const json_t *v, const char *at)
{
    pl_str      s = pl_str_z(json_string_value(v));
    entry       e = { .rule = r, .value = -1 };
    const char *near;

    if (!json_is_string(v))
        return wrong(c, at, "'%s' is set to a text; put numbers in quotes", f->name);
    if (f->nvalues == 0) {
        if ((e.text = book_dup(c->book, s)) == NULL)
            return no_room(c);
    } else if ((e.value = field_value(f, s)) < 0) {
        near = nearest(s, f->values, f->nvalues);
        return wrong(c, at, "'%.48s' is no value of '%s'%s%s%s", s.p, f->name,
                     near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    return entry_add(c, f, e);
}

static pl_rc texts_entry(compiler *c, field *f, rule *r, const json_t *v, const char *at)
{
    pl_rc   rc = PL_OK;
    json_t *one;
    size_t  i;

    if (!json_is_array(v))
        return text_entry(c, f, r, v, at);
    json_array_foreach((json_t *)(uintptr_t)v, i, one)
        if (rc == PL_OK)
            rc = text_entry(c, f, r, one, at);
    return rc;
}

/* `FACT like …` makes every member of the list that matches a key. */
static pl_rc map_key(compiler *c, const char *key, entry *e, const char *at)
{
    node    *each = NULL;
    size_t   where = 0;
    pl_error why = { 0 };

    if (strstr(key, " like ") == NULL)
        return (e->key = book_dup(c->book, pl_str_z(key))) != NULL ? PL_OK : no_room(c);
    if (expr_parse(c->book, c->pack, pl_str_z(key), &each, &where, &why) != PL_OK)
        return wrong(c, at, "key '%.60s': %s", key, why.text);
    if (each->op != OP_ANY || each->slot < 0)
        return wrong(c, at, "key '%.60s': a key with 'like' is about one fact that is a list", key);
    e->each = each;
    return PL_OK;
}

static pl_rc value_entry(compiler *c, field *f, rule *r, const char *key, const json_t *v,
                         const char *at)
{
    entry e = { .rule = r };
    pl_rc rc = expr_at(c, v, at, &e.expr);
    kind  want = f->type == F_DATE ? K_DATE : K_NUM;

    if (rc != PL_OK)
        return rc;
    if (e.expr->kind != want && !(f->type == F_MAP && e.expr->kind == K_TEXT))
        return wrong(c, at, "'%s' is set to a %s", f->name, want == K_DATE ? "date" : "number");
    if (want == K_NUM && e.expr->kind == K_NUM && e.expr->unit != f->unit)
        return wrong(c, at, "'%s' is in another unit", f->name);
    if (key != NULL && (rc = map_key(c, key, &e, at)) != PL_OK)
        return rc;
    return entry_add(c, f, e);
}

static pl_rc map_entry(compiler *c, field *f, rule *r, const json_t *v, const char *at)
{
    const char *key;
    json_t     *one;
    pl_rc       rc = json_is_object(v) ? PL_OK : wrong(c, at, "'%s' is a map", f->name);
    char        pointer[400];

    json_object_foreach((json_t *)(uintptr_t)v, key, one) {
        (void)snprintf(pointer, sizeof pointer, "%s/%.100s", at, key);
        if (rc == PL_OK)
            rc = value_entry(c, f, r, key, one, pointer);
    }
    return rc;
}

static pl_rc set_one(compiler *c, rule *r, const char *name, const json_t *v, const char *at)
{
    field      *f = field_find(c->pack, name);
    const char *names[PL_RULES_VALUES_MAX], *near;

    if (f == NULL) {
        for (size_t i = 0; i < c->pack->nfields; i++)
            names[i] = c->pack->fields[i].name;
        near = nearest(pl_str_z(name), names, c->pack->nfields);
        return wrong(c, at, "result '%.48s' is not declared in 'results'%s%s%s", name,
                     near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    switch (f->type) {
    case F_FLAG:
        return json_is_true(v) ? entry_add(c, f, (entry){ .rule = r })
                               : wrong(c, at, "a flag is set to true");
    case F_GRADE:
    case F_TEXT:
        return text_entry(c, f, r, v, at);
    case F_SET:
    case F_LIST:
        return texts_entry(c, f, r, v, at);
    case F_MAP:
        return map_entry(c, f, r, v, at);
    default:
        return value_entry(c, f, r, NULL, v, at);
    }
}

static pl_rc sets_read(compiler *c, rule *r, const json_t *o, const char *key, const char *at)
{
    const json_t *sets = json_object_get(o, key);
    const char   *name;
    json_t       *v;
    char          pointer[200];
    pl_rc         rc = PL_OK;

    if (sets != NULL && !json_is_object(sets))
        return wrong(c, at, "'%s' is a mapping of results", key);
    json_object_foreach((json_t *)(uintptr_t)sets, name, v) {
        (void)snprintf(pointer, sizeof pointer, "%s/%s/%.64s", at, key, name);
        if (rc == PL_OK)
            rc = set_one(c, r, name, v, pointer);
    }
    return rc;
}

static pl_rc emits_read(compiler *c, rule *r, const json_t *o, const char *at)
{
    const char **ids = NULL;
    const char  *names[NAMES_MAX];
    size_t       n = 0, count = 0;
    node        *from = NULL;
    pl_rc        rc = texts_at(c, o, "obligations", at, &ids, &n);

    if (rc == PL_OK)
        rc = date_at(c, o, "applies_from", at, &from);
    if (rc != PL_OK || n == 0)
        return rc;
    if ((r->emits = book_alloc(c->book, n * sizeof *r->emits)) == NULL)
        return no_room(c);
    for (size_t i = 0; i < c->pack->nobligations && i < NAMES_MAX; i++)
        names[count++] = c->pack->obligations[i].id;
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;

        while (k < c->pack->nobligations && strcmp(c->pack->obligations[k].id, ids[i]) != 0)
            k++;
        if (k == c->pack->nobligations) {
            const char *near = nearest(pl_str_z(ids[i]), names, count);

            return wrong(c, at, "obligation '%.60s' is not in obligations.yaml%s%s%s", ids[i],
                         near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
        }
        c->pack->obligations[k].used = true;
        r->emits[r->nemits++] = (emission){ &c->pack->obligations[k], from };
    }
    return PL_OK;
}

/* `role` is short for: and role any {…}. */
static pl_rc when_read(compiler *c, rule *r, const json_t *o, const char *at)
{
    const json_t *when = json_object_get(o, "when"), *role = json_object_get(o, "role");
    char          pointer[160];
    pl_buf        b = PL_BUF_INIT(PL_RULES_EXPR_MAX);
    node         *roles = NULL, *both;
    size_t        where = 0;
    pl_error      e = { 0 };
    pl_rc         rc;

    (void)snprintf(pointer, sizeof pointer, "%s/when", at);
    if (when == NULL && role == NULL)
        return wrong(c, at, "a rule needs 'when'");
    rc = when != NULL ? expr_at(c, when, pointer, &r->when) : PL_OK;
    if (rc == PL_OK && when != NULL && r->when->kind != K_BOOL)
        return wrong(c, pointer, "'when' is not a condition");
    if (rc != PL_OK || role == NULL)
        return rc;
    pl_buf_puts(&b, "role any {");
    for (size_t i = 0; i < (json_is_array(role) ? json_array_size(role) : 1); i++) {
        const char *one = json_string_value(json_is_array(role) ? json_array_get(role, i) : role);

        pl_buf_printf(&b, "%s'%s'", i > 0 ? ", " : "", one != NULL ? one : "");
    }
    pl_buf_puts(&b, "}");
    rc = expr_parse(c->book, c->pack, pl_buf_str(&b), &roles, &where, &e);
    pl_buf_done(&b);
    if (rc != PL_OK)
        return wrong(c, at, "'role': %s", e.text);
    if (r->when == NULL) {
        r->when = roles;
        return PL_OK;
    }
    both = book_alloc(c->book, sizeof *both);
    if (both == NULL || (both->kids = book_alloc(c->book, 2 * sizeof(node *))) == NULL)
        return no_room(c);
    both->op = OP_AND;
    both->kind = K_BOOL;
    both->slot = -1;
    both->nkids = 2;
    both->kids[0] = r->when;
    both->kids[1] = roles;
    r->when = both;
    return PL_OK;
}

static pl_rc rule_words(compiler *c, rule *r, const json_t *o, const char *at)
{
    static const char *const allowed[] = { "id", "when", "role", "grade", "set", "obligations",
                                           "applies_from", "cite", "basis", "evidence", "note",
                                           NULL };
    pl_str id = text_at(o, "id");
    pl_rc  rc = keys_known(c, o, at, allowed);

    if (rc != PL_OK)
        return rc;
    if (id.p == NULL || id.n == 0 || id.n > 96)
        return wrong(c, at, "a rule needs an 'id' of at most 96 characters");
    for (size_t i = 0; i < c->pack->nrules; i++)
        if (pl_str_eqz(id, c->pack->rules[i].id))
            return wrong(c, at, "rule '" PL_STR_FMT "' is there twice", PL_STR_ARG(id));
    r->id = book_dup(c->book, id);
    r->note = dup_at(c, o, "note");
    r->evidence = json_object_get(o, "evidence") != NULL ? dup_at(c, o, "evidence") : c->pack->evidence;
    r->index = c->book->nmemos++;
    if (r->evidence == NULL || !is_tag(r->evidence))
        return wrong(c, at, "rule '%s' has no evidence tag (V D S M K P U), nor has the pack", r->id);
    rc = texts_at(c, o, "cite", at, &r->cite, &r->ncite);
    if (rc == PL_OK)
        rc = texts_at(c, o, "basis", at, &r->basis, &r->nbasis);
    if (rc == PL_OK && r->ncite == 0)
        return wrong(c, at, "rule '%s' cites nothing", r->id);
    return rc;
}

static pl_rc rule_read(compiler *c, const json_t *o, size_t i)
{
    rule *r = &c->pack->rules[c->pack->nrules];
    char  at[64];
    pl_rc rc;

    (void)snprintf(at, sizeof at, "/rules/%zu", i);
    rc = rule_words(c, r, o, at);
    if (rc == PL_OK)
        rc = when_read(c, r, o, at);
    if (rc == PL_OK && (r->height = expr_height(r->when)) > HEIGHT_MAX)
        rc = wrong(c, at, "rules and definitions are nested too deeply");
    if (rc == PL_OK)
        rc = sets_read(c, r, o, "grade", at);
    if (rc == PL_OK)
        rc = sets_read(c, r, o, "set", at);
    if (rc == PL_OK)
        rc = emits_read(c, r, o, at);
    c->pack->nrules++;
    return rc;
}

static pl_rc rules_read(compiler *c, const json_t *tree)
{
    const json_t *list = json_object_get(tree, "rules");
    json_t       *v;
    size_t        i;
    pl_rc         rc = PL_OK;

    if (json_array_size(list) == 0)
        return wrong(c, "/rules", "'rules' must list at least one rule");
    c->pack->rules = book_alloc(c->book, json_array_size(list) * sizeof *c->pack->rules);
    if (c->pack->rules == NULL)
        return no_room(c);
    json_array_foreach((json_t *)(uintptr_t)list, i, v)
        if (rc == PL_OK)
            rc = rule_read(c, v, i);
    return rc;
}

/* --- precedence ------------------------------------------------------------------------------------------- */

static pl_rc order_one(compiler *c, const json_t *results, field *f)
{
    const json_t *o = json_object_get(results, f->name), *list = json_object_get(o, "precedence");
    size_t        done = 0;
    entry        *sorted;

    for (size_t i = 1; i < f->nentries && list == NULL && f->type == F_GRADE; i++)
        if (f->entries[i].value != f->entries[0].value) {
            char at[128];

            (void)snprintf(at, sizeof at, "/results/%s", f->name);
            return wrong(c, at, "rules give '%s' different values: say with 'precedence' which "
                                "wins (a list of values, or 'rules')", f->name);
        }
    if (!f->by_value || f->nentries == 0)
        return PL_OK;
    sorted = book_alloc(c->book, f->nentries * sizeof *sorted);
    if (sorted == NULL)
        return no_room(c);
    for (size_t k = 0; k <= json_array_size(list); k++) { /* at last: a default that is not listed */
        int v = k < json_array_size(list)
                    ? field_value(f, pl_str_z(json_string_value(json_array_get(list, k)))) : f->dflt;
        bool again = false;

        for (size_t j = 0; j < k; j++)
            again |= v == field_value(f, pl_str_z(json_string_value(json_array_get(list, j))));
        for (size_t i = 0; i < f->nentries && !again; i++)
            if (f->entries[i].value == v && done < f->nentries)
                sorted[done++] = f->entries[i];
    }
    f->entries = sorted;
    f->nentries = done;
    return PL_OK;
}

pl_rc compile_rules(compiler *c, const pl_rules_file *rules, const pl_rules_file *obligations)
{
    static const char *const allowed[] = { "results", "define", "rules", NULL };
    json_t                  *tree = NULL;
    pl_rc                    rc;

    c->file = rules;
    rc = pl_yaml_parse(rules->text, rules->name, &tree, c->err);
    if (rc == PL_OK)
        rc = keys_known(c, tree, "", allowed);
    if (rc == PL_OK)
        rc = fields_read(c, tree);
    if (rc == PL_OK)
        rc = lets_read(c, tree);
    if (rc == PL_OK && obligations->text.n > 0) {
        c->file = obligations;
        rc = compile_obligations(c);
        c->file = rules;
    }
    if (rc == PL_OK)
        rc = rules_read(c, tree);
    for (size_t i = 0; rc == PL_OK && i < c->pack->nfields; i++)
        rc = order_one(c, json_object_get(tree, "results"), &c->pack->fields[i]);
    json_decref(tree);
    return rc == PL_OK ? check_rules(c) : rc;
}
