/* Every surface: what it asks, what it answers whole and as a stream, and how it refuses. */
#include "guard_fixture.h"

#include "base/jsonscan.h"

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

/* %s is where a text goes; in a stream two pieces of it. */
static const struct surface_case {
    const char *path, *ask, *ask_stream, *whole, *stream, *type;
    const char *blocked_whole, *blocked_end; /* what a block says, whole and at a stream's end */
} cases[] = {
    { "/v1/chat/completions",
      "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
      "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
      "{\"id\":\"c\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},"
      "\"finish_reason\":\"stop\"}]}",
      "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"%s\"}}]}\n\n"
      "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}\n\n"
      "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
      "data: [DONE]\n\n", "text/event-stream", "\"finish_reason\":\"content_filter\"",
      "data: [DONE]\n\n" },
    { "/v1/completions", "{\"model\":\"m\",\"prompt\":\"%s\"}",
      "{\"model\":\"m\",\"stream\":true,\"prompt\":[\"%s\"]}",
      "{\"id\":\"c\",\"choices\":[{\"index\":0,\"text\":\"%s\",\"finish_reason\":\"stop\"}]}",
      "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"text\":\"%s\"}]}\n\n"
      "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"text\":\"%s\"}]}\n\n"
      "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"text\":\"\",\"finish_reason\":\"stop\"}]}\n\n"
      "data: [DONE]\n\n", "text/event-stream", "\"object\":\"text_completion\"",
      "data: [DONE]\n\n" },
    { "/v1/responses", "{\"model\":\"m\",\"input\":\"%s\"}",
      "{\"model\":\"m\",\"stream\":true,\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\","
      "\"text\":\"%s\"}]}]}",
      "{\"id\":\"r\",\"object\":\"response\",\"output\":[{\"type\":\"message\",\"id\":\"i\",\"content\":[{"
      "\"type\":\"output_text\",\"text\":\"%s\"}]}]}",
      "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,"
      "\"response\":{\"id\":\"r\",\"model\":\"m\",\"output\":[]}}\n\n"
      "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\","
      "\"sequence_number\":1,\"output_index\":0,\"item\":{\"type\":\"message\",\"id\":\"i\",\"content\":[]}}\n\n"
      "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","
      "\"sequence_number\":2,\"item_id\":\"i\",\"output_index\":0,\"content_index\":0,\"delta\":\"%s\"}\n\n"
      "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","
      "\"sequence_number\":3,\"item_id\":\"i\",\"output_index\":0,\"content_index\":0,\"delta\":\"%s\"}\n\n"
      "event: response.output_text.done\ndata: {\"type\":\"response.output_text.done\","
      "\"sequence_number\":4,\"item_id\":\"i\",\"output_index\":0,\"content_index\":0,\"text\":\"all\"}\n\n"
      "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":5,"
      "\"response\":{\"id\":\"r\",\"output\":[{\"type\":\"message\",\"id\":\"i\",\"content\":[{\"type\":"
      "\"output_text\",\"text\":\"all\"}]}]}}\n\n", "text/event-stream",
      "\"incomplete_details\":{\"reason\":\"content_filter\"}", "\"metadata\":{}}}\n\n" },
    { "/v1/embeddings", "{\"model\":\"m\",\"input\":\"%s\"}", "{\"model\":\"m\",\"input\":[\"%s\"]}",
      NULL, NULL, NULL, "\"code\":\"content_policy_violation\"", NULL },
    { "/v1/images/generations", "{\"model\":\"m\",\"prompt\":\"%s\"}",
      "{\"prompt\":\"%s\",\"stream\":true}",
      "{\"created\":1,\"data\":[{\"b64_json\":\"AAAA\",\"revised_prompt\":\"%s\"}]}", NULL, NULL,
      "\"code\":\"content_policy_violation\"", NULL },
    { "/v1/audio/speech", "{\"model\":\"m\",\"voice\":\"v\",\"input\":\"%s\"}",
      "{\"model\":\"m\",\"input\":\"x\",\"instructions\":\"%s\"}", NULL, NULL, NULL,
      "\"code\":\"content_policy_violation\"", NULL },
    { "/v1/messages",
      "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
      "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
      "\"text\":\"%s\"}]}]}",
      "{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":"
      "\"%s\"}],\"stop_reason\":\"end_turn\"}",
      "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"content\":[]}}\n\n"
      "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
      "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
      "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":"
      "{\"type\":\"text_delta\",\"text\":\"%s\"}}\n\n"
      "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":"
      "{\"type\":\"text_delta\",\"text\":\"%s\"}}\n\n"
      "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
      "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n"
      "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", "text/event-stream",
      "\"stop_reason\":\"refusal\"", "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n" },
    { "/api/chat",
      "{\"model\":\"m\",\"stream\":false,\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
      "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
      "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},\"done\":true}",
      "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},\"done\":false}\n"
      "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},\"done\":false}\n"
      "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true}\n",
      "application/x-ndjson", "\"done_reason\":\"content_filter\"",
      "\"done_reason\":\"content_filter\"}\n" },
    { "/api/generate", "{\"model\":\"m\",\"stream\":false,\"prompt\":\"%s\"}",
      "{\"model\":\"m\",\"prompt\":\"%s\"}", "{\"model\":\"m\",\"response\":\"%s\",\"done\":true}",
      "{\"model\":\"m\",\"response\":\"%s\",\"done\":false}\n{\"model\":\"m\",\"response\":\"%s\","
      "\"done\":false}\n{\"model\":\"m\",\"response\":\"\",\"done\":true}\n", "application/x-ndjson",
      "\"done_reason\":\"content_filter\"", "\"done_reason\":\"content_filter\"}\n" },
};
#define CASES (sizeof cases / sizeof cases[0])

