#include "base/banned.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/str.h"
#include "cap/ledger/ledger_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

pl_rc pl_ledger_rc(int e)
{
    switch (e) {
    case ENOSPC:
    case EDQUOT:
    case EMFILE: /* also passes: somebody closes a file */
    case ENFILE:
        return PL_FULL;
    default:
        return PL_IO;
    }
}

static pl_rc sys_fail(pl_error *err, const char *doing, const char *what)
{
    int         e = errno;
    const char *why = strerrordesc_np(e);
    pl_rc       rc = pl_ledger_rc(e);

    return pl_fail(err, rc, "cannot %s '%s': %s", doing, what, why ? why : "unknown system error");
}

static int fault(const char *name)
{
    int e = pl_fault_point(name);

    if (e == 0)
        return 0;
    errno = e;
    return -1;
}

pl_rc pl_ledger_flush(int fd, const char *what, pl_error *err)
{
    /* Even ENOSPC is final here: after a failed flush nobody knows what is on the disk.
     * REQ: evidence-ledger/7.4 */
    if (fault("fdatasync") != 0 || fdatasync(fd) != 0) {
        (void)sys_fail(err, "flush", what);
        if (err != NULL)
            err->rc = PL_IO;
        return PL_IO;
    }
    return PL_OK;
}

pl_rc pl_ledger_path(const char *dir, const char *rel, char **out, pl_error *err)
{
    char *p = pl_path_join(dir, rel);

    if (p == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    *out = p;
    return PL_OK;
}

/* --- touched directories --------------------------------------------------------------- */

/* REQ: evidence-ledger/7.5 */
static pl_rc touched_add(touched *t, const char *path, pl_error *err)
{
    touched_dir *more;
    char        *copy;
    int          fd;

    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->dirs[i].path, path) == 0)
            return PL_OK;
    fd = fault("open") == 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0)
        return sys_fail(err, "open", path);
    copy = pl_str_dup(pl_str_z(path));
    more = copy ? realloc(t->dirs, (t->n + 1) * sizeof(*more)) : NULL;
    if (more == NULL) {
        free(copy);
        (void)close(fd);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    more[t->n] = (touched_dir){ copy, fd };
    t->dirs = more;
    t->n++;
    return PL_OK;
}

static void open_file_drop(open_file *f)
{
    (void)close(f->fd);
    (void)unlink(f->temp);
    free(f->temp);
    free(f->path);
}

void pl_touched_done(touched *t)
{
    for (unsigned i = 0; i < t->open_n; i++)
        open_file_drop(&t->open[i]);
    for (size_t i = 0; i < t->n; i++) {
        (void)close(t->dirs[i].fd);
        free(t->dirs[i].path);
    }
    free(t->dirs);
    *t = (touched){ .dirs = NULL };
}

/* --- flushing side by side ------------------------------------------------------------- */

/* A flush waits for the journal of the file system, which serves all who wait at once: four
 * threads flush the files of a publication in a quarter of the time of one. */
#define FLUSHERS    4
#define FLUSH_ALONE 4 /* so few are not worth threads */

typedef struct flusher {
    const touched *t;
    unsigned       from;
    pthread_t      thread;
    bool           has_thread;
    pl_rc          rc;
    pl_error       err;
} flusher;

static void *flush_every_fourth(void *arg)
{
    flusher *f = arg;

    for (unsigned i = f->from; f->rc == PL_OK && i < f->t->open_n; i += FLUSHERS)
        f->rc = pl_ledger_flush(f->t->open[i].fd, f->t->open[i].temp, &f->err);
    return NULL;
}

static pl_rc files_flush(const touched *t, pl_error *err)
{
    flusher f[FLUSHERS];
    pl_rc   rc = PL_OK;

    for (unsigned i = 0; i < FLUSHERS; i++) {
        f[i] = (flusher){ .t = t, .from = i };
        f[i].has_thread = t->open_n > FLUSH_ALONE && i > 0 &&
                          pthread_create(&f[i].thread, NULL, flush_every_fourth, &f[i]) == 0;
    }
    for (unsigned i = 0; i < FLUSHERS; i++)
        if (!f[i].has_thread)
            (void)flush_every_fourth(&f[i]);
    for (unsigned i = 0; i < FLUSHERS; i++) {
        if (f[i].has_thread)
            (void)pthread_join(f[i].thread, NULL);
        if (f[i].rc != PL_OK)
            rc = pl_fail(err, f[i].rc, "%s", f[i].err.text);
    }
    return rc;
}

