/* Events that differ from the one before in their one text only, which is what most of a stream is:
 * the bytes around the text were read then, so only the text is read now. What comes out is what
 * reading the whole event would give. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/guard_int.h"

/* Nothing in it depends on anything but its bytes, and every other string of it was known. */
static bool may_come_again(const pl_exchange *x)
{
    const answer *a = &x->answer;

    return x->stream.singles == 0 && a->n == 1 && a->piece[0].kind >= PK_TEXT &&
           a->piece[0].kind <= PK_REFUSAL && a->piece[0].listed && !a->has_logprobs &&
           !a->has_unlisted && a->sequence_at.type != PL_JT_NUMBER;
}

void pl_same_keep(const stream_event *e, event_role role)
{
    same_event   *s = &e->x->stream.same;
    const answer *a = &e->x->answer;

    s->is_set = may_come_again(e->x);
    if (!s->is_set)
        return;
    pl_buf_clear(&s->bytes);
    pl_buf_put(&s->bytes, e->data);
    s->is_set = !s->bytes.failed;
    s->piece = a->piece[0];
    s->piece.type = (pl_str){ "", 0 }; /* it viewed the event, and is not needed any more */
    s->choice = a->choice;
    s->sub = a->sub;
    s->role = role;
}

/* The text of the event; false: something else differs. */
static bool text_read(const same_event *s, pl_str data, pl_jsontok *out)
{
    pl_str      all = pl_buf_str(&s->bytes);
    size_t      from = s->piece.t.start, rest = all.n - s->piece.t.end;
    pl_jsonscan j;
    pl_jsontok  t;

    if (data.n < from + rest + 3 || memcmp(data.p, all.p, from + 1) != 0 ||
        memcmp(data.p + data.n - rest, all.p + s->piece.t.end, rest) != 0)
        return false;
    pl_jsonscan_init(&j, (pl_str){ data.p + from, data.n - rest - from });
    if (pl_jsonscan_next(&j, &t, NULL) != PL_OK || t.raw.n == 0 || t.end != data.n - rest - from)
        return false;
    t.start += from;
    t.end += from;
    t.depth = s->piece.t.depth;
    *out = t;
    return true;
}

bool pl_same_read(const stream_event *e, event_role *role)
{
    const same_event *s = &e->x->stream.same;
    answer           *a = &e->x->answer;
    pl_jsontok        t;

    if (!s->is_set || !text_read(s, e->data, &t))
        return false;
    a->n = 1;
    a->piece[0] = s->piece;
    a->piece[0].t = t;
    a->choice = s->choice;
    a->sub = s->sub;
    a->id = a->model = a->type = (pl_str){ "", 0 }; /* as they were */
    a->created = 0;
    a->tokens[0] = a->tokens[1] = -1;
    a->sequence_at.type = PL_JT_END;
    a->has_logprobs = a->has_unlisted = false;
    *role = s->role;
    return true;
}
