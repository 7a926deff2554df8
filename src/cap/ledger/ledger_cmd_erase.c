/* plumbline ledger commit, plumbline ledger erase. */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "cap/ledger/ledger_int.h"

#define CONTENT_MAX (64u << 20)

static pl_rc private_dir(const pl_instance *i, char **out, pl_error *err)
{
    *out = pl_instance_path(i, "private");
    return *out != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

static pl_rc commit(pl_cmd_ctx *c, pl_hash *out, pl_error *err)
{
    pl_instance i;
    char       *dir = NULL, *content = NULL;
    size_t      n = 0;
    uint8_t     salt[32];
    pl_rc       rc = pl_instance_open(pl_cmd_dir(c), &i, err);

    if (rc == PL_OK)
        rc = private_dir(&i, &dir, err);
    if (rc == PL_OK)
        rc = pl_file_read(c->argv[0], CONTENT_MAX, &content, &n, err);
    if (rc == PL_OK)
        rc = pl_random(salt, sizeof(salt), err);
    if (rc == PL_OK)
        rc = pl_private_put(dir, (pl_str){ content, n }, salt, out, err);
    explicit_bzero(salt, sizeof(salt));
    free(content);
    free(dir);
    return rc;
}

int pl_ledger_cmd_commit(pl_cmd_ctx *c)
{
    pl_hash  h;
    char     hex[65];
    pl_error err = { PL_OK, "" };

    if (commit(c, &h, &err) != PL_OK)
        return pl_cmd_fail(c, &err);
    if (c->json)
        return pl_ledger_cmd_json(c, json_pack("{s:o}", "commitment", pl_hash_json(&h)),
                                  PL_EXIT_OK);
    pl_hex(h.b, sizeof(h.b), hex);
    (void)fprintf(c->out, "%s\n", hex);
    return PL_EXIT_OK;
}

static int erased(pl_cmd_ctx *c, uint64_t entry, uint64_t by)
{
    if (c->json)
        return pl_ledger_cmd_json(c, json_pack("{s:I, s:I}", "entry", (json_int_t)entry, "by",
                                               (json_int_t)by),
                                  PL_EXIT_OK);
    (void)fprintf(c->out,
                  pl_cmd_say(c, "entry %llu: what it bound is destroyed; entry %llu says so\n",
                             "第 %llu 条：其所绑定的内容已销毁；见第 %llu 条\n"),
                  (unsigned long long)entry, (unsigned long long)by);
    return PL_EXIT_OK;
}

static int resumed(pl_cmd_ctx *c, size_t n)
{
    if (c->json)
        return pl_ledger_cmd_json(c, json_pack("{s:I}", "finished", (json_int_t)n), PL_EXIT_OK);
    (void)fprintf(c->out, pl_cmd_say(c, "%zu unfinished erasures finished\n", "已完成 %zu 项未尽的销毁\n"), n);
    return PL_EXIT_OK;
}

static pl_rc erasure_read(pl_cmd_ctx *c, pl_erasure *e, pl_error *err)
{
    e->ground = c->opt(c->host, "ground");
    e->requester = c->opt(c->host, "requester");
    e->by = "operator";
    e->now_ms = c->now_ms;
    if (e->ground == NULL)
        return pl_fail(err, PL_INVALID, "say on what legal ground with --ground");
    return pl_str_u64(pl_str_z(c->argv[0]), &e->index, err);
}

int pl_ledger_cmd_erase(pl_cmd_ctx *c)
{
    cmd_writer w = { .l = NULL };
    pl_erasure e = { .index = 0 };
    char      *dir = NULL;
    uint64_t   by = 0;
    size_t     finished = 0;
    pl_error   err = { PL_OK, "" };
    pl_rc      rc = c->argc > 0 ? erasure_read(c, &e, &err) : PL_OK;

    if (rc == PL_OK)
        rc = pl_ledger_writer_open(c, &w, &err);
    if (rc == PL_OK)
        rc = private_dir(&w.instance, &dir, &err);
    if (rc == PL_OK)
        rc = c->argc > 0 ? pl_ledger_erase(w.l, w.signer, dir, &e, &by, &err)
                         : pl_ledger_erase_resume(w.l, w.signer, dir, &finished, &err);
    free(dir);
    pl_ledger_writer_close(&w);
    if (rc != PL_OK)
        return pl_cmd_fail(c, &err);
    return c->argc > 0 ? erased(c, e.index, by) : resumed(c, finished);
}
