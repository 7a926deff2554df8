/* The descriptor. */
#include "base/banned.h"

#include "cap/registry/drift.h"

#define TICK_MS    (60 * 1000)
#define TICK_ARENA (8u << 20)

extern const unsigned char pl_registry_sql[], pl_registry_drift_sql[];
extern const unsigned char pl_registry_openapi[];

static pl_rc start(pl_services *s, pl_db *db, pl_error *err)
{
    (void)db;
    return registry_packs_use(s->instance->dir, err);
}

static void stop(pl_services *s)
{
    (void)s;
    registry_packs_set(NULL);
}

static pl_rc tick(pl_services *s, pl_db *db, int64_t now_ms, pl_error *err)
{
    pl_arena       *a = pl_arena_new(TICK_ARENA);
    registry_packs *p;
    pl_rc           rc = a ? registry_packs_refresh(s->instance->dir, err)
                           : pl_fail(err, PL_NOMEM, "out of memory");

    p = rc == PL_OK ? registry_packs_take() : NULL;
    if (rc == PL_OK)
        rc = deadlines_tick(db, a, p, now_ms, err);
    if (rc == PL_OK)
        rc = drift_tick(s, db, p, now_ms, err);
    registry_packs_unref(p);
    pl_arena_free(a);
    return rc;
}

static void health(pl_services *s, pl_db *db, json_t *problems)
{
    registry_packs *p = registry_packs_take();
    const json_t   *one;
    size_t          i;

    (void)s, (void)db;
    if (p != NULL)
        json_array_foreach(p->problems, i, one)
            (void)json_array_append_new(
                problems, json_sprintf("warning: a pack is left out: %.150s",
                                       json_string_value(json_object_get(one, "problem"))));
    registry_packs_unref(p);
}

static const pl_migration migrations[] = {
    { 1, (const char *)pl_registry_sql },
    { 2, (const char *)pl_registry_drift_sql },
    { 0, NULL },
};

const pl_capability pl_cap_registry = {
    .name = "registry",
    .commands = registry_commands,
    .routes = registry_routes,
    .migrations = migrations,
    .openapi = (const char *)pl_registry_openapi,
    .start = start,
    .stop = stop,
    .tick_ms = TICK_MS,
    .tick = tick,
    .health = health,
};
