/* What people read of a document, as far as a label may stand in it: tags taken off HTML and Word, the
 * notes on the first page of a PDF. */
#include "base/banned.h"

#include "base/str.h"
#include "base/utf8.h"
#include "engine/media/notice.h"
#include "engine/media/pdf.h"
#include "engine/media/zip.h"

#define TEXT_MAX (16u << 20)

/* --- markup ------------------------------------------------------------------------------------------ */

typedef struct reader {
    pl_str  t;
    size_t  at;
    pl_buf *out;
    bool    is_word; /* only what stands in w:t is text */
    bool    in_text;
} reader;

static bool is_name_end(char c)
{
    return strchr(" \t\r\n/>", c) != NULL; /* and NUL */
}

static bool tag_is(pl_str tag, const char *name)
{
    size_t n = strlen(name);

    return tag.n >= n && strncasecmp(tag.p, name, n) == 0 && (tag.n == n || is_name_end(tag.p[n]));
}

static bool tag_among(pl_str tag, const char *const *names)
{
    for (; *names; names++)
        if (tag_is(tag, *names))
            return true;
    return false;
}

static bool has_pair(pl_str tag, const char *key, const char *value)
{
    const char *k = memmem(tag.p, tag.n, key, strlen(key));

    return k && memmem(k, (size_t)(tag.p + tag.n - k), value, strlen(value));
}

/* Of what follows such a tag nothing is shown, up to its end. */
static bool is_hidden(pl_str tag)
{
    static const char *const never[] = { "script", "style", "head", "template", "noscript", "title", NULL };

    return tag_among(tag, never);
}

static void break_put(pl_buf *out)
{
    if (out->n > 0 && out->p[out->n - 1] != '\n')
        pl_buf_putc(out, '\n');
}

static void hidden_skip(reader *r, pl_str tag)
{
    size_t n = 0;
    char   end[16] = "</";

    while (n < tag.n && n < 12 && !is_name_end(tag.p[n])) {
        end[2 + n] = tag.p[n];
        n++;
    }
    while (r->at < r->t.n) {
        const char *lt = memchr(r->t.p + r->at, '<', r->t.n - r->at);
        if (!lt) {
            r->at = r->t.n;
            return;
        }
        r->at = (size_t)(lt - r->t.p);
        if (r->t.n - r->at > n + 2 && strncasecmp(lt, end, n + 2) == 0)
            return;
        r->at++;
    }
}

static void tag_html(reader *r, pl_str tag)
{
    static const char *const blocks[] = { "p", "/p", "div", "/div", "br", "h1", "/h1", "h2", "/h2", "h3", "/h3", "li", "/li", "tr",
                                          "/tr", "section", "/section", "article", "/article", "header", "/header", "footer",
                                          "/footer", "body", "/body", "hr", "table", "/table", "ul", "/ul", "pre", "/pre", NULL };

    static const char *const boxes[] = { "p", "div", "span", "footer", "header", NULL };

    if (tag_among(tag, blocks))
        break_put(r->out);
    if (is_hidden(tag) && !(tag.n > 0 && tag.p[tag.n - 1] == '/'))
        hidden_skip(r, tag);
    else if (has_pair(tag, "display:", "none") && tag_among(tag, boxes))
        hidden_skip(r, tag);
}

static void tag_word(reader *r, pl_str tag)
{
    if (tag_is(tag, "w:t"))
        r->in_text = tag.p[tag.n - 1] != '/';
    else if (tag_is(tag, "/w:t"))
        r->in_text = false;
    else if (tag_is(tag, "/w:p") || tag_is(tag, "w:br"))
        break_put(r->out);
}

/* "&#20869;" and the few names that matter; at the '&'. */
static size_t reference_put(pl_str t, size_t at, pl_buf *out)
{
    static const struct { const char *name, *text; } names[] = {
        { "&amp;", "&" }, { "&lt;", "<" }, { "&gt;", ">" }, { "&quot;", "\"" }, { "&apos;", "'" }, { "&nbsp;", " " },
    };
    char     utf8[4];
    uint32_t v = 0;
    size_t   i = at + 2, base = 10;

    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        size_t n = strlen(names[k].name);
        if (t.n - at >= n && memcmp(t.p + at, names[k].name, n) == 0) {
            pl_buf_puts(out, names[k].text);
            return at + n;
        }
    }
    if (t.n - at > 3 && t.p[at + 1] == '#' && (t.p[i] | 0x20) == 'x') {
        base = 16;
        i++;
    }
    for (; t.n - at > 3 && t.p[at + 1] == '#' && i < t.n && i < at + 10; i++) {
        char c = t.p[i];
        int  d = c >= '0' && c <= '9' ? c - '0' : base == 16 && (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
        if (c == ';' && v > 0 && v < 0x110000 && (v < 0xD800 || v > 0xDFFF)) {
            pl_buf_put(out, (pl_str){ utf8, (size_t)pl_utf8_encode(v, utf8) });
            return i + 1;
        }
        if (d < 0)
            break;
        v = v * (uint32_t)base + (uint32_t)d;
    }
    pl_buf_putc(out, '&');
    return at + 1;
}

