/* plumbline ledger monitor: 0 holds together, 1 does not, 4 bad input, 5 cannot be reached. */
#include "base/banned.h"

#include "base/file.h"
#include "base/http_client.h"
#include "base/str.h"
#include "cap/ledger/ledger_monitor.h"

#include <time.h>

#define CALL_MS 30000

/* --- sources -------------------------------------------------------------------------------------- */

static pl_rc dir_read(void *ctx, const char *rel, size_t max, char **out, size_t *n, pl_error *err)
{
    return pl_ledger_read(ctx, rel, max, out, n, err);
}

static pl_rc url_read(void *ctx, const char *rel, size_t max, char **out, size_t *n, pl_error *err)
{
    const char      *base = ctx;
    size_t           len = strlen(base);
    char             url[2200];
    pl_http_response r = { 0 };
    pl_rc            rc;

    while (len > 0 && base[len - 1] == '/')
        len--;
    (void)snprintf(url, sizeof url, "%.*s/%s", (int)len, base, rel);
    rc = pl_http_call(&(pl_http_request){ .method = "GET", .url = url, .timeout_ms = CALL_MS,
                                          .max_bytes = max }, &r, err);
    if (rc != PL_OK)
        return rc;
    if (r.status == 200) {
        *out = pl_str_dup(pl_buf_str(&r.body));
        *n = r.body.n;
        rc = *out ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
    } else if (r.status == 404 || r.status == 410) {
        rc = pl_fail(err, PL_NOTFOUND, "'%.180s' is not there", url);
    } else {
        rc = pl_fail(err, PL_IO, "'%.180s' answers %ld", url, r.status);
    }
    pl_http_response_done(&r);
    return rc;
}

log_source pl_log_source(const char *where)
{
    bool is_url = strncmp(where, "http://", 7) == 0 || strncmp(where, "https://", 8) == 0;

    return (log_source){ is_url ? url_read : dir_read, (void *)(uintptr_t)where };
}

/* --- the verb -------------------------------------------------------------------------------------- */

typedef struct monitoring {
    pl_cmd_ctx    *c;
    const char    *state; /* file, NULL: nothing is remembered */
    pl_vkey        key;
    log_source     source;
    monitor_memory memory;
} monitoring;

static pl_rc save(void *ctx, const monitor_memory *m)
{
    const monitoring *x = ctx;

    return x->state ? pl_monitor_memory_save(x->state, m, NULL) : PL_OK;
}

/* Both heads, verbatim: what convicts a log has to be carried elsewhere. */
static bool evidence_write(const monitoring *x, const monitor_report *r, char *path, size_t cap)
{
    pl_buf b = PL_BUF_INIT(4u << 20);
    bool   ok;

    if (x->state == NULL || r->note == NULL)
        return false;
    (void)snprintf(path, cap, "%s.evidence-%llu", x->state, (unsigned long long)r->head.size);
    pl_buf_printf(&b, "%s\n\nseen before:\n\n%s\nserved now:\n\n%s", r->problem,
                  x->memory.note ? x->memory.note : "nothing\n", r->note);
    ok = !b.failed && pl_file_write_atomic(path, pl_buf_str(&b), 0644, NULL) == PL_OK;
    pl_buf_done(&b);
    return ok;
}

int pl_monitor_print(pl_cmd_ctx *c, const pl_vkey *key, const monitor_report *r,
                     const char *evidence)
{
    bool ok = r->problem[0] == '\0';
    int  code = ok ? PL_EXIT_OK : PL_EXIT_FOUND;

    if (c->json) {
        json_t *problems = json_array();

        if (!ok)
            (void)json_array_append_new(problems, json_string(r->problem));
        code = pl_ledger_cmd_json(
            c, json_pack("{s:b, s:s, s:I, s:o, s:I, s:o, s:s?}", "ok", ok, "origin", key->name,
                         "size", (json_int_t)r->head.size, "root", pl_hash_json(&r->head.root),
                         "before", (json_int_t)r->before, "problems", problems, "evidence",
                         evidence), code);
    } else if (ok) {
        (void)fprintf(c->out,
                      pl_cmd_say(c, "holds together: %llu entries, %llu of them new\n",
                                 "前后一致：共 %llu 条，其中新增 %llu 条\n"),
                      (unsigned long long)r->head.size,
                      (unsigned long long)(r->head.size - r->before));
    } else {
        (void)fprintf(c->out, pl_cmd_say(c, "does NOT hold together: %s\n", "前后不一致：%s\n"),
                      r->problem);
        if (evidence != NULL)
            (void)fprintf(c->out, pl_cmd_say(c, "both heads are in %s\n", "两个账本头已存入 %s\n"),
                          evidence);
    }
    (void)fflush(c->out);
    return code;
}

static int look_print(const monitoring *x, const monitor_report *r)
{
    char path[1200];
    bool has_evidence = r->problem[0] != '\0' && evidence_write(x, r, path, sizeof path);

    return pl_monitor_print(x->c, &x->key, r, has_evidence ? path : NULL);
}

static int look_once(monitoring *x)
{
    monitor_report  r;
    pl_cmd_progress p;
    pl_error        err = { PL_OK, "" };
    pl_rc           rc;
    int             code;

    pl_cmd_progress_init(&p, x->c, pl_cmd_say(x->c, "entries", "条目"), PL_PROGRESS_ITEMS);
    rc = pl_monitor_look(&x->source, &x->key, &x->memory, save, x, pl_cmd_progress_tick, &p, &r,
                         &err);
    pl_cmd_progress_end(&p);
    if (rc == PL_OK && r.problem[0] == '\0' && x->state != NULL)
        rc = pl_monitor_memory_save(x->state, &x->memory, &err);
    code = rc == PL_OK ? look_print(x, &r) : pl_cmd_fail(x->c, &err);
    free(r.note);
    return code;
}

static pl_rc begin(pl_cmd_ctx *c, monitoring *x, uint64_t *every, pl_error *err)
{
    const char *key = c->opt(c->host, "key"), *seconds = c->opt(c->host, "every");
    pl_rc       rc;

    *x = (monitoring){ .c = c, .state = c->opt(c->host, "state"),
                       .source = pl_log_source(c->argv[0]) };
    pl_merkle_range_init(&x->memory.seen);
    pl_merkle_range_init(&x->memory.ahead);
    if (key == NULL)
        return pl_fail(err, PL_INVALID, "whose log it is must be known beforehand: give --key VKEY");
    rc = pl_vkey_parse(pl_str_trim(pl_str_z(key)), &x->key, err);
    if (rc == PL_OK && seconds != NULL)
        rc = pl_str_u64(pl_str_z(seconds), every, err);
    if (rc == PL_OK && x->state != NULL) {
        rc = pl_monitor_memory_load(x->state, &x->key, &x->memory, err);
        rc = rc == PL_NOTFOUND ? PL_OK : rc;
    }
    return rc;
}

int pl_ledger_cmd_monitor(pl_cmd_ctx *c)
{
    monitoring x;
    uint64_t   every = 0;
    pl_error   err = { PL_OK, "" };
    int        code;

    if (begin(c, &x, &every, &err) != PL_OK) {
        pl_monitor_memory_done(&x.memory);
        return pl_cmd_fail(c, &err);
    }
    /* Out of reach is no finding: while following it is tried again. */
    while (((code = look_once(&x)) == PL_EXIT_OK || code == PL_EXIT_FAILED) && every > 0) {
        struct timespec t = { .tv_sec = (time_t)every };

        (void)nanosleep(&t, NULL);
    }
    pl_monitor_memory_done(&x.memory);
    return code;
}
