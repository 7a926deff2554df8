/* A note that parses is formatted back to exactly its bytes, and its text is the
 * prefix that would be signed. */
#include "engine/log/note.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static pl_note n;
    pl_buf         b = PL_BUF_INIT(4u << 20);
    pl_vkey        k;
    char           text[PL_VKEY_TEXT_MAX];

    if (pl_note_parse((pl_str){ (const char *)data, size }, &n, NULL) == PL_OK) {
        pl_note_format(&n, &b);
        if (b.failed || b.n != size || memcmp(b.p, data, size) != 0)
            abort();
        if (n.nsigs == 0 || n.text.n == 0 || n.text.p[n.text.n - 1] != '\n')
            abort();
        pl_note_done(&n);
    }
    /* Of any algorithm: a key has one spelling. */
    if (pl_note_vkey_parse((pl_str){ (const char *)data, size }, &k, NULL) == PL_OK &&
        (pl_vkey_format(&k, text, sizeof(text), NULL) != PL_OK || size != strlen(text) ||
         memcmp(text, data, size) != 0))
        abort();
    pl_buf_done(&b);
    return 0;
}
