/* What a file is, by its first bytes. */
#include "base/banned.h"

#include "base/utf8.h"
#include "engine/media/media_int.h"

#define HEAD 4096u

static bool at_is(pl_str h, size_t at, const char *magic, size_t n)
{
    return at + n <= h.n && memcmp(h.p + at, magic, n) == 0;
}

static bool name_ends(const char *name, const char *suffix)
{
    size_t n = name ? strlen(name) : 0, k = strlen(suffix);

    return n >= k && strcasecmp(name + n - k, suffix) == 0;
}

/* ISO/IEC 14496-12 ftyp: the major brand decides, then the compatible ones. */
static pl_media_format bmff_kind(pl_str h)
{
    uint32_t n = rd_be32((const uint8_t *)h.p);
    size_t   end = n < h.n ? n : h.n;
    bool     avif = false, heic = false;

    if (at_is(h, 8, "qt  ", 4))
        return PL_MEDIA_MOV;
    if (at_is(h, 8, "M4A ", 4) || at_is(h, 8, "M4B ", 4) || at_is(h, 8, "M4P ", 4))
        return PL_MEDIA_M4A;
    if (at_is(h, 8, "avif", 4) || at_is(h, 8, "avis", 4))
        return PL_MEDIA_AVIF;
    if (at_is(h, 8, "heic", 4) || at_is(h, 8, "heix", 4) || at_is(h, 8, "hevc", 4) ||
        at_is(h, 8, "heim", 4) || at_is(h, 8, "heis", 4))
        return PL_MEDIA_HEIC;
    if (!at_is(h, 8, "mif1", 4) && !at_is(h, 8, "msf1", 4))
        return PL_MEDIA_MP4;
    for (size_t i = 16; i + 4 <= end; i += 4) {
        avif |= at_is(h, i, "avif", 4);
        heic |= at_is(h, i, "heic", 4) || at_is(h, i, "heix", 4);
    }
    return avif && !heic ? PL_MEDIA_AVIF : PL_MEDIA_HEIC;
}

static pl_media_format riff_kind(pl_str h)
{
    if (at_is(h, 8, "WEBP", 4))
        return PL_MEDIA_WEBP;
    if (at_is(h, 8, "WAVE", 4))
        return PL_MEDIA_WAV;
    if (at_is(h, 8, "AVI ", 4))
        return PL_MEDIA_AVI;
    return PL_MEDIA_UNKNOWN;
}

/* An MPEG audio layer III frame header whose fields are all legal. */
static bool is_mp3_frame(pl_str h, size_t at)
{
    const uint8_t *p = (const uint8_t *)h.p + at;

    return at + 4 <= h.n && p[0] == 0xFF && (p[1] & 0xE0) == 0xE0 && (p[1] & 0x06) == 0x02 &&
           (p[1] & 0x18) != 0x08 && (p[2] & 0xF0) != 0xF0 && (p[2] & 0x0C) != 0x0C;
}

static pl_rc id3_kind(const pl_media_io *io, pl_str h, pl_media_format *out, pl_error *err)
{
    const uint8_t *p = (const uint8_t *)h.p;
    uint64_t       end = 10;
    char           magic[4];
    pl_rc          rc;

    *out = PL_MEDIA_MP3;
    if (h.n < 10)
        return PL_OK;
    end += (uint64_t)(p[6] & 0x7F) << 21 | (uint64_t)(p[7] & 0x7F) << 14 |
           (uint64_t)(p[8] & 0x7F) << 7 | (p[9] & 0x7F);
    if (end > io->size || io->size - end < 4)
        return PL_OK;
    rc = io->read(io->ctx, end, magic, 4, err);
    if (rc == PL_OK && memcmp(magic, "fLaC", 4) == 0)
        *out = PL_MEDIA_FLAC;
    return rc;
}

static pl_media_format ebml_kind(pl_str h)
{
    return memmem(h.p, h.n < 64 ? h.n : 64, "webm", 4) ? PL_MEDIA_WEBM : PL_MEDIA_MKV;
}

static pl_media_format binary_kind(const pl_media_io *io, pl_str h, pl_error *err, pl_rc *rc)
{
    pl_media_format f = PL_MEDIA_UNKNOWN;

    if (at_is(h, 0, "\xFF\xD8\xFF", 3))
        return PL_MEDIA_JPEG;
    if (at_is(h, 0, "\x89PNG\r\n\x1A\n", 8))
        return PL_MEDIA_PNG;
    if (at_is(h, 0, "RIFF", 4) || at_is(h, 0, "RF64", 4) || at_is(h, 0, "BW64", 4))
        return riff_kind(h);
    if (at_is(h, 0, "GIF87a", 6) || at_is(h, 0, "GIF89a", 6))
        return PL_MEDIA_GIF;
    if (at_is(h, 0, "II*\0", 4) || at_is(h, 0, "MM\0*", 4) || at_is(h, 0, "II+\0", 4) ||
        at_is(h, 0, "MM\0+", 4))
        return PL_MEDIA_TIFF;
    if (at_is(h, 4, "ftyp", 4))
        return bmff_kind(h);
    if (at_is(h, 4, "moov", 4) || at_is(h, 4, "mdat", 4) || at_is(h, 4, "wide", 4) ||
        at_is(h, 4, "pnot", 4))
        return PL_MEDIA_MOV;
    if (at_is(h, 0, "\x1A\x45\xDF\xA3", 4))
        return ebml_kind(h);
    if (at_is(h, 0, "FLV\x01", 4))
        return PL_MEDIA_FLV;
    if (at_is(h, 0, "fLaC", 4))
        return PL_MEDIA_FLAC;
    if (at_is(h, 0, "OggS", 4))
        return memmem(h.p, h.n < 256 ? h.n : 256, "OpusHead", 8) ? PL_MEDIA_OPUS : PL_MEDIA_OGG;
    if (at_is(h, 0, "ID3", 3)) {
        *rc = id3_kind(io, h, &f, err);
        return f;
    }
    if (at_is(h, 0, "PK\3\4", 4) || at_is(h, 0, "PK\5\6", 4))
        return media_zip_kind(io);
    if (at_is(h, 0, "BM", 2) && h.n >= 26 && rd_le32((const uint8_t *)h.p + 14) >= 12 &&
        rd_le32((const uint8_t *)h.p + 14) <= 256)
        return PL_MEDIA_BMP;
    if (memmem(h.p, h.n < 1024 ? h.n : 1024, "%PDF-", 5))
        return PL_MEDIA_PDF;
    return is_mp3_frame(h, 0) ? PL_MEDIA_MP3 : PL_MEDIA_UNKNOWN;
}

