/* Where the sorted literals branch: from (a beginning, the unit after it) to the literals that go on
 * so. A beginning is named by its first literal and its length. */
#include "base/banned.h"

#include "engine/text/text_int.h"

enum {
    FEW = 4,           /* literals that are looked through sooner than looked up */
    BRANCHES = 1 << 17 /* 4 MiB of table at most; with more, more is looked through */
};

static uint64_t key_of(uint32_t lo, uint32_t depth, uint16_t unit)
{
    return (uint64_t)lo << 24 | depth << 16 | unit; /* never 0: depth is not */
}

static uint32_t place_of(const pl_textdb *db, uint64_t key)
{
    return (uint32_t)(key * 0x9e3779b97f4a7c15ull >> 32) & db->branch_mask;
}

/* First literal of the range whose unit at `depth` is not below `unit`; one that ends there is
 * below everything. */
static uint32_t bound(const pl_textdb *db, literal_range r, uint32_t depth, uint32_t unit)
{
    while (r.lo < r.hi) {
        uint32_t mid = r.lo + (r.hi - r.lo) / 2, at = literal_at(db, mid) + depth;

        if (at >= ld32(db->ends, mid) || unit_get(db, at) < unit)
            r.lo = mid + 1;
        else
            r.hi = mid;
    }
    return r.lo;
}

/* --- making ------------------------------------------------------------------------------ */

static void put(pl_textdb *db, uint32_t lo, uint32_t depth, uint16_t unit, literal_range to)
{
    uint64_t key = key_of(lo, depth, unit);
    uint32_t i = place_of(db, key);

    while (db->branch[i].key != 0)
        i = (i + 1) & db->branch_mask;
    db->branch[i] = (pl_branch){ key, to };
}

/* Counts the branches of a beginning and of all that go on from it, and puts them in the table when
 * there is one. As deep as the longest literal, PL_CELLS_MAX. */
static uint64_t branches_of(pl_textdb *db, literal_range r, uint32_t depth)
{
    uint32_t lo = bound(db, r, depth, 0), first = r.lo;
    uint64_t n = 0;

    if (r.hi - r.lo <= db->few)
        return 0;
    for (literal_range to; lo < r.hi; lo = to.hi) {
        uint16_t unit = unit_get(db, literal_at(db, lo) + depth);

        to = (literal_range){ lo, bound(db, (literal_range){ lo, r.hi }, depth, unit + 1u) };
        if (db->branch)
            put(db, first, depth, unit, to);
        n += 1 + branches_of(db, to, depth + 1);
    }
    return n;
}

static uint64_t branches_all(pl_textdb *db)
{
    uint64_t n = 0;

    for (uint32_t unit = 0; unit < (db->exact ? 0x100u : 0x10000u); unit++)
        if (unit_in(db->begins, (uint16_t)unit))
            n += branches_of(db, literal_root(db, (uint16_t)unit), 1);
    return n;
}

bool pl_branches_fill(pl_textdb *db)
{
    uint64_t n, room = 16;

    db->few = FEW;
    while ((n = branches_all(db)) > BRANCHES)
        db->few *= 4;
    while (room < 2 * n)
        room *= 2;
    db->branch = calloc(room, sizeof *db->branch);
    if (!db->branch)
        return false;
    db->branch_mask = (uint32_t)room - 1;
    (void)branches_all(db);
    return true;
}

/* --- looking up --------------------------------------------------------------------------- */

static literal_range look_up(const pl_textdb *db, uint64_t key)
{
    uint32_t i = place_of(db, key);

    while (db->branch[i].key != key) {
        if (db->branch[i].key == 0)
            return (literal_range){ 0, 0 };
        i = (i + 1) & db->branch_mask;
    }
    return db->branch[i].to;
}

static bool has_unit(const pl_textdb *db, uint32_t literal, uint32_t depth, uint16_t unit)
{
    uint32_t at = literal_at(db, literal) + depth;

    return at < ld32(db->ends, literal) && unit_get(db, at) == unit;
}

literal_range pl_literal_narrow(const pl_textdb *db, literal_range r, uint32_t depth, uint16_t unit)
{
    if (r.hi - r.lo > db->few)
        return look_up(db, key_of(r.lo, depth, unit));
    r.lo = bound(db, r, depth, unit);
    if (r.lo == r.hi || !has_unit(db, r.lo, depth, unit))
        return (literal_range){ r.lo, r.lo };
    r.hi = bound(db, r, depth, unit + 1u);
    return r;
}
