#include "base/banned.h"

#include "base/file.h"
#include "base/timefmt.h"
#include "host/cli/supervise.h"
#include "pl_test.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

typedef struct fx {
    char         *dir;
    pl_supervisor s;
    pl_error      err;
} fx;

static int setup(void **state)
{
    fx *f = calloc(1, sizeof *f);

    f->dir = pl_test_mkdtemp();
    pl_supervisor_init(&f->s);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    pl_supervisor_done(&f->s);
    pl_test_rmtree(f->dir);
    free(f);
    return 0;
}

static pl_child shell(fx *f, const char *script)
{
    pl_child c = { .name = "sh", .argv = { "/bin/sh", "-c", script } };

    snprintf(c.log, sizeof c.log, "%s/log", f->dir);
    return c;
}

static pl_child *start(fx *f, pl_child c)
{
    assert_ok(pl_supervisor_start(&f->s, &c, &f->err), &f->err);
    return &f->s.child[f->s.count - 1];
}

static char *tail_of(const pl_child *c, int lines)
{
    char  *text = NULL;
    size_t n;
    FILE  *out = open_memstream(&text, &n);

    pl_child_tail(c, lines, out);
    fclose(out);
    return text;
}

/* A process that has ended, or is a zombie nobody of ours waits for. */
static bool is_gone(pid_t pid)
{
    char  path[64], state = 'Z';
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = fopen(path, "r");
    if (f == NULL)
        return true;
    if (fscanf(f, "%*d %*s %c", &state) != 1)
        state = 'Z';
    fclose(f);
    return state == 'Z';
}

static pid_t pid_from(fx *f, const char *name)
{
    char  path[400], *text = NULL;
    long  pid = 0;

    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    for (int i = 0; i < 200 && pid == 0; i++) {
        size_t n = 0;

        if (pl_file_read(path, 100, &text, &n, NULL) == PL_OK && n > 0 && text[n - 1] == '\n')
            pid = strtol(text, NULL, 10);
        free(text);
        text = NULL;
        if (pid == 0)
            nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
    }
    assert_true(pid > 0);
    return (pid_t)pid;
}

static void supervise__tells_who_died_and_how(void **state)
{
    fx       *f = *state;
    pl_child *which = NULL, *c = start(f, shell(f, "echo first; echo second >&2; exit 3"));
    char      reason[80], *tail;

    assert_int_equal(pl_supervisor_wait(&f->s, 5000, &which), PL_CHILD_DIED);
    assert_ptr_equal(which, c);
    pl_child_reason(c, reason, sizeof reason);
    assert_string_equal(reason, "exit status 3");
    tail = tail_of(c, 5);
    assert_string_equal(tail, "  | first\n  | second\n");
    free(tail);
    tail = tail_of(c, 1);
    assert_string_equal(tail, "  | second\n");
    free(tail);
}

static void supervise__names_the_signal(void **state)
{
    fx       *f = *state;
    pl_child *which = NULL, *c = start(f, shell(f, "kill -9 $$"));
    char      reason[80];

    assert_int_equal(pl_supervisor_wait(&f->s, 5000, &which), PL_CHILD_DIED);
    pl_child_reason(c, reason, sizeof reason);
    assert_string_equal(reason, "signal 9 (Killed)");
}

static void supervise_tail__shows_only_this_start(void **state)
{
    fx       *f = *state;
    pl_child *which = NULL, *c;
    char     *tail, path[400];

    snprintf(path, sizeof path, "%s/log", f->dir);
    assert_ok(pl_file_write_atomic(path, PL_STR("of yesterday\n"), 0644, &f->err), &f->err);
    c = start(f, shell(f, "echo of today"));
    assert_int_equal(pl_supervisor_wait(&f->s, 5000, &which), PL_CHILD_DIED);
    tail = tail_of(c, 9);
    assert_string_equal(tail, "  | of today\n");
    free(tail);
}

static void supervise__reports_a_program_that_is_not_there(void **state)
{
    fx      *f = *state;
    pl_child c = { .name = "none", .argv = { "/nonexistent/program" } };

    snprintf(c.log, sizeof c.log, "%s/log", f->dir);
    assert_rc(pl_supervisor_start(&f->s, &c, &f->err), PL_IO);
    assert_non_null(strstr(f->err.text, "cannot run '/nonexistent/program'"));
    assert_int_equal(f->s.count, 0);
}

