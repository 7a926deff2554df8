#include "base/banned.h"

#include "base/buf.h"
#include "base/jsonschema.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "base/utf8.h"

#include <regex.h>

#define DEPTH_MAX   32
#define POINTER_MAX 160 /* of the place in a message */

typedef struct checker {
    const json_t  *root;
    pl_schema_mode mode;
    pl_error      *err;
    char           at[POINTER_MAX];
    unsigned       depth;
} checker;

static pl_rc check(checker *c, const json_t *schema, const json_t *v);

#define bad(c, fmt, ...) \
    pl_fail((c)->err, PL_INVALID, "field '%s' " fmt, (c)->at[0] ? (c)->at : "/" __VA_OPT__(,) __VA_ARGS__)

/* --- types ------------------------------------------------------------------------------ */

static bool is_of_type(const json_t *v, const char *type)
{
    static const struct {
        const char *name;
        json_type   t;
    } names[] = { { "object", JSON_OBJECT }, { "array", JSON_ARRAY }, { "string", JSON_STRING },
                  { "integer", JSON_INTEGER }, { "number", JSON_INTEGER }, { "number", JSON_REAL },
                  { "boolean", JSON_TRUE }, { "boolean", JSON_FALSE }, { "null", JSON_NULL } };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i].name, type) == 0 && json_typeof(v) == names[i].t)
            return true;
    return false;
}

static pl_rc type_check(checker *c, const json_t *s, const json_t *v)
{
    const json_t *type = json_object_get(s, "type"), *one;
    size_t        i;

    if (type == NULL || (json_is_string(type) && is_of_type(v, json_string_value(type))))
        return PL_OK;
    json_array_foreach(type, i, one)
        if (json_is_string(one) && is_of_type(v, json_string_value(one)))
            return PL_OK;
    return json_is_string(type) ? bad(c, "is not of type %s", json_string_value(type))
                                : bad(c, "is of another type");
}

static pl_rc values_check(checker *c, const json_t *s, const json_t *v)
{
    const json_t *all = json_object_get(s, "enum"), *only = json_object_get(s, "const"), *one;
    size_t        i;

    if (only != NULL && !json_equal(only, v))
        return bad(c, "is not the one value allowed");
    if (all == NULL)
        return PL_OK;
    json_array_foreach(all, i, one)
        if (json_equal(one, v))
            return PL_OK;
    return bad(c, "is none of the values allowed");
}

/* --- strings and numbers ---------------------------------------------------------------- */

