/* A child works on a log until a fault hits it, at every point where one can. After each
 * the parent opens what is left: everything the child was told is durable must be there,
 * the log must verify and extend what was published, and appends must go on.
 * PROVES: evidence-ledger/7.4 PROVES: evidence-ledger/7.7 */
#include "ledger_test.h"

#include "base/fault.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#define ENTRIES_MAX 300
#define POINTS_MAX  3000
#define PAYLOAD     "a payload that outlives every crash"

/* --- what the child does --------------------------------------------------------------- */

enum step_kind { CREATE, OPEN, APPEND, PUBLISH, PAYLOAD_PUT, CLOSE, END };

typedef struct step {
    enum step_kind kind;
    unsigned       upto; /* APPEND: entries the log has after it */
} step;

typedef struct story {
    const char *name;
    unsigned    start;      /* entries published before the child begins; 0: no log */
    size_t      segment;
    bool        is_signed;  /* entries are statements, else plain text */
    step        steps[24];
} story;

static const story from_nothing = {
    "from nothing", 0, 65536, true,
    { { CREATE, 0 }, { OPEN, 0 }, { APPEND, 1 }, { APPEND, 3 }, { PUBLISH, 0 }, { APPEND, 5 },
      { PAYLOAD_PUT, 0 }, { PUBLISH, 0 }, { APPEND, 6 }, { CLOSE, 0 }, { OPEN, 0 },
      { APPEND, 8 }, { PUBLISH, 0 }, { CLOSE, 0 }, { END, 0 } },
};

/* The first bundle becomes full, partial tiles and segments are removed. */
static const story across_a_bundle = {
    "across a bundle", 250, 8192, false,
    { { OPEN, 0 }, { APPEND, 253 }, { PUBLISH, 0 }, { APPEND, 255 }, { APPEND, 258 },
      { PUBLISH, 0 }, { CLOSE, 0 }, { OPEN, 0 }, { APPEND, 262 }, { APPEND, 264 },
      { PUBLISH, 0 }, { CLOSE, 0 }, { END, 0 } },
};

/* What the child tells the parent, through a pipe so that it outlives the child. */
typedef struct report {
    uint64_t      acked, published;
    unsigned long points;
    bool          has_payload, has_ended;
} report;

typedef struct child {
    const char   *dir;
    const lt_fx  *f;
    const pl_str *entries;
    const story  *story;
    int           pipe;
    report        r;
    pl_ledger    *l;
    unsigned      failures;
} child;

static void tell(child *c)
{
    c->r.points = pl_fault_count();
    if (write(c->pipe, &c->r, sizeof(c->r)) != (ssize_t)sizeof(c->r))
        _exit(3);
}

static pl_rc step_append(child *c, unsigned upto, pl_error *err)
{
    uint64_t have = pl_ledger_size(c->l), first = 0;
    pl_rc    rc;

    if (have >= upto)
        return PL_OK;
    rc = pl_ledger_append(c->l, c->entries + have, upto - have, &first, err);
    if (rc == PL_OK && first != have)
        _exit(4);
    if (rc == PL_OK)
        c->r.acked = upto;
    return rc;
}

static pl_rc step_open(child *c, pl_error *err)
{
    pl_rc rc = pl_ledger_open_sized(c->dir, c->f->signer, c->story->segment, &c->l, err);

    if (rc == PL_OK)
        c->r.acked = pl_ledger_size(c->l); /* what is recovered is durable */
    return rc;
}

static pl_rc step_do(child *c, const step *s, pl_error *err)
{
    uint8_t digest[32];
    pl_rc   rc = PL_OK;

    switch (s->kind) {
    case CREATE:
        rc = pl_ledger_create(c->dir, PL_STR(LT_ORIGIN), c->f->signer, err);
        return rc == PL_CONFLICT ? PL_OK : rc;
    case OPEN:
        return c->l == NULL ? step_open(c, err) : PL_OK;
    case APPEND:
        return step_append(c, s->upto, err);
    case PUBLISH:
        rc = pl_ledger_publish(c->l, err);
        if (rc == PL_OK)
            c->r.published = pl_ledger_size(c->l);
        return rc;
    case PAYLOAD_PUT:
        rc = pl_ledger_payload_put(c->dir, PL_STR(PAYLOAD), digest, err);
        if (rc == PL_OK)
            c->r.has_payload = true;
        return rc;
    case CLOSE:
        pl_ledger_close(c->l);
        c->l = NULL;
        return PL_OK;
    case END:
        break;
    }
    return PL_OK;
}

