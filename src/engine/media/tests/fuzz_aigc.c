/* A label that was read, and that we would write, is read back the same. */
#include "engine/media/aigc.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pl_arena      *a = pl_arena_new(64u << 20);
    pl_buf         b = PL_BUF_INIT(1u << 20);
    pl_aigc_report r, again;

    if (a && pl_aigc_read((pl_str){ (const char *)data, size }, a, &r, NULL) == PL_OK &&
        pl_aigc_check(&r.label, NULL) == PL_OK) {
        pl_aigc_format(&r.label, &b);
        if (pl_aigc_read((pl_str){ b.p, b.n }, a, &again, NULL) == PL_OK)
            for (int i = 0; i < PL_AIGC_MEMBERS; i++)
                if (again.label.m[i].n != r.label.m[i].n ||
                    memcmp(again.label.m[i].p, r.label.m[i].p, r.label.m[i].n) != 0)
                    abort();
    }
    pl_buf_done(&b);
    pl_arena_free(a);
    return 0;
}
