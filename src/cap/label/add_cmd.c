/* `plumbline label add`: one file, or many in parallel. */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "cap/keyfile.h"
#include "cap/label/add.h"
#include "cap/label/label_int.h"
#include "cap/label/sidecar.h"
#include "cap/ledger/pl_ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#define JOBS_MAX  64
#define ID_MAX    256

typedef struct add_file {
    char *in, *out;
} add_file;

typedef struct add_run {
    pl_cmd_ctx     *c;
    label_order     order;
    const char     *id_pattern;
    add_file       *file;
    size_t          n, cap;
    bool            is_batch;
    pthread_mutex_t lock;
    size_t          next, done, failed, labelled, skipped;
    int             worst; /* exit code of the worst failure */
    label_recorder *recorder;
    pl_cmd_progress progress;
    pl_sign_how     sign; /* id NULL: not signed */
    char           *tsa_roots;
} add_run;

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
    (void)sig;
    interrupted = 1;
}

static const char *option(pl_cmd_ctx *c, const char *name)
{
    return c->opt(c->host, name);
}

/* --- the content number -------------------------------------------------------------------------- */

static pl_rc sha256_of_file(const char *path, char hex[65], pl_error *err)
{
    media_file f;
    pl_sha256  s;
    uint8_t    digest[32];
    char      *piece;
    pl_rc      rc = media_file_open(path, &f, err);

    if (rc != PL_OK)
        return rc;
    piece = malloc(1u << 20);
    pl_sha256_init(&s);
    for (uint64_t at = 0; rc == PL_OK && at < f.io.size;) {
        size_t k = f.io.size - at < 1u << 20 ? (size_t)(f.io.size - at) : 1u << 20;
        rc = piece ? f.io.read(f.io.ctx, at, piece, k, err) : pl_fail(err, PL_NOMEM, "out of memory");
        if (rc == PL_OK)
            pl_sha256_update(&s, piece, k);
        at += k;
    }
    free(piece);
    media_file_close(&f);
    pl_sha256_final(&s, digest);
    pl_hex(digest, sizeof digest, hex);
    return rc;
}

/* {sha256}: the first 32 hex digits of the input's digest; {n}: its place in the list, from 1. */
static pl_rc content_id(const add_run *x, size_t i, char out[ID_MAX + 1], pl_error *err)
{
    pl_buf b = PL_BUF_INIT(ID_MAX);
    char   hex[65];
    pl_rc  rc = PL_OK;

    for (const char *p = x->id_pattern; *p && rc == PL_OK;) {
        if (strncmp(p, "{sha256}", 8) == 0) {
            rc = sha256_of_file(x->file[i].in, hex, err);
            if (rc == PL_OK)
                pl_buf_put(&b, (pl_str){ hex, 32 });
            p += 8;
        } else if (strncmp(p, "{n}", 3) == 0) {
            pl_buf_printf(&b, "%zu", i + 1);
            p += 3;
        } else {
            pl_buf_putc(&b, *p++);
        }
    }
    if (rc == PL_OK)
        rc = pl_buf_check(&b, err);
    if (rc == PL_OK)
        (void)snprintf(out, ID_MAX + 1, "%s", b.p ? b.p : "");
    pl_buf_done(&b);
    return rc;
}

/* --- the list of files ----------------------------------------------------------------------------- */

static pl_rc list_add(add_run *x, const char *in, const char *out, pl_error *err)
{
    if (x->n == x->cap) {
        size_t    cap = x->cap ? x->cap * 2 : 64;
        add_file *f = reallocarray(x->file, cap, sizeof *f);
        if (!f)
            return pl_fail(err, PL_NOMEM, "out of memory for the list of files");
        x->file = f;
        x->cap = cap;
    }
    x->file[x->n] = (add_file){ pl_str_dup(pl_str_z(in)), pl_str_dup(pl_str_z(out)) };
    if (!x->file[x->n].in || !x->file[x->n].out)
        return pl_fail(err, PL_NOMEM, "out of memory for the list of files");
    x->n++;
    return PL_OK;
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
        if (e->fts_info != FTS_F || label_sidecar_belongs(e->fts_path))
            continue;
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
    if (!x->is_batch)
        return list_add(x, in, out, err);
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

    x->is_batch = x->c->argc > 1 || is_folder(x->c->argv[0]) || is_folder(out);
    for (int i = 0; i < x->c->argc && rc == PL_OK; i++)
        rc = list_operand(x, x->c->argv[i], out, err);
    if (rc == PL_OK && x->n == 0)
        rc = pl_fail(err, PL_NOTFOUND, "there are no files to label");
    if (rc == PL_OK && x->n > 1 && x->order.producer.n > 0 && !strstr(x->id_pattern, "{sha256}") && !strstr(x->id_pattern, "{n}"))
        rc = pl_fail(err, PL_INVALID, "each content needs a number of its own: use {sha256} or {n} in --content-id");
    return rc;
}

