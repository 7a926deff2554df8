/* Headers of an answer: what the gateway says of it, and nothing that an upstream says in our name. */
#include "ngx_http_plumbline.h"

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

ngx_int_t
ngx_http_plumbline_add_header(ngx_http_request_t *r, const char *name, const char *value)
{
    pl_str v = { value, ngx_strlen(value) };

    return plumbline_add_header(r, name, v);
}

/* Of the headers that the upstream sent. */
static void
plumbline_drop(ngx_http_request_t *r, const char *prefix)
{
    size_t            n = ngx_strlen(prefix);
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
        if (h[i].key.len >= n && ngx_strncasecmp(h[i].key.data, (u_char *) prefix, n) == 0) {
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

/* As OpenAI's clients know them. */
static ngx_int_t
plumbline_budget_header(ngx_http_request_t *r, const char *name, uint64_t value, const char *unit)
{
    u_char text[NGX_INT64_LEN + 2], *p = ngx_sprintf(text, "%uL%s", value, unit);

    return plumbline_add_header(r, name, (pl_str){ (char *) text, p - text });
}

/* What is left of the asker's budgets; then what the upstream says of the operator's is not for the asker. */
static ngx_int_t
plumbline_budget_headers(ngx_http_request_t *r, const pl_exchange *x)
{
    static const char *const names[2][3] = {
        { "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests" },
        { "x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens" } };
    pl_budget_left           left[2];
    bool                     has[2];
    int                      i;

    for (i = 0; i < 2; i++) {
        has[i] = pl_exchange_budget_left(x, i == 1, &left[i]);
    }
    if (has[0] || has[1]) {
        plumbline_drop(r, "x-ratelimit-");
    }
    for (i = 0; i < 2; i++) {
        if (has[i]
            && (plumbline_budget_header(r, names[i][0], left[i].limit, "") != NGX_OK
                || plumbline_budget_header(r, names[i][1], left[i].left, "") != NGX_OK
                || plumbline_budget_header(r, names[i][2], (uint64_t) left[i].reset_s, "s") != NGX_OK))
        {
            return NGX_ERROR;
        }
    }
    return NGX_OK;
}

/* Reminders that belong to an answer, and when a refusal ends. */
static ngx_int_t
plumbline_people_headers(ngx_http_request_t *r, const pl_exchange *x)
{
    static const char *const names[] = { "session", "dependence", "session, dependence" };
    unsigned                 bits = pl_exchange_reminders(x);
    int64_t                  retry = pl_exchange_retry_after(x);
    u_char                   text[NGX_INT64_LEN], *p;

    if (bits && ngx_http_plumbline_add_header(r, "x-plumbline-reminder", names[bits - 1]) != NGX_OK) {
        return NGX_ERROR;
    }
    if (retry <= 0) {
        return NGX_OK;
    }
    p = ngx_sprintf(text, "%L", retry);
    return plumbline_add_header(r, "Retry-After", (pl_str){ (char *) text, p - text });
}

ngx_int_t
ngx_http_plumbline_headers(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx)
{
    pl_exchange *x = ctx->exchange;

    plumbline_drop(r, "x-plumbline-"); /* nobody upstream may speak in our name */
    if (plumbline_budget_headers(r, x) != NGX_OK) {
        return NGX_ERROR;
    }
    if (plumbline_add_header(r, "x-plumbline-request-id", pl_exchange_id(x)) != NGX_OK
        || plumbline_policy_header(r, ctx) != NGX_OK
        || ngx_http_plumbline_add_header(r, "x-plumbline-verdict", pl_exchange_verdict(x)) != NGX_OK
        || ngx_http_plumbline_add_header(r, "x-plumbline-label", pl_exchange_label(x)) != NGX_OK)
    {
        return NGX_ERROR;
    }
    if (!pl_exchange_is_own(x) && pl_exchange_is_generated(x) && pl_exchange_verdict(x)[0] == 'a'
        && ngx_http_plumbline_add_header(r, "x-plumbline-ai-generated", "1") != NGX_OK)
    {
        return NGX_ERROR;
    }
    if (pl_exchange_event_is_done(x) && pl_exchange_is_recorded(x)
        && ngx_http_plumbline_add_header(r, "x-plumbline-event-digest",
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
        return ngx_http_plumbline_add_header(r, "x-should-retry", "false");
    }
    return NGX_OK;
}

void
ngx_http_plumbline_content(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx, const char *type,
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
