/* The files between gateway and daemon on one node (design §3): nobody waits for I/O.
 *
 *   DIR/policy.db    read through pl_policy; swapped by rename, noticed by generation
 *   DIR/state.pls    one page of shared state and one page of counters per slot
 *   DIR/ring-NN.plr  per worker slot: two single-producer single-consumer rings, a small
 *                    hot one and a larger spill; both preallocated and mapped
 *   DIR/review-NN.plr  per worker slot: sealed content that people will look at
 * Formats: docs/formats/gateway-files.md. Files are created once and never replaced.
 *
 * Worker side: one pl_gate per process after pl_gate_claim; single-threaded.
 * Daemon side: pl_gate_drain_* from one thread.
 * Stop switch and generation are atomics that any process may read.
 */
#ifndef PL_GATE_H
#define PL_GATE_H

#include "cap/guard/pl_guard.h"
#include <plumbline/log.h>

#define PL_GATE_SLOTS       32
#define PL_GATE_RING_BYTES  (8u << 20)  /* what a busy worker says between two visits of the daemon */
#define PL_GATE_SPILL_BYTES (16u << 20) /* room for about 3,500 exchanges in flight */
#define PL_GATE_REVIEW_BYTES (4u << 20) /* sealed content on its way to the daemon  */

typedef struct pl_gate pl_gate;

typedef enum pl_counter {
    PL_COUNT_REQUESTS,
    PL_COUNT_STREAMS,
    PL_COUNT_BLOCKED_INPUT,
    PL_COUNT_BLOCKED_OUTPUT,
    PL_COUNT_BAD_REQUESTS,
    PL_COUNT_UPSTREAM_ERRORS,
    PL_COUNT_STOPPED,        /* refused by the stop switch                    */
    PL_COUNT_FAIL_OPEN,      /* let through without an event slot or policy    */
    PL_COUNT_FAIL_CLOSED,    /* refused for the same reasons                   */
    PL_COUNT_EVENTS,
    PL_COUNT_SPILLED,        /* events that went to the spill ring             */
    PL_COUNT_LOST,           /* events without room (fail-open only)           */
    PL_COUNT_LABELLED,
    PL_COUNT_ABORTED,        /* the client went away                           */
    PL_COUNT_LIMITED,        /* refused by a budget (429) or as too large (413) */
    PL_COUNT__N
} pl_counter;
const char *pl_counter_name(pl_counter c); /* "requests", "blocked_input", … */

/* Creates the state file when it is missing. Ring files are made, fully allocated, by the
 * first worker that claims their slot. Idempotent, safe against a second creator. PL_IO
 * with advice when the disk is full. */
pl_rc pl_gate_prepare(const char *dir, pl_error *err);
/* Maps state and loads the policy. PL_NOTFOUND: not prepared, or no policy yet. */
pl_rc pl_gate_open(const char *dir, pl_gate **out, pl_error *err);
void  pl_gate_close(pl_gate *g);

/* --- worker --- */
/* Takes a free slot (or one whose owner died) and maps its rings; nothing to do when this
 * object holds one. PL_LIMIT: none free;
 * the gate then works without rings and every reserve fails. */
pl_rc pl_gate_claim(pl_gate *g, pl_error *err);
void  pl_gate_release(pl_gate *g);
/* Loads the policy again when the generation moved. Call from a timer, not per request.
 * On failure the old policy stays and err says why. */
pl_rc pl_gate_refresh(pl_gate *g, pl_error *err);
pl_policy *pl_gate_policy(pl_gate *g); /* borrowed; NULL when none */
/* The policy for one exchange: the one on trial (canary) for its share of keys, else the one in force.
 * The same key gets the same policy as long as the share stays. */
pl_policy *pl_gate_policy_for(pl_gate *g, pl_str key);
/* What is known of people; read by workers, written by the daemon alone. */
struct pl_subjects *pl_gate_subjects(const pl_gate *g);
/* What was used of budgets; counted by all workers. */
struct pl_budgets *pl_gate_budgets(const pl_gate *g);
/* Room for one event, kept until put or unreserve. */
pl_rc pl_gate_reserve(pl_gate *g);
void  pl_gate_unreserve(pl_gate *g);
void  pl_gate_put(pl_gate *g, const pl_event *e);
void  pl_gate_count(pl_gate *g, pl_counter c, uint64_t n);

/* Notes an exchange that reserve made room for: if the process dies before its end, its slot's next owner puts an
 * event with the reason "worker_lost" for it. 0: it could not be noted. */
