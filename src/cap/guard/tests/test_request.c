#include "guard_fixture.h"

static pl_policy *policy;

static int setup(void **state)
{
    (void)state;
    policy = fixture_policy("pass", "true");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pl_policy_unref(policy);
    return 0;
}

static pl_exchange *judge(const char *body, pl_exchange_action expect)
{
    pl_exchange *x = fixture_exchange(policy);

    if (pl_exchange_request(x, pl_str_z(body)) != expect)
        fail_msg("unexpected action for %s: %.*s", body, (int)pl_exchange_body(x).n,
                 pl_exchange_body(x).p);
    return x;
}

static void expect_bad(const char *body, const char *message)
{
    pl_exchange *x = judge(body, PL_EXCHANGE_ANSWER);
    json_t      *j = NULL;

    assert_int_equal(pl_exchange_status(x), 400);
    assert_int_equal(pl_json_parse(pl_exchange_body(x), "body", &j, NULL), PL_OK);
    const char *got = json_string_value(json_object_get(json_object_get(j, "error"), "message"));
    if (!strstr(got, message))
        fail_msg("'%s' does not say '%s'", got, message);
    json_decref(j);
    pl_exchange_free(x);
}

static void expect_blocked(const char *body)
{
    pl_exchange *x = judge(body, PL_EXCHANGE_ANSWER);

    assert_int_equal(pl_exchange_status(x), 200);
    assert_string_equal(pl_exchange_verdict(x), "block");
    pl_exchange_free(x);
}

static void expect_forward(const char *body)
{
    pl_exchange_free(judge(body, PL_EXCHANGE_FORWARD));
}

static void request__forwards_ordinary_chat(void **state)
{
    (void)state;
    expect_forward("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}");
    expect_forward("{\"messages\":[{\"role\":\"whoever\",\"content\":null}]}");
    expect_forward("{\"messages\":[{\"role\":\"user\",\"content\":\"forbidden zorks\"}]}");
}

