/* PROVES: C2SP/tlog-tiles PROVES: C2SP/tlog-checkpoint PROVES: evidence-ledger/7.8
 * PROVES: evidence-ledger/7.16 PROVES: evidence-ledger/7.17 PROVES: in-toto/statement-v1 */
#include "ledger_test.h"

#include "base/hash.h"
#include "base/timefmt.h"

#define DASH "\xe2\x80\x94"

static void assert_sha256(const lt_fx *f, const char *rel, size_t bytes, const char *hex)
{
    pl_str  s = lt_slurp(f, rel);
    uint8_t h[32];
    char    got[65];

    pl_sha256_of(s, h);
    pl_hex(h, sizeof(h), got);
    assert_int_equal(s.n, bytes);
    assert_string_equal(got, hex);
    free((void *)(uintptr_t)s.p);
}

/* --- the reference log ----------------------------------------------------------------- */

static void ledger_publish__reproduces_the_reference_log_byte_for_byte(void **state)
{
    lt_fx *f = *state;
    pl_str cp, tile;
    char   hex[65];

    lt_append_plain(f, 0, 300);
    lt_publish(f);
    assert_sha256(f, "tile/0/000", 8192,
                  "e40cd86937d62f6a6923b03af85c138c1c38cc39f55b31945285664f9fb98f46");
    assert_sha256(f, "tile/0/001.p/44", 44 * 32,
                  "added06f26836b1d4360e2ecc2707644f3e9885d15e112f8a9cf8c18c7e483f9");
    assert_sha256(f, "tile/entries/000", 3730,
                  "b02de02d76a49ea36154e0a2468aafa7b659b10d3291b37f63ddf1986c6575ac");
    assert_sha256(f, "tile/entries/001.p/44", 660,
                  "9f2bb61585572d0ac1049bac8745238c2cebfe0d003d30eaa21af0f0a73724eb");
    tile = lt_slurp(f, "tile/1/000.p/1");
    assert_int_equal(tile.n, 32);
    pl_hex(tile.p, 32, hex);
    assert_string_equal(hex, "599f5503f8b75f05f91a91adaaba1df9261d983a968eb5250f9baa6a08b90aa2");
    cp = lt_slurp(f, "checkpoint");
    assert_str(
        cp, LT_ORIGIN
        "\n300\nW9pKalB5BzkmRG3RkxWkyw1FLGPhJcJMgPDg6P7wyJc=\n\n" DASH " " LT_ORIGIN
        " PTltecQf3JOeYL9ozNRlhdcrIShboWrepRP+N7FiIm+dgy+YLkjCIT7kh32AaDX6zarwc3mkRWipGyaQ4541"
        "SBQrUQE=\n");
    free((void *)(uintptr_t)tile.p);
    free((void *)(uintptr_t)cp.p);
}

/* The same files must come out however the entries arrive. */
static void ledger_publish__gives_the_same_tiles_in_many_small_steps(void **state)
{
    lt_fx *f = *state;

    for (unsigned i = 0; i < 300;) {
        unsigned step = 1 + i % 17;

        step = i + step > 300 ? 300 - i : step;
        lt_append_plain(f, i, i + step);
        lt_publish(f);
        i += step;
    }
    assert_sha256(f, "tile/0/000", 8192,
                  "e40cd86937d62f6a6923b03af85c138c1c38cc39f55b31945285664f9fb98f46");
    assert_sha256(f, "tile/0/001.p/44", 44 * 32,
                  "added06f26836b1d4360e2ecc2707644f3e9885d15e112f8a9cf8c18c7e483f9");
    assert_sha256(f, "tile/entries/001.p/44", 660,
                  "9f2bb61585572d0ac1049bac8745238c2cebfe0d003d30eaa21af0f0a73724eb");
    assert_false(lt_exists(f, "tile/0/000.p"));
    assert_false(lt_exists(f, "tile/entries/000.p"));
}

/* 70,000 entries have three levels: 273 full tiles and 112 hashes, 1 and 17, 1. */
static void ledger_publish__builds_three_levels(void **state)
{
    lt_fx *f = *state;

    for (unsigned i = 0; i < 70000; i += 10000)
        lt_append_plain(f, i, i + 10000);
    lt_publish(f);
    assert_true(lt_exists(f, "tile/0/272"));
    assert_true(lt_exists(f, "tile/0/273.p/112"));
    assert_true(lt_exists(f, "tile/1/000"));
    assert_true(lt_exists(f, "tile/1/001.p/17"));
    assert_true(lt_exists(f, "tile/2/000.p/1"));
    assert_true(lt_exists(f, "tile/entries/273.p/112"));
    lt_reopen(f);
    assert_int_equal(pl_ledger_size(f->l), 70000);
    lt_assert_plain(f->l, 69999);
}

