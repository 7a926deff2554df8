/* What stands behind salted commitments: salt and content of each in one file, apart from the
 * log and named by the commitment. Layout: docs/formats/private.md. */
#include "base/banned.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "cap/ledger/ledger_int.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC       "PLSR0001"
#define RECORD_HEAD (8 + 32) /* magic, salt; content follows */
#define CONTENT_MAX (64u << 20)
#define WIPE_CHUNK  65536

static void record_name(const pl_hash *c, char out[96])
{
    char hex[65];

    pl_hex(c->b, sizeof(c->b), hex);
    (void)snprintf(out, 96, "%.2s/%s", hex, hex);
}

pl_rc pl_private_folders(const char *private_dir, pl_error *err)
{
    char *tmp = NULL;
    pl_rc rc = pl_ledger_path(private_dir, "tmp", &tmp, err);

    if (rc == PL_OK)
        rc = pl_mkdir_p(private_dir, 0700, err);
    if (rc == PL_OK)
        rc = pl_mkdir_p(tmp, 0700, err);
    free(tmp);
    return rc;
}

bool pl_private_has(const char *private_dir, const pl_hash *commitment)
{
    char  rel[96], *path;
    bool  is_there;

    record_name(commitment, rel);
    path = pl_path_join(private_dir, rel);
    is_there = path != NULL && access(path, F_OK) == 0;
    free(path);
    return is_there;
}

pl_rc pl_private_put(const char *private_dir, pl_str content, const uint8_t salt[32],
                     pl_hash *commitment, pl_error *err)
{
    pl_hash c = pl_commit(salt, content);
    pl_buf  b = PL_BUF_INIT(RECORD_HEAD + CONTENT_MAX);
    touched t = { .dirs = NULL };
    char    rel[96];
    pl_rc   rc = pl_private_folders(private_dir, err);

    record_name(&c, rel);
    pl_buf_puts(&b, MAGIC);
    pl_buf_put(&b, (pl_str){ (const char *)salt, 32 });
    pl_buf_put(&b, content);
    if (rc == PL_OK)
        rc = pl_buf_check(&b, err);
    if (rc == PL_OK)
        rc = pl_ledger_put(private_dir, rel, pl_buf_str(&b), 0600, &t, err);
    if (rc == PL_OK)
        rc = pl_touched_sync(&t, err);
    pl_touched_done(&t);
    if (b.p != NULL)
        explicit_bzero(b.p, b.cap);
    pl_buf_done(&b);
    if (rc == PL_OK)
        *commitment = c;
    return rc;
}

pl_rc pl_private_record_parse(pl_str bytes, const pl_hash *commitment, uint8_t salt[32],
                              pl_str *content, pl_error *err)
{
    pl_hash c;

    if (bytes.n < RECORD_HEAD || !pl_str_starts(bytes, PL_STR(MAGIC)))
        return pl_fail(err, PL_INVALID, "not a record behind a commitment");
    *content = (pl_str){ bytes.p + RECORD_HEAD, bytes.n - RECORD_HEAD };
    memcpy(salt, bytes.p + 8, 32);
    c = pl_commit(salt, *content);
    return pl_hash_equal(&c, commitment)
               ? PL_OK
               : pl_fail(err, PL_INVALID, "record does not stand behind its commitment");
}

pl_rc pl_private_get(const char *private_dir, const pl_hash *commitment, uint8_t salt[32],
                     char **content, size_t *n, pl_error *err)
{
    char    rel[96], *bytes = NULL;
    uint8_t s[32];
    size_t  got = 0;
    pl_str  view;
    pl_rc   rc;

    record_name(commitment, rel);
    rc = pl_ledger_read(private_dir, rel, RECORD_HEAD + CONTENT_MAX, &bytes, &got, err);
    if (rc != PL_OK)
        return rc;
    rc = pl_private_record_parse((pl_str){ bytes, got }, commitment, s, &view, err);
    if (rc == PL_OK) {
        memcpy(salt, s, sizeof(s));
        memmove(bytes, view.p, view.n);
        bytes[view.n] = '\0';
        *content = bytes;
        *n = view.n;
        return PL_OK;
    }
    explicit_bzero(bytes, got);
    free(bytes);
    return rc;
}

/* --- destroying -------------------------------------------------------------------------- */

static pl_rc overwrite(int fd, off_t size, const char *path, pl_error *err)
{
    static const char zeros[WIPE_CHUNK];

    for (off_t at = 0; at < size; at += WIPE_CHUNK) {
        size_t n = size - at < WIPE_CHUNK ? (size_t)(size - at) : WIPE_CHUNK;
        pl_rc  rc = pl_pwrite_all(fd, zeros, n, at, err);

        if (rc != PL_OK)
            return rc;
    }
    return pl_ledger_flush(fd, path, err);
}

static pl_rc folder_sync_of(const char *path, pl_error *err)
{
    char *dir = pl_str_dup((pl_str){ path, (size_t)(strrchr(path, '/') - path) });
    pl_rc rc = dir ? pl_fsync_dir(dir, err) : pl_fail(err, PL_NOMEM, "out of memory");

    free(dir);
    return rc;
}

static pl_rc file_destroy(const char *path, pl_error *err)
{
    struct stat st;
    int         e = pl_fault_point("open");
    int         fd = e == 0 ? open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    pl_rc       rc;

    if (e == 0 && fd < 0)
        e = errno;
    if (e == ENOENT)
        return PL_OK; /* destroyed by an attempt that was cut short */
    if (fd < 0)
        return pl_fail(err, PL_IO, "cannot open '%s': %s", path, strerrordesc_np(e));
    rc = fstat(fd, &st) == 0 ? overwrite(fd, st.st_size, path, err)
                             : pl_fail(err, PL_IO, "cannot look at '%s'", path);
    (void)close(fd);
    if (rc != PL_OK)
        return rc;
    e = pl_fault_point("unlink");
    if (e == 0 && unlink(path) != 0)
        e = errno;
    if (e != 0)
        return pl_fail(err, PL_IO, "cannot remove '%s': %s", path, strerrordesc_np(e));
    return folder_sync_of(path, err);
}

pl_rc pl_ledger_file_destroy(const char *dir, const char *rel, pl_error *err)
{
    char *path = NULL;
    pl_rc rc = pl_ledger_path(dir, rel, &path, err);

    if (rc == PL_OK)
        rc = file_destroy(path, err);
    free(path);
    return rc;
}

/* Nothing of it is secret: overwritten bytes would only be a broken file after a crash. */
pl_rc pl_ledger_file_remove(const char *dir, const char *rel, pl_error *err)
{
    char *path = NULL;
    int   e = pl_fault_point("unlink");
    pl_rc rc = pl_ledger_path(dir, rel, &path, err);

    if (rc == PL_OK && e == 0 && unlink(path) != 0 && errno != ENOENT)
        e = errno;
    if (rc == PL_OK)
        rc = e == 0 ? folder_sync_of(path, err)
                    : pl_fail(err, PL_IO, "cannot remove '%s': %s", path, strerrordesc_np(e));
    free(path);
    return rc;
}

pl_rc pl_private_destroy(const char *private_dir, const pl_hash *commitment, pl_error *err)
{
    char rel[96];

    record_name(commitment, rel);
    return pl_ledger_file_destroy(private_dir, rel, err);
}
