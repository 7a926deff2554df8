/* `label add --tar`: the files of an archive labelled on their way through. Members keep their order,
 * names and attributes; what cannot be labelled is passed on as it is, with a line that says so.
 *
 * A window of members lies in a private folder while it is labelled in parallel: memory does not
 * grow with the archive or with its members. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/label/add_int.h"
#include "cap/label/label_int.h"
#include "cap/label/part.h"
#include "cap/label/tar_in.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define WINDOW_FILES 256u
#define WINDOW_BYTES (256u << 20)
#define PIECE        (256u << 10)

typedef struct member {
    struct archive_entry *entry;
    char                 *in, *out; /* paths of its contents; NULL: it has none      */
    size_t                listed;   /* its place in the run's list, SIZE_MAX: as it is */
} member;

typedef struct tar {
    add_run        *x;
    struct archive *from, *to; /* to NULL: a dry run */
    char            folder[TAR_FOLDER_MAX];
    member          m[WINDOW_FILES];
    size_t          n, seen, copied;
    uint64_t        bytes;
    bool            at_end;
    char           *piece;
} tar;

static pl_rc unwritten(struct archive *a, pl_error *err)
{
    const char *why = archive_errno(a) > 0 ? strerror(archive_errno(a)) : archive_error_string(a);

    return pl_fail(err, PL_IO, "cannot write the archive: %.160s", why ? why : "unknown cause");
}

/* --- in ------------------------------------------------------------------------------------------- */

/* NULL: it can be labelled. */
static const char *why_not(const char *path, const add_run *x, pl_error *err)
{
    pl_media_format format = PL_MEDIA_UNKNOWN;
    media_file      f;
    bool            is_bare;

    if (media_file_open(path, &f, err) != PL_OK)
        return NULL; /* said when it is tried */
    if (f.io.size > 0)
        (void)pl_media_detect(&f.io, path, &format, err);
    media_file_close(&f);
    is_bare = format == PL_MEDIA_TXT || format == PL_MEDIA_BMP;
    if (format == PL_MEDIA_UNKNOWN)
        return "of no format that can be labelled";
    if (is_bare && !(x->order.flags & LABEL_BESIDE) && !(x->order.visible && format == PL_MEDIA_TXT))
        return "its format has no place for a label";
    return NULL;
}

static void say_copied(const tar *t, const char *name, const char *why)
{
    const add_run *x = t->x;
    json_t        *j;
    char          *text;

    if (!x->is_json) {
        (void)fprintf(x->report, pl_cmd_say(x->c, "%s: passed on as it is: %s\n", "%s：原样保留：%s\n"), name, why);
        return;
    }
    j = json_pack("{s:o, s:s, s:s}", "file", add_name_json(name), "status", "copied", "reason", why);
    text = j ? pl_json_dump(j) : NULL;
    (void)fprintf(x->report, "%s\n", text ? text : "{}");
    free(text);
    json_decref(j);
}

static pl_rc take(tar *t, pl_error *err)
{
    member     *m = &t->m[t->n];
    const char *name = archive_entry_pathname(m->entry), *why = NULL;
    pl_rc       rc = PL_OK;

    *m = (member){ .entry = m->entry, .listed = SIZE_MAX };
    t->seen++;
    if (!name)
        return pl_fail(err, PL_INVALID, "member %zu of the archive has no name", t->seen);
    if (archive_entry_filetype(m->entry) != AE_IFREG || archive_entry_hardlink(m->entry)) {
        if (archive_entry_filetype(m->entry) != AE_IFDIR)
            say_copied(t, name, "a link or a device");
        return PL_OK;
    }
    if (asprintf(&m->in, "%s/i%zu%s", t->folder, t->seen, tar_suffix(name)) < 0 ||
        asprintf(&m->out, "%s/o%zu%s", t->folder, t->seen, tar_suffix(name)) < 0)
        return pl_fail(err, PL_NOMEM, "out of memory");
    rc = tar_unpack(t->from, m->entry, m->in, &t->bytes, err);
    if (rc == PL_OK)
        why = pl_str_ends(pl_str_z(name), PL_STR(LABEL_SIDECAR_SUFFIX)) ? "a label beside a file" : why_not(m->in, t->x, err);
    if (rc != PL_OK || why) {
        if (why) {
            t->copied++;
            say_copied(t, name, why);
        }
        return rc;
    }
    m->listed = t->x->n;
    return add_list(t->x, pl_str_dup(pl_str_z(m->in)), pl_str_dup(pl_str_z(m->out)), name, err);
}

