/* Second opinions: what a guard model is asked about requests and answers, what waits for it, what its word does. */
#include "actions_fixture.h"

/* --- about requests ---------------------------------------------------------------------------- */

#define ASKS HEAD "routes:\n  default:\n    second_opinion: {model: guard-1, prompt: \"Is this safe?\\n{text}\\nAnswer safe or unsafe.\"}\n" \
    "    input:\n      - {category: harm.weapons, action: second_opinion}\n" \
    "      - {category: harm.fraud, action: second_opinion, fail: open}\n" \
    "      - {category: harm.privacy, action: block}\n    output: [{category: \"*\", action: log}]\n" REST

/* What is asked about, what the guard model says, and what follows: fraud fails open. */
static const struct {
    const char *word;
    pl_opinion  says;
    bool        blocks, bypass;
} spoken[] = {
    { "zork", PL_OPINION_SAFE, false, false },  { "zork", PL_OPINION_UNSAFE, true, false },
    { "zork", PL_OPINION_NONE, true, false },   { "grue", PL_OPINION_NONE, false, true },
    { "grue", PL_OPINION_UNSAFE, true, false }, { "grue and zork", PL_OPINION_NONE, true, false },
};

static void second_opinion__decides_or_leaves_it_to_the_rules_fail_mode(void **state)
{
    pl_policy *p = policy_of(ASKS);

    (void)state;
    for (size_t i = 0; i < sizeof spoken / sizeof spoken[0]; i++) {
        pl_exchange *x = begin(p, "", NOON);
        json_t      *event;

        assert_int_equal(pl_exchange_request(x, request(spoken[i].word)), PL_EXCHANGE_ASK);
        assert_int_equal(pl_exchange_opinion(x, spoken[i].says, request(spoken[i].word)),
                         spoken[i].blocks ? PL_EXCHANGE_ANSWER : PL_EXCHANGE_FORWARD);
        event = event_of(x);
        assert_non_null(json_object_get(event, "second_opinion"));
        assert_int_equal(json_array_size(json_object_get(event, "bypasses")), spoken[i].bypass);
        json_decref(event);
        pl_exchange_free(x);
    }
    pl_policy_unref(p);
}

static void second_opinion__is_asked_about_the_text_and_only_when_nothing_blocks(void **state)
{
    pl_policy   *p = policy_of(ASKS);
    pl_exchange *x = begin(p, "", NOON);
    pl_buf       q = PL_BUF_INIT(1u << 20);
    json_t      *j = NULL;
    const char  *content;
    pl_error     err;

    (void)state;
    assert_int_equal(pl_exchange_request(x, request("zork \\\"quoted\\\"")), PL_EXCHANGE_ASK);
    assert_int_equal(pl_exchange_question(x, &q), PL_OK);
    assert_ok(pl_json_parse(pl_buf_str(&q), "question", &j, &err), &err);
    assert_string_equal(json_string_value(json_object_get(j, "model")), "guard-1");
    content = json_string_value(json_object_get(json_array_get(json_object_get(j, "messages"), 0), "content"));
    assert_non_null(strstr(content, "Is this safe?\nsay zork \"quoted\" now"));
    assert_non_null(strstr(content, "\nAnswer safe or unsafe."));
    json_decref(j);
    pl_buf_done(&q);
    pl_exchange_free(x);

    x = begin(p, "", NOON);
    assert_int_equal(pl_exchange_request(x, request("zork plugh")), PL_EXCHANGE_ANSWER);
    pl_exchange_free(x);
    pl_policy_unref(p);
}

