/* Children of `plumbline up`: started in order, watched, stopped in reverse order.
 *
 * Every child has a process group of its own, so that Ctrl-C reaches only us and we decide
 * the order of stopping, and dies with us (PR_SET_PDEATHSIG) should we be killed. Its
 * output goes to a log file. Used by one thread; SIGCHLD, SIGINT, SIGTERM and SIGHUP are
 * blocked while a supervisor exists and taken with sigtimedwait. */
#ifndef PL_HOST_SUPERVISE_H
#define PL_HOST_SUPERVISE_H

#include <plumbline/base.h>
#include <stdbool.h>
#include <stdio.h>
#include <signal.h>
#include <sys/types.h>

#define PL_CHILDREN_MAX 4
#define PL_CHILD_ARGS   12

typedef struct pl_child {
    const char *name;               /* "nginx" */
    const char *argv[PL_CHILD_ARGS];/* borrowed, NULL-ended */
    char        log[1200];          /* standard output and error are appended here */
    int         graceful;           /* first signal for stopping: SIGQUIT for nginx */
    bool        restart;            /* start again when it dies, within reason */
    pid_t       pid;                /* 0 when not running */
    long        log_from;           /* size of the log at its start */
    int64_t     starts[3];          /* times of the last starts */
    int         status;             /* of waitpid, once it died */
} pl_child;

typedef struct pl_supervisor {
    pl_child child[PL_CHILDREN_MAX];
    size_t   count;
    sigset_t signals, before;
    int      interrupted; /* signal that asked us to stop, 0 */
} pl_supervisor;

void pl_supervisor_init(pl_supervisor *s);
/* Stops what still runs and gives the signals back. */
void pl_supervisor_done(pl_supervisor *s);

/* Copies *c into the table and starts it. */
pl_rc pl_supervisor_start(pl_supervisor *s, const pl_child *c, pl_error *err);

/* Waits at most `ms` for something to happen. */
typedef enum pl_happening {
    PL_NOTHING,
    PL_INTERRUPTED, /* s->interrupted says by what */
    PL_CHILD_DIED   /* *which; its pid is 0 and its status set */
} pl_happening;
pl_happening pl_supervisor_wait(pl_supervisor *s, int64_t ms, pl_child **which);

/* Starts a dead child again; PL_LIMIT when it died three times within a minute. */
pl_rc pl_child_restart(pl_supervisor *s, pl_child *c, pl_error *err);
/* "exit status 1" or "signal 9 (Killed)". */
void pl_child_reason(const pl_child *c, char *out, size_t cap);
/* Prints the last lines the child logged since its start, each behind a prefix. */
void pl_child_tail(const pl_child *c, int lines, FILE *to);
/* Stops one child: graceful signal, then SIGTERM, then SIGKILL to its whole group. */
void pl_child_stop(pl_child *c, int64_t graceful_ms);
#endif
