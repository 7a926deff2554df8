/* POST /api/v1/inspect and /api/v1/label: the file is the body of the request, what is asked stands
 * in the query. Both parse in the worker's box. */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/label/issue.h"
#include "cap/label/label_int.h"
#include "cap/label/label_record.h"
#include "cap/label/worker.h"
#include "cap/ledger/pl_ledger.h"

#define NAME_MAX_BYTES      255
#define LABEL_RECORDS_BYTES (8u << 20)

/* Of the daemon: set before requests come, taken down after the last one. */
static label_worker *worker;
static label_traces *traces;

/* --- in the box -------------------------------------------------------------------------------- */

static pl_rc job_inspect(const json_t *job, pl_str file, json_t **reply, pl_error *err)
{
    const char       *name = json_string_value(json_object_get(job, "name"));
    label_inspect_how how = { .quick = json_is_true(json_object_get(job, "quick")),
                              .declared = json_is_true(json_object_get(job, "declared")), .traces = traces,
                              .now_ms = json_integer_value(json_object_get(job, "now_ms")) };
    pl_media_io       io = pl_media_io_of(&file);
    label_inspection  i;
    pl_rc             rc = label_inspect(&io, name, &how, &i, err);

    if (rc != PL_OK)
        return rc;
    if (i.format == PL_MEDIA_UNKNOWN)
        rc = pl_fail(err, PL_INVALID, "the file is of no format that is read");
    else
        *reply = label_inspection_json(&i, name);
    label_inspection_done(&i);
    return rc == PL_OK && !*reply ? pl_fail(err, PL_NOMEM, "out of memory") : rc;
}

static pl_rc job_label(const json_t *job, pl_str file, json_t **reply, pl_buf *out, pl_error *err)
{
    const char   *name = json_string_value(json_object_get(job, "name"));
    label_order   o = { .producer = pl_str_z(json_string_value(json_object_get(job, "producer"))),
                        .content_id = pl_str_z(json_string_value(json_object_get(job, "content_id"))),
                        .state = (int)json_integer_value(json_object_get(job, "state")),
                        .flags = (unsigned)json_integer_value(json_object_get(job, "flags")) };
    label_outcome r;
    uint8_t       digest[32];
    char          hex[65];
    json_t       *p;
    pl_rc         rc = label_issue_bytes(file, name, &o, out, &r, err);

    if (rc != PL_OK)
        return rc;
    pl_sha256_of(pl_buf_str(out), digest);
    pl_hex(digest, sizeof digest, hex);
    p = label_statement(&o, &r, hex, json_integer_value(json_object_get(job, "now_ms")));
    *reply = json_pack("{s:s, s:o}", "format", pl_media_format_name(r.format), "statement", p);
    label_outcome_done(&r);
    return *reply ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

static pl_rc job_do(void *ctx, const json_t *job, pl_str file, json_t **reply, pl_buf *out, pl_error *err)
{
    const char *op = json_string_value(json_object_get(job, "op"));

    (void)ctx;
    return op && strcmp(op, "label") == 0 ? job_label(job, file, reply, out, err) : job_inspect(job, file, reply, err);
}

pl_rc pl_label_start(pl_services *s, pl_db *db, pl_error *err)
{
    char       *packs = pl_path_join(pl_datadir(), "packs");
    const char *folders[] = { packs, NULL };
    pl_rc       rc = packs ? label_traces_open(folders, &traces, err) : pl_fail(err, PL_NOMEM, "out of memory");

    (void)s;
    (void)db;
    free(packs);
    if (rc == PL_NOTFOUND) /* said in /healthz: labels are found without it */
        rc = PL_OK;
    return rc == PL_OK ? label_worker_start(job_do, NULL, &worker, err) : rc;
}

void pl_label_health(pl_services *s, pl_db *db, json_t *problems)
{
    (void)s;
    (void)db;
    if (!traces)
        (void)json_array_append_new(problems, json_string("warning: the pack of generator traces is missing"));
}

void pl_label_stop(pl_services *s)
{
    (void)s;
    label_worker_stop(worker);
    label_traces_close(traces);
    worker = NULL;
    traces = NULL;
}

/* --- requests ------------------------------------------------------------------------------------- */

static bool is_set(pl_api_request *q, const char *name)
{
    const char *v = q->query(q->host, name);

    return v && strcmp(v, "1") == 0;
}

/* The last part of a name as clients give them; it only tells kinds of text apart. */
static pl_rc file_name(pl_api_request *q, const char **out, pl_error *err)
{
    const char *name = q->query(q->host, "name"), *slash;

    *out = "file";
    if (!name)
        return PL_OK;
    if (strlen(name) > NAME_MAX_BYTES)
        return pl_fail(err, PL_INVALID, "'name' is longer than %d bytes", NAME_MAX_BYTES);
    slash = strrchr(name, '/');
    *out = slash ? slash + 1 : name;
    return PL_OK;
}

static pl_rc ask(pl_api_request *q, json_t *job, json_t **reply, pl_buf *out, pl_error *err)
{
    pl_rc rc = PL_OK;

    if (!job)
        return pl_fail(err, PL_NOMEM, "out of memory");
    if (q->body.n == 0)
        rc = pl_fail(err, PL_INVALID, "the body of the request is the file; it is empty");
    else if (!worker)
        rc = pl_fail(err, PL_IO, "the media worker is not running");
    else
        rc = label_worker_run(worker, job, q->body, reply, out, err);
    json_decref(job);
    return rc;
}

static pl_rc inspect_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    pl_buf      none = PL_BUF_INIT(1);
    const char *name;
    pl_rc       rc = file_name(q, &name, err);

    if (rc == PL_OK)
        rc = ask(q, json_pack("{s:s, s:s, s:b, s:b, s:I}", "op", "inspect", "name", name, "quick", is_set(q, "quick"),
                              "declared", is_set(q, "declared"), "now_ms", (json_int_t)q->now_ms),
                 &r->body, &none, err);
    pl_buf_done(&none);
    return rc;
}

