/* A document as PDF, drawn with Pango on Cairo: A4, page numbers, sections in the outline, text that can
 * be searched. Tables are rows of wrapped cells that break over pages; the head row is drawn again. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/disclosure/disclosure_int.h"

#include <cairo-pdf.h>
#include <pango/pangocairo.h>

#define PAGE_W   595.276 /* A4 in points */
#define PAGE_H   841.890
#define MARGIN   56.7
#define WIDTH    (PAGE_W - 2 * MARGIN)
#define BOTTOM   (PAGE_H - MARGIN)
#define CELL_PAD 4.0
#define COLUMNS_MAX 12
#define FONT     "Noto Sans, Noto Sans CJK SC"

typedef struct page {
    const json_t    *doc;
    cairo_surface_t *surface;
    cairo_t         *cr;
    PangoLayout     *layout;
    double           y;
    int              number;
} page;

static cairo_status_t pdf_write(void *ctx, const unsigned char *bytes, unsigned n)
{
    pl_buf_put(ctx, (pl_str){ (const char *)bytes, n });
    return CAIRO_STATUS_SUCCESS;
}

/* --- text --------------------------------------------------------------------------------------------- */

static double set_text(page *p, const char *text, const char *font, double width)
{
    PangoFontDescription *d = pango_font_description_from_string(font);
    int                   w, h;

    pango_layout_set_font_description(p->layout, d);
    pango_font_description_free(d);
    pango_layout_set_width(p->layout, (int)(width * PANGO_SCALE));
    pango_layout_set_text(p->layout, text, -1);
    pango_layout_get_size(p->layout, &w, &h);
    return (double)h / PANGO_SCALE;
}

static void footer(page *p)
{
    char line[80];

    (void)snprintf(line, sizeof line, "%d", p->number);
    pango_layout_set_alignment(p->layout, PANGO_ALIGN_CENTER);
    (void)set_text(p, line, FONT " 8", WIDTH);
    cairo_move_to(p->cr, MARGIN, PAGE_H - MARGIN / 2 - 8);
    pango_cairo_show_layout(p->cr, p->layout);
    pango_layout_set_alignment(p->layout, PANGO_ALIGN_LEFT);
}

static void page_turn(page *p)
{
    footer(p);
    cairo_show_page(p->cr);
    p->number++;
    p->y = MARGIN;
}

/* Line by line, so that a long text goes on on the next page. */
static void text_put(page *p, const char *text, const char *font, double x, double width, double after)
{
    PangoLayoutIter *it;

    (void)set_text(p, text, font, width);
    it = pango_layout_get_iter(p->layout);
    do {
        PangoLayoutLine *line = pango_layout_iter_get_line_readonly(it);
        PangoRectangle   r;
        double           h;

        pango_layout_iter_get_line_extents(it, NULL, &r);
        h = (double)r.height / PANGO_SCALE;
        if (p->y + h > BOTTOM) {
            pango_layout_line_ref(line);
            PangoLayout *kept = p->layout; /* the footer uses a layout of its own */

            p->layout = pango_layout_copy(kept);
            page_turn(p);
            g_object_unref(p->layout);
            p->layout = kept;
            pango_layout_line_unref(line);
        }
        cairo_move_to(p->cr, x + (double)r.x / PANGO_SCALE,
                      p->y + (double)pango_layout_iter_get_baseline(it) / PANGO_SCALE - (double)r.y / PANGO_SCALE);
        pango_cairo_show_layout_line(p->cr, line);
        p->y += h;
    } while (pango_layout_iter_next_line(it));
    pango_layout_iter_free(it);
    p->y += after;
}

static void heading_put(page *p, const char *text)
{
    if (p->y + 60 > BOTTOM) /* never alone at the end of a page */
        page_turn(p);
    p->y += 12;
    (void)cairo_pdf_surface_add_outline(p->surface, CAIRO_PDF_OUTLINE_ROOT, text, "", 0);
    text_put(p, text, FONT " Bold 13", MARGIN, WIDTH, 6);
}

/* --- fields ---------------------------------------------------------------------------------------------- */

