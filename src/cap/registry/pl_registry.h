/* The registry: what is governed, and the filings about it.
 *
 * A record is an organisation, a person in charge, an algorithm, a model, a data set, a service, a
 * facility or a certificate; which kinds there are and what fields they have is data (packs with
 * `records/`). A filing goes through the states of a workflow (packs with `workflows/`). Every
 * change of a record is a new version; every change of state of a filing is a signed statement in
 * the ledger before the database commits it. Writes name the version they are based on:
 * PL_CONFLICT when somebody else was faster.
 *
 * Every function takes the caller's database connection and belongs to its thread; the packs are an
 * immutable snapshot that is swapped whole. */
#ifndef PL_REGISTRY_H
#define PL_REGISTRY_H

#include "cap/capability.h"

/* A record's newest version (version 0) or an older one, as
 * {"id","kind","title","version","retired","data","ledger_index",…}. PL_NOTFOUND. New reference. */
pl_rc pl_registry_record(pl_db *db, pl_arena *a, pl_str id, int64_t version, json_t **out,
                         pl_error *err);
/* A filing with everything: form values, history, deadlines, attachments. PL_NOTFOUND. New reference. */
pl_rc pl_registry_filing(pl_db *db, pl_arena *a, pl_str id, json_t **out, pl_error *err);

/* The form of a kind of records, as the packs have it now. PL_NOTFOUND. New reference. */
pl_rc pl_registry_kind(pl_str kind, json_t **form, pl_error *err);

/* What everybody may see of a filing: {"line": as in lists, "state": {"zh","en"}, "workflow": {"zh","en"}, "pack",
 * "forms": [form …], "values": public ones by form, "ledger_index" and "time" of its last publication}.
 * PL_NOTFOUND: not public. New reference. */
pl_rc pl_registry_published(pl_db *db, pl_arena *a, pl_str id, json_t **out, pl_error *err);
/* The public register: {"total","total_is_exact","filings","next"}. Empty texts ask for nothing. */
typedef struct pl_registry_ask {
    pl_str  query, region, type, month;
    int64_t before, limit;
} pl_registry_ask;
pl_rc pl_registry_search_public(pl_db *db, pl_arena *a, const pl_registry_ask *ask, json_t **out,
                                pl_error *err);

/* For verbs: every record of a kind, newest version, as pl_registry_record gives them, through the
 * daemon where one runs, otherwise from the instance's own database. New reference. */
pl_rc pl_registry_records(pl_cmd_ctx *c, const char *kind, json_t **out, pl_error *err);

extern const pl_capability pl_cap_registry;
#endif
