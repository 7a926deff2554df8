/* Revocation, as far as the manifest brings its answer along (C2PA 2.x 14.6, RFC 6960): nothing is
 * asked over a network. */
#include "base/banned.h"

#include "engine/media/c2pa/ocsp.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define ANSWER_MAX (1u << 20)
#define SKEW_S     300

/* The authority that issued the signer's certificate: in the chain, or the list that vouches. */
static X509 *issuer_in(const c2pa_trust_list *l, X509 *leaf)
{
    BIO  *b = l->pem.n > 0 && l->pem.n < (16u << 20) ? BIO_new_mem_buf(l->pem.p, (int)l->pem.n) : NULL;
    X509 *x = NULL, *found = NULL;

    for (int i = 0; b && !found && i < C2PA_TRUST_CERTS_MAX && (x = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL; i++) {
        if (X509_check_issued(x, leaf) == X509_V_OK)
            found = x;
        else
            X509_free(x);
    }
    BIO_free(b);
    ERR_clear_error();
    return found;
}

static X509 *issuer_of(const c2pa_chain *c, const c2pa_trust *trust)
{
    X509 *x = NULL;

    if (c->n > 1 && X509_check_issued(c->certs[1], c->certs[0]) == X509_V_OK) {
        X509_up_ref(c->certs[1]);
        return c->certs[1];
    }
    for (size_t i = 0; trust && i < trust->n && !x; i++)
        if (!trust->lists[i].is_allowed)
            x = issuer_in(&trust->lists[i], c->certs[0]);
    return x;
}

/* Signed by the issuer, or by whom it named for that. */
static bool is_signed(OCSP_BASICRESP *basic, X509 *issuer, int64_t time_ms)
{
    X509_STORE     *store = X509_STORE_new();
    STACK_OF(X509) *certs = sk_X509_new_null();
    bool            ok = store && certs && X509_STORE_add_cert(store, issuer) == 1 && sk_X509_push(certs, issuer) > 0;

    if (ok) {
        X509_VERIFY_PARAM *p = X509_STORE_get0_param(store);
        X509_VERIFY_PARAM_set_time(p, (time_t)(time_ms / 1000));
        (void)X509_VERIFY_PARAM_set_flags(p, X509_V_FLAG_PARTIAL_CHAIN);
        ok = OCSP_basic_verify(basic, certs, store, 0) == 1;
    }
    sk_X509_free(certs);
    X509_STORE_free(store);
    ERR_clear_error();
    return ok;
}

static bool is_before(const ASN1_GENERALIZEDTIME *t, int64_t time_ms)
{
    time_t at = (time_t)(time_ms / 1000) + SKEW_S;

    return t && X509_cmp_time(t, &at) < 0;
}

/* The state of one certificate in an answer that is signed. */
static c2pa_ocsp_state state_of(OCSP_BASICRESP *basic, X509 *leaf, X509 *issuer, int64_t time_ms, const char **why)
{
    OCSP_CERTID          *id = OCSP_cert_to_id(NULL, leaf, issuer), *id256 = OCSP_cert_to_id(EVP_sha256(), leaf, issuer);
    ASN1_GENERALIZEDTIME *revoked = NULL, *from = NULL, *until = NULL;
    c2pa_ocsp_state       state = C2PA_OCSP_NONE;
    int                   status = -1, reason = -1;

    *why = "the answer is about another certificate";
    if ((id && OCSP_resp_find_status(basic, id, &status, &reason, &revoked, &from, &until) == 1) ||
        (id256 && OCSP_resp_find_status(basic, id256, &status, &reason, &revoked, &from, &until) == 1)) {
        bool is_then = is_before(from, time_ms) && (!until || !is_before(until, time_ms - 2 * SKEW_S * 1000));
        *why = "the answer is of another time";
        if (status == V_OCSP_CERTSTATUS_REVOKED && reason != OCSP_REVOKED_STATUS_REMOVEFROMCRL) {
            /* Revoked later than it signed: what it signed before stays, but for a stolen key. */
            bool is_late = !is_before(revoked, time_ms) && reason != OCSP_REVOKED_STATUS_KEYCOMPROMISE;
            state = is_late ? C2PA_OCSP_GOOD : C2PA_OCSP_REVOKED;
        } else if (is_then) {
            state = status == V_OCSP_CERTSTATUS_UNKNOWN ? C2PA_OCSP_UNKNOWN : C2PA_OCSP_GOOD;
        }
    }
    OCSP_CERTID_free(id);
    OCSP_CERTID_free(id256);
    ERR_clear_error();
    return state;
}

static c2pa_ocsp_state judge(pl_str der, X509 *leaf, X509 *issuer, int64_t time_ms, const char **why)
{
    const unsigned char *p = (const unsigned char *)der.p;
    OCSP_RESPONSE       *r = der.n > 0 && der.n <= ANSWER_MAX ? d2i_OCSP_RESPONSE(NULL, &p, (long)der.n) : NULL;
    OCSP_BASICRESP      *basic = NULL;
    c2pa_ocsp_state      state = C2PA_OCSP_NONE;

    *why = "not an OCSP answer";
    if (r && OCSP_response_status(r) == OCSP_RESPONSE_STATUS_SUCCESSFUL)
        basic = OCSP_response_get1_basic(r);
    if (basic && !is_signed(basic, issuer, time_ms))
        *why = "the OCSP answer is not signed by the certificate's authority";
    else if (basic)
        state = state_of(basic, leaf, issuer, time_ms, why);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(r);
    ERR_clear_error();
    return state;
}

c2pa_ocsp_state pl_c2pa_ocsp_judge(const pl_str *answers, size_t n, const c2pa_chain *c, const c2pa_trust *trust,
                                   int64_t time_ms, const char **why)
{
    X509           *issuer = issuer_of(c, trust);
    c2pa_ocsp_state best = C2PA_OCSP_NONE;

    *why = "the certificate's authority is not known";
    for (size_t i = 0; issuer && i < n; i++) {
        const char     *w;
        c2pa_ocsp_state s = judge(answers[i], c->certs[0], issuer, time_ms, &w);
        if (i == 0 || s > best) {
            best = s;
            *why = w;
        }
    }
    X509_free(issuer);
    return best;
}
