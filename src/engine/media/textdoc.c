/* Text formats: Markdown front matter, HTML <meta>, a member of JSON. Plain text has no place
 * for metadata. REQ: TC260-PG-20258A/6.5  Markdown: YAML front matter, key AIGC */
#include "base/banned.h"

#include "base/jsonscan.h"
#include "base/utf8.h"
#include "engine/media/aigc.h"
#include "engine/media/media_int.h"

#define DOC_MAX   (16u << 20)
#define HEAD_MAX  (1u << 20) /* of an HTML file: where <head> ends at the latest */

typedef struct text_layout {
    pl_str   text;
    size_t   bom;       /* bytes of a byte order mark */
    bool     crlf;
    size_t   insert_at; /* where a new label goes */
    bool     has_front; /* Markdown: there is a front matter */
    bool     is_empty_object; /* JSON */
    bool     can_carry;
} text_layout;

static text_layout *load(pl_media *m)
{
    text_layout *l = pl_arena_alloc(m->arena, sizeof *l);

    if (!l) {
        media_nomem(m);
        return NULL;
    }
    m->layout = l;
    if (!media_bytes(m, 0, m->io.size, DOC_MAX, &l->text)) {
        media_stop(m, PL_MEDIA_LIMITED, "text.size", 0, "the document is too long to be read");
        return NULL;
    }
    /* The label is ASCII, and so are the tags around it. */
    if (!pl_utf8_valid(l->text) && !(m->format == PL_MEDIA_HTML && media_is_gb18030(l->text, false))) {
        media_stop(m, PL_MEDIA_UNSUPPORTED, "text.encoding", 0, "the document is not UTF-8");
        return NULL;
    }
    l->bom = pl_str_starts(l->text, PL_STR("\xEF\xBB\xBF")) ? 3 : 0;
    l->crlf = memmem(l->text.p, l->text.n, "\r\n", 2) != NULL;
    return l;
}

/* --- Markdown ------------------------------------------------------------------------------------ */

/* The line at `at` without its end; *next behind it. */
static pl_str line_at(pl_str t, size_t at, size_t *next)
{
    const char *nl = at < t.n ? memchr(t.p + at, '\n', t.n - at) : NULL;
    size_t      end = nl ? (size_t)(nl - t.p) : t.n;

    *next = nl ? end + 1 : t.n;
    if (end > at && t.p[end - 1] == '\r')
        end--;
    return (pl_str){ t.p + at, end - at };
}

static bool is_rule(pl_str line)
{
    return pl_str_eqz(line, "---") || pl_str_eqz(line, "...");
}

/* 'value', "value" or value of one line of the fixed grammar; quotes doubled inside ''. */
static pl_str scalar(pl_media *m, pl_str s)
{
    pl_buf b = PL_BUF_INIT(PL_AIGC_READ_MAX);
    char   q;
    char  *copy;

    s = pl_str_trim(s);
    if (s.n < 2 || (s.p[0] != '\'' && s.p[0] != '"') || s.p[s.n - 1] != s.p[0])
        return s;
    q = s.p[0];
    for (size_t i = 1; i + 1 < s.n; i++) {
        if (q == '\'' && s.p[i] == '\'' && i + 2 < s.n && s.p[i + 1] == '\'')
            i++;
        else if (q == '"' && s.p[i] == '\\' && i + 2 < s.n)
            i++;
        pl_buf_putc(&b, s.p[i]);
    }
    copy = pl_arena_dup(m->arena, pl_buf_str(&b));
    s = copy ? (pl_str){ copy, b.n } : (pl_str){ "", 0 };
    pl_buf_done(&b);
    return s;
}

/* The indented lines below "AIGC:", as the JSON object they mean. */
static size_t block_json(pl_media *m, pl_str t, size_t at, size_t end, pl_buf *out)
{
    char comma = '{';

    while (at < end) {
        size_t next;
        pl_str line = line_at(t, at, &next), key, value;
        const char *colon;
        if (line.n == 0 || (line.p[0] != ' ' && line.p[0] != '\t'))
            break;
        at = next;
        line = pl_str_trim(line);
        colon = line.n ? memchr(line.p, ':', line.n) : NULL;
        if (!colon || line.p[0] == '#')
            continue;
        key = scalar(m, (pl_str){ line.p, (size_t)(colon - line.p) });
        value = scalar(m, (pl_str){ colon + 1, line.n - key.n - 1 > line.n ? 0 : (size_t)(line.p + line.n - colon - 1) });
        pl_buf_putc(out, comma);
        pl_buf_putc(out, '"');
        pl_buf_json(out, key);
        pl_buf_puts(out, "\":\"");
        pl_buf_json(out, value);
        pl_buf_putc(out, '"');
        comma = ',';
    }
    if (comma == ',')
        pl_buf_putc(out, '}');
    return at;
}

