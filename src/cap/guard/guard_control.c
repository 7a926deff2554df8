/* Acts of people: stop, resume, activate a policy. Effect first, evidence at once after. */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/guard/guard_int.h"
#include "cap/guard/guard_run.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define POLICY_MAX (1u << 30)

json_t *guard_stop_json(const guard_run *g)
{
    char    reason[256];
    int64_t since;

    if (!pl_gate_stop_get(g->gate, reason, &since))
        return json_pack("{s:b, s:s, s:i}", "stopped", 0, "reason", "", "since_ms", 0);
    return json_pack("{s:b, s:s, s:I}", "stopped", 1, "reason", reason, "since_ms",
                     (json_int_t)since);
}

pl_rc guard_say(pl_services *s, const char *type, json_t *predicate, uint64_t *index,
                 pl_error *err)
{
    char  subject[160];
    pl_rc rc;

    if (!predicate)
        return pl_fail(err, PL_NOMEM, "out of memory");
    snprintf(subject, sizeof subject, "service:%s", s->instance->service);
    rc = pl_ledger_state(s->ledger, s->signer, pl_str_z(subject), type, predicate, index, err);
    json_decref(predicate);
    return rc;
}

pl_rc guard_reason_check(pl_str reason, pl_error *err)
{
    if (pl_str_trim(reason).n == 0)
        return pl_fail(err, PL_INVALID, "a reason is needed: it becomes part of the evidence");
    if (reason.n > 255)
        return pl_fail(err, PL_INVALID, "the reason is longer than 255 bytes");
    return PL_OK;
}

static pl_rc stop_locked(guard_run *g, pl_services *s, pl_db *db, bool stopped, pl_str reason,
                         const pl_principal *who, pl_error *err)
{
    guard_stop_row row = { .stopped = stopped, .since_ms = s->now_ms() };
    uint64_t       index;
    char           time[25];
    pl_rc          rc;

    snprintf(row.reason, sizeof row.reason, PL_STR_FMT, PL_STR_ARG(reason));
    pl_time_format(row.since_ms, time);
    rc = guard_say(s, stopped ? PL_PREDICATE("guard-stop") : PL_PREDICATE("guard-resume"),
             json_pack("{s:s, s:s, s:s, s:s}", "scope", "installation", "reason", row.reason,
                       "by", who->id, "at", time), &index, err);
    if (rc != PL_OK)
        return rc;
    row.ledger_index = (int64_t)index;
    rc = guard_stop_put(db, &row, who->id, err);
    if (rc == PL_OK && !stopped)
        pl_gate_resume(g->gate);
    else if (rc == PL_OK) /* another node's older word may have lifted it meanwhile */
        pl_gate_stop(g->gate, pl_str_z(row.reason), row.since_ms);
    return rc;
}

pl_rc guard_stop_set(guard_run *g, pl_services *s, pl_db *db, bool stopped, pl_str reason,
                     const pl_principal *who, json_t **out, pl_error *err)
{
    guard_stop_row row;
    bool           was;
    pl_rc          rc = guard_reason_check(reason, err);

    if (rc != PL_OK)
        return rc;
    was = pl_gate_stopped(g->gate);
    /* The switch acts at once, even while a policy is being compiled under the lock and even
     * if the ledger cannot be written: people first, paper second. */
    if (stopped && !was)
        pl_gate_stop(g->gate, reason, s->now_ms());
    pthread_mutex_lock(&g->lock);
    if (was == stopped)
        rc = pl_fail(err, PL_CONFLICT, stopped ? "the service is stopped already"
                                               : "the service is not stopped");
    else
        rc = stop_locked(g, s, db, stopped, reason, who, err);
    pthread_mutex_unlock(&g->lock);
    if (rc == PL_OK)
        rc = guard_stop_get(db, &row, err);
    if (rc != PL_OK)
        return rc;
    *out = guard_stop_json(g);
    json_object_set_new(*out, "ledger_index", json_integer(row.ledger_index));
    return PL_OK;
}

/* A stop set while no daemon ran (`guard stop` writes the state file itself then) becomes
 * evidence now. */
pl_rc guard_stop_adopt(guard_run *g, pl_services *s, pl_db *db, pl_error *err)
{
    static const pl_principal host = { .id = "host", .is_local = 1 };
    char           reason[256];
    int64_t        since;
    guard_stop_row row;
    pl_rc          rc = guard_stop_get(db, &row, err);

    if (rc != PL_OK && rc != PL_NOTFOUND)
        return rc;
    if (!pl_gate_stop_get(g->gate, reason, &since) || (rc == PL_OK && row.stopped))
        return PL_OK;
    return stop_locked(g, s, db, true, pl_str_z(reason), &host, err);
}

/* --- policy ----------------------------------------------------------------------------- */

pl_rc guard_policy_json(const guard_run *g, const pl_services *s, json_t **out, pl_error *err)
{
    char      *path = pl_instance_path(s->instance, "gateway/policy.db");
    pl_policy *p = NULL;
    pl_rc      rc = path ? pl_policy_openat(AT_FDCWD, path, &p, err)
                         : pl_fail(err, PL_NOMEM, "out of memory");

    free(path);
    if (rc != PL_OK)
        return rc;
    *out = json_pack("{s:s%, s:s, s:I, s:I}", "name", pl_policy_name(p).p, pl_policy_name(p).n,
                     "digest", pl_policy_digest(p), "generation",
                     (json_int_t)pl_gate_policy_generation(g->gate), "rules",
                     (json_int_t)pl_textdb_rule_count(pl_policy_textdb(p)));
    pl_policy_unref(p);
    return PL_OK;
}

