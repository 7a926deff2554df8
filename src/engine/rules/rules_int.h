/* Shared by the files of this folder only. */
#ifndef PL_RULES_INT_H
#define PL_RULES_INT_H

#include "base/arena.h"
#include "base/str.h"
#include "engine/rules/rules.h"

#define SLOT_WORDS (PL_RULES_FACTS_MAX / 64)
#define DAY_S      86400LL
#define FIELD_NONE 63 /* bit of a field for: no rule fired and there is no default */
#define NEVER      INT64_MAX /* the date `never` */
#define PATTERN_MARK "like "

typedef enum tri { FALSE_, TRUE_, UNKNOWN_ } tri;

/* Units are indices: these, then what vocabularies declare. */
enum { UNIT_NONE, UNIT_PERCENT, UNIT_HOURS, UNIT_DAYS, UNIT_MONTHS, UNIT_YEARS, UNIT_OWN };
#define UNITS_MAX 64

/* --- facts ---------------------------------------------------------------------------- */

typedef struct fact {
    pl_fact  pub;
    int      unit;
    uint64_t mentioned; /* values that some expression names */
    uint64_t patterns;  /* values that stand for a pattern: PATTERN_MARK and the pattern */
} fact;

/* A value given, or tried while looking for what is possible. */
typedef struct slot {
    bool          known, has_time;
    int           value;  /* bool, or index of a text; -1: a text nobody mentions */
    double        num;
    int64_t       time;
    uint64_t      yes, no; /* list and map: members that are in, out; the rest is unknown */
    size_t        count;   /* list: how many, with those nobody mentions */
    const double *nums;
    size_t        nnums;
} slot;

struct pl_rules_facts {
    const pl_rules_book *book;
    const json_t        *json;
    slot                *slots;
    double              *numbers; /* behind nums */
};

typedef struct slotset {
    uint64_t w[SLOT_WORDS];
} slotset;

/* --- expressions ------------------------------------------------------------------------ */

typedef enum kind { K_BOOL, K_NUM, K_DATE, K_TEXT, K_SET, K_NUMS } kind;

typedef enum op {
    OP_BOOL, OP_NUM, OP_DATE, OP_TEXT, /* constants */
    OP_ASOF, OP_FACT,                  /* of any type; kind says which */
    OP_IN,                             /* fact (text) is one of mask */
    OP_ANY, OP_ALL,                    /* fact (list, map) meets mask, holds all of mask */
    OP_LIKE,                           /* fact (open text) matches a pattern of mask */
    OP_RESULT, OP_RESULT_IN, OP_RESULT_ANY, OP_RESULT_ALL,
    OP_LET, OP_FIRED, OP_KNOWN,
    OP_NOT, OP_AND, OP_OR, OP_AT_LEAST, OP_IF,
    OP_LT, OP_LE, OP_GT, OP_GE, OP_EQ, OP_NE, /* numbers or dates */
    OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_MIN, OP_MAX, OP_ROUND, OP_FLOOR, OP_CEIL,
    OP_COUNT, OP_SUM, OP_MEAN, OP_LEAST, OP_MOST, OP_REST,
    OP_DATE_ADD, OP_DATE_DIFF
} op;

typedef struct field field;
typedef struct let   let;
typedef struct rule  rule;
typedef struct node  node;

struct node {
    op       op;
    kind     kind;
    int      unit;
    int      slot;   /* OP_FACT, OP_IN, OP_ANY, OP_ALL, OP_KNOWN, OP_COUNT … on a fact */
    uint64_t mask;
    double   num;
    int64_t  time;
    const char *text;
    field   *field;
    let     *let;
    rule    *rule;
    node   **kids;
    size_t   nkids;
};

typedef struct value {
    bool        known;
    int         truth; /* bool */
    double      num;
    int64_t     time;
    bool        has_time;
    const char *text;
} value;

struct let {
    const char *name;
    node       *expr;
    size_t      index; /* of its memo */
    bool        used, has_facts;
    slotset     facts;
    int         mark;
    bool        is_read; /* while facts are put in order */
    unsigned    height;
};

/* --- packs -------------------------------------------------------------------------------- */

