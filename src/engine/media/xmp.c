/* XMP packets (ISO 16684-1): what they say, and how one property is replaced in the bytes
 * that are there. Read with expat; declarations of a DTD are
 * refused, so there are no entities to expand. */
#include "base/banned.h"

#include <expat.h>

#include "base/utf8.h"
#include "engine/media/media_int.h"

#define NS_RDF   "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
#define SEP      '\n'
#define TEXT_MAX (1u << 20)
#define CUTS_MAX 64u

/* Usual prefixes: what reports call a property. */
static const struct {
    const char *uri, *prefix;
} prefixes[] = {
    { PL_XMP_NS_TC260, "TC260" },
    { PL_XMP_NS_IPTC, "Iptc4xmpExt" },
    { "http://ns.adobe.com/xap/1.0/", "xmp" },
    { "http://ns.adobe.com/photoshop/1.0/", "photoshop" },
    { "http://ns.adobe.com/exif/1.0/", "exif" },
    { "http://ns.adobe.com/tiff/1.0/", "tiff" },
    { "http://ns.adobe.com/pdf/1.3/", "pdf" },
    { "http://purl.org/dc/elements/1.1/", "dc" },
    { "http://purl.org/dc/terms/", "dcterms" },
    { NS_RDF, "rdf" },
};

typedef struct xmp_range {
    size_t at, n;
} xmp_range;

typedef struct xmp_walk {
    XML_Parser       parser;
    pl_str           packet;
    const xmp_visit *visit;
    unsigned         depth;
    unsigned         rdf_depth;     /* of the rdf:RDF we are in, 0: outside */
    bool             failed;
    char             name[160];     /* of the innermost property that collects text */
    bool             wrong_ns;
    unsigned         name_depth;
    pl_buf           text;
    /* For editing. */
    const char      *drop_source;  /* not NULL: source type properties go too */
    xmp_range        cut[CUTS_MAX];
    size_t           cuts;
    size_t           open_at;      /* start of the element that goes */
    unsigned         open_depth;
    size_t           insert_at;    /* where a first child of rdf:Description goes; 0: none */
    size_t           empty_end;    /* that Description is <…/>: offset of its "/" */
    char             qname[128];   /* of that Description, for its end tag */
    size_t           rdf_end;      /* offset of </rdf:RDF> */
    bool             self_closed_rdf;
} xmp_walk;

/* "uri\nlocal" to "prefix:local". */
static void name_of(const char *expat_name, char *out, size_t cap, bool *wrong_ns)
{
    const char *sep = strchr(expat_name, SEP), *local = sep ? sep + 1 : expat_name;
    size_t      n = sep ? (size_t)(sep - expat_name) : 0;

    *wrong_ns = false;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strlen(prefixes[i].uri) == n && memcmp(prefixes[i].uri, expat_name, n) == 0) {
            (void)snprintf(out, cap, "%s:%s", prefixes[i].prefix, local);
            return;
        }
    *wrong_ns = strcasecmp(local, "AIGC") == 0;
    (void)snprintf(out, cap, "%s%s", *wrong_ns ? "?:" : "", local);
}

static bool is_label_name(const char *name)
{
    return strcasecmp(name, "TC260:AIGC") == 0 || strcasecmp(name, "?:AIGC") == 0;
}

static bool goes(const xmp_walk *w, const char *name)
{
    return is_label_name(name) ||
           (w->drop_source && strcmp(name, "Iptc4xmpExt:DigitalSourceType") == 0);
}

static void add_cut(xmp_walk *w, size_t at, size_t n)
{
    if (w->cuts < CUTS_MAX)
        w->cut[w->cuts++] = (xmp_range){ at, n };
    else
        w->failed = true;
}

/* Prefix bound in the document to what is cut: the raw names of attributes in a start tag are
 * compared by their local part, which is enough since only AIGC and the source type are cut. */