/* --- create and open ------------------------------------------------------------------- */

static void ledger_create__gives_a_sound_empty_log(void **state)
{
    lt_fx        *f = *state;
    pl_ledger    *r = NULL;
    pl_checkpoint c;

    lt_assert_sound(f, 0);
    assert_ok(pl_ledger_open_reader(f->dir, &r, &f->err), &f->err);
    assert_ok(pl_ledger_head(r, &c, &f->err), &f->err);
    assert_int_equal(c.size, 0);
    assert_string_equal(c.origin, LT_ORIGIN);
    assert_int_equal(pl_ledger_size(r), 0);
    pl_ledger_close(r);
}

static void ledger_create__refuses_an_existing_folder(void **state)
{
    lt_fx *f = *state;

    assert_rc(pl_ledger_create(f->dir, PL_STR(LT_ORIGIN), f->signer, &f->err), PL_CONFLICT);
    assert_rc(pl_ledger_create(f->tmp, PL_STR(LT_ORIGIN), f->signer, &f->err), PL_CONFLICT);
}

static void ledger_create__refuses_an_origin_that_is_not_the_keys_name(void **state)
{
    lt_fx *f = *state;

    assert_rc(pl_ledger_create(f->dir, PL_STR("other.example"), f->signer, &f->err), PL_INVALID);
    assert_int_not_equal(access(f->dir, F_OK), 0);
}

static void ledger_create__refuses_an_origin_too_long_for_the_head_record(void **state)
{
    lt_fx     *f = *state;
    char       name[256];
    pl_vkey    k;
    pl_signer *s;

    memset(name, 'a', sizeof(name));
    name[LEDGER_ORIGIN_MAX + 1] = '\0';
    s = lt_signer(name, 1, &k);
    assert_rc(pl_ledger_create(f->dir, pl_str_z(name), s, &f->err), PL_LIMIT);
    pl_signer_free(s);
    name[LEDGER_ORIGIN_MAX] = '\0';
    s = lt_signer(name, 1, &k);
    assert_ok(pl_ledger_create(f->dir, pl_str_z(name), s, &f->err), &f->err);
    pl_signer_free(s);
}

static void ledger_open__refuses_another_key_and_another_origin(void **state)
{
    lt_fx     *f = *state;
    pl_vkey    k;
    pl_signer *s = lt_signer(LT_ORIGIN, 0x12, &k);
    pl_ledger *l = NULL;

    lt_close(f);
    assert_rc(pl_ledger_open(f->dir, s, &l, &f->err), PL_INVALID);
    assert_string_equal(f->err.text, "ledger '" LT_ORIGIN "' was made with another key");
    pl_signer_free(s);
    s = lt_signer("other.example", 0x11, &k);
    assert_rc(pl_ledger_open(f->dir, s, &l, &f->err), PL_INVALID);
    assert_string_equal(f->err.text,
                        "ledger belongs to origin '" LT_ORIGIN "', not to 'other.example'");
    pl_signer_free(s);
    assert_null(l);
}

static void ledger_open__refuses_what_is_not_there(void **state)
{
    lt_fx     *f = *state;
    pl_ledger *l = NULL;

    assert_rc(pl_ledger_open(f->dir, f->signer, &l, &f->err), PL_NOTFOUND);
    assert_rc(pl_ledger_open_reader(f->dir, &l, &f->err), PL_NOTFOUND);
    assert_int_not_equal(access(f->dir, F_OK), 0);
}

static void ledger_open__refuses_a_second_writer(void **state)
{
    lt_fx     *f = *state;
    pl_ledger *l = NULL;

    assert_rc(pl_ledger_open(f->dir, f->signer, &l, &f->err), PL_CONFLICT);
    assert_non_null(strstr(f->err.text, "in use by another process"));
    assert_null(l);
    lt_append_plain(f, 0, 3); /* the first one is not disturbed */
}

