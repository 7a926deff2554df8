#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "cap/pack/pack_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_plain_name(const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < n; i++) {
        char c = name[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-' || c == '@'))
            return false;
    }
    return n > 0 && name[0] != '.';
}

static bool hash_fd(int fd, pack_file *f)
{
    pl_sha256 s;
    char      chunk[16384];
    ssize_t   n;

    pl_sha256_init(&s);
    f->size = 0;
    while ((n = read(fd, chunk, sizeof chunk)) > 0) {
        pl_sha256_update(&s, chunk, (size_t)n);
        f->size += (uint64_t)n;
    }
    pl_sha256_final(&s, f->sha256);
    return n == 0;
}

static void file_add(pl_pack *p, pack_report *r, int fd, const char *path, off_t size)
{
    pack_file *bigger;

    if (p->file_count == PACK_FILES_MAX || size > (off_t)PACK_FILE_MAX) {
        pack_problem(r, PACK_ERROR, path, 0, "more than %u files, or a file above %u bytes",
                     PACK_FILES_MAX, PACK_FILE_MAX);
        return;
    }
    bigger = realloc(p->files, (p->file_count + 1) * sizeof *p->files);
    if (bigger == NULL) {
        r->first = (pl_error){ PL_NOMEM, "out of memory" };
        return;
    }
    p->files = bigger;
    (void)snprintf(p->files[p->file_count].path, PACK_PATH_MAX, "%s", path);
    if (hash_fd(fd, &p->files[p->file_count]))
        p->file_count++;
    else
        pack_problem(r, PACK_ERROR, path, 0, "cannot be read: %s", strerrordesc_np(errno));
}

static void walk(pl_pack *p, pack_report *r, int dirfd, const char *prefix, int depth);

/* Links and special files would make the pack depend on what lies outside it. */
static void visit(pl_pack *p, pack_report *r, int dirfd, const char *prefix, const char *name,
                  int depth)
{
    char        path[PACK_PATH_MAX];
    struct stat st;
    int         n = snprintf(path, sizeof path, "%s%s", prefix, name);
    int         fd;

    if (n < 0 || (size_t)n >= sizeof path - 1 || !is_plain_name(name)) {
        pack_problem(r, PACK_ERROR, path, 0,
                     "file name must be short and of letters, digits and . _ - @ only");
        return;
    }
    fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        pack_problem(r, PACK_ERROR, path, 0, "cannot be opened: %s",
                     errno == ELOOP ? "symbolic links are not accepted" : strerrordesc_np(errno));
    } else if (S_ISREG(st.st_mode)) {
        file_add(p, r, fd, path, st.st_size);
    } else if (S_ISDIR(st.st_mode) && depth < PACK_DEPTH_MAX) {
        path[n] = '/';
        path[n + 1] = '\0';
        walk(p, r, fd, path, depth + 1);
        return; /* walk closed it */
    } else {
        pack_problem(r, PACK_ERROR, path, 0, "neither a regular file nor a folder near the top");
    }
    if (fd >= 0)
        (void)close(fd);
}

/* Takes dirfd over. */
static void walk(pl_pack *p, pack_report *r, int dirfd, const char *prefix, int depth)
{
    DIR           *d = fdopendir(dirfd);
    struct dirent *e;

    if (d == NULL) {
        (void)close(dirfd);
        pack_problem(r, PACK_ERROR, prefix, 0, "cannot be listed: %s", strerrordesc_np(errno));
        return;
    }
    while ((e = readdir(d)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            visit(p, r, dirfd, prefix, e->d_name, depth);
    (void)closedir(d);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const pack_file *)a)->path, ((const pack_file *)b)->path);
}

void pack_digest_compute(const pl_pack *p, pack_digest_of what, uint8_t out[32])
{
    pl_sha256 s;

    pl_sha256_init(&s);
    for (size_t i = 0; i < p->file_count; i++) {
        const pack_file *f = &p->files[i];
        char             size[24];
        int              n = snprintf(size, sizeof size, "%llu", (unsigned long long)f->size);

        if (what == PACK_DIGEST_CONTENT && strcmp(f->path, PACK_MANIFEST) == 0)
            continue;
        pl_sha256_update(&s, f->path, strlen(f->path) + 1);
        pl_sha256_update(&s, size, (size_t)n + 1);
        pl_sha256_update(&s, f->sha256, sizeof f->sha256);
        pl_sha256_update(&s, "\n", 1);
    }
    pl_sha256_final(&s, out);
}

void pack_files_read(pl_pack *p, pack_report *r)
{
    int fd = open(p->dir, O_RDONLY | O_CLOEXEC | O_DIRECTORY);

    if (fd < 0) {
        pack_problem(r, PACK_ERROR, "", 0, "not a readable folder: %s", strerrordesc_np(errno));
        return;
    }
    walk(p, r, fd, "", 1);
    if (p->file_count > 1)
        qsort(p->files, p->file_count, sizeof *p->files, by_path);
    pack_digest_compute(p, PACK_DIGEST_ALL, p->digest);
}

bool pack_files_has(const pl_pack *p, const char *path)
{
    for (size_t i = 0; i < p->file_count; i++)
        if (strcmp(p->files[i].path, path) == 0)
            return true;
    return false;
}
