#include "base/banned.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "host/cli/demo.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BODY_MAX        (16u << 20)
#define CONNECTIONS_MAX 1000u
#define IDLE_S          75u
#define BLOCK           4096

struct pl_demo_server {
    pl_demo_answers   *answers;
    struct MHD_Daemon *http;
    unsigned           pace_ms, port;
    char               socket_path[108];
    atomic_ullong      serial;
};

/* --- one request ----------------------------------------------------------------------- */

typedef struct exchange {
    pl_demo_server *server;
    pl_buf          body;
    pl_demo_reply   reply;
    size_t          event; /* the one being sent */
} exchange;

static void exchange_free(exchange *x)
{
    if (x == NULL)
        return;
    pl_buf_done(&x->body);
    pl_demo_reply_done(&x->reply);
    free(x);
}

static void on_completed(void *cls, struct MHD_Connection *c, void **con,
                         enum MHD_RequestTerminationCode why)
{
    (void)cls, (void)c, (void)why;
    exchange_free(*con);
    *con = NULL;
}

static enum MHD_Result send_response(struct MHD_Connection *c, unsigned status, const char *type,
                                     struct MHD_Response *r)
{
    enum MHD_Result done;

    if (r == NULL)
        return MHD_NO;
    (void)MHD_add_response_header(r, "Content-Type", type);
    (void)MHD_add_response_header(r, "x-plumbline-demo", "replay");
    done = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return done;
}

static enum MHD_Result send_text(struct MHD_Connection *c, unsigned status, const char *text)
{
    return send_response(c, status, "application/json",
                         MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
                                                         MHD_RESPMEM_MUST_COPY));
}

/* One event a call, a pause before each but the first: what a model looks like. Every
 * connection has a thread of its own, so that sleeping holds up nobody. */
static ssize_t next_bytes(void *cls, uint64_t pos, char *out, size_t max)
{
    exchange            *x = cls;
    const pl_demo_reply *r = &x->reply;
    size_t               from = (size_t)pos, n;

    if (from >= r->body.n)
        return MHD_CONTENT_READER_END_OF_STREAM;
    while (r->event_end[x->event] <= from)
        x->event++;
    if (x->event > 0 && from == r->event_end[x->event - 1] && x->server->pace_ms > 0) {
        struct timespec nap = { x->server->pace_ms / 1000,
                                (long)(x->server->pace_ms % 1000) * 1000000L };

        (void)nanosleep(&nap, NULL);
    }
    n = r->event_end[x->event] - from;
    n = n < max ? n : max;
    memcpy(out, r->body.p + from, n);
    return (ssize_t)n;
}

static enum MHD_Result send_reply(struct MHD_Connection *c, exchange *x)
{
    pl_demo_reply *r = &x->reply;

    if (!r->is_stream)
        return send_response(c, (unsigned)r->status, "application/json",
                             MHD_create_response_from_buffer(r->body.n, r->body.p,
                                                             MHD_RESPMEM_MUST_COPY));
    return send_response(c, 200, "text/event-stream; charset=utf-8",
                         MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, next_bytes, x,
                                                           NULL));
}

static enum MHD_Result route(struct MHD_Connection *c, exchange *x, const char *method,
                             const char *path)
{
    pl_demo_server *s = x->server;

    if (strcmp(path, "/v1/chat/completions") == 0 && strcmp(method, "POST") == 0) {
        if (x->body.failed)
            return send_text(c, 413, "{\"error\":{\"message\":\"request is too large\","
                                     "\"type\":\"invalid_request_error\"}}");
        pl_demo_reply_make(s->answers, pl_buf_str(&x->body), atomic_fetch_add(&s->serial, 1) + 1,
                           pl_now_ms() / 1000, &x->reply);
        return send_reply(c, x);
    }
    if (strcmp(path, "/v1/models") == 0 && strcmp(method, "GET") == 0)
        return send_text(c, 200, "{\"object\":\"list\",\"data\":[{\"id\":\"" PL_DEMO_MODEL
                                 "\",\"object\":\"model\",\"created\":0,"
                                 "\"owned_by\":\"plumbline\"}]}");
    if (strcmp(path, "/healthz") == 0)
        return send_text(c, 200, "{\"status\":\"ok\"}");
    return send_text(c, 404, "{\"error\":{\"message\":\"no such path in the demo upstream\","
                             "\"type\":\"invalid_request_error\",\"code\":\"not_found\"}}");
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *path,
                                  const char *method, const char *version, const char *data,
                                  size_t *n, void **con)
{
    exchange *x = *con;

    (void)version;
    if (x == NULL) {
        x = calloc(1, sizeof *x);
        if (x == NULL)
            return MHD_NO;
        x->server = cls;
        x->body = PL_BUF_INIT(BODY_MAX);
        *con = x;
        return MHD_YES;
    }
    if (*n > 0) {
        pl_buf_put(&x->body, (pl_str){ data, *n });
        *n = 0;
        return MHD_YES;
    }
    return route(c, x, method, path);
}

