/* One OpenAPI document out of the fragments of the capabilities. */
#include "base/banned.h"

#include "base/str.h"
#include "host/daemon/daemon.h"

/* --- merging ------------------------------------------------------------------------------- */

/* Adds the members of `from` to `into`. Two fragments may name the same thing only if they
 * say the same about it. */
static pl_rc merge_members(json_t *into, const json_t *from, const char *what, pl_error *err)
{
    const char *key;
    json_t     *value;

    json_object_foreach((json_t *)(uintptr_t)from, key, value) {
        const json_t *have = json_object_get(into, key);

        if (have != NULL && !json_equal(have, value))
            return pl_fail(err, PL_CONFLICT, "two descriptions of %s '%s'", what, key);
        if (have == NULL && json_object_set(into, key, value) != 0)
            return pl_fail(err, PL_NOMEM, "out of memory");
    }
    return PL_OK;
}

static json_t *member(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    if (value != NULL)
        return value;
    if (json_object_set_new(object, key, json_object()) != 0)
        return NULL;
    return json_object_get(object, key);
}

static pl_rc merge_paths(json_t *doc, const json_t *fragment, pl_error *err)
{
    json_t     *paths = member(doc, "paths"), *methods;
    const char *path;

    json_object_foreach(json_object_get(fragment, "paths"), path, methods) {
        pl_rc rc = merge_members(member(paths, path), methods, path, err);

        if (rc != PL_OK)
            return rc;
    }
    return PL_OK;
}

static pl_rc merge_components(json_t *doc, const json_t *fragment, pl_error *err)
{
    json_t     *components = member(doc, "components"), *group;
    const char *kind;

    json_object_foreach(json_object_get(fragment, "components"), kind, group) {
        pl_rc rc = merge_members(member(components, kind), group, kind, err);

        if (rc != PL_OK)
            return rc;
    }
    return PL_OK;
}

static pl_rc merge_fragment(json_t *doc, const char *text, const char *where, pl_error *err)
{
    json_t *fragment;
    pl_rc   rc = pl_json_parse(pl_str_z(text), where, &fragment, err);

    if (rc != PL_OK)
        return rc;
    rc = merge_paths(doc, fragment, err);
    if (rc == PL_OK)
        rc = merge_components(doc, fragment, err);
    json_decref(fragment);
    return rc;
}

/* --- what the route table knows ----------------------------------------------------------------- */

static json_t *operation(json_t *doc, const pl_route *route)
{
    static const struct {
        const char *upper, *lower;
    } names[] = { { "GET", "get" },   { "POST", "post" },     { "PUT", "put" },
                  { "PATCH", "patch" }, { "DELETE", "delete" } };
    json_t *methods = json_object_get(json_object_get(doc, "paths"), route->path);

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(route->method, names[i].upper) == 0)
            return json_object_get(methods, names[i].lower);
    return NULL;
}

static json_t *role_names(unsigned roles)
{
    json_t *a = json_array();

    for (unsigned role = PL_ROLE_PUBLIC; role <= PL_ROLE_ADMIN; role <<= 1)
        if (roles & role)
            (void)json_array_append_new(a, json_string(pl_role_name(role)));
    return a;
}

/* Written from the table that is enforced, so the document cannot promise otherwise. A
 * route without an operation is left to the unit test to complain about. */
static void decorate(void *ctx, const pl_route *route)
{
    json_t *op = operation(ctx, route), *responses;

    if (op == NULL)
        return;
    (void)json_object_set_new(op, "security",
                              route->roles == PL_ROLES_ANY
                                  ? json_array()
                                  : json_pack("[{s:[]}, {s:[]}]", "session", "token"));
    (void)json_object_set_new(op, "x-plumbline-roles", role_names(route->roles));
    responses = member(op, "responses");
    if (json_object_get(responses, "default") == NULL)
        (void)json_object_set_new(responses, "default",
                                  json_pack("{s:s}", "$ref", "#/components/responses/Problem"));
}

static pl_rc merge_all(json_t *doc, const pl_capability *const *capabilities, pl_error *err)
{
    pl_rc rc = PL_OK;

    for (size_t i = 0; rc == PL_OK && capabilities[i] != NULL; i++)
        if (capabilities[i]->openapi != NULL)
            rc = merge_fragment(doc, capabilities[i]->openapi, capabilities[i]->name, err);
    return rc;
}

pl_rc pl_openapi_build(const char *host_fragment, const pl_router *router,
                       const pl_capability *const *capabilities, char **out, pl_error *err)
{
    json_t *doc;
    pl_rc   rc = pl_json_parse(pl_str_z(host_fragment), "host", &doc, err);

    if (rc != PL_OK)
        return rc;
    rc = merge_all(doc, capabilities, err);
    if (rc == PL_OK) {
        (void)json_object_set_new(json_object_get(doc, "info"), "version",
                                  json_string(pl_version()));
        pl_router_each(router, decorate, doc);
        *out = pl_json_dump(doc);
        rc = *out != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
    }
    json_decref(doc);
    return rc;
}
