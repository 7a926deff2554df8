/* Learning: features of the engine, weights by liblinear, then whole numbers, calibration and
 * thresholds.
 *
 * liblinear is loaded when it is needed and nowhere else: only people who train need it. */
#include "base/banned.h"

#include "base/str.h"
#include "cap/text/model_int.h"

#include <dlfcn.h>
#include <linear.h>
#include <math.h>

#define LIBLINEAR "liblinear.so.4"

typedef struct linear {
    void *handle;
    struct model *(*train)(const struct problem *, const struct parameter *);
    void (*free_and_destroy_model)(struct model **);
    void (*set_print_string_function)(void (*)(const char *));
} linear;

/* One text as liblinear wants it, and what is known about it. */
typedef struct row {
    struct feature_node *x; /* ends with the constant and index -1 */
    const model_example *e;
    pl_model_lang        lang;
} row;

typedef struct fitter {
    const model_recipe  *r;
    linear               lib;
    row                 *rows; /* what is not held out */
    size_t               n;
    struct feature_node *nodes, **x;
    double              *y, *score, *raw;
    bool                 weak_too; /* of the label in work */
    struct parameter     param;
    pl_model_plan        plan;
    int8_t              *weights;
    pl_error            *err;
} fitter;

/* --- the library --------------------------------------------------------------------------- */

static void quiet(const char *s)
{
    (void)s;
}

static pl_rc linear_open(linear *l, pl_error *err)
{
    l->handle = dlopen(LIBLINEAR, RTLD_NOW | RTLD_LOCAL);
    if (!l->handle)
        return pl_fail(err, PL_IO, "cannot load %s: install Debian's package liblinear4", LIBLINEAR);
    *(void **)&l->train = dlsym(l->handle, "train");
    *(void **)&l->free_and_destroy_model = dlsym(l->handle, "free_and_destroy_model");
    *(void **)&l->set_print_string_function = dlsym(l->handle, "set_print_string_function");
    if (!l->train || !l->free_and_destroy_model || !l->set_print_string_function)
        return pl_fail(err, PL_IO, "%s is not the library expected", LIBLINEAR);
    l->set_print_string_function(quiet);
    return PL_OK;
}

/* --- features to rows ------------------------------------------------------------------------ */

typedef struct bucket_list {
    uint32_t *p;
    size_t    n, cap;
    bool      failed;
} bucket_list;

static void buckets_take(void *ctx, const uint32_t *buckets, size_t n)
{
    bucket_list *l = ctx;

    if (l->n + n > l->cap) {
        size_t    cap = (l->n + n) * 2;
        uint32_t *bigger = realloc(l->p, cap * sizeof *bigger);

        if (!bigger) {
            l->failed = true;
            return;
        }
        l->p = bigger;
        l->cap = cap;
    }
    memcpy(l->p + l->n, buckets, n * sizeof *buckets);
    l->n += n;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

/* Counts over the root of their total, as the engine scores; the constant is the offset. */
static pl_rc row_make(fitter *f, const model_example *e, bucket_list *l, row *out)
{
    pl_str text = pl_str_z(e->text);
    pl_str window = { text.p, pl_model_window(text, 0) };
    size_t distinct = 0, k = 0;
    double root;

    l->n = 0;
    *out = (row){ .e = e, .lang = pl_model_features(window, f->r->bits, buckets_take, l).lang };
    if (l->failed)
        return pl_fail(f->err, PL_NOMEM, "out of memory");
    if (l->n > 1)
        qsort(l->p, l->n, sizeof *l->p, by_number);
    for (size_t i = 0; i < l->n; i++)
        distinct += i == 0 || l->p[i] != l->p[i - 1];
    out->x = malloc((distinct + 2) * sizeof *out->x);
    if (!out->x)
        return pl_fail(f->err, PL_NOMEM, "out of memory");
    root = sqrt((double)(l->n ? l->n : 1));
    for (size_t i = 0; i < l->n; i++) {
        if (i > 0 && l->p[i] == l->p[i - 1])
            out->x[k - 1].value += 1 / root;
        else
            out->x[k++] = (struct feature_node){ (int)l->p[i] + 1, 1 / root };
    }
    out->x[k++] = (struct feature_node){ (1 << f->r->bits) + 1, 1 };
    out->x[k] = (struct feature_node){ -1, 0 };
    return PL_OK;
}

static pl_rc rows_make(fitter *f, const model_data *d)
{
    bucket_list l = { 0 };
    pl_rc       rc = PL_OK;

    f->rows = calloc(d->n + 1, sizeof *f->rows);
    f->x = calloc(d->n + 1, sizeof *f->x);
    f->y = calloc(d->n + 1, sizeof *f->y);
    f->score = calloc(d->n + 1, sizeof *f->score);
    f->raw = calloc(d->n + 1, sizeof *f->raw);
    f->weights = calloc((size_t)PL_MODEL_LABELS_MAX << f->r->bits, 1);
    if (!f->rows || !f->x || !f->y || !f->score || !f->raw || !f->weights)
        return pl_fail(f->err, PL_NOMEM, "out of memory");
    for (size_t i = 0; rc == PL_OK && i < d->n; i++)
        if (!model_is_held_out(&d->e[i])) {
            rc = row_make(f, &d->e[i], &l, &f->rows[f->n]);
            f->n += rc == PL_OK;
        }
    free(l.p);
    return rc;
}

static void fitter_done(fitter *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->rows[i].x);
    free(f->rows);
    free(f->x);
    free(f->y);
    free(f->score);
    free(f->raw);
    free(f->weights);
    if (f->lib.handle)
        (void)dlclose(f->lib.handle);
}

