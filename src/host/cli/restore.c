/* `plumbline restore`: a backup becomes an instance again, after everything about it was
 * checked: every file against the manifest, the ledger as a whole, the database. */
#include "base/banned.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "cap/ledger/pl_ledger.h"
#include "host/cli/backup_int.h"
#include "host/cli/cli.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANIFEST_MAX (256u << 20)
#define CONFIG_MAX   (1u << 20)

typedef struct job {
    pl_cmd_ctx *c;
    const char *source, *target, *database; /* database: --database or NULL */
    char        staging[1100];              /* beside the target; becomes it */
    json_t     *manifest;
    pl_instance inst;
    uint64_t    size;
} job;

/* --- getting the files ----------------------------------------------------------------- */

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static pl_rc copy_folder(const job *j, pl_error *err)
{
    static const char *const parts[] = { BACKUP_MANIFEST, "plumbline.yaml", "policy", "packs",
                                         "keys", "ledger", BACKUP_SQLITE, BACKUP_PGDUMP };
    pl_rc rc = PL_OK;

    for (size_t i = 0; rc == PL_OK && i < sizeof parts / sizeof parts[0]; i++)
        rc = backup_copy(j->source, j->staging, parts[i], NULL, err);
    return rc;
}

static pl_rc unpack(const job *j, pl_error *err)
{
    const char *argv[] = { "tar", "--extract", "--no-same-owner", "--same-permissions",
                           "--strip-components=1", "--file", j->source, "--directory", j->staging,
                           NULL };

    return is_folder(j->source) ? copy_folder(j, err) : backup_run(argv, err);
}

/* --- the manifest ---------------------------------------------------------------------- */

static bool is_sqlite(const job *j)
{
    const char *kind = json_string_value(json_object_get(j->manifest, "database"));

    return kind != NULL && strcmp(kind, "sqlite") == 0;
}

static pl_rc manifest_read(job *j, pl_error *err)
{
    char       *path = pl_path_join(j->staging, BACKUP_MANIFEST), *text = NULL;
    const char *format;
    size_t      n = 0;
    pl_rc       rc = path != NULL ? pl_file_read(path, MANIFEST_MAX, &text, &n, err)
                                  : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_NOTFOUND)
        rc = pl_fail(err, PL_INVALID, "not a backup, '" BACKUP_MANIFEST "' is missing: '%.150s'",
                     j->source);
    if (rc == PL_OK)
        rc = pl_json_parse((pl_str){ text, n }, BACKUP_MANIFEST, &j->manifest, err);
    format = json_string_value(json_object_get(j->manifest, "format"));
    if (rc == PL_OK && (format == NULL || strcmp(format, BACKUP_FORMAT) != 0))
        rc = pl_fail(err, PL_INVALID, "a backup of another format: '%.60s'",
                     format != NULL ? format : "");
    if (rc == PL_OK && j->database != NULL && is_sqlite(j))
        rc = pl_fail(err, PL_INVALID, "--database is for backups of PostgreSQL; this one is of "
                     "SQLite");
    free(path);
    free(text);
    return rc;
}

/* path → row, so that the order of directories does not matter. */
static json_t *by_path(const json_t *rows)
{
    json_t *out = json_object(), *row;
    size_t  i;

    json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
        const char *path = json_string_value(json_object_get(row, "path"));

        if (path != NULL)
            (void)json_object_set(out, path, row);
    }
    return out;
}

static bool same(const json_t *a, const json_t *b, const char *key)
{
    return json_equal(json_object_get(a, key), json_object_get(b, key));
}

static pl_rc rows_compare(const json_t *want, const json_t *have, pl_error *err)
{
    const char *path;
    json_t     *row, *other;

    json_object_foreach((json_t *)(uintptr_t)want, path, row) {
        other = json_object_get(have, path);
        if (other == NULL)
            return pl_fail(err, PL_INVALID, "the backup is damaged: '%.150s' is missing", path);
        if (!same(row, other, "size") || !same(row, other, "sha256"))
            return pl_fail(err, PL_INVALID, "the backup is damaged: '%.150s' was changed", path);
    }
    json_object_foreach((json_t *)(uintptr_t)have, path, row)
        if (json_object_get(want, path) == NULL)
            return pl_fail(err, PL_INVALID, "the backup holds a file it does not list: '%.150s'",
                           path);
    return PL_OK;
}

