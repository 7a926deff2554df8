/* Anthropic messages and Ollama. Sources: their public API references and the streams that
 * their own SDKs read (tests/gateway/sdk.test.mjs runs them). */
#include "base/banned.h"

#include "cap/guard/surface.h"

#define FLAG (PT_BOOL | PT_NULL)

/* --- Anthropic messages ------------------------------------------------------------------ */

static const surface_path messages_request[] = {
    { "model", PK_MODEL, PT_STR, 0, NULL },
    { "metadata", PK_NONE, 0, 0, NULL },
    { "metadata.user_id", PK_USER, 0, 0, NULL },
    { "stream", PK_STREAM, FLAG, 0, NULL },
    { "system", PK_TEXT, PT_STR | PT_ARR | PT_NULL, PF_MESSAGE, NULL },
    { "system[]", PK_TEXT, PT_STR | PT_OBJ, PF_PART, NULL },
    { "system[].type", PK_TYPE, 0, 0, NULL },
    { "system[].text", PK_TEXT, 0, PF_PART, NULL },
    { "messages", PK_NONE, PT_ARR, PF_REQUIRED | PF_FILLED, NULL },
    { "messages[]", PK_NONE, PT_OBJ, PF_MESSAGE, NULL },
    { "messages[].role", PK_ROLE, PT_STR, PF_REQUIRED, NULL },
    { "messages[].content", PK_TEXT, PT_STR | PT_ARR | PT_NULL, 0, NULL },
    { "messages[].content[]", PK_TEXT, PT_STR | PT_OBJ, PF_PART, NULL },
    { "messages[].content[].type", PK_TYPE, 0, 0, NULL },
    { "messages[].content[].text", PK_TEXT, 0, PF_PART, NULL },
    { "messages[].content[].thinking", PK_TEXT, 0, PF_PART, NULL },
    { "messages[].content[].signature", PK_DATA, 0, 0, NULL },
    { "messages[].content[].content", PK_TEXT, 0, PF_PART, NULL },
    { "messages[].content[].content[]", PK_TEXT, 0, PF_PART, NULL },
    { "messages[].content[].content[].type", PK_TYPE, 0, 0, NULL },
    { "messages[].content[].content[].text", PK_TEXT, 0, PF_PART, NULL },
    { "output_format", PK_STRUCTURED, 0, 0, NULL },
    { "output_config.format", PK_STRUCTURED, 0, 0, NULL },
    { 0 },
};

static const surface_path messages_response[] = {
    { "type", PK_TYPE, 0, 0, NULL },
    { "id", PK_ID, 0, 0, NULL },
    { "role", PK_ONE, 0, 0, NULL },
    { "model", PK_MODEL, 0, 0, NULL },
    { "stop_reason", PK_ONE, 0, 0, NULL },
    SURFACE_USAGE("usage"),
    { "content", PK_NONE, 0, 0, NULL },
    { "content[]", PK_NONE, PT_OBJ, PF_SUB, NULL },
    { "content[].type", PK_TYPE, 0, 0, NULL },
    { "content[].text", PK_TEXT, 0, 0, NULL },
    { "content[].thinking", PK_REASON, 0, 0, NULL },
    { "content[].signature", PK_DATA, 0, 0, NULL },
    { "content[].data", PK_DATA, 0, 0, "redacted_thinking" },
    { "content[].id", PK_ONE, 0, 0, NULL },
    { "content[].name", PK_NAME, 0, 0, NULL },
    { "content[].input", PK_NONE, 0, PF_TOOL, NULL },
    /* events */
    { "index", PK_SUB_INDEX, 0, 0, NULL },
    { "message", PK_NONE, 0, 0, NULL },
    { "message.id", PK_ID, 0, 0, NULL },
    { "message.type", PK_TYPE, 0, 0, NULL },
    { "message.role", PK_ONE, 0, 0, NULL },
    { "message.model", PK_MODEL, 0, 0, NULL },
    SURFACE_USAGE("message.usage"),
    { "content_block", PK_NONE, 0, 0, NULL },
    { "content_block.type", PK_TYPE, 0, 0, NULL },
    { "content_block.id", PK_ONE, 0, 0, NULL },
    { "content_block.name", PK_NAME, 0, PF_ENTIRE, NULL },
    { "content_block.text", PK_TEXT, 0, 0, NULL },
    { "content_block.thinking", PK_REASON, 0, 0, NULL },
    { "content_block.signature", PK_DATA, 0, 0, NULL },
    { "content_block.data", PK_DATA, 0, 0, "redacted_thinking" },
    { "content_block.input", PK_NONE, 0, PF_TOOL | PF_ENTIRE, NULL },
    { "delta", PK_NONE, 0, 0, NULL },
    { "delta.type", PK_TYPE, 0, 0, NULL },
    { "delta.text", PK_TEXT, 0, 0, NULL },
    { "delta.thinking", PK_REASON, 0, 0, NULL },
    { "delta.signature", PK_DATA, 0, 0, NULL },
    { "delta.partial_json", PK_ARGS, 0, PF_TOOL, NULL },
    { "delta.stop_reason", PK_FINISH, 0, 0, NULL },
    { 0 },
};

