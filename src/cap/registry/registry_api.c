/* HTTP routes: records, workflows, peers; and the table of all. */
#include "base/banned.h"

#include "cap/registry/registry_routes.h"


/* Who may see filings that are not published: everybody who works on them. */
#define ROLES_READ  PL_ROLES_STAFF
#define ROLES_WRITE PL_ROLES_STAFF

pl_rc registry_reply(pl_api_reply *r, int status, json_t *body, pl_error *err)
{
    if (body == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    r->status = status;
    r->body = body;
    return PL_OK;
}

pl_str registry_query(pl_api_request *q, const char *name)
{
    return pl_str_z(q->query(q->host, name));
}

/* --- records ---------------------------------------------------------------------------------- */

static pl_rc kinds_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    registry_ctx c;
    json_t      *list = json_array();
    pl_rc        rc = registry_ctx_of(q, &c, err);

    for (size_t i = 0; rc == PL_OK && i < c.packs->kind_count; i++)
        (void)json_array_append_new(list, json_pack("{s:s, s:O}", "pack", c.packs->kind_pack[i], "form",
                                                    pl_form_tree(c.packs->kinds[i])));
    if (rc == PL_OK)
        return registry_reply(r, 200, json_pack("{s:o}", "kinds", list), err);
    json_decref(list);
    return rc;
}

typedef struct listing {
    json_t *list;
    bool    with_data;
} listing;

static pl_rc record_add(void *ctx, const registry_record *rec, pl_error *err)
{
    listing *l = ctx;
    json_t  *o = registry_record_json(rec), *data = NULL;
    pl_rc    rc = o == NULL ? pl_fail(err, PL_NOMEM, "out of memory") : PL_OK;

    if (rc == PL_OK && l->with_data && (rc = registry_json(rec->data, &data, err)) == PL_OK)
        (void)json_object_set_new(o, "data", data);
    if (rc != PL_OK) {
        json_decref(o);
        return rc;
    }
    return json_array_append_new(l->list, o) == 0 ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

static pl_rc records_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    json_t       *list = json_array();
    listing       l = { .list = list, .with_data = pl_str_eqz(registry_query(q, "data"), "true") };
    const json_t *last;
    int64_t       limit = 0;
    pl_rc         rc = pl_api_query_int(q, "limit", REGISTRY_PAGE_MAX, 1, REGISTRY_LIST_MAX, &limit, err);

    if (rc == PL_OK)
        rc = record_store_each(q->db, q->arena, registry_query(q, "kind"), registry_query(q, "before"), limit, record_add,
                               &l, err);
    if (rc != PL_OK) {
        json_decref(list);
        return rc;
    }
    last = (int64_t)json_array_size(list) == limit ? json_array_get(list, (size_t)limit - 1) : NULL;
    return registry_reply(r, 200, json_pack("{s:o, s:O?}", "records", list, "next", json_object_get(last, "id")), err);
}

static pl_rc records_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const keys[] = { "kind", "data", "note", NULL };
    registry_record_change   k = { .version = 0 };
    registry_ctx             c;
    json_t                  *body = NULL, *out = NULL;
    pl_rc                    rc = pl_api_body(q, keys, &body, err);

    if (rc == PL_OK)
        rc = registry_ctx_of(q, &c, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "kind", true, &k.kind, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "note", false, &k.note, err);
    k.data = json_object_get(body, "data");
    if (rc == PL_OK)
        rc = registry_record_put(&c, &k, &out, err);
    return rc == PL_OK ? registry_reply(r, 201, out, err) : rc;
}

static pl_rc records_import(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const keys[] = { "items", "note", NULL };
    registry_ctx             c;
    json_t                  *body = NULL, *ids = json_array();
    pl_str                   note = PL_STR("");
    pl_rc                    rc = pl_api_body(q, keys, &body, err);

    if (rc == PL_OK)
        rc = registry_ctx_of(q, &c, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "note", false, &note, err);
    if (rc == PL_OK)
        rc = registry_records_put(&c, json_object_get(body, "items"), note, ids, err);
    if (rc == PL_OK)
        return registry_reply(r, 201, json_pack("{s:o}", "ids", ids), err);
    json_decref(ids);
    return rc;
}

static pl_rc record_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    json_t *out = NULL, *related = json_array(), *by = json_array(), *files = NULL;
    int64_t version = 0;
    pl_rc   rc = pl_api_query_int(q, "version", 0, 0, INT32_MAX, &version, err);

    if (rc == PL_OK)
        rc = pl_registry_record(q->db, q->arena, q->param[0], version, &out, err);
    if (rc == PL_OK)
        rc = record_store_related(q->db, q->param[0], false, related, err);
    if (rc == PL_OK)
        rc = record_store_related(q->db, q->param[0], true, by, err);
    if (rc == PL_OK)
        rc = registry_files_json(q->db, q->arena, q->param[0], &files, err);
    if (rc != PL_OK) {
        json_decref(out);
        json_decref(related);
        json_decref(by);
        return rc;
    }
    (void)json_object_set_new(out, "related", related);
    (void)json_object_set_new(out, "related_by", by);
    (void)json_object_set_new(out, "files", files);
    return registry_reply(r, 200, out, err);
}

