#include "base/banned.h"

#include "base/file.h"
#include "base/http_client.h"
#include "base/str.h"
#include "base/utf8.h"
#include "host/cli/demo.h"
#include "pl_test.h"

#include <time.h>

#define ANSWERS PL_TEST_SOURCE_ROOT "/share/demo/answers.jsonl"

typedef struct fx {
    char            *dir;
    pl_demo_answers *answers;
    pl_error         err;
} fx;

static int setup(void **state)
{
    fx *f = calloc(1, sizeof *f);

    f->dir = pl_test_mkdtemp();
    assert_ok(pl_demo_answers_load(ANSWERS, &f->answers, &f->err), &f->err);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    pl_demo_answers_free(f->answers);
    pl_test_rmtree(f->dir);
    free(f);
    return 0;
}

static json_t *json_of(pl_str text)
{
    json_t  *j = NULL;
    pl_error err = { 0 };

    assert_ok(pl_json_parse(text, "reply", &j, &err), &err);
    return j;
}

/* The whole answer to a request. */
static json_t *ask(fx *f, const char *request, int status)
{
    pl_demo_reply r;
    json_t       *j;

    pl_demo_reply_make(f->answers, pl_str_z(request), 7, 1790000000, &r);
    assert_int_equal(r.status, status);
    assert_false(r.is_stream);
    j = json_of(pl_buf_str(&r.body));
    pl_demo_reply_done(&r);
    return j;
}

static const char *at(const json_t *j, const char *path)
{
    pl_str rest = pl_str_z(path), part;

    while (j != NULL && pl_str_split(&rest, '.', &part))
        j = json_is_array(j) ? json_array_get(j, (size_t)(part.p[0] - '0'))
                             : json_object_getn(j, part.p, part.n);
    return json_string_value(j);
}

/* --- recordings ------------------------------------------------------------------------ */

static void demo_answers__follow_language_and_longest_word(void **state)
{
    fx    *f = *state;
    pl_str en = pl_demo_answers_find(f->answers, PL_STR("What is a Plumb Line, please?"));
    pl_str zh = pl_demo_answers_find(f->answers, PL_STR("什么是铅垂线？"));
    pl_str other = pl_demo_answers_find(f->answers, PL_STR("qwertyuiop"));

    assert_non_null(strstr(en.p, "weight on a string"));
    assert_non_null(strstr(zh.p, "细绳"));
    assert_non_null(strstr(other.p, "recorded answer"));
}

static void demo_answers__refuse_broken_recordings(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "{\"id\":\"a\",\"lang\":\"en\",\"text\":\"x\"}\n", "no answer without 'match'" },
        { "{\"id\":\"a\",\"lang\":\"fr\",\"text\":\"x\"}\n", ":1: 'lang' must be" },
        { "\n{\"id\":\"a\",\"lang\":\"en\"}\n", ":2: missing key 'text'" },
        { "{\"id\":\"a\",\"lang\":\"en\",\"text\":\"x\",\"more\":1}\n", "unknown key 'more'" },
        { "{\"id\":\"a\",\"lang\":\"en\",\"text\":\"x\",\"match\":[]}\n", "'match' must list" },
        { "{\"id\":\"a\",\"lang\":\"en\",\"text\":\"x\",\"match\":[1]}\n", "'match' must list" },
        { "not json\n", ":1:" },
    };
    fx *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char             path[400];
        pl_demo_answers *a = NULL;

        snprintf(path, sizeof path, "%s/a.jsonl", f->dir);
        assert_ok(pl_file_write_atomic(path, pl_str_z(cases[i].text), 0644, &f->err), &f->err);
        assert_rc(pl_demo_answers_load(path, &a, &f->err), PL_INVALID);
        if (strstr(f->err.text, cases[i].says) == NULL)
            fail_msg("'%s' is not in '%s'", cases[i].says, f->err.text);
    }
}

