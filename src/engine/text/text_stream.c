#include "base/banned.h"

#include "engine/text/match.h"

struct pl_text_stream {
    uint64_t pos; /* bytes read; carried bytes come after it      */
    uint8_t  carry[4];
    uint8_t  carry_n; /* an incomplete character at the end of a piece */
    pl_match match;
};

/* Promised in the design. */
_Static_assert(sizeof(pl_text_stream) <= 512, "state of a stream");

size_t pl_text_stream_size(void)
{
    return sizeof(pl_text_stream);
}

void pl_text_stream_init(pl_text_stream *s, const pl_textdb *db)
{
    memset(s, 0, sizeof *s);
    pl_match_init(&s->match, db);
}

void pl_text_stream_reset(pl_text_stream *s)
{
    pl_text_stream_init(s, s->match.db);
}

/* Reads one character or broken byte at p. Gives how many bytes that was: 0 when the character is
 * not complete. */
static inline size_t read_one(pl_text_stream *s, const uint8_t *p, size_t n, const pl_sink *to)
{
    pl_char c = s->match.db->exact ? (pl_char){ *p, 1 } : pl_char_read(p, p + n);
    size_t  len = c.n >= 0 ? (size_t)c.n : 1;

    if (len == 0)
        return 0;
    if (c.n > 0)
        pl_match_take(&s->match, c.cp, s->pos, s->pos + len, to);
    else
        pl_match_broken(&s->match, s->pos + 1, to);
    if (!s->match.stopped)
        s->pos += len;
    return len;
}

/* Reads what is complete, or known to be invalid, among the carried bytes. */
static void read_carry(pl_text_stream *s, const pl_sink *to)
{
    while (s->carry_n > 0 && !s->match.stopped) {
        size_t n = read_one(s, s->carry, s->carry_n, to);

        if (n == 0)
            return;
        s->carry_n = (uint8_t)(s->carry_n - n);
        memmove(s->carry, s->carry + n, s->carry_n);
    }
}

void pl_text_stream_feed(pl_text_stream *s, pl_str piece, pl_text_emit_fn emit, void *ctx)
{
    const pl_sink  to = { emit, ctx };
    const uint8_t *p = (const uint8_t *)piece.p;
    size_t         n = piece.n;

    while (s->carry_n > 0 && n > 0 && !s->match.stopped) {
        s->carry[s->carry_n++] = *p++;
        n--;
        read_carry(s, &to);
    }
    while (n > 0 && !s->match.stopped) {
        size_t len = read_one(s, p, n, &to);

        if (len == 0) {
            memcpy(s->carry, p, n);
            s->carry_n = (uint8_t)n;
            return;
        }
        p += len;
        n -= len;
    }
}

void pl_text_stream_finish(pl_text_stream *s, pl_text_emit_fn emit, void *ctx)
{
    const pl_sink to = { emit, ctx };

    for (; s->carry_n > 0 && !s->match.stopped; s->carry_n--)
        pl_match_broken(&s->match, ++s->pos, &to);
    if (!s->match.stopped)
        pl_match_finish(&s->match, &to);
}

uint64_t pl_text_stream_safe(const pl_text_stream *s)
{
    return pl_match_safe(&s->match, s->pos);
}
