/* Figures with intervals. Everything is deterministic: resampling has a fixed seed. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/text/model_int.h"

#include <math.h>

enum { ROUNDS = 200, BINS = 10 };

#define FPR_ASKED 0.01

static int by_logit(const void *a, const void *b)
{
    const model_point *x = a, *y = b;

    return x->logit > y->logit ? -1 : x->logit < y->logit;
}

typedef struct one {
    double auc, recall, ece;
} one;

/* Points sorted from high to low, each counted weight[i] times (NULL: once). Of equal scores a
 * pair counts half. */
static one figures_of(const model_point *p, const uint16_t *weight, size_t n, double pos,
                      double neg)
{
    double above = 0, ranked = 0, found = 0, false_found = 0;
    double in[BINS] = { 0 }, sum[BINS] = { 0 }, hit[BINS] = { 0 };
    one    out = { NAN, NAN, 0 };
    bool   within = true;

    for (size_t i = 0, j; i < n; i = j) {
        double tp = 0, fp = 0;

        for (j = i; j < n && p[j].logit == p[i].logit; j++) {
            double w = weight ? weight[j] : 1;
            int    b = (int)(p[j].probability * BINS);

            b = b < 0 ? 0 : b >= BINS ? BINS - 1 : b;
            tp += p[j].truth ? w : 0;
            fp += p[j].truth ? 0 : w;
            in[b] += w;
            sum[b] += w * (double)p[j].probability;
            hit[b] += p[j].truth ? w : 0;
        }
        ranked += fp * (above + tp / 2);
        above += tp;
        false_found += fp;
        within = within && false_found <= FPR_ASKED * neg;
        if (within)
            found = above;
    }
    for (int b = 0; b < BINS; b++)
        out.ece += fabs(sum[b] - hit[b]) / (pos + neg);
    if (pos > 0 && neg > 0) {
        out.auc = ranked / (pos * neg);
        out.recall = found / pos;
    }
    return out;
}

/* --- intervals ------------------------------------------------------------------------------ */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static model_figure interval(double value, double *rounds)
{
    if (isnan(value))
        return (model_figure){ NAN, NAN, NAN };
    qsort(rounds, ROUNDS, sizeof *rounds, by_value);
    return (model_figure){ value, rounds[ROUNDS / 40], rounds[ROUNDS - 1 - ROUNDS / 40] };
}

static model_figure wilson(size_t hits, size_t n)
{
    const double z = 1.959964;
    double       p = n ? (double)hits / (double)n : NAN, m = (double)n;
    double       mid = (p + z * z / (2 * m)) / (1 + z * z / m);
    double       half = z * sqrt(p * (1 - p) / m + z * z / (4 * m * m)) / (1 + z * z / m);

    return (model_figure){ p, fmax(0, mid - half), fmin(1, mid + half) };
}

static uint64_t draw(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s >> 11;
}

typedef struct bootstrap {
    uint16_t *weight;
    uint32_t *index; /* positives first, then negatives */
    double    auc[ROUNDS], recall[ROUNDS], ece[ROUNDS];
} bootstrap;

/* Each side is drawn anew, with replacement, to its own size. */
static void rounds_run(bootstrap *b, const model_point *p, size_t n, size_t pos)
{
    uint64_t seed = 0x9e3779b97f4a7c15u;
    size_t   neg = n - pos, ip = 0, in = pos;

    for (size_t i = 0; i < n; i++)
        b->index[p[i].truth ? ip++ : in++] = (uint32_t)i;
    for (int round = 0; round < ROUNDS; round++) {
        one o;

        memset(b->weight, 0, n * sizeof *b->weight);
        for (size_t i = 0; i < pos; i++)
            b->weight[b->index[draw(&seed) % pos]]++;
        for (size_t i = 0; i < neg; i++)
            b->weight[b->index[pos + draw(&seed) % neg]]++;
        o = figures_of(p, b->weight, n, (double)pos, (double)neg);
        b->auc[round] = o.auc;
        b->recall[round] = o.recall;
        b->ece[round] = o.ece;
    }
}

static void at_threshold(const model_point *p, size_t n, model_figures *out)
{
    size_t hits = 0, wrong = 0, band = 0;

    for (size_t i = 0; i < n; i++) {
        hits += p[i].truth && p[i].yes;
        wrong += !p[i].truth && p[i].yes;
        band += p[i].uncertain;
    }
    out->recall = wilson(hits, out->pos);
    out->fpr = wilson(wrong, out->neg);
    out->uncertain = wilson(band, n);
}

