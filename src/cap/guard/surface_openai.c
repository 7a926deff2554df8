/* The OpenAI surfaces. Sources: the public API reference and the streams that stock SDKs read
 * (tests/gateway/sdk.test.mjs runs them). */
#include "base/banned.h"

#include "cap/guard/surface.h"

#define FLAG   (PT_BOOL | PT_NULL)

/* Strings of an answer that are the same in every event, or names that nobody reads as text. */
#define HEAD                                                                                       \
    { "id", PK_ID, 0, 0, NULL }, { "object", PK_ONE, 0, 0, NULL },                                  \
    { "created", PK_CREATED, 0, 0, NULL }, { "model", PK_MODEL, 0, 0, NULL },                       \
    { "system_fingerprint", PK_ONE, 0, 0, NULL }, { "service_tier", PK_ONE, 0, 0, NULL },           \
    { "obfuscation", PK_ONE, 0, 0, NULL }, SURFACE_USAGE("usage"),               \
    { "error", PK_NONE, 0, PF_ENTIRE, NULL }

#define GUIDED                                                                                     \
    { "guided_json", PK_STRUCTURED, 0, 0, NULL }, { "guided_regex", PK_STRUCTURED, 0, 0, NULL },    \
    { "guided_choice", PK_STRUCTURED, 0, 0, NULL },                                                 \
    { "guided_grammar", PK_STRUCTURED, 0, 0, NULL },                                                \
    { "structured_outputs", PK_STRUCTURED, 0, 0, NULL },                                            \
    { "grammar", PK_STRUCTURED, 0, 0, NULL }, { "json_schema", PK_STRUCTURED, 0, 0, NULL }

#define COMMON_REQUEST                                                                             \
    { "model", PK_MODEL, PT_STR, 0, NULL }, { "user", PK_USER, 0, 0, NULL },                        \
    { "safety_identifier", PK_USER, 0, 0, NULL }, { "stream", PK_STREAM, FLAG, 0, NULL },           \
    { "stream_options", PK_NONE, 0, 0, NULL },                                                      \
    { "stream_options.include_usage", PK_USAGE, 0, 0, NULL }

/* --- chat.completions ----------------------------------------------------------------- */

static const surface_path chat_request[] = {
    COMMON_REQUEST,
    GUIDED,
    { "messages", PK_NONE, PT_ARR, PF_REQUIRED | PF_FILLED, NULL },
    { "messages[]", PK_NONE, PT_OBJ, PF_MESSAGE, NULL },
    { "messages[].role", PK_ROLE, PT_STR, PF_REQUIRED, NULL },
    { "messages[].content", PK_TEXT, PT_STR | PT_ARR | PT_NULL, 0, NULL },
    { "messages[].content[]", PK_TEXT, PT_STR | PT_OBJ, PF_PART, NULL },
    { "messages[].content[].type", PK_TYPE, 0, 0, NULL },
    { "messages[].content[].text", PK_TEXT, 0, PF_PART, NULL },
    { "messages[].content[].refusal", PK_TEXT, 0, PF_PART, NULL },
    { "n", PK_N, PT_NUM | PT_NULL, 0, NULL },
    { "logprobs", PK_LOGPROBS, FLAG, 0, NULL },
    { "response_format", PK_STRUCTURED, 0, 0, NULL },
    { "response_format.type", PK_FORMAT_TYPE, 0, 0, NULL },
    { 0 },
};

