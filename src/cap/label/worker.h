/* Media that strangers send is parsed in a process of its own: forked for the job, without files,
 * network or further processes (system call filter), with limits on memory and time. It gets the
 * bytes and the job as JSON, and answers with JSON and bytes; whatever happens to it, the daemon
 * sees a failed job.
 *
 * The process that forks them is started once, before there are threads, and does nothing else.
 * Safe from any thread. */
#ifndef PL_LABEL_WORKER_H
#define PL_LABEL_WORKER_H

#include "base/buf.h"
#include "base/json.h"

#define LABEL_WORKER_FILE_MAX  (8u << 20)   /* of a file over HTTP      */
#define LABEL_WORKER_MEMORY    (512u << 20) /* address space of one job */
#define LABEL_WORKER_CPU_S     10           /* processor time of one    */
#define LABEL_WORKER_WALL_S    45           /* time stamp authorities take their time */
#define LABEL_WORKER_QUESTIONS 8            /* of one job               */

typedef struct label_worker label_worker;

/* What a job may ask of the daemon, which answers as it sees fit: a job has no keys, no network and no
 * fonts, and may have been taken over by the file it reads. */
typedef struct label_ask label_ask;
pl_rc label_worker_ask(label_ask *a, char what, pl_str question, pl_buf *answer, pl_error *err);

/* What a job does; runs in the box. Appends bytes to out (may stay empty). */
typedef pl_rc (*label_job_fn)(void *ctx, label_ask *ask, const json_t *job, pl_str file, json_t **reply, pl_buf *out,
                              pl_error *err);
/* Answers questions of one job; runs in the daemon, on the thread that waits. NULL: there are none. */
typedef struct label_help {
    pl_rc (*fn)(void *ctx, char what, pl_str question, pl_buf *answer, pl_error *err);
    void *ctx;
} label_help;

pl_rc label_worker_start(label_job_fn fn, void *ctx, label_worker **out, pl_error *err);
void  label_worker_stop(label_worker *w);
/* PL_IO: the job was ended by its limits, or the worker is gone. Errors of fn come as they are. */
pl_rc label_worker_run(label_worker *w, const json_t *job, pl_str file, const label_help *help, json_t **reply,
                       pl_buf *out, pl_error *err);
#endif
