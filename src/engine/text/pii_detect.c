/* One group: what is in it. */
#include "base/banned.h"

#include "engine/text/pii_int.h"

#include <stdlib.h>

/* --- findings ------------------------------------------------------------------ */

/* How the text differs from plain ASCII between two cells. */
static uint16_t form_between(const pii_group *g, size_t from, size_t to)
{
    unsigned form = 0;

    if (!g->at)
        return 0;
    for (size_t i = from; i < to; i++) {
        const uint8_t *p = g->raw + g->at[i];
        size_t         length = pii_char_at(p, 3).length;

        if (*p == 0xef)
            form |= PL_FORM_WIDTH;
        if (i + 1 < to && g->at[i + 1] - g->at[i] != (int)length)
            form |= PL_FORM_INVISIBLE;
    }
    return (uint16_t)form;
}

/* Behind the last cell, without what is invisible after it. */
static size_t end_of(const pii_group *g, size_t to)
{
    if (!g->at)
        return to;
    return g->at[to - 1] + (size_t)pii_char_at(g->raw + g->at[to - 1], 3).length;
}

void pii_hit_add(pii_group *g, pl_pii_kind kind, size_t from, size_t to, unsigned score)
{
    if (score < PL_PII_FLOOR || g->hits == PII_HITS_MAX || !pii_on(g, kind))
        return;
    g->hit[g->hits++] = (pii_hit){ .start = g->at ? g->at[from] : (uint32_t)from,
                                   .end = (uint32_t)end_of(g, to),
                                   .score = (uint16_t)score,
                                   .form = form_between(g, from, to),
                                   .kind = (uint8_t)kind };
}

uint8_t pii_before(const pii_group *g, size_t i)
{
    if (i > 0)
        return g->cell[i - 1];
    return g->before > 0 && g->raw[-1] < 0x80 ? g->raw[-1] : 0;
}

void pii_ranges_add(pii_ranges *r, size_t from, size_t to)
{
    if (r->n == PII_RANGES_MAX)
        return;
    r->at[r->n].start = (uint32_t)from;
    r->at[r->n++].end = (uint32_t)to;
}

int pii_ranges_find(const pii_ranges *r, size_t from, size_t to)
{
    for (size_t i = 0; i < r->n; i++)
        if (from < r->at[i].end && to > r->at[i].start)
            return (int)i;
    return -1;
}

/* --- cells --------------------------------------------------------------------- */

static void fill_cells(pii_group *g, size_t raw_n)
{
    size_t n = 0;

    for (size_t at = 0; at < raw_n;) {
        pii_char c = pii_char_at(g->raw + at, raw_n - at);

        if (c.class != PII_NOTHING) {
            g->cells[n] = c.cell;
            g->offsets[n++] = (uint16_t)at;
        }
        at += c.length;
    }
    g->offsets[n] = (uint16_t)raw_n;
    g->cell = g->cells;
    g->at = g->offsets;
    g->n = n;
}

static void key_block(pii_group *g, const pii_span *span)
{
    enum { BODY_MIN = 24 }; /* the shortest body: an Ed25519 seed is 64, a torn copy less */
    const char *close = memchr(g->raw + 5, '-', span->end - span->start - 5);
    size_t      head, body = 0;

    if (!close || !pii_on(g, PL_PII_PRIVATE_KEY))
        return;
    head = (size_t)((const uint8_t *)close - g->raw) + 5;
    for (size_t i = head; i < span->end - span->start; i++)
        body += pii_is(g->raw[i], PII_ALNUM);
    if (body < BODY_MIN)
        return;
    g->hit[g->hits++] = (pii_hit){ .end = (uint32_t)(span->end - span->start), .score = 9900,
                                   .kind = PL_PII_PRIVATE_KEY };
}

static bool comes_before(const pii_group *g, const pii_hit *a, const pii_hit *b)
{
    if (a->end != b->end)
        return a->end < b->end;
    if (a->start != b->start)
        return a->start < b->start;
    return g->config->rule[a->kind] < g->config->rule[b->kind];
}

/* By end, start, rule. Insertion: detectors work from left to right, so little moves. */
static void sort_hits(pii_group *g)
{
    for (size_t i = 1; i < g->hits; i++) {
        pii_hit h = g->hit[i];
        size_t  k = i;

        for (; k > 0 && comes_before(g, &h, &g->hit[k - 1]); k--)
            g->hit[k] = g->hit[k - 1];
        g->hit[k] = h;
    }
}

typedef struct content {
    unsigned digits, colons, ats, ws;
    bool     has_twin; /* two colons side by side */
} content;

static content look(pii_group *g)
{
    pii_masks mask[PII_WORDS];
    content   c = { 0 };

    pii_masks_fill(g->cell, g->n, mask);
    for (size_t i = 0; i * 64 < g->n; i++) {
        uint64_t colon = mask[i].colon;

        g->digit[i] = mask[i].digit;
        g->word[i] = mask[i].word;
        g->at_sign[i] = mask[i].at;
        g->colon[i] = colon;
        g->w[i] = mask[i].w;
        c.digits += (unsigned)__builtin_popcountll(mask[i].digit);
        c.colons += (unsigned)__builtin_popcountll(colon);
        c.ats += mask[i].at != 0;
        c.ws += (unsigned)__builtin_popcountll(mask[i].w);
        c.has_twin |= (colon & colon >> 1) != 0 || (i > 0 && colon & 1 && mask[i - 1].colon >> 63);
    }
    return c;
}

void pii_detect(pii_group *g, const uint8_t *text, size_t n, const pii_span *span)
{
    size_t  raw_n = span->end - span->start;
    content c;

    g->hits = g->urls.n = g->ibans.n = 0;
    g->raw = text + span->start;
    g->before = span->start;
    g->next = span->end < n && text[span->end] < 0x80 ? text[span->end] : 0;
    g->rest = (pl_str){ (const char *)text + span->end, n - span->end };
    if (span->is_pem) {
        g->at = NULL;
        key_block(g, span);
        return;
    }
    if (!pii_anchors_any((pl_str){ (const char *)g->raw, raw_n }))
        return;
    if (span->is_plain) {
        g->cell = g->raw;
        g->at = NULL;
        g->n = raw_n;
    } else {
        fill_cells(g, raw_n);
    }
    c = look(g);
    if (c.colons || c.ws >= 3)
        pii_find_urls(g);
    if (c.ats)
        pii_find_email(g);
    if (c.digits >= 4)
        pii_find_ipv4(g);
    if (c.has_twin || c.colons >= 6)
        pii_find_ipv6(g);
    if (c.digits >= 6) {
        pii_find_codes(g);
        pii_find_numbers(g);
    }
    if (g->n > 0 && g->cell[0] >= PII_HAN)
        pii_find_plates(g);
    if (g->n >= 16)
        pii_find_keys(g);
    if (g->hits > 1)
        sort_hits(g);
}
