/* Exchanges under way, where they outlive the worker: a table in a file of its slot. Whoever owns the slot after
 * a worker that died puts an event for each of its exchanges, so that an id that a client was told has a receipt,
 * and the ledger says of which answers nothing is known. docs/formats/gateway-files.md
 * REQ: GUARD/crash-receipt */
#ifndef PL_GUARD_GATE_OPEN_H
#define PL_GUARD_GATE_OPEN_H

#include "cap/guard/pl_gate.h"

#define PL_OPEN_SLOTS 4096 /* more at a time are not noted */

typedef struct open_file open_file;

/* A worker's own: which places are free. */
typedef struct open_table {
    open_file *file; /* NULL: not mapped, nothing is noted */
    uint16_t   free[PL_OPEN_SLOTS];
    size_t     free_n;
} open_table;

/* After the slot was claimed and its rings are mapped: maps the table, puts events for what it holds. Without a
 * file (a full disk) the gate works and notes nothing. */
void gate_open_claim(pl_gate *g, int slot);
/* The worker ends in order: what is still under way leaves its event now. */
void gate_open_release(pl_gate *g);
#endif
