/* HTTP routes: sessions, accounts, API tokens. */
#include "base/banned.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "cap/account/account_int.h"

#include <strings.h>

#define LIST_MAX 500

static pl_str actor(const pl_api_request *q)
{
    return pl_str_z(q->who->id);
}

static pl_rc reply_json(pl_api_reply *r, int status, json_t *body, pl_error *err)
{
    if (body == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    r->status = status;
    r->body = body;
    return PL_OK;
}

/* --- who is asking ------------------------------------------------------------------ */

bool account_cookie_find(const char *header, pl_str *token)
{
    const pl_str name = PL_STR(ACCOUNT_SESSION_COOKIE "=");
    pl_str       rest = pl_str_z(header), pair;

    while (pl_str_split(&rest, ';', &pair)) {
        pair = pl_str_trim(pair);
        if (pl_str_starts(pair, name)) {
            *token = (pl_str){ pair.p + name.n, pair.n - name.n };
            return true;
        }
    }
    return false;
}

static bool session_token(const pl_api_request *q, pl_str *token)
{
    const char *cookie = q->header(q->host, "Cookie");

    return cookie != NULL && account_cookie_find(cookie, token);
}

static bool bearer_token(const pl_api_request *q, pl_str *token)
{
    const char *header = q->header(q->host, "Authorization");

    if (header == NULL || strncasecmp(header, "Bearer ", 7) != 0)
        return false;
    *token = pl_str_trim(pl_str_z(header + 7));
    return true;
}

pl_rc account_identify(pl_services *s, pl_api_request *q, pl_principal *who, char csrf[65],
                       pl_error *err)
{
    pl_str token;
    pl_rc  rc;

    (void)s;
    if (bearer_token(q, &token))
        rc = pl_token_find(q->db, token, q->now_ms, who, err);
    else if (session_token(q, &token))
        rc = pl_session_find(q->db, token, q->now_ms, who, csrf, err);
    else
        return pl_fail(err, PL_NOTFOUND, "no session and no token");
    return rc == PL_NOTFOUND ? pl_fail(err, PL_DENIED, "session or token is unknown or has ended")
                             : rc;
}

/* --- /api/v1/session ------------------------------------------------------------------ */

static json_t *session_json(const pl_principal *who, const char *csrf)
{
    return json_pack("{s:s, s:o, s:s}", "name", who->name, "roles",
                     account_roles_json(who->roles), "csrf", csrf);
}

/* Secure only behind TLS: on a plain loopback listener the browser would drop it. */
static void set_cookie(const pl_api_request *q, pl_api_reply *r, const char *value,
                       int64_t max_age_s)
{
    const char *proto = q->header(q->host, "X-Forwarded-Proto");
    const char *secure = proto != NULL && strcasecmp(proto, "https") == 0 ? "; Secure" : "";

    (void)snprintf(r->set_cookie[0], sizeof r->set_cookie[0],
                   ACCOUNT_SESSION_COOKIE "=%s; HttpOnly; SameSite=Strict; Path=/; Max-Age=%lld%s",
                   value, (long long)max_age_s, secure);
}

static pl_rc session_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const keys[] = { "name", "password", NULL };
    json_t      *body;
    pl_str       name, password;
    char         token[65], csrf[65];
    pl_principal who;
    pl_rc        rc = pl_api_body(q, keys, &body, err);

    if (rc == PL_OK)
        rc = pl_json_get_str(body, "name", true, &name, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "password", true, &password, err);
    if (rc == PL_OK)
        rc = pl_session_open(q->services, q->db, name, password, token, csrf, &who, err);
    if (rc != PL_OK)
        return rc;
    set_cookie(q, r, token, PL_SESSION_MS / 1000);
    return reply_json(r, 200, session_json(&who, csrf), err);
}

static pl_rc session_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    pl_principal who;
    pl_str       token;
    char         csrf[65] = "";

    /* A token or the local operator has no CSRF value to tell. */
    if (!q->who->is_token && !q->who->is_local && session_token(q, &token)) {
        pl_rc rc = pl_session_find(q->db, token, q->now_ms, &who, csrf, err);

        if (rc != PL_OK)
            return rc;
    }
    return reply_json(r, 200, session_json(q->who, csrf), err);
}

