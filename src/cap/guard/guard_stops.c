/* Stops of a part of the service (a model, a tenant …), and the switches of other nodes. As with
 * the stop of the installation: effect first, evidence at once after. The database holds the last
 * word about each part; of two words the later one holds. */
#include "base/banned.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "cap/guard/guard_run.h"

#define SYNC_MS 1000

typedef struct part_row {
    pl_part_stop part;
    bool         stopped;
    char         by[64];
    int64_t      ledger_index;
} part_row;

/* --- database ----------------------------------------------------------------------------------- */

static pl_rc part_put(pl_db *db, const part_row *r, const char *by, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc rc = pl_db_prepare(db, "INSERT INTO guard_part_stop (scope, name, stopped, reason, since_ms, "
                             "changed_by, ledger_index) VALUES ($1, $2, $3, $4, $5, $6, $7) "
                             "ON CONFLICT (scope, name) DO UPDATE SET stopped = excluded.stopped, "
                             "reason = excluded.reason, since_ms = excluded.since_ms, "
                             "changed_by = excluded.changed_by, ledger_index = excluded.ledger_index",
                             &s, err);

    if (rc != PL_OK)
        return rc;
    pl_db_bind_str(s, 1, pl_str_z(pl_stop_scope_name(r->part.scope)));
    pl_db_bind_str(s, 2, pl_str_z(r->part.name));
    pl_db_bind_int(s, 3, r->stopped);
    pl_db_bind_str(s, 4, pl_str_z(r->part.reason));
    pl_db_bind_int(s, 5, r->part.since_ms);
    pl_db_bind_str(s, 6, pl_str_z(by));
    pl_db_bind_int(s, 7, r->ledger_index);
    return pl_db_run(s, NULL, err);
}

static void text_copy(char *to, size_t size, pl_str from)
{
    snprintf(to, size, PL_STR_FMT, PL_STR_ARG(from));
}

/* Calls back for every part that was ever stopped. */
static pl_rc parts_each(pl_db *db, void (*fn)(void *ctx, const part_row *r), void *ctx, pl_error *err)
{
    pl_db_stmt *s;
    pl_rc       rc = pl_db_prepare(db, "SELECT scope, name, stopped, reason, since_ms, changed_by, ledger_index "
                                   "FROM guard_part_stop", &s, err);

    if (rc != PL_OK)
        return rc;
    while ((rc = pl_db_step(s, err)) == PL_OK) {
        part_row r = { .stopped = pl_db_int(s, 2) != 0, .part.since_ms = pl_db_int(s, 4),
                       .ledger_index = pl_db_int(s, 6) };

        if (pl_stop_scope_parse(pl_db_str(s, 0), &r.part.scope) != PL_OK)
            continue;
        text_copy(r.part.name, sizeof r.part.name, pl_db_str(s, 1));
        text_copy(r.part.reason, sizeof r.part.reason, pl_db_str(s, 3));
        text_copy(r.by, sizeof r.by, pl_db_str(s, 5));
        fn(ctx, &r);
    }
    pl_db_done(s);
    return rc == PL_NOTFOUND ? PL_OK : rc;
}

/* --- acts of people --------------------------------------------------------------------------------- */

static json_t *part_json(const pl_part_stop *p)
{
    return json_pack("{s:s, s:s, s:s, s:I}", "scope", pl_stop_scope_name(p->scope), "name", p->name,
                     "reason", p->reason, "since_ms", (json_int_t)p->since_ms);
}

/* Who stopped a part, and where that is recorded, as far as the database knows by now. */
static void part_sign(void *ctx, const part_row *r)
{
    json_t *list = ctx, *p;
    size_t  i;

    json_array_foreach (list, i, p)
        if (r->stopped && strcmp(json_string_value(json_object_get(p, "name")), r->part.name) == 0 &&
            strcmp(json_string_value(json_object_get(p, "scope")), pl_stop_scope_name(r->part.scope)) == 0) {
            json_object_set_new(p, "by", json_string(r->by));
            json_object_set_new(p, "ledger_index", json_integer(r->ledger_index));
        }
}

pl_rc guard_parts_json(const guard_run *g, pl_db *db, json_t **out, pl_error *err)
{
    pl_part_stop part[PL_GATE_STOPS];
    size_t       n = pl_gate_part_list(g->gate, part);
    json_t      *list = json_array();
    pl_rc        rc;

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, part_json(&part[i]));
    rc = parts_each(db, part_sign, list, err);
    if (rc == PL_OK)
        *out = list;
    else
        json_decref(list);
    return rc;
}

pl_rc guard_stop_signed_json(const guard_run *g, pl_db *db, json_t **out, pl_error *err)
{
    guard_stop_row row;
    pl_rc          rc = guard_stop_get(db, &row, err);

    if (rc != PL_OK && rc != PL_NOTFOUND)
        return rc;
    *out = guard_stop_json(g);
    if (rc == PL_OK && row.stopped && pl_gate_stopped(g->gate)) {
        json_object_set_new(*out, "by", json_string(row.by));
        json_object_set_new(*out, "ledger_index", json_integer(row.ledger_index));
    }
    return PL_OK;
}

