/* Learning: every span and token that the engine would judge is one instance, its features the
 * engine's own; logistic regression by AdaGrad with features dropped at random (so that no word list
 * learnt by heart outweighs the rest), whole numbers, calibration on texts held out from it.
 *
 * Two rounds: natural texts hold names that nobody marked. What the first round, which learnt from
 * marked texts alone, takes for one is left out of the second. */
#include "base/banned.h"

#include "cap/text/names_fit_int.h"

enum { EPOCHS = 6, AVERAGED = 4, ROUNDS = 2, SEEN_LEAST = 3, COMMON_LEAST = 3, LOWER_BITS = 24 };
#define RATE    0.25
#define UNSURE  0.6 /* natural spans above it are left out of the second round ... */
#define UNKNOWN 0.1 /* ... and words that natural texts never write in lower case */

/* --- instances ------------------------------------------------------------------------------------ */

void *names_grown(void *p, size_t *cap, size_t need, size_t size, bool *failed)
{
    size_t more = need > *cap ? need + need / 2 + 1024 : *cap;
    void  *bigger = need > *cap ? realloc(p, more * size) : p;

    if (!bigger) {
        *failed = true;
        return p;
    }
    *cap = more;
    return bigger;
}

static void instance_add(pool *p, const uint32_t *feature, unsigned n, uint32_t cue, bool truth,
                         bool natural, bool unknown)
{
    p->i = names_grown(p->i, &p->cap, p->n + 1, sizeof *p->i, &p->failed);
    p->feature = names_grown(p->feature, &p->feature_cap, p->features + n, sizeof *p->feature, &p->failed);
    if (p->failed)
        return;
    p->i[p->n++] = (instance){ .at = p->features, .cue = cue, .n = (uint8_t)n, .truth = truth,
                               .natural = natural && !truth, .unknown = unknown && !truth };
    memcpy(p->feature + p->features, feature, n * sizeof *feature);
    p->features += n;
}

static void span_take(void *ctx, const names_span *s)
{
    fitter *f = ctx;
    size_t  start = f->base + s->start, end = f->base + s->end;
    bool    truth = false, overlaps = false;

    for (unsigned i = 0; i < f->e->golds; i++) {
        const names_gold *g = &f->e->gold[i];

        truth |= !g->is_address && g->start == start && g->end == end;
        overlaps |= g->start < end && start < g->end;
    }
    /* What overlaps a name that is marked is surely none. */
    instance_add(&f->pool[NAMES_ZH], s->feature, s->n, s->pair, truth,
                 f->e->use == NAMES_NATURAL && !overlaps, false);
    if (!f->pool[NAMES_ZH].failed)
        f->pool[NAMES_ZH].i[f->pool[NAMES_ZH].n - 1].second = s->second;
}

static void zh_take(fitter *f, pl_str unit)
{
    const uint8_t *p = (const uint8_t *)unit.p;

    for (size_t i = 0; i + 2 < unit.n; i++)
        if (p[i] >= 0xe4 && p[i] <= 0xe9)
            names_zh_spans(f->classes, NULL, unit, i, span_take, f);
}

/* "Mr." is marked as a person in some data. */
static bool is_title(const names_example *e, const names_gold *g)
{
    return !g->is_address && g->end - g->start <= 5 && e->text[g->end - 1] == '.';
}

static bool in_gold(const fitter *f, const names_token *t, bool is_address)
{
    for (unsigned i = 0; i < f->e->golds; i++) {
        const names_gold *g = &f->e->gold[i];

        if (g->is_address == is_address && !is_title(f->e, g) && g->start <= f->base + t->start &&
            f->base + t->end <= g->end)
            return true;
    }
    return false;
}

/* A word that natural texts write in lower case too. */
static void lower_take(fitter *f, pl_str unit)
{
    names_text text;
    size_t     at = 0;

    while (names_en_next(NULL, unit, &at, &text))
        for (unsigned i = 0; i < text.n; i++)
            if (text.token[i].shape == SHAPE_LOWER)
                f->lower[text.token[i].word >> (32 - LOWER_BITS + 3)] |=
                    (uint8_t)(1u << (text.token[i].word >> (32 - LOWER_BITS) & 7));
}

static bool is_lower_known(const fitter *f, uint32_t word)
{
    return f->lower[word >> (32 - LOWER_BITS + 3)] >> (word >> (32 - LOWER_BITS) & 7) & 1;
}

