/* Image layout: docs/formats/model.md. */
#include "base/banned.h"

#include "base/hash.h"
#include "base/str.h"
#include "engine/text/model.h"
#include "engine/text/model_walk.h"

#include <math.h>
#include <stdlib.h>

#define MODEL_MAGIC    0x444d4c50u /* "PLMD" */
#define MODEL_VERSION  1u
#define MODEL_FEATURES 1u /* number of the feature set of model_walk.h */

enum {
    HEAD_MAGIC,
    HEAD_VERSION,
    HEAD_SIZE,
    HEAD_CRC, /* CRC-32C of everything behind the header */
    HEAD_FEATURES,
    HEAD_BITS,
    HEAD_LABELS,
    HEAD_USED,
    HEAD_BYTES = 64
};

enum { LABEL_NAME = 48, SCALE_FLOATS = 6, LABEL_BYTES = 96 };
#define TABLE_AT   (HEAD_BYTES + PL_MODEL_LABELS_MAX * LABEL_BYTES) /* 1600, 64-aligned */
#define TABLE_SIZE(bits) ((size_t)PL_MODEL_LABELS_MAX << (bits))

struct pl_model {
    pl_model_buckets_fn add; /* sums_add, or the same for a better processor */
    const int8_t  *weights;
    size_t         labels;
    unsigned       bits;
    pl_str         name[PL_MODEL_LABELS_MAX];
    pl_model_scale scale[PL_MODEL_LABELS_MAX][PL_MODEL_LANGS];
};

static pl_model_buckets_fn sums_add_best(void);

/* --- the image ---------------------------------------------------------------------------- */

static bool scale_is_sound(const pl_model_scale *s)
{
    return isfinite(s->gain) && s->gain >= 0 && isfinite(s->offset) && isfinite(s->yes) &&
           isfinite(s->uncertain) && s->uncertain <= s->yes && s->yes_fpr >= 0 &&
           s->yes_fpr <= 1 && s->uncertain_fpr >= s->yes_fpr && s->uncertain_fpr <= 1;
}

/* Dotted lower-case words, as category ids are. */
static bool name_is_sound(pl_str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!(name.p[i] >= 'a' && name.p[i] <= 'z') && !(name.p[i] >= '0' && name.p[i] <= '9') &&
            name.p[i] != '.' && name.p[i] != '_' && name.p[i] != '-')
            return false;
    return name.n > 0 && name.n <= PL_MODEL_NAME_MAX;
}

static void scale_read(const uint8_t *p, pl_model_scale *s)
{
    *s = (pl_model_scale){ ld_float(p),      ld_float(p + 4),  ld_float(p + 8),
                           ld_float(p + 12), ld_float(p + 16), ld_float(p + 20) };
}

static void scale_write(uint8_t *p, const pl_model_scale *s)
{
    const float f[SCALE_FLOATS] = { s->gain, s->offset, s->yes, s->uncertain, s->yes_fpr,
                                    s->uncertain_fpr };

    for (size_t i = 0; i < SCALE_FLOATS; i++)
        st_float(p + 4 * i, f[i]);
}

static pl_rc label_read(pl_model *m, size_t label, const uint8_t *p, pl_error *err)
{
    m->name[label] = (pl_str){ (const char *)p, strnlen((const char *)p, LABEL_NAME) };
    for (size_t i = m->name[label].n; i < LABEL_NAME; i++)
        if (p[i] != 0)
            return pl_fail(err, PL_INVALID, "model: label %zu: bytes behind the name", label);
    if (!name_is_sound(m->name[label]))
        return pl_fail(err, PL_INVALID, "model: label %zu has no proper name", label);
    for (size_t i = 0; i < label; i++)
        if (pl_str_eq(m->name[i], m->name[label]))
            return pl_fail(err, PL_INVALID, "model: two labels of one name");
    for (size_t lang = 0; lang < PL_MODEL_LANGS; lang++) {
        scale_read(p + LABEL_NAME + 4 * SCALE_FLOATS * lang, &m->scale[label][lang]);
        if (!scale_is_sound(&m->scale[label][lang]))
            return pl_fail(err, PL_INVALID, "model: label %zu has no proper scale", label);
    }
    return PL_OK;
}

