/* HTTP routes: records, filings, the public register. */
#include "base/banned.h"

#include "cap/registry/registry_int.h"

#define PAGE_MAX 100

/* Who may see filings that are not published: everybody who works on them. */
#define ROLES_READ  PL_ROLES_STAFF
#define ROLES_WRITE PL_ROLES_STAFF

static pl_rc reply(pl_api_reply *r, int status, json_t *body, pl_error *err)
{
    if (body == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    r->status = status;
    r->body = body;
    return PL_OK;
}

static pl_str query_of(pl_api_request *q, const char *name)
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
        return reply(r, 200, json_pack("{s:o}", "kinds", list), err);
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
    listing       l = { .list = list, .with_data = pl_str_eqz(query_of(q, "data"), "true") };
    const json_t *last;
    int64_t       limit = 0;
    pl_rc         rc = pl_api_query_int(q, "limit", PAGE_MAX, 1, REGISTRY_LIST_MAX, &limit, err);

    if (rc == PL_OK)
        rc = record_store_each(q->db, q->arena, query_of(q, "kind"), query_of(q, "before"), limit, record_add,
                               &l, err);
    if (rc != PL_OK) {
        json_decref(list);
        return rc;
    }
    last = (int64_t)json_array_size(list) == limit ? json_array_get(list, (size_t)limit - 1) : NULL;
    return reply(r, 200, json_pack("{s:o, s:O?}", "records", list, "next", json_object_get(last, "id")), err);
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
    return rc == PL_OK ? reply(r, 201, out, err) : rc;
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
        return reply(r, 201, json_pack("{s:o}", "ids", ids), err);
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
    return reply(r, 200, out, err);
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
        return reply(r, 200, json_pack("{s:o}", "versions", list), err);
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
    return rc == PL_OK ? reply(r, 200, out, err) : rc;
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
        return reply(r, 200, json_pack("{s:o, s:O}", "workflows", list, "problems", c.packs->problems), err);
    json_decref(list);
    return rc;
}

static pl_rc workflow_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    registry_ctx         c;
    const registry_flow *f = NULL;
    pl_rc                rc = registry_ctx_of(q, &c, err);

    if (rc == PL_OK && (f = registry_flow_find(c.packs, q->param[0], query_of(q, "pack"))) == NULL)
        rc = pl_fail(err, PL_NOTFOUND, "there is no workflow '%.60s'", q->param[0].p);
    return rc == PL_OK ? reply(r, 200, flow_json(f), err) : rc;
}

/* --- filings ------------------------------------------------------------------------------------ */

static pl_rc filing_reply(pl_api_request *q, int status, pl_str id, pl_api_reply *r, pl_error *err)
{
    json_t *out = NULL;
    pl_rc   rc = pl_registry_filing(q->db, q->arena, id, &out, err);

    return rc == PL_OK ? reply(r, status, out, err) : rc;
}

static pl_rc search_of(pl_api_request *q, bool is_public, registry_search *s, pl_error *err)
{
    *s = (registry_search){ .query = query_of(q, "q"), .region = query_of(q, "region"),
                            .role = query_of(q, "role"), .type = query_of(q, "type"),
                            .month = query_of(q, "month"), .workflow = query_of(q, "workflow"),
                            .state = query_of(q, "state"), .is_public = is_public };
    pl_rc rc = pl_api_query_int(q, "limit", 20, 1, PAGE_MAX, &s->limit, err);

    return rc == PL_OK ? pl_api_query_int(q, "before", 0, 0, INT64_MAX / 2, &s->before, err) : rc;
}

static pl_rc run_search(pl_api_request *q, pl_api_reply *r, bool is_public,
                        pl_rc (*fn)(registry_ctx *c, const registry_search *s, json_t **out, pl_error *err),
                        pl_error *err)
{
    registry_ctx    c;
    registry_search s;
    json_t         *out = NULL;
    pl_rc           rc = registry_ctx_of(q, &c, err);

    if (rc == PL_OK)
        rc = search_of(q, is_public, &s, err);
    if (rc == PL_OK)
        rc = fn(&c, &s, &out, err);
    return rc == PL_OK ? reply(r, 200, out, err) : rc;
}

static pl_rc filings_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    return run_search(q, r, false, registry_search_run, err);
}

static pl_rc filings_statistics(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    return run_search(q, r, false, registry_statistics, err);
}

