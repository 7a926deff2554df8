/* The two sockets, and libmicrohttpd between them and dispatch.c. */
#include "base/banned.h"

#include "base/str.h"
#include "host/daemon/daemon.h"
#include "host/daemon/log.h"
#include "host/socket.h"

#include <microhttpd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define THREADS          4u
#define CONNECTIONS      256u
#define IDLE_S           75u /* longer than nginx keeps an idle upstream connection */
#define CONNECTION_BYTES (64u << 10)
#define SWALLOW_MAX      (8u << 20) /* of a body that is too large, before the line is cut */

struct pl_listener {
    pl_daemon         *d;
    bool               is_control;
    struct MHD_Daemon *mhd;
    int                fd;           /* ours again once quiesced, else -1 */
    struct sockaddr_un address;
};

typedef struct call {
    pl_listener *l;
    char        *target;
    pl_buf       body;
    size_t       received, body_max;
    bool         is_begun;
    bool         is_too_large;
} call;

/* --- one request ------------------------------------------------------------------------------ */

static void *call_new(void *cls, const char *uri, struct MHD_Connection *c)
{
    call *k = calloc(1, sizeof *k);

    (void)c;
    if (k == NULL)
        return NULL;
    k->l = cls;
    k->target = strdup(uri);
    k->body_max = pl_http_body_max(uri);
    k->body = PL_BUF_INIT(k->body_max);
    return k;
}

static void call_free(void *cls, struct MHD_Connection *c, void **con_cls,
                      enum MHD_RequestTerminationCode code)
{
    call *k = *con_cls;

    (void)cls, (void)c, (void)code;
    if (k == NULL)
        return;
    if (k->is_begun)
        atomic_fetch_sub(&k->l->d->stats.in_flight, 1);
    pl_buf_done(&k->body);
    free(k->target);
    free(k);
    *con_cls = NULL;
}

static const char *lookup_header(void *ctx, const char *name)
{
    return MHD_lookup_connection_value(ctx, MHD_HEADER_KIND, name);
}

/* The mode of control.sock keeps others out; this keeps out whoever was handed it open. */
static bool peer_is_operator(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ucred peer;
    socklen_t    n = sizeof peer;

    if (info == NULL || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) != 0)
        return false;
    return peer.uid == geteuid() || peer.uid == 0;
}

static void add_headers(struct MHD_Response *r, const pl_http_out *out)
{
    static const char *const always[][2] = {
        { "X-Content-Type-Options", "nosniff" },
        { "Cache-Control", "no-store" },
        { "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'" },
        { "Referrer-Policy", "no-referrer" },
    };

    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        (void)MHD_add_response_header(r, always[i][0], always[i][1]);
    if (out->content_type != NULL)
        (void)MHD_add_response_header(r, "Content-Type", out->content_type);
    if (out->lang != NULL) {
        (void)MHD_add_response_header(r, "Content-Language", out->lang);
        (void)MHD_add_response_header(r, "Vary", "Accept-Language");
    }
    if (out->allow[0] != '\0')
        (void)MHD_add_response_header(r, "Allow", out->allow);
    if (out->status == 401)
        (void)MHD_add_response_header(r, "WWW-Authenticate", "Bearer realm=\"plumbline\"");
    if (out->status == 429)
        (void)MHD_add_response_header(r, "Retry-After", "60");
    if (out->status == 503)
        (void)MHD_add_response_header(r, "Retry-After", "10");
    for (size_t i = 0; i < 2; i++)
        if (out->set_cookie[i][0] != '\0')
            (void)MHD_add_response_header(r, "Set-Cookie", out->set_cookie[i]);
}

/* The server library takes the body over and frees it. */
static enum MHD_Result send_reply(struct MHD_Connection *c, pl_http_out *out)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(
        out->body.n, out->body.p != NULL ? out->body.p : (char *)(uintptr_t)"",
        out->body.p != NULL ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    enum MHD_Result sent;

    if (r == NULL) {
        pl_http_out_done(out);
        return MHD_NO;
    }
    add_headers(r, out);
    sent = MHD_queue_response(c, (unsigned)out->status, r);
    MHD_destroy_response(r);
    return sent;
}

static enum MHD_Result answer(struct MHD_Connection *c, const char *method, call *k)
{
    pl_http_out out = { 0 };
    pl_http_in  in = { .method = method,
                       .target = k->target,
                       .body = pl_buf_str(&k->body),
                       .is_too_large = k->is_too_large,
                       .is_operator = k->l->is_control,
                       .header = lookup_header,
                       .ctx = c };

