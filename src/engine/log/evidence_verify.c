/* Checks a package. Each step says what it looked at; a step that cannot be taken is unknown, not
 * passed. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "engine/log/evidence_int.h"

#include <plumbline/keylife.h>

#define LOG_NAME(c)   (c)->head.origin
#define SENTENCE_MAX  600

typedef struct check {
    const pl_evidence_check *how;
    tar                      files;
    evidence_index           index;
    evidence_report          report;
    pl_str                   note;
    pl_vkey                  key; /* of the log */
    pl_checkpoint            head;
    pl_key_history          *keys;
    size_t                   used;      /* members the index accounts for */
    size_t                   payloads;  /* checked                        */
    int64_t                  claimed_ms; /* latest time a signer claims   */
    int64_t                  seen_ms;    /* earliest time somebody else vouches for, 0 none */
    char                     seen_by[300];
} check;

static json_t *list(check *c, const char *name)
{
    return json_object_get(c->report.json, name);
}

static void say(check *c, const char *question, step_state state, const char *en, const char *zh,
                ...) __attribute__((format(printf, 4, 6), format(printf, 5, 6)));
static void say(check *c, const char *question, step_state state, const char *en, const char *zh,
                ...)
{
    char    a[SENTENCE_MAX], b[SENTENCE_MAX];
    va_list ap, again;

    va_start(ap, zh);
    va_copy(again, ap);
    (void)vsnprintf(a, sizeof a, en, ap);
    (void)vsnprintf(b, sizeof b, zh, again);
    va_end(again);
    va_end(ap);
    pl_report_step(&c->report, question, state, a, b);
}

static size_t problems(const check *c)
{
    return pl_report_problems(&c->report);
}

/* --- whose log ------------------------------------------------------------------------- */

static pl_rc log_key(check *c, pl_error *err)
{
    pl_vkey own;
    pl_rc   rc = pl_vkey_parse(c->index.vkey, &own, err);

    if (rc != PL_OK)
        return rc;
    c->key = c->how->key ? *c->how->key : own;
    (void)json_object_set_new(c->report.json, "key_from",
                              json_string(c->how->key ? "option" : "package"));
    return PL_OK;
}

/* The checkpoint is judged once the key events are known: a log may have changed its key. */
static bool head_check(check *c)
{
    pl_error err;
    char     hex[65], text[PL_VKEY_TEXT_MAX];

    pl_vkey_fingerprint(&c->key, hex);
    if (pl_vkey_format(&c->key, text, sizeof text, NULL) == PL_OK)
        (void)json_object_set_new(c->report.json, "key", json_string(text));
    if (pl_key_history_checkpoint(c->keys, c->note, &c->head, &err) != PL_OK) {
        pl_report_problem(&c->report, "checkpoint: %s", err.text);
        say(c, "signed", STEP_BAD, "the log's checkpoint is not signed by key %.16s: %s",
            "账本检查点未由密钥 %.16s 签名：%s", hex, err.text);
        return false;
    }
    (void)json_object_set_new(c->report.json, "origin", json_string(LOG_NAME(c)));
    (void)json_object_set_new(c->report.json, "size", json_integer((json_int_t)c->head.size));
    if (c->how->key)
        say(c, "signed", STEP_OK, "the log '%s', %llu entries long, is signed by the key given (%.16s)",
            "账本“%s”（%llu 条）由给定的密钥（%.16s）签名", LOG_NAME(c),
            (unsigned long long)c->head.size, hex);
    else
        say(c, "signed", STEP_UNKNOWN,
            "the log '%s', %llu entries long, is signed by key %.16s, which came with the package: "
            "compare it with what its owner publishes",
            "账本“%s”（%llu 条）由密钥 %.16s 签名；该密钥来自证据包本身，请与其所有者公布的比对",
            LOG_NAME(c), (unsigned long long)c->head.size, hex);
    return true;
}

/* --- entries ----------------------------------------------------------------------------- */

static pl_rc entry_bytes(check *c, const evidence_entry *e, const char *kind, pl_str *out,
                         pl_error *err)
{
    char name[TAR_NAME_MAX];

    pl_evidence_entry_name(e->index, kind, name);
    return pl_tar_find(&c->files, name, out, err);
}

