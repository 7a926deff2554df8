/* RIFF containers: WebP, WAV (also RF64 and BW64), AVI (also OpenDML's further RIFF chunks).
 * Sizes are little-endian, chunks padded to even length.
 * REQ: TC260-PG-20259A/webp  XMP in the chunk "XMP ", announced in VP8X
 * REQ: TC260-PG-202510A/wav  chunk "AIGC" of the top level
 * REQ: TC260-PG-20257A/avi   chunk "AIGC" in LIST INFO */
#include "base/banned.h"

#include "engine/media/media_int.h"

#define CUT_LIST 16u

typedef struct riff_layout {
    uint64_t riff_at;       /* the last top-level RIFF chunk (the only one but for OpenDML) */
    uint64_t riff_end;      /* where its last chunk ends */
    uint64_t vp8x_at;       /* payload of VP8X, 0: none */
    uint64_t image_at;      /* first VP8, VP8L chunk */
    char     image_type[4];
    bool     is_rf64;       /* RF64 or BW64: sizes beyond 32 bits stand in ds64, the first chunk */
    uint64_t ds64_at;       /* payload of ds64, 0: none */
    uint64_t cut[CUT_LIST]; /* LIST INFO chunks that hold nothing but a label */
    uint64_t cut_n[CUT_LIST];
    size_t   cuts;
} riff_layout;

typedef struct riff_chunk {
    char     id[4];
    uint64_t at;      /* of the header */
    uint64_t data, n; /* payload, bounded by what encloses it */
    uint64_t next;
    bool     cut_off;
} riff_chunk;

/* Reads a header within [at, end). false: no room for one. */
static bool chunk_at(pl_media *m, uint64_t at, uint64_t end, riff_chunk *c)
{
    uint8_t h[8];

    if (end < at || end - at < 8 || !media_step(m) || !media_get(m, at, h, 8))
        return false;
    memcpy(c->id, h, 4);
    c->at = at;
    c->data = at + 8;
    c->n = rd_le32(h + 4);
    c->cut_off = c->n > end - c->data;
    if (c->cut_off)
        c->n = end - c->data;
    c->next = c->data + c->n + (c->n & 1);
    if (c->next > end)
        c->next = end;
    return true;
}

static bool is(const riff_chunk *c, const char *id)
{
    return memcmp(c->id, id, 4) == 0;
}

static pl_media_range frame_of(const riff_chunk *c)
{
    return range_of(c->at, c->next - c->at);
}

static void text_item(pl_media *m, const char *carrier, const riff_chunk *c)
{
    char   key[5] = { 0 };
    pl_str text;

    if (c->n > LABEL_VALUE_MAX || !media_bytes(m, c->data, c->n, LABEL_VALUE_MAX, &text))
        return;
    memcpy(key, c->id, 4);
    while (text.n > 0 && text.p[text.n - 1] == '\0')
        text.n--;
    (void)media_add_text(m, carrier, pl_str_z(key), text, range_of(c->data, c->n), frame_of(c),
                         HOW_FORMAT);
}

static void info_list(pl_media *m, riff_layout *l, const riff_chunk *list)
{
    const char *carrier = m->format == PL_MEDIA_AVI ? "avi.info" : "wav.info";
    size_t      chunks = 0, labels = 0;
    riff_chunk  c;

    for (uint64_t at = list->data + 4; chunk_at(m, at, list->data + list->n, &c); at = c.next) {
        size_t before = m->n;
        text_item(m, carrier, &c);
        chunks++;
        labels += is(&c, "AIGC");
        if (m->n > before && m->format != PL_MEDIA_AVI && m->item[before].kind == PL_MEDIA_LABEL)
            m->item[before].flags |= PL_MEDIA_MISPLACED;
    }
    if (chunks > 0 && chunks == labels && l->cuts < CUT_LIST) {
        l->cut[l->cuts] = list->at;
        l->cut_n[l->cuts++] = list->next - list->at;
    }
}

