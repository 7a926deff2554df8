#include "base/banned.h"

#include "base/buf.h"
#include "base/str.h"
#include "engine/flow/condition.h"
#include "engine/rules/rules.h"

#define TEXT_MAX (4u << 20)
#define DAY_S    86400

struct pl_conditions {
    pl_rules_book *book;
    json_t        *fields; /* {"form.field": true}: what the book knows */
};

/* A string of YAML, whatever is in it. */
static void quoted(pl_buf *b, pl_str s)
{
    pl_buf_putc(b, '"');
    pl_buf_json(b, s);
    pl_buf_putc(b, '"');
}

static bool is_word(const char *s)
{
    for (; s && *s; s++)
        if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z')))
            return false;
    return s != NULL;
}

/* Units that the language has of its own. */
static bool is_own_unit(const char *s)
{
    static const char *const own[] = { "percent", "hours", "days", "months", "years" };

    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strcmp(s, own[i]) == 0)
            return true;
    return false;
}

static const char *unit_of(const pl_field_view *v)
{
    const char *unit = json_string_value(json_object_get(v->tree, "unit"));

    return unit && is_word(unit) && !is_own_unit(unit) ? unit : NULL;
}

/* NULL: nothing can be said about such a field. */
static const char *type_of(pl_field_type t)
{
    switch (t) {
    case PL_FIELD_BOOL:
        return "bool";
    case PL_FIELD_INT:
    case PL_FIELD_NUMBER:
        return "number";
    case PL_FIELD_DATE:
        return "date";
    case PL_FIELD_CHOICES:
    case PL_FIELD_TEXTS:
    case PL_FIELD_RECORDS:
        return "list";
    case PL_FIELD_LIST:
        return NULL;
    default:
        return "text";
    }
}

static void field_put(const pl_form *form, const pl_field_view *v, pl_buf *b, json_t *fields)
{
    const json_t *options = json_object_get(v->tree, "options"), *o;
    const char   *type = type_of(v->type), *unit = unit_of(v);
    pl_str        id = pl_form_id(form);
    size_t        i;

    if (!type)
        return;
    pl_buf_printf(b, "  " PL_STR_FMT "." PL_STR_FMT ": {type: %s, ", PL_STR_ARG(id), PL_STR_ARG(v->key), type);
    if (v->type == PL_FIELD_INT)
        pl_buf_puts(b, "integer: true, ");
    if (unit && strcmp(type, "number") == 0)
        pl_buf_printf(b, "unit: %s, ", unit);
    if (json_array_size(options)) {
        pl_buf_puts(b, "values: [");
        json_array_foreach ((json_t *)options, i, o) {
            const char *value = json_string_value(json_object_get(o, "id"));
            pl_buf_puts(b, i ? ", " : "");
            quoted(b, pl_str_z(value ? value : ""));
        }
        pl_buf_puts(b, "], ");
    }
    pl_buf_puts(b, "question: {zh: ");
    quoted(b, v->zh);
    pl_buf_puts(b, ", en: ");
    quoted(b, v->en);
    pl_buf_puts(b, "}}\n");
    {
        char key[256];
        snprintf(key, sizeof key, PL_STR_FMT "." PL_STR_FMT, PL_STR_ARG(id), PL_STR_ARG(v->key));
        json_object_set_new(fields, key, json_true());
    }
}

static void units_put(const pl_form *const *forms, size_t n, pl_buf *b)
{
    json_t     *units = json_object(), *v;
    const char *unit;
    bool        first = true;

    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < pl_form_count(forms[k]); i++) {
            pl_field_view f = pl_form_field(forms[k], i);
            if ((unit = unit_of(&f)) != NULL)
                json_object_set_new(units, unit, json_true());
        }
    if (json_object_size(units)) {
        pl_buf_puts(b, "units: [");
        json_object_foreach (units, unit, v) {
            pl_buf_printf(b, "%s%s", first ? "" : ", ", unit);
            first = false;
        }
        pl_buf_puts(b, "]\n");
    }
    json_decref(units);
}

static void facts_put(const pl_form *const *forms, size_t n, pl_buf *b, json_t *fields)
{
    units_put(forms, n, b);
    pl_buf_puts(b, "facts:\n");
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < pl_form_count(forms[k]); i++) {
            pl_field_view v = pl_form_field(forms[k], i);
            field_put(forms[k], &v, b, fields);
        }
}

/* Each step with a condition is an axis that is YES or NO, or not settled. */
static void rules_put(const pl_workflow *w, pl_buf *b)
{
    pl_buf_puts(b, "results:\n");
    for (size_t i = 0; i < w->step_count; i++)
        if (w->steps[i].when)
            pl_buf_printf(b, "  step_" PL_STR_FMT ": {type: grade, values: [\"YES\", \"NO\"], default: \"NO\", "
                          "precedence: [\"YES\", \"NO\"]}\n", PL_STR_ARG(w->steps[i].id));
    pl_buf_puts(b, "rules:\n");
    for (size_t i = 0; i < w->step_count; i++) {
        const char *text = json_string_value(w->steps[i].when);

        if (!w->steps[i].when)
            continue;
        pl_buf_printf(b, "  - {id: " PL_STR_FMT ", when: ", PL_STR_ARG(w->steps[i].id));
        quoted(b, pl_str_z(text ? text : ""));
        pl_buf_printf(b, ", grade: {step_" PL_STR_FMT ": \"YES\"}, cite: [\"-\"], evidence: P}\n",
                      PL_STR_ARG(w->steps[i].id));
    }
}