static pl_rc inclusion_check(check *c, const evidence_entry *e, pl_str entry, pl_error *err)
{
    pl_tlog_proof p;
    pl_hash       leaf = pl_merkle_leaf(entry);
    pl_str        text;
    pl_rc         rc = entry_bytes(c, e, "tlog-proof", &text, err);

    if (rc == PL_OK)
        rc = pl_tlog_proof_parse(text, &p, err);
    if (rc == PL_OK && (p.index != e->index || !pl_str_eq(p.note, c->note)))
        rc = pl_fail(err, PL_INVALID, "its proof is for another entry or checkpoint");
    if (rc == PL_OK)
        rc = pl_merkle_inclusion_verify(e->index, c->head.size, &leaf, &p.proof, &c->head.root, err);
    return rc;
}

static void signer_add(check *c, const pl_key_life *life)
{
    json_t *signers = list(c, "signers"), *s;
    char    hex[65];
    size_t  i;

    pl_vkey_fingerprint(&life->key, hex);
    json_array_foreach(signers, i, s)
        if (strcmp(json_string_value(json_object_get(s, "keyid")), hex) == 0) {
            json_t *n = json_object_get(s, "statements");

            (void)json_integer_set(n, json_integer_value(n) + 1);
            return;
        }
    c->report.failed |=
        json_array_append_new(signers, json_pack("{s:s, s:s, s:s, s:i, s:s}", "name",
                                                 life->key.name, "keyid", hex, "alg",
                                                 pl_key_alg_name(life->key.alg), "statements", 1,
                                                 "end", life->end)) != 0;
}

/* One of the keys that signed must have been alive at that place in the log. */
static pl_rc signers_check(check *c, const evidence_entry *e, const pl_dsse *d, pl_error *err)
{
    pl_rc rc = PL_INVALID;

    for (size_t i = 0; i < d->nsigners; i++) {
        const pl_key_life *life = pl_key_history_get(c->keys, d->signer[i]);

        if (pl_key_life_check(life, e->index, err) == PL_OK) {
            signer_add(c, life);
            rc = PL_OK;
        }
    }
    return rc;
}

static void facts_of(check *c, json_t *o, const json_t *statement)
{
    static const char *const times[] = { "time", "at", "from", "to" };
    const json_t *predicate = json_object_get(statement, "predicate");
    const json_t *subject = json_array_get(json_object_get(statement, "subject"), 0);
    int64_t       latest = 0, ms;
    char          text[25];

    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        const json_t *v = json_object_get(predicate, times[i]);

        if (json_is_string(v) &&
            pl_time_parse(pl_str_z(json_string_value(v)), &ms, NULL) == PL_OK && ms > latest)
            latest = ms;
    }
    (void)json_object_set(o, "type", json_object_get(statement, "predicateType"));
    (void)json_object_set(o, "subject", json_object_get(subject, "name"));
    if (latest > 0) {
        pl_time_format(latest, text);
        (void)json_object_set_new(o, "claimed_time", json_string(text));
    }
    if (latest > c->claimed_ms)
        c->claimed_ms = latest;
}

static pl_rc statement_check(check *c, const evidence_entry *e, pl_str entry, json_t *o,
                             json_t **statement, pl_error *err)
{
    pl_dsse d;
    pl_rc   rc = pl_dsse_open(entry, pl_key_history_keys(c->keys), pl_key_history_count(c->keys),
                              &d, err);

    if (rc != PL_OK)
        return rc;
    if (strcmp(d.payload_type, PL_DSSE_INTOTO) != 0)
        rc = pl_fail(err, PL_INVALID, "payload type is '%.80s'", d.payload_type);
    if (rc == PL_OK)
        rc = signers_check(c, e, &d, err);
    if (rc == PL_OK)
        rc = pl_json_parse((pl_str){ d.payload, d.payload_n }, "statement", statement, err);
    if (rc == PL_OK)
        facts_of(c, o, *statement);
    if (rc == PL_OK) {
        (void)json_object_set(o, "statement", *statement);
        (void)json_object_set_new(o, "signer", json_string(d.keyid));
    }
    pl_dsse_done(&d);
    return rc;
}

