#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "cap/keyfile.h"
#include "cap/token.h"

#include <errno.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

/* About a tenth of a second, as for passwords: a passphrase must not be cheap to try. */
#define OPS     3
#define MEM_KIB (64u << 10)

/* --- passphrase ------------------------------------------------------------------------- */

static pl_rc line_read(int fd, char *out, size_t cap, pl_error *err)
{
    size_t n = 0;

    while (n + 1 < cap) {
        ssize_t got = read(fd, out + n, 1);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return pl_fail(err, PL_IO, "cannot read the passphrase: %s", strerrordesc_np(errno));
        if (got == 0 || out[n] == '\n')
            break;
        n++;
    }
    out[n] = '\0';
    return n + 1 < cap ? PL_OK : pl_fail(err, PL_LIMIT, "passphrase is longer than %zu bytes",
                                         cap - 2);
}

pl_rc pl_passphrase(pl_str *out, pl_error *err)
{
    static char read_once[1024];
    static bool is_read;
    const char *env = getenv(PL_PASSPHRASE_ENV), *fd = getenv(PL_PASSPHRASE_FD_ENV);
    uint64_t    n = 0;
    pl_rc       rc;

    if (env != NULL && env[0] != '\0') {
        *out = pl_str_z(env);
        return PL_OK;
    }
    if (fd != NULL && !is_read) {
        if (pl_str_u64(pl_str_z(fd), &n, NULL) != PL_OK || n > 1023)
            return pl_fail(err, PL_INVALID, PL_PASSPHRASE_FD_ENV " is not a file descriptor");
        rc = line_read((int)n, read_once, sizeof(read_once), err);
        if (rc != PL_OK)
            return rc;
        is_read = true;
    }
    *out = pl_str_z(read_once);
    return PL_OK;
}

/* --- writing ---------------------------------------------------------------------------- */

static pl_rc header_put(const pl_vkey *key, const char *kdf, pl_buf *out, pl_error *err)
{
    char  text[PL_VKEY_TEXT_MAX];
    pl_rc rc = pl_vkey_format(key, text, sizeof(text), err);

    pl_buf_printf(out, "plumbline-key v1\nvkey: %s\nkdf: %s\n", text, kdf);
    return rc == PL_OK ? pl_buf_check(out, err) : rc;
}

static pl_rc sealed_put(const pl_vkey *key, const uint8_t secret[32], pl_str passphrase,
                        pl_buf *out, pl_error *err)
{
    uint8_t salt[16], wrap[32], sealed[24 + 48];
    char    hex[33], kdf[80];
    pl_rc   rc = pl_random(salt, sizeof(salt), err);

    if (rc == PL_OK)
        rc = pl_random(sealed, 24, err);
    pl_hex(salt, sizeof(salt), hex);
    (void)snprintf(kdf, sizeof(kdf), "argon2id %d %u %s", OPS, MEM_KIB, hex);
    if (rc == PL_OK)
        rc = header_put(key, kdf, out, err);
    if (rc == PL_OK &&
        (sodium_init() < 0 ||
         crypto_pwhash(wrap, sizeof(wrap), passphrase.p, passphrase.n, salt, OPS,
                       (size_t)MEM_KIB * 1024, crypto_pwhash_ALG_ARGON2ID13) != 0))
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    if (rc != PL_OK)
        return rc;
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + 24, NULL, secret, 32,
                                                     (const unsigned char *)out->p, out->n, NULL,
                                                     sealed, wrap);
    sodium_memzero(wrap, sizeof(wrap));
    pl_buf_puts(out, "secret: ");
    pl_buf_base64(out, sealed, sizeof(sealed));
    pl_buf_putc(out, '\n');
    return pl_buf_check(out, err);
}

static pl_rc clear_put(const pl_vkey *key, const uint8_t secret[32], pl_buf *out, pl_error *err)
{
    pl_rc rc = header_put(key, "none", out, err);

    pl_buf_puts(out, "secret: ");
    pl_buf_hex(out, secret, 32);
    pl_buf_putc(out, '\n');
    return rc == PL_OK ? pl_buf_check(out, err) : rc;
}

static void buf_wipe(pl_buf *b)
{
    if (b->p != NULL)
        sodium_memzero(b->p, b->cap);
    pl_buf_done(b);
}

