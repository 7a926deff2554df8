/* Shared by the tests of the key verbs: an instance made as a user's is. */
#ifndef PL_LEDGER_KEYS_TEST_H
#define PL_LEDGER_KEYS_TEST_H

#include "cmd_host.h"

#include "cap/instance.h"
#include "cap/keyfile.h"

#define DEFAULTS PL_TEST_SOURCE_ROOT "/share/defaults"

typedef struct fx {
    char       *tmp, *dir, *ledger;
    pl_instance instance;
    ch_host     host;
    pl_vkey     first; /* the key the log was made with */
    pl_error    err;
} fx;

static inline int setup(void **state)
{
    fx                 *f = calloc(1, sizeof(*f));
    pl_instance_options o = { .dir = NULL };
    pl_signer          *s = NULL;

    assert_non_null(f);
    assert_int_equal(setenv("PLUMBLINE_DATADIR", PL_TEST_SOURCE_ROOT "/src/cap/ledger", 1), 0);
    (void)unsetenv(PL_PASSPHRASE_ENV);
    f->tmp = pl_test_mkdtemp();
    f->dir = pl_path_join(f->tmp, "instance");
    o.dir = f->dir;
    assert_ok(pl_instance_create(&o, DEFAULTS, 1790000000000, &f->err), &f->err);
    assert_ok(pl_instance_open(f->dir, &f->instance, &f->err), &f->err);
    assert_ok(pl_instance_signer(&f->instance, &s, &f->err), &f->err);
    f->first = *pl_signer_key(s, 0);
    f->ledger = pl_path_join(f->dir, "ledger");
    if (access(f->ledger, F_OK) != 0)
        assert_ok(pl_ledger_create(f->ledger, pl_str_z(f->instance.origin), s, &f->err), &f->err);
    pl_signer_free(s);
    ch_set(&f->host, "dir", f->dir);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    fx *f = *state;

    ch_done(&f->host);
    free(f->dir);
    free(f->ledger);
    pl_test_rmtree(f->tmp);
    free(f);
    return 0;
}

static inline int key(fx *f, const char *verb, const char *operand)
{
    int code = ch_run(&f->host, "en", true, "key", verb, operand);

    if (code != PL_EXIT_OK)
        print_message("# %s", f->host.err);
    return code;
}

static inline json_t *answer(fx *f)
{
    json_t *j = NULL;

    assert_ok(pl_json_parse(pl_str_z(f->host.out), "answer", &j, &f->err), &f->err);
    return j;
}

static inline void vkey_of_answer(fx *f, pl_vkey *out)
{
    json_t *j = answer(f);

    assert_ok(pl_vkey_parse(pl_str_z(json_string_value(json_object_get(j, "vkey"))), out, &f->err),
              &f->err);
    json_decref(j);
}

/* One more statement with the instance's keys of now. */
static inline void state(fx *f)
{
    pl_signer *s = NULL;
    pl_ledger *l = NULL;
    json_t    *p = json_pack("{s:s, s:s, s:s, s:s}", "scope", "installation", "reason", "test",
                             "by", "x", "at", "2026-11-25T00:00:00.000Z");
    uint64_t   index;

    assert_ok(pl_instance_signer(&f->instance, &s, &f->err), &f->err);
    assert_ok(pl_ledger_open(f->ledger, s, &l, &f->err), &f->err);
    assert_ok(pl_ledger_state(l, s, PL_STR("installation:x"), PL_PREDICATE("guard-stop"), p, &index,
                              &f->err),
              &f->err);
    assert_ok(pl_ledger_publish(l, &f->err), &f->err);
    pl_ledger_close(l);
    pl_signer_free(s);
    json_decref(p);
}

static inline size_t problems_with(fx *f, const pl_vkey *k)
{
    pl_ledger_report r;
    const json_t    *p;
    size_t           i, n;

    assert_ok(pl_ledger_verify(f->ledger, k, &r, NULL, NULL, &f->err), &f->err);
    n = json_array_size(r.problems);
    json_array_foreach(r.problems, i, p)
        print_message("# problem: %s\n", json_string_value(p));
    pl_ledger_report_done(&r);
    return n;
}

#endif
