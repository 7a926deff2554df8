#include "pl_test.h"

#include "base/str.h"
#include "cap/registry/registry_convert.h"
#include "cap/registry/registry_xlsx.h"

#include <archive.h>
#include <archive_entry.h>

static const char form_text[] =
    "{\"id\":\"f\",\"title\":{\"zh\":\"a\",\"en\":\"a\"},\"fields\":["
    "{\"key\":\"name\",\"type\":\"text\",\"zh\":\"a\",\"en\":\"a\"},{\"key\":\"size\",\"type\":\"number\",\"zh\":\"a\",\"en\":\"a\"},"
    "{\"key\":\"day\",\"type\":\"date\",\"zh\":\"a\",\"en\":\"a\"},{\"key\":\"on\",\"type\":\"bool\",\"zh\":\"a\",\"en\":\"a\"},"
    "{\"key\":\"tags\",\"type\":\"texts\",\"zh\":\"a\",\"en\":\"a\"}]}";
static pl_form *form;

static int setup(void **state)
{
    json_t  *tree = json_loads(form_text, 0, NULL);
    pl_error err = { 0 };

    (void)state;
    assert_ok(pl_form_new(tree, "f", &form, &err), &err);
    json_decref(tree);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pl_form_free(form);
    return 0;
}

/* --- workbooks made by hand ---------------------------------------------------------------------- */

#define BOOK "<workbook xmlns:r='x'><sheets><sheet name='a' sheetId='1' r:id='r1'/><sheet name='b' sheetId='2' r:id='r2'/></sheets></workbook>"
#define RELS "<Relationships><Relationship Id='r2' Target='worksheets/sheet1.xml'/><Relationship Id='r1' Target='worksheets/first.xml'/></Relationships>"
#define HEAD "<row r='1'><c r='A1' t='inlineStr'><is><t>name</t></is></c><c r='B1' t='inlineStr'><is><t>size</t></is></c>" \
             "<c r='C1' t='inlineStr'><is><t>day</t></is></c><c r='D1' t='inlineStr'><is><t>on</t></is></c></row>"
#define SHEET(rows) "<worksheet><sheetData>" HEAD rows "</sheetData></worksheet>"

typedef struct member {
    const char *name, *text;
} member;

static size_t zip(const member *m, char *out, size_t room)
{
    struct archive *a = archive_write_new();
    size_t          n = 0;

    assert_int_equal(archive_write_set_format_zip(a), ARCHIVE_OK);
    assert_int_equal(archive_write_open_memory(a, out, room, &n), ARCHIVE_OK);
    for (; m->name; m++) {
        struct archive_entry *e = archive_entry_new();
        archive_entry_set_pathname(e, m->name);
        archive_entry_set_size(e, (la_int64_t)strlen(m->text));
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_perm(e, 0600);
        assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
        assert_int_equal(archive_write_data(a, m->text, strlen(m->text)), (la_ssize_t)strlen(m->text));
        archive_entry_free(e);
    }
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    archive_write_free(a);
    return n;
}

/* A book with one sheet and these shared strings. */
static pl_rc read_sheet(const char *sheet, const char *shared, pl_buf *csv, pl_error *err)
{
    member m[] = { { "xl/workbook.xml", BOOK }, { "xl/_rels/workbook.xml.rels", RELS }, { "xl/worksheets/first.xml", sheet },
                   { shared ? "xl/sharedStrings.xml" : NULL, shared }, { NULL, NULL } };
    char  *bytes = malloc(1u << 20);
    size_t n = zip(m, bytes, 1u << 20);
    pl_rc  rc;

    pl_buf_clear(csv);
    rc = registry_xlsx_read((pl_str){ bytes, n }, form, csv, err);
    free(bytes);
    return rc;
}

static void reads(const char *rows, const char *shared, const char *want)
{
    pl_error err = { 0 };
    pl_buf   csv = PL_BUF_INIT(1u << 20);

    assert_ok(read_sheet(rows, shared, &csv, &err), &err);
    pl_buf_putc(&csv, '\0');
    assert_string_equal(csv.p, want);
    pl_buf_done(&csv);
}

#define HEAD_CSV "\"name\",\"size\",\"day\",\"on\"\r\n"

