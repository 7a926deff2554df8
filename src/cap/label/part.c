#include "base/banned.h"

#include "base/fault.h"
#include "base/str.h"
#include "cap/label/part.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 100u

static bool is_still(const char *path, const struct stat *st)
{
    struct stat named;

    return lstat(path, &named) == 0 && named.st_dev == st->st_dev && named.st_ino == st->st_ino;
}

static int remove_part(int fd, const char *path, bool is_folder)
{
    if (!is_folder)
        return unlink(path);
    (void)unlinkat(fd, LABEL_PART_INSIDE, 0);
    return rmdir(path);
}

static pl_rc remove_dead(const char *path, bool is_folder, pl_error *err)
{
    struct stat st;
    int         fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    pl_rc       rc = PL_OK;

    if (fd < 0)
        return errno == ENOENT ? PL_OK : pl_fail(err, PL_CONFLICT, "'%s' is in the way: %s", path, strerror(errno));
    if (fstat(fd, &st) != 0 || (is_folder ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode)) || st.st_uid != geteuid())
        rc = pl_fail(err, PL_CONFLICT, "'%s' is in the way and not ours; move it", path);
    else if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        rc = pl_fail(err, PL_CONFLICT, "another run is writing '%s'; wait for its end", path);
    else if (is_still(path, &st) && remove_part(fd, path, is_folder) != 0)
        rc = pl_fail(err, PL_CONFLICT, "cannot remove '%s': %s", path, strerror(errno));
    close(fd);
    return rc;
}

/* -1 and errno: EEXIST when it is there already. */
static int make_new(const char *path, bool is_folder)
{
    if (!is_folder)
        return open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (mkdir(path, 0700) != 0)
        return -1;
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* Between making and locking somebody may take the new part for a dead one: then once more. */
static pl_rc make(const char *path, bool is_folder, int *fd, pl_error *err)
{
    for (unsigned i = 0; i < TRIES; i++) {
        struct stat st;
        pl_rc       rc;
        *fd = make_new(path, is_folder);
        if (*fd >= 0 && flock(*fd, LOCK_EX | LOCK_NB) == 0 && fstat(*fd, &st) == 0 && is_still(path, &st))
            return PL_OK;
        if (*fd >= 0)
            close(*fd);
        else if (errno != EEXIST && errno != ENOENT)
            return pl_fail(err, PL_IO, "cannot write '%s': %s", path, strerror(errno));
        else if (errno == ENOENT && !is_folder)
            return pl_fail(err, PL_IO, "cannot write '%s': its folder is not there", path);
        rc = remove_dead(path, is_folder, err);
        if (rc != PL_OK)
            return rc;
    }
    return pl_fail(err, PL_IO, "cannot write '%s': it does not stay there", path);
}

static pl_rc part_new(const char *out, bool is_folder, label_part *p, pl_error *err)
{
    pl_rc rc;

    *p = (label_part){ .fd = -1 };
    if (asprintf(&p->path, "%s%s", out, is_folder ? LABEL_PART_FOLDER : LABEL_PART_FILE) < 0)
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    else
        rc = make(p->path, is_folder, &p->fd, err);
    if (rc != PL_OK) {
        free(p->path);
        *p = (label_part){ .fd = -1 };
    }
    return rc;
}

pl_rc label_part_file(const char *out, label_part *p, pl_error *err)
{
    return part_new(out, false, p, err);
}

pl_rc label_part_folder(const char *out, label_part *p, pl_error *err)
{
    return part_new(out, true, p, err);
}

void label_part_drop(label_part *p)
{
    struct stat st;

    if (p->fd < 0)
        return;
    if (p->path && fstat(p->fd, &st) == 0 && is_still(p->path, &st))
        (void)remove_part(p->fd, p->path, S_ISDIR(st.st_mode));
    close(p->fd);
    free(p->path);
    *p = (label_part){ .fd = -1 };
}

pl_rc label_part_rename(label_part *p, const char *out, pl_error *err)
{
    int fault = pl_fault_point("media-rename");

    if (fault == 0 && rename(p->path, out) == 0)
        return PL_OK;
    return pl_fail(err, PL_IO, "cannot write '%s': %s", out, strerror(fault ? fault : errno));
}

void label_part_sweep(const char *out)
{
    static const char *const suffixes[] = { LABEL_PART_FILE, LABEL_PART_FOLDER };

    for (size_t i = 0; i < 2; i++) {
        char *path = NULL;
        if (asprintf(&path, "%s%s", out, suffixes[i]) < 0)
            return;
        (void)remove_dead(path, i == 1, NULL);
        free(path);
    }
}
