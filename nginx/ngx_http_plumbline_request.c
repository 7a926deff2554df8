/* The request: read the body, judge it, forward or answer. */
#include "ngx_http_plumbline.h"

#include "base/hash.h"

static void plumbline_cleanup(void *data);

ngx_http_plumbline_ctx_t *
ngx_http_plumbline_get_ctx(ngx_http_request_t *r)
{
    ngx_http_plumbline_ctx_t *ctx = ngx_http_get_module_ctx(r, ngx_http_plumbline_module);
    ngx_pool_cleanup_t       *cln;

    if (ctx != NULL || !(r->internal || r->filter_finalize)) {
        return ctx;
    }
    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == plumbline_cleanup) {
            ctx = cln->data;
            return ctx->request == r ? ctx : NULL;
        }
    }
    return NULL;
}

void
ngx_http_plumbline_put_event(ngx_http_plumbline_ctx_t *ctx)
{
    const pl_event *e;
    const char     *verdict;
    pl_gate        *gate = ctx->mcf->gate;

    if (ctx->put) {
        return;
    }
    ctx->put = 1;
    e = pl_exchange_event(ctx->exchange, ngx_http_plumbline_time(ctx));
    if (ctx->reserved) {
        pl_gate_end(gate, ctx->begun);
        pl_gate_put(gate, e);
        ctx->reserved = 0;
    } else {
        pl_gate_count(gate, PL_COUNT_LOST, 1);
    }
    verdict = pl_exchange_verdict(ctx->exchange);
    if (verdict[0] == 'e') {
        pl_gate_count(gate, PL_COUNT_UPSTREAM_ERRORS, 1);
    }
    if (verdict[0] == 'b') {
        pl_gate_count(gate, ctx->responding ? PL_COUNT_BLOCKED_OUTPUT : PL_COUNT_BLOCKED_INPUT, 1);
    }
    if (ngx_strcmp(pl_exchange_label(ctx->exchange), "text") == 0) {
        pl_gate_count(gate, PL_COUNT_LABELLED, 1);
    }
}

/* Runs when the request is freed: whatever happened, the exchange leaves its event. */
static void
plumbline_cleanup(void *data)
{
    ngx_http_plumbline_ctx_t *ctx = data;

    if (ctx->exchange) {
        if (!ctx->put && !pl_exchange_event_is_done(ctx->exchange)) {
            pl_exchange_response_end(ctx->exchange, PL_END_ABORTED, &ctx->out,
                                     ngx_http_plumbline_time(ctx));
            pl_gate_count(ctx->mcf->gate, PL_COUNT_ABORTED, 1);
        }
        ngx_http_plumbline_put_event(ctx);
        pl_exchange_free(ctx->exchange);
    }
    if (ctx->reserved) {
        pl_gate_end(ctx->mcf->gate, ctx->begun);
        pl_gate_unreserve(ctx->mcf->gate);
    }
    pl_buf_done(&ctx->out);
}

/* The first header of that name whose value is not `but`. */
static ngx_table_elt_t *
plumbline_header(ngx_http_request_t *r, const char *name, const char *but)
{
    ngx_list_part_t *part = &r->headers_in.headers.part;
    ngx_table_elt_t *h;
    ngx_uint_t       i;
    size_t           len = ngx_strlen(name), but_len = ngx_strlen(but);

    for ( ; part; part = part->next) {
        h = part->elts;
        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == len && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0
                && !(h[i].value.len == but_len
                     && ngx_strncasecmp(h[i].value.data, (u_char *) but, but_len) == 0))
            {
                return &h[i];
            }
        }
    }
    return NULL;
}

/* --- making the exchange ------------------------------------------------------------------ */

static ngx_int_t
plumbline_value(ngx_http_request_t *r, ngx_http_complex_value_t *cv, pl_str *out)
{
    ngx_str_t v = ngx_null_string;

    if (cv && ngx_http_complex_value(r, cv, &v) != NGX_OK) {
        return NGX_ERROR;
    }
    *out = ngx_http_plumbline_str(v);
    return NGX_OK;
}

/* The key that a client of these APIs sends, where nginx does not say what to take for it. */
static pl_str
plumbline_api_key(ngx_http_request_t *r)
{
    ngx_table_elt_t *h = r->headers_in.authorization;

    if (h == NULL) {
        h = plumbline_header(r, "x-api-key", "");
    }
    return h ? ngx_http_plumbline_str(h->value) : (pl_str){ "", 0 };
}

