/* One file of `label add`, and all of a list in parallel. */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "cap/label/add_int.h"
#include "cap/label/label_int.h"

#include <signal.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
    (void)sig;
    interrupted = 1;
}

bool add_is_interrupted(void)
{
    return interrupted != 0;
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

/* {sha256}: the first 32 hex digits of the input's digest; {n}: its place in the run, from 1. */
static pl_rc content_id(const add_run *x, size_t i, char out[ADD_ID_MAX + 1], pl_error *err)
{
    pl_buf b = PL_BUF_INIT(ADD_ID_MAX);
    char   hex[65];
    pl_rc  rc = PL_OK;

    for (const char *p = x->id_pattern; *p && rc == PL_OK;) {
        if (strncmp(p, "{sha256}", 8) == 0) {
            rc = sha256_of_file(x->file[i].in, hex, err);
            if (rc == PL_OK)
                pl_buf_put(&b, (pl_str){ hex, 32 });
            p += 8;
        } else if (strncmp(p, "{n}", 3) == 0) {
            pl_buf_printf(&b, "%zu", x->before + i + 1);
            p += 3;
        } else {
            pl_buf_putc(&b, *p++);
        }
    }
    if (rc == PL_OK)
        rc = pl_buf_check(&b, err);
    if (rc == PL_OK)
        (void)snprintf(out, ADD_ID_MAX + 1, "%s", b.p ? b.p : "");
    pl_buf_done(&b);
    return rc;
}

/* --- one file -------------------------------------------------------------------------------------- */

static const char *name_of(const add_file *f)
{
    return f->name ? f->name : f->out;
}

json_t *add_name_json(const char *name)
{
    json_t *j = json_string(name);
    char   *copy = j ? NULL : pl_str_dup(pl_str_z(name));

    for (char *p = copy; p && *p; p++)
        if ((uint8_t)*p >= 0x80)
            *p = '?'; /* not UTF-8, which JSON must be */
    if (copy)
        j = json_string(copy);
    free(copy);
    return j;
}

static json_t *outcome_json(const add_file *f, const label_order *o, const label_outcome *r, const pl_error *err)
{
    json_t *j = json_pack("{s:o}", "file", add_name_json(f->name ? f->name : f->in));

    if (!f->name)
        (void)json_object_set_new(j, "output", add_name_json(f->out));
    if (err && f->name) /* of an archive, in which every member stays */
        (void)json_object_set_new(j, "copied", json_true());
    if (err) {
        (void)json_object_update_new(j, json_pack("{s:s, s:s, s:s}", "status", "refused", "error", err->text, "rc", pl_rc_name(err->rc)));
        return j;
    }
    (void)json_object_update_new(
        j, json_pack("{s:s, s:s, s:s%, s:O?, s:b}", "format", pl_media_format_name(r->format), "status",
                     r->skipped ? "skipped" : o->flags & LABEL_DRY ? "would-label" : "labelled", "content_id",
                     o->content_id.p, o->content_id.n, "replaced", r->replaced, "c2pa_broken", r->breaks_c2pa));
    if (r->was_recovered)
        (void)json_object_set_new(j, "recovered", json_true());
    (void)json_object_update_new(j, json_pack("{s:b, s:b, s:[]}", "visible", r->is_shown, "signed", r->is_signed, "labels"));
    if (r->carrier)
        (void)json_array_append_new(json_object_get(j, "labels"),
                                    json_pack("{s:s, s:s}", "carrier", r->carrier, "value", r->value ? r->value : ""));
    return j;
}

static void say_done(const add_run *x, const add_file *f, const label_order *o, const label_outcome *r)
{
    pl_cmd_ctx *c = x->c;

    if (r->was_recovered)
        (void)fprintf(c->err, pl_cmd_say(c, "plumbline: %s: what a run that was killed left was put back first\n",
                                         "plumbline：%s：已先恢复上次中断前的内容\n"), name_of(f));
    if (r->carrier)
        (void)fprintf(x->report, o->flags & LABEL_DRY ? pl_cmd_say(c, "%s: would be labelled in %s\n", "%s：将写入标识（%s）\n")
                                                   : pl_cmd_say(c, "%s: labelled in %s\n", "%s：已写入标识（%s）\n"),
                      name_of(f), r->carrier);
    if (r->is_shown)
        (void)fprintf(x->report, pl_cmd_say(c, "%s: carries a label that people see or hear\n", "%s：已添加显式标识\n"), name_of(f));
    if (r->is_signed)
        (void)fprintf(x->report, pl_cmd_say(c, "%s: signed by %s (C2PA)\n", "%s：已由 %s 签名（C2PA）\n"), name_of(f),
                      pl_sign_identity_subject(x->sign.id));
}

static void say(add_run *x, const add_file *f, const label_order *o, const label_outcome *r, const pl_error *err)
{
    pl_cmd_ctx *c = x->c;

    if (x->is_json) {
        json_t *j = outcome_json(f, o, r, err);
        char   *text = j ? pl_json_dump(j) : NULL;
        (void)fprintf(x->report, "%s\n", text ? text : "{}");
        free(text);
        json_decref(j);
        return;
    }
    if (err) {
        (void)fprintf(c->err, "plumbline: %s: %s\n", f->name ? f->name : f->in, err->text);
    } else if (r->skipped) {
        (void)fprintf(x->report, pl_cmd_say(c, "%s: carries this label already\n", "%s：已带有该标识\n"), name_of(f));
    } else {
        say_done(x, f, o, r);
        if (r->breaks_c2pa)
            (void)fprintf(c->err, pl_cmd_say(c, "plumbline: %s: its C2PA manifest was made for the file without this label; sign it anew\n",
                                             "plumbline：%s：文件中的 C2PA 清单不再匹配，请重新签名\n"), name_of(f));
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

static void finish_one(add_run *x, add_file *f, const label_order *o, const label_outcome *r, pl_rc rc, pl_error *err)
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
        f->has_failed = true;
        if (code > x->worst)
            x->worst = code;
    } else if (r->skipped) {
        x->skipped++;
    } else {
        x->labelled++;
    }
    if (x->n > 1 && !f->name)
        pl_cmd_progress_tick(&x->progress, x->done, x->n);
    (void)pthread_mutex_unlock(&x->lock);
}

static void one(add_run *x, size_t i)
{
    add_file       *f = &x->file[i];
    const char     *base = strrchr(name_of(f), '/');
    pl_sign_how     sign = x->sign;
    label_order     o = x->order;
    label_outcome   r = { .format = PL_MEDIA_UNKNOWN };
    char            id[ADD_ID_MAX + 1] = "";
    pl_error        err = { PL_OK, "" };
    pl_rc           rc = content_id(x, i, id, &err);

    o.content_id = pl_str_z(id);
    sign.title = pl_str_z(base ? base + 1 : name_of(f));
    o.sign = sign.id ? &sign : NULL;
    if (rc == PL_OK && x->is_batch && !(o.flags & (LABEL_DRY | LABEL_IN_PLACE)))
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

void add_all(add_run *x, unsigned jobs)
{
    pthread_t        thread[ADD_JOBS_MAX];
    struct sigaction sa = { .sa_handler = on_interrupt }, old;
    unsigned         n = 0;

    (void)sigaction(SIGINT, &sa, &old);
    while (n + 1 < jobs && n + 1 < x->n && n < ADD_JOBS_MAX && pthread_create(&thread[n], NULL, worker, x) == 0)
        n++;
    (void)worker(x);
    while (n > 0)
        (void)pthread_join(thread[--n], NULL);
    (void)sigaction(SIGINT, &old, NULL);
}
