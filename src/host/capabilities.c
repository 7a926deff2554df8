#include "base/banned.h"

#include "cap/capability.h"

/* The declarations come from the list itself rather than from the capabilities' headers,
 * so that a capability goes away with its folder and its one line. */
#define PL_CAPABILITY(name) extern const pl_capability pl_cap_##name;
#include "host/capabilities.def"
#undef PL_CAPABILITY

#define PL_CAPABILITY(name) &pl_cap_##name,
const pl_capability *const pl_capabilities[] = {
#include "host/capabilities.def"
    NULL,
};
#undef PL_CAPABILITY
