/* Any envelope is refused unless it says what the known key signed: the fuzzer has no
 * key, so whatever opens must carry the one payload that was signed. */
#include "base/buf.h"

#include <plumbline/log.h>
#include <stdlib.h>
#include <string.h>

#define BODY "{\"signed\":true}"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static pl_vkey key;
static char    sig_text[96]; /* the good signature, so that mutations can keep it */

static void prepare(void)
{
    uint8_t    seed[32] = { 42 };
    pl_signer *s = NULL;
    char       text[300], *env = NULL;
    size_t     n = 0;

    if (pl_signer_new(PL_STR("fuzz.example"), seed, &s, NULL) != PL_OK ||
        pl_signer_vkey(s, text, sizeof(text), NULL) != PL_OK ||
        pl_vkey_parse((pl_str){ text, strlen(text) }, &key, NULL) != PL_OK ||
        pl_dsse_sign(PL_STR(PL_DSSE_INTOTO), PL_STR(BODY), s, &env, &n, NULL) != PL_OK)
        abort();
    memcpy(sig_text, strstr(env, "\"sig\":\"") + 7, 88);
    free(env);
    pl_signer_free(s);
}

static void check(pl_str envelope)
{
    pl_dsse d;

    if (pl_dsse_open(envelope, &key, 1, &d, NULL) != PL_OK)
        return;
    if (strcmp(d.payload_type, PL_DSSE_INTOTO) != 0 || d.payload_n != sizeof(BODY) - 1 ||
        memcmp(d.payload, BODY, d.payload_n) != 0)
        abort();
    pl_dsse_done(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pl_buf b = PL_BUF_INIT(4u << 20);

    if (key.name[0] == '\0')
        prepare();
    check((pl_str){ (const char *)data, size });
    /* The input as payload and type under the good signature. */
    if (size > 0) {
        size_t cut = data[0] % size;

        pl_buf_puts(&b, "{\"payload\":\"");
        pl_buf_base64(&b, data + cut, size - cut);
        pl_buf_puts(&b, "\",\"payloadType\":\"");
        pl_buf_json(&b, (pl_str){ (const char *)data, cut });
        pl_buf_printf(&b, "\",\"signatures\":[{\"sig\":\"%s\"}]}", sig_text);
        if (!b.failed)
            check(pl_buf_str(&b));
    }
    pl_buf_done(&b);
    return 0;
}
