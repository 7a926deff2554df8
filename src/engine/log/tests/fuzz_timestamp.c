/* Answers of time stamp authorities from arbitrary bytes. Property: nobody's answer holds for a
 * message that he was never asked about, and what does not hold has a reason. */
#include "base/banned.h"

#include "engine/log/timestamp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pl_str          response = { (const char *)data, size };
    timestamp_facts f;
    pl_error        err = { PL_OK, "" };

    (void)pl_timestamp_answers(response, 7, NULL);
    if (pl_timestamp_verify(response, PL_STR("never sent anywhere"), PL_STR(""), &f, &err) == PL_OK ||
        err.text[0] == '\0')
        abort();
    return 0;
}
