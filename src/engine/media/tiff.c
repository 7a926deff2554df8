/* TIFF files (also BigTIFF): XMP in tag 700 of the first directory, C2PA in tag 52545. A new
 * tag means a new copy of that directory at the end of the file; the picture stays where it
 * is. REQ: TC260-PG-20259A/tiff */
#include "base/banned.h"

#include "engine/media/media_int.h"

#define TAG_XMP       0x02BCu
#define TAG_C2PA      0xCD41u
#define TYPE_UNDEFINED 7u
#define ENTRIES_MAX   4096u

typedef struct tiff_layout {
    media_tiff       tiff;
    uint64_t         entries_n;
    media_tiff_entry xmp, c2pa; /* entry_at 0: none */
} tiff_layout;

static bool entry(pl_media *m, void *ctx, const media_tiff_entry *e)
{
    tiff_layout   *l = ctx;
    pl_media_range r = range_of(e->at, e->n);

    if (e->ifd == 0)
        l->entries_n++;
    if (e->ifd == 0 && e->tag == TAG_XMP && e->n > 0) {
        l->xmp = *e;
        media_add_xmp(m, "tiff.xmp", r, r, e->type == 1 || e->type == 7 ? 0 : PL_MEDIA_MISPLACED);
    } else if (e->tag == TAG_XMP && e->n > 0) {
        media_add_xmp(m, "tiff.xmp.other", r, r, PL_MEDIA_OUTSIDE);
    } else if (e->ifd == 0 && e->tag == TAG_C2PA && e->n > 0) {
        l->c2pa = *e;
        media_add_c2pa(m, "tiff.c2pa", r, r);
    } else {
        media_tiff_item(m, "tiff", e);
    }
    return m->rc == PL_OK;
}

static void scan(pl_media *m)
{
    tiff_layout *l = pl_arena_alloc(m->arena, sizeof *l);
    bool         ok;

    if (!l)
        return media_nomem(m);
    m->layout = l;
    l->tiff = (media_tiff){ .base = 0, .n = m->io.size, .emit = entry, .ctx = l };
    ok = media_tiff_walk(m, &l->tiff);
    if (!ok && m->rc == PL_OK)
        media_stop(m, PL_MEDIA_TRUNCATED, "tiff.header", 0, "the first directory cannot be read");
    for (size_t i = 0; i < m->problems && m->state == PL_MEDIA_WHOLE; i++)
        if (strcmp(m->problem[i].code, "tiff.directory") == 0 || strcmp(m->problem[i].code, "tiff.loop") == 0)
            m->state = PL_MEDIA_MALFORMED;
}

/* --- writing -------------------------------------------------------------------------------- */

static void put(pl_buf *b, uint64_t v, unsigned n, bool little)
{
    for (unsigned i = 0; i < n; i++)
        pl_buf_putc(b, (char)(v >> (8 * (little ? i : n - 1 - i))));
}

typedef struct tiff_new {
    uint16_t tag;
    uint64_t n, at;
    bool     done;
} tiff_new;

static void put_entry(pl_buf *b, const media_tiff *t, const tiff_new *e)
{
    put(b, e->tag, 2, t->little);
    put(b, TYPE_UNDEFINED, 2, t->little);
    put(b, e->n, t->big ? 8 : 4, t->little);
    put(b, e->at, t->big ? 8 : 4, t->little);
}

/* The first directory again, with the new entries in their places by tag. */
static pl_rc new_directory(pl_media_plan *p, const tiff_layout *l, tiff_new *add, size_t add_n,
                           uint64_t *tail, pl_error *err)
{
    const media_tiff *t = &l->tiff;
    unsigned entry_n = t->big ? 20 : 12, next_n = t->big ? 8 : 4, head = t->big ? 8 : 2, kept = 0;
    pl_buf   entries = PL_BUF_INIT(1u << 20), b = PL_BUF_INIT(1u << 20);
    uint8_t  e[20], next[8];
    pl_rc    rc = PL_OK;

    if (l->entries_n > ENTRIES_MAX)
        return pl_fail(err, PL_LIMIT, "the image directory is too large to be copied");
    for (uint64_t i = 0; i <= l->entries_n; i++) {
        uint16_t tag = 0xFFFF;
        if (i < l->entries_n) {
            if (!media_get(p->m, t->ifd0_at + head + i * entry_n, e, entry_n))
                return pl_fail(err, PL_INVALID, "the image directory cannot be read again");
            tag = (uint16_t)(t->little ? e[0] | e[1] << 8 : e[0] << 8 | e[1]);
        }
        for (size_t k = 0; k < add_n; k++)
            if (!add[k].done && (add[k].tag <= tag || i == l->entries_n)) {
                put_entry(&entries, t, &add[k]);
                add[k].done = true;
                kept++;
            }
        if (i < l->entries_n && tag != add[0].tag && (add_n < 2 || tag != add[1].tag)) {
            pl_buf_put(&entries, (pl_str){ (char *)e, entry_n });
            kept++;
        }
    }
    if (!media_get(p->m, t->ifd0_at + head + l->entries_n * entry_n, next, next_n))
        rc = pl_fail(err, PL_INVALID, "the image directory cannot be read again");
    put(&b, kept, head, t->little);
    pl_buf_put(&b, pl_buf_str(&entries));
    pl_buf_put(&b, (pl_str){ (char *)next, next_n });
    if (rc == PL_OK)
        rc = pl_buf_check(&b, err);
    if (rc == PL_OK) {
        pl_buf at = PL_BUF_INIT(16);
        put(&at, *tail, t->big ? 8 : 4, t->little);
        plan_replace(p, t->ifd0_pointer, at.n, pl_buf_str(&at));
        plan_replace(p, p->m->io.size, 0, pl_buf_str(&b));
        *tail += b.n;
        pl_buf_done(&at);
    }
    pl_buf_done(&entries);
    pl_buf_done(&b);
    return rc;
}

