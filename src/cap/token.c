/* PKCS#11 2.40, and Ed25519 as in 3.0. The module is loaded by name: which one is the
 * operator's affair, and nothing else of the product needs it. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "cap/token.h"
#include "engine/log/key.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdbool.h>

#define SLOTS_MAX 64
#define POINT_MAX 80

typedef struct token_uri {
    char token[33], object[128], module[512];
} token_uri;

typedef struct token {
    void             *library;
    CK_FUNCTION_LIST *f;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE  secret;
    pl_key_alg        alg;
    pthread_mutex_t   turn; /* a session does one thing at a time */
} token;

/* --- the URI ---------------------------------------------------------------------------- */

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Percent-decoded, NUL-terminated; false when it does not fit or holds a NUL. */
static bool value_decode(pl_str v, char *out, size_t cap)
{
    size_t n = 0;

    for (size_t i = 0; i < v.n; i++) {
        char c = v.p[i];

        if (c == '%') {
            int hi = i + 2 < v.n ? digit_of(v.p[i + 1]) : -1;
            int lo = i + 2 < v.n ? digit_of(v.p[i + 2]) : -1;

            if (hi < 0 || lo < 0)
                return false;
            c = (char)(hi << 4 | lo);
            i += 2;
        }
        if (c == '\0' || n + 1 >= cap)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return true;
}

static bool attribute_take(pl_str part, token_uri *u)
{
    pl_str name;

    if (!pl_str_split(&part, '=', &name))
        return false;
    if (pl_str_eqz(name, "token"))
        return value_decode(part, u->token, sizeof(u->token));
    if (pl_str_eqz(name, "object"))
        return value_decode(part, u->object, sizeof(u->object));
    if (pl_str_eqz(name, "module-path"))
        return value_decode(part, u->module, sizeof(u->module));
    return pl_str_eqz(name, "type"); /* others would narrow the choice in ways we do not know */
}

static pl_rc uri_parse(const char *text, token_uri *out, pl_error *err)
{
    token_uri u = { .token = "" };
    pl_str    rest = pl_str_z(text), path, part;
    bool      ok = pl_str_starts(rest, PL_STR("pkcs11:"));

    if (ok) {
        rest.p += 7;
        rest.n -= 7;
        (void)pl_str_split(&rest, '?', &path);
        while (ok && pl_str_split(&path, ';', &part))
            ok = attribute_take(part, &u);
        while (ok && pl_str_split(&rest, '&', &part))
            ok = attribute_take(part, &u);
    }
    if (!ok || u.token[0] == '\0' || u.object[0] == '\0' || u.module[0] == '\0')
        return pl_fail(err, PL_INVALID,
                       "token is not named as pkcs11:token=LABEL;object=LABEL?module-path=FILE");
    *out = u;
    return PL_OK;
}

/* --- module and session ----------------------------------------------------------------- */

static pl_rc failed(pl_error *err, const char *doing, CK_RV rv)
{
    pl_rc rc = rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LOCKED ? PL_DENIED : PL_IO;

    return pl_fail(err, rc, "token failed to %s: PKCS#11 error 0x%lx", doing, (unsigned long)rv);
}

static pl_rc module_load(token *t, const token_uri *u, pl_error *err)
{
    CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
    CK_C_GetFunctionList get;
    CK_RV                rv;

    t->library = dlopen(u->module, RTLD_NOW | RTLD_LOCAL);
    get = t->library ? (CK_C_GetFunctionList)dlsym(t->library, "C_GetFunctionList") : NULL;
    if (get == NULL || get(&t->f) != CKR_OK)
        return pl_fail(err, PL_IO, "cannot load the PKCS#11 module '%s'", u->module);
    rv = t->f->C_Initialize(&args);
    return rv == CKR_OK || rv == CKR_CRYPTOKI_ALREADY_INITIALIZED ? PL_OK
                                                                  : failed(err, "start", rv);
}

/* Labels are padded with spaces to 32 bytes. */
static bool label_is(const CK_TOKEN_INFO *i, const char *label)
{
    size_t n = strlen(label);

    if (n > sizeof(i->label) || memcmp(i->label, label, n) != 0)
        return false;
    for (; n < sizeof(i->label); n++)
        if (i->label[n] != ' ')
            return false;
    return true;
}

static pl_rc slot_find(const token *t, const char *label, CK_SLOT_ID *out, pl_error *err)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG   n = SLOTS_MAX;
    CK_RV      rv = t->f->C_GetSlotList(CK_TRUE, slots, &n);

    if (rv != CKR_OK)
        return failed(err, "list its slots", rv);
    for (CK_ULONG i = 0; i < n; i++) {
        CK_TOKEN_INFO info;

        if (t->f->C_GetTokenInfo(slots[i], &info) == CKR_OK && label_is(&info, label)) {
            *out = slots[i];
            return PL_OK;
        }
    }
    return pl_fail(err, PL_NOTFOUND, "no token '%s'", label);
}

