/* What is no cue for a name: known from the instances and what was learnt from them. */
#include "base/banned.h"

#include "cap/text/names_fit_int.h"

enum { PLAIN_LEAST = 100, PAIR_LEAST = 3, WORD_LEAST = 2 };
#define PLAIN_SHARE 0.010 /* of the spans with that second character are names        */
#define PASS_SHARE  0.05 /* of the spans with that second character pass the first look */
#define CUE_SHARE   0.005 /* of what a cue shows are likely names                     */
#define KNOWN       0.3  /* likely: above it                                         */
#define EARLY_LOST  0.004/* of what are names may be dismissed by the first features */

/* --- what is no cue --------------------------------------------------------------------------------- */

typedef struct cue {
    uint32_t seen, likely; /* in all; as a name, or likely one */
} cue;

static bool is_wanted(const cue *c)
{
    return c->likely > c->seen * CUE_SHARE;
}

static void cues_count(const fitter *f, int task, cue *c, bool words)
{
    const pool *p = &f->pool[task];

    for (size_t i = 0; i < p->n; i++) {
        const instance *x = &p->i[i];

        c[x->cue].seen += words ? task == NAMES_EN : 1;
        c[x->cue].likely += x->truth || (task != NAMES_EN_ADDRESS &&
                                         names_probability(names_logit(&f->learner[task], p, x)) > KNOWN);
    }
}

/* What the engine looks at first of a span; without its pair when that is not known. */
static double first_weight(const fitter *f, const instance *x, bool pair)
{
    const learner  *l = &f->learner[NAMES_ZH];
    const uint32_t *feature = f->pool[NAMES_ZH].feature + x->at;

    return l->w[feature[0]] + (pair ? l->w[feature[1]] : 0) + l->w[feature[2]];
}

/* Characters that are hardly ever the second of a name, or with which a pair would have to be known to be one. */
static pl_rc plain_mark(fitter *f)
{
    const pool *p = &f->pool[NAMES_ZH];
    cue        *c = calloc(NAMES_CLASSES, sizeof *c);
    uint32_t   *passes = calloc(NAMES_CLASSES, sizeof *passes);

    for (size_t i = 0; c && passes && i < p->n; i++)
        if (p->i[i].second < NAMES_CLASSES) {
            c[p->i[i].second].seen++;
            c[p->i[i].second].likely += p->i[i].truth;
            passes[p->i[i].second] += first_weight(f, &p->i[i], false) >= f->plan.scale[NAMES_ZH].first;
        }
    for (size_t i = 0; c && passes && i < NAMES_CLASSES; i++)
        if (c[i].seen >= PLAIN_LEAST &&
            (c[i].likely < c[i].seen * PLAIN_SHARE || passes[i] < c[i].seen * PASS_SHARE))
            f->classes[i] |= NAMES_PLAIN;
    free(passes);
    free(c);
    return c && passes ? PL_OK : pl_fail(f->err, PL_NOMEM, "out of memory");
}

static void bit_set(uint8_t *set, size_t i)
{
    set[i >> 3] = (uint8_t)(set[i >> 3] | 1u << (i & 7));
}

static pl_rc pairs_set(fitter *f, size_t *count)
{
    const pool *p = &f->pool[NAMES_ZH];
    cue        *c = calloc((size_t)1 << NAMES_PAIR_BITS, sizeof *c);
    uint8_t    *passes = calloc((size_t)1 << NAMES_PAIR_BITS, 1);

    *count = 0;
    if (c && passes)
        cues_count(f, NAMES_ZH, c, false);
    for (size_t i = 0; c && passes && i < p->n; i++)
        passes[p->i[i].cue] |= first_weight(f, &p->i[i], true) >= f->plan.scale[NAMES_ZH].first;
    for (size_t i = 0; c && passes && i < p->n; i++) {
        const cue *x = &c[p->i[i].cue];
        bool       plain = p->i[i].second < NAMES_CLASSES && f->classes[p->i[i].second] & NAMES_PLAIN;
        bool       word = !passes[p->i[i].cue] || (x->seen >= PAIR_LEAST && !is_wanted(x));

        if (plain ? is_wanted(x) && passes[p->i[i].cue] : word)
            bit_set(f->pairs, p->i[i].cue);
        *count += word;
    }
    free(passes);
    free(c);
    return c && passes ? PL_OK : pl_fail(f->err, PL_NOMEM, "out of memory");
}

static pl_rc words_set(fitter *f, size_t *count)
{
    cue *c = calloc((size_t)1 << NAMES_WORD_BITS, sizeof *c);

    if (!c)
        return pl_fail(f->err, PL_NOMEM, "out of memory");
    cues_count(f, NAMES_EN, c, true);
    cues_count(f, NAMES_EN_ADDRESS, c, true);
    *count = 0;
    for (size_t i = 0; i < (size_t)1 << NAMES_WORD_BITS; i++)
        if (c[i].seen >= WORD_LEAST && !is_wanted(&c[i])) {
            bit_set(f->words, i);
            ++*count;
        }
    free(c);
    return PL_OK;
}

/* The weight that the first `features` features of all but EARLY_LOST of the likely names reach. */
static float threshold(const fitter *f, unsigned features)
{
    const pool    *p = &f->pool[NAMES_ZH];
    const learner *l = &f->learner[NAMES_ZH];
    size_t         hist[400] = { 0 }, n = 0, sum = 0, k = 0;

    for (size_t i = 0; i < p->n; i++) {
        double weight = 0;

        if (!p->i[i].truth || names_probability(names_logit(l, p, &p->i[i])) < 0.5)
            continue;
        for (unsigned j = 0; j < features; j++)
            weight += l->w[p->feature[p->i[i].at + j]];
        hist[(size_t)fmax(0, fmin(399, (weight + 20) * 10))]++;
        n++;
    }
    while (k < 399 && (double)(sum += hist[k]) < EARLY_LOST * (double)n)
        k++;
    return (float)k / 10 - 20;
}

pl_rc names_fit_cues(fitter *f, names_fitted *out)
{
    pl_rc rc;

    f->plan.scale[NAMES_ZH].first = threshold(f, NAMES_FIRST);
    f->plan.scale[NAMES_ZH].early = threshold(f, NAMES_EARLY);
    rc = plain_mark(f);
    if (rc == PL_OK)
        rc = pairs_set(f, &out->pairs);
    if (rc == PL_OK)
        rc = words_set(f, &out->words);
    return rc;
}