/* As the daemon does: after a failure, reopen and try the step again. A failed object
 * must refuse everything until then. */
static pl_rc step_retry(child *c, const step *s, pl_rc rc, pl_error *err)
{
    pl_str   e = PL_STR("must not get in");
    uint64_t first;

    c->failures++;
    if (c->l != NULL && rc == PL_IO && (s->kind == APPEND || s->kind == PUBLISH)) {
        if (pl_ledger_append(c->l, &e, 1, &first, NULL) != PL_IO ||
            pl_ledger_publish(c->l, NULL) != PL_IO)
            _exit(5);
    }
    if (s->kind == APPEND || s->kind == PUBLISH) {
        pl_ledger_close(c->l);
        c->l = NULL;
        rc = step_open(c, err);
        if (rc != PL_OK)
            return rc;
    }
    return step_do(c, s, err);
}

static void child_run(child *c)
{
    pl_error err = { PL_OK, "" };

    pl_fault_init();
    for (const step *s = c->story->steps; s->kind != END; s++) {
        pl_rc rc = step_do(c, s, &err);

        if (rc != PL_OK)
            rc = step_retry(c, s, rc, &err);
        if (rc != PL_OK)
            _exit(0); /* a full disk stays full */
        tell(c);
    }
    c->r.has_ended = true;
    tell(c);
    _exit(0);
}

/* --- what the parent checks ------------------------------------------------------------ */

static pl_str *entries_make(const lt_fx *f, bool is_signed)
{
    pl_str *e = calloc(ENTRIES_MAX, sizeof(*e));
    char    buf[32];

    for (unsigned i = 0; i < (is_signed ? 16 : ENTRIES_MAX); i++) {
        e[i] = is_signed ? lt_statement(f->signer, i) : lt_plain(i, buf);
        if (!is_signed)
            e[i].p = pl_str_dup(e[i]);
    }
    return e;
}

static void entries_free(pl_str *e)
{
    for (unsigned i = 0; i < ENTRIES_MAX; i++)
        free((void *)(uintptr_t)e[i].p);
    free(e);
}

static report child_report(int fd)
{
    report r = { .acked = 0 }, next;

    while (read(fd, &next, sizeof(next)) == (ssize_t)sizeof(next))
        r = next;
    return r;
}

/* Lets a traced child run until its nth system call, and kills it before the call is made.
 * Gives the number of calls there were. */
static unsigned long trace_and_kill(pid_t pid, unsigned long n, int *status)
{
    unsigned long seen = 0;

    assert_int_equal(waitpid(pid, status, 0), pid);
    assert_true(WIFSTOPPED(*status));
    assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD),
                     0);
    for (bool is_entry = true;; is_entry = !is_entry) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
        assert_int_equal(waitpid(pid, status, 0), pid);
        if (!WIFSTOPPED(*status) || WSTOPSIG(*status) != (SIGTRAP | 0x80))
            return seen;
        if (is_entry && ++seen == n) {
            assert_int_equal(kill(pid, SIGKILL), 0);
            assert_int_equal(waitpid(pid, status, 0), pid);
            return seen;
        }
    }
}

/* Runs the child under one fault; *killed says how it ended. */
static report run_child(const lt_fx *f, const story *s, const pl_str *entries, const char *fault,
                        bool *killed)
{
    const bool is_traced = strncmp(fault, "syscall@", 8) == 0;
    int        fds[2], status = 0;
    report r;
    pid_t  pid;

    assert_int_equal(pipe(fds), 0);
    (void)fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        child c = { .dir = f->dir, .f = f, .entries = entries, .story = s, .pipe = fds[1] };

        (void)close(fds[0]);
        if (!is_traced)
            (void)setenv("PL_FAULT", fault, 1);
        else if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0 || raise(SIGSTOP) != 0)
            _exit(6);
        child_run(&c);
    }
    (void)close(fds[1]);
    if (is_traced)
        (void)trace_and_kill(pid, strtoul(fault + 8, NULL, 10), &status);
    r = child_report(fds[0]);
    (void)close(fds[0]);
    if (!is_traced)
        assert_int_equal(waitpid(pid, &status, 0), pid);
    *killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!*killed && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        fail_msg("%s, %s: child ended with status %d", s->name, fault, status);
    return r;
}

