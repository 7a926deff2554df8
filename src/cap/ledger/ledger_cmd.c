/* plumbline ledger append|checkpoint, and the table of all verbs here. Reading verbs work beside a
 * running daemon; writing verbs take the writer's lock and are refused then. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/instance.h"
#include "cap/ledger/evidence_int.h"
#include "cap/ledger/ledger_monitor.h"
#include "cap/ledger/ledger_query.h"
#include "cap/ledger/ledger_witness.h"

#include <unistd.h>


/* --- which log ------------------------------------------------------------------------- */

bool pl_ledger_has(const char *dir, const char *rel)
{
    char *p = pl_path_join(dir, rel);
    bool  is_there = p != NULL && access(p, F_OK) == 0;

    free(p);
    return is_there;
}

static pl_rc key_find(pl_cmd_ctx *c, cmd_log *l, pl_error *err)
{
    const char *given = c->opt(c->host, "key");
    pl_instance i;
    pl_vkey     keys[LEDGER_VKEYS_MAX];
    size_t      n = 0;

    if (given != NULL) {
        l->key_from = "option";
        return pl_vkey_parse(pl_str_trim(pl_str_z(given)), &l->key, err);
    }
    l->key_from = "instance";
    if (pl_instance_open(pl_cmd_dir(c), &i, NULL) == PL_OK &&
        pl_instance_vkey(&i, &l->key, NULL) == PL_OK)
        return PL_OK;
    l->key_from = "log";
    if (pl_ledger_vkeys_read(l->dir, keys, &n, NULL) != PL_OK)
        return pl_fail(err, PL_DENIED, "no key to check the ledger with: give one with --key");
    l->key = keys[0];
    return PL_OK;
}

