#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "engine/media/c2pa/cert.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <time.h>

void pl_c2pa_chain_done(c2pa_chain *c)
{
    for (size_t i = 0; i < c->n; i++)
        X509_free(c->certs[i]);
    c->n = 0;
}

pl_rc pl_c2pa_chain_read(const pl_str *der, size_t n, c2pa_chain *out, pl_error *err)
{
    c2pa_chain c = { .n = 0 };

    for (size_t i = 0; i < n && i < sizeof c.certs / sizeof c.certs[0]; i++) {
        const unsigned char *p = (const unsigned char *)der[i].p;
        X509 *x = der[i].n < (1u << 20) ? d2i_X509(NULL, &p, (long)der[i].n) : NULL;

        ERR_clear_error();
        if (!x) {
            pl_c2pa_chain_done(&c);
            return pl_fail(err, PL_INVALID, "certificate %zu of the chain cannot be read", i + 1);
        }
        c.certs[c.n++] = x;
    }
    if (c.n == 0)
        return pl_fail(err, PL_INVALID, "the signature brings no certificate");
    *out = c;
    return PL_OK;
}

/* --- the profile: C2PA 2.x 14.5.1 ------------------------------------------------------- */

static const int signature_nids[] = {
    NID_sha256WithRSAEncryption, NID_sha384WithRSAEncryption, NID_sha512WithRSAEncryption,
    NID_ecdsa_with_SHA256,       NID_ecdsa_with_SHA384,       NID_ecdsa_with_SHA512,
    NID_ED25519,
};
static const int pss_digests[] = { NID_sha256, NID_sha384, NID_sha512 };

static bool is_one_of(int nid, const int *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == nid)
            return true;
    return false;
}

static bool signature_is_allowed(X509 *x)
{
    int digest = NID_undef, nid = X509_get_signature_nid(x);

    if (nid == NID_rsassaPss)
        return X509_get_signature_info(x, &digest, NULL, NULL, NULL) == 1 &&
               is_one_of(digest, pss_digests, sizeof pss_digests / sizeof pss_digests[0]);
    return is_one_of(nid, signature_nids, sizeof signature_nids / sizeof signature_nids[0]);
}

static bool key_is_allowed(X509 *x)
{
    static const char *const curves[] = { "prime256v1", "P-256", "secp384r1",
                                          "P-384",      "secp521r1", "P-521" };
    EVP_PKEY *k = X509_get0_pubkey(x);
    int       type = k ? EVP_PKEY_get_base_id(k) : 0;
    char      name[64];
    size_t    n = 0;

    if (type == EVP_PKEY_ED25519)
        return true;
    if (type == EVP_PKEY_RSA || type == EVP_PKEY_RSA_PSS)
        return EVP_PKEY_get_bits(k) >= 2048;
    if (type != EVP_PKEY_EC || EVP_PKEY_get_group_name(k, name, sizeof name, &n) != 1)
        return false;
    for (size_t i = 0; i < sizeof curves / sizeof curves[0]; i++)
        if (strcmp(name, curves[i]) == 0)
            return true;
    return false;
}

/* Whether the text has the OID on a line of its own. */
static bool listed(pl_str ekus, const char *oid)
{
    pl_str line;

    while (pl_str_split(&ekus, '\n', &line))
        if (pl_str_eqz(pl_str_trim(line), oid))
            return true;
    return false;
}

/* id-kp-emailProtection, id-kp-documentSigning, C2PA claim signing, Microsoft C2PA signing. */
static bool purpose_is_allowed(const char *oid, const c2pa_trust *trust)
{
    static const char *const oids[] = { "1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.36",
                                        "1.3.6.1.4.1.62558.2.1", "1.3.6.1.4.1.311.76.59.1.9" };

    for (size_t i = 0; i < sizeof oids / sizeof oids[0]; i++)
        if (strcmp(oid, oids[i]) == 0)
            return true;
    return trust && listed(trust->ekus, oid);
}

