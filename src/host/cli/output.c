/* What every command prints the same way, and the one table from rc to exit code. */
#include "base/banned.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"
#include "host/cli/cli.h"

int pl_cli_exit_code(pl_rc rc)
{
    switch (rc) {
    case PL_OK:
        return PL_EXIT_OK;
    case PL_NOTFOUND: /* the thing that was named */
    case PL_INVALID:
    case PL_LIMIT:
        return PL_EXIT_BAD_INPUT;
    case PL_CONFLICT: /* taken, locked, newer than this program */
    case PL_DENIED:
    case PL_IO:
    case PL_NOMEM:
    case PL_FULL:
        break;
    }
    return PL_EXIT_FAILED;
}

static void print_json_error(FILE *f, const char *code, const char *message)
{
    pl_buf b = PL_BUF_INIT(8192);

    pl_buf_puts(&b, "{\"error\":{\"code\":\"");
    pl_buf_json(&b, pl_str_z(code));
    pl_buf_puts(&b, "\",\"message\":\"");
    pl_buf_json(&b, pl_str_z(message));
    pl_buf_puts(&b, "\"}}");
    (void)fprintf(f, "%s\n", b.p != NULL ? b.p : "{\"error\":{}}");
    pl_buf_done(&b);
}

static void print_error(pl_cmd_ctx *c, const char *code, const char *message)
{
    (void)fflush(c->out); /* what was found before the error comes before it */
    if (c->json)
        print_json_error(c->err, code, message);
    else
        (void)fprintf(c->err, "plumbline: %s\n", message);
}

int pl_cmd_fail(pl_cmd_ctx *c, const pl_error *err)
{
    print_error(c, pl_rc_name(err->rc), err->text);
    return pl_cli_exit_code(err->rc);
}

int pl_cli_usage_error(pl_cli *cli, const pl_error *err)
{
    pl_cmd_ctx *c = &cli->ctx;

    print_error(c, "usage", err->text);
    if (!c->json)
        (void)fprintf(c->err, "%s\n",
                      pl_cmd_say(c, "try 'plumbline --help'", "用法见 'plumbline --help'"));
    return PL_EXIT_USAGE;
}

const char *pl_cmd_say(const pl_cmd_ctx *c, const char *en, const char *zh)
{
    return c->lang != NULL && c->lang[0] == 'z' ? zh : en;
}

const char *pl_cmd_dir(pl_cmd_ctx *c)
{
    const char *dir = c->opt(c->host, "dir");

    if (dir == NULL || dir[0] == '\0')
        dir = getenv("PLUMBLINE_DIR");
    return dir != NULL && dir[0] != '\0' ? dir : "./plumbline-data";
}
