#include "pl_test.h"

#include "engine/flow/calendar.h"

/* The State Council's days off around the Spring Festival of an invented year: seven days off from
 * Sunday the 15th, with two Saturdays worked. 2026-02-15 is a Sunday. */
static const char text[] =
    "{\"utc_offset\":8,\"weekend\":[\"saturday\",\"sunday\"],\"years\":{\"2026\":{"
    "\"holidays\":[\"2026-01-01\",\"2026-02-15/2026-02-21\"],\"workdays\":[\"2026-02-14\",\"2026-02-28\"]}}}";

typedef struct fixture {
    pl_calendar *c;
    pl_error     err;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    json_t  *j = json_loads(text, 0, NULL);

    assert_ok(pl_calendar_new(j, "c.yaml", &f->c, &f->err), &f->err);
    json_decref(j);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    pl_calendar_free(f->c);
    free(f);
    return 0;
}

static int64_t day(const char *s)
{
    int64_t  d = 0;
    pl_error err = { 0 };

    assert_ok(pl_day_parse((pl_str){ s, strlen(s) }, &d, &err), &err);
    return d;
}

static void expect(fixture *f, const char *from, int64_t n, pl_period_unit unit, const char *want)
{
    int64_t d = 0;
    char    got[11];

    assert_ok(pl_calendar_add(f->c, day(from), n, unit, &d, &f->err), &f->err);
    pl_day_format(d, got);
    assert_string_equal(got, want);
}

/* PROVES: CN.ALG/Art24 */
static void working_days__skip_weekends_and_holidays_and_count_days_made_up(void **state)
{
    fixture *f = *state;

    expect(f, "2026-01-05", 1, PL_PERIOD_WORKING_DAYS, "2026-01-06"); /* Monday to Tuesday */
    expect(f, "2026-01-09", 1, PL_PERIOD_WORKING_DAYS, "2026-01-12"); /* over a weekend */
    expect(f, "2026-02-13", 1, PL_PERIOD_WORKING_DAYS, "2026-02-14"); /* a Saturday worked */
    expect(f, "2026-02-14", 1, PL_PERIOD_WORKING_DAYS, "2026-02-23"); /* over the holidays */
    expect(f, "2026-02-10", 10, PL_PERIOD_WORKING_DAYS, "2026-02-28");
    expect(f, "2026-02-23", -1, PL_PERIOD_WORKING_DAYS, "2026-02-14");
}

static void other_periods__end_on_whatever_day(void **state)
{
    fixture *f = *state;

    expect(f, "2026-02-13", 5, PL_PERIOD_DAYS, "2026-02-18");
    expect(f, "2024-01-31", 1, PL_PERIOD_MONTHS, "2024-02-29");
    expect(f, "2024-02-29", 1, PL_PERIOD_YEARS, "2025-02-28");
    expect(f, "2026-03-31", -1, PL_PERIOD_MONTHS, "2026-02-28");
}

static void missing_year__leaves_the_date_undetermined(void **state)
{
    fixture *f = *state;
    int64_t  d = 7;

    assert_rc(pl_calendar_add(f->c, day("2026-12-25"), 10, PL_PERIOD_WORKING_DAYS, &d, &f->err),
              PL_NOTFOUND);
    assert_int_equal(d, 7);
    assert_non_null(strstr(f->err.text, "2027"));
    assert_rc(pl_calendar_add(NULL, day("2026-01-05"), 1, PL_PERIOD_WORKING_DAYS, &d, &f->err),
              PL_NOTFOUND);
}

static void day__is_that_of_the_place(void **state)
{
    fixture *f = *state;
    int64_t  ms = day("2026-01-05") * 86400000 + 17LL * 3600 * 1000; /* 17:00 UTC is 01:00 in Beijing */
    char     s[11];

    pl_day_format(pl_calendar_day(f->c, ms), s);
    assert_string_equal(s, "2026-01-06");
    assert_int_equal(pl_calendar_start_ms(f->c, day("2026-01-06")), day("2026-01-05") * 86400000 + 57600000);
}

static void dates__are_of_the_gregorian_calendar(void **state)
{
    int64_t d;
    char    s[11];

    (void)state;
    assert_int_equal(day("1970-01-01"), 0);
    assert_int_equal(day("2000-03-01"), 11017); /* date -ud 2000-03-01 +%s / 86400 */
    assert_rc(pl_day_parse(PL_STR("1900-02-29"), &d, NULL), PL_INVALID);
    assert_rc(pl_day_parse(PL_STR("2026-13-01"), &d, NULL), PL_INVALID);
    assert_rc(pl_day_parse(PL_STR("2026-1-01"), &d, NULL), PL_INVALID);
    for (int64_t i = -800; i < 60000; i += 7) {
        pl_day_format(i, s);
        assert_int_equal(day(s), i);
    }
}

static void calendar_new__refuses_days_twice_and_out_of_their_year(void **state)
{
    static const char *const bad[] = {
        "{\"years\":{\"2026\":{\"holidays\":[\"2026-01-01\",\"2026-01-01\"]}}}",
        "{\"years\":{\"2026\":{\"holidays\":[\"2027-01-01\"]}}}",
        "{\"years\":{\"26\":{}}}", "{\"weekend\":[\"someday\"]}", "{\"yeers\":{}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t      *j = json_loads(bad[i], 0, NULL);
        pl_calendar *c = NULL;
        pl_error     err = { 0 };

        assert_rc(pl_calendar_new(j, "c.yaml", &c, &err), PL_INVALID);
        json_decref(j);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(working_days__skip_weekends_and_holidays_and_count_days_made_up),
        T(other_periods__end_on_whatever_day),
        T(missing_year__leaves_the_date_undetermined),
        T(day__is_that_of_the_place),
        cmocka_unit_test(dates__are_of_the_gregorian_calendar),
        cmocka_unit_test(calendar_new__refuses_days_twice_and_out_of_their_year),
    };

    return cmocka_run_group_tests_name("flow calendar", tests, NULL, NULL);
}
