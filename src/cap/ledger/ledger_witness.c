/* The client of the witness protocol (C2SP tlog-witness v1.0.0). */
#include "base/banned.h"

#include "base/hash.h"
#include "base/http_client.h"
#include "base/str.h"
#include "cap/capability.h"
#include "cap/ledger/ledger_witness.h"

#define UNIX_PREFIX "unix:"
#define ANSWER_MAX  (64u << 10)

const char *pl_witness_state_name(witness_state s)
{
    static const char *const names[] = { "unasked", "cosigned", "away", "refused", "ahead",
                                         "forked" };

    return names[s];
}

pl_rc pl_witness_peer_init(witness_peer *p, const pl_instance_witness *w, pl_error *err)
{
    p->w = w;
    return pl_cosigner_parse(pl_str_z(w->vkey), &p->key, err);
}

void pl_witness_answer_free(witness_answer *a)
{
    free(a->line);
    free(a->note);
    *a = (witness_answer){ .time_s = PL_COSIGNED_NOT };
}

static void fail(witness_answer *a, witness_state s, const char *why)
{
    a->state = s;
    (void)snprintf(a->problem, sizeof a->problem, "%s", why);
}

/* --- HTTP -------------------------------------------------------------------------------- */

static pl_rc call(const witness_peer *p, const char *method, const char *path, pl_str body,
                  long timeout_ms, pl_http_response *out, pl_error *err)
{
    static const char *const headers[] = { "Content-Type: text/plain; charset=utf-8", NULL };
    bool            is_unix = pl_str_starts(pl_str_z(p->w->url), PL_STR(UNIX_PREFIX));
    size_t          n = strlen(p->w->url);
    char            url[1300];
    pl_http_request q = { .method = method, .url = url, .body = body, .timeout_ms = timeout_ms,
                          .max_bytes = ANSWER_MAX, .headers = body.n > 0 ? headers : NULL };

    while (n > 0 && p->w->url[n - 1] == '/')
        n--;
    if (is_unix) {
        q.unix_socket = p->w->url + sizeof UNIX_PREFIX - 1;
        (void)snprintf(url, sizeof url, "http://witness%s", path);
    } else {
        (void)snprintf(url, sizeof url, "%.*s%s", (int)n, p->w->url, path);
    }
    return pl_http_call(&q, out, err);
}

/* --- comparing ---------------------------------------------------------------------------- */

/* The head it serves must bear the log's signature and its own: then it is proof, and not
 * only what somebody says. */
static pl_rc head_open(const witness_peer *p, const pl_ledger *reader, pl_str note,
                       pl_checkpoint *c, int64_t *time_s, pl_error *err)
{
    pl_rc rc = pl_checkpoint_open_any(note, reader->keys, reader->nkeys, c, NULL, err);

    if (rc == PL_OK)
        rc = pl_cosignatures_open(note, &p->key, 1, time_s, err);
    if (rc == PL_OK && *time_s == PL_COSIGNED_NOT)
        rc = pl_fail(err, PL_INVALID, "its head does not bear its own cosignature");
    return rc;
}

static void head_compare(const witness_peer *p, const pl_ledger *reader, pl_str note,
                         uint64_t *known, witness_answer *out)
{
    pl_checkpoint c;
    pl_error      err = { PL_OK, "" };
    pl_rc         rc = head_open(p, reader, note, &c, &out->time_s, &err);

    if (rc != PL_OK) {
        fail(out, WITNESS_REFUSED, err.text);
        return;
    }
    *known = out->size = c.size;
    rc = pl_ledger_contradiction(reader, &c, out->problem);
    if (rc == PL_OK) {
        out->state = WITNESS_COSIGNED;
        return;
    }
    if (rc == PL_CONFLICT) {
        out->state = c.size > reader->head.size ? WITNESS_AHEAD : WITNESS_FORKED;
        out->note = pl_str_dup(note);
    } else {
        out->state = WITNESS_AWAY; /* our own files could not be read: nothing is known */
    }
}

