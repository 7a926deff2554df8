/* A workbook into CSV: libarchive unpacks, expat reads, both into bounded buffers. */
#include "base/banned.h"

#include "base/str.h"
#include "base/utf8.h"
#include "cap/registry/registry_convert.h"
#include "cap/registry/registry_xlsx.h"
#include "engine/flow/calendar.h"

#include <archive.h>
#include <archive_entry.h>
#include <expat.h>

#define PARTS_MAX   4096
#define STRINGS_MAX 1000000
#define CHUNK       (64u << 10)

bool registry_is_xlsx(pl_str bytes)
{
    return pl_str_starts(bytes, PL_STR("PK\3\4"));
}

/* --- parts ------------------------------------------------------------------------------------- */

typedef struct part {
    const char *name;
    pl_buf      text;
    bool        is_there;
} part;

static pl_rc part_fill(struct archive *a, part *p, pl_error *err)
{
    char    *chunk = malloc(CHUNK);
    la_ssize_t n = 0;
    pl_rc    rc = chunk ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    p->is_there = true;
    while (rc == PL_OK && (n = archive_read_data(a, chunk, CHUNK)) > 0) {
        pl_buf_put(&p->text, (pl_str){ chunk, (size_t)n });
        if (p->text.failed)
            rc = pl_fail(err, PL_LIMIT, "the workbook's part %s is larger than %u MiB", p->name,
                         REGISTRY_XLSX_PART_MAX >> 20);
    }
    free(chunk);
    return rc == PL_OK && n < 0 ? pl_fail(err, PL_INVALID, "the workbook is damaged or encrypted") : rc;
}

static part *wanted(part *parts, size_t count, const char *name)
{
    for (size_t i = 0; name && i < count; i++)
        if (parts[i].name && strcmp(parts[i].name, *name == '/' ? name + 1 : name) == 0)
            return &parts[i];
    return NULL;
}

/* Fills the parts that are there; a name twice is no workbook. */
static pl_rc parts_read(pl_str bytes, part *parts, size_t count, pl_error *err)
{
    struct archive       *a = archive_read_new();
    struct archive_entry *e;
    pl_rc                 rc = a ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
    int                   got = ARCHIVE_OK;

    if (rc != PL_OK)
        return rc;
    (void)archive_read_support_format_zip(a);
    (void)archive_read_open_memory(a, bytes.p, bytes.n);
    for (int n = 0; rc == PL_OK && (got = archive_read_next_header(a, &e)) == ARCHIVE_OK; n++) {
        part *p = wanted(parts, count, archive_entry_pathname(e));

        if (n == PARTS_MAX)
            rc = pl_fail(err, PL_LIMIT, "the workbook has more than %d parts", PARTS_MAX);
        else if (p && p->is_there)
            rc = pl_fail(err, PL_INVALID, "the workbook has the part %s twice", p->name);
        else if (p)
            rc = part_fill(a, p, err);
    }
    if (rc == PL_OK && got != ARCHIVE_EOF)
        rc = pl_fail(err, PL_INVALID, "the workbook is damaged or encrypted");
    archive_read_free(a);
    return rc;
}

/* --- XML ---------------------------------------------------------------------------------------- */

typedef struct xml {
    XML_Parser parser;
    void (*start)(struct xml *x, const char *name, const char **attrs);
    void (*end)(struct xml *x, const char *name);
    pl_buf    *text; /* characters go here; NULL: nowhere */
    void      *ctx;
    pl_rc      rc;
    pl_error  *err;
} xml;

static void stop(xml *x, pl_rc rc)
{
    x->rc = rc;
    (void)XML_StopParser(x->parser, XML_FALSE);
}

/* Names without their prefix: writers choose it. */
static const char *local(const char *name)
{
    const char *colon = strrchr(name, ':');

    return colon ? colon + 1 : name;
}

static const char *attr(const char **attrs, const char *name)
{
    for (; *attrs; attrs += 2)
        if (strcmp(local(attrs[0]), name) == 0)
            return attrs[1];
    return NULL;
}

static void on_start(void *u, const XML_Char *name, const XML_Char **attrs)
{
    xml *x = u;

    x->start(x, local(name), attrs);
}

