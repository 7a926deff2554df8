/* The descriptor. */
#include "base/banned.h"

#include "cap/disclosure/disclosure_int.h"

extern const unsigned char pl_disclosure_openapi[];

const pl_capability pl_cap_disclosure = {
    .name = "disclosure",
    .commands = disclosure_commands,
    .routes = disclosure_routes,
    .openapi = (const char *)pl_disclosure_openapi,
};
