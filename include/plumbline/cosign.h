/* Cosignatures: what witnesses say about a log's checkpoint, how to ask them, and how many
 * of them make it believable. Pure: bytes in, bytes out.
 *
 * Sources: C2SP tlog-cosignature v1.0.1 (type 0x04, timestamped Ed25519), tlog-witness
 * v1.0.0, tlog-policy, tlog-proof. A cosignature says: at that time this was the largest
 * consistent tree of this origin the witness had seen. It covers the text of the note, not
 * the lines of signatures under it, so lines may be added and removed by anybody.
 */
#ifndef PLUMBLINE_COSIGN_H
#define PLUMBLINE_COSIGN_H

#include <plumbline/log.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- keys and single cosignatures -------------------------------------------------- */

/* The public key of a witness. Its key id is not that of the same key signing notes. */
typedef struct pl_cosigner {
    pl_vkey key;
} pl_cosigner;
/* "name+hex8+base64" with type 0x04. */
PL_API pl_rc pl_cosigner_parse(pl_str vkey, pl_cosigner *out, pl_error *err);
/* Writes the text form with NUL. */
PL_API pl_rc pl_cosigner_format(const pl_cosigner *k, char *buf, size_t cap, pl_error *err);
/* What others need to check what `s` cosigns. */
PL_API pl_rc pl_cosigner_of(const pl_signer *s, pl_cosigner *out, pl_error *err);

/* Cosigns the text of a checkpoint note. The line, with its newline and a NUL, malloc'd.
 * Whether the checkpoint deserves it is the caller's matter: pl_witness_judge. */
PL_API pl_rc pl_cosign(pl_str note, const pl_signer *s, uint64_t time_s, char **line, size_t *n,
                       pl_error *err);

#define PL_COSIGNED_NOT (-1)
/* times[i]: the newest time at which keys[i] cosigned the note, or PL_COSIGNED_NOT. Lines of
 * keys not given are ignored; one bad line of a given key makes the note PL_INVALID. */
PL_API pl_rc pl_cosignatures_open(pl_str note, const pl_cosigner *keys, size_t nkeys,
                                  int64_t *times, pl_error *err);
/* The note with the newest cosignature of k that `lines` (as a witness answers) holds, in
 * place of what the note had of k; malloc'd. PL_NOTFOUND: no line of k. PL_INVALID: one that
 * does not verify. */
PL_API pl_rc pl_cosignature_add(pl_str note, pl_str lines, const pl_cosigner *k, char **out,
                                size_t *n, int64_t *time_s, pl_error *err);

/* --- asking a witness ------------------------------------------------------------------ */

#define PL_WITNESS_BODY_MAX (64u << 10) /* bytes of a request or an answer */

/* The body of POST add-checkpoint. */
typedef struct pl_add_checkpoint {
    uint64_t old_size;
    pl_proof proof; /* consistency of old_size with the checkpoint */
    pl_str   note;
} pl_add_checkpoint;
/* Borrows from body; PL_INVALID for any other spelling. */
PL_API pl_rc pl_add_checkpoint_parse(pl_str body, pl_add_checkpoint *out, pl_error *err);
/* malloc'd; the inverse. */
PL_API pl_rc pl_add_checkpoint_format(const pl_add_checkpoint *r, char **out, size_t *n,
                                      pl_error *err);

/* --- being a witness --------------------------------------------------------------------- */

/* The checkpoint cosigned last for an origin; size 0 and the empty root before the first. */
typedef struct pl_witnessed {
    uint64_t size;
    pl_hash  root;
} pl_witnessed;

/* The answers of the protocol, as HTTP says them. */
typedef enum pl_witness_verdict {
    PL_WITNESS_COSIGN = 200,
    PL_WITNESS_MALFORMED = 400,
    PL_WITNESS_UNSIGNED = 403,    /* no line of a trusted key, or one that fails      */
    PL_WITNESS_UNKNOWN = 404,     /* not an origin this witness watches               */
    PL_WITNESS_STALE = 409,       /* old size is not what was cosigned last           */
    PL_WITNESS_INCONSISTENT = 422 /* not an extension: never cosigned, perhaps proof  */
} pl_witness_verdict;

/* What to do with a request about a log with these keys (all named like the origin), of
 * which `last` was cosigned. *out is filled for every verdict from 409 on and for 200; why,
 * when not NULL, says what is wrong. The answer holds only as long as `last` does: whoever
 * acts on it keeps others from changing `last` meanwhile. */
PL_API pl_witness_verdict pl_witness_judge(const pl_add_checkpoint *r, const pl_vkey *keys,
                                           size_t nkeys, const pl_witnessed *last,
                                           pl_checkpoint *out, pl_error *why);
/* The first line of a note: which log it speaks of. Not yet believed. */
PL_API pl_rc pl_note_origin(pl_str note, pl_str *origin, pl_error *err);

/* --- how many are enough: C2SP tlog-policy ------------------------------------------------- */

#define PL_TRUST_MAX 64 /* logs, witnesses, groups: this many of each */

/* A parsed policy: logs, witnesses, groups of them, and the one that must have cosigned.
 * Immutable. A key may stand in it once: a witness counts once however often it signs. */
typedef struct pl_trust pl_trust;
typedef struct pl_trust_witness {
    char        name[256]; /* the policy's own name for it */
    pl_cosigner key;
} pl_trust_witness;
/* PL_INVALID with the line's number. */
PL_API pl_rc pl_trust_parse(pl_str text, pl_trust **out, pl_error *err);
PL_API void  pl_trust_free(pl_trust *t);
PL_API size_t pl_trust_log_count(const pl_trust *t);
PL_API size_t pl_trust_witness_count(const pl_trust *t);
PL_API const pl_trust_witness *pl_trust_witness_get(const pl_trust *t, size_t i);
PL_API const pl_vkey *pl_trust_log_get(const pl_trust *t, size_t i);

typedef struct pl_trust_verdict {
    int     is_met; /* the quorum, by the cosignatures found */
    size_t  seen;   /* witnesses that have cosigned */
    int64_t time_s[PL_TRUST_MAX]; /* of each witness, or PL_COSIGNED_NOT */
} pl_trust_verdict;
/* Judges the cosignatures of a note (its log signature is pl_checkpoint_open's matter). A
 * line of a known witness that fails makes the note PL_INVALID. */
PL_API pl_rc pl_trust_judge(const pl_trust *t, pl_str note, pl_trust_verdict *out, pl_error *err);

/* --- C2SP tlog-proof ------------------------------------------------------------------------ */

#define PL_TLOG_PROOF_MAX (128u << 10)

typedef struct pl_tlog_proof {
    uint64_t index;
    pl_proof proof;
    pl_str   note; /* the checkpoint, with what cosignatures it has */
} pl_tlog_proof;
/* Borrows from text. A line `extra` is allowed and ignored, as nothing vouches for it. */
PL_API pl_rc pl_tlog_proof_parse(pl_str text, pl_tlog_proof *out, pl_error *err);
/* malloc'd and NUL-terminated. */
PL_API pl_rc pl_tlog_proof_format(const pl_tlog_proof *p, char **out, size_t *n, pl_error *err);

#ifdef __cplusplus
}
#endif
#endif
