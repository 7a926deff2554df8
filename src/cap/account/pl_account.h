/* Accounts: users, sessions, API tokens, roles.
 *
 * Passwords by Argon2id (libsodium, interactive limits at least); session and API
 * tokens are 256-bit random values of which only SHA-256 is stored. Every change is
 * a statement in the ledger. Store functions take the caller's db connection.
 * `by` is the id of the acting principal ("local" for the operator of the host); it
 * enters the ledger, so it is never a name. */
#ifndef PL_ACCOUNT_H
#define PL_ACCOUNT_H

#include "cap/capability.h"

#define PL_SESSION_MS (12 * 3600 * 1000LL)

/* Names: 1..64 of [a-z0-9._-]. Password: at least 10 characters. PL_CONFLICT: name taken. */
pl_rc pl_account_add(pl_services *s, pl_db *db, pl_str name, pl_str password, unsigned roles,
                     pl_str by, pl_error *err);
pl_rc pl_account_set_password(pl_services *s, pl_db *db, pl_str name, pl_str password, pl_str by,
                              pl_error *err);
pl_rc pl_account_disable(pl_services *s, pl_db *db, pl_str name, pl_str by, pl_error *err);
/* Creates the first administrator when no account exists. The generated password is
 * written to out and nowhere else. PL_CONFLICT when accounts exist. */
pl_rc pl_account_bootstrap(pl_services *s, pl_db *db, char out[33], pl_error *err);

/* PL_DENIED (one message for every cause) or PL_LIMIT after 10 failures for a name in
 * 15 minutes. token: 64 hex digits; csrf likewise. */
pl_rc pl_session_open(pl_services *s, pl_db *db, pl_str name, pl_str password, char token[65],
                      char csrf[65], pl_principal *who, pl_error *err);
/* PL_NOTFOUND when unknown or expired. */
pl_rc pl_session_find(pl_db *db, pl_str token, int64_t now_ms, pl_principal *who, char csrf[65],
                      pl_error *err);
pl_rc pl_session_close(pl_db *db, pl_str token, pl_error *err);

/* API token with roles; the value ("plt_" and 64 hex digits) is shown once. */
pl_rc pl_token_add(pl_services *s, pl_db *db, pl_str label, unsigned roles, int64_t expires_ms,
                   pl_str by, char out[69], pl_error *err);
pl_rc pl_token_find(pl_db *db, pl_str value, int64_t now_ms, pl_principal *who, pl_error *err);
pl_rc pl_token_revoke(pl_services *s, pl_db *db, pl_str id, pl_str by, pl_error *err);

pl_rc pl_roles_parse(pl_str comma_list, unsigned *out, pl_error *err);

extern const pl_capability pl_cap_account;
#endif
