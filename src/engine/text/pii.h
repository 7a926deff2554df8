/* Personal and secret data of fixed structure: found by form, confirmed by checksum, date,
 * region or context. Category ids of design §5; what each detector accepts, with sources, stands
 * beside its code in pii_*.c, the scores in docs/accuracy/structured.md.
 *
 * A text is cut into *groups*: runs of characters without a blank or a hard delimiter, joined
 * over single blanks where a number or an IBAN goes on, and whole private key blocks. No finding
 * leaves its group, and whether a group holds one depends on the group, PL_PII_CONTEXT bytes
 * before it and the character after it. So whole text and streams give the same findings, and a
 * stream holds back only the group in the making.
 *
 * Limits: a group ends after PL_PII_GROUP_MAX bytes (at its last punctuation, if it has one
 * near), a private key block after PL_PII_PEM_MAX; no finding is reported across such an end,
 * but for the key block itself.
 */
#ifndef PL_ENGINE_TEXT_PII_H
#define PL_ENGINE_TEXT_PII_H

#include <plumbline/text.h>
#include <stdbool.h>

typedef enum pl_pii_kind {
    PL_PII_EMAIL, PL_PII_PHONE, PL_PII_CN_MOBILE, PL_PII_CN_ID, PL_PII_BANK_CARD, PL_PII_USCC,
    PL_PII_PASSPORT, PL_PII_PLATE, PL_PII_IP, PL_PII_URL, PL_PII_IBAN, PL_PII_US_SSN,
    PL_PII_API_KEY, PL_PII_PRIVATE_KEY, PL_PII_URL_CREDENTIAL,
    PL_PII_ADDRESS, PL_PII_NAME, /* found by names.h */
    PL_PII_KINDS
} pl_pii_kind;

enum {
    PL_PII_CONTEXT = 64,       /* bytes before a group that may lend it meaning       */
    PL_PII_GROUP_MAX = 4096,   /* bytes of one group                                  */
    PL_PII_PEM_MAX = 16384,    /* bytes of one private key block                      */
    PL_PII_FLOOR = 5000        /* findings with a lower score are not reported        */
};

/* "pii.email", "secret.api_key" …; NULL beyond the last. */
const char *pl_pii_category(pl_pii_kind kind);
/* The kind of a category id; PL_PII_KINDS when there is none. */
pl_pii_kind pl_pii_kind_find(pl_str category);

#define PL_PII_OFF UINT32_MAX

/* Which detectors run, and the rule each one reports; PL_PII_OFF: not at all. */
typedef struct pl_pii_config {
    uint32_t rule[PL_PII_KINDS];
} pl_pii_config;

/* PIID section: docs/formats/policy-database.md. *out is malloc'd; caller frees. */
pl_rc pl_pii_config_format(const pl_pii_config *c, void **out, size_t *n, pl_error *err);
/* PL_INVALID: malformed, or a rule that is neither OFF nor below rule_count. Kinds that this
 * version does not know must be OFF. */
pl_rc pl_pii_config_parse(pl_str section, uint32_t rule_count, pl_pii_config *out, pl_error *err);

/* Ordered by end, start, rule. */
void pl_pii_scan(const pl_pii_config *c, pl_str text, pl_text_emit_fn emit, void *ctx);

/* The same scan, one finding at a time: for whoever merges findings of several sources. */
typedef struct pl_pii_cursor pl_pii_cursor;
size_t pl_pii_cursor_size(void);
void   pl_pii_cursor_init(pl_pii_cursor *k, const pl_pii_config *c, pl_str text);
bool   pl_pii_cursor_next(pl_pii_cursor *k, pl_text_finding *out); /* false: no more */

typedef struct pl_pii_stream pl_pii_stream;
size_t   pl_pii_stream_size(void);
void     pl_pii_stream_init(pl_pii_stream *s, const pl_pii_config *c);
void     pl_pii_stream_done(pl_pii_stream *s); /* frees the copy of what is held back */
void     pl_pii_stream_reset(pl_pii_stream *s);
void     pl_pii_stream_feed(pl_pii_stream *s, pl_str piece, pl_text_emit_fn emit, void *ctx);
void     pl_pii_stream_finish(pl_pii_stream *s, pl_text_emit_fn emit, void *ctx);
/* Bytes before this offset can no longer become part of a finding. After a failed allocation
 * it stays where it is for good: nothing more may be released. */
uint64_t pl_pii_stream_safe(const pl_pii_stream *s);

/* Which code path runs: 0 best the processor has, 1 portable, 2 AVX2, 3 AVX-512. For tests and
 * benchmarks; PL_INVALID when the processor lacks it. */
pl_rc pl_pii_path_set(int path, pl_error *err);

#endif
