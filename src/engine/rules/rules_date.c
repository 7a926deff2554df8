#include "base/banned.h"

#include "engine/rules/rules_int.h"

/* Days from the civil calendar (proleptic Gregorian), by counting years from March. */
int64_t day_of(int y, int m, int d)
{
    int64_t year = m <= 2 ? y - 1 : y;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t yoe = year - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;

    return (era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468) * DAY_S;
}

static void civil_of(int64_t t, int *y, int *m, int *d)
{
    int64_t z = (t >= 0 ? t : t - (DAY_S - 1)) / DAY_S + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

    *d = (int)(doy - (153 * mp + 2) / 5 + 1);
    *m = (int)(mp < 10 ? mp + 3 : mp - 9);
    *y = (int)(yoe + era * 400 + (*m <= 2));
}

static int month_days(int y, int m)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0) ? 29 : days[m - 1];
}

bool day_parse(pl_str s, int64_t *out)
{
    int part[3] = { 0, 0, 0 }, k = 0;

    if (s.n != 10 || s.p[4] != '-' || s.p[7] != '-')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (i == 4 || i == 7)
            k++;
        else if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        else
            part[k] = part[k] * 10 + (s.p[i] - '0');
    }
    if (part[0] < 1 || part[1] < 1 || part[1] > 12 || part[2] < 1 ||
        part[2] > month_days(part[0], part[1]))
        return false;
    *out = day_of(part[0], part[1], part[2]);
    return true;
}

pl_rc pl_rules_day(pl_str s, int64_t *out, pl_error *err)
{
    if (day_parse(s, out))
        return PL_OK;
    return pl_fail(err, PL_INVALID, "not a date (YYYY-MM-DD): '%.40s'", s.n > 0 && s.n < 40 ? s.p : "");
}

void day_format(int64_t t, bool has_time, char out[25])
{
    int     y, m, d;
    int64_t rest;

    if (t == NEVER) {
        (void)snprintf(out, 25, "never");
        return;
    }
    civil_of(t, &y, &m, &d);
    rest = t - day_of(y, m, d);
    if (has_time)
        (void)snprintf(out, 25, "%04d-%02d-%02dT%02d:%02d:%02dZ", y % 10000, m, d,
                       (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60));
    else
        (void)snprintf(out, 25, "%04d-%02d-%02d", y % 10000, m, d);
}

/* Months and years keep the day of the month, or take the last one there is (as ISO 8601
 * durations are commonly read, and Regulation (EEC) 1182/71 Art 3(2)(c) ends periods). */
static int64_t add_months(int64_t t, int64_t n)
{
    int     y, m, d;
    int64_t total, rest;

    civil_of(t, &y, &m, &d);
    rest = t - day_of(y, m, d);
    total = (int64_t)y * 12 + (m - 1) + n;
    if (total < 12 || total > 9999 * 12)
        return NEVER;
    y = (int)(total / 12);
    m = (int)(total % 12) + 1;
    if (d > month_days(y, m))
        d = month_days(y, m);
    return day_of(y, m, d) + rest;
}

int64_t time_add(int64_t t, int64_t n, int unit)
{
    const int64_t most = 400000000;

    if (t == NEVER || n > most || n < -most)
        return NEVER;
    switch (unit) {
    case UNIT_HOURS:
        return t + n * 3600;
    case UNIT_DAYS:
        return t + n * DAY_S;
    case UNIT_MONTHS:
        return add_months(t, n);
    default:
        return add_months(t, n * 12);
    }
}
