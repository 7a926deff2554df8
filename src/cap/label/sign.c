#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/http_client.h"
#include "base/str.h"
#include "cap/keyfile.h"
#include "cap/label/sign.h"
#include "cap/token.h"
#include "engine/log/timestamp.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define PEM_MAX        (1u << 20)
#define TSA_TIMEOUT_MS 20000
#define ARENA_MAX      (256u << 20)

struct pl_sign_identity {
    cose_key    key;   /* its key is NULL when the secret is elsewhere */
    pl_signer  *token;
    cose_signer signer;
    X509       *certs[COSE_CHAIN_MAX];
    size_t      n;
    char       *der[COSE_CHAIN_MAX];
    char        subject[256];
};

void pl_sign_identity_free(pl_sign_identity *id)
{
    if (!id)
        return;
    EVP_PKEY_free(id->key.key);
    pl_signer_free(id->token);
    for (size_t i = 0; i < id->n; i++) {
        X509_free(id->certs[i]);
        free(id->der[i]);
    }
    free(id);
}

const char *pl_sign_identity_subject(const pl_sign_identity *id)
{
    return id->subject;
}

/* --- key and certificate --------------------------------------------------------------------- */

static int passphrase(char *buf, int cap, int is_writing, void *ctx)
{
    bool  *asked = ctx;
    pl_str p;

    (void)is_writing;
    *asked = true;
    if (pl_passphrase(&p, NULL) != PL_OK || p.n == 0 || p.n > (size_t)cap)
        return -1;
    memcpy(buf, p.p, p.n);
    return (int)p.n;
}

static bool is_token(pl_str s)
{
    return pl_str_starts(s, PL_STR("pkcs11:"));
}

/* *uri instead, malloc'd: the file names a key on a token. */
static pl_rc key_read(const char *path, EVP_PKEY **out, char **uri, pl_error *err)
{
    char  *text = NULL;
    size_t n = 0;
    bool   asked = false;
    BIO   *b;
    pl_rc  rc = pl_keyfile_check(path, err);

    if (rc == PL_OK)
        rc = pl_file_read(path, PEM_MAX, &text, &n, err);
    if (rc == PL_OK && is_token((pl_str){ text, n })) {
        *uri = pl_str_dup(pl_str_trim((pl_str){ text, n }));
        free(text);
        return *uri ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
    }
    if (rc != PL_OK)
        return rc;
    b = BIO_new_mem_buf(text, (int)n);
    *out = b ? PEM_read_bio_PrivateKey(b, NULL, passphrase, &asked) : NULL;
    BIO_free(b);
    OPENSSL_cleanse(text, n);
    free(text);
    ERR_clear_error();
    if (*out)
        return PL_OK;
    if (asked)
        return pl_fail(err, PL_DENIED, "'%s' needs its passphrase: set %s or %s", path,
                       PL_PASSPHRASE_ENV, PL_PASSPHRASE_FD_ENV);
    return pl_fail(err, PL_INVALID, "'%s' holds no private key in PEM", path);
}

static bool is_root(const X509 *x)
{
    return X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) == 0;
}

