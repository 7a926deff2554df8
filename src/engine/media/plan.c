/* Plans: replacements of byte ranges, turned into spans of the new file. */
#include "base/banned.h"

#include "engine/media/media_int.h"

void buf_be16(pl_buf *b, uint32_t v)
{
    pl_buf_putc(b, (char)(v >> 8));
    pl_buf_putc(b, (char)v);
}

void buf_be32(pl_buf *b, uint32_t v)
{
    buf_be16(b, v >> 16);
    buf_be16(b, v & 0xFFFF);
}

void buf_be64(pl_buf *b, uint64_t v)
{
    buf_be32(b, (uint32_t)(v >> 32));
    buf_be32(b, (uint32_t)v);
}

void buf_le32(pl_buf *b, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        pl_buf_putc(b, (char)(v >> (8 * i)));
}

/* --- operations ---------------------------------------------------------------------------- */

static void add(pl_media_plan *p, uint64_t at, uint64_t n, pl_str bytes, bool is_c2pa)
{
    char *copy;

    if (p->rc != PL_OK || (n == 0 && bytes.n == 0))
        return;
    if (p->ops == p->ops_cap) {
        size_t   cap = p->ops_cap ? p->ops_cap * 2 : 16;
        plan_op *op = realloc(p->op, cap * sizeof *op);
        if (!op) {
            p->rc = PL_NOMEM;
            return;
        }
        p->op = op;
        p->ops_cap = cap;
    }
    copy = pl_arena_dup(p->arena, bytes);
    if (!copy) {
        p->rc = PL_NOMEM;
        return;
    }
    p->op[p->ops] = (plan_op){ at, n, (uint8_t *)copy, bytes.n, p->ops, is_c2pa,
                                 false };
    p->ops++;
}

void plan_replace(pl_media_plan *p, uint64_t at, uint64_t n, pl_str bytes)
{
    add(p, at, n, bytes, false);
}

void plan_replace_c2pa(pl_media_plan *p, uint64_t at, uint64_t n, pl_str bytes)
{
    add(p, at, n, bytes, true);
}

void plan_insert_after(pl_media_plan *p, uint64_t at, pl_str bytes)
{
    add(p, at, 0, bytes, false);
    if (p->rc == PL_OK && bytes.n)
        p->op[p->ops - 1].after = true;
}

void plan_be32(pl_media_plan *p, uint64_t at, uint32_t v)
{
    char b[4] = { (char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v };

    plan_replace(p, at, 4, (pl_str){ b, 4 });
}

void plan_le32(pl_media_plan *p, uint64_t at, uint32_t v)
{
    char b[4] = { (char)v, (char)(v >> 8), (char)(v >> 16), (char)(v >> 24) };

    plan_replace(p, at, 4, (pl_str){ b, 4 });
}

int64_t plan_shift(const pl_media_plan *p, uint64_t at)
{
    int64_t d = 0;

    for (size_t i = 0; i < p->ops; i++)
        if (p->op[i].at < at || (p->op[i].at == at && p->op[i].n == 0))
            d += (int64_t)p->op[i].len - (int64_t)p->op[i].n;
    return d;
}

/* --- what every format does ----------------------------------------------------------------- */

static bool is_planned(const pl_media_plan *p, uint64_t at, uint64_t n)
{
    for (size_t i = 0; i < p->ops; i++)
        if (p->op[i].at <= at && at + n <= p->op[i].at + p->op[i].n && n > 0)
            return true;
    return false;
}

void plan_blank(pl_media_plan *p, pl_media_range r)
{
    char *zero = pl_arena_alloc(p->arena, (size_t)r.n);

    if (!zero)
        p->rc = PL_NOMEM;
    else
        plan_replace(p, r.at, r.n, (pl_str){ zero, (size_t)r.n });
}

pl_rc plan_drop_labels(pl_media_plan *p, const char *keep, pl_error *err)
{
    pl_media *m = p->m;

    for (size_t i = 0; i < m->n; i++) {
        pl_media_item *it = &m->item[i];
        if (it->kind != PL_MEDIA_LABEL || (it->flags & PL_MEDIA_OUTSIDE) ||
            (keep && strcmp(it->carrier, keep) == 0))
            continue;
        for (size_t k = 0; k < it->parts_n; k++) {
            pl_media_part part = it->parts[k];
            if (m->own[i].how == HOW_CUT && !is_planned(p, part.frame.at, part.frame.n))
                plan_replace(p, part.frame.at, part.frame.n, (pl_str){ "", 0 });
            else if (m->own[i].how == HOW_BLANK && !is_planned(p, part.payload.at, part.payload.n))
                plan_blank(p, part.payload);
        }
    }
    return p->rc == PL_OK ? PL_OK : pl_fail(err, p->rc, "out of memory");
}

static bool packet_has_label(const pl_media *m, size_t packet)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->item[i].kind == PL_MEDIA_LABEL && m->own[i].how == HOW_XMP &&
            m->own[i].parent == packet)
            return true;
    return false;
}

