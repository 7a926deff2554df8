/* GIF89a: blocks. XMP in the application extension "XMP Data" "XMP" whose packet stands
 * outside sub-blocks, closed by the 258-byte trailer of ISO 16684-3 §1.1.2; C2PA in
 * "C2PA_GIF". REQ: TC260-PG-20259A/gif */
#include "base/banned.h"

#include "engine/media/media_int.h"

#define XMP_EXT  "\x21\xFF\x0BXMP DataXMP"
#define C2PA_EXT "\x21\xFF\x0B" "C2PA_GIF\x01\0"
#define TRAILER  258u

typedef struct gif_layout {
    uint64_t first_block; /* behind the global colour table */
} gif_layout;

/* Moves over sub-blocks; *at behind their end. Payload parts go to it when not NULL. */
static bool sub_blocks(pl_media *m, uint64_t *at, pl_media_item *it)
{
    uint8_t n;

    while (media_step(m) && media_u8(m, *at, &n)) {
        if (n == 0) {
            (*at)++;
            return true;
        }
        if (m->io.size - *at - 1 < n)
            return false;
        if (it)
            media_add_part(m, it, range_of(*at + 1, n), range_of(*at, n + 1u));
        *at += n + 1u;
    }
    return false;
}

/* The packet ends where the trailer begins: 01 FF FE … 01 00 00, found by its start. */
static bool xmp_extension(pl_media *m, uint64_t from, uint64_t *at)
{
    uint64_t start = from + 14, end = start;
    pl_str   head;
    size_t   want = m->io.size - start < PL_MEDIA_VALUE_MAX ? (size_t)(m->io.size - start)
                                                             : PL_MEDIA_VALUE_MAX;
    if (!media_bytes(m, start, want, PL_MEDIA_VALUE_MAX, &head))
        return false;
    for (size_t i = 0; i + 3 < head.n; i++)
        if (memcmp(head.p + i, "\x01\xFF\xFE\xFD", 4) == 0) {
            end = start + i;
            break;
        }
    if (end == start || m->io.size - end < TRAILER) {
        *at = start;
        return sub_blocks(m, at, NULL); /* not as Adobe writes it; walk it as data */
    }
    *at = end + TRAILER;
    media_add_xmp(m, "gif.xmp", range_of(start, end - start), range_of(from, *at - from), 0);
    return true;
}

static bool collected(pl_media *m, uint64_t from, uint64_t *at, pl_media_kind kind,
                      const char *carrier)
{
    pl_media_item *it = media_add(m, kind, carrier, range_of(0, 0), range_of(0, 0));
    bool           ok = it != NULL && sub_blocks(m, at, it);

    if (it && it->parts_n) { /* the frame of the first part begins with the introducer */
        it->parts[0].frame.n += it->parts[0].frame.at - from;
        it->parts[0].frame.at = from;
        it->parts[it->parts_n - 1].frame.n += ok ? 1 : 0;
        if (kind != PL_MEDIA_C2PA || !(m->flags & PL_MEDIA_QUICK))
            media_load(m, it);
    }
    return ok;
}

/* Comment blocks are text: an item of kind FIELD that may turn out to be a label. */
static bool comment(pl_media *m, uint64_t from, uint64_t *at)
{
    size_t i = m->n;
    bool   ok = collected(m, from, at, PL_MEDIA_FIELD, "gif.comment");

    if (m->n > i) {
        pl_media_item *it = &m->item[i];
        it->key = PL_STR("Comment");
        if (media_looks_label(it->key, it->value))
            it->kind = PL_MEDIA_LABEL;
        if (it->value.n == 0)
            m->n = i;
    }
    return ok;
}

static bool extension(pl_media *m, uint64_t *at)
{
    char     h[14];
    uint64_t from = *at;
    uint8_t  label;

    if (!media_u8(m, from + 1, &label))
        return false;
    *at = from + 2;
    if (label == 0xFE)
        return comment(m, from, at);
    if (label == 0xFF && media_get(m, from, h, 14)) {
        if (memcmp(h, XMP_EXT, 14) == 0)
            return xmp_extension(m, from, at);
        if (memcmp(h, C2PA_EXT, 13) == 0) {
            *at = from + 14;
            return collected(m, from, at, PL_MEDIA_C2PA, "gif.c2pa");
        }
    }
    return sub_blocks(m, at, NULL);
}

