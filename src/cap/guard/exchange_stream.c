/* Event streams: judged event by event, in the order of the upstream. What may leave when is in
 * exchange_hold.c; lines and events are in exchange_frame.c. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/guard_int.h"

void pl_stream_init(stream_state *s, size_t max)
{
    s->raw = PL_BUF_INIT(max);
    s->data = PL_BUF_INIT(max);
    s->held = PL_BUF_INIT(max * 2);
    s->edit_text = PL_BUF_INIT(max * 6 + 65536);
    s->later = PL_BUF_INIT(max);
    s->built = PL_BUF_INIT(max * 7 + 65536);
    s->same.bytes = PL_BUF_INIT(4096); /* longer ones are few */
    s->id = PL_BUF_INIT(512);
    s->model = PL_BUF_INIT(512);
    s->seen.open_sub = s->sent.open_sub = -1;
}

void pl_stream_done(stream_state *s)
{
    pl_buf_done(&s->raw);
    pl_buf_done(&s->data);
    pl_buf_done(&s->held);
    pl_buf_done(&s->later);
    pl_buf_done(&s->edit_text);
    pl_buf_done(&s->built);
    pl_buf_done(&s->same.bytes);
    pl_buf_done(&s->id);
    pl_buf_done(&s->model);
    free(s->events);
    free(s->marks);
    free(s->edits);
}

/* --- labels ------------------------------------------------------------------------ */

static text_channel *text_channel_of(const choice *c)
{
    for (size_t i = c->ch_n; i-- > 0;)
        if (c->ch[i]->kind == PK_TEXT)
            return c->ch[i];
    return NULL;
}

/* The label as an event of its own: in a part of its own, in a copy of an event of this text,
 * or in the surface's words. */
static void label_say(pl_exchange *x, int i, pl_buf *out)
{
    const surface_voice *v = x->surface->voice;
    choice       *c = x->choices[i];
    text_channel *ch = text_channel_of(c);
    pl_buf        label = PL_BUF_INIT(8192), own = PL_BUF_INIT(65536);
    voice_args    a = { .choice = i };

    c->labelled = true;
    ch->labelled = true;
    pl_exchange_label_json(x, &label);
    a.text = pl_buf_str(&label);
    if (x->surface->flags & SF_LABEL_APART) {
        a.sub = x->stream.seen.next_sub++;
        pl_voice_put(x, &own, v->open, &a);
        pl_voice_put(x, &own, v->delta, &a);
        pl_voice_put(x, &own, v->close, &a);
    } else if (!pl_hold_say(x, ch, a.text, out)) {
        pl_voice_put(x, &own, v->delta, &a);
    }
    if (own.n)
        pl_hold_queue(x, pl_buf_str(&own), x->stream.marks_n, out);
    x->oom |= label.failed || own.failed;
    pl_buf_done(&label);
    pl_buf_done(&own);
}

/* --- what an event ends -------------------------------------------------------------- */

/* Last text of channel ch in the event in hand, or NULL. */
static const answer_piece *last_piece(const answer *a, const text_channel *ch)
{
    for (size_t i = a->n; i-- > 0;)
        if (a->piece[i].ch == ch)
            return &a->piece[i];
    return NULL;
}

/* What the finished channels of a choice still hold is said before the event in hand, unless
 * that has a place for it. Then the label. */
static void choice_say_rest(stream_event *e, int i)
{
    pl_exchange  *x = e->x;
    choice       *c = x->choices[i];
    text_channel *text = text_channel_of(c);
    const answer_piece *p;

    for (size_t k = 0; k < c->ch_n; k++)
        if (c->ch[k]->finished && !last_piece(&x->answer, c->ch[k]))
            pl_hold_flush(x, c->ch[k], e->out);
    if (!text || !text->finished || !pl_choice_takes_label(x, c))
        return;
    p = last_piece(&x->answer, text);
    if (p && !(x->surface->flags & SF_LABEL_APART)) {
        pl_buf label = PL_BUF_INIT(8192);

        pl_exchange_label_json(x, &label);
        pl_edit_add(x, p->t.end - 1, p->t.end - 1, pl_buf_str(&label));
        pl_buf_done(&label);
        c->labelled = text->labelled = true;
    } else if (c->finished || !(x->surface->flags & SF_LABEL_APART)) {
        label_say(x, i, e->out);
    }
}