pl_rc plan_clean_xmp(pl_media_plan *p, size_t except, pl_error *err)
{
    pl_media *m = p->m;

    for (size_t i = 0; i < m->n; i++) {
        pl_media_item *it = &m->item[i];
        pl_buf         b = PL_BUF_INIT(PL_MEDIA_VALUE_MAX);
        pl_rc          rc;

        if (it->kind != PL_MEDIA_XMP || i == except || (it->flags & PL_MEDIA_OUTSIDE) ||
            !packet_has_label(m, i))
            continue;
        if (it->parts_n != 1 || it->parts[0].payload.n != it->value.n || (it->flags & PL_MEDIA_PACKED))
            return pl_fail(err, PL_INVALID,
                           "a label stands in a second XMP packet that cannot be edited in place;"
                           " remove it with the tool that wrote it");
        rc = media_xmp_edit(it->value, (pl_str){ "", 0 }, NULL, true, &b, err);
        if (rc == PL_OK && b.n != it->value.n)
            rc = pl_fail(err, PL_INVALID, "the XMP packet changed its size");
        if (rc == PL_OK)
            plan_replace(p, it->parts[0].payload.at, b.n, pl_buf_str(&b));
        pl_buf_done(&b);
        if (rc != PL_OK)
            return rc;
    }
    return PL_OK;
}

void plan_cut_c2pa(pl_media_plan *p)
{
    pl_media *m = p->m;

    for (size_t i = 0; i < m->n; i++)
        if (m->item[i].kind == PL_MEDIA_C2PA && !(m->item[i].flags & PL_MEDIA_OUTSIDE))
            for (size_t k = 0; k < m->item[i].parts_n; k++)
                plan_replace(p, m->item[i].parts[k].frame.at, m->item[i].parts[k].frame.n,
                             (pl_str){ "", 0 });
}

pl_rc plan_xmp(pl_media_plan *p, const pl_media_edit *e, const char *carrier, size_t *index,
               pl_buf *out, pl_error *err)
{
    pl_media *m = p->m;
    size_t    i = media_find(m, PL_MEDIA_XMP, carrier);
    pl_str    packet = i == SIZE_MAX ? (pl_str){ "", 0 } : m->item[i].value;
    pl_rc     rc;

    *index = i;
    if (i != SIZE_MAX && (m->item[i].flags & (PL_MEDIA_TOO_LONG | PL_MEDIA_CUT)))
        return pl_fail(err, PL_LIMIT, "the file's XMP packet is too long to be edited");
    if (e->label.n == 0 && packet.n > 0) { /* the label stays: put it back where it was */
        for (size_t k = 0; k < m->n; k++)
            if (m->item[k].kind == PL_MEDIA_LABEL && m->own[k].how == HOW_XMP &&
                m->own[k].parent == i)
                return media_xmp_edit(packet, m->item[k].value, e->source_type, true, out, err);
    }
    rc = media_xmp_edit(packet, e->label, e->source_type, packet.n > 0, out, err);
    return rc == PL_OK ? plan_clean_xmp(p, i, err) : rc;
}

/* --- spans ------------------------------------------------------------------------------------ */

