/* Real files, whole, cut and broken: beside the tree, under PL_TEST_DATA/media.
 * PROVES: TC260-PG-20259A/jpeg
 * PROVES: TC260-PG-20259A/png
 * PROVES: TC260-PG-20259A/webp
 * PROVES: TC260-PG-20259A/gif
 * PROVES: TC260-PG-20259A/tiff
 * PROVES: TC260-PG-20259A/heif
 * PROVES: TC260-PG-202510A/mp3
 * PROVES: TC260-PG-202510A/flac
 * PROVES: TC260-PG-202510A/ogg
 * PROVES: TC260-PG-20258A/6.1
 * PROVES: TC260-PG-20258A/6.3 */
#include "media_test.h"

static char *media_dir(void)
{
    const char *data = getenv("PL_TEST_DATA");
    char       *path = NULL;
    struct stat st;

    if (!data || asprintf(&path, "%s/media", data) < 0 || stat(path, &st) != 0) {
        free(path);
        return NULL;
    }
    return path;
}

/* Calls fn for every file of the collection up to max bytes. */
static size_t each_file(const char *dir, off_t max, void (*fn)(const char *name, pl_str bytes))
{
    struct dirent *d, *e;
    DIR           *top = opendir(dir), *sub;
    size_t         n = 0;

    assert_non_null(top);
    while ((d = readdir(top)) != NULL) {
        char *folder = NULL;
        if (d->d_name[0] == '.' || asprintf(&folder, "%s/%s", dir, d->d_name) < 0)
            continue;
        sub = opendir(folder);
        while (sub && (e = readdir(sub)) != NULL) {
            char       *path = NULL;
            struct stat st;
            if (asprintf(&path, "%s/%s", folder, e->d_name) < 0)
                continue;
            if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= max) {
                pl_str bytes = mt_file(path);
                fn(e->d_name, bytes);
                free((void *)(uintptr_t)bytes.p);
                n++;
            }
            free(path);
        }
        if (sub)
            closedir(sub);
        free(folder);
    }
    closedir(top);
    return n;
}

static size_t labelled, refused;

static void label_and_read_back(const char *name, pl_str bytes)
{
    pl_str   once, twice;
    pl_error err = { 0 };

    if (mt_label(bytes, name, LABEL, &once, &err) != PL_OK) {
        assert_true(err.text[0] != '\0');
        refused++;
        return;
    }
    labelled++;
    mt_copies_keep_order(bytes, name);
    /* Replaced, never appended: again one label, and the file does not grow from then on. */
    assert_ok(mt_label(once, name, LABEL, &twice, &err), &err);
    assert_in_range(twice.n, 0, once.n + 4096);
    free((void *)(uintptr_t)once.p);
    free((void *)(uintptr_t)twice.p);
}

static void plan__labels_every_real_file_that_is_whole(void **state)
{
    char *dir = media_dir();

    (void)state;
    if (!dir)
        skip_because("needs the media files under PL_TEST_DATA");
    labelled = refused = 0;
    assert_in_range(each_file(dir, 4 << 20, label_and_read_back), 300, 1000);
    assert_in_range(labelled, 270, 400); /* a reader that gives up early would show here */
    free(dir);
}

/* What may come out of any bytes: a report, or a refusal. Never a crash, never a label plan for
 * a file that is not whole. */
static void scan_any(const char *name, pl_str bytes)
{
    pl_media_io    io = pl_media_io_of(&bytes);
    pl_media      *m = mt_scan(&io, name);
    pl_media_edit  e = { .label = PL_STR(LABEL) };
    pl_media_plan *p = NULL;
    pl_rc          rc = pl_media_plan_new(m, &e, &p, NULL);

    if (pl_media_state_of(m) != PL_MEDIA_WHOLE)
        assert_rc(rc, PL_INVALID);
    pl_media_plan_free(p);
    pl_media_free(m);
}

static void every_percent(const char *name, pl_str bytes)
{
    for (size_t i = 0; i < 100; i++) {
        pl_str cut = { malloc(bytes.n * i / 100 + 1), bytes.n * i / 100 };
        memcpy((char *)(uintptr_t)cut.p, bytes.p, cut.n); /* exactly sized: ASan sees the edge */
        scan_any(name, cut);
        free((void *)(uintptr_t)cut.p);
    }
}

static void scan__survives_files_cut_at_every_percent(void **state)
{
    char *dir = media_dir();

    (void)state;
    if (!dir)
        skip_because("needs the media files under PL_TEST_DATA");
    assert_in_range(each_file(dir, 96 << 10, every_percent), 150, 1000);
    free(dir);
}

/* Every place of the first kilobyte once with each length that lies: 0, 1, 2^31, 2^32-1, 2^63. */
static void lying_lengths(const char *name, pl_str bytes)
{
    static const uint8_t lies[][8] = {
        { 0 }, { 0, 0, 0, 1 }, { 0x80 }, { 0xFF, 0xFF, 0xFF, 0xFF }, { 0x80, 0, 0, 0, 0, 0, 0, 0 },
        { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF },
    };
    static const size_t widths[] = { 4, 4, 4, 4, 8, 8 };
    char *copy = malloc(bytes.n + 1);

    assert_non_null(copy);
    for (size_t at = 0; at + 8 <= bytes.n && at < 1024; at += 3)
        for (size_t k = 0; k < 6; k++) {
            memcpy(copy, bytes.p, bytes.n);
            memcpy(copy + at, lies[k], widths[k]);
            scan_any(name, (pl_str){ copy, bytes.n });
        }
    free(copy);
}

static void scan__survives_lengths_that_lie(void **state)
{
    char *dir = media_dir();

    (void)state;
    if (!dir)
        skip_because("needs the media files under PL_TEST_DATA");
    assert_in_range(each_file(dir, 8 << 10, lying_lengths), 50, 1000);
    free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plan__labels_every_real_file_that_is_whole),
        cmocka_unit_test(scan__survives_files_cut_at_every_percent),
        cmocka_unit_test(scan__survives_lengths_that_lie),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
