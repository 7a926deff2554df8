#include "base/banned.h"

#include "base/str.h"
#include "base/utf8.h"
#include "engine/media/notice.h"
#include "engine/media/pdf.h"
#include "engine/media/zip.h"

#define TEXT_MAX      (16u << 20)
#define DOCUMENT_PART "word/document.xml"
#define MARK          "AI"

typedef struct order {
    pl_str                   wording;
    pl_notice_place          place;
    const pl_notice_picture *picture;
} order;

static void put_escaped(pl_buf *b, pl_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        switch (s.p[i]) {
        case '&':
            pl_buf_puts(b, "&amp;");
            break;
        case '<':
            pl_buf_puts(b, "&lt;");
            break;
        case '>':
            pl_buf_puts(b, "&gt;");
            break;
        default:
            pl_buf_putc(b, s.p[i]);
        }
    }
}

static bool found(size_t at)
{
    return at != SIZE_MAX;
}

/* Whether `name` stands at p as the name of a tag: "<body", then a blank, '>' or '/'. */
static bool is_tag(pl_str t, size_t at, const char *name)
{
    size_t n = strlen(name);

    return t.n - at > n && strncasecmp(t.p + at, name, n) == 0 && strchr(" \t\r\n>/", t.p[at + n]) &&
           t.p[at + n] != '\0';
}

/* The first such tag from `at` on that is not inside a comment; SIZE_MAX: none. */
static size_t tag_find(pl_str t, size_t at, const char *name)
{
    while (at < t.n) {
        const char *lt = memchr(t.p + at, '<', t.n - at), *end;

        if (!lt)
            return SIZE_MAX;
        at = (size_t)(lt - t.p);
        if (t.n - at >= 4 && memcmp(lt, "<!--", 4) == 0) {
            end = memmem(lt, t.n - at, "-->", 3);
            at = end ? (size_t)(end - t.p) : t.n;
        } else if (is_tag(t, at, name)) {
            return at;
        }
        at++;
    }
    return SIZE_MAX;
}

static size_t tag_last(pl_str t, const char *name)
{
    size_t last = SIZE_MAX;

    for (size_t at = tag_find(t, 0, name); found(at); at = tag_find(t, at + 1, name))
        last = at;
    return last;
}

/* Behind the '>' of the tag at `at`. */
static size_t tag_end(pl_str t, size_t at)
{
    const char *gt = memchr(t.p + at, '>', t.n - at);

    return gt ? (size_t)(gt - t.p) + 1 : SIZE_MAX;
}