/* The lock file was deleted by hand, so that two writers hold "the" lock. */
static void ledger_append__stops_when_another_writer_got_in(void **state)
{
    lt_fx     *f = *state;
    pl_ledger *second = NULL;
    uint64_t   first = 0;
    char       buf[32];
    pl_str     e = lt_plain(9, buf);

    lt_append_plain(f, 0, 2);
    lt_remove(f, "lock");
    assert_ok(pl_ledger_open(f->dir, f->signer, &second, &f->err), &f->err);
    assert_rc(pl_ledger_append(f->l, &e, 1, &first, &f->err), PL_CONFLICT);
    assert_rc(pl_ledger_append(f->l, &e, 1, &first, &f->err), PL_IO);
    assert_rc(pl_ledger_publish(f->l, &f->err), PL_IO);
    assert_ok(pl_ledger_append(second, &e, 1, &first, &f->err), &f->err);
    assert_int_equal(first, 2);
    assert_ok(pl_ledger_publish(second, &f->err), &f->err);
    pl_ledger_close(second);
}

static void ledger_reader__may_not_write(void **state)
{
    lt_fx     *f = *state;
    pl_ledger *r = NULL;
    uint64_t   first;
    pl_str     e = PL_STR("x");

    assert_ok(pl_ledger_open_reader(f->dir, &r, &f->err), &f->err);
    assert_rc(pl_ledger_append(r, &e, 1, &first, &f->err), PL_DENIED);
    assert_rc(pl_ledger_publish(r, &f->err), PL_DENIED);
    pl_ledger_close(r);
}

/* --- append ---------------------------------------------------------------------------- */

static void ledger_append__gives_consecutive_numbers(void **state)
{
    lt_fx *f = *state;

    lt_append_plain(f, 0, 1); /* the helper asserts the first index of each batch */
    lt_append_plain(f, 1, 5);
    lt_publish(f);
    lt_append_plain(f, 5, 6);
    assert_int_equal(pl_ledger_size(f->l), 6);
}

static void ledger_append__survives_reopening_without_publication(void **state)
{
    lt_fx *f = *state;

    lt_append_plain(f, 0, 7);
    lt_publish(f);
    lt_append_plain(f, 7, 12);
    lt_reopen(f);
    assert_int_equal(pl_ledger_size(f->l), 12);
    lt_append_plain(f, 12, 13);
    lt_publish(f);
    for (unsigned i = 0; i < 13; i++)
        lt_assert_plain(f->l, i);
}

static void ledger_append__accepts_65535_bytes_and_refuses_more(void **state)
{
    lt_fx   *f = *state;
    char    *big = calloc(1, 65536), *back = NULL;
    pl_str   e[2] = { PL_STR("small"), { big, 65536 } };
    size_t   n = 0;
    uint64_t first = 77;

    memset(big, 'x', 65536);
    assert_rc(pl_ledger_append(f->l, e, 2, &first, &f->err), PL_LIMIT);
    assert_int_equal(first, 77);
    assert_int_equal(pl_ledger_size(f->l), 0); /* all or none */
    e[1].n = 65535;
    assert_ok(pl_ledger_append(f->l, e, 2, &first, &f->err), &f->err);
    lt_publish(f);
    assert_ok(pl_ledger_entry(f->l, 1, &back, &n, &f->err), &f->err);
    assert_int_equal(n, 65535);
    assert_memory_equal(back, big, n);
    free(back);
    free(big);
}

static void ledger_append__refuses_empty_entries_and_empty_batches(void **state)
{
    lt_fx   *f = *state;
    pl_str   e[2] = { PL_STR("a"), PL_STR("") };
    uint64_t first;

    assert_rc(pl_ledger_append(f->l, e, 2, &first, &f->err), PL_INVALID);
    assert_rc(pl_ledger_append(f->l, e, 0, &first, &f->err), PL_INVALID);
    assert_int_equal(pl_ledger_size(f->l), 0);
}

static void ledger_append__keeps_any_bytes(void **state)
{
    lt_fx   *f = *state;
    char     all[256], *back = NULL;
    pl_str   e = { all, sizeof(all) };
    size_t   n = 0;
    uint64_t first;

    for (unsigned i = 0; i < 256; i++)
        all[i] = (char)i;
    assert_ok(pl_ledger_append(f->l, &e, 1, &first, &f->err), &f->err);
    lt_reopen(f);
    lt_publish(f);
    assert_ok(pl_ledger_entry(f->l, 0, &back, &n, &f->err), &f->err);
    assert_int_equal(n, 256);
    assert_memory_equal(back, all, 256);
    free(back);
}

