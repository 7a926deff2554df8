#include "base/banned.h"

#include "engine/media/bmff.h"

static const uint8_t uuid_c2pa[16] = { 0xD8, 0xFE, 0xC3, 0xD6, 0x1B, 0x0E, 0x48, 0x3C,
                                       0x92, 0x97, 0x58, 0x28, 0x87, 0x7E, 0xC4, 0x81 };
static const uint8_t uuid_xmp[16] = { 0xBE, 0x7A, 0xCF, 0xCB, 0x97, 0xA9, 0x42, 0xE8,
                                      0x9C, 0x71, 0x99, 0x94, 0x91, 0xE3, 0xAF, 0xAC };

void bmff_slack(pl_media *m, uint64_t at, const bmff_box *b)
{
    if (m->rc == PL_OK && m->state == PL_MEDIA_WHOLE && at < b->end)
        media_stop(m, PL_MEDIA_MALFORMED, "bmff.slack", at, "there are bytes behind the last box of a list");
}

bool bmff_is(const bmff_box *b, const char *type)
{
    return memcmp(b->type, type, 4) == 0;
}

static bool next(pl_media *m, uint64_t at, uint64_t end, bool is_top, bmff_box *b)
{
    uint8_t  h[16];
    uint64_t n;

    if (at >= end || end - at < 8 || !media_step(m) || !media_get(m, at, h, 8)) {
        if (at < end && end == m->io.size && m->rc == PL_OK)
            media_stop(m, PL_MEDIA_TRUNCATED, "bmff.header", at, "a box header is cut off");
        return false;
    }
    n = rd_be32(h);
    memcpy(b->type, h + 4, 4);
    b->at = at;
    b->body = at + 8;
    if (n == 1) {
        if (end - at < 16 || !media_get(m, at, h, 16)) {
            media_stop(m, PL_MEDIA_TRUNCATED, "bmff.header", at, "a box header is cut off");
            return false;
        }
        n = rd_be64(h + 8);
        b->body = at + 16;
    } else if (n == 0 && is_top) {
        n = end - at; /* ISO/IEC 14496-12 §4.2: the last box of a file only */
    }
    if (n < b->body - at) {
        media_stop(m, PL_MEDIA_MALFORMED, "bmff.size", at, "a box is shorter than its own header");
        return false;
    }
    if (n > end - at) {
        media_stop(m, PL_MEDIA_TRUNCATED, "bmff.size", at, "a box is longer than what encloses it");
        b->end = end;
        return true; /* what it holds is still looked at; the walk ends behind it */
    }
    b->end = at + n;
    return true;
}

bool bmff_next(pl_media *m, uint64_t at, uint64_t end, bmff_box *b)
{
    return next(m, at, end, false, b);
}

bool bmff_add_table(pl_media *m, bmff_layout *l, uint64_t at, uint64_t count, unsigned width,
                    unsigned stride)
{
    if (count == 0)
        return true;
    if (l->tables >= BMFF_TABLES_MAX) {
        media_stop(m, PL_MEDIA_LIMITED, "bmff.tables", at, "too many tables of offsets");
        return false;
    }
    if ((l->tables & (l->tables - 1)) == 0) {
        bmff_table *t = pl_arena_alloc(m->arena, (l->tables ? l->tables * 2 : 1) * sizeof *t);
        if (!t) {
            media_nomem(m);
            return false;
        }
        if (l->tables)
            memcpy(t, l->table, l->tables * sizeof *t);
        l->table = t;
    }
    l->table[l->tables++] = (bmff_table){ at, count, width, stride };
    return true;
}

/* --- metadata boxes --------------------------------------------------------------------------- */

static pl_media_range frame_of(const bmff_box *b)
{
    return range_of(b->at, b->end - b->at);
}

/* data: type indicator, locale, value. Well-known type 1 is UTF-8, 2 UTF-16. */
static void data_box(pl_media *m, const char *carrier, pl_str key, const bmff_box *item,
                     const bmff_box *data)
{
    uint32_t       type;
    pl_media_range r;
    pl_str         text;

    if (data->end - data->body < 8 || !media_be32(m, data->body, &type))
        return;
    r = range_of(data->body + 8, data->end - data->body - 8);
    if (r.n > LABEL_VALUE_MAX || !media_bytes(m, r.at, r.n, LABEL_VALUE_MAX, &text))
        return;
    if ((type & 0xFFFFFF) == 2) {
        if (!media_utf16(m, text, true, &text))
            return;
    } else if ((type & 0xFFFFFF) != 1 && !media_looks_label(key, text)) {
        return;
    }
    (void)media_add_text(m, carrier, key, text, r, frame_of(item), HOW_FORMAT);
}

