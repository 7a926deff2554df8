/* One OpenAPI document out of the fragments of the capabilities. */
#include "base/banned.h"

#include "base/str.h"
#include "host/daemon/daemon.h"

/* --- merging ------------------------------------------------------------------------------- */

typedef struct merge {
    json_t     *doc;
    json_t     *problems; /* array of sentences */
    const char *from;     /* name of the capability whose fragment it is */
} merge;

static void complain(const merge *m, const char *what, const char *key)
{
    char text[256];

    (void)snprintf(text, sizeof text, "'%s' describes %s '%s' again, differently", m->from, what,
                   key);
    (void)json_array_append_new(m->problems, json_string(text));
}

/* Adds the members of `from` to `into`. Two fragments may name the same thing only if they
 * say the same about it; otherwise the first one stays. */
static void merge_members(const merge *m, json_t *into, const json_t *from, const char *what)
{
    const char *key;
    json_t     *value;

    json_object_foreach((json_t *)(uintptr_t)from, key, value) {
        const json_t *have = json_object_get(into, key);

        if (have == NULL)
            (void)json_object_set(into, key, value);
        else if (!json_equal(have, value))
            complain(m, what, key);
    }
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

static void merge_paths(const merge *m, const json_t *fragment)
{
    json_t     *paths = member(m->doc, "paths"), *methods;
    const char *path;

    json_object_foreach(json_object_get(fragment, "paths"), path, methods)
        merge_members(m, member(paths, path), methods, path);
}

static void merge_components(const merge *m, const json_t *fragment)
{
    json_t     *components = member(m->doc, "components"), *group;
    const char *kind;

    json_object_foreach(json_object_get(fragment, "components"), kind, group)
        merge_members(m, member(components, kind), group, kind);
}

static void merge_fragment(const merge *m, const char *text)
{
    json_t  *fragment;
    pl_error err;

    if (pl_json_parse(pl_str_z(text), m->from, &fragment, &err) != PL_OK) {
        (void)json_array_append_new(m->problems, json_string(err.text));
        return;
    }
    merge_paths(m, fragment);
    merge_components(m, fragment);
    json_decref(fragment);
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

pl_rc pl_openapi_build(const char *host_fragment, const pl_router *router,
                       const pl_capability *const *capabilities, json_t *problems, char **out,
                       pl_error *err)
{
    merge m = { .problems = problems };
    pl_rc rc = pl_json_parse(pl_str_z(host_fragment), "host", &m.doc, err);

    if (rc != PL_OK)
        return rc;
    for (size_t i = 0; capabilities[i] != NULL; i++) {
        m.from = capabilities[i]->name;
        if (capabilities[i]->openapi != NULL)
            merge_fragment(&m, capabilities[i]->openapi);
    }
    (void)json_object_set_new(json_object_get(m.doc, "info"), "version",
                              json_string(pl_version()));
    pl_router_each(router, decorate, m.doc);
    *out = pl_json_dump(m.doc);
    json_decref(m.doc);
    return *out != NULL ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}
