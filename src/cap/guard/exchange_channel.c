/* The texts of an answer: choices, and in each the channels that a reader sees as continuous
 * text; fed, judged, finished. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/guard_int.h"
#include "cap/guard/quiet.h"

void pl_choice_free(choice *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->ch_n; i++) {
        if (c->ch[i]->scan)
            pl_screen_stream_done(c->ch[i]->scan);
        pl_buf_done(&c->ch[i]->whole);
        pl_buf_done(&c->ch[i]->window);
        pl_buf_done(&c->ch[i]->context);
        pl_buf_done(&c->ch[i]->pending);
        pl_buf_done(&c->ch[i]->echo.bytes);
        free(c->ch[i]->mask);
        free(c->ch[i]->scan);
        free(c->ch[i]);
    }
    pl_buf_done(&c->text);
    free(c);
}

static int on_finding(void *ctx, const pl_text_finding *f)
{
    pl_exchange *x = ctx;
    pl_cell      cell = pl_policy_cell(x->o.policy, x->cells[1], f->rule);

    tally_add(&x->out, f->rule, cell);
    if (cell & PL_CELL_OPINION && !x->out.shadow)
        pl_opinion_note(x);
    if (pl_cell_act(cell) >= PL_ACTION_REDACT && !x->out.shadow && !pl_mask_add(x, f) && x->out.blocking < 0)
        x->out.blocking = f->rule; /* it cannot be replaced where it stands */
    return 0;
}

bool pl_exchange_blocked(const pl_exchange *x)
{
    return x->out.blocking >= 0;
}

pl_str pl_exchange_token(pl_exchange *x, const pl_jsontok *t)
{
    if (!t->escaped)
        return t->raw;
    pl_buf_clear(&x->scratch);
    pl_json_unescape(t->raw, &x->scratch);
    x->oom |= x->scratch.failed;
    return pl_buf_str(&x->scratch);
}

static pl_rc scan_text(pl_exchange *x, pl_str s)
{
    return pl_screen_scan(pl_policy_screen(x->o.policy), s,
                          PL_SCREEN_KEYWORDS | PL_SCREEN_STRUCTURED, on_finding, x, NULL);
}

static void scan_one(pl_exchange *x, pl_str s)
{
    if (x->out.skip)
        return;
    x->out.scanned += s.n;
    x->oom |= pl_quiet_scan(x->o.policy, s, on_finding, x) != PL_OK;
    if (!x->asked.single)
        return;
    x->asked.single = false;
    pl_buf_put(&x->question, s);
    pl_buf_putc(&x->question, '\n');
}

void pl_exchange_scan_single(pl_exchange *x, pl_str s)
{
    unescaper u = { 0 };

    scan_one(x, s);
    if (!memchr(s.p, '\\', s.n))
        return;
    pl_buf_clear(&x->inner);
    pl_unescaper_feed(&u, s, &x->inner);
    x->oom |= x->inner.failed;
    scan_one(x, pl_buf_str(&x->inner));
}

/* Finds or makes choice i; NULL when i is out of range or memory is out. */
static choice *choice_get(pl_exchange *x, int64_t i)
{
    choice *c;

    if (i < 0 || i >= PL_CHOICES_MAX)
        return NULL;
    if (x->choices[i])
        return x->choices[i];
    c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->text = PL_BUF_INIT(PL_TEXT_KEPT);
    pl_jsonlike_init(&c->like);
    x->choices[i] = c;
    if (i >= x->choice_count)
        x->choice_count = (int)i + 1;
    return c;
}

static text_channel *channel_find(const choice *c, uint8_t kind, int32_t sub, uint32_t hash)
{
    for (size_t i = 0; i < c->ch_n; i++)
        if (c->ch[i]->kind == kind && c->ch[i]->sub == sub && c->ch[i]->hash == hash)
            return c->ch[i];
    return NULL;
}

static text_channel *channel_new(const pl_exchange *x)
{
    text_channel *ch = calloc(1, sizeof *ch);

    if (!ch || !x->is_stream)
        return ch;
    ch->scan = malloc(pl_screen_stream_size());
    if (!ch->scan) {
        free(ch);
        return NULL;
    }
    pl_screen_stream_init(ch->scan, pl_policy_screen(x->o.policy));
    return ch;
}