static pl_rc filings_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const keys[] = { "workflow", "subject", "values", NULL };
    registry_ctx             c;
    json_t                  *body = NULL;
    pl_str                   workflow = PL_STR(""), subject = PL_STR("");
    char                     id[PL_ID_LEN + 1];
    pl_rc                    rc = pl_api_body(q, keys, &body, err);

    if (rc == PL_OK)
        rc = registry_ctx_of(q, &c, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "workflow", true, &workflow, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "subject", false, &subject, err);
    if (rc == PL_OK && json_object_get(body, "values") == NULL)
        (void)json_object_set_new(body, "values", json_object());
    if (rc == PL_OK)
        rc = filing_make(&c, workflow, subject, json_object_get(body, "values"), id, err);
    return rc == PL_OK ? filing_reply(q, 201, pl_str_z(id), r, err) : rc;
}

static pl_rc filing_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    return filing_reply(q, 200, q->param[0], r, err);
}

static pl_rc filing_put(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const keys[] = { "version", "values", NULL };
    registry_ctx             c;
    json_t                  *body = NULL;
    int64_t                  version = 0;
    pl_rc                    rc = pl_api_body(q, keys, &body, err);

    if (rc == PL_OK)
        rc = registry_ctx_of(q, &c, err);
    if (rc == PL_OK)
        rc = pl_json_get_int(body, "version", true, &version, err);
    if (rc == PL_OK)
        rc = filing_edit(&c, q->param[0], version, json_object_get(body, "values"), err);
    return rc == PL_OK ? filing_reply(q, 200, q->param[0], r, err) : rc;
}

static pl_rc filing_check_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    registry_ctx c;
    json_t      *out = NULL;
    pl_rc        rc = registry_ctx_of(q, &c, err);

    if (rc == PL_OK)
        rc = filing_check(&c, q->param[0], &out, err);
    return rc == PL_OK ? reply(r, 200, out, err) : rc;
}

static pl_rc filing_step_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const keys[] = { "version", "note", "number", NULL };
    filing_step_ask          ask = { .step = q->param[1], .note = PL_STR(""), .number = PL_STR("") };
    registry_ctx             c;
    json_t                  *body = NULL;
    pl_rc                    rc = pl_api_body(q, keys, &body, err);

    if (rc == PL_OK)
        rc = registry_ctx_of(q, &c, err);
    if (rc == PL_OK)
        rc = pl_json_get_int(body, "version", true, &ask.version, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "note", false, &ask.note, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "number", false, &ask.number, err);
    if (rc == PL_OK)
        rc = filing_step(&c, q->param[0], &ask, err);
    return rc == PL_OK ? filing_reply(q, 200, q->param[0], r, err) : rc;
}

static pl_rc filing_vote_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const keys[] = { "vote", "note", NULL };
    registry_ctx             c;
    json_t                  *body = NULL;
    pl_str                   vote = PL_STR(""), note = PL_STR("");
    pl_rc                    rc = pl_api_body(q, keys, &body, err);

    if (rc == PL_OK)
        rc = registry_ctx_of(q, &c, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "vote", true, &vote, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "note", false, &note, err);
    if (rc == PL_OK)
        rc = filing_vote(&c, q->param[0], vote, note, err);
    return rc == PL_OK ? filing_reply(q, 200, q->param[0], r, err) : rc;
}

static pl_rc filing_file_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const keys[] = { "version", "slot", "name", "content", "sha256", NULL };
    registry_ctx             c;
    json_t                  *body = NULL;
    pl_str                   slot = PL_STR("");
    int64_t                  version = 0;
    pl_rc                    rc = pl_api_body(q, keys, &body, err);

    if (rc == PL_OK)
        rc = registry_ctx_of(q, &c, err);
    if (rc == PL_OK)
        rc = pl_json_get_int(body, "version", true, &version, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "slot", true, &slot, err);
    if (rc == PL_OK)
        rc = filing_attach(&c, q->param[0], slot, version, body, err);
    return rc == PL_OK ? filing_reply(q, 201, q->param[0], r, err) : rc;
}

static pl_rc filing_file_delete(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    registry_ctx c;
    int64_t      version = 0;
    pl_rc        rc = registry_ctx_of(q, &c, err);

    if (rc == PL_OK)
        rc = pl_api_query_int(q, "version", 0, 0, INT32_MAX, &version, err);
    if (rc == PL_OK)
        rc = filing_detach(&c, q->param[0], q->param[1], q->param[2], version, err);
    return rc == PL_OK ? filing_reply(q, 200, q->param[0], r, err) : rc;
}

typedef struct file_search {
    pl_str        slot, sha256;
    registry_file found;
    bool          is_there;
} file_search;

static pl_rc file_match(void *ctx, const registry_file *f, pl_error *err)
{
    file_search *s = ctx;

    (void)err;
    if (pl_str_eq(f->slot, s->slot) && pl_str_eq(f->sha256, s->sha256)) {
        s->found = *f;
        s->is_there = true;
    }
    return PL_OK;
}

