/* MP3: ID3v2 tags of version 2.3 and 2.4 in front (id3.org), ID3v1 and APEv2 at the end. The
 * label is a TXXX frame with the description AIGC. REQ: TC260-PG-202510A/mp3 */
#include "base/banned.h"

#include "engine/media/media_int.h"

#define TAG_MAX  (16u << 20)
#define PADDING  1024u

typedef struct id3_tag {
    uint64_t at, size;    /* of the whole tag in the file */
    unsigned version;     /* 3 or 4; 0: none */
    pl_str   frames;      /* without header, extended header, unsynchronisation, padding */
    uint64_t frames_at;   /* in the file; 0: the bytes here are not those of the file */
} id3_tag;

static uint32_t syncsafe(const uint8_t *p)
{
    return (uint32_t)(p[0] & 0x7F) << 21 | (uint32_t)(p[1] & 0x7F) << 14 |
           (uint32_t)(p[2] & 0x7F) << 7 | (p[3] & 0x7F);
}

/* FF 00 becomes FF. */
static pl_str resync(pl_media *m, pl_str s)
{
    char  *p = pl_arena_alloc(m->arena, s.n + 1);
    size_t n = 0;

    if (!p)
        return (pl_str){ "", 0 };
    for (size_t i = 0; i < s.n; i++) {
        p[n++] = s.p[i];
        if ((uint8_t)s.p[i] == 0xFF && i + 1 < s.n && s.p[i + 1] == '\0')
            i++;
    }
    return (pl_str){ p, n };
}

/* Text of encoding enc up to its terminator; *used counts that as well. */
static bool text_of(pl_media *m, uint8_t enc, pl_str s, bool terminated, pl_str *out, size_t *used)
{
    size_t n = s.n;

    *used = s.n;
    if (enc == 1 || enc == 2) {
        if (terminated)
            for (size_t i = 0; i + 1 < s.n; i += 2)
                if (s.p[i] == 0 && s.p[i + 1] == 0) {
                    n = i;
                    *used = i + 2;
                    break;
                }
        return media_utf16(m, (pl_str){ s.p, n }, enc == 2, out);
    }
    const char *nul = n ? memchr(s.p, '\0', n) : NULL;
    if (nul) {
        n = (size_t)(nul - s.p);
        if (terminated)
            *used = n + 1;
    }
    *out = (pl_str){ s.p, n };
    return enc == 3 || media_latin1(m, *out, out);
}

typedef struct id3_frame {
    char     id[5];
    pl_str   whole, body;
    unsigned flags;
    uint64_t at; /* of the header in the file, 0: unknown */
} id3_frame;

static bool frame_next(const id3_tag *t, size_t *at, id3_frame *f)
{
    const uint8_t *p = (const uint8_t *)t->frames.p + *at;
    size_t         left = t->frames.n - *at, n;

    if (left < 10 || p[0] == 0)
        return false;
    n = t->version == 4 ? syncsafe(p + 4) : rd_be32(p + 4);
    if (n > left - 10)
        return false;
    memcpy(f->id, p, 4);
    f->id[4] = '\0';
    f->flags = (unsigned)(p[8] << 8 | p[9]);
    f->whole = (pl_str){ (const char *)p, n + 10 };
    f->body = (pl_str){ (const char *)p + 10, n };
    f->at = t->frames_at ? t->frames_at + *at : 0;
    *at += n + 10;
    return true;
}

/* The body without what flags add; false when it is compressed or encrypted. */
static bool body_of(pl_media *m, const id3_tag *t, id3_frame *f)
{
    if (t->version == 3)
        return !(f->flags & 0xC0);
    if (f->flags & 0x0C)
        return false;
    if ((f->flags & 0x01) && f->body.n >= 4)
        f->body = (pl_str){ f->body.p + 4, f->body.n - 4 };
    if (f->flags & 0x02)
        f->body = resync(m, f->body);
    return true;
}

