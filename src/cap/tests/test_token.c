/* Keys on a token, with SoftHSM as the token. */
#include "pl_test.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/keyfile.h"
#include "cap/token.h"

static const char *module_path(void)
{
    static const char *const places[] = { "/usr/lib/softhsm/libsofthsm2.so",
                                          "/usr/lib64/pkcs11/libsofthsm2.so",
                                          "/usr/local/lib/softhsm/libsofthsm2.so" };

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (access(places[i], R_OK) == 0)
            return places[i];
    return NULL;
}

typedef struct fx {
    char    *tmp;
    char     uri[400], key_path[300];
    pl_error err;
} fx;

/* One token for the program: a module reads its configuration once. */
static int group_setup(void **state)
{
    static fx f;
    char      conf[300], text[400];

    if (module_path() == NULL)
        fail_msg("SoftHSM is not installed");
    f.tmp = pl_test_mkdtemp();
    (void)snprintf(conf, sizeof conf, "%s/softhsm2.conf", f.tmp);
    (void)snprintf(text, sizeof text, "directories.tokendir = %s\nobjectstore.backend = file\n",
                   f.tmp);
    assert_rc(pl_file_write_atomic(conf, pl_str_z(text), 0600, NULL), PL_OK);
    (void)setenv("SOFTHSM2_CONF", conf, 1);
    assert_int_equal(system("softhsm2-util --init-token --free --label 'plumb line' --pin 4711 "
                            "--so-pin 0815 >/dev/null"),
                     0);
    (void)snprintf(f.uri, sizeof f.uri,
                   "pkcs11:token=plumb%%20line;object=ledger?module-path=%s", module_path());
    (void)snprintf(f.key_path, sizeof f.key_path, "%s/token.key", f.tmp);
    *state = &f;
    return 0;
}

static int group_teardown(void **state)
{
    pl_test_rmtree(((fx *)*state)->tmp);
    return 0;
}

static void uri_with(const fx *f, const char *object, char out[400])
{
    (void)snprintf(out, 400, "pkcs11:token=plumb%%20line;object=%s?module-path=%s", object,
                   module_path());
    (void)f;
}

static void sign_and_verify(fx *f, pl_key_alg alg, const char *object)
{
    char       uri[400];
    pl_vkey    k;
    pl_signer *s = NULL;
    pl_sig     sig;

    uri_with(f, object, uri);
    (void)setenv(PL_TOKEN_PIN_ENV, "4711", 1);
    assert_ok(pl_token_generate(PL_STR("t.example"), alg, uri, &k, &f->err), &f->err);
    assert_rc(pl_token_generate(PL_STR("t.example"), alg, uri, &k, &f->err), PL_CONFLICT);
    assert_ok(pl_keyfile_write_token(f->key_path, &k, pl_str_z(uri), &f->err), &f->err);
    assert_ok(pl_keyfile_signer(f->key_path, "", &s, &f->err), &f->err);
    for (unsigned i = 0; i < 8; i++) {
        char m[16];
        int  n = snprintf(m, sizeof m, "message %u", i);

        assert_ok(pl_signer_sign(s, 0, (pl_str){ m, (size_t)n }, &sig, &f->err), &f->err);
        assert_ok(pl_vkey_verify(&k, (pl_str){ m, (size_t)n }, (pl_str){ (char *)sig.b, sig.n },
                                 &f->err),
                  &f->err);
    }
    pl_signer_free(s);
}

static void token__signs_with_p256(void **state)
{
    sign_and_verify(*state, PL_KEY_P256, "ec");
}

static void token__signs_with_ed25519(void **state)
{
    sign_and_verify(*state, PL_KEY_ED25519, "ed");
}

/* A reference to somebody else's key must not sign as us. */
static void token__signs_for_its_own_key_only(void **state)
{
    fx        *f = *state;
    char       uri[400];
    pl_vkey    k, other;
    uint8_t    secret[32] = { 9 };
    pl_signer *s = NULL, *o = NULL;
    pl_sig     sig;

    uri_with(f, "mine", uri);
    (void)setenv(PL_TOKEN_PIN_ENV, "4711", 1);
    assert_ok(pl_token_generate(PL_STR("t"), PL_KEY_P256, uri, &k, &f->err), &f->err);
    assert_ok(pl_signer_new_alg(PL_STR("t"), PL_KEY_P256, secret, &o, &f->err), &f->err);
    other = *pl_signer_key(o, 0);
    assert_ok(pl_token_signer(&other, uri, &s, &f->err), &f->err);
    assert_rc(pl_signer_sign(s, 0, PL_STR("m"), &sig, &f->err), PL_IO);
    pl_signer_free(s);
    pl_signer_free(o);
}

static void token__wants_a_pin_a_token_and_a_key_that_are_there(void **state)
{
    static const char *const bad[] = {
        "pkcs11:object=x?module-path=/x",
        "pkcs11:token=t?module-path=/x",
        "pkcs11:token=t;object=x",
        "pkcs11:token=%zz;object=x?module-path=/x",
        "pkcs11:token=t%00;object=x?module-path=/x",
        "pkcs11:token=t;object=x;serial=1?module-path=/x",
        "token=t;object=x?module-path=/x",
    };
    fx        *f = *state;
    char       uri[400];
    pl_vkey    k;
    pl_signer *s = NULL;

    (void)setenv(PL_TOKEN_PIN_ENV, "4711", 1);
    uri_with(f, "ec2", uri);
    assert_ok(pl_token_generate(PL_STR("t"), PL_KEY_P256, uri, &k, &f->err), &f->err);
    uri_with(f, "nothing", uri);
    assert_rc(pl_token_signer(&k, uri, &s, &f->err), PL_NOTFOUND);
    (void)snprintf(uri, sizeof uri, "pkcs11:token=other;object=ec2?module-path=%s", module_path());
    assert_rc(pl_token_signer(&k, uri, &s, &f->err), PL_NOTFOUND);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_rc(pl_token_signer(&k, bad[i], &s, &f->err), PL_INVALID);
    assert_rc(pl_token_signer(&k, "pkcs11:token=t;object=x?module-path=/nonexistent.so", &s,
                              &f->err),
              PL_IO);
    uri_with(f, "ec2", uri);
    (void)unsetenv(PL_TOKEN_PIN_ENV);
    assert_rc(pl_token_signer(&k, uri, &s, &f->err), PL_DENIED);
    (void)setenv(PL_TOKEN_PIN_ENV, "4712", 1);
    assert_rc(pl_token_signer(&k, uri, &s, &f->err), PL_DENIED);
    assert_rc(pl_token_generate(PL_STR("t"), PL_KEY_SM2, uri, &k, &f->err), PL_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(token__signs_with_p256),
        cmocka_unit_test(token__signs_with_ed25519),
        cmocka_unit_test(token__signs_for_its_own_key_only),
        cmocka_unit_test(token__wants_a_pin_a_token_and_a_key_that_are_there),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
