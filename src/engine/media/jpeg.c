/* JPEG (ITU-T T.81 annex B): marker segments up to the first scan. XMP: ISO 16684-3 §1.1.3,
 * APP1; C2PA: APP11 (ISO/IEC 19566-5 annex D). REQ: TC260-PG-20259A/jpeg */
#include "base/banned.h"

#include "engine/media/media_int.h"

#define XMP_HEAD     "http://ns.adobe.com/xap/1.0/"
#define XMP_EXT_HEAD "http://ns.adobe.com/xmp/extension/"
#define XMP_MAX      65502u
#define C2PA_PIECE   64000u
#define C2PA_BOX     0x0211u /* En: any number that is the same in all pieces */

typedef struct jpeg_layout {
    uint64_t after_jfif; /* behind SOI and APP0: where a manifest store goes */
    uint64_t after_exif; /* ... and EXIF: where XMP goes                     */
    uint16_t c2pa_box;   /* En of the store */
    size_t   c2pa;       /* its item        */
    size_t   extended;   /* item of the extended packet */
} jpeg_layout;

static void app1(pl_media *m, jpeg_layout *l, uint64_t at, uint64_t n, pl_media_range frame)
{
    char   head[sizeof XMP_EXT_HEAD];
    size_t k = n < sizeof head ? (size_t)n : sizeof head;

    if (!media_get(m, at, head, k))
        return;
    if (k >= sizeof XMP_HEAD && memcmp(head, XMP_HEAD, sizeof XMP_HEAD) == 0) {
        media_add_xmp(m, "jpeg.xmp", range_of(at + sizeof XMP_HEAD, n - sizeof XMP_HEAD), frame, 0);
    } else if (n >= sizeof XMP_EXT_HEAD + 40 && memcmp(head, XMP_EXT_HEAD, sizeof XMP_EXT_HEAD) == 0) {
        pl_media_range payload = range_of(at + sizeof XMP_EXT_HEAD + 40, n - sizeof XMP_EXT_HEAD - 40);
        if (l->extended == SIZE_MAX) {
            l->extended = m->n;
            if (!media_add(m, PL_MEDIA_XMP, "jpeg.xmp.extended", payload, frame))
                l->extended = SIZE_MAX;
        } else {
            media_add_part(m, &m->item[l->extended], payload, frame);
        }
    } else if (k >= 6 && memcmp(head, "Exif\0", 5) == 0) {
        media_add_exif(m, "jpeg.exif", range_of(at + 6, n - 6), frame);
        if (l->after_exif == frame.at)
            l->after_exif = frame.at + frame.n;
    }
}

/* A piece of a JUMBF box: "JP" En Z LBox TBox …; of a manifest store when its description
 * box says c2pa. */
static void app11(pl_media *m, jpeg_layout *l, uint64_t at, uint64_t n, pl_media_range frame)
{
    uint8_t  h[28];
    uint16_t box;
    uint32_t z;

    if (n < 16 || !media_get(m, at, h, 16) || memcmp(h, "JP", 2) != 0)
        return;
    box = (uint16_t)(h[2] << 8 | h[3]);
    z = rd_be32(h + 4);
    if (l->c2pa != SIZE_MAX && box == l->c2pa_box && z > 1) {
        if (z != m->item[l->c2pa].parts_n + 1)
            media_note(m, "jpeg.c2pa.sequence", at, "pieces of the manifest store are out of order");
        media_add_part(m, &m->item[l->c2pa], range_of(at + 16, n - 16), frame);
        return;
    }
    if (n < 28 || !media_get(m, at, h, 28) || memcmp(h + 12, "jumb", 4) != 0 ||
        memcmp(h + 24, "c2pa", 4) != 0)
        return;
    if (l->c2pa != SIZE_MAX)
        media_note(m, "c2pa.multiple", at, "a second manifest store");
    l->c2pa = m->n;
    l->c2pa_box = box;
    if (!media_add(m, PL_MEDIA_C2PA, "jpeg.app11", range_of(at + 8, n - 8), frame))
        l->c2pa = SIZE_MAX;
}