static int op_order(const void *a, const void *b)
{
    const plan_op *x = a, *y = b;

    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    if ((x->n == 0) != (y->n == 0)) /* an insertion stands before what is replaced there */
        return x->n == 0 ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static void span(pl_media_plan *p, const uint8_t *bytes, uint64_t from, uint64_t n)
{
    if (n == 0)
        return;
    p->span[p->spans++] = (pl_media_span){ p->size, n, bytes, from };
    p->size += n;
}

static pl_rc finish(pl_media_plan *p, pl_error *err)
{
    uint64_t at = 0;

    if (p->rc != PL_OK)
        return pl_fail(err, p->rc, "out of memory");
    qsort(p->op, p->ops, sizeof *p->op, op_order);
    p->span = calloc(p->ops * 2 + 1, sizeof *p->span);
    if (!p->span)
        return pl_fail(err, PL_NOMEM, "out of memory");
    for (size_t i = 0; i < p->ops; i++) {
        plan_op *o = &p->op[i];
        if (o->at < at || o->at > p->m->io.size || o->n > p->m->io.size - o->at)
            return pl_fail(err, PL_INVALID, "the file's structures overlap at byte %llu",
                           (unsigned long long)o->at);
        span(p, NULL, at, o->at - at);
        if (o->is_c2pa) {
            if (p->c2pa.n == 0)
                p->c2pa.at = p->size;
            p->c2pa.n += o->len;
        }
        span(p, o->bytes, 0, o->len);
        at = o->at + o->n;
    }
    span(p, NULL, at, p->m->io.size - at);
    return PL_OK;
}

pl_rc plan_build(pl_media *m, plan_fill fill, void *ctx, pl_media_plan **out, pl_error *err)
{
    pl_media_plan *p;
    pl_rc          rc;

    if (m->flags & PL_MEDIA_QUICK)
        media_polyglot(m, true);
    if (m->state != PL_MEDIA_WHOLE)
        return pl_fail(err, PL_INVALID, "the %s file is %s: %s; repair it first",
                       pl_media_format_name(m->format), pl_media_state_name(m->state),
                       m->problems ? m->problem[m->problems - 1].text : "it cannot be read to its end");
    p = calloc(1, sizeof *p);
    if (!p || !(p->arena = pl_arena_new(PL_MEDIA_MEMORY_MAX * 2))) {
        free(p);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    p->m = m;
    rc = fill(m, p, ctx, err);
    if (rc == PL_OK && m->rc != PL_OK) {
        rc = m->rc;
        if (err)
            *err = m->error;
    }
    if (rc == PL_OK)
        rc = finish(p, err);
    if (rc != PL_OK) {
        pl_media_plan_free(p);
        return rc;
    }
    *out = p;
    return PL_OK;
}

static pl_rc fill_edit(pl_media *m, pl_media_plan *p, void *ctx, pl_error *err)
{
    const media_ops     *ops = media_ops_of(m->format);
    const pl_media_edit *e = ctx;

    if (e->label.n == 0 && e->c2pa.n == 0 && !e->source_type && !e->drop_c2pa)
        return PL_OK; /* a copy */
    if (!ops || !ops->plan)
        return pl_fail(err, PL_NOTFOUND, "%s files have no place for a label",
                       pl_media_format_name(m->format));
    return ops->plan(m, ctx, p, err);
}

pl_rc pl_media_plan_new(pl_media *m, const pl_media_edit *e, pl_media_plan **out, pl_error *err)
{
    return plan_build(m, fill_edit, (void *)e, out, err);
}

void pl_media_plan_free(pl_media_plan *p)
{
    if (!p)
        return;
    pl_arena_free(p->arena);
    free(p->op);
    free(p->span);
    free(p);
}

uint64_t pl_media_plan_size(const pl_media_plan *p)
{
    return p->size;
}

size_t pl_media_plan_spans(const pl_media_plan *p)
{
    return p->spans;
}

const pl_media_span *pl_media_plan_span(const pl_media_plan *p, size_t i)
{
    return &p->span[i];
}

const char *pl_media_plan_carrier(const pl_media_plan *p)
{
    return p->carrier ? p->carrier : "";
}

pl_media_range pl_media_plan_c2pa(const pl_media_plan *p)
{
    return p->c2pa;
}

bool pl_media_plan_in_place(const pl_media_plan *p)
{
    for (size_t i = 0; i < p->spans; i++)
        if (!p->span[i].bytes && p->span[i].from != p->span[i].out)
            return false;
    return p->size >= p->m->io.size;
}

/* --- the plan as a file ------------------------------------------------------------------------- */

static size_t span_at(const pl_media_plan *p, uint64_t at)
{
    size_t lo = 0, hi = p->spans;

    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (p->span[mid].out <= at)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

static pl_rc plan_read(void *ctx, uint64_t at, void *buf, size_t n, pl_error *err)
{
    const pl_media_plan *p = ctx;
    uint8_t             *to = buf;

    if (at > p->size || n > p->size - at)
        return pl_fail(err, PL_INVALID, "read beyond the end");
    for (size_t i = n ? span_at(p, at) : 0; n > 0; i++) {
        const pl_media_span *s = &p->span[i];
        uint64_t             skip = at - s->out;
        size_t               k = s->n - skip < n ? (size_t)(s->n - skip) : n;
        if (s->bytes) {
            memcpy(to, s->bytes + skip, k);
        } else {
            pl_rc rc = p->m->io.read(p->m->io.ctx, s->from + skip, to, k, err);
            if (rc != PL_OK)
                return rc;
        }
        to += k;
        at += k;
        n -= k;
    }
    return PL_OK;
}

pl_media_io pl_media_plan_io(const pl_media_plan *p)
{
    return (pl_media_io){ (void *)(uintptr_t)p, p->size, plan_read };
}
