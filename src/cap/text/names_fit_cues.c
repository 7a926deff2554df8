/* What is no cue for a name: known from the instances and what was learnt from them. */
#include "base/banned.h"

#include "cap/text/names_fit_int.h"

enum { PLAIN_LEAST = 20, PAIR_LEAST = 3, WORD_LEAST = 2 };
#define PLAIN_SHARE 0.02 /* of the spans with that second character are names        */
#define CUE_SHARE   0.02 /* of what a cue shows are likely names                     */
#define KNOWN       0.3  /* likely: above it                                         */
#define EARLY_LOST  0.01 /* of what are names may be dismissed by the first features */

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

/* Characters that are hardly ever the second of a name. */
static pl_rc plain_mark(fitter *f)
{
    const pool *p = &f->pool[NAMES_ZH];
    cue        *c = calloc(NAMES_CLASSES, sizeof *c);
    uint32_t   *names = calloc(NAMES_CLASSES, sizeof *names);

    for (size_t i = 0; c && names && i < p->n; i++)
        if (p->i[i].second < NAMES_CLASSES) {
            c[p->i[i].second].seen++;
            names[p->i[i].second] += p->i[i].truth;
        }
    for (size_t i = 0; c && names && i < NAMES_CLASSES; i++)
        if (c[i].seen >= PLAIN_LEAST && names[i] < c[i].seen * PLAIN_SHARE)
            f->classes[i] |= NAMES_PLAIN;
    free(names);
    free(c);
    return c && names ? PL_OK : pl_fail(f->err, PL_NOMEM, "out of memory");
}

static void bit_set(uint8_t *set, size_t i)
{
    set[i >> 3] = (uint8_t)(set[i >> 3] | 1u << (i & 7));
}

static pl_rc pairs_set(fitter *f, size_t *count)
{
    const pool *p = &f->pool[NAMES_ZH];
    cue        *c = calloc((size_t)1 << NAMES_PAIR_BITS, sizeof *c);

    if (!c)
        return pl_fail(f->err, PL_NOMEM, "out of memory");
    cues_count(f, NAMES_ZH, c, false);
    *count = 0;
    for (size_t i = 0; i < p->n; i++) {
        const cue *x = &c[p->i[i].cue];
        bool       plain = p->i[i].second < NAMES_CLASSES && f->classes[p->i[i].second] & NAMES_PLAIN;

        if (plain ? is_wanted(x) : x->seen >= PAIR_LEAST && !is_wanted(x))
            bit_set(f->pairs, p->i[i].cue);
        *count += x->seen >= PAIR_LEAST && !is_wanted(x);
    }
    free(c);
    return PL_OK;
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

/* All but EARLY_LOST of the spans that are likely names weigh more by their first features alone. */
static void early_set(fitter *f)
{
    const pool    *p = &f->pool[NAMES_ZH];
    const learner *l = &f->learner[NAMES_ZH];
    size_t         hist[400] = { 0 }, n = 0, sum = 0, k = 0;

    for (size_t i = 0; i < p->n; i++) {
        double early = 0;

        if (!p->i[i].truth || names_probability(names_logit(l, p, &p->i[i])) < 0.5)
            continue;
        for (unsigned j = 0; j < NAMES_EARLY; j++)
            early += l->w[p->feature[p->i[i].at + j]];
        hist[(size_t)fmax(0, fmin(399, (early + 20) * 10))]++;
        n++;
    }
    while (k < 399 && (double)(sum += hist[k]) < EARLY_LOST * (double)n)
        k++;
    f->plan.scale[NAMES_ZH].early = (float)k / 10 - 20;
}


pl_rc names_fit_cues(fitter *f, names_fitted *out)
{
    pl_rc rc = plain_mark(f);

    if (rc == PL_OK)
        rc = pairs_set(f, &out->pairs);
    if (rc == PL_OK)
        rc = words_set(f, &out->words);
    if (rc == PL_OK)
        early_set(f);
    return rc;
}