static void other_segment(pl_media *m, uint8_t marker, uint64_t at, uint64_t n, pl_media_range frame)
{
    char   head[14] = { 0 };
    pl_str text;

    if (marker == 0xED && n >= 14 && media_get(m, at, head, 14) &&
        memcmp(head, "Photoshop 3.0", 14) == 0) {
        pl_media_item *it = media_add(m, PL_MEDIA_IPTC, "jpeg.app13", range_of(at + 14, n - 14), frame);
        if (it)
            media_load(m, it);
    } else if (marker == 0xFE && media_bytes(m, at, n, 65533, &text)) {
        while (text.n > 0 && text.p[text.n - 1] == '\0')
            text.n--;
        (void)media_add_text(m, "jpeg.com", PL_STR("Comment"), text, range_of(at, n), frame, HOW_CUT);
    } else if (n >= 5 && media_get(m, at, head, 5) && strncasecmp(head, "AIGC", 4) == 0 &&
               media_bytes(m, at, n, 65533, &text)) {
        (void)media_add_text(m, "jpeg.app", PL_STR("AIGC"), text, range_of(at, n), frame, HOW_CUT);
        if (m->n)
            m->item[m->n - 1].flags |= PL_MEDIA_MISPLACED;
    }
}

/* After the first scan only the end of the image is looked for, and only when the file does
 * not end with it. */
static void tail(pl_media *m, uint64_t at)
{
    uint8_t  buf[16384];
    uint16_t last = 0;
    uint8_t  before = 0;

    if (media_be16(m, m->io.size - 2, &last) && last == 0xFFD9)
        return;
    if (m->flags & PL_MEDIA_QUICK)
        return;
    while (at < m->io.size) {
        size_t k = m->io.size - at < sizeof buf ? (size_t)(m->io.size - at) : sizeof buf;
        if (!media_get(m, at, buf, k))
            return;
        for (size_t i = 0; i < k; before = buf[i], i++)
            if (before == 0xFF && buf[i] == 0xD9) {
                m->end = at + i + 1;
                media_note(m, "jpeg.trailer", m->end, "there is data behind the end of the image");
                return;
            }
        at += k;
    }
    media_stop(m, PL_MEDIA_TRUNCATED, "jpeg.truncated", m->io.size, "the image has no end");
}

static void joined_items(pl_media *m, const jpeg_layout *l)
{
    if (l->c2pa != SIZE_MAX && !(m->flags & PL_MEDIA_QUICK))
        media_load(m, &m->item[l->c2pa]);
    if (l->extended != SIZE_MAX) {
        pl_media_item *it = &m->item[l->extended];
        media_load(m, it);
        it->flags |= PL_MEDIA_PACKED;
        if (it->value.n) { /* what it says, as a packet of its own */
            pl_str value = it->value;
            it->value = (pl_str){ "", 0 };
            media_add_xmp_bytes(m, "jpeg.xmp.extended", value, range_of(0, 0), range_of(0, 0),
                                PL_MEDIA_PACKED);
        }
    }
}

static void scan(pl_media *m)
{
    jpeg_layout *l = pl_arena_alloc(m->arena, sizeof *l);
    uint64_t     at = 2;

    if (!l)
        return media_nomem(m);
    *l = (jpeg_layout){ .after_jfif = 2, .after_exif = 2, .c2pa = SIZE_MAX, .extended = SIZE_MAX };
    m->layout = l;
    for (;;) {
        uint64_t from = at;
        uint8_t  b[2];
        uint16_t len;
        if (!media_step(m) || !media_get(m, at, b, 2))
            break;
        if (b[0] != 0xFF)
            return media_stop(m, PL_MEDIA_MALFORMED, "jpeg.marker", at, "a marker is missing");
        if (b[1] == 0xFF) { /* fill byte */
            at++;
            continue;
        }
        at += 2;
        if (b[1] == 0x01 || (b[1] >= 0xD0 && b[1] <= 0xD8))
            continue;
        if (b[1] == 0xDA || b[1] == 0xD9) {
            joined_items(m, l);
            if (b[1] == 0xDA)
                tail(m, at);
            else
                media_stop(m, PL_MEDIA_MALFORMED, "jpeg.empty", from, "the image ends before a scan");
            return;
        }
        if (!media_be16(m, at, &len))
            break;
        if (len < 2)
            return media_stop(m, PL_MEDIA_MALFORMED, "jpeg.length", at, "a segment is shorter than its length field");
        if (len > m->io.size - at)
            break;
        pl_media_range frame = range_of(from, at + len - from);
        if (b[1] == 0xE0 && l->after_jfif == from)
            l->after_jfif = l->after_exif = at + len;
        if (b[1] == 0xE1)
            app1(m, l, at + 2, len - 2u, frame);
        else if (b[1] == 0xEB)
            app11(m, l, at + 2, len - 2u, frame);
        else if (b[1] == 0xED || b[1] == 0xFE || (b[1] & 0xF0) == 0xE0)
            other_segment(m, b[1], at + 2, len - 2u, frame);
        at += len;
    }
    if (m->rc == PL_OK) {
        joined_items(m, l);
        media_stop(m, PL_MEDIA_TRUNCATED, "jpeg.truncated", at, "the file ends inside a segment");
    }
}

