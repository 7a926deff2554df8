/* No value verifies a label the fuzzer has no key for. */
#include "engine/media/securitydata.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pl_security_label  l = { { "1", 1 }, { "001191310104MACE0YX63918020", 27 }, { "fuzz", 4 } };
    pl_security_report r;

    if (pl_security_read((pl_str){ (const char *)data, size }, PL_SECURITY_PRODUCER, &l, NULL, 0, &r,
                         NULL) != PL_OK)
        return 0;
    if (r.is_pinned || r.signatures > PL_SECURITYDATA_KEYS)
        abort();
    return 0;
}