static void en_take(fitter *f, pl_str unit)
{
    names_text text;
    uint32_t   feature[NAMES_FEATURES_MAX];
    size_t     at = 0;
    bool       natural = f->e->use == NAMES_NATURAL;

    while (names_en_next(NULL, unit, &at, &text))
        for (unsigned i = 0; i < text.n; i++) {
            const names_token *t = &text.token[i];
            unsigned           n;

            if (!t->is_name && !t->is_zone)
                continue;
            n = names_en_features(&text, i, feature);
            if (t->is_name && f->e->learn_name)
                instance_add(&f->pool[NAMES_EN], feature, n, names_word_bit(t->word),
                             in_gold(f, t, false), natural, natural && !is_lower_known(f, t->word));
            if (t->is_zone && f->e->learn_address)
                instance_add(&f->pool[NAMES_EN_ADDRESS], feature, n, names_word_bit(t->word),
                             in_gold(f, t, true), natural, false);
        }
}

static void units_each(fitter *f, void (*take)(fitter *f, pl_str unit))
{
    pl_str text = { f->e->text, f->e->n };

    for (f->base = 0; f->base < text.n;) {
        size_t end = pl_model_window(text, f->base);

        take(f, (pl_str){ text.p + f->base, end - f->base });
        f->base = end;
    }
}

static pl_rc instances_take(fitter *f)
{
    for (size_t i = 0; i < f->d->n; i++)
        if ((f->e = &f->d->e[i])->use == NAMES_NATURAL)
            units_each(f, lower_take);
    for (size_t i = 0; i < f->d->n; i++) {
        f->e = &f->d->e[i];
        if (f->e->use > NAMES_NATURAL)
            continue;
        if (f->e->learn_name)
            units_each(f, zh_take);
        units_each(f, en_take);
    }
    for (int t = 0; t < NAMES_TASKS; t++)
        if (f->pool[t].failed)
            return pl_fail(f->err, PL_NOMEM, "out of memory");
    return PL_OK;
}

/* --- features that are learnt ----------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

uint32_t names_index(const learner *l, uint32_t feature)
{
    size_t low = 1, high = l->n;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (l->feature[mid] < feature)
            low = mid + 1;
        else
            high = mid;
    }
    return low < l->n && l->feature[low] == feature ? (uint32_t)low : 0;
}

/* Gives each feature of the pool its index in place of itself. */
static pl_rc features_index(fitter *f, int task)
{
    pool     *p = &f->pool[task];
    learner  *l = &f->learner[task];
    uint32_t *all = malloc((p->features + 1) * sizeof *all);
    size_t    n = 1;

    if (!all)
        return pl_fail(f->err, PL_NOMEM, "out of memory");
    memcpy(all, p->feature, p->features * sizeof *all);
    qsort(all, p->features, sizeof *all, by_number);
    for (size_t i = 0, k; i < p->features; i = k) {
        for (k = i + 1; k < p->features && all[k] == all[i]; k++)
            ;
        if (k - i >= SEEN_LEAST)
            all[n++ - 1] = all[i];
    }
    l->n = n;
    l->feature = calloc(n + 1, sizeof *l->feature);
    l->w = calloc(n + 1, sizeof *l->w);
    l->g = calloc(n + 1, sizeof *l->g);
    l->count = calloc(n + 1, sizeof *l->count);
    if (l->feature && l->w && l->g && l->count) {
        memcpy(l->feature + 1, all, (n - 1) * sizeof *all);
        for (size_t i = 0; i < p->features; i++) {
            p->feature[i] = names_index(l, p->feature[i]);
            l->count[p->feature[i]]++;
        }
    }
    free(all);
    return l->feature && l->w && l->g && l->count ? PL_OK : pl_fail(f->err, PL_NOMEM, "out of memory");
}

/* Natural spans that come up again and again and are never marked are words, not names. One
 * feature of a span is all of its characters. */
static pl_rc common_mark(fitter *f)
{
    pool     *p = &f->pool[NAMES_ZH];
    uint32_t *seen = calloc(f->learner[NAMES_ZH].n + 1, sizeof *seen);

    if (!seen)
        return pl_fail(f->err, PL_NOMEM, "out of memory");
    for (size_t i = 0; i < p->n; i++) {
        uint32_t *s = &seen[p->feature[p->i[i].at + NAMES_WHOLE]];

        *s = p->i[i].truth ? UINT32_MAX / 2 : *s + p->i[i].natural;
    }
    for (size_t i = 0; i < p->n; i++) {
        uint32_t index = p->feature[p->i[i].at + NAMES_WHOLE];

        p->i[i].common = p->i[i].natural && index && seen[index] >= COMMON_LEAST &&
                         seen[index] < UINT32_MAX / 2;
    }
    free(seen);
    return PL_OK;
}