/* --- writing -------------------------------------------------------------------------------- */

static pl_rc put_xmp(pl_media_plan *p, const pl_media_edit *e, const jpeg_layout *l, pl_error *err)
{
    pl_buf packet = PL_BUF_INIT(PL_MEDIA_VALUE_MAX), seg = PL_BUF_INIT(70000);
    size_t old = SIZE_MAX;
    pl_rc  rc = plan_xmp(p, e, "jpeg.xmp", &old, &packet, err);

    if (rc == PL_OK && packet.n > XMP_MAX)
        rc = pl_fail(err, PL_LIMIT, "the XMP packet would have %zu bytes, a JPEG segment holds %u",
                     packet.n, XMP_MAX);
    if (rc == PL_OK) {
        buf_be16(&seg, 0xFFE1);
        buf_be16(&seg, (uint32_t)(2 + sizeof XMP_HEAD + packet.n));
        pl_buf_put(&seg, (pl_str){ XMP_HEAD, sizeof XMP_HEAD });
        pl_buf_put(&seg, pl_buf_str(&packet));
        rc = pl_buf_check(&seg, err);
    }
    if (rc == PL_OK && old != SIZE_MAX)
        plan_replace(p, p->m->item[old].parts[0].frame.at, p->m->item[old].parts[0].frame.n,
                     pl_buf_str(&seg));
    else if (rc == PL_OK)
        plan_replace(p, l->after_exif, 0, pl_buf_str(&seg));
    pl_buf_done(&packet);
    pl_buf_done(&seg);
    return rc;
}

static void c2pa_segments(pl_buf *b, pl_str store)
{
    uint32_t z = 1;
    size_t   at = 0;

    while (at < store.n) {
        size_t k = store.n - at < C2PA_PIECE ? store.n - at : C2PA_PIECE;
        size_t again = z > 1 ? 8 : 0; /* later pieces repeat LBox and TBox */
        buf_be16(b, 0xFFEB);
        buf_be16(b, (uint32_t)(2 + 8 + again + k));
        pl_buf_puts(b, "JP");
        buf_be16(b, C2PA_BOX);
        buf_be32(b, z++);
        if (again)
            pl_buf_put(b, (pl_str){ store.p, 8 });
        pl_buf_put(b, (pl_str){ store.p + at, k });
        at += k;
    }
}

static pl_rc plan(pl_media *m, const pl_media_edit *e, pl_media_plan *p, pl_error *err)
{
    const jpeg_layout *l = m->layout;
    pl_rc              rc = PL_OK;

    if (e->c2pa.n || e->drop_c2pa)
        plan_cut_c2pa(p);
    if (e->c2pa.n) {
        pl_buf b = PL_BUF_INIT(PL_MEDIA_MEMORY_MAX);
        c2pa_segments(&b, e->c2pa);
        rc = pl_buf_check(&b, err);
        plan_replace_c2pa(p, l->after_jfif, 0, pl_buf_str(&b));
        pl_buf_done(&b);
    }
    if (rc == PL_OK && (e->label.n || e->source_type)) {
        p->carrier = "jpeg.xmp";
        rc = put_xmp(p, e, l, err);
    }
    if (rc == PL_OK && e->label.n)
        rc = plan_drop_labels(p, "jpeg.xmp", err);
    return rc;
}

const media_ops media_jpeg = { scan, plan };