static void cut_attributes(xmp_walk *w, size_t at, size_t n)
{
    const char *p = w->packet.p + at, *end = p + n;

    while (p < end && !memchr(" \t\r\n/>", *p, 6))
        p++;
    while (p < end) {
        const char *from = p, *name, *name_end, *colon;
        char        quote;
        bool        cut;

        while (p < end && memchr(" \t\r\n", *p, 4))
            p++;
        name = p;
        while (p < end && !memchr(" \t\r\n=/>", *p, 7))
            p++;
        name_end = p;
        while (p < end && *p != '"' && *p != '\'' && *p != '>')
            p++;
        if (p >= end || *p == '>')
            return;
        quote = *p++;
        while (p < end && *p != quote)
            p++;
        if (p < end)
            p++;
        colon = memchr(name, ':', (size_t)(name_end - name));
        if (!colon || (size_t)(colon - name) == 5 ? memcmp(name, "xmlns", 5) == 0 : false)
            continue;
        colon++;
        cut = (name_end - colon == 4 && strncasecmp(colon, "AIGC", 4) == 0) ||
              (w->drop_source && name_end - colon == 17 &&
               memcmp(colon, "DigitalSourceType", 17) == 0);
        if (cut)
            add_cut(w, (size_t)(from - w->packet.p), (size_t)(p - from));
    }
}

static void tell(xmp_walk *w, const char *name, pl_str value, bool wrong_ns)
{
    if (w->visit)
        w->visit->property(w->visit->ctx, name, value, wrong_ns);
}

/* An empty rdf:Description is "<rdf:Description …/>": the parser gives the tag as one piece. */
static void description_start(xmp_walk *w, const XML_Char **atts, size_t at, size_t n)
{
    bool any = false, wrong;
    char name[160];
    size_t q = 0;

    for (size_t i = 0; atts[i]; i += 2) {
        name_of(atts[i], name, sizeof name, &wrong);
        if (strncmp(name, "rdf:", 4) != 0)
            tell(w, name, pl_str_z(atts[i + 1]), wrong);
        any |= goes(w, name);
    }
    if (any)
        cut_attributes(w, at, n);
    if (w->insert_at || w->depth != w->rdf_depth + 1 || n < 3)
        return;
    while (q + 1 < sizeof w->qname && q + 1 < n && !memchr(" \t\r\n/>", w->packet.p[at + 1 + q], 6)) {
        w->qname[q] = w->packet.p[at + 1 + q];
        q++;
    }
    w->qname[q] = '\0';
    w->insert_at = at + n;
    if (w->packet.p[at + n - 2] == '/')
        w->empty_end = at + n - 2;
}

static void XMLCALL start(void *ctx, const XML_Char *el, const XML_Char **atts)
{
    xmp_walk *w = ctx;
    XML_Index at = XML_GetCurrentByteIndex(w->parser);
    int       n = XML_GetCurrentByteCount(w->parser);
    char      name[160];
    bool      wrong;

    if (++w->depth > PL_MEDIA_DEPTH_MAX || at < 0 || n < 0 ||
        (size_t)at + (size_t)n > w->packet.n) {
        w->failed = true;
        (void)XML_StopParser(w->parser, XML_FALSE);
        return;
    }
    name_of(el, name, sizeof name, &wrong);
    if (strcmp(name, "rdf:RDF") == 0 && w->rdf_depth == 0)
        w->rdf_depth = w->depth;
    if (w->rdf_depth == 0)
        return; /* of the document around it */
    if (strcmp(name, "rdf:Description") == 0) {
        description_start(w, atts, (size_t)at, (size_t)n);
        return;
    }
    if (strncmp(name, "rdf:", 4) == 0)
        return; /* Alt, Seq, Bag, li: their text belongs to the property */
    if (goes(w, name) && w->open_depth == 0) {
        w->open_at = (size_t)at;
        w->open_depth = w->depth;
    }
    for (size_t i = 0; atts[i]; i += 2)
        if (strcmp(atts[i], NS_RDF "\nresource") == 0)
            tell(w, name, pl_str_z(atts[i + 1]), wrong);
    (void)snprintf(w->name, sizeof w->name, "%s", name);
    w->wrong_ns = wrong;
    w->name_depth = w->depth;
    pl_buf_clear(&w->text);
}

static void XMLCALL chars(void *ctx, const XML_Char *s, int n)
{
    xmp_walk *w = ctx;

    if (w->name_depth)
        pl_buf_put(&w->text, (pl_str){ s, (size_t)n });
}

