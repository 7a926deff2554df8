/* The exchange: from request body to finished event. What the answer looks like on the
 * wire is in exchange_whole.c, exchange_sse.c and exchange_reply.c. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cap/guard/guard_int.h"
#include "cap/guard/quiet.h"
#include "engine/text/textlabel.h"

#define SCRATCH_MAX (64u << 20)

/* The id's random end decides which exchanges are acted on where that is a share of them. */
static bool is_enforced(const pl_exchange *x)
{
    uint32_t h = 2166136261u;

    for (const char *p = x->o.id + 10; *p; p++)
        h = (h ^ (uint8_t)*p) * 16777619u;
    return (h >> 8) % 100 < x->route->enforce_share;
}

pl_exchange *pl_exchange_new(const pl_exchange_options *o)
{
    pl_exchange *x = calloc(1, sizeof *x);

    if (!x)
        return NULL;
    x->o = *o;
    x->o.policy = pl_policy_ref(o->policy);
    pl_policy_now(o->policy, o->now_ms);
    x->o.route = pl_policy_route_of(o->policy, o->route, o->tenant);
    x->route = pl_policy_route_get(o->policy, x->o.route);
    for (int d = 0; d < 2; d++)
        x->cells[d] = pl_policy_cells(o->policy, x->o.route, d, o->now_ms);
    tally_init(&x->in);
    tally_init(&x->out);
    x->verdict = "allow";
    x->direction = x->reason = "";
    x->end = "complete";
    x->content_type = "application/json";
    x->facts.n = 1;
    x->tokens[0] = x->tokens[1] = -1;
    x->body = PL_BUF_INIT(o->max_response * 2 + (1u << 20));
    x->collect = PL_BUF_INIT(o->max_response);
    x->scratch = PL_BUF_INIT(SCRATCH_MAX);
    x->inner = PL_BUF_INIT(SCRATCH_MAX);
    x->leaf = PL_BUF_INIT(PL_EVENT_MAX);
    x->question = PL_BUF_INIT(PL_QUESTION_MAX);
    x->surface = o->surface;
    x->in.shadow = x->out.shadow = !is_enforced(x);
    x->forward = PL_BUF_INIT(SCRATCH_MAX);
    x->is_raw = !x->surface;
    pl_stream_init(&x->stream, o->max_response);
    return x;
}

static void choice_free(choice *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->ch_n; i++) {
        if (c->ch[i]->scan)
            pl_screen_stream_done(c->ch[i]->scan);
        pl_buf_done(&c->ch[i]->whole);
        pl_buf_done(&c->ch[i]->pending);
        pl_buf_done(&c->ch[i]->echo.bytes);
        free(c->ch[i]->mask);
        free(c->ch[i]->scan);
        free(c->ch[i]);
    }
    pl_buf_done(&c->text);
    free(c);
}

void pl_exchange_free(pl_exchange *x)
{
    if (!x)
        return;
    for (int i = 0; i < x->choice_count; i++)
        choice_free(x->choices[i]);
    pl_stream_done(&x->stream);
    pl_answer_done(&x->answer);
    pl_buf_done(&x->forward);
    pl_pseudonym_done(&x->names);
    pl_buf_done(&x->body);
    pl_buf_done(&x->collect);
    pl_buf_done(&x->scratch);
    pl_buf_done(&x->inner);
    pl_buf_done(&x->leaf);
    pl_buf_done(&x->question);
    pl_policy_unref(x->o.policy);
    free(x);
}

/* --- request -------------------------------------------------------------------- */

static void keep_model(pl_exchange *x)
{
    pl_str m = x->facts.model;

    if (m.n >= sizeof x->model)
        m.n = 0;
    memcpy(x->model, m.p ? m.p : "", m.n);
    x->model[m.n] = '\0';
    x->facts.model = (pl_str){ x->model, m.n };
}

/* Makes the body to forward; false: something that the policy wants replaced would stay. */
static bool replace(pl_exchange *x, pl_str body)
{
    request_facts facts;
    tally         left;

    tally_init(&left);
    if (pl_request_redact(x->o.policy, x->cells[0], x->surface, body, x->o.salt, &x->names,
                          &x->forward, NULL) != PL_OK)
        return false;
    if (pl_request_judge(x->o.policy, x->cells[0], x->surface, pl_buf_str(&x->forward), &facts,
                         &left, NULL, NULL) != PL_OK)
        return false;
    return left.changing < 0 && left.blocking < 0;
}