/* --- one file -------------------------------------------------------------------------------------- */

static json_t *outcome_json(const add_file *f, const label_order *o, const label_outcome *r, const pl_error *err)
{
    json_t *j = json_pack("{s:s, s:s}", "file", f->in, "output", f->out);

    if (err) {
        (void)json_object_update_new(j, json_pack("{s:s, s:s, s:s}", "status", "refused", "error", err->text, "rc", pl_rc_name(err->rc)));
        return j;
    }
    (void)json_object_update_new(
        j, json_pack("{s:s, s:s, s:s%, s:O?, s:b}", "format", pl_media_format_name(r->format), "status",
                     r->skipped ? "skipped" : o->flags & LABEL_DRY ? "would-label" : "labelled", "content_id",
                     o->content_id.p, o->content_id.n, "replaced", r->replaced, "c2pa_broken", r->breaks_c2pa));
    (void)json_object_update_new(j, json_pack("{s:b, s:b, s:[]}", "visible", r->is_shown, "signed", r->is_signed, "labels"));
    if (r->carrier)
        (void)json_array_append_new(json_object_get(j, "labels"),
                                    json_pack("{s:s, s:s}", "carrier", r->carrier, "value", r->value ? r->value : ""));
    return j;
}

static void say_done(const add_run *x, const add_file *f, const label_order *o, const label_outcome *r)
{
    pl_cmd_ctx *c = x->c;

    if (r->carrier)
        (void)fprintf(c->out, o->flags & LABEL_DRY ? pl_cmd_say(c, "%s: would be labelled in %s\n", "%s：将写入标识（%s）\n")
                                                   : pl_cmd_say(c, "%s: labelled in %s\n", "%s：已写入标识（%s）\n"),
                      f->out, r->carrier);
    if (r->is_shown)
        (void)fprintf(c->out, pl_cmd_say(c, "%s: carries a label that people see or hear\n", "%s：已添加显式标识\n"), f->out);
    if (r->is_signed)
        (void)fprintf(c->out, pl_cmd_say(c, "%s: signed by %s (C2PA)\n", "%s：已由 %s 签名（C2PA）\n"), f->out,
                      pl_sign_identity_subject(x->sign.id));
}

static void say(add_run *x, const add_file *f, const label_order *o, const label_outcome *r, const pl_error *err)
{
    pl_cmd_ctx *c = x->c;

    if (c->json) {
        json_t *j = outcome_json(f, o, r, err);
        char   *text = j ? pl_json_dump(j) : NULL;
        (void)fprintf(c->out, "%s\n", text ? text : "{}");
        free(text);
        json_decref(j);
        return;
    }
    if (err) {
        (void)fprintf(c->err, "plumbline: %s: %s\n", f->in, err->text);
    } else if (r->skipped) {
        (void)fprintf(c->out, pl_cmd_say(c, "%s: carries this label already\n", "%s：已带有该标识\n"), f->out);
    } else {
        say_done(x, f, o, r);
        if (r->breaks_c2pa)
            (void)fprintf(c->err, pl_cmd_say(c, "plumbline: %s: its C2PA manifest was made for the file without this label; sign it anew\n",
                                             "plumbline：%s：文件中的 C2PA 清单不再匹配，请重新签名\n"), f->out);
    }
}

static pl_rc make_parent(const char *out, pl_error *err)
{
    char       *copy;
    const char *slash = strrchr(out, '/');
    pl_rc       rc;

    if (!slash || slash == out)
        return PL_OK;
    copy = pl_str_dup((pl_str){ out, (size_t)(slash - out) });
    rc = copy ? pl_mkdir_p(copy, 0755, err) : pl_fail(err, PL_NOMEM, "out of memory");
    free(copy);
    return rc;
}

static void finish_one(add_run *x, const add_file *f, const label_order *o, const label_outcome *r, pl_rc rc, pl_error *err)
{
    char hex[65];

    if (rc == PL_OK && x->recorder && !r->skipped && !(o->flags & LABEL_DRY)) {
        rc = sha256_of_file(f->out, hex, err);
        if (rc == PL_OK)
            rc = label_recorder_add(x->recorder, o, r, hex, x->c->now_ms, err);
    }
    (void)pthread_mutex_lock(&x->lock);
    say(x, f, o, r, rc == PL_OK ? NULL : err);
    x->done++;
    if (rc != PL_OK) {
        int code = rc == PL_IO || rc == PL_NOMEM || rc == PL_FULL || rc == PL_NOTFOUND ? PL_EXIT_FAILED : PL_EXIT_BAD_INPUT;
        x->failed++;
        if (code > x->worst)
            x->worst = code;
    } else if (r->skipped) {
        x->skipped++;
    } else {
        x->labelled++;
    }
    if (x->n > 1)
        pl_cmd_progress_tick(&x->progress, x->done, x->n);
    (void)pthread_mutex_unlock(&x->lock);
}

