#include "base/banned.h"

#include "cap/ledger/ledger_pace.h"

void pl_pace_begin(pace *p, size_t todo, int64_t now_us)
{
    p->began_us = now_us;
    p->todo = todo;
    p->done = 0;
}

/* Too little, and what is measured is the cost of a publication as such. */
static void measure(pace *p, int64_t now_us)
{
    if (p->done >= PACE_LEAST && now_us > p->began_us)
        p->rate = (double)p->done * 1e6 / (double)(now_us - p->began_us);
}

void pl_pace_advance(pace *p, size_t bytes, int64_t now_us)
{
    p->done = bytes < p->todo - p->done ? p->done + bytes : p->todo;
    /* The first files of a publication fill caches: an eighth of it is believed. */
    if (p->done >= p->todo / 8)
        measure(p, now_us);
}

void pl_pace_end(pace *p, int64_t now_us)
{
    if (p->done == p->todo)
        measure(p, now_us);
    p->todo = p->done = 0;
}

size_t pl_pace_left(const pace *p, size_t held)
{
    return held > p->done ? held - p->done : 0;
}

double pl_pace_allowed(const pace *p, size_t waiting)
{
    double left, allowed;

    if (waiting < PACE_FROM || p->rate <= 0)
        return 0;
    left = waiting < PACE_FULL ? (double)(PACE_FULL - waiting) / (PACE_FULL - PACE_FROM) : 0;
    allowed = 2 * left * p->rate;
    return allowed > PACE_LEAST ? allowed : PACE_LEAST;
}

void pl_pace_pay(pace *p, size_t bytes, size_t waiting, int64_t now_us)
{
    double  allowed = pl_pace_allowed(p, waiting);
    int64_t from = p->due_us > now_us ? p->due_us : now_us;

    p->due_us = allowed > 0 ? from + (int64_t)((double)bytes * 1e6 / allowed) : now_us;
    if (p->due_us > now_us + PACE_WAIT_US)
        p->due_us = now_us + PACE_WAIT_US;
}
