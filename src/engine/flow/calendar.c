#include "base/banned.h"

#include "base/str.h"
#include "engine/flow/calendar.h"

#include <limits.h>

#define YEAR_FIRST 1990
#define YEAR_LAST  2099
#define YEARS      (YEAR_LAST - YEAR_FIRST + 1)
#define DAY_MS     86400000LL
#define PERIOD_MAX 3660

enum { DAY_BY_WEEK, DAY_OFF, DAY_WORKED };

struct pl_calendar {
    int64_t offset_ms;
    uint8_t weekend;             /* bit 0: Monday */
    bool    has_year[YEARS];
    uint8_t day[YEARS][367];     /* by day of the year, from 1 */
};

/* --- dates ------------------------------------------------------------------------------ */

static bool is_leap(int64_t y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static int month_days(int64_t y, int m)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return days[m - 1] + (m == 2 && is_leap(y));
}

/* Days before a year, counted from 0001-01-01 (proleptic Gregorian). */
static int64_t days_before(int64_t y)
{
    y--;
    return y * 365 + y / 4 - y / 100 + y / 400;
}

static int64_t day_of(int64_t y, int m, int d)
{
    int64_t n = days_before(y) - days_before(1970) + d - 1;

    for (int i = 1; i < m; i++)
        n += month_days(y, i);
    return n;
}

static void day_split(int64_t day, int64_t *y, int *m, int *d)
{
    int64_t year = 1970 + day / 366;

    while (day_of(year + 1, 1, 1) <= day)
        year++;
    while (day_of(year, 1, 1) > day)
        year--;
    day -= day_of(year, 1, 1);
    for (*m = 1; day >= month_days(year, *m); (*m)++)
        day -= month_days(year, *m);
    *y = year;
    *d = (int)day + 1;
}

static int digits(const char *p, int n)
{
    int v = 0;

    for (int i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9')
            return -1;
        v = v * 10 + (p[i] - '0');
    }
    return v;
}

pl_rc pl_day_parse(pl_str s, int64_t *day, pl_error *err)
{
    int y = 0, m = 0, d = 0;

    if (s.n == 10 && s.p[4] == '-' && s.p[7] == '-') {
        y = digits(s.p, 4);
        m = digits(s.p + 5, 2);
        d = digits(s.p + 8, 2);
    }
    if (y < 1 || m < 1 || m > 12 || d < 1 || d > month_days(y, m))
        return pl_fail(err, PL_INVALID, "not a date (YYYY-MM-DD): '%.*s'", (int)(s.n < 20 ? s.n : 20),
                       s.n ? s.p : "");
    *day = day_of(y, m, d);
    return PL_OK;
}

void pl_day_format(int64_t day, char out[11])
{
    int64_t y;
    int     m, d;

    day_split(day, &y, &m, &d);
    (void)snprintf(out, 11, "%04u-%02u-%02u", (unsigned)y % 10000u, (unsigned)m % 100u,
                   (unsigned)d % 100u);
}

/* --- building --------------------------------------------------------------------------- */

static pl_rc weekend_read(pl_calendar *c, const json_t *list, const char *where, pl_error *err)
{
    static const char *const names[] = { "monday", "tuesday",  "wednesday", "thursday",
                                         "friday", "saturday", "sunday" };
    const json_t            *one;
    size_t                   i;

    json_array_foreach((json_t *)(uintptr_t)list, i, one) {
        int k = 0;

        while (k < 7 && (!json_is_string(one) || strcmp(json_string_value(one), names[k]) != 0))
            k++;
        if (k == 7)
            return pl_fail(err, PL_INVALID, "%.80s: 'weekend' must list days of the week", where);
        c->weekend |= (uint8_t)(1u << k);
    }
    return PL_OK;
}

/* "2026-02-15" or "2026-02-15/2026-02-23", within the year. */
static pl_rc span_read(pl_str text, int year, int64_t *from, int64_t *to, pl_error *err)
{
    pl_str rest = text, first;
    pl_rc  rc;

    (void)pl_str_split(&rest, '/', &first);
    rc = pl_day_parse(first, from, err);
    *to = *from;
    if (rc == PL_OK && first.n < text.n)
        rc = pl_day_parse(rest, to, err);
    if (rc == PL_OK && (*to < *from || *from < day_of(year, 1, 1) || *to >= day_of(year + 1, 1, 1)))
        rc = pl_fail(err, PL_INVALID, "days '%.21s' are not in order and in their year", text.p);
    return rc;
}

static pl_rc days_read(pl_calendar *c, int year, const json_t *list, uint8_t what, pl_error *err)
{
    const json_t *one;
    size_t        i;
    int64_t       from, to;

    json_array_foreach((json_t *)(uintptr_t)list, i, one) {
        pl_rc rc = span_read((pl_str){ json_string_value(one) ? json_string_value(one) : "",
                                       json_string_length(one) },
                             year, &from, &to, err);

        if (rc != PL_OK)
            return rc;
        for (int64_t d = from; d <= to; d++) {
            uint8_t *at = &c->day[year - YEAR_FIRST][d - day_of(year, 1, 1) + 1];

            if (*at != DAY_BY_WEEK)
                return pl_fail(err, PL_INVALID, "a day of '%.21s' is listed twice",
                               json_string_value(one));
            *at = what;
        }
    }
    return PL_OK;
}