/* Who asks, by whatever the operator's configuration takes for it. */
static ngx_int_t
plumbline_people(ngx_http_request_t *r, ngx_http_plumbline_loc_conf_t *lcf, pl_exchange_options *o)
{
    pl_str minor;

    if (plumbline_value(r, lcf->tenant, &o->tenant) != NGX_OK
        || plumbline_value(r, lcf->subject, &o->subject) != NGX_OK
        || plumbline_value(r, lcf->session, &o->session) != NGX_OK
        || plumbline_value(r, lcf->key, &o->key) != NGX_OK
        || plumbline_value(r, lcf->minor, &minor) != NGX_OK)
    {
        return NGX_ERROR;
    }
    o->tenant.n = ngx_min(o->tenant.n, PL_TENANT_MAX);
    if (lcf->key == NULL) {
        o->key = plumbline_api_key(r);
    }
    o->subject_in_body = lcf->subject_body;
    o->is_minor = (minor.n == 1 && minor.p[0] == '1')
                  || (minor.n == 4 && ngx_strncmp(minor.p, "true", 4) == 0);
    return NGX_OK;
}

/* Hands over what people will look at, sealed, before the event that names it. */
static void
plumbline_hand_over(void *data, pl_exchange *x)
{
    ngx_http_plumbline_ctx_t *ctx = data;
    pl_buf                    sealed = PL_BUF_INIT(2 * PL_REVIEW_MAX);

    if (!ctx->reserved || pl_exchange_review_seal(x, ctx->body, &sealed) != PL_OK
        || pl_gate_review_put(ctx->mcf->gate, pl_exchange_id(x), ngx_http_plumbline_now(),
                              pl_buf_str(&sealed)) != PL_OK)
    {
        pl_exchange_review_drop(x);
    }
    pl_buf_done(&sealed);
}

static ngx_int_t
plumbline_exchange(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx)
{
    ngx_http_plumbline_loc_conf_t *lcf;
    pl_exchange_options            o;
    u_char                         rnd[10];
    pl_str                         key;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_plumbline_module);
    ngx_memzero(&o, sizeof(o));
    o.now_ms = ctx->begun_ms = ngx_http_plumbline_now();
    ctx->begun_tick = ngx_current_msec;
    if (pl_random(rnd, sizeof(rnd), NULL) != PL_OK
        || pl_random(o.salt, sizeof(o.salt), NULL) != PL_OK
        || plumbline_people(r, lcf, &o) != NGX_OK)
    {
        return NGX_ERROR;
    }
    pl_id_format(o.now_ms, rnd, o.id);
    key = o.subject.n ? o.subject : o.tenant;
    if (key.n == 0) {
        key = (pl_str){ o.id + 10, PL_ID_LEN - 10 };
    }
    o.policy = pl_gate_policy_for(ctx->mcf->gate, key);
    if (o.policy && pl_policy_route_find(o.policy, ngx_http_plumbline_str(lcf->route)) < 0) {
        o.policy = pl_gate_policy(ctx->mcf->gate); /* the one on trial has no such route */
    }
    o.route_name = ngx_http_plumbline_str(lcf->route);
    o.route = o.policy ? pl_policy_route_find(o.policy, o.route_name) : -1;
    if (o.route < 0) {
        return NGX_ERROR;
    }
    o.service = ngx_http_plumbline_str(ctx->mcf->service);
    o.surface = ctx->surface;
    o.subjects = pl_gate_subjects(ctx->mcf->gate);
    o.budgets = pl_gate_budgets(ctx->mcf->gate);
    o.index_key = ctx->mcf->index_key;
    o.max_response = lcf->max_response;
    o.hand_over = plumbline_hand_over;
    o.hand_over_ctx = ctx;
    ngx_memcpy(ctx->id, o.id, sizeof(ctx->id));
    ctx->exchange = pl_exchange_new(&o);
    return ctx->exchange ? NGX_OK : NGX_ERROR;
}

/* What the path speaks; NULL with *rc NGX_OK when nobody knows and the route lets it pass. */
static const pl_surface *
plumbline_surface(ngx_http_request_t *r, ngx_http_plumbline_loc_conf_t *lcf, ngx_int_t *rc)
{
    ngx_http_plumbline_main_conf_t *mcf;
    const pl_surface               *s = lcf->surface;
    pl_policy                      *policy;
    int                             route;

    *rc = NGX_OK;
    if (s == NULL) {
        s = pl_surface_find(ngx_http_plumbline_str(r->uri));
    }
    if (s != NULL) {
        if (!(r->method & NGX_HTTP_POST)) {
            *rc = NGX_HTTP_NOT_ALLOWED;
        }
        return s;
    }
    mcf = ngx_http_get_module_main_conf(r, ngx_http_plumbline_module);
    policy = pl_gate_policy(mcf->gate);
    route = policy ? pl_policy_route_find(policy, ngx_http_plumbline_str(lcf->route)) : -1;
    if (route < 0 || !pl_policy_passes_unknown(policy, route)) {
        *rc = NGX_HTTP_NOT_FOUND;
    }
    return NULL;
}

