/* plumbline filing …: a filing's way from draft to number. */
#include "base/banned.h"

#include "base/file.h"
#include "cap/registry/registry_cmd.h"

/* --- printing ------------------------------------------------------------------------------- */

static long long number_at(const json_t *o, const char *key)
{
    return (long long)json_integer_value(json_object_get(o, key));
}

static void row(pl_cmd_ctx *c, const char *en, const char *zh, const char *value)
{
    if (*value)
        (void)fprintf(c->out, "  %s\t%s\n", pl_cmd_say(c, en, zh), value);
}

static void print_history(pl_cmd_ctx *c, const json_t *f)
{
    const json_t *one;
    size_t        i;

    json_array_foreach(json_object_get(f, "history"), i, one)
        (void)fprintf(c->out, "  %lld  %s  %-16s %s -> %s  %s  %s %lld\n", number_at(one, "n"),
                      registry_at(one, "time"), registry_at(one, "step"), registry_at(one, "from"),
                      registry_at(one, "to"), registry_at(one, "by"), pl_cmd_say(c, "ledger", "账本"),
                      number_at(one, "ledger_index"));
}

static void print_deadlines(pl_cmd_ctx *c, const json_t *f)
{
    const json_t *one;
    size_t        i;

    json_array_foreach(json_object_get(f, "deadlines"), i, one) {
        const char *status = registry_at(one, "status");

        (void)fprintf(c->out, "  %s: %s  [%s]%s%s\n", registry_word(c, one),
                      *registry_at(one, "due") ? registry_at(one, "due")
                                               : pl_cmd_say(c, "undetermined", "无法确定"),
                      status, *registry_at(one, "reason") ? "  " : "", registry_at(one, "reason"));
    }
}

static void print_files(pl_cmd_ctx *c, const json_t *f)
{
    const json_t *one;
    size_t        i;

    json_array_foreach(json_object_get(f, "files"), i, one)
        (void)fprintf(c->out, "  %-20s %s  %lld  %.16s…\n", registry_at(one, "slot"), registry_at(one, "name"),
                      number_at(one, "size"), registry_at(one, "sha256"));
}

static void print_filing(pl_cmd_ctx *c, const json_t *f)
{
    (void)fprintf(c->out, "%s  %s\n", registry_at(f, "id"), registry_at(f, "title"));
    row(c, "state", "状态", registry_word(c, json_object_get(f, "state_now")));
    row(c, "number", "编号", registry_at(f, "number"));
    row(c, "organisation", "主体", registry_at(f, "organisation"));
    row(c, "workflow", "流程", registry_at(f, "workflow"));
    row(c, "pack", "规则包", registry_at(f, "pack"));
    (void)fprintf(c->out, "  %s\t%lld\n", pl_cmd_say(c, "version", "版本"), number_at(f, "version"));
    print_files(c, f);
    print_deadlines(c, f);
    print_history(c, f);
}

static void print_lines(pl_cmd_ctx *c, const json_t *answer)
{
    const json_t *one;
    size_t        i;

    json_array_foreach(json_object_get(answer, "filings"), i, one)
        (void)fprintf(c->out, "%s  %-18s %-16s %s  %s  %s\n", registry_at(one, "id"),
                      registry_at(one, "workflow"), registry_at(one, "state"), registry_at(one, "title"),
                      registry_at(one, "organisation"), registry_at(one, "number"));
    (void)fprintf(c->out, pl_cmd_say(c, "%s%lld filings\n", "%s%lld 件备案\n"),
                  json_is_true(json_object_get(answer, "total_is_exact")) ? "" : "≤ ",
                  number_at(answer, "total"));
}

static void print_check(pl_cmd_ctx *c, const json_t *answer)
{
    const json_t *one;
    size_t        i;

    json_array_foreach(json_object_get(answer, "problems"), i, one)
        (void)fprintf(c->out, "%s  %s.%s  %s\n", registry_at(one, "severity"), registry_at(one, "form"),
                      registry_at(one, "field"), registry_word(c, one));
    json_array_foreach(json_object_get(answer, "steps"), i, one)
        (void)fprintf(c->out, "%s %-18s %s%s%s\n",
                      json_is_true(json_object_get(one, "possible")) ? "+" : "-", registry_at(one, "step"),
                      registry_word(c, one), *registry_at(one, "reason") ? ": " : "",
                      registry_at(one, "reason"));
}

