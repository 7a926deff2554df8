/* Filing and reality: rows of a workflow (`reality`, docs/formats/pack.md) that say which observation belongs
 * to which fields that were filed, and how they have to agree.
 *
 * An observation is what the installation itself has seen: which models answered, how many keywords the
 * policy in force has. Their names are one list, here; capabilities give the values (capability.h,
 * `observe`). Judging is a pure function of row, values and observations; whatever one of them
 * lacks makes the row undetermined, never a match. Any number of threads. */
#ifndef PL_ENGINE_FLOW_REALITY_H
#define PL_ENGINE_FLOW_REALITY_H

#include "base/json.h"

#define PL_FLOW_REALITY_MAX 16 /* rows of a workflow */

/* Something that can be observed. A list holds texts. */
typedef struct pl_observable {
    const char *id; /* "gateway.models" */
    bool        is_list;
    const char *zh, *en;
} pl_observable;
const pl_observable *pl_observable_find(pl_str id); /* NULL: there is none of that name */
const pl_observable *pl_observable_each(size_t i);  /* NULL after the last */

typedef enum pl_reality_is {
    PL_REALITY_WITHIN,   /* lists: everything seen is among what was filed   */
    PL_REALITY_WITHOUT,  /* lists: nothing of `values` was seen              */
    PL_REALITY_AT_LEAST, /* numbers: seen is not less than filed             */
    PL_REALITY_AT_MOST,
    PL_REALITY_EQUAL
} pl_reality_is;

typedef struct pl_flow_reality {
    pl_str               id, zh, en;
    const pl_observable *seen;
    pl_reality_is        is;
    const json_t        *filed;  /* array of paths FORM.FIELD; NULL with WITHOUT */
    const json_t        *values; /* of WITHOUT */
} pl_flow_reality;

/* Reads one row. PL_INVALID, and err->text says why, without place. */
pl_rc pl_reality_read(const json_t *o, pl_flow_reality *out, pl_error *err);

/* Judges it. `values`: {"FORM": {…}} as filed; `observed`: {"gateway.models": […], "policy.keywords": n}, where a
 * missing member is something that nobody observes. A new object, or NULL without memory:
 *   {"id","zh","en","observed","is","state","filed","seen","reason":{"zh","en"}}, with "others" (seen, but not
 * filed) where is "within" or "without". state: "match", "drift", "undetermined". */
json_t *pl_reality_judge(const pl_flow_reality *r, const json_t *values, const json_t *observed);
#endif
