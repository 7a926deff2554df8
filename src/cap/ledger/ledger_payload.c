/* Payloads: bytes that statements bind by their SHA-256, kept outside of the log so that
 * they can be deleted. payload/<first 2 hex digits>/<64 hex digits>. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "cap/ledger/ledger_int.h"

#include <unistd.h>

static void payload_name(const uint8_t digest[32], char out[96])
{
    char hex[65];

    pl_hex(digest, 32, hex);
    (void)snprintf(out, 96, "payload/%.2s/%s", hex, hex);
}

pl_rc pl_ledger_payload_put(const char *ledger_dir, pl_str bytes, uint8_t digest[32], pl_error *err)
{
    touched t = { .dirs = NULL };
    uint8_t h[32];
    char    rel[96];
    pl_rc   rc;

    /* Written again even when it is there: that makes durable what an earlier call, cut
     * short, may have left in the page cache only. */
    pl_sha256_of(bytes, h);
    payload_name(h, rel);
    rc = pl_ledger_put(ledger_dir, rel, bytes, 0600, &t, err);
    if (rc == PL_OK)
        rc = pl_touched_sync(&t, err);
    pl_touched_done(&t);
    if (rc == PL_OK)
        memcpy(digest, h, sizeof(h));
    return rc;
}

pl_rc pl_ledger_payload_get(const char *ledger_dir, const uint8_t digest[32], size_t max,
                            char **out, size_t *n, pl_error *err)
{
    char    rel[96], *bytes = NULL;
    uint8_t h[32];
    size_t  got = 0;
    pl_rc   rc;

    payload_name(digest, rel);
    rc = pl_ledger_read(ledger_dir, rel, max, &bytes, &got, err);
    if (rc != PL_OK)
        return rc;
    pl_sha256_of((pl_str){ bytes, got }, h);
    if (memcmp(h, digest, sizeof(h)) != 0) {
        free(bytes);
        return pl_fail(err, PL_INVALID, "payload '%s' is damaged", rel);
    }
    *out = bytes;
    *n = got;
    return PL_OK;
}