/* --- payloads ------------------------------------------------------------------------------ */

static pl_rc payload_find(check *c, const char *hex, pl_str *out, pl_error *err)
{
    char    name[TAR_NAME_MAX], got[65];
    uint8_t digest[32];
    pl_rc   rc;

    pl_evidence_payload_name(hex, name);
    rc = pl_tar_find(&c->files, name, out, err);
    if (rc != PL_OK)
        return rc;
    pl_sha256_of(*out, digest);
    pl_hex(digest, sizeof digest, got);
    if (strcmp(got, hex) != 0)
        return pl_fail(err, PL_INVALID, "payload %.16s… was changed", hex);
    return PL_OK;
}

/* Whether the statement says this digest anywhere. What it does not bind proves nothing. */
static bool statement_names(const json_t *v, const char *hex)
{
    const char *key;
    json_t     *m;
    size_t      i;

    if (json_is_string(v))
        return strcmp(json_string_value(v), hex) == 0;
    json_array_foreach((json_t *)(uintptr_t)v, i, m)
        if (statement_names(m, hex))
            return true;
    json_object_foreach((json_t *)(uintptr_t)v, key, m)
        if (statement_names(m, hex))
            return true;
    return false;
}

static void payload_say(check *c, json_t *o, const char *hex, const char *kind, const pl_error *bad)
{
    json_t *payloads = json_object_get(o, "payloads");

    if (payloads == NULL) {
        payloads = json_array();
        (void)json_object_set_new(o, "payloads", payloads);
    }
    c->report.failed |=
        json_array_append_new(payloads, json_pack("{s:s, s:s, s:b}", "sha256", hex, "kind", kind,
                                                  "holds", bad == NULL)) != 0;
    if (bad)
        pl_report_problem(&c->report, "entry %lld: %s",
                          (long long)json_integer_value(json_object_get(o, "index")), bad->text);
    else
        c->payloads++;
}

static void payloads_check(check *c, const evidence_entry *e, json_t *o, const json_t *statement)
{
    const json_t *v;
    pl_error      err;
    pl_str        bytes;
    size_t        i;

    json_array_foreach(e->payloads, i, v) {
        const char *hex = json_string_value(v);
        pl_rc       rc = payload_find(c, hex, &bytes, &err);

        if (rc == PL_OK && !statement_names(statement, hex))
            rc = pl_fail(&err, PL_INVALID, "payload %.16s… is not bound by the statement", hex);
        payload_say(c, o, hex, "payload", rc == PL_OK ? NULL : &err);
    }
}

static void openings_check(check *c, const evidence_entry *e, json_t *o, const json_t *statement)
{
    for (size_t i = 0; i < e->nopenings; i++) {
        const evidence_opening *p = &e->openings[i];
        pl_error                err;
        pl_str                  bytes;
        pl_rc                   rc = payload_find(c, p->payload, &bytes, &err);

        if (rc == PL_OK) {
            pl_hash commitment = pl_commit(p->salt, bytes);
            char    hex[65];

            pl_hex(commitment.b, sizeof commitment.b, hex);
            if (!statement_names(statement, hex))
                rc = pl_fail(&err, PL_INVALID,
                             "what is disclosed does not fit the statement's commitment");
        }
        payload_say(c, o, p->payload, "opening", rc == PL_OK ? NULL : &err);
    }
}

static void entry_check(check *c, const evidence_entry *e)
{
    json_t  *o = json_pack("{s:I, s:s, s:b}", "index", (json_int_t)e->index, "role",
                           e->role == PL_EVIDENCE_KEY ? "key" : "claim", "holds", 0);
    json_t  *statement = NULL;
    size_t   before = problems(c);
    pl_str   entry;
    pl_error err;
    pl_rc    rc = o ? entry_bytes(c, e, "json", &entry, &err) : pl_fail(&err, PL_NOMEM, "memory");

    if (rc == PL_OK)
        rc = inclusion_check(c, e, entry, &err);
    if (rc == PL_OK)
        rc = statement_check(c, e, entry, o, &statement, &err);
    if (rc != PL_OK) {
        pl_report_problem(&c->report, "entry %llu: %s", (unsigned long long)e->index, err.text);
    } else {
        payloads_check(c, e, o, statement);
        openings_check(c, e, o, statement);
    }
    if (problems(c) == before)
        (void)json_object_set_new(o, "holds", json_true());
    json_decref(statement);
    c->report.failed |= json_array_append_new(list(c, "entries"), o) != 0;
}

