/* How fast a log accepts entries: docs/design/005-ledger-pace.md.
 *
 * Appending is quicker than publishing. Below PACE_FROM bytes that wait for publication nobody
 * is slowed down; from there on the log accepts at a share of the rate at which it publishes,
 * twice that rate at PACE_FROM and none of it at PACE_FULL. Halfway both rates are the same,
 * and there it settles. All functions are pure; the caller brings the clock. */
#ifndef PL_LEDGER_PACE_H
#define PL_LEDGER_PACE_H

#include <stddef.h>
#include <stdint.h>

#define PACE_FROM    (16u << 20) /* bytes that wait */
#define PACE_FULL    (64u << 20)
#define PACE_LEAST   (1u << 20) /* bytes a second that are accepted in any case; also what must
                                 * be published before that tells how fast it goes */
#define PACE_WAIT_US 1000000    /* nobody waits longer for a turn */

typedef struct pace {
    double  rate;     /* bytes published a second, 0: not known yet */
    int64_t began_us; /* of the publication under way, monotonic    */
    size_t  todo;     /* bytes it is about                          */
    size_t  done;     /* of them, half when written, half when read back */
    int64_t due_us;   /* before then no frame is written            */
} pace;

/* A publication of `todo` bytes begins, goes on by `bytes`, ends (whether or not it succeeds). */
void pl_pace_begin(pace *p, size_t todo, int64_t now_us);
void pl_pace_advance(pace *p, size_t bytes, int64_t now_us);
void pl_pace_end(pace *p, int64_t now_us);

/* Of `held` bytes being published, how many are still to do. */
size_t pl_pace_left(const pace *p, size_t held);
/* Bytes a second to accept while `waiting` bytes wait; 0 stands for no limit. */
double pl_pace_allowed(const pace *p, size_t waiting);
/* A frame of `bytes` was written: puts off the next one by what it takes at the pace allowed. */
void pl_pace_pay(pace *p, size_t bytes, size_t waiting, int64_t now_us);
#endif