/* Always as an attachment of the kind its name says; browsers are not to show what strangers wrote. */
static pl_rc filing_file_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    file_search s = { .slot = q->param[1], .sha256 = q->param[2] };
    char       *bytes = NULL;
    size_t      n = 0;
    pl_rc       rc = file_store_each(q->db, q->arena, q->param[0], file_match, &s, err);

    if (rc == PL_OK && !s.is_there)
        rc = pl_fail(err, PL_NOTFOUND, "no such attachment");
    if (rc == PL_OK)
        rc = registry_payload_get(q->services, s.sha256, REGISTRY_FILE_MAX, &bytes, &n, err);
    if (rc == PL_OK) {
        pl_buf_put(&r->raw, (pl_str){ bytes, n });
        r->content_type = "application/octet-stream";
    }
    free(bytes);
    return rc;
}

static pl_rc due_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    json_t *due = json_array(), *notices = json_array();
    pl_str  until = query_of(q, "until");
    pl_rc   rc = deadlines_due(q->db, q->arena, until.n ? until : PL_STR("9999-12-31"), PAGE_MAX, due, err);

    if (rc == PL_OK)
        rc = notices_json(q->db, PAGE_MAX, notices, err);
    if (rc == PL_OK)
        return reply(r, 200, json_pack("{s:o, s:o}", "deadlines", due, "notices", notices), err);
    json_decref(due);
    json_decref(notices);
    return rc;
}

/* --- packages ------------------------------------------------------------------------------------- */

static pl_rc export_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const keys[] = { "to", "reason", NULL };
    registry_ctx             c;
    json_t                  *body = NULL;
    pl_str                   to = PL_STR(""), reason = PL_STR("");
    char                     hex[65];
    size_t                   n = 0;
    pl_rc                    rc = pl_api_body(q, keys, &body, err);

    if (rc == PL_OK)
        rc = registry_ctx_of(q, &c, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "to", true, &to, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "reason", true, &reason, err);
    if (rc == PL_OK)
        rc = filing_export(&c, q->param[0], to, reason, hex, &n, err);
    return rc == PL_OK ? reply(r, 200, json_pack("{s:s, s:I}", "sha256", hex, "bytes", (json_int_t)n), err)
                       : rc;
}

static pl_rc package_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    char  *bytes = NULL;
    size_t n = 0;
    pl_rc  rc = export_store_check(q->db, q->param[0], err);

    if (rc == PL_OK)
        rc = registry_payload_get(q->services, q->param[0], REGISTRY_FILE_MAX, &bytes, &n, err);
    if (rc == PL_OK) {
        pl_buf_put(&r->raw, (pl_str){ bytes, n });
        r->content_type = "application/x-tar";
    }
    free(bytes);
    return rc;
}

static pl_rc import_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const keys[] = { "name", "content", "sha256", NULL };
    registry_ctx             c;
    registry_file            f;
    json_t                  *body = NULL, *out = NULL;
    char                    *bytes = NULL;
    size_t                   n = 0;
    pl_rc                    rc = pl_api_body(q, keys, &body, err);

    if (rc == PL_OK)
        rc = registry_ctx_of(q, &c, err);
    if (rc == PL_OK)
        rc = registry_file_take(&c, body, REGISTRY_FILE_MAX, &f, err);
    if (rc == PL_OK)
        rc = registry_payload_get(q->services, f.sha256, REGISTRY_FILE_MAX, &bytes, &n, err);
    if (rc == PL_OK)
        rc = filing_import(&c, (pl_str){ bytes, n }, &out, err);
    free(bytes);
    return rc == PL_OK ? reply(r, 201, out, err) : rc;
}

static pl_rc list_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const keys[] = { "workflow", "source", "rows", NULL };
    registry_ctx             c;
    json_t                  *body = NULL, *out = NULL;
    pl_str                   workflow = PL_STR(""), source = PL_STR("");
    pl_rc                    rc = pl_api_body(q, keys, &body, err);

    if (rc == PL_OK)
        rc = registry_ctx_of(q, &c, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "workflow", true, &workflow, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "source", true, &source, err);
    if (rc == PL_OK)
        rc = filing_list_take(&c, workflow, source, json_object_get(body, "rows"), &out, err);
    return rc == PL_OK ? reply(r, 201, out, err) : rc;
}

static pl_rc peers_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    json_t *list = json_array();
    pl_rc   rc = peer_store_list(q->db, list, err);

    if (rc == PL_OK)
        return reply(r, 200, json_pack("{s:o}", "peers", list), err);
    json_decref(list);
    return rc;
}

