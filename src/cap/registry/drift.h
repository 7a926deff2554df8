/* Whether what was filed is still so. A workflow says which observations belong to which fields
 * (engine/flow/reality.h); capabilities observe (capability.h). Where they come apart a finding opens: a row, a
 * signed statement, a notice to the provider. It closes when they agree again; what cannot be told
 * neither opens nor closes one. */
#ifndef PL_REGISTRY_DRIFT_H
#define PL_REGISTRY_DRIFT_H

#include "cap/registry/registry_int.h"

#define DRIFT_DAYS_DEFAULT 30
#define DRIFT_DAYS_MAX     3660

/* {"filing","state","from","to","rows":[…],"findings":[…]}: state is the worst of the rows ("drift", "undetermined",
 * "match"); with no row at all "undetermined" and a "reason". Looks only. */
pl_rc drift_look(registry_ctx *c, pl_str id, int64_t days, json_t **out, pl_error *err);
/* The same, and opens and closes findings. PL_CONFLICT: not a filing of this installation that is in force. */
pl_rc drift_record(registry_ctx *c, pl_str id, int64_t days, json_t **out, pl_error *err);
/* Records for every filing that is in force, at most once an hour per process. */
pl_rc drift_tick(pl_services *s, pl_db *db, const registry_packs *p, int64_t now_ms, pl_error *err);

/* --- drift_store.c --- */

typedef struct drift_finding {
    pl_str  item, seen;
    int64_t opened_ms, closed_ms, opened_index, closed_index;
} drift_finding;
pl_rc drift_store_open(pl_db *db, pl_str id, const drift_finding *f, pl_error *err);
pl_rc drift_store_close(pl_db *db, pl_str id, const drift_finding *f, pl_error *err);
/* The open one of an item; PL_NOTFOUND. */
pl_rc drift_store_find(pl_db *db, pl_arena *a, pl_str id, pl_str item, drift_finding *out, pl_error *err);
/* Newest first. */
pl_rc drift_store_json(pl_db *db, pl_str id, json_t *out, pl_error *err);
/* Ids of filings of this installation that are in force, after `after`. */
pl_rc drift_store_own(pl_db *db, pl_str after, int64_t limit, json_t *out, pl_error *err);
#endif
