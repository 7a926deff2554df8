/* The guard as a capability of the hosts (CLI verbs, routes, event store). Split from
 * pl_guard.h so that the nginx module need not see the control plane. */
#ifndef PL_GUARD_CAP_H
#define PL_GUARD_CAP_H

#include "cap/capability.h"
extern const pl_capability pl_cap_guard;
#endif