static void leaf(pl_media *m, riff_layout *l, const riff_chunk *c)
{
    bool        webp = m->format == PL_MEDIA_WEBP;
    const char *name = webp ? "webp.xmp" : m->format == PL_MEDIA_AVI ? "avi.xmp" : "wav.xmp";

    if (is(c, "AIGC"))
        text_item(m, m->format == PL_MEDIA_AVI ? "avi.chunk" : webp ? "webp.chunk" : "wav.aigc", c);
    else if (is(c, webp ? "XMP " : "_PMX"))
        media_add_xmp(m, name, range_of(c->data, c->n), frame_of(c), 0);
    else if (is(c, "C2PA"))
        media_add_c2pa(m, "riff.c2pa", range_of(c->data, c->n), frame_of(c));
    else if (webp && is(c, "EXIF"))
        media_add_exif(m, "webp.exif", range_of(c->data, c->n), frame_of(c));
    else if (webp && is(c, "VP8X") && c->n >= 10)
        l->vp8x_at = c->data;
    else if (webp && (is(c, "VP8 ") || is(c, "VP8L")) && !l->image_at) {
        l->image_at = c->data;
        memcpy(l->image_type, c->id, 4);
    } else if (is(c, "ds64") && c->n >= 24 && l->is_rf64 && c->at == 12)
        l->ds64_at = c->data;
    else if (is(c, "id3 ") || is(c, "ID3 ")) {
        uint64_t size;
        (void)media_id3_scan(m, c->data, c->data + c->n, &size);
    }
    else if (is(c, "iXML") || is(c, "bext") || is(c, "IDIT"))
        text_item(m, "riff.text", c);
}

static bool walk(pl_media *m, riff_layout *l, uint64_t at, uint64_t end, unsigned depth)
{
    riff_chunk c;

    if (depth > PL_MEDIA_DEPTH_MAX) {
        media_stop(m, PL_MEDIA_LIMITED, "riff.depth", at, "lists are nested too deep");
        return false;
    }
    for (; chunk_at(m, at, end, &c); at = c.next) {
        if (l->ds64_at && is(&c, "data") && c.n == 0)
            continue;
        if (c.cut_off && !(l->ds64_at && is(&c, "data"))) {
            media_stop(m, PL_MEDIA_TRUNCATED, "riff.chunk", c.at, "a chunk is longer than what encloses it");
            leaf(m, l, &c);
            return false;
        }
        if (l->ds64_at && is(&c, "data")) { /* its real size stands in ds64 */
            uint32_t lo, hi;
            if (!media_le32(m, l->ds64_at + 8, &lo) || !media_le32(m, l->ds64_at + 12, &hi))
                return false;
            uint64_t n = (uint64_t)hi << 32 | lo;
            if (n > end - c.data) {
                media_stop(m, PL_MEDIA_TRUNCATED, "riff.data", c.at, "the samples are cut off");
                return false;
            }
            c.next = c.data + n + (n & 1);
            continue;
        }
        if (is(&c, "LIST") && c.n >= 4) {
            char type[4];
            if (!media_get(m, c.data, type, 4))
                return false;
            if (memcmp(type, "INFO", 4) == 0)
                info_list(m, l, &c);
            else if (memcmp(type, "movi", 4) != 0 && memcmp(type, "wavl", 4) != 0 &&
                     !walk(m, l, c.data + 4, c.data + c.n, depth + 1))
                return false;
        } else {
            leaf(m, l, &c);
        }
        if (m->rc != PL_OK || m->state != PL_MEDIA_WHOLE)
            return false;
    }
    if (depth == 1)
        l->riff_end = at; /* fewer than eight bytes may be left: no chunk, and not to be built upon */
    return m->state == PL_MEDIA_WHOLE;
}

