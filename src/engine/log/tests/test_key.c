/* The algorithms behind keys, against published vectors and a second library. */
#include "base/buf.h"
#include "base/str.h"
#include "log_test.h"

#include <gcrypt.h>

/* RFC 6979 A.2.5 (P-256). */
#define P256_SECRET "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"
#define P256_PUB                                                          \
    "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6" \
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
/* Computed from the definitions with another program (SHA-256 and base64 of Python). */
#define P256_VKEY                                                                           \
    "p256.example/k+5a7a78cc+AjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABGD+1LolWp0xyWHrdMY1bWjA" \
    "SbiSO2H6bOZpYi5g8p+2eQP+EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk="

/* GB/T 32918.5-2017 annex A: user id 1234567812345678, message "message digest". */
#define SM2_SECRET "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8"
#define SM2_PUB                                                           \
    "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020" \
    "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
#define SM2_SIG                                                         \
    "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3" \
    "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
#define SM2_VKEY                                                                              \
    "sm2.example/k+605c7a09+/3BsdW1ibGluZS1zbTItc20zLXYxBAn53zEeVCGhUN19Fh5LxcZyF5+tGDP8B2uw" \
    "j/NW81AgzOpJDOJndaUtxupxjMGqYArtBfvzXghKZjL2By2prRM="

static const pl_key_alg algs[] = { PL_KEY_ED25519, PL_KEY_P256, PL_KEY_SM2 };
#define NALGS (sizeof(algs) / sizeof(algs[0]))

static pl_signer *signer_new(const char *name, pl_key_alg alg, uint8_t fill)
{
    uint8_t    secret[32];
    pl_signer *s = NULL;
    pl_error   err = { 0 };

    memset(secret, fill, sizeof(secret));
    assert_ok(pl_signer_new_alg(lt_z(name), alg, secret, &s, &err), &err);
    return s;
}

static pl_str sig_str(const pl_sig *s)
{
    return (pl_str){ (const char *)s->b, s->n };
}

/* --- single algorithms ------------------------------------------------------------------ */

typedef struct vector {
    pl_key_alg  alg;
    const char *name, *secret, *pub, *vkey;
} vector;
static const vector vectors[] = {
    { PL_KEY_P256, "p256.example/k", P256_SECRET, P256_PUB, P256_VKEY },
    { PL_KEY_SM2, "sm2.example/k", SM2_SECRET, SM2_PUB, SM2_VKEY },
};

static void signer_new_alg__computes_the_public_keys_of_the_standards(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const vector *v = &vectors[i];
        uint8_t       secret[32], pub[65];
        pl_signer    *s = NULL;
        char          text[PL_VKEY_TEXT_MAX];
        pl_error      err = { 0 };

        lt_unhex(v->secret, secret, 32);
        lt_unhex(v->pub, pub, 65);
        assert_ok(pl_signer_new_alg(lt_z(v->name), v->alg, secret, &s, &err), &err);
        assert_int_equal(pl_signer_key(s, 0)->pub_n, 65);
        assert_memory_equal(pl_signer_key(s, 0)->pub, pub, 65);
        assert_ok(pl_signer_vkey(s, text, sizeof text, &err), &err);
        assert_string_equal(text, v->vkey);
        pl_signer_free(s);
    }
}

