#include "base/banned.h"

#include "base/str.h"
#include "engine/text/decode.h"
#include "engine/text/model.h"
#include "engine/text/names.h"
#include "engine/text/pii.h"

#include <plumbline/screen.h>
#include <stdbool.h>
#include <stddef.h>

#define FEW          64        /* findings of a window that need no memory of their own */
#define FINDINGS_MAX (4u << 20)
#define OVERLAP      (PL_TEXT_SPAN_MAX + 256u)

#define NO_RULE UINT32_MAX

/* A reader of structured data fits here: asking for it would cost more than reading a short text. */
#define READER_ROOM (40u << 10)

/* The rules that report a label of the classifier; NO_RULE: not reported. */
typedef struct label_rules {
    uint32_t yes, uncertain;
} label_rules;

struct pl_screen {
    pl_textdb  *text;
    pl_model   *model; /* NULL: the database has none */
    pl_names   *names; /* NULL: neither names nor addresses are asked for */
    label_rules label[PL_MODEL_LABELS_MAX];
    bool          has_pii;
    pl_pii_config pii;
};

/* Rules "model.LABEL" and "model.LABEL.uncertain" belong to the labels of the classifier. */
static void model_rule_bind(pl_screen *s, uint32_t rule, pl_str id)
{
    pl_str prefix = PL_STR(PL_MODEL_RULE_PREFIX), suffix = PL_STR(PL_MODEL_RULE_UNCERTAIN);

    if (!pl_str_starts(id, prefix))
        return;
    id = (pl_str){ id.p + prefix.n, id.n - prefix.n };
    for (size_t i = 0; i < pl_model_label_count(s->model); i++) {
        pl_str name = pl_model_label(s->model, i);

        if (pl_str_eq(id, name))
            s->label[i].yes = rule;
        else if (id.n == name.n + suffix.n && pl_str_starts(id, name) && pl_str_ends(id, suffix))
            s->label[i].uncertain = rule;
    }
}

static pl_rc model_open(pl_screen *s, const pl_policydb *db, pl_error *err)
{
    pl_str section;
    pl_rc  rc = pl_policydb_section_find(db, PL_SECTION_MODEL, &section, NULL);

    if (rc == PL_NOTFOUND)
        return PL_OK;
    rc = pl_model_open(section, &s->model, err);
    if (rc != PL_OK)
        return rc;
    for (size_t i = 0; i < PL_MODEL_LABELS_MAX; i++)
        s->label[i] = (label_rules){ NO_RULE, NO_RULE };
    for (uint32_t r = 0; r < pl_textdb_rule_count(s->text); r++)
        model_rule_bind(s, r, pl_textdb_rule_get(s->text, r).id);
    return PL_OK;
}

static pl_rc pii_open(pl_screen *s, const pl_policydb *db, pl_error *err)
{
    pl_str section;
    pl_rc  rc = pl_policydb_section_find(db, PL_SECTION_PII, &section, NULL);

    if (rc == PL_NOTFOUND)
        return PL_OK;
    rc = pl_pii_config_parse(section, pl_textdb_rule_count(s->text), &s->pii, err);
    s->has_pii = rc == PL_OK;
    return rc;
}

static pl_rc names_open(pl_screen *s, const pl_policydb *db, pl_error *err)
{
    pl_str section;

    if (!s->has_pii ||
        (s->pii.rule[PL_PII_NAME] == PL_PII_OFF && s->pii.rule[PL_PII_ADDRESS] == PL_PII_OFF))
        return PL_OK;
    if (pl_policydb_section_find(db, PL_SECTION_NAMES, &section, NULL) != PL_OK)
        return pl_fail(err, PL_INVALID, "the policy asks for names or addresses but has no model of them");
    return pl_names_open(section, &s->names, err);
}

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
    if (rc == PL_OK)
        rc = model_open(s, db, err);
    if (rc == PL_OK)
        rc = pii_open(s, db, err);
    if (rc == PL_OK)
        rc = names_open(s, db, err);
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
    pl_model_free(s->model);
    pl_names_free(s->names);
    pl_textdb_free(s->text);
    free(s);
}

const pl_textdb *pl_screen_textdb(const pl_screen *s)
{
    return s->text;
}

void pl_screen_now(pl_screen *s, int64_t now)
{
    pl_textdb_now(s->text, now);
}

/* --- whole text ------------------------------------------------------------------- */

static void scan_keywords(const pl_screen *s, pl_str text, pl_text_emit_fn emit, void *ctx)
{
    pl_text_scan(s->text, text, emit, ctx);
}

