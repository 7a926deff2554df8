/* A package of given entries, as a call. */
#include "base/banned.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/str.h"
#include "cap/ledger/evidence_int.h"
#include "cap/ledger/ledger_stamp.h"
#include "cap/ledger/pl_evidence_make.h"

typedef struct make {
    pl_ledger             *l;
    const pl_evidence_ask *ask;
    pl_vkey                key;
    pl_checkpoint          head;
    char                  *note;
    char                  *stamp; /* dates the head, or NULL */
    size_t                 stamp_n;
    evidence_choice        choice;
    pl_evidence_builder   *b;
    size_t                 payloads;
} make;

static void no_progress(void *ctx, uint64_t done, uint64_t total)
{
    (void)ctx, (void)done, (void)total;
}

/* The entries as the list that evidence_choose reads. */
static pl_rc choose(make *m, pl_error *err)
{
    pl_buf          list = PL_BUF_INIT(PL_EVIDENCE_ENTRIES_MAX * 12);
    evidence_filter f = { 0 };
    pl_rc           rc;

    for (size_t i = 0; i < m->ask->n; i++)
        pl_buf_printf(&list, "%s%llu", i ? "," : "", (unsigned long long)m->ask->entries[i]);
    rc = pl_buf_check(&list, err);
    f.indexes = list.p;
    if (rc == PL_OK)
        rc = evidence_choose(pl_ledger_dir(m->l), m->head.size, &f, no_progress, NULL, &m->choice, err);
    pl_buf_done(&list);
    return rc;
}

/* Without a dated head that holds them all the package is about the newest one. */
static pl_rc date(make *m, pl_error *err)
{
    stamp_head s;
    pl_rc      rc = pl_stamp_find(pl_ledger_dir(m->l), &m->key, m->choice.index[m->choice.n - 1],
                                  m->head.size, &s, err);

    if (rc != PL_OK)
        return rc == PL_NOTFOUND ? PL_OK : rc;
    free(m->note);
    m->note = s.note;
    m->head = s.head;
    m->stamp = s.response;
    m->stamp_n = s.n;
    return PL_OK;
}

static pl_rc payload_put(make *m, const char *hex, pl_error *err)
{
    uint8_t digest[32];
    char   *bytes = NULL;
    size_t  n = 0;
    pl_rc   rc;

    if (pl_hex_decode(pl_str_z(hex), digest, sizeof digest, NULL) != PL_OK)
        return PL_OK;
    rc = pl_ledger_payload_get(pl_ledger_dir(m->l), digest, PL_EVIDENCE_MAX, &bytes, &n, err);
    if (rc == PL_NOTFOUND) /* deleted, or kept elsewhere: the statement stands without it */
        return PL_OK;
    if (rc == PL_OK)
        rc = pl_evidence_builder_payload(m->b, (pl_str){ bytes, n }, err);
    m->payloads += rc == PL_OK;
    free(bytes);
    return rc;
}

/* Every digest of a payload, wherever it stands in the predicate, once. */
static pl_rc payloads_find(make *m, const json_t *j, json_t *seen, unsigned depth, pl_error *err)
{
    const char   *key;
    const json_t *v;
    size_t        i;
    pl_rc         rc = PL_OK;

    if (depth > 8)
        return PL_OK;
    if (json_is_array(j))
        json_array_foreach((json_t *)(uintptr_t)j, i, v) {
            rc = payloads_find(m, v, seen, depth + 1, err);
            if (rc != PL_OK)
                return rc;
        }
    json_object_foreach((json_t *)(uintptr_t)j, key, v) {
        const char *hex = json_string_value(v);
        bool is_digest = strcmp(key, "payload_sha256") == 0 || strcmp(key, "sha256") == 0;

        if (hex != NULL && is_digest && json_object_get(seen, hex) == NULL) {
            (void)json_object_set_new(seen, hex, json_true());
            rc = payload_put(m, hex, err);
        } else if (hex == NULL) {
            rc = payloads_find(m, v, seen, depth + 1, err);
        }
        if (rc != PL_OK)
            return rc;
    }
    return rc;
}

static pl_rc payloads_add(make *m, pl_str entry, pl_error *err)
{
    json_t        *statement = NULL, *seen = json_object();
    statement_view v;
    pl_rc          rc = PL_OK;

    if (pl_statement_of(entry, &statement, &v, NULL) == PL_OK)
        rc = payloads_find(m, v.predicate, seen, 0, err);
    json_decref(statement);
    json_decref(seen);
    return rc;
}

