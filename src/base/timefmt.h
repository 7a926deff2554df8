/* Time is passed in as milliseconds since the Unix epoch; only hosts read clocks. */
#ifndef PL_BASE_TIMEFMT_H
#define PL_BASE_TIMEFMT_H

#include <plumbline/base.h>

int64_t pl_now_ms(void); /* CLOCK_REALTIME; for hosts only */
int64_t pl_mono_ms(void);
/* "2026-11-22T12:34:56.789Z" (24 characters and NUL). */
void  pl_time_format(int64_t ms, char out[25]);
/* RFC 3339 with Z or offset, optional fraction. */
pl_rc pl_time_parse(pl_str s, int64_t *ms, pl_error *err);
#endif
