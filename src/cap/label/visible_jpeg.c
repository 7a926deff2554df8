/* A label in a JPEG: the coefficients of the blocks under it are changed, all others stay as they
 * are, so nothing else of the picture is coded again. */
#include "base/banned.h"

#include "cap/label/visible_int.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

/* Real progressive pictures have about ten scans; each goes over the whole picture, however short. */
enum { MEMORY_MAX = 512 << 20, SCANS_MAX = 100 };

typedef struct fault {
    struct jpeg_error_mgr    mgr;
    struct jpeg_progress_mgr progress;
    jmp_buf                  back;
    char                     text[JMSG_LENGTH_MAX];
} fault;

static void on_error(j_common_ptr c)
{
    fault *f = (fault *)c->err;

    c->err->format_message(c, f->text);
    longjmp(f->back, 1);
}

static void on_warning(j_common_ptr c, int level)
{
    if (level < 0)
        c->err->num_warnings++;
}

static void on_progress(j_common_ptr c)
{
    fault *f = (fault *)c->err;

    if (((j_decompress_ptr)c)->input_scan_number > SCANS_MAX) {
        (void)snprintf(f->text, sizeof f->text, "it has more than %d scans", SCANS_MAX);
        longjmp(f->back, 1);
    }
}

/* Behind jpeg_create_decompress. */
static void scans_limit(struct jpeg_decompress_struct *d)
{
    fault *f = (fault *)d->err;

    f->progress = (struct jpeg_progress_mgr){ .progress_monitor = on_progress };
    d->progress = &f->progress;
}

static struct jpeg_error_mgr *fault_init(fault *f)
{
    (void)jpeg_std_error(&f->mgr);
    f->mgr.error_exit = on_error;
    f->mgr.emit_message = on_warning;
    return &f->mgr;
}

/* --- orientation (EXIF 2.32 4.6.4, tag 0x0112) ----------------------------------------------------- */

static unsigned u16(const uint8_t *p, bool little)
{
    return little ? (unsigned)(p[0] | p[1] << 8) : (unsigned)(p[0] << 8 | p[1]);
}

static unsigned orientation_of(const struct jpeg_decompress_struct *d)
{
    for (jpeg_saved_marker_ptr m = d->marker_list; m; m = m->next) {
        const uint8_t *t = m->data + 6;
        size_t         n = m->data_length, at, count;
        bool           little;

        if (m->marker != JPEG_APP0 + 1 || n < 20 || memcmp(m->data, "Exif\0", 6) != 0)
            continue;
        n -= 6;
        little = t[0] == 'I';
        at = little ? u16(t + 4, true) | (size_t)u16(t + 6, true) << 16
                    : (size_t)u16(t + 4, false) << 16 | u16(t + 6, false);
        if (at > n - 2)
            return 1;
        count = u16(t + at, little);
        for (size_t i = 0; i < count && n - at - 2 >= 12 * (i + 1); i++) {
            const uint8_t *e = t + at + 2 + 12 * i;

            if (u16(e, little) == 0x0112)
                return u16(e + 8, little) >= 1 && u16(e + 8, little) <= 8 ? u16(e + 8, little) : 1;
        }
    }
    return 1;
}

/* The stored position of displayed pixel (x, y); w and h are those displayed. */
static void stored_at(unsigned o, int x, int y, int w, int h, int *sx, int *sy)
{
    int fx = w - 1 - x, fy = h - 1 - y;
    /* Rows of the standard's table: what displays upright after mirroring and turning. */
    const int at[9][2] = { { x, y },   { x, y },  { fx, y },  { fx, fy }, { x, fy },
                           { y, x },   { y, fx }, { fy, fx }, { fy, x } };

    *sx = at[o][0];
    *sy = at[o][1];
}

/* --- looking --------------------------------------------------------------------------------------- */

typedef struct look {
    visible_luma l;     /* displayed */
    uint8_t     *bytes;
    unsigned     orientation;
} look;

