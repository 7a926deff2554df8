/* Trace: from a saved answer back to the request that produced it.
 *
 * The index is HMAC-SHA256(index.key, NFC(text without label and trailing blanks));
 * the ledger holds a salted commitment of the same text inside the event. A hit is
 * proved by recomputing the commitment and verifying event → batch → checkpoint. */
#ifndef PL_TRACE_H
#define PL_TRACE_H

#include "cap/capability.h"

extern const pl_capability pl_cap_trace;
#endif
