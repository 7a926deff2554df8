/* Recovery of the write-ahead log from every torn and damaged state. PROVES: evidence-ledger/7.1 */
#include "ledger_test.h"

#include <dirent.h>

#define SEGMENT 32768

typedef struct seen {
    unsigned count;
    bool     is_wrong;
} seen;

static pl_rc see(void *ctx, uint64_t index, pl_str entry, pl_error *err)
{
    seen *s = ctx;
    char  buf[32];

    (void)err;
    if (index != s->count || entry.n < 11 ||
        !pl_str_starts(entry, lt_plain((unsigned)index, buf)))
        s->is_wrong = true;
    s->count++;
    return PL_OK;
}

static int setup(void **state)
{
    lt_fx *f;
    char  *tmp;

    lt_setup_bare(state);
    f = *state;
    tmp = pl_path_join(f->dir, "tmp");
    assert_rc(pl_mkdir_p(tmp, 0700, NULL), PL_OK);
    free(tmp);
    return 0;
}

static unsigned open_counted(lt_fx *f, wal *w, uint64_t published)
{
    seen s = { .count = 0 };

    assert_ok(pl_wal_open(w, f->dir, SEGMENT, 0, published, see, &s, &f->err), &f->err);
    assert_false(s.is_wrong);
    assert_int_equal(w->next, s.count);
    return s.count;
}

/* One frame with entries [from, to); `fat` entries are longer than a page together. */
static void append(lt_fx *f, wal *w, unsigned from, unsigned to, size_t fat)
{
    pl_buf b = PL_BUF_INIT(1 << 20);

    for (unsigned i = from; i < to; i++) {
        pl_buf e = PL_BUF_INIT(1 << 16);
        char   buf[32];

        pl_buf_put(&e, lt_plain(i, buf));
        for (size_t k = 0; k < fat; k++)
            pl_buf_putc(&e, '.');
        pl_bundle_put(&b, pl_buf_str(&e));
        pl_buf_done(&e);
    }
    assert_ok(pl_wal_append(w, to - from, pl_buf_str(&b), NULL, &f->err), &f->err);
    pl_buf_done(&b);
}

/* Frames of 5, 3 and 2 entries at 0, 4096 and 12288; the second takes two pages. */
static pl_str three_frames(lt_fx *f)
{
    wal w;

    assert_int_equal(open_counted(f, &w, 0), 0);
    append(f, &w, 0, 5, 0);
    append(f, &w, 5, 8, 2000);
    append(f, &w, 8, 10, 0);
    assert_int_equal(w.end, 16384);
    pl_wal_close(&w);
    return lt_slurp(f, "wal-0000000000000000");
}

static void folder_clear(const lt_fx *f, const char *rel)
{
    pl_ledger_sweep(f->dir, rel, false);
}

/* Recovery must go on: an entry appended now is there after the next opening. */
static void assert_goes_on(lt_fx *f, wal *w, unsigned count)
{
    wal again;

    append(f, w, count, count + 1, 0);
    pl_wal_close(w);
    assert_int_equal(open_counted(f, &again, 0), count + 1);
    pl_wal_close(&again);
}

static void wal_open__recovers_whole_frames_from_a_file_cut_at_any_byte(void **state)
{
    lt_fx *f = *state;
    pl_str all = three_frames(f);

    for (size_t cut = 4096; cut <= 16384; cut++) {
        wal      w;
        unsigned got, whole = cut >= 16384 ? 10 : cut >= 12288 ? 8 : 5;
        unsigned at_most = cut > 12288 ? 10 : 8;

        lt_spit(f, "wal-0000000000000000", (pl_str){ all.p, cut });
        got = open_counted(f, &w, 0);
        /* Only the padding of a frame may be missing. */
        if (got < whole || got > at_most || (got != 5 && got != 8 && got != 10))
            fail_msg("cut at %zu recovered %u entries", cut, got);
        if (cut % 512 < 2)
            assert_goes_on(f, &w, got);
        else
            pl_wal_close(&w);
        folder_clear(f, "quarantine");
    }
    free((void *)(uintptr_t)all.p);
}

