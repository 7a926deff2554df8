#include "pl_test.h"

#include "base/str.h"
#include "host/daemon/http.h"

static void http_status__follows_the_table(void **state)
{
    (void)state;
    assert_int_equal(pl_http_status(PL_OK), 200);
    assert_int_equal(pl_http_status(PL_NOTFOUND), 404);
    assert_int_equal(pl_http_status(PL_CONFLICT), 409);
    assert_int_equal(pl_http_status(PL_INVALID), 400);
    assert_int_equal(pl_http_status(PL_DENIED), 403);
    assert_int_equal(pl_http_status(PL_LIMIT), 429);
    assert_int_equal(pl_http_status(PL_FULL), 503);
    assert_int_equal(pl_http_status(PL_IO), 503);
    assert_int_equal(pl_http_status(PL_NOMEM), 503);
}

static void http_lang__follows_quality(void **state)
{
    static const struct {
        const char *header, *lang;
    } cases[] = {
        { NULL, "en" },
        { "", "en" },
        { "zh", "zh-CN" },
        { "zh-CN,zh;q=0.9,en;q=0.8", "zh-CN" },
        { "en-US,en;q=0.9,zh;q=0.8", "en" },
        { "en;q=0.2, zh-TW;q=0.7", "zh-CN" },
        { "de, fr;q=0.5", "en" },
        { "zh;q=0", "en" },
        { "ZH-cn", "zh-CN" },
        { "zha", "en" },
        { "zh;q=0.95,en;q=0.94", "zh-CN" },
        { "zh;q=x", "en" },
        { ",;,;q=", "en" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(pl_http_lang(cases[i].header), cases[i].lang);
}

static void http_is_json__knows_the_type_with_parameters(void **state)
{
    (void)state;
    assert_true(pl_http_is_json("application/json"));
    assert_true(pl_http_is_json("Application/JSON; charset=utf-8"));
    assert_false(pl_http_is_json("text/plain"));
    assert_false(pl_http_is_json("application/jsonp"));
    assert_false(pl_http_is_json("application/x-www-form-urlencoded"));
    assert_false(pl_http_is_json(NULL));
    assert_false(pl_http_is_json(""));
}

static void http_problem__is_a_problem_document_in_the_readers_language(void **state)
{
    pl_http_out out = { .body = PL_BUF_INIT(1000) };
    json_t     *j;
    pl_error    err = { 0 };

    (void)state;
    memcpy(out.set_cookie[0], "a=b", 4);
    pl_buf_puts(&out.body, "half an answer");
    pl_http_problem(&out, 404, "zh-CN", "no such \"thing\"", PL_STR("/api/v1/x"));
    assert_int_equal(out.status, 404);
    assert_string_equal(out.content_type, "application/problem+json");
    assert_string_equal(out.lang, "zh-CN");
    assert_string_equal(out.set_cookie[0], "");
    assert_ok(pl_json_parse(pl_buf_str(&out.body), "answer", &j, &err), &err);
    assert_string_equal(json_string_value(json_object_get(j, "type")), "about:blank");
    assert_string_equal(json_string_value(json_object_get(j, "title")), "未找到");
    assert_int_equal(json_integer_value(json_object_get(j, "status")), 404);
    assert_string_equal(json_string_value(json_object_get(j, "detail")), "no such \"thing\"");
    assert_string_equal(json_string_value(json_object_get(j, "instance")), "/api/v1/x");
    json_decref(j);
    pl_http_out_done(&out);
}

static void http_problem__stays_json_when_the_path_is_not_text(void **state)
{
    pl_http_out out = { 0 };
    json_t     *j;
    pl_error    err = { 0 };

    (void)state;
    pl_http_problem(&out, 400, "en", NULL, PL_STR("/\xff\xfe"));
    assert_ok(pl_json_parse(pl_buf_str(&out.body), "answer", &j, &err), &err);
    assert_string_equal(json_string_value(json_object_get(j, "title")), "Bad Request");
    assert_null(json_object_get(j, "instance"));
    json_decref(j);
    pl_http_out_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http_status__follows_the_table),
        cmocka_unit_test(http_lang__follows_quality),
        cmocka_unit_test(http_is_json__knows_the_type_with_parameters),
        cmocka_unit_test(http_problem__is_a_problem_document_in_the_readers_language),
        cmocka_unit_test(http_problem__stays_json_when_the_path_is_not_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
