/* The exchange: from request body to finished event. What the answer looks like on the
 * wire is in exchange_whole.c, exchange_stream.c and exchange_reply.c; its texts are in
 * exchange_channel.c. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cap/guard/guard_int.h"
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

void pl_exchange_free(pl_exchange *x)
{
    if (!x)
        return;
    for (int i = 0; i < x->choice_count; i++)
        pl_choice_free(x->choices[i]);
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
    pl_opinion_settle(x, false, o);
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

    x->question.failed = false; /* that of the request is settled */
    pl_buf_clear(&x->question);
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
    while (how == PL_END_TRUNCATED && x->asked.asks && !x->ended) /* nobody waits any longer */
        pl_exchange_answer_opinion(x, PL_OPINION_NONE, out, now_ms);
    if (x->ended)
        return;
    if (x->asked.asks && how == PL_END_COMPLETE) {
        x->asked.has_end = true;
        return;
    }
    x->asked.asks = false;
    if (how == PL_END_ABORTED)
        x->end = "aborted";
    else if (x->is_raw)
        x->end = how == PL_END_TRUNCATED ? "truncated" : x->end;
    else if (x->is_stream)
        pl_stream_end(x, how, out, now_ms);
    else if (!x->replied)
        pl_whole_end(x, how);
    x->asked.has_end = x->asked.asks && x->is_stream;
    x->ended = !x->asked.asks;
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