static void demo_token__cuts_any_text_into_valid_pieces(void **state)
{
    static const char *const texts[] = { "one two  three\n\nfour", "中文文本，含 latin 词", "👷🏽 x",
                                         "averyveryverylongword", " " };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        pl_str s = pl_str_z(texts[i]);

        while (s.n > 0) {
            size_t n = pl_demo_token(s);

            assert_in_range(n, 1, s.n);
            assert_true(pl_utf8_valid((pl_str){ s.p, n }));
            s = (pl_str){ s.p + n, s.n - n };
        }
    }
}

/* --- whole answers --------------------------------------------------------------------- */

static void demo_reply__has_the_shape_of_a_chat_completion(void **state)
{
    fx     *f = *state;
    json_t *j = ask(f, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}", 200);
    json_t *usage = json_object_get(j, "usage");

    assert_string_equal(at(j, "id"), "chatcmpl-demo-7");
    assert_string_equal(at(j, "object"), "chat.completion");
    assert_string_equal(at(j, "model"), PL_DEMO_MODEL);
    assert_int_equal(json_integer_value(json_object_get(j, "created")), 1790000000);
    assert_string_equal(at(j, "choices.0.message.role"), "assistant");
    assert_non_null(strstr(at(j, "choices.0.message.content"), "recording"));
    assert_string_equal(at(j, "choices.0.finish_reason"), "stop");
    assert_int_equal(json_integer_value(json_object_get(usage, "prompt_tokens")), 1);
    assert_true(json_integer_value(json_object_get(usage, "completion_tokens")) > 10);
    json_decref(j);
}

static void demo_reply__reads_the_last_user_message_and_content_parts(void **state)
{
    fx     *f = *state;
    json_t *j = ask(f, "{\"messages\":[{\"role\":\"user\",\"content\":\"hello\"},"
                       "{\"role\":\"assistant\",\"content\":\"hi\"},"
                       "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a plumb \"},"
                       "{\"type\":\"text\",\"text\":\"line\"}]}]}", 200);

    assert_non_null(strstr(at(j, "choices.0.message.content"), "weight on a string"));
    json_decref(j);
}

static void demo_reply__honours_n_logprobs_and_max_tokens(void **state)
{
    fx     *f = *state;
    json_t *j = ask(f, "{\"n\":3,\"logprobs\":true,\"top_logprobs\":2,\"max_tokens\":4,\"messages\":"
                       "[{\"role\":\"user\",\"content\":\"hello\"}]}", 200);
    json_t *content = json_object_get(json_object_get(json_array_get(json_object_get(j, "choices"), 2),
                                                      "logprobs"), "content");
    pl_buf  joined = PL_BUF_INIT(1000);
    json_t *token;
    size_t  i;

    assert_int_equal(json_array_size(json_object_get(j, "choices")), 3);
    assert_string_equal(at(j, "choices.2.finish_reason"), "length");
    assert_int_equal(json_array_size(content), 4);
    json_array_foreach(content, i, token)
        pl_buf_puts(&joined, json_string_value(json_object_get(token, "token")));
    assert_string_equal(joined.p, at(j, "choices.2.message.content"));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(j, "usage"),
                                                        "completion_tokens")), 12);
    pl_buf_done(&joined);
    json_decref(j);
}

static void demo_reply__calls_a_tool_with_arguments_of_its_schema(void **state)
{
    fx     *f = *state;
    json_t *j = ask(f, "{\"messages\":[{\"role\":\"user\",\"content\":\"weather in Beijing?\"}],"
                       "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\","
                       "\"parameters\":{\"type\":\"object\",\"properties\":{\"city\":{\"type\":"
                       "\"string\"},\"days\":{\"type\":\"integer\",\"minimum\":2}}}}}]}", 200);
    json_t *arguments;

    assert_string_equal(at(j, "choices.0.finish_reason"), "tool_calls");
    assert_null(at(j, "choices.0.message.content"));
    assert_string_equal(at(j, "choices.0.message.tool_calls.0.function.name"), "get_weather");
    arguments = json_of(pl_str_z(at(j, "choices.0.message.tool_calls.0.function.arguments")));
    assert_string_equal(at(arguments, "city"), "Beijing");
    assert_int_equal(json_integer_value(json_object_get(arguments, "days")), 2);
    json_decref(arguments);
    json_decref(j);
}

