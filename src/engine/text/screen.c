#include "base/banned.h"

#include <plumbline/screen.h>
#include <stdbool.h>

#define FEW          64        /* findings of a window that need no memory of their own */
#define FINDINGS_MAX (4u << 20)
#define OVERLAP      (PL_TEXT_SPAN_MAX + 256u)

struct pl_screen {
    pl_textdb *text;
};

pl_rc pl_screen_open(const pl_policydb *db, pl_screen **out, pl_error *err)
{
    pl_screen *s = calloc(1, sizeof *s);
    pl_str     section;
    pl_rc      rc;

    if (!s)
        return pl_fail(err, PL_NOMEM, "out of memory for a screen");
    rc = pl_policydb_section_find(db, PL_SECTION_TEXT, &section, err);
    if (rc == PL_OK)
        rc = pl_textdb_open(section, &s->text, err);
    if (rc != PL_OK) {
        pl_screen_free(s);
        return rc;
    }
    *out = s;
    return PL_OK;
}

void pl_screen_free(pl_screen *s)
{
    if (!s)
        return;
    pl_textdb_free(s->text);
    free(s);
}

const pl_textdb *pl_screen_textdb(const pl_screen *s)
{
    return s->text;
}

/* --- whole text ------------------------------------------------------------------- */

static void scan_keywords(const pl_screen *s, pl_str text, pl_text_emit_fn emit, void *ctx)
{
    pl_text_scan(s->text, text, emit, ctx);
}

static const struct part {
    unsigned bit; /* pl_screen_parts */
    void (*scan)(const pl_screen *s, pl_str text, pl_text_emit_fn emit, void *ctx);
} all_parts[] = {
    { PL_SCREEN_KEYWORDS, scan_keywords },
};

/* Findings of one window. Those that end in (from, to] are its own; the others belong to
 * the windows beside it. */
typedef struct collector {
    pl_text_finding *list, few[FEW];
    size_t           n, cap;
    uint64_t         shift, from, to; /* offset of the scanned bytes; the window */
    bool             failed;
} collector;

static bool collector_grow(collector *c)
{
    size_t           cap = c->cap * 2;
    pl_text_finding *list;

    if (cap > FINDINGS_MAX)
        return false;
    list = malloc(cap * sizeof *list);
    if (!list)
        return false;
    memcpy(list, c->list, c->n * sizeof *list);
    if (c->list != c->few)
        free(c->list);
    c->list = list;
    c->cap = cap;
    return true;
}

static int collect(void *ctx, const pl_text_finding *f)
{
    collector      *c = ctx;
    pl_text_finding own = *f;

    own.start += c->shift;
    own.end += c->shift;
    if (own.end <= c->from || own.end > c->to)
        return 0;
    if (c->n == c->cap && !collector_grow(c)) {
        c->failed = true;
        return 1;
    }
    c->list[c->n++] = own;
    return 0;
}

static int by_end(const void *a, const void *b)
{
    const pl_text_finding *x = a, *y = b;

    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return (x->rule > y->rule) - (x->rule < y->rule);
}

static bool deliver(const collector *c, pl_text_emit_fn emit, void *ctx)
{
    if (c->n > 1)
        qsort(c->list, c->n, sizeof *c->list, by_end);
    for (size_t i = 0; i < c->n; i++)
        if (emit(ctx, &c->list[i]) != 0)
            return false;
    return true;
}

/* A finding that ends in the window lies in it and OVERLAP bytes on either side, with what
 * stands beside it. */
static void window_scan(const pl_screen *s, pl_str text, unsigned parts, collector *c)
{
    uint64_t begin = c->from > OVERLAP ? c->from - OVERLAP : 0;
    uint64_t end = text.n - c->to > OVERLAP ? c->to + OVERLAP : text.n;

    c->n = 0;
    c->shift = begin;
    for (size_t i = 0; i < sizeof all_parts / sizeof all_parts[0] && !c->failed; i++)
        if (parts & all_parts[i].bit)
            all_parts[i].scan(s, (pl_str){ text.p + begin, (size_t)(end - begin) }, collect, c);
}

pl_rc pl_screen_scan(const pl_screen *s, pl_str text, unsigned parts, pl_text_emit_fn emit,
                     void *ctx, pl_error *err)
{
    collector c = { .cap = FEW };
    bool      more = text.n > 0;

    c.list = c.few;
    while (more && !c.failed) {
        c.to = text.n - c.from > PL_SCREEN_WINDOW ? c.from + PL_SCREEN_WINDOW : text.n;
        window_scan(s, text, parts, &c);
        more = !c.failed && deliver(&c, emit, ctx) && c.to < text.n;
        c.from = c.to;
    }
    if (c.list != c.few)
        free(c.list);
    return c.failed ? pl_fail(err, PL_NOMEM, "too many findings in one part of the text") : PL_OK;
}

/* --- streams ------------------------------------------------------------------- */

struct pl_screen_stream {
    const pl_screen *screen;
    uint64_t         keywords[]; /* a pl_text_stream */
};

static pl_text_stream *keywords_of(pl_screen_stream *t)
{
    return (pl_text_stream *)t->keywords;
}

size_t pl_screen_stream_size(void)
{
    return sizeof(pl_screen_stream) + pl_text_stream_size();
}

void pl_screen_stream_init(pl_screen_stream *t, const pl_screen *s)
{
    t->screen = s;
    pl_text_stream_init(keywords_of(t), s->text);
}

void pl_screen_stream_done(pl_screen_stream *t)
{
    (void)t;
}

void pl_screen_stream_reset(pl_screen_stream *t)
{
    pl_text_stream_reset(keywords_of(t));
}

void pl_screen_stream_feed(pl_screen_stream *t, pl_str piece, pl_text_emit_fn emit, void *ctx)
{
    pl_text_stream_feed(keywords_of(t), piece, emit, ctx);
}

void pl_screen_stream_finish(pl_screen_stream *t, pl_text_emit_fn emit, void *ctx)
{
    pl_text_stream_finish(keywords_of(t), emit, ctx);
}

uint64_t pl_screen_stream_safe(const pl_screen_stream *t)
{
    return pl_text_stream_safe((const pl_text_stream *)t->keywords);
}
