/* Other people's word lists: bytes of some encoding into words with what stands beside them. */
#include "base/banned.h"

#include "base/csv.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cap/pack/pack_list.h"

#include <iconv.h>

#define LINE_MAX_BYTES 65536u

/* --- encoding ----------------------------------------------------------------------------- */

static const char *encoding_guess(pl_str s)
{
    if (s.n >= 2 && (memcmp(s.p, "\xff\xfe", 2) == 0 || memcmp(s.p, "\xfe\xff", 2) == 0))
        return "UTF-16";
    return pl_utf8_valid(s) ? "UTF-8" : "GB18030";
}

/* Converts in pieces. Bytes that are no character of the encoding are passed over and counted. */
static pl_rc convert(iconv_t cd, pl_str in, pl_buf *out, size_t *bad, pl_error *err)
{
    char  *from = (char *)(uintptr_t)in.p, piece[16384];
    size_t left = in.n;

    while (left > 0) {
        char  *to = piece;
        size_t room = sizeof piece, before = left;
        size_t n = iconv(cd, &from, &left, &to, &room);

        pl_buf_put(out, (pl_str){ piece, (size_t)(to - piece) });
        if (n == (size_t)-1 && left == before && room == sizeof piece) { /* stuck */
            from++;
            left--;
            ++*bad;
        }
    }
    return pl_buf_check(out, err);
}

/* Takes out what is not UTF-8: iconv lets code points beyond Unicode through. */
static size_t scrub(pl_buf *b)
{
    size_t   from = 0, to = 0, bad = 0;
    uint32_t cp;

    while (from < b->n) {
        int len = pl_utf8_decode((pl_str){ b->p + from, b->n - from }, &cp);

        if (len > 0)
            memmove(b->p + to, b->p + from, (size_t)len);
        else
            bad++;
        to += len > 0 ? (size_t)len : 0;
        from += len > 0 ? (size_t)len : 1;
    }
    b->n = to;
    return bad;
}

pl_rc pack_list_decode(pl_str bytes, const char *encoding, pack_list *out, pl_error *err)
{
    iconv_t cd;
    pl_rc   rc;

    out->encoding = strcmp(encoding, "auto") == 0 ? encoding_guess(bytes) : encoding;
    out->text = (pl_buf)PL_BUF_INIT(PACK_LIST_MAX * 2);
    cd = iconv_open("UTF-8", out->encoding);
    if (cd == (iconv_t)-1)
        return pl_fail(err, PL_INVALID, "unknown encoding '%.40s'", encoding);
    rc = convert(cd, bytes, &out->text, &out->bad_bytes, err);
    (void)iconv_close(cd);
    if (!pl_utf8_valid(pl_buf_str(&out->text)))
        out->bad_bytes += scrub(&out->text);
    return rc;
}

void pack_list_done(pack_list *l)
{
    pl_buf_done(&l->text);
}

/* --- fields ------------------------------------------------------------------------------- */

static const char *const names_of[PACK_LIST_FIELDS] = {
    "text word words keyword keywords term 词 词语 词条 关键词 敏感词 文本 内容",
    "category class type 类别 分类 类型",
    "severity level 严重度 等级 级别",
    "risk 风险 风险类别",
    "lang language 语言",
};

static bool among(const char *names, pl_str name)
{
    pl_str rest = pl_str_z(names), one;

    while (pl_str_split(&rest, ' ', &one))
        if (one.n == name.n && strncasecmp(one.p, name.p, one.n) == 0)
            return true;
    return false;
}

/* "text=词,category=类别": the header of a field, or the empty view. */
static pl_str mapped(const char *columns, size_t field)
{
    static const char *const keys[PACK_LIST_FIELDS] = { "text", "category", "severity", "risk",
                                                        "lang" };
    pl_str rest = pl_str_z(columns), one;
    size_t n = strlen(keys[field]);

    while (pl_str_split(&rest, ',', &one))
        if (one.n > n + 1 && memcmp(one.p, keys[field], n) == 0 && one.p[n] == '=')
            return (pl_str){ one.p + n + 1, one.n - n - 1 };
    return PL_STR("");
}

typedef struct table {
    char   separator;
    pl_buf cell[PACK_LIST_FIELDS], other;
    int    column[PACK_LIST_FIELDS]; /* -1: not there */
} table;

