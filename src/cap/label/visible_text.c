/* Drawing the wording with real fonts: Pango on Cairo. */
#include "base/banned.h"

#include "cap/label/visible_int.h"

#include <math.h>
#include <pango/pangocairo.h>

/* fontconfig keeps what it knows of fonts where the leak checker does not look. */
#if defined(__has_feature)
#define WITH_LSAN __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define WITH_LSAN 1
#else
#define WITH_LSAN 0
#endif
#if WITH_LSAN
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig\n";
}
#endif

#define FONT "Noto Sans CJK SC,Noto Sans,sans-serif"

typedef struct draw {
    PangoLayout *layout;
    cairo_t     *cr;
    int          pad; /* around the text, for outline and panel */
} draw;

/* Height of the ink of a capital A at that font size: what 5 % is measured at, as it is lower than
 * an ideograph of the same size. */
static int capital_height(PangoLayout *l, double size)
{
    PangoFontDescription *f = pango_font_description_from_string(FONT);
    PangoRectangle        ink;

    pango_font_description_set_weight(f, PANGO_WEIGHT_BOLD);
    pango_font_description_set_absolute_size(f, size * PANGO_SCALE);
    pango_layout_set_font_description(l, f);
    pango_font_description_free(f);
    pango_layout_set_text(l, "A", 1);
    pango_layout_get_pixel_extents(l, &ink, NULL);
    return ink.height;
}

/* The smallest size at which the capital is high enough. */
static void fit_size(PangoLayout *l, int glyph_h, int *got)
{
    double size = glyph_h / 0.75;

    *got = capital_height(l, size);
    for (int i = 0; i < 64 && *got < glyph_h; i++) {
        size = size * 1.02 + 0.5;
        *got = capital_height(l, size);
    }
}

static cairo_surface_t *surface_new(int w, int h, cairo_t **cr)
{
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_A8, w, h);

    *cr = cairo_create(s);
    return s;
}

static uint8_t *copy_out(cairo_surface_t *s, int w, int h)
{
    uint8_t             *p = malloc((size_t)w * (size_t)h);
    const unsigned char *from;

    cairo_surface_flush(s);
    from = cairo_image_surface_get_data(s);
    for (int y = 0; p && from && y < h; y++)
        memcpy(p + (size_t)y * (size_t)w, from + (size_t)y * (size_t)cairo_image_surface_get_stride(s),
               (size_t)w);
    return p;
}

/* The glyphs, or a stroke around them. */
static uint8_t *plane(PangoLayout *l, int w, int h, double x, double y, double stroke)
{
    cairo_t         *cr;
    cairo_surface_t *s = surface_new(w, h, &cr);
    uint8_t         *p = NULL;

    cairo_set_source_rgba(cr, 0, 0, 0, 1);
    cairo_move_to(cr, x, y);
    pango_cairo_update_layout(cr, l);
    pango_cairo_layout_path(cr, l);
    if (stroke > 0) {
        cairo_set_line_width(cr, stroke);
        cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
        cairo_stroke_preserve(cr);
    }
    cairo_fill(cr);
    if (cairo_status(cr) == CAIRO_STATUS_SUCCESS)
        p = copy_out(s, w, h);
    cairo_destroy(cr);
    cairo_surface_destroy(s);
    return p;
}

void pl_visible_mask_done(visible_mask *m)
{
    free(m->glyph);
    free(m->outline);
    *m = (visible_mask){ 0 };
}

static pl_rc render(PangoLayout *l, pl_str wording, int glyph_h, int max_w, int max_h,
                    visible_mask *out, pl_error *err)
{
    PangoRectangle ink, logical;
    int            pad, got;
    visible_mask   m = { 0 };

    fit_size(l, glyph_h, &got);
    pad = got / 3 + 1;
    pango_layout_set_text(l, wording.p, (int)wording.n);
    pango_layout_set_width(l, (max_w - 2 * pad) * PANGO_SCALE);
    pango_layout_set_wrap(l, PANGO_WRAP_WORD_CHAR);
    pango_layout_get_pixel_extents(l, &ink, &logical);
    if (pango_layout_get_unknown_glyphs_count(l) > 0)
        return pl_fail(err, PL_IO, "no font has the characters of the label: install fonts-noto-cjk");
    m.w = ink.width + 2 * pad;
    m.h = ink.height + 2 * pad;
    m.glyph_h = got;
    if (m.w > max_w || m.h > max_h)
        return pl_fail(err, PL_INVALID, "the picture is too small for a label of %d pixels height",
                       glyph_h);
    m.glyph = plane(l, m.w, m.h, pad - ink.x, pad - ink.y, 0);
    m.outline = plane(l, m.w, m.h, pad - ink.x, pad - ink.y, fmax(1.5, got / 7.0));
    if (!m.glyph || !m.outline) {
        pl_visible_mask_done(&m);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    *out = m;
    return PL_OK;
}

pl_rc pl_visible_render(pl_str wording, int glyph_h, int max_w, int max_h, visible_mask *out,
                        pl_error *err)
{
    PangoFontMap *fonts = pango_cairo_font_map_get_default(); /* this thread's own, and it stays */
    PangoContext *c = fonts ? pango_font_map_create_context(fonts) : NULL;
    PangoLayout  *l = c ? pango_layout_new(c) : NULL;
    pl_rc         rc = l ? render(l, wording, glyph_h, max_w, max_h, out, err)
                         : pl_fail(err, PL_NOMEM, "out of memory");

    if (l)
        g_object_unref(l);
    if (c)
        g_object_unref(c);
    return rc;
}

pl_rc pl_visible_draw(const pl_visible_style *s, pl_str wording, int glyph_h, int max_w, int max_h,
                      visible_mask *out, pl_error *err)
{
    return s->fonts ? s->fonts->render(s->fonts->ctx, wording, glyph_h, max_w, max_h, out, err)
                    : pl_visible_render(wording, glyph_h, max_w, max_h, out, err);
}