/* --- learning one label ------------------------------------------------------------------------ */

/* Texts of other folds when `fold` is one of the three that take turns; all when it is -1. */
enum { TURNS = 3 };

static int truth_of(const row *r, size_t label)
{
    return (r->e->yes >> label & 1) ? 1 : (r->e->no >> label & 1) ? -1 : 0;
}

static bool is_turn(const row *r, int turn)
{
    return r->e->fold % TURNS == turn;
}

/* PL_NOTFOUND: one of the two sides is empty. */
static pl_rc learn(fitter *f, size_t label, int turn, struct model **out)
{
    struct problem prob = { .n = (1 << f->r->bits) + 1, .bias = 1, .x = f->x, .y = f->y };
    size_t         pos = 0;

    for (size_t i = 0; i < f->n; i++) {
        int truth = truth_of(&f->rows[i], label);

        if (truth == 0 || is_turn(&f->rows[i], turn))
            continue;
        f->x[prob.l] = f->rows[i].x;
        f->y[prob.l++] = truth;
        pos += truth > 0;
    }
    if (pos == 0 || pos == (size_t)prob.l)
        return pl_fail(f->err, PL_INVALID, "label '%s' has %s", f->r->label[label],
                       pos ? "no negative text" : "no positive text");
    *out = f->lib.train(&prob, &f->param);
    return *out ? PL_OK : pl_fail(f->err, PL_NOMEM, "out of memory");
}

/* liblinear's weights speak for its first class. */
static double sign_of(const struct model *m)
{
    return m->label[0] == 1 ? 1 : -1;
}

static double score_of(const struct model *m, const struct feature_node *x)
{
    double s = 0;

    for (; x->index > 0; x++)
        s += m->w[x->index - 1] * x->value;
    return sign_of(m) * s;
}

/* Scores every known text by a model that has not seen its fold. */
static pl_rc score_unseen(fitter *f, size_t label)
{
    for (int turn = 0; turn < TURNS; turn++) {
        struct model *m = NULL;
        pl_rc         rc = learn(f, label, turn, &m);

        if (rc != PL_OK)
            return rc;
        for (size_t i = 0; i < f->n; i++)
            if (is_turn(&f->rows[i], turn))
                f->score[i] = score_of(m, f->rows[i].x);
        f->lib.free_and_destroy_model(&m);
    }
    return PL_OK;
}

