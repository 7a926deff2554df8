/* SQL of people and signals about them. */
#ifndef PL_GUARD_SUBJECT_STORE_H
#define PL_GUARD_SUBJECT_STORE_H

#include "base/db.h"
#include "base/json.h"
#include "cap/guard/people.h"

/* Reads a row for a change of it, which other nodes wait for; PL_NOTFOUND leaves *out zero. */
pl_rc subject_load(pl_db *db, const uint8_t key[PL_SUBJECT_KEY], subject_state *out, pl_error *err);
pl_rc subject_save(pl_db *db, const uint8_t key[PL_SUBJECT_KEY], const subject_state *s, int64_t now_ms,
                   pl_error *err);
typedef void (*subject_fn)(void *ctx, const uint8_t key[PL_SUBJECT_KEY], const subject_state *s);
/* Rows changed at or after a moment. */
pl_rc subject_each_changed(pl_db *db, int64_t since_ms, subject_fn fn, void *ctx, pl_error *err);
/* The n that were active last, the last one last. */
pl_rc subject_each_recent(pl_db *db, int64_t n, subject_fn fn, void *ctx, pl_error *err);
/* Those that a sanction or stop holds, up to n. */
pl_rc subject_each_held(pl_db *db, int64_t now_ms, int64_t n, subject_fn fn, void *ctx, pl_error *err);
pl_rc subject_expire(pl_db *db, int64_t before_ms, int64_t now_ms, pl_error *err);

/* kind: report, dependence, crisis, sanction or appeal. */
pl_rc signal_put(pl_db *db, const char *id, int64_t now_ms, const uint8_t key[PL_SUBJECT_KEY],
                 const char *kind, const char *detail, pl_error *err);
/* Newest first, before an id ("" from the newest); array for the API. */
pl_rc signal_list(pl_db *db, bool only_open, pl_str before, int64_t limit, json_t **out, pl_error *err);
/* PL_NOTFOUND: none such; PL_CONFLICT: closed already. */
pl_rc signal_close(pl_db *db, pl_str id, int64_t now_ms, const char *by, pl_str note, pl_error *err);
#endif
