/* Files changed in place: whatever kills or fails the writing, at whichever write, the file is what it
 * was, or what it was to be, or what lies beside it takes it back. */
#include "pl_test.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/str.h"
#include "cap/label/in_place.h"
#include "cap/label/issue.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PRODUCER "001191110102MAD55U9H0F10002"
#define DATA     3000u

/* The label goes to the end and the length at the head changes. */
static const char *wav_make(void)
{
    static char    w[44 + DATA];
    const uint32_t head[11] = { 0x46464952, 36 + DATA, 0x45564157, 0x20746D66, 16, 1 | 1u << 16,
                                8000,       8000,      1 | 8u << 16, 0x61746164, DATA };

    memcpy(w, head, sizeof head);
    memset(w + 44, 0x55, DATA);
    return w;
}

/* A label that is replaced by a shorter one: everything behind it moves, the file becomes shorter. */
#define LONG "{\"AIGC\":{\"Label\":\"1\",\"ContentProducer\":\"" PRODUCER "\",\"ProduceID\":\"0123456789012345678901234567890123456789\","  \
             "\"ReservedCode1\":\"\",\"ContentPropagator\":\"" PRODUCER "\",\"PropagateID\":\"0123456789012345678901234567890123456789\"," \
             "\"ReservedCode2\":\"\"},\"text\":\"what follows\",\"more\":[1,2,3]}"

static pl_str wav_bytes(void)
{
    return (pl_str){ wav_make(), 44 + DATA };
}

static pl_str json_bytes(void)
{
    return PL_STR(LONG);
}

static const struct {
    const char *name;
    pl_str (*bytes)(void);
} kinds[2] = { { "a.wav", wav_bytes }, { "a.json", json_bytes } };

static char *put(const char *dir, const char *name, pl_str bytes)
{
    char    *path = NULL;
    pl_error err = { 0 };

    assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
    assert_ok(pl_file_write_atomic(path, bytes, 0644, &err), &err);
    return path;
}

static char *get(const char *path, size_t *n)
{
    char    *text = NULL;
    pl_error err = { 0 };

    assert_ok(pl_file_read(path, 1u << 20, &text, n, &err), &err);
    return text;
}

static void assert_file(const char *path, pl_str want)
{
    size_t n = 0;
    char  *text = get(path, &n);

    assert_int_equal(n, want.n);
    assert_memory_equal(text, want.p, n);
    free(text);
}

static pl_rc label(const char *path, pl_error *err)
{
    label_order   o = { .producer = PL_STR(PRODUCER), .content_id = PL_STR("p-1"), .state = '1',
                        .flags = LABEL_IN_PLACE | LABEL_SYNC | LABEL_REPLACE };
    label_outcome r;
    pl_rc         rc = label_issue(path, path, &o, &r, err);

    if (rc == PL_OK)
        label_outcome_done(&r);
    return rc;
}

static void fault(const char *kind, int n)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%s@%d", kind, n);
    assert_int_equal(kind ? setenv("PL_FAULT", text, 1) : 0, 0);
    pl_fault_init();
    assert_int_equal(unsetenv("PL_FAULT"), 0);
}

static void no_fault(void)
{
    (void)unsetenv("PL_FAULT");
    pl_fault_init();
}

static char *labelled_copy(const char *dir, size_t k, size_t *n)
{
    char    *path = put(dir, kinds[k].name, kinds[k].bytes()), *text;
    pl_error err = { 0 };

    no_fault();
    assert_ok(label(path, &err), &err);
    assert_false(label_in_place_is_unfinished(path));
    text = get(path, n);
    free(path);
    return text;
}

/* What the next run sees first. */
static bool recover(const char *path)
{
    media_file f;
    bool       recovered = false;
    pl_error   err = { 0 };

    assert_ok(label_in_place_open(path, &f, &recovered, &err), &err);
    media_file_close(&f);
    assert_false(label_in_place_is_unfinished(path));
    return recovered;
}

static void assert_is_one_of(const char *path, pl_str a, pl_str b)
{
    size_t n = 0;
    char  *text = get(path, &n);

    if (n == a.n && memcmp(text, a.p, n) == 0) {
        free(text);
        return;
    }
    free(text);
    assert_file(path, b);
}

static void in_place__only_writes_what_differs(void **state)
{
    char       *dir = pl_test_mkdtemp(), *path = put(dir, "a.wav", wav_bytes());
    struct stat before, after;
    size_t      n = 0;
    char       *text;
    pl_error    err = { 0 };

    (void)state;
    no_fault();
    assert_int_equal(chmod(path, 0640) | stat(path, &before), 0);
    assert_ok(label(path, &err), &err);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(after.st_mode & 07777, 0640);
    text = get(path, &n);
    assert_true(n > 44 + DATA);
    assert_memory_equal(text + 8, wav_make() + 8, 36 + DATA);
    free(text);
    free(path);
    pl_test_rmtree(dir);
}