    if (k->l->is_control && !peer_is_operator(c)) {
        pl_http_problem(&out, 403, "en", "this socket is for the operator of the host",
                        PL_STR(""));
        return send_reply(c, &out);
    }
    pl_dispatch(k->l->d, &in, &out);
    return send_reply(c, &out);
}

static bool announces_too_much(struct MHD_Connection *c, size_t most)
{
    const char *length = lookup_header(c, "Content-Length");
    uint64_t    n;

    return length != NULL && pl_str_u64(pl_str_z(length), &n, NULL) == PL_OK &&
           n > most;
}

static enum MHD_Result take_body(call *k, const char *data, size_t n)
{
    k->received += n;
    if (k->received > k->body_max) {
        k->is_too_large = true;
        pl_buf_done(&k->body);
    } else {
        pl_buf_put(&k->body, (pl_str){ data, n });
    }
    return k->received > k->body_max + SWALLOW_MAX ? MHD_NO : MHD_YES;
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *c, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *data_n, void **con_cls)
{
    call *k = *con_cls;

    (void)cls, (void)url, (void)version;
    if (k == NULL || k->target == NULL)
        return MHD_NO;
    if (!k->is_begun) {
        k->is_begun = true;
        atomic_fetch_add(&k->l->d->stats.in_flight, 1);
        k->is_too_large = announces_too_much(c, k->body_max);
        return k->is_too_large ? answer(c, method, k) : MHD_YES;
    }
    if (*data_n > 0) {
        size_t n = *data_n;

        *data_n = 0;
        return take_body(k, data, n);
    }
    if (k->body.failed)
        return MHD_NO;
    return answer(c, method, k);
}

__attribute__((format(printf, 2, 0))) static void library_log(void *cls, const char *fmt, va_list ap)
{
    char text[256];

    (void)cls;
    (void)vsnprintf(text, sizeof text, fmt, ap);
    text[strcspn(text, "\r\n")] = '\0';
    pl_log_warn("http server", PL_S("error", text));
}

/* --- the socket ------------------------------------------------------------------------------------ */

static pl_rc make_address(const pl_daemon *d, const char *name, struct sockaddr_un *out,
                          pl_error *err)
{
    *out = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (snprintf(out->sun_path, sizeof out->sun_path, "%s/run/%s", d->instance.dir, name) >=
        (int)sizeof out->sun_path)
        return pl_fail(err, PL_INVALID,
                       "path of the instance is too long for a socket (%zu bytes at most): '%.150s'",
                       sizeof out->sun_path - sizeof "/run/plumblined.sock",
                       d->instance.dir);
    return PL_OK;
}

static struct MHD_Daemon *start_server(pl_listener *l, int fd)
{
    /* The logger comes first: it must be there for complaints about other options. */
    return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0,
                            NULL, NULL, handle, l, MHD_OPTION_EXTERNAL_LOGGER, library_log, l,
                            MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE, THREADS,
                            MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS,
                            MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
                            MHD_OPTION_URI_LOG_CALLBACK, call_new, l,
                            MHD_OPTION_NOTIFY_COMPLETED, call_free, l, MHD_OPTION_END);
}

pl_rc pl_listener_start(pl_daemon *d, const char *name, bool is_control, pl_listener **out,
                        pl_error *err)
{
    pl_listener *l = calloc(1, sizeof *l);
    int          fd = -1;
    pl_rc        rc;

    if (l == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    *l = (pl_listener){ .d = d, .is_control = is_control, .fd = -1 };
    rc = make_address(d, name, &l->address, err);
    if (rc == PL_OK)
        rc = pl_unix_listen(l->address.sun_path, is_control ? 0600 : 0660, &fd, err);
    if (rc == PL_OK && (l->mhd = start_server(l, fd)) == NULL) {
        (void)close(fd);
        (void)unlink(l->address.sun_path);
        rc = pl_fail(err, PL_IO, "cannot start the HTTP server on '%s'", l->address.sun_path);
    }
    if (rc != PL_OK)
        free(l);
    else
        *out = l;
    return rc;
}

void pl_listener_quiesce(pl_listener *l)
{
    if (l == NULL || l->fd >= 0)
        return;
    (void)unlink(l->address.sun_path);
    l->fd = MHD_quiesce_daemon(l->mhd);
}

void pl_listener_stop(pl_listener *l)
{
    if (l == NULL)
        return;
    pl_listener_quiesce(l);
    MHD_stop_daemon(l->mhd);
    if (l->fd >= 0)
        (void)close(l->fd);
    free(l);
}
