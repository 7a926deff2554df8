#include "base/banned.h"

#include "base/utf8.h"
#include "engine/media/media_int.h"

/* --- reading ----------------------------------------------------------------------------- */

static pl_rc memory_read(void *ctx, uint64_t at, void *p, size_t n, pl_error *err)
{
    const pl_str *s = ctx;

    if (at > s->n || n > s->n - at)
        return pl_fail(err, PL_INVALID, "read beyond the end");
    memcpy(p, s->p + at, n);
    return PL_OK;
}

pl_media_io pl_media_io_of(const pl_str *bytes)
{
    return (pl_media_io){ (void *)(uintptr_t)bytes, bytes->n, memory_read };
}

void media_nomem(pl_media *m)
{
    if (m->rc == PL_OK)
        m->rc = pl_fail(&m->error, PL_NOMEM, "too much metadata to hold in memory");
}

/* Fills the window from `at` on; as much as there is. */
static bool window_fill(pl_media *m, uint64_t at, size_t want)
{
    uint64_t left = m->io.size - at;
    size_t   n = left < want ? (size_t)left : want;

    m->window_n = 0;
    m->rc = m->io.read(m->io.ctx, at, m->window, n, &m->error);
    if (m->rc != PL_OK)
        return false;
    m->window_at = at;
    m->window_n = n;
    return true;
}

bool media_get(pl_media *m, uint64_t at, void *p, size_t n)
{
    if (m->rc != PL_OK || at > m->io.size || n > m->io.size - at)
        return false;
    if (n == 0)
        return true;
    if (n > WINDOW / 4) {
        m->rc = m->io.read(m->io.ctx, at, p, n, &m->error);
        return m->rc == PL_OK;
    }
    /* A jump reads little: walks over boxes want their headers only. */
    if (at < m->window_at || at - m->window_at > m->window_n ||
        n > m->window_n - (size_t)(at - m->window_at)) {
        bool near = at >= m->window_at && at - m->window_at <= m->window_n;
        if (!window_fill(m, at, near || at == 0 ? WINDOW : 512 > n ? 512 : n))
            return false;
    }
    memcpy(p, m->window + (at - m->window_at), n);
    return true;
}

bool media_u8(pl_media *m, uint64_t at, uint8_t *v)
{
    return media_get(m, at, v, 1);
}

bool media_be16(pl_media *m, uint64_t at, uint16_t *v)
{
    uint8_t b[2];

    if (!media_get(m, at, b, 2))
        return false;
    *v = (uint16_t)(b[0] << 8 | b[1]);
    return true;
}

bool media_be32(pl_media *m, uint64_t at, uint32_t *v)
{
    uint8_t b[4];

    if (!media_get(m, at, b, 4))
        return false;
    *v = rd_be32(b);
    return true;
}

bool media_be64(pl_media *m, uint64_t at, uint64_t *v)
{
    uint8_t b[8];

    if (!media_get(m, at, b, 8))
        return false;
    *v = rd_be64(b);
    return true;
}

bool media_le16(pl_media *m, uint64_t at, uint16_t *v)
{
    uint8_t b[2];

    if (!media_get(m, at, b, 2))
        return false;
    *v = (uint16_t)(b[1] << 8 | b[0]);
    return true;
}

bool media_le32(pl_media *m, uint64_t at, uint32_t *v)
{
    uint8_t b[4];

    if (!media_get(m, at, b, 4))
        return false;
    *v = rd_le32(b);
    return true;
}

bool media_bytes(pl_media *m, uint64_t at, uint64_t n, size_t max, pl_str *out)
{
    char *p;

    if (n > max || at > m->io.size || n > m->io.size - at || m->rc != PL_OK)
        return false;
    p = pl_arena_alloc(m->arena, (size_t)n + 1);
    if (!p) {
        media_nomem(m);
        return false;
    }
    if (!media_get(m, at, p, (size_t)n))
        return false;
    *out = (pl_str){ p, (size_t)n };
    return true;
}

bool media_step(pl_media *m)
{
    if (m->rc != PL_OK)
        return false;
    if (++m->walked <= PL_MEDIA_WALK_MAX)
        return true;
    media_stop(m, PL_MEDIA_LIMITED, "limit.segments", 0, "more segments than are read of one file");
    return false;
}

void media_note(pl_media *m, const char *code, uint64_t at, const char *text)
{
    if (m->problems < PROBLEMS_MAX)
        m->problem[m->problems++] = (pl_media_problem){ code, at, text };
}

void media_stop(pl_media *m, pl_media_state s, const char *code, uint64_t at, const char *text)
{
    if (m->state == PL_MEDIA_WHOLE)
        m->state = s;
    media_note(m, code, at, text);
}

void media_skip(pl_media *m, const char *code, uint64_t at, const char *text)
{
    m->skipped = true;
    media_note(m, code, at, text);
}

/* --- the scan ------------------------------------------------------------------------------ */

