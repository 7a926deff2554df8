/* Property: however a text is cut, the findings are the same as those of the whole, none
 * starts before an offset once called safe, and the safe offset never goes back.
 *
 * Input: keywords (rule and flags, length, bytes) up to a length of 0, then pairs of
 * piece length and piece. */
#include "base/banned.h"

#include "fuzz_int.h"

#define RULES 4

static pl_textdb_builder *builder_with_rules(void)
{
    pl_textdb_builder *b = NULL;

    CLAIM(pl_textdb_builder_new(&b, NULL) == PL_OK);
    for (uint32_t i = 0; i < RULES; i++) {
        char         id = (char)('a' + i);
        pl_text_rule rule = { { &id, 1 }, PL_STR("c"), 1 };
        uint32_t     index;

        CLAIM(pl_textdb_builder_rule(b, &rule, &index, NULL) == PL_OK);
    }
    return b;
}

static void *read_database(input *in, pl_textdb **db)
{
    pl_textdb_builder *b = builder_with_rules();
    void              *bytes = NULL;
    size_t             n = 0;

    for (;;) {
        uint8_t how = take_byte(in);
        pl_str  keyword = take_bytes(in, take_byte(in) & 31);

        if (keyword.n == 0)
            break;
        (void)pl_textdb_builder_keyword(b, how % RULES, keyword, how >> 7, NULL);
    }
    CLAIM(pl_textdb_builder_finish(b, &bytes, &n, NULL) == PL_OK);
    CLAIM(pl_textdb_open((pl_str){ bytes, n }, db, NULL) == PL_OK);
    pl_textdb_builder_free(b);
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input           in = { data, size };
    pl_textdb      *db = NULL;
    void           *bytes = read_database(&in, &db);
    char           *text = malloc(in.n + 1);
    size_t          n = 0;
    tally           pieces = { .rules = RULES }, whole = { .rules = RULES };
    pl_text_stream *s = malloc(pl_text_stream_size());

    CLAIM(text && s);
    pl_text_stream_init(s, db);
    while (in.n > 0) {
        pl_str piece = take_bytes(&in, take_byte(&in) & 15);
        char  *copy = exact_copy(piece.p, piece.n);

        memcpy(text + n, copy, piece.n);
        n += piece.n;
        pieces.text_n = n;
        pl_text_stream_feed(s, (pl_str){ copy, piece.n }, tally_add, &pieces);
        free(copy);
        CLAIM(pl_text_stream_safe(s) >= pieces.promised && pl_text_stream_safe(s) <= n);
        pieces.promised = pl_text_stream_safe(s);
    }
    pl_text_stream_finish(s, tally_add, &pieces);
    CLAIM(pl_text_stream_safe(s) == n);

    whole.text_n = n;
    pl_text_scan(db, (pl_str){ text, n }, tally_add, &whole);
    CLAIM(pieces.count == whole.count && pieces.sum == whole.sum);

    free(s);
    free(text);
    pl_textdb_free(db);
    free(bytes);
    return 0;
}
