/* `plumbline backup`: an instance as it was at one moment, also while it runs.
 *
 * The database first, then the ledger: rows name ledger entries, so the ledger has to be
 * the younger of the two. In the ledger the files that change in place first (they must
 * fit each other), then those that never change: whatever a head speaks of is on disk. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/ledger/pl_ledger.h"
#include "host/cli/backup_int.h"
#include "host/cli/cli.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TRIES      200
#define TRY_GAP_MS 20

typedef struct job {
    pl_cmd_ctx *c;
    pl_instance inst;
    char        staging[1100], top[1200];
    pl_checkpoint head;
} job;

/* --- ledger ---------------------------------------------------------------------------- */

static pl_rc ledger_top(const char *from, const char *to, pl_error *err)
{
    for (int i = 0; i < TRIES; i++) {
        uint8_t         before[32], after[32];
        struct timespec gap = { 0, TRY_GAP_MS * 1000000L };
        pl_rc           rc = backup_top_digest(from, before, err);

        if (rc == PL_OK)
            rc = backup_top_copy(from, to, err);
        if (rc == PL_OK)
            rc = backup_top_digest(from, after, err);
        if (rc != PL_OK)
            return rc;
        if (memcmp(before, after, sizeof before) == 0)
            return backup_top_digest(to, after, err) == PL_OK &&
                           memcmp(before, after, sizeof before) == 0
                       ? PL_OK
                       : pl_fail(err, PL_IO, "the copy of the ledger's head differs: '%.120s'", to);
        (void)nanosleep(&gap, NULL);
    }
    return pl_fail(err, PL_IO, "the ledger changes too fast to be copied; try again at a quieter "
                   "time");
}

static pl_rc ledger_save(job *j, pl_error *err)
{
    static const char *const rest[] = { "tile", "payload", "quarantine" };
    char  *from = pl_instance_path(&j->inst, "ledger"), *to = pl_path_join(j->top, "ledger");
    pl_rc  rc = from != NULL && to != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = pl_mkdir_p(to, 0755, err);
    if (rc == PL_OK)
        rc = ledger_top(from, to, err);
    for (size_t i = 0; rc == PL_OK && i < sizeof rest / sizeof rest[0]; i++)
        rc = backup_copy(from, to, rest[i], NULL, err);
    free(from);
    free(to);
    return rc;
}

/* A backup that was not looked at is a hope. */
static pl_rc ledger_check(job *j, pl_error *err)
{
    char            *dir = pl_path_join(j->top, "ledger");
    pl_vkey          key;
    pl_ledger_report report = { 0 };
    pl_cmd_progress progress;
    pl_rc            rc = dir != NULL ? pl_instance_vkey(&j->inst, &key, err)
                                      : pl_fail(err, PL_NOMEM, "out of memory");

    pl_cmd_progress_init(&progress, j->c, pl_cmd_say(j->c, "ledger entries", "账本条目"),
                         PL_PROGRESS_ITEMS);
    if (rc == PL_OK)
        rc = pl_ledger_verify(dir, &key, &report, pl_cmd_progress_tick, &progress, err);
    pl_cmd_progress_end(&progress);
    if (rc == PL_OK && json_array_size(report.problems) > 0)
        rc = pl_fail(err, PL_INVALID, "the ledger does not verify: %.180s",
                     json_string_value(json_array_get(report.problems, 0)));
    if (rc == PL_OK) {
        j->head.size = report.size;
        j->head.root = report.root;
    }
    pl_ledger_report_done(&report);
    free(dir);
    return rc;
}

/* --- manifest -------------------------------------------------------------------------- */

static pl_rc manifest_write(const job *j, pl_error *err)
{
    json_t *files = NULL, *m;
    char    created[25], root[65], *text = NULL, *path = pl_path_join(j->top, BACKUP_MANIFEST);
    pl_rc   rc = backup_list(j->top, &files, err);

    pl_time_format(pl_now_ms(), created);
    pl_hex(j->head.root.b, 32, root);
    m = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:{s:I, s:s}, s:o?}", "format", BACKUP_FORMAT,
                  "created", created, "software", pl_version(), "instance", j->inst.id, "origin",
                  j->inst.origin, "database",
                  backup_db_is_sqlite(&j->inst) ? "sqlite" : "postgresql", "ledger", "size",
                  (json_int_t)j->head.size, "root", root, "files", files);
    text = m != NULL ? pl_json_pretty(m) : NULL;
    if (rc == PL_OK)
        rc = text != NULL && path != NULL
                 ? pl_file_write_atomic(path, pl_str_z(text), 0600, err)
                 : pl_fail(err, PL_NOMEM, "out of memory");
    json_decref(m);
    free(text);
    free(path);
    return rc;
}