static pl_rc head_check(pl_str image, pl_error *err)
{
    const uint8_t *p = (const uint8_t *)image.p;

    if (image.n < TABLE_AT || ld32(p, HEAD_MAGIC) != MODEL_MAGIC)
        return pl_fail(err, PL_INVALID, "not a model file");
    if (ld32(p, HEAD_VERSION) != MODEL_VERSION || ld32(p, HEAD_FEATURES) != MODEL_FEATURES)
        return pl_fail(err, PL_INVALID, "model of version %u with feature set %u, not %u and %u",
                       ld32(p, HEAD_VERSION), ld32(p, HEAD_FEATURES), MODEL_VERSION,
                       MODEL_FEATURES);
    if (ld32(p, HEAD_BITS) < PL_MODEL_BITS_MIN || ld32(p, HEAD_BITS) > PL_MODEL_BITS_MAX ||
        ld32(p, HEAD_LABELS) < 1 || ld32(p, HEAD_LABELS) > PL_MODEL_LABELS_MAX ||
        ld32(p, HEAD_SIZE) != image.n ||
        image.n != TABLE_AT + TABLE_SIZE(ld32(p, HEAD_BITS)))
        return pl_fail(err, PL_INVALID, "model: sizes do not fit together");
    for (size_t i = HEAD_USED; i < HEAD_BYTES / 4; i++)
        if (ld32(p, i) != 0)
            return pl_fail(err, PL_INVALID, "model: reserved bytes are not zero");
    if (ld32(p, HEAD_CRC) != pl_crc32c(p + HEAD_BYTES, image.n - HEAD_BYTES))
        return pl_fail(err, PL_INVALID, "model: checksum does not fit, the file is damaged");
    return PL_OK;
}

static pl_rc body_read(pl_model *m, pl_str image, pl_error *err)
{
    const uint8_t *p = (const uint8_t *)image.p;
    pl_rc          rc = PL_OK;

    m->add = sums_add_best();
    m->weights = (const int8_t *)image.p + TABLE_AT;
    m->bits = ld32(p, HEAD_BITS);
    m->labels = ld32(p, HEAD_LABELS);
    for (size_t i = 0; rc == PL_OK && i < m->labels; i++)
        rc = label_read(m, i, p + HEAD_BYTES + i * LABEL_BYTES, err);
    for (size_t i = HEAD_BYTES + m->labels * LABEL_BYTES; rc == PL_OK && i < TABLE_AT; i++)
        if (p[i] != 0)
            rc = pl_fail(err, PL_INVALID, "model: bytes of unused labels are not zero");
    return rc;
}

pl_rc pl_model_open(pl_str image, pl_model **out, pl_error *err)
{
    pl_rc     rc = head_check(image, err);
    pl_model *m;

    if (rc != PL_OK)
        return rc;
    m = calloc(1, sizeof *m);
    if (!m)
        return pl_fail(err, PL_NOMEM, "out of memory for a model");
    rc = body_read(m, image, err);
    if (rc != PL_OK) {
        free(m);
        return rc;
    }
    *out = m;
    return PL_OK;
}

pl_rc pl_model_build(const pl_model_plan *plan, void **out, size_t *n, pl_error *err)
{
    bool      sound = plan->bits >= PL_MODEL_BITS_MIN && plan->bits <= PL_MODEL_BITS_MAX &&
                 plan->labels >= 1 && plan->labels <= PL_MODEL_LABELS_MAX;
    size_t    size = sound ? TABLE_AT + TABLE_SIZE(plan->bits) : 0;
    uint8_t  *p = sound ? calloc(1, size) : NULL;
    pl_model *check = NULL;
    pl_rc     rc;

    if (!p)
        return sound ? pl_fail(err, PL_NOMEM, "out of memory for a model")
                     : pl_fail(err, PL_INVALID, "a model has 1 to %d labels and %d to %d bits",
                               PL_MODEL_LABELS_MAX, PL_MODEL_BITS_MIN, PL_MODEL_BITS_MAX);
    for (size_t i = 0; i < plan->labels; i++) {
        uint8_t *label = p + HEAD_BYTES + i * LABEL_BYTES;

        memcpy(label, plan->name[i], strnlen(plan->name[i], PL_MODEL_NAME_MAX));
        for (size_t lang = 0; lang < PL_MODEL_LANGS; lang++)
            scale_write(label + LABEL_NAME + 4 * SCALE_FLOATS * lang, &plan->scale[i][lang]);
    }
    memcpy(p + TABLE_AT, plan->weights, TABLE_SIZE(plan->bits));
    st32(p, HEAD_MAGIC, MODEL_MAGIC);
    st32(p, HEAD_VERSION, MODEL_VERSION);
    st32(p, HEAD_SIZE, (uint32_t)size);
    st32(p, HEAD_FEATURES, MODEL_FEATURES);
    st32(p, HEAD_BITS, plan->bits);
    st32(p, HEAD_LABELS, (uint32_t)plan->labels);
    st32(p, HEAD_CRC, pl_crc32c(p + HEAD_BYTES, size - HEAD_BYTES));
    rc = pl_model_open((pl_str){ (const char *)p, size }, &check, err);
    pl_model_free(check);
    if (rc != PL_OK) {
        free(p);
        return rc;
    }
    *out = p;
    *n = size;
    return PL_OK;
}