static void finish_all(pl_exchange *x)
{
    for (int i = 0; i < x->choice_count; i++)
        if (x->choices[i] && !x->choices[i]->finished)
            pl_choice_finish(x, x->choices[i]);
}

static choice *choice_at(const pl_exchange *x, int64_t i)
{
    return i >= 0 && i < x->choice_count ? x->choices[i] : NULL;
}

/* Finishes what the event says is complete. */
static void event_finishes(pl_exchange *x, event_role role)
{
    const answer *a = &x->answer;
    choice       *c = choice_at(x, a->choice < 0 ? 0 : a->choice);

    for (size_t i = 0; i < a->n; i++)
        if (a->piece[i].kind == PK_FINISH) {
            choice *done = choice_at(x, a->piece[i].choice);

            x->stream.saw_finish = true;
            if (done)
                pl_choice_finish(x, done);
        }
    if (role == ER_SUB_END && c)
        pl_choice_finish_sub(x, c, a->sub < 0 ? 0 : (int32_t)a->sub);
    else if (role == ER_CHOICE_END && c)
        pl_choice_finish(x, c);
    else if (role == ER_END || role == ER_ERROR)
        finish_all(x);
}

static void say_rest(stream_event *e)
{
    for (int i = 0; i < e->x->choice_count; i++)
        if (e->x->choices[i])
            choice_say_rest(e, i);
}

/* Texts repeated after their deltas carry the label that the deltas carried. */
static void repeated_labels(pl_exchange *x)
{
    const answer *a = &x->answer;
    pl_buf        label = PL_BUF_INIT(8192);

    for (size_t i = 0; i < a->n; i++) {
        const answer_piece *p = &a->piece[i];

        if (p->kind != PK_FULL || !p->labelled || !pl_exchange_says_label(x, p))
            continue;
        if (label.n == 0)
            pl_exchange_label_json(x, &label);
        pl_edit_add(x, p->t.end - 1, p->t.end - 1, pl_buf_str(&label));
    }
    pl_buf_done(&label);
}

/* --- one event --------------------------------------------------------------------- */

/* A value that the same place said in the event before was read then. */
static bool is_known(stream_state *s, const surface_node *node, pl_str v)
{
    memo *m = s->memo;

    if (!node || v.n > MEMO_TEXT)
        return false;
    while (m < s->memo + s->memo_n && m->node != node)
        m++;
    if (m == s->memo + MEMO_MAX)
        return false;
    if (m == s->memo + s->memo_n)
        s->memo_n++;
    else if (m->n == v.n && memcmp(m->text, v.p, v.n) == 0)
        return true;
    m->node = node;
    m->n = (uint16_t)v.n;
    memcpy(m->text, v.p, v.n);
    return false;
}

static void on_single(void *ctx, const surface_node *node, const pl_jsontok *t)
{
    pl_exchange *x = ctx;

    if (is_known(&x->stream, node, t->raw))
        return;
    x->stream.singles++;
    pl_exchange_scan_single(x, pl_exchange_token(x, t));
}

static void keep(pl_buf *b, pl_str s)
{
    if (s.n == 0 || pl_str_eq(pl_buf_str(b), s))
        return;
    pl_buf_clear(b);
    pl_buf_put(b, s);
    if (b->failed)
        pl_buf_clear(b);
}

/* Only what was judged may be repeated in events of our own. */
static void head_keep(pl_exchange *x)
{
    stream_state *s = &x->stream;

    keep(&s->id, x->answer.id);
    keep(&s->model, x->answer.model);
    if (x->answer.created)
        s->created = x->answer.created;
}