/* Events must be judged together before any entry is. */
static pl_rc keys_collect(check *c, pl_error *err)
{
    pl_rc rc = pl_key_history_new(&c->key, &c->keys, err);

    for (size_t i = 0; rc == PL_OK && i < c->index.n; i++) {
        pl_str entry;

        if (entry_bytes(c, &c->index.entry[i], "json", &entry, NULL) == PL_OK &&
            pl_key_event_maybe(entry))
            (void)pl_key_history_put(c->keys, c->index.entry[i].index, entry, NULL);
    }
    return rc == PL_OK ? pl_key_history_resolve(c->keys, err) : rc;
}

/* What the index does not speak of has no business in a package. */
static void members_check(check *c)
{
    size_t      expected = 3 + 2 * c->index.n + c->index.timestamps + (c->index.has_trust ? 1 : 0);
    json_t     *named = json_object();
    const json_t *v;
    size_t      k;

    for (size_t i = 0; i < c->index.n; i++) {
        const evidence_entry *e = &c->index.entry[i];

        json_array_foreach(e->payloads, k, v)
            (void)json_object_set_new(named, json_string_value(v), json_true());
        for (k = 0; k < e->nopenings; k++)
            (void)json_object_set_new(named, e->openings[k].payload, json_true());
    }
    expected += json_object_size(named);
    json_decref(named);
    if (c->files.n != expected)
        pl_report_problem(&c->report, "package holds %zu files, its index speaks of %zu",
                          c->files.n, expected);
}

static void entries_check(check *c)
{
    size_t before = problems(c);

    members_check(c);
    for (size_t i = 0; i < c->index.n; i++)
        entry_check(c, &c->index.entry[i]);
    if (problems(c) != before) {
        say(c, "intact", STEP_BAD, "something does not hold: %zu problems in %zu entries",
            "存在问题：%zu 处，共 %zu 条声明", problems(c) - before, c->index.n);
        return;
    }
    say(c, "intact", STEP_OK,
        "intact: all %zu statements are in that log, byte for byte, and their signatures hold",
        "完整：%zu 条声明均逐字节存在于该账本中，签名有效", c->index.n);
    if (c->payloads > 0)
        say(c, "intact", STEP_OK, "%zu files that the statements bind by digest are unchanged",
            "声明以摘要绑定的 %zu 个文件未被改动", c->payloads);
}

static void signers_say(check *c)
{
    json_t *s;
    size_t  i;

    json_array_foreach(list(c, "signers"), i, s)
        say(c, "signed", STEP_OK, "%lld statements are signed by '%s' (%.16s, %s)",
            "%lld 条声明由“%s”（%.16s，%s）签名",
            (long long)json_integer_value(json_object_get(s, "statements")),
            json_string_value(json_object_get(s, "name")),
            json_string_value(json_object_get(s, "keyid")),
            json_string_value(json_object_get(s, "alg")));
}

/* --- witnesses ------------------------------------------------------------------------------- */

static void seen_at(check *c, int64_t ms, const char *by)
{
    if (c->seen_ms == 0 || ms < c->seen_ms) {
        c->seen_ms = ms;
        (void)snprintf(c->seen_by, sizeof c->seen_by, "%s", by);
    }
}

