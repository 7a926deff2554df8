/* A document as DOCX: Office Open XML (ECMA-376, transitional) in a zip that libarchive writes. Headings
 * are headings, tables have header rows, and every run says its language, so that word processors read it
 * aloud and build a table of contents. The same document gives the same bytes. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/disclosure/disclosure_int.h"

#include <archive.h>
#include <archive_entry.h>

#define ZIP_MAX (DISCLOSURE_MAX * 2u)

static const char content_types[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n"
    "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">"
    "<Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>"
    "<Default Extension=\"xml\" ContentType=\"application/xml\"/>"
    "<Override PartName=\"/word/document.xml\" ContentType=\"application/vnd.openxmlformats-officedocument."
    "wordprocessingml.document.main+xml\"/>"
    "<Override PartName=\"/word/styles.xml\" ContentType=\"application/vnd.openxmlformats-officedocument."
    "wordprocessingml.styles+xml\"/></Types>";

static const char package_rels[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n"
    "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">"
    "<Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\""
    " Target=\"word/document.xml\"/></Relationships>";

static const char document_rels[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n"
    "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">"
    "<Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles\""
    " Target=\"styles.xml\"/></Relationships>";

#define W_NS "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\""

static void styles_put(const json_t *doc, pl_buf *out)
{
    pl_buf_printf(out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<w:styles " W_NS "><w:docDefaults><w:rPrDefault><w:rPr>"
        "<w:rFonts w:ascii=\"Noto Sans\" w:hAnsi=\"Noto Sans\" w:eastAsia=\"Noto Sans CJK SC\"/><w:sz w:val=\"21\"/>"
        "<w:lang w:val=\"en-GB\" w:eastAsia=\"zh-CN\"/></w:rPr></w:rPrDefault><w:pPrDefault><w:pPr><w:spacing w:after=\"80\"/>"
        "</w:pPr></w:pPrDefault></w:docDefaults>"
        "<w:style w:type=\"paragraph\" w:default=\"1\" w:styleId=\"Normal\"><w:name w:val=\"Normal\"/></w:style>"
        "<w:style w:type=\"paragraph\" w:styleId=\"Title\"><w:name w:val=\"Title\"/><w:rPr><w:b/><w:sz w:val=\"36\"/></w:rPr>"
        "</w:style><w:style w:type=\"paragraph\" w:styleId=\"Heading1\"><w:name w:val=\"heading 1\"/><w:pPr><w:keepNext/>"
        "<w:spacing w:before=\"280\"/><w:outlineLvl w:val=\"0\"/></w:pPr><w:rPr><w:b/><w:sz w:val=\"26\"/></w:rPr></w:style>"
        "</w:styles>");
    (void)doc;
}

static void esc(pl_buf *out, pl_str s)
{
    for (size_t i = 0; i < s.n; i++)
        switch (s.p[i]) {
        case '&':
            pl_buf_puts(out, "&amp;");
            break;
        case '<':
            pl_buf_puts(out, "&lt;");
            break;
        case '>':
            pl_buf_puts(out, "&gt;");
            break;
        default: /* XML 1.0 has no other control characters */
            if ((unsigned char)s.p[i] >= 0x20 || s.p[i] == '\t')
                pl_buf_putc(out, s.p[i]);
        }
}

enum { PLAIN, BOLD, ITALIC };

/* Lines of a text become breaks within one run. */
static void run(pl_buf *out, const char *text, int look)
{
    pl_str rest = pl_str_z(text), line;
    bool   first = true;

    pl_buf_printf(out, "<w:r>%s", look == BOLD ? "<w:rPr><w:b/></w:rPr>" : look == ITALIC ? "<w:rPr><w:i/></w:rPr>" : "");
    while (pl_str_split(&rest, '\n', &line)) {
        pl_buf_puts(out, first ? "<w:t xml:space=\"preserve\">" : "<w:br/><w:t xml:space=\"preserve\">");
        esc(out, line);
        pl_buf_puts(out, "</w:t>");
        first = false;
    }
    pl_buf_puts(out, "</w:r>");
}

