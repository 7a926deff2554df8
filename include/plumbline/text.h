/* Text engine: finds listed words and phrases in text, whole or in pieces.
 *
 * A pl_textdb is an immutable, compiled set of rules and keywords (see policydb.h
 * for the file that carries it). It may be shared by any number of threads and
 * processes. A pl_text_stream is the state of one scan and belongs to one thread.
 *
 * Offsets are bytes of the ORIGINAL text as fed, counted from the last reset,
 * half-open [start, end). Matching sees through width, case, variants, separators,
 * repetitions, look-alikes and more (docs/design/002-text-engine.md says how, a
 * finding's form says what it saw through); findings always point at the original
 * bytes. In a run of one character a keyword that begins or ends with it is found once.
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

/* Longest keyword in characters, and how many of these may be other than blanks, punctuation,
 * invisible characters and repetitions. In an exact database the second counts bytes. The builder
 * refuses more. */
#define PL_TEXT_KEYWORD_MAX 64
#define PL_TEXT_CELLS_MAX   56

/* No finding spans more bytes than this: what would is not one. It bounds what a stream can
 * hold back, and lets long texts be read in windows that overlap by as much. */
#define PL_TEXT_SPAN_MAX (16u << 10)

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
/* Engines have no clock: whoever holds a database that lives on tells it the time. Before the
 * first call the limits of rules do not count, so that nothing is missed by forgetting it. Any
 * thread may call it; a scan that runs may take the old time or the new one. */
PL_API void pl_textdb_now(pl_textdb *db, int64_t now);
/* The seconds around `now` in which the same rules count: *from to *to, without *to. Of use to who
 * keeps results, and takes a pass over the rules. */
PL_API void pl_textdb_era(const pl_textdb *db, int64_t now, int64_t *from, int64_t *to);

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
    PL_KEYWORD_WORD = 1 << 0,   /* letters and digits may not touch either end              */
    PL_KEYWORD_PINYIN = 1 << 1, /* the keyword is a spelling in pinyin: PL_FORM_PINYIN      */
    PL_KEYWORD_SPLIT = 1 << 2   /* ... with characters taken apart: PL_FORM_SPLIT           */
};

/* Bounds of combinations. */
#define PL_TEXT_PARTS_MAX  4
#define PL_TEXT_ANY_MAX    256
#define PL_TEXT_WITHIN_MAX 1000

/* One of several words. */
typedef struct pl_text_part {
    const pl_str *any; /* 1 to PL_TEXT_ANY_MAX */
    size_t        n;
} pl_text_part;

/* Several things near each other. Distances count characters as matching sees them: blanks,
 * punctuation, invisible characters and repetitions do not count, in whatever language. The
 * finding covers the part that completes the combination; what came before may have been
 * released by then. */
typedef struct pl_text_combination {
    const pl_text_part *all;    /* 2 to PL_TEXT_PARTS_MAX parts, in any order             */
    size_t              all_n;
    pl_text_part        none;   /* n may be 0: words that may not be there, neither among */
    unsigned            within; /* the parts nor within `within` before or after; from    */
                                /* the start of the first to the end of the last part     */
    unsigned            flags;  /* pl_keyword_flags of every part                         */
} pl_text_combination;

enum pl_textdb_flags {
    PL_TEXTDB_EXACT = 1 /* bytes as they stand: no folding and no disguises */
};

PL_API pl_rc pl_textdb_builder_new(pl_textdb_builder **out, pl_error *err);
PL_API void  pl_textdb_builder_free(pl_textdb_builder *b);
/* pl_textdb_flags of the database; before the first keyword. */
PL_API void pl_textdb_builder_flags(pl_textdb_builder *b, unsigned flags);
/* Adds a rule and gives its index. PL_CONFLICT when the id exists. */
PL_API pl_rc pl_textdb_builder_rule(pl_textdb_builder *b, const pl_text_rule *rule, uint32_t *index,
                                    pl_error *err);
/* The rule finds nothing before `from` and after `to`, in Unix seconds; 0 is no limit. It takes
 * pl_textdb_now to count. */
PL_API pl_rc pl_textdb_builder_valid(pl_textdb_builder *b, uint32_t rule, int64_t from, int64_t to,
                                     pl_error *err);
/* Adds a keyword to a rule. Duplicate (keyword, rule) pairs are kept once.
 * PL_INVALID: not UTF-8, empty after folding, longer than PL_TEXT_KEYWORD_MAX. */
PL_API pl_rc pl_textdb_builder_keyword(pl_textdb_builder *b, uint32_t rule, pl_str keyword,
                                       unsigned flags, pl_error *err);
/* Adds a combination to a rule. PL_INVALID: parts that the builder would refuse as keywords, or
 * numbers beyond the bounds. */
PL_API pl_rc pl_textdb_builder_combination(pl_textdb_builder *b, uint32_t rule,
                                           const pl_text_combination *c, pl_error *err);
/* Adds a phrase that is allowed although it holds something listed: no keyword of any rule is
 * found inside an occurrence of it. Only the listed spelling is allowed, not its disguises. */
PL_API pl_rc pl_textdb_builder_exception(pl_textdb_builder *b, pl_str phrase, unsigned flags,
                                         pl_error *err);
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
