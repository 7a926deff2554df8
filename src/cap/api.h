/* HTTP routes: request → capability calls → reply. The host does parsing, sessions,
 * CSRF, permissions and problem details (RFC 9457); a route only acts.
 * rc → status: NOTFOUND 404, CONFLICT 409, INVALID 400, DENIED 403, LIMIT 429,
 * IO 503, NOMEM 503 (one table, src/host/daemon/api_http.c). */
#ifndef PL_CAP_API_H
#define PL_CAP_API_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/db.h"
#include "base/json.h"

struct pl_services;

/* Roles of design §1 plus the administrator of the installation. */
typedef enum pl_role {
    PL_ROLE_PUBLIC = 1,
    PL_ROLE_ASSESSOR = 2,
    PL_ROLE_REGULATOR = 4,
    PL_ROLE_REVIEWER = 8,
    PL_ROLE_PROVIDER = 16,
    PL_ROLE_ADMIN = 32
} pl_role;
#define PL_ROLES_ANY      0u  /* no login needed */
#define PL_ROLES_STAFF    (PL_ROLE_ASSESSOR | PL_ROLE_REGULATOR | PL_ROLE_REVIEWER | PL_ROLE_PROVIDER | PL_ROLE_ADMIN)
#define PL_ROLES_OPERATE  (PL_ROLE_PROVIDER | PL_ROLE_ADMIN)
#define PL_ROLES_ADMIN    ((unsigned)PL_ROLE_ADMIN)

/* "provider", … for one role. Static storage. */
const char *pl_role_name(unsigned role);

/* Who is asking. Local: the operator on this host through control.sock (peer
 * credentials checked), who counts as administrator. */
typedef struct pl_principal {
    char     id[27];
    char     name[65];
    unsigned roles;    /* 0: nobody logged in */
    int      is_local;
    int      is_token; /* API token: CSRF does not apply */
} pl_principal;

typedef struct pl_api_request {
    struct pl_services *services;
    pl_db              *db;
    pl_arena           *arena;
    const pl_principal *who;
    const char         *method;
    pl_str              path;
    pl_str              param[4]; /* values of {…} in the route's path, in order */
    pl_str              body;
    int64_t             now_ms;
    const char         *lang;     /* "zh-CN" or "en", from Accept-Language */
    void               *host;     /* for pl_api_query / pl_api_header / cookies */
    const char *(*query)(void *host, const char *name);  /* NULL when absent */
    const char *(*header)(void *host, const char *name); /* NULL when absent */
} pl_api_request;

typedef struct pl_api_reply {
    int     status;            /* 200 when left 0 */
    json_t *body;              /* owned; or raw with content_type */
    pl_buf  raw;
    const char *content_type;  /* NULL: application/json */
    char    set_cookie[2][512];/* empty: none */
} pl_api_reply;

typedef pl_rc (*pl_api_fn)(pl_api_request *q, pl_api_reply *r, pl_error *err);

typedef struct pl_route {
    const char *method;
    const char *path;  /* "/api/v1/receipts/{id}" */
    unsigned    roles; /* any of these may call; PL_ROLES_ANY: everyone */
    pl_api_fn   fn;
} pl_route;

/* q->body as a JSON object, keys restricted to the NULL-ended list. Owned by the arena. */
pl_rc pl_api_body(pl_api_request *q, const char *const *allowed, json_t **out, pl_error *err);
/* Integer query parameter with bounds; `def` when absent. */
pl_rc pl_api_query_int(pl_api_request *q, const char *name, int64_t def, int64_t min, int64_t max,
                       int64_t *out, pl_error *err);
#endif
