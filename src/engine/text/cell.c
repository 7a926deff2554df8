#include "base/banned.h"

#include "base/utf8.h"
#include "engine/text/cell.h"

/* Full width and the like do not make another keyword. */
static uint32_t canonical(uint32_t v)
{
    unsigned kind = CELL_ATTR_KIND(v >> 16), to = kind;

    if (kind == CELL_WIDTH || kind == CELL_COMPAT)
        to = CELL_PLAIN;
    if (kind == CELL_DIGIT_COMPAT)
        to = CELL_DIGIT;
    return (v & 0xffff) | (uint32_t)CELL_ATTR(to, CELL_ATTR_MEMBER(v >> 16)) << 16;
}

static pl_rc add(pl_cells *c, uint32_t *last, uint32_t v, pl_gap_state *g, pl_error *err)
{
    v = canonical(v);
    if (c->n > 0 && pl_cell_continues(*last, v)) {
        c->looks[c->n - 1] = pl_look_more(c->looks[c->n - 1], v, g);
    } else if (c->n == PL_CELLS_MAX) {
        return pl_fail(err, PL_INVALID, "keyword is longer than %d characters", PL_CELLS_MAX);
    } else {
        if (c->n == 0)
            *g = (pl_gap_state){ 0 };
        c->units[c->n] = (uint16_t)v;
        c->looks[c->n++] = pl_look_begin(v, g);
    }
    *last = v;
    *g = (pl_gap_state){ 0 };
    return PL_OK;
}

static pl_rc add_all(pl_cells *c, uint32_t *last, uint32_t v, pl_gap_state *g, pl_error *err)
{
    const pl_cell_expansion *e;
    pl_rc                    rc = PL_OK;

    if (!pl_cell_is_expanded(v))
        return add(c, last, v, g, err);
    e = &pl_cell_expansions[(v & 0xffff) - CELL_EXPAND];
    for (unsigned i = 0; rc == PL_OK && i < e->n; i++)
        rc = add(c, last, e->cells[i], g, err);
    return rc;
}

pl_rc pl_cells_of_keyword(pl_str keyword, pl_cells *out, pl_error *err)
{
    pl_gap_state g = { 0 };
    uint32_t     last = 0;
    pl_rc        rc = PL_OK;

    out->n = 0;
    while (keyword.n > 0) {
        uint32_t cp = 0, v;
        int      len = pl_utf8_decode(keyword, &cp);

        if (len <= 0)
            return pl_fail(err, PL_INVALID, "keyword is not UTF-8");
        keyword = (pl_str){ keyword.p + len, keyword.n - (size_t)len };
        v = pl_cell_of(cp);
        if (v == CELL_NOTHING)
            continue; /* a keyword has no form to remember that in */
        if (v < CELL_FIRST)
            pl_gap_add(&g, v);
        else
            rc = add_all(out, &last, v, &g, err);
        if (rc != PL_OK)
            return rc;
    }
    if (out->n == 0)
        return pl_fail(err, PL_INVALID, "keyword has no visible character");
    return PL_OK;
}
