/* Building a form out of its tree. */
#include "base/banned.h"

#include "base/str.h"
#include "engine/flow/form_int.h"

#define DEPTH_MAX 3

static const char *const type_names[] = { "text",    "lines", "int",    "number",  "bool", "date",
                                          "choice",  "choices", "texts", "record", "records", "list" };
static const char *const check_names[] = { "", "uscc", "cn_id", "email", "url" };
static const char *const ops[] = { "==", "!=", "<=", ">=", "<", ">" };

/* Where in which file: what every message begins with. */
typedef struct reader {
    const char *where;
    const char *field; /* "" outside of fields */
    pl_error   *err;
} reader;

static pl_rc bad(const reader *r, const char *what)
{
    return *r->field ? pl_fail(r->err, PL_INVALID, "%.80s: field '%.60s' %.100s", r->where, r->field,
                               what)
                     : pl_fail(r->err, PL_INVALID, "%.80s: %.150s", r->where, what);
}

static pl_str text_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    return json_is_string(v) ? (pl_str){ json_string_value(v), json_string_length(v) } : PL_STR("");
}

static pl_rc keys_check(const reader *r, const json_t *o, const char *const *allowed)
{
    pl_error why = { 0 };
    char     what[120];

    if (!json_is_object(o))
        return bad(r, "is not a mapping");
    if (pl_json_only(o, allowed, &why) == PL_OK)
        return PL_OK;
    (void)snprintf(what, sizeof what, "has a fault: %.90s", why.text);
    return bad(r, what);
}

static pl_rc both_languages(const reader *r, const json_t *o)
{
    return text_of(o, "zh").n == 0 || text_of(o, "en").n == 0 ? bad(r, "needs 'zh' and 'en'") : PL_OK;
}

static int name_index(const char *const *names, size_t n, pl_str name)
{
    for (size_t i = 0; i < n; i++)
        if (pl_str_eqz(name, names[i]))
            return (int)i;
    return -1;
}

static bool is_key(pl_str s)
{
    if (s.n == 0 || s.n > 48 || s.p[0] < 'a' || s.p[0] > 'z')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '_'))
            return false;
    return true;
}

/* --- one field ------------------------------------------------------------------------- */

static pl_rc options_read(const reader *r, pl_field *f, const json_t *o)
{
    static const char *const allowed[] = { "id", "zh", "en", "tag", NULL };
    const json_t            *one;
    size_t                   i;
    bool                     wanted = f->v.type == PL_FIELD_CHOICE || f->v.type == PL_FIELD_CHOICES;
    pl_rc                    rc;

    f->options = json_object_get(o, "options");
    if (wanted != (json_array_size(f->options) > 0))
        return bad(r, wanted ? "needs 'options'" : "has 'options' but is no choice");
    json_array_foreach(f->options, i, one) {
        rc = keys_check(r, one, allowed);
        if (rc == PL_OK && text_of(one, "id").n == 0)
            rc = bad(r, "has an option without 'id'");
        if (rc == PL_OK)
            rc = both_languages(r, one);
        if (rc != PL_OK)
            return rc;
    }
    return PL_OK;
}

static pl_rc pattern_read(const reader *r, pl_field *f, const json_t *o)
{
    pl_str text = text_of(o, "pattern"), check = text_of(o, "check");
    int    k = name_index(check_names, sizeof check_names / sizeof *check_names, check);

    if (k < 0)
        return bad(r, "has a 'check' nobody knows: uscc, cn_id, email, url");
    f->check = (field_check)k;
    if (text.n == 0)
        return PL_OK;
    if (text.n > 200)
        return bad(r, "has a 'pattern' that is too long");
    f->pattern = calloc(1, sizeof *f->pattern);
    if (f->pattern == NULL)
        return pl_fail(r->err, PL_NOMEM, "out of memory");
    if (regcomp(f->pattern, text.p, REG_EXTENDED | REG_NOSUB) == 0)
        return PL_OK;
    free(f->pattern);
    f->pattern = NULL;
    return bad(r, "has a 'pattern' that is no POSIX extended expression");
}

static pl_rc bound_read(const reader *r, const json_t *o, const char *key, bool *has, double *out)
{
    const json_t *v = json_object_get(o, key);

    if (v == NULL)
        return PL_OK;
    if (!json_is_number(v))
        return bad(r, "has a bound that is no number");
    *has = true;
    *out = json_number_value(v);
    return PL_OK;
}

