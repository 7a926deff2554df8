/* A store from anywhere: the report is consistent, and nothing that no key of ours signed is
 * called trusted. The tail of the input is the file. */
#include "engine/media/c2pa/c2pa.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static pl_rc read_at(void *ctx, uint64_t at, void *p, size_t n, pl_error *err)
{
    const pl_str *s = ctx;

    (void)err;
    if (at > s->n || n > s->n - at)
        abort(); /* asked beyond the end */
    memcpy(p, s->p + at, n);
    return PL_OK;
}

static void consistent(const c2pa_report *r)
{
    bool failed = false;

    for (size_t i = 0; i < r->codes_n; i++)
        failed = failed || (r->codes[i].level == C2PA_FAILURE && !r->codes[i].is_known);
    if (!failed && r->integrity == C2PA_BROKEN)
        abort();
    if (strcmp(r->state, "Trusted") == 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t             cut = size > 2 ? ((size_t)data[0] << 8 | data[1]) % (size - 2) + 2 : size;
    pl_str             file = { (const char *)data, size };
    pl_str             store = { (const char *)data + (size - cut), cut };
    pl_media_io        io = { &file, size, read_at };
    pl_media_range     range = { size - cut, cut };
    c2pa_asset         asset = { &io, size % 2 ? PL_MEDIA_MP4 : size % 3 ? PL_MEDIA_JPEG : PL_MEDIA_PNG,
                                 &range, 1 };
    c2pa_how           how = { .now_ms = 1790000000000 };
    pl_arena          *a = pl_arena_new(256u << 20);
    const c2pa_report *r = NULL;

    if (pl_c2pa_check(store, &asset, &how, a, &r, NULL) == PL_OK) {
        json_t *j = pl_c2pa_json(r);

        consistent(r);
        if (!j)
            abort();
        json_decref(j);
    }
    pl_arena_free(a);
    return 0;
}
