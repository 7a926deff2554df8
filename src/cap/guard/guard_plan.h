/* What is planned for the policy: one on trial for a share of the exchanges (canary), one that comes
 * into force at a time. At most one of each; both are compiled when they are planned, so that what
 * was tested is what comes. Each act is a statement. */
#ifndef PL_GUARD_GUARD_PLAN_H
#define PL_GUARD_GUARD_PLAN_H

#include "cap/guard/guard_run.h"

/* Compiles the source and lets it judge `share` percent (1 to 99). */
pl_rc guard_canary_start(guard_run *g, pl_services *s, pl_db *db, unsigned share, const pl_principal *who,
                         json_t **out, pl_error *err);
/* PL_NOTFOUND: none is on trial. */
pl_rc guard_canary_stop(guard_run *g, pl_services *s, pl_db *db, const pl_principal *who, json_t **out,
                        pl_error *err);
/* Both policies since the trial began: exchanges and blocks, with 95 % Wilson intervals. */
pl_rc guard_canary_compare(guard_run *g, pl_db *db, int64_t now_ms, json_t **out, pl_error *err);

/* PL_INVALID: not in the future. Takes the place of one that was scheduled before. */
pl_rc guard_schedule_set(guard_run *g, pl_services *s, pl_db *db, int64_t at_ms, const pl_principal *who,
                         json_t **out, pl_error *err);
pl_rc guard_schedule_cancel(guard_run *g, pl_services *s, pl_db *db, const pl_principal *who, json_t **out,
                            pl_error *err);
pl_rc guard_schedule_show(pl_db *db, json_t **out, pl_error *err); /* JSON null: nothing is */

/* Puts into force what is due; looks once a second. */
pl_rc guard_plan_tick(guard_run *g, pl_services *s, pl_db *db, int64_t now_ms, pl_error *err);

/* plan_api.c */
pl_rc plan_api_canary(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc plan_api_canary_start(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc plan_api_canary_stop(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc plan_api_schedule(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc plan_api_schedule_set(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc plan_api_schedule_cancel(pl_api_request *q, pl_api_reply *r, pl_error *err);
int   plan_cmd_canary(pl_cmd_ctx *c);
int   plan_cmd_schedule(pl_cmd_ctx *c);
#endif
