/* Properties: an image that opens can scan any text; findings lie in the text, in order, apart, on whole
 * characters and not across a NUL; unit by unit gives the same. */
#include "base/banned.h"

#include "base/utf8.h"
#include "engine/text/names.h"
#include "engine/text/tests/names_fixture.h"
#include "fuzz_int.h"

#include <math.h>

typedef struct seen {
    pl_str   text;
    uint64_t last, sum;
} seen;

static int take(void *ctx, const pl_text_finding *f)
{
    seen *s = ctx;

    CLAIM(f->rule < 2);
    CLAIM(f->start < f->end && f->end <= s->text.n);
    CLAIM(f->start >= s->last);
    CLAIM(f->score >= PL_PII_FLOOR && f->score <= PL_SCORE_MAX);
    CLAIM(!memchr(s->text.p + f->start, '\0', f->end - f->start));
    CLAIM(pl_utf8_valid((pl_str){ s->text.p + f->start, f->end - f->start }));
    s->last = f->end;
    s->sum = (s->sum * 31 + f->start) * 31 + f->end * 2 + f->rule;
    return 0;
}

static uint8_t weight(void *ctx)
{
    uint64_t *s = ctx;

    *s = *s * 6364136223846793005u + 1442695040888963407u;
    return (uint8_t)(*s >> 40);
}

static void scan(const pl_names *m, pl_str text)
{
    pl_pii_config c;
    seen          whole = { .text = text }, units = { .text = text };

    memset(&c, 0xff, sizeof c);
    c.rule[PL_PII_NAME] = 0;
    c.rule[PL_PII_ADDRESS] = 1;
    pl_names_scan(m, &c, text, take, &whole);
    for (size_t at = 0; at < text.n;) {
        size_t end = pl_names_scan_unit(m, &c, text, at, take, &units);

        CLAIM(end > at && end <= text.n);
        at = end;
    }
    CLAIM(whole.sum == units.sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void  *sound; /* made once: it is large */
    static size_t n;
    input         in = { data, size };
    uint64_t      seed = 7;
    size_t        spoils = take_byte(&in) % 4;
    pl_str        text;
    char         *image, *copy;
    pl_names     *m = NULL;
    pl_rc         rc;

    if (!sound)
        CLAIM(names_image_make(weight, &seed, &sound, &n) == PL_OK);
    image = exact_copy(sound, n);
    for (size_t i = 0; i < spoils; i++)
        image[((size_t)take_byte(&in) << 16 | (size_t)take_byte(&in) << 8 | take_byte(&in)) % 192] =
            (char)take_byte(&in);
    if (spoils > 0) {
        uint32_t crc = pl_crc32c(image + 64, n - 64);

        memcpy(image + 12, &crc, sizeof crc);
    }
    text = take_bytes(&in, in.n);
    copy = exact_copy(text.p, text.n);
    rc = pl_names_open((pl_str){ image, n }, &m, NULL);
    CLAIM(rc == PL_OK || (rc == PL_INVALID && spoils > 0));
    if (rc == PL_OK)
        scan(m, (pl_str){ copy, text.n });
    pl_names_free(m);
    free(image);
    free(copy);
    return 0;
}