/* Statements verify; plain entries give one problem each, "not a JSON object" and such. */
static void assert_verifies(const lt_fx *f, const story *s, uint64_t size, const char *fault)
{
    pl_ledger_report r;
    pl_error         err = { PL_OK, "" };
    size_t           expected = s->is_signed ? 0 : size;

    assert_ok(pl_ledger_verify(f->dir, &f->key, &r, NULL, NULL, &err), &err);
    assert_int_equal(r.size, size);
    for (size_t i = 0; i < json_array_size(r.problems); i++) {
        const char *p = json_string_value(json_array_get(r.problems, i));

        if (s->is_signed || strncmp(p, "entry ", 6) != 0)
            fail_msg("%s, %s: problem: %s", s->name, fault, p);
    }
    assert_int_equal(json_array_size(r.problems), expected);
    pl_ledger_report_done(&r);
}

static void assert_extends(const lt_fx *f, const pl_checkpoint *seen, const char *fault)
{
    pl_checkpoint now;
    pl_proof      p;
    pl_error      err = { PL_OK, "" };

    assert_ok(pl_ledger_head(f->l, &now, &err), &err);
    if (now.size < seen->size)
        fail_msg("%s: %llu entries were published, %llu are", fault,
                 (unsigned long long)seen->size, (unsigned long long)now.size);
    assert_ok(pl_ledger_consistency(f->l, seen->size, now.size, &p, &err), &err);
    assert_ok(pl_merkle_consistency_verify(seen->size, now.size, &seen->root, &now.root, &p, &err),
              &err);
}

static void assert_entries(const lt_fx *f, const pl_str *entries, unsigned from, uint64_t size)
{
    for (unsigned i = from; i < size; i++) {
        char    *bytes = NULL;
        size_t   n = 0;
        pl_error err = { PL_OK, "" };

        assert_ok(pl_ledger_entry(f->l, i, &bytes, &n, &err), &err);
        assert_true(pl_str_eq(entries[i], (pl_str){ bytes, n }));
        free(bytes);
    }
}

/* What an outsider saw before the log was opened again. */
static bool seen_before(const lt_fx *f, pl_checkpoint *c)
{
    pl_ledger *r = NULL;

    if (pl_ledger_open_reader(f->dir, &r, NULL) != PL_OK)
        return false;
    assert_rc(pl_ledger_head(r, c, NULL), PL_OK);
    pl_ledger_close(r);
    return true;
}

static void check_after(lt_fx *f, const story *s, const pl_str *entries, const report *r,
                        const char *fault)
{
    pl_checkpoint seen;
    bool          was_seen = seen_before(f, &seen);
    uint64_t      size, first;
    uint8_t       digest[32];
    pl_error      err = { PL_OK, "" };

    if (access(f->dir, F_OK) != 0) {
        assert_int_equal(r->acked, 0);
        assert_ok(pl_ledger_create(f->dir, PL_STR(LT_ORIGIN), f->signer, &err), &err);
    } else {
        assert_true(was_seen); /* a log that is there can always be read */
        assert_true(seen.size >= r->published);
    }
    if (pl_ledger_open_sized(f->dir, f->signer, s->segment, &f->l, &err) != PL_OK)
        fail_msg("%s, %s: cannot be opened: %s", s->name, fault, err.text);
    size = pl_ledger_size(f->l);
    if (size < r->acked)
        fail_msg("%s, %s: %llu entries were acknowledged, %llu are left", s->name, fault,
                 (unsigned long long)r->acked, (unsigned long long)size);
    assert_ok(pl_ledger_append(f->l, entries + size, 2, &first, &err), &err);
    assert_int_equal(first, size);
    lt_publish(f);
    if (was_seen)
        assert_extends(f, &seen, fault);
    assert_entries(f, entries, s->start > 10 ? s->start - 10 : 0, size + 2);
    lt_close(f);
    if (r->has_payload) {
        char  *bytes = NULL;
        size_t n = 0;

        assert_ok(pl_ledger_payload_put(f->dir, PL_STR(PAYLOAD), digest, &err), &err);
        assert_ok(pl_ledger_payload_get(f->dir, digest, 100, &bytes, &n, &err), &err);
        free(bytes);
    }
    assert_verifies(f, s, size + 2, fault);
}