static size_t nearer(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* --- HTML ------------------------------------------------------------------------------------------ */

static size_t html_place(pl_str t, pl_notice_place place)
{
    size_t body = tag_find(t, 0, "<body"), at;

    if (place == PL_NOTICE_MARK)
        return nearer(tag_find(t, found(body) ? body : 0, "</h1"), tag_find(t, found(body) ? body : 0, "</p"));
    if (place == PL_NOTICE_END) {
        at = tag_last(t, "</body");
        return found(at) ? at : found(tag_last(t, "</html")) ? tag_last(t, "</html") : t.n;
    }
    if (found(body))
        return tag_end(t, body);
    at = tag_find(t, 0, "</head");
    return found(at) ? tag_end(t, at) : 0;
}

static pl_rc html(pl_media *m, pl_media_plan *p, const order *o, pl_error *err)
{
    pl_buf b = PL_BUF_INIT(8192);
    pl_str t;
    size_t at;

    if (!media_bytes(m, 0, m->io.size, TEXT_MAX, &t))
        return pl_fail(err, PL_LIMIT, "the document is too long");
    if (!pl_utf8_valid(t))
        return pl_fail(err, PL_INVALID, "the document is not UTF-8: a notice in it would not be readable");
    at = html_place(t, o->place);
    if (!found(at))
        return pl_fail(err, PL_INVALID, "the document has no heading or paragraph to mark");
    if (o->place == PL_NOTICE_MARK) {
        pl_buf_puts(&b, "<sup title=\"");
        put_escaped(&b, o->wording);
        pl_buf_puts(&b, "\">" MARK "</sup>");
    } else {
        /* Colours of its own: it must be legible whatever the page's style is. */
        pl_buf_puts(&b, "<p role=\"note\" lang=\"zh-CN\" style=\"margin:0;padding:.25em .5em;font-size:"
                        "1rem;color:#000;background:#fff\">");
        put_escaped(&b, o->wording);
        pl_buf_puts(&b, "</p>\n");
    }
    plan_replace(p, at, 0, pl_buf_str(&b));
    pl_buf_done(&b);
    return PL_OK;
}

/* --- Markdown ---------------------------------------------------------------------------------------- */

static size_t line_end(pl_str t, size_t at)
{
    const char *nl = at < t.n ? memchr(t.p + at, '\n', t.n - at) : NULL;

    return nl ? (size_t)(nl - t.p) + 1 : t.n;
}

static pl_str line_of(pl_str t, size_t at)
{
    return pl_str_trim((pl_str){ t.p + at, line_end(t, at) - at });
}

/* Behind the front matter, or the start. */
static size_t markdown_start(pl_str t)
{
    size_t bom = pl_str_starts(t, PL_STR("\xEF\xBB\xBF")) ? 3 : 0, at = bom;

    if (!pl_str_eqz(line_of(t, at), "---"))
        return bom;
    for (at = line_end(t, at); at < t.n; at = line_end(t, at))
        if (pl_str_eqz(line_of(t, at), "---") || pl_str_eqz(line_of(t, at), "..."))
            return line_end(t, at);
    return bom;
}

static void markdown_mark(pl_str t, size_t at, pl_media_plan *p)
{
    size_t end;

    while (at < t.n && line_of(t, at).n == 0)
        at = line_end(t, at);
    end = line_end(t, at);
    while (end > at && (t.p[end - 1] == '\n' || t.p[end - 1] == '\r'))
        end--;
    plan_replace(p, end, 0, PL_STR("<sup>" MARK "</sup>"));
}

static pl_rc markdown(pl_media *m, pl_media_plan *p, const order *o, pl_error *err)
{
    pl_buf      b = PL_BUF_INIT(8192);
    pl_str      t;
    const char *nl;

    if (!media_bytes(m, 0, m->io.size, TEXT_MAX, &t))
        return pl_fail(err, PL_LIMIT, "the document is too long");
    nl = memmem(t.p, t.n, "\r\n", 2) ? "\r\n" : "\n";
    if (o->place == PL_NOTICE_MARK) {
        markdown_mark(t, markdown_start(t), p);
        return PL_OK;
    }
    if (o->place == PL_NOTICE_END)
        pl_buf_printf(&b, "%s%s", t.n > 0 && t.p[t.n - 1] != '\n' ? nl : "", nl);
    pl_buf_puts(&b, "> ");
    pl_buf_put(&b, o->wording);
    pl_buf_puts(&b, nl);
    if (o->place == PL_NOTICE_START)
        pl_buf_puts(&b, nl);
    plan_replace(p, o->place == PL_NOTICE_START ? markdown_start(t) : t.n, 0, pl_buf_str(&b));
    pl_buf_done(&b);
    return PL_OK;
}

/* --- Word ---------------------------------------------------------------------------------------------- */

/* The section properties that end the body stay last: what follows them is not shown. */
static size_t word_end(pl_str t)
{
    size_t body = tag_last(t, "</w:body"), sect = tag_last(t, "<w:sectPr"), last = tag_last(t, "</w:p");

    if (found(sect) && (!found(last) || sect > last) && found(body) && sect < body)
        return sect;
    return body;
}

static size_t word_place(pl_str t, pl_notice_place place)
{
    size_t body = tag_find(t, 0, "<w:body");

    if (!found(body))
        return SIZE_MAX;
    return place == PL_NOTICE_START  ? tag_end(t, body)
           : place == PL_NOTICE_MARK ? tag_find(t, body, "</w:p")
                                     : word_end(t);
}

static void word_put(const order *o, pl_buf *b)
{
    bool mark = o->place == PL_NOTICE_MARK;

    if (!mark)
        pl_buf_puts(b, "<w:p><w:pPr><w:jc w:val=\"center\"/></w:pPr>");
    pl_buf_printf(b, "<w:r><w:rPr>%s<w:color w:val=\"000000\"/>%s</w:rPr><w:t xml:space=\"preserve\">",
                  mark ? "" : "<w:b/>", mark ? "<w:vertAlign w:val=\"superscript\"/>" : "<w:sz w:val=\"24\"/>");
    if (mark)
        pl_buf_puts(b, MARK);
    else
        put_escaped(b, o->wording);
    pl_buf_puts(b, mark ? "</w:t></w:r>" : "</w:t></w:r></w:p>");
}

static pl_rc word(pl_media *m, pl_media_plan *p, const order *o, pl_error *err)
{
    pl_buf           b = PL_BUF_INIT(ZIP_PART_MAX);
    zip_dir          d = { .n = 0 };
    const zip_entry *e = zip_open(m, &d) ? zip_find(m, &d, DOCUMENT_PART) : NULL;
    pl_str           t = { "", 0 };
    size_t           at = e && zip_part(m, e, &t) ? word_place(t, o->place) : SIZE_MAX;
    pl_rc            rc;

    if (!found(at))
        return pl_fail(err, PL_INVALID, "the document's text cannot be found in '%s'", DOCUMENT_PART);
    pl_buf_put(&b, (pl_str){ t.p, at });
    word_put(o, &b);
    pl_buf_put(&b, (pl_str){ t.p + at, t.n - at });
    rc = pl_buf_check(&b, err);
    if (rc == PL_OK) {
        zip_change c = { DOCUMENT_PART, pl_buf_str(&b) };

        rc = zip_change_plan(p, &d, &c, 1, err);
    }
    pl_buf_done(&b);
    return rc;
}

/* --------------------------------------------------------------------------------------------------------- */

static pl_rc fill(pl_media *m, pl_media_plan *p, void *ctx, pl_error *err)
{
    const order *o = ctx;

    switch (m->format) {
    case PL_MEDIA_HTML:
        return html(m, p, o, err);
    case PL_MEDIA_MARKDOWN:
        return markdown(m, p, o, err);
    case PL_MEDIA_DOCX:
        return word(m, p, o, err);
    case PL_MEDIA_PDF:
        if (o->place == PL_NOTICE_MARK || !o->picture)
            return pl_fail(err, PL_INVALID, "a notice in a PDF goes to the top or the bottom");
        return pdf_plan_notice(m, o->wording, o->place == PL_NOTICE_START, o->picture, p, err);
    default:
        return pl_fail(err, PL_NOTFOUND, "%s files have no notices", pl_media_format_name(m->format));
    }
}

pl_rc pl_media_notice(pl_media *m, pl_str wording, pl_notice_place place,
                      const pl_notice_picture *picture, pl_media_plan **out, pl_error *err)
{
    order o = { wording, place, picture };

    return plan_build(m, fill, &o, out, err);
}
