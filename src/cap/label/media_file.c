#include "base/banned.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/str.h"
#include "cap/label/media_file.h"
#include "cap/label/part.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <unistd.h>

#define PIECE (1u << 20)

static pl_rc fd_read(void *ctx, uint64_t at, void *p, size_t n, pl_error *err)
{
    int   fd = *(int *)ctx;
    char *to = p;

    while (n > 0) {
        ssize_t k = pread(fd, to, n, (off_t)at);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return pl_fail(err, PL_IO, "cannot read: %s", strerror(errno));
        if (k == 0)
            return pl_fail(err, PL_IO, "the file became shorter while it was read");
        to += k;
        at += (uint64_t)k;
        n -= (size_t)k;
    }
    return PL_OK;
}

static pl_rc open_stdin(media_file *f, pl_error *err)
{
    size_t n = 0;
    pl_rc  rc = pl_file_read("-", MEDIA_STDIN_MAX, &f->bytes, &n, err);

    f->view = (pl_str){ f->bytes, n };
    f->io = pl_media_io_of(&f->view);
    return rc;
}

pl_rc media_file_open(const char *path, media_file *f, pl_error *err)
{
    int fd;

    *f = (media_file){ .fd = -1 };
    if (strcmp(path, "-") == 0)
        return open_stdin(f, err);
    /* O_NONBLOCK: a pipe of that name must not hold us up. */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return pl_fail(err, errno == ENOENT ? PL_NOTFOUND : PL_IO, "cannot open '%s': %s", path, strerror(errno));
    return media_file_of(fd, path, f, err);
}

pl_rc media_file_of(int fd, const char *path, media_file *f, pl_error *err)
{
    *f = (media_file){ .fd = fd };
    if (fstat(f->fd, &f->st) != 0 || !S_ISREG(f->st.st_mode)) {
        media_file_close(f);
        return pl_fail(err, PL_INVALID, "'%s' is not a regular file", path);
    }
    f->io = (pl_media_io){ &f->fd, (uint64_t)f->st.st_size, fd_read };
    return PL_OK;
}

void media_file_close(media_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    free(f->bytes);
    *f = (media_file){ .fd = -1 };
}

/* --- writing ---------------------------------------------------------------------------------- */

/* In the kernel where the file systems can, which shares blocks where they can that. */
static pl_rc copy_range(const media_file *in, int out, const pl_media_span *s, pl_error *err)
{
    uint64_t done = 0;
    char    *piece;
    pl_rc    rc = PL_OK;

    while (in->fd >= 0 && !in->is_virtual && done < s->n) {
        off_t   from = (off_t)(s->from + done), to = (off_t)(s->out + done);
        size_t  want = s->n - done < (1u << 30) ? (size_t)(s->n - done) : 1u << 30;
        int     fault = pl_fault_point("media-copy");
        ssize_t k = fault ? (errno = fault, -1) : copy_file_range(in->fd, &from, out, &to, want, 0);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0 && (errno == ENOSPC || errno == EIO || errno == EDQUOT))
            return pl_fail(err, PL_IO, "cannot write: %s", strerror(errno));
        if (k <= 0)
            break; /* not between these file systems: by hand */
        done += (uint64_t)k;
    }
    if (done == s->n)
        return PL_OK;
    piece = malloc(PIECE);
    if (!piece)
        return pl_fail(err, PL_NOMEM, "out of memory");
    while (rc == PL_OK && done < s->n) {
        size_t k = s->n - done < PIECE ? (size_t)(s->n - done) : PIECE;
        rc = in->io.read(in->io.ctx, s->from + done, piece, k, err);
        if (rc == PL_OK)
            rc = pl_pwrite_all(out, piece, k, (off_t)(s->out + done), err);
        done += k;
    }
    free(piece);
    return rc;
}

static pl_rc spans_write(const media_file *in, int out, const pl_media_plan *plan, pl_error *err)
{
    pl_rc rc = PL_OK;

    for (size_t i = 0; i < pl_media_plan_spans(plan) && rc == PL_OK; i++) {
        const pl_media_span *s = pl_media_plan_span(plan, i);
        rc = s->bytes ? pl_pwrite_all(out, s->bytes, (size_t)s->n, (off_t)s->out, err)
                      : copy_range(in, out, s, err);
    }
    return rc;
}

static pl_rc same_input(const media_file *in, pl_error *err)
{
    struct stat now;

    if (in->fd < 0)
        return PL_OK;
    if (fstat(in->fd, &now) != 0 || now.st_size != in->st.st_size ||
        now.st_mtim.tv_sec != in->st.st_mtim.tv_sec || now.st_mtim.tv_nsec != in->st.st_mtim.tv_nsec)
        return pl_fail(err, PL_CONFLICT, "the file changed while it was labelled");
    return PL_OK;
}

static pl_rc dress(const media_file *in, int out, pl_error *err)
{
    struct timespec times[2] = { in->st.st_atim, in->st.st_mtim };

    if (in->fd < 0)
        return PL_OK;
    if (fchmod(out, in->st.st_mode & 07777) != 0 || futimens(out, times) != 0)
        return pl_fail(err, PL_IO, "cannot set times and permissions: %s", strerror(errno));
    return PL_OK;
}

pl_rc media_file_may_write(const media_file *in, const char *out, unsigned flags, pl_error *err)
{
    struct stat st;

    if (stat(out, &st) != 0)
        return PL_OK;
    if (in->fd >= 0 && st.st_dev == in->st.st_dev && st.st_ino == in->st.st_ino)
        return pl_fail(err, PL_CONFLICT, "output '%s' is the input itself; choose another name", out);
    if (!S_ISREG(st.st_mode))
        return pl_fail(err, PL_CONFLICT, "output '%s' is there and is no regular file", out);
    if (!(flags & MEDIA_WRITE_REPLACE))
        return pl_fail(err, PL_CONFLICT, "output '%s' exists already; --force replaces it", out);
    return PL_OK;
}

static pl_rc sync_folder(const char *out, pl_error *err)
{
    char *copy = pl_str_dup(pl_str_z(out));
    pl_rc rc = copy ? pl_fsync_dir(dirname(copy), err) : pl_fail(err, PL_NOMEM, "out of memory");

    free(copy);
    return rc;
}

pl_rc media_file_write(const media_file *in, const pl_media_plan *plan, const char *out,
                       unsigned flags, media_verify_fn verify, void *ctx, pl_error *err)
{
    label_part  part;
    pl_media_io back;
    int         fault;
    pl_rc       rc = media_file_may_write(in, out, flags, err);

    if (rc == PL_OK)
        rc = label_part_file(out, &part, err);
    if (rc != PL_OK)
        return rc;
    rc = spans_write(in, part.fd, plan, err);
    if (rc == PL_OK)
        rc = same_input(in, err);
    back = (pl_media_io){ &part.fd, pl_media_plan_size(plan), fd_read };
    if (rc == PL_OK)
        rc = verify(ctx, &back, err);
    if (rc == PL_OK && (flags & MEDIA_WRITE_SYNC) && ((fault = pl_fault_point("media-sync")) != 0 || fsync(part.fd) != 0))
        rc = pl_fail(err, PL_IO, "cannot write '%s': %s", out, strerror(fault ? fault : errno));
    if (rc == PL_OK)
        rc = dress(in, part.fd, err);
    if (rc == PL_OK)
        rc = label_part_rename(&part, out, err);
    label_part_drop(&part);
    return rc == PL_OK && (flags & MEDIA_WRITE_SYNC) ? sync_folder(out, err) : rc;
}
