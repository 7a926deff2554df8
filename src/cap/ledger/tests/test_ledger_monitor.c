/* A log is followed; every single defect in what it serves is found, and what was remembered
 * carries over. */
#include "ledger_test.h"

#include "cap/ledger/ledger_monitor.h"

typedef struct mfx {
    lt_fx          *lt;
    log_source      source;
    monitor_memory  memory;
    monitor_report  report;
    char            state[600];
    unsigned        saves, reads;
    const char     *missing; /* a file that cannot be reached, or NULL */
} mfx;

static pl_rc source_read(void *ctx, const char *rel, size_t max, char **out, size_t *n,
                         pl_error *err)
{
    mfx *f = ctx;

    f->reads++;
    if (f->missing != NULL && strcmp(rel, f->missing) == 0)
        return pl_fail(err, PL_IO, "the line is dead");
    return pl_ledger_read(f->lt->dir, rel, max, out, n, err);
}

static int setup(void **state)
{
    mfx *f = calloc(1, sizeof *f);

    assert_non_null(f);
    lt_setup((void **)&f->lt);
    f->source = (log_source){ source_read, f };
    pl_merkle_range_init(&f->memory.seen);
    pl_merkle_range_init(&f->memory.ahead);
    (void)snprintf(f->state, sizeof f->state, "%s/state", f->lt->tmp);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    mfx   *f = *state;
    lt_fx *lt = f->lt;

    pl_monitor_memory_done(&f->memory);
    free(f->report.note);
    free(f);
    return lt_teardown((void **)&lt);
}

static pl_rc count_save(void *ctx, const monitor_memory *m)
{
    mfx *f = ctx;

    f->saves++;
    return pl_monitor_memory_save(f->state, m, NULL);
}

static pl_rc look(mfx *f)
{
    free(f->report.note);
    f->report.note = NULL;
    return pl_monitor_look(&f->source, &f->lt->key, &f->memory, count_save, f, NULL, NULL,
                           &f->report, &f->lt->err);
}

static void assert_holds(mfx *f, uint64_t size)
{
    assert_ok(look(f), &f->lt->err);
    if (f->report.problem[0] != '\0')
        fail_msg("found: %s", f->report.problem);
    assert_int_equal(f->report.head.size, size);
    assert_int_equal(f->memory.seen.size, size);
}

static void assert_finds(mfx *f, const char *what)
{
    uint64_t before = f->memory.seen.size;

    assert_ok(look(f), &f->lt->err);
    if (strstr(f->report.problem, what) == NULL)
        fail_msg("found '%s' instead of '%s'", f->report.problem, what);
    assert_int_equal(f->memory.seen.size, before);
}

static void grow(mfx *f, unsigned from, unsigned to)
{
    lt_append_plain(f->lt, from, to);
    lt_publish(f->lt);
}

static void monitor__follows_a_log_over_tile_edges(void **state)
{
    static const unsigned sizes[] = { 1, 2, 255, 256, 257, 300, 600, 1025 };
    mfx     *f = *state;
    unsigned have = 0;

    assert_holds(f, 0);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        grow(f, have, sizes[i]);
        have = sizes[i];
        assert_holds(f, have);
        assert_holds(f, have); /* and nothing new */
    }
    /* Published root of the reference log of 300 was seen on the way; a fresh look agrees. */
    pl_monitor_memory_done(&f->memory);
    pl_merkle_range_init(&f->memory.seen);
    pl_merkle_range_init(&f->memory.ahead);
    assert_holds(f, have);
}

/* Every byte position class of every published file. */
static void monitor__finds_every_single_defect(void **state)
{
    static const char *const files[] = { "tile/0/000", "tile/0/001", "tile/0/002.p/88",
                                         "tile/1/000.p/2", "tile/entries/000",
                                         "tile/entries/002.p/88" };
    mfx *f = *state;

    grow(f, 0, 600);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        pl_str bytes = lt_slurp(f->lt, files[i]);

        for (size_t at = 0; at < bytes.n; at += 1 + bytes.n / 9) {
            ((char *)(uintptr_t)bytes.p)[at] ^= 1;
            lt_remove(f->lt, files[i]);
            lt_spit(f->lt, files[i], bytes);
            assert_ok(look(f), &f->lt->err);
            if (f->report.problem[0] == '\0')
                fail_msg("byte %zu of %s does not matter", at, files[i]);
            ((char *)(uintptr_t)bytes.p)[at] ^= 1;
        }
        lt_remove(f->lt, files[i]);
        assert_ok(look(f), &f->lt->err);
        assert_non_null(strstr(f->report.problem, "is not there"));
        lt_spit(f->lt, files[i], bytes);
        free((void *)(uintptr_t)bytes.p);
    }
    assert_holds(f, 600);
}