/* Anybody can name witnesses of his own: only those of a policy the reader chose count. */
static void witness_say(check *c, const pl_trust_witness *w, int64_t time_s)
{
    char time[25];

    pl_time_format(time_s * 1000, time);
    say(c, "witnessed", c->how->trust ? STEP_OK : STEP_UNKNOWN, "witness '%s' saw this log at %s",
        "见证方“%s”于 %s 见到该账本", w->name, time);
    c->report.failed |= json_array_append_new(list(c, "witnesses"),
                                              json_pack("{s:s, s:s}", "name", w->name, "time",
                                                        time)) != 0;
    if (c->how->trust)
        seen_at(c, time_s * 1000, w->name);
}

static void quorum_say(check *c, const pl_trust_verdict *v)
{
    if (!c->how->trust)
        say(c, "witnessed", STEP_UNKNOWN,
            "the witnesses are named by the package itself: to rely on them, give a policy of yours",
            "见证方由证据包自行列出；如需采信，请给出您自己的见证策略");
    else if (v->is_met)
        say(c, "witnessed", STEP_OK, "as many witnesses as your policy asks for have seen this log",
            "已有符合您策略要求的见证方见到该账本");
    else {
        pl_report_problem(&c->report, "the witnesses that the policy asks for have not all cosigned");
        say(c, "witnessed", STEP_BAD, "fewer witnesses than your policy asks for have seen this log",
            "见到该账本的见证方未达到您策略的要求");
    }
}

static void trust_judge(check *c, const pl_trust *t)
{
    pl_trust_verdict v;
    pl_error         err;

    if (pl_trust_judge(t, c->note, &v, &err) != PL_OK) {
        pl_report_problem(&c->report, "checkpoint: %s", err.text);
        say(c, "witnessed", STEP_BAD, "a cosignature does not hold: %s", "见证副署无效：%s", err.text);
        return;
    }
    for (size_t i = 0; i < pl_trust_witness_count(t); i++)
        if (v.time_s[i] != PL_COSIGNED_NOT)
            witness_say(c, pl_trust_witness_get(t, i), v.time_s[i]);
    if (v.seen == 0)
        say(c, "witnessed", STEP_UNKNOWN, "no witness has cosigned this log", "没有见证方副署该账本");
    (void)json_object_set_new(c->report.json, "quorum", json_boolean(v.is_met));
    quorum_say(c, &v);
}

static void witnesses_check(check *c)
{
    pl_trust *own = NULL;
    pl_str    text;
    pl_error  err;

    (void)json_object_set_new(c->report.json, "trust_from",
                              json_string(c->how->trust ? "option" : "package"));
    if (c->how->trust) {
        trust_judge(c, c->how->trust);
    } else if (!c->index.has_trust) {
        say(c, "witnessed", STEP_UNKNOWN, "the package names no witness of the log",
            "证据包未列出该账本的见证方");
    } else if (pl_tar_find(&c->files, "trust-policy", &text, &err) != PL_OK ||
               pl_trust_parse(text, &own, &err) != PL_OK) {
        pl_report_problem(&c->report, "trust-policy: %s", err.text);
    } else {
        trust_judge(c, own);
    }
    pl_trust_free(own);
}

/* --- time ------------------------------------------------------------------------------------- */

static void stamp_say(check *c, size_t i, const timestamp_facts *f)
{
    char time[25];

    pl_time_format(f->time_ms, time);
    if (f->is_trusted) {
        say(c, "time", STEP_OK, "time stamp %zu: the log was like this at %s, says '%s'",
            "时间戳 %zu：账本于 %s 即为此状（签发者“%s”）", i, time, f->signer);
        seen_at(c, f->time_ms, f->signer);
        return;
    }
    say(c, "time", STEP_UNKNOWN,
        "time stamp %zu says %s, by '%s', whose certificate leads to none of the authorities given",
        "时间戳 %zu 为 %s，签发者“%s”，其证书未链接到给定的根证书", i, time, f->signer);
}