static void print_workflows(pl_cmd_ctx *c, const json_t *answer)
{
    const json_t *one;
    size_t        i;

    json_array_foreach(json_object_get(answer, "workflows"), i, one)
        (void)fprintf(c->out, "%-24s %-4s %-32s %s\n", registry_at(one, "id"), registry_at(one, "jurisdiction"),
                      registry_at(one, "pack"), registry_word(c, one));
    json_array_foreach(json_object_get(answer, "problems"), i, one)
        (void)fprintf(c->err, "%s: %s\n", registry_at(one, "pack"), registry_at(one, "problem"));
}

static void print_due(pl_cmd_ctx *c, const json_t *answer)
{
    const json_t *one;
    size_t        i;

    json_array_foreach(json_object_get(answer, "deadlines"), i, one)
        (void)fprintf(c->out, "%-12s %-20s %s  %s\n",
                      *registry_at(one, "due") ? registry_at(one, "due") : pl_cmd_say(c, "undetermined", "无法确定"),
                      registry_at(one, "deadline"), registry_at(one, "filing"), registry_at(one, "title"));
}

static void print_statistics(pl_cmd_ctx *c, const json_t *answer)
{
    const char   *facet;
    const json_t *list, *one;
    size_t        i;

    (void)fprintf(c->out, pl_cmd_say(c, "%lld filings\n", "%lld 件备案\n"), number_at(answer, "total"));
    json_object_foreach(json_object_get(answer, "by"), facet, list)
        json_array_foreach(list, i, one)
            (void)fprintf(c->out, "%-10s %-30s %lld\n", facet, registry_at(one, "value"), number_at(one, "count"));
}

/* --- reading --------------------------------------------------------------------------------- */

static int cmd_workflows(pl_cmd_ctx *c)
{
    pl_registry_call k = { .method = "GET", .path = "/api/v1/registry/workflows" };

    return registry_run(c, &k, NULL, print_workflows);
}

static int cmd_form(pl_cmd_ctx *c)
{
    pl_registry_call k = { .method = "GET" };

    (void)snprintf(k.path, sizeof k.path, "/api/v1/registry/workflows/%.60s", c->argv[0]);
    return registry_run(c, &k, NULL, NULL);
}

static int filing_call(pl_cmd_ctx *c, const char *method, const char *tail, json_t *body,
                       void (*human)(pl_cmd_ctx *c, const json_t *answer))
{
    pl_registry_call k = { .method = method };

    (void)snprintf(k.path, sizeof k.path, "/api/v1/filings/%.40s%s", c->argv[0], tail);
    return registry_run(c, &k, body, human);
}

static int cmd_show(pl_cmd_ctx *c)
{
    return filing_call(c, "GET", "", NULL, print_filing);
}

/* 1 when the values have errors, as design §5 says for checks. */
static int cmd_check(pl_cmd_ctx *c)
{
    pl_registry_call k = { .method = "GET" };
    json_t       *answer = NULL;
    pl_error      err = { 0 };
    int           code;

    (void)snprintf(k.path, sizeof k.path, "/api/v1/filings/%.40s/check", c->argv[0]);
    if (pl_registry_call_run(c, &k, &answer, NULL, &err) != PL_OK)
        return pl_cmd_fail(c, &err);
    registry_answer_print(c, answer, print_check);
    code = json_is_true(json_object_get(answer, "ok")) ? PL_EXIT_OK : PL_EXIT_FOUND;
    json_decref(answer);
    return code;
}

