/* plumbline evidence export and verify. verify: 0 holds, 1 does not, 4 not a package. */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/instance.h"
#include "cap/ledger/pl_evidence_anchors.h"
#include "cap/ledger/evidence_int.h"
#include "cap/ledger/ledger_stamp.h"

#define SMALL_MAX (1u << 20)

static const char *option(pl_cmd_ctx *c, const char *name)
{
    return c->opt(c->host, name);
}

static int usage(pl_cmd_ctx *c, const char *en, const char *zh)
{
    (void)fprintf(c->err, "plumbline: %s\n", pl_cmd_say(c, en, zh));
    return PL_EXIT_USAGE;
}

/* --- verify -------------------------------------------------------------------------------- */

static pl_rc report_print(pl_cmd_ctx *c, const char *report, pl_error *err)
{
    unsigned flags = (c->lang && c->lang[0] == 'z' ? PL_EVIDENCE_ZH : 0u) |
                     (c->color ? PL_EVIDENCE_COLOR : 0u);
    char    *text = NULL;
    pl_rc    rc;

    if (c->json) {
        (void)fprintf(c->out, "%s\n", report);
        return PL_OK;
    }
    rc = pl_evidence_explain(pl_str_z(report), flags, &text, err);
    if (rc == PL_OK)
        (void)fputs(text, c->out);
    free(text);
    return rc;
}

int pl_evidence_cmd_verify(pl_cmd_ctx *c)
{
    evidence_anchors a = { option(c, "key"), option(c, "trust"), option(c, "tsa-roots") };
    char            *report = NULL;
    int              ok = 0, code;
    pl_error         err;
    pl_rc            rc = evidence_file_verify(c->argv[0], &a, &ok, &report, &err);

    if (rc == PL_OK)
        rc = report_print(c, report, &err);
    code = rc != PL_OK ? pl_cmd_fail(c, &err) : ok ? PL_EXIT_OK : PL_EXIT_FOUND;
    free(report);
    return code;
}

/* --- export ---------------------------------------------------------------------------------- */

typedef struct export {
    pl_cmd_ctx          *c;
    cmd_log              log;
    pl_ledger           *l;
    pl_checkpoint        head;
    char                *note;
    evidence_choice      choice;
    pl_evidence_builder *b;
    bool                 payloads;
    size_t               payloads_in, payloads_gone;
    char                *stamp; /* over the head, or NULL */
    size_t               stamp_n;
    int64_t              stamp_ms;
    void                *package;
    size_t               n;
} export;

static void export_done(export *x)
{
    pl_evidence_builder_free(x->b);
    evidence_choice_done(&x->choice);
    free(x->note);
    free(x->stamp);
    free(x->package);
    pl_ledger_close(x->l);
    pl_ledger_log_done(&x->log);
}

static pl_rc builder_open(export *x, pl_error *err)
{
    const char       *trust = option(x->c, "trust");
    char              vkey[PL_VKEY_TEXT_MAX], *policy = NULL;
    size_t            n = 0;
    pl_evidence_facts f = { .note = pl_str_z(x->note), .to = pl_str_z(option(x->c, "to")),
                            .reason = pl_str_z(option(x->c, "reason")), .now_ms = x->c->now_ms };
    pl_rc             rc = pl_vkey_format(&x->log.key, vkey, sizeof vkey, err);

    f.vkey = pl_str_z(vkey);
    if (rc == PL_OK && trust)
        rc = pl_file_read(trust, SMALL_MAX, &policy, &n, err);
    f.trust = (pl_str){ policy ? policy : "", n };
    if (rc == PL_OK)
        rc = pl_evidence_builder_new(&f, &x->b, err);
    free(policy);
    return rc;
}

static pl_rc payload_add(export *x, const json_t *predicate, pl_error *err)
{
    pl_str  hex = PL_STR("");
    uint8_t digest[32];
    char   *bytes = NULL;
    size_t  n = 0;
    pl_rc   rc;

    if (pl_json_get_str(predicate, "payload_sha256", true, &hex, NULL) != PL_OK ||
        pl_hex_decode(hex, digest, sizeof digest, NULL) != PL_OK)
        return PL_OK;
    rc = pl_ledger_payload_get(x->log.dir, digest, PL_EVIDENCE_MAX, &bytes, &n, err);
    if (rc == PL_NOTFOUND) { /* deleted, or kept elsewhere: the statement stands without it */
        x->payloads_gone++;
        return PL_OK;
    }
    if (rc == PL_OK)
        rc = pl_evidence_builder_payload(x->b, (pl_str){ bytes, n }, err);
    x->payloads_in += rc == PL_OK;
    free(bytes);
    return rc;
}

