/* Every SQL statement of reviews. Internal. */
#ifndef PL_GUARD_REVIEW_STORE_H
#define PL_GUARD_REVIEW_STORE_H

#include "base/arena.h"
#include "base/db.h"
#include "base/id.h"
#include "cap/guard/review.h"

typedef struct review_row {
    char    id[PL_ID_LEN + 1];
    int64_t time_ms;
    char    why[16];        /* escalated, sampled                           */
    bool    has_commitment; /* content was handed over                      */
    uint8_t commitment[32];
    pl_str  sealed;         /* "": none, or destroyed                       */
    uint8_t key[32];        /* which key seals content and notes: its commitment */
    int64_t expires_ms, destroyed_ms, settled_ms; /* 0: not yet             */
    bool    third;
    char    state[16];      /* open, disputed, settled, lapsed              */
    char    outcome[16];    /* "" while it is not settled                   */
    int64_t ledger_index;   /* of the statement that settled it; -1 none    */
} review_row;

typedef struct review_decision {
    char           by[27];
    review_verdict verdict;
    char           category[96];
    pl_str         note; /* sealed; "" none or destroyed */
    uint8_t        salt[32];
    int64_t        time_ms, ledger_index;
} review_decision;

/* Once per id; a second time changes nothing. */
pl_rc review_put(pl_db *db, const review_row *r, pl_error *err);
/* Strings in the arena. PL_NOTFOUND. Holds the row for the rest of the transaction, when there is one. */
pl_rc review_get(pl_db *db, pl_arena *a, pl_str id, review_row *out, pl_error *err);
pl_rc review_set(pl_db *db, const review_row *r, pl_error *err); /* state, outcome, settled, index */

/* Newest first, without content. state: "" all, "waiting" open and disputed. by: whose own decisions are told. */
typedef struct review_query {
    pl_str  state, before;
    int64_t limit;
} review_query;
typedef pl_rc (*review_fn)(void *ctx, const review_row *r, int64_t decisions, pl_error *err);
pl_rc review_each(pl_db *db, const review_query *q, review_fn fn, void *ctx, pl_error *err);

/* In order; *n of at most REVIEW_SEATS. */
pl_rc review_decisions(pl_db *db, pl_arena *a, pl_str id, review_decision out[REVIEW_SEATS], size_t *n,
                       pl_error *err);
/* PL_CONFLICT: the seat is taken, or this person has one. */
pl_rc review_decision_put(pl_db *db, pl_str id, size_t seat, const review_decision *d, pl_error *err);

/* {"state or state.outcome": count} into out; pairs of first and second decisions of settled cases. */
pl_rc review_counts(pl_db *db, json_t *out, pl_error *err);
pl_rc review_pairs_count(pl_db *db, review_pairs *out, pl_error *err);

pl_rc review_key_put(pl_db *db, const uint8_t commitment[32], const char *node, int64_t expires_ms, pl_error *err);
/* A key of this node that ends then. PL_NOTFOUND. */
pl_rc review_key_find(pl_db *db, const char *node, int64_t expires_ms, uint8_t commitment[32], pl_error *err);
/* One of this node's that ended. PL_NOTFOUND. */
pl_rc review_key_due(pl_db *db, const char *node, int64_t now_ms, uint8_t commitment[32], int64_t *expires_ms,
                     pl_error *err);
pl_rc review_key_drop(pl_db *db, const uint8_t commitment[32], pl_error *err);

/* Takes content and notes away that a key sealed; what was not settled lapses. *count: contents that key ever
 * sealed. */
pl_rc review_destroy(pl_db *db, const uint8_t key[32], int64_t now_ms, int64_t *count, pl_error *err);
/* Removes cases that began before, once their content is gone. */
pl_rc review_expire(pl_db *db, int64_t before_ms, pl_error *err);
/* Makes the files of the database forget what was taken away, where they can. */
pl_rc review_settle_files(pl_db *db, pl_error *err);
#endif
