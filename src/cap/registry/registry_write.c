/* Records as documents. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/registry/registry_convert.h"
#include "cap/registry/registry_xlsx.h"

static pl_rc put_pretty(json_t *o, pl_buf *out, pl_error *err)
{
    char *text = o ? pl_json_pretty(o) : NULL;

    json_decref(o);
    if (text == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    pl_buf_puts(out, text);
    pl_buf_putc(out, '\n');
    free(text);
    return pl_buf_check(out, err);
}

pl_rc registry_write_json(const json_t *records, pl_buf *out, pl_error *err)
{
    json_t       *list = json_array();
    const json_t *one;
    size_t        i;

    json_array_foreach((json_t *)(uintptr_t)records, i, one)
        (void)json_array_append_new(list, json_pack("{s:O, s:O, s:O, s:O}", "id", json_object_get(one, "id"), "kind",
                                                    json_object_get(one, "kind"), "version",
                                                    json_object_get(one, "version"), "data",
                                                    json_object_get(one, "data")));
    return put_pretty(json_pack("{s:s, s:o}", "format", "plumbline-registry/v1", "records", list), out, err);
}

/* --- CSV ------------------------------------------------------------------------------------------ */

/* Spreadsheets take a cell that begins so for a formula. */
static bool is_formula(pl_str s)
{
    return s.n > 0 && strchr("=+-@\t\r", s.p[0]) != NULL;
}

static void cell_put(pl_buf *out, pl_str s, bool guarded)
{
    pl_buf_putc(out, '"');
    if (guarded && is_formula(s))
        pl_buf_putc(out, '\'');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"')
            pl_buf_putc(out, '"');
        pl_buf_putc(out, s.p[i]);
    }
    pl_buf_putc(out, '"');
}

static void value_put(pl_buf *out, const json_t *v, bool guarded)
{
    pl_buf        b = PL_BUF_INIT(PL_FORM_TEXT_MAX);
    const json_t *one;
    size_t        i;
    char         *text;

    if (json_is_string(v)) {
        cell_put(out, (pl_str){ json_string_value(v), json_string_length(v) }, guarded);
    } else if (json_is_array(v)) {
        json_array_foreach((json_t *)(uintptr_t)v, i, one)
            pl_buf_printf(&b, "%s%s", i ? "|" : "", json_string_value(one) ? json_string_value(one) : "");
        cell_put(out, pl_buf_str(&b), guarded);
    } else if (v != NULL && !json_is_object(v)) {
        text = json_dumps(v, JSON_ENCODE_ANY);
        pl_buf_puts(out, text ? text : "");
        free(text);
    }
    pl_buf_done(&b);
}

/* Lists of rows have no place in a table and are left out. */
static pl_rc table_put(const json_t *records, const pl_form *form, bool guarded, pl_buf *out, pl_error *err)
{
    const json_t *one;
    size_t        i;
    const char   *sep = "";

    for (size_t k = 0; k < pl_form_count(form); k++)
        if (pl_form_field(form, k).type != PL_FIELD_LIST) {
            pl_buf_printf(out, "%s" PL_STR_FMT, sep, PL_STR_ARG(pl_form_field(form, k).key));
            sep = ",";
        }
    pl_buf_puts(out, "\r\n");
    json_array_foreach((json_t *)(uintptr_t)records, i, one) {
        sep = "";
        for (size_t k = 0; k < pl_form_count(form); k++) {
            pl_field_view f = pl_form_field(form, k);

            if (f.type == PL_FIELD_LIST)
                continue;
            pl_buf_puts(out, sep);
            value_put(out, json_object_getn(json_object_get(one, "data"), f.key.p, f.key.n), guarded);
            sep = ",";
        }
        pl_buf_puts(out, "\r\n");
    }
    return pl_buf_check(out, err);
}

pl_rc registry_write_csv(const json_t *records, const pl_form *form, pl_buf *out, pl_error *err)
{
    return table_put(records, form, true, out, err);
}