/* iTunes free form: mean, name, data. */
static void freeform(pl_media *m, const bmff_box *item, pl_str *key)
{
    bmff_box c;

    for (uint64_t at = item->body; bmff_next(m, at, item->end, &c); at = c.end)
        if (bmff_is(&c, "name") && c.end - c.body > 4)
            (void)media_bytes(m, c.body + 4, c.end - c.body - 4, 4096, key);
}

static void ilst(pl_media *m, bmff_layout *l, const bmff_box *box, const pl_str *keys, uint32_t keys_n,
                 bool in_place)
{
    bmff_box item, c;
    uint64_t at;

    for (at = box->body; bmff_next(m, at, box->end, &item); at = item.end) {
        uint32_t index = rd_be32((const uint8_t *)item.type);
        bool     by_key = index >= 1 && index <= keys_n;
        pl_str   key = { item.type, 4 };
        char     four[5] = { 0 };
        memcpy(four, item.type, 4);
        if (by_key)
            key = keys[index - 1];
        else if (bmff_is(&item, "----"))
            freeform(m, &item, &key);
        else if (index == 0 || (index < 256 && keys_n > 0))
            media_note(m, "mp4.ilst", item.at, "an item points to a key that does not exist");
        else if (!media_latin1(m, pl_str_z(four), &key))
            return;
        if (by_key && in_place && index == l->aigc_key && !l->aigc_item.end)
            l->aigc_item = item;
        for (uint64_t d = item.body; bmff_next(m, d, item.end, &c); d = c.end)
            if (bmff_is(&c, "data"))
                data_box(m, by_key ? in_place ? "mp4.keys" : "mp4.keys.other" : "mp4.ilst", key, &item, &c);
        if (m->state != PL_MEDIA_WHOLE)
            return;
    }
    if (in_place)
        bmff_slack(m, at, box);
}

static uint32_t keys(pl_media *m, const bmff_box *box, pl_str **out)
{
    uint32_t count, n = 0;
    uint64_t at = box->body + 8;
    pl_str  *k;

    if (box->end - box->body < 8 || !media_be32(m, box->body + 4, &count))
        return 0;
    if (count > (box->end - at) / 8) {
        media_note(m, "mp4.keys", box->at, "the table of keys is shorter than it says");
        count = (uint32_t)((box->end - at) / 8);
    }
    k = pl_arena_alloc(m->arena, ((size_t)count + 1) * sizeof *k);
    if (!k)
        return 0;
    while (n < count && box->end - at >= 8) {
        uint32_t size;
        if (!media_be32(m, at, &size) || size < 8 || size > box->end - at)
            break;
        if (!media_bytes(m, at + 8, size - 8, 4096, &k[n]))
            k[n] = (pl_str){ "", 0 };
        n++;
        at += size;
    }
    bmff_slack(m, at, box);
    *out = k;
    return n;
}

/* meta with and without version field; keys come before ilst or after it. in_place: the one
 * in moov/udta, which a writer extends. */
static void meta(pl_media *m, bmff_layout *l, const bmff_box *box, bool in_place)
{
    char     probe[8];
    uint64_t body = box->body;
    bmff_box c, key_box = { .end = 0 }, list = { .end = 0 };
    pl_str  *k = NULL;
    uint32_t n = 0;
    bool     mdta = false;

    if (media_get(m, box->body, probe, 8) && memcmp(probe + 4, "hdlr", 4) != 0)
        body += 4;
    for (uint64_t at = body; bmff_next(m, at, box->end, &c); at = c.end) {
        if (bmff_is(&c, "hdlr") && media_get(m, c.body, probe, 8) && c.end - c.body >= 12 &&
            media_get(m, c.body + 8, probe, 4))
            mdta = memcmp(probe, "mdta", 4) == 0;
        else if (bmff_is(&c, "keys"))
            key_box = c;
        else if (bmff_is(&c, "ilst"))
            list = c;
    }
    if (key_box.end)
        n = keys(m, &key_box, &k);
    in_place = in_place && mdta && !l->meta.end;
    if (in_place) {
        l->meta = *box;
        l->keys = key_box;
        l->ilst = list;
        l->keys_n = n;
        for (uint32_t i = 0; i < n && !l->aigc_key; i++)
            if (pl_str_eqz(k[i], "AIGC"))
                l->aigc_key = i + 1;
    }
    if (list.end)
        ilst(m, l, &list, k, n, in_place);
}