static void wal_open__recovers_a_prefix_after_any_changed_byte(void **state)
{
    lt_fx *f = *state;
    pl_str all = three_frames(f);
    char  *bytes = (char *)(uintptr_t)all.p;

    for (size_t at = 4096; at < 16384; at++) {
        wal      w;
        unsigned got, before = at < 12288 ? 5 : 8;

        bytes[at] ^= (char)(1u << at % 8);
        lt_spit(f, "wal-0000000000000000", all);
        got = open_counted(f, &w, 0);
        /* Padding is the one place where a change does no harm. */
        if (got != before && got != 10)
            fail_msg("change at %zu recovered %u entries", at, got);
        assert_int_equal(pl_ledger_quarantined(f->dir), got == 10 ? 0 : 1);
        if (at % 512 == 0)
            assert_goes_on(f, &w, got);
        else
            pl_wal_close(&w);
        folder_clear(f, "quarantine");
        bytes[at] ^= (char)(1u << at % 8);
    }
    free(bytes);
}

static void wal_open__keeps_aside_what_it_cuts_off(void **state)
{
    lt_fx         *f = *state;
    pl_str         all = three_frames(f), kept;
    char          *bytes = (char *)(uintptr_t)all.p, *path = lt_path(f, "quarantine");
    DIR           *d;
    struct dirent *e;
    char           rel[300] = "";
    wal            w;

    bytes[12288 + 60] ^= 1;
    lt_spit(f, "wal-0000000000000000", all);
    assert_int_equal(open_counted(f, &w, 0), 8);
    pl_wal_close(&w);
    d = opendir(path);
    assert_non_null(d);
    while ((e = readdir(d)) != NULL)
        if (e->d_name[0] != '.')
            (void)snprintf(rel, sizeof(rel), "quarantine/%s", e->d_name);
    (void)closedir(d);
    assert_int_equal(strncmp(rel, "quarantine/wal-0000000000000000.12288.", 38), 0);
    kept = lt_slurp(f, rel);
    assert_int_equal(kept.n, all.n - 12288);
    assert_memory_equal(kept.p, bytes + 12288, kept.n);
    free((void *)(uintptr_t)kept.p);
    kept = lt_slurp(f, "wal-0000000000000000");
    for (size_t i = 12288; i < kept.n; i++)
        assert_int_equal(kept.p[i], 0);
    free((void *)(uintptr_t)kept.p);
    free(path);
    free(bytes);
}

/* A frame that is whole and has the right number, but follows another history. */
static void wal_open__refuses_a_frame_linked_to_another_one(void **state)
{
    lt_fx *f = *state;
    pl_str first = three_frames(f), second;
    char  *mix = (char *)(uintptr_t)first.p;
    wal    w;

    lt_remove(f, "wal-0000000000000000");
    assert_int_equal(open_counted(f, &w, 0), 0);
    append(f, &w, 0, 5, 1);
    append(f, &w, 5, 8, 2000);
    append(f, &w, 8, 10, 0);
    pl_wal_close(&w);
    second = lt_slurp(f, "wal-0000000000000000");
    memcpy(mix + 12288, second.p + 12288, 4096);
    lt_spit(f, "wal-0000000000000000", first);
    assert_int_equal(open_counted(f, &w, 0), 8);
    pl_wal_close(&w);
    free(mix);
    free((void *)(uintptr_t)second.p);
}

/* Segments of two, two and one frames: [0..10) [10..20) [20..25). */
static void five_frames(lt_fx *f)
{
    wal w;

    assert_int_equal(open_counted(f, &w, 0), 0);
    for (unsigned i = 0; i < 5; i++)
        append(f, &w, 5 * i, 5 * i + 5, 2400); /* 12,060 bytes: three pages */
    assert_int_equal(w.segment, 20);
    pl_wal_close(&w);
}

static void wal_open__follows_segments(void **state)
{
    lt_fx *f = *state;
    wal    w;

    five_frames(f);
    assert_true(lt_exists(f, "wal-000000000000000a"));
    assert_int_equal(open_counted(f, &w, 0), 25);
    assert_goes_on(f, &w, 25);
}