static void ledger_append__larger_than_a_segment_gets_a_segment_of_its_own(void **state)
{
    lt_fx *f = *state;

    assert_ok(pl_ledger_create(f->dir, PL_STR(LT_ORIGIN), f->signer, &f->err), &f->err);
    assert_ok(pl_ledger_open_sized(f->dir, f->signer, 8192, &f->l, &f->err), &f->err);
    lt_append_plain(f, 0, 10);
    lt_append_plain(f, 10, 5000);
    lt_append_plain(f, 5000, 5001);
    assert_true(lt_exists(f, "wal-000000000000000a"));
    assert_true(lt_exists(f, "wal-0000000000001388"));
    lt_reopen(f);
    assert_int_equal(pl_ledger_size(f->l), 5001);
    lt_publish(f);
    lt_assert_plain(f->l, 5000);
}

/* --- publish --------------------------------------------------------------------------- */

static void ledger_publish__without_news_changes_nothing(void **state)
{
    lt_fx      *f = *state;
    char       *p = lt_path(f, "checkpoint");
    struct stat a, b;

    lt_append_plain(f, 0, 3);
    lt_publish(f);
    assert_int_equal(stat(p, &a), 0);
    lt_publish(f);
    assert_int_equal(stat(p, &b), 0);
    assert_int_equal(a.st_ino, b.st_ino);
    free(p);
}

static void ledger_publish__lets_old_readers_go_on(void **state)
{
    lt_fx     *f = *state;
    pl_ledger *r = NULL;
    pl_proof   p;

    lt_append_plain(f, 0, 250);
    lt_publish(f);
    assert_ok(pl_ledger_open_reader(f->dir, &r, &f->err), &f->err);
    lt_append_plain(f, 250, 260);
    lt_publish(f); /* the partial tiles of 250 are gone now */
    assert_false(lt_exists(f, "tile/0/000.p/250"));
    lt_assert_plain(r, 249);
    assert_ok(pl_ledger_inclusion(r, 3, 0, &p, &f->err), &f->err);
    pl_ledger_close(r);
}

static void ledger_publish__removes_segments_that_full_bundles_cover(void **state)
{
    lt_fx *f = *state;

    assert_ok(pl_ledger_create(f->dir, PL_STR(LT_ORIGIN), f->signer, &f->err), &f->err);
    assert_ok(pl_ledger_open_sized(f->dir, f->signer, 8192, &f->l, &f->err), &f->err);
    for (unsigned i = 0; i < 20; i++)
        lt_append_plain(f, i * 30, (i + 1) * 30);
    assert_true(lt_exists(f, "wal-0000000000000000"));
    lt_publish(f);
    assert_false(lt_exists(f, "wal-0000000000000000"));
    /* 600 entries: the last full bundle ends at 512, in the segment of 480..540. */
    assert_false(lt_exists(f, "wal-00000000000001a4"));
    assert_true(lt_exists(f, "wal-00000000000001e0"));
    lt_reopen(f);
    assert_int_equal(pl_ledger_size(f->l), 600);
    lt_append_plain(f, 600, 601);
    lt_publish(f);
    lt_assert_plain(f->l, 600);
}

/* --- proofs ---------------------------------------------------------------------------- */

static void assert_included(const lt_fx *f, unsigned i, const pl_checkpoint *c)
{
    char     buf[32];
    pl_hash  leaf = pl_merkle_leaf(lt_plain(i, buf));
    pl_error err = { PL_OK, "" };
    pl_proof p;

    assert_ok(pl_ledger_inclusion(f->l, i, c->size, &p, &err), &err);
    assert_ok(pl_merkle_inclusion_verify(i, c->size, &leaf, &p, &c->root, &err), &err);
}

