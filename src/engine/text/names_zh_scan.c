/* Where Chinese names and addresses may be in a unit of text. A pass over the characters reads what each can
 * be, one over pairs of neighbours keeps those that may begin a name, one over these asks the set of
 * pairs. None of the three branches on what it has looked up: the processor waits for many lookups at once. */
#include "base/banned.h"

#include "engine/text/names_int.h"

enum { CHARS = 512 }; /* looked at in one go */

/* Characters from the last one of the part before on; 0, of no class, stands for whatever is not Chinese. */
typedef struct chars {
    unsigned n;
    uint16_t code[CHARS + 2];
    uint8_t  class[CHARS + 2];
    uint32_t at[CHARS + 2]; /* in the unit */
} chars;

/* The first byte from `at` on that is not ASCII, or where too few are left for a character. */
static size_t ascii_end(pl_str unit, size_t at)
{
    uint64_t x;

    for (; at + sizeof x <= unit.n; at += sizeof x) {
        memcpy(&x, unit.p + at, sizeof x);
        x = le64toh(x) & 0x8080808080808080u;
        if (x)
            return at + (unsigned)__builtin_ctzll(x) / 8;
    }
    while (at + 2 < unit.n && (uint8_t)unit.p[at] < 0x80)
        at++;
    return at;
}

/* Fills the part behind its first place from unit[at) on; gives where the next one begins. */
static size_t chars_read(chars *h, const uint8_t *classes, pl_str unit, size_t at)
{
    const uint8_t *p = (const uint8_t *)unit.p;
    unsigned       n = 1;

    while (at + 2 < unit.n && n <= CHARS) {
        bool three = is_utf8_tail(p[at + 1]) && is_utf8_tail(p[at + 2]);

        h->code[n] = h->class[n] = 0;
        h->at[n] = (uint32_t)at;
        if (three && p[at] - 0xe4u < 6) {
            uint32_t c = (p[at] & 15u) << 12 | (p[at + 1] & 63u) << 6 | (p[at + 2] & 63u);

            h->code[n] = (uint16_t)c;
            h->class[n++] = classes[c];
            at += 3;
            continue;
        }
        n += h->code[n - 1] != 0;
        at = p[at] < 0x80 ? ascii_end(unit, at) : at + (three && p[at] >= 0xe0 ? 3 : 1);
    }
    h->n = n;
    return at;
}

/* Places of a part where a character and the one before may begin a name. */
typedef struct places {
    unsigned n;
    uint16_t of[CHARS + 1];
} places;

static void pairs_find(const pl_names *m, const chars *h, places *w)
{
    w->n = 0;
    for (unsigned i = 1; i < h->n; i++) {
        w->of[w->n] = (uint16_t)i;
        w->n += names_zh_begins(h->class[i - 1], h->class[i], h->code[i - 1] == h->code[i]);
    }
    for (unsigned i = 0, all = w->n, kept = w->n = 0; i < all; i++, w->n = kept) {
        unsigned k = w->of[i];

        w->of[kept] = (uint16_t)k;
        kept += !names_zh_is_word(m, h->code[k - 1], h->code[k]);
    }
}

/* Looks for addresses at characters of houses; those found end before *from. */
static void houses_look(const chars *h, pl_str unit, size_t *from, names_hits *out)
{
    names_hit address;

    for (unsigned i = 1; i < h->n; i++) {
        if (__builtin_expect(!(h->class[i] & NAMES_HOUSE), true) || h->at[i] < *from || out->n == NAMES_HITS ||
            !names_zh_address(unit, h->at[i], *from, &address))
            continue;
        out->hit[out->n++] = address;
        *from = address.end;
    }
}

void names_zh_scan(const pl_names *m, pl_str unit, names_hits *out)
{
    names_zh_best best = { .m = m, .out = out };
    size_t        from = 0, at = 0;
    chars         h;
    places        w;

    h.code[0] = h.class[0] = 0;
    h.at[0] = 0;
    while (at + 2 < unit.n) {
        at = chars_read(&h, m->classes, unit, at);
        pairs_find(m, &h, &w);
        for (unsigned i = 0; i < w.n; i++)
            names_zh_judge(&best, unit, h.at[w.of[i] - 1]);
        houses_look(&h, unit, &from, out);
        h.code[0] = h.code[h.n - 1];
        h.class[0] = h.class[h.n - 1];
        h.at[0] = h.at[h.n - 1];
    }
    names_zh_flush(&best);
}
