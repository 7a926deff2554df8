/* Reviews: people look at an exchange and say what it was. Pure: no I/O, no clock.
 *
 * Two people decide each for themselves. Where they agree, that is the outcome; where they do not, a third one
 * decides (then the majority is the outcome) or nobody does, as the policy says.
 *
 * Agreement of the first two, over cases: the observed share with the interval of E. B. Wilson (1927, eq. 2),
 * and chance-corrected kappa = (po - pe) / (1 - pe). Who comes first changes from case to case, so pe is that of
 * interchangeable judges, the sum of squared shares of all decisions: W. A. Scott, "Reliability of content
 * analysis", 1955; J. L. Fleiss, "Measuring nominal scale agreement among many raters", 1971. Its interval
 * takes pe as fixed, as in J. Cohen, "A coefficient of agreement for nominal scales", 1960, and puts the ends
 * of Wilson's interval for po, which unlike the normal one does not shrink to a point when all agree. */
#ifndef PL_GUARD_REVIEW_H
#define PL_GUARD_REVIEW_H

#include "base/json.h"

typedef enum review_verdict {
    REVIEW_VIOLATION,    /* it broke the rules of the service */
    REVIEW_ACCEPTABLE,
    REVIEW_UNCLEAR,      /* what is there does not tell       */
    REVIEW_VERDICTS
} review_verdict;
const char *review_verdict_name(review_verdict v);
pl_rc       review_verdict_parse(pl_str name, review_verdict *out, pl_error *err);

#define REVIEW_SEATS 3
typedef enum review_state { REVIEW_OPEN, REVIEW_DISPUTED, REVIEW_SETTLED } review_state;
const char *review_state_name(review_state s); /* "open", "disputed", "settled" */

/* What n decisions, in their order, come to. third: a third one is asked when two disagree. *outcome is set when
 * it is settled: a verdict's name, or "disagreement". */
review_state review_judge(const review_verdict *v, size_t n, bool third, const char **outcome);

/* Pairs of first and second decision, counted. */
typedef struct review_pairs {
    int64_t n[REVIEW_VERDICTS][REVIEW_VERDICTS];
} review_pairs;
typedef struct review_agreement {
    int64_t pairs, agreed;
    double  rate, low, high;                /* of pairs that agree, 95 %   */
    double  kappa, kappa_low, kappa_high;
    bool    has_kappa;                      /* false: one verdict only, so that chance agrees always */
} review_agreement;
/* false: there is no pair. */
bool review_agree(const review_pairs *p, review_agreement *out);
#endif
