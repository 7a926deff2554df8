/* --record: what was labelled, as statements in the ledger. A running daemon is the one writer of the
 * ledger; without it this process is. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/instance.h"
#include "cap/label/add.h"
#include "cap/label/label_record.h"
#include "cap/ledger/pl_ledger.h"

#include <pthread.h>

#define BATCH_BYTES (256u << 10) /* of statements on their way to the daemon */

struct label_recorder {
    pthread_mutex_t lock;
    pl_cmd_ctx     *c;
    pl_instance     instance;
    pl_signer      *signer;
    pl_ledger      *ledger; /* NULL: the daemon writes */
    json_t         *waiting;
    size_t          bytes;
};

json_t *label_statement(const label_order *o, const label_outcome *r, const char *sha256_hex, int64_t now_ms)
{
    static const char *const states[] = { "generated", "possible", "suspected" };
    char                     time[25];
    json_t                  *p, *carriers = json_pack("[s]", r->carrier);

    if (r->is_shown)
        (void)json_array_append_new(carriers, json_string("visible"));
    if (r->is_signed)
        (void)json_array_append_new(carriers, json_string("c2pa"));
    pl_time_format(now_ms, time);
    p = json_pack("{s:s, s:s%, s:s%, s:s, s:o, s:s, s:s}", "content_sha256", sha256_hex, "producer", o->producer.p,
                  o->producer.n, "content_id", o->content_id.p, o->content_id.n, "state", states[o->state - '1'], "carriers",
                  carriers, "format", pl_media_format_type(r->format), "time", time);
    if (p && json_array_size(r->replaced))
        (void)json_object_set(p, "replaced", r->replaced);
    return p;
}

pl_rc label_statement_sign(const pl_signer *signer, const json_t *p, char **envelope, size_t *n, pl_error *err)
{
    pl_str  id, hex;
    uint8_t digest[32];
    char   *subject = NULL;
    pl_rc   rc = pl_predicate_check(PL_STR(PL_PREDICATE("label-issued")), p, err);

    if (rc == PL_OK)
        rc = pl_json_get_str(p, "content_id", true, &id, err);
    if (rc == PL_OK)
        rc = pl_json_get_str(p, "content_sha256", true, &hex, err);
    if (rc == PL_OK)
        rc = pl_hex_decode(hex, digest, sizeof digest, err);
    if (rc == PL_OK && asprintf(&subject, "content:" PL_STR_FMT, PL_STR_ARG(id)) < 0)
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = pl_statement_sign(signer, pl_str_z(subject), digest, PL_PREDICATE("label-issued"), p, envelope, n, err);
    free(subject);
    return rc;
}

pl_rc label_statements_append(pl_ledger *l, const pl_signer *signer, const json_t *list, uint64_t *first, pl_error *err)
{
    pl_str  entry[LABEL_RECORDS_MAX];
    json_t *p;
    size_t  n = 0, i;
    pl_rc   rc = PL_OK;

    if (json_array_size(list) == 0 || json_array_size(list) > LABEL_RECORDS_MAX)
        return pl_fail(err, PL_INVALID, "from 1 to %u statements at a time", LABEL_RECORDS_MAX);
    json_array_foreach(list, i, p) {
        char  *envelope = NULL;
        size_t bytes = 0;

        if (rc == PL_OK)
            rc = label_statement_sign(signer, p, &envelope, &bytes, err);
        if (envelope)
            entry[n++] = (pl_str){ envelope, bytes };
    }
    if (rc == PL_OK)
        rc = pl_ledger_append(l, entry, n, first, err);
    for (i = 0; i < n; i++)
        free((char *)(uintptr_t)entry[i].p);
    return rc;
}

/* PL_CONFLICT: another process writes. */
static pl_rc here_open(label_recorder *r, pl_error *err)
{
    char    *dir = NULL;
    uint64_t rotated;
    pl_rc    rc = pl_ledger_keys_settle(&r->instance, &rotated, err);

    if (rc == PL_OK)
        rc = pl_instance_signer(&r->instance, &r->signer, err);
    if (rc == PL_OK && (dir = pl_instance_path(&r->instance, "ledger")) == NULL)
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = pl_ledger_open(dir, r->signer, &r->ledger, err);
    free(dir);
    return rc;
}

/* Asked before anything is labelled: whoever holds the ledger must be a daemon that answers. */
static pl_rc there_open(label_recorder *r, pl_error *err)
{
    char *answer = NULL;
    pl_rc rc = pl_cmd_call(r->c, "GET", "/api/v1/ledger", PL_STR(""), &answer, err);

    free(answer);
    return rc;
}

pl_rc label_recorder_open(pl_cmd_ctx *c, label_recorder **out, pl_error *err)
{
    label_recorder *r = calloc(1, sizeof *r);
    pl_rc           rc;

    if (!r)
        return pl_fail(err, PL_NOMEM, "out of memory");
    (void)pthread_mutex_init(&r->lock, NULL);
    r->c = c;
    r->waiting = json_array();
    rc = r->waiting ? pl_instance_open(pl_cmd_dir(c), &r->instance, err) : pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = here_open(r, err);
    if (rc == PL_CONFLICT)
        rc = there_open(r, err);
    if (rc != PL_OK) {
        label_recorder_close(r);
        return rc;
    }
    *out = r;
    return PL_OK;
}

static pl_rc send_there(label_recorder *r, pl_error *err)
{
    json_t *body = json_pack("{s:O}", "statements", r->waiting);
    char   *text = body ? pl_json_dump(body) : NULL, *answer = NULL;
    pl_rc   rc = text ? pl_cmd_call(r->c, "POST", "/api/v1/label/records", pl_str_z(text), &answer, err)
                      : pl_fail(err, PL_NOMEM, "out of memory");

    free(answer);
    free(text);
    json_decref(body);
    return rc;
}

static pl_rc send_all(label_recorder *r, pl_error *err)
{
    uint64_t first;
    pl_rc    rc = PL_OK;

    if (json_array_size(r->waiting) > 0)
        rc = r->ledger ? label_statements_append(r->ledger, r->signer, r->waiting, &first, err) : send_there(r, err);
    (void)json_array_clear(r->waiting);
    r->bytes = 0;
    return rc;
}

pl_rc label_recorder_add(label_recorder *r, const label_order *o, const label_outcome *u, const char *sha256_hex,
                         int64_t now_ms, pl_error *err)
{
    json_t *p = label_statement(o, u, sha256_hex, now_ms);
    char   *text = p ? pl_json_dump(p) : NULL;
    size_t  n = text ? strlen(text) : 0;
    pl_rc   rc = text ? pl_predicate_check(PL_STR(PL_PREDICATE("label-issued")), p, err)
                      : pl_fail(err, PL_NOMEM, "out of memory");

    free(text);
    if (rc != PL_OK) {
        json_decref(p);
        return rc;
    }
    (void)pthread_mutex_lock(&r->lock);
    (void)json_array_append_new(r->waiting, p);
    r->bytes += n;
    if (json_array_size(r->waiting) == LABEL_RECORDS_MAX || r->bytes >= BATCH_BYTES)
        rc = send_all(r, err);
    (void)pthread_mutex_unlock(&r->lock);
    return rc;
}

pl_rc label_recorder_flush(label_recorder *r, pl_error *err)
{
    pl_rc rc = send_all(r, err);

    return rc == PL_OK && r->ledger ? pl_ledger_publish(r->ledger, err) : rc;
}

void label_recorder_close(label_recorder *r)
{
    if (!r)
        return;
    json_decref(r->waiting);
    pl_ledger_close(r->ledger);
    pl_signer_free(r->signer);
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}
