/* The algorithms, one row each. Apart from key.c, which needs OpenSSL. */
#include "base/banned.h"

#include "engine/log/key.h"

/* SubjectPublicKeyInfo of an uncompressed P-256 point (RFC 5480), up to the point. */
#define P256_SPKI                                                                     \
    "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d" \
    "\x03\x01\x07\x03\x42\x00"

static const key_type types[] = {
    { PL_KEY_ED25519, "ed25519", { "\x01", 1 }, 32, NULL },
    { PL_KEY_P256, "p256", { "\x02" P256_SPKI, 27 }, 65, "prime256v1" },
    { PL_KEY_SM2, "sm2", { "\xff" "plumbline-sm2-sm3-v1", 21 }, 65, "SM2" },
    { PL_KEY_COSIGNER, "cosigner", { "\x04", 1 }, 32, NULL },
};

const key_type *pl_key_type_at(size_t i)
{
    return i < sizeof(types) / sizeof(types[0]) ? &types[i] : NULL;
}

const key_type *pl_key_type_get(pl_key_alg alg)
{
    for (size_t i = 0; pl_key_type_at(i) != NULL; i++)
        if (types[i].alg == alg)
            return &types[i];
    return NULL;
}
