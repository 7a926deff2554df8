/* Which route answers a request. Pure: a table of patterns, immutable once built, safe to
 * share between threads. */
#ifndef PL_DAEMON_ROUTER_H
#define PL_DAEMON_ROUTER_H

#include "base/arena.h"
#include "cap/capability.h"

#define PL_ROUTE_PARAMS 4

typedef struct pl_router pl_router;

/* Over the host's own routes and those of every capability, both NULL-ended. PL_CONFLICT
 * when two routes answer the same requests, PL_INVALID for a pattern that is malformed. */
pl_rc pl_router_new(const pl_route *host_routes, const pl_capability *const *capabilities,
                    pl_router **out, pl_error *err);
void  pl_router_free(pl_router *r);

typedef enum pl_route_result {
    PL_ROUTE_FOUND,
    PL_ROUTE_NO_PATH,   /* 404 */
    PL_ROUTE_NO_METHOD, /* 405, with `allow` filled */
    PL_ROUTE_BAD_PATH   /* 400: malformed escapes, NUL or invalid UTF-8 */
} pl_route_result;

typedef struct pl_match {
    const pl_route *route;
    bool            is_host; /* one of the host's own routes */
    pl_str          param[PL_ROUTE_PARAMS]; /* decoded, in the arena or in the path */
    char            allow[64];              /* methods of the path, comma separated */
} pl_match;

/* `path` as it came, without the query, still escaped. HEAD is answered by GET. A literal
 * segment outranks a parameter. */
pl_route_result pl_router_find(const pl_router *r, const char *method, pl_str path, pl_arena *a,
                               pl_match *out);

/* Calls fn for every route, host's first. */
void pl_router_each(const pl_router *r, void (*fn)(void *ctx, const pl_route *route), void *ctx);

/* --- request targets -------------------------------------------------------------- */

/* Splits "/a/b?x=1" at the first '?'. */
void pl_target_split(pl_str target, pl_str *path, pl_str *query);
/* Percent-decodes into the arena ('+' is a blank when is_query). PL_INVALID: malformed
 * escape, NUL, or not UTF-8. The view itself when nothing is escaped. */
pl_rc pl_percent_decode(pl_str s, pl_arena *a, bool is_query, pl_str *out, pl_error *err);
/* Decoded value of a query parameter, NUL-terminated in the arena; NULL when it is absent
 * or malformed. The first one counts. */
const char *pl_query_find(pl_str query, const char *name, pl_arena *a);
#endif
