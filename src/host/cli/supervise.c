#include "base/banned.h"

#include "base/file.h"
#include "base/timefmt.h"
#include "host/cli/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RESTART_WINDOW_MS 60000
#define GRACEFUL_MS       3000
#define TERM_MS           2000
#define TAIL_BYTES        8192

void pl_supervisor_init(pl_supervisor *s)
{
    *s = (pl_supervisor){ 0 };
    (void)sigemptyset(&s->signals);
    (void)sigaddset(&s->signals, SIGCHLD);
    (void)sigaddset(&s->signals, SIGINT);
    (void)sigaddset(&s->signals, SIGTERM);
    (void)sigaddset(&s->signals, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &s->signals, &s->before);
}

void pl_supervisor_done(pl_supervisor *s)
{
    for (size_t i = s->count; i-- > 0;)
        pl_child_stop(&s->child[i], GRACEFUL_MS);
    (void)sigprocmask(SIG_SETMASK, &s->before, NULL);
}

/* --- starting -------------------------------------------------------------------------- */

/* In the child, between fork and exec: system calls only. */
static void become(const pl_child *c, const sigset_t *mask, pid_t parent, int log, int report)
{
    static const int handled[] = { SIGPIPE, SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 };
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int why;

    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) /* it died before the line above */
        _exit(127);
    (void)dup2(null, STDIN_FILENO);
    (void)dup2(log, STDOUT_FILENO);
    (void)dup2(log, STDERR_FILENO);
    (void)sigprocmask(SIG_SETMASK, mask, NULL);
    /* A shell that starts us in the background ignores SIGINT and SIGQUIT, and a child
     * would inherit that: it could not be asked to stop. */
    for (size_t i = 0; i < sizeof handled / sizeof handled[0]; i++)
        (void)signal(handled[i], SIG_DFL);
    (void)execvp(c->argv[0], (char *const *)(uintptr_t)c->argv);
    why = errno;
    (void)!write(report, &why, sizeof why);
    _exit(127);
}

static pl_rc log_open(pl_child *c, int *fd, pl_error *err)
{
    struct stat st;

    *fd = open(c->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (*fd < 0 || fstat(*fd, &st) != 0)
        return pl_fail(err, PL_IO, "cannot open log file '%s': %s", c->log, strerrordesc_np(errno));
    c->log_from = (long)st.st_size;
    return PL_OK;
}

/* The pipe closes at a successful exec; what comes through it is errno of a failed one. */
static pl_rc exec_result(pl_child *c, int fd, pl_error *err)
{
    int     why = 0;
    ssize_t n;

    do
        n = read(fd, &why, sizeof why);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof why)
        return PL_OK;
    (void)waitpid(c->pid, NULL, 0);
    c->pid = 0;
    return pl_fail(err, PL_IO, "cannot run '%s': %s", c->argv[0], strerrordesc_np(why));
}

static pl_rc spawn(pl_supervisor *s, pl_child *c, pl_error *err)
{
    int   log = -1, report[2];
    pid_t self = getpid();
    pl_rc rc = log_open(c, &log, err);

    if (rc != PL_OK)
        return rc;
    if (pipe2(report, O_CLOEXEC) != 0) {
        (void)close(log);
        return pl_fail(err, PL_IO, "cannot make a pipe: %s", strerrordesc_np(errno));
    }
    c->pid = fork();
    if (c->pid == 0)
        become(c, &s->before, self, log, report[1]);
    (void)close(log);
    (void)close(report[1]);
    if (c->pid < 0) {
        c->pid = 0;
        rc = pl_fail(err, PL_IO, "cannot start %s: %s", c->name, strerrordesc_np(errno));
    } else {
        (void)setpgid(c->pid, c->pid); /* whoever comes first */
        rc = exec_result(c, report[0], err);
    }
    (void)close(report[0]);
    return rc;
}

static void note_start(pl_child *c)
{
    memmove(c->starts, c->starts + 1, 2 * sizeof c->starts[0]);
    c->starts[2] = pl_mono_ms();
}

pl_rc pl_supervisor_start(pl_supervisor *s, const pl_child *c, pl_error *err)
{
    pl_child *slot = &s->child[s->count];
    pl_rc     rc;

    if (s->count == PL_CHILDREN_MAX)
        return pl_fail(err, PL_LIMIT, "too many children");
    *slot = *c;
    for (size_t i = 0; i < 3; i++)
        slot->starts[i] = INT64_MIN / 2;
    rc = spawn(s, slot, err);
    if (rc != PL_OK)
        return rc;
    s->count++;
    return PL_OK;
}

