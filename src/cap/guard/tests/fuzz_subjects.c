/* A table of subjects with any bytes in it, as another version, a broken disk or a hostile process may leave
 * them. Properties: a file of another size or head is made anew; looking up ends; what was put is found as it
 * was put, unless it was refused for want of a place. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/subjects.h"

#include <fcntl.h>
#include <unistd.h>

#define NAME "subjects.pls"
#define HEAD 64 /* bytes before the first slot, which is the home of the key of zeros */

static char folder[] = "/tmp/pl-fuzz-XXXXXX";
static int  dirfd = -1;

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void folder_remove(void)
{
    (void)unlinkat(dirfd, NAME, 0);
    (void)close(dirfd);
    (void)rmdir(folder);
}

static void folder_make(void)
{
    check(mkdtemp(folder) != NULL);
    dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check(dirfd >= 0 && atexit(folder_remove) == 0);
}

static pl_subjects *table(void)
{
    pl_subjects *t = NULL;

    check(pl_subjects_open(dirfd, &t, NULL) == PL_OK);
    return t;
}

/* By the first byte: over the head, into the slots, or at the end of a file that is cut there. */
static void spoil(const uint8_t *data, size_t size)
{
    int fd = openat(dirfd, NAME, O_RDWR | O_CLOEXEC);

    check(fd >= 0);
    if (data[0] % 8 == 1)
        check(ftruncate(fd, (off_t)size) == 0);
    check(pwrite(fd, data + 1, size - 1, data[0] % 8 < 2 ? 0 : HEAD) == (ssize_t)(size - 1));
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t keys[2][PL_SUBJECT_KEY] = { { 0 }, { 1 } };
    subject_state        s = { .last_ms = 5, .strikes = 3, .flags = PL_SUBJECT_WARNED }, found;
    pl_subjects         *t;

    if (dirfd < 0)
        folder_make();
    if (size == 0)
        return 0;
    pl_subjects_close(table());
    spoil(data, size);
    t = table();
    for (int k = 0; k < 2; k++) {
        pl_rc rc;

        (void)pl_subjects_find(t, keys[k], &found);
        rc = pl_subjects_put(t, keys[k], &s, 1000);
        check(rc == PL_OK || rc == PL_LIMIT);
        if (rc == PL_OK)
            check(pl_subjects_find(t, keys[k], &found) && memcmp(&found, &s, sizeof s) == 0);
    }
    pl_subjects_close(t);
    return 0;
}
