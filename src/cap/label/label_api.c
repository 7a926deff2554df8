/* POST /api/v1/inspect and /api/v1/label: the file is the body of the request, what is asked stands
 * in the query. Both parse in the worker's box. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/label/issue.h"
#include "cap/label/label_box.h"
#include "cap/label/label_int.h"
#include "cap/label/label_record.h"
#include "cap/ledger/pl_ledger.h"

#include <unistd.h>

#define NAME_MAX_BYTES      255
#define LABEL_RECORDS_BYTES (8u << 20)

/* Of the daemon: set before requests come, taken down after the last one. */
static label_worker     *worker;
static label_traces     *traces;
static pl_sign_identity *identity;       /* of the installation; NULL: it has none that works */
static bool              identity_fails; /* there is a certificate, and it cannot be used */
static char             *tsa_roots;

/* DIR/keys/c2pa.key and c2pa.pem. */
static pl_rc identity_open(const pl_instance *inst, pl_error *err)
{
    char    *key = pl_instance_path(inst, "keys/c2pa.key"), *cert = pl_instance_path(inst, "keys/c2pa.pem");
    pl_error why;
    size_t   n;
    pl_rc    rc = key && cert ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK && access(cert, F_OK) == 0) {
        identity_fails = pl_sign_identity_open(key, cert, NULL, &identity, &why) != PL_OK;
        if (!identity_fails && inst->tsa_roots[0])
            identity_fails = pl_file_read(inst->tsa_roots, 4u << 20, &tsa_roots, &n, &why) != PL_OK;
        if (identity_fails)
            (void)fprintf(stderr, "plumblined: the C2PA key of this installation cannot be used: %s\n", why.text);
    }
    free(key);
    free(cert);
    return rc;
}

/* The worker's process never had a key: it is forked before any is read. */
pl_rc pl_label_before_keys(pl_error *err)
{
    char       *packs = pl_path_join(pl_datadir(), "packs");
    const char *folders[] = { packs, NULL };
    pl_rc       rc = packs ? label_traces_open(folders, &traces, err) : pl_fail(err, PL_NOMEM, "out of memory");

    free(packs);
    if (rc == PL_NOTFOUND) /* said in /healthz: labels are found without it */
        rc = PL_OK;
    return rc == PL_OK ? label_worker_start(label_box_job, &traces, &worker, err) : rc;
}

pl_rc pl_label_start(pl_services *s, pl_db *db, pl_error *err)
{
    (void)db;
    return identity_open(s->instance, err);
}

void pl_label_health(pl_services *s, pl_db *db, json_t *problems)
{
    (void)s;
    (void)db;
    if (!traces)
        (void)json_array_append_new(problems, json_string("warning: the pack of generator traces is missing"));
    if (identity_fails)
        (void)json_array_append_new(problems, json_string("warning: the C2PA key of this installation cannot be used"));
}

void pl_label_stop(pl_services *s)
{
    (void)s;
    label_worker_stop(worker);
    label_traces_close(traces);
    pl_sign_identity_free(identity);
    free(tsa_roots);
    worker = NULL;
    traces = NULL;
    identity = NULL;
    tsa_roots = NULL;
    identity_fails = false;
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
    const pl_instance *inst = q->services->instance;
    pl_sign_how        how = { .id = identity, .tsa = inst && inst->tsa_url[0] ? inst->tsa_url : NULL,
                               .tsa_roots = pl_str_z(tsa_roots), .now_ms = q->now_ms };
    label_help         help = { label_box_help, &how };
    pl_rc              rc = PL_OK;

    if (!job)
        return pl_fail(err, PL_NOMEM, "out of memory");
    if (q->body.n == 0)
        rc = pl_fail(err, PL_INVALID, "the body of the request is the file; it is empty");
    else if (!worker)
        rc = pl_fail(err, PL_IO, "the media worker is not running");
    else
        rc = label_worker_run(worker, job, q->body, &help, reply, out, err);
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

static pl_rc order_sign(pl_api_request *q, json_t *job, pl_error *err)
{
    const pl_instance *inst = q->services->instance;
    const char        *type = q->query(q->host, "source_type"), *uri = NULL;
    pl_rc              rc = type ? pl_source_type(type, &uri, err) : PL_OK;

    if (rc == PL_OK && !identity)
        rc = pl_fail(err, PL_CONFLICT, "this installation has no C2PA key that works: keys/c2pa.key and keys/c2pa.pem of its directory");
    if (rc == PL_OK)
        (void)json_object_set_new(job, "c2pa", label_box_signer(pl_sign_identity_signer(identity), uri, is_set(q, "edited"),
                                                                inst && inst->tsa_url[0]));
    return rc;
}

/* Sound and video of formats that ffmpeg must write are refused in the box, which starts no programs. */
static pl_rc order_explicit(pl_api_request *q, json_t *job, pl_error *err)
{
    const char *size = q->query(q->host, "size"), *wording = q->query(q->host, "text"), *position = q->query(q->host, "position");
    char       *end = NULL;
    double      percent = size ? strtod(size, &end) : 0;
    json_t     *o;

    if (size && (end == size || *end != '\0' || !(percent > 0 && percent <= 100)))
        return pl_fail(err, PL_INVALID, "'size' is a number of percent");
    o = json_pack("{s:s*, s:s*, s:f}", "text", wording, "position", position, "size", percent);
    if (!o)
        return pl_fail(err, PL_INVALID, "'text' is no text");
    (void)json_object_set_new(job, "explicit", o);
    return PL_OK;
}

static pl_rc label_post(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    json_t     *job = NULL, *reply = NULL;
    const char *name, *format;
    pl_rc       rc = file_name(q, &name, err);

    if (rc == PL_OK)
        rc = order_of(q, &job, name, err);
    if (rc == PL_OK && is_set(q, "explicit"))
        rc = order_explicit(q, job, err);
    if (rc == PL_OK && is_set(q, "sign"))
        rc = order_sign(q, job, err);
    if (rc != PL_OK) {
        json_decref(job);
        return rc;
    }
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
