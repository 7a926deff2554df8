/* Rules, recipes and learning of names: a small model learns what its rules say. */
#include "pl_test.h"

#include "base/file.h"
#include "cap/text/names_train.h"

#define RULES                                                                                      \
    "# a comment\n[surname words ranked]\n王 李 张\n[double words]\n欧阳\n[prefix words]\n小\n"      \
    "[sound words]\n斯\n[honorific words]\n先\n[house words]\n号\n[doubled words]\n莉\n"              \
    "[given words]\n明 华 伟 芳 丽\n[thing words]\n方法 时间 白云 石头 高铁\n"                          \
    "[zh_name : pii.name]\n3* {surname}{given}{given}\n{surname}{given}\n"                         \
    "[first words]\nAnn Bob Carl Dora\n[last words]\nSmith Jones Brown\n"                          \
    "[en_name : pii.name]\n{first} {last}\n"                                                       \
    "[text]\n我找{zh_name}说{thing}。\n{zh_name}来了，{thing}也来了\n{thing}和{thing}\n"                \
    "I met {en_name} today.\nHello {en_name},\\nhow are you?\nThe Times of Today are Good\n"

#define RECIPE                                                                                     \
    "model: tiny\nkind: names\nversion: \"1\"\nbits: {zh: 12, en: 12}\nclasses: [rules.txt]\n"     \
    "made:\n  - {id: made, rules: [rules.txt], from: text, times: 2000}\n"                         \
    "sets:\n  - {id: s, file: s.jsonl, licence: own, source: here, text: t, spans: spans,\n"        \
    "     start: a, end: b, type: k, names: [N], addresses: [A], use: test}\n"

#define DATA                                                                                       \
    "{\"t\":\"é Ann: 1 Elm St\\n Rome\",\"spans\":[{\"k\":\"N\",\"a\":2,\"b\":5},"                 \
    "{\"k\":\"A\",\"a\":7,\"b\":15},{\"k\":\"A\",\"a\":17,\"b\":21},{\"k\":\"X\",\"a\":0,\"b\":1}]}\n"

typedef struct fx {
    char         *dir, *recipe;
    names_recipe *r;
    names_data    d;
    pl_error      err;
} fx;

static void put(const fx *f, const char *name, const char *text)
{
    char *path = pl_path_join(f->dir, name);

    assert_rc(pl_file_write_atomic(path, (pl_str){ text, strlen(text) }, 0600, NULL), PL_OK);
    free(path);
}

static int setup(void **state)
{
    fx *f = calloc(1, sizeof *f);

    f->dir = pl_test_mkdtemp();
    f->recipe = pl_path_join(f->dir, "recipe.yaml");
    put(f, "rules.txt", RULES);
    put(f, "recipe.yaml", RECIPE);
    put(f, "s.jsonl", DATA);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    names_data_free(&f->d);
    names_recipe_free(f->r);
    pl_test_rmtree(f->dir);
    free(f->recipe);
    free(f);
    return 0;
}

static void recipe_is__knows_its_kind(void **state)
{
    fx *f = *state;

    assert_true(names_recipe_is(f->recipe));
    put(f, "recipe.yaml", "model: x\nversion: \"1\"\n");
    assert_false(names_recipe_is(f->recipe));
}

static void recipe_open__tells_what_is_wrong_and_where(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "kind: names\nclasses: []\nmade:\n  - {id: a, from: x, times: 1}\n", "missing key 'rules'" },
        { "kind: names\nclasses: []\nsets:\n  - {id: a, file: f, licence: l, source: s, text: t,\n"
          "     colour: red}\n", "unknown key 'colour'" },
        { "kind: names\nsets:\n  - {id: a, file: f, source: s, text: t}\n", "missing key 'licence'" },
        { "kind: names\n", "missing key 'classes'" },
    };
    fx *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(f, "recipe.yaml", cases[i].text);
        assert_rc(names_recipe_open(f->recipe, &f->r, &f->err), PL_INVALID);
        assert_non_null(strstr(f->err.text, cases[i].want));
        assert_non_null(strstr(f->err.text, "recipe.yaml:"));
    }
}

