/* People, in the daemon (guard_people.c). */
#ifndef PL_GUARD_GUARD_PEOPLE_H
#define PL_GUARD_GUARD_PEOPLE_H

#include "cap/guard/guard_run.h"
#include "cap/guard/people.h"

/* Fills the workers' table from the database. */
pl_rc guard_people_start(guard_run *g, pl_db *db, int64_t now_ms, pl_error *err);
/* Takes over what other nodes learnt, at most once a second. */
pl_rc guard_people_sync(guard_run *g, pl_db *db, int64_t now_ms, pl_error *err);
/* Learns from an event, inside of the transaction that stores it. */
pl_rc guard_people_event(guard_run *g, pl_db *db, const pl_event *e, int64_t now_ms, pl_error *err);

json_t *guard_subject_json(const uint8_t key[PL_SUBJECT_KEY], const subject_state *s, int64_t now_ms);
/* Ends what holds against a person; a statement. PL_NOTFOUND: nothing is known. */
pl_rc guard_subject_lift(guard_run *g, pl_services *s, pl_db *db, const uint8_t key[PL_SUBJECT_KEY],
                         pl_str reason, const pl_principal *who, json_t **out, pl_error *err);
/* A person objects: a statement, and a signal for whoever decides. */
pl_rc guard_subject_appeal(pl_services *s, pl_db *db, const uint8_t key[PL_SUBJECT_KEY], pl_str reason,
                           const pl_principal *who, json_t **out, pl_error *err);

/* people_api.c, people_cmd.c */
pl_rc people_api_find(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc people_api_held(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc people_api_show(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc people_api_lift(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc people_api_appeal(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc people_api_signals(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc people_api_close(pl_api_request *q, pl_api_reply *r, pl_error *err);
int   people_cmd_subject_show(pl_cmd_ctx *c);
int   people_cmd_subject_list(pl_cmd_ctx *c);
int   people_cmd_subject_lift(pl_cmd_ctx *c);
int   people_cmd_subject_appeal(pl_cmd_ctx *c);
int   people_cmd_signals(pl_cmd_ctx *c);
int   people_cmd_signal_close(pl_cmd_ctx *c);
#endif
