#include "base/banned.h"

#include "base/str.h"
#include "base/utf8.h"
#include "host/cli/demo.h"

#define REPLY_MAX    (16u << 20)
#define QUESTION_MAX (64u << 10)
#define CHOICES_MAX  8
#define TOKENS_MAX   100000
#define LATIN_TOKEN  12 /* bytes */

/* What was asked for, read once. */
typedef struct ask {
    const json_t *request; /* borrowed */
    pl_buf        question;
    bool          is_stream, with_usage, with_logprobs, wants_tool;
    int64_t       choices, max_tokens, top_logprobs;
    const json_t *schema; /* of structured output, NULL */
    bool          wants_json;
    const json_t *tool;   /* the function to call, NULL */
} ask;

/* What is answered: the same in every choice. */
typedef struct answer {
    char       *text;      /* malloc'd; the content, or the arguments of the tool call */
    const char *tool_name; /* NULL: content */
    const char *finish;
    size_t      prompt_tokens, tokens; /* of text, after max_tokens */
    size_t      text_n;
    char        id[48];
    int64_t     created;
} answer;

/* --- tokens ---------------------------------------------------------------------------- */

size_t pl_demo_token(pl_str s)
{
    size_t   n = 0;
    uint32_t cp;
    int      len;

    while (n < s.n && s.p[n] == ' ')
        n++;
    while (n < s.n && n < LATIN_TOKEN && (unsigned char)s.p[n] < 0x80 && s.p[n] != ' ' &&
           s.p[n] != '\n')
        n++;
    if (n > 0)
        return n;
    if (s.n > 0 && s.p[0] == '\n')
        return 1;
    for (int i = 0; i < 2 && n < s.n && (unsigned char)s.p[n] >= 0x80; i++) {
        len = pl_utf8_decode((pl_str){ s.p + n, s.n - n }, &cp);
        n += len > 0 ? (size_t)len : 1;
    }
    return n;
}

static size_t token_count(pl_str s)
{
    size_t n = 0;

    while (s.n > 0) {
        size_t len = pl_demo_token(s);

        s = (pl_str){ s.p + len, s.n - len };
        n++;
    }
    return n;
}

/* --- reading the request --------------------------------------------------------------- */

static void content_take(pl_buf *out, const json_t *content)
{
    const json_t *part;
    size_t        i;

    if (json_is_string(content))
        pl_buf_put(out, (pl_str){ json_string_value(content), json_string_length(content) });
    json_array_foreach(content, i, part) {
        const json_t *text = json_object_get(part, "text");

        if (json_is_string(text))
            pl_buf_put(out, (pl_str){ json_string_value(text), json_string_length(text) });
    }
}

static bool role_is(const json_t *message, const char *role)
{
    const char *r = json_string_value(json_object_get(message, "role"));

    return r != NULL && strcmp(r, role) == 0;
}

/* The last message of the user; true when a tool's result came after it. */
static bool question_take(ask *q, const json_t *messages)
{
    size_t n = json_array_size(messages);
    bool   tool_after = n > 0 && role_is(json_array_get(messages, n - 1), "tool");

    for (size_t i = n; i-- > 0;)
        if (role_is(json_array_get(messages, i), "user")) {
            content_take(&q->question, json_object_get(json_array_get(messages, i), "content"));
            break;
        }
    return tool_after;
}

