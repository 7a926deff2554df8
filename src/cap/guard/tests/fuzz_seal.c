/* Sealed messages. Properties: bytes that nobody sealed do not open and leave nothing behind; what was sealed
 * opens to itself about the same thing, and not when any bit of it, or what it is about, is another. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/guard/seal.h"

static void check(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[PL_SEAL_KEY] = { 1, 2, 3 };
    pl_str about = PL_STR("one"), in = { (const char *)data, size };
    pl_buf sealed = PL_BUF_INIT(size + PL_SEAL_MORE), out = PL_BUF_INIT(size);
    size_t bit = 0;

    check(pl_unseal(key, about, in, &out, NULL) == PL_INVALID && out.n == 0);
    check(pl_seal(key, about, in, &sealed, NULL) == PL_OK && sealed.n == size + PL_SEAL_MORE);
    check(pl_unseal(key, about, pl_buf_str(&sealed), &out, NULL) == PL_OK);
    check(pl_str_eq(pl_buf_str(&out), in));
    pl_buf_clear(&out);
    check(pl_unseal(key, PL_STR("other"), pl_buf_str(&sealed), &out, NULL) == PL_INVALID && out.n == 0);
    for (size_t i = 0; i < size && i < 4; i++)
        bit = bit << 8 | data[i];
    bit %= sealed.n * 8;
    sealed.p[bit / 8] ^= (char)(1 << bit % 8);
    check(pl_unseal(key, about, pl_buf_str(&sealed), &out, NULL) == PL_INVALID && out.n == 0);
    pl_buf_wipe(&out);
    pl_buf_done(&sealed);
    return 0;
}
