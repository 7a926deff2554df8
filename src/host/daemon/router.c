#include "base/banned.h"

#include "base/str.h"
#include "host/daemon/router.h"

#define SEGMENTS_MAX 12

typedef struct segments {
    pl_str part[SEGMENTS_MAX];
    size_t n;
} segments;

typedef struct entry {
    const pl_route *route;
    segments        pattern;
    bool            is_host;
} entry;

struct pl_router {
    size_t n;
    entry  entries[];
};

static bool is_param(pl_str part)
{
    return part.n > 0 && part.p[0] == '{';
}

/* "/a/b" → "a", "b". False without a leading slash or with too many parts. */
static bool split_path(pl_str path, segments *out)
{
    pl_str rest;

    out->n = 0;
    if (path.n == 0 || path.p[0] != '/')
        return false;
    rest = (pl_str){ path.p + 1, path.n - 1 };
    while (pl_str_split(&rest, '/', &out->part[out->n]))
        if (++out->n == SEGMENTS_MAX)
            return false;
    /* The split drops an empty last part; "/a/" is not "/a". */
    if (path.n > 1 && path.p[path.n - 1] == '/')
        out->part[out->n++] = PL_STR("");
    return true;
}

/* --- building ---------------------------------------------------------------------- */

static bool pattern_is_sound(const segments *s)
{
    size_t params = 0;

    for (size_t i = 0; i < s->n; i++) {
        pl_str part = s->part[i];

        if (is_param(part) && (part.n < 3 || part.p[part.n - 1] != '}'))
            return false;
        if (part.n == 0)
            return false;
        params += is_param(part);
    }
    return params <= PL_ROUTE_PARAMS;
}

static bool same_requests(const entry *a, const entry *b)
{
    if (strcmp(a->route->method, b->route->method) != 0 || a->pattern.n != b->pattern.n)
        return false;
    for (size_t i = 0; i < a->pattern.n; i++) {
        pl_str x = a->pattern.part[i], y = b->pattern.part[i];

        if (is_param(x) != is_param(y) || (!is_param(x) && !pl_str_eq(x, y)))
            return false;
    }
    return true;
}

static pl_rc add_route(pl_router *r, const pl_route *route, bool is_host, pl_error *err)
{
    entry *e = &r->entries[r->n];

    *e = (entry){ .route = route, .is_host = is_host };
    if (!split_path(pl_str_z(route->path), &e->pattern) || !pattern_is_sound(&e->pattern))
        return pl_fail(err, PL_INVALID, "malformed route '%s %s'", route->method, route->path);
    for (size_t i = 0; i < r->n; i++)
        if (same_requests(&r->entries[i], e))
            return pl_fail(err, PL_CONFLICT, "two routes for '%s %s'", route->method, route->path);
    r->n++;
    return PL_OK;
}

static size_t count_routes(const pl_route *routes)
{
    size_t n = 0;

    while (routes != NULL && routes[n].method != NULL)
        n++;
    return n;
}

static pl_rc add_routes(pl_router *r, const pl_route *routes, bool is_host, pl_error *err)
{
    pl_rc rc = PL_OK;

    for (size_t i = 0; rc == PL_OK && i < count_routes(routes); i++)
        rc = add_route(r, &routes[i], is_host, err);
    return rc;
}

pl_rc pl_router_new(const pl_route *host_routes, const pl_capability *const *capabilities,
                    pl_router **out, pl_error *err)
{
    size_t     n = count_routes(host_routes);
    pl_router *r;
    pl_rc      rc;

    for (size_t i = 0; capabilities[i] != NULL; i++)
        n += count_routes(capabilities[i]->routes);
    r = calloc(1, sizeof *r + n * sizeof r->entries[0]);
    if (r == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");

    rc = add_routes(r, host_routes, true, err);
    for (size_t i = 0; rc == PL_OK && capabilities[i] != NULL; i++)
        rc = add_routes(r, capabilities[i]->routes, false, err);
    if (rc != PL_OK)
        pl_router_free(r);
    else
        *out = r;
    return rc;
}

void pl_router_free(pl_router *r)
{
    free(r);
}

void pl_router_each(const pl_router *r, void (*fn)(void *ctx, const pl_route *route), void *ctx)
{
    for (size_t i = 0; i < r->n; i++)
        fn(ctx, r->entries[i].route);
}

/* --- finding ----------------------------------------------------------------------- */

static bool matches(const segments *pattern, const segments *path)
{
    if (pattern->n != path->n)
        return false;
    for (size_t i = 0; i < path->n; i++) {
        pl_str want = pattern->part[i], got = path->part[i];

        if (is_param(want) ? got.n == 0 : !pl_str_eq(want, got))
            return false;
    }
    return true;
}

/* Of two patterns that match one path: the one with a literal where they first differ. */
static bool outranks(const segments *a, const segments *b)
{
    for (size_t i = 0; i < a->n; i++)
        if (is_param(a->part[i]) != is_param(b->part[i]))
            return is_param(b->part[i]);
    return false;
}

/* No method's name holds another's, so a search for the name is enough. */
static void add_allow(char *allow, size_t cap, const char *method)
{
    size_t n = strlen(allow);

    if (strstr(allow, method) == NULL)
        (void)snprintf(allow + n, cap - n, "%s%s", n > 0 ? ", " : "", method);
    if (strcmp(method, "GET") == 0)
        add_allow(allow, cap, "HEAD");
}

static void fill(const entry *e, const segments *path, pl_match *out)
{
    size_t n = 0;

    out->route = e->route;
    out->is_host = e->is_host;
    for (size_t i = 0; i < path->n; i++)
        if (is_param(e->pattern.part[i]))
            out->param[n++] = path->part[i];
}

pl_route_result pl_router_find(const pl_router *r, const char *method, pl_str path, pl_arena *a,
                               pl_match *out)
{
    const char  *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    const entry *best = NULL;
    segments     s;

    *out = (pl_match){ 0 };
    if (!split_path(path, &s))
        return PL_ROUTE_NO_PATH;
    /* After the split: an escaped slash is part of its segment. */
    for (size_t i = 0; i < s.n; i++)
        if (pl_percent_decode(s.part[i], a, false, &s.part[i], NULL) != PL_OK)
            return PL_ROUTE_BAD_PATH;

    for (size_t i = 0; i < r->n; i++) {
        const entry *e = &r->entries[i];

        if (!matches(&e->pattern, &s))
            continue;
        add_allow(out->allow, sizeof out->allow, e->route->method);
        if (strcmp(e->route->method, wanted) == 0 &&
            (best == NULL || outranks(&e->pattern, &best->pattern)))
            best = e;
    }
    if (best != NULL) {
        fill(best, &s, out);
        return PL_ROUTE_FOUND;
    }
    return out->allow[0] != '\0' ? PL_ROUTE_NO_METHOD : PL_ROUTE_NO_PATH;
}
