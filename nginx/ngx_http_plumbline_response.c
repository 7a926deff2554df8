/* The answer: header and body filters.
 *
 * WHOLE answers: the head is held back until the guard has judged the body, because status,
 * length and the event's digest depend on it. STREAM: the head goes at once; the body is
 * what the guard releases. A slow client holds the upstream back: no buffer of the upstream
 * is consumed while earlier output is still unsent. */
#include "ngx_http_plumbline.h"

static ngx_http_output_header_filter_pt plumbline_next_header_filter;
static ngx_http_output_body_filter_pt   plumbline_next_body_filter;

#define OUT_BUF_SIZE 16384

/* --- headers -------------------------------------------------------------------------- */

static ngx_int_t
plumbline_add_header(ngx_http_request_t *r, const char *name, pl_str value)
{
    ngx_table_elt_t *h = ngx_list_push(&r->headers_out.headers);

    if (h == NULL) {
        return NGX_ERROR;
    }
    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value.len = value.n;
    h->value.data = ngx_pnalloc(r->pool, value.n ? value.n : 1);
    if (h->value.data == NULL) {
        h->hash = 0;
        return NGX_ERROR;
    }
    ngx_memcpy(h->value.data, value.p, value.n);
    return NGX_OK;
}

static ngx_int_t
plumbline_add_header_z(ngx_http_request_t *r, const char *name, const char *value)
{
    pl_str v = { value, ngx_strlen(value) };

    return plumbline_add_header(r, name, v);
}

/* Nobody upstream may speak in our name. */
static void
plumbline_drop_foreign(ngx_http_request_t *r)
{
    static const char prefix[] = "x-plumbline-";
    ngx_list_part_t  *part = &r->headers_out.headers.part;
    ngx_table_elt_t  *h = part->elts;
    ngx_uint_t        i;

    for (i = 0; ; i++) {
        if (i >= part->nelts) {
            if (part->next == NULL) {
                return;
            }
            part = part->next;
            h = part->elts;
            i = 0;
            if (part->nelts == 0) {
                return;
            }
        }
        if (h[i].key.len >= sizeof(prefix) - 1
            && ngx_strncasecmp(h[i].key.data, (u_char *) prefix, sizeof(prefix) - 1) == 0)
        {
            h[i].hash = 0;
        }
    }
}

static ngx_int_t
plumbline_policy_header(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx)
{
    const pl_policy *policy = pl_exchange_policy(ctx->exchange);
    u_char           text[256], *p;

    p = ngx_snprintf(text, sizeof(text), "%*s;sha256=%*s", pl_policy_name(policy).n,
                     pl_policy_name(policy).p, (size_t) 16, pl_policy_digest(policy));
    return plumbline_add_header(r, "x-plumbline-policy", (pl_str){ (char *) text, p - text });
}

/* Reminders that belong to an answer, and when a refusal ends. */
static ngx_int_t
plumbline_people_headers(ngx_http_request_t *r, const pl_exchange *x)
{
    static const char *const names[] = { "session", "dependence", "session, dependence" };
    unsigned                 bits = pl_exchange_reminders(x);
    int64_t                  retry = pl_exchange_retry_after(x);
    u_char                   text[NGX_INT64_LEN], *p;

    if (bits && plumbline_add_header_z(r, "x-plumbline-reminder", names[bits - 1]) != NGX_OK) {
        return NGX_ERROR;
    }
    if (retry <= 0) {
        return NGX_OK;
    }
    p = ngx_sprintf(text, "%L", retry);
    return plumbline_add_header(r, "Retry-After", (pl_str){ (char *) text, p - text });
}

static ngx_int_t
plumbline_headers(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx)
{
    pl_exchange *x = ctx->exchange;

    plumbline_drop_foreign(r);
    if (plumbline_add_header(r, "x-plumbline-request-id", pl_exchange_id(x)) != NGX_OK
        || plumbline_policy_header(r, ctx) != NGX_OK
        || plumbline_add_header_z(r, "x-plumbline-verdict", pl_exchange_verdict(x)) != NGX_OK
        || plumbline_add_header_z(r, "x-plumbline-label", pl_exchange_label(x)) != NGX_OK)
    {
        return NGX_ERROR;
    }
    if (!pl_exchange_is_own(x) && pl_exchange_is_generated(x) && pl_exchange_verdict(x)[0] == 'a'
        && plumbline_add_header_z(r, "x-plumbline-ai-generated", "1") != NGX_OK)
    {
        return NGX_ERROR;
    }
    if (pl_exchange_event_is_done(x) && pl_exchange_is_recorded(x)
        && plumbline_add_header_z(r, "x-plumbline-event-digest",
                                  pl_exchange_event(x, 0)->digest) != NGX_OK)
    {
        return NGX_ERROR;
    }
    if (plumbline_people_headers(r, x) != NGX_OK) {
        return NGX_ERROR;
    }
    if ((r->headers_out.status == NGX_HTTP_SERVICE_UNAVAILABLE
         || r->headers_out.status == NGX_HTTP_TOO_MANY_REQUESTS) && pl_exchange_is_own(x)
        && !pl_exchange_may_retry(x)) {
        /* Stock SDKs otherwise retry a stopped service three times. */
        return plumbline_add_header_z(r, "x-should-retry", "false");
    }
    return NGX_OK;
}

