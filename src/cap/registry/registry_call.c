#include "base/banned.h"

#include "base/file.h"
#include "base/http_client.h"
#include "base/hash.h"
#include "cap/account/pl_account.h"
#include "cap/ledger/pl_ledger.h"
#include "cap/registry/pl_registry_call.h"
#include "cap/registry/registry_int.h"

#include <ctype.h>
#include <sys/stat.h>

#define CALL_ARENA (256u << 20)
#define CALL_MS    60000
#define CALL_MAX   (96u << 20)

bool pl_registry_call_is_operator(void)
{
    const char *token = getenv(PL_REGISTRY_TOKEN_ENV);

    return token == NULL || *token == '\0';
}

/* --- in this process ----------------------------------------------------------------------- */

typedef struct offline {
    pl_instance    instance;
    pl_signer     *signer;
    pl_ledger     *ledger;
    pl_db         *db;
    pl_arena      *a;
    pl_principal   who;
    pl_services    s;
    const pl_registry_call *k;
} offline;

static int64_t started_ms; /* a verb is one moment */

static int64_t started(void)
{
    return started_ms;
}

static void offline_close(offline *o)
{
    pl_arena_free(o->a);
    if (o->s.ledger != NULL)
        registry_packs_set(NULL);
    pl_db_close(o->db);
    pl_ledger_close(o->ledger);
    pl_signer_free(o->signer);
}

/* SQLite makes a missing file; looking for a filing must not leave an empty database behind. */
static pl_rc database_exists(const pl_instance *i, pl_error *err)
{
    const char *path = strncmp(i->database, "sqlite:", 7) == 0 ? i->database + 7 : NULL;
    char       *parent = path ? pl_str_dup(pl_str_z(path)) : NULL;
    char       *slash = parent ? strrchr(parent, '/') : NULL;
    struct stat st;
    pl_rc       rc = PL_OK;

    if (slash != NULL)
        *slash = '\0';
    if (slash != NULL && stat(parent, &st) != 0)
        rc = pl_fail(err, PL_IO, "no folder for the database '%s'", path);
    free(parent);
    return rc;
}

static pl_rc who_is_it(offline *o, pl_error *err)
{
    const char *token = getenv(PL_REGISTRY_TOKEN_ENV);
    pl_rc       rc;

    if (pl_registry_call_is_operator()) {
        o->who = (pl_principal){ .id = "local", .name = "local operator",
                                 .roles = PL_ROLES_STAFF | (unsigned)PL_ROLE_PUBLIC, .is_local = 1 };
        return PL_OK;
    }
    rc = pl_token_find(o->db, pl_str_z(token), started_ms, &o->who, err);
    return rc == PL_NOTFOUND ? pl_fail(err, PL_DENIED, "the token in " PL_REGISTRY_TOKEN_ENV
                                                       " is unknown, expired or revoked") : rc;
}

/* PL_CONFLICT: a daemon serves the instance. */
static pl_rc offline_open(pl_cmd_ctx *c, offline *o, pl_error *err)
{
    char *ledger = NULL;
    pl_rc rc = pl_instance_open(pl_cmd_dir(c), &o->instance, err);

    if (rc == PL_OK && !(ledger = pl_instance_path(&o->instance, "ledger")))
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = pl_instance_signer(&o->instance, &o->signer, err);
    if (rc == PL_OK)
        rc = pl_ledger_open(ledger, o->signer, &o->ledger, err);
    free(ledger);
    if (rc == PL_OK)
        rc = database_exists(&o->instance, err);
    if (rc == PL_OK)
        rc = pl_db_open(o->instance.database, &o->db, err);
    /* All of them: what capabilities have observed is asked for too. */
    for (size_t i = 0; pl_capabilities[i] && rc == PL_OK; i++)
        if (pl_capabilities[i]->migrations)
            rc = pl_db_migrate(o->db, pl_capabilities[i]->name, pl_capabilities[i]->migrations, c->now_ms, err);
    if (rc == PL_OK)
        rc = who_is_it(o, err);
    o->s = (pl_services){ .instance = &o->instance, .ledger = o->ledger, .signer = o->signer,
                          .now_ms = started };
    if (rc == PL_OK)
        rc = pl_cap_registry.start(&o->s, o->db, err);
    if (rc == PL_OK && (o->a = pl_arena_new(CALL_ARENA)) == NULL)
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    return rc;
}

