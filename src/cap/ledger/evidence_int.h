/* Shared by the evidence_*.c files of this folder. */
#ifndef PL_LEDGER_EVIDENCE_INT_H
#define PL_LEDGER_EVIDENCE_INT_H

#include "cap/ledger/ledger_int.h"

#include <plumbline/evidence.h>

/* Which entries: any that one of the filters names. Prefixes of subject and type match too
 * when they end in '*'. */
typedef struct evidence_filter {
    const char *indexes; /* "3,7-9", or NULL */
    const char *subject, *type;
} evidence_filter;

/* Indexes chosen by a filter, and key events; rising. */
typedef struct evidence_choice {
    uint64_t *index;
    uint8_t  *is_claim;
    size_t    n, cap, claims;
} evidence_choice;

/* Looks through all published entries. PL_NOTFOUND: the filter names none; PL_INVALID: a bad
 * list or an index beyond the log. */
pl_rc evidence_choose(const char *dir, uint64_t size, const evidence_filter *f,
                      void (*progress)(void *ctx, uint64_t done, uint64_t total), void *ctx,
                      evidence_choice *out, pl_error *err);
void  evidence_choice_done(evidence_choice *c);

/* What was handed to whom: becomes a statement. Strings are borrowed. */
typedef struct evidence_custody {
    uint8_t         sha256[32];
    uint64_t        bytes;
    const uint64_t *entries;
    size_t          n;
    const char     *to, *reason;
    bool            with_payloads;
} evidence_custody;

extern const char *const evidence_custody_keys[]; /* NULL-ended */
/* The predicate without `by` and `time`, which whoever records it adds. */
json_t *evidence_custody_json(const evidence_custody *c);
/* Checks and completes what a client sent, and appends the statement. */
pl_rc evidence_custody_record(pl_ledger *l, const pl_signer *s, const char *service,
                              json_t *predicate, const char *by, int64_t now_ms, uint64_t *index,
                              pl_error *err);

int pl_evidence_cmd_bundle(pl_cmd_ctx *c);
int pl_evidence_cmd_export(pl_cmd_ctx *c);
int pl_evidence_cmd_verify(pl_cmd_ctx *c);
extern const pl_opt pl_evidence_bundle_options[], pl_evidence_export_options[],
    pl_evidence_verify_options[];

/* evidence_bundle.c: enters the record of an entry that a Sigstore bundle needs, unless it is
 * there, and publishes it. */
pl_rc evidence_record_enter(pl_ledger *l, const pl_signer *signer, const char *service,
                            uint64_t entry, uint64_t *index, pl_error *err);

#endif
