#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/guard/guard_int.h"
#include "cap/guard/guard_plan.h"
#include "cap/guard/wilson.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define TICK_MS 1000

typedef struct plan {
    char    name[160], digest[65], by[64];
    int64_t share, at_ms, made_ms;
} plan;

static const char *file_of(const char *kind)
{
    return strcmp(kind, "canary") == 0 ? "gateway/canary.db" : "gateway/scheduled.db";
}

/* --- database ---------------------------------------------------------------------------------- */

static void text_copy(char *to, size_t size, pl_str from)
{
    snprintf(to, size, PL_STR_FMT, PL_STR_ARG(from));
}

static pl_rc plan_get(pl_db *db, const char *kind, plan *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "SELECT name, digest, share, at_ms, made_ms, made_by FROM guard_plan "
                             "WHERE kind = $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, pl_str_z(kind));
    rc = pl_db_step(s, err);
    if (rc == PL_OK) {
        text_copy(out->name, sizeof out->name, pl_db_str(s, 0));
        text_copy(out->digest, sizeof out->digest, pl_db_str(s, 1));
        out->share = pl_db_int(s, 2);
        out->at_ms = pl_db_int(s, 3);
        out->made_ms = pl_db_int(s, 4);
        text_copy(out->by, sizeof out->by, pl_db_str(s, 5));
    }
    pl_db_done(s);
    return rc;
}

static pl_rc plan_put(pl_db *db, const char *kind, const plan *p, uint64_t index, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "INSERT INTO guard_plan (kind, name, digest, share, at_ms, made_ms, made_by, "
                             "ledger_index) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (kind) DO "
                             "UPDATE SET name = excluded.name, digest = excluded.digest, "
                             "share = excluded.share, at_ms = excluded.at_ms, made_ms = excluded.made_ms, "
                             "made_by = excluded.made_by, ledger_index = excluded.ledger_index", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, pl_str_z(kind));
    pl_db_bind_str(s, 2, pl_str_z(p->name));
    pl_db_bind_str(s, 3, pl_str_z(p->digest));
    pl_db_bind_int(s, 4, p->share);
    pl_db_bind_int(s, 5, p->at_ms);
    pl_db_bind_int(s, 6, p->made_ms);
    pl_db_bind_str(s, 7, pl_str_z(p->by));
    pl_db_bind_int(s, 8, (int64_t)index);
    return pl_db_run(s, NULL, err);
}

static pl_rc plan_drop(pl_db *db, const char *kind, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "DELETE FROM guard_plan WHERE kind = $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, pl_str_z(kind));
    return pl_db_run(s, NULL, err);
}

static json_t *plan_json(const plan *p)
{
    char at[25], made[25];

    pl_time_format(p->at_ms, at);
    pl_time_format(p->made_ms, made);
    return json_pack("{s:s, s:s, s:i, s:s?, s:s, s:s}", "name", p->name, "digest", p->digest, "share",
                     (int)p->share, "at", p->at_ms ? at : NULL, "made", made, "by", p->by);
}

/* --- making and ending ------------------------------------------------------------------------------ */

