#include "base/banned.h"

#include "base/file.h"
#include "base/http_client.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "pl_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

/* One scripted exchange: takes one connection, reads one whole request, writes `answer`
 * and closes. */
typedef struct server {
    int         fd;
    pl_str      answer; /* p NULL: keeps the connection open and silent until the test ends */
    pl_buf      request;
    pthread_t   thread;
    char       *dir, *path; /* unix socket */
    char        url[64];
    int         stop[2];
} server;

static size_t content_length(pl_str head)
{
    const char *at = memmem(head.p, head.n, "Content-Length: ", 16);

    return at != NULL ? (size_t)strtoul(at + 16, NULL, 10) : 0;
}

static bool request_is_whole(const pl_buf *b)
{
    pl_str      s = pl_buf_str(b);
    const char *end = memmem(s.p, s.n, "\r\n\r\n", 4);

    return end != NULL && s.n >= (size_t)(end + 4 - s.p) + content_length(s);
}

static void *serve(void *arg)
{
    server       *s = arg;
    struct pollfd p[2] = { { .fd = s->fd, .events = POLLIN },
                           { .fd = s->stop[0], .events = POLLIN } };
    char          part[4096];
    int           c;

    (void)poll(p, 2, 10000);
    if (p[0].revents == 0)
        return NULL;
    c = accept(s->fd, NULL, NULL);
    while (!request_is_whole(&s->request)) {
        ssize_t n = read(c, part, sizeof part);

        if (n <= 0)
            break;
        pl_buf_put(&s->request, (pl_str){ part, (size_t)n });
    }
    if (s->answer.p == NULL)
        (void)poll(&p[1], 1, 10000);
    else
        for (size_t i = 0; i < s->answer.n;) {
            ssize_t n = send(c, s->answer.p + i, s->answer.n - i, MSG_NOSIGNAL);

            if (n <= 0)
                break;
            i += (size_t)n;
        }
    (void)close(c);
    return NULL;
}

static void server_run(server *s)
{
    assert_int_equal(listen(s->fd, 4), 0);
    assert_int_equal(pipe(s->stop), 0);
    s->request = PL_BUF_INIT(1u << 24);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_tcp(server *s, pl_str answer)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          n = sizeof a;

    *s = (server){ .fd = socket(AF_INET, SOCK_STREAM, 0), .answer = answer };
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &n), 0);
    (void)snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/x?y=1", ntohs(a.sin_port));
    server_run(s);
}

static void server_unix(server *s, pl_str answer)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    *s = (server){ .fd = socket(AF_UNIX, SOCK_STREAM, 0), .answer = answer };
    s->dir = pl_test_mkdtemp();
    s->path = pl_path_join(s->dir, "sock");
    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", s->path);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof a), 0);
    server_run(s);
}

static void server_stop(server *s)
{
    (void)close(s->stop[1]);
    (void)pthread_join(s->thread, NULL);
    (void)close(s->stop[0]);
    (void)close(s->fd);
    pl_buf_done(&s->request);
    free(s->path);
    pl_test_rmtree(s->dir);
}

static bool has(pl_str s, const char *z)
{
    return memmem(s.p, s.n, z, strlen(z)) != NULL;
}

static void http_call__sends_the_request_and_gives_the_answer(void **state)
{
    const char *const headers[] = { "X-Plumb: line", "Content-Type: application/json", NULL };
    server            s;
    pl_http_response  r;
    pl_error          err;

    (void)state;
    server_tcp(&s, PL_STR("HTTP/1.1 100 Continue\r\nX-Interim: 1\r\n\r\n"
                          "HTTP/1.1 418 Odd\r\nX-Final: 1\r\nContent-Length: 4\r\n\r\nb\0dy"));
    assert_ok(pl_http_call(&(pl_http_request){ .method = "POST", .url = s.url, .headers = headers,
                                               .body = PL_STR("{\"a\":\"\0\"}"), .timeout_ms = 5000,
                                               .max_bytes = 4 },
                           &r, &err),
              &err);
    assert_int_equal(r.status, 418);
    assert_int_equal(r.body.n, 4);
    assert_memory_equal(r.body.p, "b\0dy", 4);
    assert_true(has(pl_buf_str(&r.headers), "X-Final: 1\r\n"));
    assert_false(has(pl_buf_str(&r.headers), "X-Interim"));
    pl_http_response_done(&r);
    assert_true(pl_str_starts(pl_buf_str(&s.request), PL_STR("POST /x?y=1 HTTP/1.1\r\n")));
    assert_true(has(pl_buf_str(&s.request), "\r\nX-Plumb: line\r\n"));
    assert_true(has(pl_buf_str(&s.request), "\r\nContent-Type: application/json\r\n"));
    assert_false(has(pl_buf_str(&s.request), "Expect"));
    assert_true(pl_str_ends(pl_buf_str(&s.request), PL_STR("\r\n\r\n{\"a\":\"\0\"}")));
    server_stop(&s);
}

