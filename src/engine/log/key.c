/* Ed25519 (RFC 8032), ECDSA P-256 with SHA-256 (FIPS 186-4), SM2 with SM3 (GB/T 32918.2). */
#include "base/banned.h"

#include "engine/log/key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>

#define ED25519_SIG 64
#define SM2_SIG     64 /* r || s */

static const char *evp_name(const key_type *t)
{
    return t->alg == PL_KEY_SM2 ? "SM2" : "EC";
}

/* --- keys of the crypto library -------------------------------------------------------- */

/* secret may be NULL. The library checks that the point is on the curve. */
static EVP_PKEY *curve_key(const key_type *t, const uint8_t *pub, const BIGNUM *secret)
{
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX   *c = EVP_PKEY_CTX_new_from_name(NULL, evp_name(t), NULL);
    OSSL_PARAM     *p = NULL;
    EVP_PKEY       *k = NULL;

    if (b != NULL && c != NULL &&
        OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, t->curve, 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, pub, t->pub_n) == 1 &&
        (secret == NULL || OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_PRIV_KEY, secret) == 1))
        p = OSSL_PARAM_BLD_to_param(b);
    if (p == NULL || EVP_PKEY_fromdata_init(c) != 1 ||
        EVP_PKEY_fromdata(c, &k, secret ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, p) != 1)
        k = NULL;
    OSSL_PARAM_free(p);
    OSSL_PARAM_BLD_free(b);
    EVP_PKEY_CTX_free(c);
    return k;
}

pl_rc pl_key_public(const key_type *t, const uint8_t *pub, EVP_PKEY **out, pl_error *err)
{
    EVP_PKEY *k;

    /* 04: the only form of a point that has one spelling and needs no square root. */
    if (t->curve != NULL && pub[0] != 0x04)
        return pl_fail(err, PL_INVALID, "public key is not an uncompressed point");
    k = t->curve ? curve_key(t, pub, NULL)
                 : EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pub, t->pub_n);
    if (k == NULL)
        return pl_fail(err, PL_INVALID, "not a public key of algorithm '%s'", t->name);
    *out = k;
    return PL_OK;
}

/* secret * G, when 1 <= secret <= n - 2: what both curves' standards allow. */
static bool point_of(const key_type *t, const BIGNUM *secret, uint8_t *pub)
{
    EC_GROUP *g = EC_GROUP_new_by_curve_name(OBJ_sn2nid(t->curve));
    EC_POINT *p = g ? EC_POINT_new(g) : NULL;
    BIGNUM   *most = g ? BN_dup(EC_GROUP_get0_order(g)) : NULL;
    bool      ok = p != NULL && most != NULL && BN_sub_word(most, 2) == 1 && !BN_is_zero(secret) &&
              BN_cmp(secret, most) <= 0 && EC_POINT_mul(g, p, secret, NULL, NULL, NULL) == 1 &&
              EC_POINT_point2oct(g, p, POINT_CONVERSION_UNCOMPRESSED, pub, t->pub_n, NULL) ==
                  t->pub_n;

    BN_free(most);
    EC_POINT_free(p);
    EC_GROUP_free(g);
    return ok;
}

static EVP_PKEY *curve_private(const key_type *t, const uint8_t secret[32], uint8_t *pub)
{
    BIGNUM   *d = BN_secure_new();
    EVP_PKEY *k = NULL;

    if (d != NULL && BN_bin2bn(secret, 32, d) != NULL) {
        BN_set_flags(d, BN_FLG_CONSTTIME);
        if (point_of(t, d, pub))
            k = curve_key(t, pub, d);
    }
    BN_clear_free(d);
    return k;
}

static EVP_PKEY *ed25519_private(const uint8_t seed[32], uint8_t *pub)
{
    EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
    size_t    n = 32;

    if (k != NULL && EVP_PKEY_get_raw_public_key(k, pub, &n) != 1) {
        EVP_PKEY_free(k);
        k = NULL;
    }
    return k;
}

pl_rc pl_key_private(const key_type *t, const uint8_t secret[32], EVP_PKEY **out, uint8_t *pub,
                     pl_error *err)
{
    EVP_PKEY *k = t->curve ? curve_private(t, secret, pub) : ed25519_private(secret, pub);

    if (k == NULL)
        return pl_fail(err, PL_INVALID, "not a private key of algorithm '%s'", t->name);
    *out = k;
    return PL_OK;
}

/* --- SM2 signatures: r || s outside, DER inside the library ----------------------------- */