static char *filled(const char *format, const char *a, const char *b)
{
    const char *with[] = { a, b, "" }, *at;
    pl_buf      out = PL_BUF_INIT(1u << 20);

    for (size_t i = 0; (at = strstr(format, "%s")) != NULL; format = at + 2) {
        pl_buf_put(&out, (pl_str){ format, (size_t)(at - format) });
        pl_buf_puts(&out, with[i++]);
    }
    pl_buf_puts(&out, format);
    return out.p;
}

static pl_exchange *asked(pl_policy *p, const struct surface_case *c, const char *format,
                          const char *text, pl_exchange_action expect)
{
    pl_exchange *x = fixture_exchange_at(p, c->path);
    char        *body = filled(format, text, "");

    if (pl_exchange_request(x, pl_str_z(body)) != expect)
        fail_msg("%s: %s: %s", c->path, body, pl_exchange_body(x).p);
    free(body);
    return x;
}

static void is_json(pl_str s, const char *what)
{
    json_t  *j = NULL;
    pl_error err;

    if (pl_json_parse(s, "answer", &j, &err) != PL_OK)
        fail_msg("%s: %s: %.*s", what, err.text, (int)s.n, s.p);
    json_decref(j);
}

/* Every data line of an event stream, or every line, is JSON (or the end mark). */
static void is_stream(pl_str s, const char *what)
{
    pl_str line;

    while (pl_str_split(&s, '\n', &line)) {
        if (pl_str_starts(line, PL_STR("data: ")))
            line = (pl_str){ line.p + 6, line.n - 6 };
        else if (line.n == 0 || line.p[0] != '{')
            continue;
        if (!pl_str_eqz(line, "[DONE]"))
            is_json(line, what);
    }
}

