/* The key verbs, on an instance made as a user's is, and what verification says afterwards.
 * PROVES: evidence-ledger/7.13 */
#include "keys_test.h"

static bool has_problem(fx *f, const pl_vkey *k, const char *part)
{
    pl_ledger_report r;
    const json_t    *p;
    size_t           i;
    bool             found = false;

    assert_ok(pl_ledger_verify(f->ledger, k, &r, NULL, NULL, &f->err), &f->err);
    json_array_foreach(r.problems, i, p)
        found |= strstr(json_string_value(p), part) != NULL;
    pl_ledger_report_done(&r);
    return found;
}

/* PROVES-by-doing of docs/formats/keys.md: a log is sound from either end of a rotation. */
static void rotate__goes_on_and_is_verified_from_both_keys(void **st)
{
    fx     *f = *st;
    pl_vkey second, third;

    state(f);
    assert_int_equal(key(f, "rotate", NULL), PL_EXIT_OK);
    vkey_of_answer(f, &second);
    assert_false(pl_vkey_equal(&second, &f->first));
    state(f);
    assert_int_equal(key(f, "rotate", NULL), PL_EXIT_OK);
    vkey_of_answer(f, &third);
    state(f);
    assert_int_equal(problems_with(f, &f->first), 0);
    assert_int_equal(problems_with(f, &second), 0);
    assert_int_equal(problems_with(f, &third), 0);
}

/* The old key comes back from a backup: what it signs is named as what it is. */
static void rotate__ends_the_old_key(void **st)
{
    fx        *f = *st;
    pl_vkey    second, keys[2];
    pl_signer *old = NULL, *mine = NULL;
    pl_ledger *l = NULL;
    char       path[600];
    uint64_t   index;
    json_t    *p = json_pack("{s:s, s:s, s:s, s:s}", "scope", "i", "reason", "r", "by", "x", "at",
                             "2026-11-25T00:00:00.000Z");

    state(f);
    assert_int_equal(key(f, "rotate", NULL), PL_EXIT_OK);
    vkey_of_answer(f, &second);
    (void)snprintf(path, sizeof path, "%s/keys/retired/%08x.key", f->dir,
                   (unsigned)f->first.keyid);
    assert_ok(pl_keyfile_signer(path, f->instance.origin, &old, &f->err), &f->err);
    assert_rc(pl_ledger_open(f->ledger, old, &l, &f->err), PL_INVALID);
    assert_ok(pl_instance_signer(&f->instance, &mine, &f->err), &f->err);
    assert_ok(pl_ledger_open(f->ledger, mine, &l, &f->err), &f->err);
    assert_ok(pl_ledger_state(l, old, PL_STR("x"), PL_PREDICATE("guard-stop"), p, &index, &f->err),
              &f->err);
    assert_ok(pl_ledger_publish(l, &f->err), &f->err);
    pl_ledger_close(l);
    for (int i = 0; i < 2; i++) {
        const pl_vkey *k = i ? &second : &f->first;

        assert_true(has_problem(f, k, "entry 2: signed by key"));
        assert_true(has_problem(f, k, "though entry 1 ended it (rotate) from entry 2"));
    }
    /* Whoever holds it may write the files himself, and sign a checkpoint. */
    keys[0] = f->first;
    keys[1] = second;
    assert_ok(pl_ledger_vkeys_write(f->ledger, keys, 2, &f->err), &f->err);
    assert_ok(pl_ledger_open(f->ledger, old, &l, &f->err), &f->err);
    pl_ledger_close(l);
    assert_true(has_problem(f, &second, "checkpoint: signed by key"));
    assert_true(has_problem(f, &f->first, "checkpoint: signed by key"));
    pl_signer_free(old);
    pl_signer_free(mine);
    json_decref(p);
}

