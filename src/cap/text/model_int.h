/* Shared by the model_*.c files of this folder: data in, model and figures out.
 *
 * recipe  says which files there are, under which licence, and what their columns mean
 * data    the texts with what is known about them, and which side of the split each is on
 * fit     weights for each label through liblinear, thresholds, the model image
 * measure figures with intervals
 * card    what a model is, as JSON and for people
 */
#ifndef PL_TEXT_MODEL_INT_H
#define PL_TEXT_MODEL_INT_H

#include "base/buf.h"
#include "base/json.h"
#include "cap/cmd.h"
#include "engine/text/model.h"

#define MODEL_FILE   "model.plm"
#define MODEL_RECIPE "recipe.yaml"
#define MODEL_CARD   "card.json"
#define MODEL_PACK   "model-default"

#define MODEL_DATA_MAX     (1u << 30) /* bytes of one data file, unpacked */
#define MODEL_FILE_MAX     (64u << 20) /* of a model, a card, a text to explain */
#define MODEL_EXAMPLES_MAX 4000000u

/* --- model_recipe.c ---------------------------------------------------------------------- */

typedef struct model_recipe {
    json_t  *doc;
    size_t   labels;
    char     label[PL_MODEL_LABELS_MAX][PL_MODEL_NAME_MAX + 1];
    unsigned bits;
    double   yes_fpr, uncertain_fpr, cost; /* cost: liblinear's C */
    char     sha256[65];
} model_recipe;

/* PL_INVALID with file and line for a key nobody knows or a label that is not listed. */
pl_rc model_recipe_open(const char *path, model_recipe **out, pl_error *err);
void  model_recipe_free(model_recipe *r);
/* Index of a label, or -1. */
int model_recipe_label(const model_recipe *r, pl_str name);

/* Whether a set's file has the base name of this path, ".zst" aside. */
bool model_recipe_names(const json_t *set, const char *path);
/* The set a file belongs to: by its name, else the first whose columns the record has. NULL:
 * none. Borrowed. */
const json_t *model_recipe_set(const model_recipe *r, const char *path, const json_t *record);

/* What one record says about its text: bit l of `yes` that label l holds, of `no` that it does
 * not. Neither: nobody knows. */
typedef struct model_row {
    char    *text; /* malloc'd */
    uint32_t yes, no;
    bool     weak;     /* labelled by a word list: good to learn from, not to judge by */
    bool     hard;     /* made to deceive: no threshold is chosen on it */
    char     lang[8];
    uint64_t group;    /* records of one group stay on one side; 0: none */
} model_row;
/* PL_NOTFOUND: the record has no text, or the recipe passes it over. */
pl_rc model_recipe_row(const model_recipe *r, const json_t *set, const json_t *record,
                       model_row *out, pl_error *err);

/* --- model_data.c ------------------------------------------------------------------------ */

typedef struct model_example {
    char    *text;
    uint32_t yes, no;
    uint16_t set;   /* index into the data's set ids, or of the file */
    uint8_t  fold;  /* 0 … 9 */
    bool     weak, hard, han;
    uint64_t group;
} model_example;

typedef struct model_data {
    model_example *e;
    size_t         n, cap;
} model_data;

void  model_data_free(model_data *d);
/* Adds the records of one JSON Lines file, packed or not. set NULL: found by name or columns.
 * PL_INVALID with the line for what is not JSON; PL_NOTFOUND: no set has such columns. */
pl_rc model_data_read(model_data *d, const model_recipe *r, const json_t *set, const char *path,
                      uint16_t id, pl_error *err);
/* Texts that are alike and records of one group get one fold. A family of more than
 * MODEL_FAMILY_MAX texts is never held out: it would be most of what there is of its kind. */
pl_rc model_data_split(model_data *d, pl_error *err);

enum { MODEL_FAMILY_MAX = 100 };
enum { MODEL_FOLDS = 10, MODEL_TEST_FOLDS = 2 }; /* folds 0 and 1 are held out */
static inline bool model_is_held_out(const model_example *e)
{
    return e->fold < MODEL_TEST_FOLDS;
}

/* --- model_fit.c -------------------------------------------------------------------------- */

/* Learns from what is not held out. `progress` counts labels; NULL: nobody watches. */
pl_rc model_fit(const model_recipe *r, const model_data *d, pl_cmd_progress *progress, void **image,
                size_t *n, pl_error *err);

/* --- model_measure.c ----------------------------------------------------------------------- */

typedef struct model_point {
    float logit, probability;
    bool  truth, yes, uncertain;
} model_point;

typedef struct model_figure {
    double value, low, high; /* 95 % interval; NAN: cannot be said */
} model_figure;

typedef struct model_figures {
    size_t       pos, neg;
    model_figure auc, recall_at_1, ece;  /* recall where 1 % of the negatives are found */
    model_figure recall, fpr, uncertain; /* at the model's own threshold; share in the band */
} model_figures;
/* Sorts the points. Intervals by 200 bootstrap rounds of a fixed seed; Wilson's for shares. */
pl_rc model_measure(model_point *p, size_t n, model_figures *out, pl_error *err);

json_t *model_figures_json(const model_figures *f);

typedef struct model_scored {
    pl_model_score score[PL_MODEL_LABELS_MAX];
} model_scored;
/* Rows {"label","lang","pos","neg",…} for every label and language something is known of. */
pl_rc model_results(const pl_model *m, const model_recipe *r, const model_data *d,
                    bool (*use)(const model_example *e, const void *ctx), const void *ctx,
                    json_t **out, pl_error *err);

/* --- model_card.c -------------------------------------------------------------------------- */

/* results: of all that is held out; by_set: the same by set. */
json_t *model_card_make(const model_recipe *r, const model_data *d, pl_str image, json_t *results,
                        json_t *by_set);
/* Markdown in the language. */
void model_card_print(const json_t *card, bool zh, pl_buf *out);
/* Image, card.json, and the card as pages in both languages, into the folder, which is made. */
typedef void (*model_card_fn)(const json_t *card, bool zh, pl_buf *out);
pl_rc model_outputs_write(const char *dir, const char *file, pl_str image, const json_t *card,
                          model_card_fn print, pl_error *err);

/* --- model_open.c -------------------------------------------------------------------------- */

typedef struct model_opened {
    char         *dir; /* its folder */
    char         *image;
    size_t        image_n;
    pl_model     *m;
    model_recipe *r; /* NULL: there is none beside it */
} model_opened;

/* The first operand when it names a model (*used 1), else the default one. */
pl_rc       model_open(pl_cmd_ctx *c, const char *recipe, model_opened *out, int *used, pl_error *err);
void        model_close(model_opened *o);
const char *model_option(pl_cmd_ctx *c, const char *name);
/* Takes o; gives `code`, or that of the failure. */
int model_print_json(pl_cmd_ctx *c, json_t *o, int code);

/* --- model_cmd_*.c ------------------------------------------------------------------------- */

int pl_text_cmd_model_train(pl_cmd_ctx *c);
int pl_text_cmd_model_test(pl_cmd_ctx *c);
int pl_text_cmd_model_card(pl_cmd_ctx *c);
int pl_text_cmd_model_explain(pl_cmd_ctx *c);
extern const pl_opt pl_text_model_train_options[], pl_text_model_test_options[],
    pl_text_model_explain_options[], pl_text_model_card_options[];

#endif
