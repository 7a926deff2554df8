#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/shared_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static pl_rc file_make(int dirfd, const char *name, const shared_head *head, size_t bytes, pl_error *err)
{
    char  tmp[64];
    int   fd, e;
    pl_rc rc = PL_OK;

    snprintf(tmp, sizeof tmp, ".%.40s.%d", name, (int)getpid());
    (void)unlinkat(dirfd, tmp, 0);
    fd = openat(dirfd, tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
    if (fd < 0)
        return pl_fail(err, PL_IO, "cannot create '%s': %s", name, strerror(errno));
    (void)fchmod(fd, 0660);
    e = posix_fallocate(fd, 0, (off_t)bytes);
    if (e || pwrite(fd, head, sizeof *head, 0) != (ssize_t)sizeof *head)
        rc = pl_fail(err, PL_IO, "cannot reserve space for '%s': %s; free some disk", name,
                     strerror(e ? e : errno));
    if (rc == PL_OK && renameat(dirfd, tmp, dirfd, name) != 0)
        rc = pl_fail(err, PL_IO, "cannot create '%s': %s", name, strerror(errno));
    (void)unlinkat(dirfd, tmp, 0);
    close(fd);
    return rc;
}

/* PL_NOTFOUND: there is none, or none that this version can use. */
static pl_rc file_map(int dirfd, const char *name, const shared_head *head, size_t bytes, void **out, pl_error *err)
{
    struct stat  st;
    shared_head *m = MAP_FAILED;
    int          fd = openat(dirfd, name, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? PL_NOTFOUND
                               : pl_fail(err, PL_IO, "cannot open '%s': %s", name, strerror(errno));
    if (fstat(fd, &st) == 0 && st.st_size == (off_t)bytes)
        m = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (m == MAP_FAILED)
        return PL_NOTFOUND;
    if (m->magic == head->magic && m->slots == head->slots) {
        *out = m;
        return PL_OK;
    }
    munmap(m, bytes);
    return PL_NOTFOUND;
}

pl_rc shared_file_map(int dirfd, const char *name, uint64_t magic, uint64_t slots, size_t bytes, void **out,
                      pl_error *err)
{
    const shared_head head = { .magic = magic, .slots = slots };
    pl_rc             rc = file_map(dirfd, name, &head, bytes, out, err);

    if (rc != PL_NOTFOUND)
        return rc;
    rc = file_make(dirfd, name, &head, bytes, err);
    if (rc == PL_OK)
        rc = file_map(dirfd, name, &head, bytes, out, err);
    return rc == PL_NOTFOUND ? pl_fail(err, PL_IO, "'%s' cannot be mapped", name) : rc;
}
