#include "engine/media/securitydata.h"
#include "base/str.h"
#include "pl_test.h"

/* A public Markdown file of 2025-08-08 (docs/formats/label-carriers.md): signed over SM3(text). */
static const pl_security_label real = { { "1", 1 }, { "001191310104MACE0YX63918020", 27 },
                                        { "142569260085903360", 18 } };
#define REAL_KEY                                                                        \
    "3059301306072A8648CE3D020106082A811CCF5501822D034200"                              \
    "045728F08C58D9C72150A705693EF7337859F8FF216E802630041AFAE5C036F0A6"                \
    "7CB1FDF8C57F5F8B623284AE09E4E545464B7140B26BBDA51BAE965F854C57AA"
#define REAL_SIG                                                                        \
    "3046022100AE6B84B3342128AE301A597596FCD9EECF3EA0FC2DB6C250BAF234E167298E90"        \
    "02210097223ABB647B786A90D0A1B93CB9382EA879563B2C7F025FA006BE16AE926C14"

static char *document(const char *tbs, const char *alg, const char *sig, const char *key)
{
    char *p = NULL;

    assert_true(asprintf(&p,
                         "{\"SecurityData\":{\"Type\":\"TC260PG\",\"Version\":1,\"PubSD\":["
                         "{\"Type\":\"DS\",\"AlgID\":\"%s\",\"TBSData\":{\"Type\":\"%s\"},"
                         "\"Signature\":\"%s\"},"
                         "{\"Type\":\"PubKey\",\"AlgID\":\"%s\",\"KeyValue\":\"%s\"}]}}",
                         alg, tbs, sig, alg, key) > 0);
    return p;
}

#define SM2 "1.2.156.10197.1.501"

static pl_security_report judged(const char *value, const pl_security_label *l)
{
    pl_security_report r;
    pl_error           err;

    assert_ok(pl_security_read(pl_str_z(value), PL_SECURITY_PRODUCER, l, NULL, 0, &r, &err), &err);
    return r;
}

/* PROVES: TC260-PG-202511A/A.1 */
static void security_read__verifies_a_label_of_another_maker(void **state)
{
    char              *doc = document("LabelMataData", SM2, REAL_SIG, REAL_KEY);
    pl_security_report r = judged(doc, &real);
    pl_security_label  changed = real;

    (void)state;
    assert_string_equal(pl_security_state_name(r.state), "verified(digest)");
    assert_true(r.has_key);
    assert_false(r.is_pinned);
    changed.id = PL_STR("142569260085903361");
    assert_int_equal(judged(doc, &changed).state, PL_SECURITY_FAILED);
    changed = real;
    changed.label = PL_STR("2");
    assert_int_equal(judged(doc, &changed).state, PL_SECURITY_FAILED);
    free(doc);
}

static void security_read__lifts_a_key_that_is_only_x(void **state)
{
    /* y of that key ends in AA: even. */
    char *doc = document("Md", SM2, REAL_SIG,
                         "005728F08C58D9C72150A705693EF7337859F8FF216E802630041AFAE5C036F0A6");

    (void)state;
    assert_int_equal(judged(doc, &real).state, PL_SECURITY_VERIFIED_DIGEST);
    free(doc);
}

static void security_read__takes_raw_signatures(void **state)
{
    char *doc = document("Md", SM2,
                         "AE6B84B3342128AE301A597596FCD9EECF3EA0FC2DB6C250BAF234E167298E90"
                         "97223ABB647B786A90D0A1B93CB9382EA879563B2C7F025FA006BE16AE926C14",
                         REAL_KEY);

    (void)state;
    assert_int_equal(judged(doc, &real).state, PL_SECURITY_VERIFIED_DIGEST);
    free(doc);
}