static void http_call__reaches_a_unix_socket_even_when_a_proxy_is_set(void **state)
{
    server           s;
    pl_http_response r;
    pl_error         err;

    (void)state;
    (void)setenv("http_proxy", "http://127.0.0.1:1", 1);
    server_unix(&s, PL_STR("HTTP/1.1 204 No Content\r\n\r\n"));
    assert_ok(pl_http_call(&(pl_http_request){ .method = "DELETE", .url = "http://daemon/api/v1/x",
                                               .unix_socket = s.path, .timeout_ms = 5000,
                                               .max_bytes = 100 },
                           &r, &err),
              &err);
    (void)unsetenv("http_proxy");
    assert_int_equal(r.status, 204);
    assert_int_equal(r.body.n, 0);
    assert_true(pl_str_starts(pl_buf_str(&s.request), PL_STR("DELETE /api/v1/x HTTP/1.1\r\n")));
    pl_http_response_done(&r);
    server_stop(&s);
}

static void http_call__does_not_ask_a_proxy_for_loopback(void **state)
{
    server           s;
    pl_http_response r;
    pl_error         err;

    (void)state;
    (void)setenv("http_proxy", "http://127.0.0.1:1", 1);
    server_tcp(&s, PL_STR("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    assert_ok(pl_http_call(&(pl_http_request){ .method = "GET", .url = s.url, .timeout_ms = 5000,
                                               .max_bytes = 100 },
                           &r, &err),
              &err);
    (void)unsetenv("http_proxy");
    pl_http_response_done(&r);
    server_stop(&s);
}

static pl_rc call(server *s, size_t max_bytes, long timeout_ms, pl_error *err)
{
    pl_http_response r;
    pl_rc            rc = pl_http_call(&(pl_http_request){ .method = "GET", .url = s->url,
                                                .timeout_ms = timeout_ms, .max_bytes = max_bytes },
                                       &r, err);

    if (rc == PL_OK)
        pl_http_response_done(&r);
    return rc;
}

static void http_call__bounds_the_answer(void **state)
{
    server   s;
    pl_buf   big = PL_BUF_INIT(1u << 20);
    pl_error err;

    (void)state;
    server_tcp(&s, PL_STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345"));
    assert_rc(call(&s, 4, 5000, &err), PL_LIMIT);
    assert_string_equal(err.text, "answer is larger than 4 bytes");
    server_stop(&s);

    pl_buf_puts(&big, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 3000; i++)
        pl_buf_printf(&big, "X-%d: aaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", i);
    pl_buf_puts(&big, "\r\n");
    server_tcp(&s, pl_buf_str(&big));
    assert_rc(call(&s, 4, 5000, &err), PL_LIMIT);
    server_stop(&s);
    pl_buf_done(&big);
}

static void http_call__says_why_no_answer_came(void **state)
{
    server   s;
    pl_error err;
    int64_t  start;

    (void)state;
    server_tcp(&s, PL_STR("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort"));
    assert_rc(call(&s, 100, 5000, &err), PL_IO);
    server_stop(&s);

    server_tcp(&s, PL_STR(""));
    assert_rc(call(&s, 100, 5000, &err), PL_IO);
    server_stop(&s);
    assert_rc(call(&s, 100, 5000, &err), PL_IO); /* nobody listens any more */

    server_tcp(&s, (pl_str){ NULL, 0 });
    start = pl_mono_ms();
    assert_rc(call(&s, 100, 300, &err), PL_IO);
    assert_string_equal(err.text, "no complete answer within 300 ms");
    assert_true(pl_mono_ms() - start < 5000);
    server_stop(&s);
}

static void http_call__speaks_only_http(void **state)
{
    server   s = { 0 };
    pl_error err;

    (void)state;
    (void)snprintf(s.url, sizeof s.url, "file:///etc/hostname");
    assert_rc(call(&s, 100, 300, &err), PL_INVALID);
    (void)snprintf(s.url, sizeof s.url, "http://");
    assert_rc(call(&s, 100, 300, &err), PL_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http_call__sends_the_request_and_gives_the_answer),
        cmocka_unit_test(http_call__reaches_a_unix_socket_even_when_a_proxy_is_set),
        cmocka_unit_test(http_call__does_not_ask_a_proxy_for_loopback),
        cmocka_unit_test(http_call__bounds_the_answer),
        cmocka_unit_test(http_call__says_why_no_answer_came),
        cmocka_unit_test(http_call__speaks_only_http),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
