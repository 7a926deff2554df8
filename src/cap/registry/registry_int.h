/* Shared by the files of this folder only. */
#ifndef PL_REGISTRY_INT_H
#define PL_REGISTRY_INT_H

#include "base/id.h"
#include "base/str.h"
#include "cap/registry/pl_registry.h"
#include "cap/registry/registry_index.h"
#include "cap/registry/registry_packs.h"

#define REGISTRY_NOTE_MAX  4000
#define REGISTRY_FILE_MAX  (64u << 20)
#define REGISTRY_FILES_MAX 64  /* attachments of one record or filing */
#define REGISTRY_LIST_MAX  500
#define REGISTRY_DATA_MAX  (768u << 10) /* bytes of all form values of a filing */

/* One request: who asks, on what. Everything is borrowed. */
typedef struct registry_ctx {
    pl_services          *s;
    pl_db                *db;
    pl_arena             *a;
    const pl_principal   *who;
    int64_t               now_ms;
    const registry_packs *packs;
} registry_ctx;

/* Makes the context of a request, with a reference to the packs that goes with the arena. */
pl_rc registry_ctx_of(pl_api_request *q, registry_ctx *out, pl_error *err);

/* --- registry.c ------------------------------------------------------------------------- */

pl_rc registry_new_id(int64_t now_ms, char out[PL_ID_LEN + 1], pl_error *err);
pl_rc registry_id_check(pl_str id, pl_error *err);
/* A text column of the row in hand, copied into the arena. */
pl_rc registry_text(pl_arena *a, pl_db_stmt *s, int column, pl_str *out, pl_error *err);
/* JSON of a text column. */
pl_rc registry_json(pl_str text, json_t **out, pl_error *err);
/* Begins a transaction in which nobody else numbers or indexes filings. */
pl_rc registry_begin(pl_db *db, pl_error *err);
/* Commits when rc is PL_OK, else rolls back and keeps rc. */
pl_rc registry_finish(pl_db *db, pl_rc rc, pl_error *err);
/* The next value of a counter, from 1. */
pl_rc registry_count(pl_db *db, const char *name, int64_t *out, pl_error *err);
/* Keeps bytes in the payload store of the instance's ledger; hex of their SHA-256. */
pl_rc registry_payload_put(registry_ctx *c, pl_str bytes, char hex[65], pl_error *err);
pl_rc registry_payload_get(const pl_services *s, pl_str hex, size_t max, char **out, size_t *n,
                           pl_error *err);
/* Checks the predicate against its schema and appends the statement about "KIND:id". */
pl_rc registry_state(registry_ctx *c, const char *kind, pl_str id, const char *predicate_type,
                     json_t *predicate, int64_t *index, pl_error *err);
json_t *registry_time(int64_t ms);
/* 128 random bits in hex. */
pl_rc registry_salt(char out[33], pl_error *err);
bool    registry_has_role(const registry_ctx *c, unsigned roles);
/* One of the roles that a workflow names. */
bool    registry_has_names(const registry_ctx *c, pl_names roles);

/* --- records: record.c, record_store.c ---------------------------------------------------- */

typedef struct registry_record {
    pl_str  id, kind, title, owner, data; /* data: JSON text */
    int64_t version, created_ms, changed_ms;
    bool    is_retired;
} registry_record;

typedef struct registry_version {
    int64_t version, time_ms, ledger_index;
    pl_str  title, data, note, by_id;
} registry_version;

/* Makes a record (id empty) or a new version of one that is at `version`. *out: what
 * pl_registry_record gives. PL_INVALID lists what is wrong with the values. */
typedef struct registry_record_change {
    pl_str        id, kind, note;
    int64_t       version;
    const json_t *data;
    bool          retires;
} registry_record_change;
pl_rc registry_record_put(registry_ctx *c, const registry_record_change *r, json_t **out, pl_error *err);
/* Several records at once, all or none: [{"kind","data"}]; a value "@N" stands for the id of item N, counted
 * from 1, which comes before. Appends their ids to `ids`. */
pl_rc registry_records_put(registry_ctx *c, const json_t *items, pl_str note, json_t *ids, pl_error *err);
json_t *registry_record_json(const registry_record *r);

