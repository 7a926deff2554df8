/* Identities from files, and what they sign. */
#include "../../../engine/media/c2pa/tests/c2pa_test.h"
#include "base/file.h"
#include "cap/keyfile.h"
#include "cap/label/sign.h"

#include <sys/stat.h>

typedef struct fx {
    char         *dir, *key, *cert, *locked;
    test_identity id;
    pl_error      err;
} fx;

static void pem_put(const char *path, mode_t mode, const char *pem)
{
    pl_error err;

    assert_ok(pl_file_write_atomic(path, pl_str_z(pem), mode, &err), &err);
}

static char *pem_of(EVP_PKEY *k, const X509 *x, const char *passphrase)
{
    BIO  *b = BIO_new(BIO_s_mem());
    char *p, *out;
    long  n;

    if (k)
        assert_int_equal(PEM_write_bio_PKCS8PrivateKey(b, k, passphrase ? EVP_aes_256_cbc() : NULL,
                                                       passphrase, passphrase ? (int)strlen(passphrase) : 0,
                                                       NULL, NULL), 1);
    else
        assert_int_equal(PEM_write_bio_X509(b, x), 1);
    n = BIO_get_mem_data(b, &p);
    out = strndup(p, (size_t)n);
    BIO_free(b);
    return out;
}

static int up(void **state)
{
    fx   *f = calloc(1, sizeof *f);
    char *clear, *locked, *cert, *both = NULL;

    (void)setenv(PL_PASSPHRASE_ENV, "correct horse", 1);
    f->dir = pl_test_mkdtemp();
    f->key = pl_path_join(f->dir, "key.pem");
    f->locked = pl_path_join(f->dir, "locked.pem");
    f->cert = pl_path_join(f->dir, "cert.pem");
    test_identity_new(&f->id, -7, "emailProtection");
    clear = pem_of(f->id.key, NULL, NULL);
    locked = pem_of(f->id.key, NULL, "correct horse");
    cert = pem_of(NULL, f->id.leaf, NULL);
    assert_true(asprintf(&both, "%s%s", cert, f->id.ca_pem) > 0);
    pem_put(f->key, 0600, clear);
    pem_put(f->locked, 0600, locked);
    pem_put(f->cert, 0644, both);
    free(clear);
    free(locked);
    free(cert);
    free(both);
    *state = f;
    return 0;
}

static int down(void **state)
{
    fx *f = *state;

    free(f->key);
    free(f->cert);
    free(f->locked);
    pl_test_rmtree(f->dir);
    test_identity_free(&f->id);
    free(f);
    return 0;
}

static void identity__opens_keys_in_the_clear_and_encrypted(void **state)
{
    fx               *f = *state;
    pl_sign_identity *id = NULL;

    assert_ok(pl_sign_identity_open(f->key, f->cert, NULL, &id, &f->err), &f->err);
    assert_non_null(strstr(pl_sign_identity_subject(id), "Test Signer"));
    pl_sign_identity_free(id);
    assert_ok(pl_sign_identity_open(f->locked, f->cert, "ES256", &id, &f->err), &f->err);
    pl_sign_identity_free(id);
}

static void identity__refuses_what_would_not_verify(void **state)
{
    fx               *f = *state;
    pl_sign_identity *id = NULL;
    test_identity     other = { 0 };
    char             *other_key, *path = pl_path_join(f->dir, "other.pem");

    test_identity_new(&other, -7, "serverAuth");
    other_key = pem_of(other.key, NULL, NULL);
    pem_put(path, 0600, other_key);
    assert_rc(pl_sign_identity_open(path, f->cert, NULL, &id, &f->err), PL_INVALID); /* not a pair */
    assert_non_null(strstr(f->err.text, "is not that of"));
    assert_rc(pl_sign_identity_open(f->key, f->cert, "PS256", &id, &f->err), PL_INVALID);
    assert_rc(pl_sign_identity_open(f->cert, f->cert, NULL, &id, &f->err), PL_DENIED); /* 0644 */
    free(other_key);
    other_key = pem_of(NULL, other.leaf, NULL);
    pem_put(f->cert, 0644, other_key);
    assert_rc(pl_sign_identity_open(path, f->cert, NULL, &id, &f->err), PL_INVALID); /* its purpose */
    assert_non_null(strstr(f->err.text, "extended key usage"));
    free(other_key);
    free(path);
    test_identity_free(&other);
}

static const char png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\0\0\0\0\x3a\x7e\x9b\x55"
                          "\0\0\0\nIDATx\x9c\x63\x60\0\0\0\2\0\1\x48\xaf\xa4\x71"
                          "\0\0\0\0IEND\xae\x42\x60\x82";

