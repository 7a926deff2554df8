/* Algorithms behind keys: one row each, so that no other file names one. Not installed. */
#ifndef PL_ENGINE_LOG_KEY_H
#define PL_ENGINE_LOG_KEY_H

#include "base/buf.h"

#include <openssl/types.h>
#include <plumbline/log.h>

typedef struct key_type {
    pl_key_alg alg;
    const char *name;
    pl_str     prefix; /* of the key in its text form: note type and, where there is one, header */
    size_t     pub_n;
    const char *curve; /* group name of OpenSSL; NULL: Ed25519 */
} key_type;

/* NULL when there is no such algorithm. */
const key_type *pl_key_type_get(pl_key_alg alg);
/* The n-th row, NULL after the last. */
const key_type *pl_key_type_at(size_t i);

/* PL_INVALID: no point of the curve. *out is freed with EVP_PKEY_free. */
pl_rc pl_key_public(const key_type *t, const uint8_t *pub, EVP_PKEY **out, pl_error *err);
/* PL_INVALID: not a private key of the curve. pub has room for t->pub_n. */
pl_rc pl_key_private(const key_type *t, const uint8_t secret[32], EVP_PKEY **out, uint8_t *pub,
                     pl_error *err);
pl_rc pl_key_sign(const key_type *t, EVP_PKEY *k, pl_str message, pl_sig *out, pl_error *err);
/* PL_INVALID, without a name in the message, when sig does not verify. */
pl_rc pl_key_verify(const key_type *t, EVP_PKEY *k, pl_str message, pl_str sig, pl_error *err);
/* r || s as DER SEQUENCE { INTEGER, INTEGER }; its length, 0 when memory is out. */
size_t pl_key_rs_to_der(const uint8_t rs[64], uint8_t der[PL_SIG_MAX]);
#endif