/* Texts of a stream's deltas joined, as a client of any surface would. */
static char *text_of(pl_str sse)
{
    static const char *const keys[] = { "\"content\":\"", "\"text\":\"", "\"delta\":\"",
                                        "\"response\":\"" };
    pl_buf out = PL_BUF_INIT(1u << 20), raw = PL_BUF_INIT(1u << 20);
    pl_str line;
    char  *text;

    while (pl_str_split(&sse, '\n', &line)) {
        if (memmem(line.p, line.n, ".done", 5) || memmem(line.p, line.n, "completed", 9))
            continue;
        for (size_t k = 0; k < 4; k++) {
            const char *at = memmem(line.p, line.n, keys[k], strlen(keys[k]));
            size_t      n = 0;
            if (!at)
                continue;
            at += strlen(keys[k]);
            while (at[n] != '"')
                n += at[n] == '\\' ? 2 : 1;
            pl_buf_put(&raw, (pl_str){ at, n });
        }
    }
    pl_json_unescape(pl_buf_str(&raw), &out);
    pl_buf_done(&raw);
    text = strdup(out.p ? out.p : "");
    pl_buf_done(&out);
    return text;
}

static void surface__is_found_by_the_end_of_a_path(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++)
        assert_string_equal(pl_surface_route(pl_surface_find(pl_str_z(cases[i].path))),
                            cases[i].path);
    assert_string_equal(pl_surface_name(pl_surface_find(PL_STR("/x/v1/messages"))), "messages");
    assert_string_equal(pl_surface_name(pl_surface_find(PL_STR("/v1/completions"))), "completions");
    assert_null(pl_surface_find(PL_STR("/v1/files")));
    assert_null(pl_surface_each(CASES));
}

static void request__is_judged_on_every_surface(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        const struct surface_case *c = &cases[i];
        const char *formats[] = { c->ask, c->ask_stream };

        for (size_t k = 0; k < 2; k++) {
            pl_exchange_free(asked(policy, c, formats[k], "hello", PL_EXCHANGE_FORWARD));
            pl_exchange *x = asked(policy, c, formats[k], "a forbidden zork", PL_EXCHANGE_ANSWER);
            pl_str       b = pl_exchange_body(x);

            assert_string_equal(pl_exchange_verdict(x), "block");
            if (!strstr(b.p, c->blocked_whole) && !(k && strstr(b.p, c->blocked_end)))
                fail_msg("%s: %s", c->path, b.p);
            assert_non_null(strstr(b.p, EN_ANSWER));
            assert_int_equal(pl_exchange_status(x), c->whole && c->type ? 200 : 400);
            if (k == 0 || !c->stream)
                is_json(b, c->path);
            else
                is_stream(b, c->path);
            assert_non_null(strstr(pl_exchange_event(x, 1)->leaf.p, pl_surface_name(pl_surface_find(pl_str_z(c->path)))));
            pl_exchange_free(x);
        }
    }
}

static pl_exchange *whole(pl_policy *p, const struct surface_case *c, const char *text)
{
    pl_exchange *x = asked(p, c, c->ask, "hello", PL_EXCHANGE_FORWARD);
    char        *body = filled(c->whole, text, "");
    pl_buf       out = PL_BUF_INIT(1u << 20);

    assert_int_equal(pl_exchange_response_begin(x, 200, PL_STR("application/json"), PL_STR("")),
                     PL_RESPONSE_WHOLE);
    pl_exchange_response_feed(x, pl_str_z(body), &out, 1);
    pl_exchange_response_end(x, PL_END_COMPLETE, &out, 2);
    pl_buf_done(&out);
    free(body);
    return x;
}