static void stamps_check(check *c)
{
    pl_str          stamped, response;
    timestamp_facts f;
    pl_error        err;

    for (size_t i = 0; i < c->index.timestamps; i++) {
        char  name[TAR_NAME_MAX];
        pl_rc rc = pl_evidence_stamped(c->note, &stamped, &err);

        pl_evidence_timestamp_name(i, name);
        if (rc == PL_OK)
            rc = pl_tar_find(&c->files, name, &response, &err);
        if (rc == PL_OK)
            rc = pl_timestamp_verify(response, stamped, c->how->tsa_roots, &f, &err);
        if (rc == PL_OK) {
            stamp_say(c, i, &f);
        } else if (rc == PL_DENIED) {
            say(c, "time", STEP_UNKNOWN, "time stamp %zu was not checked: %s", "时间戳 %zu 未核验：%s",
                i, err.text);
        } else {
            pl_report_problem(&c->report, "%s: %s", name, err.text);
            say(c, "time", STEP_BAD, "time stamp %zu does not hold: %s", "时间戳 %zu 无效：%s", i,
                err.text);
        }
    }
}

static void time_check(check *c)
{
    char time[25];

    stamps_check(c);
    if (c->seen_ms > 0) {
        pl_time_format(c->seen_ms, time);
        (void)json_object_set_new(c->report.json, "latest_time", json_string(time));
        (void)json_object_set_new(c->report.json, "latest_time_from", json_string(c->seen_by));
        say(c, "time", STEP_OK, "the statements were there at %s at the latest, says '%s'",
            "这些声明最迟于 %s 已存在（据“%s”）", time, c->seen_by);
    } else if (c->claimed_ms > 0) {
        pl_time_format(c->claimed_ms, time);
        (void)json_object_set_new(c->report.json, "latest_time", json_string(time));
        (void)json_object_set_new(c->report.json, "latest_time_from", json_string("claim"));
        say(c, "time", STEP_UNKNOWN,
            "the signers claim times up to %s; nobody whom you trust vouches for that",
            "签名者自称时间至 %s；没有您信任的第三方佐证", time);
    } else {
        say(c, "time", STEP_UNKNOWN, "no time is claimed, and nobody vouches for one",
            "没有声明任何时间，也没有第三方佐证");
    }
}

/* --- the whole ---------------------------------------------------------------------------------- */

static pl_rc package_open(check *c, pl_str package, pl_error *err)
{
    pl_str text;
    pl_rc  rc = pl_tar_open(package, &c->files, err);

    if (rc == PL_OK)
        rc = pl_tar_find(&c->files, "index.json", &text, err);
    if (rc == PL_OK)
        rc = pl_evidence_index_parse(text, &c->index, err);
    if (rc == PL_OK)
        rc = pl_tar_find(&c->files, "checkpoint", &c->note, err);
    if (rc == PL_OK)
        rc = log_key(c, err);
    if (rc == PL_OK)
        rc = keys_collect(c, err);
    return rc == PL_NOTFOUND ? pl_fail(err, PL_INVALID, "not an evidence package") : rc;
}

static pl_rc run(check *c, int *ok, char **report, pl_error *err)
{
    char hex[65];

    (void)json_object_set_new(c->report.json, "purpose",
                              json_pack("{s:s%, s:s%, s:s%}", "to", c->index.to.p, c->index.to.n,
                                        "reason", c->index.reason.p, c->index.reason.n, "created",
                                        c->index.created.p, c->index.created.n));
    if (head_check(c)) {
        pl_hex(c->head.root.b, sizeof c->head.root.b, hex);
        (void)json_object_set_new(c->report.json, "root", json_string(hex));
        entries_check(c);
        signers_say(c);
        witnesses_check(c);
        time_check(c);
    }
    pl_report_limits(&c->report);
    *ok = problems(c) == 0;
    (void)json_object_set_new(c->report.json, "ok", json_boolean(*ok));
    *report = c->report.failed ? NULL : pl_json_dump(c->report.json);
    return *report ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory for the report");
}

pl_rc pl_evidence_verify(pl_str package, const pl_evidence_check *how, int *ok, char **report,
                         pl_error *err)
{
    check c = { .how = how };
    pl_rc rc = pl_report_init(&c.report, err);

    if (rc == PL_OK)
        rc = package_open(&c, package, err);
    if (rc == PL_OK)
        rc = run(&c, ok, report, err);
    pl_key_history_free(c.keys);
    pl_evidence_index_done(&c.index);
    pl_tar_done(&c.files);
    json_decref(c.report.json);
    return rc;
}
