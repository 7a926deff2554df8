/* Verifier keys: their one text form, and single signatures. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "engine/log/key.h"
#include "engine/log/note.h"

#include <openssl/evp.h>

#define TYPED_MAX 128 /* the longest prefix and public key are 92 bytes */

const char *pl_key_alg_name(pl_key_alg alg)
{
    const key_type *t = pl_key_type_get(alg);

    return t != NULL ? t->name : "unknown";
}

pl_rc pl_key_alg_parse(pl_str name, pl_key_alg *out, pl_error *err)
{
    const key_type *t;

    for (size_t i = 0; (t = pl_key_type_at(i)) != NULL; i++)
        if (t->alg != PL_KEY_COSIGNER && pl_str_eqz(name, t->name)) {
            *out = t->alg;
            return PL_OK;
        }
    return pl_fail(err, PL_INVALID, "no key algorithm '%.*s': ed25519, p256 or sm2",
                   name.n > 32 ? 32 : (int)name.n, name.p);
}

/* C2SP signed-note: H(name || 0x0A || type || key)[0:4]; of ECDSA keys H(SPKI)[0:4]. */
static uint32_t keyid_of(const key_type *t, pl_str name, const uint8_t *pub)
{
    pl_sha256 s;
    uint8_t   h[32];
    pl_str    header = t->prefix;

    pl_sha256_init(&s);
    if (t->alg == PL_KEY_P256) {
        header.p++;
        header.n--;
    } else {
        pl_sha256_update(&s, name.p, name.n);
        pl_sha256_update(&s, "\n", 1);
    }
    pl_sha256_update(&s, header.p, header.n);
    pl_sha256_update(&s, pub, t->pub_n);
    pl_sha256_final(&s, h);
    return pl_note_keyid_get(h);
}

static pl_rc point_check(const key_type *t, const uint8_t *pub, pl_error *err)
{
    EVP_PKEY *k = NULL;
    pl_rc     rc = pl_key_public(t, pub, &k, err);

    EVP_PKEY_free(k);
    return rc;
}

pl_rc pl_vkey_make(pl_str name, pl_key_alg alg, pl_str pub, pl_vkey *out, pl_error *err)
{
    const key_type *t = pl_key_type_get(alg);
    pl_vkey         k = { .alg = alg };
    pl_rc           rc = pl_note_name_check(name, err);

    if (rc != PL_OK)
        return rc;
    if (name.n >= sizeof(k.name))
        return pl_fail(err, PL_LIMIT, "key name is longer than %zu bytes", sizeof(k.name) - 1);
    if (t == NULL || pub.n != t->pub_n)
        return pl_fail(err, PL_INVALID, "not a public key of algorithm '%s'",
                       pl_key_alg_name(alg));
    memcpy(k.name, name.p, name.n);
    memcpy(k.pub, pub.p, pub.n);
    k.pub_n = pub.n;
    k.keyid = keyid_of(t, name, k.pub);
    rc = t->curve != NULL ? point_check(t, k.pub, err) : PL_OK;
    if (rc == PL_OK)
        *out = k;
    return rc;
}

pl_rc pl_vkey_format(const pl_vkey *k, char *buf, size_t cap, pl_error *err)
{
    const key_type *t = pl_key_type_get(k->alg);
    uint8_t         typed[TYPED_MAX];
    pl_buf          b = PL_BUF_INIT(PL_VKEY_TEXT_MAX);
    pl_rc           rc;

    memcpy(typed, t->prefix.p, t->prefix.n);
    memcpy(typed + t->prefix.n, k->pub, k->pub_n);
    pl_buf_printf(&b, "%s+%08x+", k->name, (unsigned)k->keyid);
    pl_buf_base64(&b, typed, t->prefix.n + k->pub_n);
    rc = pl_buf_check(&b, err);
    if (rc == PL_OK && b.n >= cap)
        rc = pl_fail(err, PL_LIMIT, "verifier key needs %zu bytes", b.n + 1);
    if (rc == PL_OK)
        memcpy(buf, b.p, b.n + 1);
    pl_buf_done(&b);
    return rc;
}

