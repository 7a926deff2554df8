/* Documents from anywhere: refused, or everything that was there is still there, in its order. */
#include "base/str.h"
#include "engine/media/notice.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void kept(const pl_media_plan *p, pl_str in, bool all)
{
    uint64_t next = 0;

    for (size_t i = 0; i < pl_media_plan_spans(p); i++) {
        const pl_media_span *s = pl_media_plan_span(p, i);

        if (s->bytes)
            continue;
        if (s->from < next || s->from + s->n > in.n)
            abort();
        if (all && s->from != next)
            abort(); /* something is gone */
        next = s->from + s->n;
    }
    if (all && next != in.n)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "a.html", "a.md", "a.docx", "a.pdf" };
    static const uint8_t     dots[4] = { 0, 255, 0, 255 };
    pl_notice_picture        k = { 2, 2, dots, dots, 10 };
    pl_str                   in = { (const char *)data + 1, size - 1 };
    pl_media_io              io;
    pl_media                *m = NULL;
    pl_media_plan           *p = NULL;
    pl_arena                *a = pl_arena_new(64u << 20);
    pl_str                   text;

    if (size < 2 || !a)
        return pl_arena_free(a), 0;
    io = pl_media_io_of(&in);
    if (pl_media_scan(&io, names[data[0] % 4], 0, &m, NULL) == PL_OK &&
        pl_media_notice(m, PL_STR("AI生成 <&>"), (pl_notice_place)(data[0] / 4 % 3), &k, &p, NULL) == PL_OK)
        kept(p, in, pl_media_format_of(m) != PL_MEDIA_DOCX);
    pl_media_plan_free(p);
    if (m)
        (void)pl_media_shown_text(m, a, &text, NULL);
    pl_arena_free(a);
    pl_media_free(m);
    return 0;
}
