#include "base/banned.h"

#include "host/cli/cli.h"

#define COMMAND_WIDTH 20
#define OPTION_WIDTH  18

static void command_name(const pl_cmd *cmd, char *out, size_t cap)
{
    (void)snprintf(out, cap, "%s%s%s", cmd->noun, cmd->verb != NULL ? " " : "",
                   cmd->verb != NULL ? cmd->verb : "");
}

typedef struct listing {
    pl_cli     *cli;
    const char *noun; /* NULL: all */
} listing;

static int command_line(void *arg, const pl_cmd *cmd)
{
    listing *l = arg;
    char     name[64];

    if (cmd->en == NULL || (l->noun != NULL && strcmp(l->noun, cmd->noun) != 0))
        return 0;
    command_name(cmd, name, sizeof name);
    (void)fprintf(l->cli->ctx.out, "  %-*s %s\n", COMMAND_WIDTH, name,
                  pl_cmd_say(&l->cli->ctx, cmd->en, cmd->zh));
    return 0;
}

static void option_lines(pl_cli *cli, const pl_opt *o)
{
    for (; o != NULL && o->name != NULL; o++) {
        char name[64];

        (void)snprintf(name, sizeof name, "%s%s%s%s", o->name[1] == '\0' ? "-" : "--", o->name,
                       o->arg != NULL ? " " : "", o->arg != NULL ? o->arg : "");
        (void)fprintf(cli->ctx.out, "  %-*s %s\n", OPTION_WIDTH, name,
                      pl_cmd_say(&cli->ctx, o->en, o->zh));
    }
}

static void exit_codes(pl_cli *cli)
{
    const pl_cmd_ctx *c = &cli->ctx;

    (void)fprintf(c->out, "\n%s\n  %s\n  %s\n", pl_cmd_say(c, "Exit status", "退出码"),
                  pl_cmd_say(c,
                             "0 done, nothing found · 1 the check found something · 2 wrong usage",
                             "0 完成，没有发现 · 1 检查有发现 · 2 用法错误"),
                  pl_cmd_say(c, "3 inconclusive · 4 bad input · 5 could not run · 130 interrupted",
                             "3 无法判定 · 4 输入有误 · 5 无法运行 · 130 被中断"));
}

void pl_cli_help_all(pl_cli *cli)
{
    const pl_cmd_ctx *c = &cli->ctx;
    listing           l = { cli, NULL };

    (void)fprintf(c->out, "%s\n\n%s plumbline %s\n\n%s\n",
                  pl_cmd_say(c, "Plumbline shows whether an AI service stands upright.",
                             "准绳：检验一个人工智能服务是否端正。"),
                  pl_cmd_say(c, "Usage:", "用法："),
                  pl_cmd_say(c, "COMMAND [OPTIONS] [OPERANDS]", "命令 [选项] [参数]"),
                  pl_cmd_say(c, "Commands", "命令"));
    (void)pl_cli_each(command_line, &l);
    (void)fprintf(c->out, "\n%s\n", pl_cmd_say(c, "Options everywhere", "通用选项"));
    option_lines(cli, pl_cli_global_options);
    exit_codes(cli);
    (void)fprintf(c->out, "\n%s\n  plumbline up\n  plumbline COMMAND --help\n",
                  pl_cmd_say(c, "Begin with", "从这里开始"));
}

void pl_cli_help_noun(pl_cli *cli, const char *noun)
{
    listing l = { cli, noun };

    (void)fprintf(cli->ctx.out, "%s plumbline %s %s\n\n",
                  pl_cmd_say(&cli->ctx, "Usage:", "用法："), noun,
                  pl_cmd_say(&cli->ctx, "VERB [OPTIONS] [OPERANDS]", "动词 [选项] [参数]"));
    (void)pl_cli_each(command_line, &l);
}

void pl_cli_help_command(pl_cli *cli, const pl_cmd *cmd)
{
    const pl_cmd_ctx *c = &cli->ctx;
    const char       *summary = cmd->en != NULL ? pl_cmd_say(c, cmd->en, cmd->zh) : "";
    char              name[64];

    command_name(cmd, name, sizeof name);
    (void)fprintf(c->out, "plumbline %s: %s\n\n%s plumbline %s%s%s%s%s\n", name, summary,
                  pl_cmd_say(c, "Usage:", "用法："), name, cmd->operands[0] ? " " : "",
                  cmd->operands, " ", pl_cmd_say(c, "[OPTIONS]", "[选项]"));
    if (cmd->opts != NULL && cmd->opts->name != NULL) {
        (void)fprintf(c->out, "\n%s\n", pl_cmd_say(c, "Options", "选项"));
        option_lines(cli, cmd->opts);
    }
    (void)fprintf(c->out, "\n%s\n", pl_cmd_say(c, "Options everywhere", "通用选项"));
    option_lines(cli, pl_cli_global_options);
    if (cmd->example != NULL)
        (void)fprintf(c->out, "\n%s\n  %s\n", pl_cmd_say(c, "Example", "示例"), cmd->example);
    exit_codes(cli);
}