static void whole__passes_labelled_or_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        const struct surface_case *c = &cases[i];
        if (!c->whole)
            continue;
        pl_exchange *x = whole(silent, c, "Good day");
        char        *same = filled(c->whole, "Good day", "");
        assert_string_equal(pl_exchange_body(x).p, same);
        free(same);
        pl_exchange_free(x);

        x = whole(policy, c, "Good day");
        if (c->type) {
            same = filled(c->whole, "Good day\\n\\n" EN_LABEL, "");
            assert_string_equal(pl_exchange_body(x).p, same);
            free(same);
        }
        assert_string_equal(pl_exchange_label(x), c->type ? "text" : "header");
        pl_exchange_free(x);

        x = whole(policy, c, "a forbidden zork");
        assert_string_equal(pl_exchange_verdict(x), "block");
        assert_null(strstr(pl_exchange_body(x).p, "zork"));
        assert_non_null(strstr(pl_exchange_body(x).p, c->blocked_whole));
        is_json(pl_exchange_body(x), c->path);
        pl_exchange_free(x);
    }
}

typedef struct run {
    pl_exchange *x;
    pl_buf       out;
} run;

static run stream(pl_policy *p, const struct surface_case *c, const char *bytes, size_t step)
{
    run    r = { asked(p, c, c->ask_stream, "hello", PL_EXCHANGE_FORWARD), PL_BUF_INIT(8u << 20) };
    size_t n = strlen(bytes);

    assert_int_equal(pl_exchange_response_begin(r.x, 200, pl_str_z(c->type), PL_STR("")),
                     PL_RESPONSE_STREAM);
    for (size_t i = 0; i < n; i += step)
        pl_exchange_response_feed(r.x, (pl_str){ bytes + i, step < n - i ? step : n - i }, &r.out, 1);
    pl_exchange_response_end(r.x, PL_END_COMPLETE, &r.out, 2);
    is_stream(pl_buf_str(&r.out), c->path);
    return r;
}

static void run_done(run *r)
{
    pl_exchange_free(r->x);
    pl_buf_done(&r->out);
}

static void stream__says_every_character_once_at_every_cut(void **state)
{
    static const char *const pieces[][2] = {
        { "Good ", "day" }, { "the forbidden ", "fruit" }, { "for", "bid" }, { "禁用", "品" },
        { "a forbidden", "" }, { "x\\u7981", "\\u7528y" },
    };
    static const char *const said[] = { "Good day", "the forbidden fruit", "forbid", "禁用品",
                                        "a forbidden", "x禁用y" };

    (void)state;
    for (size_t i = 0; i < CASES; i++)
        for (size_t k = 0; cases[i].stream && k < sizeof said / sizeof said[0]; k++)
            for (size_t step = 1; step < 400; step += step < 30 ? 1 : 97) {
                char *bytes = filled(cases[i].stream, pieces[k][0], pieces[k][1]);
                run   r = stream(policy, &cases[i], bytes, step);
                char *got = text_of(pl_buf_str(&r.out)), *want = NULL;

                assert_true(asprintf(&want, "%s\n\n" EN_LABEL, said[k]) > 0);
                assert_string_equal(pl_exchange_verdict(r.x), "allow");
                if (strcmp(got, want) != 0)
                    fail_msg("%s: '%s' is not '%s' in\n%s", cases[i].path, got, want, r.out.p);
                assert_string_equal(pl_exchange_label(r.x), "text");
                free(got);
                free(want);
                free(bytes);
                run_done(&r);
            }
}

static void stream__never_shows_a_blocked_phrase(void **state)
{
    static const char *const pieces[][2] = {
        { "the forbidden zork", " is" }, { "the forbidden ", "zork is" }, { "forbidden zo", "rk" },
        { "the f", "orbidden zork" }, { "\\u7981\\u7528", "测试词" },
    };

    (void)state;
    for (size_t i = 0; i < CASES; i++)
        for (size_t k = 0; cases[i].stream && k < sizeof pieces / sizeof pieces[0]; k++)
            for (size_t step = 1; step < 400; step += step < 30 ? 1 : 97) {
                char *bytes = filled(cases[i].stream, pieces[k][0], pieces[k][1]);
                run   r = stream(policy, &cases[i], bytes, step);

                if (strcmp(pl_exchange_verdict(r.x), "block") != 0)
                    fail_msg("%s: not blocked: %s", cases[i].path, r.out.p);
                assert_null(strstr(r.out.p, "forb"));
                assert_null(strstr(r.out.p, "zo"));
                assert_null(strstr(r.out.p, "禁"));
                assert_non_null(strstr(r.out.p, EN_ANSWER));
                if (!pl_str_ends(pl_buf_str(&r.out), pl_str_z(cases[i].blocked_end)))
                    fail_msg("%s: ends in %s", cases[i].path, r.out.p);
                free(bytes);
                run_done(&r);
            }
}

