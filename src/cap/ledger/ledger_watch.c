/* What the daemon's tick watches over: the clock, and old files. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/ledger/ledger_int.h"

#include <time.h>

/* Time since the machine started, sleep included: what the wall clock is measured by. */
static int64_t boot_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The latest time the last published statement claims; 0 when there is none to be read. */
static int64_t newest_ms(pl_ledger *l)
{
    statement_view v = { .time_ms = 0 };
    pl_checkpoint  head;
    pl_dsse        d;
    char          *entry = NULL;
    size_t         n = 0;
    json_t        *j = NULL;

    if (pl_ledger_head(l, &head, NULL) != PL_OK || head.size == 0 ||
        pl_ledger_entry(l, head.size - 1, &entry, &n, NULL) != PL_OK)
        return 0;
    if (pl_dsse_open((pl_str){ entry, n }, &l->key, 1, &d, NULL) == PL_OK) {
        if (pl_json_parse((pl_str){ d.payload, d.payload_n }, "statement", &j, NULL) == PL_OK)
            (void)pl_statement_read(j, &v, NULL);
        pl_dsse_done(&d);
    }
    json_decref(j);
    free(entry);
    return v.time_ms;
}

/* What the clock should not be behind: what it showed a tick ago, or at the start, what the
 * log has seen already. */
static clock_reading clock_before(pl_ledger *l, const clock_reading *now)
{
    int64_t newest;

    if (l->has_clock)
        return l->clock;
    newest = newest_ms(l);
    return newest > now->wall_ms ? (clock_reading){ newest, now->boot_ms } : *now;
}

static pl_rc clock_watch(pl_ledger *l, const pl_signer *s, const clock_reading *now,
                         pl_error *err)
{
    clock_reading before = clock_before(l, now);
    uint64_t      index;
    int64_t       by_ms;
    pl_rc         rc = PL_OK;

    if (pl_clock_jumped(&before, now, &by_ms))
        rc = pl_ledger_clock_state(l, s, &before, now, &index, err);
    if (rc == PL_OK || rc == PL_DENIED) { /* frozen: nothing is written any more */
        l->clock = *now;
        l->has_clock = true;
        rc = PL_OK;
    }
    return rc;
}

pl_rc pl_ledger_watch(pl_ledger *l, const pl_signer *s, int64_t now_ms, pl_error *err)
{
    const clock_reading now = { now_ms, boot_ms() };
    pl_rc               rc = clock_watch(l, s, &now, err);

    return rc == PL_OK ? pl_ledger_scrub(l, 1, err) : rc;
}
