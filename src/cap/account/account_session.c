/* Browser sessions and API tokens: secrets that are shown once and stored as SHA-256. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cap/account/account_int.h"

#define SECRET_HEX   64
#define TOKEN_PREFIX "plt_"

/* 64 lower-case hex digits and NUL. */
static pl_rc secret_make(char out[SECRET_HEX + 1], pl_error *err)
{
    uint8_t rnd[SECRET_HEX / 2];
    pl_rc   rc = pl_random(rnd, sizeof rnd, err);

    if (rc == PL_OK)
        pl_hex(rnd, sizeof rnd, out);
    sodium_memzero(rnd, sizeof rnd);
    return rc;
}

static bool is_secret(pl_str s)
{
    size_t i = 0;

    while (i < s.n && s.p[i] != '\0' && strchr("0123456789abcdef", s.p[i]) != NULL)
        i++;
    return i == SECRET_HEX && s.n == SECRET_HEX;
}

/* Derived instead of stored: nothing in the database can forge it, and it lives exactly
 * as long as the session. */
static void csrf_of(pl_str token, char csrf[65])
{
    uint8_t mac[32];

    pl_hmac_sha256((const uint8_t *)token.p, token.n, PL_STR("plumbline.csrf.v1"), mac);
    pl_hex(mac, sizeof mac, csrf);
}

/* --- failed logins ------------------------------------------------------------------- */

/* Not the name itself: people type passwords into the wrong field. */
static void failure_key(pl_str name, uint8_t key[32])
{
    pl_sha256 h;

    pl_sha256_init(&h);
    pl_sha256_update(&h, "plumbline.failure.v1", sizeof "plumbline.failure.v1");
    pl_sha256_update(&h, name.p, name.n);
    pl_sha256_final(&h, key);
}

/* Counts the attempt as failed before the password is looked at, so that parallel
 * attempts cannot outrun the count; success clears it. */
static pl_rc attempt_begin(pl_db *db, const uint8_t key[32], int64_t now_ms, pl_error *err)
{
    int64_t count;
    pl_rc   rc = failure_store_count(db, key, now_ms, now_ms - ACCOUNT_FAILURE_MS,
                                     ACCOUNT_FAILURES, &count, err);

    if (rc == PL_OK && count > ACCOUNT_FAILURES)
        return pl_fail(err, PL_LIMIT, "too many failed logins for this name, try again later");
    return rc;
}

/* --- sessions ------------------------------------------------------------------------ */

/* One message and one cost for a wrong name, a wrong password and a disabled account. */
static pl_rc password_login(pl_db *db, pl_str name, pl_str password, account_row *a,
                            pl_error *err)
{
    bool  matches = false, is_known;
    pl_rc rc = account_store_find(db, name, a, err);

    if (rc != PL_OK && rc != PL_NOTFOUND)
        return rc;
    is_known = rc == PL_OK;
    rc = account_password_verify(is_known ? a->password : account_dummy_hash(), password,
                                 &matches, err);
    if (rc != PL_OK)
        return rc;
    if (!is_known || !matches || a->is_disabled)
        return pl_fail(err, PL_DENIED, "wrong name or password");
    return PL_OK;
}

static pl_rc session_add(pl_db *db, const uint8_t key[32], pl_str token, const account_row *a,
                         int64_t now_ms, pl_error *err)
{
    uint8_t digest[32];
    pl_rc   rc = pl_db_begin(db, err);

    if (rc != PL_OK)
        return rc;
    pl_sha256_of(token, digest);
    rc = failure_store_clear(db, key, err);
    if (rc == PL_OK)
        rc = session_store_add(db, digest, pl_str_z(a->id), now_ms, now_ms + PL_SESSION_MS, err);
    return account_finish(db, rc, err);
}

pl_rc pl_session_open(pl_services *s, pl_db *db, pl_str name, pl_str password, char token[65],
                      char csrf[65], pl_principal *who, pl_error *err)
{
    account_row a;
    uint8_t     key[32];
    char        secret[SECRET_HEX + 1];
    int64_t     now_ms = s->now_ms();
    pl_rc       rc;

    failure_key(name, key);
    rc = attempt_begin(db, key, now_ms, err);
    if (rc == PL_OK)
        rc = password_login(db, name, password, &a, err);
    if (rc == PL_OK)
        rc = secret_make(secret, err);
    if (rc == PL_OK)
        rc = session_add(db, key, pl_str_z(secret), &a, now_ms, err);
    if (rc != PL_OK)
        return rc;

    memcpy(token, secret, sizeof secret);
    csrf_of(pl_str_z(secret), csrf);
    *who = (pl_principal){ .roles = a.roles };
    memcpy(who->id, a.id, sizeof a.id);
    memcpy(who->name, a.name, sizeof a.name);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(&a, sizeof a);
    return PL_OK;
}

pl_rc pl_session_find(pl_db *db, pl_str token, int64_t now_ms, pl_principal *who, char csrf[65],
                      pl_error *err)
{
    uint8_t digest[32];
    pl_rc   rc;

    if (!is_secret(token))
        return pl_fail(err, PL_NOTFOUND, "session is unknown or has ended");
    pl_sha256_of(token, digest);
    rc = session_store_find(db, digest, now_ms, who, err);
    if (rc == PL_OK)
        csrf_of(token, csrf);
    return rc;
}

