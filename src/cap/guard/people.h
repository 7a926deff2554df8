/* People who use a service: what follows on violations, reminders, limits for minors, signs of
 * dependence. Pure: no I/O, no clock; the numbers and wordings are data of a pack
 * (docs/formats/people.md).
 *
 * A worker asks what holds for a person now (admit); the daemon learns from the events what they
 * did (learn) and puts the result where workers look (subjects.h). Times are milliseconds since
 * 1970, UTC. A state never goes back in time: an event that is older than the last one counts as
 * of that moment, so that a clock set back neither lifts nor lengthens anything. */
#ifndef PL_GUARD_PEOPLE_H
#define PL_GUARD_PEOPLE_H

#include "base/buf.h"
#include "base/json.h"
#include <plumbline/base.h>

#define PL_SUBJECT_KEY 16 /* bytes of HMAC-SHA256 under the installation's index key */

typedef enum pl_sanction { PL_SANCTION_NONE, PL_SANCTION_COOLING_OFF, PL_SANCTION_SUSPENDED } pl_sanction;
const char *pl_sanction_name(pl_sanction s); /* "none", "cooling_off", "suspended" */

/* What is known of one person (or one session). Zero: nothing yet. */
typedef struct subject_state {
    int64_t  last_ms;      /* last request                                       */
    int64_t  session_ms;   /* since when without a pause                         */
    int64_t  window_ms;    /* first violation that counts                        */
    int64_t  until_ms;     /* end of the sanction; INT64_MAX: until it is lifted */
    int64_t  stopped_ms;   /* the session was stopped then; 0: it was not        */
    int64_t  day;          /* the day that the next three are about              */
    int64_t  used_ms;      /* continuous use of that day, summed                 */
    uint32_t requests;
    uint32_t nights;       /* bit k: used at night k days before that day, 0 to 6 */
    uint32_t strikes;
    uint32_t sanction;     /* pl_sanction                                        */
    uint32_t reminders;    /* of continuous use, in this session                 */
    uint32_t flags;        /* PL_SUBJECT_…                                       */
} subject_state;
#define PL_SUBJECT_DEPENDENT 1u /* signs of dependence on that day */
#define PL_SUBJECT_WARNED    2u /* and the person was told          */

typedef struct people_config people_config;
/* From the object that policy compilation writes; `o` must outlive it. PL_INVALID. */
pl_rc people_config_new(const json_t *o, people_config **out, pl_error *err);
void  people_config_free(people_config *c); /* NULL-safe */

/* --- now ----------------------------------------------------------------------------- */

/* Reminders, to be said with the next answer. */
#define PL_REMIND_SESSION    1u
#define PL_REMIND_DEPENDENCE 2u

typedef struct people_admission {
    const char *refusal;     /* NULL: none; else a code for the event, "suspended" …  */
    pl_str      zh, en;      /* what to say with a refusal                            */
    int64_t     retry_s;     /* seconds until it ends; 0: no time can be told         */
    unsigned    remind;      /* PL_REMIND bits                                        */
    pl_str      next_zh, next_en; /* what to say when this request is a violation     */
} people_admission;
/* person and session may be NULL: nothing is known of them. */
void people_admit(const people_config *c, const subject_state *person, const subject_state *session,
                  bool is_minor, int64_t now_ms, people_admission *out);
/* The wording of a reminder. */
pl_str people_reminder(const people_config *c, unsigned bit, bool zh);

/* Appends a label with reminders behind it, each on a line of its own. c may be NULL without bits. */
void pl_label_with(const people_config *c, pl_str label, unsigned bits, bool zh, pl_buf *out);

/* --- afterwards ------------------------------------------------------------------------ */

typedef struct people_event {
    int64_t  time_ms;
    bool     violation, stops, crisis;
    unsigned reminded; /* PL_REMIND bits that were said */
} people_event;

/* What people should be told about a person. */
typedef struct people_news {
    bool sanctioned, report, dependence, crisis;
} people_news;
void people_learn(const people_config *c, subject_state *s, const people_event *e, people_news *news);
/* Ends sanction, stop and strikes. */
void people_lift(subject_state *s);
bool people_is_held(const subject_state *s, int64_t now_ms); /* a sanction or stop is in force */
/* Is a finding of this category one that a person should see? */
bool people_is_crisis(const people_config *c, pl_str category);
#endif
