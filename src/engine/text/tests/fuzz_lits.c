/* Properties: a set made of any literals finds in any text what comparing each of them at each
 * place finds, in order, on every code path; and an image that was changed is refused or scans
 * without harm. */
#include "base/banned.h"

#include "engine/text/lits.h"
#include "fuzz_int.h"

enum { LITS_MAX = 24, FOUND_MAX = 1 << 16 };

typedef struct found {
    const pl_lit *lits;
    uint32_t      count;
    size_t        size;
    pl_str        text; /* bytes, also when it is read as units */
    size_t        n, last_end, last_length;
} found;

/* In order, and really there. */
static int found_check(void *ctx, uint32_t lit, size_t end)
{
    found *f = ctx;
    size_t length;

    CLAIM(lit < f->count);
    length = f->lits[lit].n;
    CLAIM(end >= length && end * f->size <= f->text.n);
    CLAIM(memcmp(f->text.p + (end - length) * f->size, f->lits[lit].p, length * f->size) == 0);
    CLAIM(f->n == 0 || end > f->last_end || (end == f->last_end && length < f->last_length));
    f->last_end = end;
    f->last_length = length;
    f->n++;
    return 0;
}

static size_t count_all(const found *f)
{
    size_t n = 0, units = f->text.n / f->size;

    for (uint32_t k = 0; k < f->count; k++)
        for (size_t i = 0; i + f->lits[k].n <= units; i++)
            n += memcmp(f->text.p + i * f->size, f->lits[k].p, f->lits[k].n * f->size) == 0;
    return n;
}

static void scan_any(pl_lits_kind kind, const pl_lits *l, pl_str text, pl_lits_emit_fn emit,
                     void *ctx)
{
    if (kind == PL_LITS_BYTES)
        pl_lits_scan_bytes(l, text, emit, ctx);
    else
        pl_lits_scan_units(l, (const uint16_t *)(const void *)text.p, text.n / 2, emit, ctx);
}

static void check_paths(pl_lits_kind kind, const pl_lits *l, const found *sample)
{
    size_t want = count_all(sample);

    for (int path = 1; path <= 3; path++) {
        found f = *sample;

        if (pl_lits_path_set(path, NULL) != PL_OK)
            continue;
        scan_any(kind, l, f.text, found_check, &f);
        CLAIM(f.n == want);
    }
    CLAIM(pl_lits_path_set(0, NULL) == PL_OK);
}

static int bounds_check(void *ctx, uint32_t lit, size_t end)
{
    (void)lit;
    CLAIM(end <= *(size_t *)ctx);
    return 0;
}

/* Two bytes of place, one of value. */
static void check_changed(char *image, size_t n, input *in, pl_str text)
{
    pl_lits *l = NULL;
    size_t   limit = text.n;

    while (in->n >= 4) {
        size_t at = ((size_t)take_byte(in) << 16 | (size_t)take_byte(in) << 8 | take_byte(in)) % n;

        image[at] = (char)take_byte(in);
    }
    if (pl_lits_open((pl_str){ image, n }, &l, NULL) != PL_OK)
        return;
    scan_any((pl_lits_kind)image[8], l, text, bounds_check, &limit);
    pl_lits_free(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input        in = { data, size };
    uint8_t      mode = take_byte(&in);
    pl_lits_kind kind = mode & 1 ? PL_LITS_UNITS : PL_LITS_BYTES;
    size_t       unit = mode & 1 ? 2 : 1, n;
    uint32_t     count = take_byte(&in) % LITS_MAX;
    pl_lit       lits[LITS_MAX];
    char        *parts[LITS_MAX], *text;
    pl_str       s;
    void        *image = NULL;
    pl_lits     *l = NULL;

    for (uint32_t k = 0; k < count; k++) {
        s = take_bytes(&in, take_byte(&in) % 24 * unit);
        parts[k] = exact_copy(s.p, s.n);
        lits[k] = (pl_lit){ parts[k], (uint32_t)(s.n / unit) };
    }
    s = take_bytes(&in, mode & 2 ? in.n : in.n / 2);
    text = exact_copy(s.p, s.n);
    s = (pl_str){ text, s.n };
    if (pl_lits_build(kind, lits, count, &image, &n, NULL) == PL_OK) {
        found f = { .lits = lits, .count = count, .size = unit, .text = s };

        CLAIM(pl_lits_open((pl_str){ image, n }, &l, NULL) == PL_OK);
        check_paths(kind, l, &f);
        pl_lits_free(l);
        check_changed(image, n, &in, s);
        free(image);
    }
    free(text);
    while (count > 0)
        free(parts[--count]);
    return 0;
}
