/* Body of the fuzz targets of container readers: each includes this with NAME, the file name that
 * decides between kinds of text, and MAGIC, bytes put in front of the input so that the reader
 * meant is reached (may be empty).
 *
 * What must hold for any bytes: a scan ends; a plan is made only of a whole file; its spans are
 * gapless, and two plans of one file are the same; the new file can be scanned, and a label is in
 * it. */
#ifndef FUZZ_MEDIA_H
#define FUZZ_MEDIA_H

#include "engine/media/media.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUZZ_LABEL "{\"Label\":\"1\",\"ContentProducer\":\"p\",\"ProduceID\":\"i\"}"

static void fuzz_check_plan(pl_media *m, const char *name)
{
    pl_media_edit  e = { .label = { FUZZ_LABEL, sizeof FUZZ_LABEL - 1 } };
    pl_media_plan *p = NULL, *again = NULL;
    pl_media      *back = NULL;
    pl_media_io    io;
    uint64_t       at = 0;
    size_t         labels = 0;

    if (pl_media_plan_new(m, &e, &p, NULL) != PL_OK)
        return;
    if (pl_media_state_of(m) != PL_MEDIA_WHOLE)
        abort();
    for (size_t i = 0; i < pl_media_plan_spans(p); i++) {
        const pl_media_span *s = pl_media_plan_span(p, i);
        if (s->out != at || s->n == 0)
            abort();
        at += s->n;
    }
    if (at != pl_media_plan_size(p))
        abort();
    if (pl_media_plan_new(m, &e, &again, NULL) != PL_OK || pl_media_plan_size(again) != at)
        abort();
    io = pl_media_plan_io(p);
    if (pl_media_scan(&io, name, 0, &back, NULL) == PL_OK) {
        for (size_t i = 0; i < pl_media_items(back); i++)
            labels += pl_media_item_get(back, i)->kind == PL_MEDIA_LABEL;
        if (pl_media_state_of(back) == PL_MEDIA_WHOLE && pl_media_format_of(back) == pl_media_format_of(m) &&
            labels == 0)
            abort();
    }
    pl_media_free(back);
    pl_media_plan_free(again);
    pl_media_plan_free(p);
}

static int fuzz_media(const uint8_t *data, size_t size, const char *name, const char *magic, size_t magic_n)
{
    char       *copy;
    pl_str      s;
    pl_media_io io;
    pl_media   *m = NULL;

    if (size >= magic_n && memcmp(data, magic, magic_n) == 0)
        magic_n = 0; /* a real file as a seed */
    copy = malloc(size + magic_n + 1);
    if (!copy)
        return 0;
    s = (pl_str){ copy, size + magic_n };
    io = pl_media_io_of(&s);
    memcpy(copy, magic, magic_n);
    if (size)
        memcpy(copy + magic_n, data, size);
    if (pl_media_scan(&io, name, 0, &m, NULL) == PL_OK)
        fuzz_check_plan(m, name);
    pl_media_free(m);
    m = NULL;
    if (pl_media_scan(&io, name, PL_MEDIA_QUICK, &m, NULL) == PL_OK)
        pl_media_free(m);
    free(copy);
    return 0;
}

#define FUZZ_MEDIA(NAME, MAGIC)                                                                    \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);                                  \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)                                   \
    {                                                                                              \
        return fuzz_media(data, size, NAME, MAGIC, sizeof(MAGIC) - 1);                             \
    }
#endif
