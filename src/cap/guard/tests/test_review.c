/* Reviews without a daemon: sealing, lots, what two and three decisions come to, agreement, content, the ring. */
#include "guard_fixture.h"

#include "base/hash.h"
#include "cap/guard/gate_int.h"
#include "cap/guard/guard_int.h"
#include "cap/guard/review.h"
#include "cap/guard/seal.h"
#include "cap/guard/wilson.h"

#include <math.h>

#define LOT_OF_AB 173507u
#define SECRET "a sentence that nobody else should read"

static void seal__opens_with_its_key_about_its_thing_and_not_otherwise(void **state)
{
    uint8_t key[32] = { 5 }, other[32] = { 6 };
    pl_buf  sealed = PL_BUF_INIT(4096), plain = PL_BUF_INIT(4096);
    char    bad[256];

    (void)state;
    assert_int_equal(pl_seal(key, PL_STR("x1"), PL_STR(SECRET), &sealed, NULL), PL_OK);
    assert_int_equal(sealed.n, sizeof SECRET - 1 + PL_SEAL_MORE);
    assert_null(memmem(sealed.p, sealed.n, "sentence", 8));
    assert_int_equal(pl_unseal(key, PL_STR("x1"), pl_buf_str(&sealed), &plain, NULL), PL_OK);
    assert_true(pl_str_eqz(pl_buf_str(&plain), SECRET));
    pl_buf_clear(&plain);
    assert_rc(pl_unseal(other, PL_STR("x1"), pl_buf_str(&sealed), &plain, NULL), PL_INVALID);
    assert_rc(pl_unseal(key, PL_STR("x2"), pl_buf_str(&sealed), &plain, NULL), PL_INVALID);
    for (size_t i = 0; i < sealed.n; i++) { /* any single change, any shortening */
        memcpy(bad, sealed.p, sealed.n);
        bad[i] ^= 1;
        assert_rc(pl_unseal(key, PL_STR("x1"), (pl_str){ bad, sealed.n }, &plain, NULL), PL_INVALID);
        assert_rc(pl_unseal(key, PL_STR("x1"), (pl_str){ sealed.p, i }, &plain, NULL), PL_INVALID);
    }
    assert_int_equal(plain.n, 0);
    pl_buf_clear(&sealed);
    assert_int_equal(pl_seal(key, PL_STR(""), PL_STR(""), &sealed, NULL), PL_OK);
    pl_buf_wipe(&plain); /* nothing in a buffer that has no memory yet */
    assert_int_equal(pl_unseal(key, PL_STR(""), pl_buf_str(&sealed), &plain, NULL), PL_OK);
    assert_int_equal(plain.n, 0);
    pl_buf_wipe(&sealed);
    pl_buf_wipe(&plain);
}

/* PROVES: GUARD/review-sample */
static void lot__is_decided_by_the_id_and_falls_as_often_as_it_says(void **state)
{
    unsigned hits = 0;
    char     id[PL_ID_LEN + 1];

    (void)state;
    for (uint32_t i = 0; i < 100000; i++) {
        uint8_t rnd[10] = { 0 };

        memcpy(rnd, &i, sizeof i);
        pl_id_format(1790000000000, rnd, id);
        hits += pl_review_samples(pl_str_z(id), 20000);
        assert_false(pl_review_samples(pl_str_z(id), 0));
        assert_true(pl_review_samples(pl_str_z(id), 1000000));
    }
    assert_in_range(hits, 1800, 2200); /* 2 % of 100,000: 2,000, σ 44 */
    /* python3: int.from_bytes(sha256(b"plumbline.review.v1\0" + id).digest()[:8]) % 10**6 */
    assert_true(pl_review_samples(PL_STR("01jb00000000000000000000ab"), LOT_OF_AB + 1));
    assert_false(pl_review_samples(PL_STR("01jb00000000000000000000ab"), LOT_OF_AB));
}

