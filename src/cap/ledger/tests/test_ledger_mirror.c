/* Copies of a log, and following one whose keys change: the verbs on an instance and on its copy. */
#include "keys_test.h"

#include "base/fault.h"
#include "cap/ledger/ledger_monitor.h"

#include <signal.h>
#include <sys/wait.h>

static char *vkey_text(const pl_vkey *k)
{
    static char text[PL_VKEY_TEXT_MAX];

    assert_rc(pl_vkey_format(k, text, sizeof text, NULL), PL_OK);
    return text;
}

static int ledger(fx *f, const char *verb, const char *operand)
{
    return ch_run(&f->host, "en", true, "ledger", verb, operand);
}

static char *copy_path(const fx *f)
{
    static char path[600];

    (void)snprintf(path, sizeof path, "%s/copy", f->tmp);
    return path;
}

static int mirror(fx *f, const pl_vkey *k)
{
    ch_set(&f->host, "from", f->ledger);
    ch_set(&f->host, "key", vkey_text(k));
    return ledger(f, "mirror", copy_path(f));
}

static uint64_t size_of(const char *dir)
{
    pl_ledger    *l = NULL;
    pl_checkpoint c = { .size = 0 };

    if (pl_ledger_open_reader(dir, &l, NULL) == PL_OK)
        assert_rc(pl_ledger_head(l, &c, NULL), PL_OK);
    pl_ledger_close(l);
    return c.size;
}

/* The copy is as good as the log: nothing is missing, nothing is too much. */
static void assert_copy(fx *f, const pl_vkey *k, uint64_t size)
{
    pl_ledger_report r;

    assert_ok(pl_ledger_verify(copy_path(f), k, &r, NULL, NULL, &f->err), &f->err);
    if (json_array_size(r.problems) > 0)
        fail_msg("%s", json_string_value(json_array_get(r.problems, 0)));
    assert_int_equal(r.size, size);
    pl_ledger_report_done(&r);
}

static void states(fx *f, unsigned n)
{
    while (n-- > 0)
        state(f);
}

static void mirror__is_a_log_that_verifies_and_grows(void **st)
{
    fx *f = *st;

    states(f, 3);
    assert_int_equal(mirror(f, &f->first), PL_EXIT_OK);
    assert_copy(f, &f->first, 3);
    assert_int_equal(mirror(f, &f->first), PL_EXIT_OK); /* nothing new */
    states(f, 2);
    assert_int_equal(mirror(f, &f->first), PL_EXIT_OK);
    assert_copy(f, &f->first, 5);
    assert_int_equal(size_of(copy_path(f)), 5);
}

static void mirror__of_an_empty_log_is_one(void **st)
{
    fx *f = *st;

    assert_int_equal(mirror(f, &f->first), PL_EXIT_OK);
    assert_copy(f, &f->first, 0);
}

/* Any key of the log will do, of any time; two algorithms, a rotation, an overlap. */
static void mirror__follows_the_keys_of_the_log(void **st)
{
    fx     *f = *st;
    pl_vkey sm2, second, third;

    states(f, 1);
    assert_int_equal(mirror(f, &f->first), PL_EXIT_OK);
    ch_set(&f->host, "alg", "sm2");
    ch_set(&f->host, "use", "log");
    assert_int_equal(key(f, "new", "sm2"), PL_EXIT_OK);
    vkey_of_answer(f, &sm2);
    ch_set(&f->host, "alg", NULL);
    assert_int_equal(key(f, "rotate", NULL), PL_EXIT_OK);
    vkey_of_answer(f, &second);
    assert_int_equal(mirror(f, &f->first), PL_EXIT_OK);
    ch_set(&f->host, "overlap", "");
    assert_int_equal(key(f, "rotate", NULL), PL_EXIT_OK);
    vkey_of_answer(f, &third);
    ch_set(&f->host, "overlap", NULL);
    states(f, 2);
    assert_int_equal(mirror(f, &f->first), PL_EXIT_OK);
    assert_copy(f, &f->first, 6);
    assert_copy(f, &sm2, 6);
    assert_copy(f, &second, 6);
    assert_copy(f, &third, 6);
    pl_test_rmtree(strdup(copy_path(f)));
    assert_int_equal(mirror(f, &third), PL_EXIT_OK); /* backwards */
    assert_copy(f, &f->first, 6);
    pl_test_rmtree(strdup(copy_path(f)));
    assert_int_equal(mirror(f, &sm2), PL_EXIT_OK);
    assert_copy(f, &third, 6);
}