static text_channel *channel_get(pl_exchange *x, choice *c, const answer_piece *p)
{
    text_channel *ch = channel_find(c, p->kind, p->sub, p->hash);

    if (ch || c->ch_n == PL_CHANNELS_MAX)
        return ch;
    ch = channel_new(x);
    if (!ch)
        return NULL;
    ch->kind = p->kind;
    ch->sub = p->sub;
    ch->hash = p->hash;
    ch->whole = PL_BUF_INIT(x->o.max_response);
    ch->window = PL_BUF_INIT(x->o.max_response);
    ch->context = PL_BUF_INIT(x->o.max_response + 2 * PL_CONTEXT_KEPT);
    ch->pending = PL_BUF_INIT(x->o.max_response);
    ch->echo.bytes = PL_BUF_INIT(x->o.max_response);
    ch->text_from = c->text_bytes;
    c->ch[c->ch_n++] = ch;
    return ch;
}

static void text_keep(pl_exchange *x, choice *c, pl_str s)
{
    c->text_bytes += s.n;
    x->output_bytes += s.n;
    pl_buf_put(&c->text, s);
    pl_jsonlike_feed(&c->like, s);
}

/* --- the classifier ---------------------------------------------------------------------- */

/* What people read; arguments and names are for programs. */
static bool has_model(const pl_exchange *x, const text_channel *ch)
{
    return x->route->models && !x->out.skip &&
           (ch->kind == PK_TEXT || ch->kind == PK_REASON || ch->kind == PK_REFUSAL);
}

/* It judges whole windows, whose beginning a stream may have said by then: nothing is held back
 * for it, and what it finds blocks where it cannot be only recorded. */
static size_t model_judge(pl_exchange *x, text_channel *ch, pl_str text, bool is_last)
{
    size_t n = pl_screen_model(pl_policy_screen(x->o.policy), text, ch->windowed, is_last, on_finding, x);

    ch->windowed += n;
    return n;
}

static void model_say(pl_exchange *x, text_channel *ch, pl_str s)
{
    pl_buf_put(&ch->window, s);
    x->oom |= ch->window.failed;
    pl_buf_drop_front(&ch->window, model_judge(x, ch, pl_buf_str(&ch->window), false));
}

/* --- channels ----------------------------------------------------------------------------- */

/* Takes text of a channel as it is to be judged. */
static void channel_say(pl_exchange *x, text_channel *ch, pl_str s)
{
    ch->fed += s.n;
    if (ch->kind == PK_NAME || (!ch->scan && !x->out.skip)) {
        pl_buf_put(&ch->whole, s);
        x->oom |= ch->whole.failed;
    }
    if (!ch->scan || x->out.skip)
        return;
    if (x->route->asks)
        pl_opinion_keep(x, ch, s);
    x->scanning = ch;
    pl_screen_stream_feed(ch->scan, s, on_finding, x);
    x->scanning = NULL;
    if (has_model(x, ch))
        model_say(x, ch, s);
}

static void channel_feed(pl_exchange *x, choice *c, text_channel *ch, const pl_jsontok *t)
{
    pl_str s = pl_exchange_token(x, t);

    if (ch->kind == PK_TEXT)
        text_keep(x, c, s);
    if (ch->kind == PK_ARGS) {
        pl_buf_clear(&x->inner);
        pl_unescaper_feed(&ch->escape, s, &x->inner);
        x->oom |= x->inner.failed;
        s = pl_buf_str(&x->inner);
    }
    if (x->route->counts_tokens && ch->kind != PK_FULL)
        x->answer_quarters += pl_tokens_quarters(s);
    x->late |= ch->kind != PK_FULL && (ch->finished || c->finished);
    x->out.scanned += x->out.skip ? 0 : s.n;
    channel_say(x, ch, s);
}

/* The same findings either way; the whole text at once is many times cheaper. */
static void channel_judge(pl_exchange *x, text_channel *ch)
{
    if (x->out.skip)
        return;
    x->scanning = ch;
    if (ch->scan)
        pl_screen_stream_finish(ch->scan, on_finding, x);
    else if (!ch->whole.failed)
        x->oom |= scan_text(x, pl_buf_str(&ch->whole)) != PL_OK;
    x->scanning = NULL;
    if (has_model(x, ch))
        (void)model_judge(x, ch, pl_buf_str(ch->scan ? &ch->window : &ch->whole), true);
}

static void channel_finish(pl_exchange *x, text_channel *ch)
{
    pl_str rest = ch->escape.n ? (pl_str){ ch->escape.pend, ch->escape.n } : PL_STR("?");

    if (ch->finished)
        return;
    if (ch->escape.n || ch->escape.high) { /* an escape that never ended is plain text */
        channel_say(x, ch, rest);
        ch->escape = (unescaper){ 0 };
    }
    channel_judge(x, ch);
    ch->finished = true;
}

/* A text that is repeated whole is masked as its pieces were: a channel of its own, used again
 * for the next one in the same place of an event. */