static void the_first_sheet_of_the_book_is_read(void **state)
{
    (void)state;
    reads(SHEET("<row r='2'><c r='A2' t='inlineStr'><is><t>x, \"y\"</t></is></c><c r='B2'><v>1E+25</v></c><c r='C2' s='3'><v>46063</v></c>"
                "<c r='D2' t='b'><v>1</v></c></row>"),
          NULL, HEAD_CSV "\"x, \"\"y\"\"\",\"1E+25\",\"2026-02-10\",\"true\"\r\n");
    /* Cells that are left out, without places, and a row that is empty. */
    reads(SHEET("<row/><row><c r='C3'><v>61</v></c></row><row><c t='str'><v>a</v></c><c><v>2</v></c></row>"), NULL,
          HEAD_CSV "\r\n,,\"1900-03-01\"\r\n\"a\",\"2\"\r\n");
    /* A date that is a text stays one. */
    reads(SHEET("<row><c r='C2' t='str'><v>46063</v></c></row>"), NULL, HEAD_CSV ",,\"46063\"\r\n");
}

static void shared_texts_are_put_together_without_reading_aids(void **state)
{
    (void)state;
    reads(SHEET("<row><c t='s'><v>1</v></c><c t='s'><v>0</v></c><c t='s'><v>2</v></c></row>"),
          "<sst><si><t>7</t></si><si><r><t>\xe4\xb8\x9c</t></r><r><t>\xe4\xba\xac</t></r><rPh sb='0' eb='1'><t>x</t></rPh></si><si/></sst>",
          HEAD_CSV "\"\xe4\xb8\x9c\xe4\xba\xac\",\"7\",\r\n");
}

static void faults_are_told(void **state)
{
    static const struct {
        const char *sheet, *shared, *why;
        pl_rc       rc;
    } bad[] = {
        { SHEET("<row><c r='B2' t='s'><v>0</v></c></row>"), NULL, "cell B2 of the sheet names a text that is not there", PL_INVALID },
        { SHEET("<row><c t='s'><v>-1</v></c></row>"), "<sst><si><t>a</t></si></sst>", "is not there", PL_INVALID },
        { SHEET("<row><c r='C7' t='e'><v>#REF!</v></c></row>"), NULL, "cell C7 of the sheet holds the error #REF!", PL_INVALID },
        { SHEET("<row><c r='C2'><v>1</v></c><c r='B2'><v>1</v></c></row>"), NULL, "cell B2 of the sheet is out of order", PL_INVALID },
        { SHEET("<row><c r='ZZZZ2'><v>1</v></c></row>"), NULL, "more than 512 columns", PL_LIMIT },
        { SHEET("<row>"), NULL, "not well-formed XML", PL_INVALID },
        { "<!DOCTYPE a [<!ENTITY b 'c'>]><worksheet/>", NULL, "declares a document type", PL_INVALID },
    };
    pl_buf csv = PL_BUF_INIT(1u << 20);

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pl_error err = { 0 };
        assert_int_equal(read_sheet(bad[i].sheet, bad[i].shared, &csv, &err), bad[i].rc);
        if (!strstr(err.text, bad[i].why))
            fail_msg("'%s' does not say '%s'", err.text, bad[i].why);
    }
    pl_buf_done(&csv);
}

static void what_is_no_workbook_is_refused(void **state)
{
    static const member nothing[] = { { "a", "b" }, { NULL, NULL } };
    static const member twice[] = { { "xl/workbook.xml", BOOK }, { "xl/workbook.xml", BOOK }, { NULL, NULL } };
    static const member lost[] = { { "xl/workbook.xml", BOOK }, { "xl/_rels/workbook.xml.rels", RELS }, { NULL, NULL } };
    const member *const all[] = { nothing, twice, lost };
    char               *bytes = malloc(1u << 20);
    pl_buf              csv = PL_BUF_INIT(1u << 20);

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        pl_error err = { 0 };
        size_t   n = zip(all[i], bytes, 1u << 20);
        assert_int_equal(registry_xlsx_read((pl_str){ bytes, n }, form, &csv, &err), PL_INVALID);
        assert_true(*err.text);
    }
    free(bytes);
    pl_buf_done(&csv);
}

