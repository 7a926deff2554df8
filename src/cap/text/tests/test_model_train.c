/* Recipes, split, learning and figures of models. */
#include "pl_test.h"

#include "base/file.h"
#include "cap/text/model_int.h"

#include <math.h>

#define RECIPE                                                                                     \
    "model: tiny\nversion: \"1\"\nbits: 10\nlabels: [harm.weapons, quality.refusal]\nsets:\n"      \
    "  - {id: t, file: tiny.jsonl, licence: own, text: text, no: [quality.refusal],\n"             \
    "     rules: [{when: {label: [bad, 1]}, yes: [harm.weapons]},\n"                               \
    "             {when: {label: good}, no: [\"harm.*\"]},\n"                                      \
    "             {when: {label: no}, yes: [quality.refusal]},\n"                                  \
    "             {when: {label: drop}, skip: true},\n"                                            \
    "             {contains: [WEAKLY], yes: [harm.weapons], weak: true}]}\n"                       \
    "  - {id: shape, has: [question, verdict], text: question,\n"                                  \
    "     rules: [{when: {verdict: true}, yes: [harm.weapons]}]}\n"

typedef struct fx {
    char         *dir, *recipe, *file;
    model_recipe *r;
    model_data    d;
    pl_error      err;
} fx;

static void put(const char *path, const char *text)
{
    assert_rc(pl_file_write_atomic(path, (pl_str){ text, strlen(text) }, 0600, NULL), PL_OK);
}

static int setup(void **state)
{
    fx *f = calloc(1, sizeof *f);

    f->dir = pl_test_mkdtemp();
    f->recipe = pl_path_join(f->dir, "recipe.yaml");
    f->file = pl_path_join(f->dir, "tiny.jsonl");
    put(f->recipe, RECIPE);
    assert_ok(model_recipe_open(f->recipe, &f->r, &f->err), &f->err);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    model_data_free(&f->d);
    model_recipe_free(f->r);
    free(f->recipe);
    free(f->file);
    pl_test_rmtree(f->dir);
    free(f);
    return 0;
}

/* --- recipe ------------------------------------------------------------------------------- */

static model_row row_of(fx *f, const char *record)
{
    json_t   *o = json_loads(record, 0, NULL);
    model_row row = { 0 };

    assert_non_null(o);
    assert_ok(model_recipe_row(f->r, json_array_get(json_object_get(f->r->doc, "sets"), 0), o, &row,
                               &f->err), &f->err);
    json_decref(o);
    return row;
}

static void recipe_row__gives_labels_by_rule(void **state)
{
    static const struct {
        const char *record;
        uint32_t    yes, no;
        bool        weak;
    } cases[] = {
        { "{\"text\":\"x\",\"label\":\"bad\"}", 1, 2, false },
        { "{\"text\":\"x\",\"label\":1}", 1, 2, false },
        { "{\"text\":\"x\",\"label\":\"good\"}", 0, 3, false },
        { "{\"text\":\"x\",\"label\":\"no\"}", 2, 0, false },       /* yes outweighs no */
        { "{\"text\":\"x\",\"label\":\"other\"}", 0, 2, false },    /* nothing known of weapons */
        { "{\"text\":\"so weakly x\",\"label\":\"?\"}", 1, 2, true },
    };
    fx *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        model_row row = row_of(f, cases[i].record);

        if (row.yes != cases[i].yes || row.no != cases[i].no || row.weak != cases[i].weak)
            fail_msg("case %zu: yes %u no %u weak %d", i, row.yes, row.no, row.weak);
        free(row.text);
    }
}

static void recipe_row__passes_over_what_it_is_told_to(void **state)
{
    fx       *f = *state;
    json_t   *o = json_loads("{\"text\":\"x\",\"label\":\"drop\"}", 0, NULL);
    model_row row;

    assert_rc(model_recipe_row(f->r, json_array_get(json_object_get(f->r->doc, "sets"), 0), o, &row,
                               NULL), PL_NOTFOUND);
    json_decref(o);
}

static void recipe_set__is_found_by_name_then_by_columns(void **state)
{
    fx           *f = *state;
    json_t       *named = json_loads("{\"text\":\"x\"}", 0, NULL);
    json_t       *shaped = json_loads("{\"question\":\"x\",\"verdict\":true}", 0, NULL);
    const json_t *set = model_recipe_set(f->r, "/somewhere/tiny.jsonl.zst", named);

    assert_string_equal(json_string_value(json_object_get(set, "id")), "t");
    set = model_recipe_set(f->r, "other.jsonl", shaped);
    assert_string_equal(json_string_value(json_object_get(set, "id")), "shape");
    assert_null(model_recipe_set(f->r, "other.jsonl", named));
    json_decref(named);
    json_decref(shaped);
}