void pl_model_free(pl_model *m)
{
    free(m);
}

size_t pl_model_label_count(const pl_model *m)
{
    return m->labels;
}

pl_str pl_model_label(const pl_model *m, size_t label)
{
    return m->name[label];
}

unsigned pl_model_bits(const pl_model *m)
{
    return m->bits;
}

pl_model_scale pl_model_scale_get(const pl_model *m, size_t label, pl_model_lang lang)
{
    return m->scale[label][lang];
}

/* --- features to buckets -------------------------------------------------------------------- */

/* Buckets wait here until a run of them is worth a pass over the table: their rows are then
 * independent loads that the processor fetches side by side. */
enum { RUN_MAX = 256 };

typedef struct run {
    uint32_t            bucket[RUN_MAX];
    uint32_t            n;
    unsigned            shift;
    const int8_t       *rows; /* fetched ahead of the pass that needs them; NULL: none does */
    uint64_t            features;
    pl_model_buckets_fn emit;
    void               *ctx;
} run;

WALK_INLINE void run_flush(run *r)
{
    r->features += r->n;
    r->emit(r->ctx, r->bucket, r->n);
    r->n = 0;
}

WALK_INLINE void run_add(void *ctx, uint64_t hash, size_t start, size_t end)
{
    run     *r = ctx;
    uint32_t bucket = (uint32_t)(hash >> r->shift);

    (void)start, (void)end;
    if (r->rows)
        __builtin_prefetch(r->rows + (size_t)bucket * PL_MODEL_LABELS_MAX);
    r->bucket[r->n++] = bucket;
    if (r->n == RUN_MAX)
        run_flush(r);
}

WALK_INLINE pl_model_facts features_each(pl_str text, unsigned bits, const int8_t *rows,
                                         pl_model_buckets_fn emit, void *ctx)
{
    run    r = { .shift = 64 - bits, .rows = rows, .emit = emit, .ctx = ctx };
    walker w = walk(text, run_add, &r);

    run_flush(&r);
    return (pl_model_facts){ r.features, w.wides > w.words ? PL_MODEL_HAN : PL_MODEL_WORDS };
}

pl_model_facts pl_model_features(pl_str window, unsigned bits, pl_model_buckets_fn emit, void *ctx)
{
    return features_each(window, bits, NULL, emit, ctx);
}

/* --- scoring -------------------------------------------------------------------------------- */

typedef int8_t  row8 __attribute__((vector_size(PL_MODEL_LABELS_MAX)));
typedef int16_t row16 __attribute__((vector_size(2 * PL_MODEL_LABELS_MAX)));

typedef struct sums {
    const int8_t *weights;
    int64_t       raw[PL_MODEL_LABELS_MAX];
} sums;

/* RUN_MAX rows of int8 cannot leave an int16. */
_Static_assert(RUN_MAX * 128 <= 32768, "a run of rows fits sixteen bits");

WALK_INLINE void sums_add_inline(sums *s, const uint32_t *buckets, size_t n)
{
    row16   total = { 0 };
    int16_t lane[PL_MODEL_LABELS_MAX];

    for (size_t i = 0; i < n; i++) {
        row8 r;

        memcpy(&r, s->weights + (size_t)buckets[i] * PL_MODEL_LABELS_MAX, sizeof r);
        total += __builtin_convertvector(r, row16);
    }
    memcpy(lane, &total, sizeof lane);
    for (size_t i = 0; i < PL_MODEL_LABELS_MAX; i++)
        s->raw[i] += lane[i];
}