/* RF64: the size of the RIFF chunk stands in ds64, which is the first chunk. */
static uint64_t riff_size(pl_media *m, uint64_t at, uint32_t declared, const char *id)
{
    char     first[4];
    uint32_t lo, hi;

    if (memcmp(id, "RIFF", 4) == 0 || !media_get(m, at + 12, first, 4) ||
        memcmp(first, "ds64", 4) != 0 || !media_le32(m, at + 20, &lo) || !media_le32(m, at + 24, &hi))
        return declared;
    return (uint64_t)hi << 32 | lo;
}

static void scan(pl_media *m)
{
    riff_layout *l = pl_arena_alloc(m->arena, sizeof *l);
    uint64_t     at = 0;
    char         h[12];

    if (!l)
        return media_nomem(m);
    m->layout = l;
    while (at < m->io.size) {
        uint64_t n;
        if (m->io.size - at < 12 || !media_get(m, at, h, 12))
            break;
        if (at > 0 && (memcmp(h, "RIFF", 4) != 0 || memcmp(h + 8, "AVIX", 4) != 0))
            break;
        if (at == 0)
            l->is_rf64 = memcmp(h, "RIFF", 4) != 0;
        n = riff_size(m, at, rd_le32((uint8_t *)h + 4), h);
        l->riff_at = at;
        if (n < 4 || n > m->io.size - at - 8) {
            uint64_t end = m->io.size;
            if (n != UINT32_MAX && n != 0) /* a recorder that never came back to its header */
                media_stop(m, PL_MEDIA_TRUNCATED, "riff.size", at, "the file is shorter than its header says");
            else
                media_note(m, "riff.size", at, "the header does not say how long the file is");
            (void)walk(m, l, at + 12, end, 1);
            return;
        }
        if (!walk(m, l, at + 12, at + 8 + n, 1))
            return;
        at += 8 + n + (n & 1);
    }
    m->end = l->riff_end;
    if (l->riff_end == 0)
        media_stop(m, PL_MEDIA_TRUNCATED, "riff.header", 0, "the header is cut off");
    else if (at < m->io.size)
        media_note(m, "riff.trailer", at, "there is data behind the last chunk");
}

/* --- writing ---------------------------------------------------------------------------------- */

static void put_chunk(pl_buf *b, const char *id, pl_str data)
{
    pl_buf_put(b, (pl_str){ id, 4 });
    buf_le32(b, (uint32_t)data.n);
    pl_buf_put(b, data);
    if (data.n & 1)
        pl_buf_putc(b, '\0');
}

/* Appends at the end of the last RIFF chunk; what follows it stays behind it. */
static void append(pl_media_plan *p, const riff_layout *l, pl_str chunk, bool is_c2pa)
{
    if ((l->riff_end & 1) != 0 && l->riff_end == p->m->io.size)
        plan_replace(p, l->riff_end, 0, (pl_str){ "\0", 1 });
    if (is_c2pa)
        plan_replace_c2pa(p, l->riff_end, 0, chunk);
    else
        plan_replace(p, l->riff_end, 0, chunk);
}

/* The header's size after all operations. */
static pl_rc fix_size(pl_media_plan *p, const riff_layout *l, pl_error *err)
{
    uint64_t end = l->riff_end + (uint64_t)(plan_shift(p, l->riff_end) - plan_shift(p, l->riff_at));
    uint64_t n = end - l->riff_at - 8;

    if (l->ds64_at) {
        plan_le32(p, l->ds64_at, (uint32_t)n);
        plan_le32(p, l->ds64_at + 4, (uint32_t)(n >> 32));
        return PL_OK;
    }
    if (n > UINT32_MAX - 1)
        return pl_fail(err, PL_LIMIT, "the file would be longer than a RIFF header can say");
    plan_le32(p, l->riff_at + 4, (uint32_t)n);
    return PL_OK;
}

