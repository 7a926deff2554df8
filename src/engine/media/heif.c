/* HEIC and AVIF (ISO/IEC 23008-12): XMP as an item of type mime, described by iinf, placed by
 * iloc, tied to the picture by a cdsc reference. A new packet goes into an mdat box at the end
 * of the file; pictures stay where they are but for what the meta box grows by.
 * REQ: TC260-PG-20259A/heif */
#include "base/banned.h"

#include "engine/media/bmff.h"

#define ITEMS_MAX 65536u

typedef struct heif_xmp {
    uint32_t id;
    uint64_t extent_at;            /* of its offset field in iloc, 0: several extents */
    uint64_t base, offset, length;
    bool     in_idat;
} heif_xmp;

typedef struct heif_layout {
    bmff_layout bmff; /* first: bmff_settle works on it */
    bmff_box    meta, iinf, iloc, iref, pitm, idat;
    uint32_t    primary, max_id;
    uint32_t    iinf_count;
    uint64_t    iinf_count_at;
    unsigned    iinf_count_n;
    unsigned    offset_n, length_n, base_n, index_n, version;
    uint64_t    iloc_count_at;
    uint32_t    iloc_count;
    unsigned    iref_version;
    heif_xmp    xmp;
    uint32_t    exif_id, xmp_id;
} heif_layout;

static bool number(pl_media *m, uint64_t at, unsigned n, uint64_t *v)
{
    uint8_t b[8];

    *v = 0;
    if (n > 8 || !media_get(m, at, b, n))
        return false;
    for (unsigned i = 0; i < n; i++)
        *v = *v << 8 | b[i];
    return true;
}

/* infe version 2 and 3: id, protection, type, name, content type. */
static void infe(pl_media *m, heif_layout *h, const bmff_box *b)
{
    uint64_t version, id, at = b->body + 4;
    unsigned id_n;
    char     type[4], text[256] = { 0 };
    size_t   n;

    if (!number(m, b->body, 1, &version) || version < 2 || version > 3)
        return;
    id_n = version == 2 ? 2 : 4;
    if (b->end - at < id_n + 6u || !number(m, at, id_n, &id) || !media_get(m, at + id_n + 2, type, 4))
        return;
    if (id > h->max_id)
        h->max_id = (uint32_t)id;
    if (memcmp(type, "Exif", 4) == 0)
        h->exif_id = (uint32_t)id;
    if (memcmp(type, "mime", 4) != 0)
        return;
    at += id_n + 6;
    n = b->end - at < sizeof text - 1 ? (size_t)(b->end - at) : sizeof text - 1;
    if (!media_get(m, at, text, n))
        return;
    size_t name = strnlen(text, n) + 1;
    if (name < n && strncmp(text + name, "application/rdf+xml", 20) == 0 && !h->xmp_id)
        h->xmp_id = (uint32_t)id;
}

static void iinf(pl_media *m, heif_layout *h, const bmff_box *b)
{
    uint64_t version, count;
    bmff_box c;

    if (!number(m, b->body, 1, &version))
        return;
    h->iinf_count_n = version == 0 ? 2 : 4;
    h->iinf_count_at = b->body + 4;
    if (!number(m, h->iinf_count_at, h->iinf_count_n, &count))
        return;
    h->iinf_count = (uint32_t)count;
    uint64_t at = h->iinf_count_at + h->iinf_count_n;
    for (; bmff_next(m, at, b->end, &c); at = c.end)
        if (bmff_is(&c, "infe"))
            infe(m, h, &c);
    bmff_slack(m, at, b);
}

/* Where the bytes of one item are, for what is read: XMP and EXIF with one extent. */
static void place(pl_media *m, heif_layout *h, uint32_t id, unsigned method, uint64_t base,
                  uint64_t extent_at, uint64_t offset, uint64_t length, uint64_t extents)
{
    uint64_t from = method == 1 ? h->idat.body : 0, at = from + base + offset;
    uint64_t limit = method == 1 ? h->idat.end : m->io.size;

    if (id != h->xmp_id && id != h->exif_id)
        return;
    if (method > 1 || base > limit || offset > limit || at > limit || length > limit - at) {
        media_note(m, "heif.iloc", extent_at, "an item lies outside the file");
        return;
    }
    if (id == h->xmp_id) {
        h->xmp = (heif_xmp){ id, extents == 1 ? extent_at : 0, base, offset, length, method == 1 };
        media_add_xmp(m, "heif.xmp", range_of(at, length), range_of(at, length),
                      extents == 1 ? 0 : PL_MEDIA_PACKED);
    } else if (length > 4) {
        uint32_t skip;
        if (media_be32(m, at, &skip) && skip < length - 4)
            media_add_exif(m, "heif.exif", range_of(at + 4 + skip, length - 4 - skip), range_of(at, length));
    }
}

