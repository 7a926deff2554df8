#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "host/cli/backup_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK     (64u << 10)
#define DEPTH_MAX 32

static pl_rc sys_fail(pl_error *err, const char *doing, const char *path)
{
    return pl_fail(err, PL_IO, "cannot %s '%.150s': %s", doing, path, strerrordesc_np(errno));
}

/* --- copying --------------------------------------------------------------------------- */

static pl_rc copy_bytes(int in, int out, const char *path, pl_error *err)
{
    char    chunk[CHUNK];
    ssize_t n;
    pl_rc   rc = PL_OK;

    while (rc == PL_OK && (n = read(in, chunk, sizeof chunk)) != 0)
        rc = n > 0 ? pl_write_all(out, chunk, (size_t)n, err)
                   : errno == EINTR ? PL_OK : sys_fail(err, "read", path);
    if (rc == PL_OK && fsync(out) != 0)
        rc = sys_fail(err, "flush a copy of", path);
    return rc;
}

/* Takes `in` over. */
static pl_rc copy_file(int in, const struct stat *st, const char *to, pl_error *err)
{
    int   out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st->st_mode & 0777);
    pl_rc rc = out >= 0 ? copy_bytes(in, out, to, err) : sys_fail(err, "create", to);

    if (out >= 0 && close(out) != 0 && rc == PL_OK)
        rc = sys_fail(err, "write", to);
    (void)close(in);
    return rc;
}

static pl_rc copy_tree(const char *from, const char *to, const char *skip, int depth,
                       pl_error *err);

static pl_rc copy_entry(const char *from, const char *to, int depth, pl_error *err)
{
    struct stat st;
    int         fd = open(from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT) /* a temporary file, renamed meanwhile */
        return PL_OK;
    if (fd < 0 || fstat(fd, &st) != 0) {
        if (fd >= 0)
            (void)close(fd);
        return sys_fail(err, "copy", from);
    }
    if (S_ISREG(st.st_mode))
        return copy_file(fd, &st, to, err);
    (void)close(fd);
    if (!S_ISDIR(st.st_mode) || depth >= DEPTH_MAX)
        return pl_fail(err, PL_INVALID, "neither a file nor a folder: '%.180s'", from);
    if (mkdir(to, st.st_mode & 0777) != 0)
        return sys_fail(err, "create", to);
    return copy_tree(from, to, NULL, depth + 1, err);
}

static pl_rc copy_tree(const char *from, const char *to, const char *skip, int depth, pl_error *err)
{
    DIR           *d = opendir(from);
    struct dirent *e;
    pl_rc          rc = PL_OK;

    if (d == NULL)
        return sys_fail(err, "list", from);
    while (rc == PL_OK && (e = readdir(d)) != NULL) {
        char *a, *b;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            (skip != NULL && strcmp(e->d_name, skip) == 0))
            continue;
        a = pl_path_join(from, e->d_name);
        b = pl_path_join(to, e->d_name);
        rc = a != NULL && b != NULL ? copy_entry(a, b, depth, err)
                                    : pl_fail(err, PL_NOMEM, "out of memory");
        free(a);
        free(b);
    }
    (void)closedir(d);
    return rc == PL_OK ? pl_fsync_dir(to, err) : rc;
}

pl_rc backup_copy(const char *from, const char *to, const char *rel, const char *skip,
                  pl_error *err)
{
    char       *a = pl_path_join(from, rel), *b = pl_path_join(to, rel);
    struct stat st;
    pl_rc       rc = a != NULL && b != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK && stat(a, &st) == 0) {
        if (S_ISDIR(st.st_mode) && mkdir(b, st.st_mode & 0777) == 0)
            rc = copy_tree(a, b, skip, 1, err);
        else if (S_ISDIR(st.st_mode))
            rc = sys_fail(err, "create", b);
        else
            rc = copy_entry(a, b, 1, err);
    }
    free(a);
    free(b);
    return rc;
}

/* --- the files that change in place ---------------------------------------------------- */

typedef pl_rc (*top_fn)(void *ctx, const char *path, const char *name, pl_error *err);

static int no_lock(const struct dirent *e)
{
    return e->d_name[0] != '.' && strcmp(e->d_name, "lock") != 0;
}

