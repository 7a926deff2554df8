/* Reading an envelope without judging it; not installed. */
#ifndef PL_ENGINE_LOG_DSSE_H
#define PL_ENGINE_LOG_DSSE_H

#include "base/json.h"

#include <plumbline/log.h>

/* Type and payload of an envelope, and its JSON in *j (json_decref). What it says is what
 * anybody may have written: nothing is verified. */
pl_rc pl_dsse_read_unverified(pl_str envelope, pl_dsse *out, json_t **j, pl_error *err);
#endif
