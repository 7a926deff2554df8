#include "base/banned.h"

#include "base/str.h"
#include "host/cli/demo.h"

#define DEPTH_MAX 12
#define ITEMS_MAX 4
#define BUDGET    2000

typedef struct maker {
    const json_t *root;
    int           budget; /* values still to be made: schemas can ask for very many */
} maker;

static json_t *value(maker *m, const json_t *s, const char *name, int depth);

/* "#/$defs/step" */
static const json_t *resolve(const json_t *root, const char *ref)
{
    const json_t *at = root;
    pl_str        rest = pl_str_z(ref), part;

    if (!pl_str_starts(rest, PL_STR("#")))
        return NULL;
    (void)pl_str_split(&rest, '/', &part);
    while (at != NULL && pl_str_split(&rest, '/', &part))
        at = json_object_getn(at, part.p, part.n);
    return at;
}

static json_t *object_value(maker *m, const json_t *s, int depth)
{
    json_t     *out = json_object(), *v;
    const char *key;

    json_object_foreach(json_object_get(s, "properties"), key, v)
        (void)json_object_set_new(out, key, value(m, v, key, depth + 1));
    return out;
}

static json_t *array_value(maker *m, const json_t *s, int depth)
{
    json_t    *out = json_array();
    json_int_t n = json_integer_value(json_object_get(s, "minItems"));

    n = n < 1 ? 1 : n > ITEMS_MAX ? ITEMS_MAX : n;
    if (depth + 3 >= DEPTH_MAX) /* a type that contains itself ends here */
        n = json_integer_value(json_object_get(s, "minItems")) > 0 ? n : 0;
    for (json_int_t i = 0; i < n; i++)
        (void)json_array_append_new(out, value(m, json_object_get(s, "items"), "item", depth + 1));
    return out;
}

/* Words that read well where a schema asks for a string of some name. */
static json_t *string_value(const char *name)
{
    static const struct {
        const char *name, *value;
    } known[] = {
        { "city", "Beijing" },         { "location", "Beijing" }, { "country", "China" },
        { "date", "2026-11-22" },      { "unit", "celsius" },     { "name", "demo" },
        { "email", "demo@example.com" },
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].name, name) == 0)
            return json_string(known[i].value);
    return json_sprintf("demo %s", name);
}

static const char *type_of(const json_t *s)
{
    const json_t *t = json_object_get(s, "type"), *one;
    size_t        i;

    json_array_foreach(t, i, one)
        if (json_is_string(one) && strcmp(json_string_value(one), "null") != 0)
            return json_string_value(one);
    if (json_is_string(t))
        return json_string_value(t);
    return json_object_get(s, "properties") != NULL ? "object" : "string";
}

static json_t *typed_value(maker *m, const json_t *s, const char *name, int depth)
{
    const char   *type = type_of(s);
    const json_t *least = json_object_get(s, "minimum");

    if (strcmp(type, "object") == 0)
        return object_value(m, s, depth);
    if (strcmp(type, "array") == 0)
        return array_value(m, s, depth);
    if (strcmp(type, "integer") == 0)
        return json_integer(json_is_number(least) ? (json_int_t)json_number_value(least) : 1);
    if (strcmp(type, "number") == 0)
        return json_real(json_is_number(least) ? json_number_value(least) : 1.5);
    if (strcmp(type, "boolean") == 0)
        return json_true();
    if (strcmp(type, "null") == 0)
        return json_null();
    return string_value(name);
}

static json_t *value(maker *m, const json_t *s, const char *name, int depth)
{
    const json_t *ref = json_object_get(s, "$ref"), *options = json_object_get(s, "anyOf");
    const json_t *fixed = json_object_get(s, "const");

    if (depth >= DEPTH_MAX || m->budget-- <= 0 || !json_is_object(s))
        return json_null();
    if (json_is_string(ref))
        return value(m, resolve(m->root, json_string_value(ref)), name, depth + 1);
    if (fixed != NULL)
        return json_deep_copy(fixed);
    if (json_array_size(json_object_get(s, "enum")) > 0)
        return json_deep_copy(json_array_get(json_object_get(s, "enum"), 0));
    if (json_array_size(options) > 0) {
        /* The last one: optional parts are written as anyOf [something, null], and a type
         * that contains itself ends there. */
        size_t pick = depth > DEPTH_MAX / 2 ? json_array_size(options) - 1 : 0;

        return value(m, json_array_get(options, pick), name, depth + 1);
    }
    return typed_value(m, s, name, depth);
}

json_t *pl_demo_schema_value(const json_t *schema)
{
    maker m = { schema, BUDGET };

    return value(&m, schema, "value", 0);
}
