/* The table of budgets: exact counts by many at once, windows, places, what survives. */
#include "pl_test.h"

#include "base/file.h"
#include "cap/guard/guard_int.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOON 1790035200000LL /* begins a minute, an hour */

typedef struct fx {
    char        dir[64];
    int         fd;
    pl_budgets *t;
} fx;

static int setup(void **state)
{
    static fx f;
    pl_error  err;

    snprintf(f.dir, sizeof f.dir, "/tmp/plumbline-budgets-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    f.fd = open(f.dir, O_RDONLY | O_DIRECTORY);
    assert_ok(pl_budgets_open(f.fd, &f.t, &err), &err);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fx  *f = *state;

    pl_budgets_close(f->t);
    assert_int_equal(unlinkat(f->fd, "budgets.pls", 0), 0);
    close(f->fd);
    assert_int_equal(rmdir(f->dir), 0);
    return 0;
}

static uint64_t spread(uint64_t n)
{
    return (n + 1) * 0x9e3779b97f4a7c15ull;
}

static uint64_t requests_of(const fx *f, const pl_budget_use *u, int64_t now)
{
    uint64_t requests, tokens;

    pl_budgets_get(f->t, u, now, &requests, &tokens);
    return requests;
}

static uint64_t tokens_of(const fx *f, const pl_budget_use *u, int64_t now)
{
    uint64_t requests, tokens;

    pl_budgets_get(f->t, u, now, &requests, &tokens);
    return tokens;
}

static void budgets_take__refuses_what_is_spent_until_the_window_ends(void **state)
{
    fx           *f = *state;
    pl_budget_use u = { spread(1), 60, 3, 0 };

    for (int i = 0; i < 3; i++)
        assert_int_equal(pl_budgets_take(f->t, &u, 0, false, NOON + 1000 * i), PL_BUDGET_LEFT);
    assert_int_equal(pl_budgets_take(f->t, &u, 0, false, NOON + 59999), PL_BUDGET_REQUESTS);
    assert_int_equal(requests_of(f, &u, NOON), 3);
    assert_int_equal(pl_budget_retry_s(&u, NOON + 48000), 12);
    assert_int_equal(pl_budget_retry_s(&u, NOON + 59999), 1);
    assert_int_equal(pl_budgets_take(f->t, &u, 0, true, NOON + 59999), PL_BUDGET_REQUESTS); /* shadow */
    assert_int_equal(requests_of(f, &u, NOON), 4);
    assert_int_equal(pl_budgets_take(f->t, &u, 0, false, NOON + 60000), PL_BUDGET_LEFT);
    assert_int_equal(requests_of(f, &u, NOON + 60000), 1);
    /* A worker whose clock is behind counts in the window that has begun. */
    assert_int_equal(pl_budgets_take(f->t, &u, 0, false, NOON + 59990), PL_BUDGET_LEFT);
    assert_int_equal(requests_of(f, &u, NOON + 60000), 2);
    /* Another window is another budget. */
    u.window_s = 3600;
    assert_int_equal(requests_of(f, &u, NOON + 60000), 0);
}

static void budgets_settle__counts_what_an_answer_took(void **state)
{
    fx           *f = *state;
    pl_budget_use u = { spread(2), 60, 0, 100 };

    assert_int_equal(pl_budgets_take(f->t, &u, 30, false, NOON), PL_BUDGET_LEFT);
    pl_budgets_settle(f->t, &u, -10, NOON, NOON + 100);
    assert_int_equal(tokens_of(f, &u, NOON), 20);
    pl_budgets_settle(f->t, &u, 79, NOON, NOON + 200);
    assert_int_equal(pl_budgets_take(f->t, &u, 30, false, NOON + 300), PL_BUDGET_LEFT); /* one was left */
    assert_int_equal(pl_budgets_take(f->t, &u, 1, false, NOON + 300), PL_BUDGET_TOKENS);
    pl_budgets_undo(f->t, &u, 30, NOON + 300);
    assert_int_equal(tokens_of(f, &u, NOON), 99);
    /* An answer that ends in the next window is counted there; what was not used is not given twice. */
    pl_budgets_settle(f->t, &u, 7, NOON, NOON + 60000);
    pl_budgets_settle(f->t, &u, -5, NOON, NOON + 60000);
    assert_int_equal(tokens_of(f, &u, NOON + 60000), 7);
}

#define EACH 3000

static void *crowd(void *arg)
{
    fx           *f = arg;
    pl_budget_use u = { spread(3), 3600, 10000, 0 };
    uintptr_t     won = 0;

    for (int i = 0; i < EACH; i++)
        won += pl_budgets_take(f->t, &u, 1, false, NOON) == PL_BUDGET_LEFT;
    return (void *)won;
}

static void budgets_take__lets_exactly_as_many_through_as_there_are_to_have(void **state)
{
    fx       *f = *state;
    pthread_t thread[4];
    uintptr_t won, sum = 0;

    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, crowd, f), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(thread[i], (void **)&won), 0);
        sum += won;
    }
    assert_int_equal(sum, 10000); /* of 12,000 */
}

