#include "base/banned.h"

#include "base/buf.h"
#include "cap/capability.h"
#include "base/timefmt.h"
#include "host/cli/cli.h"

#include <errno.h>
#include <unistd.h>

/* --- the table of commands ------------------------------------------------------------- */

static int cmd_version(pl_cmd_ctx *c)
{
    if (c->json)
        (void)fprintf(c->out, "{\"version\":\"%s\"}\n", pl_version());
    else
        (void)fprintf(c->out, "plumbline %s\n", pl_version());
    return PL_EXIT_OK;
}

static const pl_opt up_options[] = {
    { "upstream", "URL",
      "OpenAI-compatible endpoint to govern (default: a demo that replays answers)",
      "被治理的 OpenAI 兼容接口（默认：回放录制答案的演示）" },
    { "listen", "ADDR", "host:port of the console and API", "控制台与接口的监听地址" },
    { "gateway", "ADDR", "host:port that clients of the service use", "网关的监听地址" },
    { "service", "ID", "id of the governed service (first start only)", "被治理服务的标识（仅首次启动）" },
    { "database", "URL", "sqlite:PATH or postgresql://… (first start only)",
      "sqlite:路径 或 postgresql://…（仅首次启动）" },
    { "no-selftest", NULL, "do not send the two test requests", "不发送两个自检请求" },
    { NULL, NULL, NULL, NULL },
};

static const pl_opt init_options[] = {
    { "upstream", "URL", "OpenAI-compatible endpoint to govern", "被治理的 OpenAI 兼容接口" },
    { "listen", "ADDR", "host:port of the console and API", "控制台与接口的监听地址" },
    { "gateway", "ADDR", "host:port that clients of the service use", "网关的监听地址" },
    { "service", "ID", "id of the governed service", "被治理服务的标识" },
    { "database", "URL", "sqlite:PATH or postgresql://…", "sqlite:路径 或 postgresql://…" },
    { NULL, NULL, NULL, NULL },
};

static const pl_opt restore_options[] = {
    { "database", "URL", "restore into this PostgreSQL database instead of the one in the backup",
      "恢复到此 PostgreSQL 数据库，而不是备份中的那个" },
    { NULL, NULL, NULL, NULL },
};

static const pl_opt demo_options[] = {
    { "listen", "ADDR", "host:port (port 0: any free one)", "监听地址（端口 0：任选空闲端口）" },
    { "answers", "FILE", "recorded answers, one JSON object a line", "录制答案文件，每行一个 JSON" },
    { "pace", "MS", "milliseconds between tokens of a stream", "流式输出的词间毫秒数" },
    { NULL, NULL, NULL, NULL },
};

const pl_cmd pl_cli_own_commands[] = {
    { "up", NULL, "", 0, 0, up_options,
      "run everything: gateway, daemon, console; made on the first start",
      "一键运行网关、守护进程与控制台；首次启动自动创建",
      "plumbline up --upstream https://api.example.com/v1", pl_cli_up },
    { "init", NULL, "", 0, 0, init_options,
      "make an instance without starting it (systemd, own nginx)", "只创建实例，不启动",
      "plumbline init --dir /var/lib/plumbline", pl_cli_init },
    { "backup", NULL, "FILE.tar|FOLDER", 1, 1, NULL,
      "copy an instance consistently, also while it runs",
      "一致地备份实例，运行中也可以", "plumbline backup plumbline-2026-11-22.tar", pl_cli_backup },
    { "restore", NULL, "FILE.tar|FOLDER", 1, 1, restore_options,
      "bring a backup back into a directory that does not exist, and verify it",
      "把备份恢复到尚不存在的目录并校验", "plumbline restore backup.tar --dir ./restored",
      pl_cli_restore },
    { "version", NULL, "", 0, 0, NULL, "show the version", "显示版本", "plumbline version --json",
      cmd_version },
    { "demo-upstream", NULL, "", 0, 0, demo_options, NULL, NULL,
      "plumbline demo-upstream --listen 127.0.0.1:8422", pl_cli_demo_upstream },
    { 0 },
};

