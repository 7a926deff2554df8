/* HTTP routes: which documents there are, one of them, and what changed between two versions. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/disclosure/disclosure_int.h"

static const disclosure_format formats[] = {
    { "html", "text/html; charset=utf-8", disclosure_html },
    { "md", "text/markdown; charset=utf-8", disclosure_markdown },
    { "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", disclosure_docx },
    { "pdf", "application/pdf", disclosure_pdf },
};

const disclosure_format *disclosure_format_find(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

static pl_rc reply(pl_api_reply *r, json_t *body, pl_error *err)
{
    if (body == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    r->body = body;
    return PL_OK;
}

static pl_rc templates_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    json_t *list = NULL;
    pl_rc   rc = disclosure_template_list(q->services->instance, &list, err);

    return rc == PL_OK ? reply(r, json_pack("{s:o}", "documents", list), err) : rc;
}

static pl_rc document_of(pl_api_request *q, int64_t version, json_t **out, pl_error *err)
{
    const char    *lang = q->query(q->host, "lang");
    disclosure_ask ask = { .template_id = q->param[0], .record = q->param[1], .version = version,
                           .lang = lang ? lang : q->lang, .now_ms = q->now_ms };

    return disclosure_build(q->services->instance, q->db, q->arena, &ask, out, err);
}

static pl_rc document_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    const char              *name = q->query(q->host, "format");
    const disclosure_format *f = name ? disclosure_format_find(name) : NULL;
    json_t                  *doc = NULL;
    int64_t                  version = 0;
    pl_rc                    rc = pl_api_query_int(q, "version", 0, 0, INT32_MAX, &version, err);

    if (rc == PL_OK && name != NULL && f == NULL && strcmp(name, "json") != 0)
        rc = pl_fail(err, PL_INVALID, "'format' is json, html, md, docx or pdf");
    if (rc == PL_OK)
        rc = document_of(q, version, &doc, err);
    if (rc != PL_OK)
        return rc;
    if (f == NULL)
        return reply(r, doc, err);
    rc = f->draw(doc, &r->raw, err);
    r->content_type = f->media_type;
    json_decref(doc);
    return rc;
}

static pl_rc diff_get(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    json_t *before = NULL, *after = NULL, *changes = NULL;
    int64_t from = 0, to = 0;
    pl_rc   rc = pl_api_query_int(q, "from", 1, 1, INT32_MAX, &from, err);

    if (rc == PL_OK)
        rc = pl_api_query_int(q, "to", 0, 0, INT32_MAX, &to, err);
    if (rc == PL_OK)
        rc = document_of(q, from, &before, err);
    if (rc == PL_OK)
        rc = document_of(q, to, &after, err);
    if (rc == PL_OK)
        rc = disclosure_diff(before, after, &changes, err);
    if (rc == PL_OK)
        rc = reply(r, json_pack("{s:O, s:O, s:o}", "from",
                                json_object_get(json_object_get(before, "subject"), "version"), "to",
                                json_object_get(json_object_get(after, "subject"), "version"), "changes", changes), err);
    json_decref(before);
    json_decref(after);
    return rc;
}

const pl_route disclosure_routes[] = {
    { "GET", "/api/v1/documents", PL_ROLES_ANY, templates_get },
    { "GET", "/api/v1/documents/{template}/{record}", PL_ROLES_STAFF, document_get },
    { "GET", "/api/v1/documents/{template}/{record}/changes", PL_ROLES_STAFF, diff_get },
    { "GET", "/api/v1/public/register.html", PL_ROLES_ANY, disclosure_register_page },
    { "GET", "/api/v1/public/register/{id}/notice", PL_ROLES_ANY, disclosure_notice_get },
    { NULL, NULL, 0, NULL },
};
