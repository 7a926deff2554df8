/* How a stream ends otherwise than its upstream ends it: blocked, stopped, in error. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/guard_int.h"

/* The event record is complete from here on; its digest goes on the wire as a comment, which
 * every event-stream parser ignores. Lines of JSON have no room for one. */
void pl_stream_comment(pl_exchange *x, pl_buf *out, int64_t now_ms)
{
    const pl_event *e = pl_exchange_event(x, now_ms);

    if (!x->unrecorded && x->surface->framing == FRAMING_SSE)
        pl_buf_printf(out, ": plumbline event=%s digest=%s\n\n", x->o.id, e->digest);
}

void pl_stream_end_error(pl_exchange *x, pl_buf *out, int64_t now_ms, const char *verdict,
                         const char *code, const char *message)
{
    voice_args a = { .type = "server_error", .code = code, .message = message };

    x->verdict = verdict;
    snprintf(x->reason_store, sizeof x->reason_store, "%s", code);
    x->reason = x->reason_store;
    x->asked.asks = false;
    pl_hold_drop(&x->stream);
    pl_voice_put(x, out, x->surface->voice->stream_error, &a);
    x->ended = true;
    pl_stream_comment(x, out, now_ms);
}

static void choice_block(pl_exchange *x, int i, pl_buf *out)
{
    const surface_voice *v = x->surface->voice;
    choice     *c = x->choices[i];
    pl_buf      text = PL_BUF_INIT(64u << 10);
    bool        structured = x->facts.is_structured && v->delta_refusal;
    voice_args  a = { .choice = i };

    if (c && c->text_bytes && !structured)
        pl_buf_puts(&text, "\\n\\n");
    pl_reply_safe_answer(x, x->out.blocking, &text);
    if (c && pl_choice_takes_label(x, c)) { /* what was shown before was generated too */
        pl_exchange_label_json(x, &text);
        c->labelled = true;
    }
    a.text = pl_buf_str(&text);
    pl_voice_put(x, out, structured ? v->delta_refusal : v->delta, &a);
    pl_voice_put(x, out, v->close, &a);
    pl_buf_done(&text);
}

/* Where parts are opened and closed, the safe answer is a part or a choice of its own. */
static pl_buf block_anew(pl_exchange *x, pl_buf *out)
{
    const surface_voice *v = x->surface->voice;
    const stream_place  *at = &x->stream.sent;
    pl_buf     text = PL_BUF_INIT(64u << 10);
    voice_args a = { .choice = x->surface->flags & SF_NEW_CHOICE ? at->next_choice : 0,
                     .sub = at->next_sub };
    voice_args open = { .sub = at->open_sub };

    pl_reply_safe_answer(x, x->out.blocking, &text);
    for (int i = 0; i < x->choice_count; i++)
        if (x->choices[i] && pl_choice_takes_label(x, x->choices[i])) {
            if (!x->choices[i]->labelled)
                pl_exchange_label_json(x, &text);
            x->choices[i]->labelled = true;
            break;
        }
    a.text = pl_buf_str(&text);
    if (!at->begun)
        pl_voice_put(x, out, v->begin, &a);
    if (at->open_sub >= 0)
        pl_voice_put(x, out, v->shut, &open);
    pl_voice_put(x, out, v->open, &a);
    pl_voice_put(x, out, v->delta, &a);
    pl_voice_put(x, out, v->close, &a);
    return text;
}

static void block(pl_exchange *x, pl_buf *out, int64_t now_ms)
{
    bool       anew = x->surface->flags & (SF_NEW_PLACE | SF_NEW_CHOICE);
    pl_buf     text = { 0 };
    voice_args a = { 0 };

    x->verdict = "block";
    x->direction = "output";
    pl_hold_drop(&x->stream);
    if (!x->surface->voice->delta) { /* nothing to say it in */
        pl_stream_end_error(x, out, now_ms, "block", x->surface->voice->block_code,
                            "the answer was withheld");
        return;
    }
    if (anew)
        text = block_anew(x, out);
    for (int i = 0; !anew && i < (x->choice_count ? x->choice_count : 1); i++)
        if (!x->choices[i] || !x->choices[i]->closed)
            choice_block(x, i, out);
    x->ended = true;
    pl_stream_comment(x, out, now_ms);
    a.text = pl_buf_str(&text);
    a.choice = x->stream.sent.next_choice;
    pl_voice_put(x, out, x->surface->voice->end, &a);
    pl_buf_done(&text);
}

bool pl_stream_judged(pl_exchange *x, pl_buf *out, int64_t now_ms)
{
    if (pl_exchange_blocked(x))
        block(x, out, now_ms);
    else if (x->late)
        pl_stream_end_error(x, out, now_ms, "error", "upstream_invalid_stream",
                            "the upstream sent text after the end of that text");
    else if (x->oom)
        pl_stream_end_error(x, out, now_ms, "error", "guard_limit",
                            "the stream needs more memory or channels than allowed");
    return x->ended;
}

void pl_stream_stop(pl_exchange *x, pl_buf *out, int64_t now_ms)
{
    x->end = "stopped";
    pl_stream_end_error(x, out, now_ms, "refuse", "stopped",
                        "the service was stopped by its operator");
    if (x->surface->done)
        pl_buf_printf(out, "data: %s\n\n", x->surface->done);
}
