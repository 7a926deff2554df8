/* A multi-label linear classifier over hashed character and word n-grams, int8 weights.
 *
 * Pure inference: training is in cap/text through a library. The MODL section of a policy
 * database and a model file are the same bytes, used in place after the check
 * (docs/formats/model.md).
 *
 * Features of a text, each one occurrence of
 *   - one, two or three neighbouring characters of scripts written without blanks (Han, kana …),
 *   - a word of any other script, a pair of neighbouring words, and
 *   - four neighbouring characters of such a word with its ends;
 * all after pl_text_fold, punctuation and blanks only part words. A feature is hashed to a
 * bucket, a bucket has a row of 16 weights, one per label.
 *
 * Score of a label: raw = sum of the weights of all features, an integer. Its logit is
 * offset + gain · raw / sqrt(number of features), with offset and gain by language (mostly
 * characters or mostly words), and the probability is the logistic function of that. Verdicts
 * compare logits, so they do not depend on the mathematics library.
 */
#ifndef PL_ENGINE_TEXT_MODEL_H
#define PL_ENGINE_TEXT_MODEL_H

#include <plumbline/text.h>

enum {
    PL_MODEL_LABELS_MAX = 16,
    PL_MODEL_NAME_MAX = 47,
    PL_MODEL_BITS_MIN = 4,  /* logarithm of the number of buckets */
    PL_MODEL_BITS_MAX = 17, /* 2 MiB of weights */
    /* Longer texts are judged window by window: a paragraph does not drown in a book. */
    PL_MODEL_WINDOW = 4096
};

/* How the rules of a policy database are named that report a label: "model.harm.fraud", and
 * "model.harm.fraud.uncertain" for what lies in the uncertain band. */
#define PL_MODEL_RULE_PREFIX    "model."
#define PL_MODEL_RULE_UNCERTAIN ".uncertain"

typedef enum pl_model_lang { PL_MODEL_HAN, PL_MODEL_WORDS, PL_MODEL_LANGS } pl_model_lang;

typedef struct pl_model pl_model;

/* `image` must outlive the result. PL_INVALID: malformed or damaged. */
pl_rc  pl_model_open(pl_str image, pl_model **out, pl_error *err);
void   pl_model_free(pl_model *m);
size_t pl_model_label_count(const pl_model *m);
/* Category id of a label, e.g. "attack.jailbreak"; borrowed. */
pl_str pl_model_label(const pl_model *m, size_t label);
unsigned pl_model_bits(const pl_model *m);

/* How one label is judged in one language. */
typedef struct pl_model_scale {
    float gain, offset;
    float yes;       /* at this logit and above: PL_MODEL_YES */
    float uncertain; /* from here to `yes`: PL_MODEL_UNCERTAIN; never above it */
    float yes_fpr, uncertain_fpr; /* false-positive rates the two were chosen for */
} pl_model_scale;
pl_model_scale pl_model_scale_get(const pl_model *m, size_t label, pl_model_lang lang);

typedef enum pl_model_verdict { PL_MODEL_NO, PL_MODEL_UNCERTAIN, PL_MODEL_YES } pl_model_verdict;

typedef struct pl_model_score {
    float            probability; /* calibrated, 0 … 1 */
    float            logit;
    int64_t          raw; /* sum of weights */
    pl_model_verdict verdict;
} pl_model_score;

/* The language and the number of features of a text scored; no feature: nothing can be said,
 * all verdicts are NO. */
typedef struct pl_model_facts {
    uint64_t      features;
    pl_model_lang lang;
} pl_model_facts;

/* Scores all labels of one window in one pass; out has room for the model's labels. Any length
 * is taken, and judged as one window. Deterministic; no memory is allocated. */
pl_model_facts pl_model_run(const pl_model *m, pl_str window, pl_model_score *out);

/* End of the window that begins at `from`: at most PL_MODEL_WINDOW bytes on, behind a line
 * end, full stop or blank where there is one in the last quarter, never inside a character. */
size_t pl_model_window(pl_str text, size_t from);

/* For each label the score of the window where it is highest; facts are of the first window. */
pl_model_facts pl_model_run_windows(const pl_model *m, pl_str text, pl_model_score *out);

/* One feature's share in a label's raw score. The shares of all features add up to it exactly:
 * both are integers. Features that fall into one bucket cannot be told apart and are one. */
typedef struct pl_model_feature {
    uint32_t start, end; /* the first place in the window where it occurs */
    uint32_t count;
    int32_t  share;
} pl_model_feature;
/* The features of a window of at most PL_MODEL_WINDOW bytes with the greatest absolute share,
 * at most max; *total their number before the cut. PL_LIMIT: the window is longer. */
pl_rc pl_model_explain(const pl_model *m, pl_str window, size_t label, pl_model_feature *out,
                       size_t max, size_t *n, size_t *total, pl_error *err);

/* --- training ------------------------------------------------------------------------- */

/* The buckets of a window's features, for whoever learns weights for them. `emit` gets runs. */
typedef void (*pl_model_buckets_fn)(void *ctx, const uint32_t *buckets, size_t n);
pl_model_facts pl_model_features(pl_str window, unsigned bits, pl_model_buckets_fn emit, void *ctx);

typedef struct pl_model_plan {
    size_t         labels;
    unsigned       bits;
    char           name[PL_MODEL_LABELS_MAX][PL_MODEL_NAME_MAX + 1];
    pl_model_scale scale[PL_MODEL_LABELS_MAX][PL_MODEL_LANGS];
    const int8_t  *weights; /* [1 << bits][PL_MODEL_LABELS_MAX], unused labels 0 */
} pl_model_plan;
/* Serialises; *out malloc'd. PL_INVALID: what pl_model_open would refuse. */
pl_rc pl_model_build(const pl_model_plan *p, void **out, size_t *n, pl_error *err);

#endif
