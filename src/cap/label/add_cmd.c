/* `plumbline label add`: what was asked for, and which files. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "cap/keyfile.h"
#include "cap/label/add_int.h"
#include "cap/label/in_place.h"
#include "cap/label/label_int.h"
#include "cap/label/sidecar.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <unistd.h>

static const char *option(pl_cmd_ctx *c, const char *name)
{
    return c->opt(c->host, name);
}

/* --- the list of files ----------------------------------------------------------------------------- */

pl_rc add_list(add_run *x, char *in, char *out, const char *name, pl_error *err)
{
    add_file *f = x->file;

    if (x->n == x->cap && (f = reallocarray(x->file, x->cap ? x->cap * 2 : 64, sizeof *f)) != NULL) {
        x->cap = x->cap ? x->cap * 2 : 64;
        x->file = f;
    }
    if (!in || !out || !f) {
        free(in);
        free(out);
        return pl_fail(err, PL_NOMEM, "out of memory for the list of files");
    }
    x->file[x->n++] = (add_file){ .in = in, .out = out, .name = name };
    return PL_OK;
}

void add_list_clear(add_run *x)
{
    for (size_t i = 0; i < x->n; i++) {
        free(x->file[i].in);
        free(x->file[i].out);
    }
    x->before += x->n;
    x->n = x->next = 0;
}

static pl_rc list_add(add_run *x, const char *in, const char *out, pl_error *err)
{
    return add_list(x, pl_str_dup(pl_str_z(in)), pl_str_dup(pl_str_z(out)), NULL, err);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Regular files below a folder; links are not followed. The output keeps their relative names. */
static pl_rc list_folder(add_run *x, const char *dir, const char *out, pl_error *err)
{
    char  *roots[] = { (char *)(uintptr_t)dir, NULL };
    FTS   *t = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    size_t skip = strlen(dir);
    pl_rc  rc = t ? PL_OK : pl_fail(err, PL_IO, "cannot read '%s': %s", dir, strerror(errno));

    for (FTSENT *e; rc == PL_OK && (e = fts_read(t)) != NULL;) {
        char *path;
        if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR)
            rc = pl_fail(err, PL_IO, "cannot read '%s': %s", e->fts_path, strerror(e->fts_errno));
        if (e->fts_info != FTS_F || label_sidecar_belongs(e->fts_path) || pl_str_ends(pl_str_z(e->fts_path), PL_STR(LABEL_UNDO_SUFFIX)))
            continue;
        if (!out) { /* in place */
            rc = list_add(x, e->fts_path, e->fts_path, err);
            continue;
        }
        path = pl_path_join(out, e->fts_path + skip + (e->fts_path[skip] == '/'));
        rc = path ? list_add(x, e->fts_path, path, err) : pl_fail(err, PL_NOMEM, "out of memory");
        free(path);
    }
    if (t)
        fts_close(t);
    return rc;
}

static pl_rc list_operand(add_run *x, const char *in, const char *out, pl_error *err)
{
    struct stat st;
    const char *base = strrchr(in, '/');
    char       *path;
    pl_rc       rc;

    if (strcmp(in, "-") != 0 && stat(in, &st) == 0 && S_ISDIR(st.st_mode))
        return list_folder(x, in, out, err);
    if (!x->is_batch || !out)
        return list_add(x, in, out ? out : in, err);
    path = pl_path_join(out, base ? base + 1 : in);
    rc = path ? list_add(x, in, path, err) : pl_fail(err, PL_NOMEM, "out of memory");
    free(path);
    return rc;
}

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static pl_rc list_make(add_run *x, const char *out, pl_error *err)
{
    pl_rc rc = PL_OK;

    x->is_batch = x->c->argc > 1 || is_folder(x->c->argv[0]) || (out && is_folder(out));
    for (int i = 0; i < x->c->argc && rc == PL_OK; i++)
        rc = list_operand(x, x->c->argv[i], out, err);
    if (rc == PL_OK && x->n == 0)
        rc = pl_fail(err, PL_NOTFOUND, "there are no files to label");
    if (rc == PL_OK && x->n > 1 && x->order.producer.n > 0 && !strstr(x->id_pattern, "{sha256}") && !strstr(x->id_pattern, "{n}"))
        rc = pl_fail(err, PL_INVALID, "each content needs a number of its own: use {sha256} or {n} in --content-id");
    return rc;
}

/* --- the verb --------------------------------------------------------------------------------------- */

