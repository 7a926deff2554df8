/* Power cuts: this program stands in for the disk. It takes the place of fsync, fdatasync
 * and rename and keeps, beside the real files, what would be left if the power failed now
 * and everything not flushed were lost: contents as of their last flush, folders as of
 * theirs. Beside it come states in which some of what was not flushed is there all the same,
 * in any order: single sectors of files, single entries of folders. Each of these states must
 * recover to what was acknowledged and published by then.
 *
 * Inode numbers tell files apart, which needs a file system that does not use them again
 * (tmpfs); elsewhere the test is skipped.
 * PROVES: evidence-ledger/7.5 PROVES: evidence-ledger/7.6 */
#include "ledger_test.h"

#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#define CUTS_MAX 800
#define MIXES    2   /* states with some of what was not flushed, at every cut */
#define SECTOR   512
#define ENTRIES  270

/* --- the disk -------------------------------------------------------------------------- */

typedef struct entry {
    char     name[64];
    uint64_t inode;
    bool     is_dir;
} entry;

/* What the disk holds of one inode: bytes of a file, or entries of a folder. */
typedef struct flushed {
    uint64_t        inode;
    bool            is_dir;
    char           *bytes;
    size_t          n;
    entry          *entries;
    size_t          count;
    struct flushed *next;
} flushed;

typedef struct cut {
    char         *dir; /* the log as the power cut left it; not there: NULL */
    uint64_t      acked;
    pl_checkpoint seen; /* what a reader could have seen before */
    bool          has_seen;
} cut;

static struct {
    bool        is_on;
    lt_fx      *f;
    uint64_t    root; /* inode of the folder that holds the log */
    flushed    *first;
    cut         cuts[CUTS_MAX];
    size_t      count;
    uint64_t    acked;
    uint64_t    random;
} disk;

/* Publications flush their files from several threads. */
static pthread_mutex_t disk_lock = PTHREAD_MUTEX_INITIALIZER;

static bool coin(void)
{
    disk.random ^= disk.random >> 12;
    disk.random ^= disk.random << 25;
    disk.random ^= disk.random >> 27;
    return (disk.random * UINT64_C(0x2545F4914F6CDD1D)) >> 63;
}

static flushed *disk_find(uint64_t inode, bool make)
{
    flushed *x = disk.first;

    while (x != NULL && x->inode != inode)
        x = x->next;
    if (x == NULL && make) {
        x = calloc(1, sizeof(*x));
        x->inode = inode;
        x->next = disk.first;
        disk.first = x;
    }
    return x;
}

static void flush_file(int fd, flushed *x, size_t n)
{
    free(x->bytes);
    x->bytes = malloc(n + 1);
    x->n = n;
    if (pread(fd, x->bytes, n, 0) == (ssize_t)n)
        return;
    /* Opened for writing only: read it through another descriptor. */
    char path[64];
    int  again;

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    again = open(path, O_RDONLY);
    assert_true(again >= 0 && pread(again, x->bytes, n, 0) == (ssize_t)n);
    (void)close(again);
}