static const surface_event messages_events[] = {
    { "message_start", ER_BEGIN },
    { "content_block_start", ER_SUB_BEGIN },
    { "content_block_stop", ER_SUB_END },
    { "message_stop", ER_END },
    { "error", ER_ERROR },
    { NULL, ER_NONE },
};

#define USAGE "{\"input_tokens\":0,\"output_tokens\":0}"
#define A_EVENT(type, members)                                                                     \
    "event: " type "\ndata: {\"type\":\"" type "\"" members "}\n\n"
#define A_MESSAGE(content, reason)                                                                 \
    "{\"id\":\"%i\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"%m\",\"content\":["     \
    content "],\"stop_reason\":" reason ",\"stop_sequence\":null,\"usage\":" USAGE "}"
#define A_ERROR                                                                                    \
    "{\"type\":\"error\",\"error\":{\"type\":\"%e\",\"message\":\"%w\",\"code\":\"%k\"},"           \
    "\"request_id\":\"%x\"}"

static const surface_voice messages_voice = {
    .id_prefix = "msg_",
    .whole_head = "",
    .whole_choice = A_MESSAGE("{\"type\":\"text\",\"text\":\"%s\"}", "\"refusal\""),
    .whole_tail = "",
    .begin = A_EVENT("message_start", ",\"message\":" A_MESSAGE("", "null")),
    .open = A_EVENT("content_block_start",
                    ",\"index\":%b,\"content_block\":{\"type\":\"text\",\"text\":\"\"}"),
    .delta = A_EVENT("content_block_delta",
                     ",\"index\":%b,\"delta\":{\"type\":\"text_delta\",\"text\":\"%s\"}"),
    .close = A_EVENT("content_block_stop", ",\"index\":%b"),
    .shut = A_EVENT("content_block_stop", ",\"index\":%b"),
    .end = A_EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"refusal\",\"stop_sequence\":null},"
                                    "\"usage\":{\"output_tokens\":0}")
        A_EVENT("message_stop", ""),
    .error = A_ERROR,
    .stream_error = "event: error\ndata: " A_ERROR "\n\n",
    .server_error = "api_error",
    .large_error = "request_too_large",
    .block_code = "content_filter",
};

/* --- Ollama ------------------------------------------------------------------------------- */

#define OLLAMA_REQUEST                                                                             \
    { "model", PK_MODEL, PT_STR, 0, NULL }, { "stream", PK_STREAM, FLAG, 0, NULL },                 \
    { "format", PK_STRUCTURED, 0, 0, NULL }, { "logprobs", PK_LOGPROBS, FLAG, 0, NULL }

static const surface_path ollama_chat_request[] = {
    OLLAMA_REQUEST,
    { "messages", PK_NONE, PT_ARR | PT_NULL, 0, NULL },
    { "messages[]", PK_NONE, PT_OBJ, PF_MESSAGE, NULL },
    { "messages[].role", PK_ROLE, PT_STR, PF_REQUIRED, NULL },
    { "messages[].content", PK_TEXT, PT_STR | PT_NULL, 0, NULL },
    { "messages[].thinking", PK_TEXT, 0, PF_PART, NULL },
    { "messages[].images[]", PK_MEDIA, 0, 0, NULL },
    { 0 },
};

