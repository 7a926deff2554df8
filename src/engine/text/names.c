/* Image layout: docs/formats/names.md. */
#include "base/banned.h"

#include "engine/text/names.h"

#include "base/hash.h"
#include "engine/text/names_int.h"

#include <math.h>
#include <stdlib.h>

#define NAMES_MAGIC   0x4d4e4c50u /* "PLNM" */
#define NAMES_VERSION 1u

enum {
    HEAD_MAGIC,
    HEAD_VERSION,
    HEAD_SIZE,
    HEAD_CRC, /* CRC-32C of everything behind the header */
    HEAD_ZH_BITS,
    HEAD_EN_BITS,
    HEAD_FLOOR_NAME,
    HEAD_FLOOR_ADDRESS,
    HEAD_USED,
    HEAD_BYTES = 64,
    SCALE_BYTES = 24,  /* 6 floats */
    SCALES_BYTES = 128 /* 3 of them, padded */
};

/* --- the image ---------------------------------------------------------------------------- */

#define PAIRS_BYTES ((size_t)1 << (NAMES_PAIR_BITS - 3))
#define WORDS_BYTES ((size_t)1 << (NAMES_WORD_BITS - 3))
#define CLASSES_AT  ((size_t)HEAD_BYTES + SCALES_BYTES)
#define PAIRS_AT    (CLASSES_AT + NAMES_CLASSES)
#define WORDS_AT    (PAIRS_AT + PAIRS_BYTES)
#define ZH_AT       (WORDS_AT + WORDS_BYTES)

static size_t image_size(unsigned zh_bits, unsigned en_bits)
{
    return ZH_AT + ((size_t)2 << zh_bits) + ((size_t)4 << en_bits);
}

static bool bits_sound(uint32_t bits)
{
    return bits >= NAMES_BITS_MIN && bits <= NAMES_BITS_MAX;
}

static bool floor_sound(uint32_t floor)
{
    return floor >= PL_PII_FLOOR && floor <= PL_SCORE_MAX;
}

static pl_rc head_check(pl_str image, pl_error *err)
{
    const uint8_t *p = (const uint8_t *)image.p;

    if (image.n < ZH_AT || ld32(p, HEAD_MAGIC) != NAMES_MAGIC)
        return pl_fail(err, PL_INVALID, "not a model of names");
    if (ld32(p, HEAD_VERSION) != NAMES_VERSION)
        return pl_fail(err, PL_INVALID, "model of names of version %u, not %u",
                       ld32(p, HEAD_VERSION), NAMES_VERSION);
    if (!bits_sound(ld32(p, HEAD_ZH_BITS)) || !bits_sound(ld32(p, HEAD_EN_BITS)) ||
        ld32(p, HEAD_SIZE) != image.n ||
        image.n != image_size(ld32(p, HEAD_ZH_BITS), ld32(p, HEAD_EN_BITS)))
        return pl_fail(err, PL_INVALID, "model of names: sizes do not fit together");
    if (!floor_sound(ld32(p, HEAD_FLOOR_NAME)) || !floor_sound(ld32(p, HEAD_FLOOR_ADDRESS)))
        return pl_fail(err, PL_INVALID, "model of names: least scores are out of range");
    for (size_t i = HEAD_USED; i < HEAD_BYTES / 4; i++)
        if (ld32(p, i) != 0)
            return pl_fail(err, PL_INVALID, "model of names: reserved bytes are not zero");
    if (ld32(p, HEAD_CRC) != pl_crc32c(p + HEAD_BYTES, image.n - HEAD_BYTES))
        return pl_fail(err, PL_INVALID, "model of names: checksum does not fit, it is damaged");
    return PL_OK;
}

static pl_rc scales_read(pl_names *m, const uint8_t *p, pl_error *err)
{
    for (int i = 0; i < NAMES_TASKS; i++, p += SCALE_BYTES) {
        names_scale *s = &m->scale[i];

        *s = (names_scale){ ld_float(p), ld_float(p + 4), ld_float(p + 8), ld_float(p + 12),
                            ld_float(p + 16), ld_float(p + 20) };
        /* Bounds that keep every sum finite. */
        if (!(s->gain >= 0 && s->gain <= 1e3f && fabsf(s->offset) <= 1e3f && s->slope >= 0 &&
              s->slope <= 1e3f && fabsf(s->shift) <= 1e3f && fabsf(s->first) <= 1e3f && fabsf(s->early) <= 1e3f))
            return pl_fail(err, PL_INVALID, "model of names: scale %d is out of range", i);
    }
    return PL_OK;
}

pl_rc pl_names_open(pl_str image, pl_names **out, pl_error *err)
{
    const uint8_t *p = (const uint8_t *)image.p;
    pl_rc          rc = head_check(image, err);
    pl_names      *m;

    if (rc != PL_OK)
        return rc;
    m = calloc(1, sizeof *m);
    if (!m)
        return pl_fail(err, PL_NOMEM, "out of memory for a model of names");
    rc = scales_read(m, p + HEAD_BYTES, err);
    if (rc != PL_OK) {
        free(m);
        return rc;
    }
    m->zh_bits = ld32(p, HEAD_ZH_BITS);
    m->en_bits = ld32(p, HEAD_EN_BITS);
    m->floor_name = ld32(p, HEAD_FLOOR_NAME);
    m->floor_address = ld32(p, HEAD_FLOOR_ADDRESS);
    m->classes = p + CLASSES_AT;
    m->pairs = p + PAIRS_AT;
    m->words = p + WORDS_AT;
    m->zh = p + ZH_AT;
    m->en = m->zh + ((size_t)2 << m->zh_bits);
    *out = m;
    return PL_OK;
}