static pl_rc record(pl_api_request *q, const json_t *reply, pl_error *err)
{
    pl_services *s = q->services;
    json_t      *list = json_pack("[O]", json_object_get(reply, "statement"));
    uint64_t     index;
    pl_rc        rc = list ? label_statements_append(s->ledger, s->signer, list, &index, err)
                           : pl_fail(err, PL_NOMEM, "out of memory");

    json_decref(list);
    return rc == PL_OK ? pl_ledger_publish(s->ledger, err) : rc;
}

/* Of files that the command line labelled beside this daemon. When it was entered is for the daemon
 * to say. */
static pl_rc records_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    static const char *const keys[] = { "statements", NULL };
    pl_services *s = q->services;
    json_t      *body = NULL, *list, *p;
    char         time[25];
    uint64_t     first = 0;
    size_t       i;
    pl_rc        rc = pl_api_body(q, keys, &body, err);

    if (rc != PL_OK)
        return rc;
    list = json_object_get(body, "statements");
    if (!json_is_array(list))
        return pl_fail(err, PL_INVALID, "'statements' is not a list");
    pl_time_format(q->now_ms, time);
    json_array_foreach(list, i, p)
        if (json_is_object(p))
            (void)json_object_set_new(p, "time", json_string(time));
    rc = label_statements_append(s->ledger, s->signer, list, &first, err);
    if (rc == PL_OK)
        rc = pl_ledger_publish(s->ledger, err);
    if (rc == PL_OK)
        r->body = json_pack("{s:I, s:I}", "ledger_index", (json_int_t)first, "count", (json_int_t)json_array_size(list));
    return rc == PL_OK && !r->body ? pl_fail(err, PL_NOMEM, "out of memory") : rc;
}

static pl_rc order_of(pl_api_request *q, json_t **job, const char *name, pl_error *err)
{
    static const char *const states[] = { "generated", "possible", "suspected" };
    const char *producer = q->query(q->host, "producer"), *id = q->query(q->host, "content_id");
    const char *state = q->query(q->host, "state");
    int         digit = state ? 0 : '1';
    unsigned    flags = (is_set(q, "replace") ? LABEL_REPLACE : 0u) | (is_set(q, "iptc") ? LABEL_IPTC : 0u);
    label_order o;
    pl_rc       rc;

    for (int i = 0; state && i < 3; i++)
        if (strcmp(states[i], state) == 0)
            digit = '1' + i;
    if (!digit)
        return pl_fail(err, PL_INVALID, "'state' is generated, possible or suspected");
    o = (label_order){ .producer = pl_str_z(producer), .content_id = pl_str_z(id), .state = digit };
    rc = label_order_check(&o, err);
    if (rc == PL_OK)
        *job = json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:I}", "op", "label", "name", name, "producer", producer,
                         "content_id", id, "state", digit, "flags", (int)flags, "now_ms", (json_int_t)q->now_ms);
    return rc;
}

static pl_rc label_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    json_t     *job = NULL, *reply = NULL;
    const char *name, *format;
    pl_rc       rc = file_name(q, &name, err);

    if (rc == PL_OK)
        rc = order_of(q, &job, name, err);
    if (rc != PL_OK)
        return rc;
    r->raw = PL_BUF_INIT(LABEL_WORKER_FILE_MAX * 2);
    rc = ask(q, job, &reply, &r->raw, err);
    if (rc == PL_OK && is_set(q, "record"))
        rc = record(q, reply, err);
    if (rc != PL_OK) {
        json_decref(reply);
        pl_buf_done(&r->raw);
        return rc;
    }
    format = json_string_value(json_object_get(reply, "format"));
    r->content_type = "application/octet-stream";
    for (int f = 1; format && f < PL_MEDIA_FORMATS; f++)
        if (strcmp(pl_media_format_name((pl_media_format)f), format) == 0)
            r->content_type = pl_media_format_type((pl_media_format)f);
    json_decref(reply);
    return PL_OK;
}

const pl_route pl_label_routes[] = {
    { "POST", "/api/v1/inspect", PL_ROLES_STAFF, inspect_post },
    { "POST", "/api/v1/label", PL_ROLES_OPERATE, label_post },
    { "POST", "/api/v1/label/records", PL_ROLES_OPERATE, records_post },
    { NULL, NULL, 0, NULL },
};
const pl_body_limit pl_label_bodies[] = {
    { "/api/v1/inspect", LABEL_WORKER_FILE_MAX },
    { "/api/v1/label", LABEL_WORKER_FILE_MAX },
    { "/api/v1/label/records", LABEL_RECORDS_BYTES },
    { NULL, 0 },
};