/* --- listening ------------------------------------------------------------------------- */

static pl_rc listen_unix(pl_demo_server *s, const char *path, int *fd, pl_error *err)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    if (strlen(path) >= sizeof a.sun_path)
        return pl_fail(err, PL_INVALID, "socket path is too long: '%.120s'", path);
    memcpy(a.sun_path, path, strlen(path) + 1);
    (void)unlink(path); /* left by an earlier run: its owner holds run/up.lock */
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0 || bind(*fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(*fd, 128) != 0)
        return pl_fail(err, PL_IO, "cannot listen on '%s': %s", path, strerrordesc_np(errno));
    memcpy(s->socket_path, a.sun_path, sizeof s->socket_path);
    return PL_OK;
}

static unsigned port_of(int fd)
{
    struct sockaddr_storage a;
    socklen_t               n = sizeof a;

    if (getsockname(fd, (struct sockaddr *)&a, &n) != 0)
        return 0;
    if (a.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)(void *)&a)->sin6_port);
    return ntohs(((struct sockaddr_in *)(void *)&a)->sin_port);
}

static pl_rc listen_tcp(pl_demo_server *s, const char *address, int *fd, pl_error *err)
{
    const char     *colon = strrchr(address, ':');
    struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV | AI_NUMERICHOST,
                              .ai_socktype = SOCK_STREAM }, *list = NULL;
    char            host[64] = "";
    int             on = 1, why;

    if (colon != NULL)
        (void)snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
    if (colon == NULL || getaddrinfo(host, colon + 1, &hints, &list) != 0)
        return pl_fail(err, PL_INVALID, "not an address of the form 127.0.0.1:PORT: '%s'", address);
    *fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd >= 0)
        (void)setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    why = *fd < 0 || bind(*fd, list->ai_addr, list->ai_addrlen) != 0 || listen(*fd, 128) != 0
              ? errno : 0;
    freeaddrinfo(list);
    if (why != 0)
        return pl_fail(err, PL_IO, "cannot listen on '%s': %s", address, strerrordesc_np(why));
    s->port = port_of(*fd);
    return PL_OK;
}

pl_rc pl_demo_server_start(const pl_demo_options *o, pl_demo_server **out, pl_error *err)
{
    pl_demo_server *s = calloc(1, sizeof *s);
    int             fd = -1;
    pl_rc           rc = s != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = pl_demo_answers_load(o->answers, &s->answers, err);
    if (rc == PL_OK)
        rc = strncmp(o->listen, "unix:", 5) == 0 ? listen_unix(s, o->listen + 5, &fd, err)
                                                 : listen_tcp(s, o->listen, &fd, err);
    if (rc == PL_OK) {
        s->pace_ms = o->pace_ms;
        s->http = MHD_start_daemon(
            MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL, 0, NULL,
            NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
            CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_NOTIFY_COMPLETED,
            on_completed, NULL, MHD_OPTION_END);
        if (s->http == NULL)
            rc = pl_fail(err, PL_IO, "cannot start the HTTP server");
    }
    if (rc != PL_OK) {
        if (fd >= 0)
            (void)close(fd);
        if (s != NULL)
            pl_demo_server_stop(s);
        return rc;
    }
    *out = s;
    return PL_OK;
}

unsigned pl_demo_server_port(const pl_demo_server *s)
{
    return s->port;
}

void pl_demo_server_stop(pl_demo_server *s)
{
    if (s->http != NULL)
        MHD_stop_daemon(s->http); /* closes the socket it was given */
    if (s->socket_path[0] != '\0')
        (void)unlink(s->socket_path);
    pl_demo_answers_free(s->answers);
    free(s);
}
