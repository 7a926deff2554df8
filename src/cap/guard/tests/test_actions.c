/* What a policy does with what was found: every action, periods, tenants. */
#include "actions_fixture.h"

static const char *action_in(const json_t *event)
{
    const json_t *findings = json_object_get(json_object_get(event, "input"), "findings");

    return json_string_value(json_object_get(json_array_get(findings, 0), "action"));
}

/* --- how much a route takes --------------------------------------------------------------------- */

#define LIMITED(limits) HEAD "routes:\n  default:\n    limits: " limits "\n" \
    "    input: [{category: \"harm.*\", action: block}]\n    output: [{category: \"harm.*\", action: block}]\n" \
    "    label: {explicit: false}\n    answers: {default: {zh: 不行, en: \"no\"}, limit.answer: {zh: 太长, en: \"too long\"}}\n"

static const char *text_in(const json_t *event, const char *key)
{
    return json_string_value(json_object_get(event, key));
}

static void limits__refuse_a_request_or_let_it_pass_and_say_so(void **state)
{
    static const char *const sources[] = { LIMITED("{request: {bytes: 20, over: refuse}}"),
                                           LIMITED("{request: {bytes: 20, over: pass}}"),
                                           LIMITED("{request: {bytes: 1KiB, over: refuse}}") };

    (void)state;
    for (int i = 0; i < 3; i++) {
        pl_policy   *p = policy_of(sources[i]);
        pl_exchange *x = begin(p, "", NOON);

        assert_int_equal(pl_exchange_request(x, request("zork")),
                         i == 1 ? PL_EXCHANGE_FORWARD : PL_EXCHANGE_ANSWER);
        assert_int_equal(pl_exchange_status(x), i == 0 ? 413 : i == 1 ? 0 : 200);
        json_t *e = event_of(x), *in = json_object_get(e, "input");
        assert_string_equal(text_in(e, "verdict"), i == 0 ? "refuse" : i == 1 ? "allow" : "block");
        assert_string_equal(text_in(e, "reason"), i == 0 ? "request_too_large" : "");
        if (i == 1) {
            assert_string_equal(json_string_value(json_array_get(json_object_get(e, "bypasses"), 0)), "oversize_input");
            assert_string_equal(text_in(e, "model"), "m"); /* read, though nothing was scanned */
            assert_int_equal(json_integer_value(json_object_get(in, "scanned")), 0);
            assert_int_equal(json_array_size(json_object_get(in, "ranges")), 0);
        } else {
            assert_null(json_object_get(e, "bypasses"));
        }
        json_decref(e);
        pl_exchange_free(x);
        pl_policy_unref(p);
    }
}

/* Gives what reached the client. */
static json_t *answered(const char *source, bool is_stream, const char *first, const char *second, pl_buf *out)
{
    pl_policy   *p = policy_of(source);
    pl_exchange *x = begin(p, "", NOON);
    json_t      *e;

    assert_int_equal(pl_exchange_request(x, request("nothing")), PL_EXCHANGE_FORWARD);
    pl_exchange_response_begin(x, 200, is_stream ? PL_STR("text/event-stream") : PL_STR("application/json"),
                               PL_STR(""));
    pl_exchange_response_feed(x, pl_str_z(first), out, NOON);
    pl_exchange_response_feed(x, pl_str_z(second), out, NOON);
    pl_exchange_response_end(x, PL_END_COMPLETE, out, NOON);
    if (!is_stream)
        pl_buf_put(out, pl_exchange_body(x));
    e = event_of(x);
    pl_exchange_free(x);
    pl_policy_unref(p);
    pl_buf_putc(out, '\0');
    return e;
}

#define WHOLE  "{\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\",\"content\":\"a zork\"}}]}"
#define DELTA(text) "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define FINISH "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"

static void limits__block_an_answer_or_let_the_rest_of_it_pass(void **state)
{
    (void)state;
    for (int is_stream = 0; is_stream < 2; is_stream++)
        for (int passes = 0; passes < 2; passes++) {
            pl_buf  out = PL_BUF_INIT(65536);
            json_t *e = answered(passes ? LIMITED("{answer: {bytes: 80, over: pass}}")
                                        : LIMITED("{answer: {bytes: 80, over: block}}"), is_stream,
                                 is_stream ? DELTA("first") : WHOLE, is_stream ? DELTA(" zork") FINISH : "", &out);

            assert_string_equal(text_in(e, "verdict"), passes ? "allow" : "block");
            assert_string_equal(text_in(e, "reason"), passes ? "" : "answer_too_large");
            assert_true(passes == !strstr(out.p, "too long"));
            assert_true(passes == !!strstr(out.p, "zork")); /* what is not scanned is not found */
            assert_true(!is_stream || strstr(out.p, "first") != NULL);
            assert_true(!is_stream || strstr(out.p, "[DONE]") != NULL);
            if (passes)
                assert_string_equal(json_string_value(json_array_get(json_object_get(e, "bypasses"), 0)),
                                    "oversize_output");
            json_decref(e);
            pl_buf_done(&out);
        }
}

