#include "base/banned.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/str.h"
#include "pl_test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

typedef struct fx {
    char    *dir, *path;
    pl_error err;
} fx;

static void fault_set(const char *spec)
{
    if (spec != NULL)
        (void)setenv("PL_FAULT", spec, 1);
    else
        (void)unsetenv("PL_FAULT");
    pl_fault_init();
}

static int setup(void **state)
{
    fx *f = calloc(1, sizeof *f);

    assert_non_null(f);
    fault_set(NULL);
    f->dir = pl_test_mkdtemp();
    f->path = pl_path_join(f->dir, "x");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    fault_set(NULL);
    free(f->path);
    pl_test_rmtree(f->dir);
    free(f);
    return 0;
}

static size_t entries(const char *dir)
{
    DIR   *d = opendir(dir);
    size_t n = 0;

    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.' || (e->d_name[1] != '\0' && e->d_name[1] != '.');
    (void)closedir(d);
    return n;
}

static void assert_content(fx *f, const char *want)
{
    char  *text;
    size_t n;

    assert_ok(pl_file_read(f->path, 1u << 20, &text, &n, &f->err), &f->err);
    assert_int_equal(strlen(text), n);
    assert_string_equal(text, want);
    free(text);
}

/* --- reading ------------------------------------------------------------------- */

static void file_read__takes_max_bytes_and_not_one_more(void **state)
{
    static char big[20000];
    fx         *f = *state;
    const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 8192, sizeof big };

    memset(big, 'x', sizeof big);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char  *text = NULL;
        size_t n = 1;

        assert_ok(pl_file_write_atomic(f->path, (pl_str){ big, sizes[i] }, 0600, &f->err), &f->err);
        assert_ok(pl_file_read(f->path, sizes[i], &text, &n, &f->err), &f->err);
        assert_int_equal(n, sizes[i]);
        assert_memory_equal(text, big, n);
        assert_int_equal(text[n], '\0');
        free(text);
        text = NULL;
        if (sizes[i] > 0)
            assert_rc(pl_file_read(f->path, sizes[i] - 1, &text, &n, &f->err), PL_LIMIT);
        assert_null(text);
    }
}

static void file_read__tells_missing_from_broken(void **state)
{
    fx    *f = *state;
    char  *text;
    size_t n;

    assert_rc(pl_file_read(f->path, 10, &text, &n, &f->err), PL_NOTFOUND);
    assert_non_null(strstr(f->err.text, f->path));
    assert_rc(pl_file_read(f->dir, 10, &text, &n, &f->err), PL_IO);
}

static void file_read__reads_stdin_for_a_dash(void **state)
{
    fx    *f = *state;
    int    fds[2], saved = dup(STDIN_FILENO);
    char  *text;
    size_t n;

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "from a pipe", 11), 11);
    (void)close(fds[1]);
    (void)dup2(fds[0], STDIN_FILENO);
    (void)close(fds[0]);
    assert_ok(pl_file_read("-", 100, &text, &n, &f->err), &f->err);
    assert_string_equal(text, "from a pipe");
    free(text);
    (void)dup2(saved, STDIN_FILENO);
    (void)close(saved);
}

static void map_file__maps_whole_regular_files_only(void **state)
{
    fx    *f = *state;
    pl_str m = PL_STR("before");

    assert_ok(pl_file_write_atomic(f->path, PL_STR("mapped"), 0600, &f->err), &f->err);
    assert_ok(pl_map_file(f->path, 6, &m, &f->err), &f->err);
    assert_str(m, "mapped");
    pl_unmap(m);
    m = PL_STR("before");
    assert_rc(pl_map_file(f->path, 5, &m, &f->err), PL_LIMIT);
    assert_rc(pl_map_file(f->dir, 100, &m, &f->err), PL_INVALID);
    assert_rc(pl_map_file("/dev/null", 100, &m, &f->err), PL_INVALID);
    assert_str(m, "before");
    assert_ok(pl_file_write_atomic(f->path, PL_STR(""), 0600, &f->err), &f->err);
    assert_ok(pl_map_file(f->path, 6, &m, &f->err), &f->err);
    assert_int_equal(m.n, 0);
    pl_unmap(m);
}

/* --- writing ------------------------------------------------------------------- */

static void file_write_atomic__replaces_and_sets_the_mode(void **state)
{
    fx         *f = *state;
    struct stat st;
    mode_t      old = umask(0077);

    assert_ok(pl_file_write_atomic(f->path, PL_STR("one"), 0644, &f->err), &f->err);
    assert_ok(pl_file_write_atomic(f->path, PL_STR("two"), 0640, &f->err), &f->err);
    (void)umask(old);
    assert_content(f, "two");
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(entries(f->dir), 1);
}

