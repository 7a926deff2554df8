/* What a policy wants replaced: pseudonyms into requests and back out of answers, masks in answers;
 * and policies that only watch. */
#include "guard_fixture.h"

#include "engine/text/pii.h"

static const char doc[] =
    "{\"id\":\"pii\",\"version\":1,\"packs\":[],\"routes\":[{\"name\":\"default\",\"fail\":\"closed\","
    "\"media\":\"pass\",\"enforce_share\":%d,"
    "\"input\":[{\"category\":\"harm.*\",\"cell\":2},{\"category\":\"pii.email\",\"cell\":%d},"
    "{\"category\":\"pii.cn_mobile\",\"cell\":4}],"
    "\"output\":[{\"category\":\"harm.*\",\"cell\":2},{\"category\":\"pii.*\",\"cell\":%d}],"
    "\"label\":{\"explicit\":false},\"answers\":{\"default\":{\"zh\":\"" ZH_ANSWER "\",\"en\":\""
    EN_ANSWER "\"}}}]}";

static int cell_of(const char *action)
{
    pl_action a;

    assert_int_equal(pl_action_parse(pl_str_z(action), &a), PL_OK);
    return a;
}

static void rule_of(pl_textdb_builder *b, const char *id, const char *category, uint32_t *index)
{
    pl_text_rule r = { pl_str_z(id), pl_str_z(category), 2 };

    assert_int_equal(pl_textdb_builder_rule(b, &r, index, NULL), PL_OK);
}

static pl_policy *policy_of(int share, const char *input, const char *output)
{
    char               path[] = "/tmp/plumbline-policy-XXXXXX", text[2048];
    pl_textdb_builder *b;
    pl_pii_config      pii;
    void              *db, *piid, *image;
    size_t             db_n, piid_n, n;
    uint32_t           harm;
    pl_policy         *p = NULL;
    pl_error           err = { 0 };
    int                fd = mkstemp(path);

    memset(&pii, 0xff, sizeof pii);
    assert_int_equal(pl_textdb_builder_new(&b, NULL), PL_OK);
    rule_of(b, "t.zork", "harm.weapons", &harm);
    rule_of(b, "d.email", "pii.email", &pii.rule[pl_pii_kind_find(PL_STR("pii.email"))]);
    rule_of(b, "d.mobile", "pii.cn_mobile", &pii.rule[pl_pii_kind_find(PL_STR("pii.cn_mobile"))]);
    assert_int_equal(pl_textdb_builder_keyword(b, harm, PL_STR("forbidden zork"), PL_KEYWORD_WORD,
                                               NULL), PL_OK);
    for (int i = 0; i < 256; i++) { /* the end of any pseudonym may begin one */
        char word[16];
        snprintf(word, sizeof word, "%02xzork", i);
        assert_int_equal(pl_textdb_builder_keyword(b, harm, pl_str_z(word), 0, NULL), PL_OK);
    }
    assert_int_equal(pl_textdb_builder_finish(b, &db, &db_n, NULL), PL_OK);
    pl_textdb_builder_free(b);
    assert_int_equal(pl_pii_config_format(&pii, &piid, &piid_n, NULL), PL_OK);
    snprintf(text, sizeof text, doc, share, cell_of(input), cell_of(output));
    pl_policydb_section s[] = { { PL_SECTION_POLICY, pl_str_z(text) },
                                { PL_SECTION_TEXT, { db, db_n } },
                                { PL_SECTION_PII, { piid, piid_n } } };
    assert_int_equal(pl_policydb_build(s, 3, &image, &n, NULL), PL_OK);
    assert_true(write(fd, image, n) == (ssize_t)n);
    close(fd);
    assert_ok(pl_policy_openat(AT_FDCWD, path, &p, &err), &err);
    unlink(path);
    free(db);
    free(piid);
    free(image);
    return p;
}

#define MAIL "ann.lee@example.org"
#define CHAT(s, stream) "{\"model\":\"m\"," stream "\"messages\":[{\"role\":\"user\",\"content\":\"" s "\"}]}"

