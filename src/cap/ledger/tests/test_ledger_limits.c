/* What the machine runs out of: a disk that is really full, files that may be open; and a
 * place that is no place for a log. PROVES: evidence-ledger/7.3 PROVES: evidence-ledger/7.21 */
#include "ledger_test.h"

#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define SKIPPED 77

/* Runs fn in a process of its own; its failures end that one. */
static int in_child(void (*fn)(lt_fx *f), lt_fx *f)
{
    int   status = 0;
    pid_t pid;

    (void)fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        fn(f);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            print_message("# line %d: %s: %s\n", __LINE__, #x, f->err.text);                       \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* --- a full disk ----------------------------------------------------------------------- */

#define DISK_MIB 64

static void fill(const char *path)
{
    static char block[1 << 16];
    int         fd = open(path, O_WRONLY | O_CREAT, 0600);

    for (size_t size = sizeof(block); size > 0; size /= 16)
        while (write(fd, block, size) == (ssize_t)size)
            ;
    (void)close(fd);
}

static pl_rc append_large(lt_fx *f, uint64_t *index)
{
    static char bytes[60000];
    pl_str      e = { bytes, sizeof(bytes) };

    memcpy(bytes, &(uint64_t){ pl_ledger_size(f->l) }, 8);
    return pl_ledger_append(f->l, &e, 1, index, &f->err);
}

static void small_disk(lt_fx *f)
{
    char     options[32], *filler = pl_path_join(f->tmp, "filler"), *bytes = NULL;
    uint64_t acked = 0, index = 0;
    size_t   n = 0;
    pl_rc    rc;

    (void)snprintf(options, sizeof(options), "size=%dm", DISK_MIB);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("pl-test", f->tmp, "tmpfs", 0, options) != 0)
        _exit(SKIPPED);
    CHECK(pl_ledger_create(f->dir, PL_STR(LT_ORIGIN), f->signer, &f->err) == PL_OK);
    CHECK(pl_ledger_open(f->dir, f->signer, &f->l, &f->err) == PL_OK);
    while ((rc = append_large(f, &index)) == PL_OK)
        acked = index + 1;
    CHECK(rc == PL_FULL);
    CHECK(acked > 100);
    /* What was accepted can be published: appends stopped while there was room for that. */
    CHECK(pl_ledger_publish(f->l, &f->err) == PL_OK);
    CHECK(pl_ledger_entry(f->l, acked - 1, &bytes, &n, &f->err) == PL_OK);
    /* Somebody else fills the rest. */
    while (append_large(f, &index) == PL_OK)
        acked = index + 1;
    fill(filler);
    rc = pl_ledger_publish(f->l, &f->err);
    CHECK(rc == PL_FULL || rc == PL_OK);
    CHECK(append_large(f, &index) == PL_FULL);
    CHECK(pl_ledger_entry(f->l, 0, &bytes, &n, &f->err) == PL_OK); /* reading goes on */
    CHECK(unlink(filler) == 0);
    /* And so does everything, with the same object. */
    CHECK(pl_ledger_publish(f->l, &f->err) == PL_OK);
    CHECK(pl_ledger_size(f->l) == acked);
    pl_ledger_close(f->l);
    CHECK(pl_ledger_open(f->dir, f->signer, &f->l, &f->err) == PL_OK);
    CHECK(pl_ledger_size(f->l) == acked);
    for (uint64_t i = 0; i < acked; i++) {
        CHECK(pl_ledger_entry(f->l, i, &bytes, &n, &f->err) == PL_OK);
        CHECK(n == 60000 && memcmp(bytes, &i, 8) == 0);
        free(bytes);
    }
    print_message("# %llu entries accepted on %d MiB\n", (unsigned long long)acked, DISK_MIB);
}

static void full_disk__keeps_room_to_publish_and_goes_on_afterwards(void **state)
{
    lt_fx *f = *state;
    int    code = in_child(small_disk, f);

    if (code == SKIPPED)
        skip_because("needs a file system of its own to fill");
    assert_int_equal(code, 0);
}

/* --- open files ------------------------------------------------------------------------ */

static void few_files(lt_fx *f)
{
    struct rlimit few = { 0, 0 }, many;
    pl_str       *e = calloc(300, sizeof(*e));
    char(*text)[32] = calloc(300, sizeof(*text));
    uint64_t acked = 0, first;
    unsigned refused = 0;
    int      next;

    CHECK(pl_ledger_create(f->dir, PL_STR(LT_ORIGIN), f->signer, &f->err) == PL_OK);
    CHECK(pl_ledger_open(f->dir, f->signer, &f->l, &f->err) == PL_OK);
    next = dup(0);
    (void)close(next);
    CHECK(getrlimit(RLIMIT_NOFILE, &many) == 0);
    for (int spare = 0; spare < 16; spare++) {
        pl_rc rc;

        few = (struct rlimit){ (rlim_t)(next + spare), many.rlim_max };
        for (unsigned i = 0; i < 300; i++)
            e[i] = lt_plain((unsigned)acked + i, text[i]);
        CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
        rc = pl_ledger_append(f->l, e, 300, &first, &f->err);
        if (rc == PL_OK)
            acked = first + 300;
        if (rc == PL_OK)
            rc = pl_ledger_publish(f->l, &f->err);
        CHECK(setrlimit(RLIMIT_NOFILE, &many) == 0);
        refused += rc != PL_OK;
        CHECK(rc == PL_OK || rc == PL_FULL || rc == PL_IO);
        if (rc == PL_IO) { /* as the daemon does */
            pl_ledger_close(f->l);
            CHECK(pl_ledger_open(f->dir, f->signer, &f->l, &f->err) == PL_OK);
        }
        CHECK(pl_ledger_size(f->l) == acked);
    }
    CHECK(pl_ledger_publish(f->l, &f->err) == PL_OK);
    CHECK(refused > 0 && refused < 16);
    for (unsigned i = 0; i < acked; i += 7)
        lt_assert_plain(f->l, i);
    print_message("# %u of 16 refused\n", refused);
}

static void few_open_files__lose_nothing_accepted(void **state)
{
    assert_int_equal(in_child(few_files, *state), 0);
}

/* --- the place ------------------------------------------------------------------------- */

static void network_file_systems__are_refused(void **state)
{
    static const unsigned long shared[] = { NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, CIFS_SUPER_MAGIC,
                                            SMB2_SUPER_MAGIC, AFS_SUPER_MAGIC, CODA_SUPER_MAGIC,
                                            CEPH_SUPER_MAGIC, OCFS2_SUPER_MAGIC };
    static const unsigned long local[] = { EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC,
                                           TMPFS_MAGIC, OVERLAYFS_SUPER_MAGIC, F2FS_SUPER_MAGIC };

    (void)state;
    for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++)
        assert_true(pl_ledger_is_shared_fs(shared[i]));
    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
        assert_false(pl_ledger_is_shared_fs(local[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(full_disk__keeps_room_to_publish_and_goes_on_afterwards,
                                        lt_setup_bare, lt_teardown),
        cmocka_unit_test_setup_teardown(few_open_files__lose_nothing_accepted, lt_setup_bare,
                                        lt_teardown),
        cmocka_unit_test(network_file_systems__are_refused),
    };

    lt_use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