static int64_t integer_at(const json_t *o, const char *key, int64_t otherwise)
{
    const json_t *v = json_object_get(o, key);

    return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

static void format_take(ask *q)
{
    const json_t *format = json_object_get(q->request, "response_format");
    const char   *type = json_string_value(json_object_get(format, "type"));

    if (type == NULL)
        return;
    if (strcmp(type, "json_schema") == 0)
        q->schema = json_object_get(json_object_get(format, "json_schema"), "schema");
    q->wants_json = q->schema != NULL || strcmp(type, "json_object") == 0;
}

static bool mentions_weather(const pl_buf *question)
{
    return question->p != NULL &&
           (strcasestr(question->p, "weather") != NULL || strstr(question->p, "天气") != NULL);
}

/* A tool is called when the caller insists, or when the question is about the weather. */
static void tool_take(ask *q)
{
    const json_t *tools = json_object_get(q->request, "tools"), *one;
    const json_t *choice = json_object_get(q->request, "tool_choice");
    const char   *mode = json_string_value(choice);
    const char   *wanted =
        json_string_value(json_object_get(json_object_get(choice, "function"), "name"));
    size_t i;

    if (mode != NULL && strcmp(mode, "none") == 0)
        return;
    if (wanted == NULL && !(mode != NULL && strcmp(mode, "required") == 0) &&
        !mentions_weather(&q->question))
        return;
    json_array_foreach(tools, i, one) {
        const json_t *f = json_object_get(one, "function");
        const char   *name = json_string_value(json_object_get(f, "name"));

        if (name != NULL && q->tool == NULL && (wanted == NULL || strcmp(wanted, name) == 0))
            q->tool = f;
    }
}

static const char *ask_read(ask *q, const json_t *request)
{
    const json_t *messages = json_object_get(request, "messages");
    bool          tool_after;

    *q = (ask){ .request = request, .question = PL_BUF_INIT(QUESTION_MAX) };
    if (!json_is_object(request) || json_array_size(messages) == 0)
        return "'messages' must be a list that is not empty";
    tool_after = question_take(q, messages);
    q->is_stream = json_is_true(json_object_get(request, "stream"));
    q->with_usage = json_is_true(
        json_object_get(json_object_get(request, "stream_options"), "include_usage"));
    q->with_logprobs = json_is_true(json_object_get(request, "logprobs"));
    q->top_logprobs = integer_at(request, "top_logprobs", 0);
    q->choices = integer_at(request, "n", 1);
    q->max_tokens = integer_at(request, "max_completion_tokens",
                               integer_at(request, "max_tokens", TOKENS_MAX));
    if (q->choices < 1 || q->choices > CHOICES_MAX)
        return "'n' must be from 1 to 8";
    if (q->max_tokens < 1)
        return "'max_tokens' must be at least 1";
    format_take(q);
    if (!tool_after)
        tool_take(q);
    return NULL;
}

/* --- deciding the answer --------------------------------------------------------------- */

static char *json_text(json_t *v)
{
    char *text = v != NULL ? pl_json_dump(v) : NULL;

    json_decref(v);
    return text;
}

static void cut(answer *a, int64_t max_tokens)
{
    pl_str s = pl_str_z(a->text);

    a->tokens = 0;
    a->text_n = 0;
    while (s.n > 0 && (int64_t)a->tokens < max_tokens) {
        size_t len = pl_demo_token(s);

        s = (pl_str){ s.p + len, s.n - len };
        a->text_n += len;
        a->tokens++;
    }
    if (s.n > 0)
        a->finish = "length";
    a->text[a->text_n] = '\0';
}

static bool answer_make(const pl_demo_answers *all, const ask *q, answer *a)
{
    a->finish = "stop";
    if (q->tool != NULL) {
        a->tool_name = json_string_value(json_object_get(q->tool, "name"));
        a->finish = "tool_calls";
        a->text = json_text(pl_demo_schema_value(json_object_get(q->tool, "parameters")));
    } else if (q->wants_json) {
        a->text = json_text(q->schema != NULL
                                ? pl_demo_schema_value(q->schema)
                                : json_pack("{s:s, s:b}", "answer", "recorded", "demo", 1));
    } else {
        a->text = pl_str_dup(pl_demo_answers_find(all, pl_buf_str(&q->question)));
    }
    if (a->text == NULL)
        return false;
    a->prompt_tokens = token_count(pl_buf_str(&q->question));
    /* A cut value would not be JSON, which a real model is free to give but a demo is not. */
    cut(a, q->tool != NULL || q->wants_json ? TOKENS_MAX : q->max_tokens);
    return true;
}

/* --- writing --------------------------------------------------------------------------- */

static json_t *usage_json(const ask *q, const answer *a)
{
    json_int_t out = (json_int_t)a->tokens * q->choices, in = (json_int_t)a->prompt_tokens;

    return json_pack("{s:I, s:I, s:I}", "prompt_tokens", in, "completion_tokens", out,
                     "total_tokens", in + out);
}

static json_t *token_logprob(pl_str token, int64_t top)
{
    json_t *bytes = json_array(), *list = json_array(), *row;

    for (size_t i = 0; i < token.n; i++)
        (void)json_array_append_new(bytes, json_integer((unsigned char)token.p[i]));
    row = json_pack("{s:s%, s:f, s:O}", "token", token.p, token.n, "logprob", -0.125, "bytes",
                    bytes);
    if (top > 0 && row != NULL)
        (void)json_array_append_new(list, json_deep_copy(row));
    (void)json_object_set_new(row, "top_logprobs", list);
    json_decref(bytes);
    return row;
}

/* Of all tokens in text, or NULL when none were asked for. */
static json_t *logprobs_json(const ask *q, const answer *a, pl_str text)
{
    json_t *list;

    if (!q->with_logprobs || a->tool_name != NULL)
        return json_null();
    list = json_array();
    while (text.n > 0) {
        size_t len = pl_demo_token(text);

        (void)json_array_append_new(list, token_logprob((pl_str){ text.p, len }, q->top_logprobs));
        text = (pl_str){ text.p + len, text.n - len };
    }
    return json_pack("{s:o}", "content", list);
}

static json_t *envelope(const answer *a, const char *object, json_t *choices)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:o}", "id", a->id, "object", object, "created",
                     (json_int_t)a->created, "model", PL_DEMO_MODEL, "choices", choices);
}

