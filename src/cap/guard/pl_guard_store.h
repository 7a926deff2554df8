/* Stored gateway events and their batches: what receipts and trace read.
 *
 * Tables: guard_event, guard_batch, guard_slot (guard.sql). Views are copied into the
 * arena. Safe on any connection; writes happen only on the daemon's background thread. */
#ifndef PL_GUARD_STORE_H
#define PL_GUARD_STORE_H

#include "base/arena.h"
#include "base/db.h"
#include <plumbline/log.h>

typedef struct pl_stored_event {
    pl_str  id;
    int64_t time_ms;
    pl_str  leaf;      /* exact leaf bytes */
    uint8_t salt[32];
    bool    has_salt;  /* false once erased */
    int64_t batch;     /* guard_batch.id */
    int64_t position;  /* index of the leaf in its batch */
} pl_stored_event;

typedef struct pl_stored_batch {
    int64_t  id;
    int64_t  ledger_index; /* -1 while not in the ledger yet */
    uint64_t count;
    pl_hash  root;             /* RFC 6962 root over the leaves */
    uint8_t  payload[32];      /* SHA-256 of the payload: leaves, each followed by LF */
    pl_str   envelope;         /* DSSE envelope as appended */
} pl_stored_batch;

/* PL_NOTFOUND when unknown. */
pl_rc pl_guard_event_find(pl_db *db, pl_arena *a, pl_str id, pl_stored_event *out, pl_error *err);
pl_rc pl_guard_batch_find(pl_db *db, pl_arena *a, int64_t id, pl_stored_batch *out, pl_error *err);

/* Splits a batch payload into its leaves; each view excludes the LF. *out lives in the arena. */
pl_rc pl_guard_payload_leaves(pl_arena *a, pl_str payload, pl_str **out, size_t *count,
                              pl_error *err);
#endif
