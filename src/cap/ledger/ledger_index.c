/* From entries to rows: what each says it is about, and the index in the database. */
#include "base/banned.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "cap/ledger/ledger_query.h"
#include "engine/log/dsse.h"

#define BUNDLES_AT_ONCE 4 /* between two looks at the clock of the background thread */
#define DAY_MS          (24LL * 3600 * 1000)

/* --- questions ------------------------------------------------------------------------------ */

pl_rc pl_ledger_query_type(ledger_query *q, pl_str text, pl_error *err)
{
    bool is_uri = memmem(text.p, text.n, "://", 3) != NULL;
    int  n = is_uri ? snprintf(q->type, sizeof(q->type), PL_STR_FMT, PL_STR_ARG(text))
                    : snprintf(q->type, sizeof(q->type), PL_PREDICATE_BASE PL_STR_FMT "/v1",
                               PL_STR_ARG(text));

    if (text.n >= sizeof(q->type) || n < 0 || (size_t)n >= sizeof(q->type))
        return pl_fail(err, PL_LIMIT, "kind of statement is too long");
    return PL_OK;
}

pl_rc pl_ledger_query_time(pl_str text, bool is_end, int64_t *ms, pl_error *err)
{
    char  full[32];
    pl_rc rc;

    if (text.n != sizeof("2026-11-25") - 1)
        return pl_time_parse(text, ms, err);
    (void)snprintf(full, sizeof(full), PL_STR_FMT "T00:00:00Z", PL_STR_ARG(text));
    rc = pl_time_parse(pl_str_z(full), ms, err);
    if (rc == PL_OK && is_end)
        *ms += DAY_MS - 1;
    return rc;
}

/* --- rows ------------------------------------------------------------------------------------ */

static pl_rc statement_rows(uint64_t index, pl_str entry, const json_t *j, ledger_row_fn fn,
                            void *ctx, pl_error *err)
{
    const json_t  *subjects = json_object_get(j, "subject");
    size_t         n = json_array_size(subjects);
    statement_view v;
    ledger_row     row = { .index = index, .subject = PL_STR(""), .type = PL_STR("") };
    pl_rc          rc = PL_OK;

    if (pl_statement_read(j, &v, NULL) != PL_OK)
        return fn(ctx, &row, entry, NULL, err);
    row.type = v.type;
    row.time_ms = v.time_ms;
    for (size_t i = 0; rc == PL_OK && i < n && i < LEDGER_SUBJECTS_MAX; i++) {
        row.subject = PL_STR("");
        (void)pl_json_get_str(json_array_get(subjects, i), "name", false, &row.subject, NULL);
        rc = fn(ctx, &row, entry, j, err);
    }
    return rc;
}

pl_rc pl_ledger_entry_rows(uint64_t index, pl_str entry, ledger_row_fn fn, void *ctx,
                           pl_error *err)
{
    ledger_row nothing = { .index = index, .subject = PL_STR(""), .type = PL_STR("") };
    pl_dsse    d;
    json_t    *envelope = NULL, *j = NULL;
    pl_rc      rc;

    if (pl_dsse_read_unverified(entry, &d, &envelope, NULL) != PL_OK)
        return fn(ctx, &nothing, entry, NULL, err);
    if (pl_json_parse((pl_str){ d.payload, d.payload_n }, "statement", &j, NULL) == PL_OK)
        rc = statement_rows(index, entry, j, fn, ctx, err);
    else
        rc = fn(ctx, &nothing, entry, NULL, err);
    json_decref(j);
    json_decref(envelope);
    pl_dsse_done(&d);
    return rc;
}

