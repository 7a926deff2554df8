/* Signers: secrets in memory or elsewhere, one or several that sign together. */
#include "base/banned.h"

#include "engine/log/key.h"

#include <openssl/evp.h>

typedef struct part {
    pl_vkey    key;
    EVP_PKEY  *pkey; /* OpenSSL wipes the secret when it frees the key; NULL: elsewhere */
    pl_sign_fn sign;
    void (*done)(void *ctx);
    void *ctx;
} part;

struct pl_signer {
    size_t n;
    part   part[PL_SIGNER_KEYS_MAX];
};

static pl_rc signer_of(const part *p, pl_signer **out, pl_error *err)
{
    pl_signer *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    s->part[s->n++] = *p;
    *out = s;
    return PL_OK;
}

pl_rc pl_signer_new_alg(pl_str name, pl_key_alg alg, const uint8_t secret[32], pl_signer **out,
                        pl_error *err)
{
    const key_type *t = pl_key_type_get(alg);
    uint8_t         pub[PL_KEY_PUB_MAX];
    part            p = { .pkey = NULL };
    pl_rc           rc;

    if (t == NULL || alg == PL_KEY_COSIGNER)
        return pl_fail(err, PL_INVALID, "no such key algorithm");
    rc = pl_key_private(t, secret, &p.pkey, pub, err);
    if (rc == PL_OK)
        rc = pl_vkey_make(name, alg, (pl_str){ (const char *)pub, t->pub_n }, &p.key, err);
    if (rc == PL_OK)
        rc = signer_of(&p, out, err);
    if (rc != PL_OK)
        EVP_PKEY_free(p.pkey);
    return rc;
}

pl_rc pl_signer_new(pl_str name, const uint8_t seed[32], pl_signer **out, pl_error *err)
{
    return pl_signer_new_alg(name, PL_KEY_ED25519, seed, out, err);
}

pl_rc pl_signer_of(const pl_vkey *key, pl_sign_fn sign, void (*done)(void *ctx), void *ctx,
                   pl_signer **out, pl_error *err)
{
    part p = { .key = *key, .sign = sign, .done = done, .ctx = ctx };

    return signer_of(&p, out, err);
}

pl_rc pl_signer_join(pl_signer *s, pl_signer *more, pl_error *err)
{
    if (s->n + more->n > PL_SIGNER_KEYS_MAX)
        return pl_fail(err, PL_LIMIT, "more than %d keys would sign together",
                       PL_SIGNER_KEYS_MAX);
    for (size_t i = 0; i < s->n; i++)
        for (size_t j = 0; j < more->n; j++)
            if (pl_vkey_equal(&s->part[i].key, &more->part[j].key))
                return pl_fail(err, PL_CONFLICT, "key of '%s' would sign twice",
                               more->part[j].key.name);
    memcpy(s->part + s->n, more->part, more->n * sizeof(more->part[0]));
    s->n += more->n;
    more->n = 0;
    pl_signer_free(more);
    return PL_OK;
}

void pl_signer_free(pl_signer *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->n; i++) {
        EVP_PKEY_free(s->part[i].pkey);
        if (s->part[i].done != NULL)
            s->part[i].done(s->part[i].ctx);
    }
    free(s);
}

size_t pl_signer_count(const pl_signer *s)
{
    return s->n;
}

const pl_vkey *pl_signer_key(const pl_signer *s, size_t i)
{
    return &s->part[i].key;
}

/* A token that answers wrongly must not put a bad signature into a log for ever. */
static pl_rc elsewhere_sign(const part *p, pl_str message, pl_sig *out, pl_error *err)
{
    pl_sig s = { .n = 0 };
    pl_rc  rc = p->sign(p->ctx, message, &s, err);

    if (rc != PL_OK)
        return rc;
    if (pl_vkey_verify(&p->key, message, (pl_str){ (const char *)s.b, s.n }, NULL) != PL_OK)
        return pl_fail(err, PL_IO, "holder of key '%s' gave a signature that does not verify",
                       p->key.name);
    *out = s;
    return PL_OK;
}

pl_rc pl_signer_sign(const pl_signer *s, size_t i, pl_str message, pl_sig *out, pl_error *err)
{
    const part *p = &s->part[i];

    return p->pkey != NULL
               ? pl_key_sign(pl_key_type_get(p->key.alg), p->pkey, message, out, err)
               : elsewhere_sign(p, message, out, err);
}

pl_rc pl_signer_vkey(const pl_signer *s, char *buf, size_t cap, pl_error *err)
{
    return pl_vkey_format(&s->part[0].key, buf, cap, err);
}