pl_rc record_store_add(pl_db *db, const registry_record *r, pl_error *err);
/* PL_CONFLICT: it is no longer at r->version - 1. */
pl_rc record_store_change(pl_db *db, const registry_record *r, pl_error *err);
pl_rc record_store_find(pl_db *db, pl_arena *a, pl_str id, registry_record *out, pl_error *err);
pl_rc record_store_version_add(pl_db *db, pl_str id, const registry_version *v, pl_error *err);
pl_rc record_store_version_find(pl_db *db, pl_arena *a, pl_str id, int64_t version,
                                registry_version *out, pl_error *err);
pl_rc record_store_versions(pl_db *db, pl_arena *a, pl_str id,
                            pl_rc (*fn)(void *ctx, const registry_version *v, pl_error *err), void *ctx,
                            pl_error *err);
/* Newest first; kind empty: all. */
pl_rc record_store_each(pl_db *db, pl_arena *a, pl_str kind, pl_str before, int64_t limit,
                        pl_rc (*fn)(void *ctx, const registry_record *r, pl_error *err), void *ctx,
                        pl_error *err);
pl_rc record_store_relate(pl_db *db, pl_str id, const json_t *relations, pl_error *err);
/* [{"relation","id","kind","title"}] of records that this one names, or that name it. */
pl_rc record_store_related(pl_db *db, pl_str id, bool is_reverse, json_t *out, pl_error *err);

/* --- attachments: file.c ------------------------------------------------------------------- */

typedef struct registry_file {
    pl_str  slot, sha256, name, media_type, by_id;
    int64_t size, time_ms;
} registry_file;
pl_rc file_store_add(pl_db *db, pl_str owner, const registry_file *f, pl_error *err);
pl_rc file_store_drop(pl_db *db, pl_str owner, pl_str slot, pl_str sha256, pl_error *err);
pl_rc file_store_each(pl_db *db, pl_arena *a, pl_str owner,
                      pl_rc (*fn)(void *ctx, const registry_file *f, pl_error *err), void *ctx,
                      pl_error *err);
/* [{"slot","sha256","name","media_type","size"}] */
pl_rc   registry_files_json(pl_db *db, pl_arena *a, pl_str owner, json_t **out, pl_error *err);
/* Reads an attachment out of a request's body: its bytes as base64 (`content`), or the digest of a
 * payload that is in the store already (`sha256`, from the operator of this host only). */
pl_rc registry_file_take(registry_ctx *c, const json_t *body, int64_t max, registry_file *out,
                         pl_error *err);

/* --- filings: filing.c … -------------------------------------------------------------------- */

typedef struct registry_filing {
    pl_str  id, workflow, pack, state, subject_id, title, organisation, region, role, type, month,
            number, owner, origin, data, published_data, actors, search_text;
    int64_t seq, version, vote_round, created_ms, changed_ms, published_ms;
    bool    is_public;
} registry_filing;

typedef struct registry_event {
    int64_t n, ledger_index, time_ms;
    pl_str  step, from, to, by_id, note, snapshot;
} registry_event;

pl_rc filing_store_add(pl_db *db, const registry_filing *f, pl_error *err);
/* Writes f as it is; PL_CONFLICT: the row is not at f->version - 1. */
pl_rc filing_store_change(pl_db *db, const registry_filing *f, pl_error *err);
pl_rc filing_store_find(pl_db *db, pl_arena *a, pl_str id, registry_filing *out, pl_error *err);
/* For lists: without values, published values and actors. */
pl_rc filing_store_at(pl_db *db, pl_arena *a, int64_t seq, registry_filing *out, pl_error *err);
pl_rc event_store_add(pl_db *db, pl_str id, const registry_event *e, pl_error *err);
pl_rc event_store_each(pl_db *db, pl_arena *a, pl_str id,
                       pl_rc (*fn)(void *ctx, const registry_event *e, pl_error *err), void *ctx,
                       pl_error *err);
pl_rc event_store_count(pl_db *db, pl_str id, int64_t *out, pl_error *err);
pl_rc number_store_add(pl_db *db, pl_str number, pl_str id, int64_t now_ms, pl_error *err);