static void place_keep(pl_exchange *x, event_role role)
{
    const answer *a = &x->answer;
    stream_place *p = &x->stream.seen;

    p->begun |= role == ER_BEGIN;
    if (a->choice >= p->next_choice)
        p->next_choice = (int32_t)(a->choice < INT32_MAX ? a->choice + 1 : a->choice);
    if (a->sub >= p->next_sub)
        p->next_sub = (int32_t)(a->sub < INT32_MAX ? a->sub + 1 : a->sub);
    if (x->surface->flags & SF_NEW_PLACE && role == ER_SUB_BEGIN)
        p->open_sub = (int32_t)a->sub;
    else if (role == ER_SUB_END)
        p->open_sub = -1;
    if (pl_hold_is_empty(&x->stream))
        x->stream.sent = *p;
}

static bool event_has(const answer *a, path_kind kind)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->piece[i].kind == kind)
            return true;
    return false;
}

static void texts_take(stream_event *e)
{
    pl_exchange *x = e->x;
    answer      *a = &x->answer;
    bool         keeps = x->route->label_explicit && !x->facts.is_structured &&
                 !event_has(a, PK_FINISH);

    e->first_mark = x->stream.marks_n;
    for (size_t i = 0; i < a->n && !x->oom; i++) {
        text_channel *ch = pl_exchange_take(x, &a->piece[i], NULL);

        if (ch)
            pl_hold_mark(x, ch);
    }
    for (size_t i = 0; i < a->n && keeps && !x->oom; i++)
        if (a->piece[i].kind == PK_TEXT && a->piece[i].ch)
            pl_hold_echo_keep(e, &a->piece[i]);
}

static void closed_keep(pl_exchange *x)
{
    for (int i = 0; pl_hold_is_empty(&x->stream) && i < x->choice_count; i++)
        if (x->choices[i])
            x->choices[i]->closed = x->choices[i]->finished;
}

static void stream_over(stream_event *e, event_role role, int64_t now_ms)
{
    pl_exchange *x = e->x;

    x->ended = true;
    if (role == ER_ERROR) {
        x->verdict = "error";
        x->reason = "upstream_stream_error";
    }
    pl_stream_comment(x, e->out, now_ms);
}

static bool event_read(stream_event *e, event_role *role)
{
    pl_exchange  *x = e->x;
    answer_reader r = { .tree = pl_surface_response_tree(x->surface), .is_event = true,
                        .single = on_single, .ctx = x };

    if (pl_same_read(e, role))
        return true;
    x->stream.singles = 0;
    if (pl_answer_read(&r, e->data, &x->answer, NULL) != PL_OK)
        return false;
    pl_exchange_note_tokens(x);
    *role = pl_surface_event_role(x->surface, x->answer.type);
    pl_same_keep(e, *role);
    return true;
}

/* Judges the event in hand; false: it cannot be read, and the stream ended. */
static bool json_judge(stream_event *e, int64_t now_ms)
{
    pl_exchange *x = e->x;

    if (!event_read(e, &e->role)) {
        pl_stream_end_error(x, e->out, now_ms, "error", "upstream_invalid_stream",
                            "the upstream sent an event that is not valid JSON");
        return false;
    }
    texts_take(e);
    event_finishes(x, e->role);
    return true;
}

static void json_send(stream_event *e, int64_t now_ms)
{
    pl_exchange *x = e->x;
    event_role   role = e->role;
    bool         ends;

    head_keep(x);
    ends = role == ER_END || role == ER_ERROR ||
           (x->surface->framing == FRAMING_LINES && event_has(&x->answer, PK_FINISH));
    if (role != ER_ERROR)
        say_rest(e);
    repeated_labels(x);
    if (ends) { /* the record first: its digest goes out before the last event */
        pl_hold_release(x, e->out);
        e->first_mark = x->stream.marks_n; /* everything is decided: nothing marks it */
        stream_over(e, role, now_ms);
    }
    pl_hold_event(e);
    place_keep(x, role);
    if (!ends && pl_stream_judged(x, e->out, now_ms))
        return;
    pl_hold_release(x, e->out);
    closed_keep(x);
}

/* Everything that is known to come has come: what still waits is said. */
static void rest_say(pl_exchange *x, pl_buf *out)
{
    stream_event e = { .x = x, .out = out };

    x->answer.n = 0;
    say_rest(&e);
    pl_hold_release(x, out);
}