/* The key id in its one spelling: eight lower-case hex digits. */
static pl_rc keyid_parse(pl_str hex, uint32_t *out, pl_error *err)
{
    uint32_t v = 0;

    if (hex.n != 8)
        return pl_fail(err, PL_INVALID, "key id is not eight hex digits");
    for (size_t i = 0; i < 8; i++) {
        char c = hex.p[i];

        if (c >= '0' && c <= '9')
            v = v << 4 | (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint32_t)(c - 'a' + 10);
        else
            return pl_fail(err, PL_INVALID, "key id is not eight lower-case hex digits");
    }
    *out = v;
    return PL_OK;
}

/* The algorithm whose prefix and length these bytes have; none is the prefix of another. */
static const key_type *type_of(pl_str typed)
{
    const key_type *t;

    for (size_t i = 0; (t = pl_key_type_at(i)) != NULL; i++)
        if (typed.n == t->prefix.n + t->pub_n && pl_str_starts(typed, t->prefix))
            return t;
    return NULL;
}

static pl_rc typed_parse(pl_str name, pl_str base64, pl_vkey *out, pl_error *err)
{
    uint8_t         typed[TYPED_MAX];
    const key_type *t;
    size_t          n = 0;
    pl_rc           rc = pl_base64_decode(base64, typed, sizeof(typed), &n, err);

    if (rc != PL_OK && rc != PL_LIMIT)
        return rc;
    t = rc == PL_OK ? type_of((pl_str){ (const char *)typed, n }) : NULL;
    if (t == NULL)
        return pl_fail(err, PL_INVALID, "verifier key is of no known algorithm");
    return pl_vkey_make(name, t->alg, (pl_str){ (const char *)typed + t->prefix.n, t->pub_n }, out,
                        err);
}

pl_rc pl_note_vkey_parse(pl_str text, pl_vkey *out, pl_error *err)
{
    pl_str   rest = text, name, hex;
    uint32_t keyid = 0;
    pl_vkey  k;
    pl_rc    rc;

    /* Only the first two '+' separate: base64 may hold more. */
    if (!pl_str_split(&rest, '+', &name) || !pl_str_split(&rest, '+', &hex) || rest.n == 0)
        return pl_fail(err, PL_INVALID, "verifier key is not name+id+key");
    rc = keyid_parse(hex, &keyid, err);
    if (rc == PL_OK)
        rc = typed_parse(name, rest, &k, err);
    if (rc != PL_OK)
        return rc;
    if (k.keyid != keyid)
        return pl_fail(err, PL_INVALID, "key id %08x does not belong to the key of '%s'",
                       (unsigned)keyid, k.name);
    *out = k;
    return PL_OK;
}

pl_rc pl_vkey_parse(pl_str text, pl_vkey *out, pl_error *err)
{
    pl_vkey k;
    pl_rc   rc = pl_note_vkey_parse(text, &k, err);

    if (rc != PL_OK)
        return rc;
    if (k.alg == PL_KEY_COSIGNER)
        return pl_fail(err, PL_INVALID, "'%s' is the key of a witness: it makes cosignatures only",
                       k.name);
    *out = k;
    return PL_OK;
}

pl_rc pl_vkey_verify(const pl_vkey *k, pl_str message, pl_str sig, pl_error *err)
{
    const key_type *t = pl_key_type_get(k->alg);
    EVP_PKEY       *pkey = NULL;
    pl_rc           rc = pl_key_public(t, k->pub, &pkey, err);

    if (rc == PL_OK && pl_key_verify(t, pkey, message, sig, NULL) != PL_OK)
        rc = pl_fail(err, PL_INVALID, "signature of '%s' does not verify", k->name);
    EVP_PKEY_free(pkey);
    return rc;
}

int pl_vkey_equal(const pl_vkey *a, const pl_vkey *b)
{
    return a->alg == b->alg && memcmp(a->pub, b->pub, a->pub_n) == 0;
}

void pl_vkey_fingerprint(const pl_vkey *k, char out[65])
{
    uint8_t h[32];

    pl_sha256_of((pl_str){ (const char *)k->pub, k->pub_n }, h);
    pl_hex(h, sizeof(h), out);
}