void pl_names_free(pl_names *m)
{
    free(m);
}

pl_rc names_build(const names_plan *plan, void **out, size_t *n, pl_error *err)
{
    size_t    size = image_size(plan->zh_bits, plan->en_bits);
    uint8_t  *p = calloc(1, size);
    pl_names *check = NULL;
    pl_rc     rc;

    if (!p)
        return pl_fail(err, PL_NOMEM, "out of memory for a model of names");
    for (int i = 0; i < NAMES_TASKS; i++) {
        const names_scale *s = &plan->scale[i];
        const float        f[] = { s->gain, s->offset, s->slope, s->shift, s->first, s->early };

        for (int k = 0; k < SCALE_BYTES / 4; k++)
            st_float(p + HEAD_BYTES + SCALE_BYTES * i + 4 * k, f[k]);
    }
    memcpy(p + CLASSES_AT, plan->classes, NAMES_CLASSES);
    memcpy(p + PAIRS_AT, plan->pairs, PAIRS_BYTES);
    memcpy(p + WORDS_AT, plan->words, WORDS_BYTES);
    memcpy(p + ZH_AT, plan->zh, (size_t)2 << plan->zh_bits);
    memcpy(p + ZH_AT + ((size_t)2 << plan->zh_bits), plan->en, (size_t)4 << plan->en_bits);
    st32(p, HEAD_MAGIC, NAMES_MAGIC);
    st32(p, HEAD_VERSION, NAMES_VERSION);
    st32(p, HEAD_SIZE, (uint32_t)size);
    st32(p, HEAD_ZH_BITS, plan->zh_bits);
    st32(p, HEAD_EN_BITS, plan->en_bits);
    st32(p, HEAD_FLOOR_NAME, PL_PII_FLOOR);
    st32(p, HEAD_FLOOR_ADDRESS, PL_PII_FLOOR);
    st32(p, HEAD_CRC, pl_crc32c(p + HEAD_BYTES, size - HEAD_BYTES));
    rc = pl_names_open((pl_str){ (const char *)p, size }, &check, err);
    pl_names_free(check);
    if (rc != PL_OK) {
        free(p);
        return rc;
    }
    *out = p;
    *n = size;
    return PL_OK;
}

pl_rc pl_names_floor_set(void *image, size_t n, pl_pii_kind kind, unsigned floor, pl_error *err)
{
    pl_rc rc = head_check((pl_str){ image, n }, err);

    if (rc != PL_OK)
        return rc;
    if (!floor_sound(floor))
        return pl_fail(err, PL_INVALID, "the least score must be between %d and %d", PL_PII_FLOOR,
                       PL_SCORE_MAX);
    st32(image, kind == PL_PII_ADDRESS ? HEAD_FLOOR_ADDRESS : HEAD_FLOOR_NAME, floor);
    return PL_OK;
}

/* --- scanning ------------------------------------------------------------------------------ */

float names_sure(const names_scale *s, float logit)
{
    return 1 / (1 + expf(-(s->shift + s->slope * logit)));
}

static void en_scan(const pl_names *m, pl_str unit, names_hits *out)
{
    names_text t;
    size_t     at = 0;

    while (names_en_next(m->words, unit, &at, &t))
        names_en_judge(m, &t, unit, out);
}

static int by_end(const void *a, const void *b)
{
    const names_hit *x = a, *y = b;

    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return (x->start > y->start) - (x->start < y->start);
}

/* An address outweighs the names in it. */
static bool is_hidden(const names_hits *h, const names_hit *name)
{
    for (unsigned i = 0; i < h->n; i++)
        if (h->hit[i].is_address && h->hit[i].start < name->end && name->start < h->hit[i].end)
            return true;
    return false;
}

static bool hit_report(const pl_names *m, const pl_pii_config *c, const names_hit *h, size_t base,
                       pl_text_emit_fn emit, void *ctx)
{
    uint32_t        rule = c->rule[h->is_address ? PL_PII_ADDRESS : PL_PII_NAME];
    pl_text_finding f = { .rule = rule, .score = h->score, .start = base + h->start,
                          .end = base + h->end };

    if (rule == PL_PII_OFF || h->score < (h->is_address ? m->floor_address : m->floor_name))
        return true;
    return emit(ctx, &f) == 0;
}

size_t pl_names_scan_unit(const pl_names *m, const pl_pii_config *c, pl_str text, size_t from,
                          pl_text_emit_fn emit, void *ctx)
{
    size_t     end = pl_model_window(text, from);
    pl_str     unit = { text.p + from, end - from };
    names_hits h;

    h.n = 0;
    names_zh_scan(m, unit, &h);
    en_scan(m, unit, &h);
    if (h.n > 1)
        qsort(h.hit, h.n, sizeof *h.hit, by_end);
    for (unsigned i = 0; i < h.n; i++)
        if ((h.hit[i].is_address || !is_hidden(&h, &h.hit[i])) &&
            !hit_report(m, c, &h.hit[i], from, emit, ctx))
            return end;
    return end;
}

typedef struct stopper {
    pl_text_emit_fn emit;
    void           *ctx;
    bool            stopped;
} stopper;

static int pass(void *ctx, const pl_text_finding *f)
{
    stopper *s = ctx;

    s->stopped = s->emit(s->ctx, f) != 0;
    return s->stopped;
}

void pl_names_scan(const pl_names *m, const pl_pii_config *c, pl_str text, pl_text_emit_fn emit,
                   void *ctx)
{
    stopper s = { emit, ctx, false };

    for (size_t at = 0; at < text.n && !s.stopped;)
        at = pl_names_scan_unit(m, c, text, at, pass, &s);
}
