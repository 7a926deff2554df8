#include "base/banned.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "cap/guard/guard_people.h"
#include "cap/guard/guard_plan.h"
#include "cap/guard/guard_review.h"

#define PL_ROLES_CONTENT (PL_ROLE_REVIEWER | PL_ROLE_ADMIN) /* who may read what people wrote */
#define PL_ROLES_REVIEW (PL_ROLE_REVIEWER | PL_ROLE_PROVIDER | PL_ROLE_ADMIN)

#define PAYLOAD_MAX (64u << 20)

static pl_rc ready(guard_run **g, pl_error *err)
{
    *g = guard_run_get();
    return *g ? PL_OK : pl_fail(err, PL_IO, "the guard has not started");
}

static json_t *base64(const void *p, size_t n)
{
    pl_buf  b = PL_BUF_INIT(n * 2 + 16);
    json_t *j;

    pl_buf_base64(&b, p, n);
    j = json_stringn(b.p ? b.p : "", b.n);
    pl_buf_done(&b);
    return j;
}

static json_t *proof_json(const pl_proof *p)
{
    json_t *list = json_array();

    for (size_t i = 0; i < p->n; i++)
        json_array_append_new(list, base64(p->h[i].b, 32));
    return list;
}

/* --- overview and events ----------------------------------------------------------------- */

static json_t *counters_json(const guard_run *g)
{
    json_t *o = json_object();

    for (int c = 0; c < PL_COUNT__N; c++)
        json_object_set_new(o, pl_counter_name((pl_counter)c),
                            json_integer((json_int_t)pl_gate_counter(g->gate, (pl_counter)c)));
    return o;
}

static json_t *rate_json(guard_run *g, int64_t now_ms)
{
    json_t *list = json_array();
    int64_t now = now_ms / 1000;

    pthread_mutex_lock(&g->lock);
    for (int64_t t = now - GUARD_RATE_SECONDS + 1; t <= now; t++) {
        const guard_rate *r = &g->rate[t % GUARD_RATE_SECONDS];
        bool              hit = r->second == t;
        json_array_append_new(list, json_pack("{s:I, s:I, s:I}", "t", (json_int_t)t, "requests",
                                              (json_int_t)(hit ? r->requests : 0), "blocked",
                                              (json_int_t)(hit ? r->blocked : 0)));
    }
    pthread_mutex_unlock(&g->lock);
    return list;
}

static json_t *ledger_json(const pl_services *s, const guard_run *g)
{
    pl_checkpoint c;

    if (pl_ledger_head(s->ledger, &c, NULL) != PL_OK)
        return json_null();
    return json_pack("{s:I, s:o, s:s, s:I}", "size", (json_int_t)c.size, "root",
                     base64(c.root.b, 32), "origin",
                     c.origin, "checkpoint_ms", (json_int_t)g->last_publish_ms);
}

