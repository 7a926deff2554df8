/* One request from routing to reply: who asks, may they, what does the route say. */
#include "base/banned.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "host/daemon/daemon.h"
#include "host/daemon/log.h"

#include <sodium.h>
#include <time.h>

#define REQUEST_ARENA (64u << 20)

typedef struct exchange {
    pl_daemon        *d;
    const pl_http_in *in;
    pl_http_out      *out;
    pl_arena         *arena;
    pl_str            path, query;
    pl_match          match;
    pl_principal      who;
    char              csrf[65];
    pl_api_request    q;
} exchange;

static const char *lookup_header(void *host, const char *name)
{
    const exchange *x = host;

    return x->in->header(x->in->ctx, name);
}

static const char *lookup_query(void *host, const char *name)
{
    const exchange *x = host;

    return pl_query_find(x->query, name, x->arena);
}

static void problem(exchange *x, int status, const char *detail)
{
    pl_http_problem(x->out, status, x->q.lang, detail, x->path);
}

/* What failed inside is for the log and the operator; a remote caller learns only that it
 * did, because the message may name paths or hosts. */
static void fail(exchange *x, const pl_error *err)
{
    int  status = pl_http_status(err->rc);
    bool is_internal = status >= 500;

    if (is_internal)
        pl_log_error("request failed", PL_S("method", x->q.method),
                     PL_S("route", x->match.route ? x->match.route->path : ""),
                     PL_S("error", err->text));
    problem(x, status,
            is_internal && !x->in->is_operator
                ? "the service cannot do this now; its log has the reason"
                : err->text);
}