/* Labels inside the file become JUNK of the same size, so that nothing moves; a label at the
 * end of the file goes altogether. */
static void drop_labels(pl_media_plan *p, const riff_layout *l)
{
    pl_media *m = p->m;

    for (size_t i = 0; i < m->n; i++) {
        pl_media_item *it = &m->item[i];
        pl_media_range f;
        char          *zero;
        bool           gone = false;
        if (it->kind != PL_MEDIA_LABEL || m->own[i].how != HOW_FORMAT || it->parts_n == 0 ||
            (it->flags & PL_MEDIA_OUTSIDE))
            continue;
        f = it->parts[0].frame;
        for (size_t k = 0; k < l->cuts && !gone; k++)
            gone = f.at >= l->cut[k] && f.at < l->cut[k] + l->cut_n[k] &&
                   l->cut[k] + l->cut_n[k] == l->riff_end;
        if (gone)
            continue; /* with its list, below */
        if (f.at + f.n == l->riff_end) {
            plan_replace(p, f.at, f.n, (pl_str){ "", 0 });
            continue;
        }
        zero = pl_arena_alloc(p->arena, (size_t)it->parts[0].payload.n);
        if (!zero) {
            p->rc = PL_NOMEM;
            return;
        }
        plan_replace(p, f.at, 4, PL_STR("JUNK"));
        plan_replace(p, it->parts[0].payload.at, it->parts[0].payload.n,
                     (pl_str){ zero, (size_t)it->parts[0].payload.n });
    }
    for (size_t k = 0; k < l->cuts; k++)
        if (l->cut[k] + l->cut_n[k] == l->riff_end)
            plan_replace(p, l->cut[k], l->cut_n[k], (pl_str){ "", 0 });
}

static pl_rc put_c2pa(pl_media_plan *p, const pl_media_edit *e, const riff_layout *l, pl_error *err)
{
    pl_buf b = PL_BUF_INIT(PL_MEDIA_MEMORY_MAX);
    pl_rc  rc = PL_OK;

    if (e->c2pa.n || e->drop_c2pa)
        plan_cut_c2pa(p);
    if (e->c2pa.n) {
        put_chunk(&b, "C2PA", e->c2pa);
        rc = pl_buf_check(&b, err);
        append(p, l, pl_buf_str(&b), true);
    }
    pl_buf_done(&b);
    return rc;
}

static pl_rc plan_av(pl_media *m, const pl_media_edit *e, pl_media_plan *p, pl_error *err)
{
    const riff_layout *l = m->layout;
    pl_buf             b = PL_BUF_INIT(LABEL_VALUE_MAX), list = PL_BUF_INIT(LABEL_VALUE_MAX);
    pl_rc              rc = PL_OK;

    if (e->label.n) {
        drop_labels(p, l);
        rc = plan_clean_xmp(p, SIZE_MAX, err);
        if (rc == PL_OK)
            rc = plan_drop_labels(p, NULL, err);
        put_chunk(&b, "AIGC", e->label);
        if (m->format == PL_MEDIA_AVI) {
            p->carrier = "avi.info";
            pl_buf_puts(&list, "INFO");
            pl_buf_put(&list, pl_buf_str(&b));
            pl_buf_clear(&b);
            put_chunk(&b, "LIST", pl_buf_str(&list));
        } else {
            p->carrier = "wav.aigc";
        }
        if (rc == PL_OK)
            rc = pl_buf_check(&b, err);
        append(p, l, pl_buf_str(&b), false);
    }
    if (rc == PL_OK)
        rc = put_c2pa(p, e, l, err);
    if (rc == PL_OK)
        rc = fix_size(p, l, err);
    pl_buf_done(&b);
    pl_buf_done(&list);
    return rc;
}

/* --- WebP: an extended header when there was none ------------------------------------------------ */