static void ledger_proofs__hold_at_every_published_size(void **state)
{
    static const unsigned sizes[] = { 1, 2, 3, 7, 64, 255, 256, 257, 300, 511, 512, 700 };
    enum { COUNT = sizeof(sizes) / sizeof(sizes[0]) };
    lt_fx        *f = *state;
    pl_checkpoint c[COUNT];
    pl_proof      p;

    for (unsigned k = 0; k < COUNT; k++) {
        lt_append_plain(f, k == 0 ? 0 : sizes[k - 1], sizes[k]);
        lt_publish(f);
        assert_ok(pl_ledger_head(f->l, &c[k], &f->err), &f->err);
        assert_int_equal(c[k].size, sizes[k]);
    }
    for (unsigned k = 0; k < COUNT; k++)
        for (unsigned i = 0; i < sizes[k]; i += 1 + sizes[k] / 40)
            assert_included(f, i, &c[k]);
    for (unsigned k = 0; k < COUNT; k++)
        for (unsigned m = 0; m <= k; m++) {
            assert_ok(pl_ledger_consistency(f->l, sizes[m], sizes[k], &p, &f->err), &f->err);
            assert_ok(pl_merkle_consistency_verify(sizes[m], sizes[k], &c[m].root, &c[k].root, &p,
                                                   &f->err),
                      &f->err);
        }
}

static void ledger_proofs__are_only_of_what_is_published(void **state)
{
    lt_fx   *f = *state;
    pl_proof p;
    char    *bytes = NULL;
    size_t   n;

    lt_append_plain(f, 0, 5);
    lt_publish(f);
    lt_append_plain(f, 5, 8);
    assert_rc(pl_ledger_entry(f->l, 5, &bytes, &n, &f->err), PL_NOTFOUND);
    assert_rc(pl_ledger_inclusion(f->l, 5, 0, &p, &f->err), PL_NOTFOUND);
    assert_rc(pl_ledger_inclusion(f->l, 2, 6, &p, &f->err), PL_NOTFOUND);
    assert_rc(pl_ledger_inclusion(f->l, 3, 3, &p, &f->err), PL_NOTFOUND);
    assert_rc(pl_ledger_consistency(f->l, 4, 9, &p, &f->err), PL_NOTFOUND);
    assert_rc(pl_ledger_consistency(f->l, 5, 4, &p, &f->err), PL_INVALID);
    assert_ok(pl_ledger_inclusion(f->l, 4, 0, &p, &f->err), &f->err);
}

static void ledger_entry__of_a_damaged_bundle_is_not_given_out(void **state)
{
    lt_fx *f = *state;
    pl_str b;
    char  *bytes = NULL;
    size_t n;

    lt_append_plain(f, 0, 4);
    lt_publish(f);
    b = lt_slurp(f, "tile/entries/000.p/4");
    ((char *)(uintptr_t)b.p)[b.n - 1] ^= 1;
    lt_spit(f, "tile/entries/000.p/4", b);
    assert_rc(pl_ledger_entry(f->l, 3, &bytes, &n, &f->err), PL_INVALID);
    free((void *)(uintptr_t)b.p);
    lt_assert_plain(f->l, 2);
}

static void ledger_find__sees_published_and_waiting_entries(void **state)
{
    lt_fx   *f = *state;
    char     buf[32];
    pl_hash  leaf[3];
    uint64_t at = 0;

    for (unsigned i = 0; i < 3; i++)
        leaf[i] = pl_merkle_leaf(lt_plain(i == 0 ? 5 : i == 1 ? 299 : 310, buf));
    lt_append_plain(f, 0, 300);
    lt_publish(f);
    lt_append_plain(f, 300, 320);
    assert_ok(pl_ledger_find(f->l, &leaf[0], 0, &at, &f->err), &f->err);
    assert_int_equal(at, 5);
    assert_ok(pl_ledger_find(f->l, &leaf[0], 5, &at, &f->err), &f->err);
    assert_rc(pl_ledger_find(f->l, &leaf[0], 6, &at, &f->err), PL_NOTFOUND);
    assert_ok(pl_ledger_find(f->l, &leaf[1], 257, &at, &f->err), &f->err);
    assert_int_equal(at, 299);
    assert_ok(pl_ledger_find(f->l, &leaf[2], 290, &at, &f->err), &f->err);
    assert_int_equal(at, 310);
    assert_rc(pl_ledger_find(f->l, &leaf[2], 311, &at, &f->err), PL_NOTFOUND);
    lt_reopen(f);
    assert_ok(pl_ledger_find(f->l, &leaf[2], 0, &at, &f->err), &f->err);
    assert_int_equal(at, 310);
}

/* --- older and newer states ------------------------------------------------------------ */