static json_t *message_json(const answer *a)
{
    if (a->tool_name == NULL)
        return json_pack("{s:s, s:s, s:n}", "role", "assistant", "content", a->text, "refusal");
    return json_pack("{s:s, s:n, s:n, s:[{s:s, s:s, s:{s:s, s:s}}]}", "role", "assistant",
                     "content", "refusal", "tool_calls", "id", "call_demo_1", "type", "function",
                     "function", "name", a->tool_name, "arguments", a->text);
}

static void write_whole(const ask *q, const answer *a, pl_buf *out)
{
    json_t *choices = json_array(), *reply;
    char   *text;

    for (int i = 0; i < (int)q->choices; i++)
        (void)json_array_append_new(
            choices, json_pack("{s:i, s:o, s:o, s:s}", "index", i, "message", message_json(a),
                               "logprobs", logprobs_json(q, a, (pl_str){ a->text, a->text_n }),
                               "finish_reason", a->finish));
    reply = envelope(a, "chat.completion", choices);
    (void)json_object_set_new(reply, "usage", usage_json(q, a));
    text = json_dumps(reply, JSON_COMPACT);
    pl_buf_puts(out, text != NULL ? text : "{}");
    free(text);
    json_decref(reply);
}

/* --- streaming ------------------------------------------------------------------------- */

static void event_end(pl_demo_reply *r)
{
    size_t *bigger = r->event_end;

    if ((r->event_count & (r->event_count - 1)) == 0)
        bigger = realloc(bigger, (r->event_count ? 2 * r->event_count : 1) * sizeof *bigger);
    if (bigger == NULL) {
        r->body.failed = true;
        return;
    }
    r->event_end = bigger;
    r->event_end[r->event_count++] = r->body.n;
}

static void put_event(pl_demo_reply *r, json_t *event)
{
    char *text = json_dumps(event, JSON_COMPACT);

    json_decref(event);
    if (r->body.failed || text == NULL) {
        free(text);
        return;
    }
    pl_buf_puts(&r->body, "data: ");
    pl_buf_puts(&r->body, text);
    pl_buf_puts(&r->body, "\n\n");
    free(text);
    event_end(r);
}

