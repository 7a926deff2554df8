#include "base/banned.h"

#include "cap/capability.h"
#include "cap/ledger/ledger_int.h"
#include "cap/ledger/ledger_query.h"
#include "cap/ledger/ledger_stamp.h"
#include "cap/ledger/ledger_witness.h"

#define TICK_MS     250
#define PATIENCE_MS 2000 /* for witnesses at the start, before anything is signed */

extern const unsigned char pl_ledger_openapi[];

static void metrics(pl_services *s, pl_db *db, pl_buf *out)
{
    pl_checkpoint head;

    (void)db;
    if (pl_ledger_head(s->ledger, &head, NULL) != PL_OK)
        return;
    pl_buf_printf(out,
                  "# HELP plumbline_ledger_published_size Entries under the signed checkpoint.\n"
                  "# TYPE plumbline_ledger_published_size gauge\n"
                  "plumbline_ledger_published_size %llu\n",
                  (unsigned long long)head.size);
    pl_buf_printf(out,
                  "# HELP plumbline_ledger_quarantined_files Write-ahead bytes that recovery could "
                  "not use and kept aside.\n"
                  "# TYPE plumbline_ledger_quarantined_files gauge\n"
                  "plumbline_ledger_quarantined_files %zu\n",
                  pl_ledger_quarantined(pl_ledger_dir(s->ledger)));
    pl_witness_desk_metrics(s->witnesses, out);
    pl_stamp_desk_metrics(s->stamps, out);
}

/* Before anybody else appends: a log that was set back must not sign a second history. */
static pl_rc start(pl_services *s, pl_db *db, pl_error *err)
{
    pl_rc rc = pl_witness_desk_start(s, PATIENCE_MS, &s->witnesses, err);

    (void)db;
    if (rc == PL_OK)
        rc = pl_witness_desk_tick(s->witnesses, s->ledger, err);
    return rc == PL_OK ? pl_stamp_desk_start(s, &s->stamps, err) : rc;
}

static void stop(pl_services *s)
{
    pl_stamp_desk_stop(s->stamps);
    s->stamps = NULL;
    pl_witness_desk_stop(s->witnesses);
    s->witnesses = NULL;
}

static pl_rc tick(pl_services *s, pl_db *db, int64_t now_ms, pl_error *err)
{
    bool  is_behind;
    pl_rc rc = pl_witness_desk_tick(s->witnesses, s->ledger, err);

    if (rc == PL_OK)
        rc = pl_ledger_watch(s->ledger, s->signer, now_ms, err);
    return rc == PL_OK ? pl_ledger_index_tick(db, s->ledger, &is_behind, err) : rc;
}

static void health(pl_services *s, pl_db *db, json_t *problems)
{
    char reason[200];

    (void)db;
    pl_ledger_frozen(s->ledger, reason);
    if (reason[0] != '\0')
        (void)json_array_append_new(problems, json_string(reason));
    if (pl_ledger_is_damaged(s->ledger))
        (void)json_array_append_new(
            problems, json_string("published files of the ledger are damaged: run plumbline "
                                  "ledger verify"));
    pl_witness_desk_health(s->witnesses, problems);
    pl_stamp_desk_health(s->stamps, s->now_ms(), problems);
}

/* The host publishes, because the events of other capabilities decide when. */
const pl_capability pl_cap_ledger = {
    .name = "ledger",
    .commands = pl_ledger_commands,
    .routes = pl_ledger_routes,
    .migrations = pl_ledger_migrations,
    .openapi = (const char *)pl_ledger_openapi,
    .start = start,
    .stop = stop,
    .tick_ms = TICK_MS,
    .tick = tick,
    .metrics = metrics,
    .health = health,
};