pl_str pl_exchange_forward(const pl_exchange *x)
{
    return pl_buf_str(&x->forward);
}

static pl_exchange_action blocked(pl_exchange *x, int64_t rule)
{
    x->verdict = "block";
    x->direction = "input";
    pl_reply_block(x, rule);
    return PL_EXCHANGE_ANSWER;
}

/* What is left to do once it is known what is wrong with the request. */
static pl_exchange_action settle(pl_exchange *x, pl_str body)
{
    if (x->in.blocking >= 0)
        return blocked(x, x->in.blocking);
    if (x->in.changing >= 0 && !replace(x, body))
        return blocked(x, x->in.changing);
    if (x->facts.unscreened && x->route->media_refuse) {
        pl_exchange_refuse(x, 400, "invalid_request_error", "media_not_allowed",
                           "this route accepts text only");
        return PL_EXCHANGE_ANSWER;
    }
    return PL_EXCHANGE_FORWARD;
}

pl_exchange_action pl_exchange_opinion(pl_exchange *x, pl_opinion o, pl_str body)
{
    x->opinion = o;
    if (o == PL_OPINION_UNSAFE)
        x->in.blocking = x->in.asking;
    for (size_t i = 0; o == PL_OPINION_NONE && i < x->in.n; i++) {
        const tally_row *row = &x->in.row[i];

        if (!(row->cell & PL_CELL_OPINION))
            continue;
        if (pl_cell_act(row->cell) == PL_ACTION_BLOCK)
            x->in.blocking = row->rule;
        else
            x->bypasses |= PL_BYPASS_OPINION;
    }
    if (x->in.blocking >= 0)
        x->bypasses &= ~PL_BYPASS_OPINION;
    return settle(x, body);
}

/* Who asks is known: before the body is read where it need not be, so that a refusal costs little. */
static bool begins(pl_exchange *x, pl_str body)
{
    pl_exchange_identify(x);
    return pl_exchange_takes_budget(x, body);
}

pl_exchange_action pl_exchange_request(pl_exchange *x, pl_str body)
{
    bool     known = x->o.subject.n || !x->o.subject_in_body || !x->surface;
    pl_error err;
    pl_rc    rc;

    x->input_bytes = body.n;
    x->input_commitment = pl_commit(x->o.salt, body);
    if (!pl_exchange_takes_request(x, body.n))
        return PL_EXCHANGE_ANSWER;
    if (known && !begins(x, body))
        return PL_EXCHANGE_ANSWER;
    if (!x->surface) {
        x->reason = "unknown_surface";
        return PL_EXCHANGE_FORWARD;
    }
    rc = pl_request_judge(x->o.policy, x->cells[0], x->surface, body, &x->facts, &x->in, &x->question, &err);
    keep_model(x);
    if (!known && !begins(x, body))
        return PL_EXCHANGE_ANSWER;
    x->facts.user = (pl_str){ "", 0 };
    if (rc == PL_INVALID || rc == PL_LIMIT) {
        /* Whatever was understood so far must not steer the shape of the error. */
        x->facts.is_stream = false;
        pl_exchange_refuse(x, 400, "invalid_request_error", "invalid_request", err.text);
        return PL_EXCHANGE_ANSWER;
    }
    if (rc != PL_OK && !pl_policy_opens(x->o.policy, x->o.route, false)) {
        pl_exchange_refuse(x, 503, "server_error", "guard_unavailable", err.text);
        return PL_EXCHANGE_ANSWER;
    }
    if (rc != PL_OK)
        x->bypasses |= PL_BYPASS_NOT_JUDGED;
    if (pl_exchange_refuse_person(x))
        return PL_EXCHANGE_ANSWER;
    if (x->in.blocking < 0 && x->in.asking >= 0)
        return x->question.failed || x->in.more ? pl_exchange_opinion(x, PL_OPINION_NONE, body)
                                                : PL_EXCHANGE_ASK;
    return settle(x, body);
}

