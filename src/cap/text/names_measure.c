/* Figures of a model of names on what is held out. */
#include "base/banned.h"

#include "cap/text/names_train.h"

#include <math.h>

enum { BOOTSTRAP = 400, KINDS = 2 };

/* Of one text: right, false, missed. */
typedef struct tally {
    uint32_t tp, fp, fn;
} tally;

typedef struct counting {
    const names_example *e;
    tally                t[KINDS];
} counting;

static bool is_gold(const names_example *e, const pl_text_finding *f)
{
    for (unsigned i = 0; i < e->golds; i++)
        if (e->gold[i].is_address == (f->rule == 1) && e->gold[i].start == f->start &&
            e->gold[i].end == f->end)
            return true;
    return false;
}

static int count(void *ctx, const pl_text_finding *f)
{
    counting *c = ctx;
    tally    *t = &c->t[f->rule];

    if (is_gold(c->e, f))
        t->tp++;
    else
        t->fp++;
    return 0;
}

static void text_count(const pl_names *m, const names_example *e, tally out[KINDS])
{
    pl_pii_config c;
    counting      k = { .e = e };

    memset(&c, 0xff, sizeof c);
    c.rule[PL_PII_NAME] = 0;
    c.rule[PL_PII_ADDRESS] = 1;
    pl_names_scan(m, &c, (pl_str){ e->text, e->n }, count, &k);
    for (unsigned i = 0; i < e->golds; i++)
        k.t[e->gold[i].is_address].fn++;
    for (int i = 0; i < KINDS; i++) {
        k.t[i].fn -= k.t[i].tp < k.t[i].fn ? k.t[i].tp : k.t[i].fn;
        out[i] = k.t[i];
    }
}

static double f1(double tp, double fp, double fn)
{
    return tp > 0 ? 2 * tp / (2 * tp + fp + fn) : 0;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void interval(const tally *t, size_t n, double *low, double *high)
{
    names_random random = { 4242 };
    double       value[BOOTSTRAP];

    for (int round = 0; round < BOOTSTRAP; round++) {
        double tp = 0, fp = 0, fn = 0;

        for (size_t i = 0; i < n; i++) {
            const tally *x = &t[names_random_below(&random, (uint32_t)n)];

            tp += x->tp;
            fp += x->fp;
            fn += x->fn;
        }
        value[round] = f1(tp, fp, fn);
    }
    qsort(value, BOOTSTRAP, sizeof *value, by_value);
    *low = value[BOOTSTRAP / 40];
    *high = value[BOOTSTRAP - 1 - BOOTSTRAP / 40];
}

static double rounded(double v)
{
    return nearbyint(v * 10000) / 10000;
}

static json_t *row(const char *set, const char *kind, const tally *t, size_t n)
{
    double tp = 0, fp = 0, fn = 0, low, high;

    for (size_t i = 0; i < n; i++) {
        tp += t[i].tp;
        fp += t[i].fp;
        fn += t[i].fn;
    }
    if (tp + fn == 0) /* a control: only what is found falsely can be told */
        return json_pack("{s:s, s:s, s:I, s:I, s:I}", "set", set, "kind", kind, "texts",
                         (json_int_t)n, "items", (json_int_t)0, "false", (json_int_t)fp);
    interval(t, n, &low, &high);
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f}", "set", set, "kind", kind,
                     "texts", (json_int_t)n, "items", (json_int_t)(tp + fn), "false",
                     (json_int_t)fp, "precision", rounded(tp + fp > 0 ? tp / (tp + fp) : 0),
                     "recall", rounded(tp / (tp + fn)), "f1", rounded(f1(tp, fp, fn)), "low",
                     rounded(low), "high", rounded(high));
}

static const json_t *set_at(const names_recipe *r, size_t id)
{
    const json_t *made = json_object_get(r->doc, "made");
    size_t        n = json_array_size(made);

    return id < n ? json_array_get(made, id)
                  : json_array_get(json_object_get(r->doc, "sets"), id - n);
}

pl_rc names_measure(const pl_names *m, const names_recipe *r, const names_data *d, json_t **out,
                    pl_error *err)
{
    json_t *rows = json_array();
    tally(*t)[KINDS] = calloc(d->n + 1, sizeof *t);
    tally *column = calloc(d->n + 1, sizeof *column);
    pl_rc  rc = t && column ? PL_OK : pl_fail(err, PL_NOMEM, "out of memory");

    for (size_t id = 0; rc == PL_OK && set_at(r, id); id++) {
        bool   known[KINDS] = { false, false };
        size_t n = 0;

        for (size_t i = 0; i < d->n; i++)
            if (d->e[i].set == id && d->e[i].use == NAMES_HELD_OUT) {
                text_count(m, &d->e[i], t[n++]);
                known[0] |= d->e[i].learn_name;
                known[1] |= d->e[i].learn_address;
            }
        for (int k = 0; k < KINDS && n > 0; k++) {
            for (size_t i = 0; i < n; i++)
                column[i] = t[i][k];
            if (known[k])
                (void)json_array_append_new(
                    rows, row(json_string_value(json_object_get(set_at(r, id), "id")),
                              k ? "pii.address" : "pii.name", column, n));
        }
    }
    free(t);
    free(column);
    if (rc != PL_OK) {
        json_decref(rows);
        return rc;
    }
    *out = rows;
    return PL_OK;
}
