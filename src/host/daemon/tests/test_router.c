#include "pl_test.h"

#include "base/str.h"
#include "host/daemon/router.h"

static pl_rc nothing(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    (void)q, (void)r, (void)err;
    return PL_OK;
}

static const pl_route host_routes[] = {
    { "GET", "/healthz", 0, nothing },
    { "GET", "/", 0, nothing },
    { 0 },
};

static const pl_route thing_routes[] = {
    { "GET", "/api/v1/things", 0, nothing },
    { "POST", "/api/v1/things", 0, nothing },
    { "GET", "/api/v1/things/{id}", 0, nothing },
    { "DELETE", "/api/v1/things/{id}", 0, nothing },
    { "GET", "/api/v1/things/latest", 0, nothing },
    { "POST", "/api/v1/things/{id}/parts/{part}", 0, nothing },
    { 0 },
};

static const pl_capability things = { .name = "things", .routes = thing_routes };
static const pl_capability idle = { .name = "idle" };

typedef struct fixture {
    pl_router *r;
    pl_arena  *a;
    pl_match   m;
} fixture;

static int setup(void **state)
{
    const pl_capability *caps[] = { &idle, &things, NULL };
    fixture             *f = calloc(1, sizeof *f);
    pl_error             err = { 0 };

    assert_ok(pl_router_new(host_routes, caps, &f->r, &err), &err);
    f->a = pl_arena_new(1 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    pl_router_free(f->r);
    pl_arena_free(f->a);
    free(f);
    return 0;
}

static pl_route_result find(fixture *f, const char *method, const char *path)
{
    return pl_router_find(f->r, method, pl_str_z(path), f->a, &f->m);
}

static void router_find__matches_whole_paths(void **state)
{
    fixture *f = *state;

    assert_int_equal(find(f, "GET", "/healthz"), PL_ROUTE_FOUND);
    assert_true(f->m.is_host);
    assert_int_equal(find(f, "GET", "/api/v1/things"), PL_ROUTE_FOUND);
    assert_false(f->m.is_host);
    assert_ptr_equal(f->m.route, &thing_routes[0]);
    assert_int_equal(find(f, "GET", "/"), PL_ROUTE_FOUND);
}

static void router_find__does_not_match_more_or_less(void **state)
{
    static const char *const paths[] = {
        "",         "healthz",           "/healthz/",          "//healthz",
        "/health",  "/api/v1/things/",   "/api/v1//things",    "/api/v1/things/1/parts",
        "/API/v1/things", "/api/v1/things/1/parts/2/3", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p",
        "/api/v1/things//parts/2", "//", "/../healthz",
    };
    fixture *f = *state;

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (find(f, "GET", paths[i]) != PL_ROUTE_NO_PATH)
            fail_msg("'%s' found a route", paths[i]);
}

static void router_find__gives_parameters_in_order(void **state)
{
    fixture *f = *state;

    assert_int_equal(find(f, "POST", "/api/v1/things/a-1/parts/b.2"), PL_ROUTE_FOUND);
    assert_str(f->m.param[0], "a-1");
    assert_str(f->m.param[1], "b.2");
}

static void router_find__decodes_parameters_after_splitting(void **state)
{
    fixture *f = *state;

    assert_int_equal(find(f, "GET", "/api/v1/things/a%2Fb%20%E5%87%86+"), PL_ROUTE_FOUND);
    assert_str(f->m.param[0], "a/b 准+");
    assert_int_equal(find(f, "GET", "/%68ealthz"), PL_ROUTE_FOUND);
}

static void router_find__refuses_malformed_escapes(void **state)
{
    static const char *const paths[] = { "/api/v1/things/%",   "/api/v1/things/%4",
                                         "/api/v1/things/%zz", "/api/v1/things/a%00b",
                                         "/api/v1/things/%ff", "/api/v1/things/\xff" };
    fixture *f = *state;

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (find(f, "GET", paths[i]) != PL_ROUTE_BAD_PATH)
            fail_msg("'%s' was taken", paths[i]);
}

static void router_find__prefers_literals_to_parameters(void **state)
{
    fixture *f = *state;

    assert_int_equal(find(f, "GET", "/api/v1/things/latest"), PL_ROUTE_FOUND);
    assert_string_equal(f->m.route->path, "/api/v1/things/latest");
    /* but another method of the same path still reaches the parameter */
    assert_int_equal(find(f, "DELETE", "/api/v1/things/latest"), PL_ROUTE_FOUND);
    assert_str(f->m.param[0], "latest");
}

static void router_find__names_the_methods_of_a_path(void **state)
{
    fixture *f = *state;

    assert_int_equal(find(f, "PUT", "/api/v1/things"), PL_ROUTE_NO_METHOD);
    assert_string_equal(f->m.allow, "GET, HEAD, POST");
    assert_int_equal(find(f, "PATCH", "/api/v1/things/1"), PL_ROUTE_NO_METHOD);
    assert_string_equal(f->m.allow, "GET, HEAD, DELETE");
    assert_int_equal(find(f, "GET", "/api/v1/things/1/parts/2"), PL_ROUTE_NO_METHOD);
    assert_string_equal(f->m.allow, "POST");
}

static void router_find__answers_head_by_get(void **state)
{
    fixture *f = *state;

    assert_int_equal(find(f, "HEAD", "/healthz"), PL_ROUTE_FOUND);
    assert_int_equal(find(f, "HEAD", "/api/v1/things/1/parts/2"), PL_ROUTE_NO_METHOD);
}

static void router_new__refuses_two_routes_for_one_request(void **state)
{
    static const pl_route      again[] = { { "GET", "/api/v1/things/{other}", 0, nothing },
                                           { 0 } };
    static const pl_capability twin = { .name = "twin", .routes = again };
    const pl_capability       *caps[] = { &things, &twin, NULL };
    pl_router                 *r;
    pl_error                   err = { 0 };

    (void)state;
    assert_rc(pl_router_new(host_routes, caps, &r, &err), PL_CONFLICT);
    assert_non_null(strstr(err.text, "/api/v1/things/{other}"));
}

static void router_new__refuses_malformed_patterns(void **state)
{
    static const char *const bad[] = { "healthz", "/a//b", "/a/{", "/a/{}", "/a/{id", "/a/",
                                       "/{a}/{b}/{c}/{d}/{e}" };
    const pl_capability *caps[] = { NULL };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const pl_route routes[] = { { "GET", bad[i], 0, nothing }, { 0 } };
        pl_router     *r;

        if (pl_router_new(routes, caps, &r, NULL) != PL_INVALID)
            fail_msg("pattern '%s' was taken", bad[i]);
    }
}