static void paragraph(pl_buf *out, const char *style, const char *text)
{
    pl_buf_puts(out, "<w:p>");
    if (style != NULL)
        pl_buf_printf(out, "<w:pPr><w:pStyle w:val=\"%s\"/></w:pPr>", style);
    run(out, text, PLAIN);
    pl_buf_puts(out, "</w:p>");
}

static void value(const json_t *doc, pl_buf *out, const json_t *v, const json_t *source)
{
    char entry[32];

    if (json_is_string(v))
        run(out, json_string_value(v), PLAIN);
    else
        run(out, disclosure_say(doc, WORD_MISSING), ITALIC);
    if (*disclosure_entry(source, entry)) {
        run(out, " ", PLAIN);
        run(out, entry, PLAIN);
    }
}

static void cell(const json_t *doc, pl_buf *out, const json_t *v, const json_t *source, bool is_head)
{
    pl_buf_puts(out, "<w:tc><w:tcPr><w:tcW w:w=\"0\" w:type=\"auto\"/></w:tcPr><w:p>");
    if (is_head)
        run(out, json_string_value(v), BOLD);
    else
        value(doc, out, v, source);
    pl_buf_puts(out, "</w:p></w:tc>");
}

static void table_begin(pl_buf *out, size_t columns)
{
    pl_buf_puts(out, "<w:tbl><w:tblPr><w:tblW w:w=\"5000\" w:type=\"pct\"/><w:tblBorders>");
    for (int i = 0; i < 6; i++) {
        static const char *const sides[] = { "top", "left", "bottom", "right", "insideH", "insideV" };

        pl_buf_printf(out, "<w:%s w:val=\"single\" w:sz=\"4\" w:space=\"0\" w:color=\"767676\"/>", sides[i]);
    }
    pl_buf_puts(out, "</w:tblBorders></w:tblPr><w:tblGrid>");
    for (size_t i = 0; i < columns; i++)
        pl_buf_printf(out, "<w:gridCol w:w=\"%zu\"/>", 9000 / (columns ? columns : 1));
    pl_buf_puts(out, "</w:tblGrid>");
}

static void table(const json_t *doc, pl_buf *out, const json_t *t)
{
    const json_t *one, *v, *columns = json_object_get(t, "columns");
    size_t        i, k;

    if (!json_is_object(t))
        return;
    pl_buf_puts(out, "<w:p><w:pPr><w:keepNext/></w:pPr>");
    run(out, disclosure_at(t, "caption"), BOLD);
    pl_buf_puts(out, "</w:p>");
    table_begin(out, json_array_size(columns));
    pl_buf_puts(out, "<w:tr><w:trPr><w:tblHeader/></w:trPr>");
    json_array_foreach(columns, i, one)
        cell(doc, out, one, NULL, true);
    pl_buf_puts(out, "</w:tr>");
    json_array_foreach(json_object_get(t, "rows"), i, one) {
        pl_buf_puts(out, "<w:tr>");
        json_array_foreach(json_object_get(one, "cells"), k, v)
            cell(doc, out, v, k + 1 == json_array_size(columns) ? json_object_get(one, "source") : NULL, false);
        pl_buf_puts(out, "</w:tr>");
    }
    if (json_array_size(json_object_get(t, "rows")) == 0) {
        pl_buf_puts(out, "<w:tr>");
        for (i = 0; i < json_array_size(columns); i++)
            cell(doc, out, NULL, NULL, false);
        pl_buf_puts(out, "</w:tr>");
    }
    pl_buf_puts(out, "</w:tbl><w:p/>");
}

static void section(const json_t *doc, pl_buf *out, const json_t *s)
{
    const json_t *one;
    size_t        i;

    paragraph(out, "Heading1", disclosure_at(s, "title"));
    if (*disclosure_at(s, "text"))
        paragraph(out, NULL, disclosure_at(s, "text"));
    json_array_foreach(json_object_get(s, "fields"), i, one) {
        pl_buf_puts(out, "<w:p>");
        run(out, disclosure_at(one, "label"), BOLD);
        run(out, disclosure_at(doc, "lang")[0] == 'z' ? "：" : ": ", BOLD);
        value(doc, out, json_object_get(one, "value"), json_object_get(one, "source"));
        pl_buf_puts(out, "</w:p>");
    }
    table(doc, out, json_object_get(s, "table"));
}

