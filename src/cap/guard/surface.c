/* From tables to trees, and which surface a path belongs to. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/pl_guard.h"
#include "cap/guard/surface.h"

#include <assert.h>
#include <pthread.h>

#define SURFACES_MAX 16

static struct {
    const pl_surface *surface;
    surface_tree      request, response;
} built[SURFACES_MAX];
static size_t         built_n;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int16_t node_new(surface_tree *t, const char *name, size_t n)
{
    assert(t->n < SURFACE_NODES_MAX && n < UINT8_MAX);
    t->node[t->n] = (surface_node){ .name = name, .name_n = (uint8_t)n, .child = -1, .next = -1,
                                    .variant = -1 };
    return (int16_t)t->n++;
}

/* Child `name` of a node, made when it is missing. */
static int16_t child_get(surface_tree *t, int16_t parent, const char *name, size_t n)
{
    int16_t last = -1, i = t->node[parent].child;
    uint8_t bit = 0;

    for (; i >= 0; last = i, i = t->node[i].next, bit++)
        if (t->node[i].name_n == n && memcmp(t->node[i].name, name, n) == 0)
            return i;
    i = node_new(t, name, n);
    assert(bit < 64);
    t->node[i].bit = bit;
    if (last < 0)
        t->node[parent].child = i;
    else
        t->node[last].next = i;
    return i;
}

static void path_add(surface_tree *t, const surface_path *p)
{
    int16_t at = 0;

    for (const char *s = p->path; *s;) {
        size_t n = strcspn(s, ".[");

        if (n > 0)
            at = child_get(t, at, s, n);
        s += n;
        if (*s == '[') {
            at = child_get(t, at, "", 0);
            s += 2;
        }
        s += *s == '.';
    }
    if (t->node[at].kind != PK_NONE && p->type) { /* a further meaning of the same place */
        int16_t v = node_new(t, t->node[at].name, t->node[at].name_n);

        t->node[v].variant = t->node[at].variant;
        t->node[v].bit = t->node[at].bit;
        t->node[at].variant = v;
        at = v;
    }
    t->node[at].kind = p->kind;
    t->node[at].types = p->types;
    t->node[at].flags = p->flags;
    t->node[at].type = p->type;
}

static void tree_build(surface_tree *t, const surface_path *p)
{
    t->n = 0;
    (void)node_new(t, "", 0);
    for (; p && p->path; p++)
        path_add(t, p);
}

static void build_all(void)
{
    const pl_surface *lists[] = { surfaces_openai, surfaces_other };

    for (size_t l = 0; l < 2; l++)
        for (const pl_surface *s = lists[l]; s->name; s++) {
            assert(built_n < SURFACES_MAX);
            built[built_n].surface = s;
            tree_build(&built[built_n].request, s->request);
            tree_build(&built[built_n].response, s->response);
            built_n++;
        }
}

static size_t place_of(const pl_surface *s)
{
    size_t i = 0;

    (void)pthread_once(&once, build_all);
    while (built[i].surface != s)
        i++;
    return i;
}

const surface_tree *pl_surface_request_tree(const pl_surface *s)
{
    return &built[place_of(s)].request;
}

const surface_tree *pl_surface_response_tree(const pl_surface *s)
{
    return &built[place_of(s)].response;
}

event_role pl_surface_event_role(const pl_surface *s, pl_str type)
{
    for (const surface_event *e = s->events; e && e->type; e++)
        if (pl_str_eqz(type, e->type))
            return e->role;
    return ER_NONE;
}

const pl_surface *pl_surface_each(size_t i)
{
    (void)pthread_once(&once, build_all);
    return i < built_n ? built[i].surface : NULL;
}

const char *pl_surface_route(const pl_surface *s)
{
    return s->route;
}

const char *pl_surface_name(const pl_surface *s)
{
    return s->name;
}

const pl_surface *pl_surface_find(pl_str path)
{
    const pl_surface *s;

    for (size_t i = 0; (s = pl_surface_each(i)) != NULL; i++)
        if (pl_str_ends(path, pl_str_z(s->route)) || pl_str_eqz(path, s->name))
            return s;
    return NULL;
}
