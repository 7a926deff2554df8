/* The first look at a place, made from the entries when a set is opened. */
#include "base/banned.h"

#include "engine/text/lits_int.h"

enum { BITS_MIN = 8, BITS_MAX = 16, MANY = 1 << 18 };

/* With more windows nearly every place would pass: then all do, and nothing is read to say so. */
static bool pass_all(const pl_lits *l)
{
    return l->h->entries > MANY;
}

static pl_rc room_for(lits_first *f, size_t windows, pl_error *err)
{
    unsigned bits = BITS_MIN;

    while (bits < BITS_MAX && ((size_t)1 << bits) < windows)
        bits++;
    f->shift = 32 - bits;
    f->word = calloc((size_t)1 << bits, sizeof *f->word);
    return f->word ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory for a literal set");
}

static void put(lits_first *f, uint32_t hash, bool all, uint32_t next)
{
    f->word[hash >> f->shift] |= all ? ~(uint32_t)0 : lits_first_bit(next);
}

/* `at`: of the window in the text of all literals; `left` is what stands there. */
static void put_wide(pl_lits *l, size_t at, size_t left, bool pair)
{
    const uint8_t  *p = l->text + at;
    const uint16_t *u = (const uint16_t *)l->text + at;
    size_t          each = l->h->kind == PL_LITS_UNITS ? 1 : 3;

    if (left < (pair ? 2 : 3) * each)
        return; /* no builder makes that */
    if (each == 1) {
        put(&l->wide, lits_first_wide(u[0], u[1]), pair, pair ? 0 : u[2]);
        return;
    }
    put(&l->wide, lits_first_wide(lits_raw(p), lits_raw(p + 3)), pair, pair ? 0 : p[8]);
    put(&l->codes, lits_first_wide(lits_code(p), lits_code(p + 3)), pair, pair ? 0 : lits_code(p + 6) >> LITS_CODE_NEXT);
}

static void put_other(pl_lits *l, size_t at, size_t left, bool triple)
{
    uint8_t c[4] = { 0 };

    if (left < (triple ? 3 : 4))
        return;
    for (size_t i = 0; i < (triple ? 3 : 4); i++)
        c[i] = l->h->kind == PL_LITS_UNITS ? lits_narrow(((const uint16_t *)l->text)[at + i])
                                           : l->text[at + i];
    put(&l->other, lits_first_other(lits_raw(c)), triple, c[3]);
}

pl_rc lits_first_make(pl_lits *l, pl_error *err)
{
    size_t n = lits_slots(l->h), wide = 0;
    pl_rc  rc;

    for (size_t i = 0; i < n && !pass_all(l); i++)
        wide += l->slots[i].number && (l->slots[i].check & 7) <= LITS_WIDE2;
    rc = room_for(&l->wide, wide, err);
    if (rc == PL_OK)
        rc = room_for(&l->codes, l->h->kind == PL_LITS_UNITS ? 0 : wide, err);
    if (rc == PL_OK)
        rc = room_for(&l->other, pass_all(l) ? 0 : l->h->entries - wide, err);
    if (rc != PL_OK)
        return rc;
    if (pass_all(l)) {
        memset(l->wide.word, 0xff, sizeof(uint32_t) << BITS_MIN);
        memset(l->codes.word, 0xff, sizeof(uint32_t) << BITS_MIN);
        memset(l->other.word, 0xff, sizeof(uint32_t) << BITS_MIN);
        return PL_OK;
    }
    for (size_t i = 0; i < n; i++) {
        const lits_entry *e = &l->slots[i];
        lits_kind         kind = (lits_kind)(e->check & 7);
        size_t            at = (size_t)e->at + e->anchor;

        if (!e->number)
            continue;
        if (kind <= LITS_WIDE2)
            put_wide(l, at, l->h->text - at, kind == LITS_WIDE2);
        else
            put_other(l, at, l->h->text - at, kind == LITS_BYTES3);
    }
    return PL_OK;
}
