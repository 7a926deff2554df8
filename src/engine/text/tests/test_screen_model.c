#include "engine/text/model.h"
#include "engine/text/tests/text_fixture.h"

#include <plumbline/screen.h>

/* A database whose classifier has two labels; every text is YES for the first in words, and
 * UNCERTAIN for the second. */
typedef struct fx {
    void      *text, *model, *image;
    size_t     text_n, model_n;
    pl_screen *screen;
} fx;

static void rule(pl_textdb_builder *b, const char *id, const char *keyword)
{
    pl_text_rule r = { { id, strlen(id) }, PL_STR("harm.test"), 2 };
    uint32_t     index;

    assert_int_equal(pl_textdb_builder_rule(b, &r, &index, NULL), PL_OK);
    if (keyword)
        assert_int_equal(pl_textdb_builder_keyword(b, index,
                                                   (pl_str){ keyword, strlen(keyword) }, 0, NULL),
                         PL_OK);
}

static void model_make(fx *f)
{
    static const int8_t weights[PL_MODEL_LABELS_MAX << PL_MODEL_BITS_MIN];
    pl_model_plan       p = { .labels = 2, .bits = PL_MODEL_BITS_MIN, .weights = weights };

    snprintf(p.name[0], sizeof p.name[0], "harm.sure");
    snprintf(p.name[1], sizeof p.name[1], "harm.maybe");
    for (size_t lang = 0; lang < PL_MODEL_LANGS; lang++) {
        p.scale[0][lang] = (pl_model_scale){ 0, 2.1972246f /* 0.9 */, 2, 0, 0.01f, 0.05f };
        p.scale[1][lang] = (pl_model_scale){ 0, 1, 2, 0, 0.01f, 0.05f };
    }
    assert_int_equal(pl_model_build(&p, &f->model, &f->model_n, NULL), PL_OK);
}

static int setup(void **state)
{
    fx                *f = calloc(1, sizeof *f);
    pl_textdb_builder *b;
    pl_policydb        db;
    size_t             n;

    assert_int_equal(pl_textdb_builder_new(&b, NULL), PL_OK);
    rule(b, "word", "needle");
    rule(b, "model.harm.sure", NULL);
    rule(b, "model.harm.sure.uncertain", NULL);
    rule(b, "model.harm.maybe", NULL);
    rule(b, "model.harm.maybe.uncertain", NULL);
    assert_int_equal(pl_textdb_builder_finish(b, &f->text, &f->text_n, NULL), PL_OK);
    pl_textdb_builder_free(b);
    model_make(f);

    pl_policydb_section s[] = { { PL_SECTION_TEXT, { f->text, f->text_n } },
                                { PL_SECTION_MODEL, { f->model, f->model_n } } };
    assert_int_equal(pl_policydb_build(s, 2, &f->image, &n, NULL), PL_OK);
    assert_int_equal(pl_policydb_check((pl_str){ f->image, n }, &db, NULL), PL_OK);
    assert_int_equal(pl_screen_open(&db, &f->screen, NULL), PL_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fx *f = *state;

    pl_screen_free(f->screen);
    free(f->text);
    free(f->model);
    free(f->image);
    free(f);
    return 0;
}

static pl_str id_of(const fx *f, uint32_t index)
{
    return pl_textdb_rule_get(pl_screen_textdb(f->screen), index).id;
}

static void assert_id(const fx *f, uint32_t index, const char *want)
{
    pl_str id = id_of(f, index);

    assert_int_equal(id.n, strlen(want));
    assert_memory_equal(id.p, want, id.n);
}

static void screen_scan__reports_labels_over_the_whole_text(void **state)
{
    fx      *f = *state;
    findings got = { 0 };

    assert_int_equal(pl_screen_scan(f->screen, PL_STR("a needle here"), PL_SCREEN_ALL,
                                    findings_add, &got, NULL), PL_OK);
    assert_int_equal(got.n, 3);
    assert_id(f, got.list[0].rule, "word");
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(got.list[i].start, 0);
        assert_int_equal(got.list[i].end, 13);
        assert_int_equal(got.list[i].form, 0);
    }
    assert_true(got.list[1].rule < got.list[2].rule);
    for (size_t i = 1; i < 3; i++) {
        pl_str id = id_of(f, got.list[i].rule);

        if (id.n == strlen("model.harm.sure")) {
            assert_memory_equal(id.p, "model.harm.sure", id.n);
            assert_int_equal(got.list[i].score, 9000);
        } else {
            assert_id(f, got.list[i].rule, "model.harm.maybe.uncertain");
            assert_int_equal(got.list[i].score, 7311); /* 1 / (1 + 1/e) */
        }
    }
    findings_drop(&got);
}

