/* RFC 3161 time stamps: asking for one, and checking what a time stamp authority answered. Bytes
 * in, verdict out: whoever calls brings the answer from the network or from a file. Not
 * installed. */
#ifndef PL_ENGINE_LOG_TIMESTAMP_H
#define PL_ENGINE_LOG_TIMESTAMP_H

#include "base/buf.h"

#include <stdbool.h>

#define PL_TIMESTAMP_MAX (1u << 20) /* bytes of an answer */

typedef struct timestamp_facts {
    int64_t time_ms;      /* genTime */
    char    signer[256];  /* subject of the signer's certificate */
    bool    is_trusted;   /* its chain leads to one of the roots, at genTime */
} timestamp_facts;

/* A DER TimeStampReq (2.4.1) over the SHA-256 of `message`, with this nonce, asking for the
 * authority's certificate. */
pl_rc pl_timestamp_request(pl_str message, uint64_t nonce, pl_buf *out, pl_error *err);
/* Whether an answer, verified or not, carries this nonce (2.4.2: it must be the request's).
 * PL_INVALID: it does not. */
pl_rc pl_timestamp_answers(pl_str response, uint64_t nonce, pl_error *err);

/* Checks a DER TimeStampResp over `message` (SHA-256, or SM3, as the token says): granted,
 * imprint, signature, EKU timeStamping. PL_CONFLICT: it is for something else. PL_INVALID: it
 * does not hold otherwise. PL_DENIED: this build cannot check time stamps. */
pl_rc pl_timestamp_verify(pl_str response, pl_str message, pl_str roots_pem, timestamp_facts *out,
                          pl_error *err);

#endif
