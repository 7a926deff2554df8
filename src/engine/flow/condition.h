/* Conditions of steps (`when`): expressions of engine/rules over what was filled in
 * (docs/formats/pack.md, "Workflows"). The fields of the workflow's forms are the facts, FORM.FIELD;
 * three-valued, so that a step whose condition hangs on an empty field is neither allowed nor said
 * to be wrong, but undetermined. Immutable once made; any number of threads. */
#ifndef PL_ENGINE_FLOW_CONDITION_H
#define PL_ENGINE_FLOW_CONDITION_H

#include "engine/flow/form.h"
#include "engine/flow/workflow.h"

typedef struct pl_conditions pl_conditions;

/* forms in any order, `n` of them. *out is NULL when no step has a condition. PL_INVALID with file,
 * place and, for a name that is no field, the nearest one that is. */
pl_rc pl_conditions_new(const pl_workflow *w, const pl_form *const *forms, size_t n, const char *where,
                        pl_conditions **out, pl_error *err);
void  pl_conditions_free(pl_conditions *c); /* NULL-safe */

/* Does the condition of a step hold on a day (a number of days since 1970, as pl_calendar_day gives it)? c may be NULL. PL_OK; PL_CONFLICT: it
 * does not; PL_INVALID: undetermined, and the message names the fields that are missing. */
pl_rc pl_conditions_check(const pl_conditions *c, const pl_flow_step *s, const json_t *values, int64_t today,
                          pl_error *err);
#endif