static bool tag_read(pl_media *m, uint64_t at, uint64_t limit, id3_tag *t)
{
    uint8_t h[10];
    pl_str  all;
    size_t  skip = 0;

    *t = (id3_tag){ .at = at };
    if (limit - at < 10 || !media_get(m, at, h, 10) || memcmp(h, "ID3", 3) != 0)
        return false;
    t->size = 10 + (uint64_t)syncsafe(h + 6) + (h[3] == 4 && (h[5] & 0x10) ? 10 : 0);
    if (t->size > limit - at) {
        media_stop(m, PL_MEDIA_TRUNCATED, "id3.size", at, "the ID3 tag is longer than the file");
        t->size = limit - at;
    }
    if (h[3] != 3 && h[3] != 4) {
        media_stop(m, PL_MEDIA_UNSUPPORTED, "id3.version", at, "ID3 tags of this version are not read");
        return false;
    }
    if (!media_bytes(m, at + 10, t->size - 10, TAG_MAX, &all)) {
        media_stop(m, PL_MEDIA_LIMITED, "id3.size", at, "the ID3 tag is too long to be read");
        return false;
    }
    t->version = h[3];
    t->frames_at = at + 10;
    if (t->version == 3 && (h[5] & 0x80)) {
        all = resync(m, all);
        t->frames_at = 0;
    }
    if ((h[5] & 0x40) && all.n >= 4)
        skip = t->version == 4 ? syncsafe((const uint8_t *)all.p) : rd_be32((const uint8_t *)all.p) + 4u;
    if (skip > all.n) {
        media_note(m, "id3.extended", at, "the extended header of the ID3 tag is longer than the tag");
        skip = all.n;
    }
    t->frames = (pl_str){ all.p + skip, all.n - skip };
    t->frames_at = t->frames_at ? t->frames_at + skip : 0;
    return true;
}

static void user_text(pl_media *m, const id3_frame *f, media_how how)
{
    pl_str         desc, value, rest;
    size_t         used;
    pl_media_range frame = range_of(f->at, f->at ? f->whole.n : 0);
    pl_media_range body = range_of(f->at + 10, f->at ? f->whole.n - 10 : 0);

    if (f->body.n < 2 || !text_of(m, (uint8_t)f->body.p[0], (pl_str){ f->body.p + 1, f->body.n - 1 }, true, &desc, &used))
        return;
    rest = (pl_str){ f->body.p + 1 + used, f->body.n - 1 - used };
    if (text_of(m, (uint8_t)f->body.p[0], rest, false, &value, &used))
        (void)media_add_text(m, "id3.txxx", desc, value, body, frame, how);
}

/* GEOB: encoding, MIME, file name, description, object. */
static void object_frame(pl_media *m, const id3_frame *f)
{
    const char    *p = f->body.p, *end = p + f->body.n, *nul;
    pl_media_range frame = range_of(f->at, f->whole.n);

    if (f->body.n < 4 || !f->at || !memmem(p, f->body.n < 64 ? f->body.n : 64, "c2pa", 4))
        return;
    p++;
    for (int i = 0; i < 3; i++) { /* one byte per character: MIME always is, the others by custom */
        nul = memchr(p, '\0', (size_t)(end - p));
        if (!nul)
            return;
        p = nul + 1;
    }
    media_add_c2pa(m, "id3.geob", range_of(f->at + 10 + (uint64_t)(p - f->body.p), (uint64_t)(end - p)), frame);
}

static void frame_item(pl_media *m, const id3_tag *t, id3_frame *f, media_how how)
{
    pl_media_range frame = range_of(f->at, f->at ? f->whole.n : 0);
    pl_str         text;
    size_t         used;

    if (!body_of(m, t, f)) {
        media_note(m, "id3.frame", f->at, "a compressed or encrypted frame is not read");
        return;
    }
    if (strcmp(f->id, "TXXX") == 0) {
        user_text(m, f, how);
    } else if (strcmp(f->id, "GEOB") == 0) {
        object_frame(m, f);
    } else if (strcmp(f->id, "PRIV") == 0 && f->body.n > 4 && memcmp(f->body.p, "XMP", 4) == 0 && f->at) {
        media_add_xmp(m, "id3.xmp", range_of(f->at + 14, f->body.n - 4), frame, 0);
    } else if (f->id[0] == 'T' && f->body.n > 1) {
        if (text_of(m, (uint8_t)f->body.p[0], (pl_str){ f->body.p + 1, f->body.n - 1 }, false, &text, &used))
            (void)media_add_text(m, "id3.text", pl_str_z(f->id), text, frame, frame, how);
    } else if (strcmp(f->id, "COMM") == 0 && f->body.n > 5) {
        pl_str rest = { f->body.p + 4, f->body.n - 4 };
        if (text_of(m, (uint8_t)f->body.p[0], rest, true, &text, &used) &&
            text_of(m, (uint8_t)f->body.p[0], (pl_str){ rest.p + used, rest.n - used }, false, &text, &used))
            (void)media_add_text(m, "id3.comm", PL_STR("Comment"), text, frame, frame, how);
    }
}

static bool tag_scan(pl_media *m, uint64_t at, uint64_t limit, id3_tag *t, media_how how)
{
    size_t    pos = 0;
    id3_frame f;

    if (!tag_read(m, at, limit, t))
        return false;
    while (media_step(m) && frame_next(t, &pos, &f))
        frame_item(m, t, &f, how);
    return true;
}