static pl_rc session_open(token *t, const token_uri *u, CK_FLAGS flags, pl_error *err)
{
    const char *pin = getenv(PL_TOKEN_PIN_ENV);
    CK_SLOT_ID  slot = 0;
    CK_RV       rv;
    pl_rc       rc = slot_find(t, u->token, &slot, err);

    if (rc != PL_OK)
        return rc;
    if (pin == NULL)
        return pl_fail(err, PL_DENIED, "token '%s' wants its PIN in " PL_TOKEN_PIN_ENV, u->token);
    rv = t->f->C_OpenSession(slot, CKF_SERIAL_SESSION | flags, NULL, NULL, &t->session);
    if (rv != CKR_OK)
        return failed(err, "open a session", rv);
    rv = t->f->C_Login(t->session, CKU_USER, (CK_UTF8CHAR *)(uintptr_t)pin, strlen(pin));
    return rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN ? PL_OK : failed(err, "log in", rv);
}

static void token_free(void *ctx)
{
    token *t = ctx;

    if (t->session != CK_INVALID_HANDLE)
        (void)t->f->C_CloseSession(t->session);
    /* Neither C_Finalize nor dlclose: another signer of this process may use the module. */
    (void)pthread_mutex_destroy(&t->turn);
    free(t);
}

static pl_rc token_open(const token_uri *u, pl_key_alg alg, CK_FLAGS flags, token **out,
                        pl_error *err)
{
    token *t = calloc(1, sizeof(*t));
    pl_rc  rc;

    if (t == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    t->alg = alg;
    (void)pthread_mutex_init(&t->turn, NULL);
    rc = module_load(t, u, err);
    if (rc == PL_OK)
        rc = session_open(t, u, flags, err);
    if (rc != PL_OK) {
        token_free(t);
        return rc;
    }
    *out = t;
    return PL_OK;
}

/* --- objects ---------------------------------------------------------------------------- */

/* PL_NOTFOUND: no such object; PL_CONFLICT: more than one. */
static pl_rc object_find(const token *t, CK_OBJECT_CLASS class, const char *label,
                         CK_OBJECT_HANDLE *out, pl_error *err)
{
    CK_ATTRIBUTE     a[] = { { CKA_CLASS, &class, sizeof(class) },
                             { CKA_LABEL, (void *)(uintptr_t)label, strlen(label) } };
    CK_OBJECT_HANDLE found[2];
    CK_ULONG         n = 0;
    CK_RV            rv = t->f->C_FindObjectsInit(t->session, a, 2);

    if (rv == CKR_OK) {
        rv = t->f->C_FindObjects(t->session, found, 2, &n);
        (void)t->f->C_FindObjectsFinal(t->session);
    }
    if (rv != CKR_OK)
        return failed(err, "look for its keys", rv);
    if (n != 1)
        return pl_fail(err, n ? PL_CONFLICT : PL_NOTFOUND, "token has %s key '%s'",
                       n ? "more than one" : "no", label);
    *out = found[0];
    return PL_OK;
}

/* --- signing ---------------------------------------------------------------------------- */

static pl_rc raw_sign(const token *t, pl_str message, uint8_t out[64], pl_error *err)
{
    CK_MECHANISM m = { t->alg == PL_KEY_ED25519 ? CKM_EDDSA : CKM_ECDSA, NULL, 0 };
    uint8_t      digest[32];
    CK_ULONG     n = 64;
    CK_RV        rv;

    if (t->alg == PL_KEY_P256) {
        pl_sha256_of(message, digest);
        message = (pl_str){ (const char *)digest, sizeof(digest) };
    }
    rv = t->f->C_SignInit(t->session, &m, t->secret);
    if (rv == CKR_OK)
        rv = t->f->C_Sign(t->session, (CK_BYTE *)(uintptr_t)message.p, message.n, out, &n);
    if (rv != CKR_OK)
        return failed(err, "sign", rv);
    return n == 64 ? PL_OK : pl_fail(err, PL_IO, "token gave a signature of %lu bytes", n);
}

static pl_rc token_sign(void *ctx, pl_str message, pl_sig *out, pl_error *err)
{
    token  *t = ctx;
    uint8_t rs[64];
    pl_rc   rc;

    (void)pthread_mutex_lock(&t->turn);
    rc = raw_sign(t, message, rs, err);
    (void)pthread_mutex_unlock(&t->turn);
    if (rc != PL_OK)
        return rc;
    if (t->alg == PL_KEY_P256) {
        out->n = pl_key_rs_to_der(rs, out->b);
    } else {
        memcpy(out->b, rs, 64);
        out->n = 64;
    }
    return out->n > 0 ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

static pl_rc alg_check(pl_key_alg alg, pl_error *err)
{
    return alg == PL_KEY_ED25519 || alg == PL_KEY_P256
               ? PL_OK
               : pl_fail(err, PL_INVALID, "tokens hold ed25519 and p256 keys, not %s",
                         pl_key_alg_name(alg));
}

pl_rc pl_token_signer(const pl_vkey *key, const char *uri, pl_signer **out, pl_error *err)
{
    token_uri u;
    token    *t = NULL;
    pl_rc     rc = alg_check(key->alg, err);

    if (rc == PL_OK)
        rc = uri_parse(uri, &u, err);
    if (rc == PL_OK)
        rc = token_open(&u, key->alg, 0, &t, err);
    if (rc == PL_OK)
        rc = object_find(t, CKO_PRIVATE_KEY, u.object, &t->secret, err);
    if (rc == PL_OK)
        rc = pl_signer_of(key, token_sign, token_free, t, out, err);
    if (rc != PL_OK && t != NULL)
        token_free(t);
    return rc;
}

/* --- making a key ----------------------------------------------------------------------- */

static pl_rc pair_generate(const token *t, const char *label, CK_OBJECT_HANDLE *public,
                           pl_error *err)
{
    static const uint8_t ed25519[] = { 0x06, 0x03, 0x2b, 0x65, 0x70 };
    static const uint8_t p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
    bool                 is_ed = t->alg == PL_KEY_ED25519;
    CK_BBOOL             yes = CK_TRUE, no = CK_FALSE;
    CK_MECHANISM         m = { is_ed ? CKM_EC_EDWARDS_KEY_PAIR_GEN : CKM_EC_KEY_PAIR_GEN, NULL, 0 };
    void                *name = (void *)(uintptr_t)label;
    CK_ATTRIBUTE         pub[] = { { CKA_TOKEN, &yes, sizeof(yes) },
                                   { CKA_VERIFY, &yes, sizeof(yes) },
                                   { CKA_LABEL, name, strlen(label) },
                                   { CKA_EC_PARAMS, (void *)(uintptr_t)(is_ed ? ed25519 : p256),
                                     is_ed ? sizeof(ed25519) : sizeof(p256) } };
    CK_ATTRIBUTE         priv[] = { { CKA_TOKEN, &yes, sizeof(yes) },
                                    { CKA_PRIVATE, &yes, sizeof(yes) },
                                    { CKA_SENSITIVE, &yes, sizeof(yes) },
                                    { CKA_EXTRACTABLE, &no, sizeof(no) },
                                    { CKA_SIGN, &yes, sizeof(yes) },
                                    { CKA_LABEL, name, strlen(label) } };
    CK_OBJECT_HANDLE     secret;
    CK_RV rv = t->f->C_GenerateKeyPair(t->session, &m, pub, sizeof(pub) / sizeof(pub[0]), priv,
                                       sizeof(priv) / sizeof(priv[0]), public, &secret);

    return rv == CKR_OK ? PL_OK : failed(err, "make a key", rv);
}

/* The point, with or without the OCTET STRING the standard wraps it in. */
static pl_rc point_read(const token *t, CK_OBJECT_HANDLE public, pl_str name, pl_vkey *out,
                        pl_error *err)
{
    uint8_t      b[POINT_MAX];
    CK_ATTRIBUTE a = { CKA_EC_POINT, b, sizeof(b) };
    size_t       n = t->alg == PL_KEY_ED25519 ? 32 : 65;
    CK_RV        rv = t->f->C_GetAttributeValue(t->session, public, &a, 1);
    uint8_t     *p = b;

    if (rv != CKR_OK)
        return failed(err, "show a public key", rv);
    if (a.ulValueLen == n + 2 && b[0] == 0x04 && b[1] == n)
        p += 2;
    else if (a.ulValueLen != n)
        return pl_fail(err, PL_IO, "token gave a public key of %lu bytes", a.ulValueLen);
    return pl_vkey_make(name, t->alg, (pl_str){ (const char *)p, n }, out, err);
}

pl_rc pl_token_generate(pl_str name, pl_key_alg alg, const char *uri, pl_vkey *out, pl_error *err)
{
    token_uri        u;
    token           *t = NULL;
    CK_OBJECT_HANDLE object;
    pl_rc            rc = alg_check(alg, err);

    if (rc == PL_OK)
        rc = uri_parse(uri, &u, err);
    if (rc == PL_OK)
        rc = token_open(&u, alg, CKF_RW_SESSION, &t, err);
    if (rc != PL_OK)
        return rc;
    rc = object_find(t, CKO_PRIVATE_KEY, u.object, &object, NULL);
    if (rc == PL_OK || rc == PL_CONFLICT)
        rc = pl_fail(err, PL_CONFLICT, "token has a key '%s' already", u.object);
    else if (rc == PL_NOTFOUND)
        rc = pair_generate(t, u.object, &object, err);
    if (rc == PL_OK)
        rc = point_read(t, object, name, out, err);
    token_free(t);
    return rc;
}
