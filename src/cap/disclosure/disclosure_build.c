/* A template filled from records. */
#include "base/banned.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "cap/disclosure/disclosure_int.h"
#include "cap/registry/pl_registry.h"

#define ROWS_MAX 500

typedef struct builder {
    pl_db      *db;
    pl_arena   *a;
    const char *lang_key; /* "zh" or "en" */
    json_t     *records, *forms; /* seen so far, by id and kind */
    size_t      missing;
} builder;

/* A place in the registry: a record, its form, and the object that fields are read from. */
typedef struct place {
    const json_t *record, *form, *data;
    const json_t *fields; /* of the form, or of a list of rows */
} place;

const char *disclosure_at(const json_t *o, const char *key)
{
    const char *v = json_string_value(json_object_get(o, key));

    return v ? v : "";
}

static const char *word(const builder *b, const json_t *o)
{
    return disclosure_at(o, b->lang_key);
}

/* --- records ------------------------------------------------------------------------------------ */

static pl_rc form_of(builder *b, const char *kind, const json_t **out, pl_error *err)
{
    json_t *form = json_object_get(b->forms, kind);
    pl_rc   rc = PL_OK;

    if (form == NULL) {
        rc = pl_registry_kind(pl_str_z(kind), &form, err);
        if (rc == PL_OK)
            (void)json_object_set_new(b->forms, kind, form);
    }
    *out = form;
    return rc;
}

static pl_rc record_of(builder *b, const char *id, int64_t version, const json_t **out, pl_error *err)
{
    json_t *r = json_object_get(b->records, id);
    pl_rc   rc = PL_OK;

    if (r == NULL) {
        rc = pl_registry_record(b->db, b->a, pl_str_z(id), version, &r, err);
        if (rc == PL_OK)
            (void)json_object_set_new(b->records, id, r);
    }
    *out = r;
    return rc;
}

static pl_rc place_of(builder *b, const char *id, int64_t version, place *out, pl_error *err)
{
    pl_rc rc = record_of(b, id, version, &out->record, err);

    if (rc == PL_OK)
        rc = form_of(b, disclosure_at(out->record, "kind"), &out->form, err);
    if (rc != PL_OK)
        return rc;
    out->data = json_object_get(out->record, "data");
    out->fields = json_object_get(out->form, "fields");
    return PL_OK;
}

static json_t *source_of(const place *p)
{
    return json_pack("{s:O, s:O, s:O}", "title", json_object_get(p->record, "title"), "version",
                     json_object_get(p->record, "version"), "ledger_index",
                     json_object_get(p->record, "ledger_index"));
}

static const json_t *field_named(const json_t *fields, pl_str key)
{
    const json_t *one;
    size_t        i;

    json_array_foreach((json_t *)(uintptr_t)fields, i, one)
        if (pl_str_eqz(key, disclosure_at(one, "key")))
            return one;
    return NULL;
}

/* --- values --------------------------------------------------------------------------------------- */

static const char *option_word(const builder *b, const json_t *field, const char *id)
{
    const json_t *one;
    size_t        i;

    json_array_foreach(json_object_get(field, "options"), i, one)
        if (strcmp(disclosure_at(one, "id"), id) == 0)
            return word(b, one);
    return id;
}

/* Whole numbers in groups of three; others as they are. */
static void number_put(pl_buf *out, const json_t *v)
{
    char   digits[32];
    size_t n;

    if (!json_is_integer(v) || llabs(json_integer_value(v)) > 999999999999999LL) {
        pl_buf_printf(out, "%.6g", json_number_value(v));
        return;
    }
    (void)snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(v));
    n = strlen(digits);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0 && digits[i - 1] != '-')
            pl_buf_putc(out, ',');
        pl_buf_putc(out, digits[i]);
    }
}

static void value_put(builder *b, const json_t *field, const json_t *v, pl_buf *out);

static void list_put(builder *b, const json_t *field, const json_t *list, pl_buf *out)
{
    const json_t *one;
    size_t        i;

    json_array_foreach((json_t *)(uintptr_t)list, i, one) {
        if (i > 0)
            pl_buf_puts(out, b->lang_key[0] == 'z' ? "、" : ", ");
        value_put(b, field, one, out);
    }
}

