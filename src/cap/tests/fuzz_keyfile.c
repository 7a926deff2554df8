/* A key file that is accepted has exactly the parts that were read from it, within bounds:
 * written again from those parts it is the same file. */
#include "base/buf.h"
#include "cap/keyfile.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pl_str     in = { (const char *)data, size };
    pl_keyfile k;
    pl_buf     b = PL_BUF_INIT(1u << 16);
    char       vkey[PL_VKEY_TEXT_MAX];

    if (pl_keyfile_parse(in, &k, NULL) != PL_OK)
        return 0;
    if (k.mem_kib > 1u << 20 || k.ops > 16 || pl_vkey_format(&k.key, vkey, sizeof vkey, NULL) != PL_OK)
        abort();
    pl_buf_printf(&b, "plumbline-key v1\nvkey: %s\nkdf: ", vkey);
    if (k.kind == PL_KEYFILE_ARGON2ID) {
        pl_buf_printf(&b, "argon2id %llu %llu ", (unsigned long long)k.ops,
                      (unsigned long long)k.mem_kib);
        pl_buf_hex(&b, k.salt, sizeof k.salt);
    } else {
        pl_buf_puts(&b, k.kind == PL_KEYFILE_CLEAR ? "none" : "token");
    }
    pl_buf_puts(&b, "\n");
    if (b.n != k.header.n || memcmp(b.p, k.header.p, b.n) != 0)
        abort();
    pl_buf_puts(&b, "secret: ");
    if (k.kind == PL_KEYFILE_ARGON2ID)
        pl_buf_base64(&b, k.sealed, sizeof k.sealed);
    else if (k.kind == PL_KEYFILE_CLEAR)
        pl_buf_hex(&b, k.secret, 32);
    else
        pl_buf_puts(&b, k.uri);
    pl_buf_puts(&b, "\n");
    if (b.n != size)
        abort();
    if (memcmp(b.p, data, size) != 0)
        abort();
    pl_buf_done(&b);
    return 0;
}
