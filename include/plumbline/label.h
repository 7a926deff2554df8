/* Labels in files, offline: writes the implicit label of GB 45438-2025 into a copy of a file, and
 * reads what labels a file holds. Formats and carriers: docs/formats/label-carriers.md.
 *
 *   REQ: GB45438-2025/6.1(c)      exactly one label a file: replaced, never appended, read back
 *   REQ: CN-labelling-measures/6  nothing found says nothing about the origin
 *
 * Files are bytes in memory; pixels, samples and words stay as they are. No verdict about content
 * is given here, C2PA manifests are seen and not verified, and traces of generators are not looked
 * for: that is `plumbline inspect`. An object belongs to one thread at a time.
 */
#ifndef PLUMBLINE_LABEL_H
#define PLUMBLINE_LABEL_H

#include <plumbline/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Member "Label" of annex E. */
typedef enum pl_label_claim {
    PL_LABEL_SILENT = 0,    /* a label is there and does not say */
    PL_LABEL_GENERATED = 1,
    PL_LABEL_POSSIBLE = 2,
    PL_LABEL_SUSPECTED = 3
} pl_label_claim;

/* --- writing ------------------------------------------------------------------------- */

enum pl_label_flags {
    PL_LABEL_REPLACE = 1 << 0,  /* labels that are there go; without it they are PL_CONFLICT      */
    PL_LABEL_ANY_NAME = 1 << 1  /* the producer is a name, not a code (27 characters) of its own  */
};

typedef struct pl_label_facts {
    pl_label_claim claim;
    pl_str         producer;   /* TC260-PG-20252A; assigned, never invented                  */
    pl_str         content_id; /* printable ASCII without blanks, quotes and backslashes     */
    unsigned       flags;      /* pl_label_flags                                             */
} pl_label_facts;

/* The labelled copy, malloc'd. A C2PA manifest in it no longer fits and is to be signed anew. name
 * (may be NULL) decides between kinds of text only. PL_INVALID: facts that we would not write, or a
 * file that is not whole. PL_NOTFOUND: the format has no place for a label. PL_CONFLICT: it carries
 * one. PL_LIMIT: too large for its place. */
PL_API pl_rc pl_label_write(pl_str file, const char *name, const pl_label_facts *f, void **out,
                            size_t *n, pl_error *err);
/* *why: static English text when it is no provider code of TC260-PG-20252A. Non-zero: it is one. */
PL_API int pl_label_code_check(pl_str code, const char **why);

/* --- reading ------------------------------------------------------------------------- */

typedef struct pl_inspect pl_inspect;

/* One place where a label stands. Strings are borrowed from the inspection. */
typedef struct pl_inspect_label {
    const char    *carrier; /* "png.xmp" …                                                  */
    pl_str         value;   /* as it stands there                                           */
    pl_label_claim claim;
    pl_str         producer, content_id, propagator, propagate_id; /* decoded; may be empty */
    int            conforms; /* no deviation that is an error                               */
    int            in_force; /* 0: of an older revision, or outside the content             */
    size_t         deviations;
} pl_inspect_label;

/* What deviates from the standard, with the clause. Static storage but detail. */
typedef struct pl_inspect_deviation {
    const char *code, *clause, *en, *zh, *detail;
    int         is_error;
} pl_inspect_deviation;

/* What was noticed about the file on the way. Static storage. */
typedef struct pl_inspect_note {
    const char *code, *text;
    uint64_t    offset;
} pl_inspect_note;

/* The bytes must outlive the result. A broken file is a result, not an error. PL_INVALID: of no
 * format that is read. */
PL_API pl_rc pl_inspect_new(pl_str file, const char *name, pl_inspect **out, pl_error *err);
PL_API void  pl_inspect_free(pl_inspect *i);
PL_API const char *pl_inspect_format(const pl_inspect *i); /* "jpeg", "docx" … */
/* "whole"; else "truncated", "malformed", "limited", "encrypted", "ambiguous", "unsupported": what
 * was found counts, what was not says nothing. */
PL_API const char *pl_inspect_container(const pl_inspect *i);
PL_API size_t pl_inspect_labels(const pl_inspect *i);
/* Indices below their counts. */
PL_API pl_inspect_label     pl_inspect_label_get(const pl_inspect *i, size_t label);
PL_API pl_inspect_deviation pl_inspect_deviation_get(const pl_inspect *i, size_t label, size_t k);
PL_API size_t          pl_inspect_notes(const pl_inspect *i);
PL_API pl_inspect_note pl_inspect_note_get(const pl_inspect *i, size_t k);
/* C2PA manifest stores in the file; whether they hold is not looked into. */
PL_API size_t pl_inspect_manifests(const pl_inspect *i);

#ifdef __cplusplus
}
#endif
#endif
