/* What records and filings share. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/timefmt.h"
#include "cap/ledger/pl_ledger.h"
#include "cap/registry/registry_int.h"

pl_rc registry_ctx_of(pl_api_request *q, registry_ctx *out, pl_error *err)
{
    registry_packs *p = registry_packs_take();

    if (p == NULL)
        return pl_fail(err, PL_IO, "the registry has no packs yet");
    if (pl_arena_defer(q->arena, (void (*)(void *))registry_packs_unref, p) != PL_OK) {
        registry_packs_unref(p);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    *out = (registry_ctx){ q->services, q->db, q->arena, q->who, q->now_ms, p };
    return PL_OK;
}

bool registry_has_role(const registry_ctx *c, unsigned roles)
{
    return (c->who->roles & roles) != 0;
}

bool registry_has_names(const registry_ctx *c, pl_names roles)
{
    for (unsigned role = PL_ROLE_PUBLIC; role <= PL_ROLE_ADMIN; role <<= 1)
        if (registry_has_role(c, role) && pl_names_has(roles, pl_str_z(pl_role_name(role))))
            return true;
    return false;
}

pl_rc registry_new_id(int64_t now_ms, char out[PL_ID_LEN + 1], pl_error *err)
{
    uint8_t rnd[10];
    pl_rc   rc = pl_random(rnd, sizeof rnd, err);

    if (rc == PL_OK)
        pl_id_format(now_ms, rnd, out);
    return rc;
}

pl_rc registry_id_check(pl_str id, pl_error *err)
{
    return pl_id_valid(id) ? PL_OK : pl_fail(err, PL_NOTFOUND, "no such id: '%.*s'",
                                             (int)(id.n < 40 ? id.n : 40), id.p);
}

pl_rc registry_text(pl_arena *a, pl_db_stmt *s, int column, pl_str *out, pl_error *err)
{
    pl_str v = pl_db_str(s, column);
    char  *p = pl_arena_dup(a, v);

    if (p == NULL)
        return pl_fail(err, PL_LIMIT, "the answer is too large");
    *out = (pl_str){ p, v.n };
    return PL_OK;
}

pl_rc registry_json(pl_str text, json_t **out, pl_error *err)
{
    if (pl_json_parse(text.n ? text : PL_STR("{}"), "stored values", out, err) != PL_OK)
        return pl_fail(err, PL_IO, "what is stored is damaged");
    return PL_OK;
}

json_t *registry_time(int64_t ms)
{
    char text[25];

    if (ms <= 0)
        return json_null();
    pl_time_format(ms, text);
    return json_string(text);
}

pl_rc registry_salt(char out[33], pl_error *err)
{
    uint8_t rnd[16];
    pl_rc   rc = pl_random(rnd, sizeof rnd, err);

    if (rc == PL_OK)
        pl_hex(rnd, sizeof rnd, out);
    return rc;
}

/* --- transactions ------------------------------------------------------------------------ */

pl_rc registry_begin(pl_db *db, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_begin(db, err);

    if (rc != PL_OK)
        return rc;
    /* SQLite has one writer anyway; on PostgreSQL this row is the queue. */
    rc = pl_db_prepare(db, "UPDATE registry_counter SET value = value + 1 WHERE name = 'lock'", &s, err);
    if (rc == PL_OK)
        rc = pl_db_run(s, NULL, err);
    if (rc != PL_OK)
        pl_db_abort(db);
    return rc;
}

pl_rc registry_finish(pl_db *db, pl_rc rc, pl_error *err)
{
    if (rc == PL_OK)
        rc = pl_db_commit(db, err);
    if (rc != PL_OK)
        pl_db_abort(db);
    return rc;
}

pl_rc registry_count(pl_db *db, const char *name, int64_t *out, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db,
                             "INSERT INTO registry_counter (name, value) VALUES ($1, 1)"
                             " ON CONFLICT (name) DO UPDATE SET value = registry_counter.value + 1"
                             " RETURNING value",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, pl_str_z(name));
    rc = pl_db_step(s, err);
    if (rc == PL_OK)
        *out = pl_db_int(s, 0);
    pl_db_done(s);
    return rc;
}

/* --- ledger --------------------------------------------------------------------------------- */

static pl_rc ledger_dir(const pl_services *s, char **out, pl_error *err)
{
    *out = pl_instance_path(s->instance, "ledger");
    return *out ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

pl_rc registry_payload_put(registry_ctx *c, pl_str bytes, char hex[65], pl_error *err)
{
    uint8_t digest[32];
    char   *dir = NULL;
    pl_rc   rc = ledger_dir(c->s, &dir, err);

    if (rc == PL_OK)
        rc = pl_ledger_payload_put(dir, bytes, digest, err);
    if (rc == PL_OK)
        pl_hex(digest, sizeof digest, hex);
    free(dir);
    return rc;
}

pl_rc registry_payload_get(const pl_services *s, pl_str hex, size_t max, char **out, size_t *n,
                           pl_error *err)
{
    uint8_t digest[32];
    char   *dir = NULL;
    pl_rc   rc = pl_hex_decode(hex, digest, sizeof digest, err);

    if (rc == PL_OK)
        rc = ledger_dir(s, &dir, err);
    if (rc == PL_OK)
        rc = pl_ledger_payload_get(dir, digest, max, out, n, err);
    free(dir);
    return rc;
}

pl_rc registry_state(registry_ctx *c, const char *kind, pl_str id, const char *predicate_type,
                     json_t *predicate, int64_t *index, pl_error *err)
{
    char     subject[80];
    uint64_t at = 0;
    pl_rc    rc;

    if (predicate == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    (void)snprintf(subject, sizeof subject, "%s:" PL_STR_FMT, kind, PL_STR_ARG(id));
    rc = pl_predicate_check(pl_str_z(predicate_type), predicate, err);
    if (rc == PL_OK)
        rc = pl_ledger_state(c->s->ledger, c->s->signer, pl_str_z(subject), predicate_type, predicate,
                             &at, err);
    if (rc == PL_OK)
        *index = (int64_t)at;
    return rc;
}
