/* The section `ledger` of the configuration. */
#include "pl_test.h"

#include "base/file.h"
#include "base/str.h"
#include "base/yaml.h"
#include "cap/instance_int.h"

static char      vkey[3][300];
static pl_error  err;

static int keys_make(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        uint8_t     seed[32];
        char        name[32];
        pl_signer  *s = NULL;
        pl_cosigner k;

        memset(seed, 0x30 + i, sizeof seed);
        (void)snprintf(name, sizeof name, "w%d.example", i);
        assert_rc(pl_signer_new(pl_str_z(name), seed, &s, NULL), PL_OK);
        assert_rc(pl_cosigner_of(s, &k, NULL), PL_OK);
        assert_rc(pl_cosigner_format(&k, vkey[i], sizeof vkey[i], NULL), PL_OK);
        pl_signer_free(s);
    }
    return 0;
}

/* V0, V1, V2 stand for keys. */
static pl_rc parse(const char *yaml, pl_instance *out)
{
    pl_buf  b = PL_BUF_INIT(16384);
    json_t *root = NULL;
    pl_rc   rc;

    for (const char *p = yaml; *p != '\0'; p++) {
        if (*p == 'V' && p[1] >= '0' && p[1] <= '2')
            pl_buf_puts(&b, vkey[*++p - '0']);
        else
            pl_buf_putc(&b, *p);
    }
    assert_ok(pl_yaml_parse(pl_buf_str(&b), "test.yaml", &root, &err), &err);
    *out = (pl_instance){ 0 };
    rc = pl_instance_ledger_parse(pl_buf_str(&b), "test.yaml", json_object_get(root, "ledger"), out,
                                  &err);
    json_decref(root);
    pl_buf_done(&b);
    return rc;
}

static void instance_ledger__may_be_absent(void **state)
{
    pl_instance i;

    (void)state;
    assert_ok(parse("other: 1", &i), &err);
    assert_int_equal(i.witness_count, 0);
    assert_int_equal(i.quorum, 0);
}

static void instance_ledger__reads_witnesses_and_takes_loopback_for_local(void **state)
{
    pl_instance i;

    (void)state;
    assert_ok(parse("ledger:\n  witnesses:\n"
                    "    - {name: a, vkey: \"V0\", url: \"https://w.example/x\"}\n"
                    "    - {name: b, vkey: \"V1\", url: \"http://127.0.0.1:8422\"}\n"
                    "    - {name: c, vkey: \"V2\", url: \"unix:/run/w.sock\", local: false}\n", &i),
              &err);
    assert_int_equal(i.witness_count, 3);
    assert_string_equal(i.witnesses[0].name, "a");
    assert_string_equal(i.witnesses[1].vkey, vkey[1]);
    assert_false(i.witnesses[0].is_local);
    assert_true(i.witnesses[1].is_local);
    assert_false(i.witnesses[2].is_local); /* said so: a tunnel, say */
    assert_int_equal(i.quorum, 2);         /* more than half of the two that count */
}

static void instance_ledger__reads_who_dates_checkpoints(void **state)
{
    pl_instance i;

    (void)state;
    assert_ok(parse("ledger: {timestamp: {url: \"http://tsa.example/\"}}", &i), &err);
    assert_string_equal(i.tsa_url, "http://tsa.example/");
    assert_string_equal(i.tsa_roots, "");
    assert_int_equal(i.tsa_every_ms, 3600 * 1000);
    assert_ok(parse("ledger: {timestamp: {url: \"https://x\", interval_minutes: 5,"
                    " roots: /etc/ssl/tsa.pem}}", &i), &err);
    assert_string_equal(i.tsa_roots, "/etc/ssl/tsa.pem");
    assert_int_equal(i.tsa_every_ms, 5 * 60 * 1000);
}