pl_rc pl_keyfile_write(const char *path, pl_str name, pl_key_alg alg, const uint8_t secret[32],
                       pl_str passphrase, pl_error *err)
{
    pl_buf     b = PL_BUF_INIT(PL_KEYFILE_MAX);
    pl_signer *s = NULL;
    pl_rc      rc = pl_signer_new_alg(name, alg, secret, &s, err);

    if (rc == PL_OK)
        rc = passphrase.n > 0 ? sealed_put(pl_signer_key(s, 0), secret, passphrase, &b, err)
                              : clear_put(pl_signer_key(s, 0), secret, &b, err);
    if (rc == PL_OK)
        rc = pl_file_write_atomic(path, pl_buf_str(&b), 0600, err);
    buf_wipe(&b);
    pl_signer_free(s);
    return rc;
}

pl_rc pl_keyfile_write_token(const char *path, const pl_vkey *key, pl_str uri, pl_error *err)
{
    pl_buf b = PL_BUF_INIT(PL_KEYFILE_MAX);
    pl_rc  rc = header_put(key, "token", &b, err);

    pl_buf_printf(&b, "secret: " PL_STR_FMT "\n", PL_STR_ARG(uri));
    if (rc == PL_OK)
        rc = pl_buf_check(&b, err);
    if (rc == PL_OK)
        rc = pl_file_write_atomic(path, pl_buf_str(&b), 0600, err);
    pl_buf_done(&b);
    return rc;
}

pl_rc pl_keyfile_new(const char *path, pl_str name, pl_key_alg alg, pl_error *err)
{
    uint8_t secret[32];
    pl_str  passphrase = PL_STR("");
    pl_rc   rc = pl_passphrase(&passphrase, err);

    if (rc == PL_OK && access(path, F_OK) == 0)
        rc = pl_fail(err, PL_CONFLICT, "key file exists already: '%s'", path);
    /* A random number outside of the group is one in 2^32 and means: draw again. */
    for (int tries = 0; rc == PL_OK && tries < 8; tries++) {
        pl_signer *s = NULL;

        rc = pl_random(secret, sizeof(secret), err);
        if (rc == PL_OK && pl_signer_new_alg(name, alg, secret, &s, NULL) == PL_OK) {
            pl_signer_free(s);
            break;
        }
    }
    if (rc == PL_OK)
        rc = pl_keyfile_write(path, name, alg, secret, passphrase, err);
    sodium_memzero(secret, sizeof(secret));
    return rc;
}

/* --- reading ---------------------------------------------------------------------------- */

pl_rc pl_keyfile_check(const char *path, pl_error *err)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return pl_fail(err, errno == ENOENT ? PL_NOTFOUND : PL_IO, "cannot read key file '%s': %s",
                       path, strerrordesc_np(errno));
    if (!S_ISREG(st.st_mode))
        return pl_fail(err, PL_INVALID, "key file is not a regular file: '%s'", path);
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return pl_fail(err, PL_DENIED, "key file is open to other users; run: chmod 600 '%s'",
                       path);
    return PL_OK;
}

/* The bytes of a private file, to be wiped by the caller. */
static pl_rc file_load(const char *path, char **text, size_t *n, pl_error *err)
{
    pl_rc rc = pl_keyfile_check(path, err);

    return rc == PL_OK ? pl_file_read(path, PL_KEYFILE_MAX, text, n, err) : rc;
}

static void text_wipe(char *text, size_t n)
{
    if (text != NULL)
        sodium_memzero(text, n);
    free(text);
}

static bool is_old_form(pl_str text, uint8_t seed[32])
{
    return pl_hex_decode(pl_str_trim(text), seed, 32, NULL) == PL_OK;
}

static pl_rc secret_signer(pl_keyfile *k, pl_signer **out, pl_error *err)
{
    pl_str     passphrase = PL_STR("");
    pl_signer *s = NULL;
    pl_rc      rc = PL_OK;

    if (k->kind == PL_KEYFILE_ARGON2ID)
        rc = pl_passphrase(&passphrase, err);
    if (rc == PL_OK && k->kind == PL_KEYFILE_ARGON2ID && passphrase.n == 0)
        rc = pl_fail(err, PL_DENIED, "key '%s' is encrypted: give its passphrase in "
                     PL_PASSPHRASE_ENV " or " PL_PASSPHRASE_FD_ENV, k->key.name);
    if (rc == PL_OK)
        rc = pl_keyfile_unseal(k, passphrase, err);
    if (rc == PL_OK)
        rc = pl_signer_new_alg(pl_str_z(k->key.name), k->key.alg, k->secret, &s, err);
    if (rc == PL_OK && !pl_vkey_equal(pl_signer_key(s, 0), &k->key)) {
        pl_signer_free(s);
        return pl_fail(err, PL_INVALID, "key file of '%s' holds the secret of another key",
                       k->key.name);
    }
    if (rc == PL_OK)
        *out = s;
    return rc;
}