/* Compiles into the plan's file; name and digest of what was made. */
static pl_rc build(pl_services *s, pl_db *db, const char *kind, plan *p, pl_error *err)
{
    char      *path = pl_instance_path(s->instance, file_of(kind));
    pl_policy *made = NULL;
    void      *image = NULL;
    size_t     n = 0;
    pl_rc      rc = path ? guard_policy_build(s, &image, &n, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = pl_file_write_atomic(path, (pl_str){ image, n }, 0640, err);
    if (rc == PL_OK)
        rc = pl_policy_openat(AT_FDCWD, path, &made, err);
    if (rc == PL_OK)
        rc = guard_policy_content_keep(db, made, err);
    if (rc == PL_OK) {
        text_copy(p->name, sizeof p->name, pl_policy_name(made));
        text_copy(p->digest, sizeof p->digest, pl_str_z(pl_policy_digest(made)));
    }
    pl_policy_unref(made);
    free(image);
    free(path);
    return rc;
}

static pl_rc say(pl_services *s, const char *type, const plan *p, const pl_principal *who, const char *what,
                 uint64_t *index, pl_error *err)
{
    json_t *predicate = plan_json(p);

    json_object_set_new(predicate, "what", json_string(what));
    json_object_set_new(predicate, "by", json_string(who->id));
    return guard_say(s, type, predicate, index, err);
}

static pl_rc make(guard_run *g, pl_services *s, pl_db *db, const char *kind, plan *p, const pl_principal *who,
                  json_t **out, pl_error *err)
{
    uint64_t index = 0;
    pl_rc    rc;

    text_copy(p->by, sizeof p->by, pl_str_z(who->id));
    p->made_ms = s->now_ms();
    pthread_mutex_lock(&g->lock);
    rc = build(s, db, kind, p, err);
    if (rc == PL_OK)
        rc = say(s, PL_PREDICATE("policy-plan"), p, who, kind, &index, err);
    if (rc == PL_OK)
        rc = plan_put(db, kind, p, index, err);
    pthread_mutex_unlock(&g->lock);
    if (rc != PL_OK)
        return rc;
    *out = plan_json(p);
    json_object_set_new(*out, "ledger_index", json_integer((json_int_t)index));
    return PL_OK;
}

static pl_rc end(guard_run *g, pl_services *s, pl_db *db, const char *kind, const char *what,
                 const pl_principal *who, json_t **out, pl_error *err)
{
    plan     p;
    uint64_t index = 0;
    pl_rc    rc;

    pthread_mutex_lock(&g->lock);
    rc = plan_get(db, kind, &p, err);
    if (rc == PL_NOTFOUND)
        rc = pl_fail(err, PL_NOTFOUND, "no policy is %s", strcmp(kind, "canary") == 0 ? "on trial" : "scheduled");
    if (rc == PL_OK)
        rc = say(s, PL_PREDICATE("policy-plan"), &p, who, what, &index, err);
    if (rc == PL_OK)
        rc = plan_drop(db, kind, err);
    pthread_mutex_unlock(&g->lock);
    if (rc != PL_OK)
        return rc;
    *out = plan_json(&p);
    json_object_set_new(*out, "ledger_index", json_integer((json_int_t)index));
    return PL_OK;
}

/* --- canary --------------------------------------------------------------------------------------------- */

pl_rc guard_canary_start(guard_run *g, pl_services *s, pl_db *db, unsigned share, const pl_principal *who,
                         json_t **out, pl_error *err)
{
    plan  p = { .share = share };
    pl_rc rc = make(g, s, db, "canary", &p, who, out, err);

    if (rc == PL_OK)
        pl_gate_canary_announce(g->gate, share);
    return rc;
}

pl_rc guard_canary_stop(guard_run *g, pl_services *s, pl_db *db, const pl_principal *who, json_t **out,
                        pl_error *err)
{
    pl_gate_canary_announce(g->gate, 0); /* effect first */
    return end(g, s, db, "canary", "canary ended", who, out, err);
}

typedef struct tallies {
    const char *trial; /* digest */
    int64_t     n[2], blocked[2]; /* [is on trial] */
    pl_error   *err;
} tallies;

static pl_rc on_event(void *ctx, pl_str id, pl_str leaf, bool is_logged)
{
    tallies    *t = ctx;
    json_t     *j = NULL;
    pl_rc       rc = pl_json_parse(leaf, "event", &j, t->err);
    const char *digest = json_string_value(json_object_get(j, "policy_sha256"));
    const char *verdict = json_string_value(json_object_get(j, "verdict"));

    (void)id;
    (void)is_logged;
    if (rc == PL_OK && digest && verdict) {
        int trial = strcmp(digest, t->trial) == 0;

        t->n[trial]++;
        t->blocked[trial] += strcmp(verdict, "block") == 0;
    }
    json_decref(j);
    return rc;
}

static json_t *rate_json(int64_t k, int64_t n)
{
    double low, high;

    if (n == 0)
        return json_pack("{s:i, s:i, s:n, s:n, s:n}", "exchanges", 0, "blocked", 0, "rate", "low", "high");
    guard_wilson(k, n, &low, &high);
    return json_pack("{s:I, s:I, s:f, s:f, s:f}", "exchanges", (json_int_t)n, "blocked", (json_int_t)k, "rate",
                     (double)k / (double)n, "low", low, "high", high);
}

pl_rc guard_canary_compare(guard_run *g, pl_db *db, int64_t now_ms, json_t **out, pl_error *err)
{
    static const uint8_t none[10] = { 0 };
    plan    p;
    tallies t = { .trial = p.digest, .err = err };
    char    from[PL_ID_LEN + 1], to[PL_ID_LEN + 1];
    pl_rc   rc = plan_get(db, "canary", &p, err);

    if (rc == PL_NOTFOUND) {
        *out = json_pack("{s:n}", "canary");
        return PL_OK;
    }
    if (rc != PL_OK)
        return rc;
    pl_id_format(p.made_ms, none, from);
    pl_id_format(now_ms + 1, none, to);
    rc = guard_event_each(db, from, to, on_event, &t, err);
    if (rc == PL_OK)
        *out = json_pack("{s:o, s:i, s:o, s:o}", "canary", plan_json(&p), "share_now",
                         (int)pl_gate_canary_share(g->gate), "in_force", rate_json(t.blocked[0], t.n[0]),
                         "on_trial", rate_json(t.blocked[1], t.n[1]));
    return rc;
}

/* --- schedule --------------------------------------------------------------------------------------------- */

pl_rc guard_schedule_set(guard_run *g, pl_services *s, pl_db *db, int64_t at_ms, const pl_principal *who,
                         json_t **out, pl_error *err)
{
    plan p = { .at_ms = at_ms };

    if (at_ms <= s->now_ms())
        return pl_fail(err, PL_INVALID, "the time is not in the future");
    return make(g, s, db, "scheduled", &p, who, out, err);
}

pl_rc guard_schedule_cancel(guard_run *g, pl_services *s, pl_db *db, const pl_principal *who, json_t **out,
                            pl_error *err)
{
    return end(g, s, db, "scheduled", "schedule cancelled", who, out, err);
}

pl_rc guard_schedule_show(pl_db *db, json_t **out, pl_error *err)
{
    plan  p;
    pl_rc rc = plan_get(db, "scheduled", &p, err);

    if (rc == PL_OK || rc == PL_NOTFOUND)
        *out = json_pack("{s:o}", "scheduled", rc == PL_OK ? plan_json(&p) : json_null());
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

/* The file that was compiled when it was scheduled, as it is. After a crash between here and the end of the
 * plan the file is gone and in force: then this is done. */
static pl_rc swap_scheduled(guard_run *g, pl_services *s, pl_error *err)
{
    char *path = pl_instance_path(s->instance, "gateway/policy.db");
    char *next = pl_instance_path(s->instance, file_of("scheduled"));
    pl_rc rc = path && next ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK && access(next, F_OK) == 0) {
        rc = guard_policy_previous(path, err);
        if (rc == PL_OK && rename(next, path) != 0)
            rc = pl_fail(err, PL_IO, "cannot put the scheduled policy into force: %s", strerror(errno));
    }
    if (rc == PL_OK)
        pl_gate_policy_announce(g->gate);
    free(path);
    free(next);
    return rc;
}

pl_rc guard_plan_tick(guard_run *g, pl_services *s, pl_db *db, int64_t now_ms, pl_error *err)
{
    plan         p;
    pl_principal who = { .is_local = 1 };
    json_t      *facts = NULL;
    pl_rc        rc;

    if (now_ms >= g->last_plan_ms && now_ms - g->last_plan_ms < TICK_MS)
        return PL_OK;
    g->last_plan_ms = now_ms;
    rc = plan_get(db, "scheduled", &p, err);
    if (rc == PL_NOTFOUND || (rc == PL_OK && now_ms < p.at_ms))
        return PL_OK;
    if (rc != PL_OK)
        return rc;
    text_copy(who.id, sizeof who.id, pl_str_z(p.by));
    rc = guard_policy_enforce(g, s, db, &who, swap_scheduled, &facts, err);
    json_decref(facts);
    return rc == PL_OK ? plan_drop(db, "scheduled", err) : rc;
}
