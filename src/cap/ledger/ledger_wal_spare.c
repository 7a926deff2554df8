/* Segments made in advance, by the publisher, so that appends need not wait for one.
 *
 * They are full of zeros that were written: a frame that overwrites them changes no metadata
 * of the file system, and its flush does not wait for the journal that the files of a
 * publication keep busy. They lie in tmp/, which is emptied by every opening. */
#include "base/banned.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/str.h"
#include "cap/ledger/ledger_wal_int.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SPARES_MAX 4
#define BLOCK      (1u << 18)
#define RESERVE    (4u << 20) /* for upper tiles, checkpoint, folders */

static void spare_name(unsigned i, char out[32])
{
    (void)snprintf(out, 32, "tmp/spare-%u", i);
}

static pl_rc zeros_write(int fd, size_t bytes, pl_error *err)
{
    static const char zeros[BLOCK];
    pl_rc             rc = PL_OK;

    for (size_t at = 0; rc == PL_OK && at < bytes; at += BLOCK)
        rc = pl_pwrite_all(fd, zeros, bytes - at < BLOCK ? bytes - at : BLOCK, (off_t)at, err);
    return rc == PL_OK ? pl_ledger_flush(fd, "spare", err) : rc;
}

/* Appears whole under its name, because the leader may look for it at any time. */
static bool spare_make(const char *dir, size_t bytes, const char *path)
{
    char *temp = pl_path_join(dir, "tmp/spare-new");
    int   fd = -1;
    bool  is_made;

    if (temp != NULL && pl_fault_point("open") == 0)
        fd = open(temp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    is_made = fd >= 0 && zeros_write(fd, bytes, NULL) == PL_OK &&
              pl_fault_point("rename") == 0 && rename(temp, path) == 0;
    if (fd >= 0)
        (void)close(fd);
    if (fd >= 0 && !is_made)
        (void)unlink(temp);
    free(temp);
    return is_made;
}

void pl_wal_spares_fill(const char *dir, size_t segment_bytes, unsigned want)
{
    bool goes_on = true;

    for (unsigned i = 0; goes_on && i < want && i < SPARES_MAX; i++) {
        char  name[32];
        char *path;

        spare_name(i, name);
        path = pl_path_join(dir, name);
        goes_on = path != NULL &&
                  (access(path, F_OK) == 0 || spare_make(dir, segment_bytes, path));
        free(path);
    }
}

int pl_wal_spare_take(const char *dir, const char *segment)
{
    char *to = pl_path_join(dir, segment);
    int   fd = -1;

    for (unsigned i = SPARES_MAX; to != NULL && fd < 0 && i-- > 0;) {
        char  name[32];
        char *from;

        spare_name(i, name);
        from = pl_path_join(dir, name);
        if (from != NULL && access(from, F_OK) == 0 && pl_fault_point("rename") == 0 &&
            rename(from, to) == 0)
            fd = open(to, O_RDWR | O_CLOEXEC);
        free(from);
    }
    free(to);
    return fd;
}

/* REQ: evidence-ledger/7.3 */
pl_rc pl_wal_room_check(const wal *w, size_t segment, pl_error *err)
{
    const unsigned long long need = 2ull * segment + w->owed + RESERVE;
    struct statvfs           fs;

    if (statvfs(w->dir, &fs) != 0)
        return PL_OK; /* what follows will say what is wrong */
    if ((unsigned long long)fs.f_bavail * fs.f_frsize >= need)
        return PL_OK;
    return pl_fail(err, PL_FULL,
                   "disk is nearly full: the rest is kept for publishing what was accepted");
}