static pl_rc text_signer(pl_str text, const char *path, const char *name, pl_signer **out,
                         pl_error *err)
{
    pl_keyfile k;
    uint8_t    seed[32];
    pl_error   why = { PL_OK, "" };
    pl_rc      rc;

    if (name[0] != '\0' && is_old_form(text, seed)) {
        rc = pl_signer_new(pl_str_z(name), seed, out, err);
        sodium_memzero(seed, sizeof(seed));
        return rc;
    }
    rc = pl_keyfile_parse(text, &k, &why);
    if (rc != PL_OK)
        return pl_fail(err, rc, "%.160s: '%.80s'", why.text, path);
    rc = k.kind == PL_KEYFILE_TOKEN ? pl_token_signer(&k.key, k.uri, out, err)
                                    : secret_signer(&k, out, err);
    sodium_memzero(&k, sizeof(k));
    return rc;
}

pl_rc pl_keyfile_signer(const char *path, const char *name, pl_signer **out, pl_error *err)
{
    char  *text = NULL;
    size_t n = 0;
    pl_rc  rc = file_load(path, &text, &n, err);

    if (rc == PL_OK)
        rc = text_signer((pl_str){ text, n }, path, name, out, err);
    text_wipe(text, n);
    return rc;
}

pl_rc pl_keyfile_info_read(const char *path, pl_keyfile_info *out, pl_error *err)
{
    pl_keyfile_info i = { .is_old = false };
    pl_keyfile      k;
    uint8_t         seed[32];
    char           *text = NULL;
    size_t          n = 0;
    pl_rc           rc = file_load(path, &text, &n, err);

    if (rc == PL_OK && is_old_form((pl_str){ text, n }, seed)) {
        i.is_old = true;
    } else if (rc == PL_OK) {
        rc = pl_keyfile_parse((pl_str){ text, n }, &k, err);
        if (rc == PL_OK) {
            i.key = k.key;
            i.is_encrypted = k.kind == PL_KEYFILE_ARGON2ID;
            i.is_token = k.kind == PL_KEYFILE_TOKEN;
        }
        sodium_memzero(&k, sizeof(k));
    }
    sodium_memzero(seed, sizeof(seed));
    text_wipe(text, n);
    if (rc == PL_OK)
        *out = i;
    return rc;
}

static pl_rc secret_load(const char *path, const char *name, pl_keyfile *k, pl_error *err)
{
    pl_signer *s = NULL;
    char      *text = NULL;
    size_t     n = 0;
    pl_str     passphrase = PL_STR("");
    pl_rc      rc = file_load(path, &text, &n, err);

    if (rc == PL_OK && is_old_form((pl_str){ text, n }, k->secret)) {
        rc = pl_signer_new(pl_str_z(name), k->secret, &s, err);
        if (rc == PL_OK)
            k->key = *pl_signer_key(s, 0);
        pl_signer_free(s);
    } else if (rc == PL_OK) {
        rc = pl_keyfile_parse((pl_str){ text, n }, k, err);
        if (rc == PL_OK && k->kind == PL_KEYFILE_TOKEN)
            rc = pl_fail(err, PL_INVALID, "key '%s' is on a token, which protects it", k->key.name);
        if (rc == PL_OK)
            rc = pl_passphrase(&passphrase, err);
        if (rc == PL_OK)
            rc = pl_keyfile_unseal(k, passphrase, err);
    }
    text_wipe(text, n);
    return rc;
}

pl_rc pl_keyfile_protect(const char *path, const char *name, pl_str passphrase, pl_error *err)
{
    pl_keyfile k = { .ops = 0 };
    pl_rc      rc = secret_load(path, name, &k, err);

    if (rc == PL_OK)
        rc = pl_keyfile_write(path, pl_str_z(k.key.name), k.key.alg, k.secret, passphrase, err);
    sodium_memzero(&k, sizeof(k));
    return rc;
}
