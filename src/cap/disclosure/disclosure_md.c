/* A document as Markdown (CommonMark, tables as GitHub writes them). */
#include "base/banned.h"

#include "base/str.h"
#include "cap/disclosure/disclosure_int.h"

/* What would begin something of Markdown, or of HTML within it, is escaped; line ends become breaks. */
static void esc(pl_buf *out, const char *z)
{
    for (; *z; z++) {
        if (strchr("\\`*_{}[]<>#|~", *z) != NULL) {
            pl_buf_putc(out, '\\');
            pl_buf_putc(out, *z);
        } else if (*z == '\n') {
            pl_buf_puts(out, "<br>");
        } else if (*z != '\r') {
            pl_buf_putc(out, *z);
        }
    }
}

static void value(const json_t *doc, pl_buf *out, const json_t *v)
{
    if (json_is_string(v)) {
        esc(out, json_string_value(v));
        return;
    }
    pl_buf_putc(out, '*');
    esc(out, disclosure_say(doc, WORD_MISSING));
    pl_buf_putc(out, '*');
}

static void source(pl_buf *out, const json_t *s)
{
    char entry[32];

    if (*disclosure_entry(s, entry))
        pl_buf_printf(out, " [\\[%.*s\\]](/api/v1/ledger/entries/%.*s)", (int)strlen(entry) - 2, entry + 1,
                      (int)strlen(entry) - 2, entry + 1);
}

static void fields(const json_t *doc, pl_buf *out, const json_t *list)
{
    const json_t *one;
    size_t        i;

    json_array_foreach((json_t *)(uintptr_t)list, i, one) {
        pl_buf_puts(out, "- **");
        esc(out, disclosure_at(one, "label"));
        pl_buf_puts(out, disclosure_at(doc, "lang")[0] == 'z' ? "**：" : "**: ");
        value(doc, out, json_object_get(one, "value"));
        source(out, json_object_get(one, "source"));
        pl_buf_putc(out, '\n');
    }
    if (json_array_size(list) > 0)
        pl_buf_putc(out, '\n');
}

static void table(const json_t *doc, pl_buf *out, const json_t *t)
{
    const json_t *one, *cell, *columns = json_object_get(t, "columns");
    size_t        i, k;

    if (!json_is_object(t))
        return;
    pl_buf_puts(out, "**");
    esc(out, disclosure_at(t, "caption"));
    pl_buf_puts(out, "**\n\n|");
    json_array_foreach(columns, i, one) {
        pl_buf_putc(out, ' ');
        esc(out, json_string_value(one));
        pl_buf_puts(out, " |");
    }
    pl_buf_puts(out, "\n|");
    for (i = 0; i < json_array_size(columns); i++)
        pl_buf_puts(out, "---|");
    pl_buf_putc(out, '\n');
    json_array_foreach(json_object_get(t, "rows"), i, one) {
        pl_buf_putc(out, '|');
        json_array_foreach(json_object_get(one, "cells"), k, cell) {
            pl_buf_putc(out, ' ');
            value(doc, out, cell);
            if (k + 1 == json_array_size(columns))
                source(out, json_object_get(one, "source"));
            pl_buf_puts(out, " |");
        }
        pl_buf_putc(out, '\n');
    }
    if (json_array_size(json_object_get(t, "rows")) == 0) {
        pl_buf_puts(out, "| ");
        value(doc, out, NULL);
        pl_buf_puts(out, " |\n");
    }
    pl_buf_putc(out, '\n');
}

pl_rc disclosure_markdown(const json_t *doc, pl_buf *out, pl_error *err)
{
    const json_t *one, *subject = json_object_get(doc, "subject");
    size_t        i;

    pl_buf_puts(out, "# ");
    esc(out, disclosure_at(doc, "title"));
    pl_buf_puts(out, " · ");
    esc(out, disclosure_at(subject, "title"));
    pl_buf_printf(out, "\n\n%s %lld · %s %.10s · %s\n\n", disclosure_say(doc, WORD_VERSION),
                  (long long)json_integer_value(json_object_get(subject, "version")), disclosure_say(doc, WORD_MADE),
                  disclosure_at(doc, "time"), disclosure_at(doc, "pack"));
    if (*disclosure_at(doc, "notice")) {
        pl_buf_puts(out, "> ");
        esc(out, disclosure_at(doc, "notice"));
        pl_buf_puts(out, "\n\n");
    }
    json_array_foreach(json_object_get(doc, "sections"), i, one) {
        pl_buf_puts(out, "## ");
        esc(out, disclosure_at(one, "title"));
        pl_buf_puts(out, "\n\n");
        if (*disclosure_at(one, "text")) {
            esc(out, disclosure_at(one, "text"));
            pl_buf_puts(out, "\n\n");
        }
        fields(doc, out, json_object_get(one, "fields"));
        table(doc, out, json_object_get(one, "table"));
    }
    return pl_buf_check(out, err);
}
