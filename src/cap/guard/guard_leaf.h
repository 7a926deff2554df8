/* Event leaves read again, once per event: what people filter by, and what the installation observes of
 * itself (docs/formats/event.md). Internal. */
#ifndef PL_GUARD_LEAF_H
#define PL_GUARD_LEAF_H

#include "base/buf.h"
#include "base/db.h"
#include "base/json.h"

typedef struct guard_leaf {
    pl_str  verdict, direction;        /* views of the leaf */
    pl_str  service, surface, label;
    pl_str  model;                     /* raw inside of a JSON string */
    int64_t upstream_status;
    pl_buf  categories;                /* distinct, comma-separated; guard_leaf_done frees it */
} guard_leaf;
/* PL_INVALID: no JSON object. Members that are missing stay empty. */
pl_rc guard_leaf_read(pl_str leaf, guard_leaf *out, pl_error *err);
void  guard_leaf_done(guard_leaf *l);

/* Counts of one batch: {"day kind value": n}, made by json_object(). Only exchanges that the upstream answered with
 * success count: a name that a client made up is no model of the service. */
void  guard_seen_add(json_t *seen, const guard_leaf *l, int64_t time_ms, uint64_t times);
/* Whether both count the same, on one day. */
bool  guard_seen_same(const guard_leaf *a, const guard_leaf *b);
pl_rc guard_seen_store(pl_db *db, const json_t *seen, pl_error *err);
#endif
