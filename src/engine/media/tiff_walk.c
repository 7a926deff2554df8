/* TIFF 6.0 structures, as files and as EXIF inside others: the directories, and what their
 * text fields say. Offsets count from `base`; whatever points outside is left alone. */
#include "base/banned.h"

#include "base/utf8.h"
#include "engine/media/media_int.h"

#define IFDS_MAX 64u

enum {
    TAG_DESCRIPTION = 0x010E, TAG_MAKE = 0x010F, TAG_MODEL = 0x0110, TAG_SOFTWARE = 0x0131,
    TAG_ARTIST = 0x013B, TAG_XMP = 0x02BC, TAG_COPYRIGHT = 0x8298, TAG_IPTC = 0x83BB,
    TAG_EXIF = 0x8769, TAG_SUBIFD = 0x014A, TAG_GPS = 0x8825, TAG_COMMENT = 0x9286,
    TAG_XPTITLE = 0x9C9B, TAG_XPCOMMENT = 0x9C9C, TAG_XPKEYWORDS = 0x9C9E, TAG_XPSUBJECT = 0x9C9F,
    TAG_C2PA = 0xCD41
};

typedef struct tiff_queue {
    uint64_t at[IFDS_MAX];
    unsigned ifd[IFDS_MAX];
    size_t   n;
} tiff_queue;

static uint64_t num(const uint8_t *p, unsigned n, bool little)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < n; i++)
        v = v << 8 | p[little ? n - 1 - i : i];
    return v;
}

static void push(pl_media *m, tiff_queue *q, uint64_t at, unsigned ifd)
{
    for (size_t i = 0; i < q->n; i++)
        if (q->at[i] == at) {
            media_note(m, "tiff.loop", at, "an image directory is reached twice");
            return;
        }
    if (q->n < IFDS_MAX) {
        q->at[q->n] = at;
        q->ifd[q->n++] = ifd;
    }
}

static const uint8_t type_size[] = { 0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8 };

static bool entry_read(pl_media *m, const media_tiff *t, uint64_t at, media_tiff_entry *e)
{
    unsigned inline_n = t->big ? 8 : 4, head = t->big ? 12 : 8;
    uint8_t  b[20];
    uint64_t unit;

    if (!media_get(m, at, b, head + inline_n))
        return false;
    e->tag = (uint16_t)num(b, 2, t->little);
    e->type = (uint16_t)num(b + 2, 2, t->little);
    e->count = num(b + 4, t->big ? 8 : 4, t->little);
    unit = e->type < sizeof type_size ? type_size[e->type] : 0;
    e->entry_at = at;
    e->little = t->little;
    e->big = t->big;
    if (unit == 0 || e->count > t->n / unit)
        return e->n = 0, e->at = 0, true; /* unknown type or a length that cannot be */
    e->n = e->count * unit;
    if (e->n <= inline_n) {
        e->at = at + head;
    } else {
        uint64_t off = num(b + head, inline_n, t->little);
        if (off > t->n || e->n > t->n - off)
            return e->n = 0, e->at = 0, true;
        e->at = t->base + off;
    }
    return true;
}

static bool value_offset(pl_media *m, const media_tiff *t, const media_tiff_entry *e, uint64_t i,
                         uint64_t *v)
{
    unsigned n = e->type == 16 || e->type == 18 ? 8 : 4;
    uint8_t  b[8];

    if (e->n < (i + 1) * n || !media_get(m, e->at + i * n, b, n))
        return false;
    *v = num(b, n, t->little);
    return *v > 0 && *v < t->n;
}

static bool ifd_walk(pl_media *m, media_tiff *t, tiff_queue *q, size_t i)
{
    unsigned count_n = t->big ? 8 : 2, entry_n = t->big ? 20 : 12, next_n = t->big ? 8 : 4;
    uint64_t at = q->at[i], count, next;
    uint8_t  b[8];

    if (at >= t->n || t->n - at < count_n || !media_get(m, t->base + at, b, count_n))
        return false;
    count = num(b, count_n, t->little);
    if (count > (t->n - at - count_n) / entry_n)
        return false;
    for (uint64_t k = 0; k < count; k++) {
        media_tiff_entry e = { .ifd = q->ifd[i] };
        uint64_t         off;
        if (!media_step(m) || !entry_read(m, t, t->base + at + count_n + k * entry_n, &e))
            return false;
        if (e.tag == TAG_EXIF && value_offset(m, t, &e, 0, &off))
            push(m, q, off, 100);
        else if (e.tag == TAG_SUBIFD)
            for (uint64_t s = 0; s < 8 && value_offset(m, t, &e, s, &off); s++)
                push(m, q, off, 200);
        if (!t->emit(m, t->ctx, &e))
            return false;
    }
    next = at + count_n + count * entry_n;
    if (q->ifd[i] < 100 && next <= t->n && t->n - next >= next_n &&
        media_get(m, t->base + next, b, next_n)) {
        uint64_t off = num(b, next_n, t->little);
        if (off > 0 && off < t->n)
            push(m, q, off, q->ifd[i] + 1 < 99 ? q->ifd[i] + 1 : 99);
        else if (off >= t->n)
            media_note(m, "tiff.offset", t->base + next, "a directory points outside the file");
    }
    return true;
}