#define CHAT_MESSAGE(m)                                                                            \
    { "choices[]." m, PK_NONE, PT_OBJ | PT_NULL, 0, NULL },                                         \
    { "choices[]." m ".role", PK_ONE, 0, 0, NULL },                                                 \
    { "choices[]." m ".content", PK_TEXT, 0, 0, NULL },                                             \
    { "choices[]." m ".content[]", PK_TEXT, 0, PF_PART, NULL },                                     \
    { "choices[]." m ".content[].type", PK_TYPE, 0, 0, NULL },                                      \
    { "choices[]." m ".content[].text", PK_TEXT, 0, PF_PART, NULL },                                \
    { "choices[]." m ".refusal", PK_REFUSAL, 0, 0, NULL },                                          \
    { "choices[]." m ".reasoning_content", PK_REASON, 0, 0, NULL },                                 \
    { "choices[]." m ".audio.data", PK_DATA, 0, 0, NULL },                                          \
    { "choices[]." m ".tool_calls", PK_NONE, 0, PF_TOOL, NULL },                                    \
    { "choices[]." m ".tool_calls[]", PK_NONE, 0, PF_SUB, NULL },                                   \
    { "choices[]." m ".tool_calls[].index", PK_SUB_INDEX, 0, 0, NULL },                             \
    { "choices[]." m ".tool_calls[].id", PK_ONE, 0, 0, NULL },                                      \
    { "choices[]." m ".tool_calls[].type", PK_TYPE, 0, 0, NULL },                                   \
    { "choices[]." m ".tool_calls[].function.name", PK_NAME, 0, 0, NULL },                          \
    { "choices[]." m ".tool_calls[].function.arguments", PK_ARGS, 0, 0, NULL },                     \
    { "choices[]." m ".tool_calls[].custom.name", PK_NAME, 0, 0, NULL },                            \
    { "choices[]." m ".tool_calls[].custom.input", PK_ARGS, 0, 0, NULL },                           \
    { "choices[]." m ".function_call", PK_NONE, 0, PF_TOOL, NULL },                                 \
    { "choices[]." m ".function_call.name", PK_NAME, 0, 0, NULL },                                  \
    { "choices[]." m ".function_call.arguments", PK_ARGS, 0, 0, NULL }

#define CHOICES                                                                                    \
    { "choices", PK_NONE, 0, 0, NULL }, { "choices[]", PK_NONE, PT_OBJ, PF_CHOICE, NULL },          \
    { "choices[].index", PK_CHOICE_INDEX, 0, 0, NULL },                                             \
    { "choices[].finish_reason", PK_FINISH, 0, 0, NULL },                                           \
    { "choices[].logprobs", PK_LOGPROBS, 0, PF_ENTIRE, NULL }

static const surface_path chat_response[] = {
    HEAD,
    CHOICES,
    { "choices[].text", PK_TEXT, 0, 0, NULL },
    CHAT_MESSAGE("delta"),
    CHAT_MESSAGE("message"),
    { 0 },
};

#define ERROR_BODY                                                                                 \
    "{\"error\":{\"message\":\"%w\",\"type\":\"%e\",\"param\":null,\"code\":\"%k\","                \
    "\"request_id\":\"%x\"}}"
#define NO_USAGE                                                                                   \
    "{\"prompt_tokens\":0,\"completion_tokens\":0,\"total_tokens\":0}"
#define CHAT_HEAD(object)                                                                          \
    "{\"id\":\"%i\",\"object\":\"" object "\",\"created\":%t,\"model\":\"%m\",\"choices\":["
#define CHAT_CHUNK(delta, finish)                                                                  \
    "data: " CHAT_HEAD("chat.completion.chunk") "{\"index\":%c,\"delta\":" delta                    \
    ",\"logprobs\":null,\"finish_reason\":" finish "}]}\n\n"
#define CHAT_WHOLE(members)                                                                        \
    "{\"index\":%c,\"message\":{\"role\":\"assistant\"," members "},\"logprobs\":null,"             \
    "\"finish_reason\":\"content_filter\"}"

static const surface_voice chat_voice = {
    .id_prefix = "chatcmpl-",
    .whole_head = CHAT_HEAD("chat.completion"),
    .whole_choice = CHAT_WHOLE("\"content\":\"%s\",\"refusal\":null"),
    .whole_refusal = CHAT_WHOLE("\"content\":null,\"refusal\":\"%s\""),
    .whole_tail = "],\"usage\":" NO_USAGE "}",
    .open = CHAT_CHUNK("{\"role\":\"assistant\",\"content\":\"\"}", "null"),
    .delta = CHAT_CHUNK("{\"content\":\"%s\"}", "null"),
    .delta_refusal = CHAT_CHUNK("{\"refusal\":\"%s\"}", "null"),
    .close = CHAT_CHUNK("{}", "\"content_filter\""),
    .usage = "data: " CHAT_HEAD("chat.completion.chunk") "],\"usage\":" NO_USAGE "}\n\n",
    .end = "data: [DONE]\n\n",
    .error = ERROR_BODY,
    .stream_error = "data: " ERROR_BODY "\n\n",
    .block_code = "content_filter",
};

/* --- completions ---------------------------------------------------------------------- */

