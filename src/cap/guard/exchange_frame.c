/* The frames of a stream: lines into events. (WHATWG HTML, "server-sent events", parsing;
 * for Ollama one JSON object a line.) */
#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/guard_int.h"

static size_t line_end(pl_str in)
{
    const char *lf = memchr(in.p, '\n', in.n);
    size_t      n = lf ? (size_t)(lf - in.p) : in.n;
    const char *cr = memchr(in.p, '\r', n);

    return cr ? (size_t)(cr - in.p) : n;
}

bool pl_frame_line(pl_str *rest, pl_str *line)
{
    size_t i;

    if (rest->n == 0)
        return false;
    i = line_end(*rest);
    *line = (pl_str){ rest->p, i };
    if (i + 1 < rest->n && rest->p[i] == '\r' && rest->p[i + 1] == '\n')
        i++;
    i += i < rest->n;
    *rest = (pl_str){ rest->p + i, rest->n - i };
    return true;
}

size_t pl_frame_data(stream_event *e, pl_buf *others)
{
    pl_str  rest = e->raw, line;
    pl_buf *joined = &e->x->stream.data;
    size_t  count = 0;

    pl_buf_clear(joined);
    pl_buf_clear(others);
    while (pl_frame_line(&rest, &line)) {
        if (!pl_str_starts(line, PL_STR("data:"))) {
            if (line.n > 0 && !pl_str_eqz(line, "data")) {
                pl_buf_put(others, line);
                pl_buf_putc(others, '\n');
            }
            continue;
        }
        line = (pl_str){ line.p + 5, line.n - 5 };
        if (line.n && line.p[0] == ' ')
            line = (pl_str){ line.p + 1, line.n - 1 };
        if (count++ == 0) {
            e->data = line;
            continue;
        }
        if (count == 2)
            pl_buf_put(joined, e->data);
        pl_buf_putc(joined, '\n');
        pl_buf_put(joined, line);
    }
    if (count > 1)
        e->data = pl_buf_str(joined);
    e->x->oom |= joined->failed || others->failed;
    return count;
}

/* Takes bytes up to the end of the next line; true when that ended an event: a blank line, or
 * with FRAMING_LINES any. */
static bool take_line(stream_state *s, pl_str *in, bool each_line)
{
    size_t i;
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
    i = line_end(*in);
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
    return blank || each_line;
}

static void event_take(pl_exchange *x, pl_buf *out, int64_t now_ms)
{
    stream_state *s = &x->stream;

    pl_stream_event(x, pl_buf_str(&s->raw), out, now_ms);
    if (!pl_exchange_asks(x))
        pl_frame_next(s);
}

void pl_frame_next(stream_state *s)
{
    pl_buf_clear(&s->raw);
    s->line_start = 0;
}

void pl_stream_feed(pl_exchange *x, pl_str in, pl_buf *out, int64_t now_ms)
{
    stream_state *s = &x->stream;

    while (in.n && !x->ended && !pl_exchange_asks(x)) {
        bool complete = take_line(s, &in, x->surface->framing == FRAMING_LINES);

        if (s->raw.failed) {
            pl_stream_end_error(x, out, now_ms, "error", "upstream_too_large",
                                "one event of the upstream is larger than the gateway screens");
            return;
        }
        if (complete)
            event_take(x, out, now_ms);
    }
    if (in.n == 0 || x->ended)
        return;
    pl_buf_put(&s->later, in); /* until the second opinion is there */
    if (s->later.failed)
        pl_stream_end_error(x, out, now_ms, "error", "upstream_too_large",
                            "the upstream said more than the gateway keeps while a second opinion is awaited");
}

void pl_frame_rest(pl_exchange *x, pl_buf *out, int64_t now_ms)
{
    if (x->stream.raw.n == 0)
        return;
    pl_buf_puts(&x->stream.raw, "\n\n");
    event_take(x, out, now_ms);
}