static void print_drift(pl_cmd_ctx *c, const json_t *answer)
{
    const json_t *row, *one;
    size_t        i, k;

    json_array_foreach(json_object_get(answer, "rows"), i, row) {
        const char *state = registry_at(row, "state");
        char       *filed = json_dumps(json_object_get(row, "filed"), JSON_COMPACT | JSON_ENCODE_ANY);
        char       *seen = json_dumps(json_object_get(row, "seen"), JSON_COMPACT | JSON_ENCODE_ANY);

        (void)fprintf(c->out, "%s %s: %s\n", *state == 'm' ? "+" : *state == 'd' ? "!" : "?", registry_word(c, row),
                      registry_word(c, json_object_get(row, "reason")));
        (void)fprintf(c->out, pl_cmd_say(c, "    filed %s, seen %s\n", "    备案 %s，实际 %s\n"), filed ? filed : "null",
                      seen ? seen : "null");
        free(filed);
        free(seen);
        json_array_foreach(json_object_get(row, "others"), k, one)
            (void)fprintf(c->out, "    %s %s\n", pl_cmd_say(c, "not filed:", "未备案："), json_string_value(one));
    }
    json_array_foreach(json_object_get(answer, "findings"), i, row)
        (void)fprintf(c->out, "%s %s  %s – %s  %s %lld\n", pl_cmd_say(c, "finding", "问题"), registry_at(row, "item"),
                      registry_at(row, "opened"), *registry_at(row, "closed") ? registry_at(row, "closed") : "…",
                      pl_cmd_say(c, "ledger", "账本"), number_at(row, "opened_index"));
    if (json_object_get(answer, "reason"))
        (void)fprintf(c->out, "%s\n", registry_word(c, json_object_get(answer, "reason")));
}

/* 1 when reality and filing have come apart, 3 when that cannot be told. */
static int cmd_drift(pl_cmd_ctx *c)
{
    const char *const query[] = { "days", c->opt(c->host, "days"), NULL };
    pl_registry_call  k = { .method = c->opt(c->host, "record") ? "POST" : "GET", .query = query };
    json_t           *answer = NULL;
    const char       *state;
    pl_error          err = { 0 };
    int               code;

    (void)snprintf(k.path, sizeof k.path, "/api/v1/filings/%.40s/drift", c->argv[0]);
    if (pl_registry_call_run(c, &k, &answer, NULL, &err) != PL_OK)
        return pl_cmd_fail(c, &err);
    registry_answer_print(c, answer, print_drift);
    state = registry_at(answer, "state");
    code = *state == 'm' ? PL_EXIT_OK : *state == 'd' ? PL_EXIT_FOUND : PL_EXIT_INCONCLUSIVE;
    json_decref(answer);
    return code;
}

static int search(pl_cmd_ctx *c, const char *path, const char *q,
                  void (*human)(pl_cmd_ctx *c, const json_t *answer))
{
    const char *const query[] = { "q", q, "region", c->opt(c->host, "region"), "role",
                                  c->opt(c->host, "role"), "type", c->opt(c->host, "type"), "month",
                                  c->opt(c->host, "month"), "workflow", c->opt(c->host, "workflow"), "state",
                                  c->opt(c->host, "state"), "limit", c->opt(c->host, "limit"), "before",
                                  c->opt(c->host, "before"), NULL };
    pl_registry_call     k = { .method = "GET", .query = query };

    (void)snprintf(k.path, sizeof k.path, "%s", path);
    return registry_run(c, &k, NULL, human);
}

static int cmd_list(pl_cmd_ctx *c)
{
    return search(c, "/api/v1/filings", NULL, print_lines);
}

static int cmd_search(pl_cmd_ctx *c)
{
    return search(c, c->opt(c->host, "public") ? "/api/v1/public/register" : "/api/v1/filings", c->argv[0],
                  print_lines);
}

static int cmd_statistics(pl_cmd_ctx *c)
{
    return search(c, c->opt(c->host, "public") ? "/api/v1/public/register/statistics"
                                               : "/api/v1/filings/statistics",
                  c->argc > 0 ? c->argv[0] : NULL, print_statistics);
}