static void flush_folder(int fd, flushed *x)
{
    int            copy = openat(fd, ".", O_RDONLY | O_DIRECTORY);
    DIR           *d = fdopendir(copy);
    struct dirent *e;

    x->is_dir = true;
    x->count = 0;
    while ((e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        x->entries = realloc(x->entries, (x->count + 1) * sizeof(*x->entries));
        x->entries[x->count] = (entry){ .inode = e->d_ino, .is_dir = e->d_type == DT_DIR };
        (void)snprintf(x->entries[x->count].name, sizeof(x->entries[0].name), "%.63s", e->d_name);
        x->count++;
    }
    (void)closedir(d);
}

/* Builds under `to` what the disk holds of a folder. */
static void folder_restore(uint64_t inode, const char *to)
{
    const flushed *x = disk_find(inode, false);

    (void)mkdir(to, 0755);
    for (size_t i = 0; x != NULL && i < x->count; i++) {
        const entry   *e = &x->entries[i];
        const flushed *of = disk_find(e->inode, false);
        char          *path = pl_path_join(to, e->name);

        if (e->is_dir) {
            folder_restore(e->inode, path);
        } else {
            int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

            assert_true(fd >= 0);
            if (of != NULL && of->n > 0)
                assert_true(write(fd, of->bytes, of->n) == (ssize_t)of->n);
            (void)close(fd);
        }
        free(path);
    }
}

static pl_str file_now(const char *path)
{
    char  *bytes = NULL;
    size_t n = 0;

    if (pl_file_read(path, 64u << 20, &bytes, &n, NULL) != PL_OK)
        return (pl_str){ NULL, 0 };
    return (pl_str){ bytes, n };
}

/* Each sector as it was flushed or as it is now; the length one or the other. A file that
 * has lost its name is as it was flushed. */
static void file_mix(const flushed *old, const char *now, const char *to)
{
    pl_str new = file_now(now);
    size_t old_n = old != NULL ? old->n : 0, n = new.p != NULL && coin() ? new.n : old_n;
    char  *bytes = calloc(1, n + 1);
    int    fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    for (size_t at = 0; at < n; at += SECTOR) {
        size_t      part = n - at < SECTOR ? n - at : SECTOR;
        const char *from = new.p != NULL && coin() ? new.p : old != NULL ? old->bytes : NULL;
        size_t      have = from == new.p ? new.n : old_n;

        if (from != NULL && at < have)
            memcpy(bytes + at, from + at, have - at < part ? have - at : part);
    }
    assert_true(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
    (void)close(fd);
    free(bytes);
    free((void *)(uintptr_t)new.p);
}

static const entry *entry_named(const flushed *x, const char *name)
{
    for (size_t i = 0; x != NULL && i < x->count; i++)
        if (strcmp(x->entries[i].name, name) == 0)
            return &x->entries[i];
    return NULL;
}

static void folder_mix(uint64_t inode, const char *now, const char *to);

/* One name of a folder, as flushed or as now. `path` is where it is now, if it is. */
static void entry_mix(const entry *e, const char *now, const char *to)
{
    const flushed *old = disk_find(e->inode, false);
    char          *from = pl_path_join(now, e->name), *path = pl_path_join(to, e->name);
    struct stat    st;
    bool           is_here = stat(from, &st) == 0 && st.st_ino == e->inode;

    if (e->is_dir)
        folder_mix(e->inode, from, path);
    else
        file_mix(old, is_here ? from : "", path);
    free(from);
    free(path);
}

static void folder_mix(uint64_t inode, const char *now, const char *to)
{
    const flushed *old = disk_find(inode, false);
    flushed        current = { .inode = inode };
    int            fd = open(now, O_RDONLY | O_DIRECTORY);

    (void)mkdir(to, 0755);
    if (fd >= 0) {
        flush_folder(fd, &current);
        (void)close(fd);
    }
    for (size_t i = 0; i < current.count; i++) {
        const entry *is = &current.entries[i], *was = entry_named(old, is->name);

        if (was != NULL && was->inode == is->inode)
            entry_mix(is, now, to);
        else if (coin())
            entry_mix(is, now, to);
        else if (was != NULL)
            entry_mix(was, now, to);
    }
    for (size_t i = 0; old != NULL && i < old->count; i++)
        if (entry_named(&current, old->entries[i].name) == NULL && coin())
            entry_mix(&old->entries[i], now, to);
    free(current.entries);
}

/* mixed: some of what was not flushed has reached the disk. */
static void cut_keep(bool mixed)
{
    cut       *c = &disk.cuts[disk.count];
    pl_ledger *r = NULL;
    char       name[64];

    assert_true(disk.count < CUTS_MAX);
    (void)snprintf(name, sizeof(name), "cut-%zu", disk.count++);
    c->dir = pl_path_join(disk.f->tmp, name);
    c->acked = disk.acked;
    if (mixed) {
        char *now = pl_path_join(disk.f->tmp, "disk");

        folder_mix(disk.root, now, c->dir);
        free(now);
    } else {
        folder_restore(disk.root, c->dir);
    }
    c->has_seen = false;
    if (pl_ledger_open_reader(disk.f->dir, &r, NULL) == PL_OK) {
        c->has_seen = pl_ledger_head(r, &c->seen, NULL) == PL_OK;
        pl_ledger_close(r);
    }
}

/* The power fails now. */
static void cut_take(void)
{
    disk.is_on = false;
    cut_keep(false);
    for (int i = 0; i < MIXES; i++)
        cut_keep(true);
    disk.is_on = true;
}

static int flush(int fd, long number)
{
    struct stat st;
    flushed    *x;

    (void)pthread_mutex_lock(&disk_lock);
    if (!disk.is_on) {
        (void)pthread_mutex_unlock(&disk_lock);
        return (int)syscall(number, fd);
    }
    cut_take(); /* just before: the flush has not happened */
    assert_int_equal(fstat(fd, &st), 0);
    x = disk_find(st.st_ino, true);
    if (S_ISDIR(st.st_mode))
        flush_folder(fd, x);
    else
        flush_file(fd, x, (size_t)st.st_size);
    (void)pthread_mutex_unlock(&disk_lock);
    return 0;
}

int fsync(int fd)
{
    return flush(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return flush(fd, SYS_fdatasync);
}

int rename(const char *from, const char *to)
{
    int r = (int)syscall(SYS_rename, from, to);

    (void)pthread_mutex_lock(&disk_lock);
    if (disk.is_on)
        cut_take(); /* just after: visible to readers, not on the disk */
    (void)pthread_mutex_unlock(&disk_lock);
    return r;
}

/* --- the work -------------------------------------------------------------------------- */

static void append_upto(lt_fx *f, unsigned upto)
{
    lt_append_plain(f, (unsigned)pl_ledger_size(f->l), upto);
    disk.acked = upto;
}

static void open_small(lt_fx *f)
{
    assert_ok(pl_ledger_open_sized(f->dir, f->signer, 16384, &f->l, &f->err), &f->err);
}

static void work(lt_fx *f)
{
    assert_ok(pl_ledger_create(f->dir, PL_STR(LT_ORIGIN), f->signer, &f->err), &f->err);
    open_small(f);
    append_upto(f, 2);
    append_upto(f, 3);
    lt_publish(f);
    append_upto(f, 200);
    append_upto(f, 201);
    append_upto(f, 202);
    append_upto(f, 203);
    lt_publish(f);
    lt_close(f);
    open_small(f);
    append_upto(f, 260); /* over the end of the first bundle */
    append_upto(f, 262);
    lt_publish(f);
    append_upto(f, 264);
    lt_close(f);
    open_small(f);
    lt_publish(f);
    lt_close(f);
}

/* --- the check ------------------------------------------------------------------------- */

static void assert_consistent(const pl_ledger *l, const cut *c, size_t number)
{
    pl_checkpoint now;
    pl_proof      p;
    pl_error      err = { PL_OK, "" };

    assert_ok(pl_ledger_head(l, &now, &err), &err);
    if (now.size < c->seen.size)
        fail_msg("cut %zu: %llu entries had been published, now %llu", number,
                 (unsigned long long)c->seen.size, (unsigned long long)now.size);
    assert_ok(pl_ledger_consistency(l, c->seen.size, now.size, &p, &err), &err);
    assert_ok(pl_merkle_consistency_verify(c->seen.size, now.size, &c->seen.root, &now.root, &p,
                                           &err),
              &err);
}

static void check_cut(lt_fx *f, const cut *c, size_t number)
{
    char    *dir = pl_path_join(c->dir, "ledger");
    char    *whole = f->dir;
    pl_error err = { PL_OK, "" };
    uint64_t size;

    if (access(dir, F_OK) != 0) {
        assert_int_equal(c->acked, 0);
        free(dir);
        return;
    }
    f->dir = dir;
    if (pl_ledger_open_sized(dir, f->signer, 16384, &f->l, &err) != PL_OK)
        fail_msg("cut %zu: cannot be opened: %s", number, err.text);
    size = pl_ledger_size(f->l);
    if (size < c->acked)
        fail_msg("cut %zu: %llu entries had been acknowledged, %llu are left", number,
                 (unsigned long long)c->acked, (unsigned long long)size);
    lt_append_plain(f, (unsigned)size, (unsigned)size + 1);
    lt_publish(f);
    if (c->has_seen)
        assert_consistent(f->l, c, number);
    for (unsigned i = 0; i <= size; i += i < 190 ? 19 : 1)
        lt_assert_plain(f->l, i);
    lt_close(f);
    assert_int_equal(lt_assert_problems(f, size + 1), size + 1); /* plain text is no statement */
    f->dir = whole;
    free(dir);
}

static bool inodes_are_unique(const char *path)
{
    struct statfs fs;

    return statfs(path, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

static void disk_forget(void)
{
    while (disk.first != NULL) {
        flushed *x = disk.first;

        disk.first = x->next;
        free(x->bytes);
        free(x->entries);
        free(x);
    }
    for (size_t i = 0; i < disk.count; i++)
        free(disk.cuts[i].dir);
    disk.count = 0;
    disk.acked = 0;
}

/* One run of the work on a disk of its own; every state is checked. Gives how many. */
static size_t cuts_of_a_run(void)
{
    void       *state = NULL;
    lt_fx      *f;
    char       *at;
    struct stat st;
    size_t      n;

    lt_setup_bare(&state);
    f = state;
    /* The states lie beside the disk, not on it. */
    at = pl_path_join(f->tmp, "disk");
    assert_int_equal(mkdir(at, 0755), 0);
    free(f->dir);
    f->dir = pl_path_join(at, "ledger");
    assert_int_equal(stat(at, &st), 0);
    free(at);
    disk.f = f;
    disk.root = st.st_ino;
    disk.is_on = true;
    work(f);
    disk.is_on = false;
    n = disk.count;
    for (size_t i = 0; i < n; i++)
        check_cut(f, &disk.cuts[i], i);
    disk_forget();
    lt_teardown(&state);
    return n;
}

static void power_cut__loses_nothing_acknowledged(void **state)
{
    const char *seed = getenv("PL_SEED");
    lt_fx      *f = *state;
    size_t      states = 0;

    if (!inodes_are_unique(f->tmp))
        skip_because("needs a tmpfs for its files");
    disk.random = seed != NULL ? strtoull(seed, NULL, 10) | 1 : 20261122;
    do {
        print_message("# PL_SEED=%llu\n", (unsigned long long)disk.random);
        states += cuts_of_a_run();
    } while (lt_is_nightly() && states < 10000);
    print_message("# %zu states after power cuts\n", states);
    assert_true(states > 240);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(power_cut__loses_nothing_acknowledged, lt_setup_bare,
                                        lt_teardown),
    };

    lt_use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