static void recipe_open__names_the_mistake_and_its_line(void **state)
{
    static const struct {
        const char *from, *to, *expect;
    } cases[] = {
        { "yes: [harm.weapons]},\n             {when: {label: good", "yes: [harm.wepons]},\n"
          "             {when: {label: good", "no such label 'harm.wepons'" },
        { "licence: own, ", "", "no licence for set 't'" },
        { "contains:", "kontains:", "unknown key 'kontains'" },
        { "bits: 10", "bits: 40", "out of range" },
        { "labels: [harm.weapons, quality.refusal]", "labels: []", "between 1 and 16 labels" },
    };
    fx *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char   *at = strstr(RECIPE, cases[i].from);
        char          text[4096];
        model_recipe *r = NULL;

        assert_non_null(at);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - RECIPE), RECIPE, cases[i].to,
                 at + strlen(cases[i].from));
        put(f->recipe, text);
        assert_rc(model_recipe_open(f->recipe, &r, &f->err), PL_INVALID);
        if (!strstr(f->err.text, cases[i].expect) || !strstr(f->err.text, "recipe.yaml:"))
            fail_msg("case %zu: '%s'", i, f->err.text);
    }
}

/* --- data ---------------------------------------------------------------------------------- */

static void data_read__names_the_line_that_is_not_json(void **state)
{
    fx *f = *state;

    put(f->file, "{\"text\":\"x\",\"label\":\"bad\"}\n\nnot json\n");
    assert_rc(model_data_read(&f->d, f->r, NULL, f->file, 0, &f->err), PL_INVALID);
    assert_non_null(strstr(f->err.text, "tiny.jsonl:3: not a JSON object"));
}

static const char *const nouns[] = { "bomb", "rifle", "grenade", "pistol", "bridge", "garden",
                                     "violin", "kitchen" };

static void tiny_write(fx *f)
{
    FILE    *to = fopen(f->file, "w");
    uint64_t s = 42;

    assert_non_null(to);
    for (int i = 0; i < 600; i++) {
        const char *noun = nouns[i % 8];

        fprintf(to, "{\"text\":\"");
        for (int k = 0; k < 9; k++) {
            s = s * 6364136223846793005u + 1442695040888963407u;
            fprintf(to, "%c%c%c%c ", (char)('a' + (s >> 33) % 26), (char)('a' + (s >> 38) % 26),
                    (char)('a' + (s >> 43) % 26), (char)('a' + (s >> 48) % 26));
        }
        fprintf(to, "%s\",\"label\":\"%s\"}\n", noun,
                i % 40 == 0 ? "no" : i % 8 < 4 ? "bad" : "good");
    }
    assert_int_equal(fclose(to), 0);
}

static void data_split__keeps_what_is_alike_on_one_side(void **state)
{
    fx *f = *state;

    tiny_write(f);
    assert_ok(model_data_read(&f->d, f->r, NULL, f->file, 0, &f->err), &f->err);
    assert_ok(model_data_read(&f->d, f->r, NULL, f->file, 1, &f->err), &f->err);
    for (size_t i = f->d.n / 2; i < f->d.n; i++) /* the second half: the same, shouted */
        for (char *p = f->d.e[i].text; *p; p++)
            *p = *p == ' ' ? '-' : (char)(*p & ~0x20);
    assert_ok(model_data_split(&f->d, &f->err), &f->err);
    size_t held = 0;
    for (size_t i = 0; i < f->d.n / 2; i++) {
        assert_int_equal(f->d.e[i].fold, f->d.e[i + f->d.n / 2].fold);
        held += model_is_held_out(&f->d.e[i]);
    }
    assert_true(held > f->d.n / 20 && held < f->d.n / 6); /* a fifth of each half, about */
}

static void data_split__never_holds_out_a_large_family(void **state)
{
    fx   *f = *state;
    FILE *to = fopen(f->file, "w");

    assert_non_null(to);
    for (int i = 0; i < 150; i++)
        fprintf(to, "{\"text\":\"the same long template about one thing, number %d\",\"label\":"
                    "\"bad\"}\n", i);
    assert_int_equal(fclose(to), 0);
    assert_ok(model_data_read(&f->d, f->r, NULL, f->file, 0, &f->err), &f->err);
    assert_ok(model_data_split(&f->d, &f->err), &f->err);
    for (size_t i = 0; i < f->d.n; i++)
        assert_false(model_is_held_out(&f->d.e[i]));
}

/* --- learning ------------------------------------------------------------------------------- */