/* A sheet of spaces packs a thousandfold; it ends at a bound, not with the memory. */
static void a_bomb_ends_at_a_bound(void **state)
{
    size_t   room = (80u << 20), n;
    char    *sheet = malloc(room), *bytes = malloc(8u << 20);
    member   m[] = { { "xl/workbook.xml", BOOK }, { "xl/_rels/workbook.xml.rels", RELS }, { "xl/worksheets/first.xml", sheet },
                     { NULL, NULL } };
    pl_buf   csv = PL_BUF_INIT(1u << 20);
    pl_error err = { 0 };

    (void)state;
    memset(sheet, ' ', room - 1);
    sheet[room - 1] = '\0';
    n = zip(m, bytes, 8u << 20);
    assert_int_equal(registry_xlsx_read((pl_str){ bytes, n }, form, &csv, &err), PL_LIMIT);
    assert_non_null(strstr(err.text, "larger than 64 MiB"));
    free(sheet);
    free(bytes);
    pl_buf_done(&csv);
}

/* --- there and back ------------------------------------------------------------------------------------ */

static const char records_text[] =
    "[{\"id\":\"1\",\"kind\":\"f\",\"version\":1,\"data\":{\"name\":\"007\",\"size\":1e25,\"day\":\"2026-02-10\",\"on\":true,\"tags\":[\"a\",\"b\"]}},"
    "{\"id\":\"2\",\"kind\":\"f\",\"version\":1,\"data\":{\"name\":\"=1+1\",\"size\":0.1,\"on\":false}},"
    "{\"id\":\"3\",\"kind\":\"f\",\"version\":1,\"data\":{\"name\":\"\xe4\xb8\xad <&> \\\"q\\\" \\n line\",\"size\":12345678}}]";

static void make(pl_buf *book)
{
    json_t  *records = json_loads(records_text, 0, NULL);
    pl_error err = { 0 };

    assert_ok(registry_write_xlsx(records, form, book, &err), &err);
    json_decref(records);
}

static void what_is_written_is_read_the_same(void **state)
{
    pl_buf            book = PL_BUF_INIT(1u << 20);
    json_t           *records = json_loads(records_text, 0, NULL), *items = NULL;
    registry_document d = { .where = "x.xlsx", .form = form };
    pl_error          err = { 0 };

    (void)state;
    make(&book);
    assert_true(registry_is_xlsx(pl_buf_str(&book)));
    d.text = pl_buf_str(&book);
    assert_ok(registry_convert(&d, &items, &err), &err);
    assert_int_equal(json_array_size(items), 3);
    for (size_t i = 0; i < 3; i++) {
        json_t *want = json_object_get(json_array_get(records, i), "data"), *got = json_object_get(json_array_get(items, i), "data");
        const char   *key;
        const json_t *v;

        assert_int_equal(json_object_size(got), json_object_size(want));
        json_object_foreach (want, key, v) {
            json_t *other = json_object_get(got, key);
            if (json_is_number(v))
                assert_true(json_number_value(v) == json_number_value(other));
            else
                assert_true(json_equal((json_t *)(uintptr_t)v, other));
        }
    }
    d.form = NULL;
    assert_int_equal(registry_convert(&d, &items, &err), PL_INVALID);
    assert_non_null(strstr(err.text, "say which kind"));
    json_decref(items);
    json_decref(records);
    pl_buf_done(&book);
}

static void cut_anywhere_it_is_damaged_or_whole(void **state)
{
    pl_buf book = PL_BUF_INIT(1u << 20), csv = PL_BUF_INIT(1u << 20), whole = PL_BUF_INIT(1u << 20);
    pl_str s;

    (void)state;
    make(&book);
    s = pl_buf_str(&book);
    assert_int_equal(registry_xlsx_read(s, form, &whole, NULL), PL_OK);
    for (size_t n = 0; n < s.n; n += 1 + s.n / 200) {
        pl_error err = { 0 };
        pl_rc    rc;

        pl_buf_clear(&csv);
        rc = registry_xlsx_read((pl_str){ s.p, n }, form, &csv, &err);
        if (rc == PL_OK)
            assert_true(pl_str_eq(pl_buf_str(&csv), pl_buf_str(&whole)));
        else
            assert_true(rc == PL_INVALID && *err.text);
    }
    pl_buf_done(&book);
    pl_buf_done(&csv);
    pl_buf_done(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_sheet_of_the_book_is_read),
        cmocka_unit_test(shared_texts_are_put_together_without_reading_aids),
        cmocka_unit_test(faults_are_told),
        cmocka_unit_test(what_is_no_workbook_is_refused),
        cmocka_unit_test(a_bomb_ends_at_a_bound),
        cmocka_unit_test(what_is_written_is_read_the_same),
        cmocka_unit_test(cut_anywhere_it_is_damaged_or_whole),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