static const char *purposes_judge(X509 *x, const c2pa_trust *trust)
{
    EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
    const char         *why = eku ? NULL : "it has no extended key usage";
    bool                fits = false, stamps = false, ocsp = false;
    char                oid[80];

    for (int i = 0; i < sk_ASN1_OBJECT_num(eku) && !why; i++) {
        (void)OBJ_obj2txt(oid, sizeof oid, sk_ASN1_OBJECT_value(eku, i), 1);
        if (strcmp(oid, "2.5.29.37.0") == 0)
            why = "its extended key usage is any purpose";
        stamps = stamps || strcmp(oid, "1.3.6.1.5.5.7.3.8") == 0;
        ocsp = ocsp || strcmp(oid, "1.3.6.1.5.5.7.3.9") == 0;
        fits = fits || purpose_is_allowed(oid, trust);
    }
    if (!why && (stamps || ocsp))
        why = "its extended key usage is that of a time stamp or OCSP authority";
    if (!why && !fits)
        why = "its extended key usage is none of those C2PA signers have";
    EXTENDED_KEY_USAGE_free(eku);
    return why;
}

static const char *leaf_judge(X509 *x, const c2pa_trust *trust)
{
    uint32_t             flags = X509_get_extension_flags(x);
    const ASN1_BIT_STRING *issuer_uid, *subject_uid;

    X509_get0_uids(x, &issuer_uid, &subject_uid);
    if (X509_get_version(x) != X509_VERSION_3)
        return "it is not of version 3";
    if (issuer_uid || subject_uid)
        return "it has unique identifiers";
    if (flags & EXFLAG_CA)
        return "it is that of an authority";
    if (flags & EXFLAG_SS)
        return "it is self-signed";
    if (!(X509_get_key_usage(x) & KU_DIGITAL_SIGNATURE) || !(flags & EXFLAG_KUSAGE))
        return "its key usage is not digital signature";
    if ((flags & EXFLAG_KUSAGE) && (X509_get_key_usage(x) & KU_KEY_CERT_SIGN))
        return "its key may sign certificates";
    if (X509_get0_authority_key_id(x) == NULL)
        return "it has no authority key identifier";
    return purposes_judge(x, trust);
}

pl_rc pl_c2pa_cert_check(const c2pa_chain *c, const c2pa_trust *trust, pl_error *err)
{
    const char *why = NULL;
    size_t      i = 0;

    for (; i < c->n && !why; i++) {
        if (!signature_is_allowed(c->certs[i]))
            why = "it is signed with an algorithm C2PA does not allow";
        else if (!key_is_allowed(c->certs[i]))
            why = "its key is of a kind C2PA does not allow";
        else if (i == 0)
            why = leaf_judge(c->certs[0], trust);
        else if (!(X509_get_extension_flags(c->certs[i]) & EXFLAG_CA))
            why = "it is above another and not that of an authority";
    }
    ERR_clear_error();
    return why ? pl_fail(err, PL_INVALID, "certificate %zu of the chain: %s", i, why) : PL_OK;
}

bool pl_c2pa_cert_is_valid_at(const X509 *x, int64_t time_ms)
{
    time_t t = (time_t)(time_ms / 1000);

    return X509_cmp_time(X509_get0_notBefore(x), &t) < 0 &&
           X509_cmp_time(X509_get0_notAfter(x), &t) > 0;
}

/* --- trust: C2PA 2.x 14.4 ---------------------------------------------------------------- */

static X509 *next_cert(BIO *b)
{
    X509 *x = b ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL;

    ERR_clear_error();
    return x;
}

static BIO *pem_open(pl_str pem)
{
    return pem.n > 0 && pem.n < (16u << 20) ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
}

static bool allowed_has(const c2pa_trust_list *l, const X509 *leaf)
{
    BIO  *b = pem_open(l->pem);
    bool  found = false;
    X509 *x;

    for (int i = 0; !found && i < C2PA_TRUST_CERTS_MAX && (x = next_cert(b)) != NULL; i++) {
        found = X509_cmp(x, leaf) == 0;
        X509_free(x);
    }
    BIO_free(b);
    return found;
}

