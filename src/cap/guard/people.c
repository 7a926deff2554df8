#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/people.h"
#include "cap/guard/pl_guard.h"

#define DAY_MS   86400000LL
#define STEPS    16
#define CRISES   16
#define NIGHTS   7

typedef enum step_kind { STEP_REMIND, STEP_COOL_OFF, STEP_SUSPEND, STEP_REPORT } step_kind;

typedef struct step {
    uint32_t  at;
    step_kind what;
    int64_t   for_ms; /* 0: no end */
    pl_str    zh, en;
} step;

typedef struct hours {
    int64_t from_ms, to_ms; /* of the day; equal: never */
} hours;

struct people_config {
    int64_t  window_ms, gap_ms, remind_ms, offset_ms;
    step     steps[STEPS];
    size_t   step_count;
    hours    night, minor;
    uint32_t most_requests, most_nights;
    int64_t  minor_daily_ms, minor_remind_ms;
    pl_str   session_zh, session_en, dependence_zh, dependence_en, minor_zh, minor_en;
    pl_str   crisis[CRISES];
    size_t   crisis_count;
};

const char *pl_sanction_name(pl_sanction s)
{
    static const char *const names[] = { "none", "cooling_off", "suspended" };

    return (unsigned)s < 3 ? names[s] : "none";
}

/* --- configuration ---------------------------------------------------------------------------- */

static pl_str text_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    return json_is_string(v) ? (pl_str){ json_string_value(v), json_string_length(v) } : (pl_str){ "", 0 };
}

