/* --record: what was labelled, as statements in the ledger. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/instance.h"
#include "cap/label/add.h"
#include "cap/ledger/pl_ledger.h"

#include <pthread.h>

#define BATCH 256u

struct label_recorder {
    pthread_mutex_t lock;
    pl_instance     instance;
    pl_signer      *signer;
    pl_ledger      *ledger;
    pl_str          entry[BATCH];
    size_t          n;
};

pl_rc label_recorder_open(pl_cmd_ctx *c, label_recorder **out, pl_error *err)
{
    label_recorder *r = calloc(1, sizeof *r);
    char           *dir = NULL;
    uint64_t        rotated;
    pl_rc           rc = r ? pl_instance_open(pl_cmd_dir(c), &r->instance, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (r)
        (void)pthread_mutex_init(&r->lock, NULL);
    if (rc == PL_OK)
        rc = pl_ledger_keys_settle(&r->instance, &rotated, err);
    if (rc == PL_OK)
        rc = pl_instance_signer(&r->instance, &r->signer, err);
    if (rc == PL_OK && (dir = pl_instance_path(&r->instance, "ledger")) == NULL)
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = pl_ledger_open(dir, r->signer, &r->ledger, err);
    free(dir);
    if (rc != PL_OK) {
        label_recorder_close(r);
        return rc;
    }
    *out = r;
    return PL_OK;
}

static pl_rc append_all(label_recorder *r, pl_error *err)
{
    uint64_t first;
    pl_rc    rc = r->n ? pl_ledger_append(r->ledger, r->entry, r->n, &first, err) : PL_OK;

    for (size_t i = 0; i < r->n; i++)
        free((void *)(uintptr_t)r->entry[i].p);
    r->n = 0;
    return rc;
}

pl_rc label_recorder_add(label_recorder *r, const label_order *o, const label_outcome *u, const char *sha256_hex,
                         int64_t now_ms, pl_error *err)
{
    json_t *p = label_statement(o, u, sha256_hex, now_ms);
    uint8_t digest[32];
    char   *subject = NULL, *envelope = NULL;
    size_t  n = 0;
    pl_rc   rc = p && asprintf(&subject, "content:%.*s", (int)o->content_id.n, o->content_id.p) > 0
                     ? pl_hex_decode(pl_str_z(sha256_hex), digest, sizeof digest, err)
                     : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK)
        rc = pl_predicate_check(PL_STR(PL_PREDICATE("label-issued")), p, err);
    if (rc == PL_OK)
        rc = pl_statement_sign(r->signer, pl_str_z(subject), digest, PL_PREDICATE("label-issued"), p, &envelope, &n, err);
    json_decref(p);
    free(subject);
    if (rc != PL_OK)
        return rc;
    (void)pthread_mutex_lock(&r->lock);
    r->entry[r->n++] = (pl_str){ envelope, n };
    if (r->n == BATCH)
        rc = append_all(r, err);
    (void)pthread_mutex_unlock(&r->lock);
    return rc;
}

pl_rc label_recorder_flush(label_recorder *r, pl_error *err)
{
    pl_rc rc = append_all(r, err);

    return rc == PL_OK ? pl_ledger_publish(r->ledger, err) : rc;
}

void label_recorder_close(label_recorder *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++)
        free((void *)(uintptr_t)r->entry[i].p);
    pl_ledger_close(r->ledger);
    pl_signer_free(r->signer);
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}