static void mirror__believes_no_key_that_the_log_did_not_make_known(void **st)
{
    fx        *f = *st;
    pl_vkey    other, own;
    pl_signer *s = lt_signer("somebody.example/log", 9, &other);

    states(f, 2);
    assert_int_equal(mirror(f, &other), PL_EXIT_FOUND);
    assert_non_null(strstr(f->host.out, "checkpoint: "));
    pl_signer_free(s);
    s = lt_signer(f->instance.origin, 9, &own); /* the same name */
    pl_test_rmtree(strdup(copy_path(f)));
    assert_int_equal(mirror(f, &own), PL_EXIT_FOUND);
    assert_int_equal(size_of(copy_path(f)), 0);
    pl_signer_free(s);
}

/* Who knows one key, of whatever time, can ask for proofs and compare with what he remembers. */
static void prove_and_consistency__take_any_key_of_the_log(void **st)
{
    fx     *f = *st;
    pl_vkey sm2, second;
    char    saved[600];
    pl_str  note;
    lt_fx   files = { .dir = f->ledger };

    states(f, 2);
    note = lt_slurp(&files, "checkpoint");
    (void)snprintf(saved, sizeof saved, "%s/saved", f->tmp);
    assert_ok(pl_file_write_atomic(saved, note, 0600, &f->err), &f->err);
    free((void *)(uintptr_t)note.p);
    assert_int_equal(key(f, "rotate", NULL), PL_EXIT_OK);
    vkey_of_answer(f, &second);
    ch_set(&f->host, "alg", "sm2");
    ch_set(&f->host, "use", "log");
    assert_int_equal(key(f, "new", "sm2"), PL_EXIT_OK);
    vkey_of_answer(f, &sm2);
    states(f, 1);
    for (int i = 0; i < 3; i++) {
        const pl_vkey *k = i == 0 ? &f->first : i == 1 ? &second : &sm2;

        ch_set(&f->host, "key", vkey_text(k));
        if (ledger(f, "prove", "1") != PL_EXIT_OK)
            fail_msg("key %d: %s", i, f->host.err);
        if (ledger(f, "consistency", saved) != PL_EXIT_OK)
            fail_msg("key %d: %s%s", i, f->host.out, f->host.err);
    }
}

/* What does not hold together changes nothing, and is taken again when it does. */
static void mirror__keeps_nothing_that_does_not_hold(void **st)
{
    fx    *f = *st;
    lt_fx  files = { .dir = f->ledger };
    pl_str bytes;

    states(f, 2);
    assert_int_equal(mirror(f, &f->first), PL_EXIT_OK);
    states(f, 2);
    bytes = lt_slurp(&files, "tile/entries/000.p/4");
    for (size_t at = 0; at < bytes.n; at += 1 + bytes.n / 7) {
        ((char *)(uintptr_t)bytes.p)[at] ^= 1;
        lt_remove(&files, "tile/entries/000.p/4");
        lt_spit(&files, "tile/entries/000.p/4", bytes);
        assert_int_equal(mirror(f, &f->first), PL_EXIT_FOUND);
        assert_copy(f, &f->first, 2);
        ((char *)(uintptr_t)bytes.p)[at] ^= 1;
    }
    lt_remove(&files, "tile/entries/000.p/4");
    lt_spit(&files, "tile/entries/000.p/4", bytes);
    free((void *)(uintptr_t)bytes.p);
    assert_int_equal(mirror(f, &f->first), PL_EXIT_OK);
    assert_copy(f, &f->first, 4);
}

