#include "base/banned.h"

#include "engine/text/text_int.h"
#include "engine/text/textdb_build.h"

#include <stdlib.h>

static uint16_t item_unit(const pl_text_items *s, const pl_text_item *x, unsigned i)
{
    return s->exact ? s->units[x->at + i] : ld16(s->units + x->at, i);
}

static int units_compare(const pl_text_items *s, const pl_text_item *x, const pl_text_item *y)
{
    unsigned n = x->n < y->n ? x->n : y->n;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    for (unsigned i = s->exact ? 8 : 4; i < n; i++) {
        uint16_t a = item_unit(s, x, i), b = item_unit(s, y, i);

        if (a != b)
            return a < b ? -1 : 1;
    }
    return (x->n > y->n) - (x->n < y->n);
}

static int looks_compare(const pl_text_items *s, const pl_text_item *x, const pl_text_item *y)
{
    if (x->looks == NO_LOOKS || y->looks == NO_LOOKS)
        return (x->looks != NO_LOOKS) - (y->looks != NO_LOOKS);
    return memcmp(s->looks + x->looks, s->looks + y->looks, x->n * 2u);
}

static int item_compare(const void *a, const void *b, void *items)
{
    const pl_text_item *x = a, *y = b;
    int                 c = units_compare(items, x, y);

    if (c == 0)
        c = (x->flags & ENTRY_KIND) - (y->flags & ENTRY_KIND);
    if (c == 0)
        c = (x->owner > y->owner) - (x->owner < y->owner);
    return c != 0 ? c : looks_compare(items, x, y);
}

/* Sorts and keeps each item once. One given with and without a flag stands for both, which is
 * what "without" finds. */
static void sort_items(pl_text_items *s)
{
    size_t kept = 0;

    if (s->count == 0)
        return;
    qsort_r(s->list, s->count, sizeof *s->list, item_compare, s);
    for (size_t i = 1; i < s->count; i++) {
        if (item_compare(&s->list[kept], &s->list[i], s) == 0)
            s->list[kept].flags &= s->list[i].flags;
        else
            s->list[++kept] = s->list[i];
    }
    s->count = kept + 1;
}

static pl_rc group(pl_text_literals *l, pl_error *err)
{
    const pl_text_items *s = l->items;

    l->first = malloc((s->count + 1) * sizeof *l->first);
    if (!l->first)
        return pl_fail(err, PL_NOMEM, "out of memory for %zu keywords", s->count);
    for (size_t i = 0; i < s->count; i++) {
        if (i == 0 || units_compare(s, &s->list[i - 1], &s->list[i]) != 0) {
            l->first[l->count++] = (uint32_t)i;
            l->unit_count += s->list[i].n;
        }
        if (s->list[i].looks != NO_LOOKS)
            l->look_count += s->list[i].n;
    }
    l->first[l->count] = (uint32_t)s->count;
    return PL_OK;
}

/* The literal that is the n units at `at` of item x, or UINT32_MAX. */
static uint32_t literal_find(const pl_text_literals *l, const pl_text_item *x, unsigned at,
                             unsigned n)
{
    const pl_text_items *s = l->items;
    pl_text_item         key = { .at = x->at + at * (s->exact ? 1 : 2), .n = (uint8_t)n };
    unsigned             width = s->exact ? 8 : 4;
    uint32_t             lo = 0, hi = l->count;

    for (unsigned i = 0; i < width; i++)
        key.key = key.key << (64 / width) | (i < n ? item_unit(s, &key, i) : 0);
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int      c = units_compare(s, &s->list[l->first[mid]], &key);

        if (c == 0)
            return mid;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return UINT32_MAX;
}

/* Keywords that lie inside the exception x wait for the cells of x after them. */
static void exception_note(pl_text_literals *l, const pl_text_item *x)
{
    for (unsigned at = 0; at < x->n; at++)
        for (unsigned n = 1; n <= x->n - at; n++) {
            uint32_t lit = literal_find(l, x, at, n);
            uint8_t  wait = (uint8_t)(x->n - at - n);

            if (lit == UINT32_MAX)
                continue;
            for (uint32_t i = l->first[lit]; i < l->first[lit + 1]; i++)
                if (!(l->items->list[i].flags & ENTRY_KIND) && l->items->list[i].wait < wait)
                    l->items->list[i].wait = wait;
        }
}

static pl_rc lits_make(pl_text_literals *l, pl_error *err)
{
    const pl_text_items *s = l->items;
    pl_lit              *lits = malloc((l->count ? l->count : 1) * sizeof *lits);
    pl_rc                rc;

    if (!lits)
        return pl_fail(err, PL_NOMEM, "out of memory for %u literals", l->count);
    for (uint32_t i = 0; i < l->count; i++) {
        const pl_text_item *x = &s->list[l->first[i]];

        lits[i] = (pl_lit){ s->units + x->at, x->n };
    }
    rc = pl_lits_build(s->exact ? PL_LITS_BYTES : PL_LITS_UNITS, lits, l->count, &l->image,
                       &l->image_n, err);
    free(lits);
    return rc;
}

pl_rc pl_text_literals_make(pl_text_items *items, pl_text_literals *out, pl_error *err)
{
    pl_rc rc;

    *out = (pl_text_literals){ .items = items };
    sort_items(items);
    rc = group(out, err);
    if (rc != PL_OK)
        return rc;
    for (size_t i = 0; i < items->count; i++)
        if (items->list[i].flags & ENTRY_EXCEPTION)
            exception_note(out, &items->list[i]);
    return out->count > 0 ? lits_make(out, err) : PL_OK;
}

void pl_text_literals_write(const pl_text_literals *l, const pl_text_image *to)
{
    const pl_text_items *s = l->items;
    uint32_t             units = 0, looks = 0;
    size_t               width = s->exact ? 1 : 2;

    for (uint32_t i = 0; i < l->count; i++) {
        const pl_text_item *x = &s->list[l->first[i]];

        memcpy(to->units + units * width, s->units + x->at, x->n * width);
        units += x->n;
        st32(to->ends, i, units);
        st32(to->firsts, i, l->first[i]);
    }
    for (size_t i = 0; i < s->count; i++) {
        const pl_text_item *x = &s->list[i];
        uint8_t            *e = to->entries + i * ENTRY_WORDS * 4;
        unsigned            kind = x->flags & ENTRY_KIND;

        st32(e, ENTRY_OWNER, x->owner);
        st32(e, ENTRY_LOOKS, x->looks == NO_LOOKS ? NO_LOOKS : looks);
        st32(e, ENTRY_FLAGS, ENTRY_FLAGS_OF(x->flags & KEYWORD_FLAGS, kind, x->wait));
        if (x->looks == NO_LOOKS)
            continue;
        memcpy(to->looks + (size_t)looks * 2, s->looks + x->looks, x->n * 2u);
        looks += x->n;
    }
}

void pl_text_literals_done(pl_text_literals *l)
{
    free(l->first);
    free(l->image);
}