static void instance_ledger__names_what_is_wrong_and_where(void **state)
{
    static const struct {
        const char *yaml, *says;
    } bad[] = {
        { "ledger: 1", "test.yaml:1:1: 'ledger' has 'witnesses', 'quorum' and 'timestamp' only" },
        { "ledger: {witness: []}", "'ledger' has" },
        { "ledger: {witnesses: 1}", "must be a list" },
        { "ledger: {witnesses: [1]}", "keys nobody knows" },
        { "ledger: {witnesses: [{name: a, vkey: \"V0\", url: \"http://x\", nam: b}]}", "keys nobody" },
        { "ledger: {witnesses: [{name: a, url: \"http://x\"}]}", "'vkey' of witness 1 is missing" },
        { "ledger: {witnesses: [{name: \"a b\", vkey: \"V0\", url: \"http://x\"}]}", "letters" },
        { "ledger: {witnesses: [{name: own, vkey: \"V0\", url: \"http://x\"}]}", "'plumbline up'" },
        { "ledger: {witnesses: [{name: a, vkey: \"V0x\", url: \"http://x\"}]}", "not the verifier key" },
        { "ledger: {witnesses: [{name: a, vkey: \"V0\", url: \"ftp://x\"}]}", "must begin with" },
        { "ledger: {witnesses: [{name: a, vkey: \"V0\", url: \"http://x\", local: 1}]}", "true or false" },
        { "ledger: {witnesses: [{name: a, vkey: \"V0\", url: \"http://x\"},"
          " {name: a, vkey: \"V1\", url: \"http://y\"}]}", "'name' of witness 2 is that of another" },
        { "ledger: {witnesses: [{name: a, vkey: \"V0\", url: \"http://x\"},"
          " {name: b, vkey: \"V0\", url: \"http://y\"}]}", "would count twice" },
        { "ledger: {quorum: 1}", "from 0 to the 0 witnesses" },
        { "ledger: {quorum: 1, witnesses: [{name: a, vkey: \"V0\", url: \"unix:/x\"}]}", "to the 0 wit" },
        { "ledger: {quorum: -1}", "from 0" },
        { "ledger: {timestamp: 1}", "'timestamp' has 'url'" },
        { "ledger: {timestamp: {url: \"http://x\", every: 1}}", "'timestamp' has 'url'" },
        { "ledger: {timestamp: {interval_minutes: 1}}", "'url' must begin" },
        { "ledger: {timestamp: {url: \"unix:/x\"}}", "'url' must begin" },
        { "ledger: {timestamp: {url: \"http://x\", interval_minutes: 0}}", "from 1 to 10080" },
        { "ledger: {timestamp: {url: \"http://x\", roots: 1}}", "'roots' must be" },
    };
    pl_instance i;

    (void)state;
    for (size_t n = 0; n < sizeof bad / sizeof bad[0]; n++) {
        if (parse(bad[n].yaml, &i) != PL_INVALID)
            fail_msg("accepted: %s", bad[n].yaml);
        if (strstr(err.text, bad[n].says) == NULL)
            fail_msg("%s: says '%s'", bad[n].yaml, err.text);
    }
}

static void instance_own_witness__is_local_and_found_by_its_key(void **state)
{
    pl_instance i = { .witness_count = 0 };
    char       *dir = pl_test_mkdtemp(), path[400];

    (void)state;
    (void)snprintf(i.dir, sizeof i.dir, "%s", dir);
    pl_instance_own_witness(&i);
    assert_int_equal(i.witness_count, 0);
    (void)snprintf(path, sizeof path, "%s/witness", dir);
    assert_ok(pl_mkdir_p(path, 0755, &err), &err);
    (void)snprintf(path, sizeof path, "%s/witness/vkey", dir);
    assert_ok(pl_file_write_atomic(path, pl_str_z(vkey[0]), 0644, &err), &err);
    pl_instance_own_witness(&i);
    pl_instance_own_witness(&i); /* the same key again adds nothing */
    assert_int_equal(i.witness_count, 1);
    assert_string_equal(i.witnesses[0].name, PL_OWN_WITNESS);
    assert_true(i.witnesses[0].is_local);
    pl_test_rmtree(dir);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(instance_ledger__may_be_absent),
        cmocka_unit_test(instance_ledger__reads_witnesses_and_takes_loopback_for_local),
        cmocka_unit_test(instance_ledger__reads_who_dates_checkpoints),
        cmocka_unit_test(instance_ledger__names_what_is_wrong_and_where),
        cmocka_unit_test(instance_own_witness__is_local_and_found_by_its_key),
    };

    return cmocka_run_group_tests(tests, keys_make, NULL);
}