static void ledger_open__publishes_a_checkpoint_that_a_crash_kept_back(void **state)
{
    lt_fx        *f = *state;
    pl_checkpoint c;
    pl_str        old, now;

    lt_append_plain(f, 0, 5);
    lt_publish(f);
    old = lt_slurp(f, "checkpoint");
    lt_append_plain(f, 5, 9);
    lt_publish(f);
    now = lt_slurp(f, "checkpoint");
    lt_close(f);
    lt_spit(f, "checkpoint", old);
    free((void *)(uintptr_t)old.p);
    lt_open(f);
    assert_ok(pl_ledger_head(f->l, &c, &f->err), &f->err);
    assert_int_equal(c.size, 9);
    old = lt_slurp(f, "checkpoint");
    assert_true(pl_str_eq(old, now));
    free((void *)(uintptr_t)old.p);
    free((void *)(uintptr_t)now.p);
    lt_remove(f, "checkpoint"); /* and one that is not there at all */
    lt_reopen(f);
    assert_true(lt_exists(f, "checkpoint"));
}

static void assert_open_refused(lt_fx *f, const char *part_of_message)
{
    pl_ledger *r = NULL;

    assert_rc(pl_ledger_open(f->dir, f->signer, &f->l, &f->err), PL_INVALID);
    if (strstr(f->err.text, part_of_message) == NULL)
        fail_msg("other reason: %s", f->err.text);
    assert_ok(pl_ledger_open_reader(f->dir, &r, &f->err), &f->err);
    pl_ledger_close(r);
}

static void ledger_open__refuses_a_folder_set_back_under_a_newer_checkpoint(void **state)
{
    lt_fx *f = *state;
    pl_str head, old;

    lt_append_plain(f, 0, 5);
    lt_publish(f);
    lt_close(f);
    head = lt_slurp(f, "head");
    old = lt_slurp(f, "wal-0000000000000000");
    lt_open(f);
    lt_append_plain(f, 5, 9);
    lt_publish(f);
    lt_close(f);
    lt_spit(f, "head", head);
    lt_spit(f, "wal-0000000000000000", old);
    assert_open_refused(f, "set back to an older state");
    free((void *)(uintptr_t)head.p);
    free((void *)(uintptr_t)old.p);
}

static void ledger_open__refuses_a_write_ahead_log_shorter_than_the_checkpoint(void **state)
{
    lt_fx *f = *state;
    pl_str early, after;

    lt_append_plain(f, 0, 5);
    early = lt_slurp(f, "wal-0000000000000000");
    lt_append_plain(f, 5, 9);
    lt_publish(f);
    lt_close(f);
    lt_spit(f, "wal-0000000000000000", early);
    assert_open_refused(f, "covers 9 entries but the write-ahead log ends at 5");
    after = lt_slurp(f, "wal-0000000000000000"); /* what is refused is left as it was */
    assert_true(pl_str_eq(early, after));
    free((void *)(uintptr_t)after.p);
    lt_remove(f, "wal-0000000000000000");
    assert_open_refused(f, "write-ahead log is missing");
    free((void *)(uintptr_t)early.p);
}

static void ledger_open__refuses_damaged_tiles_and_bundles(void **state)
{
    static const char *const files[] = { "tile/0/000.p/9", "tile/entries/000.p/9" };
    lt_fx *f = *state;

    lt_append_plain(f, 0, 9);
    lt_publish(f);
    lt_close(f);
    for (size_t i = 0; i < 2; i++) {
        pl_str b = lt_slurp(f, files[i]);

        ((char *)(uintptr_t)b.p)[40] ^= 4;
        lt_spit(f, files[i], b);
        assert_open_refused(f, i == 0 ? "" : "does not have the hash of its tile");
        ((char *)(uintptr_t)b.p)[40] ^= 4;
        lt_spit(f, files[i], b);
        free((void *)(uintptr_t)b.p);
    }
    lt_open(f);
}

