/* Every SQL statement of this capability. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/account/account_int.h"

/* Cuts between characters when the text is longer than its place. */
static void copy_text(char *out, size_t cap, pl_str s)
{
    size_t n = s.n < cap ? s.n : cap - 1;

    while (n < s.n && n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--;
    if (n > 0)
        memcpy(out, s.p, n);
    out[n] = '\0';
}

/* Runs a statement that gives one row with one number, to its end: only then is a change
 * it makes sure to be committed. */
static pl_rc one_int(pl_db_stmt *s, int64_t *out, pl_error *err)
{
    int64_t value = 0;
    pl_rc   rc = pl_db_step(s, err);

    if (rc == PL_OK) {
        value = pl_db_int(s, 0);
        rc = pl_db_step(s, err);
    }
    pl_db_done(s);
    if (rc != PL_NOTFOUND)
        return rc;
    *out = value;
    return PL_OK;
}

/* Runs a statement that must change a row. */
static pl_rc must_change(pl_db_stmt *s, const char *what, pl_error *err)
{
    int64_t changed = 0;
    pl_rc   rc = pl_db_run(s, &changed, err);

    if (rc == PL_OK && changed == 0)
        return pl_fail(err, PL_NOTFOUND, "%s does not exist", what);
    return rc;
}

/* --- accounts --------------------------------------------------------------------- */

pl_rc account_store_add(pl_db *db, const account_row *a, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                                   "INSERT INTO account_user"
                                   " (id, name, password, roles, disabled, created_ms, changed_ms)"
                                   " VALUES ($1, $2, $3, $4, 0, $5, $5)",
                                   &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, pl_str_z(a->id));
    pl_db_bind_str(s, 2, pl_str_z(a->name));
    pl_db_bind_str(s, 3, pl_str_z(a->password));
    pl_db_bind_int(s, 4, a->roles);
    pl_db_bind_int(s, 5, a->created_ms);
    rc = pl_db_run(s, NULL, err);
    if (rc == PL_CONFLICT)
        return pl_fail(err, PL_CONFLICT, "account exists already: '%s'", a->name);
    return rc;
}

#define ACCOUNT_COLUMNS "id, name, password, roles, disabled, created_ms"

static void read_account(pl_db_stmt *s, account_row *out)
{
    copy_text(out->id, sizeof out->id, pl_db_str(s, 0));
    copy_text(out->name, sizeof out->name, pl_db_str(s, 1));
    copy_text(out->password, sizeof out->password, pl_db_str(s, 2));
    out->roles = (unsigned)pl_db_int(s, 3);
    out->is_disabled = pl_db_int(s, 4) != 0;
    out->created_ms = pl_db_int(s, 5);
}

