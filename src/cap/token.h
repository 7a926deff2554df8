/* Signing keys on PKCS#11 tokens: smart cards, modules, SoftHSM. The secret never leaves. */
#ifndef PL_CAP_TOKEN_H
#define PL_CAP_TOKEN_H

#include <plumbline/log.h>

#define PL_TOKEN_PIN_ENV "PLUMBLINE_TOKEN_PIN"

/* uri (RFC 7512): "pkcs11:token=LABEL;object=LABEL?module-path=/path/to/module.so". The PIN
 * comes from $PLUMBLINE_TOKEN_PIN. The key on the token must be `key`. Calls of one signer
 * take turns. PL_DENIED: no or a wrong PIN. */
pl_rc pl_token_signer(const pl_vkey *key, const char *uri, pl_signer **out, pl_error *err);
/* Makes a key pair on the token (Ed25519 or P-256), as far as the token can. PL_CONFLICT: an
 * object of that name is there. */
pl_rc pl_token_generate(pl_str name, pl_key_alg alg, const char *uri, pl_vkey *out, pl_error *err);
#endif
