/* Compressed manifests (C2PA 2.x 11.2.5): a superbox c2cm with one box brob, the Brotli stream
 * (RFC 7932) of a whole manifest of the same label. */
#include "base/banned.h"

#include "engine/media/c2pa/c2pa_int.h"

#include <brotli/decode.h>

static pl_rc bad(pl_error *err, const char *what)
{
    return pl_fail(err, PL_INVALID, "compressed manifest: %s", what);
}

/* What it unpacks to, in the arena; no more than C2PA_UNPACKED_MAX, whatever the stream says. */
static pl_rc unpack(pl_str packed, pl_arena *a, pl_str *out, pl_error *err)
{
    BrotliDecoderState *s = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    const uint8_t      *in = (const uint8_t *)packed.p;
    size_t              left = packed.n;
    pl_buf              b = PL_BUF_INIT(C2PA_UNPACKED_MAX);
    BrotliDecoderResult r = s ? BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT : BROTLI_DECODER_RESULT_ERROR;
    pl_rc               rc = PL_OK;

    while (r == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT && !b.failed) {
        uint8_t piece[16384], *to = piece;
        size_t  room = sizeof piece;

        r = BrotliDecoderDecompressStream(s, &left, &in, &room, &to, NULL);
        pl_buf_put(&b, (pl_str){ (const char *)piece, sizeof piece - room });
    }
    BrotliDecoderDestroyInstance(s);
    if (b.failed)
        rc = bad(err, "it unpacks to too much");
    else if (r != BROTLI_DECODER_RESULT_SUCCESS || left > 0)
        rc = bad(err, "no Brotli stream, or something behind it");
    if (rc == PL_OK) {
        char *p = pl_arena_alloc(a, b.n + 1);
        if (p)
            memcpy(p, b.p, b.n);
        else
            rc = bad(err, "it unpacks to too much");
        *out = (pl_str){ p, b.n };
    }
    pl_buf_done(&b);
    return rc;
}

pl_rc pl_c2pa_uncompress(const jumbf_box *box, pl_arena *a, jumbf_box *out, pl_error *err)
{
    const jumbf_box *inner = NULL;
    pl_str           bytes;
    pl_error         why;
    pl_rc            rc;

    if (box->n != 1 || box->items[0].type != JUMBF_BROB)
        return bad(err, "it holds something else");
    rc = unpack(box->items[0].payload, a, &bytes, err);
    if (rc == PL_OK && pl_jumbf_parse(bytes, a, &inner, &why) != PL_OK)
        rc = bad(err, why.text);
    if (rc == PL_OK && inner->payload.n + 8 != bytes.n)
        rc = bad(err, "something stands behind the manifest");
    if (rc == PL_OK && !pl_jumbf_is(inner, "c2ma") && !pl_jumbf_is(inner, "c2um"))
        rc = bad(err, "it unpacks to no manifest");
    if (rc == PL_OK && !pl_str_eq(inner->label, box->label))
        rc = bad(err, "its label is another");
    if (rc != PL_OK)
        return rc;
    *out = *inner;
    out->payload = box->payload; /* references hash the form that is stored */
    return PL_OK;
}
