/* Directives and variables. */
#include "ngx_http_plumbline.h"

#define MAX_RESPONSE_DEFAULT (8 * 1024 * 1024)

static char *plumbline_route(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *plumbline_error(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

ngx_command_t ngx_http_plumbline_commands[] = {

    { ngx_string("plumbline_dir"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_plumbline_main_conf_t, dir),
      NULL },

    { ngx_string("plumbline_service"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_plumbline_main_conf_t, service),
      NULL },

    { ngx_string("plumbline_index_key"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_plumbline_main_conf_t, index_key_file),
      NULL },

    { ngx_string("plumbline"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      plumbline_route,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("plumbline_max_response"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_plumbline_loc_conf_t, max_response),
      NULL },

    { ngx_string("plumbline_tenant"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_plumbline_loc_conf_t, tenant),
      NULL },

    { ngx_string("plumbline_subject"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_plumbline_loc_conf_t, subject),
      NULL },

    { ngx_string("plumbline_session"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_plumbline_loc_conf_t, session),
      NULL },

    { ngx_string("plumbline_minor"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_plumbline_loc_conf_t, minor),
      NULL },

    { ngx_string("plumbline_key"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_plumbline_loc_conf_t, key),
      NULL },

    { ngx_string("plumbline_subject_body"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_plumbline_loc_conf_t, subject_body),
      NULL },

    { ngx_string("plumbline_jwt_key"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_TAKE1,
      ngx_http_plumbline_jwt_key,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("plumbline_second_opinion"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_plumbline_loc_conf_t, opinion),
      NULL },

    { ngx_string("plumbline_error"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      plumbline_error,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};

void *
ngx_http_plumbline_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_plumbline_main_conf_t *mcf = ngx_pcalloc(cf->pool, sizeof(*mcf));

    if (mcf != NULL && ngx_array_init(&mcf->routes, cf->pool, 4, sizeof(ngx_str_t)) != NGX_OK) {
        return NULL;
    }
    return mcf;
}

void *
ngx_http_plumbline_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_plumbline_loc_conf_t *lcf = ngx_pcalloc(cf->pool, sizeof(*lcf));

    if (lcf != NULL) {
        lcf->max_response = NGX_CONF_UNSET_SIZE;
        lcf->subject_body = NGX_CONF_UNSET;
    }
    return lcf;
}

char *
ngx_http_plumbline_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_plumbline_loc_conf_t *prev = parent, *conf = child;

    /* A route is never inherited: what a location lets through is said in that location. */
    conf->tenant = conf->tenant ? conf->tenant : prev->tenant;
    conf->subject = conf->subject ? conf->subject : prev->subject;
    conf->session = conf->session ? conf->session : prev->session;
    conf->minor = conf->minor ? conf->minor : prev->minor;
    conf->key = conf->key ? conf->key : prev->key;
    ngx_conf_merge_value(conf->subject_body, prev->subject_body, 0);
    ngx_conf_merge_str_value(conf->opinion, prev->opinion, "");
    ngx_conf_merge_size_value(conf->max_response, prev->max_response, MAX_RESPONSE_DEFAULT);
    return NGX_CONF_OK;
}

static char *
plumbline_route(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plumbline_loc_conf_t  *lcf = conf;
    ngx_http_plumbline_main_conf_t *mcf;
    ngx_str_t                      *value = cf->args->elts, *route;

    if (lcf->route.len != 0) {
        return "is duplicate";
    }
    if (ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }
    if (cf->args->nelts == 3) { /* a surface by name, where the path does not end in its own */
        lcf->surface = pl_surface_find(ngx_http_plumbline_str(value[2]));
        if (lcf->surface == NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "plumbline: unknown surface \"%V\"",
                               &value[2]);
            return NGX_CONF_ERROR;
        }
    }
    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_plumbline_module);
    route = ngx_array_push(&mcf->routes);
    if (route == NULL) {
        return NGX_CONF_ERROR;
    }
    *route = lcf->route = value[1];
    return NGX_CONF_OK;
}

static char *
plumbline_error(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_plumbline_error_handler;
    return NGX_CONF_OK;
}

/* --- opening the gateway files at configuration time ------------------------------------ */

static ngx_int_t
plumbline_read_key(ngx_conf_t *cf, ngx_http_plumbline_main_conf_t *mcf)
{
    u_char     text[64];
    ngx_int_t  v;
    ngx_uint_t i;
    ngx_fd_t   fd;
    ssize_t    n;

    fd = ngx_open_file(mcf->index_key_file.data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);
    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno, "plumbline_index_key: cannot open \"%V\"",
                           &mcf->index_key_file);
        return NGX_ERROR;
    }
    n = ngx_read_fd(fd, text, sizeof(text));
    (void) ngx_close_file(fd);
    for (i = 0; n == sizeof(text) && i < 32; i++) {
        v = ngx_hextoi(text + 2 * i, 2);
        if (v == NGX_ERROR) {
            break;
        }
        mcf->index_key[i] = (u_char) v;
    }
    ngx_explicit_memzero(text, sizeof(text));
    if (n != sizeof(text) || i < 32) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "plumbline_index_key: \"%V\" does not hold 64 hex digits",
                           &mcf->index_key_file);
        return NGX_ERROR;
    }
    return NGX_OK;
}