static bool is_safe_method(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

/* --- routing and the shape of the request ------------------------------------------------ */

static bool route_request(exchange *x)
{
    switch (pl_router_find(x->d->router, x->in->method, x->path, x->arena, &x->match)) {
    case PL_ROUTE_FOUND:
        x->out->route = x->match.route->path;
        memcpy(x->q.param, x->match.param, sizeof x->q.param);
        return true;
    case PL_ROUTE_NO_METHOD:
        problem(x, 405, "the address does not take this method");
        memcpy(x->out->allow, x->match.allow, sizeof x->out->allow);
        return false;
    case PL_ROUTE_BAD_PATH:
        problem(x, 400, "malformed escape in the address");
        return false;
    case PL_ROUTE_NO_PATH:
        break;
    }
    problem(x, 404, "no such address");
    return false;
}

static bool body_is_acceptable(exchange *x)
{
    bool is_file = pl_http_body_max(x->in->target) > PL_HTTP_BODY_MAX;

    if (x->in->is_too_large) {
        problem(x, 413, is_file ? "the file is larger than this address takes" : "body is larger than 1 MiB");
        return false;
    }
    if (x->in->body.n > 0 && !is_file && !pl_http_is_json(lookup_header(x, "Content-Type"))) {
        problem(x, 415, "body must be application/json");
        return false;
    }
    return true;
}

/* --- who may ------------------------------------------------------------------------------- */

static void become_operator(pl_principal *who)
{
    *who = (pl_principal){ .id = "local",
                           .name = "local operator",
                           .roles = PL_ROLES_STAFF | (unsigned)PL_ROLE_PUBLIC,
                           .is_local = 1 };
}

/* PL_OK with x->who, roles 0 when the request names nobody; *err then has the reason. */
static pl_rc identify(exchange *x, pl_error *err)
{
    if (x->in->is_operator) {
        become_operator(&x->who);
        return PL_OK;
    }
    for (size_t i = 0; pl_capabilities[i] != NULL; i++) {
        const pl_capability *c = pl_capabilities[i];
        pl_rc                rc = PL_NOTFOUND;

        if (c->identify != NULL && x->q.db != NULL)
            rc = c->identify(&x->d->services, &x->q, &x->who, x->csrf, err);
        if (rc == PL_NOTFOUND)
            continue;
        if (rc != PL_OK)
            x->who = (pl_principal){ 0 };
        return rc == PL_DENIED ? PL_OK : rc;
    }
    (void)pl_fail(err, PL_DENIED, "log in first");
    return PL_OK;
}

/* A browser sends its cookie with whatever request a page makes it send; only our own
 * pages can read the value that this header must repeat. */
static bool csrf_is_good(exchange *x)
{
    const char *sent = lookup_header(x, "X-CSRF-Token");

    if (x->csrf[0] == '\0' || is_safe_method(x->in->method))
        return true;
    return sent != NULL && strlen(sent) == strlen(x->csrf) &&
           sodium_memcmp(sent, x->csrf, strlen(x->csrf)) == 0;
}

static bool may_call(exchange *x, const pl_error *why_nobody)
{
    unsigned wanted = x->match.route->roles;

    if (wanted == PL_ROLES_ANY) {
        if (!csrf_is_good(x)) /* e.g. a login while an old cookie is still there */
            x->who = (pl_principal){ 0 };
        return true;
    }
    if (x->who.roles == 0) {
        problem(x, 401, why_nobody->text);
        return false;
    }
    if (!csrf_is_good(x)) {
        problem(x, 403, "header 'X-CSRF-Token' is missing or wrong");
        return false;
    }
    if ((x->who.roles & wanted) == 0) {
        problem(x, 403, "your roles do not allow this");
        return false;
    }
    return true;
}

/* --- the reply ------------------------------------------------------------------------------- */

static void take_reply(exchange *x, pl_api_reply *r)
{
    int status = r->status != 0 ? r->status : 200;

    memcpy(x->out->set_cookie, r->set_cookie, sizeof x->out->set_cookie);
    if (r->body != NULL) {
        pl_http_json(x->out, status, r->body);
        r->body = NULL;
        if (r->content_type != NULL)
            x->out->content_type = r->content_type;
        return;
    }
    x->out->status = r->raw.n == 0 && status == 200 ? 204 : status;
    if (r->raw.n > 0) {
        pl_buf_done(&x->out->body);
        x->out->body = r->raw;
        r->raw = PL_BUF_INIT(0);
        x->out->content_type = r->content_type ? r->content_type : "application/json";
    }
}

static void call_route(exchange *x)
{
    pl_api_reply r = { .raw = PL_BUF_INIT(PL_HTTP_REPLY_MAX) };
    pl_error     err = { 0 };
    pl_rc        rc = x->match.route->fn(&x->q, &r, &err);

    if (rc == PL_OK)
        rc = pl_buf_check(&r.raw, &err);
    err.rc = rc; /* for a route that passed on a code without a message */
    if (rc == PL_OK)
        take_reply(x, &r);
    else
        fail(x, &err);
    json_decref(r.body);
    pl_buf_done(&r.raw);
}

/* A connection that failed is not given to the next request, nor is a transaction that a
 * route forgot. */
static void return_db(exchange *x)
{
    if (x->q.db != NULL)
        pl_db_abort(x->q.db);
    if (x->out->status >= 500)
        pl_dbpool_drop(x->d->dbs, x->q.db);
    else
        pl_dbpool_give(x->d->dbs, x->q.db);
}

static void answer(exchange *x)
{
    pl_error err = { 0 };
    pl_rc    rc;

    if (!route_request(x) || !body_is_acceptable(x))
        return;
    /* The host's own routes must answer when the database cannot. */
    rc = pl_dbpool_take(x->d->dbs, &x->q.db, &err);
    if (rc == PL_OK && x->d->services.ledger == NULL && !x->match.is_host)
        rc = pl_fail(&err, PL_IO, "the ledger is closed after a failed write");
    if (rc != PL_OK && !x->match.is_host) {
        fail(x, &err);
        pl_dbpool_give(x->d->dbs, x->q.db);
        return;
    }
    rc = identify(x, &err);
    if (rc != PL_OK && !x->match.is_host)
        fail(x, &err);
    else if (may_call(x, &err))
        call_route(x);
    return_db(x);
}

static void count(pl_daemon *d, const pl_http_out *out, int64_t took_us)
{
    unsigned class = (unsigned)out->status / 100;

    if (class < PL_HTTP_CLASSES)
        atomic_fetch_add(&d->stats.requests[class], 1);
    atomic_fetch_add(&d->stats.duration_us, (unsigned long)took_us);
}

/* Reading is not worth a line; changing something, failing and being slow are. */
static void log_request(const exchange *x, int64_t took_ms)
{
    if (is_safe_method(x->in->method) && x->out->status < 500 && took_ms < 1000)
        return;
    pl_log_info("request", PL_S("method", x->match.route ? x->match.route->method : "-"),
                PL_S("route", x->out->route), PL_I("status", x->out->status),
                PL_I("ms", took_ms), PL_S("by", x->who.id));
}

static int64_t now_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void pl_dispatch(pl_daemon *d, const pl_http_in *in, pl_http_out *out)
{
    exchange x = { .d = d, .in = in, .out = out };
    int64_t  begin_us = now_us();

    out->body = PL_BUF_INIT(PL_HTTP_REPLY_MAX);
    pl_target_split(pl_str_z(in->target), &x.path, &x.query);
    x.q = (pl_api_request){
        .services = &d->services,
        .who = &x.who,
        .method = in->method,
        .path = x.path,
        .body = in->body,
        .now_ms = d->services.now_ms(),
        .lang = pl_http_lang(in->header(in->ctx, "Accept-Language")),
        .host = &x,
        .query = lookup_query,
        .header = lookup_header,
    };
    x.arena = pl_arena_new(REQUEST_ARENA);
    x.q.arena = x.arena;

    (void)pthread_rwlock_rdlock(&d->gate);
    if (x.arena != NULL)
        answer(&x);
    else
        problem(&x, 503, "out of memory");
    (void)pthread_rwlock_unlock(&d->gate);

    count(d, out, now_us() - begin_us);
    log_request(&x, (now_us() - begin_us) / 1000);
    pl_arena_free(x.arena);
}