static void demo_reply__calls_no_tool_unasked_or_after_its_result(void **state)
{
    static const char tools[] = "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"t\"}}]";
    static const char *const messages[] = {
        "[{\"role\":\"user\",\"content\":\"hello\"}]",
        "[{\"role\":\"user\",\"content\":\"weather?\"},{\"role\":\"tool\",\"content\":\"sunny\"}]",
    };
    fx *f = *state;

    for (size_t i = 0; i < 2; i++) {
        char    request[400];
        json_t *j;

        snprintf(request, sizeof request, "{\"messages\":%s,%s}", messages[i], tools);
        j = ask(f, request, 200);
        assert_string_equal(at(j, "choices.0.finish_reason"), "stop");
        json_decref(j);
    }
}

static void demo_reply__fills_structured_output(void **state)
{
    fx     *f = *state;
    json_t *j = ask(f, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"max_tokens\":2,"
                       "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"s\","
                       "\"schema\":{\"type\":\"object\",\"properties\":{\"kind\":{\"enum\":[\"a\","
                       "\"b\"]},\"list\":{\"type\":\"array\",\"minItems\":2,\"items\":{\"$ref\":"
                       "\"#/$defs/p\"}},\"maybe\":{\"type\":[\"null\",\"number\"]}},\"$defs\":{\"p\":"
                       "{\"type\":\"object\",\"properties\":{\"ok\":{\"type\":\"boolean\"}}}}}}}}", 200);
    json_t *v = json_of(pl_str_z(at(j, "choices.0.message.content")));

    assert_string_equal(at(v, "kind"), "a");
    assert_int_equal(json_array_size(json_object_get(v, "list")), 2);
    assert_true(json_is_true(json_object_get(json_array_get(json_object_get(v, "list"), 1), "ok")));
    assert_true(json_is_number(json_object_get(v, "maybe")));
    json_decref(v);
    json_decref(j);
    j = ask(f, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"response_format\":"
               "{\"type\":\"json_object\"}}", 200);
    v = json_of(pl_str_z(at(j, "choices.0.message.content")));
    assert_true(json_is_object(v));
    json_decref(v);
    json_decref(j);
}

static void demo_schema__ends_on_types_that_contain_themselves(void **state)
{
    json_t *schema = json_of(PL_STR("{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"},"
                                    "\"b\":{\"$ref\":\"#\"},\"c\":{\"$ref\":\"#\"},\"d\":{\"type\":"
                                    "\"array\",\"items\":{\"$ref\":\"#\"}}}}"));
    json_t *v = pl_demo_schema_value(schema);
    char   *text = pl_json_dump(v);

    (void)state;
    assert_true(strlen(text) < 200000);
    free(text);
    json_decref(v);
    json_decref(schema);
}

static void demo_reply__refuses_broken_requests(void **state)
{
    static const char *const bad[] = {
        "", "{", "[]", "{}", "{\"messages\":[]}", "{\"messages\":7}",
        "{\"n\":0,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
        "{\"n\":9,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
        "{\"max_tokens\":0,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
    };
    fx *f = *state;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        json_t *j = ask(f, bad[i], 400);

        assert_non_null(at(j, "error.message"));
        json_decref(j);
    }
}

/* --- streams --------------------------------------------------------------------------- */

