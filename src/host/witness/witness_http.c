/* The witness on a socket. One thread serves all: the work of a request is a few signature
 * checks and one flush, and requests about one log have to follow each other anyway. */
#include "base/banned.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "host/daemon/log.h"
#include "host/socket.h"
#include "host/witness/witness.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <unistd.h>

#define CONNECTIONS      64u
#define IDLE_S           10u
#define REQUEST_MS       30000 /* a body that trickles longer is cut off */
#define CONNECTION_BYTES (32u << 10)
#define SWALLOW_MAX      (1u << 20) /* of a body that is too large, before the line is cut */
#define UNIX_PREFIX      "unix:"

struct pl_witness_server {
    pl_witness        *w;
    struct MHD_Daemon *mhd;
    char              *socket_path; /* to remove at the end, or NULL */
};

typedef struct call {
    pl_buf  body;
    size_t  seen; /* bytes of it, kept or not */
    int64_t began_ms;
} call;

static void call_free(void *cls, struct MHD_Connection *c, void **con_cls,
                      enum MHD_RequestTerminationCode code)
{
    call *k = *con_cls;

    (void)cls, (void)c, (void)code;
    if (k != NULL)
        pl_buf_done(&k->body);
    free(k);
    *con_cls = NULL;
}

static enum MHD_Result reply(struct MHD_Connection *c, unsigned status, const char *type,
                             pl_str body)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(
        body.n, (void *)(uintptr_t)body.p, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result sent;

    if (r == NULL)
        return MHD_NO;
    (void)MHD_add_response_header(r, "Content-Type", type);
    (void)MHD_add_response_header(r, "Cache-Control", "no-store");
    (void)MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    if (status == 405)
        (void)MHD_add_response_header(r, "Allow", "GET, POST");
    sent = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return sent;
}

static enum MHD_Result reply_text(struct MHD_Connection *c, unsigned status, const char *text)
{
    return reply(c, status, "text/plain; charset=utf-8", pl_str_z(text));
}

static enum MHD_Result reply_answer(struct MHD_Connection *c, pl_witness_answer *a)
{
    enum MHD_Result sent =
        a->body.failed ? reply_text(c, 503, "out of memory\n")
                       : reply(c, (unsigned)a->status, a->content_type, pl_buf_str(&a->body));

    if (a->note[0] != '\0')
        pl_log_warn(a->note, PL_I("status", a->status));
    pl_witness_answer_done(a);
    return sent;
}

static enum MHD_Result show(pl_witness_server *s, struct MHD_Connection *c, const char *url)
{
    static const char suffix[] = "/checkpoint";
    pl_str            path = pl_str_z(url);
    pl_witness_answer a;

    if (strcmp(url, "/vkey") == 0)
        return reply_text(c, 200, pl_witness_vkey(s->w));
    if (path.n != 1 + 64 + sizeof suffix - 1 || !pl_str_ends(path, PL_STR("/checkpoint")))
        return reply_text(c, 404, "no such address\n");
    pl_witness_show(s->w, (pl_str){ path.p + 1, 64 }, &a);
    return reply_answer(c, &a);
}

static enum MHD_Result ask(pl_witness_server *s, struct MHD_Connection *c, const call *k)
{
    pl_witness_answer a;

    pl_witness_ask(s->w, pl_buf_str(&k->body), pl_now_ms() / 1000, &a);
    return reply_answer(c, &a);
}

/* A body that is too large is swallowed, up to a limit, before it is answered: who still writes
 * would see the line cut instead of the answer. */
static enum MHD_Result take_body(call *k, pl_str data)
{
    k->seen += data.n;
    if (!k->body.failed)
        pl_buf_put(&k->body, data);
    return k->seen > SWALLOW_MAX || pl_mono_ms() - k->began_ms > REQUEST_MS ? MHD_NO : MHD_YES;
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *c, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *data_n, void **con_cls)
{
    pl_witness_server *s = cls;
    call              *k = *con_cls;
    bool               is_post = strcmp(method, "POST") == 0;

    (void)version;
    if (k == NULL) {
        *con_cls = k = calloc(1, sizeof *k);
        if (k == NULL)
            return MHD_NO;
        k->body = PL_BUF_INIT(PL_WITNESS_BODY_MAX);
        k->began_ms = pl_mono_ms();
        return MHD_YES;
    }
    if (*data_n > 0) {
        pl_str piece = { data, *data_n };

        *data_n = 0;
        return take_body(k, piece);
    }
    if (k->body.failed)
        return reply_text(c, 413, "more than a request needs\n");
    if (strcmp(url, "/add-checkpoint") == 0)
        return is_post ? ask(s, c, k) : reply_text(c, 405, "POST a checkpoint here\n");
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
        return show(s, c, url);
    return reply_text(c, is_post ? 404 : 405, "no such address\n");
}

__attribute__((format(printf, 2, 0))) static void library_log(void *cls, const char *fmt, va_list ap)
{
    char text[256];

    (void)cls;
    (void)vsnprintf(text, sizeof text, fmt, ap);
    text[strcspn(text, "\r\n")] = '\0';
    pl_log_warn("http server", PL_S("error", text));
}

static struct MHD_Daemon *start_server(pl_witness_server *s, int fd)
{
    return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0,
                            NULL, NULL, handle, s, MHD_OPTION_EXTERNAL_LOGGER, library_log, s,
                            MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS,
                            MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
                            MHD_OPTION_NOTIFY_COMPLETED, call_free, s, MHD_OPTION_END);
}

pl_rc pl_witness_server_start(pl_witness *w, const char *address, pl_witness_server **out,
                              pl_error *err)
{
    pl_witness_server *s = calloc(1, sizeof *s);
    int                fd = -1;
    pl_rc              rc;

    if (s == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    s->w = w;
    if (pl_str_starts(pl_str_z(address), PL_STR(UNIX_PREFIX))) {
        rc = pl_unix_listen(address + sizeof UNIX_PREFIX - 1, 0660, &fd, err);
        if (rc == PL_OK)
            s->socket_path = pl_str_dup(pl_str_z(address + sizeof UNIX_PREFIX - 1));
    } else {
        rc = pl_loopback_listen(address, &fd, err);
    }
    if (rc == PL_OK && (s->mhd = start_server(s, fd)) == NULL) {
        (void)close(fd);
        rc = pl_fail(err, PL_IO, "cannot start the HTTP server on '%.150s'", address);
    }
    if (rc != PL_OK) {
        free(s->socket_path);
        free(s);
        return rc;
    }
    *out = s;
    return PL_OK;
}

void pl_witness_server_stop(pl_witness_server *s)
{
    if (s == NULL)
        return;
    if (s->socket_path != NULL)
        (void)unlink(s->socket_path);
    MHD_stop_daemon(s->mhd);
    free(s->socket_path);
    free(s);
}
