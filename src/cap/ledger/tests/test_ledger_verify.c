/* The verifier finds every defect, names the place, and does not stop at the first.
 * PROVES: evidence-ledger/7.2 */
#include "ledger_test.h"

#include "base/hash.h"
#include "base/timefmt.h"

#include <dirent.h>

typedef pl_ledger_report report;

static report verify_with(const lt_fx *f, const pl_vkey *key)
{
    report   r;
    pl_error err = { PL_OK, "" };

    assert_ok(pl_ledger_verify(f->dir, key, &r, NULL, NULL, &err), &err);
    return r;
}

static const char *problem(const report *r, size_t i)
{
    return json_string_value(json_array_get(r->problems, i));
}

static bool any_problem(const report *r, const char *part)
{
    for (size_t i = 0; i < json_array_size(r->problems); i++)
        if (strstr(problem(r, i), part) != NULL)
            return true;
    return false;
}

/* Five statements in two publications, and a payload one of them binds. */
static int setup(void **state)
{
    lt_fx   *f;
    uint8_t  digest[32];
    char     hex[65];
    json_t  *p;
    uint64_t index;

    lt_setup(state);
    f = *state;
    lt_append(f, 0, 2);
    lt_publish(f);
    lt_append(f, 2, 4);
    assert_ok(pl_ledger_payload_put(f->dir, PL_STR("bound bytes"), digest, &f->err), &f->err);
    pl_hex(digest, 32, hex);
    p = json_pack("{s:s, s:i, s:s}", "payload_sha256", hex, "payload_bytes", 11, "time",
                  "2026-11-22T13:00:00.000Z");
    assert_ok(pl_ledger_state(f->l, f->signer, PL_STR("service:default"),
                              PL_PREDICATE("guard-event-batch"), p, &index, &f->err),
              &f->err);
    json_decref(p);
    lt_publish(f);
    return 0;
}

static void verify__reports_a_sound_log(void **state)
{
    lt_fx        *f = *state;
    report        r = verify_with(f, &f->key);
    pl_checkpoint c;
    char          fingerprint[65];
    json_t       *signer = json_array_get(r.signers, 0);
    int64_t       one = 0;

    assert_int_equal(json_array_size(r.problems), 0);
    assert_int_equal(r.size, 5);
    assert_ok(pl_ledger_head(f->l, &c, &f->err), &f->err);
    assert_true(pl_hash_equal(&c.root, &r.root));
    assert_int_equal(json_array_size(r.signers), 1);
    assert_string_equal(json_string_value(json_object_get(signer, "name")), LT_ORIGIN);
    pl_vkey_fingerprint(&f->key, fingerprint);
    assert_string_equal(json_string_value(json_object_get(signer, "keyid")), fingerprint);
    assert_int_equal(json_integer_value(json_object_get(signer, "statements")), 5);
    assert_ok(pl_time_parse(PL_STR("2026-11-22T13:00:00Z"), &one, &f->err), &f->err);
    assert_int_equal(r.latest_ms, one);
    pl_ledger_report_done(&r);
}

/* Flips one bit of a byte in a file and judges the outcome. */
static void assert_flip_found(lt_fx *f, const char *rel, char *bytes, size_t n, size_t at,
                              const char *place, const char *other_place)
{
    report r;

    bytes[at] ^= (char)(1u << (at * 5 + 1) % 8);
    lt_spit(f, rel, (pl_str){ bytes, n });
    r = verify_with(f, &f->key);
    if (json_array_size(r.problems) == 0)
        fail_msg("a change of byte %zu of '%s' was not noticed", at, rel);
    if (!any_problem(&r, place) && (other_place == NULL || !any_problem(&r, other_place)))
        fail_msg("a change of byte %zu of '%s' was placed at '%s'", at, rel, problem(&r, 0));
    bytes[at] ^= (char)(1u << (at * 5 + 1) % 8);
    pl_ledger_report_done(&r);
}

static void assert_flips_found(lt_fx *f, const char *rel, size_t step, const char *place,
                               const char *other_place)
{
    pl_str b = lt_slurp(f, rel);

    for (size_t at = 0; at < b.n; at += step)
        assert_flip_found(f, rel, (char *)(uintptr_t)b.p, b.n, at, place, other_place);
    lt_spit(f, rel, b);
    free((void *)(uintptr_t)b.p);
}

static void verify__finds_a_changed_bit_in_the_checkpoint(void **state)
{
    assert_flips_found(*state, "checkpoint", 1, "checkpoint: ", NULL);
}

static void verify__finds_a_changed_bit_in_origin_and_key(void **state)
{
    assert_flips_found(*state, "origin", 1, "origin: ", NULL);
    assert_flips_found(*state, "vkey", 1, "vkey: ", NULL);
}

