/* Many threads and a publisher on one object; several writers on one folder.
 * PROVES: evidence-ledger/7.14 PROVES: evidence-ledger/7.20 */
#include "ledger_test.h"

#include <pthread.h>
#include <signal.h>
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

/* Keeps several batches on their way and takes the answers in order. */
static void *submit(void *arg)
{
    enum { ON_THE_WAY = 5 };
    worker           *w = arg;
    char              text[ON_THE_WAY][32];
    pl_str            e[ON_THE_WAY];
    pl_ledger_ticket *t[ON_THE_WAY];

    for (unsigned i = 0; i < APPENDS + ON_THE_WAY; i++) {
        unsigned at = i % ON_THE_WAY;

        if (i >= ON_THE_WAY &&
            pl_ledger_wait(w->l, t[at], &w->at[i - ON_THE_WAY], NULL) != PL_OK)
            w->is_wrong = true;
        if (i >= APPENDS)
            continue;
        entry_name(text[at], w->id, i, 0);
        e[at] = pl_str_z(text[at]);
        if (pl_ledger_submit(w->l, &e[at], 1, &t[at], NULL) != PL_OK)
            w->is_wrong = true;
    }
    return NULL;
}

static void ledger_submit__gives_each_entry_its_own_place(void **state)
{
    lt_fx    *f = *state;
    worker   *w = calloc(THREADS, sizeof(*w));
    publisher p = { .l = f->l };

    assert_int_equal(pthread_create(&p.thread, NULL, publish, &p), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        w[i].l = f->l;
        w[i].id = i;
        assert_int_equal(pthread_create(&w[i].thread, NULL, submit, &w[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        (void)pthread_join(w[i].thread, NULL);
    atomic_store(&p.stop, true);
    (void)pthread_join(p.thread, NULL);
    assert_false(p.is_wrong);
    lt_publish(f);
    assert_int_equal(pl_ledger_size(f->l), THREADS * APPENDS);
    for (unsigned id = 0; id < THREADS; id++) {
        assert_false(w[id].is_wrong);
        for (unsigned i = 0; i < APPENDS; i++) {
            char text[32];

            entry_name(text, id, i, 0);
            assert_entry(f, w[id].at[i], text);
        }
    }
    free(w);
}

/* What waits is bounded, and nobody is refused for it: who would add too much writes what is
 * there first. */
static void ledger_submit__is_bounded(void **state)
{
    enum { BATCH = 480, BATCHES = 8 };
    static char       bytes[PL_LOG_ENTRY_MAX];
    lt_fx            *f = *state;
    pl_str            e[BATCH];
    pl_ledger_ticket *t[BATCHES];

    for (unsigned i = 0; i < BATCH; i++)
        e[i] = (pl_str){ bytes, sizeof(bytes) };
    for (unsigned i = 0; i < BATCHES; i++) {
        assert_ok(pl_ledger_submit(f->l, e, BATCH, &t[i], &f->err), &f->err);
        assert_true(f->l->queued <= LEDGER_QUEUE_MAX);
    }
    for (unsigned i = 0; i < BATCHES; i++) {
        uint64_t first;

        assert_ok(pl_ledger_wait(f->l, t[i], &first, &f->err), &f->err);
        assert_int_equal(first, i * BATCH);
    }
}

/* A reader of published files never meets one that is gone or half there, whatever the
 * collector of superseded files does (docs/design/004-ledger-failures.md, row 20). */
static void reader__never_meets_a_collected_file(void **state)
{
    lt_fx    *f = *state;
    publisher p = { .l = f->l };
    char      buf[32];

    assert_int_equal(pthread_create(&p.thread, NULL, publish, &p), 0);
    for (unsigned i = 0; i < 600; i++) {
        pl_ledger    *r = NULL;
        pl_checkpoint head;
        pl_str        e = lt_plain(i, buf);
        uint64_t      first;

        assert_ok(pl_ledger_append(f->l, &e, 1, &first, &f->err), &f->err);
        if (i % 3 != 0)
            continue;
        assert_ok(pl_ledger_open_reader(f->dir, &r, &f->err), &f->err);
        assert_ok(pl_ledger_head(r, &head, &f->err), &f->err);
        for (uint64_t k = 0; k < head.size; k += 1 + head.size / 4) {
            pl_proof proof;

            lt_assert_plain(r, (unsigned)k);
            assert_ok(pl_ledger_inclusion(r, k, 0, &proof, &f->err), &f->err);
        }
        pl_ledger_close(r);
    }
    atomic_store(&p.stop, true);
    (void)pthread_join(p.thread, NULL);
    assert_false(p.is_wrong);
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

/* A process that was stopped while its lock file was taken away (row 14): what it had read
 * before is out of date, and the generation says so. */
static void ledger__wakes_up_to_another_writer_and_stops(void **state)
{
    lt_fx *f = *state;
    int    fds[2], status = 0;
    char   go = 'x';
    pid_t  pid;

    lt_append_plain(f, 0, 2);
    lt_close(f);
    assert_int_equal(pipe(fds), 0);
    (void)fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        pl_ledger *l = NULL;
        pl_str     e = PL_STR("from the past");
        uint64_t   first;
        pl_rc      rc, late;

        if (pl_ledger_open(f->dir, f->signer, &l, NULL) != PL_OK || write(fds[1], &go, 1) != 1)
            _exit(1);
        (void)raise(SIGSTOP);
        rc = pl_ledger_append(l, &e, 1, &first, NULL);
        late = pl_ledger_publish(l, NULL);
        _exit(rc == PL_CONFLICT && late != PL_OK ? 0 : 2);
    }
    assert_int_equal(read(fds[0], &go, 1), 1);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    lt_remove(f, "lock");
    lt_open(f);
    lt_append_plain(f, 2, 4);
    lt_publish(f);
    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    lt_append_plain(f, 4, 5);
    lt_publish(f);
    lt_reopen(f);
    assert_int_equal(pl_ledger_size(f->l), 5);
    for (unsigned i = 0; i < 5; i++)
        lt_assert_plain(f->l, i);
    (void)close(fds[0]);
    (void)close(fds[1]);
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
        cmocka_unit_test_setup_teardown(ledger_submit__gives_each_entry_its_own_place, lt_setup,
                                        lt_teardown),
        cmocka_unit_test_setup_teardown(ledger_submit__is_bounded, lt_setup, lt_teardown),
        cmocka_unit_test_setup_teardown(reader__never_meets_a_collected_file, lt_setup,
                                        lt_teardown),
        cmocka_unit_test_setup_teardown(ledger__wakes_up_to_another_writer_and_stops, lt_setup,
                                        lt_teardown),
        cmocka_unit_test_setup_teardown(ledger__has_one_writer_among_processes, lt_setup,
                                        lt_teardown),
    };

    lt_use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