/* What is compressed cannot be judged, and no client of these APIs compresses. */
static ngx_uint_t
plumbline_is_encoded(ngx_http_request_t *r)
{
    return plumbline_header(r, "content-encoding", "identity") != NULL;
}

static ngx_http_plumbline_ctx_t *
plumbline_create_ctx(ngx_http_request_t *r)
{
    ngx_http_plumbline_ctx_t *ctx = ngx_pcalloc(r->pool, sizeof(*ctx));
    ngx_pool_cleanup_t       *cln = ngx_pool_cleanup_add(r->pool, 0);

    if (ctx == NULL || cln == NULL) {
        return NULL;
    }
    ctx->request = r;
    ctx->http_version = r->http_version;
    ctx->mcf = ngx_http_get_module_main_conf(r, ngx_http_plumbline_module);
    ctx->status = NGX_DECLINED;
    ctx->out = PL_BUF_INIT(64 * 1024 * 1024);
    ngx_memcpy(ctx->id, "-", 2);
    cln->handler = plumbline_cleanup;
    cln->data = ctx;
    ngx_http_set_ctx(r, ctx, ngx_http_plumbline_module);
    return ctx;
}

/* --- the body --------------------------------------------------------------------------------- */

/* The whole body in one piece of memory. Buffers are sized so that it never goes to disk. */
ngx_int_t
ngx_http_plumbline_body(ngx_http_request_t *r, pl_str *out)
{
    ngx_chain_t *cl;
    u_char      *p;
    size_t       n = 0;

    *out = (pl_str){ "", 0 };
    if (r->request_body == NULL || r->request_body->bufs == NULL) {
        return NGX_OK;
    }
    if (r->request_body->temp_file) {
        return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    }
    cl = r->request_body->bufs;
    if (cl->next == NULL && ngx_buf_size(cl->buf)) {
        *out = (pl_str){ (const char *) cl->buf->pos, ngx_buf_size(cl->buf) };
        return NGX_OK;
    }
    for (; cl; cl = cl->next) {
        n += ngx_buf_size(cl->buf);
    }
    p = ngx_pnalloc(r->pool, n);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    *out = (pl_str){ (const char *) p, n };
    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        if (ngx_buf_size(cl->buf)) { /* the end of a chunked body is an empty buffer */
            p = ngx_cpymem(p, cl->buf->pos, ngx_buf_size(cl->buf));
        }
    }
    return NGX_OK;
}

/* The upstream gets the body as the policy changed it; the guard keeps it as long as the request. */
static ngx_int_t
plumbline_replace_body(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx)
{
    pl_str       body = pl_exchange_forward(ctx->exchange);
    ngx_buf_t   *b = ngx_calloc_buf(r->pool);
    ngx_chain_t *cl = ngx_alloc_chain_link(r->pool);

    if (b == NULL || cl == NULL) {
        return NGX_ERROR;
    }
    b->pos = b->start = (u_char *) body.p;
    b->last = b->end = b->pos + body.n;
    b->memory = 1;
    b->last_buf = 1;
    cl->buf = b;
    cl->next = NULL;
    r->request_body->bufs = cl;
    r->headers_in.content_length_n = (off_t) body.n;
    return NGX_OK;
}

/* Room for the event, or what the route's fail mode says without it. */
static ngx_int_t
plumbline_admit(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx)
{
    if (pl_gate_reserve(ctx->mcf->gate) == PL_OK) {
        ctx->reserved = 1;
        return NGX_OK;
    }
    pl_exchange_set_unrecorded(ctx->exchange);
    if (pl_exchange_fail_mode(ctx->exchange) == PL_FAIL_OPEN) {
        pl_gate_count(ctx->mcf->gate, PL_COUNT_FAIL_OPEN, 1);
        return NGX_OK;
    }
    pl_gate_count(ctx->mcf->gate, PL_COUNT_FAIL_CLOSED, 1);
    ctx->put = 1; /* nothing happened that an event could tell */
    pl_exchange_refuse(ctx->exchange, NGX_HTTP_SERVICE_UNAVAILABLE, "server_error",
                       "event_log_full", "no event could be recorded, so no request is served");
    return NGX_DECLINED;
}

