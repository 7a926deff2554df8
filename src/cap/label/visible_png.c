/* A label in a PNG: samples outside it keep their values and their depth; chunks of metadata are
 * copied byte by byte. Palettes and depths under eight bits are widened. */
#include "base/banned.h"

#include "cap/label/visible_int.h"

#include <png.h>
#include <setjmp.h>

typedef struct png_io {
    pl_str   in;
    size_t   at;
    pl_buf  *out;
    pl_error *err;
    char     text[128];
    jmp_buf  back;
} png_io;

typedef struct pixels {
    uint8_t *bytes;
    size_t   row;            /* bytes of a row */
    int      w, h, channels, depth, type;
} pixels;

static void on_error(png_structp p, png_const_charp text)
{
    png_io *io = png_get_error_ptr(p);

    (void)snprintf(io->text, sizeof io->text, "%s", text);
    longjmp(io->back, 1);
}

static void on_warning(png_structp p, png_const_charp text)
{
    (void)p, (void)text;
}

static void read_some(png_structp p, png_bytep to, size_t n)
{
    png_io *io = png_get_io_ptr(p);

    if (n > io->in.n - io->at)
        png_error(p, "it ends too early");
    memcpy(to, io->in.p + io->at, n);
    io->at += n;
}

static void write_some(png_structp p, png_bytep from, size_t n)
{
    png_io *io = png_get_io_ptr(p);

    pl_buf_put(io->out, (pl_str){ (const char *)from, n });
}

static void flush_none(png_structp p)
{
    (void)p;
}

/* --- reading --------------------------------------------------------------------------------- */

static pl_rc read_all(png_structp p, png_infop info, png_io *io, pixels *x)
{
    uint32_t w, h;
    int      passes;

    png_set_read_fn(p, io, read_some);
    png_set_user_limits(p, 1u << 20, 1u << 20);
    png_read_info(p, info);
    w = png_get_image_width(p, info);
    h = png_get_image_height(p, info);
    if ((uint64_t)w * h > PL_VISIBLE_PIXELS_MAX)
        return pl_fail(io->err, PL_LIMIT, "the picture is larger than %u pixels", PL_VISIBLE_PIXELS_MAX);
    png_set_expand(p);
    passes = png_set_interlace_handling(p);
    png_read_update_info(p, info);
    x->w = (int)w;
    x->h = (int)h;
    x->channels = png_get_channels(p, info);
    x->depth = png_get_bit_depth(p, info);
    x->type = png_get_color_type(p, info);
    x->row = png_get_rowbytes(p, info);
    x->bytes = malloc(x->row * h);
    if (!x->bytes)
        return pl_fail(io->err, PL_NOMEM, "out of memory");
    while (passes-- > 0)
        for (uint32_t y = 0; y < h; y++)
            png_read_row(p, x->bytes + y * x->row, NULL);
    return PL_OK;
}

static pl_rc decode(png_io *io, pixels *x)
{
    png_structp p = png_create_read_struct(PNG_LIBPNG_VER_STRING, io, on_error, on_warning);
    png_infop   info = p ? png_create_info_struct(p) : NULL;
    pl_rc       rc;

    if (!info)
        rc = pl_fail(io->err, PL_NOMEM, "out of memory");
    else if (setjmp(io->back))
        rc = pl_fail(io->err, PL_INVALID, "not a PNG that can be decoded: %s", io->text);
    else
        rc = read_all(p, info, io, x);
    png_destroy_read_struct(&p, info ? &info : NULL, NULL);
    return rc;
}

/* --- the label -------------------------------------------------------------------------------- */

static unsigned sample(const pixels *x, const uint8_t *px, int c)
{
    return x->depth == 16 ? (unsigned)(px[2 * c] << 8 | px[2 * c + 1]) : px[c];
}

static void sample_set(const pixels *x, uint8_t *px, int c, double v)
{
    unsigned u = (unsigned)(v + 0.5);

    if (x->depth == 16) {
        px[2 * c] = (uint8_t)(u >> 8);
        px[2 * c + 1] = (uint8_t)u;
    } else {
        px[c] = (uint8_t)u;
    }
}

static uint8_t *pixel(const pixels *x, int i, int j)
{
    return x->bytes + (size_t)j * x->row + (size_t)i * (size_t)x->channels * (size_t)(x->depth / 8);
}

static int colours(const pixels *x)
{
    return x->type & PNG_COLOR_MASK_COLOR ? 3 : 1;
}

