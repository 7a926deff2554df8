/* What changed between two documents of one template. */
#include "base/banned.h"

#include "cap/disclosure/disclosure_int.h"

static void change_add(json_t *out, const json_t *section, const json_t *label, const json_t *before,
                       const json_t *after)
{
    (void)json_array_append_new(out, json_pack("{s:O, s:O, s:O, s:O}", "section", json_object_get(section, "title"),
                                               "label", label, "before", before, "after", after));
}

static void fields_diff(json_t *out, const json_t *a, const json_t *b)
{
    const json_t *fa = json_object_get(a, "fields"), *fb = json_object_get(b, "fields");

    for (size_t i = 0; i < json_array_size(fa) && i < json_array_size(fb); i++) {
        const json_t *x = json_array_get(fa, i), *y = json_array_get(fb, i);

        if (!json_equal(json_object_get(x, "value"), json_object_get(y, "value")))
            change_add(out, b, json_object_get(y, "label"), json_object_get(x, "value"),
                       json_object_get(y, "value"));
    }
}

/* A row as one text. */
static json_t *row_text(const json_t *row)
{
    pl_buf        b = PL_BUF_INIT(64u << 10);
    const json_t *one;
    size_t        i;
    json_t       *text;

    json_array_foreach(json_object_get(row, "cells"), i, one)
        pl_buf_printf(&b, "%s%s", i ? " | " : "", json_string_value(one) ? json_string_value(one) : "-");
    text = json_stringn(b.p ? b.p : "", b.n);
    pl_buf_done(&b);
    return text;
}

static bool has_row(const json_t *rows, const json_t *row)
{
    const json_t *one;
    size_t        i;

    json_array_foreach((json_t *)(uintptr_t)rows, i, one)
        if (json_equal(json_object_get(one, "cells"), json_object_get(row, "cells")))
            return true;
    return false;
}

/* Rows that are only in the one are gone, rows only in the other are new. */
static void rows_diff(json_t *out, const json_t *section, const json_t *table, const json_t *rows, const json_t *other,
                      bool is_gone)
{
    const json_t *one;
    size_t        i;

    json_array_foreach((json_t *)(uintptr_t)rows, i, one)
        if (!has_row(other, one)) {
            json_t *text = row_text(one), *none = json_null();

            change_add(out, section, json_object_get(table, "caption"), is_gone ? text : none, is_gone ? none : text);
            json_decref(text);
        }
}

pl_rc disclosure_diff(const json_t *before, const json_t *after, json_t **out, pl_error *err)
{
    const json_t *sa = json_object_get(before, "sections"), *sb = json_object_get(after, "sections");
    json_t       *changes = json_array();

    if (changes == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    if (json_array_size(sa) != json_array_size(sb)) {
        json_decref(changes);
        return pl_fail(err, PL_INVALID, "the documents are not of one template");
    }
    for (size_t i = 0; i < json_array_size(sa); i++) {
        const json_t *a = json_array_get(sa, i), *b = json_array_get(sb, i);
        const json_t *ta = json_object_get(a, "table"), *tb = json_object_get(b, "table");

        fields_diff(changes, a, b);
        rows_diff(changes, b, tb, json_object_get(ta, "rows"), json_object_get(tb, "rows"), true);
        rows_diff(changes, b, tb, json_object_get(tb, "rows"), json_object_get(ta, "rows"), false);
    }
    *out = changes;
    return PL_OK;
}
