/* Documents packed as zip: Office Open XML, EPUB, OFD.
 * REQ: TC260-PG-20258A/6.1  docProps/custom.xml, property AIGC of type vt:lpwstr
 * EPUB and OFD are not in the sources we have; the label goes where each format keeps named
 * metadata: <meta name="AIGC"> of the package document, CustomData of DocInfo (GB/T 33190). */
#include "base/banned.h"

#include <expat.h>

#include "engine/media/zip.h"

#define CUSTOM_PART "docProps/custom.xml"
#define CUSTOM_TYPE "application/vnd.openxmlformats-officedocument.custom-properties+xml"
#define CUSTOM_REL  "http://schemas.openxmlformats.org/officeDocument/2006/relationships/custom-properties"
#define CUSTOM_NS   "http://schemas.openxmlformats.org/officeDocument/2006/custom-properties"
#define VT_NS       "http://schemas.openxmlformats.org/officeDocument/2006/docPropsVTypes"
#define FMTID       "{D5CDD505-2E9C-101B-9397-08002B2CF9AE}"
#define CUTS_MAX    16u

typedef struct zipdoc_layout {
    zip_dir dir;
    pl_str  opf; /* EPUB: name of the package document, NUL behind it */
} zipdoc_layout;

/* --- one XML part --------------------------------------------------------------------------- */

typedef struct part_walk part_walk;
struct part_walk {
    XML_Parser parser;
    pl_media  *m;
    pl_str     doc;
    unsigned   depth;
    bool       failed;
    pl_buf     text;
    size_t     open_at;     /* start of the element the text of which is collected */
    void (*start)(part_walk *w, const char *local, const char **atts, size_t at, size_t n);
    void (*end)(part_walk *w, const char *local, pl_str text, size_t at, size_t stop);
    /* What the parts' readers remember. */
    char     name[256];     /* of the property we are in */
    size_t   property_at;
    char     rootfile[256];
    struct { size_t at, n; } cut[CUTS_MAX];
    size_t   cuts;
    size_t   root_end, metadata_end, docinfo_end, customdatas_end;
    char     ofd_prefix[32];
    unsigned max_pid;
    bool     has_rel, has_type;
};

static const char *local_of(const char *name)
{
    const char *c = strrchr(name, ':');

    return c ? c + 1 : name;
}

static const char *att(const char **atts, const char *name)
{
    for (size_t i = 0; atts[i]; i += 2)
        if (strcmp(local_of(atts[i]), name) == 0)
            return atts[i + 1];
    return NULL;
}

static void XMLCALL on_start(void *ctx, const XML_Char *el, const XML_Char **atts)
{
    part_walk *w = ctx;
    size_t     at = (size_t)XML_GetCurrentByteIndex(w->parser);
    size_t     n = (size_t)XML_GetCurrentByteCount(w->parser);

    if (++w->depth > 64 || at > w->doc.n || n > w->doc.n - at) {
        media_note(w->m, "zip.depth", 0, "XML in the document is nested too deep");
        w->failed = true;
        (void)XML_StopParser(w->parser, XML_FALSE);
        return;
    }
    pl_buf_clear(&w->text);
    w->open_at = at;
    w->start(w, local_of(el), (const char **)atts, at, n);
}

static void XMLCALL on_text(void *ctx, const XML_Char *s, int n)
{
    part_walk *w = ctx;

    pl_buf_put(&w->text, (pl_str){ s, (size_t)n });
}

static void XMLCALL on_end(void *ctx, const XML_Char *el)
{
    part_walk *w = ctx;
    size_t     at = (size_t)XML_GetCurrentByteIndex(w->parser);
    int        n = XML_GetCurrentByteCount(w->parser);
    size_t     stop = at + (size_t)(n > 0 ? n : 0);

    if (n == 0) { /* <a/>: ends with its own start tag */
        const char *gt = memchr(w->doc.p + w->open_at, '>', w->doc.n - w->open_at);
        at = w->open_at;
        stop = gt ? (size_t)(gt - w->doc.p) + 1 : w->doc.n;
    }
    w->end(w, local_of(el), pl_str_trim(pl_buf_str(&w->text)), at, stop);
    if (w->depth == 1)
        w->root_end = n == 0 ? 0 : at;
    w->depth--;
    pl_buf_clear(&w->text);
}

