/* --record: what was graded, by which pack and with which outcome, as statements in the ledger. */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/grade/grade_int.h"
#include "cap/ledger/pl_ledger.h"

typedef struct writer {
    pl_instance instance;
    pl_signer  *signer;
    pl_ledger  *ledger;
} writer;

static void writer_close(writer *w)
{
    pl_ledger_close(w->ledger);
    pl_signer_free(w->signer);
}

static pl_rc writer_open(pl_cmd_ctx *c, writer *w, pl_error *err)
{
    char    *dir = NULL;
    uint64_t rotated;
    pl_rc    rc = pl_instance_open(pl_cmd_dir(c), &w->instance, err);

    if (rc == PL_OK)
        rc = pl_ledger_keys_settle(&w->instance, &rotated, err);
    if (rc == PL_OK)
        rc = pl_instance_signer(&w->instance, &w->signer, err);
    if (rc == PL_OK && (dir = pl_instance_path(&w->instance, "ledger")) == NULL)
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = pl_ledger_open(dir, w->signer, &w->ledger, err);
    free(dir);
    return rc;
}

/* The values of the axes: what the statement says was the outcome. */
static json_t *outcome_of(const json_t *result)
{
    json_t *o = json_object(), *v;
    size_t  i;

    json_array_foreach(json_object_get(result, "axes"), i, v)
        (void)json_object_set(o, json_string_value(v), json_object_get(result, json_string_value(v)));
    return o;
}

static pl_rc record_one(writer *w, const json_t *result, const char *as_of, const char *facts_hex,
                        const char *subject, int64_t now_ms, uint64_t *index, pl_error *err)
{
    char    time[25];
    json_t *p;
    pl_rc   rc;

    pl_time_format(now_ms, time);
    p = json_pack("{s:s, s:s, s:s, s:s, s:o, s:O, s:I}", "pack", grade_text(result, "pack"), "as_of", as_of,
                  "facts_sha256", facts_hex, "time", time, "result", outcome_of(result), "missing_facts",
                  json_object_get(result, "missing_facts"), "obligations",
                  (json_int_t)json_array_size(json_object_get(result, "obligations")));
    if (p == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    rc = pl_ledger_state(w->ledger, w->signer, pl_str_z(subject), PL_PREDICATE("grade"), p, index, err);
    json_decref(p);
    return rc;
}

pl_rc grade_record(pl_cmd_ctx *c, const json_t *facts, json_t *result, const char *subject, pl_error *err)
{
    writer  w = { .ledger = NULL };
    char   *text = pl_json_dump(facts), hex[65];
    uint8_t digest[32];
    json_t *one;
    size_t  i;
    pl_rc   rc = text != NULL ? writer_open(c, &w, err) : pl_fail(err, PL_NOMEM, "out of memory");

    if (rc == PL_OK) {
        pl_sha256_of(pl_str_z(text), digest);
        pl_hex(digest, sizeof digest, hex);
    }
    json_array_foreach(json_object_get(result, "results"), i, one) {
        uint64_t index = 0;

        if (rc != PL_OK || !json_is_true(json_object_get(one, "evaluated")))
            continue;
        rc = record_one(&w, one, grade_text(result, "as_of"), hex, subject, c->now_ms, &index, err);
        if (rc == PL_OK)
            (void)json_object_set_new(one, "ledger_index", json_integer((json_int_t)index));
    }
    if (rc == PL_OK)
        rc = pl_ledger_publish(w.ledger, err);
    free(text);
    writer_close(&w);
    return rc;
}