static void one(add_run *x, size_t i)
{
    const add_file *f = &x->file[i];
    const char     *base = strrchr(f->out, '/');
    pl_sign_how     sign = x->sign;
    label_order     o = x->order;
    label_outcome   r = { .format = PL_MEDIA_UNKNOWN };
    char            id[ID_MAX + 1] = "";
    pl_error        err = { PL_OK, "" };
    pl_rc           rc = content_id(x, i, id, &err);

    o.content_id = pl_str_z(id);
    sign.title = pl_str_z(base ? base + 1 : f->out);
    o.sign = sign.id ? &sign : NULL;
    if (rc == PL_OK && x->is_batch && !(o.flags & LABEL_DRY))
        rc = make_parent(f->out, &err);
    if (rc == PL_OK)
        rc = label_issue(f->in, f->out, &o, &r, &err);
    finish_one(x, f, &o, &r, rc, &err);
    label_outcome_done(&r);
}

static void *worker(void *arg)
{
    add_run *x = arg;

    for (;;) {
        size_t i;
        (void)pthread_mutex_lock(&x->lock);
        i = x->next < x->n && !interrupted ? x->next++ : SIZE_MAX;
        (void)pthread_mutex_unlock(&x->lock);
        if (i == SIZE_MAX)
            return NULL;
        one(x, i);
    }
}

static void run_all(add_run *x, unsigned jobs)
{
    pthread_t thread[JOBS_MAX];
    unsigned  n = 0;

    while (n + 1 < jobs && n + 1 < x->n && n < JOBS_MAX && pthread_create(&thread[n], NULL, worker, x) == 0)
        n++;
    (void)worker(x);
    while (n > 0)
        (void)pthread_join(thread[--n], NULL);
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

    if (option(c, "jobs") && pl_str_u64(pl_str_z(option(c, "jobs")), &n, NULL) == PL_OK && n > 0 && n <= JOBS_MAX)
        return (unsigned)n;
    return cpus < 1 ? 1 : cpus > 8 ? 8 : (unsigned)cpus;
}

static void settle_disk(const add_run *x, const char *out)
{
    int fd = x->is_batch && !(x->order.flags & LABEL_DRY) ? open(out, O_RDONLY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        (void)syncfs(fd); /* once for all: what a crash takes, the next run makes again */
        close(fd);
    }
}

static int summary(add_run *x, pl_rc rc, pl_error *err)
{
    if (rc != PL_OK)
        return pl_cmd_fail(x->c, err);
    if (interrupted) {
        (void)fprintf(x->c->err, "%s\n", pl_cmd_say(x->c, "plumbline: interrupted; the same command goes on where it stopped",
                                                    "plumbline：已中断；再次执行同一命令可继续"));
        return PL_EXIT_INTERRUPTED;
    }
    if (x->n > 1 && !x->c->json)
        (void)fprintf(x->c->out, pl_cmd_say(x->c, "%zu labelled, %zu already were, %zu refused\n",
                                            "已标识 %zu 个，已有标识 %zu 个，未能标识 %zu 个\n"),
                      x->labelled, x->skipped, x->failed);
    return x->failed ? x->worst : PL_EXIT_OK;
}

int label_add_files(pl_cmd_ctx *c, const char *out, const pl_visible_style *visible, pl_notice_place notice)
{
    add_run           x = { .c = c, .lock = PTHREAD_MUTEX_INITIALIZER };
    struct sigaction  sa = { .sa_handler = on_interrupt }, old;
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
        rc = list_make(&x, out, &err);
    x.order.flags |= x.is_batch ? LABEL_RESUME : LABEL_SYNC | LABEL_FORCE;
    if (rc == PL_OK && option(c, "record"))
        rc = label_recorder_open(c, &x.recorder, &err);
    if (rc == PL_OK) {
        interrupted = 0;
        (void)sigaction(SIGINT, &sa, &old);
        pl_cmd_progress_init(&x.progress, c, pl_cmd_say(c, "files labelled", "个文件已标识"), PL_PROGRESS_ITEMS);
        run_all(&x, jobs_of(c));
        pl_cmd_progress_end(&x.progress);
        (void)sigaction(SIGINT, &old, NULL);
        settle_disk(&x, out);
        if (x.recorder)
            rc = label_recorder_flush(x.recorder, &err);
    }
    code = summary(&x, rc, &err);
    label_recorder_close(x.recorder);
    pl_signer_free(security);
    pl_sign_identity_free(id);
    free(x.tsa_roots);
    for (size_t i = 0; i < x.n; i++) {
        free(x.file[i].in);
        free(x.file[i].out);
    }
    free(x.file);
    return code;
}