static void security_read__refuses_sloppy_keys_and_signatures(void **state)
{
    static const char *const sigs[] = {
        "30",                                   /* nothing                    */
        "3046022100AE",                         /* cut off                    */
        REAL_SIG "00",                          /* something follows          */
        "3008020100020100ABCD",                 /* lengths                    */
        "zz",                                   /* no hex                     */
        "abc",                                  /* half a byte                */
        "3046022200AE6B84B3342128AE301A597596FCD9EECF3EA0FC2DB6C250BAF234E167298E90"
        "02210097223ABB647B786A90D0A1B93CB9382EA879563B2C7F025FA006BE16AE926C14",
    };
    char *doc;

    (void)state;
    for (size_t i = 0; i < sizeof sigs / sizeof sigs[0]; i++) {
        doc = document("Md", SM2, sigs[i], REAL_KEY);
        assert_int_equal(judged(doc, &real).state, PL_SECURITY_MALFORMED);
        free(doc);
    }
    doc = document("Md", SM2, REAL_SIG, "04" "00000000000000000000000000000000000000000000000000000000000000"
                   "000000000000000000000000000000000000000000000000000000000000000001" "00");
    assert_int_equal(judged(doc, &real).state, PL_SECURITY_MALFORMED); /* not on the curve */
    free(doc);
}

static void security_read__names_what_it_cannot_judge(void **state)
{
    static const struct {
        const char       *value;
        pl_security_state state;
    } cases[] = {
        { "", PL_SECURITY_NONE },
        { "  ", PL_SECURITY_NONE },
        { "e862483430d978cbf828b8b24296ef9328d843a0", PL_SECURITY_OPAQUE },
        { "{\"Vendor\":1}", PL_SECURITY_OPAQUE },
        { "{\"SecurityData\":", PL_SECURITY_MALFORMED },
        { "{\"SecurityData\":{\"Type\":\"TC260PG\"}}", PL_SECURITY_UNSUPPORTED },
        { "{\"SecurityData\":{\"PubSd\":[{\"Type\":\"DS\",\"AlgID\":\"1.2.840.113549.1.1.11\"}]}}",
          PL_SECURITY_UNSUPPORTED },
        { "{\"SecurityData\":7}", PL_SECURITY_MALFORMED },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(judged(cases[i].value, &real).state, cases[i].state);
}

static void security_write__is_verified_and_pinned(void **state)
{
    uint8_t            secret[32] = { [31] = 77 };
    pl_security_label  l = { PL_STR("1"), PL_STR("001191110102MAD55U9H0F10002"), PL_STR("ID-1") };
    pl_signer         *s = NULL;
    pl_buf             b = PL_BUF_INIT(PL_SECURITYDATA_MAX);
    pl_security_report r;
    pl_error           err;

    (void)state;
    assert_ok(pl_signer_new_alg(PL_STR("maker"), PL_KEY_SM2, secret, &s, &err), &err);
    assert_ok(pl_security_write(s, &l, &b, &err), &err);
    assert_ok(pl_security_read(pl_buf_str(&b), PL_SECURITY_PRODUCER, &l, pl_signer_key(s, 0), 1, &r, &err), &err);
    assert_int_equal(r.state, PL_SECURITY_VERIFIED_TEXT);
    assert_true(r.is_pinned);
    l.id = PL_STR("ID-2");
    assert_int_equal(judged(b.p, &l).state, PL_SECURITY_FAILED);
    l.id = PL_STR("not plain");
    assert_rc(pl_security_write(s, &l, &b, &err), PL_INVALID);
    pl_signer_free(s);
    assert_ok(pl_signer_new(PL_STR("maker"), secret, &s, &err), &err);
    l.id = PL_STR("ID-1");
    assert_rc(pl_security_write(s, &l, &b, &err), PL_INVALID);
    pl_signer_free(s);
    pl_buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(security_read__verifies_a_label_of_another_maker),
        cmocka_unit_test(security_read__lifts_a_key_that_is_only_x),
        cmocka_unit_test(security_read__takes_raw_signatures),
        cmocka_unit_test(security_read__refuses_sloppy_keys_and_signatures),
        cmocka_unit_test(security_read__names_what_it_cannot_judge),
        cmocka_unit_test(security_write__is_verified_and_pinned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
