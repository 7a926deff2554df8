#include "base/banned.h"

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/guard/guard_cmd.h"
#include "cap/guard/guard_people.h"
#include "cap/guard/guard_plan.h"
#include "cap/guard/guard_review.h"
#include "cap/guard/policy_cases.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TEXT_MAX (256u << 20)

/* --- policy compile, policy test ------------------------------------------------------------ */

static int cmd_compile(pl_cmd_ctx *c)
{
    const char *out = c->opt(c->host, "output");
    const char *extra = c->opt(c->host, "packs");
    char       *shipped = pl_path_join(pl_datadir(), "packs");
    const char *folders[] = { extra ? extra : shipped, extra ? shipped : NULL, NULL };
    void       *image = NULL;
    size_t      n = 0;
    pl_error    err;
    pl_rc       rc;

    if (!out) {
        fprintf(c->err, "plumbline: policy compile: '-o DB' is missing\n");
        free(shipped);
        return PL_EXIT_USAGE;
    }
    rc = pl_policy_compile(c->argv[0], folders, &image, &n, &err);
    if (rc == PL_OK)
        rc = pl_file_write_atomic(out, (pl_str){ image, n }, 0640, &err);
    free(image);
    free(shipped);
    if (rc != PL_OK)
        return pl_cmd_fail(c, &err);
    if (c->json)
        fprintf(c->out, "{\"bytes\":%zu}\n", n);
    else
        fprintf(c->out, pl_cmd_say(c, "%s: %zu bytes\n", "%s：%zu 字节\n"), out, n);
    return PL_EXIT_OK;
}

typedef struct tester {
    pl_policy *policy;
    int        route;
    const pl_cell *cells[2];
    bool       blocks;
    json_t    *findings;
} tester;

static int on_finding(void *ctx, const pl_text_finding *f)
{
    tester      *t = ctx;
    pl_text_rule r = pl_textdb_rule_get(pl_policy_textdb(t->policy), f->rule);
    pl_cell      in = t->cells[0][f->rule], out = t->cells[1][f->rule];

    t->blocks |= pl_cell_act(in) == PL_ACTION_BLOCK || pl_cell_act(out) == PL_ACTION_BLOCK;
    json_array_append_new(t->findings, json_pack("{s:s%, s:s%, s:i, s:I, s:I, s:s, s:s}", "rule",
        r.id.p, r.id.n, "category", r.category.p, r.category.n, "severity", r.severity, "start",
        (json_int_t)f->start, "end", (json_int_t)f->end, "input", pl_action_name(pl_cell_action(in)),
        "output", pl_action_name(pl_cell_action(out))));
    return 0;
}

static void test_print(pl_cmd_ctx *c, const tester *t)
{
    json_t *f;
    size_t  i;

    json_array_foreach (t->findings, i, f)
        fprintf(c->out, "%8lld-%-8lld %-20s %-28s input=%s output=%s\n",
                (long long)json_integer_value(json_object_get(f, "start")),
                (long long)json_integer_value(json_object_get(f, "end")),
                json_string_value(json_object_get(f, "category")),
                json_string_value(json_object_get(f, "rule")),
                json_string_value(json_object_get(f, "input")),
                json_string_value(json_object_get(f, "output")));
    if (i == 0)
        fprintf(c->out, "%s\n", pl_cmd_say(c, "nothing found", "未发现命中"));
}

static int test_run(pl_cmd_ctx *c, tester *t, pl_error *err)
{
    char  *text = NULL, *dump;
    size_t n = 0;

    if (pl_file_read(c->argc > 1 ? c->argv[1] : "-", TEXT_MAX, &text, &n, err) != PL_OK)
        return pl_cmd_fail(c, err);
    if (pl_screen_scan(pl_policy_screen(t->policy), (pl_str){ text, n }, PL_SCREEN_ALL, on_finding,
                       t, err) != PL_OK) {
        free(text);
        return pl_cmd_fail(c, err);
    }
    free(text);
    if (c->json) {
        json_t *o = json_pack("{s:s%, s:O, s:b}", "policy", pl_policy_name(t->policy).p,
                              pl_policy_name(t->policy).n, "findings", t->findings, "blocked",
                              t->blocks);
        dump = pl_json_dump(o);
        fprintf(c->out, "%s\n", dump ? dump : "{}");
        free(dump);
        json_decref(o);
    } else {
        test_print(c, t);
    }
    return t->blocks ? PL_EXIT_FOUND : PL_EXIT_OK;
}

