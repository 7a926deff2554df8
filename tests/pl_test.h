/* What every C test of ours includes: cmocka with its prerequisites and a few helpers.
 * Header-only on purpose: a test program is its own file plus the library under test. */
#ifndef PL_TEST_H
#define PL_TEST_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <plumbline/base.h>

/* Asserts a call that must succeed, and shows the message of the error when it does not:
 *     pl_error err = { 0 };
 *     assert_ok(pl_thing_open(path, &thing, &err), &err); */
#define assert_ok(call, err_ptr)                                                                  \
    do {                                                                                          \
        pl_rc pl_test_rc_ = (call);                                                               \
        if (pl_test_rc_ != PL_OK)                                                                 \
            fail_msg("%s: rc %d: %s", #call, (int)pl_test_rc_, (err_ptr)->text);                  \
    } while (0)

#define assert_rc(call, expected) assert_int_equal((int)(call), (int)(expected))

/* Compares a view with a literal or any NUL-terminated string. */
#define assert_str(view, z)                                                                       \
    do {                                                                                          \
        pl_str pl_test_s_ = (view);                                                               \
        size_t pl_test_n_ = strlen(z);                                                            \
        if (pl_test_s_.n != pl_test_n_ || memcmp(pl_test_s_.p, (z), pl_test_n_) != 0)             \
            fail_msg("\"" PL_STR_FMT "\" != \"%s\"", PL_STR_ARG(pl_test_s_), (z));                \
    } while (0)

/* cmocka's skip() carries no reason; tests/run takes it from this line and wants the same
 * name and reason in tests/expected-skips when CI=true. */
#define skip_because(reason)                                                                      \
    do {                                                                                          \
        print_message("# skip: %s\n", reason);                                                    \
        skip();                                                                                   \
    } while (0)

/* A fresh directory; the caller frees the name through pl_test_rmtree. */
static inline char *pl_test_mkdtemp(void)
{
    const char *base = getenv("TMPDIR");
    char       *path = NULL;

    if (asprintf(&path, "%s/pl-test-XXXXXX", base && *base ? base : "/tmp") < 0 || !mkdtemp(path))
        fail_msg("cannot make a temporary directory");
    return path;
}

static inline int pl_test__remove(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st, (void)type, (void)f;
    return remove(path);
}

static inline void pl_test_rmtree(char *path)
{
    if (path)
        (void)nftw(path, pl_test__remove, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}

#endif
