#include "base/banned.h"

#include "base/hash.h"
#include "base/http_client.h"
#include "base/str.h"
#include "cap/ledger/ledger_stamp.h"

#include <plumbline/evidence.h>

#include <dirent.h>
#include <errno.h>

#define NOTE_MAX (64u << 10)
#define NAME_MAX_BYTES 64

static void name_of(uint64_t size, const char *kind, char out[NAME_MAX_BYTES])
{
    (void)snprintf(out, NAME_MAX_BYTES, STAMP_FOLDER "/%llu.%s", (unsigned long long)size, kind);
}

/* --- what is kept -------------------------------------------------------------------------- */

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static bool name_parse(const char *file, uint64_t *size)
{
    pl_str s = pl_str_z(file);

    return pl_str_ends(s, PL_STR(".tsr")) &&
           pl_str_u64((pl_str){ s.p, s.n - 4 }, size, NULL) == PL_OK;
}

static pl_rc list_add(uint64_t **list, size_t *n, uint64_t size, pl_error *err)
{
    uint64_t *more = realloc(*list, (*n + 1) * sizeof(**list));

    if (more == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    *list = more;
    more[(*n)++] = size;
    return PL_OK;
}

pl_rc pl_stamp_list(const char *dir, uint64_t **sizes, size_t *n, pl_error *err)
{
    char          *path = NULL;
    DIR           *d;
    struct dirent *e;
    uint64_t       size;
    pl_rc          rc = pl_ledger_path(dir, STAMP_FOLDER, &path, err);

    *sizes = NULL;
    *n = 0;
    if (rc != PL_OK)
        return rc;
    d = opendir(path);
    if (d == NULL && errno != ENOENT)
        rc = pl_fail(err, PL_IO, "cannot list '%s': %s", path, strerrordesc_np(errno));
    while (rc == PL_OK && d != NULL && (e = readdir(d)) != NULL)
        if (name_parse(e->d_name, &size))
            rc = list_add(sizes, n, size, err);
    if (d != NULL)
        (void)closedir(d);
    free(path);
    if (*n > 0)
        qsort(*sizes, *n, sizeof(**sizes), compare_u64);
    return rc;
}

pl_rc pl_stamp_read(const char *dir, uint64_t size, char **note, char **response, size_t *n,
                    pl_error *err)
{
    char   rel[NAME_MAX_BYTES];
    size_t note_n = 0;
    pl_rc  rc;

    name_of(size, "note", rel);
    rc = pl_ledger_read(dir, rel, NOTE_MAX, note, &note_n, err);
    name_of(size, "tsr", rel);
    if (rc == PL_OK)
        rc = pl_ledger_read(dir, rel, PL_TIMESTAMP_MAX, response, n, err);
    return rc;
}

pl_rc pl_stamp_check(pl_str note, pl_str response, pl_str roots, timestamp_facts *out,
                     pl_error *err)
{
    pl_str stamped;
    pl_rc  rc = pl_evidence_stamped(note, &stamped, err);

    return rc == PL_OK ? pl_timestamp_verify(response, stamped, roots, out, err) : rc;
}

static bool stamp_take(const char *dir, const pl_vkey *key, uint64_t size, stamp_head *out)
{
    stamp_head      s = { .note = NULL };
    timestamp_facts f;
    bool            ok = pl_stamp_read(dir, size, &s.note, &s.response, &s.n, NULL) == PL_OK &&
              pl_checkpoint_open(pl_str_z(s.note), key, &s.head, NULL) == PL_OK &&
              s.head.size == size &&
              pl_stamp_check(pl_str_z(s.note), (pl_str){ s.response, s.n }, PL_STR(""), &f, NULL) ==
                  PL_OK;

    if (!ok) {
        free(s.note);
        free(s.response);
        return false;
    }
    s.time_ms = f.time_ms;
    *out = s;
    return true;
}

pl_rc pl_stamp_find(const char *dir, const pl_vkey *key, uint64_t last, uint64_t size,
                    stamp_head *out, pl_error *err)
{
    uint64_t *sizes = NULL;
    size_t    n = 0;
    bool      found = false;
    pl_rc     rc = pl_stamp_list(dir, &sizes, &n, err);

    for (size_t i = 0; rc == PL_OK && i < n && !found; i++)
        found = sizes[i] > last && sizes[i] <= size && stamp_take(dir, key, sizes[i], out);
    free(sizes);
    return rc == PL_OK && !found ? pl_fail(err, PL_NOTFOUND, "no dated head holds these entries") : rc;
}

/* The note first: a stamp is there when its answer is. */
static pl_rc keep(const char *dir, uint64_t size, pl_str note, pl_str response, pl_error *err)
{
    touched t = { .dirs = NULL };
    char    rel[NAME_MAX_BYTES];
    pl_rc   rc;

    name_of(size, "note", rel);
    rc = pl_ledger_put(dir, rel, note, 0644, &t, err);
    name_of(size, "tsr", rel);
    if (rc == PL_OK)
        rc = pl_ledger_put(dir, rel, response, 0644, &t, err);
    if (rc == PL_OK)
        rc = pl_touched_sync(&t, err);
    pl_touched_done(&t);
    return rc;
}

/* --- asking -------------------------------------------------------------------------------- */

static pl_rc authority_call(const stamp_source *from, pl_str request, pl_http_response *out,
                            pl_error *err)
{
    static const char *const headers[] = { "Content-Type: application/timestamp-query",
                                           "Accept: application/timestamp-reply", NULL };
    pl_http_request          q = { .method = "POST", .url = from->url, .headers = headers,
                                   .body = request, .timeout_ms = from->timeout_ms,
                                   .max_bytes = PL_TIMESTAMP_MAX };
    pl_rc                    rc = pl_http_call(&q, out, err);

    if (rc == PL_OK && out->status != 200)
        rc = pl_fail(err, PL_IO, "time stamp authority answers with status %ld", out->status);
    return rc;
}

static pl_rc answer_judge(const stamp_source *from, pl_str note, pl_str answer, uint64_t nonce,
                          timestamp_facts *f, pl_error *err)
{
    pl_rc rc = pl_stamp_check(note, answer, from->roots, f, err);

    if (rc == PL_OK)
        rc = pl_timestamp_answers(answer, nonce, err);
    if (rc == PL_OK && from->roots.n > 0 && !f->is_trusted)
        rc = pl_fail(err, PL_INVALID, "time stamp: the certificate of '%.100s' leads to none of "
                                      "the roots", f->signer);
    return rc == PL_OK || rc == PL_NOMEM ? rc : PL_IO;
}

/* Has a note dated; the answer is in out->body. */
static pl_rc note_date(const stamp_source *from, pl_str note, pl_http_response *out,
                       timestamp_facts *f, pl_error *err)
{
    pl_buf   request = PL_BUF_INIT(4096);
    pl_str   stamped;
    uint64_t nonce = 0;
    pl_rc    rc = pl_evidence_stamped(note, &stamped, err);

    if (rc == PL_OK)
        rc = pl_random(&nonce, sizeof(nonce), err);
    nonce = nonce >> 1 | 1; /* positive and never 0: some authorities read it as signed */
    if (rc == PL_OK)
        rc = pl_timestamp_request(stamped, nonce, &request, err);
    if (rc == PL_OK)
        rc = authority_call(from, pl_buf_str(&request), out, err);
    if (rc == PL_OK)
        rc = answer_judge(from, note, pl_buf_str(&out->body), nonce, f, err);
    pl_buf_done(&request);
    return rc;
}

static pl_rc head_read(const char *dir, const char *file, const pl_vkey *keys, size_t nkeys,
                       pl_checkpoint *c, char **note, size_t *n, pl_error *err)
{
    pl_rc rc = pl_ledger_read(dir, file, NOTE_MAX, note, n, err);

    if (rc == PL_OK)
        rc = pl_checkpoint_open_any((pl_str){ *note, *n }, keys, nkeys, c, NULL, err);
    if (rc != PL_OK) {
        free(*note);
        *note = NULL;
    }
    return rc;
}

pl_rc pl_stamp_make(const char *dir, const pl_vkey *keys, size_t nkeys, const stamp_source *from,
                    stamp_facts *out, pl_error *err)
{
    pl_http_response answer = { .status = 0 };
    timestamp_facts  f = { .time_ms = 0 };
    pl_checkpoint    c;
    char            *note = NULL, rel[NAME_MAX_BYTES];
    size_t           n = 0;
    pl_rc            rc = PL_NOTFOUND;

    if (from->is_witnessed)
        rc = head_read(dir, LEDGER_WITNESSED_FILE, keys, nkeys, &c, &note, &n, NULL);
    if (rc != PL_OK)
        rc = head_read(dir, "checkpoint", keys, nkeys, &c, &note, &n, err);
    if (rc != PL_OK)
        return rc;
    name_of(c.size, "tsr", rel);
    if (c.size == 0)
        rc = pl_fail(err, PL_NOTFOUND, "the log is empty: there is nothing to date");
    else if (pl_ledger_has(dir, rel))
        rc = pl_fail(err, PL_CONFLICT, "the head of %llu entries has a time stamp already",
                     (unsigned long long)c.size);
    if (rc == PL_OK)
        rc = note_date(from, (pl_str){ note, n }, &answer, &f, err);
    if (rc == PL_OK)
        rc = keep(dir, c.size, (pl_str){ note, n }, pl_buf_str(&answer.body), err);
    if (rc == PL_OK) {
        *out = (stamp_facts){ .size = c.size, .time_ms = f.time_ms };
        memcpy(out->signer, f.signer, sizeof(out->signer));
    }
    pl_http_response_done(&answer);
    free(note);
    return rc;
}