static void
plumbline_content(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx, const char *type,
                  off_t length)
{
    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_etag(r);
    ngx_http_clear_last_modified(r);
    r->headers_out.content_type.data = (u_char *) type;
    r->headers_out.content_type.len = ngx_strlen(type);
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.charset.len = 0;
    r->headers_out.content_length_n = length;
}

/* --- replies in one piece ----------------------------------------------------------------- */

static ngx_int_t
plumbline_send_piece(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx, pl_str body)
{
    ngx_buf_t   *b = ngx_calloc_buf(r->pool);
    ngx_chain_t  out;

    if (b == NULL) {
        return NGX_ERROR;
    }
    /* The guard keeps the bytes until the request is freed. */
    b->pos = b->start = (u_char *) body.p;
    b->last = b->end = b->pos + body.n;
    b->memory = body.n != 0;
    b->last_buf = 1;
    b->last_in_chain = 1;
    out.buf = b;
    out.next = NULL;
    ctx->last_sent = 1;
    return plumbline_next_body_filter(r, &out);
}

/* Head and body of the exchange's reply, past our own filters. */
static ngx_int_t
plumbline_finish_whole(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx)
{
    pl_exchange *x = ctx->exchange;
    pl_str       body = pl_exchange_body(x);
    ngx_int_t    rc;

    ngx_http_plumbline_put_event(ctx);
    ctx->header_held = 0;
    r->headers_out.status = pl_exchange_status(x);
    r->headers_out.status_line.len = 0;
    if (r->headers_out.content_encoding) {
        r->headers_out.content_encoding->hash = 0;
        r->headers_out.content_encoding = NULL;
    }
    plumbline_content(r, ctx, pl_exchange_content_type(x), (off_t) body.n);
    if (plumbline_headers(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }
    rc = plumbline_next_header_filter(r);
    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }
    return plumbline_send_piece(r, ctx, body);
}

ngx_int_t
ngx_http_plumbline_send_reply(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx)
{
    ngx_int_t rc;

    ctx->own = 1;
    if (ctx->exchange) {
        return plumbline_finish_whole(r, ctx);
    }
    plumbline_content(r, ctx, "application/json", (off_t) ctx->out.n);
    if (r->headers_out.status == NGX_HTTP_SERVICE_UNAVAILABLE
        && plumbline_add_header_z(r, "x-should-retry", "false") != NGX_OK)
    {
        return NGX_ERROR;
    }
    rc = plumbline_next_header_filter(r);
    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }
    return plumbline_send_piece(r, ctx, pl_buf_str(&ctx->out));
}

/* --- filters ------------------------------------------------------------------------------- */

/* Copies what the guard released into buffers of the request and sends it. */
static ngx_int_t
plumbline_flush(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx, ngx_uint_t last)
{
    ngx_chain_t *out = NULL, **tail = &out, *cl;
    size_t       at = 0, n;
    ngx_buf_t   *b;
    ngx_int_t    rc;

    while (at < ctx->out.n || (last && out == NULL)) {
        cl = ngx_chain_get_free_buf(r->pool, &ctx->free);
        if (cl == NULL) {
            return NGX_ERROR;
        }
        b = cl->buf;
        if (b->start == NULL) {
            b->start = ngx_palloc(r->pool, OUT_BUF_SIZE);
            if (b->start == NULL) {
                return NGX_ERROR;
            }
            b->end = b->start + OUT_BUF_SIZE;
        }
        n = ngx_min((size_t) (b->end - b->start), ctx->out.n - at);
        b->pos = b->start;
        b->last = ngx_cpymem(b->start, ctx->out.p + at, n);
        b->tag = (ngx_buf_tag_t) &ngx_http_plumbline_module;
        b->temporary = n != 0;
        b->flush = 1;
        b->last_buf = 0;
        b->last_in_chain = 0;
        at += n;
        if (last && at == ctx->out.n) {
            b->last_buf = 1;
            ctx->last_sent = 1;
        }
        *tail = cl;
        tail = &cl->next;
    }
    *tail = NULL;
    pl_buf_clear(&ctx->out);
    rc = plumbline_next_body_filter(r, out);
    ngx_chain_update_chains(r->pool, &ctx->free, &ctx->busy, &out,
                            (ngx_buf_tag_t) &ngx_http_plumbline_module);
    return rc;
}