/* Entries that were seen before are in a bundle that is read again: changed behind our back,
 * tile and all, they are found. */
static void monitor__finds_history_rewritten_behind_it(void **state)
{
    mfx   *f = *state;
    pl_str e = PL_STR("another");
    uint64_t index;

    grow(f, 0, 5);
    assert_holds(f, 5);
    lt_close(f->lt);
    pl_test_rmtree(f->lt->dir);
    f->lt->dir = pl_path_join(f->lt->tmp, "ledger");
    assert_ok(pl_ledger_create(f->lt->dir, PL_STR(LT_ORIGIN), f->lt->signer, &f->lt->err),
              &f->lt->err);
    lt_open(f->lt);
    for (int i = 0; i < 5; i++)
        assert_ok(pl_ledger_append(f->lt->l, &e, 1, &index, &f->lt->err), &f->lt->err);
    lt_publish(f->lt);
    assert_finds(f, "two heads of 5 entries are signed");
    assert_ok(pl_ledger_append(f->lt->l, &e, 1, &index, &f->lt->err), &f->lt->err);
    lt_publish(f->lt);
    assert_finds(f, "does not extend that of 5");
}

static void monitor__finds_a_log_that_shrank(void **state)
{
    mfx   *f = *state;
    pl_str small;

    grow(f, 0, 5);
    small = lt_slurp(f->lt, "checkpoint");
    grow(f, 5, 9);
    assert_holds(f, 9);
    lt_remove(f->lt, "checkpoint");
    lt_spit(f->lt, "checkpoint", small);
    free((void *)(uintptr_t)small.p);
    assert_finds(f, "shows 5 entries, 9 were seen");
}

static void monitor__resumes_where_the_line_died(void **state)
{
    mfx           *f = *state;
    monitor_memory kept;
    unsigned       first;

    grow(f, 0, 20000);
    f->missing = "tile/entries/070";
    assert_rc(look(f), PL_IO);
    assert_int_equal(f->saves, 1);
    assert_int_equal(f->memory.seen.size, 0);
    assert_ok(pl_monitor_memory_load(f->state, &f->lt->key, &kept, &f->lt->err), &f->lt->err);
    assert_int_equal(kept.ahead.size, 16384);
    f->missing = NULL;
    pl_monitor_memory_done(&f->memory);
    f->memory = kept;
    f->reads = 0;
    assert_holds(f, 20000);
    first = f->reads;
    assert_true(first < 2 * 15 + 10); /* the rest, not all 79 bundles and their tiles */
}

/* Progress that no head vouches for is given up before a log is accused. */
static void monitor__does_not_accuse_on_unproved_progress(void **state)
{
    mfx *f = *state;

    grow(f, 0, 600);
    f->memory.ahead = f->memory.seen;
    for (unsigned i = 0; i < 256; i++) {
        pl_hash wrong = { { (uint8_t)i } };

        pl_merkle_range_append(&f->memory.ahead, &wrong);
    }
    assert_holds(f, 600);
}

static void monitor_memory__is_read_back_and_checked(void **state)
{
    mfx           *f = *state;
    monitor_memory got;
    char          *text = NULL;
    size_t         n = 0;
    pl_vkey        other;
    pl_signer     *s = lt_signer("other.example", 0x77, &other);

    grow(f, 0, 7);
    assert_holds(f, 7);
    assert_ok(pl_monitor_memory_save(f->state, &f->memory, &f->lt->err), &f->lt->err);
    assert_ok(pl_monitor_memory_load(f->state, &f->lt->key, &got, &f->lt->err), &f->lt->err);
    assert_int_equal(got.seen.size, 7);
    assert_string_equal(got.note, f->memory.note);
    pl_monitor_memory_done(&got);
    assert_rc(pl_monitor_memory_load(f->state, &other, &got, &f->lt->err), PL_INVALID);
    assert_ok(pl_file_read(f->state, 1u << 20, &text, &n, &f->lt->err), &f->lt->err);
    *strstr(text, "\"size\": 7") = ' ';
    assert_ok(pl_file_write_atomic(f->state, (pl_str){ text, n }, 0644, &f->lt->err), &f->lt->err);
    assert_rc(pl_monitor_memory_load(f->state, &f->lt->key, &got, &f->lt->err), PL_INVALID);
    free(text);
    pl_signer_free(s);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(monitor__follows_a_log_over_tile_edges),
        T(monitor__finds_every_single_defect),
        T(monitor__finds_history_rewritten_behind_it),
        T(monitor__finds_a_log_that_shrank),
        T(monitor__resumes_where_the_line_died),
        T(monitor__does_not_accuse_on_unproved_progress),
        T(monitor_memory__is_read_back_and_checked),
    };

    lt_use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
