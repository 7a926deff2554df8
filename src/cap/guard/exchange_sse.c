/* Event streams: split, judged event by event, held while a match is in the making,
 * released whole and in order. (WHATWG HTML, "server-sent events", parsing.) */
#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/guard_int.h"

/* --- the queue of held events ------------------------------------------------------ */

static bool mark_is_safe(const held_mark *m)
{
    return pl_screen_stream_safe(m->ch->scan) >= m->end;
}

static bool event_is_safe(const sse_state *s, const held_event *e)
{
    for (size_t i = 0; i < e->mark_n; i++)
        if (!mark_is_safe(&s->marks[e->mark + i]))
            return false;
    return true;
}

static void release(pl_exchange *x, pl_buf *out)
{
    sse_state *s = &x->sse;
    size_t     n = 0;

    while (n < s->events_n && event_is_safe(s, &s->events[n])) {
        pl_buf_put(out, (pl_str){ s->held.p + s->held_off, s->events[n].bytes });
        s->held_off += s->events[n++].bytes;
    }
    if (n)
        memmove(s->events, s->events + n, (s->events_n - n) * sizeof *s->events);
    s->events_n -= n;
    if (s->events_n == 0) {
        pl_buf_clear(&s->held);
        s->held_off = s->marks_n = 0;
    }
}

static bool grow(void **p, size_t *cap, size_t need, size_t size)
{
    size_t to = *cap ? *cap : 8;
    void  *q;

    if (need <= *cap)
        return true;
    while (to < need)
        to *= 2;
    q = realloc(*p, to * size);
    if (!q)
        return false;
    *p = q;
    *cap = to;
    return true;
}

static void mark_add(void *exchange, text_channel *ch)
{
    pl_exchange *x = exchange;
    sse_state   *s = &x->sse;
    uint64_t     pending = ch->escape.n || ch->escape.high; /* an open escape may become text */

    if (!grow((void **)&s->marks, &s->marks_cap, s->marks_n + 1, sizeof *s->marks)) {
        x->oom = true;
        return;
    }
    s->marks[s->marks_n++] = (held_mark){ ch, ch->fed + pending };
}

/* Queues bytes whose marks are marks[first …]. */
static void queue(pl_exchange *x, pl_str bytes, size_t first, pl_buf *out)
{
    sse_state *s = &x->sse;
    held_event e = { .bytes = bytes.n, .mark = first, .mark_n = s->marks_n - first };

    if (s->events_n == 0 && event_is_safe(s, &e)) {
        pl_buf_put(out, bytes);
        s->marks_n = first;
        return;
    }
    if (!grow((void **)&s->events, &s->events_cap, s->events_n + 1, sizeof *s->events)) {
        x->oom = true;
        return;
    }
    pl_buf_put(&s->held, bytes);
    if (s->held.failed) {
        x->oom = true;
        return;
    }
    s->events[s->events_n++] = e;
}

static void drop_held(sse_state *s)
{
    pl_buf_clear(&s->held);
    s->held_off = s->events_n = s->marks_n = 0;
}

void pl_sse_done(sse_state *s)
{
    pl_buf_done(&s->raw);
    pl_buf_done(&s->data);
    pl_buf_done(&s->held);
    pl_buf_done(&s->id);
    pl_buf_done(&s->model);
    free(s->events);
    free(s->marks);
}

/* --- ends -------------------------------------------------------------------------- */

/* The event record is complete from here on; its digest goes on the wire as a comment,
 * which every event-stream parser ignores. */
static void comment(pl_exchange *x, pl_buf *out, int64_t now_ms)
{
    const pl_event *e = pl_exchange_event(x, now_ms);

    if (!x->unrecorded)
        pl_buf_printf(out, ": plumbline event=%s digest=%s\n\n", x->o.id, e->digest);
}

static void end_with_error(pl_exchange *x, pl_buf *out, int64_t now_ms, const char *verdict,
                           const char *code, const char *message)
{
    x->verdict = verdict;
    snprintf(x->reason_store, sizeof x->reason_store, "%s", code);
    x->reason = x->reason_store;
    drop_held(&x->sse);
    pl_buf_puts(out, "data: ");
    pl_guard_error_body(out, "server_error", code, message, pl_exchange_id(x));
    pl_buf_puts(out, "\n\n");
    x->ended = true;
    comment(x, out, now_ms);
}