static X509_STORE *anchors_of(const c2pa_trust_list *l)
{
    X509_STORE *s = X509_STORE_new();
    BIO        *b = pem_open(l->pem);
    X509       *x;

    for (int i = 0; s && i < C2PA_TRUST_CERTS_MAX && (x = next_cert(b)) != NULL; i++) {
        (void)X509_STORE_add_cert(s, x);
        X509_free(x);
    }
    BIO_free(b);
    ERR_clear_error();
    return s;
}

/* A list may name an authority in the middle of the chain: that is enough (14.4.1). */
static bool chain_leads_to(const c2pa_trust_list *l, const c2pa_chain *c, int64_t time_ms)
{
    X509_STORE     *store = anchors_of(l);
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *between = sk_X509_new_null();
    bool            ok = store && ctx && between;

    for (size_t i = 1; ok && i < c->n; i++)
        ok = sk_X509_push(between, c->certs[i]) > 0;
    ok = ok && X509_STORE_CTX_init(ctx, store, c->certs[0], between) == 1;
    if (ok) {
        X509_STORE_CTX_set_time(ctx, 0, (time_t)(time_ms / 1000));
        X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_PARTIAL_CHAIN);
        ok = X509_verify_cert(ctx) == 1;
    }
    sk_X509_free(between);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    ERR_clear_error();
    return ok;
}

const c2pa_trust_list *pl_c2pa_trust_find(const c2pa_trust *trust, const c2pa_chain *c,
                                          int64_t time_ms)
{
    for (size_t i = 0; trust && i < trust->n; i++) {
        const c2pa_trust_list *l = &trust->lists[i];

        if (l->is_allowed ? allowed_has(l, c->certs[0]) : chain_leads_to(l, c, time_ms))
            return l;
    }
    return NULL;
}

/* --- description ------------------------------------------------------------------------- */

static void name_text(const X509_NAME *n, char *out, size_t cap)
{
    BIO  *b = BIO_new(BIO_s_mem());
    char *p = NULL;
    long  have = 0;

    if (b && X509_NAME_print_ex(b, n, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0)
        have = BIO_get_mem_data(b, &p);
    (void)snprintf(out, cap, "%.*s", have > 0 ? (int)have : 0, have > 0 ? p : "");
    BIO_free(b);
}

static void name_part(X509_NAME *n, int nid, char *out, size_t cap)
{
    int                i = X509_NAME_get_index_by_NID(n, nid, -1);
    X509_NAME_ENTRY   *e = i >= 0 ? X509_NAME_get_entry(n, i) : NULL;
    unsigned char     *utf8 = NULL;
    int                len = e ? ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(e)) : 0;

    (void)snprintf(out, cap, "%.*s", len > 0 ? len : 0, len > 0 ? (const char *)utf8 : "");
    OPENSSL_free(utf8);
}

static void time_text(const ASN1_TIME *t, char out[25])
{
    struct tm tm = { 0 };

    out[0] = '\0';
    if (ASN1_TIME_to_tm(t, &tm) == 1)
        pl_time_format((int64_t)timegm(&tm) * 1000, out);
}

void pl_c2pa_cert_describe(X509 *x, c2pa_cert_facts *out)
{
    unsigned char *der = NULL;
    int            n = i2d_X509(x, &der);
    BIGNUM        *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
    char          *text = serial ? BN_bn2dec(serial) : NULL;
    uint8_t        sum[32];

    *out = (c2pa_cert_facts){ 0 };
    name_text(X509_get_subject_name(x), out->subject, sizeof out->subject);
    name_text(X509_get_issuer_name(x), out->issuer, sizeof out->issuer);
    name_part(X509_get_subject_name(x), NID_organizationName, out->organisation,
              sizeof out->organisation);
    name_part(X509_get_subject_name(x), NID_commonName, out->common_name, sizeof out->common_name);
    (void)snprintf(out->serial, sizeof out->serial, "%s", text ? text : "");
    if (n > 0) {
        pl_sha256_of((pl_str){ (const char *)der, (size_t)n }, sum);
        pl_hex(sum, 32, out->sha256);
    }
    time_text(X509_get0_notBefore(x), out->not_before);
    time_text(X509_get0_notAfter(x), out->not_after);
    OPENSSL_free(text);
    BN_free(serial);
    OPENSSL_free(der);
    ERR_clear_error();
}
