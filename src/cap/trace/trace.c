#include "base/banned.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cap/guard/pl_guard.h"
#include "cap/trace/trace_int.h"
#include "engine/text/textlabel.h"

#include <fcntl.h>

#define VARIANTS_MAX 20 /* as it is, without BOM, without CR, and 16 answers of a response */

/* --- labels ------------------------------------------------------------------------ */

/* NULL when there is none, or none that can be read: saying so is the guard's part, and a
 * label that cannot be learned now must not keep an event from being stored. */
static pl_policy *policy_in_force(const pl_instance *i)
{
    char      *path = pl_instance_path(i, "gateway/policy.db");
    pl_policy *policy = NULL;

    if (path && pl_policy_openat(AT_FDCWD, path, &policy, NULL) != PL_OK)
        policy = NULL;
    free(path);
    return policy;
}

pl_rc pl_trace_labels_put(const pl_instance *i, pl_db *db, pl_error *err)
{
    pl_str     label[PL_TRACE_LABELS_MAX];
    pl_policy *policy = policy_in_force(i);
    size_t     n;
    pl_rc      rc = PL_OK;

    if (!policy)
        return PL_OK;
    n = pl_policy_labels(policy, label, PL_TRACE_LABELS_MAX);
    for (size_t k = 0; k < n && rc == PL_OK; k++)
        rc = pl_trace_label_put(db, label[k], err);
    pl_policy_unref(policy);
    return rc;
}

pl_rc pl_trace_labels_record(const pl_instance *i, pl_db *db, pl_error *err)
{
    pl_rc rc = pl_db_begin(db, err);

    if (rc != PL_OK)
        return rc;
    rc = pl_trace_labels_put(i, db, err);
    if (rc == PL_OK)
        rc = pl_db_commit(db, err);
    if (rc != PL_OK)
        pl_db_abort(db);
    return rc;
}

/* Labels of the past from the database, and those of the policy in force: the daemon may not
 * have recorded these yet, and a reader cannot. */
static pl_rc labels_load(const trace_source *s, pl_arena *a, pl_str *out, size_t *count,
                         pl_error *err)
{
    pl_str     now[PL_TRACE_LABELS_MAX];
    pl_policy *policy;
    size_t     n;
    pl_rc      rc = pl_trace_label_list(s->db, a, out, PL_TRACE_LABELS_MAX, count, err);

    if (rc != PL_OK)
        return rc;
    policy = policy_in_force(s->instance);
    n = policy ? pl_policy_labels(policy, now, PL_TRACE_LABELS_MAX) : 0;
    for (size_t k = 0; k < n; k++) {
        char *copy = pl_arena_dup(a, now[k]);
        if (copy)
            out[(*count)++] = (pl_str){ copy, now[k].n };
    }
    pl_policy_unref(policy);
    return PL_OK;
}

/* --- what the reader may have saved -------------------------------------------------- */

typedef struct variants {
    pl_str text[VARIANTS_MAX];
    size_t n;
} variants;

static void variant_add(variants *v, pl_str s)
{
    if (v->n < VARIANTS_MAX)
        v->text[v->n++] = s;
}

/* Windows editors: CR LF for every LF. */
static void variant_lf(variants *v, pl_arena *a, pl_str s)
{
    char  *p;
    size_t n = 0;

    if (!memmem(s.p, s.n, "\r\n", 2) || !(p = pl_arena_alloc(a, s.n + 1)))
        return;
    for (size_t i = 0; i < s.n; i++)
        if (!(s.p[i] == '\r' && i + 1 < s.n && s.p[i + 1] == '\n'))
            p[n++] = s.p[i];
    variant_add(v, (pl_str){ p, n });
}

/* The whole response, as curl saves it: its answers are what was generated. */
static void variant_response(variants *v, pl_arena *a, pl_str s)
{
    json_t *doc = NULL, *choices;

    if (!pl_str_starts(pl_str_trim(s), PL_STR("{")) || pl_json_parse(s, "text", &doc, NULL) != PL_OK)
        return;
    choices = json_object_get(doc, "choices");
    for (size_t i = 0; i < json_array_size(choices); i++) {
        const json_t *m = json_object_get(json_array_get(choices, i), "message");
        const json_t *c = json_object_get(m, "content");
        if (json_is_string(c) && json_string_length(c) > 0)
            variant_add(v, (pl_str){ json_string_value(c), json_string_length(c) });
    }
    /* The views stay valid as long as the arena does. */
    if (pl_arena_defer(a, (void (*)(void *))json_decref, doc) != PL_OK) {
        json_decref(doc);
        v->n = 1;
    }
}

static void variants_of(variants *v, pl_arena *a, pl_str text)
{
    variant_add(v, text);
    if (pl_str_starts(text, PL_STR("\xEF\xBB\xBF"))) {
        text.p += 3;
        text.n -= 3;
        variant_add(v, text);
    }
    variant_lf(v, a, text);
    variant_response(v, a, text);
}

/* --- search --------------------------------------------------------------------------- */

