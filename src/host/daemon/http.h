/* One HTTP exchange as the daemon sees it, without the server library: what came in, what
 * goes out. The listener fills the one and sends the other; tests can do so as well. */
#ifndef PL_DAEMON_HTTP_H
#define PL_DAEMON_HTTP_H

#include "base/buf.h"
#include "base/json.h"
#include "cap/api.h"

#define PL_HTTP_BODY_MAX  (1u << 20)
#define PL_HTTP_REPLY_MAX (64u << 20)

typedef struct pl_http_in {
    const char *method;
    const char *target;      /* as it came: escaped path and query */
    pl_str      body;
    bool        is_too_large;/* the body was over PL_HTTP_BODY_MAX and is not here */
    bool        is_operator; /* came through control.sock with the right peer */
    const char *(*header)(void *ctx, const char *name); /* NULL when absent */
    void       *ctx;
} pl_http_in;

typedef struct pl_http_out {
    int         status;
    const char *content_type; /* static; NULL: no content */
    const char *lang;         /* static; NULL: not in a language */
    pl_buf      body;
    char        allow[64];
    char        set_cookie[2][512];
    const char *route;        /* pattern of the route that answered, for logs; or NULL */
} pl_http_out;

/* --- api_http.c: the tables ----------------------------------------------------------- */

/* Bytes a request to that target may send. More than PL_HTTP_BODY_MAX: its body is a file as it
 * is, of any type. */
size_t pl_http_body_max(const char *target);
/* The one table from result codes to HTTP status. */
int pl_http_status(pl_rc rc);
/* "Not Found" or its Chinese form. */
const char *pl_http_title(int status, const char *lang);
/* "zh-CN" or "en" by Accept-Language (NULL: "en"). */
const char *pl_http_lang(const char *accept_language);
/* application/json, with or without parameters. */
bool pl_http_is_json(const char *content_type);
/* Replaces whatever `out` held by a problem document (RFC 9457). */
void pl_http_problem(pl_http_out *out, int status, const char *lang, const char *detail,
                     pl_str path);
/* Puts a JSON tree, which it takes over, into `out`. */
void pl_http_json(pl_http_out *out, int status, json_t *body);
void pl_http_out_done(pl_http_out *out);
#endif