/* The text that a reader of the stream puts together. */
static void text_join(char *stream, char *out, size_t n)
{
    char *line, *rest = stream;

    out[0] = '\0';
    while ((line = strsep(&rest, "\n")) != NULL) {
        json_t *e = strncmp(line, "data: {", 7) == 0 ? json_loads(line + 6, 0, NULL) : NULL;
        json_t *delta = json_object_get(json_array_get(json_object_get(e, "choices"), 0), "delta");

        if (json_object_get(delta, "content"))
            snprintf(out + strlen(out), n - strlen(out), "%s", text_in(delta, "content"));
        json_decref(e);
    }
}

static void limits__lose_nothing_that_was_held_back_when_the_rest_passes(void **state)
{
    static const char *const sources[] = { LIMITED("{answer: {bytes: 80, over: pass}}"),
                                           LIMITED("{answer: {bytes: 150, over: pass}}"),
                                           LIMITED("{answer: {bytes: 220, over: pass}}") };

    (void)state;
    for (int i = 0; i < 3; i++) { /* over the limit before, in, and after what may become a word */
        pl_buf  out = PL_BUF_INIT(65536);
        json_t *e = answered(sources[i], true, DELTA("a z") DELTA("or"), DELTA("t of zo") DELTA("o") FINISH, &out);
        char    text[128];

        text_join(out.p, text, sizeof text);
        assert_string_equal(text, "a zort of zoo");
        assert_string_equal(text_in(e, "verdict"), "allow");
        json_decref(e);
        pl_buf_done(&out);
    }
}

static void limits__must_say_what_happens_over_them(void **state)
{
    (void)state;
    refused(LIMITED("{request: {bytes: 20}}"), "'over' must be said: refuse or pass");
    refused(LIMITED("{request: {bytes: 20, over: block}}"), "'over' must be said: refuse or pass");
    refused(LIMITED("{answer: {bytes: 20, over: refuse}}"), "'over' must be said: block or pass");
    refused(LIMITED("{answer: {bytes: 0, over: pass}}"), "'bytes' must be a size");
    refused(LIMITED("{answer: {bytes: 20KB, over: pass}}"), "'bytes' must be a size");
    refused(LIMITED("{answers: {bytes: 20, over: pass}}"), "answers");
}

#define BUDGETED(budget) HEAD "routes:\n  default:\n    budgets: " budget "\n" \
    "    input: [{category: \"*\", action: log}]\n    output: [{category: \"*\", action: log}]\n" REST

static void budgets__must_say_of_whom_how_much_and_for_how_long(void **state)
{
    (void)state;
    pl_policy_unref(policy_of(BUDGETED("[{per: all, window: 31d, requests: 1, tokens: 1}]")));
    refused(BUDGETED("[{per: nobody, window: 1m, requests: 1}]"), "'per' must be subject, key, tenant or all");
    refused(BUDGETED("[{per: all, window: 32d, requests: 1}]"), "'window' must be a time");
    refused(BUDGETED("[{per: all, requests: 1}]"), "'window' must be a time");
    refused(BUDGETED("[{per: all, window: 1m}]"), "a budget needs 'requests', 'tokens' or both");
    refused(BUDGETED("[{per: all, window: 1m, tokens: 0}]"), "whole numbers from 1 on");
    refused(BUDGETED("{per: all, window: 1m, tokens: 1}"), "must be a list of at most 8");
}

/* --- the classifier over answers ----------------------------------------------------------------- */

#define CLASSIFIED(action) HEAD "model: {pack: model-default}\nroutes:\n  default:\n" \
    "    input: [{category: \"*\", action: log}]\n    output: [{category: quality.refusal, action: " action "}]\n" REST
#define REFUSAL "I'm sorry, but I can't help with that request. As an AI language model, I cannot assist with this."

static size_t output_findings(const json_t *event)
{
    return json_array_size(json_object_get(json_object_get(event, "output"), "findings"));
}

