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

/* A policy may have been activated since the last tick; a label in force is looked up in the
 * policy itself, so a minute is soon enough to remember it for later. */
static pl_rc tick(pl_services *s, pl_db *db, int64_t now_ms, pl_error *err)
{
    pl_rc rc = pl_trace_labels_record(s->instance, db, err);

    return rc == PL_OK ? expire(s, db, now_ms, err) : rc;
}

static pl_rc on_event(pl_services *s, pl_db *db, const pl_event_view *e, pl_error *err)
{
    pl_rc rc = PL_OK;

    (void)s;
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