static void sums_add(void *ctx, const uint32_t *buckets, size_t n)
{
    sums_add_inline(ctx, buckets, n);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void sums_add_avx2(void *ctx, const uint32_t *buckets,
                                                          size_t n)
{
    sums_add_inline(ctx, buckets, n);
}
#endif

static pl_model_buckets_fn sums_add_best(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return sums_add_avx2;
#endif
    return sums_add;
}

static float probability_of(double logit)
{
    return (float)(1.0 / (1.0 + exp(-logit)));
}

static pl_model_score judge(const pl_model_scale *s, int64_t raw, pl_model_facts facts)
{
    pl_model_score out = { .raw = raw };
    double         root = sqrt((double)(facts.features ? facts.features : 1));

    out.logit = (float)((double)s->gain * (double)raw / root + (double)s->offset);
    out.probability = probability_of((double)out.logit);
    if (facts.features > 0)
        out.verdict = out.logit >= s->yes         ? PL_MODEL_YES
                      : out.logit >= s->uncertain ? PL_MODEL_UNCERTAIN
                                                  : PL_MODEL_NO;
    return out;
}

pl_model_facts pl_model_run(const pl_model *m, pl_str window, pl_model_score *out)
{
    sums           s = { .weights = m->weights };
    pl_model_facts f = features_each(window, m->bits, m->weights, m->add, &s);

    for (size_t i = 0; i < m->labels; i++)
        out[i] = judge(&m->scale[i][f.lang], s.raw[i], f);
    return f;
}

/* --- windows --------------------------------------------------------------------------------- */

static bool ends_sentence(pl_str text, size_t end)
{
    char c = text.p[end - 1];

    return c == '\n' || c == ' ' || c == '\t' ||
           (end >= 3 && memcmp(text.p + end - 3, "\xe3\x80\x82", 3) == 0); /* 。 */
}

size_t pl_model_window(pl_str text, size_t from)
{
    size_t end = from + PL_MODEL_WINDOW;

    if (text.n - from <= PL_MODEL_WINDOW)
        return text.n;
    for (size_t i = end; i > end - PL_MODEL_WINDOW / 4; i--)
        if (ends_sentence(text, i))
            return i;
    for (size_t i = 0; i < 3 && is_utf8_tail((uint8_t)text.p[end]); i++)
        end--;
    return end;
}

pl_model_facts pl_model_run_windows(const pl_model *m, pl_str text, pl_model_score *out)
{
    size_t         end = pl_model_window(text, 0);
    pl_model_facts first = pl_model_run(m, (pl_str){ text.p, end }, out);
    pl_model_score next[PL_MODEL_LABELS_MAX];

    while (end < text.n) {
        size_t from = end;

        end = pl_model_window(text, from);
        (void)pl_model_run(m, (pl_str){ text.p + from, end - from }, next);
        for (size_t i = 0; i < m->labels; i++)
            if (next[i].logit > out[i].logit)
                out[i] = next[i];
    }
    return first;
}

/* --- explaining ------------------------------------------------------------------------------ */

/* A word gives at most four features and has a byte behind it; a wide character three. */
#define PLACES_MAX (2 * PL_MODEL_WINDOW + 8)

typedef struct place {
    uint32_t bucket, start, end;
} place;

typedef struct places {
    place   *p;
    size_t   n;
    unsigned shift;
} places;

WALK_INLINE void places_add(void *ctx, uint64_t hash, size_t start, size_t end)
{
    places *s = ctx;

    if (s->n < PLACES_MAX)
        s->p[s->n++] = (place){ (uint32_t)(hash >> s->shift), (uint32_t)start, (uint32_t)end };
}

static int by_bucket(const void *a, const void *b)
{
    const place *x = a, *y = b;

    if (x->bucket != y->bucket)
        return x->bucket < y->bucket ? -1 : 1;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int by_share(const void *a, const void *b)
{
    const pl_model_feature *x = a, *y = b;

    if (abs(x->share) != abs(y->share))
        return abs(x->share) > abs(y->share) ? -1 : 1;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* Places of one bucket become one feature. Overwrites the front of an array it has read. */
static size_t features_group(const pl_model *m, size_t label, const places *s,
                             pl_model_feature *out)
{
    size_t n = 0;

    for (size_t i = 0, j; i < s->n; i = j) {
        int32_t weight = m->weights[(size_t)s->p[i].bucket * PL_MODEL_LABELS_MAX + label];

        for (j = i; j < s->n && s->p[j].bucket == s->p[i].bucket; j++)
            ;
        out[n++] = (pl_model_feature){ s->p[i].start, s->p[i].end, (uint32_t)(j - i),
                                       (int32_t)(j - i) * weight };
    }
    qsort(out, n, sizeof *out, by_share);
    return n;
}

pl_rc pl_model_explain(const pl_model *m, pl_str window, size_t label, pl_model_feature *out,
                       size_t max, size_t *n, size_t *total, pl_error *err)
{
    places            s = { .shift = 64 - m->bits };
    pl_model_feature *all;

    if (window.n > PL_MODEL_WINDOW)
        return pl_fail(err, PL_LIMIT, "a window to explain has at most %d bytes", PL_MODEL_WINDOW);
    s.p = malloc(PLACES_MAX * sizeof *s.p);
    all = malloc(PLACES_MAX * sizeof *all);
    if (!s.p || !all) {
        free(s.p);
        free(all);
        return pl_fail(err, PL_NOMEM, "out of memory for an explanation");
    }
    (void)walk(window, places_add, &s);
    qsort(s.p, s.n, sizeof *s.p, by_bucket);
    *total = features_group(m, label, &s, all);
    *n = *total < max ? *total : max;
    if (*n > 0)
        memcpy(out, all, *n * sizeof *out);
    free(s.p);
    free(all);
    return PL_OK;
}