static const surface_path completions_request[] = {
    COMMON_REQUEST,
    GUIDED,
    { "prompt", PK_TEXT, PT_STR | PT_ARR, PF_REQUIRED | PF_USER | PF_FILLED, NULL },
    { "prompt[]", PK_TEXT, PT_STR | PT_ARR | PT_NUM, PF_USER | PF_CHOICE, NULL },
    { "prompt[][]", PK_TEXT, PT_NUM, 0, NULL },
    { "suffix", PK_TEXT, PT_STR | PT_NULL, 0, NULL },
    { "n", PK_N, PT_NUM | PT_NULL, 0, NULL },
    { "logprobs", PK_LOGPROBS, PT_NUM | PT_BOOL | PT_NULL, 0, NULL },
    { "response_format", PK_STRUCTURED, 0, 0, NULL },
    { "response_format.type", PK_FORMAT_TYPE, 0, 0, NULL },
    { 0 },
};

static const surface_path completions_response[] = {
    HEAD,
    CHOICES,
    { "choices[].text", PK_TEXT, 0, 0, NULL },
    { "choices[].reasoning_content", PK_REASON, 0, 0, NULL },
    { 0 },
};

#define COMPLETION(text, finish)                                                                   \
    "{\"text\":\"" text "\",\"index\":%c,\"logprobs\":null,\"finish_reason\":" finish "}"

static const surface_voice completions_voice = {
    .id_prefix = "cmpl-",
    .whole_head = CHAT_HEAD("text_completion"),
    .whole_choice = COMPLETION("%s", "\"content_filter\""),
    .whole_tail = "],\"usage\":" NO_USAGE "}",
    .delta = "data: " CHAT_HEAD("text_completion") COMPLETION("%s", "null") "]}\n\n",
    .close = "data: " CHAT_HEAD("text_completion") COMPLETION("", "\"content_filter\"") "]}\n\n",
    .usage = "data: " CHAT_HEAD("text_completion") "],\"usage\":" NO_USAGE "}\n\n",
    .end = "data: [DONE]\n\n",
    .error = ERROR_BODY,
    .stream_error = "data: " ERROR_BODY "\n\n",
    .block_code = "content_filter",
};

/* --- responses ------------------------------------------------------------------------ */

static const surface_path responses_request[] = {
    COMMON_REQUEST,
    { "instructions", PK_TEXT, 0, 0, NULL },
    { "input", PK_TEXT, PT_STR | PT_ARR | PT_NULL, PF_USER, NULL },
    { "input[]", PK_TEXT, PT_STR | PT_OBJ, PF_MESSAGE, NULL },
    { "input[].type", PK_TYPE, 0, 0, NULL },
    { "input[].role", PK_ROLE, 0, 0, NULL },
    { "input[].content", PK_TEXT, PT_STR | PT_ARR | PT_NULL, 0, NULL },
    { "input[].content[]", PK_TEXT, PT_STR | PT_OBJ, PF_PART, NULL },
    { "input[].content[].type", PK_TYPE, 0, 0, NULL },
    { "input[].content[].text", PK_TEXT, 0, PF_PART, NULL },
    { "input[].content[].refusal", PK_TEXT, 0, PF_PART, NULL },
    { "input[].output", PK_TEXT, 0, 0, NULL },
    { "input[].output[]", PK_TEXT, 0, PF_PART, NULL },
    { "input[].output[].type", PK_TYPE, 0, 0, NULL },
    { "input[].output[].text", PK_TEXT, 0, PF_PART, NULL },
    { "text.format", PK_STRUCTURED, 0, 0, NULL },
    { "text.format.type", PK_FORMAT_TYPE, 0, 0, NULL },
    { "top_logprobs", PK_LOGPROBS, PT_NUM | PT_NULL, 0, NULL },
    { 0 },
};

/* A complete item: in the output of a whole response (PK_TEXT …), or repeated in an event after
 * its deltas (PK_FULL). */
#define ITEM(at, text, flags, reason, args)                                                               \
    { at ".type", PK_TYPE, 0, 0, NULL }, { at ".id", PK_ONE, 0, 0, NULL },                          \
    { at ".status", PK_ONE, 0, 0, NULL }, { at ".role", PK_ONE, 0, 0, NULL },                       \
    { at ".call_id", PK_ONE, 0, 0, NULL }, { at ".name", args, 0, 0, NULL },                        \
    { at ".arguments", args, 0, PF_TOOL, NULL }, { at ".input", args, 0, PF_TOOL, NULL },           \
    { at ".encrypted_content", PK_DATA, 0, 0, NULL },                                               \
    { at ".result", PK_DATA, 0, 0, NULL },                                                          \
    { at ".summary", PK_NONE, 0, 0, NULL }, { at ".summary[]", PK_NONE, 0, PF_SUB, NULL },          \
    { at ".summary[].type", PK_TYPE, 0, 0, NULL }, { at ".summary[].text", reason, 0, 0, NULL },    \
    { at ".content", PK_NONE, 0, 0, NULL }, { at ".content[]", PK_NONE, 0, PF_SUB, NULL },          \
    { at ".content[].type", PK_TYPE, 0, 0, NULL },                                                  \
    { at ".content[].text", reason, 0, 0, NULL },                                                   \
    { at ".content[].text", text, 0, flags, "output_text" },                                          \
    { at ".content[].refusal", reason, 0, 0, NULL }