static void XMLCALL on_doctype(void *ctx, const XML_Char *name, const XML_Char *sys, const XML_Char *pub, int internal)
{
    part_walk *w = ctx;

    (void)name;
    (void)sys;
    (void)pub;
    (void)internal;
    w->failed = true;
    (void)XML_StopParser(w->parser, XML_FALSE);
}

static void no_start(part_walk *w, const char *local, const char **atts, size_t at, size_t n)
{
    (void)w; (void)local; (void)atts; (void)at; (void)n;
}

static void no_end(part_walk *w, const char *local, pl_str text, size_t at, size_t stop)
{
    (void)w; (void)local; (void)text; (void)at; (void)stop;
}

static bool part(part_walk *w, pl_media *m, pl_str doc)
{
    bool ok;

    w->m = m;
    w->doc = doc;
    w->text = PL_BUF_INIT(LABEL_VALUE_MAX);
    if (!w->start)
        w->start = no_start;
    if (!w->end)
        w->end = no_end;
    w->parser = XML_ParserCreate(NULL);
    if (!w->parser)
        return false;
    XML_SetUserData(w->parser, w);
    XML_SetElementHandler(w->parser, on_start, on_end);
    XML_SetCharacterDataHandler(w->parser, on_text);
    XML_SetDoctypeDeclHandler(w->parser, on_doctype, NULL);
    ok = XML_Parse(w->parser, doc.p, (int)doc.n, 1) == XML_STATUS_OK && !w->failed;
    XML_ParserFree(w->parser);
    pl_buf_done(&w->text);
    if (!ok)
        media_skip(m, "zip.xml", 0, "a part of the document is not well-formed XML, or holds a DTD");
    return ok;
}

static void item(part_walk *w, const char *carrier, pl_str key, pl_str value)
{
    (void)media_add_text(w->m, carrier, key, value, range_of(0, 0), range_of(0, 0), HOW_FORMAT);
}

static void cut(part_walk *w, size_t at, size_t stop)
{
    if (w->cuts < CUTS_MAX)
        w->cut[w->cuts].at = at, w->cut[w->cuts++].n = stop - at;
    else
        w->failed = true;
}

/* --- Office ------------------------------------------------------------------------------------- */

static void custom_start(part_walk *w, const char *local, const char **atts, size_t at, size_t n)
{
    const char *name = att(atts, "name"), *pid = att(atts, "pid");

    (void)n;
    if (strcmp(local, "property") != 0)
        return;
    (void)snprintf(w->name, sizeof w->name, "%s", name ? name : "");
    w->property_at = at;
    if (pid) {
        unsigned long v = strtoul(pid, NULL, 10);
        if (v < 1000000000 && v > w->max_pid)
            w->max_pid = (unsigned)v;
    }
}

static void custom_end(part_walk *w, const char *local, pl_str text, size_t at, size_t stop)
{
    (void)at;
    if (strcmp(local, "property") == 0) {
        if (media_looks_label(pl_str_z(w->name), (pl_str){ "", 0 }) || w->name[0] == '\x01')
            cut(w, w->property_at, stop);
        w->name[0] = '\0';
    } else if (w->depth == 3) {
        item(w, "ooxml.custom", pl_str_z(w->name), text);
        if (media_looks_label(pl_str_z(w->name), text))
            w->name[0] = '\x01'; /* goes when a label is written */
    }
}

static void app_end(part_walk *w, const char *local, pl_str text, size_t at, size_t stop)
{
    (void)at;
    (void)stop;
    if (w->depth == 2 && text.n && text.n < 4096)
        item(w, "ooxml.property", pl_str_z(local), text);
}

static void scan_office(pl_media *m, const zipdoc_layout *l)
{
    static const char *const parts[] = { "docProps/app.xml", "docProps/core.xml" };
    const zip_entry         *e;
    pl_str                   doc;

    e = zip_find(m, &l->dir, CUSTOM_PART);
    if (e && zip_part(m, e, &doc)) {
        part_walk w = { .start = custom_start, .end = custom_end };
        (void)part(&w, m, doc);
    }
    for (size_t i = 0; i < 2 && m->state == PL_MEDIA_WHOLE; i++) {
        part_walk w = { .end = app_end };
        e = zip_find(m, &l->dir, parts[i]);
        if (e && zip_part(m, e, &doc))
            (void)part(&w, m, doc);
    }
}

