#include "base/banned.h"

#include "cap/capability.h"
#include "cap/trace/trace_int.h"

/* POST /api/v1/trace {"text"} */
static pl_rc trace_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const allowed[] = { "text", NULL };
    trace_source s;
    trace_result result;
    json_t      *body = NULL;
    pl_str       text;
    pl_rc        rc = pl_api_body(q, allowed, &body, err);

    if (rc == PL_OK)
        rc = pl_json_get_str(body, "text", true, &text, err);
    if (rc == PL_OK)
        rc = pl_trace_source_init(&s, q->services->instance, q->db, q->services->ledger, err);
    if (rc == PL_OK)
        rc = pl_trace_search(&s, q->arena, text, &result, err);
    if (rc != PL_OK)
        return rc;
    r->body = pl_trace_result_json(&result);
    return r->body ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

const pl_route pl_trace_routes[] = {
    { "POST", "/api/v1/trace", PL_ROLES_STAFF, trace_post },
    { NULL, NULL, 0, NULL },
};