static bool sm2_from_der(const uint8_t *der, size_t n, pl_sig *out)
{
    ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &der, (long)n);
    bool       ok = s != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(s), out->b, 32) == 32 &&
              BN_bn2binpad(ECDSA_SIG_get0_s(s), out->b + 32, 32) == 32;

    out->n = SM2_SIG;
    ECDSA_SIG_free(s);
    return ok;
}

size_t pl_key_rs_to_der(const uint8_t rs[64], uint8_t der[PL_SIG_MAX])
{
    ECDSA_SIG *s = ECDSA_SIG_new();
    BIGNUM    *r = BN_bin2bn(rs, 32, NULL), *t = BN_bin2bn(rs + 32, 32, NULL);
    int        n = 0;

    if (s != NULL && r != NULL && t != NULL && ECDSA_SIG_set0(s, r, t) == 1) {
        r = t = NULL; /* the signature owns them now */
        n = i2d_ECDSA_SIG(s, &der);
    }
    BN_free(r);
    BN_free(t);
    ECDSA_SIG_free(s);
    return n > 0 ? (size_t)n : 0;
}

/* --- signing and verifying -------------------------------------------------------------- */

typedef struct operation {
    EVP_MD_CTX   *md;
    EVP_PKEY_CTX *pkey; /* owned here when set: EVP_MD_CTX_set_pkey_ctx does not take it */
} operation;

static void operation_done(operation *o)
{
    EVP_MD_CTX_free(o->md);
    EVP_PKEY_CTX_free(o->pkey);
}

/* The user id goes in before the first step: OpenSSL 3.0 takes an empty one by default and
 * OpenSSL 4 another, and Z_A is hashed first. */
static bool operation_init(operation *o, const key_type *t, EVP_PKEY *k)
{
    *o = (operation){ EVP_MD_CTX_new(), NULL };
    if (o->md == NULL || t->alg != PL_KEY_SM2)
        return o->md != NULL;
    o->pkey = EVP_PKEY_CTX_new_from_pkey(NULL, k, NULL);
    if (o->pkey == NULL || EVP_PKEY_CTX_set1_id(o->pkey, PL_SM2_ID, sizeof(PL_SM2_ID) - 1) != 1)
        return false;
    EVP_MD_CTX_set_pkey_ctx(o->md, o->pkey);
    return true;
}

static const char *digest_name(const key_type *t)
{
    return t->curve == NULL ? NULL : t->alg == PL_KEY_SM2 ? "SM3" : "SHA256";
}

pl_rc pl_key_sign(const key_type *t, EVP_PKEY *k, pl_str message, pl_sig *out, pl_error *err)
{
    const uint8_t *m = (const uint8_t *)message.p;
    operation      o;
    pl_sig         s = { .n = PL_SIG_MAX }, sm2;
    bool           ok = operation_init(&o, t, k) &&
              EVP_DigestSignInit_ex(o.md, NULL, digest_name(t), NULL, NULL, k, NULL) == 1 &&
              EVP_DigestSign(o.md, s.b, &s.n, m, message.n) == 1;

    operation_done(&o);
    if (ok && t->alg == PL_KEY_SM2) {
        ok = sm2_from_der(s.b, s.n, &sm2);
        s = sm2;
    }
    if (!ok)
        return pl_fail(err, PL_IO, "crypto library failed to sign");
    *out = s;
    return PL_OK;
}

pl_rc pl_key_verify(const key_type *t, EVP_PKEY *k, pl_str message, pl_str sig, pl_error *err)
{
    const uint8_t *m = (const uint8_t *)message.p, *s = (const uint8_t *)sig.p;
    uint8_t        der[PL_SIG_MAX];
    size_t         n = sig.n;
    operation      o;
    bool           ok;

    if (sig.n > PL_SIG_MAX || (t->curve == NULL && sig.n != ED25519_SIG) ||
        (t->alg == PL_KEY_SM2 && sig.n != SM2_SIG))
        return pl_fail(err, PL_INVALID, "signature has %zu bytes", sig.n);
    if (t->alg == PL_KEY_SM2) {
        n = pl_key_rs_to_der(s, der);
        s = der;
    }
    ok = operation_init(&o, t, k) && n > 0 &&
         EVP_DigestVerifyInit_ex(o.md, NULL, digest_name(t), NULL, NULL, k, NULL) == 1 &&
         EVP_DigestVerify(o.md, s, n, m, message.n) == 1;
    operation_done(&o);
    return ok ? PL_OK : pl_fail(err, PL_INVALID, "signature does not verify");
}
