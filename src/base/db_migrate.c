#include "base/banned.h"

#include "base/db.h"
#include "base/str.h"

/* Serialises concurrent migrations on PostgreSQL; any constant does. SQLite's
 * BEGIN IMMEDIATE already does it. */
#define PG_LOCK "SELECT pg_advisory_xact_lock(7812469201)"

static pl_rc steps_check(const char *capability, const pl_migration *steps, int *latest,
                         pl_error *err)
{
    int n = 0;

    for (; steps[n].version != 0; n++)
        if (steps[n].version != n + 1)
            return pl_fail(err, PL_INVALID, "migrations of '%s' are not numbered 1, 2, 3, …",
                           capability);
    *latest = n;
    return PL_OK;
}

static pl_rc version_get(pl_db *db, const char *capability, int64_t *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(
        db, "SELECT MAX(version) FROM schema_version WHERE capability = $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, pl_str_z(capability));
    rc = pl_db_step(s, err);
    if (rc == PL_OK)
        *out = pl_db_int(s, 0); /* NULL reads as 0: nothing applied yet */
    pl_db_done(s);
    return rc;
}

static pl_rc version_put(pl_db *db, const char *capability, int version, int64_t now_ms,
                         pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(
        db, "INSERT INTO schema_version (capability, version, applied_ms) VALUES ($1, $2, $3)",
        &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, pl_str_z(capability));
    pl_db_bind_int(s, 2, version);
    pl_db_bind_int(s, 3, now_ms);
    return pl_db_run(s, NULL, err);
}

static pl_rc version_check(const char *capability, int64_t version, int latest, pl_error *err)
{
    if (version <= latest)
        return PL_OK;
    return pl_fail(err, PL_CONFLICT,
                   "database holds version %lld of '%s', this program knows only %d: use the "
                   "newer program",
                   (long long)version, capability, latest);
}

/* Inside a transaction: brings the schema one step further, or sets *finished. */
static pl_rc advance(pl_db *db, const char *capability, const pl_migration *steps, int latest,
                     int64_t now_ms, bool *finished, pl_error *err)
{
    int64_t version = 0;
    pl_rc   rc = pl_db_is_postgres(db) ? pl_db_exec(db, PG_LOCK, err) : PL_OK;

    if (rc == PL_OK)
        rc = pl_db_exec(db,
                        "CREATE TABLE IF NOT EXISTS schema_version ("
                        " capability TEXT NOT NULL, version BIGINT NOT NULL,"
                        " applied_ms BIGINT NOT NULL, PRIMARY KEY (capability, version))",
                        err);
    if (rc == PL_OK)
        rc = version_get(db, capability, &version, err);
    if (rc == PL_OK)
        rc = version_check(capability, version, latest, err);
    *finished = rc == PL_OK && version == latest;
    if (rc != PL_OK || *finished)
        return rc;

    /* Another process may have been faster since the last look, hence `version`. */
    rc = pl_db_exec(db, steps[version].sql, err);
    if (rc == PL_OK)
        rc = version_put(db, capability, steps[version].version, now_ms, err);
    return rc;
}

static pl_rc run_step(pl_db *db, const char *capability, const pl_migration *steps, int latest,
                      int64_t now_ms, bool *finished, pl_error *err)
{
    pl_rc rc = pl_db_begin(db, err);

    if (rc != PL_OK)
        return rc;
    rc = advance(db, capability, steps, latest, now_ms, finished, err);
    if (rc == PL_OK)
        rc = pl_db_commit(db, err);
    if (rc != PL_OK)
        pl_db_abort(db);
    return rc;
}

pl_rc pl_db_migrate(pl_db *db, const char *capability, const pl_migration *steps, int64_t now_ms,
                    pl_error *err)
{
    int64_t version;
    bool    finished = false;
    int     latest = 0;
    pl_rc   rc = steps_check(capability, steps, &latest, err);

    if (rc != PL_OK)
        return rc;
    /* Usually there is nothing to do, and no write lock is needed to see it. A failure
     * here means that the table does not exist, or shows again below. */
    if (version_get(db, capability, &version, NULL) == PL_OK && version == latest)
        return PL_OK;
    while (rc == PL_OK && !finished)
        rc = run_step(db, capability, steps, latest, now_ms, &finished, err);
    return rc;
}

bool pl_db_is_migrated(pl_db *db)
{
    pl_db_stmt *s = NULL;
    bool        found = pl_db_prepare(db, "SELECT capability FROM schema_version", &s, NULL) == PL_OK &&
                 pl_db_step(s, NULL) == PL_OK;

    pl_db_done(s);
    return found;
}
