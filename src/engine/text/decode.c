/* Levels of decoding, and the regions of a text that are decoded. */
#include "base/banned.h"

#include "engine/text/decode_int.h"

#include <stdlib.h>

enum { FOUND_MAX = 4096 };

/* --- levels ------------------------------------------------------------------------ */

/* Bytes of a level that come from one place of the region: each from its own byte, from `start` on, or all
 * together from what [start, end) encodes. Form and level: how they were decoded. */
typedef struct piece {
    uint32_t at; /* in the level, up to the next piece */
    uint32_t start, end;
    uint16_t form, level;
    bool     each;
} piece;

typedef struct level {
    const char *bytes;
    char       *room; /* bytes, where they are its own */
    size_t      n;
    piece      *piece; /* at least one for each byte   */
    size_t      pieces;
} level;

/* The piece that byte `at` of a level lies in. */
static const piece *piece_at(const level *l, size_t at)
{
    size_t lo = 0, hi = l->pieces;

    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;

        if (l->piece[mid].at <= at)
            lo = mid;
        else
            hi = mid;
    }
    return &l->piece[lo];
}

/* Where byte `at`, which lies in p, comes from. */
static uint32_t start_of(const piece *p, size_t at)
{
    return p->each ? p->start + (uint32_t)(at - p->at) : p->start;
}

static uint32_t end_of(const piece *p, size_t at)
{
    return p->each ? start_of(p, at) + 1 : p->end;
}

/* Where bytes [from, to) of a level, at least one, come from; `level`: the newest one they needed. */
static piece origin_of(const level *l, size_t from, size_t to)
{
    const piece *p = piece_at(l, from), *end = l->piece + l->pieces;
    piece        all = *p;

    all.start = start_of(p, from);
    for (; p + 1 < end && p[1].at < to; p++) {
        all.form |= p[1].form;
        all.level = p[1].level > all.level ? p[1].level : all.level;
    }
    all.end = end_of(p, to - 1);
    all.each = false;
    return all;
}

/* Appends n bytes that [first, last] of `in` encode. */
static void level_put(level *to, const level *in, size_t first, size_t last, const char *bytes, unsigned n,
                      uint16_t form, uint16_t depth)
{
    piece p = origin_of(in, first, last + 1);

    p.at = (uint32_t)to->n;
    p.form |= form;
    p.level = depth;
    to->piece[to->pieces++] = p;
    memcpy(to->room + to->n, bytes, n);
    to->n += n;
}

/* Appends [from, end) of `in` as it stands. */
static void level_copy(level *to, const level *in, size_t from, size_t end)
{
    const piece *last = in->piece + in->pieces;

    if (from == end)
        return;
    for (const piece *p = piece_at(in, from); p < last && p->at < end; p++) {
        size_t at = p->at > from ? p->at : from;
        piece  q = *p;

        q.start = start_of(p, at);
        q.at = (uint32_t)(to->n + (at - from));
        to->piece[to->pieces++] = q;
    }
    memcpy(to->room + to->n, in->bytes + from, end - from);
    to->n += end - from;
}

/* Decodes the run [at, at + size) of `in`, which is text. */
static void base64_decode(const level *in, size_t at, size_t size, level *to, uint16_t depth)
{
    size_t   last = at;
    unsigned have = 0;
    uint32_t bits = 0;

    for (size_t i = at; i < at + size; i++) {
        int v = decode_letter(in->bytes[i]);

        if (v < 0)
            continue;
        bits = bits << 6 | (uint32_t)v;
        if (++have > 1) {
            char byte = (char)(bits >> (8 - 2 * have));

            level_put(to, in, last, i, &byte, 1, PL_FORM_BASE64, depth);
        }
        last = i;
        have %= 4;
    }
}

/* One level more. Nothing grows, so `to` has room. Gives whether anything was encoded. */
static bool level_decode(const level *in, level *to, uint16_t depth)
{
    const pl_str text = { in->bytes, in->n };
    bool         any = false;
    size_t       at = 0;

    to->n = to->pieces = 0;
    for (;;) {
        size_t       next = decode_next(text, at), run, retry = 0;
        pl_str       rest = { text.p + next, text.n - next };
        decode_token t;

        level_copy(to, in, at, next);
        if (next == text.n)
            return any;
        t = decode_token_read(rest);
        if (t.size > 0) {
            level_put(to, in, next, next + t.size - 1, t.bytes, t.n, t.form, depth);
            any = true;
            at = next + t.size;
            continue;
        }
        run = decode_text_run(rest, &retry);
        if (run > 0) {
            base64_decode(in, next, run, to, depth);
            any = true;
            at = next + run;
        } else {
            at = next + retry;
            level_copy(to, in, next, at);
        }
    }
}

/* --- regions ----------------------------------------------------------------------- */