pl_rc pl_session_close(pl_db *db, pl_str token, pl_error *err)
{
    uint8_t digest[32];

    pl_sha256_of(token, digest);
    return session_store_drop(db, digest, err);
}

/* --- API tokens ------------------------------------------------------------------------ */

static pl_rc label_check(pl_str label, pl_error *err)
{
    size_t count = 0;

    if (!pl_utf8_valid(label))
        return pl_fail(err, PL_INVALID, "label is not valid UTF-8");
    for (size_t i = 0; i < label.n; i++) {
        unsigned char c = (unsigned char)label.p[i];

        if (c < 0x20 || c == 0x7f)
            return pl_fail(err, PL_INVALID, "label has control characters");
        count += (c & 0xc0) != 0x80;
    }
    if (count < 1 || count > ACCOUNT_LABEL_MAX)
        return pl_fail(err, PL_INVALID, "label must be 1 to %d characters", ACCOUNT_LABEL_MAX);
    return PL_OK;
}

static pl_rc token_check(pl_str label, unsigned roles, int64_t expires_ms, int64_t now_ms,
                         pl_error *err)
{
    pl_rc rc = label_check(label, err);

    if (rc != PL_OK)
        return rc;
    if (roles == 0 || (roles & ~ACCOUNT_ROLES_ALL) != 0)
        return pl_fail(err, PL_INVALID, "at least one role is needed");
    if (expires_ms != 0 && expires_ms <= now_ms)
        return pl_fail(err, PL_INVALID, "token would expire in the past");
    return PL_OK;
}

static pl_rc token_add_stated(pl_services *s, pl_db *db, const token_row *t, pl_str value,
                              pl_str by, pl_error *err)
{
    uint8_t digest[32];
    pl_rc   rc;

    pl_sha256_of(value, digest);
    rc = token_store_add(db, t, digest, err);
    if (rc == PL_OK)
        rc = account_state(s, "token", t->id, "token-add", t->roles, by, t->created_ms, err);
    return rc;
}

pl_rc account_token_add(pl_services *s, pl_db *db, pl_str label, unsigned roles,
                        int64_t expires_ms, pl_str by, char id[PL_ID_LEN + 1], char out[69],
                        pl_error *err)
{
    token_row t = { .roles = roles, .created_ms = s->now_ms(), .expires_ms = expires_ms };
    char      value[69] = TOKEN_PREFIX;
    pl_rc     rc = token_check(label, roles, expires_ms, t.created_ms, err);

    if (rc == PL_OK)
        rc = account_new_id(t.created_ms, t.id, err);
    if (rc == PL_OK)
        rc = secret_make(value + sizeof TOKEN_PREFIX - 1, err);
    if (rc == PL_OK)
        rc = pl_db_begin(db, err);
    if (rc != PL_OK)
        return rc;

    (void)snprintf(t.label, sizeof t.label, PL_STR_FMT, PL_STR_ARG(label));
    (void)snprintf(t.created_by, sizeof t.created_by, PL_STR_FMT, PL_STR_ARG(by));
    rc = account_finish(db, token_add_stated(s, db, &t, pl_str_z(value), by, err), err);
    if (rc == PL_OK) {
        memcpy(id, t.id, sizeof t.id);
        memcpy(out, value, sizeof value);
    }
    sodium_memzero(value, sizeof value);
    return rc;
}

pl_rc pl_token_add(pl_services *s, pl_db *db, pl_str label, unsigned roles, int64_t expires_ms,
                   pl_str by, char out[69], pl_error *err)
{
    char id[PL_ID_LEN + 1];

    return account_token_add(s, db, label, roles, expires_ms, by, id, out, err);
}

pl_rc pl_token_find(pl_db *db, pl_str value, int64_t now_ms, pl_principal *who, pl_error *err)
{
    pl_str  hex = value;
    uint8_t digest[32];

    if (!pl_str_starts(value, PL_STR(TOKEN_PREFIX)))
        return pl_fail(err, PL_NOTFOUND, "token is unknown, expired or revoked");
    hex.p += sizeof TOKEN_PREFIX - 1;
    hex.n -= sizeof TOKEN_PREFIX - 1;
    if (!is_secret(hex))
        return pl_fail(err, PL_NOTFOUND, "token is unknown, expired or revoked");
    pl_sha256_of(value, digest);
    return token_store_find(db, digest, now_ms, who, err);
}

static pl_rc token_revoke_stated(pl_services *s, pl_db *db, pl_str id, pl_str by, pl_error *err)
{
    int64_t now_ms = s->now_ms();
    char    text[PL_ID_LEN + 1];
    pl_rc   rc = token_store_revoke(db, id, now_ms, err);

    if (rc != PL_OK)
        return rc;
    (void)snprintf(text, sizeof text, PL_STR_FMT, PL_STR_ARG(id));
    return account_state(s, "token", text, "token-revoke", 0, by, now_ms, err);
}

pl_rc pl_token_revoke(pl_services *s, pl_db *db, pl_str id, pl_str by, pl_error *err)
{
    pl_rc rc;

    if (!pl_id_valid(id))
        return pl_fail(err, PL_NOTFOUND, "token does not exist");
    rc = pl_db_begin(db, err);
    if (rc != PL_OK)
        return rc;
    return account_finish(db, token_revoke_stated(s, db, id, by, err), err);
}