static void put_chunk(pl_demo_reply *r, const ask *q, const answer *a, int index, json_t *delta,
                      json_t *logprobs, const char *finish)
{
    json_t *choice = json_pack("{s:i, s:o, s:o, s:s?}", "index", index, "delta", delta, "logprobs",
                               logprobs, "finish_reason", finish);
    json_t *event = envelope(a, "chat.completion.chunk", json_pack("[o]", choice));

    if (q->with_usage)
        (void)json_object_set_new(event, "usage", json_null());
    put_event(r, event);
}

static json_t *first_delta(const answer *a)
{
    if (a->tool_name == NULL)
        return json_pack("{s:s, s:s}", "role", "assistant", "content", "");
    return json_pack("{s:s, s:n, s:[{s:i, s:s, s:s, s:{s:s, s:s}}]}", "role", "assistant",
                     "content", "tool_calls", "index", 0, "id", "call_demo_1", "type", "function",
                     "function", "name", a->tool_name, "arguments", "");
}

static json_t *token_delta(const answer *a, pl_str token)
{
    if (a->tool_name == NULL)
        return json_pack("{s:s%}", "content", token.p, token.n);
    return json_pack("{s:[{s:i, s:{s:s%}}]}", "tool_calls", "index", 0, "function", "arguments",
                     token.p, token.n);
}

/* The choices advance token by token side by side, as a server with n > 1 does. */
static void write_stream(const ask *q, const answer *a, pl_demo_reply *r)
{
    pl_str rest = { a->text, a->text_n };
    int    n = (int)q->choices;

    for (int i = 0; i < n; i++)
        put_chunk(r, q, a, i, first_delta(a), json_null(), NULL);
    while (rest.n > 0 && !r->body.failed) {
        pl_str token = { rest.p, pl_demo_token(rest) };

        for (int i = 0; i < n; i++)
            put_chunk(r, q, a, i, token_delta(a, token), logprobs_json(q, a, token), NULL);
        rest = (pl_str){ rest.p + token.n, rest.n - token.n };
    }
    for (int i = 0; i < n; i++)
        put_chunk(r, q, a, i, json_object(), json_null(), a->finish);
    if (q->with_usage) {
        json_t *event = envelope(a, "chat.completion.chunk", json_array());

        (void)json_object_set_new(event, "usage", usage_json(q, a));
        put_event(r, event);
    }
    pl_buf_puts(&r->body, "data: [DONE]\n\n");
    event_end(r);
}

/* --- all together ---------------------------------------------------------------------- */

static void write_error(pl_demo_reply *r, int status, const char *message)
{
    pl_buf_clear(&r->body);
    r->status = status;
    r->is_stream = false;
    pl_buf_puts(&r->body, "{\"error\":{\"message\":\"");
    pl_buf_json(&r->body, pl_str_z(message));
    pl_buf_puts(&r->body, "\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}");
}

void pl_demo_reply_make(const pl_demo_answers *all, pl_str body, uint64_t serial, int64_t now_s,
                        pl_demo_reply *out)
{
    json_t     *request = NULL;
    ask         q = { 0 };
    answer      a = { .created = now_s };
    pl_error    err = { 0 };
    const char *wrong;

    *out = (pl_demo_reply){ .status = 200, .body = PL_BUF_INIT(REPLY_MAX) };
    (void)snprintf(a.id, sizeof a.id, "chatcmpl-demo-%llu", (unsigned long long)serial);
    if (pl_json_parse(body, "request", &request, &err) != PL_OK) {
        write_error(out, 400, err.text);
        return;
    }
    wrong = ask_read(&q, request);
    if (wrong != NULL) {
        write_error(out, 400, wrong);
    } else if (answer_make(all, &q, &a)) {
        out->is_stream = q.is_stream;
        if (q.is_stream)
            write_stream(&q, &a, out);
        else
            write_whole(&q, &a, &out->body);
    }
    if (out->body.failed || (out->status == 200 && out->body.n == 0))
        write_error(out, 500, "out of memory");
    free(a.text);
    pl_buf_done(&q.question);
    json_decref(request);
}

void pl_demo_reply_done(pl_demo_reply *r)
{
    pl_buf_done(&r->body);
    free(r->event_end);
    r->event_end = NULL;
}