static pl_rc version_add(void *ctx, const registry_version *v, pl_error *err)
{
    json_t *data = NULL;
    pl_rc   rc = registry_json(v->data, &data, err);

    if (rc == PL_OK)
        rc = json_array_append_new(ctx, json_pack("{s:I, s:s%, s:s%, s:s%, s:I, s:o, s:o}", "version",
                                                  (json_int_t)v->version, "title", v->title.p, v->title.n,
                                                  "note", v->note.p, v->note.n, "by", v->by_id.p, v->by_id.n,
                                                  "ledger_index", (json_int_t)v->ledger_index, "time",
                                                  registry_time(v->time_ms), "data", data)) == 0
                 ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
    return rc;
}

static pl_rc versions_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    json_t         *list = json_array();
    registry_record rec;
    pl_rc           rc = record_store_find(q->db, q->arena, q->param[0], &rec, err);

    if (rc == PL_OK)
        rc = record_store_versions(q->db, q->arena, q->param[0], version_add, list, err);
    if (rc == PL_OK)
        return registry_reply(r, 200, json_pack("{s:o}", "versions", list), err);
    json_decref(list);
    return rc;
}

/* Owners change their records; the administrator changes any. */
static pl_rc owner_check(registry_ctx *c, pl_str id, pl_error *err)
{
    registry_record rec;
    pl_rc           rc = record_store_find(c->db, c->a, id, &rec, err);

    if (rc == PL_OK && !registry_has_role(c, PL_ROLE_ADMIN | PL_ROLE_PROVIDER) &&
        !pl_str_eqz(rec.owner, c->who->id))
        rc = pl_fail(err, PL_DENIED, "only its owner and providers change a record");
    return rc;
}

static pl_rc record_put(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const keys[] = { "version", "data", "note", "retire", NULL };
    registry_record_change   k = { .id = q->param[0] };
    registry_ctx             c;
    json_t                  *body = NULL, *out = NULL;
    pl_rc                    rc = pl_api_body(q, keys, &body, err);

    if (rc == PL_OK)
        rc = registry_ctx_of(q, &c, err);
    if (rc == PL_OK)
        rc = pl_json_get_int(body, "version", true, &k.version, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "note", false, &k.note, err);
    if (rc == PL_OK)
        rc = pl_json_get_bool(body, "retire", false, &k.retires, err);
    k.data = json_object_get(body, "data");
    if (rc == PL_OK)
        rc = owner_check(&c, k.id, err);
    if (rc == PL_OK)
        rc = registry_record_put(&c, &k, &out, err);
    return rc == PL_OK ? registry_reply(r, 200, out, err) : rc;
}

/* --- workflows --------------------------------------------------------------------------------- */

static json_t *flow_json(const registry_flow *f)
{
    json_t *forms = json_array();

    for (size_t i = 0; i < pl_names_count(f->w->forms); i++)
        (void)json_array_append(forms, (json_t *)(uintptr_t)pl_form_tree(f->forms[i]));
    return json_pack("{s:s, s:s, s:O, s:o}", "pack", f->pack, "legal_weight", f->weight, "workflow",
                     f->w->tree, "forms", forms);
}

static pl_rc workflows_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    registry_ctx c;
    json_t      *list = json_array();
    pl_rc        rc = registry_ctx_of(q, &c, err);

    for (size_t i = 0; rc == PL_OK && i < c.packs->flow_count; i++) {
        const registry_flow *f = &c.packs->flows[i];

        (void)json_array_append_new(
            list, json_pack("{s:s%, s:s, s:s, s:s%, s:s%, s:s%}", "id", f->w->id.p, f->w->id.n, "pack",
                            f->pack, "legal_weight", f->weight, "jurisdiction", f->w->jurisdiction.p,
                            f->w->jurisdiction.n, "zh", f->w->zh.p, f->w->zh.n, "en", f->w->en.p,
                            f->w->en.n));
    }
    if (rc == PL_OK)
        return registry_reply(r, 200, json_pack("{s:o, s:O}", "workflows", list, "problems", c.packs->problems), err);
    json_decref(list);
    return rc;
}

static pl_rc workflow_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    registry_ctx         c;
    const registry_flow *f = NULL;
    pl_rc                rc = registry_ctx_of(q, &c, err);

    if (rc == PL_OK && (f = registry_flow_find(c.packs, q->param[0], registry_query(q, "pack"))) == NULL)
        rc = pl_fail(err, PL_NOTFOUND, "there is no workflow '%.60s'", q->param[0].p);
    return rc == PL_OK ? registry_reply(r, 200, flow_json(f), err) : rc;
}

/* --- attachments of records ---------------------------------------------------------------------- */

static pl_rc file_write(registry_ctx *c, pl_str id, const registry_file *file, pl_error *err)
{
    pl_rc rc = pl_db_begin(c->db, err);

    return rc == PL_OK ? registry_finish(c->db, file_store_add(c->db, id, file, err), err) : rc;
}

