#include "base/banned.h"

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "cap/cmd.h"
#include "cap/trace/trace_int.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARENA_MAX (1024u << 20)

/* --- output ---------------------------------------------------------------------------- */

static void row(pl_cmd_ctx *c, const char *en, const char *zh, pl_str value)
{
    if (value.n)
        fprintf(c->out, "  %s\t" PL_STR_FMT "\n", pl_cmd_say(c, en, zh), PL_STR_ARG(value));
}

static void print_steps(pl_cmd_ctx *c, const trace_result *r, const trace_source *s)
{
    fprintf(c->out, "\n%s\n", pl_cmd_say(c, "inclusion proof verified", "包含证明验证通过"));
    fprintf(c->out, pl_cmd_say(c, "  1. the event commits to this text (choice %lld)\n",
                               "  1. 事件的加盐承诺对应本文本（第 %lld 个回答）\n"),
            (long long)r->choice);
    fprintf(c->out, pl_cmd_say(c, "  2. the event is number %llu of %llu in its signed batch\n",
                               "  2. 该事件是签名批次中的第 %llu 个，共 %llu 个\n"),
            (unsigned long long)r->batch_position + 1, (unsigned long long)r->batch_count);
    fprintf(c->out, pl_cmd_say(c, "  3. the batch statement carries a valid signature of '%s'\n",
                               "  3. 批次声明带有“%s”的有效签名\n"),
            s->vkey.name);
    fprintf(c->out, pl_cmd_say(c, "  4. the statement is entry %lld of the ledger at size %llu\n",
                               "  4. 该声明是账本的第 %lld 条记录，账本大小 %llu\n"),
            (long long)r->ledger_index, (unsigned long long)r->tree_size);
    fprintf(c->out, pl_cmd_say(c, "     whose signed checkpoint has the root %.*s\n",
                               "     其签名检查点的根为 %.*s\n"),
            (int)r->root.n, r->root.p);
}

static const char *problem_zh(const trace_result *r)
{
    return r->proof == PL_TRACE_PENDING ? "尚未进入已签名的检查点，请两秒后重试" : "包含证明验证失败";
}

static void print_found(pl_cmd_ctx *c, const trace_result *r, const trace_source *s)
{
    char index[24] = "";

    fprintf(c->out, "%s\n", pl_cmd_say(c, "found: the exact text of an answer of this service",
                                       "已找到：与本服务的一次回答逐字相同"));
    row(c, "service     ", "服务    ", r->service);
    row(c, "route       ", "路由    ", r->route);
    row(c, "request     ", "请求    ", r->event_id);
    row(c, "time        ", "时间    ", r->time);
    row(c, "policy      ", "策略    ", r->policy);
    if (r->ledger_index >= 0)
        snprintf(index, sizeof index, "%lld", (long long)r->ledger_index);
    row(c, "ledger index", "账本序号", pl_str_z(index));
    if (r->matches > 1)
        fprintf(c->out, pl_cmd_say(c, "  %zu requests got this very answer; this is the newest proved\n",
                                   "  共有 %zu 次请求得到相同回答，此为可证明的最新一次\n"),
                r->matches);
    if (r->proof == PL_TRACE_VERIFIED)
        print_steps(c, r, s);
    else
        fprintf(c->out, "\n%s: " PL_STR_FMT "\n",
                r->proof == PL_TRACE_PENDING ? pl_cmd_say(c, "not proved yet", problem_zh(r))
                                             : pl_cmd_say(c, "proof FAILED", problem_zh(r)),
                PL_STR_ARG(r->problem));
}

static int print_result(pl_cmd_ctx *c, const trace_result *r, const trace_source *s)
{
    if (c->json) {
        json_t *o = pl_trace_result_json(r);
        char   *text = o ? pl_json_dump(o) : NULL;

        if (text)
            fprintf(c->out, "%s\n", text);
        free(text);
        json_decref(o);
    } else if (r->found) {
        print_found(c, r, s);
    } else {
        fprintf(c->out, "%s\n",
                pl_cmd_say(c, "not found: no recorded answer has exactly this text",
                           "未找到：没有与此文本逐字相同的回答记录"));
    }
    if (!r->found || r->proof == PL_TRACE_PENDING)
        return PL_EXIT_INCONCLUSIVE;
    return r->proof == PL_TRACE_VERIFIED ? PL_EXIT_OK : PL_EXIT_FOUND;
}

/* --- opening what is offline --------------------------------------------------------- */

typedef struct offline {
    pl_instance  instance;
    pl_db       *db;
    pl_ledger   *ledger;
    trace_source source;
} offline;

static void offline_close(offline *o)
{
    pl_ledger_close(o->ledger);
    pl_db_close(o->db);
}

/* SQLite makes a missing file; a search must not leave an empty database behind. */
static pl_rc database_exists(const pl_instance *i, pl_error *err)
{
    const char *path = strncmp(i->database, "sqlite:", 7) == 0 ? i->database + 7 : NULL;
    struct stat st;

    if (path && stat(path, &st) != 0)
        return pl_fail(err, PL_IO, "no database at '%s': run 'plumbline up' once", path);
    return PL_OK;
}

static pl_rc offline_open(pl_cmd_ctx *c, offline *o, pl_error *err)
{
    char *ledger = NULL;
    pl_rc rc = pl_instance_open(pl_cmd_dir(c), &o->instance, err);

    if (rc == PL_OK)
        rc = database_exists(&o->instance, err);
    if (rc == PL_OK)
        rc = pl_db_open(o->instance.database, &o->db, err);
    if (rc == PL_OK && !(ledger = pl_instance_path(&o->instance, "ledger")))
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = pl_ledger_open_reader(ledger, &o->ledger, err);
    if (rc == PL_OK)
        rc = pl_trace_source_init(&o->source, &o->instance, o->db, o->ledger, err);
    free(ledger);
    /* Whatever is wrong with the instance, the text is not to blame. */
    if (rc != PL_OK)
        err->rc = PL_IO;
    return rc;
}

static int trace_text(pl_cmd_ctx *c, pl_str text)
{
    offline      o = { 0 };
    trace_result r;
    pl_arena    *a = pl_arena_new(ARENA_MAX);
    pl_error     err = { PL_NOMEM, "out of memory" };
    pl_rc        rc = a ? offline_open(c, &o, &err) : PL_NOMEM;
    int          code;

    if (rc == PL_OK)
        rc = pl_trace_search(&o.source, a, text, &r, &err);
    code = rc == PL_OK ? print_result(c, &r, &o.source) : pl_cmd_fail(c, &err);
    pl_arena_free(a);
    offline_close(&o);
    return code;
}

static int cmd_trace(pl_cmd_ctx *c)
{
    char    *text = NULL;
    size_t   n = 0;
    pl_error err;
    pl_rc    rc = pl_file_read(c->argv[0], PL_TRACE_TEXT_MAX, &text, &n, &err);
    int      code;

    if (rc != PL_OK)
        return pl_cmd_fail(c, &err);
    code = trace_text(c, (pl_str){ text, n });
    free(text);
    return code;
}

static const pl_opt no_options[] = { { NULL, NULL, NULL, NULL } };

const pl_cmd pl_trace_commands[] = {
    { "trace", NULL, "FILE|-", 1, 1, no_options, "find the request that produced a saved answer",
      "查找产生某段已保存回答的请求", "plumbline trace answer.txt --dir DIR", cmd_trace },
    { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL },
};
