/* Replies made here: safe answers for a block, errors, events of our own, all in the words of
 * the surface (its voice). */
#include "base/banned.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "cap/guard/guard_int.h"

void pl_guard_error_body(pl_buf *out, const char *type, const char *code, const char *message,
                         pl_str request_id)
{
    pl_buf_puts(out, "{\"error\":{\"message\":\"");
    pl_buf_json(out, pl_str_z(message));
    pl_buf_puts(out, "\",\"type\":\"");
    pl_buf_json(out, pl_str_z(type));
    pl_buf_puts(out, "\",\"param\":null,\"code\":\"");
    pl_buf_json(out, pl_str_z(code));
    pl_buf_puts(out, "\"");
    if (request_id.n) {
        pl_buf_puts(out, ",\"request_id\":\"");
        pl_buf_json(out, request_id);
        pl_buf_puts(out, "\"");
    }
    pl_buf_puts(out, "}}");
}

static void put_id(const pl_exchange *x, pl_buf *out)
{
    if (x->stream.id.n) {
        pl_buf_put(out, pl_buf_str(&x->stream.id));
        return;
    }
    pl_buf_puts(out, x->surface->voice->id_prefix);
    pl_buf_puts(out, x->o.id);
}

static void put_time(const pl_exchange *x, pl_buf *out)
{
    char text[25];

    pl_time_format(x->o.now_ms, text);
    pl_buf_puts(out, text);
}

/* Numbers follow each other over the upstream's events and ours. */
static void put_sequence(pl_exchange *x, pl_buf *out)
{
    pl_buf_printf(out, "%llu", (unsigned long long)x->stream.sequence++);
    x->stream.sequence_shift++;
}

/* Some surfaces have words of their own for a kind of error. */
static const char *error_type(const surface_voice *v, const voice_args *a)
{
    if (v->server_error && a->type[0] == 's')
        return v->server_error;
    return v->large_error && strcmp(a->code, "request_too_large") == 0 ? v->large_error : a->type;
}

static void put_place(pl_exchange *x, pl_buf *out, char what, const voice_args *a)
{
    const stream_state *s = &x->stream;

    switch (what) {
    case 'i':
        put_id(x, out);
        break;
    case 'm':
        pl_buf_put(out, s->model.n ? pl_buf_str(&s->model) : x->facts.model);
        break;
    case 't':
        pl_buf_printf(out, "%lld", (long long)(s->created ? s->created : x->o.now_ms / 1000));
        break;
    case 'T':
        put_time(x, out);
        break;
    case 'c':
        pl_buf_printf(out, "%d", (int)a->choice);
        break;
    case 'b':
        pl_buf_printf(out, "%d", (int)a->sub);
        break;
    case 'q':
        put_sequence(x, out);
        break;
    case 's':
        pl_buf_put(out, a->text);
        break;
    case 'x':
        pl_buf_puts(out, x->o.id);
        break;
    case 'e':
        pl_buf_json(out, pl_str_z(error_type(x->surface->voice, a)));
        break;
    default:
        pl_buf_json(out, pl_str_z(what == 'k' ? a->code : a->message));
    }
}

void pl_voice_put(pl_exchange *x, pl_buf *out, const char *text, const voice_args *a)
{
    const char *at;

    for (; text && (at = strchr(text, '%')) != NULL; text = at + 2) {
        pl_buf_put(out, (pl_str){ text, (size_t)(at - text) });
        put_place(x, out, at[1], a);
    }
    pl_buf_puts(out, text ? text : "");
}

void pl_reply_error(pl_exchange *x, int status, const char *type, const char *code,
                    const char *message)
{
    voice_args a = { .type = type, .code = code, .message = message };

    pl_buf_clear(&x->body);
    if (x->surface)
        pl_voice_put(x, &x->body, x->surface->voice->error, &a);
    else
        pl_guard_error_body(&x->body, type, code, message, pl_exchange_id(x));
    x->status = status;
    x->content_type = "application/json";
    x->own = x->replied = true;
}

