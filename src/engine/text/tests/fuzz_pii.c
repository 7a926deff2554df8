/* Properties of structured data, for any bytes: cut anyhow, a stream finds what the whole scan
 * finds and nothing before its safe offset; findings are ordered and lie in the text; every code
 * path of the processor agrees. Half of the inputs are bytes as they are, half are numbers of
 * pieces, so that items are common. */
#include "base/banned.h"

#include "fuzz_int.h"
#include "pii_fixture.h"

static uint64_t whole(const pl_pii_config *c, pl_str text)
{
    tally t = { .rules = PL_PII_KINDS, .text_n = text.n };

    pl_pii_scan(c, text, tally_add, &t);
    return t.sum ^ t.count;
}

static uint64_t pieces(const pl_pii_config *c, pl_str text, uint8_t step)
{
    pl_pii_stream *s = malloc(pl_pii_stream_size());
    tally          t = { .rules = PL_PII_KINDS, .text_n = text.n };

    CLAIM(s);
    pl_pii_stream_init(s, c);
    for (size_t at = 0; at < text.n; step = (uint8_t)(step * 5 + 3)) {
        size_t n = 1u + step % 67;
        char  *copy;

        n = n < text.n - at ? n : text.n - at;
        copy = exact_copy(text.p + at, n);
        pl_pii_stream_feed(s, (pl_str){ copy, n }, tally_add, &t);
        free(copy);
        at += n;
        CLAIM(pl_pii_stream_safe(s) >= t.promised && pl_pii_stream_safe(s) <= at);
        t.promised = pl_pii_stream_safe(s);
    }
    pl_pii_stream_finish(s, tally_add, &t);
    CLAIM(pl_pii_stream_safe(s) == text.n);
    pl_pii_stream_done(s);
    free(s);
    return t.sum ^ t.count;
}

static char *spell(input *in, size_t *n)
{
    char *text = malloc(in->n * 64 + 1);

    CLAIM(text);
    *n = 0;
    while (in->n > 0) {
        const char *p = pii_pieces[take_byte(in) % PII_PIECES];

        memcpy(text + *n, p, strlen(p));
        *n += strlen(p);
    }
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input         in = { data, size };
    uint8_t       mode = take_byte(&in);
    size_t        n = in.n;
    char         *spelled = mode & 1 ? spell(&in, &n) : NULL;
    char         *copy = exact_copy(spelled ? spelled : (const char *)in.p, n);
    pl_pii_config c = pii_all();
    pl_str        text = { copy, n };
    uint64_t      sum = whole(&c, text);

    CLAIM(pieces(&c, text, mode >> 1) == sum);
    for (int path = 1; path <= 3; path++)
        if (pl_pii_path_set(path, NULL) == PL_OK)
            CLAIM(whole(&c, text) == sum);
    CLAIM(pl_pii_path_set(0, NULL) == PL_OK);
    free(spelled);
    free(copy);
    return 0;
}