static pl_rc bounds_read(const reader *r, pl_field *f, const json_t *o)
{
    int64_t max = f->v.type >= PL_FIELD_CHOICES ? PL_FORM_ROWS_MAX : PL_FORM_TEXT_MAX, rows = 0;
    pl_rc   rc = bound_read(r, o, "min", &f->has_min, &f->min);

    if (rc == PL_OK)
        rc = bound_read(r, o, "max", &f->has_max, &f->max);
    if (rc == PL_OK)
        rc = pl_json_get_int(o, "max_length", false, &max, r->err);
    if (rc == PL_OK)
        rc = pl_json_get_int(o, "min_rows", false, &rows, r->err);
    if (rc == PL_OK && (max < 1 || max > PL_FORM_TEXT_MAX || rows < 0 || rows > max))
        rc = bad(r, "has a length out of bounds");
    f->max_length = (size_t)max;
    f->min_rows = (size_t)rows;
    f->is_warning = pl_str_eqz(text_of(o, "severity"), "warning");
    return rc;
}

static pl_rc when_read(const reader *r, pl_field *f, const json_t *o)
{
    static const char *const allowed[] = { "field", "is", NULL };
    const json_t            *when = json_object_get(o, "required_when");
    pl_rc                    rc;

    if (when == NULL)
        return PL_OK;
    rc = keys_check(r, when, allowed);
    f->when = (field_when){ text_of(when, "field"), json_object_get(when, "is") };
    if (rc == PL_OK && (f->when.key.n == 0 || !json_is_array(f->when.is)))
        rc = bad(r, "needs 'field' and a list 'is' in 'required_when'");
    return rc;
}

static pl_rc fields_read(const reader *r, const json_t *list, unsigned depth, pl_field **out,
                         size_t *count);

static pl_rc rows_read(const reader *r, pl_field *f, const json_t *o, unsigned depth)
{
    const json_t *list = json_object_get(o, "fields");

    if ((f->v.type == PL_FIELD_LIST) != (list != NULL))
        return bad(r, list ? "has 'fields' but is no list" : "is a list and needs 'fields'");
    return list ? fields_read(r, list, depth + 1, &f->fields, &f->count) : PL_OK;
}

static pl_rc field_read(const reader *outer, const json_t *o, unsigned depth, pl_field *f)
{
    static const char *const allowed[] = {
        "key", "type", "zh", "en", "help", "required", "required_when", "public", "personal", "options",
        "pattern", "check", "min", "max", "max_length", "min_rows", "severity", "record", "fields",
        "unit", "tag", "source", "section", NULL
    };
    char   name[64];
    reader r = { outer->where, name, outer->err };
    int    type;
    pl_rc  rc;

    f->v = (pl_field_view){ .key = text_of(o, "key"), .zh = text_of(o, "zh"), .en = text_of(o, "en"),
                            .record = text_of(o, "record"), .tree = o,
                            .is_public = json_is_true(json_object_get(o, "public")),
                            .is_personal = json_is_true(json_object_get(o, "personal")),
                            .is_required = json_is_true(json_object_get(o, "required")) };
    (void)snprintf(name, sizeof name, "%.60s", f->v.key.n ? f->v.key.p : "?");
    rc = keys_check(&r, o, allowed);
    if (rc == PL_OK && !is_key(f->v.key))
        rc = bad(&r, "needs a 'key' of lower-case letters, digits and '_'");
    type = name_index(type_names, sizeof type_names / sizeof *type_names, text_of(o, "type"));
    if (rc == PL_OK && type < 0)
        rc = bad(&r, "has a 'type' nobody knows");
    f->v.type = (pl_field_type)(type < 0 ? 0 : type);
    if (rc == PL_OK)
        rc = both_languages(&r, o);
    if (rc == PL_OK)
        rc = options_read(&r, f, o);
    if (rc == PL_OK)
        rc = pattern_read(&r, f, o);
    if (rc == PL_OK)
        rc = bounds_read(&r, f, o);
    if (rc == PL_OK)
        rc = when_read(&r, f, o);
    return rc == PL_OK ? rows_read(&r, f, o, depth) : rc;
}

static void fields_free(pl_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].pattern != NULL)
            regfree(fields[i].pattern);
        free(fields[i].pattern);
        fields_free(fields[i].fields, fields[i].count);
    }
    free(fields);
}

static pl_rc repeated_check(const reader *r, const pl_field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (pl_str_eq(fields[i].v.key, fields[n].v.key))
            return bad(r, "has a field that is there twice");
    return PL_OK;
}