static void verify__finds_a_changed_bit_in_the_head_records(void **state)
{
    assert_flips_found(*state, "head", 7, "head: ", NULL);
}

static void verify__finds_a_changed_bit_in_tiles(void **state)
{
    assert_flips_found(*state, "tile/0/000.p/5", 1, "tile/0/000.p/5", NULL);
    assert_flips_found(*state, "tile/0/000.p/2", 1, "tile/0/000.p/2: ", NULL);
}

static void verify__finds_a_changed_bit_in_bundles(void **state)
{
    assert_flips_found(*state, "tile/entries/000.p/5", 5, "tile/entries/000.p/5: ", NULL);
    assert_flips_found(*state, "tile/entries/000.p/2", 5, "tile/entries/000.p/2: ", NULL);
}

static char *payload_path(char out[128])
{
    uint8_t digest[32];
    char    hex[65];

    pl_sha256_of(PL_STR("bound bytes"), digest);
    pl_hex(digest, 32, hex);
    (void)snprintf(out, 128, "payload/%.2s/%s", hex, hex);
    return out;
}

static void verify__finds_a_changed_bit_in_payloads(void **state)
{
    char rel[128];

    assert_flips_found(*state, payload_path(rel), 1, "payload/", NULL);
}

static void verify__finds_a_payload_of_another_length(void **state)
{
    lt_fx *f = *state;
    char   rel[128];
    report r;

    lt_spit(f, payload_path(rel), PL_STR("bound bytes and more"));
    r = verify_with(f, &f->key);
    assert_true(any_problem(&r, "has 20 bytes, entry 4 says 11"));
    pl_ledger_report_done(&r);
    lt_remove(f, rel); /* nobody said that it was erased */
    r = verify_with(f, &f->key);
    assert_true(any_problem(&r, "entry 4: its payload is missing"));
    pl_ledger_report_done(&r);
}

static void verify__finds_missing_files(void **state)
{
    static const char *const files[] = { "checkpoint", "origin", "vkey", "tile/0/000.p/5",
                                         "tile/entries/000.p/5" };
    lt_fx *f = *state;

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        pl_str b = lt_slurp(f, files[i]);
        report r;

        lt_remove(f, files[i]);
        r = verify_with(f, &f->key);
        if (!any_problem(&r, files[i]))
            fail_msg("the absence of '%s' was not noticed", files[i]);
        assert_int_equal(r.size, 5); /* the rest is checked all the same */
        pl_ledger_report_done(&r);
        lt_spit(f, files[i], b);
        free((void *)(uintptr_t)b.p);
    }
    lt_assert_sound(f, 5);
}

static void verify__does_not_need_what_is_the_writers_own(void **state)
{
    lt_fx *f = *state;

    lt_close(f);
    lt_remove(f, "head");
    lt_remove(f, "lock");
    lt_remove(f, "wal-0000000000000000");
    lt_remove(f, "tile/0/000.p/2");
    lt_remove(f, "tile/entries/000.p/2");
    lt_assert_sound(f, 5);
}

static void verify__finds_truncated_and_extended_files(void **state)
{
    static const char *const files[] = { "tile/0/000.p/5", "tile/entries/000.p/5",
                                         "tile/0/000.p/2", "tile/entries/000.p/2" };
    lt_fx *f = *state;

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        pl_str b = lt_slurp(f, files[i]);
        char  *more = malloc(b.n + 1);
        report r;

        memcpy(more, b.p, b.n);
        more[b.n] = 'x';
        lt_spit(f, files[i], (pl_str){ b.p, b.n - 1 });
        r = verify_with(f, &f->key);
        assert_true(any_problem(&r, files[i]));
        pl_ledger_report_done(&r);
        lt_spit(f, files[i], (pl_str){ more, b.n + 1 });
        r = verify_with(f, &f->key);
        assert_true(any_problem(&r, files[i]));
        pl_ledger_report_done(&r);
        lt_spit(f, files[i], b);
        free(more);
        free((void *)(uintptr_t)b.p);
    }
}

static void verify__rejects_another_key(void **state)
{
    lt_fx     *f = *state;
    pl_vkey    k;
    pl_signer *s = lt_signer(LT_ORIGIN, 0x12, &k);
    report     r = verify_with(f, &k);

    assert_true(any_problem(&r, "vkey: not the key the log is checked with"));
    assert_true(any_problem(&r, "checkpoint: "));
    assert_int_equal(r.size, 0);
    pl_ledger_report_done(&r);
    pl_signer_free(s);
}

