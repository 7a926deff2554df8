/* Law as data: facts in, grades, duties and reasons out. Pure: no clock, no files.
 *
 * A book is a set of compiled packs that share one vocabulary of facts; it is immutable once
 * every pack is in and may then be read by any number of threads. Conditions are three-valued
 * (Kleene's strong logic): an absent fact is unknown, never false. Grammar and file formats:
 * docs/formats/rules.md.
 *
 * Times are seconds since 1970-01-01 UTC; a date is its midnight. Numbers are doubles in the
 * unit that the vocabulary names. */
#ifndef PL_ENGINE_RULES_H
#define PL_ENGINE_RULES_H

#include "base/json.h"

#define PL_RULES_FACTS_MAX  512u  /* facts of one book                     */
#define PL_RULES_VALUES_MAX 64u   /* values of one enumeration             */
#define PL_RULES_PACKS_MAX  128u
#define PL_RULES_ARENA_MAX  (256u << 20)
#define PL_RULES_EXPR_MAX   4096u /* bytes of one expression               */
#define PL_RULES_DEPTH_MAX  48    /* levels of one expression              */
#define PL_RULES_BUDGET     20000u /* evaluations spent on what is possible, per axis */

/* --- packs ---------------------------------------------------------------------------- */

typedef struct pl_rules_file {
    const char *name; /* as messages call it */
    pl_str      text; /* YAML; empty: the pack has no such file */
} pl_rules_file;

/* Everything is borrowed for the call only. */
typedef struct pl_rules_source {
    const char        *id, *version, *jurisdiction, *legal_weight, *digest;
    const char        *evidence;    /* tag of rules that name none; NULL: they must */
    const char        *title_en, *title_zh;
    const char        *from, *to;   /* window of the pack, days inclusive; to NULL: open */
    const char *const *depends;     /* "id" or "id@version", NULL-ended; must be in the book */
    pl_rules_file      facts, rules, obligations;
} pl_rules_source;

typedef struct pl_rules_book pl_rules_book;

/* What is not wrong but strange: for linters. line 0: not known. */
typedef void (*pl_rules_note)(void *ctx, const char *file, int line, const char *message);

pl_rules_book *pl_rules_book_new(void); /* NULL: out of memory */
void           pl_rules_book_free(pl_rules_book *b);
/* Compiles a pack into the book. PL_INVALID with file, line, column and, for a name that is
 * not known, the nearest one that is. After a failure the book is good for nothing but
 * freeing. `note` may be NULL. */
pl_rc pl_rules_book_add(pl_rules_book *b, const pl_rules_source *s, pl_rules_note note, void *ctx,
                        pl_error *err);
size_t pl_rules_pack_count(const pl_rules_book *b);
/* "id@version" of a pack. -1 from find: not there; version NULL: the one added last. */
const char *pl_rules_pack_ref(const pl_rules_book *b, size_t pack);
const char *pl_rules_pack_title(const pl_rules_book *b, size_t pack, bool zh);
const char *pl_rules_pack_jurisdiction(const pl_rules_book *b, size_t pack);
bool        pl_rules_pack_has_rules(const pl_rules_book *b, size_t pack);
int         pl_rules_pack_find(const pl_rules_book *b, const char *id, const char *version);

/* --- vocabulary ------------------------------------------------------------------------- */

typedef enum pl_fact_type {
    PL_FACT_BOOL, PL_FACT_NUMBER, PL_FACT_DATE, /* date, or a time where the fact says so */
    PL_FACT_TEXT,    /* one of `values`, or any text when open */
    PL_FACT_LIST,    /* a set of those */
    PL_FACT_NUMBERS, /* several numbers */
    PL_FACT_MAP      /* text to one of `values` */
} pl_fact_type;

typedef struct pl_fact {
    const char   *key;
    pl_fact_type  type;
    const char   *unit; /* NULL: none */
    const char  **values;
    size_t        value_count;
    bool          is_open, is_time, is_integer;
    double        min, max;
    const char   *question[2], *help[2]; /* zh, en; help may be NULL */
    const char  **labels[2];             /* of values; NULL or, per value, NULL: the value itself */
} pl_fact;

size_t         pl_rules_fact_count(const pl_rules_book *b);
const pl_fact *pl_rules_fact(const pl_rules_book *b, size_t slot);
int            pl_rules_fact_find(const pl_rules_book *b, pl_str key); /* -1 */
/* The nearest known key, or NULL when nothing is near. */
const char    *pl_rules_fact_near(const pl_rules_book *b, pl_str key);

/* --- facts -------------------------------------------------------------------------------- */

typedef struct pl_rules_facts pl_rules_facts;

/* A flat JSON object. PL_INVALID: an unknown key (with the nearest known one), a value outside
 * of its type, range or unit, or facts that contradict each other. null is absent. Borrows
 * `facts`, which must outlive *out. Numbers may carry their unit as text: "1e25 FLOP". */
pl_rc pl_rules_facts_new(const pl_rules_book *b, const json_t *facts, pl_rules_facts **out,
                         pl_error *err);
void  pl_rules_facts_free(pl_rules_facts *f);
/* Text of a person as the JSON value of a fact: "yes", "1e25", "a, b". */
pl_rc pl_rules_fact_parse(const pl_rules_book *b, size_t slot, pl_str text, json_t **out,
                          pl_error *err);
/* Facts from JSON text; integers of any size are numbers. */
pl_rc pl_rules_json(pl_str text, const char *where, json_t **out, pl_error *err);

/* --- grading -------------------------------------------------------------------------------- */

/* "YYYY-MM-DD" to seconds. */
pl_rc pl_rules_day(pl_str s, int64_t *out, pl_error *err);

enum pl_rules_flags {
    PL_RULES_TRACE = 1,   /* every rule that fired, with the facts it used */
    PL_RULES_MISSING = 2, /* exact possible grades and missing facts (else only their bounds) */
};

/* Grades by one pack at a day: the object of docs/formats/rules.md ("results"), without
 * "pack". *undetermined: an axis is not settled. */
pl_rc pl_rules_grade(const pl_rules_book *b, size_t pack, const pl_rules_facts *f, int64_t as_of,
                     unsigned flags, json_t **out, bool *undetermined, pl_error *err);
/* The same in memory of the caller, for very many systems: values of axes only, as indices
 * into the axis, -1 not settled, -2 not evaluated. `out` holds pl_rules_axis_count. */
size_t      pl_rules_axis_count(const pl_rules_book *b, size_t pack);
const char *pl_rules_axis_name(const pl_rules_book *b, size_t pack, size_t axis);
const char *pl_rules_axis_value(const pl_rules_book *b, size_t pack, size_t axis, int value);
pl_rc pl_rules_grade_fast(const pl_rules_book *b, size_t pack, const pl_rules_facts *f,
                          int64_t as_of, int *out, pl_error *err);

/* --- one expression, for tests and tools ------------------------------------------------------ */

/* Compiles (into the book) and evaluates against its vocabulary: true, false, null when unknown, a
 * number, a date as text. PL_INVALID with "where:1:column". */
pl_rc pl_rules_expr(pl_rules_book *b, pl_str text, const pl_rules_facts *f, int64_t as_of,
                    json_t **out, pl_error *err);
#endif