uint32_t pl_gate_begin(pl_gate *g, const pl_event_begun *b);
/* Right before put or unreserve; 0 is nothing. A worker that dies between the two leaves no event. */
void pl_gate_end(pl_gate *g, uint32_t begun);
/* Hands sealed content to the daemon; before the event that names it. PL_LIMIT: there is no room now. */
pl_rc pl_gate_review_put(pl_gate *g, pl_str id, int64_t now_ms, pl_str sealed);

/* --- stop switch, any process --- */
bool  pl_gate_stopped(const pl_gate *g);
/* Sets or lifts it at once; reason (UTF-8, cut to 255 bytes) is for the console. */
void  pl_gate_stop(pl_gate *g, pl_str reason, int64_t now_ms);
void  pl_gate_resume(pl_gate *g);
/* reason holds at least 256 bytes; returns false when not stopped. */
bool  pl_gate_stop_get(const pl_gate *g, char reason[256], int64_t *since_ms);

/* --- stops of a part, any process --- */
typedef enum pl_stop_scope {
    PL_STOP_SERVICE,  /* a service, by name                                     */
    PL_STOP_MODEL,    /* a model, as requests name it                           */
    PL_STOP_TENANT,
    PL_STOP_CATEGORY, /* findings of a category ("harm.*" too) block, whatever the policy says */
    PL_STOP__N
} pl_stop_scope;
const char *pl_stop_scope_name(pl_stop_scope s);
pl_rc       pl_stop_scope_parse(pl_str name, pl_stop_scope *out); /* PL_NOTFOUND */

#define PL_GATE_STOPS 64
typedef struct pl_part_stop {
    pl_stop_scope scope;
    char          name[96];
    char          reason[160]; /* UTF-8, cut */
    int64_t       since_ms;
} pl_part_stop;
/* Sets one, or changes its reason and time. PL_LIMIT: the table is full. */
pl_rc  pl_gate_part_stop(pl_gate *g, const pl_part_stop *s, pl_error *err);
/* PL_NOTFOUND: it is not stopped. */
pl_rc  pl_gate_part_resume(pl_gate *g, pl_stop_scope scope, const char *name, pl_error *err);
/* A consistent copy of the table. */
size_t pl_gate_part_list(const pl_gate *g, pl_part_stop out[PL_GATE_STOPS]);
/* Worker: the stop that hits a request, by the copy that refresh took; NULL: none. Views the gate. */
const pl_part_stop *pl_gate_part_match(const pl_gate *g, pl_str service, pl_str model, pl_str tenant);
/* Changes with every refresh that saw another table. */
uint64_t pl_gate_part_version(const pl_gate *g);

/* --- daemon --- */
/* Announces a new canary.db, and which percent of exchanges it judges; 0: none. */
void     pl_gate_canary_announce(pl_gate *g, unsigned share);
unsigned pl_gate_canary_share(const pl_gate *g);
/* Announces a new policy.db (after the rename). */
void     pl_gate_policy_announce(pl_gate *g);
uint64_t pl_gate_policy_generation(const pl_gate *g);
/* Sum over slots. */
uint64_t pl_gate_counter(const pl_gate *g, pl_counter c);
/* Bytes of events written and not acknowledged yet, over all rings. Any thread. */
uint64_t pl_gate_pending(const pl_gate *g);
/* Slots with a living owner. */
int pl_gate_workers(const pl_gate *g);

/* Events in order per slot. A position is (ring id, sequence); sequences grow over the life
 * of a ring file (gaps are possible after a crash, repeats are not). next: PL_NOTFOUND when
 * nothing is left; PL_INVALID when a ring was damaged: what could not be read was skipped
 * and the message says how much; call again. The event's views stay valid until ack.
 * Nothing is removed before ack. */
typedef struct pl_gate_item {
    int      slot;
    uint8_t  ring_id[16];
    uint64_t seq;
    pl_event event;
    pl_hash  hash; /* of its leaf, as the event's digest says in hex */
    pl_str   review; /* sealed content, for who takes it: pl_gate_review_take; next leaves it empty */
} pl_gate_item;
pl_rc pl_gate_drain_next(pl_gate *g, pl_gate_item *out, pl_error *err);
/* The content of an event that next gave and that names one; a view until ack, which overwrites it. PL_NOTFOUND:
 * it is not there. */
pl_rc pl_gate_review_take(pl_gate *g, int slot, pl_str id, pl_str *sealed);
/* Overwrites what is older and whose event never came; for when no event is left to read. Gives how many. */
size_t pl_gate_review_sweep(pl_gate *g, int64_t before_ms);
/* Removes everything returned by next so far. */
void pl_gate_drain_ack(pl_gate *g);
/* Starts again at the last acknowledged position (after a failed store). */
void pl_gate_drain_rewind(pl_gate *g);
#endif
