/* plumbline registry … and the exchange of filings between installations. */
#include "base/banned.h"

#include "base/file.h"
#include "base/yaml.h"
#include "cap/registry/registry_cmd.h"

/* --- shared ------------------------------------------------------------------------------- */

const char *registry_at(const json_t *o, const char *key)
{
    const char *v = json_string_value(json_object_get(o, key));

    return v ? v : "";
}

const char *registry_word(const pl_cmd_ctx *c, const json_t *o)
{
    return registry_at(o, c->lang && c->lang[0] == 'z' ? "zh" : "en");
}

pl_rc registry_values_read(const char *path, json_t **out, pl_error *err)
{
    char  *text = NULL;
    size_t n = 0;
    json_t *j = NULL;
    pl_rc  rc = pl_file_read(path, PL_YAML_MAX, &text, &n, err);

    if (rc == PL_OK) /* every JSON document is one of YAML as well */
        rc = pl_yaml_parse((pl_str){ text, n }, path, &j, err);
    free(text);
    if (rc == PL_OK && !json_is_object(j)) {
        json_decref(j);
        rc = pl_fail(err, PL_INVALID, "%.120s: not a mapping", path);
    }
    if (rc == PL_OK)
        *out = j;
    return rc;
}

pl_rc registry_content_put(pl_cmd_ctx *c, pl_str bytes, json_t *body, pl_error *err)
{
    pl_buf text = PL_BUF_INIT(bytes.n * 2 + 16);
    char   hex[65];
    pl_rc  rc = PL_OK;

    if (pl_registry_call_is_operator()) {
        rc = pl_registry_call_put(c, bytes, hex, err);
        if (rc == PL_OK)
            (void)json_object_set_new(body, "sha256", json_string(hex));
        return rc;
    }
    pl_buf_base64(&text, bytes.p, bytes.n);
    (void)json_object_set_new(body, "content", json_string(text.p ? text.p : ""));
    pl_buf_done(&text);
    return rc;
}

void registry_answer_print(pl_cmd_ctx *c, const json_t *answer, void (*human)(pl_cmd_ctx *c, const json_t *answer))
{
    char *text;

    if (c->json || human == NULL) {
        text = pl_json_dump(answer);
        (void)fprintf(c->out, "%s\n", text ? text : "{}");
        free(text);
    } else {
        human(c, answer);
    }
}

int registry_run(pl_cmd_ctx *c, pl_registry_call *k, json_t *body,
                 void (*human)(pl_cmd_ctx *c, const json_t *answer))
{
    json_t  *answer = NULL;
    pl_error err = { 0 };
    pl_rc    rc;

    k->body = body;
    rc = pl_registry_call_run(c, k, &answer, NULL, &err);
    json_decref(body);
    if (rc != PL_OK)
        return pl_cmd_fail(c, &err);
    registry_answer_print(c, answer, human);
    json_decref(answer);
    return PL_EXIT_OK;
}

static int values_fail(pl_cmd_ctx *c, pl_error *err)
{
    err->rc = err->rc == PL_NOTFOUND ? PL_IO : err->rc;
    return pl_cmd_fail(c, err);
}

/* --- records -------------------------------------------------------------------------------- */

static void print_kinds(pl_cmd_ctx *c, const json_t *answer)
{
    const json_t *one;
    size_t        i;

    json_array_foreach(json_object_get(answer, "kinds"), i, one) {
        const json_t *form = json_object_get(one, "form");

        (void)fprintf(c->out, "%-20s %-28s %s\n", registry_at(form, "id"), registry_at(one, "pack"),
                      registry_word(c, json_object_get(form, "title")));
    }
}

int registry_cmd_kinds(pl_cmd_ctx *c)
{
    pl_registry_call k = { .method = "GET", .path = "/api/v1/registry/kinds" };

    return registry_run(c, &k, NULL, print_kinds);
}

static void print_line(pl_cmd_ctx *c, const json_t *r)
{
    (void)fprintf(c->out, "%s  %-14s v%-3lld %s  %s%s\n", registry_at(r, "id"), registry_at(r, "kind"),
                  (long long)json_integer_value(json_object_get(r, "version")), registry_at(r, "changed"),
                  registry_at(r, "title"),
                  json_is_true(json_object_get(r, "retired")) ? pl_cmd_say(c, " (retired)", "（已停用）") : "");
}

