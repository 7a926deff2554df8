#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/account/pl_account.h"
#include "cap/ledger/pl_ledger.h"
#include "host/cli/up.h"
#include "host/daemon/daemon.h"

#include <fcntl.h>
#include <unistd.h>

#define MARKER "run/created" /* its making came to the end */

static bool exists(const pl_instance *inst, const char *rel)
{
    char *path = pl_instance_path(inst, rel);
    bool  there = path != NULL && access(path, F_OK) == 0;

    free(path);
    return there;
}

/* --- the ledger ------------------------------------------------------------------------ */

/* Whether the database was in use before: then a ledger that is not there was lost, and a
 * new one would hide that. */
static bool database_in_use(const pl_instance *inst)
{
    pl_db *db = NULL;
    bool   used;

    if (pl_db_open(inst->database, &db, NULL) != PL_OK)
        return false;
    used = pl_db_is_migrated(db);
    pl_db_close(db);
    return used;
}

static pl_rc ledger_ensure(const pl_instance *inst, pl_error *err)
{
    char      *dir = pl_instance_path(inst, "ledger");
    pl_signer *signer = NULL;
    pl_rc      rc = dir != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK && access(dir, F_OK) != 0) {
        if (database_in_use(inst))
            rc = pl_fail(err, PL_CONFLICT,
                         "the ledger is missing although the database was in use: '%.80s'; "
                         "restore both from one backup, or move database and directory away",
                         dir);
        if (rc == PL_OK)
            rc = pl_instance_signer(inst, &signer, err);
        if (rc == PL_OK)
            rc = pl_ledger_create(dir, pl_str_z(inst->origin), signer, err);
    }
    pl_signer_free(signer);
    free(dir);
    return rc;
}

/* --- what needs the daemon's parts ----------------------------------------------------- */

static pl_rc state_created(pl_daemon *d, pl_error *err)
{
    pl_services *s = &d->services;
    char         at[25], subject[64];
    json_t      *predicate;
    uint64_t     index;
    pl_rc        rc;

    if (pl_ledger_size(s->ledger) > 0) /* said already */
        return PL_OK;
    pl_time_format(s->now_ms(), at);
    (void)snprintf(subject, sizeof subject, "installation:%s", s->instance->id);
    predicate = json_pack("{s:s, s:s, s:s, s:s, s:s}", "installation", s->instance->id, "origin",
                          s->instance->origin, "service", s->instance->service, "software",
                          pl_version(), "at", at);
    if (predicate == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    rc = pl_ledger_state(s->ledger, s->signer, pl_str_z(subject), PL_PREDICATE("instance-created"),
                         predicate, &index, err);
    json_decref(predicate);
    return rc;
}

static pl_rc administrator(pl_daemon *d, char password[33], pl_error *err)
{
    pl_db *db;
    pl_rc  rc = pl_dbpool_take(d->dbs, &db, err);

    if (rc != PL_OK)
        return rc;
    rc = pl_account_bootstrap(&d->services, db, password, err);
    pl_dbpool_give(d->dbs, db);
    if (rc == PL_CONFLICT) /* made before the interruption */
        return PL_OK;
    return rc;
}

/* The daemon's parts log to standard error, which is the screen here: for as long as they
 * run in this process, that is the daemon's log file. -1 when it cannot be done. */
static int stderr_to_log(const pl_instance *inst)
{
    char *dir = pl_instance_path(inst, "log"), *path = pl_instance_path(inst, "log/plumblined.log");
    int   saved = -1, fd = -1;

    if (dir != NULL && path != NULL && pl_mkdir_p(dir, 0750, NULL) == PL_OK)
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd >= 0) {
        saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        (void)dup2(fd, STDERR_FILENO);
        (void)close(fd);
    }
    free(dir);
    free(path);
    return saved;
}

static void stderr_back(int saved)
{
    if (saved < 0)
        return;
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
}

/* The policy goes into force the way it always does, so that the same evidence is there. */
static pl_rc activate(pl_cmd_ctx *c, pl_daemon *d, pl_error *err)
{
    char *answer = NULL;
    pl_rc rc = pl_daemon_start(d, err);

    if (rc == PL_OK)
        rc = pl_cmd_call(c, "POST", "/api/v1/policy/activate", PL_STR("{}"), &answer, err);
    free(answer);
    return rc;
}

static pl_rc marker_put(const pl_instance *inst, pl_error *err)
{
    char *path = pl_instance_path(inst, MARKER);
    pl_rc rc = path != NULL ? pl_file_write_atomic(path, PL_STR("1\n"), 0640, err)
                            : pl_fail(err, PL_NOMEM, "out of memory");

    free(path);
    return rc;
}

static pl_rc with_daemon(pl_cmd_ctx *c, const pl_instance *inst, char password[33], pl_error *err)
{
    pl_daemon *d = NULL;
    pl_rc      rc = pl_daemon_open(inst->dir, &d, err);

    if (rc != PL_OK)
        return rc;
    rc = state_created(d, err);
    if (rc == PL_OK)
        rc = administrator(d, password, err);
    if (rc == PL_OK)
        rc = activate(c, d, err);
    if (rc == PL_OK)
        rc = pl_ledger_publish(d->services.ledger, err);
    pl_daemon_close(d, 0);
    return rc;
}

static pl_rc complete(pl_cmd_ctx *c, const pl_instance *inst, char password[33], pl_error *err)
{
    bool  differs;
    int   saved;
    pl_rc rc = ledger_ensure(inst, err);

    if (rc == PL_OK)
        rc = pl_up_policy(inst, &differs, err);
    if (rc != PL_OK)
        return rc;
    saved = stderr_to_log(inst);
    rc = with_daemon(c, inst, password, err);
    stderr_back(saved);
    return rc == PL_OK ? marker_put(inst, err) : rc;
}

static pl_rc defaults_dir(char **out, pl_error *err)
{
    char *path = pl_path_join(pl_datadir(), "defaults");

    if (path == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    if (access(path, R_OK) != 0) {
        (void)pl_fail(err, PL_IO,
                      "data files are missing: '%.120s'; install Plumbline or set "
                      "PLUMBLINE_DATADIR", path);
        free(path);
        return PL_IO;
    }
    *out = path;
    return PL_OK;
}

static pl_rc make(const pl_instance_options *o, pl_error *err)
{
    char *defaults = NULL;
    pl_rc rc = defaults_dir(&defaults, err);

    if (rc == PL_OK)
        rc = pl_instance_create(o, defaults, pl_now_ms(), err);
    free(defaults);
    return rc;
}

pl_rc pl_up_create(pl_cmd_ctx *c, const pl_instance_options *o, pl_instance *inst,
                   char password[33], pl_error *err)
{
    pl_rc rc = pl_instance_open(o->dir, inst, err);

    password[0] = '\0';
    if (rc == PL_NOTFOUND) {
        rc = make(o, err);
        if (rc == PL_OK)
            rc = pl_instance_open(o->dir, inst, err);
    }
    if (rc != PL_OK || exists(inst, MARKER))
        return rc;
    return complete(c, inst, password, err);
}