static const surface_path responses_response[] = {
    { "type", PK_TYPE, 0, 0, NULL },
    { "id", PK_ID, 0, 0, NULL },
    { "object", PK_ONE, 0, 0, NULL },
    { "created_at", PK_CREATED, 0, 0, NULL },
    { "model", PK_MODEL, 0, 0, NULL },
    { "status", PK_ONE, 0, 0, NULL },
    { "service_tier", PK_ONE, 0, 0, NULL },
    SURFACE_USAGE("usage"),
    { "output", PK_NONE, 0, 0, NULL },
    { "output[]", PK_NONE, 0, PF_CHOICE, NULL },
    ITEM("output[]", PK_TEXT, 0, PK_ALSO, PK_ARGS),
    /* events */
    { "sequence_number", PK_SEQUENCE, 0, 0, NULL },
    { "output_index", PK_CHOICE_INDEX, 0, 0, NULL },
    { "content_index", PK_SUB_INDEX, 0, 0, NULL },
    { "summary_index", PK_SUB_INDEX, 0, 0, NULL },
    { "item_id", PK_ONE, 0, 0, NULL },
    { "obfuscation", PK_ONE, 0, 0, NULL },
    { "partial_image_b64", PK_DATA, 0, 0, NULL },
    { "logprobs", PK_NONE, 0, 0, NULL },
    { "logprobs[]", PK_LOGPROBS, 0, PF_ENTIRE, NULL },
    { "delta", PK_ALSO, 0, 0, NULL },
    { "delta", PK_TEXT, 0, 0, "response.output_text.delta" },
    { "delta", PK_REFUSAL, 0, 0, "response.refusal.delta" },
    { "delta", PK_REASON, 0, 0, "response.reasoning_text.delta" },
    { "delta", PK_ARGS, 0, PF_TOOL, "response.function_call_arguments.delta" },
    { "delta", PK_ARGS, 0, PF_TOOL, "response.mcp_call_arguments.delta" },
    { "delta", PK_ARGS, 0, PF_TOOL, "response.custom_tool_call_input.delta" },
    { "delta", PK_DATA, 0, 0, "response.audio.delta" },
    { "text", PK_FULL, 0, 0, NULL },
    { "text", PK_FULL, 0, PF_LABEL, "response.output_text.done" },
    { "refusal", PK_FULL, 0, 0, NULL },
    { "arguments", PK_FULL, 0, 0, NULL },
    { "input", PK_FULL, 0, 0, NULL },
    { "part", PK_NONE, 0, PF_ENTIRE, NULL },
    { "part.type", PK_TYPE, 0, 0, NULL },
    { "part.text", PK_FULL, 0, 0, NULL },
    { "part.text", PK_FULL, 0, PF_LABEL, "output_text" },
    { "part.refusal", PK_FULL, 0, 0, NULL },
    { "item", PK_NONE, 0, PF_ENTIRE, NULL },
    ITEM("item", PK_FULL, PF_LABEL, PK_FULL, PK_FULL),
    { "response", PK_NONE, 0, PF_ENTIRE, NULL },
    { "response.id", PK_ID, 0, 0, NULL },
    { "response.object", PK_ONE, 0, 0, NULL },
    { "response.created_at", PK_CREATED, 0, 0, NULL },
    { "response.model", PK_MODEL, 0, 0, NULL },
    { "response.status", PK_ONE, 0, 0, NULL },
    SURFACE_USAGE("response.usage"),
    { "response.output", PK_NONE, 0, 0, NULL },
    { "response.output[]", PK_NONE, 0, PF_CHOICE, NULL },
    ITEM("response.output[]", PK_FULL, PF_LABEL, PK_FULL, PK_FULL),
    { 0 },
};