static pl_rc payloads_add(export *x, pl_str entry, pl_error *err)
{
    json_t        *statement = NULL;
    statement_view v;
    pl_rc          rc = PL_OK;

    if (pl_statement_of(entry, &statement, &v, NULL) == PL_OK)
        rc = payload_add(x, v.predicate, err);
    json_decref(statement);
    return rc;
}

static pl_rc entry_add(export *x, size_t i, pl_error *err)
{
    bool     claim = x->choice.is_claim[i];
    char    *entry = NULL;
    size_t   n = 0;
    pl_proof proof;
    pl_rc    rc = pl_ledger_entry(x->l, x->choice.index[i], &entry, &n, err);

    if (rc == PL_OK)
        rc = pl_ledger_inclusion(x->l, x->choice.index[i], x->head.size, &proof, err);
    if (rc == PL_OK)
        rc = pl_evidence_builder_entry(x->b, x->choice.index[i],
                                       claim ? PL_EVIDENCE_CLAIM : PL_EVIDENCE_KEY,
                                       (pl_str){ entry, n }, &proof, err);
    if (rc == PL_OK && claim && x->payloads)
        rc = payloads_add(x, (pl_str){ entry, n }, err);
    free(entry);
    return rc;
}

/* --- time stamps ---------------------------------------------------------------------------- */

/* Without a dated head the package is about the newest one. */
static pl_rc dated_head_choose(export *x, pl_error *err)
{
    stamp_head s;
    pl_rc      rc = pl_stamp_find(x->log.dir, &x->log.key, x->choice.index[x->choice.n - 1],
                                  x->head.size, &s, err);

    if (rc != PL_OK)
        return rc == PL_NOTFOUND ? PL_OK : rc;
    free(x->note);
    x->note = s.note;
    x->head = s.head;
    x->stamp = s.response;
    x->stamp_n = s.n;
    x->stamp_ms = s.time_ms;
    return PL_OK;
}

static pl_rc stamp_given(export *x, const char *path, pl_error *err)
{
    timestamp_facts f;
    pl_rc           rc = pl_file_read(path, SMALL_MAX, &x->stamp, &x->stamp_n, err);

    if (rc == PL_OK)
        rc = pl_stamp_check(pl_str_z(x->note), (pl_str){ x->stamp, x->stamp_n }, PL_STR(""), &f,
                            err);
    x->stamp_ms = f.time_ms;
    return rc;
}

static pl_rc timestamp_choose(export *x, pl_error *err)
{
    const char *path = option(x->c, "timestamp");

    if (path != NULL)
        return stamp_given(x, path, err);
    return option(x->c, "newest") == NULL ? dated_head_choose(x, err) : PL_OK;
}

/* Nobody gets a package that we would not accept ourselves. */
static pl_rc self_check(const export *x, pl_error *err)
{
    pl_evidence_check how = { .key = &x->log.key };
    char             *report = NULL;
    int               ok = 0;
    pl_rc             rc = pl_evidence_verify((pl_str){ x->package, x->n }, &how, &ok, &report, err);
    json_t           *j = NULL;

    if (rc == PL_OK && !ok && pl_json_parse(pl_str_z(report), "report", &j, NULL) == PL_OK)
        rc = pl_fail(err, PL_INVALID, "the package would not hold: %.180s",
                     json_string_value(json_array_get(json_object_get(j, "problems"), 0)));
    json_decref(j);
    free(report);
    return rc;
}

static pl_rc package_build(export *x, pl_error *err)
{
    evidence_filter f = { option(x->c, "entry"), option(x->c, "subject"), option(x->c, "type") };
    pl_cmd_progress p;
    pl_rc           rc;

    pl_cmd_progress_init(&p, x->c, pl_cmd_say(x->c, "ledger entries", "账本条目"), PL_PROGRESS_ITEMS);
    rc = evidence_choose(x->log.dir, x->head.size, &f, pl_cmd_progress_tick, &p, &x->choice, err);
    pl_cmd_progress_end(&p);
    if (rc == PL_OK)
        rc = timestamp_choose(x, err);
    if (rc == PL_OK)
        rc = builder_open(x, err);
    for (size_t i = 0; rc == PL_OK && i < x->choice.n; i++)
        rc = entry_add(x, i, err);
    if (rc == PL_OK && x->stamp != NULL)
        rc = pl_evidence_builder_timestamp(x->b, (pl_str){ x->stamp, x->stamp_n }, err);
    if (rc == PL_OK)
        rc = pl_evidence_builder_finish(x->b, &x->package, &x->n, err);
    return rc == PL_OK ? self_check(x, err) : rc;
}

