/* RFC 3161 time stamps, on OpenSSL's TS module. */
#include "base/banned.h"

#include "engine/log/timestamp.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ts.h>
#include <openssl/x509v3.h>
#include <time.h>

#define ROOTS_MAX 64

typedef struct stamp {
    TS_RESP     *resp;
    TS_TST_INFO *info; /* borrowed */
    pl_error    *err;
} stamp;

static pl_rc invalid(const stamp *s, const char *what)
{
    ERR_clear_error();
    return pl_fail(s->err, PL_INVALID, "time stamp: %s", what);
}

static pl_rc granted(stamp *s, pl_str response)
{
    const unsigned char *p = (const unsigned char *)response.p;
    long                 status;

    if (response.n > PL_TIMESTAMP_MAX)
        return pl_fail(s->err, PL_LIMIT, "time stamp is larger than a megabyte");
    s->resp = d2i_TS_RESP(NULL, &p, (long)response.n);
    if (s->resp == NULL || p != (const unsigned char *)response.p + response.n)
        return invalid(s, "not an answer of a time stamp authority");
    status = ASN1_INTEGER_get(TS_STATUS_INFO_get0_status(TS_RESP_get_status_info(s->resp)));
    s->info = TS_RESP_get_tst_info(s->resp);
    /* RFC 3161 2.4.2: granted, or granted with modifications. */
    if ((status != 0 && status != 1) || s->info == NULL)
        return invalid(s, "the authority did not grant it");
    return PL_OK;
}

/* Weak digests would let one stamp stand for two messages. */
static bool is_strong(int nid)
{
    return nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512 || nid == NID_sm3;
}

static pl_rc imprint_check(const stamp *s, pl_str message)
{
    TS_MSG_IMPRINT        *imprint = TS_TST_INFO_get_msg_imprint(s->info);
    const ASN1_OBJECT     *oid;
    ASN1_OCTET_STRING     *want = TS_MSG_IMPRINT_get_msg(imprint);
    unsigned char          got[EVP_MAX_MD_SIZE];
    unsigned               n = 0;
    const EVP_MD          *md;

    X509_ALGOR_get0(&oid, NULL, NULL, TS_MSG_IMPRINT_get_algo(imprint));
    if (!is_strong(OBJ_obj2nid(oid)) || (md = EVP_get_digestbyobj(oid)) == NULL)
        return invalid(s, "its digest is none of SHA-256, SHA-384, SHA-512 and SM3");
    if (EVP_Digest(message.p, message.n, got, &n, md, NULL) != 1)
        return invalid(s, "its digest cannot be computed");
    if (ASN1_STRING_length(want) != (int)n || memcmp(ASN1_STRING_get0_data(want), got, n) != 0)
        return pl_fail(s->err, PL_CONFLICT, "time stamp: it is for something else");
    return PL_OK;
}

static pl_rc time_of(const stamp *s, time_t *out)
{
    struct tm tm = { 0 };

    if (ASN1_TIME_to_tm(TS_TST_INFO_get_time(s->info), &tm) != 1)
        return invalid(s, "it has no time");
    *out = timegm(&tm);
    return *out > 0 ? PL_OK : invalid(s, "it has no time");
}

/* The library's check of the token against a store: signature, purpose, ESSCertID, chain as of
 * the time it names. The store is taken. */
static bool token_holds(const stamp *s, X509_STORE *store, time_t when)
{
    TS_VERIFY_CTX *c = TS_VERIFY_CTX_new();
    bool           ok = false;

    X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store), when);
    if (c != NULL) {
        (void)TS_VERIFY_CTX_set_flags(c, TS_VFY_VERSION | TS_VFY_SIGNATURE);
        (void)TS_VERIFY_CTX_set_store(c, store);
        ok = TS_RESP_verify_response(c, s->resp) == 1;
        TS_VERIFY_CTX_free(c); /* and the store */
    } else {
        X509_STORE_free(store);
    }
    ERR_clear_error();
    return ok;
}

static X509_STORE *store_of_roots(pl_str pem)
{
    X509_STORE *store = X509_STORE_new();
    BIO        *b = pem.n > 0 && pem.n < (1u << 20) ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
    X509       *x;

    for (int i = 0; store && b && i < ROOTS_MAX &&
                    (x = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL; i++) {
        (void)X509_STORE_add_cert(store, x);
        X509_free(x);
    }
    BIO_free(b);
    ERR_clear_error();
    return store;
}

/* The certificates the token brings, taken at their word: shows that it is whole and whose it
 * says it is, not that this is so. */
static X509_STORE *store_of_token(const stamp *s)
{
    X509_STORE     *store = X509_STORE_new();
    const PKCS7    *token = TS_RESP_get_token(s->resp);
    STACK_OF(X509) *certs = token && PKCS7_type_is_signed(token) ? token->d.sign->cert : NULL;

    for (int i = 0; store && i < sk_X509_num(certs); i++)
        (void)X509_STORE_add_cert(store, sk_X509_value(certs, i));
    if (store)
        (void)X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    return store;
}

static void signer_name(const stamp *s, char out[256])
{
    STACK_OF(X509) *signers = PKCS7_get0_signers(TS_RESP_get_token(s->resp), NULL, 0);
    X509           *x = sk_X509_num(signers) > 0 ? sk_X509_value(signers, 0) : NULL;
    BIO            *b = BIO_new(BIO_s_mem());
    char           *p = NULL;
    long            n = 0;

    if (x && b && X509_NAME_print_ex(b, X509_get_subject_name(x), 0,
                                     XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0)
        n = BIO_get_mem_data(b, &p);
    (void)snprintf(out, 256, "%.*s", n > 0 && n < 256 ? (int)n : n > 0 ? 255 : 1, n > 0 ? p : "?");
    BIO_free(b);
    sk_X509_free(signers);
    ERR_clear_error();
}

static pl_rc stamp_judge(stamp *s, pl_str message, pl_str roots, timestamp_facts *out)
{
    time_t      when = 0;
    X509_STORE *store;
    pl_rc       rc = imprint_check(s, message);

    if (rc == PL_OK)
        rc = time_of(s, &when);
    if (rc != PL_OK)
        return rc;
    store = store_of_token(s);
    if (store == NULL || !token_holds(s, store, when))
        return invalid(s, "its signature or certificate does not hold");
    store = store_of_roots(roots);
    *out = (timestamp_facts){ .time_ms = (int64_t)when * 1000 };
    out->is_trusted = store != NULL && token_holds(s, store, when);
    signer_name(s, out->signer);
    return PL_OK;
}

pl_rc pl_timestamp_verify(pl_str response, pl_str message, pl_str roots_pem, timestamp_facts *out,
                          pl_error *err)
{
    stamp s = { .err = err };
    pl_rc rc = granted(&s, response);

    if (rc == PL_OK)
        rc = stamp_judge(&s, message, roots_pem, out);
    TS_RESP_free(s.resp);
    return rc;
}
