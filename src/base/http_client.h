/* Small blocking HTTP client on libcurl, for the CLI and background jobs. */
#ifndef PL_BASE_HTTP_CLIENT_H
#define PL_BASE_HTTP_CLIENT_H

#include "base/buf.h"

typedef struct pl_http_request {
    const char        *method;      /* "GET", "POST", … */
    const char        *url;         /* http(s)://… ; host part ignored with unix_socket */
    const char        *unix_socket; /* path or NULL */
    const char *const *headers;     /* NULL-ended "Name: value" lines or NULL */
    pl_str             body;
    long               timeout_ms;
    size_t             max_bytes;   /* answer limit */
} pl_http_request;

typedef struct pl_http_response {
    long   status;
    pl_buf headers; /* raw header lines */
    pl_buf body;
} pl_http_response;

/* PL_IO when no HTTP answer came; any status is PL_OK. */
pl_rc pl_http_call(const pl_http_request *q, pl_http_response *out, pl_error *err);
void  pl_http_response_done(pl_http_response *r);
#endif
