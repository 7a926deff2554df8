/* Shared by the .c files of this folder that judge a manifest store. */
#ifndef PL_ENGINE_MEDIA_C2PA_INT_H
#define PL_ENGINE_MEDIA_C2PA_INT_H

#include "base/str.h"
#include "engine/media/c2pa/c2pa.h"
#include "engine/media/c2pa/cose.h"
#include "engine/media/c2pa/jumbf.h"

#define C2PA_DIGEST_MAX 64
/* Of the `uuid` boxes that belong to C2PA (C2PA 2.x A.5.1). */
#define C2PA_BOX_UUID "\xD8\xFE\xC3\xD6\x1B\x0E\x48\x3C\x92\x97\x58\x28\x87\x7E\xC4\x81"

typedef struct c2pa_manifest {
    const jumbf_box *box;
    const jumbf_box *assertions; /* the assertion store; NULL when absent      */
    const cbor_item *claim;      /* NULL: missing or not readable              */
    pl_str           claim_bytes;
    int              version;    /* of the claim: 1 or 2                       */
    pl_str           alg;        /* digest of hashed URIs that name none       */
    bool             is_update, is_checked;
    const char      *bad;        /* compressed, and cannot be unpacked: why    */
    size_t           order;      /* in which it was reached; the active is 0   */
} c2pa_manifest;

/* An assertion some claim says it took out (C2PA 2.x 6.8). */
typedef struct c2pa_redaction {
    const c2pa_manifest *of, *by;
    pl_str               label;
} c2pa_redaction;

#define C2PA_REDACTIONS_MAX 2000 /* of a store                       */
#define C2PA_ASSERTIONS_MAX 2000 /* in one list of a claim           */

typedef struct c2pa_check {
    pl_arena         *a;
    const c2pa_how   *how;
    const c2pa_asset *asset; /* NULL: not hashed */
    const jumbf_box  *store;
    c2pa_manifest    *manifests;
    size_t            n, reached;
    c2pa_redaction   *redactions;
    size_t            redactions_n;
    c2pa_report      *r;
    c2pa_code        *codes;
    size_t            codes_n, codes_cap;
    const cbor_item  *known; /* what the ingredient that led here has recorded; NULL */
    bool              hash_done, is_unsupported; /* the binding is of a kind that is not verified */
    pl_rc             rc;    /* the first failure of memory or reader, sticky */
    pl_error         *err;
} c2pa_check;

/* A reference with digest: hashed URI map (C2PA 8.4). */
typedef struct c2pa_uri {
    pl_str url, hash, alg;
} c2pa_uri;

/* --- model.c ------------------------------------------------------------------------------- */

/* compressed.c: the manifest in a box c2cm. Its payload stays that of the box: references hash that.
 * PL_INVALID: no manifest comes out. */
#define C2PA_UNPACKED_MAX (16u << 20)
pl_rc pl_c2pa_uncompress(const jumbf_box *box, pl_arena *a, jumbf_box *out, pl_error *err);

/* Finds manifests, claims and assertion stores; says what is missing about the active one only
 * when it is checked. */
void pl_c2pa_model(c2pa_check *c);
/* The box a JUMBF URI names, seen from a manifest, and the manifest it is in. NULL: none. */
const jumbf_box *pl_c2pa_resolve(const c2pa_check *c, const c2pa_manifest *from, pl_str url,
                                 c2pa_manifest **owner);
/* false: not a hashed URI. alg falls back to the manifest's. */
bool   pl_c2pa_uri_read(const cbor_item *i, const c2pa_manifest *m, c2pa_uri *out);
/* "self#jumbf=/c2pa/<manifest>/<rest>", in the arena. */
pl_str pl_c2pa_url(c2pa_check *c, const c2pa_manifest *m, const char *rest, pl_str label);
/* The CBOR of an assertion; NULL when it has none or it cannot be read. */
const cbor_item *pl_c2pa_assertion_cbor(c2pa_check *c, const jumbf_box *assertion);
/* Whether a label is `base`, or `base` with a version (.v2) or an instance (__1) behind it. */
bool   pl_c2pa_label_is(pl_str label, const char *base);
/* The lists of a claim that hold its assertions: one (v1) or two (v2); NULL after the last. */
const cbor_item *pl_c2pa_assertion_list(const c2pa_manifest *m, size_t i);