static void rotate__with_overlap_is_signed_by_both_until_retired(void **st)
{
    fx           *f = *st;
    pl_vkey       second;
    pl_ledger    *l = NULL;
    pl_checkpoint c;
    char         *note = NULL, id[9];
    size_t        n = 0;

    state(f);
    ch_set(&f->host, "overlap", "");
    assert_int_equal(key(f, "rotate", NULL), PL_EXIT_OK);
    vkey_of_answer(f, &second);
    assert_int_equal(key(f, "rotate", NULL), PL_EXIT_FAILED); /* one at a time */
    ch_set(&f->host, "overlap", NULL);
    state(f);
    assert_ok(pl_ledger_open_reader(f->ledger, &l, &f->err), &f->err);
    assert_ok(pl_ledger_checkpoint(l, &note, &n, &f->err), &f->err);
    assert_ok(pl_checkpoint_open((pl_str){ note, n }, &f->first, &c, &f->err), &f->err);
    assert_ok(pl_checkpoint_open((pl_str){ note, n }, &second, &c, &f->err), &f->err);
    pl_ledger_close(l);
    free(note);
    (void)snprintf(id, sizeof id, "%08x", (unsigned)f->first.keyid);
    assert_int_equal(key(f, "retire", id), PL_EXIT_OK);
    state(f);
    assert_int_equal(problems_with(f, &f->first), 0);
    assert_int_equal(problems_with(f, &second), 0);
    assert_ok(pl_ledger_open_reader(f->ledger, &l, &f->err), &f->err);
    assert_ok(pl_ledger_checkpoint(l, &note, &n, &f->err), &f->err);
    assert_rc(pl_checkpoint_open((pl_str){ note, n }, &f->first, &c, &f->err), PL_INVALID);
    pl_ledger_close(l);
    free(note);
}

static void new__adds_a_second_algorithm_to_the_log(void **st)
{
    fx              *f = *st;
    pl_vkey          sm2;
    pl_ledger       *l = NULL;
    pl_checkpoint    c;
    pl_ledger_report r;
    char            *note = NULL, id[9];
    size_t           n = 0;

    ch_set(&f->host, "alg", "sm2");
    ch_set(&f->host, "use", "log");
    assert_int_equal(key(f, "new", "sm2"), PL_EXIT_OK);
    vkey_of_answer(f, &sm2);
    assert_int_equal(sm2.alg, PL_KEY_SM2);
    state(f);
    assert_int_equal(problems_with(f, &f->first), 0);
    assert_int_equal(problems_with(f, &sm2), 0);
    assert_ok(pl_ledger_open_reader(f->ledger, &l, &f->err), &f->err);
    assert_ok(pl_ledger_checkpoint(l, &note, &n, &f->err), &f->err);
    assert_ok(pl_checkpoint_open((pl_str){ note, n }, &sm2, &c, &f->err), &f->err);
    assert_ok(pl_checkpoint_open((pl_str){ note, n }, &f->first, &c, &f->err), &f->err);
    pl_ledger_close(l);
    free(note);
    assert_ok(pl_ledger_verify(f->ledger, &f->first, &r, NULL, NULL, &f->err), &f->err);
    assert_int_equal(json_array_size(r.signers), 2);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(r.signers, 1), "algorithm")), "sm2");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(r.signers, 1), "statements")),
                     2);
    pl_ledger_report_done(&r);
    (void)snprintf(id, sizeof id, "%08x", (unsigned)sm2.keyid);
    ch_set(&f->host, "reason", "no longer asked for");
    assert_int_equal(key(f, "retire", id), PL_EXIT_OK);
    state(f);
    assert_int_equal(problems_with(f, &f->first), 0);
}

static void compromise__casts_doubt_on_what_was_signed_since(void **st)
{
    fx        *f = *st;
    pl_vkey    k;
    pl_signer *component = NULL, *mine = NULL;
    pl_ledger *l = NULL;
    char       path[600], id[9];
    uint64_t   index;
    json_t    *p = json_pack("{s:s, s:s, s:s, s:s}", "scope", "i", "reason", "r", "by", "x", "at",
                             "2026-11-25T00:00:00.000Z");

    assert_int_equal(key(f, "new", "scanner"), PL_EXIT_OK); /* entry 0 */
    vkey_of_answer(f, &k);
    (void)snprintf(path, sizeof path, "%s/keys/scanner.key", f->dir);
    assert_ok(pl_keyfile_signer(path, "", &component, &f->err), &f->err);
    assert_ok(pl_instance_signer(&f->instance, &mine, &f->err), &f->err);
    assert_ok(pl_ledger_open(f->ledger, mine, &l, &f->err), &f->err);
    for (int i = 1; i <= 3; i++) /* entries 1, 2, 3 */
        assert_ok(pl_ledger_state(l, component, PL_STR("x"), PL_PREDICATE("guard-stop"), p, &index,
                                  &f->err),
                  &f->err);
    assert_ok(pl_ledger_publish(l, &f->err), &f->err);
    pl_ledger_close(l);
    pl_signer_free(component);
    pl_signer_free(mine);
    json_decref(p);
    assert_int_equal(problems_with(f, &f->first), 0);
    (void)snprintf(id, sizeof id, "%08x", (unsigned)k.keyid);
    assert_int_equal(key(f, "compromise", id), PL_EXIT_BAD_INPUT); /* from when on? */
    ch_set(&f->host, "until", "2");
    ch_set(&f->host, "reason", "stolen");
    assert_int_equal(key(f, "compromise", id), PL_EXIT_OK);
    assert_false(has_problem(f, &f->first, "entry 1:"));
    assert_true(has_problem(f, &f->first, "entry 2: signed by key"));
    assert_true(has_problem(f, &f->first, "entry 3: signed by key"));
    assert_true(has_problem(f, &f->first, "entry 4 ended it (compromise)"));
}

