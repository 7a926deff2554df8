/* The clock of the machine is a claim. Order comes from the index; where the clock did not go
 * on as time does, the log says so itself. */
#include "base/banned.h"

#include "base/timefmt.h"
#include "cap/ledger/ledger_int.h"

#include <stdlib.h>

#include <time.h>

/* REQ: evidence-ledger/7.10 */
bool pl_clock_jumped(const clock_reading *before, const clock_reading *now, int64_t *by_ms)
{
    *by_ms = (now->wall_ms - before->wall_ms) - (now->boot_ms - before->boot_ms);
    return llabs(*by_ms) >= CLOCK_JUMP_MS;
}

pl_rc pl_ledger_clock_state(pl_ledger *l, const pl_signer *s, const clock_reading *before,
                            const clock_reading *now, uint64_t *index, pl_error *err)
{
    char    was[25], is[25];
    int64_t by_ms = 0;
    json_t *p;
    pl_rc   rc;

    (void)pl_clock_jumped(before, now, &by_ms);
    pl_time_format(before->wall_ms + (now->boot_ms - before->boot_ms), was);
    pl_time_format(now->wall_ms, is);
    p = json_pack("{s:s, s:s, s:I}", "expected", was, "time", is, "jump_ms", (json_int_t)by_ms);
    if (p == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    rc = pl_ledger_state(l, s, PL_STR("clock"), PL_PREDICATE("clock-event"), p, index, err);
    json_decref(p);
    return rc;
}

int64_t pl_ledger_mono_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}