pl_rc pl_trace_text(pl_arena *a, pl_str text, const pl_str *labels, size_t count, pl_str *out,
                    pl_error *err)
{
    char  *nfc = NULL;
    size_t n = 0;
    pl_rc  rc;

    text = pl_textlabel_strip(text, labels, count);
    rc = pl_utf8_nfc(text, &nfc, &n, err);
    if (rc == PL_OK)
        rc = pl_arena_defer(a, free, nfc);
    if (rc == PL_OK)
        *out = (pl_str){ nfc, n };
    return rc;
}

pl_rc pl_trace_source_init(trace_source *s, const pl_instance *i, pl_db *db, const pl_ledger *l,
                           pl_error *err)
{
    pl_rc rc;

    *s = (trace_source){ .instance = i, .db = db, .ledger = l };
    rc = pl_instance_key(i, "index.key", s->index_key, err);
    if (rc == PL_OK)
        rc = pl_instance_vkey(i, &s->vkey, err);
    return rc;
}

/* Newest first; an answer that is not under a checkpoint yet gives way to an older equal one. */
static pl_rc prove_hits(const trace_source *s, pl_arena *a, pl_str text, const trace_hit *hits,
                        size_t count, trace_result *out, pl_error *err)
{
    trace_result r;
    pl_rc        rc = PL_OK;

    for (size_t i = 0; i < count; i++) {
        rc = pl_trace_prove(s, a, text, &hits[i], &r, err);
        if (rc != PL_OK)
            return rc;
        if (i == 0 || r.proof != PL_TRACE_PENDING)
            *out = r;
        if (r.proof != PL_TRACE_PENDING)
            break;
    }
    out->matches = count;
    return rc;
}

static pl_rc search_one(const trace_source *s, pl_arena *a, pl_str text, trace_result *out,
                        pl_error *err)
{
    trace_hit hits[PL_TRACE_HITS_MAX];
    size_t    count = 0;
    uint8_t   key[32];
    pl_rc     rc;

    pl_hmac_sha256(s->index_key, sizeof s->index_key, text, key);
    rc = pl_trace_index_find(s->db, a, key, hits, PL_TRACE_HITS_MAX, &count, err);
    if (rc == PL_OK && count > 0)
        rc = prove_hits(s, a, text, hits, count, out, err);
    return rc;
}

pl_rc pl_trace_search(const trace_source *s, pl_arena *a, pl_str text, trace_result *out,
                      pl_error *err)
{
    pl_str       label[2 * PL_TRACE_LABELS_MAX], canonical;
    size_t       labels = 0, tried = 0;
    variants     v = { .n = 0 };
    trace_result r = { .ledger_index = -1 };
    pl_rc        rc = pl_utf8_valid(text) ? PL_OK : pl_fail(err, PL_INVALID, "text is not UTF-8");

    if (rc == PL_OK)
        rc = labels_load(s, a, label, &labels, err);
    variants_of(&v, a, text);
    /* Each form also with everything that looks like a label left on: a model may have
     * written such words itself on a route whose label is switched off. */
    for (size_t i = 0; i < 2 * v.n && rc == PL_OK && !r.found; i++) {
        rc = pl_trace_text(a, v.text[i / 2], label, i % 2 ? 0 : labels, &canonical, err);
        if (rc != PL_OK || canonical.n == 0)
            continue;
        tried++;
        rc = search_one(s, a, canonical, &r, err);
    }
    if (rc == PL_OK && tried == 0)
        rc = pl_fail(err, PL_INVALID, "no text to trace: nothing is left without label and blanks");
    if (rc == PL_OK)
        *out = r;
    return rc;
}

/* --- the contract's JSON ------------------------------------------------------------ */

static json_t *text_or_null(pl_str s)
{
    return s.n ? json_stringn(s.p, s.n) : json_null();
}

json_t *pl_trace_result_json(const trace_result *r)
{
    static const char *const proof[] = { "verified", "failed", "pending" };
    json_t *o = json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "found", r->found, "service",
                          text_or_null(r->service), "request_id", text_or_null(r->event_id), "time",
                          text_or_null(r->time), "policy", text_or_null(r->policy), "ledger_index",
                          r->ledger_index < 0 ? json_null() : json_integer(r->ledger_index),
                          "proof", r->found ? json_string(proof[r->proof]) : json_null(), "how",
                          "exact");

    if (!o || !r->found)
        return o;
    json_object_set_new(o, "problem", text_or_null(r->problem));
    json_object_set_new(o, "route", text_or_null(r->route));
    json_object_set_new(o, "event_digest", text_or_null(r->digest));
    json_object_set_new(o, "choice", r->choice < 0 ? json_null() : json_integer(r->choice));
    json_object_set_new(o, "matches", json_integer((json_int_t)r->matches));
    if (r->batch_count)
        json_object_set_new(o, "batch",
                            json_pack("{s:I, s:I}", "position", (json_int_t)r->batch_position,
                                      "count", (json_int_t)r->batch_count));
    if (r->tree_size)
        json_object_set_new(o, "checkpoint", json_pack("{s:I, s:o}", "size",
                                                       (json_int_t)r->tree_size, "root",
                                                       text_or_null(r->root)));
    return o;
}
