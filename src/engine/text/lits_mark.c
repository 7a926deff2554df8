/* Marking in portable C. */
#include "base/banned.h"

#include "engine/text/lits_int.h"

static inline void mark(uint64_t *bits, size_t i, bool yes)
{
    bits[i / 64] |= (uint64_t)yes << (i % 64);
}

/* The bit of a kind whose window passes. */
static unsigned pass_if(const pl_lits *l, lits_kind kind, uint32_t key, uint32_t tag)
{
    return (unsigned)(l->h->flags >> kind & 1 && lits_pass(l, key, tag)) << kind;
}

static void mark_wide(const pl_lits *l, lits_marks *m, size_t i, const uint16_t c[5])
{
    uint32_t key = c[0] | (uint32_t)c[1] << 16;
    unsigned kinds = pass_if(l, LITS_WIDE5, key, LITS_TAG_WIDE5(c[2], c[3], c[4])) |
                     pass_if(l, LITS_WIDE4, key, LITS_TAG_WIDE4(c[2], c[3])) |
                     pass_if(l, LITS_WIDE3, key, LITS_TAG_WIDE3(c[2])) |
                     pass_if(l, LITS_WIDE2, key, LITS_TAG_WIDE2);

    if (kinds)
        lits_mark(m, i, kinds);
}

static void mark_other(const pl_lits *l, lits_marks *m, size_t i, const uint8_t c[6])
{
    const lits_header *h = l->h;
    uint32_t           key = lits_load32(c);
    unsigned           kinds = 0;

    mark(m->start, i, lits_pair(h->start_pairs, c[0], c[1]));
    if (!lits_first_pass(&l->other, lits_first_other(lits_raw(c)), c[3]))
        return;
    if (lits_pair(h->window_pairs[0], c[0], c[1]) && lits_pair(h->window_pairs[1], c[1], c[2]) &&
        lits_pair(h->window_pairs[2], c[2], c[3]))
        kinds = pass_if(l, LITS_BYTES6, key, LITS_TAG_BYTES6(lits_load16(c + 4))) |
                pass_if(l, LITS_BYTES4, key, LITS_TAG_BYTES4);
    if (lits_pair(h->triple_pairs[0], c[0], c[1]) && lits_pair(h->triple_pairs[1], c[1], c[2]))
        kinds |= pass_if(l, LITS_BYTES3, LITS_KEY_BYTES3(key), LITS_TAG_BYTES3);
    if (kinds)
        lits_mark(m, i, kinds);
}

static void mark_lead(const pl_lits *l, lits_marks *m, size_t i, const uint8_t *p)
{
    uint16_t code[5];

    mark(m->start, i, lits_start_lead(l, lits_code(p)));
    if (!lits_first_pass(&l->wide, lits_first_wide(lits_raw(p), lits_raw(p + 3)), p[8]))
        return;
    for (size_t k = 0; k < 5; k++)
        code[k] = lits_code(p + 3 * k);
    mark_wide(l, m, i, code);
}

static void marks_clear(lits_marks *m)
{
    memset(m->window, 0, sizeof m->window);
    memset(m->start, 0, sizeof m->start);
}

static void mark_bytes(const pl_lits *l, const uint8_t *p, size_t n, lits_marks *m)
{
    bool tails = l->h->flags & LITS_TAILS;

    marks_clear(m);
    for (size_t i = 0; i < n; i++) {
        if (lits_is_lead(p[i])) {
            mark_lead(l, m, i, p + i);
        } else if (tails || !lits_is_tail(p[i])) {
            mark_other(l, m, i, p + i);
        }
    }
}

static void mark_units(const pl_lits *l, const uint16_t *p, size_t n, lits_marks *m)
{
    marks_clear(m);
    for (size_t i = 0; i < n; i++) {
        if (p[i] >= LITS_WIDE) {
            mark(m->start, i, lits_start_lead(l, p[i]));
            if (lits_first_pass(&l->wide, lits_first_wide(p[i], p[i + 1]), p[i + 2]))
                mark_wide(l, m, i, p + i);
        } else {
            uint8_t c[6];

            for (int k = 0; k < 6; k++)
                c[k] = lits_narrow(p[i + k]);
            mark_other(l, m, i, c);
        }
    }
}

const lits_path lits_path_portable = { mark_bytes, mark_units };