/* Looks for AIGC: in the lines [at, end) of a front matter. */
static void front_matter(pl_media *m, pl_str t, size_t at, size_t end, unsigned flags)
{
    while (at < end && media_step(m)) {
        size_t from = at, next;
        pl_str line = line_at(t, at, &next);
        const char *colon = line.n ? memchr(line.p, ':', line.n) : NULL;
        pl_buf json = PL_BUF_INIT(PL_AIGC_READ_MAX);
        pl_str key, value;
        at = next;
        if (!colon || line.p[0] == ' ' || line.p[0] == '#')
            continue;
        key = scalar(m, (pl_str){ line.p, (size_t)(colon - line.p) });
        value = scalar(m, (pl_str){ colon + 1, (size_t)(line.p + line.n - colon - 1) });
        if (value.n == 0 && media_looks_label(key, value)) {
            at = block_json(m, t, at, end, &json);
            value = pl_buf_str(&json);
        }
        size_t before = m->n;
        if (!(flags & PL_MEDIA_MISPLACED) || media_looks_label(key, value))
            (void)media_add_text(m, "markdown.front-matter", key, value, range_of(from, at - from),
                             range_of(from, at - from), HOW_CUT);
        if (m->n > before)
            m->item[before].flags |= flags;
        pl_buf_done(&json);
    }
}

/* A block at the end of the file, between the last two rules or behind the last one: some
 * assistants put the label there. */
static void end_matter(pl_media *m, pl_str t, size_t from)
{
    size_t next, before = SIZE_MAX, last = SIZE_MAX;
    bool   blank = true;

    for (size_t at = from; at < t.n; at = next) {
        pl_str line = line_at(t, at, &next);
        if (is_rule(line)) {
            before = last;
            last = at;
            blank = true;
        } else if (pl_str_trim(line).n) {
            blank = false;
        }
    }
    if (last == SIZE_MAX || (blank && before == SIZE_MAX))
        return;
    (void)line_at(t, blank ? before : last, &next);
    front_matter(m, t, next, blank ? last : t.n, PL_MEDIA_MISPLACED);
}

static void markdown_scan(pl_media *m)
{
    text_layout *l = load(m);
    size_t       at, next;

    if (!l)
        return;
    l->can_carry = true;
    l->insert_at = l->bom;
    at = l->bom;
    if (pl_str_eqz(line_at(l->text, at, &next), "---")) {
        size_t body = next, end = next;
        while (end < l->text.n && !is_rule(line_at(l->text, end, &next)))
            end = next;
        if (end >= l->text.n) {
            media_note(m, "markdown.front-matter", at, "the front matter has no end");
            front_matter(m, l->text, body, l->text.n, PL_MEDIA_MISPLACED);
            return;
        }
        l->has_front = true;
        l->insert_at = body;
        front_matter(m, l->text, body, end, 0);
        at = next;
    }
    end_matter(m, l->text, at);
}

static pl_rc front_block(const pl_media_plan *p, pl_str label, bool crlf, pl_buf *b, pl_error *err)
{
    const char    *nl = crlf ? "\r\n" : "\n";
    pl_aigc_report r;
    pl_rc          rc = pl_aigc_read(label, p->arena, &r, err);

    if (rc != PL_OK)
        return rc;
    pl_buf_printf(b, "AIGC:%s", nl);
    for (int i = 0; i < PL_AIGC_MEMBERS; i++) {
        pl_str v = r.label.m[i];
        pl_buf_printf(b, "  %s: '", pl_aigc_member_name((pl_aigc_member)i));
        for (size_t k = 0; k < v.n; k++) {
            if (v.p[k] == '\'')
                pl_buf_putc(b, '\'');
            pl_buf_putc(b, v.p[k]);
        }
        pl_buf_printf(b, "'%s", nl);
    }
    return pl_buf_check(b, err);
}