/* A document about a record: data sheets, licences, proofs. The slot is a word of the caller. */
static pl_rc record_file_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const keys[] = { "slot", "name", "content", "sha256", NULL };
    registry_ctx             c;
    registry_file            file;
    json_t                  *body = NULL, *files = NULL;
    pl_str                   slot = PL_STR("");
    pl_rc                    rc = pl_api_body(q, keys, &body, err);

    if (rc == PL_OK)
        rc = registry_ctx_of(q, &c, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "slot", true, &slot, err);
    if (rc == PL_OK && (slot.n == 0 || slot.n > 48))
        rc = pl_fail(err, PL_INVALID, "'slot' is a word of at most 48 bytes");
    if (rc == PL_OK)
        rc = owner_check(&c, q->param[0], err);
    if (rc == PL_OK)
        rc = registry_files_json(q->db, q->arena, q->param[0], &files, err);
    if (rc == PL_OK && json_array_size(files) >= REGISTRY_FILES_MAX)
        rc = pl_fail(err, PL_LIMIT, "a record has at most %d attachments", REGISTRY_FILES_MAX);
    json_decref(files);
    if (rc == PL_OK)
        rc = registry_file_take(&c, body, REGISTRY_FILE_MAX, &file, err);
    if (rc != PL_OK)
        return rc;
    file.slot = slot;
    rc = file_write(&c, q->param[0], &file, err);
    return rc == PL_OK ? registry_reply(r, 201, json_pack("{s:s%, s:I}", "sha256", file.sha256.p, file.sha256.n, "size",
                                                          (json_int_t)file.size), err) : rc;
}

const pl_route registry_routes[] = {
    { "GET", "/api/v1/registry/kinds", PL_ROLES_ANY, kinds_get },
    { "GET", "/api/v1/registry/records", ROLES_READ, records_get },
    { "POST", "/api/v1/registry/records", ROLES_WRITE, records_post },
    { "POST", "/api/v1/registry/import", ROLES_WRITE, records_import },
    { "GET", "/api/v1/registry/records/{id}", ROLES_READ, record_get },
    { "PUT", "/api/v1/registry/records/{id}", ROLES_WRITE, record_put },
    { "GET", "/api/v1/registry/records/{id}/versions", ROLES_READ, versions_get },
    { "POST", "/api/v1/registry/records/{id}/files", ROLES_WRITE, record_file_post },
    { "GET", "/api/v1/registry/records/{id}/files/{slot}/{sha256}", ROLES_READ, registry_filing_file_get },
    { "GET", "/api/v1/registry/workflows", PL_ROLES_ANY, workflows_get },
    { "GET", "/api/v1/registry/workflows/{id}", PL_ROLES_ANY, workflow_get },
    { "GET", "/api/v1/registry/peers", ROLES_READ, registry_peers_get },
    { "POST", "/api/v1/registry/peers", PL_ROLES_ADMIN, registry_peers_post },
    { "GET", "/api/v1/registry/packages/{sha256}", ROLES_READ, registry_package_get },
    { "GET", "/api/v1/filings", ROLES_READ, registry_filings_get },
    { "POST", "/api/v1/filings", ROLES_WRITE, registry_filings_post },
    { "GET", "/api/v1/filings/due", ROLES_READ, registry_due_get },
    { "GET", "/api/v1/filings/statistics", ROLES_READ, registry_filings_statistics },
    { "POST", "/api/v1/filings/import", ROLES_WRITE, registry_import_post },
    { "POST", "/api/v1/filings/lists", (unsigned)PL_ROLE_REGULATOR | PL_ROLE_ADMIN, registry_list_post },
    { "GET", "/api/v1/filings/{id}", ROLES_READ, registry_filing_get },
    { "PUT", "/api/v1/filings/{id}", ROLES_WRITE, registry_filing_put },
    { "GET", "/api/v1/filings/{id}/check", ROLES_READ, registry_filing_check_get },
    { "GET", "/api/v1/filings/{id}/drift", ROLES_READ, registry_drift_get },
    { "POST", "/api/v1/filings/{id}/drift", ROLES_WRITE, registry_drift_post },
    { "POST", "/api/v1/filings/{id}/steps/{step}", ROLES_WRITE, registry_filing_step_post },
    { "POST", "/api/v1/filings/{id}/votes", ROLES_WRITE, registry_filing_vote_post },
    { "POST", "/api/v1/filings/{id}/files", ROLES_WRITE, registry_filing_file_post },
    { "GET", "/api/v1/filings/{id}/files/{slot}/{sha256}", ROLES_READ, registry_filing_file_get },
    { "DELETE", "/api/v1/filings/{id}/files/{slot}/{sha256}", ROLES_WRITE, registry_filing_file_delete },
    { "POST", "/api/v1/filings/{id}/export", ROLES_WRITE, registry_export_post },
    { "GET", "/api/v1/public/register", PL_ROLES_ANY, registry_public_get },
    { "GET", "/api/v1/public/register/statistics", PL_ROLES_ANY, registry_public_statistics },
    { "GET", "/api/v1/public/register/{id}", PL_ROLES_ANY, registry_public_one },
    { NULL, NULL, 0, NULL },
};
