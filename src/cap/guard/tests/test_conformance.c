/* The conformance corpus (tests/conformance) in-process: every case, streams cut at every byte. */
#include "guard_fixture.h"

#include "base/file.h"

#define FOLDER PL_TEST_SOURCE_ROOT "/tests/conformance/"
#define A_TEXT "禁用"
#define B_TEXT "测试词"
#define A_ESC  "\\u7981\\u7528"
#define B_ESC  "\\u6d4b\\u8bd5\\u8bcd"

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

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "";
}

/* A text of the corpus with our phrase in it; the result is malloc'd. */
static char *filled(const char *s, size_t *n)
{
    static const struct {
        const char *place, *text;
    } places[] = { { "{{A}}", A_TEXT }, { "{{B}}", B_TEXT }, { "{{A:u}}", A_ESC },
                   { "{{B:u}}", B_ESC }, { "{{10MB}}", NULL } };
    pl_buf b = PL_BUF_INIT(32u << 20);

    for (const char *at; (at = strstr(s, "{{")) != NULL;) {
        size_t i = 0;

        pl_buf_put(&b, (pl_str){ s, (size_t)(at - s) });
        while (i < 5 && strncmp(at, places[i].place, strlen(places[i].place)) != 0)
            i++;
        s = at + (i < 5 ? strlen(places[i].place) : 2);
        if (i == 4)
            for (int k = 0; k < 1250000; k++)
                pl_buf_puts(&b, "letters ");
        else
            pl_buf_puts(&b, i < 5 ? places[i].text : "{{");
    }
    pl_buf_puts(&b, s);
    *n = b.n;
    if (!b.p) /* an empty text */
        return strdup("");
    return b.p;
}

/* Not one half of what must not be said, in no spelling. */
static void never_says(const json_t *c, pl_str out)
{
    static const char *const parts[] = { B_TEXT, B_ESC, A_TEXT, A_ESC, "测", "\\u6d4b" };

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (out.n && memmem(out.p, out.n, parts[i], strlen(parts[i])))
            fail_msg("%s says it: %.*s", text_of(c, "id"), (int)out.n, out.p);
}

static void expect_verdict(const json_t *c, const pl_exchange *x, const pl_buf *out)
{
    const char *outcome = text_of(json_object_get(c, "expect"), "outcome");
    const char *verdict = pl_exchange_verdict(x);
    bool        ok = strcmp(outcome, "answer") == 0    ? verdict[0] == 'a'
                     : strcmp(outcome, "refused") == 0 ? verdict[0] == 'b'
                     : strcmp(outcome, "error") == 0   ? verdict[0] == 'e' || verdict[0] == 'r'
                     : strcmp(outcome, "withheld") == 0 ? verdict[0] != 'a'
                                                       : true;

    if (!ok)
        fail_msg("%s: %s instead of %s: %s%s", text_of(c, "id"), verdict, outcome,
                 pl_exchange_body(x).p, out->n ? out->p : "");
    if (strcmp(outcome, "answer") != 0 && strcmp(outcome, "any") != 0) {
        never_says(c, pl_exchange_body(x));
        never_says(c, pl_buf_str(out));
    }
}

static pl_exchange *asked(const json_t *c)
{
    pl_exchange *x = fixture_exchange_at(policy, text_of(c, "path"));
    size_t       n;
    char        *body = filled(text_of(json_object_get(c, "request"), "body"), &n);

    (void)pl_exchange_request(x, (pl_str){ body, n });
    free(body);
    return x;
}

static void request_case(const json_t *c)
{
    pl_exchange *x = asked(c);
    pl_buf       none = { 0 };

    expect_verdict(c, x, &none);
    pl_exchange_free(x);
}

/* Feeds [0, split) and the rest, or single bytes when split is n. */
static void answer_run(const json_t *c, pl_str body, size_t split, pl_response_end how)
{
    const json_t *up = json_object_get(c, "upstream");
    json_int_t    status = json_integer_value(json_object_get(up, "status"));
    pl_exchange  *x = asked(c);
    pl_buf        out = PL_BUF_INIT(64u << 20);

    (void)pl_exchange_response_begin(x, status ? (int)status : 200, pl_str_z(text_of(up, "type")),
                                     pl_str_z(text_of(up, "encoding")));
    if (split < body.n) {
        pl_exchange_response_feed(x, (pl_str){ body.p, split }, &out, 1);
        pl_exchange_response_feed(x, (pl_str){ body.p + split, body.n - split }, &out, 2);
    } else {
        for (size_t i = 0; i < body.n; i++)
            pl_exchange_response_feed(x, (pl_str){ body.p + i, 1 }, &out, 1);
    }
    pl_exchange_response_end(x, how, &out, 3);
    expect_verdict(c, x, &out);
    pl_exchange_free(x);
    pl_buf_done(&out);
}

static void answer_case(const json_t *c)
{
    const json_t   *up = json_object_get(c, "upstream"), *sent = json_object_get(up, "sent");
    bool            every = json_object_get(c, "splits") != NULL;
    pl_response_end how = json_object_get(up, "end") || json_object_get(up, "length")
                              ? PL_END_TRUNCATED : PL_END_COMPLETE;
    size_t          n;
    char           *body = filled(text_of(up, "body"), &n);

    if (sent)
        n = json_integer_value(sent) < 0 ? 0 : (size_t)json_integer_value(sent);
    answer_run(c, (pl_str){ body, n }, 0, how);
    for (size_t i = 1; every && i <= n; i++)
        answer_run(c, (pl_str){ body, n }, i, how);
    free(body);
}

static void run_file(const char *name, void (*run)(const json_t *c), int least)
{
    char     path[512], *text = NULL;
    size_t   n = 0;
    pl_str   rest, line;
    pl_error err;
    int      cases = 0;

    snprintf(path, sizeof path, "%s%s", FOLDER, name);
    assert_ok(pl_file_read(path, 64u << 20, &text, &n, &err), &err);
    rest = (pl_str){ text, n };
    while (pl_str_split(&rest, '\n', &line)) {
        json_t *c = NULL;

        if (line.n == 0)
            continue;
        assert_ok(pl_json_parse(line, name, &c, &err), &err);
        run(c);
        json_decref(c);
        cases++;
    }
    assert_true(cases >= least);
    free(text);
}

static void requests__are_judged_as_the_corpus_says(void **state)
{
    (void)state;
    run_file("requests.jsonl", request_case, 500);
}

static void answers__are_judged_as_the_corpus_says(void **state)
{
    (void)state;
    run_file("answers.jsonl", answer_case, 300);
}

static void streams__are_judged_as_the_corpus_says_at_every_split(void **state)
{
    (void)state;
    run_file("streams.jsonl", answer_case, 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests__are_judged_as_the_corpus_says),
        cmocka_unit_test(answers__are_judged_as_the_corpus_says),
        cmocka_unit_test(streams__are_judged_as_the_corpus_says_at_every_split),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
