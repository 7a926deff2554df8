/* Replies made here: safe answers for a block, OpenAI-style errors, chunks of our own. */
#include "base/banned.h"

#include "base/str.h"
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

void pl_reply_error(pl_exchange *x, int status, const char *type, const char *code,
                    const char *message)
{
    pl_buf_clear(&x->body);
    pl_guard_error_body(&x->body, type, code, message, pl_exchange_id(x));
    x->status = status;
    x->content_type = "application/json";
    x->own = x->replied = true;
}

/* The safe answer as the inside of a JSON string, in the asker's language. */
void pl_reply_safe_answer(const pl_exchange *x, int64_t rule, pl_buf *json)
{
    pl_text_rule r = pl_textdb_rule_get(pl_policy_textdb(x->o.policy), (uint32_t)rule);

    pl_buf_json(json, pl_policy_answer(x->o.policy, x->o.route, r.category, x->facts.zh));
}

static void head(const pl_exchange *x, pl_buf *out, const char *object)
{
    const sse_state *s = &x->sse;

    if (s->id.n)
        pl_buf_printf(out, "{\"id\":\"" PL_STR_FMT "\"", PL_STR_ARG(pl_buf_str(&s->id)));
    else
        pl_buf_printf(out, "{\"id\":\"chatcmpl-%s\"", x->o.id);
    pl_buf_printf(out, ",\"object\":\"%s\",\"created\":%lld,\"model\":\"", object,
                  (long long)(s->created ? s->created : x->o.now_ms / 1000));
    pl_buf_put(out, s->model.n ? pl_buf_str(&s->model) : x->facts.model);
    pl_buf_puts(out, "\",\"choices\":[");
}

void pl_reply_chunk(pl_exchange *x, pl_buf *out, int index, pl_str delta, const char *finish)
{
    pl_buf_puts(out, "data: ");
    head(x, out, "chat.completion.chunk");
    pl_buf_printf(out, "{\"index\":%d,\"delta\":", index);
    pl_buf_put(out, delta);
    pl_buf_puts(out, ",\"logprobs\":null,\"finish_reason\":");
    if (finish)
        pl_buf_printf(out, "\"%s\"", finish);
    else
        pl_buf_puts(out, "null");
    pl_buf_puts(out, "}]}\n\n");
}

/* A structured answer cannot hold prose: the refusal member is what clients of
 * structured output look at. */
static const char *answer_member(const pl_exchange *x)
{
    return x->facts.is_structured ? "refusal" : "content";
}

static void block_stream(pl_exchange *x, int64_t rule)
{
    pl_buf delta = PL_BUF_INIT(64u << 10);

    pl_buf_printf(&delta, "{\"role\":\"assistant\",\"%s\":\"", answer_member(x));
    pl_reply_safe_answer(x, rule, &delta);
    pl_buf_puts(&delta, "\"}");
    for (int i = 0; i < x->facts.n; i++)
        pl_reply_chunk(x, &x->body, i, pl_buf_str(&delta), NULL);
    for (int i = 0; i < x->facts.n; i++)
        pl_reply_chunk(x, &x->body, i, PL_STR("{}"), "content_filter");
    pl_buf_done(&delta);
    if (x->facts.wants_usage) {
        pl_buf_puts(&x->body, "data: ");
        head(x, &x->body, "chat.completion.chunk");
        pl_buf_puts(&x->body, "],\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0,"
                              "\"total_tokens\":0}}\n\n");
    }
    pl_buf_puts(&x->body, "data: [DONE]\n\n");
    x->content_type = "text/event-stream";
}

static void block_whole(pl_exchange *x, int64_t rule)
{
    bool structured = x->facts.is_structured;

    head(x, &x->body, "chat.completion");
    for (int i = 0; i < x->facts.n; i++) {
        pl_buf_printf(&x->body, "%s{\"index\":%d,\"message\":{\"role\":\"assistant\",", i ? "," : "",
                      i);
        pl_buf_puts(&x->body, structured ? "\"content\":null,\"refusal\":\"" : "\"content\":\"");
        pl_reply_safe_answer(x, rule, &x->body);
        pl_buf_puts(&x->body, structured ? "\"}" : "\",\"refusal\":null}");
        pl_buf_puts(&x->body, ",\"logprobs\":null,\"finish_reason\":\"content_filter\"}");
    }
    pl_buf_puts(&x->body, "],\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0,"
                          "\"total_tokens\":0}}");
    x->content_type = "application/json";
}

void pl_reply_block(pl_exchange *x, int64_t rule)
{
    pl_buf_clear(&x->body);
    if (x->facts.is_stream)
        block_stream(x, rule);
    else
        block_whole(x, rule);
    x->status = 200;
    x->own = x->replied = true;
}