static bool is_stopped(const guard_run *g, const pl_part_stop *p, pl_part_stop *found)
{
    pl_part_stop part[PL_GATE_STOPS];
    size_t       n = pl_gate_part_list(g->gate, part);

    for (size_t i = 0; i < n; i++)
        if (part[i].scope == p->scope && strcmp(part[i].name, p->name) == 0) {
            *found = part[i];
            return true;
        }
    return false;
}

static pl_rc record(pl_services *s, pl_db *db, part_row *row, const char *by, pl_error *err)
{
    uint64_t index;
    char     time[25];
    pl_rc    rc;

    pl_time_format(row->part.since_ms, time);
    rc = guard_say(s, row->stopped ? PL_PREDICATE("guard-stop") : PL_PREDICATE("guard-resume"),
                   json_pack("{s:s, s:s, s:s, s:s, s:s}", "scope", pl_stop_scope_name(row->part.scope),
                             "name", row->part.name, "reason", row->part.reason, "by", by, "at", time),
                   &index, err);
    if (rc != PL_OK)
        return rc;
    row->ledger_index = (int64_t)index;
    return part_put(db, row, by, err);
}

pl_rc guard_part_set(guard_run *g, pl_services *s, pl_db *db, bool stopped, const pl_part_stop *part,
                     const pl_principal *who, json_t **out, pl_error *err)
{
    part_row     row = { .part = *part, .stopped = stopped };
    pl_part_stop found;
    bool         was = is_stopped(g, part, &found);
    pl_rc        rc = PL_OK;

    row.part.since_ms = s->now_ms();
    if (was == stopped)
        return pl_fail(err, PL_CONFLICT, "%s '%.90s' is %s", pl_stop_scope_name(part->scope), part->name,
                       stopped ? "stopped already" : "not stopped");
    if (was && row.part.since_ms <= found.since_ms)
        row.part.since_ms = found.since_ms + 1; /* the later word holds, whatever the clock did */
    if (stopped)
        rc = pl_gate_part_stop(g->gate, &row.part, err);
    pthread_mutex_lock(&g->lock);
    if (rc == PL_OK)
        rc = record(s, db, &row, who->id, err);
    if (rc == PL_OK && !stopped)
        rc = pl_gate_part_resume(g->gate, part->scope, part->name, err);
    pthread_mutex_unlock(&g->lock);
    if (rc == PL_NOTFOUND) /* another resume was faster */
        rc = err->rc = PL_CONFLICT;
    if (rc != PL_OK)
        return rc;
    *out = part_json(&row.part);
    json_object_set_new(*out, "stopped", json_boolean(stopped));
    json_object_set_new(*out, "ledger_index", json_integer(row.ledger_index));
    return PL_OK;
}

typedef struct known {
    const pl_part_stop *part;
    bool                found;
} known;

static void known_check(void *ctx, const part_row *r)
{
    known *k = ctx;

    k->found |= r->part.scope == k->part->scope && strcmp(r->part.name, k->part->name) == 0 &&
                r->part.since_ms >= k->part->since_ms;
}

pl_rc guard_parts_adopt(guard_run *g, pl_services *s, pl_db *db, pl_error *err)
{
    pl_part_stop part[PL_GATE_STOPS];
    size_t       n = pl_gate_part_list(g->gate, part);
    pl_rc        rc = PL_OK;

    for (size_t i = 0; rc == PL_OK && i < n; i++) {
        known k = { .part = &part[i] };

        rc = parts_each(db, known_check, &k, err);
        if (rc == PL_OK && !k.found) {
            part_row row = { .part = part[i], .stopped = true };
            rc = record(s, db, &row, "host", err);
        }
    }
    return rc;
}

/* --- other nodes -------------------------------------------------------------------------------------- */

static void part_follow(void *ctx, const part_row *r)
{
    guard_run   *g = ctx;
    pl_part_stop found;
    bool         here = is_stopped(g, &r->part, &found);

    if (r->stopped && !here)
        (void)pl_gate_part_stop(g->gate, &r->part, NULL);
    else if (!r->stopped && here && r->part.since_ms > found.since_ms)
        (void)pl_gate_part_resume(g->gate, r->part.scope, r->part.name, NULL);
}

static void switch_follow(guard_run *g, const guard_stop_row *row)
{
    char    reason[256];
    int64_t since;
    bool    here = pl_gate_stop_get(g->gate, reason, &since);

    if (row->stopped && !here)
        pl_gate_stop(g->gate, pl_str_z(row->reason), row->since_ms);
    else if (!row->stopped && here && row->since_ms > since)
        pl_gate_resume(g->gate);
}

pl_rc guard_stops_sync(guard_run *g, pl_db *db, int64_t now_ms, pl_error *err)
{
    guard_stop_row row;
    pl_rc          rc;

    if (now_ms >= g->last_sync_ms && now_ms - g->last_sync_ms < SYNC_MS)
        return PL_OK;
    g->last_sync_ms = now_ms;
    pthread_mutex_lock(&g->lock);
    rc = guard_stop_get(db, &row, err);
    if (rc == PL_OK)
        switch_follow(g, &row);
    if (rc == PL_OK || rc == PL_NOTFOUND)
        rc = parts_each(db, part_follow, g, err);
    pthread_mutex_unlock(&g->lock);
    return rc;
}
