/* Whole answers and streams through the guard, at every cut. */
#include "guard_fixture.h"

static pl_policy *policy, *silent;

static int setup(void **state)
{
    (void)state;
    policy = fixture_policy("pass", "true");
    silent = fixture_policy("pass", "false");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pl_policy_unref(policy);
    pl_policy_unref(silent);
    return 0;
}

#define ASK_EN   "{\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"
#define ASK_ZH   "{\"messages\":[{\"role\":\"user\",\"content\":\"你好，请介绍自己\"}]}"
#define STREAM   "{\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"
#define DONE     "data: [DONE]\n\n"

static pl_exchange *ask(pl_policy *p, const char *body)
{
    pl_exchange *x = fixture_exchange(p);

    assert_int_equal(pl_exchange_request(x, pl_str_z(body)), PL_EXCHANGE_FORWARD);
    return x;
}

/* --- whole ---------------------------------------------------------------------------- */

static pl_exchange *whole(pl_policy *p, const char *question, int status, const char *type,
                          const char *answer)
{
    pl_exchange *x = ask(p, question);
    pl_buf       out = PL_BUF_INIT(1u << 20);

    assert_int_equal(pl_exchange_response_begin(x, status, pl_str_z(type), PL_STR("")),
                     PL_RESPONSE_WHOLE);
    pl_exchange_response_feed(x, pl_str_z(answer), &out, 1790000000001);
    pl_exchange_response_end(x, PL_END_COMPLETE, &out, 1790000000002);
    assert_int_equal(out.n, 0);
    pl_buf_done(&out);
    return x;
}

#define WHOLE(content) "{\"id\":\"c1\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0," \
    "\"message\":{\"role\":\"assistant\",\"content\":" content "},\"finish_reason\":\"stop\"}]}"

static void whole__is_unchanged_apart_from_the_label(void **state)
{
    pl_exchange *x = whole(policy, ASK_EN, 200, "application/json", WHOLE("\"Hi \\u00e9!\""));

    (void)state;
    assert_string_equal(pl_exchange_body(x).p, WHOLE("\"Hi \\u00e9!\\n\\n" EN_LABEL "\""));
    assert_string_equal(pl_exchange_label(x), "text");
    pl_exchange_free(x);
    x = whole(policy, ASK_ZH, 200, "application/json; charset=utf-8", WHOLE("\"好\""));
    assert_string_equal(pl_exchange_body(x).p, WHOLE("\"好\\n\\n" ZH_LABEL "\""));
    pl_exchange_free(x);
    x = whole(silent, ASK_EN, 200, "application/json", WHOLE("\"Hi\""));
    assert_string_equal(pl_exchange_body(x).p, WHOLE("\"Hi\""));
    assert_string_equal(pl_exchange_label(x), "none");
    pl_exchange_free(x);
}

/* PROVES: GB45438-2025/5.1 (data for programs keeps its form) */
static void label__stays_out_of_data(void **state)
{
    static const struct {
        const char *ask, *answer;
    } cases[] = {
        { "{\"response_format\":{\"type\":\"json_object\"},\"messages\":[{\"role\":\"user\","
          "\"content\":\"x\"}]}", WHOLE("\"{}\"") },
        { "{\"guided_json\":{},\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
          WHOLE("\"abc\"") },
        { "{\"logprobs\":true,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
          WHOLE("\"abc\"") },
        { ASK_EN, WHOLE("\" {\\\"a\\\": [1,2]} \"") },
        { ASK_EN, WHOLE("\"text\",\"tool_calls\":[{\"id\":\"1\",\"function\":{\"name\":\"f\","
                        "\"arguments\":\"{}\"}}]") },
        { ASK_EN, WHOLE("null") },
        { ASK_EN, WHOLE("\"\"") },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_exchange *x = whole(policy, cases[i].ask, 200, "application/json", cases[i].answer);
        assert_string_equal(pl_exchange_body(x).p, cases[i].answer);
        assert_string_equal(pl_exchange_label(x), "header");
        pl_exchange_free(x);
    }
}

