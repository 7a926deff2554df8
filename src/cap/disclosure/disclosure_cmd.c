/* plumbline disclosure list|make|diff. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/disclosure/disclosure_int.h"
#include "cap/registry/pl_registry_call.h"

static int print_json(pl_cmd_ctx *c, json_t *j)
{
    char *text = pl_json_dump(j);

    (void)fprintf(c->out, "%s\n", text ? text : "{}");
    free(text);
    json_decref(j);
    return PL_EXIT_OK;
}

static int cmd_list(pl_cmd_ctx *c)
{
    pl_registry_call k = { .method = "GET", .path = "/api/v1/documents", .routes = disclosure_routes };
    json_t          *answer = NULL;
    const json_t    *one;
    size_t           i;
    pl_error         err = { 0 };

    if (pl_registry_call_run(c, &k, &answer, NULL, &err) != PL_OK)
        return pl_cmd_fail(c, &err);
    if (c->json)
        return print_json(c, answer);
    json_array_foreach(json_object_get(answer, "documents"), i, one)
        (void)fprintf(c->out, "%-24s %-12s %-28s %s\n", disclosure_at(one, "id"), disclosure_at(one, "kind"),
                      disclosure_at(one, "pack"), disclosure_at(one, c->lang && c->lang[0] == 'z' ? "zh" : "en"));
    json_decref(answer);
    return PL_EXIT_OK;
}

/* By --format, else by the ending of the file, else JSON. */
static const char *format_of(pl_cmd_ctx *c)
{
    const char *given = c->opt(c->host, "format"), *path = c->opt(c->host, "output");
    const char *dot = path ? strrchr(path, '.') : NULL;

    if (given != NULL)
        return given;
    if (dot != NULL && disclosure_format_find(dot + 1) != NULL)
        return dot + 1;
    return c->json ? "json" : "md";
}

static int made(pl_cmd_ctx *c, const char *path, size_t n)
{
    if (c->json)
        (void)fprintf(c->out, "{\"bytes\":%zu,\"file\":\"%s\"}\n", n, path);
    else
        (void)fprintf(c->out, pl_cmd_say(c, "%s: %zu bytes\n", "%s：%zu 字节\n"), path, n);
    return PL_EXIT_OK;
}

static int cmd_make(pl_cmd_ctx *c)
{
    const char       *path = c->opt(c->host, "output"), *format = format_of(c);
    const char *const query[] = { "format", format, "version", c->opt(c->host, "version"), "lang", c->lang, NULL };
    pl_registry_call  k = { .method = "GET", .query = query, .routes = disclosure_routes };
    pl_buf            out = PL_BUF_INIT(DISCLOSURE_MAX);
    json_t           *doc = NULL;
    pl_error          err = { 0 };
    bool              is_json = strcmp(format, "json") == 0;
    pl_rc             rc;
    int               code;

    (void)snprintf(k.path, sizeof k.path, "/api/v1/documents/%.60s/%.40s", c->argv[0], c->argv[1]);
    rc = pl_registry_call_run(c, &k, is_json ? &doc : NULL, is_json ? NULL : &out, &err);
    if (rc == PL_OK && is_json)
        return print_json(c, doc);
    if (rc == PL_OK && path != NULL)
        rc = pl_file_write_atomic(path, pl_buf_str(&out), 0644, &err);
    else if (rc == PL_OK)
        (void)fwrite(out.p, 1, out.n, c->out);
    code = rc != PL_OK ? pl_cmd_fail(c, &err) : path != NULL ? made(c, path, out.n) : PL_EXIT_OK;
    pl_buf_done(&out);
    return code;
}

static void print_change(pl_cmd_ctx *c, const json_t *one)
{
    const char *none = pl_cmd_say(c, "(nothing)", "（无）");

    (void)fprintf(c->out, "%s / %s\n- %s\n+ %s\n", disclosure_at(one, "section"), disclosure_at(one, "label"),
                  *disclosure_at(one, "before") ? disclosure_at(one, "before") : none,
                  *disclosure_at(one, "after") ? disclosure_at(one, "after") : none);
}

/* 1 when something changed, as diff does. */
static int cmd_diff(pl_cmd_ctx *c)
{
    const char *const query[] = { "from", c->argv[2], "to", c->argv[3], "lang", c->lang, NULL };
    pl_registry_call  k = { .method = "GET", .query = query, .routes = disclosure_routes };
    json_t           *answer = NULL;
    const json_t     *one;
    size_t            i, n;
    pl_error          err = { 0 };

    (void)snprintf(k.path, sizeof k.path, "/api/v1/documents/%.60s/%.40s/changes", c->argv[0], c->argv[1]);
    if (pl_registry_call_run(c, &k, &answer, NULL, &err) != PL_OK)
        return pl_cmd_fail(c, &err);
    n = json_array_size(json_object_get(answer, "changes"));
    if (c->json)
        (void)print_json(c, json_incref(answer));
    else
        json_array_foreach(json_object_get(answer, "changes"), i, one)
            print_change(c, one);
    json_decref(answer);
    return n > 0 ? PL_EXIT_FOUND : PL_EXIT_OK;
}

static const pl_opt none[] = { { NULL, NULL, NULL, NULL } };

static const pl_opt make_opts[] = {
    { "format", "FORMAT", "html, md, docx, pdf or json (default: by the file's ending)",
      "html、md、docx、pdf 或 json（默认按文件后缀）" },
    { "output", "FILE", "where it goes (-o); otherwise standard output", "写到何处（-o）；默认标准输出" },
    { "version", "N", "version of the record (default: the newest)", "记录版本（默认最新）" },
    { NULL, NULL, NULL, NULL },
};

const pl_cmd disclosure_commands[] = {
    { "disclosure", "list", "", 0, 0, none, "which documents can be made", "列出可生成的文件",
      "plumbline disclosure list", cmd_list },
    { "disclosure", "make", "DOCUMENT RECORD", 2, 2, make_opts, "make a document about a record",
      "依据登记记录生成文件", "plumbline disclosure make model-card ID -o card.pdf --lang zh-CN", cmd_make },
    { "disclosure", "diff", "DOCUMENT RECORD FROM TO", 4, 4, none,
      "what changed between two versions; 1 when something did", "两个版本之间的差异；有差异时返回 1",
      "plumbline disclosure diff model-card ID 1 2", cmd_diff },
    { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL },
};
