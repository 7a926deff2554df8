/* Grading: facts about a system, by the law of a day, as packs carry it (engine/rules). */
#ifndef PL_GRADE_H
#define PL_GRADE_H

#include "cap/capability.h"
#include "engine/rules/rules.h"

typedef struct pl_grade_request {
    const json_t      *facts;   /* one flat object; docs/formats/rules.md */
    const char *const *packs;   /* NAME, NAME@VERSION or a path, NULL-ended; NULL or empty: those of
                                 * the fact `jurisdictions` */
    const char        *as_of;   /* YYYY-MM-DD; NULL: the fact `as_of`, else `today` */
    const char        *today;
    const char *const *folders; /* where packs are, NULL-ended */
    bool               quick;   /* bounds of what is possible instead of exact values */
} pl_grade_request;

/* {"as_of","results":[{"pack",…}],"questions":[…]}: docs/formats/rules.md. *undetermined: an axis
 * of some pack is not settled. PL_INVALID: facts that are wrong, with the nearest right thing;
 * PL_NOTFOUND: no such pack. */
pl_rc pl_grade(const pl_grade_request *r, json_t **out, bool *undetermined, pl_error *err);

/* What differs between two results of pl_grade, by position of the pack: array of
 * {"pack","was","changes":[{"what","key","from","to"}]}; empty: nothing. */
pl_rc pl_grade_diff(const json_t *before, const json_t *after, json_t **out, pl_error *err);

extern const pl_capability pl_cap_grade;
#endif