static void with_entry(const json_t *doc, const json_t *v, const json_t *source, pl_buf *out)
{
    char entry[32];

    pl_buf_clear(out);
    pl_buf_puts(out, json_is_string(v) ? json_string_value(v) : disclosure_say(doc, WORD_MISSING));
    if (*disclosure_entry(source, entry))
        pl_buf_printf(out, " %s", entry);
}

/* Grey, and the words say it too. Chinese has no italics. */
static void set_missing(page *p, bool is_missing)
{
    double grey = is_missing ? 0.35 : 0;

    cairo_set_source_rgb(p->cr, grey, grey, grey);
}

static void field_put(page *p, const json_t *f)
{
    pl_buf text = PL_BUF_INIT(512u << 10);
    bool   missing = !json_is_string(json_object_get(f, "value"));
    double label, top;

    label = set_text(p, disclosure_at(f, "label"), FONT " Bold 9.5", 150);
    if (p->y + label > BOTTOM)
        page_turn(p);
    top = p->y;
    cairo_move_to(p->cr, MARGIN, top);
    (void)set_text(p, disclosure_at(f, "label"), FONT " Bold 9.5", 150);
    pango_cairo_show_layout(p->cr, p->layout);
    with_entry(p->doc, json_object_get(f, "value"), json_object_get(f, "source"), &text);
    set_missing(p, missing);
    text_put(p, text.p ? text.p : "", FONT " 9.5", MARGIN + 160, WIDTH - 160, 0);
    set_missing(p, false);
    if (p->y < top + label && p->y >= top)
        p->y = top + label;
    p->y += 4;
    pl_buf_done(&text);
}

/* --- tables ------------------------------------------------------------------------------------------------ */

typedef struct row {
    const char *cell[COLUMNS_MAX];
    size_t      n;
    bool        is_head;
} row;

static const char *row_font(const row *r)
{
    return r->is_head ? FONT " Bold 8.5" : FONT " 8.5";
}

static double row_height(page *p, const row *r)
{
    double width = WIDTH / (double)r->n, max = 0;

    for (size_t i = 0; i < r->n; i++) {
        double h = set_text(p, r->cell[i], row_font(r), width - 2 * CELL_PAD);

        max = h > max ? h : max;
    }
    return max + 2 * CELL_PAD;
}

/* A row higher than a page is cut off at its end: nothing in the registry makes one. */
static void row_draw(page *p, const row *r, double h)
{
    double width = WIDTH / (double)r->n;

    for (size_t i = 0; i < r->n; i++) {
        double x = MARGIN + width * (double)i;

        cairo_rectangle(p->cr, x, p->y, width, h);
        cairo_set_line_width(p->cr, 0.5);
        cairo_stroke(p->cr);
        (void)set_text(p, r->cell[i], row_font(r), width - 2 * CELL_PAD);
        cairo_move_to(p->cr, x + CELL_PAD, p->y + CELL_PAD);
        pango_cairo_show_layout(p->cr, p->layout);
    }
    p->y += h;
}

static void row_put(page *p, const row *r, const row *head)
{
    double h = row_height(p, r);

    if (p->y + h > BOTTOM) {
        page_turn(p);
        if (!r->is_head)
            row_draw(p, head, row_height(p, head));
    }
    row_draw(p, r, h);
}

static void table_put(page *p, const json_t *t)
{
    const json_t *columns = json_object_get(t, "columns"), *one;
    row           head = { .n = json_array_size(columns), .is_head = true };
    size_t        i;

    if (!json_is_object(t) || head.n == 0)
        return;
    head.n = head.n < COLUMNS_MAX ? head.n : COLUMNS_MAX;
    for (size_t k = 0; k < head.n; k++)
        head.cell[k] = json_string_value(json_array_get(columns, k));
    text_put(p, disclosure_at(t, "caption"), FONT " Bold 9.5", MARGIN, WIDTH, 3);
    row_put(p, &head, &head);
    json_array_foreach(json_object_get(t, "rows"), i, one) {
        row    r = { .n = head.n };
        pl_buf last = PL_BUF_INIT(64u << 10);

        for (size_t k = 0; k < r.n; k++) {
            const json_t *v = json_array_get(json_object_get(one, "cells"), k);

            r.cell[k] = json_is_string(v) ? json_string_value(v) : disclosure_say(p->doc, WORD_MISSING);
            if (k + 1 == r.n) {
                with_entry(p->doc, v, json_object_get(one, "source"), &last);
                r.cell[k] = last.p ? last.p : "";
            }
        }
        row_put(p, &r, &head);
        pl_buf_done(&last);
    }
    if (json_array_size(json_object_get(t, "rows")) == 0)
        text_put(p, disclosure_say(p->doc, WORD_MISSING), FONT " 9.5", MARGIN, WIDTH, 0);
    p->y += 8;
}

