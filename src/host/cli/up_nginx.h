/* Writes the nginx.conf of `plumbline up`: pure text from parameters. */
#ifndef PL_HOST_UP_NGINX_H
#define PL_HOST_UP_NGINX_H

#include "base/buf.h"

typedef struct pl_nginx_params {
    const char *dir;             /* instance, absolute */
    const char *service;
    const char *listen, *gateway;/* host:port */
    const char *upstream;        /* as pl_upstreams_parse takes it, or "" with upstream_socket */
    const char *upstream_socket; /* unix socket of the demo upstream, or NULL */
    const char *upstream_ca;     /* "": system_ca */
    const char *system_ca;
    const char *web;             /* folder of the console */
    const char *module;          /* path of the module */
    uint64_t    max_body, max_response;
    int         workers;         /* 0: auto */
    int         as_root;         /* workers keep the rights of the master */
} pl_nginx_params;

/* PL_INVALID: a value cannot be written into a configuration file safely, or an upstream
 * URL is not usable. */
pl_rc pl_nginx_conf(const pl_nginx_params *p, pl_buf *out, pl_error *err);

/* An upstream URL taken apart. */
typedef struct pl_upstream_url {
    bool     is_https, is_ip;
    char     host[256];
    unsigned port;
    bool     default_port;
    char     base[512]; /* what stands in for "/v1", e.g. "/openai/v1" */
} pl_upstream_url;
pl_rc pl_upstream_url_parse(const char *url, pl_upstream_url *out, pl_error *err);

#define PL_UPSTREAMS_MAX 32u

/* Servers that answer for the same models. */
typedef struct pl_upstreams {
    pl_upstream_url url; /* of the first; all share its scheme and base, over https its host too */
    size_t          n;   /* 1 to PL_UPSTREAMS_MAX */
    struct {
        char     host[256];
        unsigned port;
        unsigned weight;    /* 1 to 1000; 1 where none is given */
        bool     is_backup; /* asked only while all others are down */
    } server[PL_UPSTREAMS_MAX];
} pl_upstreams;

/* URL[;weight=N][;backup] of each server, commas between them. PL_INVALID says which is wrong. */
pl_rc pl_upstreams_parse(const char *list, pl_upstreams *out, pl_error *err);
#endif
