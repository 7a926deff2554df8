/* Certificates of C2PA signers: the profile they must meet (C2PA 2.x 14.5.1) and the lists that
 * say whom to trust (14.4). Two questions, kept apart: a certificate may be in order and unknown.
 */
#ifndef PL_ENGINE_MEDIA_C2PA_CERT_H
#define PL_ENGINE_MEDIA_C2PA_CERT_H

#include <plumbline/base.h>
#include <openssl/types.h>
#include <stdbool.h>

#define C2PA_TRUST_LISTS_MAX 8
#define C2PA_TRUST_CERTS_MAX 1000 /* of one list */

/* A list of certificates somebody trusts: as PEM, with comments and other text around them. */
typedef struct c2pa_trust_list {
    pl_str name;       /* what reports call it */
    pl_str pem;
    bool   is_allowed; /* the signers' own certificates, not authorities above them */
} c2pa_trust_list;

typedef struct c2pa_trust {
    c2pa_trust_list lists[C2PA_TRUST_LISTS_MAX];
    size_t          n;
    pl_str          ekus;  /* further purposes that are accepted: OIDs, one a line, // comments */
} c2pa_trust;

/* A signer's chain, read from DER. */
typedef struct c2pa_chain {
    X509   *certs[8]; /* the signer's first */
    size_t  n;
} c2pa_chain;
pl_rc pl_c2pa_chain_read(const pl_str *der, size_t n, c2pa_chain *out, pl_error *err);
void  pl_c2pa_chain_done(c2pa_chain *c);

/* The profile, but for validity in time. PL_INVALID names the first rule that is broken. */
pl_rc pl_c2pa_cert_check(const c2pa_chain *c, const c2pa_trust *trust, pl_error *err);
/* Whether the signer's certificate was valid at that time. */
bool  pl_c2pa_cert_is_valid_at(const X509 *x, int64_t time_ms);
/* The first list that vouches for the signer at that time; NULL: none does. */
const c2pa_trust_list *pl_c2pa_trust_find(const c2pa_trust *trust, const c2pa_chain *c,
                                          int64_t time_ms);

/* What can be said of a certificate, as text. */
typedef struct c2pa_cert_facts {
    char subject[256];   /* RFC 2253 */
    char organisation[128], common_name[128];
    char issuer[256];
    char serial[64];     /* decimal, as the reference tools print it; hex when too long */
    char sha256[65];
    char not_before[25], not_after[25]; /* "2026-11-22T12:34:56.000Z" */
} c2pa_cert_facts;
void pl_c2pa_cert_describe(X509 *x, c2pa_cert_facts *out);
#endif
