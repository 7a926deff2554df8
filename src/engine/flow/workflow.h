/* Workflows: the states a filing can be in and the steps between them, as data out of a pack
 * (docs/formats/pack.md, "Workflows").
 *
 * Reading is strict and does the work of a linter: references that lead nowhere, states nobody
 * reaches, words without both languages and numbers without an evidence tag are errors. What is
 * read is immutable; any number of threads may use one. Deciding is pure: facts in, verdict out.
 *
 * A step asks for roles, filled-in forms, attachments, another person than the one before (four
 * eyes), a vote of a committee, a reason. `when`, a condition in the language of engine/rules, is
 * kept for whoever evaluates it and never ignored: a workflow that has one is only read where the
 * caller says that it evaluates them. */
#ifndef PL_ENGINE_FLOW_WORKFLOW_H
#define PL_ENGINE_FLOW_WORKFLOW_H

#include "engine/flow/calendar.h"
#include "engine/flow/reality.h"

#define PL_FLOW_STATES_MAX 64
#define PL_FLOW_STEPS_MAX  128
#define PL_FLOW_LIST_MAX   64

/* A list of names out of the tree. */
typedef struct pl_names {
    const json_t *list; /* array of strings, or NULL */
} pl_names;
size_t pl_names_count(pl_names n);
pl_str pl_names_at(pl_names n, size_t i);
bool   pl_names_has(pl_names n, pl_str name);

typedef struct pl_flow_state {
    pl_str   id, zh, en;
    pl_names edit;       /* roles that may change what was filled in; others may not */
    bool     is_public;  /* shown in the public register */
    bool     is_final;
} pl_flow_state;

typedef struct pl_flow_deadline {
    pl_str         id, zh, en;
    int64_t        n;
    pl_period_unit unit;
    pl_str         from;     /* path of a date in the values; empty: the day of the step */
    int64_t        remind;   /* working days before the due day (calendar days when that is the
                                unit); 0: no reminder */
    pl_str         escalate; /* role that is told when it has passed; empty: nobody */
    pl_str         tag, source;
} pl_flow_deadline;

typedef struct pl_flow_attachment {
    pl_str   id, zh, en;
    int64_t  max_mib;
    pl_names types; /* endings of file names, "pdf"; empty: any */
    pl_names roles; /* who may attach it in any state but a final one; empty: who may edit */
} pl_flow_attachment;

/* A committee votes in a state. Shares are percent of those who voted yes or no. */
typedef struct pl_flow_vote {
    pl_str   state, pass, fail; /* steps a vote opens */
    pl_names roles;
    int64_t  quorum, majority;
} pl_flow_vote;

typedef struct pl_flow_step {
    pl_str   id, zh, en;
    pl_names from;        /* states */
    pl_str   to;
    pl_names roles;       /* who may take it */
    pl_str   action;      /* of the filing statement: "submitted" … */
    pl_str   decision;    /* of a review statement, or empty */
    pl_names forms;       /* must be complete and free of errors */
    pl_names attachments; /* must be there */
    pl_names other_than;  /* four eyes: steps whose last actor may not take this one */
    pl_names starts, ends;/* deadlines */
    pl_str   number;      /* number that is given out */
    pl_str   date;        /* path of a date that must have come */
    bool     needs_note, publishes, reverts, withdraws;
    const json_t *when;   /* condition, or NULL */
} pl_flow_step;

typedef struct pl_workflow {
    json_t *tree; /* owns every text */
    pl_str  id, zh, en, jurisdiction, kind, subject, initial;
    pl_str  title, organisation, region, role, type; /* paths into the values */
    pl_str  calendar;
    pl_names forms;
    pl_names starts; /* deadlines that begin with the filing itself */
    pl_flow_state      states[PL_FLOW_STATES_MAX];
    size_t             state_count;
    pl_flow_step       steps[PL_FLOW_STEPS_MAX];
    size_t             step_count;
    pl_flow_deadline   deadlines[PL_FLOW_LIST_MAX];
    size_t             deadline_count;
    pl_flow_attachment attachments[PL_FLOW_LIST_MAX];
    size_t             attachment_count;
    pl_flow_vote       votes[PL_FLOW_LIST_MAX];
    size_t             vote_count;
    pl_flow_reality    realities[PL_FLOW_REALITY_MAX];
    size_t             reality_count;
    const json_t      *numbers; /* array of trees for pl_number_new */
} pl_workflow;

enum pl_flow_flags { PL_FLOW_WHEN = 1 /* the caller evaluates `when` */ };
/* `where` names the file in errors. */
pl_rc pl_workflow_new(const json_t *tree, const char *where, unsigned flags, pl_workflow **out,
                      pl_error *err);
void  pl_workflow_free(pl_workflow *w); /* NULL-safe */

const pl_flow_state      *pl_flow_state_find(const pl_workflow *w, pl_str id);
const pl_flow_step       *pl_flow_step_find(const pl_workflow *w, pl_str id);
const pl_flow_deadline   *pl_flow_deadline_find(const pl_workflow *w, pl_str id);
const pl_flow_attachment *pl_flow_attachment_find(const pl_workflow *w, pl_str id);
/* The vote of a state, or NULL. */
const pl_flow_vote       *pl_flow_vote_find(const pl_workflow *w, pl_str state);
const json_t             *pl_flow_number_find(const pl_workflow *w, pl_str id);

/* --- deciding --------------------------------------------------------------------------- */

/* What is known of a filing when a step is asked for. */
typedef struct pl_flow_facts {
    pl_str        state;
    pl_str        actor;          /* id of who asks */
    unsigned      role_count;
    const char  **roles;          /* of who asks */
    const json_t *actors;         /* {"STEP": "id of who took it last"} */
    const json_t *attachments;    /* {"SLOT": how many} */
    const json_t *values;         /* {"FORM": {…}} */
    pl_str        vote;           /* step that the vote of this round opened, or empty */
    int64_t       today;          /* day at the workflow's calendar */
    bool          has_note;
} pl_flow_facts;

/* Whether the step may be taken: PL_OK; PL_CONFLICT: not from this state, or its day has not come;
 * PL_DENIED: not by this person; PL_INVALID: something is missing. Forms are the caller's to check,
 * with the form at hand. */
pl_rc pl_flow_step_check(const pl_workflow *w, const pl_flow_step *s, const pl_flow_facts *f,
                         pl_error *err);

typedef struct pl_flow_count {
    int64_t yes, no, abstained, recused;
} pl_flow_count;
/* The step that a count opens: `pass`, `fail`, or empty while the quorum (yes, no and abstained) is
 * not reached. A tie fails. */
pl_str pl_flow_vote_result(const pl_flow_vote *v, const pl_flow_count *c);
#endif