static bool iloc_item(pl_media *m, heif_layout *h, uint64_t *at, uint64_t end)
{
    unsigned id_n = h->version < 2 ? 2 : 4;
    uint64_t id, method = 0, base, extents;

    if (!number(m, *at, id_n, &id))
        return false;
    *at += id_n;
    if (h->version > 0) {
        if (!number(m, *at, 2, &method))
            return false;
        *at += 2;
    }
    *at += 2; /* data reference */
    if (!number(m, *at, h->base_n, &base) || !number(m, *at + h->base_n, 2, &extents))
        return false;
    if (base && (method & 15) == 0 && !bmff_add_table(m, &h->bmff, *at, 1, h->base_n, h->base_n))
        return false;
    *at += h->base_n + 2;
    for (uint64_t i = 0; i < extents; i++) {
        uint64_t offset, length, extent_at;
        if (!media_step(m) || *at > end)
            return false;
        if (h->version > 0)
            *at += h->index_n;
        extent_at = *at;
        if (!number(m, *at, h->offset_n, &offset) || !number(m, *at + h->offset_n, h->length_n, &length))
            return false;
        if (!base && (method & 15) == 0 && h->offset_n &&
            !bmff_add_table(m, &h->bmff, *at, 1, h->offset_n, h->offset_n))
            return false;
        *at += h->offset_n + h->length_n;
        place(m, h, (uint32_t)id, method & 15, base, extent_at, offset, length, extents);
    }
    return *at <= end;
}

static void iloc(pl_media *m, heif_layout *h, const bmff_box *b)
{
    uint64_t version, sizes, count, at = b->body + 6;
    unsigned count_n;

    if (!number(m, b->body, 1, &version) || !number(m, b->body + 4, 2, &sizes))
        return;
    h->version = (unsigned)version;
    h->offset_n = sizes >> 12 & 15;
    h->length_n = sizes >> 8 & 15;
    h->base_n = sizes >> 4 & 15;
    h->index_n = version > 0 ? sizes & 15 : 0;
    if (version > 2 || h->offset_n > 8 || h->length_n > 8 || h->base_n > 8 || h->index_n > 8)
        return media_stop(m, PL_MEDIA_MALFORMED, "heif.iloc", b->at, "the table of places is of an unknown kind");
    count_n = version < 2 ? 2 : 4;
    h->iloc_count_at = at;
    if (!number(m, at, count_n, &count))
        return;
    h->iloc_count = (uint32_t)count;
    at += count_n;
    for (uint64_t i = 0; i < count; i++)
        if (!media_step(m) || !iloc_item(m, h, &at, b->end))
            return media_stop(m, PL_MEDIA_MALFORMED, "heif.iloc", b->at, "the table of places is cut or too long");
    bmff_slack(m, at, b);
}

static void meta(pl_media *m, const bmff_box *box)
{
    heif_layout *h = m->layout;
    bmff_box     c;
    uint64_t     v, at;

    h->meta = *box;
    for (at = box->body + 4; bmff_next(m, at, box->end, &c); at = c.end) {
        if (bmff_is(&c, "iinf"))
            h->iinf = c;
        else if (bmff_is(&c, "iloc"))
            h->iloc = c;
        else if (bmff_is(&c, "iref"))
            h->iref = c;
        else if (bmff_is(&c, "pitm"))
            h->pitm = c;
        else if (bmff_is(&c, "idat"))
            h->idat = c;
    }
    bmff_slack(m, at, box);
    if (m->state != PL_MEDIA_WHOLE)
        return;
    if (h->pitm.end && number(m, h->pitm.body, 1, &v) &&
        number(m, h->pitm.body + 4, v == 0 ? 2 : 4, &v))
        h->primary = (uint32_t)v;
    if (h->iref.end && number(m, h->iref.body, 1, &v))
        h->iref_version = (unsigned)v;
    if (h->iinf.end)
        iinf(m, h, &h->iinf);
    if (h->iloc.end)
        iloc(m, h, &h->iloc);
}