static int cmd_due(pl_cmd_ctx *c)
{
    const char *const query[] = { "until", c->opt(c->host, "until"), NULL };
    pl_registry_call     k = { .method = "GET", .path = "/api/v1/filings/due", .query = query };

    return registry_run(c, &k, NULL, print_due);
}

/* --- writing ----------------------------------------------------------------------------------- */

static int cmd_new(pl_cmd_ctx *c)
{
    const char   *path = c->opt(c->host, "values");
    pl_registry_call k = { .method = "POST", .path = "/api/v1/filings" };
    json_t       *values = NULL;
    pl_error      err = { 0 };

    if (path != NULL && registry_values_read(path, &values, &err) != PL_OK)
        return pl_cmd_fail(c, &err);
    return registry_run(c, &k, json_pack("{s:s, s:o, s:s*}", "workflow", c->argv[0], "values",
                                         values ? values : json_object(), "subject",
                                         c->opt(c->host, "subject")), print_filing);
}

/* What `check` tells, and with it the version that is looked at. */
static pl_rc look(pl_cmd_ctx *c, json_t **out, int64_t *version, pl_error *err)
{
    const char   *given = c->opt(c->host, "version");
    pl_registry_call k = { .method = "GET" };
    uint64_t      v = 0;
    pl_rc         rc;

    (void)snprintf(k.path, sizeof k.path, "/api/v1/filings/%.40s/check", c->argv[0]);
    rc = pl_registry_call_run(c, &k, out, NULL, err);
    if (rc == PL_OK && given != NULL)
        rc = pl_str_u64(pl_str_z(given), &v, err);
    *version = given ? (int64_t)v : json_integer_value(json_object_get(*out, "version"));
    return rc;
}

static int cmd_set(pl_cmd_ctx *c)
{
    json_t  *now = NULL, *values = NULL;
    int64_t  version = 0;
    pl_error err = { 0 };
    pl_rc    rc = registry_values_read(c->argv[1], &values, &err);

    if (rc == PL_OK)
        rc = look(c, &now, &version, &err);
    json_decref(now);
    if (rc != PL_OK) {
        json_decref(values);
        return pl_cmd_fail(c, &err);
    }
    return filing_call(c, "PUT", "", json_pack("{s:I, s:o}", "version", (json_int_t)version, "values", values),
                       print_filing);
}

static int cmd_attach(pl_cmd_ctx *c)
{
    const char *slash = strrchr(c->argv[2], '/');
    json_t     *now = NULL, *body = NULL;
    int64_t     version = 0;
    char       *bytes = NULL;
    size_t      n = 0;
    pl_error    err = { 0 };
    pl_rc       rc = pl_file_read(c->argv[2], REGISTRY_FILE_MAX, &bytes, &n, &err);

    if (rc == PL_OK)
        rc = look(c, &now, &version, &err);
    json_decref(now);
    if (rc == PL_OK)
        body = json_pack("{s:I, s:s, s:s}", "version", (json_int_t)version, "slot", c->argv[1], "name",
                         slash ? slash + 1 : c->argv[2]);
    if (rc == PL_OK)
        rc = body ? registry_content_put(c, (pl_str){ bytes, n }, body, &err)
                  : pl_fail(&err, PL_INVALID, "the name is not UTF-8");
    free(bytes);
    if (rc != PL_OK) {
        json_decref(body);
        return pl_cmd_fail(c, &err);
    }
    return filing_call(c, "POST", "/files", body, print_filing);
}

/* --- steps -------------------------------------------------------------------------------------- */

static int take(pl_cmd_ctx *c, const char *step, int64_t version)
{
    char tail[80];

    (void)snprintf(tail, sizeof tail, "/steps/%.60s", step);
    return filing_call(c, "POST", tail, json_pack("{s:I, s:s*, s:s*}", "version", (json_int_t)version, "note",
                                                  c->opt(c->host, "note"), "number", c->opt(c->host, "number")),
                       print_filing);
}

/* The one step of this kind that leads on from here. A step that cannot be taken is chosen only when
 * there is no other, so that the reason is told. */
