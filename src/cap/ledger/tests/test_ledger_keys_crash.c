/* Changes of keys that are cut short (docs/formats/keys.md). A child gives a key verb under a
 * fault, at every point where one can come. Whatever it left: the next writer finds keys that
 * are good, the log is sound before and after it writes, from the first key as from the last,
 * and giving the verb again ends as it would have. */
#include "keys_test.h"

#include "base/fault.h"

#include <signal.h>
#include <sys/wait.h>

#define POINTS_MAX 2000

typedef struct change {
    const char *verb, *operand; /* "OUTGOING": id of the first key */
    const char *option, *value;
    bool        is_overlapping; /* begins within an overlap */
    size_t      keys;           /* that sign checkpoints afterwards */
} change;

static const change plain = { "rotate", NULL, NULL, NULL, false, 1 };
static const change overlap = { "rotate", NULL, "overlap", "", false, 2 };
static const change end_of_overlap = { "retire", "OUTGOING", NULL, NULL, true, 1 };
static const change second_algorithm = { "new", "p256", "use", "log", false, 2 };

static void prepare(fx *f, const change *c)
{
    state(f);
    if (!c->is_overlapping)
        return;
    ch_set(&f->host, "overlap", "");
    assert_int_equal(key(f, "rotate", NULL), PL_EXIT_OK);
    ch_set(&f->host, "overlap", NULL);
}

static int give(fx *f, const change *c)
{
    char id[9];

    (void)snprintf(id, sizeof id, "%08x", (unsigned)f->first.keyid);
    if (c->option != NULL)
        ch_set(&f->host, c->option, c->value);
    if (strcmp(c->verb, "new") == 0)
        ch_set(&f->host, "alg", "p256");
    return ch_run(&f->host, "en", true, "key", c->verb,
                  c->operand && strcmp(c->operand, "OUTGOING") == 0 ? id : c->operand);
}

/* False when the fault was never reached. */
static bool give_under(fx *f, const change *c, const char *mode, unsigned n)
{
    char  fault[32];
    int   status = 0;
    pid_t pid;

    (void)snprintf(fault, sizeof fault, "%s@%u", mode, n);
    (void)fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)setenv("PL_FAULT", fault, 1);
        pl_fault_init();
        _exit(give(f, c) == PL_EXIT_OK && pl_fault_count() < n ? 7 : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static size_t vkeys_of(fx *f, pl_vkey *first)
{
    pl_vkey keys[LEDGER_VKEYS_MAX];
    size_t  n = 0;

    assert_ok(pl_ledger_vkeys_read(f->ledger, keys, &n, &f->err), &f->err);
    *first = keys[0];
    return n;
}

static void assert_sound(fx *f, const char *where)
{
    pl_vkey now;

    assert_ok(pl_instance_vkey(&f->instance, &now, &f->err), &f->err);
    if (problems_with(f, &f->first) != 0 || problems_with(f, &now) != 0)
        fail_msg("%s: the log is not sound", where);
}

/* As the daemon does when it starts. */
static void go_on(fx *f, const char *where)
{
    pl_vkey    now, first;
    pl_signer *s = NULL;
    size_t     n;

    if (pl_ledger_keys_settle(&f->instance, NULL, &f->err) != PL_OK)
        fail_msg("%s: %s", where, f->err.text);
    state(f);
    assert_ok(pl_instance_vkey(&f->instance, &now, &f->err), &f->err);
    assert_ok(pl_instance_signer(&f->instance, &s, &f->err), &f->err);
    n = vkeys_of(f, &first);
    if (!pl_vkey_equal(&first, &now) || n != pl_signer_count(s))
        fail_msg("%s: the log names %zu keys, %zu sign", where, n, pl_signer_count(s));
    pl_signer_free(s);
    assert_sound(f, where);
}

/* The change is there after all, once. */
static void assert_changed(fx *f, const change *c, const char *where)
{
    pl_vkey first;

    if (vkeys_of(f, &first) != c->keys)
        fail_msg("%s: %zu keys sign", where, vkeys_of(f, &first));
    if (strcmp(c->verb, "rotate") == 0 || c->is_overlapping)
        assert_false(pl_vkey_equal(&first, &f->first));
    else
        assert_true(pl_vkey_equal(&first, &f->first));
}

/* Every point at which a rotation can be killed; of the rest every fourth, but all of them in the
 * nightly run. */
static void each_fault(const change *c, const char *mode)
{
    const bool     is_whole = (c == &plain && strcmp(mode, "kill") == 0) || lt_is_nightly();
    const unsigned step = is_whole ? 1 : 4;
    unsigned       n = 1, tried = 0;
    bool           hit = true;

    for (; hit && n < POINTS_MAX; n += step, tried++) {
        void *st = NULL;
        fx   *f;
        char  where[80];

        setup(&st);
        f = st;
        prepare(f, c);
        hit = give_under(f, c, mode, n);
        (void)snprintf(where, sizeof where, "key %s, %s@%u", c->verb, mode, n);
        if (tried % 2 == 0) { /* the next writer is the daemon, or the same verb */
            go_on(f, where);
            (void)give(f, c);
        } else if (give(f, c) != PL_EXIT_OK && hit && strcmp(c->verb, "rotate") == 0 &&
                   c->keys == 1) {
            fail_msg("%s: given again: %s", where, f->host.err);
        }
        go_on(f, where);
        assert_changed(f, c, where);
        teardown(&st);
    }
    assert_false(hit);
    assert_true(tried > 12);
    print_message("# key %s%s, %s: %u points\n", c->verb, c->option ? " with an option" : "", mode,
                  tried - 1);
}

#define EACH(name, change)                                                                         \
    static void name##__killed_at_every_point_leaves_good_keys(void **st)                          \
    {                                                                                              \
        (void)st;                                                                                  \
        each_fault(&(change), "kill");                                                             \
    }                                                                                              \
    static void name##__failing_once_at_every_point_leaves_good_keys(void **st)                    \
    {                                                                                              \
        (void)st;                                                                                  \
        each_fault(&(change), "io-once");                                                          \
    }

EACH(rotate, plain)
EACH(rotate_with_overlap, overlap)
EACH(retire, end_of_overlap)
EACH(new_for_the_log, second_algorithm)

#define BOTH(name)                                                                                 \
    cmocka_unit_test(name##__killed_at_every_point_leaves_good_keys),                              \
        cmocka_unit_test(name##__failing_once_at_every_point_leaves_good_keys)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(rotate),
        BOTH(rotate_with_overlap),
        BOTH(retire),
        BOTH(new_for_the_log),
    };

    lt_use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
