/* A notice on the first page of a PDF: an annotation that is shown and printed, drawn as a picture,
 * with the wording as its text for those who search or listen. */
#include "base/banned.h"

#include <math.h>
#include <zlib.h>

#include "base/str.h"
#include "engine/media/notice.h"
#include "engine/media/pdf.h"

#define TREE_DEPTH_MAX 32
#define MARGIN_PT      18.0

/* Annotation flags (ISO 32000-1 12.5.3): printed, read-only, locked. */
enum { ANNOTATION_FLAGS = 4 | 64 | 128 };

typedef struct page {
    uint32_t number;
    pl_str   dict, media_box;
} page;

/* The first leaf of the page tree; its box may stand further up. */
static bool first_page(pl_media *m, const pdf_file *f, page *out)
{
    pdf_found o, list;
    pl_str    at, box;
    size_t    i;

    if (!pdf_resolve(m, f, 0, pdf_get(f->section[0].trailer, "Root"), &o))
        return false;
    at = pdf_get(o.value, "Pages");
    for (int depth = 0; depth < TREE_DEPTH_MAX && media_step(m); depth++) {
        if (!pdf_is_ref(at, &out->number) || !pdf_resolve(m, f, 0, at, &o) || o.value.n < 4)
            return false;
        box = pdf_get(o.value, "MediaBox");
        if (box.n > 0)
            out->media_box = box;
        out->dict = o.value;
        if (pdf_get(o.value, "Kids").n == 0)
            return out->media_box.n > 0;
        i = 1;
        if (!pdf_resolve(m, f, 0, pdf_get(o.value, "Kids"), &list) || list.value.n < 3 ||
            !pdf_object(list.value, &i, &at))
            return false;
    }
    return false;
}

bool pdf_first_page(pl_media *m, const pdf_file *f, pl_str *dict)
{
    page pg = { .number = 0 };
    bool ok = first_page(m, f, &pg);

    *dict = pg.dict;
    return ok;
}

static double number(pl_str s)
{
    char text[32];

    if (s.n == 0 || s.n >= sizeof text)
        return NAN;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    return strtod(text, NULL);
}

static bool box_read(pl_media *m, const pdf_file *f, pl_str v, double box[4])
{
    pdf_found o;
    size_t    at = 1;
    pl_str    one;

    if (!pdf_resolve(m, f, 0, v, &o) || o.value.n < 3 || o.value.p[0] != '[')
        return false;
    o.value.n--;
    for (int i = 0; i < 4; i++) {
        pdf_found n;

        if (!pdf_object(o.value, &at, &one) || !pdf_resolve(m, f, 0, one, &n))
            return false;
        box[i] = number(n.value);
    }
    return isfinite(box[0]) && isfinite(box[1]) && box[2] - box[0] > 72 && box[3] - box[1] > 72;
}

static bool put_packed(pl_buf *b, const uint8_t *p, size_t n, const char *keys)
{
    uLongf   len = compressBound(n);
    uint8_t *z = malloc(len);
    bool     ok = z && compress2(z, &len, p, n, 9) == Z_OK;

    if (ok) {
        pl_buf_printf(b, "<< %s /Filter /FlateDecode /Length %lu >>\nstream\n", keys, len);
        pl_buf_put(b, (pl_str){ (const char *)z, len });
        pl_buf_puts(b, "\nendstream\nendobj\n");
    }
    free(z);
    return ok;
}

/* The picture and its mask; the number of the picture's object. */
static uint32_t put_picture(pdf_update *u, const pl_notice_picture *k)
{
    size_t   n = (size_t)k->w * (size_t)k->h;
    uint32_t mask = pdf_update_new(u), image = pdf_update_new(u);
    char     keys[200];

    (void)snprintf(keys, sizeof keys, "/Type /XObject /Subtype /Image /Width %d /Height %d /BitsPerComponent 8"
                                      " /ColorSpace /DeviceGray", k->w, k->h);
    pdf_update_object(u, mask);
    if (!put_packed(&u->out, k->alpha, n, keys))
        u->out.failed = true;
    (void)snprintf(keys, sizeof keys, "/Type /XObject /Subtype /Image /Width %d /Height %d /BitsPerComponent 8"
                                      " /ColorSpace /DeviceGray /SMask %u 0 R", k->w, k->h, mask);
    pdf_update_object(u, image);
    if (!put_packed(&u->out, k->grey, n, keys))
        u->out.failed = true;
    return image;
}

