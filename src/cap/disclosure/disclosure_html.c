/* A document as one HTML page: nothing is loaded, nothing runs. Accessible after WCAG 2.2: language, one
 * h1, headings in order, tables with caption and header cells, definition lists, a link past the contents,
 * contrast above 7 : 1, no meaning by colour alone. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/disclosure/disclosure_int.h"

static const char style[] =
    "body{font:1rem/1.6 system-ui,'Noto Sans CJK SC','Noto Sans SC',sans-serif;max-width:52rem;margin:0 auto;padding:1rem;"
    "color:#1a1a1a;background:#fff}h1{font-size:1.6rem;line-height:1.3}h2{font-size:1.2rem;margin-top:2rem;border-bottom:1px "
    "solid #767676}dl{display:grid;grid-template-columns:minmax(8rem,16rem) 1fr;gap:.25rem 1rem}dt{font-weight:600}"
    "dd{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}table{border-collapse:collapse;width:100%}caption{text-align:left;"
    "font-weight:600;padding:.25rem 0}th,td{border:1px solid #767676;padding:.3rem .5rem;text-align:left;vertical-align:top;"
    "overflow-wrap:anywhere}.missing{font-style:italic}.notice{border-left:.25rem solid #1a1a1a;padding-left:.75rem}"
    "a{color:#003e9c}.skip{position:absolute;left:-99rem}.skip:focus{position:static}"
    "@media(max-width:36rem){dl{grid-template-columns:1fr}}@media print{a{color:inherit}}";

void disclosure_html_escape(pl_buf *out, const char *z)
{
    for (; *z; z++)
        switch (*z) {
        case '&':
            pl_buf_puts(out, "&amp;");
            break;
        case '<':
            pl_buf_puts(out, "&lt;");
            break;
        case '>':
            pl_buf_puts(out, "&gt;");
            break;
        case '"':
            pl_buf_puts(out, "&quot;");
            break;
        default:
            pl_buf_putc(out, *z);
        }
}

static void value(const json_t *doc, pl_buf *out, const json_t *v)
{
    if (json_is_string(v)) {
        disclosure_html_escape(out, json_string_value(v));
        return;
    }
    pl_buf_puts(out, "<span class=\"missing\">");
    disclosure_html_escape(out, disclosure_say(doc, WORD_MISSING));
    pl_buf_puts(out, "</span>");
}

/* A link to the statement; its name says what it is, not only a number. */
static void source(const json_t *doc, pl_buf *out, const json_t *s)
{
    char entry[32];

    if (*disclosure_entry(s, entry) == '\0')
        return;
    pl_buf_printf(out, " <a href=\"/api/v1/ledger/entries/%.*s\" aria-label=\"", (int)strlen(entry) - 2, entry + 1);
    disclosure_html_escape(out, disclosure_say(doc, WORD_LEDGER));
    pl_buf_printf(out, " %.*s\">%s</a>", (int)strlen(entry) - 2, entry + 1, entry);
}

static void fields(const json_t *doc, pl_buf *out, const json_t *list)
{
    const json_t *one;
    size_t        i;

    if (json_array_size(list) == 0)
        return;
    pl_buf_puts(out, "<dl>\n");
    json_array_foreach((json_t *)(uintptr_t)list, i, one) {
        pl_buf_puts(out, "<dt>");
        disclosure_html_escape(out, disclosure_at(one, "label"));
        pl_buf_puts(out, "</dt><dd>");
        value(doc, out, json_object_get(one, "value"));
        source(doc, out, json_object_get(one, "source"));
        pl_buf_puts(out, "</dd>\n");
    }
    pl_buf_puts(out, "</dl>\n");
}

static void row(const json_t *doc, pl_buf *out, const json_t *r)
{
    const json_t *cell;
    size_t        i, n = json_array_size(json_object_get(r, "cells"));

    pl_buf_puts(out, "<tr>");
    json_array_foreach(json_object_get(r, "cells"), i, cell) {
        pl_buf_puts(out, i == 0 ? "<th scope=\"row\">" : "<td>");
        value(doc, out, cell);
        if (i + 1 == n)
            source(doc, out, json_object_get(r, "source"));
        pl_buf_puts(out, i == 0 ? "</th>" : "</td>");
    }
    pl_buf_puts(out, "</tr>\n");
}