static const surface_event responses_events[] = {
    { "response.created", ER_BEGIN },
    { "response.in_progress", ER_BEGIN },
    { "response.output_item.added", ER_SUB_BEGIN },
    { "response.output_text.done", ER_SUB_END },
    { "response.refusal.done", ER_SUB_END },
    { "response.reasoning_text.done", ER_SUB_END },
    { "response.reasoning_summary_text.done", ER_SUB_END },
    { "response.function_call_arguments.done", ER_CHOICE_END },
    { "response.custom_tool_call_input.done", ER_CHOICE_END },
    { "response.mcp_call_arguments.done", ER_CHOICE_END },
    { "response.output_item.done", ER_CHOICE_END },
    { "response.completed", ER_END },
    { "response.incomplete", ER_END },
    { "response.failed", ER_END },
    { "error", ER_ERROR },
    { NULL, ER_NONE },
};

#define RESPONSE(status, details, output)                                                          \
    "{\"id\":\"%i\",\"object\":\"response\",\"created_at\":%t,\"status\":\"" status                 \
    "\",\"background\":false,\"error\":null,\"incomplete_details\":" details                        \
    ",\"instructions\":null,\"max_output_tokens\":null,\"model\":\"%m\",\"output\":[" output        \
    "],\"parallel_tool_calls\":true,\"previous_response_id\":null,\"store\":false,"                 \
    "\"temperature\":null,\"text\":{\"format\":{\"type\":\"text\"}},\"tool_choice\":\"auto\","      \
    "\"tools\":[],\"top_p\":null,\"truncation\":\"disabled\",\"usage\":null,\"user\":null,"         \
    "\"metadata\":{}}"
#define FILTERED "{\"reason\":\"content_filter\"}"
#define SAID     "{\"type\":\"output_text\",\"text\":\"%s\",\"annotations\":[],\"logprobs\":[]}"
#define MESSAGE(status, content)                                                                   \
    "{\"id\":\"msg_%x\",\"type\":\"message\",\"status\":\"" status                                  \
    "\",\"role\":\"assistant\",\"content\":[" content "]}"
#define RESPONSE_EVENT(type, members)                                                              \
    "event: " type "\ndata: {\"type\":\"" type "\",\"sequence_number\":%q," members "}\n\n"
#define PLACE "\"item_id\":\"msg_%x\",\"output_index\":%c,\"content_index\":0,"

static const surface_voice responses_voice = {
    .id_prefix = "resp_",
    .whole_head = "",
    .whole_choice = RESPONSE("incomplete", FILTERED, MESSAGE("incomplete", SAID)),
    .whole_refusal = RESPONSE("incomplete", FILTERED,
                              MESSAGE("incomplete", "{\"type\":\"refusal\",\"refusal\":\"%s\"}")),
    .whole_tail = "",
    .begin = RESPONSE_EVENT("response.created", "\"response\":" RESPONSE("in_progress", "null", ""))
        RESPONSE_EVENT("response.in_progress", "\"response\":" RESPONSE("in_progress", "null", "")),
    .open = RESPONSE_EVENT("response.output_item.added",
                           "\"output_index\":%c,\"item\":" MESSAGE("in_progress", ""))
        RESPONSE_EVENT("response.content_part.added",
                       PLACE "\"part\":{\"type\":\"output_text\",\"text\":\"\",\"annotations\":[],"
                             "\"logprobs\":[]}"),
    .delta = RESPONSE_EVENT("response.output_text.delta", PLACE "\"delta\":\"%s\",\"logprobs\":[]"),
    .close = RESPONSE_EVENT("response.output_text.done", PLACE "\"text\":\"%s\",\"logprobs\":[]")
        RESPONSE_EVENT("response.content_part.done", PLACE "\"part\":" SAID)
        RESPONSE_EVENT("response.output_item.done",
                       "\"output_index\":%c,\"item\":" MESSAGE("incomplete", SAID)),
    .end = RESPONSE_EVENT("response.incomplete",
                          "\"response\":" RESPONSE("incomplete", FILTERED,
                                                   MESSAGE("incomplete", SAID))),
    .error = ERROR_BODY,
    .stream_error = "event: error\ndata: {\"type\":\"error\",\"sequence_number\":%q,"
                    "\"code\":\"%k\",\"message\":\"%w\",\"param\":null}\n\n",
    .block_code = "content_filter",
};

/* --- embeddings, images, speech -------------------------------------------------------- */

