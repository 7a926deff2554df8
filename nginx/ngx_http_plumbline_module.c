/* Module record, worker start and end, policy refresh. */
#include "ngx_http_plumbline.h"

#define REFRESH_MS 100 /* a new policy is in force this long after its announcement */

static ngx_int_t plumbline_postconfiguration(ngx_conf_t *cf);
static ngx_int_t plumbline_init_process(ngx_cycle_t *cycle);
static void plumbline_exit_process(ngx_cycle_t *cycle);

static ngx_http_module_t plumbline_http_module = {
    ngx_http_plumbline_add_variables,      /* preconfiguration */
    plumbline_postconfiguration,           /* postconfiguration */
    ngx_http_plumbline_create_main_conf,   /* create main configuration */
    NULL,                                  /* init main configuration */
    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */
    ngx_http_plumbline_create_loc_conf,    /* create location configuration */
    ngx_http_plumbline_merge_loc_conf      /* merge location configuration */
};

ngx_module_t ngx_http_plumbline_module = {
    NGX_MODULE_V1,
    &plumbline_http_module,
    ngx_http_plumbline_commands,
    NGX_HTTP_MODULE,
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    plumbline_init_process,
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    plumbline_exit_process,
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};

static ngx_int_t
plumbline_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_core_main_conf_t *cmcf;
    ngx_http_handler_pt       *h;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    h = ngx_array_push(&cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }
    *h = ngx_http_plumbline_access_handler;

    if (ngx_http_plumbline_filter_init(cf) != NGX_OK) {
        return NGX_ERROR;
    }
    return ngx_http_plumbline_open_gate(cf);
}

static void
plumbline_refresh(ngx_event_t *ev)
{
    ngx_http_plumbline_main_conf_t *mcf = ev->data;
    pl_error                        err;

    (void) pl_gate_claim(mcf->gate, NULL); /* once an old worker gives a slot back */
    if (pl_gate_refresh(mcf->gate, &err) != PL_OK) {
        ngx_log_error(NGX_LOG_ERR, ev->log, 0,
                      "plumbline: new policy refused, the old one stays: %s", err.text);
    }
    if (!ngx_exiting && !ngx_terminate) {
        ngx_add_timer(ev, REFRESH_MS);
    }
}

static ngx_int_t
plumbline_init_process(ngx_cycle_t *cycle)
{
    ngx_http_plumbline_main_conf_t *mcf;
    pl_error                        err;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_plumbline_module);
    if (mcf == NULL || mcf->gate == NULL
        || (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }
    if (pl_gate_claim(mcf->gate, &err) != PL_OK) {
        /* Each route's fail mode now decides about every request. */
        ngx_log_error(NGX_LOG_ALERT, cycle->log, 0, "plumbline: no event ring: %s", err.text);
    }
    mcf->refresh.handler = plumbline_refresh;
    mcf->refresh.data = mcf;
    mcf->refresh.log = cycle->log;
    mcf->refresh.cancelable = 1;
    ngx_add_timer(&mcf->refresh, REFRESH_MS);
    return NGX_OK;
}

static void
plumbline_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_plumbline_main_conf_t *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_plumbline_module);
    if (mcf != NULL && mcf->gate != NULL) {
        pl_gate_release(mcf->gate);
    }
}
