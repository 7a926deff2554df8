/* Labels that are seen and heard, measured on what comes out: decoded again by the libraries the
 * viewers use, not by the code under test. */
#include "base/file.h"
#include "base/str.h"
#include "cap/label/child.h"
#include "cap/label/visible.h"
#include "pl_test.h"

#include <jpeglib.h>
#include <math.h>
#include <png.h>
#include <sys/stat.h>
#include <webp/decode.h>
#include <webp/encode.h>

typedef struct picture {
    int      w, h;
    uint8_t *p; /* grey */
} picture;

typedef enum ground { LIGHT, DARK, BUSY, STRIPES } ground;

static picture paint(int w, int h, ground g)
{
    picture  x = { w, h, malloc((size_t)w * (size_t)h) };
    uint32_t r = 12345;

    for (int i = 0; i < w * h; i++) {
        r = r * 1664525 + 1013904223;
        x.p[i] = g == LIGHT ? 240 : g == DARK ? 10 : g == BUSY ? (uint8_t)(r >> 24) : i % w / 3 % 2 ? 255 : 0;
    }
    return x;
}

static pl_buf to_png(const picture *x)
{
    pl_buf    b = PL_BUF_INIT(64u << 20);
    png_image i = { .version = PNG_IMAGE_VERSION, .width = (uint32_t)x->w, .height = (uint32_t)x->h,
                    .format = PNG_FORMAT_GRAY };
    png_alloc_size_t n = 0;
    char            *bytes;

    assert_true(png_image_write_to_memory(&i, NULL, &n, 0, x->p, 0, NULL));
    bytes = malloc(n);
    assert_true(png_image_write_to_memory(&i, bytes, &n, 0, x->p, 0, NULL));
    pl_buf_put(&b, (pl_str){ bytes, n });
    free(bytes);
    return b;
}

static picture from_png(pl_str in)
{
    png_image i = { .version = PNG_IMAGE_VERSION };
    picture   x;

    assert_true(png_image_begin_read_from_memory(&i, in.p, in.n));
    i.format = PNG_FORMAT_GRAY;
    x = (picture){ (int)i.width, (int)i.height, malloc(PNG_IMAGE_SIZE(i)) };
    assert_true(png_image_finish_read(&i, NULL, x.p, 0, NULL));
    return x;
}

static pl_visible_report labelled(pl_media_format f, pl_str in, const pl_visible_style *s, pl_buf *out)
{
    pl_visible_report r;
    pl_error          err;

    assert_ok(pl_visible_image(f, in, s, out, &r, &err), &err);
    return r;
}

/* --- the standard's sizes ------------------------------------------------------------------------- */

/* PROVES: GB45438-2025/5.2 */
static void image__has_glyphs_of_a_twentieth_of_the_shorter_side(void **state)
{
    static const int sizes[][2] = { { 400, 300 }, { 300, 400 }, { 1000, 1000 }, { 1921, 1081 }, { 200, 90 } };

    (void)state;
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        picture          dark = paint(sizes[k][0], sizes[k][1], DARK), got;
        pl_buf           in = to_png(&dark), out = PL_BUF_INIT(64u << 20);
        pl_visible_style s = { .wording = PL_STR("AI生成") };
        pl_visible_report r = labelled(PL_MEDIA_PNG, pl_buf_str(&in), &s, &out);
        int shorter = dark.w < dark.h ? dark.w : dark.h, top = dark.h, bottom = -1;

        /* Rows of the capital A: bright pixels in the first glyph's width. */
        got = from_png(pl_buf_str(&out));
        for (int y = 0; y < got.h; y++)
            for (int x = r.x; x < r.x + r.h; x++)
                if (got.p[y * got.w + x] > 200) {
                    top = y < top ? y : top;
                    bottom = y > bottom ? y : bottom;
                }
        if (bottom - top + 1 < (int)ceil(0.05 * shorter) - 1) /* one row is anti-aliasing */
            fail_msg("%dx%d: glyphs are %d high", dark.w, dark.h, bottom - top + 1);
        assert_true(r.glyph_h >= (int)ceil(0.05 * shorter));
        assert_true(r.x >= 0 && r.y >= 0 && r.x + r.w <= got.w && r.y + r.h <= got.h);
        free(dark.p);
        free(got.p);
        pl_buf_done(&in);
        pl_buf_done(&out);
    }
}