/* What is transparent is taken as white: how most viewers show it. */
static void luma_of(const pixels *x, uint8_t *out)
{
    double max = x->depth == 16 ? 65535 : 255;

    for (int j = 0; j < x->h; j++)
        for (int i = 0; i < x->w; i++) {
            const uint8_t *px = pixel(x, i, j);
            double         v = colours(x) == 1 ? sample(x, px, 0)
                                               : 0.299 * sample(x, px, 0) + 0.587 * sample(x, px, 1) +
                                                     0.114 * sample(x, px, 2);
            double a = x->type & PNG_COLOR_MASK_ALPHA ? sample(x, px, colours(x)) / max : 1;

            out[(size_t)j * (size_t)x->w + (size_t)i] = (uint8_t)((v / max * a + (1 - a)) * 255);
        }
}

static void draw(const pixels *x, const visible_mask *m, const visible_layout *at)
{
    double max = x->depth == 16 ? 65535 : 255;
    bool   alpha = x->type & PNG_COLOR_MASK_ALPHA;

    for (int j = 0; j < m->h; j++)
        for (int i = 0; i < m->w; i++) {
            uint8_t *px = pixel(x, at->x + i, at->y + j);
            size_t   k = (size_t)j * (size_t)m->w + (size_t)i;
            double   low = pl_visible_blend(m, at, k, 0, 1), high = pl_visible_blend(m, at, k, 1, 1);
            double   cover = 1 - (high - low), a = alpha ? sample(x, px, colours(x)) / max : 1;

            for (int c = 0; c < colours(x); c++) {
                double v = sample(x, px, c) / max * a + (1 - a); /* over white */

                if (cover > 0)
                    sample_set(x, px, c, (alpha ? v : sample(x, px, c) / max) * (high - low) * max + low * max);
            }
            if (alpha && cover > 0)
                sample_set(x, px, colours(x), max * (a > cover ? a : 1));
        }
}

/* --- writing ------------------------------------------------------------------------------------ */