static void story_prepare(lt_fx *f, const story *s, const pl_str *entries)
{
    uint64_t first;

    if (s->start == 0)
        return;
    assert_ok(pl_ledger_create(f->dir, PL_STR(LT_ORIGIN), f->signer, &f->err), &f->err);
    assert_ok(pl_ledger_open_sized(f->dir, f->signer, s->segment, &f->l, &f->err), &f->err);
    for (unsigned i = 0; i < s->start; i += 50)
        assert_ok(pl_ledger_append(f->l, entries + i, 50, &first, &f->err), &f->err);
    lt_publish(f);
    lt_close(f);
}

/* One fault in a fresh folder. false: the fault came too late to hit the child. */
static bool try_fault(const story *s, const char *mode, unsigned long n)
{
    void  *state = NULL;
    char   fault[40];
    lt_fx *f;
    pl_str *entries;
    report  r;
    bool    killed = false, hit;

    lt_setup_bare(&state);
    f = state;
    entries = entries_make(f, s->is_signed);
    (void)snprintf(fault, sizeof(fault), "%s@%lu", mode, n);
    story_prepare(f, s, entries);
    r = run_child(f, s, entries, fault, &killed);
    hit = killed || !r.has_ended || (strcmp(mode, "torn") != 0 && r.points >= n);
    check_after(f, s, entries, &r, fault);
    entries_free(entries);
    lt_teardown(&state);
    return hit;
}

/* Every `stride`th point. */
static void each_fault_by(const story *s, const char *mode, unsigned long at_least, unsigned stride)
{
    unsigned long n = 1, runs = 1;

    if (lt_is_nightly())
        stride = 1;
    for (; n < POINTS_MAX && try_fault(s, mode, n); n += stride)
        runs++;
    print_message("# %s: %lu of %lu points of '%s'\n", s->name, runs - 1, n - stride, mode);
    assert_true(n < POINTS_MAX);
    assert_true(runs * stride > at_least);
}

static void each_fault(const story *s, const char *mode, unsigned long at_least)
{
    each_fault_by(s, mode, at_least, 1);
}

/* Every `stride`th system call of any kind. */
static void each_syscall(const story *s, unsigned stride)
{
    unsigned long n = 1, runs = 1;

    if (lt_is_nightly())
        stride = 1;
    for (; n < POINTS_MAX && try_fault(s, "syscall", n); n += stride)
        runs++;
    print_message("# %s: killed before %lu of %lu system calls\n", s->name, runs - 1, n - stride);
    assert_true(n < POINTS_MAX);
    assert_true(runs * stride > 400);
}

static void crash_from_nothing__kill_before_any_system_call(void **state)
{
    (void)state;
    each_syscall(&from_nothing, 5);
}

static void crash_across_a_bundle__kill_before_any_system_call(void **state)
{
    (void)state;
    each_syscall(&across_a_bundle, 5);
}

static void crash_from_nothing__kill_at_every_point(void **state)
{
    (void)state;
    each_fault(&from_nothing, "kill", 120);
}

static void crash_from_nothing__torn_at_every_write(void **state)
{
    (void)state;
    each_fault(&from_nothing, "torn", 20);
}

static void crash_from_nothing__one_error_at_any_point(void **state)
{
    (void)state;
    each_fault_by(&from_nothing, "io-once", 120, 3);
}

static void crash_from_nothing__disk_full_from_any_point(void **state)
{
    (void)state;
    each_fault_by(&from_nothing, "full", 120, 3);
}

static void crash_across_a_bundle__kill_at_every_point(void **state)
{
    (void)state;
    each_fault(&across_a_bundle, "kill", 80);
}

static void crash_across_a_bundle__torn_at_every_write(void **state)
{
    (void)state;
    each_fault(&across_a_bundle, "torn", 15);
}

static void crash_across_a_bundle__one_error_at_any_point(void **state)
{
    (void)state;
    each_fault_by(&across_a_bundle, "io-once", 80, 3);
}

