/* Ed25519 keys: signer, verifier text form, single signatures. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "engine/log/note.h"

#include <openssl/evp.h>

struct pl_signer {
    pl_vkey   key;
    EVP_PKEY *pkey; /* OpenSSL wipes the secret when it frees the key */
};

static pl_rc vkey_fill(pl_str name, uint8_t type, const uint8_t pub[32], pl_vkey *out,
                       pl_error *err)
{
    pl_vkey k = { .keyid = 0 };
    pl_rc   rc = pl_note_name_check(name, err);

    if (rc != PL_OK)
        return rc;
    if (name.n >= sizeof(k.name))
        return pl_fail(err, PL_LIMIT, "key name is longer than %zu bytes", sizeof(k.name) - 1);
    memcpy(k.name, name.p, name.n);
    memcpy(k.pub, pub, sizeof(k.pub));
    k.keyid = pl_note_keyid(name, type, pub);
    *out = k;
    return PL_OK;
}

pl_rc pl_signer_new(pl_str name, const uint8_t seed[32], pl_signer **out, pl_error *err)
{
    pl_signer *s = calloc(1, sizeof(*s));
    uint8_t    pub[32];
    size_t     n = sizeof(pub);
    pl_rc      rc;

    if (s == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    s->pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
    if (s->pkey == NULL || EVP_PKEY_get_raw_public_key(s->pkey, pub, &n) != 1)
        rc = pl_fail(err, PL_IO, "crypto library refused an Ed25519 key");
    else
        rc = vkey_fill(name, PL_NOTE_ED25519, pub, &s->key, err);
    if (rc != PL_OK) {
        pl_signer_free(s);
        return rc;
    }
    *out = s;
    return PL_OK;
}

void pl_signer_free(pl_signer *s)
{
    if (s == NULL)
        return;
    EVP_PKEY_free(s->pkey);
    free(s);
}

const pl_vkey *pl_signer_key(const pl_signer *s)
{
    return &s->key;
}

pl_rc pl_signer_sign(const pl_signer *s, pl_str message, uint8_t sig[64], pl_error *err)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    uint8_t     made[64];
    size_t      n = sizeof(made);
    int         ok;

    if (c == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    ok = EVP_DigestSignInit(c, NULL, NULL, NULL, s->pkey) == 1 &&
         EVP_DigestSign(c, made, &n, (const unsigned char *)message.p, message.n) == 1 &&
         n == sizeof(made);
    EVP_MD_CTX_free(c);
    if (!ok)
        return pl_fail(err, PL_IO, "crypto library failed to sign");
    memcpy(sig, made, sizeof(made));
    return PL_OK;
}

pl_rc pl_vkey_verify(const pl_vkey *k, pl_str message, const uint8_t sig[64], pl_error *err)
{
    EVP_PKEY   *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, k->pub, 32);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    int         ok = pkey != NULL && c != NULL;

    if (!ok) {
        EVP_MD_CTX_free(c);
        EVP_PKEY_free(pkey);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    ok = EVP_DigestVerifyInit(c, NULL, NULL, NULL, pkey) == 1 &&
         EVP_DigestVerify(c, sig, 64, (const unsigned char *)message.p, message.n) == 1;
    EVP_MD_CTX_free(c);
    EVP_PKEY_free(pkey);
    if (!ok)
        return pl_fail(err, PL_INVALID, "signature of '%s' does not verify", k->name);
    return PL_OK;
}

pl_rc pl_note_vkey_format(const pl_vkey *k, uint8_t type, char *buf, size_t cap, pl_error *err)
{
    pl_buf  b = PL_BUF_INIT(512);
    uint8_t typed[33] = { type };
    pl_rc   rc;

    memcpy(typed + 1, k->pub, 32);
    pl_buf_printf(&b, "%s+%08x+", k->name, (unsigned)k->keyid);
    pl_buf_base64(&b, typed, sizeof(typed));
    rc = pl_buf_check(&b, err);
    if (rc == PL_OK && b.n >= cap)
        rc = pl_fail(err, PL_LIMIT, "verifier key needs %zu bytes", b.n + 1);
    if (rc == PL_OK)
        memcpy(buf, b.p, b.n + 1);
    pl_buf_done(&b);
    return rc;
}

pl_rc pl_signer_vkey(const pl_signer *s, char *buf, size_t cap, pl_error *err)
{
    return pl_note_vkey_format(&s->key, PL_NOTE_ED25519, buf, cap, err);
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

pl_rc pl_note_vkey_parse(pl_str text, uint8_t type, pl_vkey *out, pl_error *err)
{
    pl_str   rest = text, name, hex;
    uint8_t  typed[33];
    uint32_t keyid = 0;
    pl_vkey  k;
    size_t   n = 0;
    pl_rc    rc;

    /* Only the first two '+' separate: base64 may hold more. */
    if (!pl_str_split(&rest, '+', &name) || !pl_str_split(&rest, '+', &hex) || rest.n == 0)
        return pl_fail(err, PL_INVALID, "verifier key is not name+id+key");
    rc = keyid_parse(hex, &keyid, err);
    if (rc == PL_OK)
        rc = pl_base64_decode(rest, typed, sizeof(typed), &n, err);
    if (rc != PL_OK && rc != PL_LIMIT)
        return rc;
    if (rc == PL_LIMIT || n != sizeof(typed) || typed[0] != type)
        return pl_fail(err, PL_INVALID,
                       type == PL_NOTE_COSIGNATURE ? "not the key of a witness (type 04)"
                                                   : "verifier key is not an Ed25519 key");
    rc = vkey_fill(name, type, typed + 1, &k, err);
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
    return pl_note_vkey_parse(text, PL_NOTE_ED25519, out, err);
}

void pl_vkey_fingerprint(const pl_vkey *k, char out[65])
{
    uint8_t h[32];

    pl_sha256_of((pl_str){ (const char *)k->pub, sizeof(k->pub) }, h);
    pl_hex(h, sizeof(h), out);
}
