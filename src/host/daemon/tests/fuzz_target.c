/* Request targets from the network: whatever comes, decoding gives valid UTF-8 without
 * NUL, no longer than its source, and a path that was found has no empty parameter. */
#include "base/banned.h"

#include "base/str.h"
#include "base/utf8.h"
#include "host/daemon/router.h"

static pl_rc nothing(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    (void)q, (void)r, (void)err;
    return PL_OK;
}

static const pl_route routes[] = {
    { "GET", "/a", 0, nothing },
    { "GET", "/a/{id}", 0, nothing },
    { "POST", "/a/{id}/b/{n}", 0, nothing },
    { 0 },
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_decoded(pl_str from, pl_str to)
{
    require(to.n <= from.n);
    require(pl_utf8_valid(to));
    require(to.n == 0 || memchr(to.p, '\0', to.n) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const pl_capability *none[] = { NULL };
    pl_arena            *a = pl_arena_new(1u << 20);
    pl_router           *r;
    pl_str               target = { (const char *)data, size }, path, query, out;
    pl_match             m;

    require(a != NULL && pl_router_new(routes, none, &r, NULL) == PL_OK);
    /* The server library ends the target at the first NUL. */
    target.n = strnlen(target.p, size);
    pl_target_split(target, &path, &query);
    require(path.n + query.n <= target.n);
    if (pl_percent_decode(query, a, true, &out, NULL) == PL_OK)
        check_decoded(query, out);
    if (pl_router_find(r, "GET", path, a, &m) == PL_ROUTE_FOUND)
        for (size_t i = 0; i < PL_ROUTE_PARAMS && m.param[i].p != NULL; i++) {
            require(m.param[i].n > 0);
            check_decoded(path, m.param[i]);
        }
    (void)pl_query_find(query, "limit", a);
    pl_router_free(r);
    pl_arena_free(a);
    return 0;
}
