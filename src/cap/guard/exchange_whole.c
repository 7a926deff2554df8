/* Whole (non-stream) answers: collected, judged, labelled, sent. */
#include "base/banned.h"

#include "base/str.h"
#include "base/utf8.h"
#include "cap/guard/guard_int.h"

#define SPLICES_MAX PL_CHOICES_MAX

typedef struct whole {
    pl_exchange *x;
    size_t       splice[SPLICES_MAX]; /* offsets of the closing quotes of labelled texts */
    choice      *owner[SPLICES_MAX];
    size_t       n;
} whole;

static int on_string(void *ctx, const pl_jsontok *t)
{
    whole *w = ctx;

    pl_exchange_scan_single(w->x, pl_exchange_token(w->x, t));
    return 0;
}

static void on_head(void *ctx, const char *name, const pl_jsontok *t)
{
    (void)ctx;
    (void)name;
    (void)t;
}

static int on_choice(void *ctx, const answer_choice *view)
{
    whole       *w = ctx;
    pl_exchange *x = w->x;
    size_t       text_end;
    choice      *c = pl_exchange_take(x, view, NULL, NULL, &text_end);

    if (!c)
        return 1;
    pl_choice_finish(x, c);
    if (text_end && w->n < SPLICES_MAX) {
        w->splice[w->n] = text_end;
        w->owner[w->n++] = c;
    }
    return 0;
}

static void label_and_copy(pl_exchange *x, const whole *w, pl_str json)
{
    pl_buf label = PL_BUF_INIT(8192);
    size_t at = 0;

    pl_exchange_label_json(x, &label);
    for (size_t i = 0; i < w->n; i++) {
        if (!pl_choice_takes_label(x, w->owner[i]))
            continue;
        pl_buf_put(&x->body, (pl_str){ json.p + at, w->splice[i] - at });
        pl_buf_put(&x->body, pl_buf_str(&label));
        w->owner[i]->labelled = true;
        at = w->splice[i];
    }
    pl_buf_put(&x->body, (pl_str){ json.p + at, json.n - at });
    pl_buf_done(&label);
}

static void reply_blocked(pl_exchange *x)
{
    x->verdict = "block";
    x->direction = "output";
    pl_reply_block(x, x->out.blocking);
}

/* Error answers of the upstream: screened as JSON strings where they are JSON, as raw
 * text otherwise, then passed on unchanged. */
static void end_error_status(pl_exchange *x, pl_str body)
{
    whole          w = { .x = x };
    answer_visitor v = { .on_choice = on_choice, .on_string = on_string, .on_head = on_head,
                         .ctx = &w };

    if (pl_answer_walk(body, &v, NULL) != PL_OK)
        pl_exchange_scan_single(x, body);
    /* What could not be read to its end was not screened. */
    if (pl_exchange_blocked(x) || x->oom || x->late || !pl_utf8_valid(body)) {
        pl_exchange_refuse(x, 502, "server_error", "upstream_error",
                           "the upstream answered with an error whose text was withheld");
        return;
    }
    x->verdict = "error";
    x->reason = "upstream_status";
    pl_buf_put(&x->body, body);
    x->content_type = x->upstream_type[0] ? x->upstream_type : "text/plain; charset=utf-8";
}

static void end_ok(pl_exchange *x, pl_str body)
{
    whole          w = { .x = x };
    answer_visitor v = { .on_choice = on_choice, .on_string = on_string, .on_head = on_head,
                         .ctx = &w };
    pl_error       err;
    pl_rc          rc = pl_answer_walk(body, &v, &err);

    if (x->oom) {
        pl_exchange_refuse(x, 503, "server_error", "guard_unavailable",
                           "the answer needs more memory or channels than allowed");
    } else if (rc != PL_OK || x->late) {
        pl_exchange_refuse(x, 502, "server_error", "upstream_invalid_json",
                           "the upstream's answer is not valid JSON");
    } else if (pl_exchange_blocked(x)) {
        reply_blocked(x);
    } else {
        label_and_copy(x, &w, body);
        x->content_type = "application/json";
    }
}

void pl_whole_end(pl_exchange *x, pl_response_end how)
{
    pl_str body = pl_buf_str(&x->collect);

    if (how == PL_END_TRUNCATED) {
        x->end = "truncated";
        pl_exchange_refuse(x, 502, "server_error", "upstream_incomplete",
                           "the upstream broke off its answer");
    } else if (x->collect.failed) {
        pl_exchange_refuse(x, 502, "server_error", "upstream_too_large",
                           "the upstream's answer is larger than the gateway screens");
    } else if (x->upstream_status < 200 || x->upstream_status >= 300) {
        end_error_status(x, body);
    } else {
        end_ok(x, body);
    }
    x->replied = true;
    if (x->body.failed)
        pl_exchange_refuse(x, 503, "server_error", "guard_unavailable", "out of memory");
}
