/* Reviews, in the daemon: cases come from events, people decide, content is destroyed when its time is over.
 *
 * Content is sealed (seal.h) by the worker for the daemon, and by the daemon, in the transaction that stores its
 * event, under a key that all content of one span of time shares. That key is kept in the installation's folder
 * `private` (docs/formats/private.md), never in the database: destroying the key destroys content and notes,
 * whatever copies of rows a database, its journal or a backup still has. Salted commitments stay in the ledger. */
#ifndef PL_GUARD_GUARD_REVIEW_H
#define PL_GUARD_GUARD_REVIEW_H

#include "cap/guard/guard_run.h"
#include "cap/guard/review_store.h"

/* Inside the transaction that stores the event; sealed as it was handed over, "" when it was not. */
pl_rc guard_review_event(guard_run *g, pl_services *s, pl_db *db, const pl_event *e, pl_str sealed, int64_t now_ms,
                         pl_error *err);
/* Destroys what is due; at most once a second. */
pl_rc guard_review_tick(guard_run *g, pl_services *s, pl_db *db, int64_t now_ms, pl_error *err);
/* Forgets the key in memory. */
void guard_review_stop(guard_run *g);

/* One case for one reader. Who did not decide yet sees of open cases how many decided, not what. */
pl_rc guard_review_show(pl_services *s, pl_db *db, pl_arena *a, pl_str id, const pl_principal *who, json_t **out,
                        pl_error *err);
pl_rc guard_review_list(pl_db *db, const review_query *q, json_t **out, pl_error *err);
pl_rc guard_review_stats(pl_db *db, json_t **out, pl_error *err);

typedef struct review_opinion {
    review_verdict verdict;
    pl_str         category, note; /* "": none */
} review_opinion;
/* A person decides: a statement that commits to the decision, and one that reveals all of a case when it is
 * settled. PL_DENIED: no person; PL_CONFLICT: decided, settled or lapsed already. */
pl_rc guard_review_decide(pl_services *s, pl_db *db, pl_arena *a, pl_str id, const review_opinion *o,
                          const pl_principal *who, json_t **out, pl_error *err);

/* review_api.c, review_cmd.c */
pl_rc review_api_list(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc review_api_show(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc review_api_stats(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc review_api_decide(pl_api_request *q, pl_api_reply *r, pl_error *err);
int   review_cmd_list(pl_cmd_ctx *c);
int   review_cmd_show(pl_cmd_ctx *c);
int   review_cmd_decide(pl_cmd_ctx *c);
int   review_cmd_stats(pl_cmd_ctx *c);
#endif
