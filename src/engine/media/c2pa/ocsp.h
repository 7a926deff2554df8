/* Answers about revocation that a manifest brings along (`rVals`, C2PA 2.x 14.6): OCSP responses,
 * RFC 6960. Pure; nothing is fetched. */
#ifndef PL_ENGINE_MEDIA_C2PA_OCSP_H
#define PL_ENGINE_MEDIA_C2PA_OCSP_H

#include "engine/media/c2pa/cert.h"

#define C2PA_OCSP_MAX 8 /* answers that are looked at */

/* In the order of what counts when answers differ. */
typedef enum c2pa_ocsp_state {
    C2PA_OCSP_NONE,    /* no answer that can be relied on: why says why not                 */
    C2PA_OCSP_UNKNOWN, /* the authority does not know the certificate                       */
    C2PA_OCSP_GOOD,    /* not revoked at that time                                          */
    C2PA_OCSP_REVOKED
} c2pa_ocsp_state;

/* About the signer's certificate at a time. Answers must be signed by its authority, which is in
 * the chain or in a trust list. why: static, for C2PA_OCSP_NONE. */
c2pa_ocsp_state pl_c2pa_ocsp_judge(const pl_str *answers, size_t n, const c2pa_chain *c, const c2pa_trust *trust,
                                   int64_t time_ms, const char **why);
#endif
