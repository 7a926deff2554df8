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
    ngx_http_plumbline_content(r, ctx, pl_exchange_content_type(x), (off_t) body.n);
    if (ngx_http_plumbline_headers(r, ctx) != NGX_OK) {
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
    ngx_http_plumbline_content(r, ctx, "application/json", (off_t) ctx->out.n);
    if (r->headers_out.status == NGX_HTTP_SERVICE_UNAVAILABLE
        && ngx_http_plumbline_add_header(r, "x-should-retry", "false") != NGX_OK)
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
        return ngx_http_plumbline_headers(r, ctx) == NGX_OK ? plumbline_next_header_filter(r) : NGX_ERROR;
    }
    ngx_http_plumbline_content(r, ctx, pl_exchange_content_type(ctx->exchange), -1);
    if (ngx_http_plumbline_headers(r, ctx) != NGX_OK
        || ngx_http_plumbline_add_header(r, "x-accel-buffering", "no") != NGX_OK)
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
plumbline_stream_send(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx, ngx_uint_t was_ended,
                      ngx_uint_t last)
{
    if (!was_ended && pl_exchange_ended(ctx->exchange) && !last) {
        return plumbline_stream_ended(r, ctx);
    }
    if (pl_exchange_ended(ctx->exchange) && !ctx->put) {
        ngx_http_plumbline_put_event(ctx);
        pl_exchange_comment(ctx->exchange, &ctx->out);
    }
    return plumbline_flush(r, ctx, last);
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
    ctx->last_waits |= last && pl_exchange_asks(x);
    return plumbline_stream_send(r, ctx, was_ended, last && !ctx->last_waits);
}

static ngx_int_t
plumbline_stream_opinion(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx)
{
    pl_exchange *x = ctx->exchange;

    ctx->has_opinion = 0;
    if (ngx_http_plumbline_is_stopped(ctx)) {
        pl_exchange_stop(x, &ctx->out, ngx_http_plumbline_time(ctx));
    }
    pl_exchange_answer_opinion(x, ctx->opinion, &ctx->out, ngx_http_plumbline_time(ctx));
    return plumbline_stream_send(r, ctx, 0, ctx->last_waits && !pl_exchange_asks(x));
}

/* One step of a stream: the word of a guard model, or a buffer of the upstream. NGX_DECLINED: neither
 * can be taken now. */
static ngx_int_t
plumbline_stream_step(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx)
{
    ngx_chain_t *cl = ctx->in;
    ngx_int_t    rc;

    if (ctx->busy || ctx->last_sent) {
        return NGX_DECLINED;
    }
    if (pl_exchange_asks(ctx->exchange)) {
        if (!ctx->has_opinion && !ctx->asking && ngx_http_plumbline_ask(r, ctx) != NGX_OK) {
            ctx->opinion = PL_OPINION_NONE;
            ctx->has_opinion = 1;
        }
        return ctx->has_opinion ? plumbline_stream_opinion(r, ctx) : NGX_DECLINED;
    }
    if (cl == NULL) {
        return NGX_DECLINED;
    }
    ctx->in = cl->next;
    rc = plumbline_stream_buf(r, ctx, cl->buf);
    ngx_free_chain(r->pool, cl);
    return rc;
}

/* The request is not over, whatever nginx has sent: it comes back to the body filter. */
static ngx_uint_t
plumbline_waits(ngx_http_request_t *r, ngx_uint_t on)
{
    if (on) {
        r->connection->buffered |= NGX_HTTP_SSI_BUFFERED; /* ours while we hold something */
    } else {
        r->connection->buffered &= ~NGX_HTTP_SSI_BUFFERED;
    }
    return on;
}

static ngx_int_t
plumbline_stream_filter(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx, ngx_chain_t *in)
{
    ngx_int_t rc;

    if (in && ngx_chain_add_copy(r->pool, &ctx->in, in) != NGX_OK) {
        return NGX_ERROR;
    }
    if (ctx->busy || ctx->in == NULL) { /* move earlier output first */
        rc = plumbline_flush(r, ctx, 0);
        if (rc == NGX_ERROR) {
            return rc;
        }
    }
    do {
        rc = plumbline_stream_step(r, ctx);
        if (rc == NGX_ERROR) {
            return rc;
        }
    } while (rc != NGX_DECLINED);
    if (ctx->last_sent) { /* swallow what the upstream still says */
        for ( ; ctx->in; ctx->in = ctx->in->next) {
            ctx->in->buf->pos = ctx->in->buf->last;
        }
    }
    return plumbline_waits(r, ctx->in != NULL || pl_exchange_asks(ctx->exchange)) || ctx->busy
               ? NGX_AGAIN : NGX_OK;
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
    if (last) {
        pl_exchange_response_end(ctx->exchange, how, &ctx->out, now);
    } else if (ctx->has_opinion) {
        ctx->has_opinion = 0;
        pl_exchange_answer_opinion(ctx->exchange, ctx->opinion, &ctx->out, now);
    } else {
        return pl_exchange_asks(ctx->exchange) ? NGX_AGAIN : NGX_OK;
    }
    if (pl_exchange_asks(ctx->exchange)) {
        if (ngx_http_plumbline_ask(r, ctx) == NGX_OK) {
            (void) plumbline_waits(r, 1);
            return NGX_AGAIN;
        }
        pl_exchange_answer_opinion(ctx->exchange, PL_OPINION_NONE, &ctx->out, now);
    }
    (void) plumbline_waits(r, 0);
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
