/* The served document against the tables that are enforced: every route of every
 * capability is described, and nothing is described that is not there. */
#include "pl_test.h"

#include "base/str.h"
#include "host/daemon/daemon.h"

#include <ctype.h>

extern const unsigned char pl_host_openapi[];

typedef struct fixture {
    pl_router *r;
    json_t    *doc, *problems;
    pl_error   err;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    char    *text;

    assert_ok(pl_router_new(pl_host_routes, pl_capabilities, &f->r, &f->err), &f->err);
    f->problems = json_array();
    assert_ok(pl_openapi_build((const char *)pl_host_openapi, f->r, pl_capabilities, f->problems,
                               &text, &f->err),
              &f->err);
    assert_ok(pl_json_parse(pl_str_z(text), "document", &f->doc, &f->err), &f->err);
    free(text);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    json_decref(f->doc);
    json_decref(f->problems);
    pl_router_free(f->r);
    free(f);
    return 0;
}

static void lower(const char *method, char out[16])
{
    size_t i = 0;

    for (; method[i] != '\0' && i < 15; i++)
        out[i] = (char)tolower((unsigned char)method[i]);
    out[i] = '\0';
}

static json_t *operation(const json_t *doc, const char *path, const char *method)
{
    char name[16];

    lower(method, name);
    return json_object_get(json_object_get(json_object_get(doc, "paths"), path), name);
}

static void check_described(void *ctx, const pl_route *route)
{
    const fixture *f = ctx;

    if (operation(f->doc, route->path, route->method) == NULL)
        fail_msg("route '%s %s' is not in the document", route->method, route->path);
}

static void openapi__has_fragments_that_agree(void **state)
{
    fixture *f = *state;

    if (json_array_size(f->problems) > 0)
        fail_msg("%s", json_string_value(json_array_get(f->problems, 0)));
}

static void openapi__describes_every_route(void **state)
{
    fixture *f = *state;

    pl_router_each(f->r, check_described, f);
}

typedef struct wanted {
    const char *path, *method;
    bool        is_found;
} wanted;

static void check_route(void *ctx, const pl_route *route)
{
    wanted *w = ctx;
    char    name[16];

    lower(route->method, name);
    w->is_found |= strcmp(name, w->method) == 0 && strcmp(route->path, w->path) == 0;
}

static bool is_method(const char *key)
{
    static const char *const names[] = { "get", "put", "post", "delete", "patch", "head",
                                         "options", "trace" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(key, names[i]) == 0)
            return true;
    return false;
}

static void openapi__describes_nothing_that_is_not_routed(void **state)
{
    fixture    *f = *state;
    const char *path, *key;
    json_t     *methods, *op;

    json_object_foreach(json_object_get(f->doc, "paths"), path, methods)
        json_object_foreach(methods, key, op) {
            wanted w = { path, key, false };

            if (!is_method(key))
                continue;
            pl_router_each(f->r, check_route, &w);
            if (!w.is_found)
                fail_msg("no route for '%s %s'", key, path);
        }
}

static void openapi__gives_every_operation_its_own_id(void **state)
{
    fixture    *f = *state;
    json_t     *seen = json_object(), *methods, *op;
    const char *path, *key;

    json_object_foreach(json_object_get(f->doc, "paths"), path, methods)
        json_object_foreach(methods, key, op) {
            const char *id = json_string_value(json_object_get(op, "operationId"));

            if (!is_method(key))
                continue;
            if (id == NULL || json_object_get(seen, id) != NULL)
                fail_msg("operationId of '%s %s' is missing or taken", key, path);
            (void)json_object_set_new(seen, id, json_true());
            if (json_object_size(json_object_get(op, "responses")) < 2)
                fail_msg("'%s %s' does not say what it answers", key, path);
        }
    json_decref(seen);
}

/* Each {name} of a path is described, in the operation or beside it. */
static void check_parameters(const char *path, const json_t *item, const json_t *op)
{
    pl_str rest = pl_str_z(path), part;

    while (pl_str_split(&rest, '/', &part)) {
        bool          is_found = false;
        const json_t *lists[] = { json_object_get(op, "parameters"),
                                  json_object_get(item, "parameters") };

        if (part.n < 3 || part.p[0] != '{')
            continue;
        for (size_t l = 0; l < 2; l++)
            for (size_t i = 0; i < json_array_size(lists[l]); i++) {
                const json_t *p = json_array_get(lists[l], i);

                is_found |= pl_str_eqz((pl_str){ part.p + 1, part.n - 2 },
                                       json_string_value(json_object_get(p, "name"))) &&
                            json_is_true(json_object_get(p, "required"));
            }
        if (!is_found)
            fail_msg("parameter '%.*s' of '%s' is not described", (int)part.n, part.p, path);
    }
}

static void openapi__describes_path_parameters(void **state)
{
    fixture    *f = *state;
    const char *path, *key;
    json_t     *methods, *op;

    json_object_foreach(json_object_get(f->doc, "paths"), path, methods)
        json_object_foreach(methods, key, op)
            if (is_method(key))
                check_parameters(path, methods, op);
}

/* "#/components/schemas/X" → the object it names. */
static const json_t *resolve(const json_t *doc, const char *ref)
{
    pl_str        rest = pl_str_z(ref), part;
    const json_t *at = doc;

    if (!pl_str_starts(rest, PL_STR("#/")))
        return NULL;
    rest.p += 2, rest.n -= 2;
    while (at != NULL && pl_str_split(&rest, '/', &part)) {
        char name[128];

        (void)snprintf(name, sizeof name, "%.*s", (int)part.n, part.p);
        at = json_object_get(at, name);
    }
    return at;
}