/* Gives a flushed file its name. */
static pl_rc open_file_finish(open_file *f, pl_error *err)
{
    /* What is read back before signing should come from the disk, not from memory. */
    (void)posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED);
    if (fault("rename") != 0 || rename(f->temp, f->path) != 0)
        return sys_fail(err, "rename", f->path);
    (void)close(f->fd);
    free(f->temp);
    free(f->path);
    return PL_OK;
}

pl_rc pl_touched_finish(touched *t, pl_error *err)
{
    pl_rc    rc = files_flush(t, err);
    unsigned done = 0;

    while (rc == PL_OK && done < t->open_n) {
        rc = open_file_finish(&t->open[done], err);
        done += rc == PL_OK;
    }
    t->open_n -= done;
    memmove(t->open, t->open + done, t->open_n * sizeof(t->open[0]));
    return rc;
}

pl_rc pl_touched_sync(touched *t, pl_error *err)
{
    pl_rc    rc = pl_touched_finish(t, err);
    pl_error settle_err;

    if (pl_touched_settle(t, &settle_err) != PL_OK)
        rc = pl_fail(err, PL_IO, "%s", settle_err.text);
    return rc;
}

pl_rc pl_touched_settle(touched *t, pl_error *err)
{
    pl_rc rc = PL_OK;

    for (size_t i = 0; rc == PL_OK && i < t->n; i++)
        if (fault("fsync") != 0 || fsync(t->dirs[i].fd) != 0) {
            (void)sys_fail(err, "flush", t->dirs[i].path);
            rc = PL_IO;
        }
    if (rc != PL_OK && err != NULL)
        err->rc = rc;
    pl_touched_done(t);
    return rc;
}

/* --- whole files ----------------------------------------------------------------------- */

