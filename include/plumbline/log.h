/* Verifiable log: Merkle tree, signed notes, checkpoints, DSSE. Pure: bytes in,
 * bytes out; storage lives in cap/ledger.
 *
 * Sources: RFC 6962 §2.1 and RFC 9162 §2.1 (tree, proofs), C2SP signed-note v1.0.0,
 * tlog-checkpoint v1.0.0, tlog-tiles v0.1.0, DSSE v1.0.2, in-toto Statement v1.
 * Sizes and indexes are below 2^63. All functions are safe from any thread on
 * distinct objects.
 */
#ifndef PLUMBLINE_LOG_H
#define PLUMBLINE_LOG_H

#include <plumbline/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pl_hash {
    uint8_t b[32];
} pl_hash;

#define PL_PROOF_MAX      63    /* hashes in any proof                            */
#define PL_LOG_ENTRY_MAX  65535 /* bytes of an entry (tlog-tiles entry bundle)     */
#define PL_TILE_WIDTH     256
#define PL_NOTE_SIGS_MAX  100

/* H(0x00 || entry)  RFC 6962 §2.1 */
PL_API pl_hash pl_merkle_leaf(pl_str entry);
/* H(0x01 || left || right) */
PL_API pl_hash pl_merkle_node(const pl_hash *left, const pl_hash *right);
PL_API int     pl_hash_equal(const pl_hash *a, const pl_hash *b);

/* Compact range: enough to append and to know the root, not to make proofs. */
typedef struct pl_merkle_range {
    uint64_t size;
    pl_hash  node[64]; /* node[l] is valid for each set bit l of size */
} pl_merkle_range;

PL_API void    pl_merkle_range_init(pl_merkle_range *r);
PL_API void    pl_merkle_range_append(pl_merkle_range *r, const pl_hash *leaf);
PL_API pl_hash pl_merkle_range_root(const pl_merkle_range *r);

/* Supplies MTH over [index << height, (index + 1) << height), always complete. */
typedef struct pl_merkle_source {
    pl_rc (*node)(void *ctx, unsigned height, uint64_t index, pl_hash *out, pl_error *err);
    void *ctx;
} pl_merkle_source;

typedef struct pl_proof {
    size_t  n;
    pl_hash h[PL_PROOF_MAX];
} pl_proof;

PL_API pl_rc pl_merkle_root(const pl_merkle_source *s, uint64_t size, pl_hash *out, pl_error *err);
PL_API pl_rc pl_merkle_inclusion(const pl_merkle_source *s, uint64_t index, uint64_t size,
                                 pl_proof *out, pl_error *err);
PL_API pl_rc pl_merkle_consistency(const pl_merkle_source *s, uint64_t old_size, uint64_t size,
                                   pl_proof *out, pl_error *err);
/* PL_OK when the proof holds, PL_INVALID with a reason when it does not. */
PL_API pl_rc pl_merkle_inclusion_verify(uint64_t index, uint64_t size, const pl_hash *leaf,
                                        const pl_proof *p, const pl_hash *root, pl_error *err);
PL_API pl_rc pl_merkle_consistency_verify(uint64_t old_size, uint64_t size, const pl_hash *old_root,
                                          const pl_hash *root, const pl_proof *p, pl_error *err);
/* Inclusion in a small in-memory list (event batches). leaves[count]. */
PL_API pl_rc pl_merkle_inclusion_of(const pl_hash *leaves, size_t count, size_t index,
                                    pl_proof *out, pl_error *err);

/* --- keys (docs/formats/keys.md) --------------------------------------------- */

typedef enum pl_key_alg {
    PL_KEY_ED25519 = 1, /* RFC 8032: public key 32 bytes, signature 64                    */
    PL_KEY_P256,        /* ECDSA P-256 with SHA-256: point 65 bytes, signature in DER      */
    PL_KEY_SM2,         /* SM2 with SM3, GB/T 32918, user id PL_SM2_ID: point 65 bytes,
                           signature r || s, 64 bytes                                      */
    PL_KEY_COSIGNER     /* an Ed25519 key that makes timestamped cosignatures: cosign.h    */
} pl_key_alg;

#define PL_SM2_ID         "1234567812345678" /* the customary user id of GM/T 0009 */
#define PL_KEY_PUB_MAX    65
#define PL_SIG_MAX        72  /* an ECDSA signature of P-256 in DER                */
#define PL_VKEY_TEXT_MAX  400 /* any verifier key as text, with its NUL            */
#define PL_SIGNER_KEYS_MAX 16

/* "ed25519", "p256", "sm2", "cosigner". Static storage. */
PL_API const char *pl_key_alg_name(pl_key_alg alg);
PL_API pl_rc       pl_key_alg_parse(pl_str name, pl_key_alg *out, pl_error *err);

/* A key to verify with. keyid is the C2SP note key id: a hint, four bytes. */
typedef struct pl_vkey {
    char       name[256];
    uint32_t   keyid;
    pl_key_alg alg;
    size_t     pub_n;
    uint8_t    pub[PL_KEY_PUB_MAX];
} pl_vkey;

typedef struct pl_sig {
    size_t  n;
    uint8_t b[PL_SIG_MAX];
} pl_sig;

