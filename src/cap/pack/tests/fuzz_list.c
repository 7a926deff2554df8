/* A word list from arbitrary bytes, in every format. Property: whatever the bytes, words are valid
 * UTF-8 without line ends, and lines are counted upwards without a gap. */
#include "base/banned.h"

#include "base/utf8.h"
#include "cap/pack/pack_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static pl_rc look(void *ctx, const pack_list_item *item, pl_error *err)
{
    size_t *line = ctx;

    (void)err;
    if (item->line <= *line || item->line > *line + 2) /* tables begin after their header */
        abort();
    *line = item->line;
    for (size_t f = 0; f < PACK_LIST_FIELDS; f++)
        if (!pl_utf8_valid(item->field[f]) ||
            (item->field[f].n > 0 && memchr(item->field[f].p, '\n', item->field[f].n) != NULL))
            abort();
    return PL_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const formats[] = { "lines", "csv", "tsv" };
    static const char *const encodings[] = { "auto", "GB18030", "UTF-8" };
    pack_list                l = { 0 };

    if (size < 1)
        return 0;
    if (pack_list_decode((pl_str){ (const char *)data + 1, size - 1 }, encodings[data[0] % 3], &l,
                         NULL) == PL_OK)
        for (size_t i = 0; i < 3; i++) {
            size_t line = 0;

            (void)pack_list_each(&l, formats[i], data[0] & 4 ? "text=a,category=b" : NULL, look,
                                 &line, NULL);
        }
    pack_list_done(&l);
    return 0;
}