/* The previous database stays beside the new one, for rollback. */
pl_rc guard_policy_previous(const char *path, pl_error *err)
{
    char  *old = NULL;
    pl_rc  rc = PL_OK;

    if (asprintf(&old, "%s.previous", path) < 0)
        return pl_fail(err, PL_NOMEM, "out of memory");
    (void)unlink(old);
    if (link(path, old) != 0 && errno != ENOENT)
        rc = pl_fail(err, PL_IO, "cannot keep the previous policy: %s", strerror(errno));
    free(old);
    return rc;
}

pl_rc guard_policy_build(pl_services *s, void **image, size_t *n, pl_error *err)
{
    char *source = pl_instance_path(s->instance, "policy/default.yaml");
    char *own = pl_instance_path(s->instance, "packs");
    char *shipped = pl_path_join(pl_datadir(), "packs");
    const char *folders[] = { own, shipped, NULL };
    pl_rc rc = source && own && shipped ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = pl_policy_compile(source, folders, image, n, err);
    if (rc == PL_NOTFOUND && err) /* something the source names, not the thing asked for */
        rc = err->rc = PL_INVALID;
    free(source);
    free(own);
    free(shipped);
    return rc;
}

static pl_rc compile_and_swap(guard_run *g, pl_services *s, pl_error *err)
{
    char  *path = pl_instance_path(s->instance, "gateway/policy.db");
    void  *image = NULL;
    size_t n = 0;
    pl_rc  rc = path ? guard_policy_build(s, &image, &n, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = guard_policy_previous(path, err);
    if (rc == PL_OK)
        rc = pl_file_write_atomic(path, (pl_str){ image, n }, 0640, err);
    if (rc == PL_OK)
        pl_gate_policy_announce(g->gate);
    free(image);
    free(path);
    return rc;
}

/* Swaps the database in force with the one before it, so that a second rollback undoes the first. */
static pl_rc roll_back(guard_run *g, pl_services *s, pl_error *err)
{
    char      *path = pl_instance_path(s->instance, "gateway/policy.db");
    char      *old = pl_instance_path(s->instance, "gateway/policy.db.previous");
    pl_policy *check = NULL;
    pl_rc      rc = path && old ? pl_policy_openat(AT_FDCWD, old, &check, err)
                                : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_NOTFOUND)
        pl_fail(err, PL_CONFLICT, "there is no policy before this one");
    if (rc == PL_OK && renameat2(AT_FDCWD, old, AT_FDCWD, path, RENAME_EXCHANGE) != 0)
        rc = pl_fail(err, PL_IO, "cannot exchange the policies: %s", strerror(errno));
    if (rc == PL_OK)
        pl_gate_policy_announce(g->gate);
    pl_policy_unref(check);
    free(path);
    free(old);
    return rc == PL_NOTFOUND ? PL_CONFLICT : rc;
}

pl_rc guard_policy_content_keep(pl_db *db, const pl_policy *p, pl_error *err)
{
    json_t *packs = p ? pl_policy_packs(p) : NULL;
    pl_rc   rc = p ? guard_content_put(db, pl_policy_digest(p), packs, err) : PL_OK;

    json_decref(packs);
    return rc;
}

/* Of the database that was put into force. */
static pl_rc content_keep(const pl_services *s, pl_db *db, pl_error *err)
{
    char      *path = pl_instance_path(s->instance, "gateway/policy.db");
    pl_policy *p = NULL;
    pl_rc      rc = path ? pl_policy_openat(AT_FDCWD, path, &p, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = guard_policy_content_keep(db, p, err);
    pl_policy_unref(p);
    free(path);
    return rc;
}

pl_rc guard_policy_enforce(guard_run *g, pl_services *s, pl_db *db, const pl_principal *who,
                           pl_rc (*swap_in)(guard_run *g, pl_services *s, pl_error *err), json_t **out,
                           pl_error *err)
{
    json_t  *facts = NULL;
    uint64_t index = 0;
    char     time[25];
    pl_rc    rc;

    pl_time_format(s->now_ms(), time);
    pthread_mutex_lock(&g->lock);
    rc = swap_in(g, s, err);
    if (rc == PL_OK)
        rc = content_keep(s, db, err);
    if (rc == PL_OK)
        rc = guard_policy_json(g, s, &facts, err);
    if (rc == PL_OK)
        rc = guard_say(s, PL_PREDICATE("policy-activated"),
                 json_pack("{s:O, s:O, s:s, s:s}", "policy", json_object_get(facts, "name"),
                           "sha256", json_object_get(facts, "digest"), "by", who->id, "at", time),
                 &index, err);
    if (rc == PL_OK)
        rc = guard_policy_put(db, json_integer_value(json_object_get(facts, "generation")),
                              json_string_value(json_object_get(facts, "name")),
                              json_string_value(json_object_get(facts, "digest")), who->id, index,
                              s->now_ms(), err);
    pthread_mutex_unlock(&g->lock);
    if (rc != PL_OK) {
        json_decref(facts);
        return rc;
    }
    json_object_set_new(facts, "ledger_index", json_integer((json_int_t)index));
    *out = facts;
    return PL_OK;
}

pl_rc guard_policy_activate(guard_run *g, pl_services *s, pl_db *db, const pl_principal *who,
                            json_t **out, pl_error *err)
{
    return guard_policy_enforce(g, s, db, who, compile_and_swap, out, err);
}

pl_rc guard_policy_rollback(guard_run *g, pl_services *s, pl_db *db, const pl_principal *who,
                            json_t **out, pl_error *err)
{
    return guard_policy_enforce(g, s, db, who, roll_back, out, err);
}