/* nginx ends a request at once when an upstream breaks its framing; the client still gets a
 * proper end from us. Other ends come through the body filter. */
static void
plumbline_upstream_finalize(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_http_plumbline_ctx_t *ctx = ngx_http_get_module_ctx(r, ngx_http_plumbline_module);
    int64_t                   now = ngx_http_plumbline_time(ctx);

    ctx->upstream_finalize(r, rc);
    if (rc != NGX_ERROR || ctx->last_sent || r->connection->error) {
        return;
    }
    pl_exchange_response_end(ctx->exchange, PL_END_TRUNCATED, &ctx->out, now);
    if (pl_exchange_is_raw(ctx->exchange)) { /* the client must see that bytes are missing */
        ngx_http_plumbline_put_event(ctx);
        return;
    }
    if (ctx->header_held) {
        (void) plumbline_finish_whole(r, ctx);
        return;
    }
    ngx_http_plumbline_put_event(ctx);
    (void) plumbline_flush(r, ctx, 1);
}

static ngx_int_t
plumbline_header_filter(ngx_http_request_t *r)
{
    ngx_http_plumbline_ctx_t *ctx = ngx_http_get_module_ctx(r, ngx_http_plumbline_module);
    ngx_str_t                 encoding = ngx_null_string;

    if (ctx == NULL || ctx->exchange == NULL || ctx->own || ctx->responding || r != r->main) {
        return plumbline_next_header_filter(r);
    }
    ctx->responding = 1;
    r->http_version = ctx->http_version;
    if (r->upstream) {
        ctx->upstream_finalize = r->upstream->finalize_request;
        r->upstream->finalize_request = plumbline_upstream_finalize;
    }
    r->filter_need_in_memory = 1;
    r->main_filter_need_in_memory = 1;
    if (r->headers_out.content_encoding) {
        encoding = r->headers_out.content_encoding->value;
    }
    ctx->mode = pl_exchange_response_begin(ctx->exchange, (int) r->headers_out.status,
                                           ngx_http_plumbline_str(r->headers_out.content_type),
                                           ngx_http_plumbline_str(encoding));
    if (ctx->mode == PL_RESPONSE_WHOLE) {
        ctx->header_held = 1;
        return NGX_OK;
    }
    if (r->upstream) {
        r->upstream->buffering = 0; /* whatever proxy_buffering says: a stream is not collected */
    }
    if (pl_exchange_is_raw(ctx->exchange)) { /* bytes as they are, under the head as it is */
        return plumbline_headers(r, ctx) == NGX_OK ? plumbline_next_header_filter(r) : NGX_ERROR;
    }
    plumbline_content(r, ctx, pl_exchange_content_type(ctx->exchange), -1);
    if (plumbline_headers(r, ctx) != NGX_OK
        || plumbline_add_header_z(r, "x-accel-buffering", "no") != NGX_OK)
    {
        return NGX_ERROR;
    }
    return plumbline_next_header_filter(r);
}

/* The reply is complete although the upstream goes on: stop reading it. */
static void
plumbline_hang_up(ngx_http_request_t *r)
{
    if (r->upstream) {
        r->upstream->keepalive = 0;
        r->upstream->length = 0;
    }
}

/* nginx closes the upstream connection and sends one more flush when the upstream broke
 * off; in orderly operation the connection is still there. */
static ngx_uint_t
plumbline_is_truncated(ngx_http_request_t *r, ngx_buf_t *b)
{
    return b->flush && ngx_buf_size(b) == 0 && r->upstream && r->upstream->peer.connection == NULL;
}

static ngx_int_t
plumbline_stream_ended(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx)
{
    ngx_http_plumbline_put_event(ctx); /* before the bytes that name its digest */
    pl_exchange_comment(ctx->exchange, &ctx->out);
    if (pl_exchange_verdict(ctx->exchange)[0] != 'a') {
        plumbline_hang_up(r);
        return plumbline_flush(r, ctx, 1);
    }
    return plumbline_flush(r, ctx, 0); /* [DONE] is out; the upstream closes in its own time */
}

