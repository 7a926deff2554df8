#include "base/banned.h"

#include "base/json.h"
#include "base/jsonscan.h"

/* jansson recurses per level. Brackets inside strings must not count, hence the
 * small state machine; anything malformed is left for jansson to report. */
static bool too_deep(pl_str text)
{
    unsigned depth = 0;
    bool     in_string = false;

    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > PL_JSONSCAN_DEPTH)
                return true;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

pl_rc pl_json_parse(pl_str text, const char *where, json_t **out, pl_error *err)
{
    json_error_t je;
    json_t      *j;
    char        *near;

    if (too_deep(text))
        return pl_fail(err, PL_LIMIT, "%s: nested deeper than %d levels", where,
                       PL_JSONSCAN_DEPTH);
    /* jansson 2.14 takes a NUL byte after a number for the end. */
    if (text.n > 0 && memchr(text.p, '\0', text.n) != NULL)
        return pl_fail(err, PL_INVALID, "%s: NUL character", where);
    j = json_loadb(text.p != NULL ? text.p : "", text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
                   &je);
    if (j == NULL) {
        if (json_error_code(&je) == json_error_out_of_memory)
            return pl_fail(err, PL_NOMEM, "out of memory");
        /* jansson quotes the input here, and errors may reach a log. */
        near = strstr(je.text, " near '");
        if (near != NULL)
            *near = '\0';
        return pl_fail(err, PL_INVALID, "%s:%d:%d: %s", where, je.line, je.column, je.text);
    }
    *out = j;
    return PL_OK;
}

char *pl_json_dump(const json_t *j)
{
    return json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
}

char *pl_json_pretty(const json_t *j)
{
    return json_dumps(j, JSON_INDENT(2) | JSON_ENCODE_ANY);
}

/* *value is NULL when the key is absent and need not be there. */
static pl_rc member(const json_t *o, const char *key, bool required, const json_t **value,
                    pl_error *err)
{
    if (!json_is_object(o))
        return pl_fail(err, PL_INVALID, "not an object where key '%s' is looked for", key);
    *value = json_object_get(o, key);
    if (*value == NULL && required)
        return pl_fail(err, PL_INVALID, "missing key '%s'", key);
    return PL_OK;
}

pl_rc pl_json_get_str(const json_t *o, const char *key, bool required, pl_str *out, pl_error *err)
{
    const json_t *v;
    pl_rc         rc = member(o, key, required, &v, err);

    if (rc != PL_OK || v == NULL)
        return rc;
    if (!json_is_string(v))
        return pl_fail(err, PL_INVALID, "key '%s' must be a string", key);
    *out = (pl_str){ json_string_value(v), json_string_length(v) };
    return PL_OK;
}

pl_rc pl_json_get_int(const json_t *o, const char *key, bool required, int64_t *out, pl_error *err)
{
    const json_t *v;
    pl_rc         rc = member(o, key, required, &v, err);

    if (rc != PL_OK || v == NULL)
        return rc;
    if (!json_is_integer(v))
        return pl_fail(err, PL_INVALID, "key '%s' must be a whole number", key);
    *out = json_integer_value(v);
    return PL_OK;
}

pl_rc pl_json_get_bool(const json_t *o, const char *key, bool required, bool *out, pl_error *err)
{
    const json_t *v;
    pl_rc         rc = member(o, key, required, &v, err);

    if (rc != PL_OK || v == NULL)
        return rc;
    if (!json_is_boolean(v))
        return pl_fail(err, PL_INVALID, "key '%s' must be true or false", key);
    *out = json_is_true(v);
    return PL_OK;
}

static bool is_listed(const char *key, const char *const *allowed)
{
    for (size_t i = 0; allowed[i] != NULL; i++)
        if (strcmp(key, allowed[i]) == 0)
            return true;
    return false;
}

pl_rc pl_json_only(const json_t *o, const char *const *allowed, pl_error *err)
{
    const char *key;
    json_t     *v;

    if (!json_is_object(o))
        return pl_fail(err, PL_INVALID, "not an object");
    json_object_foreach((json_t *)(uintptr_t)o, key, v)
        if (!is_listed(key, allowed))
            return pl_fail(err, PL_INVALID, "unknown key '%.80s'", key);
    return PL_OK;
}
