#include "base/banned.h"

#include <plumbline/screen.h>
#include <stdlib.h>

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

void pl_screen_scan(const pl_screen *s, pl_str text, unsigned parts, pl_text_emit_fn emit,
                    void *ctx)
{
    if (parts & PL_SCREEN_KEYWORDS)
        pl_text_scan(s->text, text, emit, ctx);
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