void pl_witness_compare(const witness_peer *p, const pl_ledger *reader, const pl_vkey *log,
                        long timeout_ms, uint64_t *known, witness_answer *out)
{
    uint8_t          h[32];
    char             hex[65], path[100];
    pl_http_response r = { 0 };
    pl_error         err = { PL_OK, "" };

    *out = (witness_answer){ .time_s = PL_COSIGNED_NOT };
    pl_sha256_of(pl_str_z(log->name), h);
    pl_hex(h, sizeof h, hex);
    (void)snprintf(path, sizeof path, "/%s/checkpoint", hex);
    if (call(p, "GET", path, PL_STR(""), timeout_ms, &r, &err) != PL_OK) {
        fail(out, WITNESS_AWAY, err.text);
        return;
    }
    if (r.status == 200) {
        head_compare(p, reader, pl_buf_str(&r.body), known, out);
    } else if (r.status == 404) {
        *known = 0; /* or it does not serve heads, and will say so when asked to cosign */
        out->state = WITNESS_COSIGNED;
    } else {
        (void)snprintf(out->problem, sizeof out->problem, "answers %ld", r.status);
        out->state = r.status >= 500 ? WITNESS_AWAY : WITNESS_REFUSED;
    }
    pl_http_response_done(&r);
}

/* --- submitting ----------------------------------------------------------------------------- */

static pl_rc request_make(const pl_ledger *reader, uint64_t old, uint64_t size, pl_str note,
                          char **body, size_t *n, pl_error *err)
{
    pl_add_checkpoint *r = calloc(1, sizeof *r);
    pl_rc              rc = PL_OK;

    if (r == NULL)
        return pl_fail(err, PL_NOMEM, "out of memory");
    r->old_size = old;
    r->note = note;
    if (old > 0 && old < size)
        rc = pl_ledger_consistency(reader, old, size, &r->proof, err);
    if (rc == PL_OK)
        rc = pl_add_checkpoint_format(r, body, n, err);
    free(r);
    return rc;
}

/* It refused a proof that we believe: see which of us has another history. */
static void contradicted(const witness_peer *p, const pl_ledger *reader, const pl_vkey *log,
                         long timeout_ms, uint64_t *known, witness_answer *out)
{
    pl_witness_compare(p, reader, log, timeout_ms, known, out);
    if (out->state == WITNESS_COSIGNED)
        fail(out, WITNESS_REFUSED, "refuses a head whose proof holds");
}

/* 409: the size it has. Greater than ours means that we were set back, proved or not: to go
 * on would sign a second history, to stop can be undone. */
static void stale(const witness_peer *p, const pl_ledger *reader, const pl_vkey *log, pl_str body,
                  long timeout_ms, uint64_t *known, witness_answer *out)
{
    uint64_t claimed = 0;

    if (pl_str_u64(pl_str_trim(body), &claimed, NULL) != PL_OK) {
        fail(out, WITNESS_REFUSED, "answers 409 without a size");
        return;
    }
    *known = claimed;
    if (claimed <= reader->head.size)
        return; /* asked again with this size */
    pl_witness_compare(p, reader, log, timeout_ms, known, out);
    if (out->state == WITNESS_AHEAD || out->state == WITNESS_FORKED)
        return;
    out->state = WITNESS_AHEAD;
    out->size = claimed;
    (void)snprintf(out->problem, sizeof out->problem,
                   "a witness says it has seen %llu entries, here are %llu; it did not prove it",
                   (unsigned long long)claimed, (unsigned long long)reader->head.size);
}

