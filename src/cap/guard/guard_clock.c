#include "base/banned.h"

#include "cap/guard/guard_clock.h"

bool guard_clock_look(guard_clock *c, int64_t wall_ms, int64_t steady_ms)
{
    int64_t off = wall_ms - steady_ms, jump = off - c->off_ms;

    if (c->known && (jump > GUARD_CLOCK_JUMP_MS || jump < -GUARD_CLOCK_JUMP_MS)) {
        c->jumped = true;
        c->since_ms = steady_ms;
        c->jump_ms = jump;
    }
    c->known = true;
    c->off_ms = off;
    if (c->jumped && steady_ms - c->since_ms >= GUARD_CLOCK_WAIT_MS)
        c->jumped = false;
    return !c->jumped;
}
