/* SVG: the whole document is XML, XMP stands in <metadata> (ISO 16684-1 §7.1 as RDF), C2PA as
 * base64 in <c2pa:manifest> there. Also files without any place for metadata: BMP. */
#include "base/banned.h"

#include <expat.h>

#include "base/utf8.h"
#include "engine/media/media_int.h"

#define C2PA_NS    "http://c2pa.org/manifest"
#define SVG_MAX    (16u << 20)
#define SEP        '\n'

typedef struct svg_layout {
    pl_str         text;
    size_t         root_end;      /* behind the start tag of <svg>; at its "/" when empty */
    bool           root_is_empty;
    char           root_name[64];
    size_t         metadata_at;   /* behind the start tag of <metadata>, 0: none */
    bool           metadata_is_empty;
    char           metadata_name[64];
    pl_media_range manifest;      /* the whole element */
} svg_layout;

typedef struct svg_walk {
    XML_Parser  parser;
    pl_media   *m;
    svg_layout *l;
    unsigned    depth, manifest_depth;
    size_t      manifest_text;
    bool        rdf, failed;
} svg_walk;

static void tag_name(pl_str text, size_t at, char *out, size_t cap)
{
    size_t n = 0;

    while (n + 1 < cap && at + 1 + n < text.n && !memchr(" \t\r\n/>", text.p[at + 1 + n], 6)) {
        out[n] = text.p[at + 1 + n];
        n++;
    }
    out[n] = '\0';
}

static void XMLCALL start(void *ctx, const XML_Char *el, const XML_Char **atts)
{
    svg_walk   *w = ctx;
    svg_layout *l = w->l;
    size_t      at = (size_t)XML_GetCurrentByteIndex(w->parser);
    size_t      n = (size_t)XML_GetCurrentByteCount(w->parser);
    const char *local = strchr(el, SEP);

    (void)atts;
    local = local ? local + 1 : el;
    if (++w->depth > 512 || at + n > l->text.n) {
        w->failed = true;
        (void)XML_StopParser(w->parser, XML_FALSE);
        return;
    }
    if (w->depth == 1) {
        tag_name(l->text, at, l->root_name, sizeof l->root_name);
        l->root_is_empty = n > 1 && l->text.p[at + n - 2] == '/';
        l->root_end = at + n - (l->root_is_empty ? 2 : 0);
        if (strcmp(local, "svg") != 0)
            w->failed = true;
    } else if (w->depth == 2 && strcmp(local, "metadata") == 0 && !l->metadata_at) {
        tag_name(l->text, at, l->metadata_name, sizeof l->metadata_name);
        l->metadata_is_empty = n > 1 && l->text.p[at + n - 2] == '/';
        l->metadata_at = at + n - (l->metadata_is_empty ? 2 : 0);
    } else if (strcmp(el, C2PA_NS "\nmanifest") == 0 && !w->manifest_depth) {
        w->manifest_depth = w->depth;
        w->manifest_text = at + n;
        l->manifest.at = at;
    }
    w->rdf |= strcmp(el, "http://www.w3.org/1999/02/22-rdf-syntax-ns#\nRDF") == 0;
}

static void XMLCALL end(void *ctx, const XML_Char *el)
{
    svg_walk   *w = ctx;
    svg_layout *l = w->l;
    size_t      at = (size_t)XML_GetCurrentByteIndex(w->parser);

    (void)el;
    if (w->manifest_depth == w->depth && w->manifest_depth && l->manifest.n == 0 && at > w->manifest_text) {
        size_t n = (size_t)XML_GetCurrentByteCount(w->parser), got = 0, cap = (at - w->manifest_text) / 4 * 3 + 4;
        pl_str b64 = pl_str_trim((pl_str){ l->text.p + w->manifest_text, at - w->manifest_text });
        char  *raw = pl_arena_alloc(w->m->arena, cap);
        pl_media_item *it;
        l->manifest.n = at + n - l->manifest.at;
        it = media_add(w->m, PL_MEDIA_C2PA, "svg.c2pa", range_of(w->manifest_text, at - w->manifest_text),
                       l->manifest);
        if (it && raw && pl_base64_decode(b64, raw, cap, &got, NULL) == PL_OK) {
            it->value = (pl_str){ raw, got };
            it->flags |= PL_MEDIA_PACKED;
        }
    }
    w->depth--;
}

static void XMLCALL comment(void *ctx, const XML_Char *text)
{
    svg_walk *w = ctx;
    size_t    at = (size_t)XML_GetCurrentByteIndex(w->parser);
    size_t    n = (size_t)XML_GetCurrentByteCount(w->parser);

    if (at + n <= w->l->text.n)
        (void)media_add_text(w->m, "svg.comment", PL_STR("Comment"), pl_str_trim(pl_str_z(text)),
                             range_of(at, n), range_of(at, n), HOW_CUT);
}

static void XMLCALL doctype(void *ctx, const XML_Char *name, const XML_Char *sys,
                            const XML_Char *pub, int internal)
{
    svg_walk *w = ctx;

    (void)name;
    (void)sys;
    (void)pub;
    if (internal) {
        media_note(w->m, "svg.dtd", 0, "the document declares entities, which is not read");
        w->failed = true;
        (void)XML_StopParser(w->parser, XML_FALSE);
    }
}