static pl_rc temp_fill(int fd, const char *temp, pl_str bytes, mode_t mode, pl_error *err)
{
    if (fchmod(fd, mode) != 0)
        return sys_fail(err, "set the mode of", temp);
    errno = 0;
    if (pl_pwrite_all(fd, bytes.p, bytes.n, 0, err) != PL_OK)
        return sys_fail(err, "write", temp);
    /* A hint: with the blocks of all files given out, the first flush commits them all. */
    (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    return PL_OK;
}

static pl_rc temp_make(const char *dir, pl_str bytes, mode_t mode, open_file *out, pl_error *err)
{
    char *temp = NULL;
    pl_rc rc = pl_ledger_path(dir, "tmp/new-XXXXXX", &temp, err);
    int   fd = -1;

    if (rc != PL_OK)
        return rc;
    if (fault("open") == 0)
        fd = mkostemp(temp, O_CLOEXEC);
    rc = fd >= 0 ? temp_fill(fd, temp, bytes, mode, err) : sys_fail(err, "create", temp);
    if (rc == PL_OK) {
        *out = (open_file){ fd, temp, NULL };
        return PL_OK;
    }
    if (fd >= 0) {
        (void)close(fd);
        (void)unlink(temp);
    }
    free(temp);
    return rc;
}

/* The folder part of a path that has one; the caller frees it. */
static char *parent_of(const char *path)
{
    return pl_str_dup((pl_str){ path, (size_t)(strrchr(path, '/') - path) });
}

/* Makes the folder `path` below dir, and holds open every folder that changed. */
static pl_rc folder_make(const char *dir, const char *path, touched *t, pl_error *err)
{
    size_t base = strlen(dir) + 1;
    pl_rc  rc = PL_OK;

    for (size_t i = base; rc == PL_OK && i <= strlen(path); i++) {
        char *part, *parent;

        if (path[i] != '/' && path[i] != '\0')
            continue;
        part = pl_str_dup((pl_str){ path, i });
        parent = part ? parent_of(part) : NULL;
        if (parent == NULL)
            rc = pl_fail(err, PL_NOMEM, "out of memory");
        else if (access(part, F_OK) != 0) {
            rc = touched_add(t, parent, err);
            if (rc == PL_OK && (fault("mkdir") != 0 || mkdir(part, 0755) != 0) && errno != EEXIST)
                rc = sys_fail(err, "create directory", part);
        }
        free(part);
        free(parent);
    }
    return rc;
}

/* Makes the folder of `path` when it is not there, and holds it open. */
static pl_rc parent_ready(const char *dir, const char *path, touched *t, pl_error *err)
{
    char *parent = parent_of(path);
    pl_rc rc = PL_OK;

    if (parent == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    if (access(parent, F_OK) != 0)
        rc = folder_make(dir, parent, t, err);
    if (rc == PL_OK)
        rc = touched_add(t, parent, err);
    free(parent);
    return rc;
}

/* REQ: evidence-ledger/7.21 */
pl_rc pl_ledger_put(const char *dir, const char *rel, pl_str bytes, mode_t mode, touched *t,
                    pl_error *err)
{
    char     *path = NULL;
    open_file f = { .fd = -1 };
    pl_rc     rc = pl_ledger_path(dir, rel, &path, err);

    if (rc == PL_OK && t->open_n == LEDGER_OPEN_MAX)
        rc = pl_touched_finish(t, err);
    if (rc == PL_OK)
        rc = parent_ready(dir, path, t, err);
    if (rc == PL_OK)
        rc = temp_make(dir, bytes, mode, &f, err);
    /* Perhaps too many files are open, and these are some of them. */
    if (rc == PL_FULL && t->open_n > 0) {
        rc = pl_touched_finish(t, err);
        if (rc == PL_OK)
            rc = temp_make(dir, bytes, mode, &f, err);
    }
    if (rc != PL_OK) {
        free(path);
        return rc;
    }
    f.path = path;
    t->open[t->open_n++] = f;
    return PL_OK;
}

pl_rc pl_ledger_read(const char *dir, const char *rel, size_t max, char **out, size_t *n,
                     pl_error *err)
{
    char *path = NULL;
    pl_rc rc = pl_ledger_path(dir, rel, &path, err);

    if (rc == PL_OK)
        rc = pl_file_read(path, max, out, n, err);
    free(path);
    return rc;
}

pl_rc pl_ledger_read_line(const char *dir, const char *rel, char *out, size_t cap, pl_error *err)
{
    char  *bytes = NULL;
    size_t n = 0;
    pl_rc  rc = pl_ledger_read(dir, rel, cap, &bytes, &n, err);

    if (rc == PL_LIMIT)
        return pl_fail(err, PL_INVALID, "file '%s' is too long", rel);
    if (rc != PL_OK)
        return rc;
    if (n < 2 || bytes[n - 1] != '\n' || memchr(bytes, '\n', n) != bytes + n - 1 ||
        memchr(bytes, '\0', n) != NULL)
        rc = pl_fail(err, PL_INVALID, "file '%s' is not one line", rel);
    else
        memcpy(out, bytes, n);
    if (rc == PL_OK)
        out[n - 1] = '\0';
    free(bytes);
    return rc;
}

void pl_ledger_sweep(const char *dir, const char *rel, bool whole)
{
    char          *path = pl_path_join(dir, rel);
    DIR           *d = path ? opendir(path) : NULL;
    struct dirent *e;

    while (d != NULL && (e = readdir(d)) != NULL)
        if (e->d_name[0] != '.' && fault("unlink") == 0)
            (void)unlinkat(dirfd(d), e->d_name, 0);
    if (d != NULL) {
        (void)closedir(d);
        if (whole && fault("rmdir") == 0)
            (void)rmdir(path);
    }
    free(path);
}

/* --- bundles --------------------------------------------------------------------------- */

void pl_bundle_put(pl_buf *b, pl_str entry)
{
    pl_buf_putc(b, (char)(entry.n >> 8));
    pl_buf_putc(b, (char)(entry.n & 0xff));
    pl_buf_put(b, entry);
}

pl_rc pl_bundle_take(pl_str *rest, pl_str *entry, pl_error *err)
{
    size_t n;

    if (rest->n < 2)
        return pl_fail(err, PL_INVALID, "bundle ends inside an entry's length");
    n = (size_t)(uint8_t)rest->p[0] << 8 | (uint8_t)rest->p[1];
    if (rest->n - 2 < n)
        return pl_fail(err, PL_INVALID, "bundle ends inside an entry");
    *entry = (pl_str){ rest->p + 2, n };
    *rest = (pl_str){ rest->p + 2 + n, rest->n - 2 - n };
    return PL_OK;
}
