/* A glance at where the units of a literal stand in a text. Most of what pl_decide refuses in ordinary text is
 * "om" where the keyword says "oom", and letters of two words side by side: the distances between cells
 * tell, without a look at entries and characters. */
#include "base/banned.h"

#include "engine/text/glance.h"

#include <stdlib.h>

static bool is_latin(const pl_textdb *db, uint32_t at, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (unit_get(db, at + i) >= CELL_HAN)
            return false;
    return true;
}

static pl_glance glance_of(const pl_textdb *db, uint32_t literal)
{
    uint32_t  at = literal_at(db, literal);
    unsigned  n = literal_length(db, literal);
    pl_glance g = { .length = (uint8_t)n, .doubled = UINT8_MAX, .is_tight = is_latin(db, at, n) };

    for (uint32_t e = literal_entry(db, literal); e < literal_entry(db, literal + 1); e++) {
        uint32_t looks = entry_get(db, e, ENTRY_LOOKS);
        uint8_t  doubled = 0;

        for (unsigned i = 0; i < n && looks != NO_LOOKS; i++) {
            pl_look l = ld16(db->looks, looks + i);

            if (i < GLANCE_CELLS && LOOK_COUNT(l) > 1)
                doubled = (uint8_t)(doubled | 1u << i);
            g.is_tight &= (i == 0 || LOOK_GAP(l) == GAP_NONE) && LOOK_COUNT(l) == 1;
        }
        g.doubled &= doubled;
    }
    return g;
}

bool pl_glances_fill(pl_textdb *db)
{
    if (db->exact)
        return true;
    db->glance = malloc(((size_t)db->literals + 1) * sizeof *db->glance);
    for (uint32_t i = 0; i < db->literals && db->glance; i++)
        db->glance[i] = glance_of(db, i);
    return db->glance != NULL;
}

bool pl_glance_refuses(const pl_glance *g, const pl_units *u, uint32_t from)
{
    const uint32_t *place = u->place + from;
    unsigned        n = g->length, cells = n < GLANCE_CELLS ? n : GLANCE_CELLS, single = 0, blank = 0;

    /* which cells are one byte with the next one right behind it, or one blank between */
    for (unsigned i = 0; i < cells && from + i + 1 < u->n; i++) {
        uint32_t bytes = place[i + 1] - place[i];

        single |= (bytes == 1u) << i;
        blank |= (bytes == 2u && u->base[place[i] + 1] == ' ') << i;
    }
    if (single & g->doubled)
        return true;
    single &= (1u << (n - 1)) - 1;
    blank &= (1u << (n - 1)) - 1;
    return g->is_tight && blank && pl_decide_refuses_torn(n, single != 0);
}