static pl_rc no_c2pa(const pl_media_edit *e, const char *what, pl_error *err)
{
    return e->c2pa.n ? pl_fail(err, PL_NOTFOUND, "%s has no place for a manifest", what) : PL_OK;
}

static pl_rc markdown_plan(pl_media *m, const pl_media_edit *e, pl_media_plan *p, pl_error *err)
{
    const text_layout *l = m->layout;
    const char        *nl = l->crlf ? "\r\n" : "\n";
    pl_buf             b = PL_BUF_INIT(PL_MEDIA_VALUE_MAX);
    pl_rc              rc = no_c2pa(e, "Markdown", err);

    if (rc != PL_OK || e->label.n == 0)
        return rc;
    p->carrier = "markdown.front-matter";
    if (!l->has_front)
        pl_buf_printf(&b, "---%s", nl);
    rc = front_block(p, e->label, l->crlf, &b, err);
    if (!l->has_front)
        pl_buf_printf(&b, "---%s", nl);
    if (rc == PL_OK)
        rc = pl_buf_check(&b, err);
    if (rc == PL_OK) {
        plan_replace(p, l->insert_at, 0, pl_buf_str(&b));
        rc = plan_drop_labels(p, NULL, err);
    }
    pl_buf_done(&b);
    return rc;
}

/* --- HTML ------------------------------------------------------------------------------------------ */

static int hex_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* The five references that matter in an attribute, and numbers. */
static void unescape(pl_str s, pl_buf *out)
{
    static const struct { pl_str name; char c; } known[] = {
        { { "&quot;", 6 }, '"' }, { { "&amp;", 5 }, '&' }, { { "&lt;", 4 }, '<' },
        { { "&gt;", 4 }, '>' },   { { "&apos;", 6 }, '\'' },
    };

    for (size_t i = 0; i < s.n;) {
        pl_str rest = { s.p + i, s.n - i };
        size_t k = 0, step = 0;
        for (; k < 5 && !step; k++)
            if (pl_str_starts(rest, known[k].name)) {
                pl_buf_putc(out, known[k].c);
                step = known[k].name.n;
            }
        if (!step && rest.n > 3 && rest.p[0] == '&' && rest.p[1] == '#') {
            bool     hex = (rest.p[2] | 32) == 'x';
            uint32_t v = 0;
            size_t   j = hex ? 3 : 2;
            for (; j < rest.n && j < 10 && hex_of(rest.p[j]) >= 0 && (hex || hex_of(rest.p[j]) < 10); j++)
                v = v * (hex ? 16 : 10) + (uint32_t)hex_of(rest.p[j]);
            if (j < rest.n && rest.p[j] == ';' && v > 0 && v < 0xD800) {
                char u[4];
                pl_buf_put(out, (pl_str){ u, (size_t)pl_utf8_encode(v, u) });
                step = j + 1;
            }
        }
        if (!step) {
            pl_buf_putc(out, s.p[i]);
            step = 1;
        }
        i += step;
    }
}

/* The value of an attribute of the tag [at, end); n 0 when it has none. */
static pl_str attribute(pl_str tag, const char *name)
{
    size_t k = strlen(name), i = 0;

    while (i < tag.n && !memchr(" \t\r\n", tag.p[i], 4))
        i++;
    while (i < tag.n) {
        size_t from, to;
        char   q = 0;
        while (i < tag.n && memchr(" \t\r\n/", tag.p[i], 5))
            i++;
        from = i;
        while (i < tag.n && !memchr(" \t\r\n=/>", tag.p[i], 7))
            i++;
        to = i;
        while (i < tag.n && memchr(" \t\r\n", tag.p[i], 4))
            i++;
        if (i >= tag.n || tag.p[i] != '=') {
            i += to == from;
            continue;
        }
        i++;
        while (i < tag.n && memchr(" \t\r\n", tag.p[i], 4))
            i++;
        if (i < tag.n && (tag.p[i] == '"' || tag.p[i] == '\''))
            q = tag.p[i++];
        size_t v = i;
        while (i < tag.n && (q ? tag.p[i] != q : !memchr(" \t\r\n>", tag.p[i], 5)))
            i++;
        if (to - from == k && strncasecmp(tag.p + from, name, k) == 0)
            return (pl_str){ tag.p + v, i - v };
        i += q != 0;
    }
    return (pl_str){ "", 0 };
}

