/* The gateway module: a thin adapter between nginx and cap/guard. It reads the body, asks
 * the guard, forwards or answers, passes answers through the guard, and puts one event per
 * exchange into the worker's ring. No judgement is made here. */
#ifndef NGX_HTTP_PLUMBLINE_H
#define NGX_HTTP_PLUMBLINE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "cap/guard/pl_gate.h"

typedef struct {
    ngx_str_t  dir;        /* plumbline_dir */
    ngx_str_t  service;    /* plumbline_service */
    ngx_str_t  index_key_file;
    u_char     index_key[32];
    ngx_str_t  upstream_key; /* "Bearer …" from PLUMBLINE_UPSTREAM_KEY, or empty */
    ngx_str_t  jwt_key;      /* contents of plumbline_jwt_key, or empty */
    ngx_array_t routes;    /* ngx_str_t: every route named by a location */
    pl_gate   *gate;
    ngx_event_t refresh;
} ngx_http_plumbline_main_conf_t;

typedef struct {
    ngx_str_t  route;      /* empty: off */
    const pl_surface *surface; /* NULL: by the end of the path */
    size_t     max_response;
    ngx_http_complex_value_t *tenant;  /* NULL: none */
    ngx_http_complex_value_t *subject, *session, *minor, *key;
    ngx_flag_t subject_body; /* plumbline_subject_body */
    ngx_str_t  opinion;    /* plumbline_second_opinion: location of the guard model, or empty */
} ngx_http_plumbline_loc_conf_t;

typedef struct {
    ngx_http_request_t *request;
    ngx_http_plumbline_main_conf_t *mcf;
    pl_exchange *exchange;
    const pl_surface *surface;
    char         id[PL_ID_LEN + 1];
    ngx_int_t    status;      /* what the access handler returns once the body was judged */
    pl_response_mode mode;
    pl_buf       out;         /* bytes the guard released, being copied out */
    ngx_chain_t *in;          /* upstream buffers not consumed yet (back-pressure) */
    ngx_chain_t *free, *busy;
    int64_t      begun_ms;    /* of the exchange, as the clock of the machine said */
    ngx_msec_t   begun_tick;
    ngx_uint_t   http_version; /* the client's: an HTTP/0.9 upstream would change it */
    void       (*upstream_finalize)(ngx_http_request_t *r, ngx_int_t rc);
    pl_str       body;        /* of the request, as it came; lives as long as the request */
    uint64_t     stops;       /* version of the table of stops that was looked at */
    uint32_t     begun;       /* of pl_gate_begin */
    unsigned     judged:1;    /* request phase is over */
    pl_opinion   opinion;     /* what it said about the answer, if has_opinion */
    unsigned     asking:1;    /* a guard model is being asked */
    unsigned     has_opinion:1;
    unsigned     last_waits:1;/* the upstream's last buffer came while it was asked */
    unsigned     reserved:1;  /* a ring place is held for the event */
    unsigned     responding:1;/* the upstream's head went through the header filter */
    unsigned     header_held:1;
    unsigned     own:1;       /* the reply was made by the guard */
    unsigned     last_sent:1;
    unsigned     put:1;       /* the event is in the ring (or counted as lost) */
} ngx_http_plumbline_ctx_t;

extern ngx_module_t ngx_http_plumbline_module;

/* _request.c */
ngx_int_t ngx_http_plumbline_access_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_plumbline_error_handler(ngx_http_request_t *r);
/* Also finds the context after an internal redirect, which forgets it. */
ngx_http_plumbline_ctx_t *ngx_http_plumbline_get_ctx(ngx_http_request_t *r);
void ngx_http_plumbline_put_event(ngx_http_plumbline_ctx_t *ctx);

/* Goes on with a request once its judgement is known: forward, reply, or an HTTP status. */
ngx_int_t ngx_http_plumbline_go_on(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx,
    pl_exchange_action action);
/* The whole body in one piece. */
ngx_int_t ngx_http_plumbline_body(ngx_http_request_t *r, pl_str *out);

/* The stop switch, or a stop of this request's part. */
ngx_uint_t ngx_http_plumbline_is_stopped(ngx_http_plumbline_ctx_t *ctx);

/* _opinion.c: asks the guard model about the request or, once the upstream responds, about its answer. The
 * phases, or the body filter, run again when its word is there. */
ngx_int_t ngx_http_plumbline_ask(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx);

/* _headers.c; the value is copied, the name is not. */
ngx_int_t ngx_http_plumbline_add_header(ngx_http_request_t *r, const char *name, const char *value);
/* Everything that the gateway says of the exchange. */
ngx_int_t ngx_http_plumbline_headers(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx);
/* Type (which must live as long as the request) and length, -1: none, of what is sent instead of the upstream's. */
void ngx_http_plumbline_content(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx, const char *type,
    off_t length);

/* _response.c */
ngx_int_t ngx_http_plumbline_filter_init(ngx_conf_t *cf);
/* Sends the exchange's own reply through the filters; finalising is left to the caller. */
ngx_int_t ngx_http_plumbline_send_reply(ngx_http_request_t *r, ngx_http_plumbline_ctx_t *ctx);

/* _jwt.c */
ngx_int_t ngx_http_plumbline_variable_jwt(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data);
char *ngx_http_plumbline_jwt_key(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* _conf.c */
extern ngx_command_t ngx_http_plumbline_commands[];
void *ngx_http_plumbline_create_main_conf(ngx_conf_t *cf);
void *ngx_http_plumbline_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_plumbline_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child);
ngx_int_t ngx_http_plumbline_add_variables(ngx_conf_t *cf);
ngx_int_t ngx_http_plumbline_open_gate(ngx_conf_t *cf);

static ngx_inline pl_str
ngx_http_plumbline_str(ngx_str_t s)
{
    pl_str v = { (const char *) s.data, s.len };
    return v;
}

static ngx_inline int64_t
ngx_http_plumbline_now(void)
{
    ngx_time_t *tp = ngx_timeofday();
    return (int64_t) tp->sec * 1000 + (int64_t) tp->msec;
}

/* The time of an exchange that began: a jump of the machine's clock does not move it. */
static ngx_inline int64_t
ngx_http_plumbline_time(const ngx_http_plumbline_ctx_t *ctx)
{
    int64_t now = ctx->begun_ms + (int64_t) (ngx_current_msec - ctx->begun_tick);

    pl_exchange_note_clock(ctx->exchange, ngx_http_plumbline_now() - now);
    return now;
}

#endif