/* PL_INVALID: a bad name, or bytes that are no public key of the algorithm. */
PL_API pl_rc pl_vkey_make(pl_str name, pl_key_alg alg, pl_str pub, pl_vkey *out, pl_error *err);
/* "name+hex8+base64", one spelling for each key. Keys of witnesses are refused. */
PL_API pl_rc pl_vkey_parse(pl_str text, pl_vkey *out, pl_error *err);
/* Writes at most cap bytes with NUL; PL_VKEY_TEXT_MAX is always enough. */
PL_API pl_rc pl_vkey_format(const pl_vkey *k, char *buf, size_t cap, pl_error *err);
/* PL_INVALID when sig is not the signature of message. */
PL_API pl_rc pl_vkey_verify(const pl_vkey *k, pl_str message, pl_str sig, pl_error *err);
/* Same algorithm and public key, whatever their names. */
PL_API int pl_vkey_equal(const pl_vkey *a, const pl_vkey *b);
/* hex SHA-256 of the public key: the DSSE keyid we write. cap >= 65. */
PL_API void pl_vkey_fingerprint(const pl_vkey *k, char out[65]);

/* What signs: one key, or several that sign everything together. Secret bytes are wiped
 * by pl_signer_free. Ed25519 signatures are reproducible; P-256 and SM2 take their nonce
 * from the crypto library. */
typedef struct pl_signer pl_signer;
/* name: key name (for a log: its origin). seed: 32 bytes of an Ed25519 key. */
PL_API pl_rc pl_signer_new(pl_str name, const uint8_t seed[32], pl_signer **out, pl_error *err);
/* secret: the seed, or the big-endian private scalar. PL_INVALID when it is out of range. */
PL_API pl_rc pl_signer_new_alg(pl_str name, pl_key_alg alg, const uint8_t secret[32],
                               pl_signer **out, pl_error *err);
/* A key whose secret is elsewhere (a token, another process). What `sign` gives is
 * verified before it is used. done (may be NULL) is called with ctx by pl_signer_free, and
 * not when this call fails. */
typedef pl_rc (*pl_sign_fn)(void *ctx, pl_str message, pl_sig *out, pl_error *err);
PL_API pl_rc pl_signer_of(const pl_vkey *key, pl_sign_fn sign, void (*done)(void *ctx), void *ctx,
                          pl_signer **out, pl_error *err);
/* Moves the keys of `more` behind those of s; `more` is freed on PL_OK only. PL_CONFLICT: a
 * key is in both. The first key of a signer is its primary one. */
PL_API pl_rc pl_signer_join(pl_signer *s, pl_signer *more, pl_error *err);
PL_API void  pl_signer_free(pl_signer *s);
PL_API size_t pl_signer_count(const pl_signer *s);
/* Borrowed from the signer; i below the count. */
PL_API const pl_vkey *pl_signer_key(const pl_signer *s, size_t i);
PL_API pl_rc pl_signer_sign(const pl_signer *s, size_t i, pl_str message, pl_sig *out,
                            pl_error *err);
/* Text form of the primary key. */
PL_API pl_rc pl_signer_vkey(const pl_signer *s, char *buf, size_t cap, pl_error *err);

/* --- checkpoints (C2SP signed-note, tlog-checkpoint) -------------------------- */

typedef struct pl_checkpoint {
    char     origin[256];
    uint64_t size;
    pl_hash  root;
} pl_checkpoint;

/* Checkpoint note signed by every key of s, primary key first; malloc'd and
 * NUL-terminated in *out. All keys must bear the origin's name. */
PL_API pl_rc pl_checkpoint_sign(const pl_checkpoint *c, const pl_signer *s, char **out, size_t *n,
                                pl_error *err);
/* Parses and verifies against one log key; lines of unknown keys are ignored,
 * a failing line of the known key rejects the note. */
PL_API pl_rc pl_checkpoint_open(pl_str note, const pl_vkey *k, pl_checkpoint *out, pl_error *err);
/* The same against several keys of one log: one must have signed, none may fail.
 * signed_by (may be NULL) has nkeys flags. */
PL_API pl_rc pl_checkpoint_open_any(pl_str note, const pl_vkey *keys, size_t nkeys,
                                    pl_checkpoint *out, uint8_t *signed_by, pl_error *err);

/* Path of a tile below the log prefix, e.g. "tile/0/x001/067.p/12"; width 0 or
 * 256 means full. level -1 is the entry bundle. cap >= 96. */
PL_API void pl_tile_path(int level, uint64_t n, unsigned width, char *buf, size_t cap);

/* --- DSSE ------------------------------------------------------------------- */

#define PL_DSSE_INTOTO "application/vnd.in-toto+json"

#define PL_DSSE_SIGS_MAX 16

/* Envelope JSON over payload, signed by every key of s in their order; malloc'd. */
PL_API pl_rc pl_dsse_sign(pl_str payload_type, pl_str payload, const pl_signer *s, char **out,
                          size_t *n, pl_error *err);
typedef struct pl_dsse {
    char    *payload_type; /* malloc'd, NUL-terminated */
    char    *payload;      /* malloc'd, NUL-terminated */
    size_t   payload_n;
    char     keyid[65];    /* fingerprint of the first key that verified */
    size_t   nsigners;     /* distinct keys that verified, in the order of their signatures */
    unsigned signer[PL_DSSE_SIGS_MAX]; /* their places in the keys given */
} pl_dsse;
/* Verifies against the keys given. PL_INVALID: malformed; no signature of a known key
 * verifies; or a signature that names a known key as its own fails. */
PL_API pl_rc pl_dsse_open(pl_str envelope, const pl_vkey *keys, size_t nkeys, pl_dsse *out,
                          pl_error *err);
PL_API void  pl_dsse_done(pl_dsse *d);

/* HMAC-SHA256(salt, "plumbline.commit.v1" || 0x00 || payload). Binds a payload
 * without revealing it; destroying the salt makes it noise. */
PL_API pl_hash pl_commit(const uint8_t salt[32], pl_str payload);

#ifdef __cplusplus
}
#endif
#endif
