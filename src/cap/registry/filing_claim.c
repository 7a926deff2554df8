/* What a step says in the ledger. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/timefmt.h"
#include "cap/ledger/pl_ledger.h"
#include "cap/registry/registry_int.h"

#define CLAIM_FILES_MAX 64

json_t *filing_snapshot(const filing *f, const json_t *files, pl_str step, pl_str note, pl_error *err)
{
    const registry_filing *r = &f->row;
    char                   salt[33];
    json_t                *o;

    if (registry_salt(salt, err) != PL_OK)
        return NULL;
    o = json_pack("{s:s, s:s, s:s%, s:s%, s:s%, s:s%, s:I, s:s%, s:s%, s:s%, s:O, s:O}", "format",
                  "plumbline-filing/v1", "salt", salt, "filing", r->id.p, r->id.n, "workflow", r->workflow.p,
                          r->workflow.n, "pack", r->pack.p, r->pack.n, "state", r->state.p, r->state.n,
                          "version", (json_int_t)r->version, "step", step.p, step.n, "note",
                          note.p ? note.p : "", note.n, "number", r->number.p ? r->number.p : "",
                          r->number.n, "values", f->values, "files", (json_t *)(uintptr_t)files);

    if (o == NULL)
        (void)pl_fail(err, PL_NOMEM, "out of memory");
    return o;
}

static json_t *claim_files(const json_t *files)
{
    json_t *out = json_array(), *one;
    size_t  i;

    json_array_foreach((json_t *)(uintptr_t)files, i, one)
        if (i < CLAIM_FILES_MAX)
            (void)json_array_append_new(out, json_pack("{s:O, s:O, s:O}", "slot", json_object_get(one, "slot"),
                                                       "sha256", json_object_get(one, "sha256"), "bytes",
                                                       json_object_get(one, "size")));
    return out;
}

static void set_text(json_t *o, const char *key, pl_str v)
{
    if (v.n > 0)
        (void)json_object_set_new(o, key, json_stringn(v.p, v.n));
}

static json_t *claim_json(registry_ctx *c, const filing_claim *k, const char *snapshot, size_t bytes)
{
    const registry_filing *r = &k->f->row;
    json_t                *o = json_pack("{s:s%, s:s%, s:s%, s:I, s:s, s:I, s:s, s:o}", "filing", r->id.p,
                          r->id.n, "kind", k->f->flow->w->kind.p, k->f->flow->w->kind.n, "action",
                          k->action.p, k->action.n, "version", (json_int_t)r->version, "payload_sha256",
                          snapshot, "payload_bytes", (json_int_t)bytes, "by", c->who->id, "time",
                          registry_time(c->now_ms));

    if (o == NULL)
        return NULL;
    set_text(o, "jurisdiction", k->f->flow->w->jurisdiction);
    set_text(o, "pack", r->pack);
    set_text(o, "workflow", r->workflow);
    set_text(o, "step", k->step);
    set_text(o, "state_before", k->from);
    set_text(o, "state", r->state);
    set_text(o, "number", r->number);
    set_text(o, "answers", k->answers);
    set_text(o, "origin", k->origin);
    if (json_array_size(k->files) > 0)
        (void)json_object_set_new(o, "attachments", claim_files(k->files));
    return o;
}

/* The decision as a review of its own: what assessors and courts look for. */
static pl_rc review_state(registry_ctx *c, const filing_claim *k, pl_error *err)
{
    const registry_filing *r = &k->f->row;
    int64_t                index;
    json_t                *o;
    pl_rc                  rc;

    if (k->decision.n == 0)
        return PL_OK;
    o = json_pack("{s:o, s:o, s:s%, s:s%, s:s, s:o}", "review",
                  json_sprintf(PL_STR_FMT ".%lld", PL_STR_ARG(r->id), (long long)r->version), "what",
                  json_sprintf("filing:" PL_STR_FMT, PL_STR_ARG(r->id)), "stage", k->from.p, k->from.n,
                  "decision", k->decision.p, k->decision.n, "by", c->who->id, "time",
                  registry_time(c->now_ms));
    rc = registry_state(c, "filing", r->id, PL_PREDICATE("review"), o, &index, err);
    json_decref(o);
    return rc;
}

pl_rc filing_state_it(registry_ctx *c, const filing_claim *k, char snapshot[65], int64_t *index,
                      pl_error *err)
{
    json_t *files = NULL, *o;
    char   *text;
    pl_rc   rc = registry_files_json(c->db, c->a, k->f->row.id, &files, err);
    filing_claim with = *k;

    if (rc != PL_OK)
        return rc;
    with.files = files;
    o = filing_snapshot(k->f, files, k->step, k->note, err);
    text = o ? pl_json_dump(o) : NULL;
    json_decref(o);
    rc = text ? registry_payload_put(c, pl_str_z(text), snapshot, err)
              : pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK) {
        o = claim_json(c, &with, snapshot, strlen(text));
        rc = registry_state(c, "filing", k->f->row.id, PL_PREDICATE("filing"), o, index, err);
        json_decref(o);
    }
    if (rc == PL_OK)
        rc = review_state(c, &with, err);
    free(text);
    json_decref(files);
    return rc;
}
