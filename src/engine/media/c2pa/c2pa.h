/* C2PA manifest stores: reading and judging them (C2PA Technical Specification 2.x, chapters 10,
 * 13 to 15, 18; claims of version 1 too). Three questions are answered apart, because people mix
 * them up: is what was signed intact, who signed it, and which list vouches for the signer.
 *
 * Pure: bytes of the store, a reader of the file, trust lists and the time come in; a report in
 * the caller's arena comes out. A broken store is a report, not an error. The file is read in
 * pieces and only when its hash is asked for. Nothing is fetched: remote manifests and cloud data are left alone and said so; of revocation counts
 * what the manifest brings along.
 *
 * Bounds: JUMBF_STORE_MAX bytes of a store, C2PA_MANIFESTS_MAX manifests, each checked once, so
 * ingredients that name each other in a circle end. Thread rule: none shared.
 */
#ifndef PL_ENGINE_MEDIA_C2PA_C2PA_H
#define PL_ENGINE_MEDIA_C2PA_C2PA_H

#include "base/json.h"
#include "engine/media/c2pa/cert.h"
#include "engine/media/media.h"

#define C2PA_MANIFESTS_MAX 256
#define C2PA_CODES_MAX     4000

typedef enum c2pa_level { C2PA_SUCCESS, C2PA_NOTE, C2PA_FAILURE } c2pa_level;

/* One status of C2PA 2.x 15.2.2. */
typedef struct c2pa_code {
    const char *code;    /* "claimSignature.validated" … static                          */
    c2pa_level  level;
    pl_str      url;     /* JUMBF URI of what it is about                                */
    const char *why;     /* English; "" when the code says all                           */
    size_t      manifest;/* 0: the active one, then in the order they were reached       */
    bool        is_known;/* a failure that whoever took the ingredient in has recorded   */
} c2pa_code;

typedef enum c2pa_integrity {
    C2PA_NOT_CHECKED, /* the manifest holds; the file was not hashed                      */
    C2PA_INTACT,
    C2PA_PARTIAL,     /* intact, but bytes beside the store were left out of the hash     */
    C2PA_BROKEN
} c2pa_integrity;

typedef enum c2pa_standing {
    C2PA_NOT_ASKED, /* no trust list was given                                            */
    C2PA_TRUSTED,
    C2PA_UNTRUSTED, /* none of the lists vouches for the signer                           */
    C2PA_EXPIRED,   /* not valid when it was used, as far as that is known                */
    C2PA_REVOKED,   /* its authority took it back, as an answer in the manifest shows      */
    C2PA_UNFIT,     /* the certificate breaks the profile of C2PA signers                 */
    C2PA_NO_SIGNER  /* there is no certificate to judge                                   */
} c2pa_standing;

typedef struct c2pa_action {
    pl_str action, source_type, agent, when;
} c2pa_action;

typedef struct c2pa_ingredient {
    pl_str title, format, relationship, instance_id;
    pl_str manifest; /* label of its manifest in the store; empty: it has none */
} c2pa_ingredient;

/* What is asked about a store. */
typedef struct c2pa_how {
    const c2pa_trust *trust;     /* NULL: trust is not asked                               */
    pl_str            tsa_roots; /* PEM of time stamp authorities, besides the trust lists */
    int64_t           now_ms;
} c2pa_how;

/* The file a store belongs to. store: where the container keeps the store, framing included. */
typedef struct c2pa_asset {
    const pl_media_io    *io;
    pl_media_format       format;
    const pl_media_range *store;
    size_t                store_n;
} c2pa_asset;

typedef struct c2pa_report {
    c2pa_integrity   integrity;
    uint64_t         unprotected; /* bytes left out of the hash beside the store           */
    const char      *state;       /* "Invalid", "Valid", "Trusted": C2PA 2.x 14.3           */
    c2pa_standing    standing;
    pl_str           trust_list;  /* which list vouches; empty when none does               */
    bool             has_signer;
    c2pa_cert_facts  signer;
    const char      *alg;         /* of the signature; NULL when unknown                    */
    int64_t          time_ms;     /* attested by a time stamp; 0: none holds                */
    char             tsa[256];
    bool             is_tsa_trusted;
    /* The active manifest's claim. Views into the store. */
    pl_str           manifest, title, format, instance_id, generator, generator_version;
    int              claim_version;
    const c2pa_action     *actions;
    size_t                 actions_n;
    const c2pa_ingredient *ingredients;
    size_t                 ingredients_n;
    bool             is_generated; /* an action declares a trained model as source          */
    size_t           manifests;
    const c2pa_code *codes;
    size_t           codes_n;
} c2pa_report;

/* asset NULL: the file is not hashed. PL_NOMEM and failures of the reader only. */
pl_rc pl_c2pa_check(pl_str store, const c2pa_asset *asset, const c2pa_how *how, pl_arena *a,
                    const c2pa_report **out, pl_error *err);
/* The same for a scanned file. PL_C2PA_QUICK: the file is not hashed. PL_NOTFOUND: it has no store.
 * Several stores make a report that says so: readers would disagree on which counts. */
enum c2pa_flags { PL_C2PA_QUICK = 1 << 0 };
pl_rc pl_c2pa_check_media(const pl_media *m, unsigned flags, const c2pa_how *how, pl_arena *a,
                          const c2pa_report **out, pl_error *err);
/* The bytes of the store inside a scanned file, in the arena or the scan. PL_NOTFOUND: none.
 * PL_CONFLICT: several. */
pl_rc pl_c2pa_store_of(const pl_media *m, pl_arena *a, pl_str *store, pl_error *err);
/* The `c2pa` object of `inspect --json`: present, integrity, signer, trust, codes and more. */
json_t *pl_c2pa_json(const c2pa_report *r);
const char *pl_c2pa_integrity_name(c2pa_integrity i);
const char *pl_c2pa_standing_name(c2pa_standing s);
#endif
