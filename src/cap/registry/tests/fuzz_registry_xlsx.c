/* Two ways in: the bytes as a workbook, and the bytes as the sheet of a sound one. Property: what is read is CSV
 * that the reader of CSV takes apart to its end, with no more cells in a row than there may be. */
#include "base/str.h"
#include "cap/registry/registry_convert.h"
#include "cap/registry/registry_xlsx.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>

static void put(struct archive *a, const char *name, const void *p, size_t n)
{
    struct archive_entry *e = archive_entry_new();

    archive_entry_set_pathname(e, name);
    archive_entry_set_size(e, (la_int64_t)n);
    archive_entry_set_filetype(e, AE_IFREG);
    if (archive_write_header(a, e) != ARCHIVE_OK || archive_write_data(a, p, n) != (la_ssize_t)n)
        abort();
    archive_entry_free(e);
}

static size_t wrap(const uint8_t *sheet, size_t n, char *out, size_t room)
{
    static const char book[] = "<workbook><sheets><sheet id='r1'/></sheets></workbook>";
    static const char rels[] = "<Relationships><Relationship Id='r1' Target='s.xml'/></Relationships>";
    static const char strings[] = "<sst><si><t>a</t></si><si><t>b</t></si></sst>";
    struct archive   *a = archive_write_new();
    size_t            used = 0;

    (void)archive_write_set_format_zip(a);
    (void)archive_write_zip_set_compression_store(a);
    (void)archive_write_open_memory(a, out, room, &used);
    put(a, "xl/workbook.xml", book, sizeof book - 1);
    put(a, "xl/_rels/workbook.xml.rels", rels, sizeof rels - 1);
    put(a, "xl/sharedStrings.xml", strings, sizeof strings - 1);
    put(a, "xl/s.xml", sheet, n);
    (void)archive_write_close(a);
    archive_write_free(a);
    return used;
}

static void check(pl_str bytes, const pl_form *form)
{
    pl_buf csv = PL_BUF_INIT(REGISTRY_DOCUMENT_MAX), cell = PL_BUF_INIT(REGISTRY_DOCUMENT_MAX);
    bool   more = false;

    if (registry_xlsx_read(bytes, form, &csv, NULL) == PL_OK) {
        pl_str s = pl_buf_str(&csv);
        for (size_t cells = 0; s.n > 0;) {
            if (registry_csv_cell(&s, &cell, &more, NULL) != PL_OK)
                abort();
            cells = more ? cells + 1 : 0;
            if (cells > REGISTRY_XLSX_COLUMNS)
                abort();
        }
    }
    pl_buf_done(&csv);
    pl_buf_done(&cell);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static pl_form *form;
    size_t          room = n + 8192;
    char           *book = malloc(room);

    if (form == NULL) {
        json_t *tree = json_loads("{\"id\":\"f\",\"title\":{\"zh\":\"a\",\"en\":\"a\"},\"fields\":[{\"key\":\"a\",\"type\":\"date\","
                                  "\"zh\":\"a\",\"en\":\"a\"}]}", 0, NULL);
        if (pl_form_new(tree, "f", &form, NULL) != PL_OK)
            abort();
        json_decref(tree);
    }
    check((pl_str){ (const char *)data, n }, form);
    check((pl_str){ book, wrap(data, n, book, room) }, form);
    free(book);
    return 0;
}