pl_rc pl_child_restart(pl_supervisor *s, pl_child *c, pl_error *err)
{
    pl_rc rc;

    if (pl_mono_ms() - c->starts[0] < RESTART_WINDOW_MS)
        return pl_fail(err, PL_LIMIT, "%s died four times within a minute", c->name);
    rc = spawn(s, c, err);
    if (rc == PL_OK)
        note_start(c);
    return rc;
}

/* --- watching -------------------------------------------------------------------------- */

/* Takes a child that has ended. What it left in its group (workers that outlived their
 * master) would keep its sockets and goes too, before the number of the group is free. */
static bool collect(pl_child *c)
{
    siginfo_t info = { 0 };

    if (c->pid <= 0 || waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        info.si_pid != c->pid)
        return false;
    (void)kill(-c->pid, SIGKILL);
    (void)waitpid(c->pid, &c->status, 0);
    c->pid = 0;
    return true;
}

static pl_child *reap(pl_supervisor *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (collect(&s->child[i]))
            return &s->child[i];
    return NULL;
}

pl_happening pl_supervisor_wait(pl_supervisor *s, int64_t ms, pl_child **which)
{
    int64_t end = pl_mono_ms() + ms;

    for (;;) {
        int64_t         left = end - pl_mono_ms();
        struct timespec ts = { left > 0 ? left / 1000 : 0, left > 0 ? left % 1000 * 1000000 : 0 };
        int             sig;

        *which = reap(s);
        if (*which != NULL)
            return PL_CHILD_DIED;
        if (s->interrupted != 0)
            return PL_INTERRUPTED;
        if (left < 0)
            return PL_NOTHING;
        sig = sigtimedwait(&s->signals, NULL, &ts);
        if (sig == SIGINT || sig == SIGTERM || sig == SIGHUP)
            s->interrupted = sig;
    }
}

void pl_child_reason(const pl_child *c, char *out, size_t cap)
{
    if (WIFSIGNALED(c->status))
        (void)snprintf(out, cap, "signal %d (%s)", WTERMSIG(c->status),
                       sigdescr_np(WTERMSIG(c->status)));
    else
        (void)snprintf(out, cap, "exit status %d", WEXITSTATUS(c->status));
}

void pl_child_tail(const pl_child *c, int lines, FILE *to)
{
    char   text[TAIL_BYTES + 1];
    FILE  *f = fopen(c->log, "re");
    size_t n = 0, from;
    long   size;

    if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0)
        size = 0;
    if (f != NULL && fseek(f, size - c->log_from > TAIL_BYTES ? size - TAIL_BYTES : c->log_from,
                           SEEK_SET) == 0)
        n = fread(text, 1, TAIL_BYTES, f);
    if (f != NULL)
        (void)fclose(f);
    while (n > 0 && text[n - 1] == '\n')
        n--;
    text[n] = '\0';
    for (from = n; from > 0 && lines > 0; from--)
        if (text[from - 1] == '\n' && --lines == 0)
            break;
    for (char *p = text + from; *p != '\0';) {
        size_t len = strcspn(p, "\n");

        (void)fprintf(to, "  | %.*s\n", (int)len, p);
        p += len + (p[len] == '\n');
    }
}

/* --- stopping -------------------------------------------------------------------------- */

/* True when the child has ended within the time. */
static bool ended_within(pl_child *c, int64_t ms)
{
    int64_t end = pl_mono_ms() + ms;

    for (;;) {
        struct timespec nap = { 0, 10 * 1000000 };

        if (collect(c))
            return true;
        if (pl_mono_ms() >= end)
            return false;
        (void)nanosleep(&nap, NULL);
    }
}

void pl_child_stop(pl_child *c, int64_t graceful_ms)
{
    if (c->pid <= 0)
        return;
    (void)kill(c->pid, c->graceful != 0 ? c->graceful : SIGTERM);
    if (ended_within(c, graceful_ms))
        return;
    (void)kill(c->pid, SIGTERM);
    if (ended_within(c, TERM_MS))
        return;
    (void)kill(-c->pid, SIGKILL);
    (void)waitpid(c->pid, &c->status, 0);
    c->pid = 0;
}
