/* CSV into a workbook, by libxlsxwriter. Its headers have inline functions that use what banned.h
 * forbids to us, so they stand before it. */
#include <xlsxwriter.h>

#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/registry/registry_convert.h"
#include "cap/registry/registry_xlsx.h"

#include <errno.h>
#include <unistd.h>

#define CELL_MAX  32767 /* characters of a cell, by the format */
#define WIDTH     24.0
#define TITLE_ROW 0

typedef struct table {
    lxw_worksheet *sheet;
    lxw_format    *bold, *text;
    const pl_form *form;
    bool           number[REGISTRY_XLSX_COLUMNS];
    uint32_t       row;
} table;

static bool is_number(const pl_form *form, pl_str key)
{
    for (size_t i = 0; i < pl_form_count(form); i++) {
        pl_field_view f = pl_form_field(form, i);
        if (pl_str_eq(f.key, key))
            return f.type == PL_FIELD_INT || f.type == PL_FIELD_NUMBER;
    }
    return false;
}

static pl_rc cell_write(table *t, uint16_t column, const char *text, pl_error *err)
{
    char     *end = NULL;
    double    v = 0;
    lxw_error e;

    if (t->row == TITLE_ROW)
        t->number[column] = is_number(t->form, pl_str_z(text));
    else if (t->number[column])
        v = strtod(text, &end);
    if (!*text)
        return PL_OK;
    e = end && *end == '\0' ? worksheet_write_number(t->sheet, t->row, column, v, NULL)
                            : worksheet_write_string(t->sheet, t->row, column, text, t->row == TITLE_ROW ? t->bold : t->text);
    return e == LXW_NO_ERROR ? PL_OK
                             : pl_fail(err, PL_LIMIT, "row %u, column %u: a sheet cannot hold this: %.100s", t->row + 1,
                                       column + 1u, lxw_strerror(e));
}

static pl_rc rows_write(table *t, pl_str csv, pl_error *err)
{
    pl_buf cell = PL_BUF_INIT(PL_FORM_TEXT_MAX * 4u);
    pl_rc  rc = PL_OK;

    for (; rc == PL_OK && csv.n > 0; t->row++) {
        bool more = true;

        if (t->row == REGISTRY_XLSX_ROWS)
            rc = pl_fail(err, PL_LIMIT, "a sheet takes %d rows here", REGISTRY_XLSX_ROWS);
        for (uint16_t column = 0; more && rc == PL_OK; column++) {
            if (column == REGISTRY_XLSX_COLUMNS)
                rc = pl_fail(err, PL_LIMIT, "a sheet takes %d columns here", REGISTRY_XLSX_COLUMNS);
            if (rc == PL_OK)
                rc = registry_csv_cell(&csv, &cell, &more, err);
            pl_buf_putc(&cell, '\0');
            if (rc == PL_OK && cell.failed)
                rc = pl_fail(err, PL_LIMIT, "a cell is too long");
            if (rc == PL_OK)
                rc = cell_write(t, column, cell.p, err);
        }
    }
    pl_buf_done(&cell);
    return rc;
}

/* The library writes files only. */
static pl_rc book_write(const char *path, pl_str csv, const pl_form *form, pl_error *err)
{
    lxw_workbook *book = workbook_new(path);
    table         t = { .form = form };
    lxw_error     e;
    pl_rc         rc;

    if (!book)
        return pl_fail(err, PL_NOMEM, "out of memory");
    t.sheet = workbook_add_worksheet(book, NULL);
    t.bold = workbook_add_format(book);
    t.text = workbook_add_format(book);
    if (!t.sheet || !t.bold || !t.text) {
        (void)workbook_close(book);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    format_set_bold(t.bold);
    format_set_num_format_index(t.text, 49); /* "@": what looks like a number stays text */
    worksheet_freeze_panes(t.sheet, 1, 0);
    (void)worksheet_set_column(t.sheet, 0, REGISTRY_XLSX_COLUMNS - 1, WIDTH, NULL);
    rc = rows_write(&t, csv, err);
    e = workbook_close(book);
    return rc == PL_OK && e != LXW_NO_ERROR ? pl_fail(err, PL_IO, "cannot write the workbook: %.100s", lxw_strerror(e)) : rc;
}

pl_rc registry_xlsx_write(pl_str csv, const pl_form *form, pl_buf *out, pl_error *err)
{
    const char *tmp = getenv("TMPDIR");
    char        path[4096];
    char       *bytes = NULL;
    size_t      n = 0;
    int         fd;
    pl_rc       rc;

    (void)snprintf(path, sizeof path, "%.4000s/plumbline-xlsx-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    fd = mkstemp(path);
    if (fd < 0)
        return pl_fail(err, PL_IO, "cannot make a temporary file in '%.200s': %s", tmp && *tmp ? tmp : "/tmp", strerror(errno));
    (void)close(fd);
    rc = book_write(path, csv, form, err);
    if (rc == PL_OK)
        rc = pl_file_read(path, REGISTRY_XLSX_PART_MAX, &bytes, &n, err);
    (void)unlink(path);
    if (rc == PL_OK)
        pl_buf_put(out, (pl_str){ bytes, n });
    free(bytes);
    return rc == PL_OK ? pl_buf_check(out, err) : rc;
}
