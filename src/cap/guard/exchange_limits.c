/* How much a route takes: requests and answers that are longer are refused, blocked, or let pass unread
 * where the policy says so. */
#include "base/banned.h"

#include "cap/guard/guard_int.h"

bool pl_exchange_takes_request(pl_exchange *x, uint64_t bytes)
{
    const policy_limit *l = &x->route->limit[0];

    if (!l->bytes || bytes <= l->bytes)
        return true;
    if (l->passes) { /* who asks, and for which model, is read all the same */
        x->in.skip = true;
        x->bypasses |= PL_BYPASS_OVER_IN;
        return true;
    }
    if (x->in.shadow) {
        x->reason = "request_too_large";
        return true;
    }
    pl_exchange_refuse(x, 413, "invalid_request_error", "request_too_large",
                       "the request is larger than this route takes");
    return false;
}

void pl_exchange_limit_answer(pl_exchange *x, uint64_t bytes)
{
    const policy_limit *l = &x->route->limit[1];

    if (!l->bytes || bytes <= l->bytes)
        return;
    if (l->passes) {
        x->out.skip = true;
        x->bypasses |= PL_BYPASS_OVER_OUT;
        return;
    }
    x->reason = "answer_too_large";
    if (!x->out.shadow && x->out.blocking < 0)
        x->out.blocking = PL_BLOCK_OVERSIZE;
}
