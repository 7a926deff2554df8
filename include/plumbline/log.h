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

/* --- keys and notes (C2SP signed-note) -------------------------------------- */

/* An Ed25519 signer. Secret bytes are wiped by pl_signer_free. */
typedef struct pl_signer pl_signer;
/* name: key name (for a log: its origin). seed: 32 bytes. */
PL_API pl_rc pl_signer_new(pl_str name, const uint8_t seed[32], pl_signer **out, pl_error *err);
PL_API void  pl_signer_free(pl_signer *s);
PL_API pl_rc pl_signer_sign(const pl_signer *s, pl_str message, uint8_t sig[64], pl_error *err);
/* "name+hex8+base64": writes at most cap bytes with NUL. */
PL_API pl_rc pl_signer_vkey(const pl_signer *s, char *buf, size_t cap, pl_error *err);

typedef struct pl_vkey {
    char     name[256];
    uint32_t keyid;
    uint8_t  pub[32];
} pl_vkey;
PL_API pl_rc pl_vkey_parse(pl_str text, pl_vkey *out, pl_error *err);
PL_API pl_rc pl_vkey_verify(const pl_vkey *k, pl_str message, const uint8_t sig[64], pl_error *err);
/* hex SHA-256 of the public key: the DSSE keyid we write. cap >= 65. */
PL_API void pl_vkey_fingerprint(const pl_vkey *k, char out[65]);

typedef struct pl_checkpoint {
    char     origin[256];
    uint64_t size;
    pl_hash  root;
} pl_checkpoint;

/* Signed checkpoint note, malloc'd and NUL-terminated in *out. */
PL_API pl_rc pl_checkpoint_sign(const pl_checkpoint *c, const pl_signer *s, char **out, size_t *n,
                                pl_error *err);
/* Parses and verifies against one log key; lines of unknown keys are ignored,
 * a failing line of the known key rejects the note. */
PL_API pl_rc pl_checkpoint_open(pl_str note, const pl_vkey *k, pl_checkpoint *out, pl_error *err);

/* Path of a tile below the log prefix, e.g. "tile/0/x001/067.p/12"; width 0 or
 * 256 means full. level -1 is the entry bundle. cap >= 96. */
PL_API void pl_tile_path(int level, uint64_t n, unsigned width, char *buf, size_t cap);

/* --- DSSE ------------------------------------------------------------------- */

#define PL_DSSE_INTOTO "application/vnd.in-toto+json"

/* Envelope JSON over payload, one Ed25519 signature; malloc'd. */
PL_API pl_rc pl_dsse_sign(pl_str payload_type, pl_str payload, const pl_signer *s, char **out,
                          size_t *n, pl_error *err);
typedef struct pl_dsse {
    char  *payload_type; /* malloc'd, NUL-terminated */
    char  *payload;      /* malloc'd, NUL-terminated */
    size_t payload_n;
    char   keyid[65];    /* the key that verified     */
} pl_dsse;
/* Verifies against any of the keys given. PL_INVALID: malformed or no signature
 * of a known key verifies. */
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