static ngx_int_t
plumbline_stream_buf(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx, ngx_buf_t *b)
{
    pl_exchange *x = ctx->exchange;
    pl_str       bytes = { (const char *) b->pos, ngx_buf_size(b) };
    ngx_uint_t   last = b->last_buf;
    int64_t      now = ngx_http_plumbline_time(ctx);
    ngx_uint_t   was_ended = pl_exchange_ended(x);

    if (!was_ended && ngx_http_plumbline_is_stopped(ctx)) {
        pl_exchange_stop(x, &ctx->out, now);
    }
    pl_exchange_response_feed(x, bytes, &ctx->out, now);
    if (plumbline_is_truncated(r, b)) {
        pl_exchange_response_end(x, PL_END_TRUNCATED, &ctx->out, now);
        if (pl_exchange_is_raw(x)) {
            ngx_http_plumbline_put_event(ctx);
            return NGX_ERROR;
        }
        last = 1;
    } else if (last) {
        pl_exchange_response_end(x, PL_END_COMPLETE, &ctx->out, now);
    }
    b->pos = b->last;
    if (!was_ended && pl_exchange_ended(x) && !last) {
        return plumbline_stream_ended(r, ctx);
    }
    if (pl_exchange_ended(x) && !ctx->put) {
        ngx_http_plumbline_put_event(ctx);
        pl_exchange_comment(x, &ctx->out);
    }
    return plumbline_flush(r, ctx, last);
}

static ngx_int_t
plumbline_stream_filter(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx, ngx_chain_t *in)
{
    ngx_chain_t *cl;
    ngx_int_t    rc;

    if (in && ngx_chain_add_copy(r->pool, &ctx->in, in) != NGX_OK) {
        return NGX_ERROR;
    }
    if (ctx->busy || ctx->in == NULL) { /* move earlier output first */
        rc = plumbline_flush(r, ctx, 0);
        if (rc == NGX_ERROR) {
            return rc;
        }
    }
    while (ctx->in && !ctx->busy && !ctx->last_sent) {
        cl = ctx->in;
        ctx->in = cl->next;
        rc = plumbline_stream_buf(r, ctx, cl->buf);
        ngx_free_chain(r->pool, cl);
        if (rc == NGX_ERROR) {
            return rc;
        }
    }
    if (ctx->last_sent) { /* swallow what the upstream still says */
        for ( ; ctx->in; ctx->in = ctx->in->next) {
            ctx->in->buf->pos = ctx->in->buf->last;
        }
    }
    if (ctx->in) {
        r->connection->buffered |= NGX_HTTP_SSI_BUFFERED; /* ours while it holds input */
    } else {
        r->connection->buffered &= ~NGX_HTTP_SSI_BUFFERED;
    }
    return ctx->busy || ctx->in ? NGX_AGAIN : NGX_OK;
}

static ngx_int_t
plumbline_whole_filter(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx, ngx_chain_t *in)
{
    ngx_uint_t      last = 0;
    pl_response_end how = PL_END_COMPLETE;
    int64_t         now = ngx_http_plumbline_time(ctx);
    ngx_int_t       rc;

    for ( ; in; in = in->next) {
        if (plumbline_is_truncated(r, in->buf)) {
            how = PL_END_TRUNCATED;
            last = 1;
        }
        pl_exchange_response_feed(ctx->exchange,
                                  (pl_str){ (const char *) in->buf->pos, ngx_buf_size(in->buf) },
                                  &ctx->out, now);
        in->buf->pos = in->buf->last;
        last |= in->buf->last_buf;
    }
    if (!last) {
        return NGX_OK;
    }
    pl_exchange_response_end(ctx->exchange, how, &ctx->out, now);
    rc = plumbline_finish_whole(r, ctx);
    return rc > NGX_OK ? NGX_ERROR : rc;
}

static ngx_int_t
plumbline_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_http_plumbline_ctx_t *ctx = ngx_http_get_module_ctx(r, ngx_http_plumbline_module);

    if (ctx == NULL || ctx->exchange == NULL || ctx->own || !ctx->responding || r != r->main) {
        return plumbline_next_body_filter(r, in);
    }
    if (ctx->mode == PL_RESPONSE_STREAM) {
        return plumbline_stream_filter(r, ctx, in);
    }
    if (ctx->header_held) {
        return plumbline_whole_filter(r, ctx, in);
    }
    for ( ; in; in = in->next) { /* the reply went out already */
        in->buf->pos = in->buf->last;
    }
    return plumbline_next_body_filter(r, NULL);
}

ngx_int_t
ngx_http_plumbline_filter_init(ngx_conf_t *cf)
{
    plumbline_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = plumbline_header_filter;
    plumbline_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = plumbline_body_filter;
    return NGX_OK;
}
