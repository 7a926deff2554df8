/* The command line: one table of commands (the host's own and those of every
 * capability), one parser, one way to print errors. */
#ifndef PL_HOST_CLI_H
#define PL_HOST_CLI_H

#include "cap/cmd.h"

#define PL_CLI_OPTIONS_MAX 32

/* One run. pl_cmd_ctx.host points to it. */
typedef struct pl_cli {
    pl_cmd_ctx    ctx;
    const pl_cmd *cmd;
    struct {
        const char *name;  /* of a table */
        const char *value; /* "" for a flag */
    } option[PL_CLI_OPTIONS_MAX];
    size_t option_count;
} pl_cli;

/* Everything main() does; streams are parameters so that tests can read them. */
int pl_cli_main(int argc, char **argv, FILE *out, FILE *err);

/* Options that every command takes, ended by name NULL. */
extern const pl_opt pl_cli_global_options[];
/* Commands of this host, ended by noun NULL; summaries NULL: hidden. */
extern const pl_cmd pl_cli_own_commands[];

/* Calls fn for every command in the order of the help screen until it returns non-zero. */
int pl_cli_each(int (*fn)(void *ctx, const pl_cmd *c), void *ctx);
/* The command of a noun and a verb (NULL: none given). */
const pl_cmd *pl_cli_find(const char *noun, const char *verb);
bool          pl_cli_is_noun(const char *noun);

/* Fills option, argv and argc of *cli. argv is reordered: operands come first. */
pl_rc pl_cli_parse(pl_cli *cli, int argc, char **argv, pl_error *err);
/* Reads --lang, --json, --no-color and finds noun and verb, before a command is known.
 * *rest is where the words after them start; words are moved, none is lost. */
pl_rc pl_cli_begin(pl_cli *cli, int *argc, char **argv, const char **noun, const char **verb,
                   pl_error *err);
bool  pl_cli_has(const pl_cli *cli, const char *name);

/* The candidate closest to word, or NULL when none is close. */
const char *pl_cli_closest(const char *word, const char *const *candidates, size_t count);

void pl_cli_help_all(pl_cli *cli);
void pl_cli_help_noun(pl_cli *cli, const char *noun);
void pl_cli_help_command(pl_cli *cli, const pl_cmd *cmd);

/* "plumbline: …" or the JSON form; gives PL_EXIT_USAGE. */
int pl_cli_usage_error(pl_cli *cli, const pl_error *err);
/* The one table from rc to exit code. */
int pl_cli_exit_code(pl_rc rc);

/* Verbs of the host. */
int pl_cli_up(pl_cmd_ctx *c);
int pl_cli_init(pl_cmd_ctx *c);
int pl_cli_demo_upstream(pl_cmd_ctx *c);
int pl_cli_backup(pl_cmd_ctx *c);
int pl_cli_restore(pl_cmd_ctx *c);
#endif
