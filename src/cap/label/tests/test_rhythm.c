/* The rhythm is heard at any pitch and speed, under other sound; other patterns are not it.
 * PROVES: GB45438-2025/5.3 */
#include "cap/label/rhythm.h"
#include "pl_test.h"

#include <math.h>

#define N (20u * RHYTHM_RATE)

static unsigned seed = 12345;

static double noise(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (double)(seed >> 8) / (1u << 23) - 1;
}

/* Tones of a Morse text in units: '.' 1, '-' 3, gap 1, ' ' a gap of 3. */
static void morse(float *x, double at, const char *text, double unit, double hz, double level)
{
    for (; *text; text++) {
        double n = *text == '.' ? unit : *text == '-' ? 3 * unit : 0;

        for (size_t i = 0; i < (size_t)(n * RHYTHM_RATE); i++)
            x[(size_t)(at * RHYTHM_RATE) + i] += (float)(level * sin(2 * M_PI * hz * (double)i / RHYTHM_RATE));
        at += n + (*text == ' ' ? 2 * unit : unit);
    }
}

static size_t find(const float *x, rhythm_hit *hit)
{
    size_t   n = 0;
    pl_error err;

    assert_ok(rhythm_find(x, N, hit, &n, &err), &err);
    return n;
}

static void rhythm__is_heard_at_any_pitch_speed_and_place(void **state)
{
    static const double units[] = { 0.08, 0.12, 0.2 }, pitches[] = { 500, 777, 1500, 2600 }, places[] = { 0, 8.31, 17 };

    (void)state;
    for (size_t u = 0; u < 3; u++)
        for (size_t p = 0; p < 4; p++)
            for (size_t k = 0; k < 3; k++) {
                float     *x = calloc(N, sizeof *x);
                rhythm_hit hit[RHYTHM_MAX];

                for (size_t i = 0; i < N; i++) /* noise 20 dB below, and a hum beside it */
                    x[i] = (float)(0.02 * noise() + 0.1 * sin(2 * M_PI * 350 * (double)i / RHYTHM_RATE));
                morse(x, places[k], ".- ..", units[u], pitches[p], 0.2);
                assert_int_equal(find(x, hit), 1);
                assert_true(fabs(hit[0].at_s - places[k]) < units[u]);
                assert_true(fabs(hit[0].unit_s - units[u]) < 0.025);
                assert_true(fabs(hit[0].pitch_hz - pitches[p]) <= 100);
                free(x);
            }
}

static void rhythm__is_no_other_pattern_and_no_noise(void **state)
{
    static const char *const others[] = { "... --- ...", "-. ..", ".-.. ..", ".- .-", ".-..", "-- --", ".....", "- -- - -", "..- .", ".- ..-- .-.-" };
    rhythm_hit hit[RHYTHM_MAX];
    float     *x = calloc(N, sizeof *x);

    (void)state;
    assert_int_equal(find(x, hit), 0);
    for (size_t i = 0; i < N; i++)
        x[i] = (float)noise();
    assert_int_equal(find(x, hit), 0);
    for (size_t i = 0; i < N; i++)
        x[i] = (float)(0.5 * sin(2 * M_PI * 800 * (double)i / RHYTHM_RATE));
    assert_int_equal(find(x, hit), 0);
    for (size_t k = 0; k < sizeof others / sizeof others[0]; k++)
        for (double unit = 0.08; unit < 0.21; unit += 0.06) {
            for (size_t i = 0; i < N; i++)
                x[i] = (float)(0.01 * noise());
            morse(x, 5, others[k], unit, 900, 0.3);
            if (find(x, hit) != 0)
                fail_msg("'%s' at %.2f s is taken for the label: match %.3f", others[k], unit, hit[0].match);
        }
    free(x);
}

static void rhythm__takes_any_length(void **state)
{
    float      x[400] = { 0 };
    rhythm_hit hit[RHYTHM_MAX];
    pl_error   err;

    (void)state;
    for (size_t n = 0; n <= 400; n += 13) {
        size_t hits = 9;
        assert_ok(rhythm_find(x, n, hit, &hits, &err), &err);
        assert_int_equal(hits, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rhythm__is_heard_at_any_pitch_speed_and_place),
        cmocka_unit_test(rhythm__is_no_other_pattern_and_no_noise),
        cmocka_unit_test(rhythm__takes_any_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
