/* Evidence packages for other capabilities: what `evidence export` does, as a call. */
#ifndef PL_EVIDENCE_MAKE_H
#define PL_EVIDENCE_MAKE_H

#include "cap/ledger/pl_ledger.h"

typedef struct pl_evidence_ask {
    const uint64_t *entries; /* indexes, rising */
    size_t          n;
    const char     *to, *reason; /* enter the ledger: no names of persons */
    const char     *by;          /* id of who hands it out */
    const char     *service;     /* the instance's */
    int64_t         now_ms;
} pl_evidence_ask;

/* Publishes the ledger, packs the entries with their proofs, the key events and every payload they
 * bind by `payload_sha256` or `sha256` and that is still there, checks the package, and records in
 * the ledger that it was handed out. *package is malloc'd. PL_LIMIT: more than a package holds. */
pl_rc pl_evidence_make(pl_ledger *l, const pl_signer *s, const pl_evidence_ask *ask, void **package,
                       size_t *n, pl_error *err);
#endif
