/* A multi-label linear classifier over hashed character and word n-grams, int8 weights.
 *
 * Pure inference: training is in cap/text through a library. The MODL section of a policy database
 * and a model file are the same bytes, used in place after the check. For each label the model
 * holds a calibration (score to probability), a threshold chosen for a stated false-positive rate,
 * and the lower edge of its uncertain band.
 */
#ifndef PL_ENGINE_TEXT_MODEL_H
#define PL_ENGINE_TEXT_MODEL_H

#include <plumbline/text.h>

enum { PL_MODEL_LABELS_MAX = 32 };

typedef struct pl_model pl_model;

pl_rc  pl_model_open(pl_str image, pl_model **out, pl_error *err);
void   pl_model_free(pl_model *m);
size_t pl_model_label_count(const pl_model *m);
/* Category id of a label, e.g. "attack.jailbreak"; borrowed. */
pl_str pl_model_label(const pl_model *m, size_t label);

typedef enum pl_model_verdict { PL_MODEL_NO, PL_MODEL_UNCERTAIN, PL_MODEL_YES } pl_model_verdict;

typedef struct pl_model_score {
    float            probability; /* calibrated, 0 … 1 */
    float            raw;         /* sum of weights + bias */
    pl_model_verdict verdict;
} pl_model_score;

/* Scores all labels in one pass; out has room for the model's labels. Deterministic. */
void pl_model_run(const pl_model *m, pl_str text, pl_model_score *out);

/* One feature's share in a label's raw score; the shares and the bias add up to it exactly. */
typedef struct pl_model_feature {
    uint32_t start, end; /* one place in the text where it occurs */
    uint32_t count;
    float    share;
} pl_model_feature;
/* The features with the greatest absolute share, at most max; gives their number. */
size_t pl_model_explain(const pl_model *m, pl_str text, size_t label, pl_model_feature *out,
                        size_t max);

#endif