static void judge__wants_two_who_agree_or_a_third(void **state)
{
    static const struct {
        review_verdict v[3];
        size_t         n;
        bool           third;
        review_state   state;
        const char    *outcome;
    } rows[] = {
        { { REVIEW_VIOLATION }, 0, true, REVIEW_OPEN, "" },
        { { REVIEW_VIOLATION }, 1, true, REVIEW_OPEN, "" },
        { { REVIEW_VIOLATION, REVIEW_VIOLATION }, 2, true, REVIEW_SETTLED, "violation" },
        { { REVIEW_ACCEPTABLE, REVIEW_ACCEPTABLE }, 2, false, REVIEW_SETTLED, "acceptable" },
        { { REVIEW_VIOLATION, REVIEW_ACCEPTABLE }, 2, true, REVIEW_DISPUTED, "" },
        { { REVIEW_VIOLATION, REVIEW_ACCEPTABLE }, 2, false, REVIEW_SETTLED, "disagreement" },
        { { REVIEW_VIOLATION, REVIEW_ACCEPTABLE, REVIEW_ACCEPTABLE }, 3, true, REVIEW_SETTLED, "acceptable" },
        { { REVIEW_VIOLATION, REVIEW_ACCEPTABLE, REVIEW_VIOLATION }, 3, true, REVIEW_SETTLED, "violation" },
        { { REVIEW_VIOLATION, REVIEW_ACCEPTABLE, REVIEW_UNCLEAR }, 3, true, REVIEW_SETTLED, "disagreement" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *outcome = "";

        assert_int_equal(review_judge(rows[i].v, rows[i].n, rows[i].third, &outcome), rows[i].state);
        assert_string_equal(outcome, rows[i].outcome);
    }
}

static void near(double got, double want)
{
    if (fabs(got - want) > 5e-4)
        fail_msg("%.5f is not %.5f", got, want);
}

/* By hand: 50 pairs, 35 agree; said: 25+20 = 45 v of 100 and 55 a. pe = 0.45² + 0.55² = 0.505. */
static void agree__is_share_and_kappa_with_intervals(void **state)
{
    review_pairs     p = { { { 15, 10, 0 }, { 5, 20, 0 }, { 0, 0, 0 } } }, same = { { { 7 } } }, none = { { { 0 } } };
    review_agreement a;
    double           low, high;

    (void)state;
    assert_true(review_agree(&p, &a));
    assert_int_equal(a.pairs, 50);
    assert_int_equal(a.agreed, 35);
    near(a.rate, 0.7);
    near(a.low, 0.5625); /* Wilson, 35 of 50 */
    near(a.high, 0.8090);
    assert_true(a.has_kappa);
    near(a.kappa, (0.7 - 0.505) / 0.495);
    near(a.kappa_low, (0.5625 - 0.505) / 0.495);
    assert_true(review_agree(&same, &a));
    assert_false(a.has_kappa); /* chance would agree always */
    near(a.rate, 1);
    assert_true(a.low < 1 && a.low > 0.6);
    assert_false(review_agree(&none, &a));
    guard_wilson(0, 10, &low, &high);
    near(low, 0);
    near(high, 0.2775);
}

/* --- content ------------------------------------------------------------------------------ */

static json_t *content_of(const pl_buf *b)
{
    json_t *j = NULL;

    assert_true(b->n > 32);
    assert_int_equal(pl_json_parse((pl_str){ b->p + 32, b->n - 32 }, "content", &j, NULL), PL_OK);
    return j;
}

static const char *review_text(const json_t *leaf, const char *key)
{
    return json_string_value(json_object_get(json_object_get(leaf, "review"), key));
}

static void content__is_what_was_asked_and_said_and_the_event_commits_to_it(void **state)
{
    pl_policy   *p = fixture_policy("pass", "true");
    pl_exchange *x = fixture_exchange(p);
    pl_str       body = PL_STR("{\"messages\":[{\"role\":\"user\",\"content\":\"" SECRET "\"}]}");
    pl_str       said = PL_STR("{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
                               "\"forbidden zork 很好\"}}]}");
    uint8_t      salt[32] = { 3 };
    pl_buf       out = PL_BUF_INIT(PL_REVIEW_MAX), none = PL_BUF_INIT(64);
    json_t      *j, *leaf = NULL;
    char         hex[65];
    pl_hash      h;

    (void)state;
    assert_int_equal(pl_exchange_request(x, body), PL_EXCHANGE_FORWARD);
    (void)pl_exchange_response_begin(x, 200, PL_STR("application/json"), PL_STR(""));
    pl_exchange_response_feed(x, said, &none, 0);
    pl_exchange_response_end(x, PL_END_COMPLETE, &none, 0);
    assert_string_equal(pl_exchange_verdict(x), "block");
    x->out.review = true;
    pl_exchange_review_content(x, body, salt, &out);
    j = content_of(&out);
    assert_string_equal(json_string_value(json_object_get(json_object_get(j, "request"), "text")), body.p);
    assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(j, "answers"), 0), "text")),
                        "forbidden zork 很好");
    assert_int_equal(pl_json_parse(pl_exchange_event(x, 0)->leaf, "event", &leaf, NULL), PL_OK);
    assert_string_equal(review_text(leaf, "why"), "escalated");
    h = pl_commit(salt, (pl_str){ out.p + 32, out.n - 32 });
    pl_hex(h.b, 32, hex);
    assert_string_equal(review_text(leaf, "commitment"), hex);
    assert_null(memmem(pl_exchange_event(x, 0)->leaf.p, pl_exchange_event(x, 0)->leaf.n, "sentence", 8));
    json_decref(j);
    json_decref(leaf);
    pl_buf_done(&out);
    pl_buf_done(&none);
    pl_exchange_free(x);
    pl_policy_unref(p);
}

