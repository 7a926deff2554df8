/* Accounts: the rules, password hashes, and the statement that goes with every change. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "base/utf8.h"
#include "cap/account/account_int.h"
#include "cap/ledger/pl_ledger.h"

extern const unsigned char pl_account_sql[];
extern const unsigned char pl_account_openapi[];

/* --- roles ------------------------------------------------------------------------ */

static unsigned role_find(pl_str name)
{
    for (unsigned role = PL_ROLE_PUBLIC; role <= PL_ROLE_ADMIN; role <<= 1)
        if (pl_str_eqz(name, pl_role_name(role)))
            return role;
    return 0;
}

pl_rc pl_roles_parse(pl_str comma_list, unsigned *out, pl_error *err)
{
    pl_str   rest = comma_list, word;
    unsigned roles = 0;

    while (pl_str_split(&rest, ',', &word)) {
        unsigned role = role_find(pl_str_trim(word));

        if (role == 0)
            return pl_fail(err, PL_INVALID,
                           "role is none of public, assessor, regulator, reviewer, provider, "
                           "admin: '%.*s'",
                           (int)(word.n < 40 ? word.n : 40), word.p);
        roles |= role;
    }
    if (roles == 0)
        return pl_fail(err, PL_INVALID, "at least one role is needed");
    *out = roles;
    return PL_OK;
}

json_t *account_roles_json(unsigned roles)
{
    json_t *a = json_array();

    for (unsigned role = PL_ROLE_PUBLIC; a != NULL && role <= PL_ROLE_ADMIN; role <<= 1)
        if (roles & role)
            (void)json_array_append_new(a, json_string(pl_role_name(role)));
    return a;
}

/* --- names and passwords ------------------------------------------------------------ */

pl_rc account_name_check(pl_str name, pl_error *err)
{
    size_t i = 0;

    while (i < name.n && name.p[i] != '\0' &&
           strchr("abcdefghijklmnopqrstuvwxyz0123456789._-", name.p[i]) != NULL)
        i++;
    if (i == 0 || i < name.n || name.n > ACCOUNT_NAME_MAX)
        return pl_fail(err, PL_INVALID,
                       "account name must be 1 to 64 of lower-case letters, digits, '.', '_', '-'");
    return PL_OK;
}

static pl_rc roles_check(unsigned roles, pl_error *err)
{
    if (roles == 0 || (roles & ~ACCOUNT_ROLES_ALL) != 0)
        return pl_fail(err, PL_INVALID, "at least one role is needed");
    return PL_OK;
}

static size_t characters(pl_str utf8)
{
    size_t count = 0;

    for (size_t i = 0; i < utf8.n; i++)
        count += ((unsigned char)utf8.p[i] & 0xc0) != 0x80;
    return count;
}

static pl_rc password_check(pl_str password, pl_error *err)
{
    if (!pl_utf8_valid(password))
        return pl_fail(err, PL_INVALID, "password is not valid UTF-8");
    if (characters(password) < ACCOUNT_PASSWORD_MIN)
        return pl_fail(err, PL_INVALID, "password is shorter than %d characters",
                       ACCOUNT_PASSWORD_MIN);
    if (password.n > ACCOUNT_PASSWORD_MAX)
        return pl_fail(err, PL_INVALID, "password is longer than %d bytes", ACCOUNT_PASSWORD_MAX);
    return PL_OK;
}

/* The same characters can be typed as different bytes; NFC makes them one. */
static pl_rc password_nfc(pl_str password, char **out, size_t *n, pl_error *err)
{
    if (sodium_init() < 0)
        return pl_fail(err, PL_IO, "the cryptographic library cannot start");
    return pl_utf8_nfc(password, out, n, err);
}

static void wipe_free(char *p, size_t n)
{
    if (p != NULL)
        sodium_memzero(p, n);
    free(p);
}

static pl_rc password_hash(pl_str password, char out[crypto_pwhash_STRBYTES], pl_error *err)
{
    char  *nfc;
    size_t n;
    int    failed;
    pl_rc  rc = password_nfc(password, &nfc, &n, err);

    if (rc != PL_OK)
        return rc;
    failed = crypto_pwhash_str(out, nfc, n, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                               crypto_pwhash_MEMLIMIT_INTERACTIVE);
    wipe_free(nfc, n);
    return failed ? pl_fail(err, PL_NOMEM, "not enough memory to hash a password") : PL_OK;
}

/* Of a random password that nobody knows, with the limits of password_hash. */
const char *account_dummy_hash(void)
{
    return "$argon2id$v=19$m=65536,t=2,p=1$gTJM+XN2tzwq/nwO50FcYA"
           "$g7CgqvrhH3MkWIRcwOD2acP8GWwQdIqYj+iF1MkEINc";
}