static void block_choice(pl_exchange *x, int i, pl_buf *out)
{
    choice *c = x->choices[i];
    pl_buf  delta = PL_BUF_INIT(64u << 10);
    bool    labels = c && pl_choice_takes_label(x, c);

    pl_buf_printf(&delta, "{\"%s\":\"", x->facts.is_structured ? "refusal" : "content");
    if (c && c->text_bytes && !x->facts.is_structured)
        pl_buf_puts(&delta, "\\n\\n");
    pl_reply_safe_answer(x, x->out.blocking, &delta);
    if (labels) { /* what was shown before the block was generated too */
        pl_exchange_label_json(x, &delta);
        c->labelled = true;
    }
    pl_buf_puts(&delta, "\"}");
    pl_reply_chunk(x, out, i, pl_buf_str(&delta), NULL);
    pl_reply_chunk(x, out, i, PL_STR("{}"), "content_filter");
    pl_buf_done(&delta);
}

static void block(pl_exchange *x, pl_buf *out, int64_t now_ms)
{
    x->verdict = "block";
    x->direction = "output";
    drop_held(&x->sse);
    for (int i = 0; i < (x->choice_count ? x->choice_count : 1); i++)
        if (!x->choices[i] || !x->choices[i]->closed)
            block_choice(x, i, out);
    x->ended = true;
    comment(x, out, now_ms);
    pl_buf_puts(out, "data: [DONE]\n\n");
}

/* True when the stream ended because of what was just scanned. */
static bool judged(pl_exchange *x, pl_buf *out, int64_t now_ms)
{
    if (pl_exchange_blocked(x))
        block(x, out, now_ms);
    else if (x->late)
        end_with_error(x, out, now_ms, "error", "upstream_invalid_stream",
                       "the upstream sent text after the end of that text");
    else if (x->oom)
        end_with_error(x, out, now_ms, "error", "guard_limit",
                       "the stream needs more memory or channels than allowed");
    return x->ended;
}

void pl_sse_stop(pl_exchange *x, pl_buf *out, int64_t now_ms)
{
    x->end = "stopped";
    end_with_error(x, out, now_ms, "refuse", "stopped", "the service was stopped by its operator");
    pl_buf_puts(out, "data: [DONE]\n\n");
}

/* --- labels ------------------------------------------------------------------------ */

static void label_chunk(pl_exchange *x, int index, pl_buf *out)
{
    pl_buf delta = PL_BUF_INIT(8192), chunk = PL_BUF_INIT(16384);

    pl_buf_puts(&delta, "{\"content\":\"");
    pl_exchange_label_json(x, &delta);
    pl_buf_puts(&delta, "\"}");
    pl_reply_chunk(x, &chunk, index, pl_buf_str(&delta), NULL);
    x->oom |= chunk.failed || delta.failed;
    queue(x, pl_buf_str(&chunk), x->sse.marks_n, out);
    pl_buf_done(&delta);
    pl_buf_done(&chunk);
}

/* --- one event --------------------------------------------------------------------- */

#define SPLICES_MAX 16

typedef struct event {
    pl_exchange *x;
    pl_buf      *out;
    pl_str       raw, data;
    bool         one_line;      /* data is a view into raw */
    size_t       first_mark;
    pl_str       id, model;     /* of this event; kept for chunks of our own once it is judged */
    int64_t      created;
    size_t       splice[SPLICES_MAX]; /* offsets in data where the label goes */
    size_t       splices;
    int          finishing[SPLICES_MAX];
    size_t       finishing_n;
} event;

static int on_string(void *ctx, const pl_jsontok *t)
{
    event *e = ctx;

    pl_exchange_scan_single(e->x, pl_exchange_token(e->x, t));
    return 0;
}