/* --- learning ------------------------------------------------------------------------------------- */

double names_logit(const learner *l, const pool *p, const instance *x)
{
    double sum = l->w[l->n];

    for (unsigned k = 0; k < x->n; k++)
        sum += l->w[p->feature[x->at + k]];
    return sum;
}

static void weight_move(learner *l, size_t i, float gradient)
{
    l->g[i] += gradient * gradient;
    l->w[i] -= (float)RATE * gradient / sqrtf(l->g[i] + 1e-6f);
    l->w[i] = l->w[i] > NAMES_WEIGHT_MAX ? NAMES_WEIGHT_MAX : l->w[i] < -NAMES_WEIGHT_MAX ? -NAMES_WEIGHT_MAX : l->w[i];
}

/* One step on an instance without the features of `dropped`. */
static void step(learner *l, const pool *p, const instance *x, uint64_t dropped)
{
    double logit = l->w[l->n];
    float  gradient;

    for (unsigned k = 0; k < x->n; k++)
        if (!(dropped >> k & 1))
            logit += l->w[p->feature[x->at + k]];
    gradient = (float)(names_probability(logit) - x->truth);
    if (fabsf(gradient) < 0.005f)
        return;
    for (unsigned k = 0; k < x->n; k++)
        if (!(dropped >> k & 1) && p->feature[x->at + k] != 0)
            weight_move(l, p->feature[x->at + k], gradient);
    weight_move(l, l->n, gradient);
}

/* Which features tell of what stands before a span or token, behind it, and of its very characters: one
 * of the three is left out now and then, so that the others learn to do without. */
static uint64_t group_dropped(int task, uint32_t draw)
{
#define F(n) (1u << (n))
    static const uint32_t zh[] = { /* numbers as in names_zh.c */
        F(7) | F(9) | F(10) | F(12) | F(14) | F(15) | F(16) | F(20) | F(21) | F(23) | F(28),
        F(8) | F(9) | F(11) | F(13) | F(17) | F(18) | F(19) | F(20) | F(22) | F(24) | F(27),
        F(1) | F(3) | F(4) | F(6),
    };
    static const uint32_t en[] = { /* one less than in names_en.c */
        F(2) | F(4) | F(6) | F(8) | F(17) | F(19) | F(22) | F(24) | F(25),
        F(3) | F(5) | F(7) | F(9) | F(18) | F(20) | F(21) | F(25),
        F(0) | F(1) | F(6) | F(7),
    };
#undef F
    const uint32_t *group = task == NAMES_ZH ? zh : en;

    return draw == 0   ? group[0]
           : draw == 1 ? group[1]
           : draw == 2 ? group[0] | group[1]
           : draw <= 4 ? group[2]
                       : 0;
}

static uint64_t random64(names_random *r)
{
    return (uint64_t)names_random_below(r, 1u << 30) << 34 ^
           (uint64_t)names_random_below(r, 1u << 30) << 12 ^ names_random_below(r, 1u << 12);
}

static pl_rc learn(fitter *f, int task, int round)
{
    learner     *l = &f->learner[task];
    const pool  *p = &f->pool[task];
    names_random random = { 77 };
    uint32_t    *order = malloc((p->n + 1) * sizeof *order);
    float       *sum = calloc(l->n + 1, sizeof *sum);

    if (!order || !sum) {
        free(order);
        free(sum);
        return pl_fail(f->err, PL_NOMEM, "out of memory");
    }
    memset(l->w, 0, (l->n + 1) * sizeof *l->w);
    memset(l->g, 0, (l->n + 1) * sizeof *l->g);
    for (size_t i = 0; i < p->n; i++)
        order[i] = (uint32_t)i;
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        for (size_t i = p->n; i-- > 1;) {
            uint32_t k = names_random_below(&random, (uint32_t)i + 1), v = order[i];

            order[i] = order[k];
            order[k] = v;
        }
        for (size_t i = 0; i < p->n; i++) {
            const instance *x = &p->i[order[i]];
            uint64_t        dropped = random64(&random);

            dropped &= random64(&random); /* each with probability ¼ */
            dropped |= group_dropped(task, names_random_below(&random, 8));
            if (!x->out && (round > 0 || !x->natural || x->common))
                step(l, p, x, dropped);
        }
        for (size_t i = 0; epoch >= EPOCHS - AVERAGED && i <= l->n; i++)
            sum[i] += l->w[i];
    }
    for (size_t i = 0; i <= l->n; i++)
        l->w[i] = sum[i] / AVERAGED;
    free(sum);
    free(order);
    return PL_OK;
}

