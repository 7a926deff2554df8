/* Traces of generators: the pack "generator-traces" against the fields of a file. */
#ifndef PL_LABEL_TRACES_H
#define PL_LABEL_TRACES_H

#include "base/arena.h"
#include "engine/media/media.h"

#define PL_TRACES_MAX 1024u

typedef struct label_traces label_traces;

/* Immutable once read; shared by threads. folders: as for pl_pack_open. */
pl_rc label_traces_open(const char *const *folders, label_traces **out, pl_error *err);
void  label_traces_close(label_traces *t);

/* One match: strings live as long as the table. */
typedef struct label_trace {
    pl_str id, generator;
    pl_str means; /* "declares", "parameters", "software" */
} label_trace;
/* The first line that fits a field; false when none does. */
bool label_traces_match(const label_traces *t, pl_str key, pl_str value, label_trace *out);

#endif