static void ledger_open__uses_the_other_head_record_when_one_is_torn(void **state)
{
    lt_fx        *f = *state;
    pl_checkpoint c;
    pl_str        head;

    lt_append_plain(f, 0, 5);
    lt_publish(f);
    lt_append_plain(f, 5, 6);
    lt_publish(f);
    lt_close(f);
    /* Sequence 1 at creation, 2 at opening, 3 and 4 at publishing: slot 1 is older. */
    head = lt_slurp(f, "head");
    assert_int_equal(head.n, 1024);
    memset((char *)(uintptr_t)head.p + 512 + 200, 0x55, 300);
    lt_spit(f, "head", head);
    lt_open(f);
    assert_ok(pl_ledger_head(f->l, &c, &f->err), &f->err);
    assert_int_equal(c.size, 6);
    lt_append_plain(f, 6, 7);
    lt_publish(f);
    free((void *)(uintptr_t)head.p);
    lt_reopen(f); /* both records were written anew */
    assert_int_equal(pl_ledger_size(f->l), 7);
}

static void ledger_open__refuses_when_no_head_record_is_left(void **state)
{
    lt_fx *f = *state;

    lt_close(f);
    lt_spit(f, "head", PL_STR("rubbish"));
    assert_open_refused(f, "no valid record");
}

/* --- payloads -------------------------------------------------------------------------- */

static void payload__round_trips_and_is_named_by_its_digest(void **state)
{
    lt_fx  *f = *state;
    uint8_t digest[32], want[32];
    char   *back = NULL, rel[128], hex[65];
    size_t  n = 0;
    pl_str  bytes = PL_STR("payload\0with any bytes\n");

    pl_sha256_of(bytes, want);
    for (int i = 0; i < 2; i++) /* putting twice is fine */
        assert_ok(pl_ledger_payload_put(f->dir, bytes, digest, &f->err), &f->err);
    assert_memory_equal(digest, want, 32);
    pl_hex(digest, 32, hex);
    (void)snprintf(rel, sizeof(rel), "payload/%.2s/%s", hex, hex);
    assert_true(lt_exists(f, rel));
    assert_ok(pl_ledger_payload_get(f->dir, digest, 1000, &back, &n, &f->err), &f->err);
    assert_int_equal(n, bytes.n);
    assert_memory_equal(back, bytes.p, n);
    free(back);
    assert_rc(pl_ledger_payload_get(f->dir, digest, 5, &back, &n, &f->err), PL_LIMIT);
    lt_spit(f, rel, PL_STR("something else"));
    assert_rc(pl_ledger_payload_get(f->dir, digest, 1000, &back, &n, &f->err), PL_INVALID);
    digest[5] ^= 1;
    assert_rc(pl_ledger_payload_get(f->dir, digest, 1000, &back, &n, &f->err), PL_NOTFOUND);
}

/* --- statements ------------------------------------------------------------------------ */

static void statement_sign__makes_an_in_toto_statement(void **state)
{
    lt_fx         *f = *state;
    pl_str         env = lt_statement(f->signer, 3);
    pl_dsse        d;
    json_t        *j = NULL;
    statement_view v;
    int64_t        noon = 0;

    assert_ok(pl_dsse_open(env, &f->key, 1, &d, &f->err), &f->err);
    assert_string_equal(d.payload_type, PL_DSSE_INTOTO);
    assert_string_equal(d.payload,
                        "{\"_type\":\"https://in-toto.io/Statement/v1\",\"predicate\":{\"reason\":"
                        "\"test\",\"time\":\"2026-11-22T12:00:00.000Z\"},\"predicateType\":"
                        "\"https://plumbline.example/predicate/guard-stop/v1\",\"subject\":[{"
                        "\"digest\":{\"sha256\":"
                        "\"0300000000000000000000000000000000000000000000000000000000000000\"},"
                        "\"name\":\"thing:3\"}]}");
    assert_ok(pl_json_parse((pl_str){ d.payload, d.payload_n }, "t", &j, &f->err), &f->err);
    assert_ok(pl_statement_read(j, &v, &f->err), &f->err);
    assert_str(v.subject, "thing:3");
    assert_str(v.type, PL_PREDICATE("guard-stop"));
    assert_ok(pl_time_parse(PL_STR("2026-11-22T12:00:00Z"), &noon, &f->err), &f->err);
    assert_int_equal(v.time_ms, noon);
    json_decref(j);
    pl_dsse_done(&d);
    free((void *)(uintptr_t)env.p);
}