static void unsure_leave_out(fitter *f)
{
    for (int t = 0; t < NAMES_TASKS; t++)
        for (size_t i = 0; i < f->pool[t].n; i++) {
            instance *x = &f->pool[t].i[i];

            x->out = x->natural && names_probability(names_logit(&f->learner[t], &f->pool[t], x)) >
                                       (x->unknown ? UNKNOWN : UNSURE);
        }
}

/* --- the whole ---------------------------------------------------------------------------------------- */

static pl_rc fitter_new(const names_recipe *r, const names_data *d, fitter **out, pl_error *err)
{
    fitter       *f = calloc(1, sizeof *f);
    const json_t *bits = json_object_get(r->doc, "bits");
    json_int_t    zh = json_integer_value(json_object_get(bits, "zh"));
    json_int_t    en = json_integer_value(json_object_get(bits, "en"));
    bool          ok = false;

    if (zh < NAMES_BITS_MIN || zh > NAMES_BITS_MAX || en < NAMES_BITS_MIN || en > NAMES_BITS_MAX) {
        free(f);
        return pl_fail(err, PL_INVALID, "%s: 'bits' must give zh and en, %d to %d", r->path,
                       NAMES_BITS_MIN, NAMES_BITS_MAX);
    }
    if (f) {
        f->d = d;
        f->err = err;
        f->pairs = calloc(1, (size_t)1 << (NAMES_PAIR_BITS - 3));
        f->words = calloc(1, (size_t)1 << (NAMES_WORD_BITS - 3));
        f->zh = calloc(2, (size_t)1 << zh);
        f->en = calloc(4, (size_t)1 << en);
        f->lower = calloc(1, (size_t)1 << (LOWER_BITS - 3));
        ok = f->pairs && f->words && f->lower && f->zh && f->en;
        f->plan = (names_plan){ .classes = f->classes, .pairs = f->pairs, .words = f->words,
                                .zh = f->zh, .en = f->en, .zh_bits = (unsigned)zh,
                                .en_bits = (unsigned)en };
    }
    *out = f;
    return ok ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");
}

static void fitter_free(fitter *f)
{
    if (!f)
        return;
    for (int t = 0; t < NAMES_TASKS; t++) {
        free(f->pool[t].i);
        free(f->pool[t].feature);
        free(f->learner[t].w);
        free(f->learner[t].g);
        free(f->learner[t].feature);
        free(f->learner[t].count);
    }
    free(f->pairs);
    free(f->words);
    free(f->lower);
    free(f->zh);
    free(f->en);
    free(f);
}

static pl_rc weights_learn(fitter *f)
{
    pl_rc rc = PL_OK;

    for (int t = 0; rc == PL_OK && t < NAMES_TASKS; t++)
        rc = features_index(f, t);
    if (rc == PL_OK)
        rc = common_mark(f);
    for (int round = 0; rc == PL_OK && round < ROUNDS; round++) {
        for (int t = 0; rc == PL_OK && t < NAMES_TASKS; t++)
            rc = learn(f, t, round);
        if (round == 0)
            unsure_leave_out(f);
    }
    return rc;
}

pl_rc names_fit(const names_recipe *r, const names_data *d, names_fitted *out, pl_error *err)
{
    fitter      *f = NULL;
    names_fitted fitted = { 0 };
    pl_rc        rc = fitter_new(r, d, &f, err);

    if (rc == PL_OK)
        rc = names_recipe_classes(r, f->classes, err);
    if (rc == PL_OK)
        rc = instances_take(f);
    if (rc == PL_OK)
        rc = weights_learn(f);
    if (rc == PL_OK)
        rc = names_fit_round(f);
    if (rc == PL_OK)
        rc = names_fit_cues(f, &fitted);
    if (rc == PL_OK)
        rc = names_build(&f->plan, &fitted.image, &fitted.n, err);
    if (rc == PL_OK)
        rc = names_fit_calibrate(f, fitted.image, fitted.n);
    free(fitted.image);
    fitted.image = NULL;
    if (rc == PL_OK)
        rc = names_build(&f->plan, &fitted.image, &fitted.n, err);
    if (rc == PL_OK) {
        fitted.spans = f->pool[NAMES_ZH].n;
        fitted.lost = f->lost;
        fitted.features = f->learner[NAMES_ZH].n + f->learner[NAMES_EN].n +
                          f->learner[NAMES_EN_ADDRESS].n;
        fitted.tokens = f->pool[NAMES_EN].n + f->pool[NAMES_EN_ADDRESS].n;
        *out = fitted;
    }
    fitter_free(f);
    return rc;
}
