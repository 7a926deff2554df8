/* $plumbline_jwt_CLAIM: a claim of the request's bearer token, once the token was verified with
 * the key of `plumbline_jwt_key`; empty for any other token. */
#include "ngx_http_plumbline.h"

#include "cap/guard/pl_jwt.h"

static const u_char prefix[] = "plumbline_jwt_";

static ngx_int_t
plumbline_jwt_token(ngx_http_request_t *r, pl_str *token)
{
    static const char bearer[] = "Bearer ";
    ngx_table_elt_t  *h = r->headers_in.authorization;

    if (h == NULL || h->value.len < sizeof(bearer)
        || ngx_strncasecmp(h->value.data, (u_char *) bearer, sizeof(bearer) - 1) != 0)
    {
        return NGX_DECLINED;
    }
    *token = (pl_str){ (const char *) h->value.data + sizeof(bearer) - 1,
                       h->value.len - (sizeof(bearer) - 1) };
    return NGX_OK;
}

ngx_int_t
ngx_http_plumbline_variable_jwt(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_plumbline_main_conf_t *mcf;
    ngx_str_t                      *name = (ngx_str_t *) data;
    pl_buf                          out = PL_BUF_INIT(PL_JWT_MAX);
    pl_str                          token;
    char                            claim[128];
    size_t                          n = name->len - (sizeof(prefix) - 1);

    mcf = ngx_http_get_module_main_conf(r, ngx_http_plumbline_module);
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = (u_char *) "";
    v->len = 0;
    if (mcf->jwt_key.len == 0 || n == 0 || n >= sizeof(claim) || plumbline_jwt_token(r, &token) != NGX_OK) {
        return NGX_OK;
    }
    ngx_memcpy(claim, name->data + sizeof(prefix) - 1, n);
    claim[n] = '\0';
    if (pl_jwt_claim(ngx_http_plumbline_str(mcf->jwt_key), token, claim, ngx_http_plumbline_now(), &out) == PL_OK
        && out.n)
    {
        v->data = ngx_pnalloc(r->pool, out.n);
        if (v->data == NULL) {
            pl_buf_done(&out);
            return NGX_ERROR;
        }
        ngx_memcpy(v->data, out.p, out.n);
        v->len = (unsigned) out.n;
    }
    pl_buf_done(&out);
    return NGX_OK;
}

char *
ngx_http_plumbline_jwt_key(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plumbline_main_conf_t *mcf = conf;
    ngx_str_t                      *value = cf->args->elts;
    ngx_fd_t                        fd;
    ssize_t                         n;

    if (mcf->jwt_key.len) {
        return "is duplicate";
    }
    if (ngx_conf_full_name(cf->cycle, &value[1], 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }
    mcf->jwt_key.data = ngx_pnalloc(cf->pool, PL_JWT_KEY_MAX + 1);
    fd = ngx_open_file(value[1].data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);
    if (mcf->jwt_key.data == NULL || fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno, "plumbline_jwt_key: cannot open \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }
    n = ngx_read_fd(fd, mcf->jwt_key.data, PL_JWT_KEY_MAX + 1);
    (void) ngx_close_file(fd);
    if (n < 32 || n > PL_JWT_KEY_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "plumbline_jwt_key: \"%V\" holds no public key and no secret of 32 bytes", &value[1]);
        return NGX_CONF_ERROR;
    }
    mcf->jwt_key.len = (size_t) n;
    return NGX_CONF_OK;
}