static bool tag_is(pl_str tag, const char *name)
{
    size_t k = strlen(name);

    return tag.n > k && strncasecmp(tag.p, name, k) == 0 && memchr(" \t\r\n/>", tag.p[k], 6);
}

static void meta(pl_media *m, text_layout *l, pl_str tag, size_t at)
{
    pl_str name = attribute(tag, "name"), content = attribute(tag, "content");
    pl_buf text = PL_BUF_INIT(PL_AIGC_READ_MAX);

    if (attribute(tag, "charset").n || attribute(tag, "http-equiv").n)
        l->insert_at = at + tag.n;
    if (name.n) {
        unescape(content, &text);
        (void)media_add_text(m, "html.meta", name, pl_buf_str(&text), range_of(at, tag.n),
                             range_of(at, tag.n), HOW_CUT);
    }
    pl_buf_done(&text);
}

static size_t skip_raw(pl_str t, size_t at, const char *close)
{
    const char *p = at < t.n ? strcasestr(t.p + at, close) : NULL;

    return p ? (size_t)(p - t.p) : t.n;
}

static void html_scan(pl_media *m)
{
    text_layout *l = load(m);
    size_t       at, limit;

    if (!l)
        return;
    l->can_carry = true;
    l->insert_at = l->bom;
    limit = l->text.n < HEAD_MAX ? l->text.n : HEAD_MAX;
    for (at = l->bom; at < limit && media_step(m);) {
        const char *lt = memchr(l->text.p + at, '<', limit - at), *gt;
        pl_str      tag;
        if (!lt)
            return;
        at = (size_t)(lt - l->text.p);
        if (limit - at > 3 && memcmp(lt, "<!--", 4) == 0) {
            gt = memmem(lt, limit - at, "-->", 3);
            at = gt ? (size_t)(gt - l->text.p) + 3 : limit;
            continue;
        }
        gt = memchr(lt, '>', limit - at);
        if (!gt)
            return;
        tag = (pl_str){ lt, (size_t)(gt - lt) + 1 };
        if (tag_is(tag, "<body") || tag_is(tag, "</head"))
            return;
        if (tag_is(tag, "<!doctype") || tag_is(tag, "<html") || tag_is(tag, "<head"))
            l->insert_at = at + tag.n;
        else if (tag_is(tag, "<meta"))
            meta(m, l, tag, at);
        at += tag.n;
        if (tag_is(tag, "<script"))
            at = skip_raw(l->text, at, "</script");
        else if (tag_is(tag, "<style"))
            at = skip_raw(l->text, at, "</style");
        else if (tag_is(tag, "<title"))
            at = skip_raw(l->text, at, "</title");
    }
}

static pl_rc html_plan(pl_media *m, const pl_media_edit *e, pl_media_plan *p, pl_error *err)
{
    const text_layout *l = m->layout;
    pl_buf             b = PL_BUF_INIT(PL_MEDIA_VALUE_MAX);
    pl_rc              rc = no_c2pa(e, "HTML", err);

    if (rc != PL_OK || e->label.n == 0)
        return rc;
    p->carrier = "html.meta";
    pl_buf_puts(&b, "<meta name=\"AIGC\" content=\"");
    for (size_t i = 0; i < e->label.n; i++)
        switch (e->label.p[i]) {
        case '"': pl_buf_puts(&b, "&quot;"); break;
        case '&': pl_buf_puts(&b, "&amp;"); break;
        case '<': pl_buf_puts(&b, "&lt;"); break;
        case '>': pl_buf_puts(&b, "&gt;"); break;
        default: pl_buf_putc(&b, e->label.p[i]);
        }
    pl_buf_puts(&b, "\">");
    rc = pl_buf_check(&b, err);
    if (rc == PL_OK) {
        plan_replace(p, l->insert_at, 0, pl_buf_str(&b));
        rc = plan_drop_labels(p, NULL, err);
    }
    pl_buf_done(&b);
    return rc;
}

/* --- JSON ------------------------------------------------------------------------------------------- */

