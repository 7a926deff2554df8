/* Reviews over the API. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/guard_review.h"

static pl_rc state_of(pl_api_request *q, pl_str *out, pl_error *err)
{
    static const char *const states[] = { "waiting", "open", "disputed", "settled", "lapsed" };
    const char *s = q->query(q->host, "state");

    *out = pl_str_z(s ? s : "");
    for (size_t i = 0; out->n && i < sizeof states / sizeof states[0]; i++)
        if (pl_str_eqz(*out, states[i]))
            return PL_OK;
    return out->n ? pl_fail(err, PL_INVALID, "'state' must be waiting, open, disputed, settled or lapsed") : PL_OK;
}

pl_rc review_api_list(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    const char  *before = q->query(q->host, "before");
    review_query query = { .before = pl_str_z(before ? before : "") };
    json_t      *list = NULL, *last;
    pl_rc        rc = pl_api_query_int(q, "limit", 50, 1, 500, &query.limit, err);

    if (rc == PL_OK)
        rc = state_of(q, &query.state, err);
    if (rc == PL_OK && query.before.n && !pl_id_valid(query.before))
        rc = pl_fail(err, PL_INVALID, "query parameter 'before' is not an id");
    if (rc == PL_OK)
        rc = guard_review_list(q->db, &query, &list, err);
    if (rc != PL_OK)
        return rc;
    last = json_array_size(list) == (size_t)query.limit
               ? json_object_get(json_array_get(list, json_array_size(list) - 1), "id") : NULL;
    r->body = json_pack("{s:o, s:O?}", "reviews", list, "next", last);
    return PL_OK;
}

pl_rc review_api_show(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    return guard_review_show(q->services, q->db, q->arena, q->param[0], q->who, &r->body, err);
}

pl_rc review_api_stats(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    return guard_review_stats(q->db, &r->body, err);
}

pl_rc review_api_decide(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const keys[] = { "verdict", "category", "note", NULL };
    review_opinion o = { .category = PL_STR(""), .note = PL_STR("") };
    json_t        *body;
    pl_str         verdict;
    pl_rc          rc = pl_api_body(q, keys, &body, err);

    if (rc == PL_OK)
        rc = pl_json_get_str(body, "verdict", true, &verdict, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "category", false, &o.category, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "note", false, &o.note, err);
    if (rc == PL_OK)
        rc = review_verdict_parse(verdict, &o.verdict, err);
    return rc == PL_OK ? guard_review_decide(q->services, q->db, q->arena, q->param[0], &o, q->who, &r->body, err)
                       : rc;
}