static void scan_one_level(void *ctx, pl_str text, pl_text_emit_fn emit, void *emit_ctx)
{
    pl_text_scan(ctx, text, emit, emit_ctx);
}

/* Keywords in what is encoded. */
static void scan_decoded(const pl_screen *s, pl_str text, pl_text_emit_fn emit, void *ctx)
{
    pl_decode_scan(text, scan_one_level, s->text, emit, ctx);
}

static const struct part {
    unsigned bit; /* pl_screen_parts */
    void (*scan)(const pl_screen *s, pl_str text, pl_text_emit_fn emit, void *ctx);
} all_parts[] = {
    { PL_SCREEN_KEYWORDS, scan_keywords },
    { PL_SCREEN_DECODED, scan_decoded },
};

/* Findings of one window. Those that end in (from, to] are its own; the others belong to
 * the windows beside it. */
typedef struct collector {
    pl_text_finding *list, few[FEW];
    size_t           n, cap;
    uint64_t         shift, from, to; /* offset of the scanned bytes; the window */
    bool             failed;
} collector;

/* `few` stays as it is: clearing it would cost more than a short text. */
static void collector_init(collector *c)
{
    c->list = c->few;
    c->n = 0;
    c->cap = FEW;
    c->shift = c->from = c->to = 0;
    c->failed = false;
}

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

/* Judges one window, which begins at `start` of its text; false: the receiver wants no more. */
static bool model_window(const pl_screen *s, pl_str window, uint64_t start, pl_text_emit_fn emit,
                         void *ctx)
{
    pl_model_score scores[PL_MODEL_LABELS_MAX];

    (void)pl_model_run(s->model, window, scores);
    for (size_t i = 0; i < pl_model_label_count(s->model); i++) {
        pl_model_verdict v = scores[i].verdict;
        uint32_t         rule = v == PL_MODEL_YES ? s->label[i].yes : s->label[i].uncertain;
        pl_text_finding  f = { .rule = rule, .start = start, .end = start + window.n,
                               .score = (uint16_t)(scores[i].probability * PL_SCORE_MAX + 0.5f) };

        if (v != PL_MODEL_NO && rule != NO_RULE && emit(ctx, &f) != 0)
            return false;
    }
    return true;
}

size_t pl_screen_model(const pl_screen *s, pl_str text, uint64_t at, bool is_last,
                       pl_text_emit_fn emit, void *ctx)
{
    size_t from = 0;

    while (s->model && from < text.n && (is_last || text.n - from > PL_MODEL_WINDOW)) {
        size_t end = pl_model_window(text, from);

        if (!model_window(s, (pl_str){ text.p + from, end - from }, at + from, emit, ctx))
            return text.n;
        from = end;
    }
    return s->model ? from : text.n;
}

/* The classifier cuts the text into windows of its own, from the beginning of the text; those
 * that end in the collector's window are due. *next is where the first of them begins. */
static void model_scan(const pl_screen *s, pl_str text, collector *c, size_t *next)
{
    c->shift = 0;
    while (*next < c->to && !c->failed) {
        size_t end = pl_model_window(text, *next);

        if (end > c->to)
            return;
        (void)model_window(s, (pl_str){ text.p + *next, end - *next }, *next, collect, c);
        *next = end;
    }
}

/* Names are looked for unit by unit, too. A unit that goes beyond the window is looked at again in
 * the next one, for what ends there. */
static void names_scan(const pl_screen *s, pl_str text, collector *c, size_t *next)
{
    c->shift = 0;
    while (*next < c->to && !c->failed) {
        size_t end = pl_names_scan_unit(s->names, &s->pii, text, *next, collect, c);

        if (end > c->to)
            return;
        *next = end;
    }
}

/* Structured data is read once from end to end, a window's findings at a time. */
typedef struct pii_reader {
    pl_pii_cursor  *cursor; /* NULL: not asked for */
    pl_text_finding next;
    bool            has_next;
} pii_reader;

static bool pii_reader_begin(pii_reader *r, void *room, const pl_screen *s, pl_str text, unsigned parts)
{
    r->cursor = NULL;
    r->has_next = false;
    if (!s->has_pii || !(parts & PL_SCREEN_STRUCTURED))
        return true;
    r->cursor = pl_pii_cursor_size() <= READER_ROOM ? room : malloc(pl_pii_cursor_size());
    if (!r->cursor)
        return false;
    pl_pii_cursor_init(r->cursor, &s->pii, text);
    r->has_next = pl_pii_cursor_next(r->cursor, &r->next);
    return true;
}