pl_rc model_measure(model_point *p, size_t n, model_figures *out, pl_error *err)
{
    bootstrap *b = calloc(1, sizeof *b);
    one        o;

    if (b) {
        b->weight = malloc((n + 1) * sizeof *b->weight);
        b->index = malloc((n + 1) * sizeof *b->index);
    }
    if (!b || !b->weight || !b->index) {
        if (b) {
            free(b->weight);
            free(b->index);
        }
        free(b);
        return pl_fail(err, PL_NOMEM, "out of memory");
    }
    *out = (model_figures){ 0 };
    if (n > 1)
        qsort(p, n, sizeof *p, by_logit);
    for (size_t i = 0; i < n; i++)
        out->pos += p[i].truth;
    out->neg = n - out->pos;
    o = figures_of(p, NULL, n, (double)out->pos, (double)out->neg);
    rounds_run(b, p, n, out->pos);
    out->auc = interval(o.auc, b->auc);
    out->recall_at_1 = interval(o.recall, b->recall);
    out->ece = interval(n ? o.ece : NAN, b->ece);
    at_threshold(p, n, out);
    free(b->weight);
    free(b->index);
    free(b);
    return PL_OK;
}

/* --- as JSON ---------------------------------------------------------------------------------- */

static double rounded(double v)
{
    return nearbyint(v * 10000) / 10000;
}

static json_t *figure_json(const model_figure *f)
{
    if (isnan(f->value))
        return json_null();
    return json_pack("{s:f, s:f, s:f}", "value", rounded(f->value), "low", rounded(f->low), "high",
                     rounded(f->high));
}

json_t *model_figures_json(const model_figures *f)
{
    return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "pos", (json_int_t)f->pos, "neg",
                     (json_int_t)f->neg, "auc", figure_json(&f->auc), "recall_at_1_percent_fpr",
                     figure_json(&f->recall_at_1), "ece", figure_json(&f->ece), "recall",
                     figure_json(&f->recall), "fpr", figure_json(&f->fpr), "uncertain",
                     figure_json(&f->uncertain));
}

/* --- a model over data -------------------------------------------------------------------------- */

static const char *const langs[] = { "all", "zh", "en" };

static bool lang_fits(const model_example *e, size_t lang)
{
    return lang == 0 || e->han == (lang == 1);
}

/* Model labels are matched to the recipe's by name: the two need not be of one origin. */
static int label_in_model(const pl_model *m, const char *name)
{
    for (size_t i = 0; i < pl_model_label_count(m); i++)
        if (pl_str_eqz(pl_model_label(m, i), name))
            return (int)i;
    return -1;
}

typedef struct collection {
    const model_data   *d;
    const model_scored *scored;
    const bool         *used;
    model_point        *points;
} collection;

static size_t points_of(const collection *c, size_t label, int in_model, size_t lang)
{
    size_t n = 0;

    for (size_t i = 0; i < c->d->n; i++) {
        const model_example  *e = &c->d->e[i];
        const pl_model_score *s = &c->scored[i].score[in_model];

        if (!c->used[i] || !((e->yes | e->no) >> label & 1) || !lang_fits(e, lang))
            continue;
        c->points[n++] = (model_point){ s->logit, s->probability, e->yes >> label & 1,
                                        s->verdict == PL_MODEL_YES,
                                        s->verdict == PL_MODEL_UNCERTAIN };
    }
    return n;
}

static pl_rc label_results(const collection *c, const model_recipe *r, size_t label, int in_model,
                           json_t *out, pl_error *err)
{
    for (size_t lang = 0; lang < 3; lang++) {
        size_t        n = points_of(c, label, in_model, lang);
        model_figures f;
        json_t       *row;
        pl_rc         rc;

        if (n == 0)
            continue;
        rc = model_measure(c->points, n, &f, err);
        if (rc != PL_OK)
            return rc;
        row = model_figures_json(&f);
        (void)json_object_set_new(row, "label", json_string(r->label[label]));
        (void)json_object_set_new(row, "lang", json_string(langs[lang]));
        (void)json_array_append_new(out, row);
    }
    return PL_OK;
}

pl_rc model_results(const pl_model *m, const model_recipe *r, const model_data *d,
                    bool (*use)(const model_example *e, const void *ctx), const void *ctx,
                    json_t **out, pl_error *err)
{
    model_scored *scored = calloc(d->n + 1, sizeof *scored);
    bool         *used = calloc(d->n + 1, sizeof *used);
    model_point  *points = calloc(d->n + 1, sizeof *points);
    collection    c = { d, scored, used, points };
    json_t       *list = json_array();
    pl_rc         rc = scored && used && points && list ? PL_OK
                                                        : pl_fail(err, PL_NOMEM, "out of memory");

    for (size_t i = 0; rc == PL_OK && i < d->n; i++) {
        used[i] = use(&d->e[i], ctx);
        if (used[i])
            (void)pl_model_run_windows(m, pl_str_z(d->e[i].text), scored[i].score);
    }
    for (size_t label = 0; rc == PL_OK && label < r->labels; label++) {
        int in_model = label_in_model(m, r->label[label]);

        if (in_model >= 0)
            rc = label_results(&c, r, label, in_model, list, err);
    }
    free(scored);
    free(used);
    free(points);
    if (rc == PL_OK)
        *out = list;
    else
        json_decref(list);
    return rc;
}
