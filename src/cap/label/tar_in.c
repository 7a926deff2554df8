#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/label/tar_in.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define PIECE (256u << 10)

pl_rc tar_bad(struct archive *a, pl_error *err)
{
    const char *why = archive_error_string(a);

    return pl_fail(err, PL_INVALID, "cannot read the archive: %.160s", why ? why : "it ends too early");
}

pl_rc tar_open(const char *path, struct archive **out, pl_error *err)
{
    struct archive *a = archive_read_new();
    pl_rc           rc;

    if (!a)
        return pl_fail(err, PL_NOMEM, "out of memory");
    (void)archive_read_support_format_tar(a);
    (void)archive_read_support_filter_gzip(a);
    (void)archive_read_support_filter_xz(a);
    (void)archive_read_support_filter_zstd(a);
    if (archive_read_open_filename(a, strcmp(path, "-") == 0 ? NULL : path, PIECE) != ARCHIVE_OK)
        goto bad;
    *out = a;
    return PL_OK;
bad:
    rc = tar_bad(a, err);
    archive_read_free(a);
    return rc;
}

pl_rc tar_folder(char out[TAR_FOLDER_MAX], pl_error *err)
{
    const char *tmp = getenv("TMPDIR");

    if ((size_t)snprintf(out, TAR_FOLDER_MAX, "%s/plumbline-tar-XXXXXX", tmp && tmp[0] ? tmp : "/tmp") >= TAR_FOLDER_MAX)
        (void)snprintf(out, TAR_FOLDER_MAX, "/tmp/plumbline-tar-XXXXXX");
    if (mkdtemp(out))
        return PL_OK;
    out[0] = '\0';
    return pl_fail(err, PL_IO, "cannot make a folder for members of the archive: %s", strerror(errno));
}

pl_rc tar_unpack(struct archive *a, struct archive_entry *e, const char *path, uint64_t *bytes, pl_error *err)
{
    int64_t size = archive_entry_size(e), end = 0, at;
    int     fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), got = ARCHIVE_OK;
    pl_rc   rc = fd >= 0 ? PL_OK : pl_fail(err, PL_IO, "cannot write '%s': %s", path, strerror(errno));

    while (rc == PL_OK) {
        const void *p;
        size_t      n;

        got = archive_read_data_block(a, &p, &n, &at);
        if (got == ARCHIVE_EOF)
            break;
        if (got != ARCHIVE_OK && got != ARCHIVE_WARN)
            rc = tar_bad(a, err);
        else
            rc = pl_pwrite_all(fd, p, n, at, err);
        end = at + (int64_t)n;
    }
    if (rc == PL_OK && (end > size ? end : size) > end && ftruncate(fd, size) != 0)
        rc = pl_fail(err, PL_IO, "cannot write '%s': %s", path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    *bytes += (uint64_t)(end > 0 ? end : 0);
    return rc;
}

const char *tar_suffix(const char *name)
{
    const char *dot = strrchr(name, '.');

    for (const char *p = dot ? dot + 1 : ""; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9')) || p - dot > 12)
            return "";
    return dot ? dot : "";
}