static void sign_media__signs_and_keeps_what_was_there(void **state)
{
    fx               *f = *state;
    pl_sign_identity *id = NULL;
    pl_sign_how       how = { .now_ms = TEST_NOW_MS, .title = PL_STR("a.png") };
    pl_str            bytes = { png, sizeof png - 1 };
    pl_arena         *a = pl_arena_new(128u << 20);
    pl_trust_files    t = { .trust = { .n = 0 } };
    char             *ca = pl_path_join(f->dir, "my-roots.pem");
    c2pa_how          check = { .trust = &t.trust, .now_ms = TEST_NOW_MS };

    pem_put(ca, 0644, f->id.ca_pem);
    assert_ok(pl_trust_files_add(&t, ca, &f->err), &f->err);
    assert_ok(pl_sign_identity_open(f->key, f->cert, NULL, &id, &f->err), &f->err);
    how.id = id;
    for (size_t round = 1; round <= 3; round++) {
        pl_media_io        io = pl_media_io_of(&bytes), new_io;
        pl_media          *m = NULL, *again = NULL;
        pl_media_plan     *p = NULL;
        const c2pa_report *r = NULL;
        char              *next;

        assert_ok(pl_media_scan(&io, "a.png", 0, &m, &f->err), &f->err);
        assert_ok(pl_sign_media(m, &how, a, &p, &f->err), &f->err);
        new_io = pl_media_plan_io(p);
        assert_ok(pl_media_scan(&new_io, "a.png", 0, &again, &f->err), &f->err);
        assert_ok(pl_c2pa_check_media(again, 0, &check, a, &r, &f->err), &f->err);
        assert_string_equal(r->state, "Trusted");
        assert_str(r->trust_list, "my-roots.pem");
        assert_int_equal(r->manifests, round);
        assert_int_equal(r->ingredients_n, round > 1 ? 1 : 0);
        next = pl_arena_alloc(a, (size_t)new_io.size);
        assert_ok(new_io.read(new_io.ctx, 0, next, (size_t)new_io.size, &f->err), &f->err);
        bytes = (pl_str){ next, (size_t)new_io.size };
        pl_media_free(again);
        pl_media_plan_free(p);
        pl_media_free(m);
    }
    pl_sign_identity_free(id);
    pl_trust_files_done(&t);
    pl_arena_free(a);
    free(ca);
}

static void sign_media__fails_when_there_is_no_authority_to_date_it(void **state)
{
    fx               *f = *state;
    pl_sign_identity *id = NULL;
    pl_sign_how       how = { .now_ms = TEST_NOW_MS, .tsa = "http://127.0.0.1:1/" };
    pl_str            bytes = { png, sizeof png - 1 };
    pl_media_io       io = pl_media_io_of(&bytes);
    pl_arena         *a = pl_arena_new(128u << 20);
    pl_media         *m = NULL;
    pl_media_plan    *p = NULL;

    assert_ok(pl_sign_identity_open(f->key, f->cert, NULL, &id, &f->err), &f->err);
    how.id = id;
    assert_ok(pl_media_scan(&io, "a.png", 0, &m, &f->err), &f->err);
    assert_rc(pl_sign_media(m, &how, a, &p, &f->err), PL_IO);
    how.tsa = NULL;
    how.now_ms = 2300000000000;
    assert_rc(pl_sign_media(m, &how, a, &p, &f->err), PL_INVALID); /* expired */
    pl_media_free(m);
    pl_sign_identity_free(id);
    pl_arena_free(a);
}

static void source_type__takes_terms_and_uris_of_the_lists(void **state)
{
    const char *uri = NULL;
    pl_error    err;

    (void)state;
    assert_ok(pl_source_type("compositeWithTrainedAlgorithmicMedia", &uri, &err), &err);
    assert_string_equal(uri, "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia");
    assert_ok(pl_source_type("http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture", &uri, &err), &err);
    assert_rc(pl_source_type("madeByMagic", &uri, &err), PL_INVALID);
    assert_rc(pl_source_type("https://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture", &uri, &err), PL_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(identity__opens_keys_in_the_clear_and_encrypted, up, down),
        cmocka_unit_test_setup_teardown(identity__refuses_what_would_not_verify, up, down),
        cmocka_unit_test_setup_teardown(sign_media__signs_and_keeps_what_was_there, up, down),
        cmocka_unit_test_setup_teardown(sign_media__fails_when_there_is_no_authority_to_date_it, up, down),
        cmocka_unit_test(source_type__takes_terms_and_uris_of_the_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
