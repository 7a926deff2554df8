/* MP4, MOV and M4A: the label in moov/udta/meta with handler mdta (keys and ilst).
 * REQ: TC260-PG-20257A/6.1.1  REQ: TC260-PG-202510A/m4a */
#include "base/banned.h"

#include "engine/media/bmff.h"

static void scan(pl_media *m)
{
    m->layout = pl_arena_alloc(m->arena, sizeof(bmff_layout));
    if (!m->layout)
        return media_nomem(m);
    bmff_scan(m, m->layout, NULL);
}

static void put_data(pl_buf *b, uint32_t key, pl_str label)
{
    buf_be32(b, (uint32_t)(8 + 16 + label.n)); /* the item, named by the key's number */
    buf_be32(b, key);
    buf_be32(b, (uint32_t)(16 + label.n));
    pl_buf_puts(b, "data");
    buf_be32(b, 1); /* UTF-8 */
    buf_be32(b, 0);
    pl_buf_put(b, label);
}

static void put_key(pl_buf *b)
{
    buf_be32(b, 12);
    pl_buf_puts(b, "mdtaAIGC");
}

/* A whole meta box for a file that has none of this handler. */
static void put_meta(pl_buf *b, pl_str label)
{
    pl_buf item = PL_BUF_INIT(PL_MEDIA_VALUE_MAX);

    put_data(&item, 1, label);
    buf_be32(b, (uint32_t)(12 + 33 + 28 + 8 + item.n));
    pl_buf_puts(b, "meta");
    buf_be32(b, 0);
    buf_be32(b, 33); /* hdlr: version, predefined, handler, 12 reserved, empty name */
    pl_buf_puts(b, "hdlr");
    buf_be32(b, 0);
    buf_be32(b, 0);
    pl_buf_puts(b, "mdta");
    pl_buf_put(b, (pl_str){ "\0\0\0\0\0\0\0\0\0\0\0\0", 13 });
    buf_be32(b, 28);
    pl_buf_puts(b, "keys");
    buf_be32(b, 0);
    buf_be32(b, 1);
    put_key(b);
    buf_be32(b, (uint32_t)(8 + item.n));
    pl_buf_puts(b, "ilst");
    pl_buf_put(b, pl_buf_str(&item));
    b->failed |= item.failed;
    pl_buf_done(&item);
}

/* Into the meta box that is there: the item replaced, or key and item appended. */
static void extend_meta(pl_media_plan *p, bmff_layout *l, pl_str label)
{
    pl_buf b = PL_BUF_INIT(PL_MEDIA_VALUE_MAX);

    bmff_fix(l, &l->ilst);
    put_data(&b, l->aigc_key ? l->aigc_key : l->keys_n + 1, label);
    p->rc = b.failed ? PL_LIMIT : p->rc;
    if (l->aigc_item.end)
        plan_replace(p, l->aigc_item.at, l->aigc_item.end - l->aigc_item.at, pl_buf_str(&b));
    else
        plan_replace(p, l->ilst.end, 0, pl_buf_str(&b));
    if (!l->aigc_key) {
        pl_buf_clear(&b);
        put_key(&b);
        bmff_fix(l, &l->keys);
        plan_replace(p, l->keys.end, 0, pl_buf_str(&b));
        plan_be32(p, l->keys.body + 4, l->keys_n + 1);
    }
    bmff_fix(l, &l->meta);
    pl_buf_done(&b);
}

static pl_rc put_label(pl_media_plan *p, bmff_layout *l, pl_str label, pl_error *err)
{
    pl_buf meta = PL_BUF_INIT(PL_MEDIA_VALUE_MAX), b = PL_BUF_INIT(PL_MEDIA_VALUE_MAX);
    pl_rc  rc;

    bmff_fix(l, &l->moov);
    if (l->udta.end)
        bmff_fix(l, &l->udta);
    if (l->meta.end && l->keys.end && l->ilst.end) {
        extend_meta(p, l, label);
        return PL_OK;
    }
    put_meta(&meta, label);
    if (l->udta.end && l->meta.end) { /* a half-made one: it makes room */
        plan_replace(p, l->meta.at, l->meta.end - l->meta.at, pl_buf_str(&meta));
    } else if (l->udta.end) {
        /* Before the 32-bit zero that QuickTime allows at the end of the list: at its start. */
        plan_replace(p, l->udta.body, 0, pl_buf_str(&meta));
    } else {
        buf_be32(&b, (uint32_t)(8 + meta.n));
        pl_buf_puts(&b, "udta");
        pl_buf_put(&b, pl_buf_str(&meta));
        plan_replace(p, l->moov.end, 0, pl_buf_str(&b));
    }
    rc = pl_buf_check(&meta, err);
    pl_buf_done(&meta);
    pl_buf_done(&b);
    return rc;
}

static bool inside(const pl_media_range *r, const bmff_box *b)
{
    return b->end && r->at > b->at && r->at + r->n <= b->end;
}

/* Labels elsewhere in the movie become "free" boxes of the same size: nothing moves. */
static void drop_labels(pl_media_plan *p, const bmff_layout *l)
{
    pl_media *m = p->m;

    for (size_t i = 0; i < m->n; i++) {
        pl_media_item *it = &m->item[i];
        pl_media_range f;
        if (it->kind != PL_MEDIA_LABEL || m->own[i].how != HOW_FORMAT || it->parts_n == 0)
            continue;
        f = it->parts[0].frame;
        if ((l->aigc_item.end && f.at == l->aigc_item.at) ||
            (l->meta.end && !(l->keys.end && l->ilst.end) && inside(&f, &l->meta)))
            continue;
        plan_replace(p, f.at + 4, 4, PL_STR("free"));
        plan_blank(p, it->parts[0].payload);
    }
}

/* What the movie box grew by is taken from the free box behind it, where there is one. */
static void use_free(pl_media_plan *p, const bmff_layout *l)
{
    int64_t grown = plan_shift(p, l->free_after_moov);
    pl_buf  b = PL_BUF_INIT(16);

    if (l->free_n < 8 || l->free_n > UINT32_MAX || grown <= 0 || (uint64_t)grown + 8 > l->free_n)
        return;
    buf_be32(&b, (uint32_t)(l->free_n - (uint64_t)grown));
    pl_buf_puts(&b, "free");
    plan_replace(p, l->free_after_moov, 8 + (uint64_t)grown, pl_buf_str(&b));
    pl_buf_done(&b);
}

static pl_rc plan(pl_media *m, const pl_media_edit *e, pl_media_plan *p, pl_error *err)
{
    bmff_layout *l = m->layout;
    pl_rc        rc = bmff_c2pa(p, e, l, err);

    l->fixes = 0;
    if (rc == PL_OK && e->label.n) {
        p->carrier = "mp4.keys";
        drop_labels(p, l);
        rc = put_label(p, l, e->label, err);
        if (rc == PL_OK)
            rc = plan_clean_xmp(p, SIZE_MAX, err);
    }
    if (rc == PL_OK && e->c2pa.n == 0)
        use_free(p, l);
    return rc == PL_OK ? bmff_settle(p, l, err) : rc;
}

const media_ops media_mp4 = { scan, plan };
