/* Every box that is read lies inside the input and inside the box that holds it. */
#include "engine/media/c2pa/jumbf.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(const jumbf_box *b, pl_str in)
{
    if (b->payload.p < in.p || b->payload.p + b->payload.n > in.p + in.n)
        abort();
    if (b->label.n > 0 && (b->label.p < in.p || b->label.p + b->label.n > in.p + in.n))
        abort();
    for (size_t i = 0; i < b->n; i++)
        inside(&b->items[i], b->payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pl_arena        *a = pl_arena_new(64u << 20);
    pl_str           in = { (const char *)data, size };
    const jumbf_box *b = NULL;

    if (pl_jumbf_parse(in, a, &b, NULL) == PL_OK)
        inside(b, in);
    pl_arena_free(a);
    return 0;
}
