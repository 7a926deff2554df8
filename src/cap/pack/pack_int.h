/* Shared by the files of this folder only. */
#ifndef PL_PACK_INT_H
#define PL_PACK_INT_H

#include "cap/pack/pl_pack.h"

#define PACK_MANIFEST   "pack.yaml"
#define PACK_FILES_MAX  4096u
#define PACK_FILE_MAX   (64u << 20)
#define PACK_DEPTH_MAX  4
#define PACK_PATH_MAX   256
#define PACK_PROBLEMS_MAX 1000 /* more are only counted */

/* What reading finds wrong. The loader stops at the first error, the linter shows all;
 * both run the same checks through this. */
typedef enum pack_severity { PACK_WARNING, PACK_ERROR } pack_severity;

typedef struct pack_report {
    const char *dir;      /* goes in front of file names in `first` */
    json_t     *problems; /* array to append to, or NULL */
    size_t      more;     /* problems beyond PACK_PROBLEMS_MAX */
    pl_error    first;    /* the first error; rc PL_OK while there is none */
} pack_report;

void pack_problem(pack_report *r, pack_severity severity, const char *file, int line,
                  const char *fmt, ...) __attribute__((format(printf, 5, 6)));

typedef struct pack_file {
    char     path[PACK_PATH_MAX]; /* below the pack's folder, '/' between parts */
    uint64_t size;
    uint8_t  sha256[32];
} pack_file;

/* A file of entries: a table, or a YAML tree. */
typedef struct pack_entries {
    char         path[PACK_PATH_MAX];
    char        *text; /* table: the file */
    size_t       n;
    json_t      *tree; /* YAML */
} pack_entries;

struct pl_pack {
    char          dir[1024];
    json_t       *manifest;
    pack_file    *files; /* sorted by path, byte order */
    size_t        file_count;
    uint8_t       digest[32];
    pack_entries *lexicon; /* in the order of files */
    size_t        lexicon_files;
    size_t        entry_count;
};

/* Walks dir and hashes every file into p->files and p->digest. */
void pack_files_read(pl_pack *p, pack_report *r);
bool pack_files_has(const pl_pack *p, const char *path);
/* The digest of the list, with pack.yaml left out when content_only. */
typedef enum pack_digest_of { PACK_DIGEST_ALL, PACK_DIGEST_CONTENT } pack_digest_of;
void pack_digest_compute(const pl_pack *p, pack_digest_of what, uint8_t out[32]);

/* Reads pack.yaml into p->manifest; p->files must be there. */
void pack_manifest_read(pl_pack *p, pack_report *r);
bool pack_has_source(const pl_pack *p, pl_str id);
bool pack_is_date(pl_str s);
/* [a-z0-9] then [a-z0-9._-]: pack ids, entry ids, source ids. */
bool pack_is_name(pl_str s, size_t max);

/* A category of the house, or one under the pack's id. */
bool pack_is_category(pl_str pack_id, pl_str s);
bool pack_is_lang(pl_str s);
bool pack_is_class(pl_str s); /* id of a risk class */
bool pack_is_one_of(pl_str s, const char *const *list);

/* Reads the entries of a lexicon into p->lexicon and checks every one. */
void pack_lexicon_read(pl_pack *p, pack_report *r);
void pack_lexicon_done(pl_pack *p);
/* Whether the file has been read as entries. */
bool pack_lexicon_has(const pl_pack *p, const char *path);

/* --- entries as they stand in a file ------------------------------------------------ */

typedef enum pack_field {
    PACK_ID, PACK_TEXT, PACK_CATEGORY, PACK_LANG, PACK_SEVERITY, PACK_SOURCE, PACK_UPDATED,
    PACK_FLAGS, PACK_RISK, PACK_FROM, PACK_TO, PACK_WITH, PACK_WITHIN, PACK_WITHOUT, PACK_EXCEPT,
    PACK_ANY, PACK_AND, PACK_FIELDS,
} pack_field;
#define PACK_REQUIRED PACK_FLAGS /* fields before this one must be there */

extern const char *const pack_field_names[]; /* NULL-ended */

/* One entry before anything is checked: absent fields have p == NULL. */
typedef struct pack_row {
    const pack_entries *file;
    int                 line;   /* in the file; 0 in a tree, where it is not known */
    unsigned            number; /* line of a table, element of a tree, from 1 */
    pl_str              field[PACK_FIELDS];
} pack_row;

typedef pl_rc (*pack_row_fn)(void *ctx, const pack_row *row, pl_error *err);

/* Calls back per entry of a file; what is wrong with the file itself goes to r (may be
 * NULL once it has been read without an error). */
pl_rc pack_table_each(const pack_entries *f, pack_report *r, pack_row_fn fn, void *ctx,
                      pl_error *err);
pl_rc pack_tree_each(const pack_entries *f, pack_report *r, pack_row_fn fn, void *ctx,
                     pl_error *err);

/* The form that matching sees: folded, without what is invisible, blanks single. 0: not
 * UTF-8, empty or too long for `out`. */
size_t pack_fold(pl_str s, char *out, size_t cap, unsigned *chars);

/* A set of short texts that remembers a number with each; holds digests, so a million takes
 * 50 MB whatever their length. */
typedef struct pack_set pack_set;
pack_set *pack_set_new(void);
void      pack_set_free(pack_set *s);
/* Puts a text with its number, above 0. *seen: the number it was put with before, else 0.
 * false: out of memory. */
bool pack_set_put(pack_set *s, pl_str text, uint64_t number, uint64_t *seen);

uint64_t pack_set_find(const pack_set *s, pl_str text); /* 0: not there */

/* A member that is a string, "" when there is none. */
const char *pack_text(const json_t *o, const char *key);

/* Reads everything there is in dir; what is wrong is in r. NULL: out of memory. */
pl_pack *pack_read(const char *dir, pack_report *r);

/* Pack folders of an instance directory (may be NULL): DIR/packs, then the installed ones.
 * out[2] is NULL. Free with pack_folders_free. */
void pack_folders(const char *instance_dir, char *out[3]);
void pack_folders_free(char *folders[3]);

/* Compiles a pack of law; folders: where what it depends on is. */
void pack_rules_check(const pl_pack *p, const char *const *folders, pack_report *r);

/* Files that any pack may have beside its own kind: taxonomy.csv, crosswalk.yaml, calendar/. */
void pack_schemas_check(const pl_pack *p, pack_report *r);
void pack_taxonomy_check(const pl_pack *p, const char *const *folders, pack_report *r);
void pack_crosswalk_check(const pl_pack *p, const char *const *folders, pack_report *r);

int  pack_cmd_crosswalk(pl_cmd_ctx *c);
extern const pl_opt pack_lint_opts[], pack_import_opts[];
/* Prints the count of some packs (NULL-ended) beside --minimums. */
int  pack_cmd_count(pl_cmd_ctx *c, const char *const *packs, const char *const *folders);
int  pack_cmd_import(pl_cmd_ctx *c);
/* Prints and releases a tree; gives the code back. */
int  pack_print_json(pl_cmd_ctx *c, json_t *j, int code);

extern const pl_cmd   pack_commands[];
extern const pl_route pack_routes[];
#endif