static const char *query_find(void *host, const char *name)
{
    const offline *o = host;

    for (const char *const *q = o->k->query; q != NULL && *q != NULL; q += 2)
        if (strcmp(*q, name) == 0)
            return q[1];
    return NULL;
}

static const char *no_header(void *host, const char *name)
{
    (void)host, (void)name;
    return NULL;
}

/* A route's pattern against a path; {…} takes one segment. */
static bool path_fits(const char *pattern, pl_str path, pl_str param[4])
{
    pl_str p = pl_str_z(pattern), part, segment;
    size_t n = 0;

    for (;;) {
        bool more = pl_str_split(&p, '/', &part), there = pl_str_split(&path, '/', &segment);

        if (!more || !there)
            return more == there;
        if (part.n > 0 && part.p[0] == '{' && n < 4)
            param[n++] = segment;
        else if (!pl_str_eq(part, segment))
            return false;
    }
}

static const pl_route *route_of(const pl_registry_call *k, pl_str param[4])
{
    const pl_route *with_param = NULL;
    pl_str          p[4];

    for (const pl_route *r = k->routes ? k->routes : registry_routes; r->method != NULL; r++) {
        if (strcmp(r->method, k->method) != 0 || !path_fits(r->path, pl_str_z(k->path), p))
            continue;
        if (with_param == NULL || strchr(r->path, '{') == NULL) { /* a literal outranks a parameter */
            with_param = r;
            memcpy(param, p, sizeof p);
        }
    }
    return with_param;
}

static pl_rc route_call(offline *o, const pl_route *r, pl_api_request *q, json_t **out, pl_buf *raw,
                        pl_error *err)
{
    pl_api_reply reply = { .raw = PL_BUF_INIT(CALL_MAX) };
    pl_rc        rc;

    if (r->roles != PL_ROLES_ANY && (o->who.roles & r->roles) == 0)
        return pl_fail(err, PL_DENIED, "your roles do not allow this");
    rc = r->fn(q, &reply, err);
    if (rc == PL_OK)
        rc = pl_buf_check(&reply.raw, err);
    if (rc == PL_OK && raw != NULL)
        pl_buf_put(raw, pl_buf_str(&reply.raw));
    if (rc == PL_OK && out != NULL) {
        *out = reply.body;
        reply.body = NULL;
    }
    json_decref(reply.body);
    pl_buf_done(&reply.raw);
    return rc;
}

static pl_rc offline_run(pl_cmd_ctx *c, offline *o, const pl_registry_call *k, json_t **out, pl_buf *raw,
                         pl_error *err)
{
    char          *body = k->body ? pl_json_dump(k->body) : NULL;
    pl_api_request q = { .services = &o->s, .db = o->db, .arena = o->a, .who = &o->who,
                         .method = k->method, .path = pl_str_z(k->path), .body = pl_str_z(body),
                         .now_ms = c->now_ms, .lang = c->lang, .host = o, .query = query_find,
                         .header = no_header };
    const pl_route *r = route_of(k, q.param);
    pl_rc           rc = r ? PL_OK : pl_fail(err, PL_NOTFOUND, "no such address");

    o->k = k;
    if (rc == PL_OK && k->body != NULL && body == NULL)
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = route_call(o, r, &q, out, raw, err);
    if (rc == PL_OK && strcmp(k->method, "GET") != 0)
        rc = pl_ledger_publish(o->ledger, err);
    free(body);
    return rc;
}

/* --- through the daemon ------------------------------------------------------------------------ */

static void query_put(pl_buf *b, pl_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char ch = (unsigned char)s.p[i];

        if (isalnum(ch) || ch == '-' || ch == '.' || ch == '_')
            pl_buf_putc(b, (char)ch);
        else
            pl_buf_printf(b, "%%%02X", ch);
    }
}

static pl_rc path_build(const pl_registry_call *k, pl_buf *out, pl_error *err)
{
    char sep = '?';

    pl_buf_puts(out, k->path);
    for (const char *const *q = k->query; q != NULL && *q != NULL; q += 2)
        if (q[1] != NULL) {
            pl_buf_printf(out, "%c%s=", sep, q[0]);
            query_put(out, pl_str_z(q[1]));
            sep = '&';
        }
    return pl_buf_check(out, err);
}

