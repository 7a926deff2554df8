/* Lives of keys, told as logs: each test is a list of key events and who signed them. */
#include "base/buf.h"
#include "base/str.h"
#include "log_test.h"

#include <plumbline/keylife.h>

#define ORIGIN "log.example/1"

enum { L1, L2, L3, S1, S2, SM, KEYS }; /* three log keys, two of components, one SM2 log key */

typedef struct fx {
    pl_signer      *signer[KEYS];
    pl_vkey         key[KEYS];
    pl_key_history *h;
    pl_error        err;
} fx;

static int setup(void **state)
{
    static fx f;
    uint8_t   secret[32];

    f = (fx){ .h = NULL };
    for (unsigned i = 0; i < KEYS; i++) {
        memset(secret, (int)(0x40 + i), sizeof secret);
        assert_ok(pl_signer_new_alg(lt_z(i == S1 || i == S2 ? "component" : ORIGIN),
                                    i == SM ? PL_KEY_SM2 : PL_KEY_ED25519, secret, &f.signer[i],
                                    &f.err),
                  &f.err);
        f.key[i] = *pl_signer_key(f.signer[i], 0);
    }
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    for (unsigned i = 0; i < KEYS; i++)
        pl_signer_free(f->signer[i]);
    pl_key_history_free(f->h);
    return 0;
}

static void begin(fx *f, unsigned root)
{
    pl_key_history_free(f->h);
    assert_ok(pl_key_history_new(&f->key[root], &f->h, &f->err), &f->err);
}

/* Puts one signed event; `rest` is what follows the vkey member. by2 < 0: one signature. */
static pl_rc put(fx *f, uint64_t index, const char *event, unsigned key, const char *rest,
                 unsigned by, int by2)
{
    char       vkey[PL_VKEY_TEXT_MAX], *env = NULL;
    size_t     n = 0;
    pl_buf     b = PL_BUF_INIT(8192);
    uint8_t    secret[32];
    pl_signer *s = NULL, *more = NULL;
    pl_rc      rc;

    assert_ok(pl_vkey_format(&f->key[key], vkey, sizeof vkey, &f->err), &f->err);
    pl_buf_printf(&b,
                  "{\"_type\":\"https://in-toto.io/Statement/v1\",\"predicateType\":\"%s\","
                  "\"predicate\":{\"event\":\"%s\",\"vkey\":\"%s\"%s}}",
                  PL_KEY_EVENT_TYPE, event, vkey, rest);
    memset(secret, (int)(0x40 + by), sizeof secret);
    assert_rc(pl_signer_new_alg(lt_z("x"), f->key[by].alg, secret, &s, NULL), PL_OK);
    if (by2 >= 0) {
        memset(secret, 0x40 + by2, sizeof secret);
        assert_rc(pl_signer_new_alg(lt_z("x"), f->key[by2].alg, secret, &more, NULL), PL_OK);
        assert_rc(pl_signer_join(s, more, NULL), PL_OK);
    }
    assert_ok(pl_dsse_sign(PL_STR(PL_DSSE_INTOTO), pl_buf_str(&b), s, &env, &n, &f->err), &f->err);
    assert_true(pl_key_event_maybe((pl_str){ env, n }));
    rc = pl_key_history_put(f->h, index, (pl_str){ env, n }, &f->err);
    free(env);
    pl_buf_done(&b);
    pl_signer_free(s);
    return rc;
}

static void rotate(fx *f, uint64_t index, unsigned old, unsigned new, const char *until,
                   unsigned by, int by2)
{
    char vkey[PL_VKEY_TEXT_MAX], rest[512];

    assert_ok(pl_vkey_format(&f->key[new], vkey, sizeof vkey, &f->err), &f->err);
    (void)snprintf(rest, sizeof rest, ",\"successor\":\"%s\"%s", vkey, until);
    assert_rc(put(f, index, "rotate", old, rest, by, by2), PL_OK);
}

static void resolve(fx *f)
{
    assert_ok(pl_key_history_resolve(f->h, &f->err), &f->err);
}

/* The life of a key that must be known. */
static const pl_key_life *life(fx *f, unsigned key)
{
    for (size_t i = 0; i < pl_key_history_count(f->h); i++)
        if (pl_vkey_equal(&pl_key_history_get(f->h, i)->key, &f->key[key]))
            return pl_key_history_get(f->h, i);
    fail_msg("key %u is not known", key);
    return NULL;
}

