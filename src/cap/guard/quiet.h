/* Short strings in which nothing was found: "assistant", "chat.completion", the name of the model.
 * They come again in every exchange, and what the screen of a policy finds in a string depends on
 * nothing but the two and on which entries count at the time; the policy has another serial number
 * when those become others (pl_policy_now). A thread remembers its own, whole and not by digest,
 * so that a hit is exact; nothing leaves but the answer that this very string was judged. */
#ifndef PL_GUARD_QUIET_H
#define PL_GUARD_QUIET_H

#include "cap/guard/pl_guard.h"

/* Scans for keywords and structured data, as pl_screen_scan does, unless s is known to hold none. */
pl_rc pl_quiet_scan(const pl_policy *p, pl_str s, pl_text_emit_fn emit, void *ctx);

#endif