static pl_rc api_overview(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    guard_run *g;
    json_t    *policy = NULL;
    pl_rc      rc = ready(&g, err);

    if (rc != PL_OK)
        return rc;
    if (guard_policy_json(g, q->services, &policy, NULL) != PL_OK)
        policy = json_null();
    r->body = json_pack("{s:s, s:o, s:o, s:o, s:i, s:o, s:I, s:o}", "service",
                        q->services->instance->service, "policy", policy, "stop",
                        guard_stop_json(g), "counters", counters_json(g), "workers",
                        pl_gate_workers(g->gate), "ledger", ledger_json(q->services, g),
                        "events_pending", (json_int_t)pl_gate_pending(g->gate), "rate",
                        rate_json(g, q->now_ms));
    return r->body ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

static pl_rc query_id(pl_api_request *q, const char *name, pl_str *out, pl_error *err)
{
    *out = pl_str_z(q->query(q->host, name));
    if (out->n && !pl_id_valid(*out))
        return pl_fail(err, PL_INVALID, "query parameter '%s' is not an id", name);
    return PL_OK;
}

static pl_rc api_events(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    guard_event_query e = { 0 };
    json_t           *list = NULL, *last;
    pl_rc             rc = pl_api_query_int(q, "limit", 50, 1, 500, &e.limit, err);

    if (rc == PL_OK)
        rc = query_id(q, "before", &e.before, err);
    if (rc == PL_OK)
        rc = query_id(q, "after", &e.after, err);
    e.verdict = pl_str_z(q->query(q->host, "verdict"));
    if (rc == PL_OK)
        rc = guard_event_list(q->db, &e, &list, err);
    if (rc != PL_OK)
        return rc;
    last = json_array_size(list) == (size_t)e.limit
               ? json_object_get(json_array_get(list, json_array_size(list) - 1), "id")
               : NULL;
    r->body = json_pack("{s:o, s:O?}", "events", list, "next", last);
    return r->body ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

/* --- receipts ------------------------------------------------------------------------------ */

static pl_rc batch_json(pl_api_request *q, const pl_stored_event *e, const pl_stored_batch *b,
                        json_t **out, pl_error *err)
{
    guard_run *g = guard_run_get();
    char      *payload = NULL, root[65];
    size_t     n = 0, count = 0;
    pl_str    *leaf;
    pl_hash   *h = NULL;
    pl_proof   proof;
    pl_rc      rc = pl_ledger_payload_get(g->ledger_dir, b->payload, PAYLOAD_MAX, &payload, &n, err);

    if (rc == PL_OK)
        rc = pl_guard_payload_leaves(q->arena, (pl_str){ payload, n }, &leaf, &count, err);
    if (rc == PL_OK && !(h = pl_arena_alloc(q->arena, count * sizeof *h)))
        rc = pl_fail(err, PL_LIMIT, "the batch is too large for this request");
    for (size_t i = 0; rc == PL_OK && i < count; i++)
        h[i] = pl_merkle_leaf(leaf[i]);
    if (rc == PL_OK)
        rc = pl_merkle_inclusion_of(h, count, (size_t)e->position, &proof, err);
    free(payload);
    if (rc != PL_OK)
        return rc;
    pl_hex(b->root.b, 32, root);
    *out = json_pack("{s:I, s:I, s:s, s:o}", "index", (json_int_t)e->position, "count",
                     (json_int_t)count, "root", root, "proof", proof_json(&proof));
    return PL_OK;
}

/* The size a checkpoint note commits to: its second line. */
static pl_rc note_size(pl_str note, uint64_t *size, pl_error *err)
{
    pl_str line;

    if (!pl_str_split(&note, '\n', &line) || !pl_str_split(&note, '\n', &line))
        return pl_fail(err, PL_INVALID, "the checkpoint is cut short");
    return pl_str_u64(line, size, err);
}

/* Proof and checkpoint must speak of the same size, and the head moves: read it once. */
static pl_rc inclusion_json(pl_api_request *q, const pl_stored_batch *b, json_t **out, pl_error *err)
{
    pl_ledger *l = q->services->ledger;
    pl_proof   proof;
    uint64_t   size;
    char      *note = NULL;
    size_t     n = 0;
    pl_rc      rc = pl_ledger_checkpoint(l, &note, &n, err);

    if (rc == PL_OK)
        rc = note_size((pl_str){ note, n }, &size, err);
    if (rc == PL_OK)
        rc = pl_ledger_inclusion(l, (uint64_t)b->ledger_index, size, &proof, err);
    if (rc == PL_OK)
        *out = json_pack("{s:I, s:I, s:o, s:s%, s:o}", "index", (json_int_t)b->ledger_index,
                         "size", (json_int_t)size, "proof", proof_json(&proof), "checkpoint", note,
                         n, "entry", base64(b->envelope.p, b->envelope.n));
    free(note);
    return rc;
}

static bool is_published(const pl_services *s, const pl_stored_batch *b)
{
    pl_checkpoint c;

    return b->ledger_index >= 0 && pl_ledger_head(s->ledger, &c, NULL) == PL_OK &&
           (uint64_t)b->ledger_index < c.size;
}

static pl_rc receipt(pl_api_request *q, const pl_stored_event *e, json_t *out, pl_error *err)
{
    pl_stored_batch b;
    json_t         *part = NULL;
    pl_signer      *signer = (pl_signer *)(uintptr_t)q->services->signer;
    char            vkey[512];
    pl_rc           rc = pl_guard_batch_find(q->db, q->arena, e->batch, &b, err);

    if (rc != PL_OK || !is_published(q->services, &b)) {
        json_object_set_new(out, "state", json_string("pending"));
        return rc;
    }
    rc = batch_json(q, e, &b, &part, err);
    if (rc != PL_OK)
        return rc;
    json_object_set_new(out, "batch", part);
    rc = inclusion_json(q, &b, &part, err);
    if (rc != PL_OK)
        return rc;
    json_object_set_new(out, "ledger", part);
    rc = pl_signer_vkey(signer, vkey, sizeof vkey, err);
    json_object_set_new(out, "vkey", json_string(rc == PL_OK ? vkey : ""));
    json_object_set_new(out, "state", json_string("logged"));
    return rc;
}

static const char *policy_of(const json_t *leaf)
{
    const char *digest = json_string_value(json_object_get(leaf, "policy_sha256"));

    return digest ? digest : "";
}

static pl_rc api_receipt(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    pl_stored_event e;
    json_t         *leaf = NULL, *packs = NULL;
    char            digest[65];
    pl_hash         h;
    pl_rc           rc = pl_id_valid(q->param[0])
                             ? pl_guard_event_find(q->db, q->arena, q->param[0], &e, err)
                             : pl_fail(err, PL_NOTFOUND, "no such receipt");

    if (rc == PL_OK)
        rc = pl_json_parse(e.leaf, "event", &leaf, err);
    if (rc != PL_OK)
        return rc;
    rc = guard_content_get(q->db, policy_of(leaf), &packs, err);
    if (rc != PL_OK) {
        json_decref(leaf);
        return rc;
    }
    h = pl_merkle_leaf(e.leaf);
    pl_hex(h.b, 32, digest);
    r->body = json_pack("{s:o, s:s%, s:o, s:o, s:s}", "packs", packs, "id", e.id.p, e.id.n, "event", leaf, "leaf",
                        base64(e.leaf.p, e.leaf.n), "digest", digest);
    return receipt(q, &e, r->body, err);
}

/* --- control -------------------------------------------------------------------------------- */

/* A part of the service in the body of a stop or resume. */
static pl_rc part_read(const json_t *body, pl_str reason, pl_part_stop *out, pl_error *err)
{
    pl_str scope, name;
    pl_rc  rc = pl_json_get_str(body, "scope", true, &scope, err);

    *out = (pl_part_stop){ 0 };
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "name", true, &name, err);
    if (rc == PL_OK)
        rc = guard_reason_check(reason, err);
    if (rc != PL_OK)
        return rc;
    if (pl_stop_scope_parse(scope, &out->scope) != PL_OK)
        return pl_fail(err, PL_INVALID, "'scope' must be service, model, tenant or category");
    if (name.n == 0 || name.n >= sizeof out->name || reason.n >= sizeof out->reason)
        return pl_fail(err, PL_INVALID, "'name' has 1 to %zu bytes and 'reason' at most %zu",
                       sizeof out->name - 1, sizeof out->reason - 1);
    snprintf(out->name, sizeof out->name, PL_STR_FMT, PL_STR_ARG(name));
    snprintf(out->reason, sizeof out->reason, PL_STR_FMT, PL_STR_ARG(reason));
    return PL_OK;
}

static pl_rc switch_set(pl_api_request *q, pl_api_reply *r, bool stopped, pl_error *err)
{
    static const char *const keys[] = { "reason", "scope", "name", NULL };
    guard_run   *g;
    json_t      *body;
    pl_str       reason;
    pl_part_stop part;
    pl_rc        rc = ready(&g, err);

    if (rc == PL_OK)
        rc = pl_api_body(q, keys, &body, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "reason", true, &reason, err);
    if (rc == PL_OK && (json_object_get(body, "scope") || json_object_get(body, "name"))) {
        rc = part_read(body, reason, &part, err);
        return rc == PL_OK ? guard_part_set(g, q->services, q->db, stopped, &part, q->who, &r->body, err)
                           : rc;
    }
    if (rc == PL_OK)
        rc = guard_stop_set(g, q->services, q->db, stopped, reason, q->who, &r->body, err);
    return rc;
}

static pl_rc api_stop(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    return switch_set(q, r, true, err);
}

static pl_rc api_resume(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    return switch_set(q, r, false, err);
}

static pl_rc api_guard(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    guard_run *g;
    json_t    *policy = NULL, *stop = NULL, *parts = NULL;
    pl_rc      rc = ready(&g, err);

    if (rc == PL_OK)
        rc = guard_policy_json(g, q->services, &policy, err);
    if (rc == PL_OK)
        rc = guard_stop_signed_json(g, q->db, &stop, err);
    if (rc == PL_OK)
        rc = guard_parts_json(g, q->db, &parts, err);
    if (rc == PL_OK)
        r->body = json_pack("{s:O, s:O, s:O, s:i}", "stop", stop, "parts", parts, "policy", policy,
                            "workers", pl_gate_workers(g->gate));
    json_decref(policy);
    json_decref(stop);
    json_decref(parts);
    return rc;
}

static pl_rc api_policy(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    guard_run *g;
    pl_rc      rc = ready(&g, err);

    return rc == PL_OK ? guard_policy_json(g, q->services, &r->body, err) : rc;
}

static pl_rc api_activate(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    guard_run *g;
    pl_rc      rc = ready(&g, err);

    return rc == PL_OK ? guard_policy_activate(g, q->services, q->db, q->who, &r->body, err) : rc;
}

static pl_rc api_rollback(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    guard_run *g;
    pl_rc      rc = ready(&g, err);

    return rc == PL_OK ? guard_policy_rollback(g, q->services, q->db, q->who, &r->body, err) : rc;
}

#define DAY_MS    (24LL * 3600 * 1000)
#define SETTLE_MS 3000 /* rings are drained and logs are written in less */

static pl_rc query_time(pl_api_request *q, const char *name, int64_t *ms, pl_error *err)
{
    const char *s = q->query(q->host, name);

    if (!s || !*s)
        return PL_OK;
    if (pl_time_parse(pl_str_z(s), ms, NULL) != PL_OK || *ms < 0)
        return pl_fail(err, PL_INVALID, "query parameter '%s' is not a time like 2026-01-02T03:04:05Z",
                       name);
    return PL_OK;
}

static pl_rc api_audit(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    guard_audit_range range = { .to_ms = q->now_ms - SETTLE_MS };
    pl_rc             rc = query_time(q, "to", &range.to_ms, err);

    range.from_ms = range.to_ms - DAY_MS;
    if (rc == PL_OK)
        rc = query_time(q, "from", &range.from_ms, err);
    if (rc == PL_OK && range.from_ms >= range.to_ms)
        rc = pl_fail(err, PL_INVALID, "'from' is not before 'to'");
    return rc == PL_OK ? guard_audit(q->services, q->db, &range, &r->body, err) : rc;
}

const pl_route guard_routes[] = {
    { "GET", "/api/v1/overview", PL_ROLES_STAFF, api_overview },
    { "GET", "/api/v1/events", PL_ROLES_STAFF, api_events },
    { "GET", "/api/v1/receipts/{id}", PL_ROLES_ANY, api_receipt },
    { "GET", "/api/v1/guard", PL_ROLES_STAFF, api_guard },
    { "POST", "/api/v1/guard/stop", PL_ROLES_OPERATE, api_stop },
    { "POST", "/api/v1/guard/resume", PL_ROLES_OPERATE, api_resume },
    { "GET", "/api/v1/guard/subjects", PL_ROLES_STAFF, people_api_held },
    { "POST", "/api/v1/guard/subjects/find", PL_ROLES_STAFF, people_api_find },
    { "GET", "/api/v1/guard/subjects/{id}", PL_ROLES_STAFF, people_api_show },
    { "POST", "/api/v1/guard/subjects/{id}/lift", PL_ROLES_REVIEW, people_api_lift },
    { "POST", "/api/v1/guard/subjects/{id}/appeal", PL_ROLES_STAFF, people_api_appeal },
    { "GET", "/api/v1/guard/signals", PL_ROLES_STAFF, people_api_signals },
    { "POST", "/api/v1/guard/signals/{id}/close", PL_ROLES_REVIEW, people_api_close },
    { "GET", "/api/v1/reviews", PL_ROLES_CONTENT, review_api_list },
    { "GET", "/api/v1/reviews/stats", PL_ROLES_STAFF, review_api_stats },
    { "GET", "/api/v1/reviews/{id}", PL_ROLES_CONTENT, review_api_show },
    { "POST", "/api/v1/reviews/{id}/decisions", PL_ROLES_CONTENT, review_api_decide },
    { "GET", "/api/v1/guard/audit", PL_ROLES_STAFF, api_audit },
    { "GET", "/api/v1/policy", PL_ROLES_STAFF, api_policy },
    { "POST", "/api/v1/policy/activate", PL_ROLES_OPERATE, api_activate },
    { "GET", "/api/v1/policy/canary", PL_ROLES_STAFF, plan_api_canary },
    { "POST", "/api/v1/policy/canary", PL_ROLES_OPERATE, plan_api_canary_start },
    { "DELETE", "/api/v1/policy/canary", PL_ROLES_OPERATE, plan_api_canary_stop },
    { "GET", "/api/v1/policy/schedule", PL_ROLES_STAFF, plan_api_schedule },
    { "POST", "/api/v1/policy/schedule", PL_ROLES_OPERATE, plan_api_schedule_set },
    { "DELETE", "/api/v1/policy/schedule", PL_ROLES_OPERATE, plan_api_schedule_cancel },
    { "POST", "/api/v1/policy/rollback", PL_ROLES_OPERATE, api_rollback },
    { NULL, NULL, 0, NULL },
};