static bool is_known(fx *f, unsigned key)
{
    for (size_t i = 0; i < pl_key_history_count(f->h); i++)
        if (pl_vkey_equal(&pl_key_history_keys(f->h)[i], &f->key[key]))
            return true;
    return false;
}

static void assert_life(fx *f, unsigned key, uint64_t from, uint64_t to, const char *end)
{
    const pl_key_life *k = life(f, key);

    assert_int_equal(k->from, from);
    assert_true(k->to == to);
    assert_string_equal(k->end, end);
}

static void history__knows_the_root_alone_at_first(void **state)
{
    fx *f = *state;

    begin(f, L1);
    assert_int_equal(pl_key_history_count(f->h), 1);
    assert_life(f, L1, 0, UINT64_MAX, "");
}

static void add__makes_a_key_known_from_its_entry_on(void **state)
{
    fx *f = *state;

    begin(f, L1);
    assert_rc(put(f, 7, "add", S1, "", L1, -1), PL_OK);
    resolve(f);
    assert_life(f, S1, 7, UINT64_MAX, "");
    assert_rc(pl_key_life_check(life(f, S1), 6, &f->err), PL_INVALID);
    assert_non_null(strstr(f->err.text, "before entry 7"));
    assert_rc(pl_key_life_check(life(f, S1), 7, &f->err), PL_OK);
    assert_rc(pl_key_history_event(f->h, 7, &f->err), PL_OK);
    assert_rc(pl_key_history_event(f->h, 8, &f->err), PL_NOTFOUND);
}

static void add__needs_a_log_key(void **state)
{
    fx *f = *state;

    begin(f, L1);
    assert_rc(put(f, 1, "add", S1, "", L1, -1), PL_OK);
    assert_rc(put(f, 2, "add", S2, "", S1, -1), PL_OK);
    resolve(f);
    assert_false(is_known(f, S2));
    assert_rc(pl_key_history_event(f->h, 2, &f->err), PL_DENIED);
}

/* A log key vouches for another, and that one shows that it exists. */
static void add__of_a_log_key_needs_its_own_signature_too(void **state)
{
    fx *f = *state;

    begin(f, L1);
    assert_rc(put(f, 1, "add", SM, ",\"use\":\"log\"", L1, -1), PL_OK);
    resolve(f);
    assert_false(is_known(f, SM));
    begin(f, L1);
    assert_rc(put(f, 1, "add", SM, ",\"use\":\"log\"", L1, SM), PL_OK);
    resolve(f);
    assert_true(life(f, SM)->is_log);
}

/* Who trusts the second algorithm only is led to the first. */
static void add__of_a_log_key_leads_back_when_it_says_beside_whom(void **state)
{
    fx  *f = *state;
    char vkey[PL_VKEY_TEXT_MAX], rest[600];

    assert_ok(pl_vkey_format(&f->key[L1], vkey, sizeof vkey, &f->err), &f->err);
    (void)snprintf(rest, sizeof rest, ",\"use\":\"log\",\"beside\":\"%s\"", vkey);
    begin(f, SM);
    assert_rc(put(f, 2, "add", S1, "", L1, -1), PL_OK);
    assert_rc(put(f, 5, "add", SM, rest, L1, SM), PL_OK);
    resolve(f);
    assert_life(f, SM, 5, UINT64_MAX, "");
    assert_life(f, L1, 0, UINT64_MAX, "");
    assert_life(f, S1, 2, UINT64_MAX, "");
    /* Not by the new key's word alone. */
    begin(f, SM);
    assert_rc(put(f, 5, "add", SM, rest, SM, -1), PL_OK);
    resolve(f);
    assert_false(is_known(f, L1));
    begin(f, SM);
    assert_rc(put(f, 5, "add", SM, rest, L1, -1), PL_OK);
    resolve(f);
    assert_false(is_known(f, L1));
}

static void rotate__leads_forwards_with_an_overlap(void **state)
{
    fx *f = *state;

    begin(f, L1);
    rotate(f, 10, L1, L2, ",\"until\":20", L1, L2);
    resolve(f);
    assert_life(f, L1, 0, 20, "rotate");
    assert_life(f, L2, 10, UINT64_MAX, "");
    assert_true(life(f, L2)->is_log);
    assert_rc(pl_key_life_check(life(f, L1), 19, &f->err), PL_OK);
    assert_rc(pl_key_life_check(life(f, L1), 20, &f->err), PL_INVALID);
    assert_non_null(strstr(f->err.text, "entry 10 ended it (rotate) from entry 20"));
}

