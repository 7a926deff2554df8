/* What the daemon's tick watches over: old files, and the clock. PROVES: evidence-ledger/7.10 */
#include "ledger_test.h"

#include "base/timefmt.h"

static pl_rc tick(lt_fx *f, int64_t now_ms)
{
    return pl_ledger_watch(f->l, f->signer, now_ms, &f->err);
}

static int problems(lt_fx *f)
{
    return pl_ledger_is_damaged(f->l);
}

/* --- old files ------------------------------------------------------------------------- */

static void bit_change(const lt_fx *f, const char *rel, size_t at)
{
    pl_str b = lt_slurp(f, rel);

    ((char *)(uintptr_t)b.p)[at] ^= 1;
    lt_spit(f, rel, b);
    free((void *)(uintptr_t)b.p);
}

static void scrub__finds_a_changed_bit_and_its_repair(void **state)
{
    static const struct {
        const char *file, *says;
        size_t      at;
    } damage[] = {
        { "tile/entries/000", "entry 100 does not have the hash", 100 * 14 },
        { "tile/entries/001.p/44", "does not have the hash of its tile", 9 },
        { "tile/0/000", "entry 3 does not have the hash of its tile", 3 * 32 },
        { "tile/1/000.p/1", "tile 0 of level 0 does not have its hash above", 5 },
    };
    lt_fx *f = *state;

    lt_append_plain(f, 0, 300);
    lt_publish(f);
    for (unsigned i = 0; i < 3; i++)
        assert_ok(pl_ledger_scrub(f->l, 1, &f->err), &f->err);
    assert_int_equal(problems(f), 0);
    for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
        bit_change(f, damage[i].file, damage[i].at);
        assert_rc(pl_ledger_scrub(f->l, 2, &f->err), PL_INVALID); /* both there are */
        if (damage[i].at != 1400 && strstr(f->err.text, damage[i].says) == NULL)
            fail_msg("%s: %s", damage[i].file, f->err.text);
        assert_int_equal(problems(f), 1);
        bit_change(f, damage[i].file, damage[i].at);
        assert_ok(pl_ledger_scrub(f->l, 2, &f->err), &f->err);
        assert_int_equal(problems(f), 0);
    }
}

static void scrub__finds_a_missing_file(void **state)
{
    lt_fx *f = *state;

    assert_ok(pl_ledger_scrub(f->l, 4, &f->err), &f->err); /* nothing published */
    lt_append_plain(f, 0, 300);
    lt_publish(f);
    lt_remove(f, "tile/entries/000");
    assert_rc(pl_ledger_scrub(f->l, 2, &f->err), PL_INVALID);
    assert_int_equal(problems(f), 1);
}

/* Damage is found within one round, at the rate of the tick, wherever it is. */
static void scrub__comes_round(void **state)
{
    lt_fx *f = *state;

    lt_append_plain(f, 0, 1300); /* six bundles */
    lt_publish(f);
    bit_change(f, "tile/entries/004", 3000);
    for (unsigned i = 0; i < 4; i++)
        assert_rc(tick(f, 1), PL_OK);
    assert_rc(tick(f, 1), PL_INVALID);
    assert_int_equal(problems(f), 1);
}

/* --- the clock ------------------------------------------------------------------------- */

#define NOON INT64_C(1795348800000) /* 2026-11-22T12:00:00Z, what lt_statement claims */

static void assert_last_is_clock_event(lt_fx *f, int64_t jump_ms)
{
    pl_checkpoint head;
    char         *entry = NULL;
    size_t        n = 0;
    pl_dsse       d;
    json_t       *j = NULL, *p;
    int64_t       got;

    lt_publish(f);
    assert_ok(pl_ledger_head(f->l, &head, &f->err), &f->err);
    assert_ok(pl_ledger_entry(f->l, head.size - 1, &entry, &n, &f->err), &f->err);
    assert_ok(pl_dsse_open((pl_str){ entry, n }, &f->key, 1, &d, &f->err), &f->err);
    assert_ok(pl_json_parse((pl_str){ d.payload, d.payload_n }, "statement", &j, &f->err), &f->err);
    assert_string_equal(json_string_value(json_object_get(j, "predicateType")),
                        PL_PREDICATE("clock-event"));
    p = json_object_get(j, "predicate");
    got = json_integer_value(json_object_get(p, "jump_ms"));
    if (llabs(got - jump_ms) > 1000) /* the ticks of this test take a moment themselves */
        fail_msg("jump of %lld ms instead of %lld", (long long)got, (long long)jump_ms);
    json_decref(j);
    pl_dsse_done(&d);
    free(entry);
}

static void clock__set_back_or_forward_is_stated_in_the_log(void **state)
{
    static const int64_t jumps[] = { -3600000, 3600000, INT64_C(10) * 365 * 86400000, -5000 };
    lt_fx  *f = *state;
    int64_t now = NOON;

    assert_ok(tick(f, now), &f->err);
    assert_ok(tick(f, now + 200), &f->err);  /* goes on */
    assert_ok(tick(f, now - 800), &f->err);  /* a leap second */
    assert_int_equal(pl_ledger_size(f->l), 0);
    for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
        now += jumps[i];
        assert_ok(tick(f, now), &f->err);
        assert_int_equal(pl_ledger_size(f->l), i + 1);
        assert_last_is_clock_event(f, jumps[i] + (i == 0 ? 800 : 0));
        assert_ok(tick(f, now), &f->err); /* once */
        assert_int_equal(pl_ledger_size(f->l), i + 1);
    }
    lt_close(f);
    lt_assert_sound(f, 4);
}

/* Set back while the daemon was down: the log itself knows a later time. */
static void clock__behind_the_log_at_the_start_is_stated(void **state)
{
    lt_fx *f = *state;

    lt_append(f, 0, 2);
    lt_publish(f);
    lt_reopen(f);
    assert_ok(tick(f, NOON - 60000), &f->err);
    assert_int_equal(pl_ledger_size(f->l), 3);
    assert_last_is_clock_event(f, -60000);
    lt_reopen(f);
    assert_ok(tick(f, NOON + 86400000), &f->err); /* later is what one expects */
    assert_int_equal(pl_ledger_size(f->l), 3);
}

#define T(f) cmocka_unit_test_setup_teardown(f, lt_setup, lt_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(scrub__finds_a_changed_bit_and_its_repair),
        T(scrub__finds_a_missing_file),
        T(scrub__comes_round),
        T(clock__set_back_or_forward_is_stated_in_the_log),
        T(clock__behind_the_log_at_the_start_is_stated),
    };

    lt_use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