ngx_uint_t
ngx_http_plumbline_is_stopped(ngx_http_plumbline_ctx_t *ctx)
{
    pl_gate *gate = ctx->mcf->gate;

    if (pl_gate_stopped(gate)) {
        return 1;
    }
    if (ctx->stops == pl_gate_part_version(gate)) {
        return 0;
    }
    ctx->stops = pl_gate_part_version(gate);
    return pl_gate_part_match(gate, ngx_http_plumbline_str(ctx->mcf->service),
                              pl_exchange_model(ctx->exchange), pl_exchange_tenant(ctx->exchange))
           != NULL;
}

ngx_int_t
ngx_http_plumbline_go_on(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx,
    pl_exchange_action action)
{
    int             status;
    pl_gate        *gate = ctx->mcf->gate;
    pl_event_begun  begun;

    if (action == PL_EXCHANGE_ANSWER) {
        status = pl_exchange_status(ctx->exchange);
        if (status == NGX_HTTP_BAD_REQUEST) {
            pl_gate_count(gate, PL_COUNT_BAD_REQUESTS, 1);
        } else if (status == NGX_HTTP_TOO_MANY_REQUESTS || status == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE) {
            pl_gate_count(gate, PL_COUNT_LIMITED, 1);
        }
        return NGX_DONE;
    }
    if (pl_exchange_forward(ctx->exchange).n && plumbline_replace_body(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    if (pl_exchange_is_stream(ctx->exchange)) {
        pl_gate_count(gate, PL_COUNT_STREAMS, 1);
    }
    if (ctx->reserved) {
        begun = pl_exchange_begun(ctx->exchange);
        ctx->begun = pl_gate_begin(gate, &begun);
    }
    return NGX_DECLINED;
}

/* NGX_DECLINED: forward. NGX_DONE: the exchange has its reply. NGX_AGAIN: a guard model is being
 * asked. Or an HTTP status. */
static ngx_int_t
plumbline_judge(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx)
{
    pl_exchange_action action;
    pl_gate           *gate = ctx->mcf->gate;
    pl_str             body;
    ngx_int_t          rc;

    pl_gate_count(gate, PL_COUNT_REQUESTS, 1);
    if (plumbline_exchange(r, ctx) != NGX_OK) {
        pl_gate_count(gate, PL_COUNT_FAIL_CLOSED, 1);
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }
    if (plumbline_admit(r, ctx) != NGX_OK) {
        return NGX_DONE;
    }
    if (pl_gate_stopped(gate)) {
        pl_gate_count(gate, PL_COUNT_STOPPED, 1);
        pl_exchange_refuse(ctx->exchange, NGX_HTTP_SERVICE_UNAVAILABLE, "server_error", "stopped",
                           "the service was stopped by its operator");
        return NGX_DONE;
    }
    rc = ngx_http_plumbline_body(r, &body);
    if (rc != NGX_OK) {
        return rc;
    }
    ctx->body = body;
    action = pl_exchange_request(ctx->exchange, body);
    ctx->stops = ~pl_gate_part_version(gate); /* now that the model is known */
    if (action != PL_EXCHANGE_ANSWER && ngx_http_plumbline_is_stopped(ctx)) {
        pl_gate_count(gate, PL_COUNT_STOPPED, 1);
        pl_exchange_refuse(ctx->exchange, NGX_HTTP_SERVICE_UNAVAILABLE, "server_error", "stopped",
                           "this part of the service was stopped by its operator");
        return NGX_DONE;
    }
    if (action == PL_EXCHANGE_ASK) {
        if (ngx_http_plumbline_ask(r, ctx) == NGX_OK) {
            return NGX_AGAIN;
        }
        action = pl_exchange_opinion(ctx->exchange, PL_OPINION_NONE, body);
    }
    return ngx_http_plumbline_go_on(r, ctx, action);
}

static void
plumbline_body_handler(ngx_http_request_t *r)
{
    ngx_http_plumbline_ctx_t *ctx = ngx_http_get_module_ctx(r, ngx_http_plumbline_module);

    ctx->status = plumbline_judge(r, ctx);
    r->preserve_body = 1;
    r->write_event_handler = ngx_http_core_run_phases;
    if (ctx->status == NGX_AGAIN) {
        return; /* the subrequest's end runs the phases again */
    }
    ctx->judged = 1;
    ngx_http_core_run_phases(r);
}

ngx_int_t
ngx_http_plumbline_access_handler(ngx_http_request_t *r)
{
    ngx_http_plumbline_loc_conf_t *lcf;
    ngx_http_plumbline_ctx_t      *ctx;
    const pl_surface              *surface;
    ngx_int_t                      rc;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_plumbline_module);
    if (lcf->route.len == 0 || r != r->main) {
        return NGX_DECLINED;
    }
    ctx = ngx_http_get_module_ctx(r, ngx_http_plumbline_module);
    if (ctx == NULL) {
        surface = plumbline_surface(r, lcf, &rc);
        if (rc != NGX_OK) {
            return rc;
        }
        if (surface != NULL && plumbline_is_encoded(r)) {
            return NGX_HTTP_UNSUPPORTED_MEDIA_TYPE;
        }
        ctx = plumbline_create_ctx(r);
        if (ctx == NULL) {
            return NGX_ERROR;
        }
        ctx->surface = surface;
        r->headers_in.upgrade = NULL; /* a 101 would open a tunnel around the filters */
        r->request_body_in_single_buf = 1;
        rc = ngx_http_read_client_request_body(r, plumbline_body_handler);
        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            return rc;
        }
        ngx_http_finalize_request(r, NGX_DONE);
        return NGX_DONE;
    }
    if (!ctx->judged) { /* body still coming, or a guard model being asked */
        return NGX_DONE;
    }
    if (ctx->status == NGX_DONE) {
        ngx_http_finalize_request(r, ngx_http_plumbline_send_reply(r, ctx));
        return NGX_DONE;
    }
    return ctx->status;
}