static void signer_new_alg__refuses_secrets_outside_of_the_group(void **state)
{
    /* Zero, the order less one, the order: SEC 2 and GB/T 32918.5. */
    static const struct {
        pl_key_alg  alg;
        const char *hex;
    } bad[] = {
        { PL_KEY_P256, "0000000000000000000000000000000000000000000000000000000000000000" },
        { PL_KEY_P256, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550" },
        { PL_KEY_P256, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551" },
        { PL_KEY_SM2, "0000000000000000000000000000000000000000000000000000000000000000" },
        { PL_KEY_SM2, "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54122" },
        { PL_KEY_SM2, "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" },
    };
    uint8_t    secret[32];
    pl_signer *s = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        lt_unhex(bad[i].hex, secret, 32);
        assert_rc(pl_signer_new_alg(PL_STR("k"), bad[i].alg, secret, &s, NULL), PL_INVALID);
    }
    /* The largest good one. */
    lt_unhex("fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54121", secret, 32);
    assert_rc(pl_signer_new_alg(PL_STR("k"), PL_KEY_SM2, secret, &s, NULL), PL_OK);
    pl_signer_free(s);
}

static void vkey_verify__accepts_the_signature_of_gbt_32918_5(void **state)
{
    pl_vkey  k;
    uint8_t  sig[64];
    pl_error err = { 0 };

    (void)state;
    lt_unhex(SM2_SIG, sig, 64);
    assert_ok(pl_vkey_parse(PL_STR(SM2_VKEY), &k, &err), &err);
    assert_ok(pl_vkey_verify(&k, PL_STR("message digest"), (pl_str){ (char *)sig, 64 }, &err), &err);
    assert_rc(pl_vkey_verify(&k, PL_STR("message digesu"), (pl_str){ (char *)sig, 64 }, &err),
              PL_INVALID);
}

/* RFC 6979 A.2.5, SHA-256, message "sample", as DER. */
static void vkey_verify__accepts_the_signature_of_rfc_6979(void **state)
{
    pl_vkey  k;
    uint8_t  sig[72];
    pl_error err = { 0 };

    (void)state;
    lt_unhex("3046"
             "022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
             "022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
             sig, 72);
    assert_ok(pl_vkey_parse(PL_STR(P256_VKEY), &k, &err), &err);
    assert_ok(pl_vkey_verify(&k, PL_STR("sample"), (pl_str){ (char *)sig, 72 }, &err), &err);
    assert_rc(pl_vkey_verify(&k, PL_STR("sampld"), (pl_str){ (char *)sig, 72 }, &err), PL_INVALID);
}

static void vkey_verify__rejects_every_bit_flip_and_every_other_length(void **state)
{
    const pl_str m = PL_STR("a statement");
    pl_error     err = { 0 };

    (void)state;
    for (size_t a = 0; a < NALGS; a++) {
        pl_signer     *s = signer_new("k", algs[a], 0x31);
        const pl_vkey *k = pl_signer_key(s, 0);
        pl_sig         sig, bad;

        assert_ok(pl_signer_sign(s, 0, m, &sig, &err), &err);
        assert_ok(pl_vkey_verify(k, m, sig_str(&sig), &err), &err);
        for (size_t bit = 0; bit < 8 * sig.n; bit++) {
            bad = sig;
            bad.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_rc(pl_vkey_verify(k, m, sig_str(&bad), NULL), PL_INVALID);
        }
        for (size_t n = 0; n < sig.n; n++)
            assert_rc(pl_vkey_verify(k, m, (pl_str){ (char *)sig.b, n }, NULL), PL_INVALID);
        pl_signer_free(s);
    }
}

static void vkey_parse__rejects_keys_that_are_no_points_or_of_another_form(void **state)
{
    char    text[PL_VKEY_TEXT_MAX];
    uint8_t pub[65];
    pl_vkey k;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        lt_unhex(vectors[i].pub, pub, 65);
        pub[64] ^= 1; /* off the curve */
        assert_rc(pl_vkey_make(PL_STR("k"), vectors[i].alg, (pl_str){ (char *)pub, 65 }, &k, NULL),
                  PL_INVALID);
        pub[64] ^= 1;
        pub[0] = 0x02; /* says compressed, is not */
        assert_rc(pl_vkey_make(PL_STR("k"), vectors[i].alg, (pl_str){ (char *)pub, 65 }, &k, NULL),
                  PL_INVALID);
        pub[0] = 0x04;
        assert_rc(pl_vkey_make(PL_STR("k"), vectors[i].alg, (pl_str){ (char *)pub, 64 }, &k, NULL),
                  PL_INVALID);
        /* One curve's point is not the other's. */
        assert_rc(pl_vkey_make(PL_STR("k"), vectors[1 - i].alg, (pl_str){ (char *)pub, 65 }, &k,
                               NULL),
                  PL_INVALID);
        (void)snprintf(text, sizeof text, "%s", vectors[i].vkey);
        text[strlen(text) - 6] ^= 1;
        assert_rc(pl_vkey_parse(lt_z(text), &k, NULL), PL_INVALID);
    }
    assert_rc(pl_vkey_make(PL_STR("k"), (pl_key_alg)9, PL_STR("x"), &k, NULL), PL_INVALID);
}

