/* cases.yaml: facts, a day, and what must follow. */
#include "base/banned.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "base/yaml.h"
#include "cap/pack/pack_int.h"

#include <math.h>

#define NAME_MAX_LEN 200

typedef struct testing {
    pl_rules_book *book;
    size_t         pack;
    json_t        *failed, *fired; /* fired: rule id → how many cases */
    size_t         cases;
} testing;

static void failed(testing *t, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void failed(testing *t, const char *name, const char *fmt, ...)
{
    char    what[600];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    (void)json_array_append_new(t->failed, json_pack("{s:s, s:o}", "case", name, "message",
                                                     json_sprintf("%.500s", what)));
}

static bool same(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b)) {
        double x = json_number_value(a), y = json_number_value(b);

        return fabs(x - y) <= 1e-9 * fmax(fabs(x), fabs(y));
    }
    return json_equal(a, b) != 0;
}

static bool has_text(const json_t *list, const char *s)
{
    size_t  i;
    json_t *v;

    json_array_foreach((json_t *)(uintptr_t)list, i, v)
        if (json_is_string(v) && strcmp(json_string_value(v), s) == 0)
            return true;
    return false;
}

static const json_t *with_id(const json_t *list, const char *key, const char *id)
{
    size_t  i;
    json_t *v;

    json_array_foreach((json_t *)(uintptr_t)list, i, v)
        if (strcmp(json_string_value(json_object_get(v, key)), id) == 0)
            return v;
    return NULL;
}

/* "STATUS" or "STATUS DAY" of each obligation named. */
static void obligations_check(testing *t, const char *name, const json_t *want, const json_t *result)
{
    const char *id;
    json_t     *v;

    json_object_foreach((json_t *)(uintptr_t)want, id, v) {
        const json_t *got = with_id(json_object_get(result, "obligations"), "id", id);
        const char   *w = json_string_value(v), *status, *from;
        size_t        n = w != NULL ? strcspn(w, " ") : 0;

        if (got == NULL || w == NULL) {
            failed(t, name, "obligation '%s' is not there", id);
            continue;
        }
        status = json_string_value(json_object_get(got, "status"));
        from = json_string_value(json_object_get(got, "applies_from"));
        if (strlen(status) != n || strncmp(status, w, n) != 0 ||
            (w[n] == ' ' && strcmp(from != NULL ? from : "null", w + n + 1) != 0))
            failed(t, name, "obligation '%s' is '%s %s', not '%s'", id, status,
                   from != NULL ? from : "null", w);
    }
}

static void each_text(testing *t, const char *name, const json_t *want, const json_t *have,
                      const char *key, bool is_there, const char *what)
{
    size_t  i;
    json_t *v;

    json_array_foreach((json_t *)(uintptr_t)want, i, v) {
        const char *s = json_string_value(v);
        bool        got = s != NULL && (key != NULL ? with_id(have, key, s) != NULL : has_text(have, s));

        if (got != is_there)
            failed(t, name, "%s '%s' %s", what, s != NULL ? s : "?", is_there ? "is not there" : "is there");
    }
}

/* Lists of results as sets. */
static bool same_members(const json_t *a, const json_t *b)
{
    size_t  i;
    json_t *v;

    if (!json_is_array(a) || !json_is_array(b) || json_array_size(a) != json_array_size(b))
        return false;
    json_array_foreach((json_t *)(uintptr_t)a, i, v)
        if (!json_is_string(v) || !has_text(b, json_string_value(v)))
            return false;
    return true;
}