static void verify__goes_on_after_the_first_problem(void **state)
{
    lt_fx *f = *state;
    pl_str b = lt_slurp(f, "tile/entries/000.p/5");
    char  *bytes = (char *)(uintptr_t)b.p;
    size_t first = 2 + ((size_t)(uint8_t)bytes[0] << 8 | (uint8_t)bytes[1]);
    report r;

    bytes[20] ^= 1;         /* in entry 0 */
    bytes[first + 20] ^= 1; /* in entry 1 */
    lt_spit(f, "tile/entries/000.p/5", b);
    r = verify_with(f, &f->key);
    assert_true(any_problem(&r, "entry 0 does not have its hash in tile/0/000.p/5"));
    assert_true(any_problem(&r, "entry 1 does not have its hash in tile/0/000.p/5"));
    assert_true(any_problem(&r, "entry 0: "));
    assert_true(any_problem(&r, "entry 1: "));
    assert_false(any_problem(&r, "entry 2"));
    pl_ledger_report_done(&r);
    free(bytes);
}

/* --- whole tiles ----------------------------------------------------------------------- */

static void verify__compares_every_level_with_the_one_below(void **state)
{
    lt_fx *f = *state;
    pl_str b;
    report r;

    lt_append_plain(f, 0, 600);
    lt_publish(f);
    assert_int_equal(lt_assert_problems(f, 600), 600); /* plain text is no statement */

    b = lt_slurp(f, "tile/1/000.p/2");
    ((char *)(uintptr_t)b.p)[33] ^= 1;
    lt_spit(f, "tile/1/000.p/2", b);
    free((void *)(uintptr_t)b.p);
    r = verify_with(f, &f->key);
    assert_true(any_problem(&r, "tile/1/000.p/2: hash 1 is not the root of the tile below it"));
    assert_true(any_problem(&r, "root: "));
    assert_false(any_problem(&r, "tile/0/"));
    pl_ledger_report_done(&r);
}

static void verify__caps_the_list_of_problems(void **state)
{
    lt_fx *f = *state;
    report r;

    lt_append_plain(f, 0, 1200);
    lt_publish(f);
    r = verify_with(f, &f->key);
    assert_int_equal(json_array_size(r.problems), 1001);
    assert_string_equal(problem(&r, 1000), "200 more problems");
    pl_ledger_report_done(&r);
}

/* A log rewritten and signed anew with the right key: the reader who remembers an earlier
 * checkpoint sees it. */
static void consistency__exposes_a_rewritten_log(void **state)
{
    lt_fx        *f = *state;
    pl_checkpoint old, now;
    pl_proof      p;
    char         *aside = pl_path_join(f->tmp, "aside");

    lt_append(f, 0, 3);
    lt_publish(f);
    assert_ok(pl_ledger_head(f->l, &old, &f->err), &f->err);
    lt_close(f);
    assert_int_equal(rename(f->dir, aside), 0);
    free(aside);
    assert_ok(pl_ledger_create(f->dir, PL_STR(LT_ORIGIN), f->signer, &f->err), &f->err);
    lt_open(f);
    lt_append_plain(f, 0, 5);
    lt_publish(f);
    assert_ok(pl_ledger_head(f->l, &now, &f->err), &f->err);
    assert_ok(pl_ledger_consistency(f->l, 3, 5, &p, &f->err), &f->err);
    assert_rc(pl_merkle_consistency_verify(3, 5, &old.root, &now.root, &p, &f->err), PL_INVALID);
}

/* --- statements ------------------------------------------------------------------------ */

static void append_envelope(lt_fx *f, const pl_signer *s, const char *type, const char *payload)
{
    char    *env = NULL;
    size_t   n = 0;
    pl_str   e;
    uint64_t index;

    assert_ok(pl_dsse_sign(pl_str_z(type), pl_str_z(payload), s, &env, &n, &f->err), &f->err);
    e = (pl_str){ env, n };
    assert_ok(pl_ledger_append(f->l, &e, 1, &index, &f->err), &f->err);
    free(env);
}

static void verify__wants_every_entry_to_be_a_statement_of_a_known_key(void **state)
{
    lt_fx     *f = *state;
    pl_vkey    k;
    pl_signer *stranger = lt_signer("stranger.example", 3, &k);
    pl_str     e = lt_statement(stranger, 0);
    uint64_t   index;
    report     r;

    assert_ok(pl_ledger_append(f->l, &e, 1, &index, &f->err), &f->err);
    append_envelope(f, f->signer, "text/plain", "{}");
    append_envelope(f, f->signer, PL_DSSE_INTOTO, "{\"_type\":\"x\"}");
    append_envelope(f, f->signer, PL_DSSE_INTOTO, "not JSON");
    lt_append_plain(f, 4, 5);
    lt_publish(f);
    r = verify_with(f, &f->key);
    assert_int_equal(json_array_size(r.problems), 5);
    assert_string_equal(problem(&r, 0), "entry 0: no signature of a known key verifies");
    assert_string_equal(problem(&r, 1), "entry 1: payload type is 'text/plain'");
    assert_string_equal(problem(&r, 2), "entry 2: not an in-toto Statement v1");
    assert_int_equal(strncmp(problem(&r, 3), "entry 3: ", 9), 0);
    assert_int_equal(strncmp(problem(&r, 4), "entry 4: ", 9), 0);
    pl_ledger_report_done(&r);
    free((void *)(uintptr_t)e.p);
    pl_signer_free(stranger);
}