static size_t code_points(pl_str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static pl_rc pattern_check(checker *c, const json_t *s, const char *text)
{
    const char *pattern = json_string_value(json_object_get(s, "pattern"));
    regex_t     re;
    int         found;

    if (pattern == NULL)
        return PL_OK;
    if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        return pl_fail(c->err, PL_INVALID, "schema has a bad pattern: '%.80s'", pattern);
    found = regexec(&re, text, 0, NULL, 0) == 0;
    regfree(&re);
    return found ? PL_OK : bad(c, "does not have the form '%.80s'", pattern);
}

static pl_rc format_check(checker *c, const json_t *s, pl_str text)
{
    const char *format = json_string_value(json_object_get(s, "format"));
    int64_t     ms;

    if (format == NULL)
        return PL_OK;
    if (strcmp(format, "date-time") != 0)
        return pl_fail(c->err, PL_INVALID, "schema has a format we do not know: '%.40s'", format);
    return pl_time_parse(text, &ms, NULL) == PL_OK ? PL_OK : bad(c, "is not a time of RFC 3339");
}

static pl_rc string_check(checker *c, const json_t *s, const json_t *v)
{
    pl_str        text = { json_string_value(v), json_string_length(v) };
    const json_t *min = json_object_get(s, "minLength"), *max = json_object_get(s, "maxLength");
    json_int_t    n = (json_int_t)code_points(text);
    pl_rc         rc;

    if (min != NULL && n < json_integer_value(min))
        return bad(c, "is shorter than %lld characters", (long long)json_integer_value(min));
    if (max != NULL && n > json_integer_value(max))
        return bad(c, "is longer than %lld characters", (long long)json_integer_value(max));
    rc = pattern_check(c, s, text.p);
    return rc == PL_OK ? format_check(c, s, text) : rc;
}

static pl_rc number_check(checker *c, const json_t *s, const json_t *v)
{
    const json_t *min = json_object_get(s, "minimum"), *max = json_object_get(s, "maximum");

    if (min != NULL && json_number_value(v) < json_number_value(min))
        return bad(c, "is less than %g", json_number_value(min));
    if (max != NULL && json_number_value(v) > json_number_value(max))
        return bad(c, "is greater than %g", json_number_value(max));
    return PL_OK;
}

/* --- objects and arrays ----------------------------------------------------------------- */

/* Checks a member or element with the place lengthened by its name. */
static pl_rc check_below(checker *c, const char *name, const json_t *schema, const json_t *v)
{
    size_t n = strlen(c->at);
    pl_rc  rc;

    (void)snprintf(c->at + n, sizeof(c->at) - n, "/%.64s", name);
    rc = check(c, schema, v);
    c->at[n] = '\0';
    return rc;
}

static pl_rc required_check(checker *c, const json_t *s, const json_t *v)
{
    const json_t *one;
    size_t        i;

    json_array_foreach(json_object_get(s, "required"), i, one)
        if (json_object_get(v, json_string_value(one)) == NULL)
            return pl_fail(c->err, PL_INVALID, "field '%s/%s' is missing", c->at,
                           json_string_value(one));
    return PL_OK;
}

static pl_rc object_check(checker *c, const json_t *s, const json_t *v)
{
    const json_t *described = json_object_get(s, "properties"), *member;
    const json_t *more = json_object_get(s, "additionalProperties");
    bool is_closed = more ? json_is_false(more) : c->mode == PL_SCHEMA_CLOSED && described != NULL;
    const char *name;
    pl_rc       rc = required_check(c, s, v);

    if (rc != PL_OK)
        return rc;
    json_object_foreach((json_t *)(uintptr_t)v, name, member) {
        const json_t *schema = json_object_get(described, name);

        if (schema == NULL && is_closed)
            return pl_fail(c->err, PL_INVALID, "field '%s/%.64s' is not part of the format", c->at,
                           name);
        rc = schema != NULL ? check_below(c, name, schema, member) : PL_OK;
        if (rc != PL_OK)
            return rc;
    }
    return PL_OK;
}

static pl_rc array_check(checker *c, const json_t *s, const json_t *v)
{
    const json_t *items = json_object_get(s, "items"), *one;
    const json_t *min = json_object_get(s, "minItems"), *max = json_object_get(s, "maxItems");
    json_int_t    n = (json_int_t)json_array_size(v);
    size_t        i;

    if (min != NULL && n < json_integer_value(min))
        return bad(c, "has fewer than %lld items", (long long)json_integer_value(min));
    if (max != NULL && n > json_integer_value(max))
        return bad(c, "has more than %lld items", (long long)json_integer_value(max));
    json_array_foreach(v, i, one) {
        char  name[24];
        pl_rc rc;

        (void)snprintf(name, sizeof(name), "%zu", i);
        rc = items != NULL ? check_below(c, name, items, one) : PL_OK;
        if (rc != PL_OK)
            return rc;
    }
    return PL_OK;
}

/* --- the whole -------------------------------------------------------------------------- */

static bool is_known(const char *keyword)
{
    static const char *const known[] = {
        "type", "enum", "const", "required", "properties", "additionalProperties", "items",
        "minItems", "maxItems", "minimum", "maximum", "minLength", "maxLength", "pattern",
        "format", "$ref", "anyOf", "$defs", "$schema", "$id", "title", "description", "examples",
        "default", "$comment"
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(known[i], keyword) == 0)
            return true;
    return false;
}

static pl_rc keywords_check(checker *c, const json_t *s)
{
    const char *keyword;
    json_t     *ignored;

    if (!json_is_object(s))
        return pl_fail(c->err, PL_INVALID, "schema of field '%s' is not an object", c->at);
    json_object_foreach((json_t *)(uintptr_t)s, keyword, ignored)
        if (!is_known(keyword))
            return pl_fail(c->err, PL_INVALID, "schema of field '%s' uses '%.40s', which we do not "
                           "know", c->at, keyword);
    return PL_OK;
}

static pl_rc ref_check(checker *c, const json_t *s, const json_t *v)
{
    static const char prefix[] = "#/$defs/";
    const char       *ref = json_string_value(json_object_get(s, "$ref"));
    const json_t     *target = NULL;

    if (ref == NULL)
        return PL_OK;
    if (strncmp(ref, prefix, sizeof(prefix) - 1) == 0)
        target = json_object_get(json_object_get(c->root, "$defs"), ref + sizeof(prefix) - 1);
    if (target == NULL)
        return pl_fail(c->err, PL_INVALID, "schema refers to '%.80s', which is not there", ref);
    return check(c, target, v);
}

static pl_rc any_check(checker *c, const json_t *s, const json_t *v)
{
    const json_t *all = json_object_get(s, "anyOf"), *one;
    size_t        i;

    if (all == NULL)
        return PL_OK;
    json_array_foreach(all, i, one) {
        checker trial = *c;

        trial.err = NULL;
        if (check(&trial, one, v) == PL_OK)
            return PL_OK;
    }
    return bad(c, "has none of the forms allowed");
}

static pl_rc shape_check(checker *c, const json_t *s, const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT: return object_check(c, s, v);
    case JSON_ARRAY: return array_check(c, s, v);
    case JSON_STRING: return string_check(c, s, v);
    case JSON_INTEGER:
    case JSON_REAL: return number_check(c, s, v);
    default: return PL_OK;
    }
}

static pl_rc check(checker *c, const json_t *schema, const json_t *v)
{
    static pl_rc (*const steps[])(checker *, const json_t *, const json_t *) = {
        ref_check, type_check, values_check, any_check, shape_check
    };
    pl_rc rc;

    if (c->depth == DEPTH_MAX)
        return pl_fail(c->err, PL_LIMIT, "field '%s' is nested too deeply", c->at);
    c->depth++;
    rc = keywords_check(c, schema);
    for (size_t i = 0; rc == PL_OK && i < sizeof(steps) / sizeof(steps[0]); i++)
        rc = steps[i](c, schema, v);
    c->depth--;
    return rc;
}

pl_rc pl_jsonschema_check(const json_t *schema, const json_t *value, pl_schema_mode mode,
                          pl_error *err)
{
    checker c = { .root = schema, .mode = mode, .err = err };

    return check(&c, schema, value);
}
