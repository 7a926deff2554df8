/* `plumbline up` and `plumbline init`: an instance made, checked, run and watched. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "host/cli/cli.h"
#include "host/cli/up_int.h"
#include "host/cli/up_nginx.h"

#include <unistd.h>

#define RECEIPT_MS 5000
#define WATCH_MS   60000

/* --- saying ---------------------------------------------------------------------------- */

/* One JSON line with --json, else text. Takes the object over. */
void up_say(const up *u, json_t *event, const char *text)
{
    char *line = u->c->json && event != NULL ? pl_json_dump(event) : NULL;

    if (u->c->json)
        (void)fprintf(u->c->out, "%s\n", line != NULL ? line : "{}");
    else if (text != NULL)
        (void)fprintf(u->c->out, "%s\n", text);
    (void)fflush(u->c->out);
    free(line);
    json_decref(event);
}

static const char *word(const up *u, const char *en, const char *zh)
{
    return pl_cmd_say(u->c, en, zh);
}

void up_say_step(const up *u, const char *event, const char *en, const char *zh, const char *what)
{
    char text[1500];

    (void)snprintf(text, sizeof text, "%s%s%s", word(u, en, zh), what[0] != '\0' ? " " : "", what);
    up_say(u, json_pack("{s:s, s:s}", "event", event, "what", what[0] != '\0' ? what : en), text);
}

/* --- the instance ---------------------------------------------------------------------- */

static pl_instance_options options_of(pl_cmd_ctx *c)
{
    return (pl_instance_options){
        .dir = pl_cmd_dir(c),
        .upstream = c->opt(c->host, "upstream"),
        .listen = c->opt(c->host, "listen"),
        .gateway = c->opt(c->host, "gateway"),
        .database = c->opt(c->host, "database"),
        .service = c->opt(c->host, "service"),
    };
}

static void show_password(const up *u)
{
    char text[200];

    if (u->password[0] == '\0')
        return;
    (void)snprintf(text, sizeof text, "%s  admin / %s", word(u, "Log in as (shown only now):",
                                                            "登录账号（仅显示这一次）："),
                   u->password);
    up_say(u, json_pack("{s:s, s:s, s:s}", "event", "administrator", "name", "admin", "password",
                     u->password), text);
}

/* Addresses and upstream given now act now; identity does not change after creation. */
static pl_rc overrides_apply(up *u, const pl_instance_options *o, pl_error *err)
{
    pl_instance *i = &u->inst;

    if (o->service != NULL && strcmp(o->service, i->service) != 0)
        return pl_fail(err, PL_CONFLICT,
                       "the service of this instance is '%.60s'; change 'service' in "
                       "'%.100s/plumbline.yaml' instead of giving --service", i->service, i->dir);
    if (o->database != NULL && !u->is_fresh)
        return pl_fail(err, PL_CONFLICT, "--database is for the first start; the database is "
                       "named in '%.120s/plumbline.yaml'", i->dir);
    if (o->upstream != NULL)
        (void)snprintf(i->upstream, sizeof i->upstream, "%s", o->upstream);
    if (o->listen != NULL)
        (void)snprintf(i->listen, sizeof i->listen, "%s", o->listen);
    if (o->gateway != NULL)
        (void)snprintf(i->gateway, sizeof i->gateway, "%s", o->gateway);
    u->is_demo = i->upstream[0] == '\0';
    return PL_OK;
}

static pl_rc folders_ensure(const up *u, pl_error *err)
{
    static const char *const names[] = { "run", "log", "nginx" };
    pl_rc                    rc = PL_OK;

    for (size_t i = 0; rc == PL_OK && i < sizeof names / sizeof names[0]; i++) {
        char path[1100];

        (void)snprintf(path, sizeof path, "%s/%s", u->inst.dir, names[i]);
        rc = pl_mkdir_p(path, 0750, err);
    }
    return rc;
}

static pl_rc lock_take(up *u, pl_error *err)
{
    char  path[1100];
    pl_rc rc;

    (void)snprintf(path, sizeof path, "%s/run/up.lock", u->inst.dir);
    rc = pl_lock_file(path, &u->lock, err);
    return rc == PL_CONFLICT
               ? pl_fail(err, rc, "'plumbline up' runs already for '%.150s'", u->inst.dir)
               : rc;
}