static void file_write_atomic__works_without_a_directory_in_the_path(void **state)
{
    fx  *f = *state;
    int  here = open(".", O_RDONLY | O_DIRECTORY);

    assert_int_equal(chdir(f->dir), 0);
    assert_ok(pl_file_write_atomic("x", PL_STR("plain"), 0600, &f->err), &f->err);
    assert_int_equal(fchdir(here), 0);
    (void)close(here);
    assert_content(f, "plain");
}

/* Every point fails once: the old content or the new is there, never anything else, and no
 * temporary file is left. */
static void file_write_atomic__survives_a_failure_at_every_point(void **state)
{
    fx           *f = *state;
    char          spec[32];
    unsigned long points;

    assert_ok(pl_file_write_atomic(f->path, PL_STR("old"), 0600, &f->err), &f->err);
    fault_set("io-once@0");
    assert_ok(pl_file_write_atomic(f->path, PL_STR("old"), 0600, &f->err), &f->err);
    points = pl_fault_count();
    assert_int_equal(points, 5); /* open, write, fsync, rename, fsync of the directory */

    for (unsigned long at = 1; at <= points; at++) {
        (void)snprintf(spec, sizeof spec, "io-once@%lu", at);
        fault_set(spec);
        assert_rc(pl_file_write_atomic(f->path, PL_STR("new"), 0600, &f->err), PL_IO);
        fault_set(NULL);
        assert_content(f, at <= 4 ? "old" : "new");
        assert_int_equal(entries(f->dir), 1);
        assert_ok(pl_file_write_atomic(f->path, PL_STR("old"), 0600, &f->err), &f->err);
    }
}

static void file_write_atomic__names_a_full_disk(void **state)
{
    fx *f = *state;

    assert_ok(pl_file_write_atomic(f->path, PL_STR("old"), 0600, &f->err), &f->err);
    fault_set("full@2");
    assert_rc(pl_file_write_atomic(f->path, PL_STR("new"), 0600, &f->err), PL_IO);
    assert_non_null(strstr(f->err.text, "No space left"));
    assert_rc(pl_file_write_atomic(f->path, PL_STR("new"), 0600, &f->err), PL_IO);
    fault_set(NULL);
    assert_content(f, "old");
    assert_int_equal(entries(f->dir), 1);
}

/* Runs the write in a child under a fault that kills it; true when it was killed. */
static bool killed_child(fx *f, const char *spec)
{
    pid_t pid = fork();
    int   status;

    assert_true(pid >= 0);
    if (pid == 0) {
        fault_set(spec);
        _exit(pl_file_write_atomic(f->path, PL_STR("new"), 0600, NULL) == PL_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGKILL);
        return true;
    }
    assert_int_equal(WEXITSTATUS(status), 0);
    return false;
}

static void file_write_atomic__leaves_old_or_new_when_killed_anywhere(void **state)
{
    fx  *f = *state;
    char spec[32];
    int  kills = 0;

    for (int at = 1;; at++, kills++) {
        assert_ok(pl_file_write_atomic(f->path, PL_STR("old"), 0600, &f->err), &f->err);
        (void)snprintf(spec, sizeof spec, "kill@%d", at);
        if (!killed_child(f, spec))
            break;
        assert_content(f, at <= 4 ? "old" : "new");
    }
    assert_int_equal(kills, 5);
    assert_ok(pl_file_write_atomic(f->path, PL_STR("old"), 0600, &f->err), &f->err);
    assert_true(killed_child(f, "torn@1"));
    assert_content(f, "old");
    assert_false(killed_child(f, "torn@2"));
    assert_content(f, "new");
}

