#include "base/banned.h"

#include "base/http_client.h"
#include "base/str.h"

#include <curl/curl.h>
#include <pthread.h>

#define HEADERS_MAX (64u << 10)

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode       curl_started;

static void start_curl(void)
{
    curl_started = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    pl_buf *b = arg;

    pl_buf_put(b, (pl_str){ p, size * n });
    return b->failed ? 0 : size * n; /* 0 ends the transfer */
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    pl_buf *b = arg;
    pl_str  line = { p, size * n };

    /* An interim answer (100 Continue) has a head of its own: keep the last one. */
    if (pl_str_starts(line, PL_STR("HTTP/")))
        pl_buf_clear(b);
    pl_buf_put(b, line);
    return b->failed ? 0 : line.n;
}

static bool is_loopback(const char *url)
{
    CURLU *u = curl_url();
    char  *host = NULL;
    bool   yes = false;

    if (u != NULL && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK)
        yes = strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
              strncmp(host, "127.", 4) == 0;
    curl_free(host);
    curl_url_cleanup(u);
    return yes;
}

static bool has_body(const pl_http_request *q)
{
    return q->body.n > 0 || strcmp(q->method, "POST") == 0 || strcmp(q->method, "PUT") == 0 ||
           strcmp(q->method, "PATCH") == 0;
}

static CURLcode set_method(CURL *c, const pl_http_request *q)
{
    CURLcode r = CURLE_OK;

    if (has_body(q)) {
        r = curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.n);
        if (r == CURLE_OK)
            r = curl_easy_setopt(c, CURLOPT_POSTFIELDS, q->body.n > 0 ? q->body.p : "");
    } else if (strcmp(q->method, "HEAD") == 0) {
        r = curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    }
    return r == CURLE_OK ? curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, q->method) : r;
}

static CURLcode set_route(CURL *c, const pl_http_request *q)
{
    CURLcode r = curl_easy_setopt(c, CURLOPT_URL, q->url);

    if (r == CURLE_OK)
        r = curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    if (r == CURLE_OK && q->unix_socket != NULL)
        r = curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, q->unix_socket);
    /* A proxy named in the environment is for other machines. */
    if (r == CURLE_OK && (q->unix_socket != NULL || is_loopback(q->url)))
        r = curl_easy_setopt(c, CURLOPT_PROXY, "");
    return r;
}

static CURLcode set_limits(CURL *c, const pl_http_request *q)
{
    CURLcode r = curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);

    if (r == CURLE_OK)
        r = curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (r == CURLE_OK)
        r = curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, q->timeout_ms);
    return r;
}

static CURLcode set_sinks(CURL *c, pl_http_response *out)
{
    CURLcode r = curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);

    if (r == CURLE_OK)
        r = curl_easy_setopt(c, CURLOPT_WRITEDATA, &out->body);
    if (r == CURLE_OK)
        r = curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    if (r == CURLE_OK)
        r = curl_easy_setopt(c, CURLOPT_HEADERDATA, &out->headers);
    return r;
}

/* NULL when out of memory. */
static struct curl_slist *make_headers(const pl_http_request *q)
{
    /* Without this curl asks for "100 Continue" first and waits a second for it. */
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");

    for (size_t i = 0; list != NULL && q->headers != NULL && q->headers[i] != NULL; i++) {
        struct curl_slist *longer = curl_slist_append(list, q->headers[i]);

        if (longer == NULL)
            curl_slist_free_all(list);
        list = longer;
    }
    return list;
}

static pl_rc transfer_fail(const pl_http_request *q, const pl_http_response *got, CURLcode r,
                           const char *detail, pl_error *err)
{
    if (got->body.failed)
        return pl_fail(err, PL_LIMIT, "answer is larger than %zu bytes", q->max_bytes);
    if (got->headers.failed)
        return pl_fail(err, PL_LIMIT, "answer has more than %u bytes of headers", HEADERS_MAX);
    if (r == CURLE_OUT_OF_MEMORY)
        return pl_fail(err, PL_NOMEM, "out of memory");
    if (r == CURLE_OPERATION_TIMEDOUT)
        return pl_fail(err, PL_IO, "no complete answer within %ld ms", q->timeout_ms);
    if (r == CURLE_URL_MALFORMAT || r == CURLE_UNSUPPORTED_PROTOCOL)
        return pl_fail(err, PL_INVALID, "not a usable http or https URL: '%.120s'", q->url);
    if (q->unix_socket != NULL)
        return pl_fail(err, PL_IO, "cannot talk to '%s': %s", q->unix_socket,
                       *detail != '\0' ? detail : curl_easy_strerror(r));
    return pl_fail(err, PL_IO, "request failed: %s",
                   *detail != '\0' ? detail : curl_easy_strerror(r));
}

static pl_rc call_with(CURL *c, const pl_http_request *q, pl_http_response *got, pl_error *err)
{
    char               detail[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = make_headers(q);
    CURLcode           r = CURLE_OUT_OF_MEMORY;

    if (headers != NULL)
        r = curl_easy_setopt(c, CURLOPT_ERRORBUFFER, detail);
    if (r == CURLE_OK)
        r = curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    if (r == CURLE_OK)
        r = set_route(c, q);
    if (r == CURLE_OK)
        r = set_method(c, q);
    if (r == CURLE_OK)
        r = set_limits(c, q);
    if (r == CURLE_OK)
        r = set_sinks(c, got);
    if (r == CURLE_OK)
        r = curl_easy_perform(c);
    if (r == CURLE_OK)
        r = curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &got->status);
    curl_slist_free_all(headers);
    return r == CURLE_OK ? PL_OK : transfer_fail(q, got, r, detail, err);
}

pl_rc pl_http_call(const pl_http_request *q, pl_http_response *out, pl_error *err)
{
    pl_http_response got = { .headers = PL_BUF_INIT(HEADERS_MAX),
                             .body = PL_BUF_INIT(q->max_bytes) };
    CURL            *c = NULL;
    pl_rc            rc;

    if (pthread_once(&curl_once, start_curl) == 0 && curl_started == CURLE_OK)
        c = curl_easy_init();
    if (c == NULL)
        return pl_fail(err, PL_NOMEM, "cannot start the HTTP client");
    rc = call_with(c, q, &got, err);
    curl_easy_cleanup(c);
    if (rc != PL_OK) {
        pl_http_response_done(&got);
        return rc;
    }
    *out = got;
    return PL_OK;
}

void pl_http_response_done(pl_http_response *r)
{
    pl_buf_done(&r->headers);
    pl_buf_done(&r->body);
}
