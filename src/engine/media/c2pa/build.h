/* Writing C2PA manifests: one claim of version 2 that says how the file came about, binds it by a
 * hash and is signed with the user's certificate. A store that was there stays, as the manifest
 * of the parent ingredient.
 *
 * In three steps, because the hash depends on where the store goes and the store holds the hash:
 *   pl_c2pa_draft_size    how many bytes the store will have, whatever it binds;
 *   pl_c2pa_bind          the hash of the new file, read with a store of that size in its place;
 *   pl_c2pa_sign          the store, of exactly that size.
 * Pure: ids, time, keys and time stamps come from the caller. Thread rule: none shared.
 */
#ifndef PL_ENGINE_MEDIA_C2PA_BUILD_H
#define PL_ENGINE_MEDIA_C2PA_BUILD_H

#include "engine/media/c2pa/c2pa.h"
#include "engine/media/c2pa/cose.h"

#define C2PA_STAMP_ROOM 16384 /* bytes kept for a time stamp */

/* How the file came about. */
typedef enum c2pa_origin {
    C2PA_CREATED, /* made here: c2pa.created, and no earlier manifest       */
    C2PA_EDITED   /* c2pa.opened with the parent ingredient, then c2pa.edited */
} c2pa_origin;

typedef struct c2pa_draft {
    pl_media_format format;      /* decides the kind of hash                                   */
    c2pa_origin origin;
    pl_str      manifest;        /* "urn:c2pa:<uuid>", new for each                            */
    pl_str      instance_id;     /* "xmp:iid:<uuid>", new for each                             */
    pl_str      title;           /* may be empty                                               */
    pl_str      source_type;     /* URI of the digital source type; for C2PA_EDITED may be empty */
    pl_str      generator, version;
    pl_str      agent;           /* what made or edited it; empty: the generator               */
    int64_t     when_ms;
    pl_str      parent_store;    /* empty: the parent has no manifest                          */
    const c2pa_report *parent_report; /* what pl_c2pa_check said of it; NULL without store     */
    pl_str      parent_title, parent_format; /* media type; C2PA_EDITED                        */
    bool        has_stamp;       /* leave room for a time stamp                                */
} c2pa_draft;

typedef struct c2pa_binding {
    pl_media_range store;   /* in the new file, framing included */
    uint8_t        sum[32]; /* SHA-256                           */
} c2pa_binding;

/* Gets the bytes a time stamp must cover; appends a DER TimeStampResp or TimeStampToken. */
typedef struct c2pa_stamper {
    void *ctx;
    pl_rc (*stamp)(void *ctx, pl_str message, pl_buf *out, pl_error *err);
} c2pa_stamper;

/* PL_INVALID: the draft contradicts itself, or the parent's store cannot be read. */
pl_rc pl_c2pa_draft_size(const c2pa_draft *d, const cose_signer *s, size_t *n, pl_error *err);
pl_rc pl_c2pa_bind(const c2pa_draft *d, const pl_media_io *file, pl_media_range store,
                   c2pa_binding *out, pl_error *err);
/* stamper NULL when d->has_stamp is false. Appends to out. PL_LIMIT: the time stamp is larger
 * than the room kept for it. */
pl_rc pl_c2pa_sign(const c2pa_draft *d, const cose_signer *s, const c2pa_binding *b,
                   const c2pa_stamper *stamper, pl_buf *out, pl_error *err);
/* All three steps for a scanned file, whose bytes (but for its store) stay: the new file as a plan.
 * d->format is taken from the scan. The arena and the scan must outlive the plan. */
pl_rc pl_c2pa_sign_media(pl_media *m, const c2pa_draft *d, const cose_signer *s,
                         const c2pa_stamper *stamper, pl_arena *a, pl_media_plan **out, pl_error *err);
#endif