static void XMLCALL end(void *ctx, const XML_Char *el)
{
    xmp_walk *w = ctx;
    XML_Index at = XML_GetCurrentByteIndex(w->parser);
    int       n = XML_GetCurrentByteCount(w->parser);
    pl_str    t = pl_str_trim(pl_buf_str(&w->text));

    (void)el;
    if (at >= 0 && w->rdf_depth == w->depth) {
        w->rdf_end = (size_t)at;
        w->self_closed_rdf = n == 0 || w->packet.p[at + 1] != '/';
        w->rdf_depth = 0;
    }
    if (w->name_depth && (t.n > 0 || (w->depth == w->name_depth && is_label_name(w->name)))) {
        tell(w, w->name, t, w->wrong_ns);
        pl_buf_clear(&w->text);
        if (w->depth == w->name_depth)
            w->name_depth = 0;
    }
    if (w->depth == w->name_depth)
        w->name_depth = 0;
    if (w->open_depth == w->depth && w->open_depth) {
        /* For <a/> the end event reports the start tag again, or nothing behind it. */
        size_t stop = (size_t)at + (size_t)(n > 0 ? n : 0);
        if (stop <= w->open_at || n == 0) {
            const char *gt = memchr(w->packet.p + w->open_at, '>', w->packet.n - w->open_at);
            stop = gt ? (size_t)(gt - w->packet.p) + 1 : w->packet.n;
        }
        add_cut(w, w->open_at, stop - w->open_at);
        w->open_depth = 0;
    }
    w->depth--;
}

static void XMLCALL doctype(void *ctx, const XML_Char *name, const XML_Char *sys,
                            const XML_Char *pub, int internal)
{
    xmp_walk *w = ctx;

    (void)name;
    (void)sys;
    (void)pub;
    if (!internal) /* a name alone, as older SVG files have it: nothing is loaded */
        return;
    w->failed = true;
    (void)XML_StopParser(w->parser, XML_FALSE);
}

static pl_rc walk(xmp_walk *w, pl_error *err)
{
    pl_str p = w->packet;
    int    ok;

    while (p.n > 0 && p.p[p.n - 1] == '\0') /* some writers count the NUL in */
        p.n--;
    if (p.n == 0 || p.n > INT32_MAX)
        return pl_fail(err, PL_INVALID, "the XMP packet is empty");
    w->text = PL_BUF_INIT(TEXT_MAX);
    w->parser = XML_ParserCreateNS(NULL, SEP);
    if (!w->parser)
        return pl_fail(err, PL_NOMEM, "out of memory");
    XML_SetUserData(w->parser, w);
    XML_SetElementHandler(w->parser, start, end);
    XML_SetCharacterDataHandler(w->parser, chars);
    XML_SetDoctypeDeclHandler(w->parser, doctype, NULL);
    ok = XML_Parse(w->parser, p.p, (int)p.n, 1) == XML_STATUS_OK && !w->failed && !w->text.failed;
    XML_ParserFree(w->parser);
    pl_buf_done(&w->text);
    return ok ? PL_OK : pl_fail(err, PL_INVALID, "the XMP packet is not well-formed XML");
}

