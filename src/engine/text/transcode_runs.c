/* Transcoding without AVX-512: plain C, for what most text is made of. pl_units_slowly, which the
 * portable path uses throughout, is what it is tested against. */
#include "base/banned.h"

#include "engine/text/transcode.h"

/* What changes with every character: kept in registers. */
typedef struct cursor {
    const uint8_t *at;
    uint32_t       n, last;
} cursor;

/* A character of `size` bytes; false: it is a rare one, and nothing was done. */
static inline bool take(pl_units *u, cursor *c, uint32_t v, uint32_t size)
{
    bool cell = v >= CELL_FIRST;

    if (__builtin_expect(pl_value_is_rare(v, c->last), false))
        return false;
    u->units[c->n] = (uint16_t)v;
    u->place[c->n] = (uint32_t)(c->at - u->base);
    c->n += cell & (v != c->last);
    c->last = cell ? v : c->last;
    c->at += size;
    return true;
}

static inline bool take_eight(pl_units *u, cursor *c, uint64_t ascii)
{
    for (unsigned i = 0; i < 8; i++, ascii >>= 8)
        if (!take(u, c, pl_cell_table[ascii & 0xff], 1))
            return false;
    return true;
}

/* All that pl_char_read takes for three bytes without a closer look, and the rest of the basic
 * plane but surrogates. */
static inline bool is_three(uint64_t w)
{
    return (w & 0xc0c0f0) == 0x8080e0 && (w & 0xff) != 0xe0 && (w & 0xff) != 0xed;
}

static inline bool take_three(pl_units *u, cursor *c, uint64_t w)
{
    return take(u, c, pl_cell_table[(w & 0x0f) << 12 | (w >> 2 & 0x3f << 6) | (w >> 16 & 0x3f)], 3);
}

static inline bool take_some(pl_units *u, cursor *c, uint64_t w)
{
    if (!(w & 0x8080808080808080u))
        return take_eight(u, c, w);
    if (!(w & 0x80))
        return take(u, c, pl_cell_table[w & 0xff], 1);
    return is_three(w) && take_three(u, c, w);
}

void pl_units_fill_runs(pl_units *u)
{
    cursor c = { u->at, u->n, u->last };

    while (u->end - c.at >= 8 && c.n < TRANSCODE_CARRY + TRANSCODE_BLOCK) {
        uint64_t w;

        memcpy(&w, c.at, sizeof w);
        if (take_some(u, &c, w))
            continue;
        u->at = c.at;
        u->n = c.n;
        u->last = c.last;
        pl_units_slowly(u, u->at + 1);
        c = (cursor){ u->at, u->n, u->last };
    }
    u->at = c.at;
    u->n = c.n;
    u->last = c.last;
    pl_units_slowly(u, u->end);
}