typedef enum field_type {
    F_GRADE, F_SET, F_FLAG, F_TEXT, F_NUMBER, F_DATE, F_LIST, F_MAP
} field_type;
typedef enum combine { C_FIRST, C_MIN, C_MAX } combine;

/* One rule's say about a field. */
typedef struct entry {
    rule       *rule;
    int         value; /* grade, set: index */
    const char *key;   /* map */
    const node *each;  /* map, instead of key: every member of a list that is `like` this */
    const char *text;  /* text, list */
    node       *expr;  /* number, date, map */
} entry;

struct field {
    const char  *name;
    field_type   type;
    bool         is_axis;
    combine      combine;
    const char **values;
    size_t       nvalues;
    int          dflt;      /* grade: index; -1 */
    const char  *dflt_text; /* text */
    int          unit;
    bool         by_value; /* entries are sorted by `precedence` */
    entry       *entries;  /* in the order that decides */
    size_t       nentries;
    size_t       index; /* of its memo */
    struct pack *pack;
    int          mark; /* while looking for circles */
};

typedef struct obligation {
    const char *id, *title[2], *theme, *evidence;
    const char **cite;
    size_t      ncite;
    node       *from, *to;
    bool        used;
} obligation;

typedef struct emission {
    obligation *ob;
    node       *from; /* of the rule; NULL: of the obligation */
} emission;

struct rule {
    const char  *id, *evidence, *note;
    node        *when;
    const char **cite, **basis;
    size_t       ncite, nbasis;
    emission    *emits;
    size_t       nemits;
    slotset      facts; /* what `when` reads, through definitions and results as well */
    bool         has_facts;
    size_t       index; /* of its memo */
    int          mark;
    unsigned     height;
};

typedef struct pack {
    const char  *id, *version, *ref, *jurisdiction, *weight, *digest, *evidence;
    const char  *title[2], *from_text, *to_text;
    int64_t      from, to;
    bool         has_rules;
    struct pack **depends;
    size_t       ndepends;
    field       *fields;
    size_t       nfields;
    let         *lets;
    size_t       nlets;
    rule        *rules;
    size_t       nrules;
    obligation  *obligations;
    size_t       nobligations;
    uint16_t    *order; /* facts as the rules are read: the order of questions */
    size_t       norder;
} pack;

typedef struct contradiction {
    node       *when;
    const char *say[2];
} contradiction;

typedef struct comparison {
    node   *n;
    slotset facts;
} comparison;

#define HEIGHT_MAX 128 /* levels of an expression with what it refers to, results apart */

struct pl_rules_book {
    pl_arena      *arena;
    fact          *facts; /* PL_RULES_FACTS_MAX */
    size_t         nfacts;
    uint16_t      *hash; /* of fact keys: index + 1 */
    const char    *units[UNITS_MAX];
    size_t         nunits;
    pack          *packs[PL_RULES_PACKS_MAX];
    size_t         npacks;
    contradiction *contradictions[256];
    size_t         ncontradictions;
    struct comparison *compares; /* of numbers or dates: every one */
    size_t         ncompares, capcompares, nread;
    size_t         nmemos;
};

/* --- building (rules_vocab.c, rules_parse.c, rules_compile.c) -------------------------------- */

/* Notes what new comparisons read; results must be free of circles. */
void   book_comparisons(pl_rules_book *b);
void  *book_alloc(pl_rules_book *b, size_t n);
char  *book_dup(pl_rules_book *b, pl_str s);
/* Nearest of n names, or NULL. */
const char *nearest(pl_str want, const char *const *names, size_t n);
int    unit_find(const pl_rules_book *b, pl_str s); /* -1 */
int    fact_value(const fact *f, pl_str s);          /* -1 */
/* The patterns of the fact that s matches (rules_like.c). */
uint64_t fact_patterns(const fact *f, pl_str s);
/* Whether a part of s matches that begins where s does or after a space or a full stop, and ends
 * where s does or before a bracket: "5" matches "Art 5(1)". `*` is any run of bytes; letters match
 * in either case. Patterns have at most 64 bytes and s at most 128. */
bool     like(pl_str pattern, pl_str s);

