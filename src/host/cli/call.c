/* Calls to the daemon through the socket of the host's operator. */
#include "base/banned.h"

#include "base/file.h"
#include "base/http_client.h"
#include "base/json.h"
#include "base/str.h"
#include "host/cli/cli.h"

#include <unistd.h>

#define CALL_TIMEOUT_MS 60000
#define CALL_MAX        (64u << 20)

static pl_rc rc_of_status(long status)
{
    switch (status) {
    case 404:
        return PL_NOTFOUND;
    case 409:
        return PL_CONFLICT;
    case 401:
    case 403:
        return PL_DENIED;
    case 429:
        return PL_LIMIT;
    case 503:
        return PL_IO;
    default:
        return status >= 400 && status < 500 ? PL_INVALID : PL_IO;
    }
}

/* RFC 9457: the detail says what happened here, the title what kind of thing it is. */
static pl_rc problem_to_error(const pl_http_response *r, pl_error *err)
{
    json_t     *p = NULL;
    const char *text = NULL;
    pl_rc       rc = rc_of_status(r->status);

    if (pl_json_parse(pl_buf_str(&r->body), "answer", &p, NULL) == PL_OK) {
        text = json_string_value(json_object_get(p, "detail"));
        if (text == NULL || text[0] == '\0')
            text = json_string_value(json_object_get(p, "title"));
    }
    rc = text != NULL ? pl_fail(err, rc, "%s", text)
                      : pl_fail(err, rc, "plumblined answered with status %ld", r->status);
    json_decref(p);
    return rc;
}

static pl_rc not_running(pl_cmd_ctx *c, const char *why, pl_error *err)
{
    const char *dir = pl_cmd_dir(c);

    return pl_fail(err, PL_IO,
                   "plumblined is not running for '%.100s' (%s); start it with: plumbline up "
                   "--dir '%.60s'", dir, why, dir);
}

pl_rc pl_cmd_call(pl_cmd_ctx *c, const char *method, const char *path, pl_str body, char **out,
                  pl_error *err)
{
    static const char *const headers[] = { "Content-Type: application/json",
                                           "Accept: application/json", NULL };
    char             url[2048];
    char            *socket = pl_path_join(pl_cmd_dir(c), "run/control.sock");
    pl_http_request  q = { .method = method, .url = url, .unix_socket = socket,
                           .headers = headers, .body = body, .timeout_ms = CALL_TIMEOUT_MS,
                           .max_bytes = CALL_MAX };
    pl_http_response r = { 0 };
    pl_error         why = { 0 };
    pl_rc            rc;

    if (socket == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    (void)snprintf(url, sizeof url, "http://localhost%s", path);
    if (access(socket, F_OK) != 0)
        rc = not_running(c, "there is no control socket", err);
    else if (pl_http_call(&q, &r, &why) != PL_OK)
        rc = not_running(c, "its control socket does not answer", err);
    else if (r.status < 200 || r.status > 299)
        rc = problem_to_error(&r, err);
    else {
        *out = pl_str_dup(pl_buf_str(&r.body));
        rc = *out != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
    }
    pl_http_response_done(&r);
    free(socket);
    return rc;
}
