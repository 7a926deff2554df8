/* Requests that come more than once (docs/design/004-ledger-failures.md).
 * PROVES: evidence-ledger/7.9 PROVES: evidence-ledger/7.19 */
#include "ledger_test.h"

#include "base/fault.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static uint64_t once(lt_fx *f, unsigned thing, const char *id, bool expect_new)
{
    pl_str   e = lt_statement(f->signer, thing);
    uint64_t index = 0;
    bool     is_new = !expect_new;

    assert_ok(pl_ledger_append_once(f->l, e, pl_str_z(id), &index, &is_new, &f->err), &f->err);
    assert_int_equal(is_new, expect_new);
    free((void *)(uintptr_t)e.p);
    return index;
}

static void append_once__gives_the_first_place_again(void **state)
{
    lt_fx *f = *state;

    lt_append(f, 0, 3);
    assert_int_equal(once(f, 7, "r-1", true), 3);
    assert_int_equal(once(f, 7, "r-1", false), 3);
    assert_int_equal(once(f, 7, "r-2", true), 4); /* asked for on purpose once more */
    assert_int_equal(once(f, 8, "r-1", true), 5); /* another statement under the same id */
    lt_publish(f);
    assert_int_equal(once(f, 7, "r-1", false), 3);
    assert_int_equal(pl_ledger_size(f->l), 6);
    lt_close(f);
    lt_assert_sound(f, 6);
}

/* The index comes from the log: from what is published, and from what is only durable. */
static void append_once__survives_reopening(void **state)
{
    lt_fx *f = *state;

    assert_int_equal(once(f, 1, "published", true), 0);
    lt_publish(f);
    assert_int_equal(once(f, 2, "durable", true), 1);
    lt_reopen(f);
    assert_int_equal(once(f, 2, "durable", false), 1);
    assert_int_equal(once(f, 1, "published", false), 0);
    lt_publish(f);
    lt_reopen(f);
    assert_int_equal(once(f, 2, "durable", false), 1);
    assert_int_equal(pl_ledger_size(f->l), 2);
}

/* Another key is another producer, whatever id it uses. */
static void append_once__keeps_producers_apart(void **state)
{
    lt_fx     *f = *state;
    pl_vkey    key;
    pl_signer *other = lt_signer("plumbline.example/other", 0x33, &key);
    pl_str     e = lt_statement(other, 5);
    uint64_t   index = 0;
    bool       is_new = false;

    assert_int_equal(once(f, 5, "same", true), 0);
    assert_ok(pl_ledger_append_once(f->l, e, PL_STR("same"), &index, &is_new, &f->err), &f->err);
    assert_true(is_new);
    assert_int_equal(index, 1);
    free((void *)(uintptr_t)e.p);
    pl_signer_free(other);
}

static void append_once__refuses_what_it_cannot_mark(void **state)
{
    static const char *const bad[] = { "", "x", "{}", "not an envelope }", "[1]" };
    lt_fx   *f = *state;
    uint64_t index;
    bool     is_new;
    pl_str   e = lt_statement(f->signer, 1);
    char     id[PL_REQUEST_ID_MAX + 2];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_rc(pl_ledger_append_once(f->l, pl_str_z(bad[i]), PL_STR("r"), &index, &is_new,
                                        &f->err),
                  PL_INVALID);
    memset(id, 'a', sizeof(id));
    id[sizeof(id) - 1] = '\0';
    assert_rc(pl_ledger_append_once(f->l, e, pl_str_z(id), &index, &is_new, &f->err), PL_INVALID);
    assert_rc(pl_ledger_append_once(f->l, e, PL_STR(""), &index, &is_new, &f->err), PL_INVALID);
    assert_int_equal(pl_ledger_size(f->l), 0);
    free((void *)(uintptr_t)e.p);
}

/* An entry that only pretends to belong to a request of somebody else's does not stand in the
 * way: what identifies a submission is taken from the entry itself. */
static void append_once__is_not_fooled_by_a_copied_mark(void **state)
{
    lt_fx *f = *state;
    pl_buf b = PL_BUF_INIT(PL_LOG_ENTRY_MAX);
    pl_str e = lt_statement(f->signer, 1), fake;
    char  *entry = NULL;
    size_t n = 0;
    uint64_t first;

    assert_int_equal(once(f, 1, "r", true), 0);
    lt_publish(f);
    assert_ok(pl_ledger_entry(f->l, 0, &entry, &n, &f->err), &f->err);
    free((void *)(uintptr_t)e.p);
    e = lt_statement(f->signer, 2);
    pl_buf_put(&b, (pl_str){ e.p, e.n - 1 });
    pl_buf_put(&b, (pl_str){ entry + e.n - 1, n - e.n + 1 });
    fake = pl_buf_str(&b);
    assert_ok(pl_ledger_append(f->l, &fake, 1, &first, &f->err), &f->err);
    lt_reopen(f);
    assert_int_equal(once(f, 1, "r", false), 0);
    pl_buf_done(&b);
    free(entry);
    free((void *)(uintptr_t)e.p);
}

enum { THREADS = 8, ROUNDS = 50 };

static void *ask(void *arg)
{
    lt_fx   *f = arg;
    pl_str   e = lt_statement(f->signer, 9);
    uint64_t wrong = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t index = 77;
        bool     is_new;

        if (pl_ledger_append_once(f->l, e, PL_STR("same"), &index, &is_new, NULL) != PL_OK ||
            index != 0)
            wrong++;
    }
    free((void *)(uintptr_t)e.p);
    return (void *)(uintptr_t)wrong;
}

static void append_once__is_once_for_many_threads(void **state)
{
    lt_fx    *f = *state;
    pthread_t t[THREADS];
    void     *wrong;

    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, ask, f), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        (void)pthread_join(t[i], &wrong);
        assert_null(wrong);
    }
    assert_int_equal(pl_ledger_size(f->l), 1);
}

/* The client dies with the process that serves it, anywhere, and asks again. */
static void append_once__is_once_across_crashes(void **state)
{
    lt_fx   *f = *state;
    unsigned kills = 0;

    lt_close(f);
    for (unsigned n = 1; n < 200; n++) {
        int   status = 0;
        pid_t pid;

        (void)fflush(NULL);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            char     fault[32];
            uint64_t index;
            bool     is_new;
            pl_str   e = lt_statement(f->signer, 9);

            (void)snprintf(fault, sizeof(fault), "kill@%u", n);
            (void)setenv("PL_FAULT", fault, 1);
            pl_fault_init();
            if (pl_ledger_open_sized(f->dir, f->signer, 65536, &f->l, NULL) != PL_OK ||
                pl_ledger_append_once(f->l, e, PL_STR("once"), &index, &is_new, NULL) != PL_OK ||
                pl_ledger_publish(f->l, NULL) != PL_OK)
                _exit(1);
            _exit(index == 0 ? 0 : 2);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status)) {
            assert_int_equal(WEXITSTATUS(status), 0);
            break;
        }
        kills++;
    }
    assert_true(kills > 10);
    print_message("# %u kills\n", kills);
    lt_open(f);
    assert_int_equal(once(f, 9, "once", false), 0);
    assert_int_equal(pl_ledger_size(f->l), 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, lt_setup, lt_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(append_once__gives_the_first_place_again),
        T(append_once__survives_reopening),
        T(append_once__keeps_producers_apart),
        T(append_once__refuses_what_it_cannot_mark),
        T(append_once__is_not_fooled_by_a_copied_mark),
        T(append_once__is_once_for_many_threads),
        T(append_once__is_once_across_crashes),
    };

    lt_use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