static int cmd_test(pl_cmd_ctx *c)
{
    const char *route = c->opt(c->host, "route");
    tester      t = { 0 };
    pl_error    err;
    int         code;

    if (pl_policy_openat(AT_FDCWD, c->argv[0], &t.policy, &err) != PL_OK)
        return pl_cmd_fail(c, &err);
    pl_policy_now(t.policy, pl_now_ms());
    t.route = pl_policy_route_find(t.policy, pl_str_z(route ? route : "default"));
    for (int d = 0; d < 2 && t.route >= 0; d++)
        t.cells[d] = pl_policy_cells(t.policy, t.route, d, pl_now_ms());
    t.findings = json_array();
    if (t.route >= 0 && c->opt(c->host, "cases")) {
        code = policy_test_cases(c, t.policy, t.route, c->opt(c->host, "cases"));
    } else if (t.route < 0) {
        pl_fail(&err, PL_NOTFOUND, "the policy has no route '%s'", route ? route : "default");
        code = pl_cmd_fail(c, &err);
    } else {
        code = test_run(c, &t, &err);
    }
    json_decref(t.findings);
    pl_policy_unref(t.policy);
    return code;
}

static int cmd_replay(pl_cmd_ctx *c)
{
    const char *route = c->opt(c->host, "route");
    pl_policy  *was = NULL, *now = NULL;
    pl_error    err;
    int         code;

    if (pl_policy_openat(AT_FDCWD, c->argv[0], &was, &err) != PL_OK ||
        pl_policy_openat(AT_FDCWD, c->argv[1], &now, &err) != PL_OK)
        code = pl_cmd_fail(c, &err);
    else
        code = policy_replay(c, was, now, route ? route : "default", c->argv[2]);
    pl_policy_unref(was);
    pl_policy_unref(now);
    return code;
}

/* --- talking to the daemon --------------------------------------------------------------------- */

int guard_cmd_call(pl_cmd_ctx *c, const char *method, const char *path, json_t *body,
                   void (*print)(pl_cmd_ctx *c, const json_t *answer))
{
    char    *text = body ? pl_json_dump(body) : NULL, *answer = NULL;
    json_t  *j = NULL;
    pl_error err;
    pl_rc    rc = pl_cmd_call(c, method, path, pl_str_z(text), &answer, &err);

    json_decref(body);
    free(text);
    if (rc == PL_OK)
        rc = pl_json_parse(pl_str_z(answer), "answer of plumblined", &j, &err);
    if (rc != PL_OK) {
        free(answer);
        return pl_cmd_fail(c, &err);
    }
    if (c->json)
        fprintf(c->out, "%s\n", answer);
    else
        print(c, j);
    free(answer);
    json_decref(j);
    return PL_EXIT_OK;
}

static void print_switch(pl_cmd_ctx *c, const json_t *j)
{
    const char *reason = json_string_value(json_object_get(j, "reason"));

    if (json_is_true(json_object_get(j, "stopped")))
        fprintf(c->out, pl_cmd_say(c, "stopped: %s\n", "已停止：%s\n"), reason ? reason : "");
    else
        fprintf(c->out, "%s\n", pl_cmd_say(c, "running", "运行中"));
    if (json_object_get(j, "ledger_index"))
        fprintf(c->out, pl_cmd_say(c, "recorded in the ledger at index %lld\n",
                                   "已记入账本，序号 %lld\n"),
                (long long)json_integer_value(json_object_get(j, "ledger_index")));
}

static void print_policy(pl_cmd_ctx *c, const json_t *j)
{
    fprintf(c->out, pl_cmd_say(c, "policy %s, %lld rules, digest %s\n",
                               "策略 %s，%lld 条规则，摘要 %s\n"),
            json_string_value(json_object_get(j, "name")),
            (long long)json_integer_value(json_object_get(j, "rules")),
            json_string_value(json_object_get(j, "digest")));
}