static void scan(pl_media *m)
{
    heif_layout *h = pl_arena_alloc(m->arena, sizeof *h);

    if (!h)
        return media_nomem(m);
    m->layout = h;
    bmff_scan(m, &h->bmff, meta);
    if (m->rc == PL_OK && m->state == PL_MEDIA_WHOLE && !h->bmff.meta_top.end && !h->bmff.moov.end)
        media_stop(m, PL_MEDIA_TRUNCATED, "heif.meta", 0, "there is no meta box");
}

/* --- writing -------------------------------------------------------------------------------- */

static void put(pl_buf *b, uint64_t v, unsigned n)
{
    for (unsigned i = n; i > 0; i--)
        pl_buf_putc(b, (char)(v >> (8 * (i - 1))));
}

/* The packet in a box of its own at the end. Gives where its bytes stand before anything
 * moved; the end of the file moves by everything else. */
static void put_packet(pl_media_plan *p, pl_str packet)
{
    pl_buf b = PL_BUF_INIT(PL_MEDIA_VALUE_MAX + 16);

    buf_be32(&b, (uint32_t)(8 + packet.n));
    pl_buf_puts(&b, "mdat");
    pl_buf_put(&b, packet);
    p->rc = b.failed ? PL_LIMIT : p->rc;
    plan_insert_after(p, p->m->io.size, pl_buf_str(&b));
    pl_buf_done(&b);
}

static void new_infe(pl_buf *b, uint32_t id)
{
    bool wide = id > 0xFFFF;

    buf_be32(b, wide ? 43 : 41);
    pl_buf_puts(b, "infe");
    buf_be32(b, (uint32_t)(wide ? 3 : 2) << 24);
    put(b, id, wide ? 4 : 2);
    put(b, 0, 2);
    pl_buf_puts(b, "mime");
    pl_buf_putc(b, '\0');
    pl_buf_put(b, PL_STR("application/rdf+xml\0"));
}

/* Offset of the packet in the new file: behind everything, its box header first. Every
 * operation that changes a length is there by now, but for the packet's own box. */
static uint64_t packet_at(const pl_media_plan *p, size_t own_growth)
{
    return p->m->io.size + (uint64_t)plan_shift(p, p->m->io.size) + own_growth + 8;
}