static pl_rc fill(tar *t, pl_error *err)
{
    pl_rc rc = PL_OK;

    t->bytes = 0;
    while (rc == PL_OK && t->n < WINDOW_FILES && t->bytes < WINDOW_BYTES && !add_is_interrupted()) {
        struct archive_entry *e = archive_entry_new2(t->from);
        int                   got = e ? archive_read_next_header2(t->from, e) : ARCHIVE_FATAL;

        if (got != ARCHIVE_OK && got != ARCHIVE_WARN) {
            archive_entry_free(e);
            t->at_end = got == ARCHIVE_EOF;
            return t->at_end ? PL_OK : tar_bad(t->from, err);
        }
        t->m[t->n].entry = e;
        rc = take(t, err);
        t->n++;
    }
    return rc;
}

/* --- out ------------------------------------------------------------------------------------------ */

static pl_rc put_bytes(tar *t, int fd, uint64_t size, pl_error *err)
{
    uint64_t left = size;

    while (left > 0) {
        ssize_t n = read(fd, t->piece, left < PIECE ? (size_t)left : PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return pl_fail(err, PL_IO, "cannot read back what was labelled: %s", n < 0 ? strerror(errno) : "it became shorter");
        if (archive_write_data(t->to, t->piece, (size_t)n) != n)
            return unwritten(t->to, err);
        left -= (uint64_t)n;
    }
    return PL_OK;
}

static pl_rc put_file(tar *t, struct archive_entry *e, const char *path, pl_error *err)
{
    struct stat st;
    int         fd = open(path, O_RDONLY | O_CLOEXEC);
    pl_rc       rc = fd >= 0 && fstat(fd, &st) == 0 ? PL_OK : pl_fail(err, PL_IO, "cannot open '%s': %s", path, strerror(errno));

    if (rc == PL_OK) {
        archive_entry_sparse_clear(e);
        archive_entry_set_size(e, st.st_size);
        if (archive_write_header(t->to, e) < ARCHIVE_WARN)
            rc = unwritten(t->to, err);
    }
    if (rc == PL_OK)
        rc = put_bytes(t, fd, (uint64_t)st.st_size, err);
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

/* The label that stands beside a member becomes a member behind it. */
static pl_rc put_beside(tar *t, const member *m, pl_error *err)
{
    char                 *path = NULL, *name = NULL;
    struct archive_entry *e = NULL;
    pl_rc                 rc = PL_OK;

    if (asprintf(&path, "%s" LABEL_SIDECAR_SUFFIX, m->out) < 0 ||
        asprintf(&name, "%s" LABEL_SIDECAR_SUFFIX, archive_entry_pathname(m->entry)) < 0)
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK && access(path, F_OK) == 0) {
        e = archive_entry_clone(m->entry);
        if (e) {
            archive_entry_set_pathname(e, name);
            rc = put_file(t, e, path, err);
        }
        (void)unlink(path);
    }
    archive_entry_free(e);
    free(path);
    free(name);
    return rc;
}

static pl_rc put(tar *t, const member *m, pl_error *err)
{
    bool is_labelled = m->listed != SIZE_MAX && !t->x->file[m->listed].has_failed;
    pl_rc rc;

    if (!t->to)
        return PL_OK;
    if (!m->in)
        return archive_write_header(t->to, m->entry) < ARCHIVE_WARN ? unwritten(t->to, err) : PL_OK;
    rc = put_file(t, m->entry, is_labelled ? m->out : m->in, err);
    return rc == PL_OK && is_labelled ? put_beside(t, m, err) : rc;
}

/* One window through. What was labelled is written, or everything stops. */
static pl_rc window(tar *t, unsigned jobs, pl_error *err)
{
    pl_rc rc = fill(t, err);

    if (rc == PL_OK)
        add_all(t->x, jobs);
    for (size_t i = 0; i < t->n; i++) {
        member *m = &t->m[i];
        if (rc == PL_OK && !add_is_interrupted())
            rc = put(t, m, err);
        if (m->in)
            (void)unlink(m->in);
        if (m->out)
            (void)unlink(m->out);
        archive_entry_free(m->entry);
        free(m->in);
        free(m->out);
    }
    t->n = 0;
    add_list_clear(t->x);
    return rc;
}

/* --- the stream ------------------------------------------------------------------------------------ */

static pl_rc folder_new(tar *t, pl_error *err)
{
    pl_rc rc = tar_folder(t->folder, err);

    t->piece = rc == PL_OK ? malloc(PIECE) : NULL;
    return rc == PL_OK && !t->piece ? pl_fail(err, PL_NOMEM, "out of memory") : rc;
}

static pl_rc to_open(tar *t, int fd, pl_error *err)
{
    t->to = archive_write_new();
    if (!t->to)
        return pl_fail(err, PL_NOMEM, "out of memory");
    (void)archive_write_set_format_pax_restricted(t->to);
    (void)archive_write_set_bytes_in_last_block(t->to, 1);
    return archive_write_open_fd(t->to, fd) == ARCHIVE_OK ? PL_OK : unwritten(t->to, err);
}

static pl_rc stream(tar *t, const char *in, int fd, unsigned jobs, pl_error *err)
{
    pl_rc rc = folder_new(t, err);

    if (rc == PL_OK)
        rc = tar_open(in, &t->from, err);
    if (rc == PL_OK && fd >= 0)
        rc = to_open(t, fd, err);
    while (rc == PL_OK && !t->at_end && !add_is_interrupted())
        rc = window(t, jobs, err);
    if (rc == PL_OK && t->seen == 0)
        rc = pl_fail(err, PL_NOTFOUND, "the archive is empty");
    if (rc == PL_OK && t->to && !add_is_interrupted() && archive_write_close(t->to) != ARCHIVE_OK)
        rc = unwritten(t->to, err);
    archive_read_free(t->from);
    if (t->to && (rc != PL_OK || add_is_interrupted()))
        (void)archive_write_fail(t->to); /* no end mark: whoever reads it sees that it is cut off */
    archive_write_free(t->to);
    free(t->piece);
    if (t->folder[0])
        (void)rmdir(t->folder);
    return rc;
}

pl_rc add_tar(add_run *x, const char *in, const char *out, unsigned jobs, pl_error *err)
{
    bool       is_dry = x->order.flags & LABEL_DRY, is_file = strcmp(out, "-") != 0 && !is_dry;
    label_part part = { .fd = -1 };
    tar       *t = calloc(1, sizeof *t);
    pl_rc      rc = t ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK && is_file && access(out, F_OK) == 0 && !(x->order.flags & LABEL_FORCE))
        rc = pl_fail(err, PL_CONFLICT, "output '%s' exists already; --force replaces it", out);
    if (rc == PL_OK && is_file)
        rc = label_part_file(out, &part, err);
    if (rc == PL_OK) {
        t->x = x;
        rc = stream(t, in, is_dry ? -1 : is_file ? part.fd : STDOUT_FILENO, jobs, err);
        x->skipped = t->copied;
    }
    if (rc == PL_OK && is_file && !add_is_interrupted()) {
        if (fchmod(part.fd, 0644) != 0 || fsync(part.fd) != 0)
            rc = pl_fail(err, PL_IO, "cannot write '%s': %s", out, strerror(errno));
        if (rc == PL_OK)
            rc = label_part_rename(&part, out, err);
    }
    label_part_drop(&part);
    free(t);
    return rc;
}
