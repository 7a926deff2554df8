/* HTTP routes: what was filed beside what is observed. */
#include "base/banned.h"

#include "cap/registry/drift.h"
#include "cap/registry/registry_routes.h"

static pl_rc run(pl_api_request *q, pl_api_reply *r,
                 pl_rc (*fn)(registry_ctx *c, pl_str id, int64_t days, json_t **out, pl_error *err), pl_error *err)
{
    registry_ctx c;
    json_t      *out = NULL;
    int64_t      days = DRIFT_DAYS_DEFAULT;
    pl_rc        rc = pl_api_query_int(q, "days", DRIFT_DAYS_DEFAULT, 1, DRIFT_DAYS_MAX, &days, err);

    if (rc == PL_OK)
        rc = registry_ctx_of(q, &c, err);
    if (rc == PL_OK)
        rc = fn(&c, q->param[0], days, &out, err);
    return rc == PL_OK ? registry_reply(r, 200, out, err) : rc;
}

pl_rc registry_drift_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    return run(q, r, drift_look, err);
}

pl_rc registry_drift_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    return run(q, r, drift_record, err);
}