/* All certificates of the file but a root, which C2PA 14.5 leaves out. */
static pl_rc certs_read(const char *path, pl_sign_identity *id, pl_error *err)
{
    char  *text = NULL;
    size_t n = 0;
    BIO   *b;
    X509  *x;
    pl_rc  rc = pl_file_read(path, PEM_MAX, &text, &n, err);

    if (rc != PL_OK)
        return rc;
    b = BIO_new_mem_buf(text, (int)n);
    while (rc == PL_OK && b && (x = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL) {
        if (id->n > 0 && is_root(x))
            X509_free(x);
        else if (id->n == COSE_CHAIN_MAX)
            rc = pl_fail(err, PL_LIMIT, "'%s' has more than %d certificates", path, COSE_CHAIN_MAX);
        else
            id->certs[id->n++] = x;
    }
    BIO_free(b);
    free(text);
    ERR_clear_error();
    if (rc == PL_OK && id->n == 0)
        rc = pl_fail(err, PL_INVALID, "'%s' holds no certificate in PEM", path);
    return rc;
}

static pl_rc chain_make(pl_sign_identity *id, pl_error *err)
{
    for (size_t i = 0; i < id->n; i++) {
        unsigned char *p, *der;
        int            n = i2d_X509(id->certs[i], NULL);

        der = n > 0 ? malloc((size_t)n) : NULL;
        if (!der)
            return pl_fail(err, PL_NOMEM, "out of memory");
        p = der;
        (void)i2d_X509(id->certs[i], &p);
        id->der[i] = (char *)der;
        id->signer.chain[i] = (pl_str){ (char *)der, (size_t)n };
    }
    id->signer.chain_n = id->n;
    return PL_OK;
}

static pl_rc alg_choose(pl_sign_identity *id, EVP_PKEY *key, const char *alg, const char *path, pl_error *err)
{
    id->key.alg = alg ? pl_cose_alg_of(alg) : pl_cose_alg_for_key(key);
    id->signer.alg = id->key.alg;
    id->signer.sig_n = pl_cose_sig_size(key, id->key.alg);
    if (id->signer.sig_n == 0 || id->signer.sig_n > COSE_SIG_MAX)
        return pl_fail(err, PL_INVALID,
                       alg ? "the key in '%s' does not sign with '%s'"
                           : "the key in '%s' is of a kind C2PA does not allow: P-256, P-384, P-521,"
                             " RSA of 2048 bits or more, or Ed25519",
                       path, alg);
    return PL_OK;
}

/* --- a key on a token ------------------------------------------------------------------------ */

static pl_rc token_sign(void *ctx, pl_str message, uint8_t *sig, pl_error *err)
{
    pl_sign_identity *id = ctx;
    pl_sig            got;
    pl_rc             rc = pl_signer_sign(id->token, 0, message, &got, err);

    if (rc != PL_OK)
        return rc;
    if (id->signer.alg != COSE_ES256) {
        memcpy(sig, got.b, id->signer.sig_n);
        return PL_OK;
    }
    return pl_cose_rs_of_der((pl_str){ (const char *)got.b, got.n }, id->signer.sig_n / 2, sig)
               ? PL_OK
               : pl_fail(err, PL_IO, "the token gave no ECDSA signature");
}

/* The public key is that of the certificate: what the token signs is verified with it. */
static pl_rc token_open(pl_sign_identity *id, const char *uri, const char *alg, pl_error *err)
{
    EVP_PKEY  *key = X509_get0_pubkey(id->certs[0]);
    uint8_t    pub[133];
    size_t     n = sizeof pub;
    bool       is_ed;
    pl_vkey    vkey;
    pl_rc      rc = key ? alg_choose(id, key, alg, uri, err) : pl_fail(err, PL_INVALID, "the certificate's key cannot be read");

    if (rc != PL_OK)
        return rc;
    is_ed = id->signer.alg == COSE_EDDSA;
    if (!is_ed && id->signer.alg != COSE_ES256)
        return pl_fail(err, PL_INVALID, "keys on tokens sign with ES256 (P-256) and EdDSA (Ed25519); the certificate's is of another kind");
    if ((is_ed ? EVP_PKEY_get_raw_public_key(key, pub, &n)
               : EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, pub, sizeof pub, &n)) != 1)
        return pl_fail(err, PL_INVALID, "the certificate's key cannot be read");
    rc = pl_vkey_make(PL_STR("c2pa"), is_ed ? PL_KEY_ED25519 : PL_KEY_P256, (pl_str){ (const char *)pub, n }, &vkey, err);
    if (rc == PL_OK)
        rc = pl_token_signer(&vkey, uri, &id->token, err);
    id->signer.ctx = id;
    id->signer.sign = token_sign;
    if (rc == PL_OK) { /* said now rather than with the first file */
        uint8_t probe[COSE_SIG_MAX];
        rc = token_sign(id, PL_STR("probe"), probe, err);
    }
    return rc;
}