static void full_take(pl_exchange *x, choice *c, answer_piece *p)
{
    text_channel *ch;

    p->hash = (uint32_t)(p - x->answer.piece);
    ch = channel_get(x, c, p);
    x->oom |= ch == NULL;
    if (!ch)
        return;
    if (ch->scan)
        pl_screen_stream_reset(ch->scan);
    pl_buf_clear(&ch->whole);
    pl_buf_clear(&ch->context);
    ch->fed = ch->mask_n = 0;
    ch->finished = false;
    p->ch = ch;
    p->from = 0;
    channel_feed(x, c, ch, &p->t);
    channel_finish(x, ch);
}

/* A tool's name is over when its arguments begin. */
static void name_finish(pl_exchange *x, const choice *c, int32_t sub)
{
    for (size_t i = 0; i < c->ch_n; i++)
        if (c->ch[i]->kind == PK_NAME && c->ch[i]->sub == sub)
            channel_finish(x, c->ch[i]);
}

/* Some servers say the name again with every piece of the arguments. */
static bool is_name_again(pl_exchange *x, const text_channel *ch, const pl_jsontok *t)
{
    return ch->kind == PK_NAME && ch->scan && ch->finished &&
           pl_str_eq(pl_exchange_token(x, t), pl_buf_str(&ch->whole));
}

text_channel *pl_exchange_take(pl_exchange *x, answer_piece *p, choice **out)
{
    choice       *c = choice_get(x, p->choice);
    text_channel *ch;

    if (out)
        *out = c;
    p->ch = NULL;
    x->oom |= c == NULL;
    if (!c)
        return NULL;
    c->has_tool |= p->is_tool;
    c->has_logprobs |= p->kind == PK_LOGPROBS;
    if (p->kind == PK_FULL && x->route->masks)
        full_take(x, c, p);
    else if (p->kind == PK_FULL)
        pl_exchange_scan_single(x, pl_exchange_token(x, &p->t));
    if (p->kind < PK_TEXT || p->kind > PK_ALSO)
        return NULL;
    ch = channel_get(x, c, p);
    x->oom |= ch == NULL;
    if (!ch)
        return NULL;
    if (is_name_again(x, ch, &p->t)) /* it was judged by itself, as it was then */
        return NULL;
    if (p->kind == PK_ARGS && x->is_stream)
        name_finish(x, c, p->sub);
    p->ch = ch;
    p->from = ch->fed;
    p->escape = ch->escape;
    channel_feed(x, c, ch, &p->t);
    ch->is_named |= p->kind == PK_NAME && p->node && (p->node->flags & PF_ENTIRE);
    return ch;
}

bool pl_exchange_says_label(const pl_exchange *x, const answer_piece *p)
{
    const choice       *c = p->choice >= 0 && p->choice < PL_CHOICES_MAX ? x->choices[p->choice]
                                                                        : NULL;
    const text_channel *ch = c ? channel_find(c, PK_TEXT, p->sub, 0) : NULL;

    return ch && ch->labelled;
}

void pl_choice_finish_sub(pl_exchange *x, choice *c, int32_t sub)
{
    for (size_t i = 0; i < c->ch_n; i++)
        if (c->ch[i]->sub == sub)
            channel_finish(x, c->ch[i]);
}

void pl_choice_finish(pl_exchange *x, choice *c)
{
    for (size_t i = 0; i < c->ch_n; i++)
        channel_finish(x, c->ch[i]);
    c->finished = true;
}

bool pl_choice_is_changed(const pl_exchange *x, const choice *c)
{
    for (size_t i = 0; i < c->ch_n; i++)
        if (c->ch[i]->mask_n)
            return true;
    return x->names.n > 0;
}

void pl_choice_shown(const pl_exchange *x, const choice *c, pl_buf *out)
{
    pl_buf masked = PL_BUF_INIT(PL_TEXT_KEPT * 2);
    size_t at = 0;

    for (size_t i = 0; i < c->ch_n; i++) {
        const text_channel *ch = c->ch[i];

        if (ch->kind != PK_TEXT || ch->text_from < at || ch->text_from + ch->fed > c->text.n)
            continue;
        pl_buf_put(&masked, (pl_str){ c->text.p + at, (size_t)ch->text_from - at });
        masked.failed |= !pl_mask_put(ch, 0, (pl_str){ c->text.p + ch->text_from,
                                                       (size_t)ch->fed }, &masked);
        at = (size_t)(ch->text_from + ch->fed);
    }
    pl_buf_put(&masked, (pl_str){ pl_buf_str(&c->text).p + at, c->text.n - at });
    pl_pseudonym_restore(&x->names, pl_buf_str(&masked), out);
    out->failed |= masked.failed;
    pl_buf_done(&masked);
}