static void print_part(pl_cmd_ctx *c, const json_t *j)
{
    bool stopped = !json_object_get(j, "stopped") || json_is_true(json_object_get(j, "stopped"));

    fprintf(c->out, stopped ? pl_cmd_say(c, "%s '%s' is stopped: %s\n", "%s“%s”已停止：%s\n")
                            : pl_cmd_say(c, "%s '%s' runs again: %s\n", "%s“%s”已恢复：%s\n"),
            json_string_value(json_object_get(j, "scope")), json_string_value(json_object_get(j, "name")),
            json_string_value(json_object_get(j, "reason")));
}

static void print_status(pl_cmd_ctx *c, const json_t *j)
{
    json_t *part;
    size_t  i;

    print_switch(c, json_object_get(j, "stop"));
    json_array_foreach (json_object_get(j, "parts"), i, part)
        print_part(c, part);
    print_policy(c, json_object_get(j, "policy"));
    fprintf(c->out, pl_cmd_say(c, "gateway workers: %lld\n", "网关进程：%lld\n"),
            (long long)json_integer_value(json_object_get(j, "workers")));
}

/* The part that an option names; without one it is the whole installation. */
static bool part_given(pl_cmd_ctx *c, const char **scope, const char **name)
{
    for (int i = 0; i < PL_STOP__N; i++) {
        *scope = pl_stop_scope_name((pl_stop_scope)i);
        *name = c->opt(c->host, *scope);
        if (*name)
            return true;
    }
    return false;
}

static int switch_call(pl_cmd_ctx *c, const char *path)
{
    const char *reason = c->opt(c->host, "reason"), *scope, *name;

    if (!reason) {
        fprintf(c->err, "plumbline: %s\n", pl_cmd_say(c, "'--reason TEXT' is missing: it becomes "
                "part of the evidence", "缺少 '--reason 原因'：原因将成为证据的一部分"));
        return PL_EXIT_USAGE;
    }
    if (part_given(c, &scope, &name))
        return guard_cmd_call(c, "POST", path, json_pack("{s:s, s:s, s:s}", "reason", reason, "scope", scope, "name",
                                               name), print_part);
    return guard_cmd_call(c, "POST", path, json_pack("{s:s}", "reason", reason), print_switch);
}

static pl_rc part_stop(pl_gate *g, pl_cmd_ctx *c, const char *scope, const char *name, pl_error *err)
{
    pl_part_stop p = { .since_ms = c->now_ms };

    (void)pl_stop_scope_parse(pl_str_z(scope), &p.scope);
    if (strlen(name) >= sizeof p.name)
        return pl_fail(err, PL_INVALID, "the name is longer than %zu bytes", sizeof p.name - 1);
    snprintf(p.name, sizeof p.name, "%s", name);
    snprintf(p.reason, sizeof p.reason, "%s", c->opt(c->host, "reason"));
    return pl_gate_part_stop(g, &p, err);
}

/* Nothing may stand between an operator and the stop switch: without a daemon the state
 * file is written here, and the daemon records it when it starts. */
static int stop_without_daemon(pl_cmd_ctx *c)
{
    char       *dir = pl_path_join(pl_cmd_dir(c), "gateway");
    const char *scope, *name;
    pl_gate    *g = NULL;
    pl_error    err;
    pl_rc       rc;

    if (!dir || pl_gate_open(dir, &g, &err) != PL_OK) {
        free(dir);
        return PL_EXIT_FAILED;
    }
    rc = part_given(c, &scope, &name) ? part_stop(g, c, scope, name, &err) : PL_OK;
    if (!name)
        pl_gate_stop(g, pl_str_z(c->opt(c->host, "reason")), c->now_ms);
    pl_gate_close(g);
    free(dir);
    if (rc != PL_OK)
        return pl_cmd_fail(c, &err);
    if (c->json)
        fprintf(c->out, "{\"stopped\":true,\"ledger_index\":null}\n");
    else
        fprintf(c->out, "%s\n", pl_cmd_say(c, "stopped; plumblined does not run and will record it "
                "in the ledger when it starts", "已停止；plumblined 未运行，启动后将补记入账本"));
    return PL_EXIT_OK;
}