static void document_put(const json_t *doc, pl_buf *out)
{
    const json_t *subject = json_object_get(doc, "subject"), *one;
    size_t        i;
    char          line[400];

    pl_buf_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<w:document " W_NS "><w:body>");
    (void)snprintf(line, sizeof line, "%.150s · %.200s", disclosure_at(doc, "title"), disclosure_at(subject, "title"));
    paragraph(out, "Title", line);
    (void)snprintf(line, sizeof line, "%s %lld · %s %.10s · %.130s", disclosure_say(doc, WORD_VERSION),
                   (long long)json_integer_value(json_object_get(subject, "version")), disclosure_say(doc, WORD_MADE),
                   disclosure_at(doc, "time"), disclosure_at(doc, "pack"));
    paragraph(out, NULL, line);
    if (*disclosure_at(doc, "notice"))
        paragraph(out, NULL, disclosure_at(doc, "notice"));
    json_array_foreach(json_object_get(doc, "sections"), i, one)
        section(doc, out, one);
    pl_buf_puts(out, "<w:sectPr><w:pgSz w:w=\"11906\" w:h=\"16838\"/><w:pgMar w:top=\"1134\" w:right=\"1134\""
                     " w:bottom=\"1134\" w:left=\"1134\"/></w:sectPr></w:body></w:document>");
}

/* --- the zip ---------------------------------------------------------------------------------------- */

static la_ssize_t zip_write(struct archive *a, void *ctx, const void *bytes, size_t n)
{
    (void)a;
    pl_buf_put(ctx, (pl_str){ bytes, n });
    return (la_ssize_t)n;
}

static bool part_put(struct archive *a, const char *name, pl_str bytes)
{
    struct archive_entry *e = archive_entry_new();
    bool                  good = e != NULL;

    if (good) {
        archive_entry_set_pathname(e, name);
        archive_entry_set_size(e, (la_int64_t)bytes.n);
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_perm(e, 0644);
        archive_entry_set_mtime(e, 315532800, 0); /* 1980-01-01, where the times of zip begin */
        good = archive_write_header(a, e) == ARCHIVE_OK &&
               archive_write_data(a, bytes.p, bytes.n) == (la_ssize_t)bytes.n;
    }
    archive_entry_free(e);
    return good;
}

static bool parts_put(struct archive *a, pl_str styles, pl_str document)
{
    return part_put(a, "[Content_Types].xml", PL_STR(content_types)) && part_put(a, "_rels/.rels", PL_STR(package_rels)) &&
           part_put(a, "word/_rels/document.xml.rels", PL_STR(document_rels)) &&
           part_put(a, "word/styles.xml", styles) && part_put(a, "word/document.xml", document);
}

pl_rc disclosure_docx(const json_t *doc, pl_buf *out, pl_error *err)
{
    pl_buf          styles = PL_BUF_INIT(16384), document = PL_BUF_INIT(ZIP_MAX);
    struct archive *a = archive_write_new();
    pl_rc           rc;
    bool            good;

    styles_put(doc, &styles);
    document_put(doc, &document);
    rc = pl_buf_check(&document, err);
    good = rc == PL_OK && a != NULL && archive_write_set_format_zip(a) == ARCHIVE_OK &&
           archive_write_set_options(a, "zip:!experimental") >= ARCHIVE_WARN &&
           archive_write_set_bytes_in_last_block(a, 1) == ARCHIVE_OK &&
           archive_write_open(a, out, NULL, zip_write, NULL) == ARCHIVE_OK &&
           parts_put(a, pl_buf_str(&styles), pl_buf_str(&document)) && archive_write_close(a) == ARCHIVE_OK;
    if (rc == PL_OK && !good)
        rc = pl_fail(err, PL_IO, "the document cannot be packed: %.120s", a ? archive_error_string(a) : "memory");
    if (a != NULL)
        (void)archive_write_free(a);
    pl_buf_done(&styles);
    pl_buf_done(&document);
    return rc == PL_OK ? pl_buf_check(out, err) : rc;
}
