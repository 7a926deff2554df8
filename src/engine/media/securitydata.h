/* SecurityData: what stands in ReservedCode1 or ReservedCode2 of a label to protect it
 * (TC260-PG-202511A; facts and the vector in docs/formats/label-carriers.md).
 *
 *   {"SecurityData":{"Type":"TC260PG","Version":1,"PubSD":[
 *      {"Type":"DS","AlgID":"1.2.156.10197.1.501","TBSData":{"Type":"Md"},"Signature":"<hex>"},
 *      {"Type":"PubKey","AlgID":"1.2.156.10197.1.501","KeyValue":"<hex>"}]}}
 *
 * The signature is SM3withSM2 (GB/T 32918, user id PL_SM2_ID) over the text
 * "Label":"1","ContentProducer":"<v>","ProduceID":"<v>" or over its SM3 digest: both occur in real
 * files, so both are accepted and the report says which. It proves that these members were not
 * changed by anybody without the key. The key travels in the label: whose it is, only a pinned key
 * tells, and it says nothing about the content (the ledger binds that). Content bindings that a
 * label brings are listed and not judged: how their bytes are chosen is not published.
 *
 * Pure. Thread rule: none shared.
 */
#ifndef PL_ENGINE_MEDIA_SECURITYDATA_H
#define PL_ENGINE_MEDIA_SECURITYDATA_H

#include "base/buf.h"

#include <plumbline/log.h>
#include <stdbool.h>

#define PL_SECURITYDATA_MAX  (16u << 10) /* bytes of a reserved code     */
#define PL_SECURITYDATA_KEYS 8           /* signatures and keys of one   */

typedef enum pl_security_state {
    PL_SECURITY_NONE,            /* the field is empty                                         */
    PL_SECURITY_OPAQUE,          /* a value of the vendor's own making: nothing can be checked */
    PL_SECURITY_VERIFIED_TEXT,
    PL_SECURITY_VERIFIED_DIGEST,
    PL_SECURITY_FAILED,          /* a signature is there and none over this label verifies     */
    PL_SECURITY_UNSUPPORTED,     /* another algorithm, no key, or no signature of the label    */
    PL_SECURITY_MALFORMED        /* meant as SecurityData, and cannot be read                  */
} pl_security_state;

typedef enum pl_security_side { PL_SECURITY_PRODUCER, PL_SECURITY_PROPAGATOR } pl_security_side;

/* The members of the label that are signed: as they stand in it, decoded. */
typedef struct pl_security_label {
    pl_str label;
    pl_str provider; /* ContentProducer, or ContentPropagator of the other side */
    pl_str id;       /* ProduceID, PropagateID                                  */
} pl_security_label;

typedef struct pl_security_report {
    pl_security_state state;
    bool        has_key, is_pinned;  /* is_pinned: the key is one of those given        */
    char        key[65];             /* hex SHA-256 of the public point                 */
    size_t      signatures, bindings;
    const char *why;                 /* static, English; "" when the state says all     */
} pl_security_report;

/* "none", "vendor-opaque", "verified(text)", "verified(digest)", "failed", "unsupported",
 * "malformed": reports. Static storage. */
const char *pl_security_state_name(pl_security_state s);
/* PL_NOMEM alone fails. pinned: SM2 keys whose owner is known; may be NULL. */
pl_rc pl_security_read(pl_str reserved, pl_security_side side, const pl_security_label *l,
                       const pl_vkey *pinned, size_t npinned, pl_security_report *out, pl_error *err);
/* Appends the value for ReservedCode1: signed over the text form. PL_INVALID: the signer's first
 * key is not SM2, or a member has characters GB 45438-2025 annex E does not allow. */
pl_rc pl_security_write(const pl_signer *s, const pl_security_label *l, pl_buf *out, pl_error *err);
#endif
