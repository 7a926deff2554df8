/* PNG (ISO/IEC 15948): chunks. XMP in iTXt "XML:com.adobe.xmp" (ISO 16684-3), C2PA in caBX
 * behind IHDR. REQ: TC260-PG-20259A/png */
#include "base/banned.h"

#include "engine/media/media_int.h"

#define XMP_KEY "XML:com.adobe.xmp"

typedef struct png_layout {
    uint64_t after_ihdr, first_idat;
} png_layout;

static pl_media_range whole_chunk(pl_media_range data)
{
    return range_of(data.at - 8, data.n + 12);
}

/* keyword NUL … ; gives what stands behind the NUL. */
static bool keyword(pl_str chunk, pl_str *key, pl_str *rest)
{
    const char *nul = chunk.n ? memchr(chunk.p, '\0', chunk.n < 80 ? chunk.n : 80) : NULL;

    if (!nul || nul == chunk.p)
        return false;
    *key = (pl_str){ chunk.p, (size_t)(nul - chunk.p) };
    *rest = (pl_str){ nul + 1, chunk.n - key->n - 1 };
    return true;
}

/* iTXt: flag, method, language NUL, translated keyword NUL, text. */
static bool itxt_text(pl_media *m, pl_str rest, pl_str *text, bool *packed)
{
    const char *a, *b;

    if (rest.n < 2)
        return false;
    *packed = rest.p[0] == 1;
    a = memchr(rest.p + 2, '\0', rest.n - 2);
    b = a ? memchr(a + 1, '\0', rest.n - (size_t)(a + 1 - rest.p)) : NULL;
    if (!b)
        return false;
    *text = (pl_str){ b + 1, rest.n - (size_t)(b + 1 - rest.p) };
    return !*packed || media_inflate(m, *text, false, PL_MEDIA_VALUE_MAX, text);
}

static void text_chunk(pl_media *m, const char *type, pl_media_range data)
{
    pl_media_range frame = whole_chunk(data);
    pl_str         chunk, key, rest, text;
    bool           packed = type[0] == 'z';
    const char    *carrier = type[0] == 'i' ? "png.itxt" : packed ? "png.ztxt" : "png.text";

    if (data.n > PL_MEDIA_VALUE_MAX)
        return media_skip(m, "png.text", frame.at, "a text chunk is too long to be read");
    if (!media_bytes(m, data.at, data.n, PL_MEDIA_VALUE_MAX, &chunk) || !keyword(chunk, &key, &rest))
        return media_note(m, "png.text", frame.at, "a text chunk has no keyword");
    if (type[0] == 'i') {
        if (!itxt_text(m, rest, &text, &packed))
            return (pl_str_eqz(key, XMP_KEY) ? media_skip : media_note)(
                m, "png.itxt", frame.at, "an iTXt chunk is broken, or unpacks to too much");
    } else if (packed) {
        if (rest.n < 1 || !media_inflate(m, (pl_str){ rest.p + 1, rest.n - 1 }, false,
                                         PL_MEDIA_VALUE_MAX, &text))
            return media_note(m, "png.ztxt", frame.at, "compressed text is broken or too large");
    } else {
        text = rest;
    }
    if (pl_str_eqz(key, XMP_KEY)) {
        pl_media_range payload = packed || type[0] != 'i'
                                     ? data
                                     : range_of(data.at + data.n - text.n, text.n);
        media_add_xmp_bytes(m, "png.xmp", text, payload, frame, packed ? PL_MEDIA_PACKED : 0);
        return;
    }
    (void)media_add_text(m, carrier, key, text, data, frame, HOW_CUT);
    if (m->n && packed)
        m->item[m->n - 1].flags |= PL_MEDIA_PACKED;
}

static void check_crc(pl_media *m, pl_media_range data)
{
    pl_str   bytes;
    uint32_t crc;

    if (data.n <= PL_MEDIA_VALUE_MAX && media_be32(m, data.at + data.n, &crc) &&
        media_bytes(m, data.at - 4, data.n + 4, PL_MEDIA_VALUE_MAX + 4, &bytes) &&
        media_crc32(bytes) != crc)
        media_note(m, "png.crc", data.at - 8, "the checksum of a chunk is wrong");
}

static void chunk(pl_media *m, const char *type, pl_media_range data)
{
    bool text = memcmp(type, "tEXt", 4) == 0 || memcmp(type, "iTXt", 4) == 0 ||
                memcmp(type, "zTXt", 4) == 0;

    if (text || memcmp(type, "eXIf", 4) == 0 || memcmp(type, "caBX", 4) == 0)
        check_crc(m, data);
    if (text)
        text_chunk(m, type, data);
    else if (memcmp(type, "eXIf", 4) == 0)
        media_add_exif(m, "png.exif", data, whole_chunk(data));
    else if (memcmp(type, "caBX", 4) == 0)
        media_add_c2pa(m, "png.cabx", data, whole_chunk(data));
}