/* What is wrong with what was asked for is said before anything is made. */
static pl_rc addresses_check(const up *u, pl_error *err)
{
    pl_upstreams servers;
    pl_rc        rc = PL_OK;

    if (strcmp(u->inst.listen, u->inst.gateway) == 0)
        return pl_fail(err, PL_INVALID, "console and gateway cannot both listen on '%s'",
                       u->inst.listen);
    if (!u->is_demo)
        rc = pl_upstreams_parse(u->inst.upstream, &servers, err);
    if (rc == PL_OK)
        rc = pl_up_port_check(u->inst.listen, "listen", "listen", err);
    if (rc == PL_OK)
        rc = pl_up_port_check(u->inst.gateway, "gateway", "gateway/listen", err);
    return rc;
}

static void addresses_of(up *u, const pl_instance_options *o)
{
    (void)snprintf(u->inst.listen, sizeof u->inst.listen, "%s",
                   o->listen != NULL ? o->listen : PL_INSTANCE_LISTEN);
    (void)snprintf(u->inst.gateway, sizeof u->inst.gateway, "%s",
                   o->gateway != NULL ? o->gateway : PL_INSTANCE_GATEWAY);
    (void)snprintf(u->inst.upstream, sizeof u->inst.upstream, "%s",
                   o->upstream != NULL ? o->upstream : "");
    u->is_demo = u->inst.upstream[0] == '\0';
}

/* Everything that can be refused is refused before something is made: a first start that
 * fails on a busy port must not have shown a password. */
static pl_rc before_making(up *u, const pl_instance_options *o, pl_error *err)
{
    pl_rc rc;

    /* Cut off, a list would name another server. */
    if (o->upstream != NULL && strlen(o->upstream) >= sizeof u->inst.upstream)
        return pl_fail(err, PL_LIMIT, "--upstream is longer than %zu bytes", sizeof u->inst.upstream - 1);
    rc = pl_instance_open(o->dir, &u->inst, err);
    if (rc == PL_NOTFOUND) {
        u->is_fresh = true;
        addresses_of(u, o);
        return addresses_check(u, err);
    }
    if (rc == PL_OK)
        rc = folders_ensure(u, err);
    if (rc == PL_OK)
        rc = lock_take(u, err);
    if (rc == PL_OK)
        rc = overrides_apply(u, o, err);
    return rc == PL_OK ? addresses_check(u, err) : rc;
}

static pl_rc make_or_finish(up *u, const pl_instance_options *o, pl_error *err)
{
    pl_rc rc = pl_up_create(u->c, o, &u->inst, u->password, err);

    if (rc == PL_OK && u->is_fresh)
        up_say_step(u, "created", "Made a new instance in", "已创建新实例：", u->inst.dir);
    show_password(u); /* also when a later step failed: it is shown only now */
    return rc;
}

static pl_rc prepare(up *u, pl_error *err)
{
    pl_instance_options o = options_of(u->c);
    pl_rc               rc = up_programs_find(u, err);

    if (rc == PL_OK)
        rc = before_making(u, &o, err);
    if (rc == PL_OK)
        rc = make_or_finish(u, &o, err);
    if (rc == PL_OK && u->is_fresh)
        rc = folders_ensure(u, err);
    if (rc == PL_OK && u->is_fresh)
        rc = lock_take(u, err);
    if (rc == PL_OK) /* make_or_finish read the file again */
        rc = overrides_apply(u, &o, err);
    if (rc == PL_OK)
        rc = pl_up_policy(&u->inst, &u->policy_differs, err);
    if (rc == PL_OK)
        rc = up_witness_make(u, err);
    if (rc == PL_OK)
        rc = up_conf_write(u, err);
    pl_up_url(u->inst.listen, u->console_url, sizeof u->console_url);
    pl_up_url(u->inst.gateway, u->gateway_url, sizeof u->gateway_url);
    return rc;
}

/* --- what is shown when everything runs ------------------------------------------------ */

static void show_row(const up *u, const char *en, const char *zh, const char *value)
{
    (void)fprintf(u->c->out, "  %s  %s\n", word(u, en, zh), value);
}

