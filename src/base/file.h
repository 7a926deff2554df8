/* Files, durably. "Atomic" means a reader sees the old or the new content whole,
 * and after PL_OK the new content survives a power cut (file and directory synced). */
#ifndef PL_BASE_FILE_H
#define PL_BASE_FILE_H

#include "base/buf.h"
#include <sys/types.h>

/* Reads at most max bytes, malloc'd and NUL-terminated. PL_LIMIT when larger. "-" is stdin. */
pl_rc pl_file_read(const char *path, size_t max, char **out, size_t *n, pl_error *err);
/* Temporary file beside it, fsync, rename, fsync of the directory. */
pl_rc pl_file_write_atomic(const char *path, pl_str content, mode_t mode, pl_error *err);
pl_rc pl_mkdir_p(const char *path, mode_t mode, pl_error *err);
pl_rc pl_fsync_dir(const char *path, pl_error *err);
/* write/pwrite everything or fail (handles EINTR and short writes). */
pl_rc pl_write_all(int fd, const void *p, size_t n, pl_error *err);
pl_rc pl_pwrite_all(int fd, const void *p, size_t n, off_t at, pl_error *err);
/* Exclusive advisory lock on path (created 0600); the fd holds it. PL_CONFLICT when taken. */
pl_rc pl_lock_file(const char *path, int *fd, pl_error *err);
/* malloc'd "a/b". */
char *pl_path_join(const char *a, const char *b);
/* Read-only mapping of a regular file; unmap with pl_unmap. */
pl_rc pl_map_file(const char *path, size_t max, pl_str *out, pl_error *err);
void  pl_unmap(pl_str m);
#endif