/* UTF-8 without NUL, as far as the head shows; a character may be cut at its end. */
static bool is_text(pl_str h)
{
    size_t cut = 0;

    if (memchr(h.p, '\0', h.n))
        return false;
    if (h.n == HEAD)
        while (cut < 4 && cut < h.n && !pl_utf8_valid((pl_str){ h.p, h.n - cut }))
            cut++;
    return pl_utf8_valid((pl_str){ h.p, h.n - cut });
}

bool media_is_gb18030(pl_str s, bool is_cut)
{
    size_t many = 0;

    for (size_t i = 0; i < s.n;) {
        uint8_t a = (uint8_t)s.p[i], b = i + 1 < s.n ? (uint8_t)s.p[i + 1] : 0;
        size_t  n = 1;

        if (a == 0x80 || a == 0xFF || (a < 0x20 && a != '\t' && a != '\n' && a != '\r' && a != '\f'))
            return false;
        if (a > 0x80) {
            if (b >= 0x30 && b <= 0x39)
                n = i + 3 < s.n && (uint8_t)s.p[i + 2] >= 0x81 && (uint8_t)s.p[i + 2] <= 0xFE && (uint8_t)s.p[i + 3] >= 0x30 &&
                            (uint8_t)s.p[i + 3] <= 0x39 ? 4 : 0;
            else
                n = b >= 0x40 && b != 0x7F && b != 0xFF ? 2 : 0;
            if (n == 0)
                return is_cut && s.n - i < 4 && many > 0;
            many++;
        }
        i += n;
    }
    return many > 0;
}

static bool has_tag(pl_str h, const char *tag)
{
    size_t k = strlen(tag);

    for (size_t i = 0; i + k < h.n; i++)
        if (h.p[i] == '<' && strncasecmp(h.p + i, tag, k) == 0 &&
            memchr(" \t\r\n>/", h.p[i + k], 6))
            return true;
    return false;
}

static pl_media_format text_kind(pl_str h, const char *name)
{
    pl_str s = pl_str_trim(h);

    if (pl_str_starts(s, PL_STR("\xEF\xBB\xBF")))
        s = pl_str_trim((pl_str){ s.p + 3, s.n - 3 });
    if (name_ends(name, ".md") || name_ends(name, ".markdown"))
        return PL_MEDIA_MARKDOWN;
    if (name_ends(name, ".json"))
        return PL_MEDIA_JSON;
    if (s.n > 0 && s.p[0] == '<') {
        if (has_tag(s, "<svg"))
            return PL_MEDIA_SVG;
        if (has_tag(s, "<!doctype") || has_tag(s, "<html") || has_tag(s, "<head") ||
            has_tag(s, "<body"))
            return PL_MEDIA_HTML;
    }
    if (name_ends(name, ".html") || name_ends(name, ".htm") || name_ends(name, ".xhtml"))
        return PL_MEDIA_HTML;
    if (name_ends(name, ".svg"))
        return PL_MEDIA_SVG;
    if (name_ends(name, ".txt"))
        return PL_MEDIA_TXT;
    if (pl_str_starts(s, PL_STR("---\n")) || pl_str_starts(s, PL_STR("---\r\n")))
        return PL_MEDIA_MARKDOWN;
    if (s.n > 1 && s.p[0] == '{' && memchr(" \t\r\n\"}", s.p[1], 6))
        return PL_MEDIA_JSON;
    return PL_MEDIA_TXT;
}

/* Text of another encoding: only what is told by tags or by its name, as much else looks like it. */
static pl_media_format older_text_kind(pl_str h, const char *name)
{
    pl_media_format f = text_kind(h, name);
    bool            is_named = name_ends(name, ".txt") || name_ends(name, ".html") || name_ends(name, ".htm");

    return f == PL_MEDIA_HTML || (f == PL_MEDIA_TXT && is_named) ? f : PL_MEDIA_UNKNOWN;
}

pl_rc pl_media_detect(const pl_media_io *io, const char *name, pl_media_format *out, pl_error *err)
{
    char   head[HEAD];
    size_t n = io->size < HEAD ? (size_t)io->size : HEAD;
    pl_str h = { head, n };
    pl_rc  rc = n ? io->read(io->ctx, 0, head, n, err) : PL_OK;
    pl_media_format f;

    if (rc != PL_OK)
        return rc;
    f = n ? binary_kind(io, h, err, &rc) : PL_MEDIA_UNKNOWN;
    if (rc != PL_OK)
        return rc;
    if (f == PL_MEDIA_UNKNOWN && n > 0 && is_text(h))
        f = text_kind(h, name);
    else if (f == PL_MEDIA_UNKNOWN && n > 0 && media_is_gb18030(h, io->size > n))
        f = older_text_kind(h, name);
    *out = f;
    return PL_OK;
}