/* A text string as UTF-16 with its mark, in hexadecimal (7.9.2.2). */
static void put_text(pl_buf *b, pl_str s)
{
    size_t i = 0;

    pl_buf_puts(b, "<FEFF");
    while (i < s.n) {
        uint8_t  c = (uint8_t)s.p[i];
        unsigned n = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
        uint32_t v = n == 1 ? c : c & (0x7Fu >> n);

        for (unsigned k = 1; k < n && i + k < s.n; k++)
            v = v << 6 | ((uint8_t)s.p[i + k] & 0x3F);
        if (v >= 0x10000)
            pl_buf_printf(b, "%04X%04X", 0xD7C0 + (v >> 10), 0xDC00 + (v & 0x3FF));
        else
            pl_buf_printf(b, "%04X", v);
        i += n;
    }
    pl_buf_putc(b, '>');
}

static uint32_t put_annotation(pdf_update *u, const page *pg, const double box[4], bool at_top,
                               pl_str wording, const pl_notice_picture *k)
{
    uint32_t image = put_picture(u, k), form = pdf_update_new(u), note = pdf_update_new(u);
    double   h = k->points, w = h * k->w / k->h, x = (box[0] + box[2] - w) / 2;
    double   y = at_top ? box[3] - MARGIN_PT - h : box[1] + MARGIN_PT;
    char     draw[80];
    int      n = snprintf(draw, sizeof draw, "q %.2f 0 0 %.2f 0 0 cm /I Do Q", w, h);

    pdf_update_object(u, form);
    pl_buf_printf(&u->out, "<< /Type /XObject /Subtype /Form /BBox [0 0 %.2f %.2f] /Resources << /XObject <<"
                           " /I %u 0 R >> >> /Length %d >>\nstream\n%s\nendstream\nendobj\n",
                  w, h, image, n, draw);
    pdf_update_object(u, note);
    pl_buf_printf(&u->out, "<< /Type /Annot /Subtype /Stamp /F %d /P %u 0 R /Rect [%.2f %.2f %.2f %.2f]"
                           " /AP << /N %u 0 R >> /Contents ",
                  ANNOTATION_FLAGS, pg->number, x, y, x + w, y + h, form);
    put_text(&u->out, wording);
    pl_buf_puts(&u->out, " >>\nendobj\n");
    return note;
}

static void copy_pair(void *ctx, pl_str key, pl_str value)
{
    pl_buf *out = ctx;

    if (pl_str_eqz(key, "/Annots"))
        return;
    pl_buf_put(out, key);
    pl_buf_putc(out, ' ');
    pl_buf_put(out, value);
    pl_buf_putc(out, '\n');
}

static void put_page(pdf_update *u, const page *pg, uint32_t note)
{
    pdf_found old;

    pdf_update_object(u, pg->number);
    pl_buf_puts(&u->out, "<<\n");
    pdf_each(pg->dict, copy_pair, &u->out);
    pl_buf_puts(&u->out, "/Annots [ ");
    if (pdf_resolve(u->m, u->f, 0, pdf_get(pg->dict, "Annots"), &old) && old.value.n > 2 &&
        old.value.p[0] == '[')
        pl_buf_put(&u->out, (pl_str){ old.value.p + 1, old.value.n - 2 });
    pl_buf_printf(&u->out, " %u 0 R ]\n>>\nendobj\n", note);
}

pl_rc pdf_plan_notice(pl_media *m, pl_str wording, bool at_top, const struct pl_notice_picture *k,
                      pl_media_plan *p, pl_error *err)
{
    pdf_file  *f = pl_arena_alloc(m->arena, sizeof *f);
    pdf_update u;
    page       pg = { .number = 0 };
    double     box[4];
    pl_rc      rc;

    if (!f || !pdf_open(m, f) || f->sections == 0 || !first_page(m, f, &pg) ||
        !box_read(m, f, pg.media_box, box))
        return pl_fail(err, PL_INVALID, "the document's first page cannot be found");
    rc = pdf_update_begin(&u, m, f, err);
    if (rc != PL_OK)
        return rc;
    put_page(&u, &pg, put_annotation(&u, &pg, box, at_top, wording, k));
    return pdf_update_end(&u, PL_STR(""), p, err);
}