static int each_in(const pl_cmd *table, int (*fn)(void *ctx, const pl_cmd *c), void *ctx)
{
    int r = 0;

    for (; r == 0 && table != NULL && table->noun != NULL; table++)
        r = fn(ctx, table);
    return r;
}

int pl_cli_each(int (*fn)(void *ctx, const pl_cmd *c), void *ctx)
{
    int r = each_in(pl_cli_own_commands, fn, ctx);

    for (size_t i = 0; r == 0 && pl_capabilities[i] != NULL; i++)
        r = each_in(pl_capabilities[i]->commands, fn, ctx);
    return r;
}

typedef struct search {
    const char   *noun, *verb;
    bool          noun_seen;
    const pl_cmd *found;
} search;

static int match(void *arg, const pl_cmd *c)
{
    search *s = arg;

    if (strcmp(c->noun, s->noun) != 0)
        return 0;
    s->noun_seen = true;
    if (c->verb == NULL ? s->verb == NULL : s->verb != NULL && strcmp(c->verb, s->verb) == 0)
        s->found = c;
    return s->found != NULL;
}

const pl_cmd *pl_cli_find(const char *noun, const char *verb)
{
    search s = { .noun = noun, .verb = verb };

    (void)pl_cli_each(match, &s);
    return s.found;
}

bool pl_cli_is_noun(const char *noun)
{
    search s = { .noun = noun, .verb = "" };

    (void)pl_cli_each(match, &s);
    return s.noun_seen;
}

/* --- did you mean ---------------------------------------------------------------------- */

#define WORD_MAX 24

/* Edits between two short words: insert, drop, change, swap neighbours. */
static size_t distance(const char *a, const char *b)
{
    size_t d[WORD_MAX + 1][WORD_MAX + 1], n = strlen(a), m = strlen(b);

    if (n > WORD_MAX || m > WORD_MAX)
        return WORD_MAX;
    for (size_t i = 0; i <= n; i++)
        for (size_t j = 0; j <= m; j++) {
            size_t best;

            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            best = d[i - 1][j] + 1 < best ? d[i - 1][j] + 1 : best;
            best = d[i][j - 1] + 1 < best ? d[i][j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[n][m];
}

const char *pl_cli_closest(const char *word, const char *const *candidates, size_t count)
{
    const char *best = NULL;
    size_t      least = strlen(word) / 3 + 2; /* one edit for short words, more for long */

    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, candidates[i]);

        if (d < least) {
            least = d;
            best = candidates[i];
        }
    }
    return best;
}

typedef struct names {
    const char *noun; /* collect verbs of it; NULL: collect nouns */
    const char *list[128];
    size_t      n;
} names;

static int collect(void *arg, const pl_cmd *c)
{
    names      *s = arg;
    const char *name = s->noun == NULL ? c->noun : c->verb;

    if (c->en != NULL && name != NULL && s->n < 128 &&
        (s->noun == NULL || strcmp(s->noun, c->noun) == 0))
        s->list[s->n++] = name;
    return 0;
}

static int unknown_word(pl_cli *cli, const char *noun, const char *word)
{
    names       s = { .noun = noun };
    const char *near;
    pl_error    err;

    (void)pl_cli_each(collect, &s);
    near = pl_cli_closest(word, s.list, s.n);
    (void)pl_fail(&err, PL_INVALID, "unknown %s '%.40s'%s%s%s", noun == NULL ? "command" : "verb",
                  word, near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                  near != NULL ? "'?" : "");
    return pl_cli_usage_error(cli, &err);
}

/* --- one run --------------------------------------------------------------------------- */

static const char *opt_nth(void *host, const char *name, size_t n)
{
    const pl_cli *cli = host;

    for (size_t i = 0; i < cli->option_count; i++)
        if (strcmp(cli->option[i].name, name) == 0 && n-- == 0)
            return cli->option[i].value;
    return NULL;
}

