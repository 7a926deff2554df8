/* The manifest store of a PDF (C2PA 2.x A.4): an embedded file that the catalog names under /AF, added
 * as an incremental update, so that every byte that was there stays. An earlier store stays in its
 * revision and is no longer named. */
#include "base/banned.h"

#include "base/str.h"
#include "engine/media/pdf.h"

static void copy_pair(void *ctx, pl_str key, pl_str value)
{
    pl_buf *out = ctx;

    if (pl_str_eqz(key, "/AF"))
        return;
    pl_buf_put(out, key);
    pl_buf_putc(out, ' ');
    pl_buf_put(out, value);
    pl_buf_putc(out, '\n');
}

/* What /AF names besides a manifest. */
static void put_others(pdf_update *u, pl_str catalog)
{
    pdf_found af, spec;
    size_t    at = 1;
    pl_str    one;

    if (!pdf_resolve(u->m, u->f, 0, pdf_get(catalog, "AF"), &af) || af.value.n < 3 ||
        af.value.p[0] != '[')
        return;
    af.value.n--;
    while (media_step(u->m) && pdf_object(af.value, &at, &one)) {
        if (pdf_resolve(u->m, u->f, 0, one, &spec) &&
            pl_str_eqz(pdf_get(spec.value, "AFRelationship"), "/C2PA_Manifest"))
            continue;
        pl_buf_put(&u->out, one);
        pl_buf_putc(&u->out, ' ');
    }
}

static void put_store(pdf_update *u, size_t n, uint32_t spec)
{
    uint32_t stream = pdf_update_new(u);

    pdf_update_object(u, stream);
    pl_buf_printf(&u->out, "<< /Type /EmbeddedFile /Subtype /application#2Fx-c2pa-manifest-store"
                           " /Length %zu >>\nstream\n", n);
    pdf_update_gap(u, n);
    pl_buf_puts(&u->out, "\nendstream\nendobj\n");
    pdf_update_object(u, spec);
    pl_buf_printf(&u->out, "<< /Type /Filespec /AFRelationship /C2PA_Manifest /F (content_credential.c2pa)"
                           " /UF (content_credential.c2pa) /Desc (Content Credentials) /EF << /F %u 0 R >>"
                           " >>\nendobj\n", stream);
}

pl_rc pdf_plan_manifest(pl_media *m, const pdf_file *f, const pl_media_edit *e, pl_media_plan *p,
                        pl_error *err)
{
    pl_str     root = pdf_get(f->section[0].trailer, "Root");
    pdf_update u;
    pdf_found  catalog;
    uint32_t   number, spec;
    pl_rc      rc;

    if (e->label.n > 0 || e->source_type)
        return pl_fail(err, PL_INVALID, "label a PDF file first, then sign it: two steps");
    if (!pdf_is_ref(root, &number) || !pdf_resolve(m, f, 0, root, &catalog) || catalog.value.n < 4)
        return pl_fail(err, PL_INVALID, "the document's catalog cannot be read");
    rc = pdf_update_begin(&u, m, f, err);
    if (rc != PL_OK)
        return rc;
    spec = e->c2pa.n > 0 ? pdf_update_new(&u) : 0;
    if (spec)
        put_store(&u, e->c2pa.n, spec);
    pdf_update_object(&u, number);
    pl_buf_puts(&u.out, "<<\n");
    pdf_each(catalog.value, copy_pair, &u.out);
    pl_buf_puts(&u.out, "/AF [ ");
    put_others(&u, catalog.value);
    if (spec)
        pl_buf_printf(&u.out, "%u 0 R ", spec);
    pl_buf_puts(&u.out, "]\n>>\nendobj\n");
    return pdf_update_end(&u, e->c2pa, p, err);
}
