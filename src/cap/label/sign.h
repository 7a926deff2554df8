/* Signing files with a C2PA manifest: the user's certificate and key, trust lists, time stamps.
 * The manifest itself is engine/media/c2pa; here are the files and the network around it.
 *
 * Keys never leave this process and are wiped with it. A certificate that C2PA verifiers would not
 * accept is refused before anything is signed. Thread rule: an identity may be used by several
 * threads at once. */
#ifndef PL_LABEL_SIGN_H
#define PL_LABEL_SIGN_H

#include "engine/media/c2pa/build.h"

typedef struct pl_sign_identity pl_sign_identity;

/* key: "pkcs11:token=…" names a key on a token (cap/token.h: P-256 and Ed25519; the PIN comes from
 * its variable), as does a file that holds such a line. Otherwise PEM of the private key, also encrypted (the passphrase is that of key files: see
 * cap/keyfile.h), readable by its owner only. cert: PEM of the certificate and of those above it,
 * in any order after the first; the root may be left out. alg: "ES256" …, NULL: what goes with
 * the key. PL_DENIED: the key file is open to others, or the passphrase is missing or wrong.
 * PL_INVALID: the two do not belong together, or C2PA does not allow them (C2PA 2.x 14.5.1). */
pl_rc pl_sign_identity_open(const char *key, const char *cert, const char *alg,
                            pl_sign_identity **out, pl_error *err);
void  pl_sign_identity_free(pl_sign_identity *id);
/* One whose secret is elsewhere: s->sign asks for each signature. Copies what s points to, but ctx. */
pl_rc pl_sign_identity_elsewhere(const cose_signer *s, pl_sign_identity **out, pl_error *err);
/* How it signs, and its chain. Borrowed. */
const cose_signer *pl_sign_identity_signer(const pl_sign_identity *id);
/* Subject of the certificate. */
const char *pl_sign_identity_subject(const pl_sign_identity *id);

typedef struct pl_sign_how {
    const pl_sign_identity *id;
    const char *source_type; /* URI or term of the IPTC list; NULL: trainedAlgorithmicMedia */
    pl_str      title;       /* may be empty */
    bool        is_edited;   /* the file was made elsewhere and edited here */
    const pl_media *original; /* the file before it was labelled: whose store is the parent's; NULL: m */
    const c2pa_stamper *stamper; /* gets time stamps in place of asking tsa; NULL: tsa is asked */
    const char *tsa;         /* URL of a time stamp authority; NULL: none */
    pl_str      tsa_roots;   /* PEM; n 0: any authority whose answer holds */
    int64_t     now_ms;
} pl_sign_how;

/* The signed copy of a scanned file as a plan. A store that is there stays, as that of the parent,
 * with what its check found. Files of formats C2PA does not know: PL_NOTFOUND. The arena and the
 * scan must outlive the plan. */
pl_rc pl_sign_media(pl_media *m, const pl_sign_how *how, pl_arena *a, pl_media_plan **out,
                    pl_error *err);

/* The answer of how->tsa for a message, checked. */
pl_rc pl_sign_stamp(const pl_sign_how *how, pl_str message, pl_buf *out, pl_error *err);

/* "trainedAlgorithmicMedia" or the whole URI as the URI, static or borrowed from `term`. PL_INVALID:
 * no term of IPTC's or C2PA's list. */
pl_rc pl_source_type(const char *term, const char **uri, pl_error *err);

/* Trust lists from files of PEM, or folders of such files: authorities, or with "allowed:" before the path the signers' own
 * certificates. Reports call a list by the name of its file. */
typedef struct pl_trust_files {
    c2pa_trust trust;
    char      *text[C2PA_TRUST_LISTS_MAX], *name[C2PA_TRUST_LISTS_MAX];
} pl_trust_files;
pl_rc pl_trust_files_add(pl_trust_files *t, const char *path, pl_error *err);
void  pl_trust_files_done(pl_trust_files *t);
#endif