static pl_rc state_parse(const char *s, int *out, pl_error *err)
{
    static const char *const names[] = { "generated", "possible", "suspected" };

    *out = '1';
    for (int i = 0; s && i < 3; i++)
        if (strcmp(s, names[i]) == 0) {
            *out = '1' + i;
            return PL_OK;
        }
    return s ? pl_fail(err, PL_INVALID, "unknown state '%s': generated, possible or suspected", s) : PL_OK;
}

static unsigned flags_of(pl_cmd_ctx *c)
{
    static const struct { const char *name; unsigned flag; } table[] = {
        { "replace", LABEL_REPLACE }, { "force", LABEL_FORCE }, { "any-producer", LABEL_ANY_NAME },
        { "iptc", LABEL_IPTC }, { "dry-run", LABEL_DRY }, { "sidecar", LABEL_BESIDE },
        { "in-place", LABEL_IN_PLACE },
    };
    unsigned flags = 0;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (option(c, table[i].name))
            flags |= table[i].flag;
    return flags;
}

static pl_rc order_read(add_run *x, pl_signer **security, pl_error *err)
{
    pl_cmd_ctx *c = x->c;
    const char *key = option(c, "security-key"), *producer = option(c, "producer");
    label_order probe;
    pl_rc       rc = state_parse(option(c, "state"), &x->order.state, err);

    x->order.producer = pl_str_z(producer);
    x->order.flags = flags_of(c);
    x->id_pattern = option(c, "content-id") ? option(c, "content-id") : "";
    probe = x->order;
    probe.content_id = x->id_pattern[0] ? PL_STR("probe") : (pl_str){ "", 0 };
    if (rc == PL_OK && (producer || option(c, "content-id")))
        rc = label_order_check(&probe, err);
    if (rc == PL_OK && !producer && (key || option(c, "record") || option(c, "state")))
        rc = pl_fail(err, PL_INVALID, "--security-key, --record and --state belong to a label: give --producer and --content-id");
    if (rc == PL_OK && key)
        rc = pl_keyfile_signer(key, NULL, security, err);
    x->order.security = *security;
    if (rc == PL_OK && option(c, "source-type"))
        rc = pl_source_type(option(c, "source-type"), &x->order.source_type, err);
    return rc;
}

/* --c2pa: the identity is opened before anything is written. */
static pl_rc sign_read(add_run *x, pl_sign_identity **id, pl_error *err)
{
    pl_cmd_ctx *c = x->c;
    const char *key = option(c, "key"), *cert = option(c, "cert"), *roots = option(c, "tsa-roots");
    size_t      n = 0;
    pl_rc       rc = PL_OK;

    if (!option(c, "c2pa"))
        return key || cert || option(c, "tsa") ? pl_fail(err, PL_INVALID, "--key, --cert and --tsa belong to --c2pa") : PL_OK;
    if (!key || !cert)
        return pl_fail(err, PL_INVALID, "--c2pa needs the signer's key and certificate: --key FILE --cert FILE");
    rc = pl_sign_identity_open(key, cert, option(c, "alg"), id, err);
    if (rc == PL_OK && roots)
        rc = pl_file_read(roots, 4u << 20, &x->tsa_roots, &n, err);
    x->sign = (pl_sign_how){ .id = *id, .source_type = x->order.source_type, .is_edited = option(c, "edited") != NULL,
                             .tsa = option(c, "tsa"), .tsa_roots = { x->tsa_roots, n }, .now_ms = c->now_ms };
    return rc;
}

static unsigned jobs_of(pl_cmd_ctx *c)
{
    long     cpus = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t n;

    if (option(c, "jobs") && pl_str_u64(pl_str_z(option(c, "jobs")), &n, NULL) == PL_OK && n > 0 && n <= ADD_JOBS_MAX)
        return (unsigned)n;
    return cpus < 1 ? 1 : cpus > 8 ? 8 : (unsigned)cpus;
}

static void settle_disk(const add_run *x, const char *out)
{
    int fd = x->is_batch && out && !(x->order.flags & LABEL_DRY) ? open(out, O_RDONLY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        (void)syncfs(fd); /* once for all: what a crash takes, the next run makes again */
        close(fd);
    }
}

