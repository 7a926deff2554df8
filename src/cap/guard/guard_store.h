/* Every SQL statement of the guard. Internal; readers use pl_guard_store.h. */
#ifndef PL_GUARD_STORE_INT_H
#define PL_GUARD_STORE_INT_H

#include "base/json.h"
#include "cap/guard/guard_leaf.h"
#include "cap/guard/pl_gate.h"
#include "cap/guard/pl_guard_store.h"

pl_rc guard_slot_last(pl_db *db, const uint8_t ring_id[16], uint64_t *seq, pl_error *err);
pl_rc guard_slot_put(pl_db *db, const uint8_t ring_id[16], int slot, uint64_t seq, pl_error *err);

pl_rc guard_batch_last_id(pl_db *db, int64_t *id, pl_error *err);
pl_rc guard_batch_put(pl_db *db, const pl_stored_batch *b, uint64_t ledger_size, int64_t now_ms,
                      pl_error *err);
pl_rc guard_batch_set_index(pl_db *db, int64_t id, uint64_t index, pl_error *err);
/* The oldest batch without a ledger index, with the ledger's size when it was made. */
pl_rc guard_batch_open_find(pl_db *db, pl_arena *a, pl_stored_batch *out, uint64_t *ledger_size,
                            pl_error *err);

/* `l` is its leaf, read. PL_CONFLICT: stored already. */
pl_rc guard_event_put(pl_db *db, const pl_event *e, const guard_leaf *l, int64_t batch, int64_t position,
                      pl_error *err);

/* What was seen, by day since 1970 and kind: adds to a count; past a few hundred values of a day and kind the
 * rest is counted as "*". */
pl_rc guard_seen_put(pl_db *db, int64_t day, pl_str kind, pl_str value, int64_t n, pl_error *err);
/* Appends the distinct values since a day. */
pl_rc guard_seen_list(pl_db *db, int64_t from_day, const char *kind, json_t *out, pl_error *err);
pl_rc guard_seen_expire(pl_db *db, int64_t before_day, pl_error *err);
typedef struct guard_event_query {
    pl_str  before, after, verdict; /* empty: no bound */
    int64_t limit;
} guard_event_query;
/* Newest first; array of objects for the API. */
pl_rc guard_event_list(pl_db *db, const guard_event_query *q, json_t **out, pl_error *err);
/* Every event with from <= id < to, in order; a call that fails ends it. */
typedef pl_rc (*guard_event_fn)(void *ctx, pl_str id, pl_str leaf, bool is_logged);
pl_rc guard_event_each(pl_db *db, const char *from, const char *to, guard_event_fn fn, void *ctx,
                       pl_error *err);
pl_rc guard_event_expire(pl_db *db, int64_t before_ms, int64_t *removed, pl_error *err);

pl_rc guard_policy_put(pl_db *db, int64_t generation, const char *name, const char *digest,
                       const char *by, uint64_t index, int64_t now_ms, pl_error *err);
/* Packs of a policy by its digest, for receipts; get gives JSON null when nobody kept them. */
pl_rc guard_content_put(pl_db *db, const char *digest, const json_t *packs, pl_error *err);
pl_rc guard_content_get(pl_db *db, const char *digest, json_t **packs, pl_error *err);
typedef struct guard_stop_row {
    bool    stopped;
    char    reason[256], by[64]; /* by: only read */
    int64_t since_ms, ledger_index;
} guard_stop_row;
/* PL_NOTFOUND while nobody ever used the switch. */
pl_rc guard_stop_get(pl_db *db, guard_stop_row *out, pl_error *err);
pl_rc guard_stop_put(pl_db *db, const guard_stop_row *row, const char *by, pl_error *err);
#endif