static void on_end(void *u, const XML_Char *name)
{
    xml *x = u;

    if (x->end)
        x->end(x, local(name));
}

static void on_text(void *u, const XML_Char *s, int n)
{
    xml *x = u;

    if (x->text) {
        pl_buf_put(x->text, (pl_str){ s, (size_t)n });
        if (x->text->failed)
            stop(x, pl_fail(x->err, PL_LIMIT, "the workbook holds a text that is too long"));
    }
}

static void on_doctype(void *u, const XML_Char *name, const XML_Char *sys, const XML_Char *pub, int internal)
{
    xml *x = u;

    (void)name, (void)sys, (void)pub, (void)internal;
    stop(x, pl_fail(x->err, PL_INVALID, "the workbook declares a document type"));
}

static pl_rc xml_walk(xml *x, const part *p)
{
    x->parser = XML_ParserCreate(NULL);
    if (!x->parser)
        return pl_fail(x->err, PL_NOMEM, "out of memory");
    XML_SetUserData(x->parser, x);
    XML_SetElementHandler(x->parser, on_start, on_end);
    XML_SetCharacterDataHandler(x->parser, on_text);
    XML_SetStartDoctypeDeclHandler(x->parser, on_doctype);
    if (XML_Parse(x->parser, p->text.p ? p->text.p : "", (int)p->text.n, 1) != XML_STATUS_OK && x->rc == PL_OK)
        x->rc = pl_fail(x->err, PL_INVALID, "the workbook's part %s is not well-formed XML (line %lu)", p->name,
                        XML_GetCurrentLineNumber(x->parser));
    XML_ParserFree(x->parser);
    return x->rc;
}

/* --- which sheet is first -------------------------------------------------------------------------- */

typedef struct found {
    char id[64];     /* of the relation */
    char target[200];
} found;

static void workbook_start(xml *x, const char *name, const char **attrs)
{
    found      *f = x->ctx;
    const char *id = strcmp(name, "sheet") == 0 ? attr(attrs, "id") : NULL;

    if (id && !*f->id)
        (void)snprintf(f->id, sizeof f->id, "%s", id);
}

static void relations_start(xml *x, const char *name, const char **attrs)
{
    found      *f = x->ctx;
    const char *id = attr(attrs, "Id"), *target = attr(attrs, "Target");

    if (strcmp(name, "Relationship") == 0 && id && target && strcmp(id, f->id) == 0)
        (void)snprintf(f->target, sizeof f->target, "%s%s", *target == '/' ? "" : "xl/",
                       *target == '/' ? target + 1 : target);
}

static pl_rc first_sheet(pl_str bytes, found *f, pl_error *err)
{
    part  parts[2] = { { "xl/workbook.xml", PL_BUF_INIT(1u << 20), false },
                       { "xl/_rels/workbook.xml.rels", PL_BUF_INIT(1u << 20), false } };
    xml   x = { .start = workbook_start, .ctx = f, .err = err };
    pl_rc rc = parts_read(bytes, parts, 2, err);

    if (rc == PL_OK && (!parts[0].is_there || !parts[1].is_there))
        rc = pl_fail(err, PL_INVALID, "not a workbook in the format XLSX");
    if (rc == PL_OK)
        rc = xml_walk(&x, &parts[0]);
    x.start = relations_start;
    if (rc == PL_OK)
        rc = xml_walk(&x, &parts[1]);
    if (rc == PL_OK && !*f->target)
        rc = pl_fail(err, PL_INVALID, "the workbook has no sheet");
    pl_buf_done(&parts[0].text);
    pl_buf_done(&parts[1].text);
    return rc;
}

/* --- shared strings ---------------------------------------------------------------------------------- */

/* One text after the other; `at` has the end of each. */
typedef struct strings {
    pl_buf  text;
    size_t *at;
    size_t  n, room;
    int     phonetic; /* inside of a reading aid */
} strings;

static void strings_start(xml *x, const char *name, const char **attrs)
{
    strings *s = x->ctx;

    (void)attrs;
    s->phonetic += strcmp(name, "rPh") == 0;
    x->text = strcmp(name, "t") == 0 && !s->phonetic ? &s->text : NULL;
}

