#include "base/banned.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_FIRST 4096u

/* Fails with the reason of errno. strerrordesc_np, because strerror is not promised to
 * be thread-safe. */
static pl_rc sys_fail(pl_error *err, const char *doing, const char *path)
{
    int         e = errno;
    const char *why = strerrordesc_np(e);
    pl_rc       rc = e == ENOENT ? PL_NOTFOUND : e == ENOMEM ? PL_NOMEM : PL_IO;

    if (why == NULL)
        why = "unknown system error";
    if (path == NULL)
        return pl_fail(err, rc, "cannot %s: %s", doing, why);
    return pl_fail(err, rc, "cannot %s '%s': %s", doing, path, why);
}

/* 0, or -1 with errno set by an injected fault. */
static int fault(const char *name)
{
    int e = pl_fault_point(name);

    if (e == 0)
        return 0;
    errno = e;
    return -1;
}

static int open_retry(const char *path, int flags, mode_t mode)
{
    int fd;

    do
        fd = open(path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* --- reading ------------------------------------------------------------------ */

static ssize_t read_retry(int fd, char *p, size_t n)
{
    ssize_t got;

    do
        got = read(fd, p, n);
    while (got < 0 && errno == EINTR);
    return got;
}

/* Reads until the end of the file; a file may grow meanwhile, and a pipe has no size. */
static pl_rc read_fd(int fd, const char *path, size_t max, char **out, size_t *n, pl_error *err)
{
    size_t cap = READ_FIRST, len = 0;
    char  *p = malloc(cap);

    while (p != NULL) {
        ssize_t got = read_retry(fd, p + len, cap - len);
        char   *bigger;

        if (got < 0) {
            free(p);
            return sys_fail(err, "read", path);
        }
        len += (size_t)got;
        if (len > max) {
            free(p);
            return pl_fail(err, PL_LIMIT, "file is larger than %zu bytes: '%s'", max, path);
        }
        if (got == 0 && len < cap) {
            p[len] = '\0';
            *out = p;
            *n = len;
            return PL_OK;
        }
        if (len < cap)
            continue;
        cap *= 2;
        bigger = realloc(p, cap);
        if (bigger == NULL)
            free(p);
        p = bigger;
    }
    return pl_fail(err, PL_NOMEM, "out of memory");
}

pl_rc pl_file_read(const char *path, size_t max, char **out, size_t *n, pl_error *err)
{
    pl_rc rc;
    int   fd;

    if (strcmp(path, "-") == 0)
        return read_fd(STDIN_FILENO, "-", max, out, n, err);
    fd = open_retry(path, O_RDONLY, 0);
    if (fd < 0)
        return sys_fail(err, "open", path);
    rc = read_fd(fd, path, max, out, n, err);
    (void)close(fd);
    return rc;
}

pl_rc pl_map_file(const char *path, size_t max, pl_str *out, pl_error *err)
{
    struct stat st;
    void       *p;
    int         fd = open_retry(path, O_RDONLY | O_NONBLOCK, 0);
    pl_rc       rc = PL_OK;

    if (fd < 0)
        return sys_fail(err, "open", path);
    if (fstat(fd, &st) != 0)
        rc = sys_fail(err, "stat", path);
    else if (!S_ISREG(st.st_mode))
        rc = pl_fail(err, PL_INVALID, "not a regular file: '%s'", path);
    else if ((uint64_t)st.st_size > max)
        rc = pl_fail(err, PL_LIMIT, "file is larger than %zu bytes: '%s'", max, path);
    if (rc != PL_OK) {
        (void)close(fd);
        return rc;
    }
    if (st.st_size == 0) {
        (void)close(fd);
        *out = PL_STR("");
        return PL_OK;
    }
    p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        rc = sys_fail(err, "map", path);
    else
        *out = (pl_str){ p, (size_t)st.st_size };
    (void)close(fd);
    return rc;
}

void pl_unmap(pl_str m)
{
    if (m.n > 0)
        (void)munmap((void *)(uintptr_t)m.p, m.n);
}

/* --- writing ------------------------------------------------------------------ */

static pl_rc write_loop(int fd, const char *p, size_t n, off_t at, bool positioned, pl_error *err)
{
    while (n > 0) {
        int     e = 0;
        size_t  part = pl_fault_write(positioned ? "pwrite" : "write", n, &e);
        ssize_t done;

        if (e != 0) {
            errno = e;
            return sys_fail(err, "write", NULL);
        }
        done = positioned ? pwrite(fd, p, part, at) : write(fd, p, part);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            if (done == 0)
                errno = EIO;
            return sys_fail(err, "write", NULL);
        }
        p += done;
        at += done;
        n -= (size_t)done;
    }
    return PL_OK;
}

pl_rc pl_write_all(int fd, const void *p, size_t n, pl_error *err)
{
    return write_loop(fd, p, n, 0, false, err);
}

pl_rc pl_pwrite_all(int fd, const void *p, size_t n, off_t at, pl_error *err)
{
    return write_loop(fd, p, n, at, true, err);
}

static pl_rc sync_fd(int fd, const char *path, pl_error *err)
{
    if (fault("fsync") != 0 || fsync(fd) != 0)
        return sys_fail(err, "sync", path);
    return PL_OK;
}

pl_rc pl_fsync_dir(const char *path, pl_error *err)
{
    int   fd = open_retry(path, O_RDONLY | O_DIRECTORY, 0);
    pl_rc rc;

    if (fd < 0)
        return sys_fail(err, "open", path);
    rc = sync_fd(fd, path, err);
    (void)close(fd);
    return rc;
}

/* The directory part of path, malloc'd. */
static char *dir_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        return pl_str_dup(PL_STR("."));
    if (slash == path)
        return pl_str_dup(PL_STR("/"));
    return pl_str_dup((pl_str){ path, (size_t)(slash - path) });
}