static pl_rc write_all(png_io *io, const pixels *x)
{
    png_structp p = png_create_write_struct(PNG_LIBPNG_VER_STRING, io, on_error, on_warning);
    png_infop   info = p ? png_create_info_struct(p) : NULL;
    pl_rc       rc = PL_OK;

    if (!info) {
        rc = pl_fail(io->err, PL_NOMEM, "out of memory");
    } else if (setjmp(io->back)) {
        rc = pl_fail(io->err, PL_INVALID, "the PNG cannot be written: %s", io->text);
    } else {
        png_set_write_fn(p, io, write_some, flush_none);
        png_set_IHDR(p, info, (uint32_t)x->w, (uint32_t)x->h, x->depth, x->type, PNG_INTERLACE_NONE,
                     PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
        png_write_info(p, info);
        for (int y = 0; y < x->h; y++)
            png_write_row(p, x->bytes + (size_t)y * x->row);
        png_write_end(p, NULL);
    }
    png_destroy_write_struct(&p, info ? &info : NULL);
    return rc;
}

static uint32_t be32(const char *p)
{
    const uint8_t *b = (const uint8_t *)p;

    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Chunks that stay true when pixels under a label change and palettes are widened. */
static bool is_kept(const char *type)
{
    static const char kept[][5] = { "gAMA", "cHRM", "sRGB", "iCCP", "cICP", "mDCV", "cLLI", "pHYs", "tEXt",
                                    "iTXt", "zTXt", "eXIf", "tIME", "caBX" };

    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (memcmp(type, kept[i], 4) == 0)
            return true;
    return type[0] >= 'a' && type[3] >= 'a'; /* ancillary and marked as safe to copy */
}

/* Copies kept chunks from one side of the image data. */
static void chunks_copy(pl_str in, bool before, pl_buf *out)
{
    bool   seen = false;
    size_t at = 8;

    while (in.n - at >= 12) {
        size_t      n = be32(in.p + at);
        const char *type = in.p + at + 4;

        if (n > in.n - at - 12)
            return;
        seen = seen || memcmp(type, "IDAT", 4) == 0;
        if (is_kept(type) && seen != before)
            pl_buf_put(out, (pl_str){ in.p + at, n + 12 });
        at += n + 12;
    }
}

static bool has_chunk(pl_str in, const char *want)
{
    for (size_t at = 8; in.n - at >= 12;) {
        size_t n = be32(in.p + at);

        if (memcmp(in.p + at + 4, want, 4) == 0)
            return true;
        if (n > in.n - at - 12)
            return false;
        at += n + 12;
    }
    return false;
}

/* IHDR, kept chunks, image data, kept chunks, IEND. */
static void assemble(pl_str in, pl_str plain, pl_buf *out)
{
    enum { HEAD = 33, IEND = 12 };

    pl_buf_put(out, (pl_str){ plain.p, HEAD });
    chunks_copy(in, true, out);
    pl_buf_put(out, (pl_str){ plain.p + HEAD, plain.n - HEAD - IEND });
    chunks_copy(in, false, out);
    pl_buf_put(out, (pl_str){ plain.p + plain.n - IEND, IEND });
}

static pl_rc label(const pixels *x, const pl_visible_style *s, pl_visible_report *r, pl_error *err)
{
    uint8_t       *luma = malloc((size_t)x->w * (size_t)x->h);
    visible_luma   l = { x->w, x->h, luma };
    visible_mask   m = { 0 };
    visible_layout at;
    pl_rc          rc;

    if (!luma)
        return pl_fail(err, PL_NOMEM, "out of memory");
    luma_of(x, luma);
    rc = pl_visible_prepare(&l, s, &m, &at, r, err);
    if (rc == PL_OK)
        draw(x, &m, &at);
    pl_visible_mask_done(&m);
    free(luma);
    return rc;
}

pl_rc pl_visible_png(pl_str in, const pl_visible_style *s, pl_buf *out, pl_visible_report *r,
                     pl_error *err)
{
    pl_buf  plain = PL_BUF_INIT(out->limit);
    png_io *io = calloc(1, sizeof *io);
    pixels  x = { 0 };
    pl_rc   rc;

    if (!io)
        return pl_fail(err, PL_NOMEM, "out of memory");
    io->in = in;
    io->out = &plain;
    io->err = err;
    if (in.n >= 8 && has_chunk(in, "acTL"))
        rc = pl_fail(err, PL_INVALID, "an animated PNG cannot be labelled");
    else
        rc = decode(io, &x);
    if (rc == PL_OK)
        rc = label(&x, s, r, err);
    if (rc == PL_OK)
        rc = write_all(io, &x);
    if (rc == PL_OK)
        rc = pl_buf_check(&plain, err);
    if (rc == PL_OK) {
        assemble(in, pl_buf_str(&plain), out);
        rc = pl_buf_check(out, err);
    }
    free(x.bytes);
    free(io);
    pl_buf_done(&plain);
    return rc;
}

/* --- for videos ---------------------------------------------------------------------------------- */

/* A label for pictures that are not at hand: on a panel that makes it readable on anything. */
pl_rc pl_visible_label_png(int w, int h, const pl_visible_style *s, pl_buf *out, int *x, int *y,
                           pl_error *err)
{
    uint8_t          *grey = malloc((size_t)w * (size_t)h);
    visible_luma      l = { w, h, grey };
    visible_mask      m = { 0 };
    visible_layout    at;
    pl_visible_report r;
    pixels            p = { .depth = 8, .type = PNG_COLOR_TYPE_RGB_ALPHA, .channels = 4 };
    png_io            io = { .out = out, .err = err };
    pl_rc             rc;

    if (!grey)
        return pl_fail(err, PL_NOMEM, "out of memory");
    for (size_t i = 0; i < (size_t)w * (size_t)h; i++)
        grey[i] = i % 2 ? 255 : 0; /* the hardest ground there is */
    rc = pl_visible_prepare(&l, s, &m, &at, &r, err);
    if (rc == PL_OK) {
        p.w = m.w;
        p.h = m.h;
        p.row = 4 * (size_t)m.w;
        p.bytes = malloc(p.row * (size_t)m.h);
        rc = p.bytes ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
    }
    for (size_t i = 0; rc == PL_OK && i < (size_t)m.w * (size_t)m.h; i++) {
        double low = pl_visible_blend(&m, &at, i, 0, 1), cover = 1 - (pl_visible_blend(&m, &at, i, 1, 1) - low);

        memset(p.bytes + 4 * i, cover > 0 ? (int)(low / cover * 255 + 0.5) : 0, 3);
        p.bytes[4 * i + 3] = (uint8_t)(cover * 255 + 0.5);
    }
    if (rc == PL_OK)
        rc = write_all(&io, &p);
    *x = rc == PL_OK ? at.x : 0;
    *y = rc == PL_OK ? at.y : 0;
    free(p.bytes);
    free(grey);
    pl_visible_mask_done(&m);
    return rc;
}