static void image__is_readable_on_every_ground(void **state)
{
    (void)state;
    for (ground g = LIGHT; g <= STRIPES; g++) {
        picture           x = paint(640, 480, g);
        pl_buf            in = to_png(&x), out = PL_BUF_INIT(64u << 20);
        pl_visible_style  s = { .percent = 6 };
        pl_visible_report r = labelled(PL_MEDIA_PNG, pl_buf_str(&in), &s, &out);

        if (r.contrast < 4.5)
            fail_msg("ground %d: contrast %.2f", (int)g, r.contrast);
        free(x.p);
        pl_buf_done(&in);
        pl_buf_done(&out);
    }
}

/* The rest of the picture is what it was; so is its metadata. */
static void png__changes_nothing_outside_the_label(void **state)
{
    picture           x = paint(640, 480, BUSY), got;
    pl_buf            in = to_png(&x), out = PL_BUF_INIT(64u << 20);
    pl_visible_style  s = { .place = PL_VISIBLE_TOP_LEFT };
    pl_visible_report r = labelled(PL_MEDIA_PNG, pl_buf_str(&in), &s, &out);

    (void)state;
    got = from_png(pl_buf_str(&out));
    assert_int_equal(r.place, PL_VISIBLE_TOP_LEFT);
    for (int i = 0; i < x.w * x.h; i++) {
        int px = i % x.w, py = i / x.w;

        if (px >= r.x && px < r.x + r.w && py >= r.y && py < r.y + r.h)
            continue;
        if (got.p[i] != x.p[i])
            fail_msg("pixel %d,%d", px, py);
    }
    free(x.p);
    free(got.p);
    pl_buf_done(&in);
    pl_buf_done(&out);
}

static void image__goes_to_the_calm_corner(void **state)
{
    picture           x = paint(640, 480, BUSY);
    pl_buf            in, out = PL_BUF_INIT(64u << 20);
    pl_visible_style  s = { .percent = 5 };
    pl_visible_report r;

    (void)state;
    for (int y = 0; y < 120; y++)
        memset(x.p + y * x.w, 128, 320); /* top left */
    in = to_png(&x);
    r = labelled(PL_MEDIA_PNG, pl_buf_str(&in), &s, &out);
    assert_int_equal(r.place, PL_VISIBLE_TOP_LEFT);
    free(x.p);
    pl_buf_done(&in);
    pl_buf_done(&out);
}

/* --- JPEG ---------------------------------------------------------------------------------------------- */

/* orientation 0: no EXIF */
static pl_buf to_jpeg(const picture *x, unsigned orientation, bool progressive)
{
    uint8_t exif[] = { 'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1,
                       0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, (uint8_t)orientation, 0, 0, 0, 0, 0, 0 };
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr       e;
    unsigned char              *p = NULL;
    unsigned long               n = 0;
    pl_buf                      b = PL_BUF_INIT(64u << 20);
    uint8_t                    *row = malloc(3 * (size_t)x->w);

    c.err = jpeg_std_error(&e);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &p, &n);
    c.image_width = (JDIMENSION)x->w;
    c.image_height = (JDIMENSION)x->h;
    c.input_components = 3;
    c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c); /* colour at half resolution both ways */
    jpeg_set_quality(&c, 85, TRUE);
    if (progressive)
        jpeg_simple_progression(&c);
    jpeg_start_compress(&c, TRUE);
    if (orientation)
        jpeg_write_marker(&c, JPEG_APP0 + 1, exif, sizeof exif);
    jpeg_write_marker(&c, JPEG_COM, (const JOCTET *)"a comment", 9);
    while (c.next_scanline < c.image_height) {
        for (int i = 0; i < x->w; i++) {
            uint8_t v = x->p[(int)c.next_scanline * x->w + i];

            row[3 * i] = v;
            row[3 * i + 1] = (uint8_t)(v / 2 + 20);
            row[3 * i + 2] = (uint8_t)(200 - v / 2);
        }
        (void)jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    pl_buf_put(&b, (pl_str){ (char *)p, n });
    free(p);
    free(row);
    return b;
}