static int64_t number_of(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static hours hours_of(const json_t *o)
{
    return (hours){ number_of(o, "from_ms"), number_of(o, "to_ms") };
}

static pl_rc steps_read(people_config *c, const json_t *steps, pl_error *err)
{
    static const char *const names[] = { "remind", "cool_off", "suspend", "report" };
    const json_t *o;
    size_t        i;

    json_array_foreach ((json_t *)steps, i, o) {
        step  *s = &c->steps[c->step_count];
        size_t k = 0;

        while (k < 4 && !pl_str_eqz(text_of(o, "do"), names[k]))
            k++;
        if (c->step_count == STEPS || k == 4 || number_of(o, "at") < 1)
            return pl_fail(err, PL_INVALID, "the policy's steps for people cannot be read; compile it again");
        *s = (step){ (uint32_t)number_of(o, "at"), (step_kind)k, number_of(o, "for_ms"), text_of(o, "zh"),
                     text_of(o, "en") };
        c->step_count++;
    }
    return PL_OK;
}

pl_rc people_config_new(const json_t *o, people_config **out, pl_error *err)
{
    people_config *c = calloc(1, sizeof *c);
    const json_t  *session = json_object_get(o, "session"), *minors = json_object_get(o, "minors"), *v;
    const json_t  *dependence = json_object_get(o, "dependence"), *strikes = json_object_get(o, "strikes");
    size_t         i;
    pl_rc          rc;

    if (!c)
        return pl_fail(err, PL_NOMEM, "out of memory");
    c->window_ms = number_of(strikes, "window_ms");
    c->gap_ms = number_of(session, "gap_ms");
    c->remind_ms = number_of(session, "remind_ms");
    c->session_zh = text_of(session, "zh");
    c->session_en = text_of(session, "en");
    c->offset_ms = number_of(json_object_get(o, "night"), "offset_ms");
    c->night = hours_of(json_object_get(o, "night"));
    c->most_requests = (uint32_t)number_of(dependence, "requests_per_day");
    c->most_nights = (uint32_t)number_of(dependence, "nights_of_seven");
    c->dependence_zh = text_of(dependence, "zh");
    c->dependence_en = text_of(dependence, "en");
    c->minor = hours_of(json_object_get(minors, "hours"));
    c->minor_daily_ms = number_of(minors, "daily_ms");
    c->minor_remind_ms = number_of(minors, "remind_ms");
    c->minor_zh = text_of(minors, "zh");
    c->minor_en = text_of(minors, "en");
    json_array_foreach (json_object_get(o, "crisis"), i, v)
        if (c->crisis_count < CRISES && json_is_string(v))
            c->crisis[c->crisis_count++] = (pl_str){ json_string_value(v), json_string_length(v) };
    rc = steps_read(c, json_object_get(strikes, "steps"), err);
    if (rc == PL_OK && (c->gap_ms <= 0 || c->window_ms <= 0))
        rc = pl_fail(err, PL_INVALID, "the policy's times for people cannot be read; compile it again");
    if (rc != PL_OK) {
        free(c);
        return rc;
    }
    *out = c;
    return PL_OK;
}

void people_config_free(people_config *c)
{
    free(c);
}

/* --- time ----------------------------------------------------------------------------------------- */

static int64_t day_of(const people_config *c, int64_t ms)
{
    int64_t t = ms + c->offset_ms;

    return t >= 0 ? t / DAY_MS : (t - DAY_MS + 1) / DAY_MS;
}

/* From 22:00 to 06:00 goes over midnight. */
static bool is_within(const people_config *c, hours h, int64_t ms)
{
    int64_t at = ms + c->offset_ms - day_of(c, ms) * DAY_MS;

    if (h.from_ms == h.to_ms)
        return false;
    return h.from_ms < h.to_ms ? at >= h.from_ms && at < h.to_ms : at >= h.from_ms || at < h.to_ms;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static bool is_continuous(const people_config *c, const subject_state *s, int64_t now)
{
    return s->last_ms > 0 && now - s->last_ms < c->gap_ms;
}

/* --- admission -------------------------------------------------------------------------------------- */

bool people_is_held(const subject_state *s, int64_t now_ms)
{
    return (s->sanction != PL_SANCTION_NONE && now_ms < s->until_ms) || s->stopped_ms > 0;
}

/* The step that a violation would bring, with something to say. */
static const step *step_at(const people_config *c, uint32_t strikes)
{
    const step *found = NULL;

    for (size_t i = 0; i < c->step_count; i++)
        if (c->steps[i].at == strikes && c->steps[i].en.n && (!found || c->steps[i].what > found->what))
            found = &c->steps[i];
    return found;
}

static void refuse(people_admission *out, const char *code, pl_str zh, pl_str en, int64_t left_ms)
{
    out->refusal = code;
    out->zh = zh;
    out->en = en;
    out->retry_s = left_ms > 0 && left_ms < INT64_MAX / 2 ? (left_ms + 999) / 1000 : 0;
}

static const step *step_of(const people_config *c, step_kind what, uint32_t strikes)
{
    const step *found = NULL;

    for (size_t i = 0; i < c->step_count; i++)
        if (c->steps[i].what == what && (!found || c->steps[i].at <= strikes))
            found = &c->steps[i];
    return found;
}

static void sanction_admit(const people_config *c, const subject_state *s, int64_t now, people_admission *out)
{
    bool        is_off = s->sanction == PL_SANCTION_SUSPENDED;
    const step *st = step_of(c, is_off ? STEP_SUSPEND : STEP_COOL_OFF, s->strikes);

    if (s->sanction == PL_SANCTION_NONE || now >= s->until_ms)
        return;
    refuse(out, is_off ? "suspended" : "cooling_off", st ? st->zh : (pl_str){ "", 0 },
           st ? st->en : (pl_str){ "", 0 }, s->until_ms == INT64_MAX ? 0 : s->until_ms - now);
}

static void session_admit(const people_config *c, const subject_state *s, int64_t now, people_admission *out)
{
    if (s && s->stopped_ms > 0 && is_continuous(c, s, now) && !out->refusal)
        refuse(out, "session_stopped", (pl_str){ "", 0 }, (pl_str){ "", 0 }, 0);
}

/* Where day and time are told, and how much of it was used. */
static void minor_admit(const people_config *c, const subject_state *s, int64_t now, people_admission *out)
{
    int64_t used = s && s->day == day_of(c, now) ? s->used_ms : 0;

    if (out->refusal)
        return;
    if (c->minor.from_ms != c->minor.to_ms && !is_within(c, c->minor, now))
        refuse(out, "minor_hours", c->minor_zh, c->minor_en, 0);
    else if (c->minor_daily_ms > 0 && used >= c->minor_daily_ms)
        refuse(out, "minor_time", c->minor_zh, c->minor_en, (day_of(c, now) + 1) * DAY_MS - c->offset_ms - now);
}

/* REQ: CN-ANTHRO/18  every so often in continuous use (two hours) the person is told; reminders said
 * are floor(continuous time / interval). */
static unsigned reminders_due(const people_config *c, const subject_state *s, bool is_minor, int64_t now)
{
    int64_t  every = is_minor && c->minor_remind_ms > 0 ? c->minor_remind_ms : c->remind_ms;
    unsigned due = 0;

    if (every > 0 && is_continuous(c, s, now) && (now - s->session_ms) / every > (int64_t)s->reminders)
        due |= PL_REMIND_SESSION;
    if ((s->flags & PL_SUBJECT_DEPENDENT) && !(s->flags & PL_SUBJECT_WARNED) && s->day == day_of(c, now))
        due |= PL_REMIND_DEPENDENCE;
    return due;
}

void people_admit(const people_config *c, const subject_state *person, const subject_state *session,
                  bool is_minor, int64_t now_ms, people_admission *out)
{
    const step *next;
    uint32_t    strikes = 0;

    *out = (people_admission){ 0 };
    if (person) {
        sanction_admit(c, person, now_ms, out);
        out->remind = reminders_due(c, person, is_minor, now_ms);
        if (now_ms - person->window_ms < c->window_ms)
            strikes = person->strikes;
    }
    session_admit(c, session ? session : person, now_ms, out);
    if (is_minor)
        minor_admit(c, person, now_ms, out);
    next = step_at(c, strikes + 1);
    if (next) {
        out->next_zh = next->zh;
        out->next_en = next->en;
    }
}

pl_str people_reminder(const people_config *c, unsigned bit, bool zh)
{
    if (bit == PL_REMIND_SESSION)
        return zh ? c->session_zh : c->session_en;
    return zh ? c->dependence_zh : c->dependence_en;
}

void pl_label_with(const people_config *c, pl_str label, unsigned bits, bool zh, pl_buf *out)
{
    pl_buf_put(out, label);
    for (unsigned bit = 1; bit <= bits; bit <<= 1)
        if (bits & bit) {
            pl_buf_putc(out, '\n');
            pl_buf_put(out, people_reminder(c, bit, zh));
        }
}

bool people_is_crisis(const people_config *c, pl_str category)
{
    for (size_t i = 0; i < c->crisis_count; i++)
        if (pl_category_matches(c->crisis[i], category))
            return true;
    return false;
}

/* --- learning ------------------------------------------------------------------------------------------ */

static void day_learn(const people_config *c, subject_state *s, int64_t now, people_news *news)
{
    int64_t day = day_of(c, now), gone = day - s->day;
    bool    was = s->flags & PL_SUBJECT_DEPENDENT;

    if (gone != 0) {
        s->nights = gone < NIGHTS && gone > 0 ? s->nights << gone & ((1u << NIGHTS) - 1) : 0;
        s->flags &= ~(PL_SUBJECT_DEPENDENT | PL_SUBJECT_WARNED);
        s->requests = 0;
        s->used_ms = 0;
        s->day = day;
        was = false;
    }
    s->requests += s->requests < UINT32_MAX;
    if (is_within(c, c->night, now))
        s->nights |= 1;
    if ((c->most_requests && s->requests >= c->most_requests) ||
        (c->most_nights && (uint32_t)__builtin_popcount(s->nights) >= c->most_nights))
        s->flags |= PL_SUBJECT_DEPENDENT;
    news->dependence = !was && (s->flags & PL_SUBJECT_DEPENDENT);
}

static void session_learn(const people_config *c, subject_state *s, int64_t now)
{
    if (!is_continuous(c, s, now)) {
        s->session_ms = now;
        s->reminders = 0;
        s->stopped_ms = 0;
    } else {
        s->used_ms += now - s->last_ms;
    }
}

static void sanction_set(subject_state *s, pl_sanction what, int64_t now, int64_t for_ms)
{
    int64_t until = for_ms > 0 ? now + for_ms : INT64_MAX;

    if (what < (pl_sanction)s->sanction && now < s->until_ms)
        return; /* the harder one stays */
    s->sanction = (uint32_t)what;
    s->until_ms = later(until, what == (pl_sanction)s->sanction && now < s->until_ms ? s->until_ms : 0);
}

static void strike(const people_config *c, subject_state *s, int64_t now, people_news *news)
{
    if (s->strikes == 0 || now - s->window_ms >= c->window_ms) {
        s->strikes = 0;
        s->window_ms = now;
    }
    s->strikes += s->strikes < UINT32_MAX;
    for (size_t i = 0; i < c->step_count; i++) {
        const step *st = &c->steps[i];

        if (st->at != s->strikes)
            continue;
        if (st->what == STEP_COOL_OFF || st->what == STEP_SUSPEND)
            sanction_set(s, st->what == STEP_SUSPEND ? PL_SANCTION_SUSPENDED : PL_SANCTION_COOLING_OFF, now,
                         st->for_ms);
        news->sanctioned |= st->what == STEP_COOL_OFF || st->what == STEP_SUSPEND;
        news->report |= st->what == STEP_REPORT;
    }
}

void people_learn(const people_config *c, subject_state *s, const people_event *e, people_news *news)
{
    int64_t now = later(e->time_ms, s->last_ms);

    *news = (people_news){ .crisis = e->crisis };
    session_learn(c, s, now);
    day_learn(c, s, now, news);
    if (s->sanction != PL_SANCTION_NONE && now >= s->until_ms)
        s->sanction = PL_SANCTION_NONE;
    if (e->violation)
        strike(c, s, now, news);
    if (e->stops)
        s->stopped_ms = now;
    if (e->reminded & PL_REMIND_SESSION)
        s->reminders++;
    if (e->reminded & PL_REMIND_DEPENDENCE)
        s->flags |= PL_SUBJECT_WARNED;
    s->last_ms = now;
}

void people_lift(subject_state *s)
{
    s->sanction = PL_SANCTION_NONE;
    s->until_ms = s->stopped_ms = s->window_ms = 0;
    s->strikes = 0;
}