static void scan(pl_media *m)
{
    png_layout *l = pl_arena_alloc(m->arena, sizeof *l);
    uint64_t    at = 8;

    if (!l)
        return media_nomem(m);
    m->layout = l;
    for (;;) {
        uint8_t  h[8];
        uint32_t n;
        if (!media_step(m) || !media_get(m, at, h, 8))
            break;
        n = rd_be32(h);
        if (n > 0x7FFFFFFF)
            return media_stop(m, PL_MEDIA_MALFORMED, "png.length", at, "a chunk is longer than the format allows");
        if (m->io.size - at - 8 < (uint64_t)n + 4) {
            if (memcmp(h + 4, "IDAT", 4) != 0)
                chunk(m, (const char *)h + 4, range_of(at + 8, m->io.size - at - 8));
            break;
        }
        if ((at == 8) != (memcmp(h + 4, "IHDR", 4) == 0))
            return media_stop(m, PL_MEDIA_MALFORMED, "png.ihdr", at, "the header chunk is missing or repeated");
        if (memcmp(h + 4, "IHDR", 4) == 0)
            l->after_ihdr = at + 12 + n;
        else if (memcmp(h + 4, "IDAT", 4) == 0)
            l->first_idat = l->first_idat ? l->first_idat : at;
        else
            chunk(m, (const char *)h + 4, range_of(at + 8, n));
        at += 12 + (uint64_t)n;
        if (memcmp(h + 4, "IEND", 4) == 0) {
            m->end = at;
            if (at < m->io.size)
                media_note(m, "png.trailer", at, "there is data behind the end of the image");
            if (!l->first_idat)
                media_stop(m, PL_MEDIA_MALFORMED, "png.empty", at, "there is no picture");
            return;
        }
    }
    if (m->rc == PL_OK)
        media_stop(m, PL_MEDIA_TRUNCATED, "png.truncated", at, "the file ends before its last chunk");
}

/* --- writing -------------------------------------------------------------------------------- */

static void put_chunk(pl_buf *b, const char *type, pl_str head, pl_str data)
{
    size_t from;

    buf_be32(b, (uint32_t)(head.n + data.n));
    from = b->n;
    pl_buf_puts(b, type);
    pl_buf_put(b, head);
    pl_buf_put(b, data);
    if (!b->failed)
        buf_be32(b, media_crc32((pl_str){ b->p + from, b->n - from }));
}

static pl_rc put_xmp(pl_media_plan *p, const pl_media_edit *e, const png_layout *l, pl_error *err)
{
    pl_buf packet = PL_BUF_INIT(PL_MEDIA_VALUE_MAX), out = PL_BUF_INIT(PL_MEDIA_VALUE_MAX + 64);
    size_t old = SIZE_MAX;
    pl_rc  rc = plan_xmp(p, e, "png.xmp", &old, &packet, err);

    if (rc == PL_OK) {
        put_chunk(&out, "iTXt", PL_STR(XMP_KEY "\0\0\0\0\0"), pl_buf_str(&packet));
        rc = pl_buf_check(&out, err);
    }
    if (rc == PL_OK) {
        pl_media_range at = old == SIZE_MAX ? range_of(l->first_idat, 0) : p->m->item[old].parts[0].frame;
        if (at.at > l->first_idat) { /* behind the picture: it moves to the front */
            plan_replace(p, at.at, at.n, (pl_str){ "", 0 });
            at = range_of(l->first_idat, 0);
        }
        plan_replace(p, at.at, at.n, pl_buf_str(&out));
    }
    pl_buf_done(&packet);
    pl_buf_done(&out);
    return rc;
}

static pl_rc plan(pl_media *m, const pl_media_edit *e, pl_media_plan *p, pl_error *err)
{
    const png_layout *l = m->layout;
    pl_rc             rc = PL_OK;

    if (e->c2pa.n || e->drop_c2pa)
        plan_cut_c2pa(p);
    if (e->c2pa.n) {
        pl_buf b = PL_BUF_INIT(PL_MEDIA_MEMORY_MAX);
        put_chunk(&b, "caBX", (pl_str){ "", 0 }, e->c2pa);
        rc = pl_buf_check(&b, err);
        plan_replace_c2pa(p, l->after_ihdr, 0, pl_buf_str(&b));
        pl_buf_done(&b);
    }
    if (rc == PL_OK && (e->label.n || e->source_type)) {
        p->carrier = "png.xmp";
        rc = put_xmp(p, e, l, err);
    }
    if (rc == PL_OK && e->label.n)
        rc = plan_drop_labels(p, "png.xmp", err);
    return rc;
}

const media_ops media_png = { scan, plan };
