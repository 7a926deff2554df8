#include "base/banned.h"

#include "base/id.h"
#include "cap/capability.h"
#include "cap/trace/trace_int.h"

#define TICK_MS (60 * 1000)
#define DAY_MS  (24LL * 3600 * 1000)

extern const unsigned char pl_trace_openapi[];

static pl_rc start(pl_services *s, pl_db *db, pl_error *err)
{
    return pl_trace_labels_record(s->instance, db, err);
}

/* Index rows live as long as the receipts they lead to. */
static pl_rc expire(pl_services *s, pl_db *db, int64_t now_ms, pl_error *err)
{
    static const uint8_t lowest[10];
    int64_t limit = now_ms - s->instance->retention_days * DAY_MS;
    char    id[PL_ID_LEN + 1];

    if (limit <= 0)
        return PL_OK;
    pl_id_format(limit, lowest, id);
    return pl_trace_index_drop(db, (pl_str){ id, PL_ID_LEN }, NULL, err);
}

static pl_rc tick(pl_services *s, pl_db *db, int64_t now_ms, pl_error *err)
{
    pl_rc rc = pl_trace_labels_record(s->instance, db, err);

    return rc == PL_OK ? expire(s, db, now_ms, err) : rc;
}

/* The policy an event names, out of its leaf (docs/formats/event.md: fixed order). */
static pl_str policy_of(const pl_event_view *e)
{
    static const char name[] = "\"policy_sha256\":\"";
    const char       *p = memmem(e->leaf.p, e->leaf.n, name, sizeof name - 1);

    if (!p || (size_t)(e->leaf.p + e->leaf.n - p) < sizeof name - 1 + 64)
        return (pl_str){ "", 0 };
    return (pl_str){ p + sizeof name - 1, 64 };
}

/* A label must be remembered before its policy is replaced, which may be soon: the first
 * event under a policy is the moment. */
static pl_rc labels_of_new_policy(pl_services *s, pl_db *db, const pl_event_view *e, pl_error *err)
{
    /* Events come on one thread. Only a cache: forgetting it costs one look at the policy. */
    static char last[65];
    pl_str      digest = policy_of(e);

    if (digest.n == 0 || memcmp(digest.p, last, digest.n) == 0)
        return PL_OK;
    memcpy(last, digest.p, digest.n);
    return pl_trace_labels_put(s->instance, db, err); /* inside the storing transaction */
}

static pl_rc on_event(pl_services *s, pl_db *db, const pl_event_view *e, pl_error *err)
{
    pl_rc rc = e->output_count ? labels_of_new_policy(s, db, e, err) : PL_OK;

    for (size_t i = 0; i < e->output_count && rc == PL_OK; i++)
        rc = pl_trace_index_put(db, e->outputs[i].index_key, e->id, (int64_t)i, err);
    return rc;
}

const pl_capability pl_cap_trace = {
    .name = "trace",
    .commands = pl_trace_commands,
    .routes = pl_trace_routes,
    .migrations = pl_trace_migrations,
    .openapi = (const char *)pl_trace_openapi,
    .start = start,
    .tick_ms = TICK_MS,
    .tick = tick,
    .on_event = on_event,
};
