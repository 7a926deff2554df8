/* How fast a log accepts, and that nobody is refused because others are quick. */
#include "ledger_test.h"

#include <math.h>

#define MIB (1u << 20)

/* --- the rule ------------------------------------------------------------------------------ */

/* A pace that has seen `rate` bytes a second. */
static pace seen(double rate)
{
    pace p = { .rate = 0 };

    pl_pace_begin(&p, 10 * MIB, 0);
    pl_pace_advance(&p, 10 * MIB, (int64_t)(10.0 * MIB / rate * 1e6));
    pl_pace_end(&p, (int64_t)(10.0 * MIB / rate * 1e6));
    assert_true(fabs(p.rate - rate) < 100);
    return p;
}

static void pace__is_free_while_little_waits(void **state)
{
    pace p = seen(20.0 * MIB);

    (void)state;
    assert_true(pl_pace_allowed(&p, PACE_FROM - 1) == 0);
    pl_pace_pay(&p, MIB, PACE_FROM - 1, 5000);
    assert_int_equal(p.due_us, 5000);
}

static void pace__falls_from_twice_the_rate_of_publication_to_almost_nothing(void **state)
{
    const double rate = 20.0 * MIB;
    pace         p = seen(rate);

    (void)state;
    assert_true(fabs(pl_pace_allowed(&p, PACE_FROM) - 2 * rate) < 1000);
    assert_true(fabs(pl_pace_allowed(&p, (PACE_FROM + PACE_FULL) / 2) - rate) < 1000);
    for (size_t w = PACE_FROM; w < 2 * PACE_FULL; w += MIB)
        assert_true(pl_pace_allowed(&p, w) >= pl_pace_allowed(&p, w + MIB));
    assert_true(pl_pace_allowed(&p, 2 * PACE_FULL) == PACE_LEAST);
}

static void pace__puts_off_a_frame_by_what_the_one_before_takes(void **state)
{
    pace p = seen(16.0 * MIB);

    (void)state;
    pl_pace_pay(&p, 2 * MIB, (PACE_FROM + PACE_FULL) / 2, 1000000);
    assert_true(llabs(p.due_us - 1125000) < 10); /* 2 MiB at 16 MiB a second */
    pl_pace_pay(&p, 2 * MIB, (PACE_FROM + PACE_FULL) / 2, 1000000);
    assert_true(llabs(p.due_us - 1250000) < 10);
    pl_pace_pay(&p, 1000 * MIB, PACE_FULL, 1000000);
    assert_int_equal(p.due_us, 1000000 + PACE_WAIT_US);
}

static void pace__is_measured_while_a_publication_goes_on(void **state)
{
    pace p = seen(64.0 * MIB);

    (void)state;
    pl_pace_begin(&p, 80 * MIB, 0);
    pl_pace_advance(&p, 9 * MIB, 1000000); /* less than an eighth: not believed yet */
    assert_true(fabs(p.rate - 64.0 * MIB) < 1000);
    pl_pace_advance(&p, 3 * MIB, 1500000);
    assert_true(fabs(p.rate - 8.0 * MIB) < 1000);
    assert_int_equal(pl_pace_left(&p, 80 * MIB), 68 * MIB);
    pl_pace_end(&p, 1600000); /* failed: what was measured stays */
    assert_true(fabs(p.rate - 8.0 * MIB) < 1000);
    assert_int_equal(pl_pace_left(&p, 80 * MIB), 80 * MIB);
}

static void pace__is_not_measured_by_small_publications(void **state)
{
    pace p = seen(20.0 * MIB);

    (void)state;
    pl_pace_begin(&p, 600, 0);
    pl_pace_advance(&p, 600, 20000);
    pl_pace_end(&p, 20000);
    assert_true(fabs(p.rate - 20.0 * MIB) < 100);
}

/* A log that accepts 1,000 MiB a second and publishes 10 settles there, with what waits between
 * the two limits, from whatever it is told of the rate first. */