/* What a verifier would say of the certificate, said now. */
static pl_rc profile_check(const pl_sign_identity *id, const char *path, pl_error *err)
{
    c2pa_chain c = { .n = id->n };
    pl_error   why;

    memcpy(c.certs, id->certs, id->n * sizeof(X509 *));
    if (pl_c2pa_cert_check(&c, NULL, &why) != PL_OK)
        return pl_fail(err, PL_INVALID, "'%s' cannot sign for C2PA: %.150s", path, why.text);
    return PL_OK;
}

static pl_rc file_open(pl_sign_identity *id, const char *path, const char *cert, const char *alg, pl_error *err)
{
    pl_rc rc = PL_OK;

    if (X509_check_private_key(id->certs[0], id->key.key) != 1)
        rc = pl_fail(err, PL_INVALID, "the key in '%s' is not that of the first certificate in '%s'", path, cert);
    ERR_clear_error();
    if (rc == PL_OK)
        rc = alg_choose(id, id->key.key, alg, path, err);
    id->signer.ctx = &id->key;
    id->signer.sign = pl_cose_key_sign;
    return rc;
}

static void describe(pl_sign_identity *id)
{
    c2pa_cert_facts f;

    pl_c2pa_cert_describe(id->certs[0], &f);
    (void)snprintf(id->subject, sizeof id->subject, "%s", f.subject);
}

pl_rc pl_sign_identity_open(const char *key, const char *cert, const char *alg,
                            pl_sign_identity **out, pl_error *err)
{
    pl_sign_identity *id = calloc(1, sizeof *id);
    char             *uri = id && is_token(pl_str_z(key)) ? pl_str_dup(pl_str_z(key)) : NULL;
    pl_rc             rc = id ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK && !uri)
        rc = key_read(key, &id->key.key, &uri, err);
    if (rc == PL_OK)
        rc = certs_read(cert, id, err);
    if (rc == PL_OK)
        rc = uri ? token_open(id, uri, alg, err) : file_open(id, key, cert, alg, err);
    if (rc == PL_OK)
        rc = profile_check(id, cert, err);
    if (rc == PL_OK)
        rc = chain_make(id, err);
    free(uri);
    if (rc != PL_OK) {
        pl_sign_identity_free(id);
        return rc;
    }
    describe(id);
    *out = id;
    return PL_OK;
}

pl_rc pl_sign_identity_elsewhere(const cose_signer *s, pl_sign_identity **out, pl_error *err)
{
    pl_sign_identity *id = calloc(1, sizeof *id);
    pl_rc             rc = id ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    for (size_t i = 0; rc == PL_OK && i < s->chain_n; i++) {
        const unsigned char *p = (const unsigned char *)s->chain[i].p;
        id->certs[i] = d2i_X509(NULL, &p, (long)s->chain[i].n);
        if (!id->certs[i])
            rc = pl_fail(err, PL_INVALID, "a certificate that cannot be read");
        else
            id->n++;
    }
    ERR_clear_error();
    if (rc == PL_OK && id->n == 0)
        rc = pl_fail(err, PL_INVALID, "there is no certificate");
    if (rc == PL_OK) {
        id->signer = *s;
        rc = chain_make(id, err);
    }
    if (rc != PL_OK) {
        pl_sign_identity_free(id);
        return rc;
    }
    describe(id);
    *out = id;
    return PL_OK;
}

const cose_signer *pl_sign_identity_signer(const pl_sign_identity *id)
{
    return &id->signer;
}

/* --- digital source types --------------------------------------------------------------------- */

#define IPTC "http://cv.iptc.org/newscodes/digitalsourcetype/"
#define C2PA "http://c2pa.org/digitalsourcetype/"