static void key_alg__has_one_name_each_way(void **state)
{
    pl_key_alg a = PL_KEY_ED25519;

    (void)state;
    assert_rc(pl_key_alg_parse(PL_STR("sm2"), &a, NULL), PL_OK);
    assert_int_equal(a, PL_KEY_SM2);
    assert_string_equal(pl_key_alg_name(PL_KEY_P256), "p256");
    assert_rc(pl_key_alg_parse(PL_STR("rsa"), &a, NULL), PL_INVALID);
    assert_string_equal(pl_key_alg_name((pl_key_alg)77), "unknown");
}

/* --- the second library ----------------------------------------------------------------- */

/* Z_A of GB/T 32918.2 §5.5, from the standard's curve parameters. */
static void sm2_digest(const uint8_t pub[65], pl_str message, uint8_t out[32])
{
    static const char curve[] =
        "fffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffc"
        "28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93"
        "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7"
        "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0";
    uint8_t      parts[128], z[32];
    gcry_md_hd_t h;

    lt_unhex(curve, parts, sizeof parts);
    assert_int_equal(gcry_md_open(&h, GCRY_MD_SM3, 0), 0);
    gcry_md_write(h, "\x00\x80" "1234567812345678", 18);
    gcry_md_write(h, parts, sizeof parts);
    gcry_md_write(h, pub + 1, 64);
    memcpy(z, gcry_md_read(h, GCRY_MD_SM3), 32);
    gcry_md_reset(h);
    gcry_md_write(h, z, 32);
    gcry_md_write(h, message.p, message.n);
    memcpy(out, gcry_md_read(h, GCRY_MD_SM3), 32);
    gcry_md_close(h);
}

static int gcrypt_verifies(const pl_vkey *k, pl_str message, const pl_sig *sig)
{
    gcry_sexp_t  key, data, value;
    gcry_error_t e;
    uint8_t      digest[32];

    sm2_digest(k->pub, message, digest);
    assert_int_equal(gcry_sexp_build(&key, NULL, "(public-key(sm2(curve sm2p256v1)(q %b)))", 65,
                                     k->pub),
                     0);
    assert_int_equal(gcry_sexp_build(&data, NULL, "(data(flags raw)(hash sm3 %b))", 32, digest), 0);
    assert_int_equal(gcry_sexp_build(&value, NULL, "(sig-val(sm2(r %b)(s %b)))", 32, sig->b, 32,
                                     sig->b + 32),
                     0);
    e = gcry_pk_verify(value, data, key);
    gcry_sexp_release(key);
    gcry_sexp_release(data);
    gcry_sexp_release(value);
    return e == 0;
}

static void sm2__signatures_are_accepted_by_libgcrypt(void **state)
{
    pl_signer *s = signer_new("k", PL_KEY_SM2, 0x42);
    pl_error   err = { 0 };
    pl_sig     sig;
    uint8_t    digest[32], want[32], pub[65];

    (void)state;
    assert_non_null(gcry_check_version(NULL));
    /* The digest of the standard's example first: our own reading of Z_A must be right. */
    lt_unhex(SM2_PUB, pub, 65);
    sm2_digest(pub, PL_STR("message digest"), digest);
    lt_unhex("f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640", want, 32);
    assert_memory_equal(digest, want, 32);
    for (unsigned i = 0; i < 20; i++) {
        char text[32];
        int  n = snprintf(text, sizeof text, "message %u", i);

        assert_ok(pl_signer_sign(s, 0, (pl_str){ text, (size_t)n }, &sig, &err), &err);
        assert_int_equal(sig.n, 64);
        assert_true(gcrypt_verifies(pl_signer_key(s, 0), (pl_str){ text, (size_t)n }, &sig));
        sig.b[40] ^= 1;
        assert_false(gcrypt_verifies(pl_signer_key(s, 0), (pl_str){ text, (size_t)n }, &sig));
    }
    pl_signer_free(s);
}

/* --- signers of several keys ------------------------------------------------------------ */

#define ORIGIN "log.example/1"

static pl_signer *joined(void)
{
    pl_signer *s = signer_new(ORIGIN, PL_KEY_ED25519, 1);
    pl_error   err = { 0 };

    assert_ok(pl_signer_join(s, signer_new(ORIGIN, PL_KEY_SM2, 2), &err), &err);
    assert_ok(pl_signer_join(s, signer_new(ORIGIN, PL_KEY_P256, 3), &err), &err);
    return s;
}

