#include "base/banned.h"

#include "base/buf.h"
#include "base/db.h"
#include "base/file.h"
#include "base/str.h"
#include "host/cli/backup_int.h"

#include <errno.h>
#include <sys/stat.h>

bool backup_db_is_sqlite(const pl_instance *i)
{
    return pl_str_starts(pl_str_z(i->database), PL_STR("sqlite:"));
}

/* --- SQLite ---------------------------------------------------------------------------- */

/* VACUUM INTO reads one snapshot and writes a database without a journal beside it. */
static pl_rc sqlite_save(const char *url, const char *path, pl_error *err)
{
    pl_db *db = NULL;
    pl_buf sql = PL_BUF_INIT(8192);
    pl_rc  rc = pl_db_open(url, &db, err);

    if (rc != PL_OK)
        return rc;
    pl_buf_puts(&sql, "VACUUM INTO '");
    for (const char *p = path; *p != '\0'; p++)
        pl_buf_puts(&sql, *p == '\'' ? "''" : (char[]){ *p, '\0' });
    pl_buf_putc(&sql, '\'');
    rc = pl_buf_check(&sql, err);
    if (rc == PL_OK)
        rc = pl_db_exec(db, sql.p, err);
    if (rc == PL_OK && chmod(path, 0600) != 0)
        rc = pl_fail(err, PL_IO, "cannot set the mode of '%.150s': %s", path,
                     strerrordesc_np(errno));
    pl_buf_done(&sql);
    pl_db_close(db);
    return rc;
}

pl_rc backup_db_check(const char *url, pl_error *err)
{
    pl_db      *db = NULL;
    pl_db_stmt *s = NULL;
    pl_rc       rc = pl_db_open(url, &db, err);

    if (rc == PL_OK)
        rc = pl_db_prepare(db, "PRAGMA integrity_check", &s, err);
    if (rc == PL_OK)
        rc = pl_db_step(s, err);
    if (rc == PL_OK && !pl_str_eqz(pl_db_str(s, 0), "ok"))
        rc = pl_fail(err, PL_INVALID, "the database in the backup is damaged: " PL_STR_FMT,
                     (int)(pl_db_str(s, 0).n > 150 ? 150 : pl_db_str(s, 0).n), pl_db_str(s, 0).p);
    pl_db_done(s);
    pl_db_close(db);
    return rc;
}

/* --- PostgreSQL ------------------------------------------------------------------------ */

static pl_rc postgres_save(const char *url, const char *path, pl_error *err)
{
    const char *argv[] = { "pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--file",
                           path, "--dbname", url, NULL };

    return backup_run(argv, err);
}

static pl_rc not_in_use(const char *url, pl_error *err)
{
    pl_db *db = NULL;
    pl_rc  rc = pl_db_open(url, &db, err);
    bool   used;

    if (rc != PL_OK)
        return rc;
    used = pl_db_is_migrated(db);
    pl_db_close(db);
    if (!used)
        return PL_OK;
    return pl_fail(err, PL_CONFLICT,
                   "the database named in the backup holds data already; name an empty one with "
                   "--database URL");
}

pl_rc backup_db_load(const char *url, const char *dir, pl_error *err)
{
    char       *path = pl_path_join(dir, BACKUP_PGDUMP);
    const char *argv[] = { "pg_restore", "--no-owner", "--no-privileges", "--exit-on-error",
                           "--single-transaction", "--dbname", url, path, NULL };
    pl_rc       rc = path != NULL ? not_in_use(url, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = backup_run(argv, err);
    free(path);
    return rc;
}

pl_rc backup_db_save(const pl_instance *i, const char *dir, pl_error *err)
{
    bool  sqlite = backup_db_is_sqlite(i);
    char *path = pl_path_join(dir, sqlite ? BACKUP_SQLITE : BACKUP_PGDUMP);
    pl_rc rc;

    if (path == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    rc = sqlite ? sqlite_save(i->database, path, err) : postgres_save(i->database, path, err);
    free(path);
    return rc;
}
