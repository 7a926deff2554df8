/* Plans for the policy over the API and on the command line. */
#include "base/banned.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "cap/guard/guard_cmd.h"
#include "cap/guard/guard_plan.h"

static pl_rc ready(guard_run **g, pl_error *err)
{
    *g = guard_run_get();
    return *g ? PL_OK : pl_fail(err, PL_IO, "the guard has not started");
}

pl_rc plan_api_canary(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    guard_run *g;
    pl_rc      rc = ready(&g, err);

    return rc == PL_OK ? guard_canary_compare(g, q->db, q->now_ms, &r->body, err) : rc;
}

pl_rc plan_api_canary_start(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const keys[] = { "share", NULL };
    guard_run    *g;
    json_t       *body;
    const json_t *share;
    pl_rc         rc = ready(&g, err);

    if (rc == PL_OK)
        rc = pl_api_body(q, keys, &body, err);
    if (rc != PL_OK)
        return rc;
    share = json_object_get(body, "share");
    if (!json_is_integer(share) || json_integer_value(share) < 1 || json_integer_value(share) > 99)
        return pl_fail(err, PL_INVALID, "'share' must be a percent from 1 to 99");
    return guard_canary_start(g, q->services, q->db, (unsigned)json_integer_value(share), q->who, &r->body, err);
}

pl_rc plan_api_canary_stop(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    guard_run *g;
    pl_rc      rc = ready(&g, err);

    return rc == PL_OK ? guard_canary_stop(g, q->services, q->db, q->who, &r->body, err) : rc;
}

pl_rc plan_api_schedule(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    return guard_schedule_show(q->db, &r->body, err);
}

pl_rc plan_api_schedule_set(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const keys[] = { "at", NULL };
    guard_run *g;
    json_t    *body;
    pl_str     at;
    int64_t    at_ms;
    pl_rc      rc = ready(&g, err);

    if (rc == PL_OK)
        rc = pl_api_body(q, keys, &body, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "at", true, &at, err);
    if (rc == PL_OK && pl_time_parse(at, &at_ms, NULL) != PL_OK)
        rc = pl_fail(err, PL_INVALID, "'at' must be a moment (RFC 3339), like 2026-12-01T00:00:00+08:00");
    return rc == PL_OK ? guard_schedule_set(g, q->services, q->db, at_ms, q->who, &r->body, err) : rc;
}

pl_rc plan_api_schedule_cancel(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    guard_run *g;
    pl_rc      rc = ready(&g, err);

    return rc == PL_OK ? guard_schedule_cancel(g, q->services, q->db, q->who, &r->body, err) : rc;
}

/* --- command line ---------------------------------------------------------------------------------- */

static const char *text_of(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));

    return s ? s : "-";
}

static void print_rate(pl_cmd_ctx *c, const char *what, const json_t *r)
{
    if (json_is_null(json_object_get(r, "rate")))
        fprintf(c->out, "%-12s %s\n", what, pl_cmd_say(c, "no exchanges yet", "尚无交互"));
    else
        fprintf(c->out, pl_cmd_say(c, "%-12s %lld exchanges, %.2f %% blocked (95 %% interval %.2f to %.2f)\n",
                                   "%-12s %lld 次交互，拦截 %.2f %%（95 %% 区间 %.2f 至 %.2f）\n"), what,
                (long long)json_integer_value(json_object_get(r, "exchanges")),
                100 * json_number_value(json_object_get(r, "rate")), 100 * json_number_value(json_object_get(r, "low")),
                100 * json_number_value(json_object_get(r, "high")));
}

static void print_compare(pl_cmd_ctx *c, const json_t *j)
{
    const json_t *p = json_object_get(j, "canary");

    if (json_is_null(p)) {
        fprintf(c->out, "%s\n", pl_cmd_say(c, "no policy is on trial", "没有灰度策略"));
        return;
    }
    fprintf(c->out, pl_cmd_say(c, "%s judges %lld %% since %s\n", "%s 判定 %lld %%，自 %s 起\n"), text_of(p, "name"),
            (long long)json_integer_value(json_object_get(j, "share_now")), text_of(p, "made"));
    print_rate(c, pl_cmd_say(c, "in force:", "生效策略："), json_object_get(j, "in_force"));
    print_rate(c, pl_cmd_say(c, "on trial:", "灰度策略："), json_object_get(j, "on_trial"));
}

static void print_plan(pl_cmd_ctx *c, const json_t *j)
{
    const json_t *p = json_object_get(j, "scheduled") ? json_object_get(j, "scheduled") : j;

    if (json_is_null(p))
        fprintf(c->out, "%s\n", pl_cmd_say(c, "nothing is scheduled", "没有计划生效的策略"));
    else
        fprintf(c->out, "%s  %s  %s %lld %%\n", text_of(p, "name"), text_of(p, "digest"), text_of(p, "at"),
                (long long)json_integer_value(json_object_get(p, "share")));
}

int plan_cmd_canary(pl_cmd_ctx *c)
{
    const char *share = c->opt(c->host, "share"), *stop = c->opt(c->host, "end");
    char       *rest = NULL;
    long        n = share ? strtol(share, &rest, 10) : 0;

    if (stop)
        return guard_cmd_call(c, "DELETE", "/api/v1/policy/canary", NULL, print_plan);
    if (!share)
        return guard_cmd_call(c, "GET", "/api/v1/policy/canary", NULL, print_compare);
    if (*rest || n < 1 || n > 99) {
        fprintf(c->err, "plumbline: %s\n", pl_cmd_say(c, "'--share' is a percent from 1 to 99", "'--share' 为 1 至 99 的百分比"));
        return PL_EXIT_USAGE;
    }
    return guard_cmd_call(c, "POST", "/api/v1/policy/canary", json_pack("{s:I}", "share", (json_int_t)n), print_plan);
}

int plan_cmd_schedule(pl_cmd_ctx *c)
{
    const char *at = c->opt(c->host, "at"), *cancel = c->opt(c->host, "cancel");

    if (cancel)
        return guard_cmd_call(c, "DELETE", "/api/v1/policy/schedule", NULL, print_plan);
    if (!at)
        return guard_cmd_call(c, "GET", "/api/v1/policy/schedule", NULL, print_plan);
    return guard_cmd_call(c, "POST", "/api/v1/policy/schedule", json_pack("{s:s}", "at", at), print_plan);
}
