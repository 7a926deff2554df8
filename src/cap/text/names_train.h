/* Shared by the names_*.c files of this folder: learning the model of engine/text/names.h.
 *
 * grammar  texts made from rules, with what they say about themselves
 * recipe   which data there are, and the texts in them
 * fit      weights, sets of pairs and words that are no cue, calibration, the image
 * measure  figures on what is held out
 * card     what the model is, as JSON and for people
 */
#ifndef PL_TEXT_NAMES_TRAIN_H
#define PL_TEXT_NAMES_TRAIN_H

#include "base/buf.h"
#include "base/json.h"
#include "cap/cmd.h"
#include "engine/text/names_int.h"

#define NAMES_FILE     "names.pln"
#define NAMES_TEXT_MAX (64u << 20)

/* A sequence of numbers from a seed; the same everywhere. */
typedef struct names_random {
    uint64_t state;
} names_random;
uint32_t names_random_below(names_random *r, uint32_t n);

typedef struct names_gold {
    uint32_t start, end; /* bytes */
    bool     is_address;
} names_gold;

typedef enum names_use {
    NAMES_LEARN,     /* its spans are all there are                              */
    NAMES_NATURAL,   /* spans are known to be right, others may be missing       */
    NAMES_CALIBRATE, /* held out from learning, used to calibrate                */
    NAMES_HELD_OUT,  /* measured on                                              */
} names_use;

typedef struct names_example {
    char       *text; /* malloc'd */
    size_t      n;
    names_gold *gold; /* malloc'd, ordered */
    unsigned    golds;
    uint16_t    set;
    uint8_t     use;
    bool        is_natural;
    bool        learn_name, learn_address; /* what it has labels for */
} names_example;

typedef struct names_data {
    names_example *e;
    size_t         n, cap;
} names_data;

void  names_data_free(names_data *d);
/* Takes over text and gold, also when it fails. */
pl_rc names_data_add(names_data *d, const names_example *e, pl_error *err);

/* --- names_grammar.c ------------------------------------------------------------------------ */

typedef struct names_grammar names_grammar;
/* Files of rules (docs/formats/names.md); PL_INVALID with file and line. */
pl_rc names_grammar_new(const char *const *paths, size_t n, names_grammar **out, pl_error *err);
void  names_grammar_free(names_grammar *g);
/* One text that `rule` makes. PL_NOTFOUND: no such rule. */
pl_rc names_grammar_make(const names_grammar *g, const char *rule, names_random *r,
                         names_example *out, pl_error *err);
/* The items of a list; *n 0 when there is none. Borrowed. */
const pl_str *names_grammar_list(const names_grammar *g, const char *rule, size_t *n);

/* --- names_recipe.c ------------------------------------------------------------------------- */

typedef struct names_recipe {
    json_t *doc;
    char   *path;
    char    sha256[65];
} names_recipe;

/* Whether a recipe is one of names: `kind: names`. */
bool names_recipe_is(const char *path);
pl_rc names_recipe_open(const char *path, names_recipe **out, pl_error *err);
void  names_recipe_free(names_recipe *r);
/* All texts of the recipe, those that are made first; ids of sets are indexes into "made", then
 * "sets". */
pl_rc names_recipe_read(const names_recipe *r, const char *data, names_data *d, pl_error *err);
pl_rc names_recipe_classes(const names_recipe *r, uint8_t *classes, pl_error *err);
/* The grammar of one element of "made". */
pl_rc names_recipe_grammar(const names_recipe *r, const json_t *files, names_grammar **out,
                           pl_error *err);

/* --- names_set.c ------------------------------------------------------------------------------ */

bool names_set_is_natural(const json_t *set);
/* names_use of what has that key. */
int names_set_use(const json_t *set, uint64_t key);
/* Adds the records of one set; `data` is the folder of its file. */
pl_rc names_set_read(const names_recipe *r, const json_t *set, uint16_t id, const char *data,
                     names_data *d, pl_error *err);

/* --- names_fit.c ------------------------------------------------------------------------------ */

typedef struct names_fitted {
    void  *image;
    size_t n;
    size_t spans, tokens;  /* learnt from */
    size_t features, lost; /* learnt; of them without a place in the tables */
    size_t pairs, words;   /* that are no cue */
} names_fitted;
pl_rc names_fit(const names_recipe *r, const names_data *d, names_fitted *out, pl_error *err);

/* --- names_measure.c -------------------------------------------------------------------------- */

/* Rows {"set","kind","texts","items","precision","recall","f1",…} of what is held out; a finding
 * is right when both ends agree. Intervals by 400 bootstrap rounds over texts. */
pl_rc names_measure(const pl_names *m, const names_recipe *r, const names_data *d, json_t **out,
                    pl_error *err);

/* --- names_card.c ----------------------------------------------------------------------------- */

json_t *names_card_make(const names_recipe *r, const names_data *d, const names_fitted *f,
                        json_t *results);
void    names_card_print(const json_t *card, bool zh, pl_buf *out);
/* Rows of names_measure as a table. */
void names_results_print(const json_t *rows, bool zh, pl_buf *out);

/* --- names_cmd.c ------------------------------------------------------------------------------ */

/* `plumbline model train` for a recipe of names. */
int names_cmd_train(pl_cmd_ctx *c);
/* Whether an operand names a pack or folder with a model of names, and `plumbline model card` for it. */
bool names_cmd_has(const char *arg);
int  names_cmd_card(pl_cmd_ctx *c);
/* `plumbline model test` of such a model: what its recipe says of files of these names is measured. */
int names_cmd_test(pl_cmd_ctx *c);

#endif