static void value_check(testing *t, const char *name, const char *key, const json_t *want,
                        const json_t *got)
{
    char *a, *b;

    if (json_is_null(want) ? got == NULL || json_is_null(got)
                           : same(want, got) || same_members(want, got))
        return;
    a = json_dumps(want, JSON_ENCODE_ANY | JSON_COMPACT);
    b = got != NULL ? json_dumps(got, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    failed(t, name, "'%s' is %s, not %s", key, b != NULL ? b : "absent", a != NULL ? a : "?");
    free(a);
    free(b);
}

static void expect_check(testing *t, const char *name, const json_t *expect, const json_t *result)
{
    const json_t *obligations = json_object_get(result, "obligations"), *trace = json_object_get(result, "trace");
    const char   *key;
    json_t       *v;

    json_object_foreach((json_t *)(uintptr_t)expect, key, v) {
        if (strcmp(key, "obligations") == 0 && json_is_object(v))
            obligations_check(t, name, v, result);
        else if (strcmp(key, "obligations") == 0)
            each_text(t, name, v, obligations, "id", true, "obligation");
        else if (strcmp(key, "no_obligations") == 0)
            each_text(t, name, v, obligations, "id", false, "obligation");
        else if (strcmp(key, "fires") == 0)
            each_text(t, name, v, trace, "rule_id", true, "fired rule");
        else if (strcmp(key, "not_fires") == 0)
            each_text(t, name, v, trace, "rule_id", false, "fired rule");
        else if (strcmp(key, "basis") == 0)
            each_text(t, name, v, json_object_get(result, "basis"), NULL, true, "basis");
        else
            value_check(t, name, key, v, json_object_get(result, key));
    }
}

static void fired_count(testing *t, const json_t *trace)
{
    size_t  i;
    json_t *v;

    json_array_foreach((json_t *)(uintptr_t)trace, i, v) {
        const char *id = json_string_value(json_object_get(v, "rule_id"));
        json_int_t  n = json_integer_value(json_object_get(t->fired, id));

        (void)json_object_set_new(t->fired, id, json_integer(n + 1));
    }
}

/* as_of of the case, else of its facts. */
static pl_rc case_day(const json_t *c, int64_t *as_of, pl_error *err)
{
    const char *day = json_string_value(json_object_get(c, "as_of"));

    if (day == NULL)
        day = json_string_value(json_object_get(json_object_get(c, "facts"), "as_of"));
    return pl_rules_day(pl_str_z(day), as_of, err);
}

static void case_run(testing *t, const json_t *c, size_t i, const json_t *defaults)
{
    char            name[NAME_MAX_LEN];
    const char     *given = json_string_value(json_object_get(c, "name"));
    json_t         *facts = defaults != NULL ? json_deep_copy(defaults) : json_object(), *result = NULL;
    pl_rules_facts *f = NULL;
    int64_t         as_of = 0;
    pl_error        err = { 0 };
    bool            open;
    pl_rc           rc;

    (void)snprintf(name, sizeof name, "%zu %.150s", i + 1, given != NULL ? given : "");
    (void)json_object_update(facts, json_object_get(c, "facts"));
    rc = case_day(c, &as_of, &err);
    if (rc == PL_OK)
        rc = pl_rules_facts_new(t->book, facts, &f, &err);
    if (rc == PL_OK)
        rc = pl_rules_grade(t->book, t->pack, f, as_of, PL_RULES_TRACE | PL_RULES_MISSING, &result, &open, &err);
    if (rc != PL_OK) {
        const char *want = json_string_value(json_object_get(json_object_get(c, "expect"), "error"));

        if (want == NULL || strstr(err.text, want) == NULL)
            failed(t, name, "%s", err.text);
    } else {
        expect_check(t, name, json_object_get(c, "expect"), result);
        fired_count(t, json_object_get(result, "trace"));
    }
    pl_rules_facts_free(f);
    json_decref(result);
    json_decref(facts);
    t->cases++;
}

/* Rules by how often cases fired them. */
static json_t *rules_with(const testing *t, const json_t *rules, bool always)
{
    json_t *list = json_array(), *v;
    size_t  i;

    json_array_foreach((json_t *)(uintptr_t)rules, i, v) {
        const json_t *id = json_object_get(v, "id");
        json_int_t    n = json_integer_value(json_object_get(t->fired, json_string_value(id)));

        if (always ? n > 0 && (size_t)n == t->cases : n == 0)
            (void)json_array_append(list, (json_t *)(uintptr_t)id);
    }
    return list;
}

static json_t *report_make(testing *t, const json_t *rules)
{
    json_t *unfired = rules_with(t, rules, false), *always = rules_with(t, rules, true);
    bool    ok = json_array_size(t->failed) == 0 && json_array_size(unfired) == 0 &&
              json_array_size(always) == 0 && t->cases > 0;

    return json_pack("{s:s, s:b, s:I, s:O, s:o, s:o}", "pack", pl_rules_pack_ref(t->book, t->pack),
                     "ok", ok, "cases", (json_int_t)t->cases, "failed", t->failed, "unfired", unfired,
                     "always", always);
}

static pl_rc tree_of(const pl_pack *p, const char *name, json_t **out, pl_error *err)
{
    char  path[1300];
    pl_rc rc;

    (void)snprintf(path, sizeof path, "%s/%s", p->dir, name);
    rc = pl_yaml_load(path, out, err);
    return rc == PL_NOTFOUND ? pl_fail(err, PL_NOTFOUND, "pack '" PL_STR_FMT "' has no %s",
                                       PL_STR_ARG(pl_pack_id(p)), name) : rc;
}

static pl_rc cases_run(testing *t, const pl_pack *p, json_t **report, pl_error *err)
{
    json_t *cases = NULL, *rules = NULL, *v;
    size_t  i;
    pl_rc   rc = tree_of(p, "cases.yaml", &cases, err);

    if (rc == PL_OK)
        rc = tree_of(p, "rules.yaml", &rules, err);
    if (rc == PL_OK && !json_is_array(json_object_get(cases, "cases")))
        rc = pl_fail(err, PL_INVALID, "cases.yaml: 'cases' must be a list");
    if (rc == PL_OK) {
        json_array_foreach(json_object_get(cases, "cases"), i, v)
            case_run(t, v, i, json_object_get(cases, "facts"));
        *report = report_make(t, json_object_get(rules, "rules"));
        rc = *report != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
    }
    json_decref(cases);
    json_decref(rules);
    return rc;
}

pl_rc pl_pack_test(const char *ref, const char *const *folders, json_t **report, pl_error *err)
{
    testing  t = { .book = pl_rules_book_new(), .failed = json_array(), .fired = json_object() };
    pl_pack *p = NULL;
    pl_rc    rc = t.book != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = pl_pack_open(ref, folders, &p, err);
    if (rc == PL_OK)
        rc = pl_pack_book_add(t.book, ref, folders, &t.pack, err);
    if (rc == PL_OK)
        rc = cases_run(&t, p, report, err);
    pl_pack_free(p);
    pl_rules_book_free(t.book);
    json_decref(t.failed);
    json_decref(t.fired);
    return rc;
}
