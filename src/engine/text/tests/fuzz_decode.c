/* Property: whatever is decoded, findings lie inside the text, come in order, and carry a form of
 * decoding; and what the scanner is handed never exceeds the text. */
#include "base/banned.h"

#include "engine/text/decode.h"
#include "fuzz_int.h"

#define DECODED (PL_FORM_ENTITY | PL_FORM_PERCENT | PL_FORM_BASE64 | PL_FORM_ESCAPE)

static size_t text_n;

/* Every letter b, and every run of three bytes from it. */
static void scan(void *ctx, pl_str decoded, pl_text_emit_fn emit, void *emit_ctx)
{
    (void)ctx;
    CLAIM(decoded.n <= text_n);
    for (size_t i = 0; i < decoded.n; i++) {
        pl_text_finding one = { .score = 1, .start = i, .end = i + 1 };
        pl_text_finding three = { .rule = 1, .score = 1, .start = i > 2 ? i - 2 : 0, .end = i + 1 };

        if (decoded.p[i] == 'b' && (emit(emit_ctx, &one) != 0 || emit(emit_ctx, &three) != 0))
            return;
    }
}

static int found(void *ctx, const pl_text_finding *f)
{
    CLAIM(f->form & DECODED);
    return tally_add(ctx, f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = exact_copy(data, size);
    tally t = { .rules = 2, .text_n = size };

    text_n = size;
    pl_decode_scan((pl_str){ text, size }, scan, NULL, found, &t);
    free(text);
    return 0;
}