static pl_rc entry_add(make *m, size_t i, pl_error *err)
{
    bool     claim = m->choice.is_claim[i];
    char    *entry = NULL;
    size_t   n = 0;
    pl_proof proof;
    pl_rc    rc = pl_ledger_entry(m->l, m->choice.index[i], &entry, &n, err);

    if (rc == PL_OK)
        rc = pl_ledger_inclusion(m->l, m->choice.index[i], m->head.size, &proof, err);
    if (rc == PL_OK)
        rc = pl_evidence_builder_entry(m->b, m->choice.index[i],
                                       claim ? PL_EVIDENCE_CLAIM : PL_EVIDENCE_KEY,
                                       (pl_str){ entry, n }, &proof, err);
    if (rc == PL_OK && claim)
        rc = payloads_add(m, (pl_str){ entry, n }, err);
    free(entry);
    return rc;
}

static pl_rc build(make *m, void **package, size_t *n, pl_error *err)
{
    char              vkey[PL_VKEY_TEXT_MAX];
    pl_evidence_facts f = { .note = pl_str_z(m->note), .to = pl_str_z(m->ask->to),
                            .reason = pl_str_z(m->ask->reason), .now_ms = m->ask->now_ms };
    pl_rc             rc = pl_vkey_format(&m->key, vkey, sizeof vkey, err);

    f.vkey = pl_str_z(vkey);
    if (rc == PL_OK)
        rc = pl_evidence_builder_new(&f, &m->b, err);
    for (size_t i = 0; rc == PL_OK && i < m->choice.n; i++)
        rc = entry_add(m, i, err);
    if (rc == PL_OK && m->stamp != NULL)
        rc = pl_evidence_builder_timestamp(m->b, (pl_str){ m->stamp, m->stamp_n }, err);
    return rc == PL_OK ? pl_evidence_builder_finish(m->b, package, n, err) : rc;
}

/* Nobody gets a package that we would not accept ourselves. */
static pl_rc self_check(const make *m, pl_str package, pl_error *err)
{
    pl_evidence_check how = { .key = &m->key };
    char             *report = NULL;
    int               ok = 0;
    pl_rc             rc = pl_evidence_verify(package, &how, &ok, &report, err);

    free(report);
    return rc == PL_OK && !ok ? pl_fail(err, PL_IO, "the package made would not hold") : rc;
}

static pl_rc custody(const make *m, const pl_signer *s, pl_str package, pl_error *err)
{
    evidence_custody k = { .bytes = package.n, .entries = m->ask->entries, .n = m->ask->n,
                           .to = m->ask->to, .reason = m->ask->reason, .with_payloads = m->payloads > 0 };
    json_t          *predicate;
    uint64_t         index;
    pl_rc            rc;

    pl_sha256_of(package, k.sha256);
    predicate = evidence_custody_json(&k);
    rc = predicate ? evidence_custody_record(m->l, s, m->ask->service, predicate, m->ask->by,
                                             m->ask->now_ms, &index, err)
                   : pl_fail(err, PL_NOMEM, "out of memory");
    json_decref(predicate);
    return rc;
}

pl_rc pl_evidence_make(pl_ledger *l, const pl_signer *s, const pl_evidence_ask *ask, void **package,
                       size_t *n, pl_error *err)
{
    make   m = { .l = l, .ask = ask, .key = *pl_signer_key(s, 0) };
    void  *made = NULL;
    size_t made_n = 0;
    pl_rc  rc = pl_ledger_publish(l, err);

    if (rc == PL_OK)
        rc = pl_ledger_head_note(l, &m.key, &m.head, &m.note, err);
    if (rc == PL_OK)
        rc = choose(&m, err);
    if (rc == PL_OK)
        rc = date(&m, err);
    if (rc == PL_OK)
        rc = build(&m, &made, &made_n, err);
    if (rc == PL_OK)
        rc = self_check(&m, (pl_str){ made, made_n }, err);
    if (rc == PL_OK)
        rc = custody(&m, s, (pl_str){ made, made_n }, err);
    pl_evidence_builder_free(m.b);
    evidence_choice_done(&m.choice);
    free(m.note);
    free(m.stamp);
    if (rc != PL_OK) {
        free(made);
        return rc;
    }
    *package = made;
    *n = made_n;
    return PL_OK;
}
