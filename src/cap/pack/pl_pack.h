/* Packs: law, taxonomies, word lists as versioned data (design §4).
 *
 * A pack is a folder with pack.yaml and files by kind. Reading is strict: unknown
 * keys, missing sources or a bad digest are errors with file and line. */
#ifndef PL_PACK_H
#define PL_PACK_H

#include "cap/capability.h"
#include "engine/rules/rules.h"

typedef struct pl_pack pl_pack;

/* NAME or NAME@VERSION below one of the folders (NULL-ended), or a path to a folder. */
pl_rc pl_pack_open(const char *ref, const char *const *folders, pl_pack **out, pl_error *err);
void  pl_pack_free(pl_pack *p);

pl_str        pl_pack_id(const pl_pack *p);
pl_str        pl_pack_version(const pl_pack *p);
pl_str        pl_pack_kind(const pl_pack *p);
const json_t *pl_pack_manifest(const pl_pack *p);
/* Its folder. */
const char   *pl_pack_dir(const pl_pack *p);
/* SHA-256 over the sorted list of "path NUL size NUL sha256 LF" of every file. */
void          pl_pack_digest(const pl_pack *p, uint8_t out[32]);

/* What an entry of a lexicon asks for, beyond its text. */
enum pl_lexicon_flags {
    PL_LEXICON_WORD = 1 << 0,       /* letters and digits may not touch either end    */
    PL_LEXICON_PINYIN = 1 << 1,     /* also where it is written in pinyin             */
    PL_LEXICON_SPLIT = 1 << 2,      /* also where characters are written as parts     */
    PL_LEXICON_DEPRECATED = 1 << 3, /* kept for the record: neither matched nor counted */
};

/* One lexicon entry (kind "lexicon"). What is absent is the empty view. Lists are words with
 * '|' between, to be taken apart with pl_str_split. */
typedef struct pl_lexicon_entry {
    pl_str   id, text, category, lang, source, updated; /* borrowed from the pack */
    pl_str   risk;     /* class of a risk taxonomy, e.g. "A.2-e" */
    pl_str   from, to; /* first and last day on which it applies */
    pl_str   any;      /* further words that stand for the text */
    pl_str   with;     /* a combination: one of these as well, */
    pl_str   and_with; /* and one of these, */
    unsigned within;   /* at most so many characters away, */
    pl_str   without;  /* and none of these as near */
    pl_str   except;   /* phrases that contain the text and are meant otherwise */
    int      severity;
    unsigned flags; /* pl_lexicon_flags */
} pl_lexicon_entry;
/* Calls back for every entry in the order of files and lines. */
pl_rc pl_pack_lexicon_each(const pl_pack *p,
                           pl_rc (*fn)(void *ctx, const pl_lexicon_entry *e, pl_error *err),
                           void *ctx, pl_error *err);
/* Not deprecated, and in its time on that day (YYYY-MM-DD). */
bool pl_lexicon_entry_applies(const pl_lexicon_entry *e, pl_str day);

/* Checks everything; `problems` is a new array of {"file","line","severity","message"}. */
pl_rc pl_pack_lint(const char *dir, json_t **problems, pl_error *err);
/* Every pack below the folders: array of manifests with "digest" and "path". */
pl_rc pl_pack_list(const char *const *folders, json_t **out, pl_error *err);

/* Counts the entries of lexicons (NULL-ended) per risk class on a day, together. With the name of
 * a pack of minimums also which of them are met. docs/formats/pack.md has the rule and the
 * keys of the report. */
pl_rc pl_pack_count(const char *const *refs, const char *minimums, const char *const *folders,
                    pl_str day, json_t **out, pl_error *err);

/* A word list, as people have them, into a new pack `folder`/`id`. Everything is set but risk,
 * lang and columns, which may be NULL. */