static const surface_path ollama_generate_request[] = {
    OLLAMA_REQUEST,
    { "prompt", PK_TEXT, PT_STR | PT_NULL, PF_USER, NULL },
    { "suffix", PK_TEXT, PT_STR | PT_NULL, 0, NULL },
    { "system", PK_TEXT, PT_STR | PT_NULL, 0, NULL },
    { "images[]", PK_MEDIA, 0, 0, NULL },
    { "context", PK_NONE, PT_ARR | PT_NULL, 0, NULL },
    { "context[]", PK_TEXT, PT_NUM, 0, NULL },
    { 0 },
};

#define OLLAMA_RESPONSE                                                                            \
    { "model", PK_MODEL, 0, 0, NULL }, { "created_at", PK_ONE, 0, 0, NULL },                        \
    { "done", PK_FINISH, 0, 0, NULL }, { "done_reason", PK_ONE, 0, 0, NULL },                       \
    { "logprobs", PK_NONE, 0, 0, NULL }, { "logprobs[]", PK_LOGPROBS, 0, PF_ENTIRE, NULL },                 \
    { "total_duration", PK_NONE, 0, 0, NULL }, { "load_duration", PK_NONE, 0, 0, NULL },            \
    { "prompt_eval_count", PK_TOKENS_IN, 0, 0, NULL }, { "prompt_eval_duration", PK_NONE, 0, 0, NULL },  \
    { "eval_count", PK_TOKENS_OUT, 0, 0, NULL }, { "eval_duration", PK_NONE, 0, 0, NULL }

static const surface_path ollama_chat_response[] = {
    OLLAMA_RESPONSE,
    { "message", PK_NONE, 0, 0, NULL },
    { "message.role", PK_ONE, 0, 0, NULL },
    { "message.content", PK_TEXT, 0, 0, NULL },
    { "message.thinking", PK_REASON, 0, 0, NULL },
    { "message.tool_calls", PK_NONE, 0, PF_TOOL, NULL },
    { "message.tool_calls[]", PK_NONE, 0, PF_SUB, NULL },
    { "message.tool_calls[].function.name", PK_NAME, 0, PF_ENTIRE, NULL },
    { "message.tool_calls[].function.arguments", PK_NONE, 0, PF_ENTIRE, NULL },
    { 0 },
};

static const surface_path ollama_generate_response[] = {
    OLLAMA_RESPONSE,
    { "response", PK_TEXT, 0, 0, NULL },
    { "thinking", PK_REASON, 0, 0, NULL },
    { "context", PK_NONE, 0, 0, NULL },
    { 0 },
};

#define O_HEAD            "{\"model\":\"%m\",\"created_at\":\"%T\","
#define O_CHAT(text)      "\"message\":{\"role\":\"assistant\",\"content\":\"" text "\"}"
#define O_GENERATE(text)  "\"response\":\"" text "\""
#define O_DONE            ",\"done\":true,\"done_reason\":\"content_filter\"}"
#define O_MORE            ",\"done\":false}\n"
#define OLLAMA_VOICE(name, part)                                                                   \
    static const surface_voice name = {                                                             \
        .id_prefix = "",                                                                            \
        .whole_head = "",                                                                           \
        .whole_choice = O_HEAD part("%s") O_DONE,                                                   \
        .whole_tail = "",                                                                           \
        .delta = O_HEAD part("%s") O_MORE,                                                          \
        .end = O_HEAD part("") O_DONE "\n",                                                         \
        .error = "{\"error\":\"%w\",\"code\":\"%k\",\"request_id\":\"%x\"}",                        \
        .stream_error = "{\"error\":\"%w\",\"code\":\"%k\",\"request_id\":\"%x\"}\n",               \
        .block_code = "content_filter",                                                             \
    }

OLLAMA_VOICE(ollama_chat_voice, O_CHAT);
OLLAMA_VOICE(ollama_generate_voice, O_GENERATE);

const pl_surface surfaces_other[] = {
    { "messages", "/v1/messages", SF_GENERATES | SF_NEW_PLACE | SF_LABEL_APART, FRAMING_SSE,
      messages_request, messages_response, messages_events, NULL, &messages_voice },
    { "ollama.chat", "/api/chat", SF_GENERATES | SF_STREAMS_BY_DEFAULT, FRAMING_LINES,
      ollama_chat_request, ollama_chat_response, NULL, NULL, &ollama_chat_voice },
    { "ollama.generate", "/api/generate", SF_GENERATES | SF_STREAMS_BY_DEFAULT, FRAMING_LINES,
      ollama_generate_request, ollama_generate_response, NULL, NULL, &ollama_generate_voice },
    { 0 },
};
