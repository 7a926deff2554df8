/* What a file says about its origin, and what a propagating platform must make of it.
 *
 * REQ: CN-labelling-measures/6  three states and their order; "nothing found" is inconclusive
 * REQ: GB45438-2025/6.1(c)      exactly one implicit label a file
 */
#ifndef PL_LABEL_INSPECT_H
#define PL_LABEL_INSPECT_H

#include "base/json.h"
#include "cap/label/label_int.h"
#include "cap/label/listen.h"
#include "cap/label/sidecar.h"
#include "cap/label/traces.h"
#include "engine/media/aigc.h"
#include "engine/media/c2pa/c2pa.h"
#include "engine/media/securitydata.h"

#define LABEL_SITES_MAX  64u
#define LABEL_TRACES_MAX 64u

/* One place where a label was found. */
typedef struct label_site {
    const char        *carrier;
    pl_str             value;    /* as it stands there */
    const char        *position; /* of a visible label: "start", "end"; NULL otherwise */
    bool               is_visible, is_outside, is_older;
    pl_aigc_report     aigc;     /* not of visible ones */
    pl_security_report producer, propagator;
    const label_problem *visible_problem; /* NULL: conforms */
} label_site;

typedef struct label_hit {
    const char *carrier;
    pl_str      key, value;
    label_trace trace;
} label_hit;

typedef struct label_inspection {
    pl_media_format format;
    pl_media_state  state;
    pl_media       *media;     /* owned; what views point into */
    pl_arena       *arena;     /* owned */
    label_site      site[LABEL_SITES_MAX];
    size_t          sites, in_force; /* in_force: implicit labels that count */
    label_hit       hit[LABEL_TRACES_MAX];
    size_t          hits;
    size_t          manifests;    /* C2PA stores in the file */
    const c2pa_report *c2pa;      /* NULL: none, or not looked into (quick) */
    const char     *verdict;      /* "generated", "possible", "suspected", "inconclusive" */
    const char     *rule;
    const label_site *strongest;  /* the implicit label the verdict rests on; NULL: none */
} label_inspection;

typedef struct label_inspect_how {
    bool                quick;    /* metadata only: nothing is hashed */
    bool                declared; /* the uploader says that it is generated (Art. 6, item 2) */
    const label_heard  *heard;    /* what was heard in it; NULL: nobody listened */
    const label_sidecar *beside;  /* what stands beside the file; NULL: nothing */
    const label_traces *traces;   /* NULL: not looked for */
    const c2pa_trust   *trust;    /* NULL: not asked */
    pl_str              tsa_roots;
    const pl_vkey      *pinned;   /* SM2 keys whose owner is known */
    size_t              npinned;
    int64_t             now_ms;
} label_inspect_how;

/* io and how->beside must outlive the result. A broken file is a result, not an error. */
pl_rc label_inspect(const pl_media_io *io, const char *name, const label_inspect_how *how,
                    label_inspection *out, pl_error *err);
void  label_inspection_done(label_inspection *i);
/* What does not go together: static texts. */
#define LABEL_CONFLICTS_MAX 3
typedef struct label_conflict {
    const char *code, *en, *zh;
} label_conflict;
size_t label_conflicts(const label_inspection *i, label_conflict out[LABEL_CONFLICTS_MAX]);
/* Exit code of design §5. */
int   label_inspection_exit(const label_inspection *i);
bool  label_site_conforms(const label_site *s);
/* `inspect --json`. */
json_t *label_inspection_json(const label_inspection *i, const char *file);
/* Each deviation with its clause: `label lint --json`. */
json_t *label_lint_json(const label_inspection *i, const char *file);
/* The rule in words. Static storage. */
const char *label_rule_text(const char *rule, bool zh);

#endif