void pl_exchange_refuse(pl_exchange *x, int status, const char *type, const char *code,
                        const char *message)
{
    snprintf(x->reason_store, sizeof x->reason_store, "%s", code);
    x->reason = x->reason_store;
    x->verdict = strncmp(code, "upstream", 8) == 0 ? "error" : "refuse";
    pl_reply_error(x, status, type, code, message);
}

void pl_exchange_set_unrecorded(pl_exchange *x)
{
    x->unrecorded = true;
}

pl_fail_mode pl_exchange_fail_mode(const pl_exchange *x)
{
    return x->route->fail;
}

bool pl_exchange_is_recorded(const pl_exchange *x)
{
    return !x->unrecorded;
}

bool pl_exchange_stops_session(const pl_exchange *x)
{
    return x->in.stops || x->out.stops;
}

bool pl_exchange_is_stream(const pl_exchange *x)
{
    return x->facts.is_stream;
}

/* --- scanning an answer ------------------------------------------------------------ */

static int on_finding(void *ctx, const pl_text_finding *f)
{
    pl_exchange *x = ctx;
    pl_cell      cell = pl_policy_cell(x->o.policy, x->cells[1], f->rule);

    tally_add(&x->out, f->rule, cell);
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
    x->scanning = ch;
    pl_screen_stream_feed(ch->scan, s, on_finding, x);
    x->scanning = NULL;
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

/* --- label ------------------------------------------------------------------------ */

pl_str pl_exchange_label_text(const pl_exchange *x)
{
    return x->facts.zh ? x->route->label_zh : x->route->label_en;
}

/* REQ: GB45438-2025/5.1  text content carries the label at its end; where the text is data
 * for a program the label stays in header and event, so that the data still parses. */
bool pl_choice_takes_label(const pl_exchange *x, const choice *c)
{
    return !x->no_label && x->route->label_explicit && pl_exchange_label_text(x).n && c->text_bytes &&
           !c->has_tool && !c->has_logprobs && !c->labelled && !x->facts.is_structured &&
           !x->facts.wants_logprobs && !pl_jsonlike_complete(&c->like);
}

void pl_exchange_label_json(const pl_exchange *x, pl_buf *out)
{
    pl_buf t = PL_BUF_INIT(8192), label = PL_BUF_INIT(4096);

    pl_label_with(pl_policy_people(x->o.policy), pl_exchange_label_text(x), x->people.remind, x->facts.zh, &label);
    pl_textlabel_format(&t, pl_buf_str(&label));
    pl_buf_json(out, pl_buf_str(&t));
    pl_buf_done(&t);
    pl_buf_done(&label);
}

bool pl_exchange_is_generated(const pl_exchange *x)
{
    return x->surface && (x->surface->flags & SF_GENERATES);
}

bool pl_exchange_is_raw(const pl_exchange *x)
{
    return x->is_raw;
}

const char *pl_exchange_label(const pl_exchange *x)
{
    bool any = false, all = true;

    if (x->own || !pl_exchange_is_generated(x) || !x->route->label_explicit || x->verdict[0] == 'e' || x->verdict[0] == 'r')
        return "none";
    for (int i = 0; i < x->choice_count; i++)
        if (x->choices[i] && x->choices[i]->text_bytes) {
            any = true;
            all = all && x->choices[i]->labelled;
        }
    if (!any && x->is_stream && !x->ended) /* the head of a stream: what is intended */
        return x->is_raw || !x->surface->voice->delta || x->facts.is_structured || x->facts.wants_logprobs ? "header" : "text";
    return any && all ? "text" : "header";
}

/* --- response --------------------------------------------------------------------- */

static bool type_is(pl_str type, const char *name)
{
    size_t n = strlen(name);

    return type.n >= n && strncasecmp(type.p, name, n) == 0 &&
           (type.n == n || type.p[n] == ';' || type.p[n] == ' ');
}

static pl_response_mode refuse_response(pl_exchange *x, const char *code, const char *message)
{
    pl_exchange_refuse(x, 502, "server_error", code, message);
    return PL_RESPONSE_WHOLE;
}

/* What this answer is: a stream of events, bytes that nobody reads, or one body. */
static bool is_stream_type(const pl_exchange *x, pl_str type)
{
    return x->surface->framing == FRAMING_SSE     ? type_is(type, "text/event-stream")
           : x->surface->framing == FRAMING_LINES ? type_is(type, "application/x-ndjson")
                                                  : false;
}

static bool is_media_type(const pl_exchange *x, pl_str type)
{
    return (x->surface->flags & SF_BINARY) && type.n > 6 &&
           (strncasecmp(type.p, "audio/", 6) == 0 || type_is(type, "application/octet-stream"));
}

pl_response_mode pl_exchange_response_begin(pl_exchange *x, int status, pl_str type,
                                            pl_str encoding)
{
    bool ok = status >= 200 && status < 300;

    x->upstream_status = x->status = status;
    snprintf(x->upstream_type, sizeof x->upstream_type, "%.*s",
             (int)(type.n < sizeof x->upstream_type ? type.n : 0), type.p ? type.p : "");
    /* 1xx: nginx takes it for the answer, and the real one for its body. */
    if (status < 200 || status > 599)
        return refuse_response(x, "upstream_protocol", "the upstream does not speak HTTP");
    if (x->is_raw || (ok && is_media_type(x, type))) {
        x->facts.unscreened += !x->is_raw;
        x->is_raw = x->is_stream = true;
        x->content_type = x->upstream_type[0] ? x->upstream_type : "application/octet-stream";
        return PL_RESPONSE_STREAM;
    }
    if (encoding.n && !(encoding.n == 8 && strncasecmp(encoding.p, "identity", 8) == 0))
        return refuse_response(x, "upstream_encoding",
                               "the upstream sent a compressed answer although none was accepted");
    if (ok && is_stream_type(x, type)) {
        x->is_stream = true;
        x->content_type = x->surface->framing == FRAMING_SSE ? "text/event-stream; charset=utf-8"
                                                             : "application/x-ndjson";
        return PL_RESPONSE_STREAM;
    }
    if (ok && !type_is(type, "application/json"))
        return refuse_response(x, "upstream_content_type",
                               "the upstream's answer is neither JSON nor an event stream");
    return PL_RESPONSE_WHOLE;
}

void pl_exchange_stop(pl_exchange *x, pl_buf *out, int64_t now_ms)
{
    if (!x->ended && x->is_stream && !x->is_raw)
        pl_stream_stop(x, out, now_ms);
}

void pl_exchange_response_feed(pl_exchange *x, pl_str bytes, pl_buf *out, int64_t now_ms)
{
    if (x->ended || x->replied)
        return;
    if (x->is_raw)
        pl_buf_put(out, bytes);
    else if (x->is_stream)
        pl_stream_feed(x, bytes, out, now_ms);
    else
        pl_buf_put(&x->collect, bytes);
}

void pl_exchange_response_end(pl_exchange *x, pl_response_end how, pl_buf *out, int64_t now_ms)
{
    if (x->ended)
        return;
    if (how == PL_END_ABORTED)
        x->end = "aborted";
    else if (x->is_raw)
        x->end = how == PL_END_TRUNCATED ? "truncated" : x->end;
    else if (x->is_stream)
        pl_stream_end(x, how, out, now_ms);
    else if (!x->replied)
        pl_whole_end(x, how);
    x->ended = true;
}

bool pl_exchange_ended(const pl_exchange *x)
{
    return x->ended;
}

int pl_exchange_status(const pl_exchange *x)
{
    return x->status;
}

const char *pl_exchange_content_type(const pl_exchange *x)
{
    return x->content_type;
}

pl_str pl_exchange_body(const pl_exchange *x)
{
    return pl_buf_str(&x->body);
}

bool pl_exchange_is_own(const pl_exchange *x)
{
    return x->own;
}

pl_str pl_exchange_model(const pl_exchange *x)
{
    return x->facts.model;
}

pl_str pl_exchange_tenant(const pl_exchange *x)
{
    return x->o.tenant;
}

pl_str pl_exchange_id(const pl_exchange *x)
{
    return (pl_str){ x->o.id, PL_ID_LEN };
}

const char *pl_exchange_verdict(const pl_exchange *x)
{
    return x->verdict;
}

const pl_policy *pl_exchange_policy(const pl_exchange *x)
{
    return x->o.policy;
}