/* The pseudonym that a forwarded body holds where the mail was. */
static char *pseudonym_in(pl_str body)
{
    const char *at = memmem(body.p, body.n, "EMAIL_", 6);
    size_t      n = 0;

    assert_non_null(at);
    while (n < body.n && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789abcdef", at[n]))
        n++;
    return strndup(at, n);
}

static void request__goes_on_without_what_was_taken_out(void **state)
{
    pl_policy   *p = policy_of(100, "redact", "log");
    pl_exchange *x = fixture_exchange(p);
    pl_str       f;
    json_t      *j = NULL;

    (void)state;
    assert_int_equal(pl_exchange_request(x, PL_STR(CHAT("Write to " MAIL ", then \\u0041nn.Lee@Example.org or call "
                                                        "13812345678.", ""))), PL_EXCHANGE_FORWARD);
    f = pl_exchange_forward(x);
    assert_int_equal(pl_json_parse(f, "body", &j, NULL), PL_OK);
    assert_null(memmem(f.p, f.n, "example", 7));
    assert_null(memmem(f.p, f.n, "13812345678", 11));
    assert_non_null(memmem(f.p, f.n, "138****5678", 11));
    assert_non_null(memmem(f.p, f.n, "Write to EMAIL_", 15));
    assert_string_equal(pl_exchange_verdict(x), "allow");
    assert_non_null(strstr(pl_exchange_event(x, 1)->leaf.p, "\"action\":\"redact\",\"count\":2"));
    json_decref(j);
    pl_exchange_free(x);

    x = fixture_exchange(p);
    assert_int_equal(pl_exchange_request(x, PL_STR(CHAT("nothing here", ""))), PL_EXCHANGE_FORWARD);
    assert_int_equal(pl_exchange_forward(x).n, 0);
    pl_exchange_free(x);
    pl_policy_unref(p);
}

/* A key cannot be replaced, nor what only shows when parts are joined. */
static void request__is_refused_when_something_would_stay(void **state)
{
    static const char *const bodies[] = {
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"" MAIL "\":1}",
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"ann.lee@exam\"},"
        "{\"type\":\"text\",\"text\":\"ple.org\"}]}]}",
    };
    pl_policy *p = policy_of(100, "redact", "log");

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        pl_exchange *x = fixture_exchange(p);
        assert_int_equal(pl_exchange_request(x, pl_str_z(bodies[i])), PL_EXCHANGE_ANSWER);
        assert_string_equal(pl_exchange_verdict(x), "block");
        assert_null(strstr(pl_exchange_body(x).p, "lee@"));
        pl_exchange_free(x);
    }
    pl_policy_unref(p);
}

static void answer__gets_back_what_was_taken_out(void **state)
{
    pl_policy   *p = policy_of(100, "redact", "log");
    pl_exchange *x = fixture_exchange(p);
    pl_buf       out = PL_BUF_INIT(1u << 20);
    char        *name, *body = NULL;

    (void)state;
    assert_int_equal(pl_exchange_request(x, PL_STR(CHAT("I am " MAIL, ""))), PL_EXCHANGE_FORWARD);
    name = pseudonym_in(pl_exchange_forward(x));
    assert_true(asprintf(&body, "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"Hello %s!\",\"tool_calls\":"
                         "[{\"function\":{\"name\":\"mail\",\"arguments\":\"{\\\"to\\\":\\\"%s\\\"}\"}}]}}]}",
                         name, name) > 0);
    pl_exchange_response_begin(x, 200, PL_STR("application/json"), PL_STR(""));
    pl_exchange_response_feed(x, pl_str_z(body), &out, 1);
    pl_exchange_response_end(x, PL_END_COMPLETE, &out, 2);
    assert_non_null(strstr(pl_exchange_body(x).p, "Hello " MAIL "!"));
    assert_non_null(strstr(pl_exchange_body(x).p, "{\\\"to\\\":\\\"" MAIL "\\\"}"));
    assert_null(strstr(pl_exchange_body(x).p, name));
    free(body);
    free(name);
    pl_exchange_free(x);
    pl_buf_done(&out);
    pl_policy_unref(p);
}