/* --- custody ----------------------------------------------------------------------------------- */

static pl_rc record_here(export *x, json_t *predicate, uint64_t *index, pl_error *err)
{
    pl_instance i;
    pl_signer  *signer = NULL;
    pl_ledger  *l = NULL;
    pl_rc       rc = pl_instance_open(pl_cmd_dir(x->c), &i, err);

    if (rc != PL_OK)
        return rc;
    rc = pl_instance_signer(&i, &signer, err);
    if (rc == PL_OK)
        rc = pl_ledger_open(x->log.dir, signer, &l, err);
    if (rc == PL_OK)
        rc = evidence_custody_record(l, signer, i.service, predicate, "local", x->c->now_ms, index,
                                     err);
    if (rc == PL_OK)
        rc = pl_ledger_publish(l, err);
    pl_ledger_close(l);
    pl_signer_free(signer);
    return rc;
}

static pl_rc record_there(export *x, const json_t *predicate, uint64_t *index, pl_error *err)
{
    char   *body = pl_json_dump(predicate), *answer = NULL;
    json_t *j = NULL;
    int64_t v = 0;
    pl_rc   rc = pl_cmd_call(x->c, "POST", "/api/v1/ledger/exports", pl_str_z(body), &answer, err);

    if (rc == PL_OK)
        rc = pl_json_parse(pl_str_z(answer), "answer of plumblined", &j, err);
    if (rc == PL_OK)
        rc = pl_json_get_int(j, "ledger_index", true, &v, err);
    *index = (uint64_t)v;
    json_decref(j);
    free(answer);
    free(body);
    return rc;
}

/* The statement comes first: a package that nobody recorded is never handed out. A running daemon
 * is the one writer of the ledger; without it this process is. */
static pl_rc custody(export *x, uint64_t *index, pl_error *err)
{
    evidence_custody  k = { .bytes = x->n, .to = option(x->c, "to"), .reason = option(x->c, "reason"),
                            .with_payloads = x->payloads_in > 0 };
    uint64_t         *claims = calloc(x->choice.claims, sizeof *claims);
    json_t           *predicate;
    pl_rc             rc;

    if (claims == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    for (size_t i = 0; i < x->choice.n; i++)
        if (x->choice.is_claim[i])
            claims[k.n++] = x->choice.index[i];
    k.entries = claims;
    pl_sha256_of((pl_str){ x->package, x->n }, k.sha256);
    predicate = evidence_custody_json(&k);
    rc = predicate ? record_here(x, predicate, index, err) : pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_CONFLICT) { /* the daemon holds the log */
        json_decref(predicate);
        predicate = evidence_custody_json(&k);
        rc = record_there(x, predicate, index, err);
    }
    json_decref(predicate);
    free(claims);
    return rc;
}

static int export_print(const export *x, bool recorded, uint64_t index)
{
    pl_cmd_ctx *c = x->c;
    char        time[25] = "";

    if (x->stamp != NULL)
        pl_time_format(x->stamp_ms, time);
    if (c->json)
        return pl_ledger_cmd_json(c, json_pack("{s:s, s:I, s:I, s:I, s:I, s:o, s:s?}", "package",
                                               option(c, "output"), "bytes", (json_int_t)x->n,
                                               "entries", (json_int_t)x->choice.claims, "payloads",
                                               (json_int_t)x->payloads_in, "payloads_absent",
                                               (json_int_t)x->payloads_gone, "ledger_index",
                                               recorded ? json_integer((json_int_t)index)
                                                        : json_null(), "timestamp",
                                               time[0] ? time : NULL), PL_EXIT_OK);
    (void)fprintf(c->out,
                  pl_cmd_say(c, "%s: %zu statements, %zu payloads, %zu bytes\n",
                             "%s：%zu 条声明，%zu 个载荷，%zu 字节\n"),
                  option(c, "output"), x->choice.claims, x->payloads_in, x->n);
    if (x->stamp != NULL)
        (void)fprintf(c->out, pl_cmd_say(c, "with a time stamp of %s over the head of %llu entries\n",
                                         "附 %s 的时间戳，覆盖共 %llu 条的账本头\n"), time,
                      (unsigned long long)x->head.size);
    if (x->payloads_gone > 0)
        (void)fprintf(c->out, pl_cmd_say(c, "%zu payloads are no longer there\n",
                                         "%zu 个载荷已不存在\n"), x->payloads_gone);
    if (recorded)
        (void)fprintf(c->out, pl_cmd_say(c, "recorded in the ledger at index %llu\n",
                                         "已记入账本，序号 %llu\n"), (unsigned long long)index);
    else
        (void)fprintf(c->out, "%s\n", pl_cmd_say(c, "not recorded: this is not the instance that "
                                                    "writes the log",
                                                 "未记入账本：本目录不是写入该账本的实例"));
    return PL_EXIT_OK;
}