static void model__judges_what_an_answer_says(void **state)
{
    static const char whole[] = "{\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":"
                                "{\"role\":\"assistant\",\"content\":\"" REFUSAL "\"}}]}";
    static const char *const actions[] = { CLASSIFIED("allow"), CLASSIFIED("log"), CLASSIFIED("block"),
                                           CLASSIFIED("replace") };

    (void)state;
    for (int is_stream = 0; is_stream < 2; is_stream++)
        for (int i = 0; i < 4; i++) {
            pl_buf  out = PL_BUF_INIT(65536);
            json_t *e = answered(actions[i], is_stream, is_stream ? DELTA(REFUSAL) : whole,
                                 is_stream ? FINISH : "", &out);

            assert_string_equal(text_in(e, "verdict"), i < 2 ? "allow" : "block");
            assert_int_equal(output_findings(e), i == 0 ? 0 : 1);
            assert_true((strstr(out.p, "cannot assist") != NULL) == (is_stream || i < 2));
            assert_true((strstr(out.p, "no\"") != NULL) == (i >= 2)); /* the safe answer */
            json_decref(e);
            pl_buf_done(&out);
        }
}

/* The first window of a stream is judged when it is full, not when the answer is over. */
static void model__ends_a_stream_at_the_end_of_a_window(void **state)
{
    pl_buf  out = PL_BUF_INIT(1u << 20), first = PL_BUF_INIT(65536);
    json_t *e;

    (void)state;
    for (int i = 0; i < 50; i++)
        pl_buf_puts(&first, DELTA(REFUSAL "\\n"));
    pl_buf_putc(&first, '\0');
    e = answered(CLASSIFIED("block"), true, first.p, DELTA("the end") FINISH, &out);
    assert_string_equal(text_in(e, "verdict"), "block");
    assert_null(strstr(out.p, "the end"));
    assert_non_null(strstr(out.p, "[DONE]"));
    json_decref(e);
    pl_buf_done(&out);
    pl_buf_done(&first);
}

/* --- who else is looked at -------------------------------------------------------------------- */

#define ROUTE "routes:\n  default:\n    input: [{category: \"*\", action: log}]\n    output: [{category: \"*\", action: log}]\n" REST

static void review__says_share_time_and_what_follows_on_disagreement(void **state)
{
    pl_policy   *p = policy_of(HEAD "review: {sample: 100%, keep: 12h, disagreement: open}\n" ROUTE);
    pl_exchange *x = begin(p, "", NOON);

    (void)state;
    assert_int_equal(pl_policy_review(p)->sample_ppm, 1000000);
    assert_int_equal(pl_policy_review(p)->keep_ms, 12 * 3600 * 1000);
    assert_false(pl_policy_review(p)->third);
    pl_exchange_request(x, request("tulip"));
    assert_string_equal(pl_exchange_review_why(x), "sampled");
    pl_exchange_free(x);
    pl_policy_unref(p);
    p = policy_of(HEAD "review: {sample: 0.25%}\n" ROUTE);
    assert_int_equal(pl_policy_review(p)->sample_ppm, 2500);
    assert_int_equal(pl_policy_review(p)->keep_ms, PL_REVIEW_KEEP_MS);
    pl_policy_unref(p);
    p = policy_of(HEAD ROUTE);
    assert_int_equal(pl_policy_review(p)->sample_ppm, 0);
    assert_true(pl_policy_review(p)->third);
    pl_policy_unref(p);
    refused(HEAD "review: {sample: 1}\n" ROUTE, "'sample'");
    refused(HEAD "review: {sample: 101%}\n" ROUTE, "'sample'");
    refused(HEAD "review: {sample: 100.1%}\n" ROUTE, "'sample'");
    refused(HEAD "review: {sample: 0.00001%}\n" ROUTE, "'sample'");
    refused(HEAD "review: {sample: x%}\n" ROUTE, "'sample'");
    refused(HEAD "review: {keep: forever}\n" ROUTE, "'keep'");
    refused(HEAD "review: {keep: 400d}\n" ROUTE, "'keep'");
    refused(HEAD "review: {disagreement: fight}\n" ROUTE, "'disagreement'");
    refused(HEAD "review: {often: yes}\n" ROUTE, "often");
}

/* --- escalate, stop_session ------------------------------------------------------------------ */