static void table(const json_t *doc, pl_buf *out, const json_t *t)
{
    const json_t *one;
    size_t        i;

    if (!json_is_object(t))
        return;
    pl_buf_puts(out, "<table>\n<caption>");
    disclosure_html_escape(out, disclosure_at(t, "caption"));
    pl_buf_puts(out, "</caption>\n<thead><tr>");
    json_array_foreach(json_object_get(t, "columns"), i, one) {
        pl_buf_puts(out, "<th scope=\"col\">");
        disclosure_html_escape(out, json_string_value(one));
        pl_buf_puts(out, "</th>");
    }
    pl_buf_puts(out, "</tr></thead>\n<tbody>\n");
    json_array_foreach(json_object_get(t, "rows"), i, one)
        row(doc, out, one);
    if (json_array_size(json_object_get(t, "rows")) == 0) {
        pl_buf_printf(out, "<tr><td colspan=\"%zu\">", json_array_size(json_object_get(t, "columns")));
        value(doc, out, NULL);
        pl_buf_puts(out, "</td></tr>\n");
    }
    pl_buf_puts(out, "</tbody>\n</table>\n");
}

static void contents(const json_t *doc, pl_buf *out)
{
    const json_t *one;
    size_t        i;

    pl_buf_puts(out, "<nav aria-label=\"");
    disclosure_html_escape(out, disclosure_say(doc, WORD_CONTENTS));
    pl_buf_puts(out, "\"><ol>\n");
    json_array_foreach(json_object_get(doc, "sections"), i, one) {
        pl_buf_printf(out, "<li><a href=\"#s%zu\">", i + 1);
        disclosure_html_escape(out, disclosure_at(one, "title"));
        pl_buf_puts(out, "</a></li>\n");
    }
    pl_buf_puts(out, "</ol></nav>\n");
}

void disclosure_html_begin(const char *lang, const char *title, pl_buf *out)
{
    pl_buf_printf(out, "<!doctype html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n"
                       "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                       "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
                       "form-action 'self'\">\n<title>", lang);
    disclosure_html_escape(out, title);
    pl_buf_printf(out, "</title>\n<style>%s</style>\n</head>\n<body>\n<main>\n<h1>", style);
    disclosure_html_escape(out, title);
    pl_buf_puts(out, "</h1>\n");
}

static void head(const json_t *doc, pl_buf *out)
{
    const json_t *subject = json_object_get(doc, "subject");
    char          title[400];

    (void)snprintf(title, sizeof title, "%.150s · %.200s", disclosure_at(doc, "title"), disclosure_at(subject, "title"));
    disclosure_html_begin(disclosure_at(doc, "lang"), title, out);
    pl_buf_puts(out, "<p><a class=\"skip\" href=\"#s1\">");
    disclosure_html_escape(out, disclosure_say(doc, WORD_CONTENTS));
    pl_buf_puts(out, " ↓</a>");
    disclosure_html_escape(out, disclosure_say(doc, WORD_VERSION));
    pl_buf_printf(out, " %lld · ", (long long)json_integer_value(json_object_get(subject, "version")));
    disclosure_html_escape(out, disclosure_say(doc, WORD_MADE));
    pl_buf_printf(out, " <time datetime=\"%s\">%.10s</time> · ", disclosure_at(doc, "time"), disclosure_at(doc, "time"));
    disclosure_html_escape(out, disclosure_at(doc, "pack"));
    pl_buf_puts(out, "</p>\n");
}

pl_rc disclosure_html(const json_t *doc, pl_buf *out, pl_error *err)
{
    const json_t *one;
    size_t        i;
    long long     missing = (long long)json_integer_value(json_object_get(doc, "missing"));

    head(doc, out);
    if (*disclosure_at(doc, "notice")) {
        pl_buf_puts(out, "<p class=\"notice\">");
        disclosure_html_escape(out, disclosure_at(doc, "notice"));
        pl_buf_puts(out, "</p>\n");
    }
    if (missing > 0) {
        pl_buf_printf(out, "<p class=\"notice\">%lld ", missing);
        disclosure_html_escape(out, disclosure_say(doc, WORD_MISSING_COUNT));
        pl_buf_puts(out, "</p>\n");
    }
    contents(doc, out);
    json_array_foreach(json_object_get(doc, "sections"), i, one) {
        pl_buf_printf(out, "<section aria-labelledby=\"s%zu\">\n<h2 id=\"s%zu\">", i + 1, i + 1);
        disclosure_html_escape(out, disclosure_at(one, "title"));
        pl_buf_puts(out, "</h2>\n");
        if (*disclosure_at(one, "text")) {
            pl_buf_puts(out, "<p>");
            disclosure_html_escape(out, disclosure_at(one, "text"));
            pl_buf_puts(out, "</p>\n");
        }
        fields(doc, out, json_object_get(one, "fields"));
        table(doc, out, json_object_get(one, "table"));
        pl_buf_puts(out, "</section>\n");
    }
    pl_buf_puts(out, "</main>\n</body>\n</html>\n");
    return pl_buf_check(out, err);
}
