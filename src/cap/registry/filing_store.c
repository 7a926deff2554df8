#include "base/banned.h"

#include "cap/registry/registry_int.h"

#define FILING_COLUMNS \
    "id, seq, workflow, pack, state, version, subject_id, title, organisation, region, role, type," \
    " month, number, is_public, vote_round, owner, origin, data, published_data, actors, search_text," \
    " created_ms, changed_ms, published_ms"

/* The same without the values, which a list does not show and which may be large. */
#define FILING_LINE \
    "id, seq, workflow, pack, state, version, subject_id, title, organisation, region, role, type," \
    " month, number, is_public, vote_round, owner, origin, '', '', '', search_text," \
    " created_ms, changed_ms, published_ms"

/* The text columns with their places among FILING_COLUMNS, from 0. */
static const struct {
    int    column;
    size_t offset;
} texts[] = {
    { 0, offsetof(registry_filing, id) },            { 2, offsetof(registry_filing, workflow) },
    { 3, offsetof(registry_filing, pack) },          { 4, offsetof(registry_filing, state) },
    { 6, offsetof(registry_filing, subject_id) },    { 7, offsetof(registry_filing, title) },
    { 8, offsetof(registry_filing, organisation) },  { 9, offsetof(registry_filing, region) },
    { 10, offsetof(registry_filing, role) },         { 11, offsetof(registry_filing, type) },
    { 12, offsetof(registry_filing, month) },        { 13, offsetof(registry_filing, number) },
    { 16, offsetof(registry_filing, owner) },        { 17, offsetof(registry_filing, origin) },
    { 18, offsetof(registry_filing, data) },         { 19, offsetof(registry_filing, published_data) },
    { 20, offsetof(registry_filing, actors) },       { 21, offsetof(registry_filing, search_text) },
};