static void text_put(reader *r)
{
    char c = r->t.p[r->at];
    bool shown = !r->is_word || r->in_text;

    if (shown && c == '&') {
        r->at = reference_put(r->t, r->at, r->out);
        return;
    }
    if (shown && !r->is_word && (c == '\n' || c == '\r' || c == '\t'))
        c = ' ';
    if (shown && !(c == ' ' && r->out->n > 0 && strchr(" \n", r->out->p[r->out->n - 1])))
        pl_buf_putc(r->out, c);
    r->at++;
}

static void markup_read(reader *r)
{
    while (r->at < r->t.n && !r->out->failed) {
        const char *p = r->t.p + r->at, *end;
        size_t      left = r->t.n - r->at;

        if (*p != '<') {
            text_put(r);
            continue;
        }
        if (left >= 4 && memcmp(p, "<!--", 4) == 0)
            end = memmem(p, left, "-->", 3);
        else
            end = memchr(p, '>', left);
        if (!end)
            return;
        r->at = (size_t)(end - r->t.p) + (end[0] == '-' ? 3 : 1);
        if (end[0] == '-' || end == p + 1)
            continue;
        if (r->is_word)
            tag_word(r, (pl_str){ p + 1, (size_t)(end - p - 1) });
        else
            tag_html(r, (pl_str){ p + 1, (size_t)(end - p - 1) });
    }
}

/* --- PDF ------------------------------------------------------------------------------------------------ */

static void pdf_notes(pl_media *m, pl_buf *out)
{
    pdf_file *f = pl_arena_alloc(m->arena, sizeof *f);
    pdf_found list, note;
    pl_str    page, one, text;
    size_t    at = 1;

    if (!f || !pdf_open(m, f) || f->sections == 0 || !pdf_first_page(m, f, &page) ||
        !pdf_resolve(m, f, 0, pdf_get(page, "Annots"), &list) || list.value.n < 3 || list.value.p[0] != '[')
        return;
    list.value.n--;
    for (int i = 0; i < 256 && pdf_object(list.value, &at, &one) && media_step(m); i++)
        if (pdf_resolve(m, f, 0, one, &note) && pdf_text(m, pdf_get(note.value, "Contents"), &text) && text.n > 0) {
            pl_buf_put(out, text);
            pl_buf_putc(out, '\n');
        }
}

/* ----------------------------------------------------------------------------------------------------------- */

static bool bytes_of(pl_media *m, pl_str *out)
{
    zip_dir          d = { .n = 0 };
    const zip_entry *e;

    if (m->format == PL_MEDIA_HTML)
        return media_bytes(m, 0, m->io.size, TEXT_MAX, out);
    e = zip_open(m, &d) ? zip_find(m, &d, "word/document.xml") : NULL;
    return e && zip_part(m, e, out);
}

pl_rc pl_media_shown_text(pl_media *m, pl_arena *a, pl_str *out, pl_error *err)
{
    pl_buf b = PL_BUF_INIT(TEXT_MAX);
    reader r = { .out = &b, .is_word = m->format == PL_MEDIA_DOCX };
    char  *copy;

    *out = (pl_str){ "", 0 };
    if (m->format == PL_MEDIA_PDF)
        pdf_notes(m, &b);
    else if ((m->format == PL_MEDIA_HTML || m->format == PL_MEDIA_DOCX) && bytes_of(m, &r.t))
        markup_read(&r);
    if (b.n > 0 && !b.failed && (copy = pl_arena_alloc(a, b.n)) != NULL) {
        memcpy(copy, b.p, b.n);
        *out = (pl_str){ copy, b.n };
    }
    pl_buf_done(&b);
    return m->rc == PL_OK ? PL_OK : pl_fail(err, m->rc, "the document cannot be read");
}
