/* Text engine: finds listed words and phrases in text, whole or in pieces.
 *
 * A pl_textdb is an immutable, compiled set of rules and keywords (see policydb.h
 * for the file that carries it). It may be shared by any number of threads and
 * processes. A pl_text_stream is the state of one scan and belongs to one thread.
 *
 * Offsets are bytes of the ORIGINAL text as fed, counted from the last reset,
 * half-open [start, end). Matching happens on a folded form (see pl_text_fold) so
 * that width, case and invisible characters do not hide a word; findings always
 * point at the original bytes.
 *
 * Chunking does not matter: feeding whole, byte by byte or at random cuts gives
 * the same findings in the same order (property-tested).
 *
 * Invalid UTF-8 is scanned byte-safe: an invalid byte is treated as a boundary
 * that no keyword contains.
 */
#ifndef PLUMBLINE_TEXT_H
#define PLUMBLINE_TEXT_H

#include <plumbline/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Longest keyword, in folded code points. The builder refuses longer ones. */
#define PL_TEXT_KEYWORD_MAX 64

/* More bytes than this of skipped characters in a row (invisible ones, repeated
 * blanks) end a match, so that nothing can hold the safe offset back for ever. */
#define PL_TEXT_GAP_MAX (1u << 24)

typedef struct pl_textdb pl_textdb;

/* One rule: what a finding is called. Strings are borrowed from the database. */
typedef struct pl_text_rule {
    pl_str  id;       /* unique in the database, e.g. "harm.weapons.zh.012"       */
    pl_str  category; /* category id of the design, e.g. "harm.weapons"           */
    uint8_t severity; /* 1 low … 4 critical                                       */
} pl_text_rule;

/* How the text differed from the listed spelling. 0: not at all, but for upper and lower
 * case and the number of blanks between words. */
enum pl_form {
    PL_FORM_WIDTH = 1 << 0,     /* full or half width                              */
    PL_FORM_VARIANT = 1 << 1,   /* traditional for simplified, or the other way    */
    PL_FORM_COMPAT = 1 << 2,    /* Unicode compatibility form                      */
    PL_FORM_INVISIBLE = 1 << 3, /* invisible or combining characters between       */
    PL_FORM_SEPARATED = 1 << 4, /* blanks, punctuation, emoji between              */
    PL_FORM_JOINED = 1 << 5,    /* blanks of the keyword left out                  */
    PL_FORM_REPEATED = 1 << 6,  /* characters repeated                             */
    PL_FORM_LOOKALIKE = 1 << 7, /* letters of another script                       */
    PL_FORM_DIGITS = 1 << 8,    /* digits and signs for letters                    */
    PL_FORM_PINYIN = 1 << 9,
    PL_FORM_SPLIT = 1 << 10,    /* a character written as its parts                */
    PL_FORM_ENTITY = 1 << 11,   /* decoded: HTML entities                          */
    PL_FORM_PERCENT = 1 << 12,  /* decoded: percent-encoding                       */
    PL_FORM_BASE64 = 1 << 13,   /* decoded: base64                                 */
    PL_FORM_ESCAPE = 1 << 14    /* decoded: backslash escapes of JSON and C             */
};

#define PL_SCORE_MAX 10000 /* nothing to doubt */

typedef struct pl_text_finding {
    uint32_t rule;  /* index for pl_textdb_rule_get                          */
    uint16_t form;  /* pl_form bits                                          */
    uint16_t score; /* confidence in 1/10000                                 */
    uint64_t start; /* original byte offset of the first byte                */
    uint64_t end;   /* one past the last byte                                */
} pl_text_finding;

/* Called per finding, ordered by end, start, rule. Non-zero stops the scan: the stream
 * ignores everything until reset, and its safe offset stays before that finding. */
typedef int (*pl_text_emit_fn)(void *ctx, const pl_text_finding *f);

PL_API uint32_t pl_textdb_rule_count(const pl_textdb *db);
PL_API pl_text_rule pl_textdb_rule_get(const pl_textdb *db, uint32_t index);

typedef struct pl_text_stream pl_text_stream;

/* Bytes one stream occupies; the caller provides the memory (8-aligned). */
PL_API size_t pl_text_stream_size(void);
PL_API void   pl_text_stream_init(pl_text_stream *s, const pl_textdb *db);
/* Forgets everything and starts at offset 0 again. */
PL_API void pl_text_stream_reset(pl_text_stream *s);
/* Scans the next piece. */
PL_API void pl_text_stream_feed(pl_text_stream *s, pl_str piece, pl_text_emit_fn emit, void *ctx);
/* The text ended: decides what was waiting for a following character. */
PL_API void pl_text_stream_finish(pl_text_stream *s, pl_text_emit_fn emit, void *ctx);
/* Bytes before this offset can no longer become part of any finding. Never
 * decreases between resets; equals the bytes fed when no match is in the making,
 * and always after finish. */
PL_API uint64_t pl_text_stream_safe(const pl_text_stream *s);

/* Whole-text convenience. */
PL_API void pl_text_scan(const pl_textdb *db, pl_str text, pl_text_emit_fn emit, void *ctx);

/* --- building ------------------------------------------------------------- */

typedef struct pl_textdb_builder pl_textdb_builder;

enum pl_keyword_flags {
    PL_KEYWORD_WORD = 1 /* letters and digits may not touch either end */
};

PL_API pl_rc pl_textdb_builder_new(pl_textdb_builder **out, pl_error *err);
PL_API void  pl_textdb_builder_free(pl_textdb_builder *b);
/* Adds a rule and gives its index. PL_CONFLICT when the id exists. */
PL_API pl_rc pl_textdb_builder_rule(pl_textdb_builder *b, const pl_text_rule *rule, uint32_t *index,
                                    pl_error *err);
/* Adds a keyword to a rule. Duplicate (keyword, rule) pairs are kept once.
 * PL_INVALID: not UTF-8, empty after folding, longer than PL_TEXT_KEYWORD_MAX. */
PL_API pl_rc pl_textdb_builder_keyword(pl_textdb_builder *b, uint32_t rule, pl_str keyword,
                                       unsigned flags, pl_error *err);
/* Serialises. Deterministic: the same rules and keywords in any order of
 * insertion per rule give the same bytes. *out is malloc'd; caller frees. */
PL_API pl_rc pl_textdb_builder_finish(pl_textdb_builder *b, void **out, size_t *n, pl_error *err);

/* Opens serialised bytes in place, validating everything it will ever
 * dereference; `bytes` (8-aligned) must outlive the result. Hostile input gives
 * PL_INVALID, never a crash later. */
PL_API pl_rc pl_textdb_open(pl_str bytes, pl_textdb **out, pl_error *err);
PL_API void  pl_textdb_free(pl_textdb *db);

/* Folds one code point for matching: lower case (ASCII, Latin-1, Greek, Cyrillic),
 * full width to half width, any blank or line end to a space, and 0 for invisible
 * characters that are skipped. Runs of blanks then count as one, in keywords and in
 * text, and keywords lose theirs at both ends. Exposed so that builders of lexicons
 * can see what two spellings have in common. */
PL_API uint32_t pl_text_fold(uint32_t cp);

#ifdef __cplusplus
}
#endif
#endif