int pl_evidence_cmd_export(pl_cmd_ctx *c)
{
    const char *out = option(c, "output");
    export      x = { .c = c, .payloads = option(c, "payloads") != NULL };
    bool        recorded = false;
    uint64_t    index = 0;
    pl_error    err;
    pl_rc       rc;
    int         code;

    if (!out || !option(c, "to") || !option(c, "reason"))
        return usage(c, "evidence export: '-o PKG', '--to WHO' and '--reason WHY' must be given",
                     "evidence export：须给出“-o PKG”“--to 接收方”“--reason 事由”");
    if (!option(c, "entry") && !option(c, "subject") && !option(c, "type"))
        return usage(c, "evidence export: say which entries: --entry, --subject or --type",
                     "evidence export：请用 --entry、--subject 或 --type 指明条目");
    rc = pl_ledger_log_find(c, &x.log, &err);
    if (rc == PL_OK)
        rc = pl_ledger_open_reader(x.log.dir, &x.l, &err);
    if (rc == PL_OK)
        rc = pl_ledger_head_note(x.l, &x.log.key, &x.head, &x.note, &err);
    if (rc == PL_OK)
        rc = package_build(&x, &err);
    if (rc == PL_OK && strcmp(x.log.key_from, "instance") == 0) {
        rc = custody(&x, &index, &err);
        recorded = rc == PL_OK;
    }
    if (rc == PL_OK)
        rc = pl_file_write_atomic(out, (pl_str){ x.package, x.n }, 0600, &err);
    code = rc == PL_OK ? export_print(&x, recorded, index) : pl_cmd_fail(c, &err);
    export_done(&x);
    return code;
}

/* --- options ------------------------------------------------------------------------------------- */

const pl_opt pl_evidence_export_options[] = {
    { "output", "PKG", "where the package goes (-o)", "证据包写到何处（-o）" },
    { "entry", "LIST", "entries by index: 3,7-9", "按序号选择条目：3,7-9" },
    { "subject", "NAME", "entries about a subject; NAME* takes all that begin so",
      "按治理对象选择；NAME* 表示前缀" },
    { "type", "KIND", "entries of a kind, e.g. guard-stop", "按类型选择，例如 guard-stop" },
    { "payloads", NULL, "put in the payloads that are still there", "附上仍存在的载荷" },
    { "to", "WHO", "organisation it is for; enters the ledger: no names of persons",
      "接收机构；会记入账本，请勿填写个人姓名" },
    { "reason", "WHY", "why it is handed out; enters the ledger", "提供事由；会记入账本" },
    { "trust", "FILE", "trust policy naming the log's witnesses (C2SP tlog-policy)",
      "列出见证方的信任策略（C2SP tlog-policy）" },
    { "timestamp", "TSR", "RFC 3161 answer over the checkpoint, in place of those kept with the log",
      "对检查点的 RFC 3161 时间戳应答，代替随账本保存的时间戳" },
    { "newest", NULL, "about the newest head, even when an older one is dated",
      "以最新账本头为准，即使仅有较早的账本头带时间戳" },
    { "key", "VKEY", "verifier key of the log (default: the instance's)",
      "账本公钥（默认：本实例的公钥）" },
    { NULL, NULL, NULL, NULL },
};

const pl_opt pl_evidence_verify_options[] = {
    { "key", "VKEY|FILE", "the log's key, from elsewhere than the package",
      "账本公钥，应从证据包以外取得" },
    { "trust", "FILE", "whose cosignatures count (C2SP tlog-policy)",
      "采信哪些见证方（C2SP tlog-policy）" },
    { "tsa-roots", "PEM", "certificates that time stamps must lead to", "时间戳须链接到的根证书" },
    { NULL, NULL, NULL, NULL },
};
