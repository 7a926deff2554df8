/* A request with what the policy wants replaced: pseudonyms for `redact`, masks for `replace`.
 * Every string by itself; what only shows when parts are joined, or behind a second level of
 * escapes, or stands in a key, stays, and the caller refuses the request for it. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/guard_int.h"
#include "engine/text/redact.h"

#define ITEMS_MAX   512
#define SCRATCH_MAX (64u << 20)

typedef struct redactor {
    const pl_policy *policy;
    const pl_cell   *cells;
    const uint8_t   *key;
    pseudonyms      *names;
    pl_buf          *out;
    pl_error        *err;
    pl_str           body, text; /* text: of the string in hand */
    size_t           at;         /* of the body, copied up to here */
    pl_action        action;     /* of this pass */
    pl_redact_item   item[ITEMS_MAX];
    size_t           n;
    pl_buf           raw, first, second;
    pl_rc            rc;
} redactor;

static int on_finding(void *ctx, const pl_text_finding *f)
{
    redactor *r = ctx;

    if (pl_cell_act(r->cells[f->rule]) != r->action)
        return 0;
    if (r->n == ITEMS_MAX) {
        r->rc = pl_fail(r->err, PL_LIMIT, "too many items in one string");
        return 1;
    }
    r->item[r->n++] = (pl_redact_item){
        f->start, f->end, pl_textdb_rule_get(pl_policy_textdb(r->policy), f->rule).category, f->score
    };
    return 0;
}

static void on_redaction(void *ctx, const pl_redaction *d)
{
    redactor *r = ctx;
    pl_str    value = { r->text.p + d->start, (size_t)(d->end - d->start) };

    if (r->action == PL_ACTION_REDACT && r->rc == PL_OK)
        r->rc = pl_pseudonym_add(r->names, d->replacement, value, r->err);
}

/* One pass for one action; gives the text to go on with. */
static pl_str pass(redactor *r, pl_action action, pl_str text, pl_buf *out)
{
    pl_redact_options o = { .how = action == PL_ACTION_REDACT ? PL_REDACT_PSEUDONYM : PL_REDACT_MASK,
                            .key = r->key, .key_n = 32, .each = on_redaction, .ctx = r };

    r->action = action;
    r->n = 0;
    r->text = text;
    pl_buf_clear(out);
    if (r->rc == PL_OK)
        r->rc = pl_screen_scan(pl_policy_screen(r->policy), text,
                               PL_SCREEN_KEYWORDS | PL_SCREEN_STRUCTURED | PL_SCREEN_NAMES,
                               on_finding, r, r->err);
    if (r->rc != PL_OK || r->n == 0)
        return text;
    r->rc = pl_redact(text, r->item, r->n, &o, out, r->err);
    return pl_buf_str(out);
}

static pl_rc on_key(void *ctx, surface_walk *w, const pl_jsontok *t)
{
    (void)ctx;
    (void)w;
    (void)t;
    return PL_OK;
}

static pl_rc on_value(void *ctx, surface_walk *w, const surface_node *n, const pl_jsontok *t)
{
    redactor *r = ctx;
    pl_str    text, now;

    (void)w;
    (void)n;
    if (t->type != PL_JT_STRING || t->raw.n == 0)
        return PL_OK;
    text = t->raw;
    if (t->escaped) {
        pl_buf_clear(&r->raw);
        pl_json_unescape(t->raw, &r->raw);
        text = pl_buf_str(&r->raw);
    }
    now = pass(r, PL_ACTION_REDACT, text, &r->first);
    now = pass(r, PL_ACTION_REPLACE, now, &r->second);
    if (r->rc != PL_OK || now.p == text.p)
        return r->rc;
    pl_buf_put(r->out, (pl_str){ r->body.p + r->at, t->start + 1 - r->at });
    pl_buf_json(r->out, now);
    r->at = t->end - 1;
    return PL_OK;
}

static pl_rc on_edge(void *ctx, surface_walk *w, const surface_node *n)
{
    (void)ctx;
    (void)w;
    (void)n;
    return PL_OK;
}

static pl_rc on_begin(void *ctx, surface_walk *w, const surface_node *n, const pl_jsontok *t)
{
    (void)t;
    return on_edge(ctx, w, n);
}

pl_rc pl_request_redact(const pl_policy *p, const pl_cell *cells, const pl_surface *s, pl_str body,
                        const uint8_t key[32], pseudonyms *names, pl_buf *out, pl_error *err)
{
    redactor    *r = calloc(1, sizeof *r);
    walk_visitor v = { .key = on_key, .value = on_value, .begin = on_begin, .end = on_edge,
                       .ctx = r };
    pl_rc        rc;

    if (!r)
        return pl_fail(err, PL_NOMEM, "out of memory");
    *r = (redactor){ .policy = p, .cells = cells, .key = key, .names = names, .out = out,
                     .err = err, .body = body, .raw = PL_BUF_INIT(SCRATCH_MAX),
                     .first = PL_BUF_INIT(SCRATCH_MAX), .second = PL_BUF_INIT(SCRATCH_MAX) };
    rc = pl_surface_read(pl_surface_request_tree(s), body, &v, err);
    if (rc == PL_OK)
        rc = r->rc;
    pl_buf_put(out, (pl_str){ body.p + r->at, body.n - r->at });
    if (rc == PL_OK && (out->failed || r->raw.failed || r->first.failed || r->second.failed))
        rc = pl_fail(err, PL_NOMEM, "out of memory");
    pl_buf_done(&r->raw);
    pl_buf_done(&r->first);
    pl_buf_done(&r->second);
    free(r);
    return rc;
}
