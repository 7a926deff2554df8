/* Putting an implicit label into a copy of a file.
 *
 * REQ: GB45438-2025/6.1(c)     replaced, never appended; read back before the copy gets its name
 * REQ: CN-labelling-measures/5 generation attribute, provider, content number
 */
#ifndef PL_LABEL_ISSUE_H
#define PL_LABEL_ISSUE_H

#include "cap/label/inspect.h"
#include "cap/label/media_file.h"
#include "cap/label/sign.h"
#include "cap/label/visible.h"

#define LABEL_TRAINED_SOURCE                                                                       \
    "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

enum label_order_flags {
    LABEL_REPLACE = 1 << 0,     /* a label that is there goes, and stands in the outcome   */
    LABEL_FORCE = 1 << 1,       /* an output that is there goes                            */
    LABEL_SYNC = 1 << 2,        /* durable when it returns                                 */
    LABEL_RESUME = 1 << 3,      /* an output that carries this very label is left as it is */
    LABEL_ANY_NAME = 1 << 4,    /* the provider is given by name, not by a code            */
    LABEL_IPTC = 1 << 5,        /* DigitalSourceType as well, where the format has XMP     */
    LABEL_DRY = 1 << 6,         /* everything but writing                                  */
    LABEL_BESIDE = 1 << 7,      /* beside the copy where the format has no place (sidecar.h) */
    LABEL_IN_PLACE = 1 << 8     /* out is the input, and changed as far as there is room (in_place.h) */
};

/* Without a producer the metadata stays unlabelled: only seen, heard or signed. */
typedef struct label_order {
    pl_str           producer, content_id;
    int              state; /* '1', '2', '3' */
    unsigned         flags;
    const pl_signer *security; /* SM2: SecurityData in ReservedCode1; NULL: none */
    const pl_visible_style *visible; /* a label that is seen or heard; NULL: none        */
    pl_notice_place  notice;         /* where it stands in texts and documents           */
    const pl_sign_how *sign;         /* a C2PA manifest with this identity; NULL: none   */
    const char      *source_type;    /* URI for IPTC and C2PA; NULL: a trained model     */
} label_order;

typedef struct label_outcome {
    pl_media_format format;
    const char     *carrier;  /* static */
    char           *value;    /* the label, malloc'd */
    json_t         *replaced; /* array of {"carrier","value","sha256"} */
    bool            skipped;  /* it was there already */
    bool            breaks_c2pa; /* a manifest in the file no longer fits it */
    bool            is_shown, is_signed;
    bool            was_recovered; /* in place: what a killed run left was put back first */
    uint64_t        bytes;
} label_outcome;
void label_outcome_done(label_outcome *o);

/* PL_INVALID: a provider code or content number we would not write. */
pl_rc label_order_check(const label_order *o, pl_error *err);
/* PL_CONFLICT: the file carries a label and LABEL_REPLACE is not set, or the output exists. */
pl_rc label_issue(const char *in, const char *out, const label_order *o, label_outcome *r, pl_error *err);
/* The same for bytes: the new file is appended to out. */
pl_rc label_issue_bytes(pl_str in, const char *name, const label_order *o, pl_buf *out, label_outcome *r,
                        pl_error *err);
/* What a platform that passes the file on writes; i: its inspection. sign (NULL: not) signs the copy, with
 * the manifest that was there as the parent's. PL_NOTFOUND: nothing was
 * found, nothing is to be added. REQ: CN-labelling-measures/6 */
pl_rc label_issue_propagated(const char *in, const char *out, const label_inspection *i, pl_str platform,
                             pl_str id, unsigned flags, const pl_sign_how *sign, label_outcome *r, pl_error *err);
/* Statement "label issued" about the output, appended to open ledger. */
json_t *label_statement(const label_order *o, const label_outcome *r, const char *sha256_hex, int64_t now_ms);

#endif