/* --- status.c ------------------------------------------------------------------------------ */

/* Adds a status. why may be NULL. */
void pl_c2pa_say(c2pa_check *c, const c2pa_manifest *m, const char *code, pl_str url,
                 const char *why);
/* Keeps the first real failure. */
void pl_c2pa_break(c2pa_check *c, pl_rc rc, const char *what);

/* --- digest.c ------------------------------------------------------------------------------ */

/* Bytes of a digest C2PA allows (sha256, sha384, sha512); 0: not one of them. */
size_t pl_c2pa_digest_size(pl_str alg);
bool   pl_c2pa_digest(pl_str alg, pl_str bytes, uint8_t out[C2PA_DIGEST_MAX]);
typedef struct c2pa_hasher {
    EVP_MD_CTX *md;
    size_t      n; /* bytes of the digest */
} c2pa_hasher;
bool  pl_c2pa_hasher_init(c2pa_hasher *h, pl_str alg);
void  pl_c2pa_hasher_add(c2pa_hasher *h, const void *p, size_t n);
/* Adds a range of the file, in pieces. */
pl_rc pl_c2pa_hasher_range(c2pa_hasher *h, const pl_media_io *io, pl_media_range r, pl_error *err);
/* Ends it; out may be NULL. */
void  pl_c2pa_hasher_done(c2pa_hasher *h, uint8_t out[C2PA_DIGEST_MAX]);

/* check.c: a report of one failure that keeps the store from being looked at. */
pl_rc pl_c2pa_unreadable(pl_arena *a, const char *why, const c2pa_report **out, pl_error *err);

/* --- the steps ------------------------------------------------------------------------------ */

/* signature.c: the claim's signature, its time stamp, its certificate. */
void pl_c2pa_signature_check(c2pa_check *c, c2pa_manifest *m);
/* assertions.c: digests of assertions, redactions, how many hard bindings. */
void pl_c2pa_assertions_check(c2pa_check *c, c2pa_manifest *m);
/* actions.c: the rules of actions, and what they say. */
void pl_c2pa_actions_check(c2pa_check *c, c2pa_manifest *m);
/* ingredients.c: manifests of ingredients, in turn. */
void pl_c2pa_ingredients_check(c2pa_check *c, c2pa_manifest *m);
/* check.c: everything of one manifest; again for the same one: nothing. */
void pl_c2pa_manifest_check(c2pa_check *c, c2pa_manifest *m);

/* Whether a label is that of a hard binding (C2PA 9.2). */
bool pl_c2pa_is_binding(pl_str label);
/* hash_*.c: compares the file with a binding assertion of m. */
void pl_c2pa_unsupported_binding(c2pa_check *c, const c2pa_manifest *m, pl_str url);
void pl_c2pa_hash_data(c2pa_check *c, c2pa_manifest *m, const cbor_item *i, pl_str url);
void pl_c2pa_hash_bmff(c2pa_check *c, c2pa_manifest *m, const cbor_item *i, pl_str label,
                       pl_str url);
void pl_c2pa_hash_boxes(c2pa_check *c, c2pa_manifest *m, const cbor_item *i, pl_str url);
/* The digests alone, for the writer too. */
pl_rc pl_c2pa_data_digest(const pl_media_io *io, const pl_media_range *skip, size_t n, pl_str alg,
                          uint8_t sum[C2PA_DIGEST_MAX], pl_error *err);
pl_rc pl_c2pa_bmff_digest(const c2pa_asset *asset, const cbor_item *rules, pl_str alg,
                          unsigned flags, uint8_t sum[C2PA_DIGEST_MAX], uint64_t *unprotected,
                          pl_error *err);
enum { BMFF_OFFSETS = 1 << 0, BMFF_MERKLE = 1 << 1 }; /* from v2 on; trees speak for the media data */
/* hash_merkle.c. PL_INVALID: a tree does not fit. PL_NOTFOUND: of a fragmented file. */
pl_rc pl_c2pa_merkle_check(const c2pa_asset *asset, const cbor_item *trees, pl_str alg, pl_error *err);
#endif
