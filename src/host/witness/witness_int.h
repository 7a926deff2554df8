/* Shared by the files of this folder only. */
#ifndef PL_WITNESS_INT_H
#define PL_WITNESS_INT_H

#include "host/witness/witness.h"

#include <pthread.h>
#include <stdbool.h>

typedef struct watched_log {
    char        *dir; /* logs/<hex> */
    char         hex[65];
    size_t       nkeys;
    pl_vkey      keys[PL_WITNESS_KEYS_MAX];
    pl_witnessed last;
    int64_t      time_s; /* of the last cosignature, PL_COSIGNED_NOT before the first */
    char        *note;   /* as it lies on the disk; NULL before the first */
    size_t       note_n;
    bool         is_stuck; /* a write failed: what is on the disk is not known */
} watched_log;

struct pl_witness {
    char           *dir;
    int             lock_fd;
    pl_signer      *signer;
    pl_cosigner     key;
    char            vkey[512];
    pthread_mutex_t lock; /* over all logs: a request looks and stores under it */
    size_t          nlogs;
    watched_log    *logs;
};

/* --- witness_store.c --------------------------------------------------------------------- */

void pl_witness_hex(pl_str origin, char out[65]);
pl_rc pl_witness_key_load(pl_witness *w, pl_error *err);
/* Loads keys and head of logs/<hex>. */
pl_rc pl_watched_load(const pl_witness *w, const char *hex, watched_log *out, pl_error *err);
void  pl_watched_done(watched_log *l);
/* Makes `note` (taken over) the head of the log: durable when it returns PL_OK. After any
 * failure the log is stuck. */
pl_rc pl_watched_store(watched_log *l, const pl_checkpoint *c, char *note, size_t n,
                       int64_t time_s, pl_error *err);
/* Keeps a request whose checkpoint the log signed and which does not fit what was cosigned.
 * A second time, or when enough are kept, nothing happens. */
void pl_watched_keep_evidence(const watched_log *l, const pl_checkpoint *c,
                              const pl_add_checkpoint *r);
#endif
