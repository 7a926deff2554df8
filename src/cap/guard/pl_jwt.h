/* Claims of a JSON Web Token (RFC 7519) that was verified: who asks, and whether they are a minor.
 * Verification is libjwt's; what is ours is which algorithm a key may be used with, so that a token
 * cannot choose (RFC 8725, 3.1). Pure: key and time are passed in. Any thread. */
#ifndef PL_GUARD_PL_JWT_H
#define PL_GUARD_PL_JWT_H

#include "base/buf.h"

#define PL_JWT_MAX     8192  /* bytes of a token */
#define PL_JWT_KEY_MAX 16384 /* bytes of a key file */

/* key: a public key in PEM (RS256, ES256 and their longer kin) or, when it is no PEM, a secret
 * of at least 32 bytes (HS256, HS384, HS512). Appends the claim: a string as it is, a number or a
 * boolean as JSON writes it. exp and nbf are checked. PL_DENIED: the token is not to be trusted;
 * PL_NOTFOUND: it is, and has no such claim. */
pl_rc pl_jwt_claim(pl_str key, pl_str token, const char *claim, int64_t now_ms, pl_buf *out);
#endif
