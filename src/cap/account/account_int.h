/* Shared by the files of this folder only.
 *
 * The store functions are one SQL statement each, on the caller's connection and inside
 * the caller's transaction when there is one. */
#ifndef PL_ACCOUNT_INT_H
#define PL_ACCOUNT_INT_H

#include "base/id.h"
#include "cap/account/pl_account.h"

#include <sodium.h>

#define ACCOUNT_NAME_MAX      64
#define ACCOUNT_LABEL_MAX     100
#define ACCOUNT_PASSWORD_MAX  1024 /* bytes: bounds the work of one attempt */
#define ACCOUNT_PASSWORD_MIN  10   /* characters */
#define ACCOUNT_FAILURES      10
#define ACCOUNT_FAILURE_MS    (15 * 60 * 1000LL)
#define ACCOUNT_ROLES_ALL     (PL_ROLES_STAFF | (unsigned)PL_ROLE_PUBLIC)
#define ACCOUNT_SESSION_COOKIE "plumbline_session"

typedef struct account_row {
    char     id[PL_ID_LEN + 1];
    char     name[ACCOUNT_NAME_MAX + 1];
    char     password[crypto_pwhash_STRBYTES];
    unsigned roles;
    bool     is_disabled;
    int64_t  created_ms;
} account_row;

typedef struct token_row {
    char     id[PL_ID_LEN + 1];
    char     label[4 * ACCOUNT_LABEL_MAX + 1];
    char     created_by[PL_ID_LEN + 1];
    unsigned roles;
    int64_t  created_ms;
    int64_t  expires_ms; /* 0: does not expire */
    bool     is_revoked;
} token_row;

/* --- account.c ------------------------------------------------------------------ */

pl_rc account_name_check(pl_str name, pl_error *err);
/* As pl_token_add, and gives the id as well. */
pl_rc account_token_add(pl_services *s, pl_db *db, pl_str label, unsigned roles,
                        int64_t expires_ms, pl_str by, char id[PL_ID_LEN + 1], char out[69],
                        pl_error *err);
/* The value of the session cookie in a Cookie header; false when it is not there. */
bool account_cookie_find(const char *header, pl_str *token);
/* The hash that unknown names are checked against, so that they cost the same. */
const char *account_dummy_hash(void);
/* Always the work of one hash, whatever the password looks like. */
pl_rc account_password_verify(const char *hash, pl_str password, bool *matches, pl_error *err);
json_t *account_roles_json(unsigned roles);
pl_rc account_new_id(int64_t now_ms, char out[PL_ID_LEN + 1], pl_error *err);
/* Appends the account-change statement about "KIND:ID". by: id of whoever acts. */
pl_rc account_state(pl_services *s, const char *kind, const char *id, const char *change,
                    unsigned roles, pl_str by, int64_t now_ms, pl_error *err);
/* Commits when rc is PL_OK, else rolls back and keeps rc. */
pl_rc account_finish(pl_db *db, pl_rc rc, pl_error *err);

/* --- account_store.c ------------------------------------------------------------- */

pl_rc account_store_add(pl_db *db, const account_row *a, pl_error *err);
pl_rc account_store_find(pl_db *db, pl_str name, account_row *out, pl_error *err);
pl_rc account_store_password(pl_db *db, pl_str id, const char *hash, int64_t now_ms,
                             pl_error *err);
pl_rc account_store_disable(pl_db *db, pl_str id, int64_t now_ms, pl_error *err);
pl_rc account_store_count(pl_db *db, int64_t *out, pl_error *err);
/* Enabled accounts with the role, other than `id`. */
pl_rc account_store_others(pl_db *db, pl_str id, unsigned role, int64_t *out, pl_error *err);
/* Accounts by name, after `after`, at most `limit`. The callback's row is borrowed. */
pl_rc account_store_each(pl_db *db, pl_str after, int64_t limit,
                         pl_rc (*fn)(void *ctx, const account_row *a), void *ctx, pl_error *err);

pl_rc session_store_add(pl_db *db, const uint8_t digest[32], pl_str account_id, int64_t now_ms,
                        int64_t expires_ms, pl_error *err);
pl_rc session_store_find(pl_db *db, const uint8_t digest[32], int64_t now_ms, pl_principal *who,
                         pl_error *err);
pl_rc session_store_drop(pl_db *db, const uint8_t digest[32], pl_error *err);
pl_rc session_store_drop_all(pl_db *db, pl_str account_id, pl_error *err);
pl_rc session_store_count(pl_db *db, int64_t now_ms, int64_t *out, pl_error *err);

pl_rc token_store_add(pl_db *db, const token_row *t, const uint8_t digest[32], pl_error *err);
pl_rc token_store_find(pl_db *db, const uint8_t digest[32], int64_t now_ms, pl_principal *who,
                       pl_error *err);
/* PL_NOTFOUND when unknown or revoked already. */
pl_rc token_store_revoke(pl_db *db, pl_str id, int64_t now_ms, pl_error *err);
/* Tokens by id, after `after`, at most `limit`; revoked ones included. */
pl_rc token_store_each(pl_db *db, pl_str after, int64_t limit,
                       pl_rc (*fn)(void *ctx, const token_row *t), void *ctx, pl_error *err);

/* Counts one more attempt and gives the count; it starts again when the last attempt that
 * was let through lies before `since_ms`. Attempts over `limit` do not prolong the wait. */
pl_rc failure_store_count(pl_db *db, const uint8_t key[32], int64_t now_ms, int64_t since_ms,
                          int64_t limit, int64_t *out, pl_error *err);
pl_rc failure_store_clear(pl_db *db, const uint8_t key[32], pl_error *err);
/* Names with failures after `since_ms`. */
pl_rc failure_store_names(pl_db *db, int64_t since_ms, int64_t *out, pl_error *err);

/* Forgets sessions that ended before now and failures from before `failures_ms`. */
pl_rc account_store_purge(pl_db *db, int64_t now_ms, int64_t failures_ms, pl_error *err);

/* --- tables for the descriptor ---------------------------------------------------- */

extern const pl_route account_routes[];
extern const pl_cmd   account_commands[];
pl_rc account_identify(pl_services *s, pl_api_request *q, pl_principal *who, char csrf[65],
                       pl_error *err);
#endif