bool media_id3_scan(pl_media *m, uint64_t at, uint64_t limit, uint64_t *size)
{
    id3_tag t;
    bool    ok = tag_scan(m, at, limit, &t, m->format == PL_MEDIA_MP3 ? HOW_FORMAT : HOW_BLANK);

    *size = t.size;
    return ok;
}

/* --- tags at the end ------------------------------------------------------------------------------ */

static void id3v1(pl_media *m, uint64_t *end)
{
    char     b[128];
    uint64_t at;
    pl_str   text;

    if (*end < 128 || !media_get(m, *end - 128, b, 128) || memcmp(b, "TAG", 3) != 0)
        return;
    at = *end - 128;
    text = (pl_str){ b + 97, strnlen(b + 97, 30) };
    (void)media_add_text(m, "id3v1", PL_STR("Comment"), pl_str_trim(text), range_of(at + 97, 30),
                         range_of(at + 97, 30), HOW_BLANK);
    *end = at;
}

/* APEv2: footer of 32 bytes, items of value length, flags, key NUL, value. */
static void ape(pl_media *m, uint64_t end)
{
    uint8_t  f[32];
    uint32_t size, count;
    pl_str   all;
    size_t   at = 0;

    if (end < 32 || !media_get(m, end - 32, f, 32) || memcmp(f, "APETAGEX", 8) != 0)
        return;
    size = rd_le32(f + 12);
    count = rd_le32(f + 16);
    if (size < 32 || size > end || !media_bytes(m, end - size, size - 32, PL_MEDIA_VALUE_MAX, &all))
        return media_note(m, "ape.size", end - 32, "the APE tag is longer than the file");
    for (uint32_t i = 0; i < count && all.n - at > 8 && media_step(m); i++) {
        uint32_t    n = rd_le32((const uint8_t *)all.p + at);
        const char *key = all.p + at + 8, *nul = memchr(key, '\0', all.n - at - 8);
        if (!nul || n > all.n - (size_t)(nul + 1 - all.p))
            return;
        pl_media_range r = range_of(end - size + (uint64_t)(nul + 1 - all.p), n);
        size_t         before = m->n;
        (void)media_add_text(m, "ape", (pl_str){ key, (size_t)(nul - key) }, (pl_str){ nul + 1, n }, r, r, HOW_BLANK);
        if (m->n > before && m->item[before].kind == PL_MEDIA_LABEL)
            m->item[before].flags |= PL_MEDIA_MISPLACED;
        at = (size_t)(nul + 1 - all.p) + n;
    }
}

static void scan(pl_media *m)
{
    id3_tag *t = pl_arena_alloc(m->arena, sizeof *t);
    uint64_t end = m->io.size;

    if (!t)
        return media_nomem(m);
    m->layout = t;
    (void)tag_scan(m, 0, m->io.size, t, HOW_FORMAT);
    id3v1(m, &end);
    ape(m, end);
    if (t->size >= m->io.size)
        media_stop(m, PL_MEDIA_TRUNCATED, "mp3.empty", t->size, "there are no samples behind the tag");
}

/* --- writing ---------------------------------------------------------------------------------------- */

static void put_size(pl_buf *b, unsigned version, size_t n)
{
    if (version == 4)
        for (int i = 3; i >= 0; i--)
            pl_buf_putc(b, (char)(n >> (7 * i) & 0x7F));
    else
        buf_be32(b, (uint32_t)n);
}

static void put_frame(pl_buf *b, unsigned version, const char *id, pl_str head, pl_str body)
{
    pl_buf_puts(b, id);
    put_size(b, version, head.n + body.n);
    buf_be16(b, 0);
    pl_buf_put(b, head);
    pl_buf_put(b, body);
}

static bool is_label_frame(pl_media *m, const id3_tag *t, id3_frame f)
{
    pl_str desc, value = { "", 0 };
    size_t used;

    if (strcmp(f.id, "TXXX") != 0 || !body_of(m, t, &f) || f.body.n < 2)
        return false;
    pl_str rest = { f.body.p + 1, f.body.n - 1 };
    if (!text_of(m, (uint8_t)f.body.p[0], rest, true, &desc, &used))
        return false;
    (void)text_of(m, (uint8_t)f.body.p[0], (pl_str){ rest.p + used, rest.n - used }, false, &value, &used);
    return media_looks_label(desc, value);
}

