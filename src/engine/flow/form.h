/* Forms: which fields a filing or a record has, and whether what was filled in is acceptable.
 *
 * A form is data out of a pack (docs/formats/pack.md, "Forms"): a list of fields with type,
 * bounds and wording in Chinese and English, and comparisons between fields. Building compiles
 * it once; judging is a pure function of form and values, reads nothing else, and takes well
 * under a millisecond for the largest form we ship. A form is immutable: any number of threads
 * may judge with one.
 *
 * Checks of identifiers: GB 32100-2015 (unified social credit code), GB 11643-1999 (resident id);
 * both as in engine/text. */
#ifndef PL_ENGINE_FLOW_FORM_H
#define PL_ENGINE_FLOW_FORM_H

#include "base/json.h"

#define PL_FORM_FIELDS_MAX 256
#define PL_FORM_TEXT_MAX   65536 /* characters of one value, unless a field says less */
#define PL_FORM_ROWS_MAX   500   /* rows of a list */

typedef struct pl_form pl_form;

typedef enum pl_field_type {
    PL_FIELD_TEXT,    /* one line                              */
    PL_FIELD_LINES,   /* several lines                         */
    PL_FIELD_INT,     /* whole number                          */
    PL_FIELD_NUMBER,  /* any number                            */
    PL_FIELD_BOOL,
    PL_FIELD_DATE,    /* YYYY-MM-DD                            */
    PL_FIELD_CHOICE,  /* one of `options`                      */
    PL_FIELD_CHOICES, /* some of them                          */
    PL_FIELD_TEXTS,   /* list of texts                         */
    PL_FIELD_RECORD,  /* id of a record of the kind in `record` */
    PL_FIELD_RECORDS, /* list of such ids                      */
    PL_FIELD_LIST     /* list of rows with `fields` of their own */
} pl_field_type;

typedef struct pl_field pl_field;

/* How much must be there. */
typedef enum pl_form_mode {
    PL_FORM_DRAFT,   /* what is missing is let pass */
    PL_FORM_COMPLETE
} pl_form_mode;

/* `tree` is the form as read from its file; it is not kept. Strict: unknown keys, unknown types,
 * fields without both languages and patterns that do not compile are PL_INVALID, naming the
 * field; `where` names the file. */
pl_rc pl_form_new(const json_t *tree, const char *where, pl_form **out, pl_error *err);
void  pl_form_free(pl_form *f); /* NULL-safe */

pl_str pl_form_id(const pl_form *f);
/* The record kinds' forms describe: { "id", "title", "fields": … } as it was read, for clients
 * that draw it. Borrowed. */
const json_t *pl_form_tree(const pl_form *f);

/* Calls back for every field of the first level in order. */
typedef struct pl_field_view {
    pl_str        key, zh, en;
    pl_field_type type;
    pl_str        record; /* kind, for RECORD and RECORDS */
    bool          is_public, is_personal, is_required;
    const json_t *tree;
} pl_field_view;
size_t        pl_form_count(const pl_form *f);
pl_field_view pl_form_field(const pl_form *f, size_t i);

/* Judges `values`, an object. Appends to `problems` one
 *   {"form","field","code","severity":"error|warning","en","zh"}
 * per finding; codes: missing, unknown, type, length, range, pattern, option, check, compare.
 * PL_OK when it ran, whatever it found; PL_NOMEM. */
pl_rc pl_form_check(const pl_form *f, const json_t *values, pl_form_mode mode, json_t *problems,
                    pl_error *err);
/* Whether any finding is an error. */
bool pl_form_has_errors(const json_t *problems);

/* The members of `values` whose fields are public, as a new object. */
json_t *pl_form_public(const pl_form *f, const json_t *values);

/* "member" or "member.member" of an object; NULL when it is not there. */
const json_t *pl_path_get(const json_t *o, pl_str path);
#endif