static void text_put(builder *b, const json_t *field, const json_t *v, pl_buf *out)
{
    const char   *type = disclosure_at(field, "type");
    const json_t *r = NULL;

    if (strncmp(type, "record", 6) == 0)
        pl_buf_puts(out, record_of(b, json_string_value(v), 0, &r, NULL) == PL_OK ? disclosure_at(r, "title")
                                                                                  : json_string_value(v));
    else if (strncmp(type, "choice", 6) == 0)
        pl_buf_puts(out, option_word(b, field, json_string_value(v)));
    else
        pl_buf_put(out, (pl_str){ json_string_value(v), json_string_length(v) });
}

static void value_put(builder *b, const json_t *field, const json_t *v, pl_buf *out)
{
    if (json_is_array(v))
        list_put(b, field, v, out);
    else if (json_is_string(v))
        text_put(b, field, v, out);
    else if (json_is_boolean(v))
        pl_buf_puts(out, b->lang_key[0] == 'z' ? (json_is_true(v) ? "是" : "否") : json_is_true(v) ? "yes" : "no");
    else if (json_is_number(v)) {
        number_put(out, v);
        if (*disclosure_at(field, "unit"))
            pl_buf_printf(out, " %s", disclosure_at(field, "unit"));
    }
}

/* json_null when nothing is there. */
static json_t *value_text(builder *b, const json_t *field, const json_t *v)
{
    pl_buf  out = PL_BUF_INIT(256u << 10);
    json_t *text;

    if (v != NULL)
        value_put(b, field, v, &out);
    text = out.n > 0 && !out.failed ? json_stringn(out.p, out.n) : json_null();
    pl_buf_done(&out);
    return text;
}

json_t *disclosure_value(pl_db *db, pl_arena *a, const char *lang, const json_t *field, const json_t *v)
{
    builder b = { .db = db, .a = a, .lang_key = lang[0] == 'z' ? "zh" : "en", .records = json_object(),
                  .forms = json_object() };
    json_t *text = value_text(&b, field, v);

    json_decref(b.records);
    json_decref(b.forms);
    return text;
}

/* --- fields ----------------------------------------------------------------------------------------- */

/* Follows "organisation.name": records on the way, a field at the end. *value stays NULL when the way
 * ends early. PL_INVALID: the template names a field the kind does not have. */
static pl_rc follow(builder *b, const place *from, pl_str path, place *at, const json_t **field,
                    const json_t **value, pl_error *err)
{
    pl_str rest = path, key;

    *at = *from;
    *value = NULL;
    while (pl_str_split(&rest, '.', &key)) {
        const json_t *v;

        *field = field_named(at->fields, key);
        if (*field == NULL)
            return pl_fail(err, PL_INVALID, "the document names a field '%.*s' that the kind does not have",
                           (int)(path.n < 60 ? path.n : 60), path.p);
        v = json_object_getn(at->data, key.p, key.n);
        if (rest.n == 0) {
            *value = v;
            return PL_OK;
        }
        if (!json_is_string(v) || place_of(b, json_string_value(v), 0, at, NULL) != PL_OK) {
            const json_t *form = NULL; /* nothing there: go on by the kind, for the label */
            pl_rc         rc = form_of(b, disclosure_at(*field, "record"), &form, err);

            if (rc != PL_OK)
                return rc;
            *at = (place){ .record = at->record, .form = form, .data = NULL,
                           .fields = json_object_get(form, "fields") };
        }
    }
    return PL_OK;
}

/* What stands for a field in a template: its path, and other words for its label. */
static pl_str path_of(const json_t *f)
{
    const json_t *p = json_is_string(f) ? f : json_object_get(f, "path");

    return (pl_str){ json_string_value(p), json_string_length(p) };
}

static const char *label_of(const builder *b, const json_t *f, const json_t *field)
{
    return json_is_object(f) && *word(b, f) ? word(b, f) : word(b, field);
}

static pl_rc field_build(builder *b, const place *root, const json_t *f, json_t *out, pl_error *err)
{
    const json_t *field = NULL, *value = NULL;
    json_t       *text;
    place         at;
    pl_rc         rc;

    if (json_object_get(f, "ask") != NULL) { /* what the law wants and the registry has no field for */
        b->missing++;
        return json_array_append_new(out, json_pack("{s:s, s:n, s:n}", "label", word(b, json_object_get(f, "ask")),
                                                    "value", "source")) == 0
                   ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
    }
    rc = follow(b, root, path_of(f), &at, &field, &value, err);
    if (rc != PL_OK)
        return rc;
    text = value_text(b, field, value);
    b->missing += json_is_null(text);
    (void)json_array_append_new(out, json_pack("{s:s, s:o, s:o}", "label", label_of(b, f, field), "value", text,
                                               "source", json_is_null(text) ? json_null() : source_of(&at)));
    return PL_OK;
}

