/* Evidence packages: one file with statements, their proofs, the checkpoint they are proved
 * against, cosignatures, time stamps, keys and payloads, that a stranger can check with
 * nothing else. Format: docs/formats/evidence-package.md.
 *
 * Pure: bytes in, verdict out. A check answers four questions separately: is it intact, who
 * signed it, when was it there at the latest, which witnesses have seen the log.
 */
#ifndef PLUMBLINE_EVIDENCE_H
#define PLUMBLINE_EVIDENCE_H

#include <plumbline/cosign.h>
#include <plumbline/log.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PL_EVIDENCE_MAX         (512u << 20) /* bytes of a package       */
#define PL_EVIDENCE_ENTRIES_MAX 65536u
#define PL_EVIDENCE_FILES_MAX   (4 * PL_EVIDENCE_ENTRIES_MAX)

/* --- checking ----------------------------------------------------------------------- */

typedef struct pl_evidence_check {
    const pl_vkey  *key;       /* the log's key, from elsewhere; NULL: the package's own */
    const pl_trust *trust;     /* whose cosignatures count; NULL: what the package names */
    pl_str          tsa_roots; /* PEM certificates that time stamps must lead to         */
} pl_evidence_check;

/* *ok: everything the package claims holds. *report: JSON of `evidence verify --json`,
 * malloc'd, with an explanation of every step in English and Chinese. PL_OK when the check
 * ran, whatever it found; PL_INVALID or PL_LIMIT: not an evidence package. */
PL_API pl_rc pl_evidence_verify(pl_str package, const pl_evidence_check *how, int *ok,
                                char **report, pl_error *err);

/* The bytes of a payload, borrowed from the package. PL_NOTFOUND. What is in a package counts only
 * after pl_evidence_verify has said so. */
PL_API pl_rc pl_evidence_payload(pl_str package, const uint8_t sha256[32], pl_str *out, pl_error *err);

enum pl_evidence_flags { PL_EVIDENCE_ZH = 1, PL_EVIDENCE_COLOR = 2 };
/* A report as people read it, malloc'd and NUL-terminated. */
PL_API pl_rc pl_evidence_explain(pl_str report, unsigned flags, char **text, pl_error *err);

/* --- making -------------------------------------------------------------------------- */

typedef struct pl_evidence_builder pl_evidence_builder;

/* What the whole package says about itself. Strings are copied. */
typedef struct pl_evidence_facts {
    pl_str  vkey;    /* the log's key, text form           */
    pl_str  note;    /* the checkpoint, with cosignatures   */
    pl_str  trust;   /* trust policy, or empty              */
    pl_str  to, reason; /* whom it is for, and why          */
    int64_t now_ms;
} pl_evidence_facts;

PL_API pl_rc pl_evidence_builder_new(const pl_evidence_facts *f, pl_evidence_builder **out,
                                     pl_error *err);
PL_API void  pl_evidence_builder_free(pl_evidence_builder *b);

typedef enum pl_evidence_role {
    PL_EVIDENCE_CLAIM, /* what the package is about                     */
    PL_EVIDENCE_KEY    /* a key event needed to judge the signatures    */
} pl_evidence_role;
/* Entries in rising order of index. The bytes and the proof are copied. */
PL_API pl_rc pl_evidence_builder_entry(pl_evidence_builder *b, uint64_t index, pl_evidence_role role,
                                       pl_str entry, const pl_proof *proof, pl_error *err);
/* A payload the last entry binds by digest. */
PL_API pl_rc pl_evidence_builder_payload(pl_evidence_builder *b, pl_str bytes, pl_error *err);
/* Opens a salted commitment of the last entry: whoever has the package can see the payload. */
PL_API pl_rc pl_evidence_builder_opening(pl_evidence_builder *b, const uint8_t salt[32],
                                         pl_str bytes, pl_error *err);
/* An RFC 3161 answer over pl_evidence_stamped of the checkpoint. */
PL_API pl_rc pl_evidence_builder_timestamp(pl_evidence_builder *b, pl_str response, pl_error *err);
/* The package, malloc'd; the same facts and entries give the same bytes. */
PL_API pl_rc pl_evidence_builder_finish(pl_evidence_builder *b, void **out, size_t *n,
                                        pl_error *err);

/* What a time stamp of a checkpoint covers: its text, the blank line and the first line of
 * signatures. Borrowed from the note; PL_INVALID when it has no such line. */
PL_API pl_rc pl_evidence_stamped(pl_str note, pl_str *out, pl_error *err);

#ifdef __cplusplus
}
#endif
#endif