static void content__is_cut_between_characters_and_says_so(void **state)
{
    pl_policy   *p = fixture_policy("pass", "true");
    pl_exchange *x = fixture_exchange(p);
    pl_buf       body = PL_BUF_INIT(1u << 20), out = PL_BUF_INIT(PL_REVIEW_MAX);
    uint8_t      salt[32] = { 3 };
    json_t      *j, *request, *leaf = NULL;

    (void)state;
    pl_buf_puts(&body, "{\"messages\":[{\"role\":\"user\",\"content\":\"a");
    while (body.n < 100000)
        pl_buf_puts(&body, "好");
    pl_buf_puts(&body, "\"}]}");
    pl_exchange_request(x, pl_buf_str(&body));
    x->in.review = true;
    pl_exchange_review_content(x, pl_buf_str(&body), salt, &out);
    j = content_of(&out);
    request = json_object_get(j, "request");
    assert_int_equal(json_integer_value(json_object_get(request, "bytes")), body.n);
    assert_in_range(json_integer_value(json_object_get(request, "kept")), PL_REVIEW_KEPT - 3, PL_REVIEW_KEPT);
    assert_int_equal(json_string_length(json_object_get(request, "text")),
                     json_integer_value(json_object_get(request, "kept")));
    pl_exchange_review_drop(x); /* the gateway had no room for it */
    assert_int_equal(pl_json_parse(pl_exchange_event(x, 0)->leaf, "event", &leaf, NULL), PL_OK);
    assert_string_equal(review_text(leaf, "commitment"), "");
    json_decref(j);
    json_decref(leaf);
    pl_buf_done(&body);
    pl_buf_done(&out);
    pl_exchange_free(x);
    pl_policy_unref(p);
}

/* --- the ring ---------------------------------------------------------------------------------- */

typedef struct gates {
    char    *dir;
    pl_gate *worker, *daemon;
} gates;

static gates gates_open(void)
{
    gates    g = { .dir = pl_test_mkdtemp() };
    char     path[512];
    pl_error err = { 0 };

    snprintf(path, sizeof path, "%s/policy.db", g.dir);
    fixture_policy_write(path, "pass", "true");
    assert_ok(pl_gate_prepare(g.dir, &err), &err);
    assert_ok(pl_gate_open(g.dir, &g.worker, &err), &err);
    assert_ok(pl_gate_open(g.dir, &g.daemon, &err), &err);
    assert_ok(pl_gate_claim(g.worker, &err), &err);
    return g;
}

static void gates_close(gates *g)
{
    pl_gate_close(g->worker);
    pl_gate_close(g->daemon);
    pl_test_rmtree(g->dir);
}

static pl_str id_of(unsigned i)
{
    static char id[PL_ID_LEN + 1];
    uint8_t     rnd[10] = { (uint8_t)i };

    pl_id_format(1790000000000, rnd, id);
    return (pl_str){ id, PL_ID_LEN };
}

