/* plumbline filing import-list: the columns of the public lists of algorithms (cn-assessment §3.1), as JSON
 * lines, into rows of the workflow cn-algorithm. */
#include "base/banned.h"

#include "base/file.h"
#include "cap/registry/registry_cmd.h"

#define LIST_MAX (64u << 20)
#define BATCH    400

typedef struct loader {
    pl_cmd_ctx *c;
    const char *source;
    json_t     *rows;
    long long   taken, known, lines;
} loader;

static const char *class_of(pl_str zh)
{
    static const char *const classes[][2] = { { "生成合成", "generation" }, { "个性化推送", "push" },
                                              { "排序精选", "ranking" }, { "检索过滤", "retrieval" },
                                              { "调度决策", "scheduling" } };

    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (pl_str_starts(zh, pl_str_z(classes[i][0])))
            return classes[i][1];
    return NULL;
}

static void set(json_t *o, const char *key, const char *v)
{
    if (v != NULL && *v)
        (void)json_object_set_new(o, key, json_string(v));
}

/* NULL: no number, or no month. The second series lists roles, and no class: its algorithms synthesise. */
static json_t *row_of(const json_t *r)
{
    const char *number = registry_at(r, "recordNumber"), *date = registry_at(r, "announcementDate");
    const char *role = registry_at(r, "role"), *remark = registry_at(r, "remark");
    const char *digits = strpbrk(number, "0123456789"), *class = class_of(pl_str_z(registry_at(r, "algorithmClass")));
    json_t     *subject = json_object(), *algorithm = json_object(), *product = json_object();
    char        region[7] = "";

    if (digits != NULL && strspn(digits, "0123456789") >= 6)
        (void)snprintf(region, sizeof region, "%.6s", digits);
    set(subject, "name", registry_at(r, "entityName"));
    set(subject, "region", region);
    set(algorithm, "name", registry_at(r, "algorithmName"));
    set(algorithm, "type", class ? class : *role ? "generation" : NULL);
    set(algorithm, "role", strstr(role, "支持") ? "supporter" : "provider");
    set(product, "name", registry_at(r, "product"));
    set(product, "purpose", registry_at(r, "purpose"));
    return json_pack("{s:s, s:s%, s:s, s:{s:o, s:o, s:o}}", "number", number, "month", date,
                     strlen(date) < 7 ? strlen(date) : 7, "state", strstr(remark, "注销") ? "cancelled" : "published",
                     "values", "subject", subject, "algorithm", algorithm, "product", product);
}

static pl_rc batch_send(loader *l, pl_error *err)
{
    pl_registry_call k = { .method = "POST", .path = "/api/v1/filings/lists" };
    json_t          *answer = NULL, *body;
    pl_rc            rc;

    if (json_array_size(l->rows) == 0)
        return PL_OK;
    body = json_pack("{s:s, s:s, s:O}", "workflow", "cn-algorithm", "source", l->source, "rows", l->rows);
    k.body = body;
    rc = pl_registry_call_run(l->c, &k, &answer, NULL, err);
    l->taken += json_integer_value(json_object_get(answer, "taken"));
    l->known += json_integer_value(json_object_get(answer, "known"));
    (void)json_array_clear(l->rows);
    json_decref(answer);
    json_decref(body);
    return rc;
}

static pl_rc line_take(loader *l, pl_str line, pl_error *err)
{
    json_t  *r = NULL;
    pl_error why = { 0 };
    pl_rc    rc;

    l->lines++;
    if (pl_str_trim(line).n == 0)
        return PL_OK;
    rc = pl_json_parse(line, "line", &r, &why);
    if (rc != PL_OK)
        return pl_fail(err, rc, "line %lld: %.200s", l->lines, why.text);
    if (*registry_at(r, "recordNumber"))
        (void)json_array_append_new(l->rows, row_of(r));
    json_decref(r);
    return json_array_size(l->rows) == BATCH ? batch_send(l, err) : PL_OK;
}

int filing_cmd_list_import(pl_cmd_ctx *c)
{
    loader   l = { .c = c, .source = c->opt(c->host, "source"), .rows = json_array() };
    char    *text = NULL;
    size_t   n = 0;
    pl_str   rest, line;
    pl_error err = { 0 };
    pl_rc    rc;

    if (l.source == NULL) {
        (void)fprintf(c->err, "plumbline: %s\n", pl_cmd_say(c, "filing import-list: --source must say where the list is from",
                                                            "filing import-list：须用 --source 说明清单来源"));
        json_decref(l.rows);
        return PL_EXIT_USAGE;
    }
    rc = pl_file_read(c->argv[0], LIST_MAX, &text, &n, &err);
    rest = (pl_str){ text, n };
    while (rc == PL_OK && pl_str_split(&rest, '\n', &line))
        rc = line_take(&l, line, &err);
    if (rc == PL_OK)
        rc = batch_send(&l, &err);
    free(text);
    json_decref(l.rows);
    if (rc != PL_OK)
        return pl_cmd_fail(c, &err);
    (void)fprintf(c->out, c->json ? "{\"taken\":%lld,\"known\":%lld}\n"
                                  : pl_cmd_say(c, "%lld filings taken, %lld known already\n", "导入 %lld 件，已有 %lld 件\n"),
                  l.taken, l.known);
    return PL_EXIT_OK;
}

const pl_opt filing_list_opts[] = {
    { "source", "TEXT", "where the list is from; enters the ledger", "清单来源；会记入账本" },
    { NULL, NULL, NULL, NULL },
};
