/* plumbline-witness: remembers, for every log it was told to watch, the largest head it has
 * cosigned, and cosigns another only when that one extends it.
 *
 * What makes a cosignature worth anything: the new head is on the disk before its
 * cosignature leaves the process, and no other request comes between looking at the old head
 * and storing the new one. One process per folder (lock); safe from any thread.
 * Files: docs/formats/witness.md. Protocol: C2SP tlog-witness v1.0.0. */
#ifndef PL_WITNESS_H
#define PL_WITNESS_H

#include "base/buf.h"

#include <plumbline/cosign.h>

#define PL_WITNESS_LOGS_MAX     256
#define PL_WITNESS_KEYS_MAX     8  /* of one log: rotation overlaps */
#define PL_WITNESS_EVIDENCE_MAX 64 /* files of each kind kept per log */

typedef struct pl_witness pl_witness;

/* Makes a folder with a new key. PL_CONFLICT when it exists. */
pl_rc pl_witness_create(const char *dir, pl_str name, pl_error *err);
/* Watches one more log, or accepts one more key of a log it watches. For use while no
 * process serves the folder: PL_CONFLICT otherwise. */
pl_rc pl_witness_trust(const char *dir, pl_str vkey, pl_error *err);
/* Reads everything and checks it: a witness that does not know for certain what it cosigned
 * must not cosign. PL_CONFLICT: another process has the folder. */
pl_rc pl_witness_open(const char *dir, pl_witness **out, pl_error *err);
void  pl_witness_close(pl_witness *w); /* NULL-safe */

typedef struct pl_witness_answer {
    int         status;
    const char *content_type;
    pl_buf      body;
    char        note[160]; /* for the operator's log; empty when there is nothing to say */
} pl_witness_answer;
void pl_witness_answer_done(pl_witness_answer *a);

/* POST add-checkpoint. */
void pl_witness_ask(pl_witness *w, pl_str body, int64_t now_s, pl_witness_answer *out);
/* GET <hex SHA-256 of the origin>/checkpoint: the head cosigned last. */
void pl_witness_show(pl_witness *w, pl_str hex, pl_witness_answer *out);

/* Own verifier key, borrowed. */
const char *pl_witness_vkey(const pl_witness *w);
/* Calls fn for each log. */
void pl_witness_each(pl_witness *w,
                     void (*fn)(void *ctx, const char *origin, uint64_t size, int64_t time_s),
                     void *ctx);

/* witness_http.c: serves until the process is told to stop. `address` is host:port of this
 * host or unix:PATH. */
typedef struct pl_witness_server pl_witness_server;
pl_rc pl_witness_server_start(pl_witness *w, const char *address, pl_witness_server **out,
                              pl_error *err);
void  pl_witness_server_stop(pl_witness_server *s); /* NULL-safe */

int pl_witness_main(int argc, char **argv);
#endif