/* --- whole numbers ------------------------------------------------------------------------------ */

static int8_t whole(double w, double step)
{
    double v = nearbyint(w / step);

    return (int8_t)(v > 127 ? 127 : v < -127 ? -127 : v);
}

static double loss_of(const struct model *m, size_t n, double step)
{
    double loss = 0;

    for (size_t i = 0; i < n; i++) {
        double d = m->w[i] - whole(m->w[i], step) * step;

        loss += d * d;
    }
    return loss;
}

/* The step that loses least: a few large weights may be clipped for the sake of the many. */
static double step_of(const struct model *m, size_t n)
{
    double most = 1e-9, best = 0, least = INFINITY;

    for (size_t i = 0; i < n; i++)
        most = fabs(m->w[i]) > most ? fabs(m->w[i]) : most;
    for (double clip = 1; clip > 0.1; clip *= 0.8) {
        double loss = loss_of(m, n, most * clip / 127);

        if (loss < least) {
            least = loss;
            best = most * clip / 127;
        }
    }
    return best;
}

/* --- calibration ---------------------------------------------------------------------------------- */

typedef struct curve {
    double a, b; /* probability = logistic(a * score + b) */
} curve;

typedef struct side {
    size_t pos, neg;
} side;

/* lang PL_MODEL_LANGS: both. Weak labels teach weights; they calibrate only where there is
 * hardly anything else. */
static bool counts(const fitter *f, size_t i, size_t label, pl_model_lang lang)
{
    return truth_of(&f->rows[i], label) != 0 && (f->weak_too || !f->rows[i].e->weak) &&
           (lang == PL_MODEL_LANGS || f->rows[i].lang == lang);
}

static side sides(const fitter *f, size_t label, pl_model_lang lang)
{
    side s = { 0, 0 };

    for (size_t i = 0; i < f->n; i++)
        if (counts(f, i, label, lang)) {
            s.pos += truth_of(&f->rows[i], label) > 0;
            s.neg += truth_of(&f->rows[i], label) < 0;
        }
    return s;
}

/* Platt's method with his targets, by Newton's steps on two unknowns. */
static curve curve_fit(const fitter *f, size_t label, pl_model_lang lang)
{
    side   s = sides(f, label, lang);
    double hi = ((double)s.pos + 1) / ((double)s.pos + 2), lo = 1 / ((double)s.neg + 2);
    curve  c = { 1, 0 };

    for (int round = 0; round < 100; round++) {
        double g_a = 0, g_b = 0, h_aa = 1e-9, h_ab = 0, h_bb = 1e-9, det, da, db;

        for (size_t i = 0; i < f->n; i++) {
            double z = f->score[i], p, d, w;

            if (!counts(f, i, label, lang))
                continue;
            p = 1 / (1 + exp(-(c.a * z + c.b)));
            d = p - (truth_of(&f->rows[i], label) > 0 ? hi : lo);
            w = p * (1 - p);
            g_a += d * z;
            g_b += d;
            h_aa += w * z * z;
            h_ab += w * z;
            h_bb += w;
        }
        det = h_aa * h_bb - h_ab * h_ab;
        if (!(det > 1e-12))
            break;
        da = (h_bb * g_a - h_ab * g_b) / det;
        db = (h_aa * g_b - h_ab * g_a) / det;
        da = fmax(-1, fmin(1, da)); /* far from the solution a full step overshoots */
        db = fmax(-1, fmin(1, db));
        c.a -= da;
        c.b -= db;
        if (fabs(da) + fabs(db) < 1e-7)
            break;
    }
    c.a = c.a > 0 ? c.a : 0;
    return c;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* How many of n negatives may be found so that the rate is at most `rate` with 97.5 % confidence
 * (Wilson's upper bound). With few negatives that is none. */
static size_t allowed_of(size_t n, double rate)
{
    const double z2 = 1.959964 * 1.959964;
    size_t       k = 0;

    for (;; k++) {
        double p = (double)(k + 1) / (double)n, m = (double)n;
        double high = (p + z2 / (2 * m) + sqrt(z2 * p * (1 - p) / m + z2 * z2 / (4 * m * m))) /
                      (1 + z2 / m);

        if (k + 1 >= n || high > rate)
            return k;
    }
}

/* The lowest logit at which no more than that many of the negatives lie. */
static double threshold(fitter *f, size_t label, pl_model_lang lang, curve c, double rate)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n; i++)
        if (counts(f, i, label, lang) && !f->rows[i].e->hard && truth_of(&f->rows[i], label) < 0)
            f->raw[n++] = c.a * f->score[i] + c.b;
    if (n == 0)
        return 0;
    qsort(f->raw, n, sizeof *f->raw, by_value);
    return nextafterf((float)f->raw[n - 1 - allowed_of(n, rate)], INFINITY);
}

