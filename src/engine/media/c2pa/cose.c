#include "base/banned.h"

#include "base/str.h"
#include "engine/media/c2pa/cose.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

enum { HDR_ALG = 1, HDR_X5CHAIN = 33, TAG_SIGN1 = 18, RSA_BITS_MIN = 2048 };

/* RFC 9053 2, RFC 8230: the algorithms of C2PA 2.x 13.2.1. */
static const struct alg_row {
    int64_t     alg;
    const char *name, *digest;
    int         type;    /* EVP_PKEY_… */
    int         nid;     /* curve that goes with it when we choose */
    size_t      rs_n;    /* bytes of r and of s in a signature, by the key's own curve when 0 */
} algs[] = {
    { -7, "ES256", "SHA256", EVP_PKEY_EC, NID_X9_62_prime256v1, 0 },
    { -35, "ES384", "SHA384", EVP_PKEY_EC, NID_secp384r1, 0 },
    { -36, "ES512", "SHA512", EVP_PKEY_EC, NID_secp521r1, 0 },
    { -37, "PS256", "SHA256", EVP_PKEY_RSA, 0, 0 },
    { -38, "PS384", "SHA384", EVP_PKEY_RSA, 0, 0 },
    { -39, "PS512", "SHA512", EVP_PKEY_RSA, 0, 0 },
    { -8, "EdDSA", NULL, EVP_PKEY_ED25519, 0, 64 },
};

static const struct alg_row *row_of(int64_t alg)
{
    for (size_t i = 0; i < sizeof algs / sizeof algs[0]; i++)
        if (algs[i].alg == alg)
            return &algs[i];
    return NULL;
}

const char *pl_cose_alg_name(int64_t alg)
{
    const struct alg_row *r = row_of(alg);

    return r ? r->name : NULL;
}

int64_t pl_cose_alg_of(const char *name)
{
    for (size_t i = 0; i < sizeof algs / sizeof algs[0]; i++)
        if (strcasecmp(algs[i].name, name) == 0)
            return algs[i].alg;
    return strcasecmp(name, "Ed25519") == 0 ? -8 : 0;
}

static int curve_of(EVP_PKEY *key)
{
    char   name[64];
    size_t n = 0;

    if (EVP_PKEY_get_group_name(key, name, sizeof name, &n) != 1)
        return NID_undef;
    return OBJ_sn2nid(name) != NID_undef ? OBJ_sn2nid(name) : EC_curve_nist2nid(name);
}

int64_t pl_cose_alg_for_key(EVP_PKEY *key)
{
    int type = EVP_PKEY_get_base_id(key);

    if (type == EVP_PKEY_RSA || type == EVP_PKEY_RSA_PSS)
        return EVP_PKEY_get_bits(key) >= RSA_BITS_MIN ? -37 : 0;
    if (type == EVP_PKEY_ED25519)
        return -8;
    for (size_t i = 0; type == EVP_PKEY_EC && i < sizeof algs / sizeof algs[0]; i++)
        if (algs[i].nid != 0 && algs[i].nid == curve_of(key))
            return algs[i].alg;
    return 0;
}

/* Whether a key may be used with an algorithm: C2PA does not tie digests to curves on reading. */
static bool key_fits(EVP_PKEY *key, const struct alg_row *r)
{
    int type = EVP_PKEY_get_base_id(key), curve;

    if (r->type == EVP_PKEY_RSA)
        return (type == EVP_PKEY_RSA || type == EVP_PKEY_RSA_PSS) &&
               EVP_PKEY_get_bits(key) >= RSA_BITS_MIN;
    if (type != r->type)
        return false;
    curve = type == EVP_PKEY_EC ? curve_of(key) : 0;
    return type != EVP_PKEY_EC || curve == NID_X9_62_prime256v1 || curve == NID_secp384r1 ||
           curve == NID_secp521r1;
}

/* --- reading --------------------------------------------------------------------------- */

static pl_rc chain_read(const cbor_item *i, cose_sign1 *out, pl_error *err)
{
    size_t n = i->kind == CBOR_ARRAY ? i->n : 1;

    if (n > COSE_CHAIN_MAX)
        return pl_fail(err, PL_LIMIT, "cose: more than %d certificates", COSE_CHAIN_MAX);
    for (size_t k = 0; k < n; k++) {
        out->chain[k] = pl_cbor_bytes(i->kind == CBOR_ARRAY ? &i->items[k] : i);
        if (out->chain[k].n == 0)
            return pl_fail(err, PL_INVALID, "cose: an entry of x5chain is no certificate");
    }
    out->chain_n = n;
    return PL_OK;
}