static bool is_c2pa_frame(const id3_frame *f)
{
    return strcmp(f->id, "GEOB") == 0 && f->body.n > 4 &&
           memmem(f->body.p, f->body.n < 64 ? f->body.n : 64, "c2pa", 4);
}

/* The frames of the new tag; *c2pa: range of the manifest's frame in it. */
static void put_frames(pl_media *m, const pl_media_edit *e, const id3_tag *t, unsigned version, pl_buf *b,
                       pl_media_range *c2pa)
{
    size_t    pos = 0, rest;
    id3_frame f;

    if (e->label.n && version == 4)
        put_frame(b, version, "TXXX", (pl_str){ "\3AIGC\0", 6 }, e->label);
    else if (e->label.n)
        put_frame(b, version, "TXXX", (pl_str){ "\0AIGC\0", 6 }, e->label);
    while (t->version && frame_next(t, &pos, &f))
        if (!(e->label.n && is_label_frame(m, t, f)) &&
            !((e->c2pa.n || e->drop_c2pa) && is_c2pa_frame(&f)))
            pl_buf_put(b, f.whole);
    for (rest = pos; t->version && rest < t->frames.n && t->frames.p[rest] == '\0'; rest++)
        ;
    if (e->c2pa.n) { /* last, so that what it excludes is one run */
        size_t from = b->n;
        put_frame(b, version, "GEOB",
                  PL_STR("\0application/c2pa\0c2pa\0c2pa manifest store\0"), e->c2pa);
        *c2pa = range_of(from, b->n - from);
    }
}

pl_rc media_id3_edit(pl_media *m, const pl_media_edit *e, pl_media_plan *p, uint64_t at, pl_error *err)
{
    id3_tag        t;
    pl_buf         frames = PL_BUF_INIT(TAG_MAX * 2), b = PL_BUF_INIT(TAG_MAX * 2);
    pl_media_range c2pa = { 0, 0 };
    unsigned       version;
    size_t         pad;
    uint64_t       body;
    pl_rc          rc;

    (void)tag_read(m, at, m->io.size, &t);
    version = t.version ? t.version : 3;
    put_frames(m, e, &t, version, &frames, &c2pa);
    body = t.version && t.size >= frames.n + 10 ? t.size - 10 : frames.n + PADDING;
    pad = (size_t)(body - frames.n);
    pl_buf_puts(&b, "ID3");
    pl_buf_putc(&b, (char)version);
    pl_buf_putc(&b, 0);
    pl_buf_putc(&b, 0);
    put_size(&b, 4, (size_t)body);
    rc = pl_buf_check(&frames, err);
    if (rc == PL_OK && body > 0x0FFFFFFF)
        rc = pl_fail(err, PL_LIMIT, "the ID3 tag would be longer than the format allows");
    if (rc == PL_OK && c2pa.n) {
        pl_buf_put(&b, (pl_str){ frames.p, (size_t)c2pa.at });
        plan_replace(p, at, t.size, pl_buf_str(&b));
        plan_replace_c2pa(p, at + t.size, 0, (pl_str){ frames.p + c2pa.at, (size_t)c2pa.n });
        pl_buf_clear(&b);
    } else if (rc == PL_OK) {
        pl_buf_put(&b, pl_buf_str(&frames));
    }
    for (size_t i = 0; i < pad; i++)
        pl_buf_putc(&b, '\0');
    if (rc == PL_OK)
        rc = pl_buf_check(&b, err);
    if (rc == PL_OK && c2pa.n)
        plan_replace(p, at + t.size, 0, pl_buf_str(&b));
    else if (rc == PL_OK)
        plan_replace(p, at, t.size, pl_buf_str(&b));
    pl_buf_done(&frames);
    pl_buf_done(&b);
    return rc;
}

static pl_rc plan(pl_media *m, const pl_media_edit *e, pl_media_plan *p, pl_error *err)
{
    pl_rc rc = PL_OK;

    if (e->label.n || e->c2pa.n || e->drop_c2pa)
        rc = media_id3_edit(m, e, p, 0, err);
    if (rc == PL_OK && e->label.n) {
        p->carrier = "id3.txxx";
        rc = plan_drop_labels(p, NULL, err);
    }
    if (rc == PL_OK && e->label.n) /* an XMP frame was copied with the tag: not edited here */
        for (size_t i = 0; i < m->n && rc == PL_OK; i++)
            if (m->item[i].kind == PL_MEDIA_LABEL && m->own[i].how == HOW_XMP)
                rc = pl_fail(err, PL_INVALID, "the tag has a label in an XMP frame; remove that frame first");
    return rc;
}

const media_ops media_mp3 = { scan, plan };