/* In a workbook a text is a text, whatever it begins with. */
pl_rc registry_write_xlsx(const json_t *records, const pl_form *form, pl_buf *out, pl_error *err)
{
    pl_buf table = PL_BUF_INIT(64u << 20);
    pl_rc  rc = table_put(records, form, false, &table, err);

    if (rc == PL_OK)
        rc = registry_xlsx_write(pl_buf_str(&table), form, out, err);
    pl_buf_done(&table);
    return rc;
}

/* --- CycloneDX 1.6 ---------------------------------------------------------------------------------- */

static void copy(json_t *to, const char *key, const json_t *from, const char *name)
{
    json_t *v = json_object_get(from, name);

    if (v != NULL)
        (void)json_object_set(to, key, v);
}

static void licences_put(json_t *o, const json_t *data)
{
    json_t *l = json_object_get(data, "licence");

    if (l != NULL)
        (void)json_object_set_new(o, "licenses", json_pack("[{s:{s:O}}]", "license", "name", l));
}

static json_t *cdx_model(const json_t *r)
{
    const json_t *data = json_object_get(r, "data"), *id;
    json_t       *o = json_pack("{s:s, s:O}", "type", "machine-learning-model", "bom-ref", json_object_get(r, "id"));
    json_t       *parameters = json_object(), *considerations = json_object(), *datasets = json_array();
    size_t        i;

    copy(o, "name", data, "name");
    copy(o, "version", data, "version");
    licences_put(o, data);
    copy(parameters, "architectureFamily", data, "architecture");
    json_array_foreach(json_object_get(data, "datasets"), i, id)
        (void)json_array_append_new(datasets, json_pack("{s:O}", "ref", id));
    if (json_array_size(datasets) > 0)
        (void)json_object_set(parameters, "datasets", datasets);
    json_decref(datasets);
    if (json_object_get(data, "intended_use"))
        (void)json_object_set_new(considerations, "useCases", json_pack("[O]", json_object_get(data, "intended_use")));
    if (json_object_get(data, "limitations"))
        (void)json_object_set_new(considerations, "technicalLimitations",
                                  json_pack("[O]", json_object_get(data, "limitations")));
    (void)json_object_set_new(o, "modelCard", json_pack("{s:o, s:o}", "modelParameters", parameters,
                                                        "considerations", considerations));
    return o;
}

static json_t *cdx_dataset(const json_t *r)
{
    const json_t *data = json_object_get(r, "data");
    json_t       *o = json_pack("{s:s, s:O}", "type", "data", "bom-ref", json_object_get(r, "id"));
    json_t       *d = json_pack("{s:s}", "type", "dataset");

    copy(o, "name", data, "name");
    copy(o, "version", data, "version");
    copy(o, "description", data, "description");
    licences_put(o, data);
    copy(d, "name", data, "name");
    copy(d, "description", data, "description");
    if (json_object_get(data, "url"))
        (void)json_object_set_new(d, "contents", json_pack("{s:O}", "url", json_object_get(data, "url")));
    (void)json_object_set_new(o, "data", json_pack("[o]", d));
    return o;
}

pl_rc registry_write_cyclonedx(const json_t *records, pl_str time, pl_buf *out, pl_error *err)
{
    json_t       *components = json_array();
    const json_t *one;
    size_t        i;

    json_array_foreach((json_t *)(uintptr_t)records, i, one) {
        pl_str kind = pl_str_z(json_string_value(json_object_get(one, "kind")));

        if (pl_str_eqz(kind, "model"))
            (void)json_array_append_new(components, cdx_model(one));
        else if (pl_str_eqz(kind, "dataset"))
            (void)json_array_append_new(components, cdx_dataset(one));
    }
    return put_pretty(json_pack("{s:s, s:s, s:i, s:{s:s%}, s:o}", "bomFormat", "CycloneDX", "specVersion", "1.6",
                                "version", 1, "metadata", "timestamp", time.p, time.n, "components", components),
                      out, err);
}
