/* People, in the daemon: learns from stored events, keeps workers' table and database in step, and
 * does what people decide about people. Each act of a person is a statement in the ledger. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/guard/guard_int.h"
#include "cap/guard/guard_people.h"
#include "cap/guard/subject_store.h"

#define SYNC_MS    1000
#define OVERLAP_MS 5000 /* of what is looked at again: transactions of other nodes end in their own time */

/* --- workers' table ------------------------------------------------------------------------------ */

typedef struct filler {
    guard_run *g;
    int64_t    now_ms;
} filler;

static void table_put(void *ctx, const uint8_t key[PL_SUBJECT_KEY], const subject_state *s)
{
    filler *f = ctx;

    pthread_mutex_lock(&f->g->people);
    if (pl_subjects_put(pl_gate_subjects(f->g->gate), key, s, f->now_ms) != PL_OK)
        f->g->subjects_unseen++;
    pthread_mutex_unlock(&f->g->people);
}

pl_rc guard_people_start(guard_run *g, pl_db *db, int64_t now_ms, pl_error *err)
{
    filler f = { g, now_ms };
    pl_rc  rc = subject_each_recent(db, PL_SUBJECTS_SLOTS / 2, table_put, &f, err);

    if (rc == PL_OK)
        rc = subject_each_held(db, now_ms, PL_SUBJECTS_SLOTS / 2, table_put, &f, err);
    g->people_since_ms = now_ms;
    return rc;
}

pl_rc guard_people_sync(guard_run *g, pl_db *db, int64_t now_ms, pl_error *err)
{
    filler f = { g, now_ms };
    pl_rc  rc;

    /* Before events are read: they may be of a new policy. One that cannot be loaded is said
     * elsewhere; the one before goes on. */
    (void)pl_gate_refresh(g->gate, NULL);
    if (now_ms >= g->last_people_ms && now_ms - g->last_people_ms < SYNC_MS)
        return PL_OK;
    g->last_people_ms = now_ms;
    rc = subject_each_changed(db, g->people_since_ms - OVERLAP_MS, table_put, &f, err);
    if (rc == PL_OK)
        g->people_since_ms = now_ms;
    return rc;
}

/* --- learning ---------------------------------------------------------------------------------------- */

static bool says(const json_t *o, const char *key, const char *value)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s && strcmp(s, value) == 0;
}

static bool holds(const json_t *list, const char *value)
{
    const json_t *v;
    size_t        i;

    json_array_foreach ((json_t *)list, i, v)
        if (json_is_string(v) && strcmp(json_string_value(v), value) == 0)
            return true;
    return false;
}

static bool has_action(const json_t *leaf, const char *part, const char *action)
{
    const json_t *f;
    size_t        i;

    json_array_foreach (json_object_get(json_object_get(leaf, part), "findings"), i, f)
        if (says(f, "action", action))
            return true;
    return false;
}

static bool is_crisis(const people_config *c, const json_t *leaf)
{
    const json_t *f;
    size_t        i;

    json_array_foreach (json_object_get(json_object_get(leaf, "input"), "findings"), i, f)
        if (people_is_crisis(c, pl_str_z(json_string_value(json_object_get(f, "category")))))
            return true;
    return false;
}

/* What a person did: asking for what is not allowed is a violation, being answered so is none. */
static people_event event_read(const people_config *c, const json_t *leaf, int64_t time_ms)
{
    bool         acts = !says(leaf, "mode", "shadow"), blocks = acts && says(leaf, "verdict", "block");
    people_event e = { .time_ms = time_ms, .violation = blocks && says(leaf, "direction", "input"),
                       .crisis = is_crisis(c, leaf) };

    e.stops = blocks && (has_action(leaf, "input", "stop_session") || has_action(leaf, "output", "stop_session"));
    e.reminded = (holds(json_object_get(leaf, "reminders"), "session") ? PL_REMIND_SESSION : 0) |
                 (holds(json_object_get(leaf, "reminders"), "dependence") ? PL_REMIND_DEPENDENCE : 0);
    return e;
}

