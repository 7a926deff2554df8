/* Nobody but the key's owner makes a message that verifies: the fuzzer has the public key only. */
#include "engine/media/c2pa/cose.h"
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static EVP_PKEY *keys[3];
    pl_arena        *a = pl_arena_new(64u << 20);
    cose_sign1       c;

    if (!keys[0]) {
        keys[0] = EVP_EC_gen("P-256");
        keys[1] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        keys[2] = EVP_RSA_gen(2048);
    }
    if (pl_cose_parse((pl_str){ (const char *)data, size }, a, &c, NULL) == PL_OK)
        for (size_t i = 0; i < 3; i++)
            if (pl_cose_verify(&c, keys[i], PL_STR("payload"), NULL) == PL_OK)
                abort();
    pl_arena_free(a);
    return 0;
}