pl_rc account_store_find(pl_db *db, pl_str name, account_row *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(
        db, "SELECT " ACCOUNT_COLUMNS " FROM account_user WHERE name = $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, name);
    rc = pl_db_step(s, err);
    if (rc == PL_OK)
        read_account(s, out);
    pl_db_done(s);
    if (rc == PL_NOTFOUND)
        return pl_fail(err, PL_NOTFOUND, "account does not exist: '" PL_STR_FMT "'",
                       PL_STR_ARG(name));
    return rc;
}

pl_rc account_store_password(pl_db *db, pl_str id, const char *hash, int64_t now_ms,
                             pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(
        db, "UPDATE account_user SET password = $2, changed_ms = $3 WHERE id = $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    pl_db_bind_str(s, 2, pl_str_z(hash));
    pl_db_bind_int(s, 3, now_ms);
    return must_change(s, "account", err);
}

pl_rc account_store_disable(pl_db *db, pl_str id, int64_t now_ms, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(
        db, "UPDATE account_user SET disabled = 1, changed_ms = $2 WHERE id = $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    pl_db_bind_int(s, 2, now_ms);
    return must_change(s, "account", err);
}

pl_rc account_store_count(pl_db *db, int64_t *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db, "SELECT COUNT(*) FROM account_user", &s, err);

    return rc == PL_OK ? one_int(s, out, err) : rc;
}

pl_rc account_store_others(pl_db *db, pl_str id, unsigned role, int64_t *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                                   "SELECT COUNT(*) FROM account_user"
                                   " WHERE id <> $1 AND disabled = 0 AND (roles & $2) <> 0",
                                   &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    pl_db_bind_int(s, 2, role);
    return one_int(s, out, err);
}

pl_rc account_store_each(pl_db *db, pl_str after, int64_t limit,
                         pl_rc (*fn)(void *ctx, const account_row *a), void *ctx, pl_error *err)
{
    pl_db_stmt *s;
    account_row a;
    pl_rc       rc = pl_db_prepare(db,
                                   "SELECT " ACCOUNT_COLUMNS " FROM account_user"
                                   " WHERE name > $1 ORDER BY name LIMIT $2",
                                   &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, after);
    pl_db_bind_int(s, 2, limit);
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        read_account(s, &a);
        rc = fn(ctx, &a);
        if (rc != PL_OK)
            break;
    }
    pl_db_done(s);
    sodium_memzero(&a, sizeof a);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

/* --- sessions --------------------------------------------------------------------- */

pl_rc session_store_add(pl_db *db, const uint8_t digest[32], pl_str account_id, int64_t now_ms,
                        int64_t expires_ms, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                                   "INSERT INTO account_session"
                                   " (digest, account_id, created_ms, expires_ms)"
                                   " VALUES ($1, $2, $3, $4)",
                                   &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_blob(s, 1, digest, 32);
    pl_db_bind_str(s, 2, account_id);
    pl_db_bind_int(s, 3, now_ms);
    pl_db_bind_int(s, 4, expires_ms);
    return pl_db_run(s, NULL, err);
}

/* Columns id, name, roles of whoever was found. */
static pl_rc read_principal(pl_db_stmt *s, pl_principal *who, pl_error *err)
{
    pl_rc rc = pl_db_step(s, err);

    if (rc == PL_OK) {
        *who = (pl_principal){ .roles = (unsigned)pl_db_int(s, 2) };
        copy_text(who->id, sizeof who->id, pl_db_str(s, 0));
        copy_text(who->name, sizeof who->name, pl_db_str(s, 1));
    }
    pl_db_done(s);
    return rc;
}

pl_rc session_store_find(pl_db *db, const uint8_t digest[32], int64_t now_ms, pl_principal *who,
                         pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                                   "SELECT u.id, u.name, u.roles FROM account_session s"
                                   " JOIN account_user u ON u.id = s.account_id"
                                   " WHERE s.digest = $1 AND s.expires_ms > $2 AND u.disabled = 0",
                                   &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_blob(s, 1, digest, 32);
    pl_db_bind_int(s, 2, now_ms);
    rc = read_principal(s, who, err);
    if (rc == PL_NOTFOUND)
        return pl_fail(err, PL_NOTFOUND, "session is unknown or has ended");
    return rc;
}

pl_rc session_store_drop(pl_db *db, const uint8_t digest[32], pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db, "DELETE FROM account_session WHERE digest = $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_blob(s, 1, digest, 32);
    return must_change(s, "session", err);
}

pl_rc session_store_drop_all(pl_db *db, pl_str account_id, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "DELETE FROM account_session WHERE account_id = $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, account_id);
    return pl_db_run(s, NULL, err);
}

pl_rc session_store_count(pl_db *db, int64_t now_ms, int64_t *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(
        db, "SELECT COUNT(*) FROM account_session WHERE expires_ms > $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, now_ms);
    return one_int(s, out, err);
}

/* --- API tokens ------------------------------------------------------------------- */

pl_rc token_store_add(pl_db *db, const token_row *t, const uint8_t digest[32], pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                                   "INSERT INTO account_token"
                                   " (id, digest, label, roles, created_ms, created_by, expires_ms)"
                                   " VALUES ($1, $2, $3, $4, $5, $6, $7)",
                                   &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, pl_str_z(t->id));
    pl_db_bind_blob(s, 2, digest, 32);
    pl_db_bind_str(s, 3, pl_str_z(t->label));
    pl_db_bind_int(s, 4, t->roles);
    pl_db_bind_int(s, 5, t->created_ms);
    pl_db_bind_str(s, 6, pl_str_z(t->created_by));
    pl_db_bind_int(s, 7, t->expires_ms);
    return pl_db_run(s, NULL, err);
}

pl_rc token_store_find(pl_db *db, const uint8_t digest[32], int64_t now_ms, pl_principal *who,
                       pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                                   "SELECT id, label, roles FROM account_token"
                                   " WHERE digest = $1 AND revoked_ms IS NULL"
                                   " AND (expires_ms = 0 OR expires_ms > $2)",
                                   &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_blob(s, 1, digest, 32);
    pl_db_bind_int(s, 2, now_ms);
    rc = read_principal(s, who, err);
    if (rc == PL_NOTFOUND)
        return pl_fail(err, PL_NOTFOUND, "token is unknown, expired or revoked");
    if (rc == PL_OK)
        who->is_token = 1;
    return rc;
}

pl_rc token_store_revoke(pl_db *db, pl_str id, int64_t now_ms, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(
        db, "UPDATE account_token SET revoked_ms = $2 WHERE id = $1 AND revoked_ms IS NULL", &s,
        err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    pl_db_bind_int(s, 2, now_ms);
    return must_change(s, "token", err);
}

pl_rc token_store_each(pl_db *db, pl_str after, int64_t limit,
                       pl_rc (*fn)(void *ctx, const token_row *t), void *ctx, pl_error *err)
{
    pl_db_stmt *s;
    token_row   t;
    pl_rc       rc = pl_db_prepare(db,
                                   "SELECT id, label, roles, created_ms, created_by, expires_ms,"
                                   " revoked_ms FROM account_token"
                                   " WHERE id > $1 ORDER BY id LIMIT $2",
                                   &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, after);
    pl_db_bind_int(s, 2, limit);
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        t = (token_row){ .roles = (unsigned)pl_db_int(s, 2),
                         .created_ms = pl_db_int(s, 3),
                         .expires_ms = pl_db_int(s, 5),
                         .is_revoked = !pl_db_is_null(s, 6) };
        copy_text(t.id, sizeof t.id, pl_db_str(s, 0));
        copy_text(t.label, sizeof t.label, pl_db_str(s, 1));
        copy_text(t.created_by, sizeof t.created_by, pl_db_str(s, 4));
        rc = fn(ctx, &t);
        if (rc != PL_OK)
            break;
    }
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

/* --- failed logins ---------------------------------------------------------------- */

/* One statement, so that parallel attempts are counted one after the other. */
pl_rc failure_store_count(pl_db *db, const uint8_t key[32], int64_t now_ms, int64_t since_ms,
                          int64_t limit, int64_t *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(
        db,
        "INSERT INTO account_failure (name_key, failures, last_ms) VALUES ($1, 1, $2)"
        " ON CONFLICT (name_key) DO UPDATE SET"
        " failures = CASE WHEN account_failure.last_ms <= $3 THEN 1"
        " ELSE account_failure.failures + 1 END,"
        " last_ms = CASE WHEN account_failure.last_ms <= $3"
        " OR account_failure.failures < $4 THEN $2 ELSE account_failure.last_ms END"
        " RETURNING failures",
        &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_blob(s, 1, key, 32);
    pl_db_bind_int(s, 2, now_ms);
    pl_db_bind_int(s, 3, since_ms);
    pl_db_bind_int(s, 4, limit);
    return one_int(s, out, err);
}

pl_rc failure_store_clear(pl_db *db, const uint8_t key[32], pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db, "DELETE FROM account_failure WHERE name_key = $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_blob(s, 1, key, 32);
    return pl_db_run(s, NULL, err);
}

pl_rc failure_store_names(pl_db *db, int64_t since_ms, int64_t *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(
        db, "SELECT COUNT(*) FROM account_failure WHERE last_ms > $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, since_ms);
    return one_int(s, out, err);
}

static pl_rc purge(pl_db *db, const char *sql, int64_t before_ms, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db, sql, &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, before_ms);
    return pl_db_run(s, NULL, err);
}

pl_rc account_store_purge(pl_db *db, int64_t now_ms, int64_t failures_ms, pl_error *err)
{
    pl_rc rc = purge(db, "DELETE FROM account_session WHERE expires_ms <= $1", now_ms, err);

    if (rc == PL_OK)
        rc = purge(db, "DELETE FROM account_failure WHERE last_ms <= $1", failures_ms, err);
    return rc;
}
