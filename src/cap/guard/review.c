#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/review.h"
#include "cap/guard/wilson.h"

#include <math.h>

static const char *const verdicts[REVIEW_VERDICTS] = { "violation", "acceptable", "unclear" };

const char *review_verdict_name(review_verdict v)
{
    return verdicts[v];
}

pl_rc review_verdict_parse(pl_str name, review_verdict *out, pl_error *err)
{
    for (int i = 0; i < REVIEW_VERDICTS; i++)
        if (pl_str_eqz(name, verdicts[i])) {
            *out = (review_verdict)i;
            return PL_OK;
        }
    return pl_fail(err, PL_INVALID, "'verdict' must be violation, acceptable or unclear");
}

const char *review_state_name(review_state s)
{
    static const char *const names[] = { "open", "disputed", "settled" };

    return names[s];
}

review_state review_judge(const review_verdict *v, size_t n, bool third, const char **outcome)
{
    if (n < 2)
        return REVIEW_OPEN;
    if (v[0] == v[1])
        *outcome = verdicts[v[0]];
    else if (n == 2 && third)
        return REVIEW_DISPUTED;
    else if (n == 2 || (v[2] != v[0] && v[2] != v[1]))
        *outcome = "disagreement";
    else
        *outcome = verdicts[v[2]];
    return REVIEW_SETTLED;
}

bool review_agree(const review_pairs *p, review_agreement *out)
{
    double said[REVIEW_VERDICTS] = { 0 }, pe = 0;

    *out = (review_agreement){ 0 };
    for (int i = 0; i < REVIEW_VERDICTS; i++)
        for (int j = 0; j < REVIEW_VERDICTS; j++) {
            out->pairs += p->n[i][j];
            out->agreed += i == j ? p->n[i][j] : 0;
            said[i] += (double)p->n[i][j];
            said[j] += (double)p->n[i][j];
        }
    if (out->pairs == 0)
        return false;
    for (int i = 0; i < REVIEW_VERDICTS; i++)
        pe += pow(said[i] / (2.0 * (double)out->pairs), 2);
    out->rate = (double)out->agreed / (double)out->pairs;
    guard_wilson(out->agreed, out->pairs, &out->low, &out->high);
    out->has_kappa = pe < 1;
    if (out->has_kappa) {
        out->kappa = (out->rate - pe) / (1 - pe);
        out->kappa_low = (out->low - pe) / (1 - pe);
        out->kappa_high = (out->high - pe) / (1 - pe);
    }
    return true;
}
