/* Working days by a calendar that the operator supplies, and periods of law in general.
 *
 * Which days are worked is announced year by year, so a calendar holds years: a year that is not
 * in it makes a date undetermined, never guessed. A period begins on the day after the event
 * (the day of the event does not count); a period in days, months or years ends at its last day
 * whatever day that is. Pure; immutable once built. */
#ifndef PL_ENGINE_FLOW_CALENDAR_H
#define PL_ENGINE_FLOW_CALENDAR_H

#include "base/json.h"

typedef struct pl_calendar pl_calendar;

/* {"weekend": ["saturday", "sunday"], "years": {"2026": {"holidays": ["2026-01-01",
 * "2026-02-15/2026-02-23"], "workdays": ["2026-02-14"]}}}, with zone hours "utc_offset": 8. */
pl_rc pl_calendar_new(const json_t *tree, const char *where, pl_calendar **out, pl_error *err);
void  pl_calendar_free(pl_calendar *c); /* NULL-safe */

/* Days since 1970-01-01. PL_INVALID when it is no date of the Gregorian calendar. */
pl_rc pl_day_parse(pl_str date, int64_t *day, pl_error *err);
void  pl_day_format(int64_t day, char out[11]);
/* The day of an instant at the calendar's place (c NULL: UTC). */
int64_t pl_calendar_day(const pl_calendar *c, int64_t ms);
/* First millisecond of a day there. */
int64_t pl_calendar_start_ms(const pl_calendar *c, int64_t day);

/* PL_NOTFOUND: the year of this day is not in the calendar. */
pl_rc pl_calendar_is_working(const pl_calendar *c, int64_t day, bool *out, pl_error *err);

typedef enum pl_period_unit {
    PL_PERIOD_WORKING_DAYS,
    PL_PERIOD_DAYS,
    PL_PERIOD_MONTHS, /* the day of the same number, or the last of the month */
    PL_PERIOD_YEARS,
    PL_PERIOD_HOURS   /* by the clock: pl_calendar_add refuses it */
} pl_period_unit;
pl_rc pl_period_unit_parse(pl_str name, pl_period_unit *out, pl_error *err);

/* Last day of a period of n that an event on `day` begins; n may be negative, to count back.
 * PL_NOTFOUND, with the year that is missing: the date is undetermined. c may be NULL: then every
 * period in working days is. */
pl_rc pl_calendar_add(const pl_calendar *c, int64_t day, int64_t n, pl_period_unit unit,
                      int64_t *out, pl_error *err);
#endif