static ngx_int_t
plumbline_upstream_key(ngx_conf_t *cf, ngx_http_plumbline_main_conf_t *mcf)
{
    const char *key = getenv("PLUMBLINE_UPSTREAM_KEY");
    size_t      n = key ? ngx_strlen(key) : 0;

    if (n == 0) {
        return NGX_OK;
    }
    mcf->upstream_key.data = ngx_pnalloc(cf->pool, n + sizeof("Bearer "));
    if (mcf->upstream_key.data == NULL) {
        return NGX_ERROR;
    }
    mcf->upstream_key.len =
        ngx_sprintf(mcf->upstream_key.data, "Bearer %s", key) - mcf->upstream_key.data;
    return NGX_OK;
}

static void
plumbline_close_gate(void *data)
{
    pl_gate_close(data);
}

static ngx_int_t
plumbline_check_routes(ngx_conf_t *cf, ngx_http_plumbline_main_conf_t *mcf)
{
    ngx_str_t *route = mcf->routes.elts;
    ngx_uint_t i;
    pl_policy *policy = pl_gate_policy(mcf->gate);

    if (policy == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "plumbline: no policy in \"%V\"; run \"plumbline policy compile\"",
                           &mcf->dir);
        return NGX_ERROR;
    }
    for (i = 0; i < mcf->routes.nelts; i++) {
        if (pl_policy_route_find(policy, ngx_http_plumbline_str(route[i])) < 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "plumbline: the policy in \"%V\" has no route \"%V\"", &mcf->dir,
                               &route[i]);
            return NGX_ERROR;
        }
    }
    return NGX_OK;
}

ngx_int_t
ngx_http_plumbline_open_gate(ngx_conf_t *cf)
{
    ngx_http_plumbline_main_conf_t *mcf;
    ngx_pool_cleanup_t             *cln;
    pl_error                        err;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_plumbline_module);
    if (mcf->routes.nelts == 0) {
        return NGX_OK;
    }
    if (mcf->dir.len == 0 || mcf->index_key_file.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"plumbline\" needs \"plumbline_dir\" and \"plumbline_index_key\"");
        return NGX_ERROR;
    }
    if (mcf->service.len == 0) {
        ngx_str_set(&mcf->service, "default");
    }
    if (plumbline_read_key(cf, mcf) != NGX_OK || plumbline_upstream_key(cf, mcf) != NGX_OK) {
        return NGX_ERROR;
    }
    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }
    if (pl_gate_open((char *) mcf->dir.data, &mcf->gate, &err) != PL_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "plumbline_dir: %s", err.text);
        return NGX_ERROR;
    }
    cln->handler = plumbline_close_gate;
    cln->data = mcf->gate;
    return plumbline_check_routes(cf, mcf);
}

/* --- variables --------------------------------------------------------------------------- */

static ngx_int_t
plumbline_set(ngx_http_variable_value_t *v, const char *p, size_t n)
{
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;
    v->data = (u_char *) p;
    v->len = (unsigned) n;
    return NGX_OK;
}

static ngx_int_t
plumbline_variable_id(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_plumbline_ctx_t *ctx = ngx_http_plumbline_get_ctx(r);

    return ctx ? plumbline_set(v, ctx->id, PL_ID_LEN) : plumbline_set(v, "-", 1);
}

static ngx_int_t
plumbline_variable_verdict(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_plumbline_ctx_t *ctx = ngx_http_plumbline_get_ctx(r);
    const char               *s = "-";

    if (ctx && ctx->exchange) {
        s = pl_exchange_verdict(ctx->exchange);
    }
    return plumbline_set(v, s, ngx_strlen(s));
}

/* The key towards the upstream: ours when there is one, else the client's own. */
static ngx_int_t
plumbline_variable_authorization(ngx_http_request_t *r, ngx_http_variable_value_t *v,
                                 uintptr_t data)
{
    ngx_http_plumbline_main_conf_t *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_plumbline_module);
    if (mcf->upstream_key.len) {
        return plumbline_set(v, (char *) mcf->upstream_key.data, mcf->upstream_key.len);
    }
    if (r->headers_in.authorization) {
        return plumbline_set(v, (char *) r->headers_in.authorization->value.data,
                             r->headers_in.authorization->value.len);
    }
    return plumbline_set(v, "", 0);
}

/* "1" when the upstream's key is ours, so that the client's other key headers can be left out. */
static ngx_int_t
plumbline_variable_own_key(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_plumbline_main_conf_t *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_plumbline_module);
    return plumbline_set(v, mcf->upstream_key.len ? "1" : "0", 1);
}

/* The key alone, for the one API that takes it in a header of its own. */
static ngx_int_t
plumbline_variable_upstream_key(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_plumbline_main_conf_t *mcf;
    size_t                          n = sizeof("Bearer ") - 1;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_plumbline_module);
    if (mcf->upstream_key.len <= n) {
        return plumbline_set(v, "", 0);
    }
    return plumbline_set(v, (char *) mcf->upstream_key.data + n, mcf->upstream_key.len - n);
}

static ngx_http_variable_t plumbline_variables[] = {
    { ngx_string("plumbline_request_id"), NULL, plumbline_variable_id, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("plumbline_verdict"), NULL, plumbline_variable_verdict, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("plumbline_authorization"), NULL, plumbline_variable_authorization, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("plumbline_upstream_key"), NULL, plumbline_variable_upstream_key, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("plumbline_own_key"), NULL, plumbline_variable_own_key, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("plumbline_jwt_"), NULL, ngx_http_plumbline_variable_jwt, 0, NGX_HTTP_VAR_PREFIX, 0 },
      ngx_http_null_variable
};

ngx_int_t
ngx_http_plumbline_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t *v, *var;

    for (v = plumbline_variables; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }
        var->get_handler = v->get_handler;
        var->data = v->data;
    }
    return NGX_OK;
}
