/* What a policy does with what was found: every action, periods, tenants, second opinions. */
#include "guard_fixture.h"

#include "base/file.h"
#include "cap/guard/guard_int.h"

#include <sys/stat.h>

#define WORDS "id\ttext\tcategory\tlang\tseverity\tsource\tupdated\tflags\n" \
    "w1\tzork\tharm.weapons\ten\t3\town\t2026-01-01\tword\n" \
    "w2\tgrue\tharm.fraud\ten\t3\town\t2026-01-01\tword\n" \
    "w3\tplugh\tharm.privacy\ten\t3\town\t2026-01-01\tword\n"
#define HEAD    "policy: p\nversion: 1\npacks: [own]\n"
#define REST    "    label: {explicit: false}\n    answers: {default: {zh: 不行, en: \"no\"}}\n"
#define NOON    1790000000000 /* 2026-09-21T14:13:20Z */

static char folder[] = "/tmp/plumbline-actions-XXXXXX";

static void put_file(const char *name, const char *text)
{
    char     path[256];
    pl_error err;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_ok(pl_file_write_atomic(path, pl_str_z(text), 0600, &err), &err);
}

/* A lexicon of invented words: weapons "zork", fraud "grue", privacy "plugh". */
static int setup(void **state)
{
    char path[256];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/own", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    put_file("own/pack.yaml", "id: own\nversion: \"1\"\nkind: lexicon\nlicence: Apache-2.0\ntitle: {zh: 测试, en: test}\n"
                              "sources: [{id: own, title: test, evidence: P, date: \"2026-01-01\"}]\n"
                              "in_force: {from: \"2026-01-01\", to: null}\njurisdiction: any\nlegal_weight: none\n");
    put_file("own/entries.tsv", WORDS);
    return 0;
}

static int teardown(void **state)
{
    char command[300];

    (void)state;
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static pl_rc compile(const char *source, void **image, size_t *n, pl_error *err)
{
    const char *folders[] = { folder, PL_TEST_SOURCE_ROOT "/packs", NULL };
    char        path[256];

    put_file("source.yaml", source);
    snprintf(path, sizeof path, "%s/source.yaml", folder);
    return pl_policy_compile(path, folders, image, n, err);
}

static pl_policy *policy_of(const char *source)
{
    char       path[256];
    void      *image = NULL;
    size_t     n = 0;
    pl_policy *p = NULL;
    pl_error   err = { 0 };

    assert_ok(compile(source, &image, &n, &err), &err);
    snprintf(path, sizeof path, "%s/policy.db", folder);
    assert_ok(pl_file_write_atomic(path, (pl_str){ image, n }, 0600, &err), &err);
    assert_ok(pl_policy_openat(AT_FDCWD, path, &p, &err), &err);
    free(image);
    return p;
}

static void refused(const char *source, const char *why)
{
    void    *image = NULL;
    size_t   n = 0;
    pl_error err = { 0 };

    assert_int_equal(compile(source, &image, &n, &err), PL_INVALID);
    if (!strstr(err.text, why))
        fail_msg("'%s' does not say '%s'", err.text, why);
}

static pl_exchange *begin(pl_policy *p, const char *tenant, int64_t now_ms)
{
    pl_exchange_options o = { .policy = p, .route = 0, .route_name = PL_STR("default"),
                              .surface = pl_surface_find(PL_STR("chat.completions")),
                              .service = PL_STR("svc"), .id = "01jb00000000000000000000ab",
                              .tenant = pl_str_z(tenant), .now_ms = now_ms,
                              .index_key = fixture_key, .max_response = 1u << 20 };
    pl_exchange *x = pl_exchange_new(&o);

    assert_non_null(x);
    return x;
}

static pl_str request(const char *word)
{
    static char body[256];

    snprintf(body, sizeof body, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"say %s now\"}]}", word);
    return pl_str_z(body);
}

static json_t *event_of(pl_exchange *x)
{
    json_t  *j = NULL;
    pl_error err;

    assert_ok(pl_json_parse(pl_exchange_event(x, NOON)->leaf, "event", &j, &err), &err);
    return j;
}

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

/* --- second opinions --------------------------------------------------------------------------------- */

#define ASKS HEAD "routes:\n  default:\n    second_opinion: {model: guard-1, prompt: \"Is this safe?\\n{text}\\nAnswer safe or unsafe.\"}\n" \
    "    input:\n      - {category: harm.weapons, action: second_opinion}\n" \
    "      - {category: harm.fraud, action: second_opinion, fail: open}\n" \
    "      - {category: harm.privacy, action: block}\n    output: [{category: \"*\", action: log}]\n" REST

static void second_opinion__decides_or_leaves_it_to_the_rules_fail_mode(void **state)
{
    pl_policy *p = policy_of(ASKS);
    static const struct {
        const char *word;
        pl_opinion  says;
        bool        blocks, bypass;
    } rows[] = {
        { "zork", PL_OPINION_SAFE, false, false },  { "zork", PL_OPINION_UNSAFE, true, false },
        { "zork", PL_OPINION_NONE, true, false },   { "grue", PL_OPINION_NONE, false, true },
        { "grue", PL_OPINION_UNSAFE, true, false }, { "grue and zork", PL_OPINION_NONE, true, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pl_exchange *x = begin(p, "", NOON);
        json_t      *event;

        assert_int_equal(pl_exchange_request(x, request(rows[i].word)), PL_EXCHANGE_ASK);
        assert_int_equal(pl_exchange_opinion(x, rows[i].says, request(rows[i].word)),
                         rows[i].blocks ? PL_EXCHANGE_ANSWER : PL_EXCHANGE_FORWARD);
        event = event_of(x);
        assert_non_null(json_object_get(event, "second_opinion"));
        assert_int_equal(json_array_size(json_object_get(event, "bypasses")), rows[i].bypass);
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
        { HEAD "routes:\n  default:\n    second_opinion: {model: m, prompt: \"{text}\"}\n    input: [{category: a, action: log}]\n"
               "    output: [{category: \"*\", action: second_opinion}]\n" REST, "asked about requests" },
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
        cmocka_unit_test(second_opinion__decides_or_leaves_it_to_the_rules_fail_mode),
        cmocka_unit_test(second_opinion__is_asked_about_the_text_and_only_when_nothing_blocks),
        cmocka_unit_test(second_opinion__without_a_question_of_the_right_size_is_none),
        cmocka_unit_test(opinion_read__takes_two_forms_and_nothing_else),
        cmocka_unit_test(fail__of_a_rule_decides_for_its_direction),
        cmocka_unit_test(mistakes__are_named_where_they_are),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