static pl_rc session_delete(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    pl_str token;
    pl_rc  rc;

    if (q->who->is_token || q->who->is_local || !session_token(q, &token))
        return pl_fail(err, PL_NOTFOUND, "no session to end");
    rc = pl_session_close(q->db, token, err);
    if (rc != PL_OK)
        return rc;
    set_cookie(q, r, "", 0);
    r->status = 204;
    return PL_OK;
}

/* --- /api/v1/accounts -------------------------------------------------------------------- */

/* A page being filled: one more row than asked for tells that another page follows. */
typedef struct page {
    json_t *rows;
    int64_t limit;
    char    last[ACCOUNT_NAME_MAX + 1], next[ACCOUNT_NAME_MAX + 1];
} page;

static pl_rc page_add(page *p, const char *key, json_t *row)
{
    if ((int64_t)json_array_size(p->rows) == p->limit) {
        memcpy(p->next, p->last, sizeof p->next);
        json_decref(row);
        return PL_OK;
    }
    (void)snprintf(p->last, sizeof p->last, "%s", key);
    return json_array_append_new(p->rows, row) == 0 ? PL_OK : PL_NOMEM;
}

static pl_rc add_account(void *ctx, const account_row *a)
{
    char created[25];

    pl_time_format(a->created_ms, created);
    return page_add(ctx, a->name,
                    json_pack("{s:s, s:s, s:o, s:b, s:s}", "id", a->id, "name", a->name, "roles",
                              account_roles_json(a->roles), "disabled", a->is_disabled, "created",
                              created));
}

static pl_rc add_token(void *ctx, const token_row *t)
{
    char created[25];

    pl_time_format(t->created_ms, created);
    return page_add(ctx, t->id,
                    json_pack("{s:s, s:s, s:o, s:s, s:s, s:I, s:b}", "id", t->id, "label",
                              t->label, "roles", account_roles_json(t->roles), "created", created,
                              "created_by", t->created_by, "expires_ms",
                              (json_int_t)t->expires_ms, "revoked", t->is_revoked));
}

static pl_rc page_begin(pl_api_request *q, page *p, pl_str *after, pl_error *err)
{
    const char *from = q->query(q->host, "after");
    pl_rc       rc = pl_api_query_int(q, "limit", LIST_MAX, 1, LIST_MAX, &p->limit, err);

    if (rc != PL_OK)
        return rc;
    *after = pl_str_z(from);
    p->rows = json_array();
    return p->rows == NULL ? pl_fail(err, PL_NOMEM, "out of memory") : PL_OK;
}

static pl_rc page_end(page *p, const char *key, pl_rc rc, pl_api_reply *r, pl_error *err)
{
    if (rc == PL_NOMEM)
        (void)pl_fail(err, rc, "out of memory");
    if (rc != PL_OK) {
        json_decref(p->rows);
        return rc;
    }
    return reply_json(r, 200,
                      json_pack("{s:o, s:s?}", key, p->rows, "next", p->next[0] ? p->next : NULL),
                      err);
}

static pl_rc accounts_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    page   p = { 0 };
    pl_str after;
    pl_rc  rc = page_begin(q, &p, &after, err);

    if (rc != PL_OK)
        return rc;
    rc = account_store_each(q->db, after, p.limit + 1, add_account, &p, err);
    return page_end(&p, "accounts", rc, r, err);
}

static pl_rc roles_get(const json_t *body, unsigned *out, pl_error *err)
{
    const json_t *a = json_object_get(body, "roles");
    unsigned      roles = 0, one;
    size_t        i;
    json_t       *v;

    if (!json_is_array(a))
        return pl_fail(err, PL_INVALID, "key 'roles' must be an array of role names");
    json_array_foreach((json_t *)(uintptr_t)a, i, v) {
        pl_rc rc;

        if (!json_is_string(v))
            return pl_fail(err, PL_INVALID, "key 'roles' must be an array of role names");
        rc = pl_roles_parse((pl_str){ json_string_value(v), json_string_length(v) }, &one, err);
        if (rc != PL_OK)
            return rc;
        roles |= one;
    }
    *out = roles;
    return PL_OK;
}