/* --- the whole ------------------------------------------------------------------------------------------------ */

static void title_put(page *p)
{
    const json_t *subject = json_object_get(p->doc, "subject");
    char          line[400];

    text_put(p, disclosure_at(p->doc, "title"), FONT " Bold 18", MARGIN, WIDTH, 2);
    text_put(p, disclosure_at(subject, "title"), FONT " 14", MARGIN, WIDTH, 4);
    (void)snprintf(line, sizeof line, "%s %lld · %s %.10s · %.130s", disclosure_say(p->doc, WORD_VERSION),
                   (long long)json_integer_value(json_object_get(subject, "version")), disclosure_say(p->doc, WORD_MADE),
                   disclosure_at(p->doc, "time"), disclosure_at(p->doc, "pack"));
    text_put(p, line, FONT " 9", MARGIN, WIDTH, 6);
    if (*disclosure_at(p->doc, "notice"))
        text_put(p, disclosure_at(p->doc, "notice"), FONT " 9", MARGIN, WIDTH, 6);
    (void)snprintf(line, sizeof line, "[n] = %s n · %lld %s", disclosure_say(p->doc, WORD_LEDGER),
                   (long long)json_integer_value(json_object_get(p->doc, "missing")),
                   disclosure_say(p->doc, WORD_MISSING_COUNT));
    text_put(p, line, FONT " 8", MARGIN, WIDTH, 4);
}

static void section_put(page *p, const json_t *s)
{
    const json_t *one;
    size_t        i;

    heading_put(p, disclosure_at(s, "title"));
    if (*disclosure_at(s, "text"))
        text_put(p, disclosure_at(s, "text"), FONT " 9.5", MARGIN, WIDTH, 6);
    json_array_foreach(json_object_get(s, "fields"), i, one)
        field_put(p, one);
    table_put(p, json_object_get(s, "table"));
}

static void draw(page *p)
{
    const json_t *one;
    size_t        i;

    pango_layout_set_wrap(p->layout, PANGO_WRAP_WORD_CHAR);
    pango_context_set_language(pango_layout_get_context(p->layout),
                               pango_language_from_string(disclosure_at(p->doc, "lang")));
    title_put(p);
    json_array_foreach(json_object_get(p->doc, "sections"), i, one)
        section_put(p, one);
    footer(p);
    cairo_show_page(p->cr);
}

pl_rc disclosure_pdf(const json_t *doc, pl_buf *out, pl_error *err)
{
    page           p = { .doc = doc, .y = MARGIN, .number = 1 };
    cairo_status_t status;

    p.surface = cairo_pdf_surface_create_for_stream(pdf_write, out, PAGE_W, PAGE_H);
    cairo_pdf_surface_set_metadata(p.surface, CAIRO_PDF_METADATA_TITLE, disclosure_at(doc, "title"));
    cairo_pdf_surface_set_metadata(p.surface, CAIRO_PDF_METADATA_SUBJECT,
                                   disclosure_at(json_object_get(doc, "subject"), "title"));
    cairo_pdf_surface_set_metadata(p.surface, CAIRO_PDF_METADATA_CREATE_DATE, disclosure_at(doc, "time"));
    p.cr = cairo_create(p.surface);
    p.layout = pango_cairo_create_layout(p.cr);
    draw(&p);
    g_object_unref(p.layout);
    status = cairo_status(p.cr);
    cairo_destroy(p.cr);
    cairo_surface_finish(p.surface);
    if (status == CAIRO_STATUS_SUCCESS)
        status = cairo_surface_status(p.surface);
    cairo_surface_destroy(p.surface);
    if (status != CAIRO_STATUS_SUCCESS)
        return pl_fail(err, PL_IO, "the document cannot be drawn: %s", cairo_status_to_string(status));
    return pl_buf_check(out, err);
}