bool  number_store_has(pl_db *db, pl_str number);

/* A filing with its workflow. */
typedef struct filing {
    registry_filing      row;
    const registry_flow *flow;
    json_t              *values, *actors; /* of row.data and row.actors; freed with the arena */
} filing;
pl_rc filing_open(registry_ctx *c, pl_str id, filing *out, pl_error *err);
/* Who is not of the staff sees a filing only by the public register. */
pl_rc filing_make(registry_ctx *c, pl_str workflow, pl_str subject, const json_t *values, char id[27],
                  pl_error *err);
/* Replaces the values of some forms. */
pl_rc filing_edit(registry_ctx *c, pl_str id, int64_t version, const json_t *values, pl_error *err);
/* {"ok","problems":[…],"steps":[…]}: what is wrong with the values, and which steps may be taken by
 * whom with what still missing. */
pl_rc filing_check(registry_ctx *c, pl_str id, json_t **out, pl_error *err);
typedef struct filing_step_ask {
    pl_str        step, note;
    int64_t       version; /* the one the caller looked at */
    pl_str        number;  /* given by the authority elsewhere; empty: issued here */
    pl_str        answers, origin; /* of the package it came with; empty: asked for here */
} filing_step_ask;
pl_rc filing_step(registry_ctx *c, pl_str id, const filing_step_ask *ask, pl_error *err);
/* Inside the caller's transaction: everything a step that has been checked changes. */
pl_rc filing_step_write(registry_ctx *c, const registry_filing *before, filing *f, const pl_flow_step *s,
                        const filing_step_ask *ask, pl_error *err);
pl_rc filing_vote(registry_ctx *c, pl_str id, pl_str vote, pl_str note, pl_error *err);
pl_rc filing_attach(registry_ctx *c, pl_str id, pl_str slot, int64_t version, const json_t *body,
                    pl_error *err);
pl_rc filing_detach(registry_ctx *c, pl_str id, pl_str slot, pl_str sha256, int64_t version,
                    pl_error *err);
/* Takes over the columns that follow from the values, and writes index changes for both. */
pl_rc filing_derive(registry_ctx *c, filing *f, pl_error *err);
pl_rc filing_store_indexed(registry_ctx *c, const registry_filing *before, filing *f, pl_error *err);
/* Collects what has to change in the search index; before NULL: a new filing. */
pl_rc filing_index(pl_db *db, const registry_filing *before, const registry_filing *f, registry_changes *k,
                   pl_error *err);
/* Whether a draft may hold these values: forms and fields that are there, of the right types. */
pl_rc filing_values_check(const filing *f, const json_t *values, pl_error *err);
/* Takes over a list that an authority published: rows of {"number","month","state","values"}, all or none;
 * a number that is known is passed over. *out: {"taken","known","ledger_index"}. */
pl_rc filing_list_take(registry_ctx *c, pl_str workflow, pl_str source, const json_t *rows, json_t **out,
                       pl_error *err);
/* May this role set see and change it? PL_DENIED. */
pl_rc filing_edit_check(registry_ctx *c, const filing *f, pl_error *err);
/* What a statement binds: the filing at this moment, salted, so that its digest tells nothing about
 * the persons in it. NULL after a failure. */
json_t *filing_snapshot(const filing *f, const json_t *files, pl_str step, pl_str note, pl_error *err);
/* The step's statements: filing, and review when it decides. */
typedef struct filing_claim {
    const filing *f;
    pl_str        step, action, decision, from, note;
    const json_t *files;
    pl_str        answers; /* SHA-256 of the package this follows from, or empty */
    pl_str        origin;  /* and the log it is from */
} filing_claim;
pl_rc filing_state_it(registry_ctx *c, const filing_claim *k, char snapshot[65], int64_t *index,
                      pl_error *err);

/* --- numbers, deadlines, votes ------------------------------------------------------------- */

/* Issues the number of this id for the filing. */
pl_rc filing_number(registry_ctx *c, filing *f, pl_str number_id, pl_buf *out, pl_error *err);
/* PL_INVALID: not of the form of any number of the workflow; *warning says when its check digit is
 * another than the formula's. */
