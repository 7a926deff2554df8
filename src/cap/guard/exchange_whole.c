/* Whole (non-stream) answers: collected, judged, labelled, sent. */
#include "base/banned.h"

#include "base/str.h"
#include "base/utf8.h"
#include "cap/guard/guard_int.h"

static void on_single(void *ctx, const surface_node *node, const pl_jsontok *t)
{
    pl_exchange *x = ctx;

    (void)node;
    pl_exchange_scan_single(x, pl_exchange_token(x, t));
}

/* Reads and scans the whole answer. */
static pl_rc answer_judge(pl_exchange *x, pl_str body, pl_error *err)
{
    answer_reader r = { .tree = pl_surface_response_tree(x->surface), .single = on_single,
                        .ctx = x };
    pl_rc         rc = pl_answer_read(&r, body, &x->answer, err);

    pl_exchange_note_tokens(x);
    for (size_t i = 0; rc == PL_OK && i < x->answer.n && !x->oom; i++)
        (void)pl_exchange_take(x, &x->answer.piece[i], NULL);
    for (int i = 0; i < x->choice_count; i++)
        if (x->choices[i])
            pl_choice_finish(x, x->choices[i]);
    return rc;
}

/* Copies the answer: masked, pseudonyms put back, with a label at the end of the last text of
 * each choice that takes one. */
static void label_and_copy(pl_exchange *x, pl_str json)
{
    const answer *a = &x->answer;
    stream_state *s = &x->stream;
    pl_buf        label = PL_BUF_INIT(8192), edited = PL_BUF_INIT(x->body.limit);
    size_t        at = 0;

    pl_exchange_label_json(x, &label);
    for (size_t i = a->n; i-- > 0;) {
        const answer_piece *p = &a->piece[i];
        choice             *c = p->ch && p->kind == PK_TEXT ? x->choices[p->choice] : NULL;

        pl_edit_masked(x, p);
        if (!c || !pl_choice_takes_label(x, c))
            continue;
        c->labelled = true;
        pl_edit_add(x, p->t.end - 1, p->t.end - 1, pl_buf_str(&label));
    }
    for (size_t i = 0; i < s->edits_n; i++) {
        const edit *d = &s->edits[i];

        pl_buf_put(&edited, (pl_str){ json.p + at, d->from - at });
        pl_buf_put(&edited, (pl_str){ pl_buf_str(&s->edit_text).p + d->text, d->text_n });
        at = d->to;
    }
    pl_buf_put(&edited, (pl_str){ json.p + at, json.n - at });
    pl_pseudonym_restore(&x->names, pl_buf_str(&edited), &x->body);
    x->body.failed |= edited.failed || x->oom;
    pl_buf_done(&edited);
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
    if (answer_judge(x, body, NULL) != PL_OK)
        pl_exchange_scan_single(x, body);
    if (x->out.asking >= 0) /* a model's error is not worth a question */
        pl_opinion_settle(x, true, PL_OPINION_NONE);
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

static void judged_send(pl_exchange *x, pl_str body)
{
    if (pl_exchange_blocked(x)) {
        reply_blocked(x);
        return;
    }
    label_and_copy(x, body);
    x->content_type = "application/json";
}

static void end_ok(pl_exchange *x, pl_str body)
{
    pl_error err;
    pl_rc    rc = answer_judge(x, body, &err);

    if ((x->oom || rc == PL_LIMIT) && !pl_exchange_blocked(x) && !x->late &&
        pl_policy_opens(x->o.policy, x->o.route, true)) {
        x->bypasses |= PL_BYPASS_NOT_JUDGED;
        pl_buf_put(&x->body, body);
    } else if (x->oom || rc == PL_LIMIT) {
        pl_exchange_refuse(x, 503, "server_error", "guard_unavailable",
                           "the answer needs more memory or channels than allowed");
    } else if (rc != PL_OK || x->late) {
        pl_exchange_refuse(x, 502, "server_error", "upstream_invalid_json",
                           "the upstream's answer is not valid JSON");
    } else if (pl_exchange_blocked(x) || !pl_opinion_is_wanted(x)) {
        judged_send(x, body);
    }
}

static void replied(pl_exchange *x)
{
    x->replied = true;
    if (x->body.failed)
        pl_exchange_refuse(x, 503, "server_error", "guard_unavailable", "out of memory");
}

void pl_whole_go_on(pl_exchange *x)
{
    judged_send(x, pl_buf_str(&x->collect));
    replied(x);
}

void pl_whole_end(pl_exchange *x, pl_response_end how)
{
    pl_str body = pl_buf_str(&x->collect);

    if (how == PL_END_COMPLETE && x->upstream_status >= 200 && x->upstream_status < 300)
        pl_exchange_limit_answer(x, x->collect.failed ? UINT64_MAX : body.n);
    if (how == PL_END_TRUNCATED) {
        x->end = "truncated";
        pl_exchange_refuse(x, 502, "server_error", "upstream_incomplete",
                           "the upstream broke off its answer");
    } else if (pl_exchange_blocked(x)) {
        reply_blocked(x);
    } else if (x->collect.failed) {
        pl_exchange_refuse(x, 502, "server_error", "upstream_too_large",
                           "the upstream's answer is larger than the gateway screens");
    } else if (x->upstream_status < 200 || x->upstream_status >= 300) {
        end_error_status(x, body);
    } else {
        end_ok(x, body);
    }
    if (!pl_exchange_asks(x))
        replied(x);
}
