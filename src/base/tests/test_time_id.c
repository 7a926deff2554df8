#include "base/banned.h"

#include "base/id.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "pl_test.h"

#include <time.h>

/* --- time ---------------------------------------------------------------------- */

static const struct {
    const char *text;
    int64_t     ms;
} instants[] = {
    { "1970-01-01T00:00:00.000Z", 0 },
    { "1969-12-31T23:59:59.999Z", -1 },
    { "2000-02-29T12:00:00.000Z", 951825600000 },
    { "2026-11-22T12:34:56.789Z", 1795350896789 },
    { "2038-01-19T03:14:08.000Z", 2147483648000 },
    { "0000-01-01T00:00:00.000Z", -62167219200000 },
    { "9999-12-31T23:59:59.999Z", 253402300799999 },
};

static void time_format__gives_known_instants_and_parse_reads_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof instants / sizeof instants[0]; i++) {
        char     out[25];
        int64_t  ms = 1;
        pl_error err;

        pl_time_format(instants[i].ms, out);
        assert_string_equal(out, instants[i].text);
        assert_ok(pl_time_parse(pl_str_z(out), &ms, &err), &err);
        assert_true(ms == instants[i].ms);
    }
}

static void time_format__agrees_with_the_c_library_every_day(void **state)
{
    (void)state;
    /* Seven hours and a bit further each time, over five centuries. */
    for (int64_t ms = -8000000000000; ms < 8000000000000; ms += 25200000 * 3 + 12345) {
        char      out[25], want[32];
        time_t    t = (time_t)(ms >= 0 ? ms / 1000 : -((999 - ms) / 1000));
        struct tm tm;
        int64_t   back;

        pl_time_format(ms, out);
        assert_non_null(gmtime_r(&t, &tm));
        assert_int_not_equal(strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S", &tm), 0);
        assert_memory_equal(out, want, 19);
        assert_rc(pl_time_parse(pl_str_z(out), &back, NULL), PL_OK);
        assert_true(back == ms);
    }
}

static void time_format__stays_within_four_digit_years(void **state)
{
    char out[25];

    (void)state;
    pl_time_format(INT64_MIN, out);
    assert_string_equal(out, "0000-01-01T00:00:00.000Z");
    pl_time_format(INT64_MAX, out);
    assert_string_equal(out, "9999-12-31T23:59:59.999Z");
}

static void time_parse__takes_every_rfc_3339_form(void **state)
{
    static const struct {
        const char *text;
        int64_t     ms;
    } forms[] = {
        { "1985-04-12T23:20:50.52Z", 482196050520 }, /* the examples of RFC 3339 §5.8 */
        { "1996-12-19T16:39:57-08:00", 851042397000 },
        { "1990-12-31T23:59:60Z", 662688000000 },
        { "1990-12-31T15:59:60-08:00", 662688000000 },
        { "1937-01-01T12:00:27.87+00:20", -1041337172130 },
        { "2026-11-22t12:34:56z", 1795350896000 },
        { "2026-11-22T12:34:56.7899999999Z", 1795350896789 },
        { "2026-11-22T20:34:56.789+08:00", 1795350896789 },
        { "2026-11-22T12:34:56-00:00", 1795350896000 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        int64_t  ms = 1;
        pl_error err;

        assert_ok(pl_time_parse(pl_str_z(forms[i].text), &ms, &err), &err);
        if (ms != forms[i].ms)
            fail_msg("%s gives %lld", forms[i].text, (long long)ms);
    }
}

static void time_parse__refuses_everything_else(void **state)
{
    static const char *const bad[] = {
        "", "2026", "2026-11-22", "2026-11-22T12:34:56", "2026-11-22 12:34:56Z",
        "2026-11-22T12:34Z", "2026-11-22T12:34:56.Z", "2026-11-22T12:34:56,7Z",
        "2026-13-22T12:34:56Z", "2026-00-22T12:34:56Z", "2026-11-31T12:34:56Z",
        "2026-02-29T12:34:56Z", "1900-02-29T12:34:56Z", "2026-11-00T12:34:56Z",
        "2026-11-22T24:00:00Z", "2026-11-22T12:60:56Z", "2026-11-22T12:34:61Z",
        "2026-11-22T12:34:56+24:00", "2026-11-22T12:34:56+08:60", "2026-11-22T12:34:56+0800",
        "2026-11-22T12:34:56+08", "2026-11-22T12:34:56Z ", " 2026-11-22T12:34:56Z",
        "2026-11-22T12:34:56ZZ", "+026-11-22T12:34:56Z", "26-11-22T12:34:56Z",
        "0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "2026-1-22T12:34:56Z",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t ms = 77;

        if (pl_time_parse(pl_str_z(bad[i]), &ms, NULL) != PL_INVALID || ms != 77)
            fail_msg("accepted '%s'", bad[i]);
    }
    assert_rc(pl_time_parse(PL_STR("2026-11-22T12:34:56\0"), &(int64_t){ 0 }, NULL), PL_INVALID);
}

static void clocks__go_forward(void **state)
{
    int64_t a = pl_mono_ms();

    (void)state;
    assert_true(pl_mono_ms() >= a);
    assert_true(pl_now_ms() > 1700000000000);
}

/* --- ids ----------------------------------------------------------------------- */

static void id_format__is_the_ulid_layout_in_lower_case(void **state)
{
    const uint8_t ff[10] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 };
    const uint8_t zero[10] = { 0 };
    char          out[PL_ID_LEN + 1];

    (void)state;
    pl_id_format(0, zero, out);
    assert_string_equal(out, "00000000000000000000000000");
    pl_id_format(0xffffffffffff, ff, out); /* the largest ULID of its specification */
    assert_string_equal(out, "7zzzzzzzzzzzzzzzzzzzzzzzzz");
    pl_id_format(1469918176385, zero, out); /* its example: 01ARYZ6S41… */
    assert_memory_equal(out, "01aryz6s41", 10);
}

static void id_format__sorts_by_time_then_by_the_random_part(void **state)
{
    char last[PL_ID_LEN + 1] = "", id[PL_ID_LEN + 1];

    (void)state;
    for (int64_t ms = 1795350896789; ms < 1795350896789 + 3000; ms += 7) {
        for (unsigned r = 0; r < 300; r += 31) {
            const uint8_t rnd[10] = { (uint8_t)(r >> 8), (uint8_t)r, 1, 2, 3, 4, 5, 6, 7, 8 };

            pl_id_format(ms, rnd, id);
            assert_true(strcmp(last, id) < 0);
            assert_true(pl_id_valid(pl_str_z(id)));
            memcpy(last, id, sizeof last);
        }
    }
}

static void id_format__loses_no_random_bit(void **state)
{
    char base[PL_ID_LEN + 1], id[PL_ID_LEN + 1];

    (void)state;
    pl_id_format(5, (const uint8_t[10]){ 0 }, base);
    for (int bit = 0; bit < 80; bit++) {
        uint8_t rnd[10] = { 0 };
        int     differing = 0;

        rnd[bit / 8] = (uint8_t)(0x80 >> bit % 8);
        pl_id_format(5, rnd, id);
        for (int i = 0; i < PL_ID_LEN; i++)
            differing += id[i] != base[i];
        assert_int_equal(differing, 1);
        assert_int_not_equal(id[10 + bit / 5], base[10 + bit / 5]);
    }
}

static void id_valid__refuses_other_shapes(void **state)
{
    (void)state;
    assert_true(pl_id_valid(PL_STR("01aryz6s410000000000000000")));
    assert_false(pl_id_valid(PL_STR("01ARYZ6S410000000000000000")));
    assert_false(pl_id_valid(PL_STR("81aryz6s410000000000000000")));
    assert_false(pl_id_valid(PL_STR("01aryz6s41000000000000000")));
    assert_false(pl_id_valid(PL_STR("01aryz6s4100000000000000000")));
    assert_false(pl_id_valid(PL_STR("01aryz6s41000000000000000i")));
    assert_false(pl_id_valid(PL_STR("01aryz6s41000000000000000u")));
    assert_false(pl_id_valid(PL_STR("01aryz6s41000000000000000\0")));
    assert_false(pl_id_valid(PL_STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_format__gives_known_instants_and_parse_reads_them),
        cmocka_unit_test(time_format__agrees_with_the_c_library_every_day),
        cmocka_unit_test(time_format__stays_within_four_digit_years),
        cmocka_unit_test(time_parse__takes_every_rfc_3339_form),
        cmocka_unit_test(time_parse__refuses_everything_else),
        cmocka_unit_test(clocks__go_forward),
        cmocka_unit_test(id_format__is_the_ulid_layout_in_lower_case),
        cmocka_unit_test(id_format__sorts_by_time_then_by_the_random_part),
        cmocka_unit_test(id_format__loses_no_random_bit),
        cmocka_unit_test(id_valid__refuses_other_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