static void key_event(lt_fx *f, const char *event, const pl_signer *of)
{
    char     vkey[512];
    json_t  *p;
    uint64_t index;

    assert_ok(pl_signer_vkey(of, vkey, sizeof(vkey), &f->err), &f->err);
    p = json_pack("{s:s, s:s}", "event", event, "vkey", vkey);
    assert_ok(pl_ledger_state(f->l, f->signer, PL_STR("key:second"), PL_PREDICATE("key-event"), p,
                              &index, &f->err),
              &f->err);
    json_decref(p);
}

static void verify__follows_key_events(void **state)
{
    lt_fx     *f = *state;
    pl_vkey    k;
    pl_signer *second = lt_signer("second.example", 4, &k);
    pl_str     e = lt_statement(second, 0);
    uint64_t   index;
    report     r;

    assert_ok(pl_ledger_append(f->l, &e, 1, &index, &f->err), &f->err); /* 0: not yet known */
    key_event(f, "add", second);                                        /* 1 */
    assert_ok(pl_ledger_append(f->l, &e, 1, &index, &f->err), &f->err); /* 2: known */
    key_event(f, "retire", second);                                     /* 3 */
    assert_ok(pl_ledger_append(f->l, &e, 1, &index, &f->err), &f->err); /* 4: no longer */
    lt_publish(f);
    r = verify_with(f, &f->key);
    assert_int_equal(json_array_size(r.problems), 2);
    assert_int_equal(strncmp(problem(&r, 0), "entry 0: ", 9), 0);
    assert_int_equal(strncmp(problem(&r, 1), "entry 4: ", 9), 0);
    assert_int_equal(json_array_size(r.signers), 2);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(r.signers, 1), "name")),
        "second.example");
    pl_ledger_report_done(&r);
    free((void *)(uintptr_t)e.p);
    pl_signer_free(second);
}

typedef struct steps {
    unsigned calls;
    uint64_t last, total;
} steps;

static void count_steps(void *ctx, uint64_t done, uint64_t total)
{
    steps *s = ctx;

    s->calls++;
    assert_true(done >= s->last);
    s->last = done;
    s->total = total;
}

static void verify__tells_how_far_it_is(void **state)
{
    lt_fx *f = *state;
    steps  s = { 0, 0, 0 };
    report r;

    lt_append_plain(f, 0, 700);
    lt_publish(f);
    assert_ok(pl_ledger_verify(f->dir, &f->key, &r, count_steps, &s, &f->err), &f->err);
    assert_int_equal(s.last, 700);
    assert_int_equal(s.total, 700);
    assert_int_equal(s.calls, 4);
    pl_ledger_report_done(&r);
}

static void verify__of_no_folder_cannot_run(void **state)
{
    lt_fx *f = *state;
    report r;

    assert_rc(pl_ledger_verify("/nonexistent/ledger", &f->key, &r, NULL, NULL, &f->err), PL_IO);
}

#define T(f)     cmocka_unit_test_setup_teardown(f, setup, lt_teardown)
#define EMPTY(f) cmocka_unit_test_setup_teardown(f, lt_setup, lt_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(verify__reports_a_sound_log),
        T(verify__finds_a_changed_bit_in_the_checkpoint),
        T(verify__finds_a_changed_bit_in_origin_and_key),
        T(verify__finds_a_changed_bit_in_the_head_records),
        T(verify__finds_a_changed_bit_in_tiles),
        T(verify__finds_a_changed_bit_in_bundles),
        T(verify__finds_a_changed_bit_in_payloads),
        T(verify__finds_a_payload_of_another_length),
        T(verify__finds_missing_files),
        T(verify__does_not_need_what_is_the_writers_own),
        T(verify__finds_truncated_and_extended_files),
        T(verify__rejects_another_key),
        T(verify__goes_on_after_the_first_problem),
        EMPTY(verify__compares_every_level_with_the_one_below),
        EMPTY(verify__caps_the_list_of_problems),
        EMPTY(consistency__exposes_a_rewritten_log),
        EMPTY(verify__wants_every_entry_to_be_a_statement_of_a_known_key),
        EMPTY(verify__follows_key_events),
        EMPTY(verify__tells_how_far_it_is),
        EMPTY(verify__of_no_folder_cannot_run),
    };

    lt_use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
