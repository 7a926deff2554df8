/* Opening a witness, and answering one request. */
#include "base/banned.h"

#include "base/file.h"
#include "base/str.h"
#include "host/witness/witness_int.h"

#include <dirent.h>
#include <unistd.h>

/* --- open and close ------------------------------------------------------------------------- */

static pl_rc lock_take(pl_witness *w, pl_error *err)
{
    char *path = pl_path_join(w->dir, "lock");
    pl_rc rc =
        path ? pl_lock_file(path, &w->lock_fd, err) : pl_fail(err, PL_NOMEM, "out of memory");

    free(path);
    return rc == PL_CONFLICT
               ? pl_fail(err, rc, "witness '%.150s' is in use by another process", w->dir)
               : rc;
}

static pl_rc log_add(pl_witness *w, const char *hex, pl_error *err)
{
    watched_log *more;
    pl_rc        rc;

    if (w->nlogs == PL_WITNESS_LOGS_MAX)
        return pl_fail(err, PL_LIMIT, "more than %d logs", PL_WITNESS_LOGS_MAX);
    more = realloc(w->logs, (w->nlogs + 1) * sizeof *more);
    if (more == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    w->logs = more;
    rc = pl_watched_load(w, hex, &more[w->nlogs], err);
    if (rc == PL_OK)
        w->nlogs++;
    return rc;
}

static bool is_hex64(const char *name)
{
    return strlen(name) == 64 && strspn(name, "0123456789abcdef") == 64;
}

static pl_rc logs_load(pl_witness *w, pl_error *err)
{
    char          *path = pl_path_join(w->dir, "logs");
    DIR           *d = path ? opendir(path) : NULL;
    struct dirent *e;
    pl_rc          rc = PL_OK;

    free(path);
    if (d == NULL)
        return pl_fail(err, PL_IO, "cannot read the folder 'logs' of '%.150s'", w->dir);
    while (rc == PL_OK && (e = readdir(d)) != NULL)
        if (is_hex64(e->d_name))
            rc = log_add(w, e->d_name, err);
    (void)closedir(d);
    return rc;
}

void pl_witness_close(pl_witness *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; i < w->nlogs; i++)
        pl_watched_done(&w->logs[i]);
    free(w->logs);
    pl_signer_free(w->signer);
    (void)pthread_mutex_destroy(&w->lock);
    if (w->lock_fd >= 0)
        (void)close(w->lock_fd);
    free(w->dir);
    free(w);
}