static bool key_read(const json_t *leaf, const char *member, uint8_t key[PL_SUBJECT_KEY])
{
    const char *hex = json_string_value(json_object_get(leaf, member));

    return hex && pl_hex_decode(pl_str_z(hex), key, PL_SUBJECT_KEY, NULL) == PL_OK;
}

/* One signal an event and kind: learning it twice makes no second one. */
static pl_rc signal(pl_db *db, pl_str id, int64_t now_ms, const uint8_t key[PL_SUBJECT_KEY], const char *kind,
                    const char *detail, pl_error *err)
{
    char name[PL_ID_LEN + 16];

    snprintf(name, sizeof name, PL_STR_FMT ".%s", PL_STR_ARG(id), kind);
    return signal_put(db, name, now_ms, key, kind, detail, err);
}

static pl_rc tell(pl_db *db, pl_str id, int64_t now_ms, const uint8_t key[PL_SUBJECT_KEY],
                  const subject_state *s, const people_news *news, pl_error *err)
{
    char  detail[64];
    pl_rc rc = PL_OK;

    snprintf(detail, sizeof detail, "%s, %u violations", pl_sanction_name(s->sanction), (unsigned)s->strikes);
    if (rc == PL_OK && news->sanctioned)
        rc = signal(db, id, now_ms, key, "sanction", detail, err);
    if (rc == PL_OK && news->report)
        rc = signal(db, id, now_ms, key, "report", detail, err);
    snprintf(detail, sizeof detail, "%u requests, %d nights of seven", (unsigned)s->requests,
             __builtin_popcount(s->nights));
    if (rc == PL_OK && news->dependence)
        rc = signal(db, id, now_ms, key, "dependence", detail, err);
    if (rc == PL_OK && news->crisis)
        rc = signal(db, id, now_ms, key, "crisis", "", err);
    return rc;
}

static pl_rc learn(guard_run *g, pl_db *db, const people_config *c, const uint8_t key[PL_SUBJECT_KEY],
                   const people_event *e, pl_str id, bool is_person, int64_t now_ms, pl_error *err)
{
    filler        f = { g, now_ms };
    subject_state s;
    people_news   news;
    pl_rc         rc = subject_load(db, key, &s, err);

    if (rc != PL_OK && rc != PL_NOTFOUND)
        return rc;
    people_learn(c, &s, e, &news);
    rc = subject_save(db, key, &s, now_ms, err);
    if (rc == PL_OK && is_person)
        rc = tell(db, id, now_ms, key, &s, &news, err);
    if (rc == PL_OK)
        table_put(&f, key, &s);
    return rc;
}

pl_rc guard_people_event(guard_run *g, pl_db *db, const pl_event *e, int64_t now_ms, pl_error *err)
{
    const people_config *c = pl_gate_policy(g->gate) ? pl_policy_people(pl_gate_policy(g->gate)) : NULL;
    uint8_t              key[PL_SUBJECT_KEY];
    json_t              *leaf = NULL;
    people_event         what;
    pl_rc                rc;

    if (!c || !memmem(e->leaf.p, e->leaf.n, "\"subject\":\"", 11))
        return PL_OK;
    rc = pl_json_parse(e->leaf, "event", &leaf, err);
    if (rc != PL_OK)
        return rc;
    what = event_read(c, leaf, e->time_ms);
    if (key_read(leaf, "session", key)) { /* only this conversation is stopped */
        people_event session = { .time_ms = e->time_ms, .stops = what.stops };

        rc = learn(g, db, c, key, &session, e->id, false, now_ms, err);
        what.stops = false;
    }
    if (rc == PL_OK && key_read(leaf, "subject", key))
        rc = learn(g, db, c, key, &what, e->id, true, now_ms, err);
    json_decref(leaf);
    return rc;
}

/* --- what people decide ---------------------------------------------------------------------------------- */