static void text_box(pl_media *m, const char *carrier, const bmff_box *b)
{
    char   key[5] = { 0 };
    pl_str text, name;

    memcpy(key, b->type, 4);
    if (b->end - b->body > LABEL_VALUE_MAX ||
        !media_bytes(m, b->body, b->end - b->body, LABEL_VALUE_MAX, &text) ||
        !media_latin1(m, pl_str_z(key), &name))
        return;
    /* QuickTime international text: length, language, text. */
    if ((uint8_t)key[0] == 0xA9 && text.n > 4 &&
        (size_t)((uint8_t)text.p[0] << 8 | (uint8_t)text.p[1]) == text.n - 4)
        text = (pl_str){ text.p + 4, text.n - 4 };
    else if (text.n > 4 && rd_be32((const uint8_t *)text.p) == 0)
        text = (pl_str){ text.p + 4, text.n - 4 }; /* a version field */
    (void)media_add_text(m, carrier, name, text, range_of(b->body, b->end - b->body), frame_of(b), HOW_FORMAT);
}

static void udta(pl_media *m, bmff_layout *l, const bmff_box *box, bool of_movie)
{
    bmff_box c;

    for (uint64_t at = box->body; box->end - at >= 8; at = c.end) {
        uint32_t n;
        if (!media_be32(m, at, &n) || n == 0 || !bmff_next(m, at, box->end, &c))
            return; /* QuickTime ends the list with a zero */
        if (bmff_is(&c, "meta"))
            meta(m, l, &c, of_movie);
        else if (bmff_is(&c, "XMP_"))
            media_add_xmp(m, "mp4.udta.xmp", range_of(c.body, c.end - c.body), frame_of(&c), 0);
        else if (strncasecmp(c.type, "AIGC", 4) == 0)
            text_box(m, "mp4.udta", &c);
        else if ((uint8_t)c.type[0] == 0xA9)
            text_box(m, "mp4.udta", &c);
    }
}

/* --- tables of offsets -------------------------------------------------------------------------- */

static bool chunk_offsets(pl_media *m, bmff_layout *l, const bmff_box *b, unsigned width)
{
    uint32_t count;

    if (b->end - b->body < 8 || !media_be32(m, b->body + 4, &count))
        return true;
    if (count > (b->end - b->body - 8) / width) {
        media_stop(m, PL_MEDIA_MALFORMED, "mp4.stco", b->at, "a table of offsets is longer than its box");
        return false;
    }
    return bmff_add_table(m, l, b->body + 8, count, width, width);
}

/* tfhd with an absolute base; tfra, whose entries hold time and moof offset. */
static bool fragment_offsets(pl_media *m, bmff_layout *l, const bmff_box *b)
{
    uint32_t flags, sizes, count;

    if (!media_be32(m, b->body, &flags))
        return true;
    if (bmff_is(b, "tfhd"))
        return !(flags & 1) || b->end - b->body < 16 || bmff_add_table(m, l, b->body + 8, 1, 8, 8);
    if (b->end - b->body < 16 || !media_be32(m, b->body + 8, &sizes) || !media_be32(m, b->body + 12, &count))
        return true;
    unsigned wide = flags >> 24 == 1 ? 8 : 4;
    unsigned stride = wide * 2 + ((sizes >> 4 & 3) + 1) + ((sizes >> 2 & 3) + 1) + ((sizes & 3) + 1);
    if (count > (b->end - b->body - 16) / stride)
        return true;
    return bmff_add_table(m, l, b->body + 16 + wide, count, wide, stride);
}