/* Bytes at the end of the file, on an even offset. Gives where they will stand. */
static uint64_t append(pl_media_plan *p, uint64_t *tail, pl_str bytes, bool is_c2pa)
{
    uint64_t at;

    if (*tail & 1) {
        plan_replace(p, p->m->io.size, 0, (pl_str){ "\0", 1 });
        (*tail)++;
    }
    at = *tail;
    if (is_c2pa)
        plan_replace_c2pa(p, p->m->io.size, 0, bytes);
    else
        plan_replace(p, p->m->io.size, 0, bytes);
    *tail += bytes.n;
    return at;
}

static pl_rc put_xmp(pl_media_plan *p, const pl_media_edit *e, const tiff_layout *l, uint64_t *tail,
                     tiff_new *add, size_t *add_n, pl_error *err)
{
    pl_buf packet = PL_BUF_INIT(PL_MEDIA_VALUE_MAX);
    size_t old = SIZE_MAX;
    pl_rc  rc = plan_xmp(p, e, "tiff.xmp", &old, &packet, err);

    if (rc == PL_OK && packet.n <= 8) /* cannot be: a packet is longer */
        rc = pl_fail(err, PL_INVALID, "the XMP packet is empty");
    if (rc == PL_OK && old != SIZE_MAX && l->xmp.n == packet.n)
        plan_replace(p, l->xmp.at, l->xmp.n, pl_buf_str(&packet));
    else if (rc == PL_OK) {
        uint64_t at = append(p, tail, pl_buf_str(&packet), false);
        if (old != SIZE_MAX) /* nothing of the old label stays behind */
            plan_blank(p, range_of(l->xmp.at, l->xmp.n));
        add[(*add_n)++] = (tiff_new){ .tag = TAG_XMP, .n = packet.n, .at = at };
    }
    pl_buf_done(&packet);
    return rc;
}

static pl_rc plan(pl_media *m, const pl_media_edit *e, pl_media_plan *p, pl_error *err)
{
    const tiff_layout *l = m->layout;
    tiff_new           add[2];
    size_t             add_n = 0;
    uint64_t           tail = m->io.size;
    pl_rc              rc = PL_OK;

    if (e->label.n || e->source_type) {
        p->carrier = "tiff.xmp";
        rc = put_xmp(p, e, l, &tail, add, &add_n, err);
    }
    if (rc == PL_OK && e->label.n)
        rc = plan_drop_labels(p, "tiff.xmp", err);
    if (rc == PL_OK && e->c2pa.n) {
        uint64_t at = append(p, &tail, e->c2pa, true);
        add[add_n++] = (tiff_new){ .tag = TAG_C2PA, .n = e->c2pa.n, .at = at };
    } else if (rc == PL_OK && e->drop_c2pa && l->c2pa.entry_at) {
        return pl_fail(err, PL_INVALID, "a manifest store cannot be taken out of a TIFF file;"
                                        " sign the labelled file anew");
    }
    if (rc == PL_OK && add_n > 0) {
        if (tail & 1)
            (void)append(p, &tail, (pl_str){ "", 0 }, false);
        if (!l->tiff.big && tail > UINT32_MAX - (1u << 20))
            return pl_fail(err, PL_LIMIT, "the file would be longer than a TIFF file can be");
        rc = new_directory(p, l, add, add_n, &tail, err);
    }
    return rc;
}

const media_ops media_tiff_ops = { scan, plan };