/* Joins the deltas of choice `index`; counts events; *done: [DONE] came last. */
static void read_stream(pl_str body, int index, pl_buf *text, const char *key, size_t *events,
                        bool *done, char finish[32])
{
    pl_str line;

    *events = 0;
    *done = false;
    finish[0] = '\0';
    while (pl_str_split(&body, '\n', &line)) {
        json_t     *j, *choice;
        const char *piece;

        if (line.n == 0)
            continue;
        assert_true(pl_str_starts(line, PL_STR("data: ")));
        assert_false(*done);
        line = (pl_str){ line.p + 6, line.n - 6 };
        ++*events;
        if (pl_str_eqz(line, "[DONE]")) {
            *done = true;
            continue;
        }
        j = json_of(line);
        choice = json_array_get(json_object_get(j, "choices"), 0);
        if (choice != NULL && json_integer_value(json_object_get(choice, "index")) == index) {
            piece = at(json_object_get(choice, "delta"), key);
            pl_buf_puts(text, piece != NULL ? piece : "");
            if (json_is_string(json_object_get(choice, "finish_reason")))
                snprintf(finish, 32, "%s", at(choice, "finish_reason"));
        }
        json_decref(j);
    }
}

static void demo_stream__joins_to_the_whole_answer(void **state)
{
    fx           *f = *state;
    pl_buf        text = PL_BUF_INIT(1u << 16);
    pl_demo_reply r;
    size_t        events;
    bool          done;
    char          finish[32];
    pl_str        want = pl_demo_answers_find(f->answers, PL_STR("讲个故事"));

    pl_demo_reply_make(f->answers, PL_STR("{\"stream\":true,\"n\":2,\"messages\":[{\"role\":\"user\","
                                          "\"content\":\"讲个故事\"}]}"), 1, 1, &r);
    assert_true(r.is_stream);
    read_stream(pl_buf_str(&r.body), 1, &text, "content", &events, &done, finish);
    assert_string_equal(text.p, want.p);
    assert_true(done);
    assert_string_equal(finish, "stop");
    assert_int_equal(events, r.event_count);
    assert_int_equal(r.event_end[r.event_count - 1], r.body.n);
    pl_demo_reply_done(&r);
    pl_buf_done(&text);
}

static void demo_stream__carries_tool_arguments_and_usage(void **state)
{
    fx           *f = *state;
    pl_buf        text = PL_BUF_INIT(1u << 16);
    pl_demo_reply r;
    size_t        events;
    bool          done;
    char          finish[32];
    json_t       *arguments;

    pl_demo_reply_make(f->answers, PL_STR("{\"stream\":true,\"stream_options\":{\"include_usage\":true},"
                                          "\"tool_choice\":\"required\",\"tools\":[{\"function\":{"
                                          "\"name\":\"t\",\"parameters\":{\"type\":\"object\","
                                          "\"properties\":{\"city\":{\"type\":\"string\"}}}}}],"
                                          "\"messages\":[{\"role\":\"user\",\"content\":\"go\"}]}"), 1, 1,
                       &r);
    read_stream(pl_buf_str(&r.body), 0, &text, "tool_calls.0.function.arguments", &events, &done,
                finish);
    arguments = json_of(pl_buf_str(&text));
    assert_string_equal(at(arguments, "city"), "Beijing");
    assert_string_equal(finish, "tool_calls");
    assert_non_null(strstr(r.body.p, "\"usage\":{\"prompt_tokens\":1,"));
    json_decref(arguments);
    pl_demo_reply_done(&r);
    pl_buf_done(&text);
}

/* --- over HTTP ------------------------------------------------------------------------- */

static pl_http_response call(const char *method, const char *url, const char *socket, const char *body)
{
    pl_http_request  q = { .method = method, .url = url, .unix_socket = socket,
                           .body = pl_str_z(body), .timeout_ms = 10000, .max_bytes = 1u << 20 };
    pl_http_response r = { 0 };
    pl_error         err = { 0 };

    assert_ok(pl_http_call(&q, &r, &err), &err);
    return r;
}

