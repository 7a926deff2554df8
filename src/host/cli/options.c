#include "base/banned.h"

#include "base/str.h"
#include "host/cli/cli.h"

#include <strings.h>

const pl_opt pl_cli_global_options[] = {
    { "json", NULL, "machine-readable output: one JSON document, or JSON lines",
      "机器可读输出：一个 JSON 文档或多行 JSON" },
    { "dir", "DIR", "instance directory (default $PLUMBLINE_DIR or ./plumbline-data)",
      "实例目录（默认 $PLUMBLINE_DIR 或 ./plumbline-data）" },
    { "lang", "LANG", "zh-CN or en (default $PLUMBLINE_LANG or the locale)",
      "zh-CN 或 en（默认 $PLUMBLINE_LANG 或系统区域）" },
    { "no-color", NULL, "no colours, as with $NO_COLOR", "不用颜色，同 $NO_COLOR" },
    { "help", NULL, "show help", "显示帮助" },
    { "version", NULL, "show the version", "显示版本" },
    { NULL, NULL, NULL, NULL },
};

/* Short forms people try without reading. */
static const struct {
    char        letter;
    const char *name;
} short_options[] = { { 'h', "help" }, { 'V', "version" }, { 'o', "output" }, { 'o', "o" } };

static const pl_opt *option_in(const pl_opt *table, const char *name, size_t n)
{
    for (; table != NULL && table->name != NULL; table++)
        if (strlen(table->name) == n && memcmp(table->name, name, n) == 0)
            return table;
    return NULL;
}

static const pl_opt *option_find(const pl_cmd *cmd, const char *name, size_t n)
{
    const pl_opt *o = cmd != NULL ? option_in(cmd->opts, name, n) : NULL;

    return o != NULL ? o : option_in(pl_cli_global_options, name, n);
}

static const pl_opt *option_find_short(const pl_cmd *cmd, char letter)
{
    for (size_t i = 0; i < sizeof short_options / sizeof short_options[0]; i++) {
        const char   *name = short_options[i].name;
        const pl_opt *o =
            short_options[i].letter == letter ? option_find(cmd, name, strlen(name)) : NULL;

        if (o != NULL)
            return o;
    }
    return NULL;
}

static pl_rc unknown_option(const pl_cmd *cmd, const char *arg, pl_error *err)
{
    const char   *names[96], *near;
    size_t        n = 0;
    const pl_opt *tables[] = { cmd != NULL ? cmd->opts : NULL, pl_cli_global_options };
    char          word[64];

    for (int t = 0; t < 2; t++)
        for (const pl_opt *o = tables[t]; o != NULL && o->name != NULL && n < 96; o++)
            names[n++] = o->name;
    (void)snprintf(word, sizeof word, "%.*s", (int)strcspn(arg, "="), arg);
    near = pl_cli_closest(word + strspn(word, "-"), names, n);
    if (near != NULL)
        return pl_fail(err, PL_INVALID, "unknown option '%s'; did you mean '--%s'?", word, near);
    return pl_fail(err, PL_INVALID, "unknown option '%s'", word);
}

/* Looks at argv[i]. PL_OK: it is an option, *used tells how many words it took. */
static pl_rc option_at(const pl_cmd *cmd, int argc, char **argv, int i, const pl_opt **out,
                       const char **value, int *used, pl_error *err)
{
    const char   *arg = argv[i];
    const char   *equals = arg[1] == '-' ? strchr(arg, '=') : NULL;
    size_t        n = equals != NULL ? (size_t)(equals - arg) : strlen(arg);
    const pl_opt *o;

    if (arg[1] == '-')
        o = option_find(cmd, arg + 2, n - 2);
    else
        o = arg[2] == '\0' ? option_find_short(cmd, arg[1]) : NULL;
    if (o == NULL)
        return unknown_option(cmd, arg, err);
    *out = o;
    *used = 1;
    *value = equals != NULL ? equals + 1 : "";
    if (o->arg == NULL)
        return equals == NULL ? PL_OK
                              : pl_fail(err, PL_INVALID, "option '--%s' takes no value", o->name);
    if (equals != NULL)
        return PL_OK;
    if (i + 1 >= argc)
        return pl_fail(err, PL_INVALID, "option '--%s' needs a value: %s", o->name, o->arg);
    *value = argv[i + 1];
    *used = 2;
    return PL_OK;
}

bool pl_cli_has(const pl_cli *cli, const char *name)
{
    for (size_t i = 0; i < cli->option_count; i++)
        if (strcmp(cli->option[i].name, name) == 0)
            return true;
    return false;
}

