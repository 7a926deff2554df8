#include "base/banned.h"

#include "base/json.h"
#include "cap/@name@/@name@_int.h"

static pl_rc add_remark(void *ctx, const pl_@name@_remark *r, pl_error *err)
{
    json_t *o = json_pack("{s:I, s:s%, s:I}", "seq", (json_int_t)r->seq, "text", r->text.p,
                          r->text.n, "at_ms", (json_int_t)r->at_ms);

    if (json_array_append_new(ctx, o) != 0)
        return pl_fail(err, PL_NOMEM, "out of memory");
    return PL_OK;
}

/* GET /api/v1/@name@/{subject} */
static pl_rc get_remarks(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    json_t *list = json_array();
    pl_rc   rc = list ? pl_@name@_each(q->db, q->param[0], add_remark, list, err)
                      : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc != PL_OK) {
        json_decref(list);
        return rc;
    }
    r->body = json_pack("{s:o}", "remarks", list);
    return r->body ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

/* POST /api/v1/@name@/{subject} {"text"} */
static pl_rc post_remark(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const allowed[] = { "text", NULL };
    json_t *body = NULL;
    pl_str  text;
    int64_t seq;
    pl_rc   rc = pl_api_body(q, allowed, &body, err);

    if (rc == PL_OK)
        rc = pl_json_get_str(body, "text", true, &text, err);
    if (rc == PL_OK)
        rc = pl_@name@_append(q->db, q->param[0], text, q->now_ms, &seq, err);
    if (rc != PL_OK)
        return rc;
    r->status = 201;
    r->body = json_pack("{s:I}", "seq", (json_int_t)seq);
    return r->body ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

const pl_route pl_@name@_routes[] = {
    { "GET", "/api/v1/@name@/{subject}", PL_ROLES_STAFF, get_remarks },
    { "POST", "/api/v1/@name@/{subject}", PL_ROLES_OPERATE, post_remark },
    { NULL, NULL, 0, NULL },
};