static void grammar_new__tells_what_is_wrong_and_where(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "x\n", "rules.txt:1: an alternative before the first rule" },
        { "[a]\n{b}\n", "rule 'a' names 'b'" },
        { "[a]\nx\n[a]\ny\n", "rules.txt:3: no id, one used before" },
        { "[a : pii.email]\nx\n", "unknown word 'pii.email'" },
    };
    fx            *f = *state;
    char          *path = pl_path_join(f->dir, "rules.txt");
    names_grammar *g = NULL;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(f, "rules.txt", cases[i].text);
        assert_rc(names_grammar_new((const char *const *)&path, 1, &g, &f->err), PL_INVALID);
        assert_non_null(strstr(f->err.text, cases[i].want));
    }
    put(f, "rules.txt", "[a]\n{a}\n");
    assert_ok(names_grammar_new((const char *const *)&path, 1, &g, &f->err), &f->err);
    assert_rc(names_grammar_make(g, "a", &(names_random){ 1 }, &(names_example){ 0 }, &f->err),
              PL_INVALID);
    assert_non_null(strstr(f->err.text, "names itself"));
    names_grammar_free(g);
    free(path);
}

static void grammar_make__marks_what_it_says(void **state)
{
    fx            *f = *state;
    char          *path = pl_path_join(f->dir, "rules.txt");
    names_grammar *g = NULL;
    names_random   r = { 5 };
    unsigned       golds = 0;

    assert_ok(names_grammar_new((const char *const *)&path, 1, &g, &f->err), &f->err);
    for (int i = 0; i < 100; i++) {
        names_example e;

        assert_ok(names_grammar_make(g, "en_name", &r, &e, &f->err), &f->err);
        assert_int_equal(e.golds, 1);
        assert_int_equal(e.gold[0].start, 0);
        assert_int_equal(e.gold[0].end, e.n);
        assert_non_null(memchr(e.text, ' ', e.n));
        golds += e.golds;
        free(e.text);
        free(e.gold);
    }
    assert_int_equal(golds, 100);
    names_grammar_free(g);
    free(path);
}

/* Offsets of data are characters; spans side by side that are one address are one. */
static void recipe_read__takes_spans_as_bytes(void **state)
{
    fx                  *f = *state;
    const names_example *e;

    assert_ok(names_recipe_open(f->recipe, &f->r, &f->err), &f->err);
    assert_ok(names_recipe_read(f->r, f->dir, &f->d, &f->err), &f->err);
    assert_int_equal(f->d.n, 2001);
    e = &f->d.e[2000];
    assert_int_equal(e->use, NAMES_HELD_OUT);
    assert_int_equal(e->golds, 2);
    assert_memory_equal(e->text + e->gold[0].start, "Ann", 3);
    assert_false(e->gold[0].is_address);
    assert_memory_equal(e->text + e->gold[1].start, "1 Elm St\n Rome", 14);
    assert_int_equal(e->gold[1].end - e->gold[1].start, 14);
    assert_true(e->gold[1].is_address);
}

static double figure(const json_t *rows, const char *set, const char *kind)
{
    size_t  i;
    json_t *r;

    json_array_foreach ((json_t *)rows, i, r)
        if (strcmp(json_string_value(json_object_get(r, "set")), set) == 0 &&
            strcmp(json_string_value(json_object_get(r, "kind")), kind) == 0)
            return json_number_value(json_object_get(r, "f1"));
    return -1;
}

static void fit__learns_what_the_rules_say_and_always_the_same(void **state)
{
    fx          *f = *state;
    names_fitted a = { 0 }, b = { 0 };
    pl_names    *m = NULL;
    json_t      *rows = NULL;

    assert_ok(names_recipe_open(f->recipe, &f->r, &f->err), &f->err);
    assert_ok(names_recipe_read(f->r, f->dir, &f->d, &f->err), &f->err);
    assert_ok(names_fit(f->r, &f->d, &a, &f->err), &f->err);
    assert_ok(names_fit(f->r, &f->d, &b, &f->err), &f->err);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.image, b.image, a.n);
    assert_ok(pl_names_open((pl_str){ a.image, a.n }, &m, &f->err), &f->err);
    assert_ok(names_measure(m, f->r, &f->d, &rows, &f->err), &f->err);
    assert_true(figure(rows, "made", "pii.name") > 0.95);
    json_decref(rows);
    pl_names_free(m);
    free(a.image);
    free(b.image);
}

int main(void)
{
#define FX(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        FX(recipe_is__knows_its_kind),
        FX(recipe_open__tells_what_is_wrong_and_where),
        FX(grammar_new__tells_what_is_wrong_and_where),
        FX(grammar_make__marks_what_it_says),
        FX(recipe_read__takes_spans_as_bytes),
        FX(fit__learns_what_the_rules_say_and_always_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
