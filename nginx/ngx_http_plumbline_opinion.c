/* The second opinion: a subrequest to the location of a guard model, whose answer decides about
 * a request before it is forwarded, or about an answer before it goes on. Address, time-outs and
 * keys are that location's. */
#include "ngx_http_plumbline.h"

static pl_opinion
plumbline_opinion_of(ngx_http_request_t *r, ngx_http_request_t *sr, ngx_int_t rc)
{
    pl_opinion opinion = PL_OPINION_NONE;
    pl_str     answer = { "", 0 };

    if (sr->out != NULL && sr->out->buf != NULL) {
        answer = (pl_str){ (const char *) sr->out->buf->pos, ngx_buf_size(sr->out->buf) };
    }
    if (rc == NGX_OK && sr->headers_out.status == NGX_HTTP_OK) {
        opinion = pl_opinion_read((int) sr->headers_out.status, answer);
    }
    if (opinion == PL_OPINION_NONE) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "plumbline: no second opinion, status %ui", sr->headers_out.status);
    }
    return opinion;
}

static ngx_int_t
plumbline_request_opinion_done(ngx_http_request_t *sr, void *data, ngx_int_t rc)
{
    ngx_http_plumbline_ctx_t *ctx = data;
    ngx_http_request_t       *r = ctx->request;
    pl_opinion                opinion;
    pl_str                    body;

    if (!ctx->asking) {
        return rc;
    }
    ctx->asking = 0;
    opinion = plumbline_opinion_of(r, sr, rc);
    ctx->status = ngx_http_plumbline_body(r, &body);
    if (ctx->status == NGX_OK) {
        ctx->status = ngx_http_plumbline_go_on(r, ctx,
                                               pl_exchange_opinion(ctx->exchange, opinion, body));
    }
    ctx->judged = 1;
    return rc;
}

/* The answer goes on where it stood still: its body filter is called again. A failed subrequest is
 * over, too, and must not take the answer with it. */
static ngx_int_t
plumbline_answer_opinion_done(ngx_http_request_t *sr, void *data, ngx_int_t rc)
{
    ngx_http_plumbline_ctx_t *ctx = data;

    if (!ctx->asking) {
        return NGX_OK;
    }
    ctx->asking = 0;
    if (!pl_exchange_asks(ctx->exchange)) { /* it was not waited for */
        return NGX_OK;
    }
    ctx->opinion = plumbline_opinion_of(ctx->request, sr, rc);
    ctx->has_opinion = 1;
    return ngx_http_post_request(ctx->request, NULL);
}

/* The subrequest asks for itself, whatever the client sent. */
static ngx_int_t
plumbline_opinion_body(ngx_http_request_t *r, ngx_http_request_t *sr, const pl_buf *question)
{
    ngx_http_request_body_t *rb = ngx_pcalloc(r->pool, sizeof(*rb));
    ngx_buf_t               *b = ngx_create_temp_buf(r->pool, question->n);
    ngx_chain_t             *cl = ngx_alloc_chain_link(r->pool);

    if (rb == NULL || b == NULL || cl == NULL) {
        return NGX_ERROR;
    }
    b->last = ngx_cpymem(b->pos, question->p, question->n);
    b->last_buf = 1;
    cl->buf = b;
    cl->next = NULL;
    rb->bufs = cl;
    sr->request_body = rb;
    sr->method = NGX_HTTP_POST;
    ngx_str_set(&sr->method_name, "POST");
    sr->headers_in.content_length_n = (off_t) question->n;
    sr->headers_in.chunked = 0;
    sr->header_only = 0;
    return NGX_OK;
}

ngx_int_t
ngx_http_plumbline_ask(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx)
{
    ngx_http_plumbline_loc_conf_t *lcf;
    ngx_http_post_subrequest_t    *ps;
    ngx_http_request_t            *sr;
    pl_buf                         question = PL_BUF_INIT(1024 * 1024);
    ngx_int_t                      rc = NGX_ERROR;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_plumbline_module);
    ps = ngx_palloc(r->pool, sizeof(*ps));
    if (lcf->opinion.len == 0 || ps == NULL) {
        return NGX_ERROR;
    }
    ps->handler = ctx->responding ? plumbline_answer_opinion_done : plumbline_request_opinion_done;
    ps->data = ctx;
    /* An answer has its own way to wait: bytes of it may be on their way already. */
    if (pl_exchange_question(ctx->exchange, &question) == PL_OK
        && ngx_http_subrequest(r, &lcf->opinion, NULL, &sr, ps, NGX_HTTP_SUBREQUEST_IN_MEMORY
                               |(ctx->responding ? NGX_HTTP_SUBREQUEST_BACKGROUND
                                                 : NGX_HTTP_SUBREQUEST_WAITED)) == NGX_OK)
    {
        ctx->asking = 1;
        rc = plumbline_opinion_body(r, sr, &question);
    }
    pl_buf_done(&question);
    if (rc != NGX_OK) {
        ctx->asking = 0;
    }
    return rc;
}