pl_rc pl_source_type(const char *term, const char **uri, pl_error *err)
{
    static const char *const uris[] = {
        IPTC "trainedAlgorithmicMedia", IPTC "compositeWithTrainedAlgorithmicMedia",
        IPTC "algorithmicMedia",        IPTC "compositeSynthetic",
        IPTC "algorithmicallyEnhanced", IPTC "dataDrivenMedia",
        IPTC "virtualRecording",        IPTC "digitalCreation",
        IPTC "humanEdits",              IPTC "screenCapture",
        IPTC "computationalCapture",    IPTC "digitalCapture",
        IPTC "negativeFilm",            IPTC "positiveFilm",
        IPTC "print",                   IPTC "compositeCapture",
        IPTC "composite",               C2PA "trainedAlgorithmicData",
        C2PA "empty",
    };

    for (size_t i = 0; i < sizeof uris / sizeof uris[0]; i++) {
        if (strcmp(term, uris[i]) == 0 || strcmp(term, strrchr(uris[i], '/') + 1) == 0) {
            *uri = uris[i];
            return PL_OK;
        }
    }
    return pl_fail(err, PL_INVALID, "'%s' is no digital source type of IPTC or C2PA", term);
}

/* --- time stamps --------------------------------------------------------------------------------- */

static pl_rc answer_check(const pl_sign_how *how, pl_str message, pl_str answer, uint64_t nonce,
                          pl_error *err)
{
    timestamp_facts f;
    pl_rc           rc = pl_timestamp_verify(answer, message, how->tsa_roots, &f, err);

    if (rc == PL_OK)
        rc = pl_timestamp_answers(answer, nonce, err);
    if (rc == PL_OK && how->tsa_roots.n > 0 && !f.is_trusted)
        rc = pl_fail(err, PL_INVALID, "time stamp: the certificate of '%.100s' leads to none of the"
                                      " roots", f.signer);
    return rc == PL_OK || rc == PL_NOMEM ? rc : PL_IO;
}

pl_rc pl_sign_stamp(const pl_sign_how *how, pl_str message, pl_buf *out, pl_error *err)
{
    static const char *const headers[] = { "Content-Type: application/timestamp-query",
                                           "Accept: application/timestamp-reply", NULL };
    pl_buf             request = PL_BUF_INIT(4096);
    pl_http_response   answer = { .status = 0 };
    pl_http_request    q = { .method = "POST", .url = how->tsa, .headers = headers,
                             .timeout_ms = TSA_TIMEOUT_MS, .max_bytes = PL_TIMESTAMP_MAX };
    uint64_t           nonce = 0;
    pl_rc              rc = pl_random(&nonce, sizeof nonce, err);

    nonce = nonce >> 1 | 1; /* positive and never 0: some authorities read it as signed */
    if (rc == PL_OK)
        rc = pl_timestamp_request(message, nonce, &request, err);
    q.body = pl_buf_str(&request);
    if (rc == PL_OK)
        rc = pl_http_call(&q, &answer, err);
    if (rc == PL_OK && answer.status != 200)
        rc = pl_fail(err, PL_IO, "time stamp authority answers with status %ld", answer.status);
    if (rc == PL_OK)
        rc = answer_check(how, message, pl_buf_str(&answer.body), nonce, err);
    if (rc == PL_OK)
        pl_buf_put(out, pl_buf_str(&answer.body));
    pl_http_response_done(&answer);
    pl_buf_done(&request);
    return rc;
}

static pl_rc stamp(void *ctx, pl_str message, pl_buf *out, pl_error *err)
{
    return pl_sign_stamp(ctx, message, out, err);
}

/* --- signing --------------------------------------------------------------------------------------- */

