/* Shared by the .c files of cap/trace only. */
#ifndef PL_TRACE_INT_H
#define PL_TRACE_INT_H

#include "base/arena.h"
#include "base/db.h"
#include "cap/instance.h"
#include "cap/ledger/pl_ledger.h"
#include "cap/trace/pl_trace.h"

#define PL_TRACE_TEXT_MAX   (16u << 20) /* bytes of a text that is looked up */
#define PL_TRACE_LABELS_MAX 256
#define PL_TRACE_HITS_MAX   64 /* requests with the same answer that are looked at */

extern const pl_migration pl_trace_migrations[];

/* --- store -------------------------------------------------------------------- */

typedef struct trace_hit {
    pl_str  event_id;
    int64_t output;
} trace_hit;

/* Idempotent. */
pl_rc pl_trace_index_put(pl_db *db, const uint8_t key[32], pl_str event_id, int64_t output,
                         pl_error *err);
/* Newest first, at most max; results live in the arena. *count 0 when there is none. */
pl_rc pl_trace_index_find(pl_db *db, pl_arena *a, const uint8_t key[32], trace_hit *out, size_t max,
                          size_t *count, pl_error *err);
/* Forgets the index of events with smaller ids (ids sort by time). */
pl_rc pl_trace_index_drop(pl_db *db, pl_str before_id, int64_t *dropped, pl_error *err);
pl_rc pl_trace_label_put(pl_db *db, pl_str label, pl_error *err);
/* Longest first, so that one label that ends in another one is taken off whole. */
pl_rc pl_trace_label_list(pl_db *db, pl_arena *a, pl_str *out, size_t max, size_t *count,
                          pl_error *err);

/* --- the search ---------------------------------------------------------------- */

/* What a search needs; everything is borrowed. */
typedef struct trace_source {
    const pl_instance *instance;
    pl_db             *db;
    const pl_ledger   *ledger;
    pl_vkey            vkey;
    uint8_t            index_key[32];
} trace_source;

typedef enum trace_proof {
    PL_TRACE_VERIFIED,
    PL_TRACE_FAILED,
    PL_TRACE_PENDING /* recorded, not yet under a checkpoint */
} trace_proof;

typedef struct trace_result {
    bool        found;
    trace_proof proof;
    pl_str      problem; /* why the proof is not verified; empty otherwise */
    pl_str      event_id, time, service, route, policy, digest;
    int64_t     choice;       /* of the request's answers, -1 when not proved */
    int64_t     ledger_index; /* -1 while pending */
    uint64_t    batch_count, batch_position;
    uint64_t    tree_size;    /* of the checkpoint the proof leads to */
    pl_str      root;         /* hex */
    size_t      matches;      /* requests that gave this very text, at most PL_TRACE_HITS_MAX */
} trace_result;

/* Reads what the instance keeps for tracing: verifier key and index key. */
pl_rc pl_trace_source_init(trace_source *s, const pl_instance *i, pl_db *db, const pl_ledger *l,
                           pl_error *err);
/* Looks for the request that produced `text` and proves the newest one found. Strings of
 * the result live in the arena. PL_INVALID: not UTF-8, or nothing left without the label. */
pl_rc pl_trace_search(const trace_source *s, pl_arena *a, pl_str text, trace_result *out,
                      pl_error *err);
/* One hit: fills r whatever the outcome; PL_OK when the check ran. trace_proof.c */
pl_rc pl_trace_prove(const trace_source *s, pl_arena *a, pl_str text, const trace_hit *hit,
                     trace_result *r, pl_error *err);
/* The JSON of design §5. New reference. */
json_t *pl_trace_result_json(const trace_result *r);

/* The text as it is indexed: NFC, without the given labels and without trailing blanks. */
pl_rc pl_trace_text(pl_arena *a, pl_str text, const pl_str *labels, size_t count, pl_str *out,
                    pl_error *err);

/* Records the label texts of the policy in force. PL_OK when there is no policy yet.
 * `put` runs inside the caller's transaction, `record` is one of its own. */
pl_rc pl_trace_labels_put(const pl_instance *i, pl_db *db, pl_error *err);
pl_rc pl_trace_labels_record(const pl_instance *i, pl_db *db, pl_error *err);

/* trace_cmd.c, trace_api.c */
extern const pl_cmd   pl_trace_commands[];
extern const pl_route pl_trace_routes[];

#endif