static pl_rc accounts_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const keys[] = { "name", "password", "roles", NULL };
    json_t  *body;
    pl_str   name, password;
    unsigned roles;
    pl_rc    rc = pl_api_body(q, keys, &body, err);

    if (rc == PL_OK)
        rc = pl_json_get_str(body, "name", true, &name, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "password", true, &password, err);
    if (rc == PL_OK)
        rc = roles_get(body, &roles, err);
    if (rc == PL_OK)
        rc = pl_account_add(q->services, q->db, name, password, roles, actor(q), err);
    if (rc != PL_OK)
        return rc;
    return reply_json(r, 201,
                      json_pack("{s:s%, s:o}", "name", name.p, name.n, "roles",
                                account_roles_json(roles)),
                      err);
}

static pl_rc password_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const keys[] = { "password", NULL };
    bool    is_self = !q->who->is_token && pl_str_eqz(q->param[0], q->who->name);
    json_t *body;
    pl_str  password;
    pl_rc   rc;

    if (!is_self && !(q->who->roles & PL_ROLE_ADMIN))
        return pl_fail(err, PL_DENIED, "only an administrator may change another's password");
    rc = pl_api_body(q, keys, &body, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "password", true, &password, err);
    if (rc == PL_OK)
        rc = pl_account_set_password(q->services, q->db, q->param[0], password, actor(q), err);
    if (rc == PL_OK)
        r->status = 204;
    return rc;
}

static pl_rc disable_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    pl_rc rc = pl_account_disable(q->services, q->db, q->param[0], actor(q), err);

    if (rc == PL_OK)
        r->status = 204;
    return rc;
}

/* --- /api/v1/tokens ------------------------------------------------------------------------ */

static pl_rc tokens_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    page   p = { 0 };
    pl_str after;
    pl_rc  rc = page_begin(q, &p, &after, err);

    if (rc != PL_OK)
        return rc;
    rc = token_store_each(q->db, after, p.limit + 1, add_token, &p, err);
    return page_end(&p, "tokens", rc, r, err);
}

static pl_rc tokens_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const keys[] = { "label", "roles", "expires_ms", NULL };
    json_t  *body;
    pl_str   label;
    unsigned roles;
    int64_t  expires_ms = 0;
    char     id[PL_ID_LEN + 1], value[69];
    pl_rc    rc = pl_api_body(q, keys, &body, err);

    if (rc == PL_OK)
        rc = pl_json_get_str(body, "label", true, &label, err);
    if (rc == PL_OK)
        rc = roles_get(body, &roles, err);
    if (rc == PL_OK)
        rc = pl_json_get_int(body, "expires_ms", false, &expires_ms, err);
    if (rc == PL_OK)
        rc = account_token_add(q->services, q->db, label, roles, expires_ms, actor(q), id, value,
                               err);
    if (rc != PL_OK)
        return rc;
    return reply_json(r, 201, json_pack("{s:s, s:s}", "id", id, "value", value), err);
}

static pl_rc token_delete(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    pl_rc rc = pl_token_revoke(q->services, q->db, q->param[0], actor(q), err);

    if (rc == PL_OK)
        r->status = 204;
    return rc;
}

const pl_route account_routes[] = {
    { "POST", "/api/v1/session", PL_ROLES_ANY, session_post },
    { "GET", "/api/v1/session", ACCOUNT_ROLES_ALL, session_get },
    { "DELETE", "/api/v1/session", ACCOUNT_ROLES_ALL, session_delete },
    { "GET", "/api/v1/accounts", PL_ROLES_ADMIN, accounts_get },
    { "POST", "/api/v1/accounts", PL_ROLES_ADMIN, accounts_post },
    { "POST", "/api/v1/accounts/{name}/password", ACCOUNT_ROLES_ALL, password_post },
    { "POST", "/api/v1/accounts/{name}/disable", PL_ROLES_ADMIN, disable_post },
    { "GET", "/api/v1/tokens", PL_ROLES_ADMIN, tokens_get },
    { "POST", "/api/v1/tokens", PL_ROLES_ADMIN, tokens_post },
    { "DELETE", "/api/v1/tokens/{id}", PL_ROLES_ADMIN, token_delete },
    { 0 },
};
