#include "base/banned.h"

#include "cap/registry/registry_int.h"

#define RECORD_COLUMNS "id, kind, title, owner, version, retired, data, created_ms, changed_ms"

pl_rc record_store_add(pl_db *db, const registry_record *r, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "INSERT INTO registry_record (" RECORD_COLUMNS ")"
                             " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, r->id);
    pl_db_bind_str(s, 2, r->kind);
    pl_db_bind_str(s, 3, r->title);
    pl_db_bind_str(s, 4, r->owner);
    pl_db_bind_int(s, 5, r->version);
    pl_db_bind_int(s, 6, r->is_retired);
    pl_db_bind_str(s, 7, r->data);
    pl_db_bind_int(s, 8, r->created_ms);
    pl_db_bind_int(s, 9, r->changed_ms);
    return pl_db_run(s, NULL, err);
}

pl_rc record_store_change(pl_db *db, const registry_record *r, pl_error *err)
{
    pl_db_stmt *s;
    int64_t     changed = 0;
    pl_rc       rc = pl_db_prepare(db,
                             "UPDATE registry_record SET title = $2, version = $3, retired = $4,"
                             " data = $5, changed_ms = $6 WHERE id = $1 AND version = $3 - 1",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, r->id);
    pl_db_bind_str(s, 2, r->title);
    pl_db_bind_int(s, 3, r->version);
    pl_db_bind_int(s, 4, r->is_retired);
    pl_db_bind_str(s, 5, r->data);
    pl_db_bind_int(s, 6, r->changed_ms);
    rc = pl_db_run(s, &changed, err);
    if (rc == PL_OK && changed == 0)
        rc = pl_fail(err, PL_CONFLICT, "the record is no longer at version %lld: somebody changed it "
                     "meanwhile", (long long)r->version - 1);
    return rc;
}

static pl_rc record_read(pl_db_stmt *s, pl_arena *a, registry_record *r, pl_error *err)
{
    pl_str *texts[] = { &r->id, &r->kind, &r->title, &r->owner };
    pl_rc   rc = PL_OK;

    for (int i = 0; i < 4 && rc == PL_OK; i++)
        rc = registry_text(a, s, i, texts[i], err);
    if (rc == PL_OK)
        rc = registry_text(a, s, 6, &r->data, err);
    r->version = pl_db_int(s, 4);
    r->is_retired = pl_db_int(s, 5) != 0;
    r->created_ms = pl_db_int(s, 7);
    r->changed_ms = pl_db_int(s, 8);
    return rc;
}

pl_rc record_store_find(pl_db *db, pl_arena *a, pl_str id, registry_record *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = registry_id_check(id, err);

    if (rc == PL_OK)
        rc = pl_db_prepare(db, "SELECT " RECORD_COLUMNS " FROM registry_record WHERE id = $1", &s, err);
    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    rc = pl_db_step(s, err);
    if (rc == PL_OK)
        rc = record_read(s, a, out, err);
    else if (rc == PL_NOTFOUND)
        (void)pl_fail(err, PL_NOTFOUND, "no record '" PL_STR_FMT "'", PL_STR_ARG(id));
    pl_db_done(s);
    return rc;
}

pl_rc record_store_each(pl_db *db, pl_arena *a, pl_str kind, pl_str before, int64_t limit,
                        pl_rc (*fn)(void *ctx, const registry_record *r, pl_error *err), void *ctx,
                        pl_error *err)
{
    pl_db_stmt     *s;
    registry_record r;
    pl_rc           rc = pl_db_prepare(db,
                             "SELECT " RECORD_COLUMNS " FROM registry_record"
                             " WHERE ($1 = '' OR kind = $1) AND id < $2 ORDER BY id DESC LIMIT $3",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, kind);
    pl_db_bind_str(s, 2, before.n ? before : PL_STR("~")); /* above every id */
    pl_db_bind_int(s, 3, limit);
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        rc = record_read(s, a, &r, err);
        if (rc == PL_OK)
            rc = fn(ctx, &r, err);
        if (rc != PL_OK)
            break;
    }
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

/* --- versions ---------------------------------------------------------------------------- */

pl_rc record_store_version_add(pl_db *db, pl_str id, const registry_version *v, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "INSERT INTO registry_version (record_id, version, title, data, note, by_id,"
                             " time_ms, ledger_index) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    pl_db_bind_int(s, 2, v->version);
    pl_db_bind_str(s, 3, v->title);
    pl_db_bind_str(s, 4, v->data);
    pl_db_bind_str(s, 5, v->note);
    pl_db_bind_str(s, 6, v->by_id);
    pl_db_bind_int(s, 7, v->time_ms);
    pl_db_bind_int(s, 8, v->ledger_index);
    return pl_db_run(s, NULL, err);
}

