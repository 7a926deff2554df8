/* Property: the scanner accepts what jansson accepts and spells the same tree; skipping and
 * the incremental check agree with it (jsonscan_check.h says what is set apart). */
#include "base/banned.h"

#include "jsonscan_check.h"

static _Noreturn void check_failed(const char *what)
{
    (void)fprintf(stderr, "fuzz_jsonscan: %s\n", what);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    /* A copy of exactly n bytes, so that reading past the end is seen. */
    char *copy = malloc(n > 0 ? n : 1);

    if (copy == NULL)
        return 0;
    if (n > 0)
        memcpy(copy, p, n);
    jsonscan_check((pl_str){ copy, n });
    free(copy);
    return 0;
}
