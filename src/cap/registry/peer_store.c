/* Peers, and packages that went out and came in. */
#include "base/banned.h"

#include "cap/registry/registry_int.h"

pl_rc peer_store_put(pl_db *db, const registry_peer *p, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "INSERT INTO registry_peer (origin, name, vkey, role, time_ms)"
                             " VALUES ($1, $2, $3, $4, $5)",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, p->origin);
    pl_db_bind_str(s, 2, p->name);
    pl_db_bind_str(s, 3, p->vkey);
    pl_db_bind_str(s, 4, p->role);
    pl_db_bind_int(s, 5, p->time_ms);
    rc = pl_db_run(s, NULL, err);
    return rc == PL_CONFLICT ? pl_fail(err, rc, "a peer with this key name is known already") : rc;
}

pl_rc peer_store_find(pl_db *db, pl_arena *a, pl_str origin, registry_peer *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db, "SELECT origin, name, vkey, role FROM registry_peer WHERE origin = $1",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, origin);
    rc = pl_db_step(s, err);
    if (rc == PL_OK) {
        pl_str *texts[] = { &out->origin, &out->name, &out->vkey, &out->role };

        for (int i = 0; i < 4 && rc == PL_OK; i++)
            rc = registry_text(a, s, i, texts[i], err);
    }
    pl_db_done(s);
    return rc;
}

pl_rc peer_store_list(pl_db *db, json_t *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(
        db, "SELECT origin, name, vkey, role FROM registry_peer ORDER BY origin LIMIT 1000", &s, err);

    if (rc != PL_OK)
        return rc;
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        static const char *const names[] = { "origin", "name", "vkey", "role" };
        json_t                  *o = json_object();

        for (int i = 0; i < 4; i++)
            (void)json_object_set_new(o, names[i], json_stringn(pl_db_str(s, i).p, pl_db_str(s, i).n));
        (void)json_array_append_new(out, o);
    }
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

pl_rc export_store_add(pl_db *db, pl_str sha256, pl_str filing_id, pl_str to, int64_t now_ms, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "INSERT INTO registry_export (sha256, filing_id, recipient, time_ms)"
                             " VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, sha256);
    pl_db_bind_str(s, 2, filing_id);
    pl_db_bind_str(s, 3, to);
    pl_db_bind_int(s, 4, now_ms);
    return pl_db_run(s, NULL, err);
}

static pl_rc one_row(pl_db *db, const char *sql, pl_str key, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db, sql, &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, key);
    rc = pl_db_step(s, err);
    pl_db_done(s);
    return rc;
}

pl_rc export_store_check(pl_db *db, pl_str sha256, pl_error *err)
{
    pl_rc rc = one_row(db, "SELECT 1 FROM registry_export WHERE sha256 = $1", sha256, err);

    return rc == PL_NOTFOUND ? pl_fail(err, rc, "no package of this digest was made here") : rc;
}

bool import_store_has(pl_db *db, pl_str sha256)
{
    return one_row(db, "SELECT 1 FROM registry_import WHERE sha256 = $1", sha256, NULL) == PL_OK;
}

pl_rc import_store_add(pl_db *db, const registry_import *i, int64_t now_ms, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "INSERT INTO registry_import (sha256, origin, filing_id, entry, time_ms)"
                             " VALUES ($1, $2, $3, $4, $5)",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, i->sha256);
    pl_db_bind_str(s, 2, i->origin);
    pl_db_bind_str(s, 3, i->filing);
    pl_db_bind_int(s, 4, i->entry);
    pl_db_bind_int(s, 5, now_ms);
    rc = pl_db_run(s, NULL, err);
    return rc == PL_CONFLICT ? pl_fail(err, rc, "this very package was taken before") : rc;
}

pl_rc import_store_last(pl_db *db, pl_str filing_id, pl_str origin, int64_t *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "SELECT COALESCE(MAX(entry), -1) FROM registry_import"
                             " WHERE filing_id = $1 AND origin = $2",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, filing_id);
    pl_db_bind_str(s, 2, origin);
    rc = pl_db_step(s, err);
    if (rc == PL_OK)
        *out = pl_db_int(s, 0);
    pl_db_done(s);
    return rc;
}