static pl_rc peers_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const keys[] = { "name", "vkey", "role", NULL };
    registry_peer            p = { .time_ms = q->now_ms };
    json_t                  *body = NULL;
    pl_vkey                  key;
    unsigned                 role = 0;
    pl_rc                    rc = pl_api_body(q, keys, &body, err);

    if (rc == PL_OK)
        rc = pl_json_get_str(body, "name", true, &p.name, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "vkey", true, &p.vkey, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(body, "role", true, &p.role, err);
    for (role = PL_ROLE_PUBLIC; role <= PL_ROLE_ADMIN; role <<= 1)
        if (pl_str_eqz(p.role, pl_role_name(role)))
            break;
    if (rc == PL_OK && !(role & (PL_ROLE_PROVIDER | PL_ROLE_REGULATOR | PL_ROLE_REVIEWER | PL_ROLE_ASSESSOR)))
        rc = pl_fail(err, PL_INVALID, "a peer is a provider, reviewer, regulator or assessor");
    if (rc == PL_OK)
        rc = pl_vkey_parse(pl_str_trim(p.vkey), &key, err);
    if (rc == PL_OK) {
        p.vkey = pl_str_trim(p.vkey);
        p.origin = pl_str_z(key.name);
        rc = peer_store_put(q->db, &p, err);
    }
    return rc == PL_OK ? reply(r, 201, json_pack("{s:s}", "origin", key.name), err) : rc;
}

/* --- the public register ---------------------------------------------------------------------------- */

static pl_rc public_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    return run_search(q, r, true, registry_search_run, err);
}

static pl_rc public_statistics(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    return run_search(q, r, true, registry_statistics, err);
}

static pl_rc public_one(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    json_t *out = NULL, *line;
    pl_rc   rc = pl_registry_published(q->db, q->arena, q->param[0], &out, err);

    if (rc != PL_OK)
        return rc;
    line = json_incref(json_object_get(out, "line"));
    (void)json_object_set(line, "values", json_object_get(out, "values"));
    json_decref(out);
    return reply(r, 200, line, err);
}

const pl_route registry_routes[] = {
    { "GET", "/api/v1/registry/kinds", PL_ROLES_ANY, kinds_get },
    { "GET", "/api/v1/registry/records", ROLES_READ, records_get },
    { "POST", "/api/v1/registry/records", ROLES_WRITE, records_post },
    { "POST", "/api/v1/registry/import", ROLES_WRITE, records_import },
    { "GET", "/api/v1/registry/records/{id}", ROLES_READ, record_get },
    { "PUT", "/api/v1/registry/records/{id}", ROLES_WRITE, record_put },
    { "GET", "/api/v1/registry/records/{id}/versions", ROLES_READ, versions_get },
    { "GET", "/api/v1/registry/workflows", PL_ROLES_ANY, workflows_get },
    { "GET", "/api/v1/registry/workflows/{id}", PL_ROLES_ANY, workflow_get },
    { "GET", "/api/v1/registry/peers", ROLES_READ, peers_get },
    { "POST", "/api/v1/registry/peers", PL_ROLES_ADMIN, peers_post },
    { "GET", "/api/v1/registry/packages/{sha256}", ROLES_READ, package_get },
    { "GET", "/api/v1/filings", ROLES_READ, filings_get },
    { "POST", "/api/v1/filings", ROLES_WRITE, filings_post },
    { "GET", "/api/v1/filings/due", ROLES_READ, due_get },
    { "GET", "/api/v1/filings/statistics", ROLES_READ, filings_statistics },
    { "POST", "/api/v1/filings/import", ROLES_WRITE, import_post },
    { "POST", "/api/v1/filings/lists", (unsigned)PL_ROLE_REGULATOR | PL_ROLE_ADMIN, list_post },
    { "GET", "/api/v1/filings/{id}", ROLES_READ, filing_get },
    { "PUT", "/api/v1/filings/{id}", ROLES_WRITE, filing_put },
    { "GET", "/api/v1/filings/{id}/check", ROLES_READ, filing_check_get },
    { "POST", "/api/v1/filings/{id}/steps/{step}", ROLES_WRITE, filing_step_post },
    { "POST", "/api/v1/filings/{id}/votes", ROLES_WRITE, filing_vote_post },
    { "POST", "/api/v1/filings/{id}/files", ROLES_WRITE, filing_file_post },
    { "GET", "/api/v1/filings/{id}/files/{slot}/{sha256}", ROLES_READ, filing_file_get },
    { "DELETE", "/api/v1/filings/{id}/files/{slot}/{sha256}", ROLES_WRITE, filing_file_delete },
    { "POST", "/api/v1/filings/{id}/export", ROLES_WRITE, export_post },
    { "GET", "/api/v1/public/register", PL_ROLES_ANY, public_get },
    { "GET", "/api/v1/public/register/statistics", PL_ROLES_ANY, public_statistics },
    { "GET", "/api/v1/public/register/{id}", PL_ROLES_ANY, public_one },
    { NULL, NULL, 0, NULL },
};