/* --- EPUB, OFD ----------------------------------------------------------------------------------- */

static void container_start(part_walk *w, const char *local, const char **atts, size_t at, size_t n)
{
    const char *path = strcmp(local, "rootfile") == 0 ? att(atts, "full-path") : NULL;

    (void)at;
    (void)n;
    if (path && !w->rootfile[0])
        (void)snprintf(w->rootfile, sizeof w->rootfile, "%s", path);
}

static void opf_start(part_walk *w, const char *local, const char **atts, size_t at, size_t n)
{
    const char *name = strcmp(local, "meta") == 0 ? att(atts, "name") : NULL;
    const char *content = name ? att(atts, "content") : NULL;

    if (content) {
        item(w, "epub.meta", pl_str_z(name), pl_str_z(content));
        if (media_looks_label(pl_str_z(name), pl_str_z(content)))
            w->property_at = at + 1;
    } else if (strcmp(local, "meta") == 0 && (name = att(atts, "property")) != NULL) {
        (void)snprintf(w->name, sizeof w->name, "%s", name);
        w->property_at = media_looks_label(pl_str_z(name), (pl_str){ "", 0 }) ? at + 1 : 0;
    }
    (void)n;
}

static void opf_end(part_walk *w, const char *local, pl_str text, size_t at, size_t stop)
{
    if (strcmp(local, "meta") == 0) {
        if (w->name[0])
            item(w, "epub.meta", pl_str_z(w->name), text);
        if (w->property_at)
            cut(w, w->property_at - 1, stop);
        w->property_at = 0;
        w->name[0] = '\0';
    } else if (strcmp(local, "metadata") == 0 && at != w->open_at) {
        w->metadata_end = at;
    } else if (w->depth == 3 && text.n && text.n < 4096) {
        item(w, "epub.property", pl_str_z(local), text);
    }
}

static void scan_epub(pl_media *m, zipdoc_layout *l)
{
    const zip_entry *e = zip_find(m, &l->dir, "META-INF/container.xml");
    part_walk        c = { .start = container_start }, w = { .start = opf_start, .end = opf_end };
    pl_str           doc;

    if (zip_find(m, &l->dir, "META-INF/encryption.xml"))
        media_note(m, "epub.encryption", 0, "parts of the book are encrypted");
    if (!e || !zip_part(m, e, &doc) || !part(&c, m, doc) || !c.rootfile[0])
        return media_stop(m, PL_MEDIA_MALFORMED, "epub.container", 0, "the book does not say where its package document is");
    l->opf = (pl_str){ pl_arena_dup(m->arena, pl_str_z(c.rootfile)), strlen(c.rootfile) };
    e = l->opf.p ? zip_find(m, &l->dir, l->opf.p) : NULL;
    if (!e || !zip_part(m, e, &doc) || !part(&w, m, doc))
        media_stop(m, PL_MEDIA_MALFORMED, "epub.package", 0, "the package document is missing or broken");
}

static void ofd_start(part_walk *w, const char *local, const char **atts, size_t at, size_t n)
{
    const char *tag = w->doc.p + at + 1;
    size_t      prefix = strcspn(tag, ": \t\r\n/>"); /* the document ends with a NUL */

    (void)n;
    if (strcmp(local, "CustomData") == 0) {
        const char *name = att(atts, "Name");
        (void)snprintf(w->name, sizeof w->name, "%s", name ? name : "");
        w->property_at = at;
    } else if (strcmp(local, "DocInfo") == 0 && tag[prefix] == ':' && !w->ofd_prefix[0]) {
        if (prefix < sizeof w->ofd_prefix)
            (void)snprintf(w->ofd_prefix, sizeof w->ofd_prefix, "%.*s", (int)prefix, tag);
        else
            w->failed = true;
    }
}

static void ofd_end(part_walk *w, const char *local, pl_str text, size_t at, size_t stop)
{
    if (strcmp(local, "CustomData") == 0) {
        item(w, "ofd.custom", pl_str_z(w->name), text);
        if (media_looks_label(pl_str_z(w->name), text))
            cut(w, w->property_at, stop);
    } else if (strcmp(local, "CustomDatas") == 0 && at != w->open_at && !w->customdatas_end) {
        w->customdatas_end = at;
    } else if (strcmp(local, "DocInfo") == 0 && at != w->open_at && !w->docinfo_end) {
        w->docinfo_end = at;
    } else if (w->depth == 4 && text.n && text.n < 4096) {
        item(w, "ofd.property", pl_str_z(local), text);
    }
}