static void scan(pl_media *m)
{
    svg_layout *l = pl_arena_alloc(m->arena, sizeof *l);
    svg_walk    w = { .m = m, .l = l };
    bool        ok;

    if (!l)
        return media_nomem(m);
    m->layout = l;
    if (!media_bytes(m, 0, m->io.size, SVG_MAX, &l->text))
        return media_stop(m, PL_MEDIA_LIMITED, "svg.size", 0, "the document is too long to be read");
    w.parser = XML_ParserCreateNS(NULL, SEP);
    if (!w.parser)
        return media_nomem(m);
    XML_SetUserData(w.parser, &w);
    XML_SetElementHandler(w.parser, start, end);
    XML_SetCommentHandler(w.parser, comment);
    XML_SetDoctypeDeclHandler(w.parser, doctype, NULL);
    ok = XML_Parse(w.parser, l->text.p, (int)l->text.n, 1) == XML_STATUS_OK && !w.failed;
    XML_ParserFree(w.parser);
    if (!ok)
        media_stop(m, PL_MEDIA_MALFORMED, "svg.xml", 0, "the document is not well-formed SVG");
    if (w.rdf)
        media_add_xmp_bytes(m, "svg.xmp", l->text, range_of(0, m->io.size), range_of(0, m->io.size), 0);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Puts bytes into <metadata>, making the element when it is missing. */
static void into_metadata(pl_media_plan *p, const svg_layout *l, pl_str what, bool is_c2pa)
{
    pl_buf   b = PL_BUF_INIT(PL_MEDIA_MEMORY_MAX);
    uint64_t at = l->metadata_at ? l->metadata_at : l->root_end;
    uint64_t n = 0;

    if (l->metadata_at && l->metadata_is_empty) {
        pl_buf_printf(&b, ">");
        n = 2;
    } else if (!l->metadata_at) {
        pl_buf_puts(&b, l->root_is_empty ? "><metadata>" : "<metadata>");
        n = l->root_is_empty ? 2 : 0;
    }
    plan_replace(p, at, n, pl_buf_str(&b));
    at += n;
    if (is_c2pa)
        plan_replace_c2pa(p, at, 0, what);
    else
        plan_replace(p, at, 0, what);
    pl_buf_clear(&b);
    if (l->metadata_at && l->metadata_is_empty)
        pl_buf_printf(&b, "</%s>", l->metadata_name);
    else if (!l->metadata_at)
        pl_buf_puts(&b, "</metadata>");
    if (!l->metadata_at && l->root_is_empty)
        pl_buf_printf(&b, "</%s>", l->root_name);
    plan_replace(p, at, 0, pl_buf_str(&b));
    pl_buf_done(&b);
}

static pl_rc put_label(pl_media_plan *p, const pl_media_edit *e, const svg_layout *l, pl_error *err)
{
    pl_buf out = PL_BUF_INIT(SVG_MAX + PL_MEDIA_VALUE_MAX);
    size_t old = media_find(p->m, PL_MEDIA_XMP, "svg.xmp");
    pl_rc  rc;

    p->carrier = "svg.xmp";
    rc = media_xmp_edit(old == SIZE_MAX ? (pl_str){ "", 0 } : p->m->item[old].value, e->label,
                        e->source_type, false, &out, err);
    if (rc == PL_OK && old != SIZE_MAX)
        plan_replace(p, 0, p->m->io.size, pl_buf_str(&out));
    else if (rc == PL_OK)
        into_metadata(p, l, pl_buf_str(&out), false);
    pl_buf_done(&out);
    return rc;
}

static pl_rc plan(pl_media *m, const pl_media_edit *e, pl_media_plan *p, pl_error *err)
{
    const svg_layout *l = m->layout;
    bool              label = e->label.n || e->source_type;
    pl_rc             rc = PL_OK;

    if (label && (e->c2pa.n || e->drop_c2pa))
        return pl_fail(err, PL_INVALID, "label an SVG file first, then sign it: two steps");
    if (label)
        rc = put_label(p, e, l, err);
    if (rc == PL_OK && e->label.n && media_find(m, PL_MEDIA_XMP, "svg.xmp") == SIZE_MAX)
        rc = plan_drop_labels(p, "svg.xmp", err);
    if (rc == PL_OK && (e->c2pa.n || e->drop_c2pa))
        plan_cut_c2pa(p);
    if (rc == PL_OK && e->c2pa.n) {
        pl_buf b = PL_BUF_INIT(PL_MEDIA_MEMORY_MAX);
        pl_buf_puts(&b, "<c2pa:manifest xmlns:c2pa=\"" C2PA_NS "\">");
        pl_buf_base64(&b, e->c2pa.p, e->c2pa.n);
        pl_buf_puts(&b, "</c2pa:manifest>");
        rc = pl_buf_check(&b, err);
        into_metadata(p, l, pl_buf_str(&b), true);
        pl_buf_done(&b);
    }
    return rc;
}

const media_ops media_svg = { scan, plan };

/* --- BMP ---------------------------------------------------------------------------------------- */

static void bmp_scan(pl_media *m)
{
    uint32_t size, offset;

    if (!media_le32(m, 2, &size) || !media_le32(m, 10, &offset)) {
        media_stop(m, PL_MEDIA_TRUNCATED, "bmp.header", 0, "the header is cut off");
        return;
    }
    if (offset > m->io.size || size > m->io.size)
        media_stop(m, PL_MEDIA_TRUNCATED, "bmp.size", 2, "the file is shorter than its header says");
    else if (size >= 26 && size < m->io.size) {
        m->end = size;
        media_note(m, "bmp.trailer", size, "there is data behind the end of the image");
    }
}

/* No room for metadata in the format: a label goes beside the file. */
const media_ops media_bmp = { bmp_scan, NULL };