static void rotate__leads_backwards_over_a_chain(void **state)
{
    fx *f = *state;

    for (unsigned root = L1; root <= L3; root++) {
        begin(f, root);
        assert_rc(put(f, 3, "add", S1, "", L1, -1), PL_OK);
        rotate(f, 10, L1, L2, "", L1, L2);
        rotate(f, 30, L2, L3, "", L2, L3);
        assert_rc(put(f, 40, "retire", S1, "", L3, -1), PL_OK);
        resolve(f);
        assert_int_equal(pl_key_history_count(f->h), 4);
        assert_life(f, L1, 0, 11, "rotate");
        assert_life(f, L2, 10, 31, "rotate");
        assert_life(f, L3, 30, UINT64_MAX, "");
        assert_life(f, S1, 3, 41, "retire");
    }
}

static void rotate__needs_both_signatures(void **state)
{
    fx *f = *state;

    begin(f, L1);
    rotate(f, 10, L1, L2, "", L1, -1);
    resolve(f);
    assert_false(is_known(f, L2));
    assert_life(f, L1, 0, UINT64_MAX, "");
    begin(f, L2);
    rotate(f, 10, L1, L2, "", L2, -1);
    resolve(f);
    assert_false(is_known(f, L1));
}

static void retire__may_be_signed_by_the_key_itself(void **state)
{
    fx *f = *state;

    begin(f, L1);
    assert_rc(put(f, 1, "add", S1, "", L1, -1), PL_OK);
    assert_rc(put(f, 2, "add", S2, "", L1, -1), PL_OK);
    assert_rc(put(f, 5, "retire", S1, ",\"until\":9", S1, -1), PL_OK);
    assert_rc(put(f, 6, "revoke", S2, "", S1, -1), PL_OK); /* not its business */
    resolve(f);
    assert_life(f, S1, 1, 9, "retire");
    assert_life(f, S2, 2, UINT64_MAX, "");
    assert_rc(pl_key_history_event(f->h, 6, &f->err), PL_DENIED);
}

static void compromise__reaches_back_and_undoes_what_the_key_decided_since(void **state)
{
    fx *f = *state;

    begin(f, L1);
    rotate(f, 10, L1, L2, ",\"until\":40", L1, L2);
    assert_rc(put(f, 15, "add", S1, "", L1, -1), PL_OK);
    assert_rc(put(f, 25, "add", S2, "", L1, -1), PL_OK); /* by the thief */
    assert_rc(put(f, 30, "compromise", L1, ",\"until\":20", L2, -1), PL_OK);
    resolve(f);
    assert_life(f, L1, 0, 20, "compromise");
    assert_int_equal(life(f, L1)->ended_by, 30);
    assert_true(is_known(f, S1));
    assert_false(is_known(f, S2));
    assert_rc(pl_key_history_event(f->h, 25, &f->err), PL_DENIED);
    assert_rc(pl_key_history_event(f->h, 30, &f->err), PL_OK);
}

static void compromise__of_a_component_is_declared_by_a_log_key_only(void **state)
{
    fx *f = *state;

    begin(f, L1);
    assert_rc(put(f, 1, "add", S1, "", L1, -1), PL_OK);
    assert_rc(put(f, 9, "compromise", S1, ",\"until\":2", S1, -1), PL_OK);
    resolve(f);
    assert_life(f, S1, 1, UINT64_MAX, "");
    assert_rc(put(f, 10, "compromise", S1, ",\"until\":2", L1, -1), PL_OK);
    resolve(f);
    assert_life(f, S1, 1, 2, "compromise");
}

static void compromise__of_the_log_key_by_itself_stands(void **state)
{
    fx *f = *state;

    begin(f, L1);
    assert_rc(put(f, 9, "compromise", L1, ",\"until\":5", L1, -1), PL_OK);
    resolve(f);
    assert_life(f, L1, 0, 5, "compromise");
    assert_rc(pl_key_history_event(f->h, 9, &f->err), PL_OK);
}

/* A stolen log key cannot end another log key that is not its own successor. */
static void ending__of_a_log_key_is_not_for_a_third(void **state)
{
    fx *f = *state;

    begin(f, L1);
    assert_rc(put(f, 1, "add", L2, ",\"use\":\"log\"", L1, L2), PL_OK);
    assert_rc(put(f, 2, "revoke", L1, "", L2, -1), PL_OK);
    resolve(f);
    assert_life(f, L1, 0, UINT64_MAX, "");
}

