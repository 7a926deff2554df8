/* Evidence packages from arbitrary bytes. Property: what cannot be opened has a reason; what can
 * is never found sound, for nobody signed it; the report is JSON whatever was in the package. */
#include "base/banned.h"

#include "base/json.h"

#include <plumbline/evidence.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pl_evidence_check how = { 0 };
    char             *report = NULL;
    json_t           *j = NULL;
    int               ok = 0;
    pl_error          err = { PL_OK, "" };

    if (pl_evidence_verify((pl_str){ (const char *)data, size }, &how, &ok, &report, &err) !=
        PL_OK) {
        if (err.text[0] == '\0')
            abort();
        return 0;
    }
    if (pl_json_parse((pl_str){ report, strlen(report) }, "report", &j, &err) != PL_OK)
        abort();
    json_decref(j);
    free(report);
    return 0;
}
