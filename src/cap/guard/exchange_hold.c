/* What is held back. A match in the making keeps back its characters: the event they came in
 * goes on without them, and they are said later in the channel's next event, or in a copy of
 * the event they came in (its echo). An event that cannot be cut waits as a whole, and every
 * event after it. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/guard_int.h"

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

/* --- whole events that wait ------------------------------------------------------------- */

static bool channel_is_safe(const pl_exchange *x, const text_channel *ch, uint64_t end)
{
    return x->out.skip || ch->finished || ch->is_named || pl_screen_stream_safe(ch->scan) >= end;
}

static bool event_is_safe(const pl_exchange *x, const held_event *e)
{
    const stream_state *s = &x->stream;

    for (size_t i = 0; i < e->mark_n; i++)
        if (!channel_is_safe(x, s->marks[e->mark + i].ch, s->marks[e->mark + i].end))
            return false;
    return true;
}

bool pl_hold_is_empty(const stream_state *s)
{
    return s->events_n == 0;
}

void pl_hold_release(pl_exchange *x, pl_buf *out)
{
    stream_state *s = &x->stream;
    size_t        n = 0;

    while (n < s->events_n && event_is_safe(x, &s->events[n])) {
        pl_buf_put(out, (pl_str){ s->held.p + s->held_off, s->events[n].bytes });
        s->held_off += s->events[n++].bytes;
    }
    if (n)
        memmove(s->events, s->events + n, (s->events_n - n) * sizeof *s->events);
    s->events_n -= n;
    if (s->events_n == 0) {
        pl_buf_clear(&s->held);
        s->held_off = s->marks_n = 0;
        s->sent = s->seen;
    }
}

/* An open escape may become text. */
static uint64_t channel_end(const text_channel *ch)
{
    return ch->fed + (ch->escape.n || ch->escape.high);
}

void pl_hold_mark(pl_exchange *x, text_channel *ch)
{
    stream_state *s = &x->stream;

    if (!grow((void **)&s->marks, &s->marks_cap, s->marks_n + 1, sizeof *s->marks)) {
        x->oom = true;
        return;
    }
    s->marks[s->marks_n++] = (held_mark){ ch, channel_end(ch) };
}