static void put__refuses_malformed_events(void **state)
{
    static const struct {
        const char *event, *rest;
    } bad[] = {
        { "vanish", "" },
        { "rotate", "" },
        { "rotate", ",\"successor\":\"x\"" },
        { "add", ",\"use\":\"everything\"" },
        { "retire", ",\"until\":4" },   /* reaches back */
        { "retire", ",\"until\":-1" },
        { "retire", ",\"until\":\"9\"" },
        { "compromise", "" },
        { "compromise", ",\"until\":6" },
    };
    fx *f = *state;

    begin(f, L1);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (put(f, 4, bad[i].event, S1, bad[i].rest, L1, -1) != PL_INVALID)
            fail_msg("event %zu was not refused", i);
    assert_rc(pl_key_history_put(f->h, 4, PL_STR("no envelope"), &f->err), PL_NOTFOUND);
}

static void put__is_bounded(void **state)
{
    fx      *f = *state;
    uint64_t i;

    begin(f, L1);
    for (i = 0; i < PL_KEY_EVENTS_MAX; i++)
        assert_rc(put(f, i, "add", S1, "", L1, -1), PL_OK);
    assert_rc(put(f, i, "add", S1, "", L1, -1), PL_LIMIT);
}

/* --- checkpoints ------------------------------------------------------------------------ */

static pl_rc checkpoint_of(fx *f, uint64_t size, unsigned by)
{
    pl_checkpoint c = { .origin = ORIGIN, .size = size }, got;
    char         *note = NULL;
    size_t        n = 0;
    pl_rc         rc;

    assert_ok(pl_checkpoint_sign(&c, f->signer[by], &note, &n, &f->err), &f->err);
    rc = pl_key_history_checkpoint(f->h, (pl_str){ note, n }, &got, &f->err);
    if (rc == PL_OK)
        assert_int_equal(got.size, size);
    free(note);
    return rc;
}

static void checkpoint__is_judged_by_the_last_entry_it_covers(void **state)
{
    fx *f = *state;

    begin(f, L2);
    rotate(f, 10, L1, L2, ",\"until\":20", L1, L2);
    resolve(f);
    assert_rc(checkpoint_of(f, 5, L1), PL_OK);
    assert_rc(checkpoint_of(f, 10, L2), PL_INVALID); /* the rotation is not in it yet */
    assert_rc(checkpoint_of(f, 11, L2), PL_OK);
    assert_rc(checkpoint_of(f, 20, L1), PL_OK);
    assert_rc(checkpoint_of(f, 21, L1), PL_INVALID);
    assert_non_null(strstr(f->err.text, "entry 10 ended it (rotate)"));
    assert_rc(checkpoint_of(f, 21, L3), PL_INVALID);
}

static void checkpoint__is_not_signed_by_components(void **state)
{
    fx           *f = *state;
    pl_signer    *s = NULL;
    pl_checkpoint c = { .origin = ORIGIN, .size = 9 }, got;
    uint8_t       secret[32];
    char         *note = NULL;
    size_t        n = 0;

    /* A component's key under the log's name. */
    memset(secret, 0x77, sizeof secret);
    assert_rc(pl_signer_new(lt_z(ORIGIN), secret, &s, NULL), PL_OK);
    f->key[S1] = *pl_signer_key(s, 0);
    begin(f, L1);
    assert_rc(put(f, 1, "add", S1, "", L1, -1), PL_OK);
    resolve(f);
    assert_true(is_known(f, S1));
    assert_ok(pl_checkpoint_sign(&c, s, &note, &n, &f->err), &f->err);
    assert_rc(pl_key_history_checkpoint(f->h, (pl_str){ note, n }, &got, &f->err), PL_INVALID);
    free(note);
    pl_signer_free(s);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(history__knows_the_root_alone_at_first),
        T(add__makes_a_key_known_from_its_entry_on),
        T(add__needs_a_log_key),
        T(add__of_a_log_key_needs_its_own_signature_too),
        T(add__of_a_log_key_leads_back_when_it_says_beside_whom),
        T(rotate__leads_forwards_with_an_overlap),
        T(rotate__leads_backwards_over_a_chain),
        T(rotate__needs_both_signatures),
        T(retire__may_be_signed_by_the_key_itself),
        T(compromise__reaches_back_and_undoes_what_the_key_decided_since),
        T(compromise__of_a_component_is_declared_by_a_log_key_only),
        T(compromise__of_the_log_key_by_itself_stands),
        T(ending__of_a_log_key_is_not_for_a_third),
        T(put__refuses_malformed_events),
        T(put__is_bounded),
        T(checkpoint__is_judged_by_the_last_entry_it_covers),
        T(checkpoint__is_not_signed_by_components),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