static bool is_container(const bmff_box *b)
{
    static const char names[] = "trakmdiaminfstblmoofmfratrafedts";

    for (size_t i = 0; i + 4 < sizeof names; i += 4)
        if (memcmp(names + i, b->type, 4) == 0)
            return true;
    return false;
}

static void tree(pl_media *m, bmff_layout *l, const bmff_box *box, unsigned depth)
{
    bmff_box c;
    uint64_t at;

    if (depth > PL_MEDIA_DEPTH_MAX)
        return media_stop(m, PL_MEDIA_LIMITED, "bmff.depth", box->at, "boxes are nested too deep");
    for (at = box->body; bmff_next(m, at, box->end, &c); at = c.end) {
        bool ok = true;
        if (bmff_is(&c, "stco"))
            ok = chunk_offsets(m, l, &c, 4);
        else if (bmff_is(&c, "co64"))
            ok = chunk_offsets(m, l, &c, 8);
        else if (bmff_is(&c, "tfhd") || bmff_is(&c, "tfra"))
            ok = fragment_offsets(m, l, &c);
        else if (bmff_is(&c, "udta")) {
            bool movie = bmff_is(box, "moov");
            if (movie && !l->udta.end)
                l->udta = c;
            udta(m, l, &c, movie);
        } else if (bmff_is(&c, "meta"))
            meta(m, l, &c, false);
        else if (is_container(&c) || bmff_is(&c, "moov"))
            tree(m, l, &c, depth + 1);
        if (!ok || m->state != PL_MEDIA_WHOLE)
            return;
    }
    if (bmff_is(box, "moov"))
        bmff_slack(m, at, box);
}

static void uuid_box(pl_media *m, const bmff_box *b)
{
    uint8_t u[16 + 4 + 9];

    if (b->end - b->body < 16 || !media_get(m, b->body, u, 16))
        return;
    if (memcmp(u, uuid_xmp, 16) == 0)
        media_add_xmp(m, "mp4.uuid.xmp", range_of(b->body + 16, b->end - b->body - 16), frame_of(b), 0);
    else if (memcmp(u, uuid_c2pa, 16) == 0 && b->end - b->body > sizeof u + 8 &&
             media_get(m, b->body, u, sizeof u) && memcmp(u + 20, "manifest", 9) == 0)
        media_add_c2pa(m, "bmff.uuid.c2pa", range_of(b->body + 37, b->end - b->body - 37), frame_of(b));
}

void bmff_scan(pl_media *m, bmff_layout *l, void (*heif)(pl_media *m, const bmff_box *meta))
{
    bmff_box b;
    bool     data = false;

    for (uint64_t at = 0; m->state == PL_MEDIA_WHOLE && next(m, at, m->io.size, true, &b); at = b.end) {
        if (bmff_is(&b, "ftyp") && !l->after_ftyp)
            l->after_ftyp = b.end;
        if (bmff_is(&b, "moov") && !l->moov.end)
            l->moov = b;
        if (l->moov.end == b.at && l->moov.end && (bmff_is(&b, "free") || bmff_is(&b, "skip"))) {
            l->free_after_moov = b.at;
            l->free_n = b.end - b.at;
        }
        data |= bmff_is(&b, "mdat") || bmff_is(&b, "moof") || bmff_is(&b, "idat");
        l->fragmented |= bmff_is(&b, "moof");
        if (bmff_is(&b, "moov") || bmff_is(&b, "moof") || bmff_is(&b, "mfra"))
            tree(m, l, &b, 1);
        else if (bmff_is(&b, "uuid"))
            uuid_box(m, &b);
        else if (bmff_is(&b, "meta") && !l->meta_top.end) {
            l->meta_top = b;
            if (heif)
                heif(m, &b);
            else
                meta(m, l, &b, false);
        }
    }
    if (m->rc == PL_OK && m->state == PL_MEDIA_WHOLE && !heif && (!l->moov.end || !data))
        media_stop(m, PL_MEDIA_TRUNCATED, "mp4.moov", m->io.size, "there is no movie box, or no samples");
}

/* --- writing -------------------------------------------------------------------------------------- */

void bmff_fix(bmff_layout *l, const bmff_box *b)
{
    for (size_t i = 0; i < l->fixes; i++)
        if (l->fix[i].at == b->at)
            return;
    if (l->fixes < BMFF_FIX_MAX)
        l->fix[l->fixes++] = *b;
}

