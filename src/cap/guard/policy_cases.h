/* Policies on trial, for the command line: exit codes as the verbs give them. */
#ifndef PL_GUARD_POLICY_CASES_H
#define PL_GUARD_POLICY_CASES_H

#include "cap/cmd.h"
#include "cap/guard/pl_guard.h"

/* Runs a file of cases (JSON lines, or - for stdin): PL_EXIT_FOUND when one fails. */
int policy_test_cases(pl_cmd_ctx *c, pl_policy *policy, int route, const char *path);
/* Which verdicts of a file (cases, or events) the policy `now` would change. PL_EXIT_FOUND: some;
 * PL_EXIT_INCONCLUSIVE: none that can be told, but some cannot. */
int policy_replay(pl_cmd_ctx *c, pl_policy *was, pl_policy *now, const char *route, const char *path);

#endif
