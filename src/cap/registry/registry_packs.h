/* What the packs say: kinds of records, workflows with their forms, calendars. A snapshot is
 * immutable and counted; whoever takes one gives it back. */
#ifndef PL_REGISTRY_PACKS_H
#define PL_REGISTRY_PACKS_H

#include "engine/flow/condition.h"
#include "engine/flow/number.h"
#include "engine/flow/workflow.h"

#include <stdatomic.h>

#define REGISTRY_KINDS_MAX     64
#define REGISTRY_FLOWS_MAX     128
#define REGISTRY_CALENDARS_MAX 32

typedef struct registry_flow {
    char         pack[140]; /* id@version */
    char         weight[24];/* legal weight */
    pl_workflow *w;
    pl_form     *forms[PL_FLOW_LIST_MAX]; /* in the order of w->forms */
    pl_conditions *when; /* of steps; NULL: there are none */
} registry_flow;

typedef struct registry_calendar {
    char         id[65];
    char         pack[140];
    pl_calendar *c;
} registry_calendar;

typedef struct registry_packs {
    atomic_uint       refs;
    pl_form          *kinds[REGISTRY_KINDS_MAX];
    char              kind_pack[REGISTRY_KINDS_MAX][140];
    size_t            kind_count;
    registry_flow     flows[REGISTRY_FLOWS_MAX];
    size_t            flow_count;
    registry_calendar calendars[REGISTRY_CALENDARS_MAX];
    size_t            calendar_count;
    json_t           *problems; /* packs that were left out, and why */
} registry_packs;

/* Reads every pack below the folders (NULL-ended) that has records/, workflows/ or calendar.yaml. A
 * pack in an earlier folder hides the same id and version in a later one. A broken pack is left
 * out and named in `problems`. */
pl_rc registry_packs_load(const char *const *folders, registry_packs **out, pl_error *err);
void  registry_packs_unref(registry_packs *p); /* NULL-safe */

/* The snapshot of this process: set at start and by tick; take one reference per request. */
void            registry_packs_set(registry_packs *p); /* takes the reference over */
registry_packs *registry_packs_take(void);             /* NULL before it was set */
/* Loads the packs of an instance directory (may be NULL) and of the data directory. */
pl_rc registry_packs_use(const char *instance_dir, pl_error *err);
/* Does so again when a folder of packs has changed. */
pl_rc registry_packs_refresh(const char *instance_dir, pl_error *err);

const pl_form *registry_kind_find(const registry_packs *p, pl_str kind);
/* pack empty: the one of the highest version. NULL: not there. */
const registry_flow *registry_flow_find(const registry_packs *p, pl_str workflow, pl_str pack);
const pl_form       *registry_flow_form(const registry_flow *f, pl_str id);
/* By the id a workflow names; NULL: not installed. */
const pl_calendar   *registry_calendar_find(const registry_packs *p, pl_str id);
#endif
