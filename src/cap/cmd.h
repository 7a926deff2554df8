/* CLI verbs: argv → capability calls → output. The host parses options by table,
 * prints help, and turns the result into an exit code. */
#ifndef PL_CAP_CMD_H
#define PL_CAP_CMD_H

#include <plumbline/base.h>
#include <stdbool.h>
#include <stdio.h>

/* Exit codes of design §5. */
enum {
    PL_EXIT_OK = 0,
    PL_EXIT_FOUND = 1,        /* the check found something */
    PL_EXIT_USAGE = 2,
    PL_EXIT_INCONCLUSIVE = 3,
    PL_EXIT_BAD_INPUT = 4,
    PL_EXIT_FAILED = 5,       /* could not run */
    PL_EXIT_INTERRUPTED = 130
};

typedef struct pl_opt {
    const char *name; /* long option, e.g. "reason" */
    const char *arg;  /* placeholder, NULL for a flag; one that ends with "…" may be given again */
    const char *en, *zh; /* help */
} pl_opt;

typedef struct pl_cmd_ctx {
    FILE       *out, *err;
    bool        json, color;
    int64_t     now_ms; /* when the command started: capabilities read no clock */
    const char *lang; /* "zh-CN" or "en" from --lang, config or the locale */
    int         argc; /* operands only */
    char      **argv;
    void       *host;
    /* Value of an option, "" for a given flag, NULL when absent. */
    const char *(*opt)(void *host, const char *name);
    /* The nth value (from 0) of an option that may be given again; NULL after the last. */
    const char *(*opt_nth)(void *host, const char *name, size_t n);
} pl_cmd_ctx;

typedef int (*pl_cmd_fn)(pl_cmd_ctx *c);

typedef struct pl_cmd {
    const char   *noun;  /* "ledger" */
    const char   *verb;  /* "verify"; NULL when the noun alone is the command (scan, trace) */
    const char   *operands; /* "FILE…", "" when none */
    int           min_operands, max_operands; /* max -1: any */
    const pl_opt *opts;  /* ended by name NULL; --json --lang --dir --help --no-color are everywhere */
    const char   *en, *zh; /* one-line summary */
    const char   *example;
    pl_cmd_fn     fn;
} pl_cmd;

/* `--dir` or $PLUMBLINE_DIR or "./plumbline-data". */
const char *pl_cmd_dir(pl_cmd_ctx *c);
/* Prints "plumbline: …" (or {"error":…} with --json) and gives the exit code of rc. */
int pl_cmd_fail(pl_cmd_ctx *c, const pl_error *err);
/* Picks the wording for the reader's language. */
const char *pl_cmd_say(const pl_cmd_ctx *c, const char *en, const char *zh)
    __attribute__((format_arg(2), format_arg(3)));
/* A line on standard error for work that takes longer than two seconds, with rate and
 * remaining time. `tick` fits the callbacks that count done of total; total 0: unknown. */
typedef enum pl_progress_unit { PL_PROGRESS_ITEMS, PL_PROGRESS_BYTES } pl_progress_unit;
typedef struct pl_cmd_progress {
    pl_cmd_ctx      *c;
    const char      *what; /* "entries checked", in the reader's language */
    pl_progress_unit unit;
    int64_t          start, shown;
    bool             is_tty, any;
} pl_cmd_progress;
void pl_cmd_progress_init(pl_cmd_progress *p, pl_cmd_ctx *c, const char *what,
                          pl_progress_unit unit);
void pl_cmd_progress_tick(void *p, uint64_t done, uint64_t total);
void pl_cmd_progress_end(pl_cmd_progress *p);
/* Calls the daemon through DIR/run/control.sock; *body malloc'd, NUL-terminated. PL_IO
 * with advice when it is not running; non-2xx becomes an error from its problem details. */
pl_rc pl_cmd_call(pl_cmd_ctx *c, const char *method, const char *path, pl_str body, char **out,
                  pl_error *err);
#endif