pl_rc filing_number_check(const filing *f, pl_str number_id, pl_str number, bool *is_doubtful,
                          pl_error *err);
pl_rc deadlines_change(registry_ctx *c, const filing *f, const pl_flow_step *s, pl_error *err);
/* The deadlines that a new filing begins with. */
pl_rc deadlines_begin(registry_ctx *c, const filing *f, pl_error *err);
/* Counts open deadlines again that depend on a date of the values. */
pl_rc deadlines_recount(registry_ctx *c, const filing *f, pl_error *err);
pl_rc deadlines_json(pl_db *db, pl_arena *a, const filing *f, json_t *out, pl_error *err);
/* Open deadlines due on or before a day, oldest first. */
pl_rc deadlines_due(pl_db *db, pl_arena *a, pl_str until, int64_t limit, json_t *out, pl_error *err);
pl_rc deadlines_tick(pl_db *db, pl_arena *a, const registry_packs *p, int64_t now_ms, pl_error *err);
/* Something that a role is told: about a deadline, or about a row of `reality` (kind drift). */
typedef struct registry_notice {
    pl_str  filing, about, kind, role, due;
    int64_t time_ms;
} registry_notice;
pl_rc registry_notice_put(pl_db *db, const registry_notice *n, pl_error *err);
pl_rc notices_json(pl_db *db, int64_t limit, json_t *out, pl_error *err);
pl_rc votes_count(pl_db *db, pl_str id, int64_t round, pl_flow_count *out, pl_error *err);
pl_rc votes_json(pl_db *db, pl_str id, json_t *out, pl_error *err);

/* --- searching ------------------------------------------------------------------------------ */

typedef struct registry_search {
    pl_str  query, region, role, type, month, workflow, state;
    bool    is_public; /* only what the public may see */
    int64_t before, limit;
} registry_search;
/* {"total","total_is_exact","filings":[…],"next"} */
pl_rc registry_search_run(registry_ctx *c, const registry_search *s, json_t **out, pl_error *err);
/* {"total","by":{"region":[{"value","count"}],…}} */
pl_rc registry_statistics(registry_ctx *c, const registry_search *s, json_t **out, pl_error *err);
/* One line of a list. */
json_t *registry_filing_line(const registry_filing *f, bool is_public);

/* --- packages -------------------------------------------------------------------------------- */

typedef struct registry_peer {
    pl_str  origin, name, vkey, role;
    int64_t time_ms;
} registry_peer;
pl_rc peer_store_put(pl_db *db, const registry_peer *p, pl_error *err);
pl_rc peer_store_find(pl_db *db, pl_arena *a, pl_str origin, registry_peer *out, pl_error *err);
pl_rc peer_store_list(pl_db *db, json_t *out, pl_error *err);
pl_rc export_store_add(pl_db *db, pl_str sha256, pl_str filing_id, pl_str to, int64_t now_ms, pl_error *err);
/* PL_NOTFOUND: no package of this digest was made here. */
pl_rc export_store_check(pl_db *db, pl_str sha256, pl_error *err);
typedef struct registry_import {
    pl_str  sha256, origin, filing;
    int64_t entry; /* greatest index of the other log that was taken */
} registry_import;
pl_rc import_store_add(pl_db *db, const registry_import *i, int64_t now_ms, pl_error *err);
/* Greatest entry taken for a filing from a log; -1: none. */
pl_rc import_store_last(pl_db *db, pl_str filing_id, pl_str origin, int64_t *out, pl_error *err);
bool  import_store_has(pl_db *db, pl_str sha256);
/* An evidence package of the filing's statements, kept as a payload; *hex its digest. */
pl_rc filing_export(registry_ctx *c, pl_str id, pl_str to, pl_str reason, char hex[65], size_t *n,
                    pl_error *err);
/* Takes a package of a peer: a filing that is new here, or the next statement about a known one. */
pl_rc filing_import(registry_ctx *c, pl_str package, json_t **out, pl_error *err);

/* --- tables for the descriptor ------------------------------------------------------------------ */

extern const pl_route registry_routes[];
extern const pl_cmd   registry_commands[];
#endif
