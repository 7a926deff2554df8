/* Chain of custody: every export is a statement of its own. */
#include "base/banned.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "cap/ledger/evidence_int.h"

#define ENTRIES_NAMED 4096 /* what the schema allows; the digest covers all of them */

json_t *evidence_custody_json(const evidence_custody *c)
{
    json_t *entries = json_array();
    char    hex[65];

    for (size_t i = 0; i < c->n && i < ENTRIES_NAMED; i++)
        (void)json_array_append_new(entries, json_integer((json_int_t)c->entries[i]));
    pl_hex(c->sha256, sizeof c->sha256, hex);
    return json_pack("{s:s, s:I, s:o, s:s, s:s, s:b}", "package_sha256", hex, "package_bytes",
                     (json_int_t)c->bytes, "entries", entries, "recipient", c->to, "purpose",
                     c->reason, "with_payloads", c->with_payloads);
}

const char *const evidence_custody_keys[] = { "package_sha256", "package_bytes", "entries",
                                              "recipient", "purpose", "with_payloads", NULL };

pl_rc evidence_custody_record(pl_ledger *l, const pl_signer *s, const char *service,
                              json_t *predicate, const char *by, int64_t now_ms, uint64_t *index,
                              pl_error *err)
{
    char  time[25], subject[160];
    pl_rc rc;

    pl_time_format(now_ms, time);
    (void)json_object_set_new(predicate, "by", json_string(by));
    (void)json_object_set_new(predicate, "time", json_string(time));
    rc = pl_predicate_check(PL_STR(PL_PREDICATE("evidence-exported")), predicate, err);
    if (rc != PL_OK)
        return rc;
    (void)snprintf(subject, sizeof subject, "service:%s", service);
    return pl_ledger_state(l, s, pl_str_z(subject), PL_PREDICATE("evidence-exported"), predicate,
                           index, err);
}