static void check_refs(const json_t *doc, const json_t *j)
{
    const char *key;
    json_t     *v;
    size_t      i;

    if (json_is_array(j))
        json_array_foreach((json_t *)(uintptr_t)j, i, v) check_refs(doc, v);
    json_object_foreach((json_t *)(uintptr_t)j, key, v) {
        if (strcmp(key, "$ref") == 0 && json_is_string(v) &&
            resolve(doc, json_string_value(v)) == NULL)
            fail_msg("nothing at '%s'", json_string_value(v));
        check_refs(doc, v);
    }
}

static void openapi__has_no_dangling_references(void **state)
{
    fixture *f = *state;

    check_refs(f->doc, f->doc);
}

static void openapi__tells_roles_as_the_table_has_them(void **state)
{
    fixture      *f = *state;
    const json_t *op = operation(f->doc, "/healthz", "GET");

    assert_string_equal(json_string_value(json_object_get(f->doc, "openapi")), "3.1.0");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(f->doc, "info"), "version")),
        pl_version());
    assert_int_equal(json_array_size(json_object_get(op, "security")), 0);
    assert_true(json_is_array(json_object_get(op, "security")));
}

/* --- merging, on fragments made for it ----------------------------------------------------------- */

static pl_rc nothing(pl_api_request *q, pl_api_reply *r, pl_error *err)
{
    (void)q, (void)r, (void)err;
    return PL_OK;
}

static const pl_route no_routes[] = { { 0 } };
static const char     empty_host[] = "{\"openapi\":\"3.1.0\",\"info\":{},\"paths\":{}}";

static json_t *build(const pl_capability *const *caps, json_t *problems)
{
    pl_router *r;
    char      *text;
    json_t    *doc;
    pl_error   err = { 0 };

    assert_ok(pl_router_new(no_routes, caps, &r, &err), &err);
    assert_ok(pl_openapi_build(empty_host, r, caps, problems, &text, &err), &err);
    pl_router_free(r);
    assert_ok(pl_json_parse(pl_str_z(text), "document", &doc, &err), &err);
    free(text);
    return doc;
}

static void openapi_build__merges_methods_of_one_path_and_adds_roles(void **state)
{
    static const pl_route      a_routes[] = { { "GET", "/x", PL_ROLES_ANY, nothing }, { 0 } };
    static const pl_route      b_routes[] = { { "POST", "/x", PL_ROLES_OPERATE, nothing },
                                              { 0 } };
    static const pl_capability a = { .name = "a",
                                     .routes = a_routes,
                                     .openapi = "{\"paths\":{\"/x\":{\"get\":{}}}}" };
    static const pl_capability b = { .name = "b",
                                     .routes = b_routes,
                                     .openapi = "{\"paths\":{\"/x\":{\"post\":{}}}}" };
    const pl_capability       *caps[] = { &a, &b, NULL };
    json_t                    *problems = json_array(), *doc = build(caps, problems), *roles;

    (void)state;
    assert_int_equal(json_array_size(problems), 0);
    assert_non_null(operation(doc, "/x", "GET"));
    roles = json_object_get(operation(doc, "/x", "POST"), "x-plumbline-roles");
    assert_int_equal(json_array_size(roles), 2);
    assert_string_equal(json_string_value(json_array_get(roles, 0)), "provider");
    assert_string_equal(json_string_value(json_array_get(roles, 1)), "admin");
    assert_int_equal(json_array_size(json_object_get(operation(doc, "/x", "POST"), "security")),
                     2);
    json_decref(doc);
    json_decref(problems);
}

static void openapi_build__complains_of_two_meanings_and_of_broken_fragments(void **state)
{
    static const pl_capability a = {
        .name = "a", .openapi = "{\"components\":{\"schemas\":{\"T\":{\"type\":\"string\"}}}}"
    };
    static const pl_capability same = {
        .name = "s", .openapi = "{\"components\":{\"schemas\":{\"T\":{\"type\":\"string\"}}}}"
    };
    static const pl_capability b = {
        .name = "b", .openapi = "{\"components\":{\"schemas\":{\"T\":{\"type\":\"integer\"}}}}"
    };
    static const pl_capability broken = { .name = "broken", .openapi = "{\"paths\":" };
    const pl_capability       *agree[] = { &a, &same, NULL }, *differ[] = { &a, &b, &broken, NULL };
    json_t                    *problems = json_array(), *doc, *t;

    (void)state;
    json_decref(build(agree, problems));
    assert_int_equal(json_array_size(problems), 0);
    doc = build(differ, problems);
    assert_int_equal(json_array_size(problems), 2);
    assert_non_null(strstr(json_string_value(json_array_get(problems, 0)), "'T'"));
    assert_non_null(strstr(json_string_value(json_array_get(problems, 1)), "broken"));
    t = json_object_get(
        json_object_get(json_object_get(json_object_get(doc, "components"), "schemas"), "T"),
        "type");
    assert_string_equal(json_string_value(t), "string"); /* the first one stays */
    json_decref(doc);
    json_decref(problems);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(openapi__has_fragments_that_agree),
        T(openapi__describes_every_route),
        T(openapi__describes_nothing_that_is_not_routed),
        T(openapi__gives_every_operation_its_own_id),
        T(openapi__describes_path_parameters),
        T(openapi__has_no_dangling_references),
        T(openapi__tells_roles_as_the_table_has_them),
        cmocka_unit_test(openapi_build__merges_methods_of_one_path_and_adds_roles),
        cmocka_unit_test(openapi_build__complains_of_two_meanings_and_of_broken_fragments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