/* --- targets ----------------------------------------------------------------------------------- */

static void query_find__decodes_the_first_of_a_name(void **state)
{
    fixture *f = *state;
    pl_str   path, query;

    pl_target_split(PL_STR("/x?a=1&b=%E4%B8%AD+%2B&a=2&c&=d&%65=5"), &path, &query);
    assert_str(path, "/x");
    assert_string_equal(pl_query_find(query, "a", f->a), "1");
    assert_string_equal(pl_query_find(query, "b", f->a), "中 +");
    assert_string_equal(pl_query_find(query, "c", f->a), "");
    assert_string_equal(pl_query_find(query, "e", f->a), "5");
    assert_null(pl_query_find(query, "d", f->a));
    assert_null(pl_query_find(PL_STR(""), "a", f->a));
    assert_null(pl_query_find(PL_STR("a=%0"), "a", f->a));
}

static void target_split__keeps_later_question_marks(void **state)
{
    pl_str path, query;

    (void)state;
    pl_target_split(PL_STR("/x?a=b?c"), &path, &query);
    assert_str(query, "a=b?c");
    pl_target_split(PL_STR(""), &path, &query);
    assert_str(path, "");
    pl_target_split(PL_STR("?"), &path, &query);
    assert_str(query, "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(router_find__matches_whole_paths),
        T(router_find__does_not_match_more_or_less),
        T(router_find__gives_parameters_in_order),
        T(router_find__decodes_parameters_after_splitting),
        T(router_find__refuses_malformed_escapes),
        T(router_find__prefers_literals_to_parameters),
        T(router_find__names_the_methods_of_a_path),
        T(router_find__answers_head_by_get),
        cmocka_unit_test(router_new__refuses_two_routes_for_one_request),
        cmocka_unit_test(router_new__refuses_malformed_patterns),
        T(query_find__decodes_the_first_of_a_name),
        cmocka_unit_test(target_split__keeps_later_question_marks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
