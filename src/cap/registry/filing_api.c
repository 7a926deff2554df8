/* HTTP routes: filings, packages, lists, the public register. */
#include "base/banned.h"

#include "cap/registry/registry_routes.h"

/* --- filings ------------------------------------------------------------------------------------ */

static pl_rc filing_reply(pl_api_request *q, int status, pl_str id, pl_api_reply *r, pl_error *err)
{
    json_t *out = NULL;
    pl_rc   rc = pl_registry_filing(q->db, q->arena, id, &out, err);

    return rc == PL_OK ? registry_reply(r, status, out, err) : rc;
}

static pl_rc search_of(pl_api_request *q, bool is_public, registry_search *s, pl_error *err)
{
    *s = (registry_search){ .query = registry_query(q, "q"), .region = registry_query(q, "region"),
                            .role = registry_query(q, "role"), .type = registry_query(q, "type"),
                            .month = registry_query(q, "month"), .workflow = registry_query(q, "workflow"),
                            .state = registry_query(q, "state"), .is_public = is_public };
    pl_rc rc = pl_api_query_int(q, "limit", 20, 1, REGISTRY_PAGE_MAX, &s->limit, err);

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
    return rc == PL_OK ? registry_reply(r, 200, out, err) : rc;
}

pl_rc registry_filings_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    return run_search(q, r, false, registry_search_run, err);
}

pl_rc registry_filings_statistics(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    return run_search(q, r, false, registry_statistics, err);
}

pl_rc registry_filings_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
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

pl_rc registry_filing_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    return filing_reply(q, 200, q->param[0], r, err);
}

pl_rc registry_filing_put(pl_api_request *q, pl_api_reply *r, pl_error *err)
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

pl_rc registry_filing_check_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    registry_ctx c;
    json_t      *out = NULL;
    pl_rc        rc = registry_ctx_of(q, &c, err);

    if (rc == PL_OK)
        rc = filing_check(&c, q->param[0], &out, err);
    return rc == PL_OK ? registry_reply(r, 200, out, err) : rc;
}

pl_rc registry_filing_step_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
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

pl_rc registry_filing_vote_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
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

pl_rc registry_filing_file_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
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

pl_rc registry_filing_file_delete(pl_api_request *q, pl_api_reply *r, pl_error *err)
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
pl_rc registry_filing_file_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
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

pl_rc registry_due_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    json_t *due = json_array(), *notices = json_array();
    pl_str  until = registry_query(q, "until");
    pl_rc   rc = deadlines_due(q->db, q->arena, until.n ? until : PL_STR("9999-12-31"), REGISTRY_PAGE_MAX, due, err);

    if (rc == PL_OK)
        rc = notices_json(q->db, REGISTRY_PAGE_MAX, notices, err);
    if (rc == PL_OK)
        return registry_reply(r, 200, json_pack("{s:o, s:o}", "deadlines", due, "notices", notices), err);
    json_decref(due);
    json_decref(notices);
    return rc;
}

/* --- packages ------------------------------------------------------------------------------------- */

pl_rc registry_export_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
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
    return rc == PL_OK ? registry_reply(r, 200, json_pack("{s:s, s:I}", "sha256", hex, "bytes", (json_int_t)n), err)
                       : rc;
}

pl_rc registry_package_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
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

pl_rc registry_import_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
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
    return rc == PL_OK ? registry_reply(r, 201, out, err) : rc;
}

pl_rc registry_list_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
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
    return rc == PL_OK ? registry_reply(r, 201, out, err) : rc;
}

pl_rc registry_peers_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    json_t *list = json_array();
    pl_rc   rc = peer_store_list(q->db, list, err);

    if (rc == PL_OK)
        return registry_reply(r, 200, json_pack("{s:o}", "peers", list), err);
    json_decref(list);
    return rc;
}

pl_rc registry_peers_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
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
    return rc == PL_OK ? registry_reply(r, 201, json_pack("{s:s}", "origin", key.name), err) : rc;
}

/* --- the public register ---------------------------------------------------------------------------- */

pl_rc registry_public_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    return run_search(q, r, true, registry_search_run, err);
}

pl_rc registry_public_statistics(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    return run_search(q, r, true, registry_statistics, err);
}

pl_rc registry_public_one(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    json_t *out = NULL, *line;
    pl_rc   rc = pl_registry_published(q->db, q->arena, q->param[0], &out, err);

    if (rc != PL_OK)
        return rc;
    line = json_incref(json_object_get(out, "line"));
    (void)json_object_set(line, "values", json_object_get(out, "values"));
    json_decref(out);
    return registry_reply(r, 200, line, err);
}