/* --- errors made by nginx ------------------------------------------------------------------------ */

static const struct {
    ngx_uint_t  status;
    const char *type, *code, *message;
} plumbline_errors[] = {
    { 400, "invalid_request_error", "bad_request", "the request is malformed" },
    { 403, "invalid_request_error", "forbidden", "this is not allowed here" },
    { 404, "invalid_request_error", "unknown_path", "this path is not served by the gateway" },
    { 405, "invalid_request_error", "method_not_allowed", "this path takes POST only" },
    { 408, "invalid_request_error", "request_timeout", "the request did not arrive in time" },
    { 411, "invalid_request_error", "length_required", "the request has no length" },
    { 413, "invalid_request_error", "request_too_large",
      "the request body is larger than the gateway screens" },
    { 414, "invalid_request_error", "uri_too_long", "the address is too long" },
    { 415, "invalid_request_error", "unsupported_encoding",
      "a compressed request body cannot be screened: send it as it is" },
    { 431, "invalid_request_error", "headers_too_large", "the request headers are too large" },
    { 494, "invalid_request_error", "headers_too_large", "the request headers are too large" },
    { 502, "server_error", "upstream_unreachable", "the upstream could not be reached" },
    { 503, "server_error", "guard_unavailable", "the gateway cannot serve this request now" },
    { 504, "server_error", "upstream_timeout", "the upstream did not answer in time" },
    { 0, "server_error", "gateway_error", "the gateway failed" },
};

/* Content handler of the location that error_page points at. */
ngx_int_t
ngx_http_plumbline_error_handler(ngx_http_request_t *r)
{
    ngx_http_plumbline_ctx_t *ctx = ngx_http_plumbline_get_ctx(r);
    ngx_uint_t                status = r->err_status ? r->err_status : NGX_HTTP_NOT_FOUND;
    ngx_uint_t                i = 0;
    ngx_int_t                 rc;

    while (plumbline_errors[i].status && plumbline_errors[i].status != status) {
        i++;
    }
    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }
    if (ctx == NULL) {
        ctx = plumbline_create_ctx(r);
        if (ctx == NULL) {
            return NGX_ERROR;
        }
    } else {
        ngx_http_set_ctx(r, ctx, ngx_http_plumbline_module);
    }
    if (status == 494) {
        status = 431;
    }
    if (ctx->exchange && !pl_exchange_event_is_done(ctx->exchange)) {
        pl_exchange_refuse(ctx->exchange, (int) status, plumbline_errors[i].type,
                           plumbline_errors[i].code, plumbline_errors[i].message);
    } else if (ctx->exchange == NULL) {
        pl_buf_clear(&ctx->out);
        pl_guard_error_body(&ctx->out, plumbline_errors[i].type, plumbline_errors[i].code,
                            plumbline_errors[i].message, (pl_str){ "", 0 });
    }
    r->err_status = 0;
    r->headers_out.status = status;
    return ngx_http_plumbline_send_reply(r, ctx);
}