static void show_curl(const up *u)
{
    const char *key = u->is_demo || getenv("PLUMBLINE_UPSTREAM_KEY") != NULL
                          ? "" : " -H \"Authorization: Bearer $OPENAI_API_KEY\"";

    (void)fprintf(u->c->out,
                  "\n%s\n  curl %s/v1/chat/completions%s -H 'Content-Type: application/json' \\\n"
                  "    -d '{\"model\":\"%s\",\"messages\":[{\"role\":\"user\","
                  "\"content\":\"%s\"}]}'\n\n",
                  word(u, "Try it:", "试一试："), u->gateway_url, key,
                  u->is_demo ? "plumbline-demo" : "MODEL", word(u, "Hello!", "你好！"));
}

static void show_running(const up *u)
{
    const char *upstream =
        u->is_demo ? word(u, "demo: replays recorded answers, no model behind it",
                          "演示：回放录制的答案，背后没有模型") : u->inst.upstream;
    char logs[1100], base[320];

    (void)snprintf(logs, sizeof logs, "%s/log", u->inst.dir);
    (void)snprintf(base, sizeof base, "%s/v1", u->gateway_url); /* what SDKs call the base URL */
    if (u->c->json) {
        up_say(u, json_pack("{s:s, s:s, s:s, s:s, s:b, s:s}", "event", "ready", "console",
                            u->console_url, "gateway", base, "upstream",
                            u->inst.upstream, "demo", u->is_demo, "logs", logs), NULL);
        return;
    }
    (void)fprintf(u->c->out, "\n");
    show_row(u, "Console ", "控制台", u->console_url);
    show_row(u, "Gateway ", "网关  ", base);
    show_row(u, "Upstream", "上游  ", upstream);
    show_row(u, "Logs    ", "日志  ", logs);
    show_curl(u);
    (void)fflush(u->c->out);
}

static void warn(const up *u, const char *event, const char *en, const char *zh)
{
    up_say_step(u, event, en, zh, "");
}

static void show_warnings(const up *u)
{
    char page[1200];

    (void)snprintf(page, sizeof page, "%s/web/index.html", pl_datadir());
    if (access(page, R_OK) != 0)
        warn(u, "no-console", "Note: the console's files are not installed; the API works.",
             "注意：控制台文件未安装；接口可用。");
    if (geteuid() == 0)
        warn(u, "root", "Note: running as root, and so do nginx's workers; in production use the "
             "systemd units.", "注意：正以 root 运行，nginx 工作进程也是；生产环境请使用 systemd 单元。");
}

/* --- self test ------------------------------------------------------------------------- */

static const char *mark(const up *u, bool good)
{
    if (u->c->color)
        return good ? "\033[32m✓\033[0m" : "\033[31m✗\033[0m";
    return good ? "✓" : "✗";
}

static void selftest_text(const up *u, const pl_selftest_result *r, const char *what, char *out,
                          size_t cap)
{
    int n = snprintf(out, cap, "  %s %s: ", mark(u, r->as_expected), what);

    if (!r->ran) {
        (void)snprintf(out + n, cap - (size_t)n, "%s: %s", word(u, "not sent", "未发送"), r->why);
        return;
    }
    n += snprintf(out + n, cap - (size_t)n, "HTTP %ld · verdict %s · finish_reason %s · label %s",
                  r->status, r->verdict[0] ? r->verdict : "-",
                  r->finish_reason[0] ? r->finish_reason : "-", r->label[0] ? r->label : "-");
    if (r->id[0] != '\0')
        n += snprintf(out + n, cap - (size_t)n, "\n      id %s · ", r->id);
    if (strcmp(r->receipt, "logged") == 0)
        (void)snprintf(out + n, cap - (size_t)n, "%s %lld",
                       word(u, "in the ledger, entry", "已入账本，条目"), r->ledger_index);
    else if (r->id[0] != '\0')
        (void)snprintf(out + n, cap - (size_t)n, "%s",
                       word(u, "receipt still pending", "回执待入账"));
    if (r->why[0] != '\0')
        (void)snprintf(out + strlen(out), cap - strlen(out), "\n      %s", r->why);
}