static pl_rc files_check(const job *j, pl_error *err)
{
    json_t *list = NULL, *want = NULL, *have = NULL;
    pl_rc   rc = backup_list(j->staging, &list, err);

    if (rc != PL_OK)
        return rc;
    want = by_path(json_object_get(j->manifest, "files"));
    have = by_path(list);
    rc = rows_compare(want, have, err);
    json_decref(want);
    json_decref(have);
    json_decref(list);
    return rc;
}

/* --- making it an instance ------------------------------------------------------------- */

static const char *database_url(const job *j)
{
    return is_sqlite(j) ? "sqlite:" BACKUP_SQLITE : j->database;
}

/* The line "database: …" of the configuration, and only it. */
static void config_put(pl_buf *out, pl_str text, const char *url)
{
    pl_str line;

    while (pl_str_split(&text, '\n', &line)) {
        if (pl_str_starts(line, PL_STR("database:"))) {
            pl_buf_puts(out, "database: \"");
            pl_buf_json(out, pl_str_z(url));
            pl_buf_puts(out, "\"\n");
        } else {
            pl_buf_put(out, line);
            pl_buf_putc(out, '\n');
        }
    }
}

/* A SQLite file elsewhere, or another PostgreSQL: the restored instance names what it has. */
static pl_rc config_adapt(const job *j, pl_error *err)
{
    const char *url = database_url(j);
    char       *path = pl_path_join(j->staging, "plumbline.yaml"), *text = NULL;
    pl_buf      out = PL_BUF_INIT(2 * CONFIG_MAX);
    size_t      n = 0;
    pl_rc       rc = path != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK && url != NULL) {
        rc = pl_file_read(path, CONFIG_MAX, &text, &n, err);
        if (rc == PL_OK)
            config_put(&out, (pl_str){ text, n }, url);
        if (rc == PL_OK)
            rc = pl_buf_check(&out, err);
        if (rc == PL_OK)
            rc = pl_file_write_atomic(path, pl_buf_str(&out), 0640, err);
    }
    pl_buf_done(&out);
    free(text);
    free(path);
    return rc;
}

static pl_rc folders_make(const job *j, pl_error *err)
{
    static const struct {
        const char *rel;
        mode_t      mode;
    } folders[] = { { "run", 0770 },        { "gateway", 0770 },        { "log", 0750 },
                    { "nginx", 0750 },      { "ledger/tmp", 0700 },     { "ledger/tile", 0755 },
                    { "ledger/payload", 0700 }, { "ledger/quarantine", 0700 } };
    pl_rc rc = PL_OK;

    for (size_t i = 0; rc == PL_OK && i < sizeof folders / sizeof folders[0]; i++) {
        char *path = pl_path_join(j->staging, folders[i].rel);

        rc = path != NULL ? pl_mkdir_p(path, folders[i].mode, err)
                          : pl_fail(err, PL_NOMEM, "out of memory");
        free(path);
    }
    return rc;
}

/* --- checking it ----------------------------------------------------------------------- */

static pl_rc report_check(const job *j, const pl_ledger_report *r, pl_error *err)
{
    const json_t *was = json_object_get(j->manifest, "ledger");
    const char   *root = json_string_value(json_object_get(was, "root"));
    char          hex[65];

    if (json_array_size(r->problems) > 0)
        return pl_fail(err, PL_INVALID, "the ledger does not verify: %.180s",
                       json_string_value(json_array_get(r->problems, 0)));
    pl_hex(r->root.b, 32, hex);
    if ((json_int_t)r->size != json_integer_value(json_object_get(was, "size")) || root == NULL ||
        strcmp(root, hex) != 0)
        return pl_fail(err, PL_INVALID, "the ledger is not the one the backup speaks of");
    return PL_OK;
}

/* Offline, as anybody would; then as the daemon will, which recovers what a copy of a
 * running ledger may still have to recover. */