/* And the numbers. */
static const struct {
    int    column;
    size_t offset;
} numbers[] = {
    { 1, offsetof(registry_filing, seq) },         { 5, offsetof(registry_filing, version) },
    { 15, offsetof(registry_filing, vote_round) }, { 22, offsetof(registry_filing, created_ms) },
    { 23, offsetof(registry_filing, changed_ms) }, { 24, offsetof(registry_filing, published_ms) },
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

static pl_str text_at(const registry_filing *f, size_t offset)
{
    pl_str s = *(const pl_str *)(const void *)((const char *)f + offset);

    return s.p ? s : PL_STR("");
}

static void bind_all(pl_db_stmt *s, const registry_filing *f)
{
    for (size_t i = 0; i < COUNT(texts); i++)
        pl_db_bind_str(s, texts[i].column + 1, text_at(f, texts[i].offset));
    for (size_t i = 0; i < COUNT(numbers); i++)
        pl_db_bind_int(s, numbers[i].column + 1,
                       *(const int64_t *)(const void *)((const char *)f + numbers[i].offset));
    pl_db_bind_int(s, 15, f->is_public);
}

pl_rc filing_store_add(pl_db *db, const registry_filing *f, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "INSERT INTO registry_filing (" FILING_COLUMNS ") VALUES ($1, $2, $3, $4, $5,"
                             " $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,"
                             " $22, $23, $24, $25)",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    bind_all(s, f);
    return pl_db_run(s, NULL, err);
}

pl_rc filing_store_change(pl_db *db, const registry_filing *f, pl_error *err)
{
    pl_db_stmt *s;
    int64_t     changed = 0;
    pl_rc       rc = pl_db_prepare(db,
                             "UPDATE registry_filing SET seq = $2, workflow = $3, pack = $4, state = $5,"
                             " version = $6, subject_id = $7, title = $8, organisation = $9, region = $10,"
                             " role = $11, type = $12, month = $13, number = $14, is_public = $15,"
                             " vote_round = $16, owner = $17, origin = $18, data = $19, published_data = $20,"
                             " actors = $21, search_text = $22, created_ms = $23, changed_ms = $24,"
                             " published_ms = $25 WHERE id = $1 AND version = $6 - 1",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    bind_all(s, f);
    rc = pl_db_run(s, &changed, err);
    if (rc == PL_OK && changed == 0)
        rc = pl_fail(err, PL_CONFLICT,
                     "the filing is no longer at version %lld: somebody else acted on it meanwhile; look "
                     "again and repeat", (long long)f->version - 1);
    return rc;
}

static pl_rc filing_read(pl_db_stmt *s, pl_arena *a, registry_filing *f, pl_error *err)
{
    pl_rc rc = PL_OK;

    for (size_t i = 0; i < COUNT(texts) && rc == PL_OK; i++)
        rc = registry_text(a, s, texts[i].column,
                           (pl_str *)(void *)((char *)f + texts[i].offset), err);
    for (size_t i = 0; i < COUNT(numbers); i++)
        *(int64_t *)(void *)((char *)f + numbers[i].offset) = pl_db_int(s, numbers[i].column);
    f->is_public = pl_db_int(s, 14) != 0;
    return rc;
}

static pl_rc read_one(pl_db_stmt *s, pl_arena *a, registry_filing *out, pl_error *err)
{
    pl_rc rc = pl_db_step(s, err);

    if (rc == PL_OK)
        rc = filing_read(s, a, out, err);
    pl_db_done(s);
    return rc;
}

pl_rc filing_store_find(pl_db *db, pl_arena *a, pl_str id, registry_filing *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = registry_id_check(id, err);

    if (rc == PL_OK)
        rc = pl_db_prepare(db, "SELECT " FILING_COLUMNS " FROM registry_filing WHERE id = $1", &s, err);
    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    rc = read_one(s, a, out, err);
    return rc == PL_NOTFOUND ? pl_fail(err, rc, "no filing '" PL_STR_FMT "'", PL_STR_ARG(id)) : rc;
}

pl_rc filing_store_at(pl_db *db, pl_arena *a, int64_t seq, registry_filing *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "SELECT " FILING_LINE " FROM registry_filing WHERE seq = $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_int(s, 1, seq);
    return read_one(s, a, out, err);
}

/* --- events -------------------------------------------------------------------------------- */

pl_rc event_store_add(pl_db *db, pl_str id, const registry_event *e, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "INSERT INTO registry_event (filing_id, n, step, from_state, to_state, by_id,"
                             " note, snapshot, ledger_index, time_ms)"
                             " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    pl_db_bind_int(s, 2, e->n);
    pl_db_bind_str(s, 3, e->step);
    pl_db_bind_str(s, 4, e->from);
    pl_db_bind_str(s, 5, e->to);
    pl_db_bind_str(s, 6, e->by_id);
    pl_db_bind_str(s, 7, e->note);
    pl_db_bind_str(s, 8, e->snapshot);
    pl_db_bind_int(s, 9, e->ledger_index);
    pl_db_bind_int(s, 10, e->time_ms);
    return pl_db_run(s, NULL, err);
}

pl_rc event_store_each(pl_db *db, pl_arena *a, pl_str id,
                       pl_rc (*fn)(void *ctx, const registry_event *e, pl_error *err), void *ctx,
                       pl_error *err)
{
    pl_db_stmt    *s;
    registry_event e;
    pl_str        *columns[] = { &e.step, &e.from, &e.to, &e.by_id, &e.note, &e.snapshot };
    pl_rc          rc = pl_db_prepare(db,
                             "SELECT n, ledger_index, time_ms, step, from_state, to_state, by_id, note,"
                             " snapshot FROM registry_event WHERE filing_id = $1 ORDER BY n",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        e.n = pl_db_int(s, 0);
        e.ledger_index = pl_db_int(s, 1);
        e.time_ms = pl_db_int(s, 2);
        for (int i = 0; i < 6 && rc == PL_OK; i++)
            rc = registry_text(a, s, i + 3, columns[i], err);
        if (rc == PL_OK)
            rc = fn(ctx, &e, err);
        if (rc != PL_OK)
            break;
    }
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

pl_rc event_store_count(pl_db *db, pl_str id, int64_t *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "SELECT COUNT(*) FROM registry_event WHERE filing_id = $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    rc = pl_db_step(s, err);
    if (rc == PL_OK)
        *out = pl_db_int(s, 0);
    pl_db_done(s);
    return rc;
}

pl_rc number_store_add(pl_db *db, pl_str number, pl_str id, int64_t now_ms, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(
        db, "INSERT INTO registry_number (number, filing_id, time_ms) VALUES ($1, $2, $3)", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, number);
    pl_db_bind_str(s, 2, id);
    pl_db_bind_int(s, 3, now_ms);
    rc = pl_db_run(s, NULL, err);
    return rc == PL_CONFLICT ? pl_fail(err, rc, "the number '%.80s' is in use already", number.p) : rc;
}

bool number_store_has(pl_db *db, pl_str number)
{
    pl_db_stmt *s;
    bool        has = false;

    if (pl_db_prepare(db, "SELECT 1 FROM registry_number WHERE number = $1", &s, NULL) != PL_OK)
        return false;
    pl_db_bind_str(s, 1, number);
    has = pl_db_step(s, NULL) == PL_OK;
    pl_db_done(s);
    return has;
}