/* Everything that must survive a longjmp is in *out. */
static pl_rc decode(struct jpeg_decompress_struct *d, look *out, pl_error *err)
{
    uint8_t *stored, *row;
    bool     turned;
    int      w, h;

    out->orientation = orientation_of(d);
    d->out_color_space = JCS_GRAYSCALE;
    d->dct_method = JDCT_IFAST;
    (void)jpeg_start_decompress(d);
    w = (int)d->output_width;
    h = (int)d->output_height;
    turned = out->orientation >= 5;
    out->bytes = malloc(2 * (size_t)w * (size_t)h);
    if (!out->bytes)
        return pl_fail(err, PL_NOMEM, "out of memory");
    stored = out->bytes + (size_t)w * (size_t)h;
    while (d->output_scanline < d->output_height) {
        row = stored + (size_t)d->output_scanline * (size_t)w;
        (void)jpeg_read_scanlines(d, &row, 1);
    }
    out->l = (visible_luma){ turned ? h : w, turned ? w : h, out->bytes };
    for (int y = 0; y < out->l.h; y++) {
        for (int x = 0; x < out->l.w; x++) {
            int sx, sy;

            stored_at(out->orientation, x, y, out->l.w, out->l.h, &sx, &sy);
            out->bytes[(size_t)y * (size_t)out->l.w + (size_t)x] =
                stored[(size_t)sy * (size_t)w + (size_t)sx];
        }
    }
    return PL_OK;
}

static pl_rc unfit(const struct jpeg_decompress_struct *d, pl_error *err)
{
    if ((uint64_t)d->image_width * d->image_height > PL_VISIBLE_PIXELS_MAX)
        return pl_fail(err, PL_LIMIT, "the picture is larger than %u pixels", PL_VISIBLE_PIXELS_MAX);
    if (d->jpeg_color_space != JCS_YCbCr && d->jpeg_color_space != JCS_GRAYSCALE)
        return pl_fail(err, PL_INVALID, "JPEG with the colours of print or RGB cannot be labelled");
    return PL_OK;
}

/* When data run out the library goes on with an end of its own making, which lies elsewhere. */
static bool is_cut(const struct jpeg_decompress_struct *d, pl_str in)
{
    const JOCTET *at = d->src->next_input_byte, *start = (const JOCTET *)in.p;

    return at < start || at > start + in.n;
}

static pl_rc look_at(pl_str in, look *out, pl_error *err)
{
    struct jpeg_decompress_struct d = { 0 };
    fault                         f;
    pl_rc                         rc;

    d.err = fault_init(&f);
    if (setjmp(f.back)) {
        jpeg_destroy_decompress(&d);
        return pl_fail(err, PL_INVALID, "not a JPEG that can be decoded: %.150s", f.text);
    }
    jpeg_create_decompress(&d);
    scans_limit(&d);
    d.mem->max_memory_to_use = MEMORY_MAX;
    jpeg_mem_src(&d, (const unsigned char *)in.p, in.n);
    jpeg_save_markers(&d, JPEG_APP0 + 1, 0xFFFF);
    (void)jpeg_read_header(&d, TRUE);
    rc = unfit(&d, err);
    if (rc == PL_OK)
        rc = decode(&d, out, err);
    if (rc == PL_OK && is_cut(&d, in))
        rc = pl_fail(err, PL_INVALID, "the JPEG ends before its picture does");
    jpeg_destroy_decompress(&d);
    return rc;
}

/* --- blocks ----------------------------------------------------------------------------------------- */

/* The mask in stored coordinates: of what is there, `keep` stays and `add` comes on top. */
typedef struct stencil {
    int    x, y, w, h;
    float *keep, *add; /* add: 0 to 1 */
} stencil;

static pl_rc stencil_make(const look *k, const visible_mask *m, const visible_layout *at,
                          stencil *out, pl_error *err)
{
    bool turned = k->orientation >= 5;
    int  ax, ay, bx, by;

    stored_at(k->orientation, at->x, at->y, k->l.w, k->l.h, &ax, &ay);
    stored_at(k->orientation, at->x + m->w - 1, at->y + m->h - 1, k->l.w, k->l.h, &bx, &by);
    *out = (stencil){ ax < bx ? ax : bx, ay < by ? ay : by, turned ? m->h : m->w,
                      turned ? m->w : m->h, NULL, NULL };
    out->keep = malloc(2 * sizeof(float) * (size_t)m->w * (size_t)m->h);
    if (!out->keep)
        return pl_fail(err, PL_NOMEM, "out of memory");
    out->add = out->keep + (size_t)m->w * (size_t)m->h;
    for (int y = 0; y < m->h; y++) {
        for (int x = 0; x < m->w; x++) {
            size_t i = (size_t)y * (size_t)m->w + (size_t)x, to;
            int    sx, sy;
            double low = pl_visible_blend(m, at, i, 0, 1), high = pl_visible_blend(m, at, i, 1, 1);

            stored_at(k->orientation, at->x + x, at->y + y, k->l.w, k->l.h, &sx, &sy);
            to = (size_t)(sy - out->y) * (size_t)out->w + (size_t)(sx - out->x);
            out->keep[to] = (float)(high - low);
            out->add[to] = (float)low;
        }
    }
    return PL_OK;
}