static bool daemon_is_down(pl_cmd_ctx *c)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    char              *path = pl_path_join(pl_cmd_dir(c), "run/control.sock");
    int                fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool               down = false;

    if (path && fd >= 0 && strlen(path) < sizeof a.sun_path) {
        memcpy(a.sun_path, path, strlen(path) + 1);
        down = connect(fd, (struct sockaddr *)&a, sizeof a) != 0 &&
               (errno == ENOENT || errno == ECONNREFUSED);
    }
    if (fd >= 0)
        close(fd);
    free(path);
    return down;
}

static int cmd_stop(pl_cmd_ctx *c)
{
    const char *reason = c->opt(c->host, "reason");

    if (reason && pl_str_trim(pl_str_z(reason)).n && daemon_is_down(c) &&
        stop_without_daemon(c) == PL_EXIT_OK)
        return PL_EXIT_OK;
    return switch_call(c, "/api/v1/guard/stop");
}

static int cmd_resume(pl_cmd_ctx *c)
{
    return switch_call(c, "/api/v1/guard/resume");
}

static int cmd_status(pl_cmd_ctx *c)
{
    return guard_cmd_call(c, "GET", "/api/v1/guard", NULL, print_status);
}

static long long int_of(const json_t *j, const char *key)
{
    return (long long)json_integer_value(json_object_get(j, key));
}

static void print_audit(pl_cmd_ctx *c, const json_t *j)
{
    const json_t *log = json_object_get(j, "access_log"), *b = json_object_get(j, "bypasses"), *v;
    const char   *key;

    fprintf(c->out, pl_cmd_say(c, "%s to %s: %lld exchanges, %lld not in the ledger yet\n",
                               "%s 至 %s：%lld 次交互，%lld 次尚未入账\n"),
            json_string_value(json_object_get(j, "from")), json_string_value(json_object_get(j, "to")),
            int_of(j, "exchanges"), int_of(j, "not_in_ledger"));
    fprintf(c->out, pl_cmd_say(c, "answers with text that was not scanned: %lld\n",
                               "含未检查文本的回答：%lld\n"), int_of(j, "uncovered"));
    if (json_is_object(log))
        fprintf(c->out, pl_cmd_say(c, "access log: %lld requests, %lld with an event; %lld files, %lld unreadable\n",
                                   "访问日志：%lld 个请求，%lld 个有事件；%lld 个文件，%lld 个无法读取\n"),
                int_of(log, "requests"), int_of(log, "covered"), int_of(log, "files"),
                int_of(log, "unreadable"));
    else
        fprintf(c->out, "%s\n", pl_cmd_say(c, "no access log to compare with", "没有可比对的访问日志"));
    json_object_foreach (json_object_get(j, "refusals"), key, v)
        fprintf(c->out, pl_cmd_say(c, "refused, %s: %lld\n", "已拒绝，%s：%lld\n"), key,
                (long long)json_integer_value(v));
    json_object_foreach ((json_t *)b, key, v)
        fprintf(c->out, pl_cmd_say(c, "bypass %s: %lld\n", "绕过 %s：%lld\n"), key,
                (long long)json_integer_value(v));
}

/* Text that left unscanned, or a request without an event, is a finding; a bypass that is on record
 * and allowed by the policy is none. */
static int cmd_audit(pl_cmd_ctx *c)
{
    const char *from = c->opt(c->host, "from"), *to = c->opt(c->host, "to");
    char        path[256], *answer = NULL;
    json_t     *j = NULL;
    bool        found;
    pl_error    err;
    pl_rc       rc;

    snprintf(path, sizeof path, "/api/v1/guard/audit?from=%.64s&to=%.64s", from ? from : "",
             to ? to : "");
    rc = pl_cmd_call(c, "GET", path, PL_STR(""), &answer, &err);
    if (rc == PL_OK)
        rc = pl_json_parse(pl_str_z(answer), "answer of plumblined", &j, &err);
    if (rc != PL_OK) {
        free(answer);
        return pl_cmd_fail(c, &err);
    }
    if (c->json)
        fprintf(c->out, "%s\n", answer);
    else
        print_audit(c, j);
    found = int_of(j, "uncovered") > 0 || int_of(json_object_get(j, "access_log"), "without_event") > 0 ||
            int_of(json_object_get(j, "access_log"), "unreadable") > 0;
    free(answer);
    json_decref(j);
    return found ? PL_EXIT_FOUND : PL_EXIT_OK;
}

