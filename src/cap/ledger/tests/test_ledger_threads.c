/* Many threads and a publisher on one object; several writers on one folder. */
#include "ledger_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

enum { THREADS = 8, APPENDS = 40 };

typedef struct worker {
    pthread_t  thread;
    pl_ledger *l;
    unsigned   id;
    uint64_t   at[APPENDS]; /* where each of its batches went */
    bool       is_wrong;
} worker;

static void entry_name(char out[32], unsigned id, unsigned i, unsigned k)
{
    (void)snprintf(out, 32, "worker-%u-%u-%u", id, i, k);
}

/* Batches of one to three entries. */
static void *work(void *arg)
{
    worker *w = arg;

    for (unsigned i = 0; i < APPENDS; i++) {
        char   text[3][32];
        pl_str e[3];

        for (unsigned k = 0; k < 3; k++) {
            entry_name(text[k], w->id, i, k);
            e[k] = pl_str_z(text[k]);
        }
        if (pl_ledger_append(w->l, e, 1 + i % 3, &w->at[i], NULL) != PL_OK)
            w->is_wrong = true;
    }
    return NULL;
}

typedef struct publisher {
    pthread_t   thread;
    pl_ledger  *l;
    atomic_bool stop;
    bool        is_wrong;
} publisher;

static void *publish(void *arg)
{
    publisher *p = arg;

    while (!atomic_load(&p->stop))
        if (pl_ledger_publish(p->l, NULL) != PL_OK)
            p->is_wrong = true;
    return NULL;
}

static void assert_entry(const lt_fx *f, uint64_t index, const char *text)
{
    char    *bytes = NULL;
    size_t   n = 0;
    pl_error err = { PL_OK, "" };

    assert_ok(pl_ledger_entry(f->l, index, &bytes, &n, &err), &err);
    assert_string_equal(bytes, text);
    free(bytes);
}

static void ledger__serves_many_threads_and_a_publisher(void **state)
{
    lt_fx    *f = *state;
    worker   *w = calloc(THREADS, sizeof(*w));
    publisher p = { .l = f->l };
    uint64_t  total = 0;

    assert_int_equal(pthread_create(&p.thread, NULL, publish, &p), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        w[i].l = f->l;
        w[i].id = i;
        assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        (void)pthread_join(w[i].thread, NULL);
    atomic_store(&p.stop, true);
    (void)pthread_join(p.thread, NULL);
    assert_false(p.is_wrong);
    lt_publish(f);
    for (unsigned id = 0; id < THREADS; id++) {
        assert_false(w[id].is_wrong);
        for (unsigned i = 0; i < APPENDS; i++)
            for (unsigned k = 0; k < 1 + i % 3; k++, total++) {
                char text[32];

                entry_name(text, id, i, k);
                assert_entry(f, w[id].at[i] + k, text); /* a batch stays together */
            }
    }
    /* As many as there are, each at its own place: no gap, no overlap. */
    assert_int_equal(pl_ledger_size(f->l), total);
    assert_int_equal(lt_assert_problems(f, total), total);
    free(w);
}

/* Whoever gets the lock appends one entry; nobody may disturb another's history. */
static void ledger__has_one_writer_among_processes(void **state)
{
    enum { CHILDREN = 6, ROUNDS = 10 };
    lt_fx *f = *state;
    pid_t  pid[CHILDREN];
    int    won = 0;

    lt_close(f);
    (void)fflush(NULL);
    for (unsigned i = 0; i < CHILDREN; i++) {
        pid[i] = fork();
        assert_true(pid[i] >= 0);
        if (pid[i] == 0) {
            int done = 0;

            for (unsigned k = 0; k < ROUNDS; k++) {
                pl_ledger *l = NULL;
                pl_str     e = PL_STR("entry");
                uint64_t   first;
                pl_rc      rc = pl_ledger_open(f->dir, f->signer, &l, NULL);

                if (rc == PL_OK && pl_ledger_append(l, &e, 1, &first, NULL) == PL_OK &&
                    pl_ledger_publish(l, NULL) == PL_OK)
                    done++;
                else if (rc != PL_CONFLICT)
                    _exit(255);
                pl_ledger_close(l);
            }
            _exit(done);
        }
    }
    for (unsigned i = 0; i < CHILDREN; i++) {
        int status = 0;

        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 255);
        won += WEXITSTATUS(status);
    }
    lt_open(f);
    assert_true(won > 0);
    assert_int_equal(pl_ledger_size(f->l), won);
    assert_int_equal(lt_assert_problems(f, (size_t)won), won);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ledger__serves_many_threads_and_a_publisher, lt_setup,
                                        lt_teardown),
        cmocka_unit_test_setup_teardown(ledger__has_one_writer_among_processes, lt_setup,
                                        lt_teardown),
    };

    lt_use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