pl_rc account_password_verify(const char *hash, pl_str password, bool *matches, pl_error *err)
{
    char  *nfc;
    size_t n;
    pl_rc  rc;

    if (password.n > ACCOUNT_PASSWORD_MAX || !pl_utf8_valid(password)) {
        password = PL_STR("");
        hash = account_dummy_hash();
    }
    rc = password_nfc(password, &nfc, &n, err);
    if (rc != PL_OK)
        return rc;
    *matches = crypto_pwhash_str_verify(hash, nfc, n) == 0;
    wipe_free(nfc, n);
    return PL_OK;
}

/* --- changes and their statements ---------------------------------------------------- */

pl_rc account_new_id(int64_t now_ms, char out[PL_ID_LEN + 1], pl_error *err)
{
    uint8_t rnd[10];
    pl_rc   rc = pl_random(rnd, sizeof rnd, err);

    if (rc == PL_OK)
        pl_id_format(now_ms, rnd, out);
    return rc;
}

/* No names and no labels: the ledger cannot forget, and an id means nothing to anyone
 * who does not have the database as well. */
pl_rc account_state(pl_services *s, const char *kind, const char *id, const char *change,
                    unsigned roles, pl_str by, int64_t now_ms, pl_error *err)
{
    char     subject[64], time[25];
    json_t  *predicate;
    uint64_t index;
    pl_rc    rc;

    pl_time_format(now_ms, time);
    (void)snprintf(subject, sizeof subject, "%s:%s", kind, id);
    predicate = json_pack("{s:s, s:o, s:s%, s:s}", "change", change, "roles",
                          account_roles_json(roles), "by", by.p, by.n, "time", time);
    if (predicate == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    rc = pl_ledger_state(s->ledger, s->signer, pl_str_z(subject), PL_PREDICATE("account-change"),
                         predicate, &index, err);
    json_decref(predicate);
    return rc;
}

/* The statement is appended before the commit: a change nobody can see in the ledger
 * would be worse than a statement whose change was lost with the database. */
pl_rc account_finish(pl_db *db, pl_rc rc, pl_error *err)
{
    if (rc == PL_OK)
        rc = pl_db_commit(db, err);
    if (rc != PL_OK)
        pl_db_abort(db);
    return rc;
}

static pl_rc add_stated(pl_services *s, pl_db *db, const account_row *a, pl_str by, pl_error *err)
{
    pl_rc rc = account_store_add(db, a, err);

    if (rc == PL_OK)
        rc = account_state(s, "account", a->id, "add", a->roles, by, a->created_ms, err);
    return rc;
}

static pl_rc row_make(pl_services *s, pl_str name, pl_str password, unsigned roles,
                      account_row *out, pl_error *err)
{
    pl_rc rc = account_name_check(name, err);

    *out = (account_row){ .roles = roles, .created_ms = s->now_ms() };
    if (rc == PL_OK)
        rc = password_check(password, err);
    if (rc == PL_OK)
        rc = roles_check(roles, err);
    if (rc == PL_OK)
        rc = account_new_id(out->created_ms, out->id, err);
    if (rc != PL_OK)
        return rc;
    (void)snprintf(out->name, sizeof out->name, PL_STR_FMT, PL_STR_ARG(name));
    return password_hash(password, out->password, err);
}

pl_rc pl_account_add(pl_services *s, pl_db *db, pl_str name, pl_str password, unsigned roles,
                     pl_str by, pl_error *err)
{
    account_row a;
    pl_rc       rc = row_make(s, name, password, roles, &a, err);

    if (rc == PL_OK)
        rc = pl_db_begin(db, err);
    if (rc == PL_OK)
        rc = account_finish(db, add_stated(s, db, &a, by, err), err);
    sodium_memzero(&a, sizeof a);
    return rc;
}

static pl_rc set_password_stated(pl_services *s, pl_db *db, pl_str name, const char *hash,
                                 pl_str by, pl_error *err)
{
    account_row a;
    int64_t     now_ms = s->now_ms();
    pl_rc       rc = account_store_find(db, name, &a, err);

    if (rc == PL_OK)
        rc = account_store_password(db, pl_str_z(a.id), hash, now_ms, err);
    if (rc == PL_OK)
        rc = session_store_drop_all(db, pl_str_z(a.id), err);
    if (rc == PL_OK)
        rc = account_state(s, "account", a.id, "password", a.roles, by, now_ms, err);
    return rc;
}

pl_rc pl_account_set_password(pl_services *s, pl_db *db, pl_str name, pl_str password, pl_str by,
                              pl_error *err)
{
    char  hash[crypto_pwhash_STRBYTES];
    pl_rc rc = account_name_check(name, err);

    if (rc == PL_OK)
        rc = password_check(password, err);
    if (rc == PL_OK)
        rc = password_hash(password, hash, err);
    if (rc == PL_OK)
        rc = pl_db_begin(db, err);
    if (rc == PL_OK)
        rc = account_finish(db, set_password_stated(s, db, name, hash, by, err), err);
    return rc;
}

static pl_rc disable_stated(pl_services *s, pl_db *db, pl_str name, pl_str by, pl_error *err)
{
    account_row a;
    int64_t     admins = 0, now_ms = s->now_ms();
    pl_rc       rc = account_store_find(db, name, &a, err);

    if (rc != PL_OK || a.is_disabled)
        return rc;
    rc = account_store_others(db, pl_str_z(a.id), PL_ROLE_ADMIN, &admins, err);
    if (rc == PL_OK && (a.roles & PL_ROLE_ADMIN) && admins == 0)
        return pl_fail(err, PL_CONFLICT, "account is the last administrator: '%s'", a.name);
    if (rc == PL_OK)
        rc = account_store_disable(db, pl_str_z(a.id), now_ms, err);
    if (rc == PL_OK)
        rc = session_store_drop_all(db, pl_str_z(a.id), err);
    if (rc == PL_OK)
        rc = account_state(s, "account", a.id, "disable", a.roles, by, now_ms, err);
    return rc;
}

pl_rc pl_account_disable(pl_services *s, pl_db *db, pl_str name, pl_str by, pl_error *err)
{
    pl_rc rc = account_name_check(name, err);

    if (rc == PL_OK)
        rc = pl_db_begin(db, err);
    if (rc == PL_OK)
        rc = account_finish(db, disable_stated(s, db, name, by, err), err);
    return rc;
}

/* --- the first administrator ---------------------------------------------------------- */

/* Four groups of five out of 32 characters that are hard to confuse: 100 bits. */
static pl_rc password_invent(char out[33], pl_error *err)
{
    static const char alphabet[] = "abcdefghjkmnpqrstuvwxyz023456789";
    uint8_t           rnd[20];
    size_t            n = 0;
    pl_rc             rc = pl_random(rnd, sizeof rnd, err);

    _Static_assert(sizeof alphabet == 33, "32 characters and the NUL");
    if (rc != PL_OK)
        return rc;
    for (size_t i = 0; i < sizeof rnd; i++) {
        if (i > 0 && i % 5 == 0)
            out[n++] = '-';
        out[n++] = alphabet[rnd[i] & 31];
    }
    out[n] = '\0';
    sodium_memzero(rnd, sizeof rnd);
    return PL_OK;
}

static pl_rc none_exists(pl_db *db, pl_error *err)
{
    int64_t count;
    pl_rc   rc = account_store_count(db, &count, err);

    if (rc == PL_OK && count > 0)
        return pl_fail(err, PL_CONFLICT, "accounts exist already");
    return rc;
}

pl_rc pl_account_bootstrap(pl_services *s, pl_db *db, char out[33], pl_error *err)
{
    account_row a;
    char        password[33];
    pl_rc       rc = none_exists(db, err);

    if (rc == PL_OK)
        rc = password_invent(password, err);
    if (rc != PL_OK)
        return rc;

    rc = row_make(s, PL_STR("admin"), pl_str_z(password), PL_ROLE_ADMIN, &a, err);
    if (rc == PL_OK)
        rc = pl_db_begin(db, err);
    if (rc == PL_OK) {
        rc = none_exists(db, err);
        if (rc == PL_OK)
            rc = add_stated(s, db, &a, PL_STR("local"), err);
        rc = account_finish(db, rc, err);
    }
    if (rc == PL_OK)
        memcpy(out, password, sizeof password);
    sodium_memzero(password, sizeof password);
    sodium_memzero(&a, sizeof a);
    return rc;
}

/* --- the descriptor -------------------------------------------------------------------- */

static pl_rc start(pl_services *s, pl_db *db, pl_error *err)
{
    (void)s, (void)db;
    if (sodium_init() < 0)
        return pl_fail(err, PL_IO, "the cryptographic library cannot start");
    return PL_OK;
}

static pl_rc tick(pl_services *s, pl_db *db, int64_t now_ms, pl_error *err)
{
    (void)s;
    return account_store_purge(db, now_ms, now_ms - ACCOUNT_FAILURE_MS, err);
}

static void gauge(pl_buf *out, const char *name, const char *help, int64_t value)
{
    pl_buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %lld\n", name, help, name, name,
                  (long long)value);
}

static void metrics(pl_services *s, pl_db *db, pl_buf *out)
{
    int64_t now_ms = s->now_ms(), n;

    if (account_store_count(db, &n, NULL) == PL_OK)
        gauge(out, "plumbline_account_users", "Accounts, disabled ones included.", n);
    if (session_store_count(db, now_ms, &n, NULL) == PL_OK)
        gauge(out, "plumbline_account_sessions", "Browser sessions that have not ended.", n);
    if (failure_store_names(db, now_ms - ACCOUNT_FAILURE_MS, &n, NULL) == PL_OK)
        gauge(out, "plumbline_account_failing_names",
              "Names with failed logins in the last 15 minutes.", n);
}

static const pl_migration migrations[] = {
    { 1, (const char *)pl_account_sql },
    { 0, NULL },
};

const pl_capability pl_cap_account = {
    .name = "account",
    .commands = account_commands,
    .routes = account_routes,
    .migrations = migrations,
    .openapi = (const char *)pl_account_openapi,
    .start = start,
    .tick_ms = 60 * 1000,
    .tick = tick,
    .metrics = metrics,
    .identify = account_identify,
};