/* RFC 9562 5.4 */
static pl_rc uuid(pl_arena *a, const char *prefix, pl_str *out, pl_error *err)
{
    uint8_t b[16];
    char    hex[33];
    pl_rc   rc = pl_random(b, sizeof b, err);
    char   *p;

    if (rc != PL_OK)
        return rc;
    b[6] = (uint8_t)((b[6] & 0x0F) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3F) | 0x80);
    pl_hex(b, sizeof b, hex);
    p = pl_arena_printf(a, "%s%.8s-%.4s-%.4s-%.4s-%.12s", prefix, hex, hex + 8, hex + 12, hex + 16,
                        hex + 20);
    *out = pl_str_z(p);
    return p ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

/* The store that is there, and what a check of it finds: kept in the ingredient. */
static pl_rc parent_take(const pl_media *m, const pl_sign_how *how, pl_arena *a, c2pa_draft *d,
                         pl_error *err)
{
    c2pa_how check = { .now_ms = how->now_ms, .tsa_roots = how->tsa_roots };
    pl_rc    rc = pl_c2pa_store_of(m, a, &d->parent_store, err);

    d->parent_format = pl_str_z(pl_media_format_type(pl_media_format_of(m)));
    d->parent_title = how->title;
    if (rc == PL_NOTFOUND)
        return PL_OK;
    if (rc == PL_OK)
        rc = pl_c2pa_check_media(m, 0, &check, a, &d->parent_report, err);
    d->origin = C2PA_EDITED;
    return rc;
}

static bool can_carry(pl_media_format f)
{
    switch (f) {
    case PL_MEDIA_JPEG: case PL_MEDIA_PNG: case PL_MEDIA_WEBP: case PL_MEDIA_GIF: case PL_MEDIA_TIFF:
    case PL_MEDIA_SVG: case PL_MEDIA_HEIC: case PL_MEDIA_AVIF: case PL_MEDIA_MP4: case PL_MEDIA_MOV:
    case PL_MEDIA_M4A: case PL_MEDIA_AVI: case PL_MEDIA_WAV: case PL_MEDIA_MP3: case PL_MEDIA_FLAC:
    case PL_MEDIA_PDF:
        return true;
    default:
        return false;
    }
}

static pl_rc draft_make(const pl_media *m, const pl_sign_how *how, pl_arena *a, c2pa_draft *d,
                        pl_error *err)
{
    const char *type = NULL;
    pl_rc       rc = pl_source_type(how->source_type ? how->source_type : "trainedAlgorithmicMedia",
                                    &type, err);

    *d = (c2pa_draft){ .origin = how->is_edited ? C2PA_EDITED : C2PA_CREATED, .title = how->title,
                       .source_type = pl_str_z(type), .generator = PL_STR("Plumbline"),
                       .version = pl_str_z(pl_version()), .when_ms = how->now_ms,
                       .has_stamp = how->tsa != NULL };
    if (rc == PL_OK)
        rc = uuid(a, "urn:c2pa:", &d->manifest, err);
    if (rc == PL_OK)
        rc = uuid(a, "xmp:iid:", &d->instance_id, err);
    if (rc == PL_OK)
        rc = parent_take(how->original ? how->original : m, how, a, d, err);
    return rc;
}

pl_rc pl_sign_media(pl_media *m, const pl_sign_how *how, pl_arena *a, pl_media_plan **out,
                    pl_error *err)
{
    c2pa_stamper st = { (void *)how, stamp };
    c2pa_draft   d;
    pl_rc        rc;

    if (!can_carry(pl_media_format_of(m)))
        return pl_fail(err, PL_NOTFOUND, "%s files have no place for a C2PA manifest",
                       pl_media_format_name(pl_media_format_of(m)));
    if (!pl_c2pa_cert_is_valid_at(how->id->certs[0], how->now_ms))
        return pl_fail(err, PL_INVALID, "the certificate of '%.120s' is not valid now",
                       how->id->subject);
    rc = draft_make(m, how, a, &d, err);
    if (rc == PL_OK)
        rc = pl_c2pa_sign_media(m, &d, &how->id->signer, !how->tsa ? NULL : how->stamper ? how->stamper : &st, a, out, err);
    return rc;
}