/* The end: the upstream said so, or closed after a proper last event. */
static void over_send(stream_event *e, int64_t now_ms)
{
    pl_exchange *x = e->x;

    rest_say(x, e->out);
    if (pl_stream_judged(x, e->out, now_ms))
        return;
    x->ended = true;
    pl_stream_comment(x, e->out, now_ms);
    pl_buf_put(e->out, e->raw);
}

static void broken_send(stream_event *e, int64_t now_ms)
{
    pl_exchange *x = e->x;

    x->no_label = true; /* it is not complete */
    rest_say(x, e->out);
    x->end = "truncated";
    pl_stream_end_error(x, e->out, now_ms, "error", "upstream_incomplete",
                        "the upstream broke off its answer");
}

/* Comments and field lines reach the client too: they are scanned like text. */
static void others_scan(pl_exchange *x, pl_str others)
{
    static const surface_node line = { .name = "" };

    if (others.n && !is_known(&x->stream, &line, others))
        pl_exchange_scan_single(x, others);
}

/* Reads the event's lines; those that are no data are judged here. */
static event_kind lines_read(stream_event *e)
{
    pl_exchange *x = e->x;
    size_t       n = 1;

    if (x->surface->framing == FRAMING_LINES) {
        e->data = pl_str_trim(e->raw);
    } else {
        n = pl_frame_data(e, &x->stream.built);
        others_scan(x, pl_buf_str(&x->stream.built));
    }
    return n == 0 || e->data.n == 0                                                     ? EV_OTHER
           : x->surface->done && pl_str_eqz(pl_str_trim(e->data), x->surface->done) ? EV_OVER
                                                                                        : EV_JSON;
}

/* What was judged goes on its way. */
static void event_send(stream_event *e, int64_t now_ms)
{
    switch (e->kind) {
    case EV_OTHER:
        pl_hold_queue(e->x, e->raw, e->x->stream.marks_n, e->out);
        pl_hold_release(e->x, e->out);
        break;
    case EV_JSON: json_send(e, now_ms); break;
    case EV_OVER: over_send(e, now_ms); break;
    case EV_BROKEN: broken_send(e, now_ms); break;
    }
}

/* The same, at once or after a second opinion. */
static void event_settle(stream_event *e, int64_t now_ms)
{
    if (pl_stream_judged(e->x, e->out, now_ms))
        return;
    if (pl_opinion_is_wanted(e->x)) {
        e->x->stream.waiting = *e;
        return;
    }
    if (!pl_stream_judged(e->x, e->out, now_ms))
        event_send(e, now_ms);
}

void pl_stream_event(pl_exchange *x, pl_str raw, pl_buf *out, int64_t now_ms)
{
    stream_event e = { .x = x, .out = out, .raw = raw };

    if (!x->stream.started && pl_str_starts(raw, PL_STR("\xEF\xBB\xBF")))
        e.raw = (pl_str){ raw.p + 3, raw.n - 3 };
    x->stream.started = true;
    x->received += raw.n;
    pl_exchange_limit_answer(x, x->received);
    e.kind = lines_read(&e);
    if (pl_stream_judged(x, out, now_ms))
        return;
    if (e.kind == EV_OVER)
        finish_all(x);
    else if (e.kind == EV_JSON && !json_judge(&e, now_ms))
        return;
    event_settle(&e, now_ms);
}

void pl_stream_go_on(pl_exchange *x, pl_buf *out, int64_t now_ms)
{
    stream_event e = x->stream.waiting;

    e.out = out;
    event_settle(&e, now_ms);
}

void pl_stream_end(pl_exchange *x, pl_response_end how, pl_buf *out, int64_t now_ms)
{
    stream_event e = { .x = x, .out = out, .kind = EV_BROKEN, .raw = { "", 0 } };

    if (how == PL_END_COMPLETE)
        pl_frame_rest(x, out, now_ms); /* a last event without its blank line */
    if (x->ended || pl_exchange_asks(x))
        return;
    finish_all(x);
    if (how == PL_END_COMPLETE && x->stream.saw_finish)
        e.kind = EV_OVER;
    event_settle(&e, now_ms);
}