static void statement_read__refuses_what_is_not_a_statement(void **state)
{
    static const char *const bad[] = {
        "[]",
        "{}",
        "{\"_type\":\"https://in-toto.io/Statement/v0.1\",\"subject\":[{\"digest\":{\"sha256\":"
        "\"00\"}}],\"predicateType\":\"t\",\"predicate\":{}}",
        "{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[],\"predicateType\":\"t\","
        "\"predicate\":{}}",
        "{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[{\"name\":\"x\"}],"
        "\"predicateType\":\"t\",\"predicate\":{}}",
        "{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[{\"digest\":{}}],"
        "\"predicateType\":\"t\",\"predicate\":{}}",
        "{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[{\"digest\":{\"sha256\":"
        "\"AB\"}}],\"predicateType\":\"t\",\"predicate\":{}}",
        "{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[{\"digest\":{\"sha256\":"
        "\"00\"}}],\"predicate\":{}}",
        "{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[{\"digest\":{\"sha256\":"
        "\"00\"}}],\"predicateType\":\"t\",\"predicate\":[]}",
    };
    statement_view v;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_t *j = NULL;

        assert_rc(pl_json_parse(pl_str_z(bad[i]), "t", &j, NULL), PL_OK);
        if (pl_statement_read(j, &v, NULL) != PL_INVALID)
            fail_msg("statement %zu was not refused", i);
        json_decref(j);
    }
}

static void ledger_state__signs_and_appends(void **state)
{
    lt_fx   *f = *state;
    json_t  *p = json_pack("{s:s}", "reason", "drill");
    uint64_t index = 99;

    assert_ok(pl_ledger_state(f->l, f->signer, PL_STR("service:default"),
                              PL_PREDICATE("guard-resume"), p, &index, &f->err),
              &f->err);
    assert_int_equal(index, 0);
    assert_rc(pl_ledger_state(f->l, f->signer, PL_STR(""), PL_PREDICATE("guard-resume"), p, &index,
                              &f->err),
              PL_INVALID);
    lt_publish(f);
    lt_assert_sound(f, 1);
    json_decref(p);
}

#define T(f)    cmocka_unit_test_setup_teardown(f, lt_setup, lt_teardown)
#define BARE(f) cmocka_unit_test_setup_teardown(f, lt_setup_bare, lt_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(ledger_publish__reproduces_the_reference_log_byte_for_byte),
        T(ledger_publish__gives_the_same_tiles_in_many_small_steps),
        T(ledger_publish__builds_three_levels),
        T(ledger_create__gives_a_sound_empty_log),
        T(ledger_create__refuses_an_existing_folder),
        BARE(ledger_create__refuses_an_origin_that_is_not_the_keys_name),
        BARE(ledger_create__refuses_an_origin_too_long_for_the_head_record),
        T(ledger_open__refuses_another_key_and_another_origin),
        BARE(ledger_open__refuses_what_is_not_there),
        T(ledger_open__refuses_a_second_writer),
        T(ledger_append__stops_when_another_writer_got_in),
        T(ledger_reader__may_not_write),
        T(ledger_append__gives_consecutive_numbers),
        T(ledger_append__survives_reopening_without_publication),
        T(ledger_append__accepts_65535_bytes_and_refuses_more),
        T(ledger_append__refuses_empty_entries_and_empty_batches),
        T(ledger_append__keeps_any_bytes),
        BARE(ledger_append__larger_than_a_segment_gets_a_segment_of_its_own),
        T(ledger_publish__without_news_changes_nothing),
        T(ledger_publish__lets_old_readers_go_on),
        BARE(ledger_publish__removes_segments_that_full_bundles_cover),
        T(ledger_proofs__hold_at_every_published_size),
        T(ledger_proofs__are_only_of_what_is_published),
        T(ledger_entry__of_a_damaged_bundle_is_not_given_out),
        T(ledger_find__sees_published_and_waiting_entries),
        T(ledger_open__publishes_a_checkpoint_that_a_crash_kept_back),
        T(ledger_open__refuses_a_folder_set_back_under_a_newer_checkpoint),
        T(ledger_open__refuses_a_write_ahead_log_shorter_than_the_checkpoint),
        T(ledger_open__refuses_damaged_tiles_and_bundles),
        T(ledger_open__uses_the_other_head_record_when_one_is_torn),
        T(ledger_open__refuses_when_no_head_record_is_left),
        T(payload__round_trips_and_is_named_by_its_digest),
        T(statement_sign__makes_an_in_toto_statement),
        T(statement_read__refuses_what_is_not_a_statement),
        T(ledger_state__signs_and_appends),
    };

    lt_use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