static void dsse__carries_a_signature_of_every_key(void **state)
{
    pl_signer *s = joined();
    pl_vkey    keys[3];
    char      *env = NULL, *at;
    size_t     n = 0;
    pl_dsse    d;
    pl_error   err = { 0 };

    (void)state;
    for (size_t i = 0; i < 3; i++)
        keys[2 - i] = *pl_signer_key(s, i);
    assert_ok(pl_dsse_sign(PL_STR("t"), PL_STR("p"), s, &env, &n, &err), &err);
    assert_ok(pl_dsse_open((pl_str){ env, n }, keys, 3, &d, &err), &err);
    assert_int_equal(d.nsigners, 3);
    assert_int_equal(d.signer[0], 2);
    assert_int_equal(d.signer[2], 0);
    pl_dsse_done(&d);
    /* A reader who knows one algorithm only. */
    assert_ok(pl_dsse_open((pl_str){ env, n }, &keys[1], 1, &d, &err), &err);
    assert_int_equal(d.nsigners, 1);
    pl_dsse_done(&d);
    /* A second signature that is spoilt is seen by whoever knows its key, and only there. */
    at = strstr(strstr(env, "\"sig\"") + 5, "\"sig\":\"") + 7;
    at[3] = at[3] == 'A' ? 'B' : 'A';
    assert_rc(pl_dsse_open((pl_str){ env, n }, keys, 3, &d, &err), PL_INVALID);
    assert_ok(pl_dsse_open((pl_str){ env, n }, &keys[2], 1, &d, &err), &err);
    pl_dsse_done(&d);
    free(env);
    pl_signer_free(s);
}

static void dsse__counts_a_key_once_however_often_it_signs(void **state)
{
    pl_signer *s = signer_new("k", PL_KEY_ED25519, 1);
    pl_vkey    twice[2] = { *pl_signer_key(s, 0), *pl_signer_key(s, 0) };
    char      *env = NULL, *end;
    size_t     n = 0;
    pl_buf     b = PL_BUF_INIT(4096);
    pl_dsse    d;
    pl_error   err = { 0 };

    (void)state;
    assert_ok(pl_dsse_sign(PL_STR("t"), PL_STR("p"), s, &env, &n, &err), &err);
    end = strstr(env, "]}");
    *end = '\0';
    pl_buf_printf(&b, "%s,%s]}", env, strchr(env, '[') + 1);
    assert_ok(pl_dsse_open(pl_buf_str(&b), twice, 2, &d, &err), &err);
    assert_int_equal(d.nsigners, 1);
    pl_dsse_done(&d);
    pl_buf_done(&b);
    free(env);
    pl_signer_free(s);
}

static void checkpoint__carries_a_line_of_every_key(void **state)
{
    pl_signer    *s = joined(), *other = signer_new(ORIGIN, PL_KEY_ED25519, 9);
    pl_checkpoint c = { .size = 7, .origin = ORIGIN }, got;
    pl_vkey       keys[2];
    uint8_t       by[2];
    char         *note = NULL, *line;
    size_t        n = 0;
    pl_error      err = { 0 };

    (void)state;
    assert_ok(pl_checkpoint_sign(&c, s, &note, &n, &err), &err);
    for (size_t i = 0; i < 3; i++) {
        assert_ok(pl_checkpoint_open((pl_str){ note, n }, pl_signer_key(s, i), &got, &err), &err);
        assert_int_equal(got.size, 7);
    }
    keys[0] = *pl_signer_key(other, 0);
    keys[1] = *pl_signer_key(s, 1);
    assert_ok(pl_checkpoint_open_any((pl_str){ note, n }, keys, 2, &got, by, &err), &err);
    assert_int_equal(by[0], 0);
    assert_int_equal(by[1], 1);
    assert_rc(pl_checkpoint_open_any((pl_str){ note, n }, keys, 1, &got, by, &err), PL_INVALID);
    /* The SM2 line spoilt: refused where its key is known, though the other key verifies. */
    line = strstr(strstr(note, "\n\n") + 2, "\n") + 1;
    line += strlen("\xe2\x80\x94 " ORIGIN " ") + 20;
    *line = *line == 'A' ? 'B' : 'A'; /* still base64 */
    keys[0] = *pl_signer_key(s, 0);
    assert_rc(pl_checkpoint_open_any((pl_str){ note, n }, keys, 2, &got, by, &err), PL_INVALID);
    assert_ok(pl_checkpoint_open((pl_str){ note, n }, keys, &got, &err), &err);
    free(note);
    pl_signer_free(s);
    pl_signer_free(other);
}

