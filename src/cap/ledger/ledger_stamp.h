/* Time stamps (RFC 3161) over checkpoints: docs/formats/ledger.md. A stamp lies in the log's folder
 * as timestamp/SIZE.tsr, the answer of the authority, beside timestamp/SIZE.note, the checkpoint it
 * covers. Only what was verified is kept. */
#ifndef PL_LEDGER_STAMP_H
#define PL_LEDGER_STAMP_H

#include "cap/capability.h"
#include "cap/ledger/ledger_int.h"
#include "engine/log/timestamp.h"

#define STAMP_FOLDER "timestamp"

typedef struct stamp_source {
    const char *url;
    pl_str      roots; /* PEM certificates it must lead to, or empty */
    long        timeout_ms;
    bool        is_witnessed; /* prefer the head that a quorum has cosigned */
} stamp_source;

typedef struct stamp_facts {
    uint64_t size; /* of the log it dates */
    int64_t  time_ms;
    char     signer[256];
} stamp_facts;

/* Has the published head dated and keeps the answer. PL_CONFLICT: that head is dated already.
 * PL_NOTFOUND: the log is empty. PL_IO: no answer came, or none that holds. Needs no open log and
 * no lock: a file is named by its size and written whole. */
pl_rc pl_stamp_make(const char *dir, const pl_vkey *keys, size_t nkeys, const stamp_source *from,
                    stamp_facts *out, pl_error *err);

/* Sizes that have a stamp, rising; malloc'd. A log without any has none. */
pl_rc pl_stamp_list(const char *dir, uint64_t **sizes, size_t *n, pl_error *err);
/* Note and answer of a stamp, malloc'd, unverified. */
pl_rc pl_stamp_read(const char *dir, uint64_t size, char **note, char **response, size_t *n,
                    pl_error *err);
/* Checks an answer over a note. */
pl_rc pl_stamp_check(pl_str note, pl_str response, pl_str roots, timestamp_facts *out,
                     pl_error *err);

/* A dated head, with the time stamp that says so. */
typedef struct stamp_head {
    pl_checkpoint head;
    char         *note, *response; /* malloc'd */
    size_t        n;               /* bytes of the response */
    int64_t       time_ms;
} stamp_head;
/* For a package of entries up to index `last`, key events included: the earliest head that holds
 * them, was signed by `key` and has a stamp that holds; it says most about when. PL_NOTFOUND:
 * none up to `size`. */
pl_rc pl_stamp_find(const char *dir, const pl_vkey *key, uint64_t last, uint64_t size,
                    stamp_head *out, pl_error *err);

/* --- ledger_stamp_run.c: a thread of the daemon -------------------------------------------- */

/* No authority configured: *out is NULL. */
pl_rc pl_stamp_desk_start(const pl_services *s, pl_stamp_desk **out, pl_error *err);
void  pl_stamp_desk_stop(pl_stamp_desk *d); /* NULL-safe; waits for a call in hand */
void  pl_stamp_desk_health(pl_stamp_desk *d, int64_t now_ms, json_t *problems);
void  pl_stamp_desk_metrics(pl_stamp_desk *d, pl_buf *out);
#endif