static void second_opinion__without_a_question_of_the_right_size_is_none(void **state)
{
    pl_policy   *p = policy_of(ASKS);
    pl_exchange *x = begin(p, "", NOON);
    pl_buf       body = PL_BUF_INIT(1u << 20);

    (void)state;
    pl_buf_puts(&body, "{\"messages\":[{\"role\":\"user\",\"content\":\"zork ");
    for (size_t i = 0; i < PL_QUESTION_MAX; i++)
        pl_buf_putc(&body, 'a');
    pl_buf_puts(&body, "\"}]}");
    assert_int_equal(pl_exchange_request(x, pl_buf_str(&body)), PL_EXCHANGE_ANSWER);
    assert_string_equal(pl_exchange_verdict(x), "block");
    pl_buf_done(&body);
    pl_exchange_free(x);
    pl_policy_unref(p);
}

static void opinion_read__takes_two_forms_and_nothing_else(void **state)
{
    static const struct {
        const char *content;
        pl_opinion  means;
    } rows[] = {
        { "safe", PL_OPINION_SAFE }, { "\\n\\n Safe.", PL_OPINION_SAFE },
        { "unsafe\\nS1", PL_OPINION_UNSAFE }, { "UNSAFE", PL_OPINION_UNSAFE },
        { "safely said, no", PL_OPINION_NONE }, { "I think it is safe", PL_OPINION_NONE },
        { "", PL_OPINION_NONE }, { "{\\\"flagged\\\":true}", PL_OPINION_UNSAFE },
        { "{\\\"flagged\\\": false, \\\"why\\\":\\\"x\\\"}", PL_OPINION_SAFE },
        { "{\\\"flagged\\\":false,\\\"flagged\\\":true}", PL_OPINION_NONE },
        { "{\\\"a\\\":{\\\"flagged\\\":false}}", PL_OPINION_NONE },
        { "{\\\"flagged\\\":false", PL_OPINION_NONE }, { "{\\\"flagged\\\":\\\"no\\\"}", PL_OPINION_NONE },
    };
    char body[512];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(body, sizeof body, "{\"id\":\"c-1\",\"choices\":[{\"index\":0,\"message\":{\"content\":\"%s\"}}]}", rows[i].content);
        if (pl_opinion_read(200, pl_str_z(body)) != rows[i].means)
            fail_msg("%s", rows[i].content);
        assert_int_equal(pl_opinion_read(503, pl_str_z(body)), PL_OPINION_NONE);
    }
    assert_int_equal(pl_opinion_read(200, PL_STR("safe")), PL_OPINION_NONE);
    assert_int_equal(pl_opinion_read(200, PL_STR("{\"choices\":[]}")), PL_OPINION_NONE);
}

/* --- about answers --------------------------------------------------------------------------------- */

/* The same words in answers: weapons and fraud are asked about, privacy blocks. */
#define ANSWERS(weapons, fraud) HEAD "routes:\n  default:\n    second_opinion: {model: g, prompt: \"in {text}\", answer_prompt: \"out {text}\"}\n" \
    "    input: [{category: harm.privacy, action: log}]\n    output:\n      - {category: harm.weapons, action: " weapons "}\n" \
    "      - {category: harm.fraud, action: " fraud "}\n      - {category: harm.privacy, action: block}\n" REST
#define ASKED ANSWERS("second_opinion", "second_opinion, fail: open")

static pl_exchange *answering(pl_policy *p, bool stream)
{
    pl_exchange *x = begin(p, "", NOON);
    pl_str       type = stream ? PL_STR("text/event-stream") : PL_STR("application/json");

    assert_int_equal(pl_exchange_request(x, stream ? PL_STR("{\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}")
                                                   : request("it")), PL_EXCHANGE_FORWARD);
    pl_exchange_response_begin(x, 200, type, PL_STR(""));
    return x;
}

static void feed_whole(pl_exchange *x, const char *text, pl_buf *out)
{
    char body[512];

    snprintf(body, sizeof body, "{\"id\":\"c\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},"
                                "\"finish_reason\":\"stop\"}]}", text);
    pl_exchange_response_feed(x, pl_str_z(body), out, NOON);
    pl_exchange_response_end(x, PL_END_COMPLETE, out, NOON);
}