static pl_rc year_read(pl_calendar *c, const char *name, const json_t *o, pl_error *err)
{
    static const char *const allowed[] = { "holidays", "workdays", "source", "tag", NULL };
    int                      year = strlen(name) == 4 ? digits(name, 4) : -1;
    pl_rc                    rc;

    if (year < YEAR_FIRST || year > YEAR_LAST)
        return pl_fail(err, PL_INVALID, "year '%.10s' is not between %d and %d", name, YEAR_FIRST,
                       YEAR_LAST);
    rc = pl_json_only(o, allowed, err);
    if (rc == PL_OK)
        rc = days_read(c, year, json_object_get(o, "holidays"), DAY_OFF, err);
    if (rc == PL_OK)
        rc = days_read(c, year, json_object_get(o, "workdays"), DAY_WORKED, err);
    c->has_year[year - YEAR_FIRST] = true;
    return rc;
}

static pl_rc calendar_read(pl_calendar *c, const json_t *tree, const char *where, pl_error *err)
{
    static const char *const allowed[] = { "id", "title", "weekend", "years", "utc_offset", NULL };
    pl_error      why = { 0 };
    int64_t       hours = 0;
    const char   *name;
    const json_t *o;
    pl_rc         rc = json_is_object(tree) ? pl_json_only(tree, allowed, &why)
                                            : pl_fail(&why, PL_INVALID, "not a mapping");

    if (rc == PL_OK)
        rc = pl_json_get_int(tree, "utc_offset", false, &hours, &why);
    if (rc == PL_OK && (hours < -12 || hours > 14))
        rc = pl_fail(&why, PL_INVALID, "'utc_offset' is not between -12 and 14 hours");
    c->offset_ms = hours * 3600 * 1000;
    if (rc == PL_OK)
        json_object_foreach(json_object_get(tree, "years"), name, o) {
            rc = year_read(c, name, o, &why);
            if (rc != PL_OK)
                break;
        }
    if (rc != PL_OK)
        return pl_fail(err, rc, "%.80s: %.160s", where, why.text);
    return weekend_read(c, json_object_get(tree, "weekend"), where, err);
}

pl_rc pl_calendar_new(const json_t *tree, const char *where, pl_calendar **out, pl_error *err)
{
    pl_calendar *c = calloc(1, sizeof *c);
    pl_rc        rc = c ? calendar_read(c, tree, where, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc != PL_OK) {
        free(c);
        return rc;
    }
    *out = c;
    return PL_OK;
}

void pl_calendar_free(pl_calendar *c)
{
    free(c);
}

/* --- counting --------------------------------------------------------------------------- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int64_t pl_calendar_day(const pl_calendar *c, int64_t ms)
{
    return floor_div(ms + (c ? c->offset_ms : 0), DAY_MS);
}

int64_t pl_calendar_start_ms(const pl_calendar *c, int64_t day)
{
    return day * DAY_MS - (c ? c->offset_ms : 0);
}

pl_rc pl_calendar_is_working(const pl_calendar *c, int64_t day, bool *out, pl_error *err)
{
    int64_t year;
    int     m, d;
    uint8_t what;

    day_split(day, &year, &m, &d);
    if (c == NULL)
        return pl_fail(err, PL_NOTFOUND, "no calendar of working days is installed");
    if (year < YEAR_FIRST || year > YEAR_LAST || !c->has_year[year - YEAR_FIRST])
        return pl_fail(err, PL_NOTFOUND, "the calendar of working days lacks the year %lld",
                       (long long)year);
    what = c->day[year - YEAR_FIRST][day - day_of(year, 1, 1) + 1];
    if (what == DAY_BY_WEEK) /* 1970-01-01 was a Thursday */
        *out = !(c->weekend >> (((day + 3) % 7 + 7) % 7) & 1);
    else
        *out = what == DAY_WORKED;
    return PL_OK;
}

static pl_rc working_add(const pl_calendar *c, int64_t day, int64_t n, int64_t *out, pl_error *err)
{
    int64_t step = n < 0 ? -1 : 1;
    bool    works = false;

    for (n *= step; n > 0;) {
        pl_rc rc = pl_calendar_is_working(c, day += step, &works, err);

        if (rc != PL_OK)
            return rc;
        n -= works;
    }
    *out = day;
    return PL_OK;
}

static int64_t months_add(int64_t day, int64_t n)
{
    int64_t y, months;
    int     m, d;

    day_split(day, &y, &m, &d);
    months = y * 12 + m - 1 + n;
    y = floor_div(months, 12);
    m = (int)(months - y * 12) + 1;
    return day_of(y, m, d < month_days(y, m) ? d : month_days(y, m));
}

pl_rc pl_calendar_add(const pl_calendar *c, int64_t day, int64_t n, pl_period_unit unit, int64_t *out,
                      pl_error *err)
{
    if (n > PERIOD_MAX || n < -PERIOD_MAX || day < -700000 || day > 2900000)
        return pl_fail(err, PL_INVALID, "period or date is out of bounds");
    switch (unit) {
    case PL_PERIOD_WORKING_DAYS:
        return working_add(c, day, n, out, err);
    case PL_PERIOD_DAYS:
        *out = day + n;
        return PL_OK;
    case PL_PERIOD_MONTHS:
    case PL_PERIOD_YEARS:
        *out = months_add(day, n * (unit == PL_PERIOD_YEARS ? 12 : 1));
        return PL_OK;
    case PL_PERIOD_HOURS:
        break;
    }
    return pl_fail(err, PL_INVALID, "hours are counted by the clock, not by days");
}

pl_rc pl_period_unit_parse(pl_str name, pl_period_unit *out, pl_error *err)
{
    static const char *const names[] = { "working_days", "days", "months", "years", "hours" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (pl_str_eqz(name, names[i])) {
            *out = (pl_period_unit)i;
            return PL_OK;
        }
    return pl_fail(err, PL_INVALID, "unit of a period is none of working_days, days, months, years, "
                                    "hours");
}
