/* A witness is killed at every point of making, trusting and cosigning where a system call
 * can fail. Whatever it had said before, it stands by after the restart. */
#include "witness_test.h"

#include "base/fault.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#define POINTS_MAX 400

/* What the child said, through a pipe so that it outlives the child. */
typedef struct said {
    uint64_t      size; /* of the last head it cosigned */
    bool          is_made, has_ended;
    unsigned long points;
} said;

static void tell(int pipe, said *s)
{
    s->points = pl_fault_count();
    if (write(pipe, s, sizeof *s) != (ssize_t)sizeof *s)
        _exit(3);
}

static _Noreturn void child(wt_fx *f, const char *fault, int pipe)
{
    static const uint64_t sizes[] = { 12, 12, 20, 37 };
    said                  s = { .size = 0 };
    uint64_t              last = 0;
    pl_witness           *w = NULL;
    char                  vkey[512];

    (void)setenv("PL_FAULT", fault, 1);
    pl_fault_init();
    if (pl_signer_vkey(f->log, vkey, sizeof vkey, NULL) != PL_OK ||
        pl_witness_create(f->dir, PL_STR("witness.example/w1"), NULL) != PL_OK ||
        pl_witness_trust(f->dir, pl_str_z(vkey), NULL) != PL_OK)
        _exit(4);
    s.is_made = true;
    tell(pipe, &s);
    if (pl_witness_open(f->dir, &w, NULL) != PL_OK)
        _exit(5);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        pl_str            q = wt_request(f->log, WT_ORIGIN, WT_TRUE, last, sizes[i]);
        pl_witness_answer a;

        pl_witness_ask(w, q, 1790000000 + (int64_t)i, &a);
        if (a.status != 200)
            _exit(a.status == 500 ? 0 : 6);
        last = s.size = sizes[i];
        tell(pipe, &s);
    }
    s.has_ended = true;
    tell(pipe, &s);
    _exit(0);
}

static said run_child(wt_fx *f, const char *fault)
{
    int   ends[2], status = 0;
    said  s = { .size = 0 }, got;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    if (pid == 0)
        child(f, fault, ends[1]);
    (void)close(ends[1]);
    while (read(ends[0], &got, sizeof got) == (ssize_t)sizeof got)
        s = got;
    (void)close(ends[0]);
    (void)waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0 && strncmp(fault, "kill", 4) == 0)
        fail_msg("%s: the child failed with %d", fault, WEXITSTATUS(status));
    return s;
}

/* It either never said anything, or still refuses every other history. */
static void assert_stands_by(wt_fx *f, const said *s, const char *fault)
{
    pl_rc    rc = pl_witness_open(f->dir, &f->w, &f->err);
    uint64_t have = 0;

    if (rc != PL_OK) {
        if (s->is_made)
            fail_msg("%s: does not open: %s", fault, f->err.text);
        return;
    }
    if (f->w->nlogs == 1)
        have = f->w->logs[0].last.size;
    if (s->is_made && f->w->nlogs != 1)
        fail_msg("%s: forgot the log", fault);
    if (have < s->size)
        fail_msg("%s: cosigned %llu and remembers %llu", fault, (unsigned long long)s->size,
                 (unsigned long long)have);
    if (s->size > 0) {
        assert_int_equal(wt_ask(f, WT_FALSE, 0, s->size), 409);
        assert_int_equal(wt_ask(f, WT_FALSE, have, have), 422);
        assert_int_equal(wt_ask(f, WT_FALSE, have, have + 3), 422);
        assert_int_equal(wt_ask(f, WT_TRUE, have, have + 3), 200);
    }
    wt_close(f);
}

static int bare_setup(void **state)
{
    wt_fx *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->tmp = pl_test_mkdtemp();
    f->log = wt_signer(WT_ORIGIN, 0x11);
    *state = f;
    return 0;
}

static void every_point(wt_fx *f, const char *mode)
{
    unsigned long last = POINTS_MAX;
    bool          has_ended = false;

    for (unsigned long n = 1; n <= last; n++) {
        char fault[40], rel[40];
        said s;

        (void)snprintf(fault, sizeof fault, "%s@%lu", mode, n);
        (void)snprintf(rel, sizeof rel, "%s-%lu", mode, n);
        f->dir = pl_path_join(f->tmp, rel);
        s = run_child(f, fault);
        assert_stands_by(f, &s, fault);
        free(f->dir);
        f->dir = NULL;
        if (s.has_ended) { /* the point lies behind the end */
            has_ended = true;
            break;
        }
        assert_true(n < POINTS_MAX);
    }
    assert_true(has_ended);
}

static void witness__stands_by_its_word_when_killed_at_any_call(void **state)
{
    every_point(*state, "kill");
}

static void witness__stands_by_its_word_after_a_torn_write(void **state)
{
    every_point(*state, "torn");
}

/* A write or flush that fails once: nothing is said about it, and nothing more until the
 * process is started again. */
static void witness__says_nothing_after_a_failed_write(void **state)
{
    wt_fx *f = *state;

    for (unsigned long n = 1; n < POINTS_MAX; n++) {
        char fault[40], rel[40];
        said s;

        (void)snprintf(fault, sizeof fault, "io-once@%lu", n);
        (void)snprintf(rel, sizeof rel, "io-%lu", n);
        f->dir = pl_path_join(f->tmp, rel);
        s = run_child(f, fault);
        assert_stands_by(f, &s, fault);
        free(f->dir);
        f->dir = NULL;
        if (s.has_ended && s.points < n)
            return;
    }
    fail_msg("the faults never end");
}

#define T(name) cmocka_unit_test_setup_teardown(name, bare_setup, wt_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(witness__stands_by_its_word_when_killed_at_any_call),
        T(witness__stands_by_its_word_after_a_torn_write),
        T(witness__says_nothing_after_a_failed_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