static void print_records(pl_cmd_ctx *c, const json_t *answer)
{
    const json_t *one;
    size_t        i;

    json_array_foreach(json_object_get(answer, "records"), i, one)
        print_line(c, one);
}

static void print_record(pl_cmd_ctx *c, const json_t *r)
{
    char *text = pl_json_pretty(json_object_get(r, "data"));

    print_line(c, r);
    (void)fprintf(c->out, "%s\n", text ? text : "");
    free(text);
}

int registry_cmd_list(pl_cmd_ctx *c)
{
    const char *const query[] = { "kind", c->opt(c->host, "kind"), "limit", "500", NULL };
    pl_registry_call     k = { .method = "GET", .path = "/api/v1/registry/records", .query = query };

    return registry_run(c, &k, NULL, print_records);
}

pl_rc pl_registry_records(pl_cmd_ctx *c, const char *kind, json_t **out, pl_error *err)
{
    char    before[64] = "";
    json_t *page = NULL;
    bool    more = true;
    pl_rc   rc = PL_OK;

    *out = json_array();
    while (rc == PL_OK && more) {
        const char *const query[] = { "kind", kind, "data", "true", "limit", "500", "before",
                                     *before ? before : NULL, NULL };
        pl_registry_call  k = { .method = "GET", .path = "/api/v1/registry/records", .query = query };

        rc = pl_registry_call_run(c, &k, &page, NULL, err);
        if (rc == PL_OK) {
            (void)json_array_extend(*out, json_object_get(page, "records"));
            more = json_is_string(json_object_get(page, "next"));
            (void)snprintf(before, sizeof before, "%s", more ? json_string_value(json_object_get(page, "next")) : "");
        }
        json_decref(page);
        page = NULL;
    }
    if (rc != PL_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return rc;
}

static int record_call(pl_cmd_ctx *c, const char *method, const char *tail, json_t *body,
                       const char *const *query, void (*human)(pl_cmd_ctx *c, const json_t *answer))
{
    pl_registry_call k = { .method = method, .query = query };

    (void)snprintf(k.path, sizeof k.path, "/api/v1/registry/records/%.40s%s", c->argv[0], tail);
    return registry_run(c, &k, body, human);
}

int registry_cmd_show(pl_cmd_ctx *c)
{
    const char *const query[] = { "version", c->opt(c->host, "version"), NULL };

    return record_call(c, "GET", "", NULL, query, print_record);
}

static void print_versions(pl_cmd_ctx *c, const json_t *answer)
{
    const json_t *one;
    size_t        i;

    json_array_foreach(json_object_get(answer, "versions"), i, one)
        (void)fprintf(c->out, "v%-3lld %s  %s  %s %lld  %s\n",
                      (long long)json_integer_value(json_object_get(one, "version")),
                      registry_at(one, "time"), registry_at(one, "by"),
                      pl_cmd_say(c, "ledger entry", "账本条目"),
                      (long long)json_integer_value(json_object_get(one, "ledger_index")),
                      registry_at(one, "note"));
}

int registry_cmd_history(pl_cmd_ctx *c)
{
    return record_call(c, "GET", "/versions", NULL, NULL, print_versions);
}

int registry_cmd_add(pl_cmd_ctx *c)
{
    pl_registry_call k = { .method = "POST", .path = "/api/v1/registry/records" };
    json_t       *data = NULL;
    pl_error      err = { 0 };

    if (registry_values_read(c->argv[1], &data, &err) != PL_OK)
        return values_fail(c, &err);
    return registry_run(c, &k, json_pack("{s:s, s:o, s:s*}", "kind", c->argv[0], "data", data, "note",
                                         c->opt(c->host, "note")), print_record);
}

/* The version it is based on: as given, else the newest there is now. */
static int version_of(pl_cmd_ctx *c, int64_t *out)
{
    const char   *given = c->opt(c->host, "version");
    pl_registry_call k = { .method = "GET" };
    json_t       *answer = NULL;
    uint64_t      v = 0;
    pl_error      err = { 0 };
    pl_rc         rc;

    (void)snprintf(k.path, sizeof k.path, "/api/v1/registry/records/%.40s", c->argv[0]);
    rc = given ? pl_str_u64(pl_str_z(given), &v, &err) : pl_registry_call_run(c, &k, &answer, NULL, &err);
    *out = given ? (int64_t)v : json_integer_value(json_object_get(answer, "latest"));
    json_decref(answer);
    return rc == PL_OK ? PL_EXIT_OK : pl_cmd_fail(c, &err);
}

int registry_cmd_change(pl_cmd_ctx *c)
{
    json_t  *data = NULL;
    int64_t  version = 0;
    pl_error err = { 0 };
    int      code;

    if (registry_values_read(c->argv[1], &data, &err) != PL_OK)
        return values_fail(c, &err);
    code = version_of(c, &version);
    if (code != PL_EXIT_OK) {
        json_decref(data);
        return code;
    }
    return record_call(c, "PUT", "", json_pack("{s:I, s:o, s:s*}", "version", (json_int_t)version, "data",
                                               data, "note", c->opt(c->host, "note")), NULL, print_record);
}

int registry_cmd_retire(pl_cmd_ctx *c)
{
    int64_t version = 0;
    int     code = version_of(c, &version);

    if (code != PL_EXIT_OK)
        return code;
    return record_call(c, "PUT", "", json_pack("{s:I, s:b, s:s*}", "version", (json_int_t)version, "retire", 1,
                                               "note", c->opt(c->host, "note")), NULL, print_record);
}

static void print_attached(pl_cmd_ctx *c, const json_t *answer)
{
    (void)fprintf(c->out, "%s\n", registry_at(answer, "sha256"));
}

int registry_cmd_attach(pl_cmd_ctx *c)
{
    const char *slash = strrchr(c->argv[2], '/');
    char       *bytes = NULL;
    size_t      n = 0;
    pl_error    err = { 0 };
    json_t     *body = NULL;
    pl_rc       rc = pl_file_read(c->argv[2], REGISTRY_FILE_MAX, &bytes, &n, &err);

    if (rc == PL_OK)
        body = json_pack("{s:s, s:s}", "slot", c->argv[1], "name", slash ? slash + 1 : c->argv[2]);
    if (rc == PL_OK)
        rc = body ? registry_content_put(c, (pl_str){ bytes, n }, body, &err)
                  : pl_fail(&err, PL_INVALID, "the name is not UTF-8");
    free(bytes);
    if (rc != PL_OK) {
        json_decref(body);
        return pl_cmd_fail(c, &err);
    }
    return record_call(c, "POST", "/files", body, NULL, print_attached);
}

const pl_opt registry_opts[] = {
    { "kind", "KIND", "only records of this kind", "仅此类记录" },
    { "version", "N", "the version meant (default: the newest)", "版本（默认最新）" },
    { "note", "TEXT", "why, kept with the version", "变更说明，随版本保存" },
    { NULL, NULL, NULL, NULL },
};

/* --- packages --------------------------------------------------------------------------------- */

int filing_cmd_export(pl_cmd_ctx *c)
{
    const char   *to = c->opt(c->host, "to"), *reason = c->opt(c->host, "reason");
    const char   *output = c->opt(c->host, "output");
    pl_registry_call make = { .method = "POST" }, get = { .method = "GET" };
    json_t       *answer = NULL, *body;
    pl_buf        bytes = PL_BUF_INIT(REGISTRY_FILE_MAX + 1024);
    pl_error      err = { 0 };
    pl_rc         rc;

    if (!to || !reason || !output) {
        (void)fprintf(c->err, "plumbline: %s\n",
                      pl_cmd_say(c, "filing export: '-o PKG', '--to WHO' and '--reason WHY' must be given",
                                 "filing export：须给出“-o PKG”“--to 接收方”“--reason 事由”"));
        return PL_EXIT_USAGE;
    }
    (void)snprintf(make.path, sizeof make.path, "/api/v1/filings/%.40s/export", c->argv[0]);
    body = json_pack("{s:s, s:s}", "to", to, "reason", reason);
    make.body = body;
    rc = body ? pl_registry_call_run(c, &make, &answer, NULL, &err) : pl_fail(&err, PL_INVALID, "not UTF-8");
    (void)snprintf(get.path, sizeof get.path, "/api/v1/registry/packages/%.64s", registry_at(answer, "sha256"));
    if (rc == PL_OK)
        rc = pl_registry_call_run(c, &get, NULL, &bytes, &err);
    if (rc == PL_OK)
        rc = pl_file_write_atomic(output, pl_buf_str(&bytes), 0600, &err);
    if (rc == PL_OK && c->json)
        (void)fprintf(c->out, "{\"bytes\":%zu,\"package\":\"%s\",\"sha256\":\"%s\"}\n", bytes.n, output,
                      registry_at(answer, "sha256"));
    else if (rc == PL_OK)
        (void)fprintf(c->out, pl_cmd_say(c, "%s: %zu bytes, for %s\n", "%s：%zu 字节，接收方 %s\n"), output,
                      bytes.n, to);
    pl_buf_done(&bytes);
    json_decref(body);
    json_decref(answer);
    return rc == PL_OK ? PL_EXIT_OK : pl_cmd_fail(c, &err);
}

static void print_imported(pl_cmd_ctx *c, const json_t *f)
{
    (void)fprintf(c->out, pl_cmd_say(c, "filing %s is now in state '%s' (version %lld)%s%s\n",
                                     "备案 %s 现处于“%s”状态（版本 %lld）%s%s\n"),
                  registry_at(f, "id"), registry_word(c, json_object_get(f, "state_now")),
                  (long long)json_integer_value(json_object_get(f, "version")),
                  *registry_at(f, "number") ? pl_cmd_say(c, ", number ", "，编号 ") : "", registry_at(f, "number"));
}

int filing_cmd_import(pl_cmd_ctx *c)
{
    pl_registry_call k = { .method = "POST", .path = "/api/v1/filings/import" };
    char            *bytes = NULL;
    size_t           n = 0;
    pl_error         err = { 0 };
    json_t          *body = json_pack("{s:s}", "name", "package.tar");
    pl_rc            rc = pl_file_read(c->argv[0], REGISTRY_FILE_MAX, &bytes, &n, &err);

    if (rc == PL_OK)
        rc = registry_content_put(c, (pl_str){ bytes, n }, body, &err);
    free(bytes);
    if (rc != PL_OK) {
        json_decref(body);
        return pl_cmd_fail(c, &err);
    }
    return registry_run(c, &k, body, print_imported);
}

static void print_peers(pl_cmd_ctx *c, const json_t *answer)
{
    const json_t *one;
    size_t        i;

    json_array_foreach(json_object_get(answer, "peers"), i, one)
        (void)fprintf(c->out, "%-12s %-30s %s\n", registry_at(one, "role"), registry_at(one, "name"),
                      registry_at(one, "origin"));
}

int filing_cmd_peers(pl_cmd_ctx *c)
{
    pl_registry_call k = { .method = "GET", .path = "/api/v1/registry/peers" };

    return registry_run(c, &k, NULL, print_peers);
}

static void print_peer(pl_cmd_ctx *c, const json_t *answer)
{
    (void)fprintf(c->out, pl_cmd_say(c, "packages from %s are taken from now on\n", "现在起接收来自 %s 的数据包\n"),
                  registry_at(answer, "origin"));
}

int filing_cmd_peer(pl_cmd_ctx *c)
{
    pl_registry_call k = { .method = "POST", .path = "/api/v1/registry/peers" };
    const char   *role = c->opt(c->host, "role");
    char         *text = NULL;
    size_t        n = 0;
    pl_error      err = { 0 };
    json_t       *body;

    /* The key as it is written, or the file ledger/vkey of the other side. */
    if (strchr(c->argv[1], '+') == NULL && pl_file_read(c->argv[1], 4096, &text, &n, &err) != PL_OK)
        return pl_cmd_fail(c, &err);
    body = json_pack("{s:s, s:s, s:s}", "name", c->argv[0], "vkey", text ? text : c->argv[1], "role",
                     role ? role : "provider");
    free(text);
    return registry_run(c, &k, body, print_peer);
}

const pl_opt filing_export_opts[] = {
    { "output", "PKG", "where the package goes (-o)", "数据包写到何处（-o）" },
    { "to", "WHO", "organisation it is for; enters the ledger", "接收机构；会记入账本" },
    { "reason", "WHY", "why it is handed out; enters the ledger", "提供事由；会记入账本" },
    { NULL, NULL, NULL, NULL },
};

const pl_opt filing_peer_opts[] = {
    { "role", "ROLE", "what the peer may do: provider, reviewer, regulator, assessor",
      "对方可做之事：provider、reviewer、regulator、assessor" },
    { NULL, NULL, NULL, NULL },
};
