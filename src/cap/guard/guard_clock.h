/* Whether the machine's clock may be believed when what is old is destroyed: a clock that jumped a year
 * ahead would otherwise take every receipt with it. Pure. */
#ifndef PL_GUARD_CLOCK_H
#define PL_GUARD_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define GUARD_CLOCK_JUMP_MS (10LL * 60 * 1000)      /* between two looks; less is how clocks are corrected */
#define GUARD_CLOCK_WAIT_MS (24LL * 60 * 60 * 1000) /* how long it must run straight after a jump          */

typedef struct guard_clock {
    bool    known, jumped;
    int64_t off_ms;   /* the wall clock less the steady one */
    int64_t since_ms; /* of the last jump, steady           */
    int64_t jump_ms;  /* by which it jumped                 */
} guard_clock;

/* Takes a look at both clocks, milliseconds. False: it jumped, and has not run straight for a day since. */
bool guard_clock_look(guard_clock *c, int64_t wall_ms, int64_t steady_ms);
#endif
