/* Personal and secret data of fixed structure: found by form, confirmed by checksum, date,
 * region or context. Category ids of design §5.
 *
 * Whole text and streams give the same findings. A stream holds back only what may still
 * become part of a finding: a number, an address, a key in the making.
 */
#ifndef PL_ENGINE_TEXT_PII_H
#define PL_ENGINE_TEXT_PII_H

#include <plumbline/text.h>

typedef enum pl_pii_kind {
    PL_PII_EMAIL, PL_PII_PHONE, PL_PII_CN_MOBILE, PL_PII_CN_ID, PL_PII_BANK_CARD, PL_PII_USCC,
    PL_PII_PASSPORT, PL_PII_PLATE, PL_PII_IP, PL_PII_URL, PL_PII_IBAN, PL_PII_US_SSN,
    PL_PII_API_KEY, PL_PII_PRIVATE_KEY, PL_PII_URL_CREDENTIAL,
    PL_PII_ADDRESS, PL_PII_NAME, /* found by names.h */
    PL_PII_KINDS
} pl_pii_kind;

/* "pii.email", "secret.api_key" …; NULL beyond the last. */
const char *pl_pii_category(pl_pii_kind kind);

#define PL_PII_OFF UINT32_MAX

/* Which detectors run, and the rule each one reports; PL_PII_OFF: not at all. */
typedef struct pl_pii_config {
    uint32_t rule[PL_PII_KINDS];
} pl_pii_config;

/* PIID section: 4 bytes magic "PLPI", u32 version 1, u32 number of kinds, then u32 rule per kind,
 * little-endian. */
pl_rc pl_pii_config_format(const pl_pii_config *c, void **out, size_t *n, pl_error *err);
/* PL_INVALID: malformed, or a rule that is neither OFF nor below rule_count. */
pl_rc pl_pii_config_parse(pl_str section, uint32_t rule_count, pl_pii_config *out, pl_error *err);

/* Ordered by end, start, rule. */
void pl_pii_scan(const pl_pii_config *c, pl_str text, pl_text_emit_fn emit, void *ctx);

typedef struct pl_pii_stream pl_pii_stream;
size_t   pl_pii_stream_size(void);
void     pl_pii_stream_init(pl_pii_stream *s, const pl_pii_config *c);
void     pl_pii_stream_done(pl_pii_stream *s); /* frees the copy of what is held back */
void     pl_pii_stream_reset(pl_pii_stream *s);
void     pl_pii_stream_feed(pl_pii_stream *s, pl_str piece, pl_text_emit_fn emit, void *ctx);
void     pl_pii_stream_finish(pl_pii_stream *s, pl_text_emit_fn emit, void *ctx);
uint64_t pl_pii_stream_safe(const pl_pii_stream *s);

#endif