static void pace__settles_at_the_rate_of_publication(void **state)
{
    static const double told[] = { 1.0, 10.0, 100.0 };
    const double        rate = 10.0 * MIB, tick = 0.001;

    (void)state;
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        pace   p = seen(told[i] * MIB);
        double pending = 0, taken = 0, held = 0, done = 0;
        double most = 0;

        for (double t = 0; t < 120; t += tick) {
            int64_t now = (int64_t)(t * 1e6);

            if (held <= 0 && pending > 0) {
                held = pending;
                pending = done = 0;
                pl_pace_begin(&p, (size_t)held, now);
            }
            if (held > 0) {
                done += rate * tick;
                pl_pace_advance(&p, (size_t)(rate * tick), now);
                if (done >= held) {
                    pl_pace_end(&p, now);
                    held = 0;
                }
            }
            if (p.due_us <= now) { /* a frame of 64 x 16 entries of 512 bytes */
                pending += 514 * 1024;
                taken += t > 60 ? 514 * 1024 : 0;
                pl_pace_pay(&p, 514 * 1024,
                            (size_t)pending + pl_pace_left(&p, (size_t)held), now);
            }
            most = t > 60 && pending + held - done > most ? pending + held - done : most;
        }
        assert_true(fabs(taken / 60 - rate) < rate / 5);
        assert_true(most < PACE_FULL);
    }
}

/* --- the log ------------------------------------------------------------------------------- */

/* More than may wait, with nobody to publish: the one who appends does. */
static void append__publishes_itself_when_nobody_does(void **state)
{
    enum { BATCH = 480, BATCHES = 10 };
    static char bytes[PL_LOG_ENTRY_MAX];
    lt_fx      *f = *state;
    pl_str      e[BATCH];
    uint64_t    first;

    for (unsigned i = 0; i < BATCH; i++)
        e[i] = (pl_str){ bytes, sizeof(bytes) };
    for (unsigned i = 0; i < BATCHES; i++) {
        assert_ok(pl_ledger_append(f->l, e, BATCH, &first, &f->err), &f->err);
        assert_int_equal(first, i * BATCH);
    }
    assert_true(f->l->head.size > 0);
    assert_true(f->l->held.entries.n + f->l->pending.entries.n <= LEDGER_PENDING_MAX);
    lt_publish(f);
    assert_int_equal(f->l->head.size, BATCH * BATCHES);
}

/* Nobody waits for a publication that cannot succeed: who needs the room is told why there is
 * none, and what was accepted is there afterwards. */
static void append__does_not_wait_for_a_publication_that_fails(void **state)
{
    enum { BATCH = 480, MOST = 20 };
    static char bytes[PL_LOG_ENTRY_MAX];
    lt_fx      *f = *state;
    pl_str      e[BATCH];
    uint64_t    first, accepted = 0;
    char       *tmp = lt_path(f, "tmp"), *away = lt_path(f, "tmp-away");
    pl_rc       rc = PL_OK;

    for (unsigned i = 0; i < BATCH; i++)
        e[i] = (pl_str){ bytes, sizeof(bytes) };
    assert_int_equal(rename(tmp, away), 0);
    while (rc == PL_OK && accepted < MOST * BATCH) {
        rc = pl_ledger_append(f->l, e, BATCH, &first, &f->err);
        accepted += rc == PL_OK ? BATCH : 0;
    }
    assert_rc(rc, PL_IO);
    assert_non_null(strstr(f->err.text, "tmp/"));
    assert_int_equal(accepted, LEDGER_PENDING_MAX / (BATCH * (2 + sizeof(bytes))) * BATCH);
    assert_int_equal(rename(away, tmp), 0);
    lt_reopen(f);
    assert_int_equal(pl_ledger_size(f->l), accepted);
    lt_publish(f);
    free(tmp);
    free(away);
}

#define T(name) cmocka_unit_test_setup_teardown(name, lt_setup, lt_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pace__is_free_while_little_waits),
        cmocka_unit_test(pace__falls_from_twice_the_rate_of_publication_to_almost_nothing),
        cmocka_unit_test(pace__puts_off_a_frame_by_what_the_one_before_takes),
        cmocka_unit_test(pace__is_measured_while_a_publication_goes_on),
        cmocka_unit_test(pace__is_not_measured_by_small_publications),
        cmocka_unit_test(pace__settles_at_the_rate_of_publication),
        T(append__publishes_itself_when_nobody_does),
        T(append__does_not_wait_for_a_publication_that_fails),
    };

    lt_use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
