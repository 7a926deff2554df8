/* What was used of budgets: a table in shared memory that all workers of a node count in, without locks and
 * without waiting. Windows are aligned to 1970, UTC: a budget of a day begins anew at midnight. The table is
 * a file, so counts survive the processes (docs/formats/gateway-files.md).
 *
 * Counts are exact while a key has its place. A key lives in one of the 32 places from its home on; where all
 * are taken by keys of the present, the one with the fewest requests gives way, and begins at zero when it comes
 * again: whoever uses much stays counted. Two workers that change one place in the same moment may lose a
 * request or count it for somebody else; both need a neighbourhood that is full.
 *
 * Thread rule: any thread of any process. */
#ifndef PL_GUARD_BUDGETS_H
#define PL_GUARD_BUDGETS_H

#include <plumbline/base.h>
#include <stdbool.h>

#define PL_BUDGETS_SLOTS    65536
#define PL_BUDGET_WINDOW_MAX (31 * 86400) /* seconds */

typedef struct pl_budgets pl_budgets;

pl_rc pl_budgets_open(int dirfd, pl_budgets **out, pl_error *err);
void  pl_budgets_close(pl_budgets *t); /* NULL-safe */

/* One budget of one key: key is any well-spread number that depends on a secret. */
typedef struct pl_budget_use {
    uint64_t key;
    uint32_t window_s;
    uint64_t requests, tokens; /* limits; 0: none */
} pl_budget_use;

typedef enum pl_budget_spent { PL_BUDGET_LEFT, PL_BUDGET_REQUESTS, PL_BUDGET_TOKENS } pl_budget_spent;
/* Counts one request and its tokens so far, and says what was spent before. What is refused is not counted,
 * unless `always`. Requests never go over their limit, tokens by what is under way: nobody knows before the
 * answer what it takes. */
pl_budget_spent pl_budgets_take(pl_budgets *t, const pl_budget_use *u, uint64_t tokens, bool always, int64_t now_ms);
/* Takes back what take counted in the window of that time. */
void pl_budgets_undo(pl_budgets *t, const pl_budget_use *u, uint64_t tokens, int64_t then_ms);
/* Tokens that take did not know of (or that were not used: negative, in the same window only). */
void pl_budgets_settle(pl_budgets *t, const pl_budget_use *u, int64_t tokens, int64_t then_ms, int64_t now_ms);
/* Seconds until the window ends, at least 1. */
int64_t pl_budget_retry_s(const pl_budget_use *u, int64_t now_ms);
/* What is counted in the present window; for views and tests. */
void pl_budgets_get(const pl_budgets *t, const pl_budget_use *u, int64_t now_ms, uint64_t *requests, uint64_t *tokens);
#endif
