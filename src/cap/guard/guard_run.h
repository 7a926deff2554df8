/* The guard inside plumblined: one runtime per process, made by start, used by the
 * background thread (record) and by API threads (control, views). */
#ifndef PL_GUARD_RUN_H
#define PL_GUARD_RUN_H

#include "cap/capability.h"
#include "cap/guard/guard_clock.h"
#include "cap/guard/guard_store.h"
#include "cap/ledger/pl_ledger.h"

#include <pthread.h>

#define GUARD_RATE_SECONDS 60

typedef struct guard_rate {
    int64_t  second;
    uint64_t requests, blocked;
} guard_rate;

typedef struct guard_run {
    pl_gate *gate;
    char    *ledger_dir;
    int64_t  next_batch, last_publish_ms, last_expire_ms, last_sync_ms;
    uint64_t reported_lost;
    bool     unsettled; /* a stored batch is not in the ledger yet */
    uint64_t last_requests, last_blocked;
    int64_t  last_plan_ms;
    int64_t  last_people_ms, people_since_ms;
    int64_t  last_review_ms, last_sweep_ms;
    char     review_node[PL_ID_LEN + 1]; /* who holds the keys in DIR/private; "": not read yet */
    uint8_t  review_key[32], review_commitment[32]; /* the one in use, and its name */
    uint64_t reviews_missing; /* contents that were announced and could not be kept */
    uint64_t subjects_unseen; /* places in the workers' table that could not be had */
    pthread_mutex_t people;   /* guards that table */
    pthread_mutex_t lock; /* guards rate and clock, and serialises stop/resume/activate */
    guard_clock clock;
    guard_rate rate[GUARD_RATE_SECONDS];
} guard_run;

guard_run *guard_run_get(void); /* NULL before start */

/* guard_record.c */
/* Looks at the clock; false: nothing may be destroyed for its age now. */
bool  guard_clock_is_believed(guard_run *g);
pl_rc guard_record_recover(guard_run *g, pl_services *s, pl_db *db, pl_error *err);
pl_rc guard_record_tick(guard_run *g, pl_services *s, pl_db *db, int64_t now_ms, pl_error *err);

/* guard_control.c: each is one act of a person and one statement in the ledger. */
pl_rc guard_stop_set(guard_run *g, pl_services *s, pl_db *db, bool stopped, pl_str reason,
                     const pl_principal *who, json_t **out, pl_error *err);
pl_rc guard_stop_adopt(guard_run *g, pl_services *s, pl_db *db, pl_error *err);
json_t *guard_stop_json(const guard_run *g);
pl_rc guard_reason_check(pl_str reason, pl_error *err);
/* A statement about this service; predicate is stolen. */
pl_rc guard_say(pl_services *s, const char *type, json_t *predicate, uint64_t *index, pl_error *err);

/* guard_stops.c: stops of a part of the service. */
pl_rc guard_part_set(guard_run *g, pl_services *s, pl_db *db, bool stopped, const pl_part_stop *part,
                     const pl_principal *who, json_t **out, pl_error *err);
pl_rc   guard_parts_json(const guard_run *g, pl_db *db, json_t **out, pl_error *err);
/* As guard_stop_json, with who stopped it and where that is recorded. */
pl_rc   guard_stop_signed_json(const guard_run *g, pl_db *db, json_t **out, pl_error *err);
/* Stops that were set while no daemon ran become evidence. */
pl_rc guard_parts_adopt(guard_run *g, pl_services *s, pl_db *db, pl_error *err);
/* Takes over what daemons of other nodes stopped or resumed, at most once a second. */
pl_rc guard_stops_sync(guard_run *g, pl_db *db, int64_t now_ms, pl_error *err);
/* Compiles DIR/policy/default.yaml, swaps it in, keeps the previous one beside it. */
pl_rc guard_policy_activate(guard_run *g, pl_services *s, pl_db *db, const pl_principal *who,
                            json_t **out, pl_error *err);
/* Compiles the instance's source; *image malloc'd. */
pl_rc guard_policy_build(pl_services *s, void **image, size_t *n, pl_error *err);
/* Puts a new database into force with swap_in, as an act of `who`: row, content, statement. */
pl_rc guard_policy_enforce(guard_run *g, pl_services *s, pl_db *db, const pl_principal *who,
                           pl_rc (*swap_in)(guard_run *g, pl_services *s, pl_error *err), json_t **out,
                           pl_error *err);
/* Keeps the database in force as the previous one. */
pl_rc guard_policy_previous(const char *path, pl_error *err);
/* Puts the database before it back; PL_CONFLICT: there is none. */
pl_rc guard_policy_rollback(guard_run *g, pl_services *s, pl_db *db, const pl_principal *who,
                            json_t **out, pl_error *err);
/* What a policy is made of, kept for the receipts of its exchanges; NULL does nothing. */
pl_rc guard_policy_content_keep(pl_db *db, const pl_policy *p, pl_error *err);
/* Facts of the policy in force. */
pl_rc guard_policy_json(const guard_run *g, const pl_services *s, json_t **out, pl_error *err);

/* guard_audit.c: coverage and bypasses of the exchanges that began in [from, to). */
typedef struct guard_audit_range {
    int64_t from_ms, to_ms;
} guard_audit_range;
pl_rc guard_audit(pl_services *s, pl_db *db, const guard_audit_range *r, json_t **out,
                  pl_error *err);

extern const pl_route guard_routes[];
extern const pl_cmd   guard_commands[];
#endif