static void escalate__blocks_or_passes_as_then_says_and_asks_for_a_person(void **state)
{
    pl_policy   *p = policy_of(HEAD "routes:\n  default:\n    input:\n"
                                    "      - {category: harm.weapons, action: escalate}\n"
                                    "      - {category: harm.fraud, action: escalate, then: allow}\n"
                                    "      - {category: harm.privacy, action: stop_session}\n"
                                    "    output: [{category: \"*\", action: log}]\n" REST);
    static const struct {
        const char        *word, *action;
        pl_exchange_action then;
        bool               review, stops;
    } rows[] = {
        { "zork", "escalate", PL_EXCHANGE_ANSWER, true, false },
        { "grue", "escalate", PL_EXCHANGE_FORWARD, true, false },
        { "plugh", "stop_session", PL_EXCHANGE_ANSWER, false, true },
        { "tulip", NULL, PL_EXCHANGE_FORWARD, false, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pl_exchange *x = begin(p, "", NOON);
        json_t      *event;

        assert_int_equal(pl_exchange_request(x, request(rows[i].word)), rows[i].then);
        assert_int_equal(pl_exchange_wants_review(x), rows[i].review);
        assert_int_equal(pl_exchange_stops_session(x), rows[i].stops);
        event = event_of(x);
        if (rows[i].action)
            assert_string_equal(action_in(event), rows[i].action);
        json_decref(event);
        pl_exchange_free(x);
    }
    pl_policy_unref(p);
}

static void shadow__records_actions_and_asks_nobody(void **state)
{
    pl_policy   *p = policy_of(HEAD "routes:\n  default:\n    mode: shadow\n    second_opinion: {model: g, prompt: \"{text}\"}\n    input:\n"
                                    "      - {category: harm.weapons, action: escalate}\n"
                                    "      - {category: harm.fraud, action: second_opinion}\n"
                                    "    output: [{category: \"*\", action: log}]\n" REST);
    pl_exchange *x = begin(p, "", NOON);
    json_t      *event;

    (void)state;
    assert_int_equal(pl_exchange_request(x, request("zork and grue")), PL_EXCHANGE_FORWARD);
    assert_false(pl_exchange_wants_review(x));
    event = event_of(x);
    assert_string_equal(json_string_value(json_object_get(event, "mode")), "shadow");
    assert_null(json_object_get(event, "second_opinion"));
    json_decref(event);
    pl_exchange_free(x);
    pl_policy_unref(p);
}

/* --- periods ------------------------------------------------------------------------------------ */

static void rules__have_a_beginning_and_an_end(void **state)
{
    pl_policy *p = policy_of(HEAD "routes:\n  default:\n    input:\n"
                                  "      - {category: harm.weapons, action: block, from: \"2026-09-21\", until: \"2026-09-22T12:00:00+08:00\"}\n"
                                  "      - {category: harm.fraud, action: block, until: \"2026-09-21\"}\n"
                                  "    output: [{category: \"*\", action: log}]\n" REST);
    static const struct {
        int64_t     at;
        const char *word;
        bool        blocks;
    } rows[] = {
        { 1789948799999, "zork", false }, { 1789948800000, "zork", true },
        { 1790049599999, "zork", true },  { 1790049600000, "zork", false },
        { 1789948799999, "grue", true },  { 1789948800000, "grue", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pl_exchange *x = begin(p, "", rows[i].at);

        assert_int_equal(pl_exchange_request(x, request(rows[i].word)),
                         rows[i].blocks ? PL_EXCHANGE_ANSWER : PL_EXCHANGE_FORWARD);
        pl_exchange_free(x);
    }
    pl_policy_unref(p);
}

/* --- tenants -------------------------------------------------------------------------------------- */

static void tenants__have_rules_before_those_of_the_route_and_texts_of_their_own(void **state)
{
    pl_policy *p = policy_of(HEAD "routes:\n  default:\n    input:\n"
                                  "      - {category: harm.weapons, action: block}\n"
                                  "    output: [{category: \"*\", action: log}]\n" REST
                                  "tenants:\n  acme:\n    default:\n"
                                  "      input: [{category: harm.fraud, action: block}, {category: harm.weapons, action: log}]\n"
                                  "      answers: {harm.fraud: {zh: 不行, en: \"acme says no\"}}\n"
                                  "  beta:\n    default: {mode: shadow}\n");
    static const struct {
        const char *tenant, *word;
        bool        blocks;
    } rows[] = {
        { "", "zork", true },      { "", "grue", false },     { "acme", "zork", false },
        { "acme", "grue", true },  { "beta", "zork", false }, { "gamma", "zork", true },
        { "acm", "grue", false },  { "acme2", "grue", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pl_exchange *x = begin(p, rows[i].tenant, NOON);
        json_t      *event;

        assert_int_equal(pl_exchange_request(x, request(rows[i].word)),
                         rows[i].blocks ? PL_EXCHANGE_ANSWER : PL_EXCHANGE_FORWARD);
        if (rows[i].blocks && rows[i].tenant[0] == 'a')
            assert_non_null(memmem(pl_exchange_body(x).p, pl_exchange_body(x).n, "acme says no", 12));
        event = event_of(x);
        if (rows[i].tenant[0])
            assert_string_equal(json_string_value(json_object_get(event, "tenant")), rows[i].tenant);
        else
            assert_null(json_object_get(event, "tenant"));
        json_decref(event);
        pl_exchange_free(x);
    }
    assert_int_equal(pl_policy_route_find(p, PL_STR("default")), 0);
    pl_policy_unref(p);
}

/* --- fail modes and mistakes ------------------------------------------------------------------------ */

static void fail__of_a_rule_decides_for_its_direction(void **state)
{
    pl_policy *p = policy_of(HEAD "routes:\n  default:\n    fail: open\n    input:\n"
                                  "      - {category: harm.weapons, action: block}\n"
                                  "    output:\n      - {category: harm.weapons, action: block, fail: closed}\n" REST);

    (void)state;
    assert_true(pl_policy_opens(p, 0, false));
    assert_false(pl_policy_opens(p, 0, true));
    pl_policy_unref(p);
}

static void mistakes__are_named_where_they_are(void **state)
{
#define RULE(r) HEAD "routes:\n  default:\n    input: [" r "]\n    output: [{category: \"*\", action: log}]\n" REST
    static const struct {
        const char *source, *why;
    } rows[] = {
        { RULE("{category: a, action: ponder}"), "'action' must be" },
        { RULE("{category: a, action: block, then: log}"), "only 'escalate' has a 'then'" },
        { RULE("{category: a, action: escalate, then: redact}"), "'then' must be" },
        { RULE("{category: a, action: block, fail: maybe}"), "'fail' must be" },
        { RULE("{category: a, action: block, from: tomorrow}"), "'from' and 'until'" },
        { RULE("{category: a, action: block, from: \"2026-01-02\", until: \"2026-01-02\"}"), "not after" },
        { RULE("{category: a, action: second_opinion}"), "second opinion" },
        { HEAD "routes:\n  default:\n    second_opinion: {model: m, prompt: \"no place\"}\n    input: [{category: a, action: log}]\n"
               "    output: [{category: \"*\", action: log}]\n" REST, "{text}" },
        { HEAD "routes:\n  default:\n    input: [{category: a, action: log}]\n"
               "    output: [{category: \"*\", action: second_opinion}]\n" REST, "second opinion" },
        { HEAD "routes:\n  default:\n    second_opinion: {model: m, prompt: \"{text}\", answer_prompt: \"no place\"}\n"
               "    input: [{category: a, action: log}]\n    output: [{category: \"*\", action: log}]\n" REST, "'answer_prompt'" },
        { RULE("{category: a, action: log}") "tenants: {acme: {other: {mode: shadow}}}\n", "no such route" },
        { RULE("{category: a, action: log}") "tenants: {acme: {}}\n", "mapping of routes" },
        { RULE("{category: a, action: log}") "tenants: {acme: {default: {colour: red}}}\n", "unknown key" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        refused(rows[i].source, rows[i].why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits__refuse_a_request_or_let_it_pass_and_say_so),
        cmocka_unit_test(limits__block_an_answer_or_let_the_rest_of_it_pass),
        cmocka_unit_test(limits__lose_nothing_that_was_held_back_when_the_rest_passes),
        cmocka_unit_test(limits__must_say_what_happens_over_them),
        cmocka_unit_test(budgets__must_say_of_whom_how_much_and_for_how_long),
        cmocka_unit_test(model__judges_what_an_answer_says),
        cmocka_unit_test(model__ends_a_stream_at_the_end_of_a_window),
        cmocka_unit_test(review__says_share_time_and_what_follows_on_disagreement),
        cmocka_unit_test(escalate__blocks_or_passes_as_then_says_and_asks_for_a_person),
        cmocka_unit_test(shadow__records_actions_and_asks_nobody),
        cmocka_unit_test(rules__have_a_beginning_and_an_end),
        cmocka_unit_test(tenants__have_rules_before_those_of_the_route_and_texts_of_their_own),
        cmocka_unit_test(fail__of_a_rule_decides_for_its_direction),
        cmocka_unit_test(mistakes__are_named_where_they_are),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
