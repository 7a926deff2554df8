#include "base/banned.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "cap/label/in_place.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sys/file.h>
#include <unistd.h>

#define MAGIC      "plumbline undo 1"
#define HEAD_N     56u /* magic, size before, size after, time (s, ns), ranges */
#define RANGES_MAX 4096u

typedef struct undo {
    char          *path;
    uint64_t       size_before, size_after;
    pl_media_range range[RANGES_MAX]; /* ascending, in the new file */
    size_t         n;
    uint64_t       bytes; /* sum of the ranges */
    struct timespec time;
} undo;

static pl_rc undo_new(const char *path, undo **out, pl_error *err)
{
    undo *u = calloc(1, sizeof *u);

    if (!u || asprintf(&u->path, "%s" LABEL_UNDO_SUFFIX, path) < 0) {
        free(u);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    *out = u;
    return PL_OK;
}

static void undo_free(undo *u)
{
    if (u)
        free(u->path);
    free(u);
}

static int point(const char *name, int result)
{
    int fault = pl_fault_point(name);

    if (fault)
        errno = fault;
    return fault ? -1 : result;
}

static pl_rc folder_sync(const char *path, pl_error *err)
{
    char *copy = pl_str_dup(pl_str_z(path));
    pl_rc rc = copy ? pl_fsync_dir(dirname(copy), err) : pl_fail(err, PL_NOMEM, "out of memory");

    free(copy);
    return rc;
}

static pl_rc undo_remove(const undo *u, pl_error *err)
{
    if (point("undo-remove", 0) != 0 || (unlink(u->path) != 0 && errno != ENOENT))
        return pl_fail(err, PL_IO, "cannot remove '%s': %s", u->path, strerror(errno));
    return folder_sync(u->path, err);
}

/* --- what differs ----------------------------------------------------------------------------------- */

static bool range_add(undo *u, uint64_t at, uint64_t n)
{
    pl_media_range *last = u->n > 0 ? &u->range[u->n - 1] : NULL;

    u->bytes += n;
    if (u->bytes > LABEL_IN_PLACE_MAX)
        return false;
    if (last && last->at + last->n == at) {
        last->n += n;
        return true;
    }
    if (u->n == RANGES_MAX)
        return false;
    u->range[u->n++] = (pl_media_range){ at, n };
    return true;
}

/* The bytes [from, from + n) of a layer, which stand at `out` of the new file. */
static bool differs(undo *u, const pl_media_plan *const *layer, size_t layers, uint64_t out, uint64_t from, uint64_t n)
{
    const pl_media_plan *p = layer[0];

    for (size_t i = 0; i < pl_media_plan_spans(p); i++) {
        const pl_media_span *s = pl_media_plan_span(p, i);
        uint64_t             a = s->out > from ? s->out : from, b = s->out + s->n < from + n ? s->out + s->n : from + n;
        uint64_t             to, source;

        if (a >= b)
            continue;
        to = out + (a - from);
        source = s->from + (a - s->out);
        if (s->bytes || (layers == 1 && source != to)) {
            if (!range_add(u, to, b - a))
                return false;
        } else if (layers > 1 && !differs(u, layer + 1, layers - 1, to, source, b - a)) {
            return false;
        }
    }
    return true;
}

/* --- the undo file ----------------------------------------------------------------------------------- */

static void put64(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get64(const uint8_t *p)
{
    uint64_t v = 0;

    for (int i = 8; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

static uint64_t kept_of(const undo *u, const pl_media_range *r)
{
    if (r->at >= u->size_before)
        return 0;
    return r->n < u->size_before - r->at ? r->n : u->size_before - r->at;
}

/* What a shorter file loses at its end is kept like what is overwritten. */
static bool keep_tail(undo *u)
{
    return u->size_after >= u->size_before || range_add(u, u->size_after, u->size_before - u->size_after);
}

static pl_rc undo_text(const undo *u, const media_file *f, pl_buf *b, pl_error *err)
{
    uint8_t head[HEAD_N] = MAGIC, pair[16], digest[32];
    pl_rc   rc = PL_OK;

    put64(head + 16, u->size_before);
    put64(head + 24, u->size_after);
    put64(head + 32, (uint64_t)u->time.tv_sec);
    put64(head + 40, (uint64_t)u->time.tv_nsec);
    put64(head + 48, u->n);
    pl_buf_put(b, (pl_str){ (char *)head, HEAD_N });
    for (size_t i = 0; i < u->n && rc == PL_OK; i++) {
        uint64_t kept = kept_of(u, &u->range[i]);
        char    *old = malloc((size_t)kept + 1);

        put64(pair, u->range[i].at);
        put64(pair + 8, kept);
        pl_buf_put(b, (pl_str){ (char *)pair, sizeof pair });
        rc = old ? f->io.read(f->io.ctx, u->range[i].at, old, (size_t)kept, err) : pl_fail(err, PL_NOMEM, "out of memory");
        if (rc == PL_OK)
            pl_buf_put(b, (pl_str){ old, (size_t)kept });
        free(old);
    }
    if (rc == PL_OK) {
        pl_sha256_of(pl_buf_str(b), digest);
        pl_buf_put(b, (pl_str){ (char *)digest, sizeof digest });
        rc = pl_buf_check(b, err);
    }
    return rc;
}

static pl_rc undo_write(const undo *u, const media_file *f, pl_error *err)
{
    pl_buf b = PL_BUF_INIT(LABEL_IN_PLACE_MAX + (1u << 20));
    pl_rc  rc = undo_text(u, f, &b, err);
    int    fd = rc == PL_OK ? open(u->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;

    if (rc == PL_OK && fd < 0)
        rc = pl_fail(err, PL_IO, "cannot write '%s': %s", u->path, strerror(errno));
    if (rc == PL_OK)
        rc = pl_pwrite_all(fd, b.p, b.n, 0, err);
    if (rc == PL_OK && point("undo-sync", fsync(fd)) != 0)
        rc = pl_fail(err, PL_IO, "cannot write '%s': %s", u->path, strerror(errno));
    if (rc == PL_OK)
        rc = folder_sync(u->path, err);
    if (fd >= 0)
        (void)close(fd);
    if (rc != PL_OK && fd >= 0)
        (void)unlink(u->path); /* the file was not touched */
    pl_buf_done(&b);
    return rc;
}

/* --- putting back --------------------------------------------------------------------------------------- */

static pl_rc back_at(int fd, uint64_t size, const struct timespec *time, pl_error *err)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, *time };

    if (point("undo-cut", ftruncate(fd, (off_t)size)) != 0 || futimens(fd, times) != 0 || point("undo-done", fsync(fd)) != 0)
        return pl_fail(err, PL_IO, "cannot put the file back as it was: %s; run the same command again", strerror(errno));
    return PL_OK;
}

/* PL_INVALID: it never was complete, so that the file was never touched. */
static pl_rc undo_apply(int fd, pl_str text, pl_error *err)
{
    const uint8_t  *p = (const uint8_t *)text.p;
    uint8_t         digest[32];
    struct timespec time;
    size_t          at = HEAD_N, n, end = text.n - 32;
    pl_rc           rc = PL_OK;

    if (text.n < HEAD_N + 32 || memcmp(p, MAGIC, 16) != 0)
        return pl_fail(err, PL_INVALID, "not complete");
    pl_sha256_of((pl_str){ text.p, end }, digest);
    if (memcmp(digest, p + end, 32) != 0)
        return pl_fail(err, PL_INVALID, "not complete");
    n = (size_t)get64(p + 48);
    time = (struct timespec){ (time_t)get64(p + 32), (long)get64(p + 40) };
    for (size_t i = 0; i < n && rc == PL_OK; i++) {
        uint64_t to, k;
        if (end - at < 16)
            return pl_fail(err, PL_CONFLICT, "an undo file that contradicts itself");
        to = get64(p + at);
        k = get64(p + at + 8);
        at += 16;
        if (k > end - at)
            return pl_fail(err, PL_CONFLICT, "an undo file that contradicts itself");
        rc = pl_pwrite_all(fd, p + at, (size_t)k, (off_t)to, err);
        at += (size_t)k;
    }
    return rc == PL_OK ? back_at(fd, get64(p + 16), &time, err) : rc;
}

static pl_rc put_back(int fd, const undo *u, pl_error *err)
{
    char  *text = NULL;
    size_t n = 0;
    pl_rc  rc = pl_file_read(u->path, LABEL_IN_PLACE_MAX + (1u << 20), &text, &n, err);

    if (rc != PL_OK)
        return rc;
    rc = undo_apply(fd, (pl_str){ text, n }, err);
    free(text);
    return rc == PL_OK || rc == PL_INVALID ? undo_remove(u, err) : rc;
}

bool label_in_place_is_unfinished(const char *path)
{
    char *undo_path = NULL;
    bool  is = asprintf(&undo_path, "%s" LABEL_UNDO_SUFFIX, path) >= 0 && access(undo_path, F_OK) == 0;

    free(undo_path);
    return is;
}

static pl_rc recover(const char *path, media_file *f, bool *recovered, pl_error *err)
{
    undo       *u = NULL;
    struct stat st;
    pl_rc       rc = undo_new(path, &u, err);

    if (rc == PL_OK && lstat(u->path, &st) == 0) {
        if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
            rc = pl_fail(err, PL_CONFLICT, "'%s' is in the way and not ours; move it", u->path);
        else
            rc = put_back(f->fd, u, err);
        *recovered = rc == PL_OK;
        if (rc == PL_OK && fstat(f->fd, &f->st) == 0)
            f->io.size = (uint64_t)f->st.st_size;
    }
    undo_free(u);
    return rc;
}

pl_rc label_in_place_open(const char *path, media_file *f, bool *recovered, pl_error *err)
{
    int   fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    pl_rc rc;

    *recovered = false;
    if (fd < 0)
        return pl_fail(err, errno == ENOENT ? PL_NOTFOUND : errno == ELOOP ? PL_INVALID : PL_IO, "cannot change '%s' in place: %s", path,
                       errno == ELOOP ? "it is a link; name the file itself" : strerror(errno));
    rc = media_file_of(fd, path, f, err);
    if (rc == PL_OK && flock(fd, LOCK_EX | LOCK_NB) != 0)
        rc = pl_fail(err, PL_CONFLICT, "another run is changing '%s'", path);
    if (rc == PL_OK && f->st.st_nlink > 1)
        rc = pl_fail(err, PL_CONFLICT, "'%s' has further names (hard links), which would change with it; write a copy with -o", path);
    if (rc == PL_OK)
        rc = recover(path, f, recovered, err);
    if (rc != PL_OK)
        media_file_close(f);
    return rc;
}

/* --- writing ------------------------------------------------------------------------------------------ */

/* All new bytes before the first is written: some come from places that will be. */
static pl_rc gather(const undo *u, const pl_media_plan *p, pl_buf *b, pl_error *err)
{
    pl_media_io io = pl_media_plan_io(p);
    pl_rc       rc = PL_OK;

    for (size_t i = 0; i < u->n && rc == PL_OK; i++) {
        uint64_t n = u->range[i].at >= u->size_after ? 0 : u->range[i].n;
        char    *new = malloc((size_t)n + 1);

        if (n > u->size_after - u->range[i].at)
            n = u->size_after - u->range[i].at;
        rc = new ? io.read(io.ctx, u->range[i].at, new, (size_t)n, err) : pl_fail(err, PL_NOMEM, "out of memory");
        if (rc == PL_OK)
            pl_buf_put(b, (pl_str){ new, (size_t)n });
        free(new);
    }
    return rc == PL_OK ? pl_buf_check(b, err) : rc;
}

static pl_rc overwrite(const undo *u, int fd, const pl_buf *b, pl_error *err)
{
    const char *p = b->p;
    pl_rc       rc = PL_OK;

    for (size_t i = 0; i < u->n && rc == PL_OK; i++) {
        uint64_t at = u->range[i].at, n = at >= u->size_after ? 0 : u->range[i].n;

        n = n < u->size_after - at ? n : u->size_after - at;
        rc = pl_pwrite_all(fd, p, (size_t)n, (off_t)at, err);
        p += n;
    }
    if (rc == PL_OK && (point("in-place-cut", ftruncate(fd, (off_t)u->size_after)) != 0 || point("in-place-sync", fsync(fd)) != 0))
        rc = pl_fail(err, PL_IO, "cannot write: %s", strerror(errno));
    return rc;
}

static pl_rc carry_out(const undo *u, media_file *f, const pl_buf *b, media_verify_fn verify, void *ctx, pl_error *err)
{
    media_file back = *f;
    pl_error   first = { PL_OK, "" }, why = { PL_OK, "" };
    pl_rc      rc = overwrite(u, f->fd, b, &first);

    back.io = (pl_media_io){ &back.fd, u->size_after, f->io.read };
    if (rc == PL_OK)
        rc = verify(ctx, &back.io, &first);
    if (rc == PL_OK)
        return undo_remove(u, err);
    if (put_back(f->fd, u, &why) != PL_OK) /* the next run tries again */
        return pl_fail(err, PL_IO, "the label was not written (%.80s), and %.100s", first.text, why.text);
    return pl_fail(err, rc, "%s", first.text);
}

static pl_rc prepare(undo *u, media_file *f, const pl_media_plan *const *layer, size_t layers, pl_error *err)
{
    struct stat now;

    u->size_before = f->io.size;
    u->size_after = pl_media_plan_size(layer[0]);
    u->time = f->st.st_mtim;
    if (!differs(u, layer, layers, 0, 0, u->size_after) || !keep_tail(u))
        return pl_fail(err, PL_LIMIT, "there is no room for it in place: more than %u MiB would have to move; write a copy with -o",
                       LABEL_IN_PLACE_MAX >> 20);
    if (fstat(f->fd, &now) != 0 || now.st_size != f->st.st_size || now.st_mtim.tv_sec != f->st.st_mtim.tv_sec ||
        now.st_mtim.tv_nsec != f->st.st_mtim.tv_nsec)
        return pl_fail(err, PL_CONFLICT, "the file changed while it was read");
    return PL_OK;
}

pl_rc label_in_place_write(media_file *f, const char *path, const pl_media_plan *const *layer, size_t layers,
                           media_verify_fn verify, void *ctx, pl_error *err)
{
    pl_buf b = PL_BUF_INIT(LABEL_IN_PLACE_MAX + 1);
    undo  *u = NULL;
    pl_rc  rc = undo_new(path, &u, err);

    if (rc == PL_OK)
        rc = prepare(u, f, layer, layers, err);
    if (rc == PL_OK)
        rc = gather(u, layer[0], &b, err);
    if (rc == PL_OK)
        rc = undo_write(u, f, err);
    if (rc == PL_OK)
        rc = carry_out(u, f, &b, verify, ctx, err);
    pl_buf_done(&b);
    undo_free(u);
    return rc;
}