#define EVENT(s) "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%.*s\"}}]}\n\n"
#define FINISH   "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"

static void contents_of(const char *sse, pl_buf *out)
{
    for (const char *p = sse; (p = strstr(p, "\"content\":\"")) != NULL;) {
        p += 11;
        size_t n = strcspn(p, "\"");
        pl_buf_put(out, (pl_str){ p, n });
    }
}

/* The text is cut in two at every place; what a client puts together is the same. */
static void streamed(pl_policy *p, const char *question, const char *text, const char *expect,
                     const char *absent)
{
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        pl_exchange *x = fixture_exchange(p);
        pl_buf       out = PL_BUF_INIT(1u << 20), said = PL_BUF_INIT(65536);
        char        *all = NULL, *name = NULL, *body = NULL;

        assert_int_equal(pl_exchange_request(x, pl_str_z(question)), PL_EXCHANGE_FORWARD);
        body = strdup(text);
        if (strstr(text, "EMAIL")) { /* stands for the pseudonym, of the same length */
            name = pseudonym_in(pl_exchange_forward(x));
            assert_int_equal(strlen(name), 18);
            memcpy(strstr(body, "EMAIL"), name, 18);
        }
        assert_true(asprintf(&all, EVENT() EVENT() FINISH, (int)cut, body,
                             (int)strlen(body) - (int)cut, body + cut) > 0);
        pl_exchange_response_begin(x, 200, PL_STR("text/event-stream"), PL_STR(""));
        pl_exchange_response_feed(x, pl_str_z(all), &out, 1);
        pl_exchange_response_end(x, PL_END_COMPLETE, &out, 2);
        contents_of(out.p, &said);
        if (strcmp(said.p, expect) != 0 || (absent && strstr(out.p, absent)))
            fail_msg("cut %zu: '%s' in %s", cut, said.p, out.p);
        assert_string_equal(pl_exchange_verdict(x), "allow");
        free(all);
        free(name);
        free(body);
        pl_exchange_free(x);
        pl_buf_done(&out);
        pl_buf_done(&said);
    }
}

static void stream__gets_back_what_was_taken_out_at_every_cut(void **state)
{
    pl_policy *p = policy_of(100, "redact", "log");

    (void)state;
    streamed(p, CHAT("I am " MAIL, "\"stream\":true,"), "Hello EMAIL_0123456789ab and EM bye",
             "Hello " MAIL " and EM bye", "EMAIL_");
    pl_policy_unref(p);
}

/* Names are random, and what the screen holds back may end inside one. */
static void stream__gets_back_any_name_a_character_at_a_time(void **state)
{
    pl_policy *p = policy_of(100, "redact", "log");

    (void)state;
    for (int i = 0; i < 400; i++) {
        pl_exchange_options o = { .policy = p, .index_key = fixture_key, .max_response = 1u << 20,
                                  .surface = pl_surface_find(PL_STR("chat.completions")),
                                  .id = "01jb00000000000000000000ab" };
        pl_buf all = PL_BUF_INIT(1u << 20), out = PL_BUF_INIT(1u << 20), said = PL_BUF_INIT(65536);
        pl_exchange *x;
        char        *name;

        memcpy(o.salt, &i, sizeof i);
        x = pl_exchange_new(&o);
        assert_int_equal(pl_exchange_request(x, PL_STR(CHAT("I am " MAIL, "\"stream\":true,"))),
                         PL_EXCHANGE_FORWARD);
        name = pseudonym_in(pl_exchange_forward(x));
        pl_buf_printf(&all, EVENT(), 6, i % 2 ? "to mr " : "号码");
        for (size_t k = 0; name[k]; k++)
            pl_buf_printf(&all, EVENT(), 1, name + k);
        pl_buf_puts(&all, FINISH);
        pl_exchange_response_begin(x, 200, PL_STR("text/event-stream"), PL_STR(""));
        pl_exchange_response_feed(x, pl_buf_str(&all), &out, 1);
        pl_exchange_response_end(x, PL_END_COMPLETE, &out, 2);
        contents_of(out.p, &said);
        assert_string_equal(said.p, i % 2 ? "to mr " MAIL : "号码" MAIL);
        free(name);
        pl_exchange_free(x);
        pl_buf_done(&all);
        pl_buf_done(&out);
        pl_buf_done(&said);
    }
    pl_policy_unref(p);
}