static bool has_any(const pl_workflow *w)
{
    for (size_t i = 0; i < w->step_count; i++)
        if (w->steps[i].when)
            return true;
    return false;
}

/* The condition's own words: the book speaks of a file that nobody wrote. */
static pl_rc condition_bad(const char *where, pl_error *err)
{
    char why[160];

    snprintf(why, sizeof why, "%.159s", err->text);
    return pl_fail(err, PL_INVALID, "%.80s: a condition 'when' cannot be used: %.159s", where, why);
}

pl_rc pl_conditions_new(const pl_workflow *w, const pl_form *const *forms, size_t n, const char *where,
                        pl_conditions **out, pl_error *err)
{
    pl_buf         facts = PL_BUF_INIT(TEXT_MAX), rules = PL_BUF_INIT(TEXT_MAX);
    pl_conditions *c;
    pl_rc          rc = PL_OK;

    *out = NULL;
    if (!has_any(w))
        return PL_OK;
    c = calloc(1, sizeof *c);
    if (!c || !(c->book = pl_rules_book_new()) || !(c->fields = json_object()))
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK) {
        facts_put(forms, n, &facts, c->fields);
        rules_put(w, &rules);
        pl_rules_source s = { .id = "conditions", .version = "1", .jurisdiction = "any", .legal_weight = "project",
                              .digest = "sha256:0", .evidence = "P", .title_en = "Conditions", .title_zh = "条件",
                              .from = "1970-01-01", .facts = { "forms", pl_buf_str(&facts) },
                              .rules = { where, pl_buf_str(&rules) } };
        rc = facts.failed || rules.failed ? pl_fail(err, PL_LIMIT, "the workflow's conditions are too long")
                                          : pl_rules_book_add(c->book, &s, NULL, NULL, err);
        if (rc == PL_INVALID)
            rc = condition_bad(where, err);
    }
    pl_buf_done(&facts);
    pl_buf_done(&rules);
    if (rc != PL_OK) {
        pl_conditions_free(c);
        return rc;
    }
    *out = c;
    return PL_OK;
}

void pl_conditions_free(pl_conditions *c)
{
    if (!c)
        return;
    pl_rules_book_free(c->book);
    json_decref(c->fields);
    free(c);
}

/* {"form": {"field": v}} as {"form.field": v}; what the book does not know, and what is not of its type
 * yet, is left out: forms are judged elsewhere. */
static json_t *facts_of(const pl_conditions *c, const json_t *values)
{
    json_t     *flat = json_object(), *form, *v;
    const char *id, *key;

    json_object_foreach ((json_t *)values, id, form)
        json_object_foreach (form, key, v) {
            char            name[256];
            json_t         *one;
            pl_rules_facts *f = NULL;

            snprintf(name, sizeof name, "%s.%s", id, key);
            if (!json_object_get(c->fields, name) || json_is_null(v))
                continue;
            one = json_pack("{s:O}", name, v);
            if (one && pl_rules_facts_new(c->book, one, &f, NULL) == PL_OK)
                json_object_set(flat, name, v);
            pl_rules_facts_free(f);
            json_decref(one);
        }
    return flat;
}

static pl_rc verdict(const json_t *result, const pl_flow_step *s, pl_error *err)
{
    char          axis[96], names[200] = "";
    const char   *value, *name;
    const json_t *v;
    size_t        i, at = 0;

    snprintf(axis, sizeof axis, "step_" PL_STR_FMT, PL_STR_ARG(s->id));
    value = json_string_value(json_object_get(result, axis));
    if (value && strcmp(value, "YES") == 0)
        return PL_OK;
    if (value && strcmp(value, "NO") == 0)
        return pl_fail(err, PL_CONFLICT, "the condition of this step does not hold: %.160s",
                       json_string_value(s->when));
    json_array_foreach (json_object_get(result, "missing_facts"), i, v)
        if ((name = json_string_value(v)) != NULL && strstr(json_string_value(s->when), name) && at < sizeof names)
            at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", at ? ", " : "", name);
    return pl_fail(err, PL_INVALID, "whether this step may be taken cannot be told yet; fill in: %.160s",
                   names[0] ? names : json_string_value(s->when));
}

pl_rc pl_conditions_check(const pl_conditions *c, const pl_flow_step *s, const json_t *values, int64_t today,
                          pl_error *err)
{
    pl_rules_facts *facts = NULL;
    json_t         *flat, *result = NULL;
    bool            open;
    pl_rc           rc;

    if (!c || !s->when)
        return PL_OK;
    flat = facts_of(c, values);
    rc = pl_rules_facts_new(c->book, flat, &facts, err);
    if (rc == PL_OK)
        rc = pl_rules_grade(c->book, 0, facts, today * DAY_S, PL_RULES_MISSING, &result, &open, err);
    if (rc == PL_OK)
        rc = verdict(result, s, err);
    pl_rules_facts_free(facts);
    json_decref(result);
    json_decref(flat);
    return rc;
}