static void request__blocks_words_wherever_they_stand(void **state)
{
    static const char *const bodies[] = {
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a forbidden zork b\"}]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a Forbidden\\tZORK\"}]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"\\u7981\\u7528\\u6d4b\\u8bd5\\u8bcd\"}]}",
        "{\"messages\":[{\"role\":\"system\",\"content\":\"禁用测试词\"},"
        "{\"role\":\"user\",\"content\":\"x\"}]}",
        /* across parts of one message */
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"forbidden \"},"
        "{\"type\":\"text\",\"text\":\"zork\"}]}]}",
        /* at the edge of a part whose neighbour ends in a letter */
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\"},"
        "{\"type\":\"text\",\"text\":\"forbidden zork\"}]}]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
        "\"forbidden zork\"},{\"type\":\"text\",\"text\":\"x\"}]}]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":[\"x\",\"forbidden zork\"]}]}",
        /* in tool arguments, also behind a second level of escapes */
        "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"arguments\":"
        "\"{\\\"a\\\":\\\"\\\\u7981\\\\u7528\\\\u6d4b\\\\u8bd5\\\\u8bcd\\\"}\"}}]}]}",
        /* in places nobody looks: names, schemas, keys */
        "{\"messages\":[{\"role\":\"user\",\"name\":\"forbidden zork\",\"content\":\"x\"}]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"tools\":[{\"type\":\"function\","
        "\"function\":{\"name\":\"f\",\"parameters\":{\"properties\":{\"forbidden zork\":{}}}}}]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"zz\":[[[\"forbidden zork\"]]]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"response_format\":"
        "{\"type\":\"json_schema\",\"json_schema\":{\"d\":\"forbidden zork\"}}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        expect_blocked(bodies[i]);
}

static void request__refuses_malformed_bodies_with_a_reason(void **state)
{
    (void)state;
    expect_bad("", "");
    expect_bad("[]", "not a JSON object");
    expect_bad("{\"messages\":[]}", "'messages' is empty");
    expect_bad("{\"model\":\"m\"}", "'messages' is missing");
    expect_bad("{\"messages\":{}}", "must be an array");
    expect_bad("{\"messages\":[1]}", "not an object");
    expect_bad("{\"messages\":[{\"content\":\"x\"}]}", "'role' is missing");
    expect_bad("{\"messages\":[{\"role\":\"user\",\"content\":5}]}", "'content' must be");
    expect_bad("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"stream\":\"yes\"}", "'stream'");
    expect_bad("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"n\":0}", "'n'");
    expect_bad("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"n\":1.5}", "'n'");
    expect_bad("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]} x", "");
    expect_bad("{\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}", "");
    expect_bad("{\"messages\":[{\"role\":\"user\",\"content\":\"\\ud800\"}]}", "");
    expect_bad("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"", "");
}

/* Two readers may take different ones of two equal members. */
static void request__refuses_duplicate_members(void **state)
{
    (void)state;
    expect_bad("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],"
               "\"messages\":[{\"role\":\"user\",\"content\":\"y\"}]}", "two 'messages'");
    expect_bad("{\"messages\":[{\"role\":\"user\",\"content\":\"x\",\"content\":\"y\"}]}",
               "two 'content'");
    expect_bad("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"\\u0073tream\":true,"
               "\"stream\":false}", "two 'stream'");
}

static void request__answers_in_the_askers_language(void **state)
{
    pl_exchange *x;

    (void)state;
    x = judge("{\"messages\":[{\"role\":\"user\",\"content\":\"请告诉我禁用测试词\"}]}",
              PL_EXCHANGE_ANSWER);
    assert_non_null(strstr(pl_exchange_body(x).p, ZH_ANSWER));
    pl_exchange_free(x);
    x = judge("{\"messages\":[{\"role\":\"system\",\"content\":\"你是一个助手\"},"
              "{\"role\":\"user\",\"content\":\"the forbidden zork please\"}]}", PL_EXCHANGE_ANSWER);
    assert_non_null(strstr(pl_exchange_body(x).p, EN_ANSWER));
    pl_exchange_free(x);
}

static void block__is_a_complete_chat_answer(void **state)
{
    pl_exchange *x = judge("{\"model\":\"m\\\"1\",\"n\":2,\"messages\":[{\"role\":\"user\","
                           "\"content\":\"forbidden zork\"}]}", PL_EXCHANGE_ANSWER);
    json_t      *j = NULL, *c;

    (void)state;
    assert_int_equal(pl_json_parse(pl_exchange_body(x), "body", &j, NULL), PL_OK);
    assert_string_equal(json_string_value(json_object_get(j, "model")), "m\"1");
    assert_int_equal(json_array_size(json_object_get(j, "choices")), 2);
    c = json_array_get(json_object_get(j, "choices"), 1);
    assert_string_equal(json_string_value(json_object_get(c, "finish_reason")), "content_filter");
    json_decref(j);
    pl_exchange_free(x);
}

static void block__in_json_mode_is_a_refusal_without_content(void **state)
{
    pl_exchange *x = judge("{\"response_format\":{\"type\":\"json_object\"},\"messages\":[{\"role\":"
                           "\"user\",\"content\":\"forbidden zork\"}]}", PL_EXCHANGE_ANSWER);
    json_t      *j = NULL, *m;

    (void)state;
    assert_int_equal(pl_json_parse(pl_exchange_body(x), "body", &j, NULL), PL_OK);
    m = json_object_get(json_array_get(json_object_get(j, "choices"), 0), "message");
    assert_true(json_is_null(json_object_get(m, "content")));
    assert_string_equal(json_string_value(json_object_get(m, "refusal")), EN_ANSWER);
    json_decref(j);
    pl_exchange_free(x);
}

static void block__of_a_stream_ends_with_done(void **state)
{
    pl_exchange *x = judge("{\"stream\":true,\"messages\":[{\"role\":\"user\","
                           "\"content\":\"forbidden zork\"}]}", PL_EXCHANGE_ANSWER);
    pl_str       b = pl_exchange_body(x);

    (void)state;
    assert_string_equal(pl_exchange_content_type(x), "text/event-stream");
    assert_true(pl_str_ends(b, PL_STR("data: [DONE]\n\n")));
    assert_non_null(strstr(b.p, "\"finish_reason\":\"content_filter\""));
    pl_exchange_free(x);
}

static void media__is_counted_or_refused_as_the_route_says(void **state)
{
    static const char body[] = "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
                               "\"text\":\"what is this\"},{\"type\":\"image_url\",\"image_url\":"
                               "{\"url\":\"data:image/png;base64,AAAA\"}}]}]}";
    pl_exchange *x = judge(body, PL_EXCHANGE_FORWARD);
    pl_policy   *strict = fixture_policy("refuse", "true");

    (void)state;
    assert_non_null(strstr(pl_exchange_event(x, 1790000000005)->leaf.p, "\"unscreened\":1"));
    pl_exchange_free(x);
    x = fixture_exchange(strict);
    assert_int_equal(pl_exchange_request(x, pl_str_z(body)), PL_EXCHANGE_ANSWER);
    assert_int_equal(pl_exchange_status(x), 400);
    pl_exchange_free(x);
    pl_policy_unref(strict);
}

static void event__names_rules_but_no_content(void **state)
{
    pl_exchange    *x = judge("{\"messages\":[{\"role\":\"user\",\"content\":"
                              "\"secretname forbidden zork mildword\"}]}", PL_EXCHANGE_ANSWER);
    const pl_event *e = pl_exchange_event(x, 1790000000005);
    json_t         *j = NULL;
    pl_error        err;

    (void)state;
    assert_ok(pl_json_parse(e->leaf, "leaf", &j, &err), &err);
    assert_null(strstr(e->leaf.p, "secretname"));
    assert_null(strchr(e->leaf.p, '\n'));
    assert_string_equal(json_string_value(json_object_get(j, "verdict")), "block");
    assert_int_equal(
        json_array_size(json_object_get(json_object_get(j, "input"), "findings")), 2);
    assert_int_equal(json_integer_value(json_object_get(j, "ms")), 5);
    json_decref(j);
    pl_exchange_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request__forwards_ordinary_chat),
        cmocka_unit_test(request__blocks_words_wherever_they_stand),
        cmocka_unit_test(request__refuses_malformed_bodies_with_a_reason),
        cmocka_unit_test(request__refuses_duplicate_members),
        cmocka_unit_test(request__answers_in_the_askers_language),
        cmocka_unit_test(block__is_a_complete_chat_answer),
        cmocka_unit_test(block__in_json_mode_is_a_refusal_without_content),
        cmocka_unit_test(block__of_a_stream_ends_with_done),
        cmocka_unit_test(media__is_counted_or_refused_as_the_route_says),
        cmocka_unit_test(event__names_rules_but_no_content),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
