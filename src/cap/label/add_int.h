/* Shared by the add_*.c files: a run of `label add` over a list of files. */
#ifndef PL_LABEL_ADD_INT_H
#define PL_LABEL_ADD_INT_H

#include "cap/label/add.h"

#include <pthread.h>

#define ADD_JOBS_MAX 64
#define ADD_ID_MAX   256

typedef struct add_file {
    char       *in, *out;
    const char *name;    /* what reports and titles call it; NULL: by its paths */
    bool        has_failed;
} add_file;

typedef struct add_run {
    pl_cmd_ctx     *c;
    FILE           *report; /* where lines about files go    */
    bool            is_json;
    label_order     order;
    const char     *id_pattern;
    add_file       *file;
    size_t          n, cap;
    size_t          before; /* files of this run that are no longer in the list: {n} goes on counting */
    bool            is_batch;
    pthread_mutex_t lock;
    size_t          next, done, failed, labelled, skipped;
    int             worst; /* exit code of the worst failure */
    label_recorder *recorder;
    pl_cmd_progress progress;
    pl_sign_how     sign; /* id NULL: not signed */
    char           *tsa_roots;
} add_run;

/* add_one.c: labels every file of the list, with that many at a time. */
void add_all(add_run *x, unsigned jobs);
/* Takes both strings. */
pl_rc add_list(add_run *x, char *in, char *out, const char *name, pl_error *err);
void  add_list_clear(add_run *x);
/* Whether somebody pressed ^C. */
bool  add_is_interrupted(void);

/* A name as JSON; bytes that are not UTF-8 become '?'. */
json_t *add_name_json(const char *name);

/* add_tar.c: an archive from `in` to `out`, "-": standard input and output. */
pl_rc add_tar(add_run *x, const char *in, const char *out, unsigned jobs, pl_error *err);
#endif
