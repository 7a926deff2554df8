/* GET /api/v1/ledger, /api/v1/ledger/entries/{index}, /api/v1/ledger/schemas[/{kind}]. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/capability.h"
#include "cap/ledger/evidence_int.h"
#include "cap/ledger/ledger_query.h"
#include "cap/ledger/ledger_witness.h"

static pl_rc key_of(const pl_services *s, pl_vkey *key, char *text, size_t cap, pl_error *err)
{
    pl_rc rc = pl_signer_vkey(s->signer, text, cap, err);

    return rc == PL_OK ? pl_vkey_parse(pl_str_z(text), key, err) : rc;
}

static pl_rc reply(pl_api_reply *r, json_t *body, pl_error *err)
{
    if (body == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    r->body = body;
    return PL_OK;
}

/* Who cosigns, and whether the log may still be written. */
static int witnesses_put(const pl_services *s, json_t *body)
{
    json_t *w = pl_witness_desk_json(s->witnesses, s->instance);
    char    reason[200];
    int     failed = w == NULL || json_object_update(body, w) != 0;

    json_decref(w);
    pl_ledger_frozen(s->ledger, reason);
    return failed | json_object_set_new(body, "frozen",
                                        reason[0] ? json_string(reason) : json_null());
}

static pl_rc ledger_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    const pl_ledger *l = q->services->ledger;
    pl_checkpoint    head;
    char             vkey[512], *note = NULL;
    pl_vkey          key;
    json_t          *body;
    pl_rc            rc = key_of(q->services, &key, vkey, sizeof(vkey), err);

    if (rc == PL_OK)
        rc = pl_ledger_head_note(l, &key, &head, &note, err);
    if (rc != PL_OK)
        return rc;
    body = json_pack("{s:s, s:s, s:I, s:o, s:s, s:I, s:I}", "origin", head.origin, "vkey", vkey,
                     "size", (json_int_t)head.size, "root", pl_hash_json(&head.root), "checkpoint",
                     note, "appended", (json_int_t)pl_ledger_size(l), "quarantined",
                     (json_int_t)pl_ledger_quarantined(pl_ledger_dir(l)));
    free(note);
    if (body != NULL && witnesses_put(q->services, body) != 0) {
        json_decref(body);
        body = NULL;
    }
    return reply(r, body, err);
}

/* The statement inside, for people to read; what counts are the bytes of the entry. */
static json_t *statement_of(pl_str entry, const pl_vkey *key)
{
    pl_dsse d;
    json_t *j = NULL;

    if (pl_dsse_open(entry, key, 1, &d, NULL) != PL_OK)
        return json_null();
    if (pl_json_parse((pl_str){ d.payload, d.payload_n }, "statement", &j, NULL) != PL_OK ||
        !json_is_object(j)) {
        json_decref(j);
        j = json_null();
    }
    pl_dsse_done(&d);
    return j;
}

static json_t *entry_json(uint64_t index, pl_str entry, const pl_checkpoint *head,
                          const pl_proof *p, const char *note, const pl_vkey *key)
{
    pl_buf  b = PL_BUF_INIT(2 * PL_LOG_ENTRY_MAX);
    pl_hash leaf = pl_merkle_leaf(entry);
    json_t *j;

    pl_buf_base64(&b, entry.p, entry.n);
    j = json_pack("{s:I, s:o, s:s, s:o, s:{s:I, s:o, s:o}, s:s}", "index", (json_int_t)index,
                  "leaf", pl_hash_json(&leaf), "entry", b.p, "statement", statement_of(entry, key),
                  "proof", "size", (json_int_t)head->size, "root", pl_hash_json(&head->root),
                  "hashes", pl_proof_json(p), "checkpoint", note);
    pl_buf_done(&b);
    return j;
}

static pl_rc entry_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    const pl_ledger *l = q->services->ledger;
    pl_checkpoint    head;
    pl_proof         p;
    char             vkey[512], *note = NULL, *entry = NULL;
    size_t           n = 0;
    uint64_t         index = 0;
    pl_vkey          key;
    pl_rc            rc = pl_str_u64(q->param[0], &index, err);

    if (rc == PL_OK)
        rc = key_of(q->services, &key, vkey, sizeof(vkey), err);
    if (rc == PL_OK)
        rc = pl_ledger_head_note(l, &key, &head, &note, err);
    if (rc == PL_OK)
        rc = pl_ledger_inclusion(l, index, head.size, &p, err);
    if (rc == PL_OK)
        rc = pl_ledger_entry(l, index, &entry, &n, err);
    if (rc == PL_OK)
        rc = reply(r, entry_json(index, (pl_str){ entry, n }, &head, &p, note, &key), err);
    free(entry);
    free(note);
    return rc;
}

/* Schemas are for everybody: who is handed a statement must be able to read it. */
static pl_rc schemas_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    (void)q;
    return reply(r, json_pack("{s:o}", "kinds", pl_ledger_schema_kinds()), err);
}

static pl_rc schema_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    json_t *schema = NULL;
    pl_rc   rc = pl_ledger_schema_load(q->param[0], &schema, err);

    return rc == PL_OK ? reply(r, schema, err) : rc;
}

static pl_rc export_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    const pl_services *s = q->services;
    json_t            *predicate = NULL;
    uint64_t           index = 0;
    pl_rc              rc = pl_api_body(q, evidence_custody_keys, &predicate, err);

    if (rc == PL_OK)
        rc = evidence_custody_record(s->ledger, s->signer, s->instance->service, predicate,
                                     q->who->id, q->now_ms, &index, err);
    return rc == PL_OK ? reply(r, json_pack("{s:I}", "ledger_index", (json_int_t)index), err) : rc;
}

static pl_rc record_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const keys[] = { "entry", NULL };
    const pl_services       *s = q->services;
    json_t                  *j = NULL;
    int64_t                  entry = 0;
    uint64_t                 index = 0;
    pl_rc                    rc = pl_api_body(q, keys, &j, err);

    if (rc == PL_OK)
        rc = pl_json_get_int(j, "entry", true, &entry, err);
    if (rc == PL_OK && entry < 0)
        rc = pl_fail(err, PL_INVALID, "'entry' is negative");
    if (rc == PL_OK)
        rc = evidence_record_enter(s->ledger, s->signer, s->instance->service, (uint64_t)entry,
                                   &index, err);
    return rc == PL_OK ? reply(r, json_pack("{s:I}", "ledger_index", (json_int_t)index), err) : rc;
}

const pl_route pl_ledger_routes[] = {
    { "GET", "/api/v1/ledger", PL_ROLES_STAFF, ledger_get },
    { "GET", "/api/v1/ledger/entries", PL_ROLES_STAFF, pl_ledger_api_entries },
    { "GET", "/api/v1/ledger/entries/{index}", PL_ROLES_STAFF, entry_get },
    { "GET", "/api/v1/ledger/schemas", PL_ROLES_ANY, schemas_get },
    { "GET", "/api/v1/ledger/schemas/{kind}", PL_ROLES_ANY, schema_get },
    { "POST", "/api/v1/ledger/exports", PL_ROLES_OPERATE, export_post },
    { "POST", "/api/v1/ledger/records", PL_ROLES_OPERATE, record_post },
    { NULL, NULL, 0, NULL },
};