static void strings_end(xml *x, const char *name)
{
    strings *s = x->ctx;
    size_t  *more;

    x->text = NULL;
    s->phonetic -= strcmp(name, "rPh") == 0;
    if (strcmp(name, "si") != 0)
        return;
    if (s->n == s->room) {
        s->room = s->room ? s->room * 2 : 256;
        more = s->n < STRINGS_MAX ? realloc(s->at, s->room * sizeof *s->at) : NULL;
        if (!more) {
            stop(x, pl_fail(x->err, PL_LIMIT, "the workbook has more than %d texts", STRINGS_MAX));
            return;
        }
        s->at = more;
    }
    s->at[s->n++] = s->text.n;
}

static bool string_get(const strings *s, pl_str index, pl_str *out)
{
    uint64_t i = 0;

    if (pl_str_u64(index, &i, NULL) != PL_OK || i >= s->n)
        return false;
    *out = (pl_str){ s->text.p + (i ? s->at[i - 1] : 0), s->at[i] - (i ? s->at[i - 1] : 0) };
    if (out->n == 0)
        *out = PL_STR("");
    return true;
}

/* --- the sheet --------------------------------------------------------------------------------------- */

typedef struct sheet {
    const strings *strings;
    const pl_form *form;
    pl_buf        *csv;
    pl_buf         cell, head;  /* text of a cell; keys of the first row, each ended by a NUL */
    bool           date[REGISTRY_XLSX_COLUMNS];
    size_t         row, column; /* rows begun; commas written in this one */
    size_t         next;        /* column after the last cell */
    size_t         at;          /* column of the cell in hand */
    char           type[12], ref[16];
    int            phonetic;
} sheet;

/* "BC12": the column from 0; PL_NOTFOUND: there are no letters. */
static size_t column_of(const char *ref)
{
    size_t n = 0;

    for (; *ref >= 'A' && *ref <= 'Z' && n <= REGISTRY_XLSX_COLUMNS; ref++)
        n = n * 26 + (size_t)(*ref - 'A') + 1;
    return n ? n - 1 : SIZE_MAX;
}

static void cell_begin(xml *x, sheet *s, const char **attrs)
{
    const char *ref = attr(attrs, "r"), *type = attr(attrs, "t");
    size_t      at = ref ? column_of(ref) : SIZE_MAX;

    pl_buf_clear(&s->cell);
    s->at = at == SIZE_MAX ? s->next : at;
    (void)snprintf(s->type, sizeof s->type, "%s", type ? type : "n");
    (void)snprintf(s->ref, sizeof s->ref, "%s", ref ? ref : "?");
    if (s->at >= REGISTRY_XLSX_COLUMNS)
        stop(x, pl_fail(x->err, PL_LIMIT, "the sheet has more than %d columns", REGISTRY_XLSX_COLUMNS));
    else if (s->at < s->next)
        stop(x, pl_fail(x->err, PL_INVALID, "cell %s of the sheet is out of order", s->ref));
    s->next = s->at + 1;
}

static void sheet_start(xml *x, const char *name, const char **attrs)
{
    sheet *s = x->ctx;

    s->phonetic += strcmp(name, "rPh") == 0;
    x->text = NULL;
    if (strcmp(name, "row") == 0) {
        s->column = s->next = 0;
        if (s->row++ == REGISTRY_XLSX_ROWS)
            stop(x, pl_fail(x->err, PL_LIMIT, "the sheet has more than %d rows", REGISTRY_XLSX_ROWS));
    } else if (strcmp(name, "c") == 0) {
        cell_begin(x, s, attrs);
    } else if ((strcmp(name, "v") == 0 || strcmp(name, "t") == 0) && !s->phonetic) {
        x->text = &s->cell;
    }
}

static void quoted(pl_buf *csv, pl_str s)
{
    pl_buf_putc(csv, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"')
            pl_buf_putc(csv, '"');
        pl_buf_putc(csv, s.p[i]);
    }
    pl_buf_putc(csv, '"');
}

/* Days since 1899-12-30 are how sheets keep dates (part 1, 18.17.4.1). */
static bool date_of(pl_str s, char out[11])
{
    uint64_t days = 0;

    if (pl_str_u64(s, &days, NULL) != PL_OK || days < 61 || days > 2958465)
        return false;
    pl_day_format((int64_t)days - 25569, out);
    return true;
}

