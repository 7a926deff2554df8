/* Shared by the names_fit*.c files: what is learnt from, and what has been learnt. */
#ifndef PL_TEXT_NAMES_FIT_INT_H
#define PL_TEXT_NAMES_FIT_INT_H

#include "cap/text/names_train.h"

#include <math.h>

#define NAMES_WEIGHT_MAX 4.0f

typedef struct instance {
    size_t   at; /* of its features */
    uint32_t cue, second;
    uint8_t  n;
    bool     truth, natural, unknown, out; /* unknown: it may be a name that nobody marked */
    bool     common; /* natural, and seen so often that it is a word */
} instance;

typedef struct pool {
    instance *i;
    size_t    n, cap;
    uint32_t *feature;
    size_t    features, feature_cap;
    bool      failed;
} pool;

/* Features that were seen often enough have an index; the rest are 0 and weigh nothing. */
typedef struct learner {
    float    *w, *g;   /* by index */
    uint32_t *feature; /* by index */
    uint32_t *count;   /* by index: how often it was seen */
    size_t    n;       /* index 0 is nothing, index n the constant */
} learner;

typedef struct fitter {
    const names_data    *d;
    const names_example *e; /* in work */
    size_t               base;
    uint8_t              classes[NAMES_CLASSES];
    pool                 pool[NAMES_TASKS];
    learner              learner[NAMES_TASKS];
    uint8_t             *pairs, *words, *lower; /* bit sets */
    uint8_t             *zh, *en;
    names_plan           plan;
    size_t               lost; /* weights without a place */
    pl_error            *err;
} fitter;

static inline double names_probability(double logit)
{
    return 1 / (1 + exp(-logit));
}

/* Of an instance whose features are indexes. */
double names_logit(const learner *l, const pool *p, const instance *x);
/* The index of a feature, 0 when it is not learnt. */
uint32_t names_index(const learner *l, uint32_t feature);
void *names_grown(void *p, size_t *cap, size_t need, size_t size, bool *failed);

/* --- names_fit_cues.c: which pairs and words are no cue, which spans can be dismissed early ---- */

pl_rc names_fit_cues(fitter *f, names_fitted *out);

/* --- names_fit_round.c: weights as whole numbers in their tables; calibration ------------------ */

pl_rc names_fit_round(fitter *f);
/* On what is held out for it; `image` reports what is far from sure, too. */
pl_rc names_fit_calibrate(fitter *f, const void *image, size_t n);

#endif