static void crash_across_a_bundle__disk_full_from_any_point(void **state)
{
    (void)state;
    each_fault_by(&across_a_bundle, "full", 80, 3);
}

static void fault_set(const char *spec)
{
    if (spec != NULL)
        (void)setenv("PL_FAULT", spec, 1);
    else
        (void)unsetenv("PL_FAULT");
    pl_fault_init();
}

/* A full disk needs no restart: nothing has been promised that cannot be kept. */
static void publish__goes_on_after_a_full_disk_without_reopening(void **state)
{
    lt_fx *f = *state;

    lt_append(f, 0, 3);
    fault_set("full@1");
    assert_rc(pl_ledger_publish(f->l, &f->err), PL_FULL);
    fault_set(NULL);
    assert_non_null(strstr(f->err.text, "No space left"));
    lt_append(f, 3, 4);
    lt_publish(f);
    lt_close(f);
    lt_assert_sound(f, 4);
}

static void append__goes_on_after_a_full_disk_without_reopening(void **state)
{
    lt_fx   *f = *state;
    char     buf[32];
    pl_str   e = lt_plain(2, buf);
    uint64_t first;

    assert_ok(pl_ledger_create(f->dir, PL_STR(LT_ORIGIN), f->signer, &f->err), &f->err);
    assert_ok(pl_ledger_open_sized(f->dir, f->signer, 8192, &f->l, &f->err), &f->err);
    lt_append_plain(f, 0, 1);
    lt_append_plain(f, 1, 2); /* the segment has two pages: the next entry needs another */
    fault_set("full@1");
    assert_rc(pl_ledger_append(f->l, &e, 1, &first, &f->err), PL_FULL);
    fault_set("full@2"); /* the file can be made, room for it not */
    assert_rc(pl_ledger_append(f->l, &e, 1, &first, &f->err), PL_FULL);
    fault_set(NULL);
    assert_false(lt_exists(f, "wal-0000000000000002"));
    assert_int_equal(pl_ledger_size(f->l), 2);
    lt_append_plain(f, 2, 3);
    lt_reopen(f);
    assert_int_equal(pl_ledger_size(f->l), 3);
}

/* An error of flushing is final even when it says that the disk is full. */
static void append__is_final_after_a_failed_flush(void **state)
{
    lt_fx   *f = *state;
    char     buf[32];
    pl_str   e = lt_plain(0, buf);
    uint64_t first;

    fault_set("full@2"); /* the frame is written, its flush fails */
    assert_rc(pl_ledger_append(f->l, &e, 1, &first, &f->err), PL_IO);
    fault_set(NULL);
    assert_rc(pl_ledger_append(f->l, &e, 1, &first, &f->err), PL_IO);
    assert_string_equal(f->err.text, "ledger failed to write earlier: reopen it");
    assert_rc(pl_ledger_publish(f->l, &f->err), PL_IO);
    lt_reopen(f);
    assert_true(pl_ledger_size(f->l) <= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crash_from_nothing__kill_at_every_point),
        cmocka_unit_test(crash_from_nothing__kill_before_any_system_call),
        cmocka_unit_test(crash_across_a_bundle__kill_before_any_system_call),
        cmocka_unit_test(crash_from_nothing__torn_at_every_write),
        cmocka_unit_test(crash_from_nothing__one_error_at_any_point),
        cmocka_unit_test(crash_from_nothing__disk_full_from_any_point),
        cmocka_unit_test(crash_across_a_bundle__kill_at_every_point),
        cmocka_unit_test(crash_across_a_bundle__torn_at_every_write),
        cmocka_unit_test(crash_across_a_bundle__one_error_at_any_point),
        cmocka_unit_test(crash_across_a_bundle__disk_full_from_any_point),
        cmocka_unit_test_setup_teardown(publish__goes_on_after_a_full_disk_without_reopening,
                                        lt_setup, lt_teardown),
        cmocka_unit_test_setup_teardown(append__goes_on_after_a_full_disk_without_reopening,
                                        lt_setup_bare, lt_teardown),
        cmocka_unit_test_setup_teardown(append__is_final_after_a_failed_flush, lt_setup,
                                        lt_teardown),
    };

    lt_use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