static void stream__is_masked_at_every_cut(void **state)
{
    pl_policy *p = policy_of(100, "log", "replace");

    (void)state;
    streamed(p, CHAT("hi", "\"stream\":true,"), "Call 13812345678 now, or bob.ray@example.net.",
             "Call 138****5678 now, or b***@example.net.", "2345");
    pl_policy_unref(p);
}

static void responses__are_masked_where_they_repeat_themselves(void **state)
{
    pl_policy   *p = policy_of(100, "log", "redact");
    pl_exchange *x = fixture_exchange_at(p, "/v1/responses");
    pl_buf       out = PL_BUF_INIT(1u << 20);

    (void)state;
    assert_int_equal(pl_exchange_request(x, PL_STR("{\"input\":\"hi\",\"stream\":true}")),
                     PL_EXCHANGE_FORWARD);
    pl_exchange_response_begin(x, 200, PL_STR("text/event-stream"), PL_STR(""));
    pl_exchange_response_feed(x, PL_STR(
        "data: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"Call 1381234\"}\n\n"
        "data: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"5678 now\"}\n\n"
        "data: {\"type\":\"response.output_text.done\",\"output_index\":0,\"content_index\":0,\"text\":\"Call 13812345678 now\"}\n\n"
        "data: {\"type\":\"response.completed\",\"response\":{\"output\":[{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"Call 13812345678 now\"}]}]}}\n\n"),
        &out, 1);
    assert_true(pl_exchange_ended(x));
    assert_string_equal(pl_exchange_verdict(x), "allow");
    assert_null(strstr(out.p, "12345"));
    assert_non_null(strstr(out.p, "\"text\":\"Call 138****5678 now\"}\n"));
    assert_non_null(strstr(out.p, "\"text\":\"Call 138****5678 now\"}]"));
    pl_exchange_free(x);
    pl_buf_done(&out);
    pl_policy_unref(p);
}

static void whole__is_masked_and_traced_as_shown(void **state)
{
    static const char shown[] = "Call 138****5678 now";
    pl_policy   *p = policy_of(100, "log", "replace");
    pl_exchange *x = fixture_exchange(p), *y = fixture_exchange(p);
    pl_buf       out = PL_BUF_INIT(1024);

    (void)state;
    pl_exchange_request(x, PL_STR(CHAT("hi", "")));
    pl_exchange_response_begin(x, 200, PL_STR("application/json"), PL_STR(""));
    pl_exchange_response_feed(x, PL_STR("{\"choices\":[{\"index\":0,\"message\":{\"content\":\"Call 13812345678 now\"}}]}"), &out, 1);
    pl_exchange_response_end(x, PL_END_COMPLETE, &out, 2);
    assert_string_equal(pl_exchange_body(x).p, "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"Call 138****5678 now\"}}]}");
    pl_exchange_request(y, PL_STR(CHAT("hi", "")));
    pl_exchange_response_begin(y, 200, PL_STR("application/json"), PL_STR(""));
    pl_exchange_response_feed(y, PL_STR("{\"choices\":[{\"index\":0,\"message\":{\"content\":\""), &out, 1);
    pl_exchange_response_feed(y, pl_str_z(shown), &out, 1);
    pl_exchange_response_feed(y, PL_STR("\"}}]}"), &out, 1);
    pl_exchange_response_end(y, PL_END_COMPLETE, &out, 2);
    assert_memory_equal(pl_exchange_event(x, 3)->outputs[0], pl_exchange_event(y, 3)->outputs[0], 32);
    pl_exchange_free(x);
    pl_exchange_free(y);
    pl_buf_done(&out);
    pl_policy_unref(p);
}