/* Numbers of events follow each other over ours and the upstream's. */
static void responses__numbers_events_without_gaps(void **state)
{
    const struct surface_case *c = &cases[2];
    char *bytes = filled(c->stream, "the forbidden ", "forbidden");
    run   r = stream(policy, c, bytes, 50);
    int   expect = 0;

    (void)state;
    for (const char *p = r.out.p; (p = strstr(p, "\"sequence_number\":")) != NULL; p += 18)
        assert_int_equal(atoll(p + 18), expect++);
    assert_int_equal(expect, 8); /* six, the label and what was held */
    assert_non_null(strstr(r.out.p, "\"text\":\"all\\n\\n" EN_LABEL "\"}]}]"));
    free(bytes);
    run_done(&r);
}

static void messages__block_opens_a_block_of_its_own(void **state)
{
    const struct surface_case *c = &cases[6];
    char *bytes = filled(c->stream, "Well: ", "forbidden zork");
    run   r = stream(silent, c, bytes, 7);

    (void)state;
    assert_non_null(strstr(r.out.p, "\"text\":\"Well: \""));
    assert_non_null(strstr(r.out.p, "{\"type\":\"content_block_stop\",\"index\":0}"));
    assert_non_null(strstr(r.out.p, "{\"type\":\"content_block_start\",\"index\":1,"));
    assert_non_null(strstr(r.out.p, "{\"type\":\"content_block_stop\",\"index\":1}"));
    assert_non_null(strstr(r.out.p, "\"stop_reason\":\"refusal\""));
    free(bytes);
    run_done(&r);
}

static void media__goes_through_and_is_counted(void **state)
{
    pl_exchange *x = asked(policy, &cases[5], cases[5].ask, "hello", PL_EXCHANGE_FORWARD);
    pl_buf       out = PL_BUF_INIT(1024);

    (void)state;
    assert_int_equal(pl_exchange_response_begin(x, 200, PL_STR("audio/mpeg"), PL_STR("")),
                     PL_RESPONSE_STREAM);
    assert_string_equal(pl_exchange_content_type(x), "audio/mpeg");
    pl_exchange_response_feed(x, PL_STR("\xff\xfb\0x"), &out, 1);
    assert_int_equal(out.n, 4);
    pl_exchange_response_end(x, PL_END_COMPLETE, &out, 2);
    assert_non_null(strstr(pl_exchange_event(x, 3)->leaf.p, "\"unscreened\":1"));
    pl_exchange_free(x);
    pl_buf_done(&out);
}

static void data__is_read_when_it_is_not_base64(void **state)
{
    pl_exchange *x = asked(policy, &cases[4], cases[4].ask, "hello", PL_EXCHANGE_FORWARD);
    pl_buf       out = PL_BUF_INIT(1024);

    (void)state;
    pl_exchange_response_begin(x, 200, PL_STR("application/json"), PL_STR(""));
    pl_exchange_response_feed(x, PL_STR("{\"data\":[{\"b64_json\":\"forbidden zork\"}]}"), &out, 1);
    pl_exchange_response_end(x, PL_END_COMPLETE, &out, 2);
    assert_string_equal(pl_exchange_verdict(x), "block");
    pl_exchange_free(x);
    pl_buf_done(&out);
}

