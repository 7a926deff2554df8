#include "base/banned.h"

#include "base/str.h"
#include "cap/api.h"

#include <errno.h>

const char *pl_role_name(unsigned role)
{
    switch (role) {
    case PL_ROLE_PUBLIC:
        return "public";
    case PL_ROLE_ASSESSOR:
        return "assessor";
    case PL_ROLE_REGULATOR:
        return "regulator";
    case PL_ROLE_REVIEWER:
        return "reviewer";
    case PL_ROLE_PROVIDER:
        return "provider";
    case PL_ROLE_ADMIN:
        return "admin";
    default:
        return "unknown";
    }
}

static void drop_json(void *j)
{
    json_decref(j);
}

pl_rc pl_api_body(pl_api_request *q, const char *const *allowed, json_t **out, pl_error *err)
{
    json_t *j;
    pl_rc   rc;

    if (q->body.n == 0)
        return pl_fail(err, PL_INVALID, "the request needs a JSON body");
    rc = pl_json_parse(q->body, "body", &j, err);
    if (rc != PL_OK)
        return rc;
    rc = pl_arena_defer(q->arena, drop_json, j);
    if (rc != PL_OK) {
        json_decref(j);
        return pl_fail(err, rc, "request is too large to handle");
    }
    if (!json_is_object(j))
        return pl_fail(err, PL_INVALID, "body must be a JSON object");
    rc = pl_json_only(j, allowed, err);
    if (rc == PL_OK)
        *out = j;
    return rc;
}

/* Optional minus and decimal digits; nothing else that strtoll would let pass. */
static bool parse_int(const char *text, int64_t *out)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    size_t      n = strlen(digits);

    if (n == 0 || n > 19 || strspn(digits, "0123456789") != n)
        return false;
    errno = 0;
    *out = strtoll(text, NULL, 10);
    return errno == 0;
}

pl_rc pl_api_query_int(pl_api_request *q, const char *name, int64_t def, int64_t min, int64_t max,
                       int64_t *out, pl_error *err)
{
    const char *text = q->query(q->host, name);
    int64_t     v = def;

    if (text != NULL) {
        if (!parse_int(text, &v))
            return pl_fail(err, PL_INVALID, "parameter '%s' must be a whole number", name);
        if (v < min || v > max)
            return pl_fail(err, PL_INVALID, "parameter '%s' must be between %lld and %lld", name,
                           (long long)min, (long long)max);
    }
    *out = v;
    return PL_OK;
}
