/* plumbline registry import and export: documents people have. */
#include "base/banned.h"

#include "base/file.h"
#include "base/timefmt.h"
#include "cap/registry/registry_cmd.h"
#include "cap/registry/registry_convert.h"
#include "cap/registry/registry_xlsx.h"

/* The form of a kind, as the instance has it. */
static pl_rc form_fetch(pl_cmd_ctx *c, const char *kind, pl_form **out, pl_error *err)
{
    pl_registry_call k = { .method = "GET", .path = "/api/v1/registry/kinds" };
    json_t       *answer = NULL;
    const json_t *one, *found = NULL;
    size_t        i;
    pl_rc         rc = pl_registry_call_run(c, &k, &answer, NULL, err);

    json_array_foreach(json_object_get(answer, "kinds"), i, one)
        if (strcmp(registry_at(json_object_get(one, "form"), "id"), kind) == 0)
            found = json_object_get(one, "form");
    if (rc == PL_OK)
        rc = found ? pl_form_new(found, kind, out, err)
                   : pl_fail(err, PL_INVALID, "there is no kind of record '%.40s'", kind);
    json_decref(answer);
    return rc;
}

static void print_ids(pl_cmd_ctx *c, const json_t *answer)
{
    const json_t *one;
    size_t        i;

    json_array_foreach(json_object_get(answer, "ids"), i, one)
        (void)fprintf(c->out, "%s\n", json_string_value(one));
}

int registry_cmd_import(pl_cmd_ctx *c)
{
    const char       *kind = c->opt(c->host, "kind");
    pl_registry_call     k = { .method = "POST", .path = "/api/v1/registry/import" };
    registry_document d = { .where = c->argv[0], .format = c->opt(c->host, "format") };
    pl_form          *form = NULL;
    json_t           *items = NULL;
    char             *text = NULL;
    size_t            n = 0;
    pl_error          err = { 0 };
    pl_rc             rc = pl_file_read(c->argv[0], REGISTRY_XLSX_MAX, &text, &n, &err);

    if (rc == PL_OK && kind != NULL)
        rc = form_fetch(c, kind, &form, &err);
    d.text = (pl_str){ text, n };
    d.form = form;
    if (rc == PL_OK)
        rc = registry_convert(&d, &items, &err);
    pl_form_free(form);
    free(text);
    if (rc != PL_OK)
        return pl_cmd_fail(c, &err);
    return registry_run(c, &k, json_pack("{s:o, s:s*}", "items", items, "note", c->opt(c->host, "note")), print_ids);
}

/* Records by id, or all of a kind. */
static pl_rc one_fetch(pl_cmd_ctx *c, const char *id, json_t *out, pl_error *err)
{
    pl_registry_call k = { .method = "GET" };
    json_t       *answer = NULL;
    pl_rc         rc;

    (void)snprintf(k.path, sizeof k.path, "/api/v1/registry/records/%.40s", id);
    rc = pl_registry_call_run(c, &k, &answer, NULL, err);
    if (rc == PL_OK)
        (void)json_array_append_new(out, answer);
    return rc;
}

static pl_rc records_fetch(pl_cmd_ctx *c, json_t *out, pl_error *err)
{
    const char *const query[] = { "kind", c->opt(c->host, "kind"), "limit", "500", NULL };
    pl_registry_call     k = { .method = "GET", .path = "/api/v1/registry/records", .query = query };
    json_t           *answer = NULL;
    const json_t     *one;
    size_t            i;
    pl_rc             rc = PL_OK;

    for (int a = 0; a < c->argc && rc == PL_OK; a++)
        rc = one_fetch(c, c->argv[a], out, err);
    if (c->argc > 0 || rc != PL_OK)
        return rc;
    rc = pl_registry_call_run(c, &k, &answer, NULL, err);
    if (rc == PL_OK)
        json_array_foreach(json_object_get(answer, "records"), i, one)
            if (rc == PL_OK && !json_is_true(json_object_get(one, "retired")))
                rc = one_fetch(c, registry_at(one, "id"), out, err);
    json_decref(answer);
    return rc;
}

static pl_rc records_write(pl_cmd_ctx *c, const json_t *records, pl_buf *out, pl_error *err)
{
    const char *format = c->opt(c->host, "format"), *kind = c->opt(c->host, "kind");
    pl_form    *form = NULL;
    bool        is_sheet;
    char        time[25];
    pl_rc       rc;

    if (format == NULL || strcmp(format, "json") == 0)
        return registry_write_json(records, out, err);
    pl_time_format(c->now_ms, time);
    if (strcmp(format, "cyclonedx") == 0)
        return registry_write_cyclonedx(records, pl_str_z(time), out, err);
    is_sheet = strcmp(format, "xlsx") == 0;
    if ((!is_sheet && strcmp(format, "csv") != 0) || kind == NULL)
        return pl_fail(err, PL_INVALID, "--format is json, cyclonedx, or csv or xlsx together with --kind");
    rc = form_fetch(c, kind, &form, err);
    if (rc == PL_OK)
        rc = is_sheet ? registry_write_xlsx(records, form, out, err) : registry_write_csv(records, form, out, err);
    pl_form_free(form);
    return rc;
}

int registry_cmd_export(pl_cmd_ctx *c)
{
    const char *path = c->opt(c->host, "output");
    json_t     *records = json_array();
    pl_buf      out = PL_BUF_INIT(64u << 20);
    pl_error    err = { 0 };
    pl_rc       rc = records_fetch(c, records, &err);

    if (rc == PL_OK)
        rc = records_write(c, records, &out, &err);
    if (rc == PL_OK && path != NULL)
        rc = pl_file_write_atomic(path, pl_buf_str(&out), 0600, &err);
    else if (rc == PL_OK)
        (void)fwrite(out.p, 1, out.n, c->out);
    json_decref(records);
    pl_buf_done(&out);
    return rc == PL_OK ? PL_EXIT_OK : pl_cmd_fail(c, &err);
}

const pl_opt registry_exchange_opts[] = {
    { "kind", "KIND", "kind of the records; needed for CSV and XLSX", "记录类别；CSV 与 XLSX 必须给出" },
    { "format", "FORMAT", "json, csv, xlsx, cyclonedx, croissant, modelcard (import: told by the content)",
      "json、csv、xlsx、cyclonedx、croissant、modelcard（导入时可自动识别）" },
    { "output", "FILE", "where it goes (-o); otherwise standard output", "写到何处（-o）；默认标准输出" },
    { "note", "TEXT", "why, kept with the versions", "说明，随版本保存" },
    { NULL, NULL, NULL, NULL },
};