pl_rc pl_witness_open(const char *dir, pl_witness **out, pl_error *err)
{
    pl_witness *w = calloc(1, sizeof *w);
    pl_rc       rc = PL_OK;

    if (w == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    w->lock_fd = -1;
    (void)pthread_mutex_init(&w->lock, NULL);
    w->dir = pl_str_dup(pl_str_z(dir));
    if (w->dir == NULL)
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    if (rc == PL_OK)
        rc = pl_witness_key_load(w, err);
    if (rc == PL_OK)
        rc = lock_take(w, err);
    if (rc == PL_OK)
        rc = logs_load(w, err);
    if (rc != PL_OK)
        pl_witness_close(w);
    else
        *out = w;
    return rc;
}

/* --- answering ---------------------------------------------------------------------------------- */

void pl_witness_answer_done(pl_witness_answer *a)
{
    pl_buf_done(&a->body);
}

static void answer(pl_witness_answer *out, int status, const char *text)
{
    pl_buf_clear(&out->body);
    out->status = status;
    out->content_type = "text/plain; charset=utf-8";
    pl_buf_puts(&out->body, text);
    pl_buf_putc(&out->body, '\n');
}

static void answer_size(pl_witness_answer *out, uint64_t size)
{
    pl_buf_clear(&out->body);
    out->status = PL_WITNESS_STALE;
    out->content_type = "text/x.tlog.size";
    pl_buf_printf(&out->body, "%llu\n", (unsigned long long)size);
}

static watched_log *find(pl_witness *w, const char *hex)
{
    for (size_t i = 0; i < w->nlogs; i++)
        if (strcmp(w->logs[i].hex, hex) == 0)
            return &w->logs[i];
    return NULL;
}

/* A clock that was set back does not make later cosignatures older than earlier ones. */
static int64_t time_of(const watched_log *l, int64_t now_s)
{
    return now_s > l->time_s ? now_s : l->time_s > 0 ? l->time_s : 0;
}

/* Signed, stored, and only then said. */
static void cosign(pl_witness *w, watched_log *l, const pl_add_checkpoint *r,
                   const pl_checkpoint *c, int64_t now_s, pl_witness_answer *out)
{
    char    *line = NULL, *note = NULL;
    size_t   line_n = 0, note_n = 0;
    int64_t  at = time_of(l, now_s), signed_s = 0;
    pl_error err = { PL_OK, "" };
    pl_rc    rc = pl_cosign(r->note, w->signer, (uint64_t)at, &line, &line_n, &err);

    if (rc == PL_OK)
        rc = pl_cosignature_add(r->note, (pl_str){ line, line_n }, &w->key, &note, &note_n,
                                &signed_s, &err);
    if (rc == PL_OK)
        rc = pl_watched_store(l, c, note, note_n, at, &err);
    if (rc == PL_OK) {
        pl_buf_clear(&out->body);
        out->status = PL_WITNESS_COSIGN;
        out->content_type = "text/plain; charset=utf-8";
        pl_buf_put(&out->body, (pl_str){ line, line_n });
    } else if (rc == PL_LIMIT || rc == PL_INVALID) {
        answer(out, PL_WITNESS_MALFORMED, err.text);
    } else {
        (void)snprintf(out->note, sizeof out->note, "%s", err.text);
        answer(out, 500, "the witness cannot store this head");
    }
    free(line);
}

static void ask_locked(pl_witness *w, const pl_add_checkpoint *r, int64_t now_s,
                       pl_witness_answer *out)
{
    pl_checkpoint c = { .size = 0 };
    pl_error      why = { PL_OK, "malformed request" };
    pl_str        origin;
    char          hex[65] = "";
    watched_log  *l = NULL;
    int           v = PL_WITNESS_MALFORMED;

    if (pl_note_origin(r->note, &origin, &why) == PL_OK) {
        pl_witness_hex(origin, hex);
        l = find(w, hex);
        v = (int)pl_witness_judge(r, l ? l->keys : NULL, l ? l->nkeys : 0,
                                  l ? &l->last : &(pl_witnessed){ .size = 0 }, &c, &why);
    }
    if (v == PL_WITNESS_STALE) {
        answer_size(out, l->last.size);
        return;
    }
    if (v == PL_WITNESS_INCONSISTENT) {
        (void)snprintf(out->note, sizeof out->note, "refused a head of '%.60s': %.80s",
                       l->keys[0].name, why.text);
        pl_watched_keep_evidence(l, &c, r);
    }
    if (v != PL_WITNESS_COSIGN) {
        answer(out, v, why.text);
    } else if (l->is_stuck) {
        answer(out, 500, "the witness failed to store an earlier head: it must be restarted");
    } else {
        cosign(w, l, r, &c, now_s, out);
    }
}

void pl_witness_ask(pl_witness *w, pl_str body, int64_t now_s, pl_witness_answer *out)
{
    pl_add_checkpoint *r = malloc(sizeof *r);
    pl_error           err = { PL_OK, "" };

    *out = (pl_witness_answer){ .body = PL_BUF_INIT(PL_WITNESS_BODY_MAX) };
    if (r == NULL) {
        answer(out, 503, "out of memory");
        return;
    }
    if (pl_add_checkpoint_parse(body, r, &err) != PL_OK) {
        answer(out, PL_WITNESS_MALFORMED, err.text);
    } else {
        (void)pthread_mutex_lock(&w->lock);
        ask_locked(w, r, now_s, out);
        (void)pthread_mutex_unlock(&w->lock);
    }
    free(r);
}

void pl_witness_show(pl_witness *w, pl_str hex, pl_witness_answer *out)
{
    char         name[65] = "";
    watched_log *l = NULL;

    *out = (pl_witness_answer){ .body = PL_BUF_INIT(2 * PL_WITNESS_BODY_MAX) };
    (void)pthread_mutex_lock(&w->lock);
    if (hex.n == 64) {
        memcpy(name, hex.p, 64);
        l = find(w, name);
    }
    if (l == NULL || l->note == NULL) {
        answer(out, 404, "nothing cosigned for this origin");
    } else {
        out->status = 200;
        out->content_type = "text/plain; charset=utf-8";
        pl_buf_put(&out->body, (pl_str){ l->note, l->note_n });
    }
    (void)pthread_mutex_unlock(&w->lock);
}

const char *pl_witness_vkey(const pl_witness *w)
{
    return w->vkey;
}

void pl_witness_each(pl_witness *w,
                     void (*fn)(void *ctx, const char *origin, uint64_t size, int64_t time_s),
                     void *ctx)
{
    (void)pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < w->nlogs; i++)
        fn(ctx, w->logs[i].keys[0].name, w->logs[i].last.size, w->logs[i].time_s);
    (void)pthread_mutex_unlock(&w->lock);
}
