/* Structured data of a text that comes in pieces: a copy of the group in the making and of the
 * context before it, cut into groups by the machine the whole scan uses. */
#include "base/banned.h"

#include "engine/text/pii_int.h"

#include <stdlib.h>

enum { INLINE = 320, COPY_MAX = PL_PII_CONTEXT + PL_PII_PEM_MAX + 4096 };

struct pl_pii_stream {
    const pl_pii_config *config;
    uint64_t             base; /* offset in the text of buf[0] */
    uint64_t             stop; /* the safe offset once `stopped` or `failed` */
    uint8_t             *buf;  /* small, or malloc'd */
    size_t               n, cap;
    pii_seg              seg;
    bool                 stopped, failed;
    uint8_t              small[INLINE];
};
_Static_assert(sizeof(struct pl_pii_stream) <= 512, "state of a stream");

typedef struct sink {
    pl_text_emit_fn emit;
    void           *ctx;
} sink;

size_t pl_pii_stream_size(void)
{
    return sizeof(pl_pii_stream);
}

void pl_pii_stream_init(pl_pii_stream *s, const pl_pii_config *c)
{
    memset(s, 0, offsetof(pl_pii_stream, small));
    s->config = c;
    s->buf = s->small;
    s->cap = INLINE;
    s->seg.blank = PII_NONE;
}

void pl_pii_stream_done(pl_pii_stream *s)
{
    if (s->buf != s->small)
        free(s->buf);
    s->buf = s->small;
}

void pl_pii_stream_reset(pl_pii_stream *s)
{
    const pl_pii_config *c = s->config;

    pl_pii_stream_done(s);
    pl_pii_stream_init(s, c);
}

static size_t held_from(const pl_pii_stream *s)
{
    return s->seg.open ? s->seg.start : s->seg.at;
}

uint64_t pl_pii_stream_safe(const pl_pii_stream *s)
{
    return s->stopped || s->failed ? s->stop : s->base + held_from(s);
}

static void emit_hits(pl_pii_stream *s, const pii_group *g, uint64_t base, const sink *to)
{
    for (size_t i = 0; i < g->hits && !s->stopped; i++) {
        const pii_hit  *h = &g->hit[i];
        pl_text_finding f = { .rule = s->config->rule[h->kind], .form = h->form,
                              .score = h->score, .start = base + h->start, .end = base + h->end };

        if (to->emit(to->ctx, &f) != 0) {
            s->stopped = true;
            s->stop = base; /* another finding of the group may begin earlier */
        }
    }
}

static void advance(pl_pii_stream *s, bool is_final, const sink *to)
{
    pii_group g;
    pii_span  span;

    g.config = s->config;
    while (!s->stopped && pii_seg_next(&s->seg, s->buf, s->n, PII_NONE, is_final, &span)) {
        if (!span.is_rich && !span.is_pem)
            continue;
        pii_detect(&g, s->buf, s->n, &span);
        emit_hits(s, &g, s->base + span.start, to);
    }
}

/* --- the copy ------------------------------------------------------------------ */

static void forget(pl_pii_stream *s)
{
    size_t from = held_from(s);
    size_t drop = from > PL_PII_CONTEXT ? from - PL_PII_CONTEXT : 0;

    if (drop == 0)
        return;
    memmove(s->buf, s->buf + drop, s->n - drop);
    s->n -= drop;
    s->base += drop;
    s->seg.start -= s->seg.open ? drop : 0;
    s->seg.soft -= s->seg.open ? drop : 0;
    s->seg.at -= drop;
    if (s->seg.blank != PII_NONE)
        s->seg.blank -= drop;
}

static bool grow(pl_pii_stream *s)
{
    size_t   cap = s->cap * 2 < COPY_MAX ? s->cap * 2 : COPY_MAX;
    uint8_t *p = s->buf == s->small ? malloc(cap) : realloc(s->buf, cap);

    if (!p)
        return false;
    if (s->buf == s->small)
        memcpy(p, s->small, s->n);
    s->buf = p;
    s->cap = cap;
    return true;
}

/* Room for at least one byte. */
static bool make_room(pl_pii_stream *s)
{
    if (s->n < s->cap)
        return true;
    forget(s);
    return s->n < s->cap * 3 / 4 || grow(s);
}

void pl_pii_stream_feed(pl_pii_stream *s, pl_str piece, pl_text_emit_fn emit, void *ctx)
{
    const sink to = { emit, ctx };

    while (piece.n > 0 && !s->stopped && !s->failed) {
        size_t n;

        if (!make_room(s)) {
            s->stop = s->base + held_from(s);
            s->failed = true;
            return;
        }
        n = s->cap - s->n < piece.n ? s->cap - s->n : piece.n;
        memcpy(s->buf + s->n, piece.p, n);
        s->n += n;
        piece.p += n;
        piece.n -= n;
        advance(s, false, &to);
    }
}

void pl_pii_stream_finish(pl_pii_stream *s, pl_text_emit_fn emit, void *ctx)
{
    const sink to = { emit, ctx };

    if (!s->stopped && !s->failed)
        advance(s, true, &to);
}