static float cosines[8][8]; /* [sample][frequency], scaled: orthonormal */

static void cosines_init(void)
{
    for (int x = 0; x < 8; x++)
        for (int u = 0; u < 8; u++)
            cosines[x][u] = (float)(cos((2 * x + 1) * u * M_PI / 16) * (u == 0 ? sqrt(0.125) : 0.5));
}

static void transform(const float in[64], float out[64], bool inverse)
{
    float t[64];

    for (int y = 0; y < 8; y++)
        for (int u = 0; u < 8; u++) {
            float s = 0;

            for (int x = 0; x < 8; x++)
                s += in[8 * y + x] * (inverse ? cosines[u][x] : cosines[x][u]);
            t[8 * y + u] = s;
        }
    for (int u = 0; u < 8; u++)
        for (int v = 0; v < 8; v++) {
            float s = 0;

            for (int y = 0; y < 8; y++)
                s += t[8 * y + u] * (inverse ? cosines[v][y] : cosines[y][v]);
            out[8 * v + u] = s;
        }
}

/* What happens to one sample of a component that stands for fx times fy pixels. */
static void under(const stencil *s, int px, int py, int fx, int fy, float *keep, float *add)
{
    float k = 0, a = 0;

    for (int y = py; y < py + fy; y++)
        for (int x = px; x < px + fx; x++) {
            int    dx = x - s->x, dy = y - s->y;
            size_t i = (size_t)dy * (size_t)s->w + (size_t)dx;
            bool   in = dx >= 0 && dy >= 0 && dx < s->w && dy < s->h;

            k += in ? s->keep[i] : 1;
            a += in ? s->add[i] : 0;
        }
    *keep = k / (float)(fx * fy);
    *add = a / (float)(fx * fy);
}

static void block_change(JCOEFPTR coef, const JQUANT_TBL *q, const stencil *s, int bx, int by, int fx,
                         int fy, bool is_luma)
{
    float f[64], v[64];

    for (int i = 0; i < 64; i++)
        f[i] = (float)coef[i] * (float)q->quantval[i];
    transform(f, v, true);
    for (int i = 0; i < 64; i++) {
        float keep, add;

        under(s, (8 * bx + i % 8) * fx, (8 * by + i / 8) * fy, fx, fy, &keep, &add);
        /* Samples are about 128: luma goes to black or white, colour to none. */
        v[i] = is_luma ? (v[i] + 128) * keep + add * 255 - 128 : v[i] * keep;
    }
    transform(v, f, false);
    for (int i = 0; i < 64; i++)
        coef[i] = (JCOEF)lrintf(f[i] / (float)q->quantval[i]);
}

static void component_change(struct jpeg_decompress_struct *d, jvirt_barray_ptr plane, int ci,
                             const stencil *s)
{
    jpeg_component_info *c = &d->comp_info[ci];
    int fx = d->max_h_samp_factor / c->h_samp_factor, fy = d->max_v_samp_factor / c->v_samp_factor;
    int bx1 = (s->x + s->w - 1) / (8 * fx), by1 = (s->y + s->h - 1) / (8 * fy);

    for (int by = s->y / (8 * fy); by <= by1 && by < (int)c->height_in_blocks; by++) {
        JBLOCKARRAY rows = d->mem->access_virt_barray((j_common_ptr)d, plane, (JDIMENSION)by, 1, TRUE);

        for (int bx = s->x / (8 * fx); bx <= bx1 && bx < (int)c->width_in_blocks; bx++)
            block_change(rows[0][bx], c->quant_table, s, bx, by, fx, fy, ci == 0);
    }
}

/* --- writing ----------------------------------------------------------------------------------------- */

/* Metadata as it was, but for the two segments the library writes itself. */
static void markers_copy(struct jpeg_decompress_struct *d, struct jpeg_compress_struct *c)
{
    for (jpeg_saved_marker_ptr m = d->marker_list; m; m = m->next) {
        if (c->write_JFIF_header && m->marker == JPEG_APP0 && m->data_length >= 5 &&
            memcmp(m->data, "JFIF", 5) == 0)
            continue;
        if (c->write_Adobe_marker && m->marker == JPEG_APP0 + 14 && m->data_length >= 5 &&
            memcmp(m->data, "Adobe", 5) == 0)
            continue;
        jpeg_write_marker(c, m->marker, m->data, m->data_length);
    }
}

/* Output into a buffer of ours, piece by piece. The library's own target in memory loses track of
 * its bytes when an error comes after it has grown. */