static int cmd_activate(pl_cmd_ctx *c)
{
    return guard_cmd_call(c, "POST", "/api/v1/policy/activate", NULL, print_policy);
}

static int cmd_rollback(pl_cmd_ctx *c)
{
    return guard_cmd_call(c, "POST", "/api/v1/policy/rollback", NULL, print_policy);
}

static const pl_opt opts_compile[] = {
    { "output", "DB", "file to write (replaced atomically)", "要写入的文件（原子替换）" },
    { "packs", "DIR", "folder of packs searched first", "优先查找的包目录" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt opts_route[] = {
    { "route", "NAME", "route to judge by (default: default)", "按哪条路由判定（默认 default）" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt opts_test[] = {
    { "route", "NAME", "route to judge by (default: default)", "按哪条路由判定（默认 default）" },
    { "cases", "FILE", "run cases (JSON lines) instead of judging a text",
      "运行用例文件（每行一个 JSON），而非判定一段文本" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt opts_reason[] = {
    { "reason", "TEXT", "why; becomes part of the evidence", "原因；将成为证据的一部分" },
    { "service", "NAME", "only this service", "仅此服务" },
    { "model", "NAME", "only requests for this model", "仅针对此模型的请求" },
    { "tenant", "NAME", "only this tenant", "仅此租户" },
    { "category", "ID", "block what is found of this category (harm.* too)",
      "拦截该类别的命中（可用 harm.*）" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt opts_canary[] = {
    { "share", "PERCENT", "let the edited policy judge this share (1 to 99)", "由编辑后的策略判定此比例（1 至 99）" },
    { "end", NULL, "end the trial", "结束灰度" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt opts_schedule[] = {
    { "at", "TIME", "when the edited policy comes into force, RFC 3339", "编辑后的策略何时生效，RFC 3339" },
    { "cancel", NULL, "cancel what is scheduled", "取消计划" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt opts_why[] = {
    { "reason", "TEXT", "why; becomes part of the evidence", "原因；将成为证据的一部分" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt opts_reviews[] = {
    { "state", "STATE", "waiting (default), open, disputed, settled or lapsed",
      "waiting（默认）、open、disputed、settled 或 lapsed" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt opts_decide[] = {
    { "verdict", "WHAT", "violation, acceptable or unclear", "violation（违规）、acceptable（合规）或 unclear（无法判断）" },
    { "category", "ID", "which category, like harm.fraud", "类别，如 harm.fraud" },
    { "note", "TEXT", "grounds; destroyed together with the content", "理由；与内容一同销毁" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt opts_note[] = {
    { "note", "TEXT", "what was done about it", "处理情况" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt opts_audit[] = {
    { "from", "TIME", "first moment, RFC 3339 (default: a day before the last)",
      "起始时间，RFC 3339（默认：截止时间前一天）" },
    { "to", "TIME", "last moment (default: now)", "截止时间（默认：现在）" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt opts_none[] = { { NULL, NULL, NULL, NULL } };

const pl_cmd guard_commands[] = {
    { "policy", "compile", "SRC", 1, 1, opts_compile, "turn a policy and its packs into a database",
      "把策略及其包编译成策略库", "plumbline policy compile policy/default.yaml -o gateway/policy.db",
      cmd_compile },
    { "policy", "test", "DB [FILE|-]", 1, 2, opts_test,
      "show what a policy finds in a text, or run a file of cases",
      "显示策略在文本中的命中，或运行用例文件",
      "echo 'some text' | plumbline policy test gateway/policy.db", cmd_test },
    { "policy", "replay", "OLD NEW FILE|-", 3, 3, opts_route,
      "show which past verdicts (cases or events) another policy would change",
      "显示换用另一策略会改变哪些既往判定（用例或事件）",
      "plumbline policy replay gateway/policy.db new.db events.jsonl", cmd_replay },
    { "policy", "rollback", "", 0, 0, opts_none,
      "put the policy that was in force before back into force", "恢复上一个生效的策略",
      "plumbline policy rollback --dir plumbline-data", cmd_rollback },
    { "policy", "canary", "", 0, 0, opts_canary,
      "try the edited policy on a share of the exchanges, or compare it with the one in force",
      "对部分交互灰度编辑后的策略，或与生效策略比较", "plumbline policy canary --share 5", plan_cmd_canary },
    { "policy", "schedule", "", 0, 0, opts_schedule,
      "put the edited policy into force at a time; without options: show what is scheduled",
      "定时生效编辑后的策略；不带选项则显示计划", "plumbline policy schedule --at 2026-12-01T00:00:00+08:00",
      plan_cmd_schedule },
    { "policy", "activate", "", 0, 0, opts_none,
      "compile the instance's policy and put it into force without a reload",
      "编译实例策略并立即生效（无需重载）", "plumbline policy activate --dir plumbline-data",
      cmd_activate },
    { "guard", "stop", "", 0, 0, opts_reason, "stop the service at once on every worker",
      "立即停止服务（所有进程）", "plumbline guard stop --reason 'incident 42'", cmd_stop },
    { "guard", "resume", "", 0, 0, opts_reason, "lift the stop", "解除停止",
      "plumbline guard resume --reason 'fixed'", cmd_resume },
    { "guard", "status", "", 0, 0, opts_none, "show stop switch, policy and workers",
      "显示停止开关、策略与进程", "plumbline guard status", cmd_status },
    { "guard", "audit", "", 0, 0, opts_audit,
      "prove from events and access log that what was released was screened; count every bypass",
      "用事件与访问日志证明放行内容均经检查，并逐项统计绕过",
      "plumbline guard audit --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z", cmd_audit },
    { "subject", "list", "", 0, 0, opts_none, "people who are held: cooling off, suspended, session stopped",
      "列出受限用户（冷静期、暂停、会话终止）", "plumbline subject list", people_cmd_subject_list },
    { "subject", "show", "ID|-", 1, 1, opts_none, "what is known of a person, by id or by a value on standard input",
      "显示某用户的状态（编号，或从标准输入读取原值）", "echo alice | plumbline subject show -",
      people_cmd_subject_show },
    { "subject", "lift", "ID|-", 1, 1, opts_why, "end what holds against a person", "解除对某用户的限制",
      "plumbline subject lift ID --reason 'appeal granted'", people_cmd_subject_lift },
    { "subject", "appeal", "ID|-", 1, 1, opts_why, "record that a person objects", "登记用户申诉",
      "plumbline subject appeal ID --reason 'it was a quotation'", people_cmd_subject_appeal },
    { "signal", "list", "", 0, 0, opts_none, "open signals: reports, sanctions, dependence, crisis, appeals",
      "列出未处理信号（上报、处置、依赖、危机、申诉）", "plumbline signal list", people_cmd_signals },
    { "signal", "close", "ID", 1, 1, opts_note, "say what was done about a signal", "登记信号的处理情况",
      "plumbline signal close ID --note 'called the guardian'", people_cmd_signal_close },
    { "review", "list", "", 0, 0, opts_reviews, "exchanges that people are to look at, or looked at",
      "列出待人工复核或已复核的交互", "plumbline review list --state settled", review_cmd_list },
    { "review", "show", "ID", 1, 1, opts_none, "one of them: what was asked and answered, what was decided",
      "显示一项：问答内容与判定", "plumbline review show ID", review_cmd_show },
    { "review", "decide", "ID", 1, 1, opts_decide, "say what it was; another person decides for themselves",
      "作出判定；另一人独立判定", "plumbline review decide ID --verdict acceptable --note 'a quotation'",
      review_cmd_decide },
    { "review", "stats", "", 0, 0, opts_none, "cases by outcome, and how far two people agree",
      "按结果统计案例，以及两人判定的一致程度", "plumbline review stats", review_cmd_stats },
    { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL },
};
