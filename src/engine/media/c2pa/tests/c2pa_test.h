/* Keys, certificates and files for tests of manifests. */
#ifndef PL_C2PA_TEST_H
#define PL_C2PA_TEST_H

#include "base/str.h"
#include "engine/log/timestamp.h"
#include "engine/media/c2pa/build.h"
#include "pl_test.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ts.h>
#include <openssl/x509v3.h>

#define TEST_NOW_MS 1790000000000 /* 2026-09 */

typedef struct test_identity {
    EVP_PKEY   *ca_key, *key;
    X509       *ca, *leaf;
    char       *ca_pem;
    char        leaf_der[4096];
    size_t      leaf_n;
    cose_key    signing;
    cose_signer signer;
} test_identity;

static inline void test_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX      ctx;
    X509_EXTENSION *e;

    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    e = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
}

static inline void test_name(X509_NAME *n, const char *org, const char *cn)
{
    (void)X509_NAME_add_entry_by_txt(n, "O", MBSTRING_UTF8, (const unsigned char *)org, -1, -1, 0);
    (void)X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
}

/* eku NULL: an authority. Valid from 2020 to 2040 unless years says otherwise. */
static inline X509 *test_cert(EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, const char *cn,
                              const char *eku)
{
    X509  *x = X509_new();
    time_t from = 1577836800;

    (void)X509_set_version(x, X509_VERSION_3);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(x), eku ? 4711 : 1);
    (void)ASN1_TIME_set(X509_getm_notBefore(x), from);
    (void)ASN1_TIME_set(X509_getm_notAfter(x), from + 20L * 365 * 86400);
    test_name(X509_get_subject_name(x), "Plumbline Test", cn);
    (void)X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x));
    (void)X509_set_pubkey(x, key);
    issuer = issuer ? issuer : x;
    test_ext(x, issuer, NID_basic_constraints, eku ? "critical,CA:FALSE" : "critical,CA:TRUE");
    test_ext(x, issuer, NID_key_usage, eku ? "critical,digitalSignature" : "critical,keyCertSign,cRLSign");
    test_ext(x, issuer, NID_subject_key_identifier, "hash");
    test_ext(x, issuer, NID_authority_key_identifier, "keyid");
    if (eku && *eku)
        test_ext(x, issuer, NID_ext_key_usage, eku);
    assert_true(X509_sign(x, issuer_key, EVP_PKEY_get_base_id(issuer_key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256()) > 0);
    return x;
}

static inline EVP_PKEY *test_key(int64_t alg)
{
    EVP_PKEY *k = alg == -8    ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                  : alg == -7  ? EVP_EC_gen("P-256")
                  : alg == -35 ? EVP_EC_gen("P-384")
                  : alg == -36 ? EVP_EC_gen("P-521")
                               : EVP_RSA_gen(2048);
    assert_non_null(k);
    return k;
}

static inline void test_identity_new(test_identity *t, int64_t alg, const char *eku)
{
    unsigned char *p = (unsigned char *)t->leaf_der;
    BIO           *b = BIO_new(BIO_s_mem());
    char          *pem;
    long           n;

    t->ca_key = EVP_EC_gen("P-256");
    t->key = test_key(alg);
    t->ca = test_cert(t->ca_key, NULL, t->ca_key, "Test Root", NULL);
    t->leaf = test_cert(t->key, t->ca, t->ca_key, "Test Signer", eku);
    assert_true(i2d_X509(t->leaf, NULL) < (int)sizeof t->leaf_der);
    t->leaf_n = (size_t)i2d_X509(t->leaf, &p);
    (void)PEM_write_bio_X509(b, t->ca);
    n = BIO_get_mem_data(b, &pem);
    t->ca_pem = strndup(pem, (size_t)n);
    BIO_free(b);
    t->signing = (cose_key){ t->key, alg };
    t->signer = (cose_signer){ .alg = alg, .chain = { { t->leaf_der, t->leaf_n } }, .chain_n = 1,
                               .sig_n = pl_cose_sig_size(t->key, alg), .ctx = &t->signing,
                               .sign = pl_cose_key_sign };
}

static inline void test_identity_free(test_identity *t)
{
    X509_free(t->leaf);
    X509_free(t->ca);
    EVP_PKEY_free(t->key);
    EVP_PKEY_free(t->ca_key);
    free(t->ca_pem);
}

/* --- a time stamp authority ------------------------------------------------------------------- */

typedef struct test_tsa {
    EVP_PKEY *key;
    X509     *cert;
    bool      is_token; /* hand out the bare token */
    bool      is_other; /* stamp something else    */
} test_tsa;

static inline ASN1_INTEGER *test_tsa_serial(TS_RESP_CTX *c, void *p)
{
    ASN1_INTEGER *i = ASN1_INTEGER_new();

    (void)c, (void)p;
    (void)ASN1_INTEGER_set(i, 7);
    return i;
}

static inline int test_tsa_time(TS_RESP_CTX *c, void *p, long *sec, long *usec)
{
    (void)c, (void)p;
    *sec = TEST_NOW_MS / 1000;
    *usec = 0;
    return 1;
}

static inline pl_rc test_tsa_answer(void *ctx, pl_str message, pl_buf *out, pl_error *err)
{
    test_tsa      *t = ctx;
    pl_buf         q = PL_BUF_INIT(4096);
    TS_RESP_CTX   *c = TS_RESP_CTX_new();
    ASN1_OBJECT   *policy = OBJ_txt2obj("1.3.6.1.4.1.4146.2.3", 1);
    unsigned char *der = NULL;
    TS_RESP       *r;
    BIO           *b;
    int            n;

    assert_ok(pl_timestamp_request(t->is_other ? PL_STR("other") : message, 99, &q, err), err);
    (void)TS_RESP_CTX_set_signer_cert(c, t->cert);
    (void)TS_RESP_CTX_set_signer_key(c, t->key);
    (void)TS_RESP_CTX_set_def_policy(c, policy);
    (void)TS_RESP_CTX_set_signer_digest(c, EVP_sha256());
    (void)TS_RESP_CTX_add_md(c, EVP_sha256());
    TS_RESP_CTX_set_serial_cb(c, test_tsa_serial, NULL);
    TS_RESP_CTX_set_time_cb(c, test_tsa_time, NULL);
    b = BIO_new_mem_buf(q.p, (int)q.n);
    r = TS_RESP_create_response(c, b);
    assert_non_null(r);
    n = t->is_token ? i2d_PKCS7(TS_RESP_get_token(r), &der) : i2d_TS_RESP(r, &der);
    pl_buf_put(out, (pl_str){ (char *)der, (size_t)n });
    OPENSSL_free(der);
    BIO_free(b);
    TS_RESP_free(r);
    ASN1_OBJECT_free(policy);
    TS_RESP_CTX_free(c);
    pl_buf_done(&q);
    return PL_OK;
}

static inline pl_rc test_read(void *ctx, uint64_t at, void *p, size_t n, pl_error *err)
{
    const pl_str *s = ctx;

    if (at > s->n || n > s->n - at)
        return pl_fail(err, PL_IO, "read beyond the end");
    memcpy(p, s->p + at, n);
    return PL_OK;
}

static inline pl_media_io test_io(const pl_str *bytes)
{
    return (pl_media_io){ .ctx = (void *)bytes, .size = bytes->n, .read = test_read };
}

#endif