/* Is the text anywhere in the ring's file? */
static bool file_holds(const gates *g, const char *text)
{
    return memmem(g->worker->review.head, PL_RING_PAGE + PL_GATE_REVIEW_BYTES, text, strlen(text)) != NULL;
}

static void ring__gives_content_to_its_event_and_forgets_it_at_ack(void **state)
{
    gates  g = gates_open();
    pl_str got;

    (void)state;
    assert_int_equal(pl_gate_review_put(g.worker, id_of(1), 10, PL_STR("first-sealed")), PL_OK);
    assert_int_equal(pl_gate_review_put(g.worker, id_of(2), 10, PL_STR("orphan-sealed")), PL_OK);
    assert_int_equal(pl_gate_review_put(g.worker, id_of(3), 10, PL_STR("third-sealed")), PL_OK);
    assert_int_equal(pl_gate_review_take(g.daemon, 0, id_of(9), &got), PL_NOTFOUND); /* moves nothing */
    assert_int_equal(pl_gate_review_take(g.daemon, 0, id_of(1), &got), PL_OK);
    assert_true(pl_str_eqz(got, "first-sealed"));
    pl_gate_drain_rewind(g.daemon);
    assert_int_equal(pl_gate_review_take(g.daemon, 0, id_of(1), &got), PL_OK);
    assert_int_equal(pl_gate_review_take(g.daemon, 0, id_of(3), &got), PL_OK);
    assert_true(pl_str_eqz(got, "third-sealed"));
    assert_true(file_holds(&g, "first-sealed"));
    pl_gate_drain_ack(g.daemon);
    assert_false(file_holds(&g, "first-sealed"));
    assert_false(file_holds(&g, "orphan-sealed"));
    assert_false(file_holds(&g, "third-sealed"));
    assert_int_equal(pl_gate_review_take(g.daemon, 1, id_of(3), &got), PL_NOTFOUND);
    gates_close(&g);
}

static void ring__sweeps_orphans_says_when_it_is_full_and_goes_round(void **state)
{
    gates  g = gates_open();
    size_t n = 300000, kept = 0;
    char  *big = calloc(1, n);
    pl_str got;

    (void)state;
    assert_int_equal(pl_gate_review_put(g.worker, id_of(1), 10, PL_STR("old-sealed")), PL_OK);
    assert_int_equal(pl_gate_review_put(g.worker, id_of(2), 99, PL_STR("new-sealed")), PL_OK);
    assert_int_equal(pl_gate_review_sweep(g.daemon, 50), 1);
    assert_false(file_holds(&g, "old-sealed"));
    assert_int_equal(pl_gate_review_take(g.daemon, 0, id_of(2), &got), PL_OK);
    pl_gate_drain_ack(g.daemon);
    for (unsigned round = 0; round < 3; round++) {
        for (kept = 0; pl_gate_review_put(g.worker, id_of((unsigned)kept), 100, (pl_str){ big, n }) == PL_OK;)
            kept++;
        assert_in_range(kept, 12, 13); /* of 4 MiB */
        for (unsigned i = 0; i < kept; i++)
            assert_int_equal(pl_gate_review_take(g.daemon, 0, id_of(i), &got), PL_OK);
        pl_gate_drain_ack(g.daemon);
    }
    assert_int_equal(pl_gate_review_put(g.worker, id_of(1), 1, (pl_str){ big, 2u << 20 }), PL_LIMIT);
    free(big);
    gates_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seal__opens_with_its_key_about_its_thing_and_not_otherwise),
        cmocka_unit_test(lot__is_decided_by_the_id_and_falls_as_often_as_it_says),
        cmocka_unit_test(judge__wants_two_who_agree_or_a_third),
        cmocka_unit_test(agree__is_share_and_kappa_with_intervals),
        cmocka_unit_test(content__is_what_was_asked_and_said_and_the_event_commits_to_it),
        cmocka_unit_test(content__is_cut_between_characters_and_says_so),
        cmocka_unit_test(ring__gives_content_to_its_event_and_forgets_it_at_ack),
        cmocka_unit_test(ring__sweeps_orphans_says_when_it_is_full_and_goes_round),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
