/* A bit changes in memory (docs/design/004-ledger-failures.md, row 15): in each buffer an entry
 * passes through, one at a time. It must be noticed before anything is signed over it, and what
 * was accepted must come out of the log as it went in. PROVES: evidence-ledger/7.15 */
#include "ledger_test.h"

#include "base/fault.h"

#define ENTRIES 262 /* over the end of the first bundle */

static void fault_set(unsigned long n)
{
    char spec[32];

    (void)snprintf(spec, sizeof(spec), "flip@%lu", n);
    (void)setenv("PL_FAULT", spec, 1);
    pl_fault_init();
}

/* As the daemon does after a failure. */
static void reopen(lt_fx *f)
{
    lt_close(f);
    assert_ok(pl_ledger_open(f->dir, f->signer, &f->l, &f->err), &f->err);
}

static unsigned append_upto(lt_fx *f, unsigned upto)
{
    unsigned caught = 0, have;

    while ((have = (unsigned)pl_ledger_size(f->l)) < upto) {
        static char text[ENTRIES][32];
        pl_str      e[ENTRIES];
        uint64_t    first;
        pl_rc       rc;

        for (unsigned i = have; i < upto; i++)
            e[i - have] = lt_plain(i, text[i]);
        rc = pl_ledger_append(f->l, e, upto - have, &first, &f->err);
        if (rc == PL_OK)
            continue;
        assert_rc(rc, PL_IO);
        assert_true(++caught < 2);
        reopen(f);
    }
    return caught;
}

static unsigned publish(lt_fx *f)
{
    pl_rc rc = pl_ledger_publish(f->l, &f->err);

    if (rc == PL_OK)
        return 0;
    assert_rc(rc, PL_IO);
    reopen(f);
    lt_publish(f);
    return 1;
}

/* The root of the entries as they were meant, computed without the log. */
static void assert_head(const lt_fx *f, unsigned size, unsigned long n)
{
    pl_merkle_range r;
    pl_checkpoint   head;
    pl_hash         want;
    char            buf[32];

    pl_merkle_range_init(&r);
    for (unsigned i = 0; i < size; i++) {
        pl_hash h = pl_merkle_leaf(lt_plain(i, buf));

        pl_merkle_range_append(&r, &h);
    }
    want = pl_merkle_range_root(&r);
    assert_rc(pl_ledger_head(f->l, &head, NULL), PL_OK);
    if (head.size != size || !pl_hash_equal(&head.root, &want))
        fail_msg("flip %lu: something else was signed for size %u", n, size);
}

static void flip__in_any_buffer_is_caught_before_signing(void **state)
{
    unsigned      caught = 0;
    unsigned long n = 0, points;

    (void)state;
    do {
        void  *s = NULL;
        lt_fx *f;

        lt_setup(&s);
        f = s;
        fault_set(++n);
        caught += append_upto(f, 3);
        caught += publish(f);
        assert_head(f, 3, n);
        caught += append_upto(f, 250);
        caught += append_upto(f, ENTRIES);
        caught += publish(f);
        points = pl_fault_count();
        (void)unsetenv("PL_FAULT");
        pl_fault_init();
        assert_head(f, ENTRIES, n);
        for (unsigned i = 0; i < ENTRIES; i++)
            lt_assert_plain(f->l, i);
        lt_teardown(&s);
    } while (n <= points);
    print_message("# %lu buffers, %u changes caught\n", n - 1, caught);
    assert_true(n > 15);
    assert_int_equal(caught, n - 1); /* none passed for nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flip__in_any_buffer_is_caught_before_signing),
    };

    lt_use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