static void whole__blocks_output_wherever_it_stands(void **state)
{
    static const char *const answers[] = {
        WHOLE("\"the forbidden zork\""),
        WHOLE("\"\\u7981\\u7528\\u6d4b\\u8bd5\\u8bcd\""),
        WHOLE("null,\"refusal\":\"forbidden zork\""),
        WHOLE("null,\"reasoning_content\":\"forbidden zork\""),
        WHOLE("null,\"audio\":{\"transcript\":\"forbidden zork\"}"),
        WHOLE("null,\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":"
              "\"{\\\"q\\\":\\\"forbidden zork\\\"}\"}}]"),
        WHOLE("null,\"tool_calls\":[{\"function\":{\"arguments\":"
              "\"{\\\"q\\\":\\\"\\\\u7981\\\\u7528\\\\u6d4b\\\\u8bd5\\\\u8bcd\\\"}\"}}]"),
        "{\"choices\":[],\"note\":\"forbidden zork\"}",
        WHOLE("[{\"type\":\"text\",\"text\":\"forbidden zork\"}]"),
        WHOLE("null,\"reasoning\":\"x\",\"reasoning_content\":\"forbidden zork\""),
        WHOLE("null,\"tool_calls\":[{\"custom\":{\"name\":\"f\",\"input\":\"forbidden zork\"}}]"),
        "{\"choices\":[{\"forbidden zork\":1,\"message\":{\"content\":\"x\"}}]}",
        "{\"choices\":[{\"text\":\"forbidden zork\"}]}",
        "{\"choices\":[],\"forbidden zork\":1}",
        /* one text to its reader, although it stands in two places */
        "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"forbid\"}},"
        "{\"index\":0,\"message\":{\"content\":\"den zork\"}}]}",
        /* an escape that never ends */
        WHOLE("null,\"tool_calls\":[{\"function\":{\"arguments\":\"forbidden zork\\\\u00\"}}]"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        pl_exchange *x = whole(policy, ASK_EN, 200, "application/json", answers[i]);
        if (strcmp(pl_exchange_verdict(x), "block") != 0)
            fail_msg("not blocked: %s", answers[i]);
        assert_null(strstr(pl_exchange_body(x).p, "zork"));
        assert_non_null(strstr(pl_exchange_body(x).p, EN_ANSWER));
        assert_int_equal(pl_exchange_status(x), 200);
        pl_exchange_free(x);
    }
}

/* Strings that were read before, and such as differ from them in the middle only. */
static void whole__knows_a_string_only_when_it_is_the_same(void **state)
{
    static const char calm[] = "{\"choices\":[],\"note\":\"harmless ordinary  work harmless\"}";
    static const char harm[] = "{\"choices\":[],\"note\":\"harmless forbidden zork harmless\"}";

    (void)state;
    for (int i = 0; i < 6; i++) {
        pl_exchange *x = whole(policy, ASK_EN, 200, "application/json", i % 3 ? calm : harm);

        assert_string_equal(pl_exchange_verdict(x), i % 3 ? "allow" : "block");
        /* known or not, it was judged: the record says so */
        assert_non_null(strstr(pl_exchange_event(x, 1)->leaf.p, "\"scanned\":36"));
        pl_exchange_free(x);
    }
}

static void whole__reports_what_the_upstream_did_wrong(void **state)
{
    static const struct {
        int         status;
        const char *type, *answer, *code;
        int         expect;
    } cases[] = {
        { 200, "application/json", "{\"choices\":[", "upstream_invalid_json", 502 },
        { 200, "application/json", "", "upstream_invalid_json", 502 },
        { 200, "text/html", "<html>", "upstream_content_type", 502 },
        { 200, "application/json", "{\"choices\":[{\"message\":{\"content\":\"a\"},\"message\":"
          "{\"content\":\"b\"}}]}", "upstream_invalid_json", 502 },
        { 500, "application/json", "{\"choices\":[{\"index\":500,\"message\":{\"content\":\"x\"}}],"
          "\"error\":{\"message\":\"forbidden zork\"}}", "upstream_error", 502 },
        { 500, "text/plain", "\xff\xfe", "upstream_error", 502 },
        { 101, "", "raw", "upstream_protocol", 502 },
        { 200, "application/json", "{\"choices\":[]} trailing", "upstream_invalid_json", 502 },
        { 500, "text/html", "<p>forbidden zork</p>", "upstream_error", 502 },
        { 429, "application/json", "{\"error\":{\"message\":\"forbidden zork\"}}", "upstream_error",
          502 },
        { 401, "application/json", "{\"error\":{\"message\":\"bad key\",\"code\":\"k\"}}", "\"k\"",
          401 },
        { 503, "text/html", "<p>busy</p>", "busy", 503 },
        { 0, "", "SSH-2.0", "upstream_protocol", 502 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_exchange *x = whole(policy, ASK_EN, cases[i].status, cases[i].type, cases[i].answer);
        assert_int_equal(pl_exchange_status(x), cases[i].expect);
        assert_non_null(strstr(pl_exchange_body(x).p, cases[i].code));
        assert_string_equal(pl_exchange_verdict(x), "error");
        pl_exchange_free(x);
    }
}

static void whole__truncated_or_encoded_or_huge_is_an_error(void **state)
{
    pl_exchange *x = ask(policy, ASK_EN);
    pl_buf       out = PL_BUF_INIT(1024);
    char        *big = malloc(2u << 20);

    (void)state;
    pl_exchange_response_begin(x, 200, PL_STR("application/json"), PL_STR(""));
    pl_exchange_response_feed(x, PL_STR("{\"choices\":"), &out, 0);
    pl_exchange_response_end(x, PL_END_TRUNCATED, &out, 0);
    assert_int_equal(pl_exchange_status(x), 502);
    assert_non_null(strstr(pl_exchange_body(x).p, "upstream_incomplete"));
    pl_exchange_free(x);

    x = ask(policy, ASK_EN);
    pl_exchange_response_begin(x, 200, PL_STR("application/json"), PL_STR("gzip"));
    pl_exchange_response_end(x, PL_END_COMPLETE, &out, 0);
    assert_int_equal(pl_exchange_status(x), 502);
    pl_exchange_free(x);

    x = ask(policy, ASK_EN);
    memset(big, ' ', 2u << 20);
    pl_exchange_response_begin(x, 200, PL_STR("application/json"), PL_STR(""));
    pl_exchange_response_feed(x, (pl_str){ big, 2u << 20 }, &out, 0);
    pl_exchange_response_end(x, PL_END_COMPLETE, &out, 0);
    assert_non_null(strstr(pl_exchange_body(x).p, "upstream_too_large"));
    pl_exchange_free(x);
    free(big);
    pl_buf_done(&out);
}

/* --- streams ---------------------------------------------------------------------------- */

#define CHUNK(delta, finish) "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\"," \
    "\"created\":7,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":" delta \
    ",\"finish_reason\":" finish "}]}\n\n"
#define TEXT(s) CHUNK("{\"content\":\"" s "\"}", "null")
#define STOP    CHUNK("{}", "\"stop\"")

typedef struct run {
    pl_exchange *x;
    pl_buf       out;
} run;

static run stream_begin(pl_policy *p, const char *question)
{
    run r = { ask(p, question), PL_BUF_INIT(8u << 20) };

    assert_int_equal(pl_exchange_response_begin(r.x, 200, PL_STR("text/event-stream"), PL_STR("")),
                     PL_RESPONSE_STREAM);
    return r;
}

static void run_done(run *r)
{
    pl_exchange_free(r->x);
    pl_buf_done(&r->out);
}

/* Feeds in pieces of `step` bytes (0: whole). */
static run stream(pl_policy *p, const char *question, const char *bytes, size_t step,
                  pl_response_end how)
{
    run    r = stream_begin(p, question);
    size_t n = strlen(bytes);

    for (size_t i = 0; i < n; i += step ? step : n)
        pl_exchange_response_feed(r.x, (pl_str){ bytes + i, step && step < n - i ? step : n - i },
                                  &r.out, 1790000000001);
    pl_exchange_response_end(r.x, how, &r.out, 1790000000002);
    return r;
}

/* What a client sees: the concatenated content of choice `index`. */
static void content_of(pl_str sse, int index, pl_buf *text)
{
    pl_str line;

    while (pl_str_split(&sse, '\n', &line)) {
        json_t *j = NULL, *c;
        size_t  i;
        if (!pl_str_starts(line, PL_STR("data: {")))
            continue;
        assert_int_equal(pl_json_parse((pl_str){ line.p + 6, line.n - 6 }, "chunk", &j, NULL), PL_OK);
        json_array_foreach (json_object_get(j, "choices"), i, c)
            if (json_integer_value(json_object_get(c, "index")) == index) {
                json_t *t = json_object_get(json_object_get(c, "delta"), "content");
                pl_buf_puts(text, json_is_string(t) ? json_string_value(t) : "");
            }
        json_decref(j);
    }
}

static void expect_content(const run *r, const char *expect)
{
    pl_buf text = PL_BUF_INIT(1u << 20);

    content_of(pl_buf_str(&r->out), 0, &text);
    assert_string_equal(text.p ? text.p : "", expect);
    pl_buf_done(&text);
}

static const char plain[] = CHUNK("{\"role\":\"assistant\",\"content\":\"\"}", "null")
    TEXT("Hel") TEXT("lo \\u4f60") TEXT("!") STOP DONE;

static void stream__passes_events_unchanged_at_every_cut(void **state)
{
    (void)state;
    for (size_t step = 0; step < 200; step++) {
        run r = stream(silent, STREAM, plain, step, PL_END_COMPLETE);
        /* everything but our comment before [DONE] is what the upstream sent */
        char *at = strstr(r.out.p, ": plumbline event=");
        assert_non_null(at);
        char *after = strstr(at, "\n\n") + 2;
        memmove(at, after, strlen(after) + 1);
        assert_string_equal(r.out.p, plain);
        run_done(&r);
    }
}

static void stream__adds_the_label_once_at_every_cut(void **state)
{
    (void)state;
    for (size_t step = 0; step < 200; step++) {
        run r = stream(policy, STREAM, plain, step, PL_END_COMPLETE);
        expect_content(&r, "Hello 你!\n\n" EN_LABEL);
        assert_string_equal(pl_exchange_label(r.x), "text");
        assert_true(pl_str_ends(pl_buf_str(&r.out), PL_STR(DONE)));
        run_done(&r);
    }
}

static void stream__labels_text_that_ends_in_the_finishing_event(void **state)
{
    static const char one[] = TEXT("Hel") CHUNK("{\"content\":\"lo\"}", "\"stop\"") DONE;
    static const char multi[] = TEXT("Hel") "data: {\"choices\":[{\"index\":0,\r\n"
        "data: \"delta\":{\"content\":\"lo\"},\"finish_reason\":\"stop\"}]}\r\n\r\n" DONE;
    static const char none[] = TEXT("Hello") DONE;
    static const char empty[] = CHUNK("{\"content\":\"Hel\"}", "\"\"")
        CHUNK("{\"content\":\"lo\"}", "\"\"") STOP DONE;
    const char *const cases[] = { one, multi, none, empty };

    (void)state;
    for (size_t i = 0; i < 4; i++)
        for (size_t step = 0; step < 40; step++) {
            run r = stream(policy, STREAM, cases[i], step, PL_END_COMPLETE);
            expect_content(&r, "Hello\n\n" EN_LABEL);
            run_done(&r);
        }
}

#define NAME(n) CHUNK("{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"" n "\"}}]}", "null")
#define ARGS(a) CHUNK("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"" a "\"}}]}", "null")

static void stream__never_shows_a_blocked_phrase(void **state)
{
    static const char *const streams[] = {
        TEXT("the forbidden zork is") STOP DONE,
        TEXT("the forbi") TEXT("dden") TEXT(" zo") TEXT("rk") TEXT(" is") STOP DONE,
        TEXT("the f") TEXT("o") TEXT("rbidden zork") STOP DONE,
        TEXT("forbidden zork") STOP DONE,                   /* decided by the end of the text */
        TEXT("\\u7981\\u7528") TEXT("\\u6d4b\\u8bd5\\u8bcd") STOP DONE,
        CHUNK("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"q\\\":\\\"forbi\"}}]}",
              "null") CHUNK("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
              "\"dden zork\\\"}\"}}]}", "null") STOP DONE,
        CHUNK("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\\\"\\\\u7981\\\\u75\"}}]}",
              "null") CHUNK("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
              "\"28\\\\u6d4b\\\\u8bd5\\\\u8bcd\\\"\"}}]}", "null") STOP DONE,
        CHUNK("{\"reasoning_content\":\"forbidden \"}", "null")
        CHUNK("{\"reasoning_content\":\"zork\"}", "null") STOP DONE,
        ": forbidden zork\n\n" STOP DONE,
        /* servers that say finish_reason "" on every chunk */
        CHUNK("{\"content\":\"forbidden \"}", "\"\"") CHUNK("{\"content\":\"zork x\"}", "\"\"") STOP DONE,
        CHUNK("{\"content\":[{\"type\":\"text\",\"text\":\"forbidden \"}]}", "null")
        CHUNK("{\"content\":[{\"type\":\"text\",\"text\":\"zork\"}]}", "null") STOP DONE,
        CHUNK("{\"reasoning\":\"x\",\"reasoning_content\":\"forbidden \"}", "null")
        CHUNK("{\"reasoning\":\"y\",\"reasoning_content\":\"zork\"}", "null") STOP DONE,
        CHUNK("{\"tool_calls\":[{\"index\":0,\"custom\":{\"input\":\"forbidden \"}}]}", "null")
        CHUNK("{\"tool_calls\":[{\"index\":0,\"custom\":{\"input\":\"zork\"}}]}", "null") STOP DONE,
        NAME("forbidden zork") STOP DONE,
        NAME("find_forbidden_zo") NAME("rk") STOP DONE,
        NAME("f") NAME("orbidden_") NAME("zork") ARGS("{}") STOP DONE,
        TEXT("a") NAME("forbidden ") TEXT("b") NAME("zork") STOP DONE,
        "data: {\"choices\":[{\"index\":0,\"text\":\"forbidden \"}]}\n\n"
        "data: {\"choices\":[{\"index\":0,\"text\":\"zork\"}]}\n\n" STOP DONE,
        /* events alike but for their text, until one says something more, before or behind it */
        TEXT("a") TEXT("b") TEXT("c ") TEXT("forbi") TEXT("dden") TEXT(" zork d") STOP DONE,
        TEXT("a") TEXT("b") TEXT("c") TEXT("d\",\"refusal\":\"forbidden zork") STOP DONE,
        TEXT("a") TEXT("b") TEXT("c\"},\"note\":{\"x\":\"forbidden zork") STOP DONE,
        TEXT("a") TEXT("b") CHUNK("{\"refusal\":\"forbidden zork\",\"content\":\"c\"}", "null") STOP DONE,
        TEXT("a") TEXT("b") "event: forbidden zork\n" TEXT("c") STOP DONE,
        TEXT("a") TEXT("b ") TEXT("forbidden ") TEXT("\\u007ao") TEXT("rk") STOP DONE,
        /* the block must not repeat what it blocks */
        "data: {\"id\":\"forbidden zork\",\"choices\":[]}\n\n" STOP DONE,
    };

    (void)state;
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++)
        for (size_t step = 0; step < 300; step += step < 40 ? 1 : 37) {
            run r = stream(policy, STREAM, streams[i], step, PL_END_COMPLETE);
            if (strcmp(pl_exchange_verdict(r.x), "block") != 0)
                fail_msg("case %zu step %zu not blocked: %s", i, step, r.out.p);
            assert_null(strstr(r.out.p, "zork"));
            assert_null(strstr(r.out.p, "orbidden_"));
            assert_null(strstr(r.out.p, "8bcd"));
            assert_non_null(strstr(r.out.p, EN_ANSWER));
            assert_non_null(strstr(r.out.p, "\"finish_reason\":\"content_filter\""));
            assert_true(pl_str_ends(pl_buf_str(&r.out), PL_STR(DONE)));
            run_done(&r);
        }
}

/* Like the event before up to its text, and not JSON behind it. */
static void stream__reads_every_event_to_its_end(void **state)
{
    static const char *const broken[] = {
        TEXT("a") TEXT("b") TEXT("c\x01"), TEXT("a") TEXT("b") TEXT("c\\"),
        TEXT("a") TEXT("b") TEXT("c\" \"d"), TEXT("a") TEXT("b") TEXT("\xff"),
        TEXT("a") TEXT("b") TEXT("\\ud800"), TEXT("a") TEXT("b") TEXT("c\",\"content\":\"d"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        run r = stream(policy, STREAM, broken[i], 0, PL_END_COMPLETE);

        assert_string_equal(pl_exchange_verdict(r.x), "error");
        assert_non_null(strstr(r.out.p, "upstream_invalid_stream"));
        run_done(&r);
    }
}

/* Never cut: clients take it from one event. */
static void stream__holds_the_name_of_a_tool_until_it_is_decided(void **state)
{
    run r = stream_begin(silent, STREAM);

    (void)state;
    pl_exchange_response_feed(r.x, PL_STR(NAME("find_weather")), &r.out, 0);
    assert_string_equal(pl_buf_str(&r.out).p, NAME("find_weather"));
    pl_buf_clear(&r.out);
    pl_exchange_response_feed(r.x, PL_STR(NAME(" forbid")), &r.out, 0);
    assert_int_equal(r.out.n, 0);
    pl_exchange_response_feed(r.x, PL_STR(TEXT("x")), &r.out, 0);
    assert_int_equal(r.out.n, 0);
    pl_exchange_response_feed(r.x, PL_STR(ARGS("{")), &r.out, 0);
    assert_string_equal(pl_buf_str(&r.out).p, NAME(" forbid") TEXT("x") ARGS("{"));
    pl_buf_clear(&r.out);
    pl_exchange_response_feed(r.x, PL_STR(NAME("den zork") STOP), &r.out, 0);
    assert_string_equal(pl_exchange_verdict(r.x), "error");
    assert_null(strstr(r.out.p, "den zork"));
    run_done(&r);
}

static void stream__passes_a_name_said_again(void **state)
{
    run r = stream_begin(silent, STREAM);

    (void)state;
    pl_exchange_response_feed(r.x, PL_STR(NAME("forbid") ARGS("{") NAME("forbid") ARGS("}")), &r.out, 0);
    assert_string_equal(pl_buf_str(&r.out).p, NAME("forbid") ARGS("{") NAME("forbid") ARGS("}"));
    run_done(&r);
}

static void stream__releases_what_turned_out_harmless(void **state)
{
    run r = stream_begin(silent, STREAM);

    (void)state;
    pl_exchange_response_feed(r.x, PL_STR(TEXT("the forbidden ")), &r.out, 0);
    expect_content(&r, "the "); /* held: a match may be in the making, but only its characters */
    pl_exchange_response_feed(r.x, PL_STR(TEXT("fruit")), &r.out, 0);
    expect_content(&r, "the forbidden fruit");
    pl_exchange_response_feed(r.x, PL_STR(TEXT(" x")), &r.out, 0);
    expect_content(&r, "the forbidden fruit x"); /* nothing is held without cause */
    run_done(&r);
}

static void stream__keeps_choices_apart(void **state)
{
#define TWO(i, s) "data: {\"choices\":[{\"delta\":{\"content\":\"" s "\"},\"index\":" #i "}]}\n\n"
    static const char ok[] = TWO(0, "forbidden ") TWO(1, "zork") TWO(0, "fruit") DONE;
    static const char bad[] = TWO(0, "forbidden ") TWO(1, "zork forbidden") TWO(1, " zork") DONE;
    run    r = stream(silent, STREAM, ok, 0, PL_END_COMPLETE);
    pl_buf text = PL_BUF_INIT(4096);

    (void)state;
    assert_string_equal(pl_exchange_verdict(r.x), "allow");
    expect_content(&r, "forbidden fruit");
    content_of(pl_buf_str(&r.out), 1, &text);
    assert_string_equal(text.p, "zork");
    run_done(&r);
    r = stream(silent, STREAM, bad, 1, PL_END_COMPLETE);
    assert_string_equal(pl_exchange_verdict(r.x), "block");
    assert_null(strstr(r.out.p, "forbidden"));
    run_done(&r);
    pl_buf_done(&text);
}

static void stream__says_when_it_was_cut_or_broken(void **state)
{
    static const struct {
        const char     *bytes, *code;
        pl_response_end how;
    } cases[] = {
        { TEXT("Hello"), "upstream_incomplete", PL_END_TRUNCATED },
        { TEXT("Hello"), "upstream_incomplete", PL_END_COMPLETE },
        { TEXT("Hello") "data: {\"choices\":[{\"ind", "upstream_incomplete", PL_END_TRUNCATED },
        { TEXT("Hello") "data: {\"choices\":[{\"ind", "upstream_invalid_stream", PL_END_COMPLETE },
        { TEXT("Hello") STOP TEXT("forbidden ") DONE, "upstream_invalid_stream", PL_END_COMPLETE },
        { TEXT("Hello") "data: nonsense\n\n" DONE, "upstream_invalid_stream", PL_END_COMPLETE },
        { TEXT("Hello") "data: {\"choices\":7}x\n\n" DONE, "upstream_invalid_stream",
          PL_END_COMPLETE },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t step = 0; step < 60; step += 7) {
            run r = stream(policy, STREAM, cases[i].bytes, step, cases[i].how);
            if (!strstr(r.out.p, cases[i].code))
                fail_msg("case %zu: no %s in %s", i, cases[i].code, r.out.p);
            expect_content(&r, i == 4 ? "Hello\n\n" EN_LABEL : "Hello");
            assert_string_equal(pl_exchange_verdict(r.x), "error");
            assert_true(pl_exchange_event_is_done(r.x));
            run_done(&r);
        }
}

static void stream__understands_every_line_end(void **state)
{
    static const char *const ends[] = { "\n", "\r\n", "\r" };

    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (size_t step = 0; step < 5; step++) {
            char text[1024];
            snprintf(text, sizeof text, "\xEF\xBB\xBF: hi%s%sevent: x%sdata: {\"choices\":[{\"index\":"
                     "0,\"delta\":{\"content\":\"ok\"},\"finish_reason\":\"stop\"}]}%s%sdata: [DONE]%s%s",
                     ends[i], ends[i], ends[i], ends[i], ends[i], ends[i], ends[i]);
            run r = stream(silent, STREAM, text, step, PL_END_COMPLETE);
            assert_string_equal(pl_exchange_verdict(r.x), "allow");
            assert_non_null(strstr(r.out.p, "\"content\":\"ok\""));
            assert_non_null(strstr(r.out.p, ": plumbline event="));
            run_done(&r);
        }
}

/* A stream that cannot be held any longer ends; nothing beyond the buffer is touched. */
static void stream__ends_when_it_would_hold_too_much(void **state)
{
    run   r = stream_begin(silent, STREAM);
    char *big = malloc(900000);

    (void)state;
    pl_exchange_response_feed(r.x, PL_STR("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":"
        "\"forbidden \"},\"logprobs\":{\"content\":[]}}]}\n\n"), &r.out, 0);
    int n = snprintf(big, 900000, "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"");
    memset(big + n, 'b', 800000);
    snprintf(big + n + 800000, 100, "\"}}]}\n\n");
    for (int i = 0; i < 2; i++)
        pl_exchange_response_feed(r.x, pl_str_z(big), &r.out, 0);
    memcpy(big, "data: {\"choices\":[{\"index\":0", 28);
    pl_exchange_response_feed(r.x, pl_str_z(big), &r.out, 0);
    assert_true(pl_exchange_ended(r.x));
    assert_non_null(strstr(r.out.p, "guard_limit"));
    assert_null(strstr(r.out.p, "bbb"));
    free(big);
    run_done(&r);
}

static void stream__stops_at_once(void **state)
{
    run r = stream_begin(policy, STREAM);

    (void)state;
    pl_exchange_response_feed(r.x, PL_STR(TEXT("Hello forbidden")), &r.out, 0);
    pl_exchange_stop(r.x, &r.out, 5);
    assert_true(pl_exchange_ended(r.x));
    assert_null(strstr(r.out.p, "forbidden"));
    assert_non_null(strstr(r.out.p, "\"code\":\"stopped\""));
    pl_exchange_response_feed(r.x, PL_STR(TEXT("more")), &r.out, 0);
    assert_null(strstr(r.out.p, "more"));
    run_done(&r);
}

static void event__digest_on_the_wire_is_that_of_the_leaf(void **state)
{
    run             r = stream(policy, STREAM, plain, 0, PL_END_COMPLETE);
    const pl_event *e = pl_exchange_event(r.x, 0);

    (void)state;
    assert_non_null(strstr(r.out.p, e->digest));
    assert_int_equal(e->output_count, 1);
    assert_non_null(strstr(e->leaf.p, "\"end\":\"complete\""));
    run_done(&r);
}

/* Trace must find an answer whether it came whole or as a stream, labelled or not. */
static void event__trace_index_is_the_same_for_whole_and_stream(void **state)
{
    run          r = stream(policy, STREAM, plain, 3, PL_END_COMPLETE);
    pl_exchange *x = whole(silent, ASK_EN, 200, "application/json", WHOLE("\"Hello 你! \\n\""));

    (void)state;
    assert_memory_equal(pl_exchange_event(r.x, 0)->outputs[0], pl_exchange_event(x, 0)->outputs[0],
                        32);
    pl_exchange_free(x);
    run_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole__is_unchanged_apart_from_the_label),
        cmocka_unit_test(label__stays_out_of_data),
        cmocka_unit_test(whole__blocks_output_wherever_it_stands),
        cmocka_unit_test(whole__knows_a_string_only_when_it_is_the_same),
        cmocka_unit_test(whole__reports_what_the_upstream_did_wrong),
        cmocka_unit_test(whole__truncated_or_encoded_or_huge_is_an_error),
        cmocka_unit_test(stream__passes_events_unchanged_at_every_cut),
        cmocka_unit_test(stream__adds_the_label_once_at_every_cut),
        cmocka_unit_test(stream__labels_text_that_ends_in_the_finishing_event),
        cmocka_unit_test(stream__never_shows_a_blocked_phrase),
        cmocka_unit_test(stream__reads_every_event_to_its_end),
        cmocka_unit_test(stream__holds_the_name_of_a_tool_until_it_is_decided),
        cmocka_unit_test(stream__passes_a_name_said_again),
        cmocka_unit_test(stream__releases_what_turned_out_harmless),
        cmocka_unit_test(stream__keeps_choices_apart),
        cmocka_unit_test(stream__says_when_it_was_cut_or_broken),
        cmocka_unit_test(stream__understands_every_line_end),
        cmocka_unit_test(stream__ends_when_it_would_hold_too_much),
        cmocka_unit_test(stream__stops_at_once),
        cmocka_unit_test(event__digest_on_the_wire_is_that_of_the_leaf),
        cmocka_unit_test(event__trace_index_is_the_same_for_whole_and_stream),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