static void budgets__are_shared_by_processes_and_survive_them(void **state)
{
    fx           *f = *state;
    pl_budget_use u = { spread(4), 86400, 5, 0 };
    pl_budgets   *again;
    pl_error      err;
    int           status;
    pid_t         pid = fork();

    if (pid == 0) {
        pl_budgets *mine;

        _exit(pl_budgets_open(f->fd, &mine, &err) != PL_OK ||
              pl_budgets_take(mine, &u, 9, false, NOON) != PL_BUDGET_LEFT);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(requests_of(f, &u, NOON), 1);
    pl_budgets_close(f->t);
    assert_ok(pl_budgets_open(f->fd, &again, &err), &err);
    f->t = again;
    assert_int_equal(requests_of(f, &u, NOON), 1);
    assert_int_equal(tokens_of(f, &u, NOON), 9);
}

static void budgets__keep_who_uses_much_where_there_is_no_place_left(void **state)
{
    fx           *f = *state;
    pl_budget_use much = { spread(5), 3600, 1000, 0 };
    uint64_t      kept = 0;

    for (int i = 0; i < 50; i++)
        pl_budgets_take(f->t, &much, 0, false, NOON);
    for (uint64_t n = 0; n < 200; n++) { /* all at home in the same place */
        pl_budget_use u = { (much.key & ~0xffffffffffull) | (n + 1), 3600, 1000, 0 };

        assert_int_equal(pl_budgets_take(f->t, &u, 0, false, NOON), PL_BUDGET_LEFT);
        assert_int_equal(requests_of(f, &u, NOON), 1);
    }
    assert_int_equal(requests_of(f, &much, NOON), 50);
    for (uint64_t n = 0; n < 200; n++) { /* two hours on every place is free again */
        pl_budget_use u = { (much.key & ~0xffffffffffull) | (n + 1000), 3600, 1000, 0 };

        pl_budgets_take(f->t, &u, 0, false, NOON + 7200000);
        kept += requests_of(f, &much, NOON) == 50;
    }
    assert_true(kept < 200);
}

static void tokens__are_guessed_from_ascii_bytes_and_other_characters(void **state)
{
    static const char text[] = "spring \xe9\x83\x81\xe9\x87\x91\xe9\xa6\x99 \xf0\x9f\x8c\xb7 \xc3\xa9tude";
    const uint64_t    whole = 7 + 3 * 4 + 1 + 4 + 1 + 4 + 4;

    (void)state;
    assert_int_equal(pl_tokens_quarters(PL_STR("")), 0);
    assert_int_equal(pl_tokens_quarters(PL_STR(text)), whole);
    for (size_t cut = 0; cut < sizeof text - 1; cut++) /* in two pieces anywhere: the same */
        assert_int_equal(pl_tokens_quarters((pl_str){ text, cut }) +
                         pl_tokens_quarters((pl_str){ text + cut, sizeof text - 1 - cut }), whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budgets_take__refuses_what_is_spent_until_the_window_ends),
        cmocka_unit_test(budgets_settle__counts_what_an_answer_took),
        cmocka_unit_test(budgets_take__lets_exactly_as_many_through_as_there_are_to_have),
        cmocka_unit_test(budgets__are_shared_by_processes_and_survive_them),
        cmocka_unit_test(budgets__keep_who_uses_much_where_there_is_no_place_left),
        cmocka_unit_test(tokens__are_guessed_from_ascii_bytes_and_other_characters),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