/* Label 33, protected or not; files before the label was assigned have the text "x5chain". */
static pl_rc chain_find(cose_sign1 *out, pl_error *err)
{
    const cbor_item *i = pl_cbor_get_int(out->protected_map, HDR_X5CHAIN);

    if (!i)
        i = pl_cbor_get(out->protected_map, "x5chain");
    out->is_chain_protected = i != NULL;
    if (!i)
        i = pl_cbor_get_int(out->unprotected, HDR_X5CHAIN);
    if (!i)
        i = pl_cbor_get(out->unprotected, "x5chain");
    return i ? chain_read(i, out, err) : PL_OK;
}

static bool alg_read(const cbor_item *i, int64_t *alg)
{
    char name[16];

    if (pl_cbor_int(i, alg))
        return true;
    if (!i || i->kind != CBOR_TEXT || i->str.n >= sizeof name)
        return false;
    memcpy(name, i->str.p, i->str.n);
    name[i->str.n] = '\0';
    *alg = pl_cose_alg_of(name);
    return true;
}

pl_rc pl_cose_parse(pl_str bytes, pl_arena *a, cose_sign1 *out, pl_error *err)
{
    const cbor_item *top = NULL;
    cose_sign1       c = { 0 };
    pl_rc            rc;

    rc = pl_cbor_parse(bytes, a, &top, err);
    if (rc != PL_OK)
        return rc;
    if (top->kind == CBOR_TAG && top->value == TAG_SIGN1)
        top = top->items;
    if (top->kind != CBOR_ARRAY || top->n != 4 || top->items[0].kind != CBOR_BYTES ||
        top->items[1].kind != CBOR_MAP || top->items[3].kind != CBOR_BYTES)
        return pl_fail(err, PL_INVALID, "cose: not a COSE_Sign1");
    c.protected_bytes = top->items[0].str;
    c.unprotected = &top->items[1];
    c.signature = top->items[3].str;
    rc = pl_cbor_parse(c.protected_bytes, a, &c.protected_map, err);
    if (rc == PL_OK && !alg_read(pl_cbor_get_int(c.protected_map, HDR_ALG), &c.alg))
        rc = pl_fail(err, PL_INVALID, "cose: the protected header names no algorithm");
    if (rc == PL_OK)
        rc = chain_find(&c, err);
    if (rc == PL_OK)
        *out = c;
    return rc;
}

void pl_cose_to_be_signed(pl_buf *b, const char *context, pl_str protected_bytes, pl_str payload)
{
    pl_cbor_put_array(b, 4);
    pl_cbor_put_textz(b, context);
    pl_cbor_put_bytes(b, protected_bytes);
    pl_cbor_put_bytes(b, (pl_str){ "", 0 });
    pl_cbor_put_bytes(b, payload);
}

/* --- signatures ------------------------------------------------------------------------ */

static size_t field_bytes(EVP_PKEY *key)
{
    return ((size_t)EVP_PKEY_get_bits(key) + 7) / 8;
}

size_t pl_cose_sig_size(EVP_PKEY *key, int64_t alg)
{
    const struct alg_row *r = row_of(alg);

    return !r || !key_fits(key, r) ? 0
           : r->type == EVP_PKEY_EC ? 2 * field_bytes(key)
                                    : (size_t)EVP_PKEY_get_size(key);
}

/* RSASSA-PSS with the salt as long as the digest (RFC 8230 2). */
static bool pss(EVP_PKEY_CTX *p)
{
    return EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(p, RSA_PSS_SALTLEN_DIGEST) == 1;
}

static const EVP_MD *digest_of(const struct alg_row *r)
{
    return r->digest ? EVP_get_digestbyname(r->digest) : NULL;
}

static unsigned char *rs_to_der(pl_str sig, int *n)
{
    size_t         half = sig.n / 2;
    ECDSA_SIG     *s = ECDSA_SIG_new();
    BIGNUM        *r = BN_bin2bn((const unsigned char *)sig.p, (int)half, NULL);
    BIGNUM        *v = BN_bin2bn((const unsigned char *)sig.p + half, (int)half, NULL);
    unsigned char *der = NULL;

    *n = 0;
    if (s && r && v && ECDSA_SIG_set0(s, r, v) == 1)
        *n = i2d_ECDSA_SIG(s, &der);
    else
        BN_free(r), BN_free(v);
    ECDSA_SIG_free(s);
    return *n > 0 ? der : NULL;
}