static picture from_jpeg(pl_str in)
{
    struct jpeg_decompress_struct d;
    struct jpeg_error_mgr         e;
    picture                       x;

    d.err = jpeg_std_error(&e);
    jpeg_create_decompress(&d);
    jpeg_mem_src(&d, (const unsigned char *)in.p, in.n);
    (void)jpeg_read_header(&d, TRUE);
    d.out_color_space = JCS_GRAYSCALE;
    (void)jpeg_start_decompress(&d);
    x = (picture){ (int)d.output_width, (int)d.output_height, malloc((size_t)d.output_width * d.output_height) };
    while (d.output_scanline < d.output_height) {
        uint8_t *row = x.p + d.output_scanline * d.output_width;

        (void)jpeg_read_scanlines(&d, &row, 1);
    }
    jpeg_destroy_decompress(&d);
    return x;
}

/* Where pixels changed by more than rounding. */
typedef struct box {
    int x0, y0, x1, y1;
} box;

static box changed(const picture *a, const picture *b)
{
    box c = { a->w, a->h, -1, -1 };

    for (int i = 0; i < a->w * a->h; i++)
        if (abs(a->p[i] - b->p[i]) > 0) {
            int x = i % a->w, y = i / a->w;

            c = (box){ x < c.x0 ? x : c.x0, y < c.y0 ? y : c.y0, x > c.x1 ? x : c.x1, y > c.y1 ? y : c.y1 };
        }
    return c;
}

static void jpeg__changes_only_the_blocks_under_the_label(void **state)
{
    (void)state;
    for (int progressive = 0; progressive < 2; progressive++) {
        picture           x = paint(640, 480, BUSY), before, after;
        pl_buf            in = to_jpeg(&x, 0, progressive), out = PL_BUF_INIT(64u << 20);
        pl_visible_style  s = { .place = PL_VISIBLE_BOTTOM_RIGHT };
        pl_visible_report r = labelled(PL_MEDIA_JPEG, pl_buf_str(&in), &s, &out);
        box               c;

        before = from_jpeg(pl_buf_str(&in));
        after = from_jpeg(pl_buf_str(&out));
        c = changed(&before, &after);
        assert_true(c.x0 >= r.x - 16 && c.y0 >= r.y - 16);
        assert_true(c.x1 < r.x + r.w + 16 && c.y1 < r.y + r.h + 16);
        assert_true(c.x1 - c.x0 > r.w / 2);
        assert_non_null(memmem(out.p, out.n, "a comment", 9));
        free(x.p);
        free(before.p);
        free(after.p);
        pl_buf_done(&in);
        pl_buf_done(&out);
    }
}

/* The corner is that of the picture as it is shown. */
static void jpeg__follows_the_orientation(void **state)
{
    /* Which corner of the stored picture is the bottom right of the shown one: EXIF 2.32 4.6.4. */
    static const struct {
        unsigned orientation;
        bool     right, bottom;
    } cases[] = { { 1, true, true },  { 2, false, true }, { 3, false, false }, { 4, true, false },
                  { 5, true, true },  { 6, true, false }, { 7, false, false }, { 8, false, true } };

    (void)state;
    for (size_t k = 0; k < 8; k++) {
        picture          x = paint(320, 200, DARK), before, after;
        pl_buf           in = to_jpeg(&x, cases[k].orientation, false), out = PL_BUF_INIT(64u << 20);
        pl_visible_style s = { .place = PL_VISIBLE_BOTTOM_RIGHT };
        box              c;

        (void)labelled(PL_MEDIA_JPEG, pl_buf_str(&in), &s, &out);
        before = from_jpeg(pl_buf_str(&in));
        after = from_jpeg(pl_buf_str(&out));
        c = changed(&before, &after);
        if (((c.x0 + c.x1) / 2 > x.w / 2) != cases[k].right || ((c.y0 + c.y1) / 2 > x.h / 2) != cases[k].bottom)
            fail_msg("orientation %u: %d,%d to %d,%d", cases[k].orientation, c.x0, c.y0, c.x1, c.y1);
        /* Turned pictures have a label that stands upright in the file. */
        assert_int_equal(c.x1 - c.x0 > c.y1 - c.y0, cases[k].orientation < 5);
        free(x.p);
        free(before.p);
        free(after.p);
        pl_buf_done(&in);
        pl_buf_done(&out);
    }
}

static void jpeg__refuses_pictures_that_end_too_early(void **state)
{
    picture           x = paint(640, 480, BUSY);
    pl_visible_style  s = { .percent = 5 };
    pl_visible_report r;
    pl_error          err;

    (void)state;
    for (int progressive = 0; progressive < 2; progressive++) {
        pl_buf in = to_jpeg(&x, 0, progressive);

        for (size_t part = 1; part < 10; part++) {
            pl_buf out = PL_BUF_INIT(64u << 20);

            assert_rc(pl_visible_image(PL_MEDIA_JPEG, (pl_str){ in.p, in.n * part / 10 }, &s, &out, &r, &err), PL_INVALID);
            pl_buf_done(&out);
        }
        pl_buf_done(&in);
    }
    free(x.p);
}