/* What one pack is compiled from. */
typedef struct compiler {
    pl_rules_book       *book;
    pack                *pack;
    const pl_rules_file *file; /* the one that is read */
    pl_rules_note        note;
    void                *ctx;
    pl_error            *err;
} compiler;

/* rules_yaml.c: reading a tree. Views are borrowed from the tree, copies belong to the book. */
pl_rc  wrong(compiler *c, const char *pointer, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void   remark(compiler *c, const char *pointer, const char *fmt, ...)
    __attribute__((format(printf, 3, 4))); /* to c->note, when there is one */
pl_str text_at(const json_t *o, const char *key); /* p NULL when absent or no text */
char  *dup_at(compiler *c, const json_t *o, const char *key);
pl_rc  keys_known(compiler *c, const json_t *o, const char *at, const char *const *allowed);
/* A text or a list of texts. */
pl_rc  texts_at(compiler *c, const json_t *o, const char *key, const char *at, const char ***out,
                size_t *n);
/* Compiles the text (or number) v that stands at the pointer. */
pl_rc  expr_at(compiler *c, const json_t *v, const char *pointer, node **out);
/* Room for one more in an array that doubles; NULL when there is none. */
void  *grown(pl_rules_book *b, void *array, size_t n, size_t size);

pl_rc compile_facts(compiler *c);
/* Results, definitions, obligations and rules; then what only the whole shows. */
pl_rc compile_rules(compiler *c, const pl_rules_file *rules, const pl_rules_file *obligations);
pl_rc compile_obligations(compiler *c);
pl_rc check_rules(compiler *c); /* rules_check.c */

/* Parses s and checks its types. On failure *at is the byte where. `pack` may be NULL. */
pl_rc expr_parse(pl_rules_book *b, pack *p, pl_str s, node **out, size_t *at, pl_error *err);
/* The facts in the order of reading, each once; out holds PL_RULES_FACTS_MAX. */
void expr_order(const node *n, slotset *seen, uint16_t *out, size_t *count);
/* Levels, counted through definitions and rules. */
unsigned expr_height(const node *n);
/* Everything the expression reads. */
void  expr_facts(const node *n, slotset *out);

/* --- time ---------------------------------------------------------------------------------- */

int64_t day_of(int y, int m, int d); /* seconds */
bool    day_parse(pl_str s, int64_t *out); /* YYYY-MM-DD, a day that exists */
void    day_format(int64_t t, bool has_time, char out[25]);
int64_t time_add(int64_t t, int64_t n, int unit); /* saturates at NEVER */

/* --- evaluation (rules_eval.c) ---------------------------------------------------------------- */

typedef struct memo {
    uint32_t epoch;
    tri      truth;
    uint64_t yes, maybe;
    value    v;
    slotset  dep;
} memo;

typedef struct eval {
    const pl_rules_book *book;
    const slot          *given; /* what known() looks at */
    slot                *slots;
    int64_t              as_of;
    memo                *memos;
    uint32_t             epoch; /* raised whenever a slot changes */
    slotset              dep;   /* unknown facts on which results so far hinge */
    unsigned             budget;
    bool                 exact;
} eval;

pl_rc eval_init(eval *e, const pl_rules_facts *f, int64_t as_of, pl_error *err);
void  eval_done(eval *e);
tri   eval_bool(eval *e, const node *n);
value eval_value(eval *e, const node *n);
tri   eval_rule(eval *e, const rule *r);
/* Values a grade may take (one bit: settled); values certainly in a set and perhaps in it. */
void  eval_field(eval *e, const field *f, uint64_t *yes, uint64_t *maybe);
tri   eval_flag(eval *e, const field *f);
value eval_field_value(eval *e, const field *f);

bool slot_has(const slotset *s, size_t i);
void slot_add(slotset *s, size_t i);
void slot_join(slotset *s, const slotset *o);
bool slot_empty(const slotset *s);

/* --- search (rules_search.c) -------------------------------------------------------------------- */

/* Exactly which values the axis can still take and on which unknown facts that hinges. Sets
 * e->exact to false when the budget ends first; then *possible and *missing hold too much
 * rather than too little. */
void search_axis(eval *e, const field *f, uint64_t *possible, slotset *missing);

#endif
