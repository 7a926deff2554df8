#include "base/banned.h"

#include "base/timefmt.h"

#include <stdbool.h>
#include <time.h>

#define MS_PER_DAY INT64_C(86400000)
#define MS_MIN     INT64_C(-62167219200000) /* 0000-01-01T00:00:00.000Z */
#define MS_MAX     INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

static int64_t clock_ms(clockid_t id)
{
    struct timespec ts;

    (void)clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t pl_now_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

int64_t pl_mono_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

/* Days since 1970-01-01 of a proleptic Gregorian date and back. The year starts in
 * March so that the leap day is its last day; 719468 days lie between 0000-03-01 and
 * the epoch, 146097 in an era of 400 years. */
static int64_t days_from_civil(int64_t y, int m, int d)
{
    int64_t era, yoe, doy;

    y -= m <= 2;
    era = (y >= 0 ? y : y - 399) / 400;
    yoe = y - era * 400;
    doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void civil_from_days(int64_t days, int *y, int *m, int *d)
{
    int64_t era, doe, yoe, doy, mp;

    days += 719468;
    era = (days >= 0 ? days : days - 146096) / 146097;
    doe = days - era * 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    *d = (int)(doy - (153 * mp + 2) / 5 + 1);
    *m = (int)(mp < 10 ? mp + 3 : mp - 9);
    *y = (int)(yoe + era * 400 + (*m <= 2));
}

static char *put_digits(char *p, int v, int width)
{
    for (int i = width - 1; i >= 0; i--, v /= 10)
        p[i] = (char)('0' + v % 10);
    return p + width;
}

void pl_time_format(int64_t ms, char out[25])
{
    int64_t days;
    int     rest, y, m, d;

    if (ms < MS_MIN)
        ms = MS_MIN;
    if (ms > MS_MAX)
        ms = MS_MAX;
    days = ms / MS_PER_DAY;
    if (ms % MS_PER_DAY < 0)
        days--;
    rest = (int)(ms - days * MS_PER_DAY);
    civil_from_days(days, &y, &m, &d);

    char *p = put_digits(out, y, 4);
    *p++ = '-';
    p = put_digits(p, m, 2);
    *p++ = '-';
    p = put_digits(p, d, 2);
    *p++ = 'T';
    p = put_digits(p, rest / 3600000, 2);
    *p++ = ':';
    p = put_digits(p, rest / 60000 % 60, 2);
    *p++ = ':';
    p = put_digits(p, rest / 1000 % 60, 2);
    *p++ = '.';
    p = put_digits(p, rest % 1000, 3);
    *p++ = 'Z';
    *p = '\0';
}

typedef struct cursor {
    pl_str s;
    bool   bad;
} cursor;

static int take_digits(cursor *c, size_t width)
{
    int v = 0;

    if (c->bad || c->s.n < width) {
        c->bad = true;
        return 0;
    }
    for (size_t i = 0; i < width; i++) {
        if (c->s.p[i] < '0' || c->s.p[i] > '9') {
            c->bad = true;
            return 0;
        }
        v = v * 10 + (c->s.p[i] - '0');
    }
    c->s.p += width;
    c->s.n -= width;
    return v;
}

/* Takes one character out of `any`, and returns it. */
static char take_char(cursor *c, const char *any)
{
    char got;

    if (c->bad || c->s.n == 0 || c->s.p[0] == '\0' || strchr(any, c->s.p[0]) == NULL) {
        c->bad = true;
        return '\0';
    }
    got = c->s.p[0];
    c->s.p++;
    c->s.n--;
    return got;
}

/* Fraction of a second in whole milliseconds; what is finer is cut off. */
static int take_fraction(cursor *c)
{
    int    ms = 0, scale = 100;
    size_t digits = 0;

    if (c->bad || c->s.n == 0 || c->s.p[0] != '.')
        return 0;
    (void)take_char(c, ".");
    while (c->s.n > 0 && c->s.p[0] >= '0' && c->s.p[0] <= '9') {
        ms += scale * take_digits(c, 1);
        scale /= 10;
        digits++;
    }
    if (digits == 0)
        c->bad = true;
    return ms;
}

static int64_t take_offset_ms(cursor *c)
{
    char sign = take_char(c, "Zz+-");
    int  h, m;

    if (sign == 'Z' || sign == 'z')
        return 0;
    h = take_digits(c, 2);
    (void)take_char(c, ":");
    m = take_digits(c, 2);
    if (h > 23 || m > 59)
        c->bad = true;
    return (sign == '-' ? -1 : 1) * (h * 60 + m) * INT64_C(60000);
}

static int days_in_month(int y, int m)
{
    static const int8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool                leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

    return m == 2 && leap ? 29 : days[m - 1];
}

pl_rc pl_time_parse(pl_str s, int64_t *ms, pl_error *err)
{
    cursor  c = { s, false };
    int     y, mon, d, h, min, sec, frac;
    int64_t offset, t;

    y = take_digits(&c, 4);
    (void)take_char(&c, "-");
    mon = take_digits(&c, 2);
    (void)take_char(&c, "-");
    d = take_digits(&c, 2);
    (void)take_char(&c, "Tt");
    h = take_digits(&c, 2);
    (void)take_char(&c, ":");
    min = take_digits(&c, 2);
    (void)take_char(&c, ":");
    sec = take_digits(&c, 2);
    frac = take_fraction(&c);
    offset = take_offset_ms(&c);
    if (c.bad || c.s.n != 0)
        return pl_fail(err, PL_INVALID, "time is not in RFC 3339 form (2026-11-22T12:34:56Z)");
    /* A leap second (RFC 3339 §5.7) counts as the second after it, as POSIX time does. */
    if (mon < 1 || mon > 12 || d < 1 || d > days_in_month(y, mon) || h > 23 || min > 59 ||
        sec > 60)
        return pl_fail(err, PL_INVALID, "time has a field that is out of range");

    t = days_from_civil(y, mon, d) * MS_PER_DAY + (h * 3600 + min * 60 + sec) * INT64_C(1000) +
        frac - offset;
    if (t < MS_MIN || t > MS_MAX)
        return pl_fail(err, PL_INVALID, "time is outside the years 0000 to 9999");
    *ms = t;
    return PL_OK;
}
