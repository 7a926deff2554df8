/* Entries in tables: tabs between columns, the first line names them. */
#include "base/banned.h"

#include "base/str.h"
#include "base/utf8.h"
#include "cap/pack/pack_int.h"

const char *const pack_field_names[] = {
    "id",   "text", "category", "lang", "severity", "source",  "updated", "flags",
    "risk", "from", "to",       "with", "within",   "without", "except",
    "any",  "and",  NULL,
};

typedef struct table {
    const pack_entries *file;
    pack_report        *report;
    int                 line;
    size_t              columns;
    pack_field          of[PACK_FIELDS]; /* which field a column holds */
} table;

static void wrong(const table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void wrong(const table *t, const char *fmt, ...)
{
    char    what[200];
    va_list ap;

    if (t->report == NULL)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    pack_problem(t->report, PACK_ERROR, t->file->path, t->line, "%s", what);
}

/* The next column; unlike pl_str_split an empty last one counts. */
static bool column_next(pl_str *rest, pl_str *out)
{
    const char *tab;

    if (rest->p == NULL)
        return false;
    tab = memchr(rest->p, '\t', rest->n);
    *out = (pl_str){ rest->p, tab != NULL ? (size_t)(tab - rest->p) : rest->n };
    *rest = tab != NULL ? (pl_str){ tab + 1, rest->n - out->n - 1 } : (pl_str){ NULL, 0 };
    return true;
}

static bool header_read(table *t, pl_str line)
{
    bool   seen[PACK_FIELDS] = { false };
    pl_str name;

    while (column_next(&line, &name)) {
        size_t f = 0;

        while (f < PACK_FIELDS && !pl_str_eqz(name, pack_field_names[f]))
            f++;
        if (f == PACK_FIELDS || seen[f])
            return false;
        seen[f] = true;
        t->of[t->columns++] = (pack_field)f;
    }
    for (size_t f = 0; f < PACK_REQUIRED; f++)
        if (!seen[f])
            return false;
    return true;
}

static bool row_read(table *t, pl_str line, pack_row *row)
{
    pl_str value;
    size_t n = 0;

    *row = (pack_row){ .file = t->file, .line = t->line, .number = (unsigned)t->line };
    if (!pl_utf8_valid(line)) {
        wrong(t, "not valid UTF-8");
        return false;
    }
    for (; column_next(&line, &value); n++)
        if (n < t->columns && (t->of[n] < PACK_REQUIRED || !pl_str_eqz(value, "-")))
            row->field[t->of[n]] = value;
    if (n != t->columns)
        wrong(t, "%zu columns instead of %zu", n, t->columns);
    return n == t->columns;
}

pl_rc pack_table_each(const pack_entries *f, pack_report *r, pack_row_fn fn, void *ctx,
                      pl_error *err)
{
    table    t = { .file = f, .report = r };
    pl_str   rest = { f->text, f->n }, line;
    pack_row row;
    pl_rc    rc = PL_OK;

    while (rc == PL_OK && pl_str_split(&rest, '\n', &line)) {
        t.line++;
        if (pl_str_ends(line, PL_STR("\r"))) {
            wrong(&t, "line ends with a carriage return");
        } else if (t.line == 1) {
            if (header_read(&t, line))
                continue;
            break;
        } else if (row_read(&t, line, &row)) {
            rc = fn(ctx, &row, err);
        }
    }
    if (t.line < 2 && (t.line == 0 || t.columns < PACK_REQUIRED || rest.n > 0)) {
        t.line = t.line == 0 ? 0 : 1;
        wrong(&t, "first line must name the columns, each once and with tabs between: "
                  "id text category lang severity source updated, and any further ones");
    }
    return rc;
}