static const surface_path embeddings_request[] = {
    { "model", PK_MODEL, PT_STR, 0, NULL },
    { "user", PK_USER, 0, 0, NULL },
    { "input", PK_TEXT, PT_STR | PT_ARR, PF_REQUIRED | PF_USER | PF_FILLED, NULL },
    { "input[]", PK_TEXT, PT_STR | PT_ARR | PT_NUM, PF_USER, NULL },
    { "input[][]", PK_TEXT, PT_NUM, 0, NULL },
    { "encoding_format", PK_ONE, 0, 0, NULL },
    { 0 },
};

static const surface_path embeddings_response[] = {
    { "object", PK_ONE, 0, 0, NULL },
    { "model", PK_MODEL, 0, 0, NULL },
    SURFACE_USAGE("usage"),
    { "data", PK_NONE, 0, 0, NULL },
    { "data[]", PK_NONE, 0, 0, NULL },
    { "data[].object", PK_ONE, 0, 0, NULL },
    { "data[].index", PK_NONE, 0, 0, NULL },
    { "data[].embedding", PK_DATA, PT_STR | PT_ARR, 0, NULL },
    { 0 },
};

static const surface_path images_request[] = {
    { "model", PK_MODEL, PT_STR, 0, NULL },
    { "user", PK_USER, 0, 0, NULL },
    { "prompt", PK_TEXT, PT_STR, PF_REQUIRED | PF_USER, NULL },
    { "stream", PK_STREAM, FLAG, 0, NULL },
    { "n", PK_N, PT_NUM | PT_NULL, 0, NULL },
    { 0 },
};

static const surface_path images_response[] = {
    { "type", PK_TYPE, 0, 0, NULL },
    { "created", PK_CREATED, 0, 0, NULL },
    { "created_at", PK_CREATED, 0, 0, NULL },
    SURFACE_USAGE("usage"),
    { "b64_json", PK_DATA, 0, 0, NULL },
    { "data", PK_NONE, 0, 0, NULL },
    { "data[]", PK_NONE, 0, 0, NULL },
    { "data[].b64_json", PK_DATA, 0, 0, NULL },
    { "data[].url", PK_ONE, 0, 0, NULL },
    { "data[].revised_prompt", PK_ONE, 0, 0, NULL },
    { 0 },
};

static const surface_event images_events[] = {
    { "image_generation.partial_image", ER_NONE },
    { "image_generation.completed", ER_END },
    { "error", ER_ERROR },
    { NULL, ER_NONE },
};

static const surface_path speech_request[] = {
    { "model", PK_MODEL, PT_STR, 0, NULL },
    { "user", PK_USER, 0, 0, NULL },
    { "input", PK_TEXT, PT_STR, PF_REQUIRED | PF_USER, NULL },
    { "instructions", PK_TEXT, 0, 0, NULL },
    { 0 },
};

static const surface_path speech_response[] = {
    { "type", PK_TYPE, 0, 0, NULL },
    { "audio", PK_DATA, 0, 0, NULL },
    SURFACE_USAGE("usage"),
    { 0 },
};

static const surface_event speech_events[] = {
    { "speech.audio.done", ER_END },
    { "error", ER_ERROR },
    { NULL, ER_NONE },
};

static const surface_voice error_voice = {
    .error = ERROR_BODY,
    .stream_error = "data: " ERROR_BODY "\n\n",
    .block_code = "content_policy_violation",
};

const pl_surface surfaces_openai[] = {
    { "chat.completions", "/v1/chat/completions", SF_GENERATES, FRAMING_SSE, chat_request,
      chat_response, NULL, "[DONE]", &chat_voice },
    { "completions", "/v1/completions", SF_GENERATES, FRAMING_SSE, completions_request,
      completions_response, NULL, "[DONE]", &completions_voice },
    { "responses", "/v1/responses", SF_GENERATES | SF_NEW_CHOICE, FRAMING_SSE, responses_request,
      responses_response, responses_events, "[DONE]", &responses_voice },
    { "embeddings", "/v1/embeddings", 0, FRAMING_NONE, embeddings_request, embeddings_response,
      NULL, NULL, &error_voice },
    { "images.generations", "/v1/images/generations", SF_GENERATES, FRAMING_SSE, images_request,
      images_response, images_events, "[DONE]", &error_voice },
    { "audio.speech", "/v1/audio/speech", SF_GENERATES | SF_BINARY, FRAMING_SSE, speech_request,
      speech_response, speech_events, "[DONE]", &error_voice },
    { 0 },
};
