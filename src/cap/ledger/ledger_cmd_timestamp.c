/* plumbline ledger timestamp: has the published head dated now. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "cap/ledger/ledger_stamp.h"

#define CALL_MS   30000
#define ROOTS_MAX (1u << 20)

/* --url and --tsa-roots, else the instance's. */
static pl_rc source_find(pl_cmd_ctx *c, pl_instance *i, stamp_source *from, char **roots,
                         pl_error *err)
{
    const char *url = c->opt(c->host, "url"), *path = c->opt(c->host, "tsa-roots");
    size_t      n = 0;
    pl_rc       rc = pl_instance_open(pl_cmd_dir(c), i, err);

    if (rc != PL_OK && url == NULL)
        return rc;
    if (rc != PL_OK)
        *i = (pl_instance){ .dir = "" };
    from->url = url != NULL ? url : i->tsa_url;
    from->is_witnessed = i->quorum > 0;
    if (from->url[0] == '\0')
        return pl_fail(err, PL_INVALID, "no time stamp authority: give --url, or "
                                        "'ledger.timestamp.url' in the configuration");
    path = path != NULL ? path : i->tsa_roots;
    rc = path[0] != '\0' ? pl_file_read(path, ROOTS_MAX, roots, &n, err) : PL_OK;
    from->roots = (pl_str){ *roots, n };
    return rc;
}

static int stamped(pl_cmd_ctx *c, const stamp_facts *f)
{
    char time[25];

    pl_time_format(f->time_ms, time);
    if (c->json)
        return pl_ledger_cmd_json(c, json_pack("{s:I, s:s, s:s}", "size", (json_int_t)f->size,
                                               "time", time, "signer", f->signer),
                                  PL_EXIT_OK);
    (void)fprintf(c->out,
                  pl_cmd_say(c, "%llu entries, dated %s by '%s'\n", "共 %llu 条，%s，由“%s”签发时间戳\n"),
                  (unsigned long long)f->size, time, f->signer);
    return PL_EXIT_OK;
}

int pl_ledger_cmd_timestamp(pl_cmd_ctx *c)
{
    stamp_source from = { .timeout_ms = CALL_MS };
    stamp_facts  f;
    pl_instance  i;
    cmd_log      log = { .dir = NULL };
    pl_vkey      keys[LEDGER_VKEYS_MAX];
    size_t       n = 0;
    char        *roots = NULL;
    pl_error     err = { PL_OK, "" };
    pl_rc        rc = pl_ledger_log_find(c, &log, &err);

    if (rc == PL_OK)
        rc = source_find(c, &i, &from, &roots, &err);
    if (rc == PL_OK)
        rc = pl_ledger_vkeys_read(log.dir, keys, &n, &err);
    if (rc == PL_OK)
        rc = pl_stamp_make(log.dir, keys, n, &from, &f, &err);
    pl_ledger_log_done(&log);
    free(roots);
    return rc == PL_OK ? stamped(c, &f) : pl_cmd_fail(c, &err);
}