static void demo_server__serves_on_a_port_and_says_what_it_is(void **state)
{
    pl_demo_options  o = { .listen = "127.0.0.1:0", .answers = ANSWERS, .pace_ms = 0 };
    fx              *f = *state;
    pl_demo_server  *s = NULL;
    pl_http_response r;
    char             url[128];

    assert_ok(pl_demo_server_start(&o, &s, &f->err), &f->err);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/v1/models", pl_demo_server_port(s));
    r = call("GET", url, NULL, "");
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body.p, PL_DEMO_MODEL));
    assert_non_null(strcasestr(r.headers.p, "x-plumbline-demo: replay"));
    pl_http_response_done(&r);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/v1/other", pl_demo_server_port(s));
    r = call("POST", url, NULL, "{}");
    assert_int_equal(r.status, 404);
    pl_http_response_done(&r);
    pl_demo_server_stop(s);
}

static void demo_server__streams_on_a_unix_socket_at_its_pace(void **state)
{
    fx              *f = *state;
    char             path[400], listen[420];
    pl_demo_options  o = { .listen = listen, .answers = ANSWERS, .pace_ms = 5 };
    pl_demo_server  *s = NULL;
    pl_http_response r;
    pl_buf           text = PL_BUF_INIT(1u << 16);
    size_t           events;
    bool             done;
    char             finish[32];
    struct timespec  a, b;

    snprintf(path, sizeof path, "%s/demo.sock", f->dir);
    snprintf(listen, sizeof listen, "unix:%s", path);
    assert_ok(pl_file_write_atomic(path, PL_STR("stale"), 0600, &f->err), &f->err);
    assert_ok(pl_demo_server_start(&o, &s, &f->err), &f->err);
    clock_gettime(CLOCK_MONOTONIC, &a);
    r = call("POST", "http://localhost/v1/chat/completions", path,
             "{\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}");
    clock_gettime(CLOCK_MONOTONIC, &b);
    assert_int_equal(r.status, 200);
    assert_non_null(strcasestr(r.headers.p, "text/event-stream"));
    read_stream(pl_buf_str(&r.body), 0, &text, "content", &events, &done, finish);
    assert_true(done);
    assert_true((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 >=
                (long)(events - 1) * 5);
    pl_http_response_done(&r);
    pl_buf_done(&text);
    pl_demo_server_stop(s);
    assert_int_equal(access(path, F_OK), -1);
}

static void demo_server__refuses_bad_addresses_and_missing_answers(void **state)
{
    static const pl_demo_options bad[] = {
        { .listen = "nowhere", .answers = ANSWERS },
        { .listen = "192.0.2.1:1", .answers = ANSWERS },
        { .listen = "127.0.0.1:0", .answers = "/nonexistent" },
        { .listen = "unix:/nonexistent/dir/sock", .answers = ANSWERS },
    };
    fx *f = *state;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pl_demo_server *s = NULL;

        if (pl_demo_server_start(&bad[i], &s, &f->err) == PL_OK)
            fail_msg("case %zu started", i);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(demo_answers__follow_language_and_longest_word),
        T(demo_answers__refuse_broken_recordings),
        T(demo_token__cuts_any_text_into_valid_pieces),
        T(demo_reply__has_the_shape_of_a_chat_completion),
        T(demo_reply__reads_the_last_user_message_and_content_parts),
        T(demo_reply__honours_n_logprobs_and_max_tokens),
        T(demo_reply__calls_a_tool_with_arguments_of_its_schema),
        T(demo_reply__calls_no_tool_unasked_or_after_its_result),
        T(demo_reply__fills_structured_output),
        T(demo_schema__ends_on_types_that_contain_themselves),
        T(demo_reply__refuses_broken_requests),
        T(demo_stream__joins_to_the_whole_answer),
        T(demo_stream__carries_tool_arguments_and_usage),
        T(demo_server__serves_on_a_port_and_says_what_it_is),
        T(demo_server__streams_on_a_unix_socket_at_its_pace),
        T(demo_server__refuses_bad_addresses_and_missing_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