static pl_rc fields_build(builder *b, const place *root, const json_t *list, json_t *out, pl_error *err)
{
    const json_t *one;
    size_t        i;
    pl_rc         rc = PL_OK;

    json_array_foreach((json_t *)(uintptr_t)list, i, one) {
        rc = field_build(b, root, one, out, err);
        if (rc != PL_OK)
            break;
    }
    return rc;
}

/* --- tables ---------------------------------------------------------------------------------------- */

static pl_rc row_build(builder *b, const place *p, const json_t *columns, json_t *rows, pl_error *err)
{
    json_t       *cells = json_array();
    const json_t *one;
    size_t        i;

    json_array_foreach((json_t *)(uintptr_t)columns, i, one) {
        const json_t *field = NULL, *value = NULL;
        place         at;
        pl_rc         rc = follow(b, p, path_of(one), &at, &field, &value, err);

        if (rc != PL_OK) {
            json_decref(cells);
            return rc;
        }
        (void)json_array_append_new(cells, value_text(b, field, value));
    }
    return json_array_append_new(rows, json_pack("{s:o, s:o}", "cells", cells, "source", source_of(p))) == 0
               ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

/* Of records that a field names, or of the rows of a list. */
static pl_rc rows_build(builder *b, const place *at, const json_t *field, const json_t *value, const json_t *columns,
                        json_t *rows, pl_error *err)
{
    bool          is_list = strcmp(disclosure_at(field, "type"), "list") == 0;
    const json_t *one;
    size_t        i;
    pl_rc         rc = PL_OK;

    json_array_foreach((json_t *)(uintptr_t)value, i, one) {
        place p = { .record = at->record, .form = at->form, .data = one,
                    .fields = json_object_get(field, "fields") };

        if (i == ROWS_MAX)
            break;
        if (!is_list)
            rc = place_of(b, json_string_value(one), 0, &p, err);
        if (rc == PL_OK)
            rc = row_build(b, &p, columns, rows, err);
        if (rc != PL_OK)
            break;
    }
    return rc;
}

static pl_rc columns_build(builder *b, const json_t *field, const json_t *columns, json_t *out, pl_error *err)
{
    const json_t *one, *form = NULL, *fields = json_object_get(field, "fields");
    size_t        i;
    pl_rc         rc = PL_OK;

    if (fields == NULL) {
        rc = form_of(b, disclosure_at(field, "record"), &form, err);
        fields = json_object_get(form, "fields");
    }
    if (rc == PL_OK)
        json_array_foreach((json_t *)(uintptr_t)columns, i, one) {
            pl_str        rest = path_of(one), key;
            const json_t *f;

            (void)pl_str_split(&rest, '.', &key);
            f = field_named(fields, key);
            if (f == NULL)
                return pl_fail(err, PL_INVALID, "the document names a column '%.40s' that the kind does not have", key.p);
            (void)json_array_append_new(out, json_string(label_of(b, one, f)));
        }
    return rc;
}

static pl_rc table_build(builder *b, const place *root, const json_t *t, json_t **out, pl_error *err)
{
    const json_t *field = NULL, *value = NULL, *columns = json_object_get(t, "columns");
    json_t       *names = json_array(), *rows = json_array();
    const char   *caption;
    place         at;
    pl_rc         rc = follow(b, root, path_of(json_object_get(t, "of")), &at, &field, &value, err);

    if (rc == PL_OK)
        rc = columns_build(b, field, columns, names, err);
    if (rc == PL_OK)
        rc = rows_build(b, &at, field, value, columns, rows, err);
    if (rc != PL_OK) {
        json_decref(names);
        json_decref(rows);
        return rc;
    }
    b->missing += json_array_size(rows) == 0;
    caption = json_object_get(t, "caption") ? word(b, json_object_get(t, "caption")) : word(b, field);
    *out = json_pack("{s:s, s:o, s:o}", "caption", caption, "columns", names, "rows", rows);
    return *out ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

/* --- the whole -------------------------------------------------------------------------------------- */

static json_t *word_or_null(const builder *b, const json_t *o)
{
    return o ? json_string(word(b, o)) : json_null();
}

static pl_rc section_build(builder *b, const place *root, const json_t *s, json_t *sections, pl_error *err)
{
    json_t *fields = json_array(), *table = json_null();
    pl_rc   rc = fields_build(b, root, json_object_get(s, "fields"), fields, err);

    if (rc == PL_OK && json_object_get(s, "table") != NULL)
        rc = table_build(b, root, json_object_get(s, "table"), &table, err);
    if (rc != PL_OK) {
        json_decref(fields);
        return rc;
    }
    return json_array_append_new(sections,
                                 json_pack("{s:s, s:o, s:o, s:o}", "title", word(b, json_object_get(s, "title")), "text",
                                           word_or_null(b, json_object_get(s, "text")), "fields", fields, "table",
                                           table)) == 0
               ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

static pl_rc fill(builder *b, const disclosure_ask *ask, const json_t *t, const char *pack, json_t **out,
                  pl_error *err)
{
    json_t       *sections = json_array();
    const json_t *one;
    size_t        i;
    place         root;
    char          time[25];
    pl_rc         rc = place_of(b, pl_arena_dup(b->a, ask->record), ask->version, &root, err);

    if (rc == PL_OK && strcmp(disclosure_at(root.record, "kind"), disclosure_at(t, "kind")) != 0)
        rc = pl_fail(err, PL_INVALID, "the document '%.40s' is about a record of kind '%.30s'", disclosure_at(t, "id"),
                     disclosure_at(t, "kind"));
    if (rc == PL_OK)
        json_array_foreach(json_object_get(t, "sections"), i, one) {
            rc = section_build(b, &root, one, sections, err);
            if (rc != PL_OK)
                break;
        }
    if (rc != PL_OK) {
        json_decref(sections);
        return rc;
    }
    pl_time_format(ask->now_ms, time);
    *out = json_pack("{s:O, s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:{s:O, s:O, s:O, s:O, s:O}}", "template",
                     json_object_get(t, "id"), "pack", pack, "title", word(b, json_object_get(t, "title")), "lang",
                     b->lang_key[0] == 'z' ? "zh-CN" : "en", "time", time, "missing", (json_int_t)b->missing, "notice",
                     word_or_null(b, json_object_get(t, "notice")), "sections", sections, "subject", "id",
                     json_object_get(root.record, "id"), "kind", json_object_get(root.record, "kind"), "title",
                     json_object_get(root.record, "title"), "version", json_object_get(root.record, "version"),
                     "ledger_index", json_object_get(root.record, "ledger_index"));
    return *out ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

pl_rc disclosure_build(const pl_instance *i, pl_db *db, pl_arena *a, const disclosure_ask *ask, json_t **out,
                       pl_error *err)
{
    builder b = { .db = db, .a = a, .lang_key = ask->lang && ask->lang[0] == 'z' ? "zh" : "en",
                  .records = json_object(), .forms = json_object() };
    json_t *t = NULL;
    char    pack[140];
    pl_rc   rc = disclosure_template_load(i, ask->template_id, &t, pack, err);

    if (rc == PL_OK)
        rc = fill(&b, ask, t, pack, out, err);
    json_decref(t);
    json_decref(b.records);
    json_decref(b.forms);
    return rc;
}

/* --- words -------------------------------------------------------------------------------------------- */

const char *disclosure_say(const json_t *doc, disclosure_word w)
{
    static const char *const words[][2] = {
        [WORD_MISSING] = { "not recorded", "未登记" },
        [WORD_LEDGER] = { "ledger entry", "账本条目" },
        [WORD_VERSION] = { "version", "版本" },
        [WORD_MADE] = { "made", "生成时间" },
        [WORD_MISSING_COUNT] = { "values are not recorded", "项尚未登记" },
        [WORD_CONTENTS] = { "Contents", "目录" },
    };

    return words[w][disclosure_at(doc, "lang")[0] == 'z'];
}

const char *disclosure_entry(const json_t *source, char out[32])
{
    const json_t *index = json_object_get(source, "ledger_index");

    out[0] = '\0';
    if (json_is_integer(index))
        (void)snprintf(out, 32, "[%lld]", (long long)json_integer_value(index));
    return out;
}
