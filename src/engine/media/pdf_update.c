/* An incremental update (ISO 32000-1 7.5.6): new objects behind the last byte, and a section of
 * cross-references of the kind the newest one has. */
#include "base/banned.h"

#include "base/str.h"
#include "engine/media/pdf.h"

#define FILE_MAX 9999990000ull /* what ten digits of a table can say */

pl_rc pdf_update_begin(pdf_update *u, pl_media *m, const pdf_file *f, pl_error *err)
{
    uint64_t size;

    *u = (pdf_update){ .m = m, .f = f, .out = PL_BUF_INIT(PL_MEDIA_MEMORY_MAX) };
    if (!pdf_uint(pdf_get(f->section[0].trailer, "Size"), &size) || size > UINT32_MAX - PDF_UPDATE_MAX)
        return pl_fail(err, PL_INVALID, "the document does not say how many objects it has");
    u->next = (uint32_t)size;
    pl_buf_putc(&u->out, '\n');
    return PL_OK;
}

uint32_t pdf_update_new(pdf_update *u)
{
    return u->next++;
}

static uint64_t here(const pdf_update *u)
{
    return u->m->io.size - u->f->base + u->out.n + u->gap;
}

void pdf_update_object(pdf_update *u, uint32_t number)
{
    if (u->n < PDF_UPDATE_MAX)
        u->object[u->n++] = (pdf_update_entry){ number, here(u) };
    pl_buf_printf(&u->out, "%u 0 obj\n", number);
}

void pdf_update_gap(pdf_update *u, size_t n)
{
    u->gap_at = u->out.n;
    u->gap = n;
}

static int by_number(const void *a, const void *b)
{
    const pdf_update_entry *x = a, *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

static void put_key(pl_buf *b, const char *name, pl_str value)
{
    if (value.n > 0)
        pl_buf_printf(b, " /%s " PL_STR_FMT, name, PL_STR_ARG(value));
}

static void trailer_keys(const pdf_update *u, pl_buf *b)
{
    const pdf_section *x = &u->f->section[0];

    pl_buf_printf(b, "/Size %u /Prev %llu", u->next, (unsigned long long)(x->at - u->f->base));
    put_key(b, "Root", pdf_get(x->trailer, "Root"));
    put_key(b, "Info", pdf_get(x->trailer, "Info"));
    put_key(b, "ID", pdf_get(x->trailer, "ID"));
}

static void put_table(pdf_update *u)
{
    pl_buf *b = &u->out;

    pl_buf_puts(b, "xref\n");
    for (size_t i = 0; i < u->n; i++)
        pl_buf_printf(b, "%u 1\n%010llu 00000 n \n", u->object[i].number,
                      (unsigned long long)u->object[i].at);
    pl_buf_puts(b, "trailer\n<< ");
    trailer_keys(u, b);
    pl_buf_puts(b, " >>\n");
}

static void put_stream(pdf_update *u, uint64_t at)
{
    pl_buf  *b = &u->out;
    uint32_t self = pdf_update_new(u);

    u->object[u->n++] = (pdf_update_entry){ self, at };
    pl_buf_printf(b, "%u 0 obj\n<< /Type /XRef /W [1 8 2] /Length %zu /Index [", self, 11 * u->n);
    for (size_t i = 0; i < u->n; i++)
        pl_buf_printf(b, " %u 1", u->object[i].number);
    pl_buf_puts(b, " ] ");
    trailer_keys(u, b);
    pl_buf_puts(b, " >>\nstream\n");
    for (size_t i = 0; i < u->n; i++) {
        pl_buf_putc(b, 1);
        buf_be64(b, u->object[i].at);
        buf_be16(b, 0);
    }
    pl_buf_puts(b, "\nendstream\nendobj\n");
}

pl_rc pdf_update_end(pdf_update *u, pl_str gap, pl_media_plan *p, pl_error *err)
{
    uint64_t at = here(u), end = u->m->io.size;
    pl_rc    rc;

    qsort(u->object, u->n, sizeof u->object[0], by_number);
    if (u->f->section[0].is_stream)
        put_stream(u, at);
    else
        put_table(u);
    pl_buf_printf(&u->out, "startxref\n%llu\n%%%%EOF\n", (unsigned long long)at);
    rc = u->n >= PDF_UPDATE_MAX ? pl_fail(err, PL_LIMIT, "too many objects at once")
                                : pl_buf_check(&u->out, err);
    if (rc == PL_OK && end + u->out.n + gap.n >= FILE_MAX)
        rc = pl_fail(err, PL_LIMIT, "the document would be longer than its tables can say");
    if (rc == PL_OK) {
        plan_replace(p, end, 0, (pl_str){ u->out.p, u->gap > 0 ? u->gap_at : u->out.n });
        if (u->gap > 0) {
            plan_replace_c2pa(p, end, 0, gap);
            plan_replace(p, end, 0, (pl_str){ u->out.p + u->gap_at, u->out.n - u->gap_at });
        }
    }
    pl_buf_done(&u->out);
    return rc;
}