static void supervise__restarts_three_times_a_minute(void **state)
{
    fx       *f = *state;
    pl_child *which = NULL, *c = start(f, shell(f, "exit 1"));

    for (int i = 0; i < 3; i++) {
        assert_int_equal(pl_supervisor_wait(&f->s, 5000, &which), PL_CHILD_DIED);
        assert_ok(pl_child_restart(&f->s, c, &f->err), &f->err);
    }
    assert_int_equal(pl_supervisor_wait(&f->s, 5000, &which), PL_CHILD_DIED);
    assert_rc(pl_child_restart(&f->s, c, &f->err), PL_LIMIT);
    c->starts[0] -= 60001; /* a minute later */
    assert_ok(pl_child_restart(&f->s, c, &f->err), &f->err);
}

static void supervise_wait__ends_on_a_signal_to_us(void **state)
{
    fx       *f = *state;
    pl_child *which = NULL;
    int64_t   from = pl_mono_ms();

    start(f, shell(f, "sleep 60"));
    assert_int_equal(pl_supervisor_wait(&f->s, 50, &which), PL_NOTHING);
    kill(getpid(), SIGTERM);
    assert_int_equal(pl_supervisor_wait(&f->s, 5000, &which), PL_INTERRUPTED);
    assert_int_equal(f->s.interrupted, SIGTERM);
    assert_true(pl_mono_ms() - from < 4000);
}

static void supervise_stop__is_graceful_first(void **state)
{
    fx       *f = *state;
    pl_child  c = shell(f, "trap 'echo asked; exit 0' QUIT; echo $$ >$0/pid; while :; do sleep 0.05; done");
    pl_child *running;
    char     *tail;

    c.argv[3] = f->dir;
    c.graceful = SIGQUIT;
    assert_true(signal(SIGQUIT, SIG_IGN) != SIG_ERR); /* as a shell's "command &" leaves it */
    running = start(f, c);
    assert_true(signal(SIGQUIT, SIG_DFL) != SIG_ERR);
    (void)pid_from(f, "pid");
    pl_child_stop(running, 3000);
    assert_int_equal(running->pid, 0);
    tail = tail_of(running, 3);
    assert_non_null(strstr(tail, "asked"));
    free(tail);
}

static void supervise_stop__ends_what_does_not_listen(void **state)
{
    fx       *f = *state;
    pl_child  c = shell(f, "trap '' TERM QUIT; echo $$ >$0/pid; while :; do sleep 0.05; done");
    pl_child *running;
    int64_t   from = pl_mono_ms();

    c.argv[3] = f->dir;
    running = start(f, c);
    (void)pid_from(f, "pid");
    pl_child_stop(running, 200);
    assert_int_equal(running->pid, 0);
    assert_true(WIFSIGNALED(running->status));
    assert_int_equal(WTERMSIG(running->status), SIGKILL);
    assert_true(pl_mono_ms() - from < 5000);
}

/* nginx's workers, when their master was killed. */
static void supervise__ends_what_a_dead_child_left_behind(void **state)
{
    fx       *f = *state;
    pl_child  c = shell(f, "sleep 60 & echo $! >$0/pid; wait");
    pl_child *which = NULL, *running;
    pid_t     left;

    c.argv[3] = f->dir;
    running = start(f, c);
    left = pid_from(f, "pid");
    assert_false(is_gone(left));
    assert_int_equal(kill(running->pid, SIGKILL), 0);
    assert_int_equal(pl_supervisor_wait(&f->s, 5000, &which), PL_CHILD_DIED);
    for (int i = 0; i < 100 && !is_gone(left); i++)
        nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
    assert_true(is_gone(left));
}

static void supervise__children_die_with_their_parent(void **state)
{
    fx   *f = *state;
    pid_t child, parent = fork();

    if (parent == 0) { /* a supervisor that is killed */
        pl_supervisor s;
        pl_child      c = shell(f, "echo $$ >$0/pid; exec sleep 60"), *which;

        c.argv[3] = f->dir;
        (void)sigprocmask(SIG_SETMASK, &f->s.before, NULL); /* as a program begins */
        pl_supervisor_init(&s);
        if (pl_supervisor_start(&s, &c, NULL) != PL_OK)
            _exit(1);
        (void)pl_supervisor_wait(&s, 60000, &which);
        _exit(0);
    }
    child = pid_from(f, "pid");
    assert_int_equal(kill(parent, SIGKILL), 0);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    for (int i = 0; i < 200 && !is_gone(child); i++)
        nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
    assert_true(is_gone(child));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(supervise__tells_who_died_and_how),
        T(supervise__names_the_signal),
        T(supervise_tail__shows_only_this_start),
        T(supervise__reports_a_program_that_is_not_there),
        T(supervise__restarts_three_times_a_minute),
        T(supervise_wait__ends_on_a_signal_to_us),
        T(supervise_stop__is_graceful_first),
        T(supervise_stop__ends_what_does_not_listen),
        T(supervise__ends_what_a_dead_child_left_behind),
        T(supervise__children_die_with_their_parent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
