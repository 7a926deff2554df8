/* Shared by the files of this folder only. */
#ifndef PL_GRADE_INT_H
#define PL_GRADE_INT_H

#include "cap/grade/pl_grade.h"

#define GRADE_PACKS_MAX 64

/* The book of a request: its packs compiled, and which of them were asked for. */
typedef struct grade_book {
    pl_rules_book *book;
    size_t         packs[GRADE_PACKS_MAX];
    size_t         count;
    char           as_of[11];
    pl_rules_book *all; /* every pack, once a fact was met that these do not know */
} grade_book;

pl_rc grade_book_open(const pl_grade_request *r, grade_book *out, pl_error *err);
void  grade_book_close(grade_book *g);
/* Grades with the facts of the request by the packs of the book. */
pl_rc grade_book_run(grade_book *g, const pl_grade_request *r, json_t **out,
                     bool *undetermined, pl_error *err);

void grade_print(pl_cmd_ctx *c, const json_t *result, bool explain);
void grade_print_diff(pl_cmd_ctx *c, const json_t *diff);
/* Asks on standard error, reads answers from standard input, and puts them into facts until
 * everything is settled, nothing is left to ask, or the input ends. */
pl_rc grade_ask(pl_cmd_ctx *c, const pl_grade_request *r, json_t *facts, pl_error *err);

/* Appends a statement per evaluated pack and notes its ledger_index in the result. PL_CONFLICT
 * while a daemon writes the ledger. */
pl_rc grade_record(pl_cmd_ctx *c, const json_t *facts, json_t *result, const char *subject, pl_error *err);

/* --- the verb ------------------------------------------------------------------------------ */

typedef struct grade_run {
    pl_cmd_ctx      *c;
    pl_grade_request r;
    const char      *packs[GRADE_PACKS_MAX + 1];
    char            *folders[3];
    char             today[25];
} grade_run;

/* Prints and releases a tree; gives the code back. */
int   grade_json(pl_cmd_ctx *c, json_t *j, int code);
int   grade_usage(grade_run *x, const char *en, const char *zh);
pl_rc grade_facts_load(const char *path, json_t **out, pl_error *err);
int   grade_exit(const grade_run *x, const json_t *result, bool undetermined);
int   grade_cmd_law(grade_run *x);        /* --diff */
int   grade_cmd_registered(grade_run *x);

/* Services and models of the registry with facts for grading. `wrong`: why its facts are none, or NULL. */
typedef pl_rc (*grade_system_fn)(void *ctx, const json_t *record, const json_t *facts, const char *wrong,
                                 pl_error *err);
/* *without: how many have no facts. */
pl_rc grade_registered_each(pl_cmd_ctx *c, grade_system_fn fn, void *ctx, size_t *without, pl_error *err);

const char *grade_text(const json_t *o, const char *key); /* "" when absent */

extern const pl_cmd   pl_grade_commands[];
extern const pl_route pl_grade_routes[];
#endif
