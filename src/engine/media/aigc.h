/* The implicit label of GB 45438-2025 annex E: one JSON object of seven string members.
 *
 *   {"Label":"1","ContentProducer":…,"ProduceID":…,"ReservedCode1":…,
 *    "ContentPropagator":…,"PropagateID":…,"ReservedCode2":…}
 *
 * read takes it as it is found in files, in every spelling that is known to occur, and says
 * what deviates from the standard and from which clause; format writes the one spelling that
 * conforms. Pure; results live in the arena given.
 *
 * REQ: GB45438-2025/6.1(a)  five elements  REQ: GB45438-2025/6.1(c)  one label per file
 * REQ: GB45438-2025/E       members, their order and characters, first propagation fields
 */
#ifndef PL_ENGINE_MEDIA_AIGC_H
#define PL_ENGINE_MEDIA_AIGC_H

#include "base/arena.h"
#include "base/buf.h"
#include <stdbool.h>

typedef enum pl_aigc_member {
    PL_AIGC_LABEL,
    PL_AIGC_PRODUCER,
    PL_AIGC_PRODUCE_ID,
    PL_AIGC_RESERVED1,
    PL_AIGC_PROPAGATOR,
    PL_AIGC_PROPAGATE_ID,
    PL_AIGC_RESERVED2,
    PL_AIGC_MEMBERS
} pl_aigc_member;

/* "Label", "ContentProducer" … Static storage. */
const char *pl_aigc_member_name(pl_aigc_member m);

#define PL_AIGC_ID_MAX       256u         /* bytes we write; no source gives a maximum */
#define PL_AIGC_RESERVED_MAX (16u << 10)
#define PL_AIGC_VALUE_MAX    (64u << 10)  /* of the whole label */
#define PL_AIGC_READ_MAX     (1u << 20)   /* longer ones are not read */

typedef struct pl_aigc {
    pl_str   m[PL_AIGC_MEMBERS]; /* decoded; empty when absent */
    unsigned present;            /* bit i: member i was there   */
} pl_aigc;

typedef enum pl_aigc_severity { PL_AIGC_NOTE, PL_AIGC_WARNING, PL_AIGC_ERROR } pl_aigc_severity;

/* One deviation. Everything is static storage but `detail`, which lives in the arena. */
typedef struct pl_aigc_problem {
    const char      *code;   /* "label.member-missing" … */
    const char      *clause; /* "GB 45438-2025 6.1 a)" … */
    pl_aigc_severity severity;
    const char      *en, *zh;
    const char      *detail; /* the member or value meant; "" when none */
} pl_aigc_problem;

#define PL_AIGC_PROBLEMS_MAX 32u

typedef struct pl_aigc_report {
    pl_aigc         label;
    bool            readable; /* an object with at least one known member was there */
    bool            wrapped;  /* {"AIGC":{…}} */
    bool            empty;    /* the carrier was there, its value was not: an empty shell */
    size_t          n;
    pl_aigc_problem problem[PL_AIGC_PROBLEMS_MAX];
} pl_aigc_report;

/* PL_NOMEM alone is a failure; what is wrong with the label stands in the report. */
pl_rc pl_aigc_read(pl_str text, pl_arena *a, pl_aigc_report *out, pl_error *err);
/* No problem of severity ERROR. */
bool  pl_aigc_conforms(const pl_aigc_report *r);
/* Adds one more problem (of the carrier, of the file); dropped when the list is full. */
void  pl_aigc_problem_add(pl_aigc_report *r, const pl_aigc_problem *p);
/* The known problem of that code, to add. */
const pl_aigc_problem *pl_aigc_problem_of(const char *code);

/* '1', '2', '3' for generated, possible, suspected; 0 when the label does not say. */
int pl_aigc_state(const pl_aigc *l);

/* The canonical bytes, bare: no blanks, order above, all seven members. */
void pl_aigc_format(const pl_aigc *l, pl_buf *out);
/* PL_INVALID: what we would not write. Producer and content number are wanted for state "1"
 * only: no source says who the producer of content is that a platform only suspects. */
pl_rc pl_aigc_check(const pl_aigc *l, pl_error *err);

/* TC260-PG-20252A: 27 characters; the credit code inside with its check character (GB 32100).
 * why: static English text when it is not one. */
bool pl_provider_code_check(pl_str code, const char **why);

/* What a platform that passes a file on writes (labelling measures Art. 6): the producer's
 * members as they are (state given by old; NULL: a new label with `state` '2' or '3' and
 * without producer), its own as propagator. REQ: CN-labelling-measures/6 */
void pl_aigc_propagate(const pl_aigc *old, int state, pl_str platform, pl_str id, pl_aigc *out);

#endif