static void scan_ofd(pl_media *m, const zipdoc_layout *l)
{
    const zip_entry *e = zip_find(m, &l->dir, "OFD.xml");
    part_walk        w = { .start = ofd_start, .end = ofd_end };
    pl_str           doc;

    if (!e || !zip_part(m, e, &doc) || !part(&w, m, doc))
        media_stop(m, PL_MEDIA_MALFORMED, "ofd.root", 0, "OFD.xml is missing or broken");
}

static void scan(pl_media *m)
{
    zipdoc_layout *l = pl_arena_alloc(m->arena, sizeof *l);

    if (!l)
        return media_nomem(m);
    m->layout = l;
    if (!zip_open(m, &l->dir))
        return;
    if (m->format == PL_MEDIA_EPUB)
        scan_epub(m, l);
    else if (m->format == PL_MEDIA_OFD)
        scan_ofd(m, l);
    else
        scan_office(m, l);
}

/* --- which document ------------------------------------------------------------------------------- */

pl_media_format media_zip_kind(const pl_media_io *io)
{
    pl_media         m = { .io = *io, .end = io->size };
    zip_dir          d = { .n = 0 };
    pl_media_format  f = PL_MEDIA_UNKNOWN;
    uint8_t          head[64] = { 0 };

    m.arena = pl_arena_new(PL_MEDIA_MEMORY_MAX);
    m.window = malloc(WINDOW);
    if (m.arena && m.window) {
        (void)media_get(&m, 0, head, io->size < 64 ? (size_t)io->size : 64);
        (void)zip_open(&m, &d);
        for (size_t i = 0; i < d.n && f == PL_MEDIA_UNKNOWN; i++) {
            pl_str n = d.entry[i].name;
            if (pl_str_eqz(n, "word/document.xml"))
                f = PL_MEDIA_DOCX;
            else if (pl_str_eqz(n, "xl/workbook.xml") || pl_str_eqz(n, "xl/workbook.bin"))
                f = PL_MEDIA_XLSX;
            else if (pl_str_eqz(n, "ppt/presentation.xml"))
                f = PL_MEDIA_PPTX;
            else if (pl_str_eqz(n, "OFD.xml"))
                f = PL_MEDIA_OFD;
            else if (pl_str_eqz(n, "META-INF/container.xml") && memcmp(head + 30, "mimetypeapplication/epub+zip", 28) == 0)
                f = PL_MEDIA_EPUB;
        }
        /* Cut off behind its first record: what that record says. */
        if (f == PL_MEDIA_UNKNOWN && memcmp(head + 30, "mimetypeapplication/epub+zip", 28) == 0)
            f = PL_MEDIA_EPUB;
        else if (f == PL_MEDIA_UNKNOWN && m.state == PL_MEDIA_TRUNCATED &&
                 (memcmp(head + 30, "[Content_Types].xml", 19) == 0 || memcmp(head + 30, "_rels/.rels", 11) == 0))
            f = PL_MEDIA_DOCX;
    }
    pl_arena_free(m.arena);
    free(m.window);
    free(m.item);
    free(m.own);
    return f;
}

/* --- writing ---------------------------------------------------------------------------------------- */

static void xml_text(pl_buf *b, pl_str s)
{
    for (size_t i = 0; i < s.n; i++)
        switch (s.p[i]) {
        case '&': pl_buf_puts(b, "&amp;"); break;
        case '<': pl_buf_puts(b, "&lt;"); break;
        case '>': pl_buf_puts(b, "&gt;"); break;
        case '"': pl_buf_puts(b, "&quot;"); break;
        default: pl_buf_putc(b, s.p[i]);
        }
}

/* The document without the cuts, `what` put in at `at`. */
static void splice(const part_walk *w, size_t at, pl_str what, pl_buf *out)
{
    size_t from = 0;

    for (size_t i = 0; i <= w->cuts; i++) {
        size_t to = i < w->cuts ? w->cut[i].at : w->doc.n;
        if (at >= from && at <= to && what.n) {
            pl_buf_put(out, (pl_str){ w->doc.p + from, at - from });
            pl_buf_put(out, what);
            what.n = 0;
            from = at;
        }
        pl_buf_put(out, (pl_str){ w->doc.p + from, to - from });
        from = i < w->cuts ? to + w->cut[i].n : to;
    }
}

