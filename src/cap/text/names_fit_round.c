/* Weights as whole numbers in tables, and how sure a finding is. */
#include "base/banned.h"

#include "cap/text/names_fit_int.h"

/* --- whole numbers ---------------------------------------------------------------------------------- */

#define LOOSE 3.0f /* added to logits for calibration */
#define GAIN (NAMES_WEIGHT_MAX / 127)

typedef struct placed {
    uint32_t feature;
    int8_t   w[2];
    uint64_t moves; /* what it adds to all sums, more or less */
} placed;

/* Of features that want the same place the one that moves most gets it. */
static int by_moves(const void *a, const void *b)
{
    const placed *x = a, *y = b;

    if (x->moves != y->moves)
        return x->moves > y->moves ? -1 : 1;
    return (x->feature > y->feature) - (x->feature < y->feature);
}

static int8_t rounded(const learner *l, uint32_t index)
{
    return index ? (int8_t)lrintf(l->w[index] / GAIN) : 0;
}

static placed placed_make(const learner *l, uint32_t i, const learner *other, bool swap)
{
    uint32_t k = other ? names_index(other, l->feature[i]) : 0;
    int8_t   w = rounded(l, i), v = k ? rounded(other, k) : 0;
    placed   p = { .feature = l->feature[i], .w = { swap ? v : w, swap ? w : v } };

    p.moves = (uint64_t)abs(w) * l->count[i] + (k ? (uint64_t)abs(v) * other->count[k] : 0);
    return p;
}

/* The features of one or two learners; *n of them. */
static placed *weights_list(const learner *a, const learner *b, size_t *n)
{
    placed *list = calloc(a->n + (b ? b->n : 0) + 1, sizeof *list);

    *n = 0;
    for (uint32_t i = 1; list && i < a->n; i++)
        list[(*n)++] = placed_make(a, i, b, false);
    for (uint32_t i = 1; list && b && i < b->n; i++)
        if (names_index(a, b->feature[i]) == 0)
            list[(*n)++] = placed_make(b, i, NULL, true);
    if (list)
        qsort(list, *n, sizeof *list, by_moves);
    return list;
}

static pl_rc weights_place(fitter *f, const learner *a, const learner *b, unsigned bits,
                           uint8_t *table, size_t *lost)
{
    size_t   n, width = b ? 4 : 2;
    placed  *list = weights_list(a, b, &n);
    uint8_t *taken = calloc(1, (size_t)1 << bits);

    for (size_t i = 0; list && taken && i < n; i++) {
        const placed *x = &list[i];
        size_t        at = x->feature >> (32 - bits);
        uint8_t      *p = table + at * width;

        if (x->w[0] == 0 && x->w[1] == 0)
            continue;
        *lost += taken[at];
        if (taken[at])
            continue;
        taken[at] = 1;
        p[0] = (uint8_t)x->w[0];
        if (b) {
            p[1] = (uint8_t)x->w[1];
            p[2] = (uint8_t)x->feature;
            p[3] = (uint8_t)(x->feature >> 8);
        } else {
            p[1] = (uint8_t)x->feature;
        }
    }
    free(taken);
    free(list);
    return list && taken ? PL_OK : pl_fail(f->err, PL_NOMEM, "out of memory");
}

pl_rc names_fit_round(fitter *f)
{
    pl_rc rc;

    for (int t = 0; t < NAMES_TASKS; t++)
        f->plan.scale[t] = (names_scale){ .gain = GAIN, .slope = 1, .shift = LOOSE,
                                          .offset = f->learner[t].w[f->learner[t].n] };
    rc = weights_place(f, &f->learner[NAMES_ZH], NULL, f->plan.zh_bits, f->zh, &f->lost);
    if (rc == PL_OK)
        rc = weights_place(f, &f->learner[NAMES_EN], &f->learner[NAMES_EN_ADDRESS],
                           f->plan.en_bits, f->en, &f->lost);
    return rc;
}

/* --- calibration -------------------------------------------------------------------------------------- */

typedef struct point {
    double logit;
    bool   truth;
} point;

typedef struct points {
    point               *p[NAMES_TASKS];
    size_t               n[NAMES_TASKS], cap[NAMES_TASKS];
    const names_example *e;
    bool                 failed;
} points;

static int point_take(void *ctx, const pl_text_finding *f)
{
    points *ps = ctx;
    bool    is_address = f->rule == 1, zh = (uint8_t)ps->e->text[f->start] >= 0xe4, truth = false;
    int     task = is_address ? NAMES_EN_ADDRESS : zh ? NAMES_ZH : NAMES_EN;
    double  s = f->score < PL_SCORE_MAX ? f->score / (double)PL_SCORE_MAX : 0.99995;

    /* Natural English texts are full of names that nobody marked, Chinese ones are not. */
    if ((is_address && zh) || (!zh && ps->e->is_natural) || (is_address ? !ps->e->learn_address : !ps->e->learn_name))
        return 0;
    for (unsigned i = 0; i < ps->e->golds; i++)
        truth |= ps->e->gold[i].is_address == is_address && ps->e->gold[i].start == f->start &&
                 ps->e->gold[i].end == f->end;
    ps->p[task] = names_grown(ps->p[task], &ps->cap[task], ps->n[task] + 1, sizeof(point), &ps->failed);
    if (!ps->failed)
        ps->p[task][ps->n[task]++] = (point){ log(s / (1 - s)) - LOOSE, truth };
    return 0;
}

/* Logistic regression of being right on the logit: Newton's steps. */
static void scale_fit(const point *p, size_t n, names_scale *s)
{
    double a = 1, b = 0;

    for (int round = 0; round < 50 && n >= 50; round++) {
        double ga = a - 1, gb = 0.1 * b, haa = 1, hab = 0, hbb = 0.1, det, da, db;

        for (size_t i = 0; i < n; i++) {
            double q = names_probability(a * p[i].logit + b), e = q - p[i].truth, v = q * (1 - q);

            ga += e * p[i].logit;
            gb += e;
            haa += v * p[i].logit * p[i].logit;
            hab += v * p[i].logit;
            hbb += v;
        }
        det = haa * hbb - hab * hab;
        da = (hbb * ga - hab * gb) / det;
        db = (haa * gb - hab * ga) / det;
        a -= fmax(-0.5, fmin(0.5, da));
        b -= fmax(-0.5, fmin(0.5, db));
    }
    s->slope = (float)(a > 0.05 ? a : 0.05);
    s->shift = (float)b;
}

pl_rc names_fit_calibrate(fitter *f, const void *image, size_t n)
{
    pl_pii_config c;
    points        ps = { 0 };
    pl_names     *m = NULL;
    pl_rc         rc = pl_names_open((pl_str){ image, n }, &m, f->err);

    memset(&c, 0xff, sizeof c);
    c.rule[PL_PII_NAME] = 0;
    c.rule[PL_PII_ADDRESS] = 1;
    for (size_t i = 0; rc == PL_OK && i < f->d->n; i++)
        if (f->d->e[i].use == NAMES_CALIBRATE) {
            ps.e = &f->d->e[i];
            pl_names_scan(m, &c, (pl_str){ ps.e->text, ps.e->n }, point_take, &ps);
        }
    for (int t = 0; rc == PL_OK && t < NAMES_TASKS; t++) {
        scale_fit(ps.p[t], ps.n[t], &f->plan.scale[t]);
        free(ps.p[t]);
    }
    pl_names_free(m);
    return ps.failed ? pl_fail(f->err, PL_NOMEM, "out of memory") : rc;
}

