/* Files that parse as more than one format: what one program labels and shows, another does not
 * see. An archive is read from its end, a PDF begins anywhere in the first 1,024 bytes, and data
 * behind the end of a picture may be a file of its own.
 * Reference: content-labelling §7 no. 16. */
#include "base/banned.h"

#include "engine/media/media_int.h"

#define ZIP_TAIL  (22u + 65535u) /* APPNOTE 4.3.16: end record and its comment */
#define PDF_EDGE  1024u          /* ISO 32000-1 annex H, notes 13 and 18       */

static uint32_t le16(const char *p)
{
    return (uint32_t)(uint8_t)p[0] | (uint32_t)(uint8_t)p[1] << 8;
}

static uint32_t le32(const char *p)
{
    return le16(p) | le16(p + 2) << 16;
}

/* An end record in the tail that leads to a directory, which leads to a first entry. What stands
 * before the archive shifts all offsets: readers allow for that. */
static bool is_zip_end(pl_media *m, pl_str tail, size_t i)
{
    uint64_t at = m->io.size - tail.n + i, comment = le16(tail.p + i + 20);
    uint64_t size = le32(tail.p + i + 12), declared = le32(tail.p + i + 16), dir = at - size, entry;
    char     h[46];

    if (comment > tail.n - i - 22 || (m->format == PL_MEDIA_PDF && comment != tail.n - i - 22))
        return false; /* a PDF may hold an archive as an attachment */
    if (size < 46 || size > at || declared > dir || !media_get(m, dir, h, 46) || memcmp(h, "PK\1\2", 4) != 0)
        return false;
    entry = le32(h + 42) + (dir - declared);
    return entry < dir && dir - entry >= 30 && media_get(m, entry, h, 30) && memcmp(h, "PK\3\4", 4) == 0;
}

static bool is_zip_too(pl_media *m, size_t reach)
{
    uint64_t n = m->io.size < reach ? m->io.size : reach;
    pl_str   tail;

    if (n < 22 || !media_bytes(m, m->io.size - n, n, ZIP_TAIL, &tail))
        return false;
    for (const char *p = tail.p, *end = tail.p + tail.n - 21; p < end; p++) {
        p = memmem(p, (size_t)(end - p) + 3, "PK\5\6", 4);
        if (!p)
            return false;
        if (is_zip_end(m, tail, (size_t)(p - tail.p)))
            return true;
    }
    return false;
}

static bool is_pdf_too(pl_media *m)
{
    size_t      n = m->io.size < PDF_EDGE ? (size_t)m->io.size : PDF_EDGE;
    char        edge[PDF_EDGE];
    const char *p = media_get(m, 0, edge, n) ? memmem(edge, n, "%PDF-", 5) : NULL;

    if (!p || p + 6 > edge + n || p[5] < '1' || p[5] > '2')
        return false;
    return media_get(m, m->io.size - n, edge, n) && memmem(edge, n, "startxref", 9) && memmem(edge, n, "%%EOF", 5);
}

/* --- behind the end of a picture ----------------------------------------------------------- */

typedef struct rest {
    const pl_media_io *io;
    uint64_t           from;
} rest;

static pl_rc rest_read(void *ctx, uint64_t at, void *p, size_t n, pl_error *err)
{
    const rest *r = ctx;

    return r->io->read(r->io->ctx, r->from + at, p, n, err);
}

/* Phones put the video of a moving picture behind it, and say so in XMP. */
static bool is_moving_picture(const pl_media *m)
{
    for (size_t i = 0; i < m->n; i++) {
        pl_str v = m->item[i].value;
        if (m->item[i].kind == PL_MEDIA_XMP && v.n &&
            (memmem(v.p, v.n, "MotionPhoto", 11) || memmem(v.p, v.n, "MicroVideo", 10)))
            return true;
    }
    return false;
}

static bool is_another(const pl_media *m, pl_media_format f, const char head[4])
{
    switch (f) {
    case PL_MEDIA_UNKNOWN: case PL_MEDIA_TXT: case PL_MEDIA_JSON: case PL_MEDIA_MARKDOWN:
        return false; /* no format of its own, or any text */
    case PL_MEDIA_MP3:
        return memcmp(head, "ID3", 3) == 0; /* else four bytes that occur by chance */
    case PL_MEDIA_MP4: case PL_MEDIA_MOV:
        return !is_moving_picture(m);
    default:
        return f != m->format; /* the same again: further views of it */
    }
}

static bool has_another_behind(pl_media *m)
{
    rest            r = { &m->io, m->end };
    pl_media_io     io = { &r, m->io.size - m->end, rest_read };
    pl_media_format f = PL_MEDIA_UNKNOWN;
    char            head[4];

    if (m->format != PL_MEDIA_JPEG && m->format != PL_MEDIA_PNG && m->format != PL_MEDIA_WEBP &&
        m->format != PL_MEDIA_GIF && m->format != PL_MEDIA_BMP)
        return false;
    if (m->end >= m->io.size || io.size < 4 || !media_get(m, m->end, head, 4))
        return false;
    m->rc = pl_media_detect(&io, NULL, &f, &m->error);
    return m->rc == PL_OK && is_another(m, f, head);
}

void media_polyglot(pl_media *m, bool thorough)
{
    if (m->rc != PL_OK || m->format == PL_MEDIA_UNKNOWN || m->state == PL_MEDIA_AMBIGUOUS)
        return;
    if (media_ops_of(m->format) != &media_zip && is_zip_too(m, thorough ? ZIP_TAIL : 4096))
        media_stop(m, PL_MEDIA_AMBIGUOUS, "polyglot.zip", m->end, "the file is a zip archive as well: programs will disagree what it holds");
    else if (m->format != PL_MEDIA_PDF && is_pdf_too(m))
        media_stop(m, PL_MEDIA_AMBIGUOUS, "polyglot.pdf", 0, "the file is a PDF document as well: programs will disagree what it holds");
    else if (has_another_behind(m))
        media_stop(m, PL_MEDIA_AMBIGUOUS, "polyglot.behind", m->end, "a file of another format stands behind the end of the image");
}