static bool is_date(const pl_form *form, pl_str key)
{
    for (size_t i = 0; i < pl_form_count(form); i++)
        if (pl_str_eq(pl_form_field(form, i).key, key))
            return pl_form_field(form, i).type == PL_FIELD_DATE;
    return false;
}

static void cell_put(sheet *s, pl_str value)
{
    char date[11];

    for (; s->column < s->at; s->column++)
        pl_buf_putc(s->csv, ',');
    if (s->row == 1)
        s->date[s->at] = is_date(s->form, pl_str_trim(value));
    else if (s->date[s->at] && strcmp(s->type, "n") == 0 && date_of(value, date))
        value = pl_str_z(date);
    if (value.n > 0)
        quoted(s->csv, value);
}

static void cell_end(xml *x, sheet *s)
{
    pl_str value = pl_buf_str(&s->cell);

    if (strcmp(s->type, "s") == 0 && !string_get(s->strings, value, &value))
        stop(x, pl_fail(x->err, PL_INVALID, "cell %s of the sheet names a text that is not there", s->ref));
    else if (strcmp(s->type, "e") == 0)
        stop(x, pl_fail(x->err, PL_INVALID, "cell %s of the sheet holds the error %.20s", s->ref, value.n ? value.p : "?"));
    else if (strcmp(s->type, "b") == 0)
        cell_put(s, pl_str_eqz(value, "1") ? PL_STR("true") : PL_STR("false"));
    else
        cell_put(s, value);
}

static void sheet_end(xml *x, const char *name)
{
    sheet *s = x->ctx;

    x->text = NULL;
    s->phonetic -= strcmp(name, "rPh") == 0;
    if (strcmp(name, "c") == 0 && x->rc == PL_OK) {
        pl_buf_putc(&s->cell, '\0');
        s->cell.n--;
        cell_end(x, s);
    }
    if (strcmp(name, "row") == 0)
        pl_buf_puts(s->csv, "\r\n");
    if (s->csv->failed && x->rc == PL_OK)
        stop(x, pl_fail(x->err, PL_LIMIT, "the sheet is larger than %u MiB as text", REGISTRY_DOCUMENT_MAX >> 20));
}

/* --- the whole ----------------------------------------------------------------------------------------- */

pl_rc registry_xlsx_read(pl_str bytes, const pl_form *form, pl_buf *csv, pl_error *err)
{
    found   f = { "", "" };
    strings texts = { .text = PL_BUF_INIT(REGISTRY_XLSX_PART_MAX) };
    sheet  *s = calloc(1, sizeof *s);
    xml     x = { .start = strings_start, .end = strings_end, .ctx = &texts, .err = err };
    part    parts[2] = { { "xl/sharedStrings.xml", PL_BUF_INIT(REGISTRY_XLSX_PART_MAX), false },
                         { f.target, PL_BUF_INIT(REGISTRY_XLSX_PART_MAX), false } };
    pl_rc   rc = s ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK && bytes.n > REGISTRY_XLSX_MAX)
        rc = pl_fail(err, PL_LIMIT, "the workbook is larger than %u MiB", REGISTRY_XLSX_MAX >> 20);
    if (rc == PL_OK)
        rc = first_sheet(bytes, &f, err);
    if (rc == PL_OK)
        rc = parts_read(bytes, parts, 2, err);
    if (rc == PL_OK && !parts[1].is_there)
        rc = pl_fail(err, PL_INVALID, "the workbook's first sheet is missing");
    if (rc == PL_OK && parts[0].is_there)
        rc = xml_walk(&x, &parts[0]);
    if (rc == PL_OK) {
        *s = (sheet){ .strings = &texts, .form = form, .csv = csv, .cell = PL_BUF_INIT(PL_FORM_TEXT_MAX * 4u) };
        x = (xml){ .start = sheet_start, .end = sheet_end, .ctx = s, .err = err };
        rc = xml_walk(&x, &parts[1]);
        pl_buf_done(&s->cell);
    }
    pl_buf_done(&parts[0].text);
    pl_buf_done(&parts[1].text);
    pl_buf_done(&texts.text);
    free(texts.at);
    free(s);
    return rc;
}
