/* Second opinions about an answer: what is asked about, what waits for it, what it means. An answer of one piece
 * is asked about once. A stream stands still at the event in which something was found, and is asked about
 * with the text that it belongs to; it may go on, and be asked about again. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "cap/guard/guard_int.h"

/* --- what is asked about ----------------------------------------------------------------- */

void pl_opinion_note(pl_exchange *x)
{
    if (x->scanning)
        x->scanning->in_question = true;
    else
        x->asked.single = true;
}

void pl_opinion_keep(pl_exchange *x, text_channel *ch, pl_str s)
{
    size_t drop;

    pl_buf_put(&ch->context, s);
    x->oom |= ch->context.failed;
    if (ch->context.n <= 2 * PL_CONTEXT_KEPT) /* not at every piece */
        return;
    drop = ch->context.n - PL_CONTEXT_KEPT;
    while (drop < ch->context.n && ((unsigned char)ch->context.p[drop] & 0xC0) == 0x80)
        drop++;
    pl_buf_drop_front(&ch->context, drop);
}

static void question_add(pl_exchange *x, text_channel *ch)
{
    pl_buf *text = ch->scan && ch->kind != PK_NAME ? &ch->context : &ch->whole;

    if (!ch->in_question)
        return;
    ch->in_question = false;
    pl_buf_put(&x->question, pl_buf_str(text));
    pl_buf_putc(&x->question, '\n');
    x->question.failed |= text->failed;
}

static bool is_pending(const tally *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->row[i].cell & PL_CELL_OPINION && t->row[i].count > t->row[i].settled)
            return true;
    return t->more > 0;
}

static bool was_safe(const answer_opinion *o)
{
    for (unsigned i = 0; i < o->safe_n; i++)
        if (memcmp(o->safe[i], o->about, sizeof o->about) == 0)
            return true;
    return false;
}

bool pl_opinion_is_wanted(pl_exchange *x)
{
    answer_opinion *o = &x->asked;
    pl_hash         hash;

    if (x->out.asking < 0 || !is_pending(&x->out))
        return false;
    for (int i = 0; i < x->choice_count; i++)
        for (size_t k = 0; x->choices[i] && k < x->choices[i]->ch_n; k++)
            question_add(x, x->choices[i]->ch[k]);
    if (x->question.failed || x->question.n == 0 || x->out.more || o->times == PL_QUESTIONS_MAX) {
        pl_opinion_settle(x, true, PL_OPINION_NONE);
        return false;
    }
    pl_sha256_of(pl_buf_str(&x->question), hash.b);
    memcpy(o->about, hash.b, sizeof o->about);
    if (was_safe(o)) {
        pl_opinion_settle(x, true, PL_OPINION_SAFE);
        return false;
    }
    o->times++;
    o->asks = true;
    return true;
}

/* --- what it means ------------------------------------------------------------------------- */

static int gravity(pl_opinion o)
{
    return o == PL_OPINION_UNSAFE ? 3 : o == PL_OPINION_NONE ? 2 : 1;
}

static void answer_note(pl_exchange *x, pl_opinion o)
{
    answer_opinion *a = &x->asked;

    if (!a->is_said || gravity(o) > gravity(a->said))
        a->said = o;
    a->is_said = true;
    if (o == PL_OPINION_SAFE && !was_safe(a) && a->safe_n < PL_QUESTIONS_MAX)
        memcpy(a->safe[a->safe_n++], a->about, sizeof a->about);
    x->question.failed = false;
    pl_buf_clear(&x->question);
}

/* No opinion could be had: each rule fails as it says. */
static void fails(pl_exchange *x, tally *t, bool is_output)
{
    bool bypassed = false;

    for (size_t i = 0; i < t->n; i++) {
        const tally_row *row = &t->row[i];

        if (!(row->cell & PL_CELL_OPINION) || row->count == row->settled)
            continue;
        if (pl_cell_act(row->cell) == PL_ACTION_BLOCK)
            t->blocking = row->rule;
        else
            bypassed = true;
    }
    if (t->more && t->blocking < 0) { /* rules beyond the table: nobody knows how they fail */
        bypassed = true;
        if (!pl_policy_opens(x->o.policy, x->o.route, is_output))
            t->blocking = t->asking;
    }
    if (bypassed && t->blocking < 0)
        x->bypasses |= PL_BYPASS_OPINION;
}

void pl_opinion_settle(pl_exchange *x, bool is_output, pl_opinion o)
{
    tally *t = is_output ? &x->out : &x->in;

    if (is_output)
        answer_note(x, o);
    if (o == PL_OPINION_UNSAFE)
        t->blocking = t->asking;
    else if (o == PL_OPINION_NONE)
        fails(x, t, is_output);
    for (size_t i = 0; i < t->n; i++)
        t->row[i].settled = t->row[i].count;
}

bool pl_exchange_asks(const pl_exchange *x)
{
    return x->asked.asks;
}

void pl_exchange_answer_opinion(pl_exchange *x, pl_opinion o, pl_buf *out, int64_t now_ms)
{
    pl_buf later;

    if (!x->asked.asks)
        return;
    x->asked.asks = false;
    pl_opinion_settle(x, true, o);
    if (!x->is_stream) {
        pl_whole_go_on(x);
        x->ended = true;
        return;
    }
    pl_stream_go_on(x, out, now_ms);
    if (x->ended)
        return;
    pl_frame_next(&x->stream);
    later = x->stream.later;
    x->stream.later = PL_BUF_INIT(later.limit);
    pl_stream_feed(x, pl_buf_str(&later), out, now_ms);
    pl_buf_done(&later);
    if (x->asked.has_end && !x->asked.asks)
        pl_exchange_response_end(x, PL_END_COMPLETE, out, now_ms);
}