static void list__tells_the_lives(void **st)
{
    fx     *f = *st;
    json_t *j, *keys;

    assert_int_equal(key(f, "new", "scanner"), PL_EXIT_OK);
    assert_int_equal(key(f, "rotate", NULL), PL_EXIT_OK);
    assert_int_equal(key(f, "list", NULL), PL_EXIT_OK);
    j = answer(f);
    keys = json_object_get(j, "keys");
    assert_int_equal(json_array_size(keys), 3);
    /* From the key in use now, backwards to the one before. */
    assert_int_equal(json_integer_value(json_object_get(json_array_get(keys, 0), "from")), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(keys, 1), "end")),
                        "rotate");
    assert_true(json_is_null(json_object_get(json_array_get(keys, 0), "to")));
    json_decref(j);
}

static void protect__keeps_the_log_going_under_a_passphrase(void **st)
{
    fx     *f = *st;
    json_t *j;

    (void)setenv("PLUMBLINE_KEY_PASSPHRASE_NEW", "correct horse", 1);
    assert_int_equal(key(f, "protect", NULL), PL_EXIT_OK);
    assert_int_equal(key(f, "show", NULL), PL_EXIT_OK);
    j = answer(f);
    assert_string_equal(json_string_value(json_object_get(j, "kept")), "encrypted");
    json_decref(j);
    assert_int_equal(key(f, "rotate", NULL), PL_EXIT_FAILED);
    assert_non_null(strstr(f->host.err, PL_PASSPHRASE_ENV));
    (void)setenv(PL_PASSPHRASE_ENV, "correct horse", 1);
    assert_int_equal(key(f, "rotate", NULL), PL_EXIT_OK);
    assert_int_equal(key(f, "show", NULL), PL_EXIT_OK);
    assert_non_null(strstr(f->host.out, "encrypted")); /* the new one too */
    state(f);
    assert_int_equal(problems_with(f, &f->first), 0);
    (void)unsetenv(PL_PASSPHRASE_ENV);
    (void)unsetenv("PLUMBLINE_KEY_PASSPHRASE_NEW");
}

static void ending__of_what_is_not_known_or_in_use_is_refused(void **st)
{
    fx  *f = *st;
    char id[9];

    assert_int_equal(key(f, "retire", "00000000"), PL_EXIT_BAD_INPUT);
    (void)snprintf(id, sizeof id, "%08x", (unsigned)f->first.keyid);
    assert_int_equal(key(f, "retire", id), PL_EXIT_FAILED);
    assert_non_null(strstr(f->host.err, "rotate it"));
    assert_int_equal(key(f, "new", "Ledger"), PL_EXIT_BAD_INPUT);
    assert_int_equal(key(f, "new", "ledger"), PL_EXIT_BAD_INPUT);
    assert_int_equal(key(f, "new", "../x"), PL_EXIT_BAD_INPUT);
    ch_set(&f->host, "use", "everything");
    assert_int_equal(key(f, "new", "x"), PL_EXIT_BAD_INPUT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(rotate__goes_on_and_is_verified_from_both_keys),
        T(rotate__ends_the_old_key),
        T(rotate__with_overlap_is_signed_by_both_until_retired),
        T(new__adds_a_second_algorithm_to_the_log),
        T(compromise__casts_doubt_on_what_was_signed_since),
        T(list__tells_the_lives),
        T(protect__keeps_the_log_going_under_a_passphrase),
        T(ending__of_what_is_not_known_or_in_use_is_refused),
    };

    lt_use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
