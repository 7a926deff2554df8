/* The host's own routes. They answer even when the database and the ledger do not. */
#include "base/banned.h"

#include "base/str.h"
#include "host/daemon/daemon.h"

#define METRICS_MAX (8u << 20)

static pl_rc healthz(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    bool is_degraded;

    r->body = pl_health_report(pl_daemon_of(q), q->db, &is_degraded);
    r->status = is_degraded ? 503 : 200;
    return r->body != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

/* The proxy in front says where a request came from. Whoever speaks to the socket without
 * one is a process on this host that its group allows. */
static bool is_from_this_host(const pl_api_request *q)
{
    const char *from = q->header(q->host, "X-Real-IP");

    return from == NULL || strcmp(from, "127.0.0.1") == 0 || strcmp(from, "::1") == 0 ||
           strcmp(from, "unix:") == 0;
}

static pl_rc metrics(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    if (!(q->who->roles & PL_ROLES_STAFF) && !is_from_this_host(q))
        return pl_fail(err, PL_DENIED, "metrics are for staff and for this host");
    pl_buf_done(&r->raw);
    r->raw = PL_BUF_INIT(METRICS_MAX);
    pl_metrics_write(pl_daemon_of(q), q->db, &r->raw);
    r->content_type = "text/plain; version=0.0.4; charset=utf-8";
    return PL_OK;
}

static pl_rc openapi(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    (void)err;
    pl_buf_puts(&r->raw, pl_daemon_of(q)->openapi);
    return PL_OK;
}

const pl_route pl_host_routes[] = {
    { "GET", "/healthz", PL_ROLES_ANY, healthz },
    { "GET", "/metrics", PL_ROLES_ANY, metrics },
    { "GET", "/api/v1/openapi.json", PL_ROLES_ANY, openapi },
    { 0 },
};