static bool image(pl_media *m, uint64_t *at)
{
    uint8_t d[10];

    if (!media_get(m, *at, d, 10))
        return false;
    *at += 10;
    if (d[9] & 0x80)
        *at += 3u << ((d[9] & 7) + 1);
    *at += 1; /* LZW code size */
    return *at <= m->io.size && sub_blocks(m, at, NULL);
}

static void scan(pl_media *m)
{
    gif_layout *l = pl_arena_alloc(m->arena, sizeof *l);
    uint64_t    at = 13;
    uint8_t     d[13], b;

    if (!l)
        return media_nomem(m);
    m->layout = l;
    if (media_get(m, 0, d, 13) && (d[10] & 0x80))
        at += 3u << ((d[10] & 7) + 1);
    l->first_block = at;
    while (media_step(m) && media_u8(m, at, &b)) {
        if (b == 0x3B) {
            m->end = at + 1;
            if (m->end < m->io.size)
                media_note(m, "gif.trailer", m->end, "there is data behind the end of the image");
            return;
        }
        if (b == 0x21 ? !extension(m, &at) : b == 0x2C ? !image(m, &at) : true) {
            if (b != 0x21 && b != 0x2C)
                return media_stop(m, PL_MEDIA_MALFORMED, "gif.block", at, "an unknown block");
            break;
        }
    }
    if (m->rc == PL_OK)
        media_stop(m, PL_MEDIA_TRUNCATED, "gif.truncated", at, "the file ends before its trailer");
}

static pl_rc put_xmp(pl_media_plan *p, const pl_media_edit *e, const gif_layout *l, pl_error *err)
{
    pl_buf packet = PL_BUF_INIT(PL_MEDIA_VALUE_MAX), b = PL_BUF_INIT(PL_MEDIA_VALUE_MAX + 1024);
    size_t old = SIZE_MAX;
    pl_rc  rc = plan_xmp(p, e, "gif.xmp", &old, &packet, err);

    pl_buf_put(&b, (pl_str){ XMP_EXT, 14 });
    pl_buf_put(&b, pl_buf_str(&packet));
    pl_buf_putc(&b, 0x01);
    for (int i = 0xFF; i >= 0; i--)
        pl_buf_putc(&b, (char)i);
    pl_buf_putc(&b, '\0');
    if (rc == PL_OK && packet.n > 0 && memchr(packet.p, '\0', packet.n))
        rc = pl_fail(err, PL_INVALID, "a GIF cannot carry an XMP packet with NUL in it");
    if (rc == PL_OK)
        rc = pl_buf_check(&b, err);
    if (rc == PL_OK && old != SIZE_MAX)
        plan_replace(p, p->m->item[old].parts[0].frame.at, p->m->item[old].parts[0].frame.n, pl_buf_str(&b));
    else if (rc == PL_OK)
        plan_replace(p, l->first_block, 0, pl_buf_str(&b));
    pl_buf_done(&packet);
    pl_buf_done(&b);
    return rc;
}

static pl_rc plan(pl_media *m, const pl_media_edit *e, pl_media_plan *p, pl_error *err)
{
    const gif_layout *l = m->layout;
    pl_rc             rc = PL_OK;

    plan_replace(p, 0, 6, PL_STR("GIF89a")); /* extensions came with 89a */
    if (e->c2pa.n || e->drop_c2pa)
        plan_cut_c2pa(p);
    if (e->c2pa.n) {
        pl_buf b = PL_BUF_INIT(PL_MEDIA_MEMORY_MAX);
        pl_buf_put(&b, (pl_str){ C2PA_EXT "\0", 14 });
        for (size_t at = 0; at < e->c2pa.n; at += 255) {
            size_t k = e->c2pa.n - at < 255 ? e->c2pa.n - at : 255;
            pl_buf_putc(&b, (char)k);
            pl_buf_put(&b, (pl_str){ e->c2pa.p + at, k });
        }
        pl_buf_putc(&b, '\0');
        rc = pl_buf_check(&b, err);
        plan_replace_c2pa(p, l->first_block, 0, pl_buf_str(&b));
        pl_buf_done(&b);
    }
    if (rc == PL_OK && (e->label.n || e->source_type)) {
        p->carrier = "gif.xmp";
        rc = put_xmp(p, e, l, err);
    }
    if (rc == PL_OK && e->label.n)
        rc = plan_drop_labels(p, "gif.xmp", err);
    return rc;
}

const media_ops media_gif = { scan, plan };
