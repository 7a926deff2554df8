/* Shared by backup*.c and restore.c. What a backup holds: docs/formats/backup.md. */
#ifndef PL_HOST_BACKUP_INT_H
#define PL_HOST_BACKUP_INT_H

#include "base/json.h"
#include "cap/instance.h"

#define BACKUP_FORMAT   "plumbline-backup/1"
#define BACKUP_MANIFEST "backup.json"
#define BACKUP_TOP      "plumbline-backup" /* the folder inside a tar file */
#define BACKUP_SQLITE   "state.db"
#define BACKUP_PGDUMP   "state.pgdump"

/* --- backup_files.c -------------------------------------------------------------------- */

/* Copies the regular files and folders of from/rel to to/rel, flushed. Temporary files
 * that vanish meanwhile are left out; links and special files are an error. An absent
 * from/rel is nothing to copy. `skip` (may be NULL) names an entry of the top folder. */
pl_rc backup_copy(const char *from, const char *to, const char *rel, const char *skip,
                  pl_error *err);
/* One array row per file below dir: {"path","size","sha256","mode"}, sorted by path. The
 * manifest itself is left out. PL_INVALID on a link or a special file. */
pl_rc backup_list(const char *dir, json_t **out, pl_error *err);
/* SHA-256 over name and content of the regular files directly in dir. */
pl_rc backup_top_digest(const char *dir, uint8_t out[32], pl_error *err);
/* Copies those files, except `lock`. */
pl_rc backup_top_copy(const char *from, const char *to, pl_error *err);
void  backup_remove(const char *path);
/* rename() that replaces nothing: PL_CONFLICT when `to` exists. */
pl_rc backup_move(const char *from, const char *to, pl_error *err);

/* Runs a program and waits. PL_IO when it cannot run or fails. argv[0] is looked up in PATH. */
pl_rc backup_run(const char *const *argv, pl_error *err);
/* Makes "PATH.new-XXXXXX", mode 0700; out holds at least strlen(path) + 12 bytes. */
pl_rc backup_staging(const char *path, char *out, size_t cap, pl_error *err);

/* --- backup_db.c ----------------------------------------------------------------------- */

bool  backup_db_is_sqlite(const pl_instance *i);
/* A consistent copy of the database, taken while others write to it. */
pl_rc backup_db_save(const pl_instance *i, const char *dir, pl_error *err);
/* SQLite: checks the copy. PostgreSQL: loads the dump into a database not in use. */
pl_rc backup_db_check(const char *url, pl_error *err);
pl_rc backup_db_load(const char *url, const char *dir, pl_error *err);
#endif