static pl_rc fill(job *j, pl_error *err)
{
    static const char *const parts[] = { "plumbline.yaml", "policy", "packs", "keys" };
    pl_rc rc = backup_db_save(&j->inst, j->top, err);

    if (rc == PL_OK)
        rc = ledger_save(j, err);
    for (size_t i = 0; rc == PL_OK && i < sizeof parts / sizeof parts[0]; i++)
        rc = backup_copy(j->inst.dir, j->top, parts[i], NULL, err);
    if (rc == PL_OK)
        rc = ledger_check(j, err);
    if (rc == PL_OK)
        rc = manifest_write(j, err);
    return rc;
}

/* --- putting it in place --------------------------------------------------------------- */

static pl_rc as_tar(const job *j, const char *out, pl_error *err)
{
    char        temp[1300];
    const char *argv[] = { "tar", "--create", "--sparse", "--format=posix", "--owner=0",
                           "--group=0", "--file", temp, "--directory", j->staging, BACKUP_TOP,
                           NULL };
    pl_rc       rc;

    (void)snprintf(temp, sizeof temp, "%s/backup.tar", j->staging);
    rc = backup_run(argv, err);
    if (rc == PL_OK && chmod(temp, 0600) != 0)
        rc = pl_fail(err, PL_IO, "cannot set the mode of '%.150s'", temp);
    return rc == PL_OK ? backup_move(temp, out, err) : rc;
}

static bool wants_tar(const char *out)
{
    return pl_str_ends(pl_str_z(out), PL_STR(".tar"));
}

static pl_rc make(pl_cmd_ctx *c, job *j, const char *out, pl_error *err)
{
    pl_rc rc = pl_instance_open(pl_cmd_dir(c), &j->inst, err);

    if (rc == PL_OK && access(out, F_OK) == 0)
        rc = pl_fail(err, PL_CONFLICT, "exists already: '%.180s'", out);
    if (rc == PL_OK)
        rc = backup_staging(out, j->staging, sizeof j->staging, err);
    if (rc != PL_OK)
        return rc;
    (void)snprintf(j->top, sizeof j->top, "%s/" BACKUP_TOP, j->staging);
    rc = pl_mkdir_p(j->top, 0700, err);
    if (rc == PL_OK)
        rc = fill(j, err);
    if (rc == PL_OK)
        rc = wants_tar(out) ? as_tar(j, out, err) : backup_move(j->top, out, err);
    backup_remove(j->staging);
    return rc;
}

static void report(pl_cmd_ctx *c, const job *j, const char *out)
{
    if (c->json) {
        json_t *row = json_pack("{s:s, s:s, s:I}", "backup", out, "instance", j->inst.id,
                                "ledger_size", (json_int_t)j->head.size);
        char   *text = pl_json_dump(row);

        (void)fprintf(c->out, "%s\n", text != NULL ? text : "{}");
        free(text);
        json_decref(row);
        return;
    }
    (void)fprintf(c->out, "%s: %s %llu\n", out,
                  pl_cmd_say(c, "verified, ledger entries:", "已校验，账本条目："),
                  (unsigned long long)j->head.size);
    (void)fprintf(c->out, "%s\n",
                  pl_cmd_say(c, "It holds the signing key: keep it as secret as the instance.",
                             "其中含有签名密钥：请像实例本身一样保密。"));
}

int pl_cli_backup(pl_cmd_ctx *c)
{
    job      j = { .c = c };
    mode_t   mask = umask(022);
    pl_error err;
    pl_rc    rc = make(c, &j, c->argv[0], &err);

    (void)umask(mask);
    if (rc != PL_OK)
        return pl_cmd_fail(c, &err);
    report(c, &j, c->argv[0]);
    return PL_EXIT_OK;
}
