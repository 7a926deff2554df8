/* plumbline ledger verify: 0 sound, 1 problems, 3 no key to check with, 4 no log or a bad
 * key, 5 could not run. */
#include "base/banned.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "cap/ledger/ledger_witness.h"

static int print_json(pl_cmd_ctx *c, const cmd_log *l, const pl_ledger_report *r,
                      const cmd_witnesses *w, int code)
{
    char    time[25];
    json_t *j;

    pl_time_format(r->latest_ms, time);
    j = json_pack("{s:b, s:I, s:o, s:O, s:O, s:O, s:O, s:O, s:s?, s:s, s:s}", "ok",
                  code == PL_EXIT_OK, "size", (json_int_t)r->size, "root", pl_hash_json(&r->root),
                  "problems", r->problems, "signers", r->signers, "erased", r->erased, "witnesses",
                  w->list, "quorum", w->quorum, "latest_time",
                  r->latest_ms > 0 ? time : NULL, "origin", l->key.name, "key_from", l->key_from);
    return pl_ledger_cmd_json(c, j, code);
}

static void print_erased(pl_cmd_ctx *c, const json_t *erased)
{
    const json_t *o;
    size_t        i;

    json_array_foreach(erased, i, o) {
        (void)fprintf(c->out, "  %s", pl_cmd_say(c, "erased       ", "已销毁    "));
        (void)fprintf(c->out,
                      pl_cmd_say(c, "entry %lld, by statement %lld\n",
                                 "第 %lld 条所绑定的内容，见声明 %lld\n"),
                      (long long)json_integer_value(json_object_get(o, "entry")),
                      (long long)json_integer_value(json_object_get(o, "by")));
    }
}

/* What ended a key, in the reader's words. */
static void print_end(pl_cmd_ctx *c, const json_t *o)
{
    const char *end = json_string_value(json_object_get(o, "end"));

    if (end != NULL)
        (void)fprintf(c->out, pl_cmd_say(c, ", %s by entry %lld", "，%s，见第 %lld 条"), end,
                      (long long)json_integer_value(json_object_get(o, "ended_by")));
}

static void print_signers(pl_cmd_ctx *c, const json_t *signers)
{
    const json_t *o;
    size_t        i;

    json_array_foreach(signers, i, o) {
        (void)fprintf(c->out, "  %s%s (%lld) %.16s %s", pl_cmd_say(c, "signer       ", "签名者    "),
                      json_string_value(json_object_get(o, "name")),
                      (long long)json_integer_value(json_object_get(o, "statements")),
                      json_string_value(json_object_get(o, "keyid")),
                      json_string_value(json_object_get(o, "algorithm")));
        print_end(c, o);
        (void)fputc('\n', c->out);
    }
}

static void print_witnesses(pl_cmd_ctx *c, const cmd_witnesses *w)
{
    const json_t *o;
    size_t        i;

    json_array_foreach(w->list, i, o)
        (void)fprintf(c->out, "  %s%s  %s%s\n", pl_cmd_say(c, "cosigned by  ", "副署      "),
                      json_string_value(json_object_get(o, "key")),
                      json_string_value(json_object_get(o, "time")),
                      json_is_true(json_object_get(o, "local"))
                          ? pl_cmd_say(c, "  (local: proves nothing against the owner)",
                                       "（本机：对账本所有者不构成证明）")
                          : "");
    if (w->need > 0 || w->has_policy)
        (void)fprintf(c->out, "  %s%s\n", pl_cmd_say(c, "quorum       ", "法定数    "),
                      w->is_met ? pl_cmd_say(c, "reached", "已达到")
                                : pl_cmd_say(c, "NOT reached", "未达到"));
}

static int print_human(pl_cmd_ctx *c, const cmd_log *l, const pl_ledger_report *r,
                       const cmd_witnesses *w, int code)
{
    char          hex[65], time[25];
    const json_t *p;
    size_t        i;

    pl_hex(r->root.b, sizeof(r->root.b), hex);
    (void)fprintf(c->out, "%s\n", l->key.name);
    (void)fprintf(c->out, "  %s%llu\n", pl_cmd_say(c, "entries      ", "记录数    "),
                  (unsigned long long)r->size);
    (void)fprintf(c->out, "  %s%s\n", pl_cmd_say(c, "root         ", "根哈希    "), hex);
    print_signers(c, r->signers);
    print_erased(c, r->erased);
    print_witnesses(c, w);
    if (r->latest_ms > 0) {
        pl_time_format(r->latest_ms, time);
        (void)fprintf(c->out, "  %s%s\n", pl_cmd_say(c, "latest time  ", "最晚时间  "), time);
    }
    if (strcmp(l->key_from, "log") == 0)
        (void)fprintf(c->out, "  %s\n",
                      pl_cmd_say(c,
                                 "the key is the one the log names itself: compare it with one you "
                                 "were given",
                                 "公钥取自账本自身：请与您另行取得的公钥比对"));
    (void)fprintf(c->out, "\n%s\n",
                  code == PL_EXIT_OK
                      ? pl_cmd_say(c, "sound: every signature, entry and tile checks out",
                                   "完好：全部签名、记录与哈希核验通过")
                      : pl_cmd_say(c, "NOT sound:", "存在问题："));
    json_array_foreach(r->problems, i, p)
        (void)fprintf(c->out, "  %s\n", json_string_value(p));
    return code;
}

static pl_rc verify(pl_cmd_ctx *c, const cmd_log *l, pl_ledger_report *r, pl_error *err)
{
    pl_cmd_progress p;
    pl_rc           rc;

    pl_cmd_progress_init(&p, c, pl_cmd_say(c, "ledger entries", "账本条目"), PL_PROGRESS_ITEMS);
    rc = pl_ledger_verify(l->dir, &l->key, r, pl_cmd_progress_tick, &p, err);
    pl_cmd_progress_end(&p);
    return rc;
}

int pl_ledger_cmd_verify(pl_cmd_ctx *c)
{
    pl_ledger_report r;
    cmd_witnesses    w;
    cmd_log          l = { .dir = NULL, .key_from = "" };
    pl_error         err = { PL_OK, "" };
    pl_rc            rc = pl_ledger_log_find(c, &l, &err);
    int              code;

    if (rc != PL_OK) {
        code = pl_cmd_fail(c, &err);
        /* Without a key nothing can be said about a log, neither good nor bad. */
        return rc == PL_DENIED ? PL_EXIT_INCONCLUSIVE : code;
    }
    rc = verify(c, &l, &r, &err);
    if (rc == PL_OK) {
        rc = pl_ledger_cmd_witnesses(c, &l, r.problems, &w, &err);
        if (rc != PL_OK)
            pl_ledger_report_done(&r);
    }
    if (rc != PL_OK) {
        code = pl_cmd_fail(c, &err);
    } else {
        code = json_array_size(r.problems) == 0 ? PL_EXIT_OK : PL_EXIT_FOUND;
        code = c->json ? print_json(c, &l, &r, &w, code) : print_human(c, &l, &r, &w, code);
        pl_ledger_report_done(&r);
        json_decref(w.list);
        json_decref(w.quorum);
    }
    pl_ledger_log_done(&l);
    return code;
}