typedef struct region {
    pl_decode_scan_fn scan;
    void             *scan_ctx;
    pl_text_emit_fn   emit;
    void             *ctx;
    uint64_t          base;  /* offset of the region in the text            */
    uint64_t          floor; /* findings that end before were found already */
    const level      *now;
    uint16_t          depth;
    bool              stopped;
    size_t            count;
    pl_text_finding   found[FOUND_MAX];
} region;

static int finding_compare(const void *a, const void *b)
{
    const pl_text_finding *x = a, *y = b;

    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return (x->rule > y->rule) - (x->rule < y->rule);
}

static void region_flush(region *r)
{
    if (r->count > 1)
        qsort(r->found, r->count, sizeof *r->found, finding_compare);
    for (size_t i = 0; i < r->count && !r->stopped; i++)
        if (i == 0 || finding_compare(&r->found[i - 1], &r->found[i]) != 0)
            r->stopped = r->emit(r->ctx, &r->found[i]) != 0;
    r->count = 0;
}

/* A finding in decoded text: keeps it when it needed the newest level. */
static int region_found(void *ctx, const pl_text_finding *f)
{
    region         *r = ctx;
    pl_text_finding to = *f;
    piece           from;

    if (f->start >= f->end || f->end > r->now->n)
        return 0;
    from = origin_of(r->now, f->start, f->end);
    to.form |= from.form;
    to.start = r->base + from.start;
    to.end = r->base + from.end;
    if (from.level != r->depth || to.end <= r->floor)
        return 0;
    if (r->count == FOUND_MAX)
        region_flush(r);
    r->found[r->count++] = to;
    return r->stopped;
}

/* Level by level, in the two rooms by turns. */
static void region_scan(region *r, pl_str text, level rooms[2])
{
    piece        whole = { .end = (uint32_t)text.n, .each = true };
    const level  asis = { .bytes = text.p, .n = text.n, .piece = &whole, .pieces = 1 };
    const level *in = &asis;

    for (r->depth = 1; r->depth <= PL_DECODE_DEPTH && !r->stopped; r->depth++) {
        level *to = &rooms[r->depth % 2];

        if (!level_decode(in, to, r->depth))
            break;
        r->now = to;
        r->scan(r->scan_ctx, (pl_str){ to->bytes, to->n }, region_found, r);
        in = to;
    }
    region_flush(r);
}

typedef struct span {
    size_t from, to; /* what is decoded                          */
    size_t next;     /* where to look for the next encoded run   */
} span;

/* The region around the encoded run at `at`. */
static span region_around(pl_str text, size_t at)
{
    span   s = { .from = at > DECODE_CONTEXT ? at - DECODE_CONTEXT : 0 };
    size_t limit = s.from + DECODE_REGION_MAX < text.n ? s.from + DECODE_REGION_MAX : text.n, last = at;

    for (;;) {
        size_t end = last + decode_size(text, last);

        if (end >= limit) { /* cut, in step with the base64 it may be */
            s.to = s.next = limit == text.n ? limit : last + (limit - last) / 4 * 4;
            if (s.next <= at)
                s.to = s.next = limit;
            return s;
        }
        last = decode_next(text, end);
        if (last - end > DECODE_CONTEXT || last >= text.n || last >= limit) {
            s.to = end + DECODE_CONTEXT < limit ? end + DECODE_CONTEXT : limit;
            s.next = last;
            return s;
        }
    }
}

/* Without the findings, which would cost more than most texts. */
static void region_init(region *r, pl_decode_scan_fn scan, void *scan_ctx, pl_text_emit_fn emit, void *ctx)
{
    r->scan = scan;
    r->scan_ctx = scan_ctx;
    r->emit = emit;
    r->ctx = ctx;
    r->floor = 0;
    r->stopped = false;
    r->count = 0;
}

static bool room_make(level *l, size_t n)
{
    l->bytes = l->room = malloc(n);
    l->piece = malloc(n * sizeof *l->piece);
    return l->room && l->piece;
}

static void room_free(level *l)
{
    free(l->room);
    free(l->piece);
}

void pl_decode_scan(pl_str text, pl_decode_scan_fn scan, void *scan_ctx, pl_text_emit_fn emit,
                    void *ctx)
{
    size_t  at = decode_next(text, 0), room = text.n < DECODE_REGION_MAX ? text.n : DECODE_REGION_MAX;
    region *r;
    level   rooms[2] = { 0 };

    if (at >= text.n)
        return;
    r = malloc(sizeof *r);
    if (room_make(&rooms[0], room) && room_make(&rooms[1], room) && r) {
        region_init(r, scan, scan_ctx, emit, ctx);
        while (at < text.n && !r->stopped) {
            span s = region_around(text, at);

            r->base = s.from;
            region_scan(r, (pl_str){ text.p + s.from, s.to - s.from }, rooms);
            r->floor = s.to;
            at = decode_next(text, s.next);
        }
    }
    free(r);
    room_free(&rooms[0]);
    room_free(&rooms[1]);
}
