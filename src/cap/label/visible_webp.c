/* A label in a WebP: decoded and encoded again, lossless when it was; other chunks are copied. */
#include "base/banned.h"

#include "cap/label/visible_int.h"

#include <webp/decode.h>
#include <webp/encode.h>

#define QUALITY 92.0f

static uint32_t le32(const char *p)
{
    const uint8_t *b = (const uint8_t *)p;

    return (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0];
}

static void put_le(pl_buf *b, uint32_t v, int n)
{
    for (int i = 0; i < n; i++)
        pl_buf_putc(b, (char)(v >> (8 * i)));
}

static void put_chunk(pl_buf *b, const char *type, pl_str body)
{
    pl_buf_put(b, (pl_str){ type, 4 });
    put_le(b, (uint32_t)body.n, 4);
    pl_buf_put(b, body);
    if (body.n % 2)
        pl_buf_putc(b, '\0');
}

typedef struct chunk {
    const char *type;
    pl_str      body;
} chunk;

static bool next(pl_str in, size_t *at, chunk *out)
{
    size_t n;

    if (in.n < 12 || *at > in.n - 8)
        return false;
    n = le32(in.p + *at + 4);
    if (n > in.n - *at - 8)
        return false;
    *out = (chunk){ in.p + *at, { in.p + *at + 8, n } };
    *at += 8 + n + n % 2;
    return true;
}

static void draw(uint8_t *rgba, int w, const visible_mask *m, const visible_layout *at)
{
    for (int j = 0; j < m->h; j++)
        for (int i = 0; i < m->w; i++) {
            uint8_t *px = rgba + 4 * ((size_t)(at->y + j) * (size_t)w + (size_t)(at->x + i));
            size_t   k = (size_t)j * (size_t)m->w + (size_t)i;
            double   low = pl_visible_blend(m, at, k, 0, 255), high = pl_visible_blend(m, at, k, 255, 255);

            if (high - low > 254.5)
                continue;
            for (int c = 0; c < 3; c++) {
                double v = px[c] * (px[3] / 255.0) + 255 - px[3]; /* over white */

                px[c] = (uint8_t)(v * (high - low) / 255 + low + 0.5);
            }
            px[3] = 255;
        }
}

static pl_rc label(uint8_t *rgba, int w, int h, const pl_visible_style *s, pl_visible_report *r,
                   pl_error *err)
{
    uint8_t       *luma = malloc((size_t)w * (size_t)h);
    visible_luma   l = { w, h, luma };
    visible_mask   m = { 0 };
    visible_layout at;
    pl_rc          rc;

    if (!luma)
        return pl_fail(err, PL_NOMEM, "out of memory");
    for (size_t i = 0; i < (size_t)w * (size_t)h; i++) {
        const uint8_t *px = rgba + 4 * i;

        luma[i] = (uint8_t)((0.299 * px[0] + 0.587 * px[1] + 0.114 * px[2]) * px[3] / 255.0 + 255 - px[3]);
    }
    rc = pl_visible_prepare(&l, s, &m, &at, r, err);
    if (rc == PL_OK)
        draw(rgba, w, &m, &at);
    pl_visible_mask_done(&m);
    free(luma);
    return rc;
}

static pl_rc encode(const uint8_t *rgba, int w, int h, bool lossless, pl_buf *out, pl_error *err)
{
    WebPConfig       c;
    WebPPicture      p;
    WebPMemoryWriter mem;
    bool             ok = WebPConfigInit(&c) && WebPPictureInit(&p);

    WebPMemoryWriterInit(&mem);
    c.lossless = lossless;
    c.quality = lossless ? 75 : QUALITY;
    c.exact = 1; /* colours under transparent pixels stay */
    p.use_argb = lossless;
    p.width = w;
    p.height = h;
    p.writer = WebPMemoryWrite;
    p.custom_ptr = &mem;
    ok = ok && WebPPictureImportRGBA(&p, rgba, 4 * w) && WebPEncode(&c, &p);
    if (ok)
        pl_buf_put(out, (pl_str){ (const char *)mem.mem, mem.size });
    WebPPictureFree(&p);
    WebPMemoryWriterClear(&mem);
    return ok ? pl_buf_check(out, err) : pl_fail(err, PL_INVALID, "the WebP cannot be encoded");
}

/* Metadata of the old file around the image of the new one. */
static void assemble(pl_str in, pl_str fresh, int w, int h, bool alpha, pl_buf *out)
{
    pl_buf   body = PL_BUF_INIT(out->limit), rest = PL_BUF_INIT(out->limit);
    unsigned flags = alpha ? 0x10 : 0;
    size_t   at = 12;
    chunk    c;

    while (next(in, &at, &c)) {
        bool image = memcmp(c.type, "VP8", 3) == 0 || memcmp(c.type, "ALPH", 4) == 0;

        if (image)
            continue;
        flags |= memcmp(c.type, "ICCP", 4) == 0 ? 0x20 : memcmp(c.type, "EXIF", 4) == 0 ? 0x08
                 : memcmp(c.type, "XMP ", 4) == 0                                        ? 0x04
                                                                                         : 0;
        put_chunk(memcmp(c.type, "ICCP", 4) == 0 ? &body : &rest, c.type, c.body);
    }
    at = 12;
    while (next(fresh, &at, &c))
        if (memcmp(c.type, "VP8X", 4) != 0)
            put_chunk(&body, c.type, c.body);
    pl_buf_put(&body, pl_buf_str(&rest));
    pl_buf_puts(out, "RIFF");
    put_le(out, (uint32_t)(4 + 18 + body.n), 4);
    pl_buf_puts(out, "WEBPVP8X");
    put_le(out, 10, 4);
    put_le(out, flags, 4);
    put_le(out, (uint32_t)w - 1, 3);
    put_le(out, (uint32_t)h - 1, 3);
    pl_buf_put(out, pl_buf_str(&body));
    out->failed = out->failed || body.failed || rest.failed;
    pl_buf_done(&body);
    pl_buf_done(&rest);
}

pl_rc pl_visible_webp(pl_str in, const pl_visible_style *s, pl_buf *out, pl_visible_report *r,
                      pl_error *err)
{
    const uint8_t        *bytes = (const uint8_t *)in.p;
    pl_buf                fresh = PL_BUF_INIT(out->limit);
    WebPBitstreamFeatures f;
    uint8_t              *rgba;
    int                   w, h;
    pl_rc                 rc;

    if (WebPGetFeatures(bytes, in.n, &f) != VP8_STATUS_OK)
        return pl_fail(err, PL_INVALID, "not a WebP that can be decoded");
    if (f.has_animation)
        return pl_fail(err, PL_INVALID, "an animated WebP cannot be labelled");
    rgba = WebPDecodeRGBA(bytes, in.n, &w, &h);
    if (!rgba)
        return pl_fail(err, PL_INVALID, "not a WebP that can be decoded");
    rc = label(rgba, w, h, s, r, err);
    if (rc == PL_OK)
        rc = encode(rgba, w, h, f.format == 2, &fresh, err);
    if (rc == PL_OK) {
        assemble(in, pl_buf_str(&fresh), w, h, f.has_alpha, out);
        rc = pl_buf_check(out, err);
    }
    WebPFree(rgba);
    pl_buf_done(&fresh);
    return rc;
}
