/* PDF files: cross-reference tables and streams, objects, streams (ISO 32000-1 §7.5). */
#include "base/banned.h"

#include "engine/media/pdf.h"

#define TAIL 2048u

/* --- cross-references ---------------------------------------------------------------------------- */

/* Bytes from `at` on, as many as an object may have. */
static bool window(pl_media *m, uint64_t at, size_t max, pl_str *out)
{
    uint64_t n = at < m->io.size ? m->io.size - at : 0;

    return n > 0 && media_bytes(m, at, n < max ? n : max, max, out);
}

static bool starts_object(pl_str s, size_t *at, uint64_t *number)
{
    size_t from, i;
    pl_str part[3];

    for (i = 0; i < 3; i++) {
        pdf_skip(s, at);
        from = *at;
        if (!pdf_token(s, at))
            return false;
        part[i] = (pl_str){ s.p + from, *at - from };
    }
    return pdf_uint(part[0], number) && pdf_digits(part[1]) && pl_str_eqz(part[2], "obj");
}

/* The object at a file offset: value, and where its stream begins. */
static bool object_at(pl_media *m, uint64_t at, uint64_t *number, pdf_found *out)
{
    static const size_t sizes[] = { 4096, PDF_OBJECT_MAX };

    for (size_t k = 0; k < 2; k++) {
        pl_str s;
        size_t pos = 0;
        if (!window(m, at, sizes[k], &s))
            return false;
        if (!starts_object(s, &pos, number)) {
            if (s.n < sizes[k])
                return false;
            continue;
        }
        if (!pdf_object(s, &pos, &out->value))
            continue;
        pdf_skip(s, &pos);
        if (s.n - pos < 8 && s.n == sizes[k])
            continue;
        out->at = at;
        out->data_at = 0;
        if (s.n - pos > 7 && memcmp(s.p + pos, "stream", 6) == 0) {
            pos += 6;
            if (s.p[pos] == '\r')
                pos++;
            if (pos < s.n && s.p[pos] == '\n')
                pos++;
            out->data_at = at + pos;
        }
        return true;
    }
    return false;
}

static bool section_table(pl_media *m, pdf_section *x, pl_str s)
{
    size_t at = 4, body;

    pdf_skip(s, &at);
    body = at;
    for (;;) {
        size_t from, rows;
        pl_str first, count;
        uint64_t n;
        pdf_skip(s, &at);
        from = at;
        if (!pdf_token(s, &at))
            return false;
        first = (pl_str){ s.p + from, at - from };
        if (pl_str_eqz(first, "trailer"))
            break;
        pdf_skip(s, &at);
        from = at;
        if (!pdf_token(s, &at))
            return false;
        count = (pl_str){ s.p + from, at - from };
        if (!pdf_digits(first) || !pdf_uint(count, &n))
            return false;
        pdf_skip(s, &at);
        rows = at;
        if (n > (s.n - rows) / 20)
            return false;
        at = rows + (size_t)n * 20;
    }
    x->data = (pl_str){ s.p + body, at - body };
    (void)m;
    return pdf_object(s, &at, &x->trailer) && x->trailer.n > 4 && x->trailer.p[0] == '<';
}

static bool section_stream(pl_media *m, const pdf_file *f, pdf_section *x, const pdf_found *o)
{
    pl_str         w = pdf_get(o->value, "W"), num;
    size_t         at = 1;
    uint64_t       v;
    pl_media_range raw;

    if (!o->data_at || !pl_str_eqz(pdf_get(o->value, "Type"), "/XRef") || w.n < 3)
        return false;
    w.n--;
    for (int i = 0; i < 3; i++) {
        if (!pdf_object(w, &at, &num) || !pdf_uint(num, &v) || v > 8)
            return false;
        x->w[i] = (unsigned)v;
    }
    x->is_stream = true;
    x->trailer = o->value;
    x->index = pdf_get(o->value, "Index");
    return x->w[1] > 0 && pdf_stream(m, f, 0, o, &x->data, &raw);
}

static bool section_at(pl_media *m, pdf_file *f, uint64_t at, pdf_section *x)
{
    pl_str    s;
    size_t    skip = 0;
    uint64_t  number;
    pdf_found o;

    if (!media_step(m) || !window(m, at, 64, &s))
        return false;
    pdf_skip(s, &skip);
    at += skip;
    x->at = at;
    if (s.n - skip >= 4 && memcmp(s.p + skip, "xref", 4) == 0)
        return (window(m, at, 64 << 10, &s) && section_table(m, x, s)) ||
               (window(m, at, PDF_STREAM_MAX, &s) && section_table(m, x, s));
    return object_at(m, at, &number, &o) && section_stream(m, f, x, &o);
}

static bool known_section(const pdf_file *f, uint64_t at)
{
    for (size_t i = 0; i < f->sections; i++)
        if (f->section[i].at == at)
            return true;
    return false;
}

