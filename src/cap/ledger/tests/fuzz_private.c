/* A record behind a commitment is taken only when it is the one that was committed to. */
#include "base/hash.h"
#include "cap/ledger/ledger_int.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pl_str  in = { (const char *)data, size }, content;
    pl_hash none = { { 0 } }, right;
    uint8_t salt[32];

    /* Nobody finds what hashes to zero. */
    if (pl_private_record_parse(in, &none, salt, &content, NULL) == PL_OK)
        abort();
    if (size < 40)
        return 0;
    right = pl_commit(data + 8, (pl_str){ in.p + 40, size - 40 });
    if (pl_private_record_parse(in, &right, salt, &content, NULL) != PL_OK)
        return memcmp(data, "PLSR0001", 8) == 0 ? (abort(), 0) : 0;
    if (memcmp(data, "PLSR0001", 8) != 0 || content.n != size - 40 || memcmp(salt, data + 8, 32) != 0)
        abort();
    return 0;
}