bool media_tiff_walk(pl_media *m, media_tiff *t)
{
    tiff_queue q = { .n = 0 };
    uint8_t    h[16];
    uint64_t   first;

    if (t->n < 8 || !media_get(m, t->base, h, 8))
        return false;
    t->little = h[0] == 'I';
    if ((h[0] != 'I' && h[0] != 'M') || h[1] != h[0])
        return false;
    t->big = num(h + 2, 2, t->little) == 43;
    if (t->big && (t->n < 16 || !media_get(m, t->base, h, 16)))
        return false;
    first = t->big ? num(h + 8, 8, t->little) : num(h + 4, 4, t->little);
    t->ifd0_pointer = t->base + (t->big ? 8 : 4);
    if (first == 0 || first >= t->n)
        return false;
    t->ifd0_at = t->base + first;
    push(m, &q, first, 0);
    for (size_t i = 0; i < q.n; i++)
        if (!ifd_walk(m, t, &q, i)) {
            media_note(m, "tiff.directory", t->base + q.at[i], "an image directory is cut or wrong");
            return i > 0;
        }
    return true;
}

/* --- fields ------------------------------------------------------------------------------------ */

static const char *tag_name(uint16_t tag)
{
    switch (tag) {
    case TAG_DESCRIPTION: return "ImageDescription";
    case TAG_MAKE: return "Make";
    case TAG_MODEL: return "Model";
    case TAG_SOFTWARE: return "Software";
    case TAG_ARTIST: return "Artist";
    case TAG_COPYRIGHT: return "Copyright";
    case TAG_COMMENT: return "UserComment";
    case TAG_XPTITLE: return "XPTitle";
    case TAG_XPCOMMENT: return "XPComment";
    case TAG_XPKEYWORDS: return "XPKeywords";
    case TAG_XPSUBJECT: return "XPSubject";
    default: return NULL;
    }
}

/* Exif 2.32 §4.6.5 UserComment: eight bytes name the character set. */
static bool comment_text(pl_media *m, pl_str raw, bool little, pl_str *out)
{
    pl_str t;

    if (raw.n < 8)
        return false;
    t = (pl_str){ raw.p + 8, raw.n - 8 };
    if (memcmp(raw.p, "UNICODE", 7) == 0)
        return media_utf16(m, t, !little, out);
    while (t.n > 0 && (t.p[t.n - 1] == '\0' || t.p[t.n - 1] == ' '))
        t.n--;
    *out = t;
    return true;
}

void media_tiff_item(pl_media *m, const char *carrier, const media_tiff_entry *e)
{
    const char    *name = tag_name(e->tag);
    pl_media_range r = range_of(e->at, e->n);
    size_t         before = m->n;
    pl_str         raw, text;

    if (!name || e->n == 0)
        return;
    if (!media_bytes(m, e->at, e->n, LABEL_VALUE_MAX, &raw)) {
        if (e->n > LABEL_VALUE_MAX)
            media_note(m, "tiff.field", e->at, "a text field is too long to read");
        return;
    }
    text = raw;
    if (e->tag == TAG_COMMENT) {
        if (!comment_text(m, raw, e->little, &text))
            return;
    } else if (e->tag >= TAG_XPTITLE && e->tag <= TAG_XPSUBJECT) {
        if (!media_utf16(m, raw, false, &text))
            return;
    } else {
        const char *nul = memchr(raw.p, '\0', raw.n);
        text.n = nul ? (size_t)(nul - raw.p) : raw.n;
    }
    (void)media_add_text(m, pl_arena_printf(m->arena, "%s.%s", carrier, name), pl_str_z(name), text,
                         r, r, HOW_BLANK);
    if (m->n > before && (e->ifd == 1 || e->ifd == 200))
        m->item[m->n - 1].flags |= PL_MEDIA_OUTSIDE; /* of the thumbnail */
}

typedef struct exif_ctx {
    const char *carrier;
} exif_ctx;

static bool exif_entry(pl_media *m, void *ctx, const media_tiff_entry *e)
{
    exif_ctx *x = ctx;

    media_tiff_item(m, x->carrier, e);
    return m->rc == PL_OK;
}

void media_add_exif(pl_media *m, const char *carrier, pl_media_range payload, pl_media_range frame)
{
    exif_ctx       ctx = { carrier };
    media_tiff     t = { .base = payload.at, .n = payload.n, .emit = exif_entry, .ctx = &ctx };
    pl_media_item *it = media_add(m, PL_MEDIA_EXIF, carrier, payload, frame);

    if (it && !media_tiff_walk(m, &t))
        media_note(m, "exif.malformed", payload.at, "the EXIF structure is broken");
}
