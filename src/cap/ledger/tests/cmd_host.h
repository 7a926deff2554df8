/* What the command line gives its verbs, small enough for a test: options, and what was said. */
#ifndef PL_LEDGER_CMD_HOST_H
#define PL_LEDGER_CMD_HOST_H

#include "ledger_test.h"

#define CH_OPTIONS_MAX 8

typedef struct ch_host {
    struct {
        const char *name, *value;
    } opt[CH_OPTIONS_MAX];
    char *out, *err;
} ch_host;

/* NULL takes an option away. */
static inline void ch_set(ch_host *h, const char *name, const char *value)
{
    size_t i = 0;

    while (h->opt[i].name != NULL && strcmp(h->opt[i].name, name) != 0)
        i++;
    assert_true(i < CH_OPTIONS_MAX);
    h->opt[i].name = name;
    h->opt[i].value = value;
}

static inline const char *ch_opt(void *host, const char *name)
{
    const ch_host *h = host;

    for (size_t i = 0; i < CH_OPTIONS_MAX && h->opt[i].name != NULL; i++)
        if (strcmp(h->opt[i].name, name) == 0)
            return h->opt[i].value;
    return NULL;
}

const char *pl_cmd_dir(pl_cmd_ctx *c)
{
    return c->opt(c->host, "dir");
}

const char *pl_cmd_say(const pl_cmd_ctx *c, const char *en, const char *zh)
{
    return c->lang[0] == 'z' ? zh : en;
}

/* The table of src/host/cli/output.c. */
int pl_cmd_fail(pl_cmd_ctx *c, const pl_error *err)
{
    (void)fprintf(c->err, "plumbline: %s\n", err->text);
    return err->rc == PL_NOTFOUND || err->rc == PL_INVALID || err->rc == PL_LIMIT
               ? PL_EXIT_BAD_INPUT
               : PL_EXIT_FAILED;
}

static inline int ch_run(ch_host *h, const char *lang, bool json, const char *noun,
                         const char *verb, const char *operand)
{
    const pl_cmd *cmd = pl_ledger_commands;
    char         *argv[2] = { (char *)(uintptr_t)operand, NULL };
    size_t        out_n = 0, err_n = 0;
    pl_cmd_ctx    c = { .json = json, .lang = lang, .argc = operand ? 1 : 0, .argv = argv,
                        .host = h, .opt = ch_opt, .now_ms = 1790000000000 };
    int           code;

    while (strcmp(cmd->noun, noun) != 0 || strcmp(cmd->verb, verb) != 0)
        cmd++;
    free(h->out);
    free(h->err);
    c.out = open_memstream(&h->out, &out_n);
    c.err = open_memstream(&h->err, &err_n);
    code = cmd->fn(&c);
    (void)fclose(c.out);
    (void)fclose(c.err);
    return code;
}

static inline void ch_done(ch_host *h)
{
    free(h->out);
    free(h->err);
}

#endif