#define VERSION_COLUMNS "version, time_ms, ledger_index, title, data, note, by_id"

static pl_rc version_read(pl_db_stmt *s, pl_arena *a, registry_version *v, pl_error *err)
{
    pl_str *texts[] = { &v->title, &v->data, &v->note, &v->by_id };
    pl_rc   rc = PL_OK;

    v->version = pl_db_int(s, 0);
    v->time_ms = pl_db_int(s, 1);
    v->ledger_index = pl_db_int(s, 2);
    for (int i = 0; i < 4 && rc == PL_OK; i++)
        rc = registry_text(a, s, i + 3, texts[i], err);
    return rc;
}

pl_rc record_store_version_find(pl_db *db, pl_arena *a, pl_str id, int64_t version,
                                registry_version *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "SELECT " VERSION_COLUMNS " FROM registry_version"
                             " WHERE record_id = $1 AND version = $2",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    pl_db_bind_int(s, 2, version);
    rc = pl_db_step(s, err);
    if (rc == PL_OK)
        rc = version_read(s, a, out, err);
    else if (rc == PL_NOTFOUND)
        (void)pl_fail(err, PL_NOTFOUND, "the record has no version %lld", (long long)version);
    pl_db_done(s);
    return rc;
}

pl_rc record_store_versions(pl_db *db, pl_arena *a, pl_str id,
                            pl_rc (*fn)(void *ctx, const registry_version *v, pl_error *err), void *ctx,
                            pl_error *err)
{
    pl_db_stmt      *s;
    registry_version v;
    pl_rc            rc = pl_db_prepare(db,
                             "SELECT " VERSION_COLUMNS " FROM registry_version"
                             " WHERE record_id = $1 ORDER BY version DESC",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        rc = version_read(s, a, &v, err);
        if (rc == PL_OK)
            rc = fn(ctx, &v, err);
        if (rc != PL_OK)
            break;
    }
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

/* --- relations --------------------------------------------------------------------------- */

static pl_rc relation_add(pl_db *db, pl_str id, const char *relation, const char *other, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "INSERT INTO registry_relation (record_id, relation, other_id)"
                             " VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    pl_db_bind_str(s, 2, pl_str_z(relation));
    pl_db_bind_str(s, 3, pl_str_z(other));
    return pl_db_run(s, NULL, err);
}

pl_rc record_store_relate(pl_db *db, pl_str id, const json_t *relations, pl_error *err)
{
    pl_db_stmt   *s;
    const json_t *one;
    size_t        i;
    pl_rc         rc = pl_db_prepare(db, "DELETE FROM registry_relation WHERE record_id = $1", &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    rc = pl_db_run(s, NULL, err);
    if (rc == PL_OK)
        json_array_foreach((json_t *)(uintptr_t)relations, i, one) {
            rc = relation_add(db, id, json_string_value(json_object_get(one, "relation")),
                              json_string_value(json_object_get(one, "id")), err);
            if (rc != PL_OK)
                break;
        }
    return rc;
}

pl_rc record_store_related(pl_db *db, pl_str id, bool is_reverse, json_t *out, pl_error *err)
{
    static const char forward[] =
        "SELECT l.relation, r.id, r.kind, r.title FROM registry_relation l"
        " JOIN registry_record r ON r.id = l.other_id WHERE l.record_id = $1"
        " ORDER BY l.relation, r.id LIMIT 500";
    static const char reverse[] =
        "SELECT l.relation, r.id, r.kind, r.title FROM registry_relation l"
        " JOIN registry_record r ON r.id = l.record_id WHERE l.other_id = $1"
        " ORDER BY l.relation, r.id LIMIT 500";
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db, is_reverse ? reverse : forward, &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        pl_str relation = pl_db_str(s, 0), other = pl_db_str(s, 1), kind = pl_db_str(s, 2),
               title = pl_db_str(s, 3);

        (void)json_array_append_new(out, json_pack("{s:s%, s:s%, s:s%, s:s%}", "relation", relation.p,
                                                   relation.n, "id", other.p, other.n, "kind", kind.p,
                                                   kind.n, "title", title.p, title.n));
    }
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}