static const char *opt_value(void *host, const char *name)
{
    const pl_cli *cli = host;

    for (size_t i = 0; i < cli->option_count; i++)
        if (strcmp(cli->option[i].name, name) == 0)
            return cli->option[i].value;
    return NULL;
}

static bool is_set(const char *name)
{
    const char *v = getenv(name);

    return v != NULL && v[0] != '\0';
}

/* POSIX order for messages, after our own variable. */
static const char *lang_of_environment(void)
{
    static const char *const names_in_order[] = { "PLUMBLINE_LANG", "LC_ALL", "LC_MESSAGES",
                                                  "LANG" };

    for (size_t i = 0; i < sizeof names_in_order / sizeof names_in_order[0]; i++)
        if (is_set(names_in_order[i]))
            return strncmp(getenv(names_in_order[i]), "zh", 2) == 0 ? "zh-CN" : "en";
    return "en";
}

static bool may_color(FILE *out)
{
    const char *term = getenv("TERM");

    return isatty(fileno(out)) && !is_set("NO_COLOR") && term != NULL && strcmp(term, "dumb") != 0;
}

static int run_command(pl_cli *cli, int argc, char **argv, const char *noun, const char *verb)
{
    pl_error err;

    cli->cmd = pl_cli_find(noun, verb);
    if (cli->cmd == NULL && verb == NULL) { /* a noun that wants a verb */
        pl_cli_help_noun(cli, noun);
        return pl_cli_has(cli, "help") ? PL_EXIT_OK : PL_EXIT_USAGE;
    }
    if (cli->cmd == NULL)
        return unknown_word(cli, noun, verb);
    if (pl_cli_parse(cli, argc, argv, &err) != PL_OK)
        return pl_cli_usage_error(cli, &err);
    if (pl_cli_has(cli, "help")) {
        pl_cli_help_command(cli, cli->cmd);
        return PL_EXIT_OK;
    }
    return cli->cmd->fn(&cli->ctx);
}

static int dispatch(pl_cli *cli, int argc, char **argv)
{
    const char *noun, *verb;
    pl_error    err;

    if (pl_cli_begin(cli, &argc, argv, &noun, &verb, &err) != PL_OK)
        return pl_cli_usage_error(cli, &err);
    if (noun != NULL && strcmp(noun, "help") == 0) { /* `help ledger verify` */
        noun = argc > 0 ? argv[0] : NULL;
        verb = argc > 1 ? argv[1] : NULL;
        argc = 0;
        cli->option[cli->option_count].name = "help";
        cli->option[cli->option_count++].value = "";
    }
    if (pl_cli_has(cli, "version"))
        return cmd_version(&cli->ctx);
    if (noun == NULL) {
        pl_cli_help_all(cli);
        return pl_cli_has(cli, "help") ? PL_EXIT_OK : PL_EXIT_USAGE;
    }
    if (!pl_cli_is_noun(noun))
        return unknown_word(cli, NULL, noun);
    return run_command(cli, argc, argv, noun, verb);
}

/* A full disk or a closed pipe must not look like success. */
static int finish(FILE *out, FILE *err, int code)
{
    if (fflush(out) == 0 && !ferror(out))
        return code;
    (void)fprintf(err, "plumbline: cannot write the output: %s\n", strerrordesc_np(errno));
    return PL_EXIT_FAILED;
}

int pl_cli_main(int argc, char **argv, FILE *out, FILE *err)
{
    pl_cli cli = { .ctx = { .out = out, .err = err, .now_ms = pl_now_ms(), .color = may_color(out),
                            .lang = lang_of_environment(), .opt = opt_value, .opt_nth = opt_nth } };

    cli.ctx.host = &cli;
    return finish(out, err, dispatch(&cli, argc - 1, argv + 1));
}