static pl_rc dir_find(pl_cmd_ctx *c, char **out, pl_error *err)
{
    const char *dir = pl_cmd_dir(c);

    if (pl_ledger_has(dir, "ledger"))
        return pl_ledger_path(dir, "ledger", out, err);
    if (!pl_ledger_has(dir, "checkpoint") && !pl_ledger_has(dir, "tile"))
        return pl_fail(err, PL_NOTFOUND, "no ledger in '%s'", dir);
    *out = pl_str_dup(pl_str_z(dir));
    return *out != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

pl_rc pl_ledger_log_find(pl_cmd_ctx *c, cmd_log *out, pl_error *err)
{
    cmd_log l = { .dir = NULL };
    pl_rc   rc = dir_find(c, &l.dir, err);

    if (rc == PL_OK)
        rc = key_find(c, &l, err);
    if (rc != PL_OK) {
        pl_ledger_log_done(&l);
        return rc;
    }
    *out = l;
    return PL_OK;
}

void pl_ledger_log_done(cmd_log *l)
{
    free(l->dir);
    l->dir = NULL;
}

int pl_ledger_cmd_json(pl_cmd_ctx *c, json_t *j, int code)
{
    char *text = j ? pl_json_dump(j) : NULL;

    if (text == NULL)
        code = PL_EXIT_FAILED;
    else
        (void)fprintf(c->out, "%s\n", text);
    free(text);
    json_decref(j);
    return code;
}

/* --- writing --------------------------------------------------------------------------- */

void pl_ledger_writer_close(cmd_writer *w)
{
    pl_ledger_close(w->l);
    pl_signer_free(w->signer);
    w->l = NULL;
    w->signer = NULL;
}

pl_rc pl_ledger_writer_open(pl_cmd_ctx *c, cmd_writer *w, pl_error *err)
{
    char *dir = NULL;
    pl_rc rc = pl_instance_open(pl_cmd_dir(c), &w->instance, err);

    if (rc == PL_OK)
        rc = pl_ledger_path(w->instance.dir, "ledger", &dir, err);
    if (rc == PL_OK)
        rc = pl_ledger_keys_settle(&w->instance, &w->rotated_by, err);
    if (rc == PL_OK)
        rc = pl_instance_signer(&w->instance, &w->signer, err);
    if (rc == PL_OK)
        rc = pl_ledger_open(dir, w->signer, &w->l, err);
    free(dir);
    return rc;
}

/* With --any-type statements of others may enter, whose form nobody here can judge. */
static pl_rc predicate_check(pl_cmd_ctx *c, const statement_view *v, pl_error *err)
{
    pl_error why = { PL_OK, "" };
    pl_rc    rc = pl_predicate_check(v->type, v->predicate, &why);

    if (rc == PL_NOTFOUND && c->opt(c->host, "any-type") != NULL)
        return PL_OK;
    if (rc == PL_NOTFOUND)
        return pl_fail(err, PL_INVALID, "%.200s; --any-type takes it as it is", why.text);
    return rc == PL_OK ? PL_OK : pl_fail(err, rc, "predicate: %.240s", why.text);
}

static pl_rc statement_check(pl_cmd_ctx *c, pl_str text, const char *where, pl_error *err)
{
    statement_view v;
    json_t        *j = NULL;
    pl_rc          rc = pl_json_parse(text, where, &j, err);

    if (rc == PL_OK)
        rc = pl_statement_read(j, &v, err);
    if (rc == PL_OK)
        rc = predicate_check(c, &v, err);
    json_decref(j);
    return rc;
}

typedef struct receipt {
    uint64_t index;
    pl_hash  leaf;
    bool     is_new;
} receipt;

/* The file's exact bytes are signed: nobody re-serialises what somebody wrote. */
static pl_rc statement_append(cmd_writer *w, pl_str text, const char *request, receipt *r,
                              pl_error *err)
{
    char  *env = NULL, *entry = NULL;
    size_t n = 0;
    pl_rc  rc = pl_dsse_sign(PL_STR(PL_DSSE_INTOTO), text, w->signer, &env, &n, err);

    r->is_new = true;
    if (rc == PL_OK && request != NULL)
        rc = pl_ledger_append_once(w->l, (pl_str){ env, n }, pl_str_z(request), &r->index,
                                   &r->is_new, err);
    else if (rc == PL_OK)
        rc = pl_ledger_append(w->l, &(pl_str){ env, n }, 1, &r->index, err);
    if (rc == PL_OK)
        rc = pl_ledger_publish(w->l, err);
    if (rc == PL_OK)
        rc = pl_ledger_entry(w->l, r->index, &entry, &n, err);
    if (rc == PL_OK)
        r->leaf = pl_merkle_leaf((pl_str){ entry, n });
    free(entry);
    free(env);
    return rc;
}

static int appended(pl_cmd_ctx *c, const cmd_writer *w, const receipt *r)
{
    unsigned long long size = (unsigned long long)pl_ledger_size(w->l);

    if (c->json)
        return pl_ledger_cmd_json(c,
                                  json_pack("{s:I, s:I, s:o, s:b}", "index", (json_int_t)r->index,
                                            "size", (json_int_t)size, "leaf",
                                            pl_hash_json(&r->leaf), "new", (int)r->is_new),
                                  PL_EXIT_OK);
    if (!r->is_new) {
        (void)fprintf(c->out,
                      pl_cmd_say(c, "this request was appended before, as entry %llu\n",
                                 "该请求先前已追加为第 %llu 条记录\n"),
                      (unsigned long long)r->index);
        return PL_EXIT_OK;
    }
    (void)fprintf(c->out,
                  pl_cmd_say(c, "appended as entry %llu; the ledger has %llu\n",
                             "已追加为第 %llu 条记录；账本现有 %llu 条\n"),
                  (unsigned long long)r->index, size);
    return PL_EXIT_OK;
}

static int cmd_append(pl_cmd_ctx *c)
{
    cmd_writer w = { .l = NULL };
    char      *text = NULL;
    size_t     n = 0;
    receipt    r = { .index = 0 };
    pl_error   err = { PL_OK, "" };
    pl_rc      rc = pl_file_read(c->argv[0], PL_LOG_ENTRY_MAX, &text, &n, &err);
    int        code;

    if (rc == PL_OK)
        rc = statement_check(c, (pl_str){ text, n }, c->argv[0], &err);
    if (rc == PL_OK)
        rc = pl_ledger_writer_open(c, &w, &err);
    if (rc == PL_OK)
        rc = statement_append(&w, (pl_str){ text, n }, c->opt(c->host, "request-id"), &r, &err);
    code = rc == PL_OK ? appended(c, &w, &r) : pl_cmd_fail(c, &err);
    free(text);
    pl_ledger_writer_close(&w);
    return code;
}

static int cmd_checkpoint(pl_cmd_ctx *c)
{
    cmd_writer    w = { .l = NULL };
    pl_checkpoint head;
    char         *note = NULL;
    size_t        n = 0;
    pl_error      err = { PL_OK, "" };
    pl_rc         rc = pl_ledger_writer_open(c, &w, &err);
    int           code = PL_EXIT_OK;

    if (rc == PL_OK)
        rc = pl_ledger_publish(w.l, &err);
    if (rc == PL_OK)
        rc = pl_ledger_head(w.l, &head, &err);
    if (rc == PL_OK)
        rc = pl_ledger_checkpoint(w.l, &note, &n, &err);
    if (rc != PL_OK)
        code = pl_cmd_fail(c, &err);
    else if (c->json)
        code = pl_ledger_cmd_json(c,
                                  json_pack("{s:s, s:I, s:o, s:s}", "origin", head.origin, "size",
                                            (json_int_t)head.size, "root", pl_hash_json(&head.root),
                                            "checkpoint", note),
                                  PL_EXIT_OK);
    else
        (void)fputs(note, c->out);
    free(note);
    pl_ledger_writer_close(&w);
    return code;
}

/* --- table ----------------------------------------------------------------------------- */

static const pl_opt key_options[] = {
    { "key", "VKEY", "verifier key to check with (default: the instance's)",
      "用于核验的公钥（默认：本实例的公钥）" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt append_options[] = {
    { "any-type", NULL, "accept a predicate type that has no schema here",
      "接受本机没有结构定义的声明类型" },
    { "request-id", "ID", "append once, however often this is asked for under the same id",
      "同一请求编号无论提交几次都只追加一次" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt verify_options[] = {
    { "key", "VKEY", "verifier key to check with (default: the instance's)",
      "用于核验的公钥（默认：本实例的公钥）" },
    { "policy", "FILE", "trust policy (C2SP tlog-policy) that the head must satisfy",
      "账本头须满足的信任策略（C2SP tlog-policy）" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt list_options[] = {
    { "subject", "NAME", "only statements about this subject", "只列关于该对象的声明" },
    { "type", "KIND", "only this kind: guard-stop, or a full predicate type",
      "只列该类型：如 guard-stop，或完整的断言类型" },
    { "from", "TIME", "only those that claim this time or later (a day will do)",
      "只列所称时间不早于此的声明（可只写日期）" },
    { "to", "TIME", "only those that claim this time or earlier", "只列所称时间不晚于此的声明" },
    { "after", "INDEX", "only entries behind this one", "只列该条之后的记录" },
    { "limit", "N", "at most so many", "最多列出的条数" },
    { "key", "VKEY", "verifier key to check with (default: the instance's)",
      "用于核验的公钥（默认：本实例的公钥）" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt mirror_options[] = {
    { "from", "URL|DIR", "where the log is published", "账本的发布位置" },
    { "key", "VKEY", "a verifier key of the log, known from elsewhere", "账本公钥，须另行取得" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt monitor_options[] = {
    { "key", "VKEY", "verifier key of the log, known from elsewhere", "账本公钥，须另行取得" },
    { "state", "FILE", "what was seen until now; proof of misbehaviour is put beside it",
      "此前所见的状态文件；违规证据存于其旁" },
    { "every", "SECONDS", "go on looking, until something is wrong", "持续查看，直至发现问题" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt timestamp_options[] = {
    { "url", "URL", "the authority (default: the configuration's)", "时间戳机构地址（默认取自配置）" },
    { "tsa-roots", "PEM", "certificates that its own must lead to", "其证书须链接到的根证书" },
    { "key", "VKEY", "verifier key of the log (default: the instance's)",
      "账本公钥（默认：本实例的公钥）" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt cosign_options[] = {
    { "request", "OLD", "print the request from that size for an offline witness instead",
      "改为输出自该长度起的请求，供离线见证方使用" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt erase_options[] = {
    { "ground", "TEXT", "legal ground of the erasure, e.g. 'PIPL Art. 47'", "销毁的法律依据" },
    { "requester", "COMMITMENT", "who asked for it, as a commitment", "请求人（承诺值）" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt key_new_options[] = {
    { "alg", "ALGORITHM", "ed25519 (default), p256 or sm2", "算法：ed25519（默认）、p256 或 sm2" },
    { "use", "USE", "statements (default), or log: sign checkpoints beside the first key",
      "用途：statements（默认）或 log（与主密钥一同签署检查点）" },
    { "token", "URI", "make the key on a PKCS#11 token", "在 PKCS#11 令牌中生成" },
    { "reason", "TEXT", "why, for the log", "写入账本的理由" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt key_rotate_options[] = {
    { "alg", "ALGORITHM", "of the new key (default: as now)", "新密钥的算法（默认不变）" },
    { "token", "URI", "make the key on a PKCS#11 token", "在 PKCS#11 令牌中生成" },
    { "overlap", NULL, "both keys sign until 'key retire' of the old one",
      "在用 key retire 终止旧密钥之前，新旧密钥同时签署" },
    { "reason", "TEXT", "why, for the log", "写入账本的理由" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt key_end_options[] = {
    { "until", "INDEX", "first entry the key may no longer sign", "该密钥不得再签署的第一条记录" },
    { "reason", "TEXT", "why, for the log", "写入账本的理由" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt key_protect_options[] = {
    { "clear", NULL, "take the passphrase off", "去除口令" },
    { NULL, NULL, NULL, NULL },
};
static const pl_opt no_options[] = { { NULL, NULL, NULL, NULL } };

const pl_cmd pl_ledger_commands[] = {
    { "ledger", "append", "FILE|-", 1, 1, append_options,
      "sign a statement with the instance's key and append it", "用本实例密钥签署声明并追加到账本",
      "plumbline ledger append statement.json --dir DIR", cmd_append },
    { "ledger", "checkpoint", "", 0, 0, no_options,
      "publish what is appended and print the signed checkpoint",
      "发布已追加的记录并输出签名检查点", "plumbline ledger checkpoint --dir DIR", cmd_checkpoint },
    { "ledger", "prove", "INDEX", 1, 1, key_options,
      "print a proof that an entry is in the log (C2SP tlog-proof)",
      "输出某条记录在账本中的证明（C2SP tlog-proof）",
      "plumbline ledger prove 17 > entry.tlog-proof", pl_ledger_cmd_prove },
    { "ledger", "verify", "", 0, 0, verify_options,
      "check every signature, entry and tile of the log offline",
      "离线核验账本的全部签名、记录与哈希", "plumbline ledger verify --dir DIR --json",
      pl_ledger_cmd_verify },
    { "ledger", "consistency", "CHECKPOINT|SIZE", 1, 1, key_options,
      "check that the log extends a checkpoint saved earlier", "核验账本是先前检查点的延续",
      "plumbline ledger consistency saved.checkpoint", pl_ledger_cmd_consistency },
    { "ledger", "list", "", 0, 0, list_options, "list entries by subject, kind, time and place",
      "按对象、类型、时间和位置列出记录", "plumbline ledger list --type guard-stop --from 2026-11-01",
      pl_ledger_cmd_list },
    { "ledger", "export", "", 0, 0, list_options,
      "the same with statement and exact bytes, as JSON lines",
      "同上，附声明与原始字节，每行一个 JSON", "plumbline ledger export > entries.jsonl",
      pl_ledger_cmd_export },
    { "ledger", "monitor", "URL|DIR", 1, 1, monitor_options,
      "follow another log: fetch and hash what is new, raise when it does not hold together",
      "跟踪另一账本：取回并核算新增内容，前后不一致即报警",
      "plumbline ledger monitor https://host/ledger --key VKEY --state host.state",
      pl_ledger_cmd_monitor },
    { "ledger", "mirror", "DIR", 1, 1, mirror_options,
      "keep a copy of another log that others can read: fetched, hashed, and only then believed",
      "保存另一账本的可供他人读取的副本：取回、核算后方予采信",
      "plumbline ledger mirror copy --from https://host/ledger --key VKEY", pl_ledger_cmd_mirror },
    { "ledger", "cosign", "", 0, 0, cosign_options,
      "ask the witnesses to cosign the head now, and compare with what they saw",
      "立即请见证方副署账本头，并与其所见比对", "plumbline ledger cosign --dir DIR",
      pl_ledger_cmd_cosign },
    { "ledger", "timestamp", "", 0, 0, timestamp_options,
      "have the head dated by a time stamp authority (RFC 3161) and keep the answer",
      "请时间戳机构（RFC 3161）为账本头签发时间戳并保存",
      "plumbline ledger timestamp --url http://tsa.example/", pl_ledger_cmd_timestamp },
    { "ledger", "policy", "", 0, 0, no_options,
      "print the trust policy of this ledger for others (C2SP tlog-policy)",
      "输出本账本的信任策略，供他人使用（C2SP tlog-policy）",
      "plumbline ledger policy > trust.policy", pl_ledger_cmd_policy },
    { "evidence", "export", "", 0, 0, pl_evidence_export_options,
      "put statements and their proofs into one file that others verify offline",
      "将声明及其证明导出为他人可离线核验的单一文件",
      "plumbline evidence export --type guard-stop --to 'Assessor Ltd' --reason audit -o stop.tar",
      pl_evidence_cmd_export },
    { "evidence", "bundle", "INDEX", 1, 1, pl_evidence_bundle_options,
      "write one entry as a Sigstore bundle, with its record in the ledger",
      "将一条记录写为 Sigstore 签名包，并记入账本", "plumbline evidence bundle 3 -o e3.sigstore.json",
      pl_evidence_cmd_bundle },
    { "evidence", "verify", "PKG|-", 1, 1, pl_evidence_verify_options,
      "check an evidence package and say what it shows", "核验证据包并说明其能证明什么",
      "plumbline evidence verify stop.tar --key log.vkey", pl_evidence_cmd_verify },
    { "ledger", "commit", "FILE|-", 1, 1, no_options,
      "keep content and a salt apart from the log and print their commitment",
      "将内容与盐值存于账本之外并输出其承诺值", "plumbline ledger commit complaint.txt",
      pl_ledger_cmd_commit },
    { "ledger", "erase", "[INDEX]", 0, 1, erase_options,
      "destroy what an entry bound, and say so in the log; alone: finish what was begun",
      "销毁某条记录所绑定的内容并在账本中声明；不带参数时完成未尽的销毁",
      "plumbline ledger erase 17 --ground 'PIPL Art. 47'", pl_ledger_cmd_erase },
    { "key", "new", "NAME", 1, 1, key_new_options, "make a key and have the log know it",
      "生成密钥并在账本中登记", "plumbline key new sm2 --alg sm2 --use log", pl_key_cmd_new },
    { "key", "list", "", 0, 0, key_options, "the keys the log knows, and their lives",
      "账本已知的密钥及其有效区间", "plumbline key list --json", pl_key_cmd_list },
    { "key", "show", "[FILE]", 0, 1, no_options, "public part of a key file", "密钥文件的公开部分",
      "plumbline key show", pl_key_cmd_show },
    { "key", "rotate", "", 0, 0, key_rotate_options, "go on with a new key", "更换密钥",
      "plumbline key rotate --overlap", pl_key_cmd_rotate },
    { "key", "retire", "KEY", 1, 1, key_end_options, "planned end of a key", "按计划终止密钥",
      "plumbline key retire 3d396d79", pl_key_cmd_retire },
    { "key", "revoke", "KEY", 1, 1, key_end_options, "end a key for a reason", "因故吊销密钥",
      "plumbline key revoke 3d396d79 --reason 'laptop lost'", pl_key_cmd_revoke },
    { "key", "compromise", "KEY", 1, 1, key_end_options,
      "declare from which entry on a key is not to be relied on",
      "声明某密钥自哪条记录起不再可信",
      "plumbline key compromise 3d396d79 --until 120 --reason stolen", pl_key_cmd_compromise },
    { "key", "protect", "[FILE]", 0, 1, key_protect_options,
      "put a key file under the passphrase in PLUMBLINE_KEY_PASSPHRASE_NEW",
      "用 PLUMBLINE_KEY_PASSPHRASE_NEW 中的口令加密密钥文件", "plumbline key protect",
      pl_key_cmd_protect },
    { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL },
};