static void write_all__tears_in_the_middle_under_torn(void **state)
{
    fx   *f = *state;
    pid_t pid = fork();
    int   status;

    assert_true(pid >= 0);
    if (pid == 0) {
        int fd = open(f->path, O_WRONLY | O_CREAT, 0600);

        fault_set("torn@2");
        (void)pl_write_all(fd, "first,", 6, NULL);
        (void)pl_write_all(fd, "second", 6, NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_content(f, "first,sec");
}

static void write_all__fails_on_a_closed_or_broken_descriptor(void **state)
{
    fx *f = *state;
    int fds[2];

    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe(fds), 0);
    (void)close(fds[0]);
    assert_rc(pl_write_all(fds[1], "x", 1, &f->err), PL_IO);
    assert_rc(pl_pwrite_all(fds[1], "x", 1, 0, &f->err), PL_IO);
    (void)close(fds[1]);
    assert_rc(pl_write_all(fds[1], "", 0, &f->err), PL_OK);
}

static void pwrite_all__writes_at_its_place(void **state)
{
    fx *f = *state;
    int fd;

    assert_ok(pl_file_write_atomic(f->path, PL_STR("0123456789"), 0600, &f->err), &f->err);
    fd = open(f->path, O_WRONLY);
    assert_ok(pl_pwrite_all(fd, "abc", 3, 4, &f->err), &f->err);
    (void)close(fd);
    assert_content(f, "0123abc789");
}

/* --- directories, locks, paths -------------------------------------------------- */

static void mkdir_p__makes_all_levels_and_is_content_when_they_exist(void **state)
{
    fx         *f = *state;
    char       *deep = pl_path_join(f->dir, "a//b/c/");
    struct stat st;
    mode_t      old = umask(0);

    for (int i = 0; i < 2; i++)
        assert_ok(pl_mkdir_p(deep, 0750, &f->err), &f->err);
    (void)umask(old);
    assert_int_equal(stat(deep, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0750);
    free(deep);
    assert_ok(pl_mkdir_p("/", 0750, &f->err), &f->err);
    assert_ok(pl_mkdir_p(".", 0750, &f->err), &f->err);
}

static void mkdir_p__refuses_a_file_in_the_way(void **state)
{
    fx   *f = *state;
    char *deep = pl_path_join(f->path, "below");

    assert_ok(pl_file_write_atomic(f->path, PL_STR(""), 0600, &f->err), &f->err);
    assert_rc(pl_mkdir_p(f->path, 0700, &f->err), PL_CONFLICT);
    assert_rc(pl_mkdir_p(deep, 0700, &f->err), PL_CONFLICT);
    free(deep);
}

static void lock_file__is_exclusive_until_closed(void **state)
{
    fx         *f = *state;
    struct stat st;
    int         a = -1, b = -1;

    assert_ok(pl_lock_file(f->path, &a, &f->err), &f->err);
    assert_rc(pl_lock_file(f->path, &b, &f->err), PL_CONFLICT);
    assert_int_equal(b, -1);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(fcntl(a, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    (void)close(a);
    assert_ok(pl_lock_file(f->path, &b, &f->err), &f->err);
    (void)close(b);
}

static void path_join__puts_one_slash(void **state)
{
    static const char *const cases[][3] = {
        { "a", "b", "a/b" }, { "a/", "b", "a/b" }, { "", "b", "b" }, { "/", "b", "/b" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *p = pl_path_join(cases[i][0], cases[i][1]);

        assert_string_equal(p, cases[i][2]);
        free(p);
    }
}

/* --- the fault vocabulary itself ------------------------------------------------- */

static void fault_init__ends_the_process_on_a_malformed_value(void **state)
{
    static const char *const bad[] = { "io-once", "io-once@", "io-once@x", "io-once@1x", "nosuch@1",
                                       "@1", "io@1", "io-once@-1" };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pid_t pid = fork();
        int   status;

        assert_true(pid >= 0);
        if (pid == 0) {
            (void)freopen("/dev/null", "w", stderr);
            fault_set(bad[i]);
            _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 2)
            fail_msg("accepted PL_FAULT='%s'", bad[i]);
    }
}

static void fault_point__costs_nothing_and_counts_nothing_when_off(void **state)
{
    int error = 1;

    (void)state;
    assert_int_equal(pl_fault_point("x"), 0);
    assert_int_equal(pl_fault_write("x", 10, &error), 10);
    assert_int_equal(error, 0);
    assert_int_equal(pl_fault_count(), 0);
}

static void fault_point__follows_its_mode(void **state)
{
    int error = 0;

    (void)state;
    fault_set("io-once@2");
    assert_int_equal(pl_fault_point("x"), 0);
    assert_int_equal(pl_fault_write("x", 10, &error), 0);
    assert_int_equal(error, EIO);
    assert_int_equal(pl_fault_point("x"), 0);
    assert_int_equal(pl_fault_count(), 3);
    fault_set("full@2");
    assert_int_equal(pl_fault_point("x"), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pl_fault_point("x"), ENOSPC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(file_read__takes_max_bytes_and_not_one_more),
        T(file_read__tells_missing_from_broken),
        T(file_read__reads_stdin_for_a_dash),
        T(map_file__maps_whole_regular_files_only),
        T(file_write_atomic__replaces_and_sets_the_mode),
        T(file_write_atomic__works_without_a_directory_in_the_path),
        T(file_write_atomic__survives_a_failure_at_every_point),
        T(file_write_atomic__names_a_full_disk),
        T(file_write_atomic__leaves_old_or_new_when_killed_anywhere),
        T(write_all__tears_in_the_middle_under_torn),
        T(write_all__fails_on_a_closed_or_broken_descriptor),
        T(pwrite_all__writes_at_its_place),
        T(mkdir_p__makes_all_levels_and_is_content_when_they_exist),
        T(mkdir_p__refuses_a_file_in_the_way),
        T(lock_file__is_exclusive_until_closed),
        T(path_join__puts_one_slash),
        T(fault_init__ends_the_process_on_a_malformed_value),
        T(fault_point__costs_nothing_and_counts_nothing_when_off),
        T(fault_point__follows_its_mode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