static const json_t *step_choose(const json_t *now, const char *key, const char *const *wanted, size_t *count)
{
    const json_t *one, *best = NULL;
    size_t        i;
    bool          best_possible = false;

    *count = 0;
    json_array_foreach(json_object_get(now, "steps"), i, one) {
        bool fits = false, possible = json_is_true(json_object_get(one, "possible"));

        for (size_t k = 0; wanted[k] != NULL; k++)
            fits |= strcmp(registry_at(one, key), wanted[k]) == 0;
        if (!fits || (best_possible && !possible))
            continue;
        *count = best_possible == possible ? *count + 1 : 1;
        best = one;
        best_possible = possible;
    }
    return best;
}

static int step_by(pl_cmd_ctx *c, const char *key, const char *const *wanted)
{
    json_t       *now = NULL;
    const json_t *step;
    int64_t       version = 0;
    size_t        count = 0;
    char          name[64];
    pl_error      err = { 0 };
    pl_rc         rc = look(c, &now, &version, &err);

    step = rc == PL_OK ? step_choose(now, key, wanted, &count) : NULL;
    if (rc == PL_OK && count > 1)
        rc = pl_fail(&err, PL_INVALID, "several steps fit; say which with 'filing step': see 'filing check'");
    if (rc == PL_OK && step == NULL)
        rc = pl_fail(&err, PL_CONFLICT, "in state '%.40s' there is no such step: see 'filing check'",
                     registry_at(now, "state"));
    (void)snprintf(name, sizeof name, "%.60s", registry_at(step, "step"));
    json_decref(now);
    return rc == PL_OK ? take(c, name, version) : pl_cmd_fail(c, &err);
}

static int cmd_submit(pl_cmd_ctx *c)
{
    static const char *const wanted[] = { "submitted", NULL };

    return step_by(c, "action", wanted);
}

static int cmd_publish(pl_cmd_ctx *c)
{
    static const char *const wanted[] = { "published", NULL };

    return step_by(c, "action", wanted);
}

static int cmd_change(pl_cmd_ctx *c)
{
    static const char *const wanted[] = { "changed", NULL };

    return step_by(c, "action", wanted);
}

static int cmd_cancel(pl_cmd_ctx *c)
{
    static const char *const wanted[] = { "cancelled", NULL };

    return step_by(c, "action", wanted);
}

static int cmd_review(pl_cmd_ctx *c)
{
    const char       *decision = c->opt(c->host, "decision");
    const char *const wanted[] = { decision, NULL };

    if (decision == NULL || (strcmp(decision, "approved") != 0 && strcmp(decision, "returned") != 0 &&
                             strcmp(decision, "rejected") != 0)) {
        (void)fprintf(c->err, "plumbline: %s\n",
                      pl_cmd_say(c, "filing review: --decision approved, returned or rejected",
                                 "filing review：--decision approved（通过）、returned（退回）或 rejected（不予通过）"));
        return PL_EXIT_USAGE;
    }
    return step_by(c, "decision", wanted);
}

static int cmd_step(pl_cmd_ctx *c)
{
    json_t  *now = NULL;
    int64_t  version = 0;
    pl_error err = { 0 };
    pl_rc    rc = look(c, &now, &version, &err);

    json_decref(now);
    return rc == PL_OK ? take(c, c->argv[1], version) : pl_cmd_fail(c, &err);
}

static int cmd_vote(pl_cmd_ctx *c)
{
    return filing_call(c, "POST", "/votes", json_pack("{s:s, s:s*}", "vote", c->argv[1], "note",
                                                      c->opt(c->host, "note")), print_filing);
}

/* --- the table ------------------------------------------------------------------------------------ */

static const pl_opt none[] = { { NULL, NULL, NULL, NULL } };