static int summary(add_run *x, pl_rc rc, pl_error *err)
{
    bool is_tar = option(x->c, "tar") != NULL;

    if (rc != PL_OK)
        return pl_cmd_fail(x->c, err);
    if (add_is_interrupted()) {
        (void)fprintf(x->c->err, "%s\n",
                      is_tar ? pl_cmd_say(x->c, "plumbline: interrupted; the archive is not complete", "plumbline：已中断，归档不完整")
                             : pl_cmd_say(x->c, "plumbline: interrupted; the same command goes on where it stopped",
                                          "plumbline：已中断；再次执行同一命令可继续"));
        return PL_EXIT_INTERRUPTED;
    }
    if (is_tar)
        (void)fprintf(x->c->err, pl_cmd_say(x->c, "plumbline: %zu labelled, %zu passed on as they are, %zu refused and passed on\n",
                                            "plumbline：已标识 %zu 个，原样保留 %zu 个，未能标识而原样保留 %zu 个\n"),
                      x->labelled, x->skipped, x->failed);
    else if (x->done > 1 && !x->is_json)
        (void)fprintf(x->c->out, pl_cmd_say(x->c, "%zu labelled, %zu already were, %zu refused\n",
                                            "已标识 %zu 个，已有标识 %zu 个，未能标识 %zu 个\n"),
                      x->labelled, x->skipped, x->failed);
    return x->failed ? x->worst : PL_EXIT_OK;
}

/* --report: lines of JSON about every file. What --tar writes leaves no other place for them. */
static pl_rc report_open(add_run *x, pl_error *err)
{
    const char *path = option(x->c, "report");

    if (option(x->c, "tar"))
        x->report = x->c->err;
    x->is_json |= path || option(x->c, "tar");
    if (!path)
        return PL_OK;
    x->report = fopen(path, "we");
    return x->report ? PL_OK : pl_fail(err, PL_IO, "cannot write '%s': %s", path, strerror(errno));
}

static pl_rc report_close(add_run *x, pl_rc rc, pl_error *err)
{
    if (!x->report || x->report == x->c->out || x->report == x->c->err)
        return rc;
    if (fclose(x->report) != 0 && rc == PL_OK)
        rc = pl_fail(err, PL_IO, "cannot write the report: %s", strerror(errno));
    return rc;
}

static pl_rc run_files(add_run *x, const char *out, pl_error *err)
{
    pl_cmd_ctx *c = x->c;
    pl_rc       rc = list_make(x, out, err);

    if (!out)
        x->order.flags |= LABEL_SYNC | LABEL_RESUME;
    else
        x->order.flags |= x->is_batch ? LABEL_RESUME : LABEL_SYNC | LABEL_FORCE;
    if (rc != PL_OK)
        return rc;
    pl_cmd_progress_init(&x->progress, c, pl_cmd_say(c, "files labelled", "个文件已标识"), PL_PROGRESS_ITEMS);
    add_all(x, jobs_of(c));
    pl_cmd_progress_end(&x->progress);
    settle_disk(x, out);
    return PL_OK;
}

static pl_rc run_tar(add_run *x, const char *out, pl_error *err)
{
    const char *in = x->c->argc > 0 ? x->c->argv[0] : "-";

    if (x->c->argc > 1)
        return pl_fail(err, PL_INVALID, "--tar takes one archive, or standard input");
    if (!out && isatty(STDOUT_FILENO) && !(x->order.flags & LABEL_DRY))
        return pl_fail(err, PL_INVALID, "an archive is not written to a terminal: -o FILE, or > FILE");
    return add_tar(x, in, out ? out : "-", jobs_of(x->c), err);
}

int label_add_files(pl_cmd_ctx *c, const char *out, const pl_visible_style *visible, pl_notice_place notice)
{
    add_run           x = { .c = c, .report = c->out, .is_json = c->json, .lock = PTHREAD_MUTEX_INITIALIZER };
    pl_signer        *security = NULL;
    pl_sign_identity *id = NULL;
    pl_error          err = { PL_OK, "" };
    pl_rc             rc = order_read(&x, &security, &err);
    int               code;

    x.order.visible = visible;
    x.order.notice = notice;
    if (rc == PL_OK)
        rc = sign_read(&x, &id, &err);
    if (rc == PL_OK)
        rc = report_open(&x, &err);
    if (rc == PL_OK && option(c, "record"))
        rc = label_recorder_open(c, &x.recorder, &err);
    if (rc == PL_OK)
        rc = option(c, "tar") ? run_tar(&x, out, &err) : run_files(&x, out, &err);
    if (rc == PL_OK && x.recorder)
        rc = label_recorder_flush(x.recorder, &err);
    rc = report_close(&x, rc, &err);
    code = summary(&x, rc, &err);
    label_recorder_close(x.recorder);
    pl_signer_free(security);
    pl_sign_identity_free(id);
    free(x.tsa_roots);
    add_list_clear(&x);
    free(x.file);
    return code;
}