static void selftest_one(const up *u, pl_selftest_kind kind, const char *name, const char *what)
{
    pl_selftest_result r;
    char               text[900];

    pl_up_selftest(u->gateway_url, u->console_url, kind, u->c->lang[0] == 'z', RECEIPT_MS, &r);
    selftest_text(u, &r, what, text, sizeof text);
    up_say(u, json_pack("{s:s, s:s, s:b, s:b, s:I, s:s, s:s, s:s, s:s, s:s, s:I, s:s}", "event",
                        "selftest", "request", name, "ran", r.ran, "as_expected", r.as_expected,
                        "status", (json_int_t)r.status, "verdict", r.verdict, "finish_reason",
                        r.finish_reason, "label", r.label, "id", r.id, "receipt", r.receipt,
                        "ledger_index", (json_int_t)r.ledger_index, "note", r.why), text);
}

static void selftest(const up *u)
{
    if (u->c->opt(u->c->host, "no-selftest") != NULL)
        return;
    if (!u->c->json)
        (void)fprintf(u->c->out, "%s\n", word(u, "Self test", "自检"));
    selftest_one(u, PL_SELFTEST_HARMLESS, "harmless", word(u, "harmless request", "无害请求"));
    selftest_one(u, PL_SELFTEST_HARMFUL, "harmful", word(u, "harmful request", "有害请求"));
}

/* --- watching -------------------------------------------------------------------------- */

static int on_death(up *u, pl_child *c)
{
    pl_error err;

    up_report_death(u, c);
    if (c->restart && pl_child_restart(&u->sup, c, &err) == PL_OK) {
        up_say_step(u, "restarted", "Started again:", "已重新启动：", c->name);
        return -1;
    }
    if (c->restart)
        (void)pl_cmd_fail(u->c, &err);
    return PL_EXIT_FAILED;
}

static int watch(up *u)
{
    int code = -1;

    up_say_step(u, "running", "Running. Ctrl-C stops everything.", "正在运行，按 Ctrl-C 全部停止。",
                "");
    while (code < 0) {
        pl_child *which = NULL;

        switch (pl_supervisor_wait(&u->sup, WATCH_MS, &which)) {
        case PL_INTERRUPTED:
            code = PL_EXIT_OK;
            break;
        case PL_CHILD_DIED:
            code = on_death(u, which);
            break;
        case PL_NOTHING:
            break;
        }
    }
    return code;
}

static int run(up *u)
{
    pl_error err;
    int      code;

    if (prepare(u, &err) != PL_OK)
        return pl_cmd_fail(u->c, &err);
    up_say_step(u, "starting", "Starting plumblined and nginx …", "正在启动 plumblined 和 nginx …",
                "");
    code = up_start_all(u);
    if (code >= 0)
        return code;
    show_running(u);
    show_warnings(u);
    selftest(u);
    return watch(u);
}

int pl_cli_up(pl_cmd_ctx *c)
{
    up u = { .c = c, .lock = -1 };
    int code;

    (void)signal(SIGPIPE, SIG_IGN); /* a closed terminal must not keep us from stopping them */
    pl_supervisor_init(&u.sup);
    code = run(&u);
    if (u.sup.count > 0)
        up_say_step(&u, "stopping", "Stopping …", "正在停止 …", "");
    pl_supervisor_done(&u.sup);
    if (u.lock >= 0)
        (void)close(u.lock);
    explicit_bzero(u.password, sizeof u.password);
    return code;
}

int pl_cli_init(pl_cmd_ctx *c)
{
    up                  u = { .c = c, .lock = -1 };
    pl_instance_options o = options_of(c);
    pl_error            err;

    u.is_fresh = pl_instance_open(o.dir, &u.inst, NULL) != PL_OK;
    if (make_or_finish(&u, &o, &err) != PL_OK)
        return pl_cmd_fail(c, &err);
    if (!u.is_fresh && u.password[0] == '\0')
        up_say_step(&u, "exists", "There is an instance already in", "实例已存在：", u.inst.dir);
    explicit_bzero(u.password, sizeof u.password);
    return PL_EXIT_OK;
}
