/* PDF: the label as key /AIGC of the document information dictionary, added by an incremental
 * update: no byte of the file changes. REQ: TC260-PG-20258A/6.3 */
#include "base/banned.h"

#include "engine/media/pdf.h"

typedef struct pdf_layout {
    pdf_file file;
    pl_str   info;      /* the dictionary in force; empty: none */
    uint32_t info_number;
} pdf_layout;

typedef struct info_scan {
    pl_media *m;
    const pdf_file *f;
    size_t    from;
    unsigned  flags;
} info_scan;

static void info_pair(void *ctx, pl_str key, pl_str value)
{
    info_scan     *s = ctx;
    pdf_found      v;
    pl_str         name = pdf_name(s->m, key), text;
    size_t         before = s->m->n;
    pl_media_range r = range_of(0, 0);

    if (!pdf_resolve(s->m, s->f, s->from, value, &v) || !pdf_text(s->m, v.value, &text))
        return;
    if ((s->flags & PL_MEDIA_OLDER) && !media_looks_label(name, text))
        return;
    (void)media_add_text(s->m, "pdf.info", name, text, r, r, HOW_FORMAT);
    if (s->m->n > before)
        s->m->item[before].flags |= s->flags;
}

/* Labels of revisions that were replaced: listed, not in force. A section of a hybrid or
 * linearized file has the same information dictionary as the one before it. */
static void older(pl_media *m, const pdf_layout *l)
{
    pl_str seen = l->info;

    for (size_t i = 1; i < l->file.sections; i++) {
        pdf_found o;
        info_scan s = { m, &l->file, i, PL_MEDIA_OLDER };
        if (!pdf_resolve(m, &l->file, i, pdf_get(l->file.section[i].trailer, "Info"), &o) || pl_str_eq(o.value, seen))
            continue;
        pdf_each(o.value, info_pair, &s);
        seen = o.value;
    }
}

static void xmp(pl_media *m, const pdf_layout *l, pl_str catalog)
{
    pdf_found      o;
    pl_str         packet;
    pl_media_range raw;

    if (!pdf_resolve(m, &l->file, 0, pdf_get(catalog, "Metadata"), &o) || !o.data_at)
        return;
    if (!pdf_stream(m, &l->file, 0, &o, &packet, &raw))
        return media_note(m, "pdf.metadata", o.at, "the metadata stream cannot be read");
    media_add_xmp_bytes(m, "pdf.xmp", packet, raw, raw, raw.n ? 0 : PL_MEDIA_PACKED);
}

/* Associated files of the catalog: the one that is a manifest. */
static void manifest(pl_media *m, const pdf_layout *l, pl_str catalog)
{
    pdf_found af, spec, ef, file;
    size_t    at = 1;
    pl_str    one;

    if (!pdf_resolve(m, &l->file, 0, pdf_get(catalog, "AF"), &af) || af.value.n < 3)
        return;
    af.value.n--;
    while (media_step(m) && pdf_object(af.value, &at, &one)) {
        pl_media_range raw;
        pl_str         bytes;
        if (!pdf_resolve(m, &l->file, 0, one, &spec) ||
            !pl_str_eqz(pdf_get(spec.value, "AFRelationship"), "/C2PA_Manifest") ||
            !pdf_resolve(m, &l->file, 0, pdf_get(spec.value, "EF"), &ef) ||
            !pdf_resolve(m, &l->file, 0, pdf_get(ef.value, "F"), &file) ||
            !pdf_stream(m, &l->file, 0, &file, &bytes, &raw))
            continue;
        pl_media_item *it = media_add(m, PL_MEDIA_C2PA, "pdf.af", raw, raw);
        if (it) {
            it->value = bytes;
            it->flags |= raw.n ? 0 : PL_MEDIA_PACKED;
        }
    }
}

static void scan(pl_media *m)
{
    pdf_layout *l = pl_arena_alloc(m->arena, sizeof *l);
    pdf_found   o;
    info_scan   s = { m, NULL, 0, 0 };
    pl_str      trailer;

    if (!l)
        return media_nomem(m);
    m->layout = l;
    if (!pdf_open(m, &l->file) || l->file.sections == 0) {
        if (m->rc == PL_OK)
            media_stop(m, l->file.found_end ? PL_MEDIA_MALFORMED : PL_MEDIA_TRUNCATED, "pdf.xref", m->io.size, "the table of objects cannot be found");
        return;
    }
    trailer = l->file.section[0].trailer;
    if (pdf_get(trailer, "Encrypt").n)
        media_stop(m, PL_MEDIA_ENCRYPTED, "pdf.encrypted", l->file.section[0].at, "the document is encrypted");
    if (!pdf_resolve(m, &l->file, 0, pdf_get(trailer, "Root"), &o) || o.value.n < 4 || o.value.p[0] != '<')
        return media_stop(m, PL_MEDIA_MALFORMED, "pdf.root", l->file.section[0].at, "the document has no catalog");
    if (m->state == PL_MEDIA_WHOLE) {
        pdf_found info;
        s.f = &l->file;
        if (pdf_resolve(m, &l->file, 0, pdf_get(trailer, "Info"), &info) && info.value.n >= 4) {
            l->info = info.value;
            (void)pdf_is_ref(pdf_get(trailer, "Info"), &l->info_number);
            pdf_each(l->info, info_pair, &s);
        }
        older(m, l);
    }
    xmp(m, l, o.value);
    manifest(m, l, o.value);
}