/* A stream with a delta for each word, ended as chat streams are. */
static void stream_of(const char *text, pl_buf *out)
{
    const char *role = "\"role\":\"assistant\",";

    for (const char *p = text; *p; p += strcspn(p, " ") + strspn(p + strcspn(p, " "), " ")) {
        int n = (int)(strcspn(p, " ") + strspn(p + strcspn(p, " "), " "));

        pl_buf_printf(out, "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{%s\"content\":\"%.*s\"}}]}\n\n", role, n, p);
        role = "";
    }
    pl_buf_puts(out, "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
}

/* What the client reads, less the comments, whose digests differ. */
static void without_comments(const pl_buf *b, pl_buf *out)
{
    pl_str rest = pl_buf_str(b), line;

    while (pl_str_split(&rest, '\n', &line))
        if (!pl_str_starts(line, PL_STR(":"))) {
            pl_buf_put(out, line);
            pl_buf_putc(out, '\n');
        }
}

static bool says(const pl_buf *b, const char *word)
{
    return b->n && memmem(b->p, b->n, word, strlen(word));
}

static void whole_answer__waits_for_what_the_guard_model_says(void **state)
{
    pl_policy *p = policy_of(ASKED);

    (void)state;
    for (size_t i = 0; i < sizeof spoken / sizeof spoken[0]; i++) {
        pl_exchange *x = answering(p, false);
        pl_buf       out = PL_BUF_INIT(1u << 20), q = PL_BUF_INIT(1u << 20);
        json_t      *event;

        feed_whole(x, spoken[i].word, &out);
        assert_true(pl_exchange_asks(x));
        assert_false(pl_exchange_ended(x));
        assert_int_equal(out.n, 0);
        assert_int_equal(pl_exchange_question(x, &q), PL_OK);
        assert_true(says(&q, "out "));
        assert_true(says(&q, spoken[i].word));
        pl_exchange_answer_opinion(x, spoken[i].says, &out, NOON);
        assert_false(pl_exchange_asks(x));
        assert_true(pl_exchange_ended(x));
        event = event_of(x);
        assert_string_equal(pl_exchange_verdict(x), spoken[i].blocks ? "block" : "allow");
        assert_int_equal(memmem(pl_exchange_body(x).p, pl_exchange_body(x).n, "zork", 4) != NULL ||
                         memmem(pl_exchange_body(x).p, pl_exchange_body(x).n, "grue", 4) != NULL, !spoken[i].blocks);
        assert_non_null(json_object_get(event, "second_opinion_output"));
        assert_null(json_object_get(event, "second_opinion"));
        assert_int_equal(json_array_size(json_object_get(event, "bypasses")), spoken[i].bypass);
        json_decref(event);
        pl_buf_done(&q);
        pl_buf_done(&out);
        pl_exchange_free(x);
    }
    pl_policy_unref(p);
}

static void whole_answer__that_blocks_anyway_or_is_an_error_asks_nobody(void **state)
{
    pl_policy   *p = policy_of(ASKED);
    pl_exchange *x = answering(p, false);
    pl_buf       out = PL_BUF_INIT(1u << 20);

    (void)state;
    feed_whole(x, "zork plugh", &out);
    assert_false(pl_exchange_asks(x));
    assert_string_equal(pl_exchange_verdict(x), "block");
    pl_exchange_free(x);

    x = begin(p, "", NOON);
    pl_exchange_request(x, request("it"));
    pl_exchange_response_begin(x, 429, PL_STR("application/json"), PL_STR(""));
    pl_exchange_response_feed(x, PL_STR("{\"error\":{\"message\":\"zork is busy\"}}"), &out, NOON);
    pl_exchange_response_end(x, PL_END_COMPLETE, &out, NOON);
    assert_false(pl_exchange_asks(x));
    assert_null(memmem(pl_exchange_body(x).p, pl_exchange_body(x).n, "zork", 4));
    pl_exchange_free(x);
    pl_buf_done(&out);
    pl_policy_unref(p);
}

/* How a stream is fed: in pieces of `step` bytes; an opinion comes `after` that many more pieces. */
typedef struct pace {
    size_t step, after;
} pace;

static json_t *stream_run(pl_policy *p, pl_str bytes, pace at, pl_opinion says_it, pl_buf *out, unsigned *asked)
{
    pl_exchange *x = answering(p, true);
    size_t       waits = 0, before = 0;
    json_t      *event;

    *asked = 0;
    for (size_t i = 0; i < bytes.n; i += at.step) {
        pl_exchange_response_feed(x, (pl_str){ bytes.p + i, at.step < bytes.n - i ? at.step : bytes.n - i }, out, NOON);
        if (!pl_exchange_asks(x))
            continue;
        if (waits++ == 0)
            before = out->n;
        assert_int_equal(out->n, before); /* nothing is released meanwhile */
        if (waits <= at.after)
            continue;
        waits = 0;
        ++*asked;
        pl_exchange_answer_opinion(x, says_it, out, NOON);
    }
    pl_exchange_response_end(x, PL_END_COMPLETE, out, NOON);
    for (; pl_exchange_asks(x); ++*asked)
        pl_exchange_answer_opinion(x, says_it, out, NOON);
    assert_true(pl_exchange_ended(x));
    event = event_of(x);
    pl_exchange_free(x);
    return event;
}

static const pace paces[] = { { 1, 0 }, { 1, 40 }, { 1, 4000 }, { 7, 0 }, { 7, 3 }, { 64, 1 }, { 333, 0 }, { 333, 1 }, { 1u << 20, 0 } };

/* However it is cut and however late the word comes, the client reads what it would have read anyway. */
static void stream__with_a_safe_opinion_is_as_if_nobody_had_asked(void **state)
{
    pl_policy *asks = policy_of(ASKED), *logs = policy_of(ANSWERS("log", "log"));
    pl_buf     bytes = PL_BUF_INIT(1u << 20);
    unsigned   asked;

    (void)state;
    stream_of("first a zork was seen and then a grue and a zork again at last zork", &bytes);
    for (size_t i = 0; i < sizeof paces / sizeof paces[0]; i++) {
        pl_buf  a = PL_BUF_INIT(1u << 20), b = PL_BUF_INIT(1u << 20), aa = PL_BUF_INIT(1u << 20), bb = PL_BUF_INIT(1u << 20);
        json_t *event = stream_run(logs, pl_buf_str(&bytes), paces[i], PL_OPINION_SAFE, &a, &asked);

        assert_int_equal(asked, 0);
        json_decref(event);
        event = stream_run(asks, pl_buf_str(&bytes), paces[i], PL_OPINION_SAFE, &b, &asked);
        assert_int_equal(asked, 4);
        assert_string_equal(json_string_value(json_object_get(event, "verdict")), "allow");
        assert_string_equal(json_string_value(json_object_get(event, "second_opinion_output")), "safe");
        json_decref(event);
        without_comments(&a, &aa);
        without_comments(&b, &bb);
        assert_int_equal(aa.n, bb.n);
        assert_memory_equal(aa.p, bb.p, aa.n);
        pl_buf_done(&a);
        pl_buf_done(&b);
        pl_buf_done(&aa);
        pl_buf_done(&bb);
    }
    pl_buf_done(&bytes);
    pl_policy_unref(asks);
    pl_policy_unref(logs);
}

static void stream__ends_where_the_guard_model_says_unsafe(void **state)
{
    pl_policy *p = policy_of(ASKED);
    pl_buf     bytes = PL_BUF_INIT(1u << 20);
    unsigned   asked;

    (void)state;
    stream_of("calm words first and then zork and more", &bytes);
    for (size_t i = 0; i < sizeof paces / sizeof paces[0]; i++)
        for (pl_opinion o = PL_OPINION_NONE; o <= PL_OPINION_UNSAFE; o += PL_OPINION_UNSAFE - PL_OPINION_NONE) {
            pl_buf  out = PL_BUF_INIT(1u << 20);
            json_t *event = stream_run(p, pl_buf_str(&bytes), paces[i], o, &out, &asked);

            assert_int_equal(asked, 1);
            assert_true(says(&out, "calm "));
            assert_false(says(&out, "zork"));
            assert_false(says(&out, "more"));
            assert_true(says(&out, "content_filter"));
            assert_true(says(&out, "[DONE]"));
            assert_string_equal(json_string_value(json_object_get(event, "verdict")), "block");
            assert_string_equal(json_string_value(json_object_get(event, "direction")), "output");
            json_decref(event);
            pl_buf_done(&out);
        }
    pl_buf_done(&bytes);
    pl_policy_unref(p);
}

/* The word is the last thing said: found when the text ends, asked before the end is said. */
static void stream__is_asked_about_before_its_end_is_said(void **state)
{
    pl_policy   *p = policy_of(ASKED);
    pl_exchange *x = answering(p, true);
    pl_buf       bytes = PL_BUF_INIT(1u << 20), out = PL_BUF_INIT(1u << 20);

    (void)state;
    stream_of("it was a zork", &bytes);
    pl_exchange_response_feed(x, pl_buf_str(&bytes), &out, NOON);
    pl_exchange_response_end(x, PL_END_COMPLETE, &out, NOON);
    assert_true(pl_exchange_asks(x));
    assert_false(pl_exchange_ended(x));
    assert_false(pl_exchange_event_is_done(x));
    assert_false(says(&out, "stop"));
    pl_exchange_answer_opinion(x, PL_OPINION_SAFE, &out, NOON);
    assert_true(pl_exchange_ended(x));
    assert_true(says(&out, "zork"));
    assert_true(says(&out, "[DONE]"));
    pl_exchange_free(x);
    pl_buf_done(&out);
    pl_buf_done(&bytes);
    pl_policy_unref(p);
}

/* Whoever breaks off, stops or goes away while a guard model is asked is not waited for. */
static void stream__that_breaks_off_or_is_stopped_waits_no_longer(void **state)
{
    pl_policy *p = policy_of(ASKED);
    pl_buf     bytes = PL_BUF_INIT(1u << 20);

    (void)state;
    stream_of("it was a zork in the end", &bytes);
    for (int how = 0; how < 3; how++) {
        pl_exchange *x = answering(p, true);
        pl_buf       out = PL_BUF_INIT(1u << 20);
        size_t       n;

        pl_exchange_response_feed(x, (pl_str){ bytes.p, bytes.n / 2 + 60 }, &out, NOON);
        assert_true(pl_exchange_asks(x));
        if (how == 2)
            pl_exchange_stop(x, &out, NOON);
        else
            pl_exchange_response_end(x, how ? PL_END_ABORTED : PL_END_TRUNCATED, &out, NOON);
        assert_true(pl_exchange_ended(x));
        n = out.n;
        pl_exchange_answer_opinion(x, PL_OPINION_SAFE, &out, NOON); /* too late */
        assert_int_equal(out.n, n);
        assert_false(says(&out, "zork"));
        json_decref(event_of(x));
        pl_buf_done(&out);
        pl_exchange_free(x);
    }
    pl_buf_done(&bytes);
    pl_policy_unref(p);
}

static void stream__asks_a_bounded_number_of_times_and_never_twice_about_the_same(void **state)
{
    pl_policy *p = policy_of(ASKED), *open = policy_of(ANSWERS("second_opinion, fail: open", "log"));
    pl_buf     bytes = PL_BUF_INIT(1u << 20), out = PL_BUF_INIT(1u << 20), text = PL_BUF_INIT(1u << 16);
    unsigned   asked;
    json_t    *event;

    (void)state;
    for (int i = 0; i < PL_QUESTIONS_MAX + 4; i++)
        pl_buf_puts(&text, "a zork ");
    stream_of(text.p, &bytes);
    event = stream_run(open, pl_buf_str(&bytes), (pace){ 1, 0 }, PL_OPINION_SAFE, &out, &asked);
    assert_int_equal(asked, PL_QUESTIONS_MAX);
    assert_string_equal(json_string_value(json_object_get(event, "verdict")), "allow");
    assert_string_equal(json_string_value(json_object_get(event, "second_opinion_output")), "none");
    assert_int_equal(json_array_size(json_object_get(event, "bypasses")), 1);
    json_decref(event);
    event = stream_run(p, pl_buf_str(&bytes), (pace){ 1, 0 }, PL_OPINION_SAFE, &out, &asked);
    assert_int_equal(asked, PL_QUESTIONS_MAX);
    assert_string_equal(json_string_value(json_object_get(event, "verdict")), "block");
    json_decref(event);

    pl_buf_clear(&bytes); /* the same text again and again, by itself */
    for (int i = 0; i < 5; i++)
        pl_buf_printf(&bytes, "data: {\"object\":\"%s\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n", i % 2 ? "chunk" : "a zork");
    pl_buf_puts(&bytes, "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
    event = stream_run(p, pl_buf_str(&bytes), (pace){ 5, 2 }, PL_OPINION_SAFE, &out, &asked);
    assert_int_equal(asked, 1);
    assert_string_equal(json_string_value(json_object_get(event, "verdict")), "allow");
    json_decref(event);
    pl_buf_done(&bytes);
    pl_buf_done(&out);
    pl_buf_done(&text);
    pl_policy_unref(p);
    pl_policy_unref(open);
}

/* The question holds the end of a long text, whole characters only. */
static void stream__is_asked_about_with_the_text_before(void **state)
{
    pl_policy   *p = policy_of(ASKED);
    pl_exchange *x = answering(p, true);
    pl_buf       out = PL_BUF_INIT(1u << 20), q = PL_BUF_INIT(1u << 20);
    json_t      *j = NULL;
    const char  *content;
    pl_error     err;

    (void)state;
    for (int i = 0; i < 2000; i++)
        pl_exchange_response_feed(x, PL_STR("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"平静的词语说着\"}}]}\n\n"), &out, NOON);
    pl_exchange_response_feed(x, PL_STR("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" before a zork .\"}}]}\n\n"), &out, NOON);
    assert_true(pl_exchange_asks(x));
    assert_int_equal(pl_exchange_question(x, &q), PL_OK);
    assert_ok(pl_json_parse(pl_buf_str(&q), "question", &j, &err), &err);
    content = json_string_value(json_object_get(json_array_get(json_object_get(j, "messages"), 0), "content"));
    assert_non_null(strstr(content, "说着 before a zork ."));
    assert_true(strlen(content) > PL_CONTEXT_KEPT && strlen(content) < 3 * PL_CONTEXT_KEPT);
    json_decref(j);
    pl_buf_done(&q);
    pl_buf_done(&out);
    pl_exchange_free(x);
    pl_policy_unref(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_opinion__decides_or_leaves_it_to_the_rules_fail_mode),
        cmocka_unit_test(second_opinion__is_asked_about_the_text_and_only_when_nothing_blocks),
        cmocka_unit_test(second_opinion__without_a_question_of_the_right_size_is_none),
        cmocka_unit_test(opinion_read__takes_two_forms_and_nothing_else),
        cmocka_unit_test(whole_answer__waits_for_what_the_guard_model_says),
        cmocka_unit_test(whole_answer__that_blocks_anyway_or_is_an_error_asks_nobody),
        cmocka_unit_test(stream__with_a_safe_opinion_is_as_if_nobody_had_asked),
        cmocka_unit_test(stream__ends_where_the_guard_model_says_unsafe),
        cmocka_unit_test(stream__is_asked_about_before_its_end_is_said),
        cmocka_unit_test(stream__that_breaks_off_or_is_stopped_waits_no_longer),
        cmocka_unit_test(stream__asks_a_bounded_number_of_times_and_never_twice_about_the_same),
        cmocka_unit_test(stream__is_asked_about_with_the_text_before),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
