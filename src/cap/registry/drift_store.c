#include "base/banned.h"

#include "cap/registry/drift.h"

pl_rc drift_store_open(pl_db *db, pl_str id, const drift_finding *f, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "INSERT INTO registry_finding (filing_id, item, opened_ms, closed_ms, seen, opened_index,"
                             " closed_index) VALUES ($1, $2, $3, 0, $4, $5, 0)",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    pl_db_bind_str(s, 2, f->item);
    pl_db_bind_int(s, 3, f->opened_ms);
    pl_db_bind_str(s, 4, f->seen);
    pl_db_bind_int(s, 5, f->opened_index);
    return pl_db_run(s, NULL, err);
}

pl_rc drift_store_close(pl_db *db, pl_str id, const drift_finding *f, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "UPDATE registry_finding SET closed_ms = $4, closed_index = $5 WHERE filing_id = $1 AND"
                             " item = $2 AND opened_ms = $3",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    pl_db_bind_str(s, 2, f->item);
    pl_db_bind_int(s, 3, f->opened_ms);
    pl_db_bind_int(s, 4, f->closed_ms);
    pl_db_bind_int(s, 5, f->closed_index);
    return pl_db_run(s, NULL, err);
}

pl_rc drift_store_find(pl_db *db, pl_arena *a, pl_str id, pl_str item, drift_finding *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "SELECT seen, opened_ms, opened_index FROM registry_finding WHERE filing_id = $1 AND"
                             " item = $2 AND closed_ms = 0",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    pl_db_bind_str(s, 2, item);
    rc = pl_db_step(s, err);
    *out = (drift_finding){ .item = item };
    if (rc == PL_OK) {
        out->opened_ms = pl_db_int(s, 1);
        out->opened_index = pl_db_int(s, 2);
        rc = registry_text(a, s, 0, &out->seen, err);
    }
    pl_db_done(s);
    return rc;
}

pl_rc drift_store_json(pl_db *db, pl_str id, json_t *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "SELECT item, seen, opened_ms, closed_ms, opened_index, closed_index FROM registry_finding"
                             " WHERE filing_id = $1 ORDER BY opened_ms DESC, item LIMIT 200",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, id);
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        pl_str  item = pl_db_str(s, 0);
        json_t *seen = NULL;

        if ((rc = registry_json(pl_db_str(s, 1), &seen, err)) != PL_OK)
            break;
        (void)json_array_append_new(
            out, json_pack("{s:s%, s:o, s:o, s:o, s:I, s:o}", "item", item.p, item.n, "seen", seen, "opened",
                           registry_time(pl_db_int(s, 2)), "closed", registry_time(pl_db_int(s, 3)), "opened_index",
                           (json_int_t)pl_db_int(s, 4), "closed_index",
                           pl_db_int(s, 3) ? json_integer(pl_db_int(s, 5)) : json_null()));
    }
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

pl_rc drift_store_own(pl_db *db, pl_str after, int64_t limit, json_t *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "SELECT id FROM registry_filing WHERE origin = '' AND is_public = 1 AND id > $1"
                             " ORDER BY id LIMIT $2",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, after);
    pl_db_bind_int(s, 2, limit);
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        pl_str id = pl_db_str(s, 0);
        (void)json_array_append_new(out, json_stringn(id.p, id.n));
    }
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}