static bool sections(pl_media *m, pdf_file *f, uint64_t at)
{
    while (f->sections < PDF_REVISIONS_MAX) {
        pdf_section *x = &f->section[f->sections];
        uint64_t     next;
        if (!section_at(m, f, at, x))
            return f->sections > 0;
        if (known_section(f, x->at)) {
            media_note(m, "pdf.loop", x->at, "the cross-reference sections form a loop");
            return true;
        }
        f->sections++;
        if (pdf_uint(pdf_get(x->trailer, "XRefStm"), &next) && f->sections < PDF_REVISIONS_MAX &&
            !known_section(f, f->base + next) && section_at(m, f, f->base + next, &f->section[f->sections]))
            f->sections++;
        if (!pdf_uint(pdf_get(x->trailer, "Prev"), &next))
            return true;
        at = f->base + next;
    }
    media_note(m, "pdf.revisions", at, "the file has more revisions than are read");
    return true;
}

bool pdf_open(pl_media *m, pdf_file *f)
{
    pl_str      head, tail;
    const char *h;
    uint64_t    from = m->io.size < TAIL ? 0 : m->io.size - TAIL, at;
    size_t      i, pos;

    if (!window(m, 0, 1024, &head) || !(h = memmem(head.p, head.n, "%PDF-", 5)) ||
        !window(m, from, TAIL, &tail))
        return false;
    f->base = (uint64_t)(h - head.p);
    for (i = tail.n; i >= 9; i--)
        if (memcmp(tail.p + i - 9, "startxref", 9) == 0)
            break;
    if (i < 9)
        return false;
    f->found_end = true;
    pos = i;
    pdf_skip(tail, &pos);
    i = pos;
    while (pos < tail.n && tail.p[pos] >= '0' && tail.p[pos] <= '9')
        pos++;
    if (!pdf_uint((pl_str){ tail.p + i, pos - i }, &at))
        return false;
    if (sections(m, f, f->base + at))
        return true;
    f->base = 0; /* offsets of the file as it lies, whatever stands before the header */
    return sections(m, f, at);
}

/* --- lookup ---------------------------------------------------------------------------------------- */

typedef struct pdf_entry {
    unsigned type; /* 0 free, 1 at offset a, 2 in object stream a as number b */
    uint64_t a, b;
} pdf_entry;

static bool in_table(const pdf_section *x, uint32_t number, pdf_entry *e)
{
    size_t at = 0;
    pl_str first, count;
    uint64_t f, n, v;

    while (pdf_object(x->data, &at, &first) && pdf_digits(first) && pdf_object(x->data, &at, &count)) {
        if (!pdf_uint(first, &f) || !pdf_uint(count, &n))
            return false;
        pdf_skip(x->data, &at);
        if (n > (x->data.n - at) / 20)
            return false;
        if (number >= f && number - f < n) {
            const char *row = x->data.p + at + (size_t)(number - f) * 20;
            if (!pdf_uint((pl_str){ row, 10 }, &v))
                return false;
            *e = (pdf_entry){ row[17] == 'n' ? 1 : 0, v, 0 };
            return true;
        }
        at += (size_t)n * 20;
    }
    return false;
}