/* *count grows field by field, so that whoever frees knows what there is. */
static pl_rc fields_read(const reader *r, const json_t *list, unsigned depth, pl_field **out,
                         size_t *count)
{
    size_t n = json_array_size(list);
    pl_rc  rc = PL_OK;

    if (n == 0 || n > PL_FORM_FIELDS_MAX || depth > DEPTH_MAX)
        return bad(r, "needs a list 'fields' of 1 to 256 entries, not nested deeply");
    *out = calloc(n, sizeof **out);
    if (*out == NULL)
        return pl_fail(r->err, PL_NOMEM, "out of memory");
    for (size_t i = 0; i < n && rc == PL_OK; i++) {
        *count = i + 1;
        rc = field_read(r, json_array_get(list, i), depth, &(*out)[i]);
        if (rc == PL_OK)
            rc = repeated_check(r, *out, i);
    }
    return rc;
}

/* --- comparisons ----------------------------------------------------------------------- */

static pl_rc compare_read(const reader *r, const json_t *o, form_compare *c)
{
    static const char *const allowed[] = { "left", "op", "right", "severity", "zh",
                                           "en",   "tag", "source", NULL };
    const json_t            *right = json_object_get(o, "right");
    int                      op = name_index(ops, sizeof ops / sizeof *ops, text_of(o, "op"));
    pl_rc                    rc = keys_check(r, o, allowed);

    if (rc == PL_OK)
        rc = both_languages(r, o);
    *c = (form_compare){ .left = text_of(o, "left"), .right = text_of(o, "right"),
                         .number = json_number_value(right), .is_number = json_is_number(right),
                         .op = ops[op < 0 ? 0 : op], .zh = text_of(o, "zh"), .en = text_of(o, "en"),
                         .is_warning = pl_str_eqz(text_of(o, "severity"), "warning") };
    if (rc == PL_OK && (op < 0 || c->left.n == 0 || (c->right.n == 0 && !c->is_number)))
        rc = bad(r, "has a comparison without 'left', 'op' or 'right'");
    return rc;
}

static pl_rc compares_read(const reader *r, pl_form *f)
{
    const json_t *list = json_object_get(f->tree, "checks");
    size_t        n = json_array_size(list);
    pl_rc         rc = PL_OK;

    if (n == 0)
        return PL_OK;
    f->compares = calloc(n, sizeof *f->compares);
    if (f->compares == NULL)
        return pl_fail(r->err, PL_NOMEM, "out of memory");
    f->compare_count = n;
    for (size_t i = 0; i < n && rc == PL_OK; i++)
        rc = compare_read(r, json_array_get(list, i), &f->compares[i]);
    return rc;
}

/* --- the form -------------------------------------------------------------------------- */

pl_rc pl_form_new(const json_t *tree, const char *where, pl_form **out, pl_error *err)
{
    static const char *const allowed[] = { "id", "title", "fields", "checks", "sections", "kind", NULL };
    reader   r = { where, "", err };
    pl_form *f = calloc(1, sizeof *f);
    pl_rc    rc;

    if (f == NULL || (f->tree = json_deep_copy(tree)) == NULL) {
        free(f);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    rc = keys_check(&r, f->tree, allowed);
    if (rc == PL_OK && !is_key(text_of(f->tree, "id")))
        rc = bad(&r, "needs an 'id' of lower-case letters, digits and '_'");
    if (rc == PL_OK)
        rc = both_languages(&r, json_object_get(f->tree, "title"));
    if (rc == PL_OK)
        rc = fields_read(&r, json_object_get(f->tree, "fields"), 0, &f->fields, &f->count);
    if (rc == PL_OK)
        rc = compares_read(&r, f);
    if (rc != PL_OK) {
        pl_form_free(f);
        return rc;
    }
    *out = f;
    return PL_OK;
}

void pl_form_free(pl_form *f)
{
    if (f == NULL)
        return;
    fields_free(f->fields, f->count);
    free(f->compares);
    json_decref(f->tree);
    free(f);
}

pl_str pl_form_id(const pl_form *f)
{
    return text_of(f->tree, "id");
}

const json_t *pl_form_tree(const pl_form *f)
{
    return f->tree;
}

size_t pl_form_count(const pl_form *f)
{
    return f->count;
}

pl_field_view pl_form_field(const pl_form *f, size_t i)
{
    return f->fields[i].v;
}

json_t *pl_form_public(const pl_form *f, const json_t *values)
{
    json_t *out = json_object();

    for (size_t i = 0; out != NULL && i < f->count; i++) {
        const pl_field *field = &f->fields[i];
        json_t *v = json_object_getn(values, field->v.key.p, field->v.key.n);

        if (field->v.is_public && !field->v.is_personal && v != NULL)
            (void)json_object_setn(out, field->v.key.p, field->v.key.n, v);
    }
    return out;
}

const json_t *pl_path_get(const json_t *o, pl_str path)
{
    pl_str rest = path, key;

    while (o != NULL && pl_str_split(&rest, '.', &key))
        o = json_object_getn(o, key.p, key.n);
    return o;
}
