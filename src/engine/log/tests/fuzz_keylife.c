/* Key events from anybody: whatever a log says, without the signature of the root no key comes
 * to be known and the root's life is not touched. */
#include "base/buf.h"

#include <plumbline/keylife.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static pl_vkey root;
static char    root_id[65];

static void prepare(void)
{
    uint8_t    seed[32] = { 42 };
    pl_signer *s = NULL;

    if (pl_signer_new((pl_str){ "fuzz.example", 12 }, seed, &s, NULL) != PL_OK)
        abort();
    root = *pl_signer_key(s, 0);
    pl_vkey_fingerprint(&root, root_id);
    pl_signer_free(s);
}

static void put(pl_key_history *h, uint64_t index, pl_str payload, const char *keyid)
{
    pl_buf b = PL_BUF_INIT(4u << 20);

    pl_buf_puts(&b, "{\"payload\":\"");
    pl_buf_base64(&b, payload.p, payload.n);
    pl_buf_printf(&b, "\",\"payloadType\":\"t\",\"signatures\":[{\"keyid\":\"%s\",\"sig\":\"%084d==\"}]}",
                  keyid, 0);
    (void)pl_key_history_put(h, index, pl_buf_str(&b), NULL);
    pl_buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pl_str          in = { (const char *)data, size };
    pl_key_history *h = NULL;

    if (root_id[0] == '\0')
        prepare();
    if (pl_key_history_new(&root, &h, NULL) != PL_OK)
        return 0;
    (void)pl_key_history_put(h, 0, in, NULL);
    put(h, 1, in, root_id);
    put(h, 2, in, "");
    if (pl_key_history_resolve(h, NULL) != PL_OK)
        abort();
    if (pl_key_history_count(h) != 1 || pl_key_history_get(h, 0)->to != UINT64_MAX ||
        pl_key_history_get(h, 0)->from != 0)
        abort();
    pl_key_history_free(h);
    return 0;
}
