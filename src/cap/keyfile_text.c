/* The text of a key file: docs/formats/keys.md. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/keyfile.h"

#include <sodium.h>

/* A file from elsewhere must not make us work or allocate without end. */
#define OPS_MAX     16
#define MEM_KIB_MAX (1u << 20)

static pl_rc line_take(pl_str *rest, const char *word, pl_str *out, pl_error *err)
{
    pl_str line, key = pl_str_z(word);

    if (memchr(rest->p, '\n', rest->n) == NULL || !pl_str_split(rest, '\n', &line) ||
        !pl_str_starts(line, key) || line.n == key.n)
        return pl_fail(err, PL_INVALID, "key file has no line '%s'", word);
    *out = (pl_str){ line.p + key.n, line.n - key.n };
    return PL_OK;
}

/* Hex in its one spelling, lower case: what a file says must be written one way only. */
static bool hex_take(pl_str text, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] >= 'A' && text.p[i] <= 'F')
            return false;
    return pl_hex_decode(text, out, n, NULL) == PL_OK;
}

static pl_rc kdf_parse(pl_str text, pl_keyfile *k, pl_error *err)
{
    pl_str rest = text, word, ops, mem;

    if (pl_str_eqz(text, "none") || pl_str_eqz(text, "token")) {
        k->kind = text.n == 4 ? PL_KEYFILE_CLEAR : PL_KEYFILE_TOKEN;
        return PL_OK;
    }
    k->kind = PL_KEYFILE_ARGON2ID;
    if (!pl_str_split(&rest, ' ', &word) || !pl_str_eqz(word, "argon2id") ||
        !pl_str_split(&rest, ' ', &ops) || !pl_str_split(&rest, ' ', &mem) ||
        pl_str_u64(ops, &k->ops, NULL) != PL_OK || pl_str_u64(mem, &k->mem_kib, NULL) != PL_OK ||
        !hex_take(rest, k->salt, sizeof(k->salt)))
        return pl_fail(err, PL_INVALID, "key file has a 'kdf' line that cannot be read");
    if (k->ops < 1 || k->ops > OPS_MAX || k->mem_kib < 8 || k->mem_kib > MEM_KIB_MAX)
        return pl_fail(err, PL_LIMIT, "key file asks for more work than we do");
    return PL_OK;
}

static pl_rc secret_parse(pl_str text, pl_keyfile *k, pl_error *err)
{
    size_t n = 0;

    if (k->kind == PL_KEYFILE_CLEAR)
        return hex_take(text, k->secret, sizeof(k->secret))
                   ? PL_OK
                   : pl_fail(err, PL_INVALID, "secret of the key file is not 64 hex digits");
    if (k->kind == PL_KEYFILE_ARGON2ID)
        return pl_base64_decode(text, k->sealed, sizeof(k->sealed), &n, NULL) == PL_OK &&
                       n == sizeof(k->sealed)
                   ? PL_OK
                   : pl_fail(err, PL_INVALID, "secret of the key file is not %zu bytes in base64",
                             sizeof(k->sealed));
    if (!pl_str_starts(text, PL_STR("pkcs11:")) || text.n >= sizeof(k->uri) ||
        memchr(text.p, '\0', text.n) != NULL)
        return pl_fail(err, PL_INVALID, "key file does not refer to a token with 'pkcs11:'");
    memcpy(k->uri, text.p, text.n);
    k->uri[text.n] = '\0';
    return PL_OK;
}

pl_rc pl_keyfile_parse(pl_str text, pl_keyfile *out, pl_error *err)
{
    pl_keyfile k = { .ops = 0 };
    pl_str     rest = text, line;
    pl_rc      rc;

    if (text.n > PL_KEYFILE_MAX)
        return pl_fail(err, PL_LIMIT, "key file is larger than %u bytes", PL_KEYFILE_MAX);
    if (!pl_str_split(&rest, '\n', &line) || !pl_str_eqz(line, "plumbline-key v1"))
        return pl_fail(err, PL_INVALID, "not a key file");
    rc = line_take(&rest, "vkey: ", &line, err);
    if (rc == PL_OK)
        rc = pl_vkey_parse(line, &k.key, err);
    if (rc == PL_OK)
        rc = line_take(&rest, "kdf: ", &line, err);
    if (rc == PL_OK)
        rc = kdf_parse(line, &k, err);
    k.header = (pl_str){ text.p, (size_t)(rest.p - text.p) };
    if (rc == PL_OK)
        rc = line_take(&rest, "secret: ", &line, err);
    if (rc == PL_OK && rest.n > 0)
        rc = pl_fail(err, PL_INVALID, "key file goes on after its secret");
    if (rc == PL_OK)
        rc = secret_parse(line, &k, err);
    if (rc == PL_OK)
        *out = k;
    sodium_memzero(k.secret, sizeof(k.secret));
    return rc;
}

pl_rc pl_keyfile_unseal(pl_keyfile *k, pl_str passphrase, pl_error *err)
{
    uint8_t wrap[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
    int     bad;

    if (k->kind != PL_KEYFILE_ARGON2ID)
        return PL_OK;
    if (sodium_init() < 0 ||
        crypto_pwhash(wrap, sizeof(wrap), passphrase.p, passphrase.n, k->salt, k->ops,
                      (size_t)k->mem_kib * 1024, crypto_pwhash_ALG_ARGON2ID13) != 0)
        return pl_fail(err, PL_NOMEM, "out of memory");
    bad = crypto_aead_xchacha20poly1305_ietf_decrypt(
        k->secret, NULL, NULL, k->sealed + 24, sizeof(k->sealed) - 24,
        (const unsigned char *)k->header.p, k->header.n, k->sealed, wrap);
    sodium_memzero(wrap, sizeof(wrap));
    return bad == 0 ? PL_OK
                    : pl_fail(err, PL_DENIED, "wrong passphrase for key '%s', or its file was "
                                              "changed", k->key.name);
}