static void unknown__path_passes_unread_and_says_so(void **state)
{
    pl_exchange *x = fixture_exchange_at(policy, "/v1/files");
    pl_buf       out = PL_BUF_INIT(1024);

    (void)state;
    assert_int_equal(pl_exchange_request(x, PL_STR("forbidden zork")), PL_EXCHANGE_FORWARD);
    assert_int_equal(pl_exchange_response_begin(x, 404, PL_STR("text/x"), PL_STR("gzip")),
                     PL_RESPONSE_STREAM);
    pl_exchange_response_feed(x, PL_STR("forbidden zork"), &out, 1);
    pl_exchange_response_end(x, PL_END_COMPLETE, &out, 2);
    assert_int_equal(out.n, 14);
    const pl_event *e = pl_exchange_event(x, 3);
    assert_non_null(strstr(e->leaf.p, "\"surface\":\"unknown\""));
    assert_non_null(strstr(e->leaf.p, "\"reason\":\"unknown_surface\""));
    pl_exchange_free(x);
    pl_buf_done(&out);
}

/* What is held in a tool's arguments is cut between escapes, and said in the end. */
static void arguments__are_said_whole_whatever_is_held(void **state)
{
    static const char args[] = "{\\\"q\\\":\\\"\\\\u7981\\\\u7528\\\\u6d4b \\\\ud83d\\\\ude00 forbidden\\\"}";
    const struct surface_case *c = &cases[6];

    (void)state;
    for (size_t cut = 1; cut < sizeof args - 1; cut++) {
        if (args[cut - 1] == '\\' && (cut < 2 || args[cut - 2] != '\\'))
            continue; /* inside an escape of the outer level */
        char *bytes = NULL;
        assert_true(asprintf(&bytes, "data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\"}}\n\n"
            "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"name\":\"f\"}}\n\n"
            "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"partial_json\":\"%.*s\"}}\n\n"
            "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"partial_json\":\"%s\"}}\n\n"
            "data: {\"type\":\"content_block_stop\",\"index\":0}\n\ndata: {\"type\":\"message_delta\","
            "\"delta\":{\"stop_reason\":\"tool_use\"}}\n\ndata: {\"type\":\"message_stop\"}\n\n",
            (int)cut, args, args + cut) > 0);
        json_t *first = NULL;
        char   *probe = NULL; /* both halves must be JSON strings */
        assert_true(asprintf(&probe, "[\"%.*s\",\"%s\"]", (int)cut, args, args + cut) > 0);
        if (pl_json_parse(pl_str_z(probe), "probe", &first, NULL) == PL_OK) {
            run    r = stream(policy, c, bytes, 1000);
            pl_buf said = PL_BUF_INIT(4096);
            assert_string_equal(pl_exchange_verdict(r.x), "allow");
            for (const char *p = r.out.p; (p = strstr(p, "\"partial_json\":\"")) != NULL;) {
                size_t n = 0;
                p += 16;
                while (p[n] != '"')
                    n += p[n] == '\\' ? 2 : 1;
                pl_buf_put(&said, (pl_str){ p, n });
            }
            assert_string_equal(said.p, args);
            pl_buf_done(&said);
            run_done(&r);
        }
        json_decref(first);
        free(probe);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(surface__is_found_by_the_end_of_a_path),
        cmocka_unit_test(request__is_judged_on_every_surface),
        cmocka_unit_test(whole__passes_labelled_or_is_refused),
        cmocka_unit_test(stream__says_every_character_once_at_every_cut),
        cmocka_unit_test(stream__never_shows_a_blocked_phrase),
        cmocka_unit_test(responses__numbers_events_without_gaps),
        cmocka_unit_test(messages__block_opens_a_block_of_its_own),
        cmocka_unit_test(media__goes_through_and_is_counted),
        cmocka_unit_test(data__is_read_when_it_is_not_base64),
        cmocka_unit_test(unknown__path_passes_unread_and_says_so),
        cmocka_unit_test(arguments__are_said_whole_whatever_is_held),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