static void on_head(void *ctx, const char *name, const pl_jsontok *t)
{
    event   *e = ctx;
    uint64_t created;

    if (name[0] == 'c') {
        if (t->type == PL_JT_NUMBER && pl_str_u64(t->raw, &created, NULL) == PL_OK)
            e->created = (int64_t)created;
    } else if (t->type == PL_JT_STRING) {
        *(name[0] == 'i' ? &e->id : &e->model) = t->raw;
    }
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

/* Only what was judged may be repeated in chunks of our own. */
static void head_keep(const event *e)
{
    sse_state *s = &e->x->sse;

    keep(&s->id, e->id);
    keep(&s->model, e->model);
    if (e->created)
        s->created = e->created;
}

/* The choice's text is complete: decide it, and say where its label goes. */
static void choice_ends(event *e, choice *c, int index, size_t text_end)
{
    pl_exchange *x = e->x;

    x->sse.saw_finish = true;
    pl_choice_finish(x, c);
    if (!pl_choice_takes_label(x, c) || e->splices == SPLICES_MAX || e->finishing_n == SPLICES_MAX)
        return;
    c->labelled = true;
    if (text_end)
        e->splice[e->splices++] = text_end;
    else
        e->finishing[e->finishing_n++] = index;
}

static int on_choice(void *ctx, const answer_choice *view)
{
    event *e = ctx;
    size_t text_end;
    choice *c = pl_exchange_take(e->x, view, mark_add, e->x, &text_end);

    if (!c)
        return 1;
    if (view->finished)
        choice_ends(e, c, (int)view->index, text_end);
    return 0;
}

static void line_feeds_to_blanks(pl_buf *b, size_t from)
{
    for (size_t i = from; i < b->n; i++)
        if (b->p[i] == '\n')
            b->p[i] = ' ';
}

/* The event with labels spliced into its texts, as one data line. */
static void rebuilt(event *e, pl_buf *b)
{
    size_t at = 0;

    pl_buf_puts(b, "data: ");
    for (size_t i = 0; i < e->splices; i++) {
        pl_buf_put(b, (pl_str){ e->data.p + at, e->splice[i] - at });
        pl_exchange_label_json(e->x, b);
        at = e->splice[i];
    }
    pl_buf_put(b, (pl_str){ e->data.p + at, e->data.n - at });
    line_feeds_to_blanks(b, 0);
    pl_buf_puts(b, "\n\n");
}

static void event_queue(event *e)
{
    pl_exchange *x = e->x;
    pl_buf       b = PL_BUF_INIT(x->o.max_response + 65536);

    for (size_t i = 0; i < e->finishing_n; i++)
        label_chunk(x, e->finishing[i], e->out);
    if (e->splices) {
        rebuilt(e, &b);
        x->oom |= b.failed;
        queue(x, pl_buf_str(&b), e->first_mark, e->out);
    } else {
        queue(x, e->raw, e->first_mark, e->out);
    }
    pl_buf_done(&b);
}

static void json_event(event *e, int64_t now_ms)
{
    pl_exchange   *x = e->x;
    answer_visitor v = { .on_choice = on_choice, .on_string = on_string, .on_head = on_head,
                         .ctx = e };
    pl_rc          rc;

    e->first_mark = x->sse.marks_n;
    rc = pl_answer_walk(e->data, &v, NULL);
    if (judged(x, e->out, now_ms))
        return;
    if (rc != PL_OK) {
        end_with_error(x, e->out, now_ms, "error", "upstream_invalid_stream",
                       "the upstream sent an event that is not valid JSON");
        return;
    }
    head_keep(e);
    event_queue(e);
    if (judged(x, e->out, now_ms))
        return;
    release(x, e->out);
    for (int i = 0; x->sse.events_n == 0 && i < x->choice_count; i++)
        if (x->choices[i])
            x->choices[i]->closed = x->choices[i]->finished;
}

static void finish_all(pl_exchange *x, pl_buf *out)
{
    for (int i = 0; i < x->choice_count; i++) {
        choice *c = x->choices[i];
        if (!c)
            continue;
        if (!c->finished)
            pl_choice_finish(x, c);
        if (!pl_exchange_blocked(x) && pl_choice_takes_label(x, c)) {
            c->labelled = true;
            label_chunk(x, i, out);
        }
    }
}

static void done_event(event *e, int64_t now_ms)
{
    pl_exchange *x = e->x;

    finish_all(x, e->out);
    if (judged(x, e->out, now_ms))
        return;
    release(x, e->out);
    x->ended = true;
    comment(x, e->out, now_ms);
    pl_buf_put(e->out, e->raw);
}

/* --- lines ------------------------------------------------------------------------- */

static bool next_line(pl_str *rest, pl_str *line)
{
    size_t i = 0;

    if (rest->n == 0)
        return false;
    while (i < rest->n && rest->p[i] != '\n' && rest->p[i] != '\r')
        i++;
    *line = (pl_str){ rest->p, i };
    if (i + 1 < rest->n && rest->p[i] == '\r' && rest->p[i + 1] == '\n')
        i++;
    i += i < rest->n;
    *rest = (pl_str){ rest->p + i, rest->n - i };
    return true;
}

/* Collects data lines; gives true when there was any other non-empty line. */
static bool data_lines(event *e, size_t *count)
{
    pl_str rest = e->raw, line;
    pl_buf *joined = &e->x->sse.data;
    bool   others = false;

    pl_buf_clear(joined);
    *count = 0;
    while (next_line(&rest, &line)) {
        if (!pl_str_starts(line, PL_STR("data:"))) {
            others |= line.n > 0 && !pl_str_eqz(line, "data");
            continue;
        }
        line = (pl_str){ line.p + 5, line.n - 5 };
        if (line.n && line.p[0] == ' ')
            line = (pl_str){ line.p + 1, line.n - 1 };
        if ((*count)++ == 0) {
            e->data = line;
            continue;
        }
        if (*count == 2)
            pl_buf_put(joined, e->data);
        pl_buf_putc(joined, '\n');
        pl_buf_put(joined, line);
    }
    if (*count > 1)
        e->data = pl_buf_str(joined);
    e->x->oom |= joined->failed;
    return others;
}

static void event_complete(pl_exchange *x, pl_str raw, pl_buf *out, int64_t now_ms)
{
    event  e = { .x = x, .out = out, .raw = raw };
    size_t n;

    if (!x->sse.started && pl_str_starts(raw, PL_STR("\xEF\xBB\xBF")))
        e.raw = (pl_str){ raw.p + 3, raw.n - 3 };
    x->sse.started = true;
    /* Comments and field lines reach the client too: they are scanned like text. */
    if (data_lines(&e, &n))
        pl_exchange_scan_single(x, e.raw);
    if (judged(x, out, now_ms))
        return;
    if (n == 0 || e.data.n == 0) {
        queue(x, e.raw, x->sse.marks_n, out);
        release(x, out);
    } else if (pl_str_eqz(pl_str_trim(e.data), "[DONE]")) {
        done_event(&e, now_ms);
    } else {
        json_event(&e, now_ms);
    }
}

/* Takes bytes up to the end of the next line; true when that line was blank, that is,
 * when an event is complete in raw. */
static bool take_line(sse_state *s, pl_str *in)
{
    size_t i = 0;
    bool   blank;

    if (s->skip_lf && in->p[0] == '\n') { /* second half of a CRLF cut in two */
        s->skip_lf = false;
        if (s->raw.n)
            pl_buf_putc(&s->raw, '\n');
        s->line_start = s->raw.n;
        *in = (pl_str){ in->p + 1, in->n - 1 };
        return false;
    }
    s->skip_lf = false;
    while (i < in->n && in->p[i] != '\n' && in->p[i] != '\r')
        i++;
    if (i == in->n) {
        pl_buf_put(&s->raw, *in);
        *in = (pl_str){ in->p + in->n, 0 };
        return false;
    }
    blank = i == 0 && s->line_start == s->raw.n;
    if (in->p[i] == '\r') {
        if (i + 1 < in->n && in->p[i + 1] == '\n')
            i++;
        else
            s->skip_lf = true;
    }
    pl_buf_put(&s->raw, (pl_str){ in->p, i + 1 });
    s->line_start = s->raw.n;
    *in = (pl_str){ in->p + i + 1, in->n - i - 1 };
    return blank;
}

void pl_sse_feed(pl_exchange *x, pl_str in, pl_buf *out, int64_t now_ms)
{
    sse_state *s = &x->sse;

    while (in.n && !x->ended) {
        bool complete = take_line(s, &in);
        if (s->raw.failed) {
            end_with_error(x, out, now_ms, "error", "upstream_too_large",
                           "one event of the upstream is larger than the gateway screens");
            return;
        }
        if (!complete)
            continue;
        event_complete(x, pl_buf_str(&s->raw), out, now_ms);
        pl_buf_clear(&s->raw);
        s->line_start = 0;
    }
}

void pl_sse_end(pl_exchange *x, pl_response_end how, pl_buf *out, int64_t now_ms)
{
    sse_state *s = &x->sse;

    if (how == PL_END_COMPLETE && s->raw.n) { /* a last event without its blank line */
        pl_buf_puts(&s->raw, "\n\n");
        event_complete(x, pl_buf_str(&s->raw), out, now_ms);
        pl_buf_clear(&s->raw);
        if (x->ended)
            return;
    }
    if (how == PL_END_COMPLETE && s->saw_finish) {
        finish_all(x, out);
        if (judged(x, out, now_ms))
            return;
        release(x, out);
        x->ended = true;
        comment(x, out, now_ms);
        return;
    }
    for (int i = 0; i < x->choice_count; i++)
        if (x->choices[i] && !x->choices[i]->finished)
            pl_choice_finish(x, x->choices[i]);
    if (judged(x, out, now_ms))
        return;
    release(x, out);
    x->end = "truncated";
    end_with_error(x, out, now_ms, "error", "upstream_incomplete",
                   "the upstream broke off its answer");
}