/* Where nothing can stand in its place, the finding blocks. */
static void arguments__that_hold_it_are_refused(void **state)
{
    pl_policy   *p = policy_of(100, "log", "replace");
    pl_exchange *x = fixture_exchange(p);
    pl_buf       out = PL_BUF_INIT(1024);

    (void)state;
    pl_exchange_request(x, PL_STR(CHAT("hi", "")));
    pl_exchange_response_begin(x, 200, PL_STR("application/json"), PL_STR(""));
    pl_exchange_response_feed(x, PL_STR("{\"choices\":[{\"index\":0,\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"f\","
        "\"arguments\":\"{\\\"n\\\":\\\"13812345678\\\"}\"}}]}}]}"), &out, 1);
    pl_exchange_response_end(x, PL_END_COMPLETE, &out, 2);
    assert_string_equal(pl_exchange_verdict(x), "block");
    pl_exchange_free(x);
    pl_buf_done(&out);
    pl_policy_unref(p);
}

static void shadow__records_and_does_not_act(void **state)
{
    pl_policy   *p = policy_of(0, "redact", "replace");
    pl_exchange *x = fixture_exchange(p);
    const char  *leaf;
    pl_buf       out = PL_BUF_INIT(1024);

    (void)state;
    assert_int_equal(pl_exchange_request(x, PL_STR(CHAT("forbidden zork to " MAIL, ""))), PL_EXCHANGE_FORWARD);
    assert_int_equal(pl_exchange_forward(x).n, 0);
    pl_exchange_response_begin(x, 200, PL_STR("application/json"), PL_STR(""));
    pl_exchange_response_feed(x, PL_STR("{\"choices\":[{\"index\":0,\"message\":{\"content\":\"13812345678\"}}]}"), &out, 1);
    pl_exchange_response_end(x, PL_END_COMPLETE, &out, 2);
    assert_non_null(strstr(pl_exchange_body(x).p, "13812345678"));
    leaf = pl_exchange_event(x, 3)->leaf.p;
    assert_non_null(strstr(leaf, "\"mode\":\"shadow\",\"verdict\":\"allow\""));
    assert_non_null(strstr(leaf, "\"action\":\"block\""));
    assert_non_null(strstr(leaf, "\"action\":\"replace\""));
    pl_exchange_free(x);
    pl_buf_done(&out);
    pl_policy_unref(p);
}

static void share__decides_by_the_id(void **state)
{
    pl_policy *p = policy_of(30, "log", "log");
    int        acted = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        pl_exchange_options o = { .policy = p, .surface = pl_surface_find(PL_STR("messages")),
                                  .index_key = fixture_key, .max_response = 4096 };
        snprintf(o.id, sizeof o.id, "01jb0000000000%012d", i * 7919);
        pl_exchange *x = pl_exchange_new(&o);
        acted += pl_exchange_request(x, PL_STR("{\"messages\":[{\"role\":\"user\",\"content\":\"forbidden zork\"}]}")) ==
                 PL_EXCHANGE_ANSWER;
        pl_exchange_free(x);
    }
    assert_in_range(acted, 250, 350);
    pl_policy_unref(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request__goes_on_without_what_was_taken_out),
        cmocka_unit_test(request__is_refused_when_something_would_stay),
        cmocka_unit_test(answer__gets_back_what_was_taken_out),
        cmocka_unit_test(stream__gets_back_what_was_taken_out_at_every_cut),
        cmocka_unit_test(stream__gets_back_any_name_a_character_at_a_time),
        cmocka_unit_test(stream__is_masked_at_every_cut),
        cmocka_unit_test(responses__are_masked_where_they_repeat_themselves),
        cmocka_unit_test(whole__is_masked_and_traced_as_shown),
        cmocka_unit_test(arguments__that_hold_it_are_refused),
        cmocka_unit_test(shadow__records_and_does_not_act),
        cmocka_unit_test(share__decides_by_the_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