static void checkpoint__is_not_signed_by_keys_of_another_name(void **state)
{
    pl_signer    *s = signer_new(ORIGIN, PL_KEY_ED25519, 1);
    pl_checkpoint c = { .size = 7, .origin = ORIGIN };
    char         *note = NULL;
    size_t        n = 0;
    pl_error      err = { 0 };

    (void)state;
    assert_ok(pl_signer_join(s, signer_new("log.example/2", PL_KEY_SM2, 2), &err), &err);
    assert_rc(pl_checkpoint_sign(&c, s, &note, &n, &err), PL_INVALID);
    pl_signer_free(s);
}

static void signer_join__takes_each_key_once_and_no_more_than_sixteen(void **state)
{
    pl_signer *s = signer_new("k", PL_KEY_ED25519, 1), *more = signer_new("other", PL_KEY_ED25519, 1);
    pl_error   err = { 0 };

    (void)state;
    assert_rc(pl_signer_join(s, more, &err), PL_CONFLICT);
    pl_signer_free(more);
    for (uint8_t i = 2; i <= 16; i++)
        assert_ok(pl_signer_join(s, signer_new("k", PL_KEY_ED25519, i), &err), &err);
    assert_int_equal(pl_signer_count(s), 16);
    more = signer_new("k", PL_KEY_ED25519, 17);
    assert_rc(pl_signer_join(s, more, &err), PL_LIMIT);
    pl_signer_free(more);
    pl_signer_free(s);
}

/* A token that signs with a key of its own, whatever it was asked. */
static pl_rc token_sign(void *ctx, pl_str message, pl_sig *out, pl_error *err)
{
    return pl_signer_sign(ctx, 0, message, out, err);
}

static void token_done(void *ctx)
{
    pl_signer_free(ctx);
}

static void signer_of__signs_elsewhere_and_checks_what_comes_back(void **state)
{
    pl_signer *mine = signer_new("k", PL_KEY_P256, 5), *s = NULL;
    pl_vkey    right = *pl_signer_key(mine, 0), wrong;
    pl_signer *other = signer_new("k", PL_KEY_P256, 6);
    pl_sig     sig;
    pl_error   err = { 0 };

    (void)state;
    wrong = *pl_signer_key(other, 0);
    assert_ok(pl_signer_of(&right, token_sign, token_done, mine, &s, &err), &err);
    assert_ok(pl_signer_sign(s, 0, PL_STR("m"), &sig, &err), &err);
    assert_ok(pl_vkey_verify(&right, PL_STR("m"), sig_str(&sig), &err), &err);
    pl_signer_free(s);
    assert_ok(pl_signer_of(&wrong, token_sign, NULL, other, &s, &err), &err);
    assert_ok(pl_signer_sign(s, 0, PL_STR("m"), &sig, &err), &err);
    pl_signer_free(s);
    assert_ok(pl_signer_of(&right, token_sign, NULL, other, &s, &err), &err);
    assert_rc(pl_signer_sign(s, 0, PL_STR("m"), &sig, &err), PL_IO);
    pl_signer_free(s);
    pl_signer_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signer_new_alg__computes_the_public_keys_of_the_standards),
        cmocka_unit_test(signer_new_alg__refuses_secrets_outside_of_the_group),
        cmocka_unit_test(vkey_verify__accepts_the_signature_of_gbt_32918_5),
        cmocka_unit_test(vkey_verify__accepts_the_signature_of_rfc_6979),
        cmocka_unit_test(vkey_verify__rejects_every_bit_flip_and_every_other_length),
        cmocka_unit_test(vkey_parse__rejects_keys_that_are_no_points_or_of_another_form),
        cmocka_unit_test(key_alg__has_one_name_each_way),
        cmocka_unit_test(sm2__signatures_are_accepted_by_libgcrypt),
        cmocka_unit_test(dsse__carries_a_signature_of_every_key),
        cmocka_unit_test(dsse__counts_a_key_once_however_often_it_signs),
        cmocka_unit_test(checkpoint__carries_a_line_of_every_key),
        cmocka_unit_test(checkpoint__is_not_signed_by_keys_of_another_name),
        cmocka_unit_test(signer_join__takes_each_key_once_and_no_more_than_sixteen),
        cmocka_unit_test(signer_of__signs_elsewhere_and_checks_what_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