static uint64_t field(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static bool in_stream(const pdf_section *x, uint32_t number, pdf_entry *e)
{
    unsigned row = x->w[0] + x->w[1] + x->w[2];
    size_t   at = 1, rows = x->data.n / row, done = 0;
    pl_str   index = x->index.n > 2 ? (pl_str){ x->index.p, x->index.n - 1 } : PL_STR("[0 4294967295");
    pl_str   first, count;
    uint64_t f, n;

    while (pdf_object(index, &at, &first) && pdf_object(index, &at, &count) && pdf_uint(first, &f) && pdf_uint(count, &n)) {
        if (number >= f && number - f < n) {
            if (number - f >= rows - done)
                return false;
            const uint8_t *p = (const uint8_t *)x->data.p + (done + (size_t)(number - f)) * row;
            e->type = x->w[0] ? (unsigned)field(p, x->w[0]) : 1;
            e->a = field(p + x->w[0], x->w[1]);
            e->b = field(p + x->w[0] + x->w[1], x->w[2]);
            return true;
        }
        if (n > rows - done)
            return false;
        done += (size_t)n;
    }
    return false;
}

/* Object streams: pairs of number and offset, then the objects. */
static bool in_object_stream(pl_media *m, const pdf_file *f, size_t from, const pdf_entry *e, uint32_t number, pdf_found *out)
{
    pdf_found      s;
    pdf_entry      host = { 0, 0, 0 };
    pl_str         data, num, off;
    uint64_t       first, n, id, o, got;
    size_t         at = 0;
    pl_media_range raw;
    bool           ok = false;

    for (size_t i = from; i < f->sections && !ok; i++)
        ok = f->section[i].is_stream ? in_stream(&f->section[i], (uint32_t)e->a, &host) : in_table(&f->section[i], (uint32_t)e->a, &host);
    if (!ok || host.type != 1 || !object_at(m, f->base + host.a, &got, &s) || got != e->a ||
        !pdf_uint(pdf_get(s.value, "First"), &first) || !pdf_uint(pdf_get(s.value, "N"), &n) ||
        !pdf_stream(m, f, from, &s, &data, &raw) || first > data.n)
        return false;
    for (uint64_t i = 0; i < n && media_step(m); i++) {
        if (!pdf_object((pl_str){ data.p, (size_t)first }, &at, &num) || !pdf_object((pl_str){ data.p, (size_t)first }, &at, &off) ||
            !pdf_uint(num, &id) || !pdf_uint(off, &o))
            return false;
        if (id == number && o <= data.n - first) {
            size_t pos = (size_t)(first + o);
            out->at = out->data_at = 0;
            return pdf_object(data, &pos, &out->value);
        }
    }
    return false;
}

bool pdf_find(pl_media *m, const pdf_file *f, size_t from, uint32_t number, pdf_found *out)
{
    for (size_t i = from; i < f->sections; i++) {
        const pdf_section *x = &f->section[i];
        pdf_entry          e;
        uint64_t           got;
        if (!(x->is_stream ? in_stream(x, number, &e) : in_table(x, number, &e)))
            continue;
        if (e.type == 2)
            return in_object_stream(m, f, from, &e, number, out);
        return e.type == 1 && object_at(m, f->base + e.a, &got, out) && got == number;
    }
    return false;
}

bool pdf_resolve(pl_media *m, const pdf_file *f, size_t from, pl_str v, pdf_found *out)
{
    uint32_t number;

    if (pdf_is_ref(v, &number))
        return pdf_find(m, f, from, number, out);
    *out = (pdf_found){ v, 0, 0 };
    return v.n > 0;
}

/* --- streams ---------------------------------------------------------------------------------------- */

/* PNG predictors (ISO 32000-1 §7.4.4.4), rows of one byte filter and `columns` bytes. */
static bool unpredict(pl_media *m, pl_str in, size_t columns, pl_str *out)
{
    size_t   rows = in.n / (columns + 1);
    uint8_t *p = pl_arena_alloc(m->arena, rows * columns + 1);

    if (!p)
        return false;
    for (size_t r = 0; r < rows; r++) {
        const uint8_t *s = (const uint8_t *)in.p + r * (columns + 1);
        uint8_t       *d = p + r * columns, *up = r ? d - columns : NULL;
        for (size_t i = 0; i < columns; i++) {
            int a = i ? d[i - 1] : 0, b = up ? up[i] : 0, c = up && i ? up[i - 1] : 0, add = 0;
            if (s[0] == 1)
                add = a;
            else if (s[0] == 2)
                add = b;
            else if (s[0] == 3)
                add = (a + b) / 2;
            else if (s[0] == 4)
                add = abs(b - c) <= abs(a - c) && abs(b - c) <= abs(a + b - 2 * c) ? a : abs(a - c) <= abs(a + b - 2 * c) ? b : c;
            d[i] = (uint8_t)(s[1 + i] + add);
        }
    }
    *out = (pl_str){ (char *)p, rows * columns };
    return true;
}

bool pdf_stream(pl_media *m, const pdf_file *f, size_t from, const pdf_found *o, pl_str *out, pl_media_range *raw)
{
    pl_str    filter = pdf_get(o->value, "Filter"), parms = pdf_get(o->value, "DecodeParms"), packed;
    pl_str    len = pdf_get(o->value, "Length");
    uint64_t  n, predictor = 1, columns = 1;
    pdf_found l;

    *raw = range_of(0, 0);
    if (!o->data_at)
        return false;
    if (!pdf_uint(len, &n)) {
        if (!f->sections || !pdf_resolve(m, f, from, len, &l) || !pdf_uint(l.value, &n))
            return false;
    }
    if (n > m->io.size - o->data_at || !media_bytes(m, o->data_at, n, PDF_STREAM_MAX, &packed))
        return false;
    if (filter.n > 2 && filter.p[0] == '[')
        filter = pl_str_trim((pl_str){ filter.p + 1, filter.n - 2 });
    if (parms.n > 2 && parms.p[0] == '[')
        parms = pl_str_trim((pl_str){ parms.p + 1, parms.n - 2 });
    if (filter.n == 0) {
        *out = packed;
        *raw = range_of(o->data_at, n);
        return true;
    }
    if ((!pl_str_eqz(filter, "/FlateDecode") && !pl_str_eqz(filter, "/Fl")) || !media_inflate(m, packed, false, PDF_STREAM_MAX, out))
        return false;
    (void)pdf_uint(pdf_get(parms, "Predictor"), &predictor);
    (void)pdf_uint(pdf_get(parms, "Columns"), &columns);
    if (predictor < 10)
        return predictor == 1;
    return columns > 0 && columns < 65536 && unpredict(m, *out, (size_t)columns, out);
}