static void json_scan(pl_media *m)
{
    text_layout *l = load(m);
    pl_jsonscan  j;
    pl_jsontok   t;
    pl_str       doc;
    bool         first = true;

    if (!l)
        return;
    doc = (pl_str){ l->text.p + l->bom, l->text.n - l->bom };
    pl_jsonscan_init(&j, doc);
    if (pl_jsonscan_next(&j, &t, NULL) != PL_OK)
        goto broken;
    if (t.type != PL_JT_OBJ_BEGIN) {
        bool ok = t.type != PL_JT_ARR_BEGIN || pl_jsonscan_skip(&j, NULL) == PL_OK;
        if (!ok || pl_jsonscan_next(&j, &t, NULL) != PL_OK || t.type != PL_JT_END)
            goto broken;
        return; /* no member to put a label into */
    }
    l->can_carry = true;
    l->insert_at = l->bom + t.end;
    for (;;) {
        size_t from, value;
        if (!media_step(m) || pl_jsonscan_next(&j, &t, NULL) != PL_OK)
            goto broken;
        if (t.type == PL_JT_OBJ_END)
            break;
        first = false;
        from = t.start;
        bool mine = pl_jsontok_is(&t, "AIGC");
        value = j.pos;
        if (pl_jsonscan_skip(&j, NULL) != PL_OK)
            goto broken;
        if (mine) {
            pl_str raw = pl_str_trim((pl_str){ doc.p + value, j.pos - value });
            if (raw.n && raw.p[0] == ':')
                raw = pl_str_trim((pl_str){ raw.p + 1, raw.n - 1 });
            size_t end = j.pos;
            while (end < doc.n && memchr(" \t\r\n", doc.p[end], 4))
                end++;
            if (end < doc.n && doc.p[end] == ',') /* its comma goes with it */
                end++;
            else
                end = j.pos;
            (void)media_add_text(m, "json.member", PL_STR("AIGC"), raw,
                                 range_of(l->bom + from, end - from),
                                 range_of(l->bom + from, end - from), HOW_FORMAT);
        }
    }
    l->is_empty_object = first;
    if (pl_jsonscan_next(&j, &t, NULL) == PL_OK && t.type == PL_JT_END)
        return;
broken:
    media_stop(m, PL_MEDIA_MALFORMED, "json.syntax", l->bom + j.pos, "the document is not valid JSON");
}

static pl_rc json_plan(pl_media *m, const pl_media_edit *e, pl_media_plan *p, pl_error *err)
{
    const text_layout *l = m->layout;
    pl_buf             b = PL_BUF_INIT(PL_MEDIA_VALUE_MAX);
    pl_rc              rc = no_c2pa(e, "JSON", err);
    size_t             labels = 0;

    if (rc != PL_OK || e->label.n == 0)
        return rc;
    if (!l->can_carry)
        return pl_fail(err, PL_NOTFOUND, "only a JSON object has a place for a label, this is another value");
    p->carrier = "json.member";
    for (size_t i = 0; i < m->n; i++) {
        pl_media_range r = m->item[i].parts_n ? m->item[i].parts[0].frame : range_of(0, 0);
        bool           comma = r.n && l->text.p[r.at + r.n - 1] == ',';
        if (m->item[i].kind != PL_MEDIA_LABEL || r.n == 0)
            continue;
        if (labels++ > 0)
            return pl_fail(err, PL_INVALID, "the document has the member AIGC twice; keep one");
        pl_buf_printf(&b, "\"AIGC\":" PL_STR_FMT "%s", PL_STR_ARG(e->label), comma ? "," : "");
        plan_replace(p, r.at, r.n, pl_buf_str(&b));
    }
    if (labels == 0) {
        pl_buf_printf(&b, "\"AIGC\":" PL_STR_FMT "%s", PL_STR_ARG(e->label), l->is_empty_object ? "" : ",");
        plan_replace(p, l->insert_at, 0, pl_buf_str(&b));
    }
    rc = pl_buf_check(&b, err);
    pl_buf_done(&b);
    return rc;
}

static void txt_scan(pl_media *m)
{
    (void)m; /* nothing but the text itself, which is the caller's matter */
}

const media_ops media_markdown = { markdown_scan, markdown_plan };
const media_ops media_html = { html_scan, html_plan };
const media_ops media_json = { json_scan, json_plan };
const media_ops media_txt = { txt_scan, NULL };