static pl_rc fill_temp(int fd, const char *temp, pl_str content, mode_t mode, pl_error *err)
{
    pl_rc rc;

    if (fchmod(fd, mode) != 0)
        return sys_fail(err, "set the mode of", temp);
    rc = pl_write_all(fd, content.p, content.n, err);
    if (rc == PL_OK)
        rc = sync_fd(fd, temp, err);
    return rc;
}

/* Writes and syncs a temporary file; on failure nothing of it is left. */
static pl_rc write_temp(char *temp, pl_str content, mode_t mode, pl_error *err)
{
    int   fd = fault("open") == 0 ? mkostemp(temp, O_CLOEXEC) : -1;
    pl_rc rc;

    if (fd < 0)
        return sys_fail(err, "create", temp);
    rc = fill_temp(fd, temp, content, mode, err);
    if (close(fd) != 0 && rc == PL_OK)
        rc = sys_fail(err, "close", temp);
    if (rc != PL_OK)
        (void)unlink(temp);
    return rc;
}

static pl_rc replace(const char *temp, const char *path, pl_error *err)
{
    pl_rc rc;

    if (fault("rename") == 0 && rename(temp, path) == 0)
        return PL_OK;
    rc = sys_fail(err, "replace", path);
    (void)unlink(temp);
    return rc;
}

pl_rc pl_file_write_atomic(const char *path, pl_str content, mode_t mode, pl_error *err)
{
    static const char suffix[] = ".tmp-XXXXXX";
    size_t            n = strlen(path);
    char             *dir = dir_of(path);
    char             *temp = dir != NULL ? malloc(n + sizeof suffix) : NULL;
    pl_rc             rc;

    if (temp == NULL) {
        free(dir);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    memcpy(temp, path, n);
    memcpy(temp + n, suffix, sizeof suffix);
    rc = write_temp(temp, content, mode, err);
    if (rc == PL_OK)
        rc = replace(temp, path, err);
    if (rc == PL_OK)
        rc = pl_fsync_dir(dir, err);
    free(dir);
    free(temp);
    return rc;
}

/* --- directories, locks, paths ------------------------------------------------- */

static pl_rc make_one_dir(const char *path, mode_t mode, pl_error *err)
{
    struct stat st;
    char       *parent;
    pl_rc       rc;

    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return PL_OK;
        return pl_fail(err, PL_CONFLICT, "exists but is not a directory: '%s'", path);
    }
    if (fault("mkdir") != 0 || (mkdir(path, mode) != 0 && errno != EEXIST))
        return sys_fail(err, "create directory", path);
    parent = dir_of(path);
    if (parent == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    rc = pl_fsync_dir(parent, err);
    free(parent);
    return rc;
}

pl_rc pl_mkdir_p(const char *path, mode_t mode, pl_error *err)
{
    char *work = pl_str_dup(pl_str_z(path));
    pl_rc rc = PL_OK;

    if (work == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    for (char *p = work; rc == PL_OK && *p != '\0'; p++) {
        if (*p != '/' || p == work || p[-1] == '/')
            continue;
        *p = '\0';
        rc = make_one_dir(work, mode, err);
        *p = '/';
    }
    /* dir_of looks for the last slash, which must not be a trailing one. */
    for (size_t n = strlen(work); n > 1 && work[n - 1] == '/'; n--)
        work[n - 1] = '\0';
    if (rc == PL_OK)
        rc = make_one_dir(work, mode, err);
    free(work);
    return rc;
}

pl_rc pl_lock_file(const char *path, int *fd, pl_error *err)
{
    int f = fault("open") == 0 ? open_retry(path, O_RDWR | O_CREAT, 0600) : -1;
    int r;

    if (f < 0)
        return sys_fail(err, "open", path);
    do
        r = flock(f, LOCK_EX | LOCK_NB);
    while (r != 0 && errno == EINTR);
    if (r != 0) {
        pl_rc rc = errno == EWOULDBLOCK
                       ? pl_fail(err, PL_CONFLICT, "another process holds the lock '%s'", path)
                       : sys_fail(err, "lock", path);

        (void)close(f);
        return rc;
    }
    *fd = f;
    return PL_OK;
}

char *pl_path_join(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b);
    bool   slash = na > 0 && a[na - 1] != '/';
    char  *z = malloc(na + nb + 2);

    if (z == NULL)
        return NULL;
    memcpy(z, a, na);
    if (slash)
        z[na++] = '/';
    memcpy(z + na, b, nb + 1);
    return z;
}
