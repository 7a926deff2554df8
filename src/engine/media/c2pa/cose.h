/* COSE_Sign1 (RFC 9052) with a certificate chain (RFC 9360), as C2PA 2.x 13.2 profiles it:
 * detached payload, algorithm and x5chain in headers, ECDSA signatures as r || s.
 *
 * Pure: keys are OpenSSL's, time stamps and trust are other files' matter (stamp.h, cert.h).
 * Parsed messages live in the arena and point into the parsed bytes.
 */
#ifndef PL_ENGINE_MEDIA_C2PA_COSE_H
#define PL_ENGINE_MEDIA_C2PA_COSE_H

#include "engine/media/c2pa/cbor.h"

#include <openssl/types.h>

#define COSE_CHAIN_MAX 8
#define COSE_SIG_MAX   1024 /* RSA of 8192 bits */

enum { COSE_ES256 = -7, COSE_EDDSA = -8 }; /* those of RFC 9053 that callers name */

typedef struct cose_sign1 {
    pl_str           protected_bytes; /* what is signed of the headers */
    const cbor_item *protected_map, *unprotected;
    int64_t          alg;
    pl_str           chain[COSE_CHAIN_MAX]; /* DER, the signer's first */
    size_t           chain_n;
    bool             is_chain_protected;
    pl_str           signature;
} cose_sign1;

/* A COSE_Sign1, tagged (18) or not, with a nil or empty payload. PL_INVALID: anything else, or no
 * algorithm. A message without certificates has chain_n 0. */
pl_rc pl_cose_parse(pl_str bytes, pl_arena *a, cose_sign1 *out, pl_error *err);

/* "ES256" …; NULL: none of the algorithms C2PA 13.2.1 allows. */
const char *pl_cose_alg_name(int64_t alg);
/* 0 when the name is unknown; 0 is no algorithm. */
int64_t pl_cose_alg_of(const char *name);
/* The algorithm a key signs with when nobody chose one: ES256/384/512 by curve, PS256, EdDSA;
 * 0: no key C2PA allows (other curves, RSA under 2048 bits, SM2). */
int64_t pl_cose_alg_for_key(EVP_PKEY *key);

/* Sig_structure (RFC 9052 4.4) with that context: "Signature1", "CounterSignature". */
void pl_cose_to_be_signed(pl_buf *b, const char *context, pl_str protected_bytes, pl_str payload);
/* PL_INVALID: the signature is not of this payload by this key. PL_NOTFOUND: the algorithm is not
 * one of ours, or not one of this key. */
pl_rc pl_cose_verify(const cose_sign1 *c, EVP_PKEY *key, pl_str payload, pl_error *err);

/* Makes signatures. `sign` gets the Sig_structure and writes a COSE signature (ECDSA: r || s). */
typedef struct cose_signer {
    int64_t alg;
    pl_str  chain[COSE_CHAIN_MAX]; /* DER, the signer's first */
    size_t  chain_n;
    size_t  sig_n; /* bytes of every signature it makes */
    void   *ctx;
    pl_rc (*sign)(void *ctx, pl_str message, uint8_t *sig, pl_error *err);
} cose_signer;

/* The protected header of a signer: { 1: alg, 33: x5chain }. */
void pl_cose_protected(pl_buf *b, const cose_signer *s);
/* Signs with a private key in memory, for cose_signer.sign: ctx is a cose_key. */
typedef struct cose_key {
    EVP_PKEY *key;
    int64_t   alg;
} cose_key;
pl_rc  pl_cose_key_sign(void *ctx, pl_str message, uint8_t *sig, pl_error *err);
/* An ECDSA signature in DER as r || s, each of half bytes. */
bool   pl_cose_rs_of_der(pl_str der, size_t half, uint8_t *out);
size_t pl_cose_sig_size(EVP_PKEY *key, int64_t alg);
#endif