static void fit__learns_and_gives_the_same_bytes_again(void **state)
{
    fx            *f = *state;
    void          *a = NULL, *b = NULL;
    size_t         an = 0, bn = 0;
    pl_model      *m = NULL;
    pl_model_score bad[PL_MODEL_LABELS_MAX], good[PL_MODEL_LABELS_MAX];

    tiny_write(f);
    assert_ok(model_data_read(&f->d, f->r, NULL, f->file, 0, &f->err), &f->err);
    assert_ok(model_data_split(&f->d, &f->err), &f->err);
    assert_ok(model_fit(f->r, &f->d, NULL, &a, &an, &f->err), &f->err);
    assert_ok(model_fit(f->r, &f->d, NULL, &b, &bn, &f->err), &f->err);
    assert_int_equal(an, bn);
    assert_memory_equal(a, b, an);
    assert_ok(pl_model_open((pl_str){ a, an }, &m, &f->err), &f->err);
    (void)pl_model_run(m, PL_STR("zzzz qqqq a grenade"), bad);
    (void)pl_model_run(m, PL_STR("zzzz qqqq a violin"), good);
    assert_true(bad[0].probability > 0.5f);
    assert_true(good[0].probability < 0.5f);
    pl_model_free(m);
    free(a);
    free(b);
}

static void fit__says_which_label_cannot_be_learnt(void **state)
{
    fx    *f = *state;
    void  *image;
    size_t n;

    put(f->file, "{\"text\":\"one two\",\"label\":\"good\"}\n");
    assert_ok(model_data_read(&f->d, f->r, NULL, f->file, 0, &f->err), &f->err);
    f->d.e[0].fold = 5;
    assert_rc(model_fit(f->r, &f->d, NULL, &image, &n, &f->err), PL_INVALID);
    assert_non_null(strstr(f->err.text, "label 'harm.weapons' has no positive text"));
}

/* --- figures --------------------------------------------------------------------------------- */

static model_figures measured(const double *p, const int *truth, size_t n)
{
    model_point   points[64];
    model_figures out;
    pl_error      err = { 0 };

    for (size_t i = 0; i < n; i++)
        points[i] = (model_point){ (float)log(p[i] / (1 - p[i])), (float)p[i], truth[i] != 0,
                                   p[i] >= 0.5, false };
    assert_ok(model_measure(points, n, &out, &err), &err);
    return out;
}

/* The example of scikit-learn's roc_auc_score: 3 of 4 pairs are in order. */
static void measure__counts_pairs_in_order(void **state)
{
    const double  p[] = { 0.1, 0.4, 0.35, 0.8 };
    const int     truth[] = { 0, 0, 1, 1 };
    model_figures f = measured(p, truth, 4);

    (void)state;
    assert_true(fabs(f.auc.value - 0.75) < 1e-9);
    /* no negative may be found at 1 %: what lies above 0.4 is one of two */
    assert_true(fabs(f.recall_at_1.value - 0.5) < 1e-9);
    assert_int_equal(f.pos, 2);
    assert_int_equal(f.neg, 2);
}

static void measure__counts_ties_half(void **state)
{
    const double p[] = { 0.5, 0.5, 0.5, 0.5 };
    const int    truth[] = { 0, 1, 0, 1 };

    (void)state;
    assert_true(fabs(measured(p, truth, 4).auc.value - 0.5) < 1e-9);
}

/* Bins [0.2,0.3): two of 0.25, one true: |0.5 - 0.5| … by hand: |1 - 0.5| = 0.5 over n;
 * [0.9,1): two of 0.95, one true: |1 - 1.9| = 0.9. ECE = (0.5 + 0.9) / 4. */
static void measure__error_of_calibration_is_that_of_the_bins(void **state)
{
    const double  p[] = { 0.25, 0.25, 0.95, 0.95 };
    const int     truth[] = { 0, 1, 0, 1 };
    model_figures f = measured(p, truth, 4);

    (void)state;
    assert_true(fabs(f.ece.value - 0.35) < 1e-6);
    assert_true(fabs(f.fpr.value - 0.5) < 1e-9);
}

static void measure__of_one_side_alone_has_no_auc(void **state)
{
    const double  p[] = { 0.9, 0.2 };
    const int     truth[] = { 1, 1 };
    model_figures f = measured(p, truth, 2);

    (void)state;
    assert_true(isnan(f.auc.value) && isnan(f.recall_at_1.value) && isnan(f.fpr.value));
    assert_true(fabs(f.recall.value - 0.5) < 1e-9);
    /* Wilson's interval for 1 of 2, from its formula in any textbook */
    assert_true(fabs(f.recall.low - 0.0945) < 1e-3 && fabs(f.recall.high - 0.9055) < 1e-3);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(recipe_row__gives_labels_by_rule),
        T(recipe_row__passes_over_what_it_is_told_to),
        T(recipe_set__is_found_by_name_then_by_columns),
        T(recipe_open__names_the_mistake_and_its_line),
        T(data_read__names_the_line_that_is_not_json),
        T(data_split__keeps_what_is_alike_on_one_side),
        T(data_split__never_holds_out_a_large_family),
        T(fit__learns_and_gives_the_same_bytes_again),
        T(fit__says_which_label_cannot_be_learnt),
        cmocka_unit_test(measure__counts_pairs_in_order),
        cmocka_unit_test(measure__counts_ties_half),
        cmocka_unit_test(measure__error_of_calibration_is_that_of_the_bins),
        cmocka_unit_test(measure__of_one_side_alone_has_no_auc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
