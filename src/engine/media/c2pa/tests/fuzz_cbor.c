/* What is read is inside the input, and an item that says it is deterministic is written again to
 * the same bytes by the writer. */
#include "engine/media/c2pa/cbor.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const cbor_item *i, pl_buf *b)
{
    size_t n = i->kind == CBOR_MAP ? 2 * i->n : i->kind == CBOR_TAG ? 1 : i->n;

    switch (i->kind) {
    case CBOR_UINT:
    case CBOR_NINT:
    case CBOR_SIMPLE:
    case CBOR_FLOAT:
        pl_buf_put(b, i->raw);
        return;
    case CBOR_BYTES:
        pl_cbor_put_bytes(b, i->str);
        return;
    case CBOR_TEXT:
        pl_cbor_put_text(b, i->str);
        return;
    case CBOR_ARRAY:
        pl_cbor_put_array(b, i->n);
        break;
    case CBOR_MAP:
        pl_cbor_put_map(b, i->n);
        break;
    case CBOR_TAG:
        pl_cbor_put_tag(b, i->value);
        break;
    }
    for (size_t k = 0; k < n; k++)
        write_again(&i->items[k], b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pl_arena        *a = pl_arena_new(64u << 20);
    const cbor_item *i = NULL;
    pl_buf           b = PL_BUF_INIT(size + 16);

    if (pl_cbor_parse((pl_str){ (const char *)data, size }, a, &i, NULL) == PL_OK) {
        if (i->raw.n != size || memcmp(i->raw.p, data, size) != 0)
            abort();
        if (pl_cbor_is_deterministic(i)) {
            write_again(i, &b);
            if (b.failed || b.n != size || memcmp(b.p, data, size) != 0)
                abort();
        }
    }
    pl_buf_done(&b);
    pl_arena_free(a);
    return 0;
}
