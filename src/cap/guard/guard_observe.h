/* What the guard has seen of the service it stands before, for comparing with what was filed. Internal. */
#ifndef PL_GUARD_OBSERVE_H
#define PL_GUARD_OBSERVE_H

#include "cap/capability.h"

/* gateway.models, gateway.surfaces, gateway.services, gateway.labels: of exchanges since the day of from_ms (UTC)
 * that the upstream answered with success. policy.keywords: entries of lexicons in the policy in force; left out when
 * there is no policy. */
pl_rc guard_observe(pl_services *s, pl_db *db, int64_t from_ms, json_t *out, pl_error *err);
#endif