static pl_rc header_read(table *t, pl_str line, const char *columns, pl_error *err)
{
    for (size_t f = 0; f < PACK_LIST_FIELDS; f++)
        t->column[f] = -1;
    for (int i = 0; pl_csv_cell(&line, t->separator, &t->other); i++) {
        pl_str name = pl_str_trim(pl_buf_str(&t->other));

        for (size_t f = 0; f < PACK_LIST_FIELDS; f++) {
            pl_str want = columns != NULL ? mapped(columns, f) : PL_STR("");

            if (t->column[f] < 0 && (want.n > 0 ? pl_str_eq(want, name) : among(names_of[f], name)))
                t->column[f] = i;
        }
    }
    if (t->column[PACK_LIST_TEXT] < 0)
        return pl_fail(err, PL_INVALID, "the first line names no column of words; say which with "
                                        "--columns text=NAME");
    return PL_OK;
}

static void line_cells(table *t, pl_str line, pack_list_item *item)
{
    for (int i = 0; line.p != NULL; i++) {
        pl_buf *into = &t->other;

        for (size_t f = 0; f < PACK_LIST_FIELDS; f++)
            if (t->column[f] == i)
                into = &t->cell[f];
        (void)pl_csv_cell(&line, t->separator, into);
        for (size_t f = 0; f < PACK_LIST_FIELDS; f++)
            if (t->column[f] == i)
                item->field[f] = pl_str_trim(pl_buf_str(into));
    }
}

static pl_rc table_each(const pack_list *l, char separator, const char *columns, pack_list_fn fn,
                        void *ctx, pl_error *err)
{
    table          t = { .separator = separator, .other = PL_BUF_INIT(LINE_MAX_BYTES) };
    pl_str         rest = pl_buf_str(&l->text), line;
    pack_list_item item = { 0 };
    pl_rc          rc = PL_OK;

    for (size_t f = 0; f < PACK_LIST_FIELDS; f++)
        t.cell[f] = (pl_buf)PL_BUF_INIT(LINE_MAX_BYTES);
    while (rc == PL_OK && pl_str_split(&rest, '\n', &line)) {
        memset(item.field, 0, sizeof item.field);
        if (++item.line == 1) {
            rc = header_read(&t, line, columns, err);
            continue;
        }
        if (line.n < LINE_MAX_BYTES)
            line_cells(&t, line, &item);
        rc = fn(ctx, &item, err);
    }
    for (size_t f = 0; f < PACK_LIST_FIELDS; f++)
        pl_buf_done(&t.cell[f]);
    pl_buf_done(&t.other);
    return rc;
}

/* --- one word a line ------------------------------------------------------------------------ */

/* Lists are often the inside of an array: every line ends with a comma, some have quotes. */
static pl_str bare(pl_str s)
{
    static const char *const ends[] = { ",", ";", "\xef\xbc\x8c", "\xe3\x80\x81", "\xef\xbc\x9b",
                                        NULL }; /* ， 、 ； */

    s = pl_str_trim(s);
    for (size_t i = 0; ends[i] != NULL; i++)
        if (pl_str_ends(s, pl_str_z(ends[i]))) {
            s.n -= strlen(ends[i]);
            s = pl_str_trim(s);
            i = SIZE_MAX; /* again from the first */
        }
    if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
        s = pl_str_trim((pl_str){ s.p + 1, s.n - 2 });
    return s;
}

static pl_rc lines_each(const pack_list *l, pack_list_fn fn, void *ctx, pl_error *err)
{
    pl_str         rest = pl_buf_str(&l->text), line;
    pack_list_item item = { 0 };
    pl_rc          rc = PL_OK;

    while (rc == PL_OK && pl_str_split(&rest, '\n', &line)) {
        item.line++;
        item.field[PACK_LIST_TEXT] = bare(line);
        rc = fn(ctx, &item, err);
    }
    return rc;
}

pl_rc pack_list_each(const pack_list *l, const char *format, const char *columns, pack_list_fn fn,
                     void *ctx, pl_error *err)
{
    pack_list body = *l;

    if (pl_str_starts(pl_buf_str(&body.text), PL_STR("\xef\xbb\xbf"))) { /* byte order mark */
        body.text.p += 3;
        body.text.n -= 3;
    }
    if (strcmp(format, "lines") == 0)
        return lines_each(&body, fn, ctx, err);
    if (strcmp(format, "csv") == 0 || strcmp(format, "tsv") == 0)
        return table_each(&body, format[0] == 'c' ? ',' : '\t', columns, fn, ctx, err);
    return pl_fail(err, PL_INVALID, "unknown format '%.40s'; lines, csv and tsv are known", format);
}