static const pl_opt drift_opts[] = {
    { "days", "N", "look at the last N days (default 30)", "观测最近 N 天（默认 30）" },
    { "record", NULL, "open and close findings now", "立即登记或关闭问题" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt new_opts[] = {
    { "values", "FILE", "values of the forms, YAML or JSON", "表单内容，YAML 或 JSON" },
    { "subject", "ID", "record the filing is about", "备案对象的记录编号" },
    { NULL, NULL, NULL, NULL },
};

static const pl_opt step_opts[] = {
    { "note", "TEXT", "reason, where the step wants one", "事由（该步骤要求时）" },
    { "number", "NUMBER", "number an authority has given; otherwise it is issued here",
      "主管部门已给出的编号；否则由本系统编发" },
    { "decision", "WHAT", "review: approved, returned, rejected", "审核结论：approved、returned、rejected" },
    { "version", "N", "the version looked at (default: the newest)", "所依据的版本（默认最新）" },
    { NULL, NULL, NULL, NULL },
};

static const pl_opt search_opts[] = {
    { "public", NULL, "only what the public register shows", "仅公开登记册所示" },
    { "region", "CODE", "region", "属地" },
    { "role", "ROLE", "role of who files", "角色" },
    { "type", "TYPE", "type of what is filed", "类别" },
    { "month", "YYYY-MM", "month of publication", "公布月份" },
    { "workflow", "ID", "workflow", "流程" },
    { "state", "STATE", "state", "状态" },
    { "limit", "N", "filings on a page", "每页件数" },
    { "before", "N", "go on from here ('next' of the page before)", "从此处继续（上一页的 next）" },
    { "until", "DATE", "deadlines up to this day", "截至该日的期限" },
    { NULL, NULL, NULL, NULL },
};

const pl_cmd registry_commands[] = {
    { "filing", "workflows", "", 0, 0, none, "which kinds of filing there are", "列出可办理的备案流程",
      "plumbline filing workflows", cmd_workflows },
    { "filing", "form", "WORKFLOW", 1, 1, none, "states, steps and forms of a workflow, as JSON",
      "以 JSON 显示流程的状态、步骤与表单", "plumbline filing form cn-algorithm", cmd_form },
    { "filing", "new", "WORKFLOW", 1, 1, new_opts, "begin a filing", "新建备案",
      "plumbline filing new cn-algorithm --values filing.yaml", cmd_new },
    { "filing", "show", "ID", 1, 1, none, "a filing with its history, deadlines and attachments",
      "显示备案及其经过、期限与附件", "plumbline filing show ID", cmd_show },
    { "filing", "set", "ID FILE", 2, 2, step_opts, "replace the values of forms", "填写或替换表单内容",
      "plumbline filing set ID values.yaml", cmd_set },
    { "filing", "attach", "ID SLOT FILE", 3, 3, step_opts, "attach a file", "添加附件",
      "plumbline filing attach ID self_assessment report.pdf", cmd_attach },
    { "filing", "check", "ID", 1, 1, none, "what is missing, and which steps are possible; 1 when values are wrong",
      "检查缺漏及可办步骤；内容有误时返回 1", "plumbline filing check ID", cmd_check },
    { "filing", "drift", "ID", 1, 1, drift_opts, "compare what was filed with what is observed; exit 1 when they differ, 3 when it cannot be told",
      "将备案内容与实际观测对照；不一致时返回 1，无法确定时返回 3", "plumbline filing drift ID --days 7", cmd_drift },
    { "filing", "submit", "ID", 1, 1, step_opts, "submit it", "提交", "plumbline filing submit ID", cmd_submit },
    { "filing", "review", "ID", 1, 1, step_opts, "decide about it", "审核",
      "plumbline filing review ID --decision approved", cmd_review },
    { "filing", "publish", "ID", 1, 1, step_opts, "publish it", "公示", "plumbline filing publish ID", cmd_publish },
    { "filing", "change", "ID", 1, 1, step_opts, "begin a change of a published filing", "发起变更",
      "plumbline filing change ID --note WHY", cmd_change },
    { "filing", "cancel", "ID", 1, 1, step_opts, "cancel it", "注销", "plumbline filing cancel ID --note WHY",
      cmd_cancel },
    { "filing", "step", "ID STEP", 2, 2, step_opts, "take any step of the workflow", "办理流程中的任一步骤",
      "plumbline filing step ID return --note WHY", cmd_step },
    { "filing", "vote", "ID yes|no|abstain|recuse", 2, 2, step_opts, "vote in a committee", "委员会表决",
      "plumbline filing vote ID yes", cmd_vote },
    { "filing", "list", "", 0, 0, search_opts, "filings, newest first", "列出备案",
      "plumbline filing list --state submitted", cmd_list },
    { "filing", "search", "WORDS", 1, 1, search_opts, "find filings; one character is enough",
      "检索备案，单字亦可", "plumbline filing search 智能 --public", cmd_search },
    { "filing", "statistics", "[WORDS]", 0, 1, search_opts, "how many of what", "统计",
      "plumbline filing statistics --public", cmd_statistics },
    { "filing", "due", "", 0, 0, search_opts, "open deadlines", "未结期限", "plumbline filing due", cmd_due },
    { "filing", "export", "ID", 1, 1, filing_export_opts, "a signed package for another installation",
      "导出供其他单位使用的签名数据包", "plumbline filing export ID -o f.tar --to CAC --reason filing",
      filing_cmd_export },
    { "filing", "import", "PKG", 1, 1, none, "take a signed package of a known peer", "接收已登记对方的签名数据包",
      "plumbline filing import f.tar", filing_cmd_import },
    { "filing", "import-list", "FILE|-", 1, 1, filing_list_opts, "take over a published list of algorithm filings",
      "导入已公布的算法备案清单", "zstd -dc list.jsonl.zst | plumbline filing import-list - --source CAC",
      filing_cmd_list_import },
    { "filing", "peers", "", 0, 0, none, "installations whose packages are taken", "可接收其数据包的单位",
      "plumbline filing peers", filing_cmd_peers },
    { "filing", "peer", "NAME VKEY|FILE", 2, 2, filing_peer_opts, "take packages of an installation",
      "登记可接收其数据包的单位", "plumbline filing peer 'Example Ltd' vkey --role provider", filing_cmd_peer },
    { "registry", "kinds", "", 0, 0, registry_opts, "which kinds of records there are", "列出记录类别",
      "plumbline registry kinds", registry_cmd_kinds },
    { "registry", "add", "KIND FILE", 2, 2, registry_opts, "add a record", "新增记录",
      "plumbline registry add model model.yaml", registry_cmd_add },
    { "registry", "change", "ID FILE", 2, 2, registry_opts, "give a record a new version", "更新记录（产生新版本）",
      "plumbline registry change ID model.yaml --note WHY", registry_cmd_change },
    { "registry", "retire", "ID", 1, 1, registry_opts, "end a record; its history stays", "停用记录（历史保留）",
      "plumbline registry retire ID --note WHY", registry_cmd_retire },
    { "registry", "attach", "ID SLOT FILE", 3, 3, registry_opts, "attach a file to a record", "为记录添加附件",
      "plumbline registry attach ID licence LICENSE.txt", registry_cmd_attach },
    { "registry", "show", "ID", 1, 1, registry_opts, "a record, or an older version of it", "显示记录或其旧版本",
      "plumbline registry show ID --version 1", registry_cmd_show },
    { "registry", "history", "ID", 1, 1, registry_opts, "all versions of a record", "记录的全部版本",
      "plumbline registry history ID", registry_cmd_history },
    { "registry", "list", "", 0, 0, registry_opts, "records, newest first", "列出记录",
      "plumbline registry list --kind model", registry_cmd_list },
    { "registry", "import", "FILE", 1, 1, registry_exchange_opts,
      "add records from CycloneDX, Croissant, model cards, XLSX, CSV or JSON", "从 CycloneDX、Croissant、模型卡、XLSX、CSV、JSON 导入记录",
      "plumbline registry import bom.json", registry_cmd_import },
    { "registry", "export", "[ID…]", 0, -1, registry_exchange_opts, "records as JSON, CSV, XLSX or CycloneDX",
      "将记录导出为 JSON、CSV、XLSX 或 CycloneDX", "plumbline registry export --kind model --format cyclonedx",
      registry_cmd_export },
    { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL },
};
