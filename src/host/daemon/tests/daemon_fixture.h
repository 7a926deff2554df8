/* A fresh instance in a temporary directory, and HTTP over its sockets. Its state is in
 * SQLite, or in the PostgreSQL of PL_TEST_DB, which is emptied first. */
#ifndef PL_DAEMON_FIXTURE_H
#define PL_DAEMON_FIXTURE_H

#include "pl_test.h"

#include "base/file.h"
#include "base/http_client.h"
#include "base/json.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/account/pl_account.h"
#include "cap/ledger/pl_ledger.h"
#include "host/daemon/daemon.h"

#include <ctype.h>
#include <strings.h>

#define FX_PASSWORD "correct horse"

typedef struct daemon_fixture {
    char      *root, *dir;
    char      *remote, *control; /* paths of the sockets */
    pl_daemon *d;                /* NULL: not in this process */
    /* Of the last answer: */
    pl_http_response r;
    json_t          *body;
    pl_error         err;
} daemon_fixture;

static inline const char *fx_database(void)
{
    const char *url = getenv("PL_TEST_DB");
    pl_db      *db;
    pl_error    err = { 0 };

    if (url == NULL || strncmp(url, "postgresql:", 11) != 0)
        return NULL;
    assert_ok(pl_db_open(url, &db, &err), &err);
    assert_ok(pl_db_exec(db,
                         "SET client_min_messages = warning;"
                         "DROP SCHEMA public CASCADE; CREATE SCHEMA public", &err),
              &err);
    pl_db_close(db);
    return url;
}

static inline void fx_make_instance(daemon_fixture *f)
{
    pl_instance_options o = { .database = fx_database() };
    pl_instance         instance;
    pl_signer          *signer;
    char               *ledger;

    f->root = pl_test_mkdtemp();
    f->dir = pl_path_join(f->root, "instance");
    o.dir = f->dir;
    assert_ok(pl_instance_create(&o, PL_TEST_SOURCE_ROOT "/share/defaults", pl_now_ms(), &f->err),
              &f->err);
    assert_ok(pl_instance_open(f->dir, &instance, &f->err), &f->err);
    assert_ok(pl_instance_signer(&instance, &signer, &f->err), &f->err);
    ledger = pl_path_join(f->dir, "ledger");
    assert_ok(pl_ledger_create(ledger, pl_str_z(instance.origin), signer, &f->err), &f->err);
    free(ledger);
    pl_signer_free(signer);
    f->remote = pl_path_join(f->dir, "run/plumblined.sock");
    f->control = pl_path_join(f->dir, "run/control.sock");
}

static inline void fx_forget(daemon_fixture *f)
{
    pl_http_response_done(&f->r);
    f->r = (pl_http_response){ 0 };
    json_decref(f->body);
    f->body = NULL;
}

static inline void fx_remove_instance(daemon_fixture *f)
{
    fx_forget(f);
    free(f->remote);
    free(f->control);
    free(f->dir);
    pl_test_rmtree(f->root);
}

static inline void fx_start(daemon_fixture *f)
{
    assert_ok(pl_daemon_open(f->dir, &f->d, &f->err), &f->err);
    assert_ok(pl_daemon_start(f->d, &f->err), &f->err);
}

static inline void fx_stop(daemon_fixture *f)
{
    if (f->d != NULL)
        pl_daemon_close(f->d, 1000);
    f->d = NULL;
}

static inline void fx_add_account(daemon_fixture *f, const char *name, unsigned roles)
{
    pl_db *db;

    assert_ok(pl_dbpool_take(f->d->dbs, &db, &f->err), &f->err);
    assert_ok(pl_account_add(&f->d->services, db, pl_str_z(name), PL_STR(FX_PASSWORD), roles,
                             PL_STR("local"), &f->err),
              &f->err);
    pl_dbpool_give(f->d->dbs, db);
}

/* --- requests ---------------------------------------------------------------------------- */

typedef struct fx_call {
    const char *socket, *method, *path, *body;
    const char *headers[6]; /* "Name: value", NULL-ended; JSON content type is added */
} fx_call;

/* Status, or 0 when no answer came. The body is kept as text and, when it is JSON, parsed. */
static inline long fx_send(daemon_fixture *f, const fx_call *c)
{
    const char     *headers[8] = { 0 };
    char            url[512];
    size_t          n = 0;
    bool            has_type = false;
    pl_http_request q = { .method = c->method,
                          .url = url,
                          .unix_socket = c->socket,
                          .headers = headers,
                          .body = pl_str_z(c->body),
                          .timeout_ms = 20000,
                          .max_bytes = 16u << 20 };

    fx_forget(f);
    for (; n < 6 && c->headers[n] != NULL; n++) {
        headers[n] = c->headers[n];
        has_type |= strncasecmp(headers[n], "content-type:", 13) == 0;
    }
    if (!has_type && c->body != NULL)
        headers[n] = "Content-Type: application/json";
    (void)snprintf(url, sizeof url, "http://localhost%s", c->path);
    if (pl_http_call(&q, &f->r, &f->err) != PL_OK)
        return 0;
    (void)pl_json_parse(pl_buf_str(&f->r.body), "answer", &f->body, NULL);
    return f->r.status;
}

#define FX_CALL(f, sock, verb, where, text, ...)                                                  \
    fx_send(f, &(fx_call){ .socket = (sock), .method = (verb), .path = (where), .body = (text),    \
                           .headers = { __VA_ARGS__ } })

static inline const char *fx_str(daemon_fixture *f, const char *key)
{
    const char *s = json_string_value(json_object_get(f->body, key));

    return s != NULL ? s : "(none)";
}

/* Value of an answer's header, without its end of line; "" when it is absent. */
static inline const char *fx_header(daemon_fixture *f, const char *name)
{
    static char value[1024];
    pl_str      rest = pl_buf_str(&f->r.headers), line;
    size_t      n = strlen(name);

    value[0] = '\0';
    while (pl_str_split(&rest, '\n', &line))
        if (line.n > n && line.p[n] == ':' && strncasecmp(line.p, name, n) == 0) {
            pl_str v = pl_str_trim((pl_str){ line.p + n + 1, line.n - n - 1 });

            (void)snprintf(value, sizeof value, PL_STR_FMT, PL_STR_ARG(v));
            break;
        }
    return value;
}

/* Logs in: "Cookie: …" and "X-CSRF-Token: …" lines to send along. */
typedef struct fx_session {
    char cookie[256], csrf[128];
} fx_session;

static inline long fx_login(daemon_fixture *f, const char *name, const char *password,
                            fx_session *s)
{
    char body[256];
    long status;

    (void)snprintf(body, sizeof body, "{\"name\":\"%s\",\"password\":\"%s\"}", name, password);
    status = FX_CALL(f, f->remote, "POST", "/api/v1/session", body, NULL);
    if (status == 200 && s != NULL) {
        (void)snprintf(s->csrf, sizeof s->csrf, "X-CSRF-Token: %s", fx_str(f, "csrf"));
        (void)snprintf(s->cookie, sizeof s->cookie, "Cookie: %.*s",
                       (int)strcspn(fx_header(f, "Set-Cookie"), ";"), fx_header(f, "Set-Cookie"));
    }
    return status;
}

#endif