static void answer_take(const witness_peer *p, const pl_ledger *reader, const pl_vkey *log,
                        pl_str note, uint64_t size, const pl_http_response *r, long timeout_ms,
                        uint64_t *known, witness_answer *out)
{
    char    *merged = NULL;
    size_t   n = 0;
    pl_error err = { PL_OK, "" };

    if (r->status == 409) {
        stale(p, reader, log, pl_buf_str(&r->body), timeout_ms, known, out);
    } else if (r->status == 422) {
        contradicted(p, reader, log, timeout_ms, known, out);
    } else if (r->status != 200) {
        (void)snprintf(out->problem, sizeof out->problem, "answers %ld", r->status);
        out->state = r->status >= 500 ? WITNESS_AWAY : WITNESS_REFUSED;
    } else if (pl_cosignature_add(note, pl_buf_str(&r->body), &p->key, &merged, &n, &out->time_s,
                                  &err) != PL_OK) {
        fail(out, WITNESS_REFUSED, err.text);
    } else {
        out->state = WITNESS_COSIGNED;
        *known = out->size = size;
        out->line = pl_str_dup(pl_buf_str(&r->body));
    }
    free(merged);
}

static void submit_once(const witness_peer *p, const pl_ledger *reader, const pl_vkey *log,
                        pl_str note, uint64_t size, long timeout_ms, uint64_t *known,
                        witness_answer *out)
{
    char            *body = NULL;
    size_t           n = 0;
    pl_http_response r = { 0 };
    pl_error         err = { PL_OK, "" };
    uint64_t         old = *known < size ? *known : size;
    pl_rc            rc = request_make(reader, old, size, note, &body, &n, &err);

    if (rc == PL_OK)
        rc = call(p, "POST", "/add-checkpoint", (pl_str){ body, n }, timeout_ms, &r, &err);
    if (rc != PL_OK)
        fail(out, WITNESS_AWAY, err.text);
    else
        answer_take(p, reader, log, note, size, &r, timeout_ms, known, out);
    pl_http_response_done(&r);
    free(body);
}

void pl_witness_submit(const witness_peer *p, const pl_ledger *reader, const pl_vkey *log,
                       pl_str note, long timeout_ms, uint64_t *known, witness_answer *out)
{
    pl_checkpoint c;
    pl_error      err = { PL_OK, "" };

    *out = (witness_answer){ .time_s = PL_COSIGNED_NOT };
    if (pl_checkpoint_open_any(note, reader->keys, reader->nkeys, &c, NULL, &err) != PL_OK) {
        fail(out, WITNESS_REFUSED, err.text);
        return;
    }
    if (*known == WITNESS_SIZE_UNKNOWN) {
        pl_witness_compare(p, reader, log, timeout_ms, known, out);
        if (out->state != WITNESS_COSIGNED)
            return;
    }
    /* It may have moved on through others: the size it names is tried once more. */
    for (int i = 0; i < 2; i++) {
        pl_witness_answer_free(out);
        submit_once(p, reader, log, note, c.size, timeout_ms, known, out);
        if (out->state != WITNESS_UNASKED)
            return;
    }
    fail(out, WITNESS_REFUSED, "names another size each time");
}

/* --- policy --------------------------------------------------------------------------------- */

char *pl_witness_policy(const pl_instance *i, const pl_vkey *log)
{
    pl_buf b = PL_BUF_INIT(64u << 10);
    char   vkey[PL_VKEY_TEXT_MAX];
    size_t remote = 0;

    if (pl_vkey_format(log, vkey, sizeof vkey, NULL) == PL_OK)
        pl_buf_printf(&b, "log %s\n", vkey);
    for (size_t w = 0; w < i->witness_count; w++)
        if (!i->witnesses[w].is_local) {
            pl_buf_printf(&b, "witness %s %s\n", i->witnesses[w].name, i->witnesses[w].vkey);
            remote++;
        }
    if (i->quorum > 0) {
        pl_buf_printf(&b, "group plumbline-quorum %zu", i->quorum);
        for (size_t w = 0; w < i->witness_count; w++)
            if (!i->witnesses[w].is_local)
                pl_buf_printf(&b, " %s", i->witnesses[w].name);
        pl_buf_puts(&b, "\n");
    }
    pl_buf_printf(&b, "quorum %s\n", i->quorum > 0 ? "plumbline-quorum" : "none");
    if (b.failed) {
        pl_buf_done(&b);
        return NULL;
    }
    return b.p;
}
