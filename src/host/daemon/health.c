/* What /healthz says. Problems are short sentences without paths: anybody may read them. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "host/daemon/daemon.h"

#include <plumbline/policydb.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define DISK_WARN_BYTES (512ull << 20)
#define DISK_BAD_BYTES  (64ull << 20)
#define POLICY_MAX      (1ull << 30)
#define QUIET_MS        15000 /* a tick may be slow; dead is longer */
#define QUIET_TICKS     5

typedef struct report {
    json_t *problems;
    bool    is_degraded;
} report;

static void problem(report *r, const char *text)
{
    r->is_degraded = true;
    (void)json_array_append_new(r->problems, json_string(text));
}

static void check_database(report *r, pl_db *db)
{
    pl_db_stmt *s;

    if (db != NULL && pl_db_prepare(db, "SELECT 1", &s, NULL) == PL_OK &&
        pl_db_run(s, NULL, NULL) == PL_OK)
        return;
    problem(r, "the database cannot be reached");
}

static void check_disk(report *r, const pl_daemon *d)
{
    struct statvfs fs;
    uint64_t       left;

    if (statvfs(d->ledger_dir, &fs) != 0) {
        problem(r, "the instance directory cannot be read");
        return;
    }
    left = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (left < DISK_BAD_BYTES)
        problem(r, "the disk is full");
    else if (left < DISK_WARN_BYTES)
        (void)json_array_append_new(r->problems, json_string("warning: the disk is nearly full"));
}

/* --- the gateway's policy -------------------------------------------------------------------- */

static bool guard_is_here(void)
{
    for (size_t i = 0; pl_capabilities[i] != NULL; i++)
        if (strcmp(pl_capabilities[i]->name, "guard") == 0)
            return true;
    return false;
}

static bool policy_file_is_sound(const char *path)
{
    pl_policydb db;
    pl_str      image;
    bool        is_sound;

    if (pl_map_file(path, POLICY_MAX, &image, NULL) != PL_OK)
        return false;
    is_sound = pl_policydb_check(image, &db, NULL) == PL_OK;
    pl_unmap(image);
    return is_sound;
}

/* The checksum of a large policy is not worth computing at every probe: files are replaced,
 * never changed in place, so the same inode and time mean the same verdict. */
static bool policy_is_sound(pl_daemon *d, const char *path)
{
    struct stat st;
    uint64_t    seen[4];
    bool        is_sound;

    if (stat(path, &st) != 0)
        return false;
    seen[0] = st.st_ino;
    seen[1] = (uint64_t)st.st_size;
    seen[2] = (uint64_t)st.st_mtim.tv_sec;
    seen[3] = (uint64_t)st.st_mtim.tv_nsec;
    (void)pthread_mutex_lock(&d->policy_lock);
    if (memcmp(seen, d->policy_seen, sizeof seen) != 0) {
        d->policy_is_sound = policy_file_is_sound(path);
        memcpy(d->policy_seen, seen, sizeof seen);
    }
    is_sound = d->policy_is_sound;
    (void)pthread_mutex_unlock(&d->policy_lock);
    return is_sound;
}

static void check_policy(report *r, pl_daemon *d)
{
    char *path;

    if (!guard_is_here())
        return;
    path = pl_instance_path(&d->instance, "gateway/policy.db");
    if (path == NULL || !policy_is_sound(d, path))
        problem(r, "no valid policy is loaded");
    free(path);
}

/* --- capabilities ------------------------------------------------------------------------------ */

static void check_tick(void *ctx, const pl_capability *c, int64_t quiet_ms,
                       unsigned long failures)
{
    int64_t patience = c->tick_ms * QUIET_TICKS > QUIET_MS ? c->tick_ms * QUIET_TICKS : QUIET_MS;
    char    text[160];

    (void)failures;
    if (quiet_ms <= patience)
        return;
    (void)snprintf(text, sizeof text, "the periodic work of '%s' has not succeeded for %lld s",
                   c->name, (long long)(quiet_ms / 1000));
    problem(ctx, text);
}

static void ask_capabilities(report *r, pl_daemon *d, pl_db *db)
{
    size_t before = json_array_size(r->problems);

    for (size_t i = 0; pl_capabilities[i] != NULL; i++)
        if (pl_capabilities[i]->health != NULL)
            pl_capabilities[i]->health(&d->services, db, r->problems);
    for (size_t i = before; i < json_array_size(r->problems); i++)
        r->is_degraded |= !pl_str_starts(
            pl_str_z(json_string_value(json_array_get(r->problems, i))), PL_STR("warning: "));
}

json_t *pl_health_report(pl_daemon *d, pl_db *db, bool *is_degraded)
{
    report r = { .problems = json_array() };

    check_database(&r, db);
    check_disk(&r, d);
    check_policy(&r, d);
    if (d->services.ledger == NULL || atomic_load(&d->ledger_is_stuck))
        problem(&r, "the ledger cannot be written");
    if (d->ticker != NULL)
        pl_ticker_each(d->ticker, check_tick, &r);
    if (db != NULL && d->services.ledger != NULL)
        ask_capabilities(&r, d, db);
    *is_degraded = r.is_degraded;
    return json_pack("{s:s, s:o}", "status", r.is_degraded ? "degraded" : "ok", "problems",
                     r.problems);
}