static void pii_collect(pii_reader *r, collector *c)
{
    c->shift = 0;
    while (r->has_next && r->next.end <= c->to && collect(c, &r->next) == 0)
        r->has_next = pl_pii_cursor_next(r->cursor, &r->next);
}

pl_rc pl_screen_scan(const pl_screen *s, pl_str text, unsigned parts, pl_text_emit_fn emit,
                     void *ctx, pl_error *err)
{
    collector  c;
    bool       more = text.n > 0, model = s->model && (parts & PL_SCREEN_MODEL);
    bool       names = s->names && (parts & PL_SCREEN_NAMES);
    size_t     model_next = 0, names_next = 0;
    pii_reader pii;
    max_align_t room[READER_ROOM / sizeof(max_align_t)];

    collector_init(&c);
    if (!pii_reader_begin(&pii, room, s, text, parts))
        return pl_fail(err, PL_NOMEM, "out of memory for structured data");
    while (more && !c.failed) {
        c.to = text.n - c.from > PL_SCREEN_WINDOW ? c.from + PL_SCREEN_WINDOW : text.n;
        window_scan(s, text, parts, &c);
        if (!c.failed)
            pii_collect(&pii, &c);
        if (model && !c.failed)
            model_scan(s, text, &c, &model_next);
        if (names && !c.failed)
            names_scan(s, text, &c, &names_next);
        more = !c.failed && deliver(&c, emit, ctx) && c.to < text.n;
        c.from = c.to;
    }
    if ((void *)pii.cursor != (void *)room)
        free(pii.cursor);
    if (c.list != c.few)
        free(c.list);
    return c.failed ? pl_fail(err, PL_NOMEM, "too many findings in one part of the text") : PL_OK;
}

/* --- streams ------------------------------------------------------------------- */

struct pl_screen_stream {
    const pl_screen *screen;
    bool             stopped; /* the callback asked to stop: nothing moves until reset */
    uint64_t         parts[]; /* a pl_text_stream, then a pl_pii_stream */
};

static size_t keywords_size(void)
{
    return (pl_text_stream_size() + 7) & ~(size_t)7;
}

static pl_text_stream *keywords_of(pl_screen_stream *t)
{
    return (pl_text_stream *)t->parts;
}

static pl_pii_stream *pii_of(pl_screen_stream *t)
{
    return (pl_pii_stream *)(t->parts + keywords_size() / 8);
}

size_t pl_screen_stream_size(void)
{
    return sizeof(pl_screen_stream) + keywords_size() + pl_pii_stream_size();
}

void pl_screen_stream_init(pl_screen_stream *t, const pl_screen *s)
{
    t->screen = s;
    t->stopped = false;
    pl_text_stream_init(keywords_of(t), s->text);
    pl_pii_stream_init(pii_of(t), &s->pii);
}

void pl_screen_stream_done(pl_screen_stream *t)
{
    pl_pii_stream_done(pii_of(t));
}

void pl_screen_stream_reset(pl_screen_stream *t)
{
    t->stopped = false;
    pl_text_stream_reset(keywords_of(t));
    pl_pii_stream_reset(pii_of(t));
}

/* When one part is told to stop, the others are not asked any more. */
typedef struct passing {
    pl_screen_stream *stream;
    pl_text_emit_fn   emit;
    void             *ctx;
} passing;

static int pass(void *ctx, const pl_text_finding *f)
{
    passing *p = ctx;

    p->stream->stopped = p->emit(p->ctx, f) != 0;
    return p->stream->stopped;
}

void pl_screen_stream_feed(pl_screen_stream *t, pl_str piece, pl_text_emit_fn emit, void *ctx)
{
    passing p = { t, emit, ctx };

    if (!t->stopped)
        pl_text_stream_feed(keywords_of(t), piece, pass, &p);
    if (!t->stopped && t->screen->has_pii)
        pl_pii_stream_feed(pii_of(t), piece, pass, &p);
}

void pl_screen_stream_finish(pl_screen_stream *t, pl_text_emit_fn emit, void *ctx)
{
    passing p = { t, emit, ctx };

    if (!t->stopped)
        pl_text_stream_finish(keywords_of(t), pass, &p);
    if (!t->stopped && t->screen->has_pii)
        pl_pii_stream_finish(pii_of(t), pass, &p);
}

uint64_t pl_screen_stream_safe(const pl_screen_stream *t)
{
    pl_screen_stream *all = (pl_screen_stream *)t;
    uint64_t          keywords = pl_text_stream_safe(keywords_of(all));
    uint64_t pii = t->screen->has_pii ? pl_pii_stream_safe(pii_of(all)) : UINT64_MAX;

    return keywords < pii ? keywords : pii;
}
