#include "base/banned.h"

#include "engine/text/transcode.h"

void pl_units_init(pl_units *u, pl_str text)
{
    u->text = u->at = u->base = (const uint8_t *)text.p;
    u->end = u->text + text.n;
    u->last = u->n = 0;
}

static void put(pl_units *u, uint32_t v)
{
    if (!pl_cell_continues(u->last, v)) {
        u->units[u->n] = (uint16_t)v;
        u->place[u->n++] = (uint32_t)(u->at - u->base);
    }
    u->last = v;
}

/* What the fast loop leaves out: expansions, broken bytes, runs of different characters. */
static __attribute__((noinline)) void put_rare(pl_units *u, uint32_t v)
{
    const pl_cell_expansion *e;

    if (v == CELL_BROKEN) {
        u->units[u->n] = CELL_BROKEN;
        u->place[u->n++] = (uint32_t)(u->at - u->base);
        u->last = 0;
        return;
    }
    if (!pl_cell_is_expanded(v)) {
        put(u, v);
        return;
    }
    e = &pl_cell_expansions[(v & 0xffff) - CELL_EXPAND];
    for (unsigned i = 0; i < e->n; i++)
        put(u, e->cells[i]);
}

void pl_units_slowly(pl_units *u, const uint8_t *stop)
{
    const uint8_t *p = u->at, *base = u->base;
    uint32_t       n = u->n, last = u->last;

    while (p < stop && n < TRANSCODE_CARRY + TRANSCODE_BLOCK) {
        pl_decoded d = pl_decode(p, u->end);
        bool       cell = d.v >= CELL_FIRST;

        if (__builtin_expect(pl_value_is_rare(d.v, last), false)) {
            u->n = n;
            u->last = last;
            u->at = p;
            put_rare(u, d.v);
            n = u->n;
            last = u->last;
        } else {
            u->units[n] = (uint16_t)d.v;
            u->place[n] = (uint32_t)(p - base);
            n += cell & (d.v != last);
            last = cell ? d.v : last;
        }
        p += d.n;
    }
    u->n = n;
    u->last = last;
    u->at = p;
}

void pl_units_fill(pl_units *u)
{
#ifdef __x86_64__
    int path = pl_lits_path();

    if (path == 3) {
        pl_units_fill_avx512(u);
        return;
    }
    if (path == 2) {
        pl_units_fill_avx2(u);
        return;
    }
#endif
    pl_units_slowly(u, u->end);
}

void pl_units_carry(pl_units *u, uint32_t keep)
{
    uint32_t       from = u->n - keep;
    const uint8_t *base = keep > 0 ? u->base + u->place[from] : u->at;
    uint32_t       shift = (uint32_t)(base - u->base);

    for (uint32_t i = 0; i < keep; i++) {
        u->units[i] = u->units[from + i];
        u->place[i] = u->place[from + i] - shift;
    }
    u->base = base;
    u->n = keep;
}