#define YES_LEAST  (-1.0986) /* logit of 0.25: less is not called a yes, whatever the rate */
#define BAND_LEAST (-2.9444) /* logit of 0.05: below it nothing is called uncertain */
enum { ENOUGH = 60 };     /* texts of each side for a calibration of its own */

static void calibrate(fitter *f, size_t label, double step, double constant)
{
    f->weak_too = false;
    f->weak_too = sides(f, label, PL_MODEL_LANGS).pos < ENOUGH;
    for (pl_model_lang lang = 0; lang < PL_MODEL_LANGS; lang++) {
        side            s = sides(f, label, lang);
        pl_model_lang   from = s.pos >= ENOUGH && s.neg >= ENOUGH ? lang : PL_MODEL_LANGS;
        curve           c = curve_fit(f, label, from);
        double          yes = threshold(f, label, from, c, f->r->yes_fpr);
        double          maybe = threshold(f, label, from, c, f->r->uncertain_fpr);
        pl_model_scale *out = &f->plan.scale[label][lang];

        yes = yes > YES_LEAST ? yes : YES_LEAST;
        maybe = maybe > BAND_LEAST ? maybe : BAND_LEAST;
        *out = (pl_model_scale){ .gain = (float)(c.a * step),
                                 .offset = (float)(c.a * constant + c.b),
                                 .yes = (float)yes,
                                 .uncertain = (float)(maybe < yes ? maybe : yes),
                                 .yes_fpr = (float)f->r->yes_fpr,
                                 .uncertain_fpr = (float)f->r->uncertain_fpr };
    }
}

static pl_rc label_fit(fitter *f, size_t label)
{
    size_t        n = (size_t)1 << f->r->bits;
    struct model *m = NULL;
    double        step;
    pl_rc         rc = score_unseen(f, label);

    if (rc == PL_OK)
        rc = learn(f, label, -1, &m);
    if (rc != PL_OK)
        return rc;
    step = step_of(m, n);
    for (size_t i = 0; i < n; i++)
        f->weights[i * PL_MODEL_LABELS_MAX + label] = whole(sign_of(m) * m->w[i], step);
    calibrate(f, label, step, sign_of(m) * m->w[n]);
    f->lib.free_and_destroy_model(&m);
    return PL_OK;
}

pl_rc model_fit(const model_recipe *r, const model_data *d, pl_cmd_progress *progress, void **image,
                size_t *n, pl_error *err)
{
    fitter f = { .r = r, .err = err };
    pl_rc  rc;

    f.param = (struct parameter){ .solver_type = L2R_LR, .eps = 0.01, .C = r->cost };
    f.plan = (pl_model_plan){ .labels = r->labels, .bits = r->bits };
    memcpy(f.plan.name, r->label, sizeof f.plan.name);
    rc = linear_open(&f.lib, err);
    if (rc == PL_OK)
        rc = rows_make(&f, d);
    for (size_t label = 0; rc == PL_OK && label < r->labels; label++) {
        if (progress)
            pl_cmd_progress_tick(progress, label, r->labels);
        rc = label_fit(&f, label);
    }
    f.plan.weights = f.weights;
    if (rc == PL_OK)
        rc = pl_model_build(&f.plan, image, n, err);
    fitter_done(&f);
    return rc;
}
