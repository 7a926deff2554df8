/* A clock that jumped is not believed for a day. PROVES: GUARD/clock-jump */
#include "pl_test.h"

#include "cap/guard/guard_clock.h"

#define HOUR (3600 * 1000LL)
#define NOW  1790000000000LL

static void look__believes_a_clock_that_runs_straight(void **state)
{
    guard_clock c = { 0 };

    (void)state;
    for (int64_t t = 0; t < 1000; t++) /* it drifts and is corrected, a minute an hour */
        assert_true(guard_clock_look(&c, NOW + t * HOUR + (t % 2 ? 60000 : 0), t * HOUR));
}

static void look__waits_a_day_after_a_jump(void **state)
{
    static const int64_t jumps[] = { 400 * 24 * HOUR, -HOUR, GUARD_CLOCK_JUMP_MS + 1 };

    (void)state;
    for (int i = 0; i < 3; i++) {
        guard_clock c = { 0 };
        int64_t     at = NOW + jumps[i];

        assert_true(guard_clock_look(&c, NOW, 0));
        assert_true(guard_clock_look(&c, NOW + HOUR, HOUR));
        assert_false(guard_clock_look(&c, at + 2 * HOUR, 2 * HOUR));
        assert_true(c.jump_ms == jumps[i]);
        assert_false(guard_clock_look(&c, at + 25 * HOUR, 25 * HOUR));
        assert_true(guard_clock_look(&c, at + 26 * HOUR, 26 * HOUR));
    }
}

static void look__waits_anew_when_it_jumps_back(void **state)
{
    guard_clock c = { 0 };

    (void)state;
    assert_true(guard_clock_look(&c, NOW, 0));
    assert_false(guard_clock_look(&c, NOW + 100 * HOUR, HOUR));
    assert_false(guard_clock_look(&c, NOW + 20 * HOUR, 20 * HOUR));
    assert_false(guard_clock_look(&c, NOW + 43 * HOUR, 43 * HOUR));
    assert_true(guard_clock_look(&c, NOW + 44 * HOUR, 44 * HOUR));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(look__believes_a_clock_that_runs_straight),
        cmocka_unit_test(look__waits_a_day_after_a_jump),
        cmocka_unit_test(look__waits_anew_when_it_jumps_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
