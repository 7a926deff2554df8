/* RFC 3161 time stamps: checking what a time stamp authority answered. Not installed. */
#ifndef PL_ENGINE_LOG_TIMESTAMP_H
#define PL_ENGINE_LOG_TIMESTAMP_H

#include <plumbline/base.h>
#include <stdbool.h>

typedef struct timestamp_facts {
    int64_t time_ms;      /* genTime */
    char    signer[256];  /* subject of the signer's certificate */
    bool    is_trusted;   /* its chain leads to one of the roots, at genTime */
} timestamp_facts;

/* Checks a DER TimeStampResp over `message` (SHA-256, or SM3, as the token says): granted,
 * imprint, signature, EKU timeStamping. PL_CONFLICT: it is for something else. PL_INVALID: it
 * does not hold otherwise. PL_DENIED: this build cannot check time stamps. */
pl_rc pl_timestamp_verify(pl_str response, pl_str message, pl_str roots_pem, timestamp_facts *out,
                          pl_error *err);
#endif