static void mirror__does_not_write_over_a_log(void **st)
{
    fx *f = *st;

    states(f, 1);
    ch_set(&f->host, "from", f->ledger);
    ch_set(&f->host, "key", vkey_text(&f->first));
    assert_int_equal(ledger(f, "mirror", f->ledger), PL_EXIT_FAILED);
    assert_non_null(strstr(f->host.err, "not a copy"));
    ch_set(&f->host, "key", NULL);
    assert_int_equal(ledger(f, "mirror", copy_path(f)), PL_EXIT_BAD_INPUT);
}

/* A child is killed at every point; the copy can be read as it was, or as it will be, and doing
 * it again always ends the same. */
static void mirror__cut_short_goes_on(void **st)
{
    fx      *f = *st;
    unsigned n = 1;
    bool     hit = true;

    states(f, 2);
    assert_int_equal(mirror(f, &f->first), PL_EXIT_OK);
    for (; hit && n < 500; n++) {
        char  fault[32];
        int   status = 0;
        pid_t pid;

        pl_test_rmtree(strdup(copy_path(f)));
        (void)snprintf(fault, sizeof fault, "kill@%u", n);
        (void)fflush(NULL);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            (void)setenv("PL_FAULT", fault, 1);
            pl_fault_init();
            _exit(mirror(f, &f->first) == PL_EXIT_OK && pl_fault_count() < n ? 7 : 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        hit = !(WIFEXITED(status) && WEXITSTATUS(status) == 7);
        if (size_of(copy_path(f)) == 2)
            assert_copy(f, &f->first, 2);
        if (mirror(f, &f->first) != PL_EXIT_OK)
            fail_msg("%s: %s%s", fault, f->host.out, f->host.err);
        assert_copy(f, &f->first, 2);
    }
    assert_false(hit);
    assert_true(n > 20);
    print_message("# %u points\n", n - 2);
}

/* A monitor that has seen the old key only follows a rotation, across its state file. */
static void monitor__follows_a_rotation(void **st)
{
    fx            *f = *st;
    log_source     s = pl_log_source(f->ledger);
    monitor_memory m = { .note = NULL };
    monitor_report r;
    char           path[600];

    (void)snprintf(path, sizeof path, "%s/state.json", f->tmp);
    pl_merkle_range_init(&m.seen);
    pl_merkle_range_init(&m.ahead);
    states(f, 1);
    for (int round = 0; round < 3; round++) {
        assert_ok(pl_monitor_look(&s, &f->first, &m, NULL, NULL, NULL, NULL, &r, &f->err), &f->err);
        assert_string_equal(r.problem, "");
        free(r.note);
        assert_int_equal(m.events, round);
        assert_ok(pl_monitor_memory_save(path, &m, &f->err), &f->err);
        pl_monitor_memory_done(&m);
        m = (monitor_memory){ .note = NULL };
        assert_ok(pl_monitor_memory_load(path, &f->first, &m, &f->err), &f->err);
        assert_int_equal(m.events, round);
        assert_int_equal(key(f, "rotate", NULL), PL_EXIT_OK);
        state(f);
    }
    pl_monitor_memory_done(&m);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(mirror__is_a_log_that_verifies_and_grows),
        T(mirror__of_an_empty_log_is_one),
        T(mirror__follows_the_keys_of_the_log),
        T(mirror__believes_no_key_that_the_log_did_not_make_known),
        T(prove_and_consistency__take_any_key_of_the_log),
        T(mirror__keeps_nothing_that_does_not_hold),
        T(mirror__does_not_write_over_a_log),
        T(mirror__cut_short_goes_on),
        T(monitor__follows_a_rotation),
    };

    lt_use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