json_t *guard_subject_json(const uint8_t key[PL_SUBJECT_KEY], const subject_state *s, int64_t now_ms)
{
    char hex[2 * PL_SUBJECT_KEY + 1], last[25], until[25];
    bool is_held = s->sanction != PL_SANCTION_NONE && s->until_ms > now_ms, ends = s->until_ms < INT64_MAX;

    pl_hex(key, PL_SUBJECT_KEY, hex);
    pl_time_format(s->last_ms, last);
    pl_time_format(is_held && ends ? s->until_ms : 0, until);
    return json_pack("{s:s, s:s, s:s, s:s?, s:i, s:b, s:i, s:i, s:b}", "subject", hex, "last", last, "sanction",
                     pl_sanction_name(is_held ? s->sanction : PL_SANCTION_NONE), "until",
                     is_held && ends ? until : NULL, "strikes", (int)s->strikes, "session_stopped",
                     s->stopped_ms > 0, "requests_today", (int)s->requests, "nights",
                     __builtin_popcount(s->nights), "dependent", (s->flags & PL_SUBJECT_DEPENDENT) != 0);
}

static pl_rc say_about(pl_services *s, const char *type, const uint8_t key[PL_SUBJECT_KEY], pl_str reason,
                       const pl_principal *who, uint64_t *index, pl_error *err)
{
    char hex[2 * PL_SUBJECT_KEY + 1], time[25];

    pl_hex(key, PL_SUBJECT_KEY, hex);
    pl_time_format(s->now_ms(), time);
    return guard_say(s, type, json_pack("{s:s, s:s%, s:s, s:s}", "subject", hex, "reason", reason.p, reason.n,
                                        "by", who->id, "at", time), index, err);
}

pl_rc guard_subject_lift(guard_run *g, pl_services *s, pl_db *db, const uint8_t key[PL_SUBJECT_KEY],
                         pl_str reason, const pl_principal *who, json_t **out, pl_error *err)
{
    filler        f = { g, s->now_ms() };
    subject_state state;
    uint64_t      index = 0;
    pl_rc         rc = guard_reason_check(reason, err);

    if (rc == PL_OK)
        rc = pl_db_begin(db, err);
    if (rc != PL_OK)
        return rc;
    rc = subject_load(db, key, &state, err);
    if (rc == PL_NOTFOUND)
        rc = pl_fail(err, PL_NOTFOUND, "nothing is known of this subject");
    if (rc == PL_OK) {
        people_lift(&state);
        rc = subject_save(db, key, &state, f.now_ms, err);
    }
    if (rc == PL_OK)
        rc = say_about(s, PL_PREDICATE("guard-lift"), key, reason, who, &index, err);
    if (rc == PL_OK)
        rc = pl_db_commit(db, err);
    if (rc != PL_OK) {
        pl_db_abort(db);
        return rc;
    }
    table_put(&f, key, &state);
    *out = guard_subject_json(key, &state, f.now_ms);
    json_object_set_new(*out, "ledger_index", json_integer((json_int_t)index));
    return PL_OK;
}

pl_rc guard_subject_appeal(pl_services *s, pl_db *db, const uint8_t key[PL_SUBJECT_KEY], pl_str reason,
                           const pl_principal *who, json_t **out, pl_error *err)
{
    subject_state state;
    uint8_t       rnd[10];
    char          id[PL_ID_LEN + 1], text[256];
    uint64_t      index = 0;
    pl_rc         rc = guard_reason_check(reason, err);

    if (rc == PL_OK)
        rc = subject_load(db, key, &state, err);
    if (rc == PL_NOTFOUND)
        rc = pl_fail(err, PL_NOTFOUND, "nothing is known of this subject");
    if (rc == PL_OK)
        rc = pl_random(rnd, sizeof rnd, err);
    if (rc != PL_OK)
        return rc;
    pl_id_format(s->now_ms(), rnd, id);
    snprintf(text, sizeof text, PL_STR_FMT, PL_STR_ARG(reason));
    rc = say_about(s, PL_PREDICATE("guard-appeal"), key, reason, who, &index, err);
    if (rc == PL_OK)
        rc = signal_put(db, id, s->now_ms(), key, "appeal", text, err);
    if (rc != PL_OK)
        return rc;
    *out = guard_subject_json(key, &state, s->now_ms());
    json_object_set_new(*out, "signal", json_string(id));
    json_object_set_new(*out, "ledger_index", json_integer((json_int_t)index));
    return PL_OK;
}