/* --- WebP ------------------------------------------------------------------------------------------------ */

static void webp__keeps_lossless_pixels(void **state)
{
    int               w = 300, h = 200, gw, gh;
    uint8_t          *rgb = malloc(3 * 300 * 200), *webp = NULL, *got;
    size_t            n;
    pl_buf            out = PL_BUF_INIT(64u << 20);
    pl_visible_style  s = { .place = PL_VISIBLE_TOP_RIGHT };
    pl_visible_report r;

    (void)state;
    for (int i = 0; i < 3 * w * h; i++)
        rgb[i] = (uint8_t)(i * 7 % 251);
    n = WebPEncodeLosslessRGB(rgb, w, h, 3 * w, &webp);
    r = labelled(PL_MEDIA_WEBP, (pl_str){ (char *)webp, n }, &s, &out);
    got = WebPDecodeRGB((uint8_t *)out.p, out.n, &gw, &gh);
    assert_non_null(got);
    assert_int_equal(gw, w);
    for (int i = 0; i < w * h; i++) {
        int x = i % w, y = i / w;

        if (x < r.x || x >= r.x + r.w || y < r.y || y >= r.y + r.h)
            assert_memory_equal(got + 3 * i, rgb + 3 * i, 3);
    }
    WebPFree(got);
    WebPFree(webp);
    free(rgb);
    pl_buf_done(&out);
}

static void image__refuses_what_it_cannot_label(void **state)
{
    pl_buf            out = PL_BUF_INIT(1u << 20), tiny;
    pl_visible_style  s = { .percent = 5 };
    pl_visible_report r;
    pl_error          err;
    picture           x = paint(20, 10, DARK);

    (void)state;
    tiny = to_png(&x);
    assert_rc(pl_visible_image(PL_MEDIA_PNG, pl_buf_str(&tiny), &s, &out, &r, &err), PL_INVALID);
    for (pl_media_format f = PL_MEDIA_JPEG; f <= PL_MEDIA_WEBP; f++) {
        assert_rc(pl_visible_image(f, PL_STR(""), &s, &out, &r, &err), PL_INVALID);
        assert_rc(pl_visible_image(f, PL_STR("\x89PNG\r\n\x1a\n and then nothing"), &s, &out, &r, &err), PL_INVALID);
        for (size_t cut = 1; cut < tiny.n; cut++)
            assert_int_not_equal(pl_visible_image(f, (pl_str){ tiny.p, cut }, &s, &out, &r, &err), PL_OK);
    }
    assert_rc(pl_visible_image(PL_MEDIA_BMP, pl_buf_str(&tiny), &s, &out, &r, &err), PL_NOTFOUND);
    free(x.p);
    pl_buf_done(&tiny);
    pl_buf_done(&out);
}

/* PROVES: GB45438-2025/5.2 PROVES: GB45438-2025/5.4 */
static void style_check__refuses_what_breaks_the_standard(void **state)
{
    static const struct {
        pl_visible_style s;
        const char      *clause; /* NULL: conforms */
    } cases[] = {
        { { .wording = { NULL, 0 } }, NULL },
        { { .wording = { "人工智能合成", 18 } }, NULL },
        { { .wording = { "AI", 2 } }, "5.2" },
        { { .wording = { "AI创作", 8 } }, "5.2" },
        { { .wording = { "智能生成", 12 } }, "5.2" },
        { { .percent = 5 }, NULL },
        { { .percent = 4.9 }, "5.2" },
        { { .percent = -1 }, "5.2" },
        { { .percent = 90 }, "5.2" },
        { { .percent = (double)NAN }, "5.2" },
        { { .seconds = 2 }, NULL },
        { { .seconds = 1.9 }, "5.4" },
    };
    pl_error err;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_rc rc = pl_visible_style_check(&cases[i].s, &err);

        assert_int_equal(rc, cases[i].clause ? PL_INVALID : PL_OK);
        if (cases[i].clause)
            assert_non_null(strstr(err.text, cases[i].clause));
    }
}

/* --- sound -------------------------------------------------------------------------------------------------- */