/* kill: before the n-th system call. torn: the n-th write stops half way, then the process. */
static void killed_at(size_t k, const char *kind, int n, pl_str done, size_t *deaths, size_t *recoveries)
{
    char *dir = pl_test_mkdtemp(), *path = put(dir, kinds[k].name, kinds[k].bytes());
    int   status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        pl_error err = { 0 };
        fault(kind, n);
        _exit(label(path, &err) == PL_OK ? 0 : 1);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    no_fault();
    *deaths += WIFSIGNALED(status);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    if (!label_in_place_is_unfinished(path))
        assert_is_one_of(path, kinds[k].bytes(), done);
    else if (recover(path)) {
        (*recoveries)++;
        assert_file(path, kinds[k].bytes());
    }
    free(path);
    pl_test_rmtree(dir);
}

static void in_place__survives_being_killed_at_every_write(void **state)
{
    static const char *const ways[] = { "kill", "torn" };

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        char  *dir = pl_test_mkdtemp(), *done;
        size_t n = 0, deaths = 0, recoveries = 0;

        done = labelled_copy(dir, k, &n);
        for (size_t w = 0; w < 2; w++)
            for (int i = 1; i < 30; i++)
                killed_at(k, ways[w], i, (pl_str){ done, n }, &deaths, &recoveries);
        assert_in_range(deaths, 8, 57);
        assert_in_range(recoveries, 4, 57);
        free(done);
        pl_test_rmtree(dir);
    }
}

static void in_place__puts_back_when_the_disk_fails(void **state)
{
    static const char *const ways[] = { "full", "io-once" };

    (void)state;
    for (size_t k = 0; k < 2; k++)
        for (size_t w = 0; w < 2; w++) {
            char  *first = pl_test_mkdtemp(), *done;
            size_t failed = 0, left = 0, n = 0;

            done = labelled_copy(first, k, &n);
            pl_test_rmtree(first);
            for (int i = 1; i < 20; i++) {
                char    *dir = pl_test_mkdtemp(), *path = put(dir, kinds[k].name, kinds[k].bytes());
                pl_error err = { 0 };
                pl_rc    rc;

                fault(ways[w], i);
                rc = label(path, &err);
                no_fault();
                if (rc != PL_OK) {
                    failed++;
                    left += label_in_place_is_unfinished(path);
                    assert_true(err.text[0] != '\0');
                    if (recover(path))
                        assert_file(path, kinds[k].bytes());
                    else /* done, but for the sync of its folder */
                        assert_is_one_of(path, kinds[k].bytes(), (pl_str){ done, n });
                }
                free(path);
                pl_test_rmtree(dir);
            }
            assert_in_range(failed, 4, 19);
            assert_true(left > 0 || strcmp(ways[w], "full") != 0);
            free(done);
        }
}

static void in_place__refuses_what_would_change_more_than_the_file(void **state)
{
    char      *dir = pl_test_mkdtemp(), *path = put(dir, "a.wav", wav_bytes()), *other = NULL, *undo = NULL;
    media_file f;
    bool       recovered;
    pl_error   err = { 0 };

    (void)state;
    no_fault();
    assert_true(asprintf(&other, "%s/b.wav", dir) > 0 && asprintf(&undo, "%s" LABEL_UNDO_SUFFIX, path) > 0);
    assert_int_equal(symlink(path, other), 0);
    assert_rc(label(other, &err), PL_INVALID);
    assert_int_equal(unlink(other), 0);
    assert_int_equal(link(path, other), 0);
    assert_rc(label(path, &err), PL_CONFLICT);
    assert_int_equal(unlink(other), 0);
    assert_ok(label_in_place_open(path, &f, &recovered, &err), &err);
    assert_rc(label(path, &err), PL_CONFLICT); /* another run has it */
    media_file_close(&f);
    assert_int_equal(mkdir(undo, 0700), 0);
    assert_rc(label(path, &err), PL_CONFLICT);
    assert_int_equal(rmdir(undo), 0);
    assert_int_equal(symlink("/etc/passwd", undo), 0);
    assert_rc(label(path, &err), PL_CONFLICT);
    assert_int_equal(unlink(undo), 0);
    assert_file(path, wav_bytes());
    if (geteuid() != 0) {
        assert_int_equal(chmod(path, 0444), 0);
        assert_rc(label(path, &err), PL_IO);
    }
    free(undo);
    free(other);
    free(path);
    pl_test_rmtree(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_place__only_writes_what_differs),
        cmocka_unit_test(in_place__survives_being_killed_at_every_write),
        cmocka_unit_test(in_place__puts_back_when_the_disk_fails),
        cmocka_unit_test(in_place__refuses_what_would_change_more_than_the_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
