/* Property: whatever bytes pl_textdb_open accepts, scanning with them reads nothing
 * outside and reports nothing outside. Random bytes hardly ever open, so the other mode
 * spoils single bytes of a good database and puts the checksum right. */
#include "base/banned.h"

#include "base/hash.h"
#include "fuzz_int.h"

#include <endian.h>

static const char *const words[] = { "he", "she", "hers", "炸弹", "自制炸弹", "弹药 库", "b" };

static void *good_database(size_t *n)
{
    pl_textdb_builder *b = NULL;
    void              *bytes = NULL;

    CLAIM(pl_textdb_builder_new(&b, NULL) == PL_OK);
    for (uint32_t i = 0; i < 3; i++) {
        char         id[] = { 'r', (char)('0' + i), 0 };
        pl_text_rule rule = { { id, 2 }, PL_STR("harm.weapons"), 1 };
        uint32_t     index;

        CLAIM(pl_textdb_builder_rule(b, &rule, &index, NULL) == PL_OK);
    }
    for (uint32_t i = 0; i < sizeof words / sizeof *words; i++)
        CLAIM(pl_textdb_builder_keyword(b, i % 3, (pl_str){ words[i], strlen(words[i]) }, i & 1,
                                        NULL) == PL_OK);
    CLAIM(pl_textdb_builder_finish(b, &bytes, n, NULL) == PL_OK);
    pl_textdb_builder_free(b);
    return bytes;
}

/* Header words 2 and 3: size and checksum. */
static void put_right(char *p, size_t n)
{
    uint32_t v = htole32((uint32_t)n);

    if (n < 16)
        return;
    memcpy(p + 8, &v, 4);
    v = htole32(pl_crc32c(p + 16, n - 16));
    memcpy(p + 12, &v, 4);
}

static void scan_with(const char *bytes, size_t n, pl_str text)
{
    pl_textdb *db = NULL;
    pl_error   err = { 0 };
    tally      t = { .text_n = text.n };

    if (pl_textdb_open((pl_str){ bytes, n }, &db, &err) != PL_OK) {
        CLAIM(err.rc == PL_INVALID && err.text[0] != 0);
        return;
    }
    t.rules = pl_textdb_rule_count(db);
    for (uint32_t i = 0; i < t.rules; i++) {
        pl_text_rule r = pl_textdb_rule_get(db, i);

        CLAIM(r.id.p >= bytes && r.id.p + r.id.n <= bytes + n);
        CLAIM(r.category.p >= bytes && r.category.p + r.category.n <= bytes + n);
    }
    pl_text_scan(db, text, tally_add, &t);
    pl_textdb_free(db);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input   in = { data, size };
    uint8_t mode = take_byte(&in), changes = mode >> 1;
    pl_str  text = take_bytes(&in, take_byte(&in));
    size_t  n = in.n;
    char   *bytes;

    if (mode & 1) {
        void *good = good_database(&n);

        bytes = exact_copy(good, n);
        free(good);
        for (; changes > 0 && in.n >= 3; changes--) {
            size_t at = ((size_t)take_byte(&in) << 8 | take_byte(&in)) % n;

            bytes[at] = (char)take_byte(&in);
        }
    } else {
        bytes = exact_copy(in.p, n);
    }
    put_right(bytes, n);
    scan_with(bytes, n, text);
    scan_with(bytes, n, PL_STR("ushers 自制炸弹 弹药\u3000库 b he\xff she\xe7\x82"));
    free(bytes);
    return 0;
}