static pl_buf wav_of(unsigned format, unsigned bits, unsigned channels, double seconds)
{
    pl_buf   b = PL_BUF_INIT(16u << 20);
    unsigned rate = 16000, frame = channels * bits / 8, n = (unsigned)(seconds * rate) * frame;
    uint32_t head[11] = { 0x46464952, 36 + n, 0x45564157, 0x20746D66, 16, format | channels << 16,
                          rate, rate * frame, frame | bits << 16, 0x61746164, n };

    pl_buf_put(&b, (pl_str){ (char *)head, sizeof head });
    for (unsigned i = 0; i < n; i++)
        pl_buf_putc(&b, bits == 8 ? (char)128 : '\0');
    return b;
}

static double first_channel(pl_str wav, unsigned format, unsigned bits, unsigned channels, size_t i)
{
    const uint8_t *p = (const uint8_t *)wav.p + 44 + i * channels * bits / 8;
    float          f;

    if (format == 3) {
        memcpy(&f, p, 4);
        return (double)f;
    }
    return bits == 8    ? (p[0] - 128) / 128.0
           : bits == 16 ? (int16_t)(p[0] | p[1] << 8) / 32768.0
           : bits == 24 ? (int32_t)((uint32_t)p[0] << 8 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 24) / 2147483648.0
                        : (int32_t)((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24) / 2147483648.0;
}

/* Lengths of the tones in milliseconds, by the loudness of 10 ms pieces. */
static size_t tones_of(pl_str wav, unsigned format, unsigned bits, unsigned channels, int *out, size_t max)
{
    size_t n = (wav.n - 44) / (channels * bits / 8), tones = 0;
    int    run = 0;

    for (size_t at = 0; at + 160 <= n; at += 160) {
        double sum = 0;

        for (size_t i = 0; i < 160; i++)
            sum += fabs(first_channel(wav, format, bits, channels, at + i));
        if (sum / 160 > 0.05) {
            run += 10;
        } else if (run > 0) {
            if (tones < max)
                out[tones++] = run;
            run = 0;
        }
    }
    if (run > 0 && tones < max)
        out[tones++] = run;
    return tones;
}

/* The last scan of a small file again and again: each costs a pass over the picture. */
static void jpeg__with_scans_without_end_is_refused_at_once(void **state)
{
    picture           x = { 1600, 1200, calloc(1600, 1200) };
    pl_buf            one = to_jpeg(&x, 0, true), many = PL_BUF_INIT(64u << 20), out = PL_BUF_INIT(64u << 20);
    pl_visible_style  s = { .percent = 5 };
    pl_visible_report r;
    pl_error          err;
    size_t            last = 0;

    (void)state;
    for (size_t i = 2; i + 1 < one.n; i++)
        if ((uint8_t)one.p[i] == 0xFF && (uint8_t)one.p[i + 1] == 0xDA)
            last = i;
    assert_true(last > 0);
    assert_ok(pl_visible_image(PL_MEDIA_JPEG, pl_buf_str(&one), &s, &out, &r, &err), &err);
    pl_buf_put(&many, (pl_str){ one.p, last });
    for (int i = 0; i < 400; i++)
        pl_buf_put(&many, (pl_str){ one.p + last, one.n - 2 - last });
    pl_buf_put(&many, (pl_str){ one.p + one.n - 2, 2 });
    assert_rc(pl_visible_image(PL_MEDIA_JPEG, pl_buf_str(&many), &s, &out, &r, &err), PL_INVALID);
    assert_non_null(strstr(err.text, "scans"));
    pl_buf_done(&one);
    pl_buf_done(&many);
    pl_buf_done(&out);
    free(x.p);
}

/* PROVES: GB45438-2025/5.3 */
static void wav__carries_short_long_short_short(void **state)
{
    static const unsigned formats[][3] = { { 1, 8, 1 }, { 1, 16, 2 }, { 1, 24, 1 }, { 1, 32, 2 }, { 3, 32, 2 } };
    pl_error err;

    (void)state;
    for (size_t k = 0; k < sizeof formats / sizeof formats[0]; k++) {
        unsigned         f = formats[k][0], bits = formats[k][1], ch = formats[k][2];
        pl_buf           in = wav_of(f, bits, ch, 8), out = PL_BUF_INIT(16u << 20);
        pl_visible_style s = { .sound = PL_AUDIBLE_START | PL_AUDIBLE_END };
        int              t[16];

        assert_ok(pl_audible_wav(pl_buf_str(&in), &s, &out, &err), &err);
        assert_int_equal(out.n, in.n);
        assert_int_equal(tones_of(pl_buf_str(&out), f, bits, ch, t, 16), 8);
        for (int i = 0; i < 8; i += 4) {
            double ratio = (double)t[i + 1] / t[i];

            assert_true(ratio > 2 && ratio < 4);
            assert_true(abs(t[i] - t[i + 2]) <= 20 && abs(t[i] - t[i + 3]) <= 20);
        }
        pl_buf_done(&in);
        pl_buf_done(&out);
    }
}

static void wav__changes_no_sample_elsewhere(void **state)
{
    pl_buf           in = wav_of(1, 16, 1, 10), out = PL_BUF_INIT(16u << 20);
    pl_visible_style s = { .sound = PL_AUDIBLE_MIDDLE };
    pl_error         err;

    (void)state;
    for (size_t i = 44; i < in.n; i++)
        in.p[i] = (char)(i * 31 % 253);
    assert_ok(pl_audible_wav(pl_buf_str(&in), &s, &out, &err), &err);
    assert_memory_equal(out.p, in.p, 44 + 32000 * 3); /* seconds 0 to 3 and 7 to 10 */
    assert_memory_equal(out.p + 44 + 32000 * 7, in.p + 44 + 32000 * 7, 32000 * 3);
    assert_true(memcmp(out.p + 44 + 32000 * 4, in.p + 44 + 32000 * 4, 32000) != 0);
    pl_buf_done(&in);
    pl_buf_done(&out);
}

static void wav__refuses_what_is_too_short_or_unknown(void **state)
{
    pl_buf           in = wav_of(1, 16, 1, 1), odd = wav_of(6, 8, 1, 8), out = PL_BUF_INIT(16u << 20);
    pl_visible_style s = { .sound = PL_AUDIBLE_START };
    pl_error         err;

    (void)state;
    assert_rc(pl_audible_wav(pl_buf_str(&in), &s, &out, &err), PL_INVALID);
    assert_rc(pl_audible_wav(pl_buf_str(&odd), &s, &out, &err), PL_INVALID);
    for (size_t cut = 0; cut < 60; cut++)
        assert_rc(pl_audible_wav((pl_str){ in.p, cut }, &s, &out, &err), PL_INVALID);
    pl_buf_done(&in);
    pl_buf_done(&odd);
    pl_buf_done(&out);
}

/* A clip of the operator's: two seconds at another rate, with quiet around what is said. */
static char *clip_make(const char *dir, unsigned rate, double freq, double seconds)
{
    size_t   quiet = rate / 2, said = (size_t)(seconds * rate), n = said + 2 * quiet;
    uint32_t head[11] = { 0x46464952, 36 + (uint32_t)(2 * n), 0x45564157, 0x20746D66, 16, 1 | 1u << 16, rate, rate * 2,
                          2 | 16u << 16, 0x61746164, (uint32_t)(2 * n) };
    pl_buf   b = PL_BUF_INIT(16u << 20);
    char    *path = NULL;
    pl_error err;

    pl_buf_put(&b, (pl_str){ (char *)head, sizeof head });
    for (size_t i = 0; i < n; i++) {
        double  v = i >= quiet && i < quiet + said ? 0.1 * sin(2 * M_PI * freq * (double)(i - quiet) / rate) : 0;
        int16_t x = (int16_t)lrint(v * 32767);
        pl_buf_put(&b, (pl_str){ (char *)&x, 2 });
    }
    assert_true(asprintf(&path, "%s/clip.wav", dir) > 0);
    assert_ok(pl_file_write_atomic(path, pl_buf_str(&b), 0644, &err), &err);
    pl_buf_done(&b);
    return path;
}

/* How much of a frequency there is from one second to another: amplitude. */
static double tone_at(pl_str wav, double freq, double from, double to)
{
    double re = 0, im = 0;
    size_t a = (size_t)(from * 16000), b = (size_t)(to * 16000);

    for (size_t i = a; i < b; i++) {
        double v = first_channel(wav, 1, 16, 1, i);
        re += v * cos(2 * M_PI * freq * (double)i / 16000);
        im += v * sin(2 * M_PI * freq * (double)i / 16000);
    }
    return 2 * sqrt(re * re + im * im) / (double)(b - a);
}

/* PROVES: GB45438-2025/5.3 */
static void wav__carries_a_clip_at_each_place_at_its_pitch_and_level(void **state)
{
    char    *dir = pl_test_mkdtemp();
    pl_error err;

    (void)state;
    for (unsigned rate = 8000; rate <= 48000; rate += 20000) {
        char            *clip = clip_make(dir, rate, 1000, 2);
        pl_buf           in = wav_of(1, 16, 1, 12), out = PL_BUF_INIT(16u << 20);
        pl_visible_style s = { .sound = PL_AUDIBLE_START | PL_AUDIBLE_MIDDLE | PL_AUDIBLE_END, .clip = clip };
        pl_str           w;

        memset(in.p + 44, 0, in.n - 44);
        assert_ok(pl_audible_wav(pl_buf_str(&in), &s, &out, &err), &err);
        w = pl_buf_str(&out);
        for (int k = 0; k < 3; k++) { /* 2.4 s each: at 0, 4.8, 9.6 s */
            double at = 4.8 * k;
            double level = tone_at(w, 1000, at + 0.4, at + 2.0);
            assert_true(level > 0.47 && level < 0.53);
            assert_true(tone_at(w, 1000, at + 0.02, at + 0.18) < 0.01);
            assert_true(tone_at(w, 3000, at + 0.4, at + 2.0) < 0.005); /* no mirror of another rate */
        }
        assert_true(tone_at(w, 1000, 3, 4.5) < 1e-4);
        pl_buf_done(&in);
        pl_buf_done(&out);
        free(clip);
    }
    pl_test_rmtree(dir);
}

static void wav__refuses_clips_that_say_nothing(void **state)
{
    char            *dir = pl_test_mkdtemp(), *clip = clip_make(dir, 8000, 1000, 0.2);
    pl_buf           in = wav_of(1, 16, 1, 12), out = PL_BUF_INIT(16u << 20);
    pl_visible_style s = { .clip = clip };
    pl_error         err;

    (void)state;
    assert_rc(pl_audible_wav(pl_buf_str(&in), &s, &out, &err), PL_INVALID); /* too short */
    free(clip);
    clip = clip_make(dir, 8000, 0, 2);
    s.clip = clip;
    assert_rc(pl_audible_wav(pl_buf_str(&in), &s, &out, &err), PL_INVALID); /* silent */
    assert_ok(pl_file_write_atomic(clip, PL_STR("no sound"), 0644, &err), &err);
    assert_rc(pl_audible_wav(pl_buf_str(&in), &s, &out, &err), PL_INVALID);
    s = (pl_visible_style){ .voice = "en" };
    assert_rc(pl_visible_style_check(&s, &err), PL_INVALID);
    pl_buf_done(&in);
    pl_buf_done(&out);
    free(clip);
    pl_test_rmtree(dir);
}

/* --- the child and ffmpeg ------------------------------------------------------------------------------------- */

static pl_rc run(const char *const *argv, const char *read, unsigned seconds, pl_buf *out, pl_error *err)
{
    pl_child c = { .argv = argv, .read = read, .seconds = seconds };

    return pl_child_run(&c, out, err);
}

static void child__is_kept_in_a_box(void **state)
{
    static const char *const missing[] = { "plumbline-no-such-program", NULL };
    static const char *const endless[] = { "sleep", "60", NULL };
    static const char *const network[] = { "perl", "-e", "use Socket; socket(my $s, PF_INET, SOCK_STREAM, 0) or die qq($!)", NULL };
    static const char *const works[] = { "perl", "-e", "use Socket; print 1", NULL };
    static const char *const fine[] = { "echo", "hello", NULL };
    char    *dir = pl_test_mkdtemp(), *secret = pl_path_join(dir, "secret");
    const char *const look[] = { "cat", secret, NULL };
    pl_buf   out = PL_BUF_INIT(100);
    pl_error err;

    (void)state;
    assert_ok(run(fine, NULL, 10, &out, &err), &err);
    assert_str(pl_buf_str(&out), "hello\n");
    assert_rc(run(missing, NULL, 10, NULL, &err), PL_IO);
    assert_rc(run(endless, NULL, 1, NULL, &err), PL_IO);
    assert_non_null(strstr(err.text, "did not end"));
    assert_ok(run(works, NULL, 10, NULL, &err), &err);
    assert_rc(run(network, NULL, 10, NULL, &err), PL_IO);
    assert_non_null(strstr(err.text, "not permitted"));
    assert_ok(pl_file_write_atomic(secret, PL_STR("secret"), 0644, &err), &err);
    assert_ok(run(look, secret, 10, &out, &err), &err);
    assert_rc(run(look, NULL, 10, NULL, &err), PL_IO);
    pl_buf_done(&out);
    free(secret);
    pl_test_rmtree(dir);
}

static void make(const char *dir, const char *name, const char *const *argv)
{
    pl_child c = { .argv = argv, .write = dir, .seconds = 60 };
    pl_error err;

    (void)name;
    assert_ok(pl_child_run(&c, NULL, &err), &err);
}

/* Mean grey of the corner box in one frame. */
static void frame(const char *path, const char *when, picture *out)
{
    const char *const argv[] = { "ffmpeg", "-v", "error", "-ss", when, "-i", path, "-frames:v", "1", "-f",
                                 "rawvideo", "-pix_fmt", "gray", "-", NULL };
    pl_child c = { .argv = argv, .read = path, .seconds = 60 };
    pl_buf   b = PL_BUF_INIT(4u << 20);
    pl_error err;

    assert_ok(pl_child_run(&c, &b, &err), &err);
    assert_int_equal(b.n, 320 * 240);
    *out = (picture){ 320, 240, (uint8_t *)b.p };
}

static int brightest(const picture *x)
{
    int most = 0;

    for (int i = 0; i < x->w * x->h; i++)
        most = x->p[i] > most ? x->p[i] : most;
    return most;
}

/* PROVES: GB45438-2025/5.4 */
static void video__shows_the_label_from_the_first_frame_for_two_seconds(void **state)
{
    char *dir = pl_test_mkdtemp(), *in = pl_path_join(dir, "in.mp4"), *out = pl_path_join(dir, "out.mp4");
    const char *const gen[] = { "ffmpeg", "-v", "error", "-f", "lavfi", "-i",
                                "color=c=0x202020:size=320x240:rate=25:duration=4", "-c:v", "libx264",
                                "-pix_fmt", "yuv420p", in, NULL };
    pl_visible_style s = { .place = PL_VISIBLE_BOTTOM_RIGHT };
    static const struct {
        const char *when;
        bool        labelled;
    } at[] = { { "0", true }, { "1.96", true }, { "2.4", false }, { "3.5", false } };
    pl_error err;

    (void)state;
    make(dir, in, gen);
    assert_ok(pl_visible_by_ffmpeg(PL_MEDIA_MP4, in, out, &s, &err), &err);
    for (size_t i = 0; i < 4; i++) {
        picture x;

        frame(out, at[i].when, &x);
        if ((brightest(&x) > 180) != at[i].labelled)
            fail_msg("at %s s: brightest is %d", at[i].when, brightest(&x));
        free(x.p);
    }
    assert_rc(pl_visible_by_ffmpeg(PL_MEDIA_MP4, in, out, &s, &err), PL_IO); /* out exists */
    free(in);
    free(out);
    pl_test_rmtree(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(image__has_glyphs_of_a_twentieth_of_the_shorter_side),
        cmocka_unit_test(image__is_readable_on_every_ground),
        cmocka_unit_test(png__changes_nothing_outside_the_label),
        cmocka_unit_test(image__goes_to_the_calm_corner),
        cmocka_unit_test(jpeg__changes_only_the_blocks_under_the_label),
        cmocka_unit_test(jpeg__follows_the_orientation),
        cmocka_unit_test(jpeg__refuses_pictures_that_end_too_early),
        cmocka_unit_test(webp__keeps_lossless_pixels),
        cmocka_unit_test(image__refuses_what_it_cannot_label),
        cmocka_unit_test(style_check__refuses_what_breaks_the_standard),
        cmocka_unit_test(jpeg__with_scans_without_end_is_refused_at_once),
        cmocka_unit_test(wav__carries_short_long_short_short),
        cmocka_unit_test(wav__changes_no_sample_elsewhere),
        cmocka_unit_test(wav__refuses_what_is_too_short_or_unknown),
        cmocka_unit_test(wav__carries_a_clip_at_each_place_at_its_pitch_and_level),
        cmocka_unit_test(wav__refuses_clips_that_say_nothing),
        cmocka_unit_test(child__is_kept_in_a_box),
        cmocka_unit_test(video__shows_the_label_from_the_first_frame_for_two_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