static bool verify_der(const struct alg_row *r, EVP_PKEY *key, pl_str sig, pl_str message)
{
    EVP_MD_CTX   *m = EVP_MD_CTX_new();
    EVP_PKEY_CTX *p = NULL;
    bool          ok = m && EVP_DigestVerifyInit(m, &p, digest_of(r), NULL, key) == 1;

    if (ok && r->type == EVP_PKEY_RSA)
        ok = pss(p);
    ok = ok && EVP_DigestVerify(m, (const unsigned char *)sig.p, sig.n,
                                (const unsigned char *)message.p, message.n) == 1;
    EVP_MD_CTX_free(m);
    ERR_clear_error();
    return ok;
}

static bool verify(const struct alg_row *r, EVP_PKEY *key, pl_str sig, pl_str message)
{
    unsigned char *der;
    int            n;
    bool           ok;

    if (r->type != EVP_PKEY_EC)
        return verify_der(r, key, sig, message);
    if (sig.n != 2 * field_bytes(key) || (der = rs_to_der(sig, &n)) == NULL)
        return false;
    ok = verify_der(r, key, (pl_str){ (const char *)der, (size_t)n }, message);
    OPENSSL_free(der);
    return ok;
}

pl_rc pl_cose_verify(const cose_sign1 *c, EVP_PKEY *key, pl_str payload, pl_error *err)
{
    const struct alg_row *r = row_of(c->alg);
    pl_buf                b = PL_BUF_INIT(payload.n + c->protected_bytes.n + 64);
    pl_rc                 rc;

    if (!r || !key_fits(key, r))
        return pl_fail(err, PL_NOTFOUND, "cose: algorithm %lld does not go with the key",
                       (long long)c->alg);
    pl_cose_to_be_signed(&b, "Signature1", c->protected_bytes, payload);
    rc = pl_buf_check(&b, err);
    if (rc == PL_OK && !verify(r, key, c->signature, pl_buf_str(&b)))
        rc = pl_fail(err, PL_INVALID, "cose: the signature does not verify");
    pl_buf_done(&b);
    return rc;
}

void pl_cose_protected(pl_buf *b, const cose_signer *s)
{
    pl_cbor_put_map(b, 2);
    pl_cbor_put_int(b, HDR_ALG);
    pl_cbor_put_int(b, s->alg);
    pl_cbor_put_int(b, HDR_X5CHAIN);
    if (s->chain_n > 1)
        pl_cbor_put_array(b, s->chain_n);
    for (size_t i = 0; i < s->chain_n; i++)
        pl_cbor_put_bytes(b, s->chain[i]);
}

bool pl_cose_rs_of_der(pl_str bytes, size_t half, uint8_t *out)
{
    const unsigned char *der = (const unsigned char *)bytes.p;
    ECDSA_SIG    *s = d2i_ECDSA_SIG(NULL, &der, (long)bytes.n);
    const BIGNUM *r, *v;
    bool          ok = false;

    if (s) {
        ECDSA_SIG_get0(s, &r, &v);
        ok = BN_bn2binpad(r, out, (int)half) == (int)half &&
             BN_bn2binpad(v, out + half, (int)half) == (int)half;
    }
    ECDSA_SIG_free(s);
    return ok;
}

pl_rc pl_cose_key_sign(void *ctx, pl_str message, uint8_t *sig, pl_error *err)
{
    const cose_key       *k = ctx;
    const struct alg_row *r = row_of(k->alg);
    unsigned char         raw[COSE_SIG_MAX + 16];
    size_t                n = sizeof raw, want = pl_cose_sig_size(k->key, k->alg);
    EVP_MD_CTX           *m = EVP_MD_CTX_new();
    EVP_PKEY_CTX         *p = NULL;
    bool ok = m && want > 0 && EVP_DigestSignInit(m, &p, digest_of(r), NULL, k->key) == 1;

    if (ok && r->type == EVP_PKEY_RSA)
        ok = pss(p);
    ok = ok && EVP_DigestSign(m, raw, &n, (const unsigned char *)message.p, message.n) == 1;
    if (ok && r->type == EVP_PKEY_EC)
        ok = pl_cose_rs_of_der((pl_str){ (const char *)raw, n }, want / 2, sig);
    else if (ok && (ok = n == want))
        memcpy(sig, raw, n);
    EVP_MD_CTX_free(m);
    ERR_clear_error();
    return ok ? PL_OK : pl_fail(err, PL_INVALID, "the key cannot sign with this algorithm");
}
