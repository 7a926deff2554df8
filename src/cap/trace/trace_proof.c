/* From a text and the event that claims it to the signed head of the ledger.
 *
 * Every link is recomputed from bytes: text → commitment in the leaf → leaf in the batch
 * payload → root and digest in the signed statement → statement under the checkpoint.
 * Database rows say only where to look; nothing they claim is believed. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "cap/guard/pl_guard_store.h"
#include "cap/trace/trace_int.h"

#define PAYLOAD_MAX (256u << 20)

typedef struct proof {
    const trace_source *s;
    pl_arena           *a;
    trace_result       *r;
    pl_stored_event     event;
    pl_stored_batch     batch;
} proof;

/* A link that does not hold is a result, not an error. */
static pl_rc broken(proof *p, trace_proof state, const char *why)
{
    p->r->proof = state;
    p->r->problem = pl_str_z(why);
    return PL_OK;
}

static pl_rc parse_into(pl_arena *a, pl_str text, const char *where, json_t **out, pl_error *err)
{
    pl_rc rc = pl_json_parse(text, where, out, err);

    if (rc != PL_OK)
        return rc;
    return pl_arena_defer(a, (void (*)(void *))json_decref, *out);
}

static pl_str member(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    return json_is_string(v) ? (pl_str){ json_string_value(v), json_string_length(v) }
                             : (pl_str){ "", 0 };
}

static bool hex_is(pl_str hex, const uint8_t *bytes)
{
    uint8_t mine[32];

    return hex.n == 64 && pl_hex_decode(hex, mine, sizeof mine, NULL) == PL_OK &&
           memcmp(mine, bytes, sizeof mine) == 0;
}

/* --- text → event ---------------------------------------------------------------- */

static void describe(proof *p, const json_t *leaf)
{
    trace_result *r = p->r;
    pl_hash       h = pl_merkle_leaf(p->event.leaf);
    char         *hex = pl_arena_alloc(p->a, 65);

    r->service = member(leaf, "service");
    r->route = member(leaf, "route");
    r->time = member(leaf, "time");
    r->policy = member(leaf, "policy");
    if (hex) {
        pl_hex(h.b, sizeof h.b, hex);
        r->digest = pl_str_z(hex);
    }
}

/* Which choice of the event commits to the text, or -1. The index numbers only choices that
 * have text, so its count says little about the place in the event. */
static int64_t choice_of(const json_t *leaf, const pl_hash *commitment)
{
    const json_t *outputs = json_object_get(leaf, "outputs");

    for (size_t i = 0; i < json_array_size(outputs); i++)
        if (hex_is(member(json_array_get(outputs, i), "commitment"), commitment->b))
            return (int64_t)i;
    return -1;
}

/* Sets *holds; the event's own words go into the result either way. */
static pl_rc event_commits(proof *p, pl_str text, bool *holds, pl_error *err)
{
    json_t *leaf = NULL;
    pl_hash c;
    pl_rc   rc = parse_into(p->a, p->event.leaf, "event", &leaf, err);

    *holds = false;
    if (rc == PL_INVALID)
        return broken(p, PL_TRACE_FAILED, "the stored event is malformed");
    if (rc != PL_OK)
        return rc;
    describe(p, leaf);
    if (!p->event.has_salt)
        return broken(p, PL_TRACE_FAILED,
                      "the salt of this event was erased: its commitment cannot be opened any more");
    c = pl_commit(p->event.salt, text);
    p->r->choice = choice_of(leaf, &c);
    *holds = pl_str_eq(member(leaf, "id"), p->r->event_id) && p->r->choice >= 0;
    if (!*holds)
        return broken(p, PL_TRACE_FAILED, "the event does not commit to this text");
    return PL_OK;
}

/* --- event → batch --------------------------------------------------------------- */

static pl_hash root_of(const pl_str *leaves, size_t count)
{
    pl_merkle_range range;

    pl_merkle_range_init(&range);
    for (size_t i = 0; i < count; i++) {
        pl_hash h = pl_merkle_leaf(leaves[i]);
        pl_merkle_range_append(&range, &h);
    }
    return pl_merkle_range_root(&range);
}

/* Reads the payload the statement names and finds the leaf in it. */
static pl_rc batch_holds(proof *p, const json_t *predicate, bool *holds, pl_error *err)
{
    char   *dir = pl_instance_path(p->s->instance, "ledger"), *payload = NULL;
    uint8_t digest[32];
    size_t  n = 0, count = 0;
    pl_str *leaves = NULL;
    pl_hash root;
    pl_rc   rc = dir ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    *holds = false;
    if (rc == PL_OK && pl_hex_decode(member(predicate, "payload_sha256"), digest, 32, NULL) != PL_OK)
        rc = broken(p, PL_TRACE_FAILED, "the batch statement names no payload");
    else if (rc == PL_OK)
        rc = pl_ledger_payload_get(dir, digest, PAYLOAD_MAX, &payload, &n, err);
    free(dir);
    if (rc == PL_NOTFOUND || rc == PL_INVALID)
        return broken(p, PL_TRACE_FAILED, "the payload of the batch is missing or damaged");
    if (rc != PL_OK || !payload)
        return rc;
    rc = pl_arena_defer(p->a, free, payload);
    if (rc == PL_OK)
        rc = pl_guard_payload_leaves(p->a, (pl_str){ payload, n }, &leaves, &count, err);
    if (rc != PL_OK)
        return rc == PL_INVALID
                   ? broken(p, PL_TRACE_FAILED, "the payload of the batch is malformed")
                   : rc;

    root = root_of(leaves, count);
    p->r->batch_count = count;
    p->r->batch_position = (uint64_t)p->event.position;
    if (p->r->batch_position >= count ||
        !pl_str_eq(leaves[p->r->batch_position], p->event.leaf))
        return broken(p, PL_TRACE_FAILED, "the event is not in its batch");
    if (!hex_is(member(predicate, "root"), root.b) ||
        json_integer_value(json_object_get(predicate, "count")) != (json_int_t)count)
        return broken(p, PL_TRACE_FAILED, "the batch statement signs another set of events");
    *holds = true;
    return PL_OK;
}