static pl_rc fix_size(pl_media_plan *p, const bmff_box *b, pl_error *err)
{
    int64_t  inside = 0;
    uint64_t n;
    uint32_t old;
    char     wide[8];

    for (size_t i = 0; i < p->ops; i++)
        if (p->op[i].at > b->at &&
            (p->op[i].at < b->end || (p->op[i].at == b->end && p->op[i].n == 0 && !p->op[i].after)))
            inside += (int64_t)p->op[i].len - (int64_t)p->op[i].n;
    n = b->end - b->at + (uint64_t)inside;
    if (!media_be32(p->m, b->at, &old))
        return pl_fail(err, PL_INVALID, "a box cannot be read again");
    if (old == 0) /* to the end of the file: stays so */
        return PL_OK;
    if (old == 1) {
        for (int i = 0; i < 8; i++)
            wide[i] = (char)(n >> (56 - 8 * i));
        plan_replace(p, b->at + 8, 8, (pl_str){ wide, 8 });
        return PL_OK;
    }
    if (n > UINT32_MAX)
        return pl_fail(err, PL_LIMIT, "a box would become longer than its header can say");
    plan_be32(p, b->at, (uint32_t)n);
    return PL_OK;
}

/* One table with every entry moved by what happens before the place it points at. */
static pl_rc move_table(pl_media_plan *p, const bmff_table *t, pl_error *err)
{
    uint64_t n = t->count * t->stride;
    pl_str   raw;
    bool     changed = false;

    if (t->count > PL_MEDIA_MEMORY_MAX / 4 / t->stride || !media_bytes(p->m, t->at, n - (t->stride - t->width), PL_MEDIA_MEMORY_MAX, &raw))
        return pl_fail(err, PL_LIMIT, "a table of offsets is too large to be moved");
    for (uint64_t i = 0; i < t->count; i++) {
        uint8_t *v = (uint8_t *)(uintptr_t)raw.p + i * t->stride;
        uint64_t old = t->width == 8 ? rd_be64(v) : rd_be32(v), now;
        int64_t  shift = plan_shift(p, old);
        if (shift == 0 || old == 0)
            continue;
        now = old + (uint64_t)shift;
        if (t->width == 4 && now > UINT32_MAX)
            return pl_fail(err, PL_LIMIT, "samples would stand beyond 4 GiB, where this file's tables do not reach");
        for (unsigned k = 0; k < t->width; k++)
            v[k] = (uint8_t)(now >> (8 * (t->width - 1 - k)));
        changed = true;
    }
    if (changed)
        plan_replace(p, t->at, raw.n, raw);
    return PL_OK;
}

pl_rc bmff_settle(pl_media_plan *p, bmff_layout *l, pl_error *err)
{
    pl_rc  rc = PL_OK;
    size_t tables = l->tables;

    for (size_t i = 0; i < l->fixes && rc == PL_OK; i++)
        rc = fix_size(p, &l->fix[i], err);
    for (size_t i = 0; i < tables && rc == PL_OK; i++)
        rc = move_table(p, &l->table[i], err);
    l->fixes = 0;
    return rc;
}

pl_rc bmff_c2pa(pl_media_plan *p, const pl_media_edit *e, const bmff_layout *l, pl_error *err)
{
    pl_buf b = PL_BUF_INIT(PL_MEDIA_MEMORY_MAX);
    pl_rc  rc;

    if (e->c2pa.n || e->drop_c2pa)
        plan_cut_c2pa(p);
    if (e->c2pa.n == 0)
        return PL_OK;
    buf_be32(&b, (uint32_t)(8 + 37 + e->c2pa.n));
    pl_buf_puts(&b, "uuid");
    pl_buf_put(&b, (pl_str){ (const char *)uuid_c2pa, 16 });
    buf_be32(&b, 0);
    pl_buf_put(&b, (pl_str){ "manifest", 9 });
    buf_be64(&b, 0);
    pl_buf_put(&b, e->c2pa);
    rc = pl_buf_check(&b, err);
    plan_replace_c2pa(p, l->after_ftyp, 0, pl_buf_str(&b));
    pl_buf_done(&b);
    return rc;
}