static pl_rc add_item(pl_media_plan *p, heif_layout *h, pl_str packet, pl_error *err)
{
    uint32_t id = h->max_id + 1;
    unsigned id_n = h->version < 2 ? 2 : 4, ref_n = h->iref.end && h->iref_version > 0 ? 4 : 2;
    pl_buf   b = PL_BUF_INIT(256);
    uint64_t at;
    bool     by_base = h->offset_n < 4; /* tables that place items by their base alone */
    size_t   iloc_n = id_n + (h->version > 0 ? 2 : 0) + 2 + h->base_n + 2 + h->index_n + h->offset_n + h->length_n;

    if (!h->iinf.end || !h->iloc.end || (by_base && (h->offset_n || h->base_n < 4)) || h->length_n < 4 || id == 0 || !h->primary ||
        ((id_n == 2 || ref_n == 2 || h->iinf_count_n == 2) && id > 0xFFFF))
        return pl_fail(err, PL_INVALID, "the file's item tables have no room for another item");
    new_infe(&b, id);
    plan_replace(p, h->iinf.end, 0, pl_buf_str(&b));
    pl_buf_clear(&b);
    put(&b, h->iinf_count + 1, h->iinf_count_n);
    plan_replace(p, h->iinf_count_at, b.n, pl_buf_str(&b));
    pl_buf_clear(&b);
    if (!h->iref.end) { /* a box of its own, version 0 */
        buf_be32(&b, 12 + 14);
        pl_buf_puts(&b, "iref");
        buf_be32(&b, 0);
    }
    buf_be32(&b, (uint32_t)(10 + 2 * ref_n));
    pl_buf_puts(&b, "cdsc");
    put(&b, id, ref_n);
    put(&b, 1, 2);
    put(&b, h->primary, ref_n);
    plan_replace(p, h->iref.end ? h->iref.end : h->meta.end, 0, pl_buf_str(&b));
    pl_buf_clear(&b);
    put(&b, h->iloc_count + 1, h->version < 2 ? 2 : 4);
    plan_replace(p, h->iloc_count_at, b.n, pl_buf_str(&b));
    pl_buf_clear(&b);
    at = packet_at(p, iloc_n);
    put(&b, id, id_n);
    put(&b, 0, h->version > 0 ? 4 : 2); /* construction method, data reference */
    put(&b, by_base ? at : 0, h->base_n);
    put(&b, 1, 2);
    put(&b, 0, h->index_n);
    if ((by_base ? h->base_n : h->offset_n) == 4 && at > UINT32_MAX)
        return pl_fail(err, PL_LIMIT, "the packet would stand beyond 4 GiB");
    put(&b, at, h->offset_n);
    put(&b, packet.n, h->length_n);
    plan_replace(p, h->iloc.end, 0, pl_buf_str(&b));
    pl_buf_done(&b);
    put_packet(p, packet);
    bmff_fix(&h->bmff, &h->iinf);
    bmff_fix(&h->bmff, &h->iloc);
    if (h->iref.end)
        bmff_fix(&h->bmff, &h->iref);
    bmff_fix(&h->bmff, &h->meta);
    return PL_OK;
}

/* The item is there: its packet is overwritten, or gets a new place. */
static pl_rc move_item(pl_media_plan *p, heif_layout *h, size_t old, pl_str packet, pl_error *err)
{
    pl_media_range r = p->m->item[old].parts[0].payload;
    pl_buf         b = PL_BUF_INIT(32);
    uint64_t       at;

    if (packet.n == r.n) {
        plan_replace(p, r.at, r.n, packet);
        return PL_OK;
    }
    if (!h->xmp.extent_at || h->xmp.in_idat || h->offset_n < 4 || h->length_n < 4 || h->xmp.base)
        return pl_fail(err, PL_INVALID, "the XMP packet of this file cannot grow where it is");
    plan_blank(p, r);
    at = packet_at(p, 0);
    put(&b, at, h->offset_n);
    put(&b, packet.n, h->length_n);
    /* The table that moves offsets must not see this one. */
    for (size_t i = 0; i < h->bmff.tables; i++)
        if (h->bmff.table[i].at == h->xmp.extent_at)
            h->bmff.table[i].count = 0;
    plan_replace(p, h->xmp.extent_at, b.n, pl_buf_str(&b));
    pl_buf_done(&b);
    put_packet(p, packet);
    return PL_OK;
}

static pl_rc plan(pl_media *m, const pl_media_edit *e, pl_media_plan *p, pl_error *err)
{
    heif_layout *h = m->layout;
    pl_rc        rc = bmff_c2pa(p, e, &h->bmff, err);

    h->bmff.fixes = 0;
    if (rc == PL_OK && (e->label.n || e->source_type)) {
        pl_buf packet = PL_BUF_INIT(PL_MEDIA_VALUE_MAX);
        size_t old = SIZE_MAX;
        p->carrier = "heif.xmp";
        rc = plan_xmp(p, e, "heif.xmp", &old, &packet, err);
        if (rc == PL_OK && old != SIZE_MAX && (m->item[old].flags & PL_MEDIA_PACKED))
            rc = pl_fail(err, PL_INVALID, "the XMP packet of this file lies in several pieces");
        if (rc == PL_OK)
            rc = old == SIZE_MAX ? add_item(p, h, pl_buf_str(&packet), err)
                                 : move_item(p, h, old, pl_buf_str(&packet), err);
        pl_buf_done(&packet);
    }
    if (rc == PL_OK && e->label.n)
        rc = plan_drop_labels(p, "heif.xmp", err);
    return rc == PL_OK ? bmff_settle(p, &h->bmff, err) : rc;
}

const media_ops media_heif = { scan, plan };