static pl_rc lang_set(pl_cli *cli, const char *value, pl_error *err)
{
    if (strncasecmp(value, "zh", 2) == 0)
        cli->ctx.lang = "zh-CN";
    else if (strncasecmp(value, "en", 2) == 0)
        cli->ctx.lang = "en";
    else
        return pl_fail(err, PL_INVALID, "option '--lang' must be zh-CN or en, not '%.20s'", value);
    return PL_OK;
}

/* Remembers an option and lets the global ones act at once, so that a later error is
 * printed in the right language and form. */
static pl_rc option_keep(pl_cli *cli, const pl_opt *o, const char *value, pl_error *err)
{
    if (pl_cli_has(cli, o->name) && o->arg != NULL && !pl_str_ends(pl_str_z(o->arg), PL_STR("…")))
        return pl_fail(err, PL_INVALID, "option '--%s' is given twice", o->name);
    if (cli->option_count == PL_CLI_OPTIONS_MAX)
        return pl_fail(err, PL_INVALID, "too many options");
    cli->option[cli->option_count].name = o->name;
    cli->option[cli->option_count++].value = value;
    if (strcmp(o->name, "json") == 0)
        cli->ctx.json = true;
    else if (strcmp(o->name, "no-color") == 0)
        cli->ctx.color = false;
    else if (strcmp(o->name, "lang") == 0)
        return lang_set(cli, value, err);
    return PL_OK;
}

static bool is_option(const char *arg)
{
    return arg[0] == '-' && arg[1] != '\0'; /* "-" alone is standard input */
}

static bool noun_has_verbs(const char *noun)
{
    return pl_cli_is_noun(noun) && pl_cli_find(noun, NULL) == NULL;
}

pl_rc pl_cli_begin(pl_cli *cli, int *argc, char **argv, const char **noun, const char **verb,
                   pl_error *err)
{
    int   i = 0, kept = 0, n = *argc;
    pl_rc rc;

    *noun = *verb = NULL;
    while (i < n) {
        const pl_opt *o;
        const char   *value;
        int           used;

        if (is_option(argv[i]) && strcmp(argv[i], "--") != 0) {
            if (*noun != NULL && (!noun_has_verbs(*noun) || *verb != NULL))
                break; /* the command's own options come next */
            rc = option_at(NULL, n, argv, i, &o, &value, &used, err);
            if (rc == PL_OK)
                rc = option_keep(cli, o, value, err);
            if (rc != PL_OK)
                return rc;
            i += used;
        } else if (*noun == NULL) {
            *noun = argv[i++];
        } else if (*verb == NULL && noun_has_verbs(*noun)) {
            *verb = argv[i++];
        } else {
            break;
        }
    }
    while (i < n)
        argv[kept++] = argv[i++];
    *argc = kept;
    return PL_OK;
}

static pl_rc operands_check(const pl_cli *cli, pl_error *err)
{
    const pl_cmd *cmd = cli->cmd;
    int           n = cli->ctx.argc;

    if (n < cmd->min_operands)
        return pl_fail(err, PL_INVALID, "'%s%s%s' needs: %s", cmd->noun, cmd->verb ? " " : "",
                       cmd->verb ? cmd->verb : "", cmd->operands);
    if (cmd->max_operands >= 0 && n > cmd->max_operands)
        return pl_fail(err, PL_INVALID, "unexpected operand '%.80s'",
                       cli->ctx.argv[cmd->max_operands]);
    return PL_OK;
}

pl_rc pl_cli_parse(pl_cli *cli, int argc, char **argv, pl_error *err)
{
    int  operands = 0;
    bool only_operands = false;

    for (int i = 0; i < argc;) {
        const pl_opt *o;
        const char   *value;
        int           used = 1;
        pl_rc         rc = PL_OK;

        if (!only_operands && strcmp(argv[i], "--") == 0) {
            only_operands = true;
        } else if (only_operands || !is_option(argv[i])) {
            argv[operands++] = argv[i];
        } else {
            rc = option_at(cli->cmd, argc, argv, i, &o, &value, &used, err);
            if (rc == PL_OK)
                rc = option_keep(cli, o, value, err);
        }
        if (rc != PL_OK)
            return rc;
        i += used;
    }
    cli->ctx.argc = operands;
    cli->ctx.argv = argv;
    return pl_cli_has(cli, "help") ? PL_OK : operands_check(cli, err);
}