static pl_rc ledger_check(job *j, pl_error *err)
{
    char            *dir = pl_instance_path(&j->inst, "ledger");
    pl_ledger_report report = { 0 };
    pl_signer       *signer = NULL;
    pl_ledger       *l = NULL;
    pl_vkey          key;
    pl_cmd_progress progress;
    pl_rc            rc = dir != NULL ? pl_instance_signer(&j->inst, &signer, err)
                                      : pl_fail(err, PL_NOMEM, "out of memory");

    pl_cmd_progress_init(&progress, j->c, pl_cmd_say(j->c, "ledger entries", "账本条目"),
                         PL_PROGRESS_ITEMS);
    if (rc == PL_OK)
        rc = pl_instance_vkey(&j->inst, &key, err);
    if (rc == PL_OK)
        rc = pl_ledger_verify(dir, &key, &report, pl_cmd_progress_tick, &progress, err);
    pl_cmd_progress_end(&progress);
    if (rc == PL_OK)
        rc = report_check(j, &report, err);
    if (rc == PL_OK)
        rc = pl_ledger_open(dir, signer, &l, err);
    if (rc == PL_OK)
        j->size = pl_ledger_size(l);
    pl_ledger_close(l);
    pl_signer_free(signer);
    pl_ledger_report_done(&report);
    free(dir);
    return rc;
}

static pl_rc database_check(const job *j, pl_error *err)
{
    if (backup_db_is_sqlite(&j->inst))
        return backup_db_check(j->inst.database, err);
    return backup_db_load(j->inst.database, j->staging, err);
}

/* The parts of the backup that an instance does not have. */
static void leftovers_remove(const job *j)
{
    static const char *const names[] = { BACKUP_MANIFEST, BACKUP_PGDUMP };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = pl_path_join(j->staging, names[i]);

        if (path != NULL)
            (void)unlink(path);
        free(path);
    }
}

static pl_rc put_in_place(const job *j, pl_error *err)
{
    leftovers_remove(j);
    if (chmod(j->staging, 0750) != 0)
        return pl_fail(err, PL_IO, "cannot set the mode of '%.150s': %s", j->staging,
                       strerrordesc_np(errno));
    return backup_move(j->staging, j->target, err);
}

static pl_rc build(job *j, pl_error *err)
{
    pl_rc rc = unpack(j, err);

    if (rc == PL_OK)
        rc = manifest_read(j, err);
    if (rc == PL_OK)
        rc = files_check(j, err);
    if (rc == PL_OK)
        rc = config_adapt(j, err);
    if (rc == PL_OK)
        rc = folders_make(j, err);
    if (rc == PL_OK)
        rc = pl_instance_open(j->staging, &j->inst, err);
    if (rc == PL_OK)
        rc = ledger_check(j, err);
    if (rc == PL_OK)
        rc = database_check(j, err);
    return rc == PL_OK ? put_in_place(j, err) : rc;
}

static pl_rc restore(job *j, pl_error *err)
{
    pl_rc rc = PL_OK;

    if (access(j->source, R_OK) != 0)
        return pl_fail(err, PL_NOTFOUND, "cannot read '%.150s': %s", j->source,
                       strerrordesc_np(errno));
    if (access(j->target, F_OK) == 0)
        return pl_fail(err, PL_CONFLICT,
                       "exists already: '%.150s'; name a new directory with --dir", j->target);
    rc = backup_staging(j->target, j->staging, sizeof j->staging, err);
    if (rc != PL_OK)
        return rc;
    rc = build(j, err);
    if (rc != PL_OK)
        backup_remove(j->staging);
    return rc;
}

static void report(pl_cmd_ctx *c, const job *j)
{
    if (c->json)
        (void)fprintf(c->out, "{\"restored\":true,\"instance\":\"%s\",\"ledger_size\":%llu}\n",
                      j->inst.id, (unsigned long long)j->size);
    else
        (void)fprintf(c->out, "%s: %s %llu\n", j->target,
                      pl_cmd_say(c, "files, ledger and database verified; ledger entries:",
                                 "文件、账本与数据库均已校验；账本条目："),
                      (unsigned long long)j->size);
}

int pl_cli_restore(pl_cmd_ctx *c)
{
    job      j = { .c = c, .source = c->argv[0], .target = pl_cmd_dir(c),
                   .database = c->opt(c->host, "database") };
    mode_t   mask = umask(022);
    pl_error err;
    pl_rc    rc = restore(&j, &err);

    (void)umask(mask);
    json_decref(j.manifest);
    if (rc != PL_OK)
        return pl_cmd_fail(c, &err);
    report(c, &j);
    return PL_EXIT_OK;
}