pl_rc pl_ledger_entries_each(const char *dir, uint64_t size, uint64_t from, uint64_t to,
                             ledger_entry_fn fn, void *ctx, pl_error *err)
{
    pl_rc rc = PL_OK;

    for (uint64_t n = from / PL_TILE_WIDTH; rc == PL_OK && n * PL_TILE_WIDTH < to; n++) {
        char    *bundle = NULL;
        size_t   bytes = 0;
        unsigned width = 0;
        pl_str   rest, entry;

        rc = pl_bundle_read(dir, size, n, &bundle, &bytes, &width, err);
        rest = (pl_str){ bundle, bytes };
        for (unsigned i = 0; rc == PL_OK && i < width; i++) {
            uint64_t index = n * PL_TILE_WIDTH + i;

            rc = pl_bundle_take(&rest, &entry, err);
            if (rc == PL_OK && index >= from && index < to)
                rc = fn(ctx, index, entry, err);
        }
        free(bundle);
    }
    return rc;
}

/* --- the index in the database ---------------------------------------------------------------- */

typedef struct indexing {
    pl_db *db;
    size_t nth; /* of the entry in hand */
} indexing;

static pl_rc row_put(void *ctx, const ledger_row *row, pl_str entry, const json_t *statement,
                     pl_error *err)
{
    indexing *x = ctx;

    (void)entry, (void)statement;
    return pl_ledger_store_put(x->db, row, x->nth++, err);
}

static pl_rc entry_put(void *ctx, uint64_t index, pl_str entry, pl_error *err)
{
    indexing *x = ctx;

    x->nth = 0;
    return pl_ledger_entry_rows(index, entry, row_put, x, err);
}

/* How far the index goes in this very log; 0 when it is of another. */
static pl_rc index_state(pl_db *db, const pl_ledger *l, uint64_t published, uint64_t *size,
                         bool *fits, pl_error *err)
{
    pl_hash marked, root;
    pl_rc   rc = pl_ledger_store_mark_get(db, size, &marked, err);

    *fits = rc == PL_NOTFOUND;
    if (rc == PL_NOTFOUND)
        *size = 0;
    if (rc != PL_OK)
        return rc == PL_NOTFOUND ? PL_OK : rc;
    if (*size <= published)
        rc = pl_tile_root(pl_ledger_dir(l), published, *size, &root, err);
    *fits = rc == PL_OK && *size <= published && pl_hash_equal(&root, &marked);
    return rc;
}

static pl_rc index_more(pl_db *db, const pl_ledger *l, uint64_t published, uint64_t from,
                        uint64_t to, pl_error *err)
{
    indexing x = { .db = db };
    pl_hash  root;
    pl_rc    rc = pl_tile_root(pl_ledger_dir(l), published, to, &root, err);

    if (rc == PL_OK)
        rc = pl_ledger_entries_each(pl_ledger_dir(l), published, from, to, entry_put, &x, err);
    return rc == PL_OK ? pl_ledger_store_mark_put(db, to, &root, err) : rc;
}

pl_rc pl_ledger_index_tick(pl_db *db, const pl_ledger *l, bool *is_behind, pl_error *err)
{
    pl_checkpoint head;
    uint64_t      size = 0, to;
    bool          fits = true;
    pl_rc         rc = pl_ledger_head(l, &head, err);

    if (rc == PL_OK)
        rc = index_state(db, l, head.size, &size, &fits, err);
    if (rc != PL_OK || (fits && size == head.size)) {
        *is_behind = false;
        return rc;
    }
    rc = pl_db_begin(db, err);
    if (rc == PL_OK && !fits) {
        size = 0;
        rc = pl_ledger_store_clear(db, err);
    }
    to = size - size % PL_TILE_WIDTH + BUNDLES_AT_ONCE * PL_TILE_WIDTH;
    if (to > head.size)
        to = head.size;
    if (rc == PL_OK && to > size)
        rc = index_more(db, l, head.size, size, to, err);
    if (rc == PL_OK)
        rc = pl_db_commit(db, err);
    else
        pl_db_abort(db);
    *is_behind = rc == PL_OK && to < head.size;
    return rc;
}