typedef struct target {
    struct jpeg_destination_mgr mgr;
    pl_buf                     *out;
    JOCTET                      piece[16384];
} target;

static void target_reset(j_compress_ptr c)
{
    target *t = (target *)c->dest;

    t->mgr.next_output_byte = t->piece;
    t->mgr.free_in_buffer = sizeof t->piece;
}

static boolean target_flush(j_compress_ptr c)
{
    target *t = (target *)c->dest;

    pl_buf_put(t->out, (pl_str){ (const char *)t->piece, sizeof t->piece });
    target_reset(c);
    return TRUE;
}

static void target_end(j_compress_ptr c)
{
    target *t = (target *)c->dest;

    pl_buf_put(t->out, (pl_str){ (const char *)t->piece, sizeof t->piece - t->mgr.free_in_buffer });
}

typedef struct recode {
    struct jpeg_decompress_struct d;
    struct jpeg_compress_struct   c;
    fault                         f;
    target                        to;
} recode;

static bool factors_fit(const struct jpeg_decompress_struct *d)
{
    for (int i = 0; i < d->num_components; i++)
        if (d->max_h_samp_factor % d->comp_info[i].h_samp_factor ||
            d->max_v_samp_factor % d->comp_info[i].v_samp_factor)
            return false;
    return d->comp_info[0].h_samp_factor == d->max_h_samp_factor &&
           d->comp_info[0].v_samp_factor == d->max_v_samp_factor;
}

static pl_rc recode_run(recode *r, pl_str in, const stencil *s, pl_error *err)
{
    jvirt_barray_ptr *planes;

    jpeg_create_decompress(&r->d);
    scans_limit(&r->d);
    jpeg_create_compress(&r->c);
    r->d.mem->max_memory_to_use = MEMORY_MAX;
    jpeg_mem_src(&r->d, (const unsigned char *)in.p, in.n);
    for (int i = 0; i < 16; i++)
        jpeg_save_markers(&r->d, JPEG_APP0 + i, 0xFFFF);
    jpeg_save_markers(&r->d, JPEG_COM, 0xFFFF);
    (void)jpeg_read_header(&r->d, TRUE);
    planes = jpeg_read_coefficients(&r->d);
    if (!factors_fit(&r->d))
        return pl_fail(err, PL_INVALID, "JPEG with such sampling factors cannot be labelled");
    for (int i = 0; i < r->d.num_components; i++)
        component_change(&r->d, planes[i], i, s);
    jpeg_copy_critical_parameters(&r->d, &r->c);
    r->c.optimize_coding = TRUE;
    if (r->d.progressive_mode)
        jpeg_simple_progression(&r->c);
    r->to.mgr = (struct jpeg_destination_mgr){ .init_destination = target_reset, .empty_output_buffer = target_flush,
                                               .term_destination = target_end };
    r->c.dest = &r->to.mgr;
    jpeg_write_coefficients(&r->c, planes);
    markers_copy(&r->d, &r->c);
    jpeg_finish_compress(&r->c);
    return PL_OK;
}

static pl_rc recode_all(pl_str in, const stencil *s, pl_buf *out, pl_error *err)
{
    recode *r = calloc(1, sizeof *r);
    pl_rc   rc;

    if (!r)
        return pl_fail(err, PL_NOMEM, "out of memory");
    r->d.err = fault_init(&r->f);
    r->c.err = r->d.err;
    r->to.out = out;
    if (setjmp(r->f.back))
        rc = pl_fail(err, PL_INVALID, "not a JPEG that can be changed: %.150s", r->f.text);
    else
        rc = recode_run(r, in, s, err);
    jpeg_destroy_compress(&r->c);
    jpeg_destroy_decompress(&r->d);
    free(r);
    return rc == PL_OK ? pl_buf_check(out, err) : rc;
}

pl_rc pl_visible_jpeg(pl_str in, const pl_visible_style *s, pl_buf *out, pl_visible_report *r,
                      pl_error *err)
{
    look           k = { 0 };
    visible_mask   m = { 0 };
    visible_layout at;
    stencil        st = { 0 };
    pl_rc          rc = look_at(in, &k, err);

    cosines_init();
    if (rc == PL_OK)
        rc = pl_visible_prepare(&k.l, s, &m, &at, r, err);
    if (rc == PL_OK)
        rc = stencil_make(&k, &m, &at, &st, err);
    if (rc == PL_OK)
        rc = recode_all(in, &st, out, err);
    free(st.keep);
    pl_visible_mask_done(&m);
    free(k.bytes);
    return rc;
}
