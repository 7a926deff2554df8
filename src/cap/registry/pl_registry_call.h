/* How verbs reach the routes of a capability that works on records and filings: through the daemon where
 * one runs, otherwise in this process, on the instance's own database and ledger. Either way the same
 * route answers. */
#ifndef PL_REGISTRY_CALL_H
#define PL_REGISTRY_CALL_H

#include "cap/registry/pl_registry.h"

#define PL_REGISTRY_TOKEN_ENV "PLUMBLINE_API_TOKEN"

typedef struct pl_registry_call {
    const char        *method;
    char               path[300];
    const char *const *query;  /* name, value, name, value …, NULL; a NULL value is left out */
    const json_t      *body;   /* borrowed; NULL: none */
    const pl_route    *routes; /* of the capability that answers; NULL: the registry's */
} pl_registry_call;

/* With $PLUMBLINE_API_TOKEN as whoever it belongs to, otherwise as the operator of this host. *out is
 * the JSON answer, or with `raw` (not NULL) the bytes go there. */
pl_rc pl_registry_call_run(pl_cmd_ctx *c, const pl_registry_call *k, json_t **out, pl_buf *raw, pl_error *err);
/* Keeps a file's bytes in the instance's payload store, where a call can name them by digest. */
pl_rc pl_registry_call_put(pl_cmd_ctx *c, pl_str bytes, char hex[65], pl_error *err);
/* Whether calls are made as the operator, who may name payloads. */
bool pl_registry_call_is_operator(void);
#endif