static bool is_file(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static pl_rc top_each(const char *dir, top_fn fn, void *ctx, pl_error *err)
{
    struct dirent **list = NULL;
    int             n = scandir(dir, &list, no_lock, alphasort);
    pl_rc           rc = n >= 0 ? PL_OK : sys_fail(err, "list", dir);

    for (int i = 0; i < n; i++) {
        char *path = pl_path_join(dir, list[i]->d_name);

        if (path == NULL)
            rc = pl_fail(err, PL_NOMEM, "out of memory");
        else if (rc == PL_OK && is_file(path))
            rc = fn(ctx, path, list[i]->d_name, err);
        free(path);
        free(list[i]);
    }
    free(list);
    return rc;
}

static pl_rc hash_fd(int fd, pl_sha256 *s, uint64_t *size, const char *path, pl_error *err)
{
    char    chunk[CHUNK];
    ssize_t n;

    while ((n = read(fd, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno != EINTR)
            return sys_fail(err, "read", path);
        pl_sha256_update(s, chunk, n > 0 ? (size_t)n : 0);
        *size += n > 0 ? (uint64_t)n : 0;
    }
    return PL_OK;
}

static pl_rc hash_one(void *ctx, const char *path, const char *name, pl_error *err)
{
    pl_sha256 *s = ctx;
    uint64_t   size = 0;
    int        fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    pl_rc      rc;

    if (fd < 0)
        return errno == ENOENT ? PL_OK : sys_fail(err, "open", path);
    pl_sha256_update(s, name, strlen(name) + 1);
    rc = hash_fd(fd, s, &size, path, err);
    pl_sha256_update(s, &size, sizeof size);
    (void)close(fd);
    return rc;
}

pl_rc backup_top_digest(const char *dir, uint8_t out[32], pl_error *err)
{
    pl_sha256 s;
    pl_rc     rc;

    pl_sha256_init(&s);
    rc = top_each(dir, hash_one, &s, err);
    pl_sha256_final(&s, out);
    return rc;
}

static pl_rc copy_one(void *ctx, const char *path, const char *name, pl_error *err)
{
    char *to = pl_path_join(ctx, name);
    pl_rc rc = to != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK) {
        (void)unlink(to); /* of an earlier try */
        rc = copy_entry(path, to, 1, err);
    }
    free(to);
    return rc;
}

pl_rc backup_top_copy(const char *from, const char *to, pl_error *err)
{
    return top_each(from, copy_one, (void *)(uintptr_t)to, err);
}

/* --- listing --------------------------------------------------------------------------- */

static pl_rc list_file(json_t *out, const char *path, const char *rel, const struct stat *st,
                       pl_error *err)
{
    pl_sha256 s;
    uint64_t  size = 0;
    uint8_t   sum[32];
    char      hex[65];
    int       fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    pl_rc     rc;

    if (fd < 0)
        return sys_fail(err, "open", path);
    pl_sha256_init(&s);
    rc = hash_fd(fd, &s, &size, path, err);
    pl_sha256_final(&s, sum);
    (void)close(fd);
    if (rc != PL_OK)
        return rc;
    pl_hex(sum, sizeof sum, hex);
    if (json_array_append_new(out, json_pack("{s:s, s:I, s:s, s:i}", "path", rel, "size",
                                             (json_int_t)size, "sha256", hex, "mode",
                                             (int)(st->st_mode & 0777))) != 0)
        return pl_fail(err, PL_INVALID, "file name is not UTF-8: '%.150s'", path);
    return PL_OK;
}

static pl_rc list_dir(json_t *out, const char *root, const char *prefix, int depth, pl_error *err)
{
    char           *dir = pl_path_join(root, prefix);
    struct dirent **names = NULL;
    int             n = dir != NULL ? scandir(dir, &names, NULL, alphasort) : -1;
    pl_rc           rc = n >= 0 ? PL_OK : sys_fail(err, "list", dir != NULL ? dir : root);

    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name;
        char       *rel = prefix[0] != '\0' ? pl_path_join(prefix, name) : strdup(name);
        char       *path = rel != NULL ? pl_path_join(root, rel) : NULL;
        struct stat st;

        if (rc != PL_OK || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
            (rel != NULL && strcmp(rel, BACKUP_MANIFEST) == 0))
            ;
        else if (path == NULL)
            rc = pl_fail(err, PL_NOMEM, "out of memory");
        else if (lstat(path, &st) != 0)
            rc = sys_fail(err, "look at", path);
        else if (S_ISREG(st.st_mode))
            rc = list_file(out, path, rel, &st, err);
        else if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
            rc = list_dir(out, root, rel, depth + 1, err);
        else
            rc = pl_fail(err, PL_INVALID, "neither a file nor a folder: '%.180s'", path);
        free(rel);
        free(path);
        free(names[i]);
    }
    free(names);
    free(dir);
    return rc;
}

pl_rc backup_list(const char *dir, json_t **out, pl_error *err)
{
    json_t *list = json_array();
    pl_rc   rc = list != NULL ? list_dir(list, dir, "", 1, err)
                              : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc != PL_OK) {
        json_decref(list);
        return rc;
    }
    *out = list;
    return PL_OK;
}

/* --- small tools ----------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st, (void)type, (void)f;
    return remove(path);
}

void backup_remove(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

pl_rc backup_run(const char *const *argv, pl_error *err)
{
    int   status = 0;
    pid_t pid = fork();

    if (pid < 0)
        return pl_fail(err, PL_IO, "cannot run %s: %s", argv[0], strerrordesc_np(errno));
    if (pid == 0) {
        (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return pl_fail(err, PL_IO, "%s is not installed", argv[0]);
    if (status != 0)
        return pl_fail(err, PL_IO, "%s failed", argv[0]);
    return PL_OK;
}

pl_rc backup_staging(const char *path, char *out, size_t cap, pl_error *err)
{
    int n = snprintf(out, cap, "%s.new-XXXXXX", path);

    if (n < 0 || (size_t)n >= cap)
        return pl_fail(err, PL_INVALID, "path is too long: '%.150s'", path);
    if (mkdtemp(out) == NULL)
        return sys_fail(err, "make a folder beside", path);
    return PL_OK;
}

pl_rc backup_move(const char *from, const char *to, pl_error *err)
{
    int e = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0 ? 0 : errno;

    if (e == EINVAL || e == ENOSYS) /* a file system that knows only rename */
        e = access(to, F_OK) == 0 ? EEXIST : rename(from, to) == 0 ? 0 : errno;
    if (e == 0)
        return PL_OK;
    return pl_fail(err, e == EEXIST ? PL_CONFLICT : PL_IO, "cannot put the result at '%.150s': %s",
                   to, strerrordesc_np(e));
}