pl_rc media_xmp_visit(pl_str packet, const xmp_visit *v, pl_error *err)
{
    xmp_walk w = { .packet = packet, .visit = v };

    return walk(&w, err);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void xml_text(pl_buf *b, pl_str s)
{
    for (size_t i = 0; i < s.n; i++)
        switch (s.p[i]) {
        case '&': pl_buf_puts(b, "&amp;"); break;
        case '<': pl_buf_puts(b, "&lt;"); break;
        case '>': pl_buf_puts(b, "&gt;"); break;
        default: pl_buf_putc(b, s.p[i]);
        }
}

/* REQ: TC260-PG-20259A/xmp  property TC260:AIGC, element form, bare JSON as text. Each element
 * declares its own prefix, so it stands anywhere. */
static void properties(pl_buf *b, pl_str label, const char *source_type)
{
    if (label.n > 0) {
        pl_buf_puts(b, "<TC260:AIGC xmlns:TC260=\"" PL_XMP_NS_TC260 "\">");
        xml_text(b, label);
        pl_buf_puts(b, "</TC260:AIGC>");
    }
    if (source_type) {
        pl_buf_puts(b, "<Iptc4xmpExt:DigitalSourceType xmlns:Iptc4xmpExt=\"" PL_XMP_NS_IPTC "\">");
        xml_text(b, pl_str_z(source_type));
        pl_buf_puts(b, "</Iptc4xmpExt:DigitalSourceType>");
    }
}

static void new_packet(pl_buf *b, pl_str label, const char *source_type)
{
    pl_buf_puts(b, "<?xpacket begin=\"\xEF\xBB\xBF\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n"
                   "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"" NS_RDF "\">\n"
                   "<rdf:Description rdf:about=\"\">");
    properties(b, label, source_type);
    pl_buf_puts(b, "</rdf:Description>\n</rdf:RDF></x:xmpmeta>\n<?xpacket end=\"w\"?>");
}

static int cut_order(const void *a, const void *b)
{
    const xmp_range *x = a, *y = b;

    return x->at < y->at ? -1 : x->at > y->at;
}

static size_t put_without_cuts(pl_buf *out, const xmp_walk *w, size_t from, size_t to)
{
    for (size_t i = 0; i < w->cuts; i++) {
        if (w->cut[i].at < from || w->cut[i].at >= to)
            continue;
        pl_buf_put(out, (pl_str){ w->packet.p + from, w->cut[i].at - from });
        from = w->cut[i].at + w->cut[i].n;
    }
    if (from < to)
        pl_buf_put(out, (pl_str){ w->packet.p + from, to - from });
    return to;
}

/* Blanks before the trailer give way, or come, so that the packet keeps its size. */
static void pad(pl_buf *out, size_t size)
{
    pl_str  s = pl_buf_str(out);
    char   *p = out->p;
    size_t  at = s.n, blanks = 0;

    for (size_t i = s.n > 64 ? s.n - 64 : 0; i + 13 <= s.n; i++)
        if (memcmp(s.p + i, "<?xpacket end", 13) == 0)
            at = i;
    if (s.n < size) {
        pl_str tail = { pl_str_dup((pl_str){ s.p + at, s.n - at }), s.n - at };
        if (!tail.p) {
            out->failed = true;
            return;
        }
        out->n = at;
        for (size_t i = size - s.n; i > 0; i--)
            pl_buf_putc(out, i % 100 == 0 ? '\n' : ' ');
        pl_buf_put(out, tail);
        free((void *)(uintptr_t)tail.p);
        return;
    }
    while (blanks < at && blanks < s.n - size && memchr(" \t\r\n", p[at - 1 - blanks], 4))
        blanks++;
    memmove(p + at - blanks, p + at, s.n - at);
    out->n -= blanks;
    p[out->n] = '\0';
}

pl_rc media_xmp_edit(pl_str packet, pl_str label, const char *source_type, bool keep_size,
                     pl_buf *out, pl_error *err)
{
    xmp_walk w = { .packet = packet, .drop_source = source_type };
    pl_rc    rc;

    if (packet.n == 0) {
        new_packet(out, label, source_type);
        return pl_buf_check(out, err);
    }
    if (!pl_utf8_valid(packet))
        return pl_fail(err, PL_INVALID, "the XMP packet is not UTF-8; it cannot be edited");
    rc = walk(&w, err);
    if (rc != PL_OK)
        return rc;
    qsort(w.cut, w.cuts, sizeof w.cut[0], cut_order);
    if (label.n == 0 && !source_type) {
        (void)put_without_cuts(out, &w, 0, packet.n);
    } else if (w.insert_at && w.empty_end) {
        (void)put_without_cuts(out, &w, 0, w.empty_end);
        pl_buf_putc(out, '>');
        properties(out, label, source_type);
        pl_buf_printf(out, "</%s>", w.qname);
        (void)put_without_cuts(out, &w, w.insert_at, packet.n);
    } else if (w.insert_at) {
        (void)put_without_cuts(out, &w, 0, w.insert_at);
        properties(out, label, source_type);
        (void)put_without_cuts(out, &w, w.insert_at, packet.n);
    } else if (w.rdf_end && !w.self_closed_rdf) {
        (void)put_without_cuts(out, &w, 0, w.rdf_end);
        pl_buf_puts(out, "<rdf:Description xmlns:rdf=\"" NS_RDF "\" rdf:about=\"\">");
        properties(out, label, source_type);
        pl_buf_puts(out, "</rdf:Description>");
        (void)put_without_cuts(out, &w, w.rdf_end, packet.n);
    } else {
        return pl_fail(err, PL_INVALID, "the XMP packet has no rdf:RDF to put a label into");
    }
    if (keep_size && !out->failed)
        pad(out, packet.n);
    return pl_buf_check(out, err);
}
