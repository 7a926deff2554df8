/* The manifest store of a PDF (C2PA 2.x A.4): an embedded file that the catalog names under /AF, added
 * as an incremental update, so that every byte that was there stays. An earlier store stays in its
 * revision and is no longer named. */
#include "base/banned.h"

#include "base/str.h"
#include "engine/media/pdf.h"

typedef struct update {
    pl_media       *m;
    const pdf_file *f;
    uint32_t        root, stream, spec; /* object numbers */
    uint64_t        root_at, stream_at, spec_at; /* counted from the document's start */
    pl_buf          head, tail; /* before and behind the store's bytes */
} update;

typedef struct catalog_copy {
    update *u;
    pl_buf *out;
} catalog_copy;

static void copy_pair(void *ctx, pl_str key, pl_str value)
{
    catalog_copy *c = ctx;

    if (pl_str_eqz(key, "/AF"))
        return;
    pl_buf_put(c->out, key);
    pl_buf_putc(c->out, ' ');
    pl_buf_put(c->out, value);
    pl_buf_putc(c->out, '\n');
}

/* What /AF names besides a manifest. */
static void put_others(update *u, pl_str catalog, pl_buf *out)
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
        pl_buf_put(out, one);
        pl_buf_putc(out, ' ');
    }
}

static void put_catalog(update *u, pl_str catalog, bool has_store, pl_buf *out)
{
    catalog_copy c = { u, out };

    pl_buf_printf(out, "%u 0 obj\n<<\n", u->root);
    pdf_each(catalog, copy_pair, &c);
    pl_buf_puts(out, "/AF [ ");
    put_others(u, catalog, out);
    if (has_store)
        pl_buf_printf(out, "%u 0 R ", u->spec);
    pl_buf_puts(out, "]\n>>\nendobj\n");
}

static void put_key(pl_buf *b, const char *name, pl_str value)
{
    if (value.n > 0)
        pl_buf_printf(b, " /%s " PL_STR_FMT, name, PL_STR_ARG(value));
}

static void trailer_keys(const update *u, pl_buf *b, uint64_t size)
{
    const pdf_section *x = &u->f->section[0];

    pl_buf_printf(b, "/Size %llu /Prev %llu", (unsigned long long)size,
                  (unsigned long long)(x->at - u->f->base));
    put_key(b, "Root", pdf_get(x->trailer, "Root"));
    put_key(b, "Info", pdf_get(x->trailer, "Info"));
    put_key(b, "ID", pdf_get(x->trailer, "ID"));
}

static void put_entry(pl_buf *b, uint64_t at)
{
    pl_buf_putc(b, 1);
    buf_be64(b, at);
    buf_be16(b, 0);
}

/* A section of the kind the newest one has. at: where it stands. */
static void put_section(const update *u, pl_buf *b, uint64_t at, bool has_store)
{
    uint32_t next = has_store ? u->spec + 1 : u->stream;

    if (!u->f->section[0].is_stream) {
        pl_buf_printf(b, "xref\n%u 1\n%010llu 00000 n \n", u->root, (unsigned long long)u->root_at);
        if (has_store)
            pl_buf_printf(b, "%u 2\n%010llu 00000 n \n%010llu 00000 n \n", u->stream,
                          (unsigned long long)u->stream_at, (unsigned long long)u->spec_at);
        pl_buf_puts(b, "trailer\n<< ");
        trailer_keys(u, b, next);
        pl_buf_puts(b, " >>\n");
    } else {
        pl_buf_printf(b, "%u 0 obj\n<< /Type /XRef /W [1 8 2] /Index [%u 1 %u %d] /Length %d ", next,
                      u->root, u->stream, has_store ? 3 : 1, has_store ? 44 : 22);
        trailer_keys(u, b, next + 1ull);
        pl_buf_puts(b, " >>\nstream\n");
        put_entry(b, u->root_at);
        if (has_store) {
            put_entry(b, u->stream_at);
            put_entry(b, u->spec_at);
        }
        put_entry(b, at);
        pl_buf_puts(b, "\nendstream\nendobj\n");
    }
    pl_buf_printf(b, "startxref\n%llu\n%%%%EOF\n", (unsigned long long)at);
}

/* head, store, tail follow the last byte of the document. */
static void compose(update *u, pl_str catalog, size_t store_n)
{
    uint64_t start = u->m->io.size - u->f->base;
    bool     has_store = store_n > 0;

    pl_buf_putc(&u->head, '\n');
    u->stream_at = start + u->head.n;
    if (has_store)
        pl_buf_printf(&u->head,
                      "%u 0 obj\n<< /Type /EmbeddedFile /Subtype /application#2Fx-c2pa-manifest-store"
                      " /Length %zu >>\nstream\n",
                      u->stream, store_n);
    if (has_store)
        pl_buf_puts(&u->tail, "\nendstream\nendobj\n");
    u->spec_at = start + u->head.n + store_n + u->tail.n;
    if (has_store)
        pl_buf_printf(&u->tail,
                      "%u 0 obj\n<< /Type /Filespec /AFRelationship /C2PA_Manifest /F (content_credential.c2pa)"
                      " /UF (content_credential.c2pa) /Desc (Content Credentials) /EF << /F %u 0 R >> >>\n"
                      "endobj\n",
                      u->spec, u->stream);
    u->root_at = start + u->head.n + store_n + u->tail.n;
    put_catalog(u, catalog, has_store, &u->tail);
    put_section(u, &u->tail, start + u->head.n + store_n + u->tail.n, has_store);
}

pl_rc pdf_plan_manifest(pl_media *m, const pdf_file *f, const pl_media_edit *e, pl_media_plan *p,
                        pl_error *err)
{
    pl_str    trailer = f->section[0].trailer;
    update    u = { .m = m, .f = f, .head = PL_BUF_INIT(4096), .tail = PL_BUF_INIT(PL_MEDIA_VALUE_MAX) };
    pdf_found catalog;
    uint64_t  size;
    pl_rc     rc;

    if (e->label.n > 0 || e->source_type)
        return pl_fail(err, PL_INVALID, "label a PDF file first, then sign it: two steps");
    if (!pdf_uint(pdf_get(trailer, "Size"), &size) || size > UINT32_MAX - 8 ||
        !pdf_is_ref(pdf_get(trailer, "Root"), &u.root) ||
        !pdf_resolve(m, f, 0, pdf_get(trailer, "Root"), &catalog) || catalog.value.n < 4)
        return pl_fail(err, PL_INVALID, "the document's catalog cannot be read");
    u.stream = (uint32_t)size;
    u.spec = (uint32_t)size + 1;
    compose(&u, catalog.value, e->c2pa.n);
    rc = pl_buf_check(&u.head, err);
    if (rc == PL_OK)
        rc = pl_buf_check(&u.tail, err);
    if (rc == PL_OK && m->io.size + e->c2pa.n + u.tail.n >= 9999990000ull)
        rc = pl_fail(err, PL_LIMIT, "the document would be longer than its tables can say");
    if (rc == PL_OK) {
        plan_replace(p, m->io.size, 0, pl_buf_str(&u.head));
        if (e->c2pa.n > 0)
            plan_replace_c2pa(p, m->io.size, 0, e->c2pa);
        plan_replace(p, m->io.size, 0, pl_buf_str(&u.tail));
    }
    pl_buf_done(&u.head);
    pl_buf_done(&u.tail);
    return rc;
}
