#include "base/banned.h"

#include "cap/capability.h"
#include "cap/ledger/ledger_int.h"

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
}

/* No tick: the host publishes, because the events of other capabilities decide when. */
const pl_capability pl_cap_ledger = {
    .name = "ledger",
    .commands = pl_ledger_commands,
    .routes = pl_ledger_routes,
    .openapi = (const char *)pl_ledger_openapi,
    .metrics = metrics,
};