static pl_rc problem_of(const pl_http_response *r, pl_error *err)
{
    static const struct {
        long  status;
        pl_rc rc;
    } codes[] = { { 400, PL_INVALID }, { 401, PL_DENIED }, { 403, PL_DENIED }, { 404, PL_NOTFOUND },
                  { 409, PL_CONFLICT }, { 413, PL_LIMIT }, { 429, PL_LIMIT } };
    json_t     *p = NULL;
    const char *text = NULL;
    pl_rc       rc = PL_IO;

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].status == r->status)
            rc = codes[i].rc;
    if (pl_json_parse(pl_buf_str(&r->body), "answer", &p, NULL) == PL_OK)
        text = json_string_value(json_object_get(p, "detail"));
    rc = text ? pl_fail(err, rc, "%s", text)
              : pl_fail(err, rc, "plumblined answered with status %ld", r->status);
    json_decref(p);
    return rc;
}

/* As the operator through control.sock, or with a token through the socket of everybody. */
static pl_rc daemon_run(pl_cmd_ctx *c, const pl_registry_call *k, json_t **out, pl_buf *raw, pl_error *err)
{
    char              auth[128] = "Accept: application/json", url[4096];
    const char *const headers[] = { "Content-Type: application/json", auth, NULL };
    bool              is_operator = pl_registry_call_is_operator();
    char             *socket = pl_path_join(pl_cmd_dir(c), is_operator ? "run/control.sock" : "run/plumblined.sock");
    char             *body = k->body ? pl_json_dump(k->body) : NULL;
    pl_buf            path = PL_BUF_INIT(3900);
    pl_http_request   q = { .method = k->method, .url = url, .unix_socket = socket, .headers = headers,
                            .body = pl_str_z(body), .timeout_ms = CALL_MS, .max_bytes = CALL_MAX };
    pl_http_response  r = { 0 };
    pl_rc             rc = path_build(k, &path, err);

    if (!is_operator)
        (void)snprintf(auth, sizeof auth, "Authorization: Bearer %.100s", getenv(PL_REGISTRY_TOKEN_ENV));
    (void)snprintf(url, sizeof url, "http://localhost%s", path.p ? path.p : "");
    if (rc == PL_OK && (socket == NULL || (k->body != NULL && body == NULL)))
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = pl_http_call(&q, &r, err);
    if (rc == PL_OK && (r.status < 200 || r.status > 299))
        rc = problem_of(&r, err);
    else if (rc == PL_OK && raw != NULL)
        pl_buf_put(raw, pl_buf_str(&r.body));
    else if (rc == PL_OK && out != NULL)
        rc = pl_json_parse(pl_buf_str(&r.body), "answer of plumblined", out, err);
    pl_http_response_done(&r);
    pl_buf_done(&path);
    free(body);
    free(socket);
    return rc;
}

pl_rc pl_registry_call_run(pl_cmd_ctx *c, const pl_registry_call *k, json_t **out, pl_buf *raw, pl_error *err)
{
    offline o = { .a = NULL };
    pl_rc   rc;

    started_ms = c->now_ms;
    rc = offline_open(c, &o, err);
    if (rc == PL_OK)
        rc = offline_run(c, &o, k, out, raw, err);
    else if (rc == PL_CONFLICT && o.ledger == NULL) /* the daemon holds the log */
        rc = daemon_run(c, k, out, raw, err);
    offline_close(&o);
    return rc;
}

pl_rc pl_registry_call_put(pl_cmd_ctx *c, pl_str bytes, char hex[65], pl_error *err)
{
    pl_instance i;
    uint8_t     digest[32];
    char       *dir = NULL;
    pl_rc       rc = pl_instance_open(pl_cmd_dir(c), &i, err);

    if (rc == PL_OK && !(dir = pl_instance_path(&i, "ledger")))
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = pl_ledger_payload_put(dir, bytes, digest, err);
    if (rc == PL_OK)
        pl_hex(digest, sizeof digest, hex);
    free(dir);
    return rc;
}
