/* Archives from arbitrary bytes. Property: whatever is given was inside the limits, members of one
 * archive bear its name, and memory is given back (the sanitizer looks). */
#include "base/banned.h"

#include "base/str.h"
#include "cap/text/scan_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int look(void *ctx, const char *name, pl_str text)
{
    uint64_t *total = ctx;

    if (!pl_str_starts(pl_str_z(name), PL_STR("fuzz")) || text.n > SCAN_MEMBER_MAX)
        abort();
    *total += text.n;
    return *total > (64u << 20); /* enough to see; keeps one input quick */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pl_str   packed = { (const char *)data, size };
    pl_error err;
    uint64_t total = 0;

    (void)scan_is_archive(packed);
    if (scan_archive_each("fuzz", packed, look, &total, &err) != PL_OK && err.text[0] == '\0')
        abort();
    return 0;
}