static void wal_open__sets_aside_segments_behind_a_gap(void **state)
{
    lt_fx *f = *state;
    wal    w;

    five_frames(f);
    lt_remove(f, "wal-000000000000000a");
    assert_int_equal(open_counted(f, &w, 0), 10);
    assert_false(lt_exists(f, "wal-0000000000000014"));
    assert_int_equal(pl_ledger_quarantined(f->dir), 1);
    assert_goes_on(f, &w, 10);
}

static void wal_open__sets_aside_segments_behind_damage(void **state)
{
    lt_fx *f = *state;
    pl_str b;
    wal    w;

    five_frames(f);
    b = lt_slurp(f, "wal-000000000000000a");
    ((char *)(uintptr_t)b.p)[12288 + 100] ^= 1;
    lt_spit(f, "wal-000000000000000a", b);
    assert_int_equal(open_counted(f, &w, 0), 15);
    assert_int_equal(pl_ledger_quarantined(f->dir), 2);
    assert_goes_on(f, &w, 15);
    free((void *)(uintptr_t)b.p);
}

/* A log that cannot be recovered as far as it was published stays as it is. */
static void wal_open__changes_nothing_when_it_refuses(void **state)
{
    lt_fx *f = *state;
    seen   s = { .count = 0 };
    pl_str b, after;
    wal    w;

    five_frames(f);
    b = lt_slurp(f, "wal-000000000000000a");
    ((char *)(uintptr_t)b.p)[12288 + 100] ^= 1;
    lt_spit(f, "wal-000000000000000a", b);
    assert_rc(pl_wal_open(&w, f->dir, SEGMENT, 0, 21, see, &s, &f->err), PL_INVALID);
    after = lt_slurp(f, "wal-000000000000000a");
    assert_true(pl_str_eq(b, after));
    assert_true(lt_exists(f, "wal-0000000000000014"));
    assert_int_equal(pl_ledger_quarantined(f->dir), 0);
    free((void *)(uintptr_t)b.p);
    free((void *)(uintptr_t)after.p);
}

static void wal_open__starts_at_the_segment_of_the_first_entry_needed(void **state)
{
    lt_fx *f = *state;
    seen   s = { .count = 12 }; /* the first index it may see */
    wal    w;

    five_frames(f);
    pl_wal_trim(f->dir, 12);
    assert_false(lt_exists(f, "wal-0000000000000000"));
    assert_true(lt_exists(f, "wal-000000000000000a"));
    assert_ok(pl_wal_open(&w, f->dir, SEGMENT, 12, 12, see, &s, &f->err), &f->err);
    assert_int_equal(s.count, 25);
    assert_false(s.is_wrong);
    pl_wal_close(&w);
    assert_rc(pl_wal_open(&w, f->dir, SEGMENT, 0, 5, see, &s, &f->err), PL_INVALID);
}

static void wal_trim__never_removes_the_last_segment(void **state)
{
    lt_fx *f = *state;

    five_frames(f);
    pl_wal_trim(f->dir, 1000);
    assert_true(lt_exists(f, "wal-0000000000000014"));
    assert_false(lt_exists(f, "wal-000000000000000a"));
}

static void wal_open__ignores_files_that_only_look_like_segments(void **state)
{
    lt_fx *f = *state;
    wal    w;

    five_frames(f);
    lt_spit(f, "wal-zz", PL_STR("x"));
    lt_spit(f, "wal-00000000000000140", PL_STR("x"));
    assert_int_equal(open_counted(f, &w, 0), 25);
    pl_wal_close(&w);
    assert_true(lt_exists(f, "wal-zz"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, lt_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(wal_open__recovers_whole_frames_from_a_file_cut_at_any_byte),
        T(wal_open__recovers_a_prefix_after_any_changed_byte),
        T(wal_open__keeps_aside_what_it_cuts_off),
        T(wal_open__refuses_a_frame_linked_to_another_one),
        T(wal_open__follows_segments),
        T(wal_open__sets_aside_segments_behind_a_gap),
        T(wal_open__sets_aside_segments_behind_damage),
        T(wal_open__changes_nothing_when_it_refuses),
        T(wal_open__starts_at_the_segment_of_the_first_entry_needed),
        T(wal_trim__never_removes_the_last_segment),
        T(wal_open__ignores_files_that_only_look_like_segments),
    };

    lt_use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