static void screen_scan__runs_the_model_only_when_asked(void **state)
{
    fx      *f = *state;
    findings got = { 0 };

    assert_int_equal(pl_screen_scan(f->screen, PL_STR("a needle here"), PL_SCREEN_KEYWORDS,
                                    findings_add, &got, NULL), PL_OK);
    assert_int_equal(got.n, 1);
    findings_drop(&got);
}

/* Two windows of the screen hold many of the classifier's: each byte is judged once, in order. */
static void screen_scan__judges_each_byte_of_a_long_text_once(void **state)
{
    fx      *f = *state;
    size_t   n = PL_SCREEN_WINDOW + 9000, expected = 0;
    char    *text = malloc(n);
    findings got = { 0 };

    memset(text, 'x', n);
    for (size_t i = 0; i < n; i += 17)
        text[i] = ' ';
    for (size_t end = 0; end < n; end = pl_model_window((pl_str){ text, n }, end))
        expected++;
    assert_int_equal(pl_screen_scan(f->screen, (pl_str){ text, n }, PL_SCREEN_MODEL, findings_add,
                                    &got, NULL), PL_OK);
    assert_int_equal(got.n, 2 * expected);
    for (size_t i = 0; i < got.n; i += 2) {
        assert_int_equal(got.list[i].start, i == 0 ? 0 : got.list[i - 2].end);
        assert_int_equal(got.list[i].start, got.list[i + 1].start);
    }
    assert_int_equal(got.list[got.n - 1].end, n);
    findings_drop(&got);
    free(text);
}

/* Whatever the pieces, what is judged is what a scan of the whole judges. */
static void screen_model__judges_pieces_as_the_whole(void **state)
{
    enum { N = 40000 };
    fx      *f = *state;
    char    *text = malloc(N);
    findings want = { 0 };

    for (size_t i = 0; i < N; i++)
        text[i] = i % 97 == 0 ? '\n' : i % 13 == 0 ? ' ' : "xy\xE4\xBD\xA0"[i % 5];
    assert_int_equal(pl_screen_scan(f->screen, (pl_str){ text, N }, PL_SCREEN_MODEL, findings_add, &want,
                                    NULL), PL_OK);
    for (size_t piece = 1; piece <= N; piece = piece * 3 + 1) {
        findings got = { 0 };
        size_t   at = 0;

        for (size_t have = 0; have < N;) {
            have = have + piece < N ? have + piece : N;
            at += pl_screen_model(f->screen, (pl_str){ text + at, have - at }, at, have == N,
                                  findings_add, &got);
            assert_true(have - at <= PL_MODEL_WINDOW);
        }
        assert_int_equal(at, N);
        assert_int_equal(got.n, want.n);
        for (size_t i = 0; i < got.n; i++) {
            assert_int_equal(got.list[i].start, want.list[i].start);
            assert_int_equal(got.list[i].end, want.list[i].end);
            assert_int_equal(got.list[i].score, want.list[i].score);
        }
        findings_drop(&got);
    }
    findings_drop(&want);
    free(text);
}

static void screen_open__refuses_a_damaged_model(void **state)
{
    fx         *f = *state;
    pl_policydb db;
    void       *image;
    size_t      n;
    pl_screen  *s = NULL;

    ((char *)f->model)[f->model_n - 1] ^= 1;
    pl_policydb_section sections[] = { { PL_SECTION_TEXT, { f->text, f->text_n } },
                                       { PL_SECTION_MODEL, { f->model, f->model_n } } };
    assert_int_equal(pl_policydb_build(sections, 2, &image, &n, NULL), PL_OK);
    assert_int_equal(pl_policydb_check((pl_str){ image, n }, &db, NULL), PL_OK);
    assert_int_equal(pl_screen_open(&db, &s, NULL), PL_INVALID);
    free(image);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(screen_scan__reports_labels_over_the_whole_text),
        T(screen_scan__runs_the_model_only_when_asked),
        T(screen_scan__judges_each_byte_of_a_long_text_once),
        T(screen_model__judges_pieces_as_the_whole),
        T(screen_open__refuses_a_damaged_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