/* Which safe answer a block gets. */
static pl_str category_of(const pl_exchange *x, int64_t rule)
{
    if (rule == PL_BLOCK_OVERSIZE)
        return PL_STR("limit.answer");
    return pl_textdb_rule_get(pl_policy_textdb(x->o.policy), (uint32_t)rule).category;
}

/* The safe answer as the inside of a JSON string, in the asker's language. */
void pl_reply_safe_answer(const pl_exchange *x, int64_t rule, pl_buf *json)
{
    pl_str next = x->facts.zh ? x->people.next_zh : x->people.next_en;

    pl_buf_json(json, pl_policy_answer(x->o.policy, x->o.route, category_of(x, rule), x->facts.zh));
    if (next.n && x->has_subject) { /* what this violation leads to */
        pl_buf_puts(json, "\\n\\n");
        pl_buf_json(json, next);
    }
}

static int choices_asked(const pl_exchange *x)
{
    int64_t n = (int64_t)x->facts.n * (x->facts.prompts ? x->facts.prompts : 1);

    return n > PL_CHOICES_MAX ? PL_CHOICES_MAX : (int)n;
}

/* A structured answer cannot hold prose: the refusal member is what clients of structured
 * output look at, where the surface has one. */
static const char *said(const pl_exchange *x, const char *plain, const char *refusal)
{
    return x->facts.is_structured && refusal ? refusal : plain;
}

static void block_stream(pl_exchange *x, pl_str text)
{
    const surface_voice *v = x->surface->voice;
    voice_args           a = { .text = text };
    int                  n = choices_asked(x);

    pl_voice_put(x, &x->body, v->begin, &a);
    for (a.choice = 0; a.choice < n; a.choice++) {
        pl_voice_put(x, &x->body, v->open, &a);
        pl_voice_put(x, &x->body, said(x, v->delta, v->delta_refusal), &a);
    }
    for (a.choice = 0; a.choice < n; a.choice++)
        pl_voice_put(x, &x->body, v->close, &a);
    if (x->facts.wants_usage)
        pl_voice_put(x, &x->body, v->usage, &a);
    pl_voice_put(x, &x->body, v->end, &a);
    x->content_type = x->surface->framing == FRAMING_LINES ? "application/x-ndjson"
                                                          : "text/event-stream";
}

static void block_whole(pl_exchange *x, pl_str text)
{
    const surface_voice *v = x->surface->voice;
    voice_args           a = { .text = text };
    int                  n = choices_asked(x);

    pl_voice_put(x, &x->body, v->whole_head, &a);
    for (a.choice = 0; a.choice < n; a.choice++) {
        if (a.choice)
            pl_buf_putc(&x->body, ',');
        pl_voice_put(x, &x->body, said(x, v->whole_choice, v->whole_refusal), &a);
    }
    pl_voice_put(x, &x->body, v->whole_tail, &a);
    x->content_type = "application/json";
}

/* Where no answer in words is possible, a block is an error that no client repeats. */
static void block_error(pl_exchange *x, int64_t rule)
{
    pl_str t = pl_policy_answer(x->o.policy, x->o.route, category_of(x, rule), x->facts.zh);
    char   message[1024];

    snprintf(message, sizeof message, PL_STR_FMT, (int)(t.n < 900 ? t.n : 900), t.p);
    pl_reply_error(x, 400, "invalid_request_error", x->surface->voice->block_code, message);
}

void pl_reply_block(pl_exchange *x, int64_t rule)
{
    pl_buf text = PL_BUF_INIT(64u << 10);

    pl_buf_clear(&x->body);
    if (!x->surface->voice->whole_head) {
        block_error(x, rule);
        return;
    }
    pl_reply_safe_answer(x, rule, &text);
    if (x->facts.is_stream)
        block_stream(x, pl_buf_str(&text));
    else
        block_whole(x, pl_buf_str(&text));
    pl_buf_done(&text);
    x->status = 200;
    x->own = x->replied = true;
}