/* RFC 9649 §2.5, §2.6: the canvas size from the picture itself. */
static pl_rc canvas(pl_media *m, const riff_layout *l, uint32_t *w, uint32_t *h, bool *alpha,
                    pl_error *err)
{
    uint8_t b[10];

    if (!l->image_at || !media_get(m, l->image_at, b, 10))
        return pl_fail(err, PL_INVALID, "the WebP file has no picture");
    *alpha = false;
    if (memcmp(l->image_type, "VP8L", 4) == 0 && b[0] == 0x2F) {
        uint32_t v = rd_le32(b + 1);
        *w = (v & 0x3FFF) + 1;
        *h = (v >> 14 & 0x3FFF) + 1;
        *alpha = (v >> 28 & 1) != 0;
        return PL_OK;
    }
    if (memcmp(b + 3, "\x9D\x01\x2A", 3) != 0)
        return pl_fail(err, PL_INVALID, "the WebP picture has no frame header");
    *w = (uint32_t)(b[6] | b[7] << 8) & 0x3FFF;
    *h = (uint32_t)(b[8] | b[9] << 8) & 0x3FFF;
    return *w && *h ? PL_OK : pl_fail(err, PL_INVALID, "the WebP picture has no size");
}

static pl_rc announce_xmp(pl_media_plan *p, const riff_layout *l, pl_error *err)
{
    uint8_t  flags;
    uint32_t w = 0, h = 0;
    bool     alpha = false;
    char     x[18] = "VP8X\x0A\0\0\0";
    pl_rc    rc;

    if (l->vp8x_at) {
        if (media_u8(p->m, l->vp8x_at, &flags) && !(flags & 0x04))
            plan_replace(p, l->vp8x_at, 1, (pl_str){ (char[]){ (char)(flags | 0x04) }, 1 });
        return PL_OK;
    }
    rc = canvas(p->m, l, &w, &h, &alpha, err);
    if (rc != PL_OK)
        return rc;
    x[8] = (char)(0x04 | (alpha ? 0x10 : 0));
    for (int i = 0; i < 3; i++) {
        x[12 + i] = (char)((w - 1) >> (8 * i));
        x[15 + i] = (char)((h - 1) >> (8 * i));
    }
    plan_replace(p, 12, 0, (pl_str){ x, sizeof x });
    return PL_OK;
}

static pl_rc plan_webp(pl_media *m, const pl_media_edit *e, pl_media_plan *p, pl_error *err)
{
    const riff_layout *l = m->layout;
    pl_buf             packet = PL_BUF_INIT(PL_MEDIA_VALUE_MAX), b = PL_BUF_INIT(PL_MEDIA_VALUE_MAX);
    size_t             old = SIZE_MAX;
    pl_rc              rc = PL_OK;

    if (e->label.n || e->source_type) {
        p->carrier = "webp.xmp";
        rc = plan_xmp(p, e, "webp.xmp", &old, &packet, err);
        put_chunk(&b, "XMP ", pl_buf_str(&packet));
        if (rc == PL_OK)
            rc = pl_buf_check(&b, err);
        if (rc == PL_OK)
            rc = announce_xmp(p, l, err);
        if (rc == PL_OK && old != SIZE_MAX)
            plan_replace(p, m->item[old].parts[0].frame.at, m->item[old].parts[0].frame.n, pl_buf_str(&b));
        else if (rc == PL_OK)
            append(p, l, pl_buf_str(&b), false);
    }
    if (rc == PL_OK && e->label.n) {
        drop_labels(p, l);
        rc = plan_drop_labels(p, "webp.xmp", err);
    }
    if (rc == PL_OK)
        rc = put_c2pa(p, e, l, err);
    if (rc == PL_OK)
        rc = fix_size(p, l, err);
    pl_buf_done(&packet);
    pl_buf_done(&b);
    return rc;
}

const media_ops media_webp = { scan, plan_webp };
const media_ops media_wav = { scan, plan_av };
const media_ops media_avi = { scan, plan_av };