/* --- writing ---------------------------------------------------------------------------------- */

typedef struct copy_ctx {
    pl_media *m;
    const pdf_file *f;
    pl_buf   *out;
} copy_ctx;

static void copy_pair(void *ctx, pl_str key, pl_str value)
{
    copy_ctx *c = ctx;
    pdf_found v;
    pl_str    text = { "", 0 };

    if (pdf_resolve(c->m, c->f, 0, value, &v))
        (void)pdf_text(c->m, v.value, &text);
    if (media_looks_label(pdf_name(c->m, key), text))
        return;
    pl_buf_put(c->out, key);
    pl_buf_putc(c->out, ' ');
    pl_buf_put(c->out, value);
    pl_buf_putc(c->out, '\n');
}

static void put_literal(pl_buf *b, pl_str s)
{
    pl_buf_putc(b, '(');
    for (size_t i = 0; i < s.n; i++) {
        if (memchr("()\\", s.p[i], 3))
            pl_buf_putc(b, '\\');
        pl_buf_putc(b, s.p[i]);
    }
    pl_buf_putc(b, ')');
}

static void trailer_keys(pl_buf *b, pl_str trailer, uint64_t size, uint32_t info, uint64_t prev)
{
    pl_str root = pdf_get(trailer, "Root"), id = pdf_get(trailer, "ID");

    pl_buf_printf(b, "/Size %llu /Root " PL_STR_FMT " /Info %u 0 R /Prev %llu", (unsigned long long)size,
                  PL_STR_ARG(root), info, (unsigned long long)prev);
    if (id.n) {
        pl_buf_puts(b, " /ID ");
        pl_buf_put(b, id);
    }
}

/* The same kind of section as the newest one has: readers of old files want tables. */
static void put_section(pl_buf *b, const pdf_section *x, uint64_t base, uint64_t start, uint32_t info, uint64_t size,
                        uint64_t info_at)
{
    uint64_t at = start + b->n - base;

    if (!x->is_stream) {
        pl_buf_printf(b, "xref\n%u 1\n%010llu 00000 n \ntrailer\n<< ", info, (unsigned long long)info_at);
        trailer_keys(b, x->trailer, size, info, x->at - base);
        pl_buf_puts(b, " >>\n");
    } else {
        pl_buf_printf(b, "%llu 0 obj\n<< /Type /XRef /W [1 8 2] /Index [%u 1 %llu 1] /Length 22 ",
                      (unsigned long long)size, info, (unsigned long long)size);
        trailer_keys(b, x->trailer, size + 1, info, x->at - base);
        pl_buf_puts(b, " >>\nstream\n");
        pl_buf_putc(b, 1);
        buf_be64(b, info_at);
        buf_be16(b, 0);
        pl_buf_putc(b, 1);
        buf_be64(b, at);
        buf_be16(b, 0);
        pl_buf_puts(b, "\nendstream\nendobj\n");
    }
    pl_buf_printf(b, "startxref\n%llu\n%%%%EOF\n", (unsigned long long)at);
}

static pl_rc plan(pl_media *m, const pl_media_edit *e, pl_media_plan *p, pl_error *err)
{
    const pdf_layout *l = m->layout;
    pl_str            trailer = l->file.section[0].trailer;
    pl_buf            b = PL_BUF_INIT(PL_MEDIA_VALUE_MAX);
    copy_ctx          copy = { m, &l->file, &b };
    uint64_t          size, info_at;
    uint32_t          info = l->info_number;
    pl_rc             rc;

    if (e->c2pa.n || e->drop_c2pa)
        return pdf_plan_manifest(m, &l->file, e, p, err);
    if (e->label.n == 0)
        return PL_OK;
    if (!pdf_uint(pdf_get(trailer, "Size"), &size) || size > UINT32_MAX - 8)
        return pl_fail(err, PL_INVALID, "the document does not say how many objects it has");
    p->carrier = "pdf.info";
    if (!info)
        info = (uint32_t)size++;
    pl_buf_putc(&b, '\n');
    info_at = m->io.size + b.n - l->file.base;
    pl_buf_printf(&b, "%u 0 obj\n<<\n", info);
    pdf_each(l->info, copy_pair, &copy);
    pl_buf_puts(&b, "/AIGC ");
    put_literal(&b, e->label);
    pl_buf_puts(&b, "\n>>\nendobj\n");
    put_section(&b, &l->file.section[0], l->file.base, m->io.size, info, size, info_at);
    rc = pl_buf_check(&b, err);
    if (rc == PL_OK && m->io.size + b.n >= 9999999999ull)
        rc = pl_fail(err, PL_LIMIT, "the document would be longer than its tables can say");
    if (rc == PL_OK) {
        plan_replace(p, m->io.size, 0, pl_buf_str(&b));
        rc = plan_clean_xmp(p, SIZE_MAX, err);
    }
    pl_buf_done(&b);
    return rc;
}

const media_ops media_pdf = { scan, plan };
