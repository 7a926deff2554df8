#include "base/banned.h"

#include "base/str.h"
#include "base/utf8.h"
#include "base/yaml.h"
#include "cap/registry/registry_convert.h"
#include "cap/registry/registry_xlsx.h"

#define ITEMS_MAX 500
#define TEXT_MAX  8000
#define NAME_MAX  200

/* --- small parts ---------------------------------------------------------------------------- */

/* At most max characters, never half of one. */
static json_t *text_cut(pl_str s, size_t max)
{
    size_t n = 0, chars = 0;

    s = pl_str_trim(s);
    while (n < s.n && chars < max) {
        n++;
        while (n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
            n++;
        chars++;
    }
    return json_stringn(s.p, n);
}

static void text_set(json_t *o, const char *key, const json_t *v, size_t max)
{
    if (json_is_string(v) && json_string_length(v) > 0)
        (void)json_object_set_new(o, key, text_cut((pl_str){ json_string_value(v), json_string_length(v) }, max));
}

/* One text of several, a line each. */
static void lines_set(json_t *o, const char *key, const json_t *list, const char *member)
{
    pl_buf        b = PL_BUF_INIT(TEXT_MAX);
    const json_t *one;
    size_t        i;

    json_array_foreach((json_t *)(uintptr_t)list, i, one) {
        const char *t = json_string_value(member ? json_object_get(one, member) : one);

        if (t != NULL)
            pl_buf_printf(&b, "%s%s", b.n ? "\n" : "", t);
    }
    if (b.n > 0 && !b.failed)
        (void)json_object_set_new(o, key, text_cut(pl_buf_str(&b), TEXT_MAX));
    pl_buf_done(&b);
}

static pl_rc item_add(json_t *items, const char *kind, json_t *data, pl_error *err)
{
    if (json_array_size(items) == ITEMS_MAX) {
        json_decref(data);
        return pl_fail(err, PL_LIMIT, "the document has more than %d records", ITEMS_MAX);
    }
    return json_array_append_new(items, json_pack("{s:s, s:o}", "kind", kind, "data", data)) == 0
               ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

static json_t *place_of(const json_t *items)
{
    return json_sprintf("@%zu", json_array_size(items));
}

static bool is_url(const json_t *v)
{
    pl_str s = pl_str_z(json_string_value(v));

    return pl_str_starts(s, PL_STR("http://")) || pl_str_starts(s, PL_STR("https://"));
}

/* --- CycloneDX -------------------------------------------------------------------------------- */

static void licence_set(json_t *o, const json_t *component)
{
    const json_t *l = json_array_get(json_object_get(component, "licenses"), 0);
    const json_t *inner = json_object_get(l, "license");

    text_set(o, "licence", json_object_get(l, "expression"), NAME_MAX);
    text_set(o, "licence", json_object_get(inner, "name"), NAME_MAX);
    text_set(o, "licence", json_object_get(inner, "id"), NAME_MAX);
}

static json_t *cdx_dataset(const json_t *d)
{
    json_t       *o = json_object();
    const json_t *url = json_object_get(json_object_get(d, "contents"), "url");

    text_set(o, "name", json_object_get(d, "name"), NAME_MAX);
    text_set(o, "version", json_object_get(d, "version"), 80);
    text_set(o, "description", json_object_get(d, "description"), TEXT_MAX);
    if (is_url(url))
        text_set(o, "url", url, 2000);
    licence_set(o, d);
    return o;
}

static pl_rc cdx_model(json_t *items, const json_t *m, pl_error *err)
{
    const json_t *card = json_object_get(m, "modelCard"), *p = json_object_get(card, "modelParameters");
    const json_t *considerations = json_object_get(card, "considerations"), *one;
    json_t       *o = json_object(), *datasets = json_array();
    size_t        i;
    pl_rc         rc = PL_OK;

    json_array_foreach(json_object_get(p, "datasets"), i, one)
        if (rc == PL_OK && json_is_string(json_object_get(one, "name"))) {
            rc = item_add(items, "dataset", cdx_dataset(one), err);
            (void)json_array_append_new(datasets, place_of(items));
        }
    text_set(o, "name", json_object_get(m, "name"), NAME_MAX);
    text_set(o, "version", json_object_get(m, "version"), 80);
    text_set(o, "architecture", json_object_get(p, "architectureFamily"), NAME_MAX);
    text_set(o, "architecture", json_object_get(p, "modelArchitecture"), NAME_MAX);
    text_set(o, "intended_use", json_object_get(m, "description"), TEXT_MAX);
    lines_set(o, "intended_use", json_object_get(considerations, "useCases"), NULL);
    lines_set(o, "limitations", json_object_get(considerations, "technicalLimitations"), NULL);
    licence_set(o, m);
    if (json_array_size(datasets) > 0)
        (void)json_object_set(o, "datasets", datasets);
    json_decref(datasets);
    if (rc != PL_OK) {
        json_decref(o);
        return rc;
    }
    return item_add(items, "model", o, err);
}

static pl_rc cyclonedx(json_t *items, const json_t *doc, pl_error *err)
{
    const json_t *one;
    size_t        i;
    pl_rc         rc = PL_OK;

    json_array_foreach(json_object_get(doc, "components"), i, one) {
        pl_str type = pl_str_z(json_string_value(json_object_get(one, "type")));

        if (pl_str_eqz(type, "machine-learning-model"))
            rc = cdx_model(items, one, err);
        else if (pl_str_eqz(type, "data"))
            rc = item_add(items, "dataset", cdx_dataset(one), err);
        if (rc != PL_OK)
            break;
    }
    return rc;
}

/* --- Croissant ---------------------------------------------------------------------------------- */

/* A member with or without its prefix, "name" and "sc:name". */
static const json_t *ld_get(const json_t *o, const char *name)
{
    char          key[64];
    const json_t *v = json_object_get(o, name);

    for (size_t i = 0; v == NULL && i < 3; i++) {
        static const char *const prefixes[] = { "sc:", "cr:", "schema:" };

        (void)snprintf(key, sizeof key, "%s%s", prefixes[i], name);
        v = json_object_get(o, key);
    }
    return json_is_array(v) && json_array_size(v) == 1 && strcmp(name, "recordSet") != 0 &&
                   strcmp(name, "field") != 0 ? json_array_get(v, 0) : v;
}

static void croissant_columns(json_t *o, const json_t *doc)
{
    json_t       *columns = json_array();
    const json_t *set, *field;
    size_t        i, k;

    json_array_foreach((json_t *)(uintptr_t)ld_get(doc, "recordSet"), i, set)
        json_array_foreach((json_t *)(uintptr_t)ld_get(set, "field"), k, field) {
            json_t *c = json_object();

            text_set(c, "name", ld_get(field, "name"), NAME_MAX);
            text_set(c, "type", ld_get(field, "dataType"), 80);
            text_set(c, "description", ld_get(field, "description"), 1000);
            if (json_object_get(c, "name") && json_array_size(columns) < 400)
                (void)json_array_append(columns, c);
            json_decref(c);
        }
    if (json_array_size(columns) > 0)
        (void)json_object_set(o, "columns", columns);
    json_decref(columns);
}

static pl_rc croissant(json_t *items, const json_t *doc, pl_error *err)
{
    json_t *o = json_object();

    text_set(o, "name", ld_get(doc, "name"), NAME_MAX);
    text_set(o, "version", ld_get(doc, "version"), 80);
    text_set(o, "description", ld_get(doc, "description"), TEXT_MAX);
    text_set(o, "licence", ld_get(doc, "license"), NAME_MAX);
    if (is_url(ld_get(doc, "url")))
        text_set(o, "url", ld_get(doc, "url"), 2000);
    croissant_columns(o, doc);
    return item_add(items, "dataset", o, err);
}

/* --- model cards ----------------------------------------------------------------------------------- */

static pl_rc card_toolkit(json_t *items, const json_t *doc, pl_error *err)
{
    const json_t *d = json_object_get(doc, "model_details"), *c = json_object_get(doc, "considerations"), *one;
    const json_t *licence = json_array_get(json_object_get(d, "licenses"), 0);
    json_t       *o = json_object(), *datasets = json_array();
    size_t        i;
    pl_rc         rc = PL_OK;

    json_array_foreach(json_object_get(json_object_get(doc, "model_parameters"), "data"), i, one) {
        json_t *data = json_object();

        text_set(data, "name", json_object_get(one, "name"), NAME_MAX);
        text_set(data, "description", json_object_get(one, "description"), TEXT_MAX);
        if (rc == PL_OK && json_object_get(data, "name")) {
            rc = item_add(items, "dataset", json_incref(data), err);
            (void)json_array_append_new(datasets, place_of(items));
        }
        json_decref(data);
    }
    text_set(o, "name", json_object_get(d, "name"), NAME_MAX);
    text_set(o, "version", json_object_get(json_object_get(d, "version"), "name"), 80);
    text_set(o, "licence", json_object_get(licence, "identifier"), NAME_MAX);
    text_set(o, "intended_use", json_object_get(d, "overview"), TEXT_MAX);
    lines_set(o, "limitations", json_object_get(c, "limitations"), "description");
    if (json_array_size(datasets) > 0)
        (void)json_object_set(o, "datasets", datasets);
    json_decref(datasets);
    if (rc != PL_OK) {
        json_decref(o);
        return rc;
    }
    return item_add(items, "model", o, err);
}

/* The text under the first heading whose words hold one of these. */
static pl_str section(pl_str text, const char *const *words)
{
    pl_str rest = text, line, out = PL_STR("");
    bool   in = false;

    while (rest.n > 0 && pl_str_split(&rest, '\n', &line)) {
        bool heading = line.n > 1 && line.p[0] == '#';

        if (heading && in)
            return (pl_str){ out.p, (size_t)(line.p - out.p) };
        for (size_t i = 0; heading && !in && words[i]; i++)
            if (memmem(line.p, line.n, words[i], strlen(words[i])) != NULL) {
                in = true;
                out.p = rest.p;
            }
    }
    return in ? (pl_str){ out.p, (size_t)(text.p + text.n - out.p) } : PL_STR("");
}

static void section_set(json_t *o, const char *key, pl_str text, const char *const *words)
{
    pl_str s = pl_str_trim(section(text, words));

    if (s.n > 0)
        (void)json_object_set_new(o, key, text_cut(s, TEXT_MAX));
}

/* Front matter between lines of three dashes, as the hubs have it. */
static pl_rc front_matter(pl_str *text, const char *where, json_t **out, pl_error *err)
{
    const char *end;
    pl_str      head;

    if (!pl_str_starts(*text, PL_STR("---\n")))
        return PL_OK;
    end = memmem(text->p + 4, text->n - 4, "\n---", 4);
    if (end == NULL)
        return pl_fail(err, PL_INVALID, "%.120s:1: front matter does not end", where);
    head = (pl_str){ text->p + 4, (size_t)(end - text->p - 3) };
    *text = (pl_str){ end + 4, text->n - (size_t)(end + 4 - text->p) };
    return pl_yaml_parse(head, where, out, err);
}

static void first_heading(json_t *o, pl_str text)
{
    pl_str rest = text, line;

    while (rest.n > 0 && pl_str_split(&rest, '\n', &line))
        if (line.n > 2 && line.p[0] == '#' && line.p[1] == ' ') {
            (void)json_object_set_new(o, "name", text_cut((pl_str){ line.p + 2, line.n - 2 }, NAME_MAX));
            return;
        }
}

static pl_rc card_markdown(json_t *items, const registry_document *d, pl_error *err)
{
    static const char *const uses[] = { "ntended", "Use", NULL }, *const limits[] = { "imitation", "Bias", NULL },
                             *const evals[] = { "valuation", "enchmark", NULL };
    pl_str  text = d->text;
    json_t *head = NULL, *o = json_object(), *base;
    pl_rc   rc = front_matter(&text, d->where, &head, err);

    if (rc == PL_OK) {
        first_heading(o, text);
        text_set(o, "name", json_object_get(head, "model_name"), NAME_MAX);
        text_set(o, "licence", json_object_get(head, "license"), NAME_MAX);
        base = json_object_get(head, "base_model");
        text_set(o, "upstream_name", json_is_array(base) ? json_array_get(base, 0) : base, NAME_MAX);
        section_set(o, "intended_use", text, uses);
        section_set(o, "limitations", text, limits);
        section_set(o, "evaluation", text, evals);
        if (json_object_get(o, "name") == NULL)
            rc = pl_fail(err, PL_INVALID, "%.120s: no heading that names the model", d->where);
    }
    json_decref(head);
    if (rc != PL_OK) {
        json_decref(o);
        return rc;
    }
    return item_add(items, "model", o, err);
}

/* --- CSV ------------------------------------------------------------------------------------------- */

pl_rc registry_csv_cell(pl_str *s, pl_buf *out, bool *more, pl_error *err)
{
    pl_buf_clear(out);
    *more = false;
    if (s->n > 0 && s->p[0] == '"') {
        size_t i = 1;

        for (; i < s->n; i++) {
            if (s->p[i] == '"' && i + 1 < s->n && s->p[i + 1] == '"')
                pl_buf_putc(out, s->p[i++]);
            else if (s->p[i] == '"')
                break;
            else
                pl_buf_putc(out, s->p[i]);
        }
        if (i == s->n)
            return pl_fail(err, PL_INVALID, "a quote does not end");
        *s = (pl_str){ s->p + i + 1, s->n - i - 1 };
        if (s->n > 0 && s->p[0] != ',' && s->p[0] != '\n' && s->p[0] != '\r')
            return pl_fail(err, PL_INVALID, "something follows a closing quote");
    } else {
        size_t n = 0;

        while (n < s->n && s->p[n] != ',' && s->p[n] != '\n')
            n++;
        pl_buf_put(out, (pl_str){ s->p, n > 0 && n < s->n && s->p[n] == '\n' && s->p[n - 1] == '\r' ? n - 1 : n });
        *s = (pl_str){ s->p + n, s->n - n };
    }
    if (s->n > 0 && s->p[0] == '\r')
        *s = (pl_str){ s->p + 1, s->n - 1 };
    *more = s->n > 0 && s->p[0] == ',';
    if (s->n > 0)
        *s = (pl_str){ s->p + 1, s->n - 1 };
    return PL_OK;
}

static const pl_field_view *field_of(const pl_form *f, pl_str key, pl_field_view *out)
{
    for (size_t i = 0; i < pl_form_count(f); i++) {
        *out = pl_form_field(f, i);
        if (pl_str_eq(out->key, key))
            return out;
    }
    return NULL;
}

/* A cell as the field's type wants it; lists have '|' between. */
static json_t *cell_value(const pl_field_view *f, pl_str s)
{
    json_t *list, *number;
    pl_str  rest = s, word;

    switch (f->type) {
    case PL_FIELD_BOOL:
        return json_boolean(pl_str_eqz(s, "true") || pl_str_eqz(s, "1") || pl_str_eqz(s, "是"));
    case PL_FIELD_INT:
    case PL_FIELD_NUMBER:
        number = NULL;
        if (pl_json_parse(s, "cell", &number, NULL) != PL_OK || !json_is_number(number)) {
            json_decref(number);
            return json_stringn(s.p, s.n); /* the form says that it is no number */
        }
        return number;
    case PL_FIELD_CHOICES:
    case PL_FIELD_TEXTS:
    case PL_FIELD_RECORDS:
        list = json_array();
        while (pl_str_split(&rest, '|', &word))
            (void)json_array_append_new(list, json_stringn(word.p, word.n));
        return list;
    default:
        return json_stringn(s.p, s.n);
    }
}

static pl_rc csv_header(const registry_document *d, pl_str *s, json_t *keys, pl_error *err)
{
    pl_buf        cell = PL_BUF_INIT(1000);
    pl_field_view f;
    bool          more = true;
    pl_rc         rc = PL_OK;

    while (more && rc == PL_OK) {
        rc = registry_csv_cell(s, &cell, &more, err);
        if (rc == PL_OK && field_of(d->form, pl_str_trim(pl_buf_str(&cell)), &f) == NULL)
            rc = pl_fail(err, PL_INVALID, "%.100s:1: the kind has no field '%.40s'", d->where, cell.p ? cell.p : "");
        if (rc == PL_OK)
            (void)json_array_append_new(keys, json_stringn(f.key.p, f.key.n));
    }
    pl_buf_done(&cell);
    return rc;
}

static pl_rc csv_row(const registry_document *d, pl_str *s, const json_t *keys, json_t *o, pl_error *err)
{
    pl_buf        cell = PL_BUF_INIT(PL_FORM_TEXT_MAX);
    pl_field_view f;
    bool          more = true;
    pl_rc         rc = PL_OK;

    for (size_t i = 0; more && rc == PL_OK; i++) {
        rc = registry_csv_cell(s, &cell, &more, err);
        if (rc == PL_OK && i >= json_array_size(keys))
            rc = pl_fail(err, PL_INVALID, "more cells than columns");
        if (rc == PL_OK && cell.n > 0 && field_of(d->form, pl_str_z(json_string_value(json_array_get(keys, i))), &f))
            (void)json_object_setn_new(o, f.key.p, f.key.n, cell_value(&f, pl_buf_str(&cell)));
    }
    pl_buf_done(&cell);
    return rc;
}

static pl_rc csv(json_t *items, const registry_document *d, pl_error *err)
{
    pl_str   s = d->text, kind;
    json_t  *keys = json_array();
    char     name[64];
    pl_error why = { 0 };
    pl_rc    rc;

    if (d->form == NULL) {
        json_decref(keys);
        return pl_fail(err, PL_INVALID, "%.120s: say which kind of records the table holds", d->where);
    }
    kind = pl_form_id(d->form);
    (void)snprintf(name, sizeof name, PL_STR_FMT, PL_STR_ARG(kind));
    if (pl_str_starts(s, PL_STR("\xef\xbb\xbf")))
        s = (pl_str){ s.p + 3, s.n - 3 };
    rc = csv_header(d, &s, keys, err);
    for (size_t line = 2; rc == PL_OK && s.n > 0; line++) {
        json_t *o = json_object();

        rc = csv_row(d, &s, keys, o, &why);
        if (rc != PL_OK)
            (void)pl_fail(err, rc, "%.100s: record %zu: %.120s", d->where, line - 1, why.text);
        if (rc == PL_OK && json_object_size(o) > 0)
            rc = item_add(items, name, json_incref(o), err);
        json_decref(o);
    }
    json_decref(keys);
    return rc;
}

/* --- which it is ------------------------------------------------------------------------------------ */

static pl_rc own_json(json_t *items, const json_t *doc, const char *where, pl_error *err)
{
    const json_t *one;
    size_t        i;
    pl_rc         rc = PL_OK;

    json_array_foreach(json_object_get(doc, "records"), i, one) {
        const char *kind = json_string_value(json_object_get(one, "kind"));
        json_t     *data = json_object_get(one, "data");

        rc = kind && json_is_object(data) ? item_add(items, kind, json_incref(data), err)
                                          : pl_fail(err, PL_INVALID, "%.120s: record %zu has no 'kind' or 'data'",
                                                    where, i + 1);
        if (rc != PL_OK)
            break;
    }
    return rc;
}

static const char *format_of(const json_t *doc)
{
    if (pl_str_eqz(pl_str_z(json_string_value(json_object_get(doc, "bomFormat"))), "CycloneDX"))
        return "cyclonedx";
    if (json_object_get(doc, "@context") != NULL)
        return "croissant";
    if (json_object_get(doc, "model_details") != NULL)
        return "modelcard";
    return json_object_get(doc, "records") != NULL ? "json" : "";
}

static pl_rc tree_convert(const registry_document *d, const json_t *doc, json_t *items, pl_error *err)
{
    const char *format = d->format ? d->format : format_of(doc);

    if (strcmp(format, "cyclonedx") == 0)
        return cyclonedx(items, doc, err);
    if (strcmp(format, "croissant") == 0)
        return croissant(items, doc, err);
    if (strcmp(format, "modelcard") == 0)
        return card_toolkit(items, doc, err);
    if (strcmp(format, "json") == 0)
        return own_json(items, doc, d->where, err);
    return pl_fail(err, PL_INVALID, "%.120s: none of the formats that are known: json, csv, cyclonedx, croissant, "
                                    "modelcard", d->where);
}

/* A workbook is its first sheet as CSV. */
static pl_rc sheet_convert(const registry_document *d, json_t *items, pl_error *err)
{
    pl_buf   text = PL_BUF_INIT(REGISTRY_DOCUMENT_MAX);
    pl_error why = { 0 };
    pl_rc    rc;

    if (d->form == NULL)
        return pl_fail(err, PL_INVALID, "%.120s: say which kind of records the table holds", d->where);
    rc = registry_xlsx_read(d->text, d->form, &text, &why);
    if (rc != PL_OK)
        (void)pl_fail(err, rc, "%.120s: %.160s", d->where, why.text);
    if (rc == PL_OK) {
        registry_document sheet = *d;
        sheet.text = pl_buf_str(&text);
        rc = pl_utf8_valid(sheet.text) && !memchr(sheet.text.p, '\0', sheet.text.n)
                 ? csv(items, &sheet, err)
                 : pl_fail(err, PL_INVALID, "%.120s: the sheet holds what is no text", d->where);
    }
    pl_buf_done(&text);
    return rc;
}

static pl_rc text_convert(const registry_document *d, json_t *items, pl_error *err)
{
    json_t *doc = NULL;
    pl_rc   rc;

    if (d->format ? strcmp(d->format, "csv") == 0 : pl_str_ends(pl_str_z(d->where), PL_STR(".csv")))
        return csv(items, d, err);
    if (!pl_str_starts(pl_str_trim(d->text), PL_STR("{")))
        return card_markdown(items, d, err);
    rc = pl_json_parse(d->text, d->where, &doc, err);
    if (rc == PL_OK)
        rc = tree_convert(d, doc, items, err);
    json_decref(doc);
    return rc;
}

pl_rc registry_convert(const registry_document *d, json_t **out, pl_error *err)
{
    json_t *items = json_array();
    pl_rc   rc;

    if (items == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    if (registry_is_xlsx(d->text))
        rc = sheet_convert(d, items, err);
    else
        rc = d->text.n <= REGISTRY_DOCUMENT_MAX && pl_utf8_valid(d->text) && memchr(d->text.p, '\0', d->text.n) == NULL
                 ? text_convert(d, items, err)
                 : pl_fail(err, PL_INVALID, "%.120s: not text in UTF-8, or larger than 8 MiB", d->where);
    if (rc == PL_OK && json_array_size(items) == 0)
        rc = pl_fail(err, PL_INVALID, "%.120s: the document holds no record", d->where);
    if (rc != PL_OK) {
        json_decref(items);
        return rc;
    }
    *out = items;
    return PL_OK;
}