typedef struct pl_pack_import {
    const char *list; /* path, or "-" */
    const char *id, *folder;
    const char *category, *risk, *lang, *source, *licence, *date;
    int         severity;
    const char *encoding; /* "auto" or a name iconv knows */
    const char *format;   /* lines, csv, tsv */
    const char *columns;  /* "text=NAME,category=NAME" */
} pl_pack_import;
/* PL_CONFLICT when something of that name is there. The report says how many lines became
 * entries, how many did not and why: docs/formats/pack.md. */
pl_rc pl_pack_import_list(const pl_pack_import *o, json_t **report, pl_error *err);

/* --- law: packs with facts.yaml or rules.yaml (docs/formats/rules.md) ---------------------- */

typedef struct pl_pack_law {
    char id[65], version[65], jurisdiction[17];
    char from[11], to[11]; /* days, inclusive; to may be empty */
    bool has_rules;
    char dir[1100];
} pl_pack_law;

/* Every pack of law below the folders, all versions, by their manifests only. malloc'd. */
pl_rc pl_pack_laws(const char *const *folders, pl_pack_law **out, size_t *n, pl_error *err);
bool  pl_pack_law_in_force(const pl_pack_law *l, const char *day);
/* The version in force on the day (NULL: none asked for), else the newest; NULL: no such id. */
const pl_pack_law *pl_pack_law_for(const pl_pack_law *laws, size_t n, const char *id,
                                   const char *day);
/* Compiles the pack, and before it what it depends on, into the book, unless it is there.
 * PL_INVALID also for packs that depend on each other in a circle. */
pl_rc pl_pack_book_add(pl_rules_book *b, const char *ref, const char *const *folders, size_t *pack,
                       pl_error *err);
/* Runs cases.yaml of a pack. {"pack","ok","cases","failed":[{"case","message"}],"unfired":[…],
 * "always":[…]}: rules that no case fires and rules that every case fires; both are failures. */
pl_rc pl_pack_test(const char *ref, const char *const *folders, json_t **report, pl_error *err);

/* --- taxonomies and crosswalks (docs/formats/rules.md) ------------------------------------- */

/* A class or an item of taxonomy.csv. Everything is borrowed for the call. */
typedef struct pl_taxon {
    pl_str id, parent; /* parent: id of its class, empty at the top */
    pl_str zh, en;
    pl_str maps_to;    /* ids of the taxonomies in `depends`, '|' between: related, no more */
    pl_str evidence, source;
    int    line;
} pl_taxon;
typedef pl_rc (*pl_taxon_fn)(void *ctx, const pl_taxon *t, pl_error *err);
/* PL_NOTFOUND: the pack has none. Lines that the linter would refuse are passed over. */
pl_rc pl_pack_taxonomy_each(const pl_pack *p, pl_taxon_fn fn, void *ctx, pl_error *err);

/* Rows of every crosswalk below the folders that have the theme or the id `what`: [{"crosswalk",
 * "theme","relation","note"?,"ids":[{"id","pack","title":{"zh","en"}}]}]; an id that no pack has
 * comes without pack and title. */
pl_rc pl_pack_crosswalk(const char *what, const char *const *folders, json_t **out, pl_error *err);

/* --- further spellings of entries ------------------------------------------------------ */

typedef struct pl_variants pl_variants;

/* Folders as in pl_pack_open: the table of character parts is the pack "han-split". Belongs to
 * one thread. */
pl_rc pl_variants_new(const char *const *folders, pl_variants **out, pl_error *err);
void  pl_variants_free(pl_variants *v);
/* Calls back for each spelling the entry asks for with PL_LEXICON_PINYIN (in Latin letters) and
 * PL_LEXICON_SPLIT (characters as their parts), at most PL_VARIANTS_MAX; `how` is the flag.
 * Never for the listed spelling itself, and for combinations not at all. */
#define PL_VARIANTS_MAX 14
pl_rc pl_variants_each(pl_variants *v, const pl_lexicon_entry *e,
                       pl_rc (*fn)(void *ctx, pl_str text, unsigned how, pl_error *err), void *ctx,
                       pl_error *err);
/* The pack with the parts once it has been used, else NULL. */
const pl_pack *pl_variants_pack(const pl_variants *v);

extern const pl_capability pl_cap_pack;
#endif
