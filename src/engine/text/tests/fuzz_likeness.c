/* Properties: ASCII capitals and blanks between characters change no signature; a text is as like
 * itself as can be; nothing is read beyond the end. */
#include "base/banned.h"

#include "engine/text/likeness.h"
#include "fuzz_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char      *a = exact_copy(data, size), *b = malloc(2 * size + 1);
    pl_minhash ma, mb;
    size_t     n = 0;

    CLAIM(b);
    for (size_t i = 0; i < size; i++) {
        if (data[i] < 0x80)
            b[n++] = ' ';
        b[n++] = (char)(data[i] - 'a' < 26u ? data[i] - 32 : data[i]);
    }
    pl_minhash_of((pl_str){ a, size }, &ma);
    pl_minhash_of((pl_str){ b, n }, &mb);
    CLAIM(memcmp(&ma, &mb, sizeof ma) == 0);
    CLAIM(pl_minhash_similarity(&ma, &mb) == (ma.shingles ? 1.0 : 0.0));
    CLAIM(pl_simhash((pl_str){ a, size }) == pl_simhash((pl_str){ b, n }));
    free(a);
    free(b);
    return 0;
}