static void queue_put(pl_exchange *x, pl_str bytes, size_t first, pl_buf *out)
{
    stream_state *s = &x->stream;
    held_event    e = { .bytes = bytes.n, .mark = first, .mark_n = s->marks_n - first };

    if (s->events_n == 0 && event_is_safe(x, &e)) {
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

/* Everything that leaves comes through here, so this is where pseudonyms are put back. */
void pl_hold_queue(pl_exchange *x, pl_str bytes, size_t first, pl_buf *out)
{
    pl_buf restored = PL_BUF_INIT(x->o.max_response * 8 + 65536);

    if (x->names.n) {
        pl_pseudonym_restore(&x->names, bytes, &restored);
        x->oom |= restored.failed;
        bytes = pl_buf_str(&restored);
    }
    queue_put(x, bytes, first, out);
    pl_buf_done(&restored);
}

void pl_hold_drop(stream_state *s)
{
    pl_buf_clear(&s->held);
    s->held_off = s->events_n = s->marks_n = 0;
}

/* --- edits ------------------------------------------------------------------------------- */

static void edit_put(pl_exchange *x, edit e)
{
    stream_state *s = &x->stream;
    size_t        i = s->edits_n;

    if (!grow((void **)&s->edits, &s->edits_cap, s->edits_n + 1, sizeof *s->edits)) {
        x->oom = true;
        return;
    }
    for (; i > 0 && s->edits[i - 1].from > e.from; i--)
        s->edits[i] = s->edits[i - 1];
    s->edits[i] = e;
    s->edits_n++;
}

void pl_edit_add(pl_exchange *x, size_t from, size_t to, pl_str text)
{
    pl_buf *b = &x->stream.edit_text;
    edit    e = { from, to, b->n, text.n };

    pl_buf_put(b, text);
    x->oom |= b->failed;
    edit_put(x, e);
}

/* Appends text, which stands at `from` in its channel, as the inside of a JSON string. */
static void text_say(pl_exchange *x, const text_channel *ch, uint64_t from, pl_str text, pl_buf *b)
{
    pl_buf masked = PL_BUF_INIT(x->o.max_response);

    if (pl_mask_touches(ch, from, text.n)) {
        x->oom |= !pl_mask_put(ch, from, text, &masked) || masked.failed;
        text = pl_buf_str(&masked);
    }
    pl_buf_json(b, text);
    x->oom |= b->failed;
    pl_buf_done(&masked);
}

/* The inside of piece p becomes this text, which stands at `from` in its channel. */
static void edit_piece(pl_exchange *x, const answer_piece *p, pl_str text, uint64_t from)
{
    pl_buf *b = &x->stream.edit_text;
    edit    e = { p->t.start + 1, p->t.end - 1, b->n, 0 };

    text_say(x, p->ch, from, text, b);
    e.text_n = b->n - e.text;
    edit_put(x, e);
}

void pl_edit_masked(pl_exchange *x, const answer_piece *p)
{
    pl_str text = pl_exchange_token(x, &p->t);

    if (p->ch && p->ch->kind != PK_ARGS && pl_mask_touches(p->ch, p->from, text.n))
        edit_piece(x, p, text, p->from);
}

static void line_feeds_to_blanks(pl_buf *b, size_t from)
{
    for (char *p; from < b->n && (p = memchr(b->p + from, '\n', b->n - from)); *p = ' ')
        from = (size_t)(p - b->p);
}

/* Lines of the event other than its data, then its data as one line, edited. */
static void event_begin(const stream_event *e, pl_buf *b)
{
    pl_str rest = e->raw, line;

    if (e->x->surface->framing == FRAMING_LINES)
        return;
    while (pl_frame_line(&rest, &line))
        if (line.n && !pl_str_starts(line, PL_STR("data:")) && !pl_str_eqz(line, "data")) {
            pl_buf_put(b, line);
            pl_buf_putc(b, '\n');
        }
    pl_buf_puts(b, "data: ");
}

static void event_finish(const stream_event *e, pl_buf *b)
{
    pl_buf_puts(b, e->x->surface->framing == FRAMING_LINES ? "\n" : "\n\n");
}

/* The event with its edits applied; offsets of the gaps at edits `text` and `sequence`. */
static void event_build(const stream_event *e, pl_buf *b, const edit *text, const edit *sequence,
                        echo *gaps)
{
    const stream_state *s = &e->x->stream;
    size_t              at = 0, from;

    pl_buf_clear(b);
    event_begin(e, b);
    from = b->n;
    for (size_t i = 0; i < s->edits_n; i++) {
        const edit *d = &s->edits[i];

        pl_buf_put(b, (pl_str){ e->data.p + at, d->from - at });
        if (d == text)
            gaps->text_at = b->n;
        if (d == sequence)
            gaps->sequence_at = b->n;
        pl_buf_put(b, (pl_str){ pl_buf_str(&s->edit_text).p + d->text, d->text_n });
        at = d->to;
    }
    pl_buf_put(b, (pl_str){ e->data.p + at, e->data.n - at });
    line_feeds_to_blanks(b, from);
    event_finish(e, b);
    e->x->oom |= b->failed;
}

/* --- echoes ---------------------------------------------------------------------------- */

void pl_hold_echo_keep(stream_event *e, const answer_piece *piece)
{
    pl_exchange  *x = e->x;
    stream_state *s = &x->stream;
    const answer *a = &x->answer;
    echo      *c = &piece->ch->echo;
    const edit   *text = NULL, *sequence = NULL;

    if (c->bytes.n)
        return;
    s->edits_n = 0;
    pl_buf_clear(&s->edit_text);
    for (size_t i = 0; i < a->n; i++)
        if (a->piece[i].ch)
            pl_edit_add(x, a->piece[i].t.start + 1, a->piece[i].t.end - 1, PL_STR(""));
    if (a->sequence_at.type == PL_JT_NUMBER)
        pl_edit_add(x, a->sequence_at.start, a->sequence_at.end, PL_STR(""));
    for (size_t i = 0; i < s->edits_n; i++) {
        if (s->edits[i].from == piece->t.start + 1)
            text = &s->edits[i];
        else if (a->sequence_at.type == PL_JT_NUMBER && s->edits[i].from == a->sequence_at.start)
            sequence = &s->edits[i];
    }
    c->sequence_at = SIZE_MAX;
    event_build(e, &c->bytes, text, sequence, c);
    s->edits_n = 0;
    pl_buf_clear(&s->edit_text);
}

bool pl_hold_say(pl_exchange *x, text_channel *ch, pl_str text, pl_buf *out)
{
    stream_state  *s = &x->stream;
    const echo *c = &ch->echo;
    pl_str         all = pl_buf_str(&c->bytes);
    bool           numbered = c->sequence_at != SIZE_MAX;
    size_t         first, second;

    if (all.n == 0)
        return false;
    first = numbered && c->sequence_at < c->text_at ? c->sequence_at : c->text_at;
    second = !numbered ? first : first == c->text_at ? c->sequence_at : c->text_at;
    pl_buf_clear(&s->built);
    pl_buf_put(&s->built, (pl_str){ all.p, first });
    for (int i = 0; i < (numbered ? 2 : 1); i++) {
        if ((i == 0 ? first : second) == c->text_at) {
            pl_buf_put(&s->built, text);
        } else {
            pl_buf_printf(&s->built, "%llu", (unsigned long long)s->sequence++);
            s->sequence_shift++;
        }
        if (i == 0)
            pl_buf_put(&s->built, (pl_str){ all.p + first, second - first });
    }
    pl_buf_put(&s->built, (pl_str){ all.p + second, all.n - second });
    x->oom |= s->built.failed;
    pl_hold_queue(x, pl_buf_str(&s->built), s->marks_n, out);
    return true;
}

void pl_hold_flush(pl_exchange *x, text_channel *ch, pl_buf *out)
{
    pl_buf json = PL_BUF_INIT(x->o.max_response * 6 + 64);

    if (ch->pending.n == 0)
        return;
    text_say(x, ch, ch->pending_from, pl_buf_str(&ch->pending), &json);
    x->oom |= json.failed || !pl_hold_say(x, ch, pl_buf_str(&json), out);
    pl_buf_clear(&ch->pending);
    pl_buf_done(&json);
}

/* --- characters that wait ------------------------------------------------------------------ */

static bool is_tail(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* How much of pending may be said when `avail` scanned bytes of it are safe. */
static size_t plain_cut(const text_channel *ch, uint64_t avail)
{
    size_t n = avail < ch->pending.n ? (size_t)avail : ch->pending.n;

    while (n > 0 && n < ch->pending.n && is_tail(ch->pending.p[n]))
        n--;
    return n;
}

/* The same where two levels of escapes lie between what is said and what is scanned: never
 * inside an escape, and not more than `most`. *scanned is what that part amounts to. */
static size_t escaped_cut(pl_exchange *x, const text_channel *ch, size_t most, uint64_t avail,
                          uint64_t *scanned)
{
    unescaper u = ch->pending_escape;
    size_t    best = 0;

    pl_buf_clear(&x->inner);
    *scanned = 0;
    for (size_t i = 0; i < most && x->inner.n <= avail; i++) {
        pl_unescaper_feed(&u, (pl_str){ ch->pending.p + i, 1 }, &x->inner);
        if (x->inner.n <= avail && !u.n && !u.high &&
            (i + 1 == ch->pending.n || !is_tail(ch->pending.p[i + 1]))) {
            best = i + 1;
            *scanned = x->inner.n;
        }
    }
    return best;
}

static size_t releasable(pl_exchange *x, text_channel *ch, uint64_t *scanned)
{
    uint64_t safe = pl_screen_stream_safe(ch->scan);
    uint64_t avail = safe > ch->pending_from ? safe - ch->pending_from : 0;
    size_t   n, tail, before;

    if (x->out.skip || ch->finished || ch->is_named) {
        *scanned = ch->fed - ch->pending_from;
        return ch->pending.n;
    }
    if (ch->kind == PK_ARGS) {
        n = escaped_cut(x, ch, ch->pending.n, avail, scanned);
        tail = pl_pseudonym_tail(&x->names, (pl_str){ pl_buf_str(&ch->pending).p, n });
        return tail ? escaped_cut(x, ch, n - tail, avail, scanned) : n;
    }
    n = plain_cut(ch, avail);
    do { /* neither a mask nor a pseudonym is cut in two */
        before = n;
        n = plain_cut(ch, pl_mask_cut(ch, ch->pending_from, n));
        n -= pl_pseudonym_tail(&x->names, (pl_str){ pl_buf_str(&ch->pending).p, n });
    } while (n < before);
    *scanned = n;
    return n;
}

/* Says of this piece, and of what waited before it, what is releasable now. */
static void piece_cut(pl_exchange *x, answer_piece *p)
{
    text_channel *ch = p->ch;
    uint64_t      scanned = 0;
    size_t        n;

    if (ch->pending.n == 0) {
        ch->pending_from = p->from;
        ch->pending_escape = p->escape;
    }
    pl_buf_put(&ch->pending, pl_exchange_token(x, &p->t));
    x->oom |= ch->pending.failed;
    n = releasable(x, ch, &scanned);
    edit_piece(x, p, (pl_str){ pl_buf_str(&ch->pending).p, n }, ch->pending_from);
    pl_buf_drop_front(&ch->pending, n);
    ch->pending_from += scanned;
    if (n)
        ch->pending_escape = (unescaper){ 0 };
}

/* What waited is said now, with the event that waits. */
static void piece_whole(pl_exchange *x, answer_piece *p)
{
    if (p->ch->pending.n == 0)
        p->ch->pending_from = p->from;
    pl_buf_put(&p->ch->pending, pl_exchange_token(x, &p->t));
    x->oom |= p->ch->pending.failed;
    edit_piece(x, p, pl_buf_str(&p->ch->pending), p->ch->pending_from);
    pl_buf_clear(&p->ch->pending);
}

static void echoes_keep(stream_event *e)
{
    const answer *a = &e->x->answer;

    for (size_t i = 0; i < a->n; i++)
        if (a->piece[i].ch && a->piece[i].ch->pending.n && a->piece[i].ch->echo.bytes.n == 0)
            pl_hold_echo_keep(e, &a->piece[i]);
}

/* Some text of the event waits already, or must wait. */
static bool is_undecided(const pl_exchange *x, const answer *a)
{
    for (size_t i = 0; i < a->n; i++) {
        const text_channel *ch = a->piece[i].ch;

        if (ch && (ch->pending.n || !channel_is_safe(x, ch, channel_end(ch)) ||
                   pl_mask_touches(ch, a->piece[i].from, ch->fed - a->piece[i].from)))
            return true;
    }
    return false;
}

/* Readers take a tool's name from one event, so such an event is not cut: it waits. */
static bool has_open_name(const pl_exchange *x, const answer *a)
{
    for (size_t i = 0; i < a->n; i++) {
        const text_channel *ch = a->piece[i].ch;

        if (ch && ch->kind == PK_NAME && !channel_is_safe(x, ch, channel_end(ch)))
            return true;
    }
    return false;
}

static void sequence_edit(pl_exchange *x)
{
    stream_state *s = &x->stream;
    const answer *a = &x->answer;
    uint64_t      number = a->sequence + s->sequence_shift;
    char          text[24];
    int           n;

    if (a->sequence_at.type != PL_JT_NUMBER)
        return;
    s->sequence = number + 1;
    if (s->sequence_shift == 0)
        return;
    n = snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    pl_edit_add(x, a->sequence_at.start, a->sequence_at.end, (pl_str){ text, (size_t)n });
}

void pl_hold_event(stream_event *e)
{
    pl_exchange  *x = e->x;
    stream_state *s = &x->stream;
    answer       *a = &x->answer;
    bool          cuts = pl_hold_is_empty(s) && !a->has_logprobs && !a->has_unlisted &&
                 !has_open_name(x, a);

    if (x->names.n || is_undecided(x, a)) {
        for (size_t i = 0; i < a->n; i++)
            if (a->piece[i].ch && cuts)
                piece_cut(x, &a->piece[i]);
            else if (a->piece[i].ch)
                piece_whole(x, &a->piece[i]);
    }
    if (cuts)
        s->marks_n = e->first_mark;
    sequence_edit(x);
    if (s->edits_n) {
        event_build(e, &s->built, NULL, NULL, NULL);
        pl_hold_queue(x, pl_buf_str(&s->built), e->first_mark, e->out);
    } else {
        pl_hold_queue(x, e->raw, e->first_mark, e->out);
    }
    s->edits_n = 0;
    pl_buf_clear(&s->edit_text);
    if (cuts)
        echoes_keep(e);
}