static const struct {
    const char      *name, *type;
    const media_ops *ops;
} formats[PL_MEDIA_FORMATS] = {
    [PL_MEDIA_UNKNOWN] = { "unknown", "application/octet-stream", NULL },
    [PL_MEDIA_JPEG] = { "jpeg", "image/jpeg", &media_jpeg },
    [PL_MEDIA_PNG] = { "png", "image/png", &media_png },
    [PL_MEDIA_WEBP] = { "webp", "image/webp", &media_webp },
    [PL_MEDIA_GIF] = { "gif", "image/gif", &media_gif },
    [PL_MEDIA_TIFF] = { "tiff", "image/tiff", &media_tiff_ops },
    [PL_MEDIA_SVG] = { "svg", "image/svg+xml", &media_svg },
    [PL_MEDIA_BMP] = { "bmp", "image/bmp", &media_bmp },
    [PL_MEDIA_HEIC] = { "heic", "image/heic", &media_heif },
    [PL_MEDIA_AVIF] = { "avif", "image/avif", &media_heif },
    [PL_MEDIA_MP4] = { "mp4", "video/mp4", &media_mp4 },
    [PL_MEDIA_MOV] = { "mov", "video/quicktime", &media_mp4 },
    [PL_MEDIA_M4A] = { "m4a", "audio/mp4", &media_mp4 },
    [PL_MEDIA_MKV] = { "mkv", "video/x-matroska", &media_ebml },
    [PL_MEDIA_WEBM] = { "webm", "video/webm", &media_ebml },
    [PL_MEDIA_FLV] = { "flv", "video/x-flv", &media_flv },
    [PL_MEDIA_AVI] = { "avi", "video/x-msvideo", &media_avi },
    [PL_MEDIA_WAV] = { "wav", "audio/wav", &media_wav },
    [PL_MEDIA_MP3] = { "mp3", "audio/mpeg", &media_mp3 },
    [PL_MEDIA_FLAC] = { "flac", "audio/flac", &media_flac },
    [PL_MEDIA_OGG] = { "ogg", "audio/ogg", &media_ogg },
    [PL_MEDIA_OPUS] = { "opus", "audio/opus", &media_ogg },
    [PL_MEDIA_PDF] = { "pdf", "application/pdf", &media_pdf },
    [PL_MEDIA_DOCX] = { "docx",
                        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
                        &media_zip },
    [PL_MEDIA_XLSX] = { "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                        &media_zip },
    [PL_MEDIA_PPTX] = { "pptx",
                        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
                        &media_zip },
    [PL_MEDIA_EPUB] = { "epub", "application/epub+zip", &media_zip },
    [PL_MEDIA_OFD] = { "ofd", "application/ofd", &media_zip },
    [PL_MEDIA_HTML] = { "html", "text/html", &media_html },
    [PL_MEDIA_MARKDOWN] = { "markdown", "text/markdown", &media_markdown },
    [PL_MEDIA_TXT] = { "text", "text/plain", &media_txt },
    [PL_MEDIA_JSON] = { "json", "application/json", &media_json },
};

const char *pl_media_format_name(pl_media_format f)
{
    return (unsigned)f < PL_MEDIA_FORMATS ? formats[f].name : "unknown";
}

const char *pl_media_format_type(pl_media_format f)
{
    return (unsigned)f < PL_MEDIA_FORMATS ? formats[f].type : formats[0].type;
}

const media_ops *media_ops_of(pl_media_format f)
{
    return (unsigned)f < PL_MEDIA_FORMATS ? formats[f].ops : NULL;
}

const char *pl_media_state_name(pl_media_state s)
{
    static const char *const names[] = { "whole",     "truncated", "malformed",  "limited",
                                         "encrypted", "ambiguous", "unsupported" };

    return (unsigned)s < sizeof names / sizeof names[0] ? names[s] : "malformed";
}

/* Items in the order of the file, whatever order the walk found them in, with their `own`. */
static pl_media *media_new(const pl_media_io *io, unsigned flags)
{
    pl_media *m = calloc(1, sizeof *m);

    if (!m)
        return NULL;
    m->arena = pl_arena_new(PL_MEDIA_MEMORY_MAX);
    m->window = malloc(WINDOW);
    m->io = *io;
    m->flags = flags;
    m->end = io->size;
    if (!m->arena || !m->window) {
        pl_media_free(m);
        return NULL;
    }
    return m;
}

pl_rc pl_media_scan(const pl_media_io *io, const char *name, unsigned flags, pl_media **out,
                    pl_error *err)
{
    pl_media *m = media_new(io, flags);
    pl_rc     rc;

    if (!m)
        return pl_fail(err, PL_NOMEM, "out of memory");
    rc = pl_media_detect(io, name, &m->format, err);
    if (rc == PL_OK && formats[m->format].ops)
        formats[m->format].ops->scan(m);
    if (rc == PL_OK && m->skipped && m->state == PL_MEDIA_WHOLE)
        m->state = PL_MEDIA_LIMITED;
    if (rc == PL_OK)
        media_polyglot(m, (flags & PL_MEDIA_QUICK) == 0);
    if (rc == PL_OK && m->rc != PL_OK) {
        rc = m->rc;
        if (err)
            *err = m->error;
    }
    if (rc != PL_OK) {
        pl_media_free(m);
        return rc;
    }
    *out = m;
    return PL_OK;
}

void pl_media_free(pl_media *m)
{
    if (!m)
        return;
    pl_arena_free(m->arena);
    free(m->window);
    free(m->item);
    free(m->own);
    free(m);
}

pl_media_format pl_media_format_of(const pl_media *m)
{
    return m->format;
}

pl_media_state pl_media_state_of(const pl_media *m)
{
    return m->state;
}

size_t pl_media_items(const pl_media *m)
{
    return m->n;
}

const pl_media_item *pl_media_item_get(const pl_media *m, size_t i)
{
    return &m->item[i];
}

size_t pl_media_problems(const pl_media *m)
{
    return m->problems;
}

const pl_media_problem *pl_media_problem_get(const pl_media *m, size_t i)
{
    return &m->problem[i];
}

const pl_media_io *pl_media_io_get(const pl_media *m)
{
    return &m->io;
}