static pl_rc load(pl_media_plan *p, const zipdoc_layout *l, const char *name, part_walk *w, pl_error *err)
{
    const zip_entry *e = zip_find(p->m, &l->dir, name);
    pl_str           doc;

    if (!e)
        return PL_NOTFOUND;
    if (!zip_part(p->m, e, &doc) || !part(w, p->m, doc))
        return pl_fail(err, PL_INVALID, "part '%s' of the document cannot be read", name);
    return PL_OK;
}

static void rel_start(part_walk *w, const char *local, const char **atts, size_t at, size_t n)
{
    const char *type = att(atts, "Type"), *name = att(atts, "PartName");

    (void)at;
    (void)n;
    if (strcmp(local, "Relationship") == 0 && type && strcmp(type, CUSTOM_REL) == 0)
        w->has_rel = true;
    if (strcmp(local, "Override") == 0 && name && strcasecmp(name, "/" CUSTOM_PART) == 0)
        w->has_type = true;
}

/* Adds `what` before the root's end tag of a part that must be there. */
static pl_rc add_line(pl_media_plan *p, const zipdoc_layout *l, const char *name, bool rel, const char *what,
                      pl_buf *out, bool *needed, pl_error *err)
{
    part_walk w = { .start = rel_start };
    pl_rc     rc = load(p, l, name, &w, err);

    if (rc == PL_OK && w.root_end == 0)
        rc = PL_NOTFOUND;
    if (rc != PL_OK)
        return pl_fail(err, PL_INVALID, "part '%s' of the document is missing or empty", name);
    *needed = rel ? !w.has_rel : !w.has_type;
    splice(&w, w.root_end, pl_str_z(what), out);
    return pl_buf_check(out, err);
}

static pl_rc custom_part(pl_media_plan *p, const zipdoc_layout *l, pl_str label, pl_buf *out, pl_error *err)
{
    part_walk w = { .start = custom_start, .end = custom_end };
    size_t    items = p->m->n;
    pl_buf    prop = PL_BUF_INIT(PL_MEDIA_VALUE_MAX);
    pl_rc     rc = load(p, l, CUSTOM_PART, &w, err);

    p->m->n = items; /* read again, but not found again */
    if (rc != PL_OK && rc != PL_NOTFOUND)
        return rc;
    pl_buf_printf(&prop, "<property xmlns=\"" CUSTOM_NS "\" fmtid=\"" FMTID "\" pid=\"%u\" name=\"AIGC\">"
                  "<vt:lpwstr xmlns:vt=\"" VT_NS "\">", w.max_pid < 2 ? 2 : w.max_pid + 1);
    xml_text(&prop, label);
    pl_buf_puts(&prop, "</vt:lpwstr></property>");
    if (rc == PL_OK && w.root_end) {
        splice(&w, w.root_end, pl_buf_str(&prop), out);
    } else {
        pl_buf_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n"
                         "<Properties xmlns=\"" CUSTOM_NS "\" xmlns:vt=\"" VT_NS "\">");
        pl_buf_put(out, pl_buf_str(&prop));
        pl_buf_puts(out, "</Properties>");
    }
    out->failed |= prop.failed;
    pl_buf_done(&prop);
    return pl_buf_check(out, err);
}

static pl_rc plan_office(pl_media_plan *p, const zipdoc_layout *l, pl_str label, pl_error *err)
{
    pl_buf     custom = PL_BUF_INIT(ZIP_PART_MAX), rels = PL_BUF_INIT(ZIP_PART_MAX), types = PL_BUF_INIT(ZIP_PART_MAX);
    zip_change c[3];
    size_t     n = 0;
    bool       need_rel = false, need_type = false;
    pl_rc      rc = custom_part(p, l, label, &custom, err);

    if (rc == PL_OK)
        rc = add_line(p, l, "_rels/.rels", true,
                      "<Relationship Id=\"rIdPlumblineAIGC\" Type=\"" CUSTOM_REL "\" Target=\"" CUSTOM_PART "\"/>",
                      &rels, &need_rel, err);
    if (rc == PL_OK)
        rc = add_line(p, l, "[Content_Types].xml", false,
                      "<Override PartName=\"/" CUSTOM_PART "\" ContentType=\"" CUSTOM_TYPE "\"/>", &types, &need_type, err);
    c[n++] = (zip_change){ CUSTOM_PART, pl_buf_str(&custom) };
    if (need_rel)
        c[n++] = (zip_change){ "_rels/.rels", pl_buf_str(&rels) };
    if (need_type)
        c[n++] = (zip_change){ "[Content_Types].xml", pl_buf_str(&types) };
    p->carrier = "ooxml.custom";
    if (rc == PL_OK)
        rc = zip_change_plan(p, &l->dir, c, n, err);
    pl_buf_done(&custom);
    pl_buf_done(&rels);
    pl_buf_done(&types);
    return rc;
}

