/* Asking for entries by subject, kind, time and place: from the index in the database
 * (ledger_store.c), or by reading the log (ledger_cmd_list.c). Both give the same rows. */
#ifndef PL_LEDGER_QUERY_H
#define PL_LEDGER_QUERY_H

#include "cap/capability.h"
#include "cap/ledger/ledger_int.h"

#define LEDGER_SUBJECTS_MAX 16 /* of one statement that are indexed */
#define LEDGER_LIMIT_MAX    1000

/* What an entry says it is about. Nothing of it is verified here. */
typedef struct ledger_row {
    uint64_t index;
    pl_str   subject, type; /* empty when it is no statement */
    int64_t  time_ms;       /* latest time claimed, 0 when none */
} ledger_row;

typedef struct ledger_query {
    pl_str   subject; /* empty: any */
    char     type[200]; /* the full URI; empty: any */
    int64_t  from_ms, to_ms; /* both included */
    int64_t  after; /* entries with a greater index; -1: all */
    size_t   limit;
} ledger_query;
#define LEDGER_QUERY_ALL ((ledger_query){ .from_ms = INT64_MIN, .to_ms = INT64_MAX, .after = -1 })

/* "guard-stop" or a full URI. PL_LIMIT when it is too long. */
pl_rc pl_ledger_query_type(ledger_query *q, pl_str text, pl_error *err);
/* A time (RFC 3339) or a day (2026-11-25), which begins or, for `is_end`, ends then. */
pl_rc pl_ledger_query_time(pl_str text, bool is_end, int64_t *ms, pl_error *err);

typedef pl_rc (*ledger_row_fn)(void *ctx, const ledger_row *row, pl_str entry, const json_t *statement,
                               pl_error *err);
/* One call for each subject of the entry, at least one. */
pl_rc pl_ledger_entry_rows(uint64_t index, pl_str entry, ledger_row_fn fn, void *ctx,
                           pl_error *err);
/* The published entries [from, to) of a log of `size`, in order; reads a bundle at a time. */
typedef pl_rc (*ledger_entry_fn)(void *ctx, uint64_t index, pl_str entry, pl_error *err);
pl_rc pl_ledger_entries_each(const char *dir, uint64_t size, uint64_t from, uint64_t to,
                             ledger_entry_fn fn, void *ctx, pl_error *err);

/* --- ledger_store.c ------------------------------------------------------------------------ */

extern const pl_migration pl_ledger_migrations[];
/* PL_NOTFOUND before the first. */
pl_rc pl_ledger_store_mark_get(pl_db *db, uint64_t *size, pl_hash *root, pl_error *err);
pl_rc pl_ledger_store_mark_put(pl_db *db, uint64_t size, const pl_hash *root, pl_error *err);
pl_rc pl_ledger_store_put(pl_db *db, const ledger_row *row, size_t nth, pl_error *err);
pl_rc pl_ledger_store_clear(pl_db *db, pl_error *err);
/* At most q->limit rows in order of index, in the arena. */
pl_rc pl_ledger_store_find(pl_db *db, pl_arena *a, const ledger_query *q, ledger_row *rows,
                           size_t *count, pl_error *err);

/* --- ledger_index.c -------------------------------------------------------------------------- */

/* Takes a few bundles of what is published and not indexed; from the beginning when the index
 * is of another log. *is_behind: more is left. */
pl_rc pl_ledger_index_tick(pl_db *db, const pl_ledger *l, bool *is_behind, pl_error *err);

/* ledger_cmd_list.c, ledger_api_list.c */
int   pl_ledger_cmd_list(pl_cmd_ctx *c);
int   pl_ledger_cmd_export(pl_cmd_ctx *c);
pl_rc pl_ledger_api_entries(pl_api_request *q, pl_api_reply *r, pl_error *err);
#endif