/* --- batch → checkpoint ---------------------------------------------------------- */

/* Opens the signed statement at the batch's index. *predicate stays NULL when a link broke. */
static pl_rc statement_open(proof *p, pl_str entry, const json_t **predicate, pl_error *err)
{
    json_t *statement = NULL;
    pl_dsse dsse = { 0 };
    pl_rc   rc = pl_dsse_open(entry, &p->s->vkey, 1, &dsse, err);

    if (rc == PL_INVALID)
        return broken(p, PL_TRACE_FAILED, "the batch statement is not signed by this ledger's key");
    if (rc != PL_OK)
        return rc;
    rc = parse_into(p->a, (pl_str){ dsse.payload, dsse.payload_n }, "statement", &statement, err);
    pl_dsse_done(&dsse);
    if (rc != PL_OK && rc != PL_INVALID)
        return rc;
    if (rc == PL_INVALID || !pl_str_eqz(member(statement, "predicateType"), PL_PREDICATE("guard-event-batch")))
        return broken(p, PL_TRACE_FAILED, "the ledger entry is no batch of events");
    *predicate = json_object_get(statement, "predicate");
    return PL_OK;
}

static pl_rc head_open(proof *p, pl_checkpoint *head, pl_error *err)
{
    char  *note = NULL, *hex;
    size_t n = 0;
    pl_rc  rc = pl_ledger_checkpoint(p->s->ledger, &note, &n, err);

    if (rc != PL_OK)
        return rc;
    rc = pl_checkpoint_open((pl_str){ note, n }, &p->s->vkey, head, err);
    free(note);
    hex = rc == PL_OK ? pl_arena_alloc(p->a, 65) : NULL;
    if (rc == PL_OK && !hex)
        return pl_fail(err, PL_LIMIT, "result is too large");
    if (rc != PL_OK)
        return rc;
    pl_hex(head->root.b, sizeof head->root.b, hex);
    p->r->root = pl_str_z(hex);
    p->r->tree_size = head->size;
    return PL_OK;
}

static pl_rc included(proof *p, const pl_checkpoint *head, pl_str entry, bool *holds, pl_error *err)
{
    pl_proof path;
    uint64_t index = (uint64_t)p->r->ledger_index;
    pl_hash  leaf = pl_merkle_leaf(entry);
    pl_rc    rc = pl_ledger_inclusion(p->s->ledger, index, head->size, &path, err);

    *holds = false;
    if (rc == PL_OK)
        rc = pl_merkle_inclusion_verify(index, head->size, &leaf, &path, &head->root, err);
    if (rc == PL_INVALID)
        return broken(p, PL_TRACE_FAILED, "the inclusion proof does not lead to the checkpoint");
    *holds = rc == PL_OK;
    return rc;
}

static pl_rc ledger_holds(proof *p, pl_error *err)
{
    pl_checkpoint head;
    const json_t *predicate = NULL;
    char         *bytes = NULL;
    size_t        n = 0;
    bool          holds = false;
    pl_rc         rc = head_open(p, &head, err);

    if (rc == PL_INVALID)
        return broken(p, PL_TRACE_FAILED, "the checkpoint is not signed by this ledger's key");
    if (rc != PL_OK)
        return rc;
    if ((uint64_t)p->r->ledger_index >= head.size)
        return broken(p, PL_TRACE_PENDING, "not under a checkpoint yet: try again in two seconds");

    rc = pl_ledger_entry(p->s->ledger, (uint64_t)p->r->ledger_index, &bytes, &n, err);
    if (rc == PL_OK)
        rc = pl_arena_defer(p->a, free, bytes);
    if (rc == PL_OK)
        rc = statement_open(p, (pl_str){ bytes, n }, &predicate, err);
    if (rc == PL_OK && predicate)
        rc = batch_holds(p, predicate, &holds, err);
    if (rc == PL_OK && holds)
        rc = included(p, &head, (pl_str){ bytes, n }, &holds, err);
    if (rc == PL_OK && holds)
        p->r->proof = PL_TRACE_VERIFIED;
    return rc;
}

pl_rc pl_trace_prove(const trace_source *s, pl_arena *a, pl_str text, const trace_hit *hit,
                     trace_result *r, pl_error *err)
{
    proof p = { .s = s, .a = a, .r = r };
    bool  holds = false;
    pl_rc rc;

    *r = (trace_result){ .found = true, .proof = PL_TRACE_FAILED, .event_id = hit->event_id,
                         .choice = -1, .ledger_index = -1 };
    rc = pl_guard_event_find(s->db, a, hit->event_id, &p.event, err);
    if (rc == PL_NOTFOUND)
        return broken(&p, PL_TRACE_FAILED, "the event was erased");
    if (rc == PL_OK)
        rc = event_commits(&p, text, &holds, err);
    if (rc != PL_OK || !holds)
        return rc;

    rc = pl_guard_batch_find(s->db, a, p.event.batch, &p.batch, err);
    if (rc == PL_NOTFOUND)
        return broken(&p, PL_TRACE_FAILED, "the batch of the event is missing");
    if (rc != PL_OK)
        return rc;
    if (p.batch.ledger_index < 0)
        return broken(&p, PL_TRACE_PENDING, "not in the ledger yet: try again in two seconds");
    r->ledger_index = p.batch.ledger_index;
    return ledger_holds(&p, err);
}