static pl_rc plan_epub(pl_media_plan *p, const zipdoc_layout *l, pl_str label, pl_error *err)
{
    part_walk w = { .start = opf_start, .end = opf_end };
    size_t    items = p->m->n;
    pl_buf    meta = PL_BUF_INIT(PL_MEDIA_VALUE_MAX), out = PL_BUF_INIT(ZIP_PART_MAX);
    pl_rc     rc = load(p, l, l->opf.p, &w, err);

    p->m->n = items;
    if (rc == PL_OK && !w.metadata_end)
        rc = pl_fail(err, PL_INVALID, "the package document has no metadata");
    if (rc == PL_OK) {
        pl_buf_puts(&meta, "<meta name=\"AIGC\" content=\"");
        xml_text(&meta, label);
        pl_buf_puts(&meta, "\"/>");
        splice(&w, w.metadata_end, pl_buf_str(&meta), &out);
        rc = pl_buf_check(&out, err);
    }
    p->carrier = "epub.meta";
    if (rc == PL_OK)
        rc = zip_change_plan(p, &l->dir, &(zip_change){ l->opf.p, pl_buf_str(&out) }, 1, err);
    pl_buf_done(&meta);
    pl_buf_done(&out);
    return rc;
}

static pl_rc plan_ofd(pl_media_plan *p, const zipdoc_layout *l, pl_str label, pl_error *err)
{
    part_walk   w = { .start = ofd_start, .end = ofd_end };
    size_t      items = p->m->n;
    pl_buf      data = PL_BUF_INIT(PL_MEDIA_VALUE_MAX), out = PL_BUF_INIT(ZIP_PART_MAX);
    pl_rc       rc = load(p, l, "OFD.xml", &w, err);
    const char *x = w.ofd_prefix, *colon = x[0] ? ":" : "";

    p->m->n = items;
    if (rc == PL_OK && !w.docinfo_end)
        rc = pl_fail(err, PL_INVALID, "OFD.xml has no DocInfo");
    if (rc == PL_OK) {
        if (!w.customdatas_end)
            pl_buf_printf(&data, "<%s%sCustomDatas>", x, colon);
        pl_buf_printf(&data, "<%s%sCustomData Name=\"AIGC\">", x, colon);
        xml_text(&data, label);
        pl_buf_printf(&data, "</%s%sCustomData>", x, colon);
        if (!w.customdatas_end)
            pl_buf_printf(&data, "</%s%sCustomDatas>", x, colon);
        splice(&w, w.customdatas_end ? w.customdatas_end : w.docinfo_end, pl_buf_str(&data), &out);
        rc = pl_buf_check(&out, err);
    }
    p->carrier = "ofd.custom";
    if (rc == PL_OK)
        rc = zip_change_plan(p, &l->dir, &(zip_change){ "OFD.xml", pl_buf_str(&out) }, 1, err);
    pl_buf_done(&data);
    pl_buf_done(&out);
    return rc;
}

static pl_rc plan(pl_media *m, const pl_media_edit *e, pl_media_plan *p, pl_error *err)
{
    const zipdoc_layout *l = m->layout;

    if (e->c2pa.n)
        return pl_fail(err, PL_NOTFOUND, "a zip document has no place for a manifest");
    if (e->label.n == 0)
        return PL_OK;
    if (m->format == PL_MEDIA_EPUB)
        return plan_epub(p, l, e->label, err);
    return m->format == PL_MEDIA_OFD ? plan_ofd(p, l, e->label, err) : plan_office(p, l, e->label, err);
}

const media_ops media_zip = { scan, plan };
